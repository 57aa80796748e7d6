"""One block of a Messages API stream after the other, as parts of the form."""

from typing import Any, TypeGuard

import msgspec
from msgspec import Raw

from anyrouter.wire.anthropic import NAME
from anyrouter.wire.form.events import ArgumentsDelta, CitationAdded, Event, PartEnd, PartStart, ReasoningDelta, SignatureDelta, TextDelta
from anyrouter.wire.form.parts import Opaque, Reasoning, Text, ToolCall
from anyrouter.wire.form.text import EMPTY, is_empty, join, quote, unquote
from anyrouter.wire.reply import InvalidReply
from anyrouter.wire.translation.anthropic.citations import decode_citation
from anyrouter.wire.translation.anthropic.reply_decoder import part_of
from anyrouter.wire.translation.anthropic.shapes import ToldBlockShape, ToldDeltaShape
from anyrouter.wire.translation.anthropic.thoughts import thinking_of
from anyrouter.wire.translation.carried import Carried, is_object, is_string

_decode_block = msgspec.json.Decoder(ToldBlockShape).decode
_decode_object = msgspec.json.Decoder(dict[str, Raw]).decode


class OpenBlock:
    """The block that is open, and the number that its part has. `kind` is empty when none is open."""

    __slots__ = ("_arguments", "_held", "_json", "_next", "index", "kind")

    def __init__(self) -> None:
        self.kind = ""
        self._next = self.index = 0
        self._arguments = ""  # of a call that begins with them, until its deltas come
        self._held: Raw | dict[str, Any] | None = None  # a block that no other dialect has
        self._json: list[Raw] = []  # pieces of its input

    def begin(self, raw: Carried, events: list[Event]) -> None:
        """The events of a block that begins."""
        self.end(events)
        if not is_object(raw):
            raise InvalidReply("a block of the stream begins without content_block")
        told = _decode_block(raw)
        part = part_of(told)
        if part is None:
            self.kind, self._held = told.type, raw
            return
        self.kind, self.index = told.type, self._next
        self._next += 1
        if isinstance(part, Text):
            events.append(PartStart(self.index, Text(EMPTY)))
            if not is_empty(part.text):
                events.append(TextDelta(self.index, part.text))
            events += [CitationAdded(self.index, citation) for citation in part.citations]
        elif isinstance(part, ToolCall):
            self._arguments = "" if part.arguments.strip("{} \t\r\n") == "" else part.arguments
            events.append(PartStart(self.index, msgspec.structs.replace(part, arguments="")))
        elif isinstance(part, Reasoning) and part.text is not None:
            events.append(PartStart(self.index, msgspec.structs.replace(part, text=EMPTY)))
            if not is_empty(part.text):
                events.append(ReasoningDelta(self.index, part.text))
        else:
            events.append(PartStart(self.index, part))

    def add_text(self, delta: ToldDeltaShape, events: list[Event]) -> bool:
        """The event of more text, which nearly all are; False for all others."""
        if delta.type != "text_delta" or self.kind != "text" or not is_string(delta.text):
            return False
        if delta.text != EMPTY:
            events.append(TextDelta(self.index, delta.text))
        return True

    def add(self, delta: ToldDeltaShape, data: bytes, events: list[Event]) -> None:
        """The events of any other delta; what does not belong to the open block is no stream of the dialect."""
        if self._held is not None:
            self._hold(delta, data)
            return
        if not self.kind:
            raise InvalidReply("a delta of the stream belongs to no block")
        kind, index = (self.kind, delta.type), self.index
        if kind == ("tool_use", "input_json_delta"):
            if _is_more(delta.partial_json):
                self._arguments = ""
                events.append(ArgumentsDelta(index, delta.partial_json))
        elif kind == ("thinking", "thinking_delta"):
            if _is_more(delta.thinking):
                events.append(ReasoningDelta(index, delta.thinking))
        elif delta.type in {"text_delta", "input_json_delta", "thinking_delta"}:
            raise InvalidReply(f"a {delta.type} of the stream belongs to another block")
        else:
            self._add_proof(delta, events)

    def _add_proof(self, delta: ToldDeltaShape, events: list[Event]) -> None:
        """A signature or a citation; deltas that are not known yet are passed over."""
        if delta.type == "signature_delta" and self.kind == "thinking" and delta.signature:
            proof = thinking_of(None, delta.signature)
            if proof.format is not None or proof.signature is not None:
                events.append(SignatureDelta(self.index, proof.signature, proof.encrypted, proof.format, proof.id))
        elif delta.type == "citations_delta" and self.kind == "text" and is_object(delta.citation):
            events.append(CitationAdded(self.index, decode_citation(delta.citation)))

    def end(self, events: list[Event]) -> None:
        """The events that end the block, if one is open."""
        if not self.kind:
            return
        if self._held is not None:
            events.append(PartStart(self._next, Opaque(NAME, self.kind, self._whole(self._held))))
            self.index, self._held = self._next, None
            self._next += 1
        elif self._arguments:
            events.append(ArgumentsDelta(self.index, quote(self._arguments)))
            self._arguments = ""
        self.kind = ""
        events.append(PartEnd(self.index))

    def _hold(self, delta: ToldDeltaShape, data: bytes) -> None:
        """More of a held block: pieces of its input, or members that are texts and grow."""
        if delta.type == "input_json_delta":
            if is_string(delta.partial_json):
                self._json.append(delta.partial_json)
            return
        block: dict[str, Any] = _decode_object(self._held) if isinstance(self._held, Raw) else self._held or {}
        for name, raw in _decode_object(_decode_object(data)["delta"]).items():
            if name != "type":
                earlier = block.get(name)
                is_growing = isinstance(earlier, Raw) and is_string(earlier) and is_string(raw)
                block[name] = join([earlier, raw]) if is_growing and isinstance(earlier, Raw) else raw
        self._held = block

    def _whole(self, held: Raw | dict[str, Any]) -> Raw:
        pieces, self._json = self._json, []
        text = unquote(join(pieces)) if pieces else ""
        if not text.strip():
            return held if isinstance(held, Raw) else Raw(msgspec.json.encode(held))
        block: dict[str, Any] = _decode_object(held) if isinstance(held, Raw) else held
        _decode_object(text)  # what is no object would break the block
        return Raw(msgspec.json.encode({**block, "input": Raw(text.encode())}))


def _is_more(text: Carried) -> TypeGuard[Raw]:
    return is_string(text) and text != EMPTY
