"""/login/code: the second proof of who has given the first, a code of an authenticator app or a recovery code."""

from dataclasses import replace

from starlette.responses import Response

from anyrouter.control.audit import make_event
from anyrouter.control.sign_in import SignedIn
from anyrouter.core.errors import ClientError, Denied
from anyrouter.core.tenancy import Member
from anyrouter.web.pages.cookies import PENDING_COOKIE
from anyrouter.web.pages.entrance import SECOND_STEP_PATH, Entrance, browser_of, problems_of, retry_headers
from anyrouter.web.pages.ports import PagePorts
from anyrouter.web.pages.routes import PUBLIC, Page, PageRoutes, redirect


class LoginCodePages:
    """For the browser that has given the first proof, for five minutes and five tries."""

    def __init__(self, ports: PagePorts) -> None:
        self._ports, self._entrance = ports, Entrance(ports)

    def add_to(self, routes: PageRoutes) -> None:
        """Put the pages on."""
        routes.get(SECOND_STEP_PATH, self.show, needs=PUBLIC)
        routes.post(SECOND_STEP_PATH, self.check, needs=PUBLIC)

    async def show(self, page: Page) -> Response:
        """GET /login/code."""
        pending = self._ports.sign_in.pending.find(page.cookie(PENDING_COOKIE))
        if pending is None:
            return redirect("/login", done="again")
        return await self._form(page, pending.member)

    async def check(self, page: Page) -> Response:
        """POST /login/code."""
        token, waiting = page.cookie(PENDING_COOKIE), self._ports.sign_in.pending
        is_known = waiting.find(token) is not None
        pending = waiting.attempt(token)
        if pending is None:
            return redirect("/login", done="tries" if is_known else "again")
        member = pending.member
        actor = browser_of(page).as_actor(member.email, member.id)
        try:
            await self._ports.second_factors.verify(member, page.form.text("code"), actor=actor)
        except ClientError as error:
            event = make_event(
                browser_of(page).as_actor(),
                member.organisation_id,
                "session.denied",
                page.visit.now,
                target_id=member.id,
                target_label=member.email,
            )
            await self._ports.api.denials.note(replace(event, is_denied=True, code=error.code))
            return await self._form(page, member, error.denied)
        if await self._ports.sign_in.take_pending(token) is None:  # in another window, or with a new password, at this moment
            return redirect("/login", done="again")
        return await self._entrance.enter(page, SignedIn(member=member, method=pending.method), pending.next_path)

    async def _form(self, page: Page, member: Member, denied: Denied | None = None) -> Response:
        return await page.render(
            "login_code.html",
            status=200 if denied is None else denied.http_status,
            headers={} if denied is None else retry_headers(denied),
            email=member.email,
            **({"errors": {}, "problem": ""} if denied is None else problems_of(denied)),
        )
