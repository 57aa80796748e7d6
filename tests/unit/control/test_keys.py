import hashlib
import hmac
import math
from collections.abc import AsyncIterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from anyrouter.control.key_checks import check_models, check_name, check_rpm
from anyrouter.control.keys import KeyService
from anyrouter.core import keys
from anyrouter.core.errors import ClientError
from anyrouter.core.scopes import DEFAULT_SCOPES
from anyrouter.core.tenancy import DEFAULT_ORGANISATION_ID, Environment, EnvironmentKind
from anyrouter.storage.database import Database, locate
from anyrouter.storage.pepper import Pepper
from anyrouter.storage.schema_version import prepare
from anyrouter.storage.sql_environments import SqlEnvironmentStore
from anyrouter.storage.sql_keys import SqlKeyStore
from anyrouter.storage.sql_organisations import SqlOrganisationStore
from support.environments import environment_event
from support.events import event_of
from support.operator_keys import OperatorKeys

NOW = datetime(2026, 11, 24, 12, 0, tzinfo=UTC)
Stores = tuple[SqlKeyStore, SqlEnvironmentStore, SqlOrganisationStore]
PEPPER = Pepper(version=3, secret=b"MARKER-pepper-of-thirty-two-byte")


@pytest.fixture
async def store(tmp_path: Path) -> AsyncIterator[Stores]:
    database = Database(locate(tmp_path / "anyrouter.db", None))
    await database.write(lambda connection: prepare(connection, pepper=PEPPER, now_ms=1))
    key_store = SqlKeyStore(database, pepper_version=3, on_change=lambda _: None)
    environment_store = SqlEnvironmentStore(database, on_change=lambda _: None)
    yield key_store, environment_store, SqlOrganisationStore(database, on_change=lambda _: None)
    await database.aclose()


@pytest.fixture
def service(store: Stores) -> OperatorKeys:
    keys, environments, organisations = store
    service = KeyService(
        store=keys, environments=environments, organisations=organisations, pepper=PEPPER.secret, pepper_version=3, clock=lambda: NOW
    )
    return OperatorKeys(service)


async def refusal_of(service: OperatorKeys, **fields: Any) -> tuple[str, str | None]:
    with pytest.raises(ClientError) as refusal:
        await service.create(**({"name": "n"} | fields))
    return refusal.value.denied.code, refusal.value.denied.param


async def test_a_new_key_is_kept_as_its_digest_and_given_out_as_its_text_once(service: OperatorKeys) -> None:
    key, text = await service.create(name="backend")
    assert isinstance(keys.inspect(text), keys.WellFormed)
    assert text.startswith("ar-live-")
    assert key.digest == hmac.digest(PEPPER.secret, text.encode(), hashlib.sha256)
    assert (key.label, key.pepper_version, key.rotation_group) == (text[:14], 3, key.id)
    assert key.scopes == frozenset(DEFAULT_SCOPES)
    stored = await service.show(key.id)
    assert stored == key
    assert text not in repr((key, stored, vars(service.service)))


async def test_what_is_asked_for_is_what_is_stored(service: OperatorKeys) -> None:
    expires_at = NOW + timedelta(days=30)
    key, text = await service.create(
        name="  Zoë's key  ",
        environment="test",
        scopes=["usage:read", "models:read", "usage:read"],
        models=["openai/gpt-4o", "anthropic/*", "openai/gpt-4o"],
        expires_at=expires_at,
        rate_limit_rpm=0,
    )
    assert text.startswith("ar-test-")
    stored = await service.show(key.id)
    assert (stored.name, stored.environment, stored.scopes) == ("Zoë's key", "test", frozenset({"usage:read", "models:read"}))
    assert (stored.models, stored.expires_at, stored.rate_limit_rpm) == (("openai/gpt-4o", "anthropic/*"), expires_at, 0)


async def test_disabling_enabling_and_deleting(service: OperatorKeys) -> None:
    key, _ = await service.create(name="n")
    assert (await service.disable(key.id)).is_disabled
    assert (await service.disable(key.id)).is_disabled
    assert (await service.show(key.id)).is_disabled
    assert not (await service.enable(key.id)).is_disabled
    assert (await service.delete(key.id)).deleted_at == NOW
    assert await service.list() == []
    for action in (service.show, service.disable, service.enable, service.delete):
        with pytest.raises(ClientError) as refusal:
            await action(key.id)
        assert refusal.value.denied.code == "not_found"
    await service.create(name="n")  # the name is free again


async def test_a_change_that_was_begun_before_a_deletion_does_not_revive_the_key(service: OperatorKeys, store: Stores) -> None:
    key, text = await service.create(name="n")
    seen = await service.disable(key.id)
    await service.delete(key.id)
    with pytest.raises(ClientError):
        await store[0].update_key(replace(seen, is_disabled=False, version=seen.version + 1), event_of(seen))
    found = await store[0].find_by_digest([keys.digest(PEPPER.secret, text)])
    assert found is not None
    assert found.deleted_at is not None


async def test_keys_are_listed_oldest_first_in_pages_and_by_environment(service: OperatorKeys) -> None:
    made = [(await service.create(name=f"n{number}", environment=slug))[0] for number, slug in enumerate(("live", "test", "live"))]
    ordered = sorted(made, key=lambda key: key.id)
    assert [key.id for key in await service.list()] == [key.id for key in ordered]
    assert [key.id for key in await service.list(limit=2, after_id=ordered[0].id)] == [key.id for key in ordered[1:]]
    assert {key.id for key in await service.list(environment="test")} == {made[1].id}


@pytest.mark.parametrize(
    ("param", "fields"), [("limit", {"limit": 0}), ("limit", {"limit": 1001}), ("limit", {"limit": True}), ("cursor", {"after_id": "x"})]
)
async def test_a_list_is_asked_for_in_bounds(service: OperatorKeys, param: str, fields: dict[str, Any]) -> None:
    with pytest.raises(ClientError) as refusal:
        await service.list(**fields)
    assert refusal.value.denied.param == param


async def test_another_organisations_key_is_as_absent_as_one_that_never_was(service: OperatorKeys) -> None:
    key, _ = await service.create(name="n")
    refusals = []
    for key_id, organisation_id in ((key.id, "org_other"), ("key_" + "0" * 32, DEFAULT_ORGANISATION_ID), ("x' OR 1=1--", "org_other")):
        with pytest.raises(ClientError) as refusal:
            await service.show(key_id, organisation_id=organisation_id)
        refusals.append(refusal.value.denied)
    assert refusals[0] == refusals[1] == refusals[2]


async def test_two_keys_of_one_name_do_not_live_in_one_environment(service: OperatorKeys) -> None:
    await service.create(name="n")
    assert await refusal_of(service, name=" n ") == ("duplicate_name", "name")
    await service.create(name="n", environment="test")


@pytest.mark.parametrize("slug", ["prod", "LIVE", "live ", "", "live\n", "../live", "l" * 100])
async def test_the_environment_must_exist(service: OperatorKeys, slug: str) -> None:
    assert await refusal_of(service, environment=slug) == ("invalid_parameter", "environment")


async def test_the_environment_must_be_active(service: OperatorKeys, store: Stores) -> None:
    idle = Environment(
        id="env_idle", organisation_id=DEFAULT_ORGANISATION_ID, slug="idle", name="Idle", kind=EnvironmentKind.LIVE, is_active=False
    )
    await store[1].add_environment(idle, environment_event(idle))
    assert await refusal_of(service, environment="idle") == ("invalid_parameter", "environment")


@pytest.mark.parametrize(
    "scopes", [["admin"], ["admin:"], ["admin:**"], ["*"], ["Completions:Write"], [" completions:write "], ["admin:*\n"], ["x"] * 10_000]
)
async def test_scopes_are_those_of_the_table_letter_by_letter(service: OperatorKeys, scopes: list[str]) -> None:
    assert await refusal_of(service, scopes=scopes) == ("invalid_parameter", "scopes")


@pytest.mark.parametrize(
    "expires_at",
    [
        NOW,
        NOW - timedelta(milliseconds=1),
        datetime(9999, 1, 1, tzinfo=UTC),
        datetime(2027, 1, 1),  # noqa: DTZ001 -- the naive time is the case
    ],
)
async def test_an_expiry_lies_ahead_and_is_aware(service: OperatorKeys, expires_at: datetime) -> None:
    assert await refusal_of(service, expires_at=expires_at) == ("invalid_parameter", "expires_at")


@pytest.mark.parametrize("rpm", [-1, 2**31, 2**63, 1e308, 60.0, math.nan, math.inf, "60", True, False, [60]])
async def test_a_rate_limit_is_a_whole_number_of_the_databases_size(service: OperatorKeys, rpm: Any) -> None:
    assert await refusal_of(service, rate_limit_rpm=rpm) == ("invalid_parameter", "rate_limit_rpm")


def test_zero_and_the_largest_limit_are_limits() -> None:
    assert [check_rpm(0), check_rpm(2**31 - 1)] == [0, 2**31 - 1]


@pytest.mark.parametrize(
    "name",
    [
        "",
        "   ",
        "\x00",
        "a\x00b",
        "a\nb",
        "a\x1b[31mb",
        "a\x7fb",
        "a\u202eb",
        "a\u2066b",
        "a\u200fb",
        "a\u2028b",
        "a\ud800b",
        "a" * 101,
        "a" * 10_000_000,
        " " * 10_000_000 + "a",
    ],
)
async def test_a_name_is_short_and_shows_what_it_is(service: OperatorKeys, name: str) -> None:
    assert await refusal_of(service, name=name) == ("invalid_parameter", "name")


@pytest.mark.parametrize("name", ["a", "a" * 100, "=cmd()", "<b>", "ключ", "🔑", "é" * 100])
def test_names_of_people_and_other_programs_are_kept(name: str) -> None:
    assert check_name(f" {name}\n") == name


def test_a_name_is_kept_in_one_form_so_that_duplicates_are_seen() -> None:
    assert check_name("Zoe\u0308") == "Zo\u00eb"


@pytest.mark.parametrize(
    "models",
    [
        [],
        ["gpt-4o"],
        ["*"],
        ["*/*"],
        ["openai/**"],
        ["openai/gpt-*"],
        ["openai/"],
        ["/gpt-4o"],
        ["OpenAI/gpt-4o"],
        [" openai/gpt-4o"],
        ["openai/gpt-4o\n"],
        ["openai/gpt 4o"],
        ["openai/" + "a" * 200],
        ["openai/gpt-4o", ""],
        ["openai/gpt-4o"] * 501,
        ["' OR 1=1--/x"],
    ],
)
async def test_models_are_ids_or_patterns_over_a_vendor(service: OperatorKeys, models: list[str]) -> None:
    assert await refusal_of(service, models=models) == ("invalid_parameter", "models")


def test_ids_keep_colons_dots_and_further_slashes() -> None:
    models = ["openai/ft:gpt-4o:acme::id", "meta-llama/Llama-3.1-8B", "together/meta-llama/llama-3", "google/*"]
    assert check_models(models) == tuple(models)


async def test_a_refused_key_leaves_nothing_behind(service: OperatorKeys) -> None:
    await refusal_of(service, environment="prod")
    assert await service.list() == []


@given(st.text(max_size=120))
def test_no_name_is_kept_that_is_empty_long_or_holds_control_characters(name: str) -> None:
    try:
        kept = check_name(name)
    except ClientError:
        return
    assert 1 <= len(kept) <= 100
    assert kept == kept.strip()
    assert check_name(kept) == kept
    assert not any(ord(letter) < 32 or letter in "\x7f\u202e\u2066" for letter in kept)
