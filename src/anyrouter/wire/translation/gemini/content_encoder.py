"""Messages of the form as Gemini takes them: `systemInstruction` and `contents`."""

from typing import Any

import msgspec
from msgspec import Raw

from anyrouter.wire.form.parts import Audio, Document, Image, Opaque, Part, Reasoning, Refusal, Text, ToolCall, ToolResult, Video
from anyrouter.wire.form.reasoning import GEMINI_FORMAT
from anyrouter.wire.form.request import ASSISTANT, TOOL, USER, Message, Request, split_leading_system
from anyrouter.wire.form.text import EMPTY, JsonText, quote
from anyrouter.wire.form.warnings import WarningCode, Warnings
from anyrouter.wire.translation.gemini.content_decoder import NAME
from anyrouter.wire.translation.gemini.media import encode_media
from anyrouter.wire.translation.gemini.signatures import is_signature
from anyrouter.wire.translation.gemini.tool_answer import response_of

Wire = dict[str, Any]
_OBJECT = msgspec.json.Decoder(dict[str, Raw])
_ENCODE = msgspec.json.Encoder().encode
_MODEL = "model"
# Google's own word for a call that no proof of its models exists for: ai.google.dev/gemini-api/docs/thought-signatures (read 2026-11-24).
NO_PROOF = "skip_thought_signature_validator"


def args_of(call: ToolCall) -> tuple[Raw, bool]:
    """A call's arguments as `args`, which is an object, and whether they had to be wrapped to be one. Always JSON, and one line."""
    if call.kind == "custom":
        return Raw(_ENCODE({"input": call.arguments})), False
    text = call.arguments.encode()
    if not text.strip():
        return Raw(b"{}"), False
    try:
        _OBJECT.decode(text)
    except (ValueError, msgspec.DecodeError, RecursionError):
        return Raw(_ENCODE({"input": call.arguments})), True
    return Raw(msgspec.json.format(text, indent=-1)), False


class ContentEncoder:
    """Encodes the messages of one request."""

    __slots__ = ("_is_own", "_names", "_needs_signatures", "_warnings")

    def __init__(self, request: Request, *, needs_signatures: bool, warnings: Warnings) -> None:
        self._is_own = request.dialect == NAME
        self._needs_signatures, self._warnings = needs_signatures, warnings
        self._names: dict[str, str] = {}  # of calls, by id

    def encode(self, messages: list[Message]) -> tuple[Wire | None, list[Wire]]:
        """The system instruction and the contents, of which there is always one."""
        system, rest = split_leading_system(messages)
        if not rest and system:  # there must be something to answer
            system, rest = system[:-1], system[-1:]
        instructions: list[Wire | Raw] = []
        for index, message in enumerate(system):
            self._warn_of_name(message, index)
            instructions += self._encode_parts(message.parts, f"messages[{index}].content")
        contents: list[Wire] = []
        is_after_result = False
        for index, message in enumerate(rest, len(system)):
            self._warn_of_name(message, index)
            parts = self._encode_message(message, index)
            is_result = message.role == TOOL
            if is_after_result and message.role in {TOOL, USER}:  # all answers to one turn's calls, and what follows them, are one turn
                contents[-1]["parts"] += parts
            elif parts:
                contents.append({"role": _MODEL if message.role == ASSISTANT else "user", "parts": parts})
            is_after_result = is_result and (is_after_result or bool(parts))
        return ({"parts": instructions} if instructions else None), contents

    def _warn_of_name(self, message: Message, index: int) -> None:
        if message.name is not None:
            self._warnings.unsupported(f"messages[{index}].name")

    def _encode_message(self, message: Message, index: int) -> list[Wire | Raw]:
        where = f"messages[{index}].content"
        if message.role == TOOL:
            return [
                self._encode_result(part, f"{where}[{at}]" if len(message.parts) > 1 else where)
                for at, part in enumerate(message.parts)
                if isinstance(part, ToolResult)
            ]
        if message.role == ASSISTANT:
            return self._encode_answer(message.parts, index)
        if message.role != USER:
            text = "The model's provider takes system messages at the start only; this one is given to it as the user's."
            self._warnings.add(WarningCode.CHANGED_ROLE, f"messages[{index}].role", text)
        return self._encode_parts(message.parts, where) or [{"text": ""}]

    def _encode_answer(self, parts: list[Part], index: int) -> list[Wire | Raw]:
        encoded: list[Wire | Raw] = []
        is_proven = not self._needs_signatures
        for at, part in enumerate(parts):
            if isinstance(part, ToolCall):
                wire = self._encode_call(part, f"messages[{index}].tool_calls")
                if not is_proven and "thoughtSignature" not in wire:
                    wire["thoughtSignature"] = NO_PROOF
                is_proven = True  # only the first of parallel calls has a proof
                encoded.append(wire)
            elif isinstance(part, Reasoning):
                encoded += self._encode_reasoning(part, f"messages[{index}].reasoning")
            else:
                encoded += self._encode_part(part, f"messages[{index}].content[{at}]" if len(parts) > 1 else f"messages[{index}].content")
        return encoded

    def _encode_reasoning(self, part: Reasoning, where: str) -> list[Wire | Raw]:
        if part.format != GEMINI_FORMAT and not (part.format is None and self._is_own):
            self._warnings.left_out(where, "reasoning of another provider")
            return []
        if part.text is None:
            return [] if part.encrypted is None else [self._prove({"text": ""}, part.encrypted, where)]
        wire: Wire = {"text": part.text, "thought": True}
        return [self._prove(wire, part.signature or part.encrypted, where)]

    def _encode_call(self, call: ToolCall, where: str) -> Wire:
        args, is_wrapped = args_of(call)
        if is_wrapped:
            self._warnings.add(WarningCode.CHANGED_VALUE, where, "Arguments that are no JSON object are sent as the text of one: input.")
        self._names[call.id] = call.name
        wire: Wire = {"functionCall": {"id": call.id, "name": call.name, "args": args} if call.id else {"name": call.name, "args": args}}
        return self._prove(wire, call.signature, where)

    def _prove(self, wire: Wire, proof: str | None, where: str) -> Wire:
        """The part with its proof, if it has one that can be one."""
        if proof is not None and is_signature(proof):
            return {**wire, "thoughtSignature": proof}
        if proof is not None:
            self._warnings.left_out(where, "a thought signature that is not base64")
        return wire

    def _encode_result(self, result: ToolResult, where: str) -> Wire:
        texts: list[JsonText] = []
        media: list[Wire] = []
        for part in result.parts:
            if isinstance(part, Text | Refusal):
                texts.append(part.text)
                continue
            for wire in self._encode_part(part, where):
                if isinstance(wire, dict) and "text" in wire:
                    texts.append(wire["text"])
                elif isinstance(wire, dict):
                    media.append(wire)
        name = result.name or self._names.get(result.call_id) or "tool"
        inner: Wire = {"id": result.call_id, "name": name} if result.call_id else {"name": name}
        inner["response"] = response_of(texts, is_error=result.is_error)
        if media:
            inner["parts"] = media
        return {"functionResponse": inner}

    def _encode_parts(self, parts: list[Part], where: str) -> list[Wire | Raw]:
        if len(parts) == 1:
            return self._encode_part(parts[0], where)
        return [wire for at, part in enumerate(parts) for wire in self._encode_part(part, f"{where}[{at}]")]

    def _encode_part(self, part: Part, where: str) -> list[Wire | Raw]:
        if isinstance(part, Text):
            if part.signature is not None:
                return [self._prove({"text": part.text}, part.signature, where)]
            return [] if part.text == EMPTY else [{"text": part.text}]
        if isinstance(part, Document) and (part.parts is not None or part.title or part.context or _text_source(part) is not None):
            return self._encode_document(part, where)
        if isinstance(part, Image | Document | Audio | Video):
            return self._encode_media(part, where)
        if isinstance(part, Refusal) or (isinstance(part, Opaque) and part.dialect == NAME):
            return [{"text": part.text} if isinstance(part, Refusal) else part.raw]
        self._warnings.left_out(where, f"{part.type if isinstance(part, Opaque) else type(part).__name__.lower()} content")
        return []

    def _encode_media(self, part: Image | Document | Audio | Video, where: str) -> list[Wire | Raw]:
        if isinstance(part, Image) and part.detail in {"low", "high"}:
            self._warnings.unsupported(f"{where}.image_url.detail")
        if isinstance(part, Document) and part.has_citations:
            self._warnings.unsupported(f"{where}.citations")
        wire = encode_media(part)
        if wire is None and isinstance(part, Audio) and part.transcript is not None:
            return [{"text": part.transcript}]
        if wire is None:
            self._warnings.left_out(where, f"{type(part).__name__.lower()} content that is kept by another provider")
            return []
        return [self._prove(wire, part.signature, where) if isinstance(part, Image) else wire]

    def _encode_document(self, part: Document, where: str) -> list[Wire | Raw]:
        """A document with what is said about it in front. Files have no place for a title, and text is simply text."""
        head = [text for text in (part.title, part.context) if text]
        encoded: list[Wire | Raw] = [{"text": quote("\n\n".join(head))}] if head else []
        text = _text_source(part)
        if part.has_citations:
            self._warnings.unsupported(f"{where}.citations")
        if text is not None:
            encoded.append({"text": text})
        elif part.parts is not None:
            encoded += self._encode_parts(list(part.parts), where)
        else:
            encoded += self._encode_media(part, where)
        return encoded


def _text_source(part: Document) -> JsonText | None:
    return None if part.source is None else part.source.text
