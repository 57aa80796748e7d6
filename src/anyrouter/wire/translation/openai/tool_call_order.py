"""Tool calls of a stream, one after the other.

The form wants a call to end before the next begins. Nearly all upstreams send them so; some announce all calls first and then send
their arguments in turns. A call that begins while the one before it lacks a part of its JSON is held back until that is whole.
"""

import msgspec
from msgspec import Raw

from anyrouter.wire.form.events import ArgumentsDelta, Event, PartStart, SignatureDelta
from anyrouter.wire.form.parts import ToolCall
from anyrouter.wire.form.reasoning import GEMINI_FORMAT
from anyrouter.wire.form.text import JsonText, is_text, join, quote
from anyrouter.wire.reply import InvalidReply
from anyrouter.wire.translation.carried import is_told
from anyrouter.wire.translation.openai.message_decoder import google_signature
from anyrouter.wire.translation.openai.part_numbers import PartNumbers
from anyrouter.wire.translation.openai.shapes import ToldCallShape, ToldCustomShape

_decode = msgspec.json.Decoder(str).decode


class _Call:
    __slots__ = ("arguments", "id", "kind", "name", "part", "signature", "written")

    def __init__(self, call_id: str, kind: str) -> None:
        self.id, self.kind, self.name = call_id, kind, ""
        self.signature: str | None = None
        self.arguments: list[JsonText] = []
        self.written = 0  # how many of them became events
        self.part = -1  # its number among the parts, once it has begun

    def is_whole(self) -> bool:
        """Whether the arguments so far are JSON."""
        if self.kind == "custom":
            return True
        try:
            msgspec.json.decode(_decode(join(self.arguments)) if self.arguments else "")
        except (ValueError, msgspec.DecodeError, RecursionError):
            return False
        return True


class ToolCallOrder:
    """The calls of one candidate. `take` and `finish` give the events; the part that is open is the order's own business."""

    __slots__ = ("_by_key", "_candidate", "_open", "_waiting", "count", "proofs")

    def __init__(self, candidate: int) -> None:
        self._candidate = candidate
        self._by_key: dict[int, _Call] = {}
        self._open: _Call | None = None
        self._waiting: list[_Call] = []
        self.count = 0  # calls so far
        self.proofs: dict[str, str] = {}  # signatures that came before their calls, by id

    @property
    def is_open(self) -> bool:
        """Whether a call has begun and not ended."""
        return self._open is not None

    def prove(self, call_id: str, signature: str) -> list[Event] | None:
        """The events of a proof that came apart from its call; None when that call has ended."""
        if self._open is not None and self._open.id == call_id:
            return [SignatureDelta(self._open.part, signature, format=GEMINI_FORMAT, candidate=self._candidate)]
        if any(call.id == call_id and call.part >= 0 for call in self._by_key.values()):
            return None
        self.proofs[call_id] = signature
        return []

    def take(self, told: ToldCallShape, parts: PartNumbers) -> list[Event]:
        """The events of a piece of a call."""
        key = told.index if told.index is not None else max(self._by_key, default=0)
        call = self._by_key.get(key)
        if call is None or (told.id and call.id and told.id != call.id):
            if call is not None:  # a server that numbers all its calls 0
                self._by_key[-self.count] = call
            call = self._by_key[key] = _Call(told.id or "", "custom" if told.custom is not None else "function")
            self._waiting.append(call)
            self.count += 1
        elif told.id and not call.id:
            call.id = told.id
        piece = told.custom or told.function
        if piece is not None:
            if piece.name and not call.name:
                call.name = piece.name
            raw = piece.input if isinstance(piece, ToldCustomShape) else piece.arguments
            if is_told(raw):
                self._add(call, raw if is_text(raw) else quote(bytes(raw).decode()))
        if is_told(told.extra_content):
            call.signature = google_signature(told.extra_content)
        return self._advance(parts)

    def finish(self, parts: PartNumbers) -> list[Event]:
        """The events that end all calls."""
        events = self._advance(parts)
        while self._waiting or self._open is not None:
            if self._open is not None:
                events += parts.close()
                self._open = None
            if self._waiting:
                self._begin(self._waiting.pop(0), parts, events)
        return events

    def _add(self, call: _Call, text: Raw) -> None:
        if memoryview(text).nbytes == len(b'""'):
            return
        if call.part >= 0 and call is not self._open:
            if _decode(text).strip():
                raise InvalidReply("arguments came for a tool call that had ended")
            return
        call.arguments.append(text)

    def _advance(self, parts: PartNumbers) -> list[Event]:
        events: list[Event] = []
        while True:
            call = self._open
            if call is not None:
                self._write(call, events)
                if not self._waiting or not self._waiting[0].name or not call.is_whole():
                    return events
                events += parts.close()
                self._open = None
            if not self._waiting or not self._waiting[0].name:
                return events
            self._begin(self._waiting.pop(0), parts, events)

    def _begin(self, call: _Call, parts: PartNumbers, events: list[Event]) -> None:
        if not call.name:
            raise InvalidReply("a tool call of the stream has no name")
        events += parts.close()
        signature = call.signature or self.proofs.pop(call.id, None)
        call.part = parts.take("call")
        events.append(PartStart(call.part, ToolCall(call.id, call.name, "", call.kind, signature), self._candidate))
        self._open = call
        self._write(call, events)

    def _write(self, call: _Call, events: list[Event]) -> None:
        for text in call.arguments[call.written :]:
            events.append(ArgumentsDelta(call.part, text, self._candidate))  # noqa: PERF401 -- two lists at once
        call.written = len(call.arguments)
