import json
from typing import Any

import msgspec
import pytest

from anyrouter.wire.form.parts import (
    Audio,
    Citation,
    Document,
    Image,
    Opaque,
    Reasoning,
    Refusal,
    Source,
    Text,
    ToolCall,
    ToolResult,
    Video,
)
from anyrouter.wire.form.reasoning import ReasoningOptions
from anyrouter.wire.form.request import Message, OutputFormat, Request
from anyrouter.wire.form.text import quote
from anyrouter.wire.form.tools import ChoiceMode, CustomTool, ServerTool, Tool, ToolChoice
from anyrouter.wire.form.warnings import Warnings
from anyrouter.wire.translation.codec import UpstreamModel
from anyrouter.wire.translation.responses.request_encoder import encode_request

HI = Message("user", [Text(quote("Hi"))])
OPENAI = "openai-responses-v1"


def encode(
    *messages: Message, model: dict[str, Any] | None = None, dialect: str = "openai", **members: Any
) -> tuple[dict[str, Any], Warnings]:
    warnings = Warnings()
    request = Request(dialect=dialect, model="m", messages=list(messages) or [HI], **members)
    encoded = encode_request(request, UpstreamModel(name="up", **(model or {})), warnings)
    return json.loads(encoded.body), warnings


def items_of(*messages: Message, **told: Any) -> list[Any]:
    body, warnings = encode(*messages, **told)
    assert warnings.found == {}
    return body["input"]


def params_of(warnings: Warnings) -> list[str | None]:
    return [warning.param for warning in warnings.found.values()]


def test_nothing_is_stored_unless_it_is_asked_for() -> None:
    assert encode()[0] == {"model": "up", "input": [{"type": "message", "role": "user", "content": "Hi"}], "store": False}
    assert encode(is_stored=True)[0]["store"] is True
    assert encode(is_streamed=True)[0]["stream"] is True


def test_the_first_system_prompt_is_instructions_and_later_ones_keep_their_place() -> None:
    system, developer = Message("system", [Text(quote("A"))]), Message("developer", [Text(quote("B"))])
    body, _ = encode(system, developer, HI, system)
    assert body["instructions"] == "A"
    assert [item["role"] for item in body["input"]] == ["developer", "user", "system"]


def test_a_system_prompt_that_is_all_there_is_stays_an_item() -> None:
    body, _ = encode(Message("system", [Text(quote("A"))]))
    assert "instructions" not in body
    assert body["input"][0]["role"] == "system"


def test_content_of_every_kind() -> None:
    data = Source(data=quote("AAAA"), media_type="image/webp")
    (item,) = items_of(
        Message(
            "user",
            [
                Text(quote("a")),
                Image(data, "low"),
                Image(Source(url="https://example.com/a.png")),
                Image(Source(file_id="file-1")),
                Document(Source(data=quote("JVBE"), media_type="application/pdf"), title="Report"),
                Document(Source(data=quote("YQ=="), media_type="text/plain")),
                Document(Source(url="https://example.com/a.pdf")),
                Document(Source(file_id="file-2"), context="Of last year."),
                Document(Source(text=quote("Grass is green.")), title="Facts"),
                Document(parts=(Text(quote("One.")), Image(data), Text(quote("Two.")))),
            ],
        )
    )
    webp = {"type": "input_image", "detail": "auto", "image_url": "data:image/webp;base64,AAAA"}
    assert item["content"] == [
        {"type": "input_text", "text": "a"},
        {**webp, "detail": "low"},
        {"type": "input_image", "detail": "auto", "image_url": "https://example.com/a.png"},
        {"type": "input_image", "detail": "auto", "file_id": "file-1"},
        {"type": "input_file", "filename": "Report.pdf", "file_data": "data:application/pdf;base64,JVBE"},
        {"type": "input_file", "filename": "document.txt", "file_data": "data:text/plain;base64,YQ=="},
        {"type": "input_file", "file_url": "https://example.com/a.pdf"},
        {"type": "input_text", "text": "Of last year."},
        {"type": "input_file", "file_id": "file-2"},
        {"type": "input_text", "text": "Facts\n\nGrass is green."},
        {"type": "input_text", "text": "One."},
        webp,
        {"type": "input_text", "text": "Two."},
    ]


def test_files_of_other_providers_and_other_media_are_left_out_with_warnings() -> None:
    audio = Audio(Source(data=quote("UklG"), media_type="audio/wav"), "wav")
    parts = [Image(Source(file_id="files/1")), Document(Source(file_id="files/2")), audio, Video(Source(url="https://example.com/a.mp4"))]
    body, warnings = encode(Message("user", [Text(quote("a")), *parts]), dialect="gemini")
    assert body["input"][0]["content"] == [{"type": "input_text", "text": "a"}]
    assert params_of(warnings) == [f"messages[0].content[{at}]" for at in (1, 2, 3, 4)]
    body, warnings = encode(Message("user", [audio]), model={"traits": frozenset({"input_audio"})})
    assert body["input"][0]["content"] == [{"type": "input_audio", "input_audio": {"data": "UklG", "format": "wav"}}]


def test_an_answer_of_earlier_is_told_in_its_order_and_without_ids() -> None:
    items = items_of(
        HI,
        Message(
            "assistant",
            [
                Reasoning(text=quote("a"), is_summary=True, id="rs_1", format=OPENAI),
                Reasoning(text=quote("b"), is_summary=True, id="rs_1", format=OPENAI, encrypted="gA"),
                Reasoning(encrypted="gB", id="rs_2", format=OPENAI),
                Text(quote("x"), citations=(Citation(kind="url", url="https://example.com"),)),
                Refusal(quote("no")),
                ToolCall("c1", "f", "", item_id="fc_1"),
                ToolCall("c2", "g", "SELECT", "custom"),
            ],
        ),
        Message("tool", [ToolResult("c1", (Text(quote("1")),)), ToolResult("c2", ())]),
    )
    assert items[1:] == [
        {
            "type": "reasoning",
            "summary": [{"type": "summary_text", "text": "a"}, {"type": "summary_text", "text": "b"}],
            "encrypted_content": "gA",
        },
        {"type": "reasoning", "summary": [], "encrypted_content": "gB"},
        {
            "type": "message",
            "role": "assistant",
            "content": [{"type": "output_text", "text": "x", "annotations": []}, {"type": "refusal", "refusal": "no"}],
        },
        {"type": "function_call", "call_id": "c1", "name": "f", "arguments": "{}"},
        {"type": "custom_tool_call", "call_id": "c2", "name": "g", "input": "SELECT"},
        {"type": "function_call_output", "call_id": "c1", "output": "1"},
        {"type": "custom_tool_call_output", "call_id": "c2", "output": ""},
    ]


def test_a_tools_answer_may_hold_pictures() -> None:
    image = Image(Source(url="https://example.com/a.png"))
    (item,) = items_of(Message("tool", [ToolResult("c1", (Text(quote("1")), image))]))
    assert [part["type"] for part in item["output"]] == ["input_text", "input_image"]


def test_reasoning_that_the_upstream_did_not_prove_is_left_out_unless_it_takes_text() -> None:
    answer = Message(
        "assistant",
        [Reasoning(text=quote("a"), signature="s", format="anthropic-claude-v1"), Reasoning(text=quote("b")), Text(quote("x"))],
    )
    body, warnings = encode(HI, answer)
    assert [item["type"] for item in body["input"]] == ["message", "message"]
    assert params_of(warnings) == ["messages[1].reasoning"]
    body, warnings = encode(HI, answer, model={"traits": frozenset({"reasoning_text"})})
    assert [item.get("content") for item in body["input"][1:3]] == [[{"type": "reasoning_text", "text": text}] for text in "ab"]
    assert warnings.found == {}


def test_what_is_lost_of_messages_is_warned_of() -> None:
    opaque = Opaque("anthropic", "server_tool_use", msgspec.Raw(b"{}"))
    _, warnings = encode(
        Message("user", [Text(quote("a"))], "Bob"),
        Message("assistant", [opaque, Image(Source(url="https://example.com/a.png")), ToolCall("c1", "f", "{}")]),
        Message("tool", [ToolResult("c1", (Text(quote("1")),), is_error=True)]),
    )
    assert params_of(warnings) == ["messages[0].name", "messages[1].content[0]", "messages[1].content[1]", "messages[2].content"]


def test_a_function_is_as_strict_as_the_clients_dialect_means() -> None:
    schema = msgspec.Raw(b'{"type":"object","additionalProperties":false}')
    tools = [Tool("a", quote("d"), schema, is_strict=True), Tool("b")]
    assert encode(tools=tools)[0]["tools"] == [
        {"type": "function", "name": "a", "description": "d", "parameters": json.loads(bytes(schema)), "strict": True},
        {"type": "function", "name": "b", "parameters": {"type": "object", "properties": {}}, "strict": False},
    ]
    assert "strict" not in encode(tools=tools, dialect="responses")[0]["tools"][1]


def test_a_strict_function_that_may_leave_members_out_is_not_called_strict() -> None:
    loose = msgspec.Raw(b'{"type":"object","properties":{"a":{"type":"string"}},"additionalProperties":false}')
    body, warnings = encode(tools=[Tool("f", schema=loose, is_strict=True), Tool("g", schema=loose)])
    assert [tool["strict"] for tool in body["tools"]] == [False, False]
    assert params_of(warnings) == ["tools[0].strict"]


def test_tools_of_other_kinds() -> None:
    grammar = msgspec.Raw(b'{"type":"grammar","grammar":{"syntax":"lark","definition":"x"}}')
    search = msgspec.Raw(
        b'{"type":"web_search_20250305","name":"web_search","max_uses":5,"allowed_domains":["a.com"],'
        b'"user_location":{"type":"approximate","city":"Paris","country":null}}'
    )
    options = msgspec.Raw(b'{"search_context_size":"low","user_location":{"type":"approximate","approximate":{"country":"FR"}}}')
    body, warnings = encode(
        tools=[
            CustomTool("sql", None, grammar),
            ServerTool("anthropic", "web_search_20250305", search, "web_search"),
            ServerTool("openai", "web_search_options", options, "web_search"),
            ServerTool("gemini", "code_execution", msgspec.Raw(b"{}"), "code_execution"),
            ServerTool("anthropic", "bash", msgspec.Raw(b"{}"), "shell"),
            ServerTool("responses", "file_search", msgspec.Raw(b'{"type":"file_search"}'), "file_search"),
        ]
    )
    assert body["tools"] == [
        {"type": "custom", "name": "sql", "format": {"type": "grammar", "syntax": "lark", "definition": "x"}},
        {"type": "web_search", "user_location": {"type": "approximate", "city": "Paris"}, "filters": {"allowed_domains": ["a.com"]}},
        {"type": "web_search", "user_location": {"type": "approximate", "country": "FR"}, "search_context_size": "low"},
        {"type": "code_interpreter", "container": {"type": "auto"}},
        {"type": "file_search"},
    ]
    assert params_of(warnings) == ["tools[1].max_uses", "tools[4]"]


@pytest.mark.parametrize(
    ("choice", "told"),
    [
        (ToolChoice(ChoiceMode.REQUIRED), "required"),
        (ToolChoice(ChoiceMode.NAMED, ("sql",), is_custom=True), {"type": "custom", "name": "sql"}),
        (
            ToolChoice(ChoiceMode.AUTO, ("a", "sql")),
            {"type": "allowed_tools", "mode": "auto", "tools": [{"type": "function", "name": "a"}, {"type": "custom", "name": "sql"}]},
        ),
    ],
)
def test_a_choice_of_tools(choice: ToolChoice, told: Any) -> None:
    body, warnings = encode(tools=[Tool("a"), CustomTool("sql")], tool_choice=choice, is_parallel=False)
    assert (body["tool_choice"], body["parallel_tool_calls"], warnings.found) == (told, False, {})


def test_a_choice_among_tools_that_are_all_left_out_is_warned_of() -> None:
    tool = ServerTool("anthropic", "bash", msgspec.Raw(b"{}"), "shell")
    body, warnings = encode(tools=[tool], tool_choice=ToolChoice(ChoiceMode.REQUIRED), is_parallel=True)
    assert not {"tools", "tool_choice", "parallel_tool_calls"} & set(body)
    assert params_of(warnings) == ["tools[0]", "tool_choice"]


def test_what_the_answer_has_to_look_like() -> None:
    schema = OutputFormat(kind="schema", schema=msgspec.Raw(b'{"type":"object"}'), is_strict=True, description="d")
    body, _ = encode(output=schema, verbosity="low")
    assert body["text"] == {
        "format": {"type": "json_schema", "name": "response", "description": "d", "schema": {"type": "object"}, "strict": True},
        "verbosity": "low",
    }
    assert encode(output=OutputFormat(kind="json"))[0]["text"] == {"format": {"type": "json_object"}}
    assert "text" not in encode(output=OutputFormat(kind="text"))[0]


@pytest.mark.parametrize(
    ("told", "knows", "reasoning"),
    [
        (ReasoningOptions(effort="high"), None, {"effort": "high"}),
        (ReasoningOptions(effort="low", summary="auto"), True, {"effort": "low", "summary": "auto"}),
        (ReasoningOptions(budget_tokens=16_000, is_enabled=True), None, {"effort": "medium", "summary": "auto"}),
        (ReasoningOptions(is_enabled=True, is_hidden=True), None, {"effort": "medium"}),
        (ReasoningOptions(is_enabled=True, is_adaptive=True), None, {"summary": "auto"}),
        (ReasoningOptions(is_enabled=False), True, {"effort": "none"}),
        (ReasoningOptions(is_enabled=False), None, None),
        (ReasoningOptions(is_enabled=False), False, None),
    ],
)
def test_how_the_model_is_to_think(told: ReasoningOptions, knows: bool | None, reasoning: dict[str, Any] | None) -> None:
    body, warnings = encode(reasoning=told, model={"is_reasoning": knows})
    assert (body.get("reasoning"), warnings.found) == (reasoning, {})
    is_off = reasoning is None or reasoning.get("effort") == "none"
    assert body.get("include") == (None if is_off else ["reasoning.encrypted_content"])


def test_a_model_that_does_not_think_is_not_asked_to() -> None:
    body, warnings = encode(reasoning=ReasoningOptions(effort="high"), model={"is_reasoning": False})
    assert not {"reasoning", "include"} & set(body)
    assert params_of(warnings) == ["reasoning"]


def test_a_client_of_the_dialect_itself_gets_no_summary_that_it_did_not_ask_for() -> None:
    body, _ = encode(reasoning=ReasoningOptions(is_enabled=True, effort="low"), dialect="responses")
    assert body["reasoning"] == {"effort": "low"}


def test_encrypted_reasoning_is_asked_for_where_the_conversation_holds_some() -> None:
    body, _ = encode(HI, Message("assistant", [Reasoning(encrypted="gA", format=OPENAI), Text(quote("x"))]), HI)
    assert body["include"] == ["reasoning.encrypted_content"]
    assert "include" not in encode()[0]


def test_options() -> None:
    body, warnings = encode(
        temperature=0.5,
        max_tokens=99,
        has_logprobs=True,
        top_logprobs=2,
        user="u",
        safety_identifier="s",
        cache_key="k",
        cache_retention="24h",
        metadata=msgspec.Raw(b'{"a":"b"}'),
        service_tier="standard_only",
        candidates=1,
        frequency_penalty=0.0,
        modalities=("text",),
    )
    assert warnings.found == {}
    assert body == {
        "model": "up",
        "input": body["input"],
        "temperature": 0.5,
        "prompt_cache_key": "k",
        "prompt_cache_retention": "24h",
        "user": "u",
        "safety_identifier": "s",
        "metadata": {"a": "b"},
        "max_output_tokens": 99,
        "service_tier": "default",
        "top_logprobs": 2,
        "include": ["message.output_text.logprobs"],
        "store": False,
    }


def test_what_the_dialect_cannot_say_is_warned_of() -> None:
    body, warnings = encode(
        top_k=1,
        seed=1,
        presence_penalty=0.5,
        stop=("a",),
        logit_bias=msgspec.Raw(b'{"1":2}'),
        prediction=msgspec.Raw(b"{}"),
        candidates=2,
        modalities=("text", "audio"),
        service_tier="batch",
        max_tokens=3,
    )
    assert set(body) == {"model", "input", "store", "max_output_tokens"}
    assert body["max_output_tokens"] == 16
    assert set(params_of(warnings)) == {
        "top_k",
        "seed",
        "presence_penalty",
        "stop",
        "logit_bias",
        "prediction",
        "n",
        "modalities",
        "service_tier",
        "max_tokens",
    }


def test_a_server_that_knows_more_is_told_more() -> None:
    body, warnings = encode(top_k=1, seed=2, stop=("a",), model={"traits": frozenset({"sampling_extras"})})
    assert (body["top_k"], body["seed"], body["stop"], warnings.found) == (1, 2, ["a"], {})
