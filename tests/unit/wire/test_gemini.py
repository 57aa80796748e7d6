"""Gemini: the model comes with the path; requests and replies keep their bytes."""

import json
from typing import Any

import pytest

from anyrouter.core.errors import ClientError
from anyrouter.core.usage import NO_USAGE, Usage
from anyrouter.wire.dialect import DIALECTS
from anyrouter.wire.gemini import count_candidates
from anyrouter.wire.members import Members
from anyrouter.wire.reply import CostFields, InvalidReply, Naming
from anyrouter.wire.request import InferenceRequest
from support.passthrough import GOLDEN, encode, tokens

GEMINI = DIALECTS["gemini"]
CONTENTS = [{"role": "user", "parts": [{"text": "hi"}]}]
BODY = {"contents": CONTENTS}
CANDIDATE = {"content": {"parts": [{"text": "Hello, you"}], "role": "model"}, "finishReason": "STOP", "index": 0}
REPLY = {"candidates": [CANDIDATE], "usageMetadata": tokens(4), "modelVersion": "gemini-x", "responseId": "r-7"}
REPLIES = sorted((GOLDEN / "gemini").glob("reply_*.json"))


def judge(body: bytes, model: str = "google/gemini-x", endpoint: str = "generateContent") -> InferenceRequest:
    assert GEMINI.read_named_request is not None
    return GEMINI.read_named_request(endpoint, body, model)


def sent(body: bytes, **how: Any) -> bytes:
    return b"".join(judge(body).encode(b'"gemini-x"', **how))


@pytest.mark.parametrize(
    "body",
    [
        b'{"contents":[{"parts":[{"text":"1.50 \xc3\xbc"}]}],"generationConfig":{"temperature":1e0}}',
        b'{ "system_instruction" : {"parts":{"text":"x"}} , "contents" : {"parts":[{"text":"y"}]} }',
        b'{"contents":[],"cachedContent":"cachedContents/1","labels":{"a":"b"}}\n',
    ],
)
def test_a_request_is_sent_as_it_came(body: bytes) -> None:
    assert sent(body) == body
    assert sent(body, is_asking_usage=False) == body


def test_what_is_the_gateways_own_or_in_the_path_is_cut_out() -> None:
    body = {"model": "models/other", **BODY, "provider": {"order": ["google"]}, "models": ["a/b"], "session_id": "s", "usage": {}, "x": 1}
    request = judge(encode(body))
    assert request.model == "google/gemini-x"
    assert json.loads(sent(encode(body))) == {**BODY, "x": 1}


@pytest.mark.parametrize(
    "text", [b'{"contents":[],"model":"x"}', b'{"contents": [], "model": "x", "tools": []}', b'{"model":"x","contents":[]}']
)
def test_a_model_in_the_body_is_cut_out_wherever_it_stands(text: bytes) -> None:
    kept = {name: value for name, value in json.loads(text).items() if name != "model"}
    assert json.loads(sent(text)) == kept


def test_of_a_repeated_member_only_the_judged_one_is_sent() -> None:
    assert json.loads(sent(b'{"contents":[1],"contents":[2]}')) == {"contents": [2]}
    assert b"[1]" not in sent(b'{"contents":[1],"contents":[2]}')


def test_members_that_a_provider_wants_are_put_in() -> None:
    assert json.loads(sent(encode(BODY), added={"v": b'"1"'}, removed=frozenset({"model"}))) == {**BODY, "v": "1"}


@pytest.mark.parametrize(("endpoint", "is_streamed"), [("generateContent", False), ("streamGenerateContent", True)])
def test_the_endpoint_says_whether_a_stream_is_wanted(endpoint: str, *, is_streamed: bool) -> None:
    request = judge(encode({**BODY, "stream": not is_streamed}), endpoint=endpoint)
    assert (request.is_streamed, request.is_usage_wanted) == (is_streamed, True)


@pytest.mark.parametrize(
    ("model", "body", "code", "param"),
    [
        ("google/gemini-x", b'{"contents":null}', "missing_parameter", "contents"),
        ("google/gemini-x", b"{}", "missing_parameter", "contents"),
        ("google/gemini-x", b"[]", "invalid_json", None),
        ("google/gemini-x", b'{"contents":[],"api_key":"x"}', "invalid_parameter", "api_key"),
        ("", encode(BODY), "invalid_parameter", "model"),
        ("x" * 257, encode(BODY), "invalid_parameter", "model"),
        ("a\nb", encode(BODY), "invalid_parameter", "model"),
    ],
)
def test_what_is_wrong_with_a_request_is_said(model: str, body: bytes, code: str, param: str | None) -> None:
    with pytest.raises(ClientError) as caught:
        judge(body, model)
    assert (caught.value.denied.code, caught.value.denied.param) == (code, param)


def test_where_no_path_names_the_model_the_body_does() -> None:
    request = GEMINI.read_request("generateContent", encode({**BODY, "model": "google/gemini-y"}))
    assert request.model == "google/gemini-y"
    with pytest.raises(ClientError, match="model is missing"):
        GEMINI.read_request("generateContent", encode(BODY))


def test_the_prompt_is_estimated_by_its_size_and_measured_by_its_text() -> None:
    parts = [{"text": "t" * 60}, {"inlineData": {"mimeType": "image/png", "data": "A" * 4000}}]
    body = {"contents": [{"parts": parts}], "systemInstruction": {"parts": [{"text": "s" * 40}]}}
    request = judge(encode(body))
    assert request.measured_input_tokens() == 100 // 4
    assert request.estimated_input_tokens == (len(encode(body["contents"])) + len(encode(body["systemInstruction"]))) // 4


@pytest.mark.parametrize(
    ("body", "count"),
    [
        ({}, 1),
        ({"generationConfig": {"candidateCount": 3}}, 3),
        ({"generation_config": {"candidate_count": 2}}, 2),
        ({"generationConfig": {"candidate_count": "4"}}, 4),
        ({"generationConfig": {"candidateCount": None}}, 1),
        ({"generationConfig": {"candidateCount": "x"}}, 1),
        ({"generationConfig": ["candidateCount"]}, 1),
        ({"generationConfig": {"temperature": 1}}, 1),
    ],
)
def test_how_many_answers_are_asked_for_is_known(body: dict[str, object], count: int) -> None:
    assert count_candidates(Members(encode(body))) == count


# Replies.


def read(text: bytes) -> Any:
    return GEMINI.read_reply("generateContent", text)


@pytest.mark.parametrize("path", REPLIES, ids=lambda path: path.stem)
def test_a_recorded_reply_reaches_the_client_as_it_came(path: Any) -> None:
    text = path.read_bytes()
    reply, facts = read(text)
    naming = Naming(b'"gen-1"', b'"google/gemini-x"', b'"Google"')
    assert b"".join(GEMINI.render_reply("generateContent", reply, naming, NO_USAGE, CostFields(cost=b"1"))) == text
    assert (facts.upstream_id, facts.native_finish_reason is None) == (json.loads(text).get("responseId"), False)


@pytest.mark.parametrize(
    ("changes", "finish", "native"),
    [
        ({}, "stop", "STOP"),
        ({"content": {"parts": [{"text": "x"}, {"functionCall": {"name": "f", "args": {}}}]}}, "tool_calls", "STOP"),
        ({"finishReason": "MAX_TOKENS"}, "length", "MAX_TOKENS"),
        ({"finishReason": "SAFETY", "content": None}, "content_filter", "SAFETY"),
        ({"finishReason": "MALFORMED_FUNCTION_CALL"}, "error", "MALFORMED_FUNCTION_CALL"),
        ({"finishReason": "NEW_REASON"}, "stop", "NEW_REASON"),
        ({"finishReason": None}, None, None),
    ],
)
def test_why_it_ended_has_its_common_name(changes: dict[str, object], finish: str | None, native: str | None) -> None:
    facts = read(encode({**REPLY, "candidates": [{**CANDIDATE, **changes}]}))[1]
    assert (facts.finish_reason, facts.native_finish_reason) == (finish, native)


def test_a_prompt_that_was_blocked_is_an_empty_answer() -> None:
    facts = read(encode({"promptFeedback": {"blockReason": "SAFETY"}, "usageMetadata": {"promptTokenCount": 8}}))[1]
    assert (facts.finish_reason, facts.native_finish_reason, facts.usage) == ("content_filter", "SAFETY", Usage(input_tokens=8))


@pytest.mark.parametrize(
    "text",
    [
        b"",
        b"[]",
        b"<html>",
        b"{}",
        b'{"candidates":[]}',
        b'{"candidates":"x"}',
        b'{"candidates":[5]}',
        b'{"promptFeedback":{}}',
        b'{"error":{"code":500}}',
        b'{"candidates":[{}],"error":{"code":500}}',
        b'{"candidates":[{}],"x":"\xff"}',
        b'{"candidates":' + b"[" * 100_000,
    ],
)
def test_a_body_that_is_no_reply_is_refused(text: bytes) -> None:
    with pytest.raises(InvalidReply):
        read(text)


@pytest.mark.parametrize(
    ("told", "usage"),
    [
        (tokens(4), Usage(input_tokens=100, output_tokens=4)),
        ({"promptTokenCount": 8}, Usage(input_tokens=8)),
        (
            {
                "promptTokenCount": 8,
                "candidatesTokenCount": 4,
                "thoughtsTokenCount": 9,
                "toolUsePromptTokenCount": 2,
                "totalTokenCount": 23,
            },
            Usage(input_tokens=10, output_tokens=13, reasoning_tokens=9),
        ),
        ({**tokens(4), "cachedContentTokenCount": 64}, Usage(input_tokens=100, output_tokens=4, cache_read_tokens=64)),
        ({"promptTokenCount": -8, "candidatesTokenCount": -1}, Usage()),
        ({"promptTokenCount": 10**30}, None),
        ({"promptTokenCount": 2**41}, None),
        ({"promptTokenCount": "8"}, None),
        ({"totalTokenCount": 8}, None),
        ({}, None),
        (None, None),
        (5, None),
        ([], None),
    ],
)
def test_usage_is_read_in_the_common_meaning_or_not_at_all(told: object, usage: Usage | None) -> None:
    facts = read(encode({**REPLY, "usageMetadata": told}))[1]
    assert facts.usage == usage
    assert (facts.output_bytes == len("Hello, you")) is (usage is None)
