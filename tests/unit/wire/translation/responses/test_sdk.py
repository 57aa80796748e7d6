"""OpenAI's own SDK on the client's side: it writes the requests, and reads what clients of Responses get from whatever dialect."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import httpx2
import msgspec
import openai
import pytest
from openai import OpenAI
from openai.types.responses import Response, ResponseStreamEvent
from pydantic import BaseModel, TypeAdapter

from anyrouter.core.errors import Denied
from anyrouter.wire.form.parts import Reasoning, Text, ToolCall, ToolResult
from anyrouter.wire.reply import CostFields, Naming
from anyrouter.wire.translation.codec import ClientRequest, UpstreamModel
from anyrouter.wire.translation.registry import CODECS
from anyrouter.wire.translation.responses.codec import CODEC, render_error
from anyrouter.wire.translation.responses.stream_encoder import ResponsesStreamEncoder
from anyrouter.wire.translation.stream import TranslatedStream
from anyrouter.wire.translation.translation import DecodedRequest, decode_client_request

GOLDEN = Path(__file__).resolve().parents[4] / "golden"
REPLIES = sorted(GOLDEN.glob("*/reply_*.responses.snap"))
STREAMS = sorted(GOLDEN.glob("*/stream_*.responses.snap"))
EVENT: TypeAdapter[Any] = TypeAdapter(ResponseStreamEvent)
NAMING = Naming(b'"gen-0123456789ab0123456789abcdef0123"', b'"vendor/model"', b'"Provider"')
COST = CostFields(cost=b"0.00042")


def name_of(path: Path) -> str:
    return f"{path.parent.name}/{path.stem}"


def events_of(text: str) -> list[dict[str, Any]]:
    """The events of a stream, each of which says its type twice."""
    events = []
    for block in text.split("\n\n"):
        lines = block.splitlines()
        if lines and not lines[0].startswith(":"):
            assert len(lines) == 2
            event = json.loads(lines[1].removeprefix("data: "))
            assert lines[0] == f"event: {event['type']}"
            events.append(event)
    return events


@pytest.mark.parametrize("path", REPLIES, ids=name_of)
def test_a_reply_is_a_response(path: Path) -> None:
    Response.model_validate(json.loads(path.read_text("utf-8")))


@pytest.mark.parametrize("path", STREAMS, ids=name_of)
def test_a_streams_events_are_of_the_sdks_types_and_numbered(path: Path) -> None:
    events = events_of(path.read_text("utf-8"))
    for number, event in enumerate(events):
        EVENT.validate_python(event)
        assert event["sequence_number"] == number


@pytest.mark.parametrize("path", STREAMS, ids=name_of)
def test_what_a_streams_events_tell_is_what_its_last_one_says(path: Path) -> None:
    events = events_of(path.read_text("utf-8"))
    if not events or events[-1]["type"] not in {"response.completed", "response.incomplete"}:
        return
    assert [event["type"] for event in events[:2]] == ["response.created", "response.in_progress"]
    output = events[-1]["response"]["output"]
    assert [event["item"] for event in events if event["type"] == "response.output_item.done"] == output
    added = [event for event in events if event["type"] == "response.output_item.added"]
    assert [(event["output_index"], event["item"]["id"]) for event in added] == list(enumerate(item["id"] for item in output))
    assert {event["response"]["id"] for event in events if "response" in event} == {"gen-0123456789ab0123456789abcdef0123"}
    said: dict[tuple[Any, ...], str] = {}
    for event in events:
        if "item_id" in event:
            assert output[event["output_index"]]["id"] == event["item_id"]
            place = (event["output_index"], event.get("content_index"), event.get("summary_index"))
            if event["type"].endswith(".delta"):
                said[place] = said.get(place, "") + event["delta"]
            elif event["type"].endswith((".text.done", "_text.done", "arguments.done", "input.done", "refusal.done")):
                whole = next(event[name] for name in ("text", "refusal", "arguments", "input") if name in event)
                assert said.get(place, "") == whole


def test_there_is_something_to_check() -> None:
    assert len(REPLIES) >= 30
    assert len(STREAMS) >= 40


class Server:
    """Stands for the gateway: translates what the SDK sends to `dialect`, and answers with an upstream's bytes, translated back."""

    def __init__(self, answer: bytes, dialect: str = "openai", breaking: Denied | None = None) -> None:
        self.answer, self.dialect, self.breaking = answer, dialect, breaking
        self.decoded: DecodedRequest | None = None

    def __call__(self, request: httpx2.Request) -> httpx2.Response:
        body = request.read()
        told = json.loads(body)
        values = msgspec.json.decode(body, type=dict[str, msgspec.Raw])
        self.decoded = decode_client_request(CODEC, ClientRequest(values=values, model=told["model"], is_streamed=bool(told.get("stream"))))
        translation = self.decoded.encode_for(self.dialect, UpstreamModel(name="up", max_output_tokens=99), created_s=1_700_000_000)
        if not told.get("stream"):
            reply, facts = translation.read_reply("responses", self.answer)
            assert facts.usage is not None
            body = b"".join(translation.render_reply("responses", reply, NAMING, facts.usage, COST))
            return httpx2.Response(200, content=body, headers={"content-type": "application/json"})
        decoder = CODECS[self.dialect].stream_decoder
        assert decoder is not None
        encoder = ResponsesStreamEncoder(translation._context(NAMING))
        stream = TranslatedStream(decoder=decoder(), encoder=encoder, estimate_input=lambda: 7, pricer=lambda _usage: COST)
        out = stream.feed(self.answer)
        out += stream.fail(self.breaking, "req-1") if self.breaking is not None else stream.eof()
        return httpx2.Response(200, content=out, headers={"content-type": "text/event-stream"})


def client_of(handler: Callable[[httpx2.Request], httpx2.Response]) -> OpenAI:
    http = httpx2.Client(transport=httpx2.MockTransport(handler))
    return OpenAI(api_key="sk-MARKER", base_url="http://gateway/v1", http_client=http, max_retries=0)


def chat(message: dict[str, Any], finish: str = "stop") -> bytes:
    usage = {"prompt_tokens": 5, "completion_tokens": 3, "total_tokens": 8}
    choice = {"index": 0, "message": {"role": "assistant", **message}, "finish_reason": finish}
    return json.dumps({"id": "x", "object": "chat.completion", "created": 1, "model": "m", "choices": [choice], "usage": usage}).encode()


def chat_stream(*deltas: dict[str, Any], finish: str | None = "stop") -> bytes:
    chunks = [{"choices": [{"index": 0, "delta": delta, "finish_reason": None}]} for delta in deltas]
    end = b"data: [DONE]\n\n"
    if finish is None:
        end = b""
    else:
        chunks.append({"choices": [{"index": 0, "delta": {}, "finish_reason": finish}]})
    return b"".join(b"data: %s\n\n" % json.dumps({"id": "x", "model": "m", **chunk}).encode() for chunk in chunks) + end


WEATHER: Any = {
    "type": "function",
    "name": "get_weather",
    "description": "The weather.",
    "parameters": {"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"], "additionalProperties": False},
    "strict": True,
}
CALL = {"id": "call_1", "type": "function", "function": {"name": "get_weather", "arguments": '{"city":"Paris"}'}}


def test_a_response_is_created_and_repeats_what_was_asked() -> None:
    server = Server(chat({"content": "Bonjour"}))
    response = client_of(server).responses.create(
        model="vendor/model",
        instructions="Speak\nFrench.",
        input="Hello",
        tools=[WEATHER, {"type": "mcp", "server_label": "s", "server_url": "https://mcp.example.com", "authorization": "Bearer MARKER"}],
        temperature=0.5,
        max_output_tokens=100,
        metadata={"a": "b"},
        text={"verbosity": "low"},
        reasoning={"effort": "low"},
    )
    assert response.output_text == "Bonjour"
    assert (response.id, response.model) == ("gen-0123456789ab0123456789abcdef0123", "vendor/model")
    assert (response.status, response.instructions, response.temperature) == ("completed", "Speak\nFrench.", 0.5)
    assert response.tools[0].to_dict() == WEATHER
    assert "MARKER" not in response.to_json()
    assert response.metadata is not None
    assert response.metadata["a"] == "b"
    assert json.loads(response.metadata["warnings"])[0]["param"] == "tools[1]"
    assert response.usage is not None
    assert (response.usage.input_tokens, response.usage.output_tokens, response.usage.total_tokens) == (5, 3, 8)
    assert response.usage.to_dict()["cost"] == 0.00042
    assert response.text is not None
    assert response.text.verbosity == "low"
    assert response.max_output_tokens == 100


def test_a_cut_answer_is_incomplete() -> None:
    response = client_of(Server(chat({"content": "Once"}, "length"))).responses.create(model="m", input="Hi")
    assert response.incomplete_details is not None
    assert (response.status, response.incomplete_details.reason) == ("incomplete", "max_output_tokens")


def test_a_stream_is_accumulated() -> None:
    server = Server(chat_stream({"content": "Bon"}, {"content": "jour 🙂"}))
    with client_of(server).responses.stream(model="m", input="Hello") as stream:
        texts = [event.snapshot for event in stream if event.type == "response.output_text.delta"]
        final = stream.get_final_response()
    assert texts == ["Bon", "Bonjour 🙂"]
    assert (final.output_text, final.status) == ("Bonjour 🙂", "completed")
    assert final.usage is not None


def test_parallel_calls_of_a_stream_are_accumulated_and_their_arguments_parsed() -> None:
    second = {**CALL, "id": "call_2", "function": {"name": "get_weather", "arguments": '{"city":"Rome"}'}}
    server = Server(
        chat_stream({"tool_calls": [{"index": 0, **CALL}]}, {"tool_calls": [{"index": 1, **second}]}, finish="tool_calls"),
    )
    with client_of(server).responses.stream(model="m", input="Hello", tools=[WEATHER]) as stream:
        snapshots = [event.snapshot for event in stream if event.type == "response.function_call_arguments.delta"]
        calls: Any = stream.get_final_response().output
    assert snapshots == ['{"city":"Paris"}', '{"city":"Rome"}']
    assert [(call.call_id, call.parsed_arguments) for call in calls] == [("call_1", {"city": "Paris"}), ("call_2", {"city": "Rome"})]


class Person(BaseModel):
    name: str
    age: int


def test_an_answer_is_parsed_by_the_schema_that_was_asked_for() -> None:
    server = Server(chat({"content": '{"name":"Jane","age":54}'}))
    response = client_of(server).responses.parse(model="m", input="Who?", text_format=Person)
    assert response.output_parsed == Person(name="Jane", age=54)
    assert server.decoded is not None
    output = server.decoded.form.output
    assert output is not None
    assert (output.kind, output.name, output.is_strict) == ("schema", "Person", True)
    streamed = Server(chat_stream({"content": '{"name":"Jane",'}, {"content": '"age":54}'}))
    with client_of(streamed).responses.stream(model="m", input="Who?", text_format=Person) as stream:
        assert stream.get_final_response().output_parsed == Person(name="Jane", age=54)


def test_what_was_answered_can_be_sent_back_as_it_came() -> None:
    """An agent's second turn: proofs, calls and texts find their way into the form again."""
    details = [
        {"type": "reasoning.text", "text": "I look.", "signature": "sig", "format": "anthropic-claude-v1"},
        {"type": "reasoning.encrypted", "data": "proof", "id": "call_1", "format": "google-gemini-v1"},
    ]
    server = Server(chat({"content": "Let me see.", "tool_calls": [CALL], "reasoning_details": details}, "tool_calls"))
    client = client_of(server)
    first = client.responses.create(model="m", input="Weather?", tools=[WEATHER])
    history: list[Any] = [{"role": "user", "content": "Weather?"}, *first.output]
    history.append({"type": "function_call_output", "call_id": "call_1", "output": "11 degrees"})
    client.responses.create(model="m", input=history, tools=[WEATHER])
    assert server.decoded is not None
    assert server.decoded.warnings == ()
    _, answer, result = server.decoded.form.messages
    reasoning, text, call = answer.parts
    assert isinstance(reasoning, Reasoning)
    assert (bytes(reasoning.text or b""), reasoning.signature, reasoning.format) == (b'"I look."', "sig", "anthropic-claude-v1")
    assert isinstance(text, Text)
    assert isinstance(call, ToolCall)
    assert (call.id, call.arguments, call.signature) == ("call_1", '{"city":"Paris"}', "proof")
    assert isinstance(result.parts[0], ToolResult)


def test_a_stream_that_breaks_raises_and_names_the_error() -> None:
    server = Server(
        chat_stream({"content": "Half"}, finish=None), breaking=Denied(code="upstream_timeout", message="The provider stopped answering.")
    )
    with (
        pytest.raises(openai.APIError, match="The provider stopped answering") as caught,
        client_of(server).responses.create(model="m", input="Hi", stream=True) as stream,
    ):
        list(stream)
    assert isinstance(caught.value.body, dict)
    assert caught.value.body["code"] == "upstream_timeout"


def test_an_error_reply_is_raised_as_its_status_says() -> None:
    denied = Denied(code="rate_limited", message="Too many requests.")
    client = client_of(lambda _request: httpx2.Response(429, content=render_error(denied, "req-1")))
    with pytest.raises(openai.RateLimitError, match="Too many requests"):
        client.responses.create(model="m", input="Hi")
