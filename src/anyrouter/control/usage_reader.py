"""What the usage page asks of the store: sums over a span of time, by time and by one dimension."""

from collections.abc import Sequence
from dataclasses import dataclass
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
    the span is of whole ones where the unit is a day.
    """

    first: int
    end: int
    unit: Unit = Unit.DAY
    shifts: tuple[tuple[int, int], ...] = ()

    @property
    def needs_hours(self) -> bool:
        """Whether only sums by hour can answer."""
        return self.unit is Unit.HOUR or bool(self.shifts)

    def cut(self) -> tuple["Span", ...]:
        """The same hours as whole days of UTC and what is left of them at both ends: for who tells no times apart."""
        begins, ends = -(-self.first // 24) * 24, self.end // 24 * 24
        if not self.needs_hours or begins >= ends:
            return (self,)
        middle = Span(first=begins, end=ends)
        edges = (Span(first=self.first, end=begins, unit=Unit.HOUR), Span(first=ends, end=self.end, unit=Unit.HOUR))
        return (middle, *(edge for edge in edges if edge.first < edge.end))


@dataclass(frozen=True, slots=True, kw_only=True)
class UsageFilter:
    """What is summed. What is None is not asked for; `app` is empty for what names none. Texts must be the same.

    `by_time` tells the span's units apart. `only` are values of the split: the others are left out. `has_costs_only`: nothing else need
    be summed, which is quicker for keys.
    """

    organisation_id: str
    span: Span
    by_time: bool = True
    split: Split | None = None
    only: tuple[str, ...] | None = None
    has_costs_only: bool = False
    rotation_group: str | None = None
    model: str | None = None
    provider: str | None = None
    environment: str | None = None
    app: str | None = None


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

        They are not told apart by key and app: ValueError for a query that asks for either. Kept as long as sums by hour.
        """
