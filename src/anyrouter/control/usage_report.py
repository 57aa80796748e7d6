"""Reads what the usage page shows: totals, the largest values over time, one page of all values, each with the period before.

Values of a model, provider, environment or app are few, and read over time at once. Keys may be thousands: first they are ranked, then
only those are read in full that are shown. What is made of many rows is made on a thread, beside the requests of models.
"""

import asyncio
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace

from anyrouter.control.usage_range import UsageRange
from anyrouter.control.usage_reader import NOTHING, LatencyRow, Split, UsageFilter, UsageReader, UsageRow, UsageSums, knows_latencies
from anyrouter.control.usage_view import (
    TIMES,
    Measure,
    Part,
    add_up,
    by_slot,
    by_value,
    by_value_and_slot,
    choose_top,
    list_parts,
    list_ranking_sums,
    sort_parts,
    subtract,
)
from anyrouter.core.latency import NO_COUNTS, add

ROWS = 50


@dataclass(frozen=True, slots=True, kw_only=True)
class UsageQuestion:
    """What is to be shown. `earlier` is the period to compare with; filters that are None are not asked for."""

    organisation_id: str
    shown: UsageRange
    earlier: UsageRange | None
    measure: Measure
    split: Split | None
    sort: str
    page: int = 1
    rotation_group: str | None = None
    model: str | None = None
    provider: str | None = None
    environment: str | None = None
    app: str | None = None

    def filter(self, shown: UsageRange, *, by_time: bool = True) -> UsageFilter:
        """What is asked of the store: all values in one."""
        return UsageFilter(
            organisation_id=self.organisation_id,
            span=shown.span,
            by_time=by_time,
            rotation_group=self.rotation_group,
            model=self.model,
            provider=self.provider,
            environment=self.environment,
            app=self.app,
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Latencies:
    """How long requests took: counts by the buckets of `core.latency`."""

    latency: Sequence[int] = NO_COUNTS
    ttft: Sequence[int] = NO_COUNTS


@dataclass(frozen=True, slots=True, kw_only=True)
class LatencyReport:
    """Of all values in one, over all times and in each slot, and of each value of `parts`. The latter two are read where they are shown.

    `values` is None where they are not known by the split under these filters.
    """

    total: Latencies
    slots: Sequence[Latencies] = ()
    values: Mapping[str, Latencies] | None = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class UsageReport:
    """`slots` and `earlier_slots` are of all values in one; `series` are the largest values, `rest` what is left of the slots.

    `parts` is the page of values that was asked for, `count` how many values there are. `latencies` is None where they are not known
    under these filters.
    """

    total: UsageSums
    slots: Sequence[UsageSums]
    earlier_total: UsageSums | None = None
    earlier_slots: Sequence[UsageSums] | None = None
    series: Mapping[str, Sequence[UsageSums]]
    rest: Sequence[UsageSums] | None = None
    parts: Sequence[Part] = ()
    count: int = 0
    latencies: LatencyReport | None = None


class UsageReporter:
    """Makes reports. Reads may raise StorageUnavailable."""

    def __init__(self, reader: UsageReader) -> None:
        self._reader = reader

    async def report(self, question: UsageQuestion) -> UsageReport:
        """The report."""
        make = self._report_keys if question.split is Split.KEY else self._report_values
        report, latencies = await asyncio.gather(make(question), self._report_latencies(question))
        if latencies is not None and question.measure in TIMES:
            latencies = replace(latencies, values=await self._read_latencies(question, [part.value for part in report.parts]))
        return replace(report, latencies=latencies)

    async def _report_values(self, question: UsageQuestion) -> UsageReport:
        now, earlier = await self._read_both(question, question.split)
        return await asyncio.to_thread(_make_report, question, now, earlier)

    async def _report_keys(self, question: UsageQuestion) -> UsageReport:
        """Ranked by the sums that this needs alone. The rest, and the period before, is read of those that are shown."""
        is_by_change = question.sort.removeprefix("-") == "change"
        keys = replace(question.filter(question.shown, by_time=False), split=Split.KEY)
        keys_earlier = replace(keys, span=(question.earlier or question.shown).span)
        (now, earlier), ranked, ranked_earlier = await asyncio.gather(
            self._read_both(question, None),
            self._reader.read_usage(replace(keys, names=list_ranking_sums(question.sort, question.measure))),
            self._read_earlier(question, replace(keys_earlier, only=None if is_by_change else (), names=("cost_nanousd",))),
        )
        page, top, count = await asyncio.to_thread(_rank, question, ranked, ranked_earlier)
        shown = tuple(part.value for part in page)
        over_time, full, full_earlier = await asyncio.gather(
            self._read_some(replace(keys, by_time=True), top),
            self._read_some(keys, shown),
            self._read_earlier(question, replace(keys_earlier, only=shown)),
        )
        sums, sums_earlier = by_value(full), by_value(full_earlier)
        page = [
            Part(value=part.value, sums=sums.get(part.value, part.sums), before=sums_earlier.get(part.value, part.before)) for part in page
        ]
        series = by_value_and_slot(over_time, question.shown)
        empty = [NOTHING] * len(question.shown.slots)
        top_series = {value: series.get(value, empty) for value in top}
        return _compose(question, by_slot(now, question.shown), earlier, top_series, page, count)

    async def _report_latencies(self, question: UsageQuestion) -> LatencyReport | None:
        query, is_shown = question.filter(question.shown, by_time=False), question.measure in TIMES
        if not knows_latencies(query):
            return None
        totals, times = await asyncio.gather(
            self._reader.read_latencies(query), self._reader.read_latencies(replace(query, by_time=True)) if is_shown else _nothing()
        )
        slots: dict[int, list[LatencyRow]] = {}
        for row in times:
            slots.setdefault(question.shown.slot_of(row.time), []).append(row)
        return LatencyReport(
            total=_join(totals),
            slots=[_join(slots.get(slot, ())) for slot in range(len(question.shown.slots))] if is_shown else (),
        )

    async def _read_latencies(self, question: UsageQuestion, values: Sequence[str]) -> Mapping[str, Latencies] | None:
        query = replace(question.filter(question.shown, by_time=False), split=question.split, only=tuple(values))
        if not knows_latencies(query):
            return None
        rows = await self._reader.read_latencies(query) if values else ()
        return {row.value: Latencies(latency=row.latency, ttft=row.ttft) for row in rows}

    async def _read_both(self, question: UsageQuestion, split: Split | None) -> tuple[Sequence[UsageRow], Sequence[UsageRow]]:
        """Over time, of the range and of the period before."""
        now = replace(question.filter(question.shown), split=split)
        return await asyncio.gather(
            self._reader.read_usage(now), self._read_earlier(question, replace(now, span=(question.earlier or question.shown).span))
        )

    async def _read_earlier(self, question: UsageQuestion, query: UsageFilter) -> Sequence[UsageRow]:
        return () if question.earlier is None or query.only == () else await self._reader.read_usage(query)

    async def _read_some(self, query: UsageFilter, values: Iterable[str]) -> Sequence[UsageRow]:
        only = tuple(values)
        return await self._reader.read_usage(replace(query, only=only)) if only else ()


def _make_report(question: UsageQuestion, now: Sequence[UsageRow], earlier: Sequence[UsageRow]) -> UsageReport:
    """The report where everything was read over time."""
    is_split = question.split is not None
    values = by_value_and_slot(now, question.shown) if is_split else {}
    parts = list_parts({value: add_up(some) for value, some in values.items()}, by_value(earlier) if is_split else {})
    series = {value: values[value] for value in choose_top(parts, question.measure)}
    page = _page(sort_parts(parts, question.sort), question)
    return _compose(question, by_slot(now, question.shown), earlier, series, page, len(parts))


def _rank(question: UsageQuestion, now: Sequence[UsageRow], earlier: Sequence[UsageRow]) -> tuple[list[Part], list[str], int]:
    """The page of values, the largest values, and how many there are."""
    parts = list_parts(by_value(now), by_value(earlier))
    return _page(sort_parts(parts, question.sort), question), choose_top(parts, question.measure), len(parts)


def _compose(  # noqa: PLR0917 -- the parts of a report
    question: UsageQuestion,
    slots: Sequence[UsageSums],
    earlier: Sequence[UsageRow],
    series: Mapping[str, Sequence[UsageSums]],
    parts: Sequence[Part],
    count: int,
) -> UsageReport:
    has_rest = question.split is not None and count > len(series)
    earlier_slots = None if question.earlier is None else by_slot(earlier, question.earlier)
    return UsageReport(
        total=add_up(slots),
        slots=slots,
        earlier_total=None if earlier_slots is None else add_up(earlier_slots),
        earlier_slots=earlier_slots,
        series=series,
        rest=[subtract(whole, [some[slot] for some in series.values()]) for slot, whole in enumerate(slots)] if has_rest else None,
        parts=parts,
        count=count,
    )


def _page(parts: Sequence[Part], question: UsageQuestion) -> list[Part]:
    return list(parts[(question.page - 1) * ROWS : question.page * ROWS])


def _join(rows: Sequence[LatencyRow]) -> Latencies:
    return Latencies(latency=add(row.latency for row in rows), ttft=add(row.ttft for row in rows))


async def _nothing() -> Sequence[LatencyRow]:
    return ()
