"""What is left of an upstream's own limits."""

import pytest

from anyrouter.policy.rate_budget import Allowance, Quantity, RateBudget


def budget(**allowances: Allowance) -> RateBudget:
    made = RateBudget()
    made.learn(0.0, {Quantity(name): allowance for name, allowance in allowances.items()})
    return made


def test_what_nobody_said_is_no_limit() -> None:
    new = RateBudget()
    assert new.wait_s(0.0, 10**9) == 0.0
    assert new.read(0.0) == {}
    assert not new.is_told
    assert not new.is_low(0.0)


def test_when_nothing_is_left_one_waits_for_what_grows_back() -> None:
    empty = budget(requests=Allowance(remaining=0, limit=60, reset_s=60.0))
    assert empty.wait_s(0.0, 1) == 1.0
    assert empty.wait_s(0.5, 1) == 0.5
    assert empty.wait_s(1.0, 1) == 0.0
    assert empty.read(10.0) == {"requests": 10}
    assert empty.read(600.0) == {"requests": 60}


def test_a_large_request_waits_longer_than_a_small_one() -> None:
    tokens = budget(tokens=Allowance(remaining=1000, limit=10_000, reset_s=90.0))
    assert tokens.wait_s(0.0, 1000) == 0.0
    assert tokens.wait_s(0.0, 2000) == 10.0
    assert tokens.wait_s(0.0, 10**9) == 90.0  # never fits: waits until all is there, and the upstream says so


def test_the_longest_of_several_waits_counts() -> None:
    both = budget(requests=Allowance(remaining=5, limit=10, reset_s=5.0), input_tokens=Allowance(remaining=0, limit=100, reset_s=10.0))
    assert both.wait_s(0.0, 50) == 5.0
    assert both.read(0.0) == {"requests": 5, "input_tokens": 0}


def test_what_is_sent_is_counted_down_until_the_next_reply_says_better() -> None:
    told = budget(requests=Allowance(remaining=2, limit=60, reset_s=58.0), tokens=Allowance(remaining=900, limit=1000, reset_s=1000.0))
    told.take(0.0, 500)
    assert told.wait_s(0.0, 400) == 0.0
    assert told.wait_s(0.0, 500) > 0.0
    told.take(0.0, 1)
    assert told.wait_s(0.0, 1) == pytest.approx(1.0)
    told.learn(0.0, {Quantity.REQUESTS: Allowance(remaining=30, limit=60, reset_s=30.0)})
    assert told.wait_s(0.0, 1) == 0.0


def test_it_grows_from_the_moment_of_the_last_request_on() -> None:
    told = budget(requests=Allowance(remaining=30, limit=60, reset_s=30.0))
    told.take(10.0, 1)
    assert told.read(10.0) == {"requests": 39}
    assert told.read(15.0) == {"requests": 44}


def test_without_a_limit_all_is_back_at_the_reset_and_nothing_before() -> None:
    told = budget(requests=Allowance(remaining=0, reset_s=7.0))
    assert (told.wait_s(0.0, 1), told.wait_s(6.0, 1), told.wait_s(7.0, 1)) == (7.0, 1.0, 0.0)
    assert told.read(3.0) == {"requests": 0}
    assert told.read(7.0) == {}


def test_without_a_reset_it_is_not_known_when_and_nothing_is_held_back() -> None:
    assert budget(requests=Allowance(remaining=0, limit=60)).wait_s(0.0, 1) == 0.0
    assert budget(requests=Allowance(remaining=0)).wait_s(0.0, 1) == 0.0


def test_headers_are_read_once_a_second_and_ten_times_when_little_is_left() -> None:
    plenty = budget(requests=Allowance(remaining=59, limit=60, reset_s=1.0))
    assert (plenty.next_look_s, plenty.is_low(0.0)) == (1.0, False)
    scarce = budget(requests=Allowance(remaining=6, limit=60, reset_s=54.0))
    assert (scarce.next_look_s, scarce.is_low(0.0), scarce.is_low(54.0)) == (0.1, True, False)


def test_a_limit_of_one_that_is_whole_is_not_low_for_ever() -> None:
    tiny = budget(requests=Allowance(remaining=0, limit=1, reset_s=1.0))
    assert (tiny.is_low(0.0), tiny.wait_s(1.0, 1)) == (True, 0.0)
