"""Reading the members of a request's JSON object by type. What is wrong is said neutrally; each dialect words it its own way."""

from collections.abc import Collection
from enum import StrEnum
from typing import Any

Path = tuple[str | int, ...]


class FaultKind(StrEnum):
    """What is wrong with a member."""

    MISSING = "missing"
    TYPE = "type"
    VALUE = "value"
    BELOW = "below"
    ABOVE = "above"
    EMPTY = "empty"
    TOO_LONG = "too_long"
    UNKNOWN = "unknown"


class FieldFault(Exception):
    """A member that cannot be used. UNKNOWN is a fault only where a provider refuses what it does not know.

    `expected` is the type's name (TYPE), the bound (BELOW, ABOVE, TOO_LONG) or the allowed values (VALUE); `got` is what came.
    """

    def __init__(self, path: Path, kind: FaultKind, expected: Any = None, got: Any = None) -> None:
        super().__init__(kind.value)
        self.path, self.kind, self.expected, self.got = path, kind, expected, got


class Fields:
    """One JSON object of a request. Every reader takes null for absent and raises FieldFault for what it cannot use."""

    __slots__ = ("members", "path")

    def __init__(self, members: dict[str, Any], path: Path = ()) -> None:
        self.members, self.path = members, path

    def has(self, name: str) -> bool:
        """Whether the member is there and not null."""
        return self.members.get(name) is not None

    def require(self, name: str) -> Any:
        """The member, of whatever type; a fault when it is absent or null."""
        value = self.members.get(name)
        if value is None:
            raise self.fault(name, FaultKind.MISSING)
        return value

    def text(self, name: str) -> str | None:
        """A string."""
        value = self.members.get(name)
        if value is not None and not isinstance(value, str):
            raise self.fault(name, FaultKind.TYPE, "string", value)
        return value

    def required_text(self, name: str) -> str:
        """A string that must be there."""
        value = self.require(name)
        if not isinstance(value, str):
            raise self.fault(name, FaultKind.TYPE, "string", value)
        return value

    def choice(self, name: str, allowed: Collection[str]) -> str | None:
        """One of a few strings."""
        value = self.text(name)
        if value is not None and value not in allowed:
            raise self.fault(name, FaultKind.VALUE, allowed, value)
        return value

    def integer(self, name: str, minimum: int | None = None, maximum: int | None = None) -> int | None:
        """An integer within its bounds; 1.0 and true are none."""
        value = self.members.get(name)
        if value is None:
            return None
        if not isinstance(value, int) or isinstance(value, bool):
            raise self.fault(name, FaultKind.TYPE, "integer", value)
        self._check_bounds(name, value, minimum, maximum)
        return value

    def number(self, name: str, minimum: float | None = None, maximum: float | None = None) -> float | None:
        """A number within its bounds."""
        value = self.members.get(name)
        if value is None:
            return None
        if not isinstance(value, int | float) or isinstance(value, bool):
            raise self.fault(name, FaultKind.TYPE, "number", value)
        self._check_bounds(name, value, minimum, maximum)
        return value

    def flag(self, name: str) -> bool:
        """A boolean, false when absent."""
        value = self.members.get(name)
        if value is not None and not isinstance(value, bool):
            raise self.fault(name, FaultKind.TYPE, "boolean", value)
        return bool(value)

    def array(self, name: str, *, maximum: int | None = None, expected: str = "array") -> list[Any]:
        """An array, empty when absent."""
        value = self.members.get(name)
        if value is None:
            return []
        if not isinstance(value, list):
            raise self.fault(name, FaultKind.TYPE, expected, value)
        if maximum is not None and len(value) > maximum:
            raise self.fault(name, FaultKind.TOO_LONG, maximum, len(value))
        return value

    def texts(self, name: str, *, maximum: int | None = None) -> tuple[str, ...]:
        """An array of strings."""
        items = self.array(name, maximum=maximum, expected="array of strings")
        for index, item in enumerate(items):
            if not isinstance(item, str):
                raise FieldFault((*self.path, name, index), FaultKind.TYPE, "string", item)
        return tuple(items)

    def objects(self, name: str, *, maximum: int | None = None) -> list["Fields"]:
        """An array of objects."""
        items = self.array(name, maximum=maximum, expected="array of objects")
        for index, item in enumerate(items):
            if not isinstance(item, dict):
                raise FieldFault((*self.path, name, index), FaultKind.TYPE, "object", item)
        return [Fields(item, (*self.path, name, index)) for index, item in enumerate(items)]

    def object(self, name: str) -> "Fields | None":
        """An object."""
        value = self.members.get(name)
        if value is None:
            return None
        if not isinstance(value, dict):
            raise self.fault(name, FaultKind.TYPE, "object", value)
        return Fields(value, (*self.path, name))

    def fault(self, name: str, kind: FaultKind, expected: Any = None, got: Any = None) -> FieldFault:
        """A fault of the named member, to raise."""
        return FieldFault((*self.path, name), kind, expected, got)

    def _check_bounds(self, name: str, value: float, minimum: float | None, maximum: float | None) -> None:
        if minimum is not None and value < minimum:
            raise self.fault(name, FaultKind.BELOW, minimum, value)
        if maximum is not None and value > maximum:
            raise self.fault(name, FaultKind.ABOVE, maximum, value)
