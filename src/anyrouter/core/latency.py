"""How long requests took, counted by buckets that widen with the time, so that counts of hours and targets can be added up. Pure.

Compatibility law: databases hold counts by these buckets; `BOUNDS` never change.

The bucket of a percentile is known exactly, its place in there is told by its rank. From 8 ms to 8 minutes it is off by at most 26 %, the
width of a bucket (`WORST_PER_MILLE`), and by some 3 % where many were counted; below that by less than 8 ms. What took longer is told as
8 minutes.
"""

from bisect import bisect_right
from collections.abc import Iterable, Sequence
from math import pow as power

_FIRST_MS, _PER_DOUBLING, _DOUBLINGS = 8, 3, 16
BOUNDS = tuple(round(_FIRST_MS * 2 ** (number / _PER_DOUBLING)) for number in range(_PER_DOUBLING * _DOUBLINGS + 1))
BUCKETS = len(BOUNDS) + 1
WORST_PER_MILLE = 260
NO_COUNTS = (0,) * BUCKETS


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
        if seen + number >= rank:
            return _place(bucket, (rank - seen - 0.5) / number)
        seen += number
    return BOUNDS[-1]


def _place(bucket: int, share: float) -> int:
    """The time below which a share of the bucket is, were its logarithms evenly spread."""
    if bucket == 0:
        return round(_FIRST_MS * share)
    if bucket == BUCKETS - 1:
        return BOUNDS[-1]
    first, last = BOUNDS[bucket - 1], BOUNDS[bucket] - 1
    return round(first * power(last / first, share))
