"""Who may do what: the one decision over a key, in one order (keys.md, section 3).

    length, charset, form, checksum (core.keys.inspect; no I/O before here) -> find
    -> deleted -> disabled -> not before -> expired -> organisation, membership and environment active
    -> address -> endpoint -> scope            judge_key: on the head, before the body is read
    -> model -> provider -> region             judge_model, and policy.route: on the model really called
    -> rate -> concurrency -> budget -> credits                      policy.limit, policy.budget

Every caller comes through here: inference and reading alike.
"""

from collections.abc import Mapping
from datetime import UTC, datetime

from anyrouter.core.apikey import ApiKey
from anyrouter.core.errors import Denied
from anyrouter.core.scopes import grants
from anyrouter.core.tenants import Owner
from anyrouter.policy.endpoints import Endpoint
from anyrouter.policy.network import is_inside
from anyrouter.policy.rights import is_role_enough

EXPIRY_NOTICE_S = 14 * 24 * 3600

_MISSING = Denied(
    code="missing_api_key",
    message="No API key was sent. Send it as 'Authorization: Bearer ar-…' or, with Anthropic clients, as 'x-api-key: ar-…'.",
)
_MISSING_OF_GEMINI = Denied(
    code="missing_api_key",
    message="No API key was sent. Send it as 'x-goog-api-key: ar-…' or as 'Authorization: Bearer ar-…'; '?key=' is not read.",
)
_CONFLICT = Denied(
    code="conflicting_credentials",
    message="More than one credential was sent. Send one key, in one header: 'Authorization: Bearer ar-…' or 'x-api-key: ar-…'.",
)
UNKNOWN_KEY = Denied(
    code="invalid_api_key", message="This API key is not known here. It may have been deleted, or belong to another installation."
)


def read_credential(headers: Mapping[bytes, bytes], repeated: frozenset[bytes] | set[bytes], *, is_gemini: bool = False) -> str | Denied:
    """The key's text as presented, unjudged; or why no single text was presented.

    `is_gemini`: the path is one of Gemini's own, where `x-goog-api-key` is what `x-api-key` is. Elsewhere it is nothing.
    """
    x_api_key = headers.get(b"x-api-key")
    if not is_gemini:
        return _read_credential(headers.get(b"authorization"), x_api_key, repeated)
    x_goog_api_key = headers.get(b"x-goog-api-key")
    if b"x-goog-api-key" in repeated or (x_goog_api_key is not None and x_api_key not in (None, x_goog_api_key)):
        return _CONFLICT
    text = _read_credential(headers.get(b"authorization"), x_api_key if x_goog_api_key is None else x_goog_api_key, repeated)
    return _MISSING_OF_GEMINI if text is _MISSING else text


def _read_credential(  # noqa: PLR0911 -- one a line of the table
    bearer: bytes | None, x_api_key: bytes | None, repeated: frozenset[bytes] | set[bytes]
) -> str | Denied:
    if repeated and (b"authorization" in repeated or b"x-api-key" in repeated):
        return _CONFLICT
    if bearer is None or not bearer.strip():
        return _MISSING if x_api_key is None or not x_api_key.strip() else x_api_key.decode("latin-1")
    scheme, _, rest = bearer.partition(b" ")
    if scheme.lower() != b"bearer":
        return _CONFLICT if x_api_key else _without_scheme(scheme, rest)
    text = rest.strip(b" ").decode("latin-1")
    if "," in text:
        return _CONFLICT
    if x_api_key is not None and x_api_key.decode("latin-1") != text:
        return _CONFLICT
    if not text:
        return Denied(code="malformed_api_key", message="The Authorization header names the Bearer scheme but has no key behind it.")
    return text


def _without_scheme(scheme: bytes, rest: bytes) -> Denied:
    if not rest and scheme.startswith(b"ar-"):
        return Denied(code="malformed_api_key", message="The Authorization header has a key without its scheme. Send 'Bearer ' before it.")
    return _MISSING


def judge_key(  # noqa: PLR0911 -- one a step of the order
    key: ApiKey, owner: Owner, endpoint: Endpoint, address: str, now: datetime
) -> Denied | None:
    """None when the key may use the endpoint from that address now."""
    if key.deleted_at is not None:
        return UNKNOWN_KEY
    if key.is_disabled:
        return Denied(code="disabled_api_key", message=f"The API key {key.label}… is disabled. Whoever manages keys here can enable it.")
    if key.not_before is not None and now < key.not_before:
        return Denied(code="invalid_api_key", message=f"The API key {key.label}… is not valid before {_rfc3339(key.not_before)}.")
    if key.expires_at is not None and now >= key.expires_at:
        return Denied(code="expired_api_key", message=f"The API key {key.label}… expired at {_rfc3339(key.expires_at)}. Ask for a new one.")
    denied = _judge_owner(key, owner)
    if denied is not None:
        return denied
    if key.allowed_ips is not None and not is_inside(address, key.allowed_ips):
        return Denied(code="ip_not_allowed", message=f"The API key {key.label}… may not be used from {address}.")
    if key.endpoints is not None and endpoint.path not in key.endpoints:
        return Denied(code="endpoint_not_allowed", message=f"The API key {key.label}… may not use /{endpoint.path}.")
    if endpoint.scope is not None and not grants(key.scopes, endpoint.scope):
        return Denied(
            code="insufficient_scope",
            scope=endpoint.scope,
            message=f"The API key {key.label}… lacks the scope {endpoint.scope}, which /{endpoint.path} needs.",
        )
    return _judge_role(key, owner, endpoint)


def _judge_role(key: ApiKey, owner: Owner, endpoint: Endpoint) -> Denied | None:
    """A personal key does no more than its person may do now, whatever that was when the key was made."""
    if endpoint.scope is None or owner.member is None or owner.environment is None:
        return None
    if is_role_enough(owner.member.role, endpoint.scope, owner.environment.kind):
        return None
    return Denied(
        code="insufficient_scope",
        scope=endpoint.scope,
        message=f"The API key {key.label}… is a person's whose role, {owner.member.role.value}, does not allow this.",
    )


def _judge_owner(key: ApiKey, owner: Owner) -> Denied | None:
    organisation, environment, member = owner
    if organisation is None or not organisation.is_active:
        return Denied(code="disabled_api_key", message="The organisation of this API key is not active.")
    if key.member_id is not None and (member is None or not member.is_active):
        return Denied(code="disabled_api_key", message=f"The API key {key.label}… ended with the membership of the person whose it was.")
    if environment is None or not environment.is_active or environment.deleted_at is not None:
        return Denied(code="disabled_api_key", message=f"The environment {key.environment} of this API key is not active.")
    return None


def judge_model(key: ApiKey, model: str) -> Denied | None:
    """None when the key may call the model. `model` is the full public id of what is really called, after aliases."""
    if key.models is None or is_model_allowed(key.models, model):
        return None
    return Denied(
        code="model_not_allowed",
        param="model",
        message=f"The API key {key.label}… may not use {model}. It is restricted to {_shown(key.models)}.",
    )


def is_model_allowed(patterns: tuple[str, ...], model: str) -> bool:
    """Whether an id is among ids and `vendor/*` patterns. Exact: case and spaces count."""
    return model in patterns or f"{model.partition('/')[0]}/*" in patterns


def expiry_notice(key: ApiKey, now_ms: int) -> str | None:
    """The RFC 3339 time of expiry, when it is at most 14 days away or the key was rotated. `now_ms` is Unix milliseconds."""
    if key.expires_at is None:
        return None
    if key.superseded_by is None and key.expires_at.timestamp() - now_ms / 1000 > EXPIRY_NOTICE_S:
        return None
    return _rfc3339(key.expires_at)


def _rfc3339(moment: datetime) -> str:
    return moment.astimezone(UTC).isoformat(timespec="seconds").replace("+00:00", "Z")


def _shown(models: tuple[str, ...]) -> str:
    return ", ".join(models[:5]) + (f" and {len(models) - 5} more" if len(models) > 5 else "")  # noqa: PLR2004 -- what fits a line
