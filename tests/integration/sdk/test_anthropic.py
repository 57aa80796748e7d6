"""The official Anthropic SDK through the gateway to a scripted live upstream, and with a test key to the sandbox."""

import asyncio
import json
import time
from collections.abc import Callable
from typing import Any

import anthropic
import pytest
from pydantic import BaseModel

from support.served import ANTHROPIC_MODEL, MESSAGE, OPENAI_MODEL, UPSTREAM_KEY, Served, message_events, named_event
from support.upstream import Answer, Received, ScriptedUpstream, json_answer, stream_answer

MESSAGES: Any = [{"role": "user", "content": "Hello there"}]
WEATHER: Any = {"name": "weather", "input_schema": {"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"]}}
COST = 100 * 2e-6 + 10 * 10e-6


class Person(BaseModel):
    name: str
    age: int


def ask(client: anthropic.Anthropic, **members: Any) -> Any:
    return client.messages.create(**({"model": ANTHROPIC_MODEL, "max_tokens": 100, "messages": MESSAGES} | members))


def endless(_: Received) -> Answer:
    return stream_answer(*message_events("word " * 2000), delay_s=0.02)


def test_a_message(anthropic_sdk: anthropic.Anthropic, served: Served) -> None:
    reply = ask(anthropic_sdk, system="Be kind.", stop_sequences=["."])
    assert reply.content[0].text == "Hello from upstream"
    assert (reply.id, reply.usage.input_tokens, reply.usage.output_tokens) == ("msg_upstream", 100, 10)
    assert reply.provider == "Anthropic"
    assert reply._request_id.startswith("req-")
    (received,) = served.upstream.received
    assert received.path == "/v1/messages"
    assert received.json() == {
        "model": "claude-sonnet-5",
        "max_tokens": 100,
        "messages": MESSAGES,
        "system": "Be kind.",
        "stop_sequences": ["."],
    }


async def test_a_message_asynchronously(anthropic_async: anthropic.AsyncAnthropic, served: Served) -> None:
    reply: Any = await anthropic_async.messages.create(model=ANTHROPIC_MODEL, max_tokens=100, messages=MESSAGES)
    assert reply.content[0].text == "Hello from upstream"


def test_the_version_and_the_betas_go_on_and_the_key_does_not(anthropic_sdk: anthropic.Anthropic, served: Served) -> None:
    anthropic_sdk.beta.messages.create(model=ANTHROPIC_MODEL, max_tokens=100, messages=MESSAGES, betas=["one-2026-01-01", "two-2026-01-01"])
    (received,) = served.upstream.received
    assert received.headers["anthropic-version"] == anthropic_sdk.default_headers["anthropic-version"]
    assert received.headers["anthropic-beta"].replace(" ", "") == "one-2026-01-01,two-2026-01-01"
    assert received.headers["x-api-key"] == UPSTREAM_KEY
    assert "authorization" not in received.headers
    assert served.live_key not in str(received)


@pytest.mark.parametrize("path", ["", "/api", "/api/"])
def test_the_base_url_may_be_the_root_or_api(anthropic_sdk: anthropic.Anthropic, served: Served, path: str) -> None:
    client = anthropic_sdk.with_options(base_url=f"{served.base_url}{path}")
    assert ask(client).content[0].text == "Hello from upstream"
    assert client.messages.count_tokens(model=ANTHROPIC_MODEL, messages=MESSAGES).input_tokens == 14


def test_a_bare_model_name_is_enough(anthropic_sdk: anthropic.Anthropic, upstream: ScriptedUpstream) -> None:
    ask(anthropic_sdk, model="claude-sonnet-5")
    assert upstream.received[0].json()["model"] == "claude-sonnet-5"


def test_what_it_cost_is_in_the_generation(anthropic_sdk: anthropic.Anthropic, served: Served) -> None:
    raw = anthropic_sdk.messages.with_raw_response.create(model=ANTHROPIC_MODEL, max_tokens=100, messages=MESSAGES)
    for identity in (raw.headers["x-generation-id"], raw.parse().id):
        told = served.generation(identity)
        assert told["total_cost"] == pytest.approx(COST, abs=1e-12)
        assert (told["tokens_prompt"], told["tokens_completion"], told["usage_source"]) == (100, 10, "exact")
        assert (told["finish_reason"], told["native_finish_reason"]) == ("stop", "end_turn")


def test_cached_tokens_are_billed_at_their_own_prices(anthropic_sdk: anthropic.Anthropic, served: Served) -> None:
    usage = {"input_tokens": 10, "output_tokens": 5, "cache_read_input_tokens": 1000, "cache_creation_input_tokens": 200}
    served.upstream.handle = lambda _: json_answer({**MESSAGE, "id": "msg_cached", "usage": usage})
    told_by_reply = ask(anthropic_sdk).usage
    assert (told_by_reply.input_tokens, told_by_reply.cache_read_input_tokens, told_by_reply.cache_creation_input_tokens) == (10, 1000, 200)
    told = served.generation("msg_cached")
    assert told["total_cost"] == pytest.approx(10 * 2e-6 + 1000 * 0.2e-6 + 200 * 2.5e-6 + 5 * 10e-6, abs=1e-12)
    assert (told["tokens_prompt"], told["native_tokens_cached"], told["native_tokens_cache_write"]) == (1210, 1000, 200)


def test_tokens_of_thinking_are_told_and_are_part_of_the_output(anthropic_sdk: anthropic.Anthropic, served: Served) -> None:
    details = {"output_tokens": 10, "output_tokens_details": {"thinking_tokens": 7}}
    served.upstream.handle = lambda _: json_answer({**MESSAGE, "id": "msg_thought", "usage": {"input_tokens": 100, **details}})
    assert ask(anthropic_sdk).usage.output_tokens_details.thinking_tokens == 7
    start, *middle, _, stop = message_events("one")
    end = named_event("message_delta", delta={"stop_reason": "end_turn", "stop_sequence": None}, usage=details)
    served.upstream.handle = lambda _: stream_answer(start, *middle, end, stop)
    with ask(anthropic_sdk, stream=True) as stream:
        assert [event.type for event in stream][-1] == "message_stop"
    for identity in ("msg_thought", stream.response.headers["x-generation-id"]):
        told = served.generation(identity)
        assert (told["native_tokens_reasoning"], told["tokens_completion"]) == (7, 10)
        assert told["total_cost"] == pytest.approx(COST, abs=1e-12)


def test_parallel_tools_and_the_way_back(anthropic_sdk: anthropic.Anthropic, upstream: ScriptedUpstream) -> None:
    calls = [{"type": "tool_use", "id": f"toolu_{city}", "name": "weather", "input": {"city": city}} for city in ("Oslo", "Zürich")]
    upstream.handle = lambda _: json_answer({**MESSAGE, "content": calls, "stop_reason": "tool_use"})
    reply = ask(anthropic_sdk, tools=[WEATHER])
    assert [block.input["city"] for block in reply.content] == ["Oslo", "Zürich"]
    results: Any = [{"type": "tool_result", "tool_use_id": block.id, "content": "sunny ☀"} for block in reply.content]
    ask(
        anthropic_sdk,
        tools=[WEATHER],
        messages=[*MESSAGES, {"role": "assistant", "content": reply.content}, {"role": "user", "content": results}],
    )
    sent = upstream.received[-1].json()["messages"]
    assert [block["input"] for block in sent[1]["content"]] == [{"city": "Oslo"}, {"city": "Zürich"}]
    assert sent[2]["content"] == results


def test_a_structured_output_is_parsed_into_a_model(anthropic_sdk: anthropic.Anthropic, upstream: ScriptedUpstream) -> None:
    upstream.handle = lambda _: json_answer({**MESSAGE, "content": [{"type": "text", "text": '{"name":"Ada","age":36}'}]})
    reply = anthropic_sdk.messages.parse(model=ANTHROPIC_MODEL, max_tokens=100, messages=MESSAGES, output_format=Person)
    assert reply.parsed_output == Person(name="Ada", age=36)


def test_a_raw_stream_has_every_event(anthropic_sdk: anthropic.Anthropic, served: Served) -> None:
    served.upstream.handle = lambda _: stream_answer(*message_events("one two"))
    with ask(anthropic_sdk, stream=True) as stream:
        kinds = [event.type for event in stream]
    assert kinds == [
        "message_start",
        "content_block_start",
        *["content_block_delta"] * 2,
        "content_block_stop",
        "message_delta",
        "message_stop",
    ]


def test_a_stream_is_accumulated_and_billed_to_the_token(anthropic_sdk: anthropic.Anthropic, served: Served) -> None:
    served.upstream.handle = lambda _: stream_answer(*message_events("one two three"))
    with anthropic_sdk.messages.stream(model=ANTHROPIC_MODEL, max_tokens=100, messages=MESSAGES) as stream:
        text = "".join(stream.text_stream)
        final = stream.get_final_message()
        identity = stream.response.headers["x-generation-id"]
    assert text == "one two three "
    assert (final.stop_reason, final.usage.output_tokens) == ("end_turn", 3)
    told = served.generation(identity)
    assert told["total_cost"] == pytest.approx(100 * 2e-6 + 3 * 10e-6, abs=1e-12)
    assert (told["streamed"], told["usage_source"], told["upstream_id"]) == (True, "exact", "msg_stream")


def test_streamed_parts_of_a_tools_input(anthropic_sdk: anthropic.Anthropic, upstream: ScriptedUpstream) -> None:
    parts = ['{"ci', 'ty": "Zü', "rich", ' \\"☀\\""}']
    upstream.handle = lambda _: stream_answer(
        message_events("")[0],
        named_event("content_block_start", index=0, content_block={"type": "tool_use", "id": "toolu_1", "name": "weather", "input": {}}),
        *(named_event("content_block_delta", index=0, delta={"type": "input_json_delta", "partial_json": part}) for part in parts),
        named_event("content_block_stop", index=0),
        named_event("message_delta", delta={"stop_reason": "tool_use", "stop_sequence": None}, usage={"output_tokens": 9}),
        named_event("message_stop"),
    )
    with anthropic_sdk.messages.stream(model=ANTHROPIC_MODEL, max_tokens=100, messages=MESSAGES, tools=[WEATHER]) as stream:
        final: Any = stream.get_final_message()
    assert final.content[0].input == {"city": 'Zürich "☀"'}


async def test_asynchronous_streams_side_by_side(anthropic_async: anthropic.AsyncAnthropic, served: Served) -> None:
    served.upstream.handle = lambda received: stream_answer(
        *message_events(f"{received.json()['messages'][0]['content']} " * 10), delay_s=0.001
    )

    async def run(number: int) -> str:
        messages: Any = [{"role": "user", "content": f"w{number}"}]
        async with anthropic_async.messages.stream(model=ANTHROPIC_MODEL, max_tokens=100, messages=messages) as stream:
            return "".join([text async for text in stream.text_stream])

    assert await asyncio.gather(*(run(number) for number in range(10))) == [f"w{number} " * 10 for number in range(10)]


def test_a_stream_that_is_closed_midway_is_billed_and_readable(anthropic_sdk: anthropic.Anthropic, served: Served) -> None:
    served.upstream.handle = endless
    stream = ask(anthropic_sdk, stream=True)
    for _ in range(10):
        next(stream)
    stream.close()
    told = served.aborted_generation(stream.response.headers["x-generation-id"])
    assert (told["cancelled"], told["state"], told["upstream_id"]) == (True, "cancelled", "msg_stream")
    assert told["total_cost"] > 100 * 2e-6
    assert served.upstream.gone.wait(10)


def test_an_upstream_that_breaks_off_is_an_error_and_not_an_end(anthropic_sdk: anthropic.Anthropic, served: Served) -> None:
    served.upstream.handle = lambda _: stream_answer(*message_events("one two three")[:5], is_cut=True)
    with ask(anthropic_sdk, stream=True) as stream, pytest.raises(anthropic.APIError) as caught:
        list(stream)
    error: Any = caught.value.body
    assert (error["type"], error["error"]["type"]) == ("error", "api_error")
    assert error["request_id"] == stream.response.headers["request-id"]
    assert served.generation(stream.response.headers["x-generation-id"])["state"] == "failed"


def test_an_overload_reported_midway_reaches_the_caller(anthropic_sdk: anthropic.Anthropic, upstream: ScriptedUpstream) -> None:
    event = named_event("error", error={"type": "overloaded_error", "message": "Overloaded today"})
    upstream.handle = lambda _: stream_answer(*message_events("one two")[:4], event)
    with ask(anthropic_sdk, stream=True) as stream, pytest.raises(anthropic.APIError, match="Overloaded today"):
        list(stream)


def test_models_are_listed_and_looked_up_by_ids_with_a_slash(anthropic_sdk: anthropic.Anthropic, served: Served) -> None:
    listed = {model.id for model in anthropic_sdk.models.list()}
    assert ANTHROPIC_MODEL in listed
    assert anthropic_sdk.models.retrieve(ANTHROPIC_MODEL).id == ANTHROPIC_MODEL


def test_a_client_that_runs_out_of_patience_ends_the_upstreams_work(anthropic_sdk: anthropic.Anthropic, served: Served) -> None:
    served.upstream.handle = lambda _: stream_answer(*[b" "] * 600, delay_s=0.05)
    trace = f"anthropic-{time.monotonic_ns()}"
    with pytest.raises(anthropic.APITimeoutError):
        ask(anthropic_sdk.with_options(timeout=0.3), extra_headers={"X-AnyRouter-Trace-Id": trace})
    assert served.upstream.gone.wait(10)
    told = served.find_by_trace(trace)
    assert (told["cancelled"], told["status"], told["usage_source"]) == (True, 499, "estimated")
    assert told["total_cost"] > 0


def refusing(status: int, kind: str = "api_error", **headers: str) -> Callable[[Received], Answer]:
    return lambda _: json_answer({"type": "error", "error": {"type": kind, "message": "said the upstream"}}, status, **headers)


@pytest.mark.parametrize("stream", [False, True])
@pytest.mark.parametrize(
    ("status", "error", "kind"),
    [
        (400, anthropic.BadRequestError, "invalid_request_error"),
        (404, anthropic.NotFoundError, "not_found_error"),
        (422, anthropic.UnprocessableEntityError, "invalid_request_error"),
        (429, anthropic.RateLimitError, "rate_limit_error"),
        (401, anthropic.InternalServerError, "api_error"),
        (500, anthropic.InternalServerError, "api_error"),
        (529, anthropic.APIStatusError, "overloaded_error"),
    ],
)
def test_an_upstreams_failures_are_the_sdks_own_errors(
    anthropic_sdk: anthropic.Anthropic,
    upstream: ScriptedUpstream,
    *,
    status: int,
    error: type[anthropic.APIStatusError],
    kind: str,
    stream: bool,
) -> None:
    upstream.handle = refusing(status)
    with pytest.raises(error) as caught:
        ask(anthropic_sdk, stream=stream)
    body: Any = caught.value.body
    assert (body["type"], body["error"]["type"]) == ("error", kind)
    assert body["request_id"] == caught.value.request_id
    assert caught.value.response.headers["x-request-id"] == caught.value.request_id


def test_the_gateways_own_refusals_are_the_sdks_own_errors(
    anthropic_sdk: anthropic.Anthropic, anthropic_with: Callable[..., anthropic.Anthropic], served: Served
) -> None:
    limited = anthropic_with(served.key("--rpm", "1"))
    ask(limited)
    cases: list[tuple[anthropic.Anthropic, dict[str, Any], type[anthropic.APIStatusError], str]] = [
        (anthropic_with("sk-ant-MARKER"), {}, anthropic.AuthenticationError, "authentication_error"),
        (anthropic_with(served.key("--scope", "models:read")), {}, anthropic.PermissionDeniedError, "permission_error"),
        (anthropic_with(served.key("--model", "openai/*")), {}, anthropic.PermissionDeniedError, "permission_error"),
        (limited, {}, anthropic.RateLimitError, "rate_limit_error"),
        (anthropic_sdk, {"model": "nobody/nothing"}, anthropic.NotFoundError, "not_found_error"),
        (anthropic_sdk, {"messages": None}, anthropic.BadRequestError, "invalid_request_error"),
        (anthropic_sdk, {"extra_body": {"api_base": "http://127.0.0.1:1"}}, anthropic.BadRequestError, "invalid_request_error"),
    ]
    for client, members, error, kind in cases:
        with pytest.raises(error) as caught:
            ask(client, **members)
        body: Any = caught.value.body
        assert (body["type"], body["error"]["type"]) == ("error", kind)
        assert body["request_id"] == caught.value.request_id
        assert caught.value.response.headers["x-generation-id"]
    assert len(served.upstream.received) == 1


def test_the_sdk_retries_and_the_gateway_does_not(anthropic_sdk: anthropic.Anthropic, upstream: ScriptedUpstream) -> None:
    answers = [json_answer({"type": "error", "error": {"type": "api_error", "message": "once"}}, 500), json_answer(MESSAGE)]
    upstream.handle = lambda _: answers.pop(0)
    raw = anthropic_sdk.with_options(max_retries=1).messages.with_raw_response.create(
        model=ANTHROPIC_MODEL, max_tokens=9, messages=MESSAGES
    )
    assert (raw.retries_taken, raw.status_code, len(upstream.received)) == (1, 200, 2)


def test_a_test_key_reaches_the_sandbox_and_nothing_else(anthropic_sandbox: anthropic.Anthropic, served: Served) -> None:
    reply = ask(anthropic_sandbox)
    assert "claude-sonnet-5" in reply.content[0].text
    told = served.generation(reply.id, served.test_key)
    assert (told["total_cost"], told["environment"]) == (0, "test")
    assert told["shadow_cost"] > 0
    counted = anthropic_sandbox.messages.count_tokens(model=ANTHROPIC_MODEL, messages=MESSAGES)
    assert counted.input_tokens == reply.usage.input_tokens
    with anthropic_sandbox.messages.stream(model="sandbox/tool-call", max_tokens=100, messages=MESSAGES, tools=[WEATHER]) as stream:
        final: Any = stream.get_final_message()
    assert final.content[0].input == {"city": ""}
    with pytest.raises(anthropic.RateLimitError):
        ask(anthropic_sandbox, model="sandbox/rate-limited")
    assert served.upstream.received == []


def test_what_no_upstream_counts_is_estimated_and_not_charged(anthropic_sdk: anthropic.Anthropic, served: Served) -> None:
    raw = anthropic_sdk.messages.with_raw_response.count_tokens(model=OPENAI_MODEL, messages=MESSAGES, system="Be kind.")
    assert raw.parse().input_tokens > 0
    assert raw.headers["x-anyrouter-estimated"] == "true"
    assert served.upstream.received == []


def test_counting_is_not_charged(anthropic_sdk: anthropic.Anthropic, served: Served) -> None:
    raw = anthropic_sdk.messages.with_raw_response.count_tokens(model=ANTHROPIC_MODEL, messages=MESSAGES, system="Be kind.")
    assert json.loads(raw.text()) == {"input_tokens": 14}
    told = served.generation(raw.headers["x-generation-id"])
    assert (told["total_cost"], told["tokens_prompt"], told["tokens_completion"], told["endpoint"]) == (0, 0, 0, "messages/count_tokens")
    assert served.upstream.received[0].path == "/v1/messages/count_tokens"
