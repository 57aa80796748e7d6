"""What was used by hour and app, counted in the transaction of the entries, and how activity is read off the sums.

An app is named by its clients, who may name as many as they like: per organisation and day only the first `MAX_APPS` get rows of their
own, the others share one.
"""

from bisect import bisect_right
from collections.abc import Iterable, Sequence
from datetime import UTC, datetime
from functools import cache
from operator import itemgetter
from typing import Any

from sqlalchemy import Connection

from anyrouter.control import usage_reader
from anyrouter.core.latency import BOUNDS, BUCKETS
from anyrouter.core.ledger import HEDGE_LOST, EntryState, Intent, Outcome
from anyrouter.storage.schema_money import usage_hourly

HOUR_MS, DAY_MS = 3_600_000, 86_400_000
MAX_APPS = 200
MAX_APP_LENGTH = 64
OTHER_APPS = usage_reader.OTHER_APPS
_KEY = ("organisation_id", "hour", "model", "provider", "environment_id", "api_key_id", "rotation_group", "app")
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
_COLUMNS = tuple(column.name for column in usage_hourly.columns)
_SUMMED = (*_KEY, "environment", *USAGE_SUMS, "buckets")
_read_columns = itemgetter(*_COLUMNS)
# Compared by identity: a member's hash is a function of Python's, and read off the class it costs ten times a name of the module.
_FAILED, _INTERRUPTED = EntryState.FAILED, EntryState.INTERRUPTED


class AppNames:
    """Which apps have rows of their own. State of the one writer; what it forgets at a restart makes a few rows more."""

    __slots__ = ("_day", "_known")

    def __init__(self) -> None:
        self._day, self._known = -1, dict[str, set[str]]()

    def name(self, intent: Intent) -> str:
        """What a request's app is counted as; empty for none."""
        named = name_app(intent.app_title, intent.http_referer)
        if not named:
            return ""
        day = intent.created_at_ms // DAY_MS
        if day > self._day:
            self._day, self._known = day, {}
        known = self._known.setdefault(intent.organisation_id, set())
        if named not in known:
            if len(known) >= MAX_APPS:
                return OTHER_APPS
            known.add(named)
        return named


def name_app(title: str | None, referer: str | None) -> str:
    """The app's title, else where it is, in what a column takes."""
    return (title or referer or "")[:MAX_APP_LENGTH].replace("\0", "").encode("utf-8", "replace").decode()


def sum_by_hour(entries: Iterable[tuple[Intent, Outcome]], apps: AppNames) -> list[dict[str, Any]]:
    """Rows of `usage_hourly`, in the order of their keys: processes that write the same rows must not deadlock.

    With them, as `buckets`, how long those requests took that were settled: a bucket of `core.latency` each, and one more that is larger
    by `BUCKETS` to the first token of those that were streamed: of the others the first byte is as good as the last.
    """
    sums: dict[tuple[Any, ...], list[Any]] = {}
    for intent, outcome in entries:
        key = (
            intent.organisation_id,
            intent.created_at_ms // HOUR_MS,
            intent.model,
            intent.provider,
            intent.environment_id,
            intent.api_key_id,
            intent.rotation_group,
            apps.name(intent),
        )
        row = sums.get(key)
        if row is None:
            row = sums[key] = [intent.environment, *[0] * len(USAGE_SUMS), []]
        usage, is_own = outcome.usage, outcome.error_code != HEDGE_LOST
        row[1] += is_own
        row[2] += is_own and (outcome.state is _FAILED or outcome.state is _INTERRUPTED)
        row[3] += usage.input_tokens
        row[4] += usage.output_tokens
        row[5] += usage.reasoning_tokens
        row[6] += usage.cache_read_tokens
        row[7] += outcome.cost_nanousd
        row[8] += outcome.upstream_cost_nanousd
        if is_own and outcome.state is EntryState.SETTLED:
            row[9].append(bisect_right(BOUNDS, outcome.latency_ms))
            if intent.is_streamed and outcome.ttft_ms is not None:
                row[9].append(BUCKETS + bisect_right(BOUNDS, outcome.ttft_ms))
    return [dict(zip(_SUMMED, (*key, *row), strict=True)) for key, row in sorted(sums.items())]


def count_by_hour(connection: Connection, rows: Sequence[dict[str, Any]]) -> None:
    """Add such rows to those that are there."""
    connection.exec_driver_sql(_statement(connection.dialect.paramstyle), [_read_columns(row) for row in rows])


def hour_of(moment: datetime) -> int:
    """Hours since 1970-01-01 UTC."""
    return int(moment.astimezone(UTC).timestamp()) // 3600


def moment_of(hour: int) -> datetime:
    """When the hour begins."""
    return datetime.fromtimestamp(hour * 3600, UTC)


@cache
def _statement(paramstyle: str) -> str:
    mark = "?" if paramstyle == "qmark" else "%s"
    marks = ", ".join([mark] * len(_COLUMNS))
    added = ", ".join(f"{name} = usage_hourly.{name} + excluded.{name}" for name in USAGE_SUMS)
    insert = f"INSERT INTO usage_hourly ({', '.join(_COLUMNS)}) VALUES ({marks})"  # noqa: S608 -- names of the schema
    return f"{insert} ON CONFLICT ({', '.join(_KEY)}) DO UPDATE SET {added}"
