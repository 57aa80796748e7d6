"""A circuit breaker by scripts."""

from anyrouter.policy.circuit import ADMITTED, REFUSED, Circuit, CircuitSettings, CircuitState

SETTINGS = CircuitSettings(
    failures_in_row=3, first_open_s=5.0, longest_open_s=60.0, probes=1, probe_s=100.0, closing_successes=2, forget_s=60.0
)


def opened(now_s: float = 0.0) -> Circuit:
    circuit = Circuit(SETTINGS)
    fail(circuit, now_s, 3)
    assert circuit.state is CircuitState.OPEN
    return circuit


def fail(circuit: Circuit, now_s: float, times: int = 1) -> None:
    for _ in range(times):
        circuit.fail(ADMITTED, now_s, successes=0, failures=1)


def test_it_lets_everything_through_while_closed() -> None:
    circuit = Circuit(SETTINGS)
    assert [circuit.admit(0.0) for _ in range(100)] == [ADMITTED] * 100
    assert circuit.is_undisturbed


def test_failures_in_a_row_open_it_and_a_success_between_them_does_not() -> None:
    circuit = Circuit(SETTINGS)
    fail(circuit, 0.0, 2)
    assert not circuit.succeed(ADMITTED, 0.0)
    fail(circuit, 0.0, 2)
    assert circuit.state is CircuitState.CLOSED
    fail(circuit, 0.0)
    assert circuit.state is CircuitState.OPEN


def test_a_single_failure_is_remembered_until_a_success() -> None:
    circuit = Circuit(SETTINGS)
    fail(circuit, 0.0)
    assert not circuit.is_undisturbed
    circuit.succeed(ADMITTED, 0.0)
    assert circuit.is_undisturbed
    assert not opened().is_undisturbed


def test_a_large_share_of_failures_opens_it_when_there_are_enough_requests() -> None:
    circuit = Circuit(CircuitSettings(failures_in_row=100, least_requests=10, failure_share=0.5))
    circuit.fail(ADMITTED, 0.0, successes=4, failures=5)
    circuit.fail(ADMITTED, 0.0, successes=6, failures=5)
    assert circuit.state is CircuitState.CLOSED
    circuit.fail(ADMITTED, 0.0, successes=5, failures=5)
    assert circuit.state is CircuitState.OPEN


def test_what_will_not_pass_by_itself_opens_it_at_once_and_for_as_long_as_asked() -> None:
    circuit = Circuit(SETTINGS)
    circuit.fail(ADMITTED, 0.0, successes=1000, failures=1, is_lasting=True, wait_s=30.0)
    assert circuit.wait_s(0.0) == 30.0
    assert (circuit.admit(29.9), circuit.admit(30.0) > ADMITTED) == (REFUSED, True)


def test_no_wait_is_longer_than_the_longest() -> None:
    circuit = Circuit(SETTINGS)
    circuit.fail(ADMITTED, 0.0, successes=0, failures=1, is_lasting=True, wait_s=1e9)
    assert circuit.wait_s(0.0) == 60.0


def test_while_open_nothing_is_let_through() -> None:
    circuit = opened()
    assert [circuit.admit(0.1 * step) for step in range(50)] == [REFUSED] * 50
    assert (circuit.is_admitting(4.9), circuit.is_admitting(5.0)) == (False, True)
    assert (circuit.wait_s(1.0), circuit.wait_s(5.0)) == (4.0, 0.0)


def test_after_its_time_one_probe_is_let_through_and_enough_successes_close_it() -> None:
    circuit = opened()
    probe = circuit.admit(5.0)
    assert probe > ADMITTED
    assert circuit.state is CircuitState.HALF_OPEN
    assert [circuit.admit(5.0) for _ in range(10)] == [REFUSED] * 10
    assert not circuit.is_admitting(5.0)
    assert circuit.wait_s(5.0) == 100.0
    assert not circuit.succeed(probe, 6.0)
    second = circuit.admit(6.0)
    assert second not in (REFUSED, ADMITTED, probe)
    assert circuit.succeed(second, 7.0)
    assert circuit.state is CircuitState.CLOSED
    assert circuit.is_undisturbed
    assert circuit.admit(7.0) == ADMITTED


def test_a_failed_probe_opens_it_for_twice_as_long_up_to_the_longest() -> None:
    circuit, now_s, waits = opened(), 0.0, []
    for _ in range(7):
        waits.append(circuit.wait_s(now_s))
        now_s += waits[-1]
        circuit.fail(circuit.admit(now_s), now_s, successes=0, failures=1)
    assert waits == [5.0, 10.0, 20.0, 40.0, 60.0, 60.0, 60.0]


def close(circuit: Circuit, now_s: float) -> None:
    for _ in range(2):
        circuit.succeed(circuit.admit(now_s), now_s)
    assert circuit.state is CircuitState.CLOSED


def test_it_remembers_for_a_while_that_it_was_open() -> None:
    circuit = opened()
    close(circuit, 5.0)
    fail(circuit, 10.0, 3)
    assert circuit.wait_s(10.0) == 10.0
    close(circuit, 20.0)
    fail(circuit, 81.0, 3)
    assert circuit.wait_s(81.0) == 5.0


def test_what_was_let_through_before_it_opened_is_no_probe() -> None:
    circuit = opened()
    probe = circuit.admit(5.0)
    circuit.fail(ADMITTED, 5.0, successes=0, failures=1)
    assert not circuit.succeed(ADMITTED, 5.0)
    assert not circuit.succeed(ADMITTED, 5.0)
    assert circuit.state is CircuitState.HALF_OPEN
    circuit.succeed(probe, 5.0)
    assert not circuit.succeed(probe, 5.0)  # given back once
    assert circuit.state is CircuitState.HALF_OPEN


def test_a_probe_that_says_nothing_makes_room_for_another() -> None:
    circuit = opened()
    probe = circuit.admit(5.0)
    circuit.release(probe)
    assert circuit.admit(5.0) > probe


def test_a_probe_that_never_comes_back_does_not_hold_the_place_for_ever() -> None:
    circuit = opened()
    lost = circuit.admit(5.0)
    assert circuit.admit(104.9) == REFUSED
    again = circuit.admit(105.0)
    assert again > lost
    assert not circuit.succeed(lost, 106.0)
    assert circuit.state is CircuitState.HALF_OPEN


def test_a_request_with_nowhere_else_to_go_gets_a_permit_and_its_success_counts() -> None:
    circuit = opened()
    first, second = circuit.force(1.0), circuit.force(1.0)
    assert REFUSED not in (first, second)
    circuit.fail(first, 1.0, successes=0, failures=1)
    assert circuit.wait_s(1.0) == 4.0  # no longer than before
    assert not circuit.succeed(second, 1.0)
    assert circuit.succeed(circuit.force(1.0), 1.0)
    assert circuit.force(1.0) == ADMITTED


def test_one_forced_success_of_an_open_circuit_is_not_enough() -> None:
    circuit = opened()
    assert not circuit.succeed(circuit.force(1.0), 1.0)
    assert circuit.state is CircuitState.OPEN


def test_a_forced_failure_of_a_half_open_circuit_opens_it_again() -> None:
    circuit = opened()
    circuit.admit(5.0)
    circuit.fail(circuit.force(5.0), 5.0, successes=0, failures=1)
    assert circuit.wait_s(5.0) == 10.0
