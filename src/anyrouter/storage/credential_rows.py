"""Provider credentials as rows and back: one meaning for every store, the one in memory included."""

import json
from collections.abc import Mapping
from typing import Any

from anyrouter.core.byok import ProviderCredential, Sealed
from anyrouter.core.errors import Denied
from anyrouter.storage.records import from_ms, to_ms

NO_CREDENTIAL = Denied(code="not_found", message="There is no such credential.")
CHANGED_CREDENTIAL = Denied(code="etag_mismatch", message="The credential was changed meanwhile. Read it again, then repeat the change.")
SEAL_COLUMNS = frozenset({"seal_format", "kek_id", "wrapped_key", "nonce", "ciphertext"})
_OBSERVED = {"quarantined_until_ms", "quarantine_reason"}
_FIXED = {"id", "organisation_id", "environment_id", "environment", "provider", "created_at_ms", "creator_id"}


def taken_name(credential: ProviderCredential) -> Denied:
    """The refusal of a second credential of one name."""
    message = f"The environment {credential.environment} has a credential of that name for {credential.provider}. Choose another name."
    return Denied(code="duplicate_name", message=message, param="name")


def changed_columns(credential: ProviderCredential) -> dict[str, Any]:
    """What `update_credential` writes. A new secret ends a quarantine, which was the old one's."""
    row = credential_to_row(credential)
    left = _FIXED if credential.seal_version == credential.version else _FIXED | SEAL_COLUMNS | _OBSERVED
    return {name: value for name, value in row.items() if name not in left}


def seal_to_row(sealed: Sealed) -> dict[str, Any]:
    """A row's columns of a sealed secret."""
    return {
        "seal_format": sealed.format,
        "kek_id": sealed.kek_id,
        "wrapped_key": sealed.wrapped_key,
        "nonce": sealed.nonce,
        "ciphertext": sealed.ciphertext,
    }


def row_to_seal(row: Mapping[Any, Any]) -> Sealed:
    """The sealed secret in a row's columns."""
    return Sealed(
        format=row["seal_format"],
        kek_id=row["kek_id"],
        wrapped_key=bytes(row["wrapped_key"]),
        nonce=bytes(row["nonce"]),
        ciphertext=bytes(row["ciphertext"]),
    )


def credential_to_row(credential: ProviderCredential) -> dict[str, Any]:
    """The row of `provider_credentials`."""
    return {
        "id": credential.id,
        "organisation_id": credential.organisation_id,
        "environment_id": credential.environment_id,
        "environment": credential.environment,
        "provider": credential.provider,
        "name": credential.name,
        "secret_label": credential.secret_label,
        "host": credential.host,
        "base_url": credential.base_url,
        "variables": json.dumps(dict(credential.variables), sort_keys=True),
        "region": credential.region,
        "models": _list(credential.models),
        "allowed_keys": _list(credential.allowed_keys),
        "is_fallback": credential.is_fallback,
        "always_use": credential.always_use,
        "sort_order": credential.sort_order,
        "weight": credential.weight,
        "is_disabled": credential.is_disabled,
        "is_retaining": credential.is_retaining,
        "quarantined_until_ms": None if credential.quarantined_until is None else to_ms(credential.quarantined_until),
        "quarantine_reason": credential.quarantine_reason,
        "creator_id": credential.creator_id,
        **seal_to_row(credential.sealed),
        "seal_version": credential.seal_version,
        "created_at_ms": to_ms(credential.created_at),
        "updated_at_ms": to_ms(credential.updated_at),
        "version": credential.version,
    }


def row_to_credential(row: Mapping[Any, Any]) -> ProviderCredential:
    """The credential of a row of `provider_credentials`."""
    return ProviderCredential(
        id=row["id"],
        organisation_id=row["organisation_id"],
        environment_id=row["environment_id"],
        environment=row["environment"],
        provider=row["provider"],
        name=row["name"],
        secret_label=row["secret_label"],
        sealed=row_to_seal(row),
        seal_version=row["seal_version"],
        host=row["host"],
        created_at=from_ms(row["created_at_ms"]),
        updated_at=from_ms(row["updated_at_ms"]),
        base_url=row["base_url"],
        variables=json.loads(row["variables"]),
        region=row["region"],
        models=_tuple(row["models"]),
        allowed_keys=_tuple(row["allowed_keys"]),
        is_fallback=row["is_fallback"],
        always_use=row["always_use"],
        sort_order=row["sort_order"],
        weight=row["weight"],
        is_disabled=row["is_disabled"],
        is_retaining=row["is_retaining"],
        quarantined_until=None if row["quarantined_until_ms"] is None else from_ms(row["quarantined_until_ms"]),
        quarantine_reason=row["quarantine_reason"],
        creator_id=row["creator_id"],
        version=row["version"],
    )


def place_in_order(credential: ProviderCredential) -> tuple[str, int, str]:
    """Where it stands in the order in which credentials are tried."""
    return credential.provider, credential.sort_order, credential.id


def _list(values: tuple[str, ...] | None) -> str | None:
    return None if values is None else json.dumps(values)


def _tuple(text: str | None) -> tuple[str, ...] | None:
    return None if text is None else tuple(json.loads(text))
