"""botocore as the judge: it takes our requests for its service's own, and what our cases answer for what its service answers."""

import base64
import functools
import json
from pathlib import Path
from typing import Any

import botocore.session
import pytest
from botocore.model import OperationModel, Shape
from botocore.parsers import EventStreamJSONParser, create_parser
from botocore.serialize import create_serializer
from botocore.validate import ParamValidator

from anyrouter.wire.form.parts import CacheControl, Document, Image, Reasoning, Source, Text, ToolCall, ToolResult
from anyrouter.wire.form.reasoning import ANTHROPIC_FORMAT, ReasoningOptions
from anyrouter.wire.form.request import Message, OutputFormat, Request
from anyrouter.wire.form.text import quote
from anyrouter.wire.form.tools import ChoiceMode, Tool, ToolChoice
from anyrouter.wire.form.warnings import Warnings
from anyrouter.wire.translation.bedrock.event_stream import EventStreamSplitter
from anyrouter.wire.translation.bedrock.request_encoder import encode_request
from anyrouter.wire.translation.codec import UpstreamModel

GOLDEN = Path(__file__).resolve().parents[4] / "golden"
REQUESTS = [path for path in sorted(GOLDEN.glob("*/request_*.bedrock.snap")) if not path.read_text("utf-8").startswith("refused")]
REPLIES = sorted((GOLDEN / "bedrock").glob("reply_*.json"))
STREAMS = sorted((GOLDEN / "bedrock").glob("stream_*.bin"))
MODEL = "us.anthropic.claude-sonnet-4-5-20250929-v1:0"


@functools.cache
def operation(name: str) -> OperationModel:
    loaded: OperationModel = botocore.session.Session().get_service_model("bedrock-runtime").operation_model(name)
    return loaded


def to_parameters(value: Any, shape: Shape) -> Any:
    """A body as boto3 would be given it: blobs as bytes, in place of base64."""
    if shape.type_name == "structure" and shape.members:
        return {name: to_parameters(inner, shape.members[name]) if name in shape.members else inner for name, inner in value.items()}
    if shape.type_name == "list":
        return [to_parameters(item, shape.member) for item in value]
    return base64.b64decode(value, validate=True) if shape.type_name == "blob" else value


def judge(body: dict[str, Any], name: str) -> None:
    """The service's own description has nothing against it, and its SDK would send the very same."""
    shape = operation(name).input_shape
    parameters = {"modelId": MODEL, **to_parameters(body, shape)}
    report = ParamValidator().validate(parameters, shape)
    assert not report.has_errors(), report.generate_report()
    sent = create_serializer("rest-json").serialize_to_request(parameters, operation(name))
    assert json.loads(sent["body"]) == body


@pytest.mark.parametrize("path", REQUESTS, ids=lambda path: f"{path.parent.name}/{path.stem}")
def test_a_request_is_one_of_the_services(path: Path) -> None:
    method, _, rest = path.read_text("utf-8").partition("\n")
    body, _ = json.JSONDecoder().raw_decode(rest.removeprefix("body "))
    judge(body, {"method /converse": "Converse", "method /converse-stream": "ConverseStream"}[method])


@pytest.mark.parametrize(
    "model", [MODEL, "anthropic.claude-opus-4-7", "amazon.nova-pro-v1:0", "us.amazon.nova-2-lite-v1:0", "openai.gpt-oss-20b-1:0"]
)
def test_a_request_of_everything_is_one_of_the_services_for_every_kind_of_model(model: str) -> None:
    cache, schema = CacheControl("1h"), OutputFormat(kind="schema", name="n", schema=quote_schema())
    document = Document(Source(data=quote("AAAA"), media_type="application/pdf"), title="A (b)", context="c", has_citations=True)
    picture = Image(Source(data=quote("AAAA"), media_type="image/png"), cache=cache)
    thought = Reasoning(quote("t"), "c2ln", format=ANTHROPIC_FORMAT)
    messages = [
        Message("system", [Text(quote("s"), cache)]),
        Message("user", [document, picture]),
        Message(
            "assistant", [thought, Reasoning(encrypted="AAAA", format=ANTHROPIC_FORMAT), Text(quote("a")), ToolCall("x/1", "f", '{"a":1}')]
        ),
        Message("tool", [ToolResult("x/1", (Text(quote("r")), picture), is_error=True)]),
    ]
    for choice in (None, ToolChoice(ChoiceMode.REQUIRED), ToolChoice(ChoiceMode.NAMED, ("f",))):
        request = Request(
            dialect="anthropic",
            model="m",
            messages=messages,
            max_tokens=4000,
            temperature=0.5,
            top_k=3,
            stop=("x",),
            tools=[Tool("f", quote("F"), quote_schema(), is_strict=True, cache=cache)],
            tool_choice=choice,
            output=schema,
            reasoning=ReasoningOptions(effort="low"),
            service_tier="default",
            cache=cache,
        )
        judge(json.loads(encode_request(request, UpstreamModel(name=model), Warnings()).body), "Converse")


def quote_schema() -> Any:
    return type(quote(""))(b'{"type":"object","properties":{"x":{"type":"string"}},"required":["x"],"additionalProperties":false}')


@pytest.mark.parametrize("path", REPLIES, ids=lambda path: path.stem)
def test_what_our_cases_answer_is_an_answer_to_it(path: Path) -> None:
    shape = operation("Converse").output_shape
    response = {"status_code": 200, "headers": {}, "body": path.read_bytes()}
    parsed = create_parser("rest-json").parse(response, shape)
    told = json.loads(path.read_bytes())
    parsed.pop("ResponseMetadata")
    assert parsed.keys() == told.keys()
    content = zip(parsed["output"]["message"]["content"], told["output"]["message"]["content"], strict=True)
    assert all(one.keys() == other.keys() for one, other in content)


@pytest.mark.parametrize("path", STREAMS, ids=lambda path: path.stem)
def test_what_our_streams_hold_are_events_to_it(path: Path) -> None:
    shape = operation("ConverseStream").output_shape.members["stream"]
    for message in EventStreamSplitter().feed(path.read_bytes()):
        kind = message.headers.get(":message-type")
        response = {"status_code": 200, "headers": message.headers, "body": message.payload}
        if kind == "event":
            parsed = EventStreamJSONParser().parse(response, shape)
            assert message.headers[":event-type"] in parsed
        else:
            assert "Error" in EventStreamJSONParser().parse({**response, "status_code": 400}, shape)


def test_there_is_something_to_check() -> None:
    assert len(REQUESTS) >= 60
    assert len(REPLIES) + len(STREAMS) >= 25
