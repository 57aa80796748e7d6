"""Requests per UTC day: from what the ledger had of it, over midnight, and with clocks that go back."""

from anyrouter.policy.day_limit import DAY_MS, DayCount
from anyrouter.policy.limit import LimitState

NOON = 20_000 * DAY_MS + DAY_MS // 2


def test_the_count_goes_on_from_what_the_ledger_had() -> None:
    count = DayCount(NOON, 7)
    assert count.peek(10, NOON).remaining == 3
    for _ in range(3):
        count.take(NOON)
    state = count.peek(10, NOON)
    assert (state.remaining, state.retry_after_s) == (0, DAY_MS / 2000)


def test_midnight_makes_the_limit_whole_and_not_a_moment_before() -> None:
    count = DayCount(NOON, 10)
    midnight = 20_001 * DAY_MS
    assert count.peek(10, midnight - 1).retry_after_s == 0.001
    state = count.peek(10, midnight)
    assert (state.remaining, state.retry_after_s, state.reset_s) == (10, None, 0.0)


def test_a_clock_that_goes_back_does_not_bring_yesterday_back() -> None:
    count = DayCount(NOON, 0)
    count.take(NOON + DAY_MS)
    assert count.peek(1, NOON).remaining == 0
    assert count.is_over(NOON) is False
    assert count.is_over(NOON + 2 * DAY_MS)


def test_a_limit_of_zero_or_one_that_was_lowered_refuses() -> None:
    count = DayCount(NOON, 5)
    assert count.peek(0, NOON).retry_after_s is not None
    assert count.peek(4, NOON).remaining == 0


def test_each_request_is_counted_once_and_on_its_own_day() -> None:
    count = DayCount(NOON)
    assert count.peek(2, NOON) == LimitState(limit=2, remaining=2, reset_s=0.0)
    count.take(NOON)
    assert count.peek(2, NOON) == LimitState(limit=2, remaining=1, reset_s=DAY_MS / 2000)
    assert not count.is_over(NOON)
    count.take(NOON + DAY_MS)  # nobody has looked since midnight
    count.take(NOON + DAY_MS)
    assert count.peek(3, NOON + DAY_MS).remaining == 1


def test_where_nothing_is_left_it_is_whole_again_at_midnight_even_if_nothing_was_taken() -> None:
    state = DayCount(NOON).peek(0, NOON)
    assert (state.reset_s, state.retry_after_s) == (DAY_MS / 2000, DAY_MS / 2000)
    assert DayCount(NOON).peek(1, NOON) == LimitState(limit=1, remaining=1, reset_s=0.0)
