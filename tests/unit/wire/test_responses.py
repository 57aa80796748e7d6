"""Responses: requests that would need something kept are refused, replies get the gateway's names and the cost."""

import json
from typing import Any

import pytest
from openai.types.responses import Response

from anyrouter.core.errors import ClientError
from anyrouter.core.usage import Usage, UsageSource
from anyrouter.wire import responses_reply
from anyrouter.wire.dialect import DIALECTS
from anyrouter.wire.reply import CostFields, InvalidReply, Naming
from support.passthrough import GOLDEN, RESPONSE, USAGE, encode
from support.streams import HOSTILE

RESPONSES = DIALECTS["responses"]
NAMING = Naming(b'"gen-1"', b'"openai/gpt-x"', b'"A\\"b"')
COST = CostFields(cost=b"0.00042")
BODY = {"model": "openai/gpt-x", "input": "hi", "store": False}
CALL = {"type": "function_call", "id": "fc_1", "call_id": "call_1", "name": "f", "arguments": "{}"}
TEXT = {
    "type": "message",
    "id": "msg_1",
    "role": "assistant",
    "content": [{"type": "output_text", "text": "Hello, you", "annotations": []}],
}
DONE = {**RESPONSE, "status": "completed", "output": [TEXT], "usage": USAGE}
NO_DETAILS = {
    "input_tokens_details": {"cached_tokens": 0, "cache_write_tokens": 0},
    "output_tokens_details": {"reasoning_tokens": 0},
}
REPLIES = sorted((GOLDEN / "responses").glob("reply_*.json"))


def sent(body: bytes, model: bytes = b'"gpt-x"', **how: Any) -> bytes:
    return b"".join(RESPONSES.read_request("responses", body).encode(model, **how))


def shown(body: bytes) -> bytes:
    reply, facts = RESPONSES.read_reply("responses", body)
    usage = facts.usage or Usage(input_tokens=3, output_tokens=2, source=UsageSource.ESTIMATED)
    return b"".join(bytes(part) for part in RESPONSES.render_reply("responses", reply, NAMING, usage, COST))


def test_a_request_keeps_its_bytes_but_for_the_model_and_our_own_members() -> None:
    body = b'{"model":"openai/gpt-x","input":"1.50 \xc3\xbc","store":false,"temperature":1e0,"provider":{},"x":1,"models":[]}'
    request = RESPONSES.read_request("responses", body)
    assert (request.model, request.is_streamed, request.is_usage_wanted) == ("openai/gpt-x", False, True)
    assert sent(body) == body.replace(b'"openai/gpt-x"', b'"gpt-x"').replace(b',"provider":{}', b"").replace(b',"models":[]', b"")


@pytest.mark.parametrize("store", [True, None, ...])
def test_an_upstream_is_told_to_keep_nothing(store: object) -> None:
    body = {name: value for name, value in {**BODY, "store": store, "x": [1.5]}.items() if value is not ...}
    assert json.loads(sent(encode(body))) == {"model": "gpt-x", "input": "hi", "store": False, "x": [1.5]}


@pytest.mark.parametrize(("value", "is_streamed"), [(True, True), (False, False), (None, False)])
def test_streaming_is_a_flag(value: object, *, is_streamed: bool) -> None:
    assert RESPONSES.read_request("responses", encode({**BODY, "stream": value})).is_streamed is is_streamed


@pytest.mark.parametrize(
    ("changes", "code", "param"),
    [
        ({"input": None}, "missing_parameter", "input"),
        ({"model": 5}, "invalid_parameter", "model"),
        ({"stream": 1}, "invalid_parameter", "stream"),
        ({"store": "no"}, "invalid_parameter", "store"),
        ({"base_url": "http://evil"}, "invalid_parameter", "base_url"),
        ({"previous_response_id": "resp_1"}, "invalid_parameter", "previous_response_id"),
        ({"conversation": "conv_1"}, "invalid_parameter", "conversation"),
        ({"conversation": {"id": "conv_1"}}, "invalid_parameter", "conversation"),
        ({"prompt": {"id": "pmpt_1"}}, "invalid_parameter", "prompt"),
        ({"background": True}, "invalid_parameter", "background"),
        ({"background": "yes"}, "invalid_parameter", "background"),
        ({"input": [{"role": "user", "content": "x"}, {"type": "item_reference", "id": "msg_1"}]}, "invalid_parameter", "input[1]"),
    ],
)
def test_what_is_wrong_with_a_request_or_would_need_something_kept_is_said(changes: dict[str, object], code: str, param: str) -> None:
    with pytest.raises(ClientError) as caught:
        RESPONSES.read_request("responses", encode({**BODY, **changes}))
    assert (caught.value.denied.code, caught.value.denied.param, caught.value.denied.http_status) == (code, param, 400)


@pytest.mark.parametrize(
    "members",
    [
        {"previous_response_id": None, "conversation": None, "prompt": None},
        {"background": False},
        {"background": None},
        {"input": [{"role": "user", "content": 'type "item_reference"'}]},
        {"input": [{"role": "user", "content": [{"type": "input_text", "text": "x", "note": "item_reference"}]}]},
        {"input": 'an "item_reference"'},
        {"input": [["item_reference"], 5]},
        {"input": 5},
        {"metadata": {"conversation": "mine"}},
    ],
)
def test_what_only_looks_like_that_passes_as_it_came(members: dict[str, object]) -> None:
    body = {**BODY, **members}
    assert json.loads(sent(encode(body))) == {**body, "model": "gpt-x"}


def test_the_first_of_models_is_the_model_when_there_is_none() -> None:
    body = {"models": ["openai/a", "openai/b"], "input": "hi"}
    assert RESPONSES.read_request("responses", encode(body)).model == "openai/a"
    assert json.loads(sent(encode(body))) == {"input": "hi", "store": False, "model": "gpt-x"}


def test_members_that_a_provider_wants_or_has_in_its_path_are_put_in_and_left_out() -> None:
    told = json.loads(sent(encode({**BODY, "store": True}), added={"v": b'"1"'}, removed=frozenset({"model"})))
    assert told == {"input": "hi", "store": False, "v": "1"}


def test_the_prompt_is_estimated_by_its_size_and_measured_by_its_text() -> None:
    output = {"type": "function_call_output", "call_id": "call_1", "output": "o" * 100}
    body = {**BODY, "instructions": "i" * 40, "input": [{"role": "user", "content": [{"type": "input_text", "text": "t" * 60}]}, output]}
    request = RESPONSES.read_request("responses", encode(body))
    assert request.measured_input_tokens() == (40 + 60 + 100) // 4
    assert request.estimated_input_tokens == (len(encode(body["input"])) + len(encode(body["instructions"]))) // 4
    image = {"type": "input_image", "image_url": "data:image/png;base64," + "A" * 4000}
    told = [{"role": "user", "content": [{"type": "input_text", "text": "t" * 60}, image]}]
    assert RESPONSES.read_request("responses", encode({**BODY, "input": told})).measured_input_tokens() == 60 // 4


# Replies.


@pytest.mark.parametrize("path", REPLIES, ids=lambda path: path.stem)
@pytest.mark.parametrize("spell", [lambda text: text, lambda text: encode(json.loads(text)), lambda text: text + b"\n"])
def test_a_recorded_reply_gets_the_gateways_names_and_the_cost_and_nothing_else(path: Any, spell: Any) -> None:
    text = spell(path.read_bytes())
    told, out = json.loads(text), json.loads(shown(text))
    if path.stem != "reply_reasoning":  # an older one, which the types of today do not allow
        Response.model_validate(out)
    assert (out.pop("model"), out.pop("provider")) == ("openai/gpt-x", 'A"b')
    assert out["usage"].pop("cost") == 0.00042
    assert out["usage"].pop("is_byok") is False
    assert out["usage"].pop("cost_details")["upstream_inference_cost"] == 0
    told.pop("model")
    if not told.get("usage"):
        told["usage"] = {"input_tokens": 3, "output_tokens": 2, "total_tokens": 5, **NO_DETAILS}
    assert out == told


def test_a_reply_keeps_its_bytes() -> None:
    text = b'{ "id":"resp_1", "status":"completed","model" : "gpt-x" ,"output":[ ],"x":1.50,"usage":{"input_tokens":1,"output_tokens":2}}'
    out = shown(text)
    assert out.startswith(
        b'{ "id":"resp_1", "status":"completed","model" : "openai/gpt-x" ,"output":[ ],"x":1.50,"usage":{"input_tokens":1,'
    )
    assert out.endswith(b'"provider":"A\\"b"}')


@pytest.mark.parametrize(
    ("changes", "finish", "native"),
    [
        ({}, "stop", "completed"),
        ({"output": [CALL]}, "tool_calls", "completed"),
        ({"output": [{"type": "reasoning"}, {**CALL, "type": "custom_tool_call"}, TEXT]}, "tool_calls", "completed"),
        ({"output": [{"type": "web_search_call"}, TEXT]}, "stop", "completed"),
        ({"status": "incomplete", "incomplete_details": {"reason": "max_output_tokens"}}, "length", "max_output_tokens"),
        ({"status": "incomplete", "incomplete_details": {"reason": "content_filter"}}, "content_filter", "content_filter"),
        ({"status": "incomplete", "incomplete_details": None}, "length", "incomplete"),
        ({"status": None}, "stop", "completed"),
    ],
)
def test_why_it_ended_has_its_common_name(changes: dict[str, object], finish: str, native: str) -> None:
    facts = RESPONSES.read_reply("responses", encode({**DONE, **changes}))[1]
    assert (facts.finish_reason, facts.native_finish_reason, facts.upstream_id) == (finish, native, "resp_7")


@pytest.mark.parametrize(
    "text",
    [
        b"",
        b"[]",
        b"<html>",
        b"{}",
        b'{"output":null}',
        b'{"output":"x"}',
        b'{"output":{}}',
        b'{"output":[5]}',
        b'{"error":{"message":"x"}}',
        b'{"output":[],"status":"failed"}',
        b'{"output":[],"status":"in_progress"}',
        b'{"output":[],"status":"queued"}',
        b'{"output":[],"status":"cancelled"}',
        b'{"output":[],"x":"\xff"}',
        b'{"output":[],"id":5}',
        b'{"output":' + b"[" * 100_000,
    ],
)
def test_a_body_that_is_no_finished_response_is_refused(text: bytes) -> None:
    with pytest.raises(InvalidReply):
        RESPONSES.read_reply("responses", text)


@pytest.mark.parametrize(
    ("told", "usage"),
    [
        (USAGE, Usage(input_tokens=100, output_tokens=10, cache_read_tokens=64, reasoning_tokens=4)),
        ({"input_tokens": 3, "output_tokens": 4}, Usage(input_tokens=3, output_tokens=4)),
        (
            {**USAGE, "input_tokens_details": {"cache_write_tokens": 9}},
            Usage(input_tokens=100, output_tokens=10, cache_write_tokens=9, reasoning_tokens=4),
        ),
        ({**USAGE, "input_tokens_details": None, "output_tokens_details": None}, Usage(input_tokens=100, output_tokens=10)),
        ({"input_tokens": -3, "output_tokens": 4}, None),
        ({"input_tokens": 10**30, "output_tokens": 4}, None),
        ({"input_tokens": "3"}, None),
        ({}, None),
        (None, None),
        ([], None),
        (5, None),
    ],
)
def test_usage_is_read_in_the_common_meaning_or_not_at_all(told: object, usage: Usage | None) -> None:
    facts = RESPONSES.read_reply("responses", encode({**DONE, "usage": told}))[1]
    assert facts.usage == usage
    assert (facts.output_bytes == len("Hello, you")) is (usage is None)


def test_text_that_is_only_repeated_of_the_request_is_no_output() -> None:
    reply = {**DONE, "usage": None, "instructions": [{"role": "developer", "content": [{"type": "input_text", "text": "x" * 999}]}]}
    assert RESPONSES.read_reply("responses", encode(reply))[1].output_bytes == len("Hello, you")


@pytest.mark.parametrize(
    ("told", "expected"),
    [
        ({**USAGE, "x": 1}, {**USAGE, "x": 1}),
        ({**USAGE, "cost": 7, "is_byok": True, "cost_details": {"a": 1}, "shadow_cost": 1}, USAGE),
        ({**USAGE, "total_tokens": None}, USAGE),
        (
            {**USAGE, "output_tokens_details": {"reasoning_tokens": None, "x": 1}},
            {**USAGE, "output_tokens_details": {"reasoning_tokens": 0, "x": 1}},
        ),
        ({**USAGE, "input_tokens_details": None}, {**USAGE, "input_tokens_details": NO_DETAILS["input_tokens_details"]}),
        (
            {"input_tokens": 3, "output_tokens": 4},
            {
                "input_tokens": 3,
                "output_tokens": 4,
                "total_tokens": 7,
                **NO_DETAILS,
            },
        ),
    ],
)
def test_usage_is_shown_whole_with_our_cost(told: dict[str, Any], expected: dict[str, Any]) -> None:
    usage = json.loads(shown(encode({**DONE, "usage": told})))["usage"]
    ours = {name: usage.pop(name) for name in ("cost", "is_byok", "cost_details")}
    assert (ours["cost"], ours["is_byok"]) == (0.00042, False)
    assert usage == expected


@pytest.mark.parametrize(
    "changes",
    [
        {"model": None},
        {"provider": "theirs"},
        {"output": [{**TEXT, "model": "gpt-x"}], "tools": [{"type": "image_generation", "model": "gpt-x"}]},
        {"metadata": {"usage": json.dumps(USAGE), "copy": USAGE}},
        {"x": HOSTILE + '"model":"gpt-x"'},
        {"x": "y" * 40_000},
        {"usage": None},
    ],
)
def test_names_are_replaced_where_they_are_meant(changes: dict[str, Any]) -> None:
    told = {**DONE, **changes}
    for text in (encode(told), json.dumps(told, indent=1).encode(), encode(dict(reversed(told.items())))):
        out = json.loads(shown(text))
        assert (out["model"], out["provider"]) == ("openai/gpt-x", 'A"b')
        assert out["usage"]["cost"] == 0.00042
        rest = {name: value for name, value in told.items() if name not in {"model", "provider", "usage"}}
        assert {name: out[name] for name in rest} == rest


def test_a_reply_without_a_model_gets_one() -> None:
    told = {name: value for name, value in DONE.items() if name != "model"}
    assert json.loads(shown(encode(told)))["model"] == "openai/gpt-x"


def test_a_reply_of_thousands_of_members_is_no_mistake_of_ours() -> None:
    text = encode({**DONE, "model": None, **{f"x{at}": at for at in range(4000)}})
    assert shown(text) == text
    usage = {**USAGE, "total_tokens": None, **{f"x{at}": at for at in range(2000)}}
    assert json.loads(shown(encode({**DONE, "usage": usage})))["usage"]["total_tokens"] == 110


def test_what_a_response_tells_is_read_once_for_replies_and_streams() -> None:
    assert responses_reply.finish_of(responses_reply.decode_told(encode(DONE))) == ("stop", "completed")
