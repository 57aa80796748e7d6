"""What can go wrong, by whose fault it is.

    GatewayError
    ├── ClientError            the caller's fault: 4xx
    ├── UpstreamError          the provider's: what it answered, or that it did not
    │   ├── ConnectFailed      nothing was sent
    │   ├── UpstreamTimeout    connect, first byte, idle or total
    │   ├── UpstreamBroken     cut or malformed on the way
    │   └── UpstreamStatus     an HTTP status that is not a success
    │       └── StreamFailed   an error sent inside of a stream that had begun
    └── InternalError          ours
        └── StorageUnavailable database, cache or journal: 503, never 401

`public` is the only text that leaves the process; `internal` is for the log. Codes are stable strings (contract, section 4).
Expected refusals are values (`Denied`), not exceptions.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, NamedTuple


class CodeFacts(NamedTuple):
    """What a code means on the wire."""

    status: int
    type: str


_INVALID, _AUTH, _PAYMENT = "invalid_request_error", "authentication_error", "payment_required"
_PERMISSION, _MISSING, _CONFLICT, _LIMIT = "permission_error", "not_found_error", "conflict_error", "rate_limit_error"
_UPSTREAM, _UNAVAILABLE, _LARGE = "upstream_error", "service_unavailable", "request_too_large"

CODES: Mapping[str, CodeFacts] = {
    "invalid_json": CodeFacts(400, _INVALID),
    "invalid_parameter": CodeFacts(400, _INVALID),
    "missing_parameter": CodeFacts(400, _INVALID),
    "conflicting_credentials": CodeFacts(400, _INVALID),
    "missing_api_key": CodeFacts(401, _AUTH),
    "invalid_api_key": CodeFacts(401, _AUTH),
    "malformed_api_key": CodeFacts(401, _AUTH),
    "expired_api_key": CodeFacts(401, _AUTH),
    "disabled_api_key": CodeFacts(401, _AUTH),
    "documentation_key": CodeFacts(401, _AUTH),
    "insufficient_credits": CodeFacts(402, _PAYMENT),
    "key_budget_exceeded": CodeFacts(402, _PAYMENT),
    "environment_budget_exceeded": CodeFacts(402, _PAYMENT),
    "insufficient_scope": CodeFacts(403, _PERMISSION),
    "model_not_allowed": CodeFacts(403, _PERMISSION),
    "endpoint_not_allowed": CodeFacts(403, _PERMISSION),
    "provider_not_allowed": CodeFacts(403, _PERMISSION),
    "region_not_allowed": CodeFacts(403, _PERMISSION),
    "ip_not_allowed": CodeFacts(403, _PERMISSION),
    "exceeds_rights": CodeFacts(403, _PERMISSION),
    "cross_site_request": CodeFacts(403, _PERMISSION),
    "sign_in_failed": CodeFacts(403, _PERMISSION),
    "model_not_found": CodeFacts(404, _MISSING),
    "no_route": CodeFacts(404, _MISSING),
    "not_found": CodeFacts(404, _MISSING),
    "method_not_allowed": CodeFacts(405, _INVALID),
    "request_timeout": CodeFacts(408, _INVALID),
    "headers_too_large": CodeFacts(431, _INVALID),
    "duplicate_name": CodeFacts(409, _CONFLICT),
    "rotation_in_progress": CodeFacts(409, _CONFLICT),
    "idempotency_in_progress": CodeFacts(409, _CONFLICT),
    "managed_by_file": CodeFacts(409, _CONFLICT),
    "etag_mismatch": CodeFacts(412, _CONFLICT),
    "body_too_large": CodeFacts(413, _LARGE),
    "context_length_exceeded": CodeFacts(413, _LARGE),
    "unsupported_media_type": CodeFacts(415, _INVALID),
    "unprocessable": CodeFacts(422, _INVALID),
    "idempotency_key_reused": CodeFacts(422, _INVALID),
    "rate_limited": CodeFacts(429, _LIMIT),
    "token_rate_limited": CodeFacts(429, _LIMIT),
    "concurrency_limited": CodeFacts(429, _LIMIT),
    "upstream_rate_limited": CodeFacts(429, _LIMIT),
    "client_closed_request": CodeFacts(499, "client_closed_request"),
    "internal_error": CodeFacts(500, "internal_server_error"),
    "upstream_error": CodeFacts(502, _UPSTREAM),
    "upstream_invalid_response": CodeFacts(502, _UPSTREAM),
    "byok_credential_rejected": CodeFacts(502, _UPSTREAM),
    "no_healthy_upstream": CodeFacts(503, _UNAVAILABLE),
    "overloaded": CodeFacts(503, _UNAVAILABLE),
    "storage_unavailable": CodeFacts(503, _UNAVAILABLE),
    "upstream_timeout": CodeFacts(504, "upstream_timeout"),
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Denied:
    """A refusal as a value: rendered by the dialect's `render_error`. `scope` is the one that an `insufficient_scope` lacks."""

    code: str
    message: str
    param: str | None = None
    scope: str | None = None
    retry_after_s: float | None = None
    metadata: Mapping[str, Any] = field(default_factory=dict)
    status: int | None = None  # where an upstream's status is kept instead of the code's own

    @property
    def http_status(self) -> int:
        """The status of the reply."""
        return self.status if self.status is not None else CODES[self.code].status

    @property
    def type(self) -> str:
        """The envelope's `type`."""
        return CODES[self.code].type


class GatewayError(Exception):
    """The root: a stable code, a text for the caller, a text for the log."""

    code = "internal_error"

    def __init__(self, public: str, *, internal: str = "", code: str | None = None) -> None:
        super().__init__(internal or public)
        self.public, self.internal = public, internal
        if code is not None:
            self.code = code


class ClientError(GatewayError):
    """The caller's fault. `denied` is what is rendered."""

    def __init__(self, denied: Denied) -> None:
        super().__init__(denied.message, code=denied.code)
        self.denied = denied


class UpstreamError(GatewayError):
    """The provider's fault. `is_sent` says whether the upstream may have seen the request: then it may have cost money."""

    code = "upstream_error"
    is_sent = True


class ConnectFailed(UpstreamError):
    """No connection: name, TCP, proxy or TLS. The upstream saw nothing."""

    is_sent = False


class UpstreamTimeout(UpstreamError):
    """A deadline passed. `phase` is connect, first_byte, idle or total."""

    code = "upstream_timeout"

    def __init__(self, public: str, *, phase: str, internal: str = "") -> None:
        super().__init__(public, internal=internal)
        self.phase = phase
        self.is_sent = phase != "connect"


class UpstreamBroken(UpstreamError):
    """The reply was cut, malformed, or larger than the bound."""

    code = "upstream_invalid_response"


class UpstreamStatus(UpstreamError):
    """The upstream answered with an error status. The body is bounded and not yet scrubbed."""

    def __init__(self, public: str, *, status: int, body: bytes, retry_after_s: float | None = None) -> None:
        super().__init__(public)
        self.status, self.body, self.retry_after_s = status, body, retry_after_s


class StreamFailed(UpstreamStatus):
    """The upstream sent an error inside of a stream of which the client has had a part. `status` is what the error stands for."""


class InternalError(GatewayError):
    """Our fault."""


class StorageUnavailable(InternalError):
    """The database or the journal cannot be used now. Always 503 with Retry-After."""

    code = "storage_unavailable"
