"""Ledger entries as rows and back, and the sums by day that are written with them.

An entry's key is (`generation_id`, `attempt`): recording it twice changes nothing, and it is counted once.
"""

from collections.abc import Iterable, Mapping, Sequence
from functools import cache
from operator import attrgetter
from typing import Any

import msgspec
from sqlalchemy import Connection, Table
from sqlalchemy.exc import IntegrityError

from anyrouter.core.ledger import AttemptRecord, EntryState, LedgerEntry
from anyrouter.core.usage import Usage, UsageSource
from anyrouter.storage.schema import ledger, usage_daily

DAY_MS = 86_400_000
MAX_UPSTREAM_ID = 256  # what `/generation` takes; PostgreSQL refuses to index a much longer one

USAGE_KEY = ("organisation_id", "day", "environment_id", "api_key_id", "rotation_group", "model", "provider")
USAGE_SUMS = (
    "requests",
    "errors",
    "input_tokens",
    "output_tokens",
    "reasoning_tokens",
    "cache_read_tokens",
    "cost_nanousd",
    "upstream_cost_nanousd",
)

_PATHS = {
    "state": "state.value",
    "usage_source": "usage.source.value",
    **{name: f"usage.{name}" for name in Usage.__struct_fields__ if name != "source"},
}
_COLUMNS = tuple(column.name for column in ledger.columns)
_values_of = attrgetter(*(_PATHS.get(name, name) for name in _COLUMNS))
_USAGE_COLUMNS = tuple(column.name for column in usage_daily.columns)
_UPSTREAM_ID = _COLUMNS.index("upstream_id")
_ATTEMPTS = _COLUMNS.index("attempts")
_encode = msgspec.json.Encoder().encode
_attempts = msgspec.json.Decoder(tuple[AttemptRecord, ...])
_PLAIN_FIELDS = tuple(name for name in LedgerEntry.__struct_fields__ if name not in {"state", "usage", "attempts"})
_ERROR_STATES = frozenset({EntryState.FAILED, EntryState.INTERRUPTED})


def entry_to_row(entry: LedgerEntry) -> list[Any]:
    """The values of `ledger`, in the order of its columns."""
    row = list(_values_of(entry))
    row[_ATTEMPTS] = _encode(row[_ATTEMPTS]).decode()
    if entry.upstream_id is not None and len(entry.upstream_id) > MAX_UPSTREAM_ID:
        row[_UPSTREAM_ID] = entry.upstream_id[:MAX_UPSTREAM_ID]
    return row


def row_to_entry(row: Mapping[Any, Any]) -> LedgerEntry:
    """The entry of a row of `ledger`."""
    usage = Usage(
        input_tokens=row["input_tokens"],
        output_tokens=row["output_tokens"],
        cache_read_tokens=row["cache_read_tokens"],
        cache_write_tokens=row["cache_write_tokens"],
        reasoning_tokens=row["reasoning_tokens"],
        source=UsageSource(row["usage_source"]),
    )
    plain = {name: row[name] for name in _PLAIN_FIELDS}
    for name in ("is_streamed", "is_byok", "is_price_unknown"):
        plain[name] = bool(plain[name])
    return LedgerEntry(**plain, state=EntryState(row["state"]), usage=usage, attempts=_attempts.decode(row["attempts"]))


def record(connection: Connection, entries: Sequence[LedgerEntry]) -> None:
    """Store those entries that are not stored yet, and count just those in `usage_daily`."""
    rows = [tuple(entry_to_row(entry)) for entry in entries]
    add, add_new, count = _statements(connection.dialect.paramstyle)
    fresh: Iterable[LedgerEntry] = entries
    try:
        with connection.begin_nested():
            connection.exec_driver_sql(add, rows)
    except IntegrityError:  # some are there already, which only a recovery does: find out one by one
        fresh = [entry for entry, row in zip(entries, rows, strict=True) if connection.exec_driver_sql(add_new, row).rowcount == 1]
    sums = [tuple(row[name] for name in _USAGE_COLUMNS) for row in sum_by_day(fresh).values()]
    if sums:
        connection.exec_driver_sql(count, sums)


def sum_by_day(entries: Iterable[LedgerEntry]) -> dict[tuple[Any, ...], dict[str, Any]]:
    """Rows of `usage_daily`, by their keys and in the order of these: processes that write the same rows must not deadlock."""
    sums: dict[tuple[Any, ...], dict[str, Any]] = {}
    for entry in entries:
        key = (
            entry.organisation_id,
            entry.created_at_ms // DAY_MS,
            entry.environment_id,
            entry.api_key_id,
            entry.rotation_group,
            entry.model,
            entry.provider,
        )
        row = sums.get(key)
        if row is None:
            row = sums[key] = dict(zip(USAGE_KEY, key, strict=True), environment=entry.environment, **dict.fromkeys(USAGE_SUMS, 0))
        usage = entry.usage
        row["requests"] += 1
        row["errors"] += entry.state in _ERROR_STATES
        row["input_tokens"] += usage.input_tokens
        row["output_tokens"] += usage.output_tokens
        row["reasoning_tokens"] += usage.reasoning_tokens
        row["cache_read_tokens"] += usage.cache_read_tokens
        row["cost_nanousd"] += entry.cost_nanousd
        row["upstream_cost_nanousd"] += entry.upstream_cost_nanousd
    return dict(sorted(sums.items()))


@cache
def _statements(paramstyle: str) -> tuple[str, str, str]:
    """To add entries, to add one if it is new, to add to the sums: texts for the driver, with tuples as parameters.

    SQLAlchemy would process every parameter of every row, which doubles what a row costs.
    """
    add = _insert(ledger, paramstyle)
    added = ", ".join(f"{name} = usage_daily.{name} + excluded.{name}" for name in USAGE_SUMS)
    count = f"{_insert(usage_daily, paramstyle)} ON CONFLICT ({', '.join(USAGE_KEY)}) DO UPDATE SET {added}"
    return add, f"{add} ON CONFLICT DO NOTHING", count


def _insert(table: Table, paramstyle: str) -> str:
    names = [column.name for column in table.columns]
    marks = ["?" if paramstyle == "qmark" else "%s"] * len(names)
    return f"INSERT INTO {table.name} ({', '.join(names)}) VALUES ({', '.join(marks)})"  # noqa: S608 -- names of the schema
