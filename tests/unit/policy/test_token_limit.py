"""Tokens per minute by hand-made times; the law over random times is in tests/property/test_token_limits.py."""

import pytest

from anyrouter.policy.limit import WINDOW_S, LimitState
from anyrouter.policy.token_limit import SLICE_S, TokenLog


def test_what_is_set_aside_is_what_is_missing_until_it_has_left_the_window() -> None:
    log = TokenLog(100)
    assert log.peek(0.0, 100) == LimitState(limit=100, remaining=100, reset_s=0.0)
    log.take(0.0, 30)
    log.take(10.0, 50)
    assert log.peek(20.0, 20) == LimitState(limit=100, remaining=20, reset_s=40.0)
    assert log.peek(20.0, 21) == LimitState(limit=100, remaining=20, reset_s=40.0, retry_after_s=40.0)
    assert log.peek(20.0, 50).retry_after_s == 40.0
    assert log.peek(20.0, 51).retry_after_s == 50.0  # the first leaving is not enough
    assert log.peek(59.999).remaining == 20
    assert log.peek(60.0) == LimitState(limit=100, remaining=50, reset_s=10.0)


def test_a_request_of_more_than_the_limit_waits_until_nothing_is_taken() -> None:
    log = TokenLog(100)
    assert log.peek(0.0, 1000).retry_after_s is None
    log.take(0.0, 1)
    assert log.peek(1.0, 1000).retry_after_s == 59.0
    assert log.peek(1.0).retry_after_s is None


def test_unasked_a_request_is_of_one_token() -> None:
    log = TokenLog(10)
    log.take(0.0, 9)
    assert log.peek(0.0).retry_after_s is None
    log.take(0.0, 1)
    assert log.peek(0.0).retry_after_s == WINDOW_S


@pytest.mark.parametrize("tokens", [0, 1, 50])
def test_a_limit_of_zero_lets_nothing_through_and_says_when_to_ask_again(tokens: int) -> None:
    log = TokenLog(0)
    assert log.peek(0.0, tokens) == LimitState(limit=0, remaining=0, reset_s=WINDOW_S, retry_after_s=WINDOW_S)
    assert TokenLog(1).peek(0.0, tokens).retry_after_s is None


def test_times_within_a_slice_leave_together_with_the_last_and_later_ones_on_their_own() -> None:
    log = TokenLog(10)
    first = log.take(1024.0, 2)
    assert log.take(1024.0 + SLICE_S - 0.001, 3) is first
    second = log.take(1024.0 + SLICE_S + 0.001, 3)
    assert second is not first
    assert log.take(1024.0 + SLICE_S + 0.002, 1) is second
    assert log.peek(1024.0 + WINDOW_S + SLICE_S - 0.002).remaining == 1
    assert log.peek(1024.0 + WINDOW_S + SLICE_S).remaining == 6
    assert log.peek(1024.0 + WINDOW_S + SLICE_S + 0.003).remaining == 10


def test_what_was_used_takes_the_place_of_what_was_set_aside_while_that_counts() -> None:
    log = TokenLog(100)
    more, less = log.take(0.0, 20), log.take(1.0, 60)
    log.settle(more, 20, 25, 2.0)
    log.settle(less, 60, 10, 3.0)
    assert log.peek(4.0).remaining == 65
    assert log.peek(60.0).remaining == 90  # with its own moment goes what was used, no less
    assert log.peek(61.0).remaining == 100


def test_what_was_used_beyond_is_counted_when_it_is_told_if_the_rest_is_gone() -> None:
    log = TokenLog(100)
    gone, saving = log.take(0.0, 20), log.take(0.5, 20)
    log.settle(saving, 20, 20, 61.0)
    log.settle(gone, 20, 25, 61.0)
    assert log.peek(61.0).remaining == 95
    assert log.peek(121.0).remaining == 100
    log.settle(saving, 20, 5, 122.0)
    log.settle(gone, 20, 20, 122.0)
    assert log.peek(122.0).remaining == 100
    assert log.is_idle(122.0)


def test_a_limit_that_is_changed_goes_on_with_what_was_taken() -> None:
    log = TokenLog(100)
    log.take(0.0, 60)
    log.resize(50)
    assert log.peek(1.0) == LimitState(limit=50, remaining=0, reset_s=59.0, retry_after_s=59.0)
    log.resize(70)
    assert log.peek(1.0) == LimitState(limit=70, remaining=10, reset_s=59.0)


def test_a_log_may_be_forgotten_when_nothing_counts_any_more() -> None:
    log = TokenLog(10)
    assert log.is_idle(0.0)
    log.take(0.0, 1)
    assert not log.is_idle(59.999)
    assert log.is_idle(60.0)
