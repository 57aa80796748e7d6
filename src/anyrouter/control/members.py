"""Members of an organisation, and invitations to become one. Knows no HTTP and no database.

An admin does everything but what concerns owners; only owners make, change and remove owners, and the last one stays. What a key does
here counts as done by its member, or, of a service key, by an admin, and it gives no role that may more than the key. The text of an
invitation's token exists for the length of `invite` and is returned once; its 32 random bytes need no slow hash.
"""

import base64
import builtins
import hashlib
import re
import secrets
from collections.abc import Callable, Mapping
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

from anyrouter.control.audit import find_differences, make_event
from anyrouter.control.key_checks import check_name, refusal
from anyrouter.control.ports import KeyStore
from anyrouter.control.stores import MemberStore, OrganisationStore
from anyrouter.core.audit import Actor, ActorKind, AuditEvent
from anyrouter.core.errors import ClientError, Denied
from anyrouter.core.ids import new_id
from anyrouter.core.scopes import ADMIN_ORG
from anyrouter.core.tenancy import Invitation, Member, Role
from anyrouter.policy.rights import Rights, may, rights_of_role
from anyrouter.policy.session import NOT_FRESH

TOKEN_PREFIX = "inv_"  # noqa: S105 -- what tokens begin with, not one
INVITATION_LIFETIME = timedelta(days=7)
MAX_MEMBERS = 10_000
MAX_INVITATIONS = 1000
MAX_EMAIL_LENGTH = 254
_ATTEMPTS = 100  # of a change that names no version: each of many at once is made in its turn
_POWERFUL = frozenset({Role.OWNER, Role.ADMIN})
_CHANGEABLE = frozenset({"name", "role"})
_EMAIL = re.compile(r"[a-z0-9.!#$%&'*+/=?^_`{|}~-]{1,64}@[a-z0-9](?:[a-z0-9.-]{0,188}[a-z0-9])?", re.ASCII)
_TOKEN = re.compile(r"inv_[A-Za-z0-9_-]{43}", re.ASCII)
_NO_MEMBER = Denied(code="not_found", message="There is no such member.")
_NO_INVITATION = Denied(code="not_found", message="There is no such invitation.")
_DEAD_INVITATION = Denied(
    code="not_found", message="There is no such invitation for this address: it may have been used, revoked or expired. Ask for a new one."
)
_CHANGED = Denied(code="etag_mismatch", message="The member was changed meanwhile. Read it again, then repeat the change.")
_FORBIDDEN = Denied(code="insufficient_scope", scope=ADMIN_ORG, message=f"This needs the scope {ADMIN_ORG}. Ask somebody who has it.")
_OWNERS = Denied(code="exceeds_rights", param="role", message="role: only an owner makes, changes and removes owners. Ask one of them.")


class MemberService:
    """Members of one organisation at a time. Refusals are ClientError; all methods may raise StorageUnavailable."""

    def __init__(
        self,
        *,
        store: MemberStore,
        keys: KeyStore,
        organisations: OrganisationStore,
        clock: Callable[[], datetime],
        make_token: Callable[[], bytes] = lambda: secrets.token_bytes(32),
    ) -> None:
        self._store, self._keys, self._organisations = store, keys, organisations
        self._clock, self._make_token = clock, make_token

    async def list(self, rights: Rights, organisation_id: str) -> builtins.list[Member]:
        """All that are active, oldest first."""
        _check_rights(rights)
        return [member for member in await self._store.list_members(organisation_id) if member.is_active]

    async def show(self, rights: Rights, organisation_id: str, member_id: str) -> Member:
        """One of them; ClientError `not_found`."""
        for member in await self.list(rights, organisation_id):
            if member.id == member_id:
                return member
        raise ClientError(_NO_MEMBER)

    async def add(self, actor: Actor, rights: Rights, organisation_id: str, *, email: str, role: Role, name: str | None = None) -> Member:
        """A member, without an invitation. Who was one before has the same id as then, and none of the personal keys."""
        await self._check_role(actor, rights, organisation_id, role)
        await self._check_organisation(organisation_id)
        return await self._add(actor, organisation_id, check_email(email), role, name)

    async def change(
        self, actor: Actor, rights: Rights, organisation_id: str, member_id: str, changes: Mapping[str, Any], *, version: int | None = None
    ) -> Member:
        """Change name or role. Personal keys do no more than the new role allows, within a second."""
        unknown = next((name for name in changes if name not in _CHANGEABLE), None)
        if unknown is not None:
            raise refusal(unknown, "this is not changed; remove the member and add another")
        values = dict(changes)
        if "name" in values:
            values["name"] = check_name(values["name"])
        return await self._change(actor, rights, organisation_id, member_id, "member.change", values, version)

    async def remove(self, actor: Actor, rights: Rights, organisation_id: str, member_id: str, *, version: int | None = None) -> Member:
        """End a membership. Personal keys end with it, in the same moment; keys that the member made for programs stay."""
        return await self._change(actor, rights, organisation_id, member_id, "member.remove", {"is_active": False}, version)

    async def invite(self, actor: Actor, rights: Rights, organisation_id: str, *, email: str, role: Role) -> tuple[Invitation, str]:
        """An invitation for seven days and one use, and its token's text, which is not kept."""
        await self._check_role(actor, rights, organisation_id, role)
        await self._check_organisation(organisation_id)
        email, now = check_email(email), self._now()
        if any(member.email == email and member.is_active for member in await self._store.list_members(organisation_id)):
            raise ClientError(
                Denied(code="duplicate_name", param="email", message="email: somebody with this address is a member already.")
            )
        waiting = [row for row in await self._store.list_invitations(organisation_id) if row.expires_at > now]
        if any(row.email == email for row in waiting):
            raise ClientError(
                Denied(
                    code="duplicate_name", param="email", message="email: an invitation for this address is open. Revoke that one first."
                )
            )
        if len(waiting) >= MAX_INVITATIONS:
            raise ClientError(
                Denied(code="unprocessable", message=f"At most {MAX_INVITATIONS} invitations can be open. Revoke some first.")
            )
        token = TOKEN_PREFIX + base64.urlsafe_b64encode(self._make_token()).rstrip(b"=").decode()
        invitation = Invitation(
            id=new_id("ivt", int(now.timestamp() * 1000)),
            organisation_id=organisation_id,
            email=email,
            role=role,
            digest=_digest(token),
            created_at=now,
            expires_at=now + INVITATION_LIFETIME,
            creator_id=await self._find_maker(actor),
        )
        await self._store.add_invitation(invitation, self._invitation_event(actor, "invitation.create", invitation))
        return invitation, token

    async def list_invitations(self, rights: Rights, organisation_id: str) -> builtins.list[Invitation]:
        """All that can still be accepted, oldest first."""
        _check_rights(rights)
        now = self._now()
        return [row for row in await self._store.list_invitations(organisation_id) if row.expires_at > now]

    async def revoke_invitation(self, actor: Actor, rights: Rights, organisation_id: str, invitation_id: str) -> Invitation:
        """Have nobody accept it any more."""
        for invitation in await self.list_invitations(rights, organisation_id):
            if invitation.id == invitation_id:
                await self._check_role(actor, rights, organisation_id, invitation.role, is_given=False)
                revoked = replace(invitation, revoked_at=self._now())
                await self._store.update_invitation(revoked, self._invitation_event(actor, "invitation.revoke", revoked))
                return revoked
        raise ClientError(_NO_INVITATION)

    async def renew_invitation(self, actor: Actor, rights: Rights, organisation_id: str, invitation_id: str) -> tuple[Invitation, str]:
        """The same invitation for another seven days, with another token; the one before opens nothing any more."""
        for invitation in await self.list_invitations(rights, organisation_id):
            if invitation.id == invitation_id:
                await self._check_role(actor, rights, organisation_id, invitation.role)
                await self.revoke_invitation(actor, rights, organisation_id, invitation_id)
                return await self.invite(actor, rights, organisation_id, email=invitation.email, role=invitation.role)
        raise ClientError(_NO_INVITATION)

    async def find_open_invitation(self, token: str) -> Invitation:
        """What the holder of a token may accept now; ClientError `not_found`, as `accept` says it."""
        invitation = await self._store.find_invitation(_digest(token)) if _TOKEN.fullmatch(token) else None
        is_open = invitation is not None and invitation.accepted_at is None and invitation.revoked_at is None
        if invitation is None or not is_open or self._now() >= invitation.expires_at or not await self._is_backed(invitation):
            raise ClientError(_DEAD_INVITATION)
        return invitation

    async def accept(self, token: str, *, email: str, name: str | None = None, address: str | None = None) -> Member:
        """The member that the holder of a token becomes: with the invitation's role, whatever else is said.

        Refused in the same words for a token that never was, was used or revoked, expired, is for another address, or whose maker may
        not give that role any more.
        """
        invitation = await self.find_open_invitation(token)
        if email.strip().lower() != invitation.email:
            raise ClientError(_DEAD_INVITATION)
        await self._check_organisation(invitation.organisation_id)
        actor = Actor(kind=ActorKind.ANONYMOUS, id=invitation.id, label=invitation.email, address=address)
        accepted = replace(invitation, accepted_at=self._now())
        try:
            return await self._add(actor, invitation.organisation_id, invitation.email, invitation.role, name, accepted)
        except ClientError as error:
            raise ClientError(_DEAD_INVITATION) if error.code == "unprocessable" else error from None

    async def join(self, organisation_id: str, *, email: str, name: str | None, role: Role | None, actor: Actor) -> Member | None:
        """The member that somebody becomes whose address is proven: by an open invitation for it, else with `role`; None without either.

        Nobody comes back by `role` who was a member before: an admin has ended that.
        """
        await self._check_organisation(organisation_id)
        email, now = check_email(email), self._now()
        shown = _usable_name(name)
        for invitation in await self._store.list_invitations(organisation_id):
            if invitation.email == email and now < invitation.expires_at and await self._is_backed(invitation):
                accepted = replace(invitation, accepted_at=now)
                return await self._add(actor, organisation_id, email, invitation.role, shown, accepted)
        if role is None or any(member.email == email for member in await self._store.list_members(organisation_id)):
            return None
        return await self._add(actor, organisation_id, email, role, shown)

    async def _add(  # noqa: PLR0917 -- what a member is made of
        self, actor: Actor, organisation_id: str, email: str, role: Role, name: str | None, invitation: Invitation | None = None
    ) -> Member:
        now = self._now()
        known = await self._store.list_members(organisation_id)
        if len(known) >= MAX_MEMBERS:
            raise ClientError(
                Denied(code="unprocessable", message=f"An organisation has at most {MAX_MEMBERS} members, former ones included.")
            )
        former = next((member for member in known if member.email == email), None)
        shown = check_name(name if name is not None else email[:100])
        member = Member(
            id=new_id("mem", int(now.timestamp() * 1000)),
            organisation_id=organisation_id,
            email=email,
            name=shown,
            role=role,
            created_at=now,
        )
        if former is not None:
            member = replace(former, name=shown, role=role, is_active=True, version=former.version + 1)
        action = "member.add" if invitation is None else "invitation.accept"
        await self._store.add_member(member, _event(actor, action, member, None, now), invitation=invitation)
        return member

    async def _change(  # noqa: PLR0917 -- what to whom, by whom
        self,
        actor: Actor,
        rights: Rights,
        organisation_id: str,
        member_id: str,
        action: str,
        values: Mapping[str, Any],
        version: int | None,
    ) -> Member:
        for attempt in range(_ATTEMPTS):
            before = await self.show(rights, organisation_id, member_id)
            if version is not None and before.version != version:
                raise ClientError(_CHANGED)
            after = replace(before, **values)
            await self._check_role(actor, rights, organisation_id, before.role, is_given=False)
            await self._check_role(actor, rights, organisation_id, after.role, is_given=after.role is not before.role)
            if after == before:
                return before
            after = replace(after, version=before.version + 1)
            try:
                await self._store.update_member(after, _event(actor, action, after, before, self._now()))
            except ClientError as error:
                if error.code != "etag_mismatch" or version is not None or attempt == _ATTEMPTS - 1:
                    raise
            else:
                return after
        raise AssertionError  # the loop returns or raises

    async def _check_role(self, actor: Actor, rights: Rights, organisation_id: str, role: Role, *, is_given: bool = True) -> None:
        """Whether who asks may give or take the role. The role of who asks is looked up as it is now. Power is given with a fresh proof.

        A key gives no role that may more than the key: else a key for one thing would be a way to everything.
        """
        _check_rights(rights)
        if rights.is_operator:
            return
        own = await self._find_role(actor, organisation_id)
        if own not in _POWERFUL:
            raise ClientError(_FORBIDDEN)
        if role is Role.OWNER and own is not Role.OWNER:
            raise ClientError(_OWNERS)
        missing = sorted(scope for scope in rights_of_role(role).scopes if scope.startswith("admin:") and not may(rights, scope))
        if is_given and missing:
            message = f"role: {role.value} may do what {missing[0]} names, and whoever asks may not. Ask somebody who has that scope."
            raise ClientError(Denied(code="exceeds_rights", param="role", message=message))
        if is_given and role in _POWERFUL and not rights.is_fresh:
            raise ClientError(NOT_FRESH)

    async def _find_role(self, actor: Actor, organisation_id: str) -> Role | None:
        maker = await self._find_maker(actor)
        if maker is None:
            return None
        if actor.kind is ActorKind.KEY and maker == actor.id:
            return Role.ADMIN
        return next((row.role for row in await self._store.list_members(organisation_id) if row.id == maker and row.is_active), None)

    async def _find_maker(self, actor: Actor) -> str | None:
        """Whose doing it is: a member's id, also behind a personal key; the id of a service key; None for the operator."""
        if actor.kind is not ActorKind.KEY or actor.id is None:
            return actor.id if actor.kind is ActorKind.MEMBER else None
        found = await self._keys.find_by_ids([actor.id])
        return found[0].member_id or actor.id if found else None

    async def _is_backed(self, invitation: Invitation) -> bool:
        """Whether the member who invited may still give the role. The operator and service keys are not members."""
        known = await self._store.list_members(invitation.organisation_id)
        maker = next((member for member in known if member.id == invitation.creator_id), None)
        if maker is None:
            return True
        return (
            maker.is_active and maker.role in {Role.OWNER, Role.ADMIN} and (maker.role is Role.OWNER or invitation.role is not Role.OWNER)
        )

    async def _check_organisation(self, organisation_id: str) -> None:
        if not any(row.id == organisation_id and row.is_active for row in await self._organisations.list_organisations()):
            raise ClientError(Denied(code="not_found", message="There is no such organisation, or it is disabled."))

    def _invitation_event(self, actor: Actor, action: str, invitation: Invitation) -> AuditEvent:
        return make_event(
            actor,
            invitation.organisation_id,
            action,
            self._now(),
            target_id=invitation.id,
            target_label=invitation.email,
            after={"email": invitation.email, "role": invitation.role.value} if action == "invitation.create" else {},
        )

    def _now(self) -> datetime:
        now = self._clock().astimezone(UTC)
        return now.replace(microsecond=now.microsecond // 1000 * 1000)  # as it is stored


def check_email(email: str) -> str:
    """The address in lower case; refused when it is none. Whether anybody reads it is not known."""
    lowered = email.strip().lower()
    if len(email) > MAX_EMAIL_LENGTH or ".." in lowered or not _EMAIL.fullmatch(lowered):
        raise refusal("email", "an e-mail address such as ada@example.org is needed")
    return lowered


def _usable_name(name: str | None) -> str | None:
    """A name as others tell it, where it is one that is taken here."""
    try:
        return check_name((name or "").strip()[:100])
    except ClientError:
        return None


def member_facts(member: Member) -> dict[str, Any]:
    """What is on record of a member, as JSON values by the API's names."""
    return {"email": member.email, "name": member.name, "role": member.role.value, "is_active": member.is_active}


def _event(actor: Actor, action: str, member: Member, before: Member | None, now: datetime) -> AuditEvent:
    was, becomes = find_differences({} if before is None else member_facts(before), member_facts(member))
    return make_event(
        actor,
        member.organisation_id,
        action,
        now,
        target_id=member.id,
        target_label=member.email,
        before={} if before is None else was,
        after=becomes,
    )


def _digest(token: str) -> bytes:
    return hashlib.sha256(token.encode()).digest()


def _check_rights(rights: Rights) -> None:
    if not may(rights, ADMIN_ORG):
        raise ClientError(_FORBIDDEN)
