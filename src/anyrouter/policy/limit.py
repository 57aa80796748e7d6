"""Limits on the rate of requests: exact where that is affordable, bounded and documented above.

Up to `EXACT_UP_TO` requests per minute: a sliding log, the times of the requests inside of the last 60 seconds; in no window of 60 s
are there more than the limit. Above: GCRA with a burst of a sixth of the limit; in no window of 60 s are there more than
limit + limit/6. Memory: 8 bytes and an object for each request inside of the window, or one float.

Nothing here reads a clock: `now_s` is monotonic seconds, given by the caller, and may not go back.
"""

import math
from collections import deque

import msgspec

WINDOW_S = 60.0
EXACT_UP_TO = 10_000
_BURST_DIVISOR = 6


class LimitState(msgspec.Struct, frozen=True):
    """What a limit has left. `reset_s`: seconds until more is free (0 when all is); `retry_after_s`: None when one more is allowed now."""

    limit: int
    remaining: int
    reset_s: float
    retry_after_s: float | None = None


class SlidingLog:
    """Exactly `limit` requests in any 60 seconds."""

    __slots__ = ("_times", "limit")

    def __init__(self, limit: int) -> None:
        self.limit = limit
        self._times: deque[float] = deque()

    def peek(self, now_s: float) -> LimitState:
        """The state now; nothing is taken."""
        times, past = self._times, now_s - WINDOW_S
        while times and times[0] <= past:
            times.popleft()
        remaining = self.limit - len(times)
        reset_s = times[0] + WINDOW_S - now_s if times else 0.0
        retry: float | None = None
        if remaining <= 0:  # below 0 after the limit was lowered: then more than one has to leave
            reset_s = retry = times[-remaining] + WINDOW_S - now_s if self.limit else WINDOW_S
        return LimitState(limit=self.limit, remaining=max(0, remaining), reset_s=reset_s, retry_after_s=retry)

    def admit(self, now_s: float) -> LimitState | None:
        """Count one request if it is allowed, and give the state after it; None when it is not."""
        if self.peek(now_s).retry_after_s is not None:
            return None
        self._times.append(now_s)
        return self.peek(now_s)

    def take(self, now_s: float) -> None:
        """Count one request. The caller has looked first."""
        self._times.append(now_s)

    def resize(self, limit: int) -> None:
        """Go on under another limit; what was taken stays taken."""
        self.limit = limit

    def is_idle(self, now_s: float) -> bool:
        """Whether nothing would be lost by forgetting this log."""
        return not self._times or self._times[-1] <= now_s - WINDOW_S


class Gcra:
    """About `limit` requests per minute, evenly, with a burst of a sixth of the limit (ITU-T I.371, virtual scheduling)."""

    __slots__ = ("_arrival_s", "_interval_s", "_tolerance_s", "limit")

    def __init__(self, limit: int) -> None:
        self.resize(limit)
        self._arrival_s = -math.inf  # the theoretical arrival time of the next request

    def peek(self, now_s: float) -> LimitState:
        """The state now; nothing is taken. `remaining` is what of the burst is left."""
        ahead_s = max(0.0, self._arrival_s - now_s)
        remaining = int((self._tolerance_s - ahead_s) / self._interval_s) + 1 if ahead_s <= self._tolerance_s else 0
        retry = ahead_s - self._tolerance_s if remaining <= 0 else None
        return LimitState(limit=self.limit, remaining=max(0, remaining), reset_s=ahead_s, retry_after_s=retry)

    def admit(self, now_s: float) -> LimitState | None:
        """Count one request if it is allowed, and give the state after it; None when it is not."""
        arrival_s, tolerance_s = self._arrival_s, self._tolerance_s
        if arrival_s < now_s:
            arrival_s = now_s
        elif arrival_s - now_s > tolerance_s:
            return None
        self._arrival_s = arrival_s = arrival_s + self._interval_s
        ahead_s = arrival_s - now_s
        if ahead_s <= tolerance_s:
            return LimitState(self.limit, int((tolerance_s - ahead_s) / self._interval_s) + 1, ahead_s)
        return LimitState(self.limit, 0, ahead_s, ahead_s - tolerance_s)

    def take(self, now_s: float) -> None:
        """Count one request. The caller has looked first."""
        self._arrival_s = max(self._arrival_s, now_s) + self._interval_s

    def resize(self, limit: int) -> None:
        """Go on under another limit; what was taken stays taken."""
        self.limit = limit
        self._interval_s = WINDOW_S / limit
        self._tolerance_s = self._interval_s * (limit // _BURST_DIVISOR - 1)

    def is_idle(self, now_s: float) -> bool:
        """Whether nothing would be lost by forgetting this state."""
        return self._arrival_s <= now_s


RateLimit = SlidingLog | Gcra


def make_limit(limit: int) -> RateLimit:
    """The algorithm for a limit of requests per minute; 0 blocks."""
    return SlidingLog(limit) if limit <= EXACT_UP_TO else Gcra(limit)
