"""Presets as they are shown: this contract's fields beside all of those that OpenRouter's published clients require."""

from datetime import UTC, datetime
from typing import Any

import msgspec

from anyrouter.core.preset import Preset


def describe_preset(preset: Preset, environment: str) -> dict[str, Any]:
    """A row, without what the preset says. `environment` is the slug of the preset's own."""
    return {
        "id": preset.id,
        "slug": preset.slug,
        "name": preset.name,
        "description": preset.description,
        "environment": environment,
        "dialect": preset.dialect,
        "version": preset.version,
        "status": "active",
        "designated_version_id": _version_id(preset),
        "created_at": _rfc3339(preset.created_at),
        "updated_at": _rfc3339(preset.updated_at),
        "status_updated_at": None,
        "creator_user_id": None,
        "workspace_id": preset.organisation_id,
    }


def describe_version(preset: Preset) -> dict[str, Any]:
    """What the preset says now."""
    return {
        "id": _version_id(preset),
        "preset_id": preset.id,
        "version": preset.version,
        "system_prompt": preset.system_prompt,
        "config": {name: msgspec.json.decode(value) for name, value in preset.members.items()},
        "created_at": _rfc3339(preset.updated_at),
        "updated_at": _rfc3339(preset.updated_at),
        "creator_id": preset.organisation_id,
    }


def _version_id(preset: Preset) -> str:
    return f"{preset.id}_v{preset.version}"


def _rfc3339(moment: datetime) -> str:
    return moment.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
