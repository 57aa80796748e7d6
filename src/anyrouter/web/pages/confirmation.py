"""/dashboard/settings/profile/confirm: prove once more that it is you, before how you sign in is changed.

Asked for is the most that a member has: a code where there is a second factor, else the password; a passkey always does.
"""

from urllib.parse import quote

from starlette.responses import Response

from anyrouter.core.errors import ClientError, Denied
from anyrouter.web.pages.appearance import own_path
from anyrouter.web.pages.entrance import browser_of, problems_of, retry_headers
from anyrouter.web.pages.passkey_place import find_place
from anyrouter.web.pages.ports import PagePorts
from anyrouter.web.pages.routes import MEMBER, Page, PageRoutes, redirect

PATH = "/dashboard/settings/profile"
CONFIRM_PATH = f"{PATH}/confirm"


class ConfirmationPages:
    """Who finds a screen that somebody has left finds no way to stay."""

    def __init__(self, ports: PagePorts) -> None:
        self._ports = ports

    def add_to(self, routes: PageRoutes) -> None:
        """Put the pages on."""
        routes.get(CONFIRM_PATH, self.show, needs=MEMBER)
        routes.post(CONFIRM_PATH, self.confirm, needs=MEMBER)

    async def show(self, page: Page) -> Response:
        """GET …/confirm?next=…."""
        next_path = own_path(page.query.text("next"), PATH)
        if self._ports.sessions.is_fresh(page.visit.member_visitor):
            return redirect(next_path)
        return await self._form(page, next_path)

    async def confirm(self, page: Page) -> Response:
        """POST …/confirm with a code or the password, whichever is asked for."""
        visitor, next_path = page.visit.member_visitor, own_path(page.form.text("next"), PATH)
        factors = self._ports.second_factors
        try:
            if await factors.find(visitor.member) is not None:
                await factors.verify(visitor.member, page.form.text("code"), actor=page.visit.actor)
                await self._ports.sessions.confirm(visitor)
            else:
                await self._ports.sign_in.confirm(visitor, page.form.raw("password"), browser_of(page))
        except ClientError as error:
            return await self._form(page, next_path, error.denied)
        return redirect(next_path)

    async def _form(self, page: Page, next_path: str, denied: Denied | None = None) -> Response:
        member = page.visit.member_visitor.member
        problems = {"errors": {}, "problem": ""} if denied is None else problems_of(denied)
        errors = {{"old_password": "password"}.get(name, name): text for name, text in dict(problems["errors"]).items()}  # type: ignore[call-overload]
        return await page.render(
            "profile_confirm.html",
            status=200 if denied is None else denied.http_status,
            headers={} if denied is None else retry_headers(denied),
            next_path=next_path,
            has_factor=await self._ports.second_factors.find(member) is not None,
            ways=await self._ports.profiles.find_ways_in(member),
            sign_on_name=self._ports.sign_on_name,
            passkey_place=find_place(self._ports, page.visit),
            problem=problems["problem"],
            errors=errors,
        )


def ask_to_confirm(page: Page, ports: PagePorts, next_path: str) -> Response | None:
    """The way to the page that asks, with the way back; None where nothing has to be asked."""
    if ports.sessions.is_fresh(page.visit.member_visitor):
        return None
    return redirect(CONFIRM_PATH, next=next_path)


def confirm_link(next_path: str) -> str:
    """Where one confirms, and then goes on to a page."""
    return f"{CONFIRM_PATH}?next={quote(next_path, safe='')}"
