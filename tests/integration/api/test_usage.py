"""Generations and activity: what a key may see of the ledger, and in which form."""

import csv
import io
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any
from urllib.parse import quote

from anyrouter.core.ledger import AttemptRecord, EntryState
from anyrouter.core.usage import Usage, UsageSource

GENERATION_FIELDS = [
    "api_type",
    "app_id",
    "cache_discount",
    "cancelled",
    "created_at",
    "data_region",
    "external_user",
    "finish_reason",
    "generation_time",
    "http_referer",
    "id",
    "is_byok",
    "latency",
    "model",
    "moderation_latency",
    "native_finish_reason",
    "native_tokens_cached",
    "native_tokens_completion",
    "native_tokens_completion_images",
    "native_tokens_prompt",
    "native_tokens_reasoning",
    "num_fetches",
    "num_input_audio_prompt",
    "num_media_completion",
    "num_media_prompt",
    "num_search_results",
    "origin",
    "preset_id",
    "provider_name",
    "provider_responses",
    "router",
    "service_tier",
    "streamed",
    "tokens_completion",
    "tokens_prompt",
    "total_cost",
    "upstream_id",
    "upstream_inference_cost",
    "usage",
    "user_agent",
    "web_search_engine",
    "workspace_id",
    "environment",
    "api_key_name",
    "time_to_first_token",
    "routing_fee",
    "trace_id",
    "attempts",
]
ACTIVITY_FIELDS = [
    "byok_usage_inference",
    "cached_tokens",
    "completion_tokens",
    "date",
    "endpoint_id",
    "model",
    "model_permaslug",
    "prompt_tokens",
    "provider_name",
    "reasoning_tokens",
    "requests",
    "usage",
    "environment",
    "api_key_id",
    "errors",
]


async def test_a_generation_says_what_happened_and_what_it_cost(world: Any) -> None:
    key, headers = await world.make_key(name="backend")
    entry = world.make_entry(
        key,
        upstream_id="chatcmpl-1",
        created_at_ms=1_795_521_600_123,
        is_streamed=True,
        finish_reason="stop",
        native_finish_reason="end_turn",
        latency_ms=900,
        ttft_ms=200,
        generation_ms=650,
        overhead_us=410,
        trace_id="trace-1",
        http_referer="https://app.example",
        user_agent="openai-python",
        attempts=(
            AttemptRecord(upstream="openai", provider="openai", model="openai/gpt-4o", status=0, latency_ms=100, error="upstream_timeout"),
            AttemptRecord(upstream="backup", provider="openai", model="openai/gpt-4o", status=200, latency_ms=700),
        ),
    )
    await world.record(entry)
    for path in (f"/generation/{entry.generation_id}", f"/generation?id={entry.generation_id}", "/generation?id=chatcmpl-1"):
        reply = await world.get(path, headers)
        assert reply.status_code == 200, reply.text
        data = reply.json()["data"]
        assert not set(GENERATION_FIELDS) - set(data)
        assert (data["id"], data["upstream_id"], data["api_key_name"]) == (entry.generation_id, "chatcmpl-1", "backend")
        assert (data["model"], data["provider_name"], data["environment"]) == ("openai/gpt-4o", "OpenAI", "live")
        assert (data["tokens_prompt"], data["tokens_completion"], data["native_tokens_cached"]) == (100, 20, 40)
        assert (data["total_cost"], data["usage"], data["upstream_inference_cost"]) == (0.001234567, 0.001234567, 0)
        assert (data["latency"], data["time_to_first_token"], data["generation_time"], data["overhead"]) == (900, 200, 650, 0.41)
        assert (data["streamed"], data["cancelled"], data["created_at"]) == (True, False, "2026-11-24T12:00:00.123Z")
        assert [(attempt["upstream"], attempt["status"], attempt["error"]) for attempt in data["attempts"]] == [
            ("openai", None, "upstream_timeout"),
            ("backup", 200, None),
        ]
        assert [response["status"] for response in data["provider_responses"]] == [None, 200]


async def test_a_cancelled_sandbox_generation_with_an_estimate_is_marked(world: Any) -> None:
    key, headers = await world.make_key(environment="test")
    entry = world.make_entry(
        key,
        state=EntryState.CANCELLED,
        status=499,
        provider="sandbox",
        endpoint="embeddings",
        usage=Usage(input_tokens=5, source=UsageSource.ESTIMATED),
        cost_nanousd=0,
        shadow_cost_nanousd=7_000,
    )
    world.pending[entry.generation_id] = entry
    data = (await world.get(f"/generation/{entry.generation_id}", headers)).json()["data"]
    assert (data["cancelled"], data["state"], data["status"], data["usage_source"]) == (True, "cancelled", 499, "estimated")
    assert (data["total_cost"], data["shadow_cost"], data["api_type"], data["provider_name"]) == (0, 0.000007, "embeddings", "Sandbox")


async def test_what_a_key_may_not_see_is_byte_for_byte_what_never_was(world: Any) -> None:
    own, headers = await world.make_key()
    other, other_headers = await world.make_key()
    test, _ = await world.make_key(environment="test")
    foreign = [
        world.make_entry(other),
        world.make_entry(test),
        world.make_entry(own, organisation_id="org_other"),
        world.make_entry(replace(own, environment_id="env_other")),
        world.make_entry(other, upstream_id="chatcmpl-foreign"),
    ]
    await world.record(foreign[0], foreign[1])
    for entry in foreign[2:]:
        world.pending[entry.generation_id] = entry
    world.pending["chatcmpl-foreign"] = foreign[4]
    never = await world.get("/generation/gen-0192f0c4a7e8b1d2c3e4f5a60718", headers)
    assert never.status_code == 404
    for generation_id in [*(entry.generation_id for entry in foreign), "chatcmpl-foreign", "x' OR 1=1--", "*", "%", "x" * 5000]:
        for path in (f"/generation/{quote(generation_id, safe='')}", f"/generation?id={quote(generation_id, safe='')}"):
            reply = await world.get(path, headers)
            assert (reply.status_code, reply.content) == (404, never.content)
            assert sorted(reply.headers) == sorted(never.headers)
    assert (await world.get(f"/generation/{foreign[0].generation_id}", other_headers)).status_code == 200


async def test_strange_ids_are_not_there_and_break_nothing(world: Any) -> None:
    _, headers = await world.make_key()
    for text in ("%00", "%0a", "%ff", "%E2%80%AE", "..%2f..%2fetc", "%20"):
        assert (await world.get(f"/generation?id={text}", headers)).status_code == 404
        assert (await world.get(f"/generation/{text}", headers)).status_code == 404


async def test_an_id_must_be_named(world: Any) -> None:
    _, headers = await world.make_key()
    reply = await world.get("/generation", headers)
    assert (reply.status_code, reply.json()["error"]["code"], reply.json()["error"]["param"]) == (400, "missing_parameter", "id")


async def test_a_successor_of_a_rotation_sees_its_groups_generations_with_the_keys_name(world: Any) -> None:
    old, _ = await world.make_key(name="old")
    new, headers = await world.make_key(name="new")
    entry = world.make_entry(old)
    await world.record(entry)
    assert (await world.get(f"/generation/{entry.generation_id}", headers)).status_code == 404
    world.pending[entry.generation_id] = world.make_entry(
        replace(old, rotation_group=new.rotation_group), generation_id=entry.generation_id
    )
    data = (await world.get(f"/generation/{entry.generation_id}", headers)).json()["data"]
    assert (data["api_key_id"], data["api_key_name"]) == (old.id, "old")


async def make_traffic(world: Any) -> tuple[Any, dict[str, str], Any, dict[str, str]]:
    """Two keys' traffic of today and yesterday."""
    one, one_headers = await world.make_key()
    two, two_headers = await world.make_key()
    now_ms = int(world.clock().timestamp() * 1000)
    day_ms = 86_400_000
    await world.record(
        world.make_entry(one, created_at_ms=now_ms),
        world.make_entry(one, created_at_ms=now_ms, model="openai/gpt-4o-mini", upstream_cost_nanousd=500_000_000),
        world.make_entry(one, created_at_ms=now_ms - day_ms, state=EntryState.FAILED, status=502),
        world.make_entry(one, created_at_ms=now_ms - 60 * day_ms),
        world.make_entry(two, created_at_ms=now_ms, model="=cmd|'/c calc'!A0"),
    )
    return one, one_headers, two, two_headers


async def test_activity_sums_ones_own_traffic_by_day_model_and_provider(world: Any) -> None:
    _, headers, _, _ = await make_traffic(world)
    rows = (await world.get("/activity", headers)).json()["data"]
    today = world.clock().date()
    assert [(row["date"], row["model"]) for row in rows] == [
        (today.isoformat(), "openai/gpt-4o"),
        (today.isoformat(), "openai/gpt-4o-mini"),
        ((today - timedelta(days=1)).isoformat(), "openai/gpt-4o"),
    ]
    for row in rows:
        assert not set(ACTIVITY_FIELDS) - set(row)
    assert (rows[0]["requests"], rows[0]["prompt_tokens"], rows[0]["usage"], rows[0]["errors"]) == (1, 100, 0.001234567, 0)
    assert (rows[1]["byok_usage_inference"], rows[2]["errors"]) == (0.5, 1)
    assert (rows[0]["provider_name"], rows[0]["environment"], rows[0]["api_key_id"]) == ("OpenAI", None, None)


async def test_activity_can_be_grouped_and_bounded(world: Any) -> None:
    one, headers, _, _ = await make_traffic(world)
    today = world.clock().date()
    by_key = (await world.get("/activity?group_by=key,environment", headers)).json()["data"]
    assert [(row["api_key_id"], row["environment"], row["requests"], row["date"]) for row in by_key] == [(one.id, "live", 3, None)]
    day = (await world.get(f"/activity?date={today - timedelta(days=1)}&group_by=date", headers)).json()["data"]
    assert [row["requests"] for row in day] == [1]
    longer = (await world.get(f"/activity?from={today - timedelta(days=90)}&to={today}&group_by=date", headers)).json()["data"]
    assert sum(row["requests"] for row in longer) == 4


async def test_an_admin_key_sees_its_organisations_activity(world: Any) -> None:
    one, _, two, _ = await make_traffic(world)
    _, admin = await world.make_key(scopes=["usage:read", "admin:*"])
    rows = (await world.get("/activity?group_by=key", admin)).json()["data"]
    assert {row["api_key_id"] for row in rows} == {one.id, two.id}


async def test_activity_as_csv_opens_in_a_spreadsheet_without_running(world: Any) -> None:
    _, _, _, headers = await make_traffic(world)
    reply = await world.get("/activity?format=csv", headers)
    assert reply.headers["content-type"] == "text/csv; charset=utf-8"
    assert "attachment" in reply.headers["content-disposition"]
    (row,) = csv.DictReader(io.StringIO(reply.text, newline=""))
    assert not set(ACTIVITY_FIELDS) - set(row)
    assert (row["model"], row["usage"], row["requests"]) == ("'=cmd|'/c calc'!A0", "0.001234567", "1")


UNREADABLE = [
    ("from=2026-02-30", "from"),
    ("from=yesterday", "from"),
    ("to=1700000000", "to"),
    ("from=2026-11-02&to=2026-11-01", "from"),
    ("from=2020-01-01&to=2026-11-01", "from"),
    ("date=2026-11-01&from=2026-11-01", "date"),
    ("date=x", "to"),
    ("group_by=minute", "group_by"),
    ("group_by=trace", "group_by"),
    ("group_by=hour&from=2026-01-01&to=2026-03-01", "from"),
    ("key=*", "key"),
    ("key=key_1", "key"),
    ("group_by=*", "group_by"),
    ("group_by=date;drop%20table%20ledger", "group_by"),
    ("format=xml", "format"),
    ("key_id=*", "key_id"),
    ("org_id[]=1", "org_id[]"),
    ("organisation_id=org_other", "organisation_id"),
    ("api_key_id=key_1", "api_key_id"),
]


async def test_an_activity_filter_that_is_not_understood_is_400_naming_it(world: Any) -> None:
    _, headers = await world.make_key()
    for query, param in UNREADABLE:
        reply = await world.get(f"/activity?{query}", headers)
        assert (reply.status_code, reply.json()["error"]["code"], reply.json()["error"]["param"]) == (400, "invalid_parameter", param), (
            query
        )


async def test_days_are_utc(world: Any) -> None:
    key, headers = await world.make_key()
    world.clock.now = datetime(2027, 1, 1, 0, 30, tzinfo=UTC)
    await world.record(world.make_entry(key, created_at_ms=int(datetime(2026, 12, 31, 23, 59, tzinfo=UTC).timestamp() * 1000)))
    (row,) = (await world.get("/activity", headers)).json()["data"]
    assert row["date"] == "2026-12-31"
    assert (await world.get("/activity?date=2027-01-01", headers)).json()["data"] == []


async def test_a_filter_leads_to_nobody_elses_usage(world: Any) -> None:
    mine, headers = await world.make_key()
    other, _ = await world.make_key(environment="test")
    await world.record(world.make_entry(mine), world.make_entry(other))
    for query in ("environment=test", f"key={other.id}", f"environment=test&key={other.id}"):
        assert (await world.get(f"/activity?{query}", headers)).json()["data"] == []
    for query in ("environment=live", f"key={mine.id}", "provider=openai&model=openai/gpt-4o"):
        (row,) = (await world.get(f"/activity?{query}&group_by=key", headers)).json()["data"]
        assert (row["api_key_id"], row["requests"]) == (mine.id, 1)
