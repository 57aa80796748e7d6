import asyncio

from anyrouter.relay.outbox import Outbox


class Wire:
    """What a transport would have sent, in order."""

    def __init__(self, calls: list[tuple[str, object]]) -> None:
        self.calls, self.closing = calls, False

    def write(self, data: bytes) -> None:
        self.calls.append(("write", bytes(data)))

    def writelines(self, parts) -> None:
        self.calls.append(("write", b"".join(parts)))

    def close(self) -> None:
        self.closing = True
        self.calls.append(("close", None))

    def abort(self) -> None:
        self.closing = True
        self.calls.append(("abort", None))

    def write_eof(self) -> None:
        self.calls.append(("eof", None))

    def is_closing(self) -> bool:
        return self.closing

    def get_write_buffer_size(self) -> int:
        return 7


def wires(count: int):
    outbox, calls = Outbox(), []
    return outbox, calls, [outbox.attach(Wire(calls)) for _ in range(count)]


async def test_writes_of_a_turn_are_sent_at_its_end_one_for_each_connection():
    _, calls, (one, other) = wires(2)
    one.write(b"a")
    other.write(b"b")
    one.write(b"c")
    assert calls == []
    assert one.get_write_buffer_size() == 9
    await asyncio.sleep(0)
    assert calls == [("write", b"ac"), ("write", b"b")]
    await asyncio.sleep(0)
    one.write(b"d")
    await asyncio.sleep(0)
    assert calls[2:] == [("write", b"d")]


async def test_nothing_is_overtaken_by_what_is_sent_at_once():
    _, calls, (wire,) = wires(1)
    wire.write(b"a")
    wire.writelines([b"b", b"c"])
    wire.write(b"d")
    wire.write(b"x" * 70_000)
    wire.write(b"e")
    wire.write_eof()
    wire.write(b"f")
    wire.close()
    await asyncio.sleep(0)
    assert calls == [
        ("write", b"a"),
        ("write", b"bc"),
        ("write", b"d"),
        ("write", b"x" * 70_000),
        ("write", b"e"),
        ("eof", None),
        ("write", b"f"),
        ("close", None),
    ]


async def test_an_aborted_connection_sends_nothing_more():
    _, calls, (wire,) = wires(1)
    wire.write(b"a")
    wire.abort()
    await asyncio.sleep(0)
    assert calls == [("abort", None)]


async def test_what_waits_can_be_sent_before_the_end_of_the_turn():
    outbox, calls, (wire,) = wires(1)
    wire.write(b"a")
    outbox.flush()
    assert calls == [("write", b"a")]
    await asyncio.sleep(0)
    assert len(calls) == 1


async def test_pieces_of_any_kind_are_joined_as_they_were_when_they_were_written():
    _, calls, (wire,) = wires(1)
    buffer = bytearray(b"a")
    wire.write(memoryview(buffer))
    wire.write(memoryview(b"b"))
    buffer[0] = 0x78
    await asyncio.sleep(0)
    assert calls == [("write", b"ab")]


async def test_many_small_pieces_of_a_turn_are_sent_in_order_and_copied_a_bounded_number_of_times():
    _, calls, (wire,) = wires(1)
    pieces = [b"%05d" % number * 100 for number in range(200)]
    for piece in pieces:
        wire.write(piece)
    await asyncio.sleep(0)
    assert b"".join(data for _, data in calls) == b"".join(pieces)
    assert max(len(data) for _, data in calls) <= 16_384
