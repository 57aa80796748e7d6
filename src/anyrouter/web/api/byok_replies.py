"""Requests and replies about provider credentials, as types: their schemas are what /openapi.json says.

Where OpenRouter's published clients require a field of an object, it is here, beside ours. A secret is in requests only.
"""

from typing import Annotated, Any, Literal

import msgspec
from msgspec import UNSET, Meta, UnsetType

from anyrouter.web.api.replies import Count, Moment

Key = Annotated[
    str | dict[str, Any],
    Meta(description="The secret, write only: an API key as a text, an access key or a service account's key as an object"),
]
Names = Annotated[list[str], Meta(max_length=1000)]
Variables = Annotated[dict[str, str], Meta(description="Parts of the provider's address that differ between accounts, such as `resource`")]
Status = Annotated[
    Literal["active", "disabled", "needs_secret", "quarantined"],
    Meta(description="`needs_secret`: its host was changed, so `key` must be entered again. `quarantined`: refused by its provider lately"),
]
BaseUrl = Annotated[str, Meta(description="Another address than the provider's: public and https, unless the operator allows the host")]
AllowedKeys = Annotated[
    list[str], Meta(description="Ids of the API keys that may use it, with their rotations; null: all", max_length=1000)
]
AlwaysUse = Annotated[bool, Meta(description="The operator's own credential is never used where this one applies")]
IsFallback = Annotated[bool, Meta(description="The operator's own credential may be used when this one fails")]
Zdr = Annotated[bool, Meta(description="Whether the account has zero data retention")]


class CredentialCreation(msgspec.Struct, kw_only=True, forbid_unknown_fields=True):
    """A credential to be entered. Without an `environment` it is for the key's own."""

    provider: Annotated[str, Meta(description="The provider's id, as GET /providers has it")]
    key: Key
    environment: str | None = None
    name: str | None = None
    base_url: BaseUrl | None = None
    region: str | None = None
    variables: Variables | None = None
    models: Names | None = None
    allowed_keys: AllowedKeys | None = None
    is_fallback: IsFallback = False
    always_use: AlwaysUse = False
    sort_order: int = 0
    weight: int = 1
    disabled: bool = False
    zdr: Zdr | None = None
    allowed_models: Names | None = None
    allowed_api_key_hashes: AllowedKeys | None = None
    allowed_user_ids: None = None
    workspace_id: str | None = None

    def __repr__(self) -> str:
        return "CredentialCreation(hidden)"


class CredentialChange(msgspec.Struct, kw_only=True, forbid_unknown_fields=True):
    """What is to be different. Null takes a restriction away."""

    key: Key | UnsetType = UNSET
    name: str | UnsetType = UNSET
    base_url: BaseUrl | UnsetType | None = UNSET
    region: str | UnsetType | None = UNSET
    variables: Variables | UnsetType = UNSET
    models: Names | UnsetType | None = UNSET
    allowed_keys: AllowedKeys | UnsetType | None = UNSET
    is_fallback: IsFallback | UnsetType = UNSET
    always_use: AlwaysUse | UnsetType = UNSET
    sort_order: int | UnsetType = UNSET
    weight: int | UnsetType = UNSET
    disabled: bool | UnsetType = UNSET
    zdr: Zdr | UnsetType | None = UNSET
    allowed_models: Names | UnsetType | None = UNSET
    allowed_api_key_hashes: AllowedKeys | UnsetType | None = UNSET
    allowed_user_ids: UnsetType | None = UNSET

    def __repr__(self) -> str:
        return "CredentialChange(hidden)"


class CredentialItem(msgspec.Struct, kw_only=True):
    """A credential, without its secret."""

    id: str
    provider: str
    name: str
    environment: str
    label: Annotated[
        str, Meta(description="What the secret is known by: at most its kind and its last four letters", examples=["sk-…AbCd"])
    ]
    status: Status
    disabled: bool
    base_url: str | None
    host: Annotated[str, Meta(description="Where the secret is sent, and nowhere else")]
    variables: dict[str, str]
    region: str | None
    models: list[str] | None
    allowed_keys: list[str] | None
    is_fallback: IsFallback
    always_use: AlwaysUse
    sort_order: Annotated[int, Meta(description="The lowest is tried first; those that are equal take turns by `weight`")]
    weight: int
    zdr: bool | None
    quarantined_until: Moment | None
    quarantine_reason: str | None
    version: Annotated[int, Meta(ge=1, description="Rises by one with every change")]
    created_at: Moment
    updated_at: Moment
    allowed_models: list[str] | None
    allowed_api_key_hashes: list[str] | None
    allowed_user_ids: list[str] | None
    declared_region: str | None
    declared_zdr: bool | None
    is_byok_only: bool
    is_required: bool
    workspace_id: str


class CredentialReply(msgspec.Struct, kw_only=True):
    """One credential."""

    data: CredentialItem


class CredentialsReply(msgspec.Struct, kw_only=True):
    """Credentials in the order in which they are tried: provider, `sort_order`, id. `next_cursor` is null on the last page."""

    data: list[CredentialItem]
    total_count: Count
    next_cursor: str | None


class TestItem(msgspec.Struct, kw_only=True):
    """How the provider took the credential."""

    __test__ = False  # nothing for pytest to collect

    ok: Annotated[bool | None, Meta(description="null: it could not be told, `message` says why")]
    status: Annotated[int | None, Meta(description="The provider's HTTP status; null: it did not answer")]
    latency_ms: int
    message: str


class TestReply(msgspec.Struct, kw_only=True):
    """What a test came to."""

    __test__ = False

    data: TestItem
