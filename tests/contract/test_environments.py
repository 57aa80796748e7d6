"""Environments: the same over every store, each change with its event or not at all."""

import asyncio
from dataclasses import replace
from datetime import UTC, datetime

import pytest

from anyrouter.control.stores import AuditFilter
from anyrouter.core.budget import BudgetPolicy
from anyrouter.core.errors import ClientError
from anyrouter.core.tenancy import DEFAULT_ORGANISATION_ID, Environment, EnvironmentKind, Organisation
from anyrouter.storage.memory import MemoryStorage
from anyrouter.storage.opening import ServingStorage
from support.environments import environment_event

AnyStorage = ServingStorage | MemoryStorage
STAGING = Environment(
    id="env_staging",
    organisation_id=DEFAULT_ORGANISATION_ID,
    slug="staging",
    name="Stäging",
    kind=EnvironmentKind.LIVE,
    rate_limit_tpm=2**40,
)


async def slugs(storage: AnyStorage, organisation_id: str = DEFAULT_ORGANISATION_ID) -> list[str]:
    return [known.slug for known in await storage.environments.list_environments(organisation_id)]


async def test_an_environment_comes_back_as_it_was_stored_and_is_announced(storage: AnyStorage) -> None:
    told: list[frozenset[str]] = []
    storage.watch.subscribe(told.append)
    await storage.environments.add_environment(STAGING, environment_event(STAGING))
    assert await slugs(storage) == ["live", "staging", "test"]
    assert STAGING in await storage.environments.list_environments(DEFAULT_ORGANISATION_ID)
    assert await slugs(storage, "org_other") == []
    assert frozenset({DEFAULT_ORGANISATION_ID}) in told


async def test_a_slug_is_taken_for_good_in_its_organisation_and_free_in_others(storage: AnyStorage) -> None:
    await storage.environments.add_environment(STAGING, environment_event(STAGING))
    deleted = replace(STAGING, deleted_at=datetime(2026, 3, 4, tzinfo=UTC), version=2)
    await storage.environments.update_environment(deleted, environment_event(deleted))
    outcomes = await asyncio.gather(
        *(storage.environments.add_environment(replace(STAGING, id=f"env_{n}"), environment_event(STAGING)) for n in range(2)),
        return_exceptions=True,
    )
    assert [outcome.code for outcome in outcomes if isinstance(outcome, ClientError)] == ["duplicate_name"] * 2
    other = Organisation(id="org_other", name="Other", created_at=datetime(2026, 3, 4, tzinfo=UTC))
    twin = replace(STAGING, id="env_twin", organisation_id=other.id)
    await storage.organisations.add_organisation(other, [twin], environment_event(twin))
    assert await slugs(storage, other.id) == ["staging"]
    assert deleted in await storage.environments.list_environments(DEFAULT_ORGANISATION_ID)


async def test_an_environment_is_changed_only_from_the_version_that_is_stored_and_never_its_slug_or_kind(storage: AnyStorage) -> None:
    await storage.environments.add_environment(STAGING, environment_event(STAGING))
    changed = replace(
        STAGING,
        name="Stage",
        is_active=False,
        rate_limit_rpm=5,
        rate_limit_tpm=None,
        concurrency=0,
        budget_policy=BudgetPolicy.STRICT,
        version=2,
    )
    said = replace(changed, slug="other", kind=EnvironmentKind.SANDBOX)
    await storage.environments.update_environment(said, environment_event(changed))
    assert changed in await storage.environments.list_environments(DEFAULT_ORGANISATION_ID)
    for wrong, code in (
        (changed, "etag_mismatch"),
        (replace(changed, version=4), "etag_mismatch"),
        (replace(changed, id="env_none", version=3), "not_found"),
        (replace(changed, organisation_id="org_other", version=3), "not_found"),
    ):
        with pytest.raises(ClientError) as refused:
            await storage.environments.update_environment(wrong, environment_event(changed))
        assert refused.value.code == code
    events = await storage.audit.list_events(AuditFilter(organisation_id=DEFAULT_ORGANISATION_ID))
    assert [link.event.target_id for link in events] == [STAGING.id, STAGING.id]


async def test_what_is_not_recorded_is_not_done(storage: AnyStorage) -> None:
    broken = replace(environment_event(STAGING), after={"x": object()})
    with pytest.raises(TypeError):
        await storage.environments.add_environment(STAGING, broken)
    assert await slugs(storage) == ["live", "test"]
