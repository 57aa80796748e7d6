"""A grace that begins with the first use of the new key, over every store."""

import asyncio
from datetime import UTC, datetime, timedelta

import pytest

from anyrouter.control.first_use import FirstUses
from anyrouter.control.keys import KeyService
from anyrouter.control.rotation import GraceStart
from anyrouter.control.stores import AuditFilter
from anyrouter.core.apikey import ApiKey
from anyrouter.core.errors import ClientError
from anyrouter.core.tenancy import DEFAULT_ORGANISATION_ID
from anyrouter.storage.memory import MemoryStorage
from anyrouter.storage.opening import ServingStorage
from support.operator_keys import OperatorKeys

AnyStorage = ServingStorage | MemoryStorage
HOUR = timedelta(hours=1)
NOW = datetime(2026, 3, 4, 5, 6, 7, 89_000, tzinfo=UTC)
NOW_MS = 1_772_600_767_089


class Clock:
    """A time that is moved by hand."""

    def __init__(self) -> None:
        self.now = NOW

    def __call__(self) -> datetime:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def keys(storage: AnyStorage, clock: Clock) -> OperatorKeys:
    service = KeyService(
        store=storage.keys,
        environments=storage.environments,
        organisations=storage.organisations,
        pepper=b"MARKER-pepper",
        pepper_version=1,
        clock=clock,
    )
    return OperatorKeys(service)


@pytest.fixture
def uses(storage: AnyStorage, clock: Clock) -> FirstUses:
    return FirstUses(store=storage.keys, notices=storage.key_use, clock=clock)


async def rotate_twice(keys: OperatorKeys, clock: Clock) -> list[ApiKey]:
    """Three keys of one group, each rotated before the next was used."""
    first, _ = await keys.create(name="deploy")
    clock.now += HOUR
    second, _ = await keys.rotate(first.id, grace_s=3600, start=GraceStart.FIRST_USE)
    clock.now += HOUR
    third, _ = await keys.rotate(second.id, grace_s=60, start=GraceStart.FIRST_USE)
    clock.now += HOUR
    return [first, second, third]


async def begun_events(storage: AnyStorage) -> int:
    return len(await storage.audit.list_events(AuditFilter(organisation_id=DEFAULT_ORGANISATION_ID, action="key.begin_grace")))


async def test_nothing_ends_before_the_new_key_is_used(keys: OperatorKeys, uses: FirstUses, clock: Clock) -> None:
    group = await rotate_twice(keys, clock)
    await uses.look()
    await uses.begin_due()
    assert [(await keys.show(key.id)).expires_at for key in group] == [None, None, None]


async def test_the_first_use_begins_the_grace_of_all_that_are_older_once(
    storage: AnyStorage, keys: OperatorKeys, uses: FirstUses, clock: Clock
) -> None:
    first, second, third = await rotate_twice(keys, clock)
    await uses.look()
    storage.key_use.note(first.id, NOW_MS, "192.0.2.1", None)  # the old key's use begins nothing
    await uses.begin_due()
    assert await begun_events(storage) == 0
    for _ in range(3):
        storage.key_use.note(third.id, NOW_MS, "192.0.2.1", None)
    await uses.begin_due()
    await uses.look()
    clock.now += HOUR
    storage.key_use.note(third.id, NOW_MS + 1, "192.0.2.1", None)
    await uses.begin_due()
    used_at = clock.now - HOUR
    shown = [await keys.show(key.id) for key in (first, second, third)]
    assert [(key.expires_at, key.grace_s) for key in shown] == [(used_at + HOUR, None), (used_at + HOUR / 60, None), (None, None)]
    assert await begun_events(storage) == 2


async def test_a_use_that_nobody_saw_is_found_by_the_time_of_last_use(
    storage: AnyStorage, keys: OperatorKeys, uses: FirstUses, clock: Clock
) -> None:
    old, _ = await keys.create(name="deploy")
    clock.now += HOUR
    new, _ = await keys.rotate(old.id, grace_s=0, start=GraceStart.FIRST_USE)
    storage.key_use.note(new.id, NOW_MS, "192.0.2.1", None)
    await storage.key_use.flush()
    await uses.look()
    await uses.begin_due()
    assert (await keys.show(old.id)).expires_at == clock.now


async def test_a_grace_never_outlives_the_old_keys_own_expiry(
    storage: AnyStorage, keys: OperatorKeys, uses: FirstUses, clock: Clock
) -> None:
    own_end = clock.now + 2 * HOUR
    old, _ = await keys.create(name="deploy", expires_at=own_end)
    clock.now += HOUR
    new, _ = await keys.rotate(old.id, grace_s=30 * 24 * 3600, start=GraceStart.FIRST_USE)
    storage.key_use.note(new.id, NOW_MS, "192.0.2.1", None)
    await uses.look()
    await uses.begin_due()
    assert (await keys.show(old.id)).expires_at == own_end


async def test_two_processes_begin_a_grace_once(storage: AnyStorage, keys: OperatorKeys, uses: FirstUses, clock: Clock) -> None:
    old, _ = await keys.create(name="deploy")
    clock.now += HOUR
    new, _ = await keys.rotate(old.id, grace_s=60, start=GraceStart.FIRST_USE)
    others = [FirstUses(store=storage.keys, notices=storage.key_use, clock=clock) for _ in range(3)]
    storage.key_use.note(new.id, NOW_MS, "192.0.2.1", None)
    await storage.key_use.flush()
    for each in (uses, *others):
        await each.look()
    await asyncio.gather(*(each.begin_due() for each in (uses, *others)))
    assert await begun_events(storage) == 1


async def test_it_runs_beside_and_needs_no_asking(storage: AnyStorage, keys: OperatorKeys, uses: FirstUses, clock: Clock) -> None:
    begun = asyncio.Event()
    old, _ = await keys.create(name="deploy")
    clock.now += HOUR
    storage.watch.subscribe(uses.wake)
    running = asyncio.create_task(uses.run())
    try:
        new, _ = await keys.rotate(old.id, grace_s=60, start=GraceStart.FIRST_USE)
        storage.watch.subscribe(lambda _: begun.set())
        storage.key_use.note(new.id, NOW_MS, "192.0.2.1", None)
        storage.key_use.note(new.id, NOW_MS, "192.0.2.1", None)
        await asyncio.wait_for(begun.wait(), 5)
    finally:
        running.cancel()
    assert (await keys.show(old.id)).expires_at == clock.now + HOUR / 60


async def test_a_grace_of_a_key_that_is_gone_begins_for_nobody(
    storage: AnyStorage, keys: OperatorKeys, uses: FirstUses, clock: Clock
) -> None:
    old, _ = await keys.create(name="deploy")
    clock.now += HOUR
    new, _ = await keys.rotate(old.id, grace_s=60, start=GraceStart.FIRST_USE)
    await uses.look()
    await keys.delete(old.id)
    storage.key_use.note(new.id, NOW_MS, "192.0.2.1", None)
    await uses.begin_due()
    assert await begun_events(storage) == 0
    with pytest.raises(ClientError):
        await keys.show(old.id)
