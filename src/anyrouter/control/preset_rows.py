"""Presets as they are shown: this contract's fields beside all of those that OpenRouter's published clients require."""

import hashlib
from datetime import UTC, datetime
from typing import Any

import msgspec

from anyrouter.core.preset import Preset

_SHOWN_BYTES = 256  # of a member's value in the audit log


def preset_facts(preset: Preset) -> dict[str, Any]:
    """What the audit log says of a preset. Of prompts, and of members that may hold anything, it tells only whether they are others."""
    prompt = preset.system_prompt
    return {
        "name": preset.name,
        "description": preset.description,
        "dialect": preset.dialect,
        "system_prompt": None if prompt is None else f"{len(prompt)} characters, {_digest(prompt.encode())}",
        "config": {name: _show(value) for name, value in preset.members.items()},
    }


def _show(value: bytes) -> Any:
    return _digest(value) if value[:1] in b"{[" or len(value) > _SHOWN_BYTES else msgspec.json.decode(value)


def _digest(value: bytes) -> str:
    return f"sha256:{hashlib.sha256(value).hexdigest()[:16]}"


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
