"""A generateContent request, as clients send it, into the form. The model and whether it is a stream come with it: they are in the path."""

from collections.abc import Callable
from typing import Any

import msgspec
from msgspec import Raw

from anyrouter.wire.form.reasoning import EFFORTS, ReasoningOptions
from anyrouter.wire.form.request import AudioOutput, Message, OutputFormat, Request
from anyrouter.wire.form.warnings import WarningCode, Warnings
from anyrouter.wire.request import refused
from anyrouter.wire.translation.carried import is_told
from anyrouter.wire.translation.codec import ClientRequest
from anyrouter.wire.translation.gemini.content_decoder import NAME, decode_contents, decode_system
from anyrouter.wire.translation.gemini.request_shapes import GenerationShape, SpeechShape, ThinkingShape
from anyrouter.wire.translation.gemini.schema import to_json_schema
from anyrouter.wire.translation.gemini.spelling import CAMEL_CASE, decode_spelt
from anyrouter.wire.translation.gemini.tool_decoder import decode_choice, decode_tools
from anyrouter.wire.translation.known import invalid, is_null

Fields = dict[str, Any]
_GENERATION = msgspec.json.Decoder(GenerationShape, strict=False)  # numbers may be strings, as in all JSON of protocol buffers
_STRING, _FLAG, _OBJECT = msgspec.json.Decoder(str), msgspec.json.Decoder(bool), msgspec.json.Decoder(dict[str, Raw])
_LIST = msgspec.json.Decoder(list[dict[str, Raw]])
_ENCODE = msgspec.json.Encoder().encode
# Members of generationConfig that are one value of the form, as they stand.
_SIMPLE = (
    ("max_output_tokens", "max_tokens"),
    ("temperature", "temperature"),
    ("top_p", "top_p"),
    ("frequency_penalty", "frequency_penalty"),
    ("presence_penalty", "presence_penalty"),
    ("seed", "seed"),
    ("response_logprobs", "has_logprobs"),
    ("logprobs", "top_logprobs"),
    ("candidate_count", "candidates"),
)
_UNMATCHED = (
    "mediaResolution", "imageConfig", "enableEnhancedCivicAnswers", "audioTimestamp", "audioTranscriptionConfig", "routingConfig",
    "modelConfig", "responseFormat", "translationConfig", "generationOutputConfig",
)  # fmt: skip
_UNMATCHED_FIELDS = {field.encode_name: field.name for field in msgspec.structs.fields(GenerationShape)}
_TEXT, _JSON, _ENUM = "text/plain", "application/json", "text/x.enum"


def decode_request(request: ClientRequest, warnings: Warnings) -> Request:
    """The request in the form; ClientError names the param that cannot be used.

    A `cachedContent` is refused: the prompt that it stands for is Google's alone, and an answer without it would be one to another
    question.
    """
    values: dict[str, Raw] = {}
    for name, raw in request.values.items():
        if not is_null(raw):
            values[CAMEL_CASE.get(name, name)] = raw
    contents = values.get("contents")
    if contents is None:
        raise refused("missing_parameter", "contents", "contents is missing.")
    fields: Fields = {"reasoning": ReasoningOptions(is_hidden=True)}  # thoughts are shown to those who ask for them
    extra: dict[str, Raw] = {}
    system: list[Message] = []
    for name, raw in values.items():
        if name in {"contents", "model"}:
            continue
        if name == "systemInstruction":
            system = decode_system(raw, warnings)
            continue
        reader = _READERS.get(name)
        if reader is None:
            extra[name] = raw
        else:
            reader(raw, fields, warnings)
    return Request(
        dialect=NAME,
        model=request.model,
        messages=[*system, *decode_contents(contents, warnings)],
        is_streamed=request.is_streamed,
        is_usage_wanted=True,
        extra=extra,
        **fields,
    )


def _decode(decoder: "msgspec.json.Decoder[Any]", raw: Raw, param: str) -> Any:
    try:
        return decoder.decode(raw)
    except (ValueError, msgspec.DecodeError) as error:
        raise invalid(error, param) from None


def _read_tools(raw: Raw, fields: Fields, warnings: Warnings) -> None:
    fields["tools"] = decode_tools(raw, warnings)


def _read_choice(raw: Raw, fields: Fields, warnings: Warnings) -> None:
    fields["tool_choice"] = decode_choice(raw, warnings)


def _read_safety(raw: Raw, fields: Fields, _warnings: Warnings) -> None:
    fields["safety_settings"] = raw if _decode(_LIST, raw, "safetySettings") else None


def _read_labels(raw: Raw, fields: Fields, _warnings: Warnings) -> None:
    _decode(_OBJECT, raw, "labels")
    fields["metadata"] = raw


def _read_tier(raw: Raw, fields: Fields, _warnings: Warnings) -> None:
    tier = _decode(_STRING, raw, "serviceTier").lower()
    if tier != "unspecified":
        fields["service_tier"] = "default" if tier == "standard" else tier


def _read_store(raw: Raw, fields: Fields, _warnings: Warnings) -> None:
    fields["is_stored"] = _decode(_FLAG, raw, "store")


def _refuse_cache(_raw: Raw, _fields: Fields, _warnings: Warnings) -> None:
    raise refused(
        "invalid_parameter",
        "cachedContent",
        "cachedContent stands for a prompt that only Google has; this model is another provider's. Send the prompt itself.",
    )


def _refuse_continuation(_raw: Raw, _fields: Fields, _warnings: Warnings) -> None:
    raise refused("invalid_parameter", "continuationToken", "continuationToken continues an answer of Google's; this model is another's.")


def _read_generation(raw: Raw, fields: Fields, warnings: Warnings) -> None:
    shape = decode_spelt(_GENERATION, raw, "generationConfig", warnings)
    for member, field in _SIMPLE:
        value = getattr(shape, member)
        if value is not None:
            fields[field] = value
    if shape.top_k is not None:
        fields["top_k"] = round(shape.top_k)
    if shape.stop_sequences is not None:
        fields["stop"] = (shape.stop_sequences,) if isinstance(shape.stop_sequences, str) else tuple(shape.stop_sequences)
    if shape.response_modalities is not None:
        told = [shape.response_modalities] if isinstance(shape.response_modalities, str) else shape.response_modalities
        fields["modalities"] = tuple(word.lower() for word in told if word.lower() != "modality_unspecified")
    if shape.speech_config is not None:
        _read_speech(shape.speech_config, fields, warnings)
    if shape.thinking_config is not None:
        fields["reasoning"] = _reasoning_of(shape.thinking_config)
    _read_output(shape, fields, warnings)
    for name in _UNMATCHED:
        if is_told(getattr(shape, _UNMATCHED_FIELDS[name])):
            warnings.unsupported(f"generationConfig.{name}")


def _read_output(shape: GenerationShape, fields: Fields, warnings: Warnings) -> None:
    media_type = shape.response_mime_type or _TEXT
    if media_type == _TEXT:
        return
    if media_type not in {_JSON, _ENUM}:
        where = "generationConfig.responseMimeType"
        raise refused("invalid_parameter", where, f"{where} must be text/plain, application/json or text/x.enum.")
    if media_type == _ENUM:
        message = "The answer is one of the values as JSON, in quotation marks."
        warnings.add(WarningCode.CHANGED_VALUE, "generationConfig.responseMimeType", message)
    schema = shape.response_json_schema if is_told(shape.response_json_schema) else None
    if schema is None and is_told(shape.response_schema):
        try:
            schema = to_json_schema(shape.response_schema)
        except (ValueError, msgspec.DecodeError) as error:
            raise invalid(error, "generationConfig.responseSchema") from None
    fields["output"] = OutputFormat(kind="json") if schema is None else OutputFormat(kind="schema", schema=schema)


def _reasoning_of(shape: ThinkingShape) -> ReasoningOptions:
    budget, level = shape.thinking_budget, (shape.thinking_level or "").lower()
    return ReasoningOptions(
        is_enabled=False if budget == 0 else shape.include_thoughts or None,  # who wants to see thoughts wants them to be had
        effort=level if level in EFFORTS else None,
        budget_tokens=budget if budget is not None and budget > 0 else None,
        is_adaptive=budget is not None and budget < 0,
        is_hidden=not shape.include_thoughts,
    )


def _read_speech(shape: SpeechShape, fields: Fields, warnings: Warnings) -> None:
    voice = shape.voice_config
    name = None
    if voice is not None:
        name = voice.voice if voice.prebuilt_voice_config is None else voice.prebuilt_voice_config.voice_name
        if is_told(voice.replicated_voice_config):
            warnings.unsupported("generationConfig.speechConfig.voiceConfig.replicatedVoiceConfig")
    if is_told(shape.multi_speaker_voice_config):
        warnings.unsupported("generationConfig.speechConfig.multiSpeakerVoiceConfig")
    if shape.language_code is not None:
        warnings.unsupported("generationConfig.speechConfig.languageCode")
    fields["audio"] = AudioOutput(voice=None if name is None else Raw(_ENCODE(name)), format="pcm16")


_READERS: dict[str, Callable[[Raw, Fields, Warnings], None]] = {
    "generationConfig": _read_generation,
    "tools": _read_tools,
    "toolConfig": _read_choice,
    "safetySettings": _read_safety,
    "labels": _read_labels,
    "serviceTier": _read_tier,
    "store": _read_store,
    "cachedContent": _refuse_cache,
    "continuationToken": _refuse_continuation,
}
