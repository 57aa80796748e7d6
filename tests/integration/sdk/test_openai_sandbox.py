"""The OpenAI SDK with a test key: the same calls, answered by the simulated provider, billed nothing."""

from typing import Any

import openai
import pytest
from openai.types.chat import ChatCompletion
from pydantic import BaseModel

from support.served import OPENAI_MODEL, Served

MESSAGES: Any = [{"role": "user", "content": "Hello there"}]
WEATHER: Any = {
    "type": "function",
    "function": {"name": "weather", "parameters": {"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"]}},
}


class Person(BaseModel):
    name: str
    age: int


def test_every_model_answers_and_costs_nothing(openai_sandbox: openai.OpenAI, served: Served) -> None:
    for model in (OPENAI_MODEL, "sandbox/long", "deepseek/deepseek-chat"):
        reply = openai_sandbox.chat.completions.create(model=model, messages=MESSAGES)
        assert (reply.model, reply.id[:4]) == (model, "gen-")
        usage: Any = reply.usage
        assert usage.cost == 0
        told = served.generation(reply.id, served.test_key)
        assert (told["total_cost"], told["environment"], told["model"]) == (0, "test", model)
        assert told["shadow_cost"] == usage.shadow_cost
    assert served.upstream.received == []


def test_a_model_that_nobody_knows_is_not_found(openai_sandbox: openai.OpenAI, served: Served) -> None:
    with pytest.raises(openai.NotFoundError) as caught:
        openai_sandbox.chat.completions.create(model="nobody/ever-heard-of", messages=MESSAGES)
    assert caught.value.code == "model_not_found"


def test_a_shadow_cost_tells_what_it_would_have_cost(openai_sandbox: openai.OpenAI, served: Served) -> None:
    usage: Any = openai_sandbox.chat.completions.create(model=OPENAI_MODEL, messages=MESSAGES).usage
    assert usage.shadow_cost == pytest.approx(usage.prompt_tokens * 2.5e-6 + usage.completion_tokens * 10e-6, abs=1e-12)


def test_streams_with_usage(openai_sandbox: openai.OpenAI, served: Served) -> None:
    with openai_sandbox.chat.completions.create(
        model="sandbox/echo", messages=MESSAGES, stream=True, stream_options={"include_usage": True}
    ) as stream:
        chunks: list[Any] = list(stream)
    assert "".join(choice.delta.content or "" for chunk in chunks for choice in chunk.choices) == "Hello there"
    assert (chunks[-1].usage.prompt_tokens, chunks[-1].usage.completion_tokens, chunks[-1].usage.cost) == (2, 2, 0)


def test_tools_called_and_streamed(openai_sandbox: openai.OpenAI, served: Served) -> None:
    def city_of(completion: ChatCompletion) -> Any:
        calls: Any = completion.choices[0].message.tool_calls
        return calls[0].function.arguments

    forced = openai_sandbox.chat.completions.create(model=OPENAI_MODEL, messages=MESSAGES, tools=[WEATHER], tool_choice="required")
    assert city_of(forced) == '{"city":""}'
    with openai_sandbox.chat.completions.stream(model="sandbox/tool-call", messages=MESSAGES, tools=[WEATHER]) as stream:
        assert city_of(stream.get_final_completion()) == '{"city":""}'


def test_structured_outputs(openai_sandbox: openai.OpenAI, served: Served) -> None:
    reply = openai_sandbox.chat.completions.parse(model=OPENAI_MODEL, messages=MESSAGES, response_format=Person)
    assert reply.choices[0].message.parsed == Person(name="", age=0)


def test_embeddings_in_both_encodings_are_the_same(openai_sandbox: openai.OpenAI, served: Served) -> None:
    packed = openai_sandbox.embeddings.create(model="openai/text-embedding-3-small", input=["a", "b"], dimensions=8)
    plain = openai_sandbox.embeddings.create(model="openai/text-embedding-3-small", input=["a", "b"], dimensions=8, encoding_format="float")
    assert packed.data[1].embedding == pytest.approx(plain.data[1].embedding, rel=1e-6)


def test_legacy_completions(openai_sandbox: openai.OpenAI, served: Served) -> None:
    reply = openai_sandbox.completions.create(model="sandbox/echo", prompt="Say it")
    assert (reply.choices[0].text, reply.model) == ("Say it", "sandbox/echo")
    with openai_sandbox.completions.create(model="sandbox/echo", prompt="Say it", stream=True) as stream:
        assert "".join(chunk.choices[0].text for chunk in stream) == "Say it"


def test_models_are_those_of_the_sandbox(openai_sandbox: openai.OpenAI, served: Served) -> None:
    listed = {model.id for model in openai_sandbox.models.list()}
    assert {"sandbox/echo", OPENAI_MODEL} <= listed
    assert openai_sandbox.models.retrieve("sandbox/echo").id == "sandbox/echo"


@pytest.mark.parametrize(
    ("model", "error", "status"),
    [
        ("sandbox/rate-limited", openai.RateLimitError, 429),
        ("sandbox/server-error", openai.InternalServerError, 502),
        ("sandbox/malformed", openai.InternalServerError, 502),
        ("sandbox/cut-stream", openai.InternalServerError, 502),
        ("sandbox/context-length", openai.APIStatusError, 413),
    ],
)
def test_failures_on_demand(
    openai_sandbox: openai.OpenAI, served: Served, model: str, error: type[openai.APIStatusError], status: int
) -> None:
    with pytest.raises(error) as caught:
        openai_sandbox.chat.completions.create(model=model, messages=MESSAGES)
    assert caught.value.status_code == status
    told = served.generation(caught.value.response.headers["x-generation-id"], served.test_key)
    assert (told["state"], told["model"], told["total_cost"]) == ("failed", model, 0)


def test_a_stream_cut_on_demand_is_an_error(openai_sandbox: openai.OpenAI, served: Served) -> None:
    with (
        openai_sandbox.chat.completions.create(model="sandbox/cut-stream", messages=MESSAGES, stream=True) as stream,
        pytest.raises(openai.APIError, match="cannot be used"),
    ):
        list(stream)


def test_a_model_that_never_answers_meets_the_clients_timeout(openai_sandbox: openai.OpenAI, served: Served) -> None:
    with pytest.raises(openai.APITimeoutError):
        openai_sandbox.with_options(timeout=0.3).chat.completions.create(model="sandbox/timeout", messages=MESSAGES)
