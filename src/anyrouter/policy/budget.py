"""Decisions about money: what a request may cost at most, and what of that every budget that it counts against allows.

A budget's account holds what was spent in the period and what is reserved for requests that run. A request is admitted when every
account that it counts against has room for what it may cost; that is reserved in all of them or in none, and given back when it ends, in
the moment in which its real cost is counted as spent. So what is spent is over a budget by no more than a request's cost is over its
bound: the error of the estimate of its input.

Nothing here reads a clock: `now_ms` is Unix milliseconds, given by the caller.
"""

from collections.abc import Sequence
from datetime import UTC, datetime
from typing import NamedTuple

from anyrouter.core.apikey import ApiKey
from anyrouter.core.budget import Budget, BudgetOwner, BudgetPeriod, BudgetPolicy, period_end, period_start
from anyrouter.core.catalogue import PriceTier, Tariff
from anyrouter.core.errors import Denied
from anyrouter.core.money import to_usd, to_usd_string
from anyrouter.core.tenancy import Environment
from anyrouter.policy.authorize import is_model_allowed
from anyrouter.policy.charge import PLAIN, PPM, Billing
from anyrouter.policy.price import TOKENS_PER_PRICE

LEAST_TOKENS = 16  # an answer is not cut shorter than this
REALISTIC_OUTPUT_TOKENS = 500  # what an answer is taken to have under `optimistic`
CREDITS, OWN_LIMIT = "credits", "limit_"  # the id of what is made of an organisation's credits, and how that of a key's own begins
_CODES = {
    BudgetOwner.KEY: "key_budget_exceeded",
    BudgetOwner.ENVIRONMENT: "environment_budget_exceeded",
    BudgetOwner.ORGANISATION: "insufficient_credits",
}
_SHOWN_PERIODS = {BudgetPeriod.DAILY: "daily ", BudgetPeriod.WEEKLY: "weekly ", BudgetPeriod.MONTHLY: "monthly ", BudgetPeriod.TOTAL: ""}
_NEVER_MS = 2**62


def own_budgets(key: ApiKey) -> tuple[Budget, ...]:
    """The budget that a key brings itself, shared by its rotation group; none without a limit."""
    if key.limit_nanousd is None:
        return ()
    return (
        Budget(
            id=f"{OWN_LIMIT}{key.rotation_group}",
            organisation_id=key.organisation_id,
            owner=BudgetOwner.KEY,
            owner_id=key.rotation_group,
            limit_nanousd=key.limit_nanousd,
            period=key.limit_reset,
        ),
    )


def select_policy(key: ApiKey, environment: Environment) -> BudgetPolicy:
    """What becomes of a request near the end of a budget: the key's policy, else the environment's, else `clamp`."""
    return key.budget_policy or environment.budget_policy or BudgetPolicy.CLAMP


def counts_model(budget: Budget, model: str) -> bool:
    """Whether what a model costs counts against the budget."""
    return budget.models is None or is_model_allowed(budget.models, model)


class Account:
    """One period of a budget: what was spent, and what is reserved for requests that run."""

    __slots__ = ("end_ms", "reserved", "spent", "start_ms")

    def __init__(self, spent: int, start_ms: int, end_ms: int) -> None:
        self.spent, self.reserved, self.start_ms, self.end_ms = spent, 0, start_ms, end_ms

    def left(self, limit: int) -> int:
        """What of a limit is neither spent nor reserved; below 0 when it was lowered."""
        return limit - self.spent - self.reserved


class Book:
    """The account of the moment of one owner, period and choice of models. An account that is over is closed: a new one begins.

    It begins with nothing spent because every cost is told to `count` from the moment the book is opened. A clock that goes back does
    not reopen an account.
    """

    __slots__ = ("account", "models", "period")

    def __init__(self, period: BudgetPeriod, models: tuple[str, ...] | None, spent: int, now_ms: int) -> None:
        self.period, self.models = period, models
        self.account = Account(spent, *_bounds(period, now_ms))

    def turn(self, now_ms: int) -> Account:
        """The account of the moment."""
        if now_ms >= self.account.end_ms:
            self.account = Account(0, *_bounds(self.period, now_ms))
        return self.account

    def count(self, model: str, at_ms: int, cost: int) -> None:
        """A generation of that model, asked for at that time, has cost that."""
        if (self.models is None or is_model_allowed(self.models, model)) and at_ms >= self.account.start_ms:
            self.turn(at_ms).spent += cost


def _bounds(period: BudgetPeriod, now_ms: int) -> tuple[int, int]:
    now = datetime.fromtimestamp(now_ms / 1000, UTC)
    start, end = period_start(period, now), period_end(period, now)
    return (0, _NEVER_MS) if start is None or end is None else (int(start.timestamp() * 1000), int(end.timestamp() * 1000))


class CostBound(NamedTuple):
    """What a request may cost at one target at most: `fixed` and so much `per_token` of its output, in nano-USD per million.

    `most_tokens` is how long an answer can be there, None where nobody knows.
    """

    model: str
    fixed: int
    per_token: int
    most_tokens: int | None
    markup_ppm: int = PPM

    def cost(self, tokens: int | None) -> int:
        """Of an answer of so many tokens in each choice, or of the longest one; never less than what is charged."""
        output = self.most_tokens if tokens is None else tokens if self.most_tokens is None else min(tokens, self.most_tokens)
        price = -(-(self.fixed + self.per_token * (output or 0)) // TOKENS_PER_PRICE)
        return -(-price * self.markup_ppm // PPM)

    def fit(self, nanousd: int) -> int | None:
        """How many tokens may be answered for that much: negative when not even the input fits, None when the longest answer does."""
        room = nanousd * PPM // self.markup_ppm * TOKENS_PER_PRICE - self.fixed
        if not self.per_token:
            return None if room >= 0 or not self.fixed else -1
        tokens = room // self.per_token
        return None if self.most_tokens is not None and tokens >= self.most_tokens else tokens


def bound_cost(
    model: str,
    tariff: Tariff | None,
    *,
    input_tokens: int,
    most_tokens: int | None,
    choices: int = 1,
    tries: int = 1,
    billing: Billing = PLAIN,
    is_byok: bool = False,
    is_sandboxed: bool = False,
) -> CostBound:
    """The bound at one target, by the dearest of the prices that its tariff may come to; without a tariff nothing.

    `choices` is how many answers there are to one request, `tries` how many targets may be asked for it at the same time.
    """
    if is_byok and not is_sandboxed:
        return CostBound(model, billing.routing_fee_nanousd * TOKENS_PER_PRICE, 0, most_tokens)
    if is_sandboxed or tariff is None:
        return CostBound(model, 0, 0, most_tokens)
    rates: list[Tariff | PriceTier] = [tariff, *(tier for tier in tariff.tiers if input_tokens > tier.above_tokens)]
    dearest = max(max(rate.input_nanousd, rate.cache_read_nanousd or 0, rate.cache_write_nanousd or 0) for rate in rates)
    fixed = input_tokens * dearest + tariff.request_nanousd * TOKENS_PER_PRICE
    per_token = choices * max(rate.output_nanousd for rate in rates)
    return CostBound(model, tries * fixed, tries * per_token, most_tokens, billing.markup_ppm)


class Claim(NamedTuple):
    """A budget that a request counts against, its account, and the bounds at those targets whose cost counts."""

    budget: Budget
    account: Account
    bounds: tuple[CostBound, ...]

    @property
    def left(self) -> int:
        """What can be reserved yet."""
        return self.account.left(self.budget.limit_nanousd)

    def cost(self, tokens: int | None) -> int:
        """What an answer of so many tokens may cost at most, at the dearest target."""
        return max(bound.cost(tokens) for bound in self.bounds)


class Grant(NamedTuple):
    """What is reserved for a request, account by account. `tokens`: the limit that its answers have to get, None for its own."""

    amounts: tuple[tuple[Account, int], ...]
    tokens: int | None = None

    def reserve(self) -> None:
        """Take it."""
        for account, amount in self.amounts:
            account.reserved += amount

    def release(self) -> None:
        """Give it back. Once."""
        for account, amount in self.amounts:
            account.reserved -= amount


def judge_claims(policy: BudgetPolicy, claims: Sequence[Claim], asked: int | None, *, least: int = LEAST_TOKENS) -> Grant | Denied:
    """What to reserve for a request whose answers may have `asked` tokens (None: no limit of its own), or why it is refused.

    Nothing is reserved yet. The bounds are those of the input's realistic estimate under `optimistic`, else of its upper one. No answer
    is cut shorter than to `least` tokens.
    """
    if policy is BudgetPolicy.OPTIMISTIC:
        realistic = REALISTIC_OUTPUT_TOKENS if asked is None else min(asked, REALISTIC_OUTPUT_TOKENS)
        return _grant(claims, realistic, None)
    if asked is not None:
        asked = max(asked, LEAST_TOKENS) if asked else 0  # what is written in another format may not take less
    tightest, fitting = _find_tightest(claims)
    longest = _find_longest(claims, asked)
    if tightest is None or fitting is None or (longest is not None and longest <= fitting):
        return _grant(claims, asked, None)
    is_unlimited = longest is None  # then a limit is not lowered, but set
    if fitting >= least and (policy is BudgetPolicy.CLAMP or is_unlimited):
        return _grant(claims, fitting, fitting)
    return refuse(tightest, tightest.cost(least if is_unlimited else longest))


def _find_tightest(claims: Sequence[Claim]) -> tuple[Claim | None, int | None]:
    """The claim that allows the shortest answer, and how long that is; None where nothing bounds it."""
    fits = [(fit, claim) for claim in claims for bound in claim.bounds if (fit := bound.fit(claim.left)) is not None]
    fitting, tightest = min(fits, key=lambda row: row[0], default=(None, None))
    return tightest, fitting


def _find_longest(claims: Sequence[Claim], asked: int | None) -> int | None:
    """How long an answer can be, by the request and its targets; None where nobody knows."""
    longest = 0
    for claim in claims:
        for bound in claim.bounds:
            own = bound.most_tokens
            if own is None and asked is None:
                return None
            longest = max(longest, min(count for count in (own, asked) if count is not None))
    return longest


def _grant(claims: Sequence[Claim], tokens: int | None, lowered: int | None) -> Grant | Denied:
    amounts = []
    for claim in claims:
        cost = claim.cost(tokens)
        if cost and cost > claim.left:
            return refuse(claim, cost)
        amounts.append((claim.account, cost))
    return Grant(tuple(amounts), lowered)


def refuse(claim: Claim, needed: int) -> Denied:
    """The refusal of a request that may cost more than a budget leaves: what it needs, what is left, when there is more."""
    budget, account = claim.budget, claim.account
    left = max(0, claim.left)
    is_credits = budget.id == CREDITS
    name = f" {budget.name}" if budget.name and not is_credits else ""
    whose = {BudgetOwner.KEY: "This API key's", BudgetOwner.ENVIRONMENT: "This environment's"}.get(budget.owner, "The organisation's")
    if is_credits:
        what = "The organisation's credits have"
    else:
        what = f"{whose} {_SHOWN_PERIODS[budget.period]}budget{name} of ${to_usd_string(budget.limit_nanousd)} has"
    message = f"{what} ${to_usd_string(left)} left, and this request may cost up to ${to_usd_string(needed)}."
    if account.reserved:
        message += f" ${to_usd_string(account.reserved)} is reserved for requests that run."
    resets_at = None if account.end_ms == _NEVER_MS else _rfc3339(account.end_ms)
    if resets_at is not None:
        message += f" It is whole again at {resets_at}."
    message += " Lower max_tokens, or have it raised." if not is_credits else " Lower max_tokens, or have credits added."
    metadata = {
        "limited_by": budget.owner.value,
        "budget": budget.id,
        "limit": to_usd(budget.limit_nanousd),
        "remaining": to_usd(left),
        "reserved": to_usd(account.reserved),
        "needed": to_usd(needed),
        "resets_at": resets_at,
    }
    return Denied(code=_CODES[budget.owner], message=message, metadata=metadata)


def refuse_unpriced(budget: Budget, model: str) -> Denied:
    """The refusal of a model whose price nobody knows, where a budget or credits would have to bear it."""
    what = "credits" if budget.id == CREDITS else "budget"
    return Denied(
        code=_CODES[budget.owner],
        param="model",
        message=f"The price of {model} is not known here, so it cannot be taken from the {budget.owner.value}'s {what}. "
        "The operator can set one in the models file.",
        metadata={"limited_by": budget.owner.value, "budget": budget.id, "price_unknown": True},
    )


def _rfc3339(at_ms: int) -> str:
    return datetime.fromtimestamp(at_ms / 1000, UTC).isoformat(timespec="seconds").replace("+00:00", "Z")
