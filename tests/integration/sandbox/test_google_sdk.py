"""The official Google SDK talks straight to the sandbox."""

from collections.abc import AsyncIterator, Iterator
from typing import Any

import httpx
import httpx2
import pytest
from google import genai
from google.genai import errors, types
from pydantic import BaseModel, Field


def make_client(sandbox: str, *, version: str | None = None, timeout_ms: int = 10_000) -> genai.Client:
    options = types.HttpOptions(
        base_url=sandbox, api_version=version, timeout=timeout_ms, retry_options=types.HttpRetryOptions(attempts=1)
    )  # fmt: skip
    return genai.Client(api_key="MARKER", http_options=options)


@pytest.fixture
def client(sandbox: str) -> Iterator[genai.Client]:
    client = make_client(sandbox)
    yield client
    client.close()


@pytest.fixture
async def models(sandbox: str) -> AsyncIterator[Any]:
    client = make_client(sandbox)
    yield client.aio.models
    await client.aio.aclose()
    client.close()


def weather(city: str, days: int) -> str:
    """The weather of a city, for some days."""
    return f"sunny in {city} for {days} days"


@pytest.mark.parametrize("version", [None, "v1beta", "v1"])
def test_a_reply_in_every_version_that_the_sdk_may_ask_for(sandbox: str, version: str | None) -> None:
    with make_client(sandbox, version=version) as client:
        reply = client.models.generate_content(model="gemini-x", contents="Hello there")
    assert reply.text is not None
    assert "gemini-x" in reply.text
    assert reply.usage_metadata is not None
    assert reply.usage_metadata.prompt_token_count == 2
    assert reply.candidates is not None
    assert reply.candidates[0].finish_reason is types.FinishReason.STOP


async def test_a_reply_and_a_stream_asynchronously(models: Any) -> None:
    reply = await models.generate_content(model="sandbox/echo", contents="Hello <there>")
    assert reply.text == "Hello <there>"
    stream = await models.generate_content_stream(model="sandbox/long", contents="Hi")
    assert len("".join([chunk.text async for chunk in stream])) == 8000


def test_a_stream_with_thoughts(client: genai.Client) -> None:
    config = types.GenerateContentConfig(
        system_instruction="Be kind.", thinking_config=types.ThinkingConfig(include_thoughts=True), candidate_count=1
    )
    chunks = list(client.models.generate_content_stream(model="echo", contents="Hello there", config=config))
    parts: list[Any] = [part for chunk in chunks for part in chunk.candidates[0].content.parts]  # type: ignore[index,union-attr]
    assert "".join(part.text for part in parts if not part.thought) == "Hello there"
    assert "".join(part.text for part in parts if part.thought).startswith("The last message has 11 bytes.")
    assert parts[-1].thought_signature
    usage: Any = chunks[-1].usage_metadata
    assert usage.total_token_count == usage.prompt_token_count + usage.candidates_token_count + usage.thoughts_token_count


def test_images_and_files_are_taken(client: genai.Client) -> None:
    contents: Any = [
        types.Part.from_bytes(data=b"\x89PNG\xff\xfe", mime_type="image/png"),
        types.Part.from_uri(file_uri="https://example.com/x.pdf", mime_type="application/pdf"),
        "What is it?",
    ]
    assert client.models.generate_content(model="echo", contents=contents).text == "What is it?"


def test_a_forced_function_and_the_way_back(client: genai.Client) -> None:
    calling = types.FunctionCallingConfig(mode=types.FunctionCallingConfigMode.ANY, allowed_function_names=["weather"])
    config: Any = {
        "tools": [weather],
        "automatic_function_calling": {"disable": True},
        "tool_config": types.ToolConfig(function_calling_config=calling),
        "thinking_config": types.ThinkingConfig(thinking_budget=100),
    }
    reply = client.models.generate_content(model="m", contents="Hi", config=config)
    assert reply.function_calls is not None
    (call,) = reply.function_calls
    assert (call.name, call.args) == ("weather", {"city": "", "days": 0})
    answered = types.Part.from_function_response(name="weather", response={"result": "sunny"})
    said: Any = reply.candidates[0].content  # type: ignore[index]
    history: Any = [types.UserContent("Hi"), said, types.Content(role="user", parts=[answered])]
    assert client.models.generate_content(model="m", contents=history, config={"tools": [weather]}).text
    with pytest.raises(errors.ClientError, match="number of function response parts"):
        client.models.generate_content(model="m", contents=[*history[:2], types.UserContent("Well?")])


def test_the_sdk_calls_the_function_by_itself(client: genai.Client) -> None:
    reply = client.models.generate_content(model="sandbox/tool-call", contents="Hi", config={"tools": [weather]})
    assert reply.text is not None
    history: Any = reply.automatic_function_calling_history
    assert history[-1].parts[0].function_response.response == {"result": "sunny in  for 0 days"}


class Address(BaseModel):
    street: str


class Person(BaseModel):
    name: str
    age: int = Field(ge=18)
    addresses: list[Address] = Field(min_length=1)
    boss: str | None = None


def test_a_structured_output_is_parsed_into_a_model(client: genai.Client) -> None:
    person = Person(name="", age=18, addresses=[Address(street="")])
    config: Any = {"response_mime_type": "application/json", "response_schema": Person}
    assert client.models.generate_content(model="m", contents="Hi", config=config).parsed == person
    schema: Any = {"response_mime_type": "application/json", "response_json_schema": Person.model_json_schema()}
    assert client.models.generate_content(model="m", contents="Hi", config=schema).parsed == {
        "name": "", "age": 18, "addresses": [{"street": ""}],
    }  # fmt: skip
    enum: Any = {"response_mime_type": "text/x.enum", "response_schema": {"type": "STRING", "enum": ["warm", "hot"]}}
    assert client.models.generate_content(model="m", contents="Hi", config=enum).text == "hot"


def test_a_chat_remembers(client: genai.Client) -> None:
    chat = client.chats.create(model="echo")
    assert chat.send_message("one").text == "one"
    assert "".join(chunk.text or "" for chunk in chat.send_message_stream("two")) == "two"
    assert [content.role for content in chat.get_history()] == ["user", "model", "user", "model"]


def test_tokens_are_counted_and_texts_embedded(client: genai.Client) -> None:
    assert client.models.count_tokens(model="m", contents="12345678").total_tokens == 2
    reply = client.models.embed_content(model="gemini-embedding-001", contents=["a", "b"], config={"output_dimensionality": 8})
    assert reply.embeddings is not None
    assert [len(embedding.values or ()) for embedding in reply.embeddings] == [8, 8]
    assert reply.embeddings[0].values != reply.embeddings[1].values


def test_models_are_listed_page_by_page_and_looked_up(client: genai.Client) -> None:
    names = [model.name for model in client.models.list(config={"page_size": 3})]
    assert "models/sandbox/echo" in names
    assert len(names) > 12
    model = client.models.get(model="vendor/anything")
    assert (model.name, "generateContent" in (model.supported_actions or ())) == ("models/vendor/anything", True)


def test_a_blocked_prompt_and_a_filtered_answer(client: genai.Client) -> None:
    blocked = client.models.generate_content(model="refusal", contents="Hi")
    assert (blocked.candidates, blocked.text) == (None, None)
    assert blocked.prompt_feedback is not None
    assert blocked.prompt_feedback.block_reason is types.BlockedReason.SAFETY
    filtered = client.models.generate_content(model="content-filter", contents="Hi")
    assert filtered.candidates is not None
    assert filtered.candidates[0].finish_reason is types.FinishReason.SAFETY


@pytest.mark.parametrize(
    ("model", "error", "status"),
    [
        ("sandbox/rate-limited", errors.ClientError, "RESOURCE_EXHAUSTED"),
        ("sandbox/server-error", errors.ServerError, "INTERNAL"),
        ("sandbox/context-length", errors.ClientError, "INVALID_ARGUMENT"),
        ("x" * 300, errors.ClientError, "NOT_FOUND"),
    ],
)
def test_failures_are_the_sdks_own_errors(client: genai.Client, model: str, error: type[errors.APIError], status: str) -> None:
    with pytest.raises(error) as caught:
        client.models.generate_content(model=model, contents="Hi")
    assert caught.value.status == status
    with pytest.raises(error) as caught:
        list(client.models.generate_content_stream(model=model, contents="Hi"))
    assert caught.value.status == status


def test_a_stream_that_fails_half_way_is_noticed(client: genai.Client) -> None:
    seen: list[str | None] = []
    with pytest.raises(errors.ServerError, match="overloaded"):
        seen.extend(chunk.text for chunk in client.models.generate_content_stream(model="stream-error", contents="Hi"))
    with pytest.raises(httpx2.RemoteProtocolError):
        list(client.models.generate_content_stream(model="cut-stream", contents="Hi"))
    with pytest.raises(errors.UnknownApiResponseError):
        list(client.models.generate_content_stream(model="malformed", contents="Hi"))


def test_a_timeout_is_an_error(sandbox: str) -> None:
    with make_client(sandbox, timeout_ms=200) as client, pytest.raises(httpx2.TimeoutException):
        client.models.generate_content(model="timeout", contents="Hi")


def test_a_stream_without_events_is_an_array_as_google_sends_it(sandbox: str) -> None:
    url = f"{sandbox}/v1beta/models/sandbox%2Fecho:streamGenerateContent"
    body = {"contents": [{"parts": [{"text": "Hello there"}]}]}
    reply = httpx.post(url, json=body, headers={"x-goog-api-key": "MARKER"})
    assert reply.headers["transfer-encoding"] == "chunked"
    texts = [part["text"] for chunk in reply.json() for part in chunk["candidates"][0]["content"]["parts"]]
    assert texts == ["Hello", " there"]
