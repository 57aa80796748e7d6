"""What was used by app and day, counted in the transaction of the entries.

A small table for who looks at apps and asks for no keys, which `usage_hourly` knows. Clients name apps: a day of an organisation has at
most `MAX_APPS` of them by each process since its start, what has no name, and what is beyond, each by model, provider and environment.
"""

from collections.abc import Iterable, Mapping, Sequence
from functools import cache
from operator import add, itemgetter
from typing import Any

from sqlalchemy import Connection

from anyrouter.storage.schema_money import usage_app_daily
from anyrouter.storage.usage_rows import USAGE_SUMS

_KEY = tuple(column.name for column in usage_app_daily.primary_key.columns)
_COLUMNS = tuple(column.name for column in usage_app_daily.columns)
_read_key = itemgetter("organisation_id", "hour", "app", "model", "provider", "environment_id")
_read_sums = itemgetter(*USAGE_SUMS)
Row = tuple[Any, ...]


def sum_by_app(rows: Iterable[Mapping[str, Any]]) -> list[Row]:
    """Rows of `usage_app_daily` from those by hour and app, in the order of their keys: processes must not deadlock."""
    days: dict[Row, Row] = {}
    for row in rows:
        organisation_id, hour, *rest = _read_key(row)
        key, sums = (organisation_id, hour // 24, *rest), _read_sums(row)
        day = days.get(key)
        days[key] = (row["environment"], *sums) if day is None else (day[0], *map(add, day[1:], sums))
    return [(*key, *day) for key, day in sorted(days.items())]


def count_by_app(connection: Connection, rows: Sequence[Row]) -> None:
    """Add such rows to those that are there."""
    connection.exec_driver_sql(_statement(connection.dialect.paramstyle), list(rows))


@cache
def _statement(paramstyle: str) -> str:
    marks = ", ".join(["?" if paramstyle == "qmark" else "%s"] * len(_COLUMNS))
    added = ", ".join(f"{name} = usage_app_daily.{name} + excluded.{name}" for name in USAGE_SUMS)
    insert = f"INSERT INTO usage_app_daily ({', '.join(_COLUMNS)}) VALUES ({marks})"  # noqa: S608 -- names of the schema
    return f"{insert} ON CONFLICT ({', '.join(_KEY)}) DO UPDATE SET {added}"
