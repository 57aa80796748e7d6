"""Replies as they come over real sockets."""

import asyncio
import contextlib
import gzip
from collections.abc import Callable
from typing import Any

import h11
import pytest

from anyrouter.core.errors import UpstreamBroken

Make = Callable[..., Any]

BODY = b'{"id":"chatcmpl-1","choices":[{"index":0}],"usage":{"total_tokens":3}}'


class Sink:
    def __init__(self) -> None:
        self.parts: list[bytes] = []

    def feed(self, data: bytes) -> None:
        self.parts.append(data)


def render(body: bytes, size: int, headers: list[tuple[str, str]]) -> list[bytes]:
    """A reply in h11's own rendering: head, one piece for each `size` bytes of body, end."""
    http = h11.Connection(h11.SERVER)
    http.receive_data(b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 0\r\n\r\n")
    http.next_event()
    http.next_event()
    pieces = [http.send(h11.Response(status_code=200, headers=headers))]
    pieces += [http.send(h11.Data(data=body[at : at + size])) for at in range(0, len(body), size)]
    pieces.append(http.send(h11.EndOfMessage()))
    return [piece for piece in pieces if piece]


@pytest.mark.parametrize("size", [1, 100, 4096, 65_536])
@pytest.mark.parametrize("is_sized", [True, False])
async def test_pieces_of_any_size_arrive_whole(make_peer: Make, client: Any, post: Make, size: int, *, is_sized: bool) -> None:
    body = bytes(index % 251 for index in range(200 if size == 1 else 500_000))
    headers = [("Content-Length", str(len(body)))] if is_sized else [("Transfer-Encoding", "chunked")]

    async def script(wire: Any) -> None:
        while True:
            request, received = await wire.request()
            assert (request.method, request.target, received) == (b"POST", b"/v1/chat/completions", b"{}")
            for piece in render(body, size, headers):
                wire.writer.write(piece)
                await wire.writer.drain()

    peer = await make_peer(script)
    exchange = await post(client, peer.origin)
    assert exchange.status == 200
    assert await exchange.read(1 << 20) == body
    sink = Sink()
    exchange = await post(client, peer.origin)
    await exchange.stream_to(sink)
    assert b"".join(sink.parts) == body
    assert len(peer.wires) == 1


async def test_events_reach_the_sink_as_they_come(make_peer: Make, client: Any, post: Make) -> None:
    seen = asyncio.Event()
    events = [b"data: %d\n\n" % number for number in range(5)]

    class Telling(Sink):
        def feed(self, data: bytes) -> None:
            super().feed(data)
            seen.set()

    async def script(wire: Any) -> None:
        await wire.request()
        await wire.send(b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nTransfer-Encoding: chunked\r\n\r\n")
        for event in events:
            await wire.send(b"%x\r\n%s\r\n" % (len(event), event))
            await seen.wait()  # the next event comes only when this one has arrived
            seen.clear()
        await wire.send(b"0\r\n\r\n")
        await wire.gone()

    peer = await make_peer(script)
    exchange = await post(client, peer.origin)
    sink = Telling()
    await exchange.stream_to(sink)
    assert sink.parts == events


@pytest.mark.parametrize("status", [400, 429, 500, 529])
async def test_error_statuses_are_replies(make_peer: Make, client: Any, post: Make, status: int) -> None:
    async def script(wire: Any) -> None:
        await wire.request()
        await wire.send(b"HTTP/1.1 %d No\r\nRetry-After: 3\r\nContent-Length: 2\r\n\r\n{}" % status)

    peer = await make_peer(script)
    exchange = await post(client, peer.origin)
    assert (exchange.status, dict(exchange.headers)[b"retry-after"]) == (status, b"3")
    assert await exchange.read(10) == b"{}"


async def test_interim_replies_are_skipped(make_peer: Make, client: Any, post: Make) -> None:
    async def script(wire: Any) -> None:
        await wire.request()
        await wire.send(
            b"HTTP/1.1 100 Continue\r\n\r\n",
            b"HTTP/1.1 102 Processing\r\n\r\nHTTP/1.1 103 Early Hints\r\nLink: x\r\n\r\n",
            b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{}",
        )
        await wire.gone()

    peer = await make_peer(script)
    exchange = await post(client, peer.origin)
    assert (exchange.status, exchange.headers) == (200, [(b"content-length", b"2")])
    assert await exchange.read(10) == b"{}"


async def test_a_reply_until_the_close_is_read_to_its_end(make_peer: Make, client: Any, post: Make) -> None:
    async def script(wire: Any) -> None:
        await wire.request()
        await wire.send(b"HTTP/1.0 200 OK\r\nContent-Type: text/plain\r\n\r\n", b"all ", b"of it")

    peer = await make_peer(script)
    exchange = await post(client, peer.origin)
    assert await exchange.read(100) == b"all of it"


CUT_REPLIES = {
    "sized": b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n%s" % (len(BODY), BODY),
    "chunked": b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\n%s\r\n41\r\n%s\r\n0\r\nX-T: 1\r\n\r\n" % (BODY[:5], BODY[5:]),
    "gzip": b"HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\nContent-Length: %d\r\n\r\n%s"
    % (len(gzip.compress(BODY, mtime=0)), gzip.compress(BODY, mtime=0)),
    "gzip until the close": b"HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\n\r\n%s" % gzip.compress(BODY, mtime=0),
}


@pytest.mark.parametrize("reply", CUT_REPLIES.values(), ids=CUT_REPLIES.keys())
async def test_a_reply_cut_at_any_byte_is_broken(make_peer: Make, make_client: Make, post: Make, reply: bytes) -> None:
    async def script(wire: Any) -> None:
        _, body = await wire.request()
        await wire.send(reply[: int(body)])

    peer = await make_peer(script)
    client = make_client()

    async def ask(cut: int) -> bytes:
        exchange = await post(client, peer.origin, b"%d" % cut)
        return await exchange.read(1000)

    outcomes = await asyncio.gather(*(ask(cut) for cut in range(len(reply))), return_exceptions=True)
    assert {type(outcome) for outcome in outcomes} == {UpstreamBroken}
    assert await ask(len(reply)) == BODY


async def test_a_reset_in_the_middle_is_broken(make_peer: Make, client: Any, post: Make) -> None:
    async def script(wire: Any) -> None:
        await wire.request()
        await wire.send(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nab\r\n")
        await asyncio.sleep(0.01)
        wire.reset()

    peer = await make_peer(script)
    exchange = await post(client, peer.origin)
    sink = Sink()
    with pytest.raises(UpstreamBroken):
        await exchange.stream_to(sink)
    assert sink.parts == [b"ab"]


@pytest.mark.parametrize("is_persistent", [True, False])
async def test_an_early_reply_stops_the_request_and_ends_the_connection(
    make_peer: Make, client: Any, post: Make, *, is_persistent: bool
) -> None:
    announced = asyncio.Event()
    received = 0

    async def script(wire: Any) -> None:
        nonlocal received
        await wire.head()
        await asyncio.sleep(0.1)  # by now the client waits for the socket
        extra = b"" if is_persistent else b"Connection: close\r\n"
        await wire.send(b"HTTP/1.1 413 Too Large\r\n%sTransfer-Encoding: chunked\r\n\r\n" % extra)
        await announced.wait()  # without having read the body
        with contextlib.suppress(TimeoutError):
            while data := await asyncio.wait_for(wire.reader.read(1 << 20), 0.2):
                received += len(data)
        await wire.send(b"9\r\ntoo large\r\n0\r\n\r\n")
        assert await wire.gone()

    peer = await make_peer(script)
    exchange = await post(client, peer.origin, [bytes(1 << 20)] * 64)
    announced.set()
    assert exchange.status == 413
    assert await exchange.read(100) == b"too large"
    assert received < 32 << 20, "what the kernel held, not the rest"
    assert client.statistics().get(peer.origin) is None or client.statistics()[peer.origin].idle == 0


async def test_a_large_request_arrives_whole(make_peer: Make, client: Any, post: Make) -> None:
    parts = [b"a" * 70_000, memoryview(b"b" * 600_000), b"c", memoryview(b"xdx")[1:2]]

    async def script(wire: Any) -> None:
        while True:
            _, body = await wire.request()
            await wire.send(b"HTTP/1.1 200 OK\r\nContent-Length: 7\r\n\r\n%7d" % len(body))
            assert body in {b"".join(parts), b"".join(parts[:1])}

    peer = await make_peer(script)
    for body in (parts, parts[:1], parts):
        exchange = await post(client, peer.origin, body)
        assert int(await exchange.read(100)) == sum(map(len, body))
    assert len(peer.wires) == 1
