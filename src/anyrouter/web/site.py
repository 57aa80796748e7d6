"""One address for two applications: the pages, which are loaded when somebody first looks at one, and the API for everything else.

The pages bring a template engine and libraries for signing in, some 15 MB: a gateway that nobody looks at does without.
"""

import asyncio
from collections.abc import Callable

from starlette.types import ASGIApp, Receive, Scope, Send

_PAGES = frozenset({"/", "/login", "/logout", "/setup", "/invite", "/reset", "/theme", "/dashboard"})
_BELOW = ("/dashboard/", "/static/", "/login/", "/setup/", "/sso/", "/invite/", "/reset/", "/logout/")


def is_page(path: str) -> bool:
    """Whether the path belongs to the pages."""
    return path in _PAGES or path.startswith(_BELOW)


class Site:
    """Sends each request where it belongs. `load_pages` is called once, on a thread, at the first request for a page."""

    def __init__(self, api: ASGIApp, load_pages: Callable[[], ASGIApp]) -> None:
        self._api, self._load_pages = api, load_pages
        self._loading: asyncio.Task[ASGIApp] | None = None

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one message (ASGI 3)."""
        if scope["type"] == "http" and is_page(scope["path"]):
            await (await self._pages())(scope, receive, send)
        else:
            await self._api(scope, receive, send)

    async def _pages(self) -> ASGIApp:
        if self._loading is None or (self._loading.done() and self._loading.exception() is not None):
            self._loading = asyncio.get_running_loop().create_task(asyncio.to_thread(self._load_pages))
        return await asyncio.shield(self._loading)
