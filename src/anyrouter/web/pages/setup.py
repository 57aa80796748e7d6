"""/setup: the first owner, by the link that the gateway prints. Once there is an owner the page is no more."""

from starlette.responses import Response

from anyrouter.core.errors import ClientError, Denied
from anyrouter.web.pages.entrance import Entrance, browser_of, can_keep_cookie, explain_insecure, problems_of, retry_headers
from anyrouter.web.pages.ports import PagePorts
from anyrouter.web.pages.routes import PUBLIC, Page, PageRoutes


class SetUpPages:
    """The first of all pages."""

    def __init__(self, ports: PagePorts) -> None:
        self._ports, self._entrance = ports, Entrance(ports)

    def add_to(self, routes: PageRoutes) -> None:
        """Put the pages on."""
        routes.get("/setup", self.show, needs=PUBLIC)
        routes.post("/setup", self.set_up, needs=PUBLIC)

    async def show(self, page: Page) -> Response:
        """GET /setup?token=…."""
        token = page.query.text("token")
        await self._ports.sign_in.check_set_up(token)
        if not can_keep_cookie(page.visit):
            return await explain_insecure(page)
        return await self._form(page, token)

    async def set_up(self, page: Page) -> Response:
        """POST /setup."""
        token = page.form.text("token")
        await self._ports.sign_in.check_set_up(token)
        if not can_keep_cookie(page.visit):
            return await explain_insecure(page)
        email, name = page.form.text("email"), page.form.text("name")
        try:
            signed_in = await self._ports.sign_in.set_up(
                token, email=email, name=name, password=page.form.raw("password"), browser=browser_of(page)
            )
        except ClientError as error:
            if error.code == "not_found":
                raise
            return await self._form(page, token, email=email, name=name, denied=error.denied)
        return await self._entrance.enter(page, signed_in)

    async def _form(self, page: Page, token: str, *, email: str = "", name: str = "", denied: Denied | None = None) -> Response:
        return await page.render(
            "setup.html",
            status=200 if denied is None else denied.http_status,
            headers={} if denied is None else retry_headers(denied),
            token=token,
            email=email,
            name=name,
            **({"errors": {}, "problem": ""} if denied is None else problems_of(denied)),
        )
