"""Reading the content of an Anthropic message: a string or typed blocks, counted by the documented rule (docs/sandbox.md)."""

from dataclasses import dataclass, field

import msgspec

from anyrouter.sandbox.fields import FaultKind, Fields
from anyrouter.sandbox.reply import ApiError
from anyrouter.sandbox.text import byte_count


@dataclass(slots=True, kw_only=True)
class Content:
    """What a message holds: its own texts, and the bytes of everything in it that is text."""

    texts: list[str] = field(default_factory=list)
    size: int = 0
    is_present: bool = False
    has_tool_result: bool = False


def read_content(message: Fields) -> Content:
    """The meaning of `content`; FieldFault or ApiError for what this provider refuses. Blocks of unknown types are passed over."""
    value = message.require("content")
    if isinstance(value, str):
        return Content(texts=[value] if value else [], size=byte_count(value), is_present=bool(value))
    if not isinstance(value, list):
        raise message.fault("content", FaultKind.TYPE, "one of a string or array of objects", value)
    content = Content(is_present=bool(value))
    for block in message.objects("content"):
        _read_block(block, content)
    return content


def _read_block(block: Fields, content: Content) -> None:
    kind = block.required_text("type")
    if kind == "text":
        text = block.required_text("text")
        if not text:
            raise ApiError(400, "messages: text content blocks must be non-empty")
        content.texts.append(text)
        content.size += byte_count(text)
    elif kind == "tool_use":
        block.required_text("id")
        block.required_text("name")
        arguments = block.object("input")
        if arguments is None:
            raise block.fault("input", FaultKind.MISSING)
        content.size += len(msgspec.json.encode(arguments.members))
    elif kind == "tool_result":
        block.required_text("tool_use_id")
        content.has_tool_result = True
        content.size += _size_of_result(block)
    elif kind == "thinking":
        content.size += byte_count(block.required_text("thinking"))
    elif kind in {"image", "document"}:
        source = block.object("source")
        if source is None:
            raise block.fault("source", FaultKind.MISSING)
        if source.text("type") == "text":
            content.size += byte_count(source.required_text("data"))


def _size_of_result(block: Fields) -> int:
    """The bytes of the text in a tool's result."""
    value = block.members.get("content")
    if value is None:
        return 0
    if isinstance(value, str):
        return byte_count(value)
    if not isinstance(value, list):
        raise block.fault("content", FaultKind.TYPE, "one of a string or array of objects", value)
    return sum(byte_count(part.required_text("text")) for part in block.objects("content") if part.text("type") == "text")
