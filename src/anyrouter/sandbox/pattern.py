"""The shortest string that matches a regular expression of a JSON schema: a best effort for the patterns that schemas really use.

Look-arounds, back references and flags are not understood; `^` and `$` are taken as met, which they are for a string made whole.
"""

import re
import re._constants as opcodes  # type: ignore[import-not-found]  # typeshed knows only the deprecated sre_constants
import re._parser as parser  # type: ignore[import-not-found]  # as above; the alternative is a parser of our own
from collections.abc import Callable
from typing import Any

MAX_PATTERN_LENGTH = 1_000
_PREFERRED = "a0A-_. "
_CATEGORIES: dict[Any, Callable[[str], bool]] = {
    opcodes.CATEGORY_DIGIT: str.isdigit,
    opcodes.CATEGORY_NOT_DIGIT: lambda char: not char.isdigit(),
    opcodes.CATEGORY_SPACE: str.isspace,
    opcodes.CATEGORY_NOT_SPACE: lambda char: not char.isspace(),
    opcodes.CATEGORY_WORD: lambda char: char.isalnum() or char == "_",
    opcodes.CATEGORY_NOT_WORD: lambda char: not (char.isalnum() or char == "_"),
}


class NotUnderstood(ValueError):
    """The pattern is malformed, too long, or uses what is not understood here."""


def shortest_match(pattern: str, min_length: int = 0, max_length: int = 10_000) -> str:
    """A string of at least `min_length` characters that the pattern matches; NotUnderstood when none of `max_length` or less is found."""
    if len(pattern) > MAX_PATTERN_LENGTH:
        raise NotUnderstood("the pattern is too long")
    try:
        parsed = parser.parse(pattern)
        writer = _Writer(max_length)
        text = writer.write(parsed)
        if len(text) < min_length:
            writer = _Writer(max_length, missing=min_length - len(text))
            text = writer.write(parsed)
    except (re.error, OverflowError, RecursionError) as error:
        raise NotUnderstood("the pattern cannot be read") from error
    if len(text) < min_length:
        raise NotUnderstood("no match of that length was found")
    return text


class _Writer:
    """Writes one match; `missing` characters are added at the first repetition that has room for them."""

    def __init__(self, max_length: int, missing: int = 0) -> None:
        self.max_length, self.missing = max_length, missing

    def write(self, sequence: Any) -> str:
        text = "".join(self._write_one(opcode, argument) for opcode, argument in sequence)
        if len(text) > self.max_length:
            raise NotUnderstood("the match is too long")
        return text

    def _write_one(self, opcode: Any, argument: Any) -> str:
        if opcode in _CHARACTERS:
            return _CHARACTERS[opcode](argument)
        if opcode is opcodes.SUBPATTERN:
            return self.write(argument[-1])
        if opcode is opcodes.BRANCH:
            return min((self.write(branch) for branch in argument[1]), key=len)
        if opcode in {opcodes.MAX_REPEAT, opcodes.MIN_REPEAT}:
            return self._repeat(*argument)
        raise NotUnderstood(f"{opcode} is not understood")

    def _repeat(self, minimum: int, maximum: Any, sequence: Any) -> str:
        if maximum == 0 or (minimum == 0 and not self.missing):
            return ""
        unit = self.write(sequence)
        times = minimum
        if self.missing and unit:
            wanted = minimum + -(-self.missing // len(unit))
            times = wanted if maximum is opcodes.MAXREPEAT else min(wanted, maximum)
            self.missing = max(0, self.missing - (times - minimum) * len(unit))
        if times * max(1, len(unit)) > self.max_length:
            raise NotUnderstood("the match is too long")
        return unit * times


def _first_char(items: list[Any]) -> str:
    is_negated = items[0][0] is opcodes.NEGATE
    candidates: tuple[str, ...] = (*_PREFERRED, *map(chr, range(33, 127)), "\u00e9", "\u4e00")
    for char in candidates:
        if any(_is_in(item, char) for item in items if item[0] is not opcodes.NEGATE) is not is_negated:
            return char
    opcode, argument = items[0]
    if opcode in {opcodes.LITERAL, opcodes.RANGE}:
        return chr(int(argument if opcode is opcodes.LITERAL else argument[0]))
    raise NotUnderstood("no character was found for a class")


def _is_in(item: Any, char: str) -> bool:
    opcode, argument = item
    if opcode is opcodes.CATEGORY:
        return _CATEGORIES[argument](char)
    low, high = argument if opcode is opcodes.RANGE else (argument, argument)
    return bool(low <= ord(char) <= high)


_CHARACTERS: dict[Any, Callable[[Any], str]] = {
    opcodes.LITERAL: chr,
    opcodes.NOT_LITERAL: lambda argument: _first_char([(opcodes.NEGATE, None), (opcodes.LITERAL, argument)]),
    opcodes.ANY: lambda _: "a",
    opcodes.IN: _first_char,
    opcodes.AT: lambda _: "",
}
