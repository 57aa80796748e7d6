"""A real engine with a real, if senseless, model: what it says comes through, and what it does not say is estimated and marked."""

import json
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import httpx
import openai
import pytest

from support.gateway import GatewayProcess
from support.served import run_command, wait_for

pytestmark = pytest.mark.engine

MODEL = "tiny/words"
MESSAGES: Any = [{"role": "user", "content": "Hello there"}]
STEADY: Any = {"model": MODEL, "messages": MESSAGES, "temperature": 0, "seed": 7}
ANIMAL: Any = {
    "type": "object",
    "properties": {"kind": {"enum": ["cat", "dog"]}, "good": {"type": "boolean"}},
    "required": ["kind", "good"],
    "additionalProperties": False,
}
PICK: Any = {"type": "function", "function": {"name": "pick", "parameters": ANIMAL}}
FORCED: Any = {"type": "function", "function": {"name": "pick"}}

Tell = Callable[[str], dict[str, Any]]


@pytest.fixture
def tell(gateway: GatewayProcess, key: str) -> Tell:
    """What the ledger says of a generation, once it is over."""

    def tell(identity: str) -> dict[str, Any]:
        headers = {"authorization": f"Bearer {key}"}

        def ask() -> httpx.Response:
            return httpx.get(f"{gateway.base_url}/v1/generation/{identity}", headers=headers, trust_env=False)

        wait_for(lambda: ask().status_code == 200)
        return ask().json()["data"]

    return tell


def test_the_models_of_the_configuration_are_listed(client: openai.OpenAI) -> None:
    assert MODEL in [model.id for model in client.models.list()]
    assert client.models.retrieve(MODEL).owned_by == "tiny"


def test_a_chat_is_counted_by_the_engine(client: openai.OpenAI, tell: Tell) -> None:
    reply = client.chat.completions.create(**STEADY, max_tokens=12)
    text = str(reply.choices[0].message.content)
    assert len(text.split()) == 12
    assert (reply.model, reply.choices[0].finish_reason) == (MODEL, "length")
    usage: Any = reply.usage
    assert (usage.completion_tokens, usage.total_tokens) == (12, usage.prompt_tokens + 12)
    told = tell(reply.id)
    assert (told["tokens_prompt"], told["tokens_completion"], told["usage_source"]) == (usage.prompt_tokens, 12, "exact")
    assert (told["total_cost"], told["price_unknown"], usage.cost) == (0, True, 0)
    assert told["upstream_id"].startswith("chatcmpl-")
    assert client.chat.completions.create(**STEADY, max_tokens=12).choices[0].message.content == text


def test_a_stream_says_the_same_as_a_whole_reply_and_its_usage_is_estimated(client: openai.OpenAI, tell: Tell) -> None:
    whole = client.chat.completions.create(**STEADY, max_tokens=40).choices[0].message.content
    with client.chat.completions.create(**STEADY, max_tokens=40, stream=True, stream_options={"include_usage": True}) as stream:
        chunks = list(stream)
    assert "".join(choice.delta.content or "" for chunk in chunks for choice in chunk.choices) == whole
    assert {(chunk.id, chunk.model) for chunk in chunks} == {(chunks[0].id, MODEL)}
    usage: Any = chunks[-1].usage
    told = tell(chunks[0].id)
    assert (told["usage_source"], told["streamed"], told["finish_reason"]) == ("estimated", True, "length")
    assert (usage.prompt_tokens, usage.completion_tokens) == (told["tokens_prompt"], told["tokens_completion"])
    assert 20 <= usage.completion_tokens <= 80


def test_a_stop_sequence_and_other_settings_reach_the_engine(client: openai.OpenAI) -> None:
    text = str(client.chat.completions.create(**STEADY, max_tokens=12).choices[0].message.content)
    word = " " + text.split()[5]
    cut = client.chat.completions.create(**STEADY, max_tokens=12, stop=[word])
    assert cut.choices[0].finish_reason == "stop"
    assert cut.choices[0].message.content == text[: text.index(word)]
    biased = client.chat.completions.create(**STEADY, max_tokens=5, extra_body={"top_k": 1, "repeat_penalty": 1.5, "min_p": 0.01})
    assert biased.choices[0].message.content


def test_a_schema_binds_what_the_engine_writes(client: openai.OpenAI) -> None:
    asked: Any = {"type": "json_object", "schema": ANIMAL}
    reply = client.chat.completions.create(**STEADY, max_tokens=200, response_format=asked)
    said = json.loads(str(reply.choices[0].message.content))
    assert said["kind"] in {"cat", "dog"}
    assert isinstance(said["good"], bool)
    assert reply.choices[0].finish_reason == "stop"


def test_a_forced_tool_is_called_whole_and_streamed(client: openai.OpenAI) -> None:
    reply = client.chat.completions.create(**STEADY, max_tokens=200, tools=[PICK], tool_choice=FORCED)
    calls: Any = reply.choices[0].message.tool_calls
    whole = json.loads(calls[0].function.arguments)
    assert set(whole) == {"kind", "good"}
    with client.chat.completions.create(**STEADY, max_tokens=200, tools=[PICK], tool_choice=FORCED, stream=True) as stream:
        deltas: list[Any] = [choice.delta for chunk in stream for choice in chunk.choices]
    arguments = "".join(call.function.arguments or "" for delta in deltas for call in delta.tool_calls or [])
    assert set(json.loads(arguments)) == {"kind", "good"}


def test_text_is_completed_with_log_probabilities(client: openai.OpenAI, tell: Tell) -> None:
    reply = client.completions.create(model=MODEL, prompt="the water", max_tokens=5, logprobs=2, temperature=0)
    logprobs: Any = reply.choices[0].logprobs
    assert len(logprobs.tokens) == 5
    assert tell(reply.id)["tokens_completion"] == 5
    with client.completions.create(model=MODEL, prompt="the water", max_tokens=5, temperature=0, stream=True) as stream:
        chunks = list(stream)
    assert "".join(chunk.choices[0].text for chunk in chunks) == reply.choices[0].text
    assert tell(chunks[0].id)["endpoint"] == "completions"


def test_texts_are_embedded(client: openai.OpenAI) -> None:
    reply = client.embeddings.create(model=MODEL, input=["the water", "people", "the water"], encoding_format="float")
    first, second, again = (item.embedding for item in reply.data)
    assert len(first) == 64
    assert first == pytest.approx(again, abs=1e-6)
    assert first != pytest.approx(second, abs=1e-3)
    assert reply.usage.prompt_tokens > 0


def test_a_prompt_that_is_too_long_is_the_engines_own_refusal(client: openai.OpenAI, tell: Tell) -> None:
    with pytest.raises(openai.APIStatusError, match="maximum context length is 512 tokens") as caught:
        client.chat.completions.create(model=MODEL, messages=[{"role": "user", "content": "word " * 900}])
    assert (caught.value.status_code, caught.value.code) == (413, "context_length_exceeded")
    assert tell(caught.value.response.headers["x-generation-id"])["error_code"] == "context_length_exceeded"


def test_a_client_that_leaves_frees_the_engine(client: openai.OpenAI, tell: Tell) -> None:
    stream = client.chat.completions.create(**STEADY, max_tokens=450, stream=True)
    chunks = [next(stream) for _ in range(5)]
    stream.close()
    told = tell(chunks[0].id)
    assert told["streamed"]
    assert told["cancelled"]
    assert told["tokens_completion"] > 0
    assert client.chat.completions.create(**STEADY, max_tokens=2).choices[0].message.content


def test_clients_side_by_side_get_their_own_answers(client: openai.OpenAI) -> None:
    def ask(number: int) -> str:
        messages: Any = [{"role": "user", "content": f"{number} " * (number + 1)}]
        return str(client.chat.completions.create(model=MODEL, messages=messages, temperature=0, max_tokens=10).choices[0].message.content)

    alone = [ask(number) for number in range(6)]
    with ThreadPoolExecutor(6) as pool:
        assert list(pool.map(ask, range(6))) == alone


def test_an_engine_that_is_gone_is_an_upstream_error(start_engine: Any, start_gateway: Any) -> None:
    engine = start_engine()
    gateway = start_gateway(engine)
    key = run_command(gateway.data_dir, "keys", "create", "--name", "gone")["key"]
    with openai.OpenAI(base_url=f"{gateway.base_url}/v1", api_key=key, max_retries=0, timeout=30) as client:
        assert client.chat.completions.create(**STEADY, max_tokens=2).choices[0].message.content
        engine.stop()
        with pytest.raises(openai.InternalServerError) as caught:
            client.chat.completions.create(**STEADY, max_tokens=2)
    assert (caught.value.status_code, caught.value.code) == (502, "upstream_error")
