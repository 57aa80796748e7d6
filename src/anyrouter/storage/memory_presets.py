"""Presets in memory. They give the same answers as those in the database."""

from collections.abc import Callable
from typing import Any

from anyrouter.core.audit import AuditEvent
from anyrouter.core.errors import ClientError
from anyrouter.core.preset import Preset
from anyrouter.storage.memory_audit import MemoryAuditLog
from anyrouter.storage.preset_rows import CHANGED_PRESET, FIXED_PRESET_COLUMNS, NO_PRESET, preset_to_row, row_to_preset, taken_slug

Row = dict[str, Any]


class MemoryPresetStore:
    """`PresetStore`. Keeps rows, not presets: what a database would round or reorder is so here too."""

    def __init__(self, *, on_change: Callable[[str], None], log: MemoryAuditLog) -> None:
        self._rows: dict[str, Row] = {}
        self._on_change, self._log = on_change, log

    async def add_preset(self, preset: Preset, event: AuditEvent) -> None:
        """Store a new preset; ClientError `duplicate_name` when its environment has one of that slug."""
        if any((row["environment_id"], row["slug"]) == (preset.environment_id, preset.slug) for row in self._rows.values()):
            raise ClientError(taken_slug(preset))
        self._log.append(event)
        self._rows[preset.id] = preset_to_row(preset)
        self._on_change(preset.organisation_id)

    async def find_preset(self, organisation_id: str, environment_id: str, slug: str) -> Preset | None:
        """One preset."""
        mine = await self.list_presets(organisation_id, environment_id=environment_id)
        return next((preset for preset in mine if preset.slug == slug), None)

    async def list_presets(self, organisation_id: str, *, environment_id: str | None = None) -> list[Preset]:
        """All of an environment's, or of the organisation's, by slug."""
        mine = [row for row in self._rows.values() if row["organisation_id"] == organisation_id]
        wanted = [row for row in mine if environment_id in {None, row["environment_id"]}]
        return [row_to_preset(row) for row in sorted(wanted, key=lambda row: (row["slug"], row["id"]))]

    async def update_preset(self, preset: Preset, event: AuditEvent) -> None:
        """Replace everything but what never changes, of the version before the preset's."""
        row = self._find(preset, preset.version - 1)
        self._log.append(event)
        row.update((name, value) for name, value in preset_to_row(preset).items() if name not in FIXED_PRESET_COLUMNS)
        self._on_change(preset.organisation_id)

    async def delete_preset(self, preset: Preset, event: AuditEvent) -> None:
        """Forget it; ClientError `not_found`, or `etag_mismatch` when it is not there in the preset's version."""
        row = self._find(preset, preset.version)
        self._log.append(event)
        del self._rows[row["id"]]
        self._on_change(preset.organisation_id)

    def _find(self, preset: Preset, version: int) -> Row:
        row = self._rows.get(preset.id)
        if row is None or row["organisation_id"] != preset.organisation_id:
            raise ClientError(NO_PRESET)
        if row["version"] != version:
            raise ClientError(CHANGED_PRESET)
        return row
