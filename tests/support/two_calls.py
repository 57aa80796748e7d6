"""What an upstream says that calls two tools at once, whole and streamed, in each dialect; the sandbox calls but one."""

import json
from typing import Any

from anyrouter.sandbox.bedrock.event_stream import encode_message
from support.upstream import Answer, Received, json_answer, stream_answer

TEXT = "I look."
ARGUMENTS = {"city": "Zürich", "days": 14}
CALLS = (("call_one", "weather", ARGUMENTS), ("call_two", "clock", {}))
_USAGE = (30, 20)


def two_calls(received: Received) -> Answer:
    """The answer in the dialect of the path."""
    path = received.path.partition("?")[0]
    if path.endswith("/chat/completions"):
        return _openai(is_streamed=bool(received.json().get("stream")))
    if path.endswith("/responses"):
        return _responses(is_streamed=bool(received.json().get("stream")))
    if path.endswith("/messages"):
        return _anthropic(is_streamed=bool(received.json().get("stream")))
    if "/converse" in path:
        return _bedrock(is_streamed=path.endswith("-stream"))
    return _gemini(is_streamed="stream" in path)


def _event(value: Any, name: str | None = None) -> bytes:
    data = f"data: {json.dumps(value, ensure_ascii=False)}\n\n"
    return (data if name is None else f"event: {name}\n{data}").encode()


def _halves(arguments: dict[str, Any]) -> tuple[str, str]:
    text = json.dumps(arguments, ensure_ascii=False)
    return text[: len(text) // 2], text[len(text) // 2 :]


def _openai(*, is_streamed: bool) -> Answer:
    base: dict[str, Any] = {"id": "chatcmpl-two", "created": 1_790_000_000, "model": "m"}
    usage = {"prompt_tokens": _USAGE[0], "completion_tokens": _USAGE[1], "total_tokens": sum(_USAGE)}
    if not is_streamed:
        calls = [
            {"id": identity, "type": "function", "function": {"name": name, "arguments": json.dumps(arguments)}}
            for identity, name, arguments in CALLS
        ]
        message = {"role": "assistant", "content": TEXT, "tool_calls": calls}
        choices = [{"index": 0, "message": message, "finish_reason": "tool_calls"}]
        return json_answer({**base, "object": "chat.completion", "choices": choices, "usage": usage})
    deltas: list[dict[str, Any]] = [{"role": "assistant", "content": ""}, {"content": TEXT}]
    for at, (identity, name, arguments) in enumerate(CALLS):
        function = {"name": name, "arguments": ""}
        deltas.append({"tool_calls": [{"index": at, "id": identity, "type": "function", "function": function}]})
        deltas += [{"tool_calls": [{"index": at, "function": {"arguments": half}}]} for half in _halves(arguments)]
    chunk = {**base, "object": "chat.completion.chunk"}
    events = [_event({**chunk, "choices": [{"index": 0, "delta": delta, "finish_reason": None}]}) for delta in deltas]
    events.append(_event({**chunk, "choices": [{"index": 0, "delta": {}, "finish_reason": "tool_calls"}]}))
    return stream_answer(*events, _event({**chunk, "choices": [], "usage": usage}), b"data: [DONE]\n\n")


def _responses(*, is_streamed: bool) -> Answer:
    text = {"type": "output_text", "text": TEXT, "annotations": [], "logprobs": []}
    message = {"id": "msg_1", "type": "message", "role": "assistant", "status": "completed", "content": [text]}
    calls = [
        {
            "id": f"fc_{identity}",
            "type": "function_call",
            "status": "completed",
            "call_id": identity,
            "name": name,
            "arguments": json.dumps(arguments),
        }
        for identity, name, arguments in CALLS
    ]
    output: list[dict[str, Any]] = [message, *calls]
    usage = {
        "input_tokens": _USAGE[0],
        "input_tokens_details": {"cached_tokens": 0},
        "output_tokens": _USAGE[1],
        "output_tokens_details": {"reasoning_tokens": 0},
        "total_tokens": sum(_USAGE),
    }
    base = {"id": "resp_two", "object": "response", "created_at": 1_790_000_000, "model": "m", "error": None, "incomplete_details": None}
    asked = {"parallel_tool_calls": True, "tool_choice": "auto", "tools": [], "metadata": {}}
    whole = {**base, "status": "completed", "output": output, "usage": usage, **asked}
    if not is_streamed:
        return json_answer(whole)
    events: list[dict[str, Any]] = [
        {"type": "response.created", "response": {**whole, "status": "in_progress", "output": [], "usage": None}}
    ]
    for at, item in enumerate(output):
        where = {"output_index": at, "item_id": item["id"]}
        if item is message:
            part = {**where, "content_index": 0}
            events.append(
                {"type": "response.output_item.added", "output_index": at, "item": {**item, "status": "in_progress", "content": []}}
            )
            events.append({"type": "response.content_part.added", **part, "part": {**text, "text": ""}})
            events.append({"type": "response.output_text.delta", **part, "delta": TEXT, "logprobs": []})
            events.append({"type": "response.output_text.done", **part, "text": TEXT, "logprobs": []})
            events.append({"type": "response.content_part.done", **part, "part": text})
        else:
            begun = {**item, "status": "in_progress", "arguments": ""}
            events.append({"type": "response.output_item.added", "output_index": at, "item": begun})
            events.append({"type": "response.function_call_arguments.delta", **where, "delta": item["arguments"]})
            events.append({"type": "response.function_call_arguments.done", **where, "arguments": item["arguments"], "name": item["name"]})
        events.append({"type": "response.output_item.done", "output_index": at, "item": item})
    events.append({"type": "response.completed", "response": whole})
    return stream_answer(*(_event({**event, "sequence_number": number}, event["type"]) for number, event in enumerate(events)))


def _anthropic(*, is_streamed: bool) -> Answer:
    usage = {"input_tokens": _USAGE[0], "output_tokens": _USAGE[1]}
    message: dict[str, Any] = {"id": "msg_two", "type": "message", "role": "assistant", "model": "m", "stop_sequence": None}
    if not is_streamed:
        calls = [{"type": "tool_use", "id": identity, "name": name, "input": arguments} for identity, name, arguments in CALLS]
        content = [{"type": "text", "text": TEXT}, *calls]
        return json_answer({**message, "content": content, "stop_reason": "tool_use", "usage": usage})
    begun = {**message, "content": [], "stop_reason": None, "usage": {**usage, "output_tokens": 1}}
    events: list[dict[str, Any]] = [{"type": "message_start", "message": begun}]
    blocks: list[tuple[dict[str, Any], list[dict[str, Any]]]] = [
        ({"type": "text", "text": ""}, [{"type": "text_delta", "text": TEXT}]),
        *(
            (
                {"type": "tool_use", "id": identity, "name": name, "input": {}},
                [{"type": "input_json_delta", "partial_json": half} for half in ("", *_halves(arguments))],
            )
            for identity, name, arguments in CALLS
        ),
    ]
    for at, (block, deltas) in enumerate(blocks):
        events.append({"type": "content_block_start", "index": at, "content_block": block})
        events += [{"type": "content_block_delta", "index": at, "delta": delta} for delta in deltas]
        events.append({"type": "content_block_stop", "index": at})
    events.append({"type": "message_delta", "delta": {"stop_reason": "tool_use", "stop_sequence": None}, "usage": usage})
    events.append({"type": "message_stop"})
    return stream_answer(*(_event(event, event["type"]) for event in events))


def _gemini(*, is_streamed: bool) -> Answer:
    calls = [{"functionCall": {"name": name, "args": arguments}} for _, name, arguments in CALLS]  # no ids: the API need not give any
    usage = {"promptTokenCount": _USAGE[0], "candidatesTokenCount": _USAGE[1], "totalTokenCount": sum(_USAGE)}
    base = {"usageMetadata": usage, "modelVersion": "m", "responseId": "two"}
    steps = [[{"text": TEXT}], *([call] for call in calls)] if is_streamed else [[{"text": TEXT}, *calls]]
    chunks = [{"candidates": [{"content": {"role": "model", "parts": parts}, "index": 0}], **base} for parts in steps]
    chunks[-1]["candidates"][0]["finishReason"] = "STOP"  # type: ignore[index]
    return stream_answer(*map(_event, chunks)) if is_streamed else json_answer(chunks[0])


def _bedrock(*, is_streamed: bool) -> Answer:
    usage = {"inputTokens": _USAGE[0], "outputTokens": _USAGE[1], "totalTokens": sum(_USAGE)}
    if not is_streamed:
        calls = [{"toolUse": {"toolUseId": identity, "name": name, "input": arguments}} for identity, name, arguments in CALLS]
        message = {"role": "assistant", "content": [{"text": TEXT}, *calls]}
        return json_answer({"output": {"message": message}, "stopReason": "tool_use", "usage": usage, "metrics": {"latencyMs": 1}})
    events: list[tuple[str, dict[str, Any]]] = [
        ("messageStart", {"role": "assistant"}),
        ("contentBlockDelta", {"contentBlockIndex": 0, "delta": {"text": TEXT}}),
        ("contentBlockStop", {"contentBlockIndex": 0}),
    ]
    for at, (identity, name, arguments) in enumerate(CALLS, start=1):
        events.append(("contentBlockStart", {"contentBlockIndex": at, "start": {"toolUse": {"toolUseId": identity, "name": name}}}))
        events += [("contentBlockDelta", {"contentBlockIndex": at, "delta": {"toolUse": {"input": half}}}) for half in _halves(arguments)]
        events.append(("contentBlockStop", {"contentBlockIndex": at}))
    events += [("messageStop", {"stopReason": "tool_use"}), ("metadata", {"usage": usage, "metrics": {"latencyMs": 1}})]
    answer = stream_answer(
        *(
            encode_message({":event-type": name, ":content-type": "application/json", ":message-type": "event"}, json.dumps(value).encode())
            for name, value in events
        )
    )
    answer.headers["content-type"] = "application/vnd.amazon.eventstream"
    return answer
