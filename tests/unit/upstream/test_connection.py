"""The protocol fed by hand: what the bytes mean, whatever the pieces that they come in."""

import asyncio
import gzip
import zlib
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from anyrouter.core.errors import UpstreamBroken
from anyrouter.relay.ports import Timeouts
from anyrouter.upstream.connection import HEAD_BYTES
from anyrouter.upstream.exchange import TURN_BYTES, UNCLAIMED_BYTES

MakeLine = Callable[[], Any]

BODY = b'{"id":"chatcmpl-1","choices":[{"index":0}]}'
CODED = gzip.compress(BODY, mtime=0)


def sized(body: bytes, extra: bytes = b"") -> bytes:
    return b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n%sContent-Length: %d\r\n\r\n%s" % (extra, len(body), body)


def chunked(body: bytes, size: int, extra: bytes = b"", trailers: bytes = b"") -> bytes:
    chunks = b"".join(b"%x\r\n%s\r\n" % (len(body[at : at + size]), body[at : at + size]) for at in range(0, len(body), size))
    return b"HTTP/1.1 200 OK\r\n%sTransfer-Encoding: chunked\r\n\r\n%s0\r\n%s\r\n" % (extra, chunks, trailers)


REPLIES = {
    "sized": sized(BODY),
    "chunked": chunked(BODY, 10),
    "chunked with trailers": chunked(BODY, 7, trailers=b"X-Trace: 1\r\nX-Other: 2\r\n"),
    "behind interim replies": b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Early Hints\r\nLink: </x>\r\n\r\n" + sized(BODY),
    "gzip": sized(CODED, b"Content-Encoding: gzip\r\n"),
    "gzip, chunked": chunked(CODED, 9, b"Content-Encoding: gzip\r\n"),
    "deflate": sized(zlib.compress(BODY), b"Content-Encoding: deflate\r\n"),
}


class Sink:
    def __init__(self) -> None:
        self.parts: list[bytes] = []

    def feed(self, data: bytes) -> None:
        assert data
        self.parts.append(data)


@pytest.mark.parametrize("step", [1, 2, 3, 7, 64, 100_000])
@pytest.mark.parametrize("reply", REPLIES.values(), ids=REPLIES.keys())
async def test_a_reply_is_the_same_in_any_pieces(make_line: MakeLine, reply: bytes, step: int) -> None:
    line = make_line()
    exchange = line.start()
    line.feed(reply, step)
    assert line.arrivals == 1
    assert exchange.status == 200
    assert await exchange.read(1000) == BODY
    assert line.freed == [line.connection]
    assert not line.transport.is_aborted


@pytest.mark.parametrize("is_streamed", [False, True])
@pytest.mark.parametrize("reply", REPLIES.values(), ids=REPLIES.keys())
async def test_a_reply_cut_at_any_byte_is_broken(make_line: MakeLine, reply: bytes, *, is_streamed: bool) -> None:
    for cut in range(len(reply)):
        line = make_line()
        exchange = line.start()
        line.feed(reply[:cut])
        line.end()
        assert line.arrivals == 1
        if exchange.status == 0:
            assert isinstance(exchange.failure, UpstreamBroken)
            continue
        sink = Sink()
        with pytest.raises(UpstreamBroken):
            await (exchange.stream_to(sink) if is_streamed else exchange.read(1000))
        assert BODY.startswith(b"".join(sink.parts))
        assert line.freed == []


@pytest.mark.parametrize("reply", REPLIES.values(), ids=REPLIES.keys())
async def test_a_reader_that_waits_learns_of_a_cut_at_any_byte(make_line: MakeLine, reply: bytes) -> None:
    for cut in range(len(reply)):
        line = make_line()
        exchange = line.start()
        line.feed(reply[:cut])
        if exchange.status == 0:
            line.end(ConnectionResetError())
            continue
        reading = asyncio.create_task(exchange.read(1000))
        await asyncio.sleep(0)
        line.end(ConnectionResetError())
        with pytest.raises(UpstreamBroken):
            await reading


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=60)
@given(body=st.binary(max_size=400), coding=st.sampled_from(["", "gzip", "deflate"]), size=st.integers(1, 50), step=st.integers(1, 80))
def test_chunks_and_codings_of_any_size_give_the_body(make_line: MakeLine, body: bytes, coding: str, size: int, step: int) -> None:
    coded = {"": body, "gzip": gzip.compress(body, mtime=0), "deflate": zlib.compress(body)}[coding]
    extra = f"Content-Encoding: {coding}\r\n".encode() if coding else b""

    async def run() -> None:
        line = make_line()
        exchange, sink = line.start(), Sink()
        reading = asyncio.create_task(exchange.stream_to(sink))
        await asyncio.sleep(0)
        line.feed(chunked(coded, size, extra), step)
        await reading
        assert b"".join(sink.parts) == body
        assert b"content-encoding" not in dict(exchange.headers)

    asyncio.run(run())


HEADS = {
    "no http": b"SSH-2.0-OpenSSH_9.2\r\n\r\n",
    "html": b"<html><body>Bad gateway</body></html>",
    "status of two digits": b"HTTP/1.1 20 OK\r\nContent-Length: 0\r\n\r\n",
    "status of four digits": b"HTTP/1.1 2000 OK\r\nContent-Length: 0\r\n\r\n",
    "status 099": b"HTTP/1.1 099 OK\r\nContent-Length: 0\r\n\r\n",
    "status 600": b"HTTP/1.1 600 OK\r\nContent-Length: 0\r\n\r\n",
    "status not a number": b"HTTP/1.1 abc OK\r\nContent-Length: 0\r\n\r\n",
    "switching protocols": b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: x\r\nConnection: upgrade\r\n\r\n",
    "version 2.0": b"HTTP/2.0 200 OK\r\nContent-Length: 0\r\n\r\n",
    "version 0.9": b"HTTP/0.9 200 OK\r\nContent-Length: 0\r\n\r\n",
    "version 1.2": b"HTTP/1.2 200 OK\r\nContent-Length: 0\r\n\r\n",
    "bare line feeds": b"HTTP/1.1 200 OK\nContent-Length: 2\n\n{}",
    "length and chunked": b"HTTP/1.1 200 OK\r\nContent-Length: 3\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
    "chunked and length": b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nContent-Length: 3\r\n\r\n0\r\n\r\n",
    "two lengths": b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nContent-Length: 3\r\n\r\n{}x",
    "two lengths in one": b"HTTP/1.1 200 OK\r\nContent-Length: 2, 3\r\n\r\n{}x",
    "negative length": b"HTTP/1.1 200 OK\r\nContent-Length: -2\r\n\r\n{}",
    "signed length": b"HTTP/1.1 200 OK\r\nContent-Length: +2\r\n\r\n{}",
    "hexadecimal length": b"HTTP/1.1 200 OK\r\nContent-Length: 0x2\r\n\r\n{}",
    "empty length": b"HTTP/1.1 200 OK\r\nContent-Length:\r\n\r\n",
    "huge length": b"HTTP/1.1 200 OK\r\nContent-Length: 99999999999999999999999\r\n\r\n",
    "folded header": b"HTTP/1.1 200 OK\r\nX-A: b\r\n c\r\nContent-Length: 0\r\n\r\n",
    "NUL in a header": b"HTTP/1.1 200 OK\r\nX-A: b\x00c\r\nContent-Length: 0\r\n\r\n",
    "carriage return in a header": b"HTTP/1.1 200 OK\r\nX-A: b\rc\r\nContent-Length: 0\r\n\r\n",
    "header without a colon": b"HTTP/1.1 200 OK\r\nX-A\r\nContent-Length: 0\r\n\r\n",
    "header without a name": b"HTTP/1.1 200 OK\r\n: x\r\nContent-Length: 0\r\n\r\n",
    "space before the colon": b"HTTP/1.1 200 OK\r\nContent-Length : 0\r\n\r\n",
    "other transfer coding": b"HTTP/1.1 200 OK\r\nTransfer-Encoding: gzip, chunked\r\n\r\n0\r\n\r\n",
    "identity transfer coding": b"HTTP/1.1 200 OK\r\nTransfer-Encoding: identity\r\n\r\n",
    "other content coding": b"HTTP/1.1 200 OK\r\nContent-Encoding: br\r\nContent-Length: 1\r\n\r\nx",
    "head without an end": b"HTTP/1.1 200 OK\r\n" + b"X-A: b\r\n" * 10_000,
    "header without an end": b"HTTP/1.1 200 OK\r\nX-A: " + b"b" * 70_000,
    "interim replies without an end": b"HTTP/1.1 100 Continue\r\n\r\n" * 4000,
}


@pytest.mark.parametrize("step", [5, 1000, 1_000_000])
@pytest.mark.parametrize("head", HEADS.values(), ids=HEADS.keys())
async def test_a_malformed_head_is_broken_and_not_quoted(make_line: MakeLine, head: bytes, step: int) -> None:
    line = make_line()
    exchange = line.start()
    line.feed(head.replace(b"\r\n", b"\r\nX-Secret: MARKER\r\n", 1) if b"Content" in head else head, step)
    assert line.arrivals == 1
    assert isinstance(exchange.failure, UpstreamBroken)
    assert exchange.status == 0
    assert "MARKER" not in f"{exchange.failure} {exchange.failure.public} {exchange.failure.internal}"
    assert line.transport.is_aborted
    assert line.freed == []


@pytest.mark.parametrize("step", [1000, 65_536, 1_000_000])
async def test_a_head_may_be_as_large_as_the_bound(make_line: MakeLine, step: int) -> None:
    def make_head(total: int) -> bytes:
        start = b"HTTP/1.1 200 OK\r\nContent-Length: 300000\r\nX-A: "
        return start + b"b" * (total - len(start) - 4) + b"\r\n\r\n"

    line = make_line()
    exchange = line.start()
    line.feed(make_head(HEAD_BYTES) + bytes(300_000), step)
    assert (exchange.status, exchange.failure) == (200, None)
    assert len(await exchange.read(1 << 20)) == 300_000

    line = make_line()
    exchange = line.start()
    line.feed(make_head(HEAD_BYTES + 1) + bytes(300_000), step)
    assert isinstance(exchange.failure, UpstreamBroken)


BODIES = {
    "chunk size not a number": b"zz\r\nab\r\n0\r\n\r\n",
    "negative chunk size": b"-2\r\nab\r\n0\r\n\r\n",
    "huge chunk size": b"ffffffffffffffffff\r\nab\r\n",
    "chunk longer than its size": b"2\r\nabc\r\n0\r\n\r\n",
    "bare line feed behind the size": b"2\nab\r\n0\r\n\r\n",
    "endless trailers": b"2\r\nab\r\n0\r\n" + b"X-T: y\r\n" * 20_000,
    "endless trailer": b"2\r\nab\r\n0\r\nX-T: " + b"y" * 200_000,
    "endless chunk extension": b"2;" + b"x" * 200_000,
}


@pytest.mark.parametrize("step", [7, 4096])
@pytest.mark.parametrize("body", BODIES.values(), ids=BODIES.keys())
async def test_a_malformed_body_is_broken(make_line: MakeLine, body: bytes, step: int) -> None:
    line = make_line()
    exchange = line.start()
    line.feed(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n" + body, step)
    assert line.arrivals == 1
    with pytest.raises(UpstreamBroken):
        await exchange.read(1000)
    assert line.transport.is_aborted


@pytest.mark.parametrize("status", [204, 304])
async def test_a_reply_without_content_ends_with_its_head(make_line: MakeLine, status: int) -> None:
    line = make_line()
    exchange = line.start()
    line.feed(b"HTTP/1.1 %d Nothing\r\nContent-Length: 5\r\n\r\n" % status)
    assert (exchange.status, await exchange.read(10)) == (status, b"")
    assert line.freed == [line.connection]


async def test_header_names_are_lower_case_and_trailers_are_dropped(make_line: MakeLine) -> None:
    line = make_line()
    exchange = line.start()
    line.feed(chunked(BODY, 5, b"X-Request-ID: R1\r\nSet-Cookie: A\r\nset-cookie: B\r\n", b"X-Request-Id: forged\r\n"))
    await exchange.read(1000)
    assert exchange.headers == [
        (b"x-request-id", b"R1"),
        (b"set-cookie", b"A"),
        (b"set-cookie", b"B"),
        (b"transfer-encoding", b"chunked"),
    ]


@pytest.mark.parametrize("extra", [b"Content-Length: 0\r\n\r\n", b"Transfer-Encoding: chunked\r\n\r\n0\r\n\r\n"])
async def test_no_bytes_are_an_empty_body_where_the_framing_says_so(make_line: MakeLine, extra: bytes) -> None:
    line = make_line()
    exchange = line.start()
    line.feed(b"HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\n" + extra)
    assert await exchange.read(10) == b""


@pytest.mark.parametrize("is_whole", [True, False])
async def test_a_reply_until_the_close_ends_with_a_clean_close_only(make_line: MakeLine, *, is_whole: bool) -> None:
    line = make_line()
    exchange = line.start()
    line.feed(b"HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\n\r\nall of ")
    line.feed(b"it")
    line.end(None if is_whole else ConnectionResetError())
    if is_whole:
        assert await exchange.read(100) == b"all of it"
    else:
        with pytest.raises(UpstreamBroken):
            await exchange.read(100)
    assert line.freed == []


async def test_a_close_without_notice_cuts_a_reply_that_lasts_until_the_close(make_line: MakeLine) -> None:
    line = make_line()
    exchange = line.start()
    line.feed(b"HTTP/1.1 200 OK\r\n\r\nall of it?")
    line.connection.connection_lost(None)  # what TLS without close_notify looks like: no eof_received before
    with pytest.raises(UpstreamBroken):
        await exchange.read(100)


NOT_REUSED = {
    "connection: close": sized(b"ab", b"Connection: close\r\n"),
    "http/1.0": b"HTTP/1.0 200 OK\r\nContent-Length: 2\r\n\r\nab",
    "bytes behind it": sized(b"ab") + b"x",
    "a reply behind it": sized(b"ab") + sized(b"cd"),
    "bytes behind a chunked one": chunked(b"ab", 2) + b"x",
    "content where none may be": b"HTTP/1.1 204 Nothing\r\nContent-Length: 2\r\n\r\nab",
}


@pytest.mark.parametrize("step", [1, 10_000])
@pytest.mark.parametrize("reply", NOT_REUSED.values(), ids=NOT_REUSED.keys())
async def test_a_connection_is_closed_after(make_line: MakeLine, reply: bytes, step: int) -> None:
    line = make_line()
    exchange = line.start()
    line.feed(reply, step)
    assert await exchange.read(100) == (b"" if exchange.status == 204 else b"ab")
    assert line.transport.is_aborted


async def test_bytes_that_nobody_asked_for_close_the_connection(make_line: MakeLine) -> None:
    line = make_line()
    line.start()
    line.feed(sized(b"ab"))
    assert not line.transport.is_aborted
    line.feed(b"HTTP/1.1 408 Request Timeout\r\n\r\n")
    assert line.transport.is_aborted


async def test_a_reply_longer_than_the_reader_wants_is_broken(make_line: MakeLine) -> None:
    for reply in (sized(b"abcdef"), chunked(b"abcdef", 2), sized(gzip.compress(b"abcdef"), b"Content-Encoding: gzip\r\n")):
        line = make_line()
        exchange = line.start()
        line.feed(reply)
        with pytest.raises(UpstreamBroken):
            await exchange.read(5)
        line = make_line()
        exchange = line.start()
        line.feed(reply)
        assert await exchange.read(6) == b"abcdef"


async def test_a_declared_length_beyond_the_bound_is_broken_before_it_comes(make_line: MakeLine) -> None:
    line = make_line()
    exchange = line.start()
    line.feed(b"HTTP/1.1 200 OK\r\nContent-Length: 1000000000\r\n\r\n")
    with pytest.raises(UpstreamBroken):
        await exchange.read(1000)
    assert line.transport.is_aborted


async def test_a_body_that_nobody_reads_stops_the_socket(make_line: MakeLine) -> None:
    line = make_line()
    exchange = line.start()
    total = 3 * UNCLAIMED_BYTES
    line.feed(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % total)
    fed = 0
    while not line.transport.is_stopped:
        line.feed(bytes(10_000))
        fed += 10_000
    assert UNCLAIMED_BYTES < fed <= UNCLAIMED_BYTES + 10_000
    reading = asyncio.create_task(exchange.read(total))
    await asyncio.sleep(0)
    assert not line.transport.is_stopped
    line.feed(bytes(total - fed), 50_000)
    assert len(await reading) == total


async def test_a_sink_that_pauses_stops_the_socket_until_it_resumes(make_line: MakeLine) -> None:
    line = make_line()
    exchange, sink = line.start(), Sink()
    line.feed(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n")
    reading = asyncio.create_task(exchange.stream_to(sink))
    await asyncio.sleep(0)
    exchange.pause()
    assert line.transport.is_stopped
    exchange.resume()
    assert not line.transport.is_stopped
    exchange.pause()
    line.feed(b"2\r\nab\r\n0\r\n\r\n")
    await reading
    assert line.freed == [line.connection]
    assert not line.transport.is_stopped, "the next request's reply must be read"
    exchange.resume()
    exchange.cancel()
    assert not line.transport.is_aborted


async def test_a_sink_that_pauses_also_stops_the_decoder(make_line: MakeLine) -> None:
    line = make_line()
    exchange = line.start()
    body = bytes(8 << 20)
    received = 0

    class Slow:
        def feed(self, data: bytes) -> None:
            nonlocal received
            received += len(data)
            exchange.pause()

    line.feed(sized(gzip.compress(body), b"Content-Encoding: gzip\r\nContent-Type: text/event-stream\r\n"))
    reading = asyncio.create_task(exchange.stream_to(Slow()))
    for turn in range(1, 20):
        await asyncio.sleep(0)
        assert received == turn * 65_536, "one piece for each resume"
        exchange.resume()
    while not reading.done():
        exchange.resume()
        await asyncio.sleep(0)
    assert received == len(body)


async def test_a_bomb_ends_at_the_bound(make_line: MakeLine) -> None:
    line = make_line()
    exchange = line.start()
    line.feed(sized(gzip.compress(bytes(64 << 20)), b"Content-Encoding: gzip\r\n"))
    with pytest.raises(UpstreamBroken, match="more than"):
        await exchange.read(1 << 20)


async def test_a_long_decoded_body_yields_to_others(make_line: MakeLine) -> None:
    line = make_line()
    exchange = line.start()
    line.feed(sized(gzip.compress(bytes(16 << 20)), b"Content-Encoding: gzip\r\n"))
    reading = asyncio.create_task(exchange.read(32 << 20))
    turns = 0
    while not reading.done():
        await asyncio.sleep(0)
        turns += 1
    assert len(await reading) == 16 << 20
    assert turns > 10


class Faulty:
    def feed(self, data: bytes) -> None:
        raise LookupError(len(data))


@pytest.mark.parametrize("coding", ["plain", "gzip"])
@pytest.mark.parametrize("arrived", ["nothing", "head", "a part", "everything"])
async def test_a_sink_that_raises_ends_the_exchange_with_its_own_error(make_line: MakeLine, coding: str, arrived: str) -> None:
    line = make_line()
    exchange = line.start()
    reply = REPLIES["chunked" if coding == "plain" else "gzip, chunked"]
    early = {"nothing": 0, "head": reply.index(b"\r\n\r\n") + 4, "a part": len(reply) - 30, "everything": len(reply)}[arrived]
    line.feed(reply[:early])
    reading = asyncio.create_task(exchange.stream_to(Faulty()))
    await asyncio.sleep(0)
    line.feed(reply[early:])
    with pytest.raises(LookupError):
        await reading
    assert line.transport.is_aborted or line.freed == [line.connection]


async def test_a_small_sized_reply_is_announced_whole_and_an_event_stream_at_once(make_line: MakeLine) -> None:
    line = make_line()
    line.start()
    line.feed(sized(BODY)[: -len(BODY)])
    assert line.arrivals == 0
    line.feed(BODY)
    assert line.arrivals == 1

    line = make_line()
    line.start()
    line.feed(b"HTTP/1.1 200 OK\r\nContent-Length: 10\r\nContent-Type: text/event-stream\r\n\r\n")
    assert line.arrivals == 1


async def test_giving_up_a_read_closes_the_connection(make_line: MakeLine) -> None:
    line = make_line()
    exchange = line.start()
    line.feed(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nab\r\n")
    reading = asyncio.create_task(exchange.read(1000))
    await asyncio.sleep(0)
    reading.cancel()
    with pytest.raises(asyncio.CancelledError):
        await reading
    assert line.transport.is_aborted


async def test_cancel_ends_a_reader_that_waits(make_line: MakeLine) -> None:
    line = make_line()
    exchange = line.start()
    line.feed(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nab\r\n")
    reading = asyncio.create_task(exchange.stream_to(Sink()))
    await asyncio.sleep(0)
    exchange.cancel()
    with pytest.raises(UpstreamBroken):
        await reading
    assert line.transport.is_aborted


async def test_a_connection_that_is_made_after_it_was_abandoned_is_closed(make_line: MakeLine) -> None:
    line = make_line()
    line.connection.abandon()
    assert line.transport.is_aborted
    line.transport.is_aborted = False
    line.connection.connection_made(line.transport)
    assert line.transport.is_aborted


async def test_a_sink_that_gives_up_at_the_last_part_ends_the_connection(make_line: MakeLine) -> None:
    line = make_line()
    exchange = line.start()

    class Leaving:
        def feed(self, data: bytes) -> None:
            assert data == b"ab"
            exchange.cancel()

    line.feed(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n")
    reading = asyncio.create_task(exchange.stream_to(Leaving()))
    await asyncio.sleep(0)
    line.feed(b"2\r\nab\r\n0\r\n\r\n")
    with pytest.raises(UpstreamBroken):
        await reading
    assert line.transport.is_aborted
    assert line.freed == []


@pytest.mark.parametrize("unsent", [0, 1])
async def test_a_reply_to_a_request_that_is_not_sent_yet_ends_the_connection(make_line: MakeLine, unsent: int) -> None:
    line = make_line()
    head, body = b"POST / HTTP/1.1\r\nContent-Length: 200000\r\n", [bytes(200_000)]
    exchange = line.connection.start(head, body, Timeouts(), started_s=0.0, now_s=0.0)
    await line.connection.write_parts(exchange, head, body)
    assert len(line.transport.written) == len(head) + 2 + 200_000
    line.transport.unsent = unsent
    line.feed(sized(b"ab"))
    assert await exchange.read(10) == b"ab"
    assert line.transport.is_aborted == (line.freed == []) == bool(unsent)


async def test_a_sink_that_raises_in_a_later_turn_ends_the_exchange_too(make_line: MakeLine) -> None:
    class LateFaulty:
        size = 0

        def feed(self, data: bytes) -> None:
            self.size += len(data)
            if self.size > TURN_BYTES:
                raise LookupError

    line = make_line()
    exchange = line.start()
    line.feed(sized(gzip.compress(bytes(4 * TURN_BYTES)), b"Content-Encoding: gzip\r\n"))
    with pytest.raises(LookupError):
        await asyncio.wait_for(exchange.stream_to(LateFaulty()), 5)
