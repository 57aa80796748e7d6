"""Keys, organisations and environments as rows and back: one meaning for every store, the one in memory included."""

import json
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import Any

from anyrouter.core.apikey import ApiKey, KeyKind
from anyrouter.core.budget import BudgetPeriod, BudgetPolicy
from anyrouter.core.errors import Denied
from anyrouter.core.tenancy import CreditMode, Environment, EnvironmentKind, Organisation

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MILLISECOND = timedelta(milliseconds=1)

# What `update_key` never changes.
FIXED_KEY_COLUMNS = frozenset(
    {
        "id",
        "organisation_id",
        "environment_id",
        "environment",
        "digest",
        "created_at_ms",
        "last_used_at_ms",
        "last_used_ip",
        "last_used_user_agent",
    }
)

FIXED_ORGANISATION_COLUMNS = frozenset({"id", "created_at_ms"})
NO_ORGANISATION = Denied(code="not_found", message="There is no such organisation.")
CHANGED_ORGANISATION = Denied(
    code="etag_mismatch", message="The organisation was changed meanwhile. Read it again, then repeat the change."
)

# What `update_environment` never changes.
FIXED_ENVIRONMENT_COLUMNS = frozenset({"id", "organisation_id", "slug", "kind"})


def taken_environment(environment: Environment) -> Denied:
    """The organisation has, or had, another environment of that slug."""
    message = f"slug: an environment {environment.slug} exists, or was deleted; a slug is in the text of keys and is not given twice."
    return Denied(code="duplicate_name", param="slug", message=message)


def to_ms(moment: datetime) -> int:
    """Unix milliseconds, rounded down. TypeError for a time without a zone."""
    return (moment - _EPOCH) // _MILLISECOND


def from_ms(milliseconds: int) -> datetime:
    """The aware UTC time."""
    return _EPOCH + timedelta(milliseconds=milliseconds)


def key_to_row(key: ApiKey) -> dict[str, Any]:
    """The row of `api_keys`."""
    return {
        "id": key.id,
        "organisation_id": key.organisation_id,
        "environment_id": key.environment_id,
        "environment": key.environment,
        "name": key.name,
        "label": key.label,
        "digest": key.digest,
        "pepper_version": key.pepper_version,
        "rotation_group": key.rotation_group,
        "scopes": json.dumps(sorted(key.scopes)),
        "models": _list(key.models),
        "endpoints": _list(key.endpoints),
        "providers": _list(key.providers),
        "allowed_ips": _list(key.allowed_ips),
        "rate_limit_rpm": key.rate_limit_rpm,
        "not_before_ms": _optional_ms(key.not_before),
        "expires_at_ms": _optional_ms(key.expires_at),
        "is_disabled": key.is_disabled,
        "created_at_ms": to_ms(key.created_at),
        "updated_at_ms": to_ms(key.updated_at),
        "deleted_at_ms": _optional_ms(key.deleted_at),
        "last_used_at_ms": _optional_ms(key.last_used_at),
        "last_used_ip": key.last_used_ip,
        "last_used_user_agent": key.last_used_user_agent,
        "regions": _list(key.regions),
        "rate_limit_tpm": key.rate_limit_tpm,
        "rate_limit_rpd": key.rate_limit_rpd,
        "concurrency": key.concurrency,
        "limit_nanousd": key.limit_nanousd,
        "limit_reset": key.limit_reset.value,
        "budget_policy": _optional_name(key.budget_policy),
        "kind": key.kind.value,
        "member_id": key.member_id,
        "creator_id": key.creator_id,
        "tags": json.dumps(key.tags),
        "rotated_from": key.rotated_from,
        "superseded_by": key.superseded_by,
        "grace_s": key.grace_s,
        "version": key.version,
    }


def row_to_key(row: Mapping[Any, Any]) -> ApiKey:
    """The key of a row of `api_keys`."""
    return ApiKey(
        id=row["id"],
        organisation_id=row["organisation_id"],
        environment_id=row["environment_id"],
        environment=row["environment"],
        name=row["name"],
        label=row["label"],
        digest=bytes(row["digest"]),
        pepper_version=row["pepper_version"],
        rotation_group=row["rotation_group"],
        scopes=frozenset(json.loads(row["scopes"])),
        created_at=from_ms(row["created_at_ms"]),
        updated_at=from_ms(row["updated_at_ms"]),
        models=_tuple(row["models"]),
        endpoints=_tuple(row["endpoints"]),
        providers=_tuple(row["providers"]),
        allowed_ips=_tuple(row["allowed_ips"]),
        rate_limit_rpm=row["rate_limit_rpm"],
        not_before=_optional_time(row["not_before_ms"]),
        expires_at=_optional_time(row["expires_at_ms"]),
        is_disabled=row["is_disabled"],
        deleted_at=_optional_time(row["deleted_at_ms"]),
        last_used_at=_optional_time(row["last_used_at_ms"]),
        last_used_ip=row["last_used_ip"],
        last_used_user_agent=row["last_used_user_agent"],
        regions=_tuple(row["regions"]),
        rate_limit_tpm=row["rate_limit_tpm"],
        rate_limit_rpd=row["rate_limit_rpd"],
        concurrency=row["concurrency"],
        limit_nanousd=row["limit_nanousd"],
        limit_reset=BudgetPeriod(row["limit_reset"]),
        budget_policy=_optional_policy(row["budget_policy"]),
        kind=KeyKind(row["kind"]),
        member_id=row["member_id"],
        creator_id=row["creator_id"],
        tags=tuple(json.loads(row["tags"])),
        rotated_from=row["rotated_from"],
        superseded_by=row["superseded_by"],
        grace_s=row["grace_s"],
        version=row["version"],
    )


def environment_to_row(environment: Environment) -> dict[str, Any]:
    """The row of `environments`."""
    return {
        "id": environment.id,
        "organisation_id": environment.organisation_id,
        "slug": environment.slug,
        "name": environment.name,
        "kind": environment.kind.value,
        "is_active": environment.is_active,
        "rate_limit_rpm": environment.rate_limit_rpm,
        "rate_limit_tpm": environment.rate_limit_tpm,
        "concurrency": environment.concurrency,
        "budget_policy": _optional_name(environment.budget_policy),
        "is_managed": environment.is_managed,
        "deleted_at_ms": _optional_ms(environment.deleted_at),
        "version": environment.version,
    }


def row_to_environment(row: Mapping[Any, Any]) -> Environment:
    """The environment of a row of `environments`."""
    return Environment(
        id=row["id"],
        organisation_id=row["organisation_id"],
        slug=row["slug"],
        name=row["name"],
        kind=EnvironmentKind(row["kind"]),
        is_active=row["is_active"],
        rate_limit_rpm=row["rate_limit_rpm"],
        rate_limit_tpm=row["rate_limit_tpm"],
        concurrency=row["concurrency"],
        budget_policy=_optional_policy(row["budget_policy"]),
        is_managed=row["is_managed"],
        deleted_at=_optional_time(row["deleted_at_ms"]),
        version=row["version"],
    )


def organisation_to_row(organisation: Organisation) -> dict[str, Any]:
    """The row of `organisations`, without its epoch."""
    return {
        "id": organisation.id,
        "name": organisation.name,
        "is_active": organisation.is_active,
        "created_at_ms": to_ms(organisation.created_at),
        "max_key_lifetime_s": organisation.max_key_lifetime_s,
        "credit_mode": organisation.credit_mode.value,
        "monthly_grant_nanousd": organisation.monthly_grant_nanousd,
        "version": organisation.version,
    }


def row_to_organisation(row: Mapping[Any, Any]) -> Organisation:
    """The organisation of a row of `organisations`."""
    return Organisation(
        id=row["id"],
        name=row["name"],
        is_active=row["is_active"],
        created_at=from_ms(row["created_at_ms"]),
        max_key_lifetime_s=row["max_key_lifetime_s"],
        credit_mode=CreditMode(row["credit_mode"]),
        monthly_grant_nanousd=row["monthly_grant_nanousd"],
        version=row["version"],
    )


def _list(values: tuple[str, ...] | None) -> str | None:
    return None if values is None else json.dumps(values)


def _tuple(text: str | None) -> tuple[str, ...] | None:
    return None if text is None else tuple(json.loads(text))


def _optional_ms(moment: datetime | None) -> int | None:
    return None if moment is None else to_ms(moment)


def _optional_time(milliseconds: int | None) -> datetime | None:
    return None if milliseconds is None else from_ms(milliseconds)


def _optional_name(policy: BudgetPolicy | None) -> str | None:
    return None if policy is None else policy.value


def _optional_policy(name: str | None) -> BudgetPolicy | None:
    return None if name is None else BudgetPolicy(name)
