import asyncio
from collections.abc import Callable
from typing import Any

import pytest

from anyrouter.relay.ports import Timeouts
from anyrouter.upstream.connection import HttpConnection
from anyrouter.upstream.exchange import HttpExchange

HEAD = b"POST /v1/chat/completions HTTP/1.1\r\nHost: upstream\r\nContent-Length: 2\r\n"


class RecordingTransport(asyncio.Transport):
    """The operating system's side, in memory: notes what is written and whether the socket is read or closed."""

    def __init__(self) -> None:
        super().__init__()
        self.written = b""
        self.is_aborted = self.is_stopped = False
        self.unsent = 0

    def write(self, data: bytes | bytearray | memoryview) -> None:
        self.written += bytes(data)

    def writelines(self, parts: Any) -> None:
        self.written += b"".join(parts)

    def get_write_buffer_size(self) -> int:
        return self.unsent

    def is_closing(self) -> bool:
        return self.is_aborted

    def abort(self) -> None:
        self.is_aborted = True

    def pause_reading(self) -> None:
        self.is_stopped = True

    def resume_reading(self) -> None:
        self.is_stopped = False


class Line:
    """A connection that is fed by hand."""

    def __init__(self) -> None:
        self.freed: list[HttpConnection] = []
        self.lost: list[HttpConnection] = []
        self.transport = RecordingTransport()
        self.arrivals = 0
        self.connection = HttpConnection(
            asyncio.get_running_loop(), on_free=self.freed.append, on_lost=self.lost.append, stream_limit=1 << 30
        )
        self.connection.connection_made(self.transport)

    def start(self, timeouts: Timeouts | None = None) -> HttpExchange:
        self.arrivals = 0
        return self.connection.start(HEAD, [b"{}"], timeouts or Timeouts(), started_s=0.0, now_s=0.0, on_arrived=self._arrive)

    def _arrive(self) -> None:
        self.arrivals += 1

    def feed(self, data: bytes, step: int | None = None) -> None:
        """Deliver bytes, `step` at a time, until the socket is closed."""
        for offset in range(0, len(data), step or max(1, len(data))):
            if not self.transport.is_aborted:
                self.connection.data_received(data[offset : offset + (step or len(data))])

    def end(self, error: Exception | None = None) -> None:
        """The upstream closes the socket."""
        if error is None and not self.transport.is_aborted:
            self.connection.eof_received()
        self.connection.connection_lost(error)


@pytest.fixture
def make_line() -> Callable[[], Line]:
    return Line
