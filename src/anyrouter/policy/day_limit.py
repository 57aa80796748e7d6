"""A limit on requests per UTC day. The count begins from what the ledger holds of the day, so that a restart gives nobody more."""

from anyrouter.policy.limit import LimitState

DAY_MS = 86_400_000


class DayCount:
    """How many requests were admitted today. `now_ms` is Unix milliseconds; a clock that goes back does not bring a day back."""

    __slots__ = ("_count", "_day")

    def __init__(self, now_ms: int, count: int = 0) -> None:
        self._day, self._count = now_ms // DAY_MS, count

    def peek(self, limit: int, now_ms: int) -> LimitState:
        """The state of a limit now; nothing is taken."""
        self._turn(now_ms)
        wait_s = ((self._day + 1) * DAY_MS - now_ms) / 1000
        left = limit - self._count
        return LimitState(
            limit=limit,
            remaining=max(0, left),
            reset_s=wait_s if self._count or left <= 0 else 0.0,
            retry_after_s=wait_s if left <= 0 else None,
        )

    def take(self, now_ms: int) -> None:
        """Count one request. The caller has looked first."""
        self._turn(now_ms)
        self._count += 1

    def is_over(self, now_ms: int) -> bool:
        """Whether its day has passed, so that nothing would be lost by forgetting it."""
        return now_ms // DAY_MS > self._day

    def _turn(self, now_ms: int) -> None:
        day = now_ms // DAY_MS
        if day > self._day:
            self._day, self._count = day, 0
