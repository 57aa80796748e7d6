"""Text as JSON strings. Every dialect is JSON, so a prompt travels as the literal that it came as, and nobody decodes it.

A `JsonText` is a JSON string with its quotation marks, escaped however its writer liked. Two literals of the same text may differ;
compare what `unquote` gives.
"""

import msgspec

JsonText = msgspec.Raw
EMPTY = msgspec.Raw(b'""')
_encode = msgspec.json.Encoder().encode
_decode = msgspec.json.Decoder(str).decode


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
