"""Finds API keys in whatever somebody has: by form and checksum, in bytes of any kind."""

import re
from collections.abc import Iterator
from typing import NamedTuple

from anyrouter.core import keys

_KEY = re.compile(rb"(?<![0-9A-Za-z-])ar-[a-z][a-z0-9]{1,15}-[0-9A-Za-z]{45}(?![0-9A-Za-z])")


class FoundKey(NamedTuple):
    """A key's text, and the line that it is in, from 1."""

    text: str
    line: int


def find_keys(data: bytes) -> Iterator[FoundKey]:
    """Every text in `data` that is a key by its form and checksum; the documentation's example is none."""
    counted, line = 0, 1
    for match in _KEY.finditer(data):
        text = match[0].decode("ascii")
        if isinstance(keys.inspect(text), keys.WellFormed):
            line += data.count(b"\n", counted, match.start())
            counted = match.start()
            yield FoundKey(text, line)
