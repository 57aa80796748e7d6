"""The turns of a conversation as they are put together: what is of one role is one turn, and answers of tools stand first in theirs."""

from typing import Any

from msgspec import Raw

from anyrouter.wire.form.request import USER

Wire = dict[str, Any]
Block = Wire | Raw


class Turns:
    """The turns so far. An empty one is none."""

    __slots__ = ("_results", "last_role", "wires")

    def __init__(self) -> None:
        self.wires: list[Wire] = []
        self.last_role = ""
        self._results = 0  # how many blocks at the start of the last turn are answers of tools

    def add(self, role: str, blocks: list[Block]) -> None:
        """More of the role's turn, or one of its own."""
        if not blocks:
            return
        if self.last_role == role:
            self.wires[-1]["content"] += blocks
        else:
            self.wires.append({"role": role, "content": blocks})
            self.last_role, self._results = role, 0

    def add_results(self, blocks: list[Block]) -> None:
        """Answers of tools."""
        if self.last_role == USER:
            self.wires[-1]["content"][self._results : self._results] = blocks
        else:
            self.add(USER, blocks)
        self._results += len(blocks)
