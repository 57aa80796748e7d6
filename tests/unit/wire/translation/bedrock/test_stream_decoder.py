"""Streams of ConverseStream as events. That every split gives the same is a property test's matter."""

import base64
import json
from typing import Any

import pytest

from anyrouter.core.usage import Usage
from anyrouter.sandbox.bedrock.event_stream import encode_message
from anyrouter.wire.form.events import (
    ArgumentsDelta,
    CitationAdded,
    End,
    Event,
    Failure,
    Finish,
    PartEnd,
    PartStart,
    ReasoningDelta,
    SignatureDelta,
    Start,
    TextDelta,
    UsageTold,
)
from anyrouter.wire.form.parts import Citation, Image, Opaque, Reasoning, Source, Text, ToolCall
from anyrouter.wire.form.reasoning import ANTHROPIC_FORMAT
from anyrouter.wire.form.reply import FinishReason
from anyrouter.wire.form.text import EMPTY, quote
from anyrouter.wire.reply import InvalidReply
from anyrouter.wire.translation.bedrock.stream_decoder import BedrockStreamDecoder

STOP = Finish(reason=FinishReason.STOP, native="end_turn")
THOUGHT = Reasoning(EMPTY, format=ANTHROPIC_FORMAT)


def event(kind: str, **members: Any) -> bytes:
    return encode_message({":event-type": kind, ":message-type": "event"}, json.dumps(members).encode())


def begin(index: int, **start: Any) -> bytes:
    return event("contentBlockStart", contentBlockIndex=index, start=start)


def delta(index: int, **told: Any) -> bytes:
    return event("contentBlockDelta", contentBlockIndex=index, delta=told)


def thought(index: int, **told: Any) -> bytes:
    return delta(index, reasoningContent=told)


def end(index: int) -> bytes:
    return event("contentBlockStop", contentBlockIndex=index)


START = event("messageStart", role="assistant")
USAGE = event("metadata", usage={"inputTokens": 3, "outputTokens": 4, "totalTokens": 7}, metrics={"latencyMs": 1})


def finish(reason: str = "end_turn", **members: Any) -> bytes:
    return event("messageStop", stopReason=reason, **members)


def read(*messages: bytes, reason: str = "end_turn") -> list[Event]:
    """What is between `Start` and `Finish`."""
    decoder = BedrockStreamDecoder()
    events = decoder.feed(b"".join([START, *messages, finish(reason), USAGE])) + decoder.eof()
    assert events[0] == Start()
    assert events[-2:] == [UsageTold(Usage(input_tokens=3, output_tokens=4)), End()]
    assert isinstance(events[-3], Finish)
    return events[1:-2]


def test_a_text_is_not_announced() -> None:
    assert read(delta(0, text=""), delta(0, text="a"), delta(0, text="b"), end(0)) == [
        PartStart(0, Text(EMPTY)),
        TextDelta(0, quote("a")),
        TextDelta(0, quote("b")),
        PartEnd(0),
        STOP,
    ]


def test_calls_are_told_in_pieces_and_one_after_the_other() -> None:
    first = [begin(0, toolUse={"toolUseId": "1", "name": "f"}), *(delta(0, toolUse={"input": piece}) for piece in ("", '{"a":', "1}"))]
    found = read(*first, end(0), begin(1, toolUse={"toolUseId": "2", "name": "g"}), end(1))
    assert found == [
        PartStart(0, ToolCall("1", "f", "")),
        ArgumentsDelta(0, quote('{"a":')),
        ArgumentsDelta(0, quote("1}")),
        PartEnd(0),
        PartStart(1, ToolCall("2", "g", "")),
        PartEnd(1),
        Finish(reason=FinishReason.TOOL_CALLS, native="end_turn"),
    ]


def test_a_thought_is_proven_once_at_its_end() -> None:
    assert read(thought(0, text="a"), thought(0, text="b"), thought(0, signature="x"), thought(0, signature="y"), end(0))[:-1] == [
        PartStart(0, THOUGHT),
        ReasoningDelta(0, quote("a")),
        ReasoningDelta(0, quote("b")),
        SignatureDelta(0, "xy", format=ANTHROPIC_FORMAT),
        PartEnd(0),
    ]
    assert read(thought(0, signature="x"), end(0))[:-1] == [
        PartStart(0, THOUGHT),
        SignatureDelta(0, "x", format=ANTHROPIC_FORMAT),
        PartEnd(0),
    ]


def test_pieces_of_a_redacted_thought_are_bytes() -> None:
    pieces = [base64.b64encode(piece).decode() for piece in (b"a", b"bcd")]
    found = read(*(thought(0, redactedContent=piece) for piece in pieces), end(0), delta(1, text="x"), end(1))
    assert found[:2] == [PartStart(0, Reasoning(encrypted=base64.b64encode(b"abcd").decode(), format=ANTHROPIC_FORMAT)), PartEnd(0)]
    assert found[2] == PartStart(1, Text(EMPTY))


def test_a_picture_is_one_piece() -> None:
    pieces = [delta(0, image={"source": {"bytes": base64.b64encode(piece).decode()}}) for piece in (b"a", b"bcd")]
    picture = Image(Source(data=quote(base64.b64encode(b"abcd").decode()), media_type="image/webp"))
    assert read(begin(0, image={"format": "webp"}), *pieces, end(0))[:-1] == [PartStart(0, picture), PartEnd(0)]
    assert read(begin(0, image={"format": "webp"}), end(0)) == [STOP]


def test_a_citation_belongs_to_the_text_that_is_open_even_if_it_comes_first() -> None:
    citation = {"title": "T", "location": {"web": {"url": "https://x"}}}
    assert read(delta(0, citation=citation), delta(0, text="a"), end(0))[:-1] == [
        PartStart(0, Text(EMPTY)),
        CitationAdded(0, Citation(kind="url", url="https://x", title="T")),
        TextDelta(0, quote("a")),
        PartEnd(0),
    ]


def test_what_the_service_runs_itself_is_kept_in_one_piece() -> None:
    call = {"name": "nova_grounding", "type": "server_tool_use"}
    whole = [begin(0, toolUse={"toolUseId": "1", **call}), *(delta(0, toolUse={"input": piece}) for piece in ('{"q":', '"x"}'))]
    broken = [begin(1, toolUse={"toolUseId": "2", **call}), delta(1, toolUse={"input": "{oops"})]
    answer = [begin(2, toolResult={"toolUseId": "1", "type": "t", "status": "success"}), delta(2, toolResult=[{"text": "a"}])]
    found = read(*whole, end(0), *broken, end(1), *answer, delta(2, toolResult=[{"json": {"b": 1}}]), end(2))
    parts = [item.part for item in found if isinstance(item, PartStart)]
    assert all(isinstance(part, Opaque) and part.dialect == "bedrock" for part in parts)
    told = [json.loads(bytes(part.raw)) for part in parts if isinstance(part, Opaque)]
    assert told[0]["toolUse"]["input"] == {"q": "x"}
    assert told[1]["toolUse"]["input"] == "{oops"
    assert told[2] == {"toolResult": {"toolUseId": "1", "type": "t", "status": "success", "content": [{"text": "a"}, {"json": {"b": 1}}]}}
    assert found[-1] == STOP


def test_a_block_ends_where_another_begins_also_without_being_told() -> None:
    found = read(delta(0, text="a"), delta(1, text="b"), end(0))
    assert [type(item) for item in found] == [PartStart, TextDelta, PartEnd, PartStart, TextDelta, PartEnd, Finish]


def test_what_came_into_being_later_is_passed_over() -> None:
    assert read(event("somethingNew", x=1), begin(0), delta(0, text="a"), delta(0, somethingNew=1), end(0), end(7))[1] == TextDelta(
        0, quote("a")
    )


def test_the_stop_sequence_is_told_where_the_model_tells_it() -> None:
    decoder = BedrockStreamDecoder()
    events = decoder.feed(START + finish("stop_sequence", additionalModelResponseFields={"stop_sequence": "END"}))
    assert events[-1] == Finish(reason=FinishReason.STOP, native="stop_sequence", stop_sequence="END")


def test_the_usage_ends_the_stream_and_nothing_follows() -> None:
    decoder = BedrockStreamDecoder()
    events = decoder.feed(START + delta(0, text="a") + end(0) + finish() + USAGE + delta(1, text="b"))
    assert events[-1] == End()
    assert decoder.feed(delta(2, text="c")) == []
    assert decoder.eof() == []


def test_without_usage_the_end_of_the_bytes_ends_it() -> None:
    decoder = BedrockStreamDecoder()
    decoder.feed(START + finish())
    assert decoder.eof() == [End()]


@pytest.mark.parametrize("data", [b"", START, START + delta(0, text="a"), START + finish() + USAGE[:-1], START + USAGE])
def test_a_stream_without_its_stop_was_cut(data: bytes) -> None:
    decoder = BedrockStreamDecoder()
    events = decoder.feed(data) + decoder.eof()
    assert not any(isinstance(item, End) for item in events)
    assert all(not item.is_final for item in events if isinstance(item, UsageTold))


@pytest.mark.parametrize(
    ("headers", "payload", "failure"),
    [
        (
            {":message-type": "exception", ":exception-type": "throttlingException"},
            b'{"message":"Slow down."}',
            Failure(message="Slow down.", code="throttlingException", status=429),
        ),
        (
            {":message-type": "exception", ":exception-type": "modelStreamErrorException"},
            b'{"originalMessage":"It broke.","originalStatusCode":500}',
            Failure(message="It broke.", code="modelStreamErrorException", status=500),
        ),
        (
            {":message-type": "error", ":error-code": "InternalFailure", ":error-message": "An error."},
            b"",
            Failure(message="An error.", code="InternalFailure"),
        ),
        ({":message-type": "exception"}, b"\xff", InvalidReply),
        ({":message-type": "exception"}, b"nonsense", Failure(message="it reported an error inside of the stream")),
    ],
)
def test_an_exception_ends_the_stream(headers: dict[str, str], payload: bytes, failure: Any) -> None:
    decoder = BedrockStreamDecoder()
    data = START + delta(0, text="a") + encode_message(headers, payload) + delta(0, text="b")
    if failure is InvalidReply:
        with pytest.raises(InvalidReply):
            decoder.feed(data)
        return
    assert decoder.feed(data)[-1] == failure
    assert decoder.feed(finish()) == []
    assert decoder.eof() == []


@pytest.mark.parametrize(
    "data",
    [
        delta(0, toolUse={"input": "{}"}),
        begin(0, toolUse={"toolUseId": "1"}),
        thought(0, redactedContent="no base64!"),
        finish() + finish(),
        finish() + delta(0, text="a"),
        encode_message({":event-type": "contentBlockDelta"}, b"\xff"),
        b"event: message_start\ndata: {}\n\n",
    ],
)
def test_what_is_no_stream_is_said_to_be_none(data: bytes) -> None:
    with pytest.raises(InvalidReply):
        BedrockStreamDecoder().feed(START + data)
