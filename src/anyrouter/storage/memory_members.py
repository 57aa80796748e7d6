"""Members and invitations in memory. Rows are kept, as in a database."""

from collections.abc import Callable
from typing import Any

from anyrouter.core.audit import AuditEvent
from anyrouter.core.errors import ClientError
from anyrouter.core.tenancy import Invitation, Member, Role
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
from anyrouter.storage.memory_audit import MemoryAuditLog
from anyrouter.storage.memory_keys import MemoryKeyStore
from anyrouter.storage.memory_sign_in_rows import MemorySignInRows
from anyrouter.storage.records import to_ms

Row = dict[str, Any]


class MemoryMemberStore:
    """`MemberStore`. What of `keys` is personal, and what of `sign_in` is the member's, ends with the member. `rows` are members' by id."""

    def __init__(self, log: MemoryAuditLog, keys: MemoryKeyStore, sign_in: MemorySignInRows, *, on_change: Callable[[str], None]) -> None:
        self.rows: dict[str, Row] = {}
        self._invitations: dict[str, Row] = {}
        self._log, self._keys, self._sign_in, self._on_change = log, keys, sign_in, on_change

    def find_member(self, organisation_id: str, member_id: str) -> Member | None:
        """One, active or not."""
        row = self.rows.get(member_id)
        return None if row is None or row["organisation_id"] != organisation_id else row_to_member(row)

    def has_owner(self, organisation_id: str) -> bool:
        """Whether there is an active owner."""
        return any(map(_is_owner, _sorted(self.rows, organisation_id)))

    def add_owner(self, member: Member, event: AuditEvent) -> None:
        """Store a new one, or an inactive one of this id again; ClientError `duplicate_name` for the address of another member."""
        known = next((row for row in _sorted(self.rows, member.organisation_id) if row["email"] == member.email), None)
        if known is not None and (known["is_active"] or known["id"] != member.id):
            raise ClientError(KNOWN_ADDRESS)
        self._log.append(event)
        if known is None:
            self.rows[member.id] = member_to_row(member)
        else:
            _replace(known, member)
            self._sign_in.end_sign_in(member.organisation_id, member.id, to_ms(event.at))
        self._on_change(member.organisation_id)

    async def list_members(self, organisation_id: str) -> list[Member]:
        """All, active or not, oldest first."""
        return [row_to_member(row) for row in _sorted(self.rows, organisation_id)]

    async def add_member(self, member: Member, event: AuditEvent, *, invitation: Invitation | None = None) -> None:
        """Store a new one, or an inactive one again, and the invitation as accepted; ClientError `duplicate_name` for a known address."""
        ended = None if invitation is None else self._find_open(invitation)
        known = next((row for row in _sorted(self.rows, member.organisation_id) if row["email"] == member.email), None)
        if known is not None and known["is_active"]:
            raise ClientError(KNOWN_ADDRESS)
        self._log.append(event)
        if ended is not None and invitation is not None:
            _end(ended, invitation)
        if known is None:
            self.rows[member.id] = member_to_row(member)
        else:
            _replace(known, member)
            await self._end_access(member, event)
        self._on_change(member.organisation_id)

    async def update_member(self, member: Member, event: AuditEvent) -> None:
        """See the port."""
        row = self.rows.get(member.id)
        if row is None or row["organisation_id"] != member.organisation_id:
            raise ClientError(NO_MEMBER)
        if row["version"] != member.version - 1:
            raise ClientError(CHANGED_MEMBER)
        others = [other for other in _sorted(self.rows, member.organisation_id) if other["id"] != member.id]
        if _is_owner(row) and not any(map(_is_owner, (*others, member_to_row(member)))):
            raise ClientError(LAST_OWNER)
        self._log.append(event)
        before = row_to_member(row)
        _replace(row, member)
        if not member.is_active:
            await self._end_access(member, event)
        if loses_links(before, member):
            self._sign_in.end_links(member.organisation_id, None, to_ms(event.at))
        elif member.role is not before.role:
            self._sign_in.end_links(member.organisation_id, member.id, to_ms(event.at))
        self._on_change(member.organisation_id)

    async def add_invitation(self, invitation: Invitation, event: AuditEvent) -> None:
        """Store a new one."""
        self._log.append(event)
        self._invitations[invitation.id] = invitation_to_row(invitation)
        self._on_change(invitation.organisation_id)

    async def find_invitation(self, digest: bytes) -> Invitation | None:
        """The one with that token's digest, whatever its state."""
        return next((row_to_invitation(row) for row in self._invitations.values() if row["digest"] == digest), None)

    async def list_invitations(self, organisation_id: str) -> list[Invitation]:
        """All that were neither accepted nor revoked, oldest first."""
        return [row_to_invitation(row) for row in _sorted(self._invitations, organisation_id) if _is_open(row)]

    async def update_invitation(self, invitation: Invitation, event: AuditEvent) -> None:
        """Replace the times of acceptance and revocation; ClientError `not_found`, `unprocessable` when it was ended before."""
        row = self._find_open(invitation)
        self._log.append(event)
        _end(row, invitation)
        self._on_change(invitation.organisation_id)

    async def _end_access(self, member: Member, event: AuditEvent) -> None:
        self._sign_in.end_sign_in(member.organisation_id, member.id, to_ms(event.at))
        after_id = None
        while page := await self._keys.list_keys(member.organisation_id, after_id=after_id):
            for key in page:
                if key.member_id == member.id:
                    await self._keys.update_key(*end_key(key, event))
            after_id = page[-1].id

    def _find_open(self, invitation: Invitation) -> Row:
        row = self._invitations.get(invitation.id)
        if row is None or row["organisation_id"] != invitation.organisation_id:
            raise ClientError(NO_INVITATION)
        if not _is_open(row):
            raise ClientError(ENDED_INVITATION)
        return row


def _sorted(rows: dict[str, Row], organisation_id: str) -> list[Row]:
    mine = [row for row in rows.values() if row["organisation_id"] == organisation_id]
    return sorted(mine, key=lambda row: (row["created_at_ms"], row["id"]))


def _replace(row: Row, member: Member) -> None:
    row.update((name, value) for name, value in member_to_row(member).items() if name not in FIXED_MEMBER_COLUMNS)


def _end(row: Row, invitation: Invitation) -> None:
    ended = invitation_to_row(invitation)
    row.update((name, ended[name]) for name in ("accepted_at_ms", "revoked_at_ms"))


def _is_open(row: Row) -> bool:
    return row["accepted_at_ms"] is None and row["revoked_at_ms"] is None


def _is_owner(row: Row) -> bool:
    return bool(row["is_active"]) and row["role"] == Role.OWNER.value
