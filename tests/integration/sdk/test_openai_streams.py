"""Streams through the OpenAI SDK: usage when asked for, ends, failures midway, and clients that leave before the end."""

import asyncio
import contextlib
import itertools
import json
import time
from collections.abc import Iterator
from typing import Any

import openai
import pytest
from openai.types.chat import ChatCompletionChunk

from support.served import OPENAI_MODEL, Served
from support.upstream import Answer, Received, ScriptedUpstream, chat_events, json_answer, stream_answer

MESSAGES: Any = [{"role": "user", "content": "Hello there"}]
INPUT_COST, OUTPUT_COST = 100 * 2.5e-6, 10e-6
GROWTH_S = 0.02


def ask(client: openai.OpenAI, **members: Any) -> openai.Stream[ChatCompletionChunk]:
    return client.chat.completions.create(model=OPENAI_MODEL, messages=MESSAGES, stream=True, **members)


def endless(_: Received) -> Answer:
    """A stream of words that has no end in reach."""
    return stream_answer(*chat_events("word " * 2000), delay_s=GROWTH_S)


def tedious(_: Received) -> Answer:
    """A head, and then for longer than anybody waits nothing that means something."""
    return stream_answer(*[b" "] * 600, delay_s=0.05)


def text_of(chunks: list[Any]) -> str:
    return "".join(choice.delta.content or "" for chunk in chunks for choice in chunk.choices)


@pytest.fixture(params=["openai", "openai without usage"])
def words(request: pytest.FixtureRequest, upstream: ScriptedUpstream) -> Iterator[int]:
    """Three words from an upstream that tells usage when it is asked, or never."""
    is_telling = request.param == "openai"
    upstream.handle = lambda _: stream_answer(*chat_events("one two three", usage=is_telling))
    yield 3
    assert all(received.json()["stream_options"]["include_usage"] is True for received in upstream.received)


def test_usage_comes_once_before_the_end_when_it_is_asked_for(openai_sdk: openai.OpenAI, served: Served, words: int) -> None:
    asked: Any = {"stream_options": {"include_usage": True}}
    for extra in (asked, {"extra_body": {"usage": {"include": True}}}):
        with ask(openai_sdk, **extra) as stream:
            chunks = list(stream)
        assert text_of(chunks) == "one two three "
        assert [bool(chunk.usage) for chunk in chunks] == [False] * (len(chunks) - 1) + [True]
        assert chunks[-1].choices == []
        usage: Any = chunks[-1].usage
        assert usage.total_tokens == usage.prompt_tokens + usage.completion_tokens
        told = served.generation(chunks[0].id)
        assert usage.cost == told["total_cost"] > 0
        assert (usage.prompt_tokens, usage.completion_tokens) == (told["tokens_prompt"], told["tokens_completion"])


def test_usage_is_kept_from_who_did_not_ask_and_is_billed(openai_sdk: openai.OpenAI, served: Served, words: int) -> None:
    with ask(openai_sdk) as stream:
        chunks = list(stream)
    assert text_of(chunks) == "one two three "
    assert not [chunk for chunk in chunks if chunk.usage or not chunk.choices]
    assert served.generation(chunks[0].id)["total_cost"] > 0


def test_every_chunk_has_the_generations_id_and_the_public_model(openai_sdk: openai.OpenAI, upstream: ScriptedUpstream) -> None:
    upstream.handle = lambda _: stream_answer(*chat_events("one two three"))
    raw = openai_sdk.chat.completions.with_raw_response.create(model="gpt-4o", messages=MESSAGES, stream=True)
    with raw.parse() as stream:
        chunks: list[Any] = list(stream)
    assert {(chunk.id, chunk.model, chunk.object) for chunk in chunks} == {
        (raw.headers["x-generation-id"], OPENAI_MODEL, "chat.completion.chunk")
    }
    assert chunks[0].provider == "OpenAI"


async def test_an_asynchronous_stream(openai_async: openai.AsyncOpenAI, upstream: ScriptedUpstream) -> None:
    upstream.handle = lambda _: stream_answer(*chat_events("one two three"))
    stream = await openai_async.chat.completions.create(model=OPENAI_MODEL, messages=MESSAGES, stream=True)
    assert text_of([chunk async for chunk in stream]) == "one two three "


async def test_twenty_streams_at_once_do_not_mix(openai_async: openai.AsyncOpenAI, served: Served) -> None:
    def handle(received: Received) -> Answer:
        return stream_answer(*chat_events(f"{received.json()['messages'][0]['content']} " * 20), delay_s=0.001)

    served.upstream.handle = handle

    async def ask(number: int) -> tuple[str, set[str]]:
        messages: Any = [{"role": "user", "content": f"w{number}"}]
        stream = await openai_async.chat.completions.create(model=OPENAI_MODEL, messages=messages, stream=True)
        chunks = [chunk async for chunk in stream]
        return text_of(chunks), {chunk.id for chunk in chunks}

    replies = await asyncio.gather(*(ask(number) for number in range(20)))
    assert [text for text, _ in replies] == [f"w{number} " * 20 for number in range(20)]
    assert len(set().union(*(identities for _, identities in replies))) == 20


def test_the_first_chunk_comes_before_the_last_was_made(openai_sdk: openai.OpenAI, upstream: ScriptedUpstream) -> None:
    upstream.handle = lambda _: stream_answer(*chat_events("one two three four"), delay_s=0.15)
    with ask(openai_sdk) as stream:
        came = [time.monotonic() for _ in stream]
    assert came[-1] - came[0] > 0.5
    assert max(later - earlier for earlier, later in itertools.pairwise(came)) < 0.45


def test_the_streaming_response_can_be_read_line_by_line(openai_sdk: openai.OpenAI, upstream: ScriptedUpstream) -> None:
    upstream.handle = lambda _: stream_answer(*chat_events("one two"))
    with openai_sdk.chat.completions.with_streaming_response.create(model=OPENAI_MODEL, messages=MESSAGES, stream=True) as response:
        assert response.headers["content-type"].startswith("text/event-stream")
        lines = [line for line in response.iter_lines() if line]
    assert lines[-1] == "data: [DONE]"
    assert all(line.startswith("data: {") for line in lines[:-1])


def test_a_stream_that_is_closed_midway_is_billed_and_readable(openai_sdk: openai.OpenAI, served: Served) -> None:
    served.upstream.handle = endless
    stream = ask(openai_sdk)
    chunks = [next(stream) for _ in range(10)]
    stream.close()
    told = served.aborted_generation(chunks[0].id)
    assert (told["cancelled"], told["state"], told["error_code"]) == (True, "cancelled", "client_closed_request")
    assert told["total_cost"] > 0
    assert told["tokens_prompt"] > 0
    assert told["tokens_completion"] > 0
    assert served.upstream.gone.wait(10)


def test_a_stream_that_is_closed_while_the_upstream_is_silent_is_noticed_soon(openai_sdk: openai.OpenAI, served: Served) -> None:
    served.upstream.handle = lambda _: stream_answer(*chat_events("one two three"), delay_s=5)
    stream = ask(openai_sdk)
    first = next(stream)
    stream.close()
    assert served.aborted_generation(first.id, within_s=3.0)["cancelled"]


def test_a_stream_that_is_left_by_an_exception_ends_at_the_upstream(openai_sdk: openai.OpenAI, served: Served) -> None:
    served.upstream.handle = endless
    with contextlib.suppress(LookupError), ask(openai_sdk) as stream:
        next(stream)
        raise LookupError
    assert served.upstream.gone.wait(10)


@pytest.mark.parametrize("is_streamed", [False, True])
def test_a_client_that_runs_out_of_patience_ends_the_upstreams_work(openai_sdk: openai.OpenAI, served: Served, is_streamed: bool) -> None:
    served.upstream.handle = tedious
    trace = f"patience-{is_streamed}-{time.monotonic_ns()}"
    with pytest.raises(openai.APITimeoutError):
        openai_sdk.with_options(timeout=0.3).chat.completions.create(
            model=OPENAI_MODEL, messages=MESSAGES, stream=is_streamed, extra_headers={"X-AnyRouter-Trace-Id": trace}
        )
    assert served.upstream.gone.wait(10)
    told = served.find_by_trace(trace)
    assert (told["cancelled"], told["status"], told["error_code"]) == (True, 499, "client_closed_request")
    assert told["usage_source"] == "estimated"
    assert told["total_cost"] > 0


def test_an_upstream_that_breaks_off_is_an_error_and_not_an_end(openai_sdk: openai.OpenAI, served: Served) -> None:
    served.upstream.handle = lambda _: stream_answer(*chat_events("one two three")[:3], is_cut=True)
    chunks: list[Any] = []
    with (
        pytest.raises(openai.APIError) as caught,
        ask(openai_sdk) as stream,
    ):
        collect(stream, chunks)
    assert text_of(chunks) == "one two "
    error: Any = caught.value.body
    assert (error["type"], error["code"]) == ("upstream_error", "upstream_invalid_response")
    told = served.generation(chunks[0].id)
    assert (told["state"], told["error_code"], told["cancelled"]) == ("failed", "upstream_invalid_response", False)
    assert told["total_cost"] > 0


def collect(stream: Any, into: list[Any]) -> None:
    for chunk in stream:
        into.append(chunk)  # noqa: PERF402 -- extend would lose what came before the cut


def test_an_error_that_the_upstream_reports_midway_reaches_the_caller(openai_sdk: openai.OpenAI, served: Served) -> None:
    event = b"data: " + json.dumps({"error": {"message": "the engine is on fire", "type": "server_error"}}).encode() + b"\n\n"
    served.upstream.handle = lambda _: stream_answer(*chat_events("one two")[:2], event)
    with ask(openai_sdk) as stream:
        first = next(stream)
        with pytest.raises(openai.APIError, match="the engine is on fire"):
            list(stream)
    assert served.generation(first.id)["state"] == "failed"


def test_a_failure_before_the_first_event_is_a_real_status(openai_sdk: openai.OpenAI, upstream: ScriptedUpstream) -> None:
    event = b"data: " + json.dumps({"error": {"message": "slow down", "type": "rate_limit_error", "code": "rate_limit_exceeded"}}).encode()
    upstream.handle = lambda _: stream_answer(event + b"\n\n")
    with pytest.raises(openai.RateLimitError):
        ask(openai_sdk)
    upstream.handle = lambda _: json_answer({"error": {"message": "no", "type": "server_error"}}, 500)
    with pytest.raises(openai.InternalServerError):
        ask(openai_sdk)


def test_a_finish_without_done_is_an_end(openai_sdk: openai.OpenAI, served: Served) -> None:
    served.upstream.handle = lambda _: stream_answer(*chat_events("one two", usage=False)[:-1])
    with ask(openai_sdk) as stream:
        chunks = list(stream)
    assert chunks[-1].choices[0].finish_reason == "stop"
    assert served.generation(chunks[0].id)["state"] == "settled"


def test_what_was_streamed_is_billed_to_the_token(openai_sdk: openai.OpenAI, served: Served) -> None:
    served.upstream.handle = lambda _: stream_answer(*chat_events("one two three"))
    with ask(openai_sdk) as stream:
        chunks = list(stream)
    told = served.generation(chunks[0].id)
    assert told["total_cost"] == pytest.approx(INPUT_COST + 3 * OUTPUT_COST, abs=1e-12)
    assert (told["streamed"], told["usage_source"], told["finish_reason"], told["upstream_id"]) == (
        True,
        "exact",
        "stop",
        "chatcmpl-stream",
    )
