"""Hostile and broken things on both sides of the relay."""

import json
from dataclasses import replace

import pytest

from anyrouter.core.errors import UpstreamBroken
from anyrouter.core.ledger import EntryState
from support.streams import CHAT, DONE, FINISH, MESSAGE_STREAMS, START, USAGE, chunk, event

BODY = {"model": "openai/gpt-4o", "messages": [{"role": "user", "content": "hi"}]}
MESSAGE_BODY = {"model": "anthropic/claude-test", "max_tokens": 5, "messages": [{"role": "user", "content": "hi"}], "stream": True}
FAILURE = event({"error": {"message": "the engine died", "code": "engine_error"}})
REPLY = {"id": "x", "object": "chat.completion", "created": 1, "model": "m", "choices": [], "usage": USAGE}


def code_of(downstream) -> str:
    return json.loads(downstream.body)["error"]["code"]


async def test_a_key_that_is_restricted_to_providers_calls_no_other(make_world, json_reply):
    world = make_world(providers=("anthropic",))
    world.client.replies = [json_reply(REPLY)]
    reply = await world.ask(BODY)
    assert (reply.status, world.client.sent) == (403, [])
    assert code_of(reply) == "provider_not_allowed"


@pytest.mark.parametrize("value", ["\u00b2", "1\u00b9"])
async def test_a_retry_after_that_is_no_number_is_ignored(make_world, json_reply, value):
    world = make_world()
    world.client.replies = [json_reply({"error": {"message": "slow down"}}, 429, retry_after=value)]
    # The header's bytes are ISO 8859-1.
    world.client.replies[0].headers[-1] = (b"retry-after", value.encode("latin-1"))
    reply = await world.ask(BODY)
    assert (reply.status, code_of(reply), world.errors) == (429, "upstream_rate_limited", [])


@pytest.mark.parametrize("value", ["Fri, 31 Dec 2100 23:59:59 GMT", "20.5", "7200"])
async def test_who_was_told_to_wait_longer_is_not_told_to_come_back_earlier(make_world, json_reply, value):
    world = make_world()
    world.client.replies = [json_reply({"error": {"message": "slow down"}}, 429, retry_after=value)]
    reply = await world.ask(BODY)
    assert int(reply.header("Retry-After")) >= {"20.5": 21, "7200": 7200}.get(value, 3600)


@pytest.mark.parametrize("value", ["", "-5", "soon", "1e9", "0x10", " 7 "])
async def test_any_retry_after_of_an_upstream_becomes_a_whole_number(make_world, json_reply, value):
    world = make_world()
    world.client.replies = [json_reply({"error": {"message": "slow down"}}, 429, retry_after=value)]
    reply = await world.ask(BODY)
    assert reply.status == 429
    assert 1 <= int(reply.header("Retry-After")) <= 3600


@pytest.mark.parametrize("parts", [[FAILURE + DONE], [event(chunk("a")) + FAILURE + DONE], [event(chunk("a")), FAILURE + DONE]])
async def test_an_error_and_the_end_in_one_read_are_a_failure(make_world, stream_reply, parts):
    world = make_world()
    world.client.replies = [stream_reply(*parts)]
    reply = await world.ask({**BODY, "stream": True})
    assert DONE not in reply.body
    assert b"the engine died" in reply.body
    entry = world.ledger.entries[0]
    assert (entry.state, len(world.ledger.entries)) == (EntryState.FAILED, 1)


@pytest.mark.parametrize("parts", [[FAILURE], [FAILURE, DONE]])
async def test_an_error_before_anything_is_a_real_status(make_world, stream_reply, parts):
    world = make_world()
    world.client.replies = [stream_reply(*parts)]
    reply = await world.ask({**BODY, "stream": True})
    assert (reply.status, world.ledger.entries[0].state) == (502, EntryState.FAILED)


@pytest.mark.parametrize("parts", [[FAILURE], [UpstreamBroken("cut")], [event({"error": {"message": "x", "code": "rate_limit_exceeded"}})]])
async def test_a_stream_that_failed_before_its_first_byte_costs_nothing(make_world, stream_reply, parts):
    world = make_world()
    world.client.replies = [stream_reply(*parts)]
    reply = await world.ask({**BODY, "stream": True})
    assert reply.status in (429, 502)
    assert [entry.cost_nanousd for entry in world.ledger.entries] == [0]


@pytest.mark.parametrize("parts", [[b'data: {"type":"\xff"}\n\n'], [event(START), b'data: {"type":"message_delta\xff"}\n\n']])
async def test_bytes_that_are_not_utf8_are_the_upstreams_failure_and_not_ours(make_world, stream_reply, parts):
    world = make_world()
    world.client.replies = [stream_reply(*parts)]
    await world.ask(MESSAGE_BODY, "messages")
    assert world.errors == []
    assert world.ledger.entries[0].error_code == "upstream_invalid_response"


async def test_a_stream_of_no_events_goes_to_the_next_target(make_world, make_upstream, stream_reply):
    world = make_world([make_upstream("a", "openai", 1), make_upstream("b", "openai", 2)])
    world.client.replies = [stream_reply(b'{"error":{"message":"overloaded"}}'), stream_reply(event(chunk("x")), event(FINISH), DONE)]
    reply = await world.ask({**BODY, "stream": True})
    assert (reply.status, reply.header("X-AnyRouter-Served-By")) == (200, "b; attempt=2")


async def test_a_comment_before_a_failure_does_not_rule_another_target_out(make_world, make_upstream, stream_reply):
    world = make_world([make_upstream("a", "openai", 1), make_upstream("b", "openai", 2)])
    world.client.replies = [stream_reply(b": OPENROUTER PROCESSING\n\n", FAILURE), stream_reply(event(chunk("x")), event(FINISH), DONE)]
    reply = await world.ask({**BODY, "stream": True})
    assert (reply.status, reply.header("X-AnyRouter-Served-By")) == (200, "b; attempt=2")


async def test_more_after_the_end_changes_nothing(make_world, stream_reply):
    world = make_world()
    stream = b"".join(map(event, CHAT)) + DONE
    world.client.replies = [stream_reply(stream + FAILURE, event(chunk("late")), UpstreamBroken("cut"))]
    reply = await world.ask({**BODY, "stream": True})
    assert reply.body.endswith(DONE)
    assert reply.is_finished
    assert [entry.state for entry in world.ledger.entries] == [EntryState.SETTLED]


@pytest.mark.parametrize("name", MESSAGE_STREAMS)
async def test_recorded_messages_are_settled_with_the_upstreams_count(make_world, stream_reply, name):
    world = make_world()
    stream = MESSAGE_STREAMS[name]
    world.client.replies = [stream_reply(*(stream[at : at + 37] for at in range(0, len(stream), 37)))]
    reply = await world.ask(MESSAGE_BODY, "messages")
    entry = world.ledger.entries[0]
    assert reply.body == stream
    assert (entry.state, entry.usage.input_tokens, entry.usage.output_tokens, entry.usage.source) == (EntryState.SETTLED, 17, 15, "exact")


@pytest.mark.parametrize("body", [b'{"model":1e999,"messages":[]}', b'{"model":"openai/gpt-4o","messages":[],"reasoning":{"x":1e999}}'])
async def test_no_number_of_the_clients_is_a_mistake_of_ours(make_world, json_reply, body):
    world = make_world()
    world.client.replies = [json_reply(REPLY)]
    reply = await world.ask(body)
    assert reply.status in (200, 400)
    assert world.errors == []


async def test_what_a_key_has_just_called_is_refused_when_its_models_are_narrowed(make_world, json_reply):
    world = make_world()
    world.client.replies = [json_reply(REPLY), json_reply(REPLY)]
    assert (await world.ask(BODY)).status == 200
    world.use(models=("openai/gpt-4o-mini",))
    assert code_of(await world.ask(BODY)) == "model_not_allowed"
    world.use(models=("openai/gpt-4o",))
    assert (await world.ask(BODY)).status == 200
    assert len(world.client.sent) == 2


async def test_a_pin_holds_for_its_own_request_only(make_world, make_upstream, json_reply):
    world = make_world([make_upstream("a", "openai", 1), make_upstream("b", "openai", 2)])
    world.client.replies = [json_reply(REPLY) for _ in range(4)]
    pins = [{}, {"x_anyrouter_provider": "b"}, {}, {"x_anyrouter_provider": "a"}]
    served = [(await world.ask(BODY, **pin)).header("X-AnyRouter-Served-By") for pin in pins]
    assert served == ["a; attempt=1", "b; attempt=1", "a; attempt=1", "a; attempt=1"]


async def test_a_new_configuration_holds_from_the_next_request_on(make_world, make_upstream, json_reply):
    world = make_world([make_upstream("a", "openai")])
    world.client.replies = [json_reply(REPLY), json_reply(REPLY)]
    assert (await world.ask(BODY)).header("X-AnyRouter-Served-By") == "a; attempt=1"
    world.relay.snapshot = replace(world.relay.snapshot, upstreams=(make_upstream("b", "openai"),), routes={})
    assert (await world.ask(BODY)).header("X-AnyRouter-Served-By") == "b; attempt=1"
    world.relay.snapshot = replace(world.relay.snapshot, upstreams=(), routes={})
    assert code_of(await world.ask(BODY)) == "no_route"


async def test_entries_of_one_lane_do_not_share_what_is_each_requests_own(make_world, json_reply):
    world = make_world()
    world.client.replies = [json_reply({**REPLY, "id": f"up-{n}"}) for n in range(3)]
    for n in range(3):
        await world.ask(BODY, **({"x_anyrouter_trace_id": f"trace-{n}", "x_title": f"app-{n}"} if n != 1 else {}))
    entries = world.ledger.entries
    assert [(entry.trace_id, entry.app_title, entry.upstream_id) for entry in entries] == [
        ("trace-0", "app-0", "up-0"),
        (None, None, "up-1"),
        ("trace-2", "app-2", "up-2"),
    ]
    assert len({entry.generation_id for entry in entries}) == len({entry.request_id for entry in entries}) == 3


async def test_a_status_counts_also_when_its_text_is_too_long(make_world, json_reply):
    world = make_world()
    world.client.replies = [json_reply({"error": {"message": "x" * 100_000}}, 429, retry_after="9")]
    reply = await world.ask(BODY)
    assert (reply.status, reply.header("Retry-After")) == (429, "9")
