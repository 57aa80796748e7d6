"""Failures as Gemini's clients read them: the JSON of a google.rpc.Status.

Source: google.aip.dev/193 and google/rpc/error_details.proto (read 2026-11-24). `details` tells our own code and the request, and what
the error's metadata holds, each as a message of a type that Google has for it.
"""

from typing import Any

import msgspec

from anyrouter.core.errors import Denied

_TYPES = "type.googleapis.com/"
_DOMAIN = "anyrouter"
_STATUSES = {
    400: "INVALID_ARGUMENT",
    401: "UNAUTHENTICATED",
    402: "FAILED_PRECONDITION",
    403: "PERMISSION_DENIED",
    404: "NOT_FOUND",
    405: "UNIMPLEMENTED",
    408: "DEADLINE_EXCEEDED",
    409: "ABORTED",
    412: "FAILED_PRECONDITION",
    413: "OUT_OF_RANGE",
    429: "RESOURCE_EXHAUSTED",
    499: "CANCELLED",
    502: "UNAVAILABLE",
    503: "UNAVAILABLE",
    504: "DEADLINE_EXCEEDED",
}
_FIRST_SERVER_ERROR = 500


def render_error(denied: Denied, request_id: str) -> bytes:
    """The body of an error reply."""
    return msgspec.json.encode({"error": error_object(denied, request_id)})


def error_object(denied: Denied, request_id: str) -> dict[str, Any]:
    """The `error` member."""
    status = denied.http_status
    word = _STATUSES.get(status, "INTERNAL" if status >= _FIRST_SERVER_ERROR else "INVALID_ARGUMENT")
    told = {"request_id": request_id, "code": denied.code, "type": denied.type}
    if denied.param is not None:
        told["param"] = denied.param
    details: list[dict[str, Any]] = [
        {"@type": f"{_TYPES}google.rpc.ErrorInfo", "reason": denied.code.upper(), "domain": _DOMAIN, "metadata": told}
    ]
    if denied.param is not None:
        violation = {"field": denied.param, "description": denied.message}
        details.append({"@type": f"{_TYPES}google.rpc.BadRequest", "fieldViolations": [violation]})
    if denied.retry_after_s is not None:
        details.append({"@type": f"{_TYPES}google.rpc.RetryInfo", "retryDelay": f"{denied.retry_after_s:g}s"})
    if denied.metadata:
        details.append({"@type": f"{_TYPES}google.protobuf.Struct", "value": denied.metadata})
    return {"code": status, "message": denied.message, "status": word, "details": details}
