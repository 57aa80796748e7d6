"""Keys for people and for programs: what is shown of them. The digest never is."""

from collections.abc import Iterable
from datetime import datetime
from typing import Any

from anyrouter.core.apikey import ApiKey

COLUMNS = ("NAME", "KEY", "ENVIRONMENT", "STATE", "EXPIRES", "LAST USED", "ID")


def describe_state(key: ApiKey, now: datetime) -> str:
    """What the key is good for at `now`, in a word."""
    if key.is_disabled:
        return "disabled"
    if key.expires_at is not None and now >= key.expires_at:
        return "expired"
    if key.not_before is not None and now < key.not_before:
        return "not yet valid"
    return "blocked" if key.rate_limit_rpm == 0 else "active"


def key_object(key: ApiKey, now: datetime) -> dict[str, Any]:
    """The key as the management API's rows have it, and its state."""
    return {
        "id": key.id,
        "hash": key.id,
        "name": key.name,
        "label": key.label,
        "environment": key.environment,
        "state": describe_state(key, now),
        "disabled": key.is_disabled,
        "scopes": sorted(key.scopes),
        "models": _list(key.models),
        "endpoints": _list(key.endpoints),
        "providers": _list(key.providers),
        "allowed_ips": _list(key.allowed_ips),
        "rate_limit_rpm": key.rate_limit_rpm,
        "not_before": _rfc3339(key.not_before),
        "expires_at": _rfc3339(key.expires_at),
        "created_at": _rfc3339(key.created_at),
        "updated_at": _rfc3339(key.updated_at),
        "last_used_at": _rfc3339(key.last_used_at),
        "last_used_ip": key.last_used_ip,
        "last_used_user_agent": key.last_used_user_agent,
        "can_reveal": False,
    }


def key_row(key: ApiKey, now: datetime) -> tuple[str, ...]:
    """The key as a row under `COLUMNS`."""
    expires, used = _minute(key.expires_at) or "never", _minute(key.last_used_at) or "never"
    return key.name, f"{key.label}…", key.environment, describe_state(key, now), expires, used, key.id


def key_pairs(key: ApiKey, now: datetime) -> list[tuple[str, str | None]]:
    """The key as facts, a line each."""
    limit = "the environment's" if key.rate_limit_rpm is None else f"{key.rate_limit_rpm:,} requests per minute"
    used = _minute(key.last_used_at)
    return [
        ("name", key.name),
        ("key", f"{key.label}…"),
        ("id", key.id),
        ("environment", key.environment),
        ("state", describe_state(key, now)),
        ("scopes", " ".join(sorted(key.scopes))),
        ("models", _join(key.models) or "all"),
        ("endpoints", _join(key.endpoints)),
        ("providers", _join(key.providers)),
        ("addresses", _join(key.allowed_ips)),
        ("limit", limit),
        ("valid from", _minute(key.not_before)),
        ("expires", _minute(key.expires_at) or "never"),
        ("created", _minute(key.created_at)),
        ("last used", (used and f"{used} from {key.last_used_ip or 'an unknown address'}") or "never"),
    ]


def _list(values: Iterable[str] | None) -> list[str] | None:
    return None if values is None else list(values)


def _join(values: Iterable[str] | None) -> str | None:
    return None if values is None else " ".join(values)


def _rfc3339(moment: datetime | None) -> str | None:
    return None if moment is None else moment.isoformat(timespec="milliseconds").replace("+00:00", "Z")


def _minute(moment: datetime | None) -> str | None:
    return None if moment is None else f"{moment:%Y-%m-%d %H:%M} UTC"
