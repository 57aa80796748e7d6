"""Whole replies in the form: what the golden files show only in part."""

import json
from typing import Any

import pytest

from anyrouter.core.usage import Usage
from anyrouter.wire.form.parts import Citation, Image, Opaque, Part, Reasoning, Source, Text, ToolCall
from anyrouter.wire.form.reasoning import ANTHROPIC_FORMAT
from anyrouter.wire.form.reply import Candidate, FinishReason, Reply, UsageDetails
from anyrouter.wire.form.text import EMPTY, quote
from anyrouter.wire.reply import InvalidReply
from anyrouter.wire.translation.bedrock.reply_decoder import FINISH_REASONS, decode_response


def reply(*content: dict[str, Any], **members: Any) -> Reply:
    body = {"output": {"message": {"role": "assistant", "content": list(content)}}, "stopReason": "end_turn", **members}
    return decode_response(json.dumps(body).encode())


def decode(*content: dict[str, Any], **members: Any) -> Candidate:
    return reply(*content, **members).candidates[0]


@pytest.mark.parametrize(("native", "reason"), [*FINISH_REASONS.items(), ("something_new", FinishReason.STOP)])
def test_every_reason_to_stop_is_kept_in_both_words(native: str, reason: FinishReason) -> None:
    found = decode({"text": "x"}, stopReason=native)
    assert (found.finish, found.native_finish) == (reason, native)


@pytest.mark.parametrize(
    ("block", "part"),
    [
        ({"text": "x"}, Text(quote("x"))),
        ({"toolUse": {"toolUseId": "1", "name": "f", "input": {"a":1}}}, ToolCall("1", "f", '{"a": 1}')),
        ({"toolUse": {"toolUseId": "1", "name": "f"}}, ToolCall("1", "f", "")),
        ({"reasoningContent": {"reasoningText": {"text": "t", "signature": "s"}}}, Reasoning(quote("t"), "s", format=ANTHROPIC_FORMAT)),
        ({"reasoningContent": {"reasoningText": {"text": "", "signature": "s"}}}, Reasoning(EMPTY, "s", format=ANTHROPIC_FORMAT)),
        ({"reasoningContent": {"reasoningText": {"text": "t"}}}, Reasoning(quote("t"))),
        ({"reasoningContent": {"redactedContent": "AAAA"}}, Reasoning(encrypted="AAAA", format=ANTHROPIC_FORMAT)),
        ({"image": {"format": "jpeg", "source": {"bytes": "AAAA"}}}, Image(Source(data=quote("AAAA"), media_type="image/jpeg"))),
        (
            {"image": {"format": "png", "source": {"s3Location": {"uri": "s3://b/a"}}}},
            Image(Source(file_id="s3://b/a", media_type="image/png")),
        ),
    ],
)  # fmt: skip
def test_every_kind_of_block(block: dict[str, Any], part: Part) -> None:
    assert decode(block).parts == [part]


@pytest.mark.parametrize(
    "block",
    [
        {"text": ""},
        {"reasoningContent": {"reasoningText": {"text": ""}}},
        {"reasoningContent": {}},
        {"image": {"format": "png", "error": {"message": "no"}}},
        {"citationsContent": {}},
        {},
    ],
)
def test_what_says_nothing_is_no_part(block: dict[str, Any]) -> None:
    assert decode(block).parts == []


def test_what_the_service_ran_itself_is_kept_as_it_came() -> None:
    call = {"toolUse": {"toolUseId": "1", "name": "nova_grounding", "input": {}, "type": "server_tool_use"}}
    found = decode({"text": "a"}, call, {"somethingNew": {"x": 1}}, {"text": "b"})
    assert [type(part) for part in found.parts] == [Text, Opaque, Opaque, Text]
    first, second = found.parts[1:3]
    assert isinstance(first, Opaque)
    assert isinstance(second, Opaque)
    assert (first.dialect, first.type, json.loads(bytes(first.raw))) == ("bedrock", "toolUse", call)
    assert (second.type, json.loads(bytes(second.raw))) == ("somethingNew", {"somethingNew": {"x": 1}})
    assert found.finish is FinishReason.STOP


@pytest.mark.parametrize(
    ("told", "citation"),
    [
        (
            {"title": "T", "sourceContent": [{"text": "a"}, {"text": "b"}], "location": {"web": {"url": "https://x"}}},
            Citation(kind="url", url="https://x", title="T", cited_text="ab"),
        ),
        (
            {"location": {"documentChar": {"documentIndex": 1, "start": 2, "end": 3}}},
            Citation(kind="document_chars", source_start=2, source_end=3, document_index=1),
        ),
        (
            {"location": {"documentPage": {"documentIndex": 1, "start": 2, "end": 3}}},
            Citation(kind="document_pages", source_start=2, source_end=3, document_index=1),
        ),
        (
            {"location": {"documentChunk": {"documentIndex": 1, "start": 2, "end": 3}}},
            Citation(kind="document_blocks", source_start=2, source_end=3, document_index=1),
        ),
        (
            {"source": "https://x", "location": {"searchResultLocation": {"searchResultIndex": 1, "start": 2, "end": 3}}},
            Citation(kind="search_result", url="https://x", source_start=2, source_end=3, document_index=1),
        ),
        ({"source": "https://x"}, Citation(kind="url", url="https://x")),
        ({"title": "T", "source": "a note"}, Citation(kind="file", title="T")),
    ],
)
def test_every_kind_of_citation(told: dict[str, Any], citation: Citation) -> None:
    block = {"citationsContent": {"content": [{"text": "x"}, {"text": "y"}], "citations": [told]}}
    assert decode(block).parts == [Text(quote("xy"), citations=(citation,))]


def test_what_was_read_from_the_cache_is_input_too() -> None:
    usage = {"inputTokens": 1, "outputTokens": 2, "totalTokens": 33, "cacheReadInputTokens": 10, "cacheWriteInputTokens": 20}
    found = reply(usage={**usage, "cacheDetails": [{"ttl": "1h", "inputTokens": 15}, {"ttl": "5m", "inputTokens": 5}]})
    assert found.usage == Usage(input_tokens=31, output_tokens=2, cache_read_tokens=10, cache_write_tokens=20)
    assert found.details == UsageDetails(cache_write_5m_tokens=5, cache_write_1h_tokens=15)
    assert reply(usage=usage).details is None
    assert reply().usage is None


def test_what_stands_beside_the_answer() -> None:
    trace = {"promptRouter": {"invokedModelId": "arn:x"}}
    found = reply(trace=trace, serviceTier={"type": "flex"}, additionalModelResponseFields={"stop_sequence": "END"})
    assert (found.model, found.service_tier, found.candidates[0].stop_sequence) == ("arn:x", "flex", "END")
    assert decode(additionalModelResponseFields={"stop_sequence": None}).stop_sequence is None


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"[]",
        b"{}",
        b'{"output":{}}',
        b'{"message":"Too many requests"}',
        b'{"output":{"message":{"content":[{"text":"x"},7]}}}',
        b'{"output":{"message":{"content":[{"toolUse":{"toolUseId":"1"}}]}}}',
        b'{"output":{"message":{"content":[]}},"additionalModelResponseFields":[]}',
    ],
)
def test_what_is_no_reply_is_said_to_be_none(body: bytes) -> None:
    with pytest.raises(InvalidReply):
        decode_response(body)
