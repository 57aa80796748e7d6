"""Converse, ConverseStream and CountTokens of Amazon Bedrock.

Members are sorted by their names, as the service sends them. In a stream a text has no `contentBlockStart`, a call has one; `p` is the
padding with which the service hides the lengths of tokens, here without randomness.
"""

from collections.abc import Iterator
from typing import Any

import msgspec

from anyrouter.core.keys import ALPHABET
from anyrouter.sandbox.answer import Answer, Ending, check_window, compose
from anyrouter.sandbox.bedrock.content import read_kind
from anyrouter.sandbox.bedrock.envelope import EVENT_STREAM, JSON, headers, refusal, whole
from anyrouter.sandbox.bedrock.event_stream import encode_message
from anyrouter.sandbox.bedrock.request import ConverseRequest, read_request
from anyrouter.sandbox.fields import FaultKind, Fields
from anyrouter.sandbox.reply import Reply, Stamp
from anyrouter.sandbox.scenario import Scenario
from anyrouter.sandbox.text import argument_pieces, pieces

LATENCY_MS = 1

_STOP_REASONS = {
    Ending.COMPLETE: "end_turn",
    Ending.STOP_SEQUENCE: "stop_sequence",
    Ending.LENGTH: "max_tokens",
    Ending.TOOL: "tool_use",
    Ending.FILTERED: "content_filtered",
    Ending.REFUSED: "guardrail_intervened",
}
_PADDED_TO = 32


def answer_converse(fields: Fields, stamp: Stamp, model: str) -> Reply:
    """The reply to POST /model/{model}/converse; FieldFault, ApiError or WindowExceeded when there is none."""
    request, answer = _prepare(fields, model)
    message = {"content": _content(answer, stamp), "role": "assistant"}
    return whole(
        {
            **_own_fields(request, answer),
            "metrics": {"latencyMs": LATENCY_MS},
            "output": {"message": message},
            "stopReason": _STOP_REASONS[answer.ending],
            **_usage(request, answer),
        },
        stamp,
    )


def answer_converse_stream(fields: Fields, stamp: Stamp, model: str) -> Reply:
    """The reply to POST /model/{model}/converse-stream; what `converse` refuses is refused before it."""
    request, answer = _prepare(fields, model)
    events = (_encode(name, members) for name, members in _events(request, answer, stamp))
    return Reply(headers=(("content-type", EVENT_STREAM), *headers(stamp)), body=events, is_stream=True)


def answer_bedrock_count(fields: Fields, stamp: Stamp, model: str) -> Reply:
    """The reply to POST /model/{model}/count-tokens: what `converse` would report as `inputTokens`."""
    counted = fields.object("input")
    if counted is None:
        raise fields.fault("input", FaultKind.MISSING)
    kind = read_kind(counted, ("converse", "invokeModel"))
    inner = counted.object(kind)
    if inner is None or kind != "converse":
        raise refusal("The sandbox counts the tokens of a Converse request only.")
    return whole({"inputTokens": read_request(inner, model).prompt.input_tokens}, stamp)


def _prepare(fields: Fields, model: str) -> tuple[ConverseRequest, Answer]:
    request = read_request(fields, model)
    check_window(request.prompt.scenario, request.prompt.input_tokens)
    return request, compose(request.prompt)


def _own_fields(request: ConverseRequest, answer: Answer) -> dict[str, Any]:
    if not request.shows_stop:
        return {}
    return {"additionalModelResponseFields": {"stop_sequence": answer.stop_sequence}}


def _usage(request: ConverseRequest, answer: Answer) -> dict[str, Any]:
    """The usage member, or nothing under sandbox/no-usage."""
    if request.prompt.scenario is Scenario.NO_USAGE:
        return {}
    input_tokens, output_tokens = request.prompt.input_tokens, answer.tokens + answer.reasoning_tokens
    usage = {
        "cacheReadInputTokens": 0,
        "cacheWriteInputTokens": 0,
        "inputTokens": input_tokens,
        "outputTokens": output_tokens,
        "totalTokens": input_tokens + output_tokens,
    }
    return {"usage": usage}


def _content(answer: Answer, stamp: Stamp) -> list[dict[str, Any]]:
    blocks: list[dict[str, Any]] = []
    if answer.reasoning:
        blocks.append({"reasoningContent": {"reasoningText": {"signature": _signature(stamp), "text": answer.reasoning}}})
    if answer.tool is not None:
        blocks.append({"toolUse": {"input": answer.arguments or {}, "name": answer.tool.name, "toolUseId": _tool_id(stamp)}})
    elif answer.text:
        blocks.append({"text": answer.text})
    return blocks


def _events(request: ConverseRequest, answer: Answer, stamp: Stamp) -> Iterator[tuple[str, dict[str, Any]]]:
    """The events of the stream: their names, and their members but the padding."""
    yield "messageStart", {"role": "assistant"}
    index = 0
    if answer.reasoning:
        thoughts = [{"reasoningContent": {"text": piece}} for piece in pieces(answer.reasoning)]
        yield from _block_events(index, [*thoughts, {"reasoningContent": {"signature": _signature(stamp)}}])
        index += 1
    if answer.tool is not None:
        start = {"toolUse": {"name": answer.tool.name, "toolUseId": _tool_id(stamp)}}
        yield "contentBlockStart", {"contentBlockIndex": index, "start": start}
        yield from _block_events(index, [{"toolUse": {"input": piece}} for piece in argument_pieces(answer.text)])
    elif answer.text:
        yield from _block_events(index, [{"text": piece} for piece in pieces(answer.text)])
    yield "messageStop", {**_own_fields(request, answer), "stopReason": _STOP_REASONS[answer.ending]}
    yield "metadata", {"metrics": {"latencyMs": LATENCY_MS}, **_usage(request, answer)}


def _block_events(index: int, deltas: list[dict[str, Any]]) -> Iterator[tuple[str, dict[str, Any]]]:
    for delta in deltas:
        yield "contentBlockDelta", {"contentBlockIndex": index, "delta": delta}
    yield "contentBlockStop", {"contentBlockIndex": index}


def _encode(name: str, members: dict[str, Any]) -> bytes:
    value = {**members, "p": ALPHABET[: _PADDED_TO - len(msgspec.json.encode(members)) % _PADDED_TO]}
    body = msgspec.json.encode({key: value[key] for key in sorted(value)})
    return encode_message({":event-type": name, ":content-type": JSON, ":message-type": "event"}, body)


def _tool_id(stamp: Stamp) -> str:
    return f"tooluse_{stamp.token('tool', 22)}"


def _signature(stamp: Stamp) -> str:
    """What proves that a thought is the model's own, for the way back."""
    return f"ErUB{stamp.token('signature', 40)}"
