"""A Gemini stream as one JSON array, for clients that did not ask for events (`alt=sse`): the same responses, one after the other.

Source: ai.google.dev/api/generate-content and google.aip.dev/127 (read 2026-11-24).
"""

from anyrouter.core.errors import Denied
from anyrouter.core.usage import Usage
from anyrouter.wire.failure import render_gemini_failure
from anyrouter.wire.gemini_stream import GeminiStream
from anyrouter.wire.reply import ReplyFacts, StreamRewriter
from anyrouter.wire.sse import data_of, split_events
from anyrouter.wire.translation.stream import TranslatedStream

ARRAY_TYPE = b"application/json; charset=UTF-8"
ARRAY_KEEP_ALIVE = b"\r\n"  # what may stand between any two items, where a comment may not
_END = b"\n]\n"


class ArrayStream:
    """A `StreamRewriter` around one whose client's stream is Gemini's events. Comments have no place in an array and are left out."""

    def __init__(self, events: StreamRewriter) -> None:
        self._events, self._is_open = events, False
        self.is_done, self.is_begun = events.is_done, events.is_begun
        self.failure = events.failure

    @property
    def facts(self) -> ReplyFacts:
        """What has been read off so far."""
        return self._events.facts

    def feed(self, data: bytes) -> bytes:
        """The items that are whole; InvalidReply as the events' own rewriter."""
        return self._convert(self._events.feed(data))

    def eof(self) -> bytes:
        """The last items and the array's end, if the stream is done."""
        out = self._convert(self._events.eof())
        if not self.is_done:
            return out
        return out + (_END if self._is_open else b"[]\n")

    def usage(self) -> Usage:
        """What was used so far."""
        return self._events.usage()

    def fail(self, denied: Denied, request_id: str) -> bytes:
        """The error as the last item, and the array's end."""
        events = self._events
        told = (
            events.fail(denied, request_id)
            if isinstance(events, GeminiStream | TranslatedStream)
            else render_gemini_failure(denied, request_id)
        )
        return self._convert(told) + _END

    def _convert(self, events: bytes) -> bytes:
        out: list[bytes] = []
        for event in split_events(events):
            data = data_of(event)
            if data:
                out += (b",\r\n" if self._is_open else b"[", data)
                self._is_open = True
        told = self._events
        self.is_done, self.is_begun, self.failure = told.is_done, told.is_begun, told.failure
        return b"".join(out)
