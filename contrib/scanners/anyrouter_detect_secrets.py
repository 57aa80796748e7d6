"""A plugin for detect-secrets (https://github.com/Yelp/detect-secrets) that finds AnyRouter's API keys.

detect-secrets scan -p contrib/scanners/anyrouter_detect_secrets.py PATH

It needs nothing of AnyRouter: the last six characters of a key are the base62 CRC32 of all before them, and a text where they are not
is no key.
"""

import re
import zlib
from collections.abc import Generator

from detect_secrets.plugins.base import RegexBasedDetector

_ALPHABET = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
_DIGITS = 6


class AnyRouterKeyDetector(RegexBasedDetector):
    """Finds texts that are keys by their form and their checksum."""

    secret_type = "AnyRouter API key"  # noqa: S105 -- a name

    denylist = (re.compile(r"\bar-[a-z][a-z0-9]{1,15}-[0-9A-Za-z]{45}\b", re.ASCII),)

    def analyze_string(self, string: str) -> Generator[str, None, None]:
        """The keys in one line."""
        for text in super().analyze_string(string):
            if _checksum(text[:-_DIGITS]) == text[-_DIGITS:]:
                yield text


def _checksum(head: str) -> str:
    number, digits = zlib.crc32(head.encode("ascii")), ""
    for _ in range(_DIGITS):
        number, digit = divmod(number, 62)
        digits = _ALPHABET[digit] + digits
    return digits
