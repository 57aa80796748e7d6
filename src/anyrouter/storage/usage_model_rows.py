"""What was used and how long it took by hour and model, counted in the transaction of the entries.

A small table for the pages that people look at: it knows neither keys nor apps, which `usage_hourly` does.
How long requests took are counts by the buckets of `core.latency`, a column for each. Only those count that were settled: how long the
others took says nothing of a model.
"""

from bisect import bisect_right
from collections.abc import Iterable, Mapping, Sequence
from functools import cache
from typing import Any

from sqlalchemy import Connection

from anyrouter.core.latency import BOUNDS, BUCKETS
from anyrouter.storage.schema_money import usage_model_hourly
from anyrouter.storage.usage_rows import USAGE_SUMS

LATENCY_COLUMNS = tuple(f"latency_{number:02}" for number in range(BUCKETS))
TTFT_COLUMNS = tuple(f"ttft_{number:02}" for number in range(BUCKETS))
_KEY = ("organisation_id", "hour", "model", "provider", "environment_id")
_COLUMNS = tuple(column.name for column in usage_model_hourly.columns)
_LATENCY, _TTFT = (_COLUMNS.index(names[0]) - len(_KEY) for names in (LATENCY_COLUMNS, TTFT_COLUMNS))
_NOTHING = (0,) * (len(_COLUMNS) - len(_KEY) - 1)


def sum_by_model(rows: Iterable[Mapping[str, Any]]) -> list[tuple[Any, ...]]:
    """Rows of `usage_model_hourly` from those by hour and app, in the order of their keys: processes must not deadlock."""
    groups: dict[tuple[Any, ...], list[Any]] = {}
    for row in rows:
        key = (row["organisation_id"], row["hour"], row["model"], row["provider"], row["environment_id"])
        group = groups.get(key)
        if group is None:
            group = groups[key] = [row["environment"], *_NOTHING]
        for place, name in enumerate(USAGE_SUMS, start=1):
            group[place] += row[name]
        for milliseconds in row["latencies"]:
            group[_LATENCY + bisect_right(BOUNDS, milliseconds)] += 1
        for milliseconds in row["ttfts"]:
            group[_TTFT + bisect_right(BOUNDS, milliseconds)] += 1
    return [(*key, *group) for key, group in sorted(groups.items())]


def count_by_model(connection: Connection, rows: Sequence[tuple[Any, ...]]) -> None:
    """Add such rows to those that are there."""
    connection.exec_driver_sql(_statement(connection.dialect.paramstyle), list(rows))


@cache
def _statement(paramstyle: str) -> str:
    marks = ", ".join(["?" if paramstyle == "qmark" else "%s"] * len(_COLUMNS))
    added = ", ".join(f"{name} = usage_model_hourly.{name} + excluded.{name}" for name in _COLUMNS[len(_KEY) + 1 :])
    insert = f"INSERT INTO usage_model_hourly ({', '.join(_COLUMNS)}) VALUES ({marks})"  # noqa: S608 -- names of the schema
    return f"{insert} ON CONFLICT ({', '.join(_KEY)}) DO UPDATE SET {added}"
