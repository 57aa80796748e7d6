"""Events of the form as a client of the Messages API gets them.

A delta is put together from bytes that are made once for a block. A block begins when there is something in it to tell: the API has
no empty text, and a thinking block may turn out to be a redacted one. Its signature stands right before its end.
"""

from collections.abc import Callable, Sequence
from typing import Any, ClassVar

import msgspec

from anyrouter.core.errors import Denied
from anyrouter.core.usage import Usage
from anyrouter.wire.anthropic import NAME
from anyrouter.wire.failure import render_stream_failure
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
from anyrouter.wire.form.parts import Audio, Opaque, Part, Reasoning, Refusal, Text, ToolCall, make_call_id
from anyrouter.wire.form.reasoning import UNPROVED
from anyrouter.wire.form.reply import FinishReason, UsageDetails
from anyrouter.wire.form.text import EMPTY, JsonText, quote
from anyrouter.wire.reply import CostFields
from anyrouter.wire.translation.anthropic.citations import encode_citation
from anyrouter.wire.translation.anthropic.reply_encoder import begin_message, is_hidden, stop_reason_of
from anyrouter.wire.translation.anthropic.shapes import Wire
from anyrouter.wire.translation.anthropic.thoughts import proof_of, redacted_block, signature_block
from anyrouter.wire.translation.anthropic.usage import encode_usage
from anyrouter.wire.translation.codec import ReplyContext

_encode = msgspec.json.Encoder().encode
_STOP = b'event: message_stop\ndata: {"type":"message_stop"}\n\n'
_NO_USAGE = Usage()


def _event(kind: bytes, members: bytes) -> bytes:
    return b'event: %s\ndata: {"type":"%s",%s}\n\n' % (kind, kind, members)


class AnthropicStreamEncoder:
    """A `StreamEncoder` of the first candidate: the API has no others."""

    __slots__ = (
        "_calls",
        "_context",
        "_details",
        "_finish",
        "_is_begun",
        "_is_hidden",
        "_is_refusal",
        "_part",
        "_prefix",
        "_start",
        "_written",
    )

    def __init__(self, context: ReplyContext) -> None:
        self._context, self._is_hidden = context, is_hidden(context)
        self._start, self._finish = Start(), Finish(reason=FinishReason.STOP)
        self._details: UsageDetails | None = None
        self._is_begun = self._is_refusal = False
        self._calls = self._written = 0  # tool calls, and blocks that have begun
        self._part: _Open | None = None
        self._prefix = b""  # of a text delta of the block that is open; empty when none is

    def encode(self, events: Sequence[Event]) -> bytes:
        """The client's events."""
        if len(events) == 1 and type(event := events[0]) is TextDelta and self._prefix and not event.candidate:  # nearly every time
            return b'%s"text_delta","text":%s}}\n\n' % (self._prefix, bytes(event.text))
        return b"".join([self._WRITERS[type(event)](self, event) for event in events if not getattr(event, "candidate", 0)])

    def end(self, usage: Usage, _cost: CostFields) -> bytes:
        """The stop reason with the final usage, and the end."""
        finish = self._finish
        delta: Wire = {
            "stop_reason": stop_reason_of(finish.reason, finish.native, finish.stop_sequence, is_refusal=self._is_refusal),
            "stop_sequence": finish.stop_sequence,
        }
        told = encode_usage(usage, self._details, None)
        del told["cache_creation"], told["service_tier"]  # they stand in message_start alone
        return self._begin() + _event(b"message_delta", b'"delta":%s,"usage":%s' % (_encode(delta), _encode(told))) + _STOP

    def fail(self, denied: Denied, request_id: str) -> bytes:
        """The event that ends a stream which cannot go on."""
        return render_stream_failure(NAME, denied, request_id, "", "")

    def _begin(self) -> bytes:
        if self._is_begun:
            return b""
        self._is_begun = True
        message = begin_message(self._context)
        message["usage"] = encode_usage(self._start.usage or _NO_USAGE, self._details, self._start.service_tier)
        return _event(b"message_start", b'"message":%s' % _encode(message))

    def _take_start(self, event: Start) -> bytes:
        self._start = event
        return b""

    def _take_finish(self, event: Finish) -> bytes:
        self._finish = event
        return self._begin()

    def _take_usage(self, event: UsageTold) -> bytes:
        self._details = event.details or self._details
        return b""

    def _pass_over(self, _event: Event) -> bytes:
        return b""

    def _write_part(self, event: PartStart) -> bytes:
        part = event.part
        opened = self._part = _Open(part)
        out = self._begin()
        if isinstance(part, ToolCall):
            call_id = part.id or make_call_id(self._context.naming.generation_id.decode(), self._calls)
            self._calls += 1
            opened.call_id = call_id
            if part.signature:
                out += self._write_whole(signature_block(part.signature, call_id))
            out += self._open({"type": "tool_use", "id": call_id, "name": part.name, "input": {}})
            return out + (self._write_json(opened, quote(part.arguments)) if part.arguments else b"")
        if isinstance(part, Text):
            if part.signature:
                out += self._write_whole(signature_block(part.signature, None))
            out += self._write_text(part.text) if part.text != EMPTY else b""
            return out + b"".join([self._write_citation(CitationAdded(event.index, citation)) for citation in part.citations])
        if isinstance(part, Refusal):
            self._is_refusal = True
            return out + (self._write_text(part.text) if part.text != EMPTY else b"")
        if isinstance(part, Audio):
            return out + (self._write_text(part.transcript) if part.transcript is not None and part.transcript != EMPTY else b"")
        if isinstance(part, Reasoning) and part.text is not None and part.text != EMPTY:
            return out + self._write_thought(part.text)
        return out + (self._write_whole(part.raw) if isinstance(part, Opaque) and part.dialect == NAME else b"")

    def _open(self, block: Any) -> bytes:
        """The begin of a block, which is then open."""
        number = self._written
        self._written += 1
        self._prefix = b'event: content_block_delta\ndata: {"type":"content_block_delta","index":%d,"delta":{"type":' % number
        return _event(b"content_block_start", b'"index":%d,"content_block":%s' % (number, _encode(block)))

    def _close(self) -> bytes:
        """The end of the block that is open, if one is."""
        if not self._prefix:
            return b""
        self._prefix = b""
        return _event(b"content_block_stop", b'"index":%d' % (self._written - 1))

    def _write_whole(self, block: Any) -> bytes:
        return self._open(block) + self._close()

    def _write_text(self, text: JsonText) -> bytes:
        opening = b"" if self._prefix else self._open({"type": "text", "text": ""})
        return b'%s%s"text_delta","text":%s}}\n\n' % (opening, self._prefix, bytes(text))

    def _add_text(self, event: TextDelta | RefusalDelta) -> bytes:
        return self._write_text(event.text)

    def _add_transcript(self, event: AudioDelta) -> bytes:
        return b"" if event.transcript is None else self._write_text(event.transcript)

    def _write_citation(self, event: CitationAdded) -> bytes:
        citation = encode_citation(event.citation)
        if citation is None:
            return b""
        opening = b"" if self._prefix else self._open({"type": "text", "text": ""})
        return b'%s%s"citations_delta","citation":%s}}\n\n' % (opening, self._prefix, _encode(citation))

    def _write_thought(self, text: JsonText) -> bytes:
        if self._is_hidden:
            return b""
        opening = b"" if self._prefix else self._open({"type": "thinking", "thinking": "", "signature": ""})
        return b'%s%s"thinking_delta","thinking":%s}}\n\n' % (opening, self._prefix, bytes(text))

    def _add_thought(self, event: ReasoningDelta) -> bytes:
        return self._write_thought(event.text)

    def _keep_signature(self, event: SignatureDelta) -> bytes:
        opened = self._part
        if opened is None:
            return b""
        if isinstance(opened.part, Reasoning):
            told = {name: value for name in ("signature", "encrypted", "format", "id") if (value := getattr(event, name)) is not None}
            opened.part = msgspec.structs.replace(opened.part, **told)
        elif event.signature is not None:
            opened.proof = event.signature
        return b""

    def _add_arguments(self, event: ArgumentsDelta) -> bytes:
        return b"" if self._part is None else self._write_json(self._part, event.text)

    def _write_json(self, opened: "_Open", text: JsonText) -> bytes:
        """A piece of a call's arguments. The free text of a custom tool becomes the one member of an object."""
        if opened.is_custom:
            inner = bytes(text)[1:-1].decode()
            text = quote(inner if opened.has_arguments else '{"input":"' + inner)
        opened.has_arguments = True
        return b'%s"input_json_delta","partial_json":%s}}\n\n' % (self._prefix, bytes(text))

    def _end_part(self, _event: PartEnd) -> bytes:
        opened, self._part = self._part, None
        if opened is None:
            return b""
        part, out = opened.part, b""
        if isinstance(part, Reasoning):
            return self._end_thought(part)
        if isinstance(part, ToolCall):
            rest = "" if opened.has_arguments else "{}"
            if opened.is_custom:
                rest = '"}' if opened.has_arguments else '{"input":""}'
            out = b'%s"input_json_delta","partial_json":%s}}\n\n' % (self._prefix, _encode(rest)) if rest else b""
        out += self._close()
        if opened.proof is not None:
            out += self._write_whole(signature_block(opened.proof, opened.call_id))
        return out

    def _end_thought(self, part: Reasoning) -> bytes:
        proof = proof_of(part)
        if not self._prefix:  # nothing was shown of it
            if part.encrypted is not None or not proof:
                return self._write_whole(redacted_block(proof)) if proof else b""
            opening = self._open({"type": "thinking", "thinking": "", "signature": ""})
        else:
            opening = b""
        signature = b'%s"signature_delta","signature":%s}}\n\n' % (self._prefix, _encode(proof or UNPROVED))
        return opening + signature + self._close()

    _WRITERS: ClassVar[dict[type, Callable[..., bytes]]] = {
        Start: _take_start,
        PartStart: _write_part,
        TextDelta: _add_text,
        RefusalDelta: _add_text,
        ReasoningDelta: _add_thought,
        SignatureDelta: _keep_signature,
        ArgumentsDelta: _add_arguments,
        AudioDelta: _add_transcript,
        CitationAdded: _write_citation,
        LogprobsTold: _pass_over,
        PartEnd: _end_part,
        Finish: _take_finish,
        UsageTold: _take_usage,
    }


class _Open:
    """The part that is open."""

    __slots__ = ("call_id", "has_arguments", "is_custom", "part", "proof")

    def __init__(self, part: Part) -> None:
        self.part = part
        self.call_id: str | None = None
        self.is_custom = isinstance(part, ToolCall) and part.kind == "custom"
        self.has_arguments = False
        self.proof: str | None = None  # Gemini's, of a text or call, that came after its begin
