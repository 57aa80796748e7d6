"""Keys for people and for programs: what is shown of them. The digest never is."""

from collections.abc import Iterable
from datetime import datetime
from typing import Any

from anyrouter.control.key_health import find_hints, find_state
from anyrouter.core.apikey import ApiKey
from anyrouter.core.budget import BudgetPeriod
from anyrouter.core.money import to_usd, to_usd_string

HINTS = "LOOK AT"
COLUMNS = ("NAME", "KEY", "ENVIRONMENT", "STATE", "EXPIRES", "LAST USED", "ID")


def describe_state(key: ApiKey, now: datetime) -> str:
    """What the key is good for at `now`, in a word or three."""
    return find_state(key, now).replace("_", " ")


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
        "regions": _list(key.regions),
        "allowed_ips": _list(key.allowed_ips),
        "rate_limit_rpm": key.rate_limit_rpm,
        "rate_limit_tpm": key.rate_limit_tpm,
        "rate_limit_rpd": key.rate_limit_rpd,
        "concurrency": key.concurrency,
        "limit": None if key.limit_nanousd is None else to_usd(key.limit_nanousd),
        "limit_reset": None if key.limit_reset is BudgetPeriod.TOTAL else key.limit_reset.value,
        "budget_policy": None if key.budget_policy is None else key.budget_policy.value,
        "tags": list(key.tags),
        "health": list(find_hints(key, now)),
        "kind": key.kind.value,
        "member_id": key.member_id,
        "rotation_group": key.rotation_group,
        "rotated_from": key.rotated_from,
        "superseded_by": key.superseded_by,
        "grace_seconds": key.grace_s,
        "creator_user_id": key.creator_id,
        "workspace_id": key.organisation_id,
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


def describe_hints(key: ApiKey, now: datetime) -> str:
    """What about the key wants a look, in words."""
    return ", ".join(hint.replace("_", " ") for hint in find_hints(key, now))


def key_pairs(key: ApiKey, now: datetime) -> list[tuple[str, str | None]]:
    """The key as facts, a line each."""
    used = _minute(key.last_used_at)
    return [
        ("name", key.name),
        ("key", f"{key.label}…"),
        ("id", key.id),
        ("environment", key.environment),
        ("member", key.member_id),
        ("state", describe_state(key, now)),
        ("scopes", " ".join(sorted(key.scopes))),
        ("models", _join(key.models) or "all"),
        ("endpoints", _join(key.endpoints)),
        ("providers", _join(key.providers)),
        ("regions", _join(key.regions)),
        ("addresses", _join(key.allowed_ips)),
        ("limit", _describe_limits(key)),
        ("budget", _describe_budget(key)),
        ("tags", ", ".join(key.tags) or None),
        ("valid from", _minute(key.not_before)),
        ("expires", _minute(key.expires_at) or "never"),
        ("rotated from", key.rotated_from),
        ("rotated to", key.superseded_by),
        ("grace", None if key.grace_s is None else f"{key.grace_s:,} seconds from the first use of the new key on"),
        ("created", _minute(key.created_at)),
        ("last used", (used and f"{used} from {key.last_used_ip or 'an unknown address'}") or "never"),
        ("look at", describe_hints(key, now) or None),
    ]


def _describe_limits(key: ApiKey) -> str:
    limits = {
        "requests per minute": key.rate_limit_rpm,
        "tokens per minute": key.rate_limit_tpm,
        "requests per day": key.rate_limit_rpd,
        "at the same time": key.concurrency,
    }
    return ", ".join(f"{limit:,} {text}" for text, limit in limits.items() if limit is not None) or "the environment's"


def _describe_budget(key: ApiKey) -> str | None:
    if key.limit_nanousd is None:
        return None
    period = "in all" if key.limit_reset is BudgetPeriod.TOTAL else key.limit_reset.value
    policy = "" if key.budget_policy is None else f", {key.budget_policy.value}"
    return f"{to_usd_string(key.limit_nanousd)} USD {period}{policy}"


def _list(values: Iterable[str] | None) -> list[str] | None:
    return None if values is None else list(values)


def _join(values: Iterable[str] | None) -> str | None:
    return None if values is None else " ".join(values)


def _rfc3339(moment: datetime | None) -> str | None:
    return None if moment is None else moment.isoformat(timespec="milliseconds").replace("+00:00", "Z")


def _minute(moment: datetime | None) -> str | None:
    return None if moment is None else f"{moment:%Y-%m-%d %H:%M} UTC"
