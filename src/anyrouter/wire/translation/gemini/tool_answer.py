"""What a tool answered, as the `response` of a `functionResponse`: an object, whatever the tool said.

Google reads it into a google.protobuf.Struct, whose numbers are doubles (github.com/protocolbuffers/protobuf issue 10669, read 2026-11-24):
an answer with longer ones goes as text. What is JSON is told in letters, not in their escapes.
"""

import re
from typing import Any

import msgspec
from msgspec import Raw

from anyrouter.wire.form.text import EMPTY, JsonText, join, quote, spell_out, unquote

_BROKEN = (ValueError, msgspec.DecodeError, RecursionError)
_OBJECT = msgspec.json.Decoder(dict[str, Raw])
_DIGITS = bytes(ord("0") if chr(byte) in "0123456789" else ord(" ") for byte in range(256))
_MANY_DIGITS = b"0" * 16  # a double has fewer
_STRING_OR_NUMBER = re.compile(rb'"(?:[^"\\]+|\\.)*"|-?[0-9][0-9.eE+-]*')
_LONGEST = 300  # digits of which a double can be


def response_of(texts: list[JsonText], *, is_error: bool) -> Raw | dict[str, Any]:
    """`response`: the answer itself when it is an object, else Google's own members for an answer and an error."""
    name = "error" if is_error else "output"
    texts = [text for text in texts if text != EMPTY]
    if len(texts) == 1 and bytes(memoryview(texts[0])[1:2]) in {b"{", b" ", b"\\"}:
        answer = unquote(texts[0]).strip().encode()
        members = _read_object(answer)
        if members is not None and not _has_long_numbers(answer):
            answer = spell_out(answer)
            return Raw(answer) if is_error is ("error" in members) else {name: Raw(answer)}
    return {name: join([_spell_out_json(text) for text in texts], rb"\n\n") if texts else EMPTY}


def _read_object(text: bytes) -> dict[str, Raw] | None:
    try:
        return _OBJECT.decode(text)
    except _BROKEN:
        return None


def _spell_out_json(text: JsonText) -> JsonText:
    r"""A text that is JSON as a whole, its `\uXXXX` spelt out; anything else as it is: there, an escape may be what is meant."""
    if b"\\u" not in bytes(text):
        return text
    value = unquote(text).encode()
    try:
        msgspec.json.decode(value, type=Raw)
    except _BROKEN:
        return text
    return quote(spell_out(value).decode())


def _has_long_numbers(answer: bytes) -> bool:
    if _MANY_DIGITS not in answer.translate(_DIGITS):
        return False
    numbers = (found[0] for found in _STRING_OR_NUMBER.finditer(answer) if found[0].lstrip(b"-").isdigit())
    return any(len(number) > _LONGEST or int(float(number)) != int(number) for number in numbers)
