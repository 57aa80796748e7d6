"""Frames between two processes of one gateway: a kind, a length and as many bytes.

Objects travel pickled. That is safe here alone: both ends are the same program, on a pair of sockets that nobody else can open.
"""

import asyncio
import pickle
import struct
from contextlib import suppress
from enum import IntEnum
from io import BytesIO
from socket import socket
from typing import Any

from anyrouter.core.secret import Secret

_HEADER = struct.Struct("<BI")
_PATIENCE_S = 5.0
_BUFFER_BYTES = 262_144  # what the reader of a stream may be behind


class Kind(IntEnum):
    """What a frame holds; `Stream.send` says how."""

    BEGIN = 1  # what a process has to know before its first request
    NEWS = 2  # something of that is different now
    REQUEST = 3  # an ASGI scope
    REPLY = 4  # status and headers
    BODY = 5  # bytes, more to come
    END = 6  # the last bytes
    QUESTION = 7  # a name and arguments
    ANSWER = 8


class _SecretPickler(pickle.Pickler):
    """Secrets forbid what everybody else would do with them."""

    def reducer_override(self, obj: object) -> Any:
        return (Secret, (obj.reveal(),)) if isinstance(obj, Secret) else NotImplemented


class Broken(Exception):
    """The other process has ended, or will not say more."""


class Stream:
    """One stream. Who opened it closes it, and who answered finishes it."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._reader, self._writer = reader, writer

    @classmethod
    async def over(cls, end: socket) -> "Stream":
        """The stream of one end of a pair of sockets, which is its own from now on."""
        end.settimeout(0)
        return cls(*await asyncio.open_unix_connection(sock=end, limit=_BUFFER_BYTES))

    async def send(self, kind: Kind, data: bytes | memoryview = b"") -> None:
        """One frame, behind those before it. Waits while the other end is behind; Broken when it is gone."""
        if self._writer.is_closing():
            raise Broken
        self._writer.write(_HEADER.pack(kind, len(data)))
        if data:
            self._writer.write(data)
        try:
            await self._writer.drain()
        except OSError:
            raise Broken from None

    async def send_object(self, kind: Kind, value: Any) -> None:
        """As `send`, for what is not bytes. TypeError where there is a secret in it."""
        await self.send(kind, pickle.dumps(value))

    async def send_with_secrets(self, kind: Kind, value: Any) -> None:
        """As `send_object`, for what the other end cannot work without."""
        buffer = BytesIO()
        _SecretPickler(buffer, pickle.HIGHEST_PROTOCOL).dump(value)
        await self.send(kind, buffer.getvalue())

    async def receive(self) -> tuple[Kind, bytes]:
        """The next frame; Broken when there is none."""
        try:
            kind, length = _HEADER.unpack(await self._reader.readexactly(_HEADER.size))
            return Kind(kind), await self._reader.readexactly(length) if length else b""
        except (OSError, EOFError):
            raise Broken from None

    async def receive_object(self, kind: Kind) -> Any:
        """The object in the next frame, which is of that kind; Broken else."""
        found, data = await self.receive()
        if found is not kind:
            raise Broken
        return read_object(data)

    def end(self) -> None:
        """Send nothing more, and still receive."""
        with suppress(OSError, RuntimeError):
            self._writer.write_eof()

    async def finish(self) -> None:
        """Let the other end read all that was sent, and close when it has closed. It may not find this end closed before.

        A socket that is closed with something unread in it makes the other end lose what it has not read yet.
        """
        self.end()
        with suppress(Broken, TimeoutError):
            async with asyncio.timeout(_PATIENCE_S):
                while True:
                    await self.receive()
        self.close()

    def close(self) -> None:
        """Nothing more is wanted. For who has read all that is of use: the other end has to `finish`."""
        with suppress(OSError, RuntimeError):
            self._writer.close()


def read_object(data: bytes) -> Any:
    """What `Stream.send_object` was given."""
    return pickle.loads(data)  # noqa: S301 -- see above
