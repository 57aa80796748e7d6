"""The attempts of one request by scripts of what happens to them."""

import pytest

from anyrouter.core.errors import ConnectFailed, UpstreamBroken, UpstreamError, UpstreamStatus, UpstreamTimeout
from anyrouter.policy.candidate import Candidates
from anyrouter.policy.circuit import ADMITTED, CircuitState
from anyrouter.policy.health import HealthBook, HealthSettings
from anyrouter.policy.outcome import Outcome
from anyrouter.policy.rate_budget import Allowance, Quantity
from anyrouter.policy.retry_budget import RetrySettings
from anyrouter.policy.succession import RetryPolicy, Succession
from support.routing import MODEL, health_of, make_group, make_sick, make_target

POLICY = RetryPolicy()


def status(code: int, retry_after_s: float | None = None) -> UpstreamStatus:
    return UpstreamStatus("it failed", status=code, body=b"", retry_after_s=retry_after_s)


def run(
    group: Candidates, *errors: UpstreamError, policy: RetryPolicy = POLICY, random: float = 0.5, now_s: float = 0.0
) -> list[tuple[str, float]]:
    """Whom it asks after which delay when every attempt fails with the next error, until it gives up."""
    succession, asked = Succession(group.all, policy), []
    for error in [*errors, errors[-1], errors[-1], errors[-1], errors[-1], errors[-1]]:
        attempt = succession.next(now_s, random)
        if attempt is None:
            break
        now_s += attempt.delay_s
        asked.append((attempt.candidate.target.upstream.id, attempt.delay_s))
        is_fallback_allowed = not (isinstance(error, UpstreamStatus) and error.status in (400, 404, 413, 422))
        succession.fail(attempt, error, now_s, is_fallback_allowed=is_fallback_allowed)
    return asked


def test_each_is_asked_once_before_any_is_asked_again() -> None:
    assert run(make_group("a", "b"), status(503)) == [("a", 0.0), ("b", 0.0), ("a", 0.125), ("b", 0.125)]


@pytest.mark.parametrize(
    "error", [status(500), status(503), status(529), ConnectFailed("refused"), UpstreamTimeout("late", phase="connect")]
)
def test_a_single_target_is_asked_again_for_what_may_pass(error: UpstreamError) -> None:
    assert run(make_group("a"), error) == [("a", 0.0), ("a", 0.125)]


@pytest.mark.parametrize(
    "error",
    [status(400), status(401), status(408), status(429), status(504), UpstreamBroken("cut"), UpstreamTimeout("late", phase="first_byte")],
)
def test_a_single_target_is_not_asked_again_for_what_may_have_cost_something(error: UpstreamError) -> None:
    assert run(make_group("a"), error) == [("a", 0.0)]


def test_pauses_are_random_and_grow() -> None:
    policy = RetryPolicy(retries=4, first_pause_s=1.0, longest_pause_s=4.0, attempts=20)
    settings = HealthSettings()
    group = make_group("a", book=HealthBook(settings))
    assert run(group, status(503), policy=policy, random=1.0) == [("a", 0.0), ("a", 1.0), ("a", 2.0), ("a", 4.0), ("a", 4.0)]
    assert run(make_group("a"), status(503), policy=policy, random=0.0)[1:] == [("a", 0.0)] * 4


def test_a_short_retry_after_is_sat_out_and_a_long_one_is_not() -> None:
    assert run(make_group("a"), status(429, 0.5)) == [("a", 0.0), ("a", 0.625)]
    assert run(make_group("a"), status(503, 0.5)) == [("a", 0.0), ("a", 0.625)]
    assert run(make_group("a"), status(429, 2.0)) == [("a", 0.0)]
    assert run(make_group("a", "b"), status(429, 2.0), status(200)) == [("a", 0.0), ("b", 0.0)]


def test_a_request_that_is_wrong_is_not_asked_of_anybody_else() -> None:
    group = make_group("a", "b")
    assert run(group, status(503), status(400)) == [("a", 0.0), ("b", 0.0)]
    assert run(make_group("a", "b"), status(400)) == [("a", 0.0)]


def both_models() -> tuple[Candidates, Candidates]:
    return make_group("a", "b"), make_group(make_target("a", model="vendor/second"))


def test_what_one_model_does_not_take_the_next_may() -> None:
    first, second = both_models()
    succession = Succession((*first.all, *second.all), POLICY)
    attempt = succession.next(0.0, 0.5)
    assert attempt is not None
    succession.fail(attempt, status(413), 0.0, is_fallback_allowed=False)
    attempt = succession.next(0.0, 0.5)
    assert attempt is not None
    assert attempt.candidate.target.model == "vendor/second"
    succession.fail(attempt, status(413), 0.0, is_fallback_allowed=False)
    assert succession.next(0.0, 0.5) is None


def test_who_is_sick_is_passed_over_and_asked_when_nothing_else_is_left() -> None:
    group = make_group("sick", "well")
    make_sick(health_of(group, "sick"))
    assert run(group, status(504)) == [("well", 0.0), ("sick", 0.0)]


def test_retries_of_the_well_come_before_the_sick() -> None:
    group = make_group("sick", "well")
    make_sick(health_of(group, "sick"))
    assert run(group, status(503)) == [("well", 0.0), ("well", 0.125), ("sick", 0.0)]


def test_a_sick_target_alone_is_asked_and_not_asked_again() -> None:
    group = make_group("sick")
    make_sick(health_of(group, "sick"))
    assert run(group, status(503)) == [("sick", 0.0)]


def exhaust(group: Candidates, now_s: float = 0.0) -> Succession:
    for candidate in group.all:
        while candidate.health.admit_as_last_resort(now_s):
            pass
    succession = Succession(group.all, POLICY)
    assert succession.next(now_s, 0.5) is None
    return succession


def test_when_too_many_asked_the_sick_it_is_a_503_that_says_when() -> None:
    group = make_group("a", "b")
    for candidate in group.all:
        make_sick(candidate.health)
    denied = exhaust(group, 2.0).refusal(2.0)
    assert (denied.code, denied.http_status, denied.retry_after_s) == ("no_healthy_upstream", 503, 3.0)
    assert MODEL in denied.message


def test_when_all_rest_it_is_a_429_of_the_upstreams() -> None:
    group = make_group("a", "b")
    for candidate, wait_s in zip(group.all, (30.0, 20.0), strict=True):
        candidate.health.fail(ADMITTED, 0.0, Outcome.RATE_LIMITED, wait_s)
    denied = exhaust(group, 5.0).refusal(5.0)
    assert (denied.code, denied.http_status, denied.retry_after_s) == ("upstream_rate_limited", 429, 15.0)
    assert denied.metadata == {"limited_by": "upstream"}


def test_where_one_rests_and_one_is_sick_it_is_a_503() -> None:
    group = make_group("a", "b")
    make_sick(group.all[0].health)
    group.all[1].health.fail(ADMITTED, 0.0, Outcome.RATE_LIMITED, 30.0)
    assert exhaust(group).refusal(0.0).code == "no_healthy_upstream"


def test_a_failure_is_told_to_the_health_of_its_target() -> None:
    group = make_group("a", "b")
    for _ in range(5):
        run(group, status(504), status(400))
    assert health_of(group, "a").circuit.state is CircuitState.OPEN
    assert health_of(group, "b").is_well


def test_a_probe_goes_to_the_request_that_asked_first_and_the_next_goes_elsewhere() -> None:
    group = make_group("sick", "well")
    make_sick(health_of(group, "sick"))
    first, second = Succession(group.all, POLICY), Succession(group.all, POLICY)
    attempts = [first.next(5.0, 0.5), second.next(5.0, 0.5)]
    assert [attempt.candidate.target.upstream.id for attempt in attempts if attempt] == ["sick", "well"]


def test_the_retry_budget_of_a_target_is_shared_by_all_requests() -> None:
    group = make_group("a", book=HealthBook(HealthSettings(retry=RetrySettings(share=0.0, burst=2))))
    made = [len(run(group, status(503), status(400))) for _ in range(4)]
    assert made == [2, 2, 1, 1]


def test_nothing_is_begun_too_late() -> None:
    group = make_group("a", "b")
    succession = Succession(group.all, POLICY, deadline_s=10.0)
    attempt = succession.next(9.5, 0.5)  # the first is always tried
    assert attempt is not None
    succession.fail(attempt, status(504), 9.6, is_fallback_allowed=True)
    assert succession.next(9.6, 0.5) is None


def test_a_pause_that_ends_too_late_is_not_made() -> None:
    succession = Succession(make_group("a").all, RetryPolicy(first_pause_s=4.0), deadline_s=10.0)
    attempt = succession.next(0.0, 0.5)
    assert attempt is not None
    succession.fail(attempt, status(503), 8.0, is_fallback_allowed=True)
    assert succession.next(8.0, 0.9) is None


def test_there_is_an_end_to_attempts() -> None:
    group = make_group(*(f"t{number}" for number in range(20)))
    assert len(run(group, *[status(503)] * 20)) == POLICY.attempts


def test_what_is_sent_counts_against_the_budget_only_where_there_is_a_choice() -> None:
    several, single = make_group("a", "b"), make_group("a")
    for group in (several, single):
        health = health_of(group, "a")
        health.learn(0.0, {Quantity.TOKENS: Allowance(remaining=9000, limit=10_000, reset_s=1000.0)})
        Succession(group.all, POLICY).next(0.0, 0.5, input_tokens=4000)
    assert health_of(several, "a").budget.read(0.0) == {"tokens": 5000}
    assert health_of(single, "a").budget.read(0.0) == {"tokens": 9000}


def test_without_candidates_there_is_no_attempt() -> None:
    assert Succession((), POLICY).next(0.0, 0.5) is None
