import json
from typing import Any

import pytest
from msgspec import Raw

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
from anyrouter.wire.form.reasoning import ReasoningOptions
from anyrouter.wire.form.reply import FinishReason, TokenLogprob, UsageDetails
from anyrouter.wire.form.request import Request
from anyrouter.wire.form.text import EMPTY, quote
from anyrouter.wire.form.tools import CustomTool
from anyrouter.wire.form.warnings import TranslationWarning
from anyrouter.wire.reply import CostFields, Naming
from anyrouter.wire.translation.codec import ReplyContext
from anyrouter.wire.translation.responses.stream_encoder import ResponsesStreamEncoder

NAMING = Naming(b'"gen-0"', b'"vendor/model"', b'"Provider"')
COST = CostFields(cost=b"0.5")
TEXT = PartStart(0, Text(EMPTY))
STOP = Finish(reason=FinishReason.STOP)


def encoder(request: Request | None = None, warnings: tuple[TranslationWarning, ...] = ()) -> ResponsesStreamEncoder:
    asked = request or Request(dialect="responses", model="m", messages=[])
    return ResponsesStreamEncoder(ReplyContext(naming=NAMING, created_s=7, request=asked, warnings=warnings))


def read(data: bytes) -> list[dict[str, Any]]:
    return [json.loads(block.split("data: ", 1)[1]) for block in data.decode().split("\n\n") if block]


def write(*events: Event, request: Request | None = None) -> list[dict[str, Any]]:
    one = encoder(request)
    return read(one.encode(events) + one.end(Usage(input_tokens=3, output_tokens=2), COST))


def kinds(events: list[dict[str, Any]]) -> list[str]:
    return [event["type"].removeprefix("response.") for event in events]


def test_nothing_is_written_before_the_first_part() -> None:
    one = encoder()
    assert one.encode([Start(id="x", created_s=9, service_tier="flex"), LogprobsTold([])]) == b""
    events = read(one.encode([TEXT]))
    assert kinds(events) == ["created", "in_progress", "output_item.added", "content_part.added"]
    response = events[0]["response"]
    assert (response["id"], response["created_at"], response["service_tier"], response["status"]) == ("gen-0", 9, "flex", "in_progress")
    assert (response["output"], response["usage"]) == ([], None)
    assert events[1]["response"] == response


def test_a_text() -> None:
    events = write(TEXT, TextDelta(0, quote("Hi ")), TextDelta(0, quote('"you"')), PartEnd(0), STOP)
    assert kinds(events)[2:] == [
        "output_item.added",
        "content_part.added",
        "output_text.delta",
        "output_text.delta",
        "output_text.done",
        "content_part.done",
        "output_item.done",
        "completed",
    ]
    assert [event["sequence_number"] for event in events] == list(range(len(events)))
    part = {"type": "output_text", "annotations": [], "logprobs": [], "text": 'Hi "you"'}
    item = {"id": "msg_0_0", "type": "message", "status": "completed", "content": [part], "role": "assistant"}
    place = {"item_id": "msg_0_0", "output_index": 0, "content_index": 0}
    assert events[2]["item"] == {**item, "status": "in_progress", "content": []}
    assert events[4] == {"type": "response.output_text.delta", **place, "delta": "Hi ", "logprobs": [], "sequence_number": 4}
    assert events[6] == {"type": "response.output_text.done", **place, "text": 'Hi "you"', "logprobs": [], "sequence_number": 6}
    assert (events[7]["part"], events[8]["item"], events[9]["response"]["output"]) == (part, item, [item])
    assert events[9]["response"]["usage"]["total_tokens"] == 5
    assert events[9]["response"]["usage"]["cost"] == 0.5


def test_a_text_and_a_refusal_are_parts_of_one_message() -> None:
    events = write(TEXT, TextDelta(0, quote("a")), PartEnd(0), PartStart(1, Refusal(EMPTY)), RefusalDelta(1, quote("no")), PartEnd(1), STOP)
    assert kinds(events)[7:-2] == ["content_part.added", "refusal.delta", "refusal.done", "content_part.done"]
    assert [event["content_index"] for event in events[7:-2]] == [1, 1, 1, 1]
    assert [part["type"] for part in events[-1]["response"]["output"][0]["content"]] == ["output_text", "refusal"]


def test_calls() -> None:
    events = write(
        PartStart(0, ToolCall("c1", "f", item_id="fc_9")),
        ArgumentsDelta(0, quote('{"a":')),
        ArgumentsDelta(0, quote("1}")),
        PartEnd(0),
        PartStart(1, ToolCall("", "g", "whole", "custom")),
        PartEnd(1),
        PartStart(2, ToolCall("", "h")),
        PartEnd(2),
        Finish(reason=FinishReason.TOOL_CALLS),
    )
    assert kinds(events)[2:] == [
        "output_item.added",
        "function_call_arguments.delta",
        "function_call_arguments.delta",
        "function_call_arguments.done",
        "output_item.done",
        "output_item.added",
        "custom_tool_call_input.delta",
        "custom_tool_call_input.done",
        "output_item.done",
        "output_item.added",
        "function_call_arguments.delta",
        "function_call_arguments.done",
        "output_item.done",
        "completed",
    ]
    first, second, third = events[-1]["response"]["output"]
    assert first == {"id": "fc_9", "type": "function_call", "status": "completed", "arguments": '{"a":1}', "call_id": "c1", "name": "f"}
    assert (second["type"], second["input"], second["call_id"]) == ("custom_tool_call", "whole", "call_0_1")
    assert (third["arguments"], third["call_id"]) == ("{}", "call_0_2")


def test_a_call_of_a_custom_tool_is_one_although_the_upstream_was_told_of_a_function() -> None:
    request = Request(dialect="responses", model="m", messages=[], tools=[CustomTool("sql")])
    call, pieces = PartStart(0, ToolCall("c1", "sql")), ('{"inp', 'ut":"SELECT', ' 1"}')
    events = write(call, *(ArgumentsDelta(0, quote(piece)) for piece in pieces), PartEnd(0), STOP, request=request)
    assert kinds(events)[2:-1] == ["output_item.added", "custom_tool_call_input.delta", "custom_tool_call_input.done", "output_item.done"]
    assert (events[3]["delta"], events[4]["input"], events[-1]["response"]["output"][0]["input"]) == ("SELECT 1",) * 3


def test_a_summary_is_told_part_by_part_and_proved_at_the_end() -> None:
    reasoning = Reasoning(text=EMPTY, id="rs_9", is_summary=True)
    events = write(
        PartStart(0, reasoning),
        ReasoningDelta(0, quote("a")),
        PartEnd(0),
        PartStart(1, reasoning),
        ReasoningDelta(1, quote("b")),
        SignatureDelta(1, None, "gA", "openai-responses-v1", "rs_9"),
        PartEnd(1),
        PartStart(2, Text(EMPTY)),
        PartEnd(2),
        STOP,
    )
    part = ["reasoning_summary_part.added", "reasoning_summary_text.delta", "reasoning_summary_text.done", "reasoning_summary_part.done"]
    assert kinds(events)[2:13] == ["output_item.added", *part, *part, "output_item.done", "output_item.added"]
    assert [event["summary_index"] for event in events[3:11]] == [0] * 4 + [1] * 4
    assert events[11]["item"] == {
        "id": "rs_9",
        "type": "reasoning",
        "summary": [{"type": "summary_text", "text": "a"}, {"type": "summary_text", "text": "b"}],
        "encrypted_content": "gA",
    }


def test_what_was_thought_itself_is_content_of_its_item() -> None:
    events = write(
        PartStart(0, Reasoning(text=EMPTY, format="anthropic-claude-v1")),
        ReasoningDelta(0, quote("a")),
        SignatureDelta(0, "sig"),
        PartEnd(0),
        PartStart(1, Reasoning(encrypted="red", format="anthropic-claude-v1")),
        PartEnd(1),
        STOP,
    )
    assert kinds(events)[2:10] == [
        "output_item.added",
        "content_part.added",
        "reasoning_text.delta",
        "reasoning_text.done",
        "content_part.done",
        "output_item.done",
        "output_item.added",
        "output_item.done",
    ]
    first, second = events[-1]["response"]["output"]
    assert first["content"] == [{"type": "reasoning_text", "text": "a"}]
    assert (first["encrypted_content"], second["encrypted_content"]) == (
        "anyrouter.anthropic-claude-v1..sig",
        "anyrouter.anthropic-claude-v1..red",
    )


def test_reasoning_that_begins_without_a_text_may_get_one() -> None:
    events = write(PartStart(0, Reasoning()), ReasoningDelta(0, quote("a")), ReasoningDelta(0, quote("b")), PartEnd(0), STOP)
    assert events[-1]["response"]["output"][0]["content"] == [{"type": "reasoning_text", "text": "ab"}]


def test_proofs_of_calls_and_texts_stand_beside_them() -> None:
    events = write(
        PartStart(0, ToolCall("c1", "f", "{}", signature="one")),
        PartEnd(0),
        PartStart(1, ToolCall("c2", "f", "{}")),
        SignatureDelta(1, "two", format="google-gemini-v1"),
        PartEnd(1),
        PartStart(2, Text(EMPTY)),
        TextDelta(2, quote("a")),
        SignatureDelta(2, "three", format="google-gemini-v1"),
        PartEnd(2),
        PartStart(3, Text(EMPTY)),
        PartEnd(3),
        STOP,
    )
    assert [(item["type"], item.get("encrypted_content")) for item in events[-1]["response"]["output"]] == [
        ("reasoning", "anyrouter.google-gemini-v1.c1.one"),
        ("function_call", None),
        ("function_call", None),
        ("reasoning", "anyrouter.google-gemini-v1.c2.two"),
        ("message", None),
        ("reasoning", "anyrouter.google-gemini-v1..three"),
        ("message", None),
    ]


def test_what_another_provider_encrypted_beside_a_text_is_an_item_of_its_own() -> None:
    reasoning = Reasoning(text=EMPTY, format="somebody")
    events = write(PartStart(0, reasoning), ReasoningDelta(0, quote("a")), SignatureDelta(0, None, "enc"), PartEnd(0), STOP)
    first, second = events[-1]["response"]["output"]
    assert ("encrypted_content" in first, second["encrypted_content"]) == (False, "anyrouter.somebody..enc")


def test_hidden_thinking_is_not_written() -> None:
    request = Request(dialect="responses", model="m", messages=[], reasoning=ReasoningOptions(is_hidden=True))
    events = write(
        PartStart(0, Reasoning(text=EMPTY)), ReasoningDelta(0, quote("a")), PartEnd(0), PartStart(1, Text(EMPTY)), STOP, request=request
    )
    assert [item["type"] for item in events[-1]["response"]["output"]] == ["message"]
    assert not any("reasoning_text" in event["type"] for event in events)


def test_citations_are_annotations_of_the_text_so_far() -> None:
    events = write(
        TEXT,
        TextDelta(0, quote("Grüße")),
        CitationAdded(0, Citation(kind="url", url="https://a.com", title="A")),
        TextDelta(0, quote("!")),
        CitationAdded(0, Citation(kind="url", url="https://b.com", title="B", text_start=1, text_end=2)),
        CitationAdded(0, Citation(kind="document_chars")),
        PartEnd(0),
        STOP,
    )
    told = [event for event in events if event["type"] == "response.output_text.annotation.added"]
    assert [(event["annotation_index"], event["annotation"]["start_index"], event["annotation"]["end_index"]) for event in told] == [
        (0, 0, 5),
        (1, 1, 2),
    ]
    assert events[-1]["response"]["output"][0]["content"][0]["annotations"] == [event["annotation"] for event in told]


def test_log_probabilities_come_with_the_next_text_or_else_the_last() -> None:
    def told(token: str) -> LogprobsTold:
        return LogprobsTold([TokenLogprob(token, -0.5)])

    events = write(told("a"), TEXT, TextDelta(0, quote("a")), TextDelta(0, quote("b")), told("c"), PartEnd(0), STOP)
    deltas = [event["logprobs"] for event in events if event["type"] == "response.output_text.delta"]
    assert [[one["token"] for one in logprobs] for logprobs in deltas] == [["a"], []]
    assert [one["token"] for one in events[-1]["response"]["output"][0]["content"][0]["logprobs"]] == ["a", "c"]


def test_parts_that_come_whole() -> None:
    events = write(
        PartStart(0, Text(quote("a"), citations=(Citation(kind="url", url="https://a.com"),))),
        PartEnd(0),
        PartStart(1, Image(Source(data=quote("AAAA"), media_type="image/png"))),
        PartEnd(1),
        PartStart(2, Opaque("responses", "web_search_call", quote("raw"))),
        PartEnd(2),
        PartStart(3, Opaque("anthropic", "server_tool_use", quote("raw"))),
        PartEnd(3),
        STOP,
    )
    assert kinds(events)[4:6] == ["output_text.delta", "output_text.annotation.added"]
    message, image, raw = events[-1]["response"]["output"]
    assert message["content"][0]["text"] == "a"
    assert (image["type"], image["result"], raw) == ("image_generation_call", "AAAA", "raw")


def test_what_is_spoken_is_told_as_text() -> None:
    events = write(PartStart(0, Audio(id="a")), AudioDelta(0, quote("AAAA"), quote("Hi")), AudioDelta(0, quote("AAAA")), PartEnd(0), STOP)
    assert events[-1]["response"]["output"][0]["content"][0]["text"] == "Hi"


def test_what_others_wrote_cannot_break_an_event() -> None:
    raw = Raw(b'{"type":"file_path",\n"file_id":"%s",\r\n"index":0}')
    events = write(
        PartStart(0, ToolCall("c%d", "f%s", item_id='fc_%d"\n')),
        ArgumentsDelta(0, quote("%s")),
        PartEnd(0),
        PartStart(1, Text(EMPTY)),
        LogprobsTold([TokenLogprob("%", -1.0)]),
        TextDelta(1, quote("%d")),
        CitationAdded(1, Citation(kind="file", dialect="responses", raw=raw)),
        PartEnd(1),
        STOP,
    )
    assert [event["delta"] for event in events if event["type"].endswith(".delta")] == ["%s", "%d"]
    assert {event["item_id"] for event in events if "item_id" in event} == {'fc_%d"\n', "msg_0_1"}
    annotation = {"type": "file_path", "file_id": "%s", "index": 0}
    assert events[-1]["response"]["output"][1]["content"][0]["annotations"] == [annotation]


def test_other_candidates_are_passed_over() -> None:
    events = write(
        PartStart(0, Text(EMPTY), 1),
        TEXT,
        TextDelta(0, quote("b"), 1),
        TextDelta(0, quote("a")),
        PartEnd(0, 1),
        Finish(reason=FinishReason.LENGTH, candidate=1),
        PartEnd(0),
        STOP,
    )
    assert (events[-1]["type"], events[-1]["response"]["output"][0]["content"][0]["text"]) == ("response.completed", "a")


@pytest.mark.parametrize(
    ("reason", "status", "item"),
    [
        (FinishReason.LENGTH, "incomplete", "incomplete"),
        (FinishReason.CONTENT_FILTER, "incomplete", "incomplete"),
        (FinishReason.ERROR, "failed", "completed"),
    ],
)
def test_an_answer_that_is_not_whole(reason: FinishReason, status: str, item: str) -> None:
    events = write(TEXT, TextDelta(0, quote("a")), PartEnd(0), Finish(reason=reason))
    assert (events[-1]["type"], events[-1]["response"]["status"]) == (f"response.{status}", status)
    assert (events[-2]["type"], events[-2]["item"]["status"]) == ("response.output_item.done", item)


def test_an_empty_answer_is_a_response_all_the_same() -> None:
    events = write(UsageTold(Usage(), UsageDetails(web_searches=1)), STOP)
    assert kinds(events) == ["created", "in_progress", "completed"]
    assert events[-1]["response"]["tool_usage"]["web_search"]["num_requests"] == 1


def test_warnings_are_told_by_the_first_event() -> None:
    warning = TranslationWarning("unsupported_parameter", "top_k", "It has no top_k.")
    events = read(encoder(warnings=(warning,)).encode([TEXT]))
    assert json.loads(events[0]["response"]["metadata"]["warnings"])[0]["param"] == "top_k"


def test_a_broken_stream_ends_with_an_error_and_a_response_that_failed() -> None:
    one = encoder()
    before = read(one.encode([TEXT, TextDelta(0, quote("a"))]))
    error, failed = read(one.fail(Denied(code="upstream_timeout", message="It stalled."), "req-1"))
    assert (error["type"], error["code"], error["message"], error["param"]) == ("error", "upstream_timeout", "It stalled.", None)
    assert error["error"]["message"] == "It stalled."
    assert (failed["type"], failed["response"]["status"]) == ("response.failed", "failed")
    assert failed["response"]["error"] == {"code": "server_error", "message": "It stalled."}
    assert [error["sequence_number"], failed["sequence_number"]] == [len(before), len(before) + 1]


def test_a_stream_that_fails_before_it_began_is_an_error_and_nothing_else() -> None:
    (error,) = read(encoder().fail(Denied(code="rate_limited", message="Slow down."), "req-1"))
    assert (error["type"], error["sequence_number"]) == ("error", 0)
