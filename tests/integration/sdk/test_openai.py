"""The official OpenAI SDK through the gateway to a scripted live upstream: what goes out, what comes back."""

import json
from typing import Any

import openai
import pytest
from pydantic import BaseModel

from support.served import EMBEDDING, OPENAI_MODEL, Served
from support.upstream import COMPLETION, Answer, Received, ScriptedUpstream, chat_events, json_answer, stream_answer

MESSAGES: Any = [{"role": "user", "content": "Hello there"}]
COST = 100 * 2.5e-6 + 10 * 10e-6
WEATHER: Any = {
    "type": "function",
    "function": {"name": "weather", "parameters": {"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"]}},
}


class Person(BaseModel):
    name: str
    age: int


def completion_of(message: dict[str, Any], finish_reason: str = "stop") -> dict[str, Any]:
    return {**COMPLETION, "choices": [{"index": 0, "message": {"role": "assistant", **message}, "finish_reason": finish_reason}]}


def call(number: int, city: str) -> dict[str, Any]:
    return {"id": f"call_{number}", "type": "function", "function": {"name": "weather", "arguments": json.dumps({"city": city})}}


def test_a_completion(openai_sdk: openai.OpenAI, served: Served) -> None:
    reply = openai_sdk.chat.completions.create(model=OPENAI_MODEL, messages=MESSAGES, temperature=0.5, seed=7)
    assert reply.choices[0].message.content == "Hello from upstream"
    assert reply.model == OPENAI_MODEL
    assert reply.id.startswith("gen-")
    assert reply._request_id is not None
    assert reply._request_id.startswith("req-")
    assert reply.usage is not None
    assert (reply.usage.prompt_tokens, reply.usage.completion_tokens, reply.usage.total_tokens) == (100, 10, 110)
    (received,) = served.upstream.received
    assert received.json() == {"model": "gpt-4o", "messages": MESSAGES, "temperature": 0.5, "seed": 7}


def test_usage_tells_the_cost_as_a_number(openai_sdk: openai.OpenAI, served: Served) -> None:
    usage: Any = openai_sdk.chat.completions.create(model=OPENAI_MODEL, messages=MESSAGES).usage
    assert usage.cost == pytest.approx(COST, abs=1e-12)
    assert usage.is_byok is False
    assert usage.cost_details["upstream_inference_cost"] == 0
    assert usage.prompt_tokens_details.cached_tokens == 0
    assert usage.completion_tokens_details.reasoning_tokens == 0


async def test_a_completion_asynchronously(openai_async: openai.AsyncOpenAI, served: Served) -> None:
    reply = await openai_async.chat.completions.create(model=OPENAI_MODEL, messages=MESSAGES)
    assert reply.choices[0].message.content == "Hello from upstream"


def test_the_root_alias_is_the_same(openai_sdk: openai.OpenAI, served: Served) -> None:
    aliased = openai_sdk.with_options(base_url=f"{served.base_url}/v1/")
    assert aliased.chat.completions.create(model="gpt-4o", messages=MESSAGES).model == OPENAI_MODEL
    assert aliased.models.retrieve(OPENAI_MODEL).id == OPENAI_MODEL


def test_the_clients_credential_and_headers_stay_here(openai_sdk: openai.OpenAI, served: Served) -> None:
    openai_sdk.chat.completions.create(
        model=OPENAI_MODEL, messages=MESSAGES, extra_headers={"OpenAI-Organization": "org-MARKER", "Cookie": "a=MARKER", "X-Title": "Proof"}
    )
    (received,) = served.upstream.received
    assert received.headers["authorization"] == "Bearer sk-MARKER-upstream-credential"
    assert served.live_key not in str(received)
    assert set(received.headers) == {"host", "content-type", "accept", "accept-encoding", "user-agent", "authorization", "content-length"}


def test_members_that_routers_know_are_taken_and_not_sent_on(openai_sdk: openai.OpenAI, served: Served) -> None:
    routing: Any = {
        "provider": {"order": ["openai"], "allow_fallbacks": False},
        "models": [OPENAI_MODEL],
        "route": "fallback",
        "transforms": ["middle-out"],
        "session_id": "session-1",
        "usage": {"include": True},
    }
    openai_sdk.chat.completions.create(model=OPENAI_MODEL, messages=MESSAGES, user="somebody", extra_body={**routing, "top_k": 5})
    (received,) = served.upstream.received
    assert received.json() == {"model": "gpt-4o", "messages": MESSAGES, "user": "somebody", "top_k": 5}


def test_the_routers_form_of_reasoning_becomes_the_upstreams(openai_sdk: openai.OpenAI, served: Served) -> None:
    openai_sdk.chat.completions.create(model=OPENAI_MODEL, messages=MESSAGES, extra_body={"reasoning": {"effort": "high", "exclude": True}})
    assert served.upstream.received[0].json() == {"model": "gpt-4o", "messages": MESSAGES, "reasoning_effort": "high"}


def test_headers_of_the_gateway_pin_title_and_trace(openai_sdk: openai.OpenAI, served: Served) -> None:
    raw = openai_sdk.chat.completions.with_raw_response.create(
        model=OPENAI_MODEL,
        messages=MESSAGES,
        extra_headers={
            "X-AnyRouter-Provider": "openai",
            "X-AnyRouter-Trace-Id": "trace 1",
            "X-AnyRouter-Title": "Proof",
            "HTTP-Referer": "https://example.com/app",
        },
    )
    assert raw.headers["x-anyrouter-trace-id"] == "trace 1"
    told = served.generation(raw.parse().id)
    assert (told["trace_id"], told["app_title"], told["http_referer"]) == ("trace 1", "Proof", "https://example.com/app")


def test_a_provider_that_is_not_here_is_a_bad_request(openai_sdk: openai.OpenAI, served: Served) -> None:
    with pytest.raises(openai.BadRequestError, match="upstream"):
        openai_sdk.chat.completions.create(model=OPENAI_MODEL, messages=MESSAGES, extra_headers={"X-AnyRouter-Provider": "nobody"})
    assert served.upstream.received == []


def test_parallel_tool_calls_and_the_way_back(openai_sdk: openai.OpenAI, upstream: ScriptedUpstream) -> None:
    upstream.handle = lambda _: json_answer(
        completion_of({"content": None, "tool_calls": [call(1, "Oslo"), call(2, "Zürich")]}, "tool_calls")
    )
    message = openai_sdk.chat.completions.create(model=OPENAI_MODEL, messages=MESSAGES, tools=[WEATHER]).choices[0].message
    calls: Any = message.tool_calls
    assert [json.loads(one.function.arguments)["city"] for one in calls] == ["Oslo", "Zürich"]
    results: Any = [{"role": "tool", "tool_call_id": one.id, "content": "sunny ☀"} for one in calls]
    upstream.handle = lambda _: json_answer(COMPLETION)
    openai_sdk.chat.completions.create(model=OPENAI_MODEL, messages=[*MESSAGES, message, *results], tools=[WEATHER])
    sent = upstream.received[-1].json()
    assert [one["id"] for one in sent["messages"][1]["tool_calls"]] == ["call_1", "call_2"]
    assert [one["content"] for one in sent["messages"][2:]] == ["sunny ☀", "sunny ☀"]


def test_streamed_argument_deltas_of_parallel_calls(openai_sdk: openai.OpenAI, upstream: ScriptedUpstream) -> None:
    def delta(index: int, **members: Any) -> bytes:
        chunk = {"id": "chatcmpl-1", "object": "chat.completion.chunk", "created": 1, "model": "gpt-4o-2024-08-06"}
        choice = {"index": 0, "delta": {"tool_calls": [{"index": index, **members}]}, "finish_reason": None}
        return b"data: " + json.dumps({**chunk, "choices": [choice]}).encode() + b"\n\n"

    def parts(index: int, city: str) -> list[bytes]:
        begin = delta(index, id=f"call_{index}", type="function", function={"name": "weather", "arguments": ""})
        text = json.dumps({"city": city})
        return [begin, *(delta(index, function={"arguments": letter}) for letter in text)]

    end = chat_events("")[1:]
    finish = end[0].replace(b'"stop"', b'"tool_calls"')
    upstream.handle = lambda _: stream_answer(*parts(0, "Oslo"), *parts(1, 'Q"\\'), finish, *end[1:])
    with openai_sdk.chat.completions.stream(model=OPENAI_MODEL, messages=MESSAGES, tools=[WEATHER]) as stream:
        kinds = [event.type for event in stream]
        final = stream.get_final_completion()
    calls: Any = final.choices[0].message.tool_calls
    assert [json.loads(one.function.arguments) for one in calls] == [{"city": "Oslo"}, {"city": 'Q"\\'}]
    assert kinds.count("tool_calls.function.arguments.done") == 2


def test_a_structured_output_is_parsed_into_a_model(openai_sdk: openai.OpenAI, upstream: ScriptedUpstream) -> None:
    upstream.handle = lambda _: json_answer(completion_of({"content": '{"name":"Ada","age":36}'}))
    reply = openai_sdk.chat.completions.parse(model=OPENAI_MODEL, messages=MESSAGES, response_format=Person)
    assert reply.choices[0].message.parsed == Person(name="Ada", age=36)
    assert upstream.received[0].json()["response_format"]["json_schema"]["name"] == "Person"


def test_a_structured_output_cut_short_is_the_sdks_own_error(openai_sdk: openai.OpenAI, upstream: ScriptedUpstream) -> None:
    for reason, error in (("length", openai.LengthFinishReasonError), ("content_filter", openai.ContentFilterFinishReasonError)):
        answer = json_answer(completion_of({"content": '{"na'}, reason))
        upstream.handle = lambda _, answer=answer: answer
        with pytest.raises(error):
            openai_sdk.chat.completions.parse(model=OPENAI_MODEL, messages=MESSAGES, response_format=Person)


def test_legacy_completions_whole_and_streamed(openai_sdk: openai.OpenAI, upstream: ScriptedUpstream) -> None:
    model = "openai/gpt-3.5-turbo-instruct"
    reply = openai_sdk.completions.create(model=model, prompt=["Say it", "again"], max_tokens=5)
    assert (reply.choices[0].text, reply.model, reply.id[:4]) == ("Hello from upstream", model, "gen-")
    usage: Any = reply.usage
    assert usage.cost == pytest.approx(4 * 1.5e-6 + 3 * 2e-6, abs=1e-12)

    def event(text: str, finish: str | None = None) -> bytes:
        choice = {"text": text, "index": 0, "logprobs": None, "finish_reason": finish}
        chunk = {"id": "cmpl-1", "object": "text_completion", "created": 1, "model": "gpt-3.5-turbo-instruct", "choices": [choice]}
        return b"data: " + json.dumps(chunk).encode() + b"\n\n"

    upstream.handle = lambda _: stream_answer(event("Hello "), event("there"), event("", "stop"), b"data: [DONE]\n\n")
    with openai_sdk.completions.create(model=model, prompt="Say it", stream=True) as stream:
        chunks = list(stream)
    assert "".join(chunk.choices[0].text for chunk in chunks) == "Hello there"
    assert {(chunk.id, chunk.model) for chunk in chunks} == {(chunks[0].id, model)}
    assert upstream.received[-1].json()["stream_options"] == {"include_usage": True}


def test_embeddings_as_numbers_and_packed(openai_sdk: openai.OpenAI, upstream: ScriptedUpstream) -> None:
    model = "openai/text-embedding-3-small"
    reply = openai_sdk.embeddings.create(model=model, input=["a", "b"], encoding_format="float", dimensions=3)
    assert reply.data[0].embedding == [0.5, -0.25, 0.125]
    assert reply.model == model
    assert upstream.received[-1].json() == {
        "model": "text-embedding-3-small",
        "input": ["a", "b"],
        "encoding_format": "float",
        "dimensions": 3,
    }
    usage: Any = reply.usage
    assert (usage.prompt_tokens, usage.total_tokens) == (4, 4)
    assert usage.cost == pytest.approx(4 * 0.02e-6, abs=1e-12)

    packed = {**EMBEDDING, "data": [{"object": "embedding", "index": 0, "embedding": "AAAAPwAAgL4AAAA+"}]}
    upstream.handle = lambda _: json_answer(packed)
    assert openai_sdk.embeddings.create(model=model, input="a").data[0].embedding == [0.5, -0.25, 0.125]
    assert upstream.received[-1].json()["encoding_format"] == "base64"


def test_models_are_listed_and_looked_up_by_ids_with_a_slash(openai_sdk: openai.OpenAI, served: Served) -> None:
    listed = {model.id: model for model in openai_sdk.models.list()}
    assert OPENAI_MODEL in listed
    assert not [identity for identity in listed if identity.startswith("sandbox/")]
    found = openai_sdk.models.retrieve(OPENAI_MODEL)
    assert (found.id, found.object, found.owned_by) == (OPENAI_MODEL, "model", "openai")
    assert found.created == listed[OPENAI_MODEL].created


def test_a_reply_that_names_no_usage_is_billed_by_an_estimate(openai_sdk: openai.OpenAI, served: Served) -> None:
    served.upstream.handle = lambda _: json_answer({**COMPLETION, "usage": None})
    reply = openai_sdk.chat.completions.create(model=OPENAI_MODEL, messages=MESSAGES)
    usage: Any = reply.usage
    assert usage.prompt_tokens >= 1
    assert usage.total_tokens == usage.prompt_tokens + usage.completion_tokens
    told = served.generation(reply.id)
    assert (told["usage_source"], told["tokens_prompt"], told["tokens_completion"]) == (
        "estimated",
        usage.prompt_tokens,
        usage.completion_tokens,
    )
    assert told["total_cost"] == usage.cost > 0


def test_other_services_of_the_sdk_are_not_found(openai_sdk: openai.OpenAI, served: Served) -> None:
    for ask in (
        openai_sdk.files.list,
        lambda: openai_sdk.images.generate(model="openai/dall-e-3", prompt="a cat"),
        lambda: openai_sdk.moderations.create(input="text"),
    ):
        with pytest.raises(openai.NotFoundError) as caught:
            ask()
        assert caught.value.code == "not_found"


def test_a_large_request_and_a_large_reply(openai_sdk: openai.OpenAI, upstream: ScriptedUpstream) -> None:
    text = "Größe ☀ " * 200_000

    def echo(received: Received) -> Answer:
        return json_answer(completion_of({"content": received.json()["messages"][0]["content"]}))

    upstream.handle = echo
    reply = openai_sdk.chat.completions.create(model=OPENAI_MODEL, messages=[{"role": "user", "content": text}])
    assert reply.choices[0].message.content == text
