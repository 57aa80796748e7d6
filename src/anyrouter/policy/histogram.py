"""Percentiles from a fixed number of counters, whose bounds rise by a constant factor.

A value between two bounds is given back as their geometric mean: the relative error is at most sqrt(FACTOR) - 1 = 9.6 %, for
values from 1 to 10^6. Smaller ones are given back as 1, larger ones as 10^6. Units are the caller's: milliseconds for times
(1 ms to 17 min), tenths of a token per second for speeds (0.1 to 100,000 tokens/s).
"""

import math
from collections.abc import Iterable, Sequence
from itertools import pairwise

FACTOR = 1.2
LARGEST = 1e6
RELATIVE_ERROR = math.sqrt(FACTOR) - 1
BOUNDS = [FACTOR**power for power in range(math.ceil(math.log(LARGEST, FACTOR)) + 1)]  # a list: bisect is quickest on it
SIZE = len(BOUNDS) + 1
# What each counter stands for: it counts values from the bound before it up to its own.
_MIDDLES = [1.0, *(math.sqrt(low * high) for low, high in pairwise(BOUNDS)), LARGEST]


def add_up(histograms: Iterable[Sequence[int]]) -> list[int]:
    """The counters of several histograms as one."""
    return [sum(counters) for counters in zip(*histograms, strict=True)]


def find_percentile(counts: Sequence[int], percentile: float, *, is_from_top: bool = False) -> float | None:
    """The least value that `percentile` of a hundred do not exceed; None when nothing was counted.

    `is_from_top`: the largest value that so many reach, for what is the better the more there is of it.
    """
    wanted = math.ceil(sum(counts) * percentile / 100) or 1
    seen = 0
    both = list(zip(counts, _MIDDLES, strict=True))
    for count, middle in reversed(both) if is_from_top else both:
        seen += count
        if seen >= wanted:
            return min(middle, LARGEST)
    return None
