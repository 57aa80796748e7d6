"""Authenticator apps and recovery codes in the database: secrets sealed, codes as digests. Each code is accepted once."""

from sqlalchemy import Connection, and_, case, delete, select, update
from sqlalchemy.dialects import postgresql, sqlite

from anyrouter.core.audit import AuditEvent
from anyrouter.core.sign_in import SecondFactor
from anyrouter.storage.credential_rows import SEAL_COLUMNS
from anyrouter.storage.database import Database
from anyrouter.storage.schema_sign_in import second_factors
from anyrouter.storage.sign_in_rows import codes_to_text, factor_to_row, row_to_factor, text_to_codes
from anyrouter.storage.sign_in_statements import lock_member
from anyrouter.storage.sql_audit import append_event

_columns = second_factors.c


class SqlSecondFactors:
    """The second factors of `SignInStore`."""

    _database: Database

    async def find_second_factor(self, member_id: str) -> SecondFactor | None:
        """A member's, confirmed or not."""
        query = select(second_factors).where(_columns.member_id == member_id)

        def work(connection: Connection) -> SecondFactor | None:
            row = connection.execute(query).mappings().first()
            return None if row is None else row_to_factor(row)

        return await self._database.read(work)

    async def put_second_factor(self, factor: SecondFactor, event: AuditEvent | None = None) -> None:
        """See the port."""

        def work(connection: Connection) -> None:
            lock_member(connection, factor.member_id)
            _put(connection, factor)
            if event is not None:
                append_event(connection, event)

        await self._database.write(work)

    async def delete_second_factor(self, factor: SecondFactor, event: AuditEvent) -> None:
        """See the port."""
        mine = and_(_columns.member_id == factor.member_id, _columns.organisation_id == factor.organisation_id)

        def work(connection: Connection) -> None:
            lock_member(connection, factor.member_id)
            if connection.execute(delete(second_factors).where(mine)).rowcount:
                append_event(connection, event)

        await self._database.write(work)

    async def take_step(self, member_id: str, step: int) -> bool:
        """Note a time step as used; False when it, or a later one, was used before: of two at once one is refused."""
        change = update(second_factors).where(_columns.member_id == member_id, _columns.last_step < step).values(last_step=step)
        return await self._database.write(lambda connection: connection.execute(change).rowcount == 1)

    async def take_recovery(self, member_id: str, digest: bytes, event: AuditEvent) -> bool:
        """Use up a recovery code; False when it is not there: of two at once one is refused."""
        mine = _columns.member_id == member_id

        def work(connection: Connection) -> bool:
            lock_member(connection, member_id)
            codes = text_to_codes(connection.execute(select(_columns.recovery).where(mine)).scalar() or "[]")
            left = tuple(code for code in codes if code != digest)
            if left == codes:
                return False
            connection.execute(update(second_factors).where(mine).values(recovery=codes_to_text(left)))
            append_event(connection, event)
            return True

        return await self._database.write(work)


def _put(connection: Connection, factor: SecondFactor) -> None:
    row = factor_to_row(factor)
    mine = _columns.member_id == factor.member_id
    same = and_(mine, _columns.nonce == factor.sealed.nonce, _columns.ciphertext == factor.sealed.ciphertext)
    kept = {name: value for name, value in row.items() if name not in SEAL_COLUMNS}
    kept["last_step"] = case((_columns.last_step > factor.last_step, _columns.last_step), else_=factor.last_step)
    if connection.execute(update(second_factors).where(same).values(kept)).rowcount:
        return
    dialect = sqlite if connection.dialect.name == "sqlite" else postgresql
    new = dialect.insert(second_factors).values(row)
    connection.execute(new.on_conflict_do_update(index_elements=[_columns.member_id], set_=row))
