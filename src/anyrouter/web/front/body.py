"""Bodies on their way in. Each object ends exactly where its message ends: what lies behind belongs to the next one."""

import io
import re

from anyrouter.core.errors import Denied
from anyrouter.web.front import refusals
from anyrouter.web.front.limits import FrontLimits

MAX_CHUNK_LINE = 256
MAX_TRAILER_BYTES = 8192
_SIZE_LINE = re.compile(rb"([0-9A-Fa-f]{1,8})(?:;[\t\x20-\x7e\x80-\xff]*)?")
_TRAILER_LINE = re.compile(rb"[!#$%&'*+.^_`|~0-9A-Za-z-]+:[\t\x20-\x7e\x80-\xff]*")
_SIZE, _DATA, _DATA_END, _TRAILER, _COMPLETE = range(5)


class LengthBody:
    """A body of known length that has not come at once: the socket reads straight into its place.

    The buffer of a BytesIO made from fresh zeros is that very bytes object, and `getvalue` returns it without copying: at 181 KB this
    is a third of the cost of joining chunks. The zeros are the kernel's, so an announced length costs no memory until it is sent.
    """

    __slots__ = ("_file", "_view", "length", "received")

    def __init__(self, length: int, first: memoryview) -> None:
        self._file = io.BytesIO(bytes(length))
        self._view = self._file.getbuffer()
        self._view[: len(first)] = first
        self.length, self.received = length, len(first)

    @property
    def room(self) -> memoryview:
        """Where the next bytes belong."""
        return self._view[self.received :]

    @property
    def is_complete(self) -> bool:
        """Whether all of it has come."""
        return self.received == self.length

    def take(self) -> bytes:
        """The whole body."""
        return self._file.getvalue()


class PassedBody:
    """A body of known length that is counted and passed on."""

    __slots__ = ("fault", "length", "received")

    def __init__(self, length: int) -> None:
        self.length, self.received = length, 0
        self.fault: Denied | None = None

    @property
    def is_complete(self) -> bool:
        """Whether all of it has come."""
        return self.received == self.length

    @property
    def left(self) -> int:
        """How much has not come."""
        return self.length - self.received

    def feed(self, view: memoryview) -> int:
        """Count what belongs to the body, and say how much that is."""
        size = min(len(view), self.length - self.received)
        self.received += size
        return size


class ChunkedBody:
    """A chunked body (RFC 9112, section 7.1), decoded.

    Strict: hexadecimal sizes of at most eight digits, extensions ignored, every line ended by CRLF, trailers checked and dropped.
    `received` counts what crossed the wire, framing included, and is held to `limit`: tiny chunks buy nothing.
    `fault` is set once it is hopeless.
    """

    __slots__ = ("_file", "_left", "_limit", "_pending", "_state", "_trailer_bytes", "fault", "received")

    def __init__(self, limit: int) -> None:
        self._file = io.BytesIO()
        self._limit, self._left, self._trailer_bytes = limit, 0, 0
        self._pending, self._state = b"", _SIZE
        self.received = 0
        self.fault: Denied | None = None

    @property
    def is_complete(self) -> bool:
        """Whether the last chunk and the trailer have come."""
        return self._state == _COMPLETE

    @property
    def left(self) -> int:
        """How much has not come: nobody knows, unless nothing."""
        return 0 if self.is_complete else -1

    def take(self) -> bytes:
        """What was decoded since the last call."""
        data = self._file.getvalue()
        self._file = io.BytesIO()
        return data

    def feed(self, view: memoryview) -> int:
        """Take what belongs to the body, and say how many bytes that is. All of them, unless the body is complete or at fault."""
        before = len(self._pending)
        data = self._pending + view
        self._pending, at = b"", 0
        while at < len(data) and self._state != _COMPLETE and not self.fault:
            ahead = self._feed_data(data, at) if self._state == _DATA else self._feed_line(data, at)
            if ahead == at:
                self._pending = data[at:]
                at = len(data)
                break
            at = ahead
        self.received += at - before
        if self.received > self._limit and not self.fault:
            self.fault = refusals.body_too_large(self._limit)
        return at - before

    def _feed_data(self, data: bytes, at: int) -> int:
        ahead = min(len(data), at + self._left)
        self._file.write(memoryview(data)[at:ahead])
        self._left -= ahead - at
        if not self._left:
            self._state = _DATA_END
        return ahead

    def _feed_line(self, data: bytes, at: int) -> int:
        """Take one line; `at` again when its end has not come."""
        end = data.find(b"\r\n", at, at + MAX_CHUNK_LINE if self._state == _SIZE else at + MAX_TRAILER_BYTES)
        if end < 0:
            self._judge_part(data, at)
            return at
        line = data[at:end]
        if self._state == _SIZE:
            self._open_chunk(line)
        elif self._state == _DATA_END:
            self._state = _SIZE
            if line:
                self.fault = refusals.BAD_CHUNKS
        else:
            self._read_trailer(line)
        return end + 2

    def _judge_part(self, data: bytes, at: int) -> None:
        """A line without an end: is it hopeless already?"""
        size = len(data) - at
        bound = {_SIZE: MAX_CHUNK_LINE, _DATA_END: 2, _TRAILER: MAX_TRAILER_BYTES}[self._state]
        if size >= bound or b"\n" in data[at:] or (self._state == _DATA_END and data[at : at + 1] != b"\r"):
            self.fault = refusals.BAD_CHUNKS

    def _open_chunk(self, line: bytes) -> None:
        match = _SIZE_LINE.fullmatch(line)
        if match is None:
            self.fault = refusals.BAD_CHUNKS
            return
        self._left = int(match[1], 16)
        if self._left > self._limit:
            self.fault = refusals.body_too_large(self._limit)
        self._state = _DATA if self._left else _TRAILER

    def _read_trailer(self, line: bytes) -> None:
        self._trailer_bytes += len(line)
        if not line:
            self._state = _COMPLETE
        elif self._trailer_bytes > MAX_TRAILER_BYTES or _TRAILER_LINE.fullmatch(line) is None:
            self.fault = refusals.BAD_CHUNKS


class Pace:
    """Whether a body comes fast enough: a deadline for all of it, and a least amount in each window."""

    __slots__ = ("_end_s", "_least", "_mark", "_window_s", "due_s")

    def __init__(self, limits: FrontLimits, now_s: float) -> None:
        self._end_s, self._window_s = now_s + limits.body_timeout_s, limits.body_window_s
        self._least, self._mark = limits.body_bytes_per_s * limits.body_window_s, 0
        self.due_s = min(self._end_s, now_s + self._window_s)

    def is_kept(self, now_s: float, received: int) -> bool:
        """Judge at `due_s`, and move `due_s` on."""
        if now_s >= self._end_s or received - self._mark < self._least:
            return False
        self._mark = received
        self.due_s = min(self._end_s, now_s + self._window_s)
        return True

    def pardon(self, time_s: float) -> None:
        """Some of the time was not the client's: nobody read what it sent."""
        self._end_s += time_s
        self.due_s += time_s
