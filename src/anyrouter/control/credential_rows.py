"""What is shown of a credential, the same in replies, commands and the audit log: everything but its secret.

Beside our names stand those of OpenRouter's clients, which require them.
"""

from datetime import datetime
from typing import Any

from anyrouter.core.byok import ProviderCredential


def name_status(credential: ProviderCredential, now: datetime) -> str:
    """Whether it is used: `active`, `disabled`, `needs_secret`, or `quarantined` after its provider has refused it."""
    if credential.needs_secret:
        return "needs_secret"
    if credential.is_disabled:
        return "disabled"
    if credential.quarantined_until is not None and now < credential.quarantined_until:
        return "quarantined"
    return "active"


def describe_credential(credential: ProviderCredential, now: datetime) -> dict[str, Any]:
    """What a change may change, as JSON says it."""
    return {
        "provider": credential.provider,
        "name": credential.name,
        "environment": credential.environment,
        "label": credential.secret_label,
        "status": name_status(credential, now),
        "base_url": credential.base_url,
        "host": credential.host,
        "variables": dict(credential.variables),
        "region": credential.region,
        "models": None if credential.models is None else list(credential.models),
        "allowed_keys": None if credential.allowed_keys is None else list(credential.allowed_keys),
        "is_fallback": credential.is_fallback,
        "always_use": credential.always_use,
        "sort_order": credential.sort_order,
        "weight": credential.weight,
        "disabled": credential.is_disabled,
        "zdr": None if credential.is_retaining is None else not credential.is_retaining,
    }
