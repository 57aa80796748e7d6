"""The HTTP/1.1 client to providers: the relay's `UpstreamClient` over pooled connections.

It sends what it is given and reports by values and exceptions: it takes no logger, and no header's value is in an error's text.
Requests are any method but HEAD and CONNECT, whose replies are framed differently.
"""

import asyncio
import ssl
from collections.abc import Callable, Mapping, Sequence
from functools import partial

from anyrouter.core.errors import ConnectFailed
from anyrouter.relay.outbox import Outbox
from anyrouter.relay.ports import Origin, Timeouts, UpstreamClient
from anyrouter.upstream.connection import WINDOW_BYTES
from anyrouter.upstream.connector import AddressGuard, Connector
from anyrouter.upstream.exchange import HttpExchange
from anyrouter.upstream.pool import CLOSED, Pool, PoolBounds, PoolStatistics
from anyrouter.upstream.proxies import Proxies

SWEEP_S = 0.1  # how late a deadline may be noticed; one timer for all requests costs less than one for each
IDLE_SWEEP_S = 1.0


class HttpUpstreamClient(UpstreamClient):
    """Belongs to one event loop: construct it anywhere, use it inside the loop, `aclose` it at the end.

    `ssl_context` replaces the default one, which verifies names and certificates (`ca_file`, else SSL_CERT_FILE, else the system's).
    `proxies` None: none, whatever the environment says. `guard(origin, address)` says before connecting whether a resolved address
    may be used. Of each origin at most `max_open_per_origin` connections exist (None: as many as requests), at most
    `max_idle_per_origin` wait for the next request, for `idle_expiry_s` or a second less than the server announces. The decoded
    body of a streamed reply is at most `max_stream_bytes`. A pooled connection that breaks later than `stale_within_s` after a
    request went out was not stale: the upstream may be working on it, and it is not sent again.
    """

    def __init__(
        self,
        *,
        proxies: Proxies | None = None,
        ssl_context: ssl.SSLContext | None = None,
        ca_file: str | None = None,
        guard: AddressGuard | None = None,
        max_idle_per_origin: int = 64,
        max_open_per_origin: int | None = None,
        idle_expiry_s: float = 30.0,
        max_stream_bytes: int = 1 << 30,
        stale_within_s: float = 5.0,
        outbox: Outbox | None = None,
    ) -> None:
        self._connector = Connector(proxies=proxies or Proxies(), ssl_context=ssl_context, ca_file=ca_file, guard=guard)
        self._bounds = PoolBounds(
            max_idle=max_idle_per_origin, max_open=max_open_per_origin, idle_s=idle_expiry_s, stream_bytes=max_stream_bytes
        )
        self._outbox = outbox
        self._pools: dict[Origin, Pool] = {}
        self._stale_within_s = stale_within_s
        self._sweeper: asyncio.TimerHandle | None = None
        self._is_sweeping_often = self._is_closed = False

    async def send(self, origin: Origin, head: bytes, body: Sequence[bytes | memoryview], timeouts: Timeouts) -> HttpExchange:
        """See the port. Parts of the body must not change before it returns.

        A sized reply of up to 64 KiB that is not an event stream is awaited whole: the exchange is then read without waiting.
        """
        pool = self._pools.get(origin) or self._add_pool(origin)
        if not self._is_sweeping_often:
            self._sweep_often(pool.loop)
        now_s = started_s = pool.loop.time()
        if pool.forwarding is not None:
            head = pool.forwarding.apply(head)
        connection = pool.take_idle(now_s)
        if connection is None:
            connection = await pool.acquire(_connect_time_s(timeouts, 0.0))
            now_s = pool.loop.time()
        while True:
            arrived: asyncio.Future[None] = pool.loop.create_future()
            arrive = partial(_finish, arrived)
            exchange = connection.start(head, body, timeouts, started_s=started_s, now_s=now_s, on_arrived=arrive)
            if connection.has_served:
                exchange.stale_until_s = now_s + self._stale_within_s
            try:
                if not connection.is_small:
                    await connection.write_parts(exchange, head, body)
                await arrived
            except BaseException:
                exchange.cancel()
                raise
            failure = exchange.failure
            if failure is None or exchange.status:
                return exchange
            if not exchange.is_stale:
                raise failure
            pool = self._pools.get(origin) or self._add_pool(origin)
            connection = await pool.acquire(_connect_time_s(timeouts, pool.loop.time() - started_s), must_be_new=True)
            now_s = pool.loop.time()

    def is_ready(self, origin: Origin, size: int) -> bool:
        """See the port."""
        pool = self._pools.get(origin)
        return pool is not None and pool.forwarding is None and pool.is_ready() and size <= WINDOW_BYTES

    def begin(  # noqa: PLR0917 -- the port's
        self,
        origin: Origin,
        head: bytes,
        body: Sequence[bytes | memoryview],
        size: int,
        timeouts: Timeouts,
        on_arrived: Callable[[], None],
    ) -> HttpExchange:
        """See the port."""
        pool = self._pools[origin]
        connection, now_s = pool.take_ready(), pool.loop.time()
        if not self._is_sweeping_often:
            self._sweep_often(pool.loop)
        exchange = connection.start(head, body, timeouts, started_s=now_s, now_s=now_s, on_arrived=on_arrived, size=size)
        exchange.stale_until_s = now_s + self._stale_within_s
        if not connection.is_small:
            connection.write_at_once(exchange, head, body)
        return exchange

    def statistics(self) -> Mapping[Origin, PoolStatistics]:
        """The connections by origin, of origins that have any."""
        return {origin: pool.statistics() for origin, pool in self._pools.items() if pool.is_needed}

    async def aclose(self) -> None:
        """Close idle connections, and return when they are closed. Running exchanges go on, and their connections end with them."""
        self._is_closed = True
        for pool in tuple(self._pools.values()):
            await pool.close()
        self._sweep()

    def _add_pool(self, origin: Origin) -> Pool:
        if self._is_closed:
            raise ConnectFailed(CLOSED)
        pool = self._pools[origin] = Pool(asyncio.get_running_loop(), origin, self._connector, self._bounds, self._outbox)
        return pool

    def _sweep_often(self, loop: asyncio.AbstractEventLoop) -> None:
        if self._sweeper is not None:
            self._sweeper.cancel()
        self._is_sweeping_often = True
        self._sweeper = loop.call_later(SWEEP_S, self._sweep)

    def _sweep(self) -> None:
        """Look at all connections; look again soon while requests run, later while connections idle, and not at all otherwise."""
        if self._sweeper is not None:
            self._sweeper.cancel()
            self._sweeper = None
        self._is_sweeping_often = False
        for origin, pool in tuple(self._pools.items()):
            pool.sweep(pool.loop.time())
            if pool.busy:
                self._is_sweeping_often = True
            elif not pool.is_needed:
                del self._pools[origin]
        if self._pools:
            loop = asyncio.get_running_loop()
            self._sweeper = loop.call_later(SWEEP_S if self._is_sweeping_often else IDLE_SWEEP_S, self._sweep)


def _finish(arrived: asyncio.Future[None]) -> None:
    if not arrived.done():
        arrived.set_result(None)


def _connect_time_s(timeouts: Timeouts, elapsed_s: float) -> float:
    """What a connection may still take."""
    return timeouts.connect_s if timeouts.total_s is None else min(timeouts.connect_s, timeouts.total_s - elapsed_s)
