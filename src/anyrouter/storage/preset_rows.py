"""Presets as rows and back: one meaning for every store, the one in memory included."""

from collections.abc import Mapping
from typing import Any

import msgspec

from anyrouter.core.errors import Denied
from anyrouter.core.preset import Preset
from anyrouter.storage.records import from_ms, to_ms

# What `update_preset` never changes.
FIXED_PRESET_COLUMNS = frozenset({"id", "organisation_id", "environment_id", "slug", "created_at_ms"})
NO_PRESET = Denied(code="not_found", message="There is no such preset.")
CHANGED_PRESET = Denied(code="etag_mismatch", message="The preset was changed meanwhile. Read it again, then repeat the change.")


def taken_slug(preset: Preset) -> Denied:
    """The refusal of a second preset of one slug."""
    return Denied(code="duplicate_name", message=f"a preset {preset.slug} exists in this environment", param="slug")


def preset_to_row(preset: Preset) -> dict[str, Any]:
    """The row of `presets`."""
    return {
        "id": preset.id,
        "organisation_id": preset.organisation_id,
        "environment_id": preset.environment_id,
        "slug": preset.slug,
        "name": preset.name,
        "description": preset.description,
        "dialect": preset.dialect,
        "system_prompt": preset.system_prompt,
        "members": msgspec.json.encode({name: msgspec.Raw(value) for name, value in preset.members.items()}).decode(),
        "version": preset.version,
        "created_at_ms": to_ms(preset.created_at),
        "updated_at_ms": to_ms(preset.updated_at),
    }


def row_to_preset(row: Mapping[Any, Any]) -> Preset:
    """The preset of a row of `presets`."""
    members = msgspec.json.decode(row["members"], type=dict[str, msgspec.Raw])
    return Preset(
        id=row["id"],
        organisation_id=row["organisation_id"],
        environment_id=row["environment_id"],
        slug=row["slug"],
        name=row["name"],
        description=row["description"],
        dialect=row["dialect"],
        system_prompt=row["system_prompt"],
        members={name: bytes(value) for name, value in members.items()},
        version=row["version"],
        created_at=from_ms(row["created_at_ms"]),
        updated_at=from_ms(row["updated_at_ms"]),
    )
