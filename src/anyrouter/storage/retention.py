"""Deletes old entries of the ledger, a little at a time, so that what is being written need not wait. Sums by day stay, but apps'."""

import asyncio
import time

import structlog
from sqlalchemy import Column, ColumnElement, Connection, Table, delete, func, select

from anyrouter.control.usage_reader import Unit
from anyrouter.core.errors import InternalError
from anyrouter.storage.database import Database
from anyrouter.storage.schema import ledger
from anyrouter.storage.schema_money import client_latencies, usage_app_daily, usage_hourly, usage_model_hourly
from anyrouter.storage.usage_rows import DAY_MS, HOUR_MS

_log = structlog.get_logger(__name__)

BATCH = 500
INTERVAL_S = 3600.0
HOURLY_DAYS = 92
_PAUSE_S = 0.02
_FREED_PAGES = 512

# Generations' ids sort by time (core.ids), so the primary key is all the index that this needs.
_id = ledger.c.generation_id


class Retention:
    """Keeps entries for `max_days` and at most `max_rows` of them; None keeps them all.

    Sums by hour, those of apps, and how long requests of keys and apps took are kept for `hourly_days`.

    A row takes about 0.7 kB of the database. SQLite's file is made smaller as rows go; PostgreSQL reuses the space.
    """

    def __init__(self, database: Database, *, max_days: int | None, max_rows: int | None, hourly_days: int = HOURLY_DAYS) -> None:
        self._database, self._max_days, self._max_rows, self._hourly_days = database, max_days, max_rows, hourly_days
        self._task: asyncio.Task[None] | None = None

    async def sweep(self, now_ms: int) -> int:
        """Delete what is too old or too much; returns how many rows. StorageUnavailable when the database is down."""
        first_hour = now_ms // HOUR_MS - self._hourly_days * 24
        for table in (usage_hourly, usage_model_hourly):
            await self._sweep_sums(table, table.c.hour, first_hour)
        await self._sweep_sums(usage_app_daily, usage_app_daily.c.day, first_hour // 24)
        for unit, limit in ((Unit.HOUR, first_hour), (Unit.DAY, first_hour // 24)):
            await self._sweep_sums(client_latencies, client_latencies.c.number, limit, client_latencies.c.unit == unit.value)
        limits = []
        if self._max_days is not None:
            limits.append(f"gen-{max(0, now_ms - self._max_days * DAY_MS):012x}")
        if self._max_rows is not None:
            beyond = select(_id).order_by(_id.desc()).offset(self._max_rows - 1).limit(1)
            last_kept = await self._database.read(lambda connection: connection.execute(beyond).scalar())
            if last_kept is not None:
                limits.append(last_kept)
        if not limits:
            return 0
        deleted = 0
        while batch := await self._delete_below(max(limits)):
            deleted += batch
            await asyncio.sleep(_PAUSE_S)
        return deleted

    def start(self) -> None:
        """Sweep now and every hour until `aclose`."""
        self._task = asyncio.get_running_loop().create_task(self._keep_sweeping())

    async def aclose(self) -> None:
        """Stop; a batch under way is finished."""
        if self._task is not None:
            self._task.cancel()
            await asyncio.wait([self._task])

    async def _keep_sweeping(self) -> None:
        while True:
            try:
                deleted = await self.sweep(time.time_ns() // 1_000_000)
            except InternalError as error:
                _log.warning("retention_failed", reason=error.internal)
            else:
                if deleted:
                    _log.info("ledger_entries_deleted", rows=deleted)
            await asyncio.sleep(INTERVAL_S)

    async def _sweep_sums(self, table: Table, unit: Column[int], limit: int, *which: ColumnElement[bool]) -> None:
        """Delete the sums of hours, or of days, that are too old, one at a time."""

        def work(connection: Connection) -> bool:
            oldest = connection.execute(select(func.min(unit)).where(unit < limit, *which)).scalar()
            if oldest is None:
                return False
            connection.execute(delete(table).where(unit == oldest, *which))
            return True

        has_more = True
        while has_more:
            has_more = await self._database.write(work)
            await asyncio.sleep(_PAUSE_S if has_more else 0.0)

    async def _delete_below(self, limit: str) -> int:
        oldest = select(_id).where(_id < limit).order_by(_id).limit(BATCH)

        def work(connection: Connection) -> int:
            deleted = connection.execute(delete(ledger).where(_id.in_(oldest))).rowcount
            if self._database.is_sqlite and deleted:
                _return_pages(connection)
            return deleted

        return await self._database.write(work)


def _return_pages(connection: Connection) -> None:
    """Make SQLite's file smaller by the pages that the deleted rows leave, one at a time: the driver makes one step a statement."""
    free = connection.exec_driver_sql("PRAGMA freelist_count").scalar_one()
    for _ in range(min(free, _FREED_PAGES)):
        connection.exec_driver_sql("PRAGMA incremental_vacuum(1)")
