"""How the pages look: the style sheet and scripts, and which theme a visitor wants."""

from starlette.responses import Response

from anyrouter.core.errors import ClientError, Denied
from anyrouter.web.pages.assets import Assets
from anyrouter.web.pages.cookies import THEMES, theme_cookie
from anyrouter.web.pages.routes import PUBLIC, Page, PageRoutes, redirect


class AppearancePages:
    """Files and themes: anybody's."""

    def __init__(self, assets: Assets) -> None:
        self._assets = assets

    def add_to(self, routes: PageRoutes) -> None:
        """Put the pages on."""
        routes.get("/static/{digest}/{name}", self.show_file, needs=PUBLIC)
        routes.post("/theme", self.change_theme, needs=PUBLIC)

    async def show_file(self, page: Page) -> Response:
        """GET /static/…."""
        return await self._assets.serve(page.request)

    async def change_theme(self, page: Page) -> Response:
        """POST /theme, then back to where it was sent from."""
        theme, back = page.form.text("theme"), page.form.text("back")
        if theme not in THEMES:
            raise ClientError(Denied(code="invalid_parameter", param="theme", message=f"theme: one of {', '.join(THEMES)} is needed."))
        reply = redirect(own_path(back))
        reply.headers.append("set-cookie", theme_cookie(theme))
        return reply


def own_path(text: str, default: str = "/dashboard") -> str:
    """A path of ours as a form or link names it; `default` for everything else: nobody is sent to another site from here."""
    if not text.startswith("/") or text.startswith("//") or "\\" in text or not text.isascii() or not text.isprintable():
        return default
    return text
