"""The header lines of a reply made with a key (contract, section 3), as bytes: they are made for every request."""

import time
from datetime import UTC, datetime
from functools import lru_cache
from math import ceil

from anyrouter.core.errors import Denied
from anyrouter.policy.authorize import expiry_notice
from anyrouter.policy.limit import LimitState
from anyrouter.relay.call import Principal, RequestHead
from anyrouter.relay.generation import Generation
from anyrouter.wire.gemini_array import ARRAY_TYPE

JSON_HEAD = b"Content-Type: application/json\r\nCache-Control: no-store\r\n"
ARRAY_HEAD = b"Content-Type: %s\r\nCache-Control: no-store\r\nX-Accel-Buffering: no\r\n" % ARRAY_TYPE
STREAM_HEAD = b"Content-Type: text/event-stream\r\nCache-Control: no-store\r\nX-Accel-Buffering: no\r\n"


def reply_head(generation: Generation, kind: bytes) -> bytes:
    """The head of a good reply. `kind` is JSON_HEAD, STREAM_HEAD or ARRAY_HEAD."""
    head, records = generation.head, generation.attempts.records
    return b"%sX-Generation-Id: %s\r\n%s%d\r\nX-AnyRouter-Overhead-Ms: %.3f\r\n%s%s" % (
        kind,
        generation.id.encode(),
        generation.stop.served_by,
        len(records) if generation.is_settled else len(records) + 1,
        generation.overhead_s(time.monotonic()) * 1000,
        common_lines(head, generation.principal),
        limit_lines(generation.limit, generation.dialect.name, head.now_ms),
    )


def common_lines(head: RequestHead, principal: Principal | None) -> bytes:
    """What every reply says: which request it answers, and when the key ends if that is soon."""
    lines = b"X-Request-Id: %s\r\n%s" % (head.request_id.encode(), head.read_facts().common_lines)
    if head.endpoint.startswith("messages"):
        lines += b"request-id: %s\r\n" % head.request_id.encode()
    if principal is not None and principal.key.expires_at is not None:
        notice = expiry_notice(principal.key, head.now_ms)
        if notice is not None:
            lines += b"AnyRouter-Key-Expires: %s\r\n" % notice.encode()
    return lines


def limit_lines(state: LimitState, dialect: str, now_ms: int) -> bytes:
    """Every header that tells of the requests-per-minute limit: the classic three, the IETF pair, the dialect's own."""
    return _render_limit(state.limit, state.remaining, ceil(state.reset_s), ceil(now_ms / 1000 + state.reset_s), dialect)


@lru_cache(maxsize=512)
def _render_limit(limit: int, remaining: int, wait_s: int, reset: int, dialect: str) -> bytes:
    """Within a second, and under a limit that is hardly used, many replies say the same."""
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
