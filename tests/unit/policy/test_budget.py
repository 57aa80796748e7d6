"""Budgets by hand-made requests; the law over random ones is in tests/property/test_budgets.py."""

from dataclasses import replace
from datetime import UTC, datetime

import pytest

from anyrouter.core.apikey import ApiKey
from anyrouter.core.budget import Budget, BudgetOwner, BudgetPeriod, BudgetPolicy
from anyrouter.core.catalogue import PriceTier, Tariff
from anyrouter.core.errors import Denied
from anyrouter.core.tenancy import Environment, EnvironmentKind
from anyrouter.policy.budget import (
    CREDITS,
    LEAST_TOKENS,
    REALISTIC_OUTPUT_TOKENS,
    Account,
    Book,
    Claim,
    CostBound,
    Grant,
    bound_cost,
    counts_model,
    judge_claims,
    own_budgets,
    refuse,
    refuse_unpriced,
    select_policy,
)
from anyrouter.policy.charge import PPM, Billing
from anyrouter.policy.price import TOKENS_PER_PRICE

NOON = int(datetime(2026, 11, 24, 12, tzinfo=UTC).timestamp() * 1000)  # a Tuesday
DAY = 86_400_000
TARIFF = Tariff(input_nanousd=1_000_000, output_nanousd=2_000_000)  # a nano-dollar per token, two of an answer's
BUDGET = Budget(
    id="budget_1", organisation_id="org_1", owner=BudgetOwner.KEY, owner_id="key_1", limit_nanousd=1000, period=BudgetPeriod.DAILY
)
API_KEY = ApiKey(
    id="key_1",
    organisation_id="org_1",
    environment_id="env_1",
    environment="live",
    name="k",
    label="ar-live-MARKER",
    digest=b"",
    pepper_version=1,
    rotation_group="key_0",
    scopes=frozenset(),
    created_at=datetime(2026, 11, 1, tzinfo=UTC),
    updated_at=datetime(2026, 11, 1, tzinfo=UTC),
)
CLAMP, STRICT, OPTIMISTIC = BudgetPolicy.CLAMP, BudgetPolicy.STRICT, BudgetPolicy.OPTIMISTIC


def claim(limit: int = 1000, spent: int = 0, reserved: int = 0, *, input_tokens: int = 100, most: int | None = None, **more) -> Claim:
    account = Book(BUDGET.period, None, spent, NOON).account
    account.reserved = reserved
    bound = bound_cost("openai/gpt", more.pop("tariff", TARIFF), input_tokens=input_tokens, most_tokens=most, **more)
    return Claim(replace(BUDGET, limit_nanousd=limit), account, (bound,))


def granted(policy: BudgetPolicy, claims: list[Claim], asked: int | None, **more) -> Grant:
    grant = judge_claims(policy, claims, asked, **more)
    assert isinstance(grant, Grant), grant
    return grant


def denied(policy: BudgetPolicy, claims: list[Claim], asked: int | None, **more) -> Denied:
    refusal = judge_claims(policy, claims, asked, **more)
    assert isinstance(refusal, Denied)
    assert refusal.http_status == 402
    return refusal


@pytest.mark.parametrize("policy", [CLAMP, STRICT])
def test_what_fits_is_reserved_at_its_most_and_not_lowered(policy: BudgetPolicy) -> None:
    one = claim()
    grant = granted(policy, [one], 450)
    assert grant == Grant(((one.account, 1000),), None)
    grant.reserve()
    assert one.left == 0
    grant.release()
    assert one.left == 1000


def test_clamp_lowers_the_answer_to_what_fits() -> None:
    one = claim(spent=300, reserved=200)
    grant = granted(CLAMP, [one], 450)
    assert (grant.tokens, grant.amounts) == (200, ((one.account, 500),))


def test_clamp_refuses_below_sixteen_tokens_and_strict_what_does_not_fit() -> None:
    assert granted(CLAMP, [claim(132)], 450).tokens == LEAST_TOKENS
    refusal = denied(CLAMP, [claim(131)], 450)
    assert refusal.code == "key_budget_exceeded"
    assert refusal.metadata["needed"] == 1000e-9
    assert refusal.metadata["remaining"] == 131e-9
    assert "$0.000000131 left" in refusal.message
    assert "up to $0.000001." in refusal.message
    assert "2026-11-25T00:00:00Z" in refusal.message
    assert denied(STRICT, [claim(999)], 450).code == "key_budget_exceeded"


def test_a_request_for_fewer_than_sixteen_tokens_needs_room_for_sixteen() -> None:
    assert granted(CLAMP, [claim(132)], 1).tokens is None
    denied(CLAMP, [claim(131)], 1)


@pytest.mark.parametrize("policy", [CLAMP, STRICT])
def test_a_request_without_a_limit_has_the_models_else_what_the_budget_leaves(policy: BudgetPolicy) -> None:
    grant = granted(policy, [claim(most=300)], None)
    assert (grant.tokens, grant.amounts[0][1]) == (None, 700)
    assert granted(policy, [claim()], None).tokens == 450
    denied(policy, [claim(110)], None)


def test_a_model_that_answers_shorter_needs_no_lowering() -> None:
    for policy in (CLAMP, STRICT):
        grant = granted(policy, [claim(most=300)], 10**9)
        assert (grant.tokens, grant.amounts[0][1]) == (None, 700)


def test_optimistic_asks_for_a_realistic_answer_only() -> None:
    assert granted(OPTIMISTIC, [claim(1100)], 10**9).amounts[0][1] == 100 + 2 * REALISTIC_OUTPUT_TOKENS
    assert granted(OPTIMISTIC, [claim(120)], 10).amounts[0][1] == 120
    denied(OPTIMISTIC, [claim(1099)], None)


def test_several_budgets_are_reserved_in_all_or_none_and_the_tightest_bounds_the_answer() -> None:
    wide, tight = claim(1000), claim(400)
    grant = granted(CLAMP, [wide, tight], 450)
    assert (grant.tokens, grant.amounts) == (150, ((wide.account, 400), (tight.account, 400)))
    denied(CLAMP, [wide, claim(0)], 450)
    assert (wide.account.reserved, tight.account.reserved) == (0, 0)


def test_the_dearest_of_the_targets_is_what_is_reserved() -> None:
    cheap = bound_cost("a/cheap", TARIFF, input_tokens=100, most_tokens=None)
    dear = bound_cost("a/dear", Tariff(input_nanousd=2_000_000, output_nanousd=8_000_000), input_tokens=100, most_tokens=50)
    one = claim()._replace(bounds=(cheap, dear))
    assert granted(CLAMP, [one], 40).amounts[0][1] == 200 + 320
    # A long answer is the cheap one's only: the dear model ends at 50 tokens.
    assert granted(CLAMP, [one], 300).amounts[0][1] == 700
    assert granted(CLAMP, [one], 10_000).tokens == 450


@pytest.mark.parametrize(
    ("changes", "cost"),
    [
        ({"choices": 3}, 100 + 3 * 2 * 50),
        ({"tries": 2}, 2 * (100 + 2 * 50)),
        ({"billing": Billing(markup_ppm=1_500_000)}, 300),
        ({"is_sandboxed": True}, 0),
        ({"is_byok": True, "billing": Billing(routing_fee_nanousd=7)}, 7),
        ({"tariff": Tariff(input_nanousd=1_000_000, output_nanousd=0, request_nanousd=9)}, 109),
        ({"tariff": Tariff(input_nanousd=1_000_000, cache_write_nanousd=3_000_000, output_nanousd=0)}, 300),
        ({"tariff": Tariff(input_nanousd=0, output_nanousd=0)}, 0),
    ],
)
def test_a_bound_has_everything_that_may_be_charged(changes: dict, cost: int) -> None:
    assert claim(**changes).cost(50) == cost


def test_the_highest_tier_that_the_input_may_reach_counts() -> None:
    tier = PriceTier(above_tokens=100, input_nanousd=5_000_000, output_nanousd=1_000_000)
    tariff = Tariff(input_nanousd=1_000_000, output_nanousd=2_000_000, tiers=(tier,))
    assert claim(tariff=tariff).cost(10) == 120
    assert claim(tariff=tariff, input_tokens=101).cost(10) == 505 + 20


def test_what_costs_nothing_is_let_through_when_nothing_is_left() -> None:
    for policy in BudgetPolicy:
        assert granted(policy, [claim(0, spent=5, is_sandboxed=True)], None).amounts[0][1] == 0
        assert granted(policy, [claim(0, spent=5, tariff=Tariff(input_nanousd=0, output_nanousd=0))], 10).tokens is None


def test_an_answer_that_thinks_is_not_cut_shorter_than_its_thoughts() -> None:
    assert granted(CLAMP, [claim(1000)], 2000, least=400).tokens == 450
    denied(CLAMP, [claim(1000)], 2000, least=451)


def test_embeddings_need_room_for_their_input_alone() -> None:
    assert granted(STRICT, [claim(100, most=0)], 0).amounts[0][1] == 100
    denied(CLAMP, [claim(99, most=0)], 0)


@pytest.mark.parametrize(
    ("owner", "identity", "code"),
    [
        (BudgetOwner.KEY, "budget_1", "key_budget_exceeded"),
        (BudgetOwner.ENVIRONMENT, "budget_1", "environment_budget_exceeded"),
        (BudgetOwner.ORGANISATION, "budget_1", "insufficient_credits"),
        (BudgetOwner.ORGANISATION, CREDITS, "insufficient_credits"),
    ],
)
def test_the_code_says_whose_budget_it_was(owner: BudgetOwner, identity: str, code: str) -> None:
    budget = replace(BUDGET, owner=owner, id=identity, limit_nanousd=0)
    refusal = judge_claims(CLAMP, [claim()._replace(budget=budget)], 10)
    assert isinstance(refusal, Denied)
    assert (refusal.code, refusal.metadata["limited_by"]) == (code, owner.value)
    assert refuse_unpriced(budget, "a/b").code == code


def test_a_period_begins_with_nothing_spent_and_the_one_before_is_closed() -> None:
    book = Book(BudgetPeriod.DAILY, None, 700, NOON)
    yesterdays = book.account
    book.count("a/b", NOON, 50)
    assert yesterdays.spent == 750
    assert book.turn(NOON + DAY) is not yesterdays
    book.count("a/b", NOON, 60)  # asked for yesterday, settled today
    book.count("a/b", NOON + DAY, 70)
    assert (yesterdays.spent, book.account.spent) == (750, 70)
    assert book.turn(NOON) is book.account  # a clock that goes back


def test_a_cost_of_the_next_period_opens_it() -> None:
    book = Book(BudgetPeriod.WEEKLY, None, 700, NOON)
    book.count("a/b", NOON + 6 * DAY, 5)
    assert book.account.spent == 5
    assert book.account.start_ms == int(datetime(2026, 11, 30, tzinfo=UTC).timestamp() * 1000)


def test_only_the_models_of_a_budget_count() -> None:
    book = Book(BudgetPeriod.TOTAL, ("openai/*", "anthropic/claude"), 0, NOON)
    for model in ("openai/gpt", "anthropic/claude", "anthropic/other", "openaix/gpt"):
        book.count(model, NOON, 1)
    assert book.account.spent == 2


def test_a_total_never_ends() -> None:
    book = Book(BudgetPeriod.TOTAL, None, 5, NOON)
    assert book.turn(NOON + 10_000 * DAY).spent == 5


def test_the_bound_of_a_cost_and_what_fits_are_each_others_inverse() -> None:
    bound = CostBound("a/b", 100_000_001, 2_000_003, None, 1_234_567)
    for tokens in (0, 1, 16, 999, 10_000):
        assert bound.fit(bound.cost(tokens)) >= tokens
        assert bound.fit(bound.cost(tokens) - 1) < tokens


def test_an_account_that_is_over_has_nothing_left() -> None:
    assert Account(10, 0, 1).left(5) == -5


def test_a_key_brings_its_own_limit_as_the_budget_of_its_rotation_group() -> None:
    assert own_budgets(API_KEY) == ()
    limited = replace(API_KEY, limit_nanousd=5, limit_reset=BudgetPeriod.WEEKLY)
    expected = replace(BUDGET, id="limit_key_0", owner_id="key_0", limit_nanousd=5, period=BudgetPeriod.WEEKLY)
    assert own_budgets(limited) == (expected,)
    assert own_budgets(replace(API_KEY, limit_nanousd=0)) == (replace(expected, limit_nanousd=0, period=BudgetPeriod.TOTAL),)


@pytest.mark.parametrize("of_key", [None, *BudgetPolicy])
@pytest.mark.parametrize("of_environment", [None, *BudgetPolicy])
def test_a_key_s_policy_comes_before_its_environment_s(of_key: BudgetPolicy | None, of_environment: BudgetPolicy | None) -> None:
    environment = Environment(
        id="env_1", organisation_id="org_1", slug="live", name="live", kind=EnvironmentKind.LIVE, budget_policy=of_environment
    )
    expected = (of_key if of_key is not None else of_environment) or CLAMP
    assert select_policy(replace(API_KEY, budget_policy=of_key), environment) is expected


def test_a_budget_counts_all_models_or_those_that_it_names() -> None:
    assert counts_model(BUDGET, "openai/gpt")
    named = replace(BUDGET, models=("openai/*",))
    assert [counts_model(named, model) for model in ("openai/gpt", "anthropic/claude")] == [True, False]
    assert not counts_model(replace(BUDGET, models=()), "openai/gpt")


def test_a_period_ends_at_its_end_and_begins_at_its_start_to_the_millisecond() -> None:
    book = Book(BudgetPeriod.DAILY, None, 0, NOON)
    midnight, first = NOON + DAY // 2, book.account
    assert (first.start_ms, first.end_ms) == (midnight - DAY, midnight)
    book.count("a/b", midnight - DAY - 1, 1)
    assert first.spent == 0
    book.count("a/b", midnight - DAY, 2)
    assert first.spent == 2
    assert book.turn(midnight - 1) is first
    assert book.turn(midnight) is not first


def test_what_costs_the_same_however_long_the_answer_fits_whole_or_not_at_all() -> None:
    flat = CostBound("a/b", 5 * TOKENS_PER_PRICE, 0, None)
    assert [flat.fit(amount) for amount in (6, 5, 4)] == [None, None, -1]
    assert CostBound("a/b", 0, 0, None).fit(-5) is None
    assert [CostBound("a/b", 5 * TOKENS_PER_PRICE + 1, 0, None).fit(amount) for amount in (6, 5)] == [None, -1]


def test_the_longest_answer_of_a_model_fits_as_a_whole() -> None:
    bound = CostBound("a/b", 0, 2 * TOKENS_PER_PRICE, 10)
    assert [bound.fit(amount) for amount in (21, 20, 19)] == [None, None, 9]


def test_what_is_not_paid_by_the_token_has_no_price_of_one() -> None:
    billing = Billing(routing_fee_nanousd=7, markup_ppm=2_000_000)
    bound = {"input_tokens": 100, "most_tokens": 9, "billing": billing}
    assert bound_cost("a/b", TARIFF, is_byok=True, **bound) == CostBound("a/b", 7 * TOKENS_PER_PRICE, 0, 9, PPM)
    assert bound_cost("a/b", TARIFF, is_byok=True, is_sandboxed=True, **bound) == CostBound("a/b", 0, 0, 9, PPM)
    assert bound_cost("a/b", TARIFF, is_sandboxed=True, **bound) == CostBound("a/b", 0, 0, 9, PPM)
    assert bound_cost("a/b", None, **bound) == CostBound("a/b", 0, 0, 9, PPM)


def test_the_dearest_way_to_read_the_input_is_what_is_reserved() -> None:
    for name in ("cache_read_nanousd", "cache_write_nanousd"):
        assert claim(tariff=Tariff(input_nanousd=1_000_000, output_nanousd=0, **{name: 4_000_000})).cost(0) == 400
        assert claim(tariff=Tariff(input_nanousd=1_000_000, output_nanousd=0, **{name: 0})).cost(0) == 100


def test_a_request_for_no_answer_needs_room_for_its_input_alone() -> None:
    for policy in BudgetPolicy:
        assert granted(policy, [claim(100)], 0).amounts[0][1] == 100
        denied(policy, [claim(99)], 0)


def test_an_answer_that_is_shorter_than_what_fits_is_reserved_as_it_was_asked_for() -> None:
    grant = granted(CLAMP, [claim(most=1000)], 400)
    assert (grant.tokens, grant.amounts[0][1]) == (None, 900)


def test_two_budgets_may_be_equally_tight() -> None:
    assert granted(CLAMP, [claim(400), claim(400)], 450).tokens == 150


def test_a_refusal_of_a_request_without_a_limit_tells_what_the_shortest_answer_needs() -> None:
    assert denied(CLAMP, [claim(110)], None).metadata["needed"] == 132e-9
    assert denied(CLAMP, [claim(110)], None, least=20).metadata["needed"] == 140e-9


def test_a_refusal_tells_all_that_there_is_to_know() -> None:
    refusal = denied(CLAMP, [claim(100, spent=300, reserved=200)], 100)
    assert refusal.metadata == {
        "limited_by": "key",
        "budget": "budget_1",
        "limit": 100e-9,
        "remaining": 0,
        "reserved": 200e-9,
        "needed": 300e-9,
        "resets_at": "2026-11-25T00:00:00Z",
    }
    assert refusal.message == (
        "This API key's daily budget of $0.0000001 has $0 left, and this request may cost up to $0.0000003. "
        "$0.0000002 is reserved for requests that run. It is whole again at 2026-11-25T00:00:00Z. Lower max_tokens, or have it raised."
    )


@pytest.mark.parametrize(
    ("changes", "begins", "ends"),
    [
        ({"owner": BudgetOwner.ENVIRONMENT, "period": BudgetPeriod.WEEKLY}, "This environment's weekly budget of $", "or have it raised."),
        (
            {"owner": BudgetOwner.ORGANISATION, "period": BudgetPeriod.MONTHLY},
            "The organisation's monthly budget of $",
            "or have it raised.",
        ),
        ({"period": BudgetPeriod.TOTAL}, "This API key's budget of $", "up to $0.00000012. Lower max_tokens, or have it raised."),
        ({"period": BudgetPeriod.TOTAL, "name": "Tests"}, "This API key's budget Tests of $", "or have it raised."),
        (
            {"owner": BudgetOwner.ORGANISATION, "id": "credits", "name": "x", "period": BudgetPeriod.TOTAL},
            "The organisation's credits have $0.000000001 left, and",
            "up to $0.00000012. Lower max_tokens, or have credits added.",
        ),
    ],
)
def test_a_refusal_names_whose_budget_it_is_and_what_to_do(changes: dict, begins: str, ends: str) -> None:
    budget = replace(BUDGET, limit_nanousd=1, **changes)
    account = Book(budget.period, None, 0, NOON).account
    refusal = refuse(claim()._replace(budget=budget, account=account), 120)
    assert refusal.message.startswith(begins)
    assert refusal.message.endswith(ends)
    assert (refusal.metadata["resets_at"] is None) is (budget.period is BudgetPeriod.TOTAL)
    assert "reserved for" not in refusal.message


@pytest.mark.parametrize(("identity", "what"), [("budget_1", "the key's budget."), ("credits", "the key's credits.")])
def test_a_model_without_a_known_price_is_refused_as_that(identity: str, what: str) -> None:
    refusal = refuse_unpriced(replace(BUDGET, id=identity), "a/b")
    assert (refusal.code, refusal.http_status, refusal.param) == ("key_budget_exceeded", 402, "model")
    assert refusal.metadata == {"limited_by": "key", "budget": identity, "price_unknown": True}
    assert what in refusal.message
