"""What surrounds every reply of the Gemini dialect: headers, and errors in Google's envelope and words (as its API worded them in 2026).

Whole replies are indented and streams are not, `<` and `>` are escaped: so does the JSON printer of Google's front end.
"""

import json
from collections.abc import Callable
from dataclasses import replace
from typing import Any

from anyrouter.sandbox.answer import WindowExceeded
from anyrouter.sandbox.dialect import Dialect
from anyrouter.sandbox.fields import FaultKind, FieldFault, Path
from anyrouter.sandbox.gemini.members import snake_case
from anyrouter.sandbox.reply import ApiError, Headers, Reply, Stamp
from anyrouter.sandbox.request import Request

STATUSES = {
    400: "INVALID_ARGUMENT",
    403: "PERMISSION_DENIED",
    404: "NOT_FOUND",
    429: "RESOURCE_EXHAUSTED",
    500: "INTERNAL",
    503: "UNAVAILABLE",
}
MAX_BODY_BYTES = 20_971_520  # as the message says; docs/sandbox.md has the sandbox's own limit
JSON = ("content-type", "application/json; charset=UTF-8")

_RPC = "type.googleapis.com/google.rpc"
_PACKAGE = "type.googleapis.com/google.ai.generativelanguage.v1beta"
_SCALARS = {"string": "TYPE_STRING", "integer": "TYPE_INT32", "number": "TYPE_FLOAT", "boolean": "TYPE_BOOL", "base64": "TYPE_BYTES"}
_MESSAGES = {
    "contents": "Content",
    "content": "Content",
    "systemInstruction": "Content",
    "parts": "Part",
    "inlineData": "Blob",
    "fileData": "FileData",
    "tools": "Tool",
    "toolConfig": "ToolConfig",
    "functionCallingConfig": "FunctionCallingConfig",
    "functionDeclarations": "FunctionDeclaration",
    "functionCall": "FunctionCall",
    "functionResponse": "FunctionResponse",
    "generationConfig": "GenerationConfig",
    "thinkingConfig": "ThinkingConfig",
    "safetySettings": "SafetySetting",
    "parameters": "Schema",
    "responseSchema": "Schema",
    "mode": "FunctionCallingConfig.Mode",
    "type": "Type",
    "category": "HarmCategory",
    "threshold": "SafetySetting.HarmBlockThreshold",
}


def encode(value: Any, *, is_indented: bool = False) -> bytes:
    """The value as Google's front end prints it."""
    text = json.dumps(value, ensure_ascii=False, indent=2 if is_indented else None, separators=(",", ": "))
    return text.replace("<", "\\u003c").replace(">", "\\u003e").encode()


def headers(_stamp: Stamp) -> Headers:
    """The headers of every reply."""
    return (
        ("vary", "Origin, X-Origin, Referer"),
        ("server", "scaffolding on HTTPServer2"),
        ("x-xss-protection", "0"),
        ("x-frame-options", "SAMEORIGIN"),
        ("x-content-type-options", "nosniff"),
        ("server-timing", "gfet4t7; dur=1"),
    )


def whole(value: Any, stamp: Stamp) -> Reply:
    """A reply with an indented JSON body."""
    return Reply(headers=(JSON, *headers(stamp)), body=encode(value, is_indented=True) + b"\n")


def error_body(error: ApiError) -> dict[str, Any]:
    """Google's envelope."""
    status = STATUSES.get(error.status, "INVALID_ARGUMENT" if error.status < 500 else "INTERNAL")  # noqa: PLR2004 -- the server's fault
    body: dict[str, Any] = {"code": error.status, "message": error.message, "status": status}
    if error.details:
        body["details"] = list(error.details)
    return {"error": body}


def render_error(error: ApiError, stamp: Stamp) -> Reply:
    """An error in this dialect's envelope."""
    return replace(whole(error_body(error), stamp), status=error.status, headers=(JSON, *headers(stamp), *error.headers))


def _render_in_array(error: ApiError, stamp: Stamp) -> Reply:
    reply = render_error(error, stamp)
    return replace(reply, body=b"[" + encode(error_body(error), is_indented=True) + b"\n]\n")


def refusal(message: str) -> ApiError:
    """What is wrong with a request whose JSON could be read."""
    return ApiError(400, message)


def place_of(path: Path) -> str:
    """A member's place as Google writes it: generation_config.stop_sequences[0]."""
    parts = [f"[{part}]" if isinstance(part, int) else f".{snake_case(part)}" for part in path]
    return "".join(parts).removeprefix(".")


def of_fault(fault: FieldFault) -> ApiError:
    """A member that cannot be used, in Google's words: those of its JSON parser, or of the service behind it."""
    place = place_of(fault.path)
    if fault.kind in _OF_SERVICE:
        return refusal(f"* GenerateContentRequest.{place}: {_OF_SERVICE[fault.kind](fault)}\n")
    above = place_of(fault.path[:-1])
    name = str(fault.path[-1])
    if fault.kind is FaultKind.UNKNOWN:
        where = f" at '{above}'" if above else ""
        return _of_parser(above, f'Invalid JSON payload received. Unknown name "{name[:64]}"{where}: Cannot find field.')
    if isinstance(fault.got, list):
        where = f" at '{above}'" if above else ""
        note = "Proto field is not repeating, cannot start list."
        return _of_parser(above, f'Invalid JSON payload received. Unknown name "{snake_case(name)}"{where}: {note}')
    return _of_parser(place, f"Invalid value at '{place}' ({_type_of(fault)}), {_shown(fault.got)}")


def _of_parser(place: str, message: str) -> ApiError:
    violation = {"field": place, "description": message} if place else {"description": message}
    return ApiError(400, message, details=({"@type": f"{_RPC}.BadRequest", "fieldViolations": [violation]},))


def _type_of(fault: FieldFault) -> str:
    if fault.kind is FaultKind.TYPE and fault.expected in _SCALARS:
        return _SCALARS[fault.expected]
    names = [part for part in fault.path if isinstance(part, str)]
    return f"{_PACKAGE}.{_MESSAGES.get(names[-1] if names else '', 'Message')}"


def _shown(value: Any) -> str:
    if isinstance(value, dict):
        return "Starting an object on a scalar field"
    text = json.dumps(value, ensure_ascii=False)
    return text if len(text) <= 64 else f'{text[:64]}…"'  # noqa: PLR2004 -- as much as a reader needs


_OF_SERVICE: dict[FaultKind, Callable[[FieldFault], str]] = {
    FaultKind.MISSING: lambda fault: f"{snake_case(str(fault.path[-1]))} is not specified",
    FaultKind.EMPTY: lambda fault: f"{'.'.join(snake_case(part) for part in fault.path if isinstance(part, str))} must not be empty.",
    FaultKind.TOO_LONG: lambda fault: f"at most {fault.expected} are allowed, got {fault.got}",
    FaultKind.BELOW: lambda fault: f"must be at least {fault.expected:g}, got {_shown(fault.got)}",
    FaultKind.ABOVE: lambda fault: f"must be at most {fault.expected:g}, got {_shown(fault.got)}",
}


def _of_window(excess: WindowExceeded, _param: str) -> ApiError:
    return refusal(f"The input token count ({excess.tokens}) exceeds the maximum number of tokens allowed ({excess.window}).")


def _check_head(request: Request) -> None:
    if request.has_header("x-goog-api-key") or request.has_bearer() or request.query.get("key"):
        return
    message = (
        "Method doesn't allow unregistered callers (callers without established identity). Please use API Key or other form of API "
        "consumer identity to call this API."
    )
    raise ApiError(403, message)


def _not_json(reason: str) -> ApiError:
    return _of_parser("", f"Invalid JSON payload received. {reason}")


def _not_found(_method: str, path: str) -> ApiError:
    return ApiError(404, f"The requested URL {path} was not found on this server.")


def _wrong_method(method: str, path: str, allowed: str) -> ApiError:
    return ApiError(405, f"The request method {method} is inappropriate for the URL {path}.", headers=(("allow", allowed),))


def _too_large() -> ApiError:
    return refusal(f"Request payload size exceeds the limit: {MAX_BODY_BYTES} bytes.")


def _rate_limited(model: str, retry_after_s: int) -> ApiError:
    metric = "generativelanguage.googleapis.com/generate_content_free_tier_requests"
    message = (
        "You exceeded your current quota, please check your plan and billing details. For more information on this error, head over to: "
        f"https://ai.google.dev/gemini-api/docs/rate-limits.\n* Quota exceeded for metric: {metric}, limit: 1, model: {model}\n"
        f"Please retry in {retry_after_s}s."
    )
    violation = {
        "quotaMetric": metric,
        "quotaId": "GenerateRequestsPerMinutePerProjectPerModel-FreeTier",
        "quotaDimensions": {"location": "global", "model": model},
        "quotaValue": "1",
    }
    link = {"description": "Learn more about Gemini API quotas", "url": "https://ai.google.dev/gemini-api/docs/rate-limits"}
    details = (
        {"@type": f"{_RPC}.Help", "links": [link]},
        {"@type": f"{_RPC}.QuotaFailure", "violations": [violation]},
        {"@type": f"{_RPC}.RetryInfo", "retryDelay": f"{retry_after_s}s"},
    )
    return ApiError(429, message, details=details)


def _server_error() -> ApiError:
    where = "https://developers.generativeai.google/guide/troubleshooting"
    return ApiError(500, f"An internal error has occurred. Please retry or report in {where}")


def overloaded() -> ApiError:
    """The model has no room for another request."""
    return ApiError(503, "The model is overloaded. Please try again later.")


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
    overloaded=overloaded,
    failure_event=lambda _stamp: b"data: " + encode(error_body(overloaded())) + b"\r\n\r\n",
    garble=lambda event: event[: len(event) * 2 // 3] + b"\r\n\r\n",
)
ARRAY_DIALECT = replace(
    DIALECT,
    render_error=_render_in_array,
    failure_event=lambda _stamp: b",\r\n" + encode(error_body(overloaded()), is_indented=True) + b"\n]\n",
    garble=lambda event: event[: len(event) * 2 // 3],
)
