"""Requests whose key may not go on are cut: told in their dialect, billed for what was delivered, and their upstream cancelled."""

import asyncio
import json
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from anyrouter.core.ledger import EntryState
from support.tenants import ORGANISATION, tenants_of

NOW = datetime(2026, 1, 1, tzinfo=UTC)
ASK = {"model": "openai/gpt-4o", "messages": [{"role": "user", "content": "Hello"}], "max_tokens": 20}
CHAT_EVENT = b'data: {"id":"x","choices":[{"index":0,"delta":{"content":"Hi there, all of you"}}]}\n\n'
START = b'event: message_start\ndata: {"type":"message_start","message":{"id":"msg_1","usage":{"input_tokens":9,"output_tokens":1}}}\n\n'
TEXT = (
    b'event: content_block_start\ndata: {"type":"content_block_start","index":0,"content_block":{"type":"text","text":""}}\n\n'
    b'event: content_block_delta\ndata: {"type":"content_block_delta","index":0,"delta":{"type":"text_delta","text":"Hi"}}\n\n'
)


async def begin(world, body: dict, endpoint: str = "chat/completions") -> tuple:
    """A request whose upstream says no more; its task, and what the client has."""
    head, downstream = world.head(endpoint), world.new_downstream()
    principal = await world.relay.find(head)
    task = asyncio.create_task(world.run(head, principal, json.dumps(body).encode(), downstream))
    for _ in range(20):
        await asyncio.sleep(0)
    assert len(world.relay.running.calls) == 1
    return task, downstream


async def end(task: asyncio.Task) -> None:
    async with asyncio.timeout(5):
        await task


def assert_all_is_over(world) -> None:
    assert world.relay.running.calls == {}
    assert world.stats.running == 0
    assert world.relay.holds.open_count == 0
    assert world.errors == []


async def test_a_stream_is_cut_with_an_error_event_and_billed_for_what_was_delivered(make_world, stream_reply) -> None:
    world = make_world(limit_nanousd=10**12, concurrency=1)
    exchange = stream_reply(CHAT_EVENT, 3600.0)
    world.client.replies = [exchange]
    task, downstream = await begin(world, {**ASK, "stream": True})
    world.use(is_disabled=True)
    await world.relay.running.judge_again()
    await end(task)
    assert exchange.is_cancelled
    assert downstream.is_finished
    events = downstream.body.split(b"\n\n")
    last = json.loads(events[-2].removeprefix(b"data: "))
    assert (last["error"]["code"], last["choices"][0]["finish_reason"]) == ("disabled_api_key", "error")
    assert b"[DONE]" not in downstream.body
    (entry,) = world.ledger.entries
    assert (entry.state, entry.status, entry.error_code) == (EntryState.CANCELLED, 200, "disabled_api_key")
    assert entry.usage.output_tokens > 0
    assert entry.cost_nanousd > 0
    assert_all_is_over(world)


@pytest.mark.parametrize(
    ("endpoint", "body", "model", "parts", "expected"),
    [
        (
            "messages",
            {"max_tokens": 5, "messages": ASK["messages"]},
            "anthropic/claude-test",
            [START + TEXT],
            b'event: error\ndata: {"type":"error"',
        ),
        ("messages", {"max_tokens": 5, "messages": ASK["messages"]}, "openai/gpt-4o", [CHAT_EVENT], b'event: error\ndata: {"type":"error"'),
        ("responses", {"input": "a"}, "anthropic/claude-test", [START + TEXT], b"event: error"),
        ("completions", {"prompt": "a"}, "openai/gpt-4o", [b'data: {"id":"x","choices":[{"index":0,"text":"Hi"}]}\n\n'], b'"error":{'),
    ],
)
async def test_the_error_is_told_in_the_clients_dialect(  # noqa: PLR0917 -- a row of the table
    make_world, stream_reply, endpoint, body, model, parts, expected
) -> None:
    world = make_world()
    world.client.replies = [stream_reply(*parts, 3600.0)]
    task, downstream = await begin(world, {**body, "model": model, "stream": True}, endpoint)
    assert downstream.status == 200
    world.use(deleted_at=NOW)
    await world.relay.running.judge_again()
    await end(task)
    assert expected in downstream.body
    assert b"invalid_api_key" in downstream.body
    assert downstream.is_finished
    assert_all_is_over(world)


async def test_a_request_that_waits_for_its_whole_reply_is_answered_with_the_refusal(make_world) -> None:
    world = make_world(concurrency=1)
    exchange = _silence(world)
    task, downstream = await begin(world, ASK)
    world.use(deleted_at=NOW)
    await world.relay.running.judge_again()
    await end(task)
    assert (downstream.status, json.loads(downstream.body)["error"]["code"]) == (401, "invalid_api_key")
    assert downstream.header("WWW-Authenticate") is not None
    (entry,) = world.ledger.entries
    assert (entry.state, entry.status, entry.error_code) == (EntryState.CANCELLED, 401, "invalid_api_key")
    assert entry.usage.input_tokens > 0
    assert exchange.is_cancelled or not world.client.has_idle
    assert_all_is_over(world)


def _silence(world):
    """An upstream that has not said anything yet, whether it is asked in a task or without one."""
    exchange = type("Silent", (), {"status": 0, "headers": (), "failure": None, "is_stale": False, "is_cancelled": False})()
    exchange.cancel = lambda: setattr(exchange, "is_cancelled", True)

    async def send(*_: object):
        await asyncio.sleep(3600)

    world.client.replies = [exchange]
    world.client.send = send
    world.client.begin = lambda *_: exchange
    return exchange


CHANGES = {
    "deleted": ({"deleted_at": NOW}, "invalid_api_key"),
    "disabled": ({"is_disabled": True}, "disabled_api_key"),
    "expired": ({"expires_at": NOW}, "expired_api_key"),
    "not yet valid": ({"not_before": datetime.now(UTC) + timedelta(days=1)}, "invalid_api_key"),
    "scope": ({"scopes": frozenset({"models:read"})}, "insufficient_scope"),
    "model": ({"models": ("openai/gpt-4o-mini",)}, "model_not_allowed"),
    "endpoint": ({"endpoints": ("embeddings",)}, "endpoint_not_allowed"),
    "provider": ({"providers": ("anthropic",)}, "provider_not_allowed"),
    "address": ({"allowed_ips": ("192.0.2.1",)}, "ip_not_allowed"),
    "a member who is gone": ({"member_id": "mem_1"}, "disabled_api_key"),
}


@pytest.mark.parametrize(("change", "code"), CHANGES.values(), ids=CHANGES)
async def test_whatever_ends_or_narrows_the_key_counts(make_world, stream_reply, change: dict, code: str) -> None:
    world = make_world()
    world.client.replies = [stream_reply(CHAT_EVENT, 3600.0)]
    task, downstream = await begin(world, {**ASK, "stream": True})
    await world.relay.running.judge_again()
    assert not task.done()
    world.use(**change)
    await world.relay.running.judge_again()
    await end(task)
    assert f'"code":"{code}"'.encode() in downstream.body
    assert_all_is_over(world)


@pytest.mark.parametrize("gone", ["environment", "organisation", "key"])
async def test_what_the_key_belongs_to_counts_too(make_world, stream_reply, gone: str) -> None:
    world = make_world()
    world.client.replies = [stream_reply(CHAT_EVENT, 3600.0)]
    task, downstream = await begin(world, {**ASK, "stream": True})
    environment = next(iter(world.authenticator.tenants().environments.values()))
    if gone == "key":
        world.store.keys = {}
    elif gone == "environment":
        tenants = tenants_of(replace(environment, is_active=False))
        world.relay.running._tenants = lambda: tenants
    else:
        tenants = tenants_of(environment, organisations=(replace(ORGANISATION, is_active=False),))
        world.relay.running._tenants = lambda: tenants
    await world.relay.running.judge_again()
    await end(task)
    assert b'"error":{' in downstream.body
    assert_all_is_over(world)


async def test_nobody_is_cut_while_the_store_does_not_answer_but_who_has_expired(make_world, stream_reply) -> None:
    world = make_world(expires_at=datetime.now(UTC) + timedelta(seconds=0.3))
    world.client.replies = [stream_reply(CHAT_EVENT, 3600.0)]
    task, downstream = await begin(world, {**ASK, "stream": True})
    world.use(is_disabled=True)
    world.store.is_broken = True
    await world.relay.running.judge_again()
    assert not task.done()
    await asyncio.sleep(0.35)
    await world.relay.running.judge_again()
    await end(task)
    assert b"expired_api_key" in downstream.body


async def test_a_reply_that_is_whole_is_not_cut(make_world, json_reply) -> None:
    world = make_world()
    world.client.replies = [json_reply({"id": "x", "object": "chat.completion", "choices": [], "usage": {"prompt_tokens": 1}})]
    assert (await world.ask(ASK)).status == 200
    world.use(is_disabled=True)
    await world.relay.running.judge_again()
    assert [entry.state for entry in world.ledger.entries] == [EntryState.SETTLED]
    assert world.relay.running.cut_count == 0


async def test_a_change_wakes_the_judge_and_a_mistake_does_not_end_it(make_world, stream_reply) -> None:
    world, mistakes = make_world(), []
    world.client.replies = [stream_reply(CHAT_EVENT, 3600.0)]
    task, _ = await begin(world, {**ASK, "stream": True})
    world.store.find_by_ids, found = None, world.store.find_by_ids
    judging = asyncio.create_task(world.relay.running.keep_judging(mistakes.append))
    world.relay.running.wake()
    while not mistakes:  # noqa: ASYNC110 -- what is waited for is a report
        await asyncio.sleep(0.01)
    world.store.find_by_ids = found
    world.use(is_disabled=True)
    world.relay.running.wake()
    await end(task)
    judging.cancel()
    assert_all_is_over(world)


async def test_who_leaves_while_being_cut_is_billed_once(make_world, stream_reply) -> None:
    world = make_world()
    world.client.replies = [stream_reply(CHAT_EVENT, 3600.0)]
    task, downstream = await begin(world, {**ASK, "stream": True})
    world.use(is_disabled=True)
    await world.relay.running.judge_again()
    downstream.leave()
    await end(task)
    assert len(world.ledger.entries) == 1
    assert_all_is_over(world)
