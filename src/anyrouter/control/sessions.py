"""Sessions of members: begun when somebody has proved who it is, ended by that person, by time, or by an end of the membership.

A session's token is 32 random bytes; it exists here for the length of `begin` and is returned once. Knows no HTTP and no database.
"""

import base64
import builtins
import hashlib
import re
import secrets
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from anyrouter.control.audit import make_event
from anyrouter.control.sign_in_stores import SessionStore
from anyrouter.core.audit import Actor, ActorKind
from anyrouter.core.errors import ClientError, Denied
from anyrouter.core.ids import new_id
from anyrouter.core.sign_in import Session, SignInMethod
from anyrouter.core.tenancy import Member
from anyrouter.policy.session import NOT_FRESH, SessionRules, is_alive, is_fresh

MAX_TEXT = 200
_SEEN_EVERY = timedelta(minutes=1)
_TOKEN = re.compile(r"[A-Za-z0-9_-]{43}", re.ASCII)
_NO_SESSION = Denied(code="not_found", message="There is no such session; it may have ended already.")


@dataclass(frozen=True, slots=True, kw_only=True)
class Visitor:
    """Who is signed in, as the member is now."""

    session: Session
    member: Member


class SessionService:
    """Refusals are ClientError; all methods may raise StorageUnavailable. `clock` gives aware UTC times."""

    def __init__(
        self,
        *,
        store: SessionStore,
        clock: Callable[[], datetime],
        rules: SessionRules | None = None,
        make_token: Callable[[], bytes] = lambda: secrets.token_bytes(32),
    ) -> None:
        self._store, self._clock, self._make_token = store, clock, make_token
        self.rules = rules or SessionRules()

    async def begin(
        self, member: Member, method: SignInMethod, *, address: str, user_agent: str, proved_at: datetime | None = None
    ) -> tuple[Session, str]:
        """A new session of a member who has proved who it is, and its token's text, which is always a new one.

        It is fresh from `proved_at` on, at most from now; None: the proof was given now.
        """
        now = self._now()
        token = base64.urlsafe_b64encode(self._make_token()).rstrip(b"=").decode()
        session = Session(
            id=new_id("ses", int(now.timestamp() * 1000)),
            organisation_id=member.organisation_id,
            member_id=member.id,
            digest=_digest(token),
            method=method,
            created_at=now,
            last_seen_at=now,
            confirmed_at=now if proved_at is None else min(proved_at, now),
            expires_at=now + self.rules.lifetime,
            address=address[:MAX_TEXT],
            user_agent=user_agent[:MAX_TEXT],
        )
        event = make_event(
            Actor(kind=ActorKind.MEMBER, id=member.id, label=member.email, address=address, user_agent=user_agent),
            member.organisation_id,
            "session.begin",
            now,
            target_id=session.id,
            target_label=member.email,
            after={"method": method.value},
        )
        await self._store.add_session(session, event)
        return session, token

    async def find(self, token: str) -> Visitor | None:
        """Whose session a token is, if it holds. A text that cannot be a token causes no I/O."""
        if not _TOKEN.fullmatch(token):
            return None
        found = await self._store.find_session(_digest(token))
        now = self._now()
        if found is None or not is_alive(*found, self.rules, now):
            return None
        session, member = found
        if now >= session.last_seen_at + _SEEN_EVERY:
            await self._store.touch_session(session.id, now)
        return Visitor(session=session, member=member)

    def is_fresh(self, visitor: Visitor) -> bool:
        """Whether the person proved to be there a moment ago."""
        return is_fresh(visitor.session, self.rules, self._now())

    def check_fresh(self, visitor: Visitor) -> None:
        """ClientError `sign_in_failed` unless it is fresh: how one signs in is changed by who is there, not by who finds a screen."""
        if not self.is_fresh(visitor):
            raise ClientError(NOT_FRESH)

    async def confirm(self, visitor: Visitor) -> None:
        """Keep that the person has just proved to be there."""
        now = self._now()
        await self._store.touch_session(visitor.session.id, now, confirmed_at=now)

    async def list(self, organisation_id: str, member_id: str) -> builtins.list[Session]:
        """A member's sessions that hold, the newest first."""
        now, rules = self._now(), self.rules
        return [
            session
            for session in await self._store.list_sessions(organisation_id, member_id)
            if now < session.expires_at and now < session.last_seen_at + rules.idle and session.ended_at is None
        ]

    async def end(self, actor: Actor, organisation_id: str, member_id: str, session_id: str) -> None:
        """End one; ClientError `not_found`."""
        now = self._now()
        event = make_event(actor, organisation_id, "session.end", now, target_id=session_id, target_label=actor.label)
        if not await self._store.end_sessions(organisation_id, member_id, now, event, only=session_id):
            raise ClientError(_NO_SESSION)

    async def end_all(self, actor: Actor, organisation_id: str, member_id: str, *, but: str | None = None) -> int:
        """End all of a member's but, where one is named, that one; how many there were."""
        now = self._now()
        event = make_event(actor, organisation_id, "session.end_all", now, target_id=member_id, target_label=actor.label)
        return await self._store.end_sessions(organisation_id, member_id, now, event, but=but)

    async def forget_old(self) -> int:
        """Forget those that ended or expired a month ago."""
        return await self._store.delete_sessions_before(self._now() - timedelta(days=30))

    def _now(self) -> datetime:
        now = self._clock().astimezone(UTC)
        return now.replace(microsecond=now.microsecond // 1000 * 1000)  # as it is stored


def _digest(token: str) -> bytes:
    return hashlib.sha256(token.encode()).digest()
