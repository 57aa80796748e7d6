import pytest

from anyrouter.wire import sse
from anyrouter.wire.sse import EventSplitter, EventTooLarge, data_of, split_events


def test_only_whole_events_come_out() -> None:
    splitter = EventSplitter()
    assert splitter.feed(b"data: 1\n\ndata: 2\n") == b"data: 1\n\n"
    assert splitter.feed(b"\ndata: 3") == b"data: 2\n\n"
    assert splitter.feed(b"") == b""
    assert splitter.rest() == b"data: 3"
    assert splitter.rest() == b""


@pytest.mark.parametrize("border", [b"\n\n", b"\r\n\r\n"])
def test_a_border_may_be_cut_anywhere(border: bytes) -> None:
    text = b"data: 1" + border + b"data: 2" + border
    for at in range(len(text) + 1):
        splitter = EventSplitter()
        pieces = [splitter.feed(text[:at]), splitter.feed(text[at:])]
        assert b"".join(pieces) == text, at
        assert all(not piece or piece.endswith(border) for piece in pieces), at


def test_events_are_cut_with_their_borders() -> None:
    assert split_events(b"data: 1\n\n: c\r\n\r\ndata: 2\n\n") == [b"data: 1\n\n", b": c\r\n\r\n", b"data: 2\n\n"]
    assert split_events(b"") == []
    assert split_events(b"data: 1\n\nrest") == [b"data: 1\n\n", b"rest"]


@pytest.mark.parametrize(
    ("event", "data"),
    [
        (b"data: x\n\n", b"x"),
        (b"data:x\n\n", b"x"),
        (b"data:  x\n\n", b" x"),
        (b"data: x\r\n\r\n", b"x"),
        (b"event: message\nid: 7\ndata: x\nretry: 3\n\n", b"x"),
        (b"data: x\ndata: y\n\n", b"x\ny"),
        (b": data: x\n\n", b""),
        (b"database: x\n\n", b""),
        (b" data: x\n\n", b""),
        (b"data:\n\n", b""),
        (b"\n\n", b""),
    ],
)
def test_the_data_of_an_event(event: bytes, data: bytes) -> None:
    assert data_of(event) == data


def test_a_large_event_is_held_until_its_end_and_one_without_end_is_refused() -> None:
    splitter = EventSplitter()
    part = b"x" * (1024 * 1024)
    assert splitter.feed(b"data: " + part) == b""
    assert splitter.feed(part + b"\n\n") == b"data: " + part + part + b"\n\n"
    for _ in range(sse.MAX_EVENT_BYTES // len(part)):
        splitter.feed(part)
    with pytest.raises(EventTooLarge):
        splitter.feed(b"x")
