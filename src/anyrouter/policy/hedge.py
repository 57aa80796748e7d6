"""A second attempt beside a slow first one, where a request or its operator has opted in: whoever sends the first byte serves.

The second begins when the first has been silent for longer than 95 of 100 of its target's streams were, at least a floor, and
within a budget of its own: hedging that is set too eagerly would double an upstream's load on its worst day. Whoever loses is
cancelled. Both have been asked, so both are billed: the loser with what its provider will charge, its input.
"""

from collections.abc import Sequence
from enum import Enum

import msgspec

from anyrouter.policy.candidate import Candidate
from anyrouter.policy.retry_budget import RetryBudget, RetrySettings

_PERCENTILE = 95


class HedgePolicy(msgspec.Struct, frozen=True, kw_only=True):
    """When to hedge. `least_samples`: with fewer measured streams nobody knows what slow means, and there is no hedge."""

    floor_s: float = 0.5
    ceiling_s: float = 30.0
    least_samples: int = 20
    budget: RetrySettings = RetrySettings(share=0.05, burst=5)


def find_delay_s(candidates: Sequence[Candidate], policy: HedgePolicy, now_s: float, *, is_streamed: bool) -> float | None:
    """After how many seconds of silence of the first candidate the second is asked too; None for never.

    Never: there is no second one of the same model, it is not well, it is the operator's beside a tenant's credential that it may not
    stand in for, or too little is known of the first. Silence is slow for a stream when its first byte was mostly there by then, for any
    other request when the whole answer was.
    """
    first, *others = candidates
    if not others or not others[0].health.is_well or others[0].target.model != first.target.model:
        return None
    byok = first.target.upstream.byok
    if byok is not None and not byok.is_fallback and others[0].target.upstream.byok is None:
        return None  # should it be rejected meanwhile, that would have been helped in silence
    performance = first.health.window.read_performance(now_s)
    samples, times_ms = performance.ttft_samples, performance.ttft_ms
    if not is_streamed:
        samples, times_ms = performance.requests - performance.failures, performance.latency_ms
    if samples < policy.least_samples or _PERCENTILE not in times_ms:
        return None
    return min(max(times_ms[_PERCENTILE] / 1000, policy.floor_s), policy.ceiling_s)


class HedgeBudget:
    """How many second attempts there may be in all: the retry budget's arithmetic with a smaller share."""

    __slots__ = ("_budget",)

    def __init__(self, policy: HedgePolicy) -> None:
        self._budget = RetryBudget(policy.budget)

    def deposit(self) -> None:
        """Count a request that may be hedged."""
        self._budget.deposit()

    def withdraw(self) -> bool:
        """Whether the second attempt may start now; it is counted then."""
        return self._budget.withdraw()


class HedgeStep(Enum):
    """What the caller does next."""

    WAIT = "wait"  # another attempt is still running
    SERVE = "serve"  # this one has won: cancel the others, go on with it
    DISCARD = "discard"  # this one has lost: cancel it
    OVER = "over"  # every attempt has failed: go on as after a failed attempt


class HedgeRace:
    """The race of a request's attempts to the first byte, by their number from 0. It is told events and answers steps."""

    __slots__ = ("_failed", "_started", "winner")

    def __init__(self) -> None:
        self._started: list[int] = [0]
        self._failed: set[int] = set()
        self.winner: int | None = None

    @property
    def is_undecided(self) -> bool:
        """Whether two are under way, and neither has answered or failed."""
        return self.winner is None and len(self._started) - len(self._failed) > 1

    def can_start(self) -> bool:
        """Whether a second attempt makes sense: one is under way, and it has not answered or failed."""
        return self.winner is None and self._started == [0] and not self._failed

    def start(self) -> int:
        """Be told that the second attempt starts; its number."""
        self._started.append(1)
        return 1

    def answer(self, number: int) -> HedgeStep:
        """Be told that an attempt's first byte has come."""
        if self.winner is None and number not in self._failed:
            self.winner = number
        return HedgeStep.SERVE if self.winner == number else HedgeStep.DISCARD

    def fail(self, number: int) -> HedgeStep:
        """Be told that an attempt failed before its first byte."""
        self._failed.add(number)
        if self.winner is not None:
            return HedgeStep.DISCARD
        return HedgeStep.WAIT if len(self._failed) < len(self._started) else HedgeStep.OVER

    def list_losers(self) -> tuple[int, ...]:
        """Those that were asked, did not fail and did not win: to be cancelled, and billed for their input."""
        return tuple(number for number in self._started if number != self.winner and number not in self._failed)
