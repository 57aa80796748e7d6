import asyncio
import json
from datetime import UTC, datetime, timedelta

import pytest

from anyrouter.core.errors import ConnectFailed, UpstreamBroken, UpstreamTimeout
from anyrouter.core.ledger import EntryState
from anyrouter.core.usage import UsageSource

CHAT = {"model": "openai/gpt-4o", "messages": [{"role": "user", "content": "hi"}]}
MESSAGES = {"model": "anthropic/claude-test", "max_tokens": 5, "messages": [{"role": "user", "content": "hi"}]}
COMPLETION = {
    "id": "chatcmpl-123",
    "object": "chat.completion",
    "created": 1700000000,
    "model": "gpt-4o-2024-08-06",
    "choices": [{"index": 0, "message": {"role": "assistant", "content": "Hello"}, "finish_reason": "stop"}],
    "usage": {"prompt_tokens": 100, "completion_tokens": 10, "total_tokens": 110},
}
MESSAGE = {
    "id": "msg_1",
    "type": "message",
    "role": "assistant",
    "model": "claude-test",
    "content": [{"type": "text", "text": "Hi"}],
    "stop_reason": "end_turn",
    "usage": {"input_tokens": 10, "output_tokens": 5, "cache_read_input_tokens": 30, "cache_creation_input_tokens": 7},
}


def event(value: object) -> bytes:
    return b"data: " + json.dumps(value, separators=(",", ":")).encode() + b"\n\n"


def chunk(text: str | None = None, **changes: object) -> bytes:
    delta = {} if text is None else {"content": text}
    base = {"id": "chatcmpl-9", "object": "chat.completion.chunk", "created": 1, "model": "gpt-4o-x"}
    return event({**base, "choices": [{"index": 0, "delta": delta, "finish_reason": None}], **changes})


FINISH = chunk(choices=[{"index": 0, "delta": {}, "finish_reason": "stop"}])
USAGE = chunk(choices=[], usage=COMPLETION["usage"])
DONE = b"data: [DONE]\n\n"


def body_of(downstream) -> dict:
    return json.loads(downstream.body)


def fields(downstream) -> list[dict]:
    return [json.loads(line[6:]) for line in downstream.body.decode().split("\n\n") if line.startswith("data: {")]


async def test_a_completion_is_forwarded_with_its_model_and_answered_with_our_names_and_cost(make_world, json_reply):
    world = make_world()
    world.client.replies = [json_reply(COMPLETION)]
    reply = await world.ask(CHAT)
    answer = body_of(reply)
    assert world.client.bodies() == [{**CHAT, "model": "gpt-4o"}]
    assert reply.status == 200
    assert answer["id"] == reply.header("X-Generation-Id") == world.ledger.entries[0].generation_id
    assert (answer["model"], answer["provider"]) == ("openai/gpt-4o", "OpenAI")
    assert answer["usage"]["cost"] == 0.00035
    assert world.ledger.entries[0].cost_nanousd == 350_000
    assert reply.header("X-AnyRouter-Served-By") == "openai; attempt=1"


async def test_an_intent_is_on_record_before_the_upstream_is_asked_and_one_entry_after(make_world, json_reply):
    world = make_world()
    world.client.replies = [json_reply(COMPLETION)]
    await world.ask(CHAT)
    assert [intent.generation_id for intent in world.ledger.intents] == [entry.generation_id for entry in world.ledger.entries]


async def test_a_ledger_that_cannot_be_written_is_503_and_the_upstream_is_not_asked(make_world):
    world = make_world()
    world.ledger.is_broken = True
    reply = await world.ask(CHAT)
    assert (reply.status, body_of(reply)["error"]["code"], world.client.sent) == (503, "storage_unavailable", [])
    assert reply.header("Retry-After") == "1"


@pytest.mark.parametrize(
    ("failure", "status"),
    [
        (ConnectFailed("refused"), 0),
        (UpstreamTimeout("late", phase="first_byte"), 0),
        (429, 429),
        (500, 500),
        (529, 529),
        (401, 401),
    ],
)
async def test_another_target_is_tried_before_the_first_byte(make_world, make_upstream, json_reply, failure, status):
    world = make_world([make_upstream("second", "openai", 2), make_upstream("first", "openai", 1)])
    bad = failure if isinstance(failure, Exception) else json_reply({"error": {"message": "no"}}, failure)
    world.client.replies = [bad, json_reply(COMPLETION)]
    reply = await world.ask(CHAT)
    assert (reply.status, reply.header("X-AnyRouter-Served-By")) == (200, "second; attempt=2")
    entry = world.ledger.entries[0]
    assert [(attempt.upstream, attempt.status) for attempt in entry.attempts] == [("first", status), ("second", 200)]
    assert (entry.attempt, len(world.ledger.entries)) == (2, 1)


@pytest.mark.parametrize(
    ("upstream_status", "status", "code"),
    [
        (400, 400, "invalid_parameter"),
        (404, 404, "model_not_found"),
        (413, 413, "body_too_large"),
        (422, 422, "unprocessable"),
        (401, 502, "upstream_error"),
        (403, 502, "upstream_error"),
        (429, 429, "upstream_rate_limited"),
        (500, 502, "upstream_error"),
        (503, 503, "no_healthy_upstream"),
        (529, 503, "no_healthy_upstream"),
        (504, 504, "upstream_timeout"),
        (302, 502, "upstream_error"),
    ],
)
async def test_what_an_upstreams_status_becomes(make_world, json_reply, upstream_status, status, code):
    world = make_world()
    world.client.replies = [json_reply({"error": {"message": "because sk-MARKER-openai"}}, upstream_status, retry_after="7")]
    reply = await world.ask(CHAT)
    error = body_of(reply)["error"]
    assert (reply.status, error["code"]) == (status, code)
    assert b"MARKER" not in reply.body
    assert error["metadata"]["provider_status"] == upstream_status
    assert len(error["metadata"]["attempts"]) == 1
    assert world.ledger.entries[0].state is EntryState.FAILED
    assert world.ledger.entries[0].cost_nanousd == 0
    if status == 429:
        assert reply.header("Retry-After") == "7"


async def test_a_prompt_over_the_context_is_413_with_the_words_that_clients_look_for(make_world, json_reply):
    world = make_world()
    world.client.replies = [json_reply({"error": {"message": "too many tokens", "code": "context_length_exceeded"}}, 400)]
    reply = await world.ask(CHAT)
    assert (reply.status, body_of(reply)["error"]["code"]) == (413, "context_length_exceeded")
    assert "maximum context length" in body_of(reply)["error"]["message"]


async def test_200_without_choices_is_never_passed_on(make_world, json_reply):
    world = make_world()
    for body in ({"id": "x"}, {"choices": None}, b"<html>", b"", {"choices": "no"}):
        world.client.replies = [json_reply(body)]
        reply = await world.ask(CHAT)
        assert (reply.status, body_of(reply)["error"]["code"]) == (502, "upstream_invalid_response")


async def test_a_reply_without_usage_is_estimated_and_marked(make_world, json_reply):
    world = make_world()
    world.client.replies = [json_reply({name: value for name, value in COMPLETION.items() if name != "usage"})]
    reply = await world.ask(CHAT)
    usage = body_of(reply)["usage"]
    assert world.ledger.entries[0].usage.source is UsageSource.ESTIMATED
    assert usage["total_tokens"] == usage["prompt_tokens"] + usage["completion_tokens"] > 1


async def test_a_stream_is_passed_event_by_event_and_billed_without_showing_the_usage_chunk(make_world, stream_reply):
    world = make_world()
    world.client.replies = [stream_reply(chunk("Hel"), chunk("lo"), FINISH, USAGE, DONE)]
    reply = await world.ask({**CHAT, "stream": True})
    assert world.client.bodies()[0]["stream_options"] == {"include_usage": True}
    assert reply.is_finished
    assert reply.body.endswith(DONE)
    assert all(part["choices"] for part in fields(reply))
    assert {part["id"] for part in fields(reply)} == {reply.header("X-Generation-Id")}
    assert {part["model"] for part in fields(reply)} == {"openai/gpt-4o"}
    entry = world.ledger.entries[0]
    assert (entry.usage.input_tokens, entry.usage.source, entry.finish_reason) == (100, UsageSource.EXACT, "stop")


async def test_usage_comes_exactly_once_before_done_when_it_is_asked_for(make_world, stream_reply):
    world = make_world()
    world.client.replies = [stream_reply(chunk("a", usage=COMPLETION["usage"]), FINISH, USAGE, USAGE, DONE)]
    reply = await world.ask({**CHAT, "stream": True, "stream_options": {"include_usage": True}})
    told = [part for part in fields(reply) if part.get("usage")]
    assert len(told) == 1
    assert (told[0]["choices"], told[0]["usage"]["total_tokens"], told[0]["usage"]["cost"]) == ([], 110, 0.00035)
    assert fields(reply)[-1] == told[0]


async def test_usage_that_came_with_choices_only_is_still_told_in_a_chunk_of_its_own(make_world, stream_reply):
    world = make_world()
    world.client.replies = [stream_reply(chunk("a"), chunk("b", usage=COMPLETION["usage"]), FINISH, DONE)]
    reply = await world.ask({**CHAT, "stream": True, "usage": {"include": True}})
    assert fields(reply)[-1]["choices"] == []
    assert fields(reply)[-1]["usage"]["total_tokens"] == 110
    assert "usage" not in world.client.bodies()[0]


async def test_a_stream_that_breaks_before_its_first_event_goes_to_the_next_target(make_world, make_upstream, stream_reply):
    world = make_world([make_upstream("a", "openai", 1), make_upstream("b", "openai", 2)])
    world.client.replies = [stream_reply(UpstreamBroken("cut")), stream_reply(chunk("x"), FINISH, DONE)]
    reply = await world.ask({**CHAT, "stream": True})
    assert (reply.status, reply.header("X-AnyRouter-Served-By")) == (200, "b; attempt=2")


async def test_a_stream_that_breaks_later_ends_with_an_error_event_and_is_billed_for_what_was_delivered(make_world, stream_reply):
    world = make_world()
    world.client.replies = [stream_reply(chunk("a" * 40), chunk("b" * 40), UpstreamBroken("cut"))]
    reply = await world.ask({**CHAT, "stream": True})
    last = fields(reply)[-1]
    assert reply.status == 200
    assert reply.is_finished
    assert last["choices"][0]["finish_reason"] == "error"
    assert DONE not in reply.body
    entry = world.ledger.entries[0]
    assert (entry.state, entry.usage.source, entry.usage.output_tokens) == (EntryState.FAILED, UsageSource.ESTIMATED, 20)


async def test_an_error_event_first_in_a_stream_is_a_real_status(make_world, stream_reply):
    world = make_world()
    world.client.replies = [stream_reply(event({"error": {"message": "slow down", "code": "rate_limit_exceeded"}}))]
    reply = await world.ask({**CHAT, "stream": True})
    assert (reply.status, body_of(reply)["error"]["code"]) == (429, "upstream_rate_limited")


async def test_a_client_that_leaves_is_billed_for_what_was_used(make_world, stream_reply):
    world = make_world()
    world.client.replies = [stream_reply(chunk("x" * 40), 30.0, DONE)]
    exchange = world.client.replies[0]
    head = world.head()
    principal = await world.relay.find(head)
    downstream = world.new_downstream()
    task = asyncio.create_task(world.run(head, principal, json.dumps({**CHAT, "stream": True}).encode(), downstream))
    while not downstream.body:  # noqa: ASYNC110 -- the memory downstream has no event to wait for
        await asyncio.sleep(0)
    downstream.leave()
    await task
    entry = world.ledger.entries[0]
    assert exchange.is_cancelled
    assert (entry.state, entry.status, entry.usage.output_tokens) == (EntryState.CANCELLED, 499, 10)
    assert entry.cost_nanousd > 0


async def test_a_slow_client_pauses_the_upstream(make_world, stream_reply):
    world = make_world()
    world.client.replies = [stream_reply(chunk("x"), 0.05, FINISH, DONE)]
    exchange = world.client.replies[0]
    head = world.head()
    principal = await world.relay.find(head)
    downstream = world.new_downstream()
    task = asyncio.create_task(world.run(head, principal, json.dumps({**CHAT, "stream": True}).encode(), downstream))
    while not downstream.body:  # noqa: ASYNC110 -- the memory downstream has no event to wait for
        await asyncio.sleep(0)
    downstream.watcher.pause()
    assert exchange.paused == 1
    downstream.watcher.resume()
    assert exchange.paused == 0
    await task


async def test_silence_is_filled_with_comments(make_world, stream_reply):
    world = make_world()
    world.client.replies = [stream_reply(0.05, chunk("x"), FINISH, DONE)]
    head = world.head()
    principal = await world.relay.find(head)
    downstream = world.new_downstream()
    task = asyncio.create_task(world.run(head, principal, json.dumps({**CHAT, "stream": True}).encode(), downstream))
    await asyncio.sleep(0.01)
    for _ in range(15):
        world.relay.tick()
    assert downstream.body == b": keep-alive\n\n"
    await task
    assert downstream.body.endswith(DONE)


async def test_a_client_that_sends_no_more_is_asked_every_second_whether_it_is_there(make_world, stream_reply):
    world = make_world()
    world.client.replies = [stream_reply(chunk("x"), 0.05, FINISH, DONE)]
    head = world.head()
    principal = await world.relay.find(head)
    downstream = world.new_downstream()
    task = asyncio.create_task(world.run(head, principal, json.dumps({**CHAT, "stream": True}).encode(), downstream))
    await asyncio.sleep(0.01)
    world.relay.tick()
    assert b"keep-alive" not in downstream.body
    downstream.is_half_closed = True
    world.relay.tick()
    assert downstream.body.endswith(b": keep-alive\n\n")
    await task


async def test_a_message_keeps_its_id_and_usage_and_cache_tokens_are_counted_once(make_world, json_reply):
    world = make_world()
    world.client.replies = [json_reply(MESSAGE)]
    reply = await world.ask(MESSAGES, "messages", anthropic_beta="x-1")
    assert body_of(reply) == {**MESSAGE, "provider": "Anthropic"}
    head = world.client.sent[0][0]
    assert b"anthropic-beta: x-1\r\n" in head
    assert b"anthropic-version: 2023-06-01\r\n" in head
    assert b"x-api-key: sk-MARKER-anthropic\r\n" in head
    usage = world.ledger.entries[0].usage
    assert (usage.input_tokens, usage.cache_read_tokens, usage.cache_write_tokens, usage.output_tokens) == (47, 30, 7, 5)


async def test_a_message_stream_is_passed_unchanged_and_read(make_world, stream_reply):
    events = [
        b'event: message_start\ndata: {"type":"message_start","message":{"id":"msg_7","usage":{"input_tokens":9,"output_tokens":1}}}\n\n',
        b'event: content_block_delta\ndata: {"type":"content_block_delta","index":0,"delta":{"type":"text_delta","text":"Hi"}}\n\n',
        b'event: message_delta\ndata: {"type":"message_delta","delta":{"stop_reason":"tool_use"},"usage":{"output_tokens":15}}\n\n',
        b'event: message_stop\ndata: {"type":"message_stop"}\n\n',
    ]
    world = make_world()
    world.client.replies = [stream_reply(*events)]
    reply = await world.ask({**MESSAGES, "stream": True}, "messages")
    entry = world.ledger.entries[0]
    assert reply.body == b"".join(events)
    assert (entry.usage.input_tokens, entry.usage.output_tokens, entry.usage.source) == (9, 15, UsageSource.EXACT)
    assert (entry.finish_reason, entry.native_finish_reason, entry.upstream_id) == ("tool_calls", "tool_use", "msg_7")


async def test_errors_on_messages_have_the_anthropic_envelope(make_world):
    world = make_world()
    reply = await world.ask(b"{", "messages")
    assert body_of(reply)["type"] == "error"
    assert body_of(reply)["error"]["type"] == "invalid_request_error"
    assert body_of(reply)["request_id"] == reply.header("X-Request-Id")


async def test_a_chat_with_a_model_of_another_dialect_is_translated_both_ways(make_world, json_reply):
    world = make_world()
    world.client.replies = [json_reply(MESSAGE)]
    reply = await world.ask({**CHAT, "model": "anthropic/claude-test", "max_tokens": 7})
    [sent] = world.client.bodies()
    assert (sent["model"], sent["max_tokens"], sent["messages"][0]["role"]) == ("claude-test", 7, "user")
    assert world.client.sent[0][0].startswith(b"POST /v1/messages HTTP/1.1\r\n")
    told = body_of(reply)
    assert (reply.status, told["object"], told["model"], told["id"]) == (
        200,
        "chat.completion",
        "anthropic/claude-test",
        reply.header("X-Generation-Id"),
    )
    assert told["choices"][0]["message"]["content"] == "Hi"
    assert (told["usage"]["prompt_tokens"], told["usage"]["completion_tokens"]) == (47, 5)
    entry = world.ledger.entries[0]
    assert (entry.usage.input_tokens, entry.usage.cache_read_tokens, entry.provider, entry.upstream_id) == (47, 30, "anthropic", "msg_1")


async def test_a_stream_of_another_dialect_is_translated_and_billed(make_world, stream_reply):
    world = make_world()
    world.client.replies = [stream_reply(chunk("Hello"), FINISH, event({"id": "x", "choices": [], "usage": COMPLETION["usage"]}), DONE)]
    reply = await world.ask({**MESSAGES, "model": "openai/gpt-4o", "stream": True}, "messages")
    assert reply.status == 200
    assert b"event: message_start" in reply.body
    assert b'"text":"Hello"' in reply.body
    assert reply.body.rstrip().endswith(b'{"type":"message_stop"}')
    assert world.client.bodies()[0]["stream_options"] == {"include_usage": True}
    entry = world.ledger.entries[0]
    assert (entry.state, entry.usage.input_tokens, entry.usage.output_tokens) == (EntryState.SETTLED, 100, 10)


async def test_a_translated_stream_that_breaks_ends_with_the_clients_own_error_event(make_world, stream_reply):
    world = make_world()
    world.client.replies = [stream_reply(chunk("Hello"), UpstreamBroken("cut"))]
    reply = await world.ask({**MESSAGES, "model": "openai/gpt-4o", "stream": True}, "messages")
    assert b"event: error" in reply.body
    assert b"[DONE]" not in reply.body
    assert world.ledger.entries[0].state is EntryState.FAILED


async def test_a_request_that_the_translation_cannot_read_is_the_clients_fault_and_is_not_sent(make_world):
    world = make_world()
    reply = await world.ask({**CHAT, "model": "anthropic/claude-test", "messages": [{"role": "user", "content": [{"type": "text"}]}]})
    assert (reply.status, body_of(reply)["error"]["type"]) == (400, "invalid_request_error")
    assert "messages" in body_of(reply)["error"]["param"]
    assert (world.client.sent, world.ledger.intents) == ([], [])


async def test_a_fallback_to_another_dialect_is_encoded_anew(make_world, json_reply, make_upstream):
    both = {"openai/*": "", "anthropic/*": ""}
    world = make_world([make_upstream("a", "anthropic", 0, models=both), make_upstream("b", "openai", 1, models=both)])
    world.client.replies = [json_reply({"error": {"message": "no"}}, 500), json_reply(COMPLETION)]
    reply = await world.ask(CHAT)
    assert (reply.status, body_of(reply)["choices"][0]["message"]["content"]) == (200, "Hello")
    first, second = world.client.bodies()
    assert "max_tokens" in first
    assert second == {**CHAT, "model": "gpt-4o"}


@pytest.mark.parametrize(
    ("body", "status", "code"),
    [
        (b"", 400, "invalid_json"),
        (b"[]", 400, "invalid_json"),
        (b"null", 400, "invalid_json"),
        (b'{"model":"openai/gpt-4o","messages":[],}', 400, "invalid_json"),
        (b'{"model":"openai/gpt-4o","messages":"\xff"}', 400, "invalid_json"),
        (b'{"a":' + b"[" * 100_000 + b"]" * 100_000 + b"}", 400, "invalid_json"),
        (b'{"messages":[]}', 400, "missing_parameter"),
        (b'{"model":null,"messages":[]}', 400, "invalid_parameter"),
        (b'{"model":7,"messages":[]}', 400, "invalid_parameter"),
        (b'{"model":"","messages":[]}', 400, "invalid_parameter"),
        (b'{"model":"a\\u0000b","messages":[]}', 400, "invalid_parameter"),
        (b'{"model":"openai/gpt-4o"}', 400, "missing_parameter"),
        (b'{"model":"openai/gpt-4o","messages":[],"stream":"yes"}', 400, "invalid_parameter"),
        (b'{"model":"openai/gpt-4o","messages":[],"stream":true,"stream_options":3}', 400, "invalid_parameter"),
        (b'{"model":"openai/gpt-4o","messages":[],"api_base":"http://evil"}', 400, "invalid_parameter"),
        (b'{"model":"openai/gpt-4o","messages":[],"\\u0061pi_key":"x"}', 400, "invalid_parameter"),
        (b'{"model":"nobody/knows","messages":[]}', 404, "model_not_found"),
        (b'{"model":"nowhere/model","messages":[]}', 404, "no_route"),
        (b'{"model":"openai/gpt-4o ","messages":[]}', 404, "model_not_found"),
        (b'{"model":"openai/GPT-4o","messages":[]}', 404, "model_not_found"),
    ],
)
async def test_bad_bodies_are_refused_before_anything_is_counted_or_sent(make_world, body, status, code):
    world = make_world(rate_limit_rpm=1)
    reply = await world.ask(body)
    assert (reply.status, body_of(reply)["error"]["code"]) == (status, code)
    assert world.client.sent == []
    assert reply.header("X-RateLimit-Remaining") == "1"


async def test_of_a_repeated_member_the_last_counts_and_is_the_only_one_sent(make_world, json_reply):
    world = make_world(models=("openai/gpt-4o-mini",))
    world.client.replies = [json_reply(COMPLETION)]
    reply = await world.ask(b'{"model":"openai/gpt-4o","mod\\u0065l":"openai/gpt-4o-mini","messages":[]}')
    assert reply.status == 200
    assert world.client.sent[0][1].count(b"model") == 1
    assert world.client.bodies()[0]["model"] == "gpt-4o-mini"
    refused = await world.ask(b'{"model":"openai/gpt-4o-mini","messages":[],"model":"openai/gpt-4o"}')
    assert (refused.status, body_of(refused)["error"]["code"]) == (403, "model_not_allowed")


async def test_a_bare_name_is_judged_by_what_it_stands_for(make_world, json_reply):
    world = make_world(models=("openai/gpt-4o-mini",))
    assert (await world.ask({**CHAT, "model": "gpt-4o"})).status == 403
    world.client.replies = [json_reply(COMPLETION)]
    assert (await world.ask({**CHAT, "model": "gpt-4o-mini"})).status == 200


async def test_the_gateways_own_members_are_cut_out_and_unknown_ones_travel(make_world, json_reply):
    world = make_world()
    world.client.replies = [json_reply(COMPLETION)]
    await world.ask({**CHAT, "provider": {"order": ["x"]}, "session_id": "s", "route": "fallback", "future_member": {"a": [1.50, "ü"]}})
    assert world.client.bodies()[0] == {**CHAT, "model": "gpt-4o", "future_member": {"a": [1.50, "ü"]}}


async def test_clients_headers_do_not_leave(make_world, json_reply):
    world = make_world()
    world.client.replies = [json_reply(COMPLETION)]
    await world.ask(CHAT, cookie="MARKER", x_forwarded_for="1.2.3.4", traceparent="00-1", openai_organization="org-1", x_evil="1")
    head = world.client.sent[0][0].lower()
    for name in (b"cookie", b"x-forwarded", b"traceparent", b"organization", b"evil", world.text.lower().encode()):
        assert name not in head


async def test_the_request_over_the_limit_is_429_and_says_when(make_world, json_reply):
    world = make_world(rate_limit_rpm=2)
    world.client.replies = [json_reply(COMPLETION), json_reply(COMPLETION)]
    replies = [await world.ask(CHAT) for _ in range(3)]
    assert [reply.status for reply in replies] == [200, 200, 429]
    assert [reply.header("X-RateLimit-Remaining") for reply in replies] == ["1", "0", "0"]
    assert body_of(replies[2])["error"]["metadata"]["limited_by"] == "key"
    assert 59 <= int(replies[2].header("Retry-After")) <= 60


async def test_a_pin_goes_to_that_upstream_without_fallback_and_an_unknown_one_is_400(make_world, make_upstream, json_reply):
    world = make_world([make_upstream("a", "openai", 1), make_upstream("b", "openai", 2)])
    world.client.replies = [json_reply({}, 500)]
    reply = await world.ask(CHAT, x_anyrouter_provider="b")
    assert (reply.status, [attempt.upstream for attempt in world.ledger.entries[0].attempts]) == (502, ["b"])
    assert (await world.ask(CHAT, x_anyrouter_provider="nobody")).status == 400


async def test_a_trace_id_is_echoed_and_stored_and_a_bad_one_refused(make_world, json_reply):
    world = make_world()
    world.client.replies = [json_reply(COMPLETION)]
    reply = await world.ask(CHAT, x_anyrouter_trace_id="trace 1")
    assert reply.header("X-AnyRouter-Trace-Id") == world.ledger.entries[0].trace_id == "trace 1"
    for bad in ("", "x" * 129, "tä"):
        assert (await world.ask(CHAT, x_anyrouter_trace_id=bad)).status == 400


async def test_a_key_near_its_end_says_so(make_world, json_reply):
    moment = datetime.now(UTC) + timedelta(days=3)
    world = make_world(expires_at=moment)
    world.client.replies = [json_reply(COMPLETION)]
    reply = await world.ask(CHAT)
    assert reply.header("AnyRouter-Key-Expires") == moment.strftime("%Y-%m-%dT%H:%M:%SZ")


async def test_a_mistake_of_ours_is_a_500_without_details_and_is_reported(make_world):
    world = make_world()
    world.client.replies = []
    reply = await world.ask(CHAT)
    assert (reply.status, body_of(reply)["error"]["code"]) == (500, "internal_error")
    assert b"pop" not in reply.body
    assert len(world.errors) == 1
    assert len(world.ledger.entries) == 1
