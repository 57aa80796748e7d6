"""GET /keys/{id}/usage: the traffic of a key's generations, seen by who may manage the key."""

import csv
import io
from typing import Any

import pytest


@pytest.fixture
async def admin(world: Any) -> dict[str, str]:
    return (await world.make_key(scopes=["admin:keys"]))[1]


async def test_the_traffic_moves_from_the_old_key_to_the_new_one(world: Any, admin: dict[str, str]) -> None:
    old, _ = await world.make_key(name="backend")
    rotated = await world.client.post(f"/api/v1/keys/{old.id}/rotate", headers=admin, json={"grace_seconds": 3600})
    assert rotated.status_code == 201, rotated.text
    new_id = rotated.json()["data"]["id"]
    (new,) = await world.storage.keys.find_by_ids([new_id])
    await world.record(world.make_entry(old), world.make_entry(new), world.make_entry(new))
    for key_id in (old.id, new_id):
        reply = (await world.get(f"/keys/{key_id}/usage", admin)).json()
        assert {row["api_key_id"]: row["requests"] for row in reply["data"]} == {old.id: 1, new_id: 2}
        generations = {row["id"]: (row["state"], row["requests"]) for row in reply["generations"]}
        assert generations == {old.id: ("in_grace", 1), new_id: ("active", 2)}
    by_hour = (await world.get(f"/keys/{old.id}/usage?group_by=hour,model", admin)).json()["data"]
    assert sum(row["requests"] for row in by_hour) == 3
    assert all(row["hour"].endswith(":00:00.000Z") for row in by_hour)


async def test_another_keys_traffic_is_not_in_it(world: Any, admin: dict[str, str]) -> None:
    mine, _ = await world.make_key()
    other, _ = await world.make_key()
    await world.record(world.make_entry(other))
    reply = (await world.get(f"/keys/{mine.id}/usage", admin)).json()
    assert (reply["data"], [row["id"] for row in reply["generations"]]) == ([], [mine.id])


async def test_it_can_be_opened_in_a_spreadsheet(world: Any, admin: dict[str, str]) -> None:
    key, _ = await world.make_key()
    await world.record(world.make_entry(key, app_title="=1+1"))
    reply = await world.get(f"/keys/{key.id}/usage?format=csv&group_by=app", admin)
    (row,) = csv.DictReader(io.StringIO(reply.text, newline=""))
    assert (row["app"], row["requests"]) == ("'=1+1", "1")


async def test_a_key_of_another_environment_is_not_there(world: Any, admin: dict[str, str]) -> None:
    elsewhere, _ = await world.make_key(environment="test")
    hidden, nothing = await world.get(f"/keys/{elsewhere.id}/usage", admin), await world.get(f"/keys/key_{'0' * 32}/usage", admin)
    assert (hidden.status_code, hidden.content) == (404, nothing.content)


async def test_a_filter_that_is_not_understood_is_refused(world: Any, admin: dict[str, str]) -> None:
    key, _ = await world.make_key()
    for query in ("group_by=day", "from=yesterday", "format=xml", "group_by=hour&from=2020-01-01&to=2020-06-01"):
        reply = await world.get(f"/keys/{key.id}/usage?{query}", admin)
        assert (reply.status_code, reply.json()["error"]["code"]) == (400, "invalid_parameter"), query
