"""Organisations: the operator's to make and to suspend, its administrators' to name."""

from datetime import UTC, datetime
from typing import Any

import pytest

from anyrouter.control.keys import KeyService
from anyrouter.control.organisations import OrganisationService
from anyrouter.control.stores import AuditFilter
from anyrouter.core.audit import OPERATOR, Actor, ActorKind
from anyrouter.core.errors import ClientError
from anyrouter.core.tenancy import DEFAULT_ORGANISATION_ID, EnvironmentKind
from anyrouter.policy.rights import OPERATOR_RIGHTS, Rights
from anyrouter.storage.memory import MemoryStorage

NOW = datetime(2026, 3, 4, 5, 6, 7, tzinfo=UTC)
ORG = DEFAULT_ORGANISATION_ID
WHO: Any = (OPERATOR, OPERATOR_RIGHTS, ORG)
KEY = Actor(kind=ActorKind.KEY, id="key_1")
ADMIN = Rights(scopes=frozenset({"admin:org"}), organisation_id=ORG)


@pytest.fixture
def storage() -> MemoryStorage:
    return MemoryStorage()


@pytest.fixture
def service(storage: MemoryStorage) -> OrganisationService:
    return OrganisationService(store=storage.organisations, clock=lambda: NOW)


async def refusal(work: Any) -> str:
    with pytest.raises(ClientError) as refused:
        await work
    return refused.value.code


async def test_a_new_organisation_has_live_and_test_and_nothing_else(service: OrganisationService, storage: MemoryStorage) -> None:
    made = await service.create(OPERATOR, OPERATOR_RIGHTS, name="Acme")
    environments = await storage.environments.list_environments(made.id)
    assert [(row.slug, row.kind) for row in environments] == [("live", EnvironmentKind.LIVE), ("test", EnvironmentKind.SANDBOX)]
    assert {row.id for row in environments}.isdisjoint(row.id for row in await storage.environments.list_environments(ORG))
    assert await storage.keys.list_keys(made.id) == []
    assert await storage.members.list_members(made.id) == []
    assert [row.id for row in await service.list(OPERATOR_RIGHTS)] == [ORG, made.id]
    (link,) = await storage.audit.list_events(AuditFilter(organisation_id=made.id))
    assert (link.event.action, link.event.target_id) == ("org.create", made.id)


async def test_an_organisation_is_changed_disabled_and_enabled(service: OrganisationService) -> None:
    changed = await service.change(*WHO, {"name": "Acme", "max_key_lifetime_s": 3600}, version=1)
    assert (changed.name, changed.max_key_lifetime_s) == ("Acme", 3600)
    assert await refusal(service.change(*WHO, {"name": "x"}, version=1)) == "etag_mismatch"
    assert not (await service.disable(*WHO)).is_active
    assert (await service.disable(*WHO)).version == 3
    assert (await service.enable(*WHO)).is_active
    assert (await service.change(*WHO, {"max_key_lifetime_s": None})).max_key_lifetime_s is None


async def test_an_administrator_changes_what_is_its_own_and_no_more(service: OrganisationService) -> None:
    other = await service.create(OPERATOR, OPERATOR_RIGHTS, name="Other")
    assert (await service.change(KEY, ADMIN, ORG, {"name": "Mine"})).name == "Mine"
    for attempt, code in (
        (service.list(ADMIN), "exceeds_rights"),
        (service.create(KEY, ADMIN, name="x"), "exceeds_rights"),
        (service.disable(KEY, ADMIN, ORG), "exceeds_rights"),
        (service.enable(KEY, ADMIN, ORG), "exceeds_rights"),
        (service.show(ADMIN, other.id), "not_found"),
        (service.show(ADMIN, "org_none"), "not_found"),
        (service.change(KEY, ADMIN, other.id, {"name": "x"}), "not_found"),
        (service.show(Rights(scopes=frozenset({"admin:keys"})), ORG), "insufficient_scope"),
    ):
        assert await refusal(attempt) == code


@pytest.mark.parametrize(
    "changes",
    [
        {"is_active": False},
        {"credit_mode": "metered"},
        {"monthly_grant_nanousd": 1},
        {"id": "org_2"},
        {"name": "\u202e"},
        {"max_key_lifetime_s": 0},
        {"max_key_lifetime_s": -1},
        {"max_key_lifetime_s": True},
        {"max_key_lifetime_s": 3600.5},
        {"max_key_lifetime_s": "3600"},
        {"max_key_lifetime_s": 2**63},
    ],
)
async def test_what_cannot_be_changed_is_refused(service: OrganisationService, changes: dict[str, Any]) -> None:
    assert await refusal(service.change(*WHO, changes)) == "invalid_parameter"


async def test_keys_live_no_longer_than_their_organisation_says(service: OrganisationService, storage: MemoryStorage) -> None:
    keys = KeyService(
        store=storage.keys,
        environments=storage.environments,
        organisations=storage.organisations,
        pepper=b"p" * 32,
        pepper_version=1,
        clock=lambda: NOW,
    )
    endless, _ = await keys.create(name="endless", actor=OPERATOR, rights=OPERATOR_RIGHTS)
    assert endless.expires_at is None
    await service.change(*WHO, {"max_key_lifetime_s": 86_400})
    made, _ = await keys.create(name="a", actor=OPERATOR, rights=OPERATOR_RIGHTS)
    assert made.expires_at is not None
    assert (made.expires_at - NOW).total_seconds() == 86_400
    for attempt in (
        keys.create(name="b", actor=OPERATOR, rights=OPERATOR_RIGHTS, expires_at="2d"),
        keys.change(made.id, {"expires_at": None}, actor=OPERATOR, rights=OPERATOR_RIGHTS),
        keys.change(made.id, {"expires_at": "25h"}, actor=OPERATOR, rights=OPERATOR_RIGHTS),
    ):
        assert await refusal(attempt) == "invalid_parameter"
    for old in (made, endless):
        new, _ = await keys.rotate(old.id, actor=OPERATOR, rights=OPERATOR_RIGHTS, grace_s=0)
        assert new.expires_at is not None
        assert (new.expires_at - NOW).total_seconds() <= 86_400
