"""A whole response of a Responses upstream into the form."""

from typing import Annotated, Any

import msgspec
from msgspec import Raw

from anyrouter.core.usage import Usage
from anyrouter.wire.form.parts import Image, Opaque, Part, Refusal, Source, Text, ToolCall
from anyrouter.wire.form.reply import Candidate, FinishReason, Reply, TokenLogprob, UsageDetails
from anyrouter.wire.form.text import unquote
from anyrouter.wire.reply import InvalidReply
from anyrouter.wire.translation.carried import Carried, is_list, is_string, is_told
from anyrouter.wire.translation.responses.annotations import citation_of, logprobs_of
from anyrouter.wire.translation.responses.shapes import NAME, FaultShape, ReplyShape, ThoughtShape, ToldItemShape, ToldPartShape
from anyrouter.wire.translation.responses.thoughts import hang_proofs, is_hung, reasoning_of

_REPLY = msgspec.json.Decoder(ReplyShape)
_RAWS, _ITEM = msgspec.json.Decoder(list[Raw]), msgspec.json.Decoder(ToldItemShape)
_PARTS, _THOUGHTS = msgspec.json.Decoder(list[ToldPartShape]), msgspec.json.Decoder(list[ThoughtShape])
_UNFINISHED = frozenset({"failed", "cancelled", "queued", "in_progress"})

# A count below nothing or beyond reason is no count: the usage is then estimated.
_Count = Annotated[int, msgspec.Meta(ge=0, le=2**40)]


class _InputDetails(msgspec.Struct):
    cached_tokens: _Count | None = None
    cache_write_tokens: _Count | None = None


class _OutputDetails(msgspec.Struct):
    reasoning_tokens: _Count | None = None


class _UsageShape(msgspec.Struct):
    input_tokens: _Count | None = None
    output_tokens: _Count | None = None
    input_tokens_details: _InputDetails | None = None
    output_tokens_details: _OutputDetails | None = None


class _WebSearchShape(msgspec.Struct):
    num_requests: _Count | None = None


class _ToolUsageShape(msgspec.Struct):
    web_search: _WebSearchShape | None = None


_USAGE, _TOOL_USAGE = msgspec.json.Decoder(_UsageShape), msgspec.json.Decoder(_ToolUsageShape)
_NO_INPUT, _NO_OUTPUT = _InputDetails(), _OutputDetails()


def decode_response(body: bytes) -> Reply:
    """The reply; InvalidReply when there is no output, or an error instead of one."""
    told = _REPLY.decode(body)
    if told.error is not None or told.status in _UNFINISHED:
        raise InvalidReply("the reply is an error with a status of success")
    if not is_list(told.output):
        raise InvalidReply("the reply has no output")
    parts, logprobs = decode_output(told.output)
    usage, details = decode_usage(told)
    reason, native = finish_of(told, has_calls=any(isinstance(part, ToolCall) for part in parts))
    return Reply(
        candidates=[Candidate(parts=parts, finish=reason, native_finish=native, logprobs=logprobs or None)],
        id=told.id,
        model=told.model,
        created_s=created_of(told),
        usage=usage,
        details=details,
        service_tier=told.service_tier,
    )


def fault_of(error: FaultShape | None) -> tuple[str, str | None]:
    """What an `error` says, and its code."""
    if error is None:
        return "the response did not complete", None
    code: Any = error.code or error.type
    return error.message or "it reported an error", code if isinstance(code, str) else None


def created_of(told: ReplyShape) -> int | None:
    """The Unix time at which a response was begun."""
    return None if told.created_at is None else int(told.created_at)


def finish_of(told: ReplyShape, *, has_calls: bool) -> tuple[FinishReason, str | None]:
    """Why it ended, in the form's words and in the upstream's."""
    if told.status == "incomplete":
        native = told.incomplete_details.reason if told.incomplete_details is not None else None
        reason = FinishReason.CONTENT_FILTER if native == "content_filter" else FinishReason.LENGTH
        return reason, native or "incomplete"
    return FinishReason.TOOL_CALLS if has_calls else FinishReason.STOP, told.status or "completed"


def decode_usage(told: ReplyShape) -> tuple[Usage | None, UsageDetails | None]:
    """The usage and its details, each None when it is not told."""
    if not is_told(told.usage):
        return None, None
    try:
        usage = _USAGE.decode(told.usage)
        tools = _TOOL_USAGE.decode(told.tool_usage) if is_told(told.tool_usage) else None
    except msgspec.DecodeError:
        return None, None
    if usage.input_tokens is None and usage.output_tokens is None:
        return None, None
    source, out = usage.input_tokens_details or _NO_INPUT, usage.output_tokens_details or _NO_OUTPUT
    searches = tools.web_search.num_requests if tools is not None and tools.web_search is not None else None
    return Usage(
        input_tokens=usage.input_tokens or 0,
        output_tokens=usage.output_tokens or 0,
        cache_read_tokens=source.cached_tokens or 0,
        cache_write_tokens=source.cache_write_tokens or 0,
        reasoning_tokens=out.reasoning_tokens or 0,
    ), UsageDetails(web_searches=searches) if searches else None


def decode_output(raw: Raw) -> tuple[list[Part], list[TokenLogprob]]:
    """The parts of all items, and the log probabilities of their texts."""
    parts: list[Part] = []
    logprobs: list[TokenLogprob] = []
    for one in _RAWS.decode(raw):
        item = _ITEM.decode(one)
        parts += parts_of(item, one)
        if item.type == "message":
            for part in content_of(item):
                logprobs += logprobs_of(part.logprobs or [])
    return hang_proofs(parts) if any(map(is_hung, parts)) else parts, logprobs


def content_of(item: ToldItemShape) -> list[ToldPartShape]:
    """The parts of a message."""
    return _PARTS.decode(item.content) if is_list(item.content) else []


def parts_of(item: ToldItemShape, raw: Raw) -> list[Part]:
    """The parts that an item is; `raw` is its text."""
    if item.type == "message":
        return [part for part in map(_part_of, content_of(item)) if part is not None]
    if item.type == "reasoning":
        content = _THOUGHTS.decode(item.content) if is_list(item.content) else None
        return list(reasoning_of(item.id, item.summary, content, item.encrypted_content))
    if item.type in {"function_call", "custom_tool_call"}:
        return [call_of(item)]
    if item.type == "image_generation_call" and is_string(item.result):
        return [Image(Source(data=item.result, media_type=f"image/{item.output_format or 'png'}"))]
    return [Opaque(NAME, item.type, raw)]


def call_of(item: ToldItemShape) -> ToolCall:
    """A call of a client's tool, whole; InvalidReply when it has no name."""
    if not item.name:
        raise InvalidReply("a tool call of the reply has no name")
    if item.type == "custom_tool_call":
        return ToolCall(item.call_id or "", item.name, text_of(item.input), "custom", item_id=item.id)
    return ToolCall(item.call_id or "", item.name, text_of(item.arguments), item_id=item.id)


def text_of(raw: Carried) -> str:
    """A call's arguments, however the upstream writes them."""
    if not is_told(raw):
        return ""
    return unquote(raw) if is_string(raw) else bytes(raw).decode()


def _part_of(told: ToldPartShape) -> Part | None:
    if told.type == "refusal":
        return Refusal(told.refusal) if is_string(told.refusal) else None
    if not is_string(told.text):
        return None
    return Text(told.text, None, tuple(map(citation_of, told.annotations or ())))
