"""Budgets by hand-made requests; the law over random ones is in tests/property/test_budgets.py."""

from dataclasses import replace
from datetime import UTC, datetime

import pytest

from anyrouter.core.budget import Budget, BudgetOwner, BudgetPeriod, BudgetPolicy
from anyrouter.core.catalogue import PriceTier, Tariff
from anyrouter.core.errors import Denied
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
    judge_claims,
    refuse_unpriced,
)
from anyrouter.policy.charge import Billing

NOON = int(datetime(2026, 11, 24, 12, tzinfo=UTC).timestamp() * 1000)  # a Tuesday
DAY = 86_400_000
TARIFF = Tariff(input_nanousd=1_000_000, output_nanousd=2_000_000)  # a nano-dollar per token, two of an answer's
BUDGET = Budget(
    id="budget_1", organisation_id="org_1", owner=BudgetOwner.KEY, owner_id="key_1", limit_nanousd=1000, period=BudgetPeriod.DAILY
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
