"""A reply of the form as a client of chat completions gets it: OpenAI's members, and what OpenRouter and the contract add."""

from typing import Any

import msgspec
from msgspec import Raw

from anyrouter.core.usage import Usage
from anyrouter.wire.form.parts import Audio, Citation, Image, Part, Refusal, Text, ToolCall, make_call_id
from anyrouter.wire.form.reply import Candidate, FinishReason, Reply, TokenLogprob, UsageDetails
from anyrouter.wire.form.text import EMPTY, JsonText, join, unquote
from anyrouter.wire.form.warnings import warnings_shown
from anyrouter.wire.reply import CostFields
from anyrouter.wire.translation.codec import ReplyContext
from anyrouter.wire.translation.openai.reasoning_details import details_of
from anyrouter.wire.translation.openai_media import url_of

Wire = dict[str, Any]
_encode = msgspec.json.Encoder().encode
_NO_DETAILS = UsageDetails()


def encode_response(reply: Reply, context: ReplyContext, usage: Usage, cost: CostFields) -> bytes:
    """The body for the client."""
    naming = context.naming
    calls = _CallIds(context)
    wire: Wire = {
        "id": Raw(naming.generation_id),
        "object": "chat.completion",
        "created": context.created_s if reply.created_s is None else reply.created_s,
        "model": Raw(naming.model),
        "choices": [_encode_candidate(candidate, calls, is_hidden=is_hidden(context)) for candidate in reply.candidates],
        "usage": Raw(encode_usage(usage, reply.details, cost)),
        "system_fingerprint": reply.system_fingerprint,
        "provider": Raw(naming.provider),
    }
    if reply.service_tier is not None:
        wire["service_tier"] = reply.service_tier
    if context.warnings:
        wire["metadata"] = {"warnings": warnings_shown(context.warnings)}
    return _encode(wire)


def is_hidden(context: ReplyContext) -> bool:
    """Whether the client wants thinking without seeing it."""
    return context.request.reasoning is not None and context.request.reasoning.is_hidden


def encode_usage(usage: Usage, details: UsageDetails | None, cost: CostFields) -> bytes:
    """The `usage` object: numbers are numbers, never null, and both details are there."""
    told = details or _NO_DETAILS
    written = b',"cache_write_tokens":%d' % usage.cache_write_tokens if usage.cache_write_tokens else b""
    images = b"" if told.image_output_tokens is None else b',"image_tokens":%d' % told.image_output_tokens
    return (
        b'{"prompt_tokens":%d,"completion_tokens":%d,"total_tokens":%d,'
        b'"prompt_tokens_details":{"cached_tokens":%d%s,"audio_tokens":%d},'
        b'"completion_tokens_details":{"reasoning_tokens":%d,"audio_tokens":%d%s,'
        b'"accepted_prediction_tokens":%d,"rejected_prediction_tokens":%d},%s}'
    ) % (
        usage.input_tokens,
        usage.output_tokens,
        usage.input_tokens + usage.output_tokens,
        usage.cache_read_tokens,
        written,
        told.audio_input_tokens or 0,
        usage.reasoning_tokens,
        told.audio_output_tokens or 0,
        images,
        told.accepted_prediction_tokens or 0,
        told.rejected_prediction_tokens or 0,
        cost.render(),
    )


def encode_logprobs(logprobs: list[TokenLogprob]) -> list[Wire]:
    """Log probabilities as the dialect has them, `bytes` made of the token where nobody told them."""
    return [
        {
            "token": one.token,
            "logprob": one.logprob,
            "bytes": _bytes(one.token, one.bytes),
            "top_logprobs": [{"token": top.token, "logprob": top.logprob, "bytes": _bytes(top.token, top.bytes)} for top in one.top],
        }
        for one in logprobs
    ]


def encode_citation(citation: Citation, start: int, end: int) -> Wire | None:
    """An annotation; None for what the dialect has none for. The text that carries it is from `start` to `end` in the whole answer."""
    if citation.url is None:
        return None
    inner: Wire = {
        "url": citation.url,
        "title": citation.title or "",
        "start_index": start if citation.text_start is None else start + citation.text_start,
        "end_index": end if citation.text_end is None else start + citation.text_end,
    }
    if citation.cited_text is not None:
        inner["content"] = citation.cited_text
    return {"type": "url_citation", "url_citation": inner}


def encode_image(image: Image) -> Wire | None:
    """A generated picture, as OpenRouter answers it."""
    url = url_of(image.source, "image/png")
    return None if url is None else {"type": "image_url", "image_url": {"url": url}}


def _bytes(token: str, told: list[int] | None) -> list[int]:
    return list(token.encode()) if told is None else told


class _CallIds:
    """Ids for tool calls whose upstream gave none, numbered over the whole reply."""

    def __init__(self, context: ReplyContext) -> None:
        self._seed, self._count = context.naming.generation_id.decode(), 0

    def of(self, call: ToolCall) -> str:
        self._count += 1
        return call.id or make_call_id(self._seed, self._count - 1)


def _encode_candidate(candidate: Candidate, calls: _CallIds, *, is_hidden: bool) -> Wire:
    parts = [msgspec.structs.replace(part, id=calls.of(part)) if isinstance(part, ToolCall) else part for part in candidate.parts]
    finish = candidate.finish or FinishReason.STOP
    wire: Wire = {
        "index": candidate.index,
        "message": _encode_message(parts, is_hidden=is_hidden),
        "logprobs": None,
        "finish_reason": finish.value,
        "native_finish_reason": candidate.native_finish or finish.value,
    }
    if candidate.stop_sequence is not None:
        wire["stop_reason"] = candidate.stop_sequence
    if candidate.logprobs is not None or candidate.refusal_logprobs is not None:
        wire["logprobs"] = {
            "content": None if candidate.logprobs is None else encode_logprobs(candidate.logprobs),
            "refusal": None if candidate.refusal_logprobs is None else encode_logprobs(candidate.refusal_logprobs),
        }
    return wire


def _encode_message(parts: list[Part], *, is_hidden: bool) -> Wire:
    texts = [part.text for part in parts if isinstance(part, Text)]
    refusals = [part.text for part in parts if isinstance(part, Refusal)]
    calls = [part for part in parts if isinstance(part, ToolCall)]
    wire: Wire = {
        "role": "assistant",
        "content": join(texts) if texts else None,
        "refusal": join(refusals) if refusals else None,
    }
    if not texts and not calls and not refusals:
        wire["content"] = ""
    readable, details = details_of(parts)
    if details and not is_hidden:
        wire["reasoning"] = join(readable, rb"\n\n") if readable else None
        wire["reasoning_details"] = details
    annotations = _annotations_of(parts)
    if annotations:
        wire["annotations"] = annotations
    for part in parts:
        if isinstance(part, Audio):
            wire["audio"] = _encode_audio(part)
    images = [image for image in (encode_image(part) for part in parts if isinstance(part, Image)) if image is not None]
    if images:
        wire["images"] = images
    if calls:
        wire["tool_calls"] = [_encode_call(call) for call in calls]
    return wire


def _annotations_of(parts: list[Part]) -> list[Wire]:
    texts = [part for part in parts if isinstance(part, Text)]
    if not any(part.citations for part in texts):
        return []
    found, start = [], 0
    for part in texts:
        end = start + len(unquote(part.text))
        for citation in part.citations:
            annotation = encode_citation(citation, start, end)
            if annotation is not None:
                found.append(annotation)
        start = end
    return found


def _encode_audio(part: Audio) -> Wire:
    data: JsonText = part.source.data if part.source is not None and part.source.data is not None else EMPTY
    return {"id": part.id or "", "data": data, "expires_at": part.expires_at or 0, "transcript": part.transcript or EMPTY}


def _encode_call(call: ToolCall) -> Wire:
    if call.kind == "custom":
        return {"id": call.id, "type": "custom", "custom": {"name": call.name, "input": call.arguments}}
    return {"id": call.id, "type": "function", "function": {"name": call.name, "arguments": call.arguments or "{}"}}
