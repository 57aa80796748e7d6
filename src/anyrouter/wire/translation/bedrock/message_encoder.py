"""Messages of the form as Converse takes them: a system prompt, and turns of the user and the assistant in alternation.

The service's rules: the user begins; neighbours of one role are one turn; all answers of tools stand in the turn behind their calls;
blank texts, empty turns, and a document without a text beside it are refused.
"""

import re
import zlib
from base64 import b64encode
from typing import Any

import msgspec
from msgspec import Raw

from anyrouter.wire.form.parts import (
    Audio,
    CacheControl,
    Document,
    Image,
    Opaque,
    Part,
    Reasoning,
    Refusal,
    Text,
    ToolCall,
    ToolResult,
    Video,
)
from anyrouter.wire.form.reasoning import BEDROCK_FORMAT
from anyrouter.wire.form.request import ASSISTANT, DEVELOPER, SYSTEM, TOOL, USER, Message, Request, split_leading_system
from anyrouter.wire.form.text import EMPTY, JsonText, quote_ascii, unquote
from anyrouter.wire.form.warnings import WarningCode, Warnings
from anyrouter.wire.request import refused
from anyrouter.wire.translation.bedrock.media import (
    DocumentNames,
    document_format,
    document_source,
    encode_audio,
    encode_image,
    encode_video,
)
from anyrouter.wire.translation.bedrock.model_facts import ModelFacts
from anyrouter.wire.translation.bedrock.reply_decoder import NAME
from anyrouter.wire.translation.bedrock.turns import Block, Turns, Wire
from anyrouter.wire.translation.claude_models import SYSTEM_TURNS

_OBJECT = msgspec.json.Decoder(dict[str, Raw])
_ENCODE = msgspec.json.Encoder().encode
_ID = re.compile(r"[a-zA-Z0-9_.:-]{1,64}", re.ASCII)
_NOT_ID = re.compile(r"[^a-zA-Z0-9_.:-]", re.ASCII)
_BASE64 = re.compile(r"[A-Za-z0-9+/]+={0,2}", re.ASCII)
_MAX_ID = 64
_MAX_BLANK = 64  # bytes: a longer text is not looked at for being blank
_LONG_TTLS = frozenset({"1h", "24h"})
_FILLER = "."  # a turn that has to be there and has nothing to say
_OWN_FAMILY = frozenset({NAME, "anthropic"})


class MessageEncoder:
    """Encodes the messages of one request for one model."""

    __slots__ = ("_facts", "_ids", "_is_own_family", "_names", "_warnings", "has_tool_blocks")

    def __init__(self, request: Request, facts: ModelFacts, warnings: Warnings) -> None:
        self._facts, self._warnings = facts, warnings
        self._is_own_family = request.dialect in _OWN_FAMILY
        self._names = DocumentNames()
        self._ids: dict[str, str] = {}
        self.has_tool_blocks = False

    def encode(self, messages: list[Message]) -> tuple[list[Block], list[Wire]]:
        """The system prompt and the turns, of which there is always one. ClientError when there is nothing to answer."""
        leading, rest = split_leading_system(messages)
        turns = Turns()
        for at in range(len(rest)):
            self._add(rest, at, len(leading) + at, turns)
        if not turns.wires and leading:
            leading, last = leading[:-1], leading[-1]
            self._change_role(len(leading), "the user's, because there is no other message")
            turns.add(USER, self._encode_parts(last.parts, USER, f"messages[{len(leading)}].content"))
        if not turns.wires:
            raise refused("invalid_parameter", "messages", "messages must hold a text that is not blank; the model's provider demands one.")
        if turns.wires[0]["role"] != USER:
            self._change_role(len(leading), "an answer to the user's full stop: the user has to begin")
            turns.wires.insert(0, {"role": USER, "content": [{"text": _FILLER}]})
        system: list[Block] = []
        for index, message in enumerate(leading):
            self._warn_of_name(message, index)
            system += self._encode_parts(message.parts, SYSTEM, f"messages[{index}].content")
        for wire in turns.wires:
            _accompany_documents(wire["content"])
        return system, turns.wires

    def cache_point(self, cache: CacheControl | None) -> list[Block]:
        """The breakpoint behind what carries it, where the model has such."""
        if cache is None or not self._facts.has_cache_points:
            return []
        point: Wire = {"type": "default"}
        if self._facts.has_long_cache and cache.ttl is not None:
            point["ttl"] = "1h" if cache.ttl in _LONG_TTLS else "5m"
        return [{"cachePoint": point}]

    def _add(self, messages: list[Message], at: int, index: int, turns: Turns) -> None:
        message = messages[at]
        role, where = message.role, f"messages[{index}].content"
        self._warn_of_name(message, index)
        if role == TOOL:
            results = [part for part in message.parts if isinstance(part, ToolResult)]
            blocks: list[Block] = []
            for place, part in enumerate(results):
                blocks += self._encode_result(part, f"{where}[{place}]" if len(results) > 1 else where)
            turns.add_results(blocks)
        elif role not in {SYSTEM, DEVELOPER}:
            turns.add(role, self._encode_parts(message.parts, role, where))
        elif SYSTEM_TURNS in self._facts.claude and turns.last_role in {USER, SYSTEM} and _ends_turn(messages, at):
            turns.add(SYSTEM, self._encode_parts(message.parts, SYSTEM, where))
        else:
            self._change_role(index, "the user's, because there is no such role within a conversation")
            turns.add(USER, self._encode_parts(message.parts, USER, where))

    def _warn_of_name(self, message: Message, index: int) -> None:
        if message.name is not None and message.role != TOOL:
            self._warnings.unsupported(f"messages[{index}].name")

    def _change_role(self, index: int, how: str) -> None:
        text = f"The message is given to the model as {how}."
        self._warnings.add(WarningCode.CHANGED_ROLE, f"messages[{index}].role", text)

    def _encode_parts(self, parts: list[Part], role: str, where: str) -> list[Block]:
        if len(parts) == 1 and type(part := parts[0]) is Text and part.cache is None:
            return [] if is_blank(part.text) else [{"text": part.text}]
        blocks: list[Block] = []
        for at, part in enumerate(parts):
            block = self._encode_part(part, role, f"{where}[{at}]" if len(parts) > 1 else where)
            if block is not None:
                blocks.append(block)
                blocks += self.cache_point(getattr(part, "cache", None))
        return blocks

    def _encode_part(self, part: Part, role: str, where: str) -> Block | None:
        if isinstance(part, Text | Refusal):
            return None if is_blank(part.text) else {"text": part.text}
        if isinstance(part, Opaque):
            if part.dialect == NAME:
                return part.raw
            self._warnings.left_out(where, f"{part.type} content of another provider")
            return None
        if role == ASSISTANT:
            return self._encode_answer(part, where)
        if role == USER:
            return self._encode_media(part, where)
        self._warnings.left_out(where, f"{type(part).__name__.lower()} content of the {role}")
        return None

    def _encode_answer(self, part: Part, where: str) -> Wire | None:
        """A part of what the model said before, beside text."""
        if isinstance(part, ToolCall):
            return self._encode_call(part, where)
        if isinstance(part, Reasoning):
            thought = self._encode_thought(part)
            if thought is None:
                self._warnings.left_out(where, "reasoning of another provider")
            return thought
        if isinstance(part, Audio) and part.transcript is not None:
            self._warnings.add(WarningCode.CHANGED_VALUE, where, "The spoken answer is given to the model as its transcript.")
            return {"text": part.transcript}
        self._warnings.left_out(where, f"{type(part).__name__.lower()} content of the assistant")
        return None

    def _encode_thought(self, part: Reasoning) -> Wire | None:
        """What a Claude signed, for a Claude: other models take no thoughts back."""
        is_own = part.format == BEDROCK_FORMAT or (part.format is None and self._is_own_family)
        if not is_own or not self._facts.is_claude:
            return None
        if part.encrypted is not None:
            return {"reasoningContent": {"redactedContent": part.encrypted}} if _BASE64.fullmatch(part.encrypted) else None
        if part.signature is None:
            return None
        text = EMPTY if part.text is None else part.text
        return {"reasoningContent": {"reasoningText": {"text": text, "signature": part.signature}}}

    def _encode_call(self, call: ToolCall, where: str) -> Wire:
        self.has_tool_blocks = True
        wire: Wire = {"toolUseId": self._id_of(call.id), "name": call.name}
        if call.kind == "custom":
            wire["input"] = {"input": call.arguments}
            return {"toolUse": wire}
        wire["input"] = encode_arguments(call.arguments)
        if type(wire["input"]) is dict and call.arguments.strip():
            text = "The arguments of a tool call are no JSON object; they are given to the model as the text INVALID_JSON."
            self._warnings.add(WarningCode.CHANGED_VALUE, where, text)
        return {"toolUse": wire}

    def _encode_result(self, result: ToolResult, where: str) -> list[Block]:
        self.has_tool_blocks = True
        content: list[Block] = []
        cache = result.cache
        for part in result.parts:
            block: Block | None
            if isinstance(part, Audio):
                self._warnings.left_out(where, "an audio in a tool's answer")
                block = None
            else:
                block = self._encode_part(part, USER, where)
            cache = cache or getattr(part, "cache", None)
            if block is not None:
                content.append(block)
        wire: Wire = {"toolUseId": self._id_of(result.call_id), "content": content}
        if result.is_error and self._facts.has_result_status:
            wire["status"] = "error"
        elif result.is_error:
            self._warnings.add(WarningCode.CHANGED_VALUE, where, "The model is not told that a tool's answer is an error.")
        return [{"toolResult": wire}, *self.cache_point(cache)]

    def _encode_media(self, part: Part, where: str) -> Wire | None:
        wire: Wire | None = None
        if isinstance(part, Image):
            if part.detail == "low":
                self._warnings.unsupported(f"{where}.image_url.detail")
            wire = encode_image(part)
        elif isinstance(part, Document):
            wire = self._encode_document(part, where)
        elif isinstance(part, Video):
            wire = encode_video(part)
        elif isinstance(part, Audio):
            wire = encode_audio(part)
        if wire is None:
            self._warnings.left_out(where, _kind_of(part))
        return wire

    def _encode_document(self, part: Document, where: str) -> Wire | None:
        told, source = document_format(part), None
        if part.parts is not None:
            source = {"content": self._encode_parts([inner for inner in part.parts if isinstance(inner, Text)], USER, where)}
            if any(not isinstance(inner, Text) for inner in part.parts):
                self._warnings.left_out(where, "an image within a document")
        elif part.source is not None and part.source.text is not None:
            told, source = "txt", self._text_source(part.source.text)
        elif part.source is not None and told is not None:
            source = document_source(part.source)
        if source is None:
            return None
        wire: Wire = {"name": self._names.name(part), "source": source}
        if told is not None:
            wire["format"] = told
        if part.context:
            wire["context"] = part.context
        if part.has_citations and self._facts.is_claude:
            wire["citations"] = {"enabled": True}
        elif part.has_citations:
            self._warnings.unsupported(f"{where}.citations")
        return {"document": wire}

    def _text_source(self, text: JsonText) -> Wire:
        """Claude cites plain text by its characters; other models take it as a file."""
        if self._facts.is_claude:
            return {"text": text}
        return {"bytes": quote_ascii(b64encode(unquote(text).encode()))}

    def _id_of(self, call_id: str) -> str:
        """A call's id in the characters that the service takes, the same wherever it stands, and another's for none."""
        found = self._ids.get(call_id)
        if found is None:
            found = call_id if _ID.fullmatch(call_id) else _made_id(call_id)
            self._ids[call_id] = found
        return found


def _made_id(call_id: str) -> str:
    """An id that may not stand as it is, shortened, with a checksum so that two do not become one."""
    plain = _NOT_ID.sub("_", call_id)[: _MAX_ID - 9]
    return f"{plain}_{zlib.crc32(call_id.encode()):08x}"


def encode_arguments(arguments: str) -> Raw | Wire:
    """A call's arguments as the object that the API has for them; what is no object is wrapped."""
    if not arguments.strip():
        return {}
    try:
        _OBJECT.decode(arguments)
        return Raw(arguments.encode())
    except (ValueError, msgspec.DecodeError, RecursionError):
        return {"INVALID_JSON": arguments}


def is_blank(text: JsonText) -> bool:
    """Whether a text is white space."""
    size = memoryview(text).nbytes
    return size <= 2 or (size <= _MAX_BLANK and not unquote(text).strip())  # noqa: PLR2004 -- the quotation marks


def _ends_turn(messages: list[Message], at: int) -> bool:
    """Whether the assistant's turn, or nothing, follows a late instruction: such models take it nowhere else."""
    return next((message.role for message in messages[at + 1 :] if message.role not in {SYSTEM, DEVELOPER}), ASSISTANT) == ASSISTANT


def _accompany_documents(content: list[Any]) -> None:
    """Put a text beside documents that have none: their names."""
    kinds = {name for block in content if isinstance(block, dict) for name in block}
    if "document" in kinds and "text" not in kinds:
        names = ", ".join(block["document"]["name"] for block in content if isinstance(block, dict) and "document" in block)
        content.append({"text": names})


def _kind_of(part: Part) -> str:
    """A part that cannot be sent, and why."""
    kind = type(part).__name__.lower()
    source = getattr(part, "source", None)
    if source is None:
        return f"{kind} content"
    if source.url is not None:
        return f"{kind} content that is an address (its bytes are needed)"
    if source.data is not None:
        return f"{kind} content of the type {source.media_type}"
    return f"{kind} content that is kept by another provider"
