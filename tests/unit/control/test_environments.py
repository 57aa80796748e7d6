"""What is done with environments, and what the configuration file says of them."""

from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

import pytest

from anyrouter.control.environments import EnvironmentService, declare_environments
from anyrouter.control.stores import AuditFilter
from anyrouter.core.audit import OPERATOR, Actor, ActorKind
from anyrouter.core.budget import BudgetPolicy
from anyrouter.core.errors import ClientError, InternalError
from anyrouter.core.tenancy import DEFAULT_ORGANISATION_ID, Environment, EnvironmentKind
from anyrouter.policy.rights import OPERATOR_RIGHTS, Rights
from anyrouter.storage.memory import MemoryStorage
from support.environments import environment_event

NOW = datetime(2026, 3, 4, 5, 6, 7, tzinfo=UTC)
STAGING = Environment(
    id="env_2", organisation_id=DEFAULT_ORGANISATION_ID, slug="staging", name="Staging", kind=EnvironmentKind.LIVE, rate_limit_rpm=60
)
WHO: Any = (OPERATOR, OPERATOR_RIGHTS, DEFAULT_ORGANISATION_ID)


@pytest.fixture
def storage() -> MemoryStorage:
    return MemoryStorage()


@pytest.fixture
def service(storage: MemoryStorage) -> EnvironmentService:
    return EnvironmentService(store=storage.environments, clock=lambda: NOW)


async def by_slug(storage: MemoryStorage) -> dict[str, Environment]:
    return {row.slug: row for row in await storage.environments.list_environments(DEFAULT_ORGANISATION_ID)}


async def actions(storage: MemoryStorage) -> list[str]:
    events = await storage.audit.list_events(AuditFilter(organisation_id=DEFAULT_ORGANISATION_ID))
    return [link.event.action for link in reversed(events)]


async def refusal(work: Any) -> str:
    with pytest.raises(ClientError) as refused:
        await work
    return refused.value.code


async def test_a_declared_environment_that_is_missing_is_added(storage: MemoryStorage) -> None:
    await declare_environments(storage.environments, [STAGING], NOW)
    assert (await by_slug(storage))["staging"] == replace(STAGING, is_managed=True)
    assert await actions(storage) == ["environment.create"]


async def test_a_known_one_becomes_as_declared_and_keeps_its_id(storage: MemoryStorage) -> None:
    stored = replace(STAGING, is_active=False, concurrency=3, deleted_at=NOW)
    await storage.environments.add_environment(stored, environment_event(stored))
    await declare_environments(storage.environments, [replace(STAGING, id="env_9", rate_limit_rpm=None)], NOW)
    assert (await by_slug(storage))["staging"] == replace(STAGING, rate_limit_rpm=None, is_managed=True, version=2)


async def test_one_that_is_as_declared_is_not_written(storage: MemoryStorage) -> None:
    await declare_environments(storage.environments, [STAGING], NOW)
    told: list[object] = []
    storage.watch.subscribe(told.append)
    await declare_environments(storage.environments, [replace(STAGING, id="env_9")], NOW, is_complete=True)
    assert told == []


async def test_one_that_is_not_declared_any_more_is_the_api_s_to_change(storage: MemoryStorage, service: EnvironmentService) -> None:
    await declare_environments(storage.environments, [STAGING], NOW, is_complete=True)
    assert await refusal(service.change(*WHO, "staging", {"name": "x"})) == "managed_by_file"
    assert await refusal(service.delete(*WHO, "staging")) == "managed_by_file"
    await declare_environments(storage.environments, [], NOW)  # a command that may not have been given the file
    assert (await by_slug(storage))["staging"].is_managed
    await declare_environments(storage.environments, [], NOW, is_complete=True)
    assert (await service.change(*WHO, "staging", {"name": "x"})).name == "x"


async def test_what_the_api_said_of_a_standard_environment_stays_while_the_file_does_not_mention_it(
    storage: MemoryStorage, service: EnvironmentService
) -> None:
    changed = await service.change(*WHO, "live", {"rate_limit_rpm": 7})
    await declare_environments(storage.environments, [STAGING], NOW, is_complete=True)
    assert (await by_slug(storage))["live"] == changed


async def test_the_file_changes_no_kind(storage: MemoryStorage) -> None:
    await declare_environments(storage.environments, [STAGING], NOW)
    with pytest.raises(InternalError, match="kind never changes"):
        await declare_environments(storage.environments, [replace(STAGING, kind=EnvironmentKind.SANDBOX)], NOW)


async def test_an_environment_is_made_changed_and_deleted(storage: MemoryStorage, service: EnvironmentService) -> None:
    made = await service.create(*WHO, slug="ci", kind=EnvironmentKind.SANDBOX, rate_limit_rpm=5)
    assert (made.name, made.kind, made.rate_limit_rpm, made.is_managed) == ("Ci", EnvironmentKind.SANDBOX, 5, False)
    changes = {
        "name": "Builds",
        "is_active": False,
        "rate_limit_rpm": None,
        "rate_limit_tpm": 1,
        "concurrency": 0,
        "budget_policy": "strict",
    }
    changed = await service.change(*WHO, "ci", changes)
    assert (changed.name, changed.is_active, changed.rate_limit_rpm, changed.concurrency) == ("Builds", False, None, 0)
    assert changed.budget_policy is BudgetPolicy.STRICT
    assert await service.show(OPERATOR_RIGHTS, DEFAULT_ORGANISATION_ID, "ci") == changed
    deleted = await service.delete(*WHO, "ci")
    assert deleted.deleted_at == NOW
    assert [row.slug for row in await service.list(OPERATOR_RIGHTS, DEFAULT_ORGANISATION_ID)] == ["live", "test"]
    for attempt in (
        service.show(OPERATOR_RIGHTS, DEFAULT_ORGANISATION_ID, "ci"),
        service.change(*WHO, "ci", {}),
        service.delete(*WHO, "ci"),
    ):
        assert await refusal(attempt) == "not_found"
    assert await refusal(service.create(*WHO, slug="ci", kind=EnvironmentKind.LIVE)) == "duplicate_name"
    assert await actions(storage) == ["environment.create", "environment.change", "environment.delete"]


@pytest.mark.parametrize("slug", ["", "a", "Ci", "1a", "a" * 17, "a-b", "ci\n", "ci ", "cï"])
async def test_a_slug_that_no_key_can_have_is_refused(service: EnvironmentService, slug: str) -> None:
    assert await refusal(service.create(*WHO, slug=slug, kind=EnvironmentKind.LIVE)) == "invalid_parameter"


@pytest.mark.parametrize(
    "changes",
    [
        {"slug": "x"},
        {"kind": "live"},
        {"organisation_id": "org_other"},
        {"is_managed": True},
        {"deleted_at": None},
        {"name": ""},
        {"name": "a\x00"},
        {"rate_limit_rpm": -1},
        {"rate_limit_rpm": "60"},
        {"rate_limit_tpm": 2**63},
        {"concurrency": True},
        {"budget_policy": "none"},
    ],
)
async def test_what_cannot_be_changed_is_refused(service: EnvironmentService, changes: dict[str, Any]) -> None:
    assert await refusal(service.change(*WHO, "live", changes)) == "invalid_parameter"


async def test_a_version_that_was_overtaken_is_refused(service: EnvironmentService) -> None:
    await service.change(*WHO, "live", {"name": "a"}, version=1)
    assert await refusal(service.change(*WHO, "live", {"name": "b"}, version=1)) == "etag_mismatch"
    assert await refusal(service.change(*WHO, "live", {"name": "b"}, version=9)) == "etag_mismatch"


async def test_live_and_test_always_exist(service: EnvironmentService) -> None:
    for slug in ("live", "test"):
        assert await refusal(service.delete(*WHO, slug)) == "unprocessable"


async def test_a_key_does_not_end_its_own_environment(service: EnvironmentService) -> None:
    made = await service.create(*WHO, slug="ci", kind=EnvironmentKind.LIVE)
    key = Actor(kind=ActorKind.KEY, id="key_1")
    rights = Rights(scopes=frozenset({"admin:org"}), organisation_id=DEFAULT_ORGANISATION_ID, environment_ids=frozenset({made.id}))
    for attempt in (
        service.delete(key, rights, DEFAULT_ORGANISATION_ID, "ci"),
        service.change(key, rights, DEFAULT_ORGANISATION_ID, "ci", {"is_active": False}),
    ):
        assert await refusal(attempt) == "unprocessable"
    assert (await service.change(key, rights, DEFAULT_ORGANISATION_ID, "live", {"is_active": False})).is_active is False


async def test_who_may_not_manage_the_organisation_sees_and_changes_nothing(service: EnvironmentService) -> None:
    rights = Rights(scopes=frozenset({"admin:keys"}))
    for attempt in (
        service.list(rights, DEFAULT_ORGANISATION_ID),
        service.create(OPERATOR, rights, DEFAULT_ORGANISATION_ID, slug="ci", kind=EnvironmentKind.LIVE),
        service.change(OPERATOR, rights, DEFAULT_ORGANISATION_ID, "live", {}),
        service.delete(OPERATOR, rights, DEFAULT_ORGANISATION_ID, "live"),
    ):
        assert await refusal(attempt) == "insufficient_scope"
