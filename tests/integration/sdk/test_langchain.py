"""LangChain's chat models over the gateway, configured as its users do: a base URL, a key, a model's public name."""

import json
from typing import Any

import pytest
from langchain_anthropic import ChatAnthropic
from langchain_core.messages import AIMessage, HumanMessage, SystemMessage, ToolMessage
from langchain_core.tools import tool
from langchain_openai import ChatOpenAI, OpenAIEmbeddings
from pydantic import BaseModel, SecretStr

from support.served import ANTHROPIC_MODEL, MESSAGE, OPENAI_MODEL, Served, message_events, named_event
from support.upstream import COMPLETION, ScriptedUpstream, chat_events, json_answer, stream_answer


class Person(BaseModel):
    """Somebody."""

    name: str
    age: int


@tool
def weather(city: str) -> str:
    """How the weather is in a city."""
    return f"sunny in {city}"


@pytest.fixture
def openai_chat(served: Served) -> ChatOpenAI:
    return ChatOpenAI(
        base_url=f"{served.base_url}/api/v1",
        api_key=SecretStr(served.live_key),
        model=OPENAI_MODEL,
        max_retries=0,
        timeout=20,
        stream_usage=True,
    )


@pytest.fixture
def anthropic_chat(served: Served) -> ChatAnthropic:
    return ChatAnthropic(
        base_url=f"{served.base_url}/api",
        api_key=SecretStr(served.live_key),
        model_name=ANTHROPIC_MODEL,
        max_retries=0,
        timeout=20,
        stop=None,
        max_tokens_to_sample=100,
    )


@pytest.fixture(params=["openai", "anthropic"])
def chat(request: pytest.FixtureRequest) -> Any:
    return request.getfixturevalue(f"{request.param}_chat")


def test_a_conversation_is_answered_with_its_usage(chat: Any, served: Served) -> None:
    reply = chat.invoke([SystemMessage("Be kind."), HumanMessage("Hello there"), AIMessage("Hello"), HumanMessage("And?")])
    assert reply.content == "Hello from upstream"
    assert (reply.usage_metadata["input_tokens"], reply.usage_metadata["output_tokens"]) == (100, 10)
    sent = served.upstream.received[0].json()
    assert sent["messages"][-1]["content"] == "And?"


def test_a_stream_and_its_usage(chat: Any, served: Served) -> None:
    events = chat_events if isinstance(chat, ChatOpenAI) else message_events
    served.upstream.handle = lambda _: stream_answer(*events("one two three"))
    whole: Any = None
    for chunk in chat.stream("Hello there"):
        whole = chunk if whole is None else whole + chunk
    assert whole.text == "one two three "
    assert whole.usage_metadata["output_tokens"] == 3
    assert whole.usage_metadata["input_tokens"] == 100


async def test_asynchronous_batches_and_streams(chat: Any, served: Served) -> None:
    is_openai = isinstance(chat, ChatOpenAI)
    replies = await chat.abatch(["one", "two", "three"])
    assert [reply.content for reply in replies] == ["Hello from upstream"] * 3
    events = chat_events if is_openai else message_events
    served.upstream.handle = lambda _: stream_answer(*events("one two three"))
    assert "".join([chunk.text async for chunk in chat.astream("Hello there")]) == "one two three "
    await (chat.root_async_client if is_openai else chat._async_client).close()  # LangChain keeps it for the process's life


def answer_with_a_call(chat: Any, upstream: ScriptedUpstream, name: str, arguments: dict[str, Any]) -> None:
    if isinstance(chat, ChatOpenAI):
        call = {"id": "call_1", "type": "function", "function": {"name": name, "arguments": json.dumps(arguments)}}
        message = {"role": "assistant", "content": None, "tool_calls": [call]}
        reply = {**COMPLETION, "choices": [{"index": 0, "message": message, "finish_reason": "tool_calls"}]}
    else:
        block = {"type": "tool_use", "id": "call_1", "name": name, "input": arguments}
        reply = {**MESSAGE, "content": [block], "stop_reason": "tool_use"}
    upstream.handle = lambda _: json_answer(reply)


def test_a_bound_tool_is_called_and_its_result_goes_back(chat: Any, upstream: ScriptedUpstream) -> None:
    answer_with_a_call(chat, upstream, "weather", {"city": "Zürich"})
    bound = chat.bind_tools([weather])
    question = HumanMessage("How is it in Zürich?")
    reply = bound.invoke([question])
    (call,) = reply.tool_calls
    assert (call["name"], call["args"], call["id"]) == ("weather", {"city": "Zürich"}, "call_1")
    result: ToolMessage = weather.invoke(call)
    bound.invoke([question, reply, result])
    assert "sunny in Zürich" in json.dumps(upstream.received[-1].json()["messages"], ensure_ascii=False)


def test_a_structured_output(chat: Any, upstream: ScriptedUpstream) -> None:
    answer_with_a_call(chat, upstream, "Person", {"name": "Ada", "age": 36})
    assert chat.with_structured_output(Person, method="function_calling").invoke("Who?") == Person(name="Ada", age=36)


def test_a_structured_output_by_schema(openai_chat: ChatOpenAI, upstream: ScriptedUpstream) -> None:
    message = {"role": "assistant", "content": '{"name":"Ada","age":36}'}
    upstream.handle = lambda _: json_answer({**COMPLETION, "choices": [{"index": 0, "message": message, "finish_reason": "stop"}]})
    assert openai_chat.with_structured_output(Person, method="json_schema").invoke("Who?") == Person(name="Ada", age=36)
    assert upstream.received[0].json()["response_format"]["type"] == "json_schema"


def test_a_streamed_call(anthropic_chat: ChatAnthropic, upstream: ScriptedUpstream) -> None:
    upstream.handle = lambda _: stream_answer(
        message_events("")[0],
        named_event("content_block_start", index=0, content_block={"type": "tool_use", "id": "call_1", "name": "weather", "input": {}}),
        *(
            named_event("content_block_delta", index=0, delta={"type": "input_json_delta", "partial_json": part})
            for part in ('{"city":', ' "Oslo"}')
        ),
        named_event("content_block_stop", index=0),
        named_event("message_delta", delta={"stop_reason": "tool_use", "stop_sequence": None}, usage={"output_tokens": 9}),
        named_event("message_stop"),
    )
    whole: Any = None
    for chunk in anthropic_chat.bind_tools([weather]).stream("How is it in Oslo?"):
        whole = chunk if whole is None else whole + chunk
    assert [(call["name"], call["args"]) for call in whole.tool_calls] == [("weather", {"city": "Oslo"})]


def test_embeddings(served: Served) -> None:
    embeddings = OpenAIEmbeddings(
        base_url=f"{served.base_url}/v1",
        api_key=SecretStr(served.test_key),
        model="openai/text-embedding-3-small",
        dimensions=8,
        check_embedding_ctx_length=False,
        max_retries=0,
    )
    vectors = embeddings.embed_documents(["a", "b", "a"])
    assert vectors[0] == vectors[2] != vectors[1]
    assert {len(vector) for vector in vectors} == {8}


def test_a_test_key_works_offline(served: Served) -> None:
    chat = ChatOpenAI(base_url=f"{served.base_url}/v1", api_key=SecretStr(served.test_key), model="sandbox/echo", max_retries=0)
    assert chat.invoke("Hello there").content == "Hello there"
    assert served.upstream.received == []
