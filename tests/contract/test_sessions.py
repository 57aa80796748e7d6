"""SessionStore, the same over every store."""

import asyncio
from dataclasses import replace
from datetime import timedelta

import pytest

from anyrouter.control.sign_in_stores import SessionStore
from anyrouter.core.sign_in import Session, SignInMethod
from anyrouter.core.tenancy import Role
from support.sign_in_records import (
    BOB,
    BROKEN,
    LATER,
    LINK,
    NOW,
    ORG,
    OTHER,
    OWNER,
    AnyStorage,
    add_organisation,
    event,
    list_actions,
    session_of,
)

Both = tuple[AnyStorage, AnyStorage]
FULL = session_of(
    session_id="ses_full",
    method=SignInMethod.PASSKEY,
    last_seen_at=NOW + timedelta(seconds=1),
    confirmed_at=NOW + timedelta(seconds=2),
    address="2001:db8::1",
    user_agent="Ürümqi '; DROP TABLE sessions; --",
    ended_at=LATER,
)


@pytest.fixture(autouse=True)
async def people(storage: AnyStorage) -> None:
    """Two members."""
    await storage.members.add_member(OWNER, event("member.add"))
    await storage.members.add_member(BOB, event("member.add"))


async def add(storage: AnyStorage, *sessions: Session) -> None:
    store: SessionStore = storage.sessions
    for session in sessions:
        await store.add_session(session)


async def ids(storage: AnyStorage, member_id: str = OWNER.id) -> list[str]:
    return [session.id for session in await storage.sessions.list_sessions(ORG, member_id)]


async def test_a_session_is_found_by_its_digest_with_the_member_as_it_is_now(storage: AnyStorage) -> None:
    session, of_bob = session_of(), session_of(BOB, "ses_bob")
    await add(storage, session, FULL, of_bob)
    assert await storage.sessions.find_session(session.digest) == (session, OWNER)
    assert await storage.sessions.find_session(FULL.digest) == (FULL, OWNER)  # ended, and still found
    assert await storage.sessions.find_session(b"unknown") is None
    admin = replace(BOB, role=Role.ADMIN, version=2)
    await storage.members.update_member(admin, event("member.change"))
    assert await storage.sessions.find_session(of_bob.digest) == (of_bob, admin)


async def test_a_session_is_added_with_its_event_or_not_at_all(storage: AnyStorage) -> None:
    await storage.sessions.add_session(session_of(), event("session.begin"))
    with pytest.raises(TypeError):
        await storage.sessions.add_session(session_of(session_id="ses_2"), BROKEN)
    assert await ids(storage) == ["ses_1"]
    assert await list_actions(storage, "session.*") == ["session.begin"]


async def test_nobody_is_signed_in_to_an_organisation_that_is_disabled(storage: AnyStorage) -> None:
    await add_organisation(storage)
    member = replace(OWNER, id="mem_9", organisation_id=OTHER.id)
    await storage.members.add_member(member, event(organisation_id=OTHER.id))
    session = session_of(member)
    await add(storage, session)
    assert await storage.sessions.find_session(session.digest) == (session, member)
    await storage.organisations.update_organisation(replace(OTHER, is_active=False, version=2), event(organisation_id=OTHER.id))
    assert await storage.sessions.find_session(session.digest) is None


async def test_the_times_of_a_session_go_forward_only(storage: AnyStorage) -> None:
    session = session_of()
    await add(storage, session, session_of(session_id="ses_2"))
    await storage.sessions.touch_session(session.id, LATER)
    seen = replace(session, last_seen_at=LATER)
    assert await storage.sessions.find_session(session.digest) == (seen, OWNER)
    await storage.sessions.touch_session(session.id, NOW, confirmed_at=NOW - timedelta(hours=1))
    assert await storage.sessions.find_session(session.digest) == (seen, OWNER)
    after = LATER + timedelta(seconds=1)
    await storage.sessions.touch_session(session.id, after, confirmed_at=after)
    assert await storage.sessions.find_session(session.digest) == (replace(session, last_seen_at=after, confirmed_at=after), OWNER)
    assert await storage.sessions.find_session(session_of(session_id="ses_2").digest) == (session_of(session_id="ses_2"), OWNER)
    await storage.sessions.touch_session("ses_unknown", LATER)
    assert await list_actions(storage) == ["member.add", "member.add"]


async def test_sessions_are_listed_the_newest_first_without_those_that_were_ended(storage: AnyStorage) -> None:
    expired = session_of(session_id="ses_3", created_at=NOW - timedelta(days=9), expires_at=NOW - timedelta(days=2))
    newest = session_of(session_id="ses_0", created_at=LATER)
    await add(storage, session_of(), session_of(session_id="ses_2"), expired, newest, FULL, session_of(BOB, "ses_bob"))
    assert await ids(storage) == ["ses_0", "ses_2", "ses_1", "ses_3"]
    assert await storage.sessions.list_sessions(ORG, BOB.id) == [session_of(BOB, "ses_bob")]
    assert await storage.sessions.list_sessions("org_other", OWNER.id) == []


@pytest.mark.parametrize(
    ("choice", "left"),
    [({}, []), ({"only": "ses_2"}, ["ses_3", "ses_1"]), ({"but": "ses_2"}, ["ses_2"]), ({"only": "ses_bob"}, ["ses_3", "ses_2", "ses_1"])],
)
async def test_a_members_sessions_are_ended_with_one_event(storage: AnyStorage, choice: dict[str, str], left: list[str]) -> None:
    await add(storage, *(session_of(session_id=f"ses_{number}") for number in (1, 2, 3)), FULL, session_of(BOB, "ses_bob"))
    ended = await storage.sessions.end_sessions(ORG, OWNER.id, LATER, event("session.end"), **choice)
    assert ended == 3 - len(left)
    assert await ids(storage) == left
    assert await ids(storage, BOB.id) == ["ses_bob"]
    gone = [f"ses_{number}" for number in (1, 2, 3) if f"ses_{number}" not in left]
    for session_id in gone:
        found = await storage.sessions.find_session(session_of(session_id=session_id).digest)
        assert found is not None
        assert found[0] == session_of(session_id=session_id, ended_at=LATER)
    assert await list_actions(storage, "session.*") == (["session.end"] if gone else [])
    assert await storage.sessions.end_sessions("org_other", BOB.id, LATER, event("session.end")) == 0


async def test_the_end_of_sessions_is_recorded_or_does_not_happen(storage: AnyStorage) -> None:
    await add(storage, session_of())
    with pytest.raises(TypeError):
        await storage.sessions.end_sessions(ORG, OWNER.id, LATER, BROKEN)
    assert await ids(storage) == ["ses_1"]


async def test_a_session_is_ended_once_whoever_ends_it_at_once(both: Both) -> None:
    await add(both[0], session_of())
    ended = await asyncio.gather(*(storage.sessions.end_sessions(ORG, OWNER.id, LATER, event("session.end")) for storage in both * 4))
    assert sorted(ended) == [0] * 7 + [1]
    assert await list_actions(both[0], "session.*") == ["session.end"]


async def test_what_is_over_for_long_is_forgotten(storage: AnyStorage) -> None:
    month, moment = NOW + timedelta(days=30), timedelta(milliseconds=1)
    kept = [session_of(expires_at=month), session_of(session_id="ses_ended", expires_at=month, ended_at=month)]
    old = [session_of(session_id="ses_expired", expires_at=month - moment)]
    old.append(session_of(session_id="ses_gone", expires_at=month, ended_at=month - moment))
    await add(storage, *kept, *old)
    links = [replace(LINK, id=f"sil_{number}", digest=bytes([number])) for number in range(3)]
    links[1] = replace(links[1], expires_at=month)
    for link in links:
        await storage.sign_in.add_link(link, event("link.create"))  # ends the earlier ones, before the month's end
    assert await storage.sessions.delete_sessions_before(month) == 2
    for session in kept:
        assert await storage.sessions.find_session(session.digest) == (session, OWNER)
    for session in old:
        assert await storage.sessions.find_session(session.digest) is None
    assert [await storage.sign_in.find_link(link.digest) for link in links] == [None] * 3
    assert await storage.sessions.delete_sessions_before(month) == 0
    await storage.sign_in.add_link(replace(LINK, expires_at=month), event("link.create"))
    await storage.sessions.delete_sessions_before(month)
    assert await storage.sign_in.find_link(LINK.digest) == replace(LINK, expires_at=month)
