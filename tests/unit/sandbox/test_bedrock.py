"""Amazon Bedrock's Converse and ConverseStream: what is said, how it is framed, and what is refused."""

import json
from typing import Any

import pytest
from botocore.eventstream import ChecksumMismatch, EventStreamBuffer

from anyrouter.sandbox.bedrock.event_stream import encode_message, halve_payload

CITY = {"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"]}
WEATHER = {"toolSpec": {"name": "weather", "description": "d", "inputSchema": {"json": CITY}}}
CLOCK = {"toolSpec": {"name": "clock", "inputSchema": {"json": {"type": "object"}}}}
USE = {"toolUse": {"toolUseId": "t1", "name": "weather", "input": {"a": 1}}}
RESULT = {"toolResult": {"toolUseId": "t1", "content": [{"text": "sunny"}]}}
CONFIG = {"tools": [WEATHER, CLOCK, {"cachePoint": {"type": "default"}}]}


def user(*blocks: Any) -> dict[str, Any]:
    return {"role": "user", "content": list(blocks)}


def assistant(*blocks: Any) -> dict[str, Any]:
    return {"role": "assistant", "content": list(blocks)}


def said(*messages: Any) -> dict[str, Any]:
    return {"messages": list(messages)}


HI = user({"text": "Hi"})


def test_a_reply_has_the_services_members_in_their_order(converse: Any) -> None:
    reply = converse(model="sandbox%2Fecho")
    assert reply.headers["content-type"] == "application/json"
    assert len(reply.headers["x-amzn-requestid"]) == 36
    assert reply.body.startswith(b'{"metrics":{"latencyMs":1},"output":{"message":{"content":[{"text":"Hello there"}],"role":"assistant"}}')
    assert list(reply.json) == ["metrics", "output", "stopReason", "usage"]
    assert reply.json["usage"] == {
        "cacheReadInputTokens": 0, "cacheWriteInputTokens": 0, "inputTokens": 2, "outputTokens": 2, "totalTokens": 4,
    }  # fmt: skip


def test_a_stream_has_the_services_events_in_their_order(converse: Any) -> None:
    reply = converse(model="echo", method="converse-stream")
    assert reply.headers["content-type"] == "application/vnd.amazon.eventstream"
    messages = reply.messages
    assert [kind for kind, _ in messages] == [
        "messageStart", "contentBlockDelta", "contentBlockDelta", "contentBlockStop", "messageStop", "metadata",
    ]  # fmt: skip
    assert all(payload.pop("p") for _, payload in messages)
    assert [payload for _, payload in messages] == [
        {"role": "assistant"},
        {"contentBlockIndex": 0, "delta": {"text": "Hello"}},
        {"contentBlockIndex": 0, "delta": {"text": " there"}},
        {"contentBlockIndex": 0},
        {"stopReason": "end_turn"},
        {"metrics": {"latencyMs": 1}, "usage": converse(model="echo").json["usage"]},
    ]


def test_an_event_says_what_it_is_in_its_headers(converse: Any) -> None:
    buffer = EventStreamBuffer()
    buffer.add_data(converse(method="converse-stream").body)
    first = next(buffer)
    assert list(first.headers.items()) == [
        (":event-type", "messageStart"),
        (":content-type", "application/json"),
        (":message-type", "event"),
    ]


def test_a_message_of_the_binary_stream_can_be_read_by_another(converse: Any) -> None:
    message = encode_message({":event-type": "x", "é": ""}, b"payload")
    halved = halve_payload(message)
    for data, payload in ((message, b"payload"), (halved, b"payl")):
        buffer = EventStreamBuffer()
        buffer.add_data(data)
        (event,) = buffer
        assert (event.headers, event.payload) == ({":event-type": "x", "é": ""}, payload)
    damaged = EventStreamBuffer()
    damaged.add_data(message[:-5] + b"X" + message[-4:])
    with pytest.raises(ChecksumMismatch):
        next(damaged)


def test_a_call_is_streamed_with_its_input(converse: Any) -> None:
    members = {"toolConfig": CONFIG | {"toolChoice": {"any": {}}}}
    messages = converse(**members, method="converse-stream").messages
    assert [kind for kind, _ in messages] == [
        "messageStart", "contentBlockStart", "contentBlockDelta", "contentBlockDelta", "contentBlockDelta", "contentBlockStop",
        "messageStop", "metadata",
    ]  # fmt: skip
    start = messages[1][1]["start"]["toolUse"]
    assert (list(start), start["name"]) == (["name", "toolUseId"], "weather")
    assert "".join(payload["delta"]["toolUse"]["input"] for _, payload in messages[2:5]) == '{"city":""}'
    (block,) = converse(**members).json["output"]["message"]["content"]
    assert block == {"toolUse": {"input": {"city": ""}, **start}}


def test_a_thought_comes_first_and_is_signed(converse: Any) -> None:
    members = {"model": "echo", "additionalModelRequestFields": {"thinking": {"type": "enabled", "budget_tokens": 1024}}}
    messages = converse(**members, method="converse-stream").messages
    deltas = [payload["delta"] for kind, payload in messages if kind == "contentBlockDelta"]
    thought, text = converse(**members).json["output"]["message"]["content"]
    thoughts = [delta["reasoningContent"] for delta in deltas if "reasoningContent" in delta]
    assert "".join(delta.get("text", "") for delta in thoughts) == thought["reasoningContent"]["reasoningText"]["text"]
    assert thoughts[-1] == {"signature": thought["reasoningContent"]["reasoningText"]["signature"]}
    assert text == {"text": "Hello there"}
    assert {payload["contentBlockIndex"] for kind, payload in messages if "Block" in kind} == {0, 1}


@pytest.mark.parametrize(
    ("choice", "name", "arguments"),
    [
        (None, None, None),
        ({"auto": {}}, None, None),
        ({"any": {}}, "weather", {"city": ""}),
        ({"tool": {"name": "clock"}}, "clock", {}),
    ],
)
def test_a_forced_tool_is_called(converse: Any, choice: Any, name: str | None, arguments: Any) -> None:
    reply = converse(toolConfig=CONFIG | {"toolChoice": choice}).json
    (block,) = reply["output"]["message"]["content"]
    if name is None:
        assert (list(block), reply["stopReason"]) == (["text"], "end_turn")
    else:
        assert (block["toolUse"]["name"], block["toolUse"]["input"], reply["stopReason"]) == (name, arguments, "tool_use")


def test_the_tool_call_model_calls_once_and_then_speaks(converse: Any) -> None:
    assert converse(model="tool-call").json["output"]["message"]["content"][0]["toolUse"]["name"] == "get_weather"
    after = converse(model="tool-call", messages=[HI, assistant(USE), user(RESULT)], toolConfig=CONFIG).json
    assert after["stopReason"] == "end_turn"


def test_limits_and_stop_sequences_end_the_answer(converse: Any) -> None:
    cut = converse(inferenceConfig={"maxTokens": 3}).json
    assert (cut["stopReason"], cut["usage"]["outputTokens"]) == ("max_tokens", 3)
    paths = {"additionalModelResponseFieldPaths": ["/stop_sequence", "/other"]}
    stopped = converse(model="echo", inferenceConfig={"stopSequences": [" there"]}, **paths).json
    assert (stopped["stopReason"], stopped["output"]["message"]["content"]) == ("stop_sequence", [{"text": "Hello"}])
    assert stopped["additionalModelResponseFields"] == {"stop_sequence": " there"}
    messages = converse(model="echo", inferenceConfig={"stopSequences": [" there"]}, **paths, method="converse-stream").messages
    assert messages[-2][1]["additionalModelResponseFields"] == {"stop_sequence": " there"}


def test_a_structured_output_is_the_smallest_instance(converse: Any) -> None:
    structure = {"jsonSchema": {"name": "city", "schema": json.dumps(CITY)}}
    reply = converse(outputConfig={"textFormat": {"type": "json_schema", "structure": structure}}).json
    assert reply["output"]["message"]["content"] == [{"text": '{"city":""}'}]


def test_all_text_is_counted_and_count_tokens_says_the_same(converse: Any) -> None:
    image = {"image": {"format": "png", "source": {"bytes": "AAAA"}}}
    document = {"document": {"format": "txt", "name": "a b", "source": {"text": "1234"}}}
    thought = {"reasoningContent": {"reasoningText": {"text": "1234", "signature": "s"}}}
    result = {"toolResult": {"toolUseId": "t1", "content": [{"text": "éé"}, {"json": {"a": 1}}], "status": "error"}}
    messages = [
        user({"text": "1234"}, image, document, {"cachePoint": {"type": "default"}}),
        assistant(thought, {"text": "12"}, USE),
        user(result, {"text": "1"}),
    ]
    system = [{"text": "12345678"}, {"cachePoint": {"type": "default"}}]
    members = {"messages": messages, "system": system, "toolConfig": CONFIG}
    reply = converse(model="echo", **members).json
    assert reply["usage"]["inputTokens"] == (8 + 4 + 4 + 4 + 2 + 7 + 4 + 7 + 1) // 4
    assert reply["output"]["message"]["content"] == [{"text": "1"}]
    assert converse(method="count-tokens", messages=None, input={"converse": members}).json == {"inputTokens": 10}


@pytest.mark.parametrize(
    ("members", "text"),
    [
        (said(), "A conversation must start with a user message."),
        (said(assistant({"text": "x"})), "A conversation must start with a user message."),
        (said(HI, HI), "A conversation must alternate between user and assistant roles."),
        (
            said({"role": "robot", "content": []}),
            "1 validation error detected: Value 'robot' at 'messages.1.member.role' failed to satisfy",
        ),
        (said({"content": []}), "1 validation error detected: Value null at 'messages.1.member.role' failed to satisfy constraint: Member"),
        (said(user()), "The content field in the Message object at messages.0 is empty."),
        (said(user({"text": " "})), "The text field in the ContentBlock object at messages.0.content.0 is blank."),
        (said(user({})), "The union at messages.0.content.0 must have exactly one"),
        (said(user({"text": "x", "image": {}})), "The union at messages.0.content.0 must have exactly one"),
        (
            said(user({"image": {"format": "bmp"}})),
            "1 validation error detected: Value 'bmp' at 'messages.1.member.content.1.member.image.f",
        ),
        (said(user({"document": {"format": "pdf", "name": "a.pdf", "source": {"text": "x"}}})), "The document file name can only contain"),
        (
            said(user({"document": {"format": "pdf", "name": "a", "source": {"text": "x"}}})),
            "Add a text block to the content field at mess",
        ),
        (said(HI, assistant({"image": {"format": "png", "source": {"bytes": "AA=="}}})), "Images and documents can only be in messages of"),
        (said(HI, assistant(USE)), "The toolConfig field must be defined when using toolUse and toolResult content blocks."),
        (
            {**said(HI, assistant(USE), HI), "toolConfig": CONFIG},
            "Expected toolResult blocks at messages.2.content for the following Ids: t1",
        ),
        (
            {**said(user(RESULT)), "toolConfig": CONFIG},
            "The number of toolResult blocks at messages.0.content exceeds the number of toolUse",
        ),
        (
            said(HI, assistant({"toolUse": {"toolUseId": "t", "name": "x", "input": "{}"}})),
            "The format of the value at messages.1.content.0.toolUse.input is invalid. Provide a json object for the field and try again.",
        ),
        ({"inferenceConfig": {"maxTokens": 0}}, "1 validation error detected: Value '0' at 'inferenceConfig.maxTokens' failed to satisfy"),
        ({"inferenceConfig": {"temperature": 1.5}}, "1 validation error detected: Value '1.5' at 'inferenceConfig.temperature' failed"),
        ({"system": [{"text": ""}]}, "1 validation error detected: Value '' at 'system.1.member.text' failed to satisfy constraint"),
        ({"toolConfig": {"tools": []}}, "1 validation error detected: Value '[]' at 'toolConfig.tools' failed to satisfy constraint"),
        ({"toolConfig": {}}, "1 validation error detected: Value null at 'toolConfig.tools' failed to satisfy constraint"),
        (
            {"toolConfig": {"tools": [{"toolSpec": {"name": "x", "inputSchema": {"json": "{}"}}}]}},
            "The format of the value at toolConfig.tools.0.toolSpec.inputSchema.json is invalid.",
        ),
        (
            {"toolConfig": {"tools": [{"toolSpec": {"name": "x", "inputSchema": {"json": {}}}}]}},
            "The value at toolConfig.tools.0.toolSpec.inputSchema.json.type must be one of the following: object.",
        ),
        ({"toolConfig": CONFIG | {"toolChoice": {"tool": {"name": "x"}}}}, "The tool that toolConfig.toolChoice names is not among"),
        (
            {
                "toolConfig": CONFIG | {"toolChoice": {"any": {}}},
                "additionalModelRequestFields": {"thinking": {"type": "enabled", "budget_tokens": 1024}},
            },
            "Thinking may not be enabled when tool_choice forces tool use.",
        ),
        ({"model": "x" * 2049}, "The provided model identifier is invalid."),
        ({"model": "context-length"}, "Input is too long for requested model."),
    ],
)
def test_what_the_service_refuses_is_refused_in_its_words(converse: Any, members: dict[str, Any], text: str) -> None:
    reply = converse(**members)
    assert list(reply.json) == ["message"]
    assert reply.json["message"].startswith(text), reply.json["message"]
    assert reply.status == 400
    assert reply.headers["x-amzn-errortype"] == "ValidationException:http://internal.amazon.com/coral/com.amazon.bedrock/"


@pytest.mark.parametrize(
    ("members", "message"),
    [
        ({"messages": "x"}, "STRING_VALUE can not be converted to a List"),
        ({"messages": ["x"]}, "STRING_VALUE can not be converted to a Structure"),
        ({"inferenceConfig": {"maxTokens": "5"}}, "STRING_VALUE can not be converted to an Integer"),
        ({"inferenceConfig": {"maxTokens": 1.5}}, "NUMBER_VALUE can not be converted to an Integer"),
    ],
)
def test_a_wrong_type_is_refused_by_the_front_end(converse: Any, members: dict[str, Any], message: str) -> None:
    reply = converse(**members)
    assert reply.json == {"__type": "com.amazon.coral.service#SerializationException", "message": message}
    assert (reply.status, reply.headers["x-amzn-errortype"].partition(":")[0]) == (400, "SerializationException")


DATE = "20261124T010203Z"
SCOPE = "Credential=AKIDEXAMPLE/20261124/us-east-1/bedrock/aws4_request"
SIGNED = "SignedHeaders=content-type;host;x-amz-date"
SIGNATURE = f"Signature={'0123456789abcdef' * 4}"
USUAL = {"content-type": "application/json", "host": "x", "x-amz-date": DATE}


def signed(*parameters: str, **headers: str) -> dict[str, str]:
    lines = USUAL | {name.replace("_", "-"): value for name, value in headers.items()}
    return {name: value for name, value in lines.items() if value} | {"authorization": f"AWS4-HMAC-SHA256 {', '.join(parameters)}"}


@pytest.mark.parametrize(
    "headers",
    [
        signed(SCOPE, SIGNED, SIGNATURE),
        signed(f"{SCOPE},{SIGNED},{SIGNATURE}"),
        signed(SCOPE, f"{SIGNED};x-amz-security-token", SIGNATURE, x_amz_security_token="t"),
        signed(SCOPE, "SignedHeaders=date;host", SIGNATURE, x_amz_date="", date="Tue, 24 Nov 2026 01:02:03 GMT"),
        {"authorization": "Bearer bedrock-api-key-MARKER"},
    ],
)
def test_a_well_formed_credential_is_accepted(converse: Any, headers: dict[str, str]) -> None:
    assert converse(headers=headers).status == 200


@pytest.mark.parametrize(
    ("headers", "status", "kind", "text"),
    [
        ({}, 403, "MissingAuthenticationTokenException", "Missing Authentication Token"),
        ({"x-api-key": "MARKER"}, 403, "MissingAuthenticationTokenException", "Missing Authentication Token"),
        ({"authorization": "Bearer "}, 400, "IncompleteSignatureException", "Unsupported AWS 'algorithm'"),
        ({"authorization": "Basic MARKER"}, 400, "IncompleteSignatureException", "Unsupported AWS 'algorithm'"),
        (signed(), 400, "IncompleteSignatureException", "Authorization header requires 'Credential' parameter."),
        (signed(SCOPE, SIGNED), 400, "IncompleteSignatureException", "Authorization header requires 'Signature' parameter."),
        (signed(SCOPE, SIGNED, SIGNATURE, x_amz_date=""), 400, "IncompleteSignatureException", "Authorization header requires existence"),
        (signed("Credential=A/B", SIGNED, SIGNATURE), 400, "IncompleteSignatureException", "Credential must have exactly 5"),
        (signed(SCOPE, SIGNED, SIGNATURE, x_amz_date="yesterday"), 400, "IncompleteSignatureException", "Date must be in ISO-8601"),
        (signed(SCOPE, SIGNED, SIGNATURE, x_amz_date="20261125T010203Z"), 403, "InvalidSignatureException", "Date in Credential scope"),
        (
            signed(SCOPE.replace("bedrock", "bedrock-runtime"), SIGNED, SIGNATURE),
            403,
            "InvalidSignatureException",
            "Credential should be scoped to correct service: 'bedrock'.",
        ),
        (signed(SCOPE.replace("us-east-1", "US EAST"), SIGNED, SIGNATURE), 403, "InvalidSignatureException", "Credential should be scoped"),
        (signed(SCOPE + "x", SIGNED, SIGNATURE), 403, "InvalidSignatureException", "Credential should be scoped with a valid terminator"),
        (signed(SCOPE, "SignedHeaders=x-amz-date", SIGNATURE), 403, "InvalidSignatureException", "'Host' or ':authority' must be"),
        (signed(SCOPE, "SignedHeaders=host", SIGNATURE), 403, "InvalidSignatureException", "'x-amz-date' must be a 'SignedHeader'"),
        (signed(SCOPE, SIGNED + ";x-other", SIGNATURE), 403, "InvalidSignatureException", "A 'SignedHeader' of the AWS Authorization is"),
        (signed(SCOPE, SIGNED, "Signature=MARKER"), 403, "InvalidSignatureException", "The request signature we calculated does not match"),
    ],
)
def test_a_malformed_credential_is_refused_and_not_repeated(
    converse: Any, headers: dict[str, str], status: int, kind: str, text: str
) -> None:
    reply = converse(headers=headers)
    assert reply.status == status
    assert reply.json["__type"] == f"com.amazon.coral.service#{kind}"
    assert reply.json["message"].startswith(text), reply.json["message"]
    assert b"MARKER" not in reply.body
    assert b"AKID" not in reply.body


def test_an_unknown_operation_is_unknown(ask: Any) -> None:
    for path in ("/model/m/invoke", "/model/m", "/model//converse", "/model/m/converse/"):
        reply = ask(path)
        assert (reply.status, reply.json["__type"]) == (404, "com.amazon.coral.service#UnknownOperationException")
