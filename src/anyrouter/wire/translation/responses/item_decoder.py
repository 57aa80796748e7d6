"""The input of a Responses request, a string or items, into messages of the form."""

from collections.abc import Callable

import msgspec
from msgspec import UNSET, Raw

from anyrouter.wire.form.parts import Audio, CacheControl, Document, Image, Opaque, Part, Refusal, Source, Text, ToolCall, ToolResult
from anyrouter.wire.form.request import ASSISTANT, DEVELOPER, SYSTEM, TOOL, USER, Message
from anyrouter.wire.form.text import unquote
from anyrouter.wire.form.tools import AnyTool
from anyrouter.wire.form.warnings import WarningCode, Warnings
from anyrouter.wire.request import refused
from anyrouter.wire.translation.carried import Carried, is_list, is_string, is_told
from anyrouter.wire.translation.known import decode_known
from anyrouter.wire.translation.openai_media import audio_type, source_of_file, source_of_url
from anyrouter.wire.translation.responses.shapes import NAME, ItemShape, KindShape, PartShape, ThoughtShape
from anyrouter.wire.translation.responses.thoughts import hang_proofs, is_hung, reasoning_of
from anyrouter.wire.translation.responses.tools import decode_tools

_ITEMS = msgspec.json.Decoder(list[ItemShape])
_ITEM = msgspec.json.Decoder(ItemShape)
_KIND = msgspec.json.Decoder(KindShape)
_RAWS = msgspec.json.Decoder(list[Raw])
_PARTS = msgspec.json.Decoder(list[PartShape])
_THOUGHTS = msgspec.json.Decoder(list[ThoughtShape])
_MEMBERS = msgspec.json.Decoder(dict[str, Raw])
_ROLES = {"user": USER, "system": SYSTEM, "developer": DEVELOPER}
_TEXT_TYPES = frozenset({"input_text", "output_text", "text", "summary_text", "reasoning_text"})
_PART_TYPES = _TEXT_TYPES | {"refusal", "input_image", "input_file", "input_audio", "computer_screenshot"}


class InputDecoder:
    """Decodes one request's items. `tools` are those that items added, in place of the list at the top level."""

    __slots__ = ("_messages", "_proven", "_warnings", "tools")

    def __init__(self, warnings: Warnings) -> None:
        self._warnings = warnings
        self._messages: list[Message] = []
        self._proven: set[int] = set()  # the messages with proofs that belong elsewhere
        self.tools: list[AnyTool] = []

    def decode(self, raw: Raw) -> list[Message]:
        """All messages. What the model said, thought and called in a row is one, and so are successive outputs of tools.

        ClientError names the member that cannot be used: among others whatever refers to what a provider has stored.
        """
        if is_string(raw):
            return [Message(USER, [Text(raw)])]
        if not is_list(raw):
            raise refused("invalid_parameter", "input", "input must be a string or a list of items.")
        try:
            shapes = _ITEMS.decode(raw)
        except (ValueError, msgspec.DecodeError):
            shapes = None  # an item is of another kind, or wrong: one by one, then
        readers = [_READERS.get(shape.type or _kind(shape.role)) for shape in shapes or ()]
        if shapes is not None and None not in readers:
            for at, (shape, reader) in enumerate(zip(shapes, readers, strict=True)):
                if reader is not None:
                    reader(self, shape, at)
        else:
            for at, one in enumerate(_RAWS.decode(raw)):
                self._read_item(one, at)
        for at in self._proven:
            message = self._messages[at]
            self._messages[at] = Message(message.role, hang_proofs(message.parts))
        if not self._messages:
            raise refused("invalid_parameter", "input", "input must hold at least one item.")
        return self._messages

    def _read_item(self, raw: Raw, at: int) -> None:
        where = f"input[{at}]"
        told = decode_known(_KIND, raw, where, self._warnings)
        kind = told.type or _kind(told.role)
        reader = _READERS.get(kind)
        if reader is not None:
            reader(self, decode_known(_ITEM, raw, where, self._warnings), at)
        elif kind == "item_reference":
            message = "This gateway stores no items, so an item cannot be referred to. Send the item itself."
            raise refused("invalid_parameter", where, message)
        elif kind == "compaction_trigger":
            raise refused("invalid_parameter", where, "Compaction is done by one provider for its own models, and is not translated.")
        elif kind == "additional_tools":
            self._read_tools(raw, where)
        else:
            self._say(Opaque(NAME, kind, raw))

    def _say(self, *parts: Part) -> None:
        """More of the model's turn."""
        if not self._messages or self._messages[-1].role != ASSISTANT:
            self._messages.append(Message(ASSISTANT, []))
        self._messages[-1].parts.extend(parts)

    def _read_message(self, shape: ItemShape, at: int) -> None:
        content = decode_content(shape.content, f"input[{at}].content", self._warnings)
        if shape.role == "assistant":
            self._say(*content)
            return
        role = _ROLES.get(shape.role or "")
        if role is None:
            where = f"input[{at}].role"
            message = f"{where} must be user, assistant, system or developer; a tool's answer is an item of type function_call_output."
            raise refused("invalid_parameter", where, message)
        self._messages.append(Message(role, content))

    def _read_call(self, shape: ItemShape, at: int) -> None:
        where = f"input[{at}]"
        call_id, name = _need(shape.call_id, f"{where}.call_id"), _need(shape.name, f"{where}.name")
        self._warn_of_namespace(shape, where)
        self._say(ToolCall(call_id, name, _need(shape.arguments, f"{where}.arguments"), item_id=shape.id))

    def _read_custom_call(self, shape: ItemShape, at: int) -> None:
        where = f"input[{at}]"
        call_id, name = _need(shape.call_id, f"{where}.call_id"), _need(shape.name, f"{where}.name")
        self._warn_of_namespace(shape, where)
        self._say(ToolCall(call_id, name, _need(shape.input, f"{where}.input"), "custom", item_id=shape.id))

    def _warn_of_namespace(self, shape: ItemShape, where: str) -> None:
        if shape.namespace is not None and shape.namespace != shape.name:
            message = "Namespaces of tools are not translated; the call is told by the name of its function alone."
            self._warnings.add(WarningCode.CHANGED_VALUE, f"{where}.namespace", message)

    def _read_output(self, shape: ItemShape, at: int) -> None:
        where = f"input[{at}]"
        parts = tuple(decode_content(shape.output, f"{where}.output", self._warnings))
        kind = "custom" if shape.type == "custom_tool_call_output" else "function"
        result = ToolResult(_need(shape.call_id, f"{where}.call_id"), parts, name=shape.name, kind=kind)
        if self._messages and self._messages[-1].role == TOOL:
            self._messages[-1].parts.append(result)
        else:
            self._messages.append(Message(TOOL, [result]))

    def _read_reasoning(self, shape: ItemShape, at: int) -> None:
        where = f"input[{at}]"
        content = decode_known(_THOUGHTS, shape.content, f"{where}.content", self._warnings) if is_told(shape.content) else None
        parts = reasoning_of(shape.id, shape.summary, content, shape.encrypted_content)
        if parts:
            self._say(*parts)
            if is_hung(parts[0]):
                self._proven.add(len(self._messages) - 1)

    def _read_tools(self, raw: Raw, where: str) -> None:
        members = decode_known(_MEMBERS, raw, where, self._warnings)
        if "tools" in members:
            self.tools += decode_tools(members["tools"], f"{where}.tools", self._warnings)
            message = "Tools that are added on the way are given to the model from the beginning."
            self._warnings.add(WarningCode.CHANGED_VALUE, where, message)


_READERS: dict[str, Callable[[InputDecoder, ItemShape, int], None]] = {
    "message": InputDecoder._read_message,  # noqa: SLF001 -- the class's own table
    "function_call": InputDecoder._read_call,  # noqa: SLF001
    "custom_tool_call": InputDecoder._read_custom_call,  # noqa: SLF001
    "function_call_output": InputDecoder._read_output,  # noqa: SLF001
    "custom_tool_call_output": InputDecoder._read_output,  # noqa: SLF001
    "reasoning": InputDecoder._read_reasoning,  # noqa: SLF001
}


def _kind(role: str | None) -> str:
    """The kind of an item without a type: a message if it has a role, else a reference."""
    return "message" if role is not None else "item_reference"


def decode_content(content: Carried, where: str, warnings: Warnings) -> list[Part]:
    """A message's content or a tool's output: a string, or a list of parts."""
    if is_string(content):
        return [Text(content)]
    if not is_told(content):
        raise refused("missing_parameter", where, f"{where} is missing.")
    try:
        shapes = _PARTS.decode(content)
    except (ValueError, msgspec.DecodeError):
        shapes = None
    if shapes is not None and _PART_TYPES.issuperset([shape.type for shape in shapes]):
        return [_decode_part(shape, where, at) for at, shape in enumerate(shapes)]
    if not is_list(content):
        raise refused("invalid_parameter", where, f"{where} must be a string or a list of parts.")
    parts: list[Part] = []
    for at, one in enumerate(_RAWS.decode(content)):
        kind = decode_known(_KIND, one, f"{where}[{at}]", warnings).type
        if kind is not None and kind not in _PART_TYPES:
            parts.append(Opaque(NAME, kind, one))
        else:
            parts.append(_decode_part(decode_known(_PART, one, f"{where}[{at}]", warnings), where, at))
    return parts


_PART = msgspec.json.Decoder(PartShape)


def _decode_part(shape: PartShape, content: str, at: int) -> Part:
    cache = None
    if shape.cache_control is not None:
        cache = CacheControl(shape.cache_control.ttl)
    elif shape.prompt_cache_breakpoint is not None:
        cache = CacheControl()  # the lifetimes that OpenAI has are no other provider's
    if shape.type in _TEXT_TYPES and is_string(shape.text):
        return Text(shape.text, cache)
    return _decode_other(shape, f"{content}[{at}]", cache)


def _decode_other(shape: PartShape, where: str, cache: CacheControl | None) -> Part:
    kind = shape.type
    if kind in _TEXT_TYPES:
        return Text(_need_string(shape.text, f"{where}.text"), cache)
    if kind == "refusal":
        return Refusal(_need_string(shape.refusal, f"{where}.refusal"))
    if kind == "input_file":
        return Document(_decode_file(shape, where), filename=shape.filename, cache=cache)
    if kind == "input_audio":
        if shape.input_audio is None:
            raise refused("missing_parameter", f"{where}.input_audio", f"{where}.input_audio is missing.")
        data, audio_format = _need_string(shape.input_audio.data, f"{where}.input_audio.data"), shape.input_audio.format or "wav"
        return Audio(Source(data=data, media_type=audio_type(audio_format)), audio_format, cache=cache)
    detail = None if shape.detail == "auto" else shape.detail
    if is_told(shape.image_url):
        url = _need_string(shape.image_url, f"{where}.image_url")
        return Image(source_of_url(url, f"{where}.image_url", "image/png"), detail, cache)
    return Image(Source(file_id=_need(shape.file_id, f"{where}.image_url")), detail, cache)


def _decode_file(shape: PartShape, where: str) -> Source:
    if is_told(shape.file_data):
        return source_of_file(_need_string(shape.file_data, f"{where}.file_data"), f"{where}.file_data")
    if is_told(shape.file_url):
        return Source(url=unquote(_need_string(shape.file_url, f"{where}.file_url")))
    if shape.file_id is None:
        raise refused("missing_parameter", where, f"{where} needs file_data, file_url or file_id.")
    return Source(file_id=shape.file_id)


def _need(value: str | None, where: str) -> str:
    if value is None:
        raise refused("missing_parameter", where, f"{where} is missing.")
    return value


def _need_string(raw: Carried, where: str) -> Raw:
    if raw is UNSET:
        raise refused("missing_parameter", where, f"{where} is missing.")
    if not is_string(raw):
        raise refused("invalid_parameter", where, f"{where} must be a string.")
    return raw
