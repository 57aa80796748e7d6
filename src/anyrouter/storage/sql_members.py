"""Members and invitations in the database. Of an invitation's token only the digest gets here."""

from collections.abc import Callable

from sqlalchemy import ColumnElement, Connection, and_, insert, select, update

from anyrouter.core.audit import AuditEvent
from anyrouter.core.errors import ClientError
from anyrouter.core.tenancy import Invitation, Member, Role
from anyrouter.storage.database import Database
from anyrouter.storage.member_rows import (
    CHANGED_MEMBER,
    ENDED_INVITATION,
    FIXED_MEMBER_COLUMNS,
    KNOWN_ADDRESS,
    LAST_OWNER,
    NO_INVITATION,
    NO_MEMBER,
    end_key,
    invitation_to_row,
    loses_links,
    member_to_row,
    row_to_invitation,
    row_to_member,
)
from anyrouter.storage.records import key_to_row, row_to_key
from anyrouter.storage.schema import api_keys
from anyrouter.storage.schema_people import invitations, members
from anyrouter.storage.sign_in_statements import end_links, end_sign_in, has_owner
from anyrouter.storage.sql_audit import append_event
from anyrouter.storage.sql_keys import OnChange, bump_epoch

_ENDED_KEY_COLUMNS = ("deleted_at_ms", "updated_at_ms", "version")


class SqlMemberStore:
    """`MemberStore`. `on_change` as in `SqlKeyStore`."""

    def __init__(self, database: Database, *, on_change: OnChange) -> None:
        self._database, self._on_change = database, on_change

    async def list_members(self, organisation_id: str) -> list[Member]:
        """All, active or not, oldest first."""
        query = select(members).where(members.c.organisation_id == organisation_id).order_by(members.c.created_at_ms, members.c.id)

        def work(connection: Connection) -> list[Member]:
            return [row_to_member(row) for row in connection.execute(query).mappings()]

        return await self._database.read(work)

    async def add_member(self, member: Member, event: AuditEvent, *, invitation: Invitation | None = None) -> None:
        """Store a new one, or an inactive one again, and the invitation as accepted; ClientError `duplicate_name` for a known address."""
        row = member_to_row(member)
        values = {name: value for name, value in row.items() if name not in FIXED_MEMBER_COLUMNS}
        same = and_(members.c.organisation_id == member.organisation_id, members.c.email == member.email)

        def work(connection: Connection) -> None:
            if invitation is not None:  # first: of two that accept one invitation at once the later one waits here, and is refused
                _end_invitation(connection, invitation)
            key_events: list[AuditEvent] = []
            if connection.execute(update(members).where(same, members.c.is_active.is_(False)).values(values)).rowcount == 1:
                key_events = _end_keys(connection, member, event)  # one may have been made while the membership ended
                end_sign_in(connection, member, event.at)
            elif connection.execute(select(members.c.id).where(same)).first() is not None:
                raise ClientError(KNOWN_ADDRESS)
            else:
                connection.execute(insert(members), row)
            _append(connection, event, *key_events)

        await self._change(member.organisation_id, work)

    async def update_member(self, member: Member, event: AuditEvent) -> None:
        """See the port."""
        values = {name: value for name, value in member_to_row(member).items() if name not in FIXED_MEMBER_COLUMNS}
        same = and_(members.c.organisation_id == member.organisation_id, members.c.id == member.id)

        def work(connection: Connection) -> None:
            former = connection.execute(select(members).where(same)).mappings().first()
            if former is None:
                raise ClientError(NO_MEMBER)
            change = update(members).where(same, members.c.version == member.version - 1).values(values)
            if connection.execute(change).rowcount == 0:
                raise ClientError(CHANGED_MEMBER)
            key_events = []
            if not member.is_active:
                key_events = _end_keys(connection, member, event)
                end_sign_in(connection, member, event.at)
            before = row_to_member(former)
            if loses_links(before, member):
                end_links(connection, member.organisation_id, None, event.at)
            elif member.role is not before.role:
                end_links(connection, member.organisation_id, member.id, event.at)
            _append(connection, event, *key_events)
            if _is_owner(before) and not has_owner(connection, member.organisation_id):  # behind the event's lock
                raise ClientError(LAST_OWNER)

        await self._change(member.organisation_id, work)

    async def add_invitation(self, invitation: Invitation, event: AuditEvent) -> None:
        """Store a new one."""

        def work(connection: Connection) -> None:
            connection.execute(insert(invitations), invitation_to_row(invitation))
            append_event(connection, event)

        await self._change(invitation.organisation_id, work)

    async def find_invitation(self, digest: bytes) -> Invitation | None:
        """The one with that token's digest, whatever its state."""
        found = await self._list(invitations.c.digest == digest)
        return found[0] if found else None

    async def list_invitations(self, organisation_id: str) -> list[Invitation]:
        """All that were neither accepted nor revoked, oldest first."""
        return await self._list(and_(invitations.c.organisation_id == organisation_id, _is_open()))

    async def update_invitation(self, invitation: Invitation, event: AuditEvent) -> None:
        """Replace the times of acceptance and revocation; ClientError `not_found`, `unprocessable` when it was ended before."""

        def work(connection: Connection) -> None:
            _end_invitation(connection, invitation)
            append_event(connection, event)

        await self._change(invitation.organisation_id, work)

    async def _list(self, condition: ColumnElement[bool]) -> list[Invitation]:
        query = select(invitations).where(condition).order_by(invitations.c.created_at_ms, invitations.c.id)

        def work(connection: Connection) -> list[Invitation]:
            return [row_to_invitation(row) for row in connection.execute(query).mappings()]

        return await self._database.read(work)

    async def _change(self, organisation_id: str, work: Callable[[Connection], None]) -> None:
        def whole(connection: Connection) -> None:
            work(connection)
            bump_epoch(connection, organisation_id)

        await self._database.write(whole)
        self._on_change(organisation_id)


def _is_open() -> ColumnElement[bool]:
    return and_(invitations.c.accepted_at_ms.is_(None), invitations.c.revoked_at_ms.is_(None))


def _end_invitation(connection: Connection, invitation: Invitation) -> None:
    row = invitation_to_row(invitation)
    values = {name: row[name] for name in ("accepted_at_ms", "revoked_at_ms")}
    same = and_(invitations.c.organisation_id == invitation.organisation_id, invitations.c.id == invitation.id)
    if connection.execute(update(invitations).where(same, _is_open()).values(values)).rowcount == 0:
        is_there = connection.execute(select(invitations.c.id).where(same)).first() is not None
        raise ClientError(ENDED_INVITATION if is_there else NO_INVITATION)


def _is_owner(member: Member) -> bool:
    return member.is_active and member.role is Role.OWNER


def _end_keys(connection: Connection, member: Member, event: AuditEvent) -> list[AuditEvent]:
    """Delete the member's personal keys; the events to append, behind the locks of the keys' own rows."""
    mine = and_(api_keys.c.organisation_id == member.organisation_id, api_keys.c.member_id == member.id, api_keys.c.deleted_at_ms.is_(None))
    query = select(api_keys).where(mine).order_by(api_keys.c.created_at_ms, api_keys.c.id).with_for_update()
    events = []
    for row in connection.execute(query).mappings().all():
        ended, its_event = end_key(row_to_key(row), event)
        values = {name: value for name, value in key_to_row(ended).items() if name in _ENDED_KEY_COLUMNS}
        connection.execute(update(api_keys).where(api_keys.c.id == ended.id).values(values))
        events.append(its_event)
    return events


def _append(connection: Connection, *events: AuditEvent) -> None:
    for event in events:
        append_event(connection, event)
