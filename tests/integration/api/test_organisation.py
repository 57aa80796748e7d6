"""/environments and /org: what an administrator's key sees and changes of its organisation, and how soon it holds."""

from typing import Any

import pytest

from anyrouter.core.apikey import KeyKind
from anyrouter.core.audit import OPERATOR
from anyrouter.core.tenancy import DEFAULT_ORGANISATION_ID, Role
from anyrouter.policy.rights import OPERATOR_RIGHTS

WHO: Any = (OPERATOR, OPERATOR_RIGHTS, DEFAULT_ORGANISATION_ID)


@pytest.fixture
async def admin(world: Any) -> dict[str, str]:
    return (await world.make_key(scopes=["admin:*"]))[1]


async def send(world: Any, method: str, path: str, headers: dict[str, str], body: Any = None) -> Any:
    return await world.client.request(method, f"/api/v1{path}", headers=headers, json=body)


async def test_an_environment_is_made_shown_changed_and_deleted(world: Any, admin: dict[str, str]) -> None:
    made = await send(world, "POST", "/environments", admin, {"slug": "staging", "kind": "live", "concurrency": 5})
    assert (made.status_code, made.headers["etag"]) == (201, '"1"')
    data = made.json()["data"]
    assert (data["slug"], data["name"], data["kind"], data["concurrency"], data["is_active"]) == ("staging", "Staging", "live", 5, True)
    assert (await world.get("/environments/staging", admin)).json() == made.json()
    listed = (await world.get("/environments", admin)).json()
    assert [row["slug"] for row in listed["data"]] == ["live", "staging", "test"]
    first = (await world.get("/environments?limit=2", admin)).json()
    rest = (await world.get(f"/environments?limit=2&cursor={first['next_cursor']}", admin)).json()
    assert ([row["slug"] for row in rest["data"]], rest["next_cursor"]) == (["test"], None)
    change = {"name": "Stage", "rate_limit_rpm": 7, "concurrency": None, "budget_policy": "strict"}
    changed = await send(world, "PATCH", "/environments/staging", {**admin, "If-Match": '"1"'}, change)
    assert (changed.status_code, changed.headers["etag"]) == (200, '"2"')
    assert changed.json()["data"].items() >= change.items()
    stale = await send(world, "PATCH", "/environments/staging", {**admin, "If-Match": '"1"'}, {"name": "x"})
    assert (stale.status_code, stale.json()["error"]["code"]) == (412, "etag_mismatch")
    assert (await send(world, "DELETE", "/environments/staging", admin)).json() == {"deleted": True}
    gone = await world.get("/environments/staging", admin)
    assert (gone.status_code, gone.content) == (404, (await world.get("/environments/nowhere", admin)).content)
    taken = await send(world, "POST", "/environments", admin, {"slug": "staging", "kind": "sandbox"})
    assert (taken.status_code, taken.json()["error"]["code"]) == (409, "duplicate_name")


@pytest.mark.parametrize("end", ["delete", "deactivate"])
async def test_keys_of_an_environment_end_with_it(world: Any, admin: dict[str, str], end: str) -> None:
    await send(world, "POST", "/environments", admin, {"slug": "staging", "kind": "live"})
    _, key = await world.make_key(environment="staging")
    await world.refresh()
    assert (await world.get("/key", key)).status_code == 200
    if end == "delete":
        await send(world, "DELETE", "/environments/staging", admin)
    else:
        await send(world, "PATCH", "/environments/staging", admin, {"is_active": False})
    await world.refresh()
    refused = await world.get("/key", key)
    assert (refused.status_code, refused.json()["error"]["code"]) == (401, "disabled_api_key")
    if end == "deactivate":
        await send(world, "PATCH", "/environments/staging", admin, {"is_active": True})
        await world.refresh()
        assert (await world.get("/key", key)).status_code == 200


@pytest.mark.parametrize(
    ("body", "status", "code"),
    [
        ({"slug": "x", "kind": "live"}, 400, "invalid_parameter"),
        ({"slug": "../live", "kind": "live"}, 400, "invalid_parameter"),
        ({"slug": "ci", "kind": "production"}, 400, "invalid_parameter"),
        ({"slug": "ci"}, 400, "missing_parameter"),
        ({"slug": "ci", "kind": "live", "id": "env_1"}, 400, "invalid_parameter"),
        ({"slug": "ci", "kind": "live", "organisation_id": "org_2"}, 400, "invalid_parameter"),
        ({"slug": "ci", "kind": "live", "is_managed": True}, 400, "invalid_parameter"),
        ({"slug": "ci", "kind": "live", "rate_limit_rpm": -1}, 400, "invalid_parameter"),
        ({"slug": "ci", "kind": "live", "rate_limit_rpm": 1e308}, 400, "invalid_parameter"),
        ({"slug": "live", "kind": "live"}, 409, "duplicate_name"),
    ],
)
async def test_an_environment_that_makes_no_sense_is_refused(
    world: Any, admin: dict[str, str], body: dict[str, Any], status: int, code: str
) -> None:
    refused = await send(world, "POST", "/environments", admin, body)
    assert (refused.status_code, refused.json()["error"]["code"]) == (status, code)


async def test_what_an_environment_is_made_of_does_not_change(world: Any, admin: dict[str, str]) -> None:
    for change in ({"slug": "x2"}, {"kind": "sandbox"}, {"deleted_at": None}):
        refused = await send(world, "PATCH", "/environments/live", admin, change)
        assert (refused.status_code, refused.json()["error"]["code"]) == (400, "invalid_parameter")
    refused = await send(world, "DELETE", "/environments/test", admin)
    assert (refused.status_code, refused.json()["error"]["code"]) == (422, "unprocessable")
    own = await send(world, "PATCH", "/environments/live", admin, {"is_active": False})
    assert (own.status_code, own.json()["error"]["code"]) == (422, "unprocessable")


async def test_the_organisation_is_shown_and_changed(world: Any, admin: dict[str, str]) -> None:
    shown = await world.get("/org", admin)
    assert (shown.status_code, shown.json()["data"]["id"]) == (200, DEFAULT_ORGANISATION_ID)
    match = {**admin, "If-Match": shown.headers["etag"]}
    changed = await send(world, "PATCH", "/org", match, {"name": "Acme", "max_key_lifetime_s": 3600})
    assert changed.json()["data"] == shown.json()["data"] | {"name": "Acme", "max_key_lifetime_s": 3600}
    assert (await send(world, "PATCH", "/org", match, {"name": "x"})).status_code == 412
    for change in ({"is_active": False}, {"credit_mode": "metered"}, {"id": "org_2"}, {"max_key_lifetime_s": 1}):
        assert (await send(world, "PATCH", "/org", admin, change)).status_code == 400
    _, keys = await world.make_key(scopes=["admin:keys"])
    refused = await send(world, "POST", "/keys", keys, {"name": "long", "expires_at": "30d"})
    assert refused.status_code in {400, 403}


async def test_members_are_invited_listed_changed_and_removed(world: Any, admin: dict[str, str]) -> None:
    owner = await world.services.members.add(*WHO, email="owner@example.org", role=Role.OWNER)
    made = await send(world, "POST", "/org/invitations", admin, {"email": "Bob@example.org", "role": "developer"})
    assert made.status_code == 201
    token, invitation = made.json()["token"], made.json()["data"]
    listed = await world.get("/org/invitations", admin)
    assert listed.json() == {"data": [invitation], "next_cursor": None}
    assert token not in listed.text
    bob = await world.services.members.accept(token, email="bob@example.org")
    assert (await world.get("/org/invitations", admin)).json()["data"] == []
    ids = [row["id"] for row in (await world.get("/org/members", admin)).json()["data"]]
    assert ids == sorted([owner.id, bob.id])  # of one moment
    first = (await world.get("/org/members?limit=1", admin)).json()
    assert (await world.get(f"/org/members?cursor={first['next_cursor']}", admin)).json()["data"][0]["id"] == ids[1]
    changed = await send(world, "PATCH", f"/org/members/{bob.id}", {**admin, "If-Match": '"1"'}, {"role": "viewer"})
    assert (changed.json()["data"]["role"], changed.headers["etag"]) == ("viewer", '"2"')
    assert (await send(world, "PATCH", f"/org/members/{bob.id}", {**admin, "If-Match": '"1"'}, {"role": "admin"})).status_code == 412
    assert (await send(world, "DELETE", f"/org/members/{bob.id}", admin)).json() == {"deleted": True}
    gone = await send(world, "DELETE", f"/org/members/{bob.id}", admin)
    assert (gone.status_code, gone.content) == (404, (await send(world, "DELETE", "/org/members/mem_none", admin)).content)


async def test_a_service_key_does_not_touch_owners(world: Any, admin: dict[str, str]) -> None:
    owner = await world.services.members.add(*WHO, email="owner@example.org", role=Role.OWNER)
    await world.services.members.add(*WHO, email="second@example.org", role=Role.OWNER)
    for method, path, body in (
        ("PATCH", f"/org/members/{owner.id}", {"role": "viewer"}),
        ("DELETE", f"/org/members/{owner.id}", None),
        ("POST", "/org/invitations", {"email": "x@example.org", "role": "owner"}),
    ):
        refused = await send(world, method, path, admin, body)
        assert (refused.status_code, refused.json()["error"]["code"]) == (403, "exceeds_rights")


async def test_an_invitation_is_made_once_and_its_token_shown_once(world: Any, admin: dict[str, str]) -> None:
    headers = {**admin, "Idempotency-Key": "MARKER-once"}
    body = {"email": "bob@example.org", "role": "viewer"}
    made = await send(world, "POST", "/org/invitations", headers, body)
    again = await send(world, "POST", "/org/invitations", headers, body)
    assert (again.status_code, again.headers["idempotency-replayed"], again.json()["token"]) == (201, "true", None)
    assert again.json()["data"] == made.json()["data"]
    for wrong in (
        {"email": "no address", "role": "viewer"},
        {"email": "a@b", "role": "root"},
        {"email": "a@b", "role": "viewer", "id": "x"},
    ):
        assert (await send(world, "POST", "/org/invitations", admin, wrong)).status_code == 400
    revoke = f"/org/invitations/{made.json()['data']['id']}"
    assert (await send(world, "DELETE", revoke, admin)).json() == {"deleted": True}
    gone = await send(world, "DELETE", revoke, admin)
    assert (gone.status_code, gone.content) == (404, (await send(world, "DELETE", "/org/invitations/ivt_none", admin)).content)


async def test_a_personal_key_does_what_the_role_allows_now_and_ends_with_the_membership(world: Any) -> None:
    await world.services.members.add(*WHO, email="owner@example.org", role=Role.OWNER)
    member = await world.services.members.add(*WHO, email="bob@example.org", role=Role.ADMIN)
    _, key = await world.make_key(kind=KeyKind.PERSONAL, member_id=member.id, scopes=["admin:org", "models:read"])
    await world.refresh()
    assert (await world.get("/org", key)).status_code == 200
    await world.services.members.change(*WHO, member.id, {"role": Role.VIEWER})
    await world.refresh()
    refused = await world.get("/org", key)
    assert (refused.status_code, refused.json()["error"]["code"]) == (403, "insufficient_scope")
    assert (await world.get("/models/count", key)).status_code == 200
    await world.services.members.remove(*WHO, member.id)
    await world.refresh()
    assert (await world.get("/models/count", key)).status_code == 401


async def test_a_personal_key_gives_no_more_than_the_role_allows_now(world: Any) -> None:
    await world.services.members.add(*WHO, email="owner@example.org", role=Role.OWNER)
    member = await world.services.members.add(*WHO, email="bob@example.org", role=Role.OWNER)
    scopes = ["admin:*", "models:read"]
    _, key = await world.make_key(kind=KeyKind.PERSONAL, member_id=member.id, scopes=scopes, environment="test")
    await world.services.members.change(*WHO, member.id, {"role": Role.DEVELOPER})
    await world.refresh()
    for wider in (["admin:*"], ["admin:org"], ["admin:billing"], ["models:read", "admin:org"]):
        refused = await send(world, "POST", "/keys", key, {"name": "wider", "scopes": wider})
        assert (refused.status_code, refused.json()["error"]["code"]) == (403, "insufficient_scope"), wider
    for within in (["admin:keys"], ["admin:byok"], ["completions:write"]):
        made = await send(world, "POST", "/keys", key, {"name": within[0], "scopes": within})
        assert made.status_code == 201, made.text


async def test_the_token_of_an_invitation_is_no_key(world: Any, admin: dict[str, str]) -> None:
    token = (await send(world, "POST", "/org/invitations", admin, {"email": "bob@example.org", "role": "owner"})).json().get("token")
    assert token is None  # only an owner invites owners
    token = (await send(world, "POST", "/org/invitations", admin, {"email": "bob@example.org", "role": "admin"})).json()["token"]
    refused = await world.get("/key", {"Authorization": f"Bearer {token}"})
    assert (refused.status_code, refused.json()["error"]["code"]) == (401, "malformed_api_key")
