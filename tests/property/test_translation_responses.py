"""Responses to and from the form: every split of a stream gives the same events, and what is translated keeps its meaning."""

import json
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
    Failure,
    Finish,
    PartEnd,
    PartStart,
    ReasoningDelta,
    RefusalDelta,
    SignatureDelta,
    Start,
    TextDelta,
)
from anyrouter.wire.form.parts import Document, Image, Opaque, Part, Reasoning, Refusal, Source, Text, ToolCall, ToolResult
from anyrouter.wire.form.reasoning import ReasoningOptions
from anyrouter.wire.form.reply import Candidate, FinishReason, Reply
from anyrouter.wire.form.request import Message, OutputFormat, Request
from anyrouter.wire.form.text import EMPTY, quote, unquote
from anyrouter.wire.form.tools import ChoiceMode, CustomTool, ToolChoice
from anyrouter.wire.form.warnings import Warnings
from anyrouter.wire.reply import InvalidReply, Naming
from anyrouter.wire.translation.codec import ClientRequest, ReplyContext, UpstreamModel
from anyrouter.wire.translation.responses.reply_decoder import decode_response
from anyrouter.wire.translation.responses.reply_encoder import encode_response
from anyrouter.wire.translation.responses.request_decoder import decode_request
from anyrouter.wire.translation.responses.request_encoder import encode_request
from anyrouter.wire.translation.responses.stream_decoder import ResponsesStreamDecoder
from anyrouter.wire.translation.responses.stream_encoder import ResponsesStreamEncoder
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

STREAMS = read_golden_streams("responses")
OPENAI, ANTHROPIC = "openai-responses-v1", "anthropic-claude-v1"


def context() -> ReplyContext:
    request = Request(dialect="responses", model="m", messages=[])
    return ReplyContext(naming=Naming(b'"gen-0"', b'"m"', b'"P"'), created_s=1, request=request)


def events_of(pieces: list[bytes]) -> list[Event]:
    return decode_stream(ResponsesStreamDecoder(), pieces)


@pytest.mark.parametrize("name", ["stream_interleaved", "stream_refusal", "stream_error_flat"])
def test_a_stream_cut_in_two_at_any_byte_gives_the_same_events(name: str) -> None:
    stream = STREAMS[name]
    whole = events_of([stream])
    for at in range(1, len(stream)):
        assert events_of([stream[:at], stream[at:]]) == whole, at


@settings(max_examples=150)
@given(st.sampled_from(sorted(STREAMS)), st.data())
def test_a_stream_cut_into_any_pieces_gives_the_same_events(name: str, data: st.DataObject) -> None:
    stream = STREAMS[name]
    places = data.draw(st.lists(st.integers(0, len(stream)), max_size=12))
    assert events_of(cut(stream, places)) == events_of([stream])


texts = make_texts('"delta":"', "data:", "[DONE]", "\\", "\n\n")
filled = texts.filter(bool)
literals = st.builds(quote, texts)
arguments = make_arguments(texts)

# What an upstream may send, in whatever order: some of it makes sense.
items = st.fixed_dictionaries(
    {"type": st.sampled_from(["message", "reasoning", "function_call", "custom_tool_call", "web_search_call"])},
    optional={
        "id": names,
        "call_id": names,
        "name": names,
        "arguments": arguments,
        "input": texts,
        "summary": st.lists(st.fixed_dictionaries({"text": texts}), max_size=2),
        "encrypted_content": texts,
        "content": st.lists(st.fixed_dictionaries({"type": st.sampled_from(["output_text", "refusal"]), "text": texts}), max_size=2),
    },
)
KINDS = [
    *(f"response.output_item.{step}" for step in ("added", "done")),
    *(f"response.content_part.{step}" for step in ("added", "done")),
    *(f"response.reasoning_summary_part.{step}" for step in ("added", "done")),
    *(f"response.{kind}.{step}" for kind in ("output_text", "refusal", "reasoning_text") for step in ("delta", "done")),
    *(f"response.{kind}.{step}" for kind in ("reasoning_summary_text", "function_call_arguments") for step in ("delta", "done")),
]
told_events = st.fixed_dictionaries(
    {"type": st.sampled_from(KINDS), "output_index": st.integers(0, 2)},
    optional={
        "content_index": st.integers(0, 1),
        "summary_index": st.integers(0, 1),
        "delta": texts,
        "text": texts,
        "item": items,
        "part": st.fixed_dictionaries({"type": st.sampled_from(["output_text", "refusal", "reasoning_text", "summary_text"])}),
    },
)


@settings(max_examples=300)
@given(st.lists(told_events, max_size=12))
def test_whatever_an_upstream_sends_the_events_keep_their_order(told: list[dict[str, Any]]) -> None:
    end = {"type": "response.completed", "response": {"id": "r", "status": "completed", "output": []}}
    stream = b"".join(b"data: %s\n\n" % json.dumps(event).encode() for event in [*told, end])
    try:
        events = events_of([stream])
    except InvalidReply:
        return
    assert isinstance(events[0], Start)
    assert isinstance(events[-1], End)
    assert isinstance(events[-2], Finish)
    begun, is_open = 0, False
    for event in events[1:-2]:
        if isinstance(event, PartStart):
            assert not is_open
            assert event.index == begun
            begun, is_open = begun + 1, True
        else:
            assert is_open
            assert event.index == begun - 1  # type: ignore[union-attr]
            is_open = not isinstance(event, PartEnd)
    assert not is_open
    out = ResponsesStreamEncoder(context()).encode(events[:-1])
    one_by_one = ResponsesStreamEncoder(context())
    assert b"".join([one_by_one.encode([event]) for event in events[:-1]]) == out


sources = make_sources()
images = st.builds(Image, sources, st.sampled_from([None, "low", "high"]))
user_parts: st.SearchStrategy[Part] = st.one_of(
    st.builds(Text, literals),
    images,
    st.builds(Document, st.builds(Source, file_id=names), filename=st.none()),
    st.builds(Document, st.builds(Source, data=base64, media_type=st.just("application/pdf")), filename=st.just("a.pdf")),
)
own_reasoning = st.one_of(
    st.builds(Reasoning, text=literals, encrypted=names, is_summary=st.booleans(), format=st.just(OPENAI)),
    st.builds(Reasoning, encrypted=names, format=st.just(OPENAI)),
)
foreign_reasoning = st.one_of(
    st.builds(Reasoning, text=literals, signature=names, is_summary=st.booleans(), id=st.none() | names, format=st.just(ANTHROPIC)),
    st.builds(Reasoning, encrypted=names, id=st.none() | names, format=st.just(ANTHROPIC)),
    st.builds(Reasoning, text=literals, is_summary=st.booleans()),
)
said: st.SearchStrategy[Part] = st.builds(Text, literals) | st.builds(Refusal, literals)
functions = st.builds(ToolCall, st.just(""), names, arguments) | st.builds(ToolCall, st.just(""), names, texts, st.just("custom"))


def numbered(parts: list[Part]) -> list[Part]:
    """The parts with an id of its own for every call."""
    return [
        msgspec.structs.replace(part, id=f"c{at}", arguments=part.arguments or "{}" if part.kind == "function" else part.arguments)
        if isinstance(part, ToolCall)
        else part
        for at, part in enumerate(parts)
    ]


own_answers = st.lists(own_reasoning | said | functions, min_size=1, max_size=5).map(numbered)
results = st.lists(
    st.builds(ToolResult, st.just("x"), st.lists(st.builds(Text, literals) | images, min_size=1, max_size=3).map(tuple)),
    min_size=1,
    max_size=3,
)
messages = st.one_of(
    st.builds(Message, st.sampled_from(["system", "developer"]), st.lists(st.builds(Text, literals), min_size=1, max_size=2)),
    st.builds(Message, st.just("user"), st.lists(user_parts, min_size=1, max_size=3)),
    st.builds(Message, st.just("assistant"), own_answers),
    st.builds(Message, st.just("tool"), results),
)
function_tools = make_functions(literals)
tools = function_tools | st.builds(CustomTool, names, st.none() | literals)
requests = st.builds(
    Request,
    dialect=st.just("responses"),
    model=st.just("up"),
    messages=st.lists(messages, min_size=1, max_size=5),
    is_streamed=st.booleans(),
    is_usage_wanted=st.just(True),  # noqa: FBT003 -- a strategy's value
    max_tokens=st.none() | st.integers(16, 9999),
    temperature=st.none() | numbers,
    top_p=st.none() | numbers,
    has_logprobs=st.sampled_from([None, True]),
    tools=st.lists(tools, min_size=1, max_size=3),
    tool_choice=st.sampled_from([None, *(ToolChoice(mode) for mode in (ChoiceMode.AUTO, ChoiceMode.NONE, ChoiceMode.REQUIRED))]),
    is_parallel=st.none() | st.booleans(),
    output=st.none() | st.builds(OutputFormat, kind=st.just("schema"), name=names, schema=schemas, is_strict=st.booleans()),
    verbosity=st.sampled_from([None, "low"]),
    reasoning=st.sampled_from([None, ReasoningOptions(effort="high", summary="auto", is_encrypted_wanted=True)]),
    user=st.none() | texts,
)


@settings(max_examples=200)
@given(requests)
def test_a_request_that_is_encoded_and_decoded_asks_the_same(request: Request) -> None:
    warnings = Warnings()
    body = encode_request(request, UpstreamModel(name="up"), warnings).body
    assert warnings.found == {}
    values = msgspec.json.decode(body, type=dict[str, msgspec.Raw])
    found = decode_request(ClientRequest(values=values, model="up", is_streamed=request.is_streamed), warnings)
    assert warnings.found == {}
    again = read_literals(found)
    del again["told"]
    if request.reasoning is None:
        del again["reasoning"]  # encrypted reasoning is asked for where the conversation holds some
    expected = read_literals(msgspec.structs.replace(request, messages=_merged(request.messages)))
    assert {name: value for name, value in expected.items() if name in again} == again | {"": "Request"}


def _merged(conversation: list[Message]) -> list[Message]:
    """The conversation as items say it: turns in a row are one, and a system prompt that says nothing is none."""
    merged: list[Message] = []
    for at, message in enumerate(conversation):
        parts = list(message.parts)
        if message.role == "system" and at == 0 and len(conversation) > 1 and [getattr(part, "text", None) for part in parts] == [EMPTY]:
            continue
        if message.role in {"assistant", "tool"} and merged and merged[-1].role == message.role:
            merged[-1] = Message(message.role, [*merged[-1].parts, *parts])
        else:
            merged.append(Message(message.role, parts))
    return merged


answers = st.lists(own_reasoning | foreign_reasoning | said | functions, max_size=6).map(numbered)


@settings(max_examples=200)
@given(answers, st.sampled_from([FinishReason.STOP, FinishReason.LENGTH, FinishReason.CONTENT_FILTER]))
def test_an_answer_that_is_encoded_and_decoded_says_the_same(parts: list[Part], finish: FinishReason) -> None:
    reply = Reply(candidates=[Candidate(parts=parts, finish=finish)])
    found = decode_response(encode_response(reply, context(), NO_USAGE, COST)).candidates[0]
    assert without_ids(found.parts) == without_ids(parts)
    has_calls = any(isinstance(part, ToolCall) for part in parts)
    assert found.finish is (FinishReason.TOOL_CALLS if has_calls and finish is FinishReason.STOP else finish)


def without_ids(parts: list[Part]) -> list[Any]:
    """The parts without the ids of their items, which are the gateway's own where the upstream gave none; its proofs keep theirs."""
    told = [msgspec.structs.replace(part, id=None) if isinstance(part, Reasoning) and part.format != ANTHROPIC else part for part in parts]
    return read_literals([msgspec.structs.replace(part, item_id=None) if isinstance(part, ToolCall) else part for part in told])


def stream_of(parts: list[Part], finish: FinishReason, pieces: int) -> list[Event]:
    """An answer as it would come: its texts in pieces, and proofs behind what they prove."""
    events: list[Event] = [Start()]
    for index, part in enumerate(parts):
        if isinstance(part, Text | Refusal | Reasoning) and part.text is not None:
            kind: Any = {Text: TextDelta, Refusal: RefusalDelta, Reasoning: ReasoningDelta}[type(part)]
            begun: Part = msgspec.structs.replace(part, text=EMPTY)
            if isinstance(begun, Reasoning):
                begun = msgspec.structs.replace(begun, signature=None, encrypted=None)
            text = unquote(part.text)
        elif isinstance(part, ToolCall):
            kind, begun, text = ArgumentsDelta, msgspec.structs.replace(part, arguments=""), part.arguments
        else:
            kind, begun, text = None, part, ""
        events.append(PartStart(index, begun))
        step = max(1, len(text) // pieces)
        events += [kind(index, quote(text[at : at + step])) for at in range(0, len(text), step)]
        if isinstance(part, Reasoning) and part.text is not None and (part.signature or part.encrypted):
            events.append(SignatureDelta(index, part.signature, part.encrypted, part.format, part.id))
        events.append(PartEnd(index))
    return [*events, Finish(reason=finish)]


@settings(max_examples=200)
@given(answers, st.sampled_from([FinishReason.STOP, FinishReason.LENGTH]), st.integers(1, 4))
def test_a_stream_ends_with_the_response_that_a_whole_reply_is(parts: list[Part], finish: FinishReason, pieces: int) -> None:
    encoder = ResponsesStreamEncoder(context())
    out = encoder.encode(stream_of(parts, finish, pieces)) + encoder.end(Usage(), COST)
    last = json.loads(out.rpartition(b"data: ")[2])["response"]
    assert last == json.loads(encode_response(Reply(candidates=[Candidate(parts=parts, finish=finish)]), context(), Usage(), COST))


@settings(max_examples=200)
@given(answers, st.integers(1, 4), st.data())
def test_a_stream_that_is_written_and_read_again_says_the_same(parts: list[Part], pieces: int, data: st.DataObject) -> None:
    encoder = ResponsesStreamEncoder(context())
    stream = encoder.encode(stream_of(parts, FinishReason.STOP, pieces)) + encoder.end(Usage(), COST)
    again = events_of(cut(stream, data.draw(st.lists(st.integers(0, len(stream)), max_size=6))))
    assert isinstance(again[-1], End)
    assert without_ids(collected(again)) == without_ids(parts)


def collected(events: list[Event]) -> list[Part]:
    """The parts that events tell."""
    found: list[Part] = []
    for event in events:
        if isinstance(event, PartStart):
            found.append(event.part)
        elif isinstance(event, TextDelta | RefusalDelta | ReasoningDelta):
            part: Any = found[event.index]
            found[event.index] = msgspec.structs.replace(part, text=quote(unquote(part.text) + unquote(event.text)))
        elif isinstance(event, ArgumentsDelta):
            call: Any = found[event.index]
            found[event.index] = msgspec.structs.replace(call, arguments=call.arguments + unquote(event.text))
        elif isinstance(event, SignatureDelta):
            proof = {"signature": event.signature, "encrypted": event.encrypted, "format": event.format, "id": event.id}
            found[event.index] = msgspec.structs.replace(found[event.index], **proof)
        assert not isinstance(event, Failure)
    return found


json_values = make_json(texts, "type", "role", "content", "output")
kinds = st.sampled_from(["message", "reasoning", "function_call", "function_call_output", "item_reference", "additional_tools", "x"])
any_items = st.builds(lambda kind, told: {**told, "type": kind}, kinds, st.dictionaries(names, json_values, max_size=3)) | json_values
members = st.sampled_from(
    [
        "input",
        "instructions",
        "tools",
        "tool_choice",
        "text",
        "reasoning",
        "include",
        "metadata",
        "truncation",
        "prompt_cache_options",
        "store",
    ]
)


@settings(max_examples=300)
@given(st.dictionaries(members, json_values, max_size=4), st.lists(any_items, max_size=3))
def test_any_json_is_a_request_or_refused(body: dict[str, Any], extra: list[Any]) -> None:
    told = {"input": [{"role": "user", "content": "x"}, *extra], **body}
    values = msgspec.json.decode(json.dumps(told).encode(), type=dict[str, msgspec.Raw])
    try:
        request = decode_request(ClientRequest(values=values, model="m", is_streamed=False), Warnings())
    except ClientError as error:
        assert error.denied.param  # noqa: PT017 -- a refusal names what is wrong
        return
    assert json.loads(encode_request(request, UpstreamModel(name="up"), Warnings()).body)["model"] == "up"


@settings(max_examples=100)
@given(json_values)
def test_any_json_is_a_reply_or_invalid(body: Any) -> None:
    told = json.dumps({"status": "completed", "output": body if isinstance(body, list) else [body]}).encode()
    try:
        reply = decode_response(told)
    except (InvalidReply, msgspec.DecodeError):
        return
    assert all(isinstance(part, Opaque | Text | Refusal | Reasoning | Image | ToolCall) for part in reply.candidates[0].parts)
