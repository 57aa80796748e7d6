"""A whole Converse reply into the form."""

import msgspec
from msgspec import Raw

from anyrouter.core.usage import Usage
from anyrouter.wire.form.parts import Citation, Image, Opaque, Part, Reasoning, Source, Text, ToolCall
from anyrouter.wire.form.reasoning import BEDROCK_FORMAT
from anyrouter.wire.form.reply import Candidate, FinishReason, Reply, UsageDetails
from anyrouter.wire.form.text import EMPTY, JsonText, join
from anyrouter.wire.reply import InvalidReply
from anyrouter.wire.translation.bedrock.reply_shapes import (
    BlockShape,
    CitationShape,
    FieldsShape,
    ImageShape,
    RawReplyShape,
    ReasoningShape,
    ReplyShape,
    TierShape,
    ToolUseShape,
    TraceShape,
    UsageShape,
)
from anyrouter.wire.translation.carried import Carried, is_string, is_told

NAME = "bedrock"
_REPLY, _RAW_REPLY, _FIELDS = msgspec.json.Decoder(ReplyShape), msgspec.json.Decoder(RawReplyShape), msgspec.json.Decoder(FieldsShape)
_MEMBERS = msgspec.json.Decoder(dict[str, Raw])
FINISH_REASONS = {
    "end_turn": FinishReason.STOP,
    "stop_sequence": FinishReason.STOP,
    "pause_turn": FinishReason.STOP,
    "tool_use": FinishReason.TOOL_CALLS,
    "max_tokens": FinishReason.LENGTH,
    "model_context_window_exceeded": FinishReason.LENGTH,
    "guardrail_intervened": FinishReason.CONTENT_FILTER,
    "content_filtered": FinishReason.CONTENT_FILTER,
    "refusal": FinishReason.CONTENT_FILTER,
    "malformed_model_output": FinishReason.ERROR,
    "malformed_tool_use": FinishReason.ERROR,
}
_PLACES = {
    "document_char": "document_chars",
    "document_page": "document_pages",
    "document_chunk": "document_blocks",
    "search_result_location": "search_result",
}
_SHORT, _LONG = "5m", "1h"
_UNKNOWN = Opaque(NAME, "", Raw(b"{}"))


def decode_response(body: bytes) -> Reply:
    """The reply in the form; InvalidReply for what is none."""
    try:
        told = _REPLY.decode(body)
        stop_sequence = stop_sequence_of(told.additional_model_response_fields)
    except (ValueError, msgspec.DecodeError, RecursionError) as error:
        raise InvalidReply(f"the body is not a reply: {str(error)[:120]}") from None
    if told.output is None or told.output.message is None or told.output.message.content is None:
        raise InvalidReply("the reply has no message")
    parts = _decode_blocks(told.output.message.content, body)
    finish = finish_of(told.stop_reason, has_calls=any(type(part) is ToolCall for part in parts))
    candidate = Candidate(parts=parts, finish=finish, native_finish=told.stop_reason, stop_sequence=stop_sequence)
    return Reply(
        candidates=[candidate],
        model=model_of(told.trace),
        usage=None if told.usage is None else usage_of(told.usage),
        details=None if told.usage is None else details_of(told.usage),
        service_tier=tier_of(told.service_tier),
    )


def finish_of(native: str | None, *, has_calls: bool) -> FinishReason:
    """Why it ended. Some models end a forced call with `end_turn`: the client still has to call the tool."""
    reason = FINISH_REASONS.get(native or "end_turn", FinishReason.STOP)
    return FinishReason.TOOL_CALLS if has_calls and reason is FinishReason.STOP else reason


def usage_of(told: UsageShape) -> Usage:
    """The usage."""
    read, written = max(0, told.cache_read_input_tokens or 0), max(0, told.cache_write_input_tokens or 0)
    return Usage(
        input_tokens=max(0, told.input_tokens or 0) + read + written,
        output_tokens=max(0, told.output_tokens or 0),
        cache_read_tokens=read,
        cache_write_tokens=written,
    )


def details_of(told: UsageShape) -> UsageDetails | None:
    """For how long was written to the cache; None when that is not told."""
    written = {one.ttl: one.input_tokens for one in told.cache_details or ()}
    if not written.get(_SHORT) and not written.get(_LONG):
        return None
    return UsageDetails(cache_write_5m_tokens=written.get(_SHORT) or None, cache_write_1h_tokens=written.get(_LONG) or None)


def stop_sequence_of(fields: Carried) -> str | None:
    """The stop sequence that was hit, where the model tells it."""
    return _FIELDS.decode(fields).stop_sequence if is_told(fields) else None


def model_of(trace: TraceShape | None) -> str | None:
    """The model that a prompt router chose."""
    return None if trace is None or trace.prompt_router is None else trace.prompt_router.invoked_model_id


def tier_of(tier: TierShape | None) -> str | None:
    """The service tier."""
    return None if tier is None else tier.type


def reasoning_of(told: ReasoningShape) -> Reasoning | None:
    """A thought, whole. Only Claude signs; a thought without a proof is nobody's to give back."""
    if told.redacted_content is not None:
        return Reasoning(encrypted=told.redacted_content, format=BEDROCK_FORMAT)
    thought = told.reasoning_text
    if thought is None:
        return None
    text: JsonText = thought.text if is_string(thought.text) else EMPTY
    if thought.signature:
        return Reasoning(text, thought.signature, format=BEDROCK_FORMAT)
    return None if text == EMPTY else Reasoning(text)


def citation_of(told: CitationShape) -> Citation:
    """A citation. Of one whose place is not known, the kind is `file`."""
    cited = "".join(piece.text for piece in told.source_content or () if piece.text) or None
    location = told.location
    if location is not None and location.web is not None:
        return Citation(kind="url", url=location.web.url, title=told.title, cited_text=cited)
    url = told.source if told.source is not None and told.source.startswith(("http://", "https://")) else None
    for member, kind in _PLACES.items():
        place = None if location is None else getattr(location, member)
        if place is not None:
            return Citation(
                kind=kind,
                url=url,
                title=told.title,
                cited_text=cited,
                source_start=place.start,
                source_end=place.end,
                document_index=place.document_index if place.document_index is not None else place.search_result_index,
            )
    return Citation(kind="file" if url is None else "url", url=url, title=told.title, cited_text=cited)


def image_of(told: ImageShape) -> Image | None:
    """A generated picture; None when it has no bytes and no place."""
    source, media_type = told.source, f"image/{told.format}"
    if source is not None and is_string(source.bytes):
        return Image(Source(data=source.bytes, media_type=media_type))
    if source is not None and source.s3_location is not None and source.s3_location.uri is not None:
        return Image(Source(file_id=source.s3_location.uri, media_type=media_type))
    return None


def call_of(told: ToolUseShape) -> ToolCall:
    """A tool call; InvalidReply when it has no name."""
    if not told.name:
        raise InvalidReply("a tool call of the reply has no name")
    return ToolCall(told.tool_use_id, told.name, bytes(told.input).decode() if is_told(told.input) else "")


def _decode_blocks(blocks: list[BlockShape], body: bytes) -> list[Part]:
    decoded = [_decode_block(block) for block in blocks]
    if any(part is _UNKNOWN for part in decoded):
        raws = _RAW_REPLY.decode(body).output.message.content
        decoded = [_opaque_of(raw) if part is _UNKNOWN else part for part, raw in zip(decoded, raws, strict=True)]
    return [part for part in decoded if part is not None]


def _decode_block(told: BlockShape) -> Part | None:
    if is_string(told.text):
        return None if told.text == EMPTY else Text(told.text)
    if told.tool_use is not None and told.tool_use.type is None:
        return call_of(told.tool_use)
    if told.reasoning_content is not None:
        return reasoning_of(told.reasoning_content)
    if told.citations_content is not None:
        texts = [piece.text for piece in told.citations_content.content or () if is_string(piece.text)]
        citations = tuple(map(citation_of, told.citations_content.citations or ()))
        return Text(join(texts) if texts else EMPTY, None, citations) if texts or citations else None
    return _UNKNOWN if told.image is None else image_of(told.image)


def _opaque_of(raw: Raw) -> Opaque | None:
    """A block that only its own service can express: a tool that it ran, and what that answered."""
    kind = next(iter(_MEMBERS.decode(raw)), None)
    return None if kind is None else Opaque(NAME, kind, raw)
