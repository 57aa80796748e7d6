"""The parts of one candidate of a stream, counted."""

from anyrouter.wire.form.events import Event, PartEnd


class PartNumbers:
    """Counts the parts of one candidate, and knows which is open."""

    __slots__ = ("_candidate", "_next", "open_index", "open_kind")

    def __init__(self, candidate: int) -> None:
        self._candidate, self._next = candidate, 0
        self.open_kind = ""
        self.open_index = -1

    def take(self, kind: str) -> int:
        """The number of a part that begins now."""
        self.open_kind, self.open_index = kind, self._next
        self._next += 1
        return self.open_index

    def close(self) -> list[Event]:
        """The end of the part that is open, if one is."""
        if not self.open_kind:
            return []
        self.open_kind = ""
        return [PartEnd(self.open_index, self._candidate)]
