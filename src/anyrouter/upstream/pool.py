"""The connections to one origin: which one serves next, how many there may be, how long an idle one stays."""

import asyncio
from collections import deque
from dataclasses import dataclass

from anyrouter.core.errors import ConnectFailed, UpstreamTimeout
from anyrouter.relay.outbox import Outbox
from anyrouter.relay.ports import Origin
from anyrouter.upstream.connection import HttpConnection
from anyrouter.upstream.connector import Connector
from anyrouter.upstream.dialing import UNREACHABLE
from anyrouter.upstream.exchange import LATE

CLOSED = "The gateway is shutting down."


@dataclass(frozen=True, slots=True, kw_only=True)
class PoolBounds:
    """`max_open` None: as many as requests in flight. `idle_s` is shorter than servers' usual patience, so that they rarely hang up first.

    `stream_bytes` bounds the decoded body of a streamed reply.
    """

    max_idle: int = 64
    max_open: int | None = None
    idle_s: float = 30.0
    stream_bytes: int = 1 << 30


@dataclass(frozen=True, slots=True, kw_only=True)
class PoolStatistics:
    """Connections to one origin: `open` is `idle`, `busy`, and those being opened or closed."""

    open: int
    idle: int
    busy: int


class Pool:
    """The most recently used connection serves first, so that the surplus grows old and is closed."""

    def __init__(
        self,
        loop: asyncio.AbstractEventLoop,
        origin: Origin,
        connector: Connector,
        bounds: PoolBounds,
        outbox: Outbox | None = None,
    ) -> None:
        self.loop, self._outbox = loop, outbox
        self.forwarding = connector.find_forwarding(origin)
        self.idle: list[HttpConnection] = []
        self.busy: set[HttpConnection] = set()
        self._open: set[HttpConnection] = set()
        self._origin, self._connector, self._bounds = origin, connector, bounds
        self._waiters: deque[asyncio.Future[HttpConnection | None]] = deque()
        self._is_closed = False

    @property
    def is_needed(self) -> bool:
        """Whether anything is open, or about to be."""
        return bool(self._open) or bool(self._waiters)

    def take_idle(self, now_s: float) -> HttpConnection | None:
        """An idle connection, now busy; None when there is none. Whoever waits is handed a connection before it gets idle."""
        while self.idle:
            connection = self.idle.pop()
            if connection.is_usable and connection.free_until_s > now_s:
                self.busy.add(connection)
                return connection
            connection.close()
        return None

    def is_ready(self) -> bool:
        """Whether an idle connection can serve now; those that cannot any more are closed."""
        now_s = self.loop.time()
        while self.idle:
            connection = self.idle[-1]
            if connection.is_usable and connection.free_until_s > now_s:
                return True
            self.idle.pop().close()
        return False

    def take_ready(self) -> HttpConnection:
        """The connection that `is_ready` has just found, now busy."""
        connection = self.idle.pop()
        self.busy.add(connection)
        return connection

    async def acquire(self, timeout_s: float, *, must_be_new: bool = False) -> HttpConnection:
        """A connection, now busy. Waits while `max_open` are open.

        ConnectFailed, or UpstreamTimeout of phase connect after `timeout_s`.
        """
        try:
            async with asyncio.timeout(timeout_s):
                connection = None if must_be_new else self.take_idle(self.loop.time())
                while connection is None:
                    if self._bounds.max_open is None or len(self._open) < self._bounds.max_open:
                        return await self._connect()
                    if must_be_new and self.idle:
                        self.idle.pop(0).close()
                    connection = await self._wait_for_turn()
                    if connection is not None and (must_be_new or not connection.is_usable):
                        connection.close()
                        connection = None
                return connection
        except TimeoutError as error:
            raise UpstreamTimeout(LATE, phase="connect") from error

    def sweep(self, now_s: float) -> None:
        """Apply the deadlines of running exchanges, and close what was idle for too long."""
        for connection in tuple(self.busy):
            if connection.exchange is not None:
                connection.exchange.check(now_s)
        for connection in [each for each in self.idle if each.free_until_s <= now_s]:
            self.idle.remove(connection)
            connection.close()

    def statistics(self) -> PoolStatistics:
        """The counts of this moment."""
        return PoolStatistics(open=len(self._open), idle=len(self.idle), busy=len(self.busy))

    async def close(self) -> None:
        """Close idle connections now and busy ones as their exchanges end; open no others. Returns when the idle ones are closed."""
        self._is_closed = True
        closing, self.idle = self.idle, []
        for connection in closing:
            connection.close()
        while self._waiters:
            self._wake_next(None)
        for connection in closing:
            await connection.lost

    async def _connect(self) -> HttpConnection:
        if self._is_closed:
            raise ConnectFailed(CLOSED)
        connection = HttpConnection(
            self.loop, on_free=self._take_back, on_lost=self._forget, stream_limit=self._bounds.stream_bytes, outbox=self._outbox
        )
        self._open.add(connection)
        try:
            await self._connector.connect(self._origin, connection)
        except BaseException:
            # Cancelled at an unlucky moment, uvloop calls connection_made and never connection_lost.
            connection.abandon()
            self._forget(connection)
            raise
        if not connection.is_usable:
            raise ConnectFailed(UNREACHABLE, internal="closed right after connecting")
        self.busy.add(connection)
        return connection

    async def _wait_for_turn(self) -> HttpConnection | None:
        """A connection that another request is done with, or None: there may be room for a new one."""
        waiter: asyncio.Future[HttpConnection | None] = self.loop.create_future()
        self._waiters.append(waiter)
        try:
            return await waiter
        except asyncio.CancelledError:
            if waiter.done() and not waiter.cancelled():  # the turn that this one cannot take
                connection = waiter.result()
                if connection is None:
                    self._wake_next(None)
                else:
                    self._take_back(connection)
            raise
        finally:
            if waiter in self._waiters:
                self._waiters.remove(waiter)

    def _take_back(self, connection: HttpConnection) -> None:
        if self._waiters and self._wake_next(connection):
            return
        self.busy.discard(connection)
        if self._is_closed or len(self.idle) >= self._bounds.max_idle:
            connection.close()
            return
        patience_s = self._bounds.idle_s
        if connection.keep_alive_s is not None:
            patience_s = min(patience_s, connection.keep_alive_s - 1)
        connection.free_until_s = self.loop.time() + patience_s
        self.idle.append(connection)

    def _forget(self, connection: HttpConnection) -> None:
        self._open.discard(connection)
        self.busy.discard(connection)
        if connection in self.idle:
            self.idle.remove(connection)
        self._wake_next(None)

    def _wake_next(self, connection: HttpConnection | None) -> bool:
        while self._waiters:
            waiter = self._waiters.popleft()
            if not waiter.done():
                waiter.set_result(connection)
                return True
        return False
