"""What upstreams say of their rate limits, and what the next requests make of it."""

import json

import pytest

from anyrouter.relay.relay import Relay

CHAT = {"model": "openai/gpt-4o", "messages": [{"role": "user", "content": "hi"}]}
COMPLETION = {
    "id": "chatcmpl-123",
    "object": "chat.completion",
    "created": 1700000000,
    "model": "gpt-4o",
    "choices": [{"index": 0, "message": {"role": "assistant", "content": "Hello"}, "finish_reason": "stop"}],
    "usage": {"prompt_tokens": 100, "completion_tokens": 10, "total_tokens": 110},
}
NOTHING_LEFT = {"x_ratelimit_limit_requests": "60", "x_ratelimit_remaining_requests": "0", "x_ratelimit_reset_requests": "600s"}
PLENTY = {"x_ratelimit_limit_requests": "60", "x_ratelimit_remaining_requests": "59", "x_ratelimit_reset_requests": "1s"}


@pytest.fixture
def two(make_world, make_upstream):
    """A world with two upstreams of one provider; `a` comes first."""
    return make_world([make_upstream("a", "openai", 0), make_upstream("b", "openai", 1)])


def served(world) -> list[str]:
    return ["a" if b"sk-MARKER-a" in head else "b" for head, _ in world.client.sent]


def health_of(relay: Relay, upstream: str):
    return dict(relay.health.items())[upstream, "gpt-4o"]


async def ask_each(world, count: int) -> None:
    """Requests of as many conversations."""
    for number in range(count):
        reply = await world.ask({**CHAT, "messages": [{"role": "user", "content": f"conversation {number}"}]})
        assert reply.status == 200


async def test_an_upstream_that_says_nothing_is_left_is_not_asked_while_another_one_is_there(two, json_reply):
    two.client.replies = [json_reply(COMPLETION, **NOTHING_LEFT), json_reply(COMPLETION), json_reply(COMPLETION)]
    await ask_each(two, 3)
    assert served(two) == ["a", "b", "b"]


async def test_one_that_nobody_stands_in_for_is_asked_all_the_same(make_world, json_reply):
    world = make_world()
    world.client.replies = [json_reply(COMPLETION, **NOTHING_LEFT), json_reply(COMPLETION)]
    await ask_each(world, 2)
    assert len(world.client.sent) == 2


async def test_headers_are_not_read_again_within_a_second_where_plenty_is_left(two, json_reply):
    two.client.replies = [json_reply(COMPLETION, **PLENTY), json_reply(COMPLETION, **NOTHING_LEFT), json_reply(COMPLETION)]
    await ask_each(two, 3)
    assert served(two) == ["a", "a", "a"]


async def test_what_is_sent_meanwhile_is_counted_down(two, json_reply):
    left = {**PLENTY, "x_ratelimit_remaining_requests": "8", "x_ratelimit_reset_requests": "520s"}
    two.client.replies = [json_reply(COMPLETION, **left)] + [json_reply(COMPLETION) for _ in range(12)]
    await ask_each(two, 13)
    asked = served(two)
    assert asked[:8] == ["a"] * 8
    assert asked[-3:] == ["b"] * 3


async def test_a_stream_tells_it_too(two, json_reply, stream_reply):
    chunk = {
        **COMPLETION,
        "object": "chat.completion.chunk",
        "choices": [{"index": 0, "delta": {"content": "Hi"}, "finish_reason": "stop"}],
    }
    streamed = stream_reply(b"data: %s\n\n" % json.dumps(chunk).encode(), b"data: [DONE]\n\n")
    streamed.headers += [(name.replace("_", "-").encode(), value.encode()) for name, value in NOTHING_LEFT.items()]
    two.client.replies = [streamed, json_reply(COMPLETION)]
    assert (await two.ask({**CHAT, "stream": True})).status == 200
    assert (await two.ask({**CHAT, "messages": [{"role": "user", "content": "another"}]})).status == 200
    assert served(two) == ["a", "b"]


async def test_a_429_is_read_however_lately_something_was(two, json_reply):
    two.client.replies = [
        json_reply(COMPLETION, **PLENTY),
        json_reply({}, 429, retry_after="0", **NOTHING_LEFT),
        json_reply(COMPLETION),
        json_reply(COMPLETION),
    ]
    await ask_each(two, 3)
    assert served(two) == ["a", "a", "b", "b"]


@pytest.mark.parametrize(
    ("headers", "body", "seconds"),
    [
        ({"retry_after_ms": "2500", "retry_after": "9"}, {}, 3),
        ({"retry_after": "9"}, {"error": {"details": [{"@type": "x/google.rpc.RetryInfo", "retryDelay": "40s"}]}}, 9),
        ({}, {"error": {"details": [{"@type": "x/google.rpc.RetryInfo", "retryDelay": "40.5s"}]}}, 41),
        ({}, {"error": {"details": [{"@type": "x/google.rpc.RetryInfo", "retryDelay": "999999999s"}]}}, 86_400),
    ],
)
async def test_the_wait_that_a_refusal_asks_for_is_the_clients_too(make_world, json_reply, headers, body, seconds):
    world = make_world()
    world.client.replies = [json_reply(body, 429, **headers)]
    reply = await world.ask(CHAT)
    assert (reply.status, reply.header("Retry-After")) == (429, str(seconds))
    state = health_of(world.relay, "openai").report(0.0)
    assert state.wait_s > 0
