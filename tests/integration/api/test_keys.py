"""/keys as its clients see it: rows, pages, ETags, what is shown once, and every refusal by its code."""

import asyncio
import math
from datetime import timedelta
from typing import Any

import pytest

from anyrouter.control.stores import AuditFilter
from anyrouter.core.apikey import ApiKey
from anyrouter.core.tenancy import DEFAULT_ORGANISATION_ID
from anyrouter.policy.rights import OPERATOR_RIGHTS

REQUIRED = frozenset(
    {
        "byok_usage",
        "byok_usage_daily",
        "byok_usage_monthly",
        "byok_usage_weekly",
        "created_at",
        "creator_user_id",
        "disabled",
        "external_user",
        "hash",
        "include_byok_in_limit",
        "label",
        "last_used_at",
        "limit",
        "limit_remaining",
        "limit_reset",
        "name",
        "updated_at",
        "usage",
        "usage_daily",
        "usage_monthly",
        "usage_weekly",
        "workspace_id",
    }
)
MISSING = "key_" + "0" * 32
_OPERATOR = OPERATOR_RIGHTS


@pytest.fixture
async def admin(world: Any) -> tuple[ApiKey, dict[str, str]]:
    """An admin key of the live environment, and the header that presents it."""
    return await world.make_key(name="admin", scopes=["admin:keys"])  # type: ignore[no-any-return]


@pytest.fixture
def headers(admin: tuple[ApiKey, dict[str, str]]) -> dict[str, str]:
    return admin[1]


async def ask(world: Any, method: str, path: str, headers: dict[str, str], body: Any = None, **more: str) -> Any:
    return await world.client.request(method, f"/api/v1{path}", headers=headers | more, json=body)


async def make(world: Any, headers: dict[str, str], **fields: Any) -> dict[str, Any]:
    reply = await ask(world, "POST", "/keys", headers, {"name": "n", **fields})
    assert reply.status_code == 201, reply.text
    made: dict[str, Any] = reply.json()
    return made


def code_of(reply: Any) -> tuple[int, str, str | None]:
    error = reply.json()["error"]
    return reply.status_code, error["code"], error["param"]


async def actions(world: Any) -> list[str]:
    links = await world.storage.audit.list_events(AuditFilter(organisation_id=DEFAULT_ORGANISATION_ID, limit=1000))
    return [link.event.action for link in reversed(links)]


async def test_a_new_key_is_shown_with_its_text_once_and_works(world: Any, headers: dict[str, str]) -> None:
    made = await make(world, headers, name="backend", limit=25, limit_reset="monthly", tags=["a"], allowed_ips=["203.0.113.0/24"])
    row, text = made["data"], made["key"]
    assert text.startswith("ar-live-")
    assert row["label"] == text[:14]
    assert (row["id"], row["can_reveal"], row["limit"], row["limit_remaining"], row["limit_reset"]) == (
        row["hash"],
        False,
        25,
        25,
        "monthly",
    )
    assert row.keys() >= REQUIRED
    assert (await world.get("/key", {"Authorization": f"Bearer {text}"})).json()["data"]["name"] == "backend"
    for reply in (await world.get("/keys", headers), await world.get(f"/keys/{row['id']}", headers)):
        assert text not in reply.text
        assert reply.headers["cache-control"] == "no-store"


async def test_an_idempotent_repetition_shows_no_text(world: Any, headers: dict[str, str]) -> None:
    first = await ask(world, "POST", "/keys", headers, {"name": "once"}, **{"Idempotency-Key": "k1"})
    again = await ask(world, "POST", "/keys", headers, {"name": "once"}, **{"Idempotency-Key": "k1"})
    assert (again.status_code, again.headers["idempotency-replayed"]) == (201, "true")
    assert again.json() == {"data": first.json()["data"], "key": None}
    assert (await ask(world, "POST", "/keys", headers, {"name": "other"}, **{"Idempotency-Key": "k1"})).status_code == 422


async def test_the_usage_of_a_rotation_group_is_told_with_each_of_its_keys(world: Any, headers: dict[str, str]) -> None:
    made = await make(world, headers, limit="0.005", limit_reset="daily")
    key = await world.keys.show(made["data"]["id"], rights=_OPERATOR)
    await world.record(world.make_entry(key, cost_nanousd=2_000_000))
    row = (await world.get(f"/keys/{key.id}", headers)).json()["data"]
    assert (row["usage"], row["usage_daily"], row["limit"], row["limit_remaining"]) == (0.002, 0.002, 0.005, 0.003)


async def test_keys_are_listed_in_pages_and_by_offset(world: Any, admin: tuple[ApiKey, dict[str, str]]) -> None:
    key, headers = admin
    ids = [key.id]
    for number in range(4):
        world.clock.now += timedelta(seconds=1)
        ids.append((await make(world, headers, name=f"n{number}"))["data"]["id"])
    await ask(world, "POST", f"/keys/{ids[2]}/disable", headers)
    first = (await world.get("/keys?limit=3", headers)).json()
    assert ([row["id"] for row in first["data"]], first["next_cursor"]) == (ids[:3], ids[2])
    second = (await world.get(f"/keys?limit=3&cursor={ids[2]}", headers)).json()
    assert ([row["id"] for row in second["data"]], second["next_cursor"]) == (ids[3:], None)
    exact = (await world.get(f"/keys?limit=2&cursor={ids[2]}", headers)).json()
    assert exact["next_cursor"] is None
    assert [row["id"] for row in (await world.get("/keys?offset=3", headers)).json()["data"]] == ids[3:]
    shown = (await world.get("/keys?include_disabled=false", headers)).json()["data"]
    assert [row["id"] for row in shown] == [ids[0], ids[1], *ids[3:]]
    assert (await world.get("/keys?environment=test", headers)).json() == {"data": [], "next_cursor": None}
    for query in ("limit=0", "limit=1001", "cursor=x", "offset=-1", "offset=a", "environment=LIVE", "include_disabled=maybe"):
        assert (await world.get(f"/keys?{query}", headers)).status_code == 400, query


async def test_a_change_is_made_of_the_version_that_was_read(world: Any, headers: dict[str, str]) -> None:
    made = await make(world, headers, models=["openai/*"])
    path = f"/keys/{made['data']['id']}"
    tag = (await world.get(path, headers)).headers["etag"]
    changed = await ask(world, "PATCH", path, headers, {"name": "m", "models": None, "rate_limit_rpm": 7}, **{"If-Match": tag})
    assert (changed.status_code, changed.headers["etag"]) == (200, '"2"')
    row = changed.json()["data"]
    assert (row["name"], row["models"], row["rate_limit_rpm"]) == ("m", None, 7)
    stale = await ask(world, "PATCH", path, headers, {"name": "o"}, **{"If-Match": tag})
    assert code_of(stale)[:2] == (412, "etag_mismatch")
    assert code_of(await ask(world, "DELETE", path, headers, **{"If-Match": tag}))[:2] == (412, "etag_mismatch")
    assert (await ask(world, "PATCH", path, headers, {"disabled": True})).json()["data"]["state"] == "disabled"
    assert (await ask(world, "POST", f"{path}/enable", headers)).json()["data"]["disabled"] is False
    assert (await ask(world, "DELETE", path, headers)).json() == {"deleted": True}
    assert code_of(await world.get(path, headers))[:2] == (404, "not_found")


async def test_a_rotation_gives_a_new_key_and_tells_the_old_ones_end(world: Any, headers: dict[str, str]) -> None:
    made = await make(world, headers, name="deploy", models=["openai/*"])
    old_id, old = made["data"]["id"], {"Authorization": f"Bearer {made['key']}"}
    reply = await ask(world, "POST", f"/keys/{old_id}/rotate", headers, {"grace_seconds": 30 * 24 * 3600})
    assert reply.status_code == 201
    new = reply.json()
    assert (new["data"]["name"], new["data"]["models"], new["data"]["rotated_from"]) == ("deploy", ["openai/*"], old_id)
    shown = (await world.get(f"/keys/{old_id}", headers)).json()["data"]
    assert (shown["superseded_by"], shown["health"][-1]) == (new["data"]["id"], "in_grace")
    world.authenticator.forget()
    asked = await world.get("/key", old)
    end = (world.clock() + timedelta(days=30)).isoformat(timespec="seconds").replace("+00:00", "Z")
    assert (asked.status_code, asked.headers["anyrouter-key-expires"]) == (200, end)
    assert asked.json()["data"]["superseded_by"] == new["data"]["id"]
    assert code_of(await ask(world, "POST", f"/keys/{old_id}/rotate", headers))[:2] == (409, "rotation_in_progress")


@pytest.mark.parametrize("grace", [-1, 10 * 365 * 24 * 3600, 1.5, 1e308])
async def test_a_grace_out_of_bounds_is_422(world: Any, headers: dict[str, str], grace: Any) -> None:
    made = await make(world, headers)
    reply = await ask(world, "POST", f"/keys/{made['data']['id']}/rotate", headers, {"grace_seconds": grace})
    assert code_of(reply) == (422, "unprocessable", "grace_seconds")


@pytest.mark.parametrize(
    "body",
    [
        {"organisation_id": "org_2"},
        {"org_id": "org_2"},
        {"hash": MISSING},
        {"id": MISSING},
        {"digest": "00"},
        {"created_by": "me"},
        {"creator_user_id": "me"},
        {"spend": 0},
        {"usage": 0},
        {"is_admin": True},
        {"prefix": "ar-x"},
        {"label": "x"},
        {"rotation_group": MISSING},
        {"version": 9},
        {"include_byok_in_limit": True},
        *({"rate_limit_rpm": value} for value in (-1, 1e308, "60", 2**63, True, 60.5, [60])),
        {"limit": "NaN"},
        {"limit": "1e400"},
        {"limit": -1},
        {"expires_at": 1_764_000_000},
        {"expires_at": "2026-02-30T00:00:00Z"},
        {"scopes": "admin:*"},
        {"scopes": ["admin"]},
        {"name": ["x"]},
        {"tags": ["x"] * 21},
        {"allowed_ips": ["10.0.0.1/8"]},
        {"endpoints": ["/*"]},
        {"environment": "nowhere"},
    ],
)
async def test_what_cannot_be_given_is_400_on_making_and_changing(world: Any, headers: dict[str, str], body: dict[str, Any]) -> None:
    before = await actions(world)
    reply = await ask(world, "POST", "/keys", headers, {"name": "n", **body})
    assert (reply.status_code, reply.json()["error"]["type"]) == (400, "invalid_request_error"), reply.text
    assert (await actions(world)) == before
    key, _ = await world.make_key()
    reply = await ask(world, "PATCH", f"/keys/{key.id}", headers, body)
    assert reply.status_code == 400, reply.text


async def test_a_body_that_is_no_number_in_json_is_400(world: Any, headers: dict[str, str]) -> None:
    for number in (math.nan, math.inf):
        body = f'{{"name": "n", "rate_limit_rpm": {number}}}'.replace("nan", "NaN").replace("inf", "Infinity")
        reply = await world.client.post("/api/v1/keys", headers=headers | {"content-type": "application/json"}, content=body)
        assert code_of(reply)[:2] == (400, "invalid_json")


async def test_null_inherits_and_zero_blocks(world: Any, headers: dict[str, str]) -> None:
    assert (await make(world, headers, name="a", rate_limit_rpm=None, limit=None))["data"]["state"] == "active"
    assert (await make(world, headers, name="b", rate_limit_rpm=0))["data"]["state"] == "blocked"


async def test_nothing_is_given_that_the_asking_key_lacks(world: Any) -> None:
    _, headers = await world.make_key(name="narrow", environment="test", scopes=["admin:keys"], models=["openai/*"], rate_limit_rpm=600)
    other, _ = await world.make_key(name="live one")
    within = {"models": ["openai/gpt-4o"], "rate_limit_rpm": 600}
    made = await make(world, headers, **within)
    assert made["data"]["environment"] == "test"
    wider = [
        ({"environment": "live"}, "exceeds_rights", "environment"),
        ({"scopes": ["admin:byok"]}, "insufficient_scope", "scopes"),
        ({"scopes": ["admin:*"]}, "insufficient_scope", "scopes"),
        ({"models": ["anthropic/*"]}, "model_not_allowed", "models"),
        ({"models": None}, "model_not_allowed", "models"),
        ({"rate_limit_rpm": 601}, "exceeds_rights", "rate_limit_rpm"),
        ({"rate_limit_rpm": None}, "exceeds_rights", "rate_limit_rpm"),
    ]
    for fields, code, param in wider:
        assert code_of(await ask(world, "POST", "/keys", headers, {"name": "x", **within, **fields})) == (403, code, param)
        if "environment" not in fields:
            path = f"/keys/{made['data']['id']}"
            assert code_of(await ask(world, "PATCH", path, headers, fields)) == (403, code, param)
    for method, rest in (("GET", ""), ("PATCH", ""), ("DELETE", ""), ("POST", "/rotate"), ("POST", "/disable"), ("POST", "/enable")):
        body = {"name": "x"} if method == "PATCH" else None
        replies = [await ask(world, method, f"/keys/{key_id}{rest}", headers, body) for key_id in (other.id, MISSING, "x")]
        assert {(reply.status_code, reply.content) for reply in replies} == {(404, replies[0].content)}


async def test_a_key_does_not_widen_or_end_itself(world: Any, admin: tuple[ApiKey, dict[str, str]]) -> None:
    key, headers = admin
    assert code_of(await ask(world, "PATCH", f"/keys/{key.id}", headers, {"scopes": ["admin:*"]}))[1] == "insufficient_scope"
    for call in (("DELETE", ""), ("POST", "/disable")):
        assert code_of(await ask(world, call[0], f"/keys/{key.id}{call[1]}", headers))[:2] == (422, "unprocessable")
    assert code_of(await ask(world, "PATCH", f"/keys/{key.id}", headers, {"scopes": ["models:read"]}))[:2] == (422, "unprocessable")


async def test_two_rotations_at_once_give_one_key(world: Any, headers: dict[str, str]) -> None:
    made = await make(world, headers)
    path = f"/keys/{made['data']['id']}/rotate"
    replies = await asyncio.gather(*(ask(world, "POST", path, headers) for _ in range(5)))
    assert sorted(reply.status_code for reply in replies) == [201, 409, 409, 409, 409]
    assert {code_of(reply)[1] for reply in replies if reply.status_code == 409} == {"rotation_in_progress"}


async def test_anybody_ends_a_key_whose_text_is_known_and_learns_nothing(world: Any, headers: dict[str, str]) -> None:
    made = await make(world, headers)
    texts = [made["key"], "ar-live-" + "0" * 45, "rubbish", "sk-MARKER", "'; DROP TABLE api_keys; --", "\ud800"[:0] + "ü"]
    replies = [await ask(world, "POST", "/keys/revoke", {}, {"keys": list(keys)}) for keys in (texts, texts, ["x"], texts[:1] * 1000)]
    assert {(reply.status_code, reply.content) for reply in replies} == {(202, b'{"accepted":true}')}
    assert code_of(await world.get("/key", {"Authorization": f"Bearer {made['key']}"}))[:2] == (401, "invalid_api_key")
    assert (await actions(world))[-1] == "key.revoke"


@pytest.mark.parametrize("body", [{}, {"keys": []}, {"keys": "x"}, {"keys": [1]}, {"keys": ["x"] * 1001}, {"keys": ["x"], "why": "y"}, []])
async def test_a_revocation_of_a_wrong_shape_is_400(world: Any, body: Any) -> None:
    assert (await ask(world, "POST", "/keys/revoke", {}, body)).status_code == 400


async def test_an_address_revokes_sixty_times_an_hour(world: Any) -> None:
    for _ in range(60):
        assert (await ask(world, "POST", "/keys/revoke", {}, {"keys": ["x"]})).status_code == 202
    refused = await ask(world, "POST", "/keys/revoke", {}, {"keys": ["x"]})
    assert code_of(refused)[:2] == (429, "rate_limited")
    assert 3500 < int(refused.headers["retry-after"]) <= 3600


async def test_every_change_is_on_record_with_who_made_it_and_no_secret(world: Any, admin: tuple[ApiKey, dict[str, str]]) -> None:
    key, headers = admin
    made = await make(world, headers)
    path = f"/keys/{made['data']['id']}"
    await ask(world, "PATCH", path, headers, {"name": "m"})
    await ask(world, "POST", f"{path}/disable", headers)
    await ask(world, "POST", f"{path}/enable", headers)
    new = (await ask(world, "POST", f"{path}/rotate", headers)).json()
    await ask(world, "DELETE", path, headers)
    links = await world.storage.audit.list_events(AuditFilter(organisation_id=DEFAULT_ORGANISATION_ID, actor_id=key.id))
    events = [link.event for link in reversed(links)]
    assert [event.action.partition(".")[2] for event in events] == ["create", "update", "disable", "enable", "rotate", "delete"]
    assert {event.actor.label for event in events} == {key.label}
    assert {event.actor.address for event in events} == {"203.0.113.7"}
    assert not any(text in repr(links) for text in (made["key"], new["key"]))


async def test_get_never_changes_anything(world: Any, headers: dict[str, str]) -> None:
    made = await make(world, headers)
    before = await actions(world)
    for rest in ("/rotate", "/disable", "/enable"):
        assert (await world.get(f"/keys/{made['data']['id']}{rest}", headers)).status_code == 405
    assert (await world.get("/keys/revoke", headers)).status_code == 404
    assert await actions(world) == before
