"""One reply on its way from a connection to whoever asked: bytes go from the read callback straight into the sink.

It knows the transport only to stop, start or end it, and only until the reply's last byte: afterwards the connection serves others.
"""

import asyncio
import math
from collections.abc import Callable, Sequence

import msgspec

from anyrouter.core.errors import UpstreamBroken, UpstreamTimeout
from anyrouter.relay.ports import BodySink, Timeouts
from anyrouter.upstream.coding import CodingError, Inflater
from anyrouter.upstream.framing import MALFORMED, Framing, without_coding

HELD_BYTES = 64 * 1024  # a sized reply up to this is announced whole: one wake-up of the waiting task instead of two
UNCLAIMED_BYTES = 256 * 1024  # what is kept of a body that nobody reads yet; then the socket rests
TURN_BYTES = 1024 * 1024  # the most that is inflated in one turn of the loop
CUT = "The upstream closed the connection before its reply was whole."
TOO_LARGE = "The upstream's reply is too large."
GIVEN_UP = "The request to the upstream was given up."
LATE = "The upstream did not answer in time."

FIRST_BYTE, IDLE = "first_byte", "idle"


class HttpExchange(msgspec.Struct, eq=False):
    """Implements the relay's `Exchange`. Driven by its connection; `check` is called every now and then with the loop's time.

    `on_arrived` is called once, when the head is here (a short reply: all of it) or `failure`, which is what ended the exchange
    early. `is_answered` says whether any byte of a reply came. Until `stale_until_s` a break before any byte of a reply means that
    the connection, which has served before, had died meanwhile. A struct, because one is made for every request: its fields cost a
    third of what a function's assignments would.
    """

    _loop: asyncio.AbstractEventLoop
    _transport: asyncio.Transport | None
    _timeouts: Timeouts
    _started_s: float
    _deadline_s: float
    _stream_limit: int
    on_arrived: Callable[[], None] | None
    status: int = 0
    headers: Sequence[tuple[bytes, bytes]] = ()
    failure: Exception | None = None
    is_answered: bool = False
    stale_until_s: float = -math.inf
    _phase: str = FIRST_BYTE
    _content_length: int | None = None
    _inflater: Inflater | None = None
    _end: asyncio.Future[None] | None = None
    _parts: list[bytes] = []
    _feed: Callable[[bytes], None] | None = None  # None: what comes is kept in `_parts`
    _size: int = 0
    _limit: int = UNCLAIMED_BYTES
    _is_until_close: bool = False  # so that an empty coded body may as well be a cut one
    _is_claimed: bool = False  # somebody reads
    _is_moving: bool = False  # since the last check
    _is_received: bool = False  # by the connection, to the last byte
    _is_over: bool = False  # delivered or failed
    _is_paused: bool = False  # by the sink
    _is_backlogged: bool = False  # the inflater has more to give
    _is_stopped: bool = False  # the socket rests

    __repr__ = object.__repr__  # a struct's own would tell the reply

    # The relay's side

    @property
    def is_stale(self) -> bool:
        """See the port."""
        return not self.is_answered and isinstance(self.failure, UpstreamBroken) and self._loop.time() <= self.stale_until_s

    def take(self, max_bytes: int) -> bytes | None:
        """See the port."""
        if not self._is_over or self.failure is not None:
            return None
        if self._size > max_bytes:
            raise UpstreamBroken(TOO_LARGE, internal=f"more than {max_bytes} bytes")
        return self._parts[0] if len(self._parts) == 1 else b"".join(self._parts)

    async def read(self, max_bytes: int) -> bytes:
        """See the port. Does not suspend when the reply is already here."""
        whole = self.take(max_bytes)
        if whole is not None:
            return whole
        parts: list[bytes] = []
        await self._claim(parts.append, max_bytes)
        return b"".join(parts)

    async def stream_to(self, sink: BodySink) -> None:
        """See the port."""
        await self._claim(sink.feed, self._stream_limit)

    def pause(self) -> None:
        """See the port. At most what one read of the socket gave still arrives."""
        self._is_paused = True
        self._regulate()

    def resume(self) -> None:
        """See the port."""
        if not self._is_paused:
            return
        self._is_paused = False
        self._is_moving = True
        if self._is_backlogged and self._inflater is not None:
            self._inflate(self._inflater)
        self._regulate()

    def cancel(self) -> None:
        """See the port. A task that waits in `read` or `stream_to` gets UpstreamBroken."""
        self.on_arrived = None
        self.fail(UpstreamBroken(GIVEN_UP))

    # The connection's side

    def begin(self, status: int, headers: list[tuple[bytes, bytes]], framing: Framing) -> None:
        """Take the head of the final reply."""
        if self._is_over:
            return
        self.status, self.headers = status, headers
        self._phase, self._is_moving = IDLE, True
        length = framing.length
        if framing.coding:
            self.headers = without_coding(headers)
            self._inflater, self._is_until_close = Inflater(framing.coding), framing.is_until_close
        else:
            self._content_length = length
        if length is None or length > HELD_BYTES or framing.is_event_stream:
            self._announce()

    def receive(self, data: bytes) -> None:
        """Take a part of the body, its transfer coding undone."""
        if self._is_over:
            return
        self._is_moving = True
        if self._inflater is not None and self._is_claimed:
            self._inflater.push(data)
            if not self._is_backlogged:
                self._inflate(self._inflater)
            return
        self._size = size = self._size + len(data)
        if size > self._limit and not self._is_room():
            return
        feed = self._feed
        if feed is None:
            self._parts.append(data)
        else:
            feed(data)

    def finish(self) -> None:
        """The message is complete, and the connection is not this exchange's any more."""
        transport, self._transport = self._transport, None
        if self._is_stopped and transport is not None:
            transport.resume_reading()
        self._is_received = True
        if self._inflater is not None:
            if self._is_claimed and not self._is_backlogged:
                self._inflate(self._inflater)
        elif self._end is not None:
            self._complete()
        else:
            self._is_over = True
        on_arrived = self.on_arrived  # as `_announce`, a call less
        if on_arrived is not None:
            self.on_arrived = None
            on_arrived()

    def lose(self, error: BaseException | None) -> None:
        """The connection ended before the message did."""
        self._transport = None  # some versions of asyncio stumble when a transport that is gone is told to go
        self.fail(UpstreamBroken(CUT, internal=f"connection closed ({type(error).__name__})" if error else "connection closed"))

    def fail(self, error: Exception) -> None:
        """End with an error, and the connection with it. Harmless when it is over."""
        if self._is_over:
            return
        self._is_over, self.failure = True, error
        transport, self._transport = self._transport, None
        if transport is not None:
            transport.abort()
        self._announce()
        if self._end is not None and not self._end.done():
            self._end.set_result(None)

    def expect_progress(self) -> None:
        """While a long request is being written, the idle deadline counts."""
        self._phase, self._is_moving = IDLE, True

    def expect_reply(self) -> None:
        """The request is written: the first byte's deadline counts from now."""
        if not self.status:
            self._phase, self._deadline_s = FIRST_BYTE, self._loop.time() + self._timeouts.first_byte_s

    def check(self, now_s: float) -> None:
        """End with UpstreamTimeout when a deadline has passed."""
        total_s = self._timeouts.total_s
        if total_s is not None and now_s - self._started_s >= total_s:
            self.fail(UpstreamTimeout(LATE, phase="total"))
        elif self._phase is IDLE and (self._is_moving or self._is_paused):
            self._is_moving = False
            self._deadline_s = now_s + self._timeouts.idle_s
        elif now_s >= self._deadline_s:
            self.fail(UpstreamTimeout(LATE, phase=self._phase))

    # Inside

    def _announce(self) -> None:
        on_arrived, self.on_arrived = self.on_arrived, None
        if on_arrived is not None:
            on_arrived()

    async def _claim(self, feed: Callable[[bytes], None], limit: int) -> None:
        early, self._parts = self._parts, []
        self._is_claimed = True
        self._feed, self._limit, self._size = feed, limit, 0
        if self._content_length is not None and self._content_length > limit:
            self.fail(UpstreamBroken(TOO_LARGE, internal=f"{self._content_length} bytes"))
        try:
            self._replay(early)
            if not self._is_over:
                self._end = self._loop.create_future()
                await self._end
        except BaseException:  # the task is cancelled, or the sink raised
            self.cancel()
            raise
        if self.failure is not None:
            raise self.failure

    def _replay(self, early: list[bytes]) -> None:
        feed = self._feed
        assert feed is not None  # noqa: S101 -- somebody reads
        if self._inflater is None:
            for part in early:
                self._size += len(part)
                if self._size > self._limit and not self._is_room():
                    break
                feed(part)
        elif not self._is_over:
            for part in early:
                self._inflater.push(part)
            self._inflate(self._inflater)
        self._regulate()

    def _is_room(self) -> bool:
        """The body has passed the limit: what nobody reads yet stops the socket, what somebody reads is too large."""
        if self._is_claimed:
            self.fail(UpstreamBroken(TOO_LARGE, internal=f"more than {self._limit} bytes"))
        else:
            self._regulate()
        return not self._is_claimed

    def _inflate(self, inflater: Inflater) -> None:
        """Decode until the input is used up, the sink pauses, or the turn's share is done."""
        self._is_backlogged = False
        done, feed = 0, self._feed
        assert feed is not None  # noqa: S101 -- nothing is decoded before somebody reads
        try:
            while not self._is_over and (piece := inflater.pull()):
                done += len(piece)
                self._size += len(piece)
                if self._size > self._limit and not self._is_room():
                    return
                feed(piece)
                if self._is_paused or done >= TURN_BYTES:
                    self._is_backlogged = True
                    break
        except CodingError as error:
            self.fail(UpstreamBroken(MALFORMED, internal=str(error)))
        except Exception as error:  # noqa: BLE001 -- a sink that raises, against its promise, must not leave its reader waiting
            self.fail(error)
        if self._is_backlogged and not self._is_paused:
            self._loop.call_soon(self._go_on)
        elif self._is_received and not self._is_backlogged and not self._is_over:
            if inflater.is_whole or (inflater.is_untouched and not self._is_until_close):
                self._complete()
            else:
                self.fail(UpstreamBroken(CUT, internal="the compressed body is cut"))
        self._regulate()

    def _go_on(self) -> None:
        if self._is_backlogged and not self._is_paused and self._inflater is not None:
            self._is_moving = True
            self._inflate(self._inflater)

    def _regulate(self) -> None:
        """Stop or start the socket as the sink, the decoder and the unread part demand."""
        is_full = not self._is_claimed and self._size > self._limit
        must_stop = self._is_paused or self._is_backlogged or is_full
        if self._transport is None or must_stop is self._is_stopped:
            return
        self._is_stopped = must_stop
        if must_stop:
            self._transport.pause_reading()
        else:
            self._transport.resume_reading()

    def _complete(self) -> None:
        if not self._is_over:
            self._is_over = True
            if self._end is not None and not self._end.done():
                self._end.set_result(None)
