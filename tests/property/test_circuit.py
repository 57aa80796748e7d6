"""Whatever happens in whatever order: a circuit, a retry budget and a last resort never let more through than they say."""

from bisect import bisect_right

from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule

from anyrouter.policy.circuit import ADMITTED, REFUSED, Circuit, CircuitSettings, CircuitState
from anyrouter.policy.health import HealthSettings, TargetHealth
from anyrouter.policy.outcome import Outcome
from anyrouter.policy.retry_budget import RetryBudget, RetrySettings

PROBE_S = 30.0


class CircuitHistory(RuleBasedStateMachine):
    """Any events in any order; `out` are the probes that were let through and not given back since the state last changed."""

    def __init__(self) -> None:
        super().__init__()
        self.now_s = 0.0
        self.out: dict[int, float] = {}

    @initialize(probes=st.integers(1, 3), closing_successes=st.integers(1, 3), is_open=st.booleans())
    def begin(self, probes: int, closing_successes: int, is_open: bool) -> None:
        self.probes = probes
        self.circuit = Circuit(CircuitSettings(failures_in_row=2, probes=probes, probe_s=PROBE_S, closing_successes=closing_successes))
        if is_open:
            self.circuit.fail(ADMITTED, 0.0, successes=0, failures=1, is_lasting=True)

    @rule(seconds=st.floats(0, 40))
    def wait(self, seconds: float) -> None:
        self.now_s += seconds

    @rule()
    def admit(self) -> None:
        before, wait_s = self.circuit.state, self.circuit.wait_s(self.now_s)
        permit = self.circuit.admit(self.now_s)
        assert (permit == REFUSED) == (wait_s > 0.0)
        assert (permit == ADMITTED) == (before is CircuitState.CLOSED)
        if permit not in (REFUSED, ADMITTED):
            assert permit not in self.out
            self.out[permit] = self.now_s

    @rule(pick=st.integers(0, 10), end=st.sampled_from(["succeed", "fail", "release"]), is_late=st.booleans())
    def end(self, pick: int, end: str, is_late: bool) -> None:
        """A probe ends, or a request that was let through while the circuit was closed."""
        before = self.circuit.state
        permit = ADMITTED if is_late or not self.out else list(self.out)[pick % len(self.out)]
        if end == "succeed":
            self.circuit.succeed(permit, self.now_s)
        elif end == "fail":
            self.circuit.fail(permit, self.now_s, successes=0, failures=1)
        else:
            self.circuit.release(permit)
        self.out.pop(permit, None)
        if permit == ADMITTED and before is not CircuitState.CLOSED:
            assert self.circuit.state is before
        if self.circuit.state is not before:
            self.out.clear()

    @invariant()
    def no_more_probes_are_out_than_there_may_be(self) -> None:
        assert sum(self.now_s < since_s + PROBE_S for since_s in self.out.values()) <= self.probes
        assert self.circuit.is_admitting(self.now_s) == (self.circuit.wait_s(self.now_s) == 0.0)


TestCircuitHistory = CircuitHistory.TestCase
TestCircuitHistory.settings = settings(max_examples=150, stateful_step_count=60)
steps = st.lists(st.tuples(st.sampled_from(["wait", "fail", "succeed"]), st.floats(0, 40)), max_size=100)


@given(steps)
def test_who_waits_as_long_as_it_says_is_let_through(script: list[tuple[str, float]]) -> None:
    circuit, now_s = Circuit(CircuitSettings(failures_in_row=1)), 0.0
    for step, seconds in script:
        if step == "wait":
            now_s += seconds
        elif step == "fail":
            circuit.fail(circuit.admit(now_s) or ADMITTED, now_s, successes=0, failures=1)
        else:
            circuit.succeed(circuit.admit(now_s), now_s)
    now_s += circuit.wait_s(now_s)
    assert circuit.admit(now_s + 1e-6) != REFUSED


@given(st.floats(0, 1), st.integers(0, 20), st.lists(st.one_of(st.just("retry"), st.integers(1, 30)), max_size=200))
def test_retries_are_at_most_the_burst_and_a_share_of_the_requests(share: float, burst: int, script: list[str | int]) -> None:
    budget = RetryBudget(RetrySettings(share=share, burst=burst))
    history: list[tuple[int, int]] = [(0, 0)]  # requests and retries so far
    for step in script:
        requests, retries = history[-1]
        if isinstance(step, int):
            budget.deposit(step)
            requests += step
        elif budget.withdraw():
            retries += 1
        history.append((requests, retries))
    for number, (requests, retries) in enumerate(history):
        for requests_before, retries_before in history[: number + 1]:
            assert retries - retries_before <= burst + share * (requests - requests_before) + 1e-6


@given(st.integers(1, 10), st.floats(0.1, 5.0), st.lists(st.one_of(st.just(0.0), st.floats(0, 3)), max_size=120))
def test_the_last_resort_is_a_burst_and_then_a_trickle(burst: int, every_s: float, gaps_s: list[float]) -> None:
    health = TargetHealth(HealthSettings(last_resort_burst=burst, last_resort_every_s=every_s), 0.0)
    health.fail(ADMITTED, 0.0, Outcome.REJECTED)
    now_s, let_through = 0.0, []
    for gap_s in gaps_s:
        now_s += gap_s
        if health.admit_as_last_resort(now_s) != REFUSED:
            let_through.append(now_s)
    for number, end_s in enumerate(let_through):
        for span_s in (0.0, every_s, 10 * every_s):
            count = number + 1 - bisect_right(let_through, end_s - span_s - 1e-9)
            assert count <= burst + span_s / every_s + 1 + 1e-6


outcomes = st.sampled_from(["succeed", *Outcome])


@settings(max_examples=200)
@given(st.lists(st.tuples(st.floats(0, 20), outcomes, st.one_of(st.none(), st.floats(0, 100))), max_size=100))
def test_a_healths_answers_agree_with_each_other_at_every_moment(script: list[tuple[float, str | Outcome, float | None]]) -> None:
    health, now_s, resting_until_s = TargetHealth(HealthSettings(), 0.0), 0.0, 0.0
    for gap_s, outcome, wait_s in script:
        now_s += gap_s
        wait_left_s = health.wait_s(now_s)
        rank = health.rank(now_s)
        permit = health.admit(now_s)
        assert (permit == REFUSED) == (wait_left_s > 0.0)
        assert (rank == 0) == (permit != REFUSED)
        assert health.is_resting(now_s) == (now_s < resting_until_s)
        if health.is_well:
            assert permit == ADMITTED
        if permit == REFUSED:
            continue
        if isinstance(outcome, Outcome):
            health.fail(permit, now_s, outcome, wait_s)
            if outcome is Outcome.RATE_LIMITED and wait_s is not None:
                resting_until_s = max(resting_until_s, now_s + wait_s)
            elif outcome is Outcome.RATE_LIMITED:
                resting_until_s = now_s + health.wait_s(now_s) if health.is_resting(now_s) else resting_until_s
        else:
            health.succeed(permit, now_s, 100.0, 10.0, 50.0)
        assert health.is_well <= (health.circuit.state is CircuitState.CLOSED)
