"""What is measured, against counting it all; and headers of any kind."""

import math

from hypothesis import given, settings
from hypothesis import strategies as st

from anyrouter.policy.histogram import LARGEST, RELATIVE_ERROR
from anyrouter.policy.rate_budget import Allowance, Quantity, RateBudget
from anyrouter.policy.rate_headers import read_allowances, read_reset, read_wait
from anyrouter.policy.window import PERIOD_S, PERIODS, SLOT_S, OutcomeWindow

gaps = st.one_of(st.just(0.0), st.floats(0, 10), st.floats(0, 400), st.floats(0, 4000), st.floats(0, 200_000))
values = st.floats(1, LARGEST)


def percentile(sorted_values: list[float], wanted: int) -> float:
    return sorted_values[max(0, math.ceil(len(sorted_values) * wanted / 100) - 1)]


@settings(max_examples=300)
@given(st.floats(0, 1e6), st.lists(st.tuples(gaps, st.one_of(st.none(), values)), max_size=60))
def test_a_window_counts_what_happened_in_its_time(start_s: float, script: list[tuple[float, float | None]]) -> None:
    window, now_s, seen = OutcomeWindow(start_s), start_s, []
    for gap_s, latency_ms in script:
        now_s += gap_s
        if latency_ms is None:
            window.fail(now_s)
        else:
            window.succeed(now_s, latency_ms)
        seen.append((now_s, latency_ms))
        slot = now_s // SLOT_S
        recent = [value for at_s, value in seen if slot - at_s // SLOT_S < 6]
        assert window.read_recent(now_s) == (sum(value is not None for value in recent), sum(value is None for value in recent))
        day = [value for at_s, value in seen if now_s // PERIOD_S - at_s // PERIOD_S < PERIODS]
        assert window.read_uptime(now_s, 86_400) == sum(value is not None for value in day) / len(day)
    now_s += 1.0  # what was kept of percentiles is too old now
    read = window.read_performance(now_s)
    late = [value for at_s, value in seen if now_s // 60 - at_s // 60 < 6]
    times = sorted(value for value in late if value is not None)
    assert (read.requests, read.failures) == (len(late), len(late) - len(times))
    for wanted, value in read.latency_ms.items():
        truth = percentile(times, wanted)
        assert abs(value - truth) <= truth * RELATIVE_ERROR * 1.000001
    assert bool(read.latency_ms) == bool(times)


counts = st.integers(0, 10**6)
allowances = st.dictionaries(
    st.sampled_from(list(Quantity)),
    st.builds(Allowance, remaining=counts, limit=st.one_of(st.none(), counts), reset_s=st.one_of(st.none(), st.floats(0, 86_400))),
    max_size=4,
)


@settings(max_examples=300)
@given(allowances, st.lists(st.integers(0, 10**5), max_size=10), st.integers(0, 10**6))
def test_after_the_wait_that_it_says_a_request_fits(told: dict[Quantity, Allowance], sent: list[int], tokens: int) -> None:
    budget = RateBudget()
    budget.learn(0.0, told)
    for size in sent:
        budget.take(0.0, size)
    wait_s = budget.wait_s(0.0, tokens)
    assert 0.0 <= wait_s <= 86_400.0
    assert budget.wait_s(wait_s + 1e-3, tokens) <= 1e-3
    assert all(left >= 0 for left in budget.read(0.0).values())


@given(st.text(max_size=40), st.floats(0, 4e9))
def test_any_text_is_a_reset_within_a_day_or_none(text: str, now_s: float) -> None:
    seconds = read_reset(text, now_s)
    assert seconds is None or 0.0 <= seconds <= 86_400.0


@given(st.from_regex(r"([0-9]{1,4}[dhms])?([0-9]{1,3}m)?([0-9]{1,3}(\.[0-9]{1,3})?(s|ms))?", fullmatch=True))
def test_durations_of_any_length_are_read_or_none(text: str) -> None:
    seconds = read_reset(text, 0.0)
    assert seconds is None or 0.0 <= seconds <= 86_400.0


header_names = st.sampled_from(
    [
        b"x-ratelimit-remaining-requests",
        b"x-ratelimit-limit-tokens",
        b"anthropic-ratelimit-tokens-reset",
        b"x-ratelimit-reset-requests",
        b"retry-after",
        b"retry-after-ms",
        b"date",
    ]
)


@given(
    st.lists(st.tuples(header_names, st.one_of(st.binary(max_size=20), st.from_regex(rb"[0-9]{1,20}", fullmatch=True))), max_size=8),
    st.floats(0, 4e9),
)
def test_no_header_of_an_upstreams_is_an_error(headers: list[tuple[bytes, bytes]], now_s: float) -> None:
    for allowance in read_allowances(headers, now_s).values():
        assert allowance.remaining >= 0
        assert allowance.reset_s is None or 0.0 <= allowance.reset_s <= 86_400.0
    wait_s = read_wait(headers, now_s)
    assert wait_s is None or 0.0 <= wait_s <= 86_400.0
