"""The official OpenAI SDK talks straight to the sandbox."""

import time
from collections.abc import AsyncIterator, Iterator
from typing import Any, Literal

import openai
import pytest
from openai import AsyncOpenAI, OpenAI
from pydantic import BaseModel, Field

NOT_JSON = r"Expecting|Unterminated|delimiter|EOF"
MESSAGES: Any = [{"role": "user", "content": "Hello there"}]
WEATHER: Any = {
    "type": "function",
    "function": {
        "name": "weather",
        "strict": True,
        "parameters": {
            "type": "object",
            "properties": {"city": {"type": "string"}, "unit": {"enum": ["celsius", "kelvin"]}},
            "required": ["city", "unit"],
            "additionalProperties": False,
        },
    },
}


@pytest.fixture
def client(sandbox: str) -> Iterator[OpenAI]:
    with OpenAI(base_url=f"{sandbox}/v1", api_key="sk-MARKER", max_retries=0, timeout=10) as client:
        yield client


@pytest.fixture
async def async_client(sandbox: str) -> AsyncIterator[AsyncOpenAI]:
    async with AsyncOpenAI(base_url=f"{sandbox}/v1", api_key="sk-MARKER", max_retries=0, timeout=10) as client:
        yield client


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
    assert call.function.parsed_arguments == {"city": "", "unit": "kelvin"}


def test_a_forced_tool_and_the_way_back(client: OpenAI) -> None:
    reply = client.chat.completions.create(model="m", messages=MESSAGES, tools=[WEATHER], tool_choice="required")
    message = reply.choices[0].message
    assert message.tool_calls is not None
    assert reply.choices[0].finish_reason == "tool_calls"
    result: Any = {"role": "tool", "tool_call_id": message.tool_calls[0].id, "content": "sunny"}
    again = client.chat.completions.create(model="m", messages=[*MESSAGES, message, result], tools=[WEATHER])
    assert again.choices[0].finish_reason == "stop"


class Address(BaseModel):
    street: str
    zip_code: str | None


class Person(BaseModel):
    name: str = Field(min_length=2)
    age: int = Field(ge=18)
    kind: Literal["user", "admin"]
    addresses: list[Address] = Field(min_length=1)
    boss: "Person | None"


def test_a_structured_output_is_parsed_into_a_model(client: OpenAI) -> None:
    reply = client.chat.completions.parse(model="m", messages=MESSAGES, response_format=Person)
    person = reply.choices[0].message.parsed
    assert person == Person(name="aa", age=18, kind="user", addresses=[Address(street="", zip_code="")], boss=None)


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


@pytest.mark.parametrize(
    ("model", "error", "code"),
    [
        ("sandbox/rate-limited", openai.RateLimitError, "rate_limit_exceeded"),
        ("sandbox/server-error", openai.InternalServerError, None),
        ("sandbox/context-length", openai.BadRequestError, "context_length_exceeded"),
        ("x" * 300, openai.NotFoundError, "model_not_found"),
    ],
)
@pytest.mark.parametrize("stream", [False, True])
def test_failures_are_the_sdks_own_errors(
    client: OpenAI, model: str, error: type[openai.APIStatusError], code: str | None, stream: bool
) -> None:
    with pytest.raises(error) as caught:
        client.chat.completions.create(model=model, messages=MESSAGES, stream=stream)
    assert caught.value.code == code
    assert caught.value.request_id is not None


def test_a_missing_key_is_an_authentication_error(client: OpenAI) -> None:
    with pytest.raises(openai.AuthenticationError):
        client.chat.completions.create(model="m", messages=MESSAGES, extra_headers={"Authorization": "Basic MARKER"})


def test_a_retry_waits_as_long_as_the_reply_says(client: OpenAI) -> None:
    started = time.monotonic()
    with pytest.raises(openai.RateLimitError):
        client.with_options(max_retries=1).chat.completions.create(model="rate-limited", messages=MESSAGES)
    assert 1.0 <= time.monotonic() - started < 3.0


def test_a_timeout_is_the_sdks_own_error(client: OpenAI) -> None:
    with pytest.raises(openai.APITimeoutError):
        client.with_options(timeout=0.2).chat.completions.create(model="timeout", messages=MESSAGES)


def test_a_cut_reply_is_a_connection_error_whole_and_streamed(client: OpenAI) -> None:
    with pytest.raises(openai.APIConnectionError):
        client.chat.completions.create(model="cut-stream", messages=MESSAGES)
    seen: list[Any] = []
    with (
        client.chat.completions.create(model="cut-stream", messages=MESSAGES, stream=True) as stream,
        pytest.raises(openai.APIConnectionError),
    ):
        _collect(stream, seen)
    assert len(seen) == 4


def _collect(stream: Any, into: list[Any]) -> None:
    for chunk in stream:
        into.append(chunk)  # noqa: PERF402 -- extend would lose what came before the cut


def test_a_malformed_reply_is_noticed(client: OpenAI) -> None:
    with pytest.raises(ValueError, match=NOT_JSON):
        client.chat.completions.create(model="malformed", messages=MESSAGES)
    with (
        pytest.raises(ValueError, match=NOT_JSON),
        client.chat.completions.create(model="malformed", messages=MESSAGES, stream=True) as stream,
    ):
        list(stream)


def test_slow_comes_late_and_whole(client: OpenAI) -> None:
    with client.chat.completions.create(model="slow", messages=MESSAGES, stream=True) as stream:
        assert len(list(stream)) > 10
