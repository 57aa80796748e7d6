"""Presets as people make, change and delete them, over the store in memory."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from anyrouter.control.presets import MAX_MEMBERS_BYTES, MAX_PROMPT_LENGTH, PresetService, check_config
from anyrouter.core.audit import OPERATOR
from anyrouter.core.errors import ClientError
from anyrouter.core.tenancy import DEFAULT_ORGANISATION_ID, Environment, EnvironmentKind
from anyrouter.policy.rights import OPERATOR_RIGHTS
from anyrouter.storage.memory import MemoryStorage
from support.environments import environment_event

WHO: dict[str, Any] = {"actor": OPERATOR, "rights": OPERATOR_RIGHTS}
SEES: dict[str, Any] = {"rights": OPERATOR_RIGHTS}
NOW = datetime(2026, 11, 24, 12, tzinfo=UTC)


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
def service(storage: MemoryStorage, clock: Moment) -> PresetService:
    return PresetService(store=storage.presets, environments=storage.environments, clock=clock)


async def refusal(attempt: Any) -> tuple[str, str | None]:
    with pytest.raises(ClientError) as caught:
        await attempt
    return caught.value.code, caught.value.denied.param


async def test_a_preset_is_made_with_what_was_said(service: PresetService) -> None:
    config = {"model": "openai/gpt-4o", "temperature": 0.2, "top_p": None, "system": "Be terse.", "provider": {"sort": "price"}}
    preset = await service.create(**WHO, slug="writer", environment="live", config=config, description=" For letters. ")
    assert preset.id.startswith("pre_")
    assert (preset.slug, preset.name, preset.description, preset.version) == ("writer", "writer", "For letters.", 1)
    assert preset.members == {"model": b'"openai/gpt-4o"', "temperature": b"0.2", "provider": b'{"sort":"price"}'}
    assert (preset.system_prompt, preset.dialect, preset.created_at) == ("Be terse.", "openai", NOW)
    assert await service.show("live", "writer", **SEES) == preset
    assert await service.list("live", **SEES) == [preset]


async def test_a_preset_is_its_environments_alone(service: PresetService, storage: MemoryStorage) -> None:
    await service.create(**WHO, slug="writer", environment="live", config={"model": "a/b"})
    assert await service.list("test", **SEES) == []
    for attempt in (
        service.show("test", "writer", **SEES),
        service.change("test", "writer", {"name": "x"}, **WHO),
        service.delete("test", "writer", **WHO),
    ):
        assert (await refusal(attempt))[0] == "not_found"
    await service.create(**WHO, slug="writer", environment="test", config={"model": "c/d"})
    assert (await service.show("live", "writer", **SEES)).members == {"model": b'"a/b"'}
    other = Environment(id="env_o", organisation_id="org_other", slug="live", name="Live", kind=EnvironmentKind.LIVE)
    await storage.environments.add_environment(other, environment_event(other))
    assert await service.list("live", organisation_id="org_other", **SEES) == []
    assert (await refusal(service.show("live", "writer", organisation_id="org_other", **SEES)))[0] == "not_found"
    assert await refusal(service.list("nowhere", **SEES)) == ("invalid_parameter", "environment")
    assert await refusal(service.list("../../", **SEES)) == ("invalid_parameter", "environment")


async def test_a_slug_is_taken_once(service: PresetService) -> None:
    await service.create(**WHO, slug="writer", environment="live", config={})
    assert await refusal(service.create(**WHO, slug="writer", environment="live", config={})) == ("duplicate_name", "slug")


async def test_a_change_replaces_what_it_names_and_counts_the_version(service: PresetService, clock: Moment) -> None:
    await service.create(
        **WHO, slug="writer", environment="live", config={"model": "a/b", "top_p": 1}, system_prompt="Be terse.", name="Writer"
    )
    clock.now += timedelta(minutes=1)
    changed = await service.change("live", "writer", {"config": {"model": "c/d"}}, **WHO)
    assert (changed.members, changed.system_prompt, changed.name, changed.version) == ({"model": b'"c/d"'}, "Be terse.", "Writer", 2)
    assert (changed.created_at, changed.updated_at) == (NOW, NOW + timedelta(minutes=1))
    changed = await service.change(
        "live", "writer", {"name": "W", "description": "d", "system_prompt": None, "dialect": "anthropic"}, **WHO
    )
    assert (changed.name, changed.description, changed.system_prompt, changed.dialect, changed.version) == ("W", "d", None, "anthropic", 3)
    assert (await service.change("live", "writer", {"config": {"system": "New."}}, **WHO)).system_prompt == "New."


@pytest.mark.parametrize("name", ["systemInstruction", "system_instruction"])
async def test_an_instruction_of_gemini_s_format_is_a_system_prompt(service: PresetService, name: str) -> None:
    config = {"model": "a/b", name: {"parts": [{"text": "Be terse."}, {"text": "Be kind."}]}, "safetySettings": []}
    made = await service.create(**WHO, slug="writer", environment="live", config=config, dialect="gemini")
    assert (made.system_prompt, made.members) == ("Be terse.\n\nBe kind.", {"model": b'"a/b"', "safetySettings": b"[]"})
    for odd in ({"parts": []}, {"parts": [{"text": 5}]}, {"parts": [{"text": "a", "inlineData": {}}]}, {"parts": "text"}, [5]):
        assert await refusal(service.change("live", "writer", {"config": {name: odd}}, **WHO)) == ("invalid_parameter", "config")


async def test_a_deleted_preset_is_gone(service: PresetService) -> None:
    await service.create(**WHO, slug="writer", environment="live", config={})
    assert (await service.delete("live", "writer", **WHO)).slug == "writer"
    assert await service.list("live", **SEES) == []
    assert (await refusal(service.delete("live", "writer", **WHO)))[0] == "not_found"


async def test_a_request_becomes_a_preset_without_what_is_of_it_alone(service: PresetService) -> None:
    body = {
        "model": "openai/gpt-4o",
        "temperature": 0.7,
        "stream": True,
        "messages": [
            {"role": "system", "content": "Be terse."},
            {"role": "developer", "content": [{"type": "text", "text": "Be kind."}, {"type": "image"}]},
            {"role": "user", "content": "Hi"},
            {"role": "system", "content": "Later."},
        ],
    }
    made = await service.put_request("live", "writer", body, "openai", **WHO)
    assert made.members == {"model": b'"openai/gpt-4o"', "temperature": b"0.7"}
    assert (made.system_prompt, made.version) == ("Be terse.\n\nBe kind.", 1)
    again = await service.put_request(
        "live", "writer", {"model": "a/b", "max_tokens": 5, "system": "New.", "messages": []}, "anthropic", **WHO
    )
    assert (again.id, again.version, again.dialect, again.system_prompt) == (made.id, 2, "anthropic", "New.")
    assert again.members == {"model": b'"a/b"', "max_tokens": b"5"}
    responses = await service.put_request("live", "other", {"model": "a/b", "instructions": "I.", "input": "x"}, "responses", **WHO)
    assert (responses.system_prompt, responses.members) == ("I.", {"model": b'"a/b"'})
    for odd in (None, "text", [5], [{"role": "system"}], [{"role": "system", "content": 5}]):
        assert (await service.put_request("live", "odd", {"model": "a/b", "messages": odd}, "openai", **WHO)).system_prompt is None


@pytest.mark.parametrize("slug", ["", "A", "two words", "-a", "a-", "ä", "a/b", "a" * 65, "a\n", "@preset/a", "a.b"])
async def test_what_is_no_slug_is_refused(service: PresetService, slug: str) -> None:
    assert await refusal(service.create(**WHO, slug=slug, environment="live", config={}, name="n")) == ("invalid_parameter", "slug")
    assert (await refusal(service.show("live", slug, **SEES)))[0] == "not_found"


@pytest.mark.parametrize(
    ("config", "param"),
    [
        (None, "config"),
        ([], "config"),
        ("text", "config"),
        ({"messages": []}, "config.messages"),
        ({"stream": True}, "config.stream"),
        ({"preset": "other"}, "config.preset"),
        ({"api_key": "MARKER"}, "config.api_key"),
        ({"base_url": "http://169.254.169.254"}, "config.base_url"),
        ({"model": 5}, "config.model"),
        ({"model": ""}, "config.model"),
        ({"model": "@preset/other"}, "config.model"),
        ({"model": "a/b@preset/other"}, "config.model"),
        ({"models": "a/b"}, "config.models"),
        ({"models": ["a/b", 5]}, "config.models"),
        ({"two words": 1}, "config"),
        ({'x":1,"api_key': 1}, "config"),
        ({"": 1}, "config"),
        ({"system": 5}, "config"),
        ({"x": "y" * MAX_MEMBERS_BYTES}, "config"),
        ({"x": "\ud800"}, "config"),
        ({f"m{number}": 1 for number in range(101)}, "config"),
    ],
)
def test_what_no_preset_can_have_is_refused(config: Any, param: str) -> None:
    with pytest.raises(ClientError) as caught:
        check_config(config)
    assert (caught.value.code, caught.value.denied.param) == ("invalid_parameter", param)
    assert "MARKER" not in caught.value.denied.message


@pytest.mark.parametrize(
    ("fields", "param"),
    [
        ({"name": ""}, "name"),
        ({"name": "\u202ename"}, "name"),
        ({"description": "x" * 2001}, "description"),
        ({"description": "a\x1b[31m"}, "description"),
        ({"system_prompt": "x" * (MAX_PROMPT_LENGTH + 1)}, "system_prompt"),
        ({"system_prompt": "a\0b"}, "system_prompt"),
        ({"dialect": "bedrock"}, "dialect"),
    ],
)
async def test_what_is_said_about_a_preset_has_its_bounds(service: PresetService, fields: dict[str, Any], param: str) -> None:
    assert await refusal(service.create(**WHO, slug="a", environment="live", config={}, **fields)) == ("invalid_parameter", param)
    await service.create(**WHO, slug="b", environment="live", config={})
    assert await refusal(service.change("live", "b", fields, **WHO)) == ("invalid_parameter", param)


async def test_an_environment_is_announced_when_a_preset_changes(service: PresetService, storage: MemoryStorage) -> None:
    heard: list[frozenset[str]] = []
    storage.watch.subscribe(heard.append)
    await service.create(**WHO, slug="a", environment="live", config={})
    await service.change("live", "a", {"name": "x"}, **WHO)
    await service.delete("live", "a", **WHO)
    assert heard == [frozenset({DEFAULT_ORGANISATION_ID})] * 3
