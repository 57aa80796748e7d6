"""What came of a test, on its way from the form to the page that the form leads to: shown there once, and a reload tests nothing again.

It is in a cookie, which no other host can set (see `cookies`), and which holds what the page shows and nothing else.
"""

from base64 import urlsafe_b64decode, urlsafe_b64encode

import msgspec
from starlette.responses import Response

from anyrouter.web.pages.cookies import OUTCOME_COOKIE, end_outcome_cookie, outcome_cookie
from anyrouter.web.pages.routes import Page, redirect

_MAX_MESSAGE = 800
_MAX_COOKIE = 4096


class Outcome(msgspec.Struct, frozen=True, kw_only=True):
    """`path` is that of the page which shows it. `is_ok` None: it could not be told. `status` None: there was no answer."""

    path: str
    is_ok: bool | None
    status: int | None
    latency_ms: int
    message: str

    @property
    def title(self) -> str:
        """The first sentence of the message, without its full stop."""
        return self.message.partition(". ")[0].removesuffix(".")

    @property
    def rest(self) -> str:
        """What the message says besides."""
        return self.message.partition(". ")[2]


def show_once(outcome: Outcome) -> Response:
    """To the page, which shows it."""
    short = msgspec.structs.replace(outcome, message=outcome.message[:_MAX_MESSAGE])
    reply = redirect(outcome.path)
    reply.headers.append("set-cookie", outcome_cookie(urlsafe_b64encode(msgspec.json.encode(short)).decode()))
    return reply


def take_outcome(page: Page) -> Outcome | None:
    """What came of the test from which the visitor comes to this page; None for who comes from elsewhere."""
    text = page.cookie(OUTCOME_COOKIE)
    if not text or len(text) > _MAX_COOKIE:
        return None
    try:
        outcome = msgspec.json.decode(urlsafe_b64decode(text), type=Outcome)
    except (ValueError, msgspec.MsgspecError):
        return None
    return outcome if outcome.path == page.request.scope["path"] else None


def forget(reply: Response) -> Response:
    """The reply that shows it: the next one does not."""
    reply.headers.append("set-cookie", end_outcome_cookie())
    return reply
