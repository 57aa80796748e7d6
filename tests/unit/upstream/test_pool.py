"""The pool over transports in memory: moments that a real socket meets once in a million requests."""

import asyncio
from collections.abc import Callable
from typing import Any

import pytest

from anyrouter.core.errors import ConnectFailed
from anyrouter.relay.ports import Origin, Timeouts
from anyrouter.upstream.connection import HttpConnection
from anyrouter.upstream.pool import Pool, PoolBounds, PoolStatistics

OK = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"
ORIGIN = Origin(scheme="http", host="upstream", port=80)


class MemoryConnector:
    """Connects at once. `after` is called with each connection that was made."""

    def __init__(self, make_transport: Callable[[], Any], after: Callable[[HttpConnection], None] | None = None) -> None:
        self.make_transport, self.after = make_transport, after
        self.made: list[HttpConnection] = []

    def find_forwarding(self, origin: Origin) -> None:
        assert origin is ORIGIN

    async def connect(self, origin: Origin, connection: HttpConnection) -> None:
        assert origin is ORIGIN
        await asyncio.sleep(0)
        connection.connection_made(self.make_transport())
        self.made.append(connection)
        if self.after is not None:
            self.after(connection)


@pytest.fixture
def make_pool(make_line: Callable[[], Any]) -> Callable[..., tuple[Pool, MemoryConnector]]:
    def make(max_open: int | None = None, after: Callable[[HttpConnection], None] | None = None) -> tuple[Pool, MemoryConnector]:
        connector: Any = MemoryConnector(lambda: make_line().transport, after)
        return Pool(asyncio.get_running_loop(), ORIGIN, connector, PoolBounds(max_open=max_open)), connector

    return make


MakePool = Callable[..., tuple[Pool, MemoryConnector]]


def serve(connection: HttpConnection) -> None:
    """One request and its reply: the connection is free again."""
    connection.start(b"GET / HTTP/1.1\r\n", (), Timeouts(), started_s=0, now_s=0)
    connection.data_received(OK)


async def test_a_connection_is_handed_to_the_first_who_waits(make_pool: MakePool) -> None:
    pool, connector = make_pool(max_open=1)
    connection = await pool.acquire(1)
    waiting = [asyncio.create_task(pool.acquire(1)) for _ in range(2)]
    await asyncio.sleep(0)
    serve(connection)
    assert pool.take_idle(0) is None, "nobody overtakes"
    assert await waiting[0] is connection
    assert not waiting[1].done()
    serve(connection)
    assert await waiting[1] is connection
    serve(connection)
    assert pool.statistics() == PoolStatistics(open=1, idle=1, busy=0)
    assert len(connector.made) == 1


@pytest.mark.parametrize("is_lost", [False, True])
async def test_who_is_cancelled_as_its_turn_comes_passes_the_turn_on(make_pool: MakePool, *, is_lost: bool) -> None:
    pool, connector = make_pool(max_open=1)
    connection = await pool.acquire(1)
    first, second = asyncio.create_task(pool.acquire(1)), asyncio.create_task(pool.acquire(1))
    await asyncio.sleep(0)
    if is_lost:
        connection.connection_lost(None)
    else:
        serve(connection)
    first.cancel()
    with pytest.raises(asyncio.CancelledError):
        await first
    assert await second is connector.made[-1]
    assert len(connector.made) == 1 + is_lost


async def test_who_is_cancelled_last_leaves_the_connection_idle(make_pool: MakePool) -> None:
    pool, _ = make_pool(max_open=1)
    connection = await pool.acquire(1)
    only = asyncio.create_task(pool.acquire(1))
    await asyncio.sleep(0)
    serve(connection)
    only.cancel()
    with pytest.raises(asyncio.CancelledError):
        await only
    assert pool.statistics() == PoolStatistics(open=1, idle=1, busy=0)


async def test_a_connection_that_breaks_on_its_way_to_who_waits_is_replaced(make_pool: MakePool) -> None:
    pool, connector = make_pool(max_open=1)
    connection = await pool.acquire(1)
    waiting = asyncio.create_task(pool.acquire(1))
    await asyncio.sleep(0)
    serve(connection)
    connection.eof_received()
    connection.connection_lost(None)
    assert await waiting is connector.made[1]
    assert pool.statistics() == PoolStatistics(open=1, idle=0, busy=1)


async def test_a_new_connection_takes_the_place_of_an_idle_one(make_pool: MakePool) -> None:
    pool, connector = make_pool(max_open=1)
    connection = await pool.acquire(1)
    serve(connection)
    waiting = asyncio.create_task(pool.acquire(1, must_be_new=True))
    await asyncio.sleep(0)
    assert not connection.is_usable
    connection.connection_lost(None)
    assert await waiting is connector.made[1]


async def test_a_new_connection_is_not_one_that_another_request_is_done_with(make_pool: MakePool) -> None:
    pool, connector = make_pool(max_open=1)
    connection = await pool.acquire(1)
    waiting = asyncio.create_task(pool.acquire(1, must_be_new=True))
    await asyncio.sleep(0)
    serve(connection)
    await asyncio.sleep(0)
    assert not connection.is_usable
    connection.connection_lost(None)
    assert await waiting is connector.made[1]


async def test_a_connection_that_ends_as_it_is_made_is_a_failed_one(make_pool: MakePool) -> None:
    pool, _ = make_pool(after=lambda connection: connection.connection_lost(None))
    with pytest.raises(ConnectFailed):
        await pool.acquire(1)
    assert pool.statistics() == PoolStatistics(open=0, idle=0, busy=0)


async def test_a_connection_that_is_made_for_nobody_is_closed(make_pool: MakePool) -> None:
    def fail(connection: HttpConnection) -> None:
        raise ConnectFailed("as if cancelled")

    pool, connector = make_pool(after=fail)
    with pytest.raises(ConnectFailed):
        await pool.acquire(1)
    assert pool.statistics() == PoolStatistics(open=0, idle=0, busy=0)
    assert connector.made[0]._transport.is_closing()


async def test_a_closing_connection_is_not_taken(make_pool: MakePool) -> None:
    pool, _ = make_pool()
    connection = await pool.acquire(1)
    serve(connection)
    connection.data_received(b"HTTP/1.1 408 Request Timeout\r\n\r\n")
    assert pool.take_idle(0) is None
