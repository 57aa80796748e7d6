"""NoticeStore, ExpiryReader and SpendReader, the same over every store."""

import asyncio
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime, timedelta

from anyrouter.control.audit import make_event
from anyrouter.control.stores import HourlySpend
from anyrouter.core.apikey import ApiKey
from anyrouter.core.audit import SYSTEM
from anyrouter.core.budget import Budget, BudgetOwner, BudgetPeriod
from anyrouter.core.ledger import LedgerEntry
from anyrouter.core.tenancy import DEFAULT_ORGANISATION_ID
from anyrouter.storage.ledger_rows import record_missing
from anyrouter.storage.memory import MemoryStorage
from anyrouter.storage.opening import ServingStorage

AnyStorage = ServingStorage | MemoryStorage
NOW = datetime(2026, 3, 4, 5, 6, 7, 89_000, tzinfo=UTC)
NOW_MS = 1_772_600_767_089
HOUR_MS = 3_600_000
ORG = DEFAULT_ORGANISATION_ID


async def record(storage: AnyStorage, *entries: LedgerEntry) -> None:
    if isinstance(storage, MemoryStorage):
        for entry in entries:
            storage.ledger.settle(*entry.split())
    else:
        await storage.database.write(lambda connection: record_missing(connection, [entry.split() for entry in entries]))


async def test_a_notice_is_taken_once_and_its_event_is_written_with_it(storage: AnyStorage) -> None:
    event = make_event(SYSTEM, ORG, "key.expiring", NOW)
    before, _ = await storage.audit.read_head(ORG)
    assert await storage.notices.take_notice(ORG, "key_1", "expiring:14", NOW, event)
    assert not await storage.notices.take_notice(ORG, "key_1", "expiring:14", NOW, make_event(SYSTEM, ORG, "key.expiring", NOW))
    for other in ((ORG, "key_1", "expiring:3"), (ORG, "key_2", "expiring:14"), ("org_other", "key_1", "expiring:14")):
        assert await storage.notices.take_notice(*other, NOW)
    links = await storage.audit.read_chain(ORG, after_number=before, limit=10)
    assert [link.event.id for link in links] == [event.id]


async def test_a_notice_that_is_taken_several_times_at_once_is_taken_once(both: tuple[AnyStorage, AnyStorage]) -> None:
    """Each looks before any of them has written."""
    takers = (storage.notices.take_notice(ORG, "key_1", "expiring:14", NOW) for storage in both * 4)
    assert sorted(await asyncio.gather(*takers)) == [False] * 7 + [True]


async def test_old_notices_are_forgotten(storage: AnyStorage) -> None:
    await storage.notices.take_notice(ORG, "key_1", "a", NOW)
    await storage.notices.take_notice(ORG, "key_1", "b", NOW + timedelta(days=2))
    assert await storage.notices.delete_notices_before(NOW + timedelta(days=1)) == 1
    assert await storage.notices.take_notice(ORG, "key_1", "a", NOW)
    assert not await storage.notices.take_notice(ORG, "key_1", "b", NOW)


async def test_keys_are_found_that_expire_within_a_time_and_can_be_used(
    storage: AnyStorage, make_key: Callable[..., Awaitable[ApiKey]]
) -> None:
    day = timedelta(days=1)
    soon, later = await make_key(expires_at=NOW + day), await make_key(expires_at=NOW + 3 * day)
    await make_key()
    await make_key(expires_at=NOW)
    await make_key(expires_at=NOW + day, is_disabled=True)
    await make_key(expires_at=NOW + day, deleted_at=NOW)
    assert await storage.expiries.list_expiring(NOW, NOW + 2 * day, limit=10) == [soon]
    both = sorted([soon, later], key=lambda key: key.id)
    assert await storage.expiries.list_expiring(NOW, NOW + 3 * day, limit=10) == both
    assert await storage.expiries.list_expiring(NOW, NOW + 3 * day, limit=1, after_id=both[0].id) == [both[1]]


async def test_what_was_charged_is_summed_for_whoever_has_a_budget(
    storage: AnyStorage, make_key: Callable[..., Awaitable[ApiKey]], make_entry: Callable[..., LedgerEntry]
) -> None:
    key = await make_key()
    names = {"environment_id": key.environment_id, "api_key_id": key.id, "rotation_group": key.rotation_group}
    await record(
        storage,
        make_entry(**names, cost_nanousd=5),
        make_entry(**names, cost_nanousd=7, model="anthropic/claude"),
        make_entry(**names, cost_nanousd=11, created_at_ms=NOW_MS - 24 * HOUR_MS),
        make_entry(environment_id=key.environment_id, cost_nanousd=13),
        make_entry(organisation_id="org_other", cost_nanousd=17),
    )

    async def read(owner: BudgetOwner, owner_id: str, since: datetime | None) -> dict[str, int]:
        budget = Budget(id="b", organisation_id=ORG, owner=owner, owner_id=owner_id, limit_nanousd=1, period=BudgetPeriod.DAILY)
        return dict(await storage.spend.sum_by_model(budget, since))

    assert await read(BudgetOwner.KEY, key.rotation_group, NOW) == {"openai/gpt-4o": 5, "anthropic/claude": 7}
    assert await read(BudgetOwner.KEY, key.rotation_group, None) == {"openai/gpt-4o": 16, "anthropic/claude": 7}
    assert await read(BudgetOwner.ENVIRONMENT, key.environment_id, NOW) == {"openai/gpt-4o": 18, "anthropic/claude": 7}
    assert await read(BudgetOwner.ORGANISATION, ORG, None) == {"openai/gpt-4o": 29, "anthropic/claude": 7}
    assert await read(BudgetOwner.KEY, "key_unknown", None) == {}


async def test_what_was_charged_in_an_hour_stands_beside_the_hours_before(
    storage: AnyStorage, make_key: Callable[..., Awaitable[ApiKey]], make_entry: Callable[..., LedgerEntry]
) -> None:
    old, other = await make_key(), await make_key()
    new = await make_key(rotation_group=old.rotation_group)

    def spent(key: ApiKey, hours_ago: int, cost: int) -> LedgerEntry:
        made_ms = NOW_MS - hours_ago * HOUR_MS
        return make_entry(api_key_id=key.id, rotation_group=key.rotation_group, created_at_ms=made_ms, cost_nanousd=cost)

    await record(storage, spent(old, 0, 1), spent(new, 1, 2), spent(old, 1, 4), spent(old, 2, 8), spent(other, 2, 16), spent(old, 30, 32))
    hour = NOW_MS // HOUR_MS - 1
    found = await storage.spend.list_hourly(ORG, hour, hours_before=24)
    groups = {row.rotation_group: row for row in found}
    assert groups == {
        old.rotation_group: HourlySpend(rotation_group=old.rotation_group, last_nanousd=6, before_nanousd=8),
        other.rotation_group: HourlySpend(rotation_group=other.rotation_group, last_nanousd=0, before_nanousd=16),
    }
    assert await storage.spend.list_hourly("org_other", hour, hours_before=24) == []
