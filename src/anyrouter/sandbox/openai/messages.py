"""Reading the messages of an OpenAI chat: their texts, counted by the documented rule (docs/sandbox.md)."""

from dataclasses import dataclass

from anyrouter.core.usage import estimate_tokens
from anyrouter.sandbox.fields import FaultKind, Fields
from anyrouter.sandbox.text import byte_count

MAX_MESSAGES = 100_000
_ROLES = ("system", "assistant", "user", "function", "tool", "developer")
_PARTS = ("text", "image_url", "input_audio", "refusal", "file")


@dataclass(frozen=True, slots=True, kw_only=True)
class Messages:
    """What the messages say: the last text of the user (its parts joined by newlines), and how much there is of everything."""

    last_user_text: str
    tokens: int
    is_after_tool: bool


def read_messages(fields: Fields) -> Messages:
    """The meaning of `messages`; FieldFault for what this provider refuses."""
    fields.require("messages")
    messages = fields.objects("messages", maximum=MAX_MESSAGES)
    if not messages:
        raise fields.fault("messages", FaultKind.EMPTY)
    last_user_text, size, role = "", 0, None
    for message in messages:
        role = message.choice("role", _ROLES)
        if role is None:
            raise message.fault("role", FaultKind.MISSING)
        texts = _read_content(message, is_required=role not in {"assistant", "function"})
        if role == "tool":
            message.required_text("tool_call_id")
        calls = _read_calls(message) if role == "assistant" else []
        size += sum(map(byte_count, texts)) + sum(map(byte_count, calls))
        if role == "user" and texts:
            last_user_text = "\n".join(texts)
    return Messages(last_user_text=last_user_text, tokens=estimate_tokens(size), is_after_tool=role in {"tool", "function"})


def _read_content(message: Fields, *, is_required: bool) -> list[str]:
    content = message.require("content") if is_required else message.members.get("content")
    if content is None:
        return []
    if isinstance(content, str):
        return [content]
    if not isinstance(content, list):
        raise message.fault("content", FaultKind.TYPE, "one of a string or array of objects", content)
    texts = []
    for part in message.objects("content"):
        kind = part.choice("type", _PARTS)
        if kind is None:
            raise part.fault("type", FaultKind.MISSING)
        if kind == "text":
            texts.append(part.required_text("text"))
        elif kind == "refusal":
            texts.append(part.required_text("refusal"))
        elif part.object(kind) is None:
            raise part.fault(kind, FaultKind.MISSING)
    return texts


def _read_calls(message: Fields) -> list[str]:
    """The arguments of the calls that an assistant's message made."""
    arguments = []
    for call in message.objects("tool_calls"):
        function, custom = call.object("function"), call.object("custom")
        if function is not None:
            arguments.append(function.text("arguments") or "")
        elif custom is not None:
            arguments.append(custom.text("input") or "")
        else:
            raise call.fault("function", FaultKind.MISSING)
    return arguments
