"""Provider credentials and seals in the database. A secret gets here sealed, and every value travels as a parameter."""

from collections.abc import Callable, Mapping
from datetime import datetime

from sqlalchemy import ColumnElement, Connection, Table, and_, delete, func, insert, select, update

from anyrouter.control.stores import SealedRow
from anyrouter.core.audit import AuditEvent
from anyrouter.core.byok import ProviderCredential, Sealed
from anyrouter.core.errors import ClientError, InternalError, StorageUnavailable
from anyrouter.storage.credential_rows import (
    CHANGED_CREDENTIAL,
    NO_CREDENTIAL,
    changed_columns,
    credential_to_row,
    place_in_order,
    row_to_credential,
    row_to_seal,
    seal_to_row,
    taken_name,
)
from anyrouter.storage.database import Database
from anyrouter.storage.records import to_ms
from anyrouter.storage.schema_money import provider_credentials
from anyrouter.storage.schema_people import webhooks
from anyrouter.storage.schema_sign_in import second_factors
from anyrouter.storage.sql_audit import append_event
from anyrouter.storage.sql_keys import OnChange, bump_epoch

# Each with the column of the id under which its data keys are wrapped.
_SEALED: tuple[tuple[Table, ColumnElement[str]], ...] = (
    (provider_credentials, provider_credentials.c.id),
    (webhooks, webhooks.c.id),
    (second_factors, second_factors.c.member_id),
)


class SqlCredentialStore:
    """`CredentialStore`. `on_change` is told the organisation as soon as a change of this process is committed."""

    def __init__(self, database: Database, *, on_change: OnChange) -> None:
        self._database, self._on_change = database, on_change

    async def list_credentials(self, organisation_id: str, *, environment_id: str | None = None) -> list[ProviderCredential]:
        """All, in the order in which they are tried: provider, sort order, id."""
        query = select(provider_credentials).where(provider_credentials.c.organisation_id == organisation_id)
        if environment_id is not None:
            query = query.where(provider_credentials.c.environment_id == environment_id)

        def work(connection: Connection) -> list[ProviderCredential]:
            found = [row_to_credential(row) for row in connection.execute(query).mappings()]
            return sorted(found, key=place_in_order)  # here: databases sort texts by their own rules

        return await self._database.read(work)

    async def find_credential(self, organisation_id: str, credential_id: str) -> ProviderCredential | None:
        """One by its id."""
        query = select(provider_credentials).where(_is(organisation_id, credential_id))

        def work(connection: Connection) -> ProviderCredential | None:
            row = connection.execute(query).mappings().first()
            return None if row is None else row_to_credential(row)

        return await self._database.read(work)

    async def add_credential(self, credential: ProviderCredential, event: AuditEvent) -> None:
        """Store a new one; ClientError `duplicate_name`."""
        await self._change(
            credential, event, lambda connection: connection.execute(insert(provider_credentials), credential_to_row(credential)).rowcount
        )

    async def update_credential(self, credential: ProviderCredential, event: AuditEvent) -> None:
        """See the port."""
        same = _is(credential.organisation_id, credential.id)

        def work(connection: Connection) -> None:
            before = and_(same, provider_credentials.c.version == credential.version - 1)
            change = update(provider_credentials).where(before).values(changed_columns(credential))
            if connection.execute(change).rowcount == 0:
                is_there = connection.execute(select(provider_credentials.c.id).where(same)).first() is not None
                raise ClientError(CHANGED_CREDENTIAL if is_there else NO_CREDENTIAL)

        await self._change(credential, event, work)

    async def delete_credential(self, credential: ProviderCredential, event: AuditEvent) -> None:
        """Forget it; ClientError `not_found`."""

        def work(connection: Connection) -> None:
            if connection.execute(delete(provider_credentials).where(_is(credential.organisation_id, credential.id))).rowcount == 0:
                raise ClientError(NO_CREDENTIAL)

        await self._change(credential, event, work)

    async def note_quarantine(self, organisation_id: str, credential_id: str, until: datetime | None, reason: str | None) -> None:
        """See the port."""
        values = {"quarantined_until_ms": None if until is None else to_ms(until), "quarantine_reason": reason}
        change = update(provider_credentials).where(_is(organisation_id, credential_id)).values(values)

        def work(connection: Connection) -> None:
            if connection.execute(change).rowcount:
                bump_epoch(connection, organisation_id)  # the other processes do not use it either

        await self._database.write(work)
        self._on_change(organisation_id)

    async def _change(self, credential: ProviderCredential, event: AuditEvent, work: Callable[[Connection], object]) -> None:
        def whole(connection: Connection) -> None:
            work(connection)
            append_event(connection, event)
            bump_epoch(connection, credential.organisation_id)

        try:
            await self._database.write(whole)
        except StorageUnavailable:
            raise
        except InternalError:
            if await self._is_name_taken(credential):
                raise ClientError(taken_name(credential)) from None
            raise
        self._on_change(credential.organisation_id)

    async def _is_name_taken(self, credential: ProviderCredential) -> bool:
        mine = await self.list_credentials(credential.organisation_id, environment_id=credential.environment_id)
        return any((row.provider, row.name) == (credential.provider, credential.name) and row.id != credential.id for row in mine)


class SqlSealStore:
    """`SealStore`. `on_change` as in `SqlCredentialStore`."""

    def __init__(self, database: Database, *, on_change: OnChange) -> None:
        self._database, self._on_change = database, on_change

    async def list_seals(self, *, not_under: str, after_id: str = "", limit: int = 100) -> list[SealedRow]:
        """Those whose data key is not under that key-encryption key, by id, those behind `after_id`."""

        def work(connection: Connection) -> list[SealedRow]:
            found = []
            for table, row_id in _SEALED:
                wanted = and_(table.c.kek_id.not_in([not_under, ""]), row_id > after_id)
                query = select(table).where(wanted).order_by(row_id).limit(limit)
                found += [
                    SealedRow(id=row[row_id], organisation_id=row["organisation_id"], sealed=row_to_seal(row))
                    for row in connection.execute(query).mappings()
                ]
            return sorted(found, key=lambda row: row.id)[:limit]

        return await self._database.read(work)

    async def count_seals(self) -> Mapping[str, int]:
        """How many there are under each key-encryption key."""

        def work(connection: Connection) -> Mapping[str, int]:
            counts: dict[str, int] = {}
            for table, _ in _SEALED:
                for kek_id, count in connection.execute(select(table.c.kek_id, func.count()).group_by(table.c.kek_id)):
                    if kek_id:
                        counts[kek_id] = counts.get(kek_id, 0) + count
            return counts

        return await self._database.read(work)

    async def find_seal(self, row_id: str) -> SealedRow | None:
        """See the port."""

        def work(connection: Connection) -> SealedRow | None:
            for table, known_id in _SEALED:
                row = connection.execute(select(table).where(known_id == row_id, table.c.kek_id != "")).mappings().first()
                if row is not None:
                    return SealedRow(id=row_id, organisation_id=row["organisation_id"], sealed=row_to_seal(row))
            return None

        return await self._database.read(work)

    async def replace_seal(self, row: SealedRow, new: Sealed) -> bool:
        """See the port."""

        def work(connection: Connection) -> bool:
            for table, row_id in _SEALED:
                is_old = and_(table.c.kek_id == row.sealed.kek_id, table.c.wrapped_key == row.sealed.wrapped_key)
                change = update(table).where(row_id == row.id, is_old).values(seal_to_row(new))
                if connection.execute(change).rowcount:
                    bump_epoch(connection, row.organisation_id)  # whoever keeps the old seal needs the old key-encryption key
                    return True
            return False

        is_replaced = await self._database.write(work)
        self._on_change(row.organisation_id)
        return is_replaced


def _is(organisation_id: str, credential_id: str) -> ColumnElement[bool]:
    return and_(provider_credentials.c.organisation_id == organisation_id, provider_credentials.c.id == credential_id)
