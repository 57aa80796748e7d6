"""Versions, events, the number of keys, the last admin key and rotation: KeyStore, the same over every store."""

import asyncio
import secrets
from collections.abc import Awaitable, Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from anyrouter.control.rotation import GraceStart, begin_grace, retire, succeed
from anyrouter.control.stores import AuditFilter
from anyrouter.core.apikey import ApiKey
from anyrouter.core.errors import ClientError
from anyrouter.core.ids import new_id
from anyrouter.core.keys import generate
from anyrouter.core.tenancy import DEFAULT_ORGANISATION_ID
from anyrouter.storage.memory import MemoryStorage
from anyrouter.storage.opening import ServingStorage
from support.events import event_of

AnyStorage = ServingStorage | MemoryStorage
MakeKey = Callable[..., Awaitable[ApiKey]]
MINUTE = timedelta(minutes=1)
ADMIN = frozenset({"admin:keys"})


async def code_of(change: Awaitable[Any]) -> str | None:
    try:
        await change
    except ClientError as error:
        return error.code
    return None


async def actions(storage: AnyStorage) -> list[str]:
    return [link.event.action for link in reversed(await storage.audit.list_events(AuditFilter(organisation_id=DEFAULT_ORGANISATION_ID)))]


def successor_of(old: ApiKey, now: datetime, **changes: Any) -> ApiKey:
    """What takes the old key's place."""
    return replace(succeed(old, new_id("key", 1), generate("live"), secrets.token_bytes(32), 1, None, now), **changes)


async def test_a_key_with_every_restriction_comes_back_as_it_was_stored(storage: AnyStorage, make_key: MakeKey):
    key = await make_key(
        regions=("eu",),
        rate_limit_tpm=2**53,
        rate_limit_rpd=5,
        concurrency=0,
        limit_nanousd=1_000_000_000 * 10**9,
        tags=("a", "b"),
        creator_id="mem_1",
        rotated_from="key_0",
        superseded_by="key_2",
        grace_s=60,
    )
    assert await storage.keys.find_key(DEFAULT_ORGANISATION_ID, key.id) == key


async def test_a_change_is_of_the_version_before_it(storage: AnyStorage, make_key: MakeKey):
    key = await make_key()
    second = replace(key, is_disabled=True, version=2)
    await storage.keys.update_key(second, event_of(second))
    for version in (1, 2, 4):
        stale = replace(key, name="other", version=version)
        assert await code_of(storage.keys.update_key(stale, event_of(stale))) == "etag_mismatch"
    assert await storage.keys.find_key(DEFAULT_ORGANISATION_ID, key.id) == second
    assert await actions(storage) == ["key.create", "key.change"]


async def test_of_many_changes_of_one_version_one_is_made(storage: AnyStorage, make_key: MakeKey):
    key = await make_key()
    changes = [replace(key, name=f"n{number}", version=2) for number in range(6)]
    codes = await asyncio.gather(*(code_of(storage.keys.update_key(change, event_of(change))) for change in changes))
    assert sorted(codes, key=str) == [None, *["etag_mismatch"] * 5]
    assert await actions(storage) == ["key.create", "key.change"]


async def test_what_cannot_be_recorded_is_not_done(storage: AnyStorage, make_key: MakeKey):
    key = await make_key()
    unwritable = replace(event_of(key), before={"what": object()})
    changed = replace(key, is_disabled=True, version=2)
    new = successor_of(replace(key, name="new"), key.updated_at)
    for change in (
        storage.keys.add_key(replace(new, digest=secrets.token_bytes(32)), unwritable),
        storage.keys.update_key(changed, unwritable),
        storage.keys.rotate_key(replace(changed, superseded_by=new.id), new, unwritable),
    ):
        with pytest.raises(TypeError):
            await change
    assert await storage.keys.list_keys(DEFAULT_ORGANISATION_ID) == [key]
    assert await actions(storage) == ["key.create"]


async def test_an_organisation_has_no_more_keys_than_it_may(storage: AnyStorage, make_key: MakeKey):
    first = await make_key()
    keys = [successor_of(replace(first, name=f"n{number}"), first.created_at, rotation_group=f"g{number}") for number in range(6)]
    codes = await asyncio.gather(*(code_of(storage.keys.add_key(key, event_of(key), most=3)) for key in keys))
    assert sorted(codes, key=str) == [None, None, *["unprocessable"] * 4]
    assert len(await storage.keys.list_keys(DEFAULT_ORGANISATION_ID)) == 3
    deleted = replace(first, deleted_at=first.created_at, version=2)
    await storage.keys.update_key(deleted, event_of(deleted))
    another = successor_of(replace(first, name="another"), first.created_at)
    await storage.keys.add_key(another, event_of(another), most=3)


async def test_the_last_key_that_manages_keys_is_kept_even_when_two_go_at_once(storage: AnyStorage, make_key: MakeKey):
    one, two = await make_key(scopes=ADMIN), await make_key(scopes=frozenset({"admin:*", "models:read"}))
    now = one.updated_at
    # None of these counts: other scopes, switched off, expired, rotated, of a name that only looks like it.
    await make_key(scopes=frozenset({"admin:byok", "completions:write"}), name='"admin:keys"')
    await make_key(scopes=ADMIN, is_disabled=True)
    await make_key(scopes=ADMIN, expires_at=now)
    await make_key(scopes=ADMIN, superseded_by="key_x")
    ends = [replace(one, deleted_at=now, version=2), replace(two, is_disabled=True, version=2)]
    codes = await asyncio.gather(*(code_of(storage.keys.update_key(end, event_of(end), keeps_admin=True)) for end in ends))
    assert sorted(codes, key=str) == [None, "unprocessable"]
    left = ends[0] if codes[0] is not None else ends[1]
    narrowed = replace(one if left is ends[0] else two, scopes=frozenset({"models:read"}), version=2)
    assert await code_of(storage.keys.update_key(narrowed, event_of(narrowed), keeps_admin=True)) == "unprocessable"
    await storage.keys.update_key(narrowed, event_of(narrowed))


async def test_a_rotation_is_one_step(storage: AnyStorage, make_key: MakeKey):
    old = await make_key(name="deploy", models=("openai/*",), limit_nanousd=5, tags=("x",))
    now = old.created_at + MINUTE
    new = successor_of(old, now)
    retired = retire(old, new.id, 60, GraceStart.NOW, now)
    await storage.keys.rotate_key(retired, new, event_of(old, "key.rotate"))
    assert await storage.keys.list_group(DEFAULT_ORGANISATION_ID, old.rotation_group) == [retired, new]
    assert (new.name, new.models, new.limit_nanousd, new.tags) == ("deploy", ("openai/*",), 5, ("x",))
    assert await storage.keys.list_group("org_other", old.rotation_group) == []
    assert await actions(storage) == ["key.create", "key.rotate"]


async def test_of_many_rotations_at_once_one_wins_and_the_others_leave_nothing(storage: AnyStorage, make_key: MakeKey):
    old = await make_key(name="deploy")
    now = old.created_at + MINUTE
    pairs = [(retire(old, new.id, 60, GraceStart.NOW, now), new) for new in (successor_of(old, now) for _ in range(5))]
    codes = await asyncio.gather(*(code_of(storage.keys.rotate_key(*pair, event_of(old, "key.rotate"))) for pair in pairs))
    assert sorted(codes, key=str) == [None, *["rotation_in_progress"] * 4]
    assert await storage.keys.list_group(DEFAULT_ORGANISATION_ID, old.rotation_group) == list(pairs[codes.index(None)])
    gone = replace(old, organisation_id="org_other", version=3)
    assert await code_of(storage.keys.rotate_key(gone, successor_of(old, now), event_of(old))) == "not_found"


async def test_graces_that_wait_for_a_first_use_are_found(storage: AnyStorage, make_key: MakeKey):
    old = await make_key()
    new = successor_of(old, old.created_at + MINUTE)
    waiting = retire(old, new.id, 60, GraceStart.FIRST_USE, new.created_at)
    assert await storage.keys.list_waiting() == []
    await storage.keys.rotate_key(waiting, new, event_of(old, "key.rotate"))
    assert await storage.keys.list_waiting() == [waiting]
    begun = begin_grace(waiting, new.created_at + MINUTE)
    assert (begun.expires_at, begun.grace_s) == (new.created_at + 2 * MINUTE, None)
    await storage.keys.update_key(begun, event_of(begun))
    assert await storage.keys.list_waiting() == []


async def test_keys_are_listed_by_environment_state_and_place(storage: AnyStorage, make_key: MakeKey):
    start = datetime(2026, 1, 1, tzinfo=UTC)
    keys = [
        await make_key(environment=slug, is_disabled=is_disabled, created_at=start + number * MINUTE)
        for number, (slug, is_disabled) in enumerate([("live", False), ("test", False), ("live", True), ("test", True)])
    ]
    ids = {key.environment: key.environment_id for key in keys}
    wanted: list[tuple[dict[str, Any], list[int]]] = [
        ({"is_disabled": False}, [0, 1]),
        ({"is_disabled": True, "environment": "test"}, [3]),
        ({"environment_ids": frozenset({ids["test"]})}, [1, 3]),
        ({"environment_ids": frozenset()}, []),
        ({"environment_ids": frozenset({ids["test"]}), "environment": "live"}, []),
        ({"offset": 1, "limit": 2}, [1, 2]),
        ({"offset": 1, "after_id": keys[0].id}, [2, 3]),
        ({"offset": 9}, []),
    ]
    for options, numbers in wanted:
        assert await storage.keys.list_keys(DEFAULT_ORGANISATION_ID, **options) == [keys[number] for number in numbers], options


async def test_keys_are_found_by_many_digests_at_once_without_deleted_ones(storage: AnyStorage, make_key: MakeKey):
    keys = [await make_key() for _ in range(3)]
    deleted = replace(keys[0], deleted_at=keys[0].created_at, version=2)
    await storage.keys.update_key(deleted, event_of(deleted))
    digests = [key.digest for key in keys] + [secrets.token_bytes(32) for _ in range(2000)]
    found = await storage.keys.find_by_digests(digests)
    assert {key.id for key in found} == {keys[1].id, keys[2].id}
    assert await storage.keys.find_by_digests([]) == []
