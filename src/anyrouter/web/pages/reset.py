"""/reset: a new password by a link for one use."""

from starlette.responses import Response

from anyrouter.core.errors import ClientError, Denied
from anyrouter.web.pages.entrance import Entrance, browser_of, can_keep_cookie, explain_insecure, problems_of, retry_headers
from anyrouter.web.pages.ports import PagePorts
from anyrouter.web.pages.routes import PUBLIC, Page, PageRoutes


class ResetPages:
    """Of who forgot the password. Nothing is used up by looking at the page: programs that scan mail open links too."""

    def __init__(self, ports: PagePorts) -> None:
        self._ports, self._entrance = ports, Entrance(ports)

    def add_to(self, routes: PageRoutes) -> None:
        """Put the pages on."""
        routes.get("/reset", self.show, needs=PUBLIC)
        routes.post("/reset", self.reset, needs=PUBLIC)

    async def show(self, page: Page) -> Response:
        """GET /reset?token=…."""
        return await self._form(page, page.query.text("token"))

    async def reset(self, page: Page) -> Response:
        """POST /reset."""
        token = page.form.text("token")
        if not can_keep_cookie(page.visit):
            return await explain_insecure(page)
        try:
            outcome = await self._ports.sign_in.reset(token, page.form.raw("password"), browser_of(page))
        except ClientError as error:
            if error.code == "not_found":
                raise
            return await self._form(page, token, error.denied)
        return await self._entrance.lead(page, outcome)

    async def _form(self, page: Page, token: str, denied: Denied | None = None) -> Response:
        _, member = await self._ports.sign_in_links.find(token)
        if not can_keep_cookie(page.visit):
            return await explain_insecure(page)
        return await page.render(
            "reset.html",
            status=200 if denied is None else denied.http_status,
            headers={} if denied is None else retry_headers(denied),
            token=token,
            person=member,
            **({"errors": {}, "problem": ""} if denied is None else problems_of(denied)),
        )
