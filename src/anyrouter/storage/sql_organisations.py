"""Organisations in the database."""

from collections.abc import Callable, Sequence

from sqlalchemy import Connection, insert, select, update

from anyrouter.core.audit import AuditEvent
from anyrouter.core.errors import ClientError
from anyrouter.core.tenancy import Environment, Organisation
from anyrouter.storage.database import Database
from anyrouter.storage.records import (
    CHANGED_ORGANISATION,
    FIXED_ORGANISATION_COLUMNS,
    NO_ORGANISATION,
    environment_to_row,
    organisation_to_row,
    row_to_organisation,
)
from anyrouter.storage.schema import environments, organisations
from anyrouter.storage.sql_audit import append_event
from anyrouter.storage.sql_keys import OnChange, bump_epoch


class SqlOrganisationStore:
    """`OrganisationStore`. `on_change` as in `SqlKeyStore`."""

    def __init__(self, database: Database, *, on_change: OnChange) -> None:
        self._database, self._on_change = database, on_change

    async def list_organisations(self) -> list[Organisation]:
        """All, active or not, oldest first."""
        query = select(organisations).order_by(organisations.c.created_at_ms, organisations.c.id)

        def work(connection: Connection) -> list[Organisation]:
            return [row_to_organisation(row) for row in connection.execute(query).mappings()]

        return await self._database.read(work)

    async def add_organisation(self, organisation: Organisation, first: Sequence[Environment], event: AuditEvent) -> None:
        """Store a new one with its first environments."""

        def work(connection: Connection) -> None:
            connection.execute(insert(organisations), organisation_to_row(organisation))
            connection.execute(insert(environments), [environment_to_row(environment) for environment in first])

        await self._change(organisation, event, work)

    async def update_organisation(self, organisation: Organisation, event: AuditEvent) -> None:
        """Replace everything but id and created_at; ClientError `not_found`, `etag_mismatch`."""
        values = {name: value for name, value in organisation_to_row(organisation).items() if name not in FIXED_ORGANISATION_COLUMNS}
        is_same = organisations.c.id == organisation.id

        def work(connection: Connection) -> None:
            change = update(organisations).where(is_same, organisations.c.version == organisation.version - 1).values(values)
            if connection.execute(change).rowcount == 0:
                is_there = connection.execute(select(organisations.c.id).where(is_same)).first() is not None
                raise ClientError(CHANGED_ORGANISATION if is_there else NO_ORGANISATION)

        await self._change(organisation, event, work)

    async def _change(self, organisation: Organisation, event: AuditEvent, work: Callable[[Connection], object]) -> None:
        def whole(connection: Connection) -> None:
            work(connection)
            append_event(connection, event)
            bump_epoch(connection, organisation.id)

        await self._database.write(whole)
        self._on_change(organisation.id)
