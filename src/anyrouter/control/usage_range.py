"""Which time the usage page shows, and into which slots it falls: hours, days of a time zone, weeks. Pure.

Usage is summed by hours of UTC, which are kept for `HOURLY_DAYS`, and by days of UTC, which are kept for good. Days of another zone are
put together from the hours that begin in them: 23, 24 or 25 of them where clocks change. Once the hours are gone the days are UTC's.
"""

import re
from bisect import bisect_right
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime, timedelta, tzinfo
from enum import StrEnum
from functools import lru_cache
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from anyrouter.control.usage_reader import Span, Unit
from anyrouter.core.errors import ClientError, Denied

HOURLY_DAYS = 92
MAX_DAYS = 400
_MOST_HOURLY_DAYS, _MOST_DAILY_DAYS = 2, 93
_DATE = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}", re.ASCII)
_ZONE = re.compile(r"[A-Za-z][A-Za-z0-9_+\-]*(?:/[A-Za-z0-9_+\-]+){0,2}", re.ASCII)
_MAX_ZONE = 64
_EPOCH = date(1970, 1, 1)
_FIRST_DAY, _LAST_DAY = date(2000, 1, 1), date(2999, 12, 31)
UTC_NAME = "UTC"
ZONES = (
    UTC_NAME,
    "America/Los_Angeles",
    "America/Denver",
    "America/Chicago",
    "America/New_York",
    "America/Sao_Paulo",
    "Europe/London",
    "Europe/Berlin",
    "Europe/Athens",
    "Africa/Johannesburg",
    "Asia/Dubai",
    "Asia/Kolkata",
    "Asia/Singapore",
    "Asia/Shanghai",
    "Asia/Tokyo",
    "Australia/Sydney",
    "Pacific/Auckland",
)


class RangeName(StrEnum):
    """The ranges that have a name, and `custom` for any other."""

    DAY = "24h"
    WEEK = "7d"
    MONTH = "30d"
    QUARTER = "90d"
    THIS_MONTH = "month"
    CUSTOM = "custom"


_DAYS = {RangeName.WEEK: 7, RangeName.MONTH: 30, RangeName.QUARTER: 90}


@dataclass(frozen=True, slots=True, kw_only=True)
class UsageRange:
    """`slots` are the numbers of the hours or days (since 1970) that begin the slots; a slot ends where the next begins.

    `first_day` and `last_day` are the zone's. `is_utc_days`: the zone's own days are not known any more, these are UTC's.
    """

    name: RangeName
    zone: str
    span: Span
    slots: tuple[int, ...]
    first_day: date
    last_day: date
    is_weekly: bool = False
    is_utc_days: bool = False

    def slot_of(self, number: int) -> int:
        """The slot of an hour or day as the store numbers them; -1 when it is in none."""
        return bisect_right(self.slots, number) - 1

    def tell(self, slot: int) -> str:
        """The slot in full."""
        if self.span.unit is Unit.HOUR:
            begins = _local(self.slots[slot], find_zone(self.zone))
            return begins.strftime("%a %d %b, %H:%M")
        day = day_of(self.slots[slot])
        return f"Week of {day:%d %b %Y}" if self.is_weekly else f"{day:%a %d %b %Y}"

    def mark(self, slot: int) -> str:
        """The slot in a few characters."""
        if self.span.unit is Unit.HOUR:
            return _local(self.slots[slot], find_zone(self.zone)).strftime("%H:%M")
        return day_of(self.slots[slot]).strftime("%d %b")

    def write(self, slot: int) -> str:
        """The slot for machines: a time with its offset, or a day."""
        if self.span.unit is Unit.HOUR:
            return _local(self.slots[slot], find_zone(self.zone)).isoformat(timespec="minutes")
        return day_of(self.slots[slot]).isoformat()


def parse_range(now: datetime, *, name: str = "", date_from: str = "", date_to: str = "", zone: str = "") -> UsageRange:
    """The range that an address names: the last 30 days without one; from a day to a day, both included, when it names days.

    ClientError `invalid_parameter`, whose `param` is `range`, `from`, `to` or `zone`.
    """
    place = find_zone(zone or UTC_NAME)
    today = now.astimezone(place).date()
    if date_from or date_to or name == RangeName.CUSTOM:
        last = _parse_day("to", date_to) if date_to else today
        first = _parse_day("from", date_from) if date_from else last - timedelta(days=_DAYS[RangeName.MONTH] - 1)
        if first > last:
            raise _refusal("from", "it is later than the last day")
        if (last - first).days >= MAX_DAYS:
            raise _refusal("from", f"at most {MAX_DAYS} days can be shown at once")
        return make_days(RangeName.CUSTOM, now, (first, last), zone or UTC_NAME)
    try:
        known = RangeName(name or RangeName.MONTH)
    except ValueError:
        raise _refusal("range", f"one of {', '.join(RangeName)} is needed") from None
    if known is RangeName.DAY:
        end = hour_of(now) + 1
        return _make_hours(known, zone or UTC_NAME, end - 24, end, is_last=True)
    first = today.replace(day=1) if known is RangeName.THIS_MONTH else today - timedelta(days=_DAYS[known] - 1)
    return make_days(known, now, (first, today), zone or UTC_NAME)


def before(shown: UsageRange, now: datetime) -> UsageRange:
    """The period of the same length just before."""
    if shown.name is RangeName.DAY:
        return _make_hours(shown.name, shown.zone, shown.span.first - 24, shown.span.first)
    days = timedelta(days=(shown.last_day - shown.first_day).days + 1)
    return make_days(shown.name, now, (shown.first_day - days, shown.last_day - days), shown.zone, like=shown)


def make_days(name: RangeName, now: datetime, days: tuple[date, date], zone: str, *, like: UsageRange | None = None) -> UsageRange:
    """The slots of these days, both included. `like` is a range whose kind of slots it shall have, where that is possible."""
    first, last = days
    place, count = find_zone(zone), (last - first).days + 1
    has_hours = (now.astimezone(UTC).date() - first).days < HOURLY_DAYS - 1
    begins, ends = first_hour(first, place), first_hour(last + timedelta(days=1), place)
    is_hourly = count <= _MOST_HOURLY_DAYS if like is None else like.span.unit is Unit.HOUR
    if is_hourly and has_hours:
        return _make_hours(name, zone, begins, ends, days=(first, last), is_last=ends > hour_of(now))
    shifts = list_shifts(begins, ends, place)
    is_utc = all(minutes == 0 for _, minutes in shifts)
    is_exact = is_utc or has_hours
    is_weekly = count > _MOST_DAILY_DAYS
    if is_utc or not has_hours:
        span = Span(first=number_of(first) * 24, end=(number_of(last) + 1) * 24, unit=Unit.DAY)
    else:
        span = Span(first=begins, end=ends, unit=Unit.DAY, shifts=shifts, is_last=ends > hour_of(now))
    numbers = range(number_of(first), number_of(last) + 1)
    slots = tuple(numbers[::7]) if is_weekly else tuple(numbers)
    return UsageRange(
        name=name, zone=zone, span=span, slots=slots, first_day=first, last_day=last, is_weekly=is_weekly, is_utc_days=not is_exact
    )


def _make_hours(
    name: RangeName, zone: str, first: int, end: int, days: tuple[date, date] | None = None, *, is_last: bool = False
) -> UsageRange:
    place = find_zone(zone)
    first_day, last_day = days or (_local(first, place).date(), _local(end - 1, place).date())
    return UsageRange(
        name=name,
        zone=zone,
        span=Span(first=first, end=end, unit=Unit.HOUR, is_last=is_last),
        slots=tuple(range(first, end)),
        first_day=first_day,
        last_day=last_day,
    )


def slices(shown: UsageRange, days: int) -> Iterator[Span]:
    """The span in pieces of so many days, in order: none holds up the store for long."""
    span, place = shown.span, find_zone(shown.zone)
    if span.unit is Unit.HOUR:
        yield span
        return
    last = number_of(shown.last_day) + 1
    for first in range(number_of(shown.first_day), last, days):
        ends = (first, min(first + days, last))
        hours = [first_hour(day_of(day), place) if span.shifts else day * 24 for day in ends]
        yield replace(span, first=hours[0], end=hours[1], is_last=span.is_last and ends[1] == last)


@lru_cache(maxsize=64)
def find_zone(name: str) -> tzinfo:
    """The time zone of an IANA name; ClientError `invalid_parameter` when there is none."""
    if name == UTC_NAME:
        return UTC
    no_zone = _refusal("zone", "there is no such time zone; names are those of the IANA, such as Europe/Berlin")
    if len(name) > _MAX_ZONE or not _ZONE.fullmatch(name):
        raise no_zone
    try:
        return ZoneInfo(name)
    except (ValueError, OSError, ZoneInfoNotFoundError):
        raise no_zone from None


def first_hour(day: date, place: tzinfo) -> int:
    """The first hour of UTC that begins in a day of the zone. The day begins at midnight, or when the clocks have passed it."""
    midnight = datetime(day.year, day.month, day.day, tzinfo=place)
    hour = -(-int(midnight.timestamp()) // 3600)
    while _local(hour, place).date() < day:  # midnight did not happen there
        hour += 1
    while _local(hour - 1, place).date() >= day:  # it happened twice
        hour -= 1
    return hour


def list_shifts(first: int, end: int, place: tzinfo) -> tuple[tuple[int, int], ...]:
    """The zone's offsets from UTC in minutes from `first` to `end`: each with the hour before which it holds."""
    shifts: list[tuple[int, int]] = []
    offset, hour = _offset(first, place), first
    while hour < end:
        ahead = min(hour + 24, end)
        if _offset(ahead, place) != offset:
            low, high = hour, ahead  # it holds at `low`, and not at `high`
            while high - low > 1:
                middle = (low + high) // 2
                low, high = (middle, high) if _offset(middle, place) == offset else (low, middle)
            shifts.append((high, offset))
            offset = _offset(high, place)
            ahead = high
        hour = ahead
    return (*shifts, (end, offset))


def hour_of(moment: datetime) -> int:
    """Hours since 1970 UTC."""
    return int(moment.timestamp()) // 3600


def number_of(day: date) -> int:
    """Days since 1970."""
    return (day - _EPOCH).days


def day_of(number: int) -> date:
    """The day of that number."""
    return _EPOCH + timedelta(days=number)


def list_zones(chosen: str) -> Sequence[str]:
    """Those to choose from, the chosen one among them."""
    return ZONES if chosen in ZONES else (*ZONES, chosen)


def _local(hour: int, place: tzinfo) -> datetime:
    return datetime.fromtimestamp(hour * 3600, place)


def _offset(hour: int, place: tzinfo) -> int:
    offset = _local(hour, place).utcoffset()
    return 0 if offset is None else int(offset.total_seconds()) // 60


def _parse_day(param: str, text: str) -> date:
    no_day = _refusal(param, "a day is needed, as YYYY-MM-DD")
    if not _DATE.fullmatch(text):
        raise no_day
    try:
        day = date.fromisoformat(text)
    except ValueError:
        raise no_day from None
    if not _FIRST_DAY <= day <= _LAST_DAY:
        raise _refusal(param, "the day is out of reach")
    return day


def _refusal(param: str, reason: str) -> ClientError:
    return ClientError(Denied(code="invalid_parameter", message=f"{param}: {reason}.", param=param))
