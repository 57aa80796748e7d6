"""What the control plane needs of the store for signing in.

Changes that people make come with the event that records them, in one transaction, as `control.stores` says. What happens on every
visit (a session seen, a code used) has no event. All methods may raise StorageUnavailable. One contract suite runs over every
implementation.
"""

from collections.abc import Collection, Mapping, Sequence
from datetime import datetime
from typing import Protocol

from anyrouter.core.audit import AuditEvent
from anyrouter.core.sign_in import Identity, Passkey, Password, ProofKinds, SecondFactor, Session, SignInLink
from anyrouter.core.tenancy import Member


class SessionStore(Protocol):
    """Sessions of members."""

    async def add_session(self, session: Session, event: AuditEvent | None = None) -> None:
        """Store a new one."""

    async def find_session(self, digest: bytes) -> tuple[Session, Member] | None:
        """The one with that token's digest, whatever its state, and whose it is as the member is now. None in an inactive organisation."""

    async def touch_session(self, session_id: str, seen_at: datetime, *, confirmed_at: datetime | None = None) -> None:
        """Keep that it was seen, and that the person proved to be there when `confirmed_at` says so. Neither time goes back."""

    async def list_sessions(self, organisation_id: str, member_id: str) -> list[Session]:
        """Those that were not ended, the newest first, also those that are over by time."""

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

    async def delete_sessions_before(self, moment: datetime) -> int:
        """Forget those that expired or were ended before; how many there were. Links that were over before go too."""


class SignInStore(Protocol):
    """What members prove themselves with."""

    async def find_members(self, email: str) -> list[Member]:
        """The active members with that address, of all active organisations, oldest first."""

    async def find_member(self, organisation_id: str, member_id: str) -> Member | None:
        """One, active or not."""

    async def has_owner(self, organisation_id: str) -> bool:
        """Whether there is an active owner."""

    async def add_first_owner(self, member: Member, password: Password | None, event: AuditEvent) -> None:
        """Store an organisation's first owner; ClientError `not_found` when it has one: of two at once one is refused.

        Who was a member before must come with the id of then; ClientError `duplicate_name` for the address of another member.
        """

    async def find_password(self, member_id: str) -> Password | None:
        """A member's."""

    async def put_password(self, password: Password, event: AuditEvent, *, ends_sessions_but: str | None = None) -> None:
        """Store or replace it, and end the member's sessions but that one, and its open links, in the same transaction."""

    async def rehash_password(self, old: Password, new: Password) -> None:
        """Replace the hash by one of the same password with other parameters, if it is still the old one. No event."""

    async def list_proof_kinds(self, member_ids: Collection[str]) -> Mapping[str, ProofKinds]:
        """Of each of these members, in three questions to the database. An app counts once it is confirmed."""

    async def find_second_factor(self, member_id: str) -> SecondFactor | None:
        """A member's, confirmed or not."""

    async def put_second_factor(self, factor: SecondFactor, event: AuditEvent | None = None) -> None:
        """Store or replace it. Where the same secret is stored its seal stays, which may be a newer one, and a step that is later."""

    async def delete_second_factor(self, factor: SecondFactor, event: AuditEvent) -> None:
        """Forget it. Where there is none nothing is written."""

    async def take_step(self, member_id: str, step: int) -> bool:
        """Note a time step as used; False when it, or a later one, was used before: of two at once one is refused."""

    async def take_recovery(self, member_id: str, digest: bytes, event: AuditEvent) -> bool:
        """Use up a recovery code; False when it is not there: of two at once one is refused."""

    async def list_passkeys(self, organisation_id: str, member_id: str) -> list[Passkey]:
        """A member's, oldest first."""

    async def find_passkey(self, credential_id: bytes) -> Passkey | None:
        """By the authenticator's own id."""

    async def add_passkey(self, passkey: Passkey, event: AuditEvent) -> None:
        """Store a new one; ClientError `duplicate_name` when the credential is known already."""

    async def use_passkey(self, passkey: Passkey) -> bool:
        """Keep count and time of a use; False when this count or a higher one was stored before (a copy of the authenticator).

        An authenticator that does not count says 0 every time. False also when the passkey is not there any more.
        """

    async def rename_passkey(self, passkey: Passkey, event: AuditEvent) -> None:
        """Replace its name; ClientError `not_found`."""

    async def delete_passkey(self, passkey: Passkey, event: AuditEvent) -> None:
        """Forget it; ClientError `not_found`."""

    async def add_link(self, link: SignInLink, event: AuditEvent) -> None:
        """Store a new one; the member's earlier ones end."""

    async def find_link(self, digest: bytes) -> SignInLink | None:
        """The one with that token's digest, whatever its state."""

    async def use_link(self, link: SignInLink, password: Password, event: AuditEvent) -> None:
        """Use it up and store the password, and end all sessions; ClientError `not_found` when it was used: of two at once one is."""

    async def find_identity(self, issuer: str, subject: str) -> Sequence[Identity]:
        """The members, of all organisations, that are this identity."""

    async def list_identities(self, organisation_id: str, member_id: str) -> list[Identity]:
        """Those that are a member, oldest first."""

    async def add_identity(self, identity: Identity, event: AuditEvent) -> None:
        """Bind it to its member; ClientError `duplicate_name` when it is bound in the organisation."""

    async def delete_identity(self, identity: Identity, event: AuditEvent) -> None:
        """Unbind it; ClientError `not_found`."""
