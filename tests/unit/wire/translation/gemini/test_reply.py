"""Whole replies, both ways: what the golden files show only in part."""

import json
from typing import Any

import msgspec
import pytest

from anyrouter.core.usage import Usage
from anyrouter.wire.form.parts import Audio, Citation, Image, Opaque, Part, Reasoning, Refusal, Source, Text, ToolCall
from anyrouter.wire.form.reasoning import ANTHROPIC_FORMAT, GEMINI_FORMAT, ReasoningOptions
from anyrouter.wire.form.reply import Candidate, FinishReason, Reply, UsageDetails
from anyrouter.wire.form.request import AudioOutput, Request
from anyrouter.wire.form.text import EMPTY, quote
from anyrouter.wire.form.warnings import TranslationWarning
from anyrouter.wire.reply import CostFields, InvalidReply, Naming
from anyrouter.wire.translation.codec import ReplyContext
from anyrouter.wire.translation.gemini.reply_decoder import FINISH_REASONS, decode_response
from anyrouter.wire.translation.gemini.reply_encoder import encode_response, encode_usage

COST = CostFields(cost=b"0.25")
NAMING = Naming(b'"gen-0123456789abcdef0123456789"', b'"vendor/model"', b'"Provider"')


def decode(*parts: dict[str, Any], **members: Any) -> Candidate:
    told = {"content": {"parts": list(parts), "role": "model"}, "finishReason": "STOP", **members}
    return decode_response(json.dumps({"candidates": [told]}).encode()).candidates[0]


def usage(**told: Any) -> Reply:
    return decode_response(json.dumps({"candidates": [{}], "usageMetadata": told}).encode())


def encode(*parts: Part, usage: Usage | None = None, finish: FinishReason = FinishReason.STOP, **asked: Any) -> dict[str, Any]:
    warnings = asked.pop("warnings", ())
    native = asked.pop("native", None)
    request = Request(**{"dialect": "gemini", "model": "m", "messages": [], **asked})
    reply = Reply(candidates=[Candidate(parts=list(parts), finish=finish, native_finish=native)], id="up-1", model="up")
    context = ReplyContext(naming=NAMING, created_s=7, request=request, warnings=warnings)
    found: dict[str, Any] = json.loads(encode_response(reply, context, usage or Usage(input_tokens=5, output_tokens=3), COST))
    return found


def encoded_parts(*parts: Part, **asked: Any) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = encode(*parts, **asked)["candidates"][0]["content"]["parts"]
    return found


@pytest.mark.parametrize(("native", "reason"), [*FINISH_REASONS.items(), ("SOMETHING_NEW", FinishReason.STOP)])
def test_every_reason_to_finish_is_kept_in_both_words(native: str, reason: FinishReason) -> None:
    found = decode({"text": "x"}, finishReason=native)
    assert (found.finish, found.native_finish) == (reason, native)


def test_calls_end_with_calls_unless_something_else_ended_them() -> None:
    call = {"functionCall": {"name": "f", "args": {"a": 1}}}
    assert decode(call).finish is FinishReason.TOOL_CALLS
    assert decode(call, finishReason="MAX_TOKENS").finish is FinishReason.LENGTH


def test_parts_keep_their_order_and_their_proofs() -> None:
    assert decode(
        {"text": "t", "thought": True},
        {"text": "", "thought": True},
        {"text": "a"},
        {"functionCall": {"name": "f", "id": "1"}, "thoughtSignature": "c2ln"},
        {"inlineData": {"mimeType": "image/png", "data": "AAAA"}, "thoughtSignature": "aW1n"},
        {"text": "", "thoughtSignature": "ZW5k"},
        {"thoughtSignature": "bGFzdA=="},
        {"text": ""},
        {"somethingNew": {}},
    ).parts == [
        Reasoning(quote("t"), format=GEMINI_FORMAT),
        Text(quote("a")),
        ToolCall("1", "f", "", signature="c2ln"),
        Image(Source(data=quote("AAAA"), media_type="image/png"), signature="aW1n"),
        Text(EMPTY, signature="ZW5k"),
        Text(EMPTY, signature="bGFzdA=="),
    ]


def test_a_sketch_within_a_thought_is_not_an_answer() -> None:
    (found,) = decode({"inlineData": {"mimeType": "image/png", "data": "AAAA"}, "thought": True}).parts
    assert isinstance(found, Opaque)


@pytest.mark.parametrize(
    ("told", "expected"),
    [
        ({"promptTokenCount": 10, "candidatesTokenCount": 4, "totalTokenCount": 14}, Usage(input_tokens=10, output_tokens=4)),
        (
            {"promptTokenCount": 10, "candidatesTokenCount": 4, "thoughtsTokenCount": 6, "totalTokenCount": 20},
            Usage(input_tokens=10, output_tokens=10, reasoning_tokens=6),
        ),
        (
            {"promptTokenCount": 10, "candidatesTokenCount": 10, "thoughtsTokenCount": 6, "totalTokenCount": 20},
            Usage(input_tokens=10, output_tokens=10, reasoning_tokens=6),
        ),
        (
            {"promptTokenCount": 10, "candidatesTokenCount": 1, "toolUsePromptTokenCount": 90, "cachedContentTokenCount": 8},
            Usage(input_tokens=100, output_tokens=1, cache_read_tokens=8),
        ),
        (
            {"promptTokenCount": 10, "totalTokenCount": 16, "thoughtsTokenCount": 6},
            Usage(input_tokens=10, output_tokens=6, reasoning_tokens=6),
        ),
        ({}, Usage()),
    ],
)
def test_thoughts_count_as_output_and_what_tools_read_as_input(told: dict[str, int], expected: Usage) -> None:
    assert usage(**told).usage == expected


def test_counts_beside_the_usage() -> None:
    found = usage(
        toolUsePromptTokenCount=9,
        trafficType="ON_DEMAND_FLEX",
        promptTokensDetails=[{"modality": "TEXT", "tokenCount": 1}, {"modality": "AUDIO", "tokenCount": 2}],
        candidatesTokensDetails=[{"modality": "IMAGE", "tokenCount": 3}, {"modality": "AUDIO", "tokenCount": 4}],
    )
    assert found.details == UsageDetails(audio_input_tokens=2, audio_output_tokens=4, image_output_tokens=3, tool_input_tokens=9)
    assert found.service_tier == "flex"


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"<html>",
        b"[]",
        b'{"usageMetadata":{}}',
        b'{"candidates":[]}',
        b'{"error":{"code":429,"message":"no"}}',
        b'{"candidates":[{"content":{"parts":[{"functionCall":{"args":{}}}]}}]}',
        b'{"candidates":[{"index":"zero"}]}',
    ],
)
def test_what_is_no_reply_is_said_to_be_none(body: bytes) -> None:
    with pytest.raises(InvalidReply):
        decode_response(body)


def test_a_blocked_prompt_is_an_answer_that_a_filter_ended() -> None:
    found = decode_response(b'{"promptFeedback":{"blockReason":"BLOCKLIST"},"responseId":"r"}')
    assert found.candidates == [Candidate(parts=[], finish=FinishReason.CONTENT_FILTER, native_finish="BLOCKLIST")]
    assert (found.id, found.usage) == ("r", None)


def test_a_client_gets_names_usage_and_cost() -> None:
    found = encode(Text(quote("x")), usage=Usage(input_tokens=9, output_tokens=7, reasoning_tokens=3, cache_read_tokens=2))
    assert found["candidates"] == [{"content": {"parts": [{"text": "x"}], "role": "model"}, "finishReason": "STOP", "index": 0}]
    assert (found["modelVersion"], found["responseId"], found["provider"]) == ("vendor/model", "gen-0123456789abcdef0123456789", "Provider")
    assert "metadata" not in found
    assert found["usageMetadata"]["cost"] == 0.25
    counts = {name: count for name, count in found["usageMetadata"].items() if name.endswith("Count")}
    assert counts == {
        "promptTokenCount": 9,
        "candidatesTokenCount": 4,
        "totalTokenCount": 16,
        "cachedContentTokenCount": 2,
        "thoughtsTokenCount": 3,
    }


def test_kinds_of_tokens_are_told_where_there_are_any() -> None:
    details = UsageDetails(audio_input_tokens=4, image_output_tokens=5, tool_input_tokens=10)
    found = json.loads(encode_usage(Usage(input_tokens=30, output_tokens=6), details, COST))
    assert (found["promptTokenCount"], found["toolUsePromptTokenCount"]) == (20, 10)
    assert found["promptTokensDetails"] == [{"modality": "TEXT", "tokenCount": 16}, {"modality": "AUDIO", "tokenCount": 4}]
    assert found["candidatesTokensDetails"] == [{"modality": "TEXT", "tokenCount": 1}, {"modality": "IMAGE", "tokenCount": 5}]


@pytest.mark.parametrize(
    ("finish", "native", "word"),
    [
        (FinishReason.STOP, "end_turn", "STOP"),
        (FinishReason.TOOL_CALLS, "tool_use", "STOP"),
        (FinishReason.LENGTH, "length", "MAX_TOKENS"),
        (FinishReason.CONTENT_FILTER, "refusal", "SAFETY"),
        (FinishReason.CONTENT_FILTER, "RECITATION", "RECITATION"),
        (FinishReason.ERROR, None, "OTHER"),
    ],
)
def test_a_client_gets_googles_word(finish: FinishReason, native: str | None, word: str) -> None:
    assert encode(finish=finish, native=native)["candidates"][0]["finishReason"] == word


def test_calls_get_ids_where_the_upstream_gave_none_and_their_arguments_are_objects() -> None:
    calls = [ToolCall("", "f", '{"a":\n 1}'), ToolCall("x", "f"), ToolCall("", "f", "{oops"), ToolCall("y", "c", "free", "custom")]
    assert encoded_parts(*calls) == [
        {"functionCall": {"id": "call_23456789abcdef0123456789_0", "name": "f", "args": {"a": 1}}},
        {"functionCall": {"id": "x", "name": "f", "args": {}}},
        {"functionCall": {"id": "call_23456789abcdef0123456789_2", "name": "f", "args": {"input": "{oops"}}},
        {"functionCall": {"id": "y", "name": "c", "args": {"input": "free"}}},
    ]


def test_hidden_thoughts_show_nothing_but_keep_their_proof() -> None:
    thoughts = (Reasoning(quote("secret"), "sig", format=ANTHROPIC_FORMAT), Reasoning(quote("secret")))
    shown = encoded_parts(*thoughts)
    assert [part["text"] for part in shown] == ["secret", "secret"]
    hidden = encoded_parts(*thoughts, reasoning=ReasoningOptions(is_hidden=True))
    assert [part["text"] for part in hidden] == [""]
    assert hidden[0]["thoughtSignature"] == shown[0]["thoughtSignature"]


def test_what_has_a_place_is_given() -> None:
    raw = msgspec.Raw(b'{"executableCode":\n{"code":"1"}}')
    found = encoded_parts(
        Refusal(quote("no")),
        Opaque("gemini", "executableCode", raw),
        Opaque("openai", "x", msgspec.Raw(b"{}")),
        Audio(Source(data=quote("AAAA")), id="a", transcript=quote("said")),
        Image(Source(url="https://x/a.png")),
        audio=AudioOutput(format="wav"),
    )
    assert found == [
        {"text": "no"},
        {"executableCode": {"code": "1"}},
        {"inlineData": {"mimeType": "audio/wav", "data": "AAAA"}, "audioTranscription": {"text": "said"}},
        {"fileData": {"fileUri": "https://x/a.png", "mimeType": "image/png"}},
    ]


def test_sources_are_told_in_bytes_of_their_part() -> None:
    cited = Text(
        quote("Zürich"),
        citations=(
            Citation(kind="url", url="https://a", title="A", text_start=1, text_end=3),
            Citation(kind="url", url="https://a", title="A"),
            Citation(kind="document_pages", title="B", cited_text="page"),
        ),
    )
    found = encode(Reasoning(quote("t")), cited)["candidates"][0]["groundingMetadata"]
    assert found["groundingChunks"] == [{"web": {"uri": "https://a", "title": "A"}}, {"retrievedContext": {"title": "B", "text": "page"}}]
    assert found["groundingSupports"] == [
        {"segment": {"partIndex": 1, "startIndex": 1, "endIndex": 4, "text": "ür"}, "groundingChunkIndices": [0]},
        {"segment": {"partIndex": 1, "endIndex": 7, "text": "Zürich"}, "groundingChunkIndices": [0, 1]},
    ]


def test_warnings_are_shown_where_there_are_any() -> None:
    warning = TranslationWarning("unsupported_parameter", "top_k", "No.")
    assert encode(warnings=(warning,))["metadata"] == {"warnings": [{"code": "unsupported_parameter", "param": "top_k", "message": "No."}]}
