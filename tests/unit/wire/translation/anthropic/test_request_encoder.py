import base64
import json
from typing import Any

import pytest
from msgspec import Raw

from anyrouter.wire.form.parts import (
    Audio,
    CacheControl,
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
from anyrouter.wire.form.reasoning import ANTHROPIC_FORMAT, OPENAI_FORMAT, ReasoningOptions
from anyrouter.wire.form.request import ASSISTANT, DEVELOPER, SYSTEM, TOOL, USER, Message, OutputFormat
from anyrouter.wire.form.text import quote
from anyrouter.wire.form.tools import ChoiceMode, CustomTool, ServerTool, Tool, ToolChoice
from anyrouter.wire.translation.codec import UpstreamModel

OLD, SONNET_4_5, SONNET_4_6, OPUS_4_7 = "claude-3-5-haiku-20241022", "claude-sonnet-4-5", "claude-sonnet-4-6", "claude-opus-4-7"
OPUS_4_8, OPUS_5, OPUS_5_5, SONNET_5_5 = "claude-opus-4-8", "claude-opus-5", "claude-opus-5-5", "claude-sonnet-5-5"


def text(content: str) -> Text:
    return Text(quote(content))


def say(role: str, *parts: Any) -> Message:
    return Message(role, [text(part) if isinstance(part, str) else part for part in parts])


HI = say(USER, "Hi")
CALL = ToolCall("t1", "f", '{"a":1}')
SCHEMA = Raw(b'{"type":"object","properties":{"a":{"type":"integer"}}}')
F, G = Tool("f", schema=SCHEMA), Tool("g")


def roles(encoded: Any) -> list[str]:
    return [turn["role"] for turn in encoded.body["messages"]]


def test_a_limit_is_always_told(encode) -> None:
    assert encode([HI]).body["max_tokens"] == 4096
    assert encode([HI], upstream=UpstreamModel(name="m", max_output_tokens=64_000)).body["max_tokens"] == 64_000
    assert encode([HI], max_tokens=5).body["max_tokens"] == 5


def test_leading_instructions_are_the_system_prompt(encode) -> None:
    assert encode([say(SYSTEM, "A"), HI]).body["system"] == "A"
    encoded = encode([say(SYSTEM, "A"), say(DEVELOPER, Text(quote("B"), CacheControl("1h"))), HI])
    assert encoded.body["system"] == [
        {"type": "text", "text": "A"},
        {"type": "text", "text": "B", "cache_control": {"type": "ephemeral", "ttl": "1h"}},
    ]
    assert encoded.warned == {}


def test_a_late_instruction_is_the_users_where_the_model_has_no_such_role(encode) -> None:
    messages = [HI, say(ASSISTANT, "Yes?"), say(DEVELOPER, "Hurry."), say(USER, "Go")]
    encoded = encode(messages, OPUS_4_7)
    assert roles(encoded) == ["user", "assistant", "user"]
    assert encoded.warned == {"messages[2].role": "changed_role"}


@pytest.mark.parametrize(
    ("late", "expected", "warned"),
    [
        ([say(SYSTEM, "A")], ["user", "system"], 0),
        ([say(SYSTEM, "A"), say(DEVELOPER, "B"), say(ASSISTANT, "C"), HI], ["user", "system", "assistant", "user"], 0),
        ([say(SYSTEM, "A"), HI], ["user"], 1),
        ([say(ASSISTANT, "C"), say(SYSTEM, "A")], ["user", "assistant", "user"], 1),
    ],
)
def test_a_late_instruction_stays_where_the_model_takes_it(encode, late: list[Message], expected: list[str], warned: int) -> None:
    encoded = encode([HI, *late], OPUS_4_8)
    assert roles(encoded) == expected
    assert len(encoded.warned) == warned


def test_instructions_alone_become_the_question(encode) -> None:
    request = [say(SYSTEM, "A"), say(SYSTEM, "B")]
    encoded = encode(request)
    assert (encoded.body["system"], encoded.body["messages"]) == ("A", [{"role": "user", "content": "B"}])
    assert encoded.warned == {"messages[1].role": "changed_role"}
    assert len(request) == 2, "a request is never changed"


def test_neighbours_of_one_role_become_one_turn_and_empty_texts_none(encode) -> None:
    encoded = encode([HI, say(USER, "", "There"), say(ASSISTANT, " \n"), say(USER, "?"), say(ASSISTANT, ""), say(ASSISTANT, "A", "B")])
    assert encoded.body["messages"] == [
        {"role": "user", "content": [{"type": "text", "text": value} for value in ("Hi", "There", "?")]},
        {"role": "assistant", "content": [{"type": "text", "text": "A"}, {"type": "text", "text": "B"}]},
    ]


def test_answers_of_tools_stand_first_in_one_turn(encode) -> None:
    messages = [
        HI,
        say(ASSISTANT, "Wait", CALL, ToolCall("t2", "g")),
        Message(TOOL, [ToolResult("t1", (text("1"),))]),
        say(USER, "Hm"),
        Message(TOOL, [ToolResult("t2", (text("2"), Image(Source(url="https://e.com/a.png"))), is_error=True, cache=CacheControl())]),
    ]
    answer = encode(messages, tools=[F, G]).body["messages"][2]
    assert answer["role"] == "user"
    assert [block["type"] for block in answer["content"]] == ["tool_result", "tool_result", "text"]
    assert answer["content"][0] == {"type": "tool_result", "tool_use_id": "t1", "content": "1"}
    assert answer["content"][1]["is_error"] is True
    assert answer["content"][1]["cache_control"] == {"type": "ephemeral"}
    assert [block["type"] for block in answer["content"][1]["content"]] == ["text", "image"]


def test_ids_that_the_api_refuses_are_changed_alike_on_both_ends(encode) -> None:
    messages = [HI, say(ASSISTANT, ToolCall("functions.f:0", "f")), Message(TOOL, [ToolResult("functions.f:0")])]
    turns = encode(messages, tools=[F]).body["messages"]
    assert turns[1]["content"][0]["id"] == turns[2]["content"][0]["tool_use_id"] == "functions_f_0"


@pytest.mark.parametrize(
    ("arguments", "sent", "is_warned"),
    [
        ('{"a":1}', {"a": 1}, False),
        ("", {}, False),
        ("  ", {}, False),
        ('{"a":', {"INVALID_JSON": '{"a":'}, True),
        ("[1]", {"INVALID_JSON": "[1]"}, True),
    ],
)
def test_arguments_are_always_an_object(encode, arguments: str, sent: dict[str, Any], *, is_warned: bool) -> None:
    encoded = encode([HI, say(ASSISTANT, ToolCall("t1", "f", arguments)), Message(TOOL, [ToolResult("t1")])], tools=[F])
    assert encoded.body["messages"][1]["content"][0]["input"] == sent
    assert bool(encoded.warned) is is_warned


def test_calls_without_tools_get_tools_that_are_not_to_be_called(encode) -> None:
    encoded = encode([HI, say(ASSISTANT, CALL), Message(TOOL, [ToolResult("t1")]), HI])
    assert encoded.body["tools"] == [{"name": "f", "input_schema": {"type": "object"}}]
    assert encoded.body["tool_choice"] == {"type": "none"}


def test_a_custom_tool_is_a_function_with_one_text(encode) -> None:
    encoded = encode(
        [HI, say(ASSISTANT, ToolCall("t1", "sh", "ls -l", "custom")), Message(TOOL, [ToolResult("t1")])], tools=[CustomTool("sh")]
    )
    assert encoded.body["tools"][0]["input_schema"]["required"] == ["input"]
    assert encoded.body["messages"][1]["content"][0]["input"] == {"input": "ls -l"}
    assert encoded.warned == {"tools[0]": "changed_value"}


def test_only_what_the_maker_proved_is_thought_again(encode) -> None:
    thoughts = [
        Reasoning(text=quote("A"), signature="s", format=ANTHROPIC_FORMAT),
        Reasoning(encrypted="e", format=ANTHROPIC_FORMAT),
        Reasoning(text=quote("B"), encrypted="o", format=OPENAI_FORMAT),
        Reasoning(text=quote("C")),
        Reasoning(text=quote("D"), format=ANTHROPIC_FORMAT),
    ]
    encoded = encode([HI, say(ASSISTANT, *thoughts, "Yes"), HI])
    assert encoded.body["messages"][1]["content"] == [
        {"type": "thinking", "thinking": "A", "signature": "s"},
        {"type": "redacted_thinking", "data": "e"},
        {"type": "text", "text": "Yes"},
    ]
    assert set(encoded.warned) == {f"messages[1].content[{at}]" for at in (2, 3, 4)}


def test_pictures_and_documents_are_sent_from_every_source(encode) -> None:
    plain = base64.b64encode("a;b\nü".encode()).decode()
    parts = [
        Image(Source(data=quote("AAAA"), media_type="image/jpg"), cache=CacheControl("5m")),
        Image(Source(url="HTTPS://e.com/a.png")),
        Document(Source(data=quote("AAAA"), media_type="application/pdf"), filename="a.pdf", has_citations=True, context="C"),
        Document(Source(data=quote(plain), media_type="text/csv; charset=utf-8"), title="T"),
        Document(Source(text=quote("Hello"))),
        Document(Source(url="https://e.com/a.pdf")),
        Document(parts=(text("A"), text("B"))),
        Document(Source(file_id="file_011")),
    ]
    encoded = encode([say(USER, *parts)])
    assert encoded.warned == {}
    sources = [block["source"] for block in encoded.body["messages"][0]["content"]]
    assert sources == [
        {"type": "base64", "media_type": "image/jpeg", "data": "AAAA"},
        {"type": "url", "url": "HTTPS://e.com/a.png"},
        {"type": "base64", "media_type": "application/pdf", "data": "AAAA"},
        {"type": "text", "media_type": "text/plain", "data": "a;b\nü"},
        {"type": "text", "media_type": "text/plain", "data": "Hello"},
        {"type": "url", "url": "https://e.com/a.pdf"},
        {"type": "content", "content": [{"type": "text", "text": "A"}, {"type": "text", "text": "B"}]},
        {"type": "file", "file_id": "file_011"},
    ]
    document = encoded.body["messages"][0]["content"][2]
    assert (document["title"], document["context"], document["citations"]) == ("a.pdf", "C", {"enabled": True})


@pytest.mark.parametrize(
    "part",
    [
        Image(Source(data=quote("AAAA"), media_type="image/bmp")),
        Image(Source(url="gs://bucket/a.png")),
        Image(Source(file_id="file-openai")),
        Document(Source(data=quote("AAAA"), media_type="application/vnd.ms-excel")),
        Document(Source(data=quote("/w=="), media_type="text/plain")),
        Document(),
        Audio(Source(data=quote("AAAA"))),
        Video(Source(url="https://e.com/a.mp4")),
        Opaque("gemini", "executableCode", Raw(b"{}")),
    ],
)
def test_what_the_api_cannot_take_is_left_out_with_a_warning(encode, part: Any) -> None:
    encoded = encode([say(USER, part, "Hm")])
    assert encoded.body["messages"] == [{"role": "user", "content": "Hm"}]
    assert encoded.warned == {"messages[0].content[0]": "unsupported_content"}


def test_a_document_of_the_assistants_is_left_out_because_the_api_refuses_it(encode) -> None:
    encoded = encode(
        [HI, say(ASSISTANT, "Here", Document(Source(text=quote("x"))), Refusal(quote("No.")), Audio(transcript=quote("Aloud")))]
    )
    assert [block["text"] for block in encoded.body["messages"][1]["content"]] == ["Here", "No.", "Aloud"]
    assert encoded.warned == {"messages[1].content[1]": "unsupported_content", "messages[1].content[3]": "changed_value"}


def test_citations_go_back_as_they_came_and_only_with_answers(encode) -> None:
    own = Citation(kind="url", dialect="anthropic", raw=Raw(b'{"type":"x"}'))
    part = Text(quote("A"), citations=(own, Citation(kind="url", url="https://e.com")))
    encoded = encode([say(USER, part, "B"), say(ASSISTANT, part)])
    assert "citations" not in encoded.body["messages"][0]["content"][0]
    assert encoded.body["messages"][1]["content"][0]["citations"] == [{"type": "x"}]


# Sampling


def test_a_temperature_above_one_is_set_to_one(encode) -> None:
    encoded = encode([HI], temperature=1.6)
    assert encoded.body["temperature"] == 1.0
    assert encoded.warned == {"temperature": "changed_value"}


@pytest.mark.parametrize(
    ("model", "asked", "sent", "warned"),
    [
        ("other", {"temperature": 0.5, "top_p": 0.5, "top_k": 5}, {"temperature": 0.5, "top_p": 0.5, "top_k": 5}, set()),
        (SONNET_4_5, {"temperature": 0.5, "top_p": 0.5}, {"temperature": 0.5}, {"top_p"}),
        (SONNET_4_5, {"temperature": 0.5, "top_p": 1.0}, {"temperature": 0.5}, set()),
        (SONNET_4_5, {"top_p": 0.5, "top_k": 5}, {"top_p": 0.5, "top_k": 5}, set()),
        (OPUS_4_7, {"temperature": 0.5, "top_p": 0.5, "top_k": 5}, {}, {"temperature", "top_p", "top_k"}),
        (OPUS_4_7, {"temperature": 1.0, "top_p": 1.0}, {}, set()),
        (SONNET_4_5, {"temperature": 0.5, "top_k": 5, "reasoning": ReasoningOptions(budget_tokens=1024)}, {}, {"temperature", "top_k"}),
    ],
)
def test_sampling_is_what_the_model_takes(encode, model: str, asked: dict[str, Any], sent: dict[str, Any], warned: set[str]) -> None:
    encoded = encode([HI], model, **asked)
    assert {name: encoded.body[name] for name in ("temperature", "top_p", "top_k") if name in encoded.body} == sent
    assert set(encoded.warned) == warned


def test_what_the_api_has_nothing_for_is_warned_of_unless_it_says_nothing(encode) -> None:
    asked = {
        "seed": 1,
        "frequency_penalty": 0.5,
        "logit_bias": Raw(b'{"1":1}'),
        "has_logprobs": True,
        "candidates": 2,
        "modalities": ("text", "audio"),
        "metadata": Raw(b'{"a":"b"}'),
        "is_stored": True,
        "verbosity": "low",
        "prediction": Raw(b"{}"),
    }
    told = {"seed", "frequency_penalty", "logit_bias", "logprobs", "n", "modalities", "metadata", "store", "verbosity", "prediction"}
    assert set(encode([HI], **asked).warned) == told
    nothing = {
        "frequency_penalty": 0,
        "has_logprobs": False,
        "candidates": 1,
        "modalities": ("text",),
        "is_stored": False,
        "verbosity": "medium",
    }
    assert encode([HI], **nothing, logit_bias=Raw(b"{}"), cache_key="k", cache_retention="24h").warned == {}


def test_stop_sequences_of_white_space_are_left_out(encode) -> None:
    encoded = encode([HI], stop=("\n", "END"))
    assert encoded.body["stop_sequences"] == ["END"]
    assert encoded.warned == {"stop": "unsupported_parameter"}


@pytest.mark.parametrize(("tier", "sent"), [("auto", "auto"), ("default", "standard_only"), ("priority", "auto"), ("flex", None)])
def test_service_tiers_are_translated(encode, tier: str, sent: str | None) -> None:
    encoded = encode([HI], service_tier=tier)
    assert encoded.body.get("service_tier") == sent
    assert bool(encoded.warned) is (sent is None)


def test_a_user_is_the_metadatas(encode) -> None:
    assert encode([HI], user="u").body["metadata"] == {"user_id": "u"}
    assert encode([HI], safety_identifier="s").body["metadata"] == {"user_id": "s"}
    assert encode([HI], user="u", safety_identifier="s").warned == {"safety_identifier": "unsupported_parameter"}


# Tools


@pytest.mark.parametrize(
    ("choice", "is_parallel", "sent"),
    [
        (None, None, None),
        (None, False, {"type": "auto", "disable_parallel_tool_use": True}),
        (ToolChoice(ChoiceMode.AUTO), True, {"type": "auto"}),
        (ToolChoice(ChoiceMode.REQUIRED), False, {"type": "any", "disable_parallel_tool_use": True}),
        (ToolChoice(ChoiceMode.NAMED, ("g",)), None, {"type": "tool", "name": "g"}),
        (ToolChoice(ChoiceMode.NONE), False, {"type": "none"}),
        (ToolChoice(ChoiceMode.REQUIRED, ("f",)), None, {"type": "tool", "name": "f"}),
        (ToolChoice(ChoiceMode.REQUIRED, ("f", "g")), None, {"type": "any"}),
    ],
)
def test_a_choice_is_said_in_the_apis_words(encode, choice: ToolChoice | None, is_parallel: bool | None, sent: Any) -> None:
    encoded = encode([HI], tools=[F, G], tool_choice=choice, is_parallel=is_parallel)
    assert encoded.body.get("tool_choice") == sent
    assert encoded.warned == {}


def test_tools_that_may_not_be_called_are_not_shown(encode) -> None:
    assert [tool["name"] for tool in encode([HI], tools=[F, G], tool_choice=ToolChoice(ChoiceMode.AUTO, ("g",))).body["tools"]] == ["g"]


def test_a_call_is_not_forced_on_a_model_that_refuses_that(encode) -> None:
    encoded = encode([HI], OPUS_5_5, tools=[F], tool_choice=ToolChoice(ChoiceMode.REQUIRED))
    assert encoded.body["tool_choice"] == {"type": "auto"}
    assert encoded.warned == {"tool_choice": "changed_value"}
    assert encode([HI], OPUS_5, tools=[F], tool_choice=ToolChoice(ChoiceMode.REQUIRED)).body["tool_choice"] == {"type": "any"}


def test_a_schema_is_always_an_objects_and_a_strict_one_closed(encode) -> None:
    schemas = [
        tool["input_schema"]
        for tool in encode([HI], tools=[Tool("a"), Tool("b", schema=Raw(b"{}")), Tool("c", schema=SCHEMA, is_strict=True)]).body["tools"]
    ]
    assert schemas[0] == {"type": "object", "properties": {}}
    assert schemas[1] == {"type": "object"}
    assert schemas[2]["additionalProperties"] is False
    assert encode([HI], tools=[Tool("c", schema=SCHEMA, is_strict=False)]).body["tools"][0]["input_schema"] == json.loads(bytes(SCHEMA))


def test_a_web_search_of_another_dialect_is_the_makers_own(encode) -> None:
    raw = Raw(b'{"type":"web_search","user_location":{"type":"approximate","country":"DE"},"filters":{"allowed_domains":["e.com"]}}')
    encoded = encode([HI], SONNET_4_5, tools=[ServerTool("responses", "web_search", raw, "web_search")])
    assert encoded.body["tools"] == [
        {
            "type": "web_search_20250305",
            "name": "web_search",
            "user_location": {"type": "approximate", "country": "DE"},
            "allowed_domains": ["e.com"],
        }
    ]
    assert encoded.warned == {}
    chat = Raw(b'{"search_context_size":"low","user_location":{"type":"approximate","approximate":{"city":"Bonn"}}}')
    encoded = encode([HI], SONNET_4_5, tools=[ServerTool("openai", "web_search_options", chat, "web_search")])
    assert encoded.body["tools"][0]["user_location"] == {"type": "approximate", "city": "Bonn"}
    assert encoded.warned == {"tools[0]": "changed_value"}


def test_tools_that_only_others_have_are_left_out(encode) -> None:
    tools = [
        ServerTool("responses", "file_search", Raw(b"{}"), "file_search"),
        ServerTool("gemini", "googleSearch", Raw(b"{}"), "web_search"),
    ]
    encoded = encode([HI], tools=tools, tool_choice=ToolChoice(ChoiceMode.REQUIRED))
    assert "tools" not in encoded.body
    assert "tool_choice" not in encoded.body
    assert encoded.warned == {"tools[0]": "unsupported_tool", "tools[1]": "unsupported_tool", "tool_choice": "unsupported_parameter"}


# Structured output


def test_a_schema_binds_the_answer(encode) -> None:
    output = OutputFormat(kind="schema", name="n", schema=SCHEMA, description="D")
    encoded = encode([HI], SONNET_4_5, output=output, reasoning=ReasoningOptions(effort="low"))
    schema = encoded.body["output_config"]["format"]["schema"]
    assert encoded.body["output_config"]["format"]["type"] == "json_schema"
    assert (schema["additionalProperties"], schema["description"]) == (False, "D")
    assert encoded.warned == {}


@pytest.mark.parametrize(("model", "output"), [("other", OutputFormat(kind="json")), (OLD, OutputFormat(kind="schema", schema=SCHEMA))])
def test_what_cannot_bind_the_answer_is_said(encode, model: str, output: OutputFormat) -> None:
    encoded = encode([HI], model, output=output)
    assert "output_config" not in encoded.body
    assert encoded.warned == {"response_format": "unsupported_parameter"}


# Thinking

ADAPTIVE, SHOWN = {"type": "adaptive"}, {"type": "adaptive", "display": "summarized"}
LOW, MAX, BUDGET = ReasoningOptions(effort="low"), ReasoningOptions(effort="max"), ReasoningOptions(budget_tokens=3000)
OFF = ReasoningOptions(is_enabled=False, effort="none")


@pytest.mark.parametrize(
    "row",
    [
        ("other", LOW, {"type": "enabled", "budget_tokens": 2000}, None, 0),
        ("other", ReasoningOptions(is_enabled=True), {"type": "enabled", "budget_tokens": 5000}, None, 0),
        ("other", OFF, {"type": "disabled"}, None, 0),
        ("other", ReasoningOptions(), None, None, 0),
        (SONNET_4_5, BUDGET, {"type": "enabled", "budget_tokens": 3000}, None, 0),
        (SONNET_4_5, ReasoningOptions(budget_tokens=500), {"type": "enabled", "budget_tokens": 1024}, None, 1),
        (SONNET_4_5, ReasoningOptions(budget_tokens=20_000), {"type": "enabled", "budget_tokens": 9999}, None, 1),
        ("claude-opus-4-5", MAX, {"type": "enabled", "budget_tokens": 9500}, "high", 0),
        (SONNET_4_6, LOW, ADAPTIVE, "low", 0),
        (SONNET_4_6, BUDGET, {"type": "enabled", "budget_tokens": 3000}, None, 0),
        (SONNET_4_6, ReasoningOptions(effort="xhigh"), ADAPTIVE, "max", 0),
        (SONNET_4_6, ReasoningOptions(effort="minimal"), ADAPTIVE, "low", 0),
        (OPUS_4_7, LOW, SHOWN, "low", 0),
        (OPUS_4_7, ReasoningOptions(effort="xhigh", is_hidden=True), {"type": "adaptive", "display": "omitted"}, "xhigh", 0),
        (OPUS_4_7, BUDGET, SHOWN, "medium", 0),
        (OPUS_4_7, OFF, {"type": "disabled"}, None, 0),
        (OPUS_5, OFF, {"type": "disabled"}, None, 0),
        (OPUS_5, ReasoningOptions(is_enabled=False, effort="max"), {"type": "disabled"}, "high", 1),
        (OPUS_5_5, OFF, None, "low", 1),
        (SONNET_5_5, OFF, {"type": "between_tools"}, None, 0),
    ],
)
def test_thinking_is_asked_for_as_the_model_takes_it(encode, row: tuple[str, ReasoningOptions, Any, Any, int]) -> None:
    model, told, thinking, effort, warned = row
    encoded = encode([HI], model, max_tokens=10_000, reasoning=told)
    assert encoded.body.get("thinking") == thinking
    assert encoded.body.get("output_config", {}).get("effort") == effort
    assert len(encoded.warned) == warned


def test_there_is_room_for_thinking_and_for_the_answer(encode) -> None:
    told = ReasoningOptions(budget_tokens=10_000)
    assert encode([HI], reasoning=told).body["max_tokens"] == 11_024
    bounded = encode([HI], upstream=UpstreamModel(name="m", max_output_tokens=8000), reasoning=told)
    assert (bounded.body["max_tokens"], bounded.body["thinking"]["budget_tokens"]) == (8000, 7999)
    tight = encode([HI], max_tokens=1000, reasoning=told)
    assert "thinking" not in tight.body
    assert tight.warned == {"reasoning": "unsupported_parameter"}


def test_a_model_that_does_not_think_is_not_asked_to(encode) -> None:
    model = UpstreamModel(name="m", is_reasoning=False)
    assert encode([HI], upstream=model, reasoning=LOW).warned == {"reasoning": "unsupported_parameter"}
    newer = UpstreamModel(name=OPUS_5, is_reasoning=False)
    assert "thinking" in encode([HI], upstream=newer, reasoning=LOW).body, "what the name tells counts more than a table"
    quiet = encode([HI], upstream=model, reasoning=OFF)
    assert (quiet.warned, quiet.body.get("thinking")) == ({}, None)


def test_thinking_gives_way_to_a_forced_call(encode) -> None:
    encoded = encode([HI], SONNET_4_6, tools=[F], tool_choice=ToolChoice(ChoiceMode.REQUIRED), reasoning=LOW)
    assert "thinking" not in encoded.body
    assert encoded.body["output_config"] == {"effort": "low"}
    assert encoded.warned == {"reasoning": "unsupported_parameter"}


def test_thinking_does_not_begin_between_a_call_and_its_answer(encode) -> None:
    def loop(*thoughts: Reasoning) -> list[Message]:
        return [HI, say(ASSISTANT, *thoughts, CALL), Message(TOOL, [ToolResult("t1", (text("1"),))])]

    thought = Reasoning(text=quote("Hm"), signature="s", format=ANTHROPIC_FORMAT)
    assert "thinking" not in encode(loop(), SONNET_4_5, tools=[F], max_tokens=5000, reasoning=LOW).body
    assert "thinking" in encode(loop(thought), SONNET_4_5, tools=[F], max_tokens=5000, reasoning=LOW).body
    assert "thinking" in encode([*loop(), HI, say(ASSISTANT, "A"), HI], SONNET_4_5, tools=[F], max_tokens=5000, reasoning=LOW).body
    assert "thinking" in encode(loop(), SONNET_4_6, tools=[F], max_tokens=5000, reasoning=LOW).body, "adaptive thinking may"


def test_cache_hints_are_kept_in_the_times_that_the_api_knows(encode) -> None:
    assert encode([HI], cache=CacheControl("24h")).body["cache_control"] == {"type": "ephemeral", "ttl": "1h"}
    assert encode([HI], cache=CacheControl("30m")).body["cache_control"] == {"type": "ephemeral"}
    assert encode([HI], tools=[Tool("f", cache=CacheControl("5m"))]).body["tools"][0]["cache_control"] == {"type": "ephemeral", "ttl": "5m"}
