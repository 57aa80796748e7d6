"""A reply of the form as a client of the Messages API gets it."""

from typing import Any

import msgspec
from msgspec import Raw

from anyrouter.core.usage import Usage
from anyrouter.wire.anthropic import NAME
from anyrouter.wire.form.parts import Audio, Citation, Opaque, Part, Reasoning, Refusal, Text, ToolCall, make_call_id
from anyrouter.wire.form.reply import Candidate, FinishReason, Reply
from anyrouter.wire.form.text import EMPTY
from anyrouter.wire.form.warnings import warnings_shown
from anyrouter.wire.reply import CostFields
from anyrouter.wire.translation.anthropic.citations import encode_citation
from anyrouter.wire.translation.anthropic.message_encoder import encode_arguments
from anyrouter.wire.translation.anthropic.reply_decoder import FINISH_REASONS
from anyrouter.wire.translation.anthropic.shapes import Wire
from anyrouter.wire.translation.anthropic.thoughts import encode_thought, signature_block
from anyrouter.wire.translation.anthropic.usage import encode_usage
from anyrouter.wire.translation.codec import ReplyContext

_encode = msgspec.json.Encoder().encode
_STOP_REASONS = {
    FinishReason.STOP: "end_turn",
    FinishReason.LENGTH: "max_tokens",
    FinishReason.TOOL_CALLS: "tool_use",
    FinishReason.CONTENT_FILTER: "refusal",
    FinishReason.ERROR: "max_tokens",  # the API has no word for it; this one says that the answer is not whole
}


def encode_response(reply: Reply, context: ReplyContext, usage: Usage, _cost: CostFields) -> bytes:
    """The body for the client: the first candidate, as the API has no others."""
    candidate = reply.candidates[0] if reply.candidates else Candidate(parts=[], finish=None)
    wire = begin_message(context)
    wire["content"] = _BlockEncoder(context).encode(candidate.parts)
    wire["stop_reason"] = stop_reason_of(
        candidate.finish,
        candidate.native_finish,
        candidate.stop_sequence,
        is_refusal=any(isinstance(part, Refusal) for part in candidate.parts),
    )
    wire["stop_sequence"] = candidate.stop_sequence
    wire["usage"] = encode_usage(usage, reply.details, reply.service_tier)
    return _encode(wire)


def begin_message(context: ReplyContext) -> Wire:
    """The members of a message that are known before its content, `provider` and what was left out of the request among them."""
    naming = context.naming
    wire: Wire = {
        "id": Raw(naming.generation_id),
        "type": "message",
        "role": "assistant",
        "model": Raw(naming.model),
        "content": [],
        "stop_reason": None,
        "stop_sequence": None,
        "usage": None,
        "provider": Raw(naming.provider),
    }
    if context.warnings:
        wire["metadata"] = {"warnings": warnings_shown(context.warnings)}
    return wire


def stop_reason_of(finish: FinishReason | None, native: str | None, stop_sequence: str | None, *, is_refusal: bool) -> str:
    """The dialect's word: the upstream's own where it is one of this dialect and says the same."""
    reason = finish or FinishReason.STOP
    if native is not None and FINISH_REASONS.get(native) is reason:
        return native
    if reason is FinishReason.STOP and is_refusal:
        return "refusal"
    return "stop_sequence" if reason is FinishReason.STOP and stop_sequence is not None else _STOP_REASONS[reason]


def is_hidden(context: ReplyContext) -> bool:
    """Whether the client wants to see nothing of what was thought."""
    told = context.request.reasoning
    return told is not None and (told.is_hidden or told.is_enabled is False)


def encode_citations(citations: tuple[Citation, ...]) -> list[Any]:
    """The citations that the dialect has a kind for."""
    return [wire for wire in map(encode_citation, citations) if wire is not None]


class _BlockEncoder:
    """The blocks of one reply."""

    def __init__(self, context: ReplyContext) -> None:
        self._seed, self._is_hidden = context.naming.generation_id.decode(), is_hidden(context)
        self._calls = 0

    def encode(self, parts: list[Part]) -> list[Any]:
        """All of them; what the dialect has no block for is left out."""
        return [block for part in parts for block in self._encode_part(part)]

    def _encode_part(self, part: Part) -> list[Any]:
        if isinstance(part, Text):
            return _encode_text(part)
        if isinstance(part, ToolCall):
            return self._encode_call(part)
        if isinstance(part, Reasoning):
            thought = encode_thought(part, is_hidden=self._is_hidden)
            return [] if thought is None else [thought]
        if isinstance(part, Refusal):
            return [{"type": "text", "text": part.text}]
        if isinstance(part, Audio) and part.transcript is not None:
            return [{"type": "text", "text": part.transcript}]
        return [part.raw] if isinstance(part, Opaque) and part.dialect == NAME else []

    def _encode_call(self, call: ToolCall) -> list[Any]:
        call_id = call.id or make_call_id(self._seed, self._calls)
        self._calls += 1
        arguments = {"input": call.arguments} if call.kind == "custom" else encode_arguments(call.arguments)
        block = {"type": "tool_use", "id": call_id, "name": call.name, "input": arguments}
        return [signature_block(call.signature, call_id), block] if call.signature else [block]


def _encode_text(part: Text) -> list[Any]:
    blocks: list[Any] = [signature_block(part.signature, None)] if part.signature else []
    if part.text != EMPTY or part.citations:
        block: Wire = {"type": "text", "text": part.text}
        citations = encode_citations(part.citations)
        if citations:
            block["citations"] = citations
        blocks.append(block)
    return blocks
