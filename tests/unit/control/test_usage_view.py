"""What the usage page makes of sums."""

from datetime import UTC, datetime

import pytest

from anyrouter.control.usage_range import parse_range
from anyrouter.control.usage_reader import NOTHING, UsageRow, UsageSums
from anyrouter.control.usage_view import (
    TOP,
    Measure,
    Part,
    add_up,
    by_slot,
    by_value,
    by_value_and_slot,
    choose_top,
    list_parts,
    read_measure,
    sort_parts,
    subtract,
    tell_change,
)

RANGE = parse_range(datetime(2026, 11, 24, tzinfo=UTC), name="7d")
FIRST = RANGE.slots[0]


def row(day: int, value: str, cost: int, requests: int = 1) -> UsageRow:
    return UsageRow(time=FIRST + day, value=value, sums=UsageSums(cost_nanousd=cost, requests=requests))


ROWS = [row(0, "a", 5), row(1, "a", 7), row(1, "b", 1, 9), row(6, "b", 2)]


def test_rows_are_told_apart_by_slot_and_by_value():
    assert [sums.cost_nanousd for sums in by_slot(ROWS, RANGE)] == [5, 8, 0, 0, 0, 0, 2]
    assert {value: sums.cost_nanousd for value, sums in by_value(ROWS).items()} == {"a": 12, "b": 3}
    assert [sums.cost_nanousd for sums in by_value_and_slot(ROWS, RANGE)["b"]] == [0, 1, 0, 0, 0, 0, 2]
    assert add_up([]) == NOTHING


def test_what_is_left_of_a_whole_is_never_below_nothing():
    whole, part = UsageSums(requests=3, cost_nanousd=10), UsageSums(requests=5, cost_nanousd=4)
    assert subtract(whole, [part]) == UsageSums(requests=0, cost_nanousd=6)


def test_parts_are_those_of_both_periods_and_sort_by_any_column():
    parts = list_parts(by_value(ROWS), {"b": UsageSums(cost_nanousd=1), "gone": UsageSums(cost_nanousd=90)})
    assert [part.value for part in sort_parts(parts, "-cost")] == ["a", "b", "gone"]
    assert [part.value for part in sort_parts(parts, "change")] == ["gone", "b", "a"]
    assert [part.value for part in sort_parts(parts, "-requests")] == ["b", "a", "gone"]
    assert [part.value for part in sort_parts(parts, "-name")] == ["gone", "b", "a"]


def test_the_largest_are_chosen_and_none_that_has_nothing():
    parts = [Part(value=f"v{number:02}", sums=UsageSums(cost_nanousd=number, requests=100 - number)) for number in range(20)]
    assert choose_top(parts, Measure.COST) == [f"v{number:02}" for number in range(19, 19 - TOP, -1)]
    assert choose_top(parts, Measure.LATENCY)[0] == "v00"
    assert choose_top(parts, Measure.ERRORS) == []


def test_a_share_of_nothing_is_none():
    assert read_measure(Measure.CACHE, NOTHING) is None
    assert read_measure(Measure.CACHE, UsageSums(input_tokens=3, cache_read_tokens=1)) == 3333
    assert read_measure(Measure.TOKENS, UsageSums(input_tokens=3, output_tokens=4)) == 7


@pytest.mark.parametrize(
    ("now", "earlier", "text"),
    [
        (None, 5, ""),
        (5, 0, ""),
        (5, None, ""),
        (10, 10, "+0.0 %"),
        (15, 10, "+50 %"),
        (105, 100, "+5.0 %"),
        (0, 10, "\N{MINUS SIGN}100 %"),
        (999, 1000, "\N{MINUS SIGN}0.1 %"),
        (10**9, 1, "> 100 times"),
    ],
)
def test_a_change_is_told_in_per_cent(now: int | None, earlier: int | None, text: str):
    assert tell_change(now, earlier) == text
