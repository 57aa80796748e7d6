"""The Messages API to and from the form: every split of a stream gives the same events, and what is translated keeps its meaning."""

import itertools
import json
from typing import Any

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from anyrouter.core.errors import ClientError
from anyrouter.core.usage import Usage
from anyrouter.wire.form.events import End, Event, Failure, Finish, PartEnd, PartStart, SignatureDelta, Start, UsageTold
from anyrouter.wire.form.parts import Citation, Opaque, Part, Reasoning, Text, ToolCall
from anyrouter.wire.form.reasoning import ANTHROPIC_FORMAT, OPENAI_FORMAT
from anyrouter.wire.form.reply import Candidate, FinishReason, Reply
from anyrouter.wire.form.request import Request
from anyrouter.wire.form.text import quote, unquote
from anyrouter.wire.form.warnings import Warnings
from anyrouter.wire.reply import InvalidReply, Naming
from anyrouter.wire.translation.anthropic.reply_decoder import decode_response
from anyrouter.wire.translation.anthropic.reply_encoder import encode_response
from anyrouter.wire.translation.anthropic.request_decoder import decode_request
from anyrouter.wire.translation.anthropic.request_encoder import encode_request
from anyrouter.wire.translation.anthropic.stream_decoder import AnthropicStreamDecoder
from anyrouter.wire.translation.anthropic.stream_encoder import AnthropicStreamEncoder
from anyrouter.wire.translation.codec import ClientRequest, ReplyContext, UpstreamModel
from support.form_values import (
    COST,
    decode_stream,
    make_arguments,
    make_json,
    make_texts,
    names,
    read_golden_streams,
)
from support.streams import cut

STREAMS = read_golden_streams("anthropic")


def events_of(pieces: list[bytes]) -> list[Event]:
    return decode_stream(AnthropicStreamDecoder(), pieces)


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


# What upstreams stream

texts = make_texts('"text":"', "data:", "event: ping\n\n", "\\", "\n\n")
objects = st.dictionaries(names, st.integers() | texts, max_size=3)
WEB = {"type": "web_search_result_location", "cited_text": "x", "encrypted_index": "e", "title": None, "url": "https://e.com"}
PAGES = {
    "type": "page_location",
    "cited_text": "x",
    "document_index": 0,
    "document_title": "T",
    "start_page_number": 1,
    "end_page_number": 2,
}
citations = st.sampled_from([WEB, PAGES])


def pieces(text: str, places: list[int]) -> list[str]:
    """A text in pieces."""
    bounds = sorted({0, len(text), *(min(place, len(text)) for place in places)})
    return [text[start:end] for start, end in itertools.pairwise(bounds)]


places = st.lists(st.integers(0, 20), max_size=3)
text_blocks = st.builds(
    lambda text, at, cited: (
        {"type": "text", "text": ""},
        [{"type": "text_delta", "text": piece} for piece in pieces(text, at)]
        + [{"type": "citations_delta", "citation": one} for one in cited],
    ),
    texts,
    places,
    st.lists(citations, max_size=2),
)
thinking_blocks = st.builds(
    lambda text, at, proof: (
        {"type": "thinking", "thinking": "", "signature": ""},
        [{"type": "thinking_delta", "thinking": piece} for piece in pieces(text, at)] + [{"type": "signature_delta", "signature": proof}],
    ),
    texts,
    places,
    names,
)
redacted_blocks = names.map(lambda data: ({"type": "redacted_thinking", "data": data}, []))
call_blocks = st.builds(
    lambda kind, name, given_input, at: (
        {"type": kind, "id": f"id_{name}", "name": name, "input": {}},
        [{"type": "input_json_delta", "partial_json": piece} for piece in ["", *pieces(json.dumps(given_input, ensure_ascii=False), at)]],
    ),
    st.sampled_from(["tool_use", "server_tool_use"]),
    names,
    objects,
    places,
)
result_blocks = st.lists(texts, max_size=2).map(
    lambda found: ({"type": "web_search_tool_result", "tool_use_id": "s", "content": found}, [])
)
blocks = st.lists(st.one_of(text_blocks, thinking_blocks, redacted_blocks, call_blocks, result_blocks), max_size=5)
stop_reasons = st.sampled_from(
    ["end_turn", "max_tokens", "tool_use", "stop_sequence", "pause_turn", "refusal", "model_context_window_exceeded"]
)


def event(kind: str, **members: Any) -> bytes:
    return b"event: %s\ndata: %s\n\n" % (kind.encode(), json.dumps({"type": kind, **members}, ensure_ascii=False).encode())


def stream_of(told: list[tuple[dict[str, Any], list[dict[str, Any]]]], stop_reason: str = "end_turn") -> bytes:
    usage = {"input_tokens": 3, "output_tokens": 1}
    out = event("message_start", message={"id": "msg", "model": "m", "usage": usage}) + event("ping")
    for at, (block, deltas) in enumerate(told):
        out += event("content_block_start", index=at, content_block=block)
        out += b"".join(event("content_block_delta", index=at, delta=delta) for delta in deltas)
        out += event("content_block_stop", index=at)
    sequence = "END" if stop_reason == "stop_sequence" else None
    out += event("message_delta", delta={"stop_reason": stop_reason, "stop_sequence": sequence}, usage={"output_tokens": 9})
    return out + event("message_stop")


def check_order(events: list[Event]) -> None:
    """The law of `form.events`, for one candidate."""
    assert isinstance(events[0], Start)
    begun, is_open, is_finished = 0, False, False
    for event in events[1:]:
        assert not isinstance(event, Start)
        if isinstance(event, UsageTold):
            continue
        if isinstance(event, End | Failure):
            assert event is events[-1]
            assert is_finished or isinstance(event, Failure)
        elif isinstance(event, PartStart):
            assert (is_open, is_finished, event.index) == (False, False, begun)
            begun, is_open = begun + 1, True
        elif isinstance(event, Finish):
            assert (is_open, is_finished) == (False, False)
            is_finished = True
        else:
            assert is_open
            assert event.index == begun - 1  # type: ignore[union-attr]
            is_open = not isinstance(event, PartEnd)


@pytest.mark.parametrize("stream", [stream for name, stream in STREAMS.items() if name != "stream_cut"])
def test_the_recorded_streams_events_keep_their_order(stream: bytes) -> None:
    check_order(events_of([stream]))


wild_deltas = st.fixed_dictionaries(
    {"type": st.sampled_from(["text_delta", "thinking_delta", "input_json_delta", "signature_delta", "citations_delta", "new_delta"])},
    optional={"text": texts, "thinking": texts, "partial_json": texts, "signature": texts, "citation": citations},
)
wild_blocks = st.fixed_dictionaries(
    {"type": st.sampled_from(["text", "thinking", "redacted_thinking", "tool_use", "server_tool_use", "new"]), "name": names},
    optional={"text": texts | st.none(), "thinking": texts, "data": texts, "input": objects, "id": names},
)
wild_events = st.one_of(
    st.builds(lambda block: event("content_block_start", index=0, content_block=block), wild_blocks),
    st.builds(lambda delta: event("content_block_delta", index=0, delta=delta), wild_deltas),
    st.just(event("content_block_stop", index=0)),
    st.just(event("ping")),
    st.builds(lambda reason: event("message_delta", delta={"stop_reason": reason}, usage={"output_tokens": 1}), stop_reasons | st.none()),
)


@settings(max_examples=200)
@given(st.lists(wild_events, max_size=10))
def test_whatever_an_upstream_sends_the_events_keep_their_order_or_it_is_refused(told: list[bytes]) -> None:
    begin, end = stream_of([]).split(event("ping"))
    try:
        events = events_of([begin, *told, end])
    except (InvalidReply, msgspec.DecodeError):
        return  # a block that is no JSON when it is whole
    check_order(events)


def client(**members: Any) -> ReplyContext:
    request = Request(**{"dialect": "anthropic", "model": "m", "messages": [], **members})
    return ReplyContext(naming=Naming(b'"gen-0"', b'"m"', b'"P"'), created_s=1, request=request)


def meaning(events: list[Event]) -> list[Any]:
    """What the parts of a stream say, whatever pieces they came in."""
    said: dict[int, dict[str, Any]] = {}
    for told in events:
        if isinstance(told, PartStart):
            part = told.part
            said[told.index] = {"kind": type(part).__name__, "text": "", "cited": []}
            said[told.index] |= {name: getattr(part, name, None) for name in ("id", "name", "encrypted", "signature")}
            if isinstance(part, Opaque):
                said[told.index]["raw"] = json.loads(bytes(part.raw))
            elif isinstance(part, ToolCall):
                said[told.index]["text"] = part.arguments
            elif isinstance(part, Reasoning | Text) and part.text is not None:
                said[told.index]["text"] = unquote(part.text)
            said[told.index]["cited"] += [json.loads(bytes(one.raw or b"")) for one in getattr(part, "citations", ())]
        elif isinstance(told, SignatureDelta):
            said[told.index] |= {"signature": told.signature, "encrypted": told.encrypted}
        elif (text := getattr(told, "text", None)) is not None:
            said[told.index]["text"] += unquote(text)  # type: ignore[union-attr]
        elif (citation := getattr(told, "citation", None)) is not None:
            said[told.index]["cited"].append(json.loads(bytes(citation.raw)))  # type: ignore[union-attr]
    return [part for part in said.values() if part["kind"] != "Text" or part["text"] or part["cited"]]


@settings(max_examples=200)
@given(blocks, stop_reasons)
def test_a_stream_that_is_written_again_says_the_same(told: list[Any], stop_reason: str) -> None:
    events = events_of([stream_of(told, stop_reason)])
    check_order(events)
    encoder = AnthropicStreamEncoder(client())
    again = events_of([encoder.encode(events[:-1]), encoder.end(Usage(input_tokens=3, output_tokens=9), COST)])
    check_order(again)
    assert meaning(again) == meaning(events)
    finishes = [[event for event in some if isinstance(event, Finish)] for some in (events, again)]
    assert finishes[0] == finishes[1]
    assert [event for event in again if isinstance(event, UsageTold)][-1].usage == Usage(input_tokens=3, output_tokens=9)


@settings(max_examples=100)
@given(blocks, st.data())
def test_what_a_client_gets_does_not_depend_on_how_the_upstreams_bytes_were_cut(told: list[Any], data: st.DataObject) -> None:
    stream = stream_of(told)
    decoder, encoder, out = AnthropicStreamDecoder(), AnthropicStreamEncoder(client()), b""
    for piece in cut(stream, data.draw(st.lists(st.integers(0, len(stream)), max_size=6))):
        out += encoder.encode([event for event in decoder.feed(piece) if not isinstance(event, End)])
    assert out == AnthropicStreamEncoder(client()).encode(events_of([stream])[:-1])


@settings(max_examples=100)
@given(blocks, stop_reasons)
def test_a_stream_and_the_same_reply_at_once_say_the_same(told: list[Any], stop_reason: str) -> None:
    content = []
    for block, deltas in told:
        whole = dict(block)
        for delta in deltas:
            for name, slot in (("text", "text"), ("thinking", "thinking"), ("signature", "signature")):
                if name in delta:
                    whole[slot] = whole.get(slot, "") + delta[name]
            if "citation" in delta:
                whole["citations"] = [*whole.get("citations", []), delta["citation"]]
        joined = "".join(delta.get("partial_json", "") for delta in deltas)
        content.append({**whole, "input": json.loads(joined)} if joined else whole)
    reply = decode_response(json.dumps({"content": content, "stop_reason": stop_reason}).encode()).candidates[0]
    events = events_of([stream_of(told, stop_reason)])
    finish = next(event for event in events if isinstance(event, Finish))
    assert (reply.finish, reply.native_finish) == (finish.reason, finish.native)
    at_once, streamed = meaning([PartStart(at, part) for at, part in enumerate(reply.parts)]), meaning(events)
    for part in (*at_once, *streamed):
        if part["kind"] == "ToolCall":
            part["text"] = json.loads(part["text"])
    assert at_once == streamed


# Replies of the form

literals = st.builds(quote, texts)
filled = st.builds(quote, texts.filter(lambda text: text.strip()))
arguments = make_arguments(texts)
answers: st.SearchStrategy[Part] = st.one_of(
    st.builds(
        Text,
        filled,
        citations=st.lists(st.builds(Citation, kind=st.just("url"), url=names, title=names, cited_text=texts), max_size=1).map(tuple),
    ),
    st.builds(Text, filled, signature=names),
    st.builds(Reasoning, text=literals, signature=names, format=st.just(ANTHROPIC_FORMAT)),
    st.builds(Reasoning, text=filled, encrypted=names, id=names, is_summary=st.just(True), format=st.just(OPENAI_FORMAT)),  # noqa: FBT003
    st.builds(Reasoning, encrypted=names, id=st.none() | names, format=st.sampled_from([ANTHROPIC_FORMAT, OPENAI_FORMAT])),
    st.builds(Reasoning, text=literals),
    st.builds(ToolCall, names, names, arguments, signature=st.none() | names),
    st.builds(lambda kind: Opaque("anthropic", kind, msgspec.Raw(b'{"type":"%s"}' % kind.encode())), st.sampled_from(["a_result", "b"])),
)


def unique_calls(parts: list[Part]) -> list[Part]:
    return [msgspec.structs.replace(part, id=f"id_{at}") if isinstance(part, ToolCall) else part for at, part in enumerate(parts)]


def plain(part: Part) -> Any:
    """A part without what depends on who wrote it."""
    if isinstance(part, Text):
        cited = [(one.kind, one.url, one.title, one.cited_text) for one in part.citations]
        return (Text, unquote(part.text), cited, part.signature)
    if isinstance(part, Reasoning):
        told = None if part.text is None else unquote(part.text)
        # An id is kept with a proof that is sealed; its own maker's proofs need none.
        return (Reasoning, told, part.signature, part.encrypted, part.format, None if part.format == ANTHROPIC_FORMAT else part.id)
    if isinstance(part, ToolCall):
        return (ToolCall, part.id, part.name, json.loads(part.arguments), part.signature)
    return (Opaque, json.loads(bytes(part.raw))) if isinstance(part, Opaque) else part


@settings(max_examples=300)
@given(st.lists(answers, max_size=5).map(unique_calls), st.sampled_from(FinishReason), st.none() | names)
def test_a_reply_of_the_form_comes_back_from_a_client_with_its_meaning(
    parts: list[Part], finish: FinishReason, sequence: str | None
) -> None:
    told = Candidate(parts=parts, finish=finish, stop_sequence=sequence if finish is FinishReason.STOP else None)
    body = encode_response(Reply(candidates=[told]), client(), Usage(input_tokens=7), COST)
    reply = decode_response(body)
    assert list(map(plain, reply.candidates[0].parts)) == list(map(plain, parts))
    assert reply.candidates[0].finish is (FinishReason.LENGTH if finish is FinishReason.ERROR else finish)
    assert reply.candidates[0].stop_sequence == told.stop_sequence
    # The client sends it back in its next request.
    content = json.loads(body)["content"]
    values = {
        "max_tokens": b"9",
        "messages": json.dumps([{"role": "user", "content": "Hi"}, {"role": "assistant", "content": content}]).encode(),
    }
    request = decode_request(
        ClientRequest(values={name: msgspec.Raw(raw) for name, raw in values.items()}, model="m", is_streamed=False), Warnings()
    )
    assert list(map(plain, request.messages[1].parts)) == list(map(plain, parts))


# Requests

optional_cache = {
    "cache_control": st.sampled_from([{"type": "ephemeral"}, {"type": "ephemeral", "ttl": "1h"}, {"type": "ephemeral", "ttl": "5m"}])
}
base64_image = {"type": "base64", "media_type": "image/png", "data": "AAAA"}
images = st.fixed_dictionaries(
    {
        "type": st.just("image"),
        "source": st.sampled_from([base64_image, {"type": "url", "url": "https://e.com/ü.png"}, {"type": "file", "file_id": "file_1"}]),
    },
    optional=optional_cache,
)
plain_texts = st.fixed_dictionaries({"type": st.just("text"), "text": texts}, optional=optional_cache)
answer_texts = st.fixed_dictionaries(
    {"type": st.just("text"), "text": texts}, optional={**optional_cache, "citations": st.none() | st.lists(citations, max_size=2)}
)
documents = st.fixed_dictionaries(
    {
        "type": st.just("document"),
        "source": st.one_of(
            st.just({"type": "base64", "media_type": "application/pdf", "data": "AAAA"}),
            st.builds(lambda text: {"type": "text", "media_type": "text/plain", "data": text}, texts),
            st.just({"type": "url", "url": "https://e.com/a.pdf"}),
            st.just({"type": "file", "file_id": "file_1"}),
            st.builds(lambda content: {"type": "content", "content": content}, texts | st.lists(plain_texts | images, max_size=2)),
        ),
    },
    optional={**optional_cache, "title": names, "context": names, "citations": st.builds(lambda told: {"enabled": told}, st.booleans())},
)
search_results = st.fixed_dictionaries(
    {"type": st.just("search_result"), "source": names, "title": names, "content": st.lists(plain_texts, max_size=2)},
    optional=optional_cache,
)
results = st.fixed_dictionaries(
    {"type": st.just("tool_result"), "tool_use_id": names},
    optional={**optional_cache, "is_error": st.booleans(), "content": texts | st.lists(plain_texts | images | documents, max_size=2)},
)
uploads = st.just({"type": "container_upload", "file_id": "file_1"})
own_blocks = st.just({"type": "server_tool_use", "id": "s", "name": "web_search", "input": {"query": "q"}})
calls = st.fixed_dictionaries(
    {"type": st.just("tool_use"), "id": names, "name": names, "input": objects},
    optional={**optional_cache, "caller": st.just({"type": "direct"})},
)
thoughts = st.one_of(
    st.fixed_dictionaries({"type": st.just("thinking"), "thinking": texts, "signature": names | st.just("")}),
    st.fixed_dictionaries({"type": st.just("redacted_thinking"), "data": names}),
)
turns = st.one_of(
    st.fixed_dictionaries(
        {
            "role": st.just("user"),
            "content": texts | st.lists(st.one_of(plain_texts, images, documents, search_results, results, uploads), max_size=4),
        }
    ),
    st.fixed_dictionaries(
        {"role": st.just("assistant"), "content": texts | st.lists(st.one_of(answer_texts, thoughts, calls, own_blocks), max_size=4)}
    ),
    st.fixed_dictionaries({"role": st.just("system"), "content": texts | st.lists(plain_texts, max_size=2)}),
)
first = st.just({"role": "user", "content": "Hi"})
schema = {"type": "object", "properties": {"a": {"type": ["string", "null"]}}, "required": ["a"], "additionalProperties": False}
tools = st.lists(
    st.one_of(
        st.fixed_dictionaries(
            {"name": names, "input_schema": st.sampled_from([schema, {"type": "object"}, {}])},
            optional={**optional_cache, "description": texts, "strict": st.booleans(), "type": st.sampled_from(["custom", None])},
        ),
        st.just({"type": "web_search_20250305", "name": "web_search", "max_uses": 3}),
    ),
    min_size=1,
    max_size=3,
)
choices = st.one_of(
    st.builds(lambda kind, one: {"type": kind, "disable_parallel_tool_use": one}, st.sampled_from(["auto", "any"]), st.booleans()),
    st.sampled_from([{"type": "auto"}, {"type": "none"}, {"type": "tool", "name": "f"}]),
)
bodies = st.fixed_dictionaries(
    {"max_tokens": st.integers(1, 9000), "messages": st.lists(turns, max_size=5).flatmap(lambda rest: first.map(lambda one: [one, *rest]))},
    optional={
        "system": texts | st.lists(plain_texts, max_size=2),
        "stop_sequences": st.lists(names, max_size=2),
        "metadata": st.builds(lambda user: {"user_id": user}, names | st.none()),
        "service_tier": st.sampled_from(["auto", "standard_only"]),
        "output_config": st.fixed_dictionaries(
            {}, optional={"effort": st.sampled_from(["low", "max"]), "format": st.just({"type": "json_schema", "schema": schema})}
        ),
        **optional_cache,
    },
)
thinking = st.sampled_from(
    [{"type": "enabled", "budget_tokens": 2000}, {"type": "adaptive"}, {"type": "adaptive", "display": "omitted"}, {"type": "disabled"}]
)
sampling = st.fixed_dictionaries({}, optional={"temperature": st.floats(0, 1), "top_p": st.floats(0, 0.9), "top_k": st.integers(1, 50)})
requests = st.one_of(
    st.builds(lambda body, more: {**body, **more}, bodies, sampling),
    st.builds(lambda body, more: {**body, "tools": more[0], "tool_choice": more[1]}, bodies, st.tuples(tools, choices)),
    st.builds(
        lambda body, told: {
            **body,
            "max_tokens": 4000,
            "messages": [*body["messages"], {"role": "user", "content": "So?"}],
            "thinking": told,
        },
        bodies,
        thinking,
    ),
)


def told_blocks(content: Any, role: str) -> list[dict[str, Any]]:
    """Blocks in the one spelling that `request_meaning` compares."""
    if isinstance(content, str):
        content = [{"type": "text", "text": content}]
    return [block for one in content if (block := told_block(one, role)) is not None]


def told_block(block: dict[str, Any], role: str) -> dict[str, Any] | None:
    block = {name: value for name, value in block.items() if value not in (None, []) and name != "caller"}
    kind = block["type"]
    if kind == "text" and not block.get("text", "").strip():
        return None  # says nothing, and the API refuses it
    if kind == "thinking" and not block.get("signature"):
        return None  # nobody proves it, and the API refuses it
    if kind == "tool_use":
        return {**block, "input": block.get("input", {})}
    if kind == "search_result":
        content = told_blocks(block.pop("content", []), role)
        source = {"type": "content", "content": content}
        return {**block, "type": "document", "source": source, "context": f"Source: {block['source']}"}
    if kind == "tool_result":
        content = told_blocks(block.pop("content", []), role)
        kept = {name: value for name, value in block.items() if name != "is_error" or value}
        return {**kept, "content": content} if content else kept
    if kind == "document":
        if block["source"]["type"] == "content":
            block["source"] = {"type": "content", "content": told_blocks(block["source"]["content"], role)}
        if not block.get("citations", {}).get("enabled"):
            block.pop("citations", None)
    return block


def request_meaning(body: dict[str, Any]) -> dict[str, Any]:
    """A body in one spelling of what it says."""
    said: list[tuple[str, list[dict[str, Any]]]] = []
    for message in body["messages"]:
        role = "assistant" if message["role"] == "assistant" else "user"
        found = told_blocks(message["content"], role)
        if found and said and said[-1][0] == role:
            said[-1][1].extend(found)
        elif found:
            said.append((role, found))
    ordered = [(role, sorted(found, key=lambda block: block["type"] != "tool_result")) for role, found in said]
    system = told_blocks(body.get("system", ""), "user")
    choice = {name: value for name, value in body.get("tool_choice", {}).items() if value is not False}
    shown = [
        {
            name: {"type": "object", **closed, **value} if name == "input_schema" else value
            for name, value in tool.items()
            if value not in (None, False) and not (name == "type" and value == "custom")
        }
        for tool in body.get("tools", [])
        for closed in [{"additionalProperties": False} if tool.get("strict") else {}]  # strict ones have to say so
    ]
    rest = {name: value for name, value in body.items() if name not in {"messages", "system", "tools", "tool_choice", "model"}}
    rest = {name: value for name, value in rest.items() if value not in ({}, [], {"user_id": None})}
    return {"messages": ordered, "system": system, "tools": shown, "tool_choice": choice, **rest}


@settings(max_examples=400)
@given(requests)
def test_a_request_that_goes_through_the_form_keeps_its_meaning(body: dict[str, Any]) -> None:
    values = {name: msgspec.Raw(json.dumps(value, ensure_ascii=False).encode()) for name, value in body.items()}
    warnings = Warnings()
    request = decode_request(ClientRequest(values=values, model="m", is_streamed=False), warnings)
    again = json.loads(encode_request(request, UpstreamModel(name="upstream-model"), warnings).body)
    assert again.pop("model") == "upstream-model"
    expected = request_meaning(body)
    if "tools" not in body and any(block["type"] == "tool_use" for _, found in expected["messages"] for block in found):
        del again["tools"], again["tool_choice"]  # the API wants tools for calls that a conversation holds
    if ("unsupported_parameter", "reasoning") in warnings.found:
        del expected["thinking"]  # the API lets no model begin to think between a call and its answer
    assert request_meaning(again) == expected
    once_more = encode_request(request, UpstreamModel(name="upstream-model"), Warnings()).body
    assert once_more == encode_request(request, UpstreamModel(name="upstream-model"), Warnings()).body, "a request is never changed"
    # Every loss is told: late instructions, and thinking that nobody proves.
    has_late_system = any(message["role"] == "system" and told_blocks(message["content"], "user") for message in body["messages"])
    assert not has_late_system or any(code == "changed_role" for code, _ in warnings.found)


json_values = make_json(
    texts | st.sampled_from(["text", "image", "tool_use", "tool_result", "thinking", "document"]),
    "type",
    "text",
    "source",
    "content",
    "role",
)
members = st.sampled_from(
    [
        "messages",
        "system",
        "tools",
        "tool_choice",
        "thinking",
        "output_config",
        "output_format",
        "metadata",
        "stop_sequences",
        "cache_control",
    ]
)


@settings(max_examples=300)
@given(st.dictionaries(members, json_values, max_size=4), st.lists(json_values, max_size=2), st.lists(json_values, max_size=2))
def test_any_json_is_a_request_or_refused(body: dict[str, Any], more: list[Any], content: list[Any]) -> None:
    told = {"max_tokens": 9, "messages": [{"role": "user", "content": content}, *more], **body}
    values = msgspec.json.decode(json.dumps(told).encode(), type=dict[str, msgspec.Raw])
    try:
        request = decode_request(ClientRequest(values=values, model="m", is_streamed=False), Warnings())
    except ClientError as error:
        assert error.denied.param  # noqa: PT017 -- a refusal names what is wrong
        return
    encode_request(request, UpstreamModel(name="claude-opus-5"), Warnings())


@settings(max_examples=200)
@given(json_values)
def test_any_json_is_a_reply_or_refused(told: Any) -> None:
    for body in (told, {"content": [told]}, {"content": [], "usage": told}):
        try:
            decode_response(json.dumps(body).encode())
        except (InvalidReply, msgspec.DecodeError):
            continue
