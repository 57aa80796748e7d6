"""Notices configuration changes made by other processes: by the CLI on the same data directory, by another server.

Every change leaves the next number of one counter with its organisation, in its own transaction (`sql_keys.bump_epoch`).
Reading one row several times a second is the same over SQLite and PostgreSQL, and does not wait behind the writer.
"""

import asyncio
import time
from collections.abc import Callable

import structlog
from sqlalchemy import Connection, select

from anyrouter.storage.database import Database
from anyrouter.storage.schema import latest_epoch, organisations

_log = structlog.get_logger(__name__)

INTERVAL_S = 0.2

Subscriber = Callable[[frozenset[str]], None]


class EpochWatch:
    """Calls its subscribers on the event loop with the ids of organisations whose keys or environments may have changed.

    `confirmed_at` (monotonic seconds) is when the last successful look began: every change committed before it was announced.
    Changes of this process are announced at once, and perhaps a second time by the next look.
    """

    def __init__(self, database: Database) -> None:
        self._database = database
        self._seen: int | None = None
        self._subscribers: list[Subscriber] = []
        self._task: asyncio.Task[None] | None = None
        self._is_failing = False
        self.confirmed_at = time.monotonic()

    def subscribe(self, on_change: Subscriber) -> None:
        """Call `on_change` from now on; it must be quick and not raise."""
        self._subscribers.append(on_change)

    def announce(self, organisation_id: str) -> None:
        """Tell the subscribers of a change that this process has committed."""
        self._tell(frozenset({organisation_id}))

    async def look(self) -> None:
        """One look at the counter; StorageUnavailable when it cannot be read."""
        started = time.monotonic()
        latest, changed = await self._database.watch(self._read)
        self._seen, self.confirmed_at = latest, started
        if changed:
            self._tell(changed)

    async def start(self) -> None:
        """Look once, then every `INTERVAL_S` until `aclose`."""
        await self.look()
        self._task = asyncio.get_running_loop().create_task(self._keep_looking())

    async def aclose(self) -> None:
        """Stop looking."""
        if self._task is not None:
            self._task.cancel()
            await asyncio.wait([self._task])

    async def _keep_looking(self) -> None:
        while True:
            await asyncio.sleep(INTERVAL_S)
            try:
                await self.look()
            except Exception as error:  # noqa: BLE001 -- whatever it is, a subscriber's mistake included: revocations must be noticed
                if not self._is_failing:
                    _log.warning("changes_not_confirmed", reason=f"{type(error).__name__}: {error}")
                self._is_failing = True
            else:
                self._is_failing = False

    def _read(self, connection: Connection) -> tuple[int, frozenset[str]]:
        latest = connection.execute(select(latest_epoch.c.epoch)).scalar_one()
        if self._seen is None or latest == self._seen:
            return latest, frozenset()
        query = select(organisations.c.id)
        if latest > self._seen:  # else the database was replaced by an older copy: everything may have changed
            query = query.where(organisations.c.epoch > self._seen)
        return latest, frozenset(connection.execute(query).scalars())

    def _tell(self, changed: frozenset[str]) -> None:
        for subscriber in self._subscribers:
            subscriber(changed)
