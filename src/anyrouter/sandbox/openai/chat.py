"""Chat completions: `chat.completion` objects, and streams of `chat.completion.chunk` events as the provider sends them.

The order of members and the compact form of the events are the provider's (recorded streams of 2025 and 2026).
"""

import hashlib
from collections.abc import Iterator
from typing import Any

import msgspec

from anyrouter.core.keys import ALPHABET
from anyrouter.sandbox.answer import Answer, Ending, check_window, compose
from anyrouter.sandbox.fields import Fields
from anyrouter.sandbox.openai.envelope import headers, whole
from anyrouter.sandbox.openai.request import ChatRequest, read_chat
from anyrouter.sandbox.reply import Reply, Stamp
from anyrouter.sandbox.scenario import Scenario
from anyrouter.sandbox.text import argument_pieces, pieces

_FINISH_REASONS = {
    Ending.COMPLETE: "stop",
    Ending.STOP_SEQUENCE: "stop",
    Ending.LENGTH: "length",
    Ending.TOOL: "tool_calls",
    Ending.FILTERED: "content_filter",
    Ending.REFUSED: "stop",
}
_LOGPROB = -0.01
_PADDED_TO = 16


def answer_chat(fields: Fields, stamp: Stamp) -> Reply:
    """The reply to POST /v1/chat/completions; FieldFault, ApiError or WindowExceeded when there is none."""
    request = read_chat(fields)
    prompt = request.prompt
    check_window(prompt.scenario, prompt.input_tokens)
    answer = compose(prompt)
    if request.stream.is_streamed:
        kind = ("content-type", "text/event-stream; charset=utf-8")
        body = _events(request, answer, stamp)
        return Reply(headers=(kind, ("cache-control", "no-cache"), *headers(stamp)), body=body, is_stream=True)
    completion = {
        **_identity(request, stamp, "chat.completion"),
        "choices": [_choice(request, answer, stamp, index) for index in range(prompt.choices)],
    }
    if prompt.scenario is not Scenario.NO_USAGE:
        completion["usage"] = _usage(request, answer)
    return whole({**completion, "service_tier": "default", "system_fingerprint": _fingerprint(prompt.model)}, stamp)


def usage(input_tokens: int, output_tokens: int, reasoning_tokens: int = 0) -> dict[str, Any]:
    """The usage object of this dialect; `output_tokens` include what was thought. Nothing is ever read from a cache or spoken."""
    return {
        "prompt_tokens": input_tokens,
        "completion_tokens": output_tokens,
        "total_tokens": input_tokens + output_tokens,
        "prompt_tokens_details": {"cached_tokens": 0, "audio_tokens": 0},
        "completion_tokens_details": {
            "reasoning_tokens": reasoning_tokens,
            "audio_tokens": 0,
            "accepted_prediction_tokens": 0,
            "rejected_prediction_tokens": 0,
        },
    }


def _usage(request: ChatRequest, answer: Answer) -> dict[str, Any]:
    choices = request.prompt.choices
    spoken, thought = answer.tokens * choices, answer.reasoning_tokens * choices
    return usage(request.prompt.input_tokens, spoken + thought, thought)


def _identity(request: ChatRequest, stamp: Stamp, kind: str) -> dict[str, Any]:
    return {"id": f"chatcmpl-{stamp.token('chat', 29)}", "object": kind, "created": stamp.now_s, "model": request.prompt.model}


def _choice(request: ChatRequest, answer: Answer, stamp: Stamp, index: int) -> dict[str, Any]:
    is_refusal = answer.ending is Ending.REFUSED
    message: dict[str, Any] = {"role": "assistant", "content": None if answer.tool or is_refusal else answer.text}
    if answer.tool is not None:
        message["tool_calls"] = [_call(answer, stamp, index)]
    finish_reason = _FINISH_REASONS[answer.ending]
    message |= {"refusal": answer.text if is_refusal else None, "annotations": []}
    return {"index": index, "message": message, "logprobs": _logprobs(request, answer), "finish_reason": finish_reason}


def _call(answer: Answer, stamp: Stamp, index: int) -> dict[str, Any]:
    assert answer.tool is not None  # noqa: S101 -- the caller looked
    identity = f"call_{stamp.token(f'call{index}', 24)}"
    if answer.tool.schema is None:
        return {"id": identity, "type": "custom", "custom": {"name": answer.tool.name, "input": answer.text}}
    return {"id": identity, "type": "function", "function": {"name": answer.tool.name, "arguments": answer.text}}


def _logprobs(request: ChatRequest, answer: Answer) -> dict[str, Any] | None:
    if request.top_logprobs is None or answer.tool is not None:
        return None
    entries = [_logprob(piece, request.top_logprobs) for piece in pieces(answer.text)]
    return {"content": None, "refusal": entries} if answer.ending is Ending.REFUSED else {"content": entries, "refusal": None}


def _logprob(piece: str, top: int) -> dict[str, Any]:
    entry = {"token": piece, "logprob": _LOGPROB, "bytes": list(piece.encode())}
    return {**entry, "top_logprobs": [entry] if top else []}


def _events(request: ChatRequest, answer: Answer, stamp: Stamp) -> Iterator[bytes]:
    """The events of the stream, choice after choice within each step, each a whole SSE event."""
    prompt, indices = request.prompt, range(request.prompt.choices)
    chunks = _Chunks(request, stamp)
    calls = [_call(answer, stamp, index) for index in indices] if answer.tool is not None else None
    for index in indices:
        yield chunks.event(index, _first_delta(calls[index] if calls else None))
    for delta, logprobs in _deltas(request, answer):
        for index in indices:
            yield chunks.event(index, delta, logprobs=logprobs)
    for index in indices:
        yield chunks.event(index, {}, finish_reason=_FINISH_REASONS[answer.ending])
    if request.stream.includes_usage and prompt.scenario is not Scenario.NO_USAGE:
        yield chunks.usage_event(_usage(request, answer))
    yield b"data: [DONE]\n\n"


def _deltas(request: ChatRequest, answer: Answer) -> Iterator[tuple[dict[str, Any], dict[str, Any] | None]]:
    """What each choice says, part by part, with the log probabilities that belong to it."""
    if answer.tool is not None:
        for piece in argument_pieces(answer.text):
            member = {"custom": {"input": piece}} if answer.tool.schema is None else {"function": {"arguments": piece}}
            yield {"tool_calls": [{"index": 0, **member}]}, None
        return
    said, unsaid = ("refusal", "content") if answer.ending is Ending.REFUSED else ("content", "refusal")
    for piece in pieces(answer.text):
        logprobs = None if request.top_logprobs is None else {said: [_logprob(piece, request.top_logprobs)], unsaid: None}
        yield {said: piece}, logprobs


def _first_delta(call: dict[str, Any] | None) -> dict[str, Any]:
    if call is None:
        return {"role": "assistant", "content": "", "refusal": None}
    kind = call["type"]
    emptied = {**call[kind], "input" if kind == "custom" else "arguments": ""}
    return {"role": "assistant", "content": None, "tool_calls": [{"index": 0, **call, kind: emptied}], "refusal": None}


class _Chunks:
    """Writes the events of one stream, of which only the delta changes."""

    def __init__(self, request: ChatRequest, stamp: Stamp) -> None:
        identity = _identity(request, stamp, "chat.completion.chunk")
        identity |= {"service_tier": "default", "system_fingerprint": _fingerprint(request.prompt.model)}
        self._head = b"data: " + msgspec.json.encode(identity)[:-1]
        self._usage = b',"usage":null' if request.stream.includes_usage and request.prompt.scenario is not Scenario.NO_USAGE else b""
        self._is_obfuscated = request.stream.is_obfuscated

    def event(self, index: int, delta: dict[str, Any], *, logprobs: Any = None, finish_reason: str | None = None) -> bytes:
        choice = {"index": index, "delta": delta, "logprobs": logprobs, "finish_reason": finish_reason}
        body = b',"choices":[' + msgspec.json.encode(choice) + b"]" + self._usage
        return self._head + body + self._padding(len(body)) + b"}\n\n"

    def usage_event(self, numbers: dict[str, Any]) -> bytes:
        body = b',"choices":[],"usage":' + msgspec.json.encode(numbers)
        return self._head + body + self._padding(len(body)) + b"}\n\n"

    def _padding(self, length: int) -> bytes:
        """The member with which the provider hides the lengths of tokens: here without randomness."""
        if not self._is_obfuscated:
            return b""
        return b',"obfuscation":"%s"' % ALPHABET[: _PADDED_TO - length % _PADDED_TO].encode()


def _fingerprint(model: str) -> str:
    return f"fp_{hashlib.blake2b(model.encode(), digest_size=5).hexdigest()}"
