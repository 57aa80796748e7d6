"""What the usage page shows, from entries in memory: the same answers as the database's."""

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

from anyrouter.control.usage_reader import LatencyRow, Split, UsageFilter, UsageRow, UsageSums, check_latencies
from anyrouter.core.latency import BUCKETS
from anyrouter.core.ledger import LedgerEntry
from anyrouter.storage.usage_rows import USAGE_SUMS, AppNames, sum_by_hour
from anyrouter.storage.zone_days import number_hour

_COLUMN_OF = {split: "rotation_group" if split is Split.KEY else split.value for split in Split}
_SAME = ("organisation_id", "rotation_group", "model", "provider", "environment", "app")


def sum_usage(entries: Iterable[LedgerEntry], query: UsageFilter) -> Sequence[UsageRow]:
    """The sums of entries, as `UsageReader.read_usage`."""
    totals: dict[tuple[int, str], dict[str, int]] = {}
    for group, row in _list_rows(entries, query):
        total = totals.setdefault(group, dict.fromkeys(USAGE_SUMS, 0))
        for name in USAGE_SUMS:
            total[name] += row[name]
    return [UsageRow(time=time, value=value, sums=UsageSums(**total)) for (time, value), total in totals.items()]


def count_latencies(entries: Iterable[LedgerEntry], query: UsageFilter) -> Sequence[LatencyRow]:
    """The counts of entries, as `UsageReader.read_latencies`."""
    check_latencies(query)
    found: dict[tuple[int, str], Counter[int]] = {}
    for group, row in _list_rows(entries, query):
        if row["buckets"]:
            found.setdefault(group, Counter()).update(row["buckets"])
    return [
        LatencyRow(
            time=time,
            value=value,
            latency=tuple(counts[bucket] for bucket in range(BUCKETS)),
            ttft=tuple(counts[BUCKETS + bucket] for bucket in range(BUCKETS)),
        )
        for (time, value), counts in found.items()
    ]


def _list_rows(entries: Iterable[LedgerEntry], query: UsageFilter) -> Iterator[tuple[tuple[int, str], Mapping[str, Any]]]:
    """The sums by hour and app that are asked for, each with its group."""
    for row in sum_by_hour((entry.split() for entry in entries), AppNames()):
        value = "" if query.split is None else row[_COLUMN_OF[query.split]]
        is_asked = query.only is None or query.split is None or value in query.only
        if is_asked and query.span.first <= row["hour"] < query.span.end and all(getattr(query, n) in {None, row[n]} for n in _SAME):
            yield (number_hour(query.span, row["hour"]) if query.by_time else 0, value), row
