"""Links for who forgot the password, or has none yet: made by the operator, an owner or an admin, good for a day and one new password.

`SignInLinkService.make` is for who is a member. Who is invited comes in by the invitation's token (`MemberService.invite`, or
`renew_invitation` where that one is lost). `make_link` has the address that either token opens.

Whoever has the link is the member, so nobody makes one for somebody who may more: only an owner does for an owner, and no key does at all.
Of a member who makes one it has to be known that it is not a screen that somebody has left (`Rights.is_fresh`).
The text of its token exists for the length of `make` and is returned once.
"""

import base64
import hashlib
import re
import secrets
from collections.abc import Callable
from datetime import UTC, datetime, timedelta

from anyrouter.control.audit import make_event
from anyrouter.control.sign_in_stores import SignInStore
from anyrouter.core.audit import Actor, ActorKind
from anyrouter.core.errors import ClientError, Denied
from anyrouter.core.ids import new_id
from anyrouter.core.scopes import ADMIN_ORG
from anyrouter.core.sign_in import SignInLink
from anyrouter.core.tenancy import Member, Role
from anyrouter.policy.rights import Rights, may
from anyrouter.policy.session import NOT_FRESH

LINK_LIFETIME = timedelta(days=1)
_PAGES = {"inv_": "invite", "lnk_": "reset", "set_": "setup"}
_TOKEN = re.compile(r"lnk_[A-Za-z0-9_-]{43}", re.ASCII)
_NO_MEMBER = Denied(code="not_found", message="There is no such member.")
_FORBIDDEN = Denied(
    code="insufficient_scope", scope=ADMIN_ORG, message="Only an owner or an admin, signed in, makes such a link. Ask one of them."
)
_OWNERS = Denied(code="exceeds_rights", message="Only an owner makes such a link for an owner: whoever has it is that person.")
DEAD_LINK = Denied(
    code="not_found", message="There is no such link: it may have been used, replaced, or be older than a day. Ask for a new one."
)


class SignInLinkService:
    """Links of one organisation's members. Refusals are ClientError; all methods may raise StorageUnavailable."""

    def __init__(
        self,
        *,
        store: SignInStore,
        clock: Callable[[], datetime],
        make_token: Callable[[], bytes] = lambda: secrets.token_bytes(32),
    ) -> None:
        self._store, self._clock, self._make_token = store, clock, make_token

    async def make(self, actor: Actor, rights: Rights, organisation_id: str, member_id: str) -> tuple[SignInLink, str]:
        """A link, and its token's text, which is not kept. The member's earlier links end; what is signed in with stays as it is."""
        member = await self._store.find_member(organisation_id, member_id)
        await self._check(actor, rights, organisation_id, member)
        if member is None or not member.is_active:
            raise ClientError(_NO_MEMBER)
        now = self._now()
        token = "lnk_" + base64.urlsafe_b64encode(self._make_token()).rstrip(b"=").decode()
        link = SignInLink(
            id=new_id("sil", int(now.timestamp() * 1000)),
            organisation_id=organisation_id,
            member_id=member.id,
            digest=_digest(token),
            created_at=now,
            expires_at=now + LINK_LIFETIME,
        )
        event = make_event(actor, organisation_id, "link.create", now, target_id=member.id, target_label=member.email)
        await self._store.add_link(link, event)
        return link, token

    async def find(self, token: str) -> tuple[SignInLink, Member]:
        """The link that a token opens now, and whose it is; ClientError `not_found` in the same words for all others."""
        link = await self._store.find_link(_digest(token)) if _TOKEN.fullmatch(token) else None
        if link is None or link.used_at is not None or self._now() >= link.expires_at:
            raise ClientError(DEAD_LINK)
        member = await self._store.find_member(link.organisation_id, link.member_id)
        if member is None or not member.is_active:
            raise ClientError(DEAD_LINK)
        return link, member

    async def _check(self, actor: Actor, rights: Rights, organisation_id: str, member: Member | None) -> None:
        if rights.is_operator:
            return
        own = await self._store.find_member(organisation_id, actor.id) if actor.kind is ActorKind.MEMBER and actor.id else None
        if own is None or not own.is_active or own.role not in {Role.OWNER, Role.ADMIN} or not may(rights, ADMIN_ORG):
            raise ClientError(_FORBIDDEN)
        if member is not None and member.role is Role.OWNER and own.role is not Role.OWNER:
            raise ClientError(_OWNERS)
        if not rights.is_fresh:
            raise ClientError(NOT_FRESH)

    def _now(self) -> datetime:
        now = self._clock().astimezone(UTC)
        return now.replace(microsecond=now.microsecond // 1000 * 1000)  # as it is stored


def make_link(base_url: str, token: str) -> str:
    """The address that the holder of a token opens: of an invitation (`inv_…`), of a link (`lnk_…`), of the set-up (`set_…`)."""
    return f"{base_url}/{_PAGES[token[:4]]}?token={token}"


def _digest(token: str) -> bytes:
    return hashlib.sha256(token.encode()).digest()
