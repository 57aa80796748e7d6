"""Keys are looked for in the same way over every store: what `control.key_search` says of them one by one is what each finds."""

from collections.abc import Awaitable, Callable
from dataclasses import replace
from datetime import timedelta
from itertools import product
from typing import Any

from anyrouter.control.key_health import KeyHint, KeyState
from anyrouter.control.key_search import KeySearch, KeySort, select_keys
from anyrouter.core import scopes
from anyrouter.core.apikey import ApiKey, KeyKind
from anyrouter.core.tenancy import DEFAULT_ORGANISATION_ID
from anyrouter.storage.memory import MemoryStorage
from anyrouter.storage.opening import ServingStorage
from contract.conftest import NOW
from support.events import event_of

AnyStorage = ServingStorage | MemoryStorage
MakeKey = Callable[..., Awaitable[ApiKey]]
DAY = timedelta(days=1)
ASKED_AT = NOW + 100 * DAY
EVERYTHING = KeySearch(organisation_id=DEFAULT_ORGANISATION_ID, now=ASKED_AT)
# One of each kind: what one of them earns, another just misses.
VARIETY: list[dict[str, Any]] = [
    {"name": "plain"},
    {"name": 'Backend 50%_/\\ "é"', "environment": "test", "tags": ("team-a", "déploiement")},
    {"name": "backend 2", "tags": ("Team-A", 'x"y'), "limit_nanousd": 5},
    {"name": "disabled", "is_disabled": True, "expires_at": ASKED_AT},
    {"name": "expired", "expires_at": ASKED_AT},
    {"name": "soon", "expires_at": ASKED_AT + 14 * DAY, "created_at": ASKED_AT - 90 * DAY},
    {"name": "later", "expires_at": ASKED_AT + 14 * DAY + timedelta(milliseconds=1), "created_at": ASKED_AT - DAY},
    {"name": "not yet", "not_before": ASKED_AT + DAY, "concurrency": 0},
    {"name": "blocked", "rate_limit_tpm": 0},
    {"name": "admin", "scopes": frozenset({scopes.ADMIN_ALL}), "environment": "test"},
    {"name": "mixed", "scopes": frozenset({scopes.ADMIN_KEYS, scopes.EMBEDDINGS_WRITE}), "limit_nanousd": 0},
    {"name": "in grace", "superseded_by": "key_x", "expires_at": ASKED_AT + DAY, "created_at": ASKED_AT - timedelta(hours=1)},
    {"name": "silent", "superseded_by": "key_x", "updated_at": ASKED_AT - DAY},
    {"name": "mine", "kind": KeyKind.PERSONAL, "member_id": "mem_me"},
    {"name": "hers", "kind": KeyKind.PERSONAL, "member_id": "mem_she", "environment": "test"},
]


async def make_variety(storage: AnyStorage, make_key: MakeKey) -> list[ApiKey]:
    keys = [await make_key(**fields) for fields in VARIETY]
    for number in (0, 2, 11):
        at_ms = int((ASKED_AT - timedelta(hours=1) * number).timestamp() * 1000)
        uses = storage.key_use if isinstance(storage, ServingStorage) else storage.keys
        uses.note(keys[number].id, at_ms, "192.0.2.1", "client")
        await uses.flush()
    gone = await make_key(name="gone", deleted_at=ASKED_AT)
    assert await storage.keys.find_key(DEFAULT_ORGANISATION_ID, gone.id) is None
    return await storage.keys.list_keys(DEFAULT_ORGANISATION_ID)


async def test_every_question_is_answered_as_the_rule_says(storage: AnyStorage, make_key: MakeKey):
    keys = await make_variety(storage, make_key)
    test_id = next(key.environment_id for key in keys if key.environment == "test")
    questions: list[dict[str, Any]] = [
        {},
        *({"state": state} for state in KeyState),
        *({"hint": hint} for hint in KeyHint),
        *({"scope": scope} for scope in scopes.ALL_SCOPES),
        *({"kind": kind} for kind in KeyKind),
        *({"sort": sort, "is_descending": is_descending} for sort, is_descending in product(KeySort, (True, False))),
        *(
            {"text": text}
            for text in (
                "BACK",
                "50%_",
                "%",
                "_",
                "/",
                "\\",
                '"',
                "team-a",
                "é",
                'x"y',
                "team",
                "ar-live-",
                "nothing",
                keys[3].id,
                "' OR 1=1",
            )
        ),
        {"environment": "test"},
        {"environment": "nowhere"},
        {"environment_ids": frozenset({test_id})},
        {"environment_ids": frozenset({test_id}), "member_id": "mem_me"},
        {"environment_ids": frozenset(), "member_id": "mem_she", "text": "her"},
        {"environment_ids": frozenset()},
        {"limit": 4, "offset": 5},
        {"limit": 4, "offset": 99},
        {"organisation_id": "org_other"},
    ]
    for question in questions:
        search = replace(EVERYTHING, **question)
        expected, found = select_keys(keys, search), await storage.keys.search_keys(search)
        assert [key.name for key in found.keys] == [key.name for key in expected.keys], question
        assert found.total == expected.total, question


async def test_each_state_and_hint_is_found(storage: AnyStorage, make_key: MakeKey):
    await make_variety(storage, make_key)

    async def names(**question: Any) -> set[str]:
        return {key.name for key in (await storage.keys.search_keys(replace(EVERYTHING, **question))).keys}

    assert await names(state=KeyState.EXPIRED) == {"expired"}
    assert await names(state=KeyState.NOT_YET_VALID) == {"not yet"}
    assert await names(state=KeyState.BLOCKED) == {"blocked", "mixed"}
    assert await names(hint=KeyHint.EXPIRES_SOON) == {"soon"}
    assert await names(hint=KeyHint.ROTATED_IN_USE) == {"in grace"}
    assert await names(hint=KeyHint.SAFE_TO_DELETE) == {"disabled", "expired", "silent"}
    assert await names(hint=KeyHint.MIXED_ADMIN_AND_INFERENCE) == {"mixed"}
    assert await names(text="TEAM-a") == {VARIETY[1]["name"], "backend 2"}
    assert await names(scope=scopes.ADMIN_BYOK) == {"admin"}


async def test_a_key_that_is_deleted_is_not_found(storage: AnyStorage, make_key: MakeKey):
    key = await make_key()
    deleted = replace(key, deleted_at=key.created_at, version=2)
    await storage.keys.update_key(deleted, event_of(deleted))
    assert (await storage.keys.search_keys(EVERYTHING)).total == 0


async def test_keys_are_counted_by_environment(storage: AnyStorage, make_key: MakeKey):
    keys = await make_variety(storage, make_key)
    counts = await storage.keys.count_keys(DEFAULT_ORGANISATION_ID)
    assert dict(counts) == {place: sum(key.environment_id == place for key in keys) for place in {key.environment_id for key in keys}}
    assert await storage.keys.count_keys("org_other") == {}
