"""What surrounds every reply of the OpenAI dialect: headers, and errors in that provider's words (as its API worded them in 2026)."""

from collections.abc import Callable, Collection
from typing import Any

import msgspec

from anyrouter.sandbox.answer import WindowExceeded
from anyrouter.sandbox.dialect import Dialect, garble_event, has_any_key
from anyrouter.sandbox.fields import FaultKind, FieldFault, Path
from anyrouter.sandbox.reply import ApiError, Headers, Reply, Stamp
from anyrouter.sandbox.request import Request

REQUEST_LIMIT = 10_000
TOKEN_LIMIT = 30_000_000
SERVER_ERROR = "The server had an error while processing your request. Sorry about that!"

_A_TYPE = {
    "string": "a string",
    "integer": "an integer",
    "number": "a decimal",
    "boolean": "a boolean",
    "array": "an array",
    "object": "an object",
    "array of objects": "an array of objects",
    "array of strings": "an array of strings",
}


def headers(stamp: Stamp, *, remaining_requests: int = REQUEST_LIMIT - 1, reset: str = "6ms") -> Headers:
    """The headers of every reply to an authenticated request."""
    return (
        ("openai-organization", "org-sandbox"),
        ("openai-processing-ms", "1"),
        ("openai-version", "2020-10-01"),
        ("x-request-id", f"req_{stamp.hexadecimal('request', 32)}"),
        ("x-ratelimit-limit-requests", str(REQUEST_LIMIT)),
        ("x-ratelimit-limit-tokens", str(TOKEN_LIMIT)),
        ("x-ratelimit-remaining-requests", str(remaining_requests)),
        ("x-ratelimit-remaining-tokens", str(TOKEN_LIMIT)),
        ("x-ratelimit-reset-requests", reset),
        ("x-ratelimit-reset-tokens", "0s"),
    )


def whole(value: Any, stamp: Stamp) -> Reply:
    """A reply with a JSON body, indented as this provider indents its whole replies."""
    body = msgspec.json.format(msgspec.json.encode(value), indent=2) + b"\n"
    return Reply(headers=(("content-type", "application/json"), *headers(stamp)), body=body)


def render_error(error: ApiError, stamp: Stamp) -> Reply:
    """An error in this dialect's envelope."""
    body = {"error": {"message": error.message, "type": error.type, "param": error.param, "code": error.code}}
    is_limited = error.status == 429  # noqa: PLR2004 -- Too Many Requests
    common = headers(stamp, remaining_requests=0, reset="1s") if is_limited else headers(stamp)
    encoded = msgspec.json.format(msgspec.json.encode(body), indent=4) + b"\n"
    return Reply(status=error.status, headers=(("content-type", "application/json; charset=utf-8"), *common, *error.headers), body=encoded)


def of_fault(fault: FieldFault) -> ApiError:
    """A member that cannot be used, in this provider's words."""
    if fault.kind is FaultKind.MISSING and fault.path == ("model",):
        return ApiError(400, "you must provide a model parameter")
    return describe_fault(fault)


def describe_fault(fault: FieldFault) -> ApiError:
    """A member that cannot be used, whichever it is."""
    place = place_of(fault.path)
    message, code = _WORDING[fault.kind](fault, place)
    return ApiError(400, message, param=place, code=code)


def place_of(path: Path) -> str:
    """A member's place as this provider writes it: messages[0].content."""
    return "".join(f"[{part}]" if isinstance(part, int) else f".{part}" for part in path).removeprefix(".")


def _of_window(excess: WindowExceeded, param: str) -> ApiError:
    message = (
        f"This model's maximum context length is {excess.window} tokens. However, your {param} resulted in {excess.tokens} tokens. "
        f"Please reduce the length of the {param}."
    )
    return ApiError(400, message, param=param, code="context_length_exceeded")


def check_head(request: Request) -> None:
    """ApiError for a request without a key."""
    if has_any_key(request):
        return
    message = (
        "You didn't provide an API key. You need to provide your API key in an Authorization header using Bearer auth "
        "(i.e. Authorization: Bearer YOUR_KEY). Any key will do: this is AnyRouter's sandbox."
    )
    raise ApiError(401, message, headers=(("www-authenticate", 'Basic realm="OpenAI API"'),))


def _not_json(_reason: str) -> ApiError:
    message = (
        "We could not parse the JSON body of your request. (HINT: This likely means you aren't using your HTTP library correctly. "
        "The OpenAI API expects a JSON payload, but what was sent was not valid JSON.)"
    )
    return ApiError(400, message)


def _not_found(method: str, path: str) -> ApiError:
    return ApiError(404, f"Invalid URL ({method} {path})")


def _wrong_method(method: str, path: str, allowed: str) -> ApiError:
    message = f"Not allowed to {method} on {path}. (HINT: Perhaps you meant to use a different HTTP method?)"
    return ApiError(405, message, code="method_not_supported", headers=(("allow", allowed),))


def _too_large() -> ApiError:
    return ApiError(413, "The request body is too large.", code="request_too_large")


def _rate_limited(model: str, retry_after_s: int) -> ApiError:
    message = (
        f"Rate limit reached for {model} in organization org-sandbox on requests per min (RPM): "
        f"Limit 1, Used 1, Requested 1. Please try again in {retry_after_s}s."
    )
    waits = (("retry-after", str(retry_after_s)), ("retry-after-ms", str(retry_after_s * 1000)))
    return ApiError(429, message, type="requests", code="rate_limit_exceeded", headers=waits)


def _server_error() -> ApiError:
    return ApiError(500, SERVER_ERROR, type="server_error")


def _overloaded() -> ApiError:
    return ApiError(503, "The engine is currently overloaded, please try again later", type="server_error")


def _failure_event(_stamp: Stamp) -> bytes:
    return (
        b"data: " + msgspec.json.encode({"error": {"message": SERVER_ERROR, "type": "server_error", "param": None, "code": None}}) + b"\n\n"
    )


def _missing(_fault: FieldFault, place: str) -> tuple[str, str]:
    return f"Missing required parameter: '{place}'.", "missing_required_parameter"


def _wrong_type(fault: FieldFault, place: str) -> tuple[str, str]:
    expected = _A_TYPE.get(fault.expected, fault.expected)
    return f"Invalid type for '{place}': expected {expected}, but got {_a_value(fault.got)} instead.", "invalid_type"


def _wrong_value(fault: FieldFault, _place: str) -> tuple[str, str]:
    return f"Invalid value: '{_shown(fault.got)}'. Supported values are: {_listed(fault.expected)}.", "invalid_value"


def _empty(_fault: FieldFault, place: str) -> tuple[str, str]:
    return f"Invalid '{place}': empty array. Expected an array with minimum length 1, but got an empty array instead.", "empty_array"


def _too_long(fault: FieldFault, place: str) -> tuple[str, str]:
    bounds = f"Expected an array with maximum length {fault.expected}, but got an array with length {fault.got} instead."
    return f"Invalid '{place}': array too long. {bounds}", "array_above_max_length"


def _out_of_bounds(fault: FieldFault, place: str) -> tuple[str, str]:
    kind = "integer" if isinstance(fault.expected, int) else "decimal"
    side, relation = ("below minimum", ">=") if fault.kind is FaultKind.BELOW else ("above maximum", "<=")
    bounds = f"Expected a value {relation} {fault.expected:g}, but got {_shown(fault.got)} instead."
    return f"Invalid '{place}': {kind} {side} value. {bounds}", f"{kind}_{side.replace('imum', '').replace(' ', '_')}_value"


_WORDING: dict[FaultKind, Callable[[FieldFault, str], tuple[str, str]]] = {
    FaultKind.MISSING: _missing,
    FaultKind.TYPE: _wrong_type,
    FaultKind.VALUE: _wrong_value,
    FaultKind.EMPTY: _empty,
    FaultKind.TOO_LONG: _too_long,
    FaultKind.BELOW: _out_of_bounds,
    FaultKind.ABOVE: _out_of_bounds,
}


def _a_value(value: Any) -> str:
    if value is None:
        return "null"
    if isinstance(value, bool):
        return "a boolean"
    names = {str: "a string", int: "an integer", float: "a decimal number", list: "an array", dict: "an object"}
    return names[type(value)]


def _shown(value: Any) -> str:
    text = str(value)
    return text if len(text) <= 64 else f"{text[:64]}…"  # noqa: PLR2004 -- as much as a reader needs


def _listed(values: Collection[str]) -> str:
    quoted = [f"'{value}'" for value in values]
    return quoted[0] if len(quoted) == 1 else f"{', '.join(quoted[:-1])}, and {quoted[-1]}"


DIALECT = Dialect(
    whole=whole,
    render_error=render_error,
    of_fault=of_fault,
    of_window=_of_window,
    check_head=check_head,
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
