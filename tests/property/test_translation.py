"""Chat completions to and from the form: every split of a stream gives the same events, and what is translated keeps its meaning."""

import json
from typing import Any

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from anyrouter.core.errors import ClientError
from anyrouter.core.usage import NO_USAGE, Usage
from anyrouter.wire.form.events import End, Event, Finish, PartEnd, PartStart, Start
from anyrouter.wire.form.parts import Audio, Document, Image, Part, Reasoning, Refusal, Source, Text, ToolCall, ToolResult
from anyrouter.wire.form.reply import Candidate, FinishReason, Reply
from anyrouter.wire.form.request import Message, OutputFormat, Request
from anyrouter.wire.form.text import EMPTY, quote, unquote
from anyrouter.wire.form.tools import ChoiceMode, ToolChoice
from anyrouter.wire.form.warnings import Warnings
from anyrouter.wire.reply import InvalidReply, Naming
from anyrouter.wire.translation.codec import ClientRequest, ReplyContext, UpstreamModel
from anyrouter.wire.translation.openai.reply_decoder import decode_response
from anyrouter.wire.translation.openai.reply_encoder import encode_response
from anyrouter.wire.translation.openai.request_decoder import decode_request
from anyrouter.wire.translation.openai.request_encoder import encode_request
from anyrouter.wire.translation.openai.stream_decoder import OpenAIStreamDecoder
from anyrouter.wire.translation.openai.stream_encoder import OpenAIStreamEncoder
from support.form_values import (
    COST,
    base64,
    decode_stream,
    make_arguments,
    make_functions,
    make_json,
    make_sources,
    make_texts,
    names,
    numbers,
    read_golden_streams,
    read_literals,
    schemas,
)
from support.streams import cut

STREAMS = read_golden_streams("openai")
EVERY_TRAIT = frozenset({"developer_role", "cache_control", "reasoning_details", "sampling_extras", "file_url", "tool_images"})


def events_of(pieces: list[bytes]) -> list[Event]:
    return decode_stream(OpenAIStreamDecoder(), pieces)


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


texts = make_texts('"content":"', "data:", "[DONE]", "\\", "\n\n")
filled = texts.filter(bool)
literals = st.builds(quote, texts)
filled_literals = st.builds(quote, filled)
arguments = make_arguments(texts)

deltas = st.fixed_dictionaries(
    {},
    optional={
        "content": texts | st.none(),
        "reasoning": texts,
        "reasoning_content": texts,
        "refusal": texts | st.none(),
        "reasoning_details": st.lists(
            st.fixed_dictionaries(
                {"type": st.sampled_from(["reasoning.text", "reasoning.summary", "reasoning.encrypted"])},
                optional={
                    "text": texts,
                    "summary": texts,
                    "data": texts,
                    "signature": texts,
                    "index": st.integers(0, 2),
                    "format": st.just("f"),
                },
            ),
            max_size=2,
        ),
        "tool_calls": st.lists(
            st.fixed_dictionaries(
                {"index": st.integers(0, 2), "function": st.fixed_dictionaries({"name": names}, optional={"arguments": arguments | texts})},
                optional={"id": names},
            ),
            max_size=2,
        ),
    },
)
choices = st.fixed_dictionaries(
    {"index": st.integers(0, 1), "delta": deltas}, optional={"finish_reason": st.sampled_from(["stop", "length", "tool_calls", None, "?"])}
)


@settings(max_examples=150)
@given(st.lists(choices, min_size=1, max_size=8))
def test_whatever_an_upstream_sends_the_events_keep_their_order(told: list[dict[str, Any]]) -> None:
    stream = b"".join(b"data: %s\n\n" % json.dumps({"choices": [choice]}).encode() for choice in told) + b"data: [DONE]\n\n"
    try:
        events = events_of([stream])
    except InvalidReply:
        return
    assert isinstance(events[0], Start)
    assert isinstance(events[-1], End)
    begun: dict[int, int] = {}
    is_open: dict[int, bool] = {}
    finished: set[int] = set()
    for event in events[1:-1]:
        candidate: int = getattr(event, "candidate", 0)
        assert candidate not in finished
        if isinstance(event, PartStart):
            assert not is_open.get(candidate)
            assert event.index == begun.get(candidate, 0)
            begun[candidate], is_open[candidate] = event.index + 1, True
        elif isinstance(event, Finish):
            assert not is_open.get(candidate)
            finished.add(candidate)
        else:
            assert is_open[candidate]
            assert event.index == begun[candidate] - 1  # type: ignore[union-attr]
            is_open[candidate] = not isinstance(event, PartEnd)
    assert finished == {choice["index"] for choice in told}


def client(request: Request | None = None) -> ReplyContext:
    asked = request or Request(dialect="openai", model="m", messages=[], is_usage_wanted=True)
    return ReplyContext(naming=Naming(b'"gen-0"', b'"m"', b'"P"'), created_s=1, request=asked)


@settings(max_examples=100)
@given(st.lists(choices, min_size=1, max_size=8), st.data())
def test_what_a_client_gets_does_not_depend_on_how_the_upstreams_bytes_were_cut(told: list[dict[str, Any]], data: st.DataObject) -> None:
    stream = b"".join(b"data: %s\n\n" % json.dumps({"choices": [choice]}).encode() for choice in told) + b"data: [DONE]\n\n"
    try:
        events = events_of([stream])
    except InvalidReply:
        return
    decoder, encoder = OpenAIStreamDecoder(), OpenAIStreamEncoder(client())
    out = b""
    for piece in cut(stream, data.draw(st.lists(st.integers(0, len(stream)), max_size=6))):
        out += encoder.encode([event for event in decoder.feed(piece) if not isinstance(event, End)])
    assert out == OpenAIStreamEncoder(client()).encode(events[:-1])


def meaning(events: list[Event]) -> list[tuple[Any, ...]]:
    """What the parts of a stream say, whatever pieces they came in, by candidate and kind."""
    said: dict[tuple[int, int], list[Any]] = {}
    for event in events:
        candidate = getattr(event, "candidate", 0)
        if isinstance(event, PartStart):
            part = event.part
            said[candidate, event.index] = [type(part).__name__, getattr(part, "id", None), getattr(part, "name", None), ""]
        elif (text := getattr(event, "text", None)) is not None:
            said[candidate, event.index][3] += unquote(text)  # type: ignore[union-attr]
    rows = [(key[0], *row) for key, row in sorted(said.items())]
    return [(*row[:4], "{}") if row[1] == "ToolCall" and row[4] == "" else row for row in rows]


@settings(max_examples=150)
@given(st.lists(choices, min_size=1, max_size=8))
def test_a_stream_that_is_written_again_says_the_same(told: list[dict[str, Any]]) -> None:
    stream = b"".join(b"data: %s\n\n" % json.dumps({"choices": [choice]}).encode() for choice in told) + b"data: [DONE]\n\n"
    try:
        events = events_of([stream])
    except InvalidReply:
        return
    encoder = OpenAIStreamEncoder(client())
    again = events_of([encoder.encode(events[:-1]), encoder.end(Usage(), COST)])
    ids = [event.part.id for event in events if isinstance(event, PartStart) and isinstance(event.part, ToolCall)]
    if "" in ids:
        return  # an id was made for it
    assert _said(meaning(again)) == _said(meaning(events))


def _said(rows: list[tuple[Any, ...]]) -> dict[tuple[int, str], list[Any]]:
    """By candidate and kind: all text of it, and each call."""
    said: dict[tuple[int, str], list[Any]] = {}
    for candidate, kind, call_id, name, text in rows:
        said.setdefault((candidate, kind), []).append((call_id, name, text) if kind == "ToolCall" else text)
    return {key: value if key[1] == "ToolCall" else ["".join(value)] for key, value in said.items() if any(value)}


sources = make_sources()
user_parts: st.SearchStrategy[Part] = st.one_of(
    st.builds(Text, literals),
    st.builds(Image, sources, st.sampled_from([None, "low", "high"])),
    st.builds(Document, st.builds(Source, file_id=names), filename=st.none()),
    st.builds(Audio, st.builds(Source, data=base64, media_type=st.just("audio/wav")), st.just("wav")),
)
reasonings = st.one_of(
    st.builds(Reasoning, text=filled_literals, signature=st.none() | names, id=st.none() | names, format=st.just("anthropic-claude-v1")),
    st.builds(Reasoning, encrypted=names, id=st.none() | names, format=st.just("openai-responses-v1")),
)
answers = st.builds(
    lambda thoughts, text, refusal, calls: [
        *thoughts,
        *text,
        *refusal,
        *(ToolCall(f"c{number}", call.name, call.arguments, call.kind, call.signature) for number, call in enumerate(calls)),
    ],
    st.lists(reasonings, max_size=2),
    st.lists(st.builds(Text, filled_literals), max_size=1),
    st.lists(st.builds(Refusal, filled_literals), max_size=1),
    st.lists(
        st.builds(ToolCall, st.just(""), names, arguments, signature=st.none() | names)
        | st.builds(ToolCall, st.just(""), names, texts, st.just("custom")),
        max_size=3,
    ),
)
results = st.lists(
    st.builds(ToolResult, names, st.lists(st.builds(Text, literals) | st.builds(Image, sources), min_size=1, max_size=3).map(tuple)),
    min_size=1,
    max_size=3,
)
messages = st.one_of(
    st.builds(Message, st.sampled_from(["system", "developer"]), st.lists(st.builds(Text, literals), min_size=1, max_size=2)),
    st.builds(Message, st.just("user"), st.lists(user_parts, min_size=1, max_size=3), st.none() | names),
    st.builds(Message, st.just("assistant"), answers.filter(bool)),
)
conversations = st.builds(
    lambda turns, answered: [
        message
        for turn, result in zip(turns, answered, strict=False)
        for message in (turn, *([Message("tool", list(result))] if result else []))
    ],
    st.lists(messages, min_size=1, max_size=5),
    st.lists(st.none() | results, min_size=5, max_size=5),
)
functions = make_functions(literals)
requests = st.builds(
    Request,
    dialect=st.just("openai"),
    model=st.just("up"),
    messages=conversations,
    is_streamed=st.booleans(),
    max_tokens=st.none() | st.integers(1, 9999),
    temperature=st.none() | numbers,
    top_p=st.none() | numbers,
    top_k=st.none() | st.integers(1, 99),
    seed=st.none() | st.integers(),
    stop=st.lists(texts, max_size=3).map(tuple),
    has_logprobs=st.none() | st.booleans(),
    candidates=st.none() | st.integers(1, 4),
    tools=st.lists(functions, min_size=1, max_size=3),
    tool_choice=st.sampled_from([None, *(ToolChoice(mode) for mode in (ChoiceMode.AUTO, ChoiceMode.NONE, ChoiceMode.REQUIRED))])
    | st.builds(ToolChoice, st.just(ChoiceMode.NAMED), st.tuples(names)),
    is_parallel=st.none() | st.booleans(),
    output=st.none() | st.builds(OutputFormat, kind=st.just("schema"), name=names, schema=schemas, is_strict=st.booleans()),
    user=st.none() | texts,
)


@settings(max_examples=150)
@given(requests)
def test_a_request_that_is_encoded_and_decoded_asks_the_same(request: Request) -> None:
    warnings = Warnings()
    body = encode_request(request, UpstreamModel(name="up", traits=EVERY_TRAIT), warnings).body
    assert warnings.found == {}
    values = msgspec.json.decode(body, type=dict[str, msgspec.Raw])
    found = decode_request(ClientRequest(values=values, model="up", is_streamed=request.is_streamed), warnings)
    assert warnings.found == {}
    assert found.extra == {}
    assert read_literals(found) == read_literals(msgspec.structs.replace(request, messages=_merged(request.messages)))


def _merged(conversation: list[Message]) -> list[Message]:
    merged: list[Message] = []
    for message in conversation:
        if message.role == "tool" and merged and merged[-1].role == "tool":
            merged[-1] = Message("tool", [*merged[-1].parts, *message.parts])
        else:
            merged.append(message)
    return merged


@settings(max_examples=150)
@given(answers, st.sampled_from(list(FinishReason)))
def test_an_answer_that_is_encoded_and_decoded_says_the_same(parts: list[Part], finish: FinishReason) -> None:
    reply = Reply(candidates=[Candidate(parts=parts, finish=finish, native_finish="n")])
    found = decode_response(encode_response(reply, client(), NO_USAGE, COST)).candidates[0]
    has_calls = any(isinstance(part, ToolCall) for part in parts)
    assert read_literals(found.parts) == read_literals([part for part in parts if getattr(part, "text", None) != EMPTY])
    assert found.finish is (FinishReason.TOOL_CALLS if has_calls and finish is FinishReason.STOP else finish)


json_values = make_json(texts, "type")
members = st.sampled_from(
    [
        "messages",
        "tools",
        "tool_choice",
        "response_format",
        "reasoning",
        "stop",
        "logit_bias",
        "n",
        "metadata",
        "audio",
        "functions",
        "cache_control",
    ]
)


@settings(max_examples=200)
@given(st.dictionaries(members, json_values, max_size=4), st.lists(json_values, max_size=2))
def test_any_json_is_a_request_or_refused(body: dict[str, Any], extra: list[Any]) -> None:
    told = {"messages": [{"role": "user", "content": "x"}, *extra], **body}
    values = msgspec.json.decode(json.dumps(told).encode(), type=dict[str, msgspec.Raw])
    try:
        decode_request(ClientRequest(values=values, model="m", is_streamed=False), Warnings())
    except ClientError as error:
        assert error.denied.param  # noqa: PT017 -- a refusal names what is wrong
