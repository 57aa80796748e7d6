"""What the connections of one server share: the relay, the limits, one receive buffer, one timer."""

import asyncio
import os
import time
import traceback
from email.utils import formatdate
from typing import TYPE_CHECKING, Any, cast

import structlog
from uvicorn import Config
from uvicorn.server import ServerState

from anyrouter.relay.outbox import Outbox
from anyrouter.web.front.addresses import TrustedProxies
from anyrouter.web.front.head import HeadReader
from anyrouter.web.front.inference import Inference
from anyrouter.web.front.limits import FrontLimits

if TYPE_CHECKING:
    from anyrouter.web.front.connection import Connection

RECEIVE_BYTES = 262_144
_ID_DIGITS = 20
_RANDOM_DIGITS = 64 * _ID_DIGITS
_log = structlog.get_logger(__name__)


class FrontState:
    """Made once for a server; used by its event loop alone.

    `memory` is where all connections receive: a read is consumed before the next one begins, so one buffer does for all, and an idle
    connection has none. `date_line` and `date_header` are renewed by the sweep, which runs as long as there are connections.
    `tasks` are uvicorn's: it waits for them when it stops, and cancels them when its patience ends.
    """

    def __init__(self, inference: Inference, limits: FrontLimits, proxies: TrustedProxies, outbox: Outbox) -> None:
        self.inference, self.limits, self.proxies, self.outbox = inference, limits, proxies, outbox
        self.reader = HeadReader(limits.head_count)
        self.memory = bytearray(RECEIVE_BYTES)
        self.view = memoryview(self.memory)
        self.date_line = b""
        self.date_header: list[tuple[bytes, bytes]] = []
        self.tasks: set[asyncio.Task[None]] = set()
        self.loop: asyncio.AbstractEventLoop
        self.config: Config | None = None
        self.server_state: ServerState
        self.app_state: dict[str, Any]
        self._connections: set[Connection] = set()
        self._timer: asyncio.TimerHandle | None = None
        self._random, self._random_at = "", 0
        self._id_ms, self._id_start = -1, ""

    def enter(self, config: Config, server_state: ServerState, app_state: dict[str, Any]) -> None:
        """Belong to a server that has started to accept."""
        self.loop = asyncio.get_running_loop()
        self.config, self.server_state, self.app_state = config, server_state, app_state
        self._connections = cast("set[Connection]", server_state.connections)  # uvicorn asks of them `shutdown()`, which they have
        self.tasks = server_state.tasks
        self._timer = None

    def add(self, connection: "Connection") -> int:
        """Watch a connection's deadline; returns how many connections there are."""
        self._connections.add(connection)
        if self._timer is None:
            self._sweep()
        return len(self._connections)

    def remove(self, connection: "Connection") -> None:
        """Watch it no more."""
        self._connections.discard(connection)

    def new_request_id(self, now_ms: int) -> str:
        """A fresh `req-…` identifier (core.ids), of randomness fetched for many at once: asking the kernel each time costs more."""
        at, end = self._random_at, self._random_at + _ID_DIGITS
        if end > _RANDOM_DIGITS or not at:
            self._random, at, end = os.urandom(_RANDOM_DIGITS // 2).hex(), 0, _ID_DIGITS
        self._random_at = end
        if now_ms != self._id_ms:
            self._id_ms, self._id_start = now_ms, f"req-{now_ms:012x}"
        return self._id_start + self._random[at:end]

    def _sweep(self) -> None:
        date = formatdate(usegmt=True).encode()
        self.date_line, self.date_header = b"Date: %s\r\n" % date, [(b"date", date)]
        self.reader.forget()
        now_s = time.monotonic()
        for connection in [one for one in self._connections if one.deadline_s <= now_s]:
            try:
                connection.expire(now_s)
            except Exception as error:  # noqa: BLE001 -- a mistake with one connection must not end the deadlines of all
                report("deadline failed", error, "")
                connection.transport.abort()
        self._timer = self.loop.call_later(self.limits.sweep_s, self._sweep) if self._connections else None


def report(event: str, error: BaseException, request_id: str) -> None:
    """Log an exception that should not have come: its kind and where, not its text, which may quote a request."""
    where = [f"{frame.filename}:{frame.lineno} {frame.name}" for frame in traceback.extract_tb(error.__traceback__)]
    _log.error(event, request_id=request_id, error=type(error).__name__, where=where)
