"""A budget is never over by more than the error of the input's estimate, whatever runs at once: over random requests and tariffs."""

from datetime import UTC, datetime

from hypothesis import given, settings
from hypothesis import strategies as st

from anyrouter.core.budget import Budget, BudgetOwner, BudgetPeriod, BudgetPolicy
from anyrouter.core.catalogue import PriceTier, Tariff
from anyrouter.core.errors import Denied
from anyrouter.core.usage import Usage
from anyrouter.policy.budget import Book, Claim, bound_cost, counts_model, judge_claims
from anyrouter.policy.charge import Billing, charge
from anyrouter.policy.price import price

NOON = int(datetime(2026, 11, 24, 12, tzinfo=UTC).timestamp() * 1000)
MODELS = ("openai/a", "openai/b", "anthropic/c")
prices = st.integers(0, 30_000_000_000)
optional = st.none() | prices
tariffs = st.builds(
    Tariff,
    input_nanousd=prices,
    output_nanousd=prices,
    cache_read_nanousd=optional,
    cache_write_nanousd=optional,
    request_nanousd=st.integers(0, 10_000_000),
    tiers=st.lists(st.builds(PriceTier, above_tokens=st.integers(1, 3000), input_nanousd=prices, output_nanousd=prices), max_size=2).map(
        lambda tiers: tuple(sorted({tier.above_tokens: tier for tier in tiers}.values(), key=lambda tier: tier.above_tokens))
    ),
)
billings = st.builds(Billing, markup_ppm=st.integers(1_000_000, 3_000_000), routing_fee_nanousd=st.integers(0, 10**7))
budgets = st.builds(
    Budget,
    id=st.uuids().map(str),
    organisation_id=st.just("org"),
    owner=st.sampled_from(BudgetOwner),
    owner_id=st.just("key"),
    limit_nanousd=st.integers(0, 3_000_000_000),
    period=st.just(BudgetPeriod.TOTAL),
    models=st.sampled_from([None, ("openai/*",), ("anthropic/c", "openai/b")]),
)
requests = st.fixed_dictionaries(
    {
        "bound": st.integers(1, 5000),  # of the input
        "asked": st.none() | st.integers(0, 5000),
        "choices": st.integers(1, 4),
        "models": st.lists(st.sampled_from(MODELS), min_size=1, max_size=3, unique=True),
        "served": st.integers(0, 2),
        "input": st.floats(0, 1),  # of what is allowed
        "output": st.floats(0, 1),
        "cached": st.floats(0, 1),
        "error": st.sampled_from([0, 0, 0, 7, 500]),  # tokens that the input has more than its bound
        "lasts": st.integers(0, 6),  # until so many others have come
    }
)


@settings(deadline=None, max_examples=300)
@given(
    policy=st.sampled_from([BudgetPolicy.CLAMP, BudgetPolicy.STRICT]),
    kept=st.lists(budgets, min_size=1, max_size=3),
    rates=st.tuples(tariffs, tariffs, tariffs),
    most=st.tuples(*[st.none() | st.integers(16, 4000)] * 3),
    billing=billings,
    wanted=st.lists(requests, max_size=25),
)
def test_no_budget_is_over_by_more_than_the_inputs_error(  # noqa: C901, PLR0917 -- one law over everything that it depends on
    policy, kept, rates, most, billing, wanted
) -> None:
    tariff_of, most_of = dict(zip(MODELS, rates, strict=True)), dict(zip(MODELS, most, strict=True))
    books = [Book(budget.period, budget.models, 0, NOON) for budget in kept]
    errors, running = [0] * len(kept), []

    def end(request, grant, limit) -> None:
        model = request["models"][request["served"] % len(request["models"])]
        tariff, own = tariff_of[model], most_of[model]
        longest = min(count for count in (limit, own, 10_000) if count is not None)
        tokens = int(request["bound"] * request["input"]) + request["error"]
        cached = int(tokens * request["cached"])
        usage = Usage(
            input_tokens=tokens,
            cache_read_tokens=cached // 2,
            cache_write_tokens=cached - cached // 2,
            output_tokens=int(longest * request["output"]) * request["choices"],
        )
        cost = charge(billing, price(tariff, usage)).cost
        # What the very same answer may cost by the bound; above it is the input's error.
        bound = bound_cost(model, tariff, input_tokens=request["bound"], most_tokens=own, choices=request["choices"], billing=billing)
        for number, (budget, book) in enumerate(zip(kept, books, strict=True)):
            book.count(model, NOON, cost)
            if counts_model(budget, model):
                errors[number] += max(0, cost - bound.cost(longest)) if request["error"] else 0
        grant.release()

    for request in wanted:
        bounds = tuple(
            bound_cost(
                model,
                tariff_of[model],
                input_tokens=request["bound"],
                most_tokens=most_of[model],
                choices=request["choices"],
                billing=billing,
            )
            for model in request["models"]
        )
        claims = []
        for budget, book in zip(kept, books, strict=True):
            own = tuple(bound for bound in bounds if counts_model(budget, bound.model))
            if own:
                claims.append(Claim(budget, book.account, own))
        before = [(book.account.spent, book.account.reserved) for book in books]
        verdict = judge_claims(policy, claims, request["asked"])
        assert [(book.account.spent, book.account.reserved) for book in books] == before
        if not isinstance(verdict, Denied):
            verdict.reserve()
            asked = request["asked"]
            limit = verdict.tokens if verdict.tokens is not None else asked
            assert verdict.tokens is None or verdict.tokens >= 16
            if policy is BudgetPolicy.STRICT and asked is not None:
                assert verdict.tokens is None
            running.append([request["lasts"], request, verdict, limit])
        for row in list(running):
            row[0] -= 1
            if row[0] < 0:
                running.remove(row)
                end(*row[1:])
        for budget, book, error in zip(kept, books, errors, strict=True):
            account = book.account
            assert account.spent <= budget.limit_nanousd + error
            assert account.spent + account.reserved <= budget.limit_nanousd + error
    for _, *row in running:
        end(*row)
    for budget, book, error in zip(kept, books, errors, strict=True):
        assert book.account.reserved == 0
        assert book.account.spent <= budget.limit_nanousd + error


@settings(deadline=None, max_examples=100)
@given(cost=st.integers(1, 10**9), fitting=st.integers(0, 60), rest=st.integers(0, 10**9), asked=st.integers(1, 200))
def test_of_many_at_once_exactly_as_many_are_let_through_as_fit(cost: int, fitting: int, rest: int, asked: int) -> None:
    limit = fitting * cost + rest % cost
    budget = Budget(id="b", organisation_id="o", owner=BudgetOwner.KEY, owner_id="k", limit_nanousd=limit, period=BudgetPeriod.TOTAL)
    book = Book(BudgetPeriod.TOTAL, None, 0, NOON)
    bound = bound_cost("a/b", Tariff(input_nanousd=0, output_nanousd=0, request_nanousd=cost), input_tokens=1, most_tokens=None)
    admitted = 0
    for _ in range(asked):
        verdict = judge_claims(BudgetPolicy.STRICT, [Claim(budget, book.account, (bound,))], 100)
        if not isinstance(verdict, Denied):
            verdict.reserve()
            admitted += 1
    assert admitted == min(fitting, asked)
