"""A slow side slows the other one down; nothing piles up here in between."""

import asyncio
import gzip
from collections.abc import Callable
from typing import Any

import pytest

from anyrouter.core.errors import UpstreamBroken
from anyrouter.upstream.connection import WINDOW_BYTES

Make = Callable[..., Any]

STREAM = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"
CHUNK = b"10000\r\n%s\r\n" % bytes(65536)


class PausingSink:
    """Pauses when it holds a part, and goes on when that was taken."""

    def __init__(self) -> None:
        self.exchange: Any = None
        self.size = self.most = self.held = 0

    def feed(self, data: bytes) -> None:
        self.size += len(data)
        self.held += len(data)
        self.most = max(self.most, self.held)
        self.exchange.pause()

    def take(self) -> None:
        self.held = 0
        self.exchange.resume()


async def settle(read: Callable[[], int]) -> int:
    """The value once it has stopped changing."""
    value, same = read(), 0
    while same < 10:
        await asyncio.sleep(0.01)
        same = same + 1 if read() == value else 0
        value = read()
    return value


async def test_a_sink_that_pauses_stops_the_upstream(make_peer: Make, client: Any, post: Make) -> None:
    total = 64 << 20
    sent = 0

    async def script(wire: Any) -> None:
        nonlocal sent
        await wire.request()
        await wire.send(STREAM)
        while sent < total:
            await wire.send(CHUNK)
            sent += 65536
        await wire.send(b"0\r\n\r\n")
        await wire.gone()

    peer = await make_peer(script)
    exchange = await post(client, peer.origin)
    sink = PausingSink()
    sink.exchange = exchange
    reading = asyncio.create_task(exchange.stream_to(sink))
    stopped_at = await settle(lambda: sent)
    assert stopped_at < total // 2, "what the kernel's buffers hold, and no more"
    assert 0 < sink.size <= 1 << 20
    while not reading.done():
        sink.take()
        await asyncio.sleep(0)
    await reading
    assert sink.size == total
    assert sink.most <= 1 << 20


async def test_a_reply_that_nobody_reads_yet_stops_the_upstream(make_peer: Make, client: Any, post: Make) -> None:
    total = 64 << 20
    sent = 0

    async def script(wire: Any) -> None:
        nonlocal sent
        await wire.request()
        await wire.send(STREAM)
        while sent < total:
            await wire.send(CHUNK)
            sent += 65536
        await wire.send(b"0\r\n\r\n")
        await wire.gone()

    peer = await make_peer(script)
    exchange = await post(client, peer.origin)
    assert await settle(lambda: sent) < total // 2
    assert len(await exchange.read(total)) == total


async def test_a_pause_holds_back_a_bomb(make_peer: Make, client: Any, post: Make) -> None:
    coded = gzip.compress(bytes(64 << 20), 6)

    async def script(wire: Any) -> None:
        await wire.request()
        await wire.send(b"HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\nContent-Length: %d\r\n\r\n%s" % (len(coded), coded))
        await wire.gone()

    peer = await make_peer(script)
    exchange = await post(client, peer.origin)
    sink = PausingSink()
    sink.exchange = exchange
    reading = asyncio.create_task(exchange.stream_to(sink))
    for _ in range(100):
        await asyncio.sleep(0)
        sink.take()
    assert sink.most <= 65536
    assert sink.size <= 101 * 65536
    exchange.cancel()
    with pytest.raises(UpstreamBroken):
        await reading


async def test_a_stream_has_a_bound(make_peer: Make, make_client: Make, post: Make) -> None:
    async def script(wire: Any) -> None:
        await wire.request()
        await wire.send(STREAM)
        await wire.flood(CHUNK)

    client = make_client(max_stream_bytes=1 << 20)
    peer = await make_peer(script)
    exchange = await post(client, peer.origin)
    sink = PausingSink()
    sink.exchange = exchange
    reading = asyncio.create_task(exchange.stream_to(sink))
    while not reading.done():
        sink.take()
        await asyncio.sleep(0)
    with pytest.raises(UpstreamBroken):
        await reading
    assert sink.size <= 1 << 20


async def test_a_request_waits_for_an_upstream_that_does_not_read(make_peer: Make, client: Any, post: Make) -> None:
    go = asyncio.Event()
    size = 16 << 20

    async def script(wire: Any) -> None:
        wire.writer.transport.pause_reading()
        await go.wait()
        wire.writer.transport.resume_reading()
        await wire.head()
        await wire.reader.readexactly(size)
        await wire.send(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok")

    peer = await make_peer(script)
    sending = asyncio.create_task(post(client, peer.origin, [bytes(size // 2), memoryview(bytes(size // 2))]))
    await asyncio.sleep(0.2)
    (connection,) = client._pools[peer.origin].busy
    assert 0 < connection._transport.get_write_buffer_size() <= WINDOW_BYTES + 65536
    assert not sending.done()
    go.set()
    exchange = await sending
    assert await exchange.read(10) == b"ok"
