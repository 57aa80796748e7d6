"""A text that must not be seen: held by reference, shown by nobody.

Whatever turns objects into text (logs, reprs, tracebacks, f-strings, pickles) gets a placeholder or an error; only `reveal`
gives the text, and it is called where the text leaves for its destination.
"""

import hmac
from typing import Never

_PLACEHOLDER = "Secret(hidden)"


class Secret:
    """A credential or token in memory. Equal when the texts are; never empty."""

    __slots__ = ("_text",)

    def __init__(self, text: str) -> None:
        if not text:
            raise ValueError("a secret is not empty")
        self._text = text

    def reveal(self) -> str:
        """The text itself."""
        return self._text

    def __repr__(self) -> str:
        return _PLACEHOLDER

    def __str__(self) -> str:
        return _PLACEHOLDER

    def __format__(self, format_spec: str) -> str:
        return _PLACEHOLDER

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Secret):
            return NotImplemented
        return hmac.compare_digest(self._text.encode("utf-8", "surrogatepass"), other._text.encode("utf-8", "surrogatepass"))

    def __hash__(self) -> int:
        return hash((Secret, self._text))

    def __copy__(self) -> "Secret":
        return self

    def __deepcopy__(self, memo: object) -> "Secret":
        return self

    def __reduce__(self) -> Never:
        raise TypeError("a secret is not pickled")
