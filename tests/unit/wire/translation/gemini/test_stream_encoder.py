"""Events as chunks of generateContent. What whole streams look like is in the golden files."""

import json
from typing import Any

import msgspec
import pytest

from anyrouter.core.errors import Denied
from anyrouter.core.usage import Usage
from anyrouter.wire.form.events import (
    ArgumentsDelta,
    AudioDelta,
    CitationAdded,
    Event,
    Finish,
    LogprobsTold,
    PartEnd,
    PartStart,
    ReasoningDelta,
    RefusalDelta,
    SignatureDelta,
    Start,
    TextDelta,
    UsageTold,
)
from anyrouter.wire.form.parts import Audio, Citation, Image, Opaque, Reasoning, Refusal, Source, Text, ToolCall
from anyrouter.wire.form.reasoning import ANTHROPIC_FORMAT, GEMINI_FORMAT, ReasoningOptions
from anyrouter.wire.form.reply import FinishReason, TokenLogprob, UsageDetails
from anyrouter.wire.form.request import AudioOutput, Request
from anyrouter.wire.form.text import EMPTY, quote
from anyrouter.wire.form.warnings import TranslationWarning
from anyrouter.wire.reply import CostFields, Naming
from anyrouter.wire.translation.codec import ReplyContext
from anyrouter.wire.translation.gemini.signatures import read_signature
from anyrouter.wire.translation.gemini.stream_encoder import GeminiStreamEncoder

COST = CostFields(cost=b"0.25")
STOP = Finish(reason=FinishReason.STOP, native="end_turn")


def make(*, warnings: tuple[TranslationWarning, ...] = (), **asked: Any) -> GeminiStreamEncoder:
    request = Request(**{"dialect": "gemini", "model": "vendor/model", "messages": [], **asked})
    naming = Naming(b'"gen-0123"', b'"vendor/model"', b'"Provider"')
    return GeminiStreamEncoder(ReplyContext(naming=naming, created_s=7, request=request, warnings=warnings))


def chunks(data: bytes) -> list[dict[str, Any]]:
    found = data.decode().split("\r\n\r\n")
    assert found.pop() == ""
    assert all("\n" not in event for event in found)
    return [json.loads(event.removeprefix("data: ")) for event in found]


def parts(*events: Event, **asked: Any) -> list[dict[str, Any]]:
    """The part of each chunk before the last."""
    encoder = make(**asked)
    found = chunks(encoder.encode([Start(), *events, STOP]) + encoder.end(Usage(input_tokens=5, output_tokens=3), COST))
    assert found[-1]["candidates"][0]["content"] == {"parts": [{"text": ""}], "role": "model"}
    return [chunk["candidates"][0]["content"]["parts"][0] for chunk in found[:-1]]


def last(*events: Event, **asked: Any) -> dict[str, Any]:
    encoder = make(**asked)
    found = chunks(encoder.encode([Start(), *events]) + encoder.end(Usage(input_tokens=5, output_tokens=3), COST))
    return found[-1]


def test_nothing_is_written_before_something_is_answered() -> None:
    encoder = make()
    assert encoder.encode([Start(id="x"), PartStart(0, Text(EMPTY)), UsageTold(Usage())]) == b""


def test_the_first_chunk_says_who_answers_and_what_was_left_out() -> None:
    encoder = make(warnings=(TranslationWarning("unsupported_parameter", "top_k", "No."),))
    text = [PartStart(0, Text(EMPTY)), TextDelta(0, quote("a")), TextDelta(0, quote("b"))]
    first, second = chunks(encoder.encode([Start(), *text]))
    assert first == {
        "candidates": [{"content": {"parts": [{"text": "a"}], "role": "model"}, "index": 0}],
        "modelVersion": "vendor/model",
        "responseId": "gen-0123",
        "provider": "Provider",
        "metadata": {"warnings": [{"code": "unsupported_parameter", "param": "top_k", "message": "No."}]},
    }
    assert set(second) == {"candidates", "modelVersion", "responseId"}
    alone = make()
    alone.encode([Start(), STOP])
    assert chunks(alone.end(Usage(), COST))[0]["provider"] == "Provider"


def test_the_last_chunk_has_the_reason_and_the_usage() -> None:
    found = last(
        PartStart(0, Text(EMPTY)),
        TextDelta(0, quote("a")),
        PartEnd(0),
        Finish(reason=FinishReason.LENGTH, native="length"),
        UsageTold(Usage(), UsageDetails(tool_input_tokens=2)),
    )
    assert found["candidates"][0]["finishReason"] == "MAX_TOKENS"
    assert (found["usageMetadata"]["promptTokenCount"], found["usageMetadata"]["toolUsePromptTokenCount"]) == (3, 2)
    assert found["usageMetadata"]["cost"] == 0.25


def test_a_call_is_written_when_it_is_whole() -> None:
    encoder = make()
    assert encoder.encode([Start(), PartStart(0, ToolCall("", "f")), ArgumentsDelta(0, quote('{"a":\n'))]) == b""
    (chunk,) = chunks(encoder.encode([ArgumentsDelta(0, quote(" 1}")), SignatureDelta(0, "c2ln", format=GEMINI_FORMAT), PartEnd(0)]))
    assert chunk["candidates"][0]["content"]["parts"] == [
        {"functionCall": {"id": "call_0123_0", "name": "f", "args": {"a": 1}}, "thoughtSignature": "c2ln"}
    ]
    whole = ToolCall("x", "g", '{"b": 2}')
    (chunk,) = chunks(encoder.encode([PartStart(1, whole), PartEnd(1)]))
    assert chunk["candidates"][0]["content"]["parts"] == [{"functionCall": {"id": "x", "name": "g", "args": {"b": 2}}}]


def test_a_proof_comes_behind_its_thought() -> None:
    found = parts(
        PartStart(0, Reasoning(EMPTY)),
        ReasoningDelta(0, quote("t")),
        SignatureDelta(0, "sig", format=ANTHROPIC_FORMAT),
        PartEnd(0),
        PartStart(1, Reasoning(encrypted="enc", format=ANTHROPIC_FORMAT)),
        PartEnd(1),
        PartStart(2, Text(EMPTY)),
        TextDelta(2, quote("x")),
        SignatureDelta(2, "c2ln", format=GEMINI_FORMAT),
        PartEnd(2),
    )
    assert found[0] == {"text": "t", "thought": True}
    assert (found[1]["text"], found[1]["thought"]) == ("", True)
    assert read_signature(found[1]["thoughtSignature"])[:2] == (ANTHROPIC_FORMAT, "sig")
    assert "text" not in found[2]
    assert found[3:] == [{"text": "x"}, {"text": "", "thoughtSignature": "c2ln"}]


def test_hidden_thoughts_show_nothing_but_keep_their_proof() -> None:
    thought = [PartStart(0, Reasoning(EMPTY)), ReasoningDelta(0, quote("secret"))]
    hidden = {"reasoning": ReasoningOptions(is_hidden=True)}
    assert parts(*thought, PartEnd(0), **hidden) == []
    (found,) = parts(*thought, SignatureDelta(0, "sig", format=ANTHROPIC_FORMAT), PartEnd(0), **hidden)
    assert found["text"] == ""


def test_everything_that_has_a_place_is_given() -> None:
    found = parts(
        PartStart(0, Refusal(EMPTY)),
        RefusalDelta(0, quote("no")),
        PartEnd(0),
        PartStart(1, Image(Source(data=quote("AAAA"), media_type="image/png"))),
        PartEnd(1),
        PartStart(2, Audio(id="a")),
        AudioDelta(2, quote("BBBB"), quote("said")),
        PartEnd(2),
        PartStart(3, Opaque("gemini", "executableCode", msgspec.Raw(b'{"executableCode":\n{}}'))),
        PartEnd(3),
        PartStart(4, Opaque("openai", "x", msgspec.Raw(b"{}"))),
        PartEnd(4),
        PartStart(5, Text(quote("whole"))),
        PartEnd(5),
        audio=AudioOutput(format="mp3"),
    )
    assert found == [
        {"text": "no"},
        {"inlineData": {"mimeType": "image/png", "data": "AAAA"}},
        {"inlineData": {"mimeType": "audio/mpeg", "data": "BBBB"}, "audioTranscription": {"text": "said"}},
        {"executableCode": {}},
        {"text": "whole"},
    ]


def test_sources_count_bytes_of_all_the_text() -> None:
    found = last(
        PartStart(0, Text(EMPTY)),
        TextDelta(0, quote("ü ")),
        PartEnd(0),
        PartStart(1, Text(EMPTY)),
        TextDelta(1, quote("bö")),
        CitationAdded(1, Citation(kind="url", url="https://a", text_start=1, text_end=2)),
        TextDelta(1, quote("se")),
        CitationAdded(1, Citation(kind="url", url="https://b")),
        PartEnd(1),
        STOP,
    )
    assert found["candidates"][0]["groundingMetadata"]["groundingSupports"] == [
        {"segment": {"startIndex": 4, "endIndex": 6, "text": "ö"}, "groundingChunkIndices": [0]},
        {"segment": {"startIndex": 3, "endIndex": 8, "text": "böse"}, "groundingChunkIndices": [1]},
    ]


def test_log_probabilities_stand_on_the_chunk_of_their_text() -> None:
    encoder = make()
    text = [PartStart(0, Text(EMPTY)), LogprobsTold([TokenLogprob("a", -0.5)]), TextDelta(0, quote("a")), TextDelta(0, quote("b"))]
    first, second = chunks(encoder.encode([Start(), *text]))
    assert first["candidates"][0]["logprobsResult"] == {"chosenCandidates": [{"token": "a", "logProbability": -0.5}]}
    assert "logprobsResult" not in second["candidates"][0]
    encoder.encode([LogprobsTold([TokenLogprob("c", -1.0)]), PartEnd(0), STOP])
    assert chunks(encoder.end(Usage(), COST))[0]["candidates"][0]["logprobsResult"]["chosenCandidates"][0]["token"] == "c"


def test_candidates_keep_their_index() -> None:
    encoder = make()
    encoder.encode([Start(), PartStart(0, Text(EMPTY), 1), TextDelta(0, quote("b"), 1), PartEnd(0, 1)])
    encoder.encode([Finish(reason=FinishReason.STOP, candidate=1), PartStart(0, Text(EMPTY)), PartEnd(0), STOP])
    assert [candidate["index"] for candidate in chunks(encoder.end(Usage(), COST))[0]["candidates"]] == [0, 1]


@pytest.mark.parametrize("events", [[], [PartStart(0, Text(EMPTY)), TextDelta(0, quote("a"))]])
def test_a_failure_stands_in_place_of_a_chunk(events: list[Event]) -> None:
    denied = Denied(code="upstream_error", message="It broke.")
    encoder = make()
    encoder.encode([Start(), *events])
    (found,) = chunks(encoder.fail(denied, "req-1"))
    assert list(found) == ["error"]
    assert (found["error"]["code"], found["error"]["message"]) == (502, "It broke.")
