"""The record of an API key: everything that is kept of it. The key's own text is not."""

from dataclasses import dataclass
from datetime import datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class ApiKey:
    """An issued key. Times are aware UTC; a restriction that is None does not restrict.

    `models` holds ids and `vendor/*` patterns. Keys of one `rotation_group` share limits, budgets and usage.
    `rate_limit_rpm` None inherits the environment's limit; 0 blocks the key.
    """

    id: str
    organisation_id: str
    environment_id: str
    environment: str
    name: str
    label: str
    digest: bytes
    pepper_version: int
    rotation_group: str
    scopes: frozenset[str]
    created_at: datetime
    updated_at: datetime
    models: tuple[str, ...] | None = None
    endpoints: tuple[str, ...] | None = None
    providers: tuple[str, ...] | None = None
    allowed_ips: tuple[str, ...] | None = None
    rate_limit_rpm: int | None = None
    not_before: datetime | None = None
    expires_at: datetime | None = None
    is_disabled: bool = False
    deleted_at: datetime | None = None
    last_used_at: datetime | None = None
    last_used_ip: str | None = None
    last_used_user_agent: str | None = None

    def __repr__(self) -> str:
        """Without the digest: records end up in logs."""
        return f"ApiKey({self.id}, {self.label})"
