"""The laws that hold in every dialect: keys, methods, hostile bodies, determinism, and the models that fail on demand."""

from collections.abc import Callable
from typing import Any, NamedTuple

import msgspec
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

HELLO = "Hello there"
SAID = [{"role": "user", "content": HELLO}]
TURN = {"contents": [{"role": "user", "parts": [{"text": HELLO}]}]}
SPOKEN = {"messages": [{"role": "user", "content": [{"text": HELLO}]}]}
STREAM = {"stream": True}


class Way(NamedTuple):
    """One way to ask for an answer. `{}` in the path is the model; elsewhere it is a member of the body."""

    path: str
    body: dict[str, Any]
    text_of: Callable[[Any], str]
    ending_of: Callable[[Any], Any]
    usage_of: Callable[[Any], Any]


class Streamed(NamedTuple):
    """The same as a stream."""

    path: str
    body: dict[str, Any]


WHOLE = {
    "openai": Way(
        "/v1/chat/completions",
        {"messages": SAID},
        lambda reply: reply["choices"][0]["message"]["content"],
        lambda reply: reply["choices"][0]["finish_reason"],
        lambda reply: reply.get("usage"),
    ),
    "responses": Way(
        "/v1/responses",
        {"input": HELLO},
        lambda reply: reply["output"][0]["content"][0]["text"],
        lambda reply: (reply["status"], (reply["incomplete_details"] or {}).get("reason"), reply["output"][-1]["type"]),
        lambda reply: reply.get("usage"),
    ),
    "anthropic": Way(
        "/v1/messages",
        {"messages": SAID, "max_tokens": 5000},
        lambda reply: reply["content"][0]["text"],
        lambda reply: reply["stop_reason"],
        lambda reply: reply.get("usage"),
    ),
    "gemini": Way(
        "/v1beta/models/{}:generateContent",
        TURN,
        lambda reply: reply["candidates"][0]["content"]["parts"][0]["text"],
        lambda reply: (reply["candidates"][0]["finishReason"], [*reply["candidates"][0]["content"]["parts"][0]]),
        lambda reply: reply.get("usageMetadata"),
    ),
    "bedrock": Way(
        "/model/{}/converse",
        SPOKEN,
        lambda reply: reply["output"]["message"]["content"][0]["text"],
        lambda reply: reply["stopReason"],
        lambda reply: reply.get("usage"),
    ),
}
STREAMS = {
    "openai": Streamed("/v1/chat/completions", {"messages": SAID, **STREAM}),
    "responses": Streamed("/v1/responses", {"input": HELLO, **STREAM}),
    "anthropic": Streamed("/v1/messages", {"messages": SAID, "max_tokens": 5000, **STREAM}),
    "gemini": Streamed("/v1beta/models/{}:streamGenerateContent?alt=sse", TURN),
    "gemini-array": Streamed("/v1beta/models/{}:streamGenerateContent", TURN),
    "bedrock": Streamed("/model/{}/converse-stream", SPOKEN),
}
OTHERS = {
    "gemini-count": ("/v1beta/models/{}:countTokens", TURN),
    "gemini-embedding": ("/v1beta/models/{}:embedContent", {"content": TURN["contents"][0]}),
    "bedrock-count": ("/model/{}/count-tokens", {"input": {"converse": SPOKEN}}),
}
ALL = {**{name: way[:2] for name, way in WHOLE.items()}, **{f"{name}-stream": way for name, way in STREAMS.items()}, **OTHERS}
NEW = {name: way for name, way in ALL.items() if not name.startswith(("openai", "anthropic"))}


def ask_for(ask: Any, way: Any, model: str = "m", *, headers: Any = None, method: str = "POST", **members: Any) -> Any:
    path, body = way[0], {**way[1], **members}
    named = body if "{}" in path else {"model": model, **body}
    return ask(path.format(model), content=msgspec.json.encode(named), headers=headers, method=method)


@pytest.fixture(params=WHOLE)
def way(request: Any) -> Way:
    return WHOLE[request.param]


@pytest.mark.parametrize("name", NEW)
def test_a_request_without_a_credential_is_refused(ask: Any, name: str) -> None:
    reply = ask_for(ask, NEW[name], headers={})
    assert reply.status == (401 if "responses" in name else 403)
    assert b"key" in reply.body.lower() or b"token" in reply.body.lower()


@pytest.mark.parametrize("name", NEW)
@pytest.mark.parametrize("method", ["GET", "HEAD", "PUT", "DELETE", "OPTIONS"])
def test_a_wrong_method_is_refused_and_the_right_one_named(ask: Any, name: str, method: str) -> None:
    reply = ask_for(ask, NEW[name], method=method)
    assert reply.status == (404 if "bedrock" in name else 405)
    assert reply.headers["allow"] == "POST"


@pytest.mark.parametrize("name", NEW)
@pytest.mark.parametrize("content", [b"", b"{", b"[]", b"null", b"7", b"\xff", b'{"a":"\xff"}', b'{"a":' * 100_000, b'{"n":1e999}'])
def test_a_body_that_is_no_json_object_is_refused(ask: Any, name: str, content: bytes) -> None:
    path = NEW[name][0].format("m")
    assert ask(path, content=content).status == 400


@pytest.mark.parametrize("name", NEW)
def test_a_body_of_too_many_elements_is_refused_before_it_is_decoded(ask: Any, name: str) -> None:
    reply = ask(NEW[name][0].format("m"), content=b'{"messages":[' + b"[]," * 600_000 + b"1]}")
    assert reply.status == (400 if "gemini" in name else 413)


@pytest.mark.parametrize("name", ALL)
def test_the_same_request_gets_the_same_bytes(ask: Any, name: str) -> None:
    assert ask_for(ask, ALL[name]).body == ask_for(ask, ALL[name]).body


@pytest.mark.parametrize("name", NEW)
@pytest.mark.parametrize("model", ["openai/gpt-4o", "openai%2Fgpt-4o", "a.b-c-v1:0", "a.b-c-v1%3A0", "x%20y", "%FF", "%00", "é"])
def test_a_model_in_a_path_may_have_any_name(ask: Any, name: str, model: str) -> None:
    if "{}" in NEW[name][0]:
        assert ask_for(ask, NEW[name], model).status == 200


def test_a_model_in_a_path_is_decoded(ask: Any) -> None:
    for model in ("vendor/some-model:1", "vendor%2Fsome-model%3A1", "vendor%2fsome-model:1"):
        reply = ask_for(ask, WHOLE["gemini"], model).json
        assert reply["modelVersion"] == "vendor/some-model:1"
        assert "vendor/some-model:1" in WHOLE["bedrock"].text_of(ask_for(ask, WHOLE["bedrock"], model).json)
    assert ask("/v1beta/models/m%3agenerateContent", **TURN).json["modelVersion"] == "m"


def test_echo_says_what_the_user_said(ask: Any, way: Way) -> None:
    assert way.text_of(ask_for(ask, way, "sandbox/echo").json) == HELLO


def test_long_is_two_thousand_tokens(ask: Any, way: Way) -> None:
    assert len(way.text_of(ask_for(ask, way, "sandbox/long").json)) == 8000


def test_tokens_are_counted_by_one_rule(ask: Any) -> None:
    counts = {name: way.usage_of(ask_for(ask, way, "echo").json) for name, way in WHOLE.items()}
    inputs = {"openai": "prompt_tokens", "responses": "input_tokens", "anthropic": "input_tokens", "gemini": "promptTokenCount"}
    outputs = {"openai": "completion_tokens", "gemini": "candidatesTokenCount", "bedrock": "outputTokens"}
    assert {usage[inputs.get(name, "inputTokens")] for name, usage in counts.items()} == {2}
    assert {usage[outputs.get(name, "output_tokens")] for name, usage in counts.items()} == {2}


def test_no_usage_says_nothing_of_tokens(ask: Any, way: Way) -> None:
    assert way.usage_of(ask_for(ask, way, "no-usage").json) is None
    assert way.usage_of(ask_for(ask, way, "m").json)


@pytest.mark.parametrize("name", STREAMS)
def test_no_usage_says_nothing_of_tokens_in_a_stream(ask: Any, name: str) -> None:
    honest, silent = (ask_for(ask, STREAMS[name], model).body.lower() for model in ("m", "no-usage"))
    assert (b"outputtokens" in honest or b"output_tokens" in honest or b"tokencount" in honest) == (name != "openai")
    assert b'_tokens":' not in silent.replace(b'"max_output_tokens":', b"")
    assert b"token" not in silent.replace(b'"max_output_tokens":', b"")


ENDINGS = {
    "m": {"openai": "stop", "anthropic": "end_turn", "bedrock": "end_turn", "gemini": ("STOP", ["text"])},
    "tool-call": {"openai": "tool_calls", "anthropic": "tool_use", "bedrock": "tool_use", "gemini": ("STOP", ["functionCall"])},
    "content-filter": {"openai": "content_filter", "anthropic": "refusal", "bedrock": "content_filtered", "gemini": ("SAFETY", ["text"])},
    "refusal": {"openai": "stop", "anthropic": "refusal", "bedrock": "guardrail_intervened"},
}
ENDINGS["m"]["responses"] = ("completed", None, "message")
ENDINGS["tool-call"]["responses"] = ("completed", None, "function_call")
ENDINGS["content-filter"]["responses"] = ("incomplete", "content_filter", "message")
ENDINGS["refusal"]["responses"] = ("completed", None, "message")


@pytest.mark.parametrize(("model", "name"), [(model, name) for model, endings in ENDINGS.items() for name in endings])
def test_an_answer_ends_as_its_dialect_has_it(ask: Any, model: str, name: str) -> None:
    way = WHOLE[name]
    assert way.ending_of(ask_for(ask, way, model).json) == ENDINGS[model][name]


def test_a_refusal_is_said_where_each_dialect_says_it(ask: Any) -> None:
    said = {name: ask_for(ask, way, "refusal").json for name, way in WHOLE.items()}
    message = said["openai"]["choices"][0]["message"]
    assert message["content"] is None
    assert message["refusal"].startswith("I'm sorry")
    assert said["responses"]["output"][0]["content"] == [{"type": "refusal", "refusal": message["refusal"]}]
    assert said["anthropic"]["content"] == []
    assert "candidates" not in said["gemini"]
    assert said["gemini"]["promptFeedback"]["blockReason"] == "SAFETY"
    assert said["bedrock"]["output"]["message"]["content"] == [{"text": message["refusal"]}]


@pytest.mark.parametrize("name", NEW)
@pytest.mark.parametrize(("model", "status"), [("sandbox/rate-limited", 429), ("server-error", 500), ("context-length", 400)])
def test_what_fails_at_once_fails_whole_and_streamed(ask: Any, name: str, model: str, status: int) -> None:
    if model == "context-length" and "count" in name:
        assert ask_for(ask, NEW[name], model).status == 200
    else:
        assert ask_for(ask, NEW[name], model).status == status


def test_rate_limited_is_told_in_each_dialects_words(ask: Any) -> None:
    replies = {name: ask_for(ask, way, "rate-limited") for name, way in WHOLE.items()}
    assert replies["responses"].headers["retry-after"] == "1"
    assert replies["responses"].json["error"]["code"] == "rate_limit_exceeded"
    error = replies["gemini"].json["error"]
    assert (error["code"], error["status"]) == (429, "RESOURCE_EXHAUSTED")
    assert error["details"][-1] == {"@type": "type.googleapis.com/google.rpc.RetryInfo", "retryDelay": "1s"}
    assert replies["bedrock"].headers["x-amzn-errortype"].startswith("ThrottlingException:")
    assert list(replies["bedrock"].json) == ["message"]


@pytest.mark.parametrize("name", NEW)
def test_slow_timeout_and_cut_are_staged(ask: Any, name: str) -> None:
    slow, silent, cut = (ask_for(ask, NEW[name], model).reply for model in ("slow", "timeout", "cut-stream"))
    assert (slow.delay_s, slow.part_delay_s) == (2.0, 0.25)
    assert (silent.delay_s, silent.is_silent) == (600.0, True)
    assert cut.is_cut


@pytest.mark.parametrize("name", STREAMS)
def test_a_cut_stream_ends_in_the_middle_of_an_event(ask: Any, name: str) -> None:
    honest, cut = (ask_for(ask, STREAMS[name], model) for model in ("m", "cut-stream"))
    assert len(honest.parts) > 6
    *whole, half = cut.parts
    assert len(whole) == 4
    if name == "bedrock":
        assert int.from_bytes(half[:4]) > len(half) > 16
    else:
        assert all(part.endswith(b"\n") for part in whole)
        assert not half.endswith(b"\n")


@pytest.mark.parametrize("name", STREAMS)
def test_a_malformed_stream_is_framed_and_not_json(ask: Any, name: str) -> None:
    reply = ask_for(ask, STREAMS[name], "malformed")
    assert len(reply.parts) == 3
    with pytest.raises(msgspec.DecodeError):
        assert reply.messages if name == "bedrock" else reply.json if name == "gemini-array" else reply.data


@pytest.mark.parametrize("name", WHOLE)
def test_a_malformed_reply_is_not_json(ask: Any, name: str) -> None:
    reply = ask_for(ask, WHOLE[name], "malformed")
    assert reply.status == 200
    with pytest.raises(msgspec.DecodeError):
        assert reply.json


@pytest.mark.parametrize(("name", "status"), [("openai", 503), ("anthropic", 529), ("gemini", 503), ("bedrock", 503), ("responses", 200)])
def test_stream_error_is_an_overload_when_nothing_is_streamed(ask: Any, name: str, status: int) -> None:
    reply = ask_for(ask, WHOLE[name], "sandbox/stream-error")
    assert reply.status == status
    if name == "responses":
        assert (reply.json["status"], reply.json["error"]["code"]) == ("failed", "server_error")


def test_stream_error_is_the_last_event_of_a_stream(ask: Any) -> None:
    replies = {name: ask_for(ask, way, "stream-error") for name, way in STREAMS.items()}
    assert all(reply.status == 200 and 5 <= len(reply.parts) <= 7 for reply in replies.values())
    assert replies["openai"].data[-1]["error"]["type"] == "server_error"
    assert b"[DONE]" not in replies["openai"].body
    assert replies["anthropic"].data[-1]["error"] == {"type": "overloaded_error", "message": "Overloaded"}
    assert replies["responses"].data[-1]["type"] == "response.failed"
    assert replies["responses"].data[-1]["response"]["error"]["code"] == "server_error"
    assert replies["gemini"].data[-1]["error"]["status"] == "UNAVAILABLE"
    assert replies["gemini-array"].json[-1]["error"]["status"] == "UNAVAILABLE"
    assert replies["bedrock"].messages[-1][0] == "serviceUnavailableException"


def test_thinking_is_shown_and_counted_where_it_is_asked_for(ask: Any) -> None:
    chat = ask_for(ask, WHOLE["openai"], "echo", reasoning_effort="low").json
    thought = chat["usage"]["completion_tokens_details"]["reasoning_tokens"]
    assert (thought > 10, chat["usage"]["completion_tokens"]) == (True, thought + 2)
    response = ask_for(ask, WHOLE["responses"], "echo", reasoning={"effort": "low", "summary": "auto"}).json
    assert [item["type"] for item in response["output"]] == ["reasoning", "message"]
    assert response["usage"]["output_tokens_details"]["reasoning_tokens"] == thought
    message = ask_for(ask, WHOLE["anthropic"], "echo", thinking={"type": "enabled", "budget_tokens": 1024}).json
    assert [block["type"] for block in message["content"]] == ["thinking", "text"]
    assert message["usage"]["output_tokens"] == thought + 2
    reply = ask_for(ask, WHOLE["gemini"], "echo", generationConfig={"thinkingConfig": {"includeThoughts": True}}).json
    first, second = reply["candidates"][0]["content"]["parts"]
    assert (first["thought"], "thoughtSignature" in second, reply["usageMetadata"]["thoughtsTokenCount"]) == (True, True, thought)
    fields = {"thinking": {"type": "enabled", "budget_tokens": 1024}}
    spoken = ask_for(ask, WHOLE["bedrock"], "echo", additionalModelRequestFields=fields).json
    texts = {
        response["output"][0]["summary"][0]["text"],
        message["content"][0]["thinking"],
        first["text"],
        spoken["output"]["message"]["content"][0]["reasoningContent"]["reasoningText"]["text"],
    }
    assert len(texts) == 1
    assert spoken["usage"]["outputTokens"] == thought + 2


def test_thinking_may_leave_nothing_of_the_limit(ask: Any) -> None:
    chat = ask_for(ask, WHOLE["openai"], "echo", reasoning_effort="low", max_tokens=5).json
    assert (chat["choices"][0]["message"]["content"], chat["choices"][0]["finish_reason"]) == ("", "length")
    assert chat["usage"]["completion_tokens"] == 5
    response = ask_for(ask, WHOLE["responses"], "echo", reasoning={"effort": "low"}, max_output_tokens=16).json
    assert [item["type"] for item in response["output"]] == ["reasoning"]
    assert response["incomplete_details"] == {"reason": "max_output_tokens"}
    config = {"thinkingConfig": {"thinkingBudget": -1}, "maxOutputTokens": 5}
    for path in ("generateContent", "streamGenerateContent?alt=sse"):
        asked = ask(f"/v1beta/models/echo:{path}", **TURN, generationConfig=config)
        reply = asked.data[-1] if "sse" in path else asked.json
        assert reply["candidates"] == [{"content": {"role": "model"}, "finishReason": "MAX_TOKENS", "index": 0}]


_WORDS = st.sampled_from(
    [
        "user",
        "model",
        "assistant",
        "text",
        "input_text",
        "message",
        "function_call",
        "any",
        "ANY",
        "OBJECT",
        "STRING",
        "object",
        "Zm9v",
        "m",
    ]
)
_NAMES = st.sampled_from(
    [
        *("role", "content", "contents", "parts", "text", "type", "name", "input", "output", "call_id", "arguments", "summary", "id"),
        *("functionCall", "function_call", "functionResponse", "inlineData", "data", "args", "response", "functionDeclarations"),
        *("parameters", "properties", "items", "enum", "anyOf", "required", "schema", "format", "mode", "allowedFunctionNames"),
        *("toolUse", "toolResult", "toolUseId", "toolSpec", "inputSchema", "json", "image", "source", "bytes", "tools", "toolChoice"),
    ]
)
_MEMBERS = st.sampled_from(
    [
        *("model", "input", "instructions", "tools", "tool_choice", "text", "reasoning", "stream", "include", "metadata", "messages"),
        *("contents", "systemInstruction", "system_instruction", "toolConfig", "generationConfig", "safetySettings", "content", "requests"),
        *("system", "inferenceConfig", "outputConfig", "additionalModelRequestFields", "additionalModelResponseFieldPaths"),
        *("generateContentRequest", "outputDimensionality", "max_output_tokens", "previous_response_id", "prompt", "conversation"),
    ]
)
_VALUES = st.recursive(
    st.one_of(_WORDS, st.integers(-1, 5), st.none(), st.booleans(), st.floats(allow_nan=False, allow_infinity=False), st.text(max_size=4)),
    lambda inner: st.one_of(st.lists(inner, max_size=3), st.dictionaries(_NAMES, inner, max_size=4)),
    max_leaves=14,
)
_HOSTILE_PATHS = [way[0].format("m") for way in NEW.values()] + ["/v1beta/models/m:batchEmbedContents", "/v1/models/m:generateContent"]


@settings(max_examples=400, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(path=st.sampled_from(_HOSTILE_PATHS), members=st.dictionaries(_MEMBERS, _VALUES, max_size=4), is_usual=st.booleans())
def test_whatever_members_come_in_the_answer_is_a_providers(ask: Any, path: str, members: dict[str, Any], is_usual: bool) -> None:
    usual = next((way[1] for way in NEW.values() if way[0].format("m") == path), {}) if is_usual else {}
    usual = {"model": "m", **usual} if path == "/v1/responses" else usual
    reply = ask(path, content=msgspec.json.encode(usual | members))
    assert reply.status in {200, 400, 403, 404}
    assert reply.body
