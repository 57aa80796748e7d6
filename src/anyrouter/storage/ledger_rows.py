"""Ledger entries as rows and back, and the sums by day that are written with them.

An entry's key is (`generation_id`, `attempt`): recording it twice changes nothing, and it is counted once. The entry of an attempt that
lost a race is no request of its own: its tokens and cost are summed, and it is not counted.
"""

from collections.abc import Iterable, Mapping, Sequence
from functools import cache
from itertools import chain
from operator import add, itemgetter
from sqlite3 import sqlite_version_info
from typing import Any

import msgspec
from msgspec.structs import astuple
from sqlalchemy import Connection, Table

from anyrouter.core.ledger import AttemptRecord, EntryState, Intent, LedgerEntry, Outcome
from anyrouter.core.usage import Usage, UsageSource
from anyrouter.storage.client_latencies import count_by_client, sum_by_client
from anyrouter.storage.schema import ledger, usage_daily
from anyrouter.storage.usage_app_rows import count_by_app, sum_by_app
from anyrouter.storage.usage_model_rows import count_by_model, sum_by_model
from anyrouter.storage.usage_rows import USAGE_SUMS, AppNames, count_by_hour, sum_by_hour

MAX_UPSTREAM_ID = 256  # what `/generation` takes; PostgreSQL refuses to index a much longer one

USAGE_KEY = ("organisation_id", "day", "model", "provider", "environment_id", "api_key_id", "rotation_group")

Told = tuple[Intent, Outcome]

# Rows are made of fields in the order of the structs; those that are no columns as they are come last.
_FLAG = Intent.__struct_fields__.index("is_streamed")
_FIELDS = Outcome.__struct_fields__
_USAGE, _FLAGS, _ATTEMPTS = (_FIELDS.index(name) for name in ("usage", "is_price_unknown", "attempts"))
_USAGE_FIELDS = tuple("usage_source" if name == "source" else name for name in Usage.__struct_fields__)
_COLUMNS = (
    *Intent.__struct_fields__[:_FLAG],
    *Intent.__struct_fields__[_FLAG + 1 :],
    *_FIELDS[1:_USAGE],
    *_FIELDS[_USAGE + 1 : _FLAGS],
    *_FIELDS[_FLAGS + 2 : _ATTEMPTS],
    *_USAGE_FIELDS,
    "is_streamed",
    "is_price_unknown",
    "is_byok",
    "state",
    "attempts",
)
_UPSTREAM_ID = _COLUMNS.index("upstream_id")
# A bool is no int to sqlite3: it would be asked for an adapter, which costs as much as ten other values.
_TRUTH = ((False, True), (0, 1))
_USAGE_COLUMNS = tuple(column.name for column in usage_daily.columns)
_read_key = itemgetter(*("hour" if name == "day" else name for name in USAGE_KEY))
_read_sums = itemgetter(*USAGE_SUMS)
_encode = msgspec.json.Encoder().encode
_attempts = msgspec.json.Decoder(tuple[AttemptRecord, ...])
_PLAIN_FIELDS = tuple(name for name in LedgerEntry.__struct_fields__ if name not in {"state", "usage", "attempts"})
# Rows; a power of two, so that few different statements are ever prepared. Before 3.32 SQLite takes no more than 999 parameters.
_LARGEST_INSERT = 128 if sqlite_version_info >= (3, 32) else 16


def make_row(intent: Intent, outcome: Outcome, truth: Sequence[Any] = (False, True)) -> tuple[Any, ...]:
    """The values of `ledger`, in the order of `_COLUMNS`. `truth` is how the database is told false and true."""
    asked, usage, told = astuple(intent), outcome.usage, astuple(outcome)
    row: tuple[Any, ...] = (
        *asked[:_FLAG],
        *asked[_FLAG + 1 :],
        *told[1:_USAGE],
        *told[_USAGE + 1 : _FLAGS],
        *told[_FLAGS + 2 : _ATTEMPTS],
        *astuple(usage)[:-1],
        usage.source._value_,  # a plain str binds without being asked what it is, and is quicker to come by than `value`
        truth[intent.is_streamed],
        truth[outcome.is_price_unknown],
        truth[outcome.is_byok],
        outcome.state._value_,
        _encode(outcome.attempts).decode(),
    )
    upstream_id = outcome.upstream_id
    if upstream_id is not None and len(upstream_id) > MAX_UPSTREAM_ID:
        row = (*row[:_UPSTREAM_ID], upstream_id[:MAX_UPSTREAM_ID], *row[_UPSTREAM_ID + 1 :])
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


def record_new(connection: Connection, entries: Sequence[Told], apps: AppNames) -> None:
    """Store entries and count them; IntegrityError when one is stored already, then nothing may be committed."""
    paramstyle = connection.dialect.paramstyle
    truth = _TRUTH[paramstyle == "qmark"]
    rows = [make_row(*entry, truth) for entry in entries]
    at = 0
    while at < len(rows):
        size = min(_LARGEST_INSERT, 1 << (len(rows) - at).bit_length() - 1)
        values = tuple(chain.from_iterable(rows[at : at + size]))
        connection.exec_driver_sql(_insert(ledger, paramstyle, size), values)
        at += size
    _count(connection, entries, apps)


def record_missing(connection: Connection, entries: Sequence[Told], apps: AppNames | None = None) -> None:
    """Store those entries that are not stored yet, and count just those."""
    _, add_missing, _ = _statements(connection.dialect.paramstyle)
    missing = [entry for entry in entries if connection.exec_driver_sql(add_missing, make_row(*entry)).rowcount == 1]
    if missing:
        _count(connection, missing, apps or AppNames())


def sum_by_day(entries: Iterable[Told]) -> dict[tuple[Any, ...], dict[str, Any]]:
    """Rows of `usage_daily`, by their keys and in the order of these: processes that write the same rows must not deadlock."""
    rows = _add_hours(sum_by_hour(entries, AppNames()))
    return {row[: len(USAGE_KEY)]: dict(zip(_USAGE_COLUMNS, row, strict=True)) for row in rows}


def _add_hours(rows: Iterable[Mapping[str, Any]]) -> list[tuple[Any, ...]]:
    """Rows by hour and app, added up to rows of `usage_daily`, in the order of their keys."""
    days: dict[tuple[Any, ...], tuple[Any, ...]] = {}
    for row in rows:
        organisation_id, hour, *rest = _read_key(row)
        key, sums = (organisation_id, hour // 24, *rest), _read_sums(row)
        day = days.get(key)
        days[key] = (row["environment"], *sums) if day is None else (day[0], *map(add, day[1:], sums))
    return [(*key, *day) for key, day in sorted(days.items())]


def _count(connection: Connection, entries: Sequence[Told], apps: AppNames) -> None:
    """Add the entries to the sums by hour, by model, by app, by client and by day."""
    rows = sum_by_hour(entries, apps)
    count_by_hour(connection, rows)
    count_by_model(connection, sum_by_model(rows))
    count_by_app(connection, sum_by_app(rows))
    count_by_client(connection, sum_by_client(rows))
    _, _, count = _statements(connection.dialect.paramstyle)
    connection.exec_driver_sql(count, _add_hours(rows))


@cache
def _statements(paramstyle: str) -> tuple[str, str, str]:
    """To add entries, to add one if it is new, to add to the sums: texts for the driver, with tuples as parameters.

    SQLAlchemy would process every parameter of every row, which doubles what a row costs.
    """
    insert = _insert(ledger, paramstyle)
    added = ", ".join(f"{name} = usage_daily.{name} + excluded.{name}" for name in USAGE_SUMS)
    count = f"{_insert(usage_daily, paramstyle)} ON CONFLICT ({', '.join(USAGE_KEY)}) DO UPDATE SET {added}"
    return insert, f"{insert} ON CONFLICT DO NOTHING", count


@cache
def _insert(table: Table, paramstyle: str, size: int = 1) -> str:
    """A statement that adds `size` rows. One statement is one step of the database, and one change of threads, for all its rows."""
    names = _COLUMNS if table is ledger else _USAGE_COLUMNS
    marks = f"({', '.join(['?' if paramstyle == 'qmark' else '%s'] * len(names))})"
    return f"INSERT INTO {table.name} ({', '.join(names)}) VALUES {', '.join([marks] * size)}"  # noqa: S608 -- names of the schema
