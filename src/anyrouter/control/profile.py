"""What everybody may do about oneself, whatever the role: one's name, and the accounts elsewhere that one signs in with.

Knows no HTTP and no database.
"""

from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime

from anyrouter.control.audit import make_event
from anyrouter.control.key_checks import check_name
from anyrouter.control.sessions import SessionService, Visitor
from anyrouter.control.sign_in_stores import SignInStore
from anyrouter.control.stores import MemberStore
from anyrouter.core.audit import Actor
from anyrouter.core.errors import ClientError, Denied
from anyrouter.core.sign_in import Identity, Passkey
from anyrouter.core.tenancy import Member
from anyrouter.policy.ways_in import WaysIn

_ATTEMPTS = 5
_GONE = Denied(code="not_found", message="You are not a member any more.")
_NO_IDENTITY = Denied(code="not_found", message="There is no such account; it may have been unlinked already.")


class ProfileService:
    """Of the member who is signed in. Refusals are ClientError; all methods may raise StorageUnavailable."""

    def __init__(self, *, members: MemberStore, store: SignInStore, sessions: SessionService, clock: Callable[[], datetime]) -> None:
        self._members, self._store, self._sessions, self._clock = members, store, sessions, clock

    async def rename(self, visitor: Visitor, name: str, *, actor: Actor) -> None:
        """Replace one's name."""
        name = check_name(name)
        for attempt in range(_ATTEMPTS):
            before = await self._store.find_member(visitor.member.organisation_id, visitor.member.id)
            if before is None or not before.is_active:
                raise ClientError(_GONE)
            if before.name == name:
                return
            after = replace(before, name=name, version=before.version + 1)
            event = make_event(
                actor,
                after.organisation_id,
                "member.change",
                self._now(),
                target_id=after.id,
                target_label=after.email,
                before={"name": before.name},
                after={"name": name},
            )
            try:
                await self._members.update_member(after, event)
            except ClientError as error:
                if error.code != "etag_mismatch" or attempt == _ATTEMPTS - 1:
                    raise
            else:
                return

    async def list_identities(self, member: Member) -> list[Identity]:
        """A member's accounts at providers of sign-on, oldest first."""
        return await self._store.list_identities(member.organisation_id, member.id)

    async def list_passkeys(self, member: Member) -> list[Passkey]:
        """A member's, oldest first."""
        return await self._store.list_passkeys(member.organisation_id, member.id)

    async def find_ways_in(self, member: Member) -> WaysIn:
        """With what a member can sign in now."""
        return await find_ways_in(self._store, member)

    async def unlink(self, visitor: Visitor, issuer: str, subject: str, *, actor: Actor) -> None:
        """Sign in with that account no more; ClientError `not_found`, `unprocessable` for the last way in. The session must be fresh."""
        self._sessions.check_fresh(visitor)
        member = visitor.member
        found = next((row for row in await self.list_identities(member) if (row.issuer, row.subject) == (issuer, subject)), None)
        if found is None:
            raise ClientError(_NO_IDENTITY)
        denied = (await self.find_ways_in(member)).judge_removal()
        if denied is not None:
            raise ClientError(denied)
        event = make_event(
            actor,
            member.organisation_id,
            "identity.delete",
            self._now(),
            target_id=member.id,
            target_label=member.email,
            before={"issuer": issuer, "subject": subject},
        )
        await self._store.delete_identity(found, event)

    def _now(self) -> datetime:
        now = self._clock().astimezone(UTC)
        return now.replace(microsecond=now.microsecond // 1000 * 1000)  # as it is stored


async def find_ways_in(store: SignInStore, member: Member) -> WaysIn:
    """With what a member can sign in, as the store has it now."""
    return WaysIn(
        has_password=await store.find_password(member.id) is not None,
        passkeys=len(await store.list_passkeys(member.organisation_id, member.id)),
        identities=len(await store.list_identities(member.organisation_id, member.id)),
    )
