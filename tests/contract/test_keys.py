"""KeyStore, KeyLookup and EnvironmentStore, the same over every store."""

import asyncio
import secrets
from collections.abc import Awaitable, Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from anyrouter.core.apikey import ApiKey
from anyrouter.core.errors import ClientError
from anyrouter.core.tenancy import DEFAULT_ORGANISATION_ID
from anyrouter.storage.memory import MemoryStorage
from anyrouter.storage.opening import ServingStorage
from support.events import event_of

AnyStorage = ServingStorage | MemoryStorage
MakeKey = Callable[..., Awaitable[ApiKey]]


async def update(storage: AnyStorage, key: ApiKey, **options: bool) -> ApiKey:
    """Store the key as the version after the one that it says."""
    stored = replace(key, version=key.version + 1)
    await storage.keys.update_key(stored, event_of(stored), **options)
    return stored


FULL = {
    "name": "déploiement 'x\"; DROP TABLE api_keys; -- %s ?",
    "scopes": frozenset({"completions:write", "usage:read", "admin:*"}),
    "models": ("openai/gpt-4o", "anthropic/*"),
    "endpoints": ("chat/completions",),
    "providers": (),
    "allowed_ips": ("10.0.0.0/8", "2001:db8::1"),
    "rate_limit_rpm": 2**31 - 1,
    "not_before": datetime(1999, 12, 31, 23, 59, 59, 999_000, tzinfo=UTC),
    "expires_at": datetime(9999, 12, 31, tzinfo=UTC),
    "is_disabled": True,
}


async def test_a_key_comes_back_as_it_was_stored(storage: AnyStorage, make_key: MakeKey):
    for key in (await make_key(), await make_key(**FULL)):
        assert await storage.keys.find_key(DEFAULT_ORGANISATION_ID, key.id) == key
        assert await storage.keys.find_by_digest([key.digest]) == key


async def test_a_key_is_found_under_any_of_its_digests_the_first_ones_first(storage: AnyStorage, make_key: MakeKey):
    one, other = await make_key(), await make_key()
    assert await storage.keys.find_by_digest([one.digest, other.digest]) == one
    assert await storage.keys.find_by_digest([secrets.token_bytes(32), secrets.token_bytes(32)]) is None
    assert await storage.keys.find_by_digest([]) is None
    assert await storage.keys.find_by_digest([secrets.token_bytes(32), other.digest]) == other


async def test_keys_are_found_by_their_ids_deleted_ones_too(storage: AnyStorage, make_key: MakeKey):
    keys = [await make_key() for _ in range(3)]
    deleted = replace(keys[2], deleted_at=keys[2].created_at)
    deleted = await update(storage, deleted)
    found = await storage.keys.find_by_ids([keys[0].id, "key_none", deleted.id])
    assert {key.id: key for key in found} == {keys[0].id: keys[0], deleted.id: deleted}
    assert await storage.keys.find_by_ids([]) == []
    assert len(await storage.keys.find_by_ids([f"key_{number}" for number in range(12_000)] + [keys[1].id])) == 1


async def test_another_organisation_does_not_see_a_key(storage: AnyStorage, make_key: MakeKey):
    key = await make_key()
    assert await storage.keys.find_key("org_other", key.id) is None
    assert await storage.keys.list_keys("org_other") == []
    assert await storage.keys.list_keys("org_other", after_id=key.id) == []
    with pytest.raises(ClientError) as caught:
        await update(storage, replace(key, organisation_id="org_other", is_disabled=True))
    assert caught.value.code == "not_found"
    assert await storage.keys.find_key(DEFAULT_ORGANISATION_ID, key.id) == key


async def test_an_update_changes_what_may_change_and_nothing_else(storage: AnyStorage, make_key: MakeKey):
    key = await make_key()
    later = key.updated_at + timedelta(minutes=1)
    changed = replace(key, **FULL, updated_at=later, label="ar-live-new", rotation_group="group", pepper_version=2)
    changed = await update(storage, changed)
    assert await storage.keys.find_key(DEFAULT_ORGANISATION_ID, key.id) == changed
    stolen = replace(changed, digest=bytes(32), environment="test", created_at=later, last_used_at=later, last_used_ip="192.0.2.1")
    await update(storage, stolen)
    assert await storage.keys.find_key(DEFAULT_ORGANISATION_ID, key.id) == replace(changed, version=3)


async def test_a_deleted_key_is_known_to_the_lookup_only(storage: AnyStorage, make_key: MakeKey):
    key = await make_key()
    deleted = await update(storage, replace(key, deleted_at=key.created_at + timedelta(days=1)))
    assert await storage.keys.find_key(DEFAULT_ORGANISATION_ID, key.id) is None
    assert await storage.keys.list_keys(DEFAULT_ORGANISATION_ID) == []
    assert await storage.keys.find_by_digest([key.digest]) == deleted


async def test_a_deleted_key_cannot_be_brought_back(storage: AnyStorage, make_key: MakeKey):
    key = await make_key()
    await update(storage, replace(key, deleted_at=key.created_at))
    with pytest.raises(ClientError) as caught:
        await update(storage, key)
    assert caught.value.code == "not_found"
    found = await storage.keys.find_by_digest([key.digest])
    assert found is not None
    assert found.deleted_at == key.created_at


async def test_a_name_is_unique_in_its_environment_among_keys_that_are_not_deleted(storage: AnyStorage, make_key: MakeKey):
    first = await make_key(name="deploy")
    await make_key(name="deploy", environment="test")
    await make_key(name="Deploy")
    with pytest.raises(ClientError) as caught:
        await make_key(name="deploy")
    assert (caught.value.code, caught.value.denied.http_status, caught.value.denied.param) == ("duplicate_name", 409, "name")
    await update(storage, replace(first, deleted_at=first.created_at))
    second = await make_key(name="deploy")
    other = await make_key(name="other")
    with pytest.raises(ClientError) as caught:
        await update(storage, replace(other, name="deploy"))
    assert caught.value.code == "duplicate_name"
    await update(storage, replace(second, is_disabled=True))


async def test_of_many_at_once_one_gets_the_name(storage: AnyStorage, make_key: MakeKey):
    results = await asyncio.gather(*(make_key(name="deploy") for _ in range(8)), return_exceptions=True)
    refusals = [result for result in results if isinstance(result, BaseException)]
    assert len(refusals) == 7
    assert all(isinstance(refusal, ClientError) and refusal.code == "duplicate_name" for refusal in refusals)


async def test_keys_are_listed_oldest_first_in_pages(storage: AnyStorage, make_key: MakeKey):
    start = datetime(2026, 1, 1, tzinfo=UTC)
    moments = [start + timedelta(seconds=second) for second in (3, 1, 2, 2, 2, 5, 4)]
    keys = [await make_key(created_at=moment, environment="test" if index == 5 else "live") for index, moment in enumerate(moments)]
    expected = sorted(keys, key=lambda key: (key.created_at, key.id))
    assert await storage.keys.list_keys(DEFAULT_ORGANISATION_ID) == expected
    assert await storage.keys.list_keys(DEFAULT_ORGANISATION_ID, environment="test") == [keys[5]]
    assert await storage.keys.list_keys(DEFAULT_ORGANISATION_ID, environment="nowhere") == []
    await update(storage, replace(expected[2], deleted_at=start))
    pages: list[ApiKey] = []
    cursor = None
    while page := await storage.keys.list_keys(DEFAULT_ORGANISATION_ID, limit=2, after_id=cursor):
        assert len(page) <= 2
        pages += page
        cursor = page[-1].id
    assert pages == [key for key in expected if key is not expected[2]]
    assert await storage.keys.list_keys(DEFAULT_ORGANISATION_ID, after_id=expected[2].id) == expected[3:]
    assert await storage.keys.list_keys(DEFAULT_ORGANISATION_ID, after_id="key_unknown") == []


async def test_changes_are_announced_when_they_are_made(storage: AnyStorage, make_key: MakeKey):
    heard: list[frozenset[str]] = []
    storage.watch.subscribe(heard.append)
    key = await make_key()
    assert heard == [frozenset({DEFAULT_ORGANISATION_ID})]
    await update(storage, replace(key, is_disabled=True))
    assert len(heard) >= 2


async def test_the_last_use_of_a_key_is_kept(storage: AnyStorage, make_key: MakeKey):
    key, unused = await make_key(), await make_key()
    storage.key_use.note(key.id, 1_000, "192.0.2.1", "curl/8")
    storage.key_use.note(key.id, 2_000, "2001:db8::1", None)
    storage.key_use.note("key_unknown", 2_000, "192.0.2.1", None)
    await storage.key_use.flush()
    used = replace(key, last_used_at=datetime.fromtimestamp(2, UTC), last_used_ip="2001:db8::1")
    assert await storage.keys.find_key(DEFAULT_ORGANISATION_ID, key.id) == used
    assert await storage.keys.find_key(DEFAULT_ORGANISATION_ID, unused.id) == unused
    storage.key_use.note(key.id, 1_500, "192.0.2.9", "older")
    await storage.key_use.flush()
    assert await storage.keys.find_key(DEFAULT_ORGANISATION_ID, key.id) == used
