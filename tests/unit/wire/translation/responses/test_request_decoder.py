import json
from typing import Any

import msgspec
import pytest

from anyrouter.core.errors import ClientError
from anyrouter.wire.form.parts import Audio, Document, Image, Opaque, Reasoning, Refusal, Text, ToolCall, ToolResult
from anyrouter.wire.form.request import Request
from anyrouter.wire.form.text import unquote
from anyrouter.wire.form.tools import ChoiceMode, CustomTool, ServerTool, Tool, ToolChoice
from anyrouter.wire.form.warnings import Warnings
from anyrouter.wire.translation.codec import ClientRequest
from anyrouter.wire.translation.responses.request_decoder import decode_request

WEATHER = {"type": "function", "name": "get_weather", "parameters": {"type": "object", "properties": {}}, "strict": True}


def decode(**members: Any) -> tuple[Request, Warnings]:
    warnings = Warnings()
    values = msgspec.json.decode(json.dumps({"model": "m", **members}).encode(), type=dict[str, msgspec.Raw])
    return decode_request(ClientRequest(values=values, model="m", is_streamed=False), warnings), warnings


def decode_items(*items: Any, **members: Any) -> Request:
    request, warnings = decode(input=list(items), **members)
    assert warnings.found == {}
    return request


def refusal_of(**members: Any) -> tuple[str, str | None]:
    with pytest.raises(ClientError) as caught:
        decode(**members)
    return caught.value.denied.code, caught.value.denied.param


def shape_of(request: Request) -> list[tuple[str, list[str]]]:
    return [(message.role, [type(part).__name__ for part in message.parts]) for message in request.messages]


def test_an_input_that_is_a_string_is_the_users_and_instructions_come_first() -> None:
    request, warnings = decode(input="Hi", instructions="Be kind.", stream_options={"include_obfuscation": False}, store=True)
    assert [(message.role, unquote(message.parts[0].text)) for message in request.messages] == [("system", "Be kind."), ("user", "Hi")]  # type: ignore[union-attr]
    assert (request.is_stored, request.extra, warnings.found) == (None, {}, {})


def test_instructions_that_say_nothing_are_no_message() -> None:
    assert shape_of(decode(input="Hi", instructions="")[0]) == [("user", ["Text"])]
    assert shape_of(decode(input="Hi", instructions=None)[0]) == [("user", ["Text"])]


def test_what_the_model_did_in_a_row_is_one_message() -> None:
    request = decode_items(
        {"role": "user", "content": "Hi"},
        {"type": "reasoning", "id": "rs_1", "summary": [], "encrypted_content": "gA"},
        {
            "type": "message",
            "role": "assistant",
            "id": "msg_1",
            "status": "completed",
            "content": [{"type": "output_text", "text": "I look."}],
        },
        {"type": "function_call", "call_id": "c1", "id": "fc_1", "name": "f", "arguments": "{}"},
        {"type": "custom_tool_call", "call_id": "c2", "name": "g", "input": "x"},
        {"type": "function_call_output", "call_id": "c1", "output": "1"},
        {"type": "custom_tool_call_output", "call_id": "c2", "output": [{"type": "input_text", "text": "2"}]},
        {"role": "assistant", "content": [{"type": "refusal", "refusal": "No."}]},
    )
    assert shape_of(request) == [
        ("user", ["Text"]),
        ("assistant", ["Reasoning", "Text", "ToolCall", "ToolCall"]),
        ("tool", ["ToolResult", "ToolResult"]),
        ("assistant", ["Refusal"]),
    ]
    _, _, call, custom = request.messages[1].parts
    assert call == ToolCall("c1", "f", "{}", item_id="fc_1")
    assert custom == ToolCall("c2", "g", "x", "custom")
    assert [result.kind for result in request.messages[2].parts if isinstance(result, ToolResult)] == ["function", "custom"]


def test_content_of_every_kind() -> None:
    parts = (
        decode_items(
            {
                "role": "user",
                "content": [
                    {"type": "input_text", "text": "a", "prompt_cache_breakpoint": {"mode": "explicit", "ttl": "30m"}},
                    {"type": "input_image", "image_url": "https://example.com/a.png", "detail": "low"},
                    {"type": "input_image", "image_url": "data:image/webp;base64,AAAA", "detail": "auto"},
                    {"type": "input_image", "file_id": "file-1"},
                    {"type": "input_file", "file_data": "data:application/pdf;base64,JVBE", "filename": "a.pdf"},
                    {"type": "input_file", "file_data": "JVBE"},
                    {"type": "input_file", "file_url": "https://example.com/a.pdf"},
                    {"type": "input_file", "file_id": "file-2"},
                    {"type": "input_audio", "input_audio": {"data": "UklG", "format": "mp3"}},
                    {"type": "input_unheard_of", "x": 1},
                ],
            }
        )
        .messages[0]
        .parts
    )
    text, remote, inline, stored, pdf, bare, linked, filed, audio, unknown = parts
    assert isinstance(text, Text)
    assert text.cache is not None
    assert text.cache.ttl is None
    assert isinstance(remote, Image)
    assert (remote.source.url, remote.detail) == ("https://example.com/a.png", "low")
    assert isinstance(inline, Image)
    assert (bytes(inline.source.data or b""), inline.source.media_type, inline.detail) == (b'"AAAA"', "image/webp", None)
    assert isinstance(stored, Image)
    assert stored.source.file_id == "file-1"
    for document, name in ((pdf, "a.pdf"), (bare, None)):
        assert isinstance(document, Document)
        assert document.source is not None
        assert (bytes(document.source.data or b""), document.source.media_type, document.filename) == (b'"JVBE"', "application/pdf", name)
    assert isinstance(linked, Document)
    assert linked.source is not None
    assert linked.source.url == "https://example.com/a.pdf"
    assert isinstance(filed, Document)
    assert filed.source is not None
    assert filed.source.file_id == "file-2"
    assert isinstance(audio, Audio)
    assert audio.source is not None
    assert (audio.format, audio.source.media_type) == ("mp3", "audio/mpeg")
    assert isinstance(unknown, Opaque)
    assert (unknown.dialect, unknown.type) == ("responses", "input_unheard_of")


def test_a_data_url_with_escaped_slashes_is_taken_apart() -> None:
    body = b'{"input":[{"role":"user","content":[{"type":"input_image","image_url":"data:image\\/png;base64,iV\\/BO"}]}]}'
    values = msgspec.json.decode(body, type=dict[str, msgspec.Raw])
    part = decode_request(ClientRequest(values=values, model="m", is_streamed=False), Warnings()).messages[0].parts[0]
    assert isinstance(part, Image)
    assert (bytes(part.source.data or b""), part.source.media_type) == (b'"iV/BO"', "image/png")


def test_reasoning_keeps_its_texts_and_its_proof() -> None:
    parts = (
        decode_items(
            {
                "type": "reasoning",
                "id": "rs_1",
                "summary": [{"type": "summary_text", "text": "a"}],
                "content": [{"type": "reasoning_text", "text": "b"}],
                "encrypted_content": "gA",
            },
            {"type": "reasoning", "id": "rs_2", "summary": [{"type": "summary_text", "text": "c"}]},
            {"type": "reasoning", "id": "rs_3", "summary": []},
        )
        .messages[0]
        .parts
    )
    own = {"id": "rs_1", "format": "openai-responses-v1"}
    assert parts == [
        Reasoning(text=msgspec.Raw(b'"a"'), is_summary=True, **own),
        Reasoning(text=msgspec.Raw(b'"b"'), encrypted="gA", **own),
        Reasoning(text=msgspec.Raw(b'"c"'), is_summary=True, id="rs_2"),
    ]


def test_proofs_of_other_providers_are_unsealed_and_hung_where_they_belong() -> None:
    parts = (
        decode_items(
            {
                "type": "reasoning",
                "id": "rs_1",
                "summary": [],
                "content": [{"text": "a"}],
                "encrypted_content": "anyrouter.anthropic-claude-v1.x.sig",
            },
            {"type": "reasoning", "id": "rs_2", "summary": [], "encrypted_content": "anyrouter.anthropic-claude-v1..redacted"},
            {"role": "assistant", "content": "text"},
            {"type": "reasoning", "id": "rs_3", "summary": [], "encrypted_content": "anyrouter.google-gemini-v1..of-the-text"},
            {"type": "function_call", "call_id": "c.1", "name": "f", "arguments": "{}"},
            {"type": "function_call", "call_id": "c2", "name": "f", "arguments": "{}"},
            {"type": "reasoning", "id": "rs_4", "summary": [], "encrypted_content": "anyrouter.google-gemini-v1.c2.of-the-call"},
            {"type": "reasoning", "id": "rs_5", "summary": [], "encrypted_content": "anyrouter.google-gemini-v1.c9.of-nobody"},
        )
        .messages[0]
        .parts
    )
    signed, redacted, text, first, second, lost = parts
    assert signed == Reasoning(text=msgspec.Raw(b'"a"'), signature="sig", id="x", format="anthropic-claude-v1")
    assert redacted == Reasoning(encrypted="redacted", format="anthropic-claude-v1")
    assert isinstance(text, Text)
    assert text.signature == "of-the-text"
    assert isinstance(first, ToolCall)
    assert first.signature is None
    assert isinstance(second, ToolCall)
    assert second.signature == "of-the-call"
    assert lost == Reasoning(encrypted="of-nobody", id="c9", format="google-gemini-v1")


def test_items_of_the_upstreams_own_tools_are_carried() -> None:
    item = {"type": "web_search_call", "id": "ws_1", "status": "completed", "action": {"type": "search"}}
    request = decode_items({"role": "user", "content": "Hi"}, item, {"role": "assistant", "content": "Done."})
    carried = request.messages[1].parts[0]
    assert isinstance(carried, Opaque)
    assert (carried.type, json.loads(bytes(carried.raw))) == ("web_search_call", item)
    assert shape_of(request)[1] == ("assistant", ["Opaque", "Text"])


def test_tools_of_every_kind() -> None:
    grammar = {"type": "grammar", "syntax": "lark", "definition": "start: /a/"}
    tools = decode(
        input="Hi",
        tools=[
            {**WEATHER, "description": "d", "defer_loading": False},
            {"type": "function", "name": "ping", "parameters": None, "strict": None},
            {"type": "custom", "name": "sql", "format": grammar},
            {"type": "web_search_preview_2025_03_11"},
            {"type": "code_interpreter", "container": {"type": "auto"}},
            {"type": "namespace", "name": "crm", "tools": []},
        ],
    )[0].tools
    function, ping, custom, search, code, namespace = tools
    assert isinstance(function, Tool)
    assert (function.name, function.is_strict, bytes(function.description or b"")) == ("get_weather", True, b'"d"')
    assert ping == Tool("ping")
    assert isinstance(custom, CustomTool)
    assert json.loads(bytes(custom.format or b"")) == {"type": "grammar", "grammar": {"syntax": "lark", "definition": "start: /a/"}}
    assert [(tool.type, tool.kind) for tool in (search, code, namespace) if isinstance(tool, ServerTool)] == [
        ("web_search_preview_2025_03_11", "web_search"),
        ("code_interpreter", "code_execution"),
        ("namespace", None),
    ]


def test_tools_that_items_add_are_there_from_the_beginning() -> None:
    added = {"type": "additional_tools", "role": "developer", "tools": [WEATHER]}
    request, warnings = decode(input=[{"role": "user", "content": "Hi"}, added], tools=[{"type": "custom", "name": "sql"}])
    assert [tool.name for tool in request.tools if not isinstance(tool, ServerTool)] == ["sql", "get_weather"]
    assert [code for code, _ in warnings.found] == ["changed_value"]


@pytest.mark.parametrize(
    ("told", "meant"),
    [
        ("auto", ToolChoice(ChoiceMode.AUTO)),
        ("none", ToolChoice(ChoiceMode.NONE)),
        ("required", ToolChoice(ChoiceMode.REQUIRED)),
        ({"type": "function", "name": "get_weather"}, ToolChoice(ChoiceMode.NAMED, ("get_weather",))),
        ({"type": "custom", "name": "sql"}, ToolChoice(ChoiceMode.NAMED, ("sql",), is_custom=True)),
        (
            {"type": "allowed_tools", "mode": "required", "tools": [{"type": "function", "name": "get_weather"}]},
            ToolChoice(ChoiceMode.REQUIRED, ("get_weather",)),
        ),
    ],
)
def test_a_choice_of_tools(told: Any, meant: ToolChoice) -> None:
    request, warnings = decode(input="Hi", tools=[WEATHER, {"type": "custom", "name": "sql"}], tool_choice=told)
    assert (request.tool_choice, warnings.found) == (meant, {})


def test_a_tool_of_the_upstreams_own_is_forced_only_where_there_is_no_other() -> None:
    search = {"type": "web_search"}
    alone, warnings = decode(input="Hi", tools=[search], tool_choice=search)
    assert (alone.tool_choice, warnings.found) == (ToolChoice(ChoiceMode.REQUIRED), {})
    among, warnings = decode(input="Hi", tools=[WEATHER, search], tool_choice=search)
    assert among.tool_choice == ToolChoice(ChoiceMode.AUTO)
    assert ("changed_value", "tool_choice") in warnings.found


def test_options() -> None:
    request, warnings = decode(
        input="Hi",
        temperature=0.5,
        top_p=1,
        max_output_tokens=9,
        parallel_tool_calls=False,
        user="u",
        safety_identifier="s",
        prompt_cache_key="k",
        prompt_cache_retention="24h",
        service_tier="flex",
        metadata={"a": "b"},
        include=["message.output_text.logprobs", "reasoning.encrypted_content"],
        top_logprobs=2,
        text={"verbosity": "high", "format": {"type": "json_object"}},
        reasoning={"effort": "none", "summary": "auto"},
        truncation="disabled",
        background=False,
        top_k=3,
    )
    assert warnings.found == {}
    assert (request.temperature, request.top_p, request.max_tokens, request.is_parallel) == (0.5, 1.0, 9, False)
    assert (request.user, request.safety_identifier, request.cache_key, request.cache_retention) == ("u", "s", "k", "24h")
    assert (request.service_tier, request.has_logprobs, request.top_logprobs, request.verbosity, request.top_k) == (
        "flex",
        True,
        2,
        "high",
        3,
    )
    assert request.output is not None
    assert request.output.kind == "json"
    told = request.reasoning
    assert told is not None
    assert (told.effort, told.is_enabled, told.summary, told.is_encrypted_wanted) == ("none", False, "auto", True)


def test_what_is_the_same_as_nothing_is_nothing() -> None:
    request, warnings = decode(input="Hi", service_tier="auto", metadata={}, top_logprobs=0, tools=[], max_output_tokens=None)
    assert (request.service_tier, request.metadata, request.top_logprobs, request.has_logprobs, request.tools) == (
        None,
        None,
        None,
        None,
        [],
    )
    assert (request.extra, warnings.found) == ({}, {})


@pytest.mark.parametrize(
    ("members", "param"),
    [
        ({"truncation": "auto"}, "truncation"),
        ({"max_tool_calls": 3}, "max_tool_calls"),
        ({"include": ["file_search_call.results"]}, "include[0]"),
        ({"reasoning": {"mode": "pro"}}, "reasoning.mode"),
        ({"reasoning": {"context": "all_turns"}}, "reasoning.context"),
        ({"tools": [{**WEATHER, "async": True}]}, "tools[0].async"),
    ],
)
def test_what_no_other_dialect_can_say_is_warned_of(members: dict[str, Any], param: str) -> None:
    _, warnings = decode(input="Hi", **members)
    assert [found.param for found in warnings.found.values()] == [param]


def test_unknown_members_are_named_wherever_they_stand() -> None:
    request, warnings = decode(
        input=[{"role": "user", "content": [{"type": "input_text", "text": "a", "mood": 1}], "weight": 2}],
        text={"tone": "dry"},
        novelty=True,
    )
    assert set(request.extra) == {"novelty"}
    assert [param for _, param in warnings.found] == ["text.tone", "input[0].weight", "input[0].content[0].mood"]
    assert shape_of(request) == [("user", ["Text"])]


@pytest.mark.parametrize(
    ("members", "code", "param"),
    [
        ({}, "missing_parameter", "input"),
        ({"input": None}, "missing_parameter", "input"),
        ({"input": []}, "invalid_parameter", "input"),
        ({"input": 1}, "invalid_parameter", "input"),
        ({"input": [1]}, "invalid_parameter", "input[0]"),
        ({"input": "Hi", "previous_response_id": "resp_1"}, "invalid_parameter", "previous_response_id"),
        ({"input": "Hi", "conversation": {"id": "conv_1"}}, "invalid_parameter", "conversation"),
        ({"prompt": {"id": "pmpt_1"}}, "invalid_parameter", "prompt"),
        ({"input": "Hi", "background": True}, "invalid_parameter", "background"),
        ({"input": "Hi", "prompt_cache_options": {"prewarm": True}}, "invalid_parameter", "prompt_cache_options.prewarm"),
        ({"input": [{"type": "item_reference", "id": "msg_1"}]}, "invalid_parameter", "input[0]"),
        ({"input": [{"role": "user", "content": "a"}, {"id": "msg_1"}]}, "invalid_parameter", "input[1]"),
        ({"input": [{"type": "compaction_trigger"}]}, "invalid_parameter", "input[0]"),
        ({"input": [{"role": "tool", "content": "a"}]}, "invalid_parameter", "input[0].role"),
        ({"input": [{"role": "user"}]}, "missing_parameter", "input[0].content"),
        ({"input": [{"role": "user", "content": 1}]}, "invalid_parameter", "input[0].content"),
        ({"input": [{"role": "user", "content": [{"type": "input_text"}]}]}, "missing_parameter", "input[0].content[0].text"),
        ({"input": [{"role": "user", "content": [{"type": "input_text", "text": 1}]}]}, "invalid_parameter", "input[0].content[0].text"),
        (
            {"input": [{"role": "user", "content": [{"type": "input_image", "image_url": "data:image/png,x"}]}]},
            "invalid_parameter",
            "input[0].content[0].image_url",
        ),
        ({"input": [{"role": "user", "content": [{"type": "input_image"}]}]}, "missing_parameter", "input[0].content[0].image_url"),
        ({"input": [{"role": "user", "content": [{"type": "input_file"}]}]}, "missing_parameter", "input[0].content[0]"),
        ({"input": [{"type": "function_call", "name": "f", "arguments": "{}"}]}, "missing_parameter", "input[0].call_id"),
        ({"input": [{"type": "function_call", "call_id": "c", "arguments": "{}"}]}, "missing_parameter", "input[0].name"),
        ({"input": [{"type": "function_call_output", "output": "a"}]}, "missing_parameter", "input[0].call_id"),
        ({"input": [{"type": "function_call_output", "call_id": "c"}]}, "missing_parameter", "input[0].output"),
        ({"input": "Hi", "instructions": ["a"]}, "invalid_parameter", "instructions"),
        ({"input": "Hi", "tools": [{"type": "function", "function": {"name": "f"}}]}, "missing_parameter", "tools[0].name"),
        ({"input": "Hi", "tool_choice": "always"}, "invalid_parameter", "tool_choice"),
        ({"input": "Hi", "tool_choice": {"type": "function"}}, "missing_parameter", "tool_choice.name"),
        ({"input": "Hi", "text": {"format": {"type": "xml"}}}, "invalid_parameter", "text.format.type"),
        ({"input": "Hi", "text": {"format": {"type": "json_schema", "name": "x"}}}, "missing_parameter", "text.format.schema"),
        ({"input": "Hi", "reasoning": {"effort": "huge"}}, "invalid_parameter", "reasoning.effort"),
        ({"input": "Hi", "max_output_tokens": "9"}, "invalid_parameter", "max_output_tokens"),
        ({"input": "Hi", "metadata": []}, "invalid_parameter", "metadata"),
    ],
)
def test_what_cannot_be_used_is_refused_and_named(members: dict[str, Any], code: str, param: str) -> None:
    assert refusal_of(**members) == (code, param)


def test_a_refusal_of_what_is_stored_says_what_to_do() -> None:
    with pytest.raises(ClientError, match="Send the whole conversation in input"):
        decode(input="Hi", previous_response_id="resp_1")


def test_a_part_of_an_answer_is_a_refusal() -> None:
    assert decode_items({"role": "assistant", "content": [{"type": "refusal", "refusal": "No."}]}).messages[0].parts == [
        Refusal(msgspec.Raw(b'"No."'))
    ]
