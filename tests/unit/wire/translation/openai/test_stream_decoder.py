"""Streams of chat completions as events. That every split gives the same is a property test's matter."""

import json
from typing import Any

import msgspec
import pytest

from anyrouter.core.usage import Usage
from anyrouter.wire.form.events import (
    ArgumentsDelta,
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
from anyrouter.wire.form.parts import Reasoning, Text, ToolCall
from anyrouter.wire.form.reasoning import GEMINI_FORMAT
from anyrouter.wire.form.reply import FinishReason, UsageDetails
from anyrouter.wire.form.text import EMPTY, quote, unquote
from anyrouter.wire.reply import InvalidReply
from anyrouter.wire.translation.openai.stream_decoder import OpenAIStreamDecoder

DONE = b"data: [DONE]\n\n"


def chunk(delta: dict[str, Any], finish: str | None = None, index: int = 0, **more: Any) -> bytes:
    choice = {"index": index, "delta": delta, "finish_reason": finish}
    return b"data: %s\n\n" % json.dumps({"id": "x", "model": "m", "choices": [choice], **more}).encode()


def read(*chunks: bytes) -> list[Event]:
    decoder = OpenAIStreamDecoder()
    events = decoder.feed(b"".join(chunks)) + decoder.eof()
    assert isinstance(events[0], Start)
    return events[1:]


def call(index: int | None = 0, call_id: str | None = None, name: str | None = None, arguments: Any = None, **more: Any) -> dict[str, Any]:
    told = {name_: value for name_, value in (("name", name), ("arguments", arguments)) if value is not None}
    return {"tool_calls": [{"index": index, "id": call_id, "function": told, **more}]}


STOP = Finish(reason=FinishReason.STOP, native="stop")
CALLS = Finish(reason=FinishReason.TOOL_CALLS, native="tool_calls")


def test_text_is_one_part_from_its_first_to_its_last_piece() -> None:
    assert read(chunk({"role": "assistant", "content": ""}), chunk({"content": "a"}), chunk({"content": "b"}), chunk({}, "stop"), DONE) == [
        PartStart(0, Text(EMPTY)),
        TextDelta(0, quote("a")),
        TextDelta(0, quote("b")),
        PartEnd(0),
        STOP,
        End(),
    ]


def test_what_the_upstream_is_called_is_told_once_at_the_start() -> None:
    decoder = OpenAIStreamDecoder()
    event = decoder.feed(chunk({"content": "a"}, created=5, service_tier="flex", system_fingerprint="fp"))[0]
    assert event == Start(id="x", model="m", created_s=5, service_tier="flex", system_fingerprint="fp")
    assert not any(isinstance(event, Start) for event in decoder.feed(chunk({"content": "a"})))


def test_a_call_is_told_with_its_pieces_and_ends_before_the_next_begins() -> None:
    assert read(
        chunk(call(0, "a", "f", "")),
        chunk(call(0, None, None, '{"x":')),
        chunk(call(0, None, None, "1}")),
        chunk(call(1, "b", "g", "{}")),
        chunk({}, "tool_calls"),
        DONE,
    ) == [
        PartStart(0, ToolCall("a", "f")),
        ArgumentsDelta(0, quote('{"x":')),
        ArgumentsDelta(0, quote("1}")),
        PartEnd(0),
        PartStart(1, ToolCall("b", "g")),
        ArgumentsDelta(1, quote("{}")),
        PartEnd(1),
        CALLS,
        End(),
    ]


def test_calls_that_come_in_turns_are_put_one_after_the_other() -> None:
    assert read(
        chunk({"tool_calls": [call(number, identity, identity, "")["tool_calls"][0] for number, identity in enumerate("abc")]}),
        chunk(call(2, None, None, "[3]")),
        chunk(call(1, None, None, "[2")),
        chunk(call(0, None, None, "[1]")),
        chunk(call(1, None, None, "]")),
        chunk({}, "tool_calls"),
        DONE,
    ) == [
        PartStart(0, ToolCall("a", "a")),
        ArgumentsDelta(0, quote("[1]")),
        PartEnd(0),
        PartStart(1, ToolCall("b", "b")),
        ArgumentsDelta(1, quote("[2")),
        ArgumentsDelta(1, quote("]")),
        PartEnd(1),
        PartStart(2, ToolCall("c", "c")),
        ArgumentsDelta(2, quote("[3]")),
        PartEnd(2),
        CALLS,
        End(),
    ]


def test_a_name_may_come_behind_its_call() -> None:
    found = read(chunk(call(0, "a")), chunk(call(0, None, "f", "{}")), chunk({}, "stop"), DONE)
    assert found[:2] == [PartStart(0, ToolCall("a", "f")), ArgumentsDelta(0, quote("{}"))]


def test_a_call_without_a_name_is_no_call() -> None:
    with pytest.raises(InvalidReply, match="no name"):
        read(chunk(call(0, "a", None, "{}")), chunk({}, "stop"))


def test_calls_that_all_have_one_number_are_told_apart_by_their_ids() -> None:
    found = read(
        chunk(call(0, "a", "f", "{}")), chunk(call(0, "b", "g", "{}")), chunk(call(None, None, None, " ")), chunk({}, "stop"), DONE
    )
    assert [event.part for event in found if isinstance(event, PartStart)] == [ToolCall("a", "f"), ToolCall("b", "g")]
    assert found[-2] == Finish(reason=FinishReason.TOOL_CALLS, native="stop")


def test_arguments_of_a_call_that_has_ended_are_a_mistake_unless_they_say_nothing() -> None:
    begun = [chunk(call(0, "a", "f", "{}")), chunk(call(1, "b", "g", ""))]
    read(*begun, chunk(call(0, None, None, "\n ")), chunk({}, "tool_calls"), DONE)
    with pytest.raises(InvalidReply, match="had ended"):
        read(*begun, chunk(call(0, None, None, "{}")))


def test_arguments_that_are_an_object_are_its_text() -> None:
    assert read(chunk(call(0, "a", "f", {"x": 1})), chunk({}, "stop"), DONE)[1] == ArgumentsDelta(0, quote('{"x": 1}'))


def test_text_behind_a_call_is_a_part_of_its_own() -> None:
    found = read(chunk({"content": "a"}), chunk(call(0, "a", "f", '{"x')), chunk({"content": "b"}), chunk({}, "stop"), DONE)
    assert [(type(event), getattr(event, "index", None)) for event in found[:8]] == [
        (PartStart, 0),
        (TextDelta, 0),
        (PartEnd, 0),
        (PartStart, 1),
        (ArgumentsDelta, 1),
        (PartEnd, 1),
        (PartStart, 2),
        (TextDelta, 2),
    ]


@pytest.mark.parametrize("name", ["reasoning", "reasoning_content"])
def test_thinking_is_a_part_before_the_text(name: str) -> None:
    assert read(chunk({name: "a", "content": None}), chunk({name: "b", "content": ""}), chunk({"content": "c"}), chunk({}, "stop"), DONE)[
        :5
    ] == [
        PartStart(0, Reasoning(text=EMPTY)),
        ReasoningDelta(0, quote("a")),
        ReasoningDelta(0, quote("b")),
        PartEnd(0),
        PartStart(1, Text(EMPTY)),
    ]


def test_thinking_that_is_told_twice_counts_once() -> None:
    detail = {"type": "reasoning.text", "text": "a", "index": 0, "format": "unknown"}
    found = read(chunk({"reasoning": "a", "reasoning_details": [detail]}), chunk({}, "stop"), DONE)
    assert [event.text for event in found if isinstance(event, ReasoningDelta)] == [quote("a")]


def test_details_of_another_index_or_kind_are_parts_of_their_own() -> None:
    details = [
        {"type": "reasoning.text", "text": "a", "index": 0},
        {"type": "reasoning.text", "text": "b", "index": 1},
        {"type": "reasoning.summary", "summary": "c", "index": 1},
        {"type": "reasoning.encrypted", "data": "d", "index": 2},
    ]
    found = read(*(chunk({"reasoning_details": [detail]}) for detail in details), chunk({}, "stop"), DONE)
    assert [event.part for event in found if isinstance(event, PartStart)] == [
        Reasoning(text=EMPTY),
        Reasoning(text=EMPTY),
        Reasoning(text=EMPTY, is_summary=True),
        Reasoning(encrypted="d"),
    ]


@pytest.mark.parametrize("at", [0, 1, 2, 3])
def test_geminis_proof_of_a_call_is_not_lost_whenever_it_comes(at: int) -> None:
    proof = chunk({"reasoning_details": [{"type": "reasoning.encrypted", "data": "p", "id": "a", "format": GEMINI_FORMAT}]})
    chunks = [chunk(call(0, "a", "f", "")), chunk(call(0, None, None, "{}")), chunk(call(1, "b", "g", "{}"))]
    found = read(*chunks[:at], proof, *chunks[at:], chunk({}, "tool_calls"), DONE)
    started = [event.part for event in found if isinstance(event, PartStart)]
    if at == 0:
        assert started[0] == ToolCall("a", "f", signature="p")
    elif at < 3:
        assert SignatureDelta(0, "p", format=GEMINI_FORMAT) in found
    else:
        assert Reasoning(encrypted="p", id="a", format=GEMINI_FORMAT) in started


def test_a_proof_of_a_call_that_never_comes_is_told_before_the_end() -> None:
    proof = {"type": "reasoning.encrypted", "data": "p", "id": "a", "format": GEMINI_FORMAT}
    found = read(chunk({"content": "x", "reasoning_details": [proof]}), chunk({}, "stop"), DONE)
    assert found[-4:] == [PartStart(1, Reasoning(encrypted="p", id="a", format=GEMINI_FORMAT)), PartEnd(1), STOP, End()]


def test_usage_is_final_when_the_generation_has_ended() -> None:
    usage = {
        "prompt_tokens": 3,
        "completion_tokens": 2,
        "total_tokens": 5,
        "completion_tokens_details": {"audio_tokens": 1, "reasoning_tokens": 1},
    }
    told = Usage(input_tokens=3, output_tokens=2, reasoning_tokens=1)
    details = UsageDetails(audio_output_tokens=1)
    assert read(chunk({"content": "a"}, usage=usage))[-1] == UsageTold(told, details, is_final=False)
    assert read(chunk({"content": "a"}, "stop", usage=usage))[-2:] == [UsageTold(told, details), End()]
    last = b"data: %s\n\n" % json.dumps({"choices": [], "usage": usage}).encode()
    assert read(chunk({"content": "a"}, "stop"), last, DONE)[-2:] == [UsageTold(told, details), End()]


def test_a_stream_that_only_says_done_has_stopped_by_itself() -> None:
    assert read(chunk({"content": "a"}), DONE)[-2:] == [Finish(reason=FinishReason.STOP), End()]


def test_nothing_follows_the_end_or_a_failure() -> None:
    decoder = OpenAIStreamDecoder()
    decoder.feed(chunk({"content": "a"}, "stop") + DONE)
    assert decoder.feed(chunk({"content": "b"})) == decoder.eof() == []
    decoder = OpenAIStreamDecoder()
    assert decoder.feed(b'data: {"error":{"message":"no","code":"overloaded"}}\n\n' + DONE) == [Failure(message="no", code="overloaded")]
    assert decoder.feed(DONE) == decoder.eof() == []


def test_what_comes_behind_a_finish_is_passed_over() -> None:
    assert read(chunk({"content": "a"}, "stop"), chunk({"content": "b"}, "length"), DONE)[-2:] == [STOP, End()]


def test_every_candidate_counts_its_own_parts_and_ends_by_itself() -> None:
    found = read(chunk({"content": "a"}), chunk({"content": "b"}, index=1), chunk({}, "stop"), chunk({}, "length", 1))
    assert [event.candidate for event in found if isinstance(event, TextDelta | PartEnd | Finish)] == [0, 1, 0, 0, 1, 1]
    assert found[-1] == End()
    assert not any(isinstance(event, End) for event in read(chunk({"content": "a"}, "stop"), chunk({"content": "b"}, index=1)))


def test_a_comment_is_no_event() -> None:
    decoder = OpenAIStreamDecoder()
    assert decoder.feed(b": OPENROUTER PROCESSING\n\n") == []
    with pytest.raises(InvalidReply):
        decoder.feed(b"rubbish\n\n")


def test_a_list_for_content_is_text_and_thinking() -> None:
    content = [{"type": "thinking", "thinking": [{"type": "text", "text": "a"}]}, {"type": "text", "text": "b"}]
    found = read(chunk({"content": content}), chunk({}, "stop"), DONE)
    assert [event for event in found if isinstance(event, ReasoningDelta | TextDelta)] == [
        ReasoningDelta(0, quote("a")),
        TextDelta(1, quote("b")),
    ]


def test_an_event_that_differs_in_its_text_alone_is_read_without_being_parsed_and_says_the_same() -> None:
    pieces = ["a", "ü👋", 'quotes " and \\', "\n\t\x00", "data: [DONE]", "", '"content":"x"', "é" * 3000, "z"]
    decoder = OpenAIStreamDecoder()
    decoder.feed(chunk({"content": "first"}))
    for piece in pieces:
        for is_ascii in (True, False):
            choice = {"index": 0, "delta": {"content": piece}, "finish_reason": None}
            event = b"data: %s\n\n" % json.dumps({"id": "x", "model": "m", "choices": [choice]}, ensure_ascii=is_ascii).encode()
            assert [unquote(delta.text) for delta in decoder.feed(event) if isinstance(delta, TextDelta)] == ([piece] if piece else [])


@pytest.mark.parametrize("text", [b'"\xff"', b'"\\x"', b'"\n"', b'"a" "b"', b'"\\ud800"', b"7x"])
def test_an_event_like_the_one_before_is_still_refused_where_its_text_is_none(text: bytes) -> None:
    decoder = OpenAIStreamDecoder()
    for piece in ("a", "b"):
        decoder.feed(chunk({"content": piece}))
    before, behind = chunk({"content": "c"}).split(b'"c"')
    with pytest.raises((InvalidReply, msgspec.DecodeError)):
        decoder.feed(before + text + behind)


def test_what_stands_around_a_text_may_change_at_any_time() -> None:
    decoder = OpenAIStreamDecoder()
    for _ in range(3):
        decoder.feed(chunk({"content": "a"}))
    assert decoder.feed(chunk({"content": "b"}, "length"))[-1] == Finish(reason=FinishReason.LENGTH, native="length")
    assert decoder.feed(chunk({"content": "c"})) == []
    decoder = OpenAIStreamDecoder()
    decoder.feed(chunk({"content": "a"}) + chunk({"content": "a"}))
    decoder.feed(chunk({"reasoning": "b"}))
    assert [type(event) for event in decoder.feed(chunk({"content": "c"}))] == [PartEnd, PartStart, TextDelta]
