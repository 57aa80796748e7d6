"""Restrictions, changes, rotation, guards and revoking: the key service over the store in memory."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from anyrouter.control.keys import KeyService
from anyrouter.control.rotation import GraceStart
from anyrouter.control.stores import AuditFilter
from anyrouter.core.apikey import ApiKey, KeyKind
from anyrouter.core.audit import OPERATOR, Actor, ActorKind, AuditEvent
from anyrouter.core.errors import ClientError
from anyrouter.core.tenancy import DEFAULT_ORGANISATION_ID, Member, Organisation, Role
from anyrouter.policy.rights import OPERATOR_RIGHTS, rights_of_key
from anyrouter.storage.memory import MemoryStorage
from support.operator_keys import OperatorKeys

DAY = timedelta(days=1)
PREVIOUS = b"MARKER-previous-pepper"


class Clock:
    """A time that is moved by hand."""

    def __init__(self) -> None:
        self.now = datetime(2026, 11, 24, 12, 0, tzinfo=UTC)

    def __call__(self) -> datetime:
        return self.now


class Members:
    """`MemberStore.list_members` of three people; the service needs no more of it."""

    def __init__(self) -> None:
        at = datetime(2026, 1, 1, tzinfo=UTC)
        self.rows = [
            Member(id=f"mem_{role}", organisation_id=DEFAULT_ORGANISATION_ID, email=f"{role}@b.example", name="", role=role, created_at=at)
            for role in (Role.ADMIN, Role.DEVELOPER, Role.VIEWER)
        ]
        self.rows.append(replace(self.rows[0], id="mem_gone", is_active=False))

    async def list_members(self, organisation_id: str) -> list[Member]:
        return [row for row in self.rows if row.organisation_id == organisation_id]


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def storage() -> MemoryStorage:
    return MemoryStorage()


@pytest.fixture
def keys(storage: MemoryStorage, clock: Clock) -> OperatorKeys:
    return OperatorKeys(make_service(storage, clock, b"MARKER-pepper", 2))


def make_service(storage: MemoryStorage, clock: Clock, pepper: bytes, version: int) -> KeyService:
    return KeyService(
        store=storage.keys,
        environments=storage.environments,
        organisations=storage.organisations,
        members=Members(),  # type: ignore[arg-type] -- what of it is used
        pepper=pepper,
        pepper_version=version,
        previous_pepper=PREVIOUS,
        clock=clock,
        max_keys=20,
    )


def as_key(key: ApiKey) -> dict[str, Any]:
    """The key as who asks."""
    return {"actor": Actor(kind=ActorKind.KEY, id=key.id, label=key.label), "rights": rights_of_key(key)}


async def refusal_of(call: Any) -> tuple[str, str | None]:
    with pytest.raises(ClientError) as refusal:
        await call
    return refusal.value.denied.code, refusal.value.denied.param


async def events_of(storage: MemoryStorage) -> list[AuditEvent]:
    return [link.event for link in reversed(await storage.audit.list_events(AuditFilter(organisation_id=DEFAULT_ORGANISATION_ID)))]


async def set_lifetime(storage: MemoryStorage, lifetime: timedelta) -> None:
    [organisation] = await storage.organisations.list_organisations()
    changed: Organisation = replace(organisation, max_key_lifetime_s=int(lifetime.total_seconds()), version=organisation.version + 1)
    event = AuditEvent(id="aud_1", organisation_id=changed.id, at=changed.created_at, actor=OPERATOR, action="organisation.change")
    await storage.organisations.update_organisation(changed, event)


async def test_every_restriction_is_kept_as_it_was_asked_for(keys: OperatorKeys) -> None:
    key, _ = await keys.create(
        name="n",
        endpoints=["/api/v1/chat/completions", "models", "/v1/models"],
        providers=["openai"],
        regions=["eu", "eu"],
        allowed_ips=["203.0.113.7", "10.0.0.0/8", "2001:DB8:0::/32", "::1"],
        not_before="2026-11-25T00:00:00Z",
        expires_at="30d",
        rate_limit_rpm=1,
        rate_limit_tpm=2,
        rate_limit_rpd=3,
        concurrency=4,
        limit="12.50",
        limit_reset="monthly",
        budget_policy="strict",
        tags=["a", " b ", "a"],
    )
    assert await keys.show(key.id) == key
    assert (key.endpoints, key.providers, key.regions) == (("chat/completions", "models"), ("openai",), ("eu",))
    assert key.allowed_ips == ("203.0.113.7", "10.0.0.0/8", "2001:db8::/32", "::1")
    assert (key.rate_limit_rpm, key.rate_limit_tpm, key.rate_limit_rpd, key.concurrency) == (1, 2, 3, 4)
    assert (key.limit_nanousd, key.limit_reset.value, key.budget_policy) == (12_500_000_000, "monthly", "strict")
    assert (key.tags, key.not_before, key.expires_at) == (("a", "b"), datetime(2026, 11, 25, tzinfo=UTC), key.created_at + 30 * DAY)


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("endpoints", []),
        ("endpoints", ["/*"]),
        ("endpoints", ["*"]),
        ("endpoints", ["chat/completions/"]),
        ("endpoints", ["health"]),
        ("providers", ["nobody"]),
        ("providers", []),
        ("regions", ["e u"]),
        ("regions", []),
        ("regions", ["r"] * 51),
        ("allowed_ips", []),
        ("allowed_ips", ["10.0.0.1/8"]),
        ("allowed_ips", ["10.0.0.0/33"]),
        ("allowed_ips", ["localhost"]),
        ("allowed_ips", ["fe80::1%eth0"]),
        ("allowed_ips", ["010.0.0.1"]),
        ("allowed_ips", ["1"]),
        ("allowed_ips", ["10.0.0.1\n"]),
        ("allowed_ips", ["::1"] * 101),
        ("rate_limit_rpm", -1),
        ("rate_limit_tpm", 2**53 + 1),
        ("rate_limit_rpd", 2**31),
        ("concurrency", True),
        ("concurrency", 1.0),
        ("limit", -1),
        ("limit", "NaN"),
        ("limit", "0.0000000001"),
        ("limit", 1_000_000_001),
        ("limit_reset", "yearly"),
        ("budget_policy", "generous"),
        ("tags", ["x"] * 21),
        ("tags", [""]),
        ("tags", ["x" * 65]),
        ("tags", ["a\x00"]),
        ("not_before", "2026-02-30T00:00:00Z"),
        ("not_before", "1764000000"),
        ("not_before", "9999-01-01T00:00:00Z"),
        ("expires_at", "2020-01-01T00:00:00Z"),
        ("expires_at", "-1"),
        ("expires_at", "1764000000.5"),
        ("is_operator", True),
        ("organisation", "org_2"),
        ("digest", b"MARKER"),
        ("limit_nanousd", 5),
    ],
)
async def test_what_is_no_restriction_is_refused_by_its_name(keys: OperatorKeys, field: str, value: Any) -> None:
    assert await refusal_of(keys.create(name="n", **{field: value})) == ("invalid_parameter", field)
    key, _ = await keys.create(name="n")
    assert await refusal_of(keys.change(key.id, {field: value})) == ("invalid_parameter", field)


async def test_a_key_begins_before_it_ends(keys: OperatorKeys) -> None:
    times = {"not_before": "2027-01-01T00:00:00Z", "expires_at": "2027-01-01T00:00:00Z"}
    assert await refusal_of(keys.create(name="n", **times)) == ("invalid_parameter", "not_before")


async def test_keys_live_as_long_as_the_organisation_lets_them(keys: OperatorKeys, storage: MemoryStorage, clock: Clock) -> None:
    old, _ = await keys.create(name="before the rule")
    await set_lifetime(storage, 30 * DAY)
    key, _ = await keys.create(name="n")
    assert key.expires_at == clock.now + 30 * DAY
    assert await refusal_of(keys.create(name="m", expires_at=clock.now + 31 * DAY)) == ("invalid_parameter", "expires_at")
    clock.now += 10 * DAY
    assert await refusal_of(keys.change(key.id, {"expires_at": None})) == ("invalid_parameter", "expires_at")
    assert await refusal_of(keys.change(key.id, {"expires_at": key.expires_at + DAY})) == ("invalid_parameter", "expires_at")
    await keys.change(key.id, {"expires_at": key.expires_at - DAY})
    await keys.change(old.id, {"name": "still"})
    new, _ = await keys.rotate(key.id)
    assert new.expires_at == key.expires_at - DAY


async def test_a_change_replaces_what_it_names_and_says_so_in_the_log(keys: OperatorKeys, storage: MemoryStorage) -> None:
    key, _ = await keys.create(name="n", models=["openai/*"], limit=5, limit_reset="daily", tags=["x"])
    changed = await keys.change(key.id, {"name": "m", "models": None, "limit": None, "limit_reset": None, "rate_limit_rpm": 7})
    assert (changed.name, changed.models, changed.limit_nanousd, changed.limit_reset.value) == ("m", None, None, "total")
    assert (changed.rate_limit_rpm, changed.tags, changed.version) == (7, ("x",), 2)
    assert await keys.show(key.id) == changed
    event = (await events_of(storage))[-1]
    assert (event.action, event.target_id, event.actor) == ("key.update", key.id, OPERATOR)
    assert event.before == {
        "name": "n",
        "models": ["openai/*"],
        "limit_nanousd": 5_000_000_000,
        "limit_reset": "daily",
        "rate_limit_rpm": None,
    }
    assert event.after == {"name": "m", "models": None, "limit_nanousd": None, "limit_reset": "total", "rate_limit_rpm": 7}


async def test_a_change_of_nothing_is_none(keys: OperatorKeys, storage: MemoryStorage) -> None:
    key, _ = await keys.create(name="n")
    assert await keys.change(key.id, {"name": "n", "disabled": False}) == key
    assert len(await events_of(storage)) == 1


async def test_a_change_of_another_version_than_was_meant_is_refused(keys: OperatorKeys) -> None:
    key, _ = await keys.create(name="n")
    await keys.change(key.id, {"name": "m"}, if_match=1)
    assert (await refusal_of(keys.change(key.id, {"name": "o"}, if_match=1)))[0] == "etag_mismatch"
    assert (await refusal_of(keys.delete(key.id, if_match=1)))[0] == "etag_mismatch"
    await keys.delete(key.id, if_match=2)


async def test_no_event_holds_the_text_or_the_digest_of_a_key(keys: OperatorKeys, storage: MemoryStorage) -> None:
    key, text = await keys.create(name="n")
    _, second = await keys.rotate(key.id)
    await keys.service.revoke([second], actor=OPERATOR)
    told = repr(await events_of(storage))
    for secret in (text, second, key.digest.hex(), repr(key.digest)[2:-1]):
        assert secret not in told


async def test_a_personal_key_is_a_members_and_administers_no_more_than_the_role(keys: OperatorKeys) -> None:
    key, _ = await keys.create(name="n", kind=KeyKind.PERSONAL, member_id="mem_viewer")
    assert (key.kind, key.member_id) == (KeyKind.PERSONAL, "mem_viewer")
    sandboxed = {"kind": KeyKind.PERSONAL, "member_id": "mem_developer", "scopes": ["admin:keys"]}
    await keys.create(name="m", environment="test", **sandboxed)
    for fields, param in (
        ({"kind": KeyKind.PERSONAL}, "member_id"),
        ({"member_id": "mem_viewer"}, "member_id"),
        ({"kind": KeyKind.PERSONAL, "member_id": "mem_gone"}, "member_id"),
        ({"kind": KeyKind.PERSONAL, "member_id": "mem_other"}, "member_id"),
        (sandboxed, "scopes"),
        ({"kind": KeyKind.PERSONAL, "member_id": "mem_viewer", "scopes": ["admin:keys"]}, "scopes"),
    ):
        assert await refusal_of(keys.create(name="x", **fields)) == ("invalid_parameter", param)


async def test_an_organisation_has_so_many_keys_and_no_more(keys: OperatorKeys) -> None:
    made = [(await keys.create(name=f"n{number}"))[0] for number in range(20)]
    assert (await refusal_of(keys.create(name="x")))[0] == "unprocessable"
    assert (await refusal_of(keys.rotate(made[0].id)))[0] == "unprocessable"
    await keys.delete(made[1].id)
    await keys.rotate(made[0].id)


async def test_an_admin_key_works_within_its_environment_and_rights(keys: OperatorKeys) -> None:
    admin, _ = await keys.create(name="admin", environment="test", scopes=["admin:keys"], models=["openai/*"], rate_limit_rpm=60)
    other, _ = await keys.create(name="other", environment="live")
    who = as_key(admin)
    fields = {"models": ["openai/gpt-4o"], "rate_limit_rpm": 60}
    made, text = await keys.create(name="made", **fields, **who)
    assert (made.environment, made.creator_id) == ("test", admin.id)
    assert text.startswith("ar-test-")
    assert await refusal_of(keys.create(name="x", environment="live", **fields, **who)) == ("exceeds_rights", "environment")
    assert await refusal_of(keys.create(name="x", **who)) == ("model_not_allowed", "models")
    assert await refusal_of(keys.create(name="x", scopes=["admin:byok"], **fields, **who)) == ("insufficient_scope", "scopes")
    assert await refusal_of(keys.change(admin.id, {"rate_limit_rpm": 61}, **who)) == ("exceeds_rights", "rate_limit_rpm")
    assert await refusal_of(keys.change(made.id, {"models": None}, **who)) == ("model_not_allowed", "models")
    missing = await refusal_of(keys.show("key_" + "0" * 32, rights=who["rights"]))
    for call in (keys.show(other.id, rights=who["rights"]), keys.delete(other.id, **who), keys.rotate(other.id, **who)):
        assert await refusal_of(call) == missing == ("not_found", None)
    assert {key.id for key in await keys.list(rights=who["rights"])} == {admin.id, made.id}
    assert await keys.list(rights=who["rights"], environment="live") == []


async def test_a_wider_key_can_be_ended_by_a_narrower_one_and_nothing_else(keys: OperatorKeys) -> None:
    admin, _ = await keys.create(name="admin", scopes=["admin:keys"], models=["openai/*"])
    wide, _ = await keys.create(name="wide")
    who = as_key(admin)
    assert (await refusal_of(keys.change(wide.id, {"name": "mine"}, **who)))[0] == "model_not_allowed"
    assert (await refusal_of(keys.rotate(wide.id, **who)))[0] == "model_not_allowed"
    assert (await refusal_of(keys.change(wide.id, {"disabled": True, "name": "mine"}, **who)))[0] == "model_not_allowed"
    assert (await keys.disable(wide.id, **who)).is_disabled
    assert (await refusal_of(keys.enable(wide.id, **who)))[0] == "model_not_allowed"
    await keys.delete(wide.id, **who)


async def test_the_key_in_use_and_the_last_admin_key_are_not_ended_by_mistake(keys: OperatorKeys, clock: Clock) -> None:
    admin, _ = await keys.create(name="admin", scopes=["admin:*"])
    who = as_key(admin)
    for call in (keys.disable(admin.id, **who), keys.delete(admin.id, **who), keys.change(admin.id, {"disabled": True}, **who)):
        assert (await refusal_of(call))[0] == "unprocessable"
    assert (await refusal_of(keys.change(admin.id, {"scopes": ["models:read"]}, **who)))[0] == "unprocessable"
    second, _ = await keys.create(name="second", scopes=["admin:keys"])
    await keys.delete(second.id, **who)
    await keys.delete(admin.id)  # the operator can make another one


async def test_a_key_that_was_ended_a_moment_ago_gives_nothing_any_more(keys: OperatorKeys) -> None:
    admin, _ = await keys.create(name="admin", scopes=["admin:*"])
    who = as_key(admin)
    await keys.disable(admin.id)
    assert (await refusal_of(keys.create(name="x", **who)))[0] == "invalid_api_key"
    await keys.enable(admin.id)
    await keys.rotate(admin.id)
    assert (await refusal_of(keys.create(name="x", **who)))[0] == "exceeds_rights"
    await keys.delete(admin.id)
    assert (await refusal_of(keys.create(name="x", **who)))[0] == "invalid_api_key"


async def test_the_new_key_has_exactly_the_old_ones_restrictions(keys: OperatorKeys, clock: Clock) -> None:
    old, _ = await keys.create(name="deploy", models=["openai/*"], allowed_ips=["10.0.0.0/8"], limit=3, tags=["x"], expires_at="90d")
    clock.now += DAY
    new, text = await keys.rotate(old.id, grace_s=3600)
    fresh = {"id", "label", "digest", "pepper_version", "created_at", "updated_at", "rotated_from"}
    for name in ApiKey.__slots__:
        assert (getattr(new, name) == getattr(old, name)) == (name not in fresh or name == "pepper_version"), name
    assert (new.rotated_from, text.startswith(new.label)) == (old.id, True)
    retired = await keys.show(old.id)
    assert (retired.superseded_by, retired.expires_at) == (new.id, clock.now + DAY / 24)
    assert retired.name == f"deploy (rotated {old.id[-8:]})"


@pytest.mark.parametrize("grace_s", [-1, 30 * 24 * 3600 + 1, 10 * 365 * 24 * 3600, 1.5, True])
async def test_a_grace_is_whole_seconds_of_at_most_thirty_days(keys: OperatorKeys, grace_s: Any) -> None:
    key, _ = await keys.create(name="n")
    assert await refusal_of(keys.rotate(key.id, grace_s=grace_s)) == ("unprocessable", "grace_seconds")


async def test_a_grace_of_nothing_ends_the_old_key_now_and_none_goes_past_its_own_end(keys: OperatorKeys, clock: Clock) -> None:
    one, _ = await keys.create(name="one")
    two, _ = await keys.create(name="two", expires_at="1h")
    await keys.rotate(one.id, grace_s=0)
    await keys.rotate(two.id, grace_s=24 * 3600)
    assert (await keys.show(one.id)).expires_at == clock.now
    assert (await keys.show(two.id)).expires_at == two.expires_at


async def test_what_is_over_is_not_rotated(keys: OperatorKeys, clock: Clock) -> None:
    disabled, expired, deleted, rotated = [(await keys.create(name=f"n{number}", expires_at="2h"))[0] for number in range(4)]
    await keys.disable(disabled.id)
    await keys.change(expired.id, {"expires_at": "1h"})
    await keys.delete(deleted.id)
    new, _ = await keys.rotate(rotated.id, grace_s=7200)
    clock.now += DAY / 24
    wanted = {disabled.id: "unprocessable", expired.id: "unprocessable", deleted.id: "not_found", rotated.id: "rotation_in_progress"}
    assert {key_id: (await refusal_of(keys.rotate(key_id)))[0] for key_id in wanted} == wanted
    await keys.rotate(new.id)


async def test_the_end_of_a_rotated_key_is_only_brought_nearer(keys: OperatorKeys, clock: Clock) -> None:
    key, _ = await keys.create(name="n")
    await keys.rotate(key.id, grace_s=3600)
    for later in (None, clock.now + DAY):
        assert await refusal_of(keys.change(key.id, {"expires_at": later})) == ("invalid_parameter", "expires_at")
    assert (await keys.change(key.id, {"expires_at": "1m"})).expires_at == clock.now + timedelta(minutes=1)


async def test_a_rotated_keys_name_is_of_the_usual_length(keys: OperatorKeys) -> None:
    key, _ = await keys.create(name="n" * 100)
    new, _ = await keys.rotate(key.id)
    await keys.rotate(new.id)
    assert max(len(row.name) for row in await keys.list()) == 100


async def test_whoever_holds_a_key_ends_it_and_learns_nothing(storage: MemoryStorage, keys: OperatorKeys, clock: Clock) -> None:
    old_keys = OperatorKeys(make_service(storage, clock, PREVIOUS, 1))
    one, one_text = await keys.create(name="one", scopes=["admin:*"])
    two, two_text = await old_keys.create(name="under the former pepper")
    three, _ = await keys.create(name="three")
    texts = [one_text, two_text, one_text, "rubbish", three.id, three.label, keys.service.__class__.__name__, "\ud800"]
    holder = Actor(kind=ActorKind.ANONYMOUS, address="203.0.113.7")
    assert await keys.service.revoke(texts, actor=holder) == 2
    assert await keys.service.revoke(texts, actor=holder) == 0
    assert [key.id for key in await keys.list()] == [three.id]
    revoked = [event for event in await events_of(storage) if event.action == "key.revoke"]
    assert {event.target_id for event in revoked} == {one.id, two.id}
    assert {event.actor.kind for event in revoked} == {ActorKind.ANONYMOUS}


async def test_the_start_of_a_grace_can_wait(keys: OperatorKeys) -> None:
    key, _ = await keys.create(name="n")
    await keys.rotate(key.id, grace_s=60, start=GraceStart.FIRST_USE)
    retired = await keys.show(key.id)
    assert (retired.expires_at, retired.grace_s) == (None, 60)


async def test_rights_over_all_are_the_operators(keys: OperatorKeys) -> None:
    assert OPERATOR_RIGHTS.is_operator
    key, _ = await keys.create(name="n", environment="test")
    assert await keys.show(key.id) == key
