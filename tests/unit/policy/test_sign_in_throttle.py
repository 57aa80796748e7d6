"""How often signing in may fail: the three counts, what is not counted, and who is known."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from anyrouter.policy import sign_in_throttle
from anyrouter.policy.sign_in_throttle import Attempt, SignInThrottle, network_of

ADA, BOB = "ada@example.org", "bob@example.org"


def fail(throttle: SignInThrottle, email: str, address: str, now_s: float) -> bool:
    """Whether the attempt, which failed, was let through."""
    return isinstance(throttle.begin(email, address, now_s), Attempt)


def test_the_eleventh_failure_of_an_address_from_a_network_waits_until_the_first_is_a_quarter_old() -> None:
    throttle = SignInThrottle()
    assert all(fail(throttle, ADA, "10.0.0.1", float(second)) for second in range(10))
    assert throttle.begin(ADA, "10.0.0.1", 100.0) == 800.0
    assert throttle.begin(ADA, "10.0.0.1", 899.0) == 1.0
    assert fail(throttle, ADA, "10.0.0.1", 900.0)
    assert throttle.begin(ADA, "10.0.0.1", 900.5) == 0.5
    assert fail(throttle, BOB, "10.0.0.1", 100.0)
    assert fail(throttle, ADA, "10.0.0.2", 100.0)


def test_what_is_refused_counts_nothing() -> None:
    throttle = SignInThrottle()
    for second in range(5000):
        fail(throttle, ADA, "10.0.0.1", second / 10)
    assert fail(throttle, ADA, "10.0.0.1", 900.0)


@pytest.mark.parametrize("by_address", [True, False])
def test_a_hundred_failures_an_hour_are_the_most_of_an_address_and_of_a_network(by_address: bool) -> None:
    throttle = SignInThrottle()

    def attempt(number: int, now_s: float) -> bool:
        return fail(throttle, ADA if by_address else f"{number}@x", f"10.0.0.{number}" if by_address else "10.0.0.1", now_s)

    assert all(attempt(number, 0.0) for number in range(100))
    assert not attempt(200, 3599.0)
    assert attempt(200, 3600.0)


def test_the_right_password_forgets_the_networks_failures_for_that_address_and_makes_it_known() -> None:
    throttle = SignInThrottle()
    for _ in range(9):
        fail(throttle, ADA, "10.0.0.1", 0.0)
    attempt = throttle.begin(ADA, "10.0.0.1", 0.0)
    assert isinstance(attempt, Attempt)
    throttle.succeed(attempt)
    assert all(fail(throttle, ADA, f"10.1.0.{number}", 1.0) for number in range(91))
    assert not fail(throttle, ADA, "10.2.0.1", 1.0)
    assert [fail(throttle, ADA, "10.0.0.1", 1.0) for _ in range(11)] == [True] * 10 + [False]


def test_an_attempt_that_came_to_no_answer_is_not_counted() -> None:
    throttle = SignInThrottle()
    for second in range(500):
        attempt = throttle.begin(ADA, "10.0.0.1", float(second) / 10)
        assert isinstance(attempt, Attempt)
        throttle.forgive(attempt)


def test_the_place_that_failed_longest_ago_is_forgotten_when_there_are_too_many(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sign_in_throttle, "MAX_PLACES", 3)
    throttle = SignInThrottle()
    for _ in range(10):
        fail(throttle, ADA, "10.0.0.1", 0.0)
    for number in range(2):
        fail(throttle, f"{number}@x", f"10.0.1.{number}", 1.0)
    assert not fail(throttle, ADA, "10.0.0.1", 2.0)
    fail(throttle, "2@x", "10.0.1.2", 2.0)
    assert fail(throttle, ADA, "10.0.0.1", 3.0)
    assert all(len(window.places) <= 3 for window in throttle._windows.values())


@pytest.mark.parametrize(
    ("address", "network"),
    [
        ("198.51.100.7", "198.51.100.7"),
        ("::ffff:198.51.100.7", "198.51.100.7"),
        ("2001:db8:1:2:3:4:5:6", "2001:db8:1:2::/64"),
        ("2001:db8:1:2::", "2001:db8:1:2::/64"),
        ("fe80::1%eth0", "fe80::/64"),
        ("", ""),
        ("unix", "unix"),
    ],
)
def test_a_network_is_an_address_or_the_64_bits_that_one_household_has(address: str, network: str) -> None:
    assert network_of(address) == network


@given(st.lists(st.tuples(st.sampled_from([ADA, BOB]), st.integers(0, 3), st.floats(0, 300)), max_size=120))
def test_no_order_of_failures_lets_more_than_ten_of_a_pair_through_in_a_quarter(attempts: list[tuple[str, int, float]]) -> None:
    throttle, now_s = SignInThrottle(), 0.0
    passed: dict[tuple[str, int], list[float]] = {}
    for email, network, wait_s in attempts:
        now_s += wait_s
        if fail(throttle, email, f"10.0.0.{network}", now_s):
            passed.setdefault((email, network), []).append(now_s)
    for times in passed.values():
        assert all(later - earlier >= 900.0 for earlier, later in zip(times, times[10:], strict=False))
