"""Text as JSON strings. Every dialect is JSON, so a prompt travels as the literal that it came as, and nobody decodes it.

A `JsonText` is a JSON string with its quotation marks, escaped however its writer liked. Two literals of the same text may differ;
compare what `unquote` gives.
"""

import re
from functools import lru_cache

import msgspec

JsonText = msgspec.Raw
EMPTY = msgspec.Raw(b'""')
_encode = msgspec.json.Encoder().encode
_decode = msgspec.json.Decoder(str).decode
_ESCAPE = re.compile(rb"\\(?:u[dD][89abAB][0-9a-fA-F]{2}\\u[dD][c-fC-F][0-9a-fA-F]{2}|u[0-9a-fA-F]{4}|.)")


def quote(text: str) -> JsonText:
    """A text as a literal. ValueError for what is no text: half of a surrogate pair."""
    return msgspec.Raw(_encode(text))


def quote_ascii(text: bytes) -> JsonText:
    """A literal of bytes that need no escaping, such as base64. Not checked."""
    return msgspec.Raw(b'"%s"' % text)


def unquote(text: JsonText) -> str:
    """The text of a literal; msgspec.DecodeError when it is none."""
    return _decode(text)


def is_empty(text: JsonText) -> bool:
    """Whether a literal holds no character."""
    return memoryview(text).nbytes <= len(b'""')


def is_text(raw: msgspec.Raw) -> bool:
    """Whether a JSON value is a string."""
    return bytes(memoryview(raw)[:1]) == b'"'


def join(texts: list[JsonText], between: bytes = b"") -> JsonText:
    r"""Several literals as one. `between` stands as it is inside of a literal: write `rb"\n\n"` for two line ends."""
    if len(texts) == 1:
        return texts[0]
    return msgspec.Raw(b'"%s"' % between.join([bytes(text)[1:-1] for text in texts]))


def size_of(text: JsonText) -> int:
    """How many UTF-8 bytes the text of a literal has."""
    raw = bytes(text)
    return len(raw) - 2 if b"\\" not in raw else len(_decode(raw).encode())


def starts_with(text: JsonText, start: bytes) -> bool:
    """Whether a literal's text begins so, `start` being plain ASCII; a literal that escapes such characters is seen through."""
    raw = bytes(memoryview(text)[1 : 6 * len(start) + 1])
    if raw.startswith(start):
        return True
    return b"\\" in raw and _decode(text).startswith(start.decode("ascii"))


def spell_out(value: bytes) -> bytes:
    r"""The text of a JSON value with printable characters in place of their `\uXXXX`: the same value, to be read by a model as text.

    Who is shown escapes answers in escapes: github.com/langchain-ai/langchain pull 32222, microsoft/autogen pull 7730 (read 2026-11-24).
    """
    return _ESCAPE.sub(lambda found: _spell_out(found[0]), value) if b"\\u" in value else value


@lru_cache(maxsize=1024)
def _spell_out(escape: bytes) -> bytes:
    if not escape.startswith(b"\\u"):
        return escape
    try:
        character = _decode(b'"%s"' % escape)
    except msgspec.DecodeError:  # half of a pair
        return escape
    return character.encode() if character.isprintable() and character not in {'"', "\\"} else escape
