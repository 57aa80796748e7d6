"""What the usage page asks of the store: sums over a span of time, by time and by one dimension."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from enum import StrEnum
from typing import Protocol

import msgspec

OTHER_APPS = "(other apps)"  # those beyond the most that get sums of their own


class Unit(StrEnum):
    """By what sums are told apart in time."""

    HOUR = "hour"
    DAY = "day"


class Split(StrEnum):
    """By what else. A key is its rotation group: those that it was rotated into count with it."""

    KEY = "key"
    MODEL = "model"
    PROVIDER = "provider"
    ENVIRONMENT = "environment"
    APP = "app"


@dataclass(frozen=True, slots=True, kw_only=True)
class Span:
    """Hours since 1970 UTC, from `first` to before `end`.

    `shifts` make days of another zone: its offsets in minutes, each with the hour before which it holds. Without any days are UTC's, and
    the span is of whole ones where the unit is a day. `is_last`: nothing was used later.
    """

    first: int
    end: int
    unit: Unit = Unit.DAY
    shifts: tuple[tuple[int, int], ...] = ()
    is_last: bool = False

    @property
    def needs_hours(self) -> bool:
        """Whether only sums by hour can answer."""
        return self.unit is Unit.HOUR or bool(self.shifts)

    def cut(self) -> tuple["Piece", ...]:
        """The same hours as whole days of UTC with as few single ones as can be: for who tells no times apart."""
        if not self.needs_hours:
            return (Piece(span=self),)
        begins, end = (self.first + 12) // 24 * 24, -(-self.end // 24) * 24 if self.is_last else self.end
        ends = (end + 12) // 24 * 24
        if begins >= ends:
            return (Piece(span=replace(self, unit=Unit.HOUR, shifts=())),)
        edges = [
            Piece(span=Span(first=min(inner, outer), end=max(inner, outer), unit=Unit.HOUR), is_taken_away=is_taken_away)
            for inner, outer, is_taken_away in ((begins, self.first, begins < self.first), (ends, end, ends > end))
            if inner != outer
        ]
        return (Piece(span=Span(first=begins, end=ends)), *edges)


@dataclass(frozen=True, slots=True, kw_only=True)
class Piece:
    """Hours that count, or that are to be taken away from those of another piece."""

    span: Span
    is_taken_away: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class UsageFilter:
    """What is summed. What is None is not asked for; `app` is empty for what names none. Texts must be the same.

    `by_time` tells the span's units apart. `only` are values of the split: the others are left out. `names` are the sums that are
    needed, if not all.
    """

    organisation_id: str
    span: Span
    by_time: bool = True
    split: Split | None = None
    only: tuple[str, ...] | None = None
    names: tuple[str, ...] | None = None
    rotation_group: str | None = None
    model: str | None = None
    provider: str | None = None
    environment: str | None = None
    app: str | None = None


def knows_latencies(query: UsageFilter) -> bool:
    """Whether is counted how long these requests took: by model, provider and environment, or by key, or by app.

    Not by all of them together, which would be too many to count. A key and an app are known by environment too.
    """
    by_key = query.split is Split.KEY or query.rotation_group is not None
    by_app = query.split is Split.APP or query.app is not None
    by_model = query.split in {Split.MODEL, Split.PROVIDER} or (query.model, query.provider) != (None, None)
    return by_key + by_app + by_model <= 1


def check_latencies(query: UsageFilter) -> None:
    """ValueError for one that is not known."""
    if not knows_latencies(query):
        raise ValueError("latencies are not known by keys, apps and models at the same time")


class UsageSums(msgspec.Struct, frozen=True, kw_only=True):
    """What was used."""

    requests: int = 0
    errors: int = 0
    input_tokens: int = 0
    output_tokens: int = 0
    reasoning_tokens: int = 0
    cache_read_tokens: int = 0
    cost_nanousd: int = 0
    upstream_cost_nanousd: int = 0


NOTHING = UsageSums()


class UsageRow(msgspec.Struct, frozen=True, kw_only=True):
    """Sums of one hour or day (its number since 1970; 0 when times are not told apart) and one value of the split (empty without)."""

    time: int = 0
    value: str = ""
    sums: UsageSums = NOTHING


@dataclass(frozen=True, slots=True, kw_only=True)
class LatencyRow:
    """How long the settled requests of one time and value took: counts by the buckets of `core.latency`.

    `latency` is to the last byte, `ttft` to the first token of those that were streamed.
    """

    time: int = 0
    value: str = ""
    latency: Sequence[int]
    ttft: Sequence[int]


class UsageReader(Protocol):
    """Reads sums. All may raise StorageUnavailable."""

    async def read_usage(self, query: UsageFilter) -> Sequence[UsageRow]:
        """The sums, in no order; groups without any are left out."""

    async def read_latencies(self, query: UsageFilter) -> Sequence[LatencyRow]:
        """How long requests took, in no order; groups without any are left out.

        ValueError for a query of which `knows_latencies` says no. Those of keys and apps are kept as long as sums by hour.
        """
