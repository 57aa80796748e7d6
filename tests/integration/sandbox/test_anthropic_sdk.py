"""The official Anthropic SDK talks straight to the sandbox."""

from collections.abc import AsyncIterator, Iterator
from typing import Any

import anthropic
import pytest
from anthropic import Anthropic, AsyncAnthropic
from pydantic import BaseModel

NOT_JSON = r"Expecting|Unterminated|delimiter|EOF"
MESSAGES: Any = [{"role": "user", "content": "Hello there"}]
WEATHER: Any = {"name": "weather", "input_schema": {"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"]}}


@pytest.fixture
def client(sandbox: str) -> Iterator[Anthropic]:
    with Anthropic(base_url=sandbox, api_key="sk-ant-MARKER", max_retries=0, timeout=10) as client:
        yield client


@pytest.fixture
async def async_client(sandbox: str) -> AsyncIterator[AsyncAnthropic]:
    async with AsyncAnthropic(base_url=sandbox, auth_token="MARKER", max_retries=0, timeout=10) as client:
        yield client


def test_a_message(client: Anthropic) -> None:
    reply = client.messages.create(model="claude-x", max_tokens=1000, messages=MESSAGES)
    assert "claude-x" in reply.content[0].text  # type: ignore[union-attr]
    assert reply.usage.input_tokens == 2
    assert reply.stop_reason == "end_turn"
    assert str(reply._request_id).startswith("req_")


async def test_a_message_asynchronously_with_a_bearer_token(async_client: AsyncAnthropic) -> None:
    reply = await async_client.messages.create(model="sandbox/echo", max_tokens=1000, messages=MESSAGES)
    assert reply.content[0].text == "Hello there"  # type: ignore[union-attr]


def test_a_raw_stream(client: Anthropic) -> None:
    with client.messages.create(model="echo", max_tokens=1000, messages=MESSAGES, stream=True) as stream:
        assert [event.type for event in stream] == [
            "message_start",
            "content_block_start",
            "content_block_delta",
            "content_block_delta",
            "content_block_stop",
            "message_delta",
            "message_stop",
        ]


async def test_the_accumulating_stream_helper(async_client: AsyncAnthropic) -> None:
    async with async_client.messages.stream(model="long", max_tokens=5000, messages=MESSAGES) as stream:
        text = "".join([piece async for piece in stream.text_stream])
        final = await stream.get_final_message()
    assert len(text) == 8000
    assert final.usage.output_tokens == 2000


def test_a_forced_tool_and_the_way_back(client: Anthropic) -> None:
    reply = client.messages.create(model="m", max_tokens=1000, messages=MESSAGES, tools=[WEATHER], tool_choice={"type": "any"})
    assert reply.stop_reason == "tool_use"
    (block,) = reply.content
    assert block.type == "tool_use"
    assert (block.name, block.input) == ("weather", {"city": ""})
    result: Any = {"role": "user", "content": [{"type": "tool_result", "tool_use_id": block.id, "content": "sunny"}]}
    history: Any = [*MESSAGES, {"role": "assistant", "content": reply.content}, result]
    again = client.messages.create(model="m", max_tokens=1000, messages=history, tools=[WEATHER])
    assert again.stop_reason == "end_turn"


def test_a_call_is_streamed(client: Anthropic) -> None:
    with client.messages.stream(model="tool-call", max_tokens=1000, messages=MESSAGES, tools=[WEATHER]) as stream:
        final = stream.get_final_message()
    assert final.content[0].input == {"city": ""}  # type: ignore[union-attr]


class Person(BaseModel):
    name: str
    age: int


def test_a_structured_output_is_parsed_into_a_model(client: Anthropic) -> None:
    reply = client.messages.parse(model="m", max_tokens=1000, messages=MESSAGES, output_format=Person)
    assert reply.parsed_output == Person(name="", age=0)


def test_tokens_are_counted_as_a_message_would_report(client: Anthropic) -> None:
    counted = client.messages.count_tokens(model="m", messages=MESSAGES, system="Be kind.", tools=[WEATHER])
    reply = client.messages.create(model="m", max_tokens=9, messages=MESSAGES, system="Be kind.", tools=[WEATHER])
    assert counted.input_tokens == reply.usage.input_tokens == 4


def test_models_are_listed_page_by_page_and_looked_up(client: Anthropic) -> None:
    assert "sandbox/echo" in {model.id for model in client.models.list(limit=3)}
    assert client.models.retrieve("claude-x").display_name == "Simulated claude-x"


def test_the_filter_refuses(client: Anthropic) -> None:
    with client.messages.stream(model="content-filter", max_tokens=1000, messages=MESSAGES) as stream:
        final = stream.get_final_message()
    assert final.stop_reason == "refusal"
    assert final.stop_details is not None


@pytest.mark.parametrize(
    ("model", "error", "kind"),
    [
        ("sandbox/rate-limited", anthropic.RateLimitError, "rate_limit_error"),
        ("sandbox/server-error", anthropic.InternalServerError, "api_error"),
        ("sandbox/context-length", anthropic.BadRequestError, "invalid_request_error"),
        ("x" * 300, anthropic.NotFoundError, "not_found_error"),
    ],
)
@pytest.mark.parametrize("stream", [False, True])
def test_failures_are_the_sdks_own_errors(
    client: Anthropic, model: str, error: type[anthropic.APIStatusError], kind: str, stream: bool
) -> None:
    with pytest.raises(error) as caught:
        client.messages.create(model=model, max_tokens=9, messages=MESSAGES, stream=stream)
    assert caught.value.body["error"]["type"] == kind  # type: ignore[index]
    assert caught.value.request_id == caught.value.body["request_id"]  # type: ignore[index]


def test_a_missing_key_is_an_authentication_error(client: Anthropic) -> None:
    headers: Any = {"X-Api-Key": anthropic.Omit(), "Authorization": "Basic MARKER"}
    with pytest.raises(anthropic.AuthenticationError):
        client.messages.create(model="m", max_tokens=9, messages=MESSAGES, extra_headers=headers)


def test_a_timeout_is_the_sdks_own_error(client: Anthropic) -> None:
    with pytest.raises(anthropic.APITimeoutError):
        client.with_options(timeout=0.2).messages.create(model="timeout", max_tokens=9, messages=MESSAGES)


def test_a_cut_reply_is_noticed_whole_and_streamed(client: Anthropic) -> None:
    with pytest.raises(anthropic.APIConnectionError):
        client.messages.create(model="cut-stream", max_tokens=99, messages=MESSAGES)
    with (
        pytest.raises(Exception, match="incomplete"),
        client.messages.create(model="cut-stream", max_tokens=99, messages=MESSAGES, stream=True) as stream,
    ):
        list(stream)


def test_a_malformed_reply_is_noticed(client: Anthropic) -> None:
    with pytest.raises(ValueError, match=NOT_JSON):
        client.messages.create(model="malformed", max_tokens=99, messages=MESSAGES)
    with (
        pytest.raises(ValueError, match=NOT_JSON),
        client.messages.create(model="malformed", max_tokens=99, messages=MESSAGES, stream=True) as stream,
    ):
        list(stream)
