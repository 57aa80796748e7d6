"""Gemini's streams pass unchanged, as events or as one array; usage, the end and failures are read off them."""

import json
from typing import Any

import pytest

from anyrouter.core.errors import Denied
from anyrouter.core.usage import Usage, UsageSource
from anyrouter.wire.failure import read_failure
from anyrouter.wire.gemini_array import ArrayStream
from anyrouter.wire.gemini_stream import GeminiStream
from anyrouter.wire.reply import InvalidReply
from support.passthrough import CHUNKS, GEMINI_STREAMS, chunk, open_array, open_candidates, open_gemini, recorded, sse, tokens
from support.streams import cut, open_openai, read_events, run

FAILURE = {"error": {"code": 429, "message": "Slow down.", "status": "RESOURCE_EXHAUSTED"}}
PLAIN_FAILURE = json.dumps([FAILURE], indent=2).encode()
DENIED = Denied(code="upstream_error", message="Oh.")


def byte_by_byte(stream: bytes) -> list[bytes]:
    return [stream[at : at + 1] for at in range(len(stream))]


@pytest.mark.parametrize("stream", GEMINI_STREAMS.values(), ids=GEMINI_STREAMS)
@pytest.mark.parametrize("pieces", [lambda text: [text], byte_by_byte], ids=["whole", "byte by byte"])
@pytest.mark.parametrize("make", [open_gemini, open_candidates])
def test_every_recorded_stream_passes_unchanged_and_is_read(stream: bytes, pieces: Any, make: Any) -> None:
    out, rewriter = run(make, pieces(stream) if len(stream) < 20_000 else [stream])
    assert out.rstrip(b"\r\n") == stream.rstrip(b"\r\n")
    assert (rewriter.is_begun, rewriter.is_done, rewriter.failure) == (True, True, None)
    facts = rewriter.facts
    assert facts.native_finish_reason is not None
    assert facts.upstream_id in {"r-1", "r-7"}
    assert rewriter.usage().input_tokens in {100, 8, 7}


@pytest.mark.parametrize("stream", GEMINI_STREAMS.values(), ids=GEMINI_STREAMS)
def test_a_client_without_events_gets_the_same_responses_as_one_array(stream: bytes) -> None:
    out, rewriter = run(open_array, [stream])
    assert json.loads(out) == read_events(stream)
    assert (rewriter.is_begun, rewriter.is_done) == (True, True)
    assert rewriter.usage() == run(open_gemini, [stream])[1].usage()
    assert rewriter.facts.native_finish_reason == run(open_gemini, [stream])[1].facts.native_finish_reason


def test_the_last_event_waits_for_the_end_so_that_the_outcome_is_on_record_before_it() -> None:
    rewriter = open_gemini()
    assert rewriter.feed(sse(CHUNKS[0])) == sse(CHUNKS[0])
    assert rewriter.feed(sse(CHUNKS[-1])) == b""
    assert not rewriter.is_done
    assert rewriter.eof() == sse(CHUNKS[-1])
    assert rewriter.is_done


def test_events_that_all_say_stop_wait_for_the_next_one_only() -> None:
    rewriter = open_gemini()
    stops = [sse(chunk(f"{at}", finish="STOP", usageMetadata=tokens(at))) for at in range(4)]
    assert [rewriter.feed(stop) for stop in stops] == [b"", *stops[:-1]]
    assert rewriter.eof() == stops[-1]
    assert rewriter.usage() == Usage(input_tokens=100, output_tokens=3)


def test_usage_behind_the_finish_counts() -> None:
    usage = run(open_gemini, [sse(CHUNKS[0]) + sse(CHUNKS[-1]), sse({"usageMetadata": tokens(12)})])[1].usage()
    assert usage == Usage(input_tokens=100, output_tokens=12)


@pytest.mark.parametrize("told", [chunk("x" * 400), chunk("x" * 400, usageMetadata=tokens()), chunk("x" * 400, usageMetadata=tokens(3))])
def test_what_was_used_of_a_stream_that_broke_is_estimated_and_never_below_what_was_told(told: dict[str, Any]) -> None:
    rewriter = run(open_gemini, [sse(told)])[1]
    assert rewriter.usage() == Usage(input_tokens=100 if "usageMetadata" in told else 7, output_tokens=100, source=UsageSource.ESTIMATED)
    more = run(open_gemini, [sse({**told, "usageMetadata": tokens(999)}), sse(chunk("", usageMetadata=None))])[1]
    assert more.usage().output_tokens in {999, 100}
    assert open_gemini().usage() == Usage(input_tokens=7, output_tokens=0, source=UsageSource.ESTIMATED)


@pytest.mark.parametrize(
    ("chunks", "finish", "native"),
    [
        ([chunk(finish="MAX_TOKENS")], "length", "MAX_TOKENS"),
        ([chunk(None, finish="SAFETY")], "content_filter", "SAFETY"),
        ([{"candidates": [{"content": {"parts": [{"functionCall": {"name": "f"}}]}}]}, chunk("", finish="STOP")], "tool_calls", "STOP"),
        ([chunk('"functionCall"'), chunk("", finish="STOP")], "stop", "STOP"),
        ([{"promptFeedback": {"blockReason": "SAFETY"}, "usageMetadata": tokens()}], "content_filter", "SAFETY"),
        ([{"candidates": [{"finishReason": "STOP", "index": 0}]}], "stop", "STOP"),
    ],
)
def test_why_it_ended_has_its_common_name(chunks: list[dict[str, Any]], finish: str, native: str) -> None:
    rewriter = run(open_gemini, [b"".join(map(sse, chunks))])[1]
    assert (rewriter.facts.finish_reason, rewriter.facts.native_finish_reason, rewriter.is_done) == (finish, native, True)


def test_of_several_answers_each_must_have_finished() -> None:
    first, second = chunk("A", index=0), chunk("B", index=1)
    ends = [chunk("", index=0, finish="MAX_TOKENS"), chunk("", index=1, finish="STOP")]
    stream = [sse(one) for one in (first, second, *ends)]
    out, rewriter = run(open_candidates, stream)
    assert (out, rewriter.is_done, rewriter.facts.finish_reason) == (b"".join(stream), True, "length")
    assert not run(open_candidates, stream[:-1])[1].is_done
    late = [sse(first), sse(ends[0]), sse(second)]
    out, rewriter = run(open_candidates, late)
    assert (out, rewriter.is_done) == (b"".join(late), False)


@pytest.mark.parametrize("failure", [sse(FAILURE), sse(FAILURE, "\n\n"), b"\r\n" + PLAIN_FAILURE, PLAIN_FAILURE + b"\r\n\r\n"])
@pytest.mark.parametrize("begin", [[], [CHUNKS[0]], [CHUNKS[0], CHUNKS[-1]]])
def test_a_failure_is_kept_for_the_relay_and_not_passed_on(failure: bytes, begin: list[dict[str, Any]]) -> None:
    stream = b"".join(map(sse, begin))
    for pieces in ([stream, failure], [stream + failure], byte_by_byte(stream + failure)):
        out, rewriter = run(open_gemini, pieces)
        assert rewriter.failure is not None
        assert read_failure(rewriter.failure) == ("Slow down.", "rate_limit_exceeded", None)
        assert (rewriter.is_done, rewriter.is_begun) == (False, bool(begin))
        assert isinstance(rewriter, GeminiStream)
        told = out + rewriter.fail(DENIED, "req-1")
        assert told.startswith(stream)
        assert [event.get("error", {}).get("message") for event in read_events(told)] == [*[None] * len(begin), "Oh."]


def test_nothing_is_passed_on_behind_a_failure() -> None:
    out, rewriter = run(open_gemini, [sse(CHUNKS[0]) + sse(FAILURE) + sse(CHUNKS[-1]), sse(CHUNKS[-1])])
    assert (out, rewriter.is_done) == (sse(CHUNKS[0]), False)


@pytest.mark.parametrize("begin", [[], [CHUNKS[0]], [CHUNKS[0], CHUNKS[-1]]])
def test_an_array_that_cannot_go_on_ends_with_the_error(begin: list[dict[str, Any]]) -> None:
    out, rewriter = run(open_array, [b"".join(map(sse, begin)), sse(FAILURE)])
    assert isinstance(rewriter, ArrayStream)
    assert rewriter.failure is not None
    *before, last = json.loads(out + rewriter.fail(DENIED, "req-1"))
    assert (before, last["error"]["message"], last["error"]["status"]) == (begin, "Oh.", "UNAVAILABLE")


def test_an_array_around_another_rewriter_can_fail_too() -> None:
    assert json.loads(ArrayStream(open_openai()).fail(DENIED, "req-1"))[0]["error"]["message"] == "Oh."


@pytest.mark.parametrize("rest", [b"", b"data: ", sse(CHUNKS[0])[:-20], sse(CHUNKS[-1])[:-20], b"data: [DONE]", b"\xff"])
def test_a_stream_that_ends_without_a_reason_is_not_done(rest: bytes) -> None:
    out, rewriter = run(open_gemini, [sse(CHUNKS[0]) + rest])
    assert (out, rewriter.is_done, rewriter.failure) == (sse(CHUNKS[0]), False, None)


def test_an_answer_that_has_finished_is_whole_whatever_is_cut_behind_it() -> None:
    stream = sse(CHUNKS[0]) + sse(CHUNKS[-1])
    out, rewriter = run(open_gemini, [stream + b'data: {"usageMet'])
    assert (out, rewriter.is_done) == (stream, True)


@pytest.mark.parametrize("name", sorted(recorded("gemini", is_whole=False)))
@pytest.mark.parametrize("make", [open_gemini, open_candidates, open_array])
def test_recorded_streams_that_break_are_not_done(name: str, make: Any) -> None:
    rewriter = run(make, [recorded("gemini", is_whole=False)[name]])[1]
    assert not rewriter.is_done
    assert (rewriter.failure is None) is (name == "stream_cut")


@pytest.mark.parametrize(
    "garbage",
    [
        b"data: x\n\n",
        b"data: 5\n\n",
        b"data: null\n\n",
        b"data: []\n\n",
        b"data: {}\n\n",
        b"data: [DONE]\n\n",
        b'data: {"choices":[]}\n\n',
        b'data: {"candidates":5}\n\n',
        b'data: {"candidates":[{"index":"x"}]}\n\n',
        b'data: {"candidates":[],"x":"\xff"}\n\n',
        b"data: " + b"[" * 100_000 + b"\n\n",
        b"<html>\n\n",
        b'{"candidates":[]}\n\n',
        b'[{"error":{}},{"error":{}}]\n\n',
    ],
)
@pytest.mark.parametrize("make", [open_gemini, open_array])
def test_what_is_no_stream_of_geminis_is_an_invalid_reply(garbage: bytes, make: Any) -> None:
    with pytest.raises(InvalidReply):
        run(make, [garbage])


def test_an_event_without_end_is_refused() -> None:
    rewriter = open_gemini()
    rewriter.feed(b"data: " + b"x" * (8 * 1024 * 1024 - 6))
    with pytest.raises(InvalidReply, match="too large"):
        rewriter.feed(b"x")


def test_an_estimate_does_not_depend_on_how_the_stream_was_cut() -> None:
    stream = b"".join(map(sse, CHUNKS[:-1]))
    expected = run(open_gemini, [stream])[1].usage()
    for at in range(1, len(stream)):
        assert run(open_gemini, cut(stream, [at]))[1].usage() == expected
