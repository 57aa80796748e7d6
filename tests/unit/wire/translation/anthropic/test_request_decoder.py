import json
from typing import Any

import anthropic
import msgspec
import pydantic
import pytest

from anyrouter.core.errors import ClientError
from anyrouter.wire.form.parts import CacheControl, Document, Image, Opaque, Reasoning, Text, ToolCall, ToolResult
from anyrouter.wire.form.reasoning import ANTHROPIC_FORMAT, GEMINI_FORMAT, OPENAI_FORMAT, seal
from anyrouter.wire.form.request import Request
from anyrouter.wire.form.text import unquote
from anyrouter.wire.form.tools import ChoiceMode, ServerTool, Tool
from anyrouter.wire.form.warnings import Warnings
from anyrouter.wire.translation.anthropic.request_decoder import decode_request
from anyrouter.wire.translation.codec import ClientRequest

HI = {"role": "user", "content": "Hi"}
REPLY = (
    b'{"id":"m","type":"message","role":"assistant","model":"m","content":[],"stop_reason":"end_turn",'
    b'"usage":{"input_tokens":1,"output_tokens":1}}'
)


def asked_by(sdk, ask) -> tuple[Request, Warnings]:
    """What the SDK really sends, decoded."""
    asked: list[bytes] = []
    ask(sdk(REPLY, asked=asked))
    warnings = Warnings()
    values = msgspec.json.decode(asked[0], type=dict[str, msgspec.Raw])
    return decode_request(ClientRequest(values=values, model="m", is_streamed=False), warnings), warnings


def test_what_the_sdk_sends_is_known_to_the_last_member(sdk) -> None:
    def ask(client: anthropic.Anthropic) -> None:
        client.messages.create(
            model="claude-sonnet-4-6",
            max_tokens=2000,
            system=[{"type": "text", "text": "Be kind.", "cache_control": {"type": "ephemeral", "ttl": "1h"}}],
            cache_control={"type": "ephemeral"},
            metadata={"user_id": "u1"},
            service_tier="standard_only",
            stop_sequences=["END"],
            thinking={"type": "adaptive", "display": "summarized"},
            output_config={"effort": "xhigh"},
            tool_choice={"type": "any", "disable_parallel_tool_use": True},
            tools=[
                {
                    "name": "f",
                    "description": "D",
                    "strict": True,
                    "input_schema": {"type": "object", "properties": {}},
                    "eager_input_streaming": True,
                    "defer_loading": False,
                    "allowed_callers": ["direct"],
                },
                {"type": "web_search_20250305", "name": "web_search", "max_uses": 3},
            ],
            messages=[
                {"role": "user", "content": [{"type": "image", "source": {"type": "url", "url": "https://example.com/a.png"}}]},
                {
                    "role": "assistant",
                    "content": [{"type": "tool_use", "id": "t1", "name": "f", "input": {"a": 1}, "caller": {"type": "direct"}}],
                },
                {"role": "user", "content": [{"type": "tool_result", "tool_use_id": "t1", "content": [{"type": "text", "text": "ok"}]}]},
                {"role": "system", "content": "Hurry."},
            ],
        )

    request, warnings = asked_by(sdk, ask)
    assert warnings.found == {}
    assert request.extra == {}
    assert [message.role for message in request.messages] == ["system", "user", "assistant", "tool", "system"]
    assert request.messages[0].parts == [Text(msgspec.Raw(b'"Be kind."'), CacheControl("1h"))]
    assert request.messages[2].parts == [ToolCall("t1", "f", '{"a":1}')]
    assert (request.user, request.service_tier, request.stop, request.cache) == ("u1", "default", ("END",), CacheControl())
    assert request.is_parallel is False
    assert request.tool_choice is not None
    assert request.tool_choice.mode is ChoiceMode.REQUIRED
    assert isinstance(request.tools[0], Tool)
    assert request.tools[0].is_strict is True
    assert isinstance(request.tools[1], ServerTool)
    assert request.tools[1].kind == "web_search"
    assert request.reasoning is not None
    assert (request.reasoning.is_enabled, request.reasoning.is_adaptive, request.reasoning.effort) == (True, True, "xhigh")


def test_a_type_that_the_sdk_is_to_parse_becomes_a_schema(sdk) -> None:
    class Person(pydantic.BaseModel):
        name: str
        age: int

    class Loose(pydantic.BaseModel):
        name: str = "nobody"

    request, _ = asked_by(sdk, lambda client: client.messages.parse(model="m", max_tokens=9, messages=[HI], output_format=Person))
    assert request.output is not None
    assert request.output.kind == "schema"
    assert request.output.is_strict is True
    request, _ = asked_by(sdk, lambda client: client.messages.parse(model="m", max_tokens=9, messages=[HI], output_format=Loose))
    assert request.output is not None
    assert request.output.is_strict is None, "a schema with members that may be left out is strict here and refused as strict elsewhere"


@pytest.mark.parametrize(
    ("thinking", "expected"),
    [
        ({"type": "enabled", "budget_tokens": 2000}, (True, 2000, False, False)),
        ({"type": "adaptive", "display": "omitted"}, (True, None, True, True)),
        ({"type": "disabled"}, (False, None, False, False)),
        ({"type": "between_tools"}, (False, None, False, False)),
    ],
)
def test_thinking_is_read(decode, thinking: dict[str, Any], expected: tuple[Any, ...]) -> None:
    told = decode(thinking=thinking)[0].reasoning
    assert (told.is_enabled, told.budget_tokens, told.is_adaptive, told.is_hidden) == expected


def test_the_order_of_thinking_and_effort_does_not_matter(decode) -> None:
    one = decode(thinking={"type": "adaptive"}, output_config={"effort": "low"})[0]
    other = decode(output_config={"effort": "low"}, thinking={"type": "adaptive"})[0]
    assert one.reasoning == other.reasoning


def test_a_users_turn_is_parted_into_answers_of_tools_and_the_rest(decode) -> None:
    content = [
        {"type": "tool_result", "tool_use_id": "a", "content": "1"},
        {"type": "tool_result", "tool_use_id": "b", "is_error": True},
        {"type": "text", "text": "Well?"},
    ]
    messages = decode(messages=[{"role": "user", "content": content}])[0].messages
    assert [(message.role, len(message.parts)) for message in messages] == [("tool", 2), ("user", 1)]
    assert messages[0].parts[1] == ToolResult("b", (), is_error=True)


def assistant(decode, *blocks: dict[str, Any]) -> list[Any]:
    return decode(messages=[HI, {"role": "assistant", "content": list(blocks)}, HI])[0].messages[1].parts


def test_own_thinking_keeps_its_proofs(decode) -> None:
    parts = assistant(decode, {"type": "thinking", "thinking": "Hm", "signature": "sig=="}, {"type": "redacted_thinking", "data": "data=="})
    assert parts == [
        Reasoning(text=msgspec.Raw(b'"Hm"'), signature="sig==", format=ANTHROPIC_FORMAT),
        Reasoning(encrypted="data==", format=ANTHROPIC_FORMAT),
    ]


def test_sealed_proofs_are_given_their_origin_back(decode) -> None:
    summary = {"type": "thinking", "thinking": "Hm", "signature": seal("enc==", OPENAI_FORMAT, "rs_1")}
    hidden = {"type": "redacted_thinking", "data": seal("enc2==", OPENAI_FORMAT, "rs_2")}
    nobodys = {"type": "thinking", "thinking": "Hm", "signature": ""}
    unproved = {"type": "thinking", "thinking": "Hm", "signature": seal("", None)}
    unknown = {"type": "thinking", "thinking": "Hm", "signature": seal("x", None)}
    text = msgspec.Raw(b'"Hm"')
    assert assistant(decode, summary, hidden, nobodys, unproved, unknown) == [
        Reasoning(text=text, encrypted="enc==", id="rs_1", is_summary=True, format=OPENAI_FORMAT),
        Reasoning(encrypted="enc2==", id="rs_2", format=OPENAI_FORMAT),
        Reasoning(text=text),
        Reasoning(text=text),
        Reasoning(text=text, signature="x"),
    ]


def test_geminis_proofs_are_hung_on_what_they_prove(decode) -> None:
    def proof(signature: str, call_id: str | None = None) -> dict[str, str]:
        return {"type": "redacted_thinking", "data": seal(signature, GEMINI_FORMAT, call_id)}

    call = {"type": "tool_use", "id": "b", "name": "f", "input": {}}
    parts = assistant(decode, proof("1"), {"type": "text", "text": "Hm"}, proof("2", "b"), {**call, "id": "a"}, call)
    assert [(getattr(part, "id", ""), part.signature) for part in parts] == [("", "1"), ("a", None), ("b", "2")]
    parts = assistant(decode, {"type": "text", "text": "Hm"}, proof("3"))
    assert [part.signature for part in parts] == ["3"]
    assert assistant(decode, proof("4")) == [Reasoning(encrypted="4", format=GEMINI_FORMAT)], "it proves nothing that is here"


def test_documents_are_read_from_every_kind_of_source(decode) -> None:
    sources = [
        {"type": "base64", "media_type": "application/pdf", "data": "AAAA"},
        {"type": "text", "media_type": "text/plain", "data": "Hello"},
        {"type": "content", "content": "Hello"},
        {"type": "url", "url": "https://example.com/a.pdf"},
        {"type": "file", "file_id": "file_1"},
    ]
    content = [{"type": "document", "source": source, "title": "T", "context": "C", "citations": {"enabled": True}} for source in sources]
    parts = decode(messages=[{"role": "user", "content": content}])[0].messages[0].parts
    assert all(isinstance(part, Document) and (part.title, part.context, part.has_citations) == ("T", "C", True) for part in parts)
    assert [part.source and (part.source.data or part.source.text or part.source.url or part.source.file_id) for part in parts] == [
        msgspec.Raw(b'"AAAA"'),
        msgspec.Raw(b'"Hello"'),
        None,
        "https://example.com/a.pdf",
        "file_1",
    ]
    assert unquote(parts[2].parts[0].text) == "Hello"


def test_a_search_result_is_a_document_that_names_its_source(decode) -> None:
    block = {
        "type": "search_result",
        "source": "https://e.com",
        "title": "T",
        "content": [{"type": "text", "text": "A"}],
        "citations": {"enabled": True},
    }
    (part,) = decode(messages=[{"role": "user", "content": [block]}])[0].messages[0].parts
    assert (part.title, part.context, part.has_citations, len(part.parts)) == ("T", "Source: https://e.com", True, 1)


def test_blocks_that_no_other_dialect_has_are_carried_without_a_word(decode) -> None:
    use = {"type": "server_tool_use", "id": "s", "name": "web_search", "input": {"query": "q"}}
    result = {"type": "web_search_tool_result", "tool_use_id": "s", "content": [], "anything": {"else": 1}}
    request, warned = decode(messages=[HI, {"role": "assistant", "content": [use, result, {"type": "text", "text": "Hm", "shiny": 1}]}])
    parts = request.messages[1].parts
    assert [type(part) for part in parts] == [Opaque, Opaque, Text]
    assert json.loads(bytes(parts[1].raw)) == result
    assert warned == {"messages[1].content[2].shiny": "unknown_parameter"}


def test_what_the_sdk_adds_to_an_answer_that_is_sent_back_means_nothing(decode) -> None:
    block = {"type": "text", "text": "Hm", "citations": None, "parsed_output": None}
    call = {"type": "tool_use", "id": "a", "name": "f", "input": {}, "caller": None, "toolset_name": None}
    assert decode(messages=[HI, {"role": "assistant", "content": [block, call]}])[1] == {}


def test_members_that_only_the_maker_knows_are_warned_of_unless_they_say_nothing(decode) -> None:
    assert decode(container="c", speed="standard", mcp_servers=[], inference_geo="us")[1] == {
        "container": "unsupported_parameter",
        "inference_geo": "unsupported_parameter",
    }
    assert decode(anthropic_version="bedrock-2023-05-31", anthropic_beta=["x"], container=None)[1] == {}
    assert decode(frobnicate=1)[0].extra == {"frobnicate": msgspec.Raw(b"1")}


BAD_BLOCKS: list[tuple[Any, str]] = [
    (5, "messages[0].content"),
    ([5], "messages[0].content[0]"),
    ([{"text": "x"}], "messages[0].content[0].type"),
    ([{"type": "text"}], "messages[0].content[0].text"),
    ([{"type": "text", "text": 5}], "messages[0].content[0].text"),
    ([{"type": "image"}], "messages[0].content[0].source"),
    ([{"type": "image", "source": {"type": "ftp"}}], "messages[0].content[0].source.type"),
    ([{"type": "image", "source": {"type": "url"}}], "messages[0].content[0].source.url"),
    (
        [{"type": "document", "source": {"type": "content", "content": [{"type": "tool_use", "id": "a", "name": "b"}]}}],
        "messages[0].content[0].source.content",
    ),
    ([{"type": "tool_result"}], "messages[0].content[0].tool_use_id"),
    ([{"type": "tool_result", "tool_use_id": "a", "content": 5}], "messages[0].content[0].content"),
    ([{"type": "tool_use", "id": "a"}], "messages[0].content[0].name"),
    ([{"type": "tool_use", "id": "a", "name": "b", "input": "{}"}], "messages[0].content[0].input"),
    ([{"type": "thinking"}], "messages[0].content[0].thinking"),
    ([{"type": "redacted_thinking"}], "messages[0].content[0].data"),
    ([{"type": "text", "text": "x", "cache_control": 5}], "messages[0].content[0].cache_control"),
    ([{"type": "text", "text": "x", "citations": [5]}], "messages[0].content[0].citations"),
]
BAD_MEMBERS: list[tuple[dict[str, Any], str]] = [
    *[({"messages": [{"role": "user", "content": content}]}, param) for content, param in BAD_BLOCKS],
    ({"messages": None}, "messages"),
    ({"messages": []}, "messages"),
    ({"messages": "Hi"}, "messages"),
    ({"messages": [{"role": "tool", "content": "x"}]}, "messages[0].role"),
    ({"messages": [{"role": "user"}]}, "messages[0].content"),
    ({"max_tokens": None}, "max_tokens"),
    ({"max_tokens": "5"}, "max_tokens"),
    ({"system": 5}, "system"),
    ({"thinking": {"type": "enabled"}}, "thinking.budget_tokens"),
    ({"thinking": {"type": "sometimes"}}, "thinking.type"),
    ({"output_config": {"effort": "minimal"}}, "output_config.effort"),
    ({"output_config": {"format": {"type": "json_object"}}}, "output_config.format.type"),
    ({"output_config": {"format": {"type": "json_schema"}}}, "output_config.format.schema"),
    ({"tool_choice": {"type": "required"}}, "tool_choice.type"),
    ({"tool_choice": {"type": "tool"}}, "tool_choice.name"),
    ({"tools": {}}, "tools"),
    ({"tools": [5]}, "tools[0]"),
    ({"tools": [{"name": 5}]}, "tools[0].name"),
    ({"tools": [{"name": "f", "input_schema": []}]}, "tools[0].input_schema"),
    ({"stop_sequences": "END"}, "stop_sequences"),
]


@pytest.mark.parametrize(("members", "param"), BAD_MEMBERS, ids=[f"{at}-{param}" for at, (_, param) in enumerate(BAD_MEMBERS)])
def test_a_refusal_names_what_is_wrong(decode, members: dict[str, Any], param: str) -> None:
    with pytest.raises(ClientError) as caught:
        decode(**members)
    assert caught.value.denied.param == param
    assert caught.value.denied.code in {"invalid_parameter", "missing_parameter"}


def test_an_image_of_a_message_is_not_copied(decode) -> None:
    block = {"type": "image", "source": {"type": "base64", "media_type": "image/png", "data": "A" * 1000}}
    (part,) = decode(messages=[{"role": "user", "content": [block]}])[0].messages[0].parts
    assert isinstance(part, Image)
    assert bytes(part.source.data or b"") == b'"%s"' % (b"A" * 1000)
