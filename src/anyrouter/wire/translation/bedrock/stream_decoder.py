"""A stream of a ConverseStream upstream into events of the form.

`messageStart`, the blocks one after the other, `messageStop`, `metadata` with the usage, which ends it. An exception in place of an
event ends it too.
"""

from collections.abc import Callable
from typing import ClassVar

import msgspec

from anyrouter.wire.form.events import End, Event, Failure, Finish, Start, TextDelta, UsageTold
from anyrouter.wire.form.text import EMPTY
from anyrouter.wire.reply import InvalidReply
from anyrouter.wire.translation.bedrock.event_stream import EventMessage, EventStreamSplitter
from anyrouter.wire.translation.bedrock.reply_decoder import details_of, finish_of, stop_sequence_of, usage_of
from anyrouter.wire.translation.bedrock.reply_shapes import (
    BlockDeltaShape,
    BlockStartShape,
    BlockStopShape,
    ErrorShape,
    MetadataShape,
    StopShape,
)
from anyrouter.wire.translation.bedrock.stream_block import Block
from anyrouter.wire.translation.carried import is_string
from anyrouter.wire.utf8 import check_utf8

_DELTA, _BLOCK_START = msgspec.json.Decoder(BlockDeltaShape), msgspec.json.Decoder(BlockStartShape)
_BLOCK_STOP, _STOP, _METADATA = msgspec.json.Decoder(BlockStopShape), msgspec.json.Decoder(StopShape), msgspec.json.Decoder(MetadataShape)
_ERROR = msgspec.json.Decoder(ErrorShape)
_STATUSES = {
    "validationException": 400,
    "modelStreamErrorException": 424,
    "throttlingException": 429,
    "internalServerException": 500,
    "serviceUnavailableException": 503,
}


class BedrockStreamDecoder:
    """A `StreamDecoder`."""

    __slots__ = ("_block", "_calls", "_is_begun", "_is_finished", "_is_over", "_next", "_splitter")

    def __init__(self) -> None:
        self._splitter = EventStreamSplitter()
        self._block: Block | None = None
        self._next = self._calls = 0  # parts and calls so far
        self._is_begun = self._is_finished = self._is_over = False

    def feed(self, data: bytes) -> list[Event]:
        """The events that are whole now; InvalidReply for what is no stream of this dialect."""
        events: list[Event] = []
        for message in self._splitter.feed(data):
            if self._is_over:
                break
            self._read(message, events)
        return events

    def eof(self) -> list[Event]:
        """The end, when the answer is whole and only the usage is missing."""
        if self._is_over or not self._is_finished or self._splitter.is_holding:
            return []
        self._is_over = True
        return [End()]

    def _read(self, message: EventMessage, events: list[Event]) -> None:
        payload = message.payload
        if not payload.isascii():
            _check(payload)
        headers = message.headers
        kind = headers.get(":message-type", "event")
        if kind != "event":
            self._is_over = True
            events.append(_failure_of(message))
            return
        name = headers.get(":event-type")
        reader = self._READERS.get(name) if isinstance(name, str) else None
        if reader is None:
            return  # an event that came into being later
        if not self._is_begun:
            self._is_begun = True
            events.append(Start())
        reader(self, payload, events)

    def _read_delta(self, payload: bytes, events: list[Event]) -> None:
        told = _DELTA.decode(payload)
        block, text = self._block, told.delta.text
        if block is not None and block.is_text and block.index == told.content_block_index and is_string(text):  # nearly every event
            if text != EMPTY:
                events.append(TextDelta(block.part, text))
            return
        block = self._open(told.content_block_index, events)
        block.take(told.delta, self._next, events)
        self._count(block)

    def _read_block_start(self, payload: bytes, events: list[Event]) -> None:
        told = _BLOCK_START.decode(payload)
        block = self._open(told.content_block_index, events)
        if told.start is not None:
            block.start(told.start, self._next, events)
            self._count(block)

    def _read_block_stop(self, payload: bytes, events: list[Event]) -> None:
        told = _BLOCK_STOP.decode(payload)
        if self._block is not None and self._block.index == told.content_block_index:
            self._close(events)

    def _read_stop(self, payload: bytes, events: list[Event]) -> None:
        told = _STOP.decode(payload)
        self._close(events)
        if self._is_finished:
            raise InvalidReply("the stream stops twice")
        self._is_finished = True
        reason = finish_of(told.stop_reason, has_calls=self._calls > 0)
        stop_sequence = stop_sequence_of(told.additional_model_response_fields)
        events.append(Finish(reason=reason, native=told.stop_reason, stop_sequence=stop_sequence))

    def _read_metadata(self, payload: bytes, events: list[Event]) -> None:
        told = _METADATA.decode(payload)
        if told.usage is not None:
            events.append(UsageTold(usage_of(told.usage), details_of(told.usage), is_final=self._is_finished))
        if self._is_finished:
            self._is_over = True
            events.append(End())

    def _pass_over(self, _payload: bytes, _events: list[Event]) -> None:
        """`messageStart` says whose the answer is, which is known."""

    def _open(self, index: int, events: list[Event]) -> Block:
        """The block of this number, which begins now unless it is open. It ends one whose end was not told."""
        if self._is_finished:
            raise InvalidReply("the stream goes on after its stop")
        if self._block is not None and self._block.index == index:
            return self._block
        self._close(events)
        self._block = Block(index)
        return self._block

    def _close(self, events: list[Event]) -> None:
        if self._block is not None:
            block, self._block = self._block, None
            block.stop(self._next, events)
            self._count(block)

    def _count(self, block: Block) -> None:
        """Take note of a part that has begun."""
        if block.part == self._next:
            self._next += 1
            self._calls += block.is_call

    _READERS: ClassVar[dict[str, Callable[..., None]]] = {
        "messageStart": _pass_over,
        "contentBlockStart": _read_block_start,
        "contentBlockDelta": _read_delta,
        "contentBlockStop": _read_block_stop,
        "messageStop": _read_stop,
        "metadata": _read_metadata,
    }


def _check(payload: bytes) -> None:
    try:
        check_utf8(payload)
    except UnicodeDecodeError:
        raise InvalidReply("an event of the stream is not UTF-8") from None


def _failure_of(message: EventMessage) -> Failure:
    """What an exception says (a kind that the service models) or an error (one that it does not)."""
    headers = message.headers
    code = headers.get(":exception-type") or headers.get(":error-code")
    text = headers.get(":error-message")
    status = _STATUSES.get(code) if isinstance(code, str) else None
    try:
        told = _ERROR.decode(message.payload)
        text = told.message or told.original_message or text
        status = told.original_status_code or status
    except (ValueError, msgspec.DecodeError, RecursionError):
        pass  # an error's payload is empty
    return Failure(
        message=text if isinstance(text, str) else "it reported an error inside of the stream",
        code=code if isinstance(code, str) else None,
        status=status,
    )
