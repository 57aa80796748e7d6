"""Responses: `response` objects, whole or between the events of a stream.

The order of members is the provider's (recorded replies of 2025 and 2026). `store` is always false: nothing is kept.
"""

from collections.abc import Iterator
from itertools import islice
from typing import Any

from anyrouter.sandbox.answer import Answer, Ending, check_window, compose
from anyrouter.sandbox.fields import Fields
from anyrouter.sandbox.openai.envelope import SERVER_ERROR, headers, whole
from anyrouter.sandbox.reply import Reply, Stamp
from anyrouter.sandbox.responses.events import Event, encode_events, list_events
from anyrouter.sandbox.responses.output import Item, list_items
from anyrouter.sandbox.responses.request import ResponsesRequest, read_request
from anyrouter.sandbox.scenario import Scenario

EVENTS_BEFORE_FAILURE = 4  # of those between response.in_progress and the end

_REASONS = {Ending.LENGTH: "max_output_tokens", Ending.FILTERED: "content_filter"}


def answer_responses(fields: Fields, stamp: Stamp) -> Reply:
    """The reply to POST /v1/responses; FieldFault, ApiError or WindowExceeded when there is none."""
    request = read_request(fields)
    check_window(request.prompt.scenario, request.prompt.input_tokens)
    answer = compose(request.prompt)
    items = list_items(request, answer, stamp)
    end = _end(request, answer, items, stamp)
    if not request.stream.is_streamed:
        return whole(end, stamp)
    kind = ("content-type", "text/event-stream; charset=utf-8")
    body = encode_events(_events(request, items, end, stamp), is_obfuscated=request.stream.is_obfuscated)
    return Reply(headers=(kind, ("cache-control", "no-cache"), *headers(stamp)), body=body, is_stream=True)


def _events(request: ResponsesRequest, items: list[Item], end: dict[str, Any], stamp: Stamp) -> Iterator[Event]:
    start = _response(request, stamp, "in_progress")
    yield "response.created", {"response": start}
    yield "response.in_progress", {"response": start}
    happening = list_events(items, request)
    yield from islice(happening, EVENTS_BEFORE_FAILURE) if end["status"] == "failed" else happening
    yield f"response.{end['status']}", {"response": end}


def _end(request: ResponsesRequest, answer: Answer, items: list[Item], stamp: Stamp) -> dict[str, Any]:
    """The response as it is in the end: completed, incomplete or failed."""
    if request.prompt.scenario is Scenario.STREAM_ERROR:
        return _response(request, stamp, "failed") | {"error": {"code": "server_error", "message": SERVER_ERROR}}
    reason = _REASONS.get(answer.ending)
    response = _response(request, stamp, "incomplete" if reason else "completed") | {"output": items, "usage": _usage(request, answer)}
    return response | ({"incomplete_details": {"reason": reason}} if reason else {"completed_at": stamp.now_s})


def _response(request: ResponsesRequest, stamp: Stamp, status: str) -> dict[str, Any]:
    return {
        "id": f"resp_{stamp.hexadecimal('resp', 50)}",
        "object": "response",
        "created_at": stamp.now_s,
        "status": status,
        "background": False,
        "billing": {"payer": "developer"},
        "completed_at": None,
        "error": None,
        "frequency_penalty": 0.0,
        "incomplete_details": None,
        **request.echoed,
    }


def _usage(request: ResponsesRequest, answer: Answer) -> dict[str, Any] | None:
    """The usage member; null under sandbox/no-usage."""
    if request.prompt.scenario is Scenario.NO_USAGE:
        return None
    input_tokens, output_tokens = request.prompt.input_tokens, answer.tokens + answer.reasoning_tokens
    return {
        "input_tokens": input_tokens,
        "input_tokens_details": {"cache_write_tokens": 0, "cached_tokens": 0},
        "output_tokens": output_tokens,
        "output_tokens_details": {"reasoning_tokens": answer.reasoning_tokens},
        "total_tokens": input_tokens + output_tokens,
    }
