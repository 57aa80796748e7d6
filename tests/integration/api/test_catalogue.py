"""The catalogue as far as a key reaches it."""

from typing import Any
from urllib.parse import quote

import pytest

# Fields that clients generated from OpenRouter's published API description require.
ROW_FIELDS = [
    "architecture",
    "canonical_slug",
    "context_length",
    "created",
    "default_parameters",
    "id",
    "links",
    "name",
    "per_request_limits",
    "pricing",
    "supported_parameters",
    "supported_voices",
    "top_provider",
]
ENDPOINT_FIELDS = [
    "context_length",
    "latency_last_30m",
    "max_completion_tokens",
    "max_prompt_tokens",
    "model_id",
    "model_name",
    "name",
    "native_tools",
    "pricing",
    "provider_name",
    "quantization",
    "service_tier",
    "supported_parameters",
    "supports_diarization",
    "supports_implicit_caching",
    "supports_tool_choice",
    "tag",
    "throughput_last_30m",
    "uptime_last_1d",
    "uptime_last_30m",
    "uptime_last_5m",
]


async def listed(world: Any, headers: dict[str, str], **filters: Any) -> list[str]:
    reply = await world.get("/models", headers, params=filters)
    assert reply.status_code == 200, reply.text
    count = (await world.get("/models/count", headers, params=filters)).json()
    ids = [row["id"] for row in reply.json()["data"]]
    assert count == {"count": len(ids), "data": {"count": len(ids)}}
    return ids


async def test_a_row_has_all_that_clients_require(world: Any) -> None:
    _, headers = await world.make_key()
    reply = (await world.get("/models", headers)).json()
    assert reply["object"] == "list"
    for row in reply["data"]:
        assert not set(ROW_FIELDS) - set(row), row["id"]
        assert {"input_modalities", "modality", "output_modalities"} <= set(row["architecture"])
        assert {"prompt", "completion", "input_per_1k", "output_per_1k"} <= set(row["pricing"])
        assert "is_moderated" in row["top_provider"]
        assert "details" in row["links"]
        assert isinstance(row["created"], int)
    row = next(row for row in reply["data"] if row["id"] == "openai/gpt-4o")
    assert (row["object"], row["owned_by"], row["provider"], row["category"]) == ("model", "openai", "OpenAI", "text")
    assert (row["pricing"]["prompt"], row["pricing"]["input_per_1k"]) == ("0.0000025", 0.0025)


async def test_a_live_key_reaches_what_live_upstreams_serve_and_a_test_key_the_sandbox(world: Any) -> None:
    _, live = await world.make_key()
    _, test = await world.make_key(environment="test")
    seen = await listed(world, live)
    assert {model.split("/")[0] for model in seen} == {"openai", "anthropic", "own"}
    assert "own/llama" in seen
    simulated = await listed(world, test)
    assert {"sandbox/echo", "openai/gpt-4o"} <= set(simulated)
    assert "own/llama" not in simulated


async def test_a_restricted_key_sees_its_models_only(world: Any) -> None:
    _, headers = await world.make_key(models=["openai/gpt-4o", "own/*"])
    assert await listed(world, headers) == ["openai/gpt-4o", "own/llama"]
    assert (await world.get("/models/openai/gpt-4o", headers)).status_code == 200
    hidden, absent = await world.get("/models/openai/gpt-4o-mini", headers), await world.get("/models/openai/nothing", headers)
    assert hidden.status_code == 404
    assert hidden.content == absent.content
    providers = (await world.get("/providers", headers)).json()["data"]
    assert [(row["id"], row["models"]) for row in providers] == [("openai", 2)]


async def test_one_model_is_found_however_its_slash_is_written(world: Any) -> None:
    _, headers = await world.make_key()
    for path in ("/models/openai/gpt-4o", "/models/openai%2Fgpt-4o", "/models/openai%2fgpt-4o/", "/models/gpt-4o"):
        reply = (await world.get(path, headers)).json()
        assert reply["id"] == reply["data"]["id"] == "openai/gpt-4o"
        assert reply["object"] == "model"


@pytest.mark.parametrize("path", ["/models/openai/gpt-4o/endpoints", "/models/openai%2Fgpt-4o/endpoints/"])
async def test_a_models_endpoints_are_its_upstreams_in_order(world: Any, path: str) -> None:
    _, headers = await world.make_key()
    data = (await world.get(path, headers)).json()["data"]
    assert set(data) == {"architecture", "created", "description", "endpoints", "id", "name"}
    assert [endpoint["tag"] for endpoint in data["endpoints"]] == ["openai", "backup"]
    for endpoint in data["endpoints"]:
        assert not set(ENDPOINT_FIELDS) - set(endpoint)
        assert endpoint["model_id"] == "openai/gpt-4o"
        assert set(endpoint["supports_tool_choice"]) == {"auto", "function", "none", "required"}


async def test_no_reply_about_upstreams_shows_addresses_or_credentials(world: Any) -> None:
    _, headers = await world.make_key()
    for path in ("/models/openai/gpt-4o/endpoints", "/providers", "/models", "/health"):
        reply = await world.get(path, headers)
        assert "MARKER" not in reply.text
        assert "127.0.0.1" not in reply.text
        assert "api.openai.com" not in reply.text


async def test_filters_narrow_the_list_and_can_be_combined(world: Any) -> None:
    _, headers = await world.make_key()
    every = await listed(world, headers)
    anthropic = await listed(world, headers, provider="Anthropic")
    assert anthropic == [model for model in every if model.startswith("anthropic/")]
    assert await listed(world, headers, provider="anthropic") == anthropic
    assert await listed(world, headers, provider="own") == ["own/llama"]
    assert await listed(world, headers, provider="nobody") == []
    large = await listed(world, headers, min_context=1_000_000)
    assert large
    assert len(large) < len(every)
    assert await listed(world, headers, min_context=0) == every
    embedding = await listed(world, headers, category="embedding")
    assert "openai/text-embedding-3-small" in embedding
    seeing = await listed(world, headers, capability="vision")
    both = await listed(world, headers, capability=["vision", "tool_use"])
    assert set(both) < set(seeing) < set(every)
    assert set(await listed(world, headers, capability="vision", provider="openai", min_context=100_000)) < set(seeing)
    assert await listed(world, headers, capability="teleportation") == []


UNREADABLE: list[tuple[str, Any]] = [
    ("category", "video"),
    ("category", "' OR 1=1--"),
    ("min_context", "-1"),
    ("min_context", "1.5"),
    ("min_context", "many"),
    ("min_context", "1e309"),
    ("min_context", str(2**64)),
    ("provider", "x" * 101),
    ("capability", ["x"] * 21),
    ("capability", "x" * 101),
]


async def test_a_filter_that_cannot_be_read_is_400_naming_it(world: Any) -> None:
    _, headers = await world.make_key()
    for name, value in UNREADABLE:
        for path in ("/models", "/models/count"):
            reply = await world.get(path, headers, params={name: value})
            assert reply.status_code == 400, (name, value)
            assert (reply.json()["error"]["code"], reply.json()["error"]["param"]) == ("invalid_parameter", name)


NOBODYS = (
    "nothing",
    "openai/",
    "/",
    "../../etc/passwd",
    "\x00",
    "%",
    "openai/gpt-4o\n",
    "{0.__class__}",
    "é",
    "x" * 10_000,
    "*",
    "openai/*",
)


async def test_a_name_that_nobody_has_is_404(world: Any) -> None:
    _, headers = await world.make_key()
    for name in (*NOBODYS, "openai%2Fgpt-4o"):
        for path in (f"/models/{quote(name, safe='')}", f"/models/{quote(name, safe='')}/endpoints"):
            reply = await world.get(path, headers)
            assert (reply.status_code, reply.json()["error"]["type"]) == (404, "not_found_error"), name


async def test_a_public_catalogue_needs_no_key_and_still_judges_one(world: Any) -> None:
    _, restricted = await world.make_key(models=["own/llama"])
    _, lacking = await world.make_key(scopes=["usage:read"])
    async with world.make_app(is_catalogue_public=True) as client:
        anybody = [row["id"] for row in (await client.get("/v1/models")).json()["data"]]
        assert "openai/gpt-4o" in anybody
        assert (await client.get("/v1/models/openai/gpt-4o")).status_code == 200
        assert (await client.get("/v1/models/count")).json()["count"] == len(anybody)
        assert (await client.get("/v1/providers")).status_code == 200
        assert (await client.get("/v1/models/openai/gpt-4o/endpoints")).status_code == 200
        assert [row["id"] for row in (await client.get("/v1/models", headers=restricted)).json()["data"]] == ["own/llama"]
        assert (await client.get("/v1/models", headers=lacking)).status_code == 403
        assert (await client.get("/v1/models", headers={"Authorization": "Bearer ar-live-MARKER"})).status_code == 401
        assert (await client.get("/v1/key")).status_code == 401
