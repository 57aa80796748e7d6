"""The rows of all that members sign in with, which stores in memory share as tables are shared in a database."""

from typing import Any

Row = dict[str, Any]


class MemorySignInRows:
    """By their ids; passwords and second factors by their member's, identities by issuer, subject and organisation."""

    def __init__(self) -> None:
        self.sessions: dict[str, Row] = {}
        self.passwords: dict[str, Row] = {}
        self.factors: dict[str, Row] = {}
        self.passkeys: dict[str, Row] = {}
        self.links: dict[str, Row] = {}
        self.identities: dict[tuple[str, str, str], Row] = {}

    def list_open_sessions(self, organisation_id: str, member_id: str) -> list[Row]:
        """A member's sessions that were not ended."""
        mine = [row for row in self.sessions.values() if row["member_id"] == member_id and row["organisation_id"] == organisation_id]
        return [row for row in mine if row["ended_at_ms"] is None]

    def end_sessions(self, organisation_id: str, member_id: str, ended_at_ms: int, *, but: str | None = None) -> None:
        """End all of a member's, or all but one."""
        for row in self.list_open_sessions(organisation_id, member_id):
            if row["id"] != but:
                row["ended_at_ms"] = ended_at_ms

    def end_links(self, organisation_id: str, member_id: str | None, ended_at_ms: int) -> None:
        """Have none of a member's links work any more; without a member, none of the organisation's."""
        for row in self.links.values():
            if (row["organisation_id"], row["used_at_ms"]) == (organisation_id, None) and member_id in {None, row["member_id"]}:
                row["used_at_ms"] = ended_at_ms

    def end_sign_in(self, organisation_id: str, member_id: str, ended_at_ms: int) -> None:
        """Leave nothing that lets this member in: the sessions end, and what the member proved itself with is forgotten."""
        self.end_sessions(organisation_id, member_id, ended_at_ms)
        _forget(self.passwords, member_id)
        _forget(self.factors, member_id)
        _forget(self.passkeys, member_id)
        _forget(self.links, member_id)
        _forget(self.identities, member_id)


def _forget(rows: dict[Any, Row], member_id: str) -> None:
    for row_id in [row_id for row_id, row in rows.items() if row["member_id"] == member_id]:
        del rows[row_id]
