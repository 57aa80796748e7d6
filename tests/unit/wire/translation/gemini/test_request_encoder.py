"""Requests of the form as Gemini takes them: what needs more than one part of the conversation, or the model's name."""

import json
from typing import Any

import msgspec
import pytest

from anyrouter.wire.form.parts import Audio, Citation, Document, Image, Opaque, Part, Reasoning, Refusal, Source, Text, ToolCall, ToolResult
from anyrouter.wire.form.reasoning import ANTHROPIC_FORMAT, GEMINI_FORMAT
from anyrouter.wire.form.request import Message, OutputFormat, Request
from anyrouter.wire.form.text import EMPTY, quote
from anyrouter.wire.form.tools import ChoiceMode, CustomTool, ServerTool, Tool, ToolChoice
from anyrouter.wire.form.warnings import Warnings
from anyrouter.wire.translation.codec import UpstreamModel
from anyrouter.wire.translation.gemini.content_encoder import NO_PROOF
from anyrouter.wire.translation.gemini.request_encoder import GENERATE, STREAM, encode_request

SEARCH = ServerTool("anthropic", "web_search_20250305", msgspec.Raw(b'{"type":"web_search_20250305","name":"web_search"}'), "web_search")


def text(value: str) -> Text:
    return Text(quote(value))


def encode(
    messages: list[Message], *, name: str = "gemini-2.5-flash", **fields: Any
) -> tuple[dict[str, Any], list[tuple[str, str | None]]]:
    warnings = Warnings()
    request = Request(**{"dialect": "openai", "model": "m", "messages": messages, **fields})
    return json.loads(encode_request(request, UpstreamModel(name=name), warnings).body), list(warnings.found)


def contents(*messages: Message, **fields: Any) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = encode(list(messages), **fields)[0]["contents"]
    return found


def user_parts(*parts: Part) -> tuple[list[dict[str, Any]], list[tuple[str, str | None]]]:
    body, warnings = encode([Message("user", list(parts))])
    return body["contents"][0]["parts"], warnings


def asked(**fields: Any) -> tuple[dict[str, Any], list[tuple[str, str | None]]]:
    return encode([Message("user", [text("Hi")])], **fields)


def test_the_path_ends_in_what_is_asked() -> None:
    request = Request(dialect="openai", model="m", messages=[Message("user", [text("Hi")])])
    assert encode_request(request, UpstreamModel(name="m"), Warnings()).method == GENERATE == ":generateContent"
    request.is_streamed = True
    assert encode_request(request, UpstreamModel(name="m"), Warnings()).method == STREAM == ":streamGenerateContent?alt=sse"


def test_all_answers_to_one_turn_and_what_follows_are_one_turn() -> None:
    calls = [ToolCall("a", "f", "{}"), ToolCall("b", "g", '{"x": 1}')]
    found = contents(
        Message("assistant", [*calls]),
        Message("tool", [ToolResult("a", (text("1"),))]),
        Message("tool", [ToolResult("b", (text("2"),))]),
        Message("user", [text("So?")]),
        Message("user", [text("Well?")]),
    )
    assert [content["role"] for content in found] == ["model", "user", "user"]
    assert found[1]["parts"] == [
        {"functionResponse": {"id": "a", "name": "f", "response": {"output": "1"}}},
        {"functionResponse": {"id": "b", "name": "g", "response": {"output": "2"}}},
        {"text": "So?"},
    ]


@pytest.mark.parametrize(
    ("told", "is_error", "expected"),
    [
        ("sunny", False, {"output": "sunny"}),
        ("boom", True, {"error": "boom"}),
        ('{"a": [1]}', False, {"a": [1]}),
        (' {"a": 1} ', False, {"a": 1}),
        ('\n{"a": 1}', False, {"a": 1}),
        ('{"a": ', False, {"output": '{"a": '}),
        ('{"error": "x"}', True, {"error": "x"}),
        ('{"error": "x"}', False, {"output": {"error": "x"}}),
        ('{"a": 1}', True, {"error": {"a": 1}}),
        ("[1]", False, {"output": "[1]"}),
        ("", False, {"output": ""}),
        (r'{"city": "M\u00fcnchen \ud83d\ude00"}', False, {"city": "München 😀"}),
        (r'["M\u00fcnchen", "\ud83d\ude00", 1.50]', False, {"output": '["München", "😀", 1.50]'}),
        (r'"M\u00fcnchen"', True, {"error": '"München"'}),
        (r'{"id": 9007199254740993, "city": "M\u00fcnchen"}', False, {"output": '{"id": 9007199254740993, "city": "München"}'}),
        ('{"id": 9007199254740992}', False, {"id": 9007199254740992}),
        ('{"card": "9007199254740993"}', False, {"card": "9007199254740993"}),
        ('{"pi": 3.14159265358979323846}', False, {"pi": 3.141592653589793}),
        (r'print("M\u00fcnchen")', False, {"output": r'print("M\u00fcnchen")'}),
        (r'{"half": "\ud83d"}', False, {"output": r'{"half": "\ud83d"}'}),
    ],
)
def test_a_tools_answer_is_an_object(told: str, is_error: bool, expected: Any) -> None:
    found = contents(Message("tool", [ToolResult("a", (text(told),), is_error=is_error)]))
    assert found[0]["parts"][0]["functionResponse"] == {"id": "a", "name": "tool", "response": expected}


def test_each_text_of_an_answer_is_told_in_letters() -> None:
    told = (Text(quote(r'["M\u00fcnchen"]')), Text(quote("")), Text(quote(r"M\u00fcnchen")), Text(quote(r'"\u0022\u005c\u000a\u200b"')))
    found = contents(Message("tool", [ToolResult("a", told, name="f")]))
    assert found[0]["parts"][0]["functionResponse"]["response"] == {
        "output": '["München"]\n\nM\\u00fcnchen\n\n"\\u0022\\u005c\\u000a\\u200b"'
    }
    alone = contents(Message("tool", [ToolResult("a", (Text(quote("")), Text(quote('{"a": 1}'))), name="f")]))
    assert alone[0]["parts"][0]["functionResponse"]["response"] == {"a": 1}


def test_pictures_of_a_tool_go_with_its_answer() -> None:
    picture = Image(Source(data=quote("AAAA"), media_type="image/png"))
    found = contents(Message("tool", [ToolResult("a", (text("x"), picture, text("y")), name="f")]))
    assert found[0]["parts"][0]["functionResponse"] == {
        "id": "a",
        "name": "f",
        "response": {"output": "x\n\ny"},
        "parts": [{"inlineData": {"mimeType": "image/png", "data": "AAAA"}}],
    }


def test_a_call_without_proof_is_excused_where_the_model_insists_on_one() -> None:
    turn = Message("assistant", [ToolCall("a", "f"), ToolCall("b", "f")])
    proven = Message("assistant", [ToolCall("a", "f", signature="c2ln"), ToolCall("b", "f")])
    for name, first in (("gemini-3-pro-preview", NO_PROOF), ("gemini-2.5-pro", None), ("some-model", None)):
        parts = contents(turn, name=name)[0]["parts"]
        assert [part.get("thoughtSignature") for part in parts] == [first, None]
    assert [part.get("thoughtSignature") for part in contents(proven, name="gemini-3-pro-preview")[0]["parts"]] == ["c2ln", None]


def test_reasoning_goes_back_to_whose_it_is() -> None:
    own = Reasoning(quote("t"), "c2ln", format=GEMINI_FORMAT)
    hidden = Reasoning(encrypted="c2ln", format=GEMINI_FORMAT)
    foreign = Reasoning(quote("t"), "sig", format=ANTHROPIC_FORMAT)
    body, warnings = encode([Message("assistant", [own, hidden, foreign, text("x")])])
    assert body["contents"][0]["parts"] == [
        {"text": "t", "thought": True, "thoughtSignature": "c2ln"},
        {"text": "", "thoughtSignature": "c2ln"},
        {"text": "x"},
    ]
    assert warnings == [("unsupported_content", "messages[0].reasoning")]
    unproved = Message("assistant", [Reasoning(quote("t"))])
    assert contents(unproved, Message("user", [text("x")]), dialect="gemini")[0]["parts"] == [{"text": "t", "thought": True}]
    assert len(contents(unproved, Message("user", [text("x")]))) == 1


@pytest.mark.parametrize("proof", ["msg_abc!", "CpQBproof", ""])
def test_what_cannot_be_a_proof_is_left_out_with_a_warning(proof: str) -> None:
    turn = Message("assistant", [Text(quote("a"), signature=proof), ToolCall("x", "f", signature=proof)])
    body, warnings = encode([turn], name="gemini-3-pro-preview")
    call = {"functionCall": {"id": "x", "name": "f", "args": {}}, "thoughtSignature": NO_PROOF}
    assert body["contents"][0]["parts"] == [{"text": "a"}, call]
    assert [code for code, _ in warnings] == ["unsupported_content", "unsupported_content"]


def test_a_system_message_alone_is_what_is_answered() -> None:
    body, warnings = encode([Message("system", [text("a")]), Message("developer", [text("b")])])
    assert body == {"systemInstruction": {"parts": [{"text": "a"}]}, "contents": [{"role": "user", "parts": [{"text": "b"}]}]}
    assert warnings == [("changed_role", "messages[1].role")]


def test_empty_texts_are_left_out_and_turns_are_not() -> None:
    assert contents(Message("user", [Text(EMPTY)]), Message("assistant", [Text(EMPTY)]), Message("user", [text("x"), Text(EMPTY)])) == [
        {"role": "user", "parts": [{"text": ""}]},
        {"role": "user", "parts": [{"text": "x"}]},
    ]


def test_documents_say_their_title_first() -> None:
    plain = Document(Source(text=quote("body")), title="T", context="C")
    pages = Document(Source(data=quote("AAAA"), media_type="application/pdf"), title="T", filename="a.pdf", has_citations=True)
    mixed = Document(parts=(text("a"), Image(Source(data=quote("AAAA"), media_type="image/png"))))
    parts, warnings = user_parts(plain, pages, mixed)
    assert parts == [
        {"text": "T\n\nC"},
        {"text": "body"},
        {"text": "T"},
        {"inlineData": {"mimeType": "application/pdf", "data": "AAAA"}},
        {"text": "a"},
        {"inlineData": {"mimeType": "image/png", "data": "AAAA"}},
    ]
    assert ("unsupported_parameter", "messages[0].content[1].citations") in warnings


@pytest.mark.parametrize(
    ("part", "expected"),
    [
        (Image(Source(url="https://x/a.gif?b")), {"fileData": {"fileUri": "https://x/a.gif?b", "mimeType": "image/gif"}}),
        (Image(Source(url="https://x/a")), {"fileData": {"fileUri": "https://x/a", "mimeType": "image/jpeg"}}),
        (Audio(Source(data=quote("AAAA")), "mp3"), {"inlineData": {"mimeType": "audio/mpeg", "data": "AAAA"}}),
        (Document(Source(file_id="gs://b/a.txt")), {"fileData": {"fileUri": "gs://b/a.txt", "mimeType": "text/plain"}}),
        (Refusal(quote("no")), {"text": "no"}),
        (Audio(transcript=quote("said")), {"text": "said"}),
    ],
)
def test_media(part: Part, expected: dict[str, Any]) -> None:
    assert user_parts(part) == ([expected], [])


@pytest.mark.parametrize(
    "part",
    [Document(Source(file_id="file-1")), Audio(id="audio_1"), Opaque("openai", "hologram", msgspec.Raw(b"{}")), Document()],
)
def test_what_gemini_cannot_take_is_left_out_with_a_warning(part: Part) -> None:
    assert user_parts(part, text("x")) == ([{"text": "x"}], [("unsupported_content", "messages[0].content[0]")])


def test_the_clients_own_words_are_no_part_of_the_citations() -> None:
    assert user_parts(Text(quote("x"), citations=(Citation(kind="url", url="u"),))) == ([{"text": "x"}], [])


def test_tools_of_every_kind() -> None:
    foreign = ServerTool("openai", "file_search", msgspec.Raw(b'{"type":"file_search"}'), "file_search")
    own = ServerTool("gemini", "googleMaps", msgspec.Raw(b'{"googleMaps":{}}'))
    schema = msgspec.Raw(b'{"type":"object","properties":{"x":{"const":1}}}')
    body, warnings = asked(tools=[SEARCH, Tool("f", quote("F"), schema), CustomTool("c"), foreign, own])
    assert body["tools"] == [
        {
            "functionDeclarations": [
                {"name": "f", "description": "F", "parametersJsonSchema": {"type": "object", "properties": {"x": {"enum": [1]}}}},
                {
                    "name": "c",
                    "parametersJsonSchema": {"type": "object", "properties": {"input": {"type": "string"}}, "required": ["input"]},
                },
            ]
        },
        {"googleSearch": {}},
        {"googleMaps": {}},
    ]
    assert warnings == [("changed_value", "tools[2]"), ("unsupported_tool", "tools[3]")]


@pytest.mark.parametrize(
    ("choice", "expected"),
    [
        (ToolChoice(ChoiceMode.AUTO), {"mode": "AUTO"}),
        (ToolChoice(ChoiceMode.NONE), {"mode": "NONE"}),
        (ToolChoice(ChoiceMode.REQUIRED), {"mode": "ANY"}),
        (ToolChoice(ChoiceMode.NAMED, ("f",)), {"mode": "ANY", "allowedFunctionNames": ["f"]}),
        (ToolChoice(ChoiceMode.REQUIRED, ("f", "g")), {"mode": "ANY", "allowedFunctionNames": ["f", "g"]}),
        (ToolChoice(ChoiceMode.AUTO, ("f",)), {"mode": "VALIDATED", "allowedFunctionNames": ["f"]}),
    ],
)
def test_modes_of_calling(choice: ToolChoice, expected: dict[str, Any]) -> None:
    assert asked(tools=[Tool("f")], tool_choice=choice)[0]["toolConfig"] == {"functionCallingConfig": expected}


def test_a_tool_that_must_be_called_and_is_not_there_is_warned_of() -> None:
    body, warnings = asked(tools=[SEARCH], tool_choice=ToolChoice(ChoiceMode.REQUIRED))
    assert "toolConfig" not in body
    assert warnings == [("unsupported_parameter", "tool_choice")]


def test_what_does_not_fit_is_made_to_and_it_is_said() -> None:
    body, warnings = asked(stop=tuple("abcdef"), seed=2**40 + 5, top_logprobs=0, service_tier="scale", user="u", is_stored=True)
    assert body["generationConfig"] == {"stopSequences": list("abcde"), "seed": 5}
    assert warnings == [
        ("changed_value", "stop"),
        ("unsupported_parameter", "service_tier"),
        ("unsupported_parameter", "store"),
        ("unsupported_parameter", "user"),
    ]


def test_a_schema_of_the_answer_stays_json_schema() -> None:
    schema = msgspec.Raw(b'{"type":"object","$defs":{"a":{"type":"string"}},"additionalProperties":false}')
    body, warnings = asked(output=OutputFormat(kind="schema", name="n", schema=schema, is_strict=True))
    assert body["generationConfig"] == {"responseMimeType": "application/json", "responseJsonSchema": json.loads(bytes(schema))}
    assert warnings == []
    assert "generationConfig" not in asked(output=OutputFormat(kind="text"))[0]


def test_what_means_the_same_without_being_said_is_not_warned_of() -> None:
    body, warnings = asked(service_tier="auto", is_stored=False, is_parallel=True, cache_key="k", tools=[Tool("f")])
    assert warnings == []
    assert set(body) == {"contents", "tools"}
