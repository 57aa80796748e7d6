"""CredentialStore and SealStore, the same over every store."""

from collections.abc import Awaitable, Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from anyrouter.control.audit import make_event
from anyrouter.control.stores import AuditFilter, SealedRow
from anyrouter.core.audit import OPERATOR, AuditEvent
from anyrouter.core.byok import NOTHING_SEALED, ProviderCredential, Sealed
from anyrouter.core.errors import ClientError
from anyrouter.core.ids import new_id
from anyrouter.core.tenancy import DEFAULT_ORGANISATION_ID
from anyrouter.storage.memory import MemoryStorage
from anyrouter.storage.opening import ServingStorage

AnyStorage = ServingStorage | MemoryStorage
MakeCredential = Callable[..., Awaitable[ProviderCredential]]
NOW = datetime(2026, 3, 4, 5, 6, 7, 89_000, tzinfo=UTC)
ORG = DEFAULT_ORGANISATION_ID
SEALED = Sealed(kek_id="kek_1", wrapped_key=b"\0wrapped\xff", nonce=bytes(12), ciphertext=b"\xffcipher\0")
FULL: dict[str, Any] = {
    "name": "Ürümqi 'x\"; DROP TABLE provider_credentials; --",
    "secret_label": "sk-…AbCd",
    "base_url": "https://llm.example.org:8443/v1",
    "host": "llm.example.org:8443",
    "variables": {"resource": "a", "location": "eu"},
    "region": "eu",
    "models": ("openai/gpt-4o", "openai/*"),
    "allowed_keys": (),
    "is_fallback": True,
    "always_use": True,
    "sort_order": -3,
    "weight": 7,
    "is_disabled": True,
    "is_retaining": False,
    "quarantined_until": NOW + timedelta(minutes=5),
    "quarantine_reason": "rejected",
    "creator_id": "key_1",
    "version": 4,
    "seal_version": 3,
}


def event(verb: str, credential: ProviderCredential) -> AuditEvent:
    return make_event(OPERATOR, credential.organisation_id, f"byok.{verb}", NOW, target_id=credential.id)


@pytest.fixture
def make_credential(storage: AnyStorage) -> MakeCredential:
    """Adds a credential to the store under test; fields by name."""

    async def make(environment: str = "live", **fields: Any) -> ProviderCredential:
        ids = {known.slug: known.id for known in await storage.environments.list_environments(ORG)}
        credential_id = fields.get("id", new_id("byok", 1))
        values = {"id": credential_id, "provider": "openai", "name": credential_id, "secret_label": "…", "sealed": SEALED, "host": "a.b"}
        values |= {"seal_version": 1, "created_at": NOW, "updated_at": NOW, **fields}
        credential = ProviderCredential(organisation_id=ORG, environment_id=ids[environment], environment=environment, **values)
        await storage.credentials.add_credential(credential, event("create", credential))
        return credential

    return make


async def actions(storage: AnyStorage) -> list[str]:
    return [link.event.action for link in await storage.audit.list_events(AuditFilter(organisation_id=ORG, action="byok.*"))][::-1]


async def test_a_credential_comes_back_as_it_was_stored(storage: AnyStorage, make_credential: MakeCredential) -> None:
    for credential in (await make_credential(), await make_credential(**FULL)):
        assert await storage.credentials.find_credential(ORG, credential.id) == credential
    assert await storage.credentials.find_credential("org_other", credential.id) is None
    assert await storage.credentials.find_credential(ORG, "byok_unknown") is None
    assert await actions(storage) == ["byok.create"] * 2


async def test_credentials_are_listed_in_the_order_in_which_they_are_tried(storage: AnyStorage, make_credential: MakeCredential) -> None:
    places = [("openai", 2, "byok_a"), ("openai", -1, "byok_c"), ("anthropic", 9, "byok_d"), ("openai", -1, "byok_B")]
    for provider, sort_order, credential_id in places:
        await make_credential(provider=provider, sort_order=sort_order, id=credential_id)
    await make_credential("test", id="byok_test")
    ids = {known.slug: known.id for known in await storage.environments.list_environments(ORG)}
    live = await storage.credentials.list_credentials(ORG, environment_id=ids["live"])
    assert [row.id for row in live] == ["byok_d", "byok_B", "byok_c", "byok_a"]
    assert {row.id for row in await storage.credentials.list_credentials(ORG)} == {*(row.id for row in live), "byok_test"}
    assert await storage.credentials.list_credentials("org_other") == []


async def test_a_name_is_taken_once_in_an_environment_for_a_provider(storage: AnyStorage, make_credential: MakeCredential) -> None:
    await make_credential(name="main")
    await make_credential("test", name="main")
    await make_credential(name="main", provider="anthropic")
    other = await make_credential(name="other")
    with pytest.raises(ClientError) as caught:
        await make_credential(name="main")
    assert (caught.value.denied.code, caught.value.denied.param) == ("duplicate_name", "name")
    with pytest.raises(ClientError, match="of that name"):
        await storage.credentials.update_credential(replace(other, name="main", version=2), event("update", other))
    assert await storage.credentials.find_credential(ORG, other.id) == other
    assert await actions(storage) == ["byok.create"] * 4


async def test_a_change_is_made_of_the_version_that_was_read(storage: AnyStorage, make_credential: MakeCredential) -> None:
    credential = await make_credential()
    values: dict[str, Any] = {name: FULL[name] for name in FULL if name not in {"version", "seal_version"}}
    del values["quarantined_until"], values["quarantine_reason"], values["creator_id"]
    changed = replace(credential, **values, version=2, updated_at=NOW + timedelta(seconds=1))
    await storage.credentials.update_credential(changed, event("update", changed))
    assert await storage.credentials.find_credential(ORG, credential.id) == changed
    for version in (2, 4):
        with pytest.raises(ClientError) as caught:
            await storage.credentials.update_credential(replace(changed, version=version), event("update", changed))
        assert caught.value.code == "etag_mismatch"
    fixed = replace(changed, provider="x", environment_id="env_x", created_at=NOW + timedelta(1), creator_id="key_x", version=3)
    await storage.credentials.update_credential(fixed, event("update", changed))
    assert await storage.credentials.find_credential(ORG, credential.id) == replace(changed, version=3)
    assert await actions(storage) == ["byok.create", "byok.update", "byok.update"]


async def test_what_is_not_there_is_neither_changed_nor_deleted(storage: AnyStorage, make_credential: MakeCredential) -> None:
    credential = await make_credential()
    for foreign in (replace(credential, organisation_id="org_other", version=2), replace(credential, id="byok_x", version=2)):
        here = replace(event("update", credential), organisation_id=ORG)
        for refused in (storage.credentials.update_credential(foreign, here), storage.credentials.delete_credential(foreign, here)):
            with pytest.raises(ClientError) as caught:
                await refused
            assert caught.value.code == "not_found"
    await storage.credentials.delete_credential(credential, event("delete", credential))
    assert await storage.credentials.list_credentials(ORG) == []
    assert await actions(storage) == ["byok.create", "byok.delete"]


async def test_a_change_of_other_things_leaves_the_seal_as_it_is_by_now(storage: AnyStorage, make_credential: MakeCredential) -> None:
    """It may have been put under another key-encryption key since it was read."""
    credential = await make_credential(quarantined_until=NOW, quarantine_reason="rejected")
    rewrapped = replace(SEALED, kek_id="kek_2", wrapped_key=b"other")
    assert await storage.seals.replace_seal(SealedRow(id=credential.id, organisation_id=ORG, sealed=SEALED), rewrapped)
    stale = replace(credential, name="renamed", version=2)
    await storage.credentials.update_credential(stale, event("update", stale))
    found = await storage.credentials.find_credential(ORG, credential.id)
    assert found == replace(stale, sealed=rewrapped)
    new = replace(
        stale, version=3, seal_version=3, sealed=replace(SEALED, ciphertext=b"new"), quarantined_until=None, quarantine_reason=None
    )
    await storage.credentials.update_credential(new, event("update", new))
    assert await storage.credentials.find_credential(ORG, credential.id) == new


async def test_a_quarantine_is_kept_without_a_version_and_an_event(storage: AnyStorage, make_credential: MakeCredential) -> None:
    credential = await make_credential()
    told: list[frozenset[str]] = []
    storage.watch.subscribe(told.append)
    until = NOW + timedelta(minutes=5)
    await storage.credentials.note_quarantine("org_other", credential.id, until, "rejected")
    assert await storage.credentials.find_credential(ORG, credential.id) == credential
    await storage.credentials.note_quarantine(ORG, credential.id, until, "rejected")
    expected = replace(credential, quarantined_until=until, quarantine_reason="rejected")
    assert await storage.credentials.find_credential(ORG, credential.id) == expected
    await storage.credentials.note_quarantine(ORG, credential.id, None, None)
    assert await storage.credentials.find_credential(ORG, credential.id) == credential
    assert frozenset({ORG}) in told
    assert await actions(storage) == ["byok.create"]


async def test_seals_are_found_by_the_key_that_they_are_not_under(storage: AnyStorage, make_credential: MakeCredential) -> None:
    for number in range(5):
        await make_credential(id=f"byok_{number}", sealed=replace(SEALED, kek_id=f"kek_{number % 2}", wrapped_key=bytes([number])))
    await make_credential(id="byok_empty", sealed=NOTHING_SEALED)
    assert await storage.seals.count_seals() == {"kek_0": 3, "kek_1": 2}
    first = await storage.seals.list_seals(not_under="kek_1", limit=2)
    second = await storage.seals.list_seals(not_under="kek_1", after_id=first[-1].id, limit=2)
    assert [row.id for row in first + second] == ["byok_0", "byok_2", "byok_4"]
    assert first[0] == SealedRow(id="byok_0", organisation_id=ORG, sealed=replace(SEALED, kek_id="kek_0", wrapped_key=b"\0"))
    assert len(await storage.seals.list_seals(not_under="kek_9")) == 5
    assert await storage.seals.find_seal("byok_0") == first[0]
    assert await storage.seals.find_seal("byok_empty") is None
    assert await storage.seals.find_seal("byok_nowhere") is None


async def test_a_seal_is_replaced_once_and_only_if_it_is_the_old_one(storage: AnyStorage, make_credential: MakeCredential) -> None:
    credential = await make_credential()
    told: list[frozenset[str]] = []
    storage.watch.subscribe(told.append)
    row = SealedRow(id=credential.id, organisation_id=ORG, sealed=SEALED)
    new = replace(SEALED, kek_id="kek_2", wrapped_key=b"new")
    assert not await storage.seals.replace_seal(replace(row, id="byok_x"), new)
    assert not await storage.seals.replace_seal(replace(row, sealed=replace(SEALED, wrapped_key=b"x")), new)
    assert await storage.seals.replace_seal(row, new)
    assert not await storage.seals.replace_seal(row, new)
    assert await storage.credentials.find_credential(ORG, credential.id) == replace(credential, sealed=new)
    assert frozenset({ORG}) in told
    assert await actions(storage) == ["byok.create"]


async def test_every_change_is_told(storage: AnyStorage, make_credential: MakeCredential) -> None:
    told: list[frozenset[str]] = []
    storage.watch.subscribe(told.append)
    credential = await make_credential()
    assert told.pop() == {ORG}
    changed = replace(credential, version=2)
    await storage.credentials.update_credential(changed, event("update", changed))
    assert told.pop() == {ORG}
    await storage.credentials.delete_credential(changed, event("delete", changed))
    assert told.pop() == {ORG}
