"""What an upstream says is left of its own rate limits, and when there is room again.

Learned from its replies' headers and kept until they are told anew. Between two replies the allowance is counted down by what is
sent and grows back evenly to its limit at the time of its reset: providers describe token buckets ("continuously replenished"),
and where it is a fixed window instead, a 429 corrects the guess.
"""

from enum import StrEnum

import msgspec

_LOOK_EVERY_S = 1.0
_LOOK_WHEN_LOW_EVERY_S = 0.1
_LOW_SHARE = 0.1
_UNKNOWN = 1e18  # left after a reset to a limit that was never told


class Quantity(StrEnum):
    """What is counted."""

    REQUESTS = "requests"
    TOKENS = "tokens"
    INPUT_TOKENS = "input_tokens"
    OUTPUT_TOKENS = "output_tokens"


class Allowance(msgspec.Struct, frozen=True, kw_only=True):
    """What a reply says of one quantity: what is left, of how much, and seconds until all of it is back. None: not said."""

    remaining: int
    limit: int | None = None
    reset_s: float | None = None


class _Level(msgspec.Struct):
    """An allowance under way. `per_s`: what grows back each second; 0 where only the reset is known."""

    remaining: float
    limit: int | None
    per_s: float
    reset_at_s: float
    at_s: float


class RateBudget:
    """The allowances of one target. `now_s` is monotonic seconds.

    `next_look_s` is when a reply's headers are worth reading again: once a second, and ten times when little is left.
    """

    __slots__ = ("_levels", "next_look_s")

    def __init__(self) -> None:
        self._levels: dict[Quantity, _Level] = {}
        self.next_look_s = -1e18

    @property
    def is_told(self) -> bool:
        """Whether any reply has said anything."""
        return bool(self._levels)

    def learn(self, now_s: float, allowances: dict[Quantity, Allowance]) -> None:
        """Be told what a reply says. A quantity that it does not name stays as it was."""
        for quantity, told in allowances.items():
            reset_s = told.reset_s if told.reset_s is not None else 0.0
            missing = 0 if told.limit is None else max(0, told.limit - told.remaining)
            self._levels[quantity] = _Level(
                remaining=float(told.remaining),
                limit=told.limit,
                per_s=missing / reset_s if reset_s > 0.0 else 0.0,
                reset_at_s=now_s + reset_s,
                at_s=now_s,
            )
        self.next_look_s = now_s + (_LOOK_WHEN_LOW_EVERY_S if self.is_low(now_s) else _LOOK_EVERY_S)

    def is_low(self, now_s: float) -> bool:
        """Whether so little is left of something that a request's size matters."""
        for level in self._levels.values():
            remaining = self._remaining(level, now_s)
            if remaining <= 1.0 or (level.limit is not None and remaining <= _LOW_SHARE * level.limit and remaining < level.limit):
                return True
        return False

    def take(self, now_s: float, input_tokens: int) -> None:
        """Count a request that is sent now."""
        for quantity, level in self._levels.items():
            level.remaining, level.at_s = self._remaining(level, now_s) - _needed(quantity, input_tokens), now_s

    def wait_s(self, now_s: float, input_tokens: int) -> float:
        """Seconds until a request of that size fits; 0 when it does now, or when nothing is known.

        What is larger than a whole limit waits for the limit to be full: the upstream says itself that it never fits.
        """
        longest_s = 0.0
        for quantity, level in self._levels.items():
            needed = _needed(quantity, input_tokens)
            if level.limit is not None:
                needed = min(needed, level.limit)
            lacking = needed - self._remaining(level, now_s)
            if lacking > 0:
                full_s = level.reset_at_s - now_s
                longest_s = max(longest_s, min(full_s, lacking / level.per_s) if level.per_s > 0.0 else full_s)
        return longest_s

    def read(self, now_s: float) -> dict[str, int]:
        """What is left of each quantity, as far as is known."""
        known = {quantity.value: self._remaining(level, now_s) for quantity, level in self._levels.items()}
        return {name: max(0, int(remaining)) for name, remaining in known.items() if remaining < _UNKNOWN}

    @staticmethod
    def _remaining(level: _Level, now_s: float) -> float:
        if now_s >= level.reset_at_s:
            return _UNKNOWN if level.limit is None else float(level.limit)
        grown = level.remaining + level.per_s * (now_s - level.at_s)
        return grown if level.limit is None else min(grown, float(level.limit))


def _needed(quantity: Quantity, input_tokens: int) -> int:
    return max(1, input_tokens) if quantity in (Quantity.TOKENS, Quantity.INPUT_TOKENS) else 1
