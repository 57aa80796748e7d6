"""One address for two applications: the pages, and the API for everything else."""

from starlette.types import ASGIApp, Receive, Scope, Send

_PAGES = frozenset({"/", "/login", "/logout", "/setup", "/invite", "/reset", "/theme", "/dashboard"})
_BELOW = ("/dashboard/", "/static/", "/login/", "/setup/", "/sso/", "/invite/", "/reset/", "/logout/")


def is_page(path: str) -> bool:
    """Whether the path belongs to the pages."""
    return path in _PAGES or path.startswith(_BELOW)


class Site:
    """Sends each request where it belongs."""

    def __init__(self, api: ASGIApp, pages: ASGIApp) -> None:
        self._api, self._pages = api, pages

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one message (ASGI 3)."""
        if scope["type"] == "http" and is_page(scope["path"]):
            await self._pages(scope, receive, send)
        else:
            await self._api(scope, receive, send)
