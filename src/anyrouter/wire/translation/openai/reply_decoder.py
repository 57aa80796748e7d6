"""A whole reply of a chat completions upstream into the form."""

import msgspec
from msgspec import UNSET, Raw

from anyrouter.core.usage import Usage
from anyrouter.wire.form.parts import Audio, Citation, Image, Part, Reasoning, Refusal, Source, Text, ToolCall
from anyrouter.wire.form.reply import Candidate, FinishReason, Reply, TokenLogprob, TopLogprob, UsageDetails
from anyrouter.wire.form.text import EMPTY, is_text, unquote
from anyrouter.wire.openai_usage import read_usage
from anyrouter.wire.reply import InvalidReply
from anyrouter.wire.translation.carried import Carried, is_list, is_string, is_told
from anyrouter.wire.translation.openai.message_decoder import google_signature
from anyrouter.wire.translation.openai.reasoning_details import hang_signatures, reasoning_of
from anyrouter.wire.translation.openai.shapes import (
    AnnotationShape,
    ChoiceShape,
    LogprobShape,
    ReplyShape,
    ToldCallShape,
    ToldImageShape,
    ToldMessageShape,
)
from anyrouter.wire.translation.openai_media import source_of_url

_REPLY = msgspec.json.Decoder(ReplyShape)
FINISH_REASONS = {
    "stop": FinishReason.STOP,
    "eos": FinishReason.STOP,
    "length": FinishReason.LENGTH,
    "max_tokens": FinishReason.LENGTH,
    "model_length": FinishReason.LENGTH,
    "tool_calls": FinishReason.TOOL_CALLS,
    "function_call": FinishReason.TOOL_CALLS,
    "content_filter": FinishReason.CONTENT_FILTER,
    "sensitive": FinishReason.CONTENT_FILTER,
    "error": FinishReason.ERROR,
    "insufficient_system_resource": FinishReason.ERROR,
    "network_error": FinishReason.ERROR,
}


class _InputDetails(msgspec.Struct):
    audio_tokens: int | None = None


class _OutputDetails(msgspec.Struct):
    audio_tokens: int | None = None
    image_tokens: int | None = None
    accepted_prediction_tokens: int | None = None
    rejected_prediction_tokens: int | None = None


class _UsageShape(msgspec.Struct):
    prompt_tokens_details: _InputDetails | None = None
    completion_tokens_details: _OutputDetails | None = None


class _TextPart(msgspec.Struct):
    """A part of a content that is a list. `thinking` is Mistral's."""

    type: str = ""
    text: Carried = UNSET
    thinking: list["_TextPart"] = []


_USAGE = msgspec.json.Decoder(_UsageShape)
_PARTS = msgspec.json.Decoder(list[_TextPart])
_NO_INPUT, _NO_OUTPUT = _InputDetails(), _OutputDetails()


def decode_response(body: bytes) -> Reply:
    """The reply; InvalidReply when it has no choices, or an error instead."""
    told = _REPLY.decode(body)
    if told.choices is None:
        raise InvalidReply("the reply is an error with a status of success" if is_told(told.error) else "the reply has no choices")
    usage, details = decode_usage(told.usage)
    return Reply(
        candidates=[_decode_choice(choice) for choice in told.choices],
        id=told.id,
        model=told.model,
        created_s=told.created,
        usage=usage,
        details=details,
        service_tier=told.service_tier,
        system_fingerprint=told.system_fingerprint,
    )


def decode_usage(raw: Carried) -> tuple[Usage | None, UsageDetails | None]:
    """The usage and its details, each None when it is not told."""
    if not is_told(raw):
        return None, None
    text = bytes(raw)
    usage = read_usage(text)
    if usage is None or not (b"audio_tokens" in text or b"prediction_tokens" in text or b"image_tokens" in text):
        return usage, None
    try:
        told = _USAGE.decode(text)
    except msgspec.DecodeError:
        return usage, None
    source, out = told.prompt_tokens_details or _NO_INPUT, told.completion_tokens_details or _NO_OUTPUT
    details = UsageDetails(
        audio_input_tokens=source.audio_tokens or None,
        audio_output_tokens=out.audio_tokens or None,
        image_output_tokens=out.image_tokens or None,
        accepted_prediction_tokens=out.accepted_prediction_tokens or None,
        rejected_prediction_tokens=out.rejected_prediction_tokens or None,
    )
    return usage, None if details == UsageDetails() else details


def finish_of(native: str | None, *, has_calls: bool) -> FinishReason:
    """Why it ended. A forced call ends with `stop` at some upstreams: the client still has to call the tool."""
    reason = FINISH_REASONS.get(native or "stop", FinishReason.STOP)
    return FinishReason.TOOL_CALLS if has_calls and reason is FinishReason.STOP else reason


def stop_sequence_of(value: object) -> str | None:
    """The stop sequence that an upstream tells; a number is a token's, and no sequence of the client's."""
    return value if isinstance(value, str) else None


def logprobs_of(told: list[LogprobShape] | None) -> list[TokenLogprob] | None:
    """Log probabilities in the form."""
    if told is None:
        return None
    return [
        TokenLogprob(one.token, one.logprob, one.bytes, [TopLogprob(top.token, top.logprob, top.bytes) for top in one.top_logprobs or ()])
        for one in told
    ]


def citations_of(annotations: list[AnnotationShape] | None) -> tuple[Citation, ...]:
    """The annotations that are known: citations of pages of the web."""
    if not annotations:
        return ()
    return tuple(
        Citation(
            kind="url",
            url=told.url,
            title=told.title,
            cited_text=told.content,
            text_start=told.start_index,
            text_end=told.end_index,
        )
        for told in (annotation.url_citation for annotation in annotations)
        if told is not None
    )


def images_of(images: list[ToldImageShape] | None) -> list[Image]:
    """Generated pictures."""
    urls = [image.image_url.url for image in images or () if image.image_url is not None]
    return [Image(source_of_url(url, "images", "image/png")) for url in urls if is_string(url)]


def parts_of_list(raw: Raw) -> list[Part]:
    """A content that is a list: text, and Mistral's thinking."""
    parts: list[Part] = []
    for told in _PARTS.decode(raw):
        parts += [Reasoning(text=inner.text) for inner in told.thinking if is_string(inner.text)]
        if is_string(told.text):
            parts.append(Text(told.text))
    return parts


def arguments_of(raw: Carried) -> str:
    """A call's arguments as JSON text, however the upstream writes them."""
    if not is_told(raw):
        return ""
    assert isinstance(raw, Raw)  # noqa: S101 -- it was told
    return unquote(raw) if is_text(raw) else bytes(raw).decode()


def _decode_choice(choice: ChoiceShape) -> Candidate:
    message = choice.message
    if message is None:
        raise InvalidReply("a choice of the reply has no message")
    parts = _decode_message(message)
    logprobs = choice.logprobs
    return Candidate(
        parts=parts,
        finish=finish_of(choice.finish_reason, has_calls=any(type(part) is ToolCall for part in parts)),
        index=choice.index,
        native_finish=choice.native_finish_reason or choice.finish_reason,
        stop_sequence=stop_sequence_of(choice.stop_reason),
        logprobs=None if logprobs is None else logprobs_of(logprobs.content),
        refusal_logprobs=None if logprobs is None else logprobs_of(logprobs.refusal),
    )


def _decode_message(message: ToldMessageShape) -> list[Part]:
    parts: list[Part] = []
    if message.reasoning_details or message.reasoning is not UNSET or message.reasoning_content is not UNSET:
        parts += reasoning_of(message.reasoning_details, message.reasoning, message.reasoning_content)
    content = message.content
    if is_string(content):
        if content != EMPTY:
            parts.append(Text(content, None, citations_of(message.annotations)))
    elif is_list(content):
        parts += parts_of_list(content)
    if is_string(message.refusal) and message.refusal != EMPTY:
        parts.append(Refusal(message.refusal))
    if message.audio is not None:
        told = message.audio
        source = Source(data=told.data) if is_string(told.data) else None
        transcript = told.transcript if is_string(told.transcript) else None
        parts.append(Audio(source, None, told.id, transcript, told.expires_at))
    if message.images:
        parts += images_of(message.images)
    if message.tool_calls:
        parts += map(_decode_call, message.tool_calls)
    elif message.function_call is not None:
        call = message.function_call
        parts.append(ToolCall("", call.name or "", arguments_of(call.arguments)))
    return hang_signatures(parts) if message.reasoning_details else parts


def _decode_call(call: ToldCallShape) -> ToolCall:
    if call.custom is not None:
        return ToolCall(call.id or "", call.custom.name or "", arguments_of(call.custom.input), "custom")
    if call.function is None or not call.function.name:
        raise InvalidReply("a tool call of the reply has no name")
    function = call.function
    return ToolCall(call.id or "", function.name or "", arguments_of(function.arguments), signature=google_signature(call.extra_content))
