"""What members prove themselves with in memory. Rows are kept, as in a database."""

from collections.abc import Collection

from anyrouter.core.audit import AuditEvent
from anyrouter.core.errors import ClientError
from anyrouter.core.sign_in import Identity, Password, ProofKinds, SignInLink
from anyrouter.core.tenancy import Member
from anyrouter.storage.member_rows import row_to_member
from anyrouter.storage.memory_audit import MemoryAuditLog
from anyrouter.storage.memory_members import MemoryMemberStore
from anyrouter.storage.memory_organisations import MemoryOrganisationStore
from anyrouter.storage.memory_passkeys import MemoryPasskeys
from anyrouter.storage.memory_second_factors import MemorySecondFactors
from anyrouter.storage.memory_sign_in_rows import MemorySignInRows
from anyrouter.storage.records import to_ms
from anyrouter.storage.sign_in_rows import (
    BOUND_IDENTITY,
    HAS_OWNER,
    NO_IDENTITY,
    USED_LINK,
    identity_to_row,
    link_to_row,
    password_to_row,
    row_to_identity,
    row_to_link,
    row_to_password,
)


class MemorySignInStore(MemorySecondFactors, MemoryPasskeys):
    """`SignInStore`."""

    def __init__(
        self, log: MemoryAuditLog, rows: MemorySignInRows, *, members: MemoryMemberStore, organisations: MemoryOrganisationStore
    ) -> None:
        self._log, self._rows, self._members, self._organisations = log, rows, members, organisations

    async def find_members(self, email: str) -> list[Member]:
        """The active members with that address, of all active organisations, oldest first."""
        found = [row_to_member(row) for row in self._members.rows.values() if row["email"] == email and row["is_active"]]
        active = [member for member in found if self._organisations.is_active(member.organisation_id)]
        return sorted(active, key=lambda member: (member.created_at, member.id))

    async def find_member(self, organisation_id: str, member_id: str) -> Member | None:
        """One, active or not."""
        return self._members.find_member(organisation_id, member_id)

    async def has_owner(self, organisation_id: str) -> bool:
        """Whether there is an active owner."""
        return self._members.has_owner(organisation_id)

    async def add_first_owner(self, member: Member, password: Password | None, event: AuditEvent) -> None:
        """See the port."""
        if self._members.has_owner(member.organisation_id):
            raise ClientError(HAS_OWNER)
        self._members.add_owner(member, event)
        if password is not None:
            self._rows.passwords[password.member_id] = password_to_row(password)

    async def list_proof_kinds(self, member_ids: Collection[str]) -> dict[str, ProofKinds]:
        """Of each of these members. An app counts once it is confirmed."""
        by_app = {row["member_id"] for row in self._rows.factors.values() if row["confirmed_at_ms"] is not None}
        by_passkey = {row["member_id"] for row in self._rows.passkeys.values()}
        return {
            row: ProofKinds(has_password=row in self._rows.passwords, has_app=row in by_app, has_passkey=row in by_passkey)
            for row in member_ids
        }

    async def find_password(self, member_id: str) -> Password | None:
        """A member's."""
        row = self._rows.passwords.get(member_id)
        return None if row is None else row_to_password(row)

    async def put_password(self, password: Password, event: AuditEvent, *, ends_sessions_but: str | None = None) -> None:
        """Store or replace it, and end the member's sessions but that one, and its open links, in the same transaction."""
        self._log.append(event)
        self._replace_password(password, but=ends_sessions_but)

    async def rehash_password(self, old: Password, new: Password) -> None:
        """Replace the hash by one of the same password with other parameters, if it is still the old one. No event."""
        row = self._rows.passwords.get(old.member_id)
        if row is not None and row["hash"] == old.hash:
            row["hash"] = new.hash

    async def add_link(self, link: SignInLink, event: AuditEvent) -> None:
        """Store a new one; the member's earlier ones end."""
        self._log.append(event)
        self._rows.end_links(link.organisation_id, link.member_id, to_ms(link.created_at))
        self._rows.links[link.id] = link_to_row(link)

    async def find_link(self, digest: bytes) -> SignInLink | None:
        """The one with that token's digest, whatever its state."""
        return next((row_to_link(row) for row in self._rows.links.values() if row["digest"] == digest), None)

    async def use_link(self, link: SignInLink, password: Password, event: AuditEvent) -> None:
        """See the port."""
        row = self._rows.links.get(link.id, {})
        wanted = {"organisation_id": link.organisation_id, "member_id": password.member_id, "used_at_ms": None}
        if not row or any(row[name] != value for name, value in wanted.items()):
            raise ClientError(USED_LINK)
        self._log.append(event)
        self._replace_password(password)

    async def find_identity(self, issuer: str, subject: str) -> list[Identity]:
        """The members, of all organisations, that are this identity."""
        found = [row_to_identity(row) for row in self._rows.identities.values() if (row["issuer"], row["subject"]) == (issuer, subject)]
        return sorted(found, key=lambda identity: (identity.created_at, identity.organisation_id))

    async def list_identities(self, organisation_id: str, member_id: str) -> list[Identity]:
        """Those that are a member, oldest first."""
        found = [row_to_identity(row) for row in self._rows.identities.values()]
        mine = [row for row in found if (row.organisation_id, row.member_id) == (organisation_id, member_id)]
        return sorted(mine, key=lambda identity: (identity.created_at, identity.issuer, identity.subject))

    async def add_identity(self, identity: Identity, event: AuditEvent) -> None:
        """Bind it to its member; ClientError `duplicate_name` when it is bound in the organisation."""
        place = (identity.issuer, identity.subject, identity.organisation_id)
        if place in self._rows.identities:
            raise ClientError(BOUND_IDENTITY)
        self._log.append(event)
        self._rows.identities[place] = identity_to_row(identity)

    async def delete_identity(self, identity: Identity, event: AuditEvent) -> None:
        """Unbind it; ClientError `not_found`."""
        place = (identity.issuer, identity.subject, identity.organisation_id)
        if self._rows.identities.get(place, {}).get("member_id") != identity.member_id:
            raise ClientError(NO_IDENTITY)
        self._log.append(event)
        del self._rows.identities[place]

    def _replace_password(self, password: Password, *, but: str | None = None) -> None:
        self._rows.passwords[password.member_id] = row = password_to_row(password)
        self._rows.end_sessions(password.organisation_id, password.member_id, row["changed_at_ms"], but=but)
        self._rows.end_links(password.organisation_id, password.member_id, row["changed_at_ms"])
