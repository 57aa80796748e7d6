"""How a connection ends, so that the client has its reply.

A socket closed while it holds unread bytes sends a reset, and a reset can overtake the reply: the client sees "connection reset" where a
401 was sent. So after a reply that leaves bytes unread the front shuts down its own side only, throws away what still comes, and
closes when the client has closed, or when it has sent or waited too much.
"""

import asyncio
import fcntl
import math
import socket
import struct
import termios
import time
from typing import Final

from anyrouter.web.front.state import FrontState

HEAD: Final = 0  # between messages, or in the head of one
MESSAGE: Final = 1  # a message is being received or served
DRAIN: Final = 2  # the refused message's body is being thrown away
LINGER: Final = 3
CLOSING: Final = 4

_RESET_ON_CLOSE = struct.pack("ii", 1, 0)


class EndingConnection(asyncio.BufferedProtocol):
    """The connection's socket: where it reads to, whether it reads, how long it may do nothing, how it is closed.

    `deadline_s` (monotonic) says when the sweep calls `expire`, whatever the phase.
    """

    __slots__ = (
        "_linger_end_s",
        "_linger_left",
        "at",
        "buffer",
        "deadline_s",
        "held",
        "is_eof",
        "is_last",
        "is_read_paused",
        "phase",
        "state",
        "transport",
        "unsent",
    )

    def __init__(self, state: FrontState) -> None:
        self.state = state
        self.transport: asyncio.Transport
        self.buffer = state.view
        self.phase, self.deadline_s = HEAD, math.inf
        self.held: bytes | None = None  # what has come for later, from `at` on
        self.at = 0
        self.unsent: int | None = None  # bytes that waited for the client when last looked at, while it is too slow
        self.is_last = self.is_eof = self.is_read_paused = False

    def get_buffer(self, sizehint: int) -> memoryview:  # noqa: ARG002 -- the loop's hint is -1
        """Where the next read goes."""
        return self.buffer

    def pause_reading(self) -> None:
        """Leave the client's bytes in the kernel."""
        if not self.is_read_paused and not self.transport.is_closing():
            self.is_read_paused = True
            self.transport.pause_reading()

    def resume_reading(self) -> None:
        """Take the client's bytes again."""
        if self.is_read_paused and not self.transport.is_closing():
            self.is_read_paused = False
            self.transport.resume_reading()

    def keep(self, view: memoryview) -> None:
        """Hold bytes for later. A view of bytes that are held already is their end, and is not copied."""
        if not view:
            return
        if self.held is not None:
            self.held, self.at = self.held[self.at :] + view, 0
        elif isinstance(view.obj, bytes):
            self.held, self.at = view.obj, len(view.obj) - len(view)
        else:
            self.held, self.at = view.tobytes(), 0

    def take_held(self) -> memoryview:
        """What was kept."""
        held, self.held = self.held, None
        return memoryview(b"" if held is None else held)[self.at :]

    def close(self) -> None:
        """End after what was written, when nothing is left unread; else linger."""
        if self.held is not None or self.is_read_paused:
            self.linger()
        else:
            self.close_transport()

    def linger(self) -> None:
        """End after what was written and after the client has seen it."""
        self.held, self.buffer = None, self.state.view
        if self.is_eof or self.transport.is_closing():
            self.close_transport()
            return
        limits, now_s = self.state.limits, time.monotonic()
        self.phase, self._linger_left = LINGER, limits.linger_bytes
        self._linger_end_s = now_s + limits.body_timeout_s
        self.deadline_s = now_s + limits.linger_s
        if self.transport.can_write_eof():
            self.transport.write_eof()
        self.resume_reading()

    def discard(self, size: int) -> None:
        """Lingering: throw away what was read."""
        self._linger_left -= size
        if self._linger_left < 0:
            self.close_transport()
        else:
            self.deadline_s = min(self._linger_end_s, time.monotonic() + self.state.limits.linger_s)

    def break_off(self, *, is_reset: bool) -> None:
        """End in the middle of a reply. A reply that only the connection's end would complete needs a reset to be seen as broken."""
        if not is_reset:
            self.close_transport()
            return
        handle: socket.socket | None = self.transport.get_extra_info("socket")
        if handle is not None:
            handle.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _RESET_ON_CLOSE)
        self.phase = CLOSING
        self.transport.abort()

    def judge_writing(self, now_s: float) -> None:
        """Give the client more time if it has taken a part of what waits for it; else it has had enough."""
        waiting = self.measure_unsent()
        if self.unsent is not None and waiting >= self.unsent:
            self.break_off(is_reset=True)  # what the kernel holds for it goes too
            return
        self.unsent = waiting
        self.deadline_s = now_s + self.state.limits.write_timeout_s

    def close_transport(self) -> None:
        """End after what was written."""
        self.held = None
        self.phase, self.deadline_s = CLOSING, time.monotonic() + self.state.limits.write_timeout_s
        self.unsent = self.measure_unsent()
        self.transport.close()

    def measure_unsent(self) -> int:
        """Bytes that the client has not acknowledged, here and in the kernel, whose buffer may hold megabytes of them."""
        waiting = self.transport.get_write_buffer_size()
        handle: socket.socket | None = self.transport.get_extra_info("socket")
        if handle is None:
            return waiting
        try:
            queued: int = struct.unpack("i", fcntl.ioctl(handle.fileno(), termios.TIOCOUTQ, bytes(4)))[0]
        except OSError:  # not every system tells; then the kernel's part does not count
            queued = 0
        return waiting + queued
