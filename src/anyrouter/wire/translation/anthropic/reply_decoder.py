"""A whole reply of a Messages API upstream into the form."""

import msgspec
from msgspec import Raw

from anyrouter.wire.anthropic import NAME
from anyrouter.wire.form.parts import Opaque, Part, Text, ToolCall
from anyrouter.wire.form.reply import Candidate, FinishReason, Reply
from anyrouter.wire.form.text import EMPTY
from anyrouter.wire.reply import InvalidReply
from anyrouter.wire.translation.anthropic.citations import decode_citations
from anyrouter.wire.translation.anthropic.shapes import ToldBlockShape, ToldMessageShape
from anyrouter.wire.translation.anthropic.thoughts import hang_signatures, redacted_of, thinking_of
from anyrouter.wire.translation.anthropic.usage import decode_usage
from anyrouter.wire.translation.carried import is_list, is_object, is_string, is_told

_MESSAGE, _BLOCKS = msgspec.json.Decoder(ToldMessageShape), msgspec.json.Decoder(list[ToldBlockShape])
_RAWS = msgspec.json.Decoder(list[Raw])
FINISH_REASONS = {
    "end_turn": FinishReason.STOP,
    "stop_sequence": FinishReason.STOP,
    "pause_turn": FinishReason.STOP,
    "compaction": FinishReason.STOP,
    "tool_use": FinishReason.TOOL_CALLS,
    "max_tokens": FinishReason.LENGTH,
    "model_context_window_exceeded": FinishReason.LENGTH,
    "refusal": FinishReason.CONTENT_FILTER,
}


def decode_response(body: bytes) -> Reply:
    """The reply; InvalidReply when it has no content, or is an error with a status of success."""
    told = _MESSAGE.decode(body)
    if told.type == "error" or (is_told(told.error) and not is_list(told.content)):
        raise InvalidReply("the reply is an error with a status of success")
    if not is_list(told.content):
        raise InvalidReply("the reply has no content")
    usage, details, tier = decode_usage(told.usage)
    candidate = Candidate(
        parts=_decode_content(told.content),
        finish=finish_of(told.stop_reason),
        native_finish=told.stop_reason,
        stop_sequence=told.stop_sequence,
    )
    return Reply(candidates=[candidate], id=told.id, model=told.model, usage=usage, details=details, service_tier=tier)


def finish_of(native: str | None) -> FinishReason:
    """Why it ended; a word that is not known here is an end as any other."""
    return FINISH_REASONS.get(native or "", FinishReason.STOP)


def part_of(block: ToldBlockShape) -> Part | None:
    """The part that a block is; None for a kind that no other dialect has."""
    kind = block.type
    if kind == "text":
        return Text(block.text if is_string(block.text) else EMPTY, None, decode_citations(block.citations))
    if kind == "tool_use":
        if not block.name:
            raise InvalidReply("a tool call of the reply has no name")
        return ToolCall(block.id or "", block.name, bytes(block.input).decode() if is_object(block.input) else "{}")
    if kind == "thinking":
        return thinking_of(block.thinking if is_string(block.thinking) else None, block.signature)
    if kind == "redacted_thinking":
        return redacted_of(block.data or "")
    return None


def _decode_content(content: Raw) -> list[Part]:
    raws: list[Raw] | None = None
    parts: list[Part] = []
    for at, block in enumerate(_BLOCKS.decode(content)):
        part = part_of(block)
        if part is None:
            raws = raws or _RAWS.decode(content)
            part = Opaque(NAME, block.type, raws[at])
        parts.append(part)
    return hang_signatures(parts)
