"""The messages of a Messages API request, as clients send them, into the form."""

from collections.abc import Callable

import msgspec
from msgspec import UNSET, Raw

from anyrouter.wire.anthropic import NAME
from anyrouter.wire.form.parts import CacheControl, Document, Image, Opaque, Part, Reasoning, Text, ToolCall, ToolResult
from anyrouter.wire.form.request import ASSISTANT, SYSTEM, TOOL, USER, Message
from anyrouter.wire.form.text import EMPTY, spell_out
from anyrouter.wire.form.warnings import Warnings
from anyrouter.wire.request import refused
from anyrouter.wire.translation.anthropic.citations import decode_citations
from anyrouter.wire.translation.anthropic.media import PDF, need_string, source_of
from anyrouter.wire.translation.anthropic.shapes import BlockShape, CitationsConfigShape, KindShape, MessageShape, SourceShape
from anyrouter.wire.translation.anthropic.thoughts import hang_signatures, redacted_of, thinking_of
from anyrouter.wire.translation.carried import Carried, is_list, is_object, is_string, is_told
from anyrouter.wire.translation.known import decode_known, invalid

_MESSAGES = msgspec.json.Decoder(list[MessageShape])
_BLOCKS, _BLOCK = msgspec.json.Decoder(list[BlockShape]), msgspec.json.Decoder(BlockShape)
_RAWS, _KIND = msgspec.json.Decoder(list[Raw]), msgspec.json.Decoder(KindShape)
_SOURCE, _CITATIONS = msgspec.json.Decoder(SourceShape), msgspec.json.Decoder(CitationsConfigShape)
_STRING = msgspec.json.Decoder(str)
_TYPES = frozenset({"text", "image", "document", "search_result", "thinking", "redacted_thinking", "tool_use", "tool_result"})
_ROLES = {"user": USER, "assistant": ASSISTANT, "system": SYSTEM}


def decode_system(raw: Raw, warnings: Warnings) -> Message | None:
    """The system prompt as the message that it is; None when it is empty."""
    if is_string(raw):
        return None if raw == EMPTY else Message(SYSTEM, [Text(raw)])
    if not is_list(raw):
        raise refused("invalid_parameter", "system", "system must be a string or a list of text blocks.")
    parts = _decode_blocks(raw, "system", warnings)
    return Message(SYSTEM, parts) if parts else None


def decode_messages(raw: Raw, warnings: Warnings) -> list[Message]:
    """All messages, each tool's answers as messages of their own; ClientError names the member that cannot be used."""
    messages: list[Message] = []
    shapes = decode_known(_MESSAGES, raw, "messages", warnings)
    for index, shape in enumerate(shapes):
        role = _ROLES.get(shape.role)
        if role is None:
            where = f"messages[{index}].role"
            raise refused("invalid_parameter", where, f"{where} must be user, assistant or system.")
        content = shape.content
        if is_string(content):
            messages.append(Message(role, [Text(content)]))
        elif is_list(content):
            parts = _decode_blocks(content, f"messages[{index}].content", warnings)
            if role == USER and not (len(parts) == 1 and type(parts[0]) is Text):
                messages += _split_results(parts)
            else:
                messages.append(Message(role, hang_signatures(parts) if role == ASSISTANT and len(parts) > 1 else parts))
        else:
            where = f"messages[{index}].content"
            raise refused("invalid_parameter", where, f"{where} must be a string or a list of blocks.")
    if not messages:
        raise refused("invalid_parameter", "messages", "messages must hold at least one message.")
    return messages


def _split_results(parts: list[Part]) -> list[Message]:
    messages: list[Message] = []
    for part in parts:
        role = TOOL if type(part) is ToolResult else USER
        if messages and messages[-1].role == role:
            messages[-1].parts.append(part)
        else:
            messages.append(Message(role, [part]))
    return messages or [Message(USER, [])]


def _decode_blocks(raw: Raw, where: str, warnings: Warnings) -> list[Part]:
    try:
        shapes: list[BlockShape] = _BLOCKS.decode(raw)
    except (ValueError, msgspec.DecodeError, RecursionError):
        return [_decode_slowly(one, f"{where}[{at}]", warnings) for at, one in enumerate(_decode_list(raw, where))]
    parts: list[Part] = []
    raws: list[Raw] | None = None
    for at, shape in enumerate(shapes):
        kind = shape.type
        if kind == "text" and shape.cache_control is None and shape.citations is UNSET and is_string(shape.text):  # nearly all
            parts.append(Text(shape.text))
        elif kind in _TYPES:
            parts.append(_decode_block(shape, f"{where}[{at}]", warnings))
        else:
            raws = raws or _RAWS.decode(raw)
            parts.append(Opaque(NAME, kind, raws[at]))
    return parts


def _decode_slowly(raw: Raw, where: str, warnings: Warnings) -> Part:
    """A block among others of which one has unknown or wrong members: blocks of unknown types may have any."""
    try:
        kind = _KIND.decode(raw).type
    except (ValueError, msgspec.DecodeError) as error:
        raise invalid(error, where) from None
    if kind not in _TYPES:
        if not kind:
            raise refused("missing_parameter", f"{where}.type", f"{where}.type is missing.")
        return Opaque(NAME, kind, raw)
    return _decode_block(decode_known(_BLOCK, raw, where, warnings), where, warnings)


def _decode_list(raw: Raw, where: str) -> list[Raw]:
    try:
        return _RAWS.decode(raw)
    except (ValueError, msgspec.DecodeError) as error:
        raise invalid(error, where) from None


def _decode_block(shape: BlockShape, where: str, warnings: Warnings) -> Part:
    cache = None if shape.cache_control is None else shape.cache_control.control()
    if shape.type == "text":
        text = need_string(shape.text, f"{where}.text")
        try:
            return Text(text, cache, () if shape.citations is UNSET else decode_citations(shape.citations))
        except msgspec.DecodeError as error:
            raise invalid(error, f"{where}.citations") from None
    return _READERS[shape.type](shape, where, cache, warnings)


def _decode_image(shape: BlockShape, where: str, cache: CacheControl | None, warnings: Warnings) -> Image:
    if is_told(shape.transformations) and bytes(shape.transformations) != b"{}":
        warnings.unsupported(f"{where}.transformations")
    return Image(source_of(_source_shape(shape, where, warnings), f"{where}.source", "image/png"), None, cache)


def _decode_thought(shape: BlockShape, where: str, cache: CacheControl | None, _warnings: Warnings) -> Reasoning:
    if shape.type == "redacted_thinking":
        if shape.data is None:
            raise refused("missing_parameter", f"{where}.data", f"{where}.data is missing.")
        part = redacted_of(shape.data)
    else:
        part = thinking_of(need_string(shape.thinking, f"{where}.thinking"), shape.signature)
    return part if cache is None else msgspec.structs.replace(part, cache=cache)


def _source_shape(shape: BlockShape, where: str, warnings: Warnings) -> SourceShape:
    if not is_told(shape.source):
        raise refused("missing_parameter", f"{where}.source", f"{where}.source is missing.")
    return decode_known(_SOURCE, shape.source, f"{where}.source", warnings)


def _decode_document(shape: BlockShape, where: str, cache: CacheControl | None, warnings: Warnings) -> Document:
    told = _source_shape(shape, where, warnings)
    parts: tuple[Text | Image, ...] | None = None
    source = None
    if told.type == "content":
        parts = _decode_inner(told.content, f"{where}.source.content", warnings)
    else:
        source = source_of(told, f"{where}.source", PDF)
    return Document(
        source,
        title=shape.title,
        context=shape.context,
        has_citations=_has_citations(shape, where, warnings),
        parts=parts,
        cache=cache,
    )


def _decode_inner(content: Carried, where: str, warnings: Warnings) -> tuple[Text | Image, ...]:
    if is_string(content):
        return (Text(content),)
    if not is_list(content):
        raise refused("invalid_parameter", where, f"{where} must be a string or a list of blocks.")
    parts = _decode_blocks(content, where, warnings)
    inner = tuple(part for part in parts if isinstance(part, Text | Image))
    if len(inner) != len(parts):
        raise refused("invalid_parameter", where, f"{where} may hold text and images only.")
    return inner


def _decode_search_result(shape: BlockShape, where: str, cache: CacheControl | None, warnings: Warnings) -> Document:
    """What the client found, as a document: no other dialect has a kind of its own for it."""
    source = _STRING.decode(need_string(shape.source, f"{where}.source"))
    parts = _decode_inner(shape.content, f"{where}.content", warnings)
    return Document(
        title=shape.title,
        context=f"Source: {source}",
        has_citations=_has_citations(shape, where, warnings),
        parts=parts,
        cache=cache,
    )


def _has_citations(shape: BlockShape, where: str, warnings: Warnings) -> bool | None:
    if not is_object(shape.citations):
        return None
    return decode_known(_CITATIONS, shape.citations, f"{where}.citations", warnings).enabled


def _decode_call(shape: BlockShape, where: str, cache: CacheControl | None, warnings: Warnings) -> ToolCall:
    if not shape.id or not shape.name:
        name = "name" if shape.id else "id"
        raise refused("missing_parameter", f"{where}.{name}", f"{where}.{name} is missing.")
    if is_told(shape.input) and not is_object(shape.input):
        raise refused("invalid_parameter", f"{where}.input", f"{where}.input must be an object.")
    if shape.caller is not None and shape.caller.type != "direct":
        warnings.unsupported(f"{where}.caller")
    if shape.toolset_name is not None:
        warnings.unsupported(f"{where}.toolset_name")
    arguments = spell_out(bytes(shape.input)).decode() if is_told(shape.input) else "{}"
    return ToolCall(shape.id, shape.name, arguments, cache=cache)


def _decode_result(shape: BlockShape, where: str, cache: CacheControl | None, warnings: Warnings) -> ToolResult:
    if not shape.tool_use_id:
        raise refused("missing_parameter", f"{where}.tool_use_id", f"{where}.tool_use_id is missing.")
    content = shape.content
    parts: tuple[Part, ...] = ()
    if is_string(content):
        parts = (Text(content),)
    elif is_list(content):
        parts = tuple(_decode_blocks(content, f"{where}.content", warnings))
        if any(isinstance(part, ToolResult) for part in parts):
            raise refused("invalid_parameter", f"{where}.content", f"{where}.content may not hold tool results.")
    elif is_told(content):
        raise refused("invalid_parameter", f"{where}.content", f"{where}.content must be a string or a list of blocks.")
    return ToolResult(shape.tool_use_id, parts, bool(shape.is_error), cache=cache)


_READERS: dict[str, Callable[[BlockShape, str, CacheControl | None, Warnings], Part]] = {
    "image": _decode_image,
    "document": _decode_document,
    "search_result": _decode_search_result,
    "tool_use": _decode_call,
    "tool_result": _decode_result,
    "thinking": _decode_thought,
    "redacted_thinking": _decode_thought,
}
