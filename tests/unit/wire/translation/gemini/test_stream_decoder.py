"""Streams of generateContent as events. That every split gives the same is a property test's matter."""

import json
from typing import Any

import msgspec
import pytest

from anyrouter.core.usage import Usage
from anyrouter.wire.form.events import (
    AudioDelta,
    CitationAdded,
    End,
    Event,
    Failure,
    Finish,
    LogprobsTold,
    PartEnd,
    PartStart,
    ReasoningDelta,
    SignatureDelta,
    Start,
    TextDelta,
    UsageTold,
)
from anyrouter.wire.form.parts import Audio, Citation, Image, Reasoning, Source, Text, ToolCall
from anyrouter.wire.form.reasoning import GEMINI_FORMAT
from anyrouter.wire.form.reply import FinishReason, TokenLogprob, UsageDetails
from anyrouter.wire.form.text import EMPTY, quote
from anyrouter.wire.reply import InvalidReply
from anyrouter.wire.translation.gemini.stream_decoder import GeminiStreamDecoder

STOP = Finish(reason=FinishReason.STOP, native="STOP")


def event(body: dict[str, Any]) -> bytes:
    return b"data: %s\r\n\r\n" % json.dumps(body).encode()


def chunk(*parts: dict[str, Any], finish: str | None = None, index: int = 0, usage: Any = None, **members: Any) -> bytes:
    candidate = {"content": {"parts": list(parts), "role": "model"}, "finishReason": finish, "index": index, **members}
    return event({"candidates": [candidate], "modelVersion": "m", "responseId": "r", **({"usageMetadata": usage} if usage else {})})


def read(*chunks: bytes) -> list[Event]:
    """What is between `Start` and `End`."""
    decoder = GeminiStreamDecoder()
    events = decoder.feed(b"".join(chunks)) + decoder.eof()
    assert isinstance(events[0], Start)
    assert isinstance(events[-1], End)
    return events[1:-1]


def test_a_text_is_one_part_and_the_end_of_the_bytes_ends_it() -> None:
    assert read(chunk({"text": "a"}), chunk({"text": "b"}, {"text": ""}), chunk({"text": "c"}, finish="STOP")) == [
        PartStart(0, Text(EMPTY)),
        TextDelta(0, quote("a")),
        TextDelta(0, quote("b")),
        TextDelta(0, quote("c")),
        PartEnd(0),
        STOP,
    ]


def test_the_first_chunk_says_who_answers_and_what_the_prompt_took() -> None:
    decoder = GeminiStreamDecoder()
    names = {"modelVersion": "m", "responseId": "r", "createTime": "1970-01-01T00:00:07Z"}
    first = event({"candidates": [{}], **names, "usageMetadata": {"promptTokenCount": 5}})
    assert decoder.feed(first) == [Start(id="r", model="m", created_s=7, usage=Usage(input_tokens=5))]


def test_thoughts_text_and_calls_follow_each_other() -> None:
    found = read(
        chunk({"text": "t", "thought": True}),
        chunk({"text": "x"}),
        chunk({"functionCall": {"name": "f", "args": {"a": 1}}, "thoughtSignature": "c2ln"}, {"functionCall": {"name": "g", "id": "2"}}),
        chunk({"text": "y"}, finish="STOP"),
    )
    assert found == [
        PartStart(0, Reasoning(EMPTY, format=GEMINI_FORMAT)),
        ReasoningDelta(0, quote("t")),
        PartEnd(0),
        PartStart(1, Text(EMPTY)),
        TextDelta(1, quote("x")),
        PartEnd(1),
        PartStart(2, ToolCall("", "f", '{"a":1}', signature="c2ln")),
        PartEnd(2),
        PartStart(3, ToolCall("2", "g", "")),
        PartEnd(3),
        PartStart(4, Text(EMPTY)),
        TextDelta(4, quote("y")),
        PartEnd(4),
        Finish(reason=FinishReason.TOOL_CALLS, native="STOP"),
    ]


def test_a_proof_belongs_to_what_it_came_behind_and_what_follows_is_another_part() -> None:
    found = read(
        chunk({"text": "t", "thought": True, "thoughtSignature": "b25l"}),
        chunk({"text": "a"}),
        chunk({"text": "", "thoughtSignature": "dHdv"}),
        chunk({"text": "b"}, finish="STOP"),
    )
    assert found == [
        PartStart(0, Reasoning(EMPTY, format=GEMINI_FORMAT)),
        ReasoningDelta(0, quote("t")),
        SignatureDelta(0, "b25l", format=GEMINI_FORMAT),
        PartEnd(0),
        PartStart(1, Text(EMPTY)),
        TextDelta(1, quote("a")),
        SignatureDelta(1, "dHdv", format=GEMINI_FORMAT),
        PartEnd(1),
        PartStart(2, Text(EMPTY)),
        TextDelta(2, quote("b")),
        PartEnd(2),
        STOP,
    ]


def test_a_proof_alone_is_a_part() -> None:
    assert read(chunk({"thoughtSignature": "c2ln"}, finish="STOP")) == [
        PartStart(0, Text(EMPTY)),
        SignatureDelta(0, "c2ln", format=GEMINI_FORMAT),
        PartEnd(0),
        STOP,
    ]


def test_usage_is_the_last_that_was_told() -> None:
    usage = {"promptTokenCount": 3, "candidatesTokenCount": 2, "thoughtsTokenCount": 4, "toolUsePromptTokenCount": 1}
    grounding = {"webSearchQueries": ["a", "b"]}
    found = read(chunk({"text": "a"}, usage={"promptTokenCount": 3}), chunk(finish="STOP", usage=usage, groundingMetadata=grounding))
    assert found[-1] == UsageTold(
        Usage(input_tokens=4, output_tokens=6, reasoning_tokens=4), UsageDetails(tool_input_tokens=1, web_searches=2), is_final=True
    )


def test_sources_are_told_at_the_end_in_code_points_of_the_whole_text() -> None:
    grounding = {
        "groundingChunks": [{"web": {"uri": "https://a", "title": "A"}}],
        "groundingSupports": [{"segment": {"startIndex": 3, "endIndex": 6, "text": "bc"}, "groundingChunkIndices": [0]}],
    }
    found = read(chunk({"text": "aü"}), chunk({"text": "bc"}), chunk(finish="STOP", groundingMetadata=grounding))
    assert found[3] == CitationAdded(0, Citation(kind="url", url="https://a", title="A", text_start=2, text_end=4))
    behind = read(chunk({"functionCall": {"name": "f"}}), chunk(finish="STOP", groundingMetadata=grounding))
    assert behind[2:5] == [
        PartStart(1, Text(EMPTY)),
        CitationAdded(1, Citation(kind="url", url="https://a", title="A")),
        PartEnd(1),
    ]


def test_sound_comes_in_pieces_and_pictures_whole() -> None:
    sound = {"inlineData": {"mimeType": "audio/L16;rate=24000", "data": "AAAA"}}
    picture = {"inlineData": {"mimeType": "image/png", "data": "BBBB"}}
    assert read(chunk(sound), chunk(sound), chunk(picture, finish="STOP")) == [
        PartStart(0, Audio(format="pcm16")),
        AudioDelta(0, quote("AAAA")),
        AudioDelta(0, quote("AAAA")),
        PartEnd(0),
        PartStart(1, Image(Source(data=quote("BBBB"), media_type="image/png"))),
        PartEnd(1),
        STOP,
    ]


def test_log_probabilities_come_before_their_text() -> None:
    logprobs = {"chosenCandidates": [{"token": "a", "logProbability": -0.5}]}
    assert read(chunk({"text": "a"}, finish="STOP", logprobsResult=logprobs))[0] == LogprobsTold([TokenLogprob("a", -0.5)])


def test_candidates_are_told_apart() -> None:
    found = read(chunk({"text": "a"}), chunk({"text": "b"}, index=1, finish="MAX_TOKENS"), chunk(finish="STOP"))
    assert [item for item in found if isinstance(item, Finish)] == [
        STOP,
        Finish(reason=FinishReason.LENGTH, native="MAX_TOKENS", candidate=1),
    ]


def test_a_blocked_prompt_is_an_answer_that_a_filter_ended() -> None:
    found = read(event({"promptFeedback": {"blockReason": "SAFETY"}, "usageMetadata": {"promptTokenCount": 3}}))
    assert found == [
        Finish(reason=FinishReason.CONTENT_FILTER, native="SAFETY"),
        UsageTold(Usage(input_tokens=3)),
    ]


@pytest.mark.parametrize(
    "chunks",
    [
        [],
        [chunk({"text": "a"})],
        [chunk({"text": "a"}), chunk({"text": "b"}, index=1, finish="STOP")],
        [chunk({"text": "a"}, finish="FINISH_REASON_UNSPECIFIED")],
        [event({"usageMetadata": {"promptTokenCount": 3}})],
    ],
)
def test_a_stream_without_every_reason_to_finish_was_cut(chunks: list[bytes]) -> None:
    decoder = GeminiStreamDecoder()
    events = decoder.feed(b"".join(chunks)) + decoder.eof()
    assert not any(isinstance(item, End | Finish) for item in events)
    assert all(not item.is_final for item in events if isinstance(item, UsageTold))


def test_an_unfinished_last_event_counts_when_it_is_json() -> None:
    whole = chunk({"text": "a"}, finish="STOP").rstrip(b"\r\n")
    assert read(whole)[-1] == STOP
    decoder = GeminiStreamDecoder()
    decoder.feed(whole[:-5])
    with pytest.raises(msgspec.DecodeError):
        decoder.eof()


@pytest.mark.parametrize(
    ("data", "failure"),
    [
        (
            event({"error": {"code": 503, "message": "Busy.", "status": "UNAVAILABLE"}}),
            Failure(message="Busy.", code="UNAVAILABLE", status=503),
        ),
        (b'{"error": {"code": 429,\n "message": "Slow."}}\n', Failure(message="Slow.", status=429)),
        (b'[{"error":{"message":"No.","status":"INTERNAL"}}]\n\n', Failure(message="No.", code="INTERNAL")),
        (event({"error": "odd"}), Failure(message="odd")),
    ],
)
def test_an_error_in_place_of_a_chunk_ends_the_stream(data: bytes, failure: Failure) -> None:
    decoder = GeminiStreamDecoder()
    events = decoder.feed(chunk({"text": "a"}) + data) + decoder.eof()
    assert events[-1] == failure
    assert decoder.feed(chunk({"text": "b"}, finish="STOP")) == []
    assert decoder.eof() == []


@pytest.mark.parametrize("data", [b"<html>\n\n", b"data: nonsense\n\n", b"data: []\n\ndata: 7\n\n", b"data: \xff\n\n"])
def test_what_is_no_stream_is_said_to_be_none(data: bytes) -> None:
    with pytest.raises((InvalidReply, msgspec.DecodeError)):
        GeminiStreamDecoder().feed(data)


def test_comments_and_other_fields_are_passed_over() -> None:
    assert read(b": hello\n\nid: 3\n\nevent: message\n" + chunk({"text": "a"}, finish="STOP"))[1] == TextDelta(0, quote("a"))
