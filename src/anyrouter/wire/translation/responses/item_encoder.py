"""Messages of the form as the items that an upstream of Responses takes."""

from typing import Any

from msgspec import Raw

from anyrouter.wire.form.parts import Audio, Document, Image, Opaque, Part, Reasoning, Refusal, Source, Text, ToolCall, ToolResult
from anyrouter.wire.form.request import ASSISTANT, TOOL, USER, Message
from anyrouter.wire.form.text import EMPTY, JsonText, join, quote
from anyrouter.wire.form.warnings import WarningCode, Warnings
from anyrouter.wire.translation.openai_media import PDF, audio_format, filename_of, url_of
from anyrouter.wire.translation.responses import traits as t
from anyrouter.wire.translation.responses.shapes import NAME
from anyrouter.wire.translation.responses.thoughts import encode_own, group_thoughts

Wire = dict[str, Any]
_OUR_FILES = frozenset({NAME, "openai"})  # dialects whose file ids mean something to the upstream


class ItemEncoder:
    """Encodes the messages of one request for one upstream. No item gets an id: ids are for what is stored."""

    __slots__ = ("_custom_calls", "_has_file_ids", "_items", "_traits", "_warnings", "has_own_reasoning")

    def __init__(self, dialect: str, traits: frozenset[str], warnings: Warnings) -> None:
        self._traits, self._warnings = traits, warnings
        self._has_file_ids = dialect in _OUR_FILES
        self._custom_calls: set[str] = set()
        self._items: list[Wire | Raw] = []
        self.has_own_reasoning = False  # whether the conversation holds reasoning that the upstream proved

    def encode(self, messages: list[Message], first: int) -> list[Wire | Raw]:
        """All items. `first` is the number that the first of the messages has in the request, for warnings."""
        for index, message in enumerate(messages, first):
            where = f"messages[{index}]"
            if message.name is not None:
                self._warnings.unsupported(f"{where}.name")
            if message.role == TOOL:
                self._encode_results(message.parts, where)
            elif message.role == ASSISTANT:
                self._encode_assistant(message.parts, where)
            else:
                content = self._encode_content(message.parts, message.role, f"{where}.content")
                self._items.append({"type": "message", "role": message.role, "content": content})
        return self._items

    def _encode_content(self, parts: list[Part], role: str, where: str) -> JsonText | list[Wire | Raw]:
        if len(parts) == 1 and type(part := parts[0]) is Text:
            return part.text
        encoded = [self._encode_part(part, role, f"{where}[{at}]") for at, part in enumerate(parts)]
        return [wire for wires in encoded for wire in wires] or EMPTY

    def _encode_part(self, part: Part, role: str, where: str) -> list[Wire | Raw]:
        if isinstance(part, Text):
            return [{"type": "input_text", "text": part.text}]
        if isinstance(part, Opaque) and part.dialect == NAME:
            return [part.raw]
        if role == USER:
            wires = self._encode_media(part, where)
            if wires:
                return wires
        self._warnings.left_out(where, _what(part, role))
        return []

    def _encode_media(self, part: Part, where: str) -> list[Wire | Raw]:
        if isinstance(part, Image):
            return self._encode_image(part)
        if isinstance(part, Document):
            return self._encode_document(part, where)
        if isinstance(part, Audio) and t.INPUT_AUDIO in self._traits and part.source is not None and part.source.data is not None:
            told = part.format or audio_format(part.source.media_type)
            return [{"type": "input_audio", "input_audio": {"data": part.source.data, "format": told}}]
        return []

    def _encode_image(self, part: Image) -> list[Wire | Raw]:
        wire: Wire = {"type": "input_image", "detail": part.detail or "auto"}
        url = url_of(part.source, "image/png")
        if url is not None:
            return [{**wire, "image_url": url}]
        return [{**wire, "file_id": part.source.file_id}] if self._has_file_ids and part.source.file_id is not None else []

    def _encode_document(self, part: Document, where: str) -> list[Wire | Raw]:
        if part.has_citations:
            self._warnings.unsupported(f"{where}.citations")
        source = part.source
        if source is None or source.text is not None:
            return self._encode_plain(part, where)
        wire = self._encode_file(source, filename_of(part.filename or part.title, source.media_type))
        if wire is not None and part.context is not None:
            return [{"type": "input_text", "text": part.context}, wire]
        return [] if wire is None else [wire]

    def _encode_file(self, source: Source, filename: str) -> Wire | None:
        if source.data is not None:
            return {"type": "input_file", "filename": filename, "file_data": url_of(source, PDF)}
        if source.url is not None:
            return {"type": "input_file", "file_url": source.url}
        return {"type": "input_file", "file_id": source.file_id} if self._has_file_ids else None

    def _encode_plain(self, part: Document, where: str) -> list[Wire | Raw]:
        """A document of text as text, with its name in front; pictures within follow in their place."""
        texts = [quote(f"{name}\n\n") for name in (part.title or part.filename, part.context) if name]
        wires: list[Wire | Raw] = []
        if part.source is not None and part.source.text is not None:
            texts.append(part.source.text)
        for inner in part.parts or ():
            if isinstance(inner, Text):
                texts.append(inner.text)
                continue
            images = self._encode_image(inner)
            if not images:
                self._warnings.left_out(where, "an image within a document")
            elif texts:
                wires.append({"type": "input_text", "text": join(texts)})
                texts = []
            wires += images
        if texts or not wires:
            wires.append({"type": "input_text", "text": join(texts) if texts else EMPTY})
        return wires

    def _encode_assistant(self, parts: list[Part], where: str) -> None:
        said: list[Part] = []
        thought: list[Reasoning] = []
        for at, part in enumerate(parts):
            if isinstance(part, Text | Refusal):
                self._add_thought(thought, where)
                said.append(part)
                continue
            self._add_said(said)
            if isinstance(part, Reasoning):
                thought.append(part)
                continue
            self._add_thought(thought, where)
            if isinstance(part, ToolCall):
                self._items.append(self._encode_call(part))
            elif isinstance(part, Opaque) and part.dialect == NAME:
                self._items.append(part.raw)
            else:
                self._warnings.left_out(f"{where}.content[{at}]", _what(part, ASSISTANT))
        self._add_thought(thought, where)
        self._add_said(said)
        if not parts:
            self._items.append({"type": "message", "role": ASSISTANT, "content": EMPTY})

    def _add_said(self, said: list[Part]) -> None:
        if not said:
            return
        content: JsonText | list[Wire]
        content = said[0].text if len(said) == 1 and isinstance(said[0], Text) else [_encode_said(part) for part in said]
        self._items.append({"type": "message", "role": ASSISTANT, "content": content})
        said.clear()

    def _add_thought(self, thought: list[Reasoning], where: str) -> None:
        for group in group_thoughts(thought):
            wire = encode_own(group, is_text_taken=t.REASONING_TEXT in self._traits)
            if wire is None:
                self._warnings.left_out(f"{where}.reasoning", "reasoning of another provider, or without a proof")
            else:
                self.has_own_reasoning = self.has_own_reasoning or "encrypted_content" in wire
                self._items.append(wire)
        thought.clear()

    def _encode_call(self, call: ToolCall) -> Wire:
        if call.kind == "custom":
            self._custom_calls.add(call.id)
            return {"type": "custom_tool_call", "call_id": call.id, "name": call.name, "input": call.arguments}
        return {"type": "function_call", "call_id": call.id, "name": call.name, "arguments": call.arguments or "{}"}

    def _encode_results(self, parts: list[Part], where: str) -> None:
        for at, result in enumerate(parts):
            if not isinstance(result, ToolResult):
                continue
            place = f"{where}.content[{at}]" if len(parts) > 1 else f"{where}.content"
            if result.is_error:
                self._warnings.add(WarningCode.CHANGED_VALUE, place, "The model's provider is not told that a tool's answer is an error.")
            is_custom = result.kind == "custom" or result.call_id in self._custom_calls
            kind = "custom_tool_call_output" if is_custom else "function_call_output"
            output = self._encode_content(list(result.parts), USER, place)
            self._items.append({"type": kind, "call_id": result.call_id, "output": output})


def _what(part: Part, role: str) -> str:
    """What a part is called in a warning."""
    kind = part.type[:64] if isinstance(part, Opaque) else type(part).__name__.lower()
    return f"{kind} content" if role == USER else f"{kind} content of the {role}"


def _encode_said(part: Part) -> Wire:
    """A part of an answer. What it was based on stays behind: annotations tell the model nothing, and other providers' are refused."""
    if isinstance(part, Refusal):
        return {"type": "refusal", "refusal": part.text}
    assert isinstance(part, Text)  # noqa: S101 -- nothing else is said
    return {"type": "output_text", "text": part.text, "annotations": []}
