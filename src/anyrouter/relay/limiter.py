"""The counters behind the limits: state of the one event loop, bounded in size, checked all before any is changed."""

from anyrouter.core.errors import Denied
from anyrouter.policy.limit import EXACT_UP_TO, LimitState, RateLimit, make_limit
from anyrouter.relay.call import Principal

DEFAULT_CEILING_RPM = 6_000_000
_MAX_COUNTERS = 100_000
_SWEEP_EVERY_S = 1.0


class RateLimiter:
    """Requests per minute of a key's rotation group, of its environment, and of the server."""

    def __init__(self, ceiling_rpm: int = DEFAULT_CEILING_RPM, *, max_counters: int = _MAX_COUNTERS) -> None:
        self._ceiling, self._max_counters = make_limit(ceiling_rpm), max_counters
        self._counters: dict[tuple[str, bool], RateLimit] = {}  # by owner and whether the limit is exact
        self._swept_s = -_SWEEP_EVERY_S

    def admit(self, principal: Principal, now_s: float) -> LimitState | Denied:
        """Count a request against every limit that applies, or none of them. The state is that of the narrowest owner's limit."""
        key, environment = principal.key, principal.environment
        if key.rate_limit_rpm is None and environment.rate_limit_rpm is None:
            return self._ceiling.admit(now_s) or _refused(self._ceiling.peek(now_s), "server", "This server")
        limits = self._limits(principal)
        refusing: tuple[LimitState, str, str] | None = None
        longest_s = -1.0
        for owner, shown, limit in limits:
            state = limit.peek(now_s)
            if state.retry_after_s is not None and state.retry_after_s > longest_s:
                refusing, longest_s = (state, owner, shown), state.retry_after_s
        if refusing is not None:
            return _refused(*refusing)
        for _, _, limit in limits:
            limit.take(now_s)
        if len(self._counters) > self._max_counters and now_s - self._swept_s >= _SWEEP_EVERY_S:
            self._swept_s = now_s
            self._counters = {owner: counter for owner, counter in self._counters.items() if not counter.is_idle(now_s)}
        return limits[0][2].peek(now_s)

    def judge(self, principal: Principal, now_s: float) -> Denied | None:
        """What `admit` would answer now, None where it would let the request through; nothing is counted."""
        refusing = [
            (state, owner, shown)
            for owner, shown, limit in self._limits(principal)
            if (state := limit.peek(now_s)).retry_after_s is not None
        ]
        return _refused(*max(refusing, key=lambda row: row[0].retry_after_s or 0.0)) if refusing else None

    def peek(self, principal: Principal, now_s: float) -> LimitState:
        """The state that a reply's headers show; nothing is counted."""
        return self._limits(principal)[0][2].peek(now_s)

    def _limits(self, principal: Principal) -> list[tuple[str, str, RateLimit]]:
        key, environment = principal.key, principal.environment
        limits = []
        if key.rate_limit_rpm is not None:
            limits.append(("key", "This API key", self._counter(key.rotation_group, key.rate_limit_rpm)))
        if environment.rate_limit_rpm is not None:
            name = f"The environment {environment.slug}"
            limits.append(("environment", name, self._counter(environment.id, environment.rate_limit_rpm)))
        limits.append(("server", "This server", self._ceiling))
        return limits

    def _counter(self, owner: str, limit: int) -> RateLimit:
        """The owner's counter. It survives a change of the limit, or keys of one group under two limits would never be limited."""
        name = (owner, limit <= EXACT_UP_TO)
        counter = self._counters.get(name)
        if counter is None:
            counter = self._counters[name] = make_limit(limit)
        elif counter.limit != limit:
            counter.resize(limit)
        return counter


def _refused(state: LimitState, owner: str, shown: str) -> Denied:
    wait_s = state.retry_after_s or 0.0
    message = f"{shown} is limited to {state.limit} requests per minute. The next one is possible in {max(1, -int(-wait_s // 1))} s."
    if state.limit == 0:
        message = f"{shown} is blocked: its limit is 0 requests per minute."
    metadata = {"limited_by": owner, "limit": state.limit, "remaining": state.remaining, "retry_after_s": wait_s}
    return Denied(code="rate_limited", message=message, retry_after_s=wait_s, metadata=metadata)
