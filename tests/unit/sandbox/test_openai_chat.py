"""Chat completions in the OpenAI dialect: what is said, how it is framed, and what is refused."""

from typing import Any

import pytest

WEATHER_SCHEMA = {
    "type": "object",
    "properties": {"city": {"type": "string"}, "days": {"type": "integer", "minimum": 1}},
    "required": ["city", "days"],
}
WEATHER = {"type": "function", "function": {"name": "weather", "parameters": WEATHER_SCHEMA}}
CLOCK = {"type": "function", "function": {"name": "clock"}}
IMAGE = {"type": "image_url", "image_url": {"url": "data:image/png;base64,AAAAAAAA"}}
CALL = {"id": "c", "type": "function", "function": {"name": "weather", "arguments": "{  }"}}


def test_a_completion_has_the_providers_members_in_the_providers_order(chat: Any) -> None:
    reply = chat(model="openai/gpt-4o")
    assert reply.status == 200
    assert reply.body.startswith(b'{\n  "id": "chatcmpl-')
    assert list(reply.json) == ["id", "object", "created", "model", "choices", "usage", "service_tier", "system_fingerprint"]
    assert reply.json["object"] == "chat.completion"
    assert reply.json["model"] == "openai/gpt-4o"
    choice = reply.json["choices"][0]
    assert choice | {"message": None} == {"index": 0, "message": None, "logprobs": None, "finish_reason": "stop"}
    assert list(choice["message"]) == ["role", "content", "refusal", "annotations"]
    assert "openai/gpt-4o" in choice["message"]["content"]


def test_the_same_request_gets_the_same_bytes(chat: Any) -> None:
    assert chat().body == chat().body
    assert chat(stream=True).body == chat(stream=True).body


def test_usage_counts_the_texts_of_all_messages_by_the_rule(chat: Any) -> None:
    messages = [
        {"role": "developer", "content": "12345678"},
        {"role": "system", "content": [{"type": "text", "text": "1234"}]},
        {"role": "user", "content": [{"type": "text", "text": "éé"}, IMAGE]},
        {"role": "assistant", "content": None, "tool_calls": [CALL]},
        {"role": "tool", "tool_call_id": "c", "content": "1234"},
    ]  # fmt: skip
    usage = chat(model="echo", messages=messages).json["usage"]
    assert (usage["prompt_tokens"], usage["completion_tokens"], usage["total_tokens"]) == (6, 1, 7)


def test_echo_answers_the_last_text_of_the_user_verbatim(chat: Any) -> None:
    messages = [
        {"role": "user", "content": "first"},
        {"role": "user", "content": [{"type": "text", "text": " one\r\n\u0000"}, {"type": "text", "text": "two 😀"}]},
        {"role": "assistant", "content": "answer"},
    ]
    for model in ("echo", "sandbox/echo"):
        assert chat(model=model, messages=messages).json["choices"][0]["message"]["content"] == " one\r\n\u0000\ntwo 😀"


def test_a_stream_has_a_role_chunk_deltas_a_finish_chunk_and_done(chat: Any) -> None:
    reply = chat(model="echo", stream=True)
    assert reply.headers["content-type"] == "text/event-stream; charset=utf-8"
    assert reply.body.endswith(b"\n\ndata: [DONE]\n\n")
    assert [chunk["choices"][0]["delta"] for chunk in reply.data] == [
        {"role": "assistant", "content": "", "refusal": None},
        {"content": "Hello"},
        {"content": " there"},
        {},
    ]
    assert [chunk["choices"][0]["finish_reason"] for chunk in reply.data] == [None, None, None, "stop"]
    assert all("usage" not in chunk for chunk in reply.data)
    first = reply.parts[0]
    assert first.startswith(b'data: {"id":"chatcmpl-')
    assert list(reply.data[0]) == ["id", "object", "created", "model", "service_tier", "system_fingerprint", "choices", "obfuscation"]
    assert all(part.startswith(b"data: ") and part.endswith(b"\n\n") for part in reply.parts)


def test_usage_comes_in_a_chunk_of_its_own_and_is_null_in_the_others(chat: Any) -> None:
    reply = chat(model="echo", stream=True, stream_options={"include_usage": True, "include_obfuscation": False})
    *others, last = reply.data
    assert all(b',"usage":null}' in part for part in reply.parts[:-2])
    assert all(chunk["usage"] is None for chunk in others)
    assert last["choices"] == []
    assert last["usage"]["prompt_tokens"] == 2
    assert last["usage"]["completion_tokens"] == 2
    assert b"obfuscation" not in reply.body


def test_whole_and_streamed_say_the_same(chat: Any) -> None:
    text = chat().json["choices"][0]["message"]["content"]
    assert "".join(chunk["choices"][0]["delta"].get("content") or "" for chunk in chat(stream=True).data) == text


def test_every_choice_is_answered_whole_and_streamed(chat: Any) -> None:
    reply = chat(model="echo", n=3)
    assert [choice["index"] for choice in reply.json["choices"]] == [0, 1, 2]
    assert reply.json["usage"]["completion_tokens"] == 6
    chunks = chat(model="echo", n=3, stream=True).data
    assert [chunk["choices"][0]["index"] for chunk in chunks] == [0, 1, 2] * 4


@pytest.mark.parametrize("limit", ["max_tokens", "max_completion_tokens"])
def test_a_limit_of_tokens_cuts_the_answer(chat: Any, limit: str) -> None:
    reply = chat(**{limit: 3}).json
    assert reply["choices"][0]["finish_reason"] == "length"
    assert reply["usage"]["completion_tokens"] == 3
    assert chat(**{limit: 3, "stream": True}).data[-1]["choices"][0]["finish_reason"] == "length"


@pytest.mark.parametrize("stop", [" there", ["zzz", " there"]])
def test_a_stop_sequence_ends_the_answer_before_it(chat: Any, stop: Any) -> None:
    choice = chat(model="echo", stop=stop).json["choices"][0]
    assert (choice["message"]["content"], choice["finish_reason"]) == ("Hello", "stop")


@pytest.mark.parametrize(
    ("choice", "name"),
    [
        ("required", "clock"),
        ({"type": "function", "function": {"name": "weather"}}, "weather"),
        ({"type": "allowed_tools", "allowed_tools": {"mode": "required", "tools": [WEATHER]}}, "weather"),
    ],
)
def test_a_forced_tool_is_called_with_the_smallest_arguments(chat: Any, choice: Any, name: str) -> None:
    made = chat(tools=[CLOCK, WEATHER], tool_choice=choice).json["choices"][0]
    assert made["finish_reason"] == "tool_calls"
    assert made["message"]["content"] is None
    call = made["message"]["tool_calls"][0]
    assert call["type"] == "function"
    assert call["id"].startswith("call_")
    assert call["function"] == {"name": name, "arguments": '{"city":"","days":1}' if name == "weather" else "{}"}


def test_a_forced_call_is_streamed_in_deltas(chat: Any) -> None:
    deltas = [chunk["choices"][0]["delta"] for chunk in chat(tools=[WEATHER], tool_choice="required", stream=True).data]
    first = deltas[0]["tool_calls"][0]
    assert deltas[0]["content"] is None
    assert (first["index"], first["type"], first["function"]) == (0, "function", {"name": "weather", "arguments": ""})
    assert first["id"].startswith("call_")
    arguments = [delta["tool_calls"][0]["function"]["arguments"] for delta in deltas[1:-1]]
    assert len(arguments) > 1
    assert "".join(arguments) == '{"city":"","days":1}'
    assert deltas[-1] == {}


@pytest.mark.parametrize("choice", [None, "auto", "none"])
def test_tools_that_are_not_forced_are_answered_in_text(chat: Any, choice: Any) -> None:
    made = chat(tools=[WEATHER], **({"tool_choice": choice} if choice else {})).json["choices"][0]
    assert made["finish_reason"] == "stop"
    assert "tool_calls" not in made["message"]


def test_a_custom_tool_is_called_with_text(chat: Any) -> None:
    tool = {"type": "custom", "custom": {"name": "shell"}}
    made = chat(tools=[tool], tool_choice={"type": "custom", "custom": {"name": "shell"}}).json["choices"][0]
    call = made["message"]["tool_calls"][0]
    assert (call["type"], call["custom"]["name"]) == ("custom", "shell")
    assert call["custom"]["input"]


def test_tool_call_calls_the_first_tool_or_a_made_up_one_until_it_has_the_result(chat: Any) -> None:
    call = chat(model="tool-call", tools=[WEATHER, CLOCK]).json["choices"][0]["message"]["tool_calls"][0]
    assert call["function"]["name"] == "weather"
    call = chat(model="tool-call").json["choices"][0]["message"]["tool_calls"][0]
    assert call["function"] == {"name": "get_weather", "arguments": '{"city":"Paris"}'}
    history = [{"role": "user", "content": "x"}, {"role": "tool", "tool_call_id": "c", "content": "sunny"}]
    assert chat(model="tool-call", messages=history).json["choices"][0]["finish_reason"] == "stop"
    assert chat(model="tool-call", tools=[CLOCK], tool_choice="none").json["choices"][0]["finish_reason"] == "stop"


def test_a_json_schema_is_answered_with_its_smallest_instance(chat: Any) -> None:
    schema = {
        "type": "object",
        "properties": {"name": {"type": "string"}, "age": {"type": ["integer", "null"]}},
        "required": ["name", "age"],
    }
    wanted = {"type": "json_schema", "json_schema": {"name": "person", "schema": schema, "strict": True}}
    assert chat(response_format=wanted).json["choices"][0]["message"]["content"] == '{"name":"","age":0}'


def test_json_mode_is_answered_with_an_object_and_text_mode_with_text(chat: Any) -> None:
    assert chat(response_format={"type": "json_object"}).json["choices"][0]["message"]["content"] == "{}"
    assert "simulated" in chat(response_format={"type": "text"}).json["choices"][0]["message"]["content"]


def test_log_probabilities_cover_the_text(chat: Any) -> None:
    entries = chat(model="echo", logprobs=True, top_logprobs=2).json["choices"][0]["logprobs"]["content"]
    assert [entry["token"] for entry in entries] == ["Hello", " there"]
    assert bytes(entries[1]["bytes"]) == b" there"
    assert entries[0]["top_logprobs"][0]["token"] == "Hello"
    assert chat(model="echo", logprobs=True).json["choices"][0]["logprobs"]["content"][0]["top_logprobs"] == []
    streamed = chat(model="echo", logprobs=True, stream=True).data
    assert [chunk["choices"][0]["logprobs"]["content"][0]["token"] for chunk in streamed[1:-1]] == ["Hello", " there"]


def test_the_filter_cuts_the_answer_and_says_so(chat: Any) -> None:
    choice = chat(model="content-filter").json["choices"][0]
    assert choice["finish_reason"] == "content_filter"
    assert choice["message"]["content"]


def test_no_usage_says_nothing_of_usage(chat: Any) -> None:
    assert "usage" not in chat(model="no-usage").json
    assert b'"usage"' not in chat(model="no-usage", stream=True, stream_options={"include_usage": True}).body


def test_long_is_two_thousand_tokens(chat: Any) -> None:
    assert chat(model="long").json["usage"]["completion_tokens"] == 2000
    assert len(chat(model="long", stream=True).data) > 500


def test_choices_share_the_bound_of_the_output(chat: Any) -> None:
    reply = chat(model="echo", messages=[{"role": "user", "content": "x" * 2_000_000}], n=64).json
    assert sum(len(choice["message"]["content"]) for choice in reply["choices"]) <= 1024 * 1024
    assert reply["choices"][0]["finish_reason"] == "length"


USER = {"role": "user", "content": "x"}


def _parts(*parts: Any) -> dict[str, Any]:
    return {"messages": [{"role": "user", "content": list(parts)}]}


def _function(**definition: Any) -> dict[str, Any]:
    return {"tools": [{"type": "function", "function": definition}]}


def _format(**definition: Any) -> dict[str, Any]:
    return {"response_format": {"type": "json_schema", "json_schema": definition}}


@pytest.mark.parametrize(
    ("members", "param", "code"),
    [
        ({"model": 7}, "model", "invalid_type"),
        ({"messages": None}, "messages", "missing_required_parameter"),
        ({"messages": "x"}, "messages", "invalid_type"),
        ({"messages": {}}, "messages", "invalid_type"),
        ({"messages": []}, "messages", "empty_array"),
        ({"messages": ["x"]}, "messages[0]", "invalid_type"),
        ({"messages": [USER, {"content": "x"}]}, "messages[1].role", "missing_required_parameter"),
        ({"messages": [{"role": "robot", "content": "x"}]}, "messages[0].role", "invalid_value"),
        ({"messages": [{"role": 7, "content": "x"}]}, "messages[0].role", "invalid_type"),
        ({"messages": [{"role": "user"}]}, "messages[0].content", "missing_required_parameter"),
        ({"messages": [{"role": "user", "content": 7}]}, "messages[0].content", "invalid_type"),
        (_parts(7), "messages[0].content[0]", "invalid_type"),
        (_parts({"text": "x"}), "messages[0].content[0].type", "missing_required_parameter"),
        (_parts({"type": "video"}), "messages[0].content[0].type", "invalid_value"),
        (_parts({"type": "text"}), "messages[0].content[0].text", "missing_required_parameter"),
        (_parts({"type": "image_url"}), "messages[0].content[0].image_url", "missing_required_parameter"),
        ({"messages": [{"role": "tool", "content": "x"}]}, "messages[0].tool_call_id", "missing_required_parameter"),
        ({"messages": [{"role": "assistant", "tool_calls": [{}]}]}, "messages[0].tool_calls[0].function", "missing_required_parameter"),
        ({"n": 0}, "n", "integer_below_min_value"),
        ({"n": 129}, "n", "integer_above_max_value"),
        ({"n": 10**300}, "n", "integer_above_max_value"),
        ({"n": 1.0}, "n", "invalid_type"),
        ({"n": True}, "n", "invalid_type"),
        ({"max_tokens": 0}, "max_tokens", "integer_below_min_value"),
        ({"max_tokens": -(10**30)}, "max_tokens", "integer_below_min_value"),
        ({"max_tokens": "5"}, "max_tokens", "invalid_type"),
        ({"max_completion_tokens": 0}, "max_completion_tokens", "integer_below_min_value"),
        ({"max_tokens": 1, "max_completion_tokens": 1}, "max_tokens", "invalid_parameter_combination"),
        ({"temperature": 2.5}, "temperature", "decimal_above_max_value"),
        ({"temperature": "hot"}, "temperature", "invalid_type"),
        ({"top_p": -0.1}, "top_p", "decimal_below_min_value"),
        ({"stop": 7}, "stop", "invalid_type"),
        ({"stop": ["a", "b", "c", "d", "e"]}, "stop", "array_above_max_length"),
        ({"stop": ["a", 7]}, "stop[1]", "invalid_type"),
        ({"stream": "yes"}, "stream", "invalid_type"),
        ({"stream_options": {"include_usage": True}}, "stream_options", None),
        ({"stream": True, "stream_options": {"include_usage": 1}}, "stream_options.include_usage", "invalid_type"),
        ({"top_logprobs": 2}, "top_logprobs", "invalid_value"),
        ({"logprobs": True, "top_logprobs": 21}, "top_logprobs", "integer_above_max_value"),
        ({"tools": []}, "tools", "empty_array"),
        ({"tools": [WEATHER] * 129}, "tools", "array_above_max_length"),
        ({"tools": [{"type": "function"}]}, "tools[0].function", "missing_required_parameter"),
        ({"tools": [{"function": {"name": "x"}}]}, "tools[0].type", "missing_required_parameter"),
        (_function(name="a b"), "tools[0].function.name", "invalid_value"),
        (_function(name="a", parameters={"type": "string"}), "tools[0].function.parameters", "invalid_function_parameters"),
        ({"tool_choice": "required"}, "tool_choice", None),
        ({"tools": [CLOCK], "tool_choice": "sometimes"}, "tool_choice", "invalid_value"),
        ({"tools": [CLOCK], "tool_choice": 7}, "tool_choice", "invalid_type"),
        ({"tools": [CLOCK], "tool_choice": {}}, "tool_choice.type", "missing_required_parameter"),
        ({"tools": [CLOCK], "tool_choice": {"type": "function", "function": {"name": "other"}}}, "tool_choice.function.name", None),
        ({"response_format": "json"}, "response_format", "invalid_type"),
        ({"response_format": {"type": "xml"}}, "response_format.type", "invalid_value"),
        ({"response_format": {"type": "json_schema"}}, "response_format.json_schema", "missing_required_parameter"),
        (_format(schema={}), "response_format.json_schema.name", "missing_required_parameter"),
        (_format(name="x", schema={"type": "array", "minItems": 10**9}), "response_format", "invalid_function_parameters"),
        ({"logit_bias": []}, "logit_bias", "invalid_type"),
        ({"model": "context-length"}, "messages", "context_length_exceeded"),
    ],
)  # fmt: skip
def test_what_the_provider_refuses_is_refused_in_its_words(chat: Any, members: dict[str, Any], param: str, code: str | None) -> None:
    reply = chat(**members)
    assert reply.status == 400
    error = reply.json["error"]
    assert list(error) == ["message", "type", "param", "code"]
    assert (error["type"], error["param"], error["code"]) == ("invalid_request_error", param, code)
    assert len(error["message"]) < 500


def test_messages_of_errors_are_the_providers(chat: Any) -> None:
    def say(**members: Any) -> str:
        return str(chat(**members).json["error"]["message"])

    assert say(model="") == "you must provide a model parameter"
    assert say(messages="x") == "Invalid type for 'messages': expected an array of objects, but got a string instead."
    assert say(n=0) == "Invalid 'n': integer below minimum value. Expected a value >= 1, but got 0 instead."
    assert say(temperature=3) == "Invalid 'temperature': decimal above maximum value. Expected a value <= 2, but got 3 instead."
    assert "maximum context length is 8192 tokens" in say(model="sandbox/context-length")


def test_a_prompt_beyond_every_window_is_refused(chat: Any) -> None:
    error = chat(messages=[{"role": "user", "content": "x" * 8_000_004}]).json["error"]
    assert error["code"] == "context_length_exceeded"
    assert "maximum context length is 2000000 tokens" in error["message"]


def test_a_model_name_that_nothing_could_have_is_not_found(chat: Any) -> None:
    reply = chat(model="x" * 257)
    assert (reply.status, reply.json["error"]["code"]) == (404, "model_not_found")


def test_unknown_members_are_passed_over(chat: Any) -> None:
    assert chat(provider={"order": ["x"]}, transforms=[], nonsense=1).status == 200
