"""Presets in the database."""

from sqlalchemy import ColumnElement, Connection, Delete, Update, and_, delete, insert, select, update

from anyrouter.core.audit import AuditEvent
from anyrouter.core.errors import ClientError, InternalError, StorageUnavailable
from anyrouter.core.preset import Preset
from anyrouter.storage.database import Database
from anyrouter.storage.preset_rows import CHANGED_PRESET, FIXED_PRESET_COLUMNS, NO_PRESET, preset_to_row, row_to_preset, taken_slug
from anyrouter.storage.schema import presets
from anyrouter.storage.sql_audit import append_event
from anyrouter.storage.sql_keys import OnChange, bump_epoch


class SqlPresetStore:
    """`PresetStore`. `on_change` is told the organisation as soon as a change of this process is committed."""

    def __init__(self, database: Database, *, on_change: OnChange) -> None:
        self._database, self._on_change = database, on_change

    async def add_preset(self, preset: Preset, event: AuditEvent) -> None:
        """Store a new preset; ClientError `duplicate_name` when its environment has one of that slug."""

        def work(connection: Connection) -> None:
            connection.execute(insert(presets), preset_to_row(preset))
            append_event(connection, event)
            bump_epoch(connection, preset.organisation_id)

        try:
            await self._database.write(work)
        except StorageUnavailable:
            raise
        except InternalError:
            if await self.find_preset(preset.organisation_id, preset.environment_id, preset.slug) is not None:
                raise ClientError(taken_slug(preset)) from None
            raise
        self._on_change(preset.organisation_id)

    async def find_preset(self, organisation_id: str, environment_id: str, slug: str) -> Preset | None:
        """One preset."""
        place = (presets.c.organisation_id == organisation_id, presets.c.environment_id == environment_id, presets.c.slug == slug)

        def work(connection: Connection) -> Preset | None:
            row = connection.execute(select(presets).where(*place)).mappings().first()
            return None if row is None else row_to_preset(row)

        return await self._database.read(work)

    async def list_presets(self, organisation_id: str, *, environment_id: str | None = None) -> list[Preset]:
        """All of an environment's, or of the organisation's, by slug."""
        query = select(presets).where(presets.c.organisation_id == organisation_id)
        if environment_id is not None:
            query = query.where(presets.c.environment_id == environment_id)

        def work(connection: Connection) -> list[Preset]:
            found = [row_to_preset(row) for row in connection.execute(query).mappings()]
            return sorted(found, key=lambda preset: (preset.slug, preset.id))  # here: databases sort texts by their own rules

        return await self._database.read(work)

    async def update_preset(self, preset: Preset, event: AuditEvent) -> None:
        """Replace everything but what never changes, of the version before the preset's."""
        values = {name: value for name, value in preset_to_row(preset).items() if name not in FIXED_PRESET_COLUMNS}
        await self._change(preset, update(presets).where(_is(preset), presets.c.version == preset.version - 1).values(values), event)

    async def delete_preset(self, preset: Preset, event: AuditEvent) -> None:
        """Forget it; ClientError `not_found`, or `etag_mismatch` when it is not there in the preset's version."""
        await self._change(preset, delete(presets).where(_is(preset), presets.c.version == preset.version), event)

    async def _change(self, preset: Preset, change: Update | Delete, event: AuditEvent) -> None:
        def work(connection: Connection) -> None:
            if connection.execute(change).rowcount == 0:
                is_there = connection.execute(select(presets.c.id).where(_is(preset))).first() is not None
                raise ClientError(CHANGED_PRESET if is_there else NO_PRESET)
            append_event(connection, event)
            bump_epoch(connection, preset.organisation_id)

        await self._database.write(work)
        self._on_change(preset.organisation_id)


def _is(preset: Preset) -> ColumnElement[bool]:
    return and_(presets.c.organisation_id == preset.organisation_id, presets.c.id == preset.id)
