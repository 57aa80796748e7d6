"""/webhooks: added, shown, changed, tried, deleted, by keys with admin:org; what was sent to them."""

import json
from collections.abc import AsyncIterator
from typing import Any

import pytest

from anyrouter.control.webhook_messages import Dispatcher

WISH = {"url": "https://hooks.example.com/in", "events": ["key.*", "budget.threshold"], "name": "on-call"}


@pytest.fixture
async def admin(world: Any) -> AsyncIterator[dict[str, str]]:
    yield (await world.make_key(scopes=["admin:org"]))[1]
    await world.services.aclose()


async def send(world: Any, method: str, path: str, headers: dict[str, str], body: Any = None) -> Any:
    return await world.client.request(method, f"/api/v1{path}", headers=headers, json=body)


async def test_a_webhook_is_added_shown_changed_and_deleted(world: Any, admin: dict[str, str]) -> None:
    made = await send(world, "POST", "/webhooks", admin, WISH)
    assert made.status_code == 201, made.text
    data, secret = made.json()["data"], made.json()["secret"]
    assert {name: data[name] for name in WISH} == WISH
    assert (data["disabled"], data["version"], made.headers["etag"]) == (False, 1, '"1"')
    assert secret.startswith("whsec_")
    shown = await world.get(f"/webhooks/{data['id']}", admin)
    assert (shown.json(), shown.headers["etag"]) == ({"data": data}, '"1"')
    assert (await world.get("/webhooks", admin)).json() == {"data": [data], "next_cursor": None}
    change = {"url": "https://other.example.com/in/", "events": ["*"], "name": None, "disabled": True}
    changed = await send(world, "PATCH", f"/webhooks/{data['id']}", {**admin, "If-Match": '"1"'}, change)
    assert (changed.status_code, changed.headers["etag"]) == (200, '"2"')
    assert {name: changed.json()["data"][name] for name in change} == {**change, "name": ""}
    stale = await send(world, "PATCH", f"/webhooks/{data['id']}", {**admin, "If-Match": '"1"'}, {"disabled": False})
    assert (stale.status_code, stale.json()["error"]["code"]) == (412, "etag_mismatch")
    stale = await send(world, "DELETE", f"/webhooks/{data['id']}", {**admin, "If-Match": '"1"'})
    assert stale.status_code == 412
    assert (await send(world, "DELETE", f"/webhooks/{data['id']}", admin)).json() == {"deleted": True}
    for method, path in (("GET", ""), ("PATCH", ""), ("DELETE", ""), ("POST", "/test"), ("GET", "/deliveries")):
        gone = await send(world, method, f"/webhooks/{data['id']}{path}", admin, {} if method == "PATCH" else None)
        assert (gone.status_code, gone.json()["error"]["message"]) == (404, "There is no such webhook.")


async def test_the_secret_is_in_the_first_reply_and_nowhere_else(world: Any, admin: dict[str, str]) -> None:
    keyed = {**admin, "Idempotency-Key": "once"}
    first = await send(world, "POST", "/webhooks", keyed, WISH)
    secret, webhook_id = first.json()["secret"], first.json()["data"]["id"]
    again = await send(world, "POST", "/webhooks", keyed, WISH)
    assert (again.json()["secret"], again.json()["data"]["id"]) == (None, webhook_id)
    await Dispatcher(webhooks=world.storage.webhooks, audit=world.storage.audit, clock=world.clock).dispatch()
    for path in ("/webhooks", f"/webhooks/{webhook_id}", f"/webhooks/{webhook_id}/deliveries", "/audit"):
        assert secret not in (await world.get(path, admin)).text
    files = [path.read_bytes() for path in world.storage.directory.database.parent.rglob("*") if path.is_file()]
    assert not [data for data in files if secret.encode() in data or secret.removeprefix("whsec_").encode() in data]


async def test_a_webhook_needs_its_own_scope_and_organisation(world: Any, admin: dict[str, str]) -> None:
    made = (await send(world, "POST", "/webhooks", admin, WISH)).json()["data"]
    other = (await world.make_key(scopes=["admin:keys", "admin:byok", "admin:billing"]))[1]
    for method, path in (("GET", ""), ("POST", ""), ("GET", f"/{made['id']}"), ("POST", f"/{made['id']}/test")):
        refused = await send(world, method, f"/webhooks{path}", other, WISH if method == "POST" and not path else None)
        assert (refused.status_code, refused.json()["error"]["code"]) == (403, "insufficient_scope")
    random = await world.get("/webhooks/whk_0192f0c4a7e87a1b8c3d4e5f60718293", admin)
    assert random.status_code == 404


@pytest.mark.parametrize(
    ("body", "status"),
    [
        ({"url": "http://169.254.169.254/latest/meta-data", "events": ["*"]}, 422),
        ({"url": "https://localhost/in", "events": ["*"]}, 422),
        ({"url": "https://a.example.com/in", "events": []}, 422),
        ({"url": "https://a.example.com/in", "events": ["nothing.*"]}, 422),
        ({"url": "https://a.example.com/in", "events": "*"}, 400),
        ({"url": "https://a.example.com/in"}, 400),
        ({"events": ["*"]}, 400),
        ({"url": None, "events": ["*"]}, 400),
        ({"url": "https://a.example.com/in", "events": ["*"], "secret": "whsec_MARKER"}, 400),
        ({"url": "https://a.example.com/in", "events": ["*"], "after_number": 0}, 400),
        ({"url": "https://a.example.com/in", "events": ["*"], "organisation_id": "org_other"}, 400),
        ({"url": "https://a.example.com/" + "a" * 3000, "events": ["*"]}, 422),
        ({"url": "https://a.example.com/in", "events": ["*"], "name": "x" * 101}, 400),
        ({"url": "https://a.example.com/in\r\nX-Evil: 1", "events": ["*"]}, 422),
    ],
)
async def test_what_makes_no_sense_is_refused(world: Any, admin: dict[str, str], body: dict[str, Any], status: int) -> None:
    reply = await send(world, "POST", "/webhooks", admin, body)
    assert reply.status_code == status, reply.text
    assert "MARKER" not in reply.text
    assert (await world.get("/webhooks", admin)).json()["data"] == []


async def test_a_receiver_that_cannot_be_reached_is_told_of_by_a_test(world: Any, admin: dict[str, str]) -> None:
    """Its name leads nowhere: nobody is connected to."""
    made = (await send(world, "POST", "/webhooks", admin, {**WISH, "url": "https://nobody.example.invalid.example/in"})).json()["data"]
    tried = (await send(world, "POST", f"/webhooks/{made['id']}/test", admin)).json()["data"]
    assert (tried["ok"], tried["status"]) == (False, None)
    assert tried["message"].startswith("No answer: ")
    log = (await world.get("/audit?action=webhook.test", admin)).json()["data"]
    assert [row["after"] for row in log] == [{"ok": False, "status": None}]


async def test_messages_are_listed_with_how_they_fared(world: Any, admin: dict[str, str]) -> None:
    made = (await send(world, "POST", "/webhooks", admin, {**WISH, "events": ["*"]})).json()["data"]
    await Dispatcher(webhooks=world.storage.webhooks, audit=world.storage.audit, clock=world.clock).dispatch()
    [row] = (await world.get(f"/webhooks/{made['id']}/deliveries", admin)).json()["data"]
    assert (row["event"], row["state"], row["attempts"], row["status"]) == ("webhook.create", "waiting", 0, None)
    [stored] = await world.storage.webhooks.list_deliveries(made["id"], limit=10)
    assert (row["id"], json.loads(stored.body)["type"]) == (stored.id, "webhook.create")
    for limit in ("0", "1001", "x"):
        assert (await world.get(f"/webhooks/{made['id']}/deliveries?limit={limit}", admin)).status_code == 400
