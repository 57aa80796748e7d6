"""The messages of a chat completions request, as clients send them, into the form."""

import msgspec
from msgspec import UNSET, Raw

from anyrouter.wire.form.parts import Audio, CacheControl, Document, Image, Opaque, Part, Refusal, Source, Text, ToolCall, ToolResult, Video
from anyrouter.wire.form.request import ASSISTANT, DEVELOPER, SYSTEM, TOOL, USER, Message
from anyrouter.wire.form.text import EMPTY
from anyrouter.wire.form.warnings import Warnings
from anyrouter.wire.request import refused
from anyrouter.wire.translation.carried import Carried, is_list, is_string, is_told
from anyrouter.wire.translation.known import decode_known
from anyrouter.wire.translation.openai.reasoning_details import hang_signatures, reasoning_of
from anyrouter.wire.translation.openai.shapes import CallShape, FileShape, ImageUrlShape, KindShape, MessageShape, PartShape, ToldImageShape
from anyrouter.wire.translation.openai_media import audio_type, source_of_file, source_of_url

_MESSAGES = msgspec.json.Decoder(list[MessageShape])
_PARTS, _PART = msgspec.json.Decoder(list[PartShape]), msgspec.json.Decoder(PartShape)
_KIND = msgspec.json.Decoder(KindShape)
_RAWS = msgspec.json.Decoder(list[msgspec.Raw])
_IMAGE_URL = msgspec.json.Decoder(ImageUrlShape)
_IMAGES = msgspec.json.Decoder(list[ToldImageShape])
_GOOGLE = msgspec.json.Decoder(dict[str, dict[str, msgspec.Raw]])
_TEXT_TYPES = frozenset({"text", "input_text", "output_text"})
_PART_TYPES = _TEXT_TYPES | {"refusal", "image_url", "input_audio", "file", "video_url"}
_SIMPLE_ROLES = {"system": SYSTEM, "developer": DEVELOPER, "user": USER}


def decode_messages(raw: Raw, warnings: Warnings) -> list[Message]:
    """All messages, successive tool results as one; ClientError names the member that cannot be used."""
    messages: list[Message] = []
    legacy: dict[str, str] = {}  # the id that the last call of a function got, in the dialect's first form of calls
    shapes = decode_known(_MESSAGES, raw, "messages", warnings)
    for index, shape in enumerate(shapes):
        role = _SIMPLE_ROLES.get(shape.role)
        if role is not None:
            if is_string(shape.content):
                cache = None if shape.cache_control is None else CacheControl(ttl=shape.cache_control.ttl)
                messages.append(Message(role, [Text(shape.content, cache)], shape.name))
            else:
                messages.append(Message(role, _decode_content(shape.content, f"messages[{index}].content", warnings), shape.name))
        elif shape.role == "assistant":
            messages.append(Message(ASSISTANT, _decode_assistant(shape, index, legacy, warnings), shape.name))
        elif shape.role in {"tool", "function"}:
            result = _decode_result(shape, index, legacy, warnings)
            if messages and messages[-1].role == TOOL:
                messages[-1].parts.append(result)
            else:
                messages.append(Message(TOOL, [result]))
        else:
            where = f"messages[{index}].role"
            raise refused("invalid_parameter", where, f"{where} must be system, developer, user, assistant or tool.")
    if not messages:
        raise refused("invalid_parameter", "messages", "messages must hold at least one message.")
    return messages


def _decode_assistant(shape: MessageShape, index: int, legacy: dict[str, str], warnings: Warnings) -> list[Part]:
    parts: list[Part] = []
    content = shape.content
    if shape.reasoning_details or shape.reasoning is not UNSET or shape.reasoning_content is not UNSET:
        parts += reasoning_of(shape.reasoning_details, shape.reasoning, shape.reasoning_content)
    if is_string(content):
        if content != EMPTY:
            cache = None if shape.cache_control is None else CacheControl(ttl=shape.cache_control.ttl)
            parts.append(Text(content, cache))
    elif is_told(content):
        parts += _decode_content(content, f"messages[{index}].content", warnings)
    if shape.refusal is not UNSET and is_string(shape.refusal):
        parts.append(Refusal(shape.refusal))
    if shape.audio is not None:
        parts.append(Audio(id=shape.audio.id))
    if shape.images is not UNSET and is_list(shape.images):
        parts += _decode_images(shape.images, index)
    if shape.tool_calls:
        parts += [_decode_call(call, f"messages[{index}].tool_calls[{at}]") for at, call in enumerate(shape.tool_calls)]
    elif shape.function_call is not None:
        call_id = f"call_{index}"
        legacy[shape.function_call.name] = call_id
        parts.append(ToolCall(call_id, shape.function_call.name, shape.function_call.arguments))
    return hang_signatures(parts) if shape.reasoning_details else parts


def _decode_images(raw: Raw, index: int) -> list[Image]:
    where = f"messages[{index}].images"
    urls = [image.image_url.url for image in _IMAGES.decode(raw) if image.image_url is not None]
    return [Image(source_of_url(url, where)) for url in urls if is_string(url)]


def _decode_call(call: CallShape, where: str) -> ToolCall:
    if call.custom is not None:
        return ToolCall(call.id, call.custom.name, call.custom.input, "custom")
    if call.function is None:
        raise refused("missing_parameter", f"{where}.function", f"{where}.function is missing.")
    return ToolCall(call.id, call.function.name, call.function.arguments, signature=google_signature(call.extra_content))


def google_signature(extra_content: Carried) -> str | None:
    """The thought signature that Google's own OpenAI-style API puts on a call."""
    if not is_told(extra_content):
        return None
    try:
        proof = _GOOGLE.decode(extra_content).get("google", {}).get("thought_signature")
        return None if proof is None else msgspec.json.decode(proof, type=str)
    except msgspec.DecodeError:
        return None


def _decode_result(shape: MessageShape, index: int, legacy: dict[str, str], warnings: Warnings) -> ToolResult:
    call_id = shape.tool_call_id
    if call_id is None and shape.role == "function" and shape.name is not None:
        call_id = legacy.get(shape.name, shape.name)
    if call_id is None:
        where = f"messages[{index}].tool_call_id"
        raise refused("missing_parameter", where, f"{where} is missing. A tool's answer names the call that it answers.")
    cache = None if shape.cache_control is None else CacheControl(ttl=shape.cache_control.ttl)
    if is_string(shape.content):
        return ToolResult(call_id, (Text(shape.content),), name=shape.name, cache=cache)
    parts = tuple(_decode_content(shape.content, f"messages[{index}].content", warnings)) if is_told(shape.content) else ()
    return ToolResult(call_id, parts, name=shape.name, cache=cache)


def _decode_content(content: Carried, where: str, warnings: Warnings) -> list[Part]:
    """A content that is not a string."""
    if not is_told(content):
        raise refused("missing_parameter", where, f"{where} is missing.")
    if is_string(content):
        return [Text(content)]
    try:
        shapes: list[PartShape] = _PARTS.decode(content)
    except (ValueError, msgspec.DecodeError, RecursionError):
        raws = decode_known(_RAWS, content, where, warnings)
        return [_decode_slowly(one, f"{where}[{at}]", warnings) for at, one in enumerate(raws)]
    parts: list[Part] = []
    for at, shape in enumerate(shapes):
        if shape.type in _PART_TYPES:
            parts.append(_decode_part(shape, f"{where}[{at}]"))
        else:
            parts.append(Opaque("openai", shape.type, _RAWS.decode(content)[at]))
    return parts


def _decode_slowly(raw: Raw, where: str, warnings: Warnings) -> Part:
    """A part among others of which one has unknown or wrong members: parts of unknown types may have any."""
    kind = decode_known(_KIND, raw, where, warnings).type
    if kind not in _PART_TYPES:
        return Opaque("openai", kind, raw)
    return _decode_part(decode_known(_PART, raw, where, warnings), where)


def _decode_part(shape: PartShape, where: str) -> Part:
    cache = None
    if shape.cache_control is not None:
        cache = CacheControl(shape.cache_control.ttl)
    elif shape.prompt_cache_breakpoint is not None:
        cache = CacheControl(shape.prompt_cache_breakpoint.ttl)
    kind = shape.type
    if kind in _TEXT_TYPES:
        return Text(_need_string(shape.text, f"{where}.text"), cache)
    if kind == "refusal":
        return Refusal(_need_string(shape.refusal, f"{where}.refusal"))
    if kind == "image_url":
        return _decode_image(shape.image_url, f"{where}.image_url", cache)
    if kind == "input_audio" and shape.input_audio is not None:
        audio = shape.input_audio
        data = _need_string(audio.data, f"{where}.input_audio.data")
        return Audio(Source(data=data, media_type=audio_type(audio.format)), audio.format or "wav", cache=cache)
    if kind == "file" and shape.file is not None:
        return _decode_file(shape.file, f"{where}.file", cache)
    if kind == "video_url" and shape.video_url is not None:
        return Video(source_of_url(_need_string(shape.video_url.url, f"{where}.video_url.url"), where), cache)
    raise refused("missing_parameter", f"{where}.{kind}", f"{where}.{kind} is missing.")


def _decode_file(file: FileShape, where: str, cache: CacheControl | None) -> Document:
    if is_string(file.file_data):
        source = source_of_file(file.file_data, f"{where}.file_data")
    elif file.file_id is not None:
        source = Source(file_id=file.file_id)
    else:
        raise refused("missing_parameter", where, f"{where} needs file_data or file_id.")
    return Document(source, filename=file.filename, cache=cache)


def _decode_image(raw: Carried, where: str, cache: CacheControl | None) -> Image:
    if is_string(raw):
        return Image(source_of_url(raw, where), None, cache)
    if not is_told(raw):
        raise refused("missing_parameter", where, f"{where} is missing.")
    shape = decode_known(_IMAGE_URL, raw, where, Warnings())
    return Image(source_of_url(_need_string(shape.url, f"{where}.url"), f"{where}.url"), shape.detail, cache)


def _need_string(raw: Carried, where: str) -> Raw:
    if raw is UNSET:
        raise refused("missing_parameter", where, f"{where} is missing.")
    if not is_string(raw):
        raise refused("invalid_parameter", where, f"{where} must be a string.")
    return raw
