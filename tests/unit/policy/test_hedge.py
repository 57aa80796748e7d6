"""When a second attempt starts beside a slow first one, and who wins."""

import pytest

from anyrouter.policy.candidate import Candidates
from anyrouter.policy.circuit import ADMITTED
from anyrouter.policy.hedge import HedgeBudget, HedgePolicy, HedgeRace, HedgeStep, find_delay_s
from anyrouter.policy.histogram import RELATIVE_ERROR
from anyrouter.policy.outcome import Outcome
from anyrouter.policy.retry_budget import RetrySettings
from support.routing import health_of, make_group, make_sick, make_target

POLICY = HedgePolicy(floor_s=0.5, ceiling_s=10.0, least_samples=20)


def measured(*ttft_ms: float, group: Candidates | None = None) -> Candidates:
    group = group or make_group("a", "b")
    for value in ttft_ms:
        health_of(group, "a").succeed(ADMITTED, 0.0, 9000.0, value, 50.0)
    return group


def test_it_starts_when_the_first_is_slower_than_nineteen_of_twenty_were() -> None:
    group = measured(*[800.0] * 18, *[3000.0] * 2)
    assert find_delay_s(group.all, POLICY, 0.0, is_streamed=True) == pytest.approx(3.0, rel=RELATIVE_ERROR)


def test_never_before_the_floor_nor_after_the_ceiling() -> None:
    assert find_delay_s(measured(*[20.0] * 20).all, POLICY, 0.0, is_streamed=True) == 0.5
    assert find_delay_s(measured(*[60_000.0] * 20).all, POLICY, 0.0, is_streamed=True) == 10.0


def test_never_while_nobody_knows_what_slow_is() -> None:
    assert find_delay_s(measured(*[800.0] * 19).all, POLICY, 0.0, is_streamed=True) is None


def test_a_whole_answer_is_late_when_whole_answers_mostly_were_there() -> None:
    group = make_group("a", "b")
    for _ in range(20):
        health_of(group, "a").succeed(ADMITTED, 0.0, 4000.0)
    assert find_delay_s(group.all, POLICY, 0.0, is_streamed=False) == pytest.approx(4.0, rel=RELATIVE_ERROR)
    assert find_delay_s(group.all, POLICY, 0.0, is_streamed=True) is None


def test_failures_tell_nothing_of_how_long_an_answer_takes() -> None:
    group = make_group("a", "b")
    for _ in range(10):
        health_of(group, "a").succeed(ADMITTED, 0.0, 4000.0)
        health_of(group, "a").fail(ADMITTED, 0.0, Outcome.FAILED)
    assert find_delay_s(group.all, POLICY, 0.0, is_streamed=False) is None


def test_never_without_a_well_second_target_of_the_same_model() -> None:
    assert find_delay_s(measured(*[800.0] * 20, group=make_group("a")).all, POLICY, 0.0, is_streamed=True) is None
    group = measured(*[800.0] * 20)
    other = make_group(make_target("b", model="vendor/second"))
    assert find_delay_s((group.all[0], other.all[0]), POLICY, 0.0, is_streamed=True) is None
    make_sick(health_of(group, "b"))
    assert find_delay_s(group.all, POLICY, 0.0, is_streamed=True) is None


def test_hedges_have_a_budget() -> None:
    budget = HedgeBudget(HedgePolicy(budget=RetrySettings(share=0.25, burst=1)))
    assert [budget.withdraw(), budget.withdraw()] == [True, False]
    for _ in range(4):
        budget.deposit()
    assert [budget.withdraw(), budget.withdraw()] == [True, False]


def started() -> HedgeRace:
    race = HedgeRace()
    assert race.can_start()
    assert race.start() == 1
    return race


@pytest.mark.parametrize("winner", [0, 1])
def test_whose_first_byte_comes_first_serves_and_the_other_is_cancelled_and_billed(winner: int) -> None:
    race = started()
    assert race.answer(winner) is HedgeStep.SERVE
    assert race.answer(1 - winner) is HedgeStep.DISCARD
    assert race.winner == winner
    assert race.list_losers() == (1 - winner,)
    assert not race.can_start()


def test_when_one_fails_the_other_runs_on_and_may_win() -> None:
    race = started()
    assert race.fail(0) is HedgeStep.WAIT
    assert race.answer(1) is HedgeStep.SERVE
    assert race.list_losers() == ()


def test_when_both_fail_it_is_over() -> None:
    race = started()
    assert race.fail(1) is HedgeStep.WAIT
    assert race.fail(0) is HedgeStep.OVER
    assert (race.winner, race.list_losers()) == (None, ())


def test_a_failure_before_the_second_starts_is_for_the_ordinary_way() -> None:
    race = HedgeRace()
    assert race.fail(0) is HedgeStep.OVER
    assert not race.can_start()


def test_a_loser_that_fails_changes_nothing() -> None:
    race = started()
    race.answer(0)
    assert race.fail(1) is HedgeStep.DISCARD
    assert race.list_losers() == ()


def test_it_is_undecided_while_both_are_silent() -> None:
    race = HedgeRace()
    assert not race.is_undecided
    race.start()
    assert race.is_undecided
    race.fail(0)
    assert not race.is_undecided
    answered = started()
    answered.answer(1)
    assert not answered.is_undecided


def test_who_has_failed_does_not_win() -> None:
    race = started()
    race.fail(0)
    assert race.answer(0) is HedgeStep.DISCARD
    assert race.winner is None


def test_no_third_attempt_is_started() -> None:
    assert not started().can_start()
