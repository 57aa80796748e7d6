"""What the home page is about: an hour that is unusual, today beside yesterday, and what an installation needs next. Pure."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from statistics import median_low

from anyrouter.control.usage_reader import NOTHING, UsageSums
from anyrouter.control.usage_view import add_up

USUAL_DAYS = 14
LEAST_DAYS = 5
FACTOR = 3
FLOOR_NANOUSD = 1_000_000_000
DAYS_TO_LAST = 3
DAY_HOURS = 24
_HOUR_S = 3600
_NAMES = UsageSums.__struct_fields__
Hours = Mapping[int, UsageSums]


@dataclass(frozen=True, slots=True, kw_only=True)
class UnusualHour:
    """An hour (since 1970 UTC) that cost far more than usual at that time of the day."""

    hour: int
    spent_nanousd: int
    usual_nanousd: int


@dataclass(frozen=True, slots=True, kw_only=True)
class DayFacts:
    """Today (UTC) so far, and yesterday up to the same time. The series are of the day's hours; None: not begun yet."""

    today: UsageSums
    yesterday: UsageSums
    first_hour: int
    todays: Sequence[UsageSums | None]
    yesterdays: Sequence[UsageSums]


@dataclass(frozen=True, slots=True, kw_only=True)
class Step:
    """Something that an installation needs once. `scope` is what doing it needs, empty for everybody; `path` is where it is done."""

    title: str
    text: str
    path: str
    scope: str
    is_done: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Progress:
    """How far an installation is. `has_own_login`: whoever looks has a second factor, a passkey, or signs in at a provider.

    `has_key`: somebody has made one, besides the one that the first start makes.
    """

    has_key: bool
    has_request: bool
    has_provider: bool
    has_bound: bool
    has_colleague: bool
    has_own_login: bool


def hour_of(now: datetime) -> int:
    """Hours since 1970 UTC."""
    return int(now.timestamp()) // _HOUR_S


def cost_of(sums: UsageSums) -> int:
    """All that it cost: what was charged, and what the organisation's own accounts pay."""
    return sums.cost_nanousd + sums.upstream_cost_nanousd


def first_needed(now: datetime) -> int:
    """The first hour whose sums `find_unusual` looks at."""
    return hour_of(now) - 1 - (USUAL_DAYS + 1) * DAY_HOURS


def find_unusual(hours: Hours, now: datetime) -> UnusualHour | None:
    """The hour that runs, or the one before it, when what it cost is unusual.

    The rule: at least one dollar, and more than three times the usual. Usual is the median of the same hour on the 14 days before,
    without days on which nothing was spent at all; with fewer than 5 such days nothing is usual yet, and nothing unusual.
    """
    for hour in (hour_of(now), hour_of(now) - 1):
        spent, usual = _cost(hours, hour), find_usual(hours, hour)
        if usual is not None and spent >= FLOOR_NANOUSD and spent > FACTOR * usual:
            return UnusualHour(hour=hour, spent_nanousd=spent, usual_nanousd=usual)
    return None


def find_usual(hours: Hours, hour: int) -> int | None:
    """What the hour costs usually; None when there are too few days to tell. A day is the 24 hours that end with the same hour."""
    same = [hour - days * DAY_HOURS for days in range(1, USUAL_DAYS + 1)]
    spent = [_cost(hours, one) for one in same if any(_cost(hours, before) for before in range(one - DAY_HOURS + 1, one + 1))]
    return median_low(spent) if len(spent) >= LEAST_DAYS else None


def compare_days(hours: Hours, now: datetime) -> DayFacts:
    """Today beside yesterday. Of yesterday's hour at this time as much counts as has gone of this one, as if it had been even."""
    current = hour_of(now)
    first = current - current % DAY_HOURS
    gone_s = int(now.timestamp()) % _HOUR_S
    before = [hours.get(hour - DAY_HOURS, NOTHING) for hour in range(first, current)]
    return DayFacts(
        today=add_up(hours.get(hour, NOTHING) for hour in range(first, current + 1)),
        yesterday=add_up([*before, _take_part(hours.get(current - DAY_HOURS, NOTHING), gone_s)]),
        first_hour=first,
        todays=[hours.get(hour, NOTHING) if hour <= current else None for hour in range(first, first + DAY_HOURS)],
        yesterdays=[hours.get(hour - DAY_HOURS, NOTHING) for hour in range(first, first + DAY_HOURS)],
    )


def find_days_left(balance_nanousd: int, hours: Hours, now: datetime) -> int | None:
    """For how many days prepaid credits last at the pace of the last seven; None when nothing was spent, or they last for long."""
    last = hour_of(now)
    spent = sum(hours[hour].cost_nanousd for hour in range(last - 7 * DAY_HOURS, last + 1) if hour in hours)
    if balance_nanousd <= 0:
        return 0
    days = None if spent <= 0 else 7 * balance_nanousd // spent
    return days if days is not None and days < DAYS_TO_LAST else None


def list_steps(progress: Progress) -> list[Step]:
    """What a new installation needs, in the order in which it is best done."""
    return [
        Step(title="Set up the owner", text="Somebody can sign in: you.", path="", scope="", is_done=True),
        Step(
            title="Connect a provider",
            text="Enter a provider's API key, so that requests reach real models. Until then the sandbox answers.",
            path="/dashboard/settings/byok/new",
            scope="admin:byok",
            is_done=progress.has_provider,
        ),
        Step(
            title="Create an API key",
            text="Programs send it with each request. Give each program its own.",
            path="/dashboard/keys/new",
            scope="admin:keys",
            is_done=progress.has_key,
        ),
        Step(
            title="Send the first request",
            text="Try a model in the playground, or with the snippet that comes with a key. It shows up under Activity.",
            path="/dashboard/playground",
            scope="completions:write",
            is_done=progress.has_request,
        ),
        Step(
            title="Set a budget or a limit",
            text="A bound for the organisation, an environment or a key: then a mistake costs no more than that.",
            path="/dashboard/settings/limits",
            scope="admin:billing",
            is_done=progress.has_bound,
        ),
        Step(
            title="Invite somebody",
            text="A second owner can help when you cannot sign in.",
            path="/dashboard/settings/members",
            scope="admin:org",
            is_done=progress.has_colleague,
        ),
        Step(
            title="Protect your account",
            text="Add a second factor or a passkey: then a password alone opens nothing.",
            path="/dashboard/settings/profile",
            scope="",
            is_done=progress.has_own_login,
        ),
    ]


def _cost(hours: Hours, hour: int) -> int:
    return cost_of(hours.get(hour, NOTHING))


def _take_part(sums: UsageSums, gone_s: int) -> UsageSums:
    return UsageSums(**{name: getattr(sums, name) * gone_s // _HOUR_S for name in _NAMES})
