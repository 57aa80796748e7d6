"""Messages: `message` objects, their streams of events as the provider sends them, and `count_tokens`.

The order of members and events is the provider's (recorded streams of 2026); its padding of events with spaces is left out.
"""

from collections.abc import Iterator
from typing import Any

import msgspec

from anyrouter.sandbox.answer import Answer, Ending, check_window, compose
from anyrouter.sandbox.anthropic.envelope import headers, whole
from anyrouter.sandbox.anthropic.request import MessagesRequest, read_request
from anyrouter.sandbox.fields import Fields
from anyrouter.sandbox.reply import Reply, Stamp
from anyrouter.sandbox.scenario import Scenario
from anyrouter.sandbox.text import argument_pieces, pieces

_STOP_REASONS = {
    Ending.COMPLETE: "end_turn",
    Ending.STOP_SEQUENCE: "stop_sequence",
    Ending.LENGTH: "max_tokens",
    Ending.TOOL: "tool_use",
    Ending.FILTERED: "refusal",
    Ending.REFUSED: "refusal",
}
_PING = b'event: ping\ndata: {"type": "ping"}\n\n'


def answer_messages(fields: Fields, stamp: Stamp) -> Reply:
    """The reply to POST /v1/messages; FieldFault, ApiError or WindowExceeded when there is none."""
    request = read_request(fields)
    check_window(request.prompt.scenario, request.prompt.input_tokens)
    answer = compose(request.prompt)
    if request.is_streamed:
        kind = ("content-type", "text/event-stream; charset=utf-8")
        body = _events(request, answer, stamp)
        return Reply(headers=(kind, ("cache-control", "no-cache"), *headers(stamp)), body=body, is_stream=True)
    message = {**_message(request, stamp), "content": _content(answer, stamp), **_stop(answer)}
    return whole({**message, **_usage(request, answer.tokens + answer.reasoning_tokens)}, stamp)


def answer_count(fields: Fields, stamp: Stamp) -> Reply:
    """The reply to POST /v1/messages/count_tokens: what /v1/messages would report as `input_tokens`."""
    return whole({"input_tokens": read_request(fields, is_counted_only=True).prompt.input_tokens}, stamp)


def _message(request: MessagesRequest, stamp: Stamp) -> dict[str, Any]:
    return {
        "model": request.prompt.model,
        "id": f"msg_01{stamp.token('message', 22)}",
        "type": "message",
        "role": "assistant",
        "content": [],
        "stop_reason": None,
        "stop_sequence": None,
        "stop_details": None,
    }


def _usage(request: MessagesRequest, output_tokens: int) -> dict[str, Any]:
    """The usage member, or nothing under sandbox/no-usage."""
    if request.prompt.scenario is Scenario.NO_USAGE:
        return {}
    numbers = {
        "input_tokens": request.prompt.input_tokens,
        "cache_creation_input_tokens": 0,
        "cache_read_input_tokens": 0,
        "cache_creation": {"ephemeral_5m_input_tokens": 0, "ephemeral_1h_input_tokens": 0},
        "output_tokens": output_tokens,
        "service_tier": "standard",
        "inference_geo": "not_available",
    }
    return {"usage": numbers}


def _usage_of_delta(request: MessagesRequest, output_tokens: int) -> dict[str, Any]:
    """The usage member of `message_delta`, which repeats the numbers and nothing else."""
    return {
        name: {word: count for word, count in usage.items() if isinstance(count, int)}
        for name, usage in _usage(request, output_tokens).items()
    }


def _stop(answer: Answer) -> dict[str, Any]:
    reason = _STOP_REASONS[answer.ending]
    details = {"type": "refusal", "category": None, "explanation": None} if reason == "refusal" else None
    return {"stop_reason": reason, "stop_sequence": answer.stop_sequence, "stop_details": details}


def _content(answer: Answer, stamp: Stamp) -> list[dict[str, Any]]:
    thought = [{"type": "thinking", "thinking": answer.reasoning, "signature": _signature(stamp)}] if answer.reasoning else []
    if answer.tool is not None:
        return [*thought, {**_tool_block(answer, stamp), "input": answer.arguments or {}}]
    return [*thought, {"type": "text", "text": answer.text}] if _is_spoken(answer) else thought


def _is_spoken(answer: Answer) -> bool:
    """Whether there is a text: this provider refuses without a word."""
    return bool(answer.text) and answer.ending is not Ending.REFUSED


def _signature(stamp: Stamp) -> str:
    """What proves that a thought is the model's own, for the way back."""
    return f"ErUB{stamp.token('signature', 40)}"


def _tool_block(answer: Answer, stamp: Stamp) -> dict[str, Any]:
    """A call's block as it starts, its input still empty."""
    name = answer.tool.name if answer.tool else ""
    return {"type": "tool_use", "id": f"toolu_01{stamp.token('tool', 22)}", "name": name, "input": {}, "caller": {"type": "direct"}}


def _events(request: MessagesRequest, answer: Answer, stamp: Stamp) -> Iterator[bytes]:
    """The events of the stream, each a whole SSE event."""
    yield _event({"type": "message_start", "message": {**_message(request, stamp), **_usage(request, 1)}})
    index = 0
    if answer.reasoning:
        deltas = [{"type": "thinking_delta", "thinking": piece} for piece in pieces(answer.reasoning)]
        deltas.append({"type": "signature_delta", "signature": _signature(stamp)})
        yield from _block_events(index, {"type": "thinking", "thinking": "", "signature": ""}, deltas)
        index += 1
    if answer.tool is not None:
        deltas = [{"type": "input_json_delta", "partial_json": piece} for piece in ("", *argument_pieces(answer.text))]
        yield from _block_events(index, _tool_block(answer, stamp), deltas)
    elif _is_spoken(answer):
        deltas = [{"type": "text_delta", "text": piece} for piece in pieces(answer.text)]
        yield from _block_events(index, {"type": "text", "text": ""}, deltas)
    output_tokens = answer.tokens + answer.reasoning_tokens
    yield _event({"type": "message_delta", "delta": _stop(answer), **_usage_of_delta(request, output_tokens)})
    yield _event({"type": "message_stop"})


def _block_events(index: int, block: dict[str, Any], deltas: list[dict[str, Any]]) -> Iterator[bytes]:
    yield _event({"type": "content_block_start", "index": index, "content_block": block})
    if not index:
        yield _PING
    for delta in deltas:
        yield _event({"type": "content_block_delta", "index": index, "delta": delta})
    yield _event({"type": "content_block_stop", "index": index})


def _event(value: dict[str, Any]) -> bytes:
    return b"event: %s\ndata: %s\n\n" % (value["type"].encode(), msgspec.json.encode(value))
