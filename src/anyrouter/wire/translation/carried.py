"""Values of a wire that are carried as they came, and what can be told of them without decoding them. null comes as its four bytes."""

from typing import TypeAlias, TypeGuard

from msgspec import UNSET, Raw, UnsetType

Carried: TypeAlias = Raw | UnsetType
_QUOTE, _BRACKET, _BRACE = ord('"'), ord("["), ord("{")


def is_told(raw: Carried) -> TypeGuard[Raw]:
    """Whether a carried member is there and not null."""
    return raw is not UNSET and bytes(memoryview(raw)[:5]) != b"null"


def is_string(raw: Carried) -> TypeGuard[Raw]:
    """Whether a carried member is a string."""
    return raw is not UNSET and memoryview(raw)[0] == _QUOTE


def is_list(raw: Carried) -> TypeGuard[Raw]:
    """Whether a carried member is a list."""
    return raw is not UNSET and memoryview(raw)[0] == _BRACKET


def is_object(raw: Carried) -> TypeGuard[Raw]:
    """Whether a carried member is an object."""
    return raw is not UNSET and memoryview(raw)[0] == _BRACE
