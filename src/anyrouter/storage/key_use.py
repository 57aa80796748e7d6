"""When and from where keys were last used: kept in memory, written in batches, never in a request's path."""

import asyncio
from collections.abc import Callable, Collection

import structlog
from sqlalchemy import Connection, bindparam, or_, update

from anyrouter.core.errors import InternalError
from anyrouter.core.keys import hide
from anyrouter.storage.database import Database
from anyrouter.storage.schema import api_keys

_log = structlog.get_logger(__name__)

FLUSH_INTERVAL_S = 3.0
_MAX_ADDRESS = 64
_MAX_USER_AGENT = 256

_key = api_keys.c
# No epoch is bumped: a use changes nothing that anybody decides by.
_UPDATE = (
    update(api_keys)
    .where(_key.id == bindparam("key_id"), or_(_key.last_used_at_ms.is_(None), _key.last_used_at_ms < bindparam("at_ms")))
    .values(last_used_at_ms=bindparam("at_ms"), last_used_ip=bindparam("address"), last_used_user_agent=bindparam("user_agent"))
)


class BatchedKeyUse:
    """`KeyUse`: the latest use of each key since the last flush. What was not flushed dies with the process."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._uses: dict[str, tuple[int, str, str | None]] = {}
        self._awaited: frozenset[str] = frozenset()
        self._tell: Callable[[str], None] = _tell_nobody
        self._task: asyncio.Task[None] | None = None

    def note(self, key_id: str, at_ms: int, address: str, user_agent: str | None) -> None:
        """Remember the latest use of a key."""
        self._uses[key_id] = (at_ms, address, user_agent)
        if key_id in self._awaited:
            self._tell(key_id)

    def await_use(self, ids: Collection[str], tell: Callable[[str], None]) -> None:
        """Tell from now on when one of these keys is used, in place of those of the last call; at once of a use that is not written yet.

        `tell` is called in a request's path: it must be quick, and not raise.
        """
        self._awaited, self._tell = frozenset(ids), tell
        for key_id in self._awaited & self._uses.keys():
            tell(key_id)

    async def flush(self) -> None:
        """Write what was noted; it is kept for the next time when the database cannot take it (StorageUnavailable)."""
        uses, self._uses = self._uses, {}
        if not uses:
            return
        rows = [
            {"key_id": key_id, "at_ms": at_ms, "address": _storable(address, _MAX_ADDRESS), "user_agent": _storable(agent, _MAX_USER_AGENT)}
            for key_id, (at_ms, address, agent) in sorted(uses.items())  # one order for every process: no deadlock
        ]

        def work(connection: Connection) -> None:
            connection.execute(_UPDATE, rows)

        try:
            await self._database.write(work)
        except BaseException:
            self._uses = uses | self._uses
            raise

    def start(self) -> None:
        """Flush every few seconds until `aclose`."""
        self._task = asyncio.get_running_loop().create_task(self._keep_flushing())

    async def aclose(self) -> None:
        """Flush for the last time."""
        if self._task is not None:
            self._task.cancel()
            await asyncio.wait([self._task])
        await self._flush_or_log()

    async def _keep_flushing(self) -> None:
        while True:
            await asyncio.sleep(FLUSH_INTERVAL_S)
            await self._flush_or_log()

    async def _flush_or_log(self) -> None:
        try:
            await self.flush()
        except InternalError as error:
            _log.warning("key_use_not_written", keys=len(self._uses), reason=error.internal)


def _tell_nobody(_key_id: str) -> None:
    """Nobody waits."""


def _storable(text: str | None, length: int) -> str | None:
    """PostgreSQL stores neither NUL nor lone surrogates, and a client may send anything, its key in the wrong place too."""
    return None if text is None else hide(text)[:length].replace("\0", "").encode("utf-8", "replace").decode()
