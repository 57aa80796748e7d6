"""A limit on tokens per minute: what a request may take is set aside when it is admitted, and what it has taken is put in its place.

The tokens of a request count at the time of its admission, for 60 seconds: an exact sliding window, in which times within 20 ms are one
(they count until the last of them has left). So the memory of a counter is bounded whatever the limit: 3,000 slices. A request that has
taken more than was set aside, and whose slice is gone, counts with the rest when that is told.

Nothing here reads a clock: `now_s` is monotonic seconds, given by the caller, and may not go back.
"""

from collections import deque

import msgspec

from anyrouter.policy.limit import WINDOW_S, LimitState

SLICE_S = 0.02


class TokenSlice(msgspec.Struct):
    """What was taken within a moment. `is_gone`: it has left the window."""

    began_s: float
    ended_s: float
    tokens: int = 0
    is_gone: bool = False


class TokenLog:
    """At most `limit` tokens in any 60 seconds, as far as what is set aside is not less than what is taken."""

    __slots__ = ("_slices", "_tokens", "limit")

    def __init__(self, limit: int) -> None:
        self.limit = limit
        self._slices: deque[TokenSlice] = deque()
        self._tokens = 0

    def peek(self, now_s: float, tokens: int = 1) -> LimitState:
        """The state for a request of so many tokens; nothing is taken. One of more than the limit waits until nothing is taken."""
        slices = self._drop_old(now_s)
        over = self._tokens + min(tokens, self.limit) - self.limit
        retry_s: float | None = None
        if self.limit <= 0:
            retry_s = WINDOW_S
        elif over > 0:
            for one in slices:
                over -= one.tokens
                if over <= 0:
                    retry_s = one.ended_s + WINDOW_S - now_s
                    break
        reset_s = slices[0].ended_s + WINDOW_S - now_s if slices else 0.0
        return LimitState(
            limit=self.limit,
            remaining=max(0, self.limit - self._tokens),
            reset_s=reset_s if retry_s is None else retry_s,
            retry_after_s=retry_s,
        )

    def take(self, now_s: float, tokens: int) -> TokenSlice:
        """Set tokens aside, to be told to `settle` with what is returned. The caller has looked first."""
        slices = self._slices
        if not slices or now_s - slices[-1].began_s >= SLICE_S:
            slices.append(TokenSlice(now_s, now_s))
        newest = slices[-1]
        newest.ended_s = max(newest.ended_s, now_s)
        newest.tokens += tokens
        self._tokens += tokens
        return newest

    def settle(self, taken: TokenSlice, reserved: int, used: int, now_s: float) -> None:
        """Put what was used in the place of what was set aside."""
        self._drop_old(now_s)
        if not taken.is_gone:
            taken.tokens += used - reserved
            self._tokens += used - reserved
        elif used > reserved:
            self.take(now_s, used - reserved)

    def resize(self, limit: int) -> None:
        """Go on under another limit; what was taken stays taken."""
        self.limit = limit

    def is_idle(self, now_s: float) -> bool:
        """Whether nothing would be lost by forgetting this log."""
        return not self._drop_old(now_s)

    def _drop_old(self, now_s: float) -> deque[TokenSlice]:
        slices, past = self._slices, now_s - WINDOW_S
        while slices and slices[0].ended_s <= past:
            gone = slices.popleft()
            gone.is_gone = True
            self._tokens -= gone.tokens
        return slices
