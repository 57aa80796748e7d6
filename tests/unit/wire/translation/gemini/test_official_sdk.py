"""Google's own SDK as the judge: it reads what clients get, and what it sends back is understood."""

import base64
import functools
import json
import logging
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import httpx
import msgspec
import pytest
from google import genai
from google.genai import types
from google.genai.errors import ServerError

from anyrouter.core.errors import Denied
from anyrouter.core.usage import Usage
from anyrouter.wire.form.events import ArgumentsDelta, Event, Finish, PartEnd, PartStart, ReasoningDelta, SignatureDelta, Start, TextDelta
from anyrouter.wire.form.parts import Reasoning, Text, ToolCall, ToolResult
from anyrouter.wire.form.reasoning import ANTHROPIC_FORMAT
from anyrouter.wire.form.reply import FinishReason
from anyrouter.wire.form.request import Message, Request
from anyrouter.wire.form.text import EMPTY, quote
from anyrouter.wire.form.warnings import Warnings
from anyrouter.wire.reply import CostFields, Naming
from anyrouter.wire.translation.codec import ClientRequest, ReplyContext
from anyrouter.wire.translation.gemini.request_decoder import decode_request
from anyrouter.wire.translation.gemini.stream_encoder import GeminiStreamEncoder

GOLDEN = Path(__file__).resolve().parents[4] / "golden"
REPLIES = sorted(GOLDEN.glob("*/reply_*.gemini.snap"))
STREAMS = [path for path in sorted(GOLDEN.glob("*/stream_*.gemini.snap")) if b'"finishReason"' in path.read_bytes()]
CASES = sorted(path for path in (GOLDEN / "gemini").glob("reply_*.json"))
MODEL = "vendor/model"
COST = CostFields(cost=b"0.25")


class Server:
    """What answers the SDK, in place of a network. A client of the SDK takes long to make, so there is one."""

    def __init__(self) -> None:
        self.answer: Callable[[httpx.Request], bytes] = lambda _request: b""
        options = types.HttpOptions(
            base_url="http://gateway.invalid", httpx_client=httpx.Client(transport=httpx.MockTransport(self._handle))
        )
        self.client = genai.Client(api_key="none", http_options=options)

    def _handle(self, request: httpx.Request) -> httpx.Response:
        kind = "text/event-stream" if "alt=sse" in str(request.url) else "application/json"
        return httpx.Response(200, headers={"content-type": kind}, content=self.answer(request))


@functools.cache
def server() -> Server:
    return Server()


def client(answer: Callable[[httpx.Request], bytes]) -> genai.Client:
    server().answer = answer
    return server().client


def decode(request: httpx.Request) -> tuple[Request, Warnings]:
    warnings = Warnings()
    values = msgspec.json.decode(request.content, type=dict[str, msgspec.Raw])
    return decode_request(ClientRequest(values=values, model=MODEL, is_streamed="stream" in str(request.url)), warnings), warnings


@pytest.fixture(autouse=True)
def quiet() -> Iterator[None]:
    """It tells its log of parts that are no text, once in a process."""
    logging.getLogger("google_genai").setLevel(logging.ERROR)
    yield
    logging.getLogger("google_genai").setLevel(logging.NOTSET)


@pytest.mark.parametrize("path", REPLIES, ids=lambda path: f"{path.parent.name}/{path.stem}")
def test_it_reads_whole_replies(path: Path) -> None:
    told = json.loads(path.read_text("utf-8"))
    found = client(lambda _request: json.dumps(told).encode()).models.generate_content(model=MODEL, contents="Hi")
    assert found.candidates is not None
    assert [candidate.finish_reason for candidate in found.candidates] == [one["finishReason"] for one in told["candidates"]]
    parts = [part for one in told["candidates"][:1] for part in one["content"]["parts"]]
    assert (found.text or "") == "".join(part.get("text", "") for part in parts if not part.get("thought"))
    assert [call.name for call in found.function_calls or []] == [part["functionCall"]["name"] for part in parts if "functionCall" in part]
    assert found.usage_metadata is not None
    assert found.usage_metadata.total_token_count == told["usageMetadata"]["totalTokenCount"]
    assert found.model_version == MODEL


@pytest.mark.parametrize("path", STREAMS, ids=lambda path: f"{path.parent.name}/{path.stem}")
def test_it_reads_streams(path: Path) -> None:
    data = path.read_bytes()
    found = list(client(lambda _request: data).models.generate_content_stream(model=MODEL, contents="Hi"))
    events = [json.loads(event.removeprefix(b"data: ")) for event in data.split(b"\r\n\r\n") if event]
    assert len(found) == len(events)
    assert found[-1].candidates is not None
    assert all(candidate.finish_reason is not None for candidate in found[-1].candidates)
    assert found[-1].usage_metadata is not None
    assert found[-1].usage_metadata.prompt_token_count is not None
    texts = [part for event in events for part in event["candidates"][0]["content"]["parts"] if event["candidates"][0]["index"] == 0]
    said = [
        part.text or "" for chunk in found for one in (chunk.candidates or [])[:1] if one.index in {0, None} for part in one.content.parts
    ]  # type: ignore[union-attr]
    assert said == [part.get("text", "") for part in texts]


def test_it_raises_what_a_stream_ends_with() -> None:
    naming = Naming(b'"gen-0"', b'"vendor/model"', b'"P"')
    encoder = GeminiStreamEncoder(ReplyContext(naming=naming, created_s=1, request=Request(dialect="gemini", model=MODEL, messages=[])))
    body = encoder.encode([Start(), PartStart(0, Text(EMPTY)), TextDelta(0, quote("a"))])
    body += encoder.fail(Denied(code="upstream_error", message="It broke."), "req-1")
    stream = client(lambda _request: body).models.generate_content_stream(model=MODEL, contents="Hi")
    assert next(stream).text == "a"
    with pytest.raises(ServerError, match=r"It broke\."):
        next(stream)


def test_all_that_can_be_configured_is_understood() -> None:
    seen: list[httpx.Request] = []

    def answer(request: httpx.Request) -> bytes:
        seen.append(request)
        return b'{"candidates":[{"content":{"parts":[{"text":"{}"}]},"finishReason":"STOP"}]}'

    def get_weather(city: str, days: int = 1) -> str:
        """The weather of a city.

        Args:
            city: Its name.
            days: How many.
        """
        return f"{city} {days}"

    config = types.GenerateContentConfig(
        system_instruction="Be brief.",
        temperature=0.5, top_p=0.9, top_k=40, candidate_count=1, max_output_tokens=99, stop_sequences=["x"], seed=7,
        presence_penalty=0.1, frequency_penalty=0.2, response_logprobs=True, logprobs=2,
        tools=[get_weather],
        tool_config=types.ToolConfig(
            function_calling_config=types.FunctionCallingConfig(mode="ANY", allowed_function_names=["get_weather"])
        ),
        automatic_function_calling=types.AutomaticFunctionCallingConfig(disable=True),
        thinking_config=types.ThinkingConfig(include_thoughts=True, thinking_level=types.ThinkingLevel.LOW),
        response_modalities=["TEXT"],
    )  # fmt: skip
    picture = types.Part.from_bytes(data=b"\x89PNG>?>?", mime_type="image/png")
    client(answer).models.generate_content(model=MODEL, contents=["What?", picture], config=config)
    found, warnings = decode(seen[0])
    assert warnings.found == {}
    assert [message.role for message in found.messages] == ["system", "user"]
    assert (found.temperature, found.top_k, found.max_tokens, found.stop, found.seed, found.top_logprobs) == (0.5, 40, 99, ("x",), 7, 2)
    assert found.reasoning is not None
    assert (found.reasoning.effort, found.reasoning.is_hidden) == ("low", False)
    (tool,) = found.tools
    assert json.loads(bytes(tool.schema))["properties"]["city"]["type"] == "string"  # type: ignore[union-attr, arg-type]


def stream_of(events: list[Event]) -> bytes:
    naming = Naming(b'"gen-0123"', b'"vendor/model"', b'"P"')
    context = ReplyContext(naming=naming, created_s=1, request=Request(dialect="gemini", model=MODEL, messages=[]))
    encoder = GeminiStreamEncoder(context)
    return encoder.encode(events) + encoder.end(Usage(input_tokens=1, output_tokens=1), COST)


def test_a_chat_gives_back_thoughts_with_their_proofs_and_calls_with_their_ids() -> None:
    seen: list[httpx.Request] = []
    turn: list[Event] = [
        Start(),
        PartStart(0, Reasoning(EMPTY, format=ANTHROPIC_FORMAT)),
        ReasoningDelta(0, quote("I ")),
        ReasoningDelta(0, quote("think")),
        SignatureDelta(0, "Eq+/==", format=ANTHROPIC_FORMAT),
        PartEnd(0),
        PartStart(1, Text(EMPTY)),
        TextDelta(1, quote("I ")),
        TextDelta(1, quote("look")),
        PartEnd(1),
        PartStart(2, ToolCall("toolu_1", "f")),
        ArgumentsDelta(2, quote('{"a": [1, true]}')),
        PartEnd(2),
        Finish(reason=FinishReason.TOOL_CALLS, native="tool_use"),
    ]

    def answer(request: httpx.Request) -> bytes:
        seen.append(request)
        return stream_of(turn)

    chat = client(answer).chats.create(model=MODEL)
    for _ in chat.send_message_stream("Go"):
        pass
    result = types.Part.from_function_response(name="f", response={"output": "done"})
    assert result.function_response is not None
    result.function_response.id = "toolu_1"
    for _ in chat.send_message_stream(result):
        pass
    found, warnings = decode(seen[1])
    assert warnings.found == {}
    assert found.messages == [
        Message("user", [Text(quote("Go"))]),
        Message(
            "assistant",
            [
                Reasoning(quote("I think"), "Eq+/==", format=ANTHROPIC_FORMAT),
                Text(quote("I look")),
                ToolCall("toolu_1", "f", '{"a":[1,true]}'),
            ],
        ),
        Message("tool", [ToolResult("toolu_1", (Text(quote("done")),), name="f")]),
    ]


@pytest.mark.parametrize("path", CASES, ids=lambda path: path.stem)
def test_what_its_api_answers_in_our_cases_is_an_answer_to_it(path: Path) -> None:
    found = client(lambda _request: path.read_bytes()).models.generate_content(model=MODEL, contents="Hi")
    told: dict[str, Any] = json.loads(path.read_text("utf-8"))
    assert len(found.candidates or []) == len(told.get("candidates", []))


def test_there_is_something_to_check() -> None:
    assert len(REPLIES) >= 20
    assert len(STREAMS) >= 20
    assert base64.b64encode(b"anyrouter.") == b"YW55cm91dGVyLg=="
