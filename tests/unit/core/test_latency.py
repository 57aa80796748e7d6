"""Counts by buckets: how far a percentile may be off, and that counts add up."""

import random

import pytest

from anyrouter.core.latency import BOUNDS, BUCKETS, NO_COUNTS, WORST_PER_MILLE, add, count, find_bucket, find_percentile

EIGHT_MINUTES_MS = 480_000


def test_bounds_are_the_stored_ones():
    assert BUCKETS == 50
    assert BOUNDS[:6] == (8, 10, 13, 16, 20, 25)
    assert BOUNDS[-1] == 524_288
    assert [find_bucket(time) for time in (0, 7, 8, 9, 10, 524_287, 524_288, 10**12)] == [0, 0, 1, 1, 2, 48, 49, 49]


def test_a_time_is_told_within_its_bucket():
    for time in (*range(8, 20_000), *range(20_000, EIGHT_MINUTES_MS, 97), EIGHT_MINUTES_MS):
        told = find_percentile(count([time]), 50)
        assert told is not None
        assert abs(told - time) * 1000 <= WORST_PER_MILLE * time, time
    assert all(abs((find_percentile(count([time]), 50) or 0) - time) < 8 for time in range(8))


@pytest.mark.parametrize("percent", [1, 50, 95, 99, 100])
@pytest.mark.parametrize("size", [1, 2, 19, 20, 1000])
def test_percentiles_are_near_the_exact_ones(percent: int, size: int):
    chance = random.Random(size)
    times = [int(chance.lognormvariate(7, 1)) for _ in range(size)]
    exact = sorted(times)[-(-size * percent // 100) - 1]
    told = find_percentile(count(times), percent)
    assert told is not None
    assert abs(told - exact) * 1000 <= WORST_PER_MILLE * exact


@pytest.mark.parametrize("percent", [10, 50, 90, 95])
def test_of_many_times_a_percentile_is_told_within_some_per_cent(percent: int):
    chance = random.Random(percent)
    times = sorted(int(chance.lognormvariate(7, 1)) for _ in range(20_000))
    told = find_percentile(count(times), percent)
    assert told is not None
    assert abs(told - times[len(times) * percent // 100 - 1]) * 100 <= 3 * told


def test_counts_of_parts_are_those_of_the_whole():
    times = [5, 80, 80, 1000, 70_000, 10**9]
    assert add([count(times[:2]), count(times[2:]), NO_COUNTS]) == count(times)
    assert add([]) == NO_COUNTS


def test_of_nothing_there_is_no_percentile():
    assert find_percentile(NO_COUNTS, 50) is None
