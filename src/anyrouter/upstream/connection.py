"""One connection to an origin: an asyncio protocol around the response parser, one request in flight.

Everything happens in the loop's read callback; no task belongs to a connection. It must not know what is in a body.
"""

import asyncio
import ssl
from collections.abc import Callable, Sequence
from typing import cast

from httptools import HttpParserCallbackError, HttpParserError, HttpParserUpgrade, HttpResponseParser

from anyrouter.core.errors import UpstreamBroken
from anyrouter.relay.outbox import Outbox
from anyrouter.relay.ports import Timeouts
from anyrouter.upstream.exchange import TOO_LARGE, HttpExchange
from anyrouter.upstream.framing import MALFORMED, read_framing

HEAD_BYTES = 64 * 1024  # a head, interim replies before it included; trailers; chunk extensions between two bytes of the body
JOINED_BYTES = 64 * 1024  # below this one write of a copy beats several writes of the parts
WINDOW_BYTES = 256 * 1024  # a longer request waits for the socket after each of these

_FIRST_INTERIM, _FIRST_FINAL, _LAST_FINAL = 100, 200, 599


class HttpConnection(asyncio.Protocol):
    """Serves one exchange after the other. Tells its owner through `on_free` that it can serve again, through `on_lost` that it is gone.

    `free_until_s` is for the owner. `keep_alive_s` is what the server said of its patience with idle connections, if it did.
    `is_usable` says whether it is open, as far as this side knows. `has_served` tells a connection that may have grown stale from
    a fresh one; `lost` is done when the socket is closed.
    """

    def __init__(
        self,
        loop: asyncio.AbstractEventLoop,
        *,
        on_free: Callable[["HttpConnection"], None],
        on_lost: Callable[["HttpConnection"], None],
        stream_limit: int,
        outbox: Outbox | None = None,
    ) -> None:
        self.exchange: HttpExchange | None = None
        self.free_until_s = 0.0
        self.keep_alive_s: int | None = None
        self.is_usable = True
        self.has_served = False
        self.lost: asyncio.Future[None] = loop.create_future()
        self._loop, self._on_free, self._on_lost, self._stream_limit = loop, on_free, on_lost, stream_limit
        self._outbox = outbox
        self._parser = HttpResponseParser(self)
        self._headers: list[tuple[bytes, bytes]] = []
        self._is_head_done = self._is_interim = self._is_until_close = False
        self._barren = 0  # bytes since the last one of a body
        self.is_small = True
        self._is_written = self._is_write_paused = False
        self._drained: asyncio.Future[None] | None = None
        self._transport = cast("asyncio.Transport", None)

    def close(self) -> None:
        """Close the socket at once; `on_lost` follows."""
        self.is_usable = False
        if not self.lost.done():
            self._transport.abort()

    def abandon(self) -> None:
        """Close the socket that there is, or that a late connection_made brings."""
        self.is_usable = False
        if self._transport is not None:
            self._transport.abort()

    # Requests

    def start(
        self,
        head: bytes,
        body: Sequence[bytes | memoryview],
        timeouts: Timeouts,
        *,
        started_s: float,
        now_s: float,
        on_arrived: Callable[[], None] | None = None,
        size: int | None = None,
    ) -> HttpExchange:
        """Begin an exchange, whose total deadline counts from `started_s`. A small request is written; else `write_parts` is next.

        `size` is the body's.
        """
        due_s = now_s + timeouts.first_byte_s
        self.exchange = exchange = HttpExchange(self._loop, self._transport, timeouts, started_s, due_s, self._stream_limit, on_arrived)
        self._is_head_done = False
        self._barren = 0
        self.is_small = is_small = (sum(map(len, body)) if size is None else size) < JOINED_BYTES
        if is_small:
            self._transport.write(b"".join((head, b"\r\n", *body)))
        self._is_written = is_small
        return exchange

    async def write_parts(self, exchange: HttpExchange, head: bytes, body: Sequence[bytes | memoryview]) -> None:
        """Write a large request, waiting for the socket; stop when the reply comes first. The parts must not change meanwhile."""
        if sum(map(len, body)) <= WINDOW_BYTES:
            self.write_at_once(exchange, head, body)
            return
        self._transport.writelines([head, b"\r\n"])
        for part in body:
            view = memoryview(part)
            for offset in range(0, len(view), WINDOW_BYTES):
                exchange.expect_progress()
                self._transport.write(view[offset : offset + WINDOW_BYTES])
                if self._is_write_paused:
                    await self._drain()
                if self._is_head_done or self.exchange is not exchange:
                    return
        self._is_written = True
        exchange.expect_reply()

    def write_at_once(self, exchange: HttpExchange, head: bytes, body: Sequence[bytes | memoryview]) -> None:
        """Write a request of at most `WINDOW_BYTES` that is not small."""
        self._transport.writelines([head, b"\r\n", *body])
        self._is_written = True
        exchange.expect_reply()

    async def _drain(self) -> None:
        self._drained = self._loop.create_future()
        try:
            await self._drained
        finally:
            self._drained = None

    def _wake_writer(self) -> None:
        if self._drained is not None and not self._drained.done():
            self._drained.set_result(None)

    # The transport's callbacks

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Take the transport, TLS established."""
        direct = cast("asyncio.Transport", transport)
        self._transport = direct if self._outbox is None else self._outbox.attach(direct)
        if not self.is_usable:
            self.close()

    def data_received(self, data: bytes) -> None:
        """Parse what came; bytes that nobody asked for end the connection."""
        exchange = self.exchange
        if exchange is None:  # a server that talks unasked, or says why it closes
            self.close()
            return
        exchange.is_answered = True
        try:
            self._barren = barren = self._barren + len(data)
            if barren > HEAD_BYTES:
                self._feed_bounded(data)
            else:
                self._parser.feed_data(data)
        except (HttpParserError, HttpParserUpgrade, UpstreamBroken) as error:
            self._give_up(error)

    def eof_received(self) -> None:
        """End a body that lasts until the close; cut any other."""
        exchange = self.exchange
        if exchange is None:
            pass
        elif self._is_head_done and self._is_until_close and _is_noticed(self._transport):
            self._end_message(exchange)
        else:
            exchange.lose(None)
        self.close()

    def connection_lost(self, exc: Exception | None) -> None:
        """Tell everybody who waits."""
        exchange, self.exchange = self.exchange, None
        self.is_usable = False
        self.lost.set_result(None)
        self._on_lost(self)
        self._wake_writer()
        if exchange is not None:
            exchange.lose(exc)

    def pause_writing(self) -> None:
        """The socket is full."""
        self._is_write_paused = True

    def resume_writing(self) -> None:
        """The socket takes bytes again."""
        self._is_write_paused = False
        self._wake_writer()

    # The parser's callbacks

    def on_message_begin(self) -> None:
        """A reply's first byte; without a request it is rubbish behind the last reply."""
        if self.exchange is None:
            raise UpstreamBroken(MALFORMED, internal="bytes follow the reply")
        self._headers = []
        self._is_interim = False

    def on_header(self, name: bytes, value: bytes) -> None:
        """Keep a header; a trailer goes to a list that nobody looks at."""
        self._headers.append((name.lower(), value))

    def on_headers_complete(self) -> None:
        """Pass the final reply's head on; interim ones are skipped."""
        status = self._parser.get_status_code()
        if status < _FIRST_FINAL:
            if status < _FIRST_INTERIM:  # 101 is the parser's to refuse
                raise UpstreamBroken(MALFORMED, internal=f"status {status}")
            self._is_interim = True
            return
        if status > _LAST_FINAL or not (self._parser.should_keep_alive() or self._is_version_known()):
            raise UpstreamBroken(MALFORMED, internal="a status or version that HTTP/1.1 does not know")
        framing = read_framing(status, self._headers)
        self._is_head_done, self._is_until_close = True, framing.is_until_close
        self.keep_alive_s = framing.keep_alive_s
        if self.exchange is not None:
            self.exchange.begin(status, self._headers, framing)
        self._headers = []
        if not self._is_written:
            self._wake_writer()

    def on_body(self, data: bytes) -> None:
        """Pass a part of the body on."""
        self._barren = 0
        if self.exchange is not None:
            self.exchange.receive(data)

    def on_message_complete(self) -> None:
        """End the exchange."""
        if not self._is_interim and self.exchange is not None:
            self._end_message(self.exchange)

    # Inside

    def _end_message(self, exchange: HttpExchange) -> None:
        """Hand the reply over, and the connection back where it can be used again."""
        self.exchange = None
        exchange.finish()
        is_sent = self._is_written and (self.is_small or not self._transport.get_write_buffer_size())
        if is_sent and self.is_usable and exchange.failure is None and self._parser.should_keep_alive():
            self.has_served = True
            self._on_free(self)
        else:
            self.close()

    def _feed_bounded(self, data: bytes) -> None:
        """Feed a read that passes the bound on what is not body; the bound holds within it too."""
        split = len(data) if self._is_head_done else HEAD_BYTES - (self._barren - len(data))
        self._parser.feed_data(data[:split])
        if not self._is_head_done:
            raise UpstreamBroken(TOO_LARGE, internal="the head is too large")
        if rest := data[split:]:
            self._barren += len(rest)
            self._parser.feed_data(rest)
        if self._barren > HEAD_BYTES and self.exchange is not None:
            raise UpstreamBroken(TOO_LARGE, internal="trailers or chunk extensions are too large")

    def _give_up(self, error: Exception) -> None:
        exchange, self.exchange = self.exchange, None
        self.close()
        if exchange is None:
            return
        verdict = error.__context__ if isinstance(error, HttpParserCallbackError) else error
        if isinstance(verdict, Exception) and not isinstance(verdict, HttpParserError | HttpParserUpgrade):
            exchange.fail(verdict)  # our own judgement, or what a sink raised
        else:
            exchange.fail(UpstreamBroken(MALFORMED, internal=str(error)))  # the parser's reason: never a byte of the reply

    def _is_version_known(self) -> bool:
        return self._parser.get_http_version() in {"1.0", "1.1"}


def _is_noticed(transport: asyncio.Transport) -> bool:
    """Whether the end is the peer's will: over TLS only with close_notify, else anybody on the way could have cut the socket.

    uvloop reports no end without the notice; asyncio's loop reports both alike, but then the session has nothing to say of it.
    """
    session = transport.get_extra_info("ssl_object")
    if session is None:
        return True
    try:
        return not session.read(1)
    except ssl.SSLZeroReturnError:
        return True
    except ssl.SSLError:
        return False
