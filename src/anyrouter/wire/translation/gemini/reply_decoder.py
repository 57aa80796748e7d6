"""A whole GenerateContentResponse into the form."""

from datetime import datetime
from typing import Any

import msgspec
from msgspec import Raw
from msgspec.structs import replace

from anyrouter.core.usage import Usage
from anyrouter.wire.form.parts import Image, Opaque, Part, Reasoning, Text, ToolCall
from anyrouter.wire.form.reasoning import GEMINI_FORMAT
from anyrouter.wire.form.reply import Candidate, FinishReason, Reply, TokenLogprob, TopLogprob, UsageDetails
from anyrouter.wire.form.text import EMPTY, unquote
from anyrouter.wire.reply import InvalidReply
from anyrouter.wire.translation.carried import is_string, is_told
from anyrouter.wire.translation.gemini.citations import citations_of, has_sources
from anyrouter.wire.translation.gemini.content_decoder import NAME, compact
from anyrouter.wire.translation.gemini.media import media_of, source_of_data, source_of_uri
from anyrouter.wire.translation.gemini.reply_shapes import (
    CandidateShape,
    GroundingShape,
    LogprobsShape,
    ModalityShape,
    ReplyShape,
    ToldCallShape,
    ToldPartShape,
    UsageShape,
)

_REPLY = msgspec.json.Decoder(ReplyShape)
_ENCODE = msgspec.json.Encoder().encode
FINISH_REASONS = {
    "STOP": FinishReason.STOP,
    "MAX_TOKENS": FinishReason.LENGTH,
    "CONTINUATION": FinishReason.LENGTH,
    "SAFETY": FinishReason.CONTENT_FILTER,
    "RECITATION": FinishReason.CONTENT_FILTER,
    "LANGUAGE": FinishReason.CONTENT_FILTER,
    "BLOCKLIST": FinishReason.CONTENT_FILTER,
    "PROHIBITED_CONTENT": FinishReason.CONTENT_FILTER,
    "SPII": FinishReason.CONTENT_FILTER,
    "IMAGE_SAFETY": FinishReason.CONTENT_FILTER,
    "IMAGE_PROHIBITED_CONTENT": FinishReason.CONTENT_FILTER,
    "IMAGE_RECITATION": FinishReason.CONTENT_FILTER,
    "ESCALATION": FinishReason.CONTENT_FILTER,
    "PUP_LIMITED_DISABLED": FinishReason.CONTENT_FILTER,
    "MODEL_ARMOR": FinishReason.CONTENT_FILTER,
    "OTHER": FinishReason.ERROR,
    "MALFORMED_FUNCTION_CALL": FinishReason.ERROR,
    "UNEXPECTED_TOOL_CALL": FinishReason.ERROR,
    "TOO_MANY_TOOL_CALLS": FinishReason.ERROR,
    "MISSING_THOUGHT_SIGNATURE": FinishReason.ERROR,
    "MALFORMED_RESPONSE": FinishReason.ERROR,
    "IMAGE_OTHER": FinishReason.ERROR,
    "NO_IMAGE": FinishReason.ERROR,
}
"""All words of its own but FINISH_REASON_UNSPECIFIED (google-genai 3.4)."""
_TIERS = {"ON_DEMAND_PRIORITY": "priority", "ON_DEMAND_FLEX": "flex"}
_SERVER_MEMBERS = {
    "executable_code": "executableCode",
    "code_execution_result": "codeExecutionResult",
    "tool_call": "toolCall",
    "tool_response": "toolResponse",
}


def decode_response(body: bytes) -> Reply:
    """The reply in the form; InvalidReply for what is none. A prompt that was blocked is an empty answer that a filter ended."""
    try:
        told = _REPLY.decode(body)
    except (ValueError, msgspec.DecodeError, RecursionError) as error:
        raise InvalidReply(f"the body is not a reply: {str(error)[:120]}") from None
    if is_told(told.error):
        raise InvalidReply("the reply is an error with a status of success")
    blocked = None if told.prompt_feedback is None else told.prompt_feedback.block_reason
    if not told.candidates and blocked is None:
        raise InvalidReply("the reply has no candidates")
    candidates = [_decode_candidate(candidate) for candidate in told.candidates or ()]
    usage = None if told.usage_metadata is None else usage_of(told.usage_metadata)
    grounding = told.candidates[0].grounding_metadata if told.candidates else None
    return Reply(
        candidates=candidates or [Candidate(parts=[], finish=FinishReason.CONTENT_FILTER, native_finish=blocked)],
        id=told.response_id,
        model=told.model_version,
        created_s=seconds_of(told.create_time),
        usage=usage,
        details=details_of(told.usage_metadata, grounding),
        service_tier=None if told.usage_metadata is None else _TIERS.get(told.usage_metadata.traffic_type or ""),
    )


def usage_of(told: UsageShape) -> Usage:
    """The usage. Google counts thoughts and what its own tools read apart from the rest; a total says where it does not."""
    prompt, thoughts = told.prompt_token_count or 0, told.thoughts_token_count or 0
    answer, tools = told.candidates_token_count or 0, told.tool_use_prompt_token_count or 0
    are_thoughts_in_answer = 0 < thoughts <= answer and told.total_token_count == prompt + tools + answer
    return Usage(
        input_tokens=max(0, prompt + tools),
        output_tokens=max(0, answer if are_thoughts_in_answer else answer + thoughts),
        cache_read_tokens=max(0, told.cached_content_token_count or 0),
        reasoning_tokens=max(0, thoughts),
    )


def details_of(told: UsageShape | None, grounding: GroundingShape | None) -> UsageDetails | None:
    """The counts beside it; None when there are none."""
    searches = len(grounding.web_search_queries) if grounding is not None and grounding.web_search_queries else None
    if told is None:
        return None if searches is None else UsageDetails(web_searches=searches)
    details = UsageDetails(
        audio_input_tokens=_of_kind(told.prompt_tokens_details, "AUDIO"),
        audio_output_tokens=_of_kind(told.candidates_tokens_details, "AUDIO"),
        image_output_tokens=_of_kind(told.candidates_tokens_details, "IMAGE"),
        tool_input_tokens=told.tool_use_prompt_token_count or None,
        web_searches=searches,
    )
    return None if details == UsageDetails() else details


def _of_kind(told: list[ModalityShape] | None, modality: str) -> int | None:
    return sum(one.token_count for one in told or () if one.modality == modality) or None


def finish_of(native: str | None, *, has_calls: bool) -> FinishReason:
    """Why it ended; Gemini says STOP of calls, too."""
    reason = FINISH_REASONS.get(native or "STOP", FinishReason.STOP)
    return FinishReason.TOOL_CALLS if has_calls and reason is FinishReason.STOP else reason


def logprobs_of(told: LogprobsShape | None) -> list[TokenLogprob] | None:
    """Log probabilities in the form."""
    if told is None or not told.chosen_candidates:
        return None
    tops = told.top_candidates or []
    return [
        TokenLogprob(
            one.token,
            one.log_probability,
            None,
            [TopLogprob(top.token, top.log_probability) for top in tops[at].candidates or ()] if at < len(tops) else [],
        )
        for at, one in enumerate(told.chosen_candidates)
    ]


def seconds_of(create_time: Any) -> int | None:
    """A time as Unix seconds; None for what is none."""
    try:
        return int(datetime.fromisoformat(create_time).timestamp()) if isinstance(create_time, str) else None
    except ValueError:
        return None


def call_of(told: ToldCallShape, signature: str | None) -> ToolCall:
    """A function call; InvalidReply when it has no name."""
    if not told.name:
        raise InvalidReply("a function call of the reply has no name")
    return ToolCall(told.id or "", told.name, compact(told.args) if is_told(told.args) else "", signature=signature)


def whole_part_of(told: ToldPartShape) -> Part | None:
    """A part that is neither text nor a call; None when it says nothing."""
    if told.inline_data is not None and is_string(told.inline_data.data) and not told.thought:
        part = media_of(source_of_data(told.inline_data.data, told.inline_data.mime_type))
        return replace(part, signature=told.thought_signature) if isinstance(part, Image) else part
    if told.file_data is not None and told.file_data.file_uri is not None:
        return media_of(source_of_uri(told.file_data.file_uri, told.file_data.mime_type))
    for member, name in _SERVER_MEMBERS.items():
        if is_told(getattr(told, member)):
            return Opaque(NAME, name, Raw(_ENCODE(told)))
    if told.inline_data is not None:
        return Opaque(NAME, "inlineData", Raw(_ENCODE(told)))
    return None


def _decode_candidate(told: CandidateShape) -> Candidate:
    shapes = [] if told.content is None else told.content.parts or []
    parts = [part for part in map(_decode_part, shapes) if part is not None]
    if has_sources(told.grounding_metadata, told.citation_metadata):
        parts = _cite(parts, told)
    return Candidate(
        parts=parts,
        finish=finish_of(told.finish_reason, has_calls=any(type(part) is ToolCall for part in parts)),
        index=told.index,
        native_finish=told.finish_reason,
        logprobs=logprobs_of(told.logprobs_result),
    )


def _decode_part(told: ToldPartShape) -> Part | None:
    if is_string(told.text):
        if told.thought:
            is_empty = told.text == EMPTY and told.thought_signature is None
            return None if is_empty else Reasoning(told.text, told.thought_signature, format=GEMINI_FORMAT)
        return None if told.text == EMPTY and told.thought_signature is None else Text(told.text, signature=told.thought_signature)
    if told.function_call is not None:
        return call_of(told.function_call, told.thought_signature)
    part = whole_part_of(told)
    if part is None and told.thought_signature is not None:
        return Text(EMPTY, signature=told.thought_signature)
    return part


def _cite(parts: list[Part], told: CandidateShape) -> list[Part]:
    places = [at for at, part in enumerate(parts) if type(part) is Text]
    texts = [unquote(part.text) for part in parts if type(part) is Text]
    cited = list(parts)
    for at, found in zip(places, citations_of(told.grounding_metadata, told.citation_metadata, texts), strict=True):
        part = parts[at]
        if found and isinstance(part, Text):
            cited[at] = replace(part, citations=tuple(found))
    return cited
