"""Messages in the Anthropic dialect: what is said, how it is framed, and what is refused."""

from typing import Any

import pytest

WEATHER = {
    "name": "weather",
    "input_schema": {"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"]},
}
CLOCK = {"name": "clock", "input_schema": {"type": "object"}}
SEARCH = {"type": "web_search_20250305", "name": "web_search"}


def test_a_message_has_the_providers_members_in_the_providers_order(message: Any) -> None:
    reply = message(model="claude-x")
    assert reply.status == 200
    assert reply.body.startswith(b'{"model":"claude-x","id":"msg_01')
    names = ["model", "id", "type", "role", "content", "stop_reason", "stop_sequence", "stop_details", "usage"]
    assert list(reply.json) == names
    assert (reply.json["type"], reply.json["role"], reply.json["stop_reason"]) == ("message", "assistant", "end_turn")
    assert "claude-x" in reply.json["content"][0]["text"]
    assert reply.headers["request-id"].startswith("req_01")


def test_the_same_request_gets_the_same_bytes(message: Any) -> None:
    assert message().body == message().body
    assert message(stream=True).body == message(stream=True).body


def test_a_stream_has_the_providers_events_in_their_order(message: Any) -> None:
    reply = message(model="echo", stream=True)
    assert reply.headers["content-type"] == "text/event-stream; charset=utf-8"
    names = [part.split(b"\n", 1)[0].removeprefix(b"event: ").decode() for part in reply.parts]
    assert names == [
        "message_start", "content_block_start", "ping", "content_block_delta", "content_block_delta",
        "content_block_stop", "message_delta", "message_stop",
    ]  # fmt: skip
    assert [event["type"] for event in reply.data] == names
    start, block, _, first, second, stop, delta, _ = reply.data
    assert start["message"]["content"] == []
    assert start["message"]["stop_reason"] is None
    assert start["message"]["usage"]["input_tokens"] == 2
    assert start["message"]["usage"]["output_tokens"] == 1
    assert block == {"type": "content_block_start", "index": 0, "content_block": {"type": "text", "text": ""}}
    assert first["delta"] == {"type": "text_delta", "text": "Hello"}
    assert second["delta"] == {"type": "text_delta", "text": " there"}
    assert stop == {"type": "content_block_stop", "index": 0}
    assert delta["delta"] == {"stop_reason": "end_turn", "stop_sequence": None, "stop_details": None}
    usage = {"input_tokens": 2, "cache_creation_input_tokens": 0, "cache_read_input_tokens": 0, "output_tokens": 2}
    assert delta["usage"] == usage


def _user(content: Any) -> dict[str, Any]:
    return {"role": "user", "content": content}


def test_usage_and_count_tokens_count_the_texts_by_the_rule(message: Any, ask: Any) -> None:
    thinking = {"type": "thinking", "thinking": "1234", "signature": "s"}
    call = {"type": "tool_use", "id": "t", "name": "clock", "input": {"a": 1}}
    result = {"type": "tool_result", "tool_use_id": "t", "content": [{"type": "text", "text": "éé"}]}
    image = {"type": "image", "source": {"type": "base64", "media_type": "image/png", "data": "AAAA"}}
    document = {"type": "document", "source": {"type": "text", "media_type": "text/plain", "data": "1234"}}
    members = {
        "model": "echo",
        "system": [{"type": "text", "text": "12345678", "cache_control": {"type": "ephemeral"}}],
        "messages": [
            _user("1234"),
            {"role": "assistant", "content": [thinking, call]},
            _user([result, {"type": "text", "text": "12345"}]),
            _user([image]),
            _user([document]),
        ],
    }
    reply = message(**members).json
    assert reply["usage"]["input_tokens"] == 9
    assert reply["content"][0]["text"] == "12345"
    assert ask("/v1/messages/count_tokens", **members).json == {"input_tokens": 9}
    assert message(**{**members, "system": "12345678"}).json["usage"]["input_tokens"] == 9


def test_thinking_between_tools_begins_behind_a_tools_result(message: Any) -> None:
    between = {"thinking": {"type": "between_tools"}}
    assert [block["type"] for block in message(**between).json["content"]] == ["text"]
    call = {"type": "tool_use", "id": "t", "name": "clock", "input": {}}
    result = {"type": "tool_result", "tool_use_id": "t", "content": "noon"}
    turns = [_user("Hi"), {"role": "assistant", "content": [call]}, _user([result])]
    assert [block["type"] for block in message(messages=turns, **between).json["content"]] == ["thinking", "text"]


def test_a_limit_of_tokens_and_stop_sequences_end_the_answer(message: Any) -> None:
    cut = message(max_tokens=3).json
    assert (cut["stop_reason"], cut["usage"]["output_tokens"]) == ("max_tokens", 3)
    stopped = message(model="echo", stop_sequences=["zzz", " there"]).json
    assert (stopped["stop_reason"], stopped["stop_sequence"], stopped["content"][0]["text"]) == ("stop_sequence", " there", "Hello")


@pytest.mark.parametrize(
    ("choice", "name", "arguments"),
    [({"type": "any"}, "clock", {}), ({"type": "tool", "name": "weather"}, "weather", {"city": ""})],
)
def test_a_forced_tool_is_called_with_the_smallest_input(message: Any, choice: Any, name: str, arguments: Any) -> None:
    reply = message(tools=[SEARCH, CLOCK, WEATHER], tool_choice=choice).json
    assert reply["stop_reason"] == "tool_use"
    (block,) = reply["content"]
    assert (block["type"], block["name"], block["input"]) == ("tool_use", name, arguments)
    assert block["id"].startswith("toolu_01")


def test_a_forced_call_is_streamed_as_parts_of_its_json(message: Any) -> None:
    events = message(tools=[WEATHER], tool_choice={"type": "any"}, stream=True).data
    block = events[1]["content_block"]
    assert (block["type"], block["name"], block["input"]) == ("tool_use", "weather", {})
    deltas = [event["delta"] for event in events if event["type"] == "content_block_delta"]
    assert {delta["type"] for delta in deltas} == {"input_json_delta"}
    assert deltas[0]["partial_json"] == ""
    assert "".join(delta["partial_json"] for delta in deltas) == '{"city":""}'
    assert len(deltas) > 2
    assert events[-2]["delta"]["stop_reason"] == "tool_use"


@pytest.mark.parametrize("choice", [None, {"type": "auto"}, {"type": "none"}])
def test_tools_that_are_not_forced_are_answered_in_text(message: Any, choice: Any) -> None:
    reply = message(tools=[WEATHER], **({"tool_choice": choice} if choice else {})).json
    assert (reply["stop_reason"], reply["content"][0]["type"]) == ("end_turn", "text")


def test_a_call_cut_by_the_limit_says_so(message: Any) -> None:
    reply = message(model="tool-call", max_tokens=1).json
    assert (reply["stop_reason"], reply["content"][0]["input"], reply["usage"]["output_tokens"]) == ("max_tokens", {}, 1)


def test_tool_call_calls_until_it_has_the_result(message: Any) -> None:
    assert message(model="tool-call").json["content"][0]["input"] == {"city": "Paris"}
    assert message(model="tool-call", tools=[WEATHER]).json["content"][0]["name"] == "weather"
    history = [{"role": "user", "content": [{"type": "tool_result", "tool_use_id": "t", "content": "sunny"}]}]
    assert message(model="tool-call", messages=history).json["stop_reason"] == "end_turn"


@pytest.mark.parametrize("member", ["output_format", "output_config"])
def test_a_json_schema_is_answered_with_its_smallest_instance(message: Any, member: str) -> None:
    wanted = {"type": "json_schema", "schema": {"type": "object", "properties": {"n": {"type": "integer"}}, "required": ["n"]}}
    reply = message(**{member: {"format": wanted} if member == "output_config" else wanted})
    assert reply.json["content"][0]["text"] == '{"n":0}'


def test_the_filter_refuses_and_no_usage_says_nothing_of_usage(message: Any) -> None:
    filtered = message(model="content-filter").json
    assert (filtered["stop_reason"], filtered["stop_details"]["type"]) == ("refusal", "refusal")
    assert message(model="content-filter", stream=True).data[-2]["delta"]["stop_reason"] == "refusal"
    assert "usage" not in message(model="no-usage").json
    assert b'"usage"' not in message(model="no-usage", stream=True).body


def test_an_empty_answer_has_no_content(message: Any) -> None:
    image = {"type": "image", "source": {"type": "url", "url": "https://example.com/x.png"}}
    messages = [{"role": "user", "content": [image]}]
    assert message(model="echo", messages=messages).json["content"] == []
    assert [event["type"] for event in message(model="echo", messages=messages, stream=True).data] == [
        "message_start",
        "message_delta",
        "message_stop",
    ]


def _only(content: Any) -> dict[str, Any]:
    return {"messages": [_user(content)]}


@pytest.mark.parametrize(
    ("members", "text"),
    [
        ({"model": None}, "model: Field required"),
        ({"model": 7}, "model: Input should be a valid string"),
        ({"max_tokens": None}, "max_tokens: Field required"),
        ({"max_tokens": 0}, "max_tokens: must be greater than or equal to 1"),
        ({"max_tokens": "5"}, "max_tokens: Input should be a valid integer"),
        ({"max_tokens": 1.5}, "max_tokens: Input should be a valid integer"),
        ({"messages": None}, "messages: Field required"),
        ({"messages": []}, "messages: at least one message is required"),
        ({"messages": "x"}, "messages: Input should be a valid array"),
        ({"messages": [7]}, "messages.0: Input should be an object"),
        ({"messages": [{"content": "x"}]}, "messages.0.role: Field required"),
        ({"messages": [{"role": "robot", "content": "x"}]}, "messages.0.role: Input should be 'user' or 'assistant'"),
        ({"messages": [{"role": "system", "content": "x"}]}, 'messages: Unexpected role "system".'),
        ({"messages": [{"role": "user"}]}, "messages.0.content: Field required"),
        (_only(7), "messages.0.content: Input should be a valid string or a valid array"),
        (_only(""), "messages.0: all messages must have non-empty content"),
        (_only([]), "messages.0: all messages must have non-empty content"),
        (_only([{"type": "text", "text": ""}]), "messages: text content blocks must be non-empty"),
        (_only([{"type": "text"}]), "messages.0.content.0.text: Field required"),
        (_only([{"text": "x"}]), "messages.0.content.0.type: Field required"),
        (_only([{"type": "image"}]), "messages.0.content.0.source: Field required"),
        (_only([{"type": "tool_use", "id": "t", "name": "n"}]), "messages.0.content.0.input: Field required"),
        (_only([{"type": "tool_result"}]), "messages.0.content.0.tool_use_id: Field required"),
        ({"system": 7}, "system: Input should be a valid string or a valid array"),
        ({"system": [{"type": "image"}]}, "system.0.type: Input should be 'text'"),
        ({"temperature": 1.5}, "temperature: must be less than or equal to 1"),
        ({"stop_sequences": "x"}, "stop_sequences: Input should be a valid array"),
        ({"stop_sequences": [7]}, "stop_sequences.0: Input should be a valid string"),
        ({"stream": 1}, "stream: Input should be a valid boolean"),
        ({"thinking": {}}, "thinking.type: Field required"),
        ({"tools": [{"name": "a b", "input_schema": {}}]}, "tools.0.custom.name: String should match pattern"),
        ({"tools": [{"name": "a"}]}, "tools.0.custom.input_schema: Field required"),
        ({"tools": [{"name": "a", "input_schema": {}}]}, "tools.0.custom.input_schema.type: Input should be 'object'"),
        ({"tool_choice": {"type": "any"}}, "tool_choice: tool_choice may only be specified while providing tools."),
        ({"tool_choice": {}}, "tool_choice.type: Field required"),
        ({"tools": [CLOCK], "tool_choice": {"type": "tool", "name": "x"}}, "Tool 'x' not found in provided tools"),
        ({"output_format": {"type": "json_schema"}}, "output_format.schema: Field required"),
        ({"model": "sandbox/context-length"}, "prompt is too long: 8194 tokens > 8192 maximum"),
    ],
)
def test_what_the_provider_refuses_is_refused_in_its_words(message: Any, members: dict[str, Any], text: str) -> None:
    reply = message(**members)
    assert reply.status == 400
    assert list(reply.json) == ["type", "error", "request_id"]
    assert reply.json["error"]["type"] == "invalid_request_error"
    assert reply.json["error"]["message"].startswith(text)
    assert reply.json["request_id"] == reply.headers["request-id"]


def test_a_request_without_a_version_is_refused(ask: Any) -> None:
    reply = ask("/v1/messages", headers={"x-api-key": "MARKER"}, model="m")
    assert (reply.status, reply.json["error"]["message"]) == (400, "anthropic-version: header is required")
