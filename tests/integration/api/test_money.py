"""/budgets and /credits: what may be spent, what was given, and who may say so."""

from datetime import timedelta
from typing import Any

import pytest

from anyrouter.core.audit import OPERATOR
from anyrouter.core.money import NANO
from anyrouter.core.tenancy import DEFAULT_ORGANISATION_ID, CreditMode

WISH = {"owner": "environment", "owner_id": "live", "limit": 12.5, "period": "daily", "models": ["openai/*"], "name": "Daily"}


@pytest.fixture
async def admin(world: Any) -> dict[str, str]:
    return (await world.make_key(scopes=["admin:billing", "usage:read"]))[1]


async def send(world: Any, method: str, path: str, headers: dict[str, str], body: Any = None) -> Any:
    return await world.client.request(method, f"/api/v1{path}", headers=headers, json=body)


async def test_a_budget_is_made_shown_changed_and_deleted(world: Any, admin: dict[str, str]) -> None:
    made = await send(world, "POST", "/budgets", admin, WISH)
    assert made.status_code == 201, made.text
    data = made.json()["data"]
    assert (data["owner"], data["owner_id"]) == ("environment", world.environments["live"].id)
    assert (data["limit"], data["period"], data["models"], data["name"]) == (12.5, "daily", ["openai/*"], "Daily")
    shown = await world.get(f"/budgets/{data['id']}", admin)
    assert (shown.json(), shown.headers["etag"]) == (made.json(), '"1"')
    assert (await world.get("/budgets", admin)).json() == {"data": [data], "next_cursor": None}
    changed = await send(world, "PATCH", f"/budgets/{data['id']}", {**admin, "If-Match": '"1"'}, {"limit": "0.000000001", "models": None})
    assert (changed.status_code, changed.headers["etag"]) == (200, '"2"')
    assert (changed.json()["data"]["limit"], changed.json()["data"]["models"]) == (1e-9, None)
    stale = await send(world, "PATCH", f"/budgets/{data['id']}", {**admin, "If-Match": '"1"'}, {"limit": 1})
    assert (stale.status_code, stale.json()["error"]["code"]) == (412, "etag_mismatch")
    assert (await send(world, "DELETE", f"/budgets/{data['id']}", admin)).json() == {"deleted": True}
    for method in ("GET", "PATCH", "DELETE"):
        gone = await send(world, method, f"/budgets/{data['id']}", admin, {} if method == "PATCH" else None)
        assert (gone.status_code, gone.json()["error"]["code"]) == (404, "not_found")


async def test_budgets_come_in_pages(world: Any, admin: dict[str, str]) -> None:
    ids = []
    for number in (1, 2, 3):
        world.clock.now += timedelta(milliseconds=1)  # of one millisecond no order is kept
        ids.append((await send(world, "POST", "/budgets", admin, {"owner": "organisation", "limit": number})).json()["data"]["id"])
    first = (await world.get("/budgets?limit=2", admin)).json()
    rest = (await world.get(f"/budgets?limit=2&cursor={first['next_cursor']}", admin)).json()
    assert [row["id"] for row in (*first["data"], *rest["data"])] == ids
    assert rest["next_cursor"] is None


async def test_a_keys_budget_is_that_of_its_rotation_group(world: Any, admin: dict[str, str]) -> None:
    key, _ = await world.make_key()
    made = await send(world, "POST", "/budgets", admin, {"owner": "key", "owner_id": key.id, "limit": 1})
    assert made.json()["data"]["owner_id"] == key.rotation_group


@pytest.mark.parametrize(
    ("change", "status", "code"),
    [
        ({"limit": -1}, 400, "invalid_parameter"),
        ({"limit": "NaN"}, 400, "invalid_parameter"),
        ({"limit": 1e300}, 400, "invalid_parameter"),
        ({"limit": "0.0000000001"}, 400, "invalid_parameter"),
        ({"limit": None}, 400, "invalid_parameter"),
        ({"limit": True}, 400, "invalid_parameter"),
        ({"period": "hourly"}, 400, "invalid_parameter"),
        ({"models": []}, 400, "invalid_parameter"),
        ({"models": ["*"]}, 400, "invalid_parameter"),
        ({"owner": "member"}, 400, "invalid_parameter"),
        ({"owner": "organisation"}, 400, "invalid_parameter"),  # it names an environment too
        ({"owner_id": None}, 400, "missing_parameter"),
        ({"owner_id": "nowhere"}, 404, "not_found"),
        ({"owner": "key", "owner_id": "key_" + "0" * 32}, 404, "not_found"),
        ({"name": "a\u202eb"}, 400, "invalid_parameter"),
        ({"spend": 0}, 400, "invalid_parameter"),
    ],
)
async def test_a_budget_that_makes_no_sense_is_refused(
    world: Any, admin: dict[str, str], change: dict[str, Any], status: int, code: str
) -> None:
    refused = await send(world, "POST", "/budgets", admin, WISH | change)
    assert (refused.status_code, refused.json()["error"]["code"]) == (status, code)
    assert (await world.get("/budgets", admin)).json()["data"] == []


async def test_a_key_sees_the_budgets_of_its_own_environment_and_of_the_organisation(world: Any, admin: dict[str, str]) -> None:
    _, elsewhere = await world.make_key(environment="test", scopes=["admin:billing"])
    other, _ = await world.make_key(environment="test")
    own = (await send(world, "POST", "/budgets", admin, WISH)).json()["data"]["id"]
    shared = (await send(world, "POST", "/budgets", admin, {"owner": "organisation", "limit": 5})).json()["data"]["id"]
    assert [row["id"] for row in (await world.get("/budgets", elsewhere)).json()["data"]] == [shared]
    hidden = await world.get(f"/budgets/{own}", elsewhere)
    assert (hidden.status_code, hidden.content) == (404, (await world.get("/budgets/bud_random", elsewhere)).content)
    for body in (WISH | {"owner_id": "test"}, WISH | {"owner": "key", "owner_id": other.id}):
        assert (await send(world, "POST", "/budgets", admin, body)).status_code == 404


async def test_no_key_grants_credits(world: Any) -> None:
    _, admin = await world.make_key(scopes=["admin:*"])
    refused = await send(world, "POST", "/credits/grants", admin, {"amount": 100})
    assert (refused.status_code, refused.json()["error"]["code"]) == (403, "insufficient_scope")
    assert "anyrouter credits grant" in refused.json()["error"]["message"]
    assert (await world.get("/credits/transactions", admin)).json()["data"] == []


async def test_transactions_are_listed_the_newest_first(world: Any, admin: dict[str, str]) -> None:
    for number in (1, 2, 3):
        world.clock.now += timedelta(milliseconds=1)
        await world.services.credits.grant(OPERATOR, DEFAULT_ORGANISATION_ID, number * NANO, note=f"n{number}")
    first = (await world.get("/credits/transactions?limit=2", admin)).json()
    rest = (await world.get(f"/credits/transactions?limit=2&cursor={first['next_cursor']}", admin)).json()
    assert [row["amount"] for row in (*first["data"], *rest["data"])] == [3.0, 2.0, 1.0]
    assert first["data"][0] | {"id": "", "created_at": ""} == {
        "id": "",
        "kind": "grant",
        "amount": 3.0,
        "created_at": "",
        "note": "n3",
        "actor": "operator",
    }


async def test_an_admin_key_sees_the_organisations_balance_and_another_its_own_use(world: Any, admin: dict[str, str]) -> None:
    key, headers = await world.make_key()
    await world.services.credits.grant(OPERATOR, DEFAULT_ORGANISATION_ID, 10 * NANO)
    await world.record(world.make_entry(key, cost_nanousd=3 * NANO))
    whole = (await world.get("/credits", admin)).json()
    assert (whole["balance"], whole["total_credits"], whole["total_usage"], whole["enforced"]) == (7.0, 10.0, 3.0, False)
    own = (await world.get("/credits", headers)).json()
    assert (own["balance"], own["total_credits"], own["total_usage"]) == (-3.0, 0.0, 3.0)
    await world.services.credits.configure(OPERATOR, DEFAULT_ORGANISATION_ID, mode=CreditMode.PREPAID)
    (organisation,) = await world.storage.organisations.list_organisations()
    assert organisation.credit_mode is CreditMode.PREPAID
