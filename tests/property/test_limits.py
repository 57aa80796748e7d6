"""A limit never lets more through than it says, whatever the times: by counting, and with the `limits` library as oracle."""

from bisect import bisect_right
from types import SimpleNamespace

import limits.storage.memory
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from limits import RateLimitItemPerMinute
from limits.storage import MemoryStorage
from limits.strategies import MovingWindowRateLimiter

from anyrouter.core.errors import Denied
from anyrouter.policy.limit import WINDOW_S, Gcra, SlidingLog
from anyrouter.relay.reply_head import refusal_lines

gaps_ms = st.one_of(st.just(0), st.integers(0, 30), st.integers(0, 70_000), st.sampled_from([59_999, 60_000, 60_001]))


def times_of(gaps: list[int], start_s: float = 1000.0) -> list[float]:
    """Monotonic times; no two are exactly 60 s apart, where definitions of a window differ."""
    now, times = 0, []
    for number, gap in enumerate(gaps):
        now += gap
        times.append(start_s + now / 1000 + number * 1e-6)
    return times


def admit(limit: SlidingLog | Gcra, now_s: float) -> bool:
    if limit.peek(now_s).retry_after_s is not None:
        return False
    limit.take(now_s)
    return True


def worst(admitted: list[float]) -> int:
    """The most requests in any window of 60 s, its later end included."""
    return max((index - bisect_right(admitted, now - WINDOW_S) + 1 for index, now in enumerate(admitted)), default=0)


def by_definition(times: list[float], limit: int) -> list[bool]:
    """Admit exactly when fewer than `limit` were admitted in the 60 s before."""
    admitted: list[float] = []
    verdicts = []
    for now in times:
        is_admitted = len(admitted) - bisect_right(admitted, now - WINDOW_S) < limit
        verdicts.append(is_admitted)
        if is_admitted:
            admitted.append(now)
    return verdicts


@settings(deadline=None, max_examples=200)
@given(st.integers(0, 12), st.lists(gaps_ms, max_size=80))
def test_a_sliding_log_is_exact(limit: int, gaps: list[int]) -> None:
    times, log = times_of(gaps), SlidingLog(limit)
    verdicts = [admit(log, now) for now in times]
    assert verdicts == by_definition(times, limit)
    assert worst([now for now, is_admitted in zip(times, verdicts, strict=True) if is_admitted]) <= limit


@settings(deadline=None, max_examples=100)
@given(limit=st.integers(1, 12), gaps=st.lists(gaps_ms, max_size=60))
def test_a_sliding_log_agrees_with_the_limits_library(limit: int, gaps: list[int]) -> None:
    with pytest.MonkeyPatch.context() as patch:
        clock = SimpleNamespace(now_s=0.0)
        patch.setattr(limits.storage.memory, "time", SimpleNamespace(time=lambda: clock.now_s))
        storage = MemoryStorage()
        oracle, item, log = MovingWindowRateLimiter(storage), RateLimitItemPerMinute(limit), SlidingLog(limit)
        for now in times_of(gaps):
            clock.now_s = now
            assert log.peek(now).remaining == oracle.get_window_stats(item, "key").remaining
            assert admit(log, now) == oracle.hit(item, "key")
        if storage.timer is not None:
            storage.timer.cancel()


@settings(deadline=None, max_examples=60)
@given(
    st.integers(10_001, 30_000),
    st.lists(st.tuples(st.integers(0, 40_000), st.integers(1, 8000)), min_size=1, max_size=12),
    st.floats(0, 1e6),
)
def test_a_gcra_lets_at_most_the_limit_and_a_sixth_through_in_any_window(limit: int, bursts: list[tuple[int, int]], start_s: float) -> None:
    gcra, now, admitted = Gcra(limit), start_s, []
    for gap_ms, size in bursts:
        now += gap_ms / 1000
        admitted += [now for _ in range(size) if admit(gcra, now)]
    assert worst(admitted) <= limit + limit // 6


@settings(deadline=None, max_examples=100)
@given(st.one_of(st.integers(1, 12), st.integers(10_001, 20_000)), st.lists(gaps_ms, min_size=1, max_size=40), st.floats(0, 1e6))
def test_who_waits_as_long_as_retry_after_says_is_let_through(limit: int, gaps: list[int], start_s: float) -> None:
    counter = SlidingLog(limit) if limit <= 12 else Gcra(limit)
    for now in times_of(gaps, start_s):
        if limit > 12:
            while admit(counter, now):
                pass
        state = counter.peek(now)
        if state.retry_after_s is None:
            counter.take(now)
            continue
        told = refusal_lines(Denied(code="rate_limited", message="x", retry_after_s=state.retry_after_s))
        wait_s = int(told.removeprefix(b"Retry-After: "))
        assert wait_s >= state.retry_after_s
        # Times are floats near 10^6: a microsecond is far above their grain and far below a client's.
        assert counter.peek(now + wait_s + 1e-6).retry_after_s is None


@settings(deadline=None, max_examples=100)
@given(st.integers(1, 12), st.lists(gaps_ms, min_size=1, max_size=40))
def test_nobody_waits_longer_than_needed(limit: int, gaps: list[int]) -> None:
    log = SlidingLog(limit)
    for now in times_of(gaps):
        state = log.peek(now)
        if state.retry_after_s is None:
            log.take(now)
        else:
            assert log.peek(now + state.retry_after_s - 1e-3).retry_after_s is not None or state.retry_after_s <= 1e-3
            return


@settings(deadline=None, max_examples=100)
@given(st.integers(0, 12), st.lists(gaps_ms, min_size=1, max_size=60))
def test_what_is_told_to_be_left_can_be_taken(limit: int, gaps: list[int]) -> None:
    log = SlidingLog(limit)
    for now in times_of(gaps):
        remaining = log.peek(now).remaining
        assert 0 <= remaining <= limit
        assert (remaining == 0) == (log.peek(now).retry_after_s is not None)
        if remaining:
            log.take(now)
            assert log.peek(now).remaining == remaining - 1


@settings(deadline=None, max_examples=100)
@given(st.lists(st.tuples(gaps_ms, st.integers(0, 12)), max_size=80))
def test_a_limit_that_changes_is_kept_at_every_moment(steps: list[tuple[int, int]]) -> None:
    log, admitted = SlidingLog(5), []
    for now, (_, limit) in zip(times_of([gap for gap, _ in steps]), steps, strict=True):
        log.resize(limit)
        state = log.peek(now)
        inside = len(admitted) - bisect_right(admitted, now - WINDOW_S)
        assert (state.remaining, state.retry_after_s is None) == (max(0, limit - inside), inside < limit)
        if state.retry_after_s is None:
            log.take(now)
            admitted.append(now)
        elif limit:
            later = now + state.retry_after_s
            assert len(admitted) - bisect_right(admitted, later + 1e-6 - WINDOW_S) < limit


@settings(max_examples=200)
@given(
    st.sampled_from([SlidingLog, Gcra]),
    st.lists(st.tuples(gaps_ms, st.none() | st.integers(6, 40) | st.integers(10_001, 1_000_000)), min_size=1, max_size=60),
    st.integers(6, 40) | st.integers(10_001, 1_000_000),
    st.floats(0, 1e9),
)
def test_admitting_is_to_look_to_take_and_to_look_again(
    kind: type[SlidingLog | Gcra], steps: list[tuple[int, int | None]], limit: int, start_s: float
) -> None:
    """`Gcra` has no burst below 6 requests a minute: it is for many."""
    counter, by_steps, now = kind(limit), kind(limit), start_s
    for gap_ms, resized in steps:
        now += gap_ms / 1000
        if resized is not None:
            counter.resize(resized)
            by_steps.resize(resized)
        for _ in range(8):
            expected = by_steps.peek(now)
            if expected.retry_after_s is None:
                by_steps.take(now)
                assert counter.admit(now) == by_steps.peek(now)
            else:
                assert counter.admit(now) is None
            assert counter.peek(now) == by_steps.peek(now)


@settings(max_examples=100)
@given(st.integers(0, 6), st.lists(gaps_ms, min_size=1, max_size=60))
def test_a_refused_request_takes_nothing(limit: int, gaps: list[int]) -> None:
    log = SlidingLog(limit)
    for now in times_of(gaps):
        before = log.peek(now)
        assert (log.admit(now) is None) == (before.remaining == 0)
        assert log.peek(now).remaining == max(0, before.remaining - 1)
