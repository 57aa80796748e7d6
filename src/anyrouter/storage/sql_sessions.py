"""Sessions in the database. Of a session's token only the digest gets here."""

from datetime import datetime

from sqlalchemy import BigInteger, ColumnElement, Connection, and_, case, insert, literal, select, update

from anyrouter.core.audit import AuditEvent
from anyrouter.core.sign_in import Session
from anyrouter.core.tenancy import Member
from anyrouter.storage.database import Database
from anyrouter.storage.member_rows import row_to_member
from anyrouter.storage.records import to_ms
from anyrouter.storage.schema import organisations
from anyrouter.storage.schema_people import members
from anyrouter.storage.schema_sign_in import sessions
from anyrouter.storage.sign_in_rows import row_to_session, session_to_row
from anyrouter.storage.sign_in_statements import delete_over, end_sessions, lock_member
from anyrouter.storage.sql_audit import append_event

# One row by the index of digests, and two by their primary keys.
_WITH_MEMBER = (
    select(sessions, members)
    .join(members, and_(members.c.id == sessions.c.member_id, members.c.organisation_id == sessions.c.organisation_id))
    .join(organisations, organisations.c.id == sessions.c.organisation_id)
    .where(organisations.c.is_active.is_(True))
)


class SqlSessionStore:
    """`SessionStore`."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def add_session(self, session: Session, event: AuditEvent | None = None) -> None:
        """Store a new one."""

        def work(connection: Connection) -> None:
            connection.execute(insert(sessions), session_to_row(session))
            if event is not None:
                append_event(connection, event)

        await self._database.write(work)

    async def find_session(self, digest: bytes) -> tuple[Session, Member] | None:
        """The one with that token's digest, whatever its state, and whose it is as the member is now. None in an inactive organisation."""
        query = _WITH_MEMBER.where(sessions.c.digest == digest)

        def work(connection: Connection) -> tuple[Session, Member] | None:
            row = connection.execute(query).mappings().first()
            if row is None:
                return None
            session, member = ({column.name: row[column] for column in table.c} for table in (sessions, members))
            return row_to_session(session), row_to_member(member)

        return await self._database.read(work)

    async def touch_session(self, session_id: str, seen_at: datetime, *, confirmed_at: datetime | None = None) -> None:
        """Keep that it was seen, and that the person proved to be there when `confirmed_at` says so. Neither time goes back."""
        values = {"last_seen_at_ms": _later(sessions.c.last_seen_at_ms, seen_at)}
        if confirmed_at is not None:
            values["confirmed_at_ms"] = _later(sessions.c.confirmed_at_ms, confirmed_at)
        change = update(sessions).where(sessions.c.id == session_id).values(values)
        await self._database.write(lambda connection: connection.execute(change).rowcount)

    async def list_sessions(self, organisation_id: str, member_id: str) -> list[Session]:
        """Those that were not ended, the newest first, also those that are over by time."""
        mine = and_(sessions.c.organisation_id == organisation_id, sessions.c.member_id == member_id, sessions.c.ended_at_ms.is_(None))
        query = select(sessions).where(mine).order_by(sessions.c.created_at_ms.desc(), sessions.c.id.desc())

        def work(connection: Connection) -> list[Session]:
            return [row_to_session(row) for row in connection.execute(query).mappings()]

        return await self._database.read(work)

    async def end_sessions(
        self,
        organisation_id: str,
        member_id: str,
        ended_at: datetime,
        event: AuditEvent,
        *,
        only: str | None = None,
        but: str | None = None,
    ) -> int:
        """End all of a member's, or the one named, or all but one; how many there were. Without any nothing is written."""

        def work(connection: Connection) -> int:
            lock_member(connection, member_id)
            ended = end_sessions(connection, organisation_id, member_id, ended_at, only=only, but=but)
            if ended:
                append_event(connection, event)
            return ended

        return await self._database.write(work)

    async def delete_sessions_before(self, moment: datetime) -> int:
        """Forget those that expired or were ended before; how many there were. Links that were over before go too."""
        return await self._database.write(lambda connection: delete_over(connection, moment))


def _later(column: ColumnElement[int], moment: datetime) -> ColumnElement[int]:
    new = literal(to_ms(moment), BigInteger)
    return case((column < new, new), else_=column)
