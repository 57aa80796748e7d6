"""Streams as upstreams send them, and what a client must get of them by an oracle that knows nothing of bytes.

The shapes are those of OpenAI, Azure, OpenRouter, xAI, vLLM, llama.cpp and Anthropic; ids and texts are made up.
"""

import json
from collections.abc import Callable, Iterable, Sequence

from anyrouter.core.usage import Usage
from anyrouter.wire.dialect import DIALECTS
from anyrouter.wire.reply import CostFields, Naming, StreamRewriter

GENERATION_ID, MODEL, PROVIDER = "gen-018bcfe5687b00000000000000000000", "openai/gpt-4o", "OpenAI"
USAGE = {"prompt_tokens": 100, "completion_tokens": 10, "total_tokens": 110, "prompt_tokens_details": {"cached_tokens": 64}}
HOSTILE = (
    '"id":"chatcmpl-9" data: [DONE]\n\ndata: {"choices":[]} "usage":{"prompt_tokens":1} "error" "finish_reason":"stop"'
    ' "model":"gpt-4o-x" \\ " \r\n\r\n event: error "content":"x" \u2028 \U0001f511 \x7f'
)
_COMPACT, _SPACED = (",", ":"), (", ", ": ")


def event(value: object, separators: tuple[str, str] = _COMPACT, border: str = "\n\n", *, ascii_only: bool = False) -> bytes:
    """One event as an upstream writes it."""
    return f"data: {json.dumps(value, separators=separators, ensure_ascii=ascii_only)}{border}".encode()


def chunk(text: str | None = None, **changes: object) -> dict[str, object]:
    """A chunk of a chat."""
    base = {"id": "chatcmpl-9", "object": "chat.completion.chunk", "created": 1700000000, "model": "gpt-4o-x"}
    delta = {} if text is None else {"content": text}
    return {**base, "choices": [choice(delta)], **changes}


def choice(delta: object, index: int = 0, finish: str | None = None) -> dict[str, object]:
    """A choice within a chunk."""
    return {"index": index, "delta": delta, "logprobs": None, "finish_reason": finish}


def text_chunk(text: str, finish: str | None = None, **changes: object) -> dict[str, object]:
    """A chunk of a legacy completion."""
    base = {"id": "cmpl-9", "object": "text_completion", "created": 1700000000, "model": "gpt-4o-x"}
    return {**base, "choices": [{"text": text, "index": 0, "logprobs": None, "finish_reason": finish}], **changes}


FINISH = chunk(choices=[choice({}, finish="stop")])
LAST = chunk(choices=[], usage=USAGE)
DONE = b"data: [DONE]\n\n"
CHAT = [chunk("", choices=[choice({"role": "assistant", "content": "", "refusal": None})]), chunk("Hel"), chunk("lo"), FINISH, LAST]
TOOL_DELTAS = [
    {
        "role": "assistant",
        "content": None,
        "tool_calls": [{"index": 0, "id": "call_1", "type": "function", "function": {"name": "f", "arguments": ""}}],
    },
    {"tool_calls": [{"index": 0, "function": {"arguments": '{"id":"chatcmpl-9"'}}]},
    {"tool_calls": [{"index": 0, "function": {"arguments": "}"}}]},
    {"tool_calls": [{"index": 1, "id": "chatcmpl-9", "type": "function", "function": {"name": "g", "arguments": "{}"}}]},
]


def _join(values: Iterable[object], end: bytes = DONE, separators: tuple[str, str] = _COMPACT, border: str = "\n\n") -> bytes:
    return b"".join(event(value, separators, border) for value in values) + end


CHAT_STREAMS: dict[str, bytes] = {
    "compact": _join(CHAT),
    "spaced": _join(CHAT, separators=_SPACED),
    "lines end in CRLF": _join(CHAT, b"data: [DONE]\r\n\r\n", border="\r\n\r\n"),
    "spaced, CRLF": _join(CHAT, b"data: [DONE]\r\n\r\n", _SPACED, "\r\n\r\n"),
    "no space behind the colon": _join(CHAT).replace(b"data: ", b"data:"),
    "escaped characters": event(chunk("gr\u00fc\u00df"), ascii_only=True)
    + event(chunk("\U0001f511"), ascii_only=True)
    + _join([FINISH, LAST]),
    "other scripts": _join([chunk("gr\u00fc\u00df dich "), chunk("\u043a\u043b\u044e\u0447 \U0001f511"), FINISH, LAST]),
    "comments": b": OPENROUTER PROCESSING\n\n" + event(CHAT[0]) + b": OPENROUTER PROCESSING\n\n" + _join(CHAT[1:]),
    "fields besides data": b"".join(b"event: message\nid: 7\n" + event(value) for value in CHAT) + DONE,
    "no usage": _join(CHAT[:-1]),
    "usage null": _join([{**value, "usage": None} for value in CHAT[:-1]] + [LAST]),
    "usage in every chunk": _join([{**value, "usage": {**USAGE, "completion_tokens": n}} for n, value in enumerate(CHAT[:-1])] + [LAST]),
    "usage with the finish": _join([*CHAT[:-2], {**FINISH, "usage": USAGE}]),
    "usage twice": _join([*CHAT, LAST]),
    "no end": _join(CHAT, b""),
    "no end and no usage": _join(CHAT[:-1], b""),
    "the end is cut": _join(CHAT, b"data: [DONE]"),
    "more behind the end": _join(CHAT) + event(chunk("late")) + DONE,
    "hostile text": _join([chunk(HOSTILE), chunk("x" + HOSTILE), chunk(HOSTILE), FINISH, LAST]),
    "hostile text, spaced": _join([chunk(HOSTILE), chunk("x" + HOSTILE), FINISH, LAST], separators=_SPACED),
    "two choices": _join(
        [
            chunk(choices=[choice({"content": "a"}), choice({"content": "bcd"}, 1)]),
            chunk(choices=[choice({"content": "e"}, 1), choice({"content": "fg"})]),
            chunk(choices=[choice({}, 0, "length"), choice({}, 1, "stop")]),
            LAST,
        ]
    ),
    "tools": _join([*(chunk(choices=[choice(delta)]) for delta in TOOL_DELTAS), chunk(choices=[choice({}, finish="tool_calls")]), LAST]),
    "reasoning": _join([chunk(choices=[choice({"reasoning_content": "hm"})]), *CHAT]),
    "an empty first event": _join([{"id": "", "model": "", "object": "", "created": 0, "choices": [], "prompt_filter_results": []}, *CHAT]),
    "null names": _join([{**value, "id": None, "model": None} for value in CHAT]),
    "ids that change": _join([{**value, "id": f"chatcmpl-{n}"} for n, value in enumerate(CHAT)]),
    "a provider of its own": _join([{**value, "provider": "Somebody"} for value in CHAT]),
    "names at the end": _join([{name: value[name] for name in reversed(value)} for value in CHAT]),
    "nested members of the same names": _join(
        [{**value, "x": {"id": "chatcmpl-9", "model": "gpt-4o-x", "usage": {"a": 1}}} for value in CHAT]
    ),
    "large events": _join([chunk("y" * 70_000), chunk("z" * 70_000), FINISH, LAST]),
    "error null": _join([{**value, "error": None} for value in CHAT]),
}
TEXT_STREAMS: dict[str, bytes] = {
    "compact": _join([text_chunk("Hel"), text_chunk("lo"), text_chunk("", "length"), text_chunk("", choices=[], usage=USAGE)]),
    "spaced": _join([text_chunk("Hel"), text_chunk("lo", "stop"), text_chunk("", choices=[], usage=USAGE)], separators=_SPACED),
    "hostile text": _join([text_chunk(HOSTILE), text_chunk(HOSTILE), text_chunk("", "stop")]),
}


def _named(value: dict[str, object], separators: tuple[str, str] = _COMPACT, border: str = "\n") -> bytes:
    data = event(value, separators, border + border)
    return f"event: {value['type']}{border}".encode() + data


START = {
    "type": "message_start",
    "message": {
        "id": "msg_7",
        "type": "message",
        "role": "assistant",
        "model": "claude-x",
        "content": [],
        "stop_reason": None,
        "usage": {"input_tokens": 9, "cache_creation_input_tokens": 3, "cache_read_input_tokens": 5, "output_tokens": 1},
    },
}
MESSAGE: list[dict[str, object]] = [
    START,
    {"type": "content_block_start", "index": 0, "content_block": {"type": "text", "text": ""}},
    {"type": "ping"},
    {"type": "content_block_delta", "index": 0, "delta": {"type": "text_delta", "text": "Hello"}},
    {"type": "content_block_delta", "index": 0, "delta": {"type": "text_delta", "text": HOSTILE + " message_stop message_delta"}},
    {"type": "content_block_stop", "index": 0},
    {"type": "message_delta", "delta": {"stop_reason": "end_turn", "stop_sequence": None}, "usage": {"output_tokens": 15}},
    {"type": "message_stop"},
]
TOOL_MESSAGE: list[dict[str, object]] = [
    START,
    {"type": "content_block_start", "index": 0, "content_block": {"type": "thinking", "thinking": ""}},
    {"type": "content_block_delta", "index": 0, "delta": {"type": "thinking_delta", "thinking": "hm"}},
    {"type": "content_block_delta", "index": 0, "delta": {"type": "signature_delta", "signature": "c2ln"}},
    {"type": "content_block_stop", "index": 0},
    {"type": "content_block_start", "index": 1, "content_block": {"type": "tool_use", "id": "toolu_1", "name": "f", "input": {}}},
    {"type": "content_block_delta", "index": 1, "delta": {"type": "input_json_delta", "partial_json": '{"type":"message_stop"}'}},
    {"type": "content_block_stop", "index": 1},
    {"type": "message_delta", "delta": {"stop_reason": "tool_use"}, "usage": {"input_tokens": 9, "output_tokens": 15}},
    {"type": "message_stop"},
]
MESSAGE_STREAMS: dict[str, bytes] = {
    "compact": b"".join(map(_named, MESSAGE)),
    "spaced": b"".join(_named(value, _SPACED) for value in MESSAGE),
    "lines end in CRLF": b"".join(_named(value, border="\r\n") for value in MESSAGE),
    "tools": b"".join(map(_named, TOOL_MESSAGE)),
    "data only": b"".join(map(event, MESSAGE)),
    "a ping first": _named({"type": "ping"}) + b"".join(map(_named, MESSAGE)),
    "comments": b": hello\n\n" + b": hello\n\n".join(map(_named, MESSAGE)),
    "unknown events": b"".join(map(_named, [*MESSAGE[:3], {"type": "future_event", "x": [1.50]}, *MESSAGE[3:]])),
}


def price_it(usage: Usage) -> CostFields:
    """A cost by which the oracle knows what was priced."""
    return CostFields(cost=b"%d" % (usage.input_tokens * 1000 + usage.output_tokens))


NAMING = Naming(*(json.dumps(name).encode() for name in (GENERATION_ID, MODEL, PROVIDER)))
PROMPT = [{"content": "x" * 14}]  # 30 bytes of JSON: an estimate of 7 tokens


def _open(dialect: str, endpoint: str, **asked: object) -> StreamRewriter:
    body = {"model": MODEL, "stream": True, "messages": PROMPT, "prompt": PROMPT, **asked}
    request = DIALECTS[dialect].read_request(endpoint, json.dumps(body, separators=_COMPACT).encode())
    return DIALECTS[dialect].open_stream(endpoint, request, NAMING, price_it)


def open_openai(endpoint: str = "chat/completions", *, is_usage_wanted: bool = False) -> StreamRewriter:
    """A rewriter with the names that the oracle expects."""
    return _open("openai", endpoint, stream_options={"include_usage": is_usage_wanted})


def open_anthropic() -> StreamRewriter:
    """A rewriter of the Anthropic dialect."""
    return _open("anthropic", "messages")


def run(make: Callable[[], StreamRewriter], pieces: Sequence[bytes]) -> tuple[bytes, StreamRewriter]:
    """What comes out of a rewriter that is fed these pieces and the end."""
    rewriter = make()
    out = b"".join([rewriter.feed(piece) for piece in pieces if piece])
    return out + rewriter.eof(), rewriter


def outcome(make: Callable[[], StreamRewriter], pieces: Sequence[bytes]) -> tuple[object, ...]:
    """Everything that must not depend on how a stream was cut, but for the bytes that an estimate is made of."""
    out, rewriter = run(make, pieces)
    facts = rewriter.facts
    told = rewriter.usage() if facts.usage is not None else None
    return (
        out,
        facts.usage,
        told,
        facts.upstream_id,
        facts.finish_reason,
        facts.native_finish_reason,
        rewriter.is_done,
        rewriter.is_begun,
        rewriter.failure,
    )


def cut(text: bytes, places: Iterable[int]) -> list[bytes]:
    """The text cut at these places."""
    at, pieces = 0, []
    for place in [*sorted(places), len(text)]:
        pieces.append(text[at:place])
        at = place
    return pieces


def read_events(stream: bytes) -> list[object]:
    """A client's view of a stream: its data, decoded; what is not JSON as text. Multi-line data is joined, comments are skipped."""
    events: list[object] = []
    for block in stream.decode().replace("\r\n", "\n").split("\n\n"):
        lines = [line.removeprefix("data:").removeprefix(" ") for line in block.split("\n") if line.startswith("data:")]
        if lines:
            text = "\n".join(lines)
            events.append(text if text == "[DONE]" else json.loads(text))
    return events


def expect_events(stream: bytes, *, is_usage_wanted: bool) -> list[object]:
    """What a client must get, worked out on decoded events: the contract's section 5 in a few lines."""
    expected: list[object] = []
    usage: dict[str, object] | None = None
    usage_event: dict[str, object] = {"object": "chat.completion.chunk", "choices": []}
    seen = read_events(stream)
    for value in seen[: seen.index("[DONE]")] if "[DONE]" in seen else seen:
        assert isinstance(value, dict)
        first = {"created": value["created"]} if not expected else {}
        usage_event = {**usage_event, **first}
        told = value.get("usage")
        if told and not value["choices"]:
            usage, usage_event = told, value
            continue
        renamed = {**value, "id": GENERATION_ID, "model": MODEL}
        if not expected:
            renamed["provider"] = PROVIDER
        if told:
            usage, renamed["usage"] = told, None
        expected.append(renamed)
    if is_usage_wanted and usage is not None:
        expected.append({**usage_event, "id": GENERATION_ID, "model": MODEL, "provider": PROVIDER, "usage": usage})
    return [*expected, "[DONE]"]
