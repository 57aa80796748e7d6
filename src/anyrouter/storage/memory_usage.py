"""What the usage page shows, from entries in memory: the same answers as the database's."""

from collections.abc import Iterable, Sequence

from anyrouter.control.usage_reader import Span, Split, Unit, UsageFilter, UsageRow, UsageSums
from anyrouter.core.ledger import LedgerEntry
from anyrouter.storage.usage_rows import USAGE_SUMS, AppNames, sum_by_hour

_COLUMN_OF = {split: "rotation_group" if split is Split.KEY else split.value for split in Split}
_SAME = ("organisation_id", "rotation_group", "model", "provider", "environment", "app")


def sum_usage(entries: Iterable[LedgerEntry], query: UsageFilter) -> Sequence[UsageRow]:
    """The sums of entries, as `UsageReader.read_usage`."""
    totals: dict[tuple[int, str], dict[str, int]] = {}
    for row in sum_by_hour((entry.split() for entry in entries), AppNames()):
        value = "" if query.split is None else row[_COLUMN_OF[query.split]]
        is_asked = query.only is None or query.split is None or value in query.only
        if is_asked and query.span.first <= row["hour"] < query.span.end and all(getattr(query, n) in {None, row[n]} for n in _SAME):
            time = number_hour(query.span, row["hour"]) if query.by_time else 0
            total = totals.setdefault((time, value), dict.fromkeys(USAGE_SUMS, 0))
            for name in USAGE_SUMS:
                total[name] += row[name]
    return [UsageRow(time=time, value=value, sums=UsageSums(**total)) for (time, value), total in totals.items()]


def number_hour(span: Span, hour: int) -> int:
    """The number of the unit that an hour is in."""
    if span.unit is Unit.HOUR:
        return hour
    offset = next((minutes for end, minutes in span.shifts if hour < end), 0)
    return (hour * 60 + offset) // 1440
