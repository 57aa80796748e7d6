import json
from typing import Any

import anthropic
import pytest
from msgspec import Raw

from anyrouter.core.errors import Denied
from anyrouter.core.usage import Usage
from anyrouter.wire.form.events import (
    ArgumentsDelta,
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
    RefusalDelta,
    SignatureDelta,
    Start,
    TextDelta,
    UsageTold,
)
from anyrouter.wire.form.parts import Audio, Citation, Image, Opaque, Reasoning, Refusal, Source, Text, ToolCall
from anyrouter.wire.form.reasoning import ANTHROPIC_FORMAT, GEMINI_FORMAT, OPENAI_FORMAT, UNPROVED, ReasoningOptions, unseal
from anyrouter.wire.form.reply import FinishReason, UsageDetails
from anyrouter.wire.form.text import EMPTY, quote
from anyrouter.wire.reply import CostFields, InvalidReply
from anyrouter.wire.translation.anthropic.stream_decoder import AnthropicStreamDecoder
from anyrouter.wire.translation.anthropic.stream_encoder import AnthropicStreamEncoder
from anyrouter.wire.translation.codec import ReplyContext

COST = CostFields(cost=b"0.1")
USAGE = Usage(input_tokens=10, output_tokens=5, cache_read_tokens=4)
HI: Any = [{"role": "user", "content": "Hi"}]
STOP = Finish(reason=FinishReason.STOP)


@pytest.fixture
def stream(context, sdk):
    """The final message that the SDK makes of these events."""

    def run(*events: Event, asked: ReplyContext | None = None) -> anthropic.types.Message:
        encoder = AnthropicStreamEncoder(asked or context())
        body = encoder.encode([Start(), *events]) + encoder.end(USAGE, COST)
        split = AnthropicStreamEncoder(asked or context())
        assert b"".join(split.encode([event]) for event in (Start(), *events)) + split.end(USAGE, COST) == body
        with sdk(body).messages.stream(model="m", max_tokens=9, messages=HI) as opened:
            return opened.get_final_message()

    return run


def part(index: int, told: Any, *deltas: Event) -> list[Event]:
    return [PartStart(index, told), *deltas, PartEnd(index)]


def test_the_sdk_accumulates_a_stream_with_everything(stream) -> None:
    message = stream(
        *part(
            0,
            Reasoning(text=EMPTY),
            ReasoningDelta(0, quote("H")),
            ReasoningDelta(0, quote("m")),
            SignatureDelta(0, "sig", format=ANTHROPIC_FORMAT),
        ),
        *part(1, Text(EMPTY), TextDelta(1, quote("Hel")), TextDelta(1, quote("lo ü\n"))),
        *part(2, ToolCall("t1", "f"), ArgumentsDelta(2, quote('{"a"')), ArgumentsDelta(2, quote(":1}"))),
        *part(3, ToolCall("", "g")),
        Finish(reason=FinishReason.TOOL_CALLS),
        UsageTold(USAGE),
    )
    thinking, text, one, other = message.content
    assert (thinking.thinking, thinking.signature, text.text) == ("Hm", "sig", "Hello ü\n")
    assert (one.input, other.input) == ({"a": 1}, {})
    assert other.id.startswith("call_")
    assert message.stop_reason == "tool_use"
    assert (message.usage.input_tokens, message.usage.cache_read_input_tokens, message.usage.output_tokens) == (6, 4, 5)


def test_nothing_is_written_before_something_is_to_be_told(context) -> None:
    encoder = AnthropicStreamEncoder(context())
    assert encoder.encode([Start(id="x")]) == b""
    assert encoder.encode([PartStart(0, Text(EMPTY))]).startswith(b"event: message_start\n")
    assert encoder.encode([PartEnd(0)]) == b"", "an empty text is no block"


def test_an_answer_without_parts_is_a_message_too(stream) -> None:
    message = stream(Finish(reason=FinishReason.STOP, stop_sequence="END"))
    assert (message.content, message.stop_reason, message.stop_sequence) == ([], "stop_sequence", "END")


def test_parts_that_are_whole_at_once_and_citations(stream) -> None:
    search = {"type": "server_tool_use", "id": "s", "name": "web_search", "input": {"query": "q"}}
    message = stream(
        *part(0, Text(quote("A"), citations=(Citation(kind="url", url="https://e.com"),))),
        *part(1, ToolCall("t", "f", '{"a":1}')),
        *part(2, Opaque("anthropic", "server_tool_use", Raw(json.dumps(search).encode()))),
        *part(3, Opaque("gemini", "x", Raw(b"{}"))),
        *part(4, Image(Source(data=quote("AAAA")))),
        *part(5, Text(EMPTY), CitationAdded(5, Citation(kind="nothing of ours")), CitationAdded(5, Citation(kind="file", file_id="f"))),
        STOP,
    )
    assert [block.type for block in message.content] == ["text", "tool_use", "server_tool_use", "text"]
    assert [block.citations[0].type for block in (message.content[0], message.content[3])] == [
        "web_search_result_location",
        "char_location",
    ]
    assert message.content[1].input == {"a": 1}


def test_refusals_and_speech_are_text(stream) -> None:
    message = stream(*part(0, Refusal(EMPTY), RefusalDelta(0, quote("I cannot."))), LogprobsTold([]), STOP)
    assert (message.content[0].text, message.stop_reason) == ("I cannot.", "refusal")
    message = stream(*part(0, Audio(id="a"), AudioDelta(0, quote("AAAA")), AudioDelta(0, transcript=quote("Aloud"))), STOP)
    assert [block.text for block in message.content] == ["Aloud"]


def test_only_the_first_candidate_is_told(stream) -> None:
    other = [PartStart(0, Text(EMPTY), 1), TextDelta(0, quote("B"), 1), PartEnd(0, 1), Finish(reason=FinishReason.LENGTH, candidate=1)]
    message = stream(*part(0, Text(EMPTY), TextDelta(0, quote("A"))), *other, STOP)
    assert ([block.text for block in message.content], message.stop_reason) == (["A"], "end_turn")


def test_foreign_proofs_are_sealed(stream) -> None:
    message = stream(
        *part(
            0, Reasoning(text=EMPTY, is_summary=True), ReasoningDelta(0, quote("Hm")), SignatureDelta(0, None, "enc", OPENAI_FORMAT, "rs_1")
        ),
        *part(1, Reasoning(text=EMPTY, id="rs_2", format=OPENAI_FORMAT), SignatureDelta(1, None, "enc2", OPENAI_FORMAT)),
        *part(2, ToolCall("t1", "f", "{}", signature="gem")),
        *part(3, ToolCall("t2", "f"), SignatureDelta(3, "gem2", format=GEMINI_FORMAT)),
        *part(4, Text(EMPTY), TextDelta(4, quote("A")), SignatureDelta(4, "gem3", format=GEMINI_FORMAT)),
        STOP,
    )
    told = [getattr(block, "signature", None) or getattr(block, "data", None) or block.type for block in message.content]
    assert [unseal(one) if one.startswith("anyrouter") else one for one in told] == [
        (OPENAI_FORMAT, "enc", "rs_1"),
        (OPENAI_FORMAT, "enc2", "rs_2"),
        (GEMINI_FORMAT, "gem", "t1"),
        "tool_use",
        "tool_use",
        (GEMINI_FORMAT, "gem2", "t2"),
        "text",
        (GEMINI_FORMAT, "gem3", None),
    ]


def test_thinking_that_nothing_proves_has_the_seal_of_nobody_because_an_empty_signature_is_refused(stream) -> None:
    message = stream(
        *part(0, Reasoning(text=EMPTY), ReasoningDelta(0, quote("Hm"))),
        *part(1, Reasoning(text=quote("Whole"))),
        *part(2, Reasoning(text=EMPTY)),
        STOP,
    )
    assert [(block.thinking, block.signature) for block in message.content] == [("Hm", UNPROVED), ("Whole", UNPROVED)]


def test_the_seal_of_nobody_proves_nothing_in_an_upstreams_stream() -> None:
    events = [
        {"type": "message_start", "message": {"id": "m", "type": "message", "role": "assistant", "content": [], "model": "m"}},
        {"type": "content_block_start", "index": 0, "content_block": {"type": "thinking", "thinking": "", "signature": ""}},
        {"type": "content_block_delta", "index": 0, "delta": {"type": "thinking_delta", "thinking": "Hm"}},
        {"type": "content_block_delta", "index": 0, "delta": {"type": "signature_delta", "signature": UNPROVED}},
        {"type": "content_block_stop", "index": 0},
    ]
    told = AnthropicStreamDecoder().feed(b"".join(b"data: %s\n\n" % json.dumps(event).encode() for event in events))
    assert told[-2:] == [ReasoningDelta(0, quote("Hm")), PartEnd(0)]


def test_hidden_thinking_is_told_by_its_proof_alone(stream, context) -> None:
    asked = context(reasoning=ReasoningOptions(is_enabled=True, is_hidden=True))
    message = stream(
        *part(0, Reasoning(text=EMPTY), ReasoningDelta(0, quote("Hm")), SignatureDelta(0, "sig", format=ANTHROPIC_FORMAT)),
        *part(1, Reasoning(text=EMPTY), ReasoningDelta(1, quote("Unproved"))),
        *part(2, Reasoning(encrypted="data", format=ANTHROPIC_FORMAT)),
        STOP,
        asked=asked,
    )
    assert [block.to_dict() for block in message.content] == [
        {"type": "thinking", "thinking": "", "signature": "sig"},
        {"type": "redacted_thinking", "data": "data"},
    ]


def test_the_free_text_of_a_custom_tool_becomes_an_object(stream) -> None:
    pieces = [ArgumentsDelta(0, quote(piece)) for piece in ('print("', "ü\n", '")')]
    message = stream(
        *part(0, ToolCall("a", "py", kind="custom"), *pieces),
        *part(1, ToolCall("b", "py", "x", "custom")),
        *part(2, ToolCall("c", "py", kind="custom")),
        STOP,
    )
    assert [block.input for block in message.content] == [{"input": 'print("ü\n")'}, {"input": "x"}, {"input": ""}]


def test_what_the_upstream_told_at_its_start_is_told_at_the_clients(context) -> None:
    encoder = AnthropicStreamEncoder(context())
    usage = Usage(input_tokens=150, cache_write_tokens=100)
    start = [Start(usage=usage, service_tier="priority"), UsageTold(usage, UsageDetails(cache_write_1h_tokens=90), is_final=False)]
    data = encoder.encode([*start, PartStart(0, Text(EMPTY))]).partition(b"data: ")[2]
    told = json.loads(data)["message"]["usage"]
    assert (told["input_tokens"], told["cache_creation_input_tokens"], told["service_tier"]) == (50, 100, "priority")
    assert told["cache_creation"] == {"ephemeral_5m_input_tokens": 10, "ephemeral_1h_input_tokens": 90}


def test_the_sdk_raises_what_ends_a_stream(context, sdk) -> None:
    encoder = AnthropicStreamEncoder(context())
    body = encoder.encode([Start(), PartStart(0, Text(EMPTY)), TextDelta(0, quote("A"))])
    body += encoder.fail(Denied(code="overloaded", message="Busy."), "req-1")
    with sdk(body).messages.stream(model="m", max_tokens=9, messages=HI) as opened, pytest.raises(anthropic.APIStatusError) as caught:
        opened.until_done()
    assert caught.value.body["error"]["type"] == "overloaded_error"


# Decoding


def events_of(*told: dict[str, Any]) -> list[Event]:
    decoder = AnthropicStreamDecoder()
    body = b"".join(b"event: %s\ndata: %s\n\n" % (one["type"].encode(), json.dumps(one).encode()) for one in told)
    return decoder.feed(body) + decoder.eof()


BEGIN = {"type": "message_start", "message": {"id": "msg_1", "model": "m", "usage": {"input_tokens": 3, "output_tokens": 1}}}
END = {"type": "message_delta", "delta": {"stop_reason": "end_turn"}, "usage": {"output_tokens": 9}}


def block(kind: str, **members: Any) -> dict[str, Any]:
    return {"type": "content_block_start", "index": 0, "content_block": {"type": kind, **members}}


def delta(kind: str, **members: Any) -> dict[str, Any]:
    return {"type": "content_block_delta", "index": 0, "delta": {"type": kind, **members}}


CLOSE = {"type": "content_block_stop", "index": 0}


def test_counts_are_cumulative_and_null_replaces_nothing() -> None:
    last = {**END, "usage": {"input_tokens": None, "output_tokens": 9, "cache_read_input_tokens": 5}}
    events = events_of(BEGIN, {"type": "ping"}, {**END, "delta": {}, "usage": {"output_tokens": 4}}, last, {"type": "message_stop"})
    told = [(event.usage.input_tokens, event.usage.output_tokens, event.is_final) for event in events if isinstance(event, UsageTold)]
    assert told == [(3, 4, False), (8, 9, True)]
    assert [type(event) for event in events] == [Start, UsageTold, Finish, UsageTold, End]


def test_a_server_tools_call_is_held_until_it_is_whole() -> None:
    events = events_of(
        BEGIN, block("server_tool_use", id="s", name="web_search", input={}), delta("input_json_delta", partial_json='{"query"')
    )
    assert [type(event) for event in events] == [Start]
    events = events_of(
        BEGIN,
        block("server_tool_use", id="s", name="web_search", input={}),
        delta("input_json_delta", partial_json='{"query"'),
        delta("input_json_delta", partial_json=':"q"}'),
        CLOSE,
    )
    told = events[1]
    assert isinstance(told, PartStart)
    assert isinstance(told.part, Opaque)
    assert json.loads(bytes(told.part.raw)) == {"type": "server_tool_use", "id": "s", "name": "web_search", "input": {"query": "q"}}


def test_a_block_that_is_not_closed_ends_with_the_message() -> None:
    events = events_of(BEGIN, block("text", text="A"), END)
    assert [type(event) for event in events] == [Start, PartStart, TextDelta, PartEnd, Finish, UsageTold, End]
    events = events_of(BEGIN, block("text", text=""), block("text", text=""), {"type": "message_stop"})
    assert [type(event) for event in events] == [Start, PartStart, PartEnd, PartStart, PartEnd, Finish, End]


def test_a_failure_has_the_upstreams_own_word_and_is_the_last() -> None:
    failure = {"type": "error", "error": {"type": "overloaded_error", "message": "Overloaded"}}
    assert events_of(BEGIN, failure, END) == [
        Start(id="msg_1", model="m", usage=Usage(input_tokens=3, output_tokens=1)),
        Failure(message="Overloaded", code="overloaded_error"),
    ]
    assert events_of(failure) == [Failure(message="Overloaded", code="overloaded_error")]


def test_arguments_that_come_at_the_start_are_not_told_twice() -> None:
    whole = block("tool_use", id="t", name="f", input={"a": 1})
    assert [event.text for event in events_of(BEGIN, whole, CLOSE) if isinstance(event, ArgumentsDelta)] == [quote('{"a": 1}')]
    pieces = events_of(BEGIN, whole, delta("input_json_delta", partial_json='{"a":2}'), CLOSE)
    assert [event.text for event in pieces if isinstance(event, ArgumentsDelta)] == [quote('{"a":2}')]


@pytest.mark.parametrize(
    "told",
    [
        [CLOSE],
        [END],
        [BEGIN, BEGIN],
        [BEGIN, delta("text_delta", text="A")],
        [BEGIN, block("text", text=""), delta("thinking_delta", thinking="A")],
        [BEGIN, block("thinking", thinking=""), delta("text_delta", text="A")],
        [BEGIN, {"type": "content_block_start", "index": 0}],
        [BEGIN, block("tool_use", id="t")],
        [BEGIN, {"type": "content_block_delta", "index": "x", "delta": 5}],
        [{"type": ""}],
    ],
    ids=range(10),
)
def test_what_is_no_stream_of_the_dialect_is_told_as_that(told: list[dict[str, Any]]) -> None:
    with pytest.raises(InvalidReply):
        events_of(*told)


@pytest.mark.parametrize("body", [b"<html>\n\n", b"data: [1]\n\n", b"data: nope\n\n", b"data: \xff\n\n"])
def test_what_is_no_stream_at_all_is_told_as_that(body: bytes) -> None:
    with pytest.raises(InvalidReply):
        AnthropicStreamDecoder().feed(body)


def test_nothing_is_read_behind_the_end() -> None:
    decoder = AnthropicStreamDecoder()
    body = b"".join(b"data: %s\n\n" % json.dumps(one).encode() for one in (BEGIN, END, {"type": "message_stop"}))
    assert isinstance(decoder.feed(body)[-1], End)
    assert decoder.feed(b"data: [DONE]\n\n") == []
    assert decoder.eof() == []
