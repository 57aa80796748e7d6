"""Streams of the OpenAI dialect: what the client gets, what is read off, and what is not a stream."""

import contextlib
import json

import pytest

from anyrouter.core.usage import UsageSource
from anyrouter.wire.openai_stream import DONE
from anyrouter.wire.reply import InvalidReply
from support.streams import (
    CHAT,
    CHAT_STREAMS,
    FINISH,
    GENERATION_ID,
    HOSTILE,
    LAST,
    MODEL,
    PROVIDER,
    TEXT_STREAMS,
    USAGE,
    choice,
    chunk,
    cut,
    event,
    expect_events,
    open_openai,
    read_events,
    run,
)

FAILURE = event({"error": {"message": "the engine died", "code": "engine_error"}})


def byte_by_byte(stream: bytes) -> list[bytes]:
    return [stream[at : at + 1] for at in range(len(stream))]


def event_by_event(stream: bytes) -> list[bytes]:
    return [part + b"\n\n" for part in stream.split(b"\n\n") if part]


@pytest.mark.parametrize("stream", CHAT_STREAMS.values(), ids=CHAT_STREAMS)
def test_every_recorded_chat_reaches_the_client_as_the_contract_says(stream: bytes) -> None:
    out, rewriter = run(open_openai, [stream])
    assert read_events(out) == expect_events(stream, is_usage_wanted=False)
    assert rewriter.is_done
    assert out.endswith(DONE)
    assert out.count(DONE) == 1


@pytest.mark.parametrize("stream", CHAT_STREAMS.values(), ids=CHAT_STREAMS)
def test_usage_is_told_once_before_the_end_when_it_is_asked_for(stream: bytes) -> None:
    out, rewriter = run(lambda: open_openai(is_usage_wanted=True), [stream])
    events = read_events(out)
    told = [part for part in events if isinstance(part, dict) and part.get("usage")]
    assert told == [events[-2]]
    assert told[0]["choices"] == []
    assert (told[0]["id"], told[0]["model"], told[0]["provider"]) == (GENERATION_ID, MODEL, PROVIDER)
    numbers = [told[0]["usage"][name] for name in ("prompt_tokens", "completion_tokens", "total_tokens", "cost")]
    assert all(isinstance(number, int) for number in numbers)
    assert numbers[0] + numbers[1] == numbers[2]
    if rewriter.facts.usage is not None:
        assert numbers == [100, 10, 110, 100_010]


@pytest.mark.parametrize("stream", TEXT_STREAMS.values(), ids=TEXT_STREAMS)
def test_text_completions_pass_with_our_names(stream: bytes) -> None:
    out, rewriter = run(lambda: open_openai("completions", is_usage_wanted=True), [stream])
    events = read_events(out)
    assert "".join(choice["text"] for part in events[:-1] for choice in part["choices"]) in ("Hello", HOSTILE * 2)
    assert {(part["id"], part["model"], part["object"]) for part in events[:-1]} == {(GENERATION_ID, MODEL, "text_completion")}
    assert events[-2]["usage"]["total_tokens"] > 0
    assert rewriter.facts.upstream_id == "cmpl-9"


def test_what_was_read_off_the_stream() -> None:
    _, rewriter = run(open_openai, event_by_event(CHAT_STREAMS["compact"]))
    facts = rewriter.facts
    assert (facts.upstream_id, facts.finish_reason, facts.output_bytes) == ("chatcmpl-9", "stop", 5)
    usage = rewriter.usage()
    assert (usage.input_tokens, usage.output_tokens, usage.cache_read_tokens, usage.source) == (100, 10, 64, UsageSource.EXACT)


def test_without_the_upstreams_word_usage_is_an_estimate_of_what_passed() -> None:
    _, rewriter = run(open_openai, [event(chunk("x" * 40)), event(chunk("y" * 40)), event(chunk("z" * 40))])
    usage = rewriter.usage()
    assert (usage.input_tokens, usage.output_tokens, usage.source) == (7, 30, UsageSource.ESTIMATED)
    assert not rewriter.is_done


def test_before_anything_came_nothing_was_put_out() -> None:
    rewriter = open_openai()
    assert (rewriter.is_begun, rewriter.is_done, rewriter.usage().output_tokens) == (False, False, 0)
    assert rewriter.eof() == b""
    assert not rewriter.is_done


def test_events_are_passed_on_as_soon_as_they_are_whole() -> None:
    rewriter = open_openai()
    for value in CHAT[:-1]:
        text = event(value)
        assert rewriter.feed(text[:-1]) == b""
        assert read_events(rewriter.feed(text[-1:])) != []


def test_a_cut_event_at_the_end_is_neither_passed_on_nor_an_end() -> None:
    stream = event(chunk("a")) + event(FINISH) + event(LAST)[:-30]
    out, rewriter = run(open_openai, [stream])
    assert not rewriter.is_done
    assert len(read_events(out)) == 2


@pytest.mark.parametrize("pieces", [event_by_event, byte_by_byte])
def test_an_error_inside_of_the_stream_is_kept_for_the_relay_and_ends_it(pieces) -> None:
    out, rewriter = run(open_openai, pieces(event(chunk("a")) + FAILURE + event(chunk("b")) + DONE))
    assert rewriter.failure is not None
    assert json.loads(rewriter.failure)["error"]["code"] == "engine_error"
    assert [part["choices"][0]["delta"] for part in read_events(out)] == [{"content": "a"}]
    assert not rewriter.is_done


@pytest.mark.parametrize("begin", [b"", event(chunk("a"))])
@pytest.mark.parametrize("rest", [DONE, event(chunk("b")), event(LAST) + DONE, event(FINISH) + DONE])
def test_an_error_ends_the_stream_also_when_more_came_with_it(begin: bytes, rest: bytes) -> None:
    # vLLM writes its error and [DONE] at once.
    apart = run(open_openai, event_by_event(begin + FAILURE + rest))
    together = run(open_openai, [begin + FAILURE + rest])
    assert together[0] == apart[0]
    assert (together[1].is_done, apart[1].is_done) == (False, False)


@pytest.mark.parametrize(
    "garbage",
    [
        b"data: x\n\n",
        b"data: 5\n\n",
        b"data: null\n\n",
        b"data: []\n\n",
        b'data: "x"\n\n',
        b"data: {}\n\n",
        b'data: {"choices":[]\n\n',
        b'data: {"id":"x","model":"y"}\n\n',
        b'data: {"choices":[{"delta":{"content":"\xff"}}]}\n\n',
        b'data: {"choices":[{"delta":{"content":"\\ud800"}}]}\n\n',
        b"data: <html>502</html>\n\n",
        b"data: " + b"[" * 100_000 + b"\n\n",
        b'data: {"type":"message_start","message":{}}\n\n',
    ],
)
@pytest.mark.parametrize("pieces", [lambda text: [text], byte_by_byte])
def test_what_is_not_an_event_of_this_dialect_is_an_invalid_reply(garbage: bytes, pieces) -> None:
    with pytest.raises(InvalidReply):
        run(open_openai, pieces(garbage if len(garbage) < 1000 else garbage[:2000] + b"\n\n"))


@pytest.mark.parametrize("body", [b"<html>502</html>", b'{"error":{"message":"x"}}', b"\x00\x01", b"Internal Server Error"])
def test_a_body_without_events_neither_begins_nor_ends(body: bytes) -> None:
    out, rewriter = run(open_openai, [body])
    assert (out, rewriter.is_begun, rewriter.is_done) == (b"", False, False)


@pytest.mark.parametrize("rest", [b"data: x\n\n", b'data: {"choices":\n\n', b"data: {}\n\n"])
def test_garbage_in_the_middle_is_an_invalid_reply_too(rest: bytes) -> None:
    for pieces in ([event(chunk("a")), rest], [event(chunk("a")) + rest], [event(chunk("a")), event(chunk("b")) + rest]):
        with pytest.raises(InvalidReply):
            run(open_openai, pieces)


def test_an_event_without_end_is_refused_at_eight_megabytes() -> None:
    rewriter = open_openai()
    part = b"data: " + b"x" * (1024 * 1024)
    fed = [rewriter.feed(part) for _ in range(7)]
    assert fed == [b""] * 7
    with pytest.raises(InvalidReply, match="too large"):
        rewriter.feed(part)


@pytest.mark.parametrize("name", [b"id", b"created", b"model"])
def test_numbers_beyond_all_bounds_are_no_mistake_of_ours(name: bytes) -> None:
    values = {b"id": b'"x"', b"model": b'"m"', b"created": b"1", name: b"1e999"}
    data = b",".join(b'"%s":%s' % item for item in values.items())
    with contextlib.suppress(InvalidReply):
        run(open_openai, [b'data: {%s,"choices":[]}\n\n' % data, event(FINISH) + DONE])


@pytest.mark.parametrize("choices", [None, 5, "x", {}])
def test_choices_that_are_none_are_an_invalid_reply(choices: object) -> None:
    with pytest.raises(InvalidReply):
        run(open_openai, [event(chunk(choices=choices))])


@pytest.mark.parametrize("stream", [DONE, b": hello\n\n" + DONE])
def test_an_end_before_any_event_is_not_a_reply(stream: bytes) -> None:
    with pytest.raises(InvalidReply):
        run(open_openai, [stream])


@pytest.mark.parametrize("absent", [("id",), ("model",), ("id", "model")])
def test_an_upstream_that_leaves_id_or_model_out_gets_them_added(absent: tuple[str, ...]) -> None:
    values = [{name: value for name, value in part.items() if name not in absent} for part in CHAT]
    out, _ = run(open_openai, [b"".join(map(event, values)) + DONE])
    assert {(part.get("id"), part.get("model")) for part in read_events(out)[:-1]} == {(GENERATION_ID, MODEL)}


def test_data_on_several_lines_stays_readable() -> None:
    lines = json.dumps(chunk("a"), indent=1).split("\n")
    stream = "".join(f"data: {line}\n" for line in lines).encode() + b"\n" + event(FINISH) + DONE
    out, _ = run(open_openai, [stream])
    assert read_events(out) == expect_events(stream, is_usage_wanted=False)


ESTIMATED = {
    "a choice each": [chunk(choices=[choice({"content": "abc"}), choice({"content": "defg"}, 1)])] * 2,
    "quotes in the text": [chunk('say "hello" and "bye"')] * 2,
    "reasoning": [chunk(choices=[choice({"reasoning_content": "a long thought"})])] * 2,
    "tools": [chunk(choices=[choice({"tool_calls": [{"index": 0, "function": {"arguments": "a long argument"}}]})])] * 2,
    "other scripts, escaped": [json.loads(json.dumps(chunk("\u043a\u043b\u044e\u0447")))] * 2,
}


@pytest.mark.parametrize("values", ESTIMATED.values(), ids=ESTIMATED)
def test_an_estimate_does_not_depend_on_how_the_stream_was_cut(values: list[dict[str, object]]) -> None:
    ascii_only = "\u043a" in str(values)
    parts = [event(value, ascii_only=ascii_only) for value in [chunk("x"), *values]]
    apart, together = run(open_openai, parts)[1], run(open_openai, [b"".join(parts)])[1]
    some = run(open_openai, cut(b"".join(parts), [len(parts[0])]))[1]
    assert {apart.facts.output_bytes, together.facts.output_bytes} == {some.facts.output_bytes}
    assert some.facts.output_bytes > 1


def test_a_comment_cannot_make_the_estimate_negative() -> None:
    _, rewriter = run(open_openai, [event(chunk("abcd")), b': "content":"x' + b"\n\n", event(chunk("abcd"))])
    assert rewriter.usage().output_tokens >= 1
    assert rewriter.facts.output_bytes >= 4


@pytest.mark.parametrize("count", [2**63, 10**30, 10**400])
def test_a_count_beyond_reason_is_not_believed(count: int) -> None:
    _, rewriter = run(
        open_openai, [event(chunk("x")) + event(FINISH) + event(chunk(choices=[], usage={**USAGE, "prompt_tokens": count})) + DONE]
    )
    assert rewriter.usage().input_tokens < 2**53
