"""A limit on tokens lets no more through than it says: by a sliding log that keeps everything, and with the `limits` library as oracle."""

from types import SimpleNamespace

import limits.storage.memory
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from limits import RateLimitItemPerMinute
from limits.storage import MemoryStorage
from limits.strategies import MovingWindowRateLimiter

from anyrouter.policy.limit import WINDOW_S
from anyrouter.policy.token_limit import SLICE_S, TokenLog

# Milliseconds between requests: none closer than a slice, so that the log has to be exact, and none 60 s apart.
gaps_ms = st.one_of(st.integers(21, 200), st.integers(21, 70_000), st.sampled_from([59_998, 60_003]))
sizes = st.integers(1, 40)


class KeptLog:
    """The law in ten lines: tokens count at the time of the admission; what is told later than 60 s counts then, as far as it is more."""

    def __init__(self, limit: int) -> None:
        self.limit, self.rows = limit, []

    def sum(self, now: float) -> int:
        return sum(tokens for at, tokens in self.rows if at > now - WINDOW_S)

    def admit(self, now: float, tokens: int) -> list | None:
        if self.sum(now) + min(tokens, self.limit) > self.limit:
            return None
        self.rows.append([now, min(tokens, self.limit)])
        return self.rows[-1]

    def settle(self, row: list, used: int, now: float) -> None:
        if row[0] > now - WINDOW_S:
            row[1] = used
        elif used > row[1]:
            self.rows.append([now, used - row[1]])


def times_of(gaps: list[int]) -> list[float]:
    now, times = 0, []
    for number, gap in enumerate(gaps):
        now += gap
        times.append(1000.0 + now / 1000 + number * 1e-6)
    return times


@settings(deadline=None, max_examples=100)
@given(limit=st.integers(1, 100), requests=st.lists(st.tuples(gaps_ms, sizes), max_size=40))
def test_a_token_log_agrees_with_the_limits_library(limit: int, requests: list[tuple[int, int]]) -> None:
    with pytest.MonkeyPatch.context() as patch:
        clock = SimpleNamespace(now_s=0.0)
        patch.setattr(limits.storage.memory, "time", SimpleNamespace(time=lambda: clock.now_s))
        storage = MemoryStorage()
        oracle, item, log = MovingWindowRateLimiter(storage), RateLimitItemPerMinute(limit), TokenLog(limit)
        for now, (_, asked) in zip(times_of([gap for gap, _ in requests]), requests, strict=True):
            clock.now_s, tokens = now, min(asked, limit)
            assert log.peek(now).remaining == oracle.get_window_stats(item, "key").remaining
            is_admitted = log.peek(now, tokens).retry_after_s is None
            assert is_admitted == oracle.hit(item, "key", cost=tokens)
            if is_admitted:
                log.take(now, tokens)
        if storage.timer is not None:
            storage.timer.cancel()


@settings(deadline=None, max_examples=200)
@given(
    limit=st.integers(0, 100),
    steps=st.lists(st.tuples(gaps_ms, sizes, st.integers(0, 60), st.integers(0, 5)), max_size=40),
)
def test_what_was_used_takes_the_place_of_what_was_set_aside(limit: int, steps: list[tuple[int, int, int, int]]) -> None:
    log, kept, running = TokenLog(limit), KeptLog(limit), []
    for now, (_, tokens, used, ended) in zip(times_of([step[0] for step in steps]), steps, strict=True):
        expected = kept.admit(now, tokens) if limit else None
        state = log.peek(now, tokens)
        assert (state.retry_after_s is None) == (expected is not None)
        if expected is not None:
            aside = min(tokens, limit)
            running.append((log.take(now, aside), aside, expected, used))
        elif limit:
            # Who waits as long as told is let through, unless somebody else takes it; nobody waits longer than needed.
            later = now + state.retry_after_s + 1e-6
            assert kept.sum(later) + min(tokens, limit) <= limit
            assert kept.sum(now + state.retry_after_s - 1e-3) + min(tokens, limit) > limit
        for _ in range(min(ended, len(running))):
            piece, aside, row, truth = running.pop(0)
            log.settle(piece, aside, truth, now + 1e-7)
            kept.settle(row, truth, now + 1e-7)
        assert log.peek(now + 2e-7).remaining == max(0, limit - kept.sum(now + 2e-7))


@settings(deadline=None, max_examples=100)
@given(limit=st.integers(1, 500), requests=st.lists(st.tuples(st.integers(0, 30), sizes), max_size=200))
def test_a_token_log_never_lets_more_through_and_frees_within_a_slice(limit: int, requests: list[tuple[int, int]]) -> None:
    log, admitted = TokenLog(limit), []
    for now, (_, tokens) in zip(times_of([gap for gap, _ in requests]), requests, strict=True):
        aside = min(tokens, limit)
        inside = sum(taken for at, taken in admitted if at > now - WINDOW_S)
        latest = sum(taken for at, taken in admitted if at > now - WINDOW_S - SLICE_S)
        if log.peek(now, tokens).retry_after_s is None:
            assert inside + aside <= limit
            log.take(now, aside)
            admitted.append((now, aside))
        else:
            assert latest + aside > limit


def test_a_log_under_any_load_has_a_bounded_number_of_slices() -> None:
    log = TokenLog(10**12)
    for number in range(400_000):
        log.take(number / 2000, 1)
    log.peek(200.0)
    assert len(log._slices) <= WINDOW_S / SLICE_S + 1
