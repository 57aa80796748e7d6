"""Environments in the database."""

from collections.abc import Callable

from sqlalchemy import ColumnElement, Connection, and_, insert, select, update

from anyrouter.control.environments import CHANGED_ENVIRONMENT, NO_ENVIRONMENT
from anyrouter.core.audit import AuditEvent
from anyrouter.core.errors import ClientError, InternalError, StorageUnavailable
from anyrouter.core.tenancy import Environment
from anyrouter.storage.database import Database
from anyrouter.storage.records import (
    FIXED_ENVIRONMENT_COLUMNS,
    environment_to_row,
    row_to_environment,
    taken_environment,
)
from anyrouter.storage.schema import environments
from anyrouter.storage.sql_audit import append_event
from anyrouter.storage.sql_keys import OnChange, bump_epoch


class SqlEnvironmentStore:
    """`EnvironmentStore`. `on_change` as in `SqlKeyStore`."""

    def __init__(self, database: Database, *, on_change: OnChange) -> None:
        self._database, self._on_change = database, on_change

    async def list_environments(self, organisation_id: str) -> list[Environment]:
        """All of an organisation's, inactive and deleted ones too, by slug."""
        query = select(environments).where(environments.c.organisation_id == organisation_id).order_by(environments.c.slug)

        def work(connection: Connection) -> list[Environment]:
            return [row_to_environment(row) for row in connection.execute(query).mappings()]

        return await self._database.read(work)

    async def add_environment(self, environment: Environment, event: AuditEvent) -> None:
        """Store a new one; ClientError `duplicate_name` when its organisation has or had one of that slug."""
        try:
            await self._change(
                environment, event, lambda connection: connection.execute(insert(environments), environment_to_row(environment))
            )
        except StorageUnavailable:
            raise
        except InternalError:
            if any(row.slug == environment.slug for row in await self.list_environments(environment.organisation_id)):
                raise ClientError(taken_environment(environment)) from None
            raise

    async def update_environment(self, environment: Environment, event: AuditEvent) -> None:
        """Replace everything but id, organisation, slug and kind; ClientError `not_found`, `etag_mismatch`."""
        values = {name: value for name, value in environment_to_row(environment).items() if name not in FIXED_ENVIRONMENT_COLUMNS}

        def work(connection: Connection) -> None:
            former = and_(_is(environment), environments.c.version == environment.version - 1)
            if connection.execute(update(environments).where(former).values(values)).rowcount == 0:
                is_there = connection.execute(select(environments.c.id).where(_is(environment))).first() is not None
                raise ClientError(CHANGED_ENVIRONMENT if is_there else NO_ENVIRONMENT)

        await self._change(environment, event, work)

    async def _change(self, environment: Environment, event: AuditEvent, work: Callable[[Connection], object]) -> None:
        def whole(connection: Connection) -> None:
            work(connection)
            append_event(connection, event)
            bump_epoch(connection, environment.organisation_id)

        await self._database.write(whole)
        self._on_change(environment.organisation_id)


def _is(environment: Environment) -> ColumnElement[bool]:
    return and_(environments.c.organisation_id == environment.organisation_id, environments.c.id == environment.id)
