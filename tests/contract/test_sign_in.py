"""SignInStore: members, the first owner, passwords, links, identities, and the end of a membership; the same over every store."""

import asyncio
from collections.abc import Awaitable
from dataclasses import replace
from datetime import timedelta

import pytest

from anyrouter.control.sign_in_stores import SignInStore
from anyrouter.core.errors import ClientError
from anyrouter.core.tenancy import Member, Role
from support.sign_in_records import (
    BOB,
    BROKEN,
    FACTOR,
    IDENTITY,
    LATER,
    LINK,
    NOW,
    ORG,
    OTHER,
    OWNER,
    PASSKEY,
    PASSWORD,
    AnyStorage,
    add_organisation,
    event,
    list_actions,
    session_of,
)

Both = tuple[AnyStorage, AnyStorage]
BOBS_PASSWORD = replace(PASSWORD, member_id=BOB.id, hash="$argon2id$bob")


@pytest.fixture
async def people(storage: AnyStorage) -> None:
    """Two members."""
    await storage.members.add_member(OWNER, event("member.add"))
    await storage.members.add_member(BOB, event("member.add"))


async def refusal(work: Awaitable[object]) -> str:
    with pytest.raises(ClientError) as refused:
        await work
    return refused.value.code


async def race(*works: Awaitable[object]) -> list[str]:
    """The codes of those that were refused."""
    outcomes = await asyncio.gather(*works, return_exceptions=True)
    for outcome in outcomes:
        if isinstance(outcome, BaseException) and not isinstance(outcome, ClientError):
            raise outcome
    return [outcome.code for outcome in outcomes if isinstance(outcome, ClientError)]


async def open_sessions(storage: AnyStorage, member: Member = OWNER) -> list[str]:
    return [session.id for session in await storage.sessions.list_sessions(ORG, member.id)]


async def test_members_are_found_by_address_where_they_and_their_organisation_are_active(storage: AnyStorage, people: None) -> None:
    store: SignInStore = storage.sign_in
    elsewhere = replace(OWNER, id="mem_0", organisation_id=OTHER.id, role=Role.VIEWER, created_at=NOW - timedelta(days=1))
    await add_organisation(storage)
    await storage.members.add_member(elsewhere, event(organisation_id=OTHER.id))
    assert await store.find_members(OWNER.email) == [elsewhere, OWNER]
    assert await store.find_members("Ada@example.org") == []
    assert await store.find_member(ORG, OWNER.id) == OWNER
    assert await store.find_member(OTHER.id, OWNER.id) is None
    gone = replace(BOB, is_active=False, version=2)
    await storage.members.update_member(gone, event("member.remove"))
    assert await store.find_members(BOB.email) == []
    assert await store.find_member(ORG, BOB.id) == gone
    await storage.organisations.update_organisation(replace(OTHER, is_active=False, version=2), event(organisation_id=OTHER.id))
    assert await store.find_members(OWNER.email) == [OWNER]


async def test_the_first_owner_comes_with_a_password_and_an_event_and_is_announced(storage: AnyStorage) -> None:
    told: list[frozenset[str]] = []
    storage.watch.subscribe(told.append)
    assert not await storage.sign_in.has_owner(ORG)
    with pytest.raises(TypeError):
        await storage.sign_in.add_first_owner(OWNER, PASSWORD, BROKEN)
    assert await storage.members.list_members(ORG) == []
    assert await storage.sign_in.find_password(OWNER.id) is None
    await storage.sign_in.add_first_owner(OWNER, PASSWORD, event("setup.finish"))
    assert await storage.sign_in.has_owner(ORG)
    assert not await storage.sign_in.has_owner(OTHER.id)
    assert await storage.members.list_members(ORG) == [OWNER]
    assert await storage.sign_in.find_password(OWNER.id) == PASSWORD
    assert await list_actions(storage) == ["setup.finish"]
    assert told == [frozenset({ORG})]
    second = replace(BOB, role=Role.OWNER)
    assert await refusal(storage.sign_in.add_first_owner(second, BOBS_PASSWORD, event("setup.finish"))) == "not_found"
    assert await storage.sign_in.find_password(BOB.id) is None


@pytest.mark.parametrize("has_same_address", [True, False])
async def test_of_several_first_owners_at_once_one_is_stored(both: Both, has_same_address: bool) -> None:
    owners = [replace(OWNER, id=f"mem_{number}", email="ada@example.org" if has_same_address else f"a{number}@b.c") for number in range(8)]
    refused = await race(
        *(
            storage.sign_in.add_first_owner(owner, replace(PASSWORD, member_id=owner.id), event("setup.finish"))
            for owner, storage in zip(owners, both * 4, strict=True)
        )
    )
    assert refused == ["not_found"] * 7
    [stored] = await both[0].members.list_members(ORG)
    passwords = [owner.id for owner in owners if await both[0].sign_in.find_password(owner.id) is not None]
    assert passwords == [stored.id]
    assert await list_actions(both[0]) == ["setup.finish"]


async def test_who_was_a_member_before_becomes_the_first_owner_by_the_id_of_then_and_without_the_means_of_then(storage: AnyStorage) -> None:
    await storage.members.add_member(BOB, event("member.add"))
    await storage.members.update_member(replace(BOB, is_active=False, version=2), event("member.remove"))
    await storage.sign_in.add_passkey(replace(PASSKEY, member_id=BOB.id), event("passkey.add"))  # a moment after the end
    again = replace(BOB, role=Role.OWNER, version=3)
    stranger = replace(again, id="mem_9")
    assert await refusal(storage.sign_in.add_first_owner(stranger, None, event("setup.finish"))) == "duplicate_name"
    await storage.sign_in.add_first_owner(again, BOBS_PASSWORD, event("setup.finish"))
    assert await storage.members.list_members(ORG) == [again]
    assert await storage.sign_in.find_password(BOB.id) == BOBS_PASSWORD
    assert await storage.sign_in.find_passkey(PASSKEY.credential_id) is None


async def test_an_active_member_does_not_become_the_first_owner(storage: AnyStorage) -> None:
    await storage.members.add_member(BOB, event("member.add"))
    for owner in (replace(BOB, role=Role.OWNER, version=2), replace(BOB, id="mem_9", role=Role.OWNER)):
        assert await refusal(storage.sign_in.add_first_owner(owner, BOBS_PASSWORD, event("setup.finish"))) == "duplicate_name"
    assert await storage.members.list_members(ORG) == [BOB]
    assert await storage.sign_in.find_password(BOB.id) is None


async def test_a_new_password_ends_sessions_and_links_in_the_same_moment(storage: AnyStorage, people: None) -> None:
    for session in (session_of(), session_of(session_id="ses_2"), session_of(BOB, "ses_bob")):
        await storage.sessions.add_session(session)
    await storage.sign_in.add_link(LINK, event("link.create"))
    with pytest.raises(TypeError):
        await storage.sign_in.put_password(PASSWORD, BROKEN)
    assert await open_sessions(storage) == ["ses_2", "ses_1"]
    assert await storage.sign_in.find_link(LINK.digest) == LINK
    await storage.sign_in.put_password(PASSWORD, event("password.change"), ends_sessions_but="ses_2")
    assert await storage.sign_in.find_password(OWNER.id) == PASSWORD
    assert await open_sessions(storage) == ["ses_2"]
    assert await storage.sign_in.find_link(LINK.digest) == replace(LINK, used_at=LATER)
    other = replace(PASSWORD, hash="$argon2id$second", changed_at=LATER + timedelta(seconds=1))
    await storage.sign_in.put_password(other, event("password.change"))
    assert await storage.sign_in.find_password(OWNER.id) == other
    assert await open_sessions(storage) == []
    assert await open_sessions(storage, BOB) == ["ses_bob"]
    found = await storage.sessions.find_session(session_of(session_id="ses_2").digest)
    assert found is not None
    assert found[0].ended_at == other.changed_at
    assert await list_actions(storage, "password.*") == ["password.change"] * 2


async def test_a_password_is_hashed_anew_only_where_it_is_still_the_same(storage: AnyStorage, people: None) -> None:
    await storage.sign_in.put_password(PASSWORD, event("password.change"))
    await storage.sessions.add_session(session_of())
    rehashed = replace(PASSWORD, hash="$argon2id$stronger")
    await storage.sign_in.rehash_password(replace(PASSWORD, hash="$argon2id$older"), rehashed)
    assert await storage.sign_in.find_password(OWNER.id) == PASSWORD
    await storage.sign_in.rehash_password(PASSWORD, rehashed)
    assert await storage.sign_in.find_password(OWNER.id) == rehashed
    assert await open_sessions(storage) == ["ses_1"]
    assert await list_actions(storage, "password.*") == ["password.change"]


async def test_a_new_link_ends_the_members_earlier_ones(storage: AnyStorage, people: None) -> None:
    bobs = replace(LINK, id="sil_bob", member_id=BOB.id, digest=b"bob")
    second = replace(LINK, id="sil_2", digest=b"second", created_at=LATER)
    for link in (LINK, bobs, second):
        await storage.sign_in.add_link(link, event("link.create"))
    with pytest.raises(TypeError):
        await storage.sign_in.add_link(replace(LINK, id="sil_3", digest=b"third"), BROKEN)
    assert await storage.sign_in.find_link(LINK.digest) == replace(LINK, used_at=LATER)
    assert await storage.sign_in.find_link(b"second") == second
    assert await storage.sign_in.find_link(b"bob") == bobs
    assert await storage.sign_in.find_link(b"third") is None
    assert await refusal(storage.sign_in.use_link(LINK, PASSWORD, event("link.use"))) == "not_found"


async def test_of_several_new_links_at_once_one_stays(both: Both, people: None) -> None:
    links = [replace(LINK, id=f"sil_{number}", digest=bytes([number])) for number in range(8)]
    assert not await race(*(storage.sign_in.add_link(link, event("link.create")) for link, storage in zip(links, both * 4, strict=True)))
    found = [await both[0].sign_in.find_link(link.digest) for link in links]
    assert [link.used_at for link in found if link is not None].count(None) == 1
    assert None not in found


async def test_a_link_gives_a_password_and_ends_everything_from_before(storage: AnyStorage, people: None) -> None:
    await storage.sessions.add_session(session_of())
    await storage.sign_in.add_link(LINK, event("link.create"))
    with pytest.raises(TypeError):
        await storage.sign_in.use_link(LINK, PASSWORD, BROKEN)
    assert await storage.sign_in.find_password(OWNER.id) is None
    for link, password in (
        (LINK, BOBS_PASSWORD),
        (replace(LINK, organisation_id=OTHER.id), PASSWORD),
        (replace(LINK, id="sil_x"), PASSWORD),
    ):
        assert await refusal(storage.sign_in.use_link(link, password, event("link.use"))) == "not_found"
    assert await storage.sign_in.find_password(BOB.id) is None
    await storage.sign_in.use_link(LINK, PASSWORD, event("link.use"))
    assert await storage.sign_in.find_link(LINK.digest) == replace(LINK, used_at=LATER)
    assert await storage.sign_in.find_password(OWNER.id) == PASSWORD
    assert await open_sessions(storage) == []
    assert await list_actions(storage, "link.*") == ["link.create", "link.use"]


async def test_a_link_is_used_once_by_several_at_once(both: Both, people: None) -> None:
    await both[0].sign_in.add_link(LINK, event("link.create"))
    passwords = [replace(PASSWORD, hash=f"$argon2id${number}") for number in range(8)]
    refused = await race(
        *(
            storage.sign_in.use_link(LINK, password, event("link.use", after={"hash": password.hash[-1]}))
            for password, storage in zip(passwords, both * 4, strict=True)
        )
    )
    assert refused == ["not_found"] * 7
    assert await list_actions(both[0], "link.*") == ["link.create", "link.use"]
    last = (await both[0].audit.read_chain(ORG, after_number=0, limit=100))[-1].event
    stored = await both[0].sign_in.find_password(OWNER.id)
    assert stored is not None
    assert stored.hash == f"$argon2id${last.after['hash']}"  # the one that is on record


async def test_an_identity_is_bound_once_in_an_organisation(storage: AnyStorage, people: None) -> None:
    await add_organisation(storage)
    elsewhere = replace(OWNER, id="mem_9", organisation_id=OTHER.id)
    await storage.members.add_member(elsewhere, event(organisation_id=OTHER.id))
    there = replace(IDENTITY, organisation_id=OTHER.id, member_id=elsewhere.id, created_at=LATER)
    with pytest.raises(TypeError):
        await storage.sign_in.add_identity(IDENTITY, BROKEN)
    assert await storage.sign_in.find_identity(IDENTITY.issuer, IDENTITY.subject) == []
    await storage.sign_in.add_identity(there, event("identity.add", OTHER.id))
    await storage.sign_in.add_identity(IDENTITY, event("identity.add"))
    await storage.sign_in.add_identity(replace(IDENTITY, subject="4711"), event("identity.add"))
    assert await storage.sign_in.find_identity(IDENTITY.issuer, IDENTITY.subject) == [IDENTITY, there]
    assert await storage.sign_in.find_identity("https://evil.example.org", IDENTITY.subject) == []
    assert await refusal(storage.sign_in.add_identity(replace(IDENTITY, member_id=BOB.id), event("identity.add"))) == "duplicate_name"
    assert await list_actions(storage, "identity.*") == ["identity.add"] * 2


async def test_of_several_who_bind_an_identity_at_once_one_does(both: Both, people: None) -> None:
    mine = [replace(IDENTITY, member_id=member.id) for member in (OWNER, BOB)] * 4
    refused = await race(
        *(storage.sign_in.add_identity(identity, event("identity.add")) for identity, storage in zip(mine, both * 4, strict=True))
    )
    assert refused == ["duplicate_name"] * 7
    assert len(await both[0].sign_in.find_identity(IDENTITY.issuer, IDENTITY.subject)) == 1
    assert await list_actions(both[0], "identity.*") == ["identity.add"]


async def equip(storage: AnyStorage, member: Member) -> None:
    """Give the member everything there is to sign in with."""
    mark = member.id
    await storage.sign_in.put_password(replace(PASSWORD, member_id=mark), event())
    await storage.sign_in.put_second_factor(replace(FACTOR, member_id=mark))
    await storage.sign_in.add_passkey(replace(PASSKEY, id=f"pky_{mark}", member_id=mark, credential_id=mark.encode()), event())
    await storage.sign_in.add_identity(replace(IDENTITY, subject=mark, member_id=mark), event())
    await storage.sign_in.add_link(replace(LINK, id=f"sil_{mark}", member_id=mark, digest=mark.encode()), event())
    await storage.sessions.add_session(session_of(member, f"ses_{mark}"))


async def list_means(storage: AnyStorage, member: Member) -> list[str]:
    """What the member can sign in with."""
    mark = member.id
    found = {
        "password": await storage.sign_in.find_password(mark),
        "factor": await storage.sign_in.find_second_factor(mark),
        "passkey": await storage.sign_in.find_passkey(mark.encode()),
        "identity": await storage.sign_in.find_identity(IDENTITY.issuer, mark),
        "link": await storage.sign_in.find_link(mark.encode()),
        "session": await open_sessions(storage, member),
    }
    return [name for name, means in found.items() if means]


ALL_MEANS = ["password", "factor", "passkey", "identity", "link", "session"]


async def test_a_removed_member_is_signed_out_and_nothing_lets_it_in_again(storage: AnyStorage, people: None) -> None:
    await equip(storage, OWNER)
    await equip(storage, BOB)
    gone = replace(BOB, is_active=False, version=2)
    with pytest.raises(TypeError):
        await storage.members.update_member(gone, BROKEN)
    assert await list_means(storage, BOB) == ALL_MEANS
    await storage.members.update_member(gone, event("member.remove"))
    assert await list_means(storage, BOB) == []
    found = await storage.sessions.find_session(session_of(BOB, "ses_mem_2").digest)
    assert found is not None
    assert (found[0].ended_at, found[1]) == (LATER, gone)
    assert await list_means(storage, OWNER) == ALL_MEANS


async def test_another_role_or_name_leaves_a_member_signed_in(storage: AnyStorage, people: None) -> None:
    await equip(storage, BOB)
    await storage.members.update_member(replace(BOB, role=Role.VIEWER, name="Robert", version=2), event("member.change"))
    assert await list_means(storage, BOB) == ALL_MEANS


async def test_who_is_a_member_again_has_nothing_that_came_after_the_end(storage: AnyStorage, people: None) -> None:
    """A request that was under way when the membership ended may still have stored something."""
    await storage.members.update_member(replace(BOB, is_active=False, version=2), event("member.remove"))
    await equip(storage, BOB)
    await storage.members.add_member(replace(BOB, version=3), event("member.add"))
    assert await list_means(storage, BOB) == []


async def test_identities_of_a_member_are_listed_and_unbound(storage: AnyStorage, people: None) -> None:
    second = replace(IDENTITY, issuer="https://login.example.net", created_at=LATER)
    await storage.sign_in.add_identity(second, event("identity.add"))
    await storage.sign_in.add_identity(IDENTITY, event("identity.add"))
    await storage.sign_in.add_identity(replace(IDENTITY, subject="bobs", member_id=BOB.id), event("identity.add", BOB.id))
    assert await storage.sign_in.list_identities(ORG, OWNER.id) == [IDENTITY, second]
    assert await storage.sign_in.list_identities("org_elsewhere", OWNER.id) == []
    for wrong in (replace(IDENTITY, member_id=BOB.id), replace(IDENTITY, organisation_id="org_elsewhere"), replace(IDENTITY, subject="x")):
        assert await refusal(storage.sign_in.delete_identity(wrong, event("identity.remove"))) == "not_found"
    await storage.sign_in.delete_identity(IDENTITY, event("identity.remove"))
    assert await storage.sign_in.list_identities(ORG, OWNER.id) == [second]
    assert await refusal(storage.sign_in.delete_identity(IDENTITY, event("identity.remove"))) == "not_found"


async def test_a_new_role_ends_the_members_links_and_those_of_all_where_who_could_make_some_may_not_any_more(
    storage: AnyStorage, people: None
) -> None:
    bobs = replace(LINK, id="sil_2", member_id=BOB.id, digest=b"bob")
    for link in (LINK, bobs):
        await storage.sign_in.add_link(link, event("link.create"))
    admin = replace(BOB, role=Role.ADMIN, version=2)
    await storage.members.update_member(admin, event("member.change"))
    assert await storage.sign_in.find_link(LINK.digest) == LINK
    assert (await storage.sign_in.find_link(b"bob") or bobs).used_at is not None
    await storage.members.update_member(replace(admin, name="Robert", version=3), event("member.change"))
    assert await storage.sign_in.find_link(LINK.digest) == LINK
    await storage.members.update_member(replace(admin, role=Role.VIEWER, version=4), event("member.change"))
    assert (await storage.sign_in.find_link(LINK.digest) or LINK).used_at is not None
