"""A stream of a Responses upstream into events of the form.

Items are told one after the other, each from `output_item.added` to `output_item.done`. What an upstream tells of another item in
between is held back until the open one is done, so that parts never overlap. What is told only when it is whole is read then.
"""

from collections import deque
from collections.abc import Callable
from typing import ClassVar

import msgspec

from anyrouter.wire.failure import read_status_told
from anyrouter.wire.form.events import (
    ArgumentsDelta,
    CitationAdded,
    End,
    Event,
    Failure,
    Finish,
    LogprobsTold,
    ReasoningDelta,
    RefusalDelta,
    SignatureDelta,
    Start,
    TextDelta,
    UsageTold,
)
from anyrouter.wire.form.parts import Reasoning, Refusal, Text, ToolCall
from anyrouter.wire.form.text import EMPTY, unquote
from anyrouter.wire.reply import InvalidReply
from anyrouter.wire.sse import EventSplitter, checked_comment, data_of, feed_checked, split_events
from anyrouter.wire.translation.carried import Carried, is_list, is_string, is_told
from anyrouter.wire.translation.responses.annotations import citation_of, logprobs_of
from anyrouter.wire.translation.responses.reply_decoder import (
    call_of,
    content_of,
    created_of,
    decode_output,
    decode_usage,
    fault_of,
    finish_of,
    parts_of,
)
from anyrouter.wire.translation.responses.shapes import EventShape, FaultShape, ReplyShape, TextDeltaShape, ToldItemShape, ToldPartShape
from anyrouter.wire.translation.responses.thoughts import read_proof
from anyrouter.wire.translation.responses.told_parts import NOWHERE, OpenPart, ToldParts

_decode_delta = msgspec.json.Decoder(TextDeltaShape).decode
_decode_event = msgspec.json.Decoder(EventShape).decode
_decode_item = msgspec.json.Decoder(ToldItemShape).decode
_decode_part = msgspec.json.Decoder(ToldPartShape).decode
_decode_reply = msgspec.json.Decoder(ReplyShape).decode
_decode_fault = msgspec.json.Decoder(FaultShape).decode
_CALLS = frozenset({"function_call", "custom_tool_call"})
_GROWING = _CALLS | {"message", "reasoning"}
_ENDS = frozenset({"response.completed", "response.incomplete"})
_FAILURES = frozenset({"response.failed", "response.cancelled", "error"})
_TEXT_DELTA = b"event: response.output_text.delta\ndata: "
_SUMMARIES = 1_000_000  # places of summaries, which are numbered apart from the content of their item


class ResponsesStreamDecoder:
    """A `StreamDecoder`."""

    __slots__ = ("_is_begun", "_is_filled", "_is_over", "_item", "_parts", "_splitter", "_waiting")

    def __init__(self) -> None:
        self._splitter, self._parts = EventSplitter(), ToldParts()
        self._is_begun = self._is_over = False
        self._is_filled = False  # whether there was any item
        self._item: _OpenItem | None = None
        self._waiting: deque[EventShape] = deque()

    def feed(self, data: bytes) -> list[Event]:
        """The events that are whole now; InvalidReply for what is no stream of this dialect."""
        whole = feed_checked(self._splitter, data)
        if not whole or self._is_over:
            return []
        deltas = self._read_delta(whole)
        if deltas is not None:
            return deltas
        for event in split_events(whole):
            if not self._read(event):
                self._is_over = True
                break
        return self._parts.take()

    def eof(self) -> list[Event]:
        """What an event without its last line end completes."""
        rest = self._splitter.rest()
        if data_of(rest) and not self._is_over:
            self._is_over = not self._read(rest.rstrip(b"\r\n") + b"\n\n")
        return self._parts.take()

    def _read(self, event: bytes) -> bool:
        """Take note of one event; False when nothing can follow it."""
        deltas = self._read_delta(event)
        if deltas is not None:
            self._parts.events += deltas
            return True
        data = data_of(event)
        if not data:
            checked_comment(event)
            return True
        if data.startswith(b"[") and data.strip() == b"[DONE]":
            return True
        shape = _decode_event(data)
        kind = shape.type
        if kind in _FAILURES or (not kind and is_told(shape.error)):
            self._parts.events.append(_failure_of(shape, data))
            return False
        if kind in _ENDS:
            self._end(shape)
            return False
        if not kind:
            raise InvalidReply("an event of the stream has no type")
        self._begin(shape.response)
        self._read_in_order(shape)
        return True

    def _read_delta(self, event: bytes) -> list[Event] | None:
        """The events of an event that is more of the text that is open, which nearly every one is; None for all others."""
        part, item = self._parts.open, self._item
        if part is None or item is None or not event.startswith(_TEXT_DELTA) or event.find(b"\n", len(_TEXT_DELTA)) != len(event) - 2:
            return None
        shape = _decode_delta(event[len(_TEXT_DELTA) : -2])
        delta = shape.delta
        if (
            shape.content_index != part.place
            or shape.output_index != item.index
            or type(part.part) is not Text
            or shape.type != "response.output_text.delta"
            or not is_string(delta)
        ):
            return None
        told: list[Event] = [LogprobsTold(logprobs_of(shape.logprobs))] if shape.logprobs else []
        if delta != EMPTY:
            part.is_empty = False
            told.append(TextDelta(part.number, delta))
        return told

    def _begin(self, response: Carried) -> ReplyShape | None:
        """Take note of a response, the first of which begins the stream."""
        told = _decode_reply(response) if is_told(response) else None
        if not self._is_begun:
            self._is_begun = True
            start = told or ReplyShape()
            event = Start(id=start.id, model=start.model, created_s=created_of(start), service_tier=start.service_tier)
            self._parts.events.append(event)
        return told

    def _end(self, shape: EventShape) -> None:
        told, parts = self._begin(shape.response), self._parts
        if told is None:
            raise InvalidReply("the last event of the stream has no response")
        while self._item is not None or self._waiting:
            self._close_item()
            self._replay()
        if not self._is_filled and is_list(told.output):
            for part in decode_output(told.output)[0]:
                parts.add_whole(part)
        usage, details = decode_usage(told)
        reason, native = finish_of(told, has_calls=parts.is_calling)
        parts.events.append(Finish(reason=reason, native=native))
        if usage is not None:
            parts.events.append(UsageTold(usage, details))
        parts.events.append(End())

    def _read_in_order(self, shape: EventShape) -> None:
        reader = self._READERS.get(shape.type)
        if reader is None:
            return  # of a tool of the upstream's own, or new: its item is read when it is done
        if self._item is not None and shape.output_index != self._item.index:
            self._waiting.append(shape)
            return
        reader(self, shape)
        if self._item is None and self._waiting:
            self._replay()

    def _replay(self) -> None:
        """Read what was held back, up to the next item that is not done."""
        waiting, self._waiting = self._waiting, deque()
        for shape in waiting:
            self._read_in_order(shape)

    def _read_added(self, shape: EventShape) -> None:
        item = _decode_item(shape.item) if is_told(shape.item) else ToldItemShape()
        if item.type in _GROWING:
            self._open_item(shape, item)

    def _open_item(self, shape: EventShape, item: ToldItemShape) -> "_OpenItem":
        self._is_filled = True
        opened = self._item = _OpenItem(shape.output_index, item.id or shape.item_id)
        if item.type in _CALLS:
            self._open_part(opened, NOWHERE, msgspec.structs.replace(call_of(item), arguments=""))
        return opened

    def _open_part(self, item: "_OpenItem", place: int, part: Text | Refusal | Reasoning | ToolCall) -> OpenPart:
        item.is_filled = True
        return self._parts.begin(place, part)

    def _close_item(self) -> None:
        self._parts.close()
        self._item = None

    def _need_part(self, shape: EventShape, part: Text | Refusal) -> OpenPart:
        """The part of a message that an event is about, which begins now if it is not open."""
        opened = self._parts.open
        if opened is not None and opened.place == shape.content_index and type(opened.part) is type(part):
            return opened
        return self._open_part(self._item or self._open_item(shape, ToldItemShape()), shape.content_index, part)

    def _need_thought(self, shape: EventShape, *, is_summary: bool) -> OpenPart:
        """The part of reasoning that an event is about, which begins now if it is not open."""
        place = shape.summary_index + _SUMMARIES if is_summary else shape.content_index
        opened = self._parts.open
        if opened is not None and opened.place == place and isinstance(opened.part, Reasoning):
            return opened
        item = self._item or self._open_item(shape, ToldItemShape())
        return self._open_part(item, place, Reasoning(text=EMPTY, id=item.id, is_summary=is_summary))

    def _need_call(self) -> OpenPart:
        opened = self._parts.open
        if opened is None or not isinstance(opened.part, ToolCall):
            raise InvalidReply("arguments came for a tool call that was not told")
        return opened

    def _read_text(self, shape: EventShape) -> None:
        part = self._need_part(shape, _TEXT)
        if shape.logprobs:
            self._parts.events.append(LogprobsTold(logprobs_of(shape.logprobs)))
        self._parts.grow(part, shape.delta, TextDelta)

    def _read_refusal(self, shape: EventShape) -> None:
        self._parts.grow(self._need_part(shape, _REFUSAL), shape.delta, RefusalDelta)

    def _read_summary(self, shape: EventShape) -> None:
        self._parts.grow(self._need_thought(shape, is_summary=True), shape.delta, ReasoningDelta)

    def _read_thought(self, shape: EventShape) -> None:
        self._parts.grow(self._need_thought(shape, is_summary=False), shape.delta, ReasoningDelta)

    def _read_arguments(self, shape: EventShape) -> None:
        self._parts.grow(self._need_call(), shape.delta, ArgumentsDelta)

    # What is told whole is news only where there were no deltas.

    def _read_whole_text(self, shape: EventShape) -> None:
        part = self._need_part(shape, _TEXT)
        if part.is_empty:
            self._parts.grow(part, shape.text, TextDelta)

    def _read_whole_refusal(self, shape: EventShape) -> None:
        part = self._need_part(shape, _REFUSAL)
        if part.is_empty:
            self._parts.grow(part, shape.refusal, RefusalDelta)

    def _read_whole_summary(self, shape: EventShape) -> None:
        part = self._need_thought(shape, is_summary=True)
        if part.is_empty:
            self._parts.grow(part, shape.text, ReasoningDelta)

    def _read_whole_thought(self, shape: EventShape) -> None:
        part = self._need_thought(shape, is_summary=False)
        if part.is_empty:
            self._parts.grow(part, shape.text, ReasoningDelta)

    def _read_whole_arguments(self, shape: EventShape) -> None:
        part = self._need_call()
        if part.is_empty:
            self._parts.grow(part, shape.arguments if is_told(shape.arguments) else shape.input, ArgumentsDelta)

    def _read_part_added(self, shape: EventShape) -> None:
        kind = _decode_part(shape.part).type if is_told(shape.part) else ""
        if kind == "output_text":
            self._need_part(shape, _TEXT)
        elif kind == "refusal":
            self._need_part(shape, _REFUSAL)
        elif kind == "reasoning_text":
            self._need_thought(shape, is_summary=False)

    def _read_summary_added(self, shape: EventShape) -> None:
        self._need_thought(shape, is_summary=True)

    def _read_part_done(self, shape: EventShape) -> None:
        part = self._parts.open
        if part is None or not is_told(shape.part) or isinstance(part.part, Reasoning | ToolCall):
            return  # reasoning stays open: the item's end may bring its proof
        self._parts.cite(part, _decode_part(shape.part))
        self._parts.close()

    def _read_annotation(self, shape: EventShape) -> None:
        if is_told(shape.annotation):
            part = self._need_part(shape, _TEXT)
            part.citations += 1
            self._parts.events.append(CitationAdded(part.number, citation_of(shape.annotation)))

    def _read_done(self, shape: EventShape) -> None:
        if not is_told(shape.item):
            self._close_item()
            return
        item = _decode_item(shape.item)
        if item.type in _GROWING:
            opened = self._item or self._open_item(shape, item)
            if opened.is_filled:
                self._complete(item)
            else:
                for part in parts_of(item, shape.item):
                    self._parts.add_whole(part)
            self._close_item()
            return
        self._is_filled = True
        for part in parts_of(item, shape.item):
            self._parts.add_whole(part)

    def _complete(self, item: ToldItemShape) -> None:
        """What an item's end tells that nothing before has told."""
        part = self._parts.open
        if part is None:
            return
        if item.type == "reasoning":
            proof = read_proof(item.encrypted_content)
            if proof is not None:
                signature, encrypted = (None, proof.text) if proof.is_own else (proof.text, None)
                origin = item.id if proof.is_own else proof.id
                self._parts.events.append(SignatureDelta(part.number, signature, encrypted, proof.format, origin))
        elif item.type == "message":
            shapes = content_of(item)
            if part.place < len(shapes):
                self._parts.cite(part, shapes[part.place])
        elif part.is_empty:
            self._parts.grow(part, item.arguments if item.type == "function_call" else item.input, ArgumentsDelta)

    _READERS: ClassVar[dict[str, Callable[["ResponsesStreamDecoder", EventShape], None]]] = {
        "response.output_item.added": _read_added,
        "response.content_part.added": _read_part_added,
        "response.output_text.delta": _read_text,
        "response.output_text.done": _read_whole_text,
        "response.output_text.annotation.added": _read_annotation,
        "response.refusal.delta": _read_refusal,
        "response.refusal.done": _read_whole_refusal,
        "response.content_part.done": _read_part_done,
        "response.function_call_arguments.delta": _read_arguments,
        "response.function_call_arguments.done": _read_whole_arguments,
        "response.custom_tool_call_input.delta": _read_arguments,
        "response.custom_tool_call_input.done": _read_whole_arguments,
        "response.reasoning_summary_part.added": _read_summary_added,
        "response.reasoning_summary_text.delta": _read_summary,
        "response.reasoning_summary_text.done": _read_whole_summary,
        "response.reasoning_text.delta": _read_thought,
        "response.reasoning_text.done": _read_whole_thought,
        "response.output_item.done": _read_done,
    }


_TEXT, _REFUSAL = Text(EMPTY), Refusal(EMPTY)


class _OpenItem:
    """An item that is not done. `is_filled`: parts of it have been told."""

    __slots__ = ("id", "index", "is_filled")

    def __init__(self, index: int, item_id: str | None) -> None:
        self.index, self.id, self.is_filled = index, item_id, False


def _failure_of(shape: EventShape, data: bytes) -> Failure:
    """What a failure's event says: an error stands in it, in its response, or it is the error itself."""
    error = FaultShape(message=shape.message, code=shape.code) if shape.message is not None else None
    if is_string(shape.error):
        error = FaultShape(message=unquote(shape.error))
    elif is_told(shape.error):
        error = _decode_fault(shape.error)
    elif error is None and is_told(shape.response):
        error = _decode_reply(shape.response).error
    message, code = fault_of(error)
    return Failure(message=message, code=code, status=read_status_told(data))
