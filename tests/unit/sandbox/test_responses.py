"""OpenAI's Responses API: what is said, how it is framed, and what is refused."""

from typing import Any

import pytest

WEATHER = {
    "type": "function",
    "name": "weather",
    "parameters": {"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"]},
}
NOTE = {"type": "custom", "name": "note"}
SEARCH = {"type": "web_search"}
CALL = {"type": "function_call", "call_id": "c1", "name": "weather", "arguments": '{"a":1}'}
OUTPUT = {"type": "function_call_output", "call_id": "c1", "output": "sunny"}


def test_a_response_has_the_providers_members_in_the_providers_order(respond: Any) -> None:
    reply = respond(model="gpt-x", instructions="Be kind.", temperature=0.5, store=True, metadata={"a": "b"}, tools=[WEATHER])
    names = (
        "id object created_at status background billing completed_at error frequency_penalty incomplete_details instructions "
        "max_output_tokens max_tool_calls model output parallel_tool_calls presence_penalty previous_response_id prompt_cache_key "
        "prompt_cache_retention reasoning safety_identifier service_tier store temperature text tool_choice tools top_logprobs top_p "
        "truncation usage user metadata"
    )
    assert list(reply.json) == names.split()
    told = reply.json
    assert (told["object"], told["status"], told["error"], told["incomplete_details"]) == ("response", "completed", None, None)
    assert (told["instructions"], told["temperature"], told["metadata"], told["store"]) == ("Be kind.", 0.5, {"a": "b"}, False)
    assert told["tools"] == [{"type": "function", "description": None, **WEATHER, "strict": True}]
    assert told["completed_at"] == told["created_at"]
    (item,) = told["output"]
    assert list(item) == ["id", "type", "status", "content", "role"]
    assert (item["type"], item["status"], item["role"]) == ("message", "completed", "assistant")
    assert list(item["content"][0]) == ["type", "annotations", "logprobs", "text"]
    assert told["usage"] == {
        "input_tokens": 4,
        "input_tokens_details": {"cache_write_tokens": 0, "cached_tokens": 0},
        "output_tokens": told["usage"]["output_tokens"],
        "output_tokens_details": {"reasoning_tokens": 0},
        "total_tokens": 4 + told["usage"]["output_tokens"],
    }


def events_of(reply: Any) -> list[dict[str, Any]]:
    assert reply.headers["content-type"] == "text/event-stream; charset=utf-8"
    names = [part.split(b"\n", 1)[0].removeprefix(b"event: ").decode() for part in reply.parts]
    assert [event["type"] for event in reply.data] == names
    assert [event["sequence_number"] for event in reply.data] == list(range(len(names)))
    return list(reply.data)


def test_a_stream_of_text_has_the_providers_events_in_their_order(respond: Any) -> None:
    events = events_of(respond(model="echo", stream=True, stream_options={"include_obfuscation": False}))
    assert [event["type"].removeprefix("response.") for event in events] == [
        "created", "in_progress", "output_item.added", "content_part.added", "output_text.delta", "output_text.delta",
        "output_text.done", "content_part.done", "output_item.done", "completed",
    ]  # fmt: skip
    created, progress, added, part, first, second, done, part_done, item_done, completed = events
    assert (created["response"]["status"], created["response"]["usage"], created["response"]["output"]) == ("in_progress", None, [])
    assert progress["response"] == created["response"]
    identity = added["item"]["id"]
    assert added["item"] == {"id": identity, "type": "message", "status": "in_progress", "content": [], "role": "assistant"}
    assert part["part"] == {"type": "output_text", "annotations": [], "logprobs": [], "text": ""}
    members = ["type", "content_index", "delta", "item_id", "logprobs", "output_index", "sequence_number"]
    assert list(first) == members
    assert (first["delta"], second["delta"], done["text"], part_done["part"]["text"]) == ("Hello", " there", "Hello there", "Hello there")
    assert {event["item_id"] for event in (part, first, second, done, part_done)} == {identity}
    assert item_done["item"]["status"] == "completed"
    assert completed["response"]["output"] == [item_done["item"]]
    assert completed["response"]["usage"]["output_tokens"] == 2
    assert completed["response"]["id"] == created["response"]["id"]


def test_deltas_are_padded_unless_it_is_declined(respond: Any) -> None:
    padded = [event for event in events_of(respond(model="echo", stream=True)) if "obfuscation" in event]
    assert [event["type"] for event in padded] == ["response.output_text.delta"] * 2
    assert {len(event["delta"] + event["obfuscation"]) for event in padded} == {16}


def test_a_call_is_streamed_with_its_arguments(respond: Any) -> None:
    events = events_of(respond(tools=[WEATHER], tool_choice="required", stream=True))
    assert [event["type"].removeprefix("response.") for event in events] == [
        "created", "in_progress", "output_item.added", "function_call_arguments.delta", "function_call_arguments.delta",
        "function_call_arguments.delta", "function_call_arguments.done", "output_item.done", "completed",
    ]  # fmt: skip
    item = events[2]["item"]
    assert (item["type"], item["status"], item["name"], item["arguments"]) == ("function_call", "in_progress", "weather", "")
    assert (item["id"][:3], item["call_id"][:5]) == ("fc_", "call_")
    assert "".join(event["delta"] for event in events[3:6]) == events[6]["arguments"] == '{"city":""}'
    assert events[7]["item"] == item | {"status": "completed", "arguments": '{"city":""}'}
    assert events[8]["response"]["output"] == [events[7]["item"]]


def test_a_custom_tool_takes_text(respond: Any) -> None:
    choice = {"type": "custom", "name": "note"}
    (item,) = respond(tools=[WEATHER, NOTE], tool_choice=choice).json["output"]
    assert (item["type"], item["name"], "simulated" in item["input"]) == ("custom_tool_call", "note", True)
    kinds = {event["type"] for event in events_of(respond(tools=[NOTE], tool_choice=choice, stream=True))}
    assert {"response.custom_tool_call_input.delta", "response.custom_tool_call_input.done"} <= kinds


def test_a_refusal_and_a_summary_have_their_own_events(respond: Any) -> None:
    events = events_of(respond(model="refusal", stream=True, reasoning={"effort": "high", "summary": "auto"}))
    kinds = [event["type"].removeprefix("response.") for event in events]
    assert list(dict.fromkeys(kinds)) == [
        "created", "in_progress", "output_item.added", "reasoning_summary_part.added", "reasoning_summary_text.delta",
        "reasoning_summary_text.done", "reasoning_summary_part.done", "output_item.done", "content_part.added", "refusal.delta",
        "refusal.done", "content_part.done", "completed",
    ]  # fmt: skip
    items = [event["item"] for event in events if event["type"] == "response.output_item.done"]
    added = [event for event in events if event["type"] == "response.output_item.added"]
    assert [event["output_index"] for event in added] == [0, 1]
    assert items == events[-1]["response"]["output"]
    assert items[0]["encrypted_content"].startswith(added[0]["item"]["encrypted_content"])
    summary = "".join(event["delta"] for event in events if event["type"] == "response.reasoning_summary_text.delta")
    refusal = "".join(event["delta"] for event in events if event["type"] == "response.refusal.delta")
    assert (items[0]["summary"], items[1]["content"]) == (
        [{"type": "summary_text", "text": summary}],
        [{"type": "refusal", "refusal": refusal}],
    )


def test_a_thought_without_a_summary_is_an_item_all_the_same(respond: Any) -> None:
    thought, _ = respond(reasoning={"effort": "low"}).json["output"]
    assert (thought["type"], thought["summary"]) == ("reasoning", [])
    assert respond(reasoning={"effort": "none"}).json["output"][0]["type"] == "message"


def test_an_answer_cut_short_is_incomplete(respond: Any) -> None:
    reply = respond(model="long", max_output_tokens=16).json
    assert (reply["status"], reply["incomplete_details"], reply["completed_at"]) == ("incomplete", {"reason": "max_output_tokens"}, None)
    assert (reply["output"][0]["status"], reply["usage"]["output_tokens"]) == ("incomplete", 16)
    events = events_of(respond(model="long", max_output_tokens=16, stream=True))
    assert [event["type"] for event in events[-3:]] == [
        "response.content_part.done",
        "response.output_item.done",
        "response.incomplete",
    ]
    tool = WEATHER | {"parameters": {"type": "object", "properties": {"x": {"type": "string", "minLength": 99}}, "required": ["x"]}}
    (item,) = respond(tools=[tool], tool_choice="required", max_output_tokens=16).json["output"]
    assert (item["status"], item["arguments"][:6]) == ("incomplete", '{"x":"')


def test_a_structured_output_is_the_smallest_instance(respond: Any) -> None:
    schema = {"type": "object", "properties": {"age": {"type": "integer", "minimum": 18}}, "required": ["age"]}
    text = {"format": {"type": "json_schema", "name": "person", "schema": schema, "strict": True}}
    reply = respond(text=text).json
    assert reply["output"][0]["content"][0]["text"] == '{"age":18}'
    assert reply["text"] == text | {"verbosity": "medium"}
    assert respond(text={"format": {"type": "json_object"}}).json["output"][0]["content"][0]["text"] == "{}"


def test_log_probabilities_come_where_they_are_asked_for(respond: Any) -> None:
    asked = {"include": ["message.output_text.logprobs"], "top_logprobs": 2, "model": "echo"}
    (part,) = respond(**asked).json["output"][0]["content"]
    assert [entry["token"] for entry in part["logprobs"]] == ["Hello", " there"]
    assert part["logprobs"][0]["top_logprobs"][0]["token"] == "Hello"
    deltas = [event for event in events_of(respond(**asked, stream=True)) if event["type"] == "response.output_text.delta"]
    assert [event["logprobs"][0]["token"] for event in deltas] == ["Hello", " there"]


def test_all_text_of_the_input_is_counted(respond: Any) -> None:
    items = [
        {"role": "developer", "content": "1234"},
        {
            "role": "user",
            "content": [{"type": "input_text", "text": "1234"}, {"type": "input_image", "image_url": "data:image/png;base64,A"}],
        },
        {"type": "reasoning", "id": "rs_1", "summary": [{"type": "summary_text", "text": "1234"}], "encrypted_content": "e"},
        CALL | {"arguments": '{"a":12}'},
        OUTPUT | {"output": [{"type": "input_text", "text": "éé"}]},
        {"type": "message", "role": "assistant", "content": [{"type": "output_text", "text": "1234", "annotations": []}]},
        {"role": "user", "content": [{"type": "input_text", "text": "12"}, {"type": "input_text", "text": "34"}]},
    ]
    reply = respond(model="echo", input=items, instructions="12345678").json
    assert reply["usage"]["input_tokens"] == 10
    assert reply["output"][0]["content"][0]["text"] == "12\n34"


def test_the_tool_call_model_calls_once_and_then_speaks(respond: Any) -> None:
    (item,) = respond(model="tool-call", tools=[SEARCH, WEATHER]).json["output"]
    assert (item["type"], item["name"]) == ("function_call", "weather")
    back = [{"role": "user", "content": "Hi"}, item, {"type": "function_call_output", "call_id": item["call_id"], "output": "sunny"}]
    assert respond(model="tool-call", input=back, tools=[WEATHER]).json["output"][0]["type"] == "message"
    assert respond(model="tool-call", tools=[WEATHER], tool_choice="none").json["output"][0]["type"] == "message"


@pytest.mark.parametrize(
    ("choice", "name"),
    [
        ("auto", None),
        ("none", None),
        ("required", "weather"),
        ({"type": "function", "name": "weather"}, "weather"),
        ({"type": "allowed_tools", "mode": "required", "tools": [{"type": "custom", "name": "note"}]}, "note"),
        ({"type": "allowed_tools", "mode": "auto", "tools": [{"type": "custom", "name": "note"}]}, None),
        ({"type": "web_search"}, None),
    ],
)
def test_a_forced_tool_is_called(respond: Any, choice: Any, name: str | None) -> None:
    reply = respond(tools=[WEATHER, NOTE, SEARCH], tool_choice=choice).json
    assert reply["output"][0].get("name") == name
    assert reply["tool_choice"] == choice


@pytest.mark.parametrize(
    ("members", "param", "code"),
    [
        ({"model": None}, "model", "missing_required_parameter"),
        ({"input": None}, "input", "missing_required_parameter"),
        ({"input": 7}, "input", "invalid_type"),
        ({"input": [7]}, "input[0]", "invalid_type"),
        ({"input": [{"content": "x"}]}, "input[0].role", "missing_required_parameter"),
        ({"input": [{"role": "robot", "content": "x"}]}, "input[0].role", "invalid_value"),
        ({"input": [{"role": "user"}]}, "input[0].content", "missing_required_parameter"),
        ({"input": [{"role": "user", "content": [{"type": "text", "text": "x"}]}]}, "input[0].content[0].type", "invalid_value"),
        (
            {"input": [{"role": "assistant", "content": [{"type": "input_text", "text": "x"}]}]},
            "input[0].content[0].type",
            "invalid_value",
        ),
        ({"input": [CALL]}, "input", None),
        ({"input": [OUTPUT]}, "input", None),
        ({"max_output_tokens": 15}, "max_output_tokens", "integer_below_min_value"),
        ({"messages": []}, "messages", "unsupported_parameter"),
        ({"max_tokens": 9}, "max_tokens", "unsupported_parameter"),
        ({"response_format": {}}, "response_format", "unsupported_parameter"),
        ({"previous_response_id": "resp_1"}, "previous_response_id", "previous_response_not_found"),
        ({"background": True}, "background", None),
        ({"tools": [{"type": "function", "function": {"name": "x"}}]}, "tools[0].name", "missing_required_parameter"),
        ({"tools": [WEATHER | {"name": "a b"}]}, "tools[0].name", "invalid_value"),
        ({"tool_choice": "required"}, "tool_choice", None),
        ({"tools": [WEATHER], "tool_choice": {"type": "function", "name": "x"}}, "tool_choice", None),
        ({"text": {"format": {"type": "json_schema", "name": "x"}}}, "text.format.schema", "missing_required_parameter"),
        ({"text": {"format": {"type": "json_schema", "schema": {}}}}, "text.format.name", "missing_required_parameter"),
        ({"text": {"verbosity": "loud"}}, "text.verbosity", "invalid_value"),
        ({"reasoning": {"effort": "huge"}}, "reasoning.effort", "invalid_value"),
        ({"temperature": 3}, "temperature", "decimal_above_max_value"),
        ({"stream_options": {}}, "stream_options", None),
        ({"model": "context-length"}, "input", "context_length_exceeded"),
    ],
)
def test_what_the_provider_refuses_is_refused_in_its_words(respond: Any, members: dict[str, Any], param: str, code: str | None) -> None:
    reply = respond(**members)
    error = reply.json["error"]
    assert (reply.status, error["type"], error["param"], error["code"]) == (400, "invalid_request_error", param, code)


@pytest.mark.parametrize("depth", range(50, 900, 50))
def test_what_is_nested_deeply_is_answered_or_refused_before_a_stream_begins(respond: Any, depth: int) -> None:
    nested: Any = 1
    for _ in range(depth):
        nested = [nested]
    reply = respond(stream=True, tools=[WEATHER | {"parameters": {"x": nested}}])
    assert reply.status == 400 or reply.data[-1]["type"] == "response.completed"


@pytest.mark.parametrize(
    "members",
    [
        {"conversation": "conv_1"},
        {"conversation": {"id": "conv_1"}},
        {"prompt": {"id": "pmpt_1"}},
        {"input": [{"type": "item_reference", "id": "msg_1"}]},
        {"input": [{"type": "reasoning", "id": "rs_1", "summary": []}]},
    ],
)
def test_nothing_is_stored_so_nothing_is_found(respond: Any, members: dict[str, Any]) -> None:
    reply = respond(**members)
    assert (reply.status, "not found" in reply.json["error"]["message"]) == (404, True)
