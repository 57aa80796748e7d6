"""Requests of the form for upstreams of chat completions, and what their traits change."""

import json
from typing import Any

import msgspec
import pytest

from anyrouter.wire.form.parts import Audio, CacheControl, Document, Image, Opaque, Reasoning, Source, Text, ToolCall, ToolResult, Video
from anyrouter.wire.form.reasoning import ANTHROPIC_FORMAT, ReasoningOptions
from anyrouter.wire.form.request import Message, Request
from anyrouter.wire.form.text import quote
from anyrouter.wire.form.tools import ChoiceMode, ServerTool, Tool, ToolChoice
from anyrouter.wire.form.warnings import Warnings
from anyrouter.wire.translation.codec import UpstreamModel
from anyrouter.wire.translation.openai.request_encoder import encode_request

HELLO = Message("user", [Text(quote("Hi"))])
PNG = Source(data=quote("AAAA"), media_type="image/png")


def encode(*traits: str, is_reasoning: bool | None = None, **fields: Any) -> tuple[dict[str, Any], list[str | None]]:
    request = Request(**{"dialect": "anthropic", "model": "vendor/model", "messages": [HELLO], **fields})
    warnings = Warnings()
    model = UpstreamModel(name="up", traits=frozenset(traits), is_reasoning=is_reasoning)
    body = encode_request(request, model, warnings).body
    return json.loads(body), [warning.param for warning in warnings.found.values()]


def encode_messages(*messages: Message, traits: tuple[str, ...] = ()) -> tuple[list[dict[str, Any]], list[str | None]]:
    body, warnings = encode(*traits, messages=list(messages))
    return body["messages"], warnings


def test_the_plainest_request_is_model_and_messages() -> None:
    assert encode() == ({"model": "up", "messages": [{"role": "user", "content": "Hi"}]}, [])


def test_a_stream_asks_for_its_usage_where_the_upstream_allows_it() -> None:
    request = Request(dialect="anthropic", model="m", messages=[HELLO], is_streamed=True)
    bodies = [
        json.loads(encode_request(request, UpstreamModel(name="up", is_asking_usage=is_asking), Warnings()).body)
        for is_asking in (True, False)
    ]
    assert bodies[0]["stream_options"] == {"include_usage": True}
    assert bodies[1]["stream"] is True
    assert "stream_options" not in bodies[1]


@pytest.mark.parametrize(
    ("traits", "expected"), [((), {"max_tokens": 5}), (("max_completion_tokens",), {"max_completion_tokens": 5})], ids=["plain", "newer"]
)
def test_the_limit_has_the_name_that_the_upstream_knows(traits: tuple[str, ...], expected: dict[str, int]) -> None:
    body, _ = encode(*traits, max_tokens=5)
    assert {name: value for name, value in body.items() if name.startswith("max")} == expected


def test_a_developer_is_the_system_where_that_is_all_there_is() -> None:
    developer = Message("developer", [Text(quote("d"))])
    assert encode_messages(developer)[0][0]["role"] == "system"
    assert encode_messages(developer, traits=("developer_role",))[0][0]["role"] == "developer"


def test_sampling_that_openai_does_not_have_goes_where_it_is_known() -> None:
    extras = {"top_k": 3, "min_p": 0.1, "top_a": 0.2, "repetition_penalty": 1.5}
    body, warnings = encode(**extras)
    assert (sorted(map(str, warnings)), extras.keys() & body.keys()) == (sorted(extras), set())
    body, warnings = encode("sampling_extras", **extras)
    assert (warnings, {name: body[name] for name in extras}) == ([], extras)


@pytest.mark.parametrize(
    ("options", "is_reasoning", "effort", "warned"),
    [
        (ReasoningOptions(effort="high"), None, "high", False),
        (ReasoningOptions(budget_tokens=1500), None, "minimal", False),
        (ReasoningOptions(is_enabled=True), None, "medium", False),
        (ReasoningOptions(is_enabled=True, is_adaptive=True), None, None, False),
        (ReasoningOptions(is_enabled=False), None, None, False),
        (ReasoningOptions(is_enabled=False), True, "none", False),
        (ReasoningOptions(is_enabled=False, effort="none"), None, "none", False),
        (ReasoningOptions(is_enabled=False, effort="none"), False, None, False),
        (ReasoningOptions(effort="high"), False, None, True),
        (ReasoningOptions(is_hidden=True), False, None, False),
    ],
)
def test_thinking_becomes_an_effort(options: ReasoningOptions, is_reasoning: bool | None, effort: str | None, warned: bool) -> None:
    body, warnings = encode(reasoning=options, is_reasoning=is_reasoning)
    assert body.get("reasoning_effort") == effort
    assert bool(warnings) == warned


def test_thinking_is_asked_for_in_openrouters_way_where_that_is_known() -> None:
    body, _ = encode("reasoning_object", reasoning=ReasoningOptions(budget_tokens=2000, is_enabled=True, is_hidden=True, summary="auto"))
    assert body["reasoning"] == {"max_tokens": 2000, "enabled": True, "exclude": True, "summary": "auto"}
    assert "reasoning_effort" not in body


THOUGHT = Message(
    "assistant", [Reasoning(text=quote("a"), signature="s", format=ANTHROPIC_FORMAT), Reasoning(encrypted="e"), Text(quote("b"))]
)


def test_what_was_thought_goes_back_in_the_way_that_the_upstream_knows() -> None:
    (wire,), warnings = encode_messages(THOUGHT)
    assert (wire, warnings) == ({"role": "assistant", "content": "b"}, ["messages[0].reasoning"])
    (wire,), warnings = encode_messages(THOUGHT, traits=("reasoning_content",))
    assert (wire, warnings) == ({"role": "assistant", "content": "b", "reasoning_content": "a"}, [])
    (wire,), warnings = encode_messages(THOUGHT, traits=("reasoning_details",))
    assert warnings == []
    assert wire["reasoning_details"] == [
        {"type": "reasoning.text", "text": "a", "signature": "s", "format": ANTHROPIC_FORMAT, "index": 0},
        {"type": "reasoning.encrypted", "data": "e", "format": "unknown", "index": 1},
    ]


def test_a_proof_on_a_call_does_not_warn_where_it_cannot_go() -> None:
    call = Message("assistant", [ToolCall("c", "f", "{}", signature="p")])
    assert encode_messages(call)[1] == []
    details = encode_messages(call, traits=("reasoning_details",))[0][0]["reasoning_details"]
    assert [(detail["id"], detail["data"]) for detail in details] == [("c", "p")]


def test_cache_marks_go_where_they_are_known_and_are_no_loss_elsewhere() -> None:
    message = Message("user", [Text(quote("a"), CacheControl("1h"))])
    assert encode_messages(message) == ([{"role": "user", "content": "a"}], [])
    cached = [{"type": "text", "text": "a", "cache_control": {"type": "ephemeral", "ttl": "1h"}}]
    assert encode_messages(message, traits=("cache_control",))[0] == [{"role": "user", "content": cached}]
    tool = Tool("f", cache=CacheControl())
    assert "cache_control" not in encode(tools=[tool])[0]["tools"][0]
    assert encode("cache_control", tools=[tool])[0]["tools"][0]["cache_control"] == {"type": "ephemeral"}
    result = Message("tool", [ToolResult("c", (Text(quote("1")),), cache=CacheControl())])
    assert encode_messages(result, traits=("cache_control",))[0][0]["content"][0]["cache_control"] == {"type": "ephemeral"}


def test_texts_become_one_where_only_a_string_is_taken() -> None:
    system, result = (
        Message("system", [Text(quote("a")), Text(quote("b"))]),
        Message("tool", [ToolResult("c", (Text(quote("1")), Text(quote("2"))))]),
    )
    contents = [wire["content"] for wire in encode_messages(system, result)[0]]
    assert contents == [[{"type": "text", "text": text} for text in "ab"], [{"type": "text", "text": text} for text in "12"]]
    assert [wire["content"] for wire in encode_messages(system, result, traits=("string_content",))[0]] == ["a\n\nb", "1\n\n2"]


def test_an_error_of_a_tool_is_warned_of_since_nothing_can_tell_it() -> None:
    (wire,), warnings = encode_messages(Message("tool", [ToolResult("c", (Text(quote("no")),), is_error=True)]))
    assert (wire, warnings) == ({"role": "tool", "tool_call_id": "c", "content": "no"}, ["messages[0].content"])


def test_pictures_of_several_tools_follow_behind_all_their_answers() -> None:
    results = [ToolResult(name, (Text(quote(name)), Image(PNG))) for name in "ab"]
    wires, warnings = encode_messages(Message("tool", [*results]), HELLO)
    assert [wire["role"] for wire in wires] == ["tool", "tool", "user", "user"]
    assert [part["type"] for part in wires[2]["content"]] == ["text", "image_url", "text", "image_url"]
    assert len(warnings) == 2
    wires, warnings = encode_messages(Message("tool", [*results]), traits=("tool_images",))
    assert [[part["type"] for part in wire["content"]] for wire in wires] == [["text", "image_url"]] * 2
    assert warnings == []


@pytest.mark.parametrize(
    ("part", "trait"),
    [
        (Image(Source(file_id="file-1")), None),
        (Document(Source(url="https://example.com/a.pdf")), "file_url"),
        (Video(Source(url="https://example.com/v.mp4")), "video"),
        (Audio(Source(url="https://example.com/a.mp3")), None),
        (Opaque("anthropic", "search_result", msgspec.Raw(b"{}")), None),
    ],
    ids=lambda value: type(value).__name__,
)
def test_content_that_cannot_be_told_is_left_out_with_its_place(part: Any, trait: str | None) -> None:
    (wire,), warnings = encode_messages(Message("user", [Text(quote("a")), part]))
    assert (wire["content"], warnings) == ([{"type": "text", "text": "a"}], ["messages[0].content[1]"])
    if trait is not None:
        (wire,), warnings = encode_messages(Message("user", [Text(quote("a")), part]), traits=(trait,))
        assert (len(wire["content"]), warnings) == (2, [])


@pytest.mark.parametrize(
    ("dialect", "file_id", "is_taken"),
    [
        ("openai", "file-1", True),
        ("responses", "file-1", True),
        ("gemini", "gs://bucket/a.pdf", False),
        ("gemini", "https://generativelanguage.googleapis.com/v1beta/files/x", False),
        ("anthropic", "file_011C", False),
    ],
)
def test_a_file_that_another_provider_holds_is_left_out(dialect: str, file_id: str, is_taken: bool) -> None:
    body, warnings = encode(dialect=dialect, messages=[Message("user", [Text(quote("a")), Document(Source(file_id=file_id))])])
    told = [{"type": "file", "file": {"file_id": file_id}}] if is_taken else []
    assert body["messages"][0]["content"] == [{"type": "text", "text": "a"}, *told]
    assert warnings == ([] if is_taken else ["messages[0].content[1]"])


def test_a_document_of_text_is_given_as_text_with_its_name() -> None:
    document = Document(Source(text=quote("body")), title="Title", context="Context", has_citations=True)
    (wire,), warnings = encode_messages(Message("user", [document, Document(parts=(Text(quote("x")), Image(PNG)))]))
    assert [part["text"] for part in wire["content"]] == ["Title\n\nContext\n\nbody", "x"]
    assert warnings == ["messages[0].content[0].citations", "messages[0].content[1]"]


def test_pictures_of_anybody_but_the_user_are_left_out() -> None:
    (wire,), warnings = encode_messages(Message("assistant", [Image(PNG)]))
    assert (wire["content"], len(warnings)) == ("", 1)


def test_a_turn_of_which_nothing_is_left_is_still_a_turn() -> None:
    (wire,), _ = encode_messages(Message("assistant", [Reasoning(text=quote("a"))]))
    assert wire == {"role": "assistant", "content": ""}


def test_a_servers_tool_is_left_out_unless_the_upstream_has_it() -> None:
    search = ServerTool("anthropic", "web_search_20250305", msgspec.Raw(b'{"type":"web_search_20250305"}'), "web_search")
    body, warnings = encode(tools=[search], tool_choice=ToolChoice(ChoiceMode.REQUIRED))
    assert (set(body), warnings) == ({"model", "messages"}, ["tools[0]", "tool_choice"])
    body, warnings = encode("web_search_options", tools=[search])
    assert (body["web_search_options"], warnings) == ({}, [])


def test_a_strict_function_that_openai_would_refuse_is_not_called_strict() -> None:
    loose = msgspec.Raw(b'{"type":"object","properties":{"a":{"type":"string"}},"additionalProperties":false}')
    open_ = msgspec.Raw(b'{"type":"object","properties":{"a":{"type":"string"}},"required":["a"]}')
    closed = msgspec.Raw(b'{"type":"object","properties":{"a":{"type":"string"}},"required":["a"],"additionalProperties":false}')
    tools = [Tool("f", schema=schema, is_strict=True) for schema in (loose, open_, closed, None)]
    tools += [Tool("f", schema=loose, is_strict=False), Tool("f", schema=loose)]
    body, warnings = encode(tools=tools)
    assert [tool["function"].get("strict") for tool in body["tools"]] == [False, False, True, True, False, None]
    assert body["tools"][3]["function"]["parameters"] == {"type": "object", "properties": {}, "required": [], "additionalProperties": False}
    assert warnings == ["tools[0].strict", "tools[1].strict"]


def test_an_allowed_tool_is_referred_to_by_its_kind() -> None:
    body, _ = encode(tools=[Tool("f"), Tool("g")], tool_choice=ToolChoice(ChoiceMode.AUTO, ("g",)), is_parallel=False)
    assert body["tool_choice"]["allowed_tools"] == {"mode": "auto", "tools": [{"type": "function", "function": {"name": "g"}}]}
    assert body["parallel_tool_calls"] is False


def test_what_is_carried_reaches_the_upstream_byte_for_byte() -> None:
    schema = msgspec.Raw(b'{"type":"object", "maximum":1.00}')
    request = Request(
        dialect="openai", model="m", messages=[Message("user", [Text(msgspec.Raw(b'"\\u00fc\\/"'))])], tools=[Tool("f", schema=schema)]
    )
    body = encode_request(request, UpstreamModel(name="up"), Warnings()).body
    assert b'"content":"\\u00fc\\/"' in body
    assert bytes(schema) in body
