"""What a request takes of its limits and budgets when it is admitted, and gives back when it ends: all of it, or nothing.

Only for principals for whom `Terms` hold. What has to be read first, a budget's account or today's count of requests, is read once, and
the request waits for that: `find_unread` says so.
"""

import asyncio
import time
from collections.abc import Sequence
from functools import partial
from typing import NamedTuple

from anyrouter.core.budget import BudgetPolicy
from anyrouter.core.errors import Denied
from anyrouter.core.provider import Effect
from anyrouter.policy.budget import LEAST_TOKENS, CostBound, Grant, bound_cost, counts_model, judge_claims, refuse_unpriced
from anyrouter.policy.candidate import Candidate
from anyrouter.policy.charge import PLAIN, Billing
from anyrouter.policy.limit import LimitState
from anyrouter.providers.adaptation import select_quirks
from anyrouter.relay.call import Principal
from anyrouter.relay.lane import Stop
from anyrouter.relay.limiter import RateLimiter, Shown, TakenTokens
from anyrouter.relay.ports import Ledger
from anyrouter.relay.purse import BudgetState, Opening, Purse
from anyrouter.relay.terms import Terms
from anyrouter.wire.input_bound import bound_input_tokens
from anyrouter.wire.output_limit import OutputLimit, read_output_limit
from anyrouter.wire.request import InferenceRequest

USUAL_OUTPUT_TOKENS = 1_024  # set aside of a limit on tokens for a request that does not say how long its answer may be
_COUNT_TOKENS = "messages/count_tokens"
_OF_SEVERAL_PROMPTS = ("completions", "embeddings")  # each of them may be as long as the model takes
_NEWER_NAME = "max_completion_tokens"


class Wish(NamedTuple):
    """A request that wants to be admitted. `stops` are the targets that it may go to, `tries` how many may be asked at once."""

    endpoint: str
    request: InferenceRequest
    stops: Sequence[tuple[Candidate, Stop]]
    tries: int
    now_s: float
    now_ms: int


class Hold:
    """What one request holds. `order` are the targets that it may go to, `max_tokens` the limit that its answer has to get, if any.

    `end` is called on every end of the request. A request that is dropped without an end, by a mistake of ours, gives back what it
    held when it is forgotten.
    """

    __slots__ = ("_grant", "_holds", "_taken", "_terms", "is_newer_name", "limit", "max_tokens", "order", "shown")

    def __init__(  # noqa: PLR0917 -- its parts, and one caller
        self,
        holds: "Holds",
        terms: Terms,
        taken: tuple[TakenTokens, ...],
        grant: Grant | None,
        limit: LimitState,
        shown: tuple[Shown, ...],
        order: tuple[Candidate, ...],
    ) -> None:
        self._holds, self._taken, self._grant, self.limit, self.shown, self.order = holds, taken, grant, limit, shown, order
        self.max_tokens, self.is_newer_name = None if grant is None else grant.tokens, False
        self._terms: Terms | None = terms

    def end(self, used_tokens: int = 0) -> None:
        """Give everything back, once. `used_tokens` count against limits on tokens in the place of what was set aside."""
        terms, self._terms = self._terms, None
        if terms is None:
            return
        limiter = self._holds.limiter
        limiter.settle_tokens(self._taken, used_tokens)
        limiter.leave(terms)
        if self._grant is not None:
            self._grant.release()
        self._holds.open_count -= 1

    def __del__(self) -> None:
        self.end()


class Unread:
    """What has to be read before a request can be judged: an account, today's count of requests, credits."""

    __slots__ = ("_holds", "_principal", "_terms")

    def __init__(self, holds: "Holds", terms: Terms, principal: Principal) -> None:
        self._holds, self._terms, self._principal = holds, terms, principal

    async def read(self) -> None:
        """Read it, once for all who wait for it. StorageUnavailable."""
        await self._holds.read(self._terms, self._principal)


class Holds:
    """Takes holds. `open_count` is how many there are."""

    def __init__(self, limiter: RateLimiter, purse: Purse, ledger: Ledger, billing: Billing = PLAIN) -> None:
        self.limiter, self.purse, self.billing, self.open_count = limiter, purse, billing, 0
        self._ledger = ledger
        self._reading: dict[object, asyncio.Task[None]] = {}

    def is_unread(self, terms: Terms, principal: Principal, now_ms: int) -> bool:
        """Whether `read` has to be awaited first."""
        return self.purse.lacks_credits(terms) or bool(self._list_openings(terms, principal.key.organisation_id, now_ms))

    async def read(self, terms: Terms, principal: Principal) -> None:
        """Read what the terms need, once for all who wait for it. StorageUnavailable."""
        openings = self._list_openings(terms, principal.key.organisation_id, _now_ms())
        fresh = [opening for opening in openings if opening.name not in self._reading]
        if fresh:
            self._begin([opening.name for opening in fresh], asyncio.ensure_future(self._open(fresh)))
        names: list[object] = [opening.name for opening in openings]
        if terms.credits_of is not None and self.purse.lacks_credits(terms):
            names.append(terms.credits_of)
            if terms.credits_of not in self._reading:
                self._begin([terms.credits_of], asyncio.ensure_future(self.purse.read_credits(terms.credits_of)))
        tasks = {self._reading[name] for name in names}
        if tasks:
            await asyncio.wait(tasks)  # who leaves does not take it from the others
            for task in tasks:
                task.result()

    async def list_states(self, terms: Terms, principal: Principal) -> list[BudgetState]:
        """How the budgets stand, prepaid credits last. StorageUnavailable."""
        while self.is_unread(terms, principal, _now_ms()):
            await self.read(terms, principal)
        return self.purse.list_states(terms, _now_ms())

    def take(self, terms: Terms, principal: Principal, wish: Wish) -> Hold | Denied:
        """Admit a request: everything that it needs is taken, or nothing. Nothing is unread."""
        limiter, now_s, now_ms = self.limiter, wish.now_s, wish.now_ms
        output = read_output_limit(wish.request.members, wish.endpoint)
        tokens = _expect_tokens(wish, output) if terms.tokens else 0
        denied = limiter.judge(principal, now_s) or limiter.judge_terms(terms, tokens, now_s, now_ms)
        if denied is not None:
            return denied
        stops, grant = wish.stops, None
        if terms.has_money:
            found = self._judge_money(terms, wish, output)
            if isinstance(found, Denied):
                return found
            stops, grant = found
            grant.reserve()
        limit = limiter.take(principal, now_s)
        taken = limiter.take_terms(terms, tokens, now_s, now_ms)
        shown = limiter.show(terms, now_s, now_ms)
        self.open_count += 1
        hold = Hold(self, terms, taken, grant, limit, shown, tuple(candidate for candidate, _ in stops))
        hold.is_newer_name = hold.max_tokens is not None and any(_wants_newer_name(stop) for _, stop in stops)
        return hold

    def judge(self, terms: Terms, principal: Principal, wish: Wish) -> Denied | Grant | None:
        """What `take` would answer now: a refusal, or what would be reserved; None where no budget counts. Nothing is taken."""
        output = read_output_limit(wish.request.members, wish.endpoint)
        tokens = _expect_tokens(wish, output) if terms.tokens else 0
        denied = self.limiter.judge(principal, wish.now_s) or self.limiter.judge_terms(terms, tokens, wish.now_s, wish.now_ms)
        if denied is not None or not terms.has_money:
            return denied
        found = self._judge_money(terms, wish, output)
        return found if isinstance(found, Denied) else found[1]

    def _judge_money(self, terms: Terms, wish: Wish, output: OutputLimit) -> tuple[Sequence[tuple[Candidate, Stop]], Grant] | Denied:
        """The targets whose price can be reserved, and what is; those without a price are left out where one is needed."""
        priced, unpriced = [], None
        for candidate, stop in wish.stops:
            if stop.is_price_unknown and not (stop.is_sandboxed or stop.is_byok):
                denied = self._refuse_unpriced(terms, stop.target.model)
                if denied is not None:
                    unpriced = unpriced or denied
                    continue
            priced.append((candidate, stop))
        if unpriced is not None and not priced:
            return unpriced
        bounds = tuple(bound for _, stop in priced if (bound := self._bound(terms, wish, stop, output)) is not None)
        claims = self.purse.list_claims(terms, bounds, wish.now_ms)
        asked = output.tokens
        verdict = judge_claims(terms.policy, claims, asked, least=_find_least(wish))
        return verdict if isinstance(verdict, Denied) else (priced, verdict)

    def _refuse_unpriced(self, terms: Terms, model: str) -> Denied | None:
        budgets = self.purse.list_budgets(terms)
        return next((refuse_unpriced(budget, model) for budget in budgets if counts_model(budget, model)), None)

    def _bound(self, terms: Terms, wish: Wish, stop: Stop, output: OutputLimit) -> CostBound | None:
        target = stop.target
        if wish.endpoint == _COUNT_TOKENS:
            return None
        if target.tariff is None and not (stop.is_byok or stop.is_sandboxed):
            return None  # no budget counts that model
        known, request = target.known, wish.request
        if terms.policy is BudgetPolicy.OPTIMISTIC:
            input_tokens = request.estimated_input_tokens
        else:
            context_length = None if known is None or wish.endpoint in _OF_SEVERAL_PROMPTS else known.context_length
            input_tokens = bound_input_tokens(request.members, context_length)
        most = None if known is None else known.max_output_tokens
        if not output.choices or output.tokens == 0:
            most = 0
        return bound_cost(
            target.model,
            target.tariff,
            input_tokens=input_tokens,
            most_tokens=most,
            choices=output.choices,
            tries=wish.tries,
            billing=self.billing,
            is_byok=stop.is_byok,
            is_sandboxed=stop.is_sandboxed,
        )

    def _list_openings(self, terms: Terms, organisation_id: str, now_ms: int) -> list[Opening]:
        openings = self.purse.list_openings(terms, now_ms) if terms.has_money else []
        for term, question in self.limiter.list_missing_days(terms, organisation_id, now_ms) if terms.days else ():
            openings.append(Opening(("day", term.owner_id), question, partial(self.limiter.begin_day, term.owner_id, now_ms)))
        return openings

    def _begin(self, names: list[object], task: asyncio.Task[None]) -> None:
        def end(done: asyncio.Task[None]) -> None:
            for name in names:
                del self._reading[name]
            if not done.cancelled():
                done.exception()  # who waits raises it; perhaps nobody does any more

        self._reading |= dict.fromkeys(names, task)
        task.add_done_callback(end)

    async def _open(self, openings: Sequence[Opening]) -> None:
        answers = await self._ledger.read_usage([opening.question for opening in openings])
        now_ms = _now_ms()
        for opening, usage in zip(openings, answers, strict=True):
            opening.take(usage, now_ms)


def _now_ms() -> int:
    return time.time_ns() // 1_000_000


def _expect_tokens(wish: Wish, output: OutputLimit) -> int:
    """The tokens that a request is taken to use: its input by the estimate, and its answers as long as they may be, or as usual."""
    if wish.endpoint == _COUNT_TOKENS:
        return 0
    known = [stop.target.known.max_output_tokens for _, stop in wish.stops if stop.target.known is not None]
    longest = max((most for most in known if most is not None), default=None)
    answer = USUAL_OUTPUT_TOKENS if output.tokens is None else output.tokens
    return wish.request.estimated_input_tokens + output.choices * (answer if longest is None else min(answer, longest))


def _find_least(wish: Wish) -> int:
    """The shortest limit that the answer may be given: an answer with a budget for thinking has to have room for more than that."""
    thinking = wish.request.members.decode("thinking") if wish.endpoint == "messages" else None
    budget = thinking.get("budget_tokens") if isinstance(thinking, dict) else None
    return max(LEAST_TOKENS, budget + 1) if isinstance(budget, int) else LEAST_TOKENS


def _wants_newer_name(stop: Stop) -> bool:
    way = stop.target.way
    if way.is_translated:
        return False  # written in the form, and then adapted
    quirks = select_quirks(stop.target.upstream.provider, way.dialect, stop.target.upstream_model)
    return any(quirk.effect is Effect.RENAMED and quirk.to == _NEWER_NAME for quirk in quirks)
