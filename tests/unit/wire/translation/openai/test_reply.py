"""Whole replies of chat completions, from upstreams and to clients."""

import json
from typing import Any

import pytest

from anyrouter.core.errors import Denied
from anyrouter.core.usage import Usage
from anyrouter.wire.form.parts import Audio, Citation, Image, Part, Reasoning, Refusal, Source, Text, ToolCall
from anyrouter.wire.form.reasoning import GEMINI_FORMAT, ReasoningOptions
from anyrouter.wire.form.reply import Candidate, FinishReason, Reply, TokenLogprob
from anyrouter.wire.form.request import Request
from anyrouter.wire.form.text import quote
from anyrouter.wire.reply import CostFields, Naming
from anyrouter.wire.translation.codec import ReplyContext
from anyrouter.wire.translation.openai.codec import CODEC
from anyrouter.wire.translation.openai.reply_decoder import decode_response
from anyrouter.wire.translation.openai.reply_encoder import encode_response


def decode(message: dict[str, Any], **choice: Any) -> Candidate:
    body = {"choices": [{"index": 0, "message": message, "finish_reason": "stop", **choice}]}
    return decode_response(json.dumps(body).encode()).candidates[0]


def encode(*parts: Part, is_hidden: bool = False, **candidate: Any) -> dict[str, Any]:
    request = Request(dialect="openai", model="m", messages=[], reasoning=ReasoningOptions(is_hidden=True) if is_hidden else None)
    context = ReplyContext(naming=Naming(b'"gen-0123"', b'"m"', b'"P"'), created_s=7, request=request)
    reply = Reply(candidates=[Candidate(parts=list(parts), finish=FinishReason.STOP, **candidate)])
    choice: dict[str, Any] = json.loads(encode_response(reply, context, Usage(), CostFields(cost=b"0")))["choices"][0]
    return choice


@pytest.mark.parametrize(
    ("native", "expected"),
    [
        ("stop", FinishReason.STOP),
        ("length", FinishReason.LENGTH),
        ("tool_calls", FinishReason.TOOL_CALLS),
        ("function_call", FinishReason.TOOL_CALLS),
        ("content_filter", FinishReason.CONTENT_FILTER),
        ("error", FinishReason.ERROR),
        ("something_new", FinishReason.STOP),
        (None, FinishReason.STOP),
    ],
)
def test_an_upstreams_word_for_the_end_becomes_ours(native: str | None, expected: FinishReason) -> None:
    found = decode({"content": "x"}, finish_reason=native)
    assert (found.finish, found.native_finish) == (expected, native)


def test_a_call_is_a_reason_to_end_whatever_the_upstream_calls_it() -> None:
    call = {"id": "c", "function": {"name": "f", "arguments": "{}"}}
    assert decode({"tool_calls": [call]}).finish is FinishReason.TOOL_CALLS
    assert decode({"tool_calls": [call]}, finish_reason="length").finish is FinishReason.LENGTH


@pytest.mark.parametrize(("told", "expected"), [("END", "END"), (128001, None), (None, None)])
def test_a_stop_sequence_is_text_and_not_a_tokens_number(told: Any, expected: str | None) -> None:
    assert decode({"content": "x"}, stop_reason=told).stop_sequence == expected


def test_empty_members_are_no_parts() -> None:
    empty = {"content": "", "refusal": "", "reasoning": "", "reasoning_content": None, "tool_calls": [], "annotations": [], "images": []}
    assert decode(empty).parts == []


def test_every_part_of_an_answer_is_read() -> None:
    message = {
        "content": "a",
        "reasoning": "r",
        "refusal": "n",
        "images": [{"image_url": {"url": "https://example.com/i.png"}}],
        "audio": {"id": "au", "data": "AA", "transcript": "t", "expires_at": 9},
        "annotations": [{"type": "url_citation", "url_citation": {"url": "https://example.com"}}, {"type": "other"}],
        "tool_calls": [{"id": "c", "function": {"name": "f", "arguments": {"x": 1}}}],
    }
    assert decode(message).parts == [
        Reasoning(text=quote("r")),
        Text(quote("a"), None, (Citation(kind="url", url="https://example.com"),)),
        Refusal(quote("n")),
        Audio(Source(data=quote("AA")), None, "au", quote("t"), 9),
        Image(Source(url="https://example.com/i.png")),
        ToolCall("c", "f", '{"x": 1}'),
    ]


def test_what_a_client_gets_reads_as_what_it_was_made_of() -> None:
    parts: list[Part] = [
        Reasoning(text=quote("r"), signature="s", id="i", format="anthropic-claude-v1"),
        Reasoning(encrypted="e", format="openai-responses-v1"),
        Text(quote("a"), None, (Citation(kind="url", url="https://example.com", title="T", text_start=0, text_end=1),)),
        Refusal(quote("n")),
        ToolCall("c", "f", '{"x":1}', signature="p"),
        ToolCall("d", "run", "print()", "custom"),
    ]
    choice = encode(*parts, logprobs=[TokenLogprob("a", -1.0, [97])], stop_sequence="END", native_finish="end")
    found = decode_response(json.dumps({"choices": [choice]}).encode()).candidates[0]
    assert found.parts == parts
    assert (found.logprobs, found.stop_sequence, found.native_finish) == ([TokenLogprob("a", -1.0, [97])], "END", "end")


def test_several_texts_are_one_and_their_citations_keep_their_places() -> None:
    message = encode(
        Text(quote("äb"), None, (Citation(kind="url", url="https://a.example"),)),
        Text(quote("cd"), None, (Citation(kind="url", url="https://b.example", text_start=1, text_end=2), Citation(kind="document_pages"))),
    )["message"]
    assert message["content"] == "äbcd"
    places = [(one["url_citation"]["start_index"], one["url_citation"]["end_index"]) for one in message["annotations"]]
    assert places == [(0, 2), (3, 4)]


def test_content_is_null_only_where_something_else_is_answered() -> None:
    assert encode()["message"]["content"] == ""
    assert encode(ToolCall("c", "f"))["message"]["content"] is None
    assert encode(Refusal(quote("no")))["message"]["content"] is None


def test_calls_without_ids_get_one_each_and_arguments_are_json() -> None:
    calls = encode(ToolCall("", "f"), ToolCall("", "g"))["message"]["tool_calls"]
    assert [call["id"] for call in calls] == ["call_0123_0", "call_0123_1"]
    assert [call["function"]["arguments"] for call in calls] == ["{}", "{}"]


def test_a_proof_is_told_with_the_id_that_its_call_gets() -> None:
    message = encode(ToolCall("", "f", "{}", signature="p"))["message"]
    assert message["reasoning_details"] == [
        {"type": "reasoning.encrypted", "data": "p", "id": message["tool_calls"][0]["id"], "format": GEMINI_FORMAT, "index": 0}
    ]


def test_hidden_thinking_is_not_shown() -> None:
    message = encode(Reasoning(text=quote("r"), signature="s"), Text(quote("a")), is_hidden=True)["message"]
    assert message == {"role": "assistant", "content": "a", "refusal": None}


def test_a_refusal_has_the_envelope_of_every_other_one() -> None:
    assert CODEC.render_error is not None
    error = json.loads(CODEC.render_error(Denied(code="no_route", message="None.", param="top_k", metadata={"warnings": []}), "req-1"))[
        "error"
    ]
    assert (error["code"], error["type"], error["param"]) == ("no_route", "not_found_error", "top_k")
    assert error["metadata"] == {"warnings": [], "request_id": "req-1"}
