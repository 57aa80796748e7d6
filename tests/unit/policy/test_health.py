"""The health of targets by scripts: who is asked, who rests, who comes back."""

import pytest

from anyrouter.policy.circuit import ADMITTED, REFUSED, CircuitSettings, CircuitState
from anyrouter.policy.health import SHORT, SICK, WELL, HealthBook, HealthSettings, TargetHealth
from anyrouter.policy.outcome import Outcome
from anyrouter.policy.rate_budget import Allowance, Quantity
from anyrouter.policy.retry_budget import RetrySettings
from support.routing import make_sick


def new(**settings: object) -> TargetHealth:
    return TargetHealth(HealthSettings(**settings), 0.0)  # type: ignore[arg-type]


def test_a_new_target_is_well() -> None:
    health = new()
    assert (health.is_well, health.rank(0.0), health.admit(0.0), health.wait_s(0.0)) == (True, WELL, ADMITTED, 0.0)


def test_a_single_failure_changes_nothing() -> None:
    health = new()
    health.fail(ADMITTED, 0.0, Outcome.FAILED)
    assert (health.is_well, health.admit(0.0)) == (True, ADMITTED)


def test_failures_in_a_row_make_it_sick_and_probes_make_it_well() -> None:
    health = new()
    make_sick(health)
    assert (health.is_well, health.rank(0.0), health.wait_s(0.0)) == (False, SICK, 5.0)
    for _ in range(2):
        assert (health.rank(5.0), health.wants_probe(5.0)) == (WELL, True)
        permit = health.admit(5.0)
        assert permit > ADMITTED
        assert health.admit(5.0) == REFUSED
        health.succeed(permit, 5.0, 100.0)
    assert (health.is_well, health.admit(5.0), health.wants_probe(5.0)) == (True, ADMITTED, False)


def test_after_a_recovery_the_old_failures_are_not_held_against_it() -> None:
    health = new(circuit=CircuitSettings(failures_in_row=100, least_requests=5, failure_share=0.5, closing_successes=1))
    for _ in range(5):
        health.fail(health.admit(0.0), 0.0, Outcome.FAILED)
    assert health.rank(0.0) == SICK
    health.succeed(health.admit(5.0), 5.0, 100.0)
    health.fail(health.admit(5.0), 5.0, Outcome.FAILED)
    assert health.is_well


def test_an_error_of_the_callers_is_no_failure_and_interrupts_a_row() -> None:
    health = new()
    for _ in range(100):
        for _ in range(4):
            health.fail(ADMITTED, 0.0, Outcome.FAILED)
        health.fail(ADMITTED, 0.0, Outcome.ALIVE)
        health.window.forget_recent()
    assert health.is_well


def test_an_answer_to_a_wrong_request_is_a_good_probe() -> None:
    health = new()
    make_sick(health)
    for _ in range(2):
        health.fail(health.admit(5.0), 5.0, Outcome.ALIVE)
    assert health.is_well


def test_a_client_that_leaves_says_nothing() -> None:
    health = new()
    make_sick(health)
    for _ in range(10):
        permit = health.admit(5.0)
        assert permit > ADMITTED
        health.fail(permit, 5.0, Outcome.UNTOLD)
    assert health.circuit.state is CircuitState.HALF_OPEN


def test_a_rejected_credential_opens_at_once_and_for_longer() -> None:
    health = new()
    health.succeed(ADMITTED, 0.0, 100.0)
    health.fail(ADMITTED, 0.0, Outcome.REJECTED)
    assert (health.rank(0.0), health.wait_s(0.0)) == (SICK, 30.0)


def test_a_retry_after_with_a_503_keeps_it_open_for_so_long() -> None:
    health = new()
    for _ in range(5):
        health.fail(ADMITTED, 0.0, Outcome.FAILED, 42.0)
    assert health.wait_s(0.0) == 42.0


def test_a_429_is_no_failure_and_its_retry_after_is_kept_to_the_moment() -> None:
    health = new()
    for _ in range(50):
        health.fail(ADMITTED, 0.0, Outcome.RATE_LIMITED, 20.0)
    assert health.circuit.state is CircuitState.CLOSED
    assert (health.rank(0.0), health.is_resting(0.0), health.wait_s(0.0)) == (SHORT, True, 20.0)
    assert (health.admit(19.999), health.admit(20.0)) == (REFUSED, ADMITTED)
    assert health.is_well


def test_of_two_waits_the_longer_counts() -> None:
    health = new()
    health.fail(ADMITTED, 0.0, Outcome.RATE_LIMITED, 20.0)
    health.fail(ADMITTED, 1.0, Outcome.RATE_LIMITED, 2.0)
    assert health.wait_s(1.0) == 19.0


def test_a_slip_of_a_day_is_an_hour() -> None:
    health = new()
    health.fail(ADMITTED, 0.0, Outcome.RATE_LIMITED, 86_400.0)
    assert health.wait_s(0.0) == 3600.0


def test_429s_without_a_time_make_it_rest_longer_each_time_until_it_answers() -> None:
    health, now_s, waits = new(), 0.0, []
    for _ in range(5):
        health.fail(health.admit(now_s), now_s, Outcome.RATE_LIMITED)
        waits.append(health.wait_s(now_s))
        now_s += waits[-1]
    assert waits == [1.0, 2.0, 4.0, 8.0, 8.0]
    health.succeed(health.admit(now_s), now_s, 100.0)
    health.fail(health.admit(now_s), now_s, Outcome.RATE_LIMITED)
    assert health.wait_s(now_s) == 1.0


def test_a_late_answer_does_not_end_a_rest() -> None:
    health = new()
    health.fail(ADMITTED, 0.0, Outcome.RATE_LIMITED, 20.0)
    health.succeed(ADMITTED, 1.0, 100.0)
    assert (health.admit(2.0), health.is_well) == (REFUSED, False)


def test_without_room_in_its_budget_it_is_short_and_still_let_through() -> None:
    health = new()
    health.learn(0.0, {Quantity.TOKENS: Allowance(remaining=100, limit=10_000, reset_s=99.0)})
    assert not health.is_well
    assert (health.rank(0.0, 100), health.rank(0.0, 200), health.rank(1.0, 200)) == (WELL, SHORT, WELL)
    assert health.admit(0.0) == ADMITTED
    health.learn(2.0, {Quantity.TOKENS: Allowance(remaining=9000, limit=10_000, reset_s=9.0)})
    assert health.is_well


def test_the_last_resort_is_some_at_once_and_then_one_a_second() -> None:
    health = new(last_resort_burst=3, last_resort_every_s=1.0)
    make_sick(health)
    permits = [health.admit_as_last_resort(0.0) for _ in range(5)]
    assert [permit != REFUSED for permit in permits] == [True, True, True, False, False]
    assert [health.admit_as_last_resort(now_s) != REFUSED for now_s in (0.9, 1.0, 1.1, 2.0)] == [False, True, False, True]


def test_a_success_of_the_last_resort_brings_it_back_before_its_time() -> None:
    health = new()
    make_sick(health)
    for _ in range(2):
        health.succeed(health.admit_as_last_resort(1.0), 1.0, 100.0)
    assert health.is_well


def test_retries_are_a_share_of_what_was_admitted_and_none_while_it_is_sick() -> None:
    health = new(retry=RetrySettings(share=0.5, burst=1))
    assert (health.admit_retry(), health.admit_retry()) == (True, False)
    health.admit(0.0)
    assert not health.admit_retry()
    health.admit(0.0)
    assert health.admit_retry()
    for _ in range(10):
        health.admit(0.0)
    make_sick(health)
    assert not health.admit_retry()


def test_every_permit_and_nothing_else_counts_as_a_request() -> None:
    health = new()
    for _ in range(5):
        health.fail(health.admit(0.0), 0.0, Outcome.FAILED)
    assert health.admitted == 5
    assert [health.admit(1.0), health.admitted] == [REFUSED, 5]
    assert health.admit(5.0) > ADMITTED
    assert health.admitted == 6


def test_a_request_is_counted_for_retries_once() -> None:
    health = new(retry=RetrySettings(share=0.1, burst=100))
    while health.admit_retry():
        pass
    for _ in range(3):
        for _ in range(10):
            health.admit(0.0)
        assert [health.admit_retry(), health.admit_retry()] == [True, False]


def test_the_report_says_what_is_known() -> None:
    health = new()
    report = health.report(0.0)
    assert (report.state, report.wait_s, report.uptime_5m, report.remaining) == ("well", 0.0, None, {})
    for _ in range(9):
        health.succeed(ADMITTED, 0.0, 100.0, 50.0, 80.0)
    health.fail(ADMITTED, 0.0, Outcome.FAILED)
    health.learn(0.0, {Quantity.REQUESTS: Allowance(remaining=0, limit=10, reset_s=50.0)})
    report = health.report(0.0)
    assert (report.state, report.wait_s, report.remaining) == ("short", 5.0, {"requests": 0})
    assert report.uptime_5m == report.uptime_30m == report.uptime_1d == 0.9
    health.fail(ADMITTED, 0.0, Outcome.REJECTED)
    assert health.report(1.0).state == "open"
    assert health.report(31.0).state == "open"
    health.admit(31.0)
    assert health.report(31.0).state == "half_open"
    assert health.report(31.0).performance.requests == 11


def test_a_book_finds_what_it_has_and_makes_what_it_has_not() -> None:
    book = HealthBook()
    health = book.find(("one", "model"), 0.0)
    assert book.find(("one", "model"), 1.0) is health
    assert book.find(("one", "other"), 1.0) is not health
    assert dict(book.items())["one", "model"] is health


def test_a_book_is_bounded_and_forgets_the_well_first() -> None:
    book = HealthBook(limit=3)
    sick = book.find("sick", 0.0)
    make_sick(sick)
    for number in range(100):
        book.find(number, 0.0)
    assert len(book) == 3
    assert book.find("sick", 0.0) is sick
    assert {key for key, _ in book.items()} == {"sick", 98, 99}


@pytest.mark.parametrize("ill", [8, 20])
def test_where_all_are_ill_a_new_one_is_made_and_not_kept(ill: int) -> None:
    book = HealthBook(limit=ill)
    for number in range(ill):
        make_sick(book.find(number, 0.0))
    stranger = book.find("stranger", 0.0)
    assert (stranger.is_well, len(book)) == (True, ill)
    assert "stranger" not in dict(book.items())
