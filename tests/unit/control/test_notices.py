"""What owners are told without anybody's doing, over the store in memory and a clock that a test moves."""

import secrets
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from anyrouter.control.anomaly import HOURS_BEFORE, AnomalyRules, AnomalyWatch, is_anomalous
from anyrouter.control.audit import make_event
from anyrouter.control.notices import LOOK_BACK, NoticeRules, Notices
from anyrouter.control.stores import AuditFilter
from anyrouter.core.apikey import ApiKey
from anyrouter.core.audit import SYSTEM, AuditEvent
from anyrouter.core.budget import Budget, BudgetOwner, BudgetPeriod
from anyrouter.core.byok import NOTHING_SEALED, ProviderCredential
from anyrouter.core.credits import CreditTransaction, TransactionKind
from anyrouter.core.ids import new_generation_id, new_id
from anyrouter.core.ledger import EntryState, LedgerEntry
from anyrouter.core.tenancy import DEFAULT_ORGANISATION_ID as ORG
from anyrouter.core.tenancy import CreditMode
from anyrouter.core.usage import Usage
from anyrouter.storage.memory import MemoryStorage
from support.events import event_of

NOW = datetime(2026, 3, 4, 5, 6, 7, tzinfo=UTC)
DAY = timedelta(days=1)
HOUR = timedelta(hours=1)
USD = 1_000_000_000


@dataclass
class World:
    storage: MemoryStorage
    notices: Notices
    anomalies: AnomalyWatch
    now: datetime = NOW

    async def make_key(self, **fields: Any) -> ApiKey:
        key_id = new_id("key", 1)
        values = {"id": key_id, "organisation_id": ORG, "environment_id": "env_live", "environment": "live", "name": key_id}
        values |= {"label": "ar-live-abc123", "digest": secrets.token_bytes(32), "pepper_version": 1, "rotation_group": key_id}
        values |= {"scopes": frozenset({"completions:write"}), "created_at": NOW - 100 * DAY, "updated_at": NOW, **fields}
        key = ApiKey(**values)
        await self.storage.keys.add_key(key, event_of(key, "key.create"))
        return key

    def spend(self, key: ApiKey, usd: float, *, ago: timedelta = timedelta(), **fields: Any) -> None:
        at_ms = int((self.now - ago).timestamp() * 1000)
        entry = LedgerEntry(
            generation_id=new_generation_id(at_ms),
            attempt=1,
            request_id="req-1",
            organisation_id=key.organisation_id,
            environment_id=key.environment_id,
            environment=key.environment,
            api_key_id=key.id,
            rotation_group=key.rotation_group,
            endpoint="chat/completions",
            **{"model": "openai/gpt-4o", **fields},
            upstream_model="gpt-4o",
            provider="openai",
            upstream="openai",
            created_at_ms=at_ms,
            state=EntryState.SETTLED,
            status=200,
            usage=Usage(),
            cost_nanousd=int(usd * USD),
        )
        self.storage.ledger.settle(*entry.split())

    async def told(self, action: str) -> list[AuditEvent]:
        found = await self.storage.audit.list_events(AuditFilter(organisation_id=ORG, action=action, limit=1000))
        assert {link.event.actor for link in found} <= {SYSTEM}
        return [link.event for link in found][::-1]


@pytest.fixture
def world() -> World:
    storage = MemoryStorage()

    def clock() -> datetime:
        return world.now

    notices = Notices(
        notices=storage.notices,
        expiries=storage.expiries,
        spend=storage.spend,
        ledger=storage.reader,
        organisations=storage.organisations,
        keys=storage.keys,
        budgets=storage.budgets,
        credits=storage.credits,
        clock=clock,
        rules=NoticeRules(),
    )
    anomalies = AnomalyWatch(
        notices=storage.notices,
        spend=storage.spend,
        organisations=storage.organisations,
        keys=storage.keys,
        clock=clock,
        rules=AnomalyRules(factor=5, floor_nanousd=5 * USD),
    )
    world = World(storage, notices, anomalies)
    return world


async def test_a_key_s_end_is_told_at_each_threshold_and_at_the_end_once(world: World) -> None:
    key = await world.make_key(expires_at=NOW + 20 * DAY)
    for _ in range(24 * 22):
        await world.notices.tell()
        world.now += HOUR
    told = await world.told("key.expiring")
    assert [(event.target_id, event.after["days"]) for event in told] == [(key.id, 14), (key.id, 3), (key.id, 1)]
    assert [NOW + 20 * DAY - event.at for event in told] == [14 * DAY, 3 * DAY, DAY]
    [end] = await world.told("key.expired")
    assert (end.at, end.target_id, end.environment) == (NOW + 20 * DAY, key.id, "live")


async def test_of_several_thresholds_at_once_the_nearest_is_told(world: World) -> None:
    await world.make_key(expires_at=NOW + 2 * DAY)
    for _ in range(2):
        await world.notices.tell_ends()
    assert [event.after["days"] for event in await world.told("key.expiring")] == [3]


async def test_a_key_that_was_made_for_a_day_is_not_said_to_end_in_fourteen(world: World) -> None:
    await world.make_key(created_at=NOW, expires_at=NOW + 12 * HOUR)
    await world.make_key(created_at=NOW, expires_at=NOW + 5 * DAY)
    await world.notices.tell_ends()
    assert await world.told("key.expiring") == []
    world.now += 2 * DAY
    await world.notices.tell_ends()
    assert [event.after["days"] for event in await world.told("key.expiring")] == [3]


async def test_a_key_whose_end_was_put_off_is_told_of_again(world: World) -> None:
    key = await world.make_key(expires_at=NOW + DAY)
    await world.notices.tell_ends()
    longer = replace(key, expires_at=NOW + 30 * DAY, version=2)
    await world.storage.keys.update_key(longer, event_of(longer))
    world.now += 29 * DAY
    await world.notices.tell_ends()
    assert [event.after["days"] for event in await world.told("key.expiring")] == [1, 1]


async def test_ends_long_ago_and_of_keys_that_were_ended_otherwise_are_no_news(world: World) -> None:
    await world.make_key(expires_at=NOW - LOOK_BACK)
    await world.make_key(expires_at=NOW, is_disabled=True)
    await world.make_key(expires_at=NOW, deleted_at=NOW)
    recent = await world.make_key(expires_at=NOW - LOOK_BACK + HOUR, superseded_by="key_new")
    await world.notices.tell_ends()
    [event] = await world.told("key.expired")
    assert (event.target_id, event.after["superseded_by"]) == (recent.id, "key_new")


async def make_budget(world: World, **fields: Any) -> Budget:
    values = {"id": new_id("bud", 1), "organisation_id": ORG, "owner": BudgetOwner.ORGANISATION, "owner_id": ORG}
    budget = Budget(**{**values, "limit_nanousd": 10 * USD, "period": BudgetPeriod.DAILY, "created_at": NOW, **fields})
    await world.storage.budgets.add_budget(budget, make_event(SYSTEM, ORG, "budget.create", NOW))
    return budget


async def test_a_budget_is_told_of_at_its_parts_once_a_period(world: World) -> None:
    key = await world.make_key()
    budget = await make_budget(world, name="Daily")
    for usd, percents in ((7.99, []), (0.01, [80]), (1.99, [80]), (0.01, [80, 100]), (5.0, [80, 100])):
        world.spend(key, usd)
        for _ in range(2):
            await world.notices.tell()
        assert [event.after["percent"] for event in await world.told("budget.threshold")] == percents
    event = (await world.told("budget.threshold"))[1]
    assert (event.target_id, event.target_label, event.after["owner"]) == (budget.id, "Daily", "organisation")
    assert (event.after["spent_nanousd"], event.after["limit_nanousd"]) == (10 * USD, 10 * USD)
    world.now += DAY
    await world.notices.tell()
    assert len(await world.told("budget.threshold")) == 2
    world.spend(key, 8)
    await world.notices.tell()
    assert [event.after["percent"] for event in await world.told("budget.threshold")] == [80, 100, 80]


async def test_a_budget_that_is_passed_at_once_is_told_of_once_and_again_when_it_is_raised(world: World) -> None:
    key = await world.make_key()
    budget = await make_budget(world)
    world.spend(key, 20)
    await world.notices.tell()
    assert [event.after["percent"] for event in await world.told("budget.threshold")] == [100]
    raised = replace(budget, limit_nanousd=21 * USD, version=2)
    await world.storage.budgets.update_budget(raised, make_event(SYSTEM, ORG, "budget.update", NOW))
    await world.notices.tell()
    assert [event.after["percent"] for event in await world.told("budget.threshold")] == [100, 80]


async def test_a_budget_counts_its_owner_s_requests_and_its_models(world: World) -> None:
    key, other = await world.make_key(), await world.make_key(environment_id="env_other", environment="other")
    for fields in (
        {"owner": BudgetOwner.KEY, "owner_id": key.rotation_group},
        {"owner": BudgetOwner.ENVIRONMENT, "owner_id": "env_live"},
        {"models": ("anthropic/*",)},
    ):
        await make_budget(world, **fields)
    await make_budget(world, limit_nanousd=0)
    world.spend(other, 9)
    await world.notices.tell()
    assert await world.told("budget.threshold") == []
    world.spend(key, 9, model="anthropic/claude")
    await world.notices.tell()
    assert sorted(event.after["owner"] for event in await world.told("budget.threshold")) == ["environment", "key", "organisation"]


async def test_a_key_s_own_limit_is_told_of_once_for_its_rotation_group(world: World) -> None:
    limit = {"limit_nanousd": 10 * USD, "limit_reset": BudgetPeriod.MONTHLY}
    old = await world.make_key(**limit)
    new = await world.make_key(**limit, rotation_group=old.rotation_group)
    unused = await world.make_key(**limit)
    for key in (old, new):
        world.storage.keys.note(key.id, int(NOW.timestamp() * 1000), "203.0.113.7", None)
    world.spend(old, 4)
    world.spend(new, 4)
    world.spend(unused, 20)
    for _ in range(2):
        await world.notices.tell()
    [event] = await world.told("budget.threshold")
    assert event.after == {
        "percent": 80,
        "spent_nanousd": 8 * USD,
        "limit_nanousd": 10 * USD,
        "period": "monthly",
        "owner": "key",
        "owner_id": old.rotation_group,
    }
    assert event.target_id in {old.id, new.id}


async def give(world: World, usd: float, kind: TransactionKind = TransactionKind.GRANT) -> None:
    world.now += timedelta(seconds=1)
    transaction = CreditTransaction(id=new_id("ctx", 1), organisation_id=ORG, kind=kind, amount_nanousd=int(usd * USD), at=world.now)
    await world.storage.credits.add_transaction(transaction, make_event(SYSTEM, ORG, "credits.grant", world.now))


async def set_mode(world: World, mode: CreditMode) -> None:
    [organisation] = await world.storage.organisations.list_organisations()
    changed = replace(organisation, credit_mode=mode, version=organisation.version + 1)
    await world.storage.organisations.update_organisation(changed, make_event(SYSTEM, ORG, "credits.configure", world.now))


async def test_credits_are_low_below_a_tenth_of_the_grants_that_they_are_left_of(world: World) -> None:
    key = await world.make_key()
    await set_mode(world, CreditMode.PREPAID)
    await give(world, 1000)
    world.spend(key, 900)
    await world.notices.tell()
    assert await world.told("credits.low") == []
    world.spend(key, 0.01)
    for _ in range(2):
        await world.notices.tell()
    [event] = await world.told("credits.low")
    assert event.after == {"left_nanousd": 99_990_000_000, "granted_nanousd": 1000 * USD}
    world.spend(key, 99.99)
    await give(world, 20)  # of the old grant nothing is left
    await world.notices.tell()
    assert len(await world.told("credits.low")) == 1
    world.spend(key, 18.01)
    await world.notices.tell()
    assert (await world.told("credits.low"))[1].after == {"left_nanousd": 1_990_000_000, "granted_nanousd": 20 * USD}


async def test_credits_that_end_nothing_are_not_told_of(world: World) -> None:
    key = await world.make_key()
    await give(world, 1)
    world.spend(key, 5)
    await world.notices.tell()
    await set_mode(world, CreditMode.PREPAID)
    await give(world, -1, TransactionKind.ADJUSTMENT)
    assert await world.told("credits.low") == []


async def test_a_credential_that_is_put_aside_is_told_of_once_a_day_and_reason(world: World) -> None:
    credential = ProviderCredential(
        id="byok_1",
        organisation_id=ORG,
        environment_id="env_live",
        environment="live",
        provider="openai",
        name="main",
        secret_label="sk-…AbCd",
        sealed=NOTHING_SEALED,
        seal_version=1,
        host="api.openai.com",
        created_at=NOW,
        updated_at=NOW,
    )
    for reason in ("rate_limited", "rate_limited", "rejected_or_failing"):
        await world.notices.tell_quarantine(credential, NOW + HOUR, reason)
    world.now += DAY
    await world.notices.tell_quarantine(credential, NOW + HOUR, "rate_limited")
    told = await world.told("credential.quarantined")
    assert [event.after["reason"] for event in told] == ["rate_limited", "rejected_or_failing", "rate_limited"]
    assert {event.target_id for event in told} == {"byok_1"}


@pytest.mark.parametrize(
    ("last", "before", "expected"),
    [
        (5 * USD, 0, True),  # never used before
        (5 * USD - 1, 0, False),  # below the floor
        (10 * USD, 2 * USD * HOURS_BEFORE, False),  # exactly five times
        (10 * USD + 1, 2 * USD * HOURS_BEFORE, True),
        (100 * USD, 100 * USD * HOURS_BEFORE, False),
    ],
)
def test_an_hour_is_odd_beyond_its_factor_and_its_floor(last: int, before: int, expected: bool) -> None:
    assert is_anomalous(last, before, AnomalyRules(factor=5, floor_nanousd=5 * USD)) is expected


async def test_an_odd_hour_of_one_key_is_told_once_a_day(world: World) -> None:
    busy, leaked = await world.make_key(), await world.make_key()
    for hours in range(2, 160):
        world.spend(busy, 20, ago=timedelta(hours=hours))
        world.spend(leaked, 0.5, ago=timedelta(hours=hours))
    world.spend(busy, 20, ago=HOUR)
    world.spend(leaked, 6, ago=HOUR)
    world.spend(busy, 1000)  # this hour is not over
    for _ in range(3):
        await world.anomalies.tell()
    [event] = await world.told("spend.anomaly")
    assert (event.target_id, event.target_label, event.environment) == (leaked.rotation_group, leaked.label, "live")
    assert event.after == {
        "hour": "2026-03-04T04:00:00Z",
        "spent_nanousd": 6 * USD,
        "usual_nanousd": 158 * USD // 2 // HOURS_BEFORE,
        "owner": "key",
    }
    world.now += HOUR
    await world.anomalies.tell()
    assert [row.after["owner"] for row in await world.told("spend.anomaly")] == ["key", "organisation", "key"]
    world.now += DAY
    world.spend(leaked, 100, ago=HOUR)
    await world.anomalies.tell()
    assert [row.target_id for row in await world.told("spend.anomaly")][3:] == [leaked.rotation_group]
