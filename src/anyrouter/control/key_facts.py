"""A key as the audit log tells of it: every field that somebody decides, by the API's names. No digest, no secret."""

from collections.abc import Iterable
from datetime import datetime
from typing import Any

from anyrouter.core.apikey import ApiKey


def key_facts(key: ApiKey) -> dict[str, Any]:
    """What is on record of a key, as JSON values; the limit on cost is in nano-USD."""
    return {
        "name": key.name,
        "environment": key.environment,
        "kind": key.kind.value,
        "member_id": key.member_id,
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
        "limit_nanousd": key.limit_nanousd,
        "limit_reset": key.limit_reset.value,
        "budget_policy": None if key.budget_policy is None else key.budget_policy.value,
        "tags": list(key.tags),
        "not_before": _moment(key.not_before),
        "expires_at": _moment(key.expires_at),
        "disabled": key.is_disabled,
        "rotated_from": key.rotated_from,
        "superseded_by": key.superseded_by,
        "grace_seconds": key.grace_s,
        "deleted_at": _moment(key.deleted_at),
    }


def _list(values: Iterable[str] | None) -> list[str] | None:
    return None if values is None else list(values)


def _moment(moment: datetime | None) -> str | None:
    return None if moment is None else moment.isoformat(timespec="milliseconds").replace("+00:00", "Z")
