"""Reading the messages of a Converse request: turns of content blocks, counted by the documented rule (docs/sandbox.md).

The rules about turns and tools are the service's, which checks them for every model.
"""

import base64
import binascii
import re
from dataclasses import dataclass, field
from itertools import pairwise

import msgspec

from anyrouter.core.usage import estimate_tokens
from anyrouter.sandbox.bedrock.envelope import place_of, refusal
from anyrouter.sandbox.fields import FaultKind, FieldFault, Fields
from anyrouter.sandbox.text import byte_count

MAX_MESSAGES = 100_000
MAX_SHOWN_IDS = 16
BLOCKS = (
    "text", "image", "document", "video", "audio", "toolUse", "toolResult", "guardContent", "cachePoint", "reasoningContent",
    "citationsContent", "searchResult", "toolAddition", "toolRemoval",
)  # fmt: skip
TOOL_NAME = re.compile(r"[a-zA-Z0-9_-]{1,64}", re.ASCII)

_TOOL_ID = re.compile(r"[a-zA-Z0-9_.:-]{1,64}", re.ASCII)
_DOCUMENT_NAME = re.compile(r"[a-zA-Z0-9\-()\[\]]+( [a-zA-Z0-9\-()\[\]]+)*", re.ASCII)
_FORMATS = {
    "image": ("png", "jpeg", "gif", "webp"),
    "document": ("pdf", "csv", "doc", "docx", "xls", "xlsx", "html", "txt", "md"),
    "video": ("mkv", "mov", "mp4", "webm", "flv", "mpeg", "mpg", "wmv", "three_gp"),
    "audio": ("mp3", "opus", "wav", "aac", "flac", "mp4", "ogg", "mkv", "mka", "x-aac", "m4a", "mpeg", "mpga", "pcm", "webm"),
}


@dataclass(slots=True, kw_only=True)
class Turn:
    """What one message holds: its own texts, the bytes of everything in it that is text, and the ids of calls and results."""

    index: int = 0
    role: str = ""
    texts: list[str] = field(default_factory=list)
    size: int = 0
    calls: list[str] = field(default_factory=list)
    results: list[str] = field(default_factory=list)


@dataclass(frozen=True, slots=True, kw_only=True)
class Messages:
    """What the messages say: the last text of the user (its parts joined by newlines), and how much there is of everything."""

    last_user_text: str
    size: int
    is_after_tool: bool
    has_tool_blocks: bool

    @property
    def tokens(self) -> int:
        """The tokens of the messages, by the rule."""
        return estimate_tokens(self.size)


def read_messages(fields: Fields) -> Messages:
    """The meaning of `messages`; FieldFault or ApiError for what this service refuses."""
    messages = fields.objects("messages", maximum=MAX_MESSAGES)
    turns = [_read_turn(message, index) for index, message in enumerate(messages)]
    spoken = [turn for turn in turns if turn.role != "system"]
    if not spoken or spoken[0].role != "user":
        note = "Try again with a conversation that starts with a user message."
        raise refusal(f"A conversation must start with a user message. {note}")
    for before, after in pairwise((Turn(), *spoken)):
        if before.role == after.role:
            note = "Make sure the conversation alternates between user and assistant roles and try again."
            raise refusal(f"A conversation must alternate between user and assistant roles. {note}")
        _check_results(before, after)
    said = [turn.texts for turn in spoken if turn.role == "user" and turn.texts]
    return Messages(
        last_user_text="\n".join(said[-1]) if said else "",
        size=sum(turn.size for turn in turns),
        is_after_tool=bool(spoken[-1].results),
        has_tool_blocks=any(turn.calls or turn.results for turn in turns),
    )


def _read_turn(message: Fields, index: int) -> Turn:
    role = message.choice("role", ("user", "assistant", "system"))
    if role is None:
        raise message.fault("role", FaultKind.MISSING)
    message.require("content")
    blocks = message.objects("content")
    if not blocks:
        note = "Add a ContentBlock object to the content field and try again."
        raise refusal(f"The content field in the Message object at {place_of(message.path)} is empty. {note}")
    turn = Turn(index=index, role=role)
    kinds = [_read_block(block, turn) for block in blocks]
    if "document" in kinds and "text" not in kinds:
        raise refusal(f"Add a text block to the content field at {place_of(message.path)}.content, which has a document, and try again.")
    return turn


def read_kind(block: Fields, known: tuple[str, ...]) -> str:
    """The one member of a union."""
    kinds = [name for name in block.members if block.has(name)]
    if len(kinds) != 1 or kinds[0] not in known:
        note = f"must have exactly one of the following members set: {', '.join(known)}"
        raise refusal(f"The union at {place_of(block.path)} {note}.")
    return kinds[0]


def read_text(block: Fields, kind: str = "ContentBlock") -> str:
    """The text of a block, which must not be blank."""
    text = block.required_text("text")
    if not text.strip():
        note = "Add text to the text field, and try again."
        raise refusal(f"The text field in the {kind} object at {place_of(block.path)} is blank. {note}")
    return text


def _read_block(block: Fields, turn: Turn) -> str:
    kind = read_kind(block, BLOCKS)
    if kind == "text":
        text = read_text(block)
        turn.texts.append(text)
        turn.size += byte_count(text)
        return kind
    value = block.object(kind)
    assert value is not None  # noqa: S101 -- it is the one member
    if kind in _FORMATS:
        if kind in {"image", "document"} and turn.role != "user":
            raise refusal(f"Images and documents can only be in messages of the user, not at {place_of(block.path)}.")
        turn.size += _read_media(value, kind)
    elif kind == "toolUse":
        _read_call(value, turn)
    elif kind == "toolResult":
        _read_result(value, turn)
    elif kind == "reasoningContent":
        turn.size += _read_reasoning(value)
    elif kind == "guardContent":
        guarded = value.object("text")
        turn.size += byte_count(guarded.required_text("text")) if guarded is not None else 0
    elif kind in {"citationsContent", "searchResult"}:
        turn.size += sum(byte_count(part.required_text("text")) for part in value.objects("content"))
    elif kind == "cachePoint" and value.choice("type", ("default",)) is None:
        raise value.fault("type", FaultKind.MISSING)
    return kind


def _read_media(value: Fields, kind: str) -> int:
    """Check an image, a document, a film or a sound; the bytes of what is text in it."""
    if value.choice("format", _FORMATS[kind]) is None and kind != "document":
        raise value.fault("format", FaultKind.MISSING)
    if kind == "document" and not _DOCUMENT_NAME.fullmatch(value.required_text("name")):
        rule = (
            "The document file name can only contain alphanumeric characters, whitespace characters, hyphens, parentheses, and square "
            "brackets. The name can't contain more than one consecutive whitespace character."
        )
        raise refusal(rule)
    source = value.object("source")
    if source is None:
        raise value.fault("source", FaultKind.MISSING)
    from_document = ("text", "content") if kind == "document" else ()
    origin = read_kind(source, ("bytes", "s3Location", *from_document))
    if origin == "bytes":
        _check_base64(source, "bytes")
    elif origin == "text":
        return byte_count(source.required_text("text"))
    elif origin == "content":
        return sum(byte_count(part.required_text("text")) for part in source.objects("content"))
    return 0


def _read_call(value: Fields, turn: Turn) -> None:
    identity = _read_identity(value)
    name = value.required_text("name")
    if not TOOL_NAME.fullmatch(name):
        raise FieldFault((*value.path, "name"), FaultKind.VALUE, ("[a-zA-Z0-9_-]+",), name)
    arguments = value.require("input")
    if not isinstance(arguments, dict):
        note = "Provide a json object for the field and try again."
        raise refusal(f"The format of the value at {place_of(value.path)}.input is invalid. {note}")
    turn.size += len(msgspec.json.encode(arguments))
    turn.calls.append(identity)


def _read_result(value: Fields, turn: Turn) -> None:
    turn.results.append(_read_identity(value))
    value.require("content")
    value.choice("status", ("success", "error"))
    for part in value.objects("content"):
        kind = read_kind(part, ("json", "text", "image", "document", "video", "searchResult"))
        if kind == "text":
            turn.size += byte_count(part.required_text("text"))
        elif kind == "json":
            turn.size += len(msgspec.json.encode(part.members["json"]))
        elif kind in _FORMATS and (media := part.object(kind)) is not None:
            turn.size += _read_media(media, kind)


def _read_identity(value: Fields) -> str:
    identity = value.required_text("toolUseId")
    if not _TOOL_ID.fullmatch(identity):
        raise FieldFault((*value.path, "toolUseId"), FaultKind.VALUE, ("[a-zA-Z0-9_.:-]+",), identity)
    return identity


def _read_reasoning(value: Fields) -> int:
    if read_kind(value, ("reasoningText", "redactedContent")) == "redactedContent":
        _check_base64(value, "redactedContent")
        return 0
    thought = value.object("reasoningText")
    assert thought is not None  # noqa: S101 -- it is the one member
    thought.text("signature")
    return byte_count(thought.required_text("text"))


def _check_results(before: Turn, after: Turn) -> None:
    """Every call is answered in the next message, and nothing else is."""
    results = set(after.results)
    missing = [identity for identity in before.calls if identity not in results]
    if missing:
        shown = ", ".join(missing[:MAX_SHOWN_IDS])
        raise refusal(f"Expected toolResult blocks at messages.{after.index}.content for the following Ids: {shown}")
    if len(after.results) > len(before.calls):
        note = "exceeds the number of toolUse blocks of previous turn."
        raise refusal(f"The number of toolResult blocks at messages.{after.index}.content {note}")


def _check_base64(fields: Fields, name: str) -> None:
    try:
        base64.b64decode(fields.required_text(name), validate=True)
    except (binascii.Error, ValueError):
        raise FieldFault((*fields.path, name), FaultKind.TYPE, "base64", fields.members[name]) from None
