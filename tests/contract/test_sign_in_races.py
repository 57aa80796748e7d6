"""Two processes over one PostgreSQL, held up until neither gets any further: then one wins, whatever the order of what they did before."""

import asyncio
from collections.abc import AsyncIterator, Coroutine
from dataclasses import replace
from pathlib import Path
from typing import Any

import psycopg
import pytest

from anyrouter.core.errors import ClientError
from anyrouter.storage.database import Database
from anyrouter.storage.opening import Storage, open_storage
from support.sign_in_records import BOB, FACTOR, IDENTITY, LINK, ORG, OWNER, PASSKEY, PASSWORD, event, list_actions

Work = Coroutine[Any, Any, object]
_WAITING = "SELECT count(*) FROM pg_stat_activity WHERE wait_event_type = 'Lock' AND datname = current_database()"


@pytest.fixture
async def processes(tmp_path: Path, postgres_url: str) -> AsyncIterator[tuple[Storage, Storage]]:
    """The store of each; the audit log has an event."""
    first = await open_storage(tmp_path / "data", postgres_url, environment={})
    second = Storage(first.directory, Database(first.database.url), first.peppers)
    await first.audit.add_event(event("begin"))
    yield first, second
    await second.aclose()
    await first.aclose()


@pytest.fixture
async def people(processes: tuple[Storage, Storage]) -> None:
    """Two members."""
    await processes[0].members.add_member(OWNER, event("member.add"))
    await processes[0].members.add_member(BOB, event("member.add"))


async def meet(url: str, *works: Work) -> list[object]:
    """What the works return, or raise, when nothing can be recorded until all of them wait."""
    async with await psycopg.AsyncConnection.connect(url) as holder, await psycopg.AsyncConnection.connect(url, autocommit=True) as watcher:
        await holder.execute("SELECT 1 FROM audit_heads FOR UPDATE")
        tasks = [asyncio.ensure_future(work) for work in works]
        async with asyncio.timeout(8):
            while (await (await watcher.execute(_WAITING)).fetchone()) != (len(works),):  # noqa: ASYNC110 -- another process waits
                await asyncio.sleep(0.005)
        await holder.rollback()
    return await asyncio.gather(*tasks, return_exceptions=True)


def code_of(outcome: object) -> object:
    return outcome.code if isinstance(outcome, ClientError) else outcome


async def test_one_is_the_first_owner(processes: tuple[Storage, Storage], postgres_url: str) -> None:
    owners = [OWNER, replace(BOB, role=OWNER.role)]
    works = [store.sign_in.add_first_owner(owner, None, event("setup")) for store, owner in zip(processes, owners, strict=True)]
    assert set(map(code_of, await meet(postgres_url, *works))) == {None, "not_found"}
    assert len(await processes[0].members.list_members(ORG)) == 1
    assert await list_actions(processes[0]) == ["begin", "setup"]


async def test_one_of_one_address_is_the_first_owner(processes: tuple[Storage, Storage], postgres_url: str) -> None:
    owners = [OWNER, replace(OWNER, id="mem_9")]
    works = [store.sign_in.add_first_owner(owner, None, event("setup")) for store, owner in zip(processes, owners, strict=True)]
    assert set(map(code_of, await meet(postgres_url, *works))) == {None, "not_found"}


async def test_one_uses_a_link(processes: tuple[Storage, Storage], people: None, postgres_url: str) -> None:
    await processes[0].sign_in.add_link(LINK, event("link.create"))
    passwords = [replace(PASSWORD, hash="$argon2id$a"), replace(PASSWORD, hash="$argon2id$b")]
    works = [store.sign_in.use_link(LINK, password, event("use")) for store, password in zip(processes, passwords, strict=True)]
    outcomes = [code_of(outcome) for outcome in await meet(postgres_url, *works)]
    assert set(outcomes) == {None, "not_found"}
    assert await processes[0].sign_in.find_password(OWNER.id) == passwords[outcomes.index(None)]


async def test_one_of_two_new_links_stays(processes: tuple[Storage, Storage], people: None, postgres_url: str) -> None:
    links = [LINK, replace(LINK, id="sil_2", digest=b"second")]
    works = [store.sign_in.add_link(link, event("link.create")) for store, link in zip(processes, links, strict=True)]
    assert await meet(postgres_url, *works) == [None, None]
    found = [await processes[0].sign_in.find_link(link.digest) for link in links]
    assert [link.used_at for link in found if link is not None].count(None) == 1


async def test_a_link_and_a_password_end_each_other(processes: tuple[Storage, Storage], people: None, postgres_url: str) -> None:
    """Whichever comes later: a link from before a new password does not work, and none deadlocks."""
    await processes[0].sign_in.add_link(LINK, event("link.create"))
    first, second = processes
    outcomes = await meet(
        postgres_url, first.sign_in.use_link(LINK, PASSWORD, event("use")), second.sign_in.put_password(PASSWORD, event("change"))
    )
    assert code_of(outcomes[0]) in {None, "not_found"}
    assert outcomes[1] is None


async def test_one_uses_a_recovery_code(processes: tuple[Storage, Storage], people: None, postgres_url: str) -> None:
    await processes[0].sign_in.put_second_factor(replace(FACTOR, recovery=(b"one", b"two")))
    outcomes = await meet(postgres_url, *(store.sign_in.take_recovery(OWNER.id, b"one", event("use")) for store in processes))
    assert sorted(map(bool, outcomes)) == [False, True]
    assert await list_actions(processes[0], "use") == ["use"]


async def test_one_registers_a_credential_and_one_an_identity(processes: tuple[Storage, Storage], people: None, postgres_url: str) -> None:
    passkeys = [PASSKEY, replace(PASSKEY, id="pky_2", member_id=BOB.id)]
    works: list[Work] = [store.sign_in.add_passkey(passkey, event()) for store, passkey in zip(processes, passkeys, strict=True)]
    assert set(map(code_of, await meet(postgres_url, *works))) == {None, "duplicate_name"}
    identities = [IDENTITY, replace(IDENTITY, member_id=BOB.id)]
    works = [store.sign_in.add_identity(identity, event()) for store, identity in zip(processes, identities, strict=True)]
    assert set(map(code_of, await meet(postgres_url, *works))) == {None, "duplicate_name"}


async def test_what_is_stored_while_a_membership_ends_does_not_survive_it(
    processes: tuple[Storage, Storage], people: None, postgres_url: str
) -> None:
    await processes[0].sign_in.add_link(replace(LINK, member_id=BOB.id), event("link.create"))
    gone = replace(BOB, is_active=False, version=2)
    use = processes[1].sign_in.use_link(replace(LINK, member_id=BOB.id), replace(PASSWORD, member_id=BOB.id), event("use"))
    outcomes = await meet(postgres_url, processes[0].members.update_member(gone, event("member.remove")), use)
    assert outcomes[0] is None
    assert code_of(outcomes[1]) in {None, "not_found"}
    assert await processes[0].sign_in.find_password(BOB.id) is None
