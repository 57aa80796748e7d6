"""Events as chunks of chat completions. What whole streams look like is in the golden files."""

import json
from typing import Any

import pytest
from openai.lib.streaming._deltas import accumulate_delta

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
from anyrouter.wire.form.parts import Audio, Citation, Image, Opaque, Part, Reasoning, Refusal, Source, Text, ToolCall
from anyrouter.wire.form.reasoning import ANTHROPIC_FORMAT, GEMINI_FORMAT, ReasoningOptions
from anyrouter.wire.form.reply import FinishReason, TokenLogprob, UsageDetails
from anyrouter.wire.form.request import Request
from anyrouter.wire.form.text import EMPTY, JsonText, quote
from anyrouter.wire.form.warnings import TranslationWarning
from anyrouter.wire.reply import CostFields, Naming
from anyrouter.wire.translation.codec import ReplyContext
from anyrouter.wire.translation.openai.stream_encoder import OpenAIStreamEncoder

DONE = "[DONE]"
COST = CostFields(cost=b"0.25")
STOP = Finish(reason=FinishReason.STOP, native="end_turn")


def make(*, is_usage_wanted: bool = False, is_hidden: bool = False, warnings: tuple[TranslationWarning, ...] = ()) -> OpenAIStreamEncoder:
    request = Request(
        dialect="openai",
        model="vendor/model",
        messages=[],
        is_usage_wanted=is_usage_wanted,
        reasoning=ReasoningOptions(is_hidden=True) if is_hidden else None,
    )
    naming = Naming(b'"gen-0123"', b'"vendor/model"', b'"Provider"')
    return OpenAIStreamEncoder(ReplyContext(naming=naming, created_s=7, request=request, warnings=warnings))


def chunks(data: bytes) -> list[Any]:
    assert data.endswith(b"\n\n")
    found = [event.removeprefix("data: ") for event in data.decode().split("\n\n")[:-1]]
    return [event if event == DONE else json.loads(event) for event in found]


def deltas(*events: Event, **made: Any) -> list[dict[str, Any]]:
    """The deltas behind the one that has the role."""
    found = chunks(make(**made).encode([Start(), *events, STOP]))
    assert found[0]["choices"][0]["delta"] == {"role": "assistant", "content": "", "refusal": None}
    assert found[-1]["choices"][0]["delta"] == {}
    return [chunk["choices"][0]["delta"] for chunk in found[1:-1]]


def whole(part: Part) -> list[Event]:
    return [PartStart(0, part), PartEnd(0)]


def test_nothing_is_written_before_something_is_answered() -> None:
    encoder = make()
    assert encoder.encode([Start(id="up", created_s=5)]) == b""
    assert encoder.encode([UsageTold(Usage(input_tokens=1), is_final=False)]) == b""
    first = chunks(encoder.encode([PartStart(0, Text(EMPTY))]))[0]
    assert (first["id"], first["model"], first["provider"], first["created"], first["object"]) == (
        "gen-0123",
        "vendor/model",
        "Provider",
        5,
        "chat.completion.chunk",
    )


def test_only_the_first_chunk_names_the_provider_and_what_was_left_out() -> None:
    warning = TranslationWarning("unsupported_parameter", "top_k", "It was left out.")
    found = chunks(make(warnings=(warning,)).encode([Start(), PartStart(0, Text(EMPTY)), TextDelta(0, quote("a"))]))
    assert found[0]["metadata"] == {"warnings": [{"code": "unsupported_parameter", "param": "top_k", "message": "It was left out."}]}
    assert found[1].keys() & {"metadata", "provider"} == set()


def test_text_keeps_its_bytes() -> None:
    encoder = make()
    encoder.encode([Start(), PartStart(0, Text(EMPTY))])
    literal = JsonText(b'"\\u00fc\\/ \\ud83d\\udc4b"')
    assert bytes(literal) in encoder.encode([TextDelta(0, literal)])
    assert deltas(PartStart(0, Text(quote("whole"))), PartEnd(0)) == [{"content": "whole"}]


def test_what_is_written_does_not_depend_on_how_events_are_grouped() -> None:
    events = [Start(), PartStart(0, Text(EMPTY)), TextDelta(0, quote("a")), TextDelta(0, quote("b")), PartEnd(0), STOP]
    one = make()
    assert b"".join(one.encode([event]) for event in events) == make().encode(events)


def test_a_call_has_its_number_among_calls_and_not_among_parts() -> None:
    found = deltas(
        *whole(Text(quote("a"))),
        PartStart(1, ToolCall("c", "f")),
        ArgumentsDelta(1, quote('{"x":')),
        ArgumentsDelta(1, quote("1}")),
        PartEnd(1),
        PartStart(2, ToolCall("", "g", '{"y":2}')),
        PartEnd(2),
        PartStart(3, ToolCall("d", "run", "", "custom")),
        ArgumentsDelta(3, quote("1")),
        PartEnd(3),
    )
    assert [delta["tool_calls"][0] for delta in found[1:]] == [
        {"index": 0, "id": "c", "type": "function", "function": {"name": "f", "arguments": ""}},
        {"index": 0, "function": {"arguments": '{"x":'}},
        {"index": 0, "function": {"arguments": "1}"}},
        {"index": 1, "id": "call_0123_1", "type": "function", "function": {"name": "g", "arguments": '{"y":2}'}},
        {"index": 2, "id": "d", "type": "custom", "custom": {"name": "run", "input": ""}},
        {"index": 2, "custom": {"input": "1"}},
    ]


def test_a_call_without_arguments_gets_an_empty_object() -> None:
    assert deltas(*whole(ToolCall("c", "f")))[1] == {"tool_calls": [{"index": 0, "function": {"arguments": "{}"}}]}


def test_thinking_is_told_as_text_and_in_details() -> None:
    found = deltas(
        PartStart(0, Reasoning(text=EMPTY, format=ANTHROPIC_FORMAT)),
        ReasoningDelta(0, quote("a")),
        SignatureDelta(0, "s", format=ANTHROPIC_FORMAT),
        PartEnd(0),
        PartStart(1, Reasoning(encrypted="e", id="rs", format="x")),
        PartEnd(1),
        PartStart(2, Reasoning(text=EMPTY, is_summary=True)),
        ReasoningDelta(2, quote("b")),
        PartEnd(2),
    )
    assert found == [
        {"reasoning": "a", "reasoning_details": [{"type": "reasoning.text", "text": "a", "format": ANTHROPIC_FORMAT, "index": 0}]},
        {"reasoning_details": [{"type": "reasoning.text", "text": "", "signature": "s", "index": 0}]},
        {"reasoning_details": [{"type": "reasoning.encrypted", "data": "e", "id": "rs", "format": "x", "index": 1}]},
        {"reasoning": "b", "reasoning_details": [{"type": "reasoning.summary", "summary": "b", "index": 2}]},
    ]


def test_whose_thinking_it_is_is_said_once_so_that_an_sdk_that_joins_deltas_gives_it_back_as_it_was() -> None:
    found = deltas(
        PartStart(0, Reasoning(text=EMPTY, id="rs")),
        ReasoningDelta(0, quote("a")),
        ReasoningDelta(0, quote("b")),
        SignatureDelta(0, "s", format=ANTHROPIC_FORMAT),
        PartEnd(0),
    )
    joined: dict[object, object] = {}
    for delta in found:
        joined = accumulate_delta(joined, json.loads(json.dumps(delta)))
    told = {"type": "reasoning.text", "text": "ab", "id": "rs", "signature": "s", "format": ANTHROPIC_FORMAT, "index": 0}
    assert joined["reasoning_details"] == [told]


def test_an_encrypted_proof_of_a_summary_is_an_entry_of_its_own() -> None:
    found = deltas(
        PartStart(0, Reasoning(text=EMPTY, is_summary=True, id="rs")),
        ReasoningDelta(0, quote("a")),
        SignatureDelta(0, encrypted="e", format="f"),
        PartEnd(0),
    )
    assert found[1]["reasoning_details"] == [{"type": "reasoning.encrypted", "data": "e", "id": "rs", "format": "f", "index": 1}]


def test_geminis_proofs_name_the_call_that_they_prove() -> None:
    proof = {"type": "reasoning.encrypted", "data": "p", "format": GEMINI_FORMAT}
    found = deltas(PartStart(0, ToolCall("", "f", "{}", signature="p")), PartEnd(0))
    assert found[0]["reasoning_details"] == [{**proof, "id": found[1]["tool_calls"][0]["id"], "index": 0}]
    found = deltas(PartStart(0, ToolCall("c", "f", "{}")), SignatureDelta(0, "p"), PartEnd(0))
    assert found[1]["reasoning_details"] == [{**proof, "id": "c", "index": 0}]
    found = deltas(PartStart(0, Text(EMPTY)), TextDelta(0, quote("a")), SignatureDelta(0, "p"), PartEnd(0))
    assert found[1]["reasoning_details"] == [{**proof, "index": 0}]


def test_hidden_thinking_is_not_shown() -> None:
    events = [
        PartStart(0, Reasoning(text=EMPTY)),
        ReasoningDelta(0, quote("a")),
        SignatureDelta(0, "s"),
        PartEnd(0),
        PartStart(1, Reasoning(encrypted="e")),
        PartEnd(1),
        PartStart(2, Text(quote("b"))),
        PartEnd(2),
    ]
    assert deltas(*events, is_hidden=True) == [{"content": "b"}]


def test_log_probabilities_wait_for_the_text_that_they_are_of() -> None:
    told = LogprobsTold([TokenLogprob("é", -0.5)])
    encoder = make()
    found = chunks(
        encoder.encode([Start(), PartStart(0, Text(EMPTY)), told, TextDelta(0, quote("é")), TextDelta(0, quote("a")), told, STOP])
    )
    tokens = [{"token": "é", "logprob": -0.5, "bytes": [195, 169], "top_logprobs": []}]
    assert [chunk["choices"][0]["logprobs"] for chunk in found] == [
        None,
        {"content": tokens, "refusal": None},
        None,
        {"content": tokens, "refusal": None},
        None,
    ]


@pytest.mark.parametrize(
    ("events", "expected"),
    [
        ([PartStart(0, Refusal(EMPTY)), RefusalDelta(0, quote("no")), PartEnd(0)], [{"refusal": "no"}]),
        (
            whole(Image(Source(data=quote("AA"), media_type="image/webp"))),
            [{"images": [{"type": "image_url", "image_url": {"url": "data:image/webp;base64,AA"}, "index": 0}]}],
        ),
        (whole(Image(Source(file_id="f"))), []),
        (whole(Opaque("anthropic", "server_tool_use", quote("x"))), []),
        (
            [PartStart(0, Audio(id="a")), AudioDelta(0, quote("AA"), quote("hi")), AudioDelta(0, expires_at=9), PartEnd(0)],
            [{"audio": {"id": "a"}}, {"audio": {"data": "AA", "transcript": "hi"}}, {"audio": {"expires_at": 9}}],
        ),
    ],
)
def test_other_parts_have_their_places(events: list[Event], expected: list[dict[str, Any]]) -> None:
    assert deltas(*events) == expected


def test_a_citation_of_a_page_is_told_and_one_of_a_document_has_no_place() -> None:
    page = Citation(kind="url", url="https://example.com", title="T", text_start=1, text_end=3)
    found = deltas(
        PartStart(0, Text(EMPTY)), CitationAdded(0, page), CitationAdded(0, Citation(kind="document_pages", source_start=1)), PartEnd(0)
    )
    inner = {"url": "https://example.com", "title": "T", "start_index": 1, "end_index": 3}
    assert found == [{"annotations": [{"type": "url_citation", "url_citation": inner}]}]


def test_citations_come_together_in_the_end_with_their_places_in_the_whole_answer() -> None:
    bare, placed = Citation(kind="url", url="https://a.test"), Citation(kind="url", url="https://b.test", text_start=1, text_end=2)
    found = deltas(
        PartStart(0, Text(quote("né"))),
        CitationAdded(0, bare),
        TextDelta(0, quote("☀")),
        PartEnd(0),
        PartStart(1, Text(EMPTY, None, (bare,))),
        TextDelta(1, quote("four")),
        CitationAdded(1, placed),
        PartEnd(1),
    )
    assert [delta.get("content") for delta in found] == ["né", "☀", "four", None]
    places = [(told["url_citation"]["start_index"], told["url_citation"]["end_index"]) for told in found[-1]["annotations"]]
    assert places == [(0, 3), (3, 7), (4, 5)]


def test_the_end_tells_usage_only_to_who_asked() -> None:
    assert make().end(Usage(), COST) == b"data: [DONE]\n\n"
    encoder = make(is_usage_wanted=True)
    encoder.encode([Start(), PartStart(0, Text(EMPTY)), PartEnd(0), STOP, UsageTold(Usage(), UsageDetails(audio_input_tokens=4))])
    told, done = chunks(
        encoder.end(Usage(input_tokens=9, output_tokens=5, cache_read_tokens=3, cache_write_tokens=2, reasoning_tokens=1), COST)
    )
    assert (done, told["choices"], told["provider"]) == (DONE, [], "Provider")
    assert told["usage"]["prompt_tokens_details"] == {"cached_tokens": 3, "cache_write_tokens": 2, "audio_tokens": 4}
    assert (told["usage"]["total_tokens"], told["usage"]["cost"]) == (14, 0.25)


def test_the_upstreams_word_for_the_end_stands_beside_ours() -> None:
    finish = chunks(make().encode([Start(), Finish(reason=FinishReason.STOP, native="stop_sequence", stop_sequence='"')]))[-1]["choices"][0]
    assert (finish["finish_reason"], finish["native_finish_reason"], finish["stop_reason"]) == ("stop", "stop_sequence", '"')
