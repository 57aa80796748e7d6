"""Writes of one turn of the event loop, sent together at its end.

A send to a peer that sleeps wakes it, and waking is the dearest part of a send: on a virtual machine an interrupt to another core.
Sends in a row find the peer awake. Several writes to one connection within a turn become one. A turn is at most some
milliseconds long and, where there is little to do, no longer than one request.
"""

import asyncio
from collections.abc import Iterable
from typing import Any, cast

_JOINED_BYTES = 65_536  # pieces that are larger together are not copied into one


class Outbox:
    """Belongs to one event loop. `attach` gives the transport to write to."""

    __slots__ = ("_flush", "_loop", "waiting")

    def __init__(self) -> None:
        self.waiting: list[BatchedTransport] = []
        self._loop: asyncio.AbstractEventLoop | None = None
        self._flush = self.flush

    def attach(self, transport: asyncio.Transport) -> asyncio.Transport:
        """A transport that keeps what is written until the end of the turn; all else goes through in order."""
        return cast("asyncio.Transport", BatchedTransport(transport, self))

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
            transport.flush()


class BatchedTransport:
    """An `asyncio.Transport` whose small writes wait for the end of the turn."""

    __slots__ = ("_kept", "_kept_bytes", "_outbox", "_transport")

    def __init__(self, transport: asyncio.Transport, outbox: Outbox) -> None:
        self._transport, self._outbox = transport, outbox
        self._kept: list[bytes] = []
        self._kept_bytes = 0

    def write(self, data: bytes) -> None:
        """Keep it until the end of the turn; a large piece is sent at once, with what waits before it."""
        size = self._kept_bytes + len(data)
        if size > _JOINED_BYTES:
            self.flush()
            self._transport.write(data)
            return
        if not self._kept:
            outbox = self._outbox
            if not outbox.waiting:
                outbox.schedule()
            outbox.waiting.append(self)
        self._kept.append(data)
        self._kept_bytes = size

    def writelines(self, parts: Iterable[bytes]) -> None:
        """Send at once, with what waits before it."""
        self.flush()
        self._transport.writelines(parts)

    def flush(self) -> None:
        """Send what is kept."""
        kept = self._kept
        if kept:
            self._kept, self._kept_bytes = [], 0
            if not self._transport.is_closing():
                self._transport.write(kept[0] if len(kept) == 1 else b"".join(kept))

    def close(self) -> None:
        """Close when all is sent."""
        self.flush()
        self._transport.close()

    def abort(self) -> None:
        """Close now; what is kept is lost."""
        self._kept, self._kept_bytes = [], 0
        self._transport.abort()

    def write_eof(self) -> None:
        """Shut down the sending side when all is sent."""
        self.flush()
        self._transport.write_eof()

    def get_write_buffer_size(self) -> int:
        """What is not sent yet."""
        return self._kept_bytes + self._transport.get_write_buffer_size()

    def __getattr__(self, name: str) -> Any:
        return getattr(self._transport, name)
