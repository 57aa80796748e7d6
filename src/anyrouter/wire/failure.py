"""How a failure looks to the client, in each dialect: whole replies and the one event that ends a broken stream."""

import re
from collections.abc import Mapping
from typing import Any

import msgspec

from anyrouter.core.errors import Denied
from anyrouter.wire.translation.gemini.failure import render_error as render_gemini_error

_ANTHROPIC_TYPES = {
    "authentication_error": "authentication_error",
    "permission_error": "permission_error",
    "invalid_request_error": "invalid_request_error",
    "not_found_error": "not_found_error",
    "request_too_large": "request_too_large",
    "rate_limit_error": "rate_limit_error",
    "payment_required": "billing_error",
    "upstream_timeout": "timeout_error",
    "service_unavailable": "overloaded_error",
    "conflict_error": "invalid_request_error",
}
# Texts that look like a key of anybody's: an upstream's error may quote what it was sent. A letter before the prefix makes it a
# part of a word (parallel_tool_calls, task-…), unless that letter belongs to an escape of JSON.
_SECRETS = re.compile(
    r"(?:(?<![A-Za-z])|(?<=\\[nrtbf]))(?:"
    r"(?:sk|pk|rk|ar|csk|gsk|hf|gh[opsur]|github_pat|glpat|xai|pplx|nvapi|r8|tgp|fw)[-_]|ya29\.|AIza|AKIA|ASIA|eyJ)[0-9A-Za-z*_\-.]{12,}"
    r"|(?i:bearer)\s+[^\s\"',}]{8,}|(?i:[?&](?:key|api_key|access_token)=)[^&\s\"']+"
    # A private key: in PEM, or (RSA, PKCS #8 and PKCS #1) the base64 between its lines.
    r"|-----BEGIN(?:[ +A-Z]|%20)*PRIVATE(?:[ +]|%20)KEY-----.*?(?:-----END(?:[ +A-Z]|%20)*KEY-----|\Z)"
    r"|MII[0-9A-Za-z+/]{2,4}(?:IBADANBgkqhkiG9w0BAQEFAASC|IBAAKCA)[0-9A-Za-z+/=\\%\s]*",
    re.DOTALL,
)
MAX_RAW_CHARACTERS = 4096
MAX_MESSAGE_CHARACTERS = 2000
_ESCAPE = re.compile(r"\\{1,4}u([0-9A-Fa-f]{4})|%([0-9A-Fa-f]{2})")


def scrub(text: str, secrets: tuple[str, ...] = ()) -> str:
    """The text without anything that is, or looks like, a credential. `secrets` are known in every spelling of JSON and URLs."""
    unescaped = ""
    for secret in secrets:
        if not secret:
            continue
        text = text.replace(secret, "[redacted]")
        if "\\" in text or "%" in text:
            unescaped = unescaped or _unescape(text)
            # The pattern of a secret takes long to compile and to search for, and is hardly ever needed.
            if secret in unescaped or "\\" in secret or "%" in secret:
                text = re.sub(_spellings(secret), "[redacted]", text)
    return _SECRETS.sub("[redacted]", text)


def _unescape(text: str) -> str:
    """The text without escapes, and once more with the backslashes alone taken out."""
    return f"{_ESCAPE.sub(lambda found: chr(int(found[1] or found[2], 16)), text)}\n{text}".replace("\\", "")


def _spellings(secret: str) -> str:
    """A pattern: each character as an escape of JSON (of JSON within JSON, too), percent-encoded, or as it is, behind backslashes.

    The longer spellings come first: a last letter `u` is the beginning of its own escape.
    """
    return "".join(rf"(?:(?i:\\{{1,4}}u{ord(letter):04x}|%{ord(letter):02x})|\\{{0,4}}{re.escape(letter)})" for letter in secret)


def error_object(denied: Denied, request_id: str) -> dict[str, Any]:
    """The OpenAI envelope's `error` member."""
    metadata: Mapping[str, Any] = {**denied.metadata, "request_id": request_id}
    return {"message": denied.message, "type": denied.type, "code": denied.code, "param": denied.param, "metadata": metadata}


def render_failure(dialect: str, denied: Denied, request_id: str) -> bytes:
    """The body of an error reply."""
    if dialect == "anthropic":
        return msgspec.json.encode(_anthropic(denied, request_id))
    if dialect == "gemini":
        return render_gemini_error(denied, request_id)
    return msgspec.json.encode({"error": error_object(denied, request_id)})


def render_stream_failure(dialect: str, denied: Denied, request_id: str, generation_id: str, model: str) -> bytes:
    """The one event that ends a stream which cannot go on."""
    if dialect == "anthropic":
        return b"event: error\ndata: %s\n\n" % msgspec.json.encode(_anthropic(denied, request_id))
    if dialect == "responses":
        return render_responses_failure(denied, request_id)
    if dialect == "gemini":
        return render_gemini_failure(denied, request_id)
    event = {
        "id": generation_id,
        "object": "chat.completion.chunk",
        "model": model,
        "error": error_object(denied, request_id),
        "choices": [{"index": 0, "delta": {}, "finish_reason": "error"}],
    }
    return b"data: %s\n\n" % msgspec.json.encode(event)


def render_responses_failure(denied: Denied, request_id: str, sequence_number: int = 0) -> bytes:
    """The `error` event of a Responses stream, which it ends.

    What happened stands twice in it: where OpenAI documents it, and where OpenAI sends it, which makes its SDKs raise.
    """
    told = error_object(denied, request_id)
    event = {
        "type": "error",
        "code": told["code"],
        "message": told["message"],
        "param": told["param"],
        "error": told,
        "sequence_number": sequence_number,
    }
    return b"event: error\ndata: %s\n\n" % msgspec.json.encode(event)


def render_gemini_failure(denied: Denied, request_id: str) -> bytes:
    """The error in place of a chunk of a Gemini stream."""
    return b"data: %s\r\n\r\n" % render_gemini_error(denied, request_id)


def _anthropic(denied: Denied, request_id: str) -> dict[str, Any]:
    error: dict[str, Any] = {"type": _ANTHROPIC_TYPES.get(denied.type, "api_error"), "message": denied.message, "code": denied.code}
    if denied.metadata:
        error["metadata"] = denied.metadata
    return {"type": "error", "error": error, "request_id": request_id}


# What others call two things that decide what is done next, and Amazon's and Google's words for a prompt that is too long.
_CODES = {
    "RESOURCE_EXHAUSTED": "rate_limit_exceeded",
    "ThrottlingException": "rate_limit_exceeded",
    "TooManyRequestsException": "rate_limit_exceeded",
    "UNAVAILABLE": "overloaded_error",
    "ServiceUnavailableException": "overloaded_error",
    "ModelNotReadyException": "overloaded_error",
}
_KEPT_STATUSES = frozenset({401, 402, 403, 408, 429})
_STATUS = re.compile(r"[1-5][0-9]{2}", re.ASCII)
_SERVER_STATUSES, _BAD_GATEWAY = range(500, 600), 502
_STATUSES_OF_WORDS = (
    ("rate_limit", 429),
    ("too_many_requests", 429),
    ("toomanyrequests", 429),
    ("throttl", 429),
    ("quota", 429),
    ("exhausted", 429),
    ("overloaded", 529),
    ("unavailable", 503),
    ("timeout", 504),
    ("deadline_exceeded", 504),
    ("unauthenticated", 401),
    ("authentication", 401),
    ("api_key", 401),
    ("billing", 402),
    ("permission", 403),
    ("accessdenied", 403),
)
_TOO_LONG = re.compile(r"(?i)exceeds the maximum number of tokens|input is too long for requested model|prompt is too long")


class _ErrorMember(msgspec.Struct):
    message: Any = None
    code: Any = None
    type: Any = None
    param: Any = None
    status: Any = None
    status_code: Any = None
    details: Any = None


class _ErrorBody(msgspec.Struct):
    error: Any = None
    message: Any = None
    detail: Any = None
    code: Any = None
    param: Any = None
    response: Any = None
    amazon_message: Any = msgspec.field(name="Message", default=None)
    amazon_type: Any = msgspec.field(name="__type", default=None)


_decode_body = msgspec.json.Decoder(_ErrorBody | list[_ErrorBody]).decode


def read_failure(body: bytes) -> tuple[str | None, str | None, str | None]:
    """What an upstream's error body or event says, in any dialect: message, code (or status, or type), param.

    None for what it does not say. A limit, an overload and a prompt that is too long have one code, whoever tells of them.
    Source: OpenAI's and Anthropic's API references; google.aip.dev/193; the model of bedrock-runtime in botocore (read 2026-11-24).
    """
    decoded, member = _decode(body)
    message = _text(member.message or decoded.message or decoded.amazon_message or decoded.detail)
    code = _text(member.code) or _text(member.status) or _text(member.type) or _amazon_code(decoded.amazon_type) or _text(decoded.code)
    if message is not None and _TOO_LONG.search(message):
        code = "context_length_exceeded"
    return message, _CODES.get(code or "", code), _text(member.param) or _field_of(member.details) or _text(decoded.param)


def read_status(event: bytes) -> int:
    """The HTTP status that an error inside of a stream stands for: the one that it names, else what its words mean; else 502.

    Only what is not the request's fault is told apart: a stream that was begun was a request that was accepted.
    """
    decoded, member = _decode(event)
    status = _number_of(decoded, member)
    if status in _KEPT_STATUSES or status in _SERVER_STATUSES:
        return status
    words = " ".join(word for word in (member.code, member.status, member.type, decoded.code) if isinstance(word, str)).lower()
    return next((status for word, status in _STATUSES_OF_WORDS if word in words), _BAD_GATEWAY)


def read_status_told(event: bytes) -> int | None:
    """The HTTP status that an error names itself."""
    return _number_of(*_decode(event)) or None


def _number_of(decoded: _ErrorBody, member: _ErrorMember) -> int:
    for told in (member.status_code, member.code, member.status, decoded.code):
        number = int(told) if isinstance(told, str) and _STATUS.fullmatch(told) else told
        if isinstance(number, int) and 100 <= number < 600:  # noqa: PLR2004 -- RFC 9110, section 15
            return number
    return 0


def _decode(body: bytes) -> tuple[_ErrorBody, _ErrorMember]:
    """A body, and the error in it; both empty when it cannot be read."""
    try:
        decoded = _decode_body(body)
        if isinstance(decoded, list):  # Google's, where a stream was asked for as an array
            decoded = decoded[0] if decoded else _ErrorBody()
        told = decoded.error
        if told is None and isinstance(decoded.response, dict):  # of Responses' `response.failed`
            told = decoded.response.get("error")
        return decoded, msgspec.convert(told, _ErrorMember) if isinstance(told, dict) else _ErrorMember(message=told)
    except (msgspec.DecodeError, RecursionError, UnicodeDecodeError):
        return _ErrorBody(), _ErrorMember()


def _amazon_code(kind: Any) -> str | None:
    """The name of an exception, without the namespace before it and the address behind it."""
    return _text(kind.rpartition("#")[2].partition(":")[0]) if isinstance(kind, str) else None


def _field_of(details: Any) -> str | None:
    """The first field that a google.rpc.BadRequest complains of."""
    for detail in details if isinstance(details, list) else ():
        violations = detail.get("fieldViolations") if isinstance(detail, dict) else None
        first = violations[0] if isinstance(violations, list) and violations else None
        if isinstance(first, dict):
            return _text(first.get("field"))
    return None


def _text(value: Any) -> str | None:
    if not isinstance(value, str) or not value:
        return None
    if len(value) <= MAX_MESSAGE_CHARACTERS:
        return value
    return value[:MAX_MESSAGE_CHARACTERS].rpartition(" ")[0] or None  # between words: half a key would not be known as one
