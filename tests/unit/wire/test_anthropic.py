"""The Anthropic dialect: streams are read and not changed, replies get their provider, requests are judged."""

import contextlib
import json

import pytest

from anyrouter.core.errors import ClientError
from anyrouter.core.usage import NO_USAGE, Usage, UsageSource
from anyrouter.wire import anthropic
from anyrouter.wire.dialect import DIALECTS
from anyrouter.wire.reply import CostFields, InvalidReply, Naming
from support.streams import HOSTILE, MESSAGE, MESSAGE_STREAMS, START, cut, event, open_anthropic, run

FAILURE = {"type": "error", "error": {"type": "overloaded_error", "message": "Overloaded"}}
DELTA = {"type": "content_block_delta", "index": 0, "delta": {"type": "text_delta", "text": "abcdefgh"}}
STOP = {"type": "message_stop"}
BODY = {"model": "anthropic/claude-x", "max_tokens": 5, "messages": [{"role": "user", "content": "hi"}]}


def encode(value: object) -> bytes:
    return json.dumps(value, separators=(",", ":")).encode()


def render(endpoint: str, reply: object) -> list[bytes | memoryview]:
    naming = Naming(b'"gen-1"', b'"anthropic/claude-x"', b'"A\\"b"')
    return DIALECTS["anthropic"].render_reply(endpoint, reply, naming, NO_USAGE, CostFields(cost=b"0"))


def byte_by_byte(stream: bytes) -> list[bytes]:
    return [stream[at : at + 1] for at in range(len(stream))]


@pytest.mark.parametrize("stream", MESSAGE_STREAMS.values(), ids=MESSAGE_STREAMS)
@pytest.mark.parametrize("pieces", [lambda text: [text], byte_by_byte])
def test_every_recorded_message_passes_unchanged_and_is_read(stream: bytes, pieces) -> None:
    out, rewriter = run(open_anthropic, pieces(stream))
    assert out == stream
    assert (rewriter.is_begun, rewriter.is_done, rewriter.failure) == (True, True, None)
    facts = rewriter.facts
    assert facts.upstream_id == "msg_7"
    assert (facts.finish_reason, facts.native_finish_reason) in [("stop", "end_turn"), ("tool_calls", "tool_use")]
    assert rewriter.usage() == Usage(input_tokens=17, output_tokens=15, cache_read_tokens=5, cache_write_tokens=3)


@pytest.mark.parametrize(("native", "finish"), anthropic.FINISH_REASONS.items())
def test_stop_reasons_have_their_common_names(native: str, finish: str) -> None:
    values = [START, {"type": "message_delta", "delta": {"stop_reason": native}, "usage": {"output_tokens": 1}}, STOP]
    _, rewriter = run(open_anthropic, [b"".join(map(event, values))])
    assert (rewriter.facts.finish_reason, rewriter.facts.native_finish_reason) == (finish, native)


def test_a_stop_reason_of_the_future_is_told_as_it_is() -> None:
    values = [START, {"type": "message_delta", "delta": {"stop_reason": "new_reason"}, "usage": {"output_tokens": 1}}, STOP]
    assert run(open_anthropic, [b"".join(map(event, values))])[1].facts.finish_reason == "new_reason"


def test_a_message_cut_before_its_final_count_is_estimated_and_never_below_what_was_told() -> None:
    _, rewriter = run(open_anthropic, [event(START)])
    assert rewriter.usage() == Usage(
        input_tokens=17, output_tokens=1, cache_read_tokens=5, cache_write_tokens=3, source=UsageSource.ESTIMATED
    )
    _, rewriter = run(open_anthropic, [event(START), *[event(DELTA)] * 10])
    assert (rewriter.usage().output_tokens, rewriter.usage().source, rewriter.is_done) == (20, UsageSource.ESTIMATED, False)


def test_before_the_upstream_told_anything_its_input_is_estimated() -> None:
    usage = open_anthropic().usage()
    assert (usage.input_tokens, usage.output_tokens, usage.source) == (7, 0, UsageSource.ESTIMATED)


def test_later_counts_replace_earlier_ones_name_by_name() -> None:
    values = [
        START,
        {"type": "message_delta", "delta": {}, "usage": {"output_tokens": 4}},
        {"type": "message_delta", "delta": {"stop_reason": "end_turn"}, "usage": {"output_tokens": 9, "cache_read_input_tokens": 6}},
        STOP,
    ]
    usage = run(open_anthropic, [event(value) for value in values])[1].usage()
    assert (usage.input_tokens, usage.output_tokens, usage.cache_read_tokens) == (18, 9, 6)


@pytest.mark.parametrize("begin", [[], [START], [START, DELTA]])
def test_an_error_event_is_kept_for_the_relay_and_not_passed_on(begin: list[dict[str, object]]) -> None:
    out, rewriter = run(open_anthropic, [event(value) for value in [*begin, FAILURE, DELTA]])
    assert out == b"".join(map(event, begin))
    assert rewriter.failure is not None
    assert json.loads(rewriter.failure) == FAILURE
    assert not rewriter.is_done


@pytest.mark.parametrize("rest", [[DELTA], [STOP]])
def test_an_error_ends_the_stream_also_when_more_came_with_it(rest: list[dict[str, object]]) -> None:
    begin = event(START) + event(DELTA)
    out, rewriter = run(open_anthropic, [begin, event(FAILURE) + b"".join(map(event, rest))])
    assert (out, rewriter.is_done) == (begin, False)


def test_nothing_is_passed_on_behind_the_end() -> None:
    stream = MESSAGE_STREAMS["compact"]
    out, rewriter = run(open_anthropic, [stream, event(DELTA), b"data: [DONE]\n\n", event(FAILURE)])
    assert (out, rewriter.is_done, rewriter.failure) == (stream, True, None)


@pytest.mark.parametrize("rest", [event(DELTA), b"data: [DONE]\n\n", event(FAILURE)])
def test_what_comes_behind_the_end_in_the_same_read_does_not_matter_either(rest: bytes) -> None:
    stream = MESSAGE_STREAMS["compact"]
    out, rewriter = run(open_anthropic, [stream + rest])
    assert (out, rewriter.is_done, rewriter.failure) == (stream, True, None)


@pytest.mark.parametrize("rest", [b"data: [DONE]\n\n", b"data: [DO"])
def test_a_message_that_ends_without_message_stop_is_not_done(rest: bytes) -> None:
    stream = b"".join(map(event, MESSAGE[:-1]))
    try:
        _, rewriter = run(open_anthropic, [stream, rest])
    except InvalidReply:
        return
    assert not rewriter.is_done


def test_a_last_event_without_its_empty_line_counts() -> None:
    stream = MESSAGE_STREAMS["compact"]
    out, rewriter = run(open_anthropic, [stream[:-2]])
    assert (out, rewriter.is_done) == (stream, True)
    assert not run(open_anthropic, [stream[:-5]])[1].is_done


@pytest.mark.parametrize(
    "garbage",
    [
        b"data: x\n\n",
        b"data: 5\n\n",
        b"data: null\n\n",
        b"data: []\n\n",
        b"data: {}\n\n",
        b"data: [DONE]\n\n",
        event(DELTA),
        event({"type": 5}),
        event({"type": "message_start", "message": 5}),
        event({"choices": [], "id": "x"}),
        b'data: {"type":"\\ud800"}\n\n',
        b"data: " + b"[" * 100_000 + b"\n\n",
        b'data: {"type":"message_start","message":{"usage":{"input_tokens":1e400}}}\n\n',
    ],
)
def test_what_does_not_begin_a_message_is_an_invalid_reply(garbage: bytes) -> None:
    with pytest.raises(InvalidReply):
        run(open_anthropic, [garbage])


@pytest.mark.parametrize(
    "garbage",
    [b'data: {"type":"\xff"}\n\n', b'data: {"type":"message_start","message":{"id":"\xff"}}\n\n', b'data: {"\xff":1,"type":"ping"}\n\n'],
)
@pytest.mark.parametrize("begin", [[], [event(START)]])
def test_bytes_that_are_not_utf8_are_an_invalid_reply(garbage: bytes, begin: list[bytes]) -> None:
    with pytest.raises(InvalidReply):
        run(open_anthropic, [*begin, garbage.replace(b"ping", b"message_delta") if begin else garbage])


def test_a_message_of_nothing_but_pings_has_not_begun() -> None:
    _, rewriter = run(open_anthropic, [event({"type": "ping"})] * 3)
    assert (rewriter.is_begun, rewriter.is_done) == (False, False)


def test_spaced_deltas_are_measured_as_compact_ones_are() -> None:
    spaced = [event(value, (", ", ": ")) for value in (START, *[DELTA] * 10)]
    compact = [event(value) for value in (START, *[DELTA] * 10)]
    assert run(open_anthropic, spaced)[1].usage() == run(open_anthropic, compact)[1].usage()


def test_quotation_marks_in_a_text_do_not_end_its_measure() -> None:
    delta = {**DELTA, "delta": {"type": "text_delta", "text": '"' + "x" * 400}}
    assert run(open_anthropic, [event(START), event(delta)])[1].usage().output_tokens >= 100


def test_an_estimate_does_not_depend_on_how_the_stream_was_cut() -> None:
    stream = b"".join(map(event, MESSAGE[:-2]))
    expected = run(open_anthropic, [stream])[1].usage()
    for at in range(1, len(stream)):
        assert run(open_anthropic, cut(stream, [at]))[1].usage() == expected


def test_an_event_without_end_is_refused() -> None:
    rewriter = open_anthropic()
    rewriter.feed(b"data: " + b"x" * (8 * 1024 * 1024 - 6))
    with pytest.raises(InvalidReply, match="too large"):
        rewriter.feed(b"x")


@pytest.mark.parametrize(
    ("told", "usage"),
    [
        ({"input_tokens": 3, "output_tokens": 4}, Usage(input_tokens=3, output_tokens=4)),
        (
            {"input_tokens": 3, "output_tokens": 4, "cache_read_input_tokens": 10, "cache_creation_input_tokens": 20},
            Usage(input_tokens=33, output_tokens=4, cache_read_tokens=10, cache_write_tokens=20),
        ),
        ({"input_tokens": -3, "output_tokens": -4, "cache_read_input_tokens": -1}, Usage()),
        ({"input_tokens": 3, "output_tokens": None, "cache_read_input_tokens": None}, Usage(input_tokens=3)),
        (
            {"input_tokens": 3, "output_tokens": 4, "service_tier": "standard", "server_tool_use": {"x": 1}},
            Usage(input_tokens=3, output_tokens=4),
        ),
        ({}, None),
        (None, None),
        ({"input_tokens": "3"}, None),
        ([], None),
        (5, None),
    ],
)
def test_usage_is_read_in_the_common_meaning_or_not_at_all(told: object, usage: Usage | None) -> None:
    reply = {"id": "msg_1", "content": [{"type": "text", "text": "Hi"}], "stop_reason": "end_turn", "usage": told}
    assert anthropic.read_reply("messages", encode(reply))[1].usage == usage


@pytest.mark.parametrize("count", [2**63, 10**30])
def test_a_count_beyond_reason_is_not_believed(count: int) -> None:
    reply = {"content": [], "usage": {"input_tokens": count, "output_tokens": 1}}
    usage = anthropic.read_reply("messages", encode(reply))[1].usage
    assert usage is None or usage.input_tokens < 2**53


@pytest.mark.parametrize(
    "text", [b"", b"[]", b"<html>", b"{}", b'{"content":null}', b'{"content":"x"}', b'{"content":{}}', b'{"type":"error"}', b"\xff"]
)
def test_a_body_without_content_is_not_a_message(text: bytes) -> None:
    with pytest.raises(InvalidReply):
        anthropic.read_reply("messages", text)


@pytest.mark.parametrize("name", ["id", "stop_reason"])
def test_numbers_beyond_all_bounds_are_no_mistake_of_ours(name: str) -> None:
    with contextlib.suppress(InvalidReply):
        anthropic.read_reply("messages", b'{"content":[],"%s":1e999}' % name.encode())


@pytest.mark.parametrize("text", [b"{}", b'{"input_tokens":null}', b"[]", b""])
def test_a_count_without_a_number_is_no_count(text: bytes) -> None:
    with pytest.raises(InvalidReply):
        anthropic.read_reply("messages/count_tokens", text)


def test_a_count_of_tokens_uses_nothing_and_passes_as_it_came() -> None:
    members, facts = anthropic.read_reply("messages/count_tokens", b'{ "input_tokens": 7 }')
    assert facts.usage == NO_USAGE
    assert b"".join(render("messages/count_tokens", members)) == b'{ "input_tokens": 7 }'


def test_a_message_keeps_its_bytes_but_for_the_provider() -> None:
    text = b'{"id":"msg_1","content":[{"type":"text","text":"1.50"}], "stop_reason": null ,"usage":{"input_tokens":1,"output_tokens":2}}'
    members, facts = anthropic.read_reply("messages", text)
    assert b"".join(render("messages", members)) == text[:-1] + b',"provider":"A\\"b"}'
    assert (facts.finish_reason, facts.native_finish_reason, facts.upstream_id) == (None, None, "msg_1")
    own = b'{"content":[],"provider":"theirs"}'
    assert b"".join(render("messages", anthropic.read_reply("messages", own)[0])) == own


def test_a_request_keeps_its_bytes_but_for_the_model_and_our_own_members() -> None:
    body = b'{"model":"anthropic/claude-x","messages":[{"role":"user","content":"1.50 \xc3\xbc"}],"max_tokens":5e0,"provider":{},"x":1}'
    request = anthropic.read_request("messages", body)
    assert (request.model, request.is_streamed) == ("anthropic/claude-x", False)
    sent = b"".join(request.encode(b'"claude-x"'))
    assert sent == body.replace(b'"anthropic/claude-x"', b'"claude-x"').replace(b',"provider":{}', b"")


@pytest.mark.parametrize(("value", "is_streamed"), [(True, True), (False, False), (None, False)])
def test_streaming_is_a_flag(value: object, *, is_streamed: bool) -> None:
    assert anthropic.read_request("messages", encode({**BODY, "stream": value})).is_streamed is is_streamed
    assert not anthropic.read_request("messages/count_tokens", encode({**BODY, "stream": value})).is_streamed


@pytest.mark.parametrize(
    ("changes", "code", "param"),
    [
        ({"messages": None}, "missing_parameter", "messages"),
        ({"stream": 1}, "invalid_parameter", "stream"),
        ({"model": ["x"]}, "invalid_parameter", "model"),
        ({"base_url": "http://evil"}, "invalid_parameter", "base_url"),
        ({"api_key": None}, "invalid_parameter", "api_key"),
    ],
)
def test_what_is_wrong_with_a_request_is_said(changes: dict[str, object], code: str, param: str) -> None:
    with pytest.raises(ClientError) as caught:
        anthropic.read_request("messages", encode({**BODY, **changes}))
    assert (caught.value.denied.code, caught.value.denied.param) == (code, param)


def test_the_prompt_is_estimated_by_its_size_in_bytes() -> None:
    small = anthropic.read_request("messages", encode(BODY)).estimated_input_tokens
    system = anthropic.read_request("messages", encode({**BODY, "system": HOSTILE * 10})).estimated_input_tokens
    assert small == len(encode(BODY["messages"])) // 4
    assert system > small + len(HOSTILE) * 2
