"""How long requests took, counted by buckets that widen with the time, so that counts of hours and targets can be added up. Pure.

Compatibility law: databases hold counts by these buckets; `BOUNDS` never change.

A percentile is told as the middle of its bucket: from 8 ms to 8 minutes it is off by at most one eighth (`WORST_PER_MILLE`), below that
by less than 8 ms; what took longer is told as 8 minutes.
"""

from bisect import bisect_right
from collections.abc import Iterable, Sequence
from itertools import pairwise
from math import sqrt

_FIRST_MS, _PER_DOUBLING, _DOUBLINGS = 8, 3, 16
BOUNDS = tuple(round(_FIRST_MS * 2 ** (number / _PER_DOUBLING)) for number in range(_PER_DOUBLING * _DOUBLINGS + 1))
BUCKETS = len(BOUNDS) + 1
WORST_PER_MILLE = 125
NO_COUNTS = (0,) * BUCKETS
_MIDDLES = (
    _FIRST_MS // 2,
    *(round(sqrt(first * (end - 1))) for first, end in pairwise(BOUNDS)),
    BOUNDS[-1],
)


def find_bucket(milliseconds: int) -> int:
    """The bucket of a time."""
    return bisect_right(BOUNDS, milliseconds)


def count(times: Iterable[int]) -> tuple[int, ...]:
    """How many of the times are in which bucket."""
    counts = [0] * BUCKETS
    for milliseconds in times:
        counts[find_bucket(milliseconds)] += 1
    return tuple(counts)


def add(some: Iterable[Sequence[int]]) -> tuple[int, ...]:
    """Counts added up."""
    rows = list(some)
    return tuple(map(sum, zip(*rows, strict=True))) if rows else NO_COUNTS


def find_percentile(counts: Sequence[int], percent: int) -> int | None:
    """The time in milliseconds that `percent` of what was counted did not exceed; None when nothing was counted."""
    total = sum(counts)
    if not total:
        return None
    rank, seen = -(-total * percent // 100), 0
    for bucket, number in enumerate(counts):
        seen += number
        if seen >= rank:
            return _MIDDLES[bucket]
    return _MIDDLES[-1]
