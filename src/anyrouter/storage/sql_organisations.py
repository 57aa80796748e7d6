"""Organisations in the database."""

from sqlalchemy import Connection, select

from anyrouter.core.tenancy import Organisation
from anyrouter.storage.database import Database
from anyrouter.storage.records import row_to_organisation
from anyrouter.storage.schema import organisations
from anyrouter.storage.sql_keys import OnChange


class SqlOrganisationStore:
    """Organisations. `on_change` as in `SqlKeyStore`."""

    def __init__(self, database: Database, *, on_change: OnChange) -> None:
        self._database, self._on_change = database, on_change

    async def list_organisations(self) -> list[Organisation]:
        """All, active or not, oldest first."""
        query = select(organisations).order_by(organisations.c.created_at_ms, organisations.c.id)

        def work(connection: Connection) -> list[Organisation]:
            return [row_to_organisation(row) for row in connection.execute(query).mappings()]

        return await self._database.read(work)
