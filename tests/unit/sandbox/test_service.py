"""The sandbox without its sockets: paths, methods, keys, failures on demand, and whatever else comes in."""

import re
from pathlib import Path
from typing import Any

import msgspec
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from anyrouter.sandbox.scenario import Scenario, scenario_of

ANTHROPIC = {"x-api-key": "MARKER", "anthropic-version": "2023-06-01"}
PATHS = ["/v1/chat/completions", "/v1/completions", "/v1/embeddings", "/v1/messages", "/v1/messages/count_tokens"]
BODY: dict[str, Any] = {"model": "m", "messages": [{"role": "user", "content": "x"}], "prompt": "x", "input": "x", "max_tokens": 9}


@pytest.mark.parametrize("path", [*PATHS, "/v1/models", "/v1/models/x"])
@pytest.mark.parametrize(
    "headers", [{}, {"authorization": "MARKER"}, {"authorization": "Bearer "}, {"authorization": "Basic MARKER"}, {"x-api-key": " "}]
)
def test_a_request_without_a_key_is_refused(ask: Any, path: str, headers: dict[str, str]) -> None:
    method = "GET" if "models" in path else "POST"
    reply = ask(path, headers={**headers, "anthropic-version": "2023-06-01"} if "messages" in path else headers, method=method)
    assert reply.status == 401
    error = reply.json["error"]
    if "messages" in path or ("models" in path and "x-api-key" in headers):
        assert error["type"] == "authentication_error"
    else:
        assert (error["type"], "API key" in error["message"]) == ("invalid_request_error", True)


@pytest.mark.parametrize("headers", [{"authorization": "bearer x-MARKER"}, {"authorization": "BEARER  MARKER"}, {"x-api-key": "MARKER"}])
def test_any_key_in_either_header_is_accepted(ask: Any, headers: dict[str, str]) -> None:
    assert ask("/v1/chat/completions", headers=headers, **BODY).status == 200


@pytest.mark.parametrize("path", ["/", "", "/v1", "/v1/chat", "/v1/chat/completions/", "/v1/unknown", "/v1/modelsx", "*", "/%00", "/\xff"])
def test_an_unknown_path_is_not_found_in_the_dialect_of_the_headers(ask: Any, path: str) -> None:
    reply = ask(path, headers={"authorization": "Bearer MARKER"})
    assert (reply.status, reply.json["error"]["type"]) == (404, "invalid_request_error")
    reply = ask(path, headers=ANTHROPIC)
    assert (reply.status, reply.json["error"]["type"]) == (404, "not_found_error")


@pytest.mark.parametrize("path", PATHS)
@pytest.mark.parametrize("method", ["GET", "HEAD", "PUT", "DELETE", "PATCH", "OPTIONS", "TRACE"])
def test_a_wrong_method_names_the_right_one(ask: Any, path: str, method: str) -> None:
    reply = ask(path, method=method)
    assert (reply.status, reply.headers["allow"]) == (405, "POST")


def test_a_query_does_not_matter(ask: Any) -> None:
    assert ask("/v1/messages?beta=true", **BODY).status == 200


NOT_JSON_OBJECTS = [
    *(b"", b" ", b"{", b"null", b"[]", b'"x"', b"7", b"NaN", b'{"model":"m"', b"a=b&c=d", b"\xef\xbb\xbf{}"),
    *(b"\xff", b'{"model":"\xff"}', b'{"model":"\\ud800"}'),
    *(b"[" * 100_000, b'{"a":' * 100_000, b'{"a":' + b"[" * 900 + b"]" * 900 + b"}"),
    *(b'{"n":1e999}', b'{"n":' + b"1" * 5_000 + b"}"),
]


@pytest.mark.parametrize("path", PATHS)
@pytest.mark.parametrize("content", NOT_JSON_OBJECTS)
def test_a_body_that_is_no_json_object_is_refused(ask: Any, path: str, content: bytes) -> None:
    reply = ask(path, content=content)
    assert reply.status == 400
    assert reply.json["error"]["type"] == "invalid_request_error"


@pytest.mark.parametrize("path", PATHS)
@pytest.mark.parametrize("unit", [b"[],", b"{},", b"1,", b'"",'])
def test_a_body_of_too_many_elements_is_refused_before_it_is_decoded(ask: Any, path: str, unit: bytes) -> None:
    reply = ask(path, content=b'{"model":"m","messages":[' + unit * 600_000 + b"1]}")
    assert reply.status == 413


def test_a_large_body_of_few_elements_is_answered(ask: Any) -> None:
    assert ask("/v1/chat/completions", **(BODY | {"messages": [{"role": "user", "content": "word, " * 400_000}]})).status == 200


def test_the_last_of_a_repeated_member_counts(ask: Any) -> None:
    content = b'{"model":"server-error","messages":[{"role":"user","content":"x"}],"model":"echo"}'
    assert ask("/v1/chat/completions", content=content).status == 200


@pytest.mark.parametrize("name", ["sandbox/rate-limited", "rate-limited"])
def test_rate_limited_says_when_to_come_back(ask: Any, name: str) -> None:
    reply = ask("/v1/chat/completions", **(BODY | {"model": name}))
    assert (reply.status, reply.headers["retry-after"], reply.headers["x-ratelimit-remaining-requests"]) == (429, "1", "0")
    assert (reply.json["error"]["type"], reply.json["error"]["code"]) == ("requests", "rate_limit_exceeded")
    reply = ask("/v1/messages", **(BODY | {"model": name}))
    assert (reply.status, reply.headers["retry-after"]) == (429, "1")
    assert reply.json["error"]["type"] == "rate_limit_error"
    assert reply.headers["anthropic-ratelimit-requests-remaining"] == "0"


def test_server_error_is_one_in_both_dialects(ask: Any) -> None:
    reply = ask("/v1/embeddings", **(BODY | {"model": "server-error"}))
    assert (reply.status, reply.json["error"]["type"]) == (500, "server_error")
    reply = ask("/v1/messages", **(BODY | {"model": "sandbox/server-error"}))
    assert (reply.status, reply.json["error"]["type"]) == (500, "api_error")


@pytest.mark.parametrize("path", PATHS)
def test_slow_timeout_and_cut_are_staged_everywhere(ask: Any, path: str) -> None:
    slow = ask(path, **(BODY | {"model": "slow"})).reply
    assert (slow.delay_s, slow.part_delay_s) == (2.0, 0.25)
    silent = ask(path, **(BODY | {"model": "timeout"})).reply
    assert (silent.delay_s, silent.is_silent) == (600.0, True)
    assert ask(path, **(BODY | {"model": "cut-stream"})).reply.is_cut


@pytest.mark.parametrize("path", ["/v1/chat/completions", "/v1/completions", "/v1/messages"])
def test_a_cut_stream_ends_in_the_middle_of_an_event(ask: Any, path: str) -> None:
    honest = ask(path, **(BODY | {"stream": True, "max_tokens": 1000}))
    cut = ask(path, **(BODY | {"model": "cut-stream", "stream": True, "max_tokens": 1000}))
    assert len(cut.parts) == 5
    assert all(part.endswith(b"\n\n") for part in cut.parts[:-1])
    assert not cut.parts[-1].endswith(b"\n\n")
    assert len(honest.parts) > 6
    short = ask(path, **(BODY | {"model": "cut-stream", "stream": True, "max_tokens": 1}))
    assert not short.body.endswith(b"\n\n")


@pytest.mark.parametrize("path", ["/v1/chat/completions", "/v1/completions", "/v1/messages", "/v1/embeddings"])
def test_malformed_is_no_json(ask: Any, path: str) -> None:
    reply = ask(path, **(BODY | {"model": "malformed"}))
    assert reply.status == 200
    with pytest.raises(msgspec.DecodeError):
        msgspec.json.decode(reply.body)
    if path != "/v1/embeddings":
        reply = ask(path, **(BODY | {"model": "malformed", "stream": True, "max_tokens": 1000}))
        with pytest.raises(msgspec.DecodeError):
            assert reply.data
        assert not reply.body.endswith(b"[DONE]\n\n")


def test_models_are_listed_in_both_dialects(ask: Any) -> None:
    listed = ask("/v1/models", method="GET", headers={"authorization": "Bearer MARKER"}).json
    assert listed["object"] == "list"
    assert {f"sandbox/{scenario}" for scenario in Scenario} <= {model["id"] for model in listed["data"]}
    assert all(model["object"] == "model" and model["owned_by"] == "sandbox" for model in listed["data"])
    page = ask("/v1/models?limit=2", method="GET", headers=ANTHROPIC).json
    assert (len(page["data"]), page["has_more"]) == (2, True)
    after = ask(f"/v1/models?limit=1000&after_id={page['last_id']}", method="GET", headers=ANTHROPIC).json
    before = ask(f"/v1/models?limit=2&before_id={after['first_id']}", method="GET", headers=ANTHROPIC).json
    assert before["data"] == page["data"]
    assert [model["id"] for model in page["data"] + after["data"]] == [model["id"] for model in listed["data"]]
    assert ask("/v1/models?limit=0", method="GET", headers=ANTHROPIC).status == 400


@pytest.mark.parametrize("path", ["/v1/models/openai/gpt-4o", "/v1/models/openai%2Fgpt-4o"])
def test_any_model_can_be_looked_up(ask: Any, path: str) -> None:
    assert ask(path, method="GET", headers={"authorization": "Bearer MARKER"}).json["id"] == "openai/gpt-4o"
    assert ask(path, method="GET", headers=ANTHROPIC).json["display_name"] == "Simulated openai/gpt-4o"


def test_a_scenario_is_asked_for_with_or_without_its_vendor() -> None:
    assert scenario_of("echo") is scenario_of("sandbox/echo") is Scenario.ECHO
    assert scenario_of("openai/echo") is scenario_of("Echo") is scenario_of("sandbox/sandbox/echo") is None


def test_every_scenario_is_documented() -> None:
    text = (Path(__file__).parents[3] / "docs" / "sandbox.md").read_text()
    assert set(re.findall(r"^\| `sandbox/([a-z-]+)`", text, re.MULTILINE)) == set(Scenario)


_VALUES = st.recursive(
    st.one_of(st.none(), st.booleans(), st.integers(), st.floats(allow_nan=False, allow_infinity=False), st.text(max_size=8)),
    lambda inner: st.one_of(st.lists(inner, max_size=3), st.dictionaries(st.text(max_size=8), inner, max_size=3)),
    max_leaves=6,
)
_MEMBERS = st.sampled_from(
    [
        "model",
        "messages",
        "prompt",
        "input",
        "max_tokens",
        "max_completion_tokens",
        "n",
        "best_of",
        "stop",
        "stop_sequences",
        "stream",
        "stream_options",
        "tools",
        "tool_choice",
        "response_format",
        "output_format",
        "output_config",
        "system",
        "temperature",
        "logprobs",
        "top_logprobs",
        "dimensions",
        "encoding_format",
        "echo",
        "thinking",
        "metadata",
        "logit_bias",
        "seed",
        "user",
    ]
)
_NAMES = st.sampled_from(
    [
        "role",
        "content",
        "type",
        "text",
        "name",
        "function",
        "input_schema",
        "parameters",
        "schema",
        "json_schema",
        "$ref",
        "enum",
        "format",
        "id",
    ]
)
_WORDS = st.sampled_from(
    [
        "user",
        "text",
        "function",
        "tool",
        "json_schema",
        "object",
        "array",
        "string",
        "required",
        "any",
        "#",
        "tool_result",
        "tool_use",
        "assistant",
    ]
)
_LIKELY = st.recursive(
    st.one_of(_WORDS, st.integers(-1, 5), st.none(), st.booleans()),
    lambda inner: st.one_of(st.lists(inner, max_size=3), st.dictionaries(_NAMES, inner, max_size=4)),
    max_leaves=12,
)


@settings(max_examples=300, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(path=st.sampled_from(PATHS), members=st.dictionaries(_MEMBERS, st.one_of(_VALUES, _LIKELY), max_size=4))
def test_whatever_members_come_in_the_answer_is_a_providers(ask: Any, path: str, members: dict[str, Any]) -> None:
    reply = ask(path, **(BODY | members))
    assert reply.status in {200, 400, 404}
    assert reply.body
