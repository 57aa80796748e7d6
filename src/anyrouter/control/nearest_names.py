"""Ids that look like a name that nobody has: for the text of an error."""

from collections.abc import Iterable
from difflib import SequenceMatcher

_LONGEST = 256
_LEAST_LIKENESS = 0.35  # of 1: below it a suggestion is more puzzling than none
_RANKED_CLOSELY = 10  # of hundreds: the exact comparison costs a hundred times the first one


class NearestNames:
    """Compares names by their trigrams, which are made once, at the first question: most catalogues are never asked."""

    __slots__ = ("_ids", "_trigrams")

    def __init__(self, ids: Iterable[str]) -> None:
        self._ids = tuple(ids)
        self._trigrams: list[tuple[str, frozenset[str], frozenset[str]]] | None = None

    def find(self, name: str, limit: int = 3) -> list[str]:
        """Up to `limit` ids that look like `name`, the most alike first. A name without a vendor is compared with names alone."""
        if self._trigrams is None:
            self._trigrams = [(known, _list_trigrams(known), _list_trigrams(known.partition("/")[2])) for known in self._ids]
        asked = name[:_LONGEST].lower()
        wanted, is_bare = _list_trigrams(asked), "/" not in asked
        scored = [(_likeness(wanted, bare if is_bare else whole), known) for known, whole, bare in self._trigrams]
        alike = sorted((row for row in scored if row[0] >= _LEAST_LIKENESS), key=lambda row: (-row[0], row[1]))[:_RANKED_CLOSELY]
        ranked = sorted((known for _, known in alike), key=lambda known: -SequenceMatcher(None, asked, known).ratio())
        return ranked[:limit]


def _list_trigrams(text: str) -> frozenset[str]:
    padded = f"  {text} "
    return frozenset(padded[start : start + 3] for start in range(len(padded) - 2))


def _likeness(one: frozenset[str], other: frozenset[str]) -> float:
    return 2 * len(one & other) / (len(one) + len(other))
