"""What was used and how long it took by model and hour, and by model and day, counted in the transaction of the entries.

Small tables for the pages that people look at: they know neither keys nor apps, which `usage_hourly` does. How long requests took are
counts by the buckets of `core.latency`, a column for each. Only those count that were settled: how long the others took says nothing of a
model.
"""

from collections.abc import Iterable, Mapping, Sequence
from functools import cache
from operator import add
from typing import Any

from sqlalchemy import Connection, Table

from anyrouter.core.latency import BUCKETS
from anyrouter.storage.schema_money import usage_model_daily, usage_model_hourly
from anyrouter.storage.usage_rows import USAGE_SUMS

LATENCY_COLUMNS = tuple(f"latency_{number:02}" for number in range(BUCKETS))
TTFT_COLUMNS = tuple(f"ttft_{number:02}" for number in range(BUCKETS))
_KEYS = {table: tuple(column.name for column in table.primary_key.columns) for table in (usage_model_hourly, usage_model_daily)}
_COLUMNS = {table: tuple(column.name for column in table.columns) for table in _KEYS}
_KEY = len(_KEYS[usage_model_hourly])
_TIME = _KEYS[usage_model_hourly].index("hour")
_COUNTS = _COLUMNS[usage_model_hourly].index(LATENCY_COLUMNS[0]) - _KEY  # those to the first token follow
_NOTHING = (0,) * (len(_COLUMNS[usage_model_hourly]) - _KEY - 1)
Row = tuple[Any, ...]


def sum_by_model(rows: Iterable[Mapping[str, Any]]) -> list[Row]:
    """Rows of `usage_model_hourly` from those by hour and app, in the order of their keys: processes must not deadlock."""
    groups: dict[Row, list[Any]] = {}
    for row in rows:
        key = (row["organisation_id"], row["hour"], row["model"], row["provider"], row["environment_id"])
        group = groups.get(key)
        if group is None:
            group = groups[key] = [row["environment"], *_NOTHING]
        for place, name in enumerate(USAGE_SUMS, start=1):
            group[place] += row[name]
        for bucket in row["buckets"]:
            group[_COUNTS + bucket] += 1
    return [(*key, *group) for key, group in sorted(groups.items())]


def add_hours(rows: Iterable[Row]) -> list[Row]:
    """Rows of `usage_model_daily` from those by hour, in the order of their keys."""
    days: dict[Row, Row] = {}
    for row in rows:
        key = (*row[:_TIME], row[_TIME] // 24, *row[_TIME + 1 : _KEY])
        day = days.get(key)
        days[key] = row[_KEY:] if day is None else (day[0], *map(add, day[1:], row[_KEY + 1 :]))
    return [(*key, *day) for key, day in sorted(days.items())]


def count_by_model(connection: Connection, rows: Sequence[Row]) -> None:
    """Add such rows by hour to the hours and to the days that are there."""
    paramstyle = connection.dialect.paramstyle
    connection.exec_driver_sql(_statement(usage_model_hourly, paramstyle), list(rows))
    connection.exec_driver_sql(_statement(usage_model_daily, paramstyle), add_hours(rows))


@cache
def _statement(table: Table, paramstyle: str) -> str:
    names, key = _COLUMNS[table], ", ".join(_KEYS[table])
    marks = ", ".join(["?" if paramstyle == "qmark" else "%s"] * len(names))
    added = ", ".join(f"{name} = {table.name}.{name} + excluded.{name}" for name in names[_KEY + 1 :])
    insert = f"INSERT INTO {table.name} ({', '.join(names)}) VALUES ({marks})"  # noqa: S608 -- names of the schema
    return f"{insert} ON CONFLICT ({key}) DO UPDATE SET {added}"
