"""What several stores do, in a transaction of their own, about how a member signs in.

Everybody takes the locks in one order: the member's row, what belongs to the member, then the audit log's head.
"""

from collections.abc import Callable
from datetime import datetime

from sqlalchemy import Connection, and_, delete, or_, select, update
from sqlalchemy.dialects import postgresql, sqlite

from anyrouter.core.audit import AuditEvent
from anyrouter.core.sign_in import Password
from anyrouter.core.tenancy import Member, Role
from anyrouter.storage.database import Database
from anyrouter.storage.records import to_ms
from anyrouter.storage.schema_people import members
from anyrouter.storage.schema_sign_in import identities, passkeys, passwords, second_factors, sessions, sign_in_links
from anyrouter.storage.sign_in_rows import password_to_row
from anyrouter.storage.sql_audit import append_event


async def change_sign_in(database: Database, member_id: str, event: AuditEvent, work: Callable[[Connection], None]) -> None:
    """Do the work and record it. Of changes to how one member signs in each is made in its turn.

    No running decision depends on them: the organisation's epoch stays.
    """

    def whole(connection: Connection) -> None:
        lock_member(connection, member_id)
        work(connection)
        append_event(connection, event)

    await database.write(whole)


def lock_member(connection: Connection, member_id: str) -> None:
    """Have whoever changes how this member signs in wait for the end of the transaction. Rows that only name the member do not wait."""
    connection.execute(select(members.c.id).where(members.c.id == member_id).with_for_update(key_share=True))


def has_owner(connection: Connection, organisation_id: str, *, but: str = "") -> bool:
    """Whether there is an active owner, beside the one named."""
    owner = and_(members.c.organisation_id == organisation_id, members.c.role == Role.OWNER.value, members.c.is_active.is_(True))
    return connection.execute(select(members.c.id).where(owner, members.c.id != but).limit(1)).first() is not None


def end_sessions(
    connection: Connection, organisation_id: str, member_id: str, ended_at: datetime, *, only: str | None = None, but: str | None = None
) -> int:
    """End all of a member's, or the one named, or all but one; how many there were."""
    mine = and_(sessions.c.organisation_id == organisation_id, sessions.c.member_id == member_id, sessions.c.ended_at_ms.is_(None))
    change = update(sessions).where(mine).values(ended_at_ms=to_ms(ended_at))
    if only is not None:
        change = change.where(sessions.c.id == only)
    if but is not None:
        change = change.where(sessions.c.id != but)
    return int(connection.execute(change).rowcount)


def end_links(connection: Connection, organisation_id: str, member_id: str | None, ended_at: datetime) -> None:
    """Have none of a member's links work any more; without a member, none of the organisation's."""
    open_ones = and_(sign_in_links.c.organisation_id == organisation_id, sign_in_links.c.used_at_ms.is_(None))
    change = update(sign_in_links).where(open_ones).values(used_at_ms=to_ms(ended_at))
    if member_id is None:  # a member has one, an organisation several: whoever ends them all takes them in one order
        connection.execute(select(sign_in_links.c.id).where(open_ones).order_by(sign_in_links.c.id).with_for_update()).all()
    connection.execute(change if member_id is None else change.where(sign_in_links.c.member_id == member_id))


def store_password(connection: Connection, password: Password) -> None:
    """Store or replace it."""
    row = password_to_row(password)
    dialect = sqlite if connection.dialect.name == "sqlite" else postgresql
    change = dialect.insert(passwords).values(row)
    connection.execute(change.on_conflict_do_update(index_elements=[passwords.c.member_id], set_=row))


def end_sign_in(connection: Connection, member: Member, ended_at: datetime) -> None:
    """Leave nothing that lets this member in: the sessions end, and what the member proved itself with is forgotten."""
    end_sessions(connection, member.organisation_id, member.id, ended_at)
    for table in (passwords, second_factors, passkeys, identities, sign_in_links):
        connection.execute(delete(table).where(table.c.member_id == member.id))


def delete_over(connection: Connection, moment: datetime) -> int:
    """Forget sessions that expired or ended before, and links that expired or were used before; how many sessions there were."""
    before_ms = to_ms(moment)
    links = or_(sign_in_links.c.expires_at_ms < before_ms, sign_in_links.c.used_at_ms < before_ms)
    connection.execute(delete(sign_in_links).where(links))
    over = or_(sessions.c.expires_at_ms < before_ms, sessions.c.ended_at_ms < before_ms)
    return int(connection.execute(delete(sessions).where(over)).rowcount)
