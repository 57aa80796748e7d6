"""Writes of one turn of the event loop, sent together at its end.

A send to a peer that sleeps wakes it, and waking is the dearest part of a send: on a virtual machine an interrupt to another core.
Sends in a row find the peer awake. Several writes to one connection within a turn become one. A turn is at most some
milliseconds long and, where there is little to do, no longer than one request.
"""

import asyncio
from collections.abc import Iterable
from typing import Any

Piece = bytes | bytearray | memoryview
_WAITING_BYTES = 65_536  # a piece that is larger is sent at once
_JOINED_BYTES = 16_384  # pieces that are larger together are not copied into one


class Outbox:
    """Belongs to one event loop. `attach` gives the transport to write to."""

    __slots__ = ("_flush", "_loop", "waiting")

    def __init__(self) -> None:
        self.waiting: list[BatchedTransport] = []
        self._loop: asyncio.AbstractEventLoop | None = None
        self._flush = self.flush

    def attach(self, transport: asyncio.Transport) -> asyncio.Transport:
        """A transport that keeps what is written until the end of the turn; all else goes through in order."""
        return BatchedTransport(transport, self)

    def schedule(self) -> None:
        """Flush at the end of the turn."""
        loop = self._loop
        if loop is None:
            loop = self._loop = asyncio.get_running_loop()
        loop.call_soon(self._flush)

    def flush(self) -> None:
        """Send all that is kept."""
        waiting, self.waiting = self.waiting, []
        for transport in waiting:
            kept = transport.kept
            if kept:  # else it was flushed or aborted meanwhile
                transport.kept = b""
                if not transport.direct.is_closing():
                    transport.direct.write(kept)


class BatchedTransport(asyncio.Transport):
    """A transport whose small writes wait for the end of the turn. `direct` is the one behind it, `kept` what waits.

    No `__getattr__`: in a class that has one, every attribute costs ten times as much.
    """

    __slots__ = ("_outbox", "direct", "kept")

    def __init__(self, transport: asyncio.Transport, outbox: Outbox) -> None:
        super().__init__()
        self.direct, self._outbox = transport, outbox
        self.kept = b""

    def write(self, data: Piece) -> None:
        """Keep it until the end of the turn; a large piece is sent at once, with what waits before it."""
        if self.kept:
            if len(self.kept) + len(data) <= _JOINED_BYTES:
                self.kept += data
                return
            self.flush()
        if len(data) > _WAITING_BYTES:
            self.direct.write(data)
            return
        outbox = self._outbox
        if not outbox.waiting:
            outbox.schedule()
        outbox.waiting.append(self)
        self.kept = data if isinstance(data, bytes) else bytes(data)

    def writelines(self, list_of_data: Iterable[Piece]) -> None:
        """Send at once, with what waits before it."""
        self.flush()
        self.direct.writelines(list_of_data)

    def flush(self) -> None:
        """Send what is kept."""
        kept = self.kept
        if kept:
            self.kept = b""
            if not self.direct.is_closing():
                self.direct.write(kept)

    def close(self) -> None:
        """Close when all is sent."""
        self.flush()
        self.direct.close()

    def abort(self) -> None:
        """Close now; what is kept is lost."""
        self.kept = b""
        self.direct.abort()

    def write_eof(self) -> None:
        """Shut down the sending side when all is sent."""
        self.flush()
        self.direct.write_eof()

    def get_write_buffer_size(self) -> int:
        """What is not sent yet."""
        return len(self.kept) + self.direct.get_write_buffer_size()

    def is_closing(self) -> bool:
        """As the transport behind it."""
        return self.direct.is_closing()

    def get_extra_info(self, name: str, default: Any = None) -> Any:
        """As the transport behind it."""
        return self.direct.get_extra_info(name, default)

    def set_protocol(self, protocol: asyncio.BaseProtocol) -> None:
        """As the transport behind it."""
        self.direct.set_protocol(protocol)

    def get_protocol(self) -> asyncio.BaseProtocol:
        """As the transport behind it."""
        return self.direct.get_protocol()

    def is_reading(self) -> bool:
        """As the transport behind it."""
        return self.direct.is_reading()

    def pause_reading(self) -> None:
        """As the transport behind it."""
        self.direct.pause_reading()

    def resume_reading(self) -> None:
        """As the transport behind it."""
        self.direct.resume_reading()

    def can_write_eof(self) -> bool:
        """As the transport behind it."""
        return self.direct.can_write_eof()

    def get_write_buffer_limits(self) -> tuple[int, int]:
        """As the transport behind it."""
        return self.direct.get_write_buffer_limits()

    def set_write_buffer_limits(self, high: int | None = None, low: int | None = None) -> None:
        """As the transport behind it."""
        self.direct.set_write_buffer_limits(high, low)
