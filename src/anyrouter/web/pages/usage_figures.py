"""What the usage page says of a report: tiles, a chart, and rows, in words. Pure."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import timedelta

from markupsafe import Markup

from anyrouter.control.usage_range import UsageRange, day_of
from anyrouter.control.usage_reader import OTHER_APPS, Split, Unit, UsageSums
from anyrouter.control.usage_report import Latencies, UsageReport
from anyrouter.control.usage_view import TIMES, Measure, Part, read_measure, tell_change
from anyrouter.core.latency import find_percentile
from anyrouter.providers.registry import name_provider
from anyrouter.web.pages import chart, words
from anyrouter.web.pages.usage_address import UsageAddress

TITLES: Mapping[Measure, str] = {
    Measure.COST: "Spend",
    Measure.REQUESTS: "Requests",
    Measure.TOKENS: "Tokens",
    Measure.ERRORS: "Errors",
    Measure.CACHE: "Cache share",
    Measure.LATENCY: "Latency",
    Measure.TTFT: "First token",
}
_HALF, _MOST = 50, 95
SPLIT_TITLES: Mapping[str, str] = {
    Split.KEY: "Key",
    Split.MODEL: "Model",
    Split.PROVIDER: "Provider",
    Split.ENVIRONMENT: "Environment",
    Split.APP: "App",
}
NO_APP = "No app named"
_MOST_LINES = 4
_REST = "All others"


@dataclass(frozen=True, slots=True, kw_only=True)
class Tile:
    """A measure of the whole range. `trend` is beside it: what changed, or a share."""

    title: str
    value: str
    trend: str
    link: str
    is_current: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Line:
    """A row of the table: one value of the split, or one time. `times` are percentiles: latency 50, 95, first token 50, 95."""

    name: str
    link: str
    sums: UsageSums
    cache: str
    share: str
    detail: str = ""
    change: str = ""
    times: Sequence[str] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Chip:
    """A filter that is set, and the address without it."""

    title: str
    name: str
    link: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Drawing:
    """A chart with what belongs below it."""

    title: str
    picture: Markup
    legend: Markup
    numbers: Markup


def name_value(kind: str, value: str, key_names: Mapping[str, str]) -> str:
    """What people call a value of a split or filter."""
    if kind == Split.KEY:
        return key_names.get(value, value)
    if kind == Split.PROVIDER:
        return name_provider(value) or "No provider"
    if kind == Split.APP:
        return "All other apps" if value == OTHER_APPS else value or NO_APP
    return value or "None"


def list_chips(address: UsageAddress, key_names: Mapping[str, str]) -> list[Chip]:
    """The filters that are set."""
    return [
        Chip(title=SPLIT_TITLES[name], name=name_value(name, value, key_names), link=address.without(name))
        for name, value in address.filters.items()
    ]


def list_tiles(address: UsageAddress, report: UsageReport) -> list[Tile]:
    """One for each measure: a click leads to its chart."""
    return [
        Tile(
            title=title,
            value=_tell_time(measure, report, _HALF) if measure in TIMES else _tell_total(measure, report),
            trend=_trend_of_times(measure, report) if measure in TIMES else _trend(measure, report),
            link=address.link({"measure": measure.value}),
            is_current=measure is address.measure,
        )
        for measure, title in TITLES.items()
    ]


def list_lines(address: UsageAddress, report: UsageReport, key_names: Mapping[str, str], details: Mapping[str, str]) -> list[Line]:
    """The table's rows."""
    split = address.split
    return [] if split is None else [_line(address, split, report, part, key_names, details) for part in report.parts]


def list_slot_lines(address: UsageAddress, report: UsageReport) -> list[Line]:
    """The table's rows where nothing is split: the times with anything, the newest first. A click leads to a day's hours."""
    shown = address.shown
    return [
        _make_line(shown.tell(slot), _zoom(address, slot), sums, report)
        for slot, sums in reversed(list(enumerate(report.slots)))
        if sums.requests or sums.cost_nanousd
    ]


def draw(address: UsageAddress, report: UsageReport, key_names: Mapping[str, str]) -> Drawing:
    """The measure over time."""
    measure = address.measure
    if measure in TIMES:
        return _draw_times(address, report)
    split = address.split
    picture = chart.Chart(
        title=TITLES[measure] + (f" by {SPLIT_TITLES[split].lower()}" if split is not None else ""),
        summary=_summarise(address.shown, measure, report.slots),
        labels=[address.shown.tell(slot) for slot in range(len(address.shown.slots))],
        marks=[address.shown.mark(slot) for slot in range(len(address.shown.slots))],
        series=_list_series(measure, split, report, key_names),
        write=write_measure(measure),
        before=_draw_earlier(measure, split, report),
        links=[_zoom(address, slot) for slot in range(len(address.shown.slots))],
    )
    is_share = measure is Measure.CACHE
    shown = [*picture.series, *([] if picture.before is None else [picture.before])]
    return Drawing(
        title=picture.title,
        picture=chart.lines(picture) if is_share else chart.stacked_bars(picture),
        legend=chart.legend(shown) if len(shown) > 1 else Markup(""),
        numbers=chart.numbers(picture),
    )


def _draw_times(address: UsageAddress, report: UsageReport) -> Drawing:
    """Half of the requests, and 95 of a hundred, were done within these."""
    measure, shown = address.measure, address.shown
    slots = [] if report.latencies is None else [_counts(measure, some) for some in report.latencies.slots]
    most = [find_percentile(counts, _MOST) for counts in slots]
    worst = max(((value, slot) for slot, value in enumerate(most) if value is not None), default=None)
    picture = chart.Chart(
        title="Time to the first token" if measure is Measure.TTFT else "Latency",
        summary="Nothing is known of this time."
        if worst is None
        else f"The longest 95th percentile is {words.duration_ms(worst[0])}: {shown.tell(worst[1])}.",
        labels=[shown.tell(slot) for slot in range(len(slots))],
        marks=[shown.mark(slot) for slot in range(len(slots))],
        series=[
            chart.Series(name="Half of the requests (p50)", values=[find_percentile(counts, _HALF) for counts in slots], colour=2),
            chart.Series(name="95 % of the requests (p95)", values=most, colour=3),
        ],
        write=words.duration_ms,
        links=[_zoom(address, slot) for slot in range(len(slots))],
    )
    return Drawing(title=picture.title, picture=chart.lines(picture), legend=chart.legend(picture.series), numbers=chart.numbers(picture))


def write_measure(measure: Measure) -> Callable[[int], str]:
    """How the numbers of a measure are written."""
    if measure is Measure.COST:
        return words.money
    return _write_share if measure is Measure.CACHE else words.many


def _line(  # noqa: PLR0917 -- all that a row is made of
    address: UsageAddress, split: Split, report: UsageReport, part: Part, key_names: Mapping[str, str], details: Mapping[str, str]
) -> Line:
    line = _make_line(name_value(split, part.value, key_names), address.drill(part.value), part.sums, report)
    times = report.latencies.values.get(part.value) if report.latencies is not None and report.latencies.values is not None else None
    change = _change(part.sums.cost_nanousd, part.before.cost_nanousd) if report.earlier_total is not None else ""
    return replace(line, detail=details.get(part.value, ""), change=change, times=_tell_times(times or Latencies()))


def _make_line(name: str, link: str, sums: UsageSums, report: UsageReport) -> Line:
    cache = read_measure(Measure.CACHE, sums)
    return Line(
        name=name,
        link=link,
        sums=sums,
        cache=words.NOTHING if cache is None else _write_share(cache),
        share=words.percent(sums.cost_nanousd, report.total.cost_nanousd),
    )


def _zoom(address: UsageAddress, slot: int) -> str:
    """The address of a day, or of a week's days; empty for an hour, which is the smallest."""
    shown = address.shown
    if shown.span.unit is Unit.HOUR:
        return ""
    first = day_of(shown.slots[slot])
    return address.zoom(first, min(first + timedelta(days=6), shown.last_day) if shown.is_weekly else first)


def _list_series(measure: Measure, split: Split | None, report: UsageReport, key_names: Mapping[str, str]) -> list[chart.Series]:
    if split is None or not report.series:
        return [chart.Series(name="All", values=[read_measure(measure, sums) for sums in report.slots])]
    most = _MOST_LINES if measure is Measure.CACHE else len(report.series)
    series = [
        chart.Series(name=name_value(split, value, key_names), values=[read_measure(measure, sums) for sums in slots], colour=number)
        for number, (value, slots) in enumerate(list(report.series.items())[:most], start=1)
    ]
    if report.rest is not None and measure is not Measure.CACHE:
        series.append(chart.Series(name=_REST, values=[read_measure(measure, sums) for sums in report.rest], colour=chart.REST))
    return series


def _draw_earlier(measure: Measure, split: Split | None, report: UsageReport) -> chart.Series | None:
    """The period before, beside what is shown; as many slots of it as there are."""
    if report.earlier_slots is None or (measure is Measure.CACHE and split is not None):
        return None
    values = [read_measure(measure, sums) for sums in report.earlier_slots][: len(report.slots)]
    return chart.Series(name="The period before", values=values + [None] * (len(report.slots) - len(values)), colour="before")


def _tell_total(measure: Measure, report: UsageReport) -> str:
    value = read_measure(measure, report.total)
    return words.NOTHING if value is None else write_measure(measure)(value)


def _tell_time(measure: Measure, report: UsageReport, percent: int) -> str:
    return words.duration_ms(None if report.latencies is None else find_percentile(_counts(measure, report.latencies.total), percent))


def _trend_of_times(measure: Measure, report: UsageReport) -> str:
    most = _tell_time(measure, report, _MOST)
    return "" if most == words.NOTHING else f"for half, {most} for 95 %"


def _tell_times(some: Latencies) -> list[str]:
    return [words.duration_ms(find_percentile(counts, percent)) for counts in (some.latency, some.ttft) for percent in (_HALF, _MOST)]


def _counts(measure: Measure, some: Latencies) -> Sequence[int]:
    return some.ttft if measure is Measure.TTFT else some.latency


def _trend(measure: Measure, report: UsageReport) -> str:
    if measure is Measure.ERRORS and report.total.requests:
        return f"{words.percent(report.total.errors, report.total.requests)} of requests"
    if report.earlier_total is None:
        return ""
    now, earlier = read_measure(measure, report.total), read_measure(measure, report.earlier_total)
    if measure is Measure.CACHE:
        return "" if earlier is None else f"{_write_share(earlier)} before"
    change = tell_change(now, earlier)
    return f"{change} vs before" if change else ""


def _change(now: int, earlier: int) -> str:
    if not earlier:
        return "new" if now else words.NOTHING
    return tell_change(now, earlier)


def _summarise(shown: UsageRange, measure: Measure, slots: Sequence[UsageSums]) -> str:
    values = [(value, slot) for slot, sums in enumerate(slots) if (value := read_measure(measure, sums))]
    if not values:
        return "There is nothing in this time."
    most, slot = max(values, key=lambda pair: pair[0])
    return f"The most is {write_measure(measure)(most)}: {shown.tell(slot)}."


def _write_share(hundredths: int) -> str:
    whole, part = divmod(hundredths, 100)
    return f"{whole}.{part // 10} %"
