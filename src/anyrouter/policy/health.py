"""The health of targets, learned from their requests: who gets the next one, who rests, who is tried again.

    well       closed circuit, no rest, room in its rate budget: nothing stands against it, and nothing is computed
    resting    it answered 429: nothing is sent before its Retry-After (or a short time of our own) is over
    open       its circuit is open (policy.circuit)

Where nothing else is left, a target that rests or is open is asked all the same, some requests at once and then one a second:
its own answer is better than ours, and it is not hammered. One that nobody else stands in for is always asked. `now_s` is monotonic
seconds everywhere.
"""

import math
from collections import OrderedDict
from collections.abc import Iterator
from typing import Literal

import msgspec

from anyrouter.policy.circuit import ADMITTED, REFUSED, Circuit, CircuitSettings, CircuitState
from anyrouter.policy.outcome import Outcome
from anyrouter.policy.rate_budget import Allowance, Quantity, RateBudget
from anyrouter.policy.retry_budget import RetryBudget, RetrySettings
from anyrouter.policy.window import OutcomeWindow, Performance

WELL, SHORT, SICK = 0, 1, 2  # ranks: nothing against it; out of rate; circuit open
_EVICTIONS = 8

TargetKey = tuple[str, ...]  # an upstream's id, its own name of the model, and whatever else a target's health depends on
TargetState = Literal["well", "short", "half_open", "open"]
_STATES: dict[CircuitState, TargetState] = {CircuitState.OPEN: "open", CircuitState.HALF_OPEN: "half_open"}


class HealthSettings(msgspec.Struct, frozen=True, kw_only=True):
    """How trouble is answered. Seconds."""

    circuit: CircuitSettings = CircuitSettings()
    retry: RetrySettings = RetrySettings()
    longest_rest_s: float = 3600.0  # a longer Retry-After is cut: a slip of the provider's must not last a day
    first_rest_s: float = 1.0  # after a 429 that does not say how long; doubled for each in a row
    longest_own_rest_s: float = 8.0
    rejected_open_s: float = 30.0
    last_resort_burst: int = 20
    last_resort_every_s: float = 1.0


class HealthReport(msgspec.Struct, frozen=True, kw_only=True):
    """A target's health for people to read. `wait_s`: seconds until it is asked again; `remaining`: of its own rate limits."""

    state: TargetState
    wait_s: float
    performance: Performance
    uptime_5m: float | None
    uptime_30m: float | None
    uptime_1d: float | None
    remaining: dict[str, int]


class TargetHealth:
    """One target's."""

    __slots__ = (
        "_deposited",
        "_is_troubled",
        "_last_resort_s",
        "_limited_in_row",
        "_rest_until_s",
        "_retry_budget",
        "_settings",
        "admitted",
        "budget",
        "circuit",
        "is_rejected",
        "is_well",
        "window",
    )

    def __init__(self, settings: HealthSettings, now_s: float) -> None:
        self._settings = settings
        self.window, self.circuit = OutcomeWindow(now_s), Circuit(settings.circuit)
        self.budget, self._retry_budget = RateBudget(), RetryBudget(settings.retry)
        self.admitted = self._deposited = 0
        self.is_well = True
        self.is_rejected = False  # a tenant's credential, by its provider; until it has been taken again
        self._is_troubled = False  # something failed since the last success
        self._limited_in_row = 0
        self._rest_until_s = self._last_resort_s = -1e18

    def admit(self, now_s: float) -> int:
        """A permit for one request, to be given back with its outcome; REFUSED when the target is to be left alone."""
        if self.is_well:
            self.admitted += 1
            return ADMITTED
        self._settle(now_s)
        permit = REFUSED if now_s < self._rest_until_s else self.circuit.admit(now_s)
        self.admitted += permit != REFUSED
        return permit

    def admit_retry(self) -> bool:
        """Whether a request that failed here may be sent again, after `wait_s`. It needs no other permit than ADMITTED.

        Never to a target whose circuit is not closed, and never more often than its retry budget allows.
        """
        if self.circuit.state is not CircuitState.CLOSED:
            return False
        self._retry_budget.deposit(self.admitted - self._deposited)
        self._deposited = self.admitted
        return self._retry_budget.withdraw()

    def admit_as_last_resort(self, now_s: float) -> int:
        """A permit for a request that every other target has refused or failed; REFUSED when too many came lately."""
        settings = self._settings
        if self._last_resort_s - now_s > settings.last_resort_every_s * (settings.last_resort_burst - 1):
            return REFUSED
        self._last_resort_s = max(self._last_resort_s, now_s) + settings.last_resort_every_s
        return self.circuit.force(now_s)

    def admit_alone(self, now_s: float) -> int:
        """A permit for a request that nobody else could serve: the target's own answer, whatever it is, is the client's."""
        if self.is_well:  # as in `admit`, a call less
            self.admitted += 1
            return ADMITTED
        permit = self.admit(now_s)
        if permit != REFUSED:
            return permit
        self.admitted += 1
        return self.circuit.force(now_s)

    def succeed(
        self, permit: int, now_s: float, latency_ms: float, ttft_ms: float | None = None, tokens_per_s: float | None = None
    ) -> None:
        """Be told of a good answer. Floats; the last two are known of streams only."""
        self.window.succeed(now_s, latency_ms, ttft_ms, tokens_per_s)
        if self._is_troubled:
            self._recover(permit, now_s)

    def fail(self, permit: int, now_s: float, outcome: Outcome, wait_s: float | None = None) -> None:
        """Be told of any other end. `wait_s` is the Retry-After that came with it."""
        if outcome is Outcome.ALIVE:
            if self._is_troubled:
                self._recover(permit, now_s)
        elif outcome is Outcome.UNTOLD:
            self.circuit.release(permit)
        elif outcome is Outcome.RATE_LIMITED:
            self._rest(permit, now_s, wait_s)
        else:
            is_lasting = outcome is Outcome.REJECTED
            self.window.fail(now_s)
            successes, failures = self.window.read_recent(now_s)
            asked_s = max(wait_s or 0.0, self._settings.rejected_open_s if is_lasting else 0.0)
            self.circuit.fail(permit, now_s, successes=successes, failures=failures, is_lasting=is_lasting, wait_s=asked_s)
            self._is_troubled = True
            self._settle(now_s)

    def learn(self, now_s: float, allowances: dict[Quantity, Allowance]) -> None:
        """Be told what a reply says of the target's rate limits."""
        self.budget.learn(now_s, allowances)
        self._settle(now_s)

    def spend(self, now_s: float, input_tokens: int) -> None:
        """Count a request that is sent now against what is left, until a reply says how much that is."""
        if self.budget.is_told:
            self.budget.take(now_s, input_tokens)
            self._settle(now_s)

    def rank(self, now_s: float, input_tokens: int = 0) -> int:
        """WELL, SHORT or SICK for a request of that size. A circuit with room for a probe is WELL: it needs requests to recover."""
        if self.is_well:
            return WELL
        self._settle(now_s)
        if not self.circuit.is_admitting(now_s):
            return SICK
        return SHORT if now_s < self._rest_until_s or self.budget.wait_s(now_s, input_tokens) > 0.0 else WELL

    def wait_s(self, now_s: float) -> float:
        """Seconds until it may be asked again: 0 when it may be now."""
        return max(0.0, self._rest_until_s - now_s, self.circuit.wait_s(now_s))

    def wants_probe(self, now_s: float) -> bool:
        """Whether an active probe would tell something now. It takes its permit from `admit` like any request."""
        return self.circuit.state is not CircuitState.CLOSED and now_s >= self._rest_until_s and self.circuit.is_admitting(now_s)

    def is_resting(self, now_s: float) -> bool:
        """Whether it answered 429 and its time is not over."""
        return now_s < self._rest_until_s

    def read_state(self, now_s: float) -> TargetState:
        """What people call its state now."""
        rank = self.rank(now_s)  # first: a circuit is told by it that its time is over
        return _STATES.get(self.circuit.state) or ("well" if rank == WELL else "short")

    def report(self, now_s: float) -> HealthReport:
        """What is known of it now."""
        return HealthReport(
            state=self.read_state(now_s),
            wait_s=max(self.wait_s(now_s), self.budget.wait_s(now_s, 1)),
            performance=self.window.read_performance(now_s),
            uptime_5m=self.window.read_uptime(now_s, 300),
            uptime_30m=self.window.read_uptime(now_s, 1800),
            uptime_1d=self.window.read_uptime(now_s, 86_400),
            remaining=self.budget.read(now_s),
        )

    def _recover(self, permit: int, now_s: float) -> None:
        if self.circuit.succeed(permit, now_s):
            self.window.forget_recent()
        self._limited_in_row = 0
        self._is_troubled = not self.circuit.is_undisturbed
        self.is_rejected = self.is_rejected and self._is_troubled
        self._settle(now_s)

    def _rest(self, permit: int, now_s: float, wait_s: float | None) -> None:
        settings = self._settings
        self.circuit.release(permit)
        if wait_s is None:
            wait_s = min(settings.longest_own_rest_s, settings.first_rest_s * 2.0 ** min(self._limited_in_row, 32))
        self._limited_in_row += 1
        self._rest_until_s = max(self._rest_until_s, now_s + min(wait_s, settings.longest_rest_s))
        self._is_troubled = True
        self._settle(now_s)

    def _settle(self, now_s: float) -> None:
        self.is_well = self.circuit.state is CircuitState.CLOSED and now_s >= self._rest_until_s and not self.budget.is_low(now_s)


class SteadyHealth(TargetHealth):
    """Of a target that is always well, whatever it answers: the simulated provider fails because it is asked to."""

    __slots__ = ()

    def __init__(self, settings: HealthSettings, now_s: float) -> None:
        super().__init__(settings, now_s)
        self.budget.next_look_s = math.inf

    def fail(self, permit: int, now_s: float, outcome: Outcome, wait_s: float | None = None) -> None:
        """Nothing is learned from it."""

    def learn(self, now_s: float, allowances: dict[Quantity, Allowance]) -> None:
        """Nothing is learned from it."""


class HealthBook:
    """The health of every target that was asked, bounded: a client that invents models makes no more of them than `limit`.

    What was not looked up for longest and is well goes first. Where eight in a row are ill, a new one is not kept: nobody can
    make room for a sick target's good name by inventing others.
    """

    __slots__ = ("_limit", "_settings", "_targets")

    def __init__(self, settings: HealthSettings | None = None, *, limit: int = 4096) -> None:
        self._settings = settings or HealthSettings()
        self._limit = limit
        self._targets: OrderedDict[TargetKey, TargetHealth] = OrderedDict()

    def __len__(self) -> int:
        return len(self._targets)

    def find(self, key: TargetKey, now_s: float) -> TargetHealth:
        """The health of a target; a new one is well. `key` says all that it depends on: upstream, its model, and the credential."""
        health = self._targets.get(key)
        if health is not None:
            self._targets.move_to_end(key)
            return health
        health = TargetHealth(self._settings, now_s)
        if len(self._targets) < self._limit or self._evict(now_s):
            self._targets[key] = health
        return health

    def look(self, key: TargetKey) -> TargetHealth | None:
        """The health of a target that was asked; None of others."""
        return self._targets.get(key)

    def items(self) -> Iterator[tuple[TargetKey, TargetHealth]]:
        """All that are kept, what was looked up last at the end."""
        return iter(self._targets.items())

    def _evict(self, now_s: float) -> bool:
        for _ in range(min(_EVICTIONS, len(self._targets))):
            key, health = next(iter(self._targets.items()))
            if health.rank(now_s) == WELL and health.circuit.is_undisturbed:
                del self._targets[key]
                return True
            self._targets.move_to_end(key)
        return False
