"""The official OpenAI SDK talks straight to the sandbox's Responses API."""

from typing import Any

import openai
import pytest
from openai import AsyncOpenAI, OpenAI

from support.openai_values import ARGUMENTS, FUNCTION, PERSON, Person

WEATHER: Any = {"type": "function", **FUNCTION}


def test_a_response(client: OpenAI) -> None:
    reply = client.responses.create(model="gpt-x", input="Hello there", instructions="Be kind.")
    assert "gpt-x" in reply.output_text
    assert reply.usage is not None
    assert reply.usage.total_tokens == reply.usage.input_tokens + reply.usage.output_tokens
    assert (reply.status, reply.instructions) == ("completed", "Be kind.")


async def test_a_response_asynchronously(async_client: AsyncOpenAI) -> None:
    reply = await async_client.responses.create(model="sandbox/echo", input=[{"role": "user", "content": "Hello there"}])
    assert reply.output_text == "Hello there"


def test_every_event_is_of_a_type_that_the_sdk_knows(client: OpenAI) -> None:
    thinking: Any = {"effort": "low", "summary": "auto"}
    kinds = set()
    for model in ("echo", "tool-call", "refusal", "content-filter", "stream-error"):
        with client.responses.create(model=model, input="Hi", reasoning=thinking, stream=True) as stream:
            for event in stream:
                kinds.add(event.type)
                event.to_json()
                type(event).model_validate(event.model_dump())
    assert {"response.completed", "response.incomplete", "response.failed", "response.refusal.done"} <= kinds
    assert {"response.reasoning_summary_text.delta", "response.function_call_arguments.done", "response.output_text.delta"} <= kinds


def test_the_accumulating_stream_helper(client: OpenAI) -> None:
    with client.responses.stream(model="long", input="Hi", reasoning={"summary": "auto"}) as stream:
        text = "".join(event.delta for event in stream if event.type == "response.output_text.delta")
        final = stream.get_final_response()
    assert len(text) == 8000
    assert final.output_text == text
    assert [item.type for item in final.output] == ["reasoning", "message"]


async def test_a_stream_of_a_call_asynchronously(async_client: AsyncOpenAI) -> None:
    async with async_client.responses.stream(model="tool-call", input="Hi", tools=[WEATHER]) as stream:
        final = await stream.get_final_response()
    call: Any = final.output[0]
    assert (call.name, call.parsed_arguments) == ("weather", ARGUMENTS)


def test_a_forced_tool_and_the_way_back_with_the_thought(client: OpenAI) -> None:
    reply = client.responses.create(
        model="m", input="Hi", tools=[WEATHER], tool_choice="required", reasoning={"effort": "low"}, include=["reasoning.encrypted_content"]
    )
    thought, call = reply.output
    assert (thought.type, call.type) == ("reasoning", "function_call")
    result = {"type": "function_call_output", "call_id": call.call_id, "output": "sunny"}
    history: Any = [{"role": "user", "content": "Hi"}, *reply.output, result]
    again = client.responses.create(model="m", input=history, tools=[WEATHER])
    assert again.output_text
    with pytest.raises(openai.BadRequestError, match="No tool output found for function call"):
        client.responses.create(model="m", input=history[:-1])


def test_a_structured_output_is_parsed_into_a_model(client: OpenAI) -> None:
    assert client.responses.parse(model="m", input="Hi", text_format=Person).output_parsed == PERSON
    with client.responses.stream(model="m", input="Hi", text_format=Person) as stream:
        assert stream.get_final_response().output_parsed == PERSON
    assert client.responses.parse(model="refusal", input="Hi", text_format=Person).output_parsed is None


def test_an_earlier_response_is_not_found(client: OpenAI) -> None:
    first = client.responses.create(model="m", input="Hi")
    with pytest.raises(openai.BadRequestError) as caught:
        client.responses.create(model="m", input="Go on", previous_response_id=first.id)
    assert caught.value.code == "previous_response_not_found"


def test_a_failure_in_the_stream_is_its_last_event(client: OpenAI) -> None:
    with client.responses.create(model="stream-error", input="Hi", stream=True) as stream:
        *_, last = stream
    assert last.type == "response.failed"
    assert last.response.error is not None
    assert last.response.error.code == "server_error"
    with (
        client.chat.completions.create(model="stream-error", messages=[{"role": "user", "content": "Hi"}], stream=True) as chat,
        pytest.raises(openai.APIError, match="had an error"),
    ):
        list(chat)
