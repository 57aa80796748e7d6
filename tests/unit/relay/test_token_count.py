"""count_tokens: asked of upstreams that count, estimated for models of others."""

import json

import pytest

COUNT = "messages/count_tokens"
ASKED = {"model": "openai/gpt-4o", "messages": [{"role": "user", "content": "x" * 400}], "system": "Be kind.", "tools": [{"name": "f"}]}


def estimate(body: dict) -> int:
    """The documented rule: the bytes of what makes the prompt / 4."""
    sizes = (len(json.dumps(body[name], separators=(",", ":"))) for name in ("messages", "system", "tools") if name in body)
    return sum(sizes) // 4


async def test_a_model_whose_upstream_counts_nothing_is_estimated_without_asking_it(make_world):
    world = make_world()
    reply = await world.ask(ASKED, COUNT)
    assert (reply.status, json.loads(reply.body)) == (200, {"input_tokens": estimate(ASKED)})
    assert reply.header("X-AnyRouter-Estimated") == "true"
    assert reply.header("X-RateLimit-Limit") is not None
    assert reply.header("request-id") == reply.header("X-Request-Id")
    assert (world.client.sent, world.ledger.intents, world.ledger.entries) == ([], [], [])


async def test_it_is_the_estimate_that_a_message_is_admitted_by(make_world):
    world = make_world()
    await world.ask({**ASKED, "max_tokens": 5}, "messages")
    assert json.loads((await world.ask(ASKED, COUNT)).body) == {"input_tokens": world.ledger.intents[0].estimated_input_tokens}


async def test_an_upstream_that_counts_is_asked(make_world, json_reply):
    world = make_world()
    world.client.replies = [json_reply({"input_tokens": 7})]
    reply = await world.ask({**ASKED, "model": "anthropic/claude-test"}, COUNT)
    assert (reply.status, json.loads(reply.body), reply.header("X-AnyRouter-Estimated")) == (200, {"input_tokens": 7}, None)
    assert len(world.client.sent) == 1


async def test_a_stand_in_that_counts_is_asked_rather_than_estimated(make_world, json_reply):
    world = make_world()
    world.client.replies = [json_reply({"input_tokens": 7})]
    reply = await world.ask({**ASKED, "models": ["anthropic/claude-test"]}, COUNT)
    assert (json.loads(reply.body), reply.header("X-AnyRouter-Estimated")) == ({"input_tokens": 7}, None)


@pytest.mark.parametrize(
    ("body", "key", "status", "code"),
    [
        (ASKED, {"models": ("anthropic/*",)}, 403, "model_not_allowed"),
        (ASKED, {"providers": frozenset({"anthropic"})}, 403, "provider_not_allowed"),
        (ASKED, {"endpoints": ("messages",)}, 403, "endpoint_not_allowed"),
        (ASKED, {"scopes": frozenset({"models:read"})}, 403, "insufficient_scope"),
        ({**ASKED, "model": "nobody/nothing"}, {}, 404, "model_not_found"),
        ({**ASKED, "model": "nowhere/model"}, {}, 404, "no_route"),
        ({**ASKED, "messages": None}, {}, 400, "missing_parameter"),
        ({**ASKED, "provider": {"only": ["anthropic"]}}, {}, 404, "no_route"),
    ],
)
async def test_what_a_message_would_be_refused_for_a_count_is_refused_for(make_world, body, key, status, code):
    world = make_world(**key)
    reply = await world.ask(body, COUNT)
    assert (reply.status, json.loads(reply.body)["error"]["code"]) == (status, code)
    assert reply.header("X-AnyRouter-Estimated") is None


async def test_estimates_count_against_the_rate_limit(make_world):
    world = make_world(rate_limit_rpm=2)
    replies = [await world.ask(ASKED, COUNT) for _ in range(3)]
    assert [reply.status for reply in replies] == [200, 200, 429]
    assert [reply.header("X-RateLimit-Remaining") for reply in replies] == ["1", "0", "0"]
