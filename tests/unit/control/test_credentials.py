"""Credentials of tenants over the store in memory and the real vault."""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from anyrouter.control.audit import make_event
from anyrouter.control.credential_rows import describe_credential, name_status
from anyrouter.control.credentials import CredentialService, Probed
from anyrouter.control.stores import AuditFilter
from anyrouter.core.apikey import ApiKey
from anyrouter.core.audit import OPERATOR, Actor, ActorKind
from anyrouter.core.byok import NOTHING_SEALED, ProviderCredential
from anyrouter.core.errors import ClientError
from anyrouter.core.provider import Provider
from anyrouter.core.secret import Secret
from anyrouter.core.tenancy import DEFAULT_ORGANISATION_ID as ORG
from anyrouter.policy.byok import may_use
from anyrouter.policy.rights import OPERATOR_RIGHTS, Rights
from anyrouter.storage.kek import LocalKeys
from anyrouter.storage.memory import MemoryStorage
from anyrouter.storage.vault import SealingVault

NOW = datetime(2026, 3, 4, 5, 6, 7, tzinfo=UTC)
KEY = "sk-MARKER-credential-of-a-tenant-AbCd"
OTHER_KEY = "sk-MARKER-another-credential-EfGh"
ADMIN = Actor(kind=ActorKind.KEY, id="key_admin", label="ar-live-Ab3dE6")
LIVE = Rights(scopes=frozenset({"admin:byok"}), organisation_id=ORG, environment_ids=frozenset({"env_live"}))


@dataclass
class Provided:
    """What the provider says of credentials, and which it saw."""

    answer: Probed = field(default_factory=lambda: Probed(is_ok=True, status=200, latency_ms=12, message=""))
    seen: list[str] = field(default_factory=list)

    async def probe(self, provider: Provider, credential: ProviderCredential, secret: Secret) -> Probed:
        assert provider.id == credential.provider
        self.seen.append(secret.reveal())
        return self.answer


@dataclass
class World:
    storage: MemoryStorage
    vault: SealingVault
    provided: Provided
    credentials: CredentialService
    now: datetime = NOW

    async def create(self, rights: Rights = LIVE, **values: Any) -> ProviderCredential:
        said: dict[str, Any] = {"environment": "live", "provider": "openai", "key": KEY, **values}
        named = {name: said.pop(name) for name in ("environment", "provider", "key")}
        return await self.credentials.create(ADMIN, rights, ORG, **named, fields=said)

    async def change(self, credential: ProviderCredential, /, rights: Rights = LIVE, **changes: Any) -> ProviderCredential:
        options = {name: changes.pop(name) for name in ("key", "version") if name in changes}
        return await self.credentials.change(ADMIN, rights, ORG, credential.id, changes, **options)

    async def open(self, credential: ProviderCredential) -> str:
        found = await self.storage.credentials.find_credential(ORG, credential.id)
        assert found is not None
        return (await self.vault.open(found.place, found.sealed)).reveal()

    async def events(self) -> list[Any]:
        return [link.event for link in await self.storage.audit.list_events(AuditFilter(organisation_id=ORG))][::-1]


@pytest.fixture
def world(tmp_path: Path) -> World:
    storage, provided = MemoryStorage(), Provided()
    vault = SealingVault([LocalKeys(tmp_path / "kek", {})])
    credentials = CredentialService(
        store=storage.credentials,
        audit=storage.audit,
        environments=storage.environments,
        keys=storage.keys,
        vault=vault,
        probe=provided,
        clock=lambda: world.now,
        allowed_hosts={"127.0.0.1:8000"},
    )
    world = World(storage, vault, provided, credentials)
    return world


async def refusal(awaited: Any) -> tuple[str, str | None]:
    with pytest.raises(ClientError) as caught:
        await awaited
    assert "MARKER" not in f"{caught.value.denied}"
    return caught.value.denied.code, caught.value.denied.param


async def test_a_credential_is_kept_sealed_and_shown_by_its_label(world: World) -> None:
    created = await world.create()
    assert created == await world.credentials.show(LIVE, ORG, created.id)
    assert (created.name, created.host, created.secret_label, created.creator_id) == ("openai", "api.openai.com", "sk-…AbCd", "key_admin")
    assert await world.open(created) == KEY
    shown = f"{created!r} {describe_credential(created, NOW)} {await world.events()}"
    assert "MARKER" not in shown
    assert [event.action for event in await world.events()] == ["byok.create"]
    assert name_status(created, NOW) == "active"


async def test_names_are_made_where_none_is_given(world: World) -> None:
    assert [(await world.create()).name for _ in range(3)] == ["openai", "openai 2", "openai 3"]
    assert (await world.create(provider="anthropic")).name == "anthropic"
    assert (await world.create(name=" main ")).name == "main"
    assert await refusal(world.create(name="main")) == ("duplicate_name", "name")


async def test_a_provider_is_found_by_the_name_before_its_models_slash_too(world: World) -> None:
    created = await world.create(provider="amazon-bedrock", region="us-east-1")
    assert (created.provider, created.host, created.region) == ("aws", "bedrock-runtime.us-east-1.amazonaws.com", "us-east-1")
    for unknown in ("nobody", "sandbox", "", "OPENAI", "../openai"):
        assert await refusal(world.create(provider=unknown)) == ("unprocessable", "provider")


@pytest.mark.parametrize(
    ("values", "param"),
    [
        ({"provider": "azure-openai"}, "variables.resource"),
        *(
            ({"provider": "azure-openai", "variables": {"resource": text}}, "variables.resource")
            for text in ("a/b", "a#b", "a@b", "..", "a.evil.example", "-a", "a\n", "", "é")
        ),
        ({"provider": "aws", "region": "us-east-1.evil.example/"}, "region"),
        ({"provider": "aws", "region": "evil"}, "variables.region"),
        ({"provider": "aws"}, "variables.region"),
        ({"variables": {"resource": "x"}}, "variables.resource"),
        ({"base_url": "http://api.openai.com"}, "base_url"),
        ({"base_url": "https://169.254.169.254/latest"}, "base_url"),
        ({"base_url": "http://127.0.0.1:8001/v1"}, "base_url"),
        ({"provider": "ollama"}, "base_url"),
        ({"provider": "openai-compatible"}, "base_url"),
        ({"weight": 0}, "weight"),
        ({"weight": 1_000_001}, "weight"),
        ({"sort_order": -1_000_001}, "sort_order"),
        ({"sort_order": True}, "sort_order"),
        ({"allowed_keys": ["key_of_nobody"]}, "allowed_keys"),
    ],
)
async def test_a_place_or_a_field_that_is_none_is_a_422(world: World, values: Mapping[str, Any], param: str) -> None:
    assert await refusal(world.create(**values)) == ("unprocessable", param)
    assert await world.credentials.list(LIVE, ORG) == []


async def test_the_operator_s_variables_are_not_looked_at(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_REGION", "us-east-1")
    assert await refusal(world.create(provider="aws")) == ("unprocessable", "variables.region")


async def test_what_the_operator_allows_may_be_local_and_plain_http(world: World) -> None:
    created = await world.create(provider="openai-compatible", base_url="http://127.0.0.1:8000/v1/")
    assert (created.base_url, created.host) == ("http://127.0.0.1:8000/v1", "http://127.0.0.1:8000")


async def test_a_credential_whose_host_changes_is_of_no_use_until_it_is_entered_again(world: World) -> None:
    created = await world.create(base_url="https://llm.example.org/v1")
    moved = await world.change(created, base_url="https://llm.example.net/v1")
    assert (moved.needs_secret, moved.secret_label, moved.sealed) == (True, "", NOTHING_SEALED)
    assert name_status(moved, NOW) == "needs_secret"
    back = await world.change(moved, base_url="https://llm.example.org/v1")
    assert back.needs_secret
    assert await refusal(world.credentials.test(ADMIN, LIVE, ORG, created.id)) == ("unprocessable", "key")
    again = await world.change(back, key=OTHER_KEY)
    assert not again.needs_secret
    assert await world.open(again) == OTHER_KEY
    assert again.secret_label == "sk-…EfGh"


@pytest.mark.parametrize(
    ("first", "change"),
    [
        ({}, {"base_url": "https://evil.example.org/v1"}),
        ({"base_url": "https://llm.example.org/v1"}, {"base_url": None}),
        ({"base_url": "https://llm.example.org/v1"}, {"base_url": "https://llm.example.org:8443/v1"}),
        ({"provider": "azure-openai", "variables": {"resource": "mine"}}, {"variables": {"resource": "theirs"}}),
        ({"provider": "aws", "region": "us-east-1"}, {"region": "eu-west-1"}),
        ({"provider": "aws", "region": "us-east-1"}, {"variables": {"region": "eu-west-1"}}),
    ],
)
async def test_every_change_of_the_host_drops_the_secret(world: World, first: Mapping[str, Any], change: Mapping[str, Any]) -> None:
    created = await world.create(**first)
    changed = await world.change(created, **change)
    assert changed.host != created.host
    assert changed.needs_secret
    entered = await world.change(changed, key=KEY)
    assert (entered.host, await world.open(entered)) == (changed.host, KEY)


async def test_a_change_of_other_things_keeps_the_secret(world: World) -> None:
    created = await world.create(base_url="https://llm.example.org/v1")
    fields: dict[str, Any] = {
        "name": "main",
        "base_url": "https://llm.example.org/other",
        "region": "eu",
        "models": ["openai/gpt-4o", "openai/*", "openai/gpt-4o"],
        "allowed_keys": [],
        "is_fallback": True,
        "always_use": True,
        "sort_order": -5,
        "weight": 3,
        "is_disabled": True,
        "is_retaining": False,
    }
    changed = await world.change(created, **fields)
    assert await world.open(changed) == KEY
    assert (changed.version, changed.seal_version, changed.models, changed.allowed_keys) == (2, 1, ("openai/gpt-4o", "openai/*"), ())
    assert (changed.is_fallback, changed.always_use, changed.sort_order, changed.weight) == (True, True, -5, 3)
    assert (changed.is_disabled, changed.is_retaining, changed.region) == (True, False, "eu")
    cleared = await world.change(changed, models=None, allowed_keys=None, is_retaining=None, region=None, name=None)
    assert (cleared.models, cleared.allowed_keys, cleared.is_retaining, cleared.region, cleared.name) == (None, None, None, None, "main")
    before, after = (await world.events())[1].before, (await world.events())[1].after
    assert (before["name"], after["name"]) == ("openai", "main")
    assert after["zdr"] is True
    assert "host" not in after
    assert "MARKER" not in f"{await world.events()}"


async def test_a_secret_is_replaced_and_only_that_is_told(world: World) -> None:
    created = await world.create()
    changed = await world.change(created, key=OTHER_KEY)
    assert (changed.version, changed.seal_version) == (2, 2)
    assert await world.open(changed) == OTHER_KEY
    event = (await world.events())[-1]
    assert (event.action, event.before, event.after) == (
        "byok.update",
        {"label": "sk-…AbCd"},
        {"label": "sk-…EfGh", "key": "replaced"},
    )
    assert (await refusal(world.change(created, key="sk-MARKER\n"))) == ("unprocessable", "key")
    assert await world.open(changed) == OTHER_KEY


async def test_a_change_may_be_bound_to_a_version(world: World) -> None:
    created = await world.create()
    await world.change(created, weight=2, version=1)
    assert await refusal(world.change(created, weight=3, version=1)) == ("etag_mismatch", None)
    assert await refusal(world.credentials.delete(ADMIN, LIVE, ORG, created.id, version=1)) == ("etag_mismatch", None)
    assert (await world.credentials.delete(ADMIN, LIVE, ORG, created.id, version=2)).id == created.id
    assert await refusal(world.credentials.show(LIVE, ORG, created.id)) == ("not_found", None)


async def test_a_change_that_comes_in_between_is_not_lost(world: World) -> None:
    created = await world.create()
    update = world.storage.credentials.update_credential
    others = [replace(created, weight=7, version=2)]

    async def be_late(credential: ProviderCredential, event: Any) -> None:
        if others:
            other = others.pop()
            await update(other, make_event(OPERATOR, ORG, "byok.update", NOW, target_id=other.id))
        await update(credential, event)

    world.storage.credentials.update_credential = be_late  # type: ignore[method-assign]
    changed = await world.change(created, key=OTHER_KEY)
    assert (changed.weight, changed.version, changed.seal_version) == (7, 3, 3)
    assert await world.open(changed) == OTHER_KEY


async def test_whoever_works_in_another_environment_sees_nothing(world: World) -> None:
    created = await world.create()
    test = replace(LIVE, environment_ids=frozenset({"env_test"}))
    mine = await world.create(test, environment="test")
    assert await world.credentials.list(test, ORG) == [mine]
    assert {row.id for row in await world.credentials.list(OPERATOR_RIGHTS, ORG)} == {created.id, mine.id}
    assert [row.id for row in await world.credentials.list(OPERATOR_RIGHTS, ORG, environment="test")] == [mine.id]
    random = await refusal(world.credentials.show(test, ORG, "byok_random"))
    for refused in (
        world.credentials.show(test, ORG, created.id),
        world.change(created, rights=test, weight=2),
        world.credentials.delete(ADMIN, test, ORG, created.id),
        world.credentials.test(ADMIN, test, ORG, created.id),
        world.credentials.show(LIVE, "org_other", created.id),
    ):
        assert await refusal(refused) == random == ("not_found", None)
    for environment in ("live", "nowhere"):
        assert await refusal(world.create(test, environment=environment)) == ("exceeds_rights", "environment")
    assert await refusal(world.create(OPERATOR_RIGHTS, environment="nowhere")) == ("not_found", "environment")


async def test_without_the_scope_nothing_is_done(world: World) -> None:
    created = await world.create()
    nobody = replace(LIVE, scopes=frozenset({"admin:keys", "completions:write"}))
    for refused in (
        world.credentials.list(nobody, ORG),
        world.credentials.show(nobody, ORG, created.id),
        world.change(created, rights=nobody),
    ):
        assert (await refusal(refused))[0] == "insufficient_scope"


async def test_whoever_is_restricted_enters_credentials_within_the_restrictions(world: World) -> None:
    restricted = replace(LIVE, providers=("anthropic",), regions=("eu",))
    assert await refusal(world.create(restricted)) == ("provider_not_allowed", "provider")
    assert await refusal(world.create(restricted, provider="anthropic")) == ("region_not_allowed", "region")
    created = await world.create(restricted, provider="anthropic", region="eu")
    assert await refusal(world.change(created, rights=restricted, region="us")) == ("region_not_allowed", "region")
    foreign = await world.create()
    assert await refusal(world.change(foreign, rights=restricted, weight=2)) == ("provider_not_allowed", "provider")


async def test_allowed_keys_are_keys_of_the_environment(world: World) -> None:
    for key_id, environment in (("key_live", "live"), ("key_test", "test")):
        key = ApiKey(
            id=key_id,
            organisation_id=ORG,
            environment_id=f"env_{environment}",
            environment=environment,
            name=key_id,
            label="ar-x",
            digest=key_id.encode(),
            pepper_version=1,
            rotation_group=key_id,
            scopes=frozenset(),
            created_at=NOW,
            updated_at=NOW,
        )
        await world.storage.keys.add_key(key, make_event(OPERATOR, ORG, "key.create", NOW))
    assert (await world.create(allowed_keys=["key_live", "key_live"])).allowed_keys == ("key_live",)
    assert await refusal(world.create(allowed_keys=["key_live", "key_test"])) == ("unprocessable", "allowed_keys")
    first = await world.storage.keys.find_key(ORG, "key_live")
    assert first is not None
    rotated = replace(first, id="key_next", name="next", digest=b"next")
    await world.storage.keys.add_key(rotated, make_event(OPERATOR, ORG, "key.create", NOW))
    created = await world.create(allowed_keys=["key_next", "key_live"])
    assert created.allowed_keys == ("key_live",)  # their group, whichever was named
    assert may_use(replace(rotated, id="key_last"), created)  # and the one that it is rotated to next
    await world.storage.keys.update_key(replace(first, deleted_at=NOW, version=2), make_event(OPERATOR, ORG, "key.delete", NOW))
    assert (await world.change(created, allowed_keys=["key_live"])).allowed_keys == ("key_live",)  # what is there may stay


async def test_a_credential_is_tested_with_its_own_secret_and_that_is_on_record(world: World) -> None:
    created = await world.create()
    assert (await world.credentials.test(ADMIN, LIVE, ORG, created.id)).is_ok
    world.provided.answer = Probed(is_ok=False, status=401, latency_ms=5, message="it said no")
    assert not (await world.credentials.test(ADMIN, LIVE, ORG, created.id)).is_ok
    assert world.provided.seen == [KEY, KEY]
    assert [(event.action, event.after) for event in (await world.events())[1:]] == [
        ("byok.test", {"ok": True, "status": 200}),
        ("byok.test", {"ok": False, "status": 401}),
    ]


async def test_one_that_was_put_aside_is_used_again_when_its_test_succeeds(world: World) -> None:
    created = await world.create()
    await world.storage.credentials.note_quarantine(ORG, created.id, NOW + timedelta(minutes=5), "rejected")
    aside = await world.credentials.show(LIVE, ORG, created.id)
    assert (name_status(aside, NOW), name_status(aside, NOW + timedelta(minutes=5))) == ("quarantined", "active")
    world.provided.answer = Probed(is_ok=False, status=401, latency_ms=5, message="")
    await world.credentials.test(ADMIN, LIVE, ORG, created.id)
    assert name_status(await world.credentials.show(LIVE, ORG, created.id), NOW) == "quarantined"
    world.provided.answer = Probed(is_ok=True, status=200, latency_ms=5, message="")
    await world.credentials.test(ADMIN, LIVE, ORG, created.id)
    assert name_status(await world.credentials.show(LIVE, ORG, created.id), NOW) == "active"
