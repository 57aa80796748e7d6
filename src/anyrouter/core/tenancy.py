"""Organisations and environments: who owns things, and what is kept apart."""

from dataclasses import dataclass
from enum import StrEnum

DEFAULT_ORGANISATION_ID = "org_default"


class EnvironmentKind(StrEnum):
    """What an environment's keys reach: real providers, or nothing but the simulated one."""

    LIVE = "live"
    SANDBOX = "sandbox"


@dataclass(frozen=True, slots=True, kw_only=True)
class Environment:
    """An isolated part of an organisation. `slug` is in the text of its keys and never changes."""

    id: str
    organisation_id: str
    slug: str
    name: str
    kind: EnvironmentKind
    is_active: bool = True
    rate_limit_rpm: int | None = None
