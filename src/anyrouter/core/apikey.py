"""The record of an API key: everything that is kept of it. The key's own text is not."""

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from anyrouter.core.budget import BudgetPeriod, BudgetPolicy

FIRST_KEY_NAME = "first key"  # that of the key which an installation's first start makes


class KeyKind(StrEnum):
    """Whose a key is: a program's, or a person's, with whose membership it ends."""

    SERVICE = "service"
    PERSONAL = "personal"


@dataclass(frozen=True, slots=True, kw_only=True)
class ApiKey:
    """An issued key. Times are aware UTC; a restriction that is None does not restrict.

    `models` holds ids and `vendor/*` patterns, `allowed_ips` addresses and networks. Keys of one `rotation_group` share limits,
    budgets and usage. Of limits None inherits the environment's; 0 blocks the key. `rate_limit_rpd` counts days of UTC.
    `limit_nanousd` is what the group may cost in each `limit_reset` period, in all without one.

    `creator_id` is who made it: a member, a key, None for the operator. A personal key has its `member_id`.
    Rotation: the old key has its successor's id in `superseded_by`, and where its grace begins with the successor's first use, `grace_s`
    until that has happened; the end of the grace is its `expires_at`. The new key has the old one's id in `rotated_from`.
    `version` starts at 1 and rises with every change: an ETag is made of it.
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
    regions: tuple[str, ...] | None = None
    allowed_ips: tuple[str, ...] | None = None
    rate_limit_rpm: int | None = None
    rate_limit_tpm: int | None = None
    rate_limit_rpd: int | None = None
    concurrency: int | None = None
    limit_nanousd: int | None = None
    limit_reset: BudgetPeriod = BudgetPeriod.TOTAL
    budget_policy: BudgetPolicy | None = None
    not_before: datetime | None = None
    expires_at: datetime | None = None
    is_disabled: bool = False
    deleted_at: datetime | None = None
    last_used_at: datetime | None = None
    last_used_ip: str | None = None
    last_used_user_agent: str | None = None
    kind: KeyKind = KeyKind.SERVICE
    member_id: str | None = None
    creator_id: str | None = None
    tags: tuple[str, ...] = ()
    rotated_from: str | None = None
    superseded_by: str | None = None
    grace_s: int | None = None
    version: int = 1

    def __repr__(self) -> str:
        """Without the digest: records end up in logs."""
        return f"ApiKey({self.id}, {self.label})"
