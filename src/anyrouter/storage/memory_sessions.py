"""Sessions in memory. Rows are kept, as in a database."""

from collections.abc import Iterator
from datetime import datetime

from anyrouter.core.audit import AuditEvent
from anyrouter.core.sign_in import Session
from anyrouter.core.tenancy import Member
from anyrouter.storage.memory_audit import MemoryAuditLog
from anyrouter.storage.memory_members import MemoryMemberStore
from anyrouter.storage.memory_organisations import MemoryOrganisationStore
from anyrouter.storage.memory_sign_in_rows import MemorySignInRows, Row
from anyrouter.storage.records import to_ms
from anyrouter.storage.sign_in_rows import row_to_session, session_to_row


class MemorySessionStore:
    """`SessionStore`."""

    def __init__(
        self, log: MemoryAuditLog, rows: MemorySignInRows, *, members: MemoryMemberStore, organisations: MemoryOrganisationStore
    ) -> None:
        self._log, self._rows, self._members, self._organisations = log, rows, members, organisations

    async def add_session(self, session: Session, event: AuditEvent | None = None) -> None:
        """Store a new one."""
        if event is not None:
            self._log.append(event)
        self._rows.sessions[session.id] = session_to_row(session)

    async def find_session(self, digest: bytes) -> tuple[Session, Member] | None:
        """See the port."""
        row = next((row for row in self._rows.sessions.values() if row["digest"] == digest), None)
        if row is None or not self._organisations.is_active(row["organisation_id"]):
            return None
        member = self._members.find_member(row["organisation_id"], row["member_id"])
        return None if member is None else (row_to_session(row), member)

    async def touch_session(self, session_id: str, seen_at: datetime, *, confirmed_at: datetime | None = None) -> None:
        """See the port."""
        row = self._rows.sessions.get(session_id)
        if row is None:
            return
        row["last_seen_at_ms"] = max(row["last_seen_at_ms"], to_ms(seen_at))
        if confirmed_at is not None:
            row["confirmed_at_ms"] = max(row["confirmed_at_ms"], to_ms(confirmed_at))

    async def list_sessions(self, organisation_id: str, member_id: str) -> list[Session]:
        """Those that were not ended, the newest first, also those that are over by time."""
        mine = self._rows.list_open_sessions(organisation_id, member_id)
        return [row_to_session(row) for row in sorted(mine, key=lambda row: (row["created_at_ms"], row["id"]), reverse=True)]

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
        mine = self._rows.list_open_sessions(organisation_id, member_id)
        wanted = [row for row in mine if only in {None, row["id"]} and row["id"] != but]
        if wanted:
            self._log.append(event)
        for row in wanted:
            row["ended_at_ms"] = to_ms(ended_at)
        return len(wanted)

    async def delete_sessions_before(self, moment: datetime) -> int:
        """See the port."""
        before_ms = to_ms(moment)
        for link_id in list(_find_over(self._rows.links, "used_at_ms", before_ms)):
            del self._rows.links[link_id]
        over = list(_find_over(self._rows.sessions, "ended_at_ms", before_ms))
        for session_id in over:
            del self._rows.sessions[session_id]
        return len(over)


def _find_over(rows: dict[str, Row], end: str, before_ms: int) -> Iterator[str]:
    for row_id, row in rows.items():
        if row["expires_at_ms"] < before_ms or (row[end] is not None and row[end] < before_ms):
            yield row_id
