"""Outcomes over the last seconds, minutes and hours."""

import pytest

from anyrouter.policy.histogram import RELATIVE_ERROR
from anyrouter.policy.window import PERIOD_S, PERIODS, OutcomeWindow, Performance

START_S = 86_400.0  # the start of a slot, a minute and a period


def window(start_s: float = START_S) -> OutcomeWindow:
    return OutcomeWindow(start_s)


def test_a_new_window_knows_nothing() -> None:
    new = window()
    assert new.read_recent(START_S) == (0, 0)
    assert new.read_performance(START_S) == Performance()
    assert new.read_uptime(START_S, 300) is None


def test_recent_outcomes_are_counted_and_leave_after_half_a_minute() -> None:
    counted = window()
    for second in range(10):
        counted.succeed(START_S + second, 100.0)
    counted.fail(START_S + 12)
    assert counted.read_recent(START_S + 12) == (10, 1)
    assert counted.read_recent(START_S + 29) == (10, 1)
    assert counted.read_recent(START_S + 34.9) == (5, 1)
    assert counted.read_recent(START_S + 35) == (0, 1)
    assert counted.read_recent(START_S + 40) == (0, 0)
    assert counted.read_recent(START_S + 100_000) == (0, 0)


def test_recent_outcomes_can_be_forgotten_while_percentiles_stay() -> None:
    counted = window()
    counted.fail(START_S)
    counted.succeed(START_S, 100.0)
    counted.forget_recent()
    assert counted.read_recent(START_S) == (0, 0)
    assert counted.read_performance(START_S).requests == 2


def test_percentiles_of_time_and_speed() -> None:
    counted = window()
    for number in range(100):
        counted.succeed(
            START_S + number / 100, 100.0 if number < 90 else 5000.0, 20.0 if number < 50 else 400.0, 80.0 if number < 20 else 30.0
        )
    read = counted.read_performance(START_S + 1)
    assert (read.requests, read.failures, read.ttft_samples) == (100, 0, 100)
    assert [read.latency_ms[percentile] for percentile in (50, 75, 90, 95, 99)] == pytest.approx(
        [100, 100, 100, 5000, 5000], rel=RELATIVE_ERROR
    )
    assert [read.ttft_ms[percentile] for percentile in (50, 75)] == pytest.approx([20, 400], rel=RELATIVE_ERROR)
    # "at p90 at least": nine of ten were as fast or faster
    assert [read.throughput[percentile] for percentile in (50, 90)] == pytest.approx([30, 30], rel=RELATIVE_ERROR)


def test_most_of_the_requests_are_as_fast_as_the_percentile_of_speed_says() -> None:
    counted = window()
    for number in range(10):
        counted.succeed(START_S, 1.0, 1.0, 10.0 if number == 0 else 100.0)
    assert counted.read_performance(START_S).throughput[50] == pytest.approx(100, rel=RELATIVE_ERROR)
    assert counted.read_performance(START_S).throughput[99] == pytest.approx(10, rel=RELATIVE_ERROR)


def test_a_reply_without_a_stream_has_only_a_latency() -> None:
    counted = window()
    counted.succeed(START_S, 100.0)
    counted.succeed(START_S, 100.0, 10.0)
    read = counted.read_performance(START_S)
    assert (read.requests, read.ttft_samples, read.throughput) == (2, 1, {})


def test_percentiles_cover_at_least_five_minutes_and_at_most_six() -> None:
    counted = window()
    counted.succeed(START_S + 59, 100.0)
    assert counted.read_performance(START_S + 299).requests == 1
    assert counted.read_performance(START_S + 359).requests == 1
    assert counted.read_performance(START_S + 360).requests == 0


def test_percentiles_are_kept_for_a_second() -> None:
    counted = window()
    counted.succeed(START_S, 100.0)
    assert counted.read_performance(START_S).requests == 1
    counted.succeed(START_S, 100.0)
    assert counted.read_performance(START_S + 0.9).requests == 1
    assert counted.read_performance(START_S + 1.0).requests == 2


def test_uptime_is_kept_for_a_day() -> None:
    counted = window()
    for _ in range(3):
        counted.succeed(START_S, 100.0)
    counted.fail(START_S)
    assert counted.read_uptime(START_S, 300) == 0.75
    for later_s in (200, 299):
        assert counted.read_uptime(START_S + later_s, 300) == 0.75
    counted.succeed(START_S + PERIOD_S, 100.0)
    assert counted.read_uptime(START_S + PERIOD_S, 300) == 0.8
    assert counted.read_uptime(START_S + 3 * PERIOD_S, 300) is None
    assert counted.read_uptime(START_S + 3 * PERIOD_S, 1800) == 0.8
    assert counted.read_uptime(START_S + (PERIODS - 1) * PERIOD_S, 86_400) == 0.8
    assert counted.read_uptime(START_S + PERIODS * PERIOD_S, 86_400) == 1.0
    assert counted.read_uptime(START_S + (PERIODS + 1) * PERIOD_S, 86_400) is None


def test_a_long_silence_leaves_nothing_of_the_past() -> None:
    counted = window()
    counted.fail(START_S)
    counted.succeed(START_S + 3 * 86_400, 100.0)
    assert counted.read_uptime(START_S + 3 * 86_400, 86_400) == 1.0
    assert counted.read_performance(START_S + 3 * 86_400).requests == 1
