"""The attempts of one request, one after the other: whom to ask next, when, and when to stop.

    first round     each candidate once, in its order, where its health gives a permit
    retries         the same ones again after a jittered, growing pause: what may pass by itself, within the target's retry budget
    last resort     those that gave no permit: better their answer than none

Another target comes before the same one again, because it costs no waiting. After the first byte to the client there is no next
attempt; the caller does not ask for one then. Every permit goes back to its health with the outcome: `fail` does it here, success
is told to `candidate.health.succeed` by whoever has measured it.

A failure that lies in the request (a 400) is the answer for its model; with `models`, the next model may take what the first did not.
"""

from collections import deque
from collections.abc import Sequence

import msgspec

from anyrouter.core.errors import Denied, UpstreamError, UpstreamStatus
from anyrouter.policy.attempt import CREDENTIAL_STATUSES
from anyrouter.policy.candidate import Candidate
from anyrouter.policy.circuit import ADMITTED, REFUSED
from anyrouter.policy.outcome import is_worth_retrying, judge_outcome
from anyrouter.policy.route import Target


class RetryPolicy(msgspec.Struct, frozen=True, kw_only=True):
    """`retries`: of one target within one request. The pause is random from 0 to `first_pause_s`, doubled each time, up to the longest.

    `longest_wait_s`: a Retry-After or a rest up to that is sat out; a longer one is the client's to wait. `least_left_s`: with
    less time than that left to the deadline, nothing more is begun.
    """

    retries: int = 1
    first_pause_s: float = 0.25
    longest_pause_s: float = 4.0
    longest_wait_s: float = 1.0
    least_left_s: float = 1.0
    attempts: int = 8


class Attempt(msgspec.Struct, frozen=True):
    """Ask this candidate after `delay_s` seconds. `permit` is its health's; `retry` counts the retries of it, 0 for the first try."""

    candidate: Candidate
    permit: int
    delay_s: float = 0.0
    retry: int = 0


class _Again(msgspec.Struct):
    candidate: Candidate
    retry: int
    not_before_s: float


class Succession:
    """Whom to ask next. `deadline_s` (monotonic) is when the request has to have an answer; None: there is no such time."""

    __slots__ = ("_again", "_candidates", "_deadline_s", "_made", "_policy", "_position", "_refused")

    def __init__(self, candidates: Sequence[Candidate], policy: RetryPolicy, *, deadline_s: float | None = None) -> None:
        self._candidates, self._policy, self._deadline_s = candidates, policy, deadline_s
        self._position = self._made = 0
        self._refused: list[Candidate] = []
        self._again: deque[_Again] = deque()

    def next(self, now_s: float, random: float, *, input_tokens: int = 0) -> Attempt | None:
        """The next attempt; None when there is none. `random` is from 0 up to 1."""
        policy = self._policy
        if self._made >= policy.attempts or (self._made and self._left_s(now_s) < policy.least_left_s):
            return None
        attempt = self._first_round(now_s) or self._retry(now_s, random) or self._last_resort(now_s)
        if attempt is not None:
            self._made += 1
            if len(self._candidates) > 1:  # a budget decides between targets only
                attempt.candidate.health.spend(now_s, input_tokens)
        return attempt

    def resume(self) -> None:
        """The first candidate was asked before this was made, with a permit of its health's."""
        self._position = self._made = 1

    def fail(self, attempt: Attempt, error: UpstreamError, now_s: float, *, is_fallback_allowed: bool) -> None:
        """Be told that an attempt failed before its first byte; health is told here. `is_fallback_allowed` as `attempt.judge` says."""
        candidate = attempt.candidate
        wait_s = error.retry_after_s if isinstance(error, UpstreamStatus) else None
        candidate.health.fail(attempt.permit, now_s, judge_outcome(error), wait_s)
        if not is_fallback_allowed:
            self._leave_model(candidate.target.model)
            return
        if is_rejected_byok(candidate.target, error):
            candidate.health.is_rejected = True  # so that no later request goes to the operator's either
            self._leave_operators()
        if attempt.retry < self._policy.retries and is_worth_retrying(error, wait_s, self._policy.longest_wait_s):
            self._again.append(_Again(candidate, attempt.retry + 1, now_s + (wait_s or 0.0)))

    def refusal(self, now_s: float) -> Denied:
        """What the client hears when nothing was even asked: all targets rest or are ill, and enough others have tried of late."""
        health = min((candidate.health for candidate in self._refused), key=lambda health: health.wait_s(now_s))
        wait_s = max(1.0, health.wait_s(now_s))
        model = self._candidates[0].target.model
        if all(candidate.health.is_resting(now_s) for candidate in self._refused):
            message = f"Every upstream of {model} limits the rate of requests now. The first one is asked again in {wait_s:.0f} s."
            return Denied(code="upstream_rate_limited", message=message, retry_after_s=wait_s, metadata={"limited_by": "upstream"})
        message = f"Every upstream of {model} has failed of late. The first one is asked again in {wait_s:.0f} s."
        return Denied(code="no_healthy_upstream", message=message, retry_after_s=wait_s)

    def _first_round(self, now_s: float) -> Attempt | None:
        while self._position < len(self._candidates):
            candidate = self._candidates[self._position]
            self._position += 1
            is_alone = len(self._candidates) == 1
            permit = candidate.health.admit_alone(now_s) if is_alone else candidate.health.admit(now_s)
            if permit != REFUSED:
                return Attempt(candidate, permit)
            self._refused.append(candidate)
        return None

    def _retry(self, now_s: float, random: float) -> Attempt | None:
        policy = self._policy
        while self._again:
            again = self._again.popleft()
            health = again.candidate.health
            asked_s = max(again.not_before_s - now_s, health.wait_s(now_s), 0.0)
            delay_s = asked_s + random * min(policy.longest_pause_s, policy.first_pause_s * 2.0 ** (again.retry - 1))
            is_late = asked_s > policy.longest_wait_s or self._left_s(now_s) - delay_s < policy.least_left_s
            if not is_late and health.admit_retry():
                return Attempt(again.candidate, ADMITTED, delay_s, again.retry)
        return None

    def _last_resort(self, now_s: float) -> Attempt | None:
        for candidate in self._refused:
            permit = candidate.health.admit_as_last_resort(now_s)
            if permit != REFUSED:
                self._refused.remove(candidate)
                return Attempt(candidate, permit)
        return None

    def _leave_model(self, model: str) -> None:
        while self._position < len(self._candidates) and self._candidates[self._position].target.model == model:
            self._position += 1
        self._refused = [candidate for candidate in self._refused if candidate.target.model != model]
        self._again = deque(again for again in self._again if again.candidate.target.model != model)

    def _leave_operators(self) -> None:
        """Nothing but tenants' own credentials stands in for one that was rejected."""
        tried = self._candidates[: self._position]
        self._candidates = (*tried, *(one for one in self._candidates[self._position :] if one.target.upstream.byok is not None))
        self._refused = [candidate for candidate in self._refused if candidate.target.upstream.byok is not None]
        self._again = deque(again for again in self._again if again.candidate.target.upstream.byok is not None)

    def _left_s(self, now_s: float) -> float:
        return float("inf") if self._deadline_s is None else self._deadline_s - now_s


def is_rejected_byok(target: Target, error: UpstreamError) -> bool:
    """Whether a tenant's own credential was rejected that does not say that the operator's may stand in for it."""
    byok = target.upstream.byok
    return byok is not None and not byok.is_fallback and isinstance(error, UpstreamStatus) and error.status in CREDENTIAL_STATUSES
