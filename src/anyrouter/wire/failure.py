"""How a failure looks to the client, in each dialect: whole replies and the one event that ends a broken stream."""

import re
from collections.abc import Mapping
from typing import Any

import msgspec

from anyrouter.core.errors import Denied

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
)
MAX_RAW_CHARACTERS = 4096
MAX_MESSAGE_CHARACTERS = 2000


def scrub(text: str, secrets: tuple[str, ...] = ()) -> str:
    """The text without anything that is, or looks like, a credential. `secrets` are known in every spelling of JSON and URLs."""
    for secret in secrets:
        if secret:
            text = re.sub(_spellings(secret), "[redacted]", text)
    return _SECRETS.sub("[redacted]", text)


def _spellings(secret: str) -> str:
    """A pattern: each character as it is, behind backslashes, as an escape of JSON (of JSON within JSON, too) or percent-encoded."""
    return "".join(rf"(?:\\{{0,4}}{re.escape(letter)}|(?i:\\{{1,4}}u{ord(letter):04x}|%{ord(letter):02x}))" for letter in secret)


def error_object(denied: Denied, request_id: str) -> dict[str, Any]:
    """The OpenAI envelope's `error` member."""
    metadata: Mapping[str, Any] = {**denied.metadata, "request_id": request_id}
    return {"message": denied.message, "type": denied.type, "code": denied.code, "param": denied.param, "metadata": metadata}


def render_failure(dialect: str, denied: Denied, request_id: str) -> bytes:
    """The body of an error reply."""
    if dialect == "anthropic":
        return msgspec.json.encode(_anthropic(denied, request_id))
    return msgspec.json.encode({"error": error_object(denied, request_id)})


def render_stream_failure(dialect: str, denied: Denied, request_id: str, generation_id: str, model: str) -> bytes:
    """The one event that ends a stream which cannot go on."""
    if dialect == "anthropic":
        return b"event: error\ndata: %s\n\n" % msgspec.json.encode(_anthropic(denied, request_id))
    event = {
        "id": generation_id,
        "object": "chat.completion.chunk",
        "model": model,
        "error": error_object(denied, request_id),
        "choices": [{"index": 0, "delta": {}, "finish_reason": "error"}],
    }
    return b"data: %s\n\n" % msgspec.json.encode(event)


def _anthropic(denied: Denied, request_id: str) -> dict[str, Any]:
    error: dict[str, Any] = {"type": _ANTHROPIC_TYPES.get(denied.type, "api_error"), "message": denied.message, "code": denied.code}
    if denied.metadata:
        error["metadata"] = denied.metadata
    return {"type": "error", "error": error, "request_id": request_id}


class _ErrorMember(msgspec.Struct):
    message: Any = None
    code: Any = None
    type: Any = None
    param: Any = None


class _ErrorBody(msgspec.Struct):
    error: Any = None
    message: Any = None
    detail: Any = None


def read_failure(body: bytes) -> tuple[str | None, str | None, str | None]:
    """What an upstream's error body says, in either dialect: message, code (or type), param. None for what it does not say."""
    try:
        decoded = msgspec.json.decode(body, type=_ErrorBody)
        member = msgspec.convert(decoded.error, _ErrorMember) if isinstance(decoded.error, dict) else _ErrorMember(message=decoded.error)
    except (msgspec.DecodeError, RecursionError, UnicodeDecodeError):
        return None, None, None
    message = member.message or decoded.message or decoded.detail
    return _text(message), _text(member.code) or _text(member.type), _text(member.param)


def _text(value: Any) -> str | None:
    if not isinstance(value, str) or not value:
        return None
    if len(value) <= MAX_MESSAGE_CHARACTERS:
        return value
    return value[:MAX_MESSAGE_CHARACTERS].rpartition(" ")[0] or None  # between words: half a key would not be known as one
