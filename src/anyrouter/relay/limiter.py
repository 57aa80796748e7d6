"""The counters behind the limits: state of the one event loop, bounded in size, checked all before any is changed."""

import time
from collections.abc import Iterable, Mapping
from typing import NamedTuple

from anyrouter.core.budget import BudgetOwner
from anyrouter.core.errors import Denied
from anyrouter.policy.day_limit import DAY_MS, DayCount
from anyrouter.policy.limit import EXACT_UP_TO, LimitState, RateLimit, make_limit
from anyrouter.policy.token_limit import TokenLog, TokenSlice
from anyrouter.relay.call import Principal
from anyrouter.relay.ports import ModelUsage, UsageQuestion
from anyrouter.relay.terms import LimitTerm, Terms

DEFAULT_CEILING_RPM = 6_000_000
_MAX_COUNTERS = 100_000
_SWEEP_EVERY_S = 1.0
_RETRY_RUNNING_S = 1.0  # nobody knows when a request ends
_Limit = tuple[str, str, RateLimit]  # what its owner is called in metadata and in messages, its counter


class Shown(NamedTuple):
    """A limit beside requests per minute as a reply's headers tell of it: its name there, its window (None: what runs), its state."""

    name: str
    window_s: int | None
    state: LimitState


class TakenTokens(NamedTuple):
    """Tokens that were set aside for a request, in one counter."""

    log: TokenLog
    piece: TokenSlice
    tokens: int


class RateLimiter:
    """Requests per minute of a key's rotation group, of its environment, and of the server; and what else `Terms` say."""

    def __init__(self, ceiling_rpm: int = DEFAULT_CEILING_RPM, *, max_counters: int = _MAX_COUNTERS) -> None:
        self._ceiling, self._max_counters = make_limit(ceiling_rpm), max_counters
        self._counters: dict[tuple[str, bool], RateLimit] = {}  # by owner and whether the limit is exact
        self._tokens: dict[str, TokenLog] = {}
        self._days: dict[str, DayCount] = {}
        self._running: dict[str, int] = {}
        self._swept_s = -_SWEEP_EVERY_S

    def admit(self, principal: Principal, now_s: float) -> LimitState | Denied:
        """Count a request against every limit that applies, or none of them. The state is that of the narrowest owner's limit."""
        key, environment = principal.key, principal.environment
        if key.rate_limit_rpm is None and environment.rate_limit_rpm is None:
            return self._ceiling.admit(now_s) or _refused(self._ceiling.peek(now_s), "server", "This server")
        limits = self._limits(principal)
        return _judge(limits, now_s) or self._take(limits, now_s)

    def judge(self, principal: Principal, now_s: float) -> Denied | None:
        """What `admit` would answer now, None where it would let the request through; nothing is counted."""
        return _judge(self._limits(principal), now_s)

    def take(self, principal: Principal, now_s: float) -> LimitState:
        """Count a request that `judge` has let through."""
        return self._take(self._limits(principal), now_s)

    def peek(self, principal: Principal, now_s: float) -> LimitState:
        """The state that a reply's headers show; nothing is counted."""
        return self._limits(principal)[0][2].peek(now_s)

    # What terms add.

    def list_missing_days(self, terms: Terms, organisation_id: str, now_ms: int) -> list[tuple[LimitTerm, UsageQuestion]]:
        """The counts of today that have to be read first: each is to be told to `begin_day`."""
        day = now_ms // DAY_MS
        return [
            (term, UsageQuestion(organisation_id, BudgetOwner.KEY, term.owner_id, day))
            for term in terms.days
            if term.owner_id not in self._days
        ]

    def begin_day(self, owner_id: str, asked_ms: int, usage: Mapping[str, ModelUsage], now_ms: int) -> None:
        """What the ledger had of the day on which it was asked. A day that is over by now is asked for again."""
        if now_ms // DAY_MS == asked_ms // DAY_MS:
            self._days.setdefault(owner_id, DayCount(now_ms, sum(used.requests for used in usage.values())))

    def judge_terms(self, terms: Terms, tokens: int, now_s: float, now_ms: int) -> Denied | None:
        """Why a request that may take so many tokens is refused by what the terms add; nothing is counted. The longest wait is told."""
        refusing = [denied for term in terms.tokens if (denied := self._judge_tokens(term, tokens, now_s)) is not None]
        refusing += [denied for term in terms.days if (denied := self._judge_day(term, now_ms)) is not None]
        refusing += [_refused_running(term) for term in terms.running if self._running.get(term.owner_id, 0) >= term.limit]
        return max(refusing, key=lambda denied: denied.retry_after_s or 0.0, default=None)

    def take_terms(self, terms: Terms, tokens: int, now_s: float, now_ms: int) -> tuple[TakenTokens, ...]:
        """Count a request that `judge_terms` has let through. `settle_tokens` and `leave` are to be called when it ends."""
        for term in terms.days:
            self._days[term.owner_id].take(now_ms)
        for term in terms.running:
            self._running[term.owner_id] = self._running.get(term.owner_id, 0) + 1
        logs = [self._log(term) for term in terms.tokens]
        return tuple(TakenTokens(log, log.take(now_s, aside := min(tokens, log.limit)), aside) for log in logs)

    def settle_tokens(self, taken: Iterable[TakenTokens], used: int) -> None:
        """Put what a request has used in the place of what was set aside for it."""
        now_s = time.monotonic()
        for log, piece, tokens in taken:
            log.settle(piece, tokens, used, now_s)

    def leave(self, terms: Terms) -> None:
        """A request has ended."""
        for term in terms.running:
            count = self._running[term.owner_id] - 1
            if count:
                self._running[term.owner_id] = count
            else:
                del self._running[term.owner_id]

    def show(self, terms: Terms, now_s: float, now_ms: int) -> tuple[Shown, ...]:
        """The states that a reply's headers tell of: of each kind the narrowest owner's. Nothing is counted."""
        shown = [Shown("tokens", 60, self._log(term).peek(now_s)) for term in terms.tokens[:1]]
        shown += [
            Shown("day", 86_400, self._days[term.owner_id].peek(term.limit, now_ms)) for term in terms.days if term.owner_id in self._days
        ]
        for term in terms.running[:1]:
            left = max(0, term.limit - self._running.get(term.owner_id, 0))
            shown.append(Shown("concurrency", None, LimitState(limit=term.limit, remaining=left, reset_s=0.0)))
        return tuple(shown)

    def _take(self, limits: list[_Limit], now_s: float) -> LimitState:
        for _, _, limit in limits:
            limit.take(now_s)
        if max(len(self._counters), len(self._tokens), len(self._days)) > self._max_counters:
            self._sweep(now_s)
        return limits[0][2].peek(now_s)

    def _judge_tokens(self, term: LimitTerm, tokens: int, now_s: float) -> Denied | None:
        state = self._log(term).peek(now_s, tokens)
        if state.retry_after_s is None:
            return None
        wait_s = state.retry_after_s
        message = f"{term.shown} is limited to {state.limit} tokens per minute, of which {state.remaining} are left, and this request may "
        message += f"take {tokens}. It is possible in {_seconds(wait_s)} s, or with a lower max_tokens."
        if state.limit == 0:
            message = f"{term.shown} is blocked: its limit is 0 tokens per minute."
        return _denied("token_rate_limited", message, state, term.limited_by, "tokens_per_minute", needed=tokens)

    def _judge_day(self, term: LimitTerm, now_ms: int) -> Denied | None:
        state = self._days[term.owner_id].peek(term.limit, now_ms)
        if state.retry_after_s is None:
            return None
        message = f"{term.shown} is limited to {state.limit} requests per day. The next one is possible after midnight UTC, in "
        message += f"{_seconds(state.retry_after_s)} s."
        if state.limit == 0:
            message = f"{term.shown} is blocked: its limit is 0 requests per day."
        return _denied("rate_limited", message, state, term.limited_by, "requests_per_day")

    def _log(self, term: LimitTerm) -> TokenLog:
        """The owner's counter. It survives a change of the limit."""
        log = self._tokens.get(term.owner_id)
        if log is None:
            log = self._tokens[term.owner_id] = TokenLog(term.limit)
        elif log.limit != term.limit:
            log.resize(term.limit)
        return log

    def _limits(self, principal: Principal) -> list[_Limit]:
        key, environment = principal.key, principal.environment
        limits: list[_Limit] = []
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

    def _sweep(self, now_s: float) -> None:
        """Forget the counters that nothing would be lost with, of which there are many: never one that is in use."""
        if now_s - self._swept_s >= _SWEEP_EVERY_S:
            self._swept_s, now_ms = now_s, time.time_ns() // 1_000_000
            self._counters = {owner: counter for owner, counter in self._counters.items() if not counter.is_idle(now_s)}
            self._tokens = {owner: log for owner, log in self._tokens.items() if not log.is_idle(now_s)}
            self._days = {owner: count for owner, count in self._days.items() if not count.is_over(now_ms)}


def _seconds(wait_s: float) -> int:
    return max(1, -int(-wait_s // 1))


def _judge(limits: list[_Limit], now_s: float) -> Denied | None:
    refusing: tuple[LimitState, str, str] | None = None
    longest_s = -1.0
    for owner, shown, limit in limits:
        state = limit.peek(now_s)
        if state.retry_after_s is not None and state.retry_after_s > longest_s:
            refusing, longest_s = (state, owner, shown), state.retry_after_s
    return None if refusing is None else _refused(*refusing)


def _refused(state: LimitState, owner: str, shown: str) -> Denied:
    wait_s = state.retry_after_s or 0.0
    message = f"{shown} is limited to {state.limit} requests per minute. The next one is possible in {_seconds(wait_s)} s."
    if state.limit == 0:
        message = f"{shown} is blocked: its limit is 0 requests per minute."
    return _denied("rate_limited", message, state, owner, "requests_per_minute")


def _refused_running(term: LimitTerm) -> Denied:
    state = LimitState(limit=term.limit, remaining=0, reset_s=_RETRY_RUNNING_S, retry_after_s=_RETRY_RUNNING_S)
    message = f"{term.shown} is limited to {term.limit} requests at a time, and as many are running. Wait for one of them to end."
    if term.limit == 0:
        message = f"{term.shown} is blocked: its limit is 0 requests at a time."
    return _denied("concurrency_limited", message, state, term.limited_by, "concurrency")


def _denied(code: str, message: str, state: LimitState, owner: str, what: str, **more: int) -> Denied:
    wait_s = state.retry_after_s or 0.0
    metadata = {
        "limited_by": owner,
        "limit_kind": what,
        "limit": state.limit,
        "remaining": state.remaining,
        "retry_after_s": wait_s,
        **more,
    }
    return Denied(code=code, message=message, retry_after_s=wait_s, metadata=metadata)
