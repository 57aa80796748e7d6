"""Idempotency-Key and problems, with presets as what is changed."""

import asyncio
from typing import Any

import pytest
from sqlalchemy import text

from anyrouter.core.errors import StorageUnavailable
from anyrouter.web.api.bodies import MAX_BODY_BYTES
from anyrouter.web.api.idempotency import Once
from anyrouter.web.api.routes import json_reply

BODY = {"slug": "writer", "config": {"model": "openai/gpt-4o"}}


@pytest.fixture
async def admin(world: Any) -> dict[str, str]:
    return (await world.make_key(scopes=["admin:*", "models:read"]))[1]


async def send(world: Any, method: str, path: str, headers: dict[str, str], body: Any = BODY, *, key: str | None = None) -> Any:
    extra = {} if key is None else {"Idempotency-Key": key}
    return await world.client.request(method, f"/api/v1{path}", headers=headers | extra, json=body)


async def test_a_change_that_is_repeated_with_its_key_is_made_once_and_answered_alike(world: Any, admin: dict[str, str]) -> None:
    first = await send(world, "POST", "/presets", admin, key="K-1")
    again = await send(world, "POST", "/presets", admin, key="K-1")
    assert (first.status_code, again.status_code) == (201, 201)
    assert "idempotency-replayed" not in first.headers
    assert again.headers["idempotency-replayed"] == "true"
    assert (again.content, again.headers["content-type"]) == (first.content, first.headers["content-type"])
    assert again.headers["x-request-id"] != first.headers["x-request-id"]
    assert again.headers["content-length"] == str(len(again.content))
    # Without it, or with another, it is asked for anew.
    assert [(await send(world, "POST", "/presets", admin, key=key)).status_code for key in (None, "K-2")] == [409, 409]


async def test_a_deletion_can_be_repeated(world: Any, admin: dict[str, str]) -> None:
    await send(world, "POST", "/presets", admin)
    replies = [await send(world, "DELETE", "/presets/writer", admin, None, key="K") for _ in range(3)]
    assert [(one.status_code, one.json()) for one in replies] == [(200, {"deleted": True})] * 3
    assert (await send(world, "DELETE", "/presets/writer", admin, None)).status_code == 404


async def test_a_refusal_that_stays_one_is_given_again_too(world: Any, admin: dict[str, str]) -> None:
    first = await send(world, "PATCH", "/presets/writer", admin, {"name": "x"}, key="K")
    await send(world, "POST", "/presets", admin)
    again = await send(world, "PATCH", "/presets/writer", admin, {"name": "x"}, key="K")
    assert (first.status_code, again.status_code, again.headers["idempotency-replayed"]) == (404, 404, "true")
    assert first.content == again.content


@pytest.mark.parametrize(
    ("method", "path", "body"),
    [
        ("POST", "/presets", BODY | {"slug": "other"}),
        ("POST", "/presets", {"config": {"model": "openai/gpt-4o"}, "slug": "writer"}),
        ("POST", "/presets?x=1", BODY),
        ("PATCH", "/presets/writer", BODY),
        ("DELETE", "/presets/writer", BODY),
        ("POST", "/presets/writer/messages", BODY),
    ],
)
async def test_the_same_key_with_another_request_is_422(world: Any, admin: dict[str, str], method: str, path: str, body: Any) -> None:
    await send(world, "POST", "/presets", admin, key="K")
    other = await send(world, method, path, admin, body, key="K")
    assert (other.status_code, other.json()["error"]["code"]) == (422, "idempotency_key_reused")
    assert (await send(world, "POST", "/presets", admin, key="K")).status_code == 201


async def test_keys_of_one_organisation_and_of_others_do_not_meet(world: Any, admin: dict[str, str]) -> None:
    other = (await world.make_key(scopes=["admin:*"]))[1]
    await send(world, "POST", "/presets", admin, key="K")
    theirs = await send(world, "POST", "/presets", other, BODY | {"slug": "theirs"}, key="K")
    assert (theirs.status_code, theirs.json()["data"]["slug"]) == (201, "theirs")
    assert "idempotency-replayed" not in theirs.headers


@pytest.mark.parametrize("key", ["", "x" * 256, "tab\there", "ünicode", "new\x7f"])
async def test_a_key_that_is_none_is_400(world: Any, admin: dict[str, str], key: str) -> None:
    headers = [*admin.items(), ("Idempotency-Key", key.encode())]
    reply = await world.client.post("/api/v1/presets", headers=headers, json=BODY)
    assert (reply.status_code, reply.json()["error"]["param"]) == (400, "Idempotency-Key")
    assert (await world.get("/presets", admin)).json()["data"] == []


async def test_two_keys_are_400(world: Any, admin: dict[str, str]) -> None:
    headers = [*admin.items(), ("Idempotency-Key", "a"), ("Idempotency-Key", "a")]
    assert (await world.client.post("/api/v1/presets", headers=headers, json=BODY)).status_code == 400


@pytest.mark.parametrize("key", ["x", "x" * 255, "a b~!\"'{}"])
async def test_a_key_of_up_to_255_characters_is_taken(world: Any, admin: dict[str, str], key: str) -> None:
    assert [(await send(world, "POST", "/presets", admin, key=key)).status_code for _ in range(2)] == [201, 201]


async def test_who_is_not_let_in_takes_no_key(world: Any, admin: dict[str, str]) -> None:
    reader = (await world.make_key())[1]
    for headers, status in (({}, 401), ({"Authorization": "Bearer ar-live-" + "x" * 45}, 401), (reader, 403)):
        assert (await send(world, "POST", "/presets", headers, key="K")).status_code == status
    found = await world.database.read(lambda connection: connection.execute(text("SELECT count(*) FROM idempotent_replies")).scalar())
    assert found == 0


async def test_a_body_that_is_too_large_takes_no_key(world: Any, admin: dict[str, str]) -> None:
    large = BODY | {"description": "x" * MAX_BODY_BYTES}
    assert (await send(world, "POST", "/presets", admin, large, key="K")).status_code == 413
    assert (await send(world, "POST", "/presets", admin, key="K")).status_code == 201


async def test_reading_takes_no_notice_of_the_header(world: Any, admin: dict[str, str]) -> None:
    before = await world.get("/presets", admin | {"Idempotency-Key": "K"})
    await send(world, "POST", "/presets", admin)
    after = await world.get("/presets", admin | {"Idempotency-Key": "K" * 300})
    assert (before.json()["total_count"], after.json()["total_count"]) == (0, 1)


async def test_while_the_first_is_under_way_a_second_is_409(world: Any, admin: dict[str, str], monkeypatch: pytest.MonkeyPatch) -> None:
    has_begun, may_end = asyncio.Event(), asyncio.Event()
    create = world.ports.presets.create

    async def create_slowly(*arguments: Any, **fields: Any) -> Any:
        has_begun.set()
        await may_end.wait()
        return await create(*arguments, **fields)

    monkeypatch.setattr(world.ports.presets, "create", create_slowly)
    first = asyncio.create_task(send(world, "POST", "/presets", admin, key="K"))
    await has_begun.wait()
    second = await send(world, "POST", "/presets", admin, key="K")
    assert (second.status_code, second.json()["error"]["code"]) == (409, "idempotency_in_progress")
    assert int(second.headers["retry-after"]) >= 1
    may_end.set()
    assert (await first).status_code == 201
    assert (await send(world, "POST", "/presets", admin, key="K")).headers["idempotency-replayed"] == "true"


@pytest.mark.parametrize(("error", "status"), [(StorageUnavailable("down"), 503), (RuntimeError("ours"), 500)])
async def test_a_change_that_failed_by_our_fault_can_be_repeated(
    world: Any, admin: dict[str, str], monkeypatch: pytest.MonkeyPatch, error: Exception, status: int
) -> None:
    async def fail(*_: Any, **__: Any) -> None:
        raise error

    with monkeypatch.context() as patched:
        patched.setattr(world.ports.presets, "create", fail)
        assert (await send(world, "POST", "/presets", admin, key="K")).status_code == status
    again = await send(world, "POST", "/presets", admin, key="K")
    assert (again.status_code, "idempotency-replayed" in again.headers) == (201, False)


async def test_what_is_shown_once_is_neither_given_again_nor_stored(world: Any, admin: dict[str, str]) -> None:
    key, headers = await world.make_key(scopes=["admin:*"])
    secret = headers["Authorization"].removeprefix("Bearer ")

    async def reply_secret(request: Any) -> Any:
        return json_reply({"data": {"secret": "whsec_MARKER", "note": f"use {secret} now"}, "key": secret}, status=201)

    route = next(one for one in world.app.routes if getattr(one, "name", "") == "POST presets")
    route.dependant.call = Once(world.ports.idempotency).around(reply_secret, ("key", "data.secret"))
    first = await send(world, "POST", "/presets", admin, key="K")
    again = await send(world, "POST", "/presets", admin, key="K")
    assert first.json()["key"] == secret
    assert again.json() == {"data": {"secret": None, "note": f"use {key.label}… now"}, "key": None}
    assert again.status_code == first.status_code
    rows = await world.database.read(lambda connection: str(connection.execute(text("SELECT * FROM idempotent_replies")).all()))
    assert secret not in rows
    assert "MARKER" not in rows


# Problems


async def test_refusals_of_the_control_plane_are_problems_too(world: Any, admin: dict[str, str]) -> None:
    reply = await send(world, "DELETE", "/presets/nothing", admin, None)
    assert reply.headers["content-type"] == "application/json"
    error = reply.json().pop("error")
    assert reply.json() == {
        "type": "urn:anyrouter:error:not_found",
        "title": "Not found",
        "status": 404,
        "detail": error["message"],
        "error": error,
    }
    assert error["code"] == "not_found"


@pytest.mark.parametrize(
    ("accept", "kind"),
    [
        ("application/problem+json", "application/problem+json"),
        ("application/json;q=0.5, Application/Problem+JSON; q=0.9", "application/problem+json"),
        ("application/problem+json;q=0", "application/json"),
        ("application/problem+json;q=0.000", "application/json"),
        ("*/*", "application/json"),
        ("text/html", "application/json"),
    ],
)
async def test_who_names_the_media_type_of_problems_gets_it(world: Any, admin: dict[str, str], accept: str, kind: str) -> None:
    for path, status in (("/presets/nothing", 404), ("/presets/nothing?environment=%00", 400)):
        reply = await send(world, "DELETE", path, admin | {"Accept": accept}, None)
        assert (reply.status_code, reply.headers["content-type"]) == (status, kind)


async def test_guards_refuse_with_problems_on_the_control_plane_and_without_elsewhere(world: Any) -> None:
    reader = (await world.make_key())[1]
    refused = await send(world, "POST", "/presets", reader)
    assert (refused.status_code, refused.json()["type"]) == (403, "urn:anyrouter:error:insufficient_scope")
    assert 'error="insufficient_scope"' in refused.headers["www-authenticate"]
    assert (await send(world, "POST", "/presets", {})).json()["title"] == "Missing api key"
    elsewhere = (await world.make_key(scopes=["usage:read"]))[1]
    assert (await world.get("/models", elsewhere)).json().keys() == {"error"}
    nowhere = await world.get("/nothing", reader)
    assert (nowhere.json()["type"], nowhere.json()["error"]["code"]) == ("urn:anyrouter:error:not_found", "not_found")


async def test_our_own_failures_are_problems_that_say_nothing(world: Any, admin: dict[str, str], monkeypatch: pytest.MonkeyPatch) -> None:
    async def fail(*_: Any, **__: Any) -> None:
        raise RuntimeError("MARKER-secret")

    monkeypatch.setattr(world.ports.presets, "create", fail)
    reply = await send(world, "POST", "/presets", admin | {"Accept": "application/problem+json"})
    assert (reply.status_code, reply.headers["content-type"]) == (500, "application/problem+json")
    assert reply.json()["error"]["code"] == "internal_error"
    assert "MARKER" not in reply.text
