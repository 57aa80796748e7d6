import json
from typing import Any

import msgspec
import pytest

from anyrouter.core.usage import NO_USAGE, Usage
from anyrouter.wire.form.parts import Audio, Citation, Image, Opaque, Part, Reasoning, Refusal, Source, Text, ToolCall
from anyrouter.wire.form.reasoning import ReasoningOptions
from anyrouter.wire.form.reply import Candidate, FinishReason, Reply, TokenLogprob, UsageDetails
from anyrouter.wire.form.request import Request
from anyrouter.wire.form.text import EMPTY, quote
from anyrouter.wire.form.tools import CustomTool
from anyrouter.wire.form.warnings import TranslationWarning
from anyrouter.wire.reply import CostFields, InvalidReply, Naming
from anyrouter.wire.translation.codec import ReplyContext
from anyrouter.wire.translation.responses.reply_decoder import decode_response
from anyrouter.wire.translation.responses.reply_encoder import encode_response
from anyrouter.wire.translation.responses.request_decoder import ResponsesRequest

NAMING = Naming(b'"gen-0"', b'"vendor/model"', b'"Provider"')
COST = CostFields(cost=b"0.5")


def context(request: Request | None = None, warnings: tuple[TranslationWarning, ...] = ()) -> ReplyContext:
    asked = request or Request(dialect="responses", model="m", messages=[])
    return ReplyContext(naming=NAMING, created_s=7, request=asked, warnings=warnings)


def encode(*parts: Part, finish: FinishReason | None = FinishReason.STOP, asked: ReplyContext | None = None, **told: Any) -> dict[str, Any]:
    reply = Reply(candidates=[Candidate(parts=list(parts), finish=finish)], **told)
    return json.loads(encode_response(reply, asked or context(), reply.usage or NO_USAGE, COST))


def asking(**told: Any) -> ReplyContext:
    values = {name: msgspec.Raw(value if isinstance(value, bytes) else json.dumps(value).encode()) for name, value in told.items()}
    return context(ResponsesRequest(dialect="responses", model="m", messages=[], told=values))


def decode(*output: dict[str, Any], **told: Any) -> Reply:
    return decode_response(json.dumps({"id": "resp_1", "status": "completed", "output": list(output), **told}).encode())


def parts_of(*output: dict[str, Any]) -> list[Part]:
    return decode(*output).candidates[0].parts


def test_a_response_has_every_member_of_the_dialect() -> None:
    body = encode(
        Text(quote("Hi")), created_s=9, service_tier="priority", usage=Usage(input_tokens=3, output_tokens=2, cache_read_tokens=1)
    )
    assert body["output"] == [
        {
            "id": "msg_0_0",
            "type": "message",
            "status": "completed",
            "content": [{"type": "output_text", "annotations": [], "logprobs": [], "text": "Hi"}],
            "role": "assistant",
        }
    ]
    assert (body["id"], body["object"], body["created_at"], body["status"], body["model"]) == (
        "gen-0",
        "response",
        9,
        "completed",
        "vendor/model",
    )
    assert (body["service_tier"], body["store"], body["error"], body["incomplete_details"]) == ("priority", False, None, None)
    assert (body["tools"], body["tool_choice"], body["parallel_tool_calls"], body["metadata"], body["provider"]) == (
        [],
        "auto",
        True,
        {},
        "Provider",
    )
    usage = body["usage"]
    assert (usage["input_tokens"], usage["output_tokens"], usage["total_tokens"], usage["cost"]) == (3, 2, 5, 0.5)
    assert (usage["input_tokens_details"], usage["output_tokens_details"]) == (
        {"cache_write_tokens": 0, "cached_tokens": 1},
        {"reasoning_tokens": 0},
    )


def test_a_service_tier_of_another_provider_is_the_default_one() -> None:
    assert encode(service_tier="standard")["service_tier"] == "default"
    assert encode()["created_at"] == 7


def test_what_was_asked_is_repeated_but_for_credentials() -> None:
    tools = [
        {"type": "function", "name": "f", "parameters": {}},
        {"type": "mcp", "server_label": "s", "authorization": "MARKER", "headers": {"x": "MARKER"}},
    ]
    body = encode(
        asked=asking(
            instructions=b'"a\\nb"',
            tools=tools,
            tool_choice="required",
            temperature=0.1,
            metadata={"a": "b"},
            max_output_tokens=None,
            truncation="auto",
            max_tool_calls=3,
            reasoning=b'{\n "effort": "low"\n}',
        )
    )
    assert (body["instructions"], body["tool_choice"], body["temperature"], body["max_output_tokens"]) == ("a\nb", "required", 0.1, None)
    assert body["tools"] == [tools[0], {"type": "mcp", "server_label": "s"}]
    assert (body["reasoning"], body["metadata"]) == ({"effort": "low"}, {"a": "b"})
    assert (body["truncation"], body["max_tool_calls"]) == ("disabled", None)  # what is done


def test_warnings_are_a_string_of_the_metadata() -> None:
    warning = TranslationWarning("unsupported_parameter", "top_k", "It has no top_k.")
    told = asking(metadata={"a": "b"})
    body = encode(asked=ReplyContext(naming=NAMING, created_s=1, request=told.request, warnings=(warning,)))
    assert body["metadata"]["a"] == "b"
    assert json.loads(body["metadata"]["warnings"]) == [{"code": "unsupported_parameter", "param": "top_k", "message": "It has no top_k."}]


@pytest.mark.parametrize(
    ("finish", "status", "details"),
    [
        (FinishReason.STOP, "completed", None),
        (FinishReason.TOOL_CALLS, "completed", None),
        (None, "completed", None),
        (FinishReason.LENGTH, "incomplete", {"reason": "max_output_tokens"}),
        (FinishReason.CONTENT_FILTER, "incomplete", {"reason": "content_filter"}),
        (FinishReason.ERROR, "failed", None),
    ],
)
def test_why_it_ended(finish: FinishReason | None, status: str, details: dict[str, str] | None) -> None:
    body = encode(Text(quote("a")), Text(quote("b")), ToolCall("c", "f", "{"), finish=finish)
    assert (body["status"], body["incomplete_details"], (body["error"] or {}).get("code")) == (
        status,
        details,
        "server_error" if status == "failed" else None,
    )
    assert [item["status"] for item in body["output"]] == ["completed", "incomplete" if details else "completed"]


def test_items_of_every_kind() -> None:
    output = encode(
        Reasoning(text=quote("a"), is_summary=True, id="rs_9", format="openai-responses-v1"),
        Reasoning(text=quote("b"), is_summary=True, id="rs_9", format="openai-responses-v1", encrypted="gA"),
        Text(quote("x")),
        Refusal(quote("no")),
        ToolCall("c1", "f", item_id="fc_9"),
        ToolCall("", "g", "SELECT 1", "custom"),
        Image(Source(data=quote("AAAA"), media_type="image/webp")),
        Opaque("responses", "web_search_call", msgspec.Raw(b'{"id":"ws_1",\n"type":"web_search_call"}')),
        Opaque("anthropic", "server_tool_use", msgspec.Raw(b"{}")),
        Audio(transcript=quote("spoken")),
    )["output"]
    thoughts = [{"type": "summary_text", "text": "a"}, {"type": "summary_text", "text": "b"}]
    text = {"type": "output_text", "annotations": [], "logprobs": []}
    assert output == [
        {"id": "rs_9", "type": "reasoning", "summary": thoughts, "encrypted_content": "gA"},
        {
            "id": "msg_0_1",
            "type": "message",
            "status": "completed",
            "content": [{**text, "text": "x"}, {"type": "refusal", "refusal": "no"}],
            "role": "assistant",
        },
        {"id": "fc_9", "type": "function_call", "status": "completed", "arguments": "{}", "call_id": "c1", "name": "f"},
        {"id": "ctc_0_3", "type": "custom_tool_call", "status": "completed", "input": "SELECT 1", "call_id": "call_0_1", "name": "g"},
        {"id": "ig_0_4", "type": "image_generation_call", "status": "completed", "output_format": "webp", "result": "AAAA"},
        {"id": "ws_1", "type": "web_search_call"},
        {"id": "msg_0_6", "type": "message", "status": "completed", "content": [{**text, "text": "spoken"}], "role": "assistant"},
    ]


def test_a_call_of_a_custom_tool_is_one_although_the_upstream_was_told_of_a_function() -> None:
    asked = context(Request(dialect="responses", model="m", messages=[], tools=[CustomTool("sql")]))
    output = encode(
        ToolCall("c1", "sql", '{"input":"SELECT \\"a\\""}'),
        ToolCall("c2", "sql", "no JSON"),
        ToolCall("c3", "sql"),
        ToolCall("c4", "f"),
        asked=asked,
    )["output"]
    assert [(item["type"], item.get("input")) for item in output] == [
        ("custom_tool_call", 'SELECT "a"'),
        ("custom_tool_call", "no JSON"),
        ("custom_tool_call", ""),
        ("function_call", None),
    ]


def test_ids_are_never_given_twice() -> None:
    reasoning = Reasoning(encrypted="gA", id="rs_9", format="openai-responses-v1")
    output = encode(reasoning, ToolCall("c1", "f", item_id="fc_9"), reasoning, ToolCall("c2", "f", item_id="fc_9"))["output"]
    assert [item["id"] for item in output] == ["rs_9", "fc_9", "rs_0_2", "fc_0_3"]


def test_proofs_of_other_providers_are_sealed_and_stand_beside_what_they_prove() -> None:
    output = encode(
        Reasoning(text=quote("a"), signature="sig", format="anthropic-claude-v1"),
        Reasoning(encrypted="redacted", format="anthropic-claude-v1"),
        Reasoning(text=quote("b"), encrypted="beside", id="r1", format="somebody"),
        Text(quote("x"), signature="of-the-text"),
        Text(quote("y")),
        ToolCall("", "f", "{}", signature="of-the-call"),
    )["output"]
    assert [(item["type"], item.get("encrypted_content")) for item in output] == [
        ("reasoning", "anyrouter.anthropic-claude-v1..sig"),
        ("reasoning", "anyrouter.anthropic-claude-v1..redacted"),
        ("reasoning", None),
        ("reasoning", "anyrouter.somebody.r1.beside"),
        ("message", None),
        ("reasoning", "anyrouter.google-gemini-v1..of-the-text"),
        ("message", None),
        ("reasoning", "anyrouter.google-gemini-v1.call_0_0.of-the-call"),
        ("function_call", None),
    ]
    assert output[-1]["call_id"] == "call_0_0"


def test_thinking_that_the_client_does_not_want_to_see_is_hidden() -> None:
    hidden = Request(dialect="responses", model="m", messages=[], reasoning=ReasoningOptions(is_hidden=True))
    output = encode(Reasoning(text=quote("a"), signature="s"), Text(quote("x")), asked=context(hidden))["output"]
    assert [item["type"] for item in output] == ["message"]


def test_citations_become_annotations() -> None:
    text = Text(
        quote("Grüße 🙂"),
        citations=(
            Citation(kind="url", url="https://a.com", title="A", text_start=1, text_end=3),
            Citation(kind="search_result", url="https://b.com", cited_text="b"),
            Citation(kind="file", file_id="file-1", title="a.txt", text_end=5),
            Citation(kind="document_chars", title="Facts", document_index=0),
            Citation(kind="document_chars", document_index=0),
            Citation(kind="file", dialect="responses", raw=msgspec.Raw(b'{"type":"file_path","file_id":"f","index":0}')),
        ),
    )
    assert encode(text)["output"][0]["content"][0]["annotations"] == [
        {"type": "url_citation", "start_index": 1, "end_index": 3, "title": "A", "url": "https://a.com"},
        {"type": "url_citation", "start_index": 0, "end_index": 7, "title": "", "url": "https://b.com", "cited_text": "b"},
        {"type": "file_citation", "file_id": "file-1", "filename": "a.txt", "index": 5},
        {"type": "file_citation", "file_id": "", "filename": "Facts", "index": 7},
        {"type": "file_path", "file_id": "f", "index": 0},
    ]


def test_log_probabilities_stand_with_the_text() -> None:
    reply = Reply(candidates=[Candidate(parts=[Text(quote("é"))], finish=None, logprobs=[TokenLogprob("é", -0.5)])])
    body = json.loads(encode_response(reply, context(), NO_USAGE, COST))
    assert body["output"][0]["content"][0]["logprobs"] == [{"token": "é", "bytes": [195, 169], "logprob": -0.5, "top_logprobs": []}]


def test_searches_of_the_web_are_told() -> None:
    assert encode(details=UsageDetails(web_searches=2))["tool_usage"]["web_search"] == {"num_requests": 2}
    assert "tool_usage" not in encode()


def test_a_reply_without_an_answer_is_a_response_without_output() -> None:
    body = json.loads(encode_response(Reply(candidates=[]), context(), NO_USAGE, COST))
    assert (body["output"], body["status"]) == ([], "completed")


def test_an_upstreams_items_are_parts() -> None:
    found = parts_of(
        {"type": "reasoning", "id": "rs_1", "summary": [{"type": "summary_text", "text": "a"}], "encrypted_content": "gA"},
        {"type": "reasoning", "id": "rs_2", "content": [{"type": "reasoning_text", "text": "b"}]},
        {"type": "message", "content": [{"type": "output_text", "text": "x"}, {"type": "refusal", "refusal": "no"}, {"type": "hologram"}]},
        {"type": "function_call", "id": "fc_1", "call_id": "c1", "name": "f", "arguments": {"a": 1}},
        {"type": "custom_tool_call", "call_id": "c2", "name": "g", "input": "y"},
        {"type": "image_generation_call", "result": "AAAA", "output_format": "webp"},
        {"type": "image_generation_call", "result": None, "status": "failed"},
    )
    assert found[:-1] == [
        Reasoning(text=msgspec.Raw(b'"a"'), encrypted="gA", id="rs_1", is_summary=True, format="openai-responses-v1"),
        Reasoning(text=msgspec.Raw(b'"b"'), id="rs_2"),
        Text(msgspec.Raw(b'"x"')),
        Refusal(msgspec.Raw(b'"no"')),
        ToolCall("c1", "f", '{"a": 1}', item_id="fc_1"),
        ToolCall("c2", "g", "y", "custom"),
        Image(Source(data=msgspec.Raw(b'"AAAA"'), media_type="image/webp")),
    ]
    assert isinstance(found[-1], Opaque)


def test_an_upstreams_usage() -> None:
    told = {"input_tokens": 9, "output_tokens": 5, "input_tokens_details": {"cached_tokens": 2, "cache_write_tokens": 1}}
    reply = decode(usage={**told, "output_tokens_details": {"reasoning_tokens": 4}}, tool_usage={"web_search": {"num_requests": 3}})
    assert reply.usage == Usage(input_tokens=9, output_tokens=5, cache_read_tokens=2, cache_write_tokens=1, reasoning_tokens=4)
    assert reply.details == UsageDetails(web_searches=3)
    for bad in (None, {}, {"input_tokens": -1, "output_tokens": 1}, {"input_tokens": "9"}, []):
        assert decode(usage=bad).usage is None


@pytest.mark.parametrize(
    ("told", "finish", "native"),
    [
        ({}, FinishReason.STOP, "completed"),
        ({"output": [{"type": "function_call", "call_id": "c", "name": "f", "arguments": "{}"}]}, FinishReason.TOOL_CALLS, "completed"),
        ({"status": "incomplete", "incomplete_details": {"reason": "max_output_tokens"}}, FinishReason.LENGTH, "max_output_tokens"),
        ({"status": "incomplete", "incomplete_details": {"reason": "content_filter"}}, FinishReason.CONTENT_FILTER, "content_filter"),
        ({"status": "incomplete"}, FinishReason.LENGTH, "incomplete"),
    ],
)
def test_why_an_upstream_ended(told: dict[str, Any], finish: FinishReason, native: str) -> None:
    first = decode(**told).candidates[0]
    assert (first.finish, first.native_finish) == (finish, native)


@pytest.mark.parametrize(
    "told",
    [
        {"status": "failed", "error": {"code": "server_error", "message": "It broke."}},
        {"status": "in_progress"},
        {"status": "queued"},
        {"output": None},
        {"output": [{"type": "function_call", "call_id": "c", "arguments": "{}"}]},
    ],
)
def test_what_is_no_reply_is_invalid(told: dict[str, Any]) -> None:
    with pytest.raises(InvalidReply):
        decode(**told)


def test_an_upstreams_own_words_are_not_in_what_is_said_of_its_reply() -> None:
    with pytest.raises(InvalidReply) as caught:
        decode(status="failed", error={"code": "server_error", "message": "It broke for sk-secret."})
    assert str(caught.value) == "the reply is an error with a status of success"


def test_an_empty_text_is_said_as_it_is() -> None:
    assert parts_of({"type": "message", "content": [{"type": "output_text", "text": ""}]}) == [Text(EMPTY)]
