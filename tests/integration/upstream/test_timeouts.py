"""The four deadlines, and the work that stands still while a client is slow."""

import asyncio
import socket
import time
from collections.abc import Callable
from typing import Any

import pytest

from anyrouter.core.errors import UpstreamTimeout
from anyrouter.relay.ports import Origin

Make = Callable[..., Any]

STREAM = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"


class Sink:
    def __init__(self) -> None:
        self.size = 0

    def feed(self, data: bytes) -> None:
        self.size += len(data)


async def test_connecting_has_a_deadline(client: Any, post: Make) -> None:
    with socket.socket() as listening:
        listening.bind(("127.0.0.1", 0))
        listening.listen(1)
        origin = Origin(scheme="https", host="127.0.0.1", port=listening.getsockname()[1])
        started = time.monotonic()
        with pytest.raises(UpstreamTimeout) as caught:  # TCP is accepted by the kernel; TLS is never answered
            await post(client, origin, connect_s=0.15)
        assert (caught.value.phase, caught.value.is_sent) == ("connect", False)
        assert time.monotonic() - started < 1
        loop = asyncio.get_running_loop()
        connection, _ = listening.accept()
        connection.settimeout(0)
        with connection:
            async with asyncio.timeout(2):
                while await loop.sock_recv(connection, 65536):
                    pass  # the hello, then the end: the socket was closed
    assert client.statistics() == {}


async def test_the_first_byte_has_a_deadline(make_peer: Make, client: Any, post: Make) -> None:
    async def script(wire: Any) -> None:
        await wire.request()
        assert await wire.gone()

    peer = await make_peer(script)
    with pytest.raises(UpstreamTimeout) as caught:
        await post(client, peer.origin, first_byte_s=0.15, idle_s=0.01)
    assert (caught.value.phase, caught.value.is_sent) == ("first_byte", True)


async def test_interim_replies_do_not_move_the_first_byte_s_deadline(make_peer: Make, client: Any, post: Make) -> None:
    async def script(wire: Any) -> None:
        await wire.request()
        for _ in range(50):
            await wire.send(b"HTTP/1.1 102 Processing\r\n\r\n")
            await asyncio.sleep(0.02)

    peer = await make_peer(script)
    with pytest.raises(UpstreamTimeout) as caught:
        await post(client, peer.origin, first_byte_s=0.3, idle_s=0.05)
    assert caught.value.phase == "first_byte"


@pytest.mark.parametrize("is_streamed", [True, False])
async def test_silence_within_a_body_has_a_deadline(make_peer: Make, client: Any, post: Make, *, is_streamed: bool) -> None:
    async def script(wire: Any) -> None:
        await wire.request()
        await wire.send(STREAM)
        for _ in range(8):
            await wire.send(b"2\r\nab\r\n")
            await asyncio.sleep(0.05)
        assert await wire.gone()

    peer = await make_peer(script)
    exchange = await post(client, peer.origin, idle_s=0.2)
    sink = Sink()
    started = time.monotonic()
    with pytest.raises(UpstreamTimeout) as caught:
        await (exchange.stream_to(sink) if is_streamed else exchange.read(1000))
    assert caught.value.phase == "idle"
    assert time.monotonic() - started > 0.4, "each part moves the deadline"
    assert sink.size == (16 if is_streamed else 0)


async def test_a_small_sized_body_that_stalls_is_read_until_the_deadline(make_peer: Make, client: Any, post: Make) -> None:
    async def script(wire: Any) -> None:
        await wire.request()
        await wire.send(b"HTTP/1.1 503 No\r\nContent-Length: 10\r\n\r\nab")
        assert await wire.gone()

    peer = await make_peer(script)
    exchange = await post(client, peer.origin, idle_s=0.15)
    assert exchange.status == 503
    with pytest.raises(UpstreamTimeout) as caught:
        await exchange.read(1000)
    assert caught.value.phase == "idle"


async def test_the_whole_has_a_deadline_though_it_moves(make_peer: Make, client: Any, post: Make) -> None:
    async def script(wire: Any) -> None:
        await wire.request()
        await wire.send(STREAM)
        while True:
            await wire.send(b"2\r\nab\r\n")
            await asyncio.sleep(0.01)

    peer = await make_peer(script)
    exchange = await post(client, peer.origin, total_s=0.4)
    with pytest.raises(UpstreamTimeout) as caught:
        await exchange.stream_to(Sink())
    assert caught.value.phase == "total"


async def test_a_request_that_the_upstream_does_not_read_has_a_deadline(make_peer: Make, client: Any, post: Make) -> None:
    async def script(wire: Any) -> None:
        wire.writer.transport.pause_reading()
        await asyncio.sleep(5)

    peer = await make_peer(script)
    with pytest.raises(UpstreamTimeout) as caught:
        await post(client, peer.origin, [bytes(32 << 20)], idle_s=0.3, first_byte_s=60)
    assert caught.value.phase == "idle"


async def test_after_a_long_request_the_first_byte_has_its_own_deadline(make_peer: Make, client: Any, post: Make) -> None:
    async def script(wire: Any) -> None:
        await wire.head()
        await wire.reader.readexactly(2 << 20)
        await asyncio.sleep(0.5)
        await wire.send(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok")

    peer = await make_peer(script)
    exchange = await post(client, peer.origin, [bytes(2 << 20)], idle_s=0.1, first_byte_s=5)
    assert await exchange.read(10) == b"ok"


async def test_while_the_sink_pauses_the_idle_deadline_stands_still(make_peer: Make, client: Any, post: Make) -> None:
    async def script(wire: Any) -> None:
        await wire.request()
        await wire.send(STREAM + b"2\r\nab\r\n")
        await asyncio.sleep(0.6)
        await wire.send(b"2\r\ncd\r\n0\r\n\r\n")
        await wire.gone()

    peer = await make_peer(script)
    exchange = await post(client, peer.origin, idle_s=0.2)
    sink = Sink()
    exchange.pause()
    reading = asyncio.create_task(exchange.stream_to(sink))
    await asyncio.sleep(0.65)
    assert not reading.done()
    exchange.resume()
    await reading
    assert sink.size == 4


async def test_a_reply_that_nobody_reads_ends_at_the_idle_deadline(make_peer: Make, client: Any, post: Make) -> None:
    async def script(wire: Any) -> None:
        await wire.request()
        await wire.send(b"HTTP/1.1 200 OK\r\nContent-Length: 100000000\r\n\r\n")
        await wire.flood(bytes(100_000))

    peer = await make_peer(script)
    exchange = await post(client, peer.origin, idle_s=0.2)
    await asyncio.sleep(0.6)
    with pytest.raises(UpstreamTimeout):
        await exchange.read(200_000_000)


async def test_many_requests_at_once_each_have_their_deadline(make_peer: Make, client: Any, post: Make) -> None:
    async def script(wire: Any) -> None:
        await wire.request()
        assert await wire.gone()

    peer = await make_peer(script)
    outcomes = await asyncio.gather(
        *(post(client, peer.origin, first_byte_s=0.05 * (number % 5 + 1)) for number in range(50)), return_exceptions=True
    )
    assert {type(outcome) for outcome in outcomes} == {UpstreamTimeout}
