"""What the home page says of today: tiles beside yesterday's, and a chart of the hours. Pure."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

from markupsafe import Markup

from anyrouter.control.home_facts import DayFacts, cost_of
from anyrouter.control.usage_reader import UsageSums
from anyrouter.control.usage_view import tell_change
from anyrouter.web.pages import chart, words

USAGE = "/dashboard/usage"


@dataclass(frozen=True, slots=True, kw_only=True)
class Tile:
    """A number of today, what it was yesterday by this time, and where there is more of it."""

    title: str
    value: str
    trend: str
    link: str


def list_tiles(day: DayFacts) -> list[Tile]:
    """Spend, requests, errors and tokens of today."""
    activity = f"/dashboard/activity?from={datetime.fromtimestamp(day.first_hour * 3600, UTC):%Y-%m-%d}"
    return [
        _tile("Spend", day, cost_of, words.money, f"{USAGE}?range=24h&measure=cost"),
        _tile("Requests", day, lambda sums: sums.requests, words.many, activity),
        _tile("Errors", day, lambda sums: sums.errors, words.many, f"{activity}&status=errors"),
        _tile("Tokens", day, lambda sums: sums.input_tokens + sums.output_tokens, words.many, f"{USAGE}?range=24h&measure=tokens"),
    ]


def draw_day(day: DayFacts) -> Markup:
    """The spend of today's hours over yesterday's; the requests when nothing was spent on either day."""
    has_costs = any(sums is not None and cost_of(sums) for sums in (*day.todays, *day.yesterdays))
    read: Callable[[UsageSums], int] = cost_of if has_costs else lambda sums: sums.requests
    write: Callable[[int], str] = words.money if has_costs else words.many
    marks = [f"{hour:02}:00" for hour in range(len(day.todays))]
    today = [None if sums is None else read(sums) for sums in day.todays]
    title = "Spend by hour, today" if has_costs else "Requests by hour, today"
    total, before = sum(value or 0 for value in today), sum(read(sums) for sums in day.yesterdays)
    return chart.stacked_bars(
        chart.Chart(
            title=title,
            summary=f"{write(total)} today so far; {write(before)} on the whole of yesterday. Hours of UTC.",
            labels=[f"{mark} UTC" for mark in marks],
            marks=marks,
            series=[chart.Series(name="Today", values=today)],
            write=write,
            before=chart.Series(name="Yesterday", values=[read(sums) for sums in day.yesterdays]),
        )
    )


def name_measure(day: DayFacts) -> str:
    """What the chart shows."""
    return "Spend" if any(sums is not None and cost_of(sums) for sums in (*day.todays, *day.yesterdays)) else "Requests"


def has_any(series: Sequence[UsageSums | None]) -> bool:
    """Whether there was a request in any of the hours."""
    return any(sums is not None and sums.requests for sums in series)


def _tile(title: str, day: DayFacts, read: Callable[[UsageSums], int], write: Callable[[int], str], link: str) -> Tile:
    now, earlier = read(day.today), read(day.yesterday)
    change = tell_change(now, earlier)
    trend = f"{change} on {write(earlier)} yesterday by now" if change else f"{write(earlier)} yesterday by now"
    return Tile(title=title, value=write(now), trend=trend, link=link)
