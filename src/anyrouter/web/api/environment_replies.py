"""Requests and replies about environments, as types: their schemas are what /openapi.json says."""

from typing import Annotated, Literal

import msgspec
from msgspec import UNSET, Meta, UnsetType

Slug = Annotated[str, Meta(description="2 to 16 lower-case letters and digits; it is in the text of keys and never changes")]
Kind = Annotated[
    Literal["live", "sandbox"], Meta(description="What its keys reach: real providers, or the simulated one alone. It never changes")
]
Limit = Annotated[int, Meta(description="Of all its keys together. 0 blocks; null: no limit of its own")]
Policy = Annotated[Literal["clamp", "strict", "optimistic"], Meta(description="Of keys that do not say it; null: clamp")]


class EnvironmentCreation(msgspec.Struct, kw_only=True, forbid_unknown_fields=True):
    """An environment to be made."""

    slug: Slug
    kind: Kind
    name: str | None = None
    rate_limit_rpm: Limit | None = None
    rate_limit_tpm: Limit | None = None
    concurrency: Limit | None = None
    budget_policy: Policy | None = None


class EnvironmentChange(msgspec.Struct, kw_only=True, forbid_unknown_fields=True):
    """What is to be different."""

    name: str | UnsetType = UNSET
    is_active: bool | UnsetType = UNSET
    rate_limit_rpm: Limit | UnsetType | None = UNSET
    rate_limit_tpm: Limit | UnsetType | None = UNSET
    concurrency: Limit | UnsetType | None = UNSET
    budget_policy: Policy | UnsetType | None = UNSET


class EnvironmentItem(msgspec.Struct, kw_only=True):
    """An environment. `is_managed`: the gateway's configuration file declares it, and only there it is changed."""

    id: str
    slug: Slug
    name: str
    kind: Kind
    is_active: bool
    rate_limit_rpm: Limit | None
    rate_limit_tpm: Limit | None
    concurrency: Limit | None
    budget_policy: Policy | None
    is_managed: bool
    workspace_id: str


class EnvironmentReply(msgspec.Struct, kw_only=True):
    """One environment."""

    data: EnvironmentItem


class EnvironmentsReply(msgspec.Struct, kw_only=True):
    """Environments, by slug. `next_cursor` is null on the last page."""

    data: list[EnvironmentItem]
    next_cursor: str | None
