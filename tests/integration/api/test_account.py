"""What a key may know of itself and of the organisation's money."""

from datetime import UTC, datetime, timedelta
from typing import Any

KEY_FIELDS = [
    "allowed_data_regions",
    "budgets",
    "byok_usage",
    "byok_usage_daily",
    "byok_usage_monthly",
    "byok_usage_weekly",
    "creator_user_id",
    "effective_budget",
    "free_model_daily_requests",
    "include_byok_in_limit",
    "is_free_tier",
    "is_management_key",
    "is_provisioning_key",
    "label",
    "limit",
    "limit_remaining",
    "limit_reset",
    "organization_id",
    "rate_limit",
    "usage",
    "usage_daily",
    "usage_monthly",
    "usage_weekly",
    "workspace_id",
    "name",
    "environment",
    "scopes",
    "models",
    "expires_at",
    "created_at",
    "last_used_at",
]


async def test_a_key_sees_what_it_is_and_nothing_of_its_secret(world: Any) -> None:
    expires_at = datetime(2030, 1, 31, 12, tzinfo=UTC)
    key, headers = await world.make_key(
        name="backend", scopes=["usage:read", "models:read"], models=["openai/*"], rate_limit_rpm=60, expires_at=expires_at
    )
    reply = await world.get("/key", headers)
    data = reply.json()["data"]
    assert not set(KEY_FIELDS) - set(data)
    assert (data["id"], data["hash"], data["label"], data["name"]) == (key.id, key.id, key.label, "backend")
    assert (data["environment"], data["scopes"], data["models"]) == ("live", ["models:read", "usage:read"], ["openai/*"])
    assert (data["rate_limit"]["requests"], data["rate_limit"]["interval"]) == (60, "1m")
    assert isinstance(data["rate_limit"]["note"], str)
    assert (data["expires_at"], data["last_used_at"]) == ("2030-01-31T12:00:00.000Z", None)
    assert (data["organization_id"], data["workspace_id"]) == ("org_default", "org_default")
    text = headers["Authorization"].removeprefix("Bearer ")
    assert text not in reply.text
    assert key.digest.hex() not in reply.text
    assert (await world.get("/auth/key", headers)).json()["data"] == data


async def test_a_key_without_limits_says_so_and_reports_the_servers_ceiling(world: Any) -> None:
    _, headers = await world.make_key()
    data = (await world.get("/key", headers)).json()["data"]
    assert (data["limit"], data["limit_remaining"], data["limit_reset"], data["models"]) == (None, None, None, None)
    assert data["rate_limit"]["requests"] == 6_000_000
    assert (data["budgets"], data["effective_budget"]) == ([], None)


async def test_an_admin_key_is_a_management_key(world: Any) -> None:
    for scopes, expected in ((["admin:keys"], True), (["usage:read"], False)):
        _, headers = await world.make_key(scopes=scopes)
        data = (await world.get("/key", headers)).json()["data"]
        assert (data["is_management_key"], data["is_provisioning_key"], data["is_free_tier"]) == (expected, expected, False)


async def test_usage_is_that_of_the_rotation_group_by_utc_day_iso_week_and_month(world: Any) -> None:
    key, headers = await world.make_key()
    other, _ = await world.make_key()
    world.clock.now = datetime(2026, 11, 24, 12, tzinfo=UTC)  # a Tuesday

    def entry(day: int, owner: Any, **fields: Any) -> Any:
        moment = datetime(2026, 11, day, 23, 30, tzinfo=UTC)
        return world.make_entry(owner, created_at_ms=int(moment.timestamp() * 1000), cost_nanousd=1_000_000_000, **fields)

    october = int((datetime(2026, 11, 1, tzinfo=UTC) - timedelta(milliseconds=1)).timestamp() * 1000)
    await world.record(
        entry(24, key, upstream_cost_nanousd=250_000_000, is_byok=True),
        entry(23, key),
        entry(22, key),
        world.make_entry(key, created_at_ms=october, cost_nanousd=1_000_000_000),
        entry(24, other),
    )
    data = (await world.get("/key", headers)).json()["data"]
    assert (data["usage"], data["usage_daily"], data["usage_weekly"], data["usage_monthly"]) == (4.0, 1.0, 2.0, 3.0)
    assert (data["byok_usage"], data["byok_usage_daily"]) == (0.25, 0.25)


async def test_credits_are_what_was_prepaid_less_what_the_key_used_and_an_admin_sees_the_organisation(world: Any) -> None:
    one, headers = await world.make_key()
    two, _ = await world.make_key()
    _, admin = await world.make_key(scopes=frozenset({"usage:read", "admin:*"}))
    empty = (await world.get("/credits", headers)).json()
    assert (empty["balance"], empty["total_usage"]) == (0, 0)
    await world.record(world.make_entry(one, cost_nanousd=1_500_000_000), world.make_entry(two, cost_nanousd=1))
    assert (await world.get("/credits", headers)).json() == {
        "balance": -1.5,
        "currency": "usd",
        "total_credits": 0,
        "total_usage": 1.5,
        "enforced": False,
        "data": {"total_credits": 0, "total_usage": 1.5},
    }
    assert (await world.get("/credits", admin)).json()["total_usage"] == 1.500000001
