"""Whose limits and budgets hold for whom; environments, organisations and prepaid credits through `Holds`."""

import asyncio
import random
import time
from dataclasses import replace
from datetime import UTC, datetime

import pytest

from anyrouter.core.apikey import ApiKey
from anyrouter.core.budget import Budget, BudgetOwner, BudgetPeriod, BudgetPolicy
from anyrouter.core.catalogue import Tariff
from anyrouter.core.errors import Denied, StorageUnavailable
from anyrouter.core.tenancy import CreditMode, Environment, EnvironmentKind
from anyrouter.policy.budget import own_budgets
from anyrouter.policy.candidate import Candidate, make_candidates
from anyrouter.policy.health import HealthBook
from anyrouter.policy.route import Snapshot, Target
from anyrouter.relay.call import Principal
from anyrouter.relay.hold import Hold, Holds, Wish
from anyrouter.relay.lane import make_lane
from anyrouter.relay.limiter import RateLimiter
from anyrouter.relay.memory import MemoryLedger
from anyrouter.relay.purse import Purse
from anyrouter.relay.stats import RelayStats
from anyrouter.relay.terms import make_terms
from anyrouter.wire.openai import read_request
from support.tenants import ORGANISATION

NOW = datetime(2026, 1, 1, tzinfo=UTC)
LIVE = Environment(id="env_live", organisation_id="org_default", slug="live", name="live", kind=EnvironmentKind.LIVE)
KEY = ApiKey(
    id="key_1",
    organisation_id="org_default",
    environment_id="env_live",
    environment="live",
    name="test",
    label="ar-live-MARKER",
    digest=bytes(32),
    pepper_version=1,
    rotation_group="key_1",
    scopes=frozenset(),
    created_at=NOW,
    updated_at=NOW,
)
TARIFF = Tariff(input_nanousd=0, output_nanousd=1_000_000)
MODELS = {"openai/a": TARIFF, "openai/b": Tariff(input_nanousd=0, output_nanousd=3_000_000)}


def caller(
    group: str = "key_1", environment: Environment = LIVE, budgets: tuple[Budget, ...] = (), mode=CreditMode.METERED, **key
) -> Principal:
    made = replace(KEY, id=group, rotation_group=group, environment_id=environment.id, environment=environment.slug, **key)
    organisation = replace(ORGANISATION, credit_mode=mode)
    return Principal(key=made, environment=environment, organisation=organisation, budgets=(*own_budgets(made), *budgets))


def budget(owner: BudgetOwner, owner_id: str, limit: int, models: tuple[str, ...] | None = None) -> Budget:
    return Budget(
        id=f"bud_{owner_id}",
        organisation_id="org_default",
        owner=owner,
        owner_id=owner_id,
        limit_nanousd=limit,
        period=BudgetPeriod.DAILY,
        models=models,
    )


@pytest.fixture
def holds() -> Holds:
    ledger, limiter = MemoryLedger(), RateLimiter()
    return Holds(limiter, Purse(ledger, granted_of({"org_default": 1000})), ledger)


def granted_of(amounts: dict[str, int]):
    async def read(organisation_id: str) -> int:
        return amounts[organisation_id]

    return read


async def take(holds: Holds, principal: Principal, make_upstream, *models: str, tokens: int = 100, tries: int = 1) -> Hold | Denied:
    """A request for so many tokens, of the first model or, if that fails, the others."""
    terms = make_terms(principal)
    assert terms is not None
    stops: list[tuple[Candidate, object]] = []
    for model in models or ("openai/a",):
        target = Target(upstream=make_upstream("openai", "openai"), model=model, upstream_model=model, tariff=MODELS[model])
        candidates = make_candidates((target,), HealthBook(), 0.0)
        snapshot = Snapshot(upstreams=(), resolve=lambda _: None, nearest=lambda _: ())
        lane = make_lane(principal, snapshot, "chat/completions", candidates, RelayStats())
        stops.append((candidates.all[0], lane.stops[0]))
    body = b'{"model":"x","messages":[],"max_tokens":%d}' % tokens
    wish = Wish("chat/completions", read_request("chat/completions", body), stops, tries, 1000.0, time.time_ns() // 1_000_000)
    while holds.is_unread(terms, principal, wish.now_ms):
        await holds.read(terms, principal)
    return holds.take(terms, principal, wish)


def refused(hold: Hold | Denied, code: str, owner: str) -> Denied:
    assert isinstance(hold, Denied)
    assert (hold.code, hold.metadata["limited_by"]) == (code, owner)
    return hold


def test_who_has_neither_limits_nor_budgets_has_no_terms() -> None:
    assert make_terms(caller()) is None
    assert make_terms(caller(rate_limit_rpm=5)) is None
    assert make_terms(caller(environment=replace(LIVE, rate_limit_rpm=5))) is None


def test_what_a_sandbox_environment_does_counts_against_no_budget() -> None:
    sandbox = replace(LIVE, kind=EnvironmentKind.SANDBOX)
    everything = budget(BudgetOwner.ORGANISATION, "org_default", 0)
    assert make_terms(caller(environment=sandbox, budgets=(everything,), mode=CreditMode.PREPAID, limit_nanousd=0)) is None
    terms = make_terms(caller(environment=sandbox, budgets=(everything,), concurrency=1))
    assert terms is not None
    assert not terms.has_money


@pytest.mark.parametrize(
    ("own", "shared", "policy"),
    [
        (None, None, BudgetPolicy.CLAMP),
        (None, BudgetPolicy.STRICT, BudgetPolicy.STRICT),
        (BudgetPolicy.OPTIMISTIC, BudgetPolicy.STRICT, BudgetPolicy.OPTIMISTIC),
    ],
)
def test_the_keys_policy_holds_else_its_environments_else_clamp(own, shared, policy) -> None:
    terms = make_terms(caller(environment=replace(LIVE, budget_policy=shared), limit_nanousd=5, budget_policy=own))
    assert terms is not None
    assert terms.policy is policy


async def test_keys_of_an_environment_share_its_tokens_and_its_places(holds: Holds, make_upstream) -> None:
    environment = replace(LIVE, rate_limit_tpm=250, concurrency=3)
    held = [await take(holds, caller(f"key_{n}", environment), make_upstream) for n in range(2)]
    assert all(isinstance(hold, Hold) for hold in held)
    refused(await take(holds, caller("key_3", environment), make_upstream), "token_rate_limited", "environment")
    held.append(await take(holds, caller("key_3", environment), make_upstream, tokens=20))
    assert isinstance(held[-1], Hold)
    refused(await take(holds, caller("key_4", environment), make_upstream, tokens=1), "concurrency_limited", "environment")
    other = replace(environment, id="env_other")
    assert isinstance(await take(holds, caller("key_1", other), make_upstream), Hold)


async def test_what_one_limit_refuses_takes_nothing_of_the_others(holds: Holds, make_upstream) -> None:
    environment = replace(LIVE, rate_limit_tpm=1000, concurrency=10)
    tight = caller("tight", environment, (budget(BudgetOwner.ENVIRONMENT, "env_live", 10**6),), rate_limit_rpd=1, rate_limit_rpm=50)
    first = await take(holds, tight, make_upstream)
    assert isinstance(first, Hold)
    for _ in range(20):
        refused(await take(holds, tight, make_upstream), "rate_limited", "key")
    assert holds.limiter.peek(tight, 1000.0).remaining == 49
    assert holds.limiter._running == {"env_live": 1}
    assert holds.purse.reserved_nanousd == 100
    tokens = holds.limiter._tokens["env_live"].peek(1000.0)
    assert tokens.remaining == 1000 - 101
    first.end(50)
    first.end(50)
    assert (holds.open_count, holds.purse.reserved_nanousd, holds.limiter._running) == (0, 0, {})


async def test_every_budget_counts_that_is_of_the_key_its_environment_or_its_organisation(holds: Holds, make_upstream) -> None:
    budgets = (budget(BudgetOwner.ENVIRONMENT, "env_live", 300), budget(BudgetOwner.ORGANISATION, "org_default", 500))
    kept = [await take(holds, caller(f"key_{n}", budgets=budgets, limit_nanousd=200), make_upstream) for n in range(3)]
    assert all(isinstance(hold, Hold) for hold in kept)
    refused(
        await take(holds, caller("key_9", budgets=budgets, limit_nanousd=200), make_upstream), "environment_budget_exceeded", "environment"
    )
    elsewhere = replace(LIVE, id="env_b", slug="b")
    kept += [await take(holds, caller(f"key_b{n}", elsewhere, budgets[1:]), make_upstream) for n in range(2)]
    refused(await take(holds, caller("key_b9", elsewhere, budgets[1:]), make_upstream), "insufficient_credits", "organisation")
    assert holds.open_count == 5


async def test_only_the_models_of_a_budget_count_against_it(holds: Holds, make_upstream) -> None:
    dear = (budget(BudgetOwner.ENVIRONMENT, "env_live", 600, ("openai/b",)),)
    kept = [await take(holds, caller(budgets=dear), make_upstream, "openai/a", tokens=10**6)]
    kept += [await take(holds, caller(budgets=dear), make_upstream, "openai/b") for _ in range(2)]
    assert all(isinstance(hold, Hold) for hold in kept)
    # A request that may fall back to the dear model needs room for it.
    refused(await take(holds, caller(budgets=dear), make_upstream, "openai/a", "openai/b"), "environment_budget_exceeded", "environment")
    assert isinstance(await take(holds, caller(budgets=dear), make_upstream, "openai/a"), Hold)


async def test_two_attempts_at_once_need_room_for_both(holds: Holds, make_upstream) -> None:
    one = caller(limit_nanousd=200, budget_policy=BudgetPolicy.STRICT)
    kept = await take(holds, one, make_upstream, tries=2)
    assert isinstance(kept, Hold)
    assert holds.purse.reserved_nanousd == 200
    refused(await take(holds, one, make_upstream), "key_budget_exceeded", "key")


async def test_prepaid_credits_are_used_down_to_zero_and_a_grant_is_noticed(make_upstream) -> None:
    amounts = {"org_default": 250}
    ledger = MemoryLedger()
    holds = Holds(RateLimiter(), Purse(ledger, granted_of(amounts)), ledger)
    prepaid = caller(mode=CreditMode.PREPAID, budget_policy=BudgetPolicy.STRICT)
    kept = [await take(holds, prepaid, make_upstream) for _ in range(2)]
    denied = refused(await take(holds, prepaid, make_upstream), "insufficient_credits", "organisation")
    assert "credits have $0.00000005 left" in denied.message
    amounts["org_default"] = 300
    assert isinstance(await take(holds, prepaid, make_upstream), Denied)
    holds.purse.forget_credits({"org_other", "org_default"})
    kept.append(await take(holds, prepaid, make_upstream))
    assert isinstance(kept[-1], Hold)
    (state,) = await holds.list_states(make_terms(prepaid), prepaid)
    assert (state.left, state.reserved, state.end_ms) == (0, 300, None)


async def test_credits_that_cannot_be_read_let_nobody_through(make_upstream) -> None:
    async def fail(_: str) -> int:
        raise StorageUnavailable("gone")

    ledger = MemoryLedger()
    holds = Holds(RateLimiter(), Purse(ledger, fail), ledger)
    with pytest.raises(StorageUnavailable):
        await take(holds, caller(mode=CreditMode.PREPAID), make_upstream)


async def test_credits_that_change_while_they_are_read_are_read_again(make_upstream) -> None:
    asked, gates = [], [asyncio.Event(), asyncio.Event()]

    async def slowly(organisation_id: str) -> int:
        asked.append(organisation_id)
        await gates[len(asked) - 1].wait()
        return 100 * len(asked)

    ledger = MemoryLedger()
    holds = Holds(RateLimiter(), Purse(ledger, slowly), ledger)
    taking = asyncio.create_task(take(holds, caller(mode=CreditMode.PREPAID, budget_policy=BudgetPolicy.STRICT), make_upstream, tokens=200))
    while not asked:  # noqa: ASYNC110 -- a call is waited for
        await asyncio.sleep(0)
    holds.purse.forget_credits({"org_default"})
    gates[0].set()
    gates[1].set()
    assert isinstance(await asyncio.wait_for(taking, 5), Hold)
    assert len(asked) == 2


def test_counters_of_very_many_groups_are_bounded_and_hot_ones_are_kept() -> None:
    limiter, names = RateLimiter(max_counters=10_000), random.Random(7)
    hot = caller("hot", rate_limit_rpm=1000, rate_limit_tpm=10**6)
    hot_terms = make_terms(hot)
    assert hot_terms is not None
    sizes, taken = [], 0
    cold = caller("cold", rate_limit_rpm=1, rate_limit_tpm=10)
    for number in range(40_000):
        now_s = number / 100
        group = f"key_{names.getrandbits(64):x}"
        key = replace(cold.key, rotation_group=group)
        one = replace(cold, key=key)
        terms = make_terms(one)
        assert terms is not None
        limiter.take(one, now_s)
        limiter.take_terms(terms, 10, now_s, 0)
        if number % 1000 == 0:
            limiter.take_terms(hot_terms, 100, now_s, 0)
            taken += 1
            sizes.append(max(len(limiter._counters), len(limiter._tokens)))
            state = limiter._tokens["hot"].peek(now_s)
            assert state.remaining == 10**6 - 100 * min(taken, 6)
    assert max(sizes) <= 10_000 + 6000 + 200
