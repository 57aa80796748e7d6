"""The official OpenAI SDK talks straight to the sandbox."""

import time
from typing import Any

import openai
import pytest
from openai import AsyncOpenAI, OpenAI

from support.openai_values import ARGUMENTS, FUNCTION, PERSON, Person

MESSAGES: Any = [{"role": "user", "content": "Hello there"}]
WEATHER: Any = {"type": "function", "function": FUNCTION}


def test_a_completion(client: OpenAI) -> None:
    reply = client.chat.completions.create(model="gpt-4o", messages=MESSAGES)
    assert "gpt-4o" in str(reply.choices[0].message.content)
    assert reply.usage is not None
    assert reply.usage.total_tokens == reply.usage.prompt_tokens + reply.usage.completion_tokens
    assert reply._request_id is not None
    assert reply._request_id.startswith("req_")


async def test_a_completion_asynchronously(async_client: AsyncOpenAI) -> None:
    reply = await async_client.chat.completions.create(model="sandbox/echo", messages=MESSAGES, n=2)
    assert [choice.message.content for choice in reply.choices] == ["Hello there", "Hello there"]


def test_a_stream_with_usage(client: OpenAI) -> None:
    with client.chat.completions.create(model="echo", messages=MESSAGES, stream=True, stream_options={"include_usage": True}) as stream:
        chunks = list(stream)
    assert "".join(choice.delta.content or "" for chunk in chunks for choice in chunk.choices) == "Hello there"
    assert chunks[-1].choices == []
    assert chunks[-1].usage is not None
    assert chunks[-1].usage.completion_tokens == 2


async def test_a_stream_asynchronously(async_client: AsyncOpenAI) -> None:
    stream = await async_client.chat.completions.create(model="long", messages=MESSAGES, stream=True)
    text = "".join([chunk.choices[0].delta.content or "" async for chunk in stream])
    assert len(text) == 8000


def test_the_accumulating_stream_helper(client: OpenAI) -> None:
    with client.chat.completions.stream(model="tool-call", messages=MESSAGES, tools=[WEATHER]) as stream:
        for _ in stream:
            pass
        final = stream.get_final_completion()
    call: Any = final.choices[0].message.tool_calls[0] if final.choices[0].message.tool_calls else None
    assert call.function.name == "weather"
    assert call.function.parsed_arguments == ARGUMENTS


def test_a_forced_tool_and_the_way_back(client: OpenAI) -> None:
    reply = client.chat.completions.create(model="m", messages=MESSAGES, tools=[WEATHER], tool_choice="required")
    message = reply.choices[0].message
    assert message.tool_calls is not None
    assert reply.choices[0].finish_reason == "tool_calls"
    result: Any = {"role": "tool", "tool_call_id": message.tool_calls[0].id, "content": "sunny"}
    again = client.chat.completions.create(model="m", messages=[*MESSAGES, message, result], tools=[WEATHER])
    assert again.choices[0].finish_reason == "stop"


def test_a_structured_output_is_parsed_into_a_model(client: OpenAI) -> None:
    reply = client.chat.completions.parse(model="m", messages=MESSAGES, response_format=Person)
    assert reply.choices[0].message.parsed == PERSON


def test_a_structured_output_cut_short_is_the_sdks_own_error(client: OpenAI) -> None:
    with pytest.raises(openai.LengthFinishReasonError):
        client.chat.completions.parse(model="m", messages=MESSAGES, response_format=Person, max_tokens=2)
    with pytest.raises(openai.ContentFilterFinishReasonError):
        client.chat.completions.parse(model="content-filter", messages=MESSAGES, response_format=Person)


def test_a_legacy_completion_whole_and_streamed(client: OpenAI) -> None:
    reply = client.completions.create(model="echo", prompt="Say it", echo=True, logprobs=1)
    assert reply.choices[0].text == "Say itSay it"
    with client.completions.create(model="echo", prompt=["Say it"], stream=True) as stream:
        assert "".join(chunk.choices[0].text for chunk in stream) == "Say it"


def test_embeddings_in_the_sdks_default_encoding_and_as_numbers(client: OpenAI) -> None:
    packed = client.embeddings.create(model="text-embedding-3-small", input=["a", "b"], dimensions=8)
    plain = client.embeddings.create(model="text-embedding-3-small", input=["a", "b"], dimensions=8, encoding_format="float")
    assert len(packed.data[0].embedding) == 8
    assert packed.data[1].embedding == pytest.approx(plain.data[1].embedding, rel=1e-6)
    assert packed.usage.prompt_tokens == 1


def test_two_thousand_inputs_are_embedded(client: OpenAI) -> None:
    reply = client.embeddings.create(model="m", input=[f"text {index}" for index in range(2048)], dimensions=16)
    assert [item.index for item in reply.data] == list(range(2048))


def test_models_are_listed_and_looked_up(client: OpenAI) -> None:
    assert "sandbox/echo" in {model.id for model in client.models.list()}
    assert client.models.retrieve("openai/gpt-4o").id == "openai/gpt-4o"


def test_a_retry_waits_as_long_as_the_reply_says(client: OpenAI) -> None:
    started = time.monotonic()
    with pytest.raises(openai.RateLimitError):
        client.with_options(max_retries=1).chat.completions.create(model="rate-limited", messages=MESSAGES)
    assert 1.0 <= time.monotonic() - started < 3.0


def test_slow_comes_late_and_whole(client: OpenAI) -> None:
    with client.chat.completions.create(model="slow", messages=MESSAGES, stream=True) as stream:
        assert len(list(stream)) > 10
