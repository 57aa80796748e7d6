"""Percentiles from counters."""

from bisect import bisect_right

import pytest

from anyrouter.policy.histogram import BOUNDS, LARGEST, RELATIVE_ERROR, SIZE, add_up, find_percentile


def count(*values: float) -> list[int]:
    counts = [0] * SIZE
    for value in values:
        counts[bisect_right(BOUNDS, value)] += 1
    return counts


def test_nothing_counted_has_no_percentile() -> None:
    assert find_percentile(count(), 50) is None


@pytest.mark.parametrize("value", [1.0, 1.19, 17.0, 999.9, 123_456.0, 999_999.0])
def test_a_value_is_given_back_within_the_error(value: float) -> None:
    for percentile in (0, 1, 50, 99, 100):
        found = find_percentile(count(value, value, value), percentile)
        assert found is not None
        assert abs(found - value) <= value * RELATIVE_ERROR + 1e-9


@pytest.mark.parametrize(("value", "given"), [(-5.0, 1.0), (0.0, 1.0), (0.99, 1.0), (1e7, LARGEST), (float("inf"), LARGEST)])
def test_what_is_out_of_range_is_given_back_as_the_border(value: float, given: float) -> None:
    assert find_percentile(count(value), 50) == given


def test_percentiles_are_by_rank() -> None:
    counts = count(*[10.0] * 90, *[1000.0] * 9, 100_000.0)
    assert find_percentile(counts, 50) == find_percentile(counts, 90) == pytest.approx(10, rel=RELATIVE_ERROR)
    assert find_percentile(counts, 91) == find_percentile(counts, 99) == pytest.approx(1000, rel=RELATIVE_ERROR)
    assert find_percentile(counts, 100) == pytest.approx(100_000, rel=RELATIVE_ERROR)


def test_from_the_top_it_is_what_so_many_reach() -> None:
    counts = count(10.0, *[1000.0] * 9)
    assert find_percentile(counts, 90, is_from_top=True) == pytest.approx(1000, rel=RELATIVE_ERROR)
    assert find_percentile(counts, 91, is_from_top=True) == pytest.approx(10, rel=RELATIVE_ERROR)
    assert find_percentile(count(), 50, is_from_top=True) is None


def test_histograms_add_up() -> None:
    assert add_up([count(1.0, 5.0), count(5.0), count()]) == count(1.0, 5.0, 5.0)


def test_the_largest_error_is_the_documented_one() -> None:
    assert 0.095 < RELATIVE_ERROR < 0.096
    assert BOUNDS[-1] >= LARGEST
