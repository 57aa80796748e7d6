"""Refusals that the front pronounces itself: texts, and how they look where no endpoint is known (the OpenAI envelope)."""

from anyrouter.core.errors import Denied
from anyrouter.wire.failure import render_failure


def malformed(reason: str) -> Denied:
    """400: the request breaks HTTP/1.1. `reason` is a sentence of ours that repeats nothing of the request."""
    return Denied(code="invalid_parameter", message=f"This is not a well-formed HTTP/1.1 request. {reason}")


HTTP2_PREFACE = malformed("HTTP/2 is not spoken here: use HTTP/1.1.")
NOT_HTTP = malformed("It does not begin with a method. (TLS spoken to a port without TLS looks like this.)")
EARLY_END = malformed("The connection's sending side was shut down before the body was complete.")
BAD_TARGET = malformed("Its target is not a path.")
BAD_CHUNKS = malformed("Its chunked body is malformed.")
HEAD_TOO_SLOW = Denied(code="request_timeout", message="The request's head did not arrive in time.")
BODY_TOO_SLOW = Denied(code="request_timeout", message="The request's body did not arrive in time.")
OVERLOADED = Denied(code="overloaded", message="This gateway has as many connections as it takes. Try again shortly.", retry_after_s=1.0)
STOPPING = Denied(code="overloaded", message="The gateway is being stopped. Try again.", retry_after_s=1.0)
FAILED = Denied(code="internal_error", message="Something went wrong here. The request id helps the operator to find it.")
ENCODED_BODY = Denied(
    code="unsupported_media_type", message="The body has a Content-Encoding, which is not supported. Send it uncompressed."
)


def head_too_large(limit: int) -> Denied:
    """431 by size."""
    return Denied(code="headers_too_large", message=f"The request's head is larger than the {limit} bytes that are allowed.")


def too_many_headers(limit: int) -> Denied:
    """431 by number."""
    return Denied(code="headers_too_large", message=f"The request has more than the {limit} headers that are allowed.")


def body_too_large(limit: int) -> Denied:
    """413."""
    return Denied(code="body_too_large", message=f"The request's body is larger than the {limit} bytes that are allowed.")


def not_json(content_type: bytes) -> Denied:
    """415. The form type is what curl's -d sends when no type is given."""
    hint = " (curl -d sends a form unless you add -H 'Content-Type: application/json')" if b"x-www-form-urlencoded" in content_type else ""
    return Denied(code="unsupported_media_type", message=f"The body must be JSON: set Content-Type to application/json{hint}.")


def render(denied: Denied, request_id: str) -> tuple[int, bytes, bytes]:
    """Status, header lines and body of a reply to a request whose endpoint is not known."""
    lines = b"Content-Type: application/json\r\nCache-Control: no-store\r\nX-Request-Id: %s\r\n" % request_id.encode()
    if denied.retry_after_s is not None:
        lines += b"Retry-After: %d\r\n" % max(1, round(denied.retry_after_s))
    return denied.http_status, lines, render_failure("openai", denied, request_id)
