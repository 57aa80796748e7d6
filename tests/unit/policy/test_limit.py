"""Limits by hand-made times; the law over random times is in tests/property/test_limits.py."""

import math

import pytest

from anyrouter.policy.limit import EXACT_UP_TO, WINDOW_S, Gcra, LimitState, SlidingLog, make_limit


def admit(limit, now_s: float) -> bool:
    if limit.peek(now_s).retry_after_s is not None:
        return False
    limit.take(now_s)
    return True


def test_small_limits_are_exact_and_large_ones_a_gcra() -> None:
    assert isinstance(make_limit(0), SlidingLog)
    assert EXACT_UP_TO == 10_000
    assert isinstance(make_limit(EXACT_UP_TO), SlidingLog)
    assert isinstance(make_limit(EXACT_UP_TO + 1), Gcra)


def test_the_request_over_the_limit_waits_until_the_oldest_has_left_the_window() -> None:
    log = SlidingLog(3)
    assert [admit(log, 100.0 + second) for second in (0, 10, 20, 30)] == [True, True, True, False]
    state = log.peek(130.0)
    assert (state.remaining, state.retry_after_s, state.reset_s) == (0, 30.0, 30.0)
    assert not admit(log, 159.999)
    assert admit(log, 160.0)
    assert not admit(log, 160.0)
    assert log.peek(165.0).retry_after_s == 5.0


def test_what_is_left_is_told_and_looking_takes_nothing() -> None:
    log = SlidingLog(2)
    for _ in range(5):
        assert (log.peek(0.0).remaining, log.peek(0.0).reset_s, log.peek(0.0).retry_after_s) == (2, 0.0, None)
    log.take(0.0)
    assert (log.peek(0.0).remaining, log.peek(0.0).reset_s) == (1, 60.0)
    later = SlidingLog(3)
    later.take(100.0)
    later.take(110.0)
    assert later.peek(120.0) == LimitState(limit=3, remaining=1, reset_s=40.0)


def test_a_limit_of_zero_lets_nothing_through_and_says_when_to_ask_again() -> None:
    log = make_limit(0)
    for now_s in (0.0, 59.0, 61.0, 1e9):
        state = log.peek(now_s)
        assert (state.limit, state.remaining, state.retry_after_s) == (0, 0, WINDOW_S)


def test_a_burst_at_the_windows_edge_is_no_double() -> None:
    log = SlidingLog(60)
    assert sum(admit(log, 59.9 + n / 1000) for n in range(60)) == 60
    assert sum(admit(log, 60.1 + n / 1000) for n in range(60)) == 0


def test_a_log_forgets_what_is_old_and_says_when_it_may_be_forgotten_itself() -> None:
    log = SlidingLog(1000)
    for n in range(1000):
        log.take(n / 100)
    assert not log.is_idle(60.0)
    assert log.is_idle(70.0)
    log.peek(1000.0)
    assert len(log._times) == 0
    assert SlidingLog(5).is_idle(0.0)
    log = SlidingLog(5)
    for second in (0.0, 10.0, 20.0):
        log.take(second)
    assert [log.is_idle(now_s) for now_s in (79.0, 80.0)] == [False, True]


@pytest.mark.parametrize("limit", [10_001, 60_000, 6_000_000])
def test_a_large_limit_has_a_burst_of_a_sixth_and_then_the_even_rate(limit: int) -> None:
    gcra = Gcra(limit)
    assert gcra.peek(0.0).remaining == limit // 6
    burst = sum(admit(gcra, 0.0) for _ in range(limit // 6 + 100)) if limit < 100_000 else limit // 6
    assert burst == limit // 6
    if limit < 100_000:
        state = gcra.peek(0.0)
        assert state.remaining == 0
        assert state.retry_after_s == pytest.approx(60.0 / limit)
        assert sum(admit(gcra, 1.0) for _ in range(limit)) == pytest.approx(limit / 60, abs=1)


def test_a_gcra_is_idle_when_its_burst_is_whole_again() -> None:
    gcra = Gcra(12_000)
    assert gcra.is_idle(0.0)
    gcra.take(0.0)
    assert not gcra.is_idle(0.004)
    assert gcra.is_idle(0.005)
    assert gcra.peek(0.0).reset_s == pytest.approx(0.005)
    assert math.isclose(gcra.peek(0.0025).reset_s, 0.0025, rel_tol=1e-6)


def test_a_gcra_whose_burst_is_taken_has_nothing_left_for_one_interval() -> None:
    gcra = Gcra(15_360)  # an interval of 1/256 s: no rounding
    while admit(gcra, 0.0):
        pass
    assert gcra.peek(0.0) == LimitState(limit=15_360, remaining=0, reset_s=10.0, retry_after_s=1 / 256)
    assert gcra.peek(1 / 512) == LimitState(limit=15_360, remaining=0, reset_s=10.0 - 1 / 512, retry_after_s=1 / 512)
    assert gcra.peek(1 / 256) == LimitState(limit=15_360, remaining=1, reset_s=10.0 - 1 / 256)


@pytest.mark.parametrize(("kind", "limit"), [(SlidingLog, 3), (SlidingLog, 0), (Gcra, 15_360), (Gcra, 12)])
def test_to_admit_is_to_look_to_take_and_to_look_again(kind: type[SlidingLog | Gcra], limit: int) -> None:
    at_once, by_steps = kind(limit), kind(limit)
    for now_s in (64.0, 64.0, 64.0, 64.0, 64.0 + 1 / 512, 64.5, 74.0, 123.0, 124.0, 124.5, 500.0):
        for _ in range(3 if limit < 100 else 4000):
            if by_steps.peek(now_s).retry_after_s is None:
                by_steps.take(now_s)
                assert at_once.admit(now_s) == by_steps.peek(now_s)
            else:
                assert at_once.admit(now_s) is None
                break
        assert at_once.peek(now_s) == by_steps.peek(now_s)


def test_remaining_tells_how_many_would_pass_now() -> None:
    gcra = Gcra(12_000)
    for _ in range(1990):
        gcra.take(5.0)
    remaining = gcra.peek(5.0).remaining
    assert sum(admit(gcra, 5.0) for _ in range(100)) == remaining


def test_a_lowered_limit_waits_until_enough_have_left() -> None:
    log = SlidingLog(5)
    for second in range(5):
        log.take(100.0 + second)
    log.resize(2)
    state = log.peek(110.0)
    assert (state.remaining, state.retry_after_s) == (0, 53.0)
    assert not admit(log, 162.9)
    assert admit(log, 163.0)


def test_what_was_taken_of_a_gcra_stays_taken_under_another_limit() -> None:
    gcra = Gcra(12_000)
    while admit(gcra, 0.0):
        pass
    gcra.resize(24_000)
    assert gcra.limit == 24_000
    assert sum(admit(gcra, 0.0) for _ in range(10)) <= 2
    assert sum(admit(gcra, 1.0) for _ in range(1000)) == pytest.approx(400, abs=2)
