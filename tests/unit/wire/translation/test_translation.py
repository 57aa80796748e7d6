"""A request on its way to an upstream, and the reply on the way back. Both sides speak chat completions here; pairs: the golden files."""

import json
from typing import Any

import pytest

from anyrouter.core.errors import ClientError, Denied
from anyrouter.core.usage import Usage, UsageSource
from anyrouter.wire import openai
from anyrouter.wire.reply import CostFields, InvalidReply, Naming
from anyrouter.wire.translation.codec import UpstreamModel
from anyrouter.wire.translation.registry import CODECS
from anyrouter.wire.translation.translation import DecodedRequest, Translation, can_translate, decode_request

NAMING = Naming(b'"gen-1"', b'"vendor/model"', b'"Provider"')
COST = CostFields(cost=b"0.5")
MODEL = UpstreamModel(name="up")


def decoded(**body: Any) -> DecodedRequest:
    text = json.dumps({"model": "vendor/model", "messages": [{"role": "user", "content": "Hi"}], **body}).encode()
    return decode_request("openai", openai.read_request("chat/completions", text))


def translation(**body: Any) -> Translation:
    return decoded(**body).encode_for("openai", MODEL, created_s=7)


def reply(**more: Any) -> bytes:
    message = {"role": "assistant", "content": "Hello"}
    return json.dumps({"id": "up-1", "choices": [{"index": 0, "message": message, "finish_reason": "stop"}], **more}).encode()


def test_a_pair_can_be_translated_when_both_sides_have_what_it_takes() -> None:
    assert can_translate("openai", "openai")
    assert not can_translate("openai", "morse")
    assert not can_translate("bedrock", "openai")
    assert all(codec.name == name for name, codec in CODECS.items())


def test_a_request_is_decoded_once_and_encoded_for_each_target() -> None:
    request = decoded(temperature=0.5)
    bodies = [
        request.encode_for("openai", UpstreamModel(name=name, traits=traits), created_s=1).encoded.body
        for name, traits in (("one", frozenset[str]()), ("two", frozenset({"developer_role"})), ("one", frozenset[str]()))
    ]
    assert [json.loads(body)["model"] for body in bodies] == ["one", "two", "one"]
    assert bodies[0] == bodies[2]


def test_what_the_gateway_replaced_is_what_is_sent() -> None:
    body = json.dumps({"model": "a/b", "messages": [{"role": "user", "content": "Hi"}], "max_tokens": 9000}).encode()
    request = openai.read_request("chat/completions", body)
    request.replace["max_tokens"] = b"12"
    encoded = decode_request("openai", request).encode_for("openai", MODEL, created_s=1).encoded
    assert json.loads(encoded.body)["max_tokens"] == 12


def test_an_unknown_member_is_left_out_with_a_warning_and_the_gateways_own_without() -> None:
    found = translation(mystery=1, provider={"sort": "price"}, transforms=[], session_id="s")
    assert [(warning.code, warning.param) for warning in found.warnings] == [("unknown_parameter", "mystery")]
    assert set(json.loads(found.encoded.body)) == {"model", "messages"}


def test_where_parameters_are_required_a_warning_is_a_refusal() -> None:
    with pytest.raises(ClientError) as caught:
        decoded(top_k=3, mystery=1).encode_for("openai", MODEL, created_s=1, is_requiring_parameters=True)
    denied = caught.value.denied
    assert (denied.code, denied.http_status, denied.param) == ("no_route", 404, "mystery")
    assert [row["param"] for row in denied.metadata["warnings"]] == ["mystery", "top_k"]


def test_where_parameters_are_required_and_nothing_is_lost_it_is_sent() -> None:
    assert decoded(seed=1).encode_for("openai", MODEL, created_s=1, is_requiring_parameters=True).warnings == ()


def test_a_reply_tells_its_facts_and_is_rendered_for_the_client() -> None:
    found = translation()
    read, facts = found.read_reply("chat/completions", reply(usage={"prompt_tokens": 3, "completion_tokens": 2, "total_tokens": 5}))
    assert (facts.upstream_id, facts.finish_reason, facts.native_finish_reason) == ("up-1", "stop", "stop")
    assert facts.usage == Usage(input_tokens=3, output_tokens=2)
    body = json.loads(b"".join(found.render_reply("chat/completions", read, NAMING, facts.usage, COST)))
    assert (body["id"], body["model"], body["provider"], body["created"]) == ("gen-1", "vendor/model", "Provider", 7)
    assert (body["usage"]["total_tokens"], body["usage"]["cost"]) == (5, 0.5)
    assert "metadata" not in body


def test_a_reply_shows_what_was_left_out_of_the_request() -> None:
    found = translation(top_k=3)
    read, _ = found.read_reply("chat/completions", reply())
    body = json.loads(b"".join(found.render_reply("chat/completions", read, NAMING, Usage(), COST)))
    (warning,) = body["metadata"]["warnings"]
    assert (warning["code"], warning["param"]) == ("unsupported_parameter", "top_k")


def test_a_reply_without_usage_says_how_much_text_it_holds() -> None:
    _, facts = translation().read_reply("chat/completions", reply())
    assert facts.usage is None
    assert facts.output_bytes == len("Hello")


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"<html>",
        b"[]",
        b"{}",
        b'{"choices":null}',
        b'{"choices":[{}]}',
        b'{"error":{"message":"no"}}',
        b'{"choices":[{"message":{"content":"\xff"}}]}',
        b'{"choices":[{"message":{"tool_calls":[{"function":{}}]}}]}',
        b'{"choices":[{"message":' + b"[" * 100_000 + b"]" * 100_000 + b"}]}",
        b'{"choices":[{"message":{"content":[{"type":"text","text":' + b"[" * 100_000 + b"}]}}]}",
        b'{"choices":[{"message":{"images":[{"image_url":{"url":"data:x,y"}}]}}]}',
    ],
)
def test_what_is_no_reply_is_told(body: bytes) -> None:
    with pytest.raises(InvalidReply):
        translation().read_reply("chat/completions", body)


CHUNK = b'data: {"id":"up-1","choices":[{"index":0,"delta":{"content":"Hel\\u00fc"},"finish_reason":%s}]}\n\n'


def stream(found: Translation) -> Any:
    body = b'{"model":"a/b","stream":true,"messages":[{"role":"user","content":"Hi there, you"}]}'
    request = openai.read_request("chat/completions", body)
    return found.open_stream("chat/completions", request, NAMING, lambda usage: CostFields(cost=b"%d" % usage.output_tokens))


def test_a_stream_is_rewritten_as_it_comes() -> None:
    opened = stream(translation(stream=True, stream_options={"include_usage": True}))
    facts = opened.facts
    chunk = CHUNK % b"null"
    assert opened.feed(chunk[:30]) == b""
    assert not opened.is_begun
    out = opened.feed(chunk[30:])
    assert out.count(b"data: ") == 2
    assert opened.is_begun
    assert opened.feed(CHUNK % b'"length"') != b""
    assert not opened.is_done
    assert b'"completion_tokens":2,' in (end := opened.feed(b"data: [DONE]\n\n"))  # ten bytes of text
    assert b'"cost":2,' in end
    assert opened.is_done
    assert opened.facts is facts
    assert (facts.upstream_id, facts.finish_reason, facts.output_bytes) == ("up-1", "length", 10)


def test_a_stream_without_usage_is_estimated_and_one_with_it_is_not() -> None:
    opened = stream(translation())
    opened.feed(CHUNK % b'"stop"')
    assert opened.usage() == Usage(input_tokens=3, output_tokens=1, source=UsageSource.ESTIMATED)
    opened.feed(b'data: {"choices":[],"usage":{"prompt_tokens":30,"completion_tokens":20,"total_tokens":50}}\n\n')
    assert opened.usage() == opened.facts.usage == Usage(input_tokens=30, output_tokens=20)


def test_usage_that_is_still_growing_is_not_taken_for_the_whole() -> None:
    opened = stream(translation())
    opened.feed(
        b'data: {"choices":[{"index":0,"delta":{"content":"%s"}}],"usage":{"prompt_tokens":9,"completion_tokens":1}}\n\n' % (b"x" * 400)
    )
    assert opened.usage() == Usage(input_tokens=9, output_tokens=100, source=UsageSource.ESTIMATED)
    assert opened.facts.usage is None


def test_an_upstreams_failure_is_kept_for_the_relay_and_ends_the_stream() -> None:
    opened = stream(translation())
    opened.feed(CHUNK % b"null")
    assert opened.feed(b'data: {"error":{"message":"Slow down","code":"rate_limit_exceeded"}}\n\n' + CHUNK % b"null") == b""
    assert json.loads(opened.failure) == {"error": {"message": "Slow down", "code": "rate_limit_exceeded"}}
    assert opened.feed(b"data: [DONE]\n\n") == opened.eof() == b""
    assert not opened.is_done
    told = json.loads(opened.fail(Denied(code="upstream_rate_limited", message="Later."), "req-9")[6:])
    assert (told["id"], told["model"], told["error"]["message"]) == ("gen-1", "vendor/model", "Later.")


@pytest.mark.parametrize("tail", [b"", b"data: {", b"data: [DO", b"data: {}", b"rubbish"])
def test_a_stream_that_is_cut_is_not_done(tail: bytes) -> None:
    opened = stream(translation())
    opened.feed(CHUNK % b"null" + tail)
    opened.eof()
    assert not opened.is_done


def test_a_stream_whose_end_mark_is_missing_is_done_when_its_generation_was() -> None:
    opened = stream(translation())
    opened.feed(CHUNK % b'"stop"')
    assert opened.eof().endswith(b"data: [DONE]\n\n")
    assert opened.is_done


@pytest.mark.parametrize(
    "data",
    [
        b"<html>\n\n",
        b"data: {}\n\n",
        b"data: [1]\n\n",
        b"data: [DONE]\n\n",
        b"data: {\n\n",
        b'data: {"choices":7}\n\n',
        b'data: {"choices":[{"index":0,"delta":{"content":"\xff"}}]}\n\n',
        b'data: {"choices":[{"index":0,"delta":{"tool_calls":[{"index":0,"id":"x"}]},"finish_reason":"stop"}]}\n\n',
        b'data: {"choices":[{"delta":' + b"[" * 100_000 + b"}]}\n\n",
    ],
)
def test_what_is_no_stream_is_told(data: bytes) -> None:
    with pytest.raises(InvalidReply):
        stream(translation()).feed(data)
