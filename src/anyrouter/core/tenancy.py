"""Organisations, environments and members: who owns things, what is kept apart, and who may do what."""

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from anyrouter.core.budget import BudgetPolicy

DEFAULT_ORGANISATION_ID = "org_default"


class EnvironmentKind(StrEnum):
    """What an environment's keys reach: real providers, or nothing but the simulated one."""

    LIVE = "live"
    SANDBOX = "sandbox"


class CreditMode(StrEnum):
    """`metered`: what is used is counted, and nothing is refused. `prepaid`: what is used is taken from credits, down to zero."""

    METERED = "metered"
    PREPAID = "prepaid"


class Role(StrEnum):
    """What a member may do, see `policy.rights`."""

    OWNER = "owner"
    ADMIN = "admin"
    DEVELOPER = "developer"
    BILLING = "billing"
    VIEWER = "viewer"


@dataclass(frozen=True, slots=True, kw_only=True)
class Organisation:
    """A tenant. `max_key_lifetime_s` bounds the expiry of its keys; `monthly_grant_nanousd` is given each month and does not roll over."""

    id: str
    name: str
    created_at: datetime
    is_active: bool = True
    max_key_lifetime_s: int | None = None
    credit_mode: CreditMode = CreditMode.METERED
    monthly_grant_nanousd: int = 0
    version: int = 1


@dataclass(frozen=True, slots=True, kw_only=True)
class Environment:
    """An isolated part of an organisation. `slug` is in the text of its keys and never changes. A deleted one keeps its slug.

    Limits are those of all its keys together; `budget_policy` is that of keys without their own. `is_managed`: the configuration file
    declares it.
    """

    id: str
    organisation_id: str
    slug: str
    name: str
    kind: EnvironmentKind
    is_active: bool = True
    rate_limit_rpm: int | None = None
    rate_limit_tpm: int | None = None
    concurrency: int | None = None
    budget_policy: BudgetPolicy | None = None
    is_managed: bool = False
    deleted_at: datetime | None = None
    version: int = 1


@dataclass(frozen=True, slots=True, kw_only=True)
class Member:
    """A person in an organisation. `email` is in lower case. One that was removed is kept, inactive, for the audit log."""

    id: str
    organisation_id: str
    email: str
    name: str
    role: Role
    created_at: datetime
    is_active: bool = True
    version: int = 1


@dataclass(frozen=True, slots=True, kw_only=True)
class Invitation:
    """An offer of membership. `digest` is that of its token, whose text only the invited person gets."""

    id: str
    organisation_id: str
    email: str
    role: Role
    digest: bytes
    created_at: datetime
    expires_at: datetime
    creator_id: str | None = None
    accepted_at: datetime | None = None
    revoked_at: datetime | None = None
