"""A secret by which a browser is known again that is nobody yet: what it begins (single sign-on, a passkey), no other browser ends."""

import re
import secrets
from dataclasses import dataclass, field

from starlette.responses import Response

from anyrouter.web.pages.cookies import BROWSER_COOKIE, browser_cookie
from anyrouter.web.pages.routes import Page

LIFETIME_S = 600
_SECRET = re.compile(r"[A-Za-z0-9_-]{43}", re.ASCII)


@dataclass(frozen=True, slots=True, kw_only=True)
class BrowserSecret:
    """The secret, which several windows of one browser share."""

    text: str = field(repr=False)

    def keep(self, reply: Response) -> Response:
        """Have the browser keep it from now on for ten minutes."""
        reply.headers.append("set-cookie", browser_cookie(self.text, LIFETIME_S))
        return reply


def find_secret(page: Page) -> BrowserSecret | None:
    """The browser's, if it has one."""
    text = page.cookie(BROWSER_COOKIE) or ""
    return BrowserSecret(text=text) if _SECRET.fullmatch(text) else None


def find_or_make_secret(page: Page) -> BrowserSecret:
    """The browser's, or a new one, which it has to `keep`."""
    return find_secret(page) or BrowserSecret(text=secrets.token_urlsafe(32))
