"""Events of the form as a client of Responses gets them.

    response.created  response.in_progress  ( output_item.added  texts…  output_item.done )*  response.completed | incomplete | failed

An item ends when a part comes that is none of its, or the generation does: only then it is known whether it is whole. A delta's event is
put together from bytes that are made once for its text; only what is rare is encoded.
"""

from collections.abc import Callable, Sequence
from typing import Any, ClassVar

import msgspec
from msgspec import Raw
from msgspec.structs import replace

from anyrouter.core.errors import Denied
from anyrouter.core.usage import Usage
from anyrouter.wire.failure import error_object
from anyrouter.wire.form.events import (
    ArgumentsDelta,
    AudioDelta,
    CitationAdded,
    Event,
    Finish,
    LogprobsTold,
    PartEnd,
    PartStart,
    ReasoningDelta,
    RefusalDelta,
    SignatureDelta,
    Start,
    TextDelta,
    UsageTold,
)
from anyrouter.wire.form.parts import Citation, Part, Reasoning, Text, ToolCall
from anyrouter.wire.form.reasoning import GEMINI_FORMAT
from anyrouter.wire.form.reply import FinishReason, UsageDetails
from anyrouter.wire.form.text import EMPTY, unquote
from anyrouter.wire.reply import CostFields
from anyrouter.wire.translation.codec import ReplyContext
from anyrouter.wire.translation.responses.annotations import encode_citation, encode_logprobs
from anyrouter.wire.translation.responses.content_events import NO_LOGPROBS, Members, delta_template, done, opened
from anyrouter.wire.translation.responses.output_items import (
    CALL,
    COMPLETED,
    IMAGE,
    IN_PROGRESS,
    INCOMPLETE,
    OUTPUT_TEXT,
    THOUGHT,
    Content,
    Item,
    ItemSequence,
    literal_of,
    owed_after,
    owed_before,
)
from anyrouter.wire.translation.responses.reply_encoder import is_hidden
from anyrouter.wire.translation.responses.response_object import INCOMPLETE as CUT
from anyrouter.wire.translation.responses.response_object import ResponseObject, render_fault, render_usage
from anyrouter.wire.translation.responses.thoughts import slot_of

_encode = msgspec.json.Encoder().encode
_Delta = TextDelta | RefusalDelta | ReasoningDelta | ArgumentsDelta


class ResponsesStreamEncoder:
    """A `StreamEncoder`. Candidates but the first are passed over: the dialect has one answer."""

    __slots__ = (
        "_call_id",
        "_content",
        "_details",
        "_finished",
        "_is_begun",
        "_is_hidden",
        "_items",
        "_logprobs",
        "_open",
        "_output",
        "_owed",
        "_part",
        "_response",
        "_sequence",
        "_template",
    )

    def __init__(self, context: ReplyContext) -> None:
        self._response, self._items = ResponseObject(context), ItemSequence(context)
        self._is_hidden, self._is_begun = is_hidden(context), False
        self._sequence = 0
        self._output: list[bytes] = []  # the items that are done
        self._open: Item | None = None
        self._part: Part | None = None  # the part that is open, if the client sees it
        self._call_id = ""  # of the call that is open
        self._content: Content | None = None
        self._template = b""  # of its deltas
        self._owed: list[Reasoning] = []  # what follows the open item
        self._logprobs: list[bytes] = []  # of the delta to come
        self._finished: FinishReason | None = None
        self._details: UsageDetails | None = None

    def encode(self, events: Sequence[Event]) -> bytes:
        """The events."""
        if len(events) == 1 and type(event := events[0]) is TextDelta:  # nearly every time
            return self._write_delta(event)
        return b"".join([self._WRITERS[type(event)](self, event) for event in events])

    def end(self, usage: Usage, cost: CostFields) -> bytes:
        """The response as it is in the end."""
        out = self._begin() + self._close(COMPLETED)
        output = b",".join(self._output)
        status, response = self._response.render_end(self._finished, output, render_usage(usage, self._details, cost))
        return out + self._event(b"response." + status, b'"response":%s' % response)

    def fail(self, denied: Denied, request_id: str) -> bytes:
        """An `error`, and, if the client knows of the response, that it failed: so OpenAI ends a stream (recorded ones of 2025).

        The error stands twice in its event: where OpenAI sends it, which makes its SDKs raise, and where it documents it.
        """
        told = error_object(denied, request_id)
        flat = b",".join([b'"%s":%s' % (name.encode(), _encode(told[name])) for name in ("code", "message", "param")])
        out = self._event(b"error", b'%s,"error":%s' % (flat, _encode(told)))
        if not self._is_begun:
            return out
        code = "rate_limit_exceeded" if denied.http_status == 429 else "server_error"  # noqa: PLR2004 -- Too Many Requests
        response = self._response.render(b"failed", b",".join(self._output), error=render_fault(code, denied.message))
        return out + self._event(b"response.failed", b'"response":%s' % response)

    def _event(self, name: bytes, before: bytes, after: bytes = b"") -> bytes:
        number = self._sequence
        self._sequence = number + 1
        return b'event: %s\ndata: {"type":"%s",%s,"sequence_number":%d%s}\n\n' % (name, name, before, number, after)

    def _events(self, events: list[Members]) -> bytes:
        return b"".join([self._event(*event) for event in events])

    def _begin(self) -> bytes:
        """The first two events, unless they are written."""
        if self._is_begun:
            return b""
        self._is_begun = True
        response = b'"response":%s' % self._response.render(IN_PROGRESS)
        return self._event(b"response.created", response) + self._event(b"response.in_progress", response)

    def _write_start(self, event: Start) -> bytes:
        self._response.take_start(event.created_s, event.service_tier)
        return b""

    def _write_delta(self, event: _Delta) -> bytes:
        content = self._content
        if content is None or event.candidate:
            return self._write_late_thought(event)
        literal = bytes(event.text)
        content.pieces.append(literal)
        if content.is_wrapped:
            return b""
        template = self._template
        if self._logprobs and content.kind == OUTPUT_TEXT:
            told = b'"logprobs":[%s]' % b",".join(self._logprobs)
            content.logprobs += self._logprobs
            self._logprobs = []
            template = template.replace(NO_LOGPROBS, told.replace(b"%", b"%%"), 1)
        number = self._sequence
        self._sequence = number + 1
        return template % (literal, number)

    def _write_late_thought(self, event: _Delta) -> bytes:
        """Text of reasoning that began without one."""
        part, item = self._part, self._open
        if event.candidate or type(event) is not ReasoningDelta or item is None or not isinstance(part, Reasoning):
            return b""
        self._part = item.last = replace(part, text=EMPTY)
        return self._open_content(item, item.open(THOUGHT)) + self._write_delta(event)

    def _write_part(self, event: PartStart) -> bytes:
        if event.candidate:
            return b""
        part, out = event.part, self._begin()
        self._part = self._content = None
        if isinstance(part, Reasoning) and self._is_hidden:
            return out
        out += self._pay() if self._owed else b""
        before = owed_before(part, self._items)
        if before is not None:
            self._call_id = before.id or ""
            out += self._add_whole(before)
        elif isinstance(part, ToolCall):
            self._call_id = self._items.call_id_of(part)
        start = self._items.start(part, self._open)
        if start is None:
            return out
        if start.is_new:
            out += self._add(start.item)
        self._part = part
        if start.content is not None:
            out += self._open_content(start.item, start.content)
            out += self._fill(part)
        after = owed_after(part)
        if after is not None:
            self._owed.append(after)
        return out

    def _fill(self, part: Part) -> bytes:
        """What a part brings when it begins."""
        literal = literal_of(part)
        out = b"" if literal is None else self._write_delta(TextDelta(0, literal))
        if isinstance(part, Text):
            for citation in part.citations:
                out += self._annotate(citation)
        return out

    def _add(self, item: Item) -> bytes:
        """The end of the open item, and the beginning of another one."""
        out = self._close_item(COMPLETED)
        self._open = item
        where = b'"item":%s,"output_index":%d' % (item.render(IN_PROGRESS), item.index)
        out += self._event(b"response.output_item.added", where)
        if item.kind == IMAGE:
            out += self._event(b"response.image_generation_call.in_progress", b'"item_id":%s,"output_index":%d' % (item.id, item.index))
        return out

    def _add_whole(self, part: Reasoning) -> bytes:
        """An item for reasoning without a text."""
        start = self._items.start(part, self._open)
        return b"" if start is None else self._add(start.item) + self._close_item(COMPLETED)

    def _pay(self) -> bytes:
        """The open item's end, and what has to follow it."""
        owed, self._owed = self._owed, []
        return self._close_item(COMPLETED) + b"".join([self._add_whole(part) for part in owed])

    def _open_content(self, item: Item, content: Content) -> bytes:
        self._content, self._template = content, delta_template(item, content)
        return self._events(opened(item, content))

    def _close_content(self) -> bytes:
        content, item, out = self._content, self._open, b""
        if content is None or item is None:
            return b""
        if content.kind == CALL and content.is_empty:  # a tool without arguments: clients parse what they collected, and nothing is no JSON
            out = self._write_delta(ArgumentsDelta(0, Raw(b'"{}"')))
        elif content.is_wrapped:
            text = content.unwrap()
            out = b"" if text == EMPTY else self._write_delta(ArgumentsDelta(0, text))
        if content.kind == OUTPUT_TEXT:
            content.logprobs += self._logprobs
            self._logprobs = []
        self._content = None
        return out + self._events(done(item, content))

    def _close_item(self, status: bytes) -> bytes:
        item = self._open
        if item is None:
            return b""
        out = self._close_content()
        self._open = None
        if item.kind == IMAGE:
            out += self._event(b"response.image_generation_call.completed", b'"item_id":%s,"output_index":%d' % (item.id, item.index))
        rendered = item.render(status)
        self._output.append(rendered)
        return out + self._event(b"response.output_item.done", b'"item":%s,"output_index":%d' % (rendered, item.index))

    def _close(self, status: bytes) -> bytes:
        """The end of all items."""
        out = self._close_item(status)
        self._part = None
        return out + (self._pay() if self._owed else b"")

    def _write_signature(self, event: SignatureDelta) -> bytes:
        part, item = self._part, self._open
        if event.candidate or item is None:
            return b""
        if isinstance(part, Reasoning):
            told = replace(
                part,
                signature=event.signature or part.signature,
                encrypted=event.encrypted or part.encrypted,
                format=event.format or part.format,
                id=event.id or part.id,
            )
            self._part = item.last = told
            item.proof = slot_of(told) or item.proof
            after = owed_after(told) if event.encrypted is not None else None
            if after is not None:
                self._owed.append(after)
        elif event.signature is not None and isinstance(part, ToolCall | Text):
            call_id = self._call_id if isinstance(part, ToolCall) else None
            self._owed.append(Reasoning(encrypted=event.signature, id=call_id, format=GEMINI_FORMAT))
        return b""

    def _write_audio(self, event: AudioDelta) -> bytes:
        """What is said, as text: the dialect's items hold no sound."""
        if event.transcript is None or event.candidate:
            return b""
        return self._write_delta(TextDelta(event.index, event.transcript))

    def _write_citation(self, event: CitationAdded) -> bytes:
        return b"" if event.candidate else self._annotate(event.citation)

    def _annotate(self, citation: Citation) -> bytes:
        content, item = self._content, self._open
        if content is None or item is None or content.kind != OUTPUT_TEXT:
            return b""
        size = len(unquote(Raw(content.text))) if citation.text_end is None else 0
        annotation = encode_citation(citation, size)
        if annotation is None:
            return b""
        content.annotations.append(annotation)
        number = len(content.annotations) - 1
        told = (annotation, number, content.number, item.id, item.index)
        return self._event(
            b"response.output_text.annotation.added",
            b'"annotation":%s,"annotation_index":%d,"content_index":%d,"item_id":%s,"output_index":%d' % told,
        )

    def _keep_logprobs(self, event: LogprobsTold) -> bytes:
        if not event.candidate and not event.is_refusal:
            self._logprobs += encode_logprobs(event.logprobs)
        return b""

    def _end_part(self, event: PartEnd) -> bytes:
        return b"" if event.candidate else self._close_content()

    def _write_finish(self, event: Finish) -> bytes:
        if event.candidate:
            return b""
        self._finished = event.reason
        return self._begin() + self._close(INCOMPLETE if event.reason in CUT else COMPLETED)

    def _keep_usage(self, event: UsageTold) -> bytes:
        self._details = event.details or self._details
        return b""

    _WRITERS: ClassVar[dict[type, Callable[[Any, Any], bytes]]] = {
        Start: _write_start,
        PartStart: _write_part,
        TextDelta: _write_delta,
        RefusalDelta: _write_delta,
        ReasoningDelta: _write_delta,
        ArgumentsDelta: _write_delta,
        SignatureDelta: _write_signature,
        AudioDelta: _write_audio,
        CitationAdded: _write_citation,
        LogprobsTold: _keep_logprobs,
        PartEnd: _end_part,
        Finish: _write_finish,
        UsageTold: _keep_usage,
    }
