"""A circuit breaker: it keeps requests away from a target that fails, and finds out with few of them when it is well again.

    closed     lets everything through; opens after failures in a row, or when too large a share of the last half minute failed
    open       lets nothing through until its time is over
    half-open  lets `probes` requests through at a time; some successes close it, one failure opens it for twice as long

Who is let through gets a permit and gives it back with the outcome. Outcomes of requests that were let through before the circuit
opened do not count as probes. A probe that is never given back frees its place after `probe_s`.
"""

from enum import Enum

import msgspec

REFUSED, ADMITTED = 0, 1  # permits; every larger number is one probe's own


class CircuitState(Enum):
    """What a circuit does with the next request."""

    CLOSED = "closed"
    OPEN = "open"
    HALF_OPEN = "half_open"


class CircuitSettings(msgspec.Struct, frozen=True, kw_only=True):
    """When it opens, for how long, and what closes it. `probe_s` has to be longer than the longest wait for a first byte."""

    failures_in_row: int = 5
    least_requests: int = 10
    failure_share: float = 0.5
    first_open_s: float = 5.0
    longest_open_s: float = 300.0
    probes: int = 1
    probe_s: float = 150.0
    closing_successes: int = 2
    forget_s: float = 60.0  # closed for that long: the next opening is a first one again


class Circuit:
    """The breaker of one target. `now_s` is monotonic seconds."""

    __slots__ = ("_closed_at_s", "_in_row", "_level", "_next_permit", "_open_until_s", "_probes", "_recoveries", "_settings", "state")

    def __init__(self, settings: CircuitSettings) -> None:
        self._settings = settings
        self.state = CircuitState.CLOSED
        self._in_row = self._level = self._recoveries = 0
        self._open_until_s = 0.0
        self._closed_at_s = -1e18
        self._probes: dict[int, float] = {}  # a probe's permit, and when its place is free again at the latest
        self._next_permit = ADMITTED + 1

    @property
    def is_undisturbed(self) -> bool:
        """Whether it is closed and nothing failed lately: then a success needs not be told."""
        return self._in_row == 0 and self.state is CircuitState.CLOSED

    def is_admitting(self, now_s: float) -> bool:
        """Whether `admit` would let a request through now."""
        if self.state is CircuitState.OPEN:
            return now_s >= self._open_until_s
        return self.state is CircuitState.CLOSED or self._has_place(now_s)

    def admit(self, now_s: float) -> int:
        """A permit for one request, or REFUSED."""
        if self.state is CircuitState.CLOSED:
            return ADMITTED
        if self.state is CircuitState.OPEN:
            if now_s < self._open_until_s:
                return REFUSED
            self.state, self._recoveries = CircuitState.HALF_OPEN, 0
        return self._issue(now_s) if self._has_place(now_s) else REFUSED

    def force(self, now_s: float) -> int:
        """A permit whatever the state, for a request with nowhere else to go; the caller bounds how often. Its success counts."""
        return ADMITTED if self.state is CircuitState.CLOSED else self._issue(now_s)

    def succeed(self, permit: int, now_s: float) -> bool:
        """Be told of a success; whether it closed the circuit."""
        if self.state is CircuitState.CLOSED:
            self._in_row = 0
            return False
        if self._probes.pop(permit, None) is None:
            return False
        self._recoveries += 1
        if self._recoveries < self._settings.closing_successes:
            return False
        self.state, self._in_row, self._closed_at_s = CircuitState.CLOSED, 0, now_s
        self._probes.clear()
        return True

    def fail(self, permit: int, now_s: float, *, successes: int, failures: int, is_lasting: bool = False, wait_s: float = 0.0) -> None:
        """Be told of a failure.

        `successes` and `failures` are those of the last half minute, this one included. `is_lasting`: it will not pass by
        itself, the circuit opens at once. `wait_s` is what the target asked for: it stays open at least so long, within the bound.
        """
        if self.state is CircuitState.CLOSED:
            self._in_row += 1
            settings, requests = self._settings, successes + failures
            is_too_much = requests >= settings.least_requests and failures >= settings.failure_share * requests
            if is_lasting or is_too_much or self._in_row >= settings.failures_in_row:
                self._open(now_s, wait_s)
        elif self._probes.pop(permit, None) is not None:
            self._recoveries = 0
            if self.state is CircuitState.HALF_OPEN:
                self._open(now_s, wait_s)

    def release(self, permit: int) -> None:
        """Be told that a request ended without saying anything about the target."""
        self._probes.pop(permit, None)

    def wait_s(self, now_s: float) -> float:
        """Seconds until it may let a request through: 0 when it may now; while probes are out, until the first is overdue."""
        if self.is_admitting(now_s):
            return 0.0
        until_s = self._open_until_s if self.state is CircuitState.OPEN else min(self._probes.values())
        return max(0.0, until_s - now_s)

    def _has_place(self, now_s: float) -> bool:
        if len(self._probes) < self._settings.probes:
            return True
        return sum(overdue_s > now_s for overdue_s in self._probes.values()) < self._settings.probes

    def _issue(self, now_s: float) -> int:
        for permit in [permit for permit, overdue_s in self._probes.items() if overdue_s <= now_s]:
            del self._probes[permit]
        permit, self._next_permit = self._next_permit, self._next_permit + 1
        self._probes[permit] = now_s + self._settings.probe_s
        return permit

    def _open(self, now_s: float, wait_s: float) -> None:
        settings = self._settings
        is_first = self.state is CircuitState.CLOSED and now_s - self._closed_at_s > settings.forget_s
        self._level = 0 if is_first else self._level + 1
        open_s = min(settings.longest_open_s, settings.first_open_s * 2.0 ** min(self._level, 32))
        self._open_until_s = now_s + min(settings.longest_open_s, max(open_s, wait_s))
        self.state, self._recoveries = CircuitState.OPEN, 0
        self._probes.clear()
