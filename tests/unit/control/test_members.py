"""Members and invitations: who may do what to whom, and what a token is good for."""

import hashlib
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from anyrouter.control.members import INVITATION_LIFETIME, MemberService
from anyrouter.control.organisations import OrganisationService
from anyrouter.control.stores import AuditFilter
from anyrouter.core.apikey import ApiKey, KeyKind
from anyrouter.core.audit import OPERATOR, Actor, ActorKind
from anyrouter.core.errors import ClientError
from anyrouter.core.tenancy import DEFAULT_ORGANISATION_ID, Member, Role
from anyrouter.policy.rights import OPERATOR_RIGHTS, Rights, rights_of_key, rights_of_role
from anyrouter.storage.memory import MemoryStorage
from support.events import event_of

NOW = datetime(2026, 3, 4, 5, 6, 7, tzinfo=UTC)
ORG = DEFAULT_ORGANISATION_ID
WHO: Any = (OPERATOR, OPERATOR_RIGHTS, ORG)


class Moment:
    def __init__(self) -> None:
        self.now = NOW

    def __call__(self) -> datetime:
        return self.now


@pytest.fixture
def clock() -> Moment:
    return Moment()


@pytest.fixture
def storage() -> MemoryStorage:
    return MemoryStorage()


@pytest.fixture
def service(storage: MemoryStorage, clock: Moment) -> MemberService:
    return MemberService(store=storage.members, keys=storage.keys, organisations=storage.organisations, clock=clock)


async def refusal(work: Any) -> str:
    with pytest.raises(ClientError) as refused:
        await work
    return refused.value.code


async def add(service: MemberService, role: Role) -> Member:
    return await service.add(*WHO, email=f"{role.value}@example.org", role=role)


def acting(member: Member) -> tuple[Actor, Rights, str]:
    """The member as who asks, as the dashboard has it."""
    actor = Actor(kind=ActorKind.MEMBER, id=member.id, label=member.email)
    return actor, rights_of_role(member.role, organisation_id=ORG, member_id=member.id), ORG


async def make_key(storage: MemoryStorage, **fields: Any) -> ApiKey:
    values: dict[str, Any] = {
        "id": "key_1",
        "organisation_id": ORG,
        "environment_id": "env_live",
        "environment": "live",
        "name": "k",
        "label": "ar-live-abcdef",
        "digest": b"d" * 32,
        "pepper_version": 1,
        "rotation_group": "key_1",
        "scopes": frozenset({"admin:org"}),
        "created_at": NOW,
        "updated_at": NOW,
    }
    key = ApiKey(**(values | fields))
    await storage.keys.add_key(key, event_of(key, "key.create"))
    return key


def acting_key(key: ApiKey) -> tuple[Actor, Rights, str]:
    return Actor(kind=ActorKind.KEY, id=key.id, label=key.label), rights_of_key(key), ORG


async def test_a_member_is_added_changed_and_removed(service: MemberService, storage: MemoryStorage) -> None:
    await add(service, Role.OWNER)
    made = await service.add(*WHO, email=" Bob@Example.ORG ", role=Role.DEVELOPER, name="Bob")
    assert (made.email, made.name, made.role) == ("bob@example.org", "Bob", Role.DEVELOPER)
    assert await refusal(service.add(*WHO, email="BOB@example.org", role=Role.VIEWER)) == "duplicate_name"
    changed = await service.change(*WHO, made.id, {"role": Role.VIEWER})
    assert await service.show(OPERATOR_RIGHTS, ORG, made.id) == changed
    await service.remove(*WHO, made.id)
    for attempt in (service.show(OPERATOR_RIGHTS, ORG, made.id), service.change(*WHO, made.id, {}), service.remove(*WHO, made.id)):
        assert await refusal(attempt) == "not_found"
    again = await service.add(*WHO, email="bob@example.org", role=Role.BILLING)
    assert (again.id, again.role, again.is_active) == (made.id, Role.BILLING, True)
    events = await storage.audit.list_events(AuditFilter(organisation_id=ORG))
    actions = [link.event.action for link in reversed(events)]
    assert actions == ["member.add", "member.add", "member.change", "member.remove", "member.add"]


@pytest.mark.parametrize(
    "email", ["", "a", "@", "a@", "@b", "a b@c", "a@b\nc@d", "a@b,c@d", "<a@b>", "a@b..c", "ä@b", "a@" + "b" * 300, "a" * 65 + "@b"]
)
async def test_what_is_no_address_is_refused(service: MemberService, email: str) -> None:
    assert await refusal(service.add(*WHO, email=email, role=Role.VIEWER)) == "invalid_parameter"


@pytest.mark.parametrize("asking", [Role.OWNER, Role.ADMIN, Role.DEVELOPER, Role.BILLING, Role.VIEWER])
@pytest.mark.parametrize("role", list(Role))
async def test_only_owners_touch_owners_and_only_admins_touch_anybody(service: MemberService, asking: Role, role: Role) -> None:
    await service.add(*WHO, email="first@example.org", role=Role.OWNER)
    other = await service.add(*WHO, email="other@example.org", role=role)
    me = await add(service, asking)
    is_allowed = asking is Role.OWNER or (asking is Role.ADMIN and role is not Role.OWNER)
    codes = []
    for attempt in (
        service.add(*acting(me), email="new@example.org", role=role),
        service.invite(*acting(me), email="guest@example.org", role=role),
        service.change(*acting(me), other.id, {"name": "x"}),
        service.change(*acting(me), me.id, {"role": role}),
        service.remove(*acting(await service.show(OPERATOR_RIGHTS, ORG, me.id)), other.id),
    ):
        try:
            await attempt
        except ClientError as error:
            codes.append(error.code)
        else:
            codes.append("")
    refused = "exceeds_rights" if asking is Role.ADMIN else "insufficient_scope"
    if not is_allowed:
        assert codes == [refused] * 5
    else:
        assert codes[:4] == [""] * 4


async def test_a_role_is_looked_up_as_it_is_now(service: MemberService) -> None:
    owner, admin = await add(service, Role.OWNER), await add(service, Role.ADMIN)
    viewer = await add(service, Role.VIEWER)
    await service.change(*WHO, admin.id, {"role": Role.VIEWER})
    assert await refusal(service.remove(*acting(admin), viewer.id)) == "insufficient_scope"
    await service.add(*WHO, email="second@example.org", role=Role.OWNER)
    await service.remove(*WHO, owner.id)
    assert await refusal(service.remove(*acting(owner), viewer.id)) == "insufficient_scope"


async def test_a_key_does_what_its_member_may_and_a_key_of_nobody_what_an_admin_may(service: MemberService, storage: MemoryStorage) -> None:
    owner, admin = await add(service, Role.OWNER), await add(service, Role.ADMIN)
    second = await service.add(*WHO, email="second@example.org", role=Role.OWNER)
    every = frozenset({"admin:*"})
    plain = await make_key(storage, scopes=every)
    of_admin = await make_key(storage, id="key_2", name="a", kind=KeyKind.PERSONAL, member_id=admin.id, scopes=every)
    of_owner = await make_key(storage, id="key_3", name="o", kind=KeyKind.PERSONAL, member_id=owner.id, scopes=every)
    for key in (plain, of_admin):
        assert await refusal(service.remove(*acting_key(key), second.id)) == "exceeds_rights"
        assert await refusal(service.invite(*acting_key(key), email="a@b", role=Role.OWNER)) == "exceeds_rights"
        assert await refusal(service.change(*acting_key(key), admin.id, {"role": Role.OWNER})) == "exceeds_rights"
    invitation, _ = await service.invite(*acting_key(of_owner), email="a@b", role=Role.OWNER)
    assert invitation.creator_id == owner.id
    await service.remove(*acting_key(of_owner), second.id)


async def test_a_key_gives_no_role_that_may_more_than_the_key(service: MemberService, storage: MemoryStorage) -> None:
    owner = await add(service, Role.OWNER)
    member, admin = await add(service, Role.VIEWER), await add(service, Role.ADMIN)
    narrow = await make_key(storage)
    personal = await make_key(storage, id="key_2", name="o", kind=KeyKind.PERSONAL, member_id=owner.id)
    keys_too = await make_key(storage, id="key_3", name="two", scopes=frozenset({"admin:org", "admin:keys", "admin:byok"}))
    for key in (narrow, personal):
        for role in (Role.ADMIN, Role.DEVELOPER, Role.BILLING):
            assert await refusal(service.invite(*acting_key(key), email="a@b", role=role)) == "exceeds_rights"
            assert await refusal(service.add(*acting_key(key), email="a@b", role=role)) == "exceeds_rights"
            assert await refusal(service.change(*acting_key(key), member.id, {"role": role})) == "exceeds_rights"
    assert await refusal(service.change(*acting_key(keys_too), member.id, {"role": Role.BILLING})) == "exceeds_rights"
    await service.change(*acting_key(keys_too), member.id, {"role": Role.DEVELOPER})
    await service.change(*acting_key(narrow), member.id, {"name": "same role"})
    await service.change(*acting_key(narrow), admin.id, {"role": Role.VIEWER})
    await service.remove(*acting_key(narrow), member.id)


async def test_who_is_not_known_to_be_there_gives_no_power_and_takes_it_still(service: MemberService) -> None:
    boss, viewer = await add(service, Role.OWNER), await add(service, Role.VIEWER)
    actor, rights, organisation = acting(boss)
    left = (actor, replace(rights, is_fresh=False), organisation)
    for role in (Role.OWNER, Role.ADMIN):
        assert await refusal(service.invite(*left, email="mallory@example.org", role=role)) == "sign_in_failed"
        assert await refusal(service.add(*left, email="mallory@example.org", role=role)) == "sign_in_failed"
        assert await refusal(service.change(*left, viewer.id, {"role": role})) == "sign_in_failed"
    invitation, _ = await service.invite(*acting(boss), email="admin@example.org", role=Role.ADMIN)
    assert await refusal(service.renew_invitation(*left, invitation.id)) == "sign_in_failed"
    assert await service.list_invitations(OPERATOR_RIGHTS, ORG) == [invitation]
    await service.revoke_invitation(*left, invitation.id)
    await service.change(*acting(boss), viewer.id, {"role": Role.ADMIN})
    assert (await service.change(*left, viewer.id, {"role": Role.DEVELOPER})).role is Role.DEVELOPER


async def test_the_last_owner_stays_whoever_asks(service: MemberService) -> None:
    owner = await add(service, Role.OWNER)
    for who in (WHO, acting(owner)):
        assert await refusal(service.remove(*who, owner.id)) == "unprocessable"
        assert await refusal(service.change(*who, owner.id, {"role": Role.ADMIN})) == "unprocessable"
    await service.change(*acting(owner), owner.id, {"name": "Boss"})


async def test_a_version_that_was_overtaken_is_refused(service: MemberService) -> None:
    member = await add(service, Role.VIEWER)
    await service.change(*WHO, member.id, {"name": "x"}, version=1)
    for attempt in (service.change(*WHO, member.id, {"name": "y"}, version=1), service.remove(*WHO, member.id, version=1)):
        assert await refusal(attempt) == "etag_mismatch"


@pytest.mark.parametrize("changes", [{"email": "x@y"}, {"is_active": True}, {"organisation_id": "org_2"}, {"id": "mem_2"}, {"name": ""}])
async def test_what_is_not_changed_is_refused(service: MemberService, changes: dict[str, Any]) -> None:
    member = await add(service, Role.VIEWER)
    assert await refusal(service.change(*WHO, member.id, changes)) == "invalid_parameter"


async def test_an_invitation_makes_a_member_once(service: MemberService, storage: MemoryStorage) -> None:
    invitation, token = await service.invite(*WHO, email="Bob@example.org", role=Role.DEVELOPER)
    assert token.startswith("inv_")
    assert invitation.digest == hashlib.sha256(token.encode()).digest()
    assert token not in repr(await storage.audit.list_events(AuditFilter(organisation_id=ORG)))
    assert await service.list_invitations(OPERATOR_RIGHTS, ORG) == [invitation]
    member = await service.accept(token, email="bob@EXAMPLE.org", name="Bob")
    assert (member.email, member.role, member.name) == ("bob@example.org", Role.DEVELOPER, "Bob")
    assert await service.list_invitations(OPERATOR_RIGHTS, ORG) == []
    assert await refusal(service.accept(token, email="bob@example.org")) == "not_found"


async def test_a_token_that_is_good_for_nothing_is_refused_in_the_same_words(
    service: MemberService, clock: Moment, storage: MemoryStorage
) -> None:
    owner = await add(service, Role.OWNER)
    await service.add(*WHO, email="second@example.org", role=Role.OWNER)
    tokens: dict[str, str] = {}
    ids: dict[str, str] = {}
    for name in ("address", "revoked", "expired", "inviter"):
        invitation, tokens[name] = await service.invite(*acting(owner), email=f"{name}@example.org", role=Role.ADMIN)
        ids[name] = invitation.id
    await service.revoke_invitation(*WHO, ids["revoked"])
    messages = set()

    async def expect_dead(token: str, email: str) -> None:
        with pytest.raises(ClientError) as refused:
            await service.accept(token, email=email)
        messages.add((refused.value.code, refused.value.denied.message))

    await expect_dead(tokens["address"], "other@example.org")
    await expect_dead(tokens["revoked"], "revoked@example.org")
    for text in ("", "inv_", "inv_" + "A" * 43, ids["address"], tokens["address"] + "\n", tokens["address"][:-1], "x" * 10_000):
        await expect_dead(text, "address@example.org")
    await service.change(*WHO, owner.id, {"role": Role.VIEWER})
    await expect_dead(tokens["inviter"], "inviter@example.org")
    await service.change(*WHO, owner.id, {"role": Role.ADMIN})
    clock.now = NOW + INVITATION_LIFETIME - timedelta(milliseconds=1)
    assert (await service.accept(tokens["inviter"], email="inviter@example.org")).role is Role.ADMIN
    clock.now = NOW + INVITATION_LIFETIME
    await expect_dead(tokens["expired"], "expired@example.org")
    assert len(messages) == 1
    assert next(iter(messages))[0] == "not_found"
    assert await service.list_invitations(OPERATOR_RIGHTS, ORG) == []


async def test_there_is_one_open_invitation_of_an_address_and_none_of_a_member(service: MemberService, clock: Moment) -> None:
    await add(service, Role.VIEWER)
    assert await refusal(service.invite(*WHO, email="viewer@example.org", role=Role.ADMIN)) == "duplicate_name"
    await service.invite(*WHO, email="bob@example.org", role=Role.ADMIN)
    assert await refusal(service.invite(*WHO, email="BOB@example.org", role=Role.VIEWER)) == "duplicate_name"
    clock.now = NOW + INVITATION_LIFETIME
    await service.invite(*WHO, email="bob@example.org", role=Role.VIEWER)
    assert await refusal(service.revoke_invitation(*WHO, "ivt_none")) == "not_found"


async def test_an_organisation_that_is_not_there_or_disabled_has_no_new_members(
    service: MemberService, storage: MemoryStorage, clock: Moment
) -> None:
    _, token = await service.invite(*WHO, email="bob@example.org", role=Role.ADMIN)
    organisations = OrganisationService(store=storage.organisations, clock=clock)
    await organisations.disable(*WHO)
    for attempt in (
        service.accept(token, email="bob@example.org"),
        service.add(*WHO, email="x@y", role=Role.ADMIN),
        service.invite(*WHO, email="x@y", role=Role.ADMIN),
        service.add(OPERATOR, OPERATOR_RIGHTS, "org_none", email="x@y", role=Role.ADMIN),
    ):
        assert await refusal(attempt) == "not_found"
    await organisations.enable(*WHO)
    assert (await service.accept(token, email="bob@example.org")).is_active
