"""/dashboard: what is wrong first, then today's numbers, then what a new installation needs next. And /, which leads there."""

from starlette.responses import Response

from anyrouter.web.pages.ports import PagePorts
from anyrouter.web.pages.routes import MEMBER, PUBLIC, Page, PageRoutes, redirect


class HomePages:
    """The way in."""

    def __init__(self, ports: PagePorts) -> None:
        self._ports = ports

    def add_to(self, routes: PageRoutes) -> None:
        """Put the pages on."""
        routes.get("/", self.lead, needs=PUBLIC)
        routes.get("/dashboard", self.show, needs=MEMBER)

    async def lead(self, page: Page) -> Response:  # noqa: ARG002 -- a handler's signature
        """GET /."""
        return redirect("/dashboard")

    async def show(self, page: Page) -> Response:
        """GET /dashboard."""
        return await page.render("home.html")
