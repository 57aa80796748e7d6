"""Requests and replies about keys, as types: their schemas are what /openapi.json says.

The names that another gateway's published clients send and require are among them.
"""

from decimal import Decimal
from typing import Annotated, Literal

import msgspec
from msgspec import UNSET, Meta, UnsetType

from anyrouter.control.key_health import KeyHint
from anyrouter.control.rotation import DEFAULT_GRACE_S, MAX_GRACE_S
from anyrouter.web.api.replies import Moment, Usd

Strings = list[str]
Amount = Annotated[Decimal, Meta(description="US dollars, as a number or a text, with at most nine digits after the point")]
When = Annotated[str, Meta(description="RFC 3339 with an offset, or a span from now on such as 90m, 12h or 30d")]
Reset = Annotated[
    Literal["daily", "weekly", "monthly", "total"],
    Meta(description="When the limit is whole again: at midnight UTC, on Monday, on the 1st, never"),
]
Policy = Annotated[
    Literal["clamp", "strict", "optimistic"],
    Meta(description="What becomes of a request that could cost more than is left; null: as the environment says"),
]
Scopes = Annotated[Strings, Meta(description="Null: completions:write, embeddings:write, models:read, usage:read")]
Models = Annotated[Strings, Meta(description="Ids and `vendor/*` patterns; null: all")]
Endpoints = Annotated[Strings, Meta(description="Paths below /api/v1 such as chat/completions; null: all")]
Providers = Annotated[Strings, Meta(description="Ids of providers; null: all")]
Regions = Annotated[Strings, Meta(description="Regions as the upstreams name them; null: all")]
Addresses = Annotated[Strings, Meta(description="IPv4 and IPv6 addresses and networks (CIDR); null: all")]
Number = Annotated[int, Meta(description="0 blocks; null: as the environment says")]
Tags = Annotated[Strings, Meta(description="At most 20 texts of at most 64 characters: usage can be grouped by them")]
NotCounted = Annotated[
    Literal[False], Meta(description="What is paid to a provider with a credential of your own never counts here: only false is taken")
]


class KeyRestrictions(msgspec.Struct, kw_only=True, forbid_unknown_fields=True):
    """What a key may do. What is left out is not said, null restricts nothing."""

    scopes: Scopes | UnsetType | None = UNSET
    models: Models | UnsetType | None = UNSET
    endpoints: Endpoints | UnsetType | None = UNSET
    providers: Providers | UnsetType | None = UNSET
    regions: Regions | UnsetType | None = UNSET
    allowed_ips: Addresses | UnsetType | None = UNSET
    not_before: When | UnsetType | None = UNSET
    expires_at: When | UnsetType | None = UNSET
    rate_limit_rpm: Number | UnsetType | None = UNSET
    rate_limit_tpm: Number | UnsetType | None = UNSET
    rate_limit_rpd: Number | UnsetType | None = UNSET
    concurrency: Number | UnsetType | None = UNSET
    limit: Amount | UnsetType | None = UNSET
    limit_reset: Reset | UnsetType | None = UNSET
    include_byok_in_limit: NotCounted | UnsetType | None = UNSET
    budget_policy: Policy | UnsetType | None = UNSET
    tags: Tags | UnsetType | None = UNSET


class KeyCreation(KeyRestrictions, kw_only=True, forbid_unknown_fields=True):
    """A key to be made. `environment` left out is the asking key's own."""

    name: str
    environment: str | None = None
    kind: Literal["service", "personal"] = "service"
    member_id: Annotated[str | None, Meta(description="Whose personal key it is")] = None


class KeyChange(KeyRestrictions, kw_only=True, forbid_unknown_fields=True):
    """What is to be different."""

    name: str | UnsetType = UNSET
    disabled: bool | UnsetType = UNSET


class KeyRotation(msgspec.Struct, kw_only=True, forbid_unknown_fields=True):
    """How the old key ends."""

    grace_seconds: Annotated[float | int, Meta(description=f"How long the old key goes on: a whole number from 0 to {MAX_GRACE_S}")] = (
        DEFAULT_GRACE_S
    )
    start: Annotated[Literal["now", "first_use"], Meta(description="Whether that begins now or when the new key is first used")] = "now"


class KeyRevocation(msgspec.Struct, kw_only=True, forbid_unknown_fields=True):
    """Keys that are to end, whoever's they are."""

    keys: Annotated[list[str], Meta(min_length=1, max_length=1000, description="The texts of keys")]


class KeyRow(msgspec.Struct, kw_only=True):
    """A key as those see it who manage keys. `hash` equals `id` and tells nothing of the secret; usage is that of the rotation group."""

    id: str
    hash: str
    label: Annotated[str, Meta(description="The head of the key and six characters of its body")]
    name: str
    environment: str
    kind: Literal["service", "personal"]
    member_id: str | None
    state: Annotated[str, Meta(description="active, blocked, disabled, expired or not_yet_valid")]
    disabled: bool
    scopes: Strings
    models: Strings | None
    endpoints: Strings | None
    providers: Strings | None
    regions: Strings | None
    allowed_ips: Strings | None
    rate_limit_rpm: int | None
    rate_limit_tpm: int | None
    rate_limit_rpd: int | None
    concurrency: int | None
    limit: Usd | None
    limit_remaining: Annotated[Usd | None, Meta(description="What is left of the limit in this period")]
    limit_reset: Annotated[Literal["daily", "weekly", "monthly"] | None, Meta(description="Null: never")]
    include_byok_in_limit: Literal[False]
    budget_policy: Policy | None
    tags: Strings
    health: Annotated[list[KeyHint], Meta(description="What wants a look")]
    not_before: Moment | None
    expires_at: Moment | None
    created_at: Moment
    updated_at: Moment
    last_used_at: Moment | None
    last_used_ip: str | None
    last_used_user_agent: str | None
    rotation_group: str
    rotated_from: str | None
    superseded_by: str | None
    grace_seconds: Annotated[int | None, Meta(description="Of a rotated key whose grace begins with the first use of the new one")]
    usage: Usd
    usage_daily: Usd
    usage_weekly: Usd
    usage_monthly: Usd
    byok_usage: Usd
    byok_usage_daily: Usd
    byok_usage_weekly: Usd
    byok_usage_monthly: Usd
    can_reveal: Literal[False]
    creator_user_id: Annotated[str | None, Meta(description="The member or key that made it; null: the operator")]
    external_user: None
    workspace_id: str


class KeyRowReply(msgspec.Struct, kw_only=True):
    """One key."""

    data: KeyRow


class NewKeyReply(msgspec.Struct, kw_only=True):
    """A new key. `key` is its text: here, and nowhere else ever."""

    data: KeyRow
    key: Annotated[str | None, Meta(description="Null where the reply is given again for an Idempotency-Key")]


class KeysReply(msgspec.Struct, kw_only=True):
    """Keys, oldest first. `next_cursor` is null on the last page."""

    data: list[KeyRow]
    next_cursor: str | None


class RevokedReply(msgspec.Struct, kw_only=True):
    """The texts were taken. Whether there were such keys is not told."""

    accepted: Literal[True]
