"""/presets: made, looked at, changed and deleted, by the keys that may."""

from typing import Any

import pytest

from anyrouter.web.api.bodies import MAX_BODY_BYTES

CONFIG = {"model": "openai/gpt-4o", "temperature": 0.7, "provider": {"sort": "price"}}


@pytest.fixture
async def admin(world: Any) -> dict[str, str]:
    """A key that may change presets and read them."""
    return (await world.make_key(scopes=["admin:*", "models:read"]))[1]


@pytest.fixture
async def reader(world: Any) -> dict[str, str]:
    return (await world.make_key())[1]


async def send(world: Any, method: str, path: str, headers: dict[str, str], body: Any = None, **options: Any) -> Any:
    return await world.client.request(method, f"/api/v1{path}", headers=headers, json=body, **options)


async def test_a_preset_is_made_shown_changed_and_deleted(world: Any, admin: dict[str, str], reader: dict[str, str]) -> None:
    body = {"slug": "writer", "config": CONFIG, "system_prompt": "Be terse.", "description": "For letters."}
    made = await send(world, "POST", "/presets", admin, body)
    assert made.status_code == 201, made.text
    data = made.json()["data"]
    assert (data["slug"], data["name"], data["environment"], data["version"]) == ("writer", "writer", "live", 1)
    assert data["designated_version"]["config"] == CONFIG
    assert data["designated_version"]["system_prompt"] == "Be terse."
    assert data["designated_version"]["id"] == data["designated_version_id"]
    assert (await world.get("/presets/writer", reader)).json() == made.json()
    listed = (await world.get("/presets", reader)).json()
    assert listed == {
        "data": [{name: value for name, value in data.items() if name != "designated_version"}],
        "total_count": 1,
        "next_cursor": None,
    }
    changed = (await send(world, "PATCH", "/presets/writer", admin, {"config": {"model": "a/b"}, "system_prompt": None})).json()["data"]
    assert (changed["version"], changed["id"], changed["description"]) == (2, data["id"], "For letters.")
    assert (changed["designated_version"]["config"], changed["designated_version"]["system_prompt"]) == ({"model": "a/b"}, None)
    assert (await send(world, "DELETE", "/presets/writer", admin)).json() == {"deleted": True}
    for method in ("GET", "PATCH", "DELETE"):
        gone = await send(world, method, "/presets/writer", admin, {} if method == "PATCH" else None)
        assert (gone.status_code, gone.json()["error"]["code"]) == (404, "not_found")


async def test_it_has_all_fields_that_openrouters_clients_require(world: Any, admin: dict[str, str]) -> None:
    made = (await send(world, "POST", "/presets", admin, {"slug": "writer", "config": CONFIG})).json()["data"]
    preset = {"id", "creator_user_id", "workspace_id", "name", "slug", "description", "status", "designated_version_id"}
    assert preset | {"created_at", "updated_at", "status_updated_at", "designated_version"} <= made.keys()
    version = {"id", "preset_id", "creator_id", "version", "system_prompt", "config", "created_at", "updated_at"}
    assert version <= made["designated_version"].keys()


@pytest.mark.parametrize(
    ("path", "body", "dialect", "prompt"),
    [
        ("chat/completions", {"messages": [{"role": "system", "content": "S"}, {"role": "user", "content": "Hi"}]}, "openai", "S"),
        ("messages", {"system": "S", "messages": [], "max_tokens": 5}, "anthropic", "S"),
        ("responses", {"instructions": "S", "input": "Hi"}, "responses", "S"),
    ],
)
async def test_a_request_becomes_a_preset(
    *, world: Any, admin: dict[str, str], path: str, body: dict[str, Any], dialect: str, prompt: str
) -> None:
    first = (await send(world, "POST", f"/presets/writer/{path}", admin, {**CONFIG, **body, "stream": True})).json()["data"]
    kept = {"max_tokens": 5} if path == "messages" else {}
    assert first["designated_version"]["config"] == CONFIG | kept
    assert (first["dialect"], first["designated_version"]["system_prompt"], first["version"]) == (dialect, prompt, 1)
    again = (await send(world, "POST", f"/presets/writer/{path}", admin, {"model": "a/b"})).json()["data"]
    assert (again["id"], again["version"], again["designated_version"]["config"]) == (first["id"], 2, {"model": "a/b"})


async def test_presets_are_listed_in_pages(world: Any, admin: dict[str, str]) -> None:
    for slug in "cab":
        await send(world, "POST", "/presets", admin, {"slug": slug})
    slugs, cursor = [], None
    for _ in range(3):
        page = (await world.get("/presets", admin, params={"limit": 1} | ({"cursor": cursor} if cursor else {}))).json()
        assert page["total_count"] == 3
        slugs += [row["slug"] for row in page["data"]]
        cursor = page["next_cursor"]
    assert (slugs, cursor) == (["a", "b", "c"], None)


async def test_a_preset_is_its_environments_and_a_key_works_in_its_own(world: Any, admin: dict[str, str], reader: dict[str, str]) -> None:
    _, test_key = await world.make_key(environment="test")
    _, test_admin = await world.make_key(environment="test", scopes=["admin:*", "models:read"])
    await send(world, "POST", "/presets", admin, {"slug": "writer", "config": CONFIG})
    assert (await world.get("/presets/writer", test_key)).status_code == 404
    assert (await world.get("/presets", test_key)).json()["data"] == []
    await send(world, "POST", "/presets", test_admin, {"slug": "writer", "environment": "test", "config": {"model": "c/d"}})
    assert (await world.get("/presets/writer", test_key)).json()["data"]["designated_version"]["config"] == {"model": "c/d"}
    assert (await world.get("/presets/writer", reader, params={"environment": "live"})).status_code == 200
    refused = await send(world, "POST", "/presets", admin, {"slug": "x", "environment": "test"})
    assert (refused.status_code, refused.json()["error"]["code"]) == (403, "exceeds_rights")
    for method, path, headers in (
        ("GET", "/presets/writer", reader),
        ("GET", "/presets", admin),
        ("PATCH", "/presets/writer", admin),
        ("DELETE", "/presets/writer", admin),
        ("POST", "/presets/writer/messages", admin),
    ):
        foreign, unknown = [
            await send(world, method, f"{path}?environment={slug}", headers, {} if method in {"PATCH", "POST"} else None)
            for slug in ("test", "nowhere")
        ]
        if method == "POST":  # who would make one there is told so
            assert foreign.status_code in {400, 403}
            continue
        assert (foreign.status_code, foreign.json()["error"]["param"]) == (400, "environment")
        assert foreign.content == unknown.content
    assert (await world.get("/presets/writer", test_key)).json()["data"]["version"] == 1


async def test_a_key_without_the_scope_changes_nothing(world: Any, admin: dict[str, str], reader: dict[str, str]) -> None:
    await send(world, "POST", "/presets", admin, {"slug": "writer", "config": CONFIG})
    for method, path in (
        ("POST", "/presets"),
        ("PATCH", "/presets/writer"),
        ("DELETE", "/presets/writer"),
        ("POST", "/presets/x/messages"),
    ):
        reply = await send(world, method, path, reader, {"slug": "other", "name": "n"})
        assert (reply.status_code, reply.json()["error"]["code"]) == (403, "insufficient_scope")
        assert 'scope="admin:*"' in reply.headers["www-authenticate"]
    assert [row["version"] for row in (await world.get("/presets", reader)).json()["data"]] == [1]


@pytest.mark.parametrize(
    ("body", "status", "code", "param"),
    [
        ({}, 400, "missing_parameter", "slug"),
        ({"slug": 5}, 400, "invalid_parameter", "slug"),
        ({"slug": "Two words"}, 400, "invalid_parameter", "slug"),
        ({"slug": "a", "confg": {}}, 400, "invalid_parameter", "confg"),
        ({"slug": "a", "config": []}, 400, "invalid_parameter", "config"),
        ({"slug": "a", "config": {"messages": []}}, 400, "invalid_parameter", "config.messages"),
        ({"slug": "a", "config": {"api_key": "MARKER"}}, 400, "invalid_parameter", "config.api_key"),
        ({"slug": "a", "dialect": "MARKER"}, 400, "invalid_parameter", "dialect"),
        ([], 400, "invalid_parameter", None),
        ({"slug": "taken"}, 409, "duplicate_name", "slug"),
    ],
)
async def test_what_is_wrong_with_a_body_is_told(
    *, world: Any, admin: dict[str, str], body: Any, status: int, code: str, param: str | None
) -> None:
    await send(world, "POST", "/presets", admin, {"slug": "taken"})
    reply = await send(world, "POST", "/presets", admin, body)
    error = reply.json()["error"]
    assert (reply.status_code, error["code"], error["param"]) == (status, code, param)
    assert "MARKER" not in reply.text


@pytest.mark.parametrize(
    ("content", "headers", "status"),
    [
        (b"", {}, 400),
        (b"{", {}, 400),
        (b"\xff", {}, 400),
        (b"[" * 10_000, {}, 400),
        (b'{"slug":"a","description":"' + b"x" * MAX_BODY_BYTES + b'"}', {}, 413),
        (b"{}", {"content-type": "text/plain"}, 415),
        (b"{}", {"content-encoding": "gzip"}, 415),
    ],
)
async def test_a_body_that_is_none_is_refused(
    world: Any, admin: dict[str, str], content: bytes, headers: dict[str, str], status: int
) -> None:
    reply = await world.client.post("/api/v1/presets", content=content, headers=admin | {"content-type": "application/json"} | headers)
    assert reply.status_code == status, reply.text
