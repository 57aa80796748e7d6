"""Passkeys in the database: what an authenticator says in public, and how often it was used."""

from sqlalchemy import ColumnElement, Connection, and_, delete, select, update

from anyrouter.core.audit import AuditEvent
from anyrouter.core.errors import ClientError
from anyrouter.core.sign_in import Passkey
from anyrouter.storage.database import Database
from anyrouter.storage.insertion import insert_new
from anyrouter.storage.records import to_ms
from anyrouter.storage.schema_sign_in import passkeys
from anyrouter.storage.sign_in_rows import KNOWN_PASSKEY, NO_PASSKEY, passkey_to_row, row_to_passkey
from anyrouter.storage.sign_in_statements import change_sign_in

_columns = passkeys.c


class SqlPasskeys:
    """The passkeys of `SignInStore`."""

    _database: Database

    async def list_passkeys(self, organisation_id: str, member_id: str) -> list[Passkey]:
        """A member's, oldest first."""
        return await self._list(and_(_columns.organisation_id == organisation_id, _columns.member_id == member_id))

    async def find_passkey(self, credential_id: bytes) -> Passkey | None:
        """By the authenticator's own id."""
        found = await self._list(_columns.credential_id == credential_id)
        return found[0] if found else None

    async def add_passkey(self, passkey: Passkey, event: AuditEvent) -> None:
        """Store a new one; ClientError `duplicate_name` when the credential is known already."""

        def work(connection: Connection) -> None:
            if not insert_new(connection, passkeys, passkey_to_row(passkey), unless=[_columns.credential_id]):
                raise ClientError(KNOWN_PASSKEY)

        await change_sign_in(self._database, passkey.member_id, event, work)

    async def use_passkey(self, passkey: Passkey) -> bool:
        """See the port."""
        # WebAuthn, 7.2: a count that does not grow tells of a copy, unless the authenticator does not count at all.
        is_newer = _columns.sign_count < passkey.sign_count if passkey.sign_count else _columns.sign_count == 0
        used_at_ms = None if passkey.last_used_at is None else to_ms(passkey.last_used_at)
        change = update(passkeys).where(_is(passkey), is_newer).values(sign_count=passkey.sign_count, last_used_at_ms=used_at_ms)
        return await self._database.write(lambda connection: connection.execute(change).rowcount == 1)

    async def rename_passkey(self, passkey: Passkey, event: AuditEvent) -> None:
        """Replace its name; ClientError `not_found`."""
        change = update(passkeys).where(_is(passkey)).values(name=passkey.name)

        def work(connection: Connection) -> None:
            if not connection.execute(change).rowcount:
                raise ClientError(NO_PASSKEY)

        await change_sign_in(self._database, passkey.member_id, event, work)

    async def delete_passkey(self, passkey: Passkey, event: AuditEvent) -> None:
        """Forget it; ClientError `not_found`."""

        def work(connection: Connection) -> None:
            if not connection.execute(delete(passkeys).where(_is(passkey))).rowcount:
                raise ClientError(NO_PASSKEY)

        await change_sign_in(self._database, passkey.member_id, event, work)

    async def _list(self, condition: ColumnElement[bool]) -> list[Passkey]:
        query = select(passkeys).where(condition).order_by(_columns.created_at_ms, _columns.id)

        def work(connection: Connection) -> list[Passkey]:
            return [row_to_passkey(row) for row in connection.execute(query).mappings()]

        return await self._database.read(work)


def _is(passkey: Passkey) -> ColumnElement[bool]:
    mine = and_(_columns.organisation_id == passkey.organisation_id, _columns.member_id == passkey.member_id)
    return and_(mine, _columns.id == passkey.id)
