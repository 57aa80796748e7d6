"""What the usage page makes of sums: measures over time, the largest parts and the rest, and what changed. Pure."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from enum import StrEnum
from typing import TypeVar

import msgspec
from msgspec.structs import astuple

from anyrouter.control.usage_range import UsageRange
from anyrouter.control.usage_reader import NOTHING, UsageRow, UsageSums

K = TypeVar("K")

TOP = 7
WHOLE = 10_000  # shares are counted in hundredths of a per cent
_SUMS = UsageSums.__struct_fields__


class Measure(StrEnum):
    """What is counted over time."""

    COST = "cost"
    REQUESTS = "requests"
    TOKENS = "tokens"
    ERRORS = "errors"
    CACHE = "cache"
    LATENCY = "latency"
    TTFT = "ttft"


TIMES = frozenset({Measure.LATENCY, Measure.TTFT})


class Part(msgspec.Struct, frozen=True, kw_only=True):
    """One value of the split over the whole range, and over the period before."""

    value: str
    sums: UsageSums
    before: UsageSums = NOTHING


def read_measure(measure: Measure, sums: UsageSums) -> int | None:
    """The measure of sums; None for a share of nothing, and for times, which are no sums."""
    if measure is Measure.COST:
        return sums.cost_nanousd
    if measure is Measure.REQUESTS:
        return sums.requests
    if measure is Measure.TOKENS:
        return sums.input_tokens + sums.output_tokens
    if measure is Measure.ERRORS:
        return sums.errors
    if measure is Measure.CACHE:
        return sums.cache_read_tokens * WHOLE // sums.input_tokens if sums.input_tokens else None
    return None


def add_up(rows: Iterable[UsageSums]) -> UsageSums:
    """All of them together."""
    totals = [sum(column) for column in zip(*map(astuple, rows), strict=True)]
    return UsageSums(**dict(zip(_SUMS, totals, strict=True))) if totals else NOTHING


def by_value(rows: Sequence[UsageRow]) -> dict[str, UsageSums]:
    """The sums of each value of the split, over all times."""
    found = {row.value: row.sums for row in rows}
    return found if len(found) == len(rows) else _gather(rows, lambda row: row.value)


def by_slot(rows: Sequence[UsageRow], shown: UsageRange) -> list[UsageSums]:
    """The sums of each slot, over all values."""
    found = _gather(rows, lambda row: shown.slot_of(row.time))
    return [found.get(slot, NOTHING) for slot in range(len(shown.slots))]


def by_value_and_slot(rows: Sequence[UsageRow], shown: UsageRange) -> dict[str, list[UsageSums]]:
    """The sums of each value in each slot."""
    values: dict[str, list[UsageRow]] = {}
    for row in rows:
        values.setdefault(row.value, []).append(row)
    return {value: by_slot(some, shown) for value, some in values.items()}


def subtract(whole: UsageSums, parts: Sequence[UsageSums]) -> UsageSums:
    """What is left of the whole without its parts, never below nothing: they may be read a moment later."""
    taken = add_up(parts)
    return UsageSums(**{name: max(0, getattr(whole, name) - getattr(taken, name)) for name in _SUMS})


def list_parts(now: Mapping[str, UsageSums], earlier: Mapping[str, UsageSums]) -> list[Part]:
    """Every value that there was in either period."""
    names = [*now, *(name for name in earlier if name not in now)]
    return [Part(value=name, sums=now.get(name, NOTHING), before=earlier.get(name, NOTHING)) for name in names]


SORTS: Mapping[str, Callable[[Part], int]] = {
    "cost": lambda part: part.sums.cost_nanousd,
    "requests": lambda part: part.sums.requests,
    "errors": lambda part: part.sums.errors,
    "input": lambda part: part.sums.input_tokens,
    "output": lambda part: part.sums.output_tokens,
    "cache": lambda part: read_measure(Measure.CACHE, part.sums) or 0,
    "tokens": lambda part: part.sums.input_tokens + part.sums.output_tokens,
    "change": lambda part: part.sums.cost_nanousd - part.before.cost_nanousd,
}
_SORT_SUMS: Mapping[str, tuple[str, ...]] = {
    "name": (),
    "requests": ("requests",),
    "errors": ("errors",),
    "input": ("input_tokens",),
    "output": ("output_tokens",),
    "cache": ("input_tokens", "cache_read_tokens"),
    "tokens": ("input_tokens", "output_tokens"),
}
_COST_SUMS = ("cost_nanousd",)


def list_ranking_sums(sort: str, measure: Measure) -> tuple[str, ...]:
    """The names of the sums that `sort_parts` and `choose_top` look at."""
    counted = _count_by(measure)
    return tuple(
        {**dict.fromkeys(_SORT_SUMS.get(sort.removeprefix("-"), _COST_SUMS)), **dict.fromkeys(_SORT_SUMS.get(counted, _COST_SUMS))}
    )


def sort_parts(parts: Iterable[Part], sort: str) -> list[Part]:
    """In the order of a column, those with a minus from the largest on; equal ones by name."""
    name, is_down = sort.removeprefix("-"), sort.startswith("-")
    ordered = sorted(parts, key=lambda part: part.value)
    if name == "name":
        return ordered[::-1] if is_down else ordered
    return sorted(ordered, key=SORTS[name], reverse=is_down)


def choose_top(parts: Iterable[Part], measure: Measure) -> list[str]:
    """The largest values by the measure (by requests where it is no sum), at most `TOP`, without those that have nothing."""
    counted = _count_by(measure)
    sizes = {part.value: read_measure(counted, part.sums) or 0 for part in parts}
    return sorted((value for value, size in sizes.items() if size > 0), key=lambda value: (-sizes[value], value))[:TOP]


def _count_by(measure: Measure) -> Measure:
    return measure if measure not in TIMES and measure is not Measure.CACHE else Measure.REQUESTS


def tell_change(now: int | None, earlier: int | None) -> str:
    """By how many per cent something changed; empty when there is nothing to compare."""
    if now is None or not earlier:
        return ""
    tenths = (now - earlier) * 1000 // earlier
    if abs(tenths) >= 100_000:  # noqa: PLR2004 -- beyond a hundredfold the number says nothing
        return "> 100 times"
    sign = "\N{MINUS SIGN}" if tenths < 0 else "+"
    whole, tenth = divmod(abs(tenths), 10)
    return f"{sign}{whole}.{tenth} %" if whole < 10 else f"{sign}{whole} %"  # noqa: PLR2004 -- one more digit below ten


def _gather(rows: Iterable[UsageRow], key_of: Callable[[UsageRow], K]) -> dict[K, UsageSums]:
    groups: dict[K, list[UsageSums]] = {}
    for row in rows:
        groups.setdefault(key_of(row), []).append(row.sums)
    return {key: some[0] if len(some) == 1 else add_up(some) for key, some in groups.items()}
