"""A stream of a Messages API upstream into events of the form.

Source: platform.claude.com/docs, "Streaming messages", read 2026-11-24. Blocks never overlap. Blocks that no other dialect has (calls
of server tools and their results) are held until they are whole. Counts in `message_delta` are cumulative.

Most events of a stream differ from the one before in nothing but a piece of text. Such a one teaches what stands before its text; an
event with the same bytes before another string is the same object with another text, and is not parsed.
"""

import re

import msgspec
from msgspec import Raw

from anyrouter.wire.failure import read_failure, read_status_told
from anyrouter.wire.form.events import (
    End,
    Event,
    Failure,
    Finish,
    Start,
    TextDelta,
    UsageTold,
)
from anyrouter.wire.form.reply import FinishReason
from anyrouter.wire.reply import InvalidReply
from anyrouter.wire.sse import EventSplitter, checked_comment, data_of, feed_checked, split_events
from anyrouter.wire.translation.anthropic.reply_decoder import finish_of
from anyrouter.wire.translation.anthropic.shapes import EventShape, KindShape, ToldBlockShape, ToldMessageShape
from anyrouter.wire.translation.anthropic.stream_block import OpenBlock
from anyrouter.wire.translation.anthropic.usage import decode_usage, merge_usage
from anyrouter.wire.translation.carried import is_object

_TEXT = re.compile(rb'"text"\s*:\s*(?=")')
# A string without halves of characters, and the ends of the delta and the event, which the upstream pads with spaces.
_REST = re.compile(
    rb'("(?!")[^"\\\x00-\x1f]*(?:\\(?:["\\/bfnrt]|u(?![dD][89a-fA-F])[0-9a-fA-F]{4})[^"\\\x00-\x1f]*)*") *\} *\} *\n\n',
)
_decode_event = msgspec.json.Decoder(EventShape).decode
_decode_kind = msgspec.json.Decoder(KindShape).decode
_decode_block = msgspec.json.Decoder(ToldBlockShape).decode
_decode_object = msgspec.json.Decoder(dict[str, Raw]).decode
_BLOCKS = frozenset({"content_block_start", "content_block_delta", "content_block_stop"})
_KNOWN = _BLOCKS | {"message_start", "message_delta", "message_stop", "error"}


class AnthropicStreamDecoder:
    """A `StreamDecoder`."""

    __slots__ = ("_before", "_block", "_is_begun", "_is_finished", "_is_over", "_splitter", "_usage")

    def __init__(self) -> None:
        self._splitter, self._block = EventSplitter(), OpenBlock()
        self._is_begun = self._is_finished = self._is_over = False
        self._usage = b"{}"
        self._before = b""  # what stands before the text of an event, while a text is open

    def feed(self, data: bytes) -> list[Event]:
        """The events that are whole now; InvalidReply for what is no stream of this dialect."""
        if self._before and not self._splitter.is_holding:
            text = self._text_of(data)
            if text is not None and _is_utf8(text):
                return [TextDelta(self._block.index, Raw(text))]
        whole = feed_checked(self._splitter, data)
        events: list[Event] = []
        if whole and not self._is_over:
            for event in split_events(whole):
                text = self._text_of(event)
                if text is not None:
                    events.append(TextDelta(self._block.index, Raw(text)))
                elif not self._read(event, events):
                    self._is_over = True
                    break
        return events

    def eof(self) -> list[Event]:
        """The last events. The end mark is made up for when all else was there."""
        events: list[Event] = []
        rest = self._splitter.rest()
        if data_of(rest) and not self._is_over:
            self._is_over = not self._read(rest.rstrip(b"\r\n") + b"\n\n", events)
        if not self._is_over and self._is_finished:
            self._is_over = True
            events.append(End())
        return events

    def _text_of(self, event: bytes) -> bytes | None:
        """The text of an event that differs from the one before in its text alone, else None."""
        before = self._before
        if not before or not event.startswith(before):
            return None
        found = _REST.fullmatch(event, len(before))
        return None if found is None else found[1]

    def _learn(self, event: bytes) -> None:
        found = _TEXT.search(event)
        if found is not None and _REST.fullmatch(event, found.end()):
            self._before = event[: found.end()]

    def _read(self, event: bytes, events: list[Event]) -> bool:
        """Take note of one event; False when nothing can follow it."""
        self._before = b""
        at = event.find(b"\ndata: ")
        data = event[at + 7 : -2] if at >= 0 and event.find(b"\n", at + 1) == len(event) - 2 else data_of(event)
        if not data:
            checked_comment(event)
            return True
        told = _decode(data)
        kind = told.type
        if kind in _BLOCKS:
            if not self._is_begun:
                raise InvalidReply("the stream does not begin with message_start")
            if self._is_finished and kind != "content_block_stop":
                raise InvalidReply("the stream goes on behind its stop reason")
            if told.delta is not None and self._block.add_text(told.delta, events):
                self._learn(event)
            else:
                self._read_block(told, data, events)
            return True
        if kind == "error":
            message, code, _ = read_failure(data)
            message = message or "it reported an error inside of the stream"
            events.append(Failure(message=message, code=code, status=read_status_told(data)))
            return False
        return self._read_message(told, events)

    def _read_block(self, told: EventShape, data: bytes, events: list[Event]) -> None:
        if told.type == "content_block_start":
            self._block.begin(told.content_block, events)
        elif told.type == "content_block_stop":
            self._block.end(events)
        elif told.delta is not None:
            self._block.add(told.delta, data, events)

    def _read_message(self, told: EventShape, events: list[Event]) -> bool:
        kind = told.type
        if kind == "message_start":
            self._begin(told.message or ToldMessageShape(), events)
        elif kind not in _KNOWN:  # a ping, or what is not known yet
            if not kind:
                raise InvalidReply("an event of the stream has no type")
        elif not self._is_begun:
            raise InvalidReply("the stream does not begin with message_start")
        elif kind == "message_delta":
            self._finish(told, events)
        else:
            self._end(events)
            return False
        return True

    def _begin(self, message: ToldMessageShape, events: list[Event]) -> None:
        if self._is_begun:
            raise InvalidReply("the stream begins twice")
        self._is_begun = True
        usage, details, tier = decode_usage(message.usage)
        self._usage = merge_usage(self._usage, message.usage)
        events.append(Start(id=message.id, model=message.model, usage=usage, service_tier=tier))
        if usage is not None and details is not None:
            events.append(UsageTold(usage, details, is_final=False))

    def _finish(self, told: EventShape, events: list[Event]) -> None:
        delta = told.delta
        if delta is not None and delta.stop_reason is not None and not self._is_finished:
            self._block.end(events)
            self._is_finished = True
            events.append(Finish(reason=finish_of(delta.stop_reason), native=delta.stop_reason, stop_sequence=delta.stop_sequence))
        if is_object(told.usage):
            self._usage = merge_usage(self._usage, told.usage)
            usage, details, _ = decode_usage(Raw(self._usage))
            if usage is not None:
                events.append(UsageTold(usage, details, self._is_finished))

    def _end(self, events: list[Event]) -> None:
        self._block.end(events)
        if not self._is_finished:
            self._is_finished = True
            events.append(Finish(reason=FinishReason.STOP))
        events.append(End())


def _is_utf8(text: bytes) -> bool:
    if text.isascii():
        return True
    try:
        text.decode()
    except UnicodeDecodeError:
        return False
    return True


def _decode(data: bytes) -> EventShape:
    """An event's data. Of a kind that is not known here nothing but the kind is read."""
    try:
        return _decode_event(data)
    except (ValueError, msgspec.DecodeError, RecursionError):
        pass
    try:
        kind = _decode_kind(data).type
    except (ValueError, msgspec.DecodeError, RecursionError):
        raise InvalidReply("an event of the stream is not a JSON object") from None
    if kind in _KNOWN and kind != "error":
        raise InvalidReply(f"a {kind} of the stream cannot be read")
    return EventShape(type=kind or "")
