"""POST /route: what it says is what a real request then does, and saying it costs nothing."""

import json

import pytest

CHAT = {"model": "openai/gpt-4o", "messages": [{"role": "user", "content": "hi"}], "max_tokens": 1000}
COMPLETION = {
    "id": "chatcmpl-123",
    "object": "chat.completion",
    "created": 1700000000,
    "model": "gpt-4o",
    "choices": [{"index": 0, "message": {"role": "assistant", "content": "Hello"}, "finish_reason": "stop"}],
    "usage": {"prompt_tokens": 100, "completion_tokens": 10, "total_tokens": 110},
}


@pytest.fixture
def two(make_world, make_upstream):
    """A world with two upstreams of one provider; `a` comes first."""

    def build(**changes):
        return make_world([make_upstream("a", "openai", 0), make_upstream("b", "openai", 1)], **changes)

    return build


async def explain(world, body, **headers) -> dict:
    reply = await world.ask(body, "route", **headers)
    assert reply.status == 200, reply.body
    return json.loads(reply.body)["data"]


async def test_it_says_whom_a_request_is_tried_at_and_what_it_may_cost(two):
    told = await explain(two(), CHAT)
    assert [(row["upstream"], row["model"], row["health"]) for row in told["targets"]] == [
        ("a", "openai/gpt-4o", "well"),
        ("b", "openai/gpt-4o", "well"),
    ]
    assert (told["endpoint"], told["allowed"], told["excluded"]) == ("chat/completions", True, [])
    price = told["price"]
    assert (price["max_output_tokens"], price["price_unknown"]) == (1000, False)
    assert price["max"] == pytest.approx(price["min"] + 1000 * 10e-6)
    assert told["targets"][0]["pricing_per_million"] == {"prompt": 2.5, "completion": 10.0}


async def test_nothing_is_sent_recorded_or_counted(two):
    world = two(rate_limit_rpm=5)
    for _ in range(8):
        assert (await explain(world, CHAT))["allowed"] is True
    assert (world.client.sent, world.ledger.entries, len(world.ledger.entries)) == ([], [], 0)
    assert world.stats.requests == {}
    assert not world.relay.health.look(("a", "gpt-4o")).window.read_performance(1e9).requests
    reply = await world.ask(CHAT, "route")
    assert reply.header("X-RateLimit-Remaining") == "5"


@pytest.mark.parametrize(
    "provider",
    [{"order": ["b"]}, {"only": ["b"]}, {"ignore": ["a"]}, {"order": ["b"], "allow_fallbacks": False}, {"sort": "price"}, {}],
)
async def test_the_first_target_is_the_one_that_the_same_request_then_gets(two, json_reply, provider):
    world = two()
    body = {**CHAT, "provider": provider}
    told = await explain(world, body)
    world.client.replies = [json_reply(COMPLETION)]
    reply = await world.ask(body)
    assert reply.header("X-AnyRouter-Served-By") == f"{told['targets'][0]['upstream']}; attempt=1"
    named = [row["upstream"] for row in [*told["targets"], *told["excluded"]]]
    assert sorted(named) == ["a", "b"]


async def test_it_says_what_leaves_a_target_out(two):
    told = await explain(two(), {**CHAT, "provider": {"ignore": ["a"]}})
    assert told["excluded"] == [{"upstream": "a", "model": "openai/gpt-4o", "reason": "ignore"}]
    told = await explain(two(), CHAT, x_anyrouter_provider="b")
    assert [row["upstream"] for row in told["targets"]] == ["b"]
    assert told["excluded"] == [{"upstream": "a", "model": "openai/gpt-4o", "reason": "X-AnyRouter-Provider"}]


async def test_a_sick_target_is_shown_as_one_and_behind_the_others(two, json_reply):
    world = two()
    world.client.replies = [json_reply({}, 429, retry_after="60"), json_reply(COMPLETION)]
    await world.ask(CHAT)
    told = await explain(world, {**CHAT, "messages": [{"role": "user", "content": "another"}]})
    assert [(row["upstream"], row["health"]) for row in told["targets"]] == [("b", "well"), ("a", "short")]


async def test_models_are_tried_one_after_the_other(make_world):
    told = await explain(make_world(), {**CHAT, "models": ["openai/gpt-4o-mini"]})
    assert [row["model"] for row in told["targets"]] == ["openai/gpt-4o", "openai/gpt-4o-mini"]


@pytest.mark.parametrize(
    ("changes", "body", "code"),
    [
        ({"models": ("anthropic/*",)}, CHAT, "model_not_allowed"),
        ({"providers": ("anthropic",)}, CHAT, "provider_not_allowed"),
        ({"rate_limit_rpm": 0}, CHAT, "rate_limited"),
        ({"endpoints": ("route", "messages")}, CHAT, "endpoint_not_allowed"),
        ({}, {**CHAT, "model": "openai/gpt-4p"}, "model_not_found"),
        ({}, {**CHAT, "provider": {"only": ["nobody"]}}, "no_route"),
        ({}, {**CHAT, "provider": {"order": 3}}, "invalid_parameter"),
    ],
)
async def test_a_refusal_is_told_and_is_that_of_the_real_request(make_world, changes, body, code):
    world = make_world(**changes)
    told = await explain(world, body)
    assert (told["allowed"], told["error"]["code"]) == (False, code)
    reply = await world.ask(body)
    error = json.loads(reply.body)["error"]
    assert (error["code"], error["message"], reply.status) == (code, told["error"]["message"], told["error"]["status"])


async def test_a_key_that_has_used_up_its_limit_is_told_so_and_not_refused_the_telling(two, json_reply):
    world = two(rate_limit_rpm=1)
    world.client.replies = [json_reply(COMPLETION)]
    assert (await world.ask(CHAT)).status == 200
    told = await explain(world, CHAT)
    assert (told["allowed"], told["error"]["code"]) == (False, "rate_limited")
    assert [row["upstream"] for row in told["targets"]] == ["a", "b"]


MESSAGES = [{"role": "user", "content": "hi"}]


@pytest.mark.parametrize(
    ("body", "headers", "endpoint", "output_tokens"),
    [
        ({"model": "openai/gpt-4o", "messages": MESSAGES}, {}, "chat/completions", None),
        ({"model": "openai/gpt-4o", "messages": MESSAGES, "max_completion_tokens": 50, "n": 3}, {}, "chat/completions", 150),
        ({"model": "anthropic/claude-test", "messages": MESSAGES, "max_tokens": 50, "system": "Be brief."}, {}, "messages", 50),
        ({"model": "anthropic/claude-test", "messages": MESSAGES, "max_tokens": 50}, {"anthropic_version": "2023-06-01"}, "messages", 50),
        (
            {"model": "openai/gpt-4o", "messages": MESSAGES, "max_tokens": 5, "tools": [{"name": "f", "input_schema": {}}]},
            {},
            "messages",
            5,
        ),
        ({"model": "openai/gpt-4o", "input": "hi", "max_output_tokens": 7}, {}, "responses", 7),
        ({"model": "openai/text-embedding-3-small", "input": "hi", "dimensions": 8}, {}, "embeddings", 0),
        ({"model": "openai/gpt-4o", "prompt": "hi", "max_tokens": 9}, {}, "completions", 9),
        (
            {
                "model": "openai/gpt-4o",
                "contents": [{"role": "user", "parts": [{"text": "hi"}]}],
                "generationConfig": {"maxOutputTokens": 11},
            },
            {},
            "generateContent",
            11,
        ),
    ],
)
async def test_which_request_it_is_is_told_by_its_members(make_world, body, headers, endpoint, output_tokens):
    told = await explain(make_world(), body, **headers)
    assert (told["endpoint"], told["allowed"], told["price"]["max_output_tokens"]) == (endpoint, True, output_tokens)
    assert len(told["targets"]) == 1


@pytest.mark.parametrize(
    ("body", "code"),
    [
        (b"{", "invalid_json"),
        (b"[]", "invalid_json"),
        ({}, "missing_parameter"),
        ({"model": "openai/gpt-4o"}, "missing_parameter"),
        ({"contents": []}, "missing_parameter"),
        ({**CHAT, "api_key": "x"}, "invalid_parameter"),
        ({"model": "@preset/none", "messages": MESSAGES}, "not_found"),
    ],
)
async def test_what_is_no_request_is_refused_as_at_its_own_path(make_world, body, code):
    world = make_world()
    reply = await world.ask(body, "route")
    assert (reply.status >= 400, json.loads(reply.body)["error"]["code"]) == (True, code)
    assert world.errors == []
