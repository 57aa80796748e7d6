"""What members prove themselves with in the database: digests, hashes, public keys and sealed secrets, never a secret itself."""

from collections.abc import Callable

from sqlalchemy import Connection, and_, select, update
from sqlalchemy.dialects import postgresql, sqlite

from anyrouter.core.audit import AuditEvent
from anyrouter.core.errors import ClientError
from anyrouter.core.sign_in import Password
from anyrouter.core.tenancy import Member
from anyrouter.storage.database import Database
from anyrouter.storage.member_rows import FIXED_MEMBER_COLUMNS, KNOWN_ADDRESS, member_to_row, row_to_member
from anyrouter.storage.schema import organisations
from anyrouter.storage.schema_people import members
from anyrouter.storage.schema_sign_in import passwords
from anyrouter.storage.sign_in_rows import HAS_OWNER, row_to_password
from anyrouter.storage.sign_in_statements import end_links, end_sessions, end_sign_in, has_owner, lock_member, store_password
from anyrouter.storage.sql_audit import append_event
from anyrouter.storage.sql_keys import OnChange, bump_epoch


class SqlSignInStore:
    """`SignInStore`. `on_change` as in `SqlKeyStore`."""

    def __init__(self, database: Database, *, on_change: OnChange) -> None:
        self._database, self._on_change = database, on_change

    async def find_members(self, email: str) -> list[Member]:
        """The active members with that address, of all active organisations, oldest first."""
        query = (
            select(members)
            .join(organisations, organisations.c.id == members.c.organisation_id)
            .where(members.c.email == email, members.c.is_active.is_(True), organisations.c.is_active.is_(True))
            .order_by(members.c.created_at_ms, members.c.id)
        )

        def work(connection: Connection) -> list[Member]:
            return [row_to_member(row) for row in connection.execute(query).mappings()]

        return await self._database.read(work)

    async def find_member(self, organisation_id: str, member_id: str) -> Member | None:
        """One, active or not."""
        query = select(members).where(members.c.organisation_id == organisation_id, members.c.id == member_id)

        def work(connection: Connection) -> Member | None:
            row = connection.execute(query).mappings().first()
            return None if row is None else row_to_member(row)

        return await self._database.read(work)

    async def has_owner(self, organisation_id: str) -> bool:
        """Whether there is an active owner."""
        return await self._database.read(lambda connection: has_owner(connection, organisation_id))

    async def add_first_owner(self, member: Member, password: Password | None, event: AuditEvent) -> None:
        """See the port. Who was a member before must come with the id of then; ClientError `duplicate_name` for an active one's address."""

        def work(connection: Connection) -> None:
            if has_owner(connection, member.organisation_id):
                raise ClientError(HAS_OWNER)
            _add_owner(connection, member, event)
            if password is not None:
                store_password(connection, password)
            append_event(connection, event)
            if has_owner(connection, member.organisation_id, but=member.id):  # behind the event's lock
                raise ClientError(HAS_OWNER)
            bump_epoch(connection, member.organisation_id)

        await self._database.write(work)
        self._on_change(member.organisation_id)

    async def find_password(self, member_id: str) -> Password | None:
        """A member's."""
        query = select(passwords).where(passwords.c.member_id == member_id)

        def work(connection: Connection) -> Password | None:
            row = connection.execute(query).mappings().first()
            return None if row is None else row_to_password(row)

        return await self._database.read(work)

    async def put_password(self, password: Password, event: AuditEvent, *, ends_sessions_but: str | None = None) -> None:
        """Store or replace it, and end the member's sessions but that one, and its open links, in the same transaction."""

        def work(connection: Connection) -> None:
            _replace_password(connection, password, but=ends_sessions_but)

        await self._change(password.member_id, event, work)

    async def rehash_password(self, old: Password, new: Password) -> None:
        """Replace the hash by one of the same password with other parameters, if it is still the old one. No event."""
        same = and_(passwords.c.member_id == old.member_id, passwords.c.hash == old.hash)
        change = update(passwords).where(same).values(hash=new.hash)
        await self._database.write(lambda connection: connection.execute(change).rowcount)

    async def _change(self, member_id: str, event: AuditEvent, work: Callable[[Connection], None]) -> None:
        """Of changes to how one member signs in each is made in its turn. No running decision depends on them: the epoch stays."""

        def whole(connection: Connection) -> None:
            lock_member(connection, member_id)
            work(connection)
            append_event(connection, event)

        await self._database.write(whole)


def _add_owner(connection: Connection, member: Member, event: AuditEvent) -> None:
    row = member_to_row(member)
    dialect = sqlite if connection.dialect.name == "sqlite" else postgresql
    if connection.execute(dialect.insert(members).values(row).on_conflict_do_nothing()).rowcount:
        return
    values = {name: value for name, value in row.items() if name not in FIXED_MEMBER_COLUMNS}
    same = and_(members.c.organisation_id == member.organisation_id, members.c.email == member.email, members.c.id == member.id)
    if connection.execute(update(members).where(same, members.c.is_active.is_(False)).values(values)).rowcount == 0:
        raise ClientError(HAS_OWNER if has_owner(connection, member.organisation_id) else KNOWN_ADDRESS)
    end_sign_in(connection, member, event.at)


def _replace_password(connection: Connection, password: Password, *, but: str | None = None) -> None:
    store_password(connection, password)
    end_sessions(connection, password.organisation_id, password.member_id, password.changed_at, but=but)
    end_links(connection, password.organisation_id, password.member_id, password.changed_at)
