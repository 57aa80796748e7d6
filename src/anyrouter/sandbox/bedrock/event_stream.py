"""AWS's binary event stream (application/vnd.amazon.eventstream): how a message is framed.

Total length and length of the headers (4 bytes each, big-endian), a CRC32 of those 8 bytes, the headers, the payload, and a CRC32 of
all before it. A header is the length of its name (1 byte), the name, its type (1 byte, 7 for a string), the length of its value (2
bytes) and the value. Source: the specification of the Smithy language, "Amazon Event Stream", read in November 2026.
"""

import struct
import zlib
from collections.abc import Mapping

_PRELUDE = struct.Struct(">II")
_PRELUDE_SIZE = 12
_CRC = struct.Struct(">I")
_STRING = 7


def encode_message(headers: Mapping[str, str], payload: bytes) -> bytes:
    """One message. Names of headers have at most 255 bytes, values at most 65,535."""
    encoded = b"".join(_encode_header(name.encode(), value.encode()) for name, value in headers.items())
    return _frame(encoded, payload)


def halve_payload(message: bytes) -> bytes:
    """The message without the last third of its payload, framed as a whole one."""
    _, size = _PRELUDE.unpack_from(message)
    payload = message[_PRELUDE_SIZE + size : -_CRC.size]
    return _frame(message[_PRELUDE_SIZE : _PRELUDE_SIZE + size], payload[: len(payload) * 2 // 3])


def _encode_header(name: bytes, value: bytes) -> bytes:
    return struct.pack(">B", len(name)) + name + struct.pack(">BH", _STRING, len(value)) + value


def _frame(headers: bytes, payload: bytes) -> bytes:
    prelude = _PRELUDE.pack(_PRELUDE_SIZE + len(headers) + len(payload) + _CRC.size, len(headers))
    message = prelude + _CRC.pack(zlib.crc32(prelude)) + headers + payload
    return message + _CRC.pack(zlib.crc32(message))
