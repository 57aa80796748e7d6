"""AWS's binary event stream (application/vnd.amazon.eventstream), as bytes: where its messages end, and what is in them.

    total length, length of the headers   4 bytes each, big-endian
    CRC32 of these 8 bytes                4 bytes
    headers                               name's length (1), name, type (1), value
    payload
    CRC32 of all before it                4 bytes

Source: the specification of the Smithy language, "Amazon Event Stream" (read 2026-11-24). Nothing here knows what the messages mean.
"""

import struct
import zlib
from typing import NamedTuple, TypeAlias

from anyrouter.wire.reply import InvalidReply
from anyrouter.wire.sse import MAX_EVENT_BYTES

HeaderValue: TypeAlias = bool | int | bytes | str
_PRELUDE = struct.Struct(">III")
_CRC = struct.Struct(">I")
_LENGTH = struct.Struct(">H")
_OVERHEAD = _PRELUDE.size + _CRC.size
MAX_HEADERS_BYTES = 128 * 1024
_MAX_KNOWN_HEADERS, _MAX_KNOWN_BYTES = 16, 256
_TRUE, _FALSE, _BYTES, _STRING = 0, 1, 6, 7
# The types whose values have a fixed size: integers, a time in ms since 1970, and a UUID, which stays as its bytes.
_INTEGERS = {2: struct.Struct(">b"), 3: struct.Struct(">h"), 4: struct.Struct(">i"), 5: struct.Struct(">q"), 8: struct.Struct(">q")}
_UUID, _UUID_SIZE = 9, 16


class EventMessage(NamedTuple):
    """One message."""

    headers: dict[str, HeaderValue]
    payload: bytes


class EventStreamSplitter:
    """Cuts a stream into messages, the same for every split of the bytes. Holds at most one that is not whole yet."""

    __slots__ = ("_headers", "_held", "_needed")

    def __init__(self) -> None:
        self._held = bytearray()
        self._needed = _PRELUDE.size  # how many bytes the next step takes
        self._headers: dict[bytes, dict[str, HeaderValue]] = {}  # those of nearly all messages are the same few

    @property
    def is_holding(self) -> bool:
        """Whether a message has begun and not ended."""
        return bool(self._held)

    def feed(self, data: bytes) -> list[EventMessage]:
        """The messages that are whole now; InvalidReply for a wrong checksum, and for lengths that cannot be."""
        if self._held:
            self._held += data
            if len(self._held) < self._needed:
                return []
            data = bytes(self._held)
            self._held.clear()
        messages: list[EventMessage] = []
        at, size = 0, len(data)
        self._needed = _PRELUDE.size
        while size - at >= _PRELUDE.size:
            total, headers = _lengths_of(data, at)
            if size - at < total:
                self._needed = total
                break
            messages.append(self._read(data, at, total, headers))
            at += total
        if at < size:
            self._held += data[at:] if at else data
        return messages

    def _read(self, data: bytes, at: int, total: int, size: int) -> EventMessage:
        """The message of this length, whose headers have this size, that begins here."""
        end = at + total - _CRC.size
        if zlib.crc32(data[at:end]) != _CRC.unpack_from(data, end)[0]:
            raise InvalidReply("a message of the stream has a wrong checksum")
        start = at + _PRELUDE.size
        raw = data[start : start + size]
        headers = self._headers.get(raw)
        if headers is None:
            headers = _read_headers(raw)
            if len(self._headers) < _MAX_KNOWN_HEADERS and size <= _MAX_KNOWN_BYTES:
                self._headers[raw] = headers
        return EventMessage(headers, data[start + size : end])


def _lengths_of(data: bytes, at: int) -> tuple[int, int]:
    """The lengths that a prelude tells: of the message and of its headers."""
    total: int
    headers: int
    total, headers, checksum = _PRELUDE.unpack_from(data, at)
    if zlib.crc32(data[at : at + _PRELUDE.size - _CRC.size]) != checksum:
        raise InvalidReply("a message of the stream has a wrong prelude checksum")
    if total < _OVERHEAD + headers or total > MAX_EVENT_BYTES or headers > MAX_HEADERS_BYTES:
        raise InvalidReply("a message of the stream has an impossible length")
    return total, headers


def _read_headers(raw: bytes) -> dict[str, HeaderValue]:
    headers: dict[str, HeaderValue] = {}
    at = 0
    try:
        while at < len(raw):
            kind_at = at + 1 + raw[at]
            name, kind = raw[at + 1 : kind_at].decode(), raw[kind_at]
            headers[name], at = _read_value(raw, kind, kind_at + 1)
    except (struct.error, IndexError, UnicodeDecodeError):
        raise InvalidReply("the headers of a message of the stream cannot be read") from None
    return headers


def _read_value(raw: bytes, kind: int, at: int) -> tuple[HeaderValue, int]:
    """A header's value, and where it ends."""
    if kind in {_TRUE, _FALSE}:
        return kind == _TRUE, at
    if kind in {_STRING, _BYTES}:
        size = _LENGTH.unpack_from(raw, at)[0]
        start = at + _LENGTH.size
        value = _exactly(raw, start, size)
        return (value.decode() if kind == _STRING else value), start + size
    if kind == _UUID:
        return _exactly(raw, at, _UUID_SIZE), at + _UUID_SIZE
    integer = _INTEGERS.get(kind)
    if integer is None:
        raise InvalidReply("a header of the stream has an unknown type")
    number: int = integer.unpack_from(raw, at)[0]
    return number, at + integer.size


def _exactly(raw: bytes, at: int, size: int) -> bytes:
    value = raw[at : at + size]
    if len(value) != size:
        raise IndexError
    return value
