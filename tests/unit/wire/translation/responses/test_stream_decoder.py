import json
from collections.abc import Iterable
from typing import Any

import pytest

from anyrouter.core.usage import Usage
from anyrouter.wire.form.events import (
    ArgumentsDelta,
    CitationAdded,
    End,
    Event,
    Failure,
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
from anyrouter.wire.form.parts import Opaque, Reasoning, Refusal, Text, ToolCall
from anyrouter.wire.form.reply import FinishReason
from anyrouter.wire.form.text import EMPTY, quote
from anyrouter.wire.reply import InvalidReply
from anyrouter.wire.translation.responses.stream_decoder import ResponsesStreamDecoder

CREATED = ("response.created", {"response": {"id": "resp_1", "model": "gpt", "created_at": 5.0, "status": "in_progress", "output": []}})
COMPLETED = ("response.completed", {"response": {"id": "resp_1", "status": "completed", "output": []}})
START = Start(id="resp_1", model="gpt", created_s=5)
STOP = [Finish(reason=FinishReason.STOP, native="completed"), End()]


def sse(*events: tuple[str, dict[str, Any]]) -> bytes:
    return b"".join(b"event: %s\ndata: %s\n\n" % (kind.encode(), json.dumps({"type": kind, **told}).encode()) for kind, told in events)


def decode(*events: tuple[str, dict[str, Any]]) -> list[Event]:
    decoder = ResponsesStreamDecoder()
    return [*decoder.feed(sse(*events)), *decoder.eof()]


def added(index: int, kind: str, **told: Any) -> tuple[str, dict[str, Any]]:
    return "response.output_item.added", {"output_index": index, "item": {"type": kind, "id": f"i_{index}", **told}}


def done(index: int, kind: str, **told: Any) -> tuple[str, dict[str, Any]]:
    return "response.output_item.done", {"output_index": index, "item": {"type": kind, "id": f"i_{index}", **told}}


def text(index: int, delta: str, content: int = 0, **told: Any) -> tuple[str, dict[str, Any]]:
    return "response.output_text.delta", {"output_index": index, "content_index": content, "delta": delta, **told}


def part(kind: str, index: int, content: int = 0, what: str = "content_part", **told: Any) -> tuple[str, dict[str, Any]]:
    return f"response.{what}.{kind}", {"output_index": index, "content_index": content, "summary_index": content, "part": told}


def kinds(events: Iterable[Event]) -> list[str]:
    return [type(event).__name__ for event in events]


def test_a_text() -> None:
    assert decode(
        CREATED,
        ("response.in_progress", CREATED[1]),
        added(0, "message", content=[]),
        part("added", 0, type="output_text", text=""),
        text(0, "Hi "),
        text(0, ""),
        text(0, "there"),
        ("response.output_text.done", {"output_index": 0, "content_index": 0, "text": "Hi there"}),
        part("done", 0, type="output_text", text="Hi there"),
        done(0, "message", content=[{"type": "output_text", "text": "Hi there"}]),
        COMPLETED,
    ) == [START, PartStart(0, Text(EMPTY)), TextDelta(0, quote("Hi ")), TextDelta(0, quote("there")), PartEnd(0), *STOP]


def test_parts_of_a_message_are_told_apart_by_their_number() -> None:
    events = decode(
        CREATED,
        added(0, "message"),
        text(0, "a"),
        text(0, "b", 1),
        ("response.refusal.delta", {"output_index": 0, "content_index": 2, "delta": "no"}),
        COMPLETED,
    )
    assert events[1:-2] == [
        PartStart(0, Text(EMPTY)),
        TextDelta(0, quote("a")),
        PartEnd(0),
        PartStart(1, Text(EMPTY)),
        TextDelta(1, quote("b")),
        PartEnd(1),
        PartStart(2, Refusal(EMPTY)),
        RefusalDelta(2, quote("no")),
        PartEnd(2),
    ]


def test_calls_and_their_arguments() -> None:
    events = decode(
        CREATED,
        added(0, "function_call", call_id="c1", name="f", arguments=""),
        ("response.function_call_arguments.delta", {"output_index": 0, "delta": '{"a"'}),
        ("response.function_call_arguments.delta", {"output_index": 0, "delta": ":1}"}),
        ("response.function_call_arguments.done", {"output_index": 0, "arguments": '{"a":1}'}),
        done(0, "function_call", call_id="c1", name="f", arguments='{"a":1}'),
        added(1, "custom_tool_call", call_id="c2", name="g", input=""),
        ("response.custom_tool_call_input.delta", {"output_index": 1, "delta": "x"}),
        done(1, "custom_tool_call", call_id="c2", name="g", input="x"),
        COMPLETED,
    )
    assert events[1:] == [
        PartStart(0, ToolCall("c1", "f", item_id="i_0")),
        ArgumentsDelta(0, quote('{"a"')),
        ArgumentsDelta(0, quote(":1}")),
        PartEnd(0),
        PartStart(1, ToolCall("c2", "g", "", "custom", item_id="i_1")),
        ArgumentsDelta(1, quote("x")),
        PartEnd(1),
        Finish(reason=FinishReason.TOOL_CALLS, native="completed"),
        End(),
    ]


def test_reasoning_stays_open_until_its_proof_is_there() -> None:
    def summary(number: int, delta: str) -> tuple[str, dict[str, Any]]:
        return "response.reasoning_summary_text.delta", {"output_index": 0, "summary_index": number, "delta": delta}

    events = decode(
        CREATED,
        added(0, "reasoning", summary=[], encrypted_content="g"),
        part("added", 0, what="reasoning_summary_part", type="summary_text", text=""),
        summary(0, "a"),
        part("done", 0, what="reasoning_summary_part", type="summary_text", text="a"),
        part("added", 0, 1, "reasoning_summary_part", type="summary_text", text=""),
        summary(1, "b"),
        done(0, "reasoning", summary=[{"text": "a"}, {"text": "b"}], encrypted_content="gAAA"),
        COMPLETED,
    )
    reasoning = Reasoning(text=EMPTY, id="i_0", is_summary=True)
    assert events[1:-2] == [
        PartStart(0, reasoning),
        ReasoningDelta(0, quote("a")),
        PartEnd(0),
        PartStart(1, reasoning),
        ReasoningDelta(1, quote("b")),
        SignatureDelta(1, None, "gAAA", "openai-responses-v1", "i_0"),
        PartEnd(1),
    ]


def test_what_open_models_think_is_text_without_a_proof() -> None:
    events = decode(
        CREATED,
        added(0, "reasoning"),
        part("added", 0, type="reasoning_text", text=""),
        ("response.reasoning_text.delta", {"output_index": 0, "content_index": 0, "delta": "a"}),
        part("done", 0, type="reasoning_text", text="a"),
        done(0, "reasoning", content=[{"type": "reasoning_text", "text": "a"}]),
        COMPLETED,
    )
    assert events[1:-2] == [PartStart(0, Reasoning(text=EMPTY, id="i_0")), ReasoningDelta(0, quote("a")), PartEnd(0)]


def test_a_sealed_proof_is_unsealed() -> None:
    events = decode(
        CREATED,
        ("response.reasoning_text.delta", {"output_index": 0, "content_index": 0, "delta": "a"}),
        done(0, "reasoning", content=[{"text": "a"}], encrypted_content="anyrouter.anthropic-claude-v1..sig"),
        COMPLETED,
    )
    assert SignatureDelta(0, "sig", None, "anthropic-claude-v1") in events


def test_annotations_are_told_once_whether_an_event_tells_them_or_only_the_end() -> None:
    one, other = ({"type": "url_citation", "url": f"https://{name}.com", "title": name, "start_index": 0, "end_index": 1} for name in "ab")
    whole = {"type": "output_text", "text": "xy", "annotations": [one, other]}
    events = decode(
        CREATED,
        added(0, "message"),
        text(0, "xy"),
        ("response.output_text.annotation.added", {"output_index": 0, "content_index": 0, "annotation": one, "annotation_index": 0}),
        part("done", 0, **whole),
        done(0, "message", content=[whole]),
        COMPLETED,
    )
    assert [event.citation.url for event in events if isinstance(event, CitationAdded)] == ["https://a.com", "https://b.com"]
    assert kinds(events[-3:]) == ["PartEnd", "Finish", "End"]


def test_log_probabilities_come_before_their_text() -> None:
    events = decode(CREATED, added(0, "message"), text(0, "a", logprobs=[{"token": "a", "logprob": -1, "top_logprobs": []}]), COMPLETED)
    assert kinds(events[1:]) == ["PartStart", "LogprobsTold", "TextDelta", "PartEnd", "Finish", "End"]
    assert isinstance(events[2], LogprobsTold)


def test_items_of_the_upstreams_own_tools_are_whole_parts() -> None:
    events = decode(
        CREATED,
        added(0, "web_search_call", status="in_progress"),
        ("response.web_search_call.searching", {"output_index": 0, "item_id": "ws_1"}),
        done(0, "web_search_call", status="completed"),
        added(1, "message"),
        text(1, "a"),
        COMPLETED,
    )
    assert kinds(events[1:]) == ["PartStart", "PartEnd", "PartStart", "TextDelta", "PartEnd", "Finish", "End"]
    start = events[1]
    assert isinstance(start, PartStart)
    assert isinstance(start.part, Opaque)
    assert json.loads(bytes(start.part.raw))["status"] == "completed"


def test_items_that_come_in_turns_are_told_one_after_the_other() -> None:
    def arguments(index: int, delta: str) -> tuple[str, dict[str, Any]]:
        return "response.function_call_arguments.delta", {"output_index": index, "delta": delta}

    events = decode(
        CREATED,
        added(0, "function_call", call_id="c0", name="f"),
        added(1, "function_call", call_id="c1", name="g"),
        added(2, "message"),
        arguments(1, "[1"),
        text(2, "x"),
        arguments(0, "[0]"),
        arguments(1, "]"),
        done(2, "message"),
        done(0, "function_call", call_id="c0", name="f"),
        COMPLETED,
    )
    assert events[1:-2] == [
        PartStart(0, ToolCall("c0", "f", item_id="i_0")),
        ArgumentsDelta(0, quote("[0]")),
        PartEnd(0),
        PartStart(1, ToolCall("c1", "g", item_id="i_1")),
        ArgumentsDelta(1, quote("[1")),
        ArgumentsDelta(1, quote("]")),
        PartEnd(1),
        PartStart(2, Text(EMPTY)),
        TextDelta(2, quote("x")),
        PartEnd(2),
    ]


def test_what_is_told_only_when_it_is_whole_is_read_then() -> None:
    events = decode(
        CREATED,
        added(0, "message"),
        ("response.output_text.done", {"output_index": 0, "content_index": 0, "text": "a"}),
        done(0, "message", content=[{"type": "output_text", "text": "a"}]),
        added(1, "function_call", call_id="c", name="f"),
        done(1, "function_call", call_id="c", name="f", arguments="{}"),
        done(2, "reasoning", summary=[{"text": "b"}], encrypted_content="g"),
        done(3, "message", content=[{"type": "refusal", "refusal": "no"}]),
        COMPLETED,
    )
    assert [event.text for event in events if isinstance(event, TextDelta | ArgumentsDelta | ReasoningDelta | RefusalDelta)] == [
        quote(said) for said in ("a", "{}", "b", "no")
    ]
    assert events.count(PartEnd(3)) == 1


def test_a_stream_that_is_nothing_but_its_end() -> None:
    response = {"id": "resp_1", "status": "completed", "output": [{"type": "message", "content": [{"type": "output_text", "text": "a"}]}]}
    events = decode(("response.completed", {"response": response}))
    assert kinds(events) == ["Start", "PartStart", "TextDelta", "PartEnd", "Finish", "End"]


def test_the_end_tells_why_and_what_was_used() -> None:
    response = {
        "id": "resp_1",
        "status": "incomplete",
        "incomplete_details": {"reason": "max_output_tokens"},
        "usage": {"input_tokens": 3, "output_tokens": 2},
    }
    assert decode(CREATED, added(0, "message"), text(0, "a"), ("response.incomplete", {"response": response}))[-4:] == [
        PartEnd(0),
        Finish(reason=FinishReason.LENGTH, native="max_output_tokens"),
        UsageTold(Usage(input_tokens=3, output_tokens=2)),
        End(),
    ]


@pytest.mark.parametrize(
    ("event", "message", "code"),
    [
        (("error", {"error": {"type": "t", "code": "insufficient_quota", "message": "No."}}), "No.", "insufficient_quota"),
        (("error", {"code": "rate_limit_exceeded", "message": "No.", "param": None}), "No.", "rate_limit_exceeded"),
        (
            ("response.failed", {"response": {"status": "failed", "error": {"code": "server_error", "message": "No."}}}),
            "No.",
            "server_error",
        ),
        (("response.cancelled", {"response": {"status": "cancelled"}}), "the response did not complete", None),
        (("error", {"error": "It broke."}), "It broke.", None),
        (("error", {}), "the response did not complete", None),
    ],
)
def test_a_failure_ends_the_stream(event: tuple[str, dict[str, Any]], message: str, code: str | None) -> None:
    events = decode(CREATED, added(0, "message"), text(0, "a"), event, text(0, "b"), COMPLETED)
    assert events[-1] == Failure(message=message, code=code)
    assert kinds(events) == ["Start", "PartStart", "TextDelta", "Failure"]


def test_an_error_without_a_type_is_a_failure_too() -> None:
    decoder = ResponsesStreamDecoder()
    assert decoder.feed(b'data: {"error":{"message":"No.","code":500}}\n\n') == [Failure(message="No.", code=None, status=500)]


def test_comments_unknown_events_and_done_mean_nothing() -> None:
    decoder = ResponsesStreamDecoder()
    stream = b": ping\n\n" + sse(CREATED, ("response.novelty", {"x": 1}), ("keepalive", {}))
    stream += sse(added(0, "message"), text(0, "a")).replace(b"\n", b"\r\n") + b"data: [DONE]\n\n" + sse(COMPLETED)
    assert kinds(decoder.feed(stream)) == ["Start", "PartStart", "TextDelta", "PartEnd", "Finish", "End"]
    assert decoder.feed(sse(CREATED)) == decoder.eof() == []


def test_a_last_event_without_its_line_end_is_read_at_the_end() -> None:
    decoder = ResponsesStreamDecoder()
    assert kinds(decoder.feed(sse(CREATED, COMPLETED)[:-2])) == ["Start"]
    assert kinds(decoder.eof()) == ["Finish", "End"]


@pytest.mark.parametrize(
    "stream",
    [
        b"<html>\n\n",
        b'data: {"object":"chat.completion.chunk","choices":[]}\n\n',
        sse(("response.function_call_arguments.delta", {"output_index": 0, "delta": "x"})),
        sse(added(0, "function_call", call_id="c")),
        sse(("response.completed", {})),
        b"data: \xff\n\n",
    ],
)
def test_what_is_no_such_stream_is_invalid(stream: bytes) -> None:
    with pytest.raises(InvalidReply):
        ResponsesStreamDecoder().feed(stream)
