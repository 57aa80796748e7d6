"""The response cache in the relay: what is given again, to whom, and what is on record of it."""

import asyncio
import json
from datetime import UTC, datetime

import pytest

from anyrouter.core.errors import UpstreamBroken
from anyrouter.core.ledger import EntryState
from anyrouter.policy.route import Snapshot
from anyrouter.relay.memory import MemoryDownstream

REPLY = {
    "id": "chatcmpl-123",
    "object": "chat.completion",
    "created": 1700000000,
    "model": "gpt-4o-2024-08-06",
    "choices": [{"index": 0, "message": {"role": "assistant", "content": "Hello"}, "finish_reason": "stop"}],
    "usage": {"prompt_tokens": 100, "completion_tokens": 10, "total_tokens": 110},
}
ASKED = {"model": "openai/gpt-4o", "messages": [{"role": "user", "content": "Hi"}]}
STREAMED = {**ASKED, "stream": True}
USE = {"x_anyrouter_cache": "use"}


def chunk(**members: object) -> bytes:
    base = {"id": "chatcmpl-1", "object": "chat.completion.chunk", "created": 1, "model": "gpt-4o-2024-08-06"}
    return b"data: " + json.dumps({**base, **members}, separators=(",", ":")).encode() + b"\n\n"


CHUNKS = [
    chunk(choices=[{"index": 0, "delta": {"role": "assistant", "content": ""}, "finish_reason": None}]),
    chunk(choices=[{"index": 0, "delta": {"content": "Hello"}, "finish_reason": None}]),
    chunk(choices=[{"index": 0, "delta": {}, "finish_reason": "stop"}]),
    chunk(choices=[], usage={"prompt_tokens": 100, "completion_tokens": 10, "total_tokens": 110}),
    b"data: [DONE]\n\n",
]


def tells(downstream: MemoryDownstream) -> str | None:
    return downstream.header("x-anyrouter-cache")


async def begun(downstream: MemoryDownstream) -> None:
    """Return when the client has got the first part of its reply."""
    for _ in range(1000):
        if downstream.body:
            return
        await asyncio.sleep(0)
    raise AssertionError("the reply did not begin")


async def test_the_same_request_again_is_answered_without_an_upstream(make_world, json_reply) -> None:
    world = make_world()
    world.client.replies = [json_reply(REPLY)]
    first, second = await world.ask(ASKED, **USE), await world.ask(ASKED, **USE)
    assert (tells(first), tells(second)) == ("miss", "hit")
    assert first.header("age") is None
    assert second.header("age") == "0"
    assert len(world.client.sent) == 1
    told, again = json.loads(first.body), json.loads(second.body)
    assert again["id"] == second.header("x-generation-id") != told["id"]
    assert (told["usage"].pop("cost"), again["usage"].pop("cost")) == (0.00035, 0)
    assert {**again, "id": None} == {**told, "id": None}
    assert second.header("x-anyrouter-served-by") == "openai; attempt=0"
    assert second.header("x-ratelimit-limit") is not None


async def test_a_hit_has_an_entry_of_its_own_that_costs_nothing(make_world, json_reply) -> None:
    world = make_world()
    world.client.replies = [json_reply(REPLY)]
    for _ in range(2):
        await world.ask(ASKED, **USE)
    paid, free = world.ledger.entries
    assert (paid.cost_nanousd, free.cost_nanousd) == (350_000, 0)
    assert free.generation_id != paid.generation_id
    assert (free.state, free.status, free.attempts, free.upstream_id) == (EntryState.SETTLED, 200, (), None)
    assert (free.usage, free.provider, free.upstream, free.model) == (paid.usage, paid.provider, paid.upstream, paid.model)
    assert (free.finish_reason, free.native_finish_reason) == ("stop", "stop")
    assert world.ledger.intents[-1].estimated_input_tokens == 0  # interrupted, it would cost nothing either
    assert (world.stats.cache_hits, world.stats.cache_misses) == (1, 1)


async def test_a_stream_is_given_again_as_the_stream_that_it_was(make_world, stream_reply) -> None:
    world = make_world()
    world.client.replies = [stream_reply(*CHUNKS)]
    first, second = await world.ask(STREAMED, **USE), await world.ask(STREAMED, **USE)
    assert (tells(first), tells(second)) == ("miss", "hit")
    assert second.is_finished
    assert second.header("content-type") == "text/event-stream"
    old, new = first.header("x-generation-id"), second.header("x-generation-id")
    same = first.body.replace(old.encode(), new.encode()).replace(b'"cost":0.00035,', b'"cost":0,')
    assert second.body == same
    assert world.ledger.entries[-1].is_streamed


async def test_keep_alive_comments_are_not_part_of_the_reply(make_world, stream_reply) -> None:
    world = make_world()
    world.client.replies = [stream_reply(CHUNKS[0], 0.05, *CHUNKS[1:])]
    head, downstream = world.head(**USE), world.new_downstream()
    principal = await world.relay.find(head)
    serving = asyncio.create_task(world.run(head, principal, json.dumps(STREAMED).encode(), downstream))
    await begun(downstream)
    for _ in range(16):
        world.relay.tick()
    await serving
    assert b": keep-alive\n\n" in downstream.body
    again = world.new_downstream()
    await world.run(world.head(**USE), principal, json.dumps(STREAMED).encode(), again)
    assert tells(again) == "hit"
    assert b"keep-alive" not in again.body


async def test_without_a_wish_nothing_is_kept_and_nothing_given(make_world, json_reply) -> None:
    world = make_world()
    world.client.replies = [json_reply(REPLY) for _ in range(4)]
    replies = [await world.ask(ASKED, **headers) for headers in ({}, USE, {}, {"x_anyrouter_cache": "bypass"})]
    assert [tells(reply) for reply in replies] == [None, "miss", None, None]
    assert len(world.client.sent) == 4


async def test_an_environment_may_wish_for_all_its_requests_and_one_of_them_not(make_world, json_reply) -> None:
    world = make_world(caches={"live": 60.0})
    world.client.replies = [json_reply(REPLY) for _ in range(2)]
    replies = [await world.ask(ASKED, **headers) for headers in ({}, {}, {"x_anyrouter_cache": "bypass"}, USE)]
    assert [tells(reply) for reply in replies] == ["miss", "hit", None, "hit"]


async def test_a_cache_without_room_is_none(make_world, json_reply) -> None:
    world = make_world(cache_bytes=0)
    world.client.replies = [json_reply(REPLY) for _ in range(2)]
    assert [tells(await world.ask(ASKED, **USE)) for _ in range(2)] == [None, None]


async def test_a_reply_too_large_for_its_share_is_not_kept(make_world, json_reply) -> None:
    world = make_world(cache_bytes=16_384)
    large = {**REPLY, "choices": [{**REPLY["choices"][0], "message": {"role": "assistant", "content": "x" * 3000}}]}
    world.client.replies = [json_reply(large) for _ in range(2)]
    assert [tells(await world.ask(ASKED, **USE)) for _ in range(2)] == ["miss", "miss"]


@pytest.mark.parametrize("wish", ["", "yes", "use, bypass", "no-store"])
async def test_a_wish_that_is_none_is_refused_and_costs_nothing(make_world, wish: str) -> None:
    world = make_world(rate_limit_rpm=5)
    reply = await world.ask(ASKED, x_anyrouter_cache=wish)
    assert reply.status == 400
    assert json.loads(reply.body)["error"]["param"] == "X-AnyRouter-Cache"
    assert reply.header("x-ratelimit-remaining") == "5"


@pytest.mark.parametrize(
    "other",
    [
        {"temperature": 0.5},
        {"messages": [{"role": "user", "content": "hi"}]},
        {"provider": {"order": ["openai"]}},
        {"models": ["openai/gpt-4o"]},
        {"session_id": "another"},
        {"user": "somebody else"},
        {"model": "openai/gpt-4o-mini"},
        {"stream": True},
    ],
)
async def test_whatever_the_body_says_otherwise_is_another_request(make_world, json_reply, stream_reply, other: dict) -> None:
    world = make_world()
    world.client.replies = [json_reply(REPLY), stream_reply(*CHUNKS) if "stream" in other else json_reply(REPLY)]
    await world.ask(ASKED, **USE)
    assert tells(await world.ask({**ASKED, **other}, **USE)) == "miss"


@pytest.mark.parametrize("other", [{"x_anyrouter_provider": "openai"}, {"x_session_id": "another"}])
async def test_whatever_the_head_says_of_the_upstream_is_another_request(make_world, json_reply, other: dict) -> None:
    world = make_world()
    world.client.replies = [json_reply(REPLY), json_reply(REPLY)]
    await world.ask(ASKED, **USE)
    assert tells(await world.ask(ASKED, **USE, **other)) == "miss"


async def test_a_header_that_reaches_the_upstream_is_part_of_the_request(make_world, json_reply) -> None:
    world = make_world()
    message = {"id": "msg_1", "type": "message", "content": [], "stop_reason": "end_turn", "usage": {"input_tokens": 1, "output_tokens": 1}}
    world.client.replies = [json_reply(message), json_reply(message)]
    asked = {"model": "anthropic/claude-test", "max_tokens": 5, "messages": [{"role": "user", "content": "Hi"}]}
    replies = [await world.ask(asked, "messages", **USE, **beta) for beta in ({}, {}, {"anthropic_beta": "x"}, {"anthropic_beta": "x"})]
    assert [tells(reply) for reply in replies] == ["miss", "hit", "miss", "hit"]


async def test_the_order_of_members_does_not_count(make_world, json_reply) -> None:
    world = make_world()
    world.client.replies = [json_reply(REPLY)]
    await world.ask({**ASKED, "stream": False}, **USE)
    assert tells(await world.ask(dict(reversed(ASKED.items())), **USE)) == "hit"


async def test_a_repeated_member_is_the_one_that_was_judged(make_world, json_reply) -> None:
    world = make_world()
    world.client.replies = [json_reply(REPLY), json_reply(REPLY)]
    await world.ask(ASKED, **USE)
    last = b'{"model":"openai/gpt-4o","messages":[{"role":"user","content":"Hi"}],"messages":[{"role":"user","content":"Other"}]}'
    assert tells(await world.ask(last, **USE)) == "miss"
    assert world.client.bodies()[-1]["messages"][0]["content"] == "Other"


@pytest.mark.parametrize(
    "rights",
    [
        {"models": ("openai/*",)},
        {"models": ("openai/gpt-4o",)},
        {"providers": ("openai",)},
        {"endpoints": ("chat/completions",)},
        {"scopes": frozenset({"completions:write"})},
    ],
)
async def test_a_key_with_other_rights_is_not_given_what_this_one_got(make_world, json_reply, rights: dict) -> None:
    world = make_world()
    world.client.replies = [json_reply(REPLY), json_reply(REPLY)]
    await world.ask(ASKED, **USE)
    world.use(id="key_2", **rights)
    assert [tells(await world.ask(ASKED, **USE)) for _ in range(2)] == ["miss", "hit"]


async def test_a_key_with_the_same_rights_shares(make_world, json_reply) -> None:
    world = make_world(models=("openai/*", "anthropic/*"))
    world.client.replies = [json_reply(REPLY)]
    await world.ask(ASKED, **USE)
    world.use(id="key_2", name="other", rotation_group="key_2", models=("anthropic/*", "openai/*"))
    assert tells(await world.ask(ASKED, **USE)) == "hit"
    assert world.ledger.entries[-1].api_key_id == "key_2"


async def test_no_right_is_got_from_the_cache(make_world, json_reply) -> None:
    world = make_world()
    world.client.replies = [json_reply(REPLY)]
    await world.ask(ASKED, **USE)
    for changes, status in (
        ({"models": ("anthropic/*",)}, 403),
        ({"models": None, "rate_limit_rpm": 0}, 429),
        ({"rate_limit_rpm": None, "is_disabled": True}, 401),
        ({"is_disabled": False, "deleted_at": datetime.now(UTC)}, 401),
    ):
        world.use(**changes)
        reply = await world.ask(ASKED, **USE)
        assert (reply.status, tells(reply)) == (status, None)


async def test_hits_count_against_the_limit(make_world, json_reply) -> None:
    world = make_world(rate_limit_rpm=3)
    world.client.replies = [json_reply(REPLY)]
    replies = [await world.ask(ASKED, **USE) for _ in range(4)]
    assert [reply.status for reply in replies] == [200, 200, 200, 429]
    assert [reply.header("x-ratelimit-remaining") for reply in replies[:3]] == ["2", "1", "0"]


async def test_what_failed_or_broke_or_was_left_is_not_kept(make_world, json_reply, stream_reply) -> None:
    world = make_world()
    cut = CHUNKS[:2]
    reported = [*CHUNKS[:2], b'data: {"error":{"message":"no","code":500}}\n\n']
    failed = {**REPLY, "choices": [{**REPLY["choices"][0], "finish_reason": "error"}]}
    world.client.replies = [json_reply({"error": {"message": "no"}}, 400), json_reply(b"{"), json_reply(failed), json_reply(REPLY)]
    replies = [await world.ask(ASKED, **USE) for _ in range(4)]
    assert [(reply.status, tells(reply)) for reply in replies] == [(400, None), (502, None), (200, "miss"), (200, "miss")]
    world.client.replies = [
        stream_reply(*cut),
        stream_reply(*cut, UpstreamBroken("reset")),
        stream_reply(*reported),
        stream_reply(*CHUNKS),
    ]
    replies = [await world.ask(STREAMED, **USE) for _ in range(5)]
    assert [tells(reply) for reply in replies] == ["miss", "miss", "miss", "miss", "hit"]


async def test_a_client_that_leaves_leaves_nothing_behind(make_world, stream_reply) -> None:
    world = make_world()
    world.client.replies = [stream_reply(*CHUNKS[:2], 10.0, *CHUNKS[2:]), stream_reply(*CHUNKS)]
    head, downstream = world.head(**USE), world.new_downstream()
    principal = await world.relay.find(head)
    serving = asyncio.create_task(world.run(head, principal, json.dumps(STREAMED).encode(), downstream))
    await begun(downstream)
    downstream.leave()
    await serving
    assert world.ledger.entries[-1].state is EntryState.CANCELLED
    assert tells(await world.ask(STREAMED, **USE)) == "miss"


async def test_another_model_that_stood_in_is_for_the_moment_only(make_world, json_reply) -> None:
    world = make_world()
    asked = {**ASKED, "models": ["openai/gpt-4o", "openai/gpt-4o-mini"]}
    world.client.replies = [json_reply({"error": {"message": "no"}}, 500), json_reply(REPLY), json_reply(REPLY)]
    replies = [await world.ask(asked, **USE) for _ in range(3)]
    assert [json.loads(reply.body)["model"] for reply in replies] == ["openai/gpt-4o-mini", "openai/gpt-4o", "openai/gpt-4o"]
    assert [tells(reply) for reply in replies] == ["miss", "miss", "hit"]


async def test_what_a_target_said_goes_with_it(make_world, make_upstream, json_reply) -> None:
    world = make_world([make_upstream("first", "openai")])
    world.client.replies = [json_reply(REPLY), json_reply(REPLY)]
    await world.ask(ASKED, **USE)
    old = world.relay.snapshot
    world.relay.snapshot = Snapshot(upstreams=(make_upstream("second", "openai"),), resolve=old.resolve, nearest=old.nearest)
    reply = await world.ask(ASKED, **USE)
    assert (tells(reply), reply.header("x-anyrouter-served-by")) == ("miss", "second; attempt=1")


async def test_a_hit_that_cannot_be_put_on_record_is_not_given(make_world, json_reply) -> None:
    world = make_world()
    world.client.replies = [json_reply(REPLY)]
    await world.ask(ASKED, **USE)
    world.ledger.is_broken = True
    reply = await world.ask(ASKED, **USE)
    assert (reply.status, tells(reply)) == (503, None)
    assert world.errors == []
