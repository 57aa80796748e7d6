"""Messages of the form as an upstream of chat completions takes them."""

from typing import Any

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
from anyrouter.wire.form.request import ASSISTANT, DEVELOPER, SYSTEM, TOOL, USER, Message
from anyrouter.wire.form.text import EMPTY, JsonText, join, quote
from anyrouter.wire.form.warnings import WarningCode, Warnings
from anyrouter.wire.openai import NAME
from anyrouter.wire.translation.openai import traits as t
from anyrouter.wire.translation.openai.reasoning_details import details_of
from anyrouter.wire.translation.openai_media import PDF, audio_format, url_of

Wire = dict[str, Any]
_OUR_FILES = frozenset({"openai", "responses"})  # dialects whose file ids mean something to the upstream
_BETWEEN = rb"\n\n"  # between texts that have to become one


class MessageEncoder:
    """Encodes the messages of one request for one upstream."""

    __slots__ = ("_has_file_ids", "_traits", "_warnings")

    def __init__(self, dialect: str, traits: frozenset[str], warnings: Warnings) -> None:
        self._has_file_ids = dialect in _OUR_FILES
        self._traits, self._warnings = traits, warnings

    def encode(self, messages: list[Message]) -> list[Wire]:
        """All messages. A tool's answers are one message each, and what they hold beside text follows as the user's."""
        out: list[Wire] = []
        for index, message in enumerate(messages):
            parts, role = message.parts, message.role
            if role == TOOL:
                out += self._encode_results(parts, index)
                continue
            if role == DEVELOPER and t.DEVELOPER_ROLE not in self._traits:
                role = SYSTEM
            if len(parts) == 1 and type(part := parts[0]) is Text and part.cache is None and part.signature is None:
                wire: Wire = {"role": role, "content": part.text}
            elif role == ASSISTANT:
                wire = self._encode_assistant(parts, index)
            else:
                wire = {"role": role, "content": self._encode_content(parts, role, f"messages[{index}].content")}
            if message.name is not None:
                wire["name"] = message.name
            out.append(wire)
        return out

    def _encode_assistant(self, parts: list[Part], index: int) -> Wire:
        where = f"messages[{index}]"
        content = [part for part in parts if isinstance(part, Text | Image | Document | Video | Opaque)]
        calls = [part for part in parts if isinstance(part, ToolCall)]
        wire: Wire = {"role": ASSISTANT, "content": self._encode_content(content, ASSISTANT, f"{where}.content") if content else None}
        refusals = [part.text for part in parts if isinstance(part, Refusal)]
        if refusals:
            wire["refusal"] = join(refusals)
        self._encode_reasoning(parts, wire, where)
        for part in parts:
            if isinstance(part, Audio):
                if part.id is not None:
                    wire["audio"] = {"id": part.id}
                else:
                    self._warnings.left_out(f"{where}.audio", "a spoken answer without its id")
        if calls:
            wire["tool_calls"] = [_encode_call(call) for call in calls]
        elif wire["content"] is None and not refusals and "audio" not in wire:
            wire["content"] = ""
        return wire

    def _encode_reasoning(self, parts: list[Part], wire: Wire, where: str) -> None:
        texts, details = details_of(parts)
        if not details:
            return
        if t.REASONING_DETAILS in self._traits:
            wire["reasoning_details"] = details
        elif t.REASONING_CONTENT in self._traits:
            if texts:
                wire["reasoning_content"] = join(texts, _BETWEEN)
        elif any(isinstance(part, Reasoning) for part in parts):
            self._warnings.left_out(f"{where}.reasoning", "reasoning of earlier turns")

    def _encode_results(self, parts: list[Part], index: int) -> list[Wire]:
        out: list[Wire] = []
        moved: list[Wire | Raw] = []
        for at, result in enumerate(parts):
            if not isinstance(result, ToolResult):
                continue
            where = f"messages[{index}].content[{at}]" if len(parts) > 1 else f"messages[{index}].content"
            if result.is_error:
                self._warnings.add(WarningCode.CHANGED_VALUE, where, "The model's provider is not told that a tool's answer is an error.")
            texts = [part.text for part in result.parts if isinstance(part, Text)]
            others = [part for part in result.parts if not isinstance(part, Text)]
            wire: Wire = {"role": TOOL, "tool_call_id": result.call_id, "content": self._encode_texts(texts)}
            if others and t.TOOL_IMAGES in self._traits:
                wire["content"] = self._encode_content(list(result.parts), USER, where)
            elif others:
                content = self._encode_content(others, USER, where)
                if content:
                    told = quote(f"Answer of the tool call {result.call_id}:")
                    moved += [{"type": "text", "text": told}, *(content if isinstance(content, list) else [])]
                    message = "What a tool answered beside text is given to the model as the user's, behind the tools' answers."
                    self._warnings.add(WarningCode.CHANGED_ROLE, where, message)
            if result.cache is not None and t.CACHE_CONTROL in self._traits and texts:
                wire["content"] = [{"type": "text", "text": join(texts, _BETWEEN), "cache_control": _encode_cache(result.cache)}]
            out.append(wire)
        return [*out, {"role": USER, "content": moved}] if moved else out

    def _encode_texts(self, texts: list[JsonText]) -> JsonText | list[Wire]:
        if len(texts) <= 1 or t.STRING_CONTENT in self._traits:
            return join(texts, _BETWEEN) if texts else EMPTY
        return [{"type": "text", "text": text} for text in texts]

    def _encode_content(self, parts: list[Any], role: str, where: str) -> JsonText | str | list[Wire | Raw]:
        """A string where that says it all, else a list of parts."""
        if len(parts) == 1 and isinstance(parts[0], Text) and (parts[0].cache is None or t.CACHE_CONTROL not in self._traits):
            return parts[0].text
        if t.STRING_CONTENT in self._traits and all(isinstance(part, Text) for part in parts):
            return join([part.text for part in parts], _BETWEEN) if parts else EMPTY
        encoded = [self._encode_part(part, role, f"{where}[{at}]" if len(parts) > 1 else where) for at, part in enumerate(parts)]
        return [wire for wire in encoded if wire is not None] or ""

    def _encode_part(self, part: Part, role: str, where: str) -> Wire | Raw | None:
        if isinstance(part, Opaque) and part.dialect == NAME:
            return part.raw
        if isinstance(part, Text):
            wire: Wire | None = {"type": "text", "text": part.text}
        elif isinstance(part, Refusal):
            wire = {"type": "refusal", "refusal": part.text}
        elif role != USER:
            self._warnings.left_out(where, f"{type(part).__name__.lower()} content of the {role}")
            return None
        else:
            wire = self._encode_media(part, where)
        cache = getattr(part, "cache", None)
        if wire is not None and cache is not None and t.CACHE_CONTROL in self._traits:
            wire["cache_control"] = _encode_cache(cache)
        return wire

    def _encode_media(self, part: Part, where: str) -> Wire | None:
        if isinstance(part, Image):
            return self._encode_image(part, where)
        if isinstance(part, Document):
            return self._encode_document(part, where)
        if isinstance(part, Audio) and part.source is not None and part.source.data is not None:
            told = part.format or audio_format(part.source.media_type)
            return {"type": "input_audio", "input_audio": {"data": part.source.data, "format": told}}
        if isinstance(part, Video) and t.VIDEO in self._traits and (url := url_of(part.source, "video/mp4")) is not None:
            return {"type": "video_url", "video_url": {"url": url}}
        self._warnings.left_out(where, f"{type(part).__name__.lower()} content")
        return None

    def _encode_image(self, part: Image, where: str) -> Wire | None:
        url = url_of(part.source, "image/png")
        if url is None:
            self._warnings.left_out(where, "an image that is a file of another provider")
            return None
        return {"type": "image_url", "image_url": {"url": url} if part.detail is None else {"url": url, "detail": part.detail}}

    def _encode_document(self, part: Document, where: str) -> Wire | None:
        if part.has_citations:
            self._warnings.unsupported(f"{where}.citations")
        source = part.source
        if part.parts is not None or (source is not None and source.text is not None):
            return self._encode_plain(part, where)
        name = part.filename or part.title or "document.pdf"
        if source is not None and source.data is not None:
            return {"type": "file", "file": {"filename": name, "file_data": url_of(source, PDF)}}
        if source is not None and source.file_id is not None and self._has_file_ids:
            return {"type": "file", "file": {"file_id": source.file_id}}
        if source is not None and source.url is not None and t.FILE_URL in self._traits:
            return {"type": "file", "file": {"filename": name, "file_data": source.url}}
        is_file = source is not None and source.file_id is not None
        self._warnings.left_out(where, "a document that is a file of another provider" if is_file else "a document that is an address")
        return None

    def _encode_plain(self, part: Document, where: str) -> Wire:
        """A document of text as text, with its name in front."""
        texts = [quote(f"{name}\n\n") for name in (part.title or part.filename, part.context) if name]
        if part.source is not None and part.source.text is not None:
            texts.append(part.source.text)
        for inner in part.parts or ():
            if isinstance(inner, Text):
                texts.append(inner.text)
            else:
                self._warnings.left_out(where, "an image within a document")
        return {"type": "text", "text": join(texts) if texts else EMPTY}


def _encode_cache(cache: CacheControl) -> Wire:
    return {"type": cache.kind} if cache.ttl is None else {"type": cache.kind, "ttl": cache.ttl}


def _encode_call(call: ToolCall) -> Wire:
    if call.kind == "custom":
        return {"id": call.id, "type": "custom", "custom": {"name": call.name, "input": call.arguments}}
    return {"id": call.id, "type": "function", "function": {"name": call.name, "arguments": call.arguments or "{}"}}
