"""Streams of Responses: the events that hold the response are rewritten, all others pass; usage, the end and failures are read."""

import json
from typing import Any

import pytest
from openai.types.responses import ResponseStreamEvent
from pydantic import TypeAdapter

from anyrouter.core.errors import Denied
from anyrouter.core.usage import Usage, UsageSource
from anyrouter.wire.reply import InvalidReply
from anyrouter.wire.responses_stream import ResponsesStream
from support.passthrough import (
    COMPLETED,
    CREATED,
    DELTA,
    RESPONSE,
    RESPONSE_EVENTS,
    RESPONSE_STREAMS,
    USAGE,
    encode,
    named,
    open_responses,
    recorded,
)
from support.streams import MODEL, PROVIDER, price_it, read_events, run

EVENT: TypeAdapter[Any] = TypeAdapter(ResponseStreamEvent)
FAILED = {"type": "response.failed", "response": {**RESPONSE, "status": "failed", "error": {"code": "server_error", "message": "Oh."}}}
FAILURES = {
    "flat": {"type": "error", "code": "rate_limit_exceeded", "message": "Oh.", "param": None, "sequence_number": 3},
    "nested": {"type": "error", "error": {"type": "server_error", "code": None, "message": "Oh."}, "sequence_number": 3},
    "of the response": FAILED,
    "cancelled": {"type": "response.cancelled", "response": {**RESPONSE, "status": "cancelled"}},
    "without a type": {"error": {"message": "Oh."}},
}
DENIED = Denied(code="upstream_error", message="Oh.")


def byte_by_byte(stream: bytes) -> list[bytes]:
    return [stream[at : at + 1] for at in range(len(stream))]


def expected(stream: bytes, usage: Usage) -> list[Any]:
    """What a client must get, worked out on decoded events."""
    events: list[Any] = []
    for event in read_events(stream):
        if event == "[DONE]":
            continue
        told = dict(event)
        if told["type"] in {"response.created", "response.in_progress", "response.completed", "response.incomplete"}:
            told["response"] = {**told["response"], "model": MODEL, "provider": PROVIDER}
        events.append(told)
        if told["type"] in {"response.completed", "response.incomplete"}:
            block = {"cost": int(price_it(usage).cost), "is_byok": False}
            details = {"upstream_inference_cost": 0, "upstream_inference_input_cost": 0, "upstream_inference_output_cost": 0}
            made = {
                "input_tokens": usage.input_tokens,
                "output_tokens": usage.output_tokens,
                "total_tokens": usage.input_tokens + usage.output_tokens,
                "input_tokens_details": {"cache_write_tokens": 0, "cached_tokens": 0},
                "output_tokens_details": {"reasoning_tokens": 0},
            }
            told["response"]["usage"] = {**(told["response"].get("usage") or made), **block, "cost_details": details}
            break
    return events


@pytest.mark.parametrize("stream", RESPONSE_STREAMS.values(), ids=RESPONSE_STREAMS)
@pytest.mark.parametrize("pieces", [lambda text: [text], byte_by_byte], ids=["whole", "byte by byte"])
def test_every_recorded_stream_gets_the_gateways_names_and_the_cost_and_nothing_else(stream: bytes, pieces: Any) -> None:
    out, rewriter = run(open_responses, pieces(stream) if len(stream) < 20_000 else [stream])
    assert (rewriter.is_begun, rewriter.is_done, rewriter.failure) == (True, True, None)
    assert read_events(out) == expected(stream, rewriter.usage())
    assert b"[DONE]" not in out.replace(b"data: [DONE]\\n\\n", b"")


@pytest.mark.parametrize("name", sorted(recorded("responses")))
def test_what_the_client_gets_are_events_of_openais_sdk(name: str) -> None:
    for event in read_events(run(open_responses, [RESPONSE_STREAMS[name]])[0]):
        EVENT.validate_python(event)


def test_what_is_not_of_the_response_itself_keeps_its_bytes() -> None:
    middle = b'event: response.output_text.delta\ndata: {"type":"response.output_text.delta", "delta":"1.50" , "x":[1e0]}\n\n: hi\n\n'
    out, _ = run(open_responses, [named(CREATED), middle, named(COMPLETED)])
    assert middle in out
    assert out.startswith(b'event: response.created\ndata: {"type":"response.created","response":{"id":"resp_7","object":"response",')


def test_usage_finish_and_the_upstreams_id_are_read() -> None:
    rewriter = run(open_responses, [b"".join(map(named, RESPONSE_EVENTS))])[1]
    assert rewriter.usage() == Usage(input_tokens=100, output_tokens=10, cache_read_tokens=64, reasoning_tokens=4)
    facts = rewriter.facts
    assert (facts.upstream_id, facts.finish_reason, facts.native_finish_reason) == ("resp_7", "stop", "completed")


@pytest.mark.parametrize(
    ("response", "finish", "native"),
    [
        ({"status": "completed", "output": [{"type": "function_call"}]}, "tool_calls", "completed"),
        ({"status": "incomplete", "incomplete_details": {"reason": "max_output_tokens"}}, "length", "max_output_tokens"),
        ({"status": "incomplete", "incomplete_details": {"reason": "content_filter"}}, "content_filter", "content_filter"),
    ],
)
def test_why_it_ended_has_its_common_name(response: dict[str, Any], finish: str, native: str) -> None:
    event = {"type": f"response.{response['status']}", "response": {**RESPONSE, **response, "usage": USAGE}}
    facts = run(open_responses, [named(CREATED), named(event)])[1].facts
    assert (facts.finish_reason, facts.native_finish_reason) == (finish, native)


@pytest.mark.parametrize("failure", FAILURES.values(), ids=FAILURES)
@pytest.mark.parametrize("begin", [[], [CREATED], [CREATED, DELTA]])
def test_a_failure_is_kept_for_the_relay_and_not_passed_on(failure: dict[str, Any], begin: list[dict[str, Any]]) -> None:
    told = named({"type": "", **failure})
    if "type" not in failure:
        told = b"data: " + encode(failure) + b"\n\n"
    stream = b"".join(map(named, begin))
    out, rewriter = run(open_responses, [stream, told + named(DELTA), named(COMPLETED)])
    assert out == run(open_responses, [stream])[0]
    assert rewriter.failure is not None
    assert json.loads(rewriter.failure) == failure
    assert (rewriter.is_done, rewriter.is_begun) == (False, bool(begin))


@pytest.mark.parametrize("name", sorted(recorded("responses", is_whole=False)))
def test_recorded_streams_that_break_are_not_done(name: str) -> None:
    rewriter = run(open_responses, [recorded("responses", is_whole=False)[name]])[1]
    assert not rewriter.is_done
    assert (rewriter.failure is None) is (name == "stream_cut")


@pytest.mark.parametrize("rest", [b"", b"data: [DONE]\n\n", named(COMPLETED)[:-40], named(DELTA)[:-40], b"event: response.completed\n"])
def test_a_stream_that_ends_before_the_response_does_is_not_done_and_never_says_that_it_is(rest: bytes) -> None:
    begin = named(CREATED) + named(DELTA)
    out, rewriter = run(open_responses, [begin, rest])
    assert (rewriter.is_done, rewriter.failure) == (False, None)
    assert out == run(open_responses, [begin])[0]


def test_what_was_used_of_a_stream_that_broke_is_estimated_and_no_text_counts_twice() -> None:
    text = {**DELTA, "delta": "x" * 400}
    done = {"type": "response.output_text.done", "text": "x" * 400}
    item = {"type": "response.output_item.done", "item": {"type": "message", "content": [{"type": "output_text", "text": "x" * 400}]}}
    arguments = {"type": "response.function_call_arguments.delta", "delta": "y" * 40}
    instructed = {**CREATED, "response": {**RESPONSE, "instructions": "z" * 4000}}
    usage = run(open_responses, [b"".join(map(named, [instructed, text, done, item, arguments]))])[1].usage()
    assert usage == Usage(input_tokens=7, output_tokens=110, source=UsageSource.ESTIMATED)
    usage = open_responses().usage()
    assert usage == Usage(input_tokens=7, output_tokens=0, source=UsageSource.ESTIMATED)


def test_an_estimate_is_shown_where_the_upstream_tells_no_usage() -> None:
    out, rewriter = run(open_responses, [RESPONSE_STREAMS["no usage"]])
    shown = read_events(out)[-1]["response"]["usage"]
    assert rewriter.usage().source is UsageSource.ESTIMATED
    assert (shown["input_tokens"], shown["total_tokens"]) == (7, 7 + rewriter.usage().output_tokens)


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
        b'data: {"type":5}\n\n',
        b'data: {"type":"response.created"}\n\n',
        b'data: {"type":"response.created","response":5}\n\n',
        b'data: {"type":"response.completed","response":null}\n\n',
        b'data: {"type":"\\ud800"}\n\n',
        b"data: " + b"[" * 100_000 + b"\n\n",
        b"<html>\n\n",
    ],
)
def test_what_is_no_stream_of_responses_is_an_invalid_reply(garbage: bytes) -> None:
    with pytest.raises(InvalidReply):
        run(open_responses, [garbage])


@pytest.mark.parametrize("begin", [[], [named(CREATED)]])
def test_bytes_that_are_not_utf8_are_an_invalid_reply(begin: list[bytes]) -> None:
    with pytest.raises(InvalidReply):
        run(open_responses, [*begin, b'data: {"type":"response.x","delta":"\xff"}\n\n'])


def test_an_event_without_end_is_refused() -> None:
    rewriter = open_responses()
    rewriter.feed(b"data: " + b"x" * (8 * 1024 * 1024 - 6))
    with pytest.raises(InvalidReply, match="too large"):
        rewriter.feed(b"x")


def test_a_response_of_thousands_of_members_is_an_invalid_reply_or_passes() -> None:
    many = {f"x{at}": at for at in range(4000)}
    out, rewriter = run(open_responses, [named(CREATED), named({**COMPLETED, "response": {**COMPLETED["response"], **many}})])
    assert rewriter.is_done
    assert len(read_events(out)[-1]["response"]) > 4000
    with pytest.raises(InvalidReply):
        run(open_responses, [named(CREATED), named({**COMPLETED, **many})])


def test_nothing_but_comments_and_events_of_other_kinds_has_not_begun() -> None:
    out, rewriter = run(open_responses, [b": hi\n\n", named({"type": "keepalive"})])
    assert (out, rewriter.is_begun, rewriter.is_done) == (b"", False, False)


@pytest.mark.parametrize(("begin", "number"), [([], 0), ([CREATED], 1), ([CREATED, DELTA], 3)])
def test_a_stream_that_cannot_go_on_says_so_with_the_number_whose_turn_it_is(begin: list[dict[str, Any]], number: int) -> None:
    rewriter = run(open_responses, [b"".join(map(named, begin))])[1]
    assert isinstance(rewriter, ResponsesStream)
    (event,) = read_events(rewriter.fail(DENIED, "req-1"))
    EVENT.validate_python(event)
    assert (event["type"], event["sequence_number"], event["code"], event["error"]["code"]) == ("error", number, *["upstream_error"] * 2)
