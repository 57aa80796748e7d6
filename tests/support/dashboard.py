"""A member who is signed in, without going through the pages for that: a session written beside the running gateway."""

import asyncio
import os
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

from anyrouter.control.members import MemberService
from anyrouter.control.sessions import SessionService
from anyrouter.core.audit import OPERATOR
from anyrouter.core.sign_in import SignInMethod
from anyrouter.core.tenancy import DEFAULT_ORGANISATION_ID, Member, Role
from anyrouter.policy.rights import OPERATOR_RIGHTS
from anyrouter.storage.opening import open_storage
from anyrouter.web.pages.cookies import SESSION_COOKIE


@dataclass(frozen=True, slots=True, kw_only=True)
class SignedIn:
    """A member with the cookie of a session."""

    member: Member
    token: str

    @property
    def headers(self) -> dict[str, str]:
        """What a browser of this member sends with a link or a form of ours."""
        return {"cookie": f"{SESSION_COOKIE}={self.token}", "sec-fetch-site": "same-origin"}


def sign_in(
    data_dir: Path, role: Role = Role.OWNER, *, email: str | None = None, organisation_id: str = DEFAULT_ORGANISATION_ID
) -> SignedIn:
    """A new member of that role, signed in. On a thread of its own: the caller's may have an event loop."""
    work = _sign_in(data_dir, role, email or f"{role.value}-{time.monotonic_ns()}@example.org", organisation_id)
    with ThreadPoolExecutor(1) as thread:
        return thread.submit(asyncio.run, work).result()


def sign_in_again(data_dir: Path, member: Member, *, minutes_ago: int = 0) -> SignedIn:
    """One more session of a member, begun some minutes ago."""
    work = _begin(data_dir, member, timedelta(minutes=minutes_ago))
    with ThreadPoolExecutor(1) as thread:
        return thread.submit(asyncio.run, work).result()


async def _begin(data_dir: Path, member: Member, age: timedelta) -> SignedIn:
    storage = await open_storage(data_dir, environment=os.environ)
    try:
        sessions = SessionService(store=storage.sessions, clock=lambda: datetime.now(UTC) - age)
        _, token = await sessions.begin(member, SignInMethod.PASSWORD, address="127.0.0.1", user_agent="tests")
    finally:
        await storage.aclose()
    return SignedIn(member=member, token=token)


async def _sign_in(data_dir: Path, role: Role, email: str, organisation_id: str) -> SignedIn:
    storage = await open_storage(data_dir, environment=os.environ)

    def clock() -> datetime:
        return datetime.now(UTC)

    try:
        members = MemberService(store=storage.members, keys=storage.keys, organisations=storage.organisations, clock=clock)
        member = await members.add(OPERATOR, OPERATOR_RIGHTS, organisation_id, email=email, role=role)
        sessions = SessionService(store=storage.sessions, clock=clock)
        _, token = await sessions.begin(member, SignInMethod.PASSWORD, address="127.0.0.1", user_agent="tests")
    finally:
        await storage.aclose()
    return SignedIn(member=member, token=token)
