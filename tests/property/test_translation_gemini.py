"""generateContent to and from the form: every split of a stream gives the same events, and what is translated keeps its meaning."""

import json
from base64 import b64encode
from typing import Any

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from anyrouter.core.errors import ClientError
from anyrouter.core.usage import NO_USAGE, Usage
from anyrouter.wire.form.events import (
    ArgumentsDelta,
    End,
    Event,
    Finish,
    PartEnd,
    PartStart,
    ReasoningDelta,
    SignatureDelta,
    Start,
    TextDelta,
)
from anyrouter.wire.form.parts import Document, Image, Part, Reasoning, Source, Text, ToolCall, ToolResult
from anyrouter.wire.form.reasoning import ANTHROPIC_FORMAT, GEMINI_FORMAT, OPENAI_FORMAT
from anyrouter.wire.form.reply import Candidate, FinishReason, Reply
from anyrouter.wire.form.request import Message, OutputFormat, Request
from anyrouter.wire.form.text import EMPTY, quote, unquote
from anyrouter.wire.form.tools import ChoiceMode, Tool, ToolChoice
from anyrouter.wire.form.warnings import Warnings
from anyrouter.wire.gemini_array import ArrayStream
from anyrouter.wire.reply import InvalidReply, Naming
from anyrouter.wire.translation.codec import ClientRequest, ReplyContext, UpstreamModel
from anyrouter.wire.translation.gemini.reply_decoder import decode_response
from anyrouter.wire.translation.gemini.reply_encoder import encode_response
from anyrouter.wire.translation.gemini.request_decoder import decode_request
from anyrouter.wire.translation.gemini.request_encoder import encode_request
from anyrouter.wire.translation.gemini.signatures import read_signature, write_signature
from anyrouter.wire.translation.gemini.stream_decoder import GeminiStreamDecoder
from anyrouter.wire.translation.gemini.stream_encoder import GeminiStreamEncoder
from anyrouter.wire.translation.stream import TranslatedStream
from support.form_values import (
    COST,
    base64,
    decode_stream,
    make_compact_arguments,
    make_json,
    make_sources,
    make_texts,
    names,
    read_golden_streams,
    read_literals,
    schemas,
)
from support.streams import cut

STREAMS = read_golden_streams("gemini")


def events_of(pieces: list[bytes]) -> list[Event]:
    return decode_stream(GeminiStreamDecoder(), pieces)


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


texts = make_texts('"text":"', "data:", "\\", "\r\n\r\n", "{", '{"a":1}')
filled = texts.filter(bool)
literals = st.builds(quote, texts)
filled_literals = st.builds(quote, filled)
proofs = st.binary(min_size=1, max_size=9).map(lambda value: b64encode(value).decode())
arguments = make_compact_arguments(texts)

told_parts = st.one_of(
    st.fixed_dictionaries({"text": texts}, optional={"thought": st.booleans(), "thoughtSignature": proofs}),
    st.fixed_dictionaries(
        {"functionCall": st.fixed_dictionaries({"name": names}, optional={"id": names, "args": st.dictionaries(names, texts, max_size=2)})},
        optional={"thoughtSignature": proofs},
    ),
    st.fixed_dictionaries(
        {"inlineData": st.fixed_dictionaries({"mimeType": st.sampled_from(["image/png", "audio/wav"]), "data": st.just("AAAA")})}
    ),
    st.fixed_dictionaries({"executableCode": st.just({"code": "1"})}),
    st.fixed_dictionaries({}, optional={"thoughtSignature": proofs, "thought": st.booleans()}),
)
candidates = st.fixed_dictionaries(
    {"index": st.integers(0, 1)},
    optional={
        "content": st.fixed_dictionaries({"parts": st.lists(told_parts, max_size=3)}),
        "finishReason": st.sampled_from(["STOP", "MAX_TOKENS", "SAFETY", "?"]),
        "groundingMetadata": st.just({"groundingChunks": [{"web": {"uri": "https://a"}}], "groundingSupports": []}),
    },
)
chunks = st.lists(candidates, min_size=1, max_size=6)


def stream_of(told: list[dict[str, Any]]) -> bytes:
    """Chunks of one candidate each, and one that finishes all."""
    last = {"candidates": [{"index": index, "finishReason": "STOP"} for index in sorted({one["index"] for one in told})]}
    bodies = [{"candidates": [one]} for one in told] + [{**last, "usageMetadata": {"promptTokenCount": 3}}]
    return b"".join(b"data: %s\r\n\r\n" % json.dumps(body).encode() for body in bodies)


@settings(max_examples=150)
@given(chunks)
def test_whatever_an_upstream_sends_the_events_keep_their_order(told: list[dict[str, Any]]) -> None:
    events = events_of([stream_of(told)])
    assert isinstance(events[0], Start)
    assert isinstance(events[-1], End)
    begun: dict[int, int] = {}
    is_open: dict[int, bool] = {}
    finished: set[int] = set()
    for event in events[1:-2]:
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
    assert finished == {one["index"] for one in told}


def client() -> ReplyContext:
    asked = Request(dialect="gemini", model="m", messages=[])
    return ReplyContext(naming=Naming(b'"gen-0"', b'"m"', b'"P"'), created_s=1, request=asked)


@settings(max_examples=100)
@given(chunks, st.data())
def test_what_a_client_gets_does_not_depend_on_how_the_upstreams_bytes_were_cut(told: list[dict[str, Any]], data: st.DataObject) -> None:
    stream = stream_of(told)
    events = events_of([stream])
    decoder, encoder = GeminiStreamDecoder(), GeminiStreamEncoder(client())
    out = b""
    for piece in cut(stream, data.draw(st.lists(st.integers(0, len(stream)), max_size=6))):
        out += encoder.encode(decoder.feed(piece))
    out += encoder.encode([event for event in decoder.eof() if not isinstance(event, End)])
    assert out == GeminiStreamEncoder(client()).encode(events[:-1])


def meaning(events: list[Event]) -> list[tuple[Any, ...]]:
    """What the parts of a stream say, by candidate and kind: all text of it, each call, each proof."""
    said: dict[tuple[int, str], str] = {}
    rest: list[tuple[Any, ...]] = []
    for event in events:
        candidate = getattr(event, "candidate", 0)
        if isinstance(event, TextDelta | ReasoningDelta):
            key = (candidate, type(event).__name__)
            said[key] = said.get(key, "") + unquote(event.text)
        elif isinstance(event, SignatureDelta):
            rest.append((candidate, event.signature))
        elif isinstance(event, PartStart) and isinstance(event.part, ToolCall):
            rest.append((candidate, event.part.name, json.loads(event.part.arguments or "{}"), event.part.signature))
    return [*sorted((*key, value) for key, value in said.items()), *rest]


@settings(max_examples=150)
@given(chunks)
def test_a_stream_that_is_written_again_says_the_same(told: list[dict[str, Any]]) -> None:
    events = events_of([stream_of(told)])
    encoder = GeminiStreamEncoder(client())
    again = events_of([encoder.encode(events[:-1]), encoder.end(Usage(), COST)])
    assert sorted(map(repr, meaning(again))) == sorted(map(repr, meaning(events)))


def open_stream() -> TranslatedStream:
    encoder = GeminiStreamEncoder(client())
    return TranslatedStream(decoder=GeminiStreamDecoder(), encoder=encoder, estimate_input=int, pricer=lambda _: COST)


@settings(max_examples=100)
@given(chunks)
def test_an_array_holds_the_chunks_of_the_events(told: list[dict[str, Any]]) -> None:
    lines, array = open_stream(), ArrayStream(open_stream())
    written, found = (stream.feed(stream_of(told)) + stream.eof() for stream in (lines, array))
    assert json.loads(found) == [json.loads(event.removeprefix(b"data: ")) for event in written.split(b"\r\n\r\n") if event]


foreign = st.sampled_from([ANTHROPIC_FORMAT, OPENAI_FORMAT])
reasonings = st.one_of(
    st.builds(Reasoning, text=filled_literals, signature=proofs, format=st.just(GEMINI_FORMAT)),
    st.builds(Reasoning, text=literals, signature=filled, id=st.none() | names, format=st.just(ANTHROPIC_FORMAT)),
    st.builds(Reasoning, encrypted=filled, id=st.none() | names, format=st.just(ANTHROPIC_FORMAT)),
    st.builds(
        Reasoning,
        text=st.none() | filled_literals,
        encrypted=filled,
        id=st.none() | names,
        is_summary=st.just(value=True),
        format=st.just(OPENAI_FORMAT),
    ),
)
calls = st.builds(ToolCall, names, names, arguments, signature=st.none() | proofs)
answers = st.builds(
    lambda thoughts, text, called: [*thoughts, *text, *called],
    st.lists(reasonings, max_size=3),
    st.lists(st.builds(Text, filled_literals, signature=st.none() | proofs), max_size=1),
    st.lists(calls, max_size=3, unique_by=lambda call: call.id),
).filter(bool)


@settings(max_examples=200)
@given(filled, st.sampled_from([ANTHROPIC_FORMAT, OPENAI_FORMAT, "other"]), st.none() | names)
def test_a_foreign_proof_finds_its_way_back(proof: str, whose: str, name: str | None) -> None:
    value = write_signature(proof, whose, name)
    assert read_signature(value) == (whose, proof, name)
    assert read_signature(value.replace("+", "-").replace("/", "_").rstrip("=")) == (whose, proof, name)


@settings(max_examples=200)
@given(answers)
def test_an_answer_that_a_client_sends_back_is_what_it_was(parts: list[Part]) -> None:
    reply = Reply(candidates=[Candidate(parts=parts, finish=FinishReason.STOP)])
    body = msgspec.json.decode(encode_response(reply, client(), NO_USAGE, COST))
    content = msgspec.json.encode([body["candidates"][0]["content"]])
    found = decode_request(ClientRequest(values={"contents": msgspec.Raw(content)}, model="m", is_streamed=False), Warnings())
    assert _plain(found.messages) == _plain([Message("assistant", parts)])


@settings(max_examples=200)
@given(answers)
def test_an_answer_that_a_client_collects_from_a_stream_is_what_it_was(parts: list[Part]) -> None:
    events: list[Event] = [Start()]
    for index, part in enumerate(parts):
        events += _as_stream(index, part)
    encoder = GeminiStreamEncoder(client())
    stream = encoder.encode([*events, Finish(reason=FinishReason.STOP)]) + encoder.end(Usage(), COST)
    contents = [json.loads(event.removeprefix(b"data: "))["candidates"][0]["content"] for event in stream.split(b"\r\n\r\n") if event]
    values = {"contents": msgspec.Raw(json.dumps(contents).encode())}
    found = decode_request(ClientRequest(values=values, model="m", is_streamed=False), Warnings())
    assert _plain(found.messages) == _plain([Message("assistant", parts)])


def _as_stream(index: int, part: Part) -> list[Event]:
    """A part as its own dialect would stream it, its text in two pieces."""
    if isinstance(part, ToolCall):
        called = [PartStart(index, ToolCall(part.id, part.name, signature=part.signature)), ArgumentsDelta(index, quote(part.arguments))]
        return [*called, PartEnd(index)]
    if isinstance(part, Text):
        return [
            PartStart(index, Text(EMPTY)),
            *(TextDelta(index, piece) for piece in _halves(unquote(part.text))),
            *([SignatureDelta(index, part.signature, format=GEMINI_FORMAT)] if part.signature else []),
            PartEnd(index),
        ]
    assert isinstance(part, Reasoning)
    if part.text is None:
        return [PartStart(index, part), PartEnd(index)]
    proof = SignatureDelta(index, part.signature, part.encrypted, part.format, part.id)
    pieces = [ReasoningDelta(index, piece) for piece in _halves(unquote(part.text))]
    return [PartStart(index, Reasoning(EMPTY, is_summary=part.is_summary)), *pieces, proof, PartEnd(index)]


def _halves(text: str) -> list[msgspec.Raw]:
    return [quote(piece) for piece in (text[: len(text) // 2], text[len(text) // 2 :]) if piece]


sources = make_sources(media_type="image/png")
user_parts: st.SearchStrategy[Part] = st.one_of(
    st.builds(Text, filled_literals),
    st.builds(Image, sources),
    st.builds(Document, st.builds(Source, data=base64, media_type=st.just("application/pdf"))),
)
own_answers = st.builds(
    lambda thoughts, text, called: [*thoughts, *text, *called],
    st.lists(st.builds(Reasoning, text=filled_literals, signature=proofs, format=st.just(GEMINI_FORMAT)), max_size=2),
    st.lists(st.builds(Text, filled_literals), max_size=1),
    st.lists(calls, max_size=3, unique_by=lambda call: call.id),
).filter(bool)
results = st.lists(
    st.builds(
        ToolResult,
        names,
        st.tuples(st.builds(Text, filled_literals)) | st.tuples(st.builds(Text, filled_literals), st.builds(Image, sources)),
        st.booleans(),
        names,
    ),
    min_size=1,
    max_size=3,
)
turns = st.one_of(
    st.lists(user_parts, min_size=1, max_size=3).map(lambda parts: [Message("user", parts)]),
    st.tuples(own_answers, results).map(lambda pair: [Message("assistant", pair[0]), Message("tool", list(pair[1]))]),
)
conversations = st.builds(
    lambda system, first, rest: [*system, Message("user", first), *(message for turn in rest for message in turn)],
    st.lists(st.builds(Text, filled_literals), min_size=1, max_size=2).map(lambda parts: [Message("system", parts)]) | st.just([]),
    st.lists(user_parts, min_size=1, max_size=3),
    st.lists(turns, max_size=4),
)
requests = st.builds(
    Request,
    dialect=st.just("gemini"),
    model=st.just("up"),
    messages=conversations,
    is_streamed=st.booleans(),
    is_usage_wanted=st.just(value=True),
    max_tokens=st.none() | st.integers(1, 9999),
    temperature=st.none() | st.floats(0, 2),
    top_p=st.none() | st.floats(0, 1),
    top_k=st.none() | st.integers(1, 99),
    seed=st.none() | st.integers(-(2**31) + 1, 2**31 - 1),
    stop=st.lists(texts, max_size=5).map(tuple),
    has_logprobs=st.none() | st.booleans(),
    candidates=st.none() | st.integers(1, 4),
    tools=st.lists(st.builds(Tool, names, st.none() | literals, schemas), min_size=1, max_size=3),
    tool_choice=st.sampled_from([None, *(ToolChoice(mode) for mode in (ChoiceMode.AUTO, ChoiceMode.NONE, ChoiceMode.REQUIRED))])
    | st.builds(ToolChoice, st.just(ChoiceMode.NAMED), st.tuples(names)),
    output=st.none() | st.builds(OutputFormat, kind=st.just("schema"), schema=schemas) | st.just(OutputFormat(kind="json")),
)


@settings(max_examples=150)
@given(requests)
def test_a_request_that_is_encoded_and_decoded_asks_the_same(request: Request) -> None:
    warnings = Warnings()
    body = encode_request(request, UpstreamModel(name="up"), warnings).body
    values = msgspec.json.decode(body, type=dict[str, msgspec.Raw])
    found = decode_request(ClientRequest(values=values, model="up", is_streamed=request.is_streamed), warnings)
    assert warnings.found == {}
    assert found.extra == {}
    found.reasoning = request.reasoning
    assert _plain(found) == _plain(msgspec.structs.replace(request, messages=_as_answered(request.messages)))


def _as_answered(conversation: list[Message]) -> list[Message]:
    """Neighbours of one role come back as one message, as a stream's pieces do."""
    told: list[Message] = []
    for message in conversation:
        if told and message.role == told[-1].role == "tool":
            told[-1] = Message("tool", [*told[-1].parts, *message.parts])
        elif told and message.role == "assistant" and told[-1].role == "assistant":
            told[-1] = Message("assistant", [*told[-1].parts, *message.parts])
        else:
            told.append(message)
    return told


def _plain(value: Any) -> Any:
    """A value of the form with its literals read; of a tool's answer what its text says as JSON."""
    return read_literals(value, _read_tools)


def _read_tools(part: Any) -> Any:
    if isinstance(part, ToolResult):
        return ["ToolResult", part.name, part.is_error, *(_plain_answer(inner) for inner in part.parts)]
    if isinstance(part, ToolCall):
        return ["ToolCall", part.id, part.name, json.loads(part.arguments), part.signature]
    return None


def _plain_answer(part: Any) -> Any:
    if not isinstance(part, Text):
        return _plain(part)
    text = unquote(part.text)
    return json.loads(text) if text.startswith("{") and text.endswith("}") else text


json_values = make_json(texts, "parts", "text", "role")
members = st.sampled_from(
    [
        "contents", "tools", "toolConfig", "tool_config", "generationConfig", "generation_config", "systemInstruction", "safetySettings",
        "labels", "serviceTier", "store", "cachedContent",
    ]
)  # fmt: skip


@settings(max_examples=200)
@given(st.dictionaries(members, json_values, max_size=4), st.lists(json_values, max_size=2))
def test_any_json_is_a_request_or_refused(body: dict[str, Any], extra: list[Any]) -> None:
    told = {"contents": [{"role": "user", "parts": [{"text": "x"}]}, *extra], **body}
    values = msgspec.json.decode(json.dumps(told).encode(), type=dict[str, msgspec.Raw])
    try:
        decode_request(ClientRequest(values=values, model="m", is_streamed=False), Warnings())
    except ClientError as error:
        assert error.denied.param  # noqa: PT017 -- a refusal names what is wrong


@settings(max_examples=150)
@given(json_values)
def test_any_json_is_a_reply_or_none(body: Any) -> None:
    try:
        decode_response(json.dumps(body).encode())
    except InvalidReply:
        return
