"""Requests and replies about presets, as types: their schemas are what /openapi.json says.

Where OpenRouter's published clients require a field of an object, it is here, beside ours.
"""

from typing import Annotated, Any, Literal

import msgspec
from msgspec import UNSET, Meta, UnsetType

from anyrouter.web.api.replies import Count, Moment

Dialect = Annotated[str, Meta(description="The wire format whose words `config` has", examples=["openai", "anthropic", "responses"])]
Config = Annotated[dict[str, Any], Meta(description="Top-level members of a request: model, temperature, provider …")]


class PresetCreation(msgspec.Struct, kw_only=True, forbid_unknown_fields=True):
    """A preset to be made. Without an `environment` it is for the key's own."""

    slug: Annotated[str, Meta(description="What requests ask for it by: `@preset/slug`")]
    config: Config = msgspec.field(default_factory=dict)
    name: str | None = None
    description: str | None = None
    system_prompt: str | None = None
    dialect: Dialect = "openai"
    environment: str | None = None


class PresetChange(msgspec.Struct, kw_only=True, forbid_unknown_fields=True):
    """What is to be different. `config` replaces the former one whole; null takes a description or system prompt away."""

    config: Config | UnsetType = UNSET
    name: str | UnsetType = UNSET
    description: str | UnsetType | None = UNSET
    system_prompt: str | UnsetType | None = UNSET
    dialect: Dialect | UnsetType = UNSET


class PresetRequest(msgspec.Struct, kw_only=True):
    """The body of a request for inference: what is not of one request alone becomes the preset."""

    model: str | None = None


class PresetRow(msgspec.Struct, kw_only=True):
    """A preset, without what it says."""

    id: str
    slug: str
    name: str
    description: str | None
    environment: str
    dialect: Dialect
    version: Annotated[int, Meta(ge=1, description="Rises by one with every change")]
    status: Literal["active"]
    designated_version_id: str
    created_at: Moment
    updated_at: Moment
    status_updated_at: Moment | None
    creator_user_id: str | None
    workspace_id: str


class PresetVersion(msgspec.Struct, kw_only=True):
    """What a preset says."""

    id: str
    preset_id: str
    version: int
    system_prompt: str | None
    config: Config
    created_at: Moment
    updated_at: Moment
    creator_id: str


class PresetItem(PresetRow, kw_only=True):
    """A preset, and what it says."""

    designated_version: PresetVersion


class PresetReply(msgspec.Struct, kw_only=True):
    """One preset."""

    data: PresetItem


class PresetsReply(msgspec.Struct, kw_only=True):
    """The presets of an environment, by slug. `next_cursor` is null on the last page."""

    data: list[PresetRow]
    total_count: Count
    next_cursor: str | None


class DeletedReply(msgspec.Struct, kw_only=True):
    """It is gone."""

    deleted: Literal[True]
