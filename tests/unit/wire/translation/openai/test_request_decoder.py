"""Requests of chat completions in the form: what the golden files cannot show, since they show what is encoded again."""

import json
from typing import Any

import msgspec
import pytest

from anyrouter.core.errors import ClientError
from anyrouter.wire.form.parts import (
    Audio,
    CacheControl,
    Document,
    Image,
    Opaque,
    Part,
    Reasoning,
    Source,
    Text,
    ToolCall,
    ToolResult,
    Video,
)
from anyrouter.wire.form.reasoning import ANTHROPIC_FORMAT, GEMINI_FORMAT, ReasoningOptions
from anyrouter.wire.form.request import Message, Request
from anyrouter.wire.form.text import quote
from anyrouter.wire.form.tools import ChoiceMode, ServerTool, Tool, ToolChoice
from anyrouter.wire.form.warnings import Warnings
from anyrouter.wire.translation.codec import ClientRequest
from anyrouter.wire.translation.openai.request_decoder import decode_request


def decode(**body: Any) -> Request:
    text = json.dumps({"messages": [{"role": "user", "content": "Hi"}], **body}).encode()
    values = msgspec.json.decode(text, type=dict[str, msgspec.Raw])
    return decode_request(ClientRequest(values=values, model="vendor/model", is_streamed=False), Warnings())


def messages(*told: dict[str, Any]) -> list[Message]:
    return decode(messages=list(told)).messages


def content(*parts: dict[str, Any]) -> list[Part]:
    return messages({"role": "user", "content": list(parts)})[0].parts


def assistant(**members: Any) -> list[Part]:
    return messages({"role": "user", "content": "Hi"}, {"role": "assistant", **members})[1].parts


def test_every_role_is_kept_and_tools_answers_become_one_message() -> None:
    found = messages(
        {"role": "system", "content": "s"},
        {"role": "developer", "content": [{"type": "text", "text": "d"}]},
        {"role": "user", "content": "u", "name": "ada"},
        {"role": "assistant", "content": "", "tool_calls": [{"id": "a", "function": {"name": "f", "arguments": "{}"}}]},
        {"role": "tool", "tool_call_id": "a", "content": "1"},
        {"role": "tool", "tool_call_id": "b", "content": None},
    )
    assert [message.role for message in found] == ["system", "developer", "user", "assistant", "tool"]
    assert found[2].name == "ada"
    assert found[3].parts == [ToolCall("a", "f", "{}")]
    assert found[4].parts == [ToolResult("a", (Text(quote("1")),)), ToolResult("b")]


def test_every_kind_of_content_is_known() -> None:
    assert content(
        {"type": "text", "text": "t", "cache_control": {"type": "ephemeral", "ttl": "1h"}},
        {"type": "image_url", "image_url": "https://example.com/a.png"},
        {"type": "image_url", "image_url": {"url": "https://example.com/a.png", "detail": "low"}},
        {"type": "input_audio", "input_audio": {"data": "UklG", "format": "mp3"}},
        {"type": "file", "file": {"file_id": "file-1", "filename": "a.pdf"}},
        {"type": "video_url", "video_url": {"url": "https://example.com/v.mp4"}},
    ) == [
        Text(quote("t"), CacheControl("1h")),
        Image(Source(url="https://example.com/a.png")),
        Image(Source(url="https://example.com/a.png"), "low"),
        Audio(Source(data=quote("UklG"), media_type="audio/mpeg"), "mp3"),
        Document(Source(file_id="file-1"), filename="a.pdf"),
        Video(Source(url="https://example.com/v.mp4")),
    ]


def test_content_of_another_kind_is_carried_as_it_is() -> None:
    (part,) = content({"type": "hologram", "data": [1]})
    assert isinstance(part, Opaque)
    assert (part.type, msgspec.json.decode(part.raw)) == ("hologram", {"type": "hologram", "data": [1]})


def test_what_is_carried_is_not_warned_of_and_unknown_members_beside_it_are() -> None:
    warnings = Warnings()
    told = [{"type": "hologram", "data": [1], "text": 7, "file": "x"}, {"type": "text", "text": "a", "colour": "red"}]
    text = json.dumps([{"role": "user", "content": told}]).encode()
    values = {"messages": msgspec.Raw(text)}
    request = decode_request(ClientRequest(values=values, model="vendor/model", is_streamed=False), warnings)
    carried, plain = request.messages[0].parts
    assert isinstance(carried, Opaque)
    assert msgspec.json.decode(carried.raw) == told[0]
    assert plain == Text(quote("a"))
    assert [warning.param for warning in warnings.found.values()] == ["messages[0].content[1].colour"]


@pytest.mark.parametrize("part", [{"text": "a"}, {"type": 7}, {"type": None}, "text", 7])
def test_a_part_without_a_type_is_refused(part: Any) -> None:
    with pytest.raises(ClientError) as caught:
        content({"type": "text", "text": "a"}, part)
    assert caught.value.code in {"invalid_parameter", "missing_parameter"}
    assert (caught.value.denied.param or "").startswith("messages[0].content[1]")


@pytest.mark.parametrize(
    ("part", "param", "code"),
    [
        ({"type": "text"}, "text", "missing_parameter"),
        ({"type": "text", "text": 7}, "text", "invalid_parameter"),
        ({"type": "image_url"}, "image_url", "missing_parameter"),
        ({"type": "image_url", "image_url": {"url": None}}, "image_url.url", "invalid_parameter"),
        ({"type": "image_url", "image_url": {"detail": "low"}}, "image_url", "invalid_parameter"),
        ({"type": "input_audio"}, "input_audio", "missing_parameter"),
        ({"type": "file", "file": {"filename": "a"}}, "file", "missing_parameter"),
        ({"type": "refusal", "refusal": None}, "refusal", "invalid_parameter"),
    ],
)
def test_a_part_that_lacks_what_it_is_made_of_is_refused(part: dict[str, Any], param: str, code: str) -> None:
    with pytest.raises(ClientError) as caught:
        content(part)
    assert (caught.value.code, caught.value.denied.param) == (code, f"messages[0].content[0].{param}")


@pytest.mark.parametrize(
    ("body", "param"),
    [
        ({"messages": None}, "messages"),
        ({"messages": "Hi"}, "messages"),
        ({"messages": [{"role": "user"}]}, "messages[0].content"),
        ({"messages": [{"role": "user", "content": None}]}, "messages[0].content"),
        ({"messages": [{"role": "user", "content": 7}]}, "messages[0].content"),
        ({"messages": [{"content": "x"}]}, "messages[0]"),
        ({"messages": [None]}, "messages[0]"),
        ({"n": "2"}, "n"),
        ({"stop": 7}, "stop"),
        ({"stop": [7]}, "stop[0]"),
        ({"logit_bias": []}, "logit_bias"),
        ({"tools": {}}, "tools"),
        ({"tools": [{"type": "function"}]}, "tools[0].function"),
        ({"tools": [{"type": 1}]}, "tools[0].type"),
        ({"tools": [{"type": "function", "function": {"description": "nameless"}}]}, "tools[0].function"),
        ({"tool_choice": "perhaps"}, "tool_choice"),
        ({"tool_choice": {"type": "function"}}, "tool_choice"),
        ({"response_format": {"type": "xml"}}, "response_format.type"),
        ({"response_format": {"type": "json_schema"}}, "response_format.json_schema"),
        ({"reasoning_effort": "enormous"}, "reasoning_effort"),
        ({"reasoning": {"effort": "enormous"}}, "reasoning.effort"),
        ({"reasoning": 7}, "reasoning"),
        ({"max_completion_tokens": "many"}, "max_completion_tokens"),
        ({"modalities": "text"}, "modalities"),
    ],
)
def test_what_cannot_be_used_is_refused_by_name(body: dict[str, Any], param: str) -> None:
    with pytest.raises(ClientError) as caught:
        decode(**body)
    assert caught.value.denied.param == param
    assert caught.value.denied.http_status == 400


def test_reasoning_comes_first_and_details_count_more_than_texts() -> None:
    detail = {"type": "reasoning.text", "text": "a", "signature": "s", "format": ANTHROPIC_FORMAT, "index": 0}
    assert assistant(content="x", reasoning="other", reasoning_details=[detail]) == [
        Reasoning(text=quote("a"), signature="s", format=ANTHROPIC_FORMAT),
        Text(quote("x")),
    ]
    assert assistant(content="x", reasoning_content="b") == [Reasoning(text=quote("b")), Text(quote("x"))]
    assert assistant(content="x", reasoning="", reasoning_content=None, reasoning_details=[]) == [Text(quote("x"))]


def test_pieces_of_a_stream_that_a_client_collected_are_one_again() -> None:
    pieces: list[dict[str, Any]] = [
        {"type": "reasoning.text", "text": "a", "index": 0, "format": ANTHROPIC_FORMAT},
        {"type": "reasoning.text", "text": "b", "index": 0},
        {"type": "reasoning.text", "signature": "s", "index": 0},
        {"type": "reasoning.summary", "summary": "c", "index": 1},
        {"type": "reasoning.encrypted", "data": "e", "index": 2, "id": "rs_1", "format": "unknown"},
        {"type": "reasoning.encrypted", "data": "f", "index": 2},
        {"type": "reasoning.new", "future": True},
    ]
    assert assistant(content=None, reasoning_details=pieces) == [
        Reasoning(text=quote("ab"), signature="s", format=ANTHROPIC_FORMAT),
        Reasoning(text=quote("c"), is_summary=True),
        Reasoning(encrypted="e", id="rs_1"),
        Reasoning(encrypted="f"),
    ]


def test_whose_proof_it_is_may_be_said_with_the_proof_only() -> None:
    piece = {"type": "reasoning.text", "index": 0}
    pieces = [{**piece, "text": "a", "format": "unknown"}, {**piece, "text": "b"}, {**piece, "signature": "s", "format": ANTHROPIC_FORMAT}]
    merged = Reasoning(text=quote("ab"), signature="s", format=ANTHROPIC_FORMAT)
    assert assistant(content=None, reasoning_details=pieces) == [merged]
    pieces[2] = {**piece, "signature": "s", "format": "unknown"}
    pieces[1]["format"] = ANTHROPIC_FORMAT
    assert assistant(content=None, reasoning_details=pieces) == [merged]


def test_a_proof_of_geminis_is_hung_on_what_it_proves() -> None:
    proof = {"type": "reasoning.encrypted", "data": "p", "format": GEMINI_FORMAT}
    calls = [{"id": "c", "function": {"name": "f", "arguments": "{}"}}]
    assert assistant(content=None, tool_calls=calls, reasoning_details=[{**proof, "id": "c"}]) == [ToolCall("c", "f", "{}", signature="p")]
    assert assistant(content="x", reasoning_details=[proof]) == [Text(quote("x"), signature="p")]
    assert assistant(content="x", reasoning_details=[{**proof, "id": "gone"}]) == [
        Reasoning(encrypted="p", id="gone", format=GEMINI_FORMAT),
        Text(quote("x")),
    ]


def test_a_proof_in_googles_own_place_is_read_too() -> None:
    call = {"id": "c", "function": {"name": "f", "arguments": "{}"}, "extra_content": {"google": {"thought_signature": "p"}}}
    assert assistant(content=None, tool_calls=[call]) == [ToolCall("c", "f", "{}", signature="p")]
    call["extra_content"] = {"google": 7}
    assert assistant(content=None, tool_calls=[call]) == [ToolCall("c", "f", "{}")]


@pytest.mark.parametrize(
    ("body", "expected"),
    [
        ({"reasoning_effort": "low"}, ReasoningOptions(effort="low")),
        ({"reasoning_effort": "none"}, ReasoningOptions(effort="none", is_enabled=False)),
        ({"reasoning": {"enabled": True}}, ReasoningOptions(is_enabled=True)),
        (
            {"reasoning": {"effort": "high", "exclude": True, "summary": "auto"}},
            ReasoningOptions(is_enabled=True, effort="high", is_hidden=True, summary="auto"),
        ),
        (
            {"reasoning": {"max_tokens": 2000}, "reasoning_effort": "low"},
            ReasoningOptions(is_enabled=True, effort="low", budget_tokens=2000),
        ),
        ({"reasoning_effort": "low", "reasoning": {"effort": "high"}}, ReasoningOptions(is_enabled=True, effort="high")),
        ({"reasoning": {"effort": "high", "enabled": False}}, ReasoningOptions(is_enabled=False, effort="high")),
        ({"reasoning": {"exclude": True}}, ReasoningOptions(is_hidden=True)),
        ({"include_reasoning": False}, ReasoningOptions(is_hidden=True)),
        ({"include_reasoning": True}, None),
    ],
)
def test_thinking_is_asked_for_in_several_ways(body: dict[str, Any], expected: ReasoningOptions | None) -> None:
    assert decode(**body).reasoning == expected


def test_tools_and_their_choice() -> None:
    found = decode(
        tools=[{"type": "function", "function": {"name": "f"}}, {"type": "openrouter:web_search"}],
        web_search_options={},
        functions=[{"name": "g", "parameters": {"type": "object"}}],
        tool_choice={"type": "function", "function": {"name": "f"}},
    )
    assert [(type(tool), getattr(tool, "name", getattr(tool, "kind", None))) for tool in found.tools] == [
        (Tool, "f"),
        (ServerTool, "web_search"),
        (ServerTool, "web_search"),
        (Tool, "g"),
    ]
    assert found.tool_choice == ToolChoice(ChoiceMode.NAMED, ("f",))
    assert decode(function_call="auto").tool_choice == ToolChoice(ChoiceMode.AUTO)
    allowed = {"type": "allowed_tools", "allowed_tools": {"mode": "required", "tools": [{"type": "function", "function": {"name": "f"}}]}}
    assert decode(tool_choice=allowed).tool_choice == ToolChoice(ChoiceMode.REQUIRED, ("f",))


def test_the_newer_limit_counts_whatever_the_order() -> None:
    assert decode(max_completion_tokens=2, max_tokens=1).max_tokens == 2
    assert decode(max_tokens=1, max_completion_tokens=None).max_tokens == 1


def test_a_schema_is_carried_byte_for_byte() -> None:
    raw = b'{"type":"object", "x-order":[3,1],"maximum":1.00}'
    body = (
        b'{"messages":[{"role":"user","content":"x"}],"response_format":{"type":"json_schema","json_schema":{"name":"n","schema":%s}}}'
        % raw
    )
    values = msgspec.json.decode(body, type=dict[str, msgspec.Raw])
    output = decode_request(ClientRequest(values=values, model="m", is_streamed=False), Warnings()).output
    assert output is not None
    assert output.schema is not None
    assert bytes(output.schema) == raw
