"""Requests of the form as Converse takes them: what depends on the model behind it, and what one turn alone does not show."""

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
    Refusal,
    Source,
    Text,
    ToolCall,
    ToolResult,
    Video,
)
from anyrouter.wire.form.reasoning import ANTHROPIC_FORMAT, OPENAI_FORMAT
from anyrouter.wire.form.request import Message, OutputFormat, Request
from anyrouter.wire.form.text import EMPTY, quote
from anyrouter.wire.form.tools import ChoiceMode, CustomTool, ServerTool, Tool, ToolChoice
from anyrouter.wire.form.warnings import Warnings
from anyrouter.wire.translation.bedrock.request_encoder import CONVERSE, CONVERSE_STREAM, encode_request
from anyrouter.wire.translation.codec import UpstreamModel

CLAUDE = "us.anthropic.claude-sonnet-4-5-20250929-v1:0"
OLD_CLAUDE = "anthropic.claude-3-haiku-20240307-v1:0"
NOVA = "amazon.nova-pro-v1:0"
NOVA_2 = "us.amazon.nova-2-lite-v1:0"
OTHER = "meta.llama3-3-70b-instruct-v1:0"
SCHEMA = msgspec.Raw(b'{"type":"object","properties":{"x":{"type":"string"}},"required":["x"],"additionalProperties":false}')
PICTURE = Image(Source(data=quote("AAAA"), media_type="image/png"))
Found = list[tuple[str, str | None]]


def text(value: str, cache: CacheControl | None = None) -> Text:
    return Text(quote(value), cache)


def encode(*messages: Message, name: str = CLAUDE, **fields: Any) -> tuple[dict[str, Any], Found]:
    warnings = Warnings()
    request = Request(**{"dialect": "openai", "model": "m", "messages": list(messages), **fields})
    return json.loads(encode_request(request, UpstreamModel(name=name), warnings).body), list(warnings.found)


def asked(name: str = CLAUDE, **fields: Any) -> tuple[dict[str, Any], Found]:
    return encode(Message("user", [text("Hi")]), name=name, **fields)


def turns(*messages: Message, name: str = CLAUDE, **fields: Any) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = encode(*messages, name=name, **fields)[0]["messages"]
    return found


def user(*parts: Part, name: str = CLAUDE) -> tuple[list[dict[str, Any]], Found]:
    body, warnings = encode(Message("user", list(parts)), name=name)
    return body["messages"][0]["content"], warnings


def test_the_path_ends_in_what_is_asked() -> None:
    request = Request(dialect="openai", model="m", messages=[Message("user", [text("Hi")])])
    assert encode_request(request, UpstreamModel(name=CLAUDE), Warnings()).method == CONVERSE == "/converse"
    request.is_streamed = True
    assert encode_request(request, UpstreamModel(name=CLAUDE), Warnings()).method == CONVERSE_STREAM == "/converse-stream"


def test_neighbours_are_one_turn_and_answers_stand_first_in_theirs() -> None:
    found = turns(
        Message("user", [text("a")]),
        Message("user", [text("b")]),
        Message("assistant", [text("c"), ToolCall("1", "f", "{}"), ToolCall("2", "g", '{"x": 1}')]),
        Message("tool", [ToolResult("2", (text("two"),))]),
        Message("user", [text("d")]),
        Message("tool", [ToolResult("1", (text("one"),), is_error=True)]),
        Message("assistant", [text("e")]),
        Message("assistant", [text("f")]),
    )
    assert [turn["role"] for turn in found] == ["user", "assistant", "user", "assistant"]
    assert found[0]["content"] == [{"text": "a"}, {"text": "b"}]
    assert found[2]["content"] == [
        {"toolResult": {"toolUseId": "2", "content": [{"text": "two"}]}},
        {"toolResult": {"toolUseId": "1", "content": [{"text": "one"}], "status": "error"}},
        {"text": "d"},
    ]
    assert found[3]["content"] == [{"text": "e"}, {"text": "f"}]


def test_blank_texts_and_turns_are_left_out() -> None:
    found = turns(Message("user", [text(" \n"), text("a"), Text(EMPTY)]), Message("assistant", [Text(EMPTY)]), Message("user", [text("b")]))
    assert found == [{"role": "user", "content": [{"text": "a"}, {"text": "b"}]}]


def test_nothing_to_answer_is_refused() -> None:
    with pytest.raises(ClientError) as caught:
        encode(Message("user", [text("  ")]))
    assert caught.value.denied.param == "messages"


def test_the_user_begins() -> None:
    body, warnings = encode(Message("system", [text("s")]), Message("assistant", [text("a")]), Message("user", [text("b")]))
    assert [turn["role"] for turn in body["messages"]] == ["user", "assistant", "user"]
    assert warnings == [("changed_role", "messages[1].role")]
    body, warnings = encode(Message("system", [text("s")]), Message("system", [text("t")]))
    assert (body["system"], body["messages"]) == ([{"text": "s"}], [{"role": "user", "content": [{"text": "t"}]}])
    assert warnings == [("changed_role", "messages[1].role")]


def test_a_late_instruction_keeps_its_role_where_the_model_has_it() -> None:
    late = [Message("user", [text("a")]), Message("system", [text("s")]), Message("assistant", [text("b")])]
    assert [turn["role"] for turn in turns(*late, name="anthropic.claude-opus-4-8")] == ["user", "system", "assistant"]
    body, warnings = encode(*late)
    assert [turn["role"] for turn in body["messages"]] == ["user", "assistant"]
    assert warnings == [("changed_role", "messages[1].role")]


def test_ids_are_made_to_fit_and_stay_pairs() -> None:
    long, odd = "call_" + "x" * 80, "call/ü"
    found = turns(
        Message("user", [text("a")]),
        Message("assistant", [ToolCall(long, "f"), ToolCall(long + "y", "f"), ToolCall(odd, "f"), ToolCall("", "f")]),
        Message("tool", [ToolResult(long + "y"), ToolResult(long), ToolResult(odd), ToolResult("")]),
    )
    calls = [block["toolUse"]["toolUseId"] for block in found[1]["content"]]
    results = [block["toolResult"]["toolUseId"] for block in found[2]["content"]]
    assert len(set(calls)) == 4
    assert results == [calls[1], calls[0], calls[2], calls[3]]
    assert all(0 < len(one) <= 64 and one.isascii() for one in calls)


@pytest.mark.parametrize(
    ("part", "expected"),
    [
        (PICTURE, {"image": {"format": "png", "source": {"bytes": "AAAA"}}}),
        (Image(Source(file_id="s3://b/a.JPG")), {"image": {"format": "jpeg", "source": {"s3Location": {"uri": "s3://b/a.JPG"}}}}),
        (
            Document(Source(data=quote("AAAA"), media_type="application/pdf"), filename="a_b.c.pdf"),
            {"document": {"name": "a b c", "format": "pdf", "source": {"bytes": "AAAA"}}},
        ),
        (
            Document(Source(data=quote("AAAA"), media_type="application/octet-stream"), filename="x.xlsx"),
            {"document": {"name": "x", "format": "xlsx", "source": {"bytes": "AAAA"}}},
        ),
        (
            Document(Source(text=quote("t")), title="Über  uns", context="c", has_citations=True),
            {"document": {"name": "ber uns", "format": "txt", "source": {"text": "t"}, "context": "c", "citations": {"enabled": True}}},
        ),
        (
            Document(parts=(text("a"), text("b")), title="?"),
            {"document": {"name": "document", "source": {"content": [{"text": "a"}, {"text": "b"}]}}},
        ),
        (Video(Source(data=quote("AAAA"), media_type="video/3gpp")), {"video": {"format": "three_gp", "source": {"bytes": "AAAA"}}}),
        (Audio(Source(data=quote("AAAA"), media_type="audio/mpeg"), "mp3"), {"audio": {"format": "mp3", "source": {"bytes": "AAAA"}}}),
        (Refusal(quote("no")), {"text": "no"}),
        (
            Opaque("bedrock", "guardContent", msgspec.Raw(b'{"guardContent":{"text":{"text":"x"}}}')),
            {"guardContent": {"text": {"text": "x"}}},
        ),
    ],
)
def test_every_kind_of_content(part: Part, expected: dict[str, Any]) -> None:
    found, warnings = user(part, text("x"))
    assert found[0] == expected
    assert warnings == []


@pytest.mark.parametrize(
    "part",
    [
        Image(Source(url="https://x/a.png")),
        Image(Source(data=quote("AAAA"), media_type="image/tiff")),
        Image(Source(file_id="file-1")),
        Document(Source(url="https://x/a.pdf")),
        Document(Source(data=quote("AAAA"), media_type="application/zip")),
        Document(),
        Video(Source(url="https://x/a.mp4")),
        Audio(id="audio_1"),
        Audio(Source(data=quote("AAAA")), "amr"),
        Opaque("openai", "hologram", msgspec.Raw(b"{}")),
    ],
)
def test_what_cannot_be_sent_is_left_out_with_a_warning(part: Part) -> None:
    assert user(part, text("x")) == ([{"text": "x"}], [("unsupported_content", "messages[0].content[0]")])


def test_a_documents_text_is_a_file_to_other_models() -> None:
    found, _ = user(Document(Source(text=quote("hü"))), text("x"), name=NOVA)
    assert found[0]["document"]["source"] == {"bytes": "aMO8"}


def test_documents_have_names_of_their_own_and_a_text_beside_them() -> None:
    one = Document(Source(data=quote("AAAA"), media_type="application/pdf"), filename="a.pdf")
    found, _ = user(one, one, one)
    assert [block["document"]["name"] for block in found[:3]] == ["a", "a 2", "a 3"]
    assert found[3:] == [{"text": "a, a 2, a 3"}]


def test_pictures_of_the_assistant_are_left_out() -> None:
    body, warnings = encode(Message("user", [text("a")]), Message("assistant", [PICTURE, text("b")]))
    assert body["messages"][1]["content"] == [{"text": "b"}]
    assert warnings == [("unsupported_content", "messages[1].content[0]")]


def test_thoughts_go_back_to_a_claude_with_their_proof_and_to_nobody_else() -> None:
    thoughts = [
        Reasoning(quote("t"), "c2ln", format=ANTHROPIC_FORMAT),
        Reasoning(EMPTY, "c2ln", format=ANTHROPIC_FORMAT),
        Reasoning(encrypted="ZW5j", format=ANTHROPIC_FORMAT),
    ]
    foreign = [
        Reasoning(quote("t")),
        Reasoning(quote("t"), format=ANTHROPIC_FORMAT),
        Reasoning(encrypted="e", format=OPENAI_FORMAT),
        Reasoning(encrypted="no base64!", format=ANTHROPIC_FORMAT),
    ]
    body, warnings = encode(Message("user", [text("a")]), Message("assistant", [*thoughts, text("b")]))
    assert body["messages"][1]["content"] == [
        {"reasoningContent": {"reasoningText": {"text": "t", "signature": "c2ln"}}},
        {"reasoningContent": {"reasoningText": {"text": "", "signature": "c2ln"}}},
        {"reasoningContent": {"redactedContent": "ZW5j"}},
        {"text": "b"},
    ]
    assert warnings == []
    body, warnings = encode(Message("user", [text("a")]), Message("assistant", [*foreign, text("b")]))
    assert body["messages"][1]["content"] == [{"text": "b"}]
    assert len(warnings) == 4
    assert len(turns(Message("user", [text("a")]), Message("assistant", [*thoughts, text("b")]), name=OTHER)[1]["content"]) == 1


def test_a_spoken_answer_is_its_transcript() -> None:
    body, warnings = encode(Message("user", [text("a")]), Message("assistant", [Audio(id="x", transcript=quote("said"))]))
    assert body["messages"][1]["content"] == [{"text": "said"}]
    assert warnings == [("changed_value", "messages[1].content")]


@pytest.mark.parametrize(
    ("name", "short", "long"),
    [
        (CLAUDE, {"type": "default", "ttl": "5m"}, {"type": "default", "ttl": "1h"}),
        (OLD_CLAUDE, {"type": "default"}, {"type": "default"}),
        (NOVA, {"type": "default"}, {"type": "default"}),
    ],
)
def test_breakpoints_are_blocks_behind_what_carries_them(name: str, short: Any, long: Any) -> None:
    body, warnings = encode(
        Message("system", [text("s", CacheControl("1h"))]),
        Message("user", [text("a", CacheControl("5m")), text("b", CacheControl())]),
        Message("assistant", [ToolCall("1", "f")]),
        Message("tool", [ToolResult("1", (text("x"),), cache=CacheControl())]),
        name=name,
        tools=[Tool("f", cache=CacheControl())],
        cache=CacheControl(),
    )
    plain = {"cachePoint": {"type": "default"}}
    assert body["system"] == [{"text": "s"}, {"cachePoint": long}]
    assert body["messages"][0]["content"] == [{"text": "a"}, {"cachePoint": short}, {"text": "b"}, plain]
    assert body["messages"][2]["content"][1:] == [plain, plain]
    assert body["toolConfig"]["tools"][1:] == ([] if name == NOVA else [plain])
    assert warnings == []


def test_other_models_have_no_breakpoints_and_no_warning() -> None:
    body, warnings = encode(Message("user", [text("a", CacheControl())]), name=OTHER, cache=CacheControl("1h"))
    assert body["messages"][0]["content"] == [{"text": "a"}]
    assert warnings == []


def test_other_models_are_not_told_of_errors_and_that_is_said() -> None:
    messages = [Message("user", [text("a")]), Message("assistant", [ToolCall("1", "f")]), Message("tool", [ToolResult("1", is_error=True)])]
    body, warnings = encode(*messages, name=OTHER)
    assert body["messages"][2]["content"] == [{"toolResult": {"toolUseId": "1", "content": []}}]
    assert warnings == [("changed_value", "messages[2].content")]


def test_tools() -> None:
    tools = [
        Tool("f", quote("F"), SCHEMA, is_strict=True),
        Tool("g", EMPTY),
        Tool("h", None, msgspec.Raw(b'{"properties":{}}')),
        CustomTool("c", quote("C")),
        ServerTool("anthropic", "bash_20250124", msgspec.Raw(b'{"type":"bash_20250124","name":"bash"}'), "shell"),
    ]
    body, warnings = asked(tools=tools)
    assert body["toolConfig"] == {
        "tools": [
            {"toolSpec": {"name": "f", "description": "F", "inputSchema": {"json": json.loads(bytes(SCHEMA))}, "strict": True}},
            {"toolSpec": {"name": "g", "inputSchema": {"json": {"type": "object", "properties": {}}}}},
            {"toolSpec": {"name": "h", "inputSchema": {"json": {"properties": {}, "type": "object"}}}},
            {
                "toolSpec": {
                    "name": "c",
                    "description": "C",
                    "inputSchema": {"json": {"type": "object", "properties": {"input": {"type": "string"}}, "required": ["input"]}},
                }
            },
        ]
    }
    assert warnings == [("changed_value", "tools[3]"), ("unsupported_tool", "tools[4]")]


def test_a_model_that_cannot_be_held_to_a_schema_is_not_and_it_is_said() -> None:
    for name in (OLD_CLAUDE, OTHER):
        body, warnings = asked(name, tools=[Tool("f", None, SCHEMA, is_strict=True)])
        assert "strict" not in body["toolConfig"]["tools"][0]["toolSpec"]
        assert warnings == [("changed_value", "tools[0].function.strict")]


def test_the_services_own_tools_are_for_its_own_models() -> None:
    search = ServerTool("openai", "web_search", msgspec.Raw(b'{"type":"web_search"}'), "web_search")
    located = ServerTool("openai", "web_search", msgspec.Raw(b'{"type":"web_search","user_location":{}}'), "web_search")
    assert asked(NOVA_2, tools=[search])[0]["toolConfig"] == {"tools": [{"systemTool": {"name": "nova_grounding"}}]}
    assert asked(NOVA_2, tools=[located])[1] == [("changed_value", "tools[0]")]
    assert asked(NOVA, tools=[search])[1] == [("unsupported_tool", "tools[0]")]


@pytest.mark.parametrize(
    ("choice", "expected", "names"),
    [
        (ToolChoice(ChoiceMode.AUTO), None, ["f", "g"]),
        (ToolChoice(ChoiceMode.AUTO, ("g",)), None, ["g"]),
        (ToolChoice(ChoiceMode.REQUIRED), {"any": {}}, ["f", "g"]),
        (ToolChoice(ChoiceMode.REQUIRED, ("f",)), {"tool": {"name": "f"}}, ["f"]),
        (ToolChoice(ChoiceMode.NAMED, ("f",)), {"tool": {"name": "f"}}, ["f", "g"]),
    ],
)
def test_choices(choice: ToolChoice, expected: Any, names: list[str]) -> None:
    body, warnings = asked(tools=[Tool("f"), Tool("g")], tool_choice=choice)
    assert body["toolConfig"].get("toolChoice") == expected
    assert [tool["toolSpec"]["name"] for tool in body["toolConfig"]["tools"]] == names
    assert warnings == []


def test_no_tool_is_called_that_is_not_there() -> None:
    none = ToolChoice(ChoiceMode.NONE)
    assert "toolConfig" not in asked(tools=[Tool("f")], tool_choice=none)[0]
    called = [Message("user", [text("a")]), Message("assistant", [ToolCall("1", "f")]), Message("tool", [ToolResult("1")])]
    body, warnings = encode(*called, tools=[Tool("f")], tool_choice=none)
    assert "toolConfig" in body
    assert warnings == [("changed_value", "tool_choice")]


def test_a_conversation_with_calls_has_tools_even_when_none_are_given() -> None:
    called = [Message("user", [text("a")]), Message("assistant", [ToolCall("1", "f")]), Message("tool", [ToolResult("1")])]
    tool = {"toolSpec": {"name": "f", "inputSchema": {"json": {"type": "object", "properties": {}}}}}
    assert encode(*called)[0]["toolConfig"] == {"tools": [tool]}


def test_what_cannot_be_forced_is_said() -> None:
    forced = ToolChoice(ChoiceMode.REQUIRED)
    body, warnings = asked("anthropic.claude-opus-5-5", tools=[Tool("f")], tool_choice=forced)
    assert "toolChoice" not in body["toolConfig"]
    assert warnings == [("changed_value", "tool_choice")]
    assert asked(tool_choice=forced)[1] == [("unsupported_parameter", "tool_choice")]
    assert asked(tools=[Tool("f")], is_parallel=False)[1] == [("unsupported_parameter", "parallel_tool_calls")]


def test_sampling() -> None:
    body, warnings = asked(OLD_CLAUDE, max_tokens=9, temperature=1.5, top_p=0.9, top_k=40, stop=("a", " "))
    assert body["inferenceConfig"] == {"maxTokens": 9, "temperature": 1.0, "topP": 0.9, "stopSequences": ["a"]}
    assert body["additionalModelRequestFields"] == {"top_k": 40}
    assert body["additionalModelResponseFieldPaths"] == ["/stop_sequence"]
    assert warnings == [("changed_value", "temperature"), ("unsupported_parameter", "stop")]
    body, _ = asked(NOVA, top_k=40, stop=("a",))
    assert body["additionalModelRequestFields"] == {"inferenceConfig": {"topK": 40}}
    assert "additionalModelResponseFieldPaths" not in body
    assert asked(OTHER, top_k=40)[1] == [("unsupported_parameter", "top_k")]


def test_sampling_that_a_claude_refuses_is_left_out() -> None:
    assert asked(CLAUDE, temperature=0.5, top_p=0.9)[1] == [("unsupported_parameter", "top_p")]
    body, warnings = asked("anthropic.claude-opus-4-7", temperature=0.5, top_p=0.9, top_k=4)
    assert "inferenceConfig" not in body
    assert [param for _, param in warnings] == ["temperature", "top_p", "top_k"]


def test_the_answer_may_be_held_to_a_schema() -> None:
    schema = msgspec.Raw(b'{ "type":"object", "properties":{"x":{"type":"string","pattern":"a"}} }')
    body, warnings = asked(output=OutputFormat(kind="schema", name="n", description="d", schema=schema, is_strict=True))
    told = body["outputConfig"]["textFormat"]
    assert (told["type"], told["structure"]["jsonSchema"]["name"], told["structure"]["jsonSchema"]["description"]) == (
        "json_schema",
        "n",
        "d",
    )
    closed = json.loads(told["structure"]["jsonSchema"]["schema"])
    assert closed["additionalProperties"] is False
    assert warnings == [("changed_value", "response_format.json_schema.schema")]
    for name, output in ((OLD_CLAUDE, "schema"), (NOVA, "schema"), (CLAUDE, "json")):
        assert asked(name, output=OutputFormat(kind=output, schema=SCHEMA))[1] == [("unsupported_parameter", "response_format")]


def test_the_rest() -> None:
    metadata = msgspec.Raw(b'{"team":"a b"}')
    body, warnings = asked(
        service_tier="priority", metadata=metadata, seed=1, user="u", frequency_penalty=0, verbosity="medium", candidates=1
    )
    assert body["serviceTier"] == {"type": "priority"}
    assert body["requestMetadata"] == {"team": "a b"}
    assert warnings == [("unsupported_parameter", "seed"), ("unsupported_parameter", "user")]
    assert asked(service_tier="auto", metadata=msgspec.Raw(b"{}"))[1] == []
    assert asked(service_tier="scale", metadata=msgspec.Raw('{"a":"ü"}'.encode()))[1] == [
        ("unsupported_parameter", "service_tier"),
        ("unsupported_parameter", "metadata"),
    ]
    assert asked(metadata=msgspec.Raw(b'{"a":1}'))[1] == [("unsupported_parameter", "metadata")]
