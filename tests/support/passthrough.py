"""Streams of Responses and Gemini as upstreams send them: the recorded ones of the golden cases, and shapes that they do not have."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

from anyrouter.wire.dialect import DIALECTS
from anyrouter.wire.gemini_array import ArrayStream
from anyrouter.wire.reply import StreamRewriter
from anyrouter.wire.request import InferenceRequest
from support.streams import HOSTILE, MODEL, NAMING, price_it

GOLDEN = Path(__file__).resolve().parents[1] / "golden"
_BROKEN = {"cut", "error", "failed", "failure"}


def recorded(dialect: str, *, is_whole: bool = True) -> dict[str, bytes]:
    """The recorded streams of a dialect that come to their end, or those that do not."""
    paths = sorted((GOLDEN / dialect).glob("stream_*.sse"))
    return {path.stem: path.read_bytes() for path in paths if is_whole is _BROKEN.isdisjoint(path.stem.split("_"))}


def encode(value: object) -> bytes:
    """JSON without a space too many."""
    return json.dumps(value, separators=(",", ":"), ensure_ascii=False).encode()


def named(value: dict[str, Any], separators: tuple[str, str] = (",", ":"), border: str = "\n") -> bytes:
    """An event of Responses."""
    text = json.dumps(value, separators=separators, ensure_ascii=False)
    return f"event: {value['type']}{border}data: {text}{border}{border}".encode()


USAGE = {
    "input_tokens": 100,
    "input_tokens_details": {"cached_tokens": 64},
    "output_tokens": 10,
    "output_tokens_details": {"reasoning_tokens": 4},
    "total_tokens": 110,
}
RESPONSE: dict[str, Any] = {"id": "resp_7", "object": "response", "status": "in_progress", "model": "gpt-x", "output": [], "usage": None}
CREATED = {"type": "response.created", "response": RESPONSE, "sequence_number": 0}
ADDED = {"type": "response.output_item.added", "output_index": 0, "item": {"type": "message", "id": "msg_1"}, "sequence_number": 1}
DELTA = {"type": "response.output_text.delta", "delta": HOSTILE, "item_id": "msg_1", "output_index": 0, "sequence_number": 2}
TEXT_DONE = {"type": "response.output_text.done", "text": HOSTILE, "item_id": "msg_1", "output_index": 0, "sequence_number": 3}
ANSWER = {"type": "message", "id": "msg_1", "role": "assistant", "content": [{"type": "output_text", "text": HOSTILE}]}
COMPLETED = {
    "type": "response.completed",
    "response": {**RESPONSE, "status": "completed", "output": [ANSWER], "usage": USAGE},
    "sequence_number": 4,
}
RESPONSE_EVENTS: list[dict[str, Any]] = [CREATED, ADDED, DELTA, TEXT_DONE, COMPLETED]


def _nested(event: dict[str, Any]) -> dict[str, Any]:
    return {**event, "x": {"response": {"model": "gpt-x"}, "usage": USAGE}, "model": "gpt-x"}


RESPONSE_STREAMS: dict[str, bytes] = {
    **recorded("responses"),
    "compact": b"".join(map(named, RESPONSE_EVENTS)),
    "spaced": b"".join(named(event, (", ", ": ")) for event in RESPONSE_EVENTS),
    "lines end in CRLF": b"".join(named(event, border="\r\n") for event in RESPONSE_EVENTS),
    "data only": b"".join(b"data: %s\n\n" % encode(event) for event in RESPONSE_EVENTS),
    "data on several lines": b"".join(
        b"event: %s\n%s\n\n"
        % (event["type"].encode(), b"\n".join(b"data: " + line for line in json.dumps(event, indent=1).encode().split(b"\n")))
        for event in RESPONSE_EVENTS
    ),
    "comments": b": hello\n\n" + b": hello\n\n".join(map(named, RESPONSE_EVENTS)),
    "a keep-alive event first": named({"type": "keepalive", "sequence_number": 0}) + b"".join(map(named, RESPONSE_EVENTS)),
    "a provider of its own": b"".join(
        named({**event, "response": {**event["response"], "provider": "Somebody"}} if "response" in event else event)
        for event in RESPONSE_EVENTS
    ),
    "nested members of the same names": b"".join(map(named, map(_nested, RESPONSE_EVENTS))),
    "with an end of another dialect": b"".join(map(named, RESPONSE_EVENTS[:-1]))
    + b"data: [DONE]\n\n"
    + named(COMPLETED)
    + b"data: [DONE]\n\n",
    "more behind the end": b"".join(map(named, [*RESPONSE_EVENTS, DELTA])),
    "the last line end is missing": b"".join(map(named, RESPONSE_EVENTS)).removesuffix(b"\n\n"),
    "no usage": b"".join(map(named, [*RESPONSE_EVENTS[:-1], {**COMPLETED, "response": {**COMPLETED["response"], "usage": None}}])),
    "large events": b"".join(map(named, [CREATED, {**DELTA, "delta": "y" * 70_000}, {**COMPLETED, "x": "z" * 70_000}])),
    "an error that is null": b"".join(named({**event, "error": None}) for event in RESPONSE_EVENTS),
    "a thousand members": named(CREATED)
    + named({**COMPLETED, "response": {**COMPLETED["response"], **{f"x{at}": 1 for at in range(900)}}}),
}


def chunk(text: str | None = "Hel", *, index: int | None = 0, finish: str | None = None, **more: object) -> dict[str, Any]:
    """A chunk of Gemini's."""
    candidate: dict[str, Any] = {"content": {"parts": [] if text is None else [{"text": text}], "role": "model"}}
    candidate |= {} if finish is None else {"finishReason": finish}
    candidate |= {} if index is None else {"index": index}
    return {"candidates": [candidate], "modelVersion": "gemini-x", "responseId": "r-7", **more}


def tokens(output: int | None = None, prompt: int = 100) -> dict[str, Any]:
    """The `usageMetadata` of a chunk."""
    told = {"promptTokenCount": prompt, "totalTokenCount": prompt + (output or 0)}
    return told if output is None else {**told, "candidatesTokenCount": output}


def sse(value: object, border: str = "\r\n\r\n", separators: tuple[str, str] = (",", ":")) -> bytes:
    """An event of Gemini's."""
    return f"data: {json.dumps(value, separators=separators, ensure_ascii=False)}{border}".encode()


CHUNKS: list[dict[str, Any]] = [
    chunk("Hel", usageMetadata=tokens()),
    chunk(HOSTILE + ' "finishReason": "STOP" "usageMetadata"', usageMetadata=tokens(4)),
    chunk("lo", finish="STOP", usageMetadata=tokens(10)),
]
GEMINI_STREAMS: dict[str, bytes] = {
    **recorded("gemini"),
    "compact": b"".join(map(sse, CHUNKS)),
    "spaced": b"".join(sse(one, separators=(", ", ": ")) for one in CHUNKS),
    "lines end in LF": b"".join(sse(one, "\n\n") for one in CHUNKS),
    "indented": b"".join(
        b"\n".join(b"data: " + line for line in json.dumps(one, indent=2).encode().split(b"\n")) + b"\n\n" for one in CHUNKS
    ),
    "usage with the last alone": b"".join(map(sse, [chunk(), chunk(), CHUNKS[-1]])),
    "usage behind the finish": b"".join(map(sse, [chunk(), chunk(finish="STOP"), {"usageMetadata": tokens(10), "responseId": "r-7"}])),
    "no usage": b"".join(map(sse, [chunk(), chunk(finish="STOP")])),
    "no index": b"".join(map(sse, [chunk(index=None), chunk(index=None, finish="STOP", usageMetadata=tokens(10))])),
    "one chunk": sse(CHUNKS[-1]),
    "a comment between the ends": sse(CHUNKS[0]) + sse(CHUNKS[-1]) + b": hello\r\n\r\n" + sse({"usageMetadata": tokens(11)}),
    "the last line end is missing": b"".join(map(sse, CHUNKS)).removesuffix(b"\r\n\r\n"),
    "large events": b"".join(map(sse, [chunk("y" * 70_000), chunk("z" * 70_000), CHUNKS[-1]])),
    "error null": b"".join(sse({**one, "error": None}) for one in CHUNKS),
}


def ask_responses(**members: object) -> InferenceRequest:
    """A judged request."""
    body = {"model": MODEL, "stream": True, "input": "x" * 28, **members}
    return DIALECTS["responses"].read_request("responses", encode(body))


def ask_gemini(**members: object) -> InferenceRequest:
    """A judged request."""
    read = DIALECTS["gemini"].read_named_request
    assert read is not None
    body = {"contents": [{"parts": [{"text": "x" * 28}]}], **members}
    return read("streamGenerateContent", encode(body), "google/gemini-x")


def open_responses() -> StreamRewriter:
    """A rewriter with the names that `support.streams` expects."""
    return DIALECTS["responses"].open_stream("responses", ask_responses(), NAMING, price_it)


def open_gemini(**config: object) -> StreamRewriter:
    """A rewriter of the Gemini dialect."""
    request = ask_gemini(generationConfig=config) if config else ask_gemini()
    return DIALECTS["gemini"].open_stream("streamGenerateContent", request, NAMING, price_it)


def open_candidates() -> StreamRewriter:
    """As `open_gemini`, when two answers were asked for."""
    return open_gemini(candidateCount=2)


def open_array() -> StreamRewriter:
    """As `open_gemini`, for a client that wants an array."""
    return ArrayStream(open_gemini())


Make = Callable[[], StreamRewriter]
