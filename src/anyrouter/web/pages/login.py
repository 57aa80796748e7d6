"""/login with an address and a password, and /logout."""

from starlette.responses import Response

from anyrouter.core.errors import ClientError
from anyrouter.web.pages.appearance import own_path
from anyrouter.web.pages.cookies import PENDING_COOKIE, end_session_cookie
from anyrouter.web.pages.entrance import (
    ARRIVED_PATH,
    CHOICE_PATH,
    Entrance,
    browser_of,
    can_keep_cookie,
    explain_insecure,
    problems_of,
    retry_headers,
)
from anyrouter.web.pages.passkey_place import find_place
from anyrouter.web.pages.ports import PagePorts
from anyrouter.web.pages.routes import PUBLIC, Page, PageRoutes, redirect

NOTICES = {
    "signed-out": "You are signed out.",
    "again": "That took too long. Please sign in again.",
    "expired": "Your session had ended, so nothing of what you just sent was saved. Sign in, and the page that you were on opens again.",
    "tries": "Too many codes were wrong. Please sign in again.",
}


class LoginPages:
    """In and out."""

    def __init__(self, ports: PagePorts) -> None:
        self._ports, self._entrance = ports, Entrance(ports)

    def add_to(self, routes: PageRoutes) -> None:
        """Put the pages on."""
        routes.get("/login", self.show, needs=PUBLIC)
        routes.post("/login", self.sign_in, needs=PUBLIC)
        routes.get(CHOICE_PATH, self.show_choice, needs=PUBLIC)
        routes.post(CHOICE_PATH, self.choose, needs=PUBLIC)
        routes.get(ARRIVED_PATH, self.arrive, needs=PUBLIC)
        routes.post("/logout", self.sign_out, needs=PUBLIC)

    async def show(self, page: Page) -> Response:
        """GET /login?next=…. Who is signed in is led on."""
        if page.visit.visitor is not None:
            return redirect(own_path(page.query.text("next")))
        if not can_keep_cookie(page.visit):
            return await explain_insecure(page)
        return await self._form(page, next_path=page.query.text("next"), notice=NOTICES.get(page.query.text("done"), ""))

    async def sign_in(self, page: Page) -> Response:
        """POST /login."""
        if not can_keep_cookie(page.visit):
            return await explain_insecure(page)
        email, next_path = page.form.text("email"), page.form.text("next")
        try:
            outcome = await self._ports.sign_in.sign_in(email, page.form.raw("password"), browser_of(page), next_path=own_path(next_path))
        except ClientError as error:
            return await self._form(page, next_path=next_path, email=email, refused=error)
        return await self._entrance.lead(page, outcome, next_path)

    async def show_choice(self, page: Page) -> Response:
        """GET /login/organisation: the password is right in several."""
        choice = self._ports.sign_in.choices.find(page.cookie(PENDING_COOKIE))
        if choice is None:
            return redirect("/login", done="again")
        known = self._ports.tenants().organisations
        rows = [(row, known[row.organisation_id].name) for row in choice.members if row.organisation_id in known]
        return await page.render("login_organisation.html", rows=rows)

    async def choose(self, page: Page) -> Response:
        """POST /login/organisation."""
        chosen = await self._ports.sign_in.choose(page.cookie(PENDING_COOKIE), page.form.text("member"))
        if chosen is None:
            return redirect("/login", done="again")
        outcome, next_path = chosen
        return await self._entrance.lead(page, outcome, next_path)

    async def arrive(self, page: Page) -> Response:
        """GET /login/arrived: on to where one wanted to go, if the browser has kept the cookie."""
        if page.visit.visitor is not None:
            return redirect(own_path(page.query.text("next")))
        return await page.render("login_cookie.html", status=403, has_cookie=page.visit.token is not None)

    async def sign_out(self, page: Page) -> Response:
        """POST /logout: the session ends here and in the store, and the browser forgets the pages that it has seen."""
        await self._entrance.end_session(page.visit)
        reply = redirect("/login", done="signed-out")
        reply.headers.append("set-cookie", end_session_cookie())
        reply.headers["clear-site-data"] = '"cache"'
        return reply

    async def _form(self, page: Page, *, next_path: str, email: str = "", notice: str = "", refused: ClientError | None = None) -> Response:
        denied = None if refused is None else refused.denied
        return await page.render(
            "login.html",
            status=200 if denied is None else denied.http_status,
            headers={} if denied is None else retry_headers(denied),
            next_path=own_path(next_path),
            email=email,
            notice=notice,
            is_new=await self._ports.sign_in.is_new(),
            sign_on_name=self._ports.sign_on_name,
            passkey_place=find_place(self._ports, page.visit),
            **({"errors": {}, "problem": ""} if denied is None else problems_of(denied)),
        )
