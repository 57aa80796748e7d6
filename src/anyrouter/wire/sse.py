"""Server-sent events as bytes: where they end (WHATWG HTML, section 9.2). Lines end in LF or CRLF; no provider uses CR alone."""

import re

from anyrouter.wire.reply import InvalidReply
from anyrouter.wire.utf8 import check_utf8

_BORDER = re.compile(rb"\n\r?\n")
MAX_EVENT_BYTES = 8 * 1024 * 1024


class EventTooLarge(ValueError):
    """An event did not end within the bound."""


class EventSplitter:
    """Cuts a stream into whole events. Holds at most one event that is not whole yet."""

    __slots__ = ("_tail",)

    def __init__(self) -> None:
        self._tail = b""

    @property
    def is_holding(self) -> bool:
        """Whether an event has begun and not ended."""
        return bool(self._tail)

    def feed(self, data: bytes) -> bytes:
        """The whole events that are there now, as one piece that ends at an event's border; may be empty."""
        if self._tail:
            data = self._tail + data
            self._tail = b""
        if data.endswith(b"\n\n"):
            return data
        cut = _last_border(data)
        self._tail = data[cut:]
        if len(self._tail) > MAX_EVENT_BYTES:
            raise EventTooLarge
        return data[:cut]

    def rest(self) -> bytes:
        """What is held at the stream's end: an event that was never finished, or nothing."""
        tail, self._tail = self._tail, b""
        return tail


def split_events(data: bytes) -> list[bytes]:
    """The events of a piece that ends at a border, each with its border."""
    events, at = [], 0
    for border in _BORDER.finditer(data):
        events.append(data[at : border.end()])
        at = border.end()
    if at < len(data):
        events.append(data[at:])
    return events


def data_of(event: bytes) -> bytes:
    """An event's data: its `data:` lines, joined by newlines. Empty for a comment."""
    lines = [line[6:] if line.startswith(b"data: ") else line[5:] for line in event.splitlines() if line.startswith(b"data:")]
    return b"\n".join(lines)


def feed_checked(splitter: EventSplitter, data: bytes) -> bytes:
    """`EventSplitter.feed`, with InvalidReply for events that are too large or not UTF-8."""
    try:
        whole = splitter.feed(data)
        check_utf8(whole)
    except EventTooLarge:
        raise InvalidReply("an event of the stream is too large") from None
    except UnicodeDecodeError:
        raise InvalidReply("an event of the stream is not UTF-8") from None
    return whole


def checked_comment(event: bytes) -> bytes:
    """An event without data, if that is what it is: comments, or fields that carry none. InvalidReply otherwise."""
    if all(not line or line.startswith((b":", b"event:", b"id:", b"retry:")) for line in event.splitlines()):
        return event
    raise InvalidReply("the stream holds what is no event")


def _last_border(data: bytes) -> int:
    last = 0
    for border in _BORDER.finditer(data):
        last = border.end()
    return last
