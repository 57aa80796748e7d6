"""Members and invitations: the same over every store, each change with its events or not at all."""

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from anyrouter.control.audit import make_event
from anyrouter.control.stores import AuditFilter
from anyrouter.core.apikey import ApiKey, KeyKind
from anyrouter.core.audit import OPERATOR, AuditEvent
from anyrouter.core.errors import ClientError
from anyrouter.core.tenancy import DEFAULT_ORGANISATION_ID, Invitation, Member, Role
from anyrouter.storage.memory import MemoryStorage
from anyrouter.storage.opening import ServingStorage

AnyStorage = ServingStorage | MemoryStorage
MakeKey = Callable[..., Awaitable[ApiKey]]
NOW = datetime(2026, 3, 4, 5, 6, 7, 89_000, tzinfo=UTC)
OWNER = Member(id="mem_1", organisation_id=DEFAULT_ORGANISATION_ID, email="ada@example.org", name="Ada Ü", role=Role.OWNER, created_at=NOW)
DEVELOPER = replace(OWNER, id="mem_2", email="bob@example.org", name="Bob", role=Role.DEVELOPER, created_at=NOW + timedelta(seconds=1))
INVITATION = Invitation(
    id="inv_1",
    organisation_id=DEFAULT_ORGANISATION_ID,
    email="bob@example.org",
    role=Role.DEVELOPER,
    digest=bytes(range(32)),
    created_at=NOW,
    expires_at=NOW + timedelta(days=7),
    creator_id=OWNER.id,
)


def event(action: str = "member.add", target_id: str = "x") -> AuditEvent:
    return make_event(OPERATOR, DEFAULT_ORGANISATION_ID, action, NOW, target_id=target_id)


async def actions(storage: AnyStorage) -> list[tuple[str, str | None]]:
    found = await storage.audit.list_events(AuditFilter(organisation_id=DEFAULT_ORGANISATION_ID, limit=1000))
    return [(link.event.action, link.event.target_id) for link in reversed(found)]


async def refusal(work: Awaitable[None]) -> str:
    with pytest.raises(ClientError) as refused:
        await work
    return refused.value.code


async def test_members_come_back_as_they_were_stored_and_are_announced(storage: AnyStorage) -> None:
    told: list[frozenset[str]] = []
    storage.watch.subscribe(told.append)
    await storage.members.add_member(DEVELOPER, event())
    await storage.members.add_member(OWNER, event())
    assert await storage.members.list_members(DEFAULT_ORGANISATION_ID) == [OWNER, DEVELOPER]
    assert await storage.members.list_members("org_other") == []
    assert told.count(frozenset({DEFAULT_ORGANISATION_ID})) >= 2


async def test_an_address_is_a_member_once(storage: AnyStorage) -> None:
    await storage.members.add_member(OWNER, event())
    assert await refusal(storage.members.add_member(replace(OWNER, id="mem_9"), event())) == "duplicate_name"
    assert await actions(storage) == [("member.add", "x")]


async def test_a_member_is_changed_only_from_the_version_that_is_stored(storage: AnyStorage) -> None:
    await storage.members.add_member(OWNER, event())
    await storage.members.add_member(DEVELOPER, event())
    changed = replace(DEVELOPER, role=Role.VIEWER, name="Robert", version=2)
    await storage.members.update_member(changed, event("member.change"))
    assert (await storage.members.list_members(DEFAULT_ORGANISATION_ID))[1] == changed
    for wrong, code in (
        (changed, "etag_mismatch"),
        (replace(changed, version=4), "etag_mismatch"),
        (replace(changed, id="mem_9"), "not_found"),
        (replace(changed, organisation_id="org_other", version=3), "not_found"),
    ):
        assert await refusal(storage.members.update_member(wrong, event("member.change"))) == code
    assert [action for action, _ in await actions(storage)] == ["member.add", "member.add", "member.change"]


@pytest.mark.parametrize("change", [{"role": Role.ADMIN}, {"is_active": False}])
async def test_the_last_owner_stays(storage: AnyStorage, change: dict[str, Any]) -> None:
    await storage.members.add_member(OWNER, event())
    await storage.members.add_member(replace(DEVELOPER, role=Role.OWNER), event())
    second = replace(DEVELOPER, role=Role.OWNER)
    ends = [replace(member, **change, version=2) for member in (OWNER, second)]
    ended = await asyncio.gather(*(storage.members.update_member(end, event("member.change")) for end in ends), return_exceptions=True)
    assert sorted(type(outcome) for outcome in ended if outcome is not None) == [ClientError]
    refused = next(outcome for outcome in ended if isinstance(outcome, ClientError))
    assert refused.code == "unprocessable"
    owners = [member for member in await storage.members.list_members(DEFAULT_ORGANISATION_ID) if member.role is Role.OWNER]
    assert len([member for member in owners if member.is_active]) == 1
    assert [action for action, _ in await actions(storage)].count("member.change") == 1


async def test_a_removed_member_takes_the_personal_keys_along_and_no_others(storage: AnyStorage, make_key: MakeKey) -> None:
    await storage.members.add_member(OWNER, event())
    await storage.members.add_member(DEVELOPER, event())
    personal = [await make_key(kind=KeyKind.PERSONAL, member_id=DEVELOPER.id) for _ in range(2)]
    others = [await make_key(kind=KeyKind.PERSONAL, member_id=OWNER.id), await make_key(creator_id=DEVELOPER.id)]
    before = await actions(storage)
    await storage.members.update_member(replace(DEVELOPER, is_active=False, version=2), event("member.remove", DEVELOPER.id))
    assert {key.id for key in await storage.keys.list_keys(DEFAULT_ORGANISATION_ID)} == {key.id for key in others}
    ended = {key.id: key for key in await storage.keys.find_by_ids([key.id for key in personal])}
    for key in personal:
        assert ended[key.id] == replace(key, deleted_at=NOW, updated_at=NOW, version=key.version + 1)
    since = (await actions(storage))[len(before) :]
    assert since == [("member.remove", DEVELOPER.id), *(("key.delete", key_id) for key_id in sorted(ended))]


async def test_a_member_who_comes_back_has_the_old_id_and_none_of_the_old_keys(storage: AnyStorage, make_key: MakeKey) -> None:
    await storage.members.add_member(OWNER, event())
    await storage.members.add_member(DEVELOPER, event())
    await storage.members.update_member(replace(DEVELOPER, is_active=False, version=2), event("member.remove"))
    await make_key(kind=KeyKind.PERSONAL, member_id=DEVELOPER.id)  # checked before the membership ended, stored after it
    again = replace(DEVELOPER, name="Bobby", role=Role.VIEWER, version=3)
    await storage.members.add_member(again, event())
    assert await storage.members.list_members(DEFAULT_ORGANISATION_ID) == [OWNER, again]
    assert await storage.keys.list_keys(DEFAULT_ORGANISATION_ID) == []


async def test_an_invitation_is_found_by_its_digest_and_listed_while_it_is_open(storage: AnyStorage) -> None:
    await storage.members.add_invitation(INVITATION, event("invitation.create"))
    assert await storage.members.find_invitation(INVITATION.digest) == INVITATION
    assert await storage.members.find_invitation(bytes(32)) is None
    assert await storage.members.list_invitations(DEFAULT_ORGANISATION_ID) == [INVITATION]
    assert await storage.members.list_invitations("org_other") == []
    revoked = replace(INVITATION, revoked_at=NOW)
    await storage.members.update_invitation(revoked, event("invitation.revoke"))
    assert await storage.members.list_invitations(DEFAULT_ORGANISATION_ID) == []
    assert await storage.members.find_invitation(INVITATION.digest) == revoked
    assert await refusal(storage.members.update_invitation(revoked, event("invitation.revoke"))) == "unprocessable"
    for foreign in (replace(revoked, id="inv_9"), replace(revoked, organisation_id="org_other")):
        assert await refusal(storage.members.update_invitation(foreign, event("invitation.revoke"))) == "not_found"
    assert [action for action, _ in await actions(storage)] == ["invitation.create", "invitation.revoke"]


async def test_an_invitation_is_accepted_once_however_many_try(storage: AnyStorage) -> None:
    await storage.members.add_invitation(INVITATION, event("invitation.create"))
    accepted = replace(INVITATION, accepted_at=NOW)
    ended = await asyncio.gather(
        *(
            storage.members.add_member(replace(DEVELOPER, id=f"mem_{number}", email=f"{number}@example.org"), event(), invitation=accepted)
            for number in range(4)
        ),
        return_exceptions=True,
    )
    assert [outcome.code for outcome in ended if isinstance(outcome, ClientError)] == ["unprocessable"] * 3
    assert len(await storage.members.list_members(DEFAULT_ORGANISATION_ID)) == 1
    assert await storage.members.find_invitation(INVITATION.digest) == accepted


async def test_what_is_not_recorded_is_not_done(storage: AnyStorage, make_key: MakeKey) -> None:
    await storage.members.add_member(OWNER, event())
    await storage.members.add_member(DEVELOPER, event())
    key = await make_key(kind=KeyKind.PERSONAL, member_id=DEVELOPER.id)
    broken = replace(event("member.remove"), after={"x": object()})
    for change in (
        storage.members.add_member(replace(DEVELOPER, id="mem_3", email="c@example.org"), broken),
        storage.members.update_member(replace(DEVELOPER, is_active=False, version=2), broken),
        storage.members.add_invitation(INVITATION, broken),
    ):
        with pytest.raises(TypeError):
            await change
    assert await storage.members.list_members(DEFAULT_ORGANISATION_ID) == [OWNER, DEVELOPER]
    assert await storage.keys.find_key(DEFAULT_ORGANISATION_ID, key.id) == key
    assert await storage.members.list_invitations(DEFAULT_ORGANISATION_ID) == []
