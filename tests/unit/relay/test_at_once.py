"""Requests that are sent without a task: whichever way they end, once, and nobody is counted as running afterwards."""

import asyncio
import json

import pytest

from anyrouter.core.errors import StorageUnavailable, UpstreamBroken
from anyrouter.core.ledger import EntryState, Intent, Outcome
from anyrouter.core.usage import UsageSource
from anyrouter.relay.memory import MemoryDownstream, MemoryLedger
from support.streams import DONE, FINISH, chunk, event
from support.upstream import COMPLETION

pytestmark = pytest.mark.parametrize("make_world", [True], ids=["at once"], indirect=True)

BODY = {"model": "openai/gpt-4o", "messages": [{"role": "user", "content": "hi " * 20}]}
STREAMED = {**BODY, "stream": True}


class RefusingLedger(MemoryLedger):
    """A ledger that takes intents and no outcomes."""

    def __init__(self, error: Exception) -> None:
        super().__init__()
        self.error, self.asked = error, 0

    def settle(self, intent: Intent, outcome: Outcome) -> None:  # noqa: ARG002 -- the port's
        """Fail."""
        self.asked += 1
        raise self.error


async def begin(world, body: object = BODY) -> MemoryDownstream:
    """Send a request without a task. It is under way: no turn of the loop has passed in which its reply could come."""
    head, downstream = world.head(), world.new_downstream()
    principal = await world.relay.find(head)
    assert world.relay.serve(head, principal, json.dumps(body).encode(), downstream) is None
    return downstream


async def end(downstream: MemoryDownstream) -> None:
    """Wait for the reply's end."""
    async with asyncio.timeout(10):
        while not (downstream.is_finished or downstream.is_aborted):
            await (asyncio.sleep(0) if downstream.task is None else downstream.task)


async def turns(number: int = 5) -> None:
    """Let what is due happen."""
    for _ in range(number):
        await asyncio.sleep(0)


async def until(condition) -> None:
    async with asyncio.timeout(10):
        while not condition():  # noqa: ASYNC110 -- the ports in memory have no event to wait for
            await asyncio.sleep(0)


def broken(json_reply, *, is_stale: bool):
    """An exchange that ended before a byte of its reply came."""
    exchange = json_reply({})
    exchange.status, exchange.failure, exchange.is_stale = 0, UpstreamBroken("cut"), is_stale
    return exchange


def code_of(downstream: MemoryDownstream) -> str:
    return json.loads(downstream.body)["error"]["code"]


async def test_a_whole_reply_needs_no_task(make_world, json_reply):
    world = make_world()
    world.client.replies = [json_reply(COMPLETION)]
    reply = await begin(world)
    assert (world.stats.running, len(world.ledger.intents), world.ledger.entries) == (1, 1, [])
    await turns()
    assert (reply.status, reply.task, world.stats.running) == (200, None, 0)
    assert [entry.state for entry in world.ledger.entries] == [EntryState.SETTLED]


@pytest.mark.parametrize("body", [BODY, STREAMED], ids=["whole", "streamed"])
async def test_a_client_that_leaves_while_the_upstream_works_is_billed_and_the_upstream_cancelled(make_world, json_reply, body):
    world = make_world()
    exchange = json_reply(COMPLETION)
    world.client.replies = [exchange]
    client = await begin(world, body)
    assert world.stats.running == 1
    client.leave()
    assert exchange.is_cancelled
    assert world.stats.running == 0
    await turns()
    (entry,) = world.ledger.entries
    assert (entry.state, entry.status, entry.error_code) == (EntryState.CANCELLED, 499, "client_closed_request")
    assert entry.usage.source is UsageSource.ESTIMATED
    assert entry.usage.input_tokens > 0
    assert entry.cost_nanousd == entry.usage.input_tokens * 2500
    assert (client.status, client.task, world.stats.running) == (None, None, 0)
    assert world.errors == []


async def test_a_pooled_connection_that_had_died_is_replaced_and_the_attempt_stays_the_first(make_world, json_reply):
    world = make_world()
    world.client.replies = [broken(json_reply, is_stale=True), json_reply(COMPLETION)]
    reply = await begin(world)
    await end(reply)
    assert (reply.status, reply.header("X-AnyRouter-Served-By")) == (200, "openai; attempt=1")
    assert [intent.attempt for intent in world.ledger.intents] == [1]
    (entry,) = world.ledger.entries
    assert (entry.state, [attempt.status for attempt in entry.attempts]) == (EntryState.SETTLED, [200])
    assert len(world.client.sent) == 2
    assert world.client.sent[0] == world.client.sent[1]
    assert world.stats.running == 0


async def test_a_connection_that_died_under_the_request_is_not_asked_twice(make_world, json_reply):
    world = make_world()
    world.client.replies = [broken(json_reply, is_stale=False), json_reply(COMPLETION)]
    reply = await begin(world)
    await end(reply)
    assert (reply.status, code_of(reply)) == (502, "upstream_invalid_response")
    assert (len(world.client.sent), len(world.ledger.intents)) == (1, 1)
    assert [entry.state for entry in world.ledger.entries] == [EntryState.FAILED]
    assert world.stats.running == 0


@pytest.mark.parametrize("bad", [b"<html>", b'{"choices":null}', b'{"object":"chat.completion"}', 500, 429, "stale", "cut"])
async def test_what_is_no_reply_goes_to_the_second_target(make_world, make_upstream, json_reply, bad):
    world = make_world([make_upstream("a", "openai", 1), make_upstream("b", "openai", 2)])
    first = broken(json_reply, is_stale=False) if bad == "cut" else json_reply({}, bad) if isinstance(bad, int) else json_reply(bad)
    replies = [broken(json_reply, is_stale=True), json_reply(b"<html>")] if bad == "stale" else [first]
    slow = json_reply(COMPLETION)
    slow.parts.insert(0, 0.01)
    world.client.replies = [*replies, slow]
    reply = await begin(world)
    await until(lambda: len(world.client.sent) == len(replies) + 1)
    assert world.stats.running == 1
    await end(reply)
    assert (reply.status, reply.header("X-AnyRouter-Served-By")) == (200, "b; attempt=2")
    assert [(intent.attempt, intent.upstream) for intent in world.ledger.intents] == [(1, "a"), (2, "b")]
    (entry,) = world.ledger.entries
    assert (entry.state, entry.attempt, [attempt.upstream for attempt in entry.attempts]) == (EntryState.SETTLED, 2, ["a", "b"])
    assert world.stats.running == 0


@pytest.mark.parametrize("body", [b"<html>", b'{"choices":null}', b""])
async def test_what_is_no_reply_is_502_where_there_is_no_second_target(make_world, json_reply, body):
    world = make_world()
    world.client.replies = [json_reply(body)]
    reply = await begin(world)
    await end(reply)
    assert (reply.status, code_of(reply)) == (502, "upstream_invalid_response")
    (entry,) = world.ledger.entries
    assert (entry.state, entry.status, entry.cost_nanousd) == (EntryState.FAILED, 502, 0)
    assert world.stats.running == 0


async def test_a_client_that_leaves_the_second_target_is_billed_for_that_one(make_world, make_upstream, json_reply):
    world = make_world([make_upstream("a", "openai", 1), make_upstream("b", "openai", 2)])
    slow = json_reply(COMPLETION)
    slow.parts.insert(0, 30.0)
    world.client.replies = [json_reply(b"<html>"), slow]
    client = await begin(world)
    await until(lambda: len(world.client.sent) == 2)
    client.leave()
    await client.task
    assert slow.is_cancelled
    (entry,) = world.ledger.entries
    assert (entry.state, entry.upstream, entry.attempt) == (EntryState.CANCELLED, "b", 2)
    assert world.stats.running == 0


async def test_a_ledger_that_refuses_the_intent_is_503_and_nothing_is_sent(make_world, json_reply):
    world = make_world()
    world.ledger.is_broken = True
    world.client.replies = [json_reply(COMPLETION)]
    reply = await begin(world)
    assert (reply.status, code_of(reply), reply.header("Retry-After")) == (503, "storage_unavailable", "1")
    assert (world.client.sent, world.ledger.entries, world.stats.running) == ([], [], 0)
    world.ledger.is_broken = False
    recovered = await begin(world)
    await turns()
    assert (recovered.status, world.stats.running) == (200, 0)


@pytest.mark.parametrize(("error", "status"), [(StorageUnavailable("full"), 503), (RuntimeError("MARKER"), 500)])
async def test_a_reply_that_cannot_be_put_on_record_is_not_delivered(make_world, json_reply, error, status):
    world = make_world()
    world.relay._ledger = world.relay._ending._ledger = ledger = RefusingLedger(error)
    world.client.replies = [json_reply(COMPLETION)]
    reply = await begin(world)
    await turns()
    assert (reply.status, reply.is_finished) == (status, True)
    assert code_of(reply) == {503: "storage_unavailable", 500: "internal_error"}[status]
    assert b"Hello" not in reply.body
    assert b"MARKER" not in reply.body
    assert (ledger.asked, len(world.errors), world.stats.running) == (1, int(status == 500), 0)


async def test_a_failure_that_cannot_be_put_on_record_is_answered_all_the_same(make_world, json_reply):
    world = make_world()
    world.relay._ledger = world.relay._ending._ledger = ledger = RefusingLedger(StorageUnavailable("full"))
    world.client.replies = [json_reply(b"<html>")]
    reply = await begin(world)
    await end(reply)
    assert (reply.status, ledger.asked, world.stats.running) == (503, 1, 0)


async def test_a_client_of_the_upstream_that_fails_where_it_must_not_is_reported_and_settled(make_world, json_reply, monkeypatch):
    world = make_world()
    world.client.replies = [json_reply(COMPLETION)]

    def fail(*_: object) -> None:
        raise RuntimeError("MARKER")

    monkeypatch.setattr(world.client, "begin", fail)
    reply = await begin(world)
    assert (reply.status, code_of(reply), len(world.errors)) == (500, "internal_error", 1)
    assert [entry.state for entry in world.ledger.entries] == [EntryState.FAILED]
    assert world.stats.running == 0


async def test_a_stream_is_sent_at_once_and_followed_by_a_task(make_world, stream_reply):
    world = make_world()
    world.client.replies = [stream_reply(event(chunk("x")), 0.01, event(FINISH), DONE)]
    reply = await begin(world, STREAMED)
    assert (reply.task, world.stats.running) == (None, 1)
    await until(lambda: reply.body)
    assert (reply.task is not None, world.stats.running) == (True, 1)
    await end(reply)
    assert reply.body.endswith(DONE)
    assert ([entry.state for entry in world.ledger.entries], world.stats.running) == ([EntryState.SETTLED], 0)


async def test_a_client_that_leaves_in_the_turn_in_which_its_reply_begins_is_counted_once(make_world, stream_reply):
    world = make_world()
    exchange = stream_reply(event(chunk("x")), 30.0, DONE)
    world.client.replies = [exchange]
    client = await begin(world, STREAMED)
    asyncio.get_running_loop().call_soon(client.leave)  # behind the reply's arrival, before the first step of the task that it starts
    await until(lambda: client.task is not None)
    await asyncio.wait([client.task])
    assert exchange.is_cancelled
    assert [(entry.state, entry.status) for entry in world.ledger.entries] == [(EntryState.CANCELLED, 499)]
    assert (client.status, world.errors) == (None, [])
    assert world.stats.running == 0
