"""What surrounds every reply of the Anthropic dialect: headers, and errors in that provider's words (as its API worded them in 2026)."""

from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

import msgspec

from anyrouter.sandbox.answer import WindowExceeded
from anyrouter.sandbox.dialect import Dialect, garble_event, has_any_key
from anyrouter.sandbox.fields import FaultKind, FieldFault
from anyrouter.sandbox.reply import ApiError, Headers, Reply, Stamp
from anyrouter.sandbox.request import Request

REQUEST_LIMIT = 4_000
INPUT_TOKEN_LIMIT = 2_000_000
OUTPUT_TOKEN_LIMIT = 400_000

_A_TYPE = {
    "string": "a valid string",
    "integer": "a valid integer",
    "number": "a valid number",
    "boolean": "a valid boolean",
    "object": "an object",
    "one of a string or array of objects": "a valid string or a valid array",
}


def request_id(stamp: Stamp) -> str:
    """The identifier of a request, in its header and in the body of an error."""
    return f"req_01{stamp.token('request', 22)}"


def headers(stamp: Stamp, *, remaining_requests: int = REQUEST_LIMIT - 1) -> Headers:
    """The headers of every reply to an authenticated request."""
    reset = datetime.fromtimestamp(stamp.now_s, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
    limits = [("requests", REQUEST_LIMIT, remaining_requests)]
    limits += [("input-tokens", INPUT_TOKEN_LIMIT, INPUT_TOKEN_LIMIT), ("output-tokens", OUTPUT_TOKEN_LIMIT, OUTPUT_TOKEN_LIMIT)]
    limits += [("tokens", INPUT_TOKEN_LIMIT + OUTPUT_TOKEN_LIMIT, INPUT_TOKEN_LIMIT + OUTPUT_TOKEN_LIMIT)]
    lines = [("anthropic-organization-id", "00000000-0000-4000-8000-000000000000"), ("request-id", request_id(stamp))]
    for name, limit, remaining in limits:
        lines.append((f"anthropic-ratelimit-{name}-limit", str(limit)))
        lines.append((f"anthropic-ratelimit-{name}-remaining", str(remaining)))
        lines.append((f"anthropic-ratelimit-{name}-reset", reset))
    return tuple(lines)


def whole(value: Any, stamp: Stamp) -> Reply:
    """A reply with a compact JSON body."""
    return Reply(headers=(("content-type", "application/json"), *headers(stamp)), body=msgspec.json.encode(value))


def render_error(error: ApiError, stamp: Stamp) -> Reply:
    """An error in this dialect's envelope."""
    body = {"type": "error", "error": {"type": error.type, "message": error.message}, "request_id": request_id(stamp)}
    is_limited = error.status == 429  # noqa: PLR2004 -- Too Many Requests
    common = headers(stamp, remaining_requests=0) if is_limited else headers(stamp)
    should_retry = ("x-should-retry", "true" if is_limited or error.status >= 500 else "false")  # noqa: PLR2004 -- the server's fault
    lines = (("content-type", "application/json"), should_retry, *common, *error.headers)
    return Reply(status=error.status, headers=lines, body=msgspec.json.encode(body))


def of_fault(fault: FieldFault) -> ApiError:
    """A member that cannot be used, in this provider's words."""
    return ApiError(400, f"{'.'.join(map(str, fault.path))}: {_WORDING[fault.kind](fault)}")


def _of_window(excess: WindowExceeded, _param: str) -> ApiError:
    return ApiError(400, f"prompt is too long: {excess.tokens} tokens > {excess.window} maximum")


def _check_head(request: Request) -> None:
    if not has_any_key(request):
        raise ApiError(401, "x-api-key header is required", type="authentication_error")
    if request.method == "POST" and "anthropic-version" not in request.headers:
        raise ApiError(400, "anthropic-version: header is required")


def _not_json(reason: str) -> ApiError:
    return ApiError(400, f"The request body is not valid JSON: {reason}")


def _not_found(_method: str, _path: str) -> ApiError:
    return ApiError(404, "Not found", type="not_found_error")


def _wrong_method(_method: str, _path: str, allowed: str) -> ApiError:
    return ApiError(405, "Method Not Allowed", headers=(("allow", allowed),))


def _too_large() -> ApiError:
    return ApiError(413, "Request exceeds the maximum size", type="request_too_large")


def _rate_limited(model: str, retry_after_s: int) -> ApiError:
    message = f"This request would exceed your organization's rate limit of 1 request per minute (model: {model}). Please try again later."
    return ApiError(429, message, type="rate_limit_error", headers=(("retry-after", str(retry_after_s)),))


def _server_error() -> ApiError:
    return ApiError(500, "Internal server error", type="api_error")


def _overloaded() -> ApiError:
    return ApiError(529, "Overloaded", type="overloaded_error")


def _failure_event(stamp: Stamp) -> bytes:
    body = {"type": "error", "error": {"type": "overloaded_error", "message": "Overloaded"}, "request_id": request_id(stamp)}
    return b"event: error\ndata: " + msgspec.json.encode(body) + b"\n\n"


def _wrong_type(fault: FieldFault) -> str:
    return f"Input should be {_A_TYPE.get(fault.expected, 'a valid array')}"


def _wrong_value(fault: FieldFault) -> str:
    *others, last = [f"'{value}'" for value in fault.expected]
    return f"Input should be {', '.join(others)} or {last}" if others else f"Input should be {last}"


_WORDING: dict[FaultKind, Callable[[FieldFault], str]] = {
    FaultKind.MISSING: lambda _: "Field required",
    FaultKind.TYPE: _wrong_type,
    FaultKind.VALUE: _wrong_value,
    FaultKind.EMPTY: lambda _: "at least one message is required",
    FaultKind.TOO_LONG: lambda fault: f"List should have at most {fault.expected} items after validation, not {fault.got}",
    FaultKind.BELOW: lambda fault: f"must be greater than or equal to {fault.expected:g}",
    FaultKind.ABOVE: lambda fault: f"must be less than or equal to {fault.expected:g}",
}


DIALECT = Dialect(
    whole=whole,
    render_error=render_error,
    of_fault=of_fault,
    of_window=_of_window,
    check_head=_check_head,
    not_json=_not_json,
    not_found=_not_found,
    wrong_method=_wrong_method,
    too_large=_too_large,
    rate_limited=_rate_limited,
    server_error=_server_error,
    overloaded=_overloaded,
    failure_event=_failure_event,
    garble=garble_event,
)
