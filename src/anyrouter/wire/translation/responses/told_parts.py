"""The parts of a stream as they are told: numbered, never two open at once, with or without deltas."""

from typing import TypeAlias

from msgspec.structs import replace

from anyrouter.wire.form.events import ArgumentsDelta, CitationAdded, Event, PartEnd, PartStart, ReasoningDelta, RefusalDelta, TextDelta
from anyrouter.wire.form.parts import Part, Reasoning, Refusal, Text, ToolCall
from anyrouter.wire.form.text import EMPTY, quote
from anyrouter.wire.translation.carried import Carried, is_string
from anyrouter.wire.translation.responses.annotations import citation_of
from anyrouter.wire.translation.responses.shapes import ToldPartShape

Delta: TypeAlias = type[TextDelta] | type[RefusalDelta] | type[ReasoningDelta] | type[ArgumentsDelta]
NOWHERE = -1  # the place of a part that no event refers to


class OpenPart:
    """A part that has begun. `place` is its number within its item."""

    __slots__ = ("citations", "is_empty", "number", "part", "place")

    def __init__(self, number: int, place: int, part: Part) -> None:
        self.number, self.place, self.part = number, place, part
        self.is_empty, self.citations = True, 0


class ToldParts:
    """Writes events. `is_calling`: there was a call of a client's tool."""

    __slots__ = ("_next", "events", "is_calling", "open")

    def __init__(self) -> None:
        self.events: list[Event] = []
        self.open: OpenPart | None = None
        self.is_calling = False
        self._next = 0

    def take(self) -> list[Event]:
        """The events since the last time."""
        events, self.events = self.events, []
        return events

    def begin(self, place: int, part: Part) -> OpenPart:
        """The part that begins now; the one before it ends."""
        self.close()
        self.is_calling = self.is_calling or isinstance(part, ToolCall)
        opened = self.open = OpenPart(self._next, place, part)
        self._next += 1
        self.events.append(PartStart(opened.number, part))
        return opened

    def close(self) -> None:
        """The end of the part that is open, if one is."""
        if self.open is not None:
            self.events.append(PartEnd(self.open.number))
            self.open = None

    def grow(self, part: OpenPart, delta: Carried, event: Delta) -> None:
        """More of a part's text."""
        if is_string(delta) and delta != EMPTY:
            part.is_empty = False
            self.events.append(event(part.number, delta))

    def cite(self, part: OpenPart, told: ToldPartShape) -> None:
        """The citations that no event told."""
        for raw in (told.annotations or [])[part.citations :]:
            part.citations += 1
            self.events.append(CitationAdded(part.number, citation_of(raw)))

    def add_whole(self, part: Part) -> None:
        """A part that was not told piece by piece."""
        if isinstance(part, Text):
            opened = self.begin(NOWHERE, Text(EMPTY, signature=part.signature))
            self.grow(opened, part.text, TextDelta)
            self.events += [CitationAdded(opened.number, citation) for citation in part.citations]
        elif isinstance(part, Refusal):
            self.grow(self.begin(NOWHERE, Refusal(EMPTY)), part.text, RefusalDelta)
        elif isinstance(part, Reasoning) and part.text is not None:
            self.grow(self.begin(NOWHERE, replace(part, text=EMPTY)), part.text, ReasoningDelta)
        elif isinstance(part, ToolCall):
            self.grow(self.begin(NOWHERE, replace(part, arguments="")), quote(part.arguments), ArgumentsDelta)
        else:
            self.begin(NOWHERE, part)
        self.close()
