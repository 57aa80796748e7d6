"""AWS's binary framing, told by its specification; botocore, which AWS reads it with, is the judge."""

import struct
import zlib

import pytest
from botocore.eventstream import EventStreamBuffer

from anyrouter.sandbox.bedrock.event_stream import encode_message
from anyrouter.wire.reply import InvalidReply
from anyrouter.wire.sse import MAX_EVENT_BYTES
from anyrouter.wire.translation.bedrock.event_stream import EventMessage, EventStreamSplitter


def frame(headers: bytes, payload: bytes = b"", *, total: int | None = None, size: int | None = None) -> bytes:
    prelude = struct.pack(">II", total or 16 + len(headers) + len(payload), len(headers) if size is None else size)
    message = prelude + struct.pack(">I", zlib.crc32(prelude)) + headers + payload
    return message + struct.pack(">I", zlib.crc32(message))


def read(*pieces: bytes) -> list[EventMessage]:
    splitter = EventStreamSplitter()
    return [message for piece in pieces for message in splitter.feed(piece)]


def header(name: str, kind: int, value: bytes = b"") -> bytes:
    return bytes([len(name)]) + name.encode() + bytes([kind]) + value


HEADERS = b"".join(
    [
        header("yes", 0),
        header("no", 1),
        header("byte", 2, b"\xff"),
        header("short", 3, struct.pack(">h", -300)),
        header("int", 4, struct.pack(">i", 70_000)),
        header("long", 5, struct.pack(">q", -(2**40))),
        header("bytes", 6, b"\x00\x02\x00\xff"),
        header("string", 7, b"\x00\x03\xc3\xbcx"),
        header("time", 8, struct.pack(">q", 1_700_000_000_000)),
        header("uuid", 9, bytes(range(16))),
    ]
)


def test_every_type_of_header_is_read() -> None:
    assert read(frame(HEADERS, b"payload")) == [
        EventMessage(
            {
                "yes": True, "no": False, "byte": -1, "short": -300, "int": 70_000, "long": -(2**40), "bytes": b"\x00\xff",
                "string": "üx", "time": 1_700_000_000_000, "uuid": bytes(range(16)),
            },
            b"payload",
        )
    ]  # fmt: skip


def test_it_is_what_aws_reads() -> None:
    data = (
        encode_message({":event-type": "a", "ü": "ü"}, b"{}")
        + encode_message({}, b"")
        + frame(header("n", 4, struct.pack(">i", 7)), b"\x00")
    )
    judge = EventStreamBuffer()
    judge.add_data(data)
    assert [(message.headers, message.payload) for message in read(data)] == [(one.headers, one.payload) for one in judge]


def test_messages_come_whole_for_every_split() -> None:
    data = encode_message({":event-type": "a"}, b'{"x":1}') + encode_message({":event-type": "b"}, b"")
    whole = read(data)
    assert len(whole) == 2
    for at in range(len(data)):
        assert read(data[:at], data[at:]) == whole
    assert read(*(data[at : at + 1] for at in range(len(data)))) == whole


def test_it_is_known_whether_a_message_is_held() -> None:
    splitter = EventStreamSplitter()
    data = encode_message({}, b"x")
    splitter.feed(data[:5])
    assert splitter.is_holding
    splitter.feed(data[5:])
    assert not splitter.is_holding


@pytest.mark.parametrize("at", range(24))
def test_a_flipped_bit_is_noticed_wherever_it_is(at: int) -> None:
    data = bytearray(encode_message({"a": "b"}, b"xyz"))
    data[at] ^= 1
    with pytest.raises(InvalidReply):
        read(bytes(data))


@pytest.mark.parametrize(
    "data",
    [
        frame(b"", total=15),
        frame(header("a", 0), size=4000),
        frame(b"", total=MAX_EVENT_BYTES + 1),
        frame(b"", total=MAX_EVENT_BYTES, size=200_000),
        frame(header("a", 10)),
        frame(header("a", 7, b"\x00\x09x")),
        frame(header("a", 4, b"\x00")),
        frame(header("a", 7, b"\x00\x01\xff")),
        frame(b"\x09a"),
        frame(b"\x01a"),
        b"<!DOCTYPE html><html>",
        b"data: {}\n\n data: {}\n\n",
    ],
)
def test_what_cannot_be_is_refused_as_soon_as_it_is_seen(data: bytes) -> None:
    with pytest.raises(InvalidReply):
        read(data)
