"""Provider credentials of tenants (BYOK): what is kept of one, and how its secret is kept.

Compatibility law: a sealed secret is stored for years. Its format has a version; a version's meaning never changes.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime

SEAL_FORMAT = 1


@dataclass(frozen=True, slots=True, kw_only=True)
class Sealed:
    """A secret under a data key of its own (AES-256-GCM), which is under the key-encryption key named `kek_id`."""

    kek_id: str
    wrapped_key: bytes = field(repr=False)
    nonce: bytes = field(repr=False)
    ciphertext: bytes = field(repr=False)
    format: int = SEAL_FORMAT


# What is kept of a secret that was dropped: nothing. No KEK has an empty id.
NOTHING_SEALED = Sealed(kek_id="", wrapped_key=b"", nonce=b"", ciphertext=b"")
KEY_FIELD = "key"


@dataclass(frozen=True, slots=True, kw_only=True)
class SealPlace:
    """What a sealed secret belongs to: the associated data. In any other place it does not open."""

    organisation_id: str
    environment_id: str
    provider: str
    row_id: str
    field: str
    row_version: int
    host: str


@dataclass(frozen=True, slots=True, kw_only=True)
class ProviderCredential:
    """A tenant's credential at a provider, of one environment. A restriction that is None does not restrict.

    `models` holds ids and `vendor/*` patterns, `allowed_keys` rotation groups of keys.
    Credentials of one provider are tried by `sort_order`, the lowest first; those of equal order take turns by `weight`.
    `is_fallback`: the operator's own credential may be used when this one fails. `always_use`: the operator's is never used where this
    one applies. `seal_version` is the row version that the secret was sealed under; `secret_label` shows at most the secret's ends.
    `host` is where the secret may go, and nowhere else: the upstream's host, with its port unless that is https's own, and with `http://`
    before it where the operator allows that. When it changes the secret is dropped (`NOTHING_SEALED`) and must be entered again.
    `quarantined_until` (aware UTC): it is not used until then, for `quarantine_reason`.
    """

    id: str
    organisation_id: str
    environment_id: str
    environment: str
    provider: str
    name: str
    secret_label: str
    sealed: Sealed
    seal_version: int
    host: str
    created_at: datetime
    updated_at: datetime
    base_url: str | None = None
    variables: Mapping[str, str] = field(default_factory=dict)
    region: str | None = None
    models: tuple[str, ...] | None = None
    allowed_keys: tuple[str, ...] | None = None
    is_fallback: bool = False
    always_use: bool = False
    sort_order: int = 0
    weight: int = 1
    is_disabled: bool = False
    is_retaining: bool | None = None
    quarantined_until: datetime | None = None
    quarantine_reason: str | None = None
    creator_id: str | None = None
    version: int = 1

    @property
    def needs_secret(self) -> bool:
        """Whether its secret must be entered again before it can be used."""
        return not self.sealed.ciphertext

    @property
    def place(self) -> SealPlace:
        """Where its secret was sealed."""
        return SealPlace(
            organisation_id=self.organisation_id,
            environment_id=self.environment_id,
            provider=self.provider,
            row_id=self.id,
            field=KEY_FIELD,
            row_version=self.seal_version,
            host=self.host,
        )
