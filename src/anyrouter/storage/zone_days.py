"""Days of a time zone, made of days of UTC and of the hours that are on different days in both. Pure."""

from dataclasses import dataclass
from functools import lru_cache

from anyrouter.control.usage_reader import Span, Unit


@dataclass(frozen=True, slots=True, kw_only=True)
class Move:
    """Hours from `first` to before `end`, of a day of UTC and of the zone. None: a day that is not asked for."""

    first: int
    end: int
    utc_day: int | None
    zone_day: int | None


def number_hour(span: Span, hour: int) -> int:
    """The number of the unit that an hour is in."""
    if span.unit is Unit.HOUR:
        return hour
    offset = next((minutes for end, minutes in span.shifts if hour < end), 0)
    return (hour * 60 + offset) // 1440


def cover(span: Span) -> Span:
    """The days of UTC that have the numbers of the span's days."""
    return Span(first=number_hour(span, span.first) * 24, end=(number_hour(span, span.end - 1) + 1) * 24)


@lru_cache(maxsize=64)
def list_moves(span: Span) -> tuple[Move, ...]:
    """What makes the days of `cover` the span's: each is taken from the one day and given to the other."""
    whole, moves = cover(span), list[Move]()
    for hour in range(min(whole.first, span.first), max(whole.end, span.end)):
        utc_day = hour // 24 if whole.first <= hour < whole.end else None
        zone_day = number_hour(span, hour) if span.first <= hour < span.end else None
        if utc_day == zone_day:
            continue
        last = moves[-1] if moves else None
        first = hour
        if last is not None and (last.end, last.utc_day, last.zone_day) == (hour, utc_day, zone_day):
            first = moves.pop().first
        moves.append(Move(first=first, end=hour + 1, utc_day=utc_day, zone_day=zone_day))
    return tuple(moves)
