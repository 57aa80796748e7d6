"""The tenants of the moment follow the store, also through times in which it cannot be read."""

import asyncio
from collections.abc import AsyncIterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import Engine
from sqlalchemy.event import listen, remove

from anyrouter.bootstrap.tenants import TenantReader
from anyrouter.control.audit import make_event
from anyrouter.control.environments import EnvironmentService
from anyrouter.control.organisations import OrganisationService
from anyrouter.core.audit import OPERATOR
from anyrouter.core.tenancy import DEFAULT_ORGANISATION_ID, Member, Role
from anyrouter.policy.rights import OPERATOR_RIGHTS
from anyrouter.storage.opening import Storage, open_storage
from support.databases import lay_tables

NOW = datetime(2026, 3, 4, tzinfo=UTC)
MEMBER = Member(id="mem_1", organisation_id=DEFAULT_ORGANISATION_ID, email="a@example.org", name="A", role=Role.OWNER, created_at=NOW)


@pytest.fixture
async def storage(tmp_path: Path) -> AsyncIterator[Storage]:
    storage = await open_storage(lay_tables(tmp_path / "data"), environment={})
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


async def test_of_many_organisations_only_those_that_changed_are_read_again(storage: Storage) -> None:
    tenants, told = TenantReader(storage), asyncio.Queue[None]()
    organisations = OrganisationService(store=storage.organisations, clock=lambda: NOW)
    first, second = [await organisations.create(OPERATOR, OPERATOR_RIGHTS, name=name) for name in ("one", "two")]
    await tenants.read()
    following = asyncio.create_task(tenants.keep_current(lambda: told.put_nowait(None)))
    storage.watch.subscribe(tenants.wake)
    environments = EnvironmentService(store=storage.environments, clock=lambda: NOW)
    changed = await environments.change(OPERATOR, OPERATOR_RIGHTS, first.id, "live", {"is_active": False})
    await asyncio.wait_for(told.get(), 5)
    assert tenants.current.environments[changed.id] == changed
    statements: list[str] = []

    def note(*seen: Any) -> None:
        statements.append(seen[2])

    listen(Engine, "before_cursor_execute", note)
    third = await organisations.create(OPERATOR, OPERATOR_RIGHTS, name="three")
    await asyncio.wait_for(told.get(), 5)
    remove(Engine, "before_cursor_execute", note)
    read = [statement for statement in statements if "FROM environments" in statement]
    assert len(read) == 1
    assert tenants.current.find_environment(third.id, "live") is not None
    assert tenants.current.find_environment(second.id, "live") is not None
    tenants.wake()
    await asyncio.wait_for(told.get(), 5)
    assert len(tenants.current.environments) == 8
    following.cancel()
