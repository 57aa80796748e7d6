"""The header lines of a reply made with a key (contract, section 3), as bytes: they are made for every request."""

from datetime import UTC, datetime

from anyrouter.core.errors import Denied
from anyrouter.policy.limit import LimitState

JSON_HEAD = b"Content-Type: application/json\r\nCache-Control: no-store\r\n"
STREAM_HEAD = b"Content-Type: text/event-stream\r\nCache-Control: no-store\r\nX-Accel-Buffering: no\r\n"


def limit_lines(state: LimitState, dialect: str, now_ms: int) -> bytes:
    """Every header that tells of the requests-per-minute limit: the classic three, the IETF pair, the dialect's own."""
    limit, remaining, wait_s = state.limit, state.remaining, -int(-state.reset_s // 1)
    reset = -int(-(now_ms / 1000 + state.reset_s) // 1)
    if dialect == "anthropic":
        moment = datetime.fromtimestamp(reset, UTC).strftime("%Y-%m-%dT%H:%M:%SZ").encode()
        own = (
            b"anthropic-ratelimit-requests-limit: %d\r\nanthropic-ratelimit-requests-remaining: %d\r\n"
            b"anthropic-ratelimit-requests-reset: %s\r\n" % (limit, remaining, moment)
        )
    else:
        own = b"x-ratelimit-limit-requests: %d\r\nx-ratelimit-remaining-requests: %d\r\nx-ratelimit-reset-requests: %ds\r\n" % (
            limit,
            remaining,
            wait_s,
        )
    return (
        b"X-RateLimit-Limit: %d\r\nX-RateLimit-Remaining: %d\r\nX-RateLimit-Reset: %d\r\n"
        b'RateLimit-Policy: "requests";q=%d;w=60\r\nRateLimit: "requests";r=%d;t=%d\r\n%s'
    ) % (limit, remaining, reset, limit, remaining, wait_s, own)


def refusal_lines(denied: Denied) -> bytes:
    """The header lines that a refusal's code asks for: WWW-Authenticate and Retry-After."""
    lines = b""
    if denied.type == "authentication_error":
        lines += b'WWW-Authenticate: Bearer realm="anyrouter"'
        lines += b"\r\n" if denied.code == "missing_api_key" else b', error="invalid_token"\r\n'
    elif denied.code == "insufficient_scope" and denied.scope:
        lines += b'WWW-Authenticate: Bearer realm="anyrouter", error="insufficient_scope", scope="%s"\r\n' % denied.scope.encode()
    wait_s = denied.retry_after_s
    if wait_s is None and denied.http_status in (429, 503):
        wait_s = 1.0
    if wait_s is not None:
        lines += b"Retry-After: %d\r\n" % max(1, -int(-wait_s // 1))
    return lines
