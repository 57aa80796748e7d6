"""What budgets and limits of a day begin from: the sum of everything that was settled, wherever it is just then."""

import asyncio
import time

import pytest

from anyrouter.core.budget import BudgetOwner
from anyrouter.core.errors import StorageUnavailable
from anyrouter.core.ids import new_generation_id
from anyrouter.core.ledger import HEDGE_LOST
from anyrouter.core.tenancy import DEFAULT_ORGANISATION_ID
from anyrouter.policy.day_limit import DAY_MS
from anyrouter.relay.ports import ModelUsage, UsageQuestion
from anyrouter.storage.opening import ServingStorage

ORG = DEFAULT_ORGANISATION_ID
NOW_MS = time.time_ns() // 1_000_000
TODAY = NOW_MS // DAY_MS
KEY = UsageQuestion(ORG, BudgetOwner.KEY, "group_1", TODAY)


@pytest.fixture
def settle(serving: ServingStorage, make_entry):
    def do(**fields: object) -> None:
        values = {"rotation_group": "group_1", "created_at_ms": NOW_MS, "model": "openai/a", "cost_nanousd": 10, **fields}
        entry = make_entry(generation_id=new_generation_id(values["created_at_ms"]), **values)
        serving.ledger.settle(*entry.split())

    return do


async def test_an_entry_counts_once_whether_it_is_in_the_queue_or_in_the_database(serving: ServingStorage, settle):
    (nothing,) = await serving.ledger.read_usage([KEY])
    assert nothing == {}
    for number in range(1, 101):
        settle()
        if number % 10 == 0:
            (usage,) = await serving.ledger.read_usage([KEY])
            assert usage == {"openai/a": ModelUsage(10 * number, number)}
        if number % 25 == 0:
            await serving.ledger.flush()
    await serving.ledger.flush()
    assert await serving.ledger.read_usage([KEY]) == [{"openai/a": ModelUsage(1000, 100)}]


async def test_what_is_settled_while_the_sum_is_read_is_in_it_or_told_to_the_watcher_and_never_both(serving: ServingStorage, settle):
    told, is_open = [], False

    async def ask() -> int:
        nonlocal is_open
        (usage,) = await serving.ledger.read_usage([KEY])
        is_open = True  # nobody else has run since the sum was made
        return usage["openai/a"].cost

    serving.ledger.watch(lambda _, outcome: told.append(outcome.cost_nanousd) if is_open else None)
    settle()
    asking = asyncio.create_task(ask())
    count = 1
    while not asking.done():
        settle()
        count += 1
        await asyncio.sleep(0)
    for _ in range(20):
        settle()
        count += 1
    assert asking.result() + sum(told) == 10 * count


async def test_owners_days_and_models_are_told_apart(serving: ServingStorage, settle):
    settle(cost_nanousd=1)
    settle(cost_nanousd=2, model="anthropic/b")
    settle(cost_nanousd=4, rotation_group="group_2")
    settle(cost_nanousd=8, environment_id="env_test", environment="test")
    settle(cost_nanousd=16, created_at_ms=NOW_MS - DAY_MS)
    for is_flushed in (False, True):
        if is_flushed:
            await serving.ledger.flush()
        questions = [
            KEY,
            KEY._replace(first_day=0),
            UsageQuestion(ORG, BudgetOwner.ENVIRONMENT, "env_live", TODAY),
            UsageQuestion(ORG, BudgetOwner.ORGANISATION, ORG, 0),
            UsageQuestion("org_other", BudgetOwner.KEY, "group_1", 0),
            KEY._replace(first_day=TODAY + 1),
        ]
        sums = [{model: used.cost for model, used in usage.items()} for usage in await serving.ledger.read_usage(questions)]
        assert sums == [
            {"openai/a": 9, "anthropic/b": 2},
            {"openai/a": 25, "anthropic/b": 2},
            {"openai/a": 5, "anthropic/b": 2},
            {"openai/a": 29, "anthropic/b": 2},
            {},
            {},
        ]


async def test_an_attempt_that_lost_a_race_costs_and_is_no_request(serving: ServingStorage, settle):
    settle()
    settle(error_code=HEDGE_LOST)
    for _ in range(2):
        assert await serving.ledger.read_usage([KEY]) == [{"openai/a": ModelUsage(20, 1)}]
        await serving.ledger.flush()


async def test_a_database_that_is_gone_is_storage_unavailable(serving: ServingStorage, settle):
    settle()
    await serving.ledger.flush()
    await serving.database.aclose()
    with pytest.raises((StorageUnavailable, RuntimeError)):
        await serving.ledger.read_usage([KEY])
