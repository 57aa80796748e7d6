"""The tenants of the moment follow the store, also through times in which it cannot be read."""

import asyncio
from collections.abc import AsyncIterator
from datetime import UTC, datetime
from pathlib import Path

import pytest

from anyrouter.bootstrap.tenants import TenantReader
from anyrouter.control.audit import make_event
from anyrouter.core.audit import OPERATOR
from anyrouter.core.tenancy import DEFAULT_ORGANISATION_ID, Member, Role
from anyrouter.storage.opening import Storage, open_storage

NOW = datetime(2026, 3, 4, tzinfo=UTC)
MEMBER = Member(id="mem_1", organisation_id=DEFAULT_ORGANISATION_ID, email="a@example.org", name="A", role=Role.OWNER, created_at=NOW)


@pytest.fixture
async def storage(tmp_path: Path) -> AsyncIterator[Storage]:
    storage = await open_storage(tmp_path / "data", environment={})
    yield storage
    await storage.aclose()


async def rename(storage: Storage, old: str, new: str) -> None:
    await storage.database.write(lambda connection: connection.exec_driver_sql(f"ALTER TABLE {old} RENAME TO {new}").rowcount)


async def test_a_change_that_could_not_be_read_is_read_as_soon_as_it_can_be(storage: Storage) -> None:
    tenants, told = TenantReader(storage), asyncio.Queue[int]()
    await tenants.read()
    following = asyncio.create_task(tenants.keep_current(lambda: told.put_nowait(len(tenants.current.members))))
    tenants.wake()
    assert await asyncio.wait_for(told.get(), 5) == 0
    await storage.members.add_member(MEMBER, make_event(OPERATOR, DEFAULT_ORGANISATION_ID, "member.add", NOW))
    await rename(storage, "members", "members_away")
    tenants.wake()
    with pytest.raises(TimeoutError):
        await asyncio.wait_for(told.get(), 0.3)
    assert tenants.current.organisations.keys() == {DEFAULT_ORGANISATION_ID}
    await rename(storage, "members_away", "members")
    assert await asyncio.wait_for(told.get(), 5) == 1
    assert tenants.current.members == {MEMBER.id: MEMBER}
    following.cancel()


async def test_whoever_is_told_and_fails_is_told_again(storage: Storage) -> None:
    tenants, told = TenantReader(storage), asyncio.Queue[int]()
    failures = [ValueError("a subscriber's mistake")]

    def take() -> None:
        if failures:
            raise failures.pop()
        told.put_nowait(len(tenants.current.environments))

    following = asyncio.create_task(tenants.keep_current(take))
    tenants.wake()
    assert await asyncio.wait_for(told.get(), 5) == 2
    following.cancel()
