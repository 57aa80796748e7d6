"""How much text a reply or a prompt holds, where nobody counted tokens: for estimates only, so asked for at the end and not per chunk."""

import re
from collections.abc import Callable

import msgspec

_VALUE = rb'[ \t\r\n]*:[ \t\r\n]*"((?:[^"\\]|\\.)*)"'
# The members in which dialects carry text, wherever they stand: content parts, deltas, reasoning, tool arguments and outputs, prompts.
_TEXT = re.compile(
    rb'"(?:content|text|reasoning_content|reasoning|thinking|refusal|arguments|partial_json|prompt|input|system|output|instructions)"'
    + _VALUE
)
_DELTA = re.compile(rb'"delta"' + _VALUE)
_KEPT_BYTES = 65_536
_decode = msgspec.json.Decoder(str).decode


def measure(text: bytes) -> int:
    """UTF-8 bytes of all text in a JSON text, or in several in a row."""
    return sum(_size(found[1]) for found in _TEXT.finditer(text))


def measure_deltas(text: bytes) -> int:
    """UTF-8 bytes of the text in the `delta` members of events: for streams that tell each text again, whole, when it ends."""
    return sum(_size(found[1]) for found in _DELTA.finditer(text))


def _size(raw: bytes) -> int:
    if b"\\" not in raw:
        return len(raw)
    try:
        return len(_decode(b'"%s"' % raw).encode())
    except (ValueError, msgspec.DecodeError):
        return len(raw)


class TextMeter:
    """Measures a stream without reading it: the first 64 KiB are kept and measured when asked for, what follows is taken to be alike."""

    __slots__ = ("_kept", "_kept_bytes", "_measure", "_total")

    def __init__(self, measure: Callable[[bytes], int] = measure) -> None:
        self._measure = measure
        self._kept: list[bytes] = []
        self._kept_bytes = self._total = 0

    def add(self, data: bytes) -> None:
        """Another piece of whole events."""
        self._total += len(data)
        if self._kept_bytes < _KEPT_BYTES:
            self._kept.append(data)
            self._kept_bytes += len(data)

    def size(self) -> int:
        """UTF-8 bytes of text so far."""
        size = self._measure(b"".join(self._kept))
        return size if self._total == self._kept_bytes else size * self._total // self._kept_bytes
