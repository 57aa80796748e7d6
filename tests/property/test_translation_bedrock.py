"""Converse from and to the form: every split of a stream gives the same events, and what is translated keeps its meaning."""

import json
from base64 import b64encode
from itertools import pairwise
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from anyrouter.core.errors import ClientError
from anyrouter.sandbox.bedrock.event_stream import encode_message
from anyrouter.wire.form.events import End, Event, Finish, PartEnd, PartStart, Start
from anyrouter.wire.form.parts import Document, Image, Part, Reasoning, Source, Text, ToolCall, ToolResult
from anyrouter.wire.form.reasoning import ANTHROPIC_FORMAT
from anyrouter.wire.form.request import Message, Request
from anyrouter.wire.form.text import quote, unquote
from anyrouter.wire.form.warnings import Warnings
from anyrouter.wire.reply import InvalidReply
from anyrouter.wire.translation.bedrock.event_stream import EventStreamSplitter
from anyrouter.wire.translation.bedrock.reply_decoder import decode_response
from anyrouter.wire.translation.bedrock.request_encoder import encode_request
from anyrouter.wire.translation.bedrock.stream_decoder import BedrockStreamDecoder
from anyrouter.wire.translation.codec import UpstreamModel
from support.form_values import (
    decode_stream,
    make_compact_arguments,
    make_json,
    make_texts,
    names,
    read_golden_streams,
    read_literals,
)
from support.streams import cut

STREAMS = read_golden_streams("bedrock", "bin")
CLAUDE = "us.anthropic.claude-sonnet-4-5-20250929-v1:0"


def events_of(pieces: list[bytes]) -> list[Event]:
    return decode_stream(BedrockStreamDecoder(), pieces)


@pytest.mark.parametrize("stream", STREAMS.values(), ids=STREAMS)
def test_a_stream_cut_in_two_at_any_byte_gives_the_same_events(stream: bytes) -> None:
    whole = events_of([stream])
    for at in range(1, len(stream)):
        assert events_of([stream[:at], stream[at:]]) == whole, at


@settings(max_examples=100)
@given(st.sampled_from(sorted(STREAMS)), st.data())
def test_a_stream_cut_into_any_pieces_gives_the_same_events(name: str, data: st.DataObject) -> None:
    stream = STREAMS[name]
    places = data.draw(st.lists(st.integers(0, len(stream)), max_size=12))
    assert events_of(cut(stream, places)) == events_of([stream])


texts = make_texts('"text":"', "\\", "\n\n", " ")
filled = texts.filter(lambda text: bool(text.strip()))
literals = st.builds(quote, filled)
blobs = st.binary(max_size=5).map(lambda value: b64encode(value).decode())
deltas = st.one_of(
    st.fixed_dictionaries({"text": texts}),
    st.fixed_dictionaries(
        {
            "reasoningContent": st.one_of(
                st.fixed_dictionaries({"text": texts}),
                st.fixed_dictionaries({"signature": texts}),
                st.fixed_dictionaries({"redactedContent": blobs}),
            )
        }
    ),
    st.fixed_dictionaries({"citation": st.fixed_dictionaries({}, optional={"title": texts, "source": texts})}),
    st.fixed_dictionaries({"toolUse": st.fixed_dictionaries({"input": texts})}),
    st.fixed_dictionaries({"toolResult": st.lists(st.fixed_dictionaries({"text": texts}), max_size=2)}),
)
starts = st.one_of(
    st.fixed_dictionaries(
        {"toolUse": st.fixed_dictionaries({"toolUseId": names, "name": names}, optional={"type": st.just("server_tool_use")})}
    ),
    st.fixed_dictionaries({"toolResult": st.fixed_dictionaries({"toolUseId": names})}),
    st.fixed_dictionaries({"image": st.just({"format": "png"})}),
)
numbers = st.integers(0, 2)
told_events = st.one_of(
    st.tuples(st.just("contentBlockDelta"), st.fixed_dictionaries({"contentBlockIndex": numbers, "delta": deltas})),
    st.tuples(st.just("contentBlockStart"), st.fixed_dictionaries({"contentBlockIndex": numbers, "start": starts})),
    st.tuples(st.just("contentBlockStop"), st.fixed_dictionaries({"contentBlockIndex": numbers})),
    st.tuples(st.just("metadata"), st.just({"usage": {"inputTokens": 1, "outputTokens": 2, "totalTokens": 3}})),
)


def stream_of(told: list[tuple[str, dict[str, Any]]]) -> bytes:
    bodies = [("messageStart", {"role": "assistant"}), *told, ("messageStop", {"stopReason": "end_turn"})]
    return b"".join(encode_message({":event-type": kind, ":message-type": "event"}, json.dumps(body).encode()) for kind, body in bodies)


@settings(max_examples=200)
@given(st.lists(told_events, max_size=10))
def test_whatever_an_upstream_sends_the_events_keep_their_order(told: list[tuple[str, dict[str, Any]]]) -> None:
    try:
        events = events_of([stream_of(told)])
    except InvalidReply:
        return
    assert isinstance(events[0], Start)
    assert [type(event) for event in events[-2:]] == [Finish, End]
    begun, is_open = 0, False
    for event in events[1:-2]:
        index = getattr(event, "index", None)
        if isinstance(event, PartStart):
            assert not is_open
            assert index == begun
            begun, is_open = begun + 1, True
        elif index is not None:
            assert is_open
            assert index == begun - 1
            is_open = not isinstance(event, PartEnd)
    assert not is_open


@settings(max_examples=150)
@given(st.lists(told_events, max_size=6), st.data())
def test_what_any_stream_says_does_not_depend_on_how_it_was_cut(told: list[tuple[str, dict[str, Any]]], data: st.DataObject) -> None:
    stream = stream_of(told)
    places = data.draw(st.lists(st.integers(0, len(stream)), max_size=6))
    try:
        events = events_of([stream])
    except InvalidReply:
        with pytest.raises(InvalidReply):
            events_of(cut(stream, places))
        return
    assert events_of(cut(stream, places)) == events


header_values = st.one_of(st.text(st.characters(exclude_categories=("Cs",)), max_size=40))


@settings(max_examples=150)
@given(
    st.lists(
        st.tuples(st.dictionaries(st.text("ab:-", min_size=1, max_size=9), header_values, max_size=3), st.binary(max_size=60)), max_size=4
    )
)
def test_a_message_that_is_framed_is_read_as_it_was(told: list[tuple[dict[str, str], bytes]]) -> None:
    data = b"".join(encode_message(headers, payload) for headers, payload in told)
    assert [tuple(message) for message in EventStreamSplitter().feed(data)] == told


@settings(max_examples=150)
@given(st.sampled_from(sorted(STREAMS)), st.data())
def test_a_changed_byte_never_passes_for_an_event(name: str, data: st.DataObject) -> None:
    stream = bytearray(STREAMS[name])
    at = data.draw(st.integers(0, len(stream) - 1))
    stream[at] ^= data.draw(st.integers(1, 255))
    before = events_of([STREAMS[name]])
    try:
        events = events_of([bytes(stream)])
    except InvalidReply:
        return
    assert events == before[: len(events)]  # a length that grew waits for what never comes, and what lies behind the end is not read


sources = st.builds(Source, data=st.sampled_from(["AAAA", "aGk="]).map(quote), media_type=st.just("image/png"))
arguments = make_compact_arguments(texts)
user_parts: st.SearchStrategy[Part] = st.one_of(
    st.builds(Text, literals),
    st.builds(Image, sources),
    st.builds(Document, st.builds(Source, data=st.just(quote("AAAA")), media_type=st.just("application/pdf")), title=st.none() | texts),
)
answers = st.builds(
    lambda thoughts, text, calls: [*thoughts, *text, *calls],
    st.lists(
        st.builds(Reasoning, text=st.builds(quote, texts), signature=filled, format=st.just(ANTHROPIC_FORMAT))
        | st.builds(Reasoning, encrypted=st.just("AAAA"), format=st.just(ANTHROPIC_FORMAT)),
        max_size=2,
    ),
    st.lists(st.builds(Text, literals), max_size=1),
    st.lists(st.builds(ToolCall, names, names, arguments), max_size=3, unique_by=lambda call: call.id),
).filter(bool)
results = st.lists(
    st.builds(ToolResult, names, st.lists(st.builds(Text, literals) | st.builds(Image, sources), max_size=2).map(tuple), st.booleans()),
    min_size=1,
    max_size=3,
)
conversations = st.lists(
    st.one_of(
        st.builds(Message, st.sampled_from(["user", "system", "developer"]), st.lists(st.builds(Text, literals), min_size=1, max_size=2)),
        st.builds(Message, st.just("user"), st.lists(user_parts, min_size=1, max_size=3)),
        st.builds(Message, st.just("assistant"), answers),
        st.builds(Message, st.just("tool"), results),
    ),
    min_size=1,
    max_size=8,
)


def request_of(messages: list[Message]) -> tuple[dict[str, Any], Warnings]:
    warnings = Warnings()
    request = Request(dialect="anthropic", model="m", messages=messages)
    body: dict[str, Any] = json.loads(encode_request(request, UpstreamModel(name=CLAUDE), warnings).body)
    return body, warnings


@settings(max_examples=200)
@given(conversations)
def test_turns_alternate_from_the_users_on_and_hold_something(messages: list[Message]) -> None:
    turns = request_of(messages)[0]["messages"]
    assert turns[0]["role"] == "user"
    assert all(one["role"] != other["role"] for one, other in pairwise(turns))
    for turn in turns:
        assert turn["content"]
        kinds = [next(iter(block)) for block in turn["content"]]
        assert "text" in kinds or "document" not in kinds
        results_until = kinds.count("toolResult")
        assert kinds[:results_until] == ["toolResult"] * results_until  # answers stand first
        assert all(block["text"].strip() for block in turn["content"] if "text" in block)


@settings(max_examples=200)
@given(conversations)
def test_every_text_call_and_answer_reaches_the_model_in_its_order(messages: list[Message]) -> None:
    body, warnings = request_of(messages)
    assert {code for code, _ in warnings.found} <= {"changed_role"}
    blocks = [block for turn in body["messages"] for block in turn["content"]]
    parts = [part for message in messages for part in message.parts]
    said = [unquote(part.text) for part in parts if isinstance(part, Text)]
    told = [block["text"] for block in [*body.get("system", []), *blocks] if "text" in block]
    assert [text for text in told if text in said] == [text for text in said if text in told]
    assert set(said) <= set(told)
    calls = [(part.name, json.loads(part.arguments)) for part in parts if isinstance(part, ToolCall)]
    assert [(block["toolUse"]["name"], block["toolUse"]["input"]) for block in blocks if "toolUse" in block] == calls
    answered = sorted(part.call_id for part in parts if isinstance(part, ToolResult))
    assert sorted(block["toolResult"]["toolUseId"] for block in blocks if "toolResult" in block) == answered
    thoughts = [part.signature or part.encrypted for part in parts if isinstance(part, Reasoning)]
    assert [_proof(block["reasoningContent"]) for block in blocks if "reasoningContent" in block] == thoughts


def _proof(content: dict[str, Any]) -> str:
    text: str = content["reasoningText"]["signature"] if "reasoningText" in content else content["redactedContent"]
    return text


@settings(max_examples=200)
@given(answers)
def test_an_answer_that_is_sent_back_is_what_it_was(parts: list[Part]) -> None:
    body, _ = request_of([Message("user", [Text(quote("Hi"))]), Message("assistant", parts)])
    message = body["messages"][1]
    found = decode_response(json.dumps({"output": {"message": message}, "stopReason": "end_turn"}).encode()).candidates[0].parts
    assert _plain(found) == _plain(parts)


def _plain(value: Any) -> Any:
    return read_literals(value, lambda part: [part.id, part.name, json.loads(part.arguments)] if isinstance(part, ToolCall) else None)


@settings(max_examples=100)
@given(st.lists(st.text(max_size=90), min_size=1, max_size=6, unique=True))
def test_ids_fit_and_stay_apart(ids: list[str]) -> None:
    calls: list[Part] = [ToolCall(one, "f") for one in ids]
    answered: list[Part] = [ToolResult(one) for one in ids]
    body, _ = request_of([Message("user", [Text(quote("a"))]), Message("assistant", calls), Message("tool", answered)])
    found = [block["toolUse"]["toolUseId"] for block in body["messages"][1]["content"]]
    assert found == [block["toolResult"]["toolUseId"] for block in body["messages"][2]["content"]]
    assert len(set(found)) == len(ids)
    assert all(
        0 < len(one) <= 64 and set(one) <= set("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_.:-") for one in found
    )


json_values = make_json(texts, "output", "message", "content", "text", "toolUse")


@settings(max_examples=150)
@given(json_values, json_values)
def test_any_json_is_a_reply_or_none(body: Any, content: Any) -> None:
    for told in (body, {"output": {"message": {"content": content}}}):
        try:
            decode_response(json.dumps(told).encode())
        except InvalidReply:
            continue


@settings(max_examples=50)
@given(st.lists(st.builds(Message, st.sampled_from(["user", "assistant", "system"]), st.just([Text(quote(" "))])), max_size=3))
def test_a_conversation_of_nothing_is_refused(messages: list[Message]) -> None:
    with pytest.raises(ClientError):
        request_of(messages)
