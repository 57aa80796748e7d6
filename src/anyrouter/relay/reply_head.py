"""The header lines of a reply made with a key (contract, section 3), as bytes: they are made for every request."""

import time
from collections.abc import Sequence
from datetime import UTC, datetime
from functools import lru_cache
from math import ceil

from anyrouter.core.errors import Denied
from anyrouter.policy.authorize import expiry_notice
from anyrouter.policy.limit import LimitState
from anyrouter.relay.call import Principal, RequestHead
from anyrouter.relay.generation import Generation
from anyrouter.relay.hold import Hold
from anyrouter.relay.limiter import Shown
from anyrouter.wire.gemini_array import ARRAY_TYPE

JSON_HEAD = b"Content-Type: application/json\r\nCache-Control: no-store\r\n"
ARRAY_HEAD = b"Content-Type: %s\r\nCache-Control: no-store\r\nX-Accel-Buffering: no\r\n" % ARRAY_TYPE
STREAM_HEAD = b"Content-Type: text/event-stream\r\nCache-Control: no-store\r\nX-Accel-Buffering: no\r\n"


def reply_head(generation: Generation, kind: bytes) -> bytes:
    """The head of a good reply. `kind` is JSON_HEAD, STREAM_HEAD or ARRAY_HEAD."""
    head, records, hold = generation.head, generation.attempts.records, generation.hold
    dialect = generation.dialect.name
    limits = limit_lines(generation.limit, dialect, head.now_ms) if hold is None else _hold_lines(hold, dialect, head.now_ms)
    attempt, overhead_ms = len(records) if generation.is_settled else len(records) + 1, generation.overhead_s(time.monotonic()) * 1000
    return b"".join(
        (
            kind,
            b"X-Generation-Id: ",
            generation.id.encode(),
            b"\r\n",
            generation.stop.served_by,
            b"%d\r\nX-AnyRouter-Overhead-Ms: %.3f\r\n" % (attempt, overhead_ms),
            common_lines(head, generation.principal),
            limits,
        )
    )


def _hold_lines(hold: Hold, dialect: str, now_ms: int) -> bytes:
    lines = limit_lines(hold.limit, dialect, now_ms, hold.shown)
    return lines if hold.max_tokens is None else b"%sX-AnyRouter-Max-Tokens: %d\r\n" % (lines, hold.max_tokens)


def common_lines(head: RequestHead, principal: Principal | None) -> bytes:
    """What every reply says: which request it answers, and when the key ends if that is soon."""
    lines = b"X-Request-Id: %s\r\n%s" % (head.request_id.encode(), (head.facts or head.read_facts()).common_lines)
    if head.endpoint.startswith("messages"):
        lines += b"request-id: %s\r\n" % head.request_id.encode()
    if principal is not None and principal.key.expires_at is not None:
        notice = expiry_notice(principal.key, head.now_ms)
        if notice is not None:
            lines += b"AnyRouter-Key-Expires: %s\r\n" % notice.encode()
    return lines


def limit_lines(state: LimitState, dialect: str, now_ms: int, others: Sequence[Shown] = ()) -> bytes:
    """Every header that tells of limits: the classic three of requests per minute, the IETF pair, the dialect's own.

    `others` are the limits that hold beside requests per minute: the IETF pair lists them, and tokens have headers in the dialect's way.
    """
    lines = _render_limit(state.limit, state.remaining, ceil(state.reset_s), ceil(now_ms / 1000 + state.reset_s), dialect)
    if not others:
        return lines
    policy, left, own = b"", b"", b""
    for name, window_s, other in others:
        wait_s, label = ceil(other.reset_s), name.encode()
        window = b';qu="concurrent-requests"' if window_s is None else b";w=%d" % window_s
        policy += b', "%s";q=%d%s' % (label, other.limit, b';qu="tokens"' + window if name == "tokens" else window)
        left += b', "%s";r=%d' % (label, other.remaining) + (b"" if window_s is None else b";t=%d" % wait_s)
        if name == "tokens":
            own = _render_tokens(other, dialect, wait_s, now_ms)
    before, policy_start, rest = lines.partition(b"RateLimit-Policy: ")
    policies, left_start, rest = rest.partition(b"\r\nRateLimit: ")
    states, end, rest = rest.partition(b"\r\n")
    return b"".join((before, policy_start, policies, policy, left_start, states, left, end, rest, own))


def _render_tokens(state: LimitState, dialect: str, wait_s: int, now_ms: int) -> bytes:
    if dialect != "anthropic":
        return b"x-ratelimit-limit-tokens: %d\r\nx-ratelimit-remaining-tokens: %d\r\nx-ratelimit-reset-tokens: %ds\r\n" % (
            state.limit,
            state.remaining,
            wait_s,
        )
    return (
        b"anthropic-ratelimit-tokens-limit: %d\r\nanthropic-ratelimit-tokens-remaining: %d\r\n"
        b"anthropic-ratelimit-tokens-reset: %s\r\n" % (state.limit, state.remaining, _moment(ceil(now_ms / 1000) + wait_s))
    )


def _moment(seconds: int) -> bytes:
    return datetime.fromtimestamp(seconds, UTC).strftime("%Y-%m-%dT%H:%M:%SZ").encode()


@lru_cache(maxsize=512)
def _render_limit(limit: int, remaining: int, wait_s: int, reset: int, dialect: str) -> bytes:
    """Within a second, and under a limit that is hardly used, many replies say the same."""
    if dialect == "anthropic":
        own = (
            b"anthropic-ratelimit-requests-limit: %d\r\nanthropic-ratelimit-requests-remaining: %d\r\n"
            b"anthropic-ratelimit-requests-reset: %s\r\n" % (limit, remaining, _moment(reset))
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
