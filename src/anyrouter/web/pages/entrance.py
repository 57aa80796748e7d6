"""How a browser gets a session, whatever the proof was: always a new one, in a cookie that only TLS or this machine carries."""

import ipaddress
import math
from collections.abc import Mapping
from urllib.parse import urlsplit

from starlette.responses import Response

from anyrouter.control.pending import LIFETIME_S
from anyrouter.control.sign_in import Browser, Outcome, SecondStep, SignedIn
from anyrouter.core.errors import ClientError, Denied
from anyrouter.web.pages.appearance import own_path
from anyrouter.web.pages.cookies import PENDING_COOKIE, end_pending_cookie, pending_cookie, session_cookie
from anyrouter.web.pages.ports import PagePorts
from anyrouter.web.pages.routes import Page, redirect
from anyrouter.web.pages.visit import PageVisit

SECOND_STEP_PATH = "/login/code"
CHOICE_PATH = "/login/organisation"
ARRIVED_PATH = "/login/arrived"


class Entrance:
    """Lets in who has proved who it is."""

    def __init__(self, ports: PagePorts) -> None:
        self._ports = ports

    async def lead(self, page: Page, outcome: Outcome, next_path: str = "") -> Response:
        """The reply to a proof: in, or on to what is asked for besides."""
        if isinstance(outcome, SignedIn):
            return await self.enter(page, outcome, next_path)
        reply = redirect(SECOND_STEP_PATH if isinstance(outcome, SecondStep) else CHOICE_PATH)
        reply.headers.append("set-cookie", pending_cookie(outcome.token, int(LIFETIME_S)))
        return reply

    async def enter(self, page: Page, signed_in: SignedIn, next_path: str = "") -> Response:
        """Begin a session and lead to where the visitor wanted to go. A session that the browser came with ends."""
        visit, sessions = page.visit, self._ports.sessions
        await self.end_session(visit)
        _, token = await sessions.begin(
            signed_in.member, signed_in.method, address=visit.address, user_agent=visit.user_agent, proved_at=signed_in.proved_at
        )
        path = own_path(next_path)
        # Over TLS every browser keeps the cookie. Without it one may not: the next page sees whether it came back.
        reply = redirect(path) if visit.is_secure else redirect(ARRIVED_PATH, next=path)
        reply.headers.append("set-cookie", session_cookie(token, int(sessions.rules.lifetime.total_seconds())))
        if page.cookie(PENDING_COOKIE) is not None:
            reply.headers.append("set-cookie", end_pending_cookie())
        return reply

    async def end_session(self, visit: PageVisit) -> None:
        """End the session that the browser came with, if there is one."""
        if visit.visitor is None:
            return
        member, session = visit.visitor.member, visit.visitor.session
        try:
            await self._ports.sessions.end(visit.actor, member.organisation_id, member.id, session.id)
        except ClientError as error:
            if error.code != "not_found":  # ended elsewhere at this moment
                raise


def browser_of(page: Page) -> Browser:
    """Where the visitor sits."""
    visit = page.visit
    return Browser(address=visit.address, user_agent=visit.user_agent, request_id=visit.request_id)


def can_keep_cookie(visit: PageVisit) -> bool:
    """Whether a browser may keep a secure cookie that comes this way: over TLS, or from the machine itself."""
    if visit.is_secure:
        return True
    host = urlsplit(visit.origin).hostname or ""
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost" or host.endswith(".localhost")


async def explain_insecure(page: Page) -> Response:
    """The page in place of a form that could not work: this connection carries no session."""
    parts = urlsplit(page.visit.origin)
    host, port = parts.hostname or "", parts.port or 80
    return await page.render("insecure.html", status=403, host=host, port=port)


def problems_of(denied: Denied) -> Mapping[str, object]:
    """What a form shows of a refusal: at its field where it has one, else on top."""
    if denied.param is None:
        return {"errors": {}, "problem": denied.message}
    text = denied.message.removeprefix(f"{denied.param}: ")
    return {"errors": {denied.param: text[:1].upper() + text[1:]}, "problem": ""}


def retry_headers(denied: Denied) -> Mapping[str, str]:
    """When to try again, where that is known."""
    return {} if denied.retry_after_s is None else {"retry-after": str(math.ceil(denied.retry_after_s))}
