"""Messages of the form as an upstream of the Messages API takes them: turns of the user and the assistant in alternation.

Neighbours of one role become one turn. A tool's answers stand first in the user's turn behind the calls, as the API demands. Empty
texts, which it refuses, are left out: they say nothing.
"""

import re

import msgspec
from msgspec import Raw

from anyrouter.wire.anthropic import NAME
from anyrouter.wire.form.parts import (
    Audio,
    CacheControl,
    Document,
    Image,
    Opaque,
    Part,
    Reasoning,
    Refusal,
    Source,
    Text,
    ToolCall,
    ToolResult,
)
from anyrouter.wire.form.request import ASSISTANT, DEVELOPER, SYSTEM, TOOL, USER, Message, Request, split_leading_system
from anyrouter.wire.form.text import JsonText, unquote
from anyrouter.wire.form.warnings import WarningCode, Warnings
from anyrouter.wire.translation.anthropic.citations import own_citations
from anyrouter.wire.translation.anthropic.media import encode_document_source, encode_image_source
from anyrouter.wire.translation.anthropic.shapes import Wire
from anyrouter.wire.translation.anthropic.thoughts import own_thought
from anyrouter.wire.translation.claude_models import SYSTEM_TURNS

Block = Wire | Raw
_OBJECT = msgspec.json.Decoder(dict[str, Raw])
_ID = re.compile(r"[a-zA-Z0-9_-]+", re.ASCII)
_NOT_ID = re.compile(r"[^a-zA-Z0-9_-]", re.ASCII)
_OWN_FAMILY = frozenset({NAME, "bedrock"})
_MAX_BLANK = 64  # bytes: a longer text is not looked at for being blank
_SPEAKERS = frozenset({USER, ASSISTANT})
_LONG_TTLS = frozenset({"1h", "24h"})


class MessageEncoder:
    """Encodes the messages of one request for one upstream."""

    __slots__ = ("_has_own_files", "_traits", "_warnings")

    def __init__(self, request: Request, traits: frozenset[str], warnings: Warnings) -> None:
        self._traits, self._warnings = traits, warnings
        self._has_own_files = request.dialect in _OWN_FAMILY

    def encode(self, messages: list[Message]) -> tuple[JsonText | list[Block] | None, list[Wire]]:
        """The system prompt, None when there is none, and the turns."""
        leading, rest = split_leading_system(messages)
        turns = _Turns()
        for at, message in enumerate(rest):
            if not turns.add_plain(message):
                self._add(rest, at, len(leading) + at, turns)
        if not turns.turns and leading:  # the API wants a turn: the last instruction is what is to be answered
            leading, last = leading[:-1], leading[-1]
            self._changed_role(len(leading), "the user's, because there is no other message")
            turns.add(USER, self._encode_parts(last.parts, USER, f"messages[{len(leading)}].content"))
        return self._encode_system(leading), turns.wires()

    def _add(self, messages: list[Message], at: int, index: int, turns: "_Turns") -> None:
        message = messages[at]
        role, where = message.role, f"messages[{index}].content"
        if message.name is not None and role != TOOL:
            self._warnings.unsupported(f"messages[{index}].name")
        if role == TOOL:
            results = [part for part in message.parts if isinstance(part, ToolResult)]
            turns.add_results([self._encode_result(part, f"{where}[{place}]") for place, part in enumerate(results)])
            return
        if role not in {SYSTEM, DEVELOPER}:
            turns.add(role, self._encode_parts(message.parts, role, where))
            return
        if SYSTEM_TURNS in self._traits and turns.last_role in {USER, SYSTEM} and _ends_turn(messages, at):
            turns.add(SYSTEM, self._encode_parts(message.parts, SYSTEM, where))
        else:
            self._changed_role(index, "the user's, because there is no such role within a conversation")
            turns.add(USER, self._encode_parts(message.parts, USER, where))

    def _changed_role(self, index: int, how: str) -> None:
        message = f"The message is given to the model as {how}."
        self._warnings.add(WarningCode.CHANGED_ROLE, f"messages[{index}].role", message)

    def _encode_system(self, messages: list[Message]) -> JsonText | list[Block] | None:
        blocks: list[Block] = []
        for index, message in enumerate(messages):
            if message.name is not None:
                self._warnings.unsupported(f"messages[{index}].name")
            blocks += self._encode_parts(message.parts, SYSTEM, f"messages[{index}].content")
        return _shortest(blocks) if blocks else None

    def _encode_parts(self, parts: list[Part], role: str, where: str) -> list[Block]:
        if len(parts) == 1 and type(part := parts[0]) is Text and part.cache is None and not part.citations:
            return [] if _is_blank(part.text) else [{"type": "text", "text": part.text}]
        blocks: list[Block] = []
        for at, part in enumerate(parts):
            block = self._encode_part(part, role, f"{where}[{at}]" if len(parts) > 1 else where)
            if block is not None:
                blocks.append(block)
        return blocks

    def _encode_part(self, part: Part, role: str, where: str) -> Block | None:
        if isinstance(part, Text | Refusal):
            return _encode_text(part, role)
        if isinstance(part, Opaque):
            if part.dialect == NAME:
                return part.raw
            self._warnings.left_out(where, f"{part.type} content of another provider")
            return None
        if role == ASSISTANT:
            return self._encode_answer(part, where)
        wire = self._encode_media(part, where) if role == USER else None
        if wire is None:
            if role != USER:
                self._warnings.left_out(where, f"{type(part).__name__.lower()} content of the {role}")
            return None
        return _with_cache(wire, getattr(part, "cache", None))

    def _encode_answer(self, part: Part, where: str) -> Wire | None:
        """A part of what the model said before, beside text."""
        if isinstance(part, ToolCall):
            return _with_cache(self._encode_call(part, where), part.cache)
        if isinstance(part, Reasoning):
            thought = own_thought(part)
            if thought is None:
                self._warnings.left_out(where, "reasoning of another provider")
            return thought
        if isinstance(part, Audio) and part.transcript is not None:
            self._warnings.add(WarningCode.CHANGED_VALUE, where, "The spoken answer is given to the model as its transcript.")
            return {"type": "text", "text": part.transcript}
        self._warnings.left_out(where, f"{type(part).__name__.lower()} content of the assistant")
        return None

    def _encode_call(self, call: ToolCall, where: str) -> Wire:
        wire: Wire = {"type": "tool_use", "id": _id_of(call.id), "name": call.name}
        if call.kind == "custom":
            wire["input"] = {"input": call.arguments}
            return wire
        wire["input"] = encode_arguments(call.arguments)
        if type(wire["input"]) is dict and call.arguments.strip():
            message = "The arguments of a tool call are no JSON object; they are given to the model as the text INVALID_JSON."
            self._warnings.add(WarningCode.CHANGED_VALUE, where, message)
        return wire

    def _encode_result(self, result: ToolResult, where: str) -> Wire:
        wire: Wire = {"type": "tool_result", "tool_use_id": _id_of(result.call_id)}
        blocks = self._encode_parts(list(result.parts), USER, where)
        if blocks:
            wire["content"] = _shortest(blocks)
        if result.is_error:
            wire["is_error"] = True
        return _with_cache(wire, result.cache)

    def _encode_media(self, part: Part, where: str) -> Wire | None:
        if isinstance(part, Image):
            if part.detail == "low":
                self._warnings.unsupported(f"{where}.detail")
            source = encode_image_source(part.source, has_own_files=self._has_own_files)
            if source is None:
                self._warnings.left_out(where, f"an image {_origin_of(part.source)}")
                return None
            return {"type": "image", "source": source}
        if isinstance(part, Document):
            return self._encode_document(part, where)
        self._warnings.left_out(where, f"{type(part).__name__.lower()} content")
        return None

    def _encode_document(self, part: Document, where: str) -> Wire | None:
        source: Wire | None = None
        if part.parts is not None:
            source = {"type": "content", "content": self._encode_parts(list(part.parts), USER, where)}
        elif part.source is not None:
            source = encode_document_source(part.source, has_own_files=self._has_own_files)
        if source is None:
            self._warnings.left_out(where, f"a document {_origin_of(part.source)}")
            return None
        wire: Wire = {"type": "document", "source": source}
        title = part.title or part.filename
        if title:
            wire["title"] = title
        if part.context:
            wire["context"] = part.context
        if part.has_citations:
            wire["citations"] = {"enabled": True}
        return wire


class _Turns:
    """The turns so far. One that is a single text, as nearly all are, has it as its content until more comes."""

    __slots__ = ("_results", "last_role", "turns")

    def __init__(self) -> None:
        self.turns: list[Wire] = []
        self._results = 0  # how many blocks at the start of the last turn are answers of tools
        self.last_role = ""

    def add_plain(self, message: Message) -> bool:
        """A turn of its own that is one plain text; False when the message is none."""
        role, parts = message.role, message.parts
        if len(parts) != 1 or role == self.last_role or role not in _SPEAKERS or message.name is not None:
            return False
        part = parts[0]
        if type(part) is not Text or part.cache is not None or part.citations or memoryview(part.text).nbytes <= _MAX_BLANK:
            return False
        self.turns.append({"role": role, "content": part.text})
        self.last_role, self._results = role, 0
        return True

    def add(self, role: str, blocks: list[Block]) -> None:
        """More of the role's turn, or one of its own."""
        if not blocks:
            return
        if self.last_role == role:
            self._blocks().extend(blocks)
        else:
            self.turns.append({"role": role, "content": list(blocks)})
            self.last_role, self._results = role, 0

    def add_results(self, blocks: list[Block]) -> None:
        """Answers of tools, before all else that the user's turn holds."""
        if self.last_role == USER and blocks:
            self._blocks()[self._results : self._results] = blocks
        else:
            self.add(USER, blocks)
        self._results += len(blocks)

    def _blocks(self) -> list[Block]:
        """The content of the last turn as a list."""
        turn = self.turns[-1]
        content = turn["content"]
        if isinstance(content, Raw):
            content = turn["content"] = [{"type": "text", "text": content}]
        blocks: list[Block] = content
        return blocks

    def wires(self) -> list[Wire]:
        """The messages."""
        for turn in self.turns:
            if type(turn["content"]) is list:
                turn["content"] = _shortest(turn["content"])
        return self.turns


def _ends_turn(messages: list[Message], at: int) -> bool:
    """Whether the assistant's turn, or nothing, follows a late instruction: the API takes it nowhere else."""
    return next((message.role for message in messages[at + 1 :] if message.role not in {SYSTEM, DEVELOPER}), ASSISTANT) == ASSISTANT


def encode_arguments(arguments: str) -> Raw | Wire:
    """A call's arguments as the object that the API has for them; what is no object is wrapped, as its makers advise."""
    if not arguments.strip():
        return {}
    try:
        _OBJECT.decode(arguments)
        return Raw(arguments.encode())
    except (ValueError, msgspec.DecodeError, RecursionError):
        return {"INVALID_JSON": arguments}


def _origin_of(source: Source | None) -> str:
    """What of a source is in the way."""
    if source is None:
        return "without content"
    if source.data is not None:
        return f"of the type {source.media_type}"
    return "that is a file of another provider" if source.file_id is not None else "at this kind of address"


def encode_cache(cache: CacheControl) -> Wire:
    """A breakpoint. The API knows two times to live."""
    return {"type": "ephemeral", "ttl": "1h"} if cache.ttl in _LONG_TTLS else _encode_short(cache)


def _encode_short(cache: CacheControl) -> Wire:
    return {"type": "ephemeral", "ttl": "5m"} if cache.ttl == "5m" else {"type": "ephemeral"}


def _with_cache(wire: Wire, cache: CacheControl | None) -> Wire:
    if cache is not None:
        wire["cache_control"] = encode_cache(cache)
    return wire


def _encode_text(part: Text | Refusal, role: str) -> Wire | None:
    if _is_blank(part.text):
        return None
    wire: Wire = {"type": "text", "text": part.text}
    if isinstance(part, Refusal):
        return wire
    if part.citations and role == ASSISTANT:
        citations = own_citations(part.citations)
        if citations:
            wire["citations"] = citations
    return _with_cache(wire, part.cache)


def _is_blank(text: JsonText) -> bool:
    size = memoryview(text).nbytes
    return size <= 2 or (size <= _MAX_BLANK and not unquote(text).strip())  # noqa: PLR2004 -- the quotation marks


def _shortest(blocks: list[Block]) -> JsonText | list[Block]:
    """A string where that says all."""
    if len(blocks) == 1:
        block = blocks[0]
        if type(block) is dict and len(block) == 2 and block["type"] == "text":  # noqa: PLR2004 -- type and text
            text: JsonText = block["text"]
            return text
    return blocks


def _id_of(call_id: str) -> str:
    """A call's id in the characters that the API takes; ids of other makers may have more."""
    if _ID.fullmatch(call_id):
        return call_id
    return _NOT_ID.sub("_", call_id) or "call_0"
