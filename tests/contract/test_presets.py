"""PresetStore, the same over every store."""

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from anyrouter.control.audit import make_event
from anyrouter.control.stores import AuditFilter
from anyrouter.core.audit import OPERATOR
from anyrouter.core.errors import ClientError
from anyrouter.core.ids import new_id
from anyrouter.core.preset import Preset
from anyrouter.core.tenancy import DEFAULT_ORGANISATION_ID
from anyrouter.storage.memory import MemoryStorage
from anyrouter.storage.opening import ServingStorage

AnyStorage = ServingStorage | MemoryStorage
MakePreset = Callable[..., Awaitable[Preset]]
NOW = datetime(2026, 3, 4, 5, 6, 7, 89_000, tzinfo=UTC)
EVENT = make_event(OPERATOR, DEFAULT_ORGANISATION_ID, "preset.update", NOW)
FULL = {
    "name": "Übersetzer 'x\"; DROP TABLE presets; --",
    "description": "Two\nlines.",
    "system_prompt": "You are terse.\n\tAlways. 😀",
    "dialect": "anthropic",
    "members": {
        "model": b'"openai/gpt-4o"',
        "temperature": b"0.10",
        "provider": b'{"sort": "price", "x": "\\u0000"}',
        "stop": b'["\xc3\xa9"]',
    },
}


@pytest.fixture
def make_preset(storage: AnyStorage) -> MakePreset:
    """Adds a preset to the store under test; fields by name."""

    async def make(slug: str = "writer", environment: str = "live", **fields: Any) -> Preset:
        ids = {known.slug: known.id for known in await storage.environments.list_environments(DEFAULT_ORGANISATION_ID)}
        values = {"name": slug, "members": {}, "created_at": NOW, "updated_at": NOW, **fields}
        preset = Preset(id=new_id("pre", 1), organisation_id=DEFAULT_ORGANISATION_ID, environment_id=ids[environment], slug=slug, **values)
        await storage.presets.add_preset(preset, EVENT)
        return preset

    return make


async def test_a_preset_comes_back_as_it_was_stored(storage: AnyStorage, make_preset: MakePreset):
    for preset in (await make_preset(), await make_preset("full", **FULL)):
        assert await storage.presets.find_preset(DEFAULT_ORGANISATION_ID, preset.environment_id, preset.slug) == preset
    assert list((await storage.presets.list_presets(DEFAULT_ORGANISATION_ID))[0].members) == list(FULL["members"])


async def test_a_slug_is_unique_in_its_environment(storage: AnyStorage, make_preset: MakePreset):
    first = await make_preset()
    other = await make_preset(environment="test")
    with pytest.raises(ClientError) as caught:
        await make_preset()
    assert (caught.value.code, caught.value.denied.param) == ("duplicate_name", "slug")
    await storage.presets.delete_preset(first, EVENT)
    await make_preset()
    assert await storage.presets.find_preset(DEFAULT_ORGANISATION_ID, other.environment_id, "writer") == other


async def test_presets_are_listed_by_slug(storage: AnyStorage, make_preset: MakePreset):
    for slug, environment in (("b", "live"), ("a-z", "live"), ("a", "test"), ("a_b", "live"), ("a0", "live")):
        await make_preset(slug, environment)
    live = next(row.id for row in await storage.environments.list_environments(DEFAULT_ORGANISATION_ID) if row.slug == "live")
    found = await storage.presets.list_presets(DEFAULT_ORGANISATION_ID, environment_id=live)
    assert [preset.slug for preset in found] == ["a-z", "a0", "a_b", "b"]
    assert [preset.slug for preset in await storage.presets.list_presets(DEFAULT_ORGANISATION_ID)] == ["a", "a-z", "a0", "a_b", "b"]


async def test_an_update_replaces_the_version_before_it_in_what_may_change(storage: AnyStorage, make_preset: MakePreset):
    preset = await make_preset()
    later = NOW + timedelta(minutes=1)
    await storage.presets.update_preset(replace(preset, **FULL, updated_at=later, slug="stolen", created_at=later, version=2), EVENT)
    found = await storage.presets.find_preset(DEFAULT_ORGANISATION_ID, preset.environment_id, "writer")
    assert found == replace(preset, **FULL, updated_at=later, version=2)


async def test_of_many_who_change_one_version_one_does(storage: AnyStorage, make_preset: MakePreset):
    preset = await make_preset()
    wanted = [storage.presets.update_preset(replace(preset, name=f"{number}", version=2), EVENT) for number in range(5)]
    outcomes = await asyncio.gather(*wanted, storage.presets.delete_preset(replace(preset, version=7), EVENT), return_exceptions=True)
    assert [one for one in outcomes if not isinstance(one, ClientError)] == [None]
    assert {one.code for one in outcomes if isinstance(one, ClientError)} == {"etag_mismatch"}
    assert (await storage.audit.read_head(DEFAULT_ORGANISATION_ID))[0] == 2


async def test_a_change_whose_event_cannot_be_written_is_not_made(storage: AnyStorage, make_preset: MakePreset):
    preset = await make_preset()
    unwritable = replace(EVENT, after={"x": object()})
    other = replace(preset, id="pre_other", slug="other")
    for attempt in (
        storage.presets.add_preset(other, unwritable),
        storage.presets.update_preset(replace(preset, name="changed", version=2), unwritable),
        storage.presets.delete_preset(preset, unwritable),
    ):
        with pytest.raises(TypeError):
            await attempt
    assert await storage.presets.list_presets(DEFAULT_ORGANISATION_ID) == [preset]
    assert (await storage.audit.read_head(DEFAULT_ORGANISATION_ID))[0] == 1


async def test_a_change_that_is_refused_leaves_no_event(storage: AnyStorage, make_preset: MakePreset):
    preset = await make_preset()
    for attempt in (
        storage.presets.add_preset(replace(preset, id="pre_other"), EVENT),
        storage.presets.update_preset(preset, EVENT),
        storage.presets.delete_preset(replace(preset, id="pre_other"), EVENT),
    ):
        with pytest.raises(ClientError):
            await attempt
    found = await storage.audit.list_events(AuditFilter(organisation_id=DEFAULT_ORGANISATION_ID))
    assert [link.number for link in found] == [1]


async def test_another_organisation_neither_sees_nor_changes_a_preset(storage: AnyStorage, make_preset: MakePreset):
    preset = await make_preset()
    assert await storage.presets.list_presets("org_other") == []
    assert await storage.presets.find_preset("org_other", preset.environment_id, preset.slug) is None
    stolen = replace(preset, organisation_id="org_other")
    for attempt in (storage.presets.update_preset(stolen, EVENT), storage.presets.delete_preset(stolen, EVENT)):
        with pytest.raises(ClientError) as caught:
            await attempt
        assert caught.value.code == "not_found"
    assert await storage.presets.list_presets(DEFAULT_ORGANISATION_ID) == [preset]


async def test_a_deleted_preset_is_gone(storage: AnyStorage, make_preset: MakePreset):
    preset = await make_preset()
    await storage.presets.delete_preset(preset, EVENT)
    assert await storage.presets.list_presets(DEFAULT_ORGANISATION_ID) == []
    for attempt in (storage.presets.update_preset(preset, EVENT), storage.presets.delete_preset(preset, EVENT)):
        with pytest.raises(ClientError) as caught:
            await attempt
        assert caught.value.code == "not_found"


async def test_changes_are_announced_when_they_are_made(storage: AnyStorage, make_preset: MakePreset):
    heard: list[frozenset[str]] = []
    storage.watch.subscribe(heard.append)
    preset = await make_preset()
    assert heard == [frozenset({DEFAULT_ORGANISATION_ID})]
    changed = replace(preset, version=2)
    await storage.presets.update_preset(changed, EVENT)
    await storage.presets.delete_preset(changed, EVENT)
    assert len(heard) >= 3
