"""Section F of the attack cases, on the frame of all changes, with presets as what is changed."""

from typing import Any

import msgspec
import pytest
from fastapi.routing import APIRoute
from sqlalchemy import func, select, table, text

from anyrouter.control.leaks import LeakReport
from anyrouter.control.stores import AuditFilter
from anyrouter.core.audit import AuditEvent
from anyrouter.core.tenancy import DEFAULT_ORGANISATION_ID
from anyrouter.policy.endpoints import ENDPOINTS
from anyrouter.web.api.preset_replies import PresetRequest

OWN = (
    "organisation_id",
    "org_id",
    "hash",
    "digest",
    "created_by",
    "creator_id",
    "created_at",
    "spend",
    "usage",
    "is_admin",
    "id",
    "prefix",
)
CHANGES = [row for row in ENDPOINTS.values() if row.changes_by is not None]


@pytest.fixture
async def admin(world: Any) -> dict[str, str]:
    return (await world.make_key(scopes=["admin:*", "models:read"]))[1]


async def send(world: Any, method: str, path: str, headers: dict[str, str], body: Any = None) -> Any:
    return await world.client.request(method, f"/api/v1{path}", headers=headers, json=body)


async def preset_events(world: Any) -> list[AuditEvent]:
    found = await world.services.audit.list(AuditFilter(organisation_id=DEFAULT_ORGANISATION_ID, action="preset.*"))
    return [link.event for link in reversed(found)]


# What a body may say


def documented_of(world: Any) -> dict[str, Any]:
    route = next(route for route in world.app.routes if getattr(route, "name", "") == "openapi.json")
    documented: dict[str, Any] = route.endpoint.__self__._routes.documented
    return documented


async def test_no_body_of_a_change_takes_what_is_not_the_caller_s_to_say(world: Any) -> None:
    documented, checked = documented_of(world), 0
    for row in CHANGES:
        kind = documented[row.name].request
        if kind is None or kind in {PresetRequest, LeakReport}:  # others' formats, of which nothing else becomes a field
            continue
        assert kind.__struct_config__.forbid_unknown_fields, row.name
        assert not set(OWN) & set(kind.__struct_fields__), row.name
        with pytest.raises(msgspec.ValidationError):
            msgspec.json.decode(b'{"is_admin":true}', type=kind)
        checked += 1
    assert checked >= 4


@pytest.mark.parametrize("name", [*OWN, "version", "updated_at", "environment_id", "workspace_id", "constructor", "__class__"])
async def test_mass_assignment_is_refused_by_name_and_changes_nothing(world: Any, admin: dict[str, str], name: str) -> None:
    await send(world, "POST", "/presets", admin, {"slug": "writer"})
    for method, path, body in (("POST", "/presets", {"slug": "other"}), ("PATCH", "/presets/writer", {"name": "x"})):
        reply = await send(world, method, path, admin, body | {name: "MARKER"})
        assert (reply.status_code, reply.json()["error"]["param"]) == (400, name)
        assert "MARKER" not in reply.text
    assert [(row["slug"], row["version"]) for row in (await world.get("/presets", admin)).json()["data"]] == [("writer", 1)]
    assert [event.action for event in await preset_events(world)] == ["preset.create"]


# What is on record


async def test_every_change_is_on_record_with_who_made_it_and_what_it_changed(world: Any) -> None:
    key, headers = await world.make_key(scopes=["admin:*"])
    secret = headers["Authorization"].removeprefix("Bearer ")
    said = headers | {"User-Agent": f"curl {secret}", "X-AnyRouter-Trace-Id": "t-1"}
    config = {"model": "a/b", "tools": [{"authorization": "MARKER-tool"}]}
    made = await send(world, "POST", "/presets", said, {"slug": "writer", "config": config, "system_prompt": "MARKER-prompt"})
    await send(world, "PATCH", "/presets/writer", said, {"config": {"model": "c/d"}, "name": "Writer"})
    await send(world, "POST", "/presets/writer/messages", said, {"model": "e/f", "messages": []})
    await send(world, "DELETE", "/presets/writer", said)
    create, update, put, delete = events = await preset_events(world)
    assert [event.action for event in events] == ["preset.create", "preset.update", "preset.update", "preset.delete"]
    for event in events:
        assert (event.target_id, event.target_label, event.environment) == (made.json()["data"]["id"], "writer", "live")
        assert (event.actor.id, event.actor.address, event.actor.trace_id, event.is_denied) == (key.id, "203.0.113.7", "t-1", False)
    assert (create.before, create.after["config"]["model"]) == ({}, "a/b")
    assert (update.before["name"], update.after["name"], update.after["config"]) == ("writer", "Writer", {"model": "c/d"})
    assert put.after == {"dialect": "anthropic", "config": {"model": "e/f"}}
    assert (delete.before["name"], delete.after) == ("Writer", {})
    assert "MARKER" not in repr(events)
    assert secret not in repr(events)
    assert (await world.services.audit.verify()).is_whole


async def test_a_change_that_cannot_be_put_on_record_is_not_made(world: Any, admin: dict[str, str]) -> None:
    await send(world, "POST", "/presets", admin, {"slug": "writer"})
    await world.database.write(lambda connection: connection.execute(text("ALTER TABLE audit_events RENAME TO elsewhere")).rowcount)
    for method, path, body in (
        ("POST", "/presets", {"slug": "b"}),
        ("PATCH", "/presets/writer", {"name": "x"}),
        ("DELETE", "/presets/writer", None),
    ):
        assert (await send(world, method, path, admin, body)).status_code == 503
    await world.database.write(lambda connection: connection.execute(text("ALTER TABLE elsewhere RENAME TO audit_events")).rowcount)
    assert [(row["slug"], row["name"], row["version"]) for row in (await world.get("/presets", admin)).json()["data"]] == [
        ("writer", "writer", 1)
    ]
    assert (await world.services.audit.verify()).is_whole


# Versions


async def test_a_change_of_another_version_is_412_and_of_the_right_one_is_made(world: Any, admin: dict[str, str]) -> None:
    made = await send(world, "POST", "/presets", admin, {"slug": "writer"})
    shown = await world.get("/presets/writer", admin)
    assert made.headers["etag"] == shown.headers["etag"] == '"1"'
    changed = await send(world, "PATCH", "/presets/writer", admin | {"If-Match": '"1"'}, {"name": "a"})
    assert (changed.status_code, changed.headers["etag"]) == (200, '"2"')
    for stale in ('"1"', 'W/"2"', '"other"'):
        for method, body in (("PATCH", {"name": "b"}), ("DELETE", None)):
            reply = await send(world, method, "/presets/writer", admin | {"If-Match": stale}, body)
            assert (reply.status_code, reply.json()["error"]["code"]) == (412, "etag_mismatch")
    assert (await send(world, "PATCH", "/presets/writer", admin | {"If-Match": "2"}, {"name": "b"})).status_code == 400
    assert (await send(world, "PATCH", "/presets/writer", admin | {"If-Match": "*"}, {"name": "c"})).headers["etag"] == '"3"'
    assert (await send(world, "DELETE", "/presets/writer", admin | {"If-Match": '"3"'})).status_code == 200


async def test_a_precondition_that_failed_is_asked_anew_with_the_same_idempotency_key(world: Any, admin: dict[str, str]) -> None:
    await send(world, "POST", "/presets", admin, {"slug": "writer"})
    keyed = admin | {"Idempotency-Key": "K"}
    assert (await send(world, "PATCH", "/presets/writer", keyed | {"If-Match": '"7"'}, {"name": "b"})).status_code == 412
    assert (await send(world, "PATCH", "/presets/writer", keyed | {"If-Match": '"1"'}, {"name": "b"})).status_code == 200
    again = await send(world, "PATCH", "/presets/writer", keyed | {"If-Match": '"1"'}, {"name": "b"})
    assert (again.status_code, again.headers["etag"], again.headers["idempotency-replayed"]) == (200, '"2"', "true")


# Who asks


async def test_nothing_but_a_key_in_its_header_lets_a_browser_change_anything(world: Any, admin: dict[str, str]) -> None:
    """There are no cookies: what another site can have a browser send is nobody's."""
    secret = admin["Authorization"].removeprefix("Bearer ")
    forged = {"Sec-Fetch-Site": "cross-site", "Origin": "https://evil.example", "Cookie": f"authorization=Bearer {secret}; key={secret}"}
    for row in CHANGES:
        if row.is_public:
            continue
        path = row.public_path.replace("{slug}", "writer").replace("{id}", "x")
        reply = await world.client.request(row.method, f"{path}?api_key={secret}", headers=forged, json={})
        assert reply.status_code == 401, row.name
        assert "access-control-allow-origin" not in reply.headers


async def test_reading_changes_nothing(world: Any) -> None:
    """Every GET that there is, by a key that may do everything: of all tables only the denials' own has grown, if any."""
    _, headers = await world.make_key(scopes=["admin:*", "models:read", "usage:read"])

    def count(connection: Any) -> dict[str, int]:
        names = connection.execute(text("SELECT name FROM sqlite_master WHERE type = 'table'")).scalars().all()
        return {name: connection.execute(select(func.count()).select_from(table(name))).scalar_one() for name in names}

    before = await world.database.read(count)
    epoch = await world.database.read(lambda connection: connection.execute(text("SELECT epoch FROM latest_epoch")).scalar_one())
    for route in world.app.routes:
        if isinstance(route, APIRoute) and "GET" in (route.methods or ()) and route.name != "metrics":
            path = route.path.replace("{model:path}", "openai/gpt-4o").replace("{slug}", "writer").replace("{id}", "x")
            assert (await world.client.get(path, headers=headers)).status_code < 500, path
    after = await world.database.read(count)
    assert {name for name in after if after[name] != before[name]} <= {"audit_events"}
    assert epoch == await world.database.read(lambda connection: connection.execute(text("SELECT epoch FROM latest_epoch")).scalar_one())
    kinds = await world.database.read(
        lambda connection: connection.execute(text("SELECT DISTINCT action FROM audit_events WHERE is_denied = 0")).scalars().all()
    )
    assert set(kinds) <= {"key.create"}


async def test_what_is_not_there_is_refused_alike_whoever_s_it_would_be(world: Any, admin: dict[str, str]) -> None:
    """Byte for byte: of another environment, never made, and of a form that none has."""
    _, test_admin = await world.make_key(environment="test", scopes=["admin:*", "models:read"])
    await send(world, "POST", "/presets", test_admin, {"slug": "theirs"})
    for method, body in (("GET", None), ("PATCH", {"name": "x"}), ("DELETE", None)):
        replies = [await send(world, method, f"/presets/{slug}", admin, body) for slug in ("theirs", "nobodys", "x" * 64)]
        assert {reply.status_code for reply in replies} == {404}
        assert len({reply.content for reply in replies}) == 1
        lengths = [{name: value for name, value in reply.headers.items() if not name.startswith(("x-r", "ratelimit"))} for reply in replies]
        assert lengths[0] == lengths[1] == lengths[2]
