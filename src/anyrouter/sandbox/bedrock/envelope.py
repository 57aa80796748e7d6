"""What surrounds every reply of the Bedrock dialect: headers, and errors in AWS's shapes (as the service worded them in 2026).

An error's kind is in the header x-amzn-errortype; the front end of AWS, which knows no model, says it in `__type` as well.
"""

from collections.abc import Callable
from typing import Any

import msgspec

from anyrouter.sandbox.answer import WindowExceeded
from anyrouter.sandbox.bedrock.credential import check_credential
from anyrouter.sandbox.bedrock.event_stream import encode_message, halve_payload
from anyrouter.sandbox.dialect import Dialect
from anyrouter.sandbox.fields import FaultKind, FieldFault, Path
from anyrouter.sandbox.reply import ApiError, Headers, Reply, Stamp

JSON = "application/json"
EVENT_STREAM = "application/vnd.amazon.eventstream"

_SUFFIX = "http://internal.amazon.com/coral/com.amazon.bedrock/"
_FRONT_END = "com.amazon.coral.service#"
_KINDS = {
    400: "ValidationException",
    403: "AccessDeniedException",
    404: "ResourceNotFoundException",
    429: "ThrottlingException",
    500: "InternalServerException",
    503: "ServiceUnavailableException",
}
_OF_FRONT_END = {
    "SerializationException",
    "UnknownOperationException",
    "RequestEntityTooLargeException",
    "MissingAuthenticationTokenException",
    "IncompleteSignatureException",
    "InvalidSignatureException",
}
_A_TYPE = {"string": "a String", "integer": "an Integer", "number": "a Float", "boolean": "a Boolean", "object": "a Structure"}
_TOKENS = {
    str: "STRING_VALUE",
    bool: "BOOLEAN_VALUE",
    int: "NUMBER_VALUE",
    float: "NUMBER_VALUE",
    list: "START_ARRAY",
    dict: "START_OBJECT",
}
_OVERLOADED = "Bedrock is unable to process your request."


def headers(stamp: Stamp) -> Headers:
    """The headers of every reply."""
    digits = stamp.hexadecimal("request", 32)
    identity = "-".join((digits[:8], digits[8:12], digits[12:16], digits[16:20], digits[20:]))
    return (("x-amzn-requestid", identity),)


def whole(value: Any, stamp: Stamp) -> Reply:
    """A reply with a compact JSON body."""
    return Reply(headers=(("content-type", JSON), *headers(stamp)), body=msgspec.json.encode(value))


def render_error(error: ApiError, stamp: Stamp) -> Reply:
    """An error in this dialect's shape."""
    kind = error.type if error.type.endswith("Exception") else _KINDS.get(error.status, "ValidationException")
    body = {"message": error.message}
    if kind in _OF_FRONT_END:
        body = {"__type": _FRONT_END + kind, **body}
    lines = (("content-type", JSON), ("x-amzn-errortype", f"{kind}:{_SUFFIX}"), *headers(stamp), *error.headers)
    return Reply(status=error.status, headers=lines, body=msgspec.json.encode(body))


def refusal(message: str) -> ApiError:
    """What is wrong with a request that could be read."""
    return ApiError(400, message)


def place_of(path: Path) -> str:
    """A member's place as the service behind the front end writes it: messages.0.content."""
    return ".".join(map(str, path))


def of_fault(fault: FieldFault) -> ApiError:
    """A member that cannot be used: its type is the front end's affair, its value the validator's."""
    if fault.kind is FaultKind.TYPE:
        token = _TOKENS.get(type(fault.got), "NULL_VALUE")
        message = f"{token} can not be converted to {_A_TYPE.get(fault.expected, 'a List')}"
        return ApiError(400, message, type="SerializationException")
    place = ".".join(f"{part + 1}.member" if isinstance(part, int) else part for part in fault.path)
    rule = f"failed to satisfy constraint: {_RULES[fault.kind](fault)}"
    value = "Value null" if fault.kind is FaultKind.MISSING else f"Value '{_shown(fault.got)}'"
    return refusal(f"1 validation error detected: {value} at '{place}' {rule}")


def _shown(value: Any) -> str:
    text = str(value)
    return text if len(text) <= 64 else f"{text[:64]}…"  # noqa: PLR2004 -- as much as a reader needs


_RULES: dict[FaultKind, Callable[[FieldFault], str]] = {
    FaultKind.MISSING: lambda _: "Member must not be null",
    FaultKind.VALUE: lambda fault: f"Member must satisfy enum value set: [{', '.join(fault.expected)}]",
    FaultKind.EMPTY: lambda _: "Member must have length greater than or equal to 1",
    FaultKind.TOO_LONG: lambda fault: f"Member must have length less than or equal to {fault.expected}",
    FaultKind.BELOW: lambda fault: f"Member must have value greater than or equal to {fault.expected:g}",
    FaultKind.ABOVE: lambda fault: f"Member must have value less than or equal to {fault.expected:g}",
}


def _of_window(_excess: WindowExceeded, _param: str) -> ApiError:
    return refusal("Input is too long for requested model.")


def _not_json(_reason: str) -> ApiError:
    return ApiError(400, "The request body is not a JSON object.", type="SerializationException")


def _not_found(_method: str, _path: str) -> ApiError:
    return ApiError(404, "The requested operation is not recognized by the service.", type="UnknownOperationException")


def _wrong_method(method: str, path: str, allowed: str) -> ApiError:
    error = _not_found(method, path)
    error.headers = (("allow", allowed),)
    return error


def _too_large() -> ApiError:
    return ApiError(413, "The request is too large.", type="RequestEntityTooLargeException")


def _rate_limited(_model: str, _retry_after_s: int) -> ApiError:
    return ApiError(429, "Too many requests, please wait before trying again.")


def _server_error() -> ApiError:
    return ApiError(500, "The system encountered an unexpected error during processing. Try your request again.")


def _overloaded() -> ApiError:
    return ApiError(503, _OVERLOADED)


def _failure_event(_stamp: Stamp) -> bytes:
    names = {":exception-type": "serviceUnavailableException", ":content-type": JSON, ":message-type": "exception"}
    return encode_message(names, msgspec.json.encode({"message": _OVERLOADED}))


DIALECT = Dialect(
    whole=whole,
    render_error=render_error,
    of_fault=of_fault,
    of_window=_of_window,
    check_head=check_credential,
    not_json=_not_json,
    not_found=_not_found,
    wrong_method=_wrong_method,
    too_large=_too_large,
    rate_limited=_rate_limited,
    server_error=_server_error,
    overloaded=_overloaded,
    failure_event=_failure_event,
    garble=halve_payload,
)
