"""/sso/start and /sso/callback: to the provider of sign-on, and back with what it says.

Begun by a link, not by a form: the policy lets forms lead to our own pages only, and a redirect counts.
"""

import ipaddress
from urllib.parse import quote, urlsplit

from starlette.responses import RedirectResponse, Response

from anyrouter.core.errors import ClientError, Denied
from anyrouter.core.sign_in import SignInMethod
from anyrouter.policy.sign_on import SignOnAnswer
from anyrouter.web.pages.appearance import own_path
from anyrouter.web.pages.browser_secret import find_or_make_secret, find_secret
from anyrouter.web.pages.entrance import Entrance, browser_of, can_keep_cookie, explain_insecure, retry_headers
from anyrouter.web.pages.ports import PagePorts
from anyrouter.web.pages.routes import PUBLIC, SEE_OTHER, Page, PageRoutes, redirect

START_PATH = "/sso/start"
CALLBACK_PATH = "/sso/callback"
_NONE = Denied(code="not_found", message="This gateway has no single sign-on. Sign in with a password.")
_NO_ADDRESS = Denied(
    code="unprocessable",
    message="The provider would send you back to an address that is the gateway's own machine. The operator has to set server.public_url "
    "to the address that people use.",
)


class SignOnPages:
    """There and back."""

    def __init__(self, ports: PagePorts) -> None:
        self._ports, self._entrance = ports, Entrance(ports)

    def add_to(self, routes: PageRoutes) -> None:
        """Put the pages on."""
        routes.get(START_PATH, self.start, needs=PUBLIC)
        routes.get(CALLBACK_PATH, self.finish, needs=PUBLIC)

    async def start(self, page: Page) -> Response:
        """GET /sso/start?next=…. With `again` also for who is signed in, to prove it anew."""
        next_path = own_path(page.query.text("next"))
        sign_on = await self._ports.single_sign_on()
        if sign_on is None:
            raise ClientError(_NONE)
        if page.visit.visitor is not None and not page.query.has("again"):
            return redirect(next_path)
        if not can_keep_cookie(page.visit):
            return await explain_insecure(page)
        base_url = self._ports.base_url()
        if (there := self._lead_home(page, base_url, next_path)) is not None:
            return there
        if _is_own_machine(base_url) and not _is_own_machine(page.visit.origin):
            return await self._explain(page, _NO_ADDRESS)
        secret = find_or_make_secret(page)
        try:
            url = await sign_on.begin(
                secret.text,
                redirect_uri=base_url + CALLBACK_PATH,
                next_path=next_path,
                address=page.visit.address,
                is_anew=page.query.has("again"),
                is_confirmation=page.visit.visitor is not None,
            )
        except ClientError as error:
            return await self._explain(page, error.denied)
        return secret.keep(RedirectResponse(url, SEE_OTHER))

    async def finish(self, page: Page) -> Response:
        """GET /sso/callback?state=…&code=…: a session for who signed in there, if this browser began it and all is as it must be."""
        sign_on = await self._ports.single_sign_on()
        if sign_on is None:
            raise ClientError(_NONE)
        query, secret = page.query, find_secret(page)
        answer = SignOnAnswer(state=query.text("state"), code=query.text("code"), issuer=query.text("iss"), error=query.text("error"))
        try:
            signed_on = await sign_on.finish("" if secret is None else secret.text, answer, actor=browser_of(page).as_actor())
        except ClientError as error:
            return await self._explain(page, error.denied)
        outcome = await self._ports.sign_in.admit_one_of(
            signed_on.members, SignInMethod.SSO, proved_at=signed_on.proved_at, next_path=signed_on.next_path
        )
        return await self._entrance.lead(page, outcome, signed_on.next_path)

    def _lead_home(self, page: Page, base_url: str, next_path: str) -> Response | None:
        """To the address that the provider will send the browser back to, where it has to be known again; once, and never elsewhere."""
        here, home = urlsplit(page.visit.origin), urlsplit(base_url)
        is_there = (here.hostname, _port(here.port)) == (home.hostname, _port(home.port))
        if is_there or page.query.has("home") or (_is_own_machine(base_url) and not _is_own_machine(page.visit.origin)):
            return None
        again = "&again=yes" if page.query.has("again") else ""
        return RedirectResponse(f"{base_url}{START_PATH}?home=yes{again}&next={quote(next_path, safe='')}", SEE_OTHER)

    async def _explain(self, page: Page, denied: Denied) -> Response:
        return await page.render(
            "sso_failed.html",
            status=denied.http_status,
            headers=retry_headers(denied),
            message=denied.message,
            sign_on_name=self._ports.sign_on_name,
        )


def _port(port: int | None) -> int | None:
    """Without the standard ones: behind a proxy that ends TLS the scheme here is not the browser's."""
    return None if port in {80, 443} else port


def _is_own_machine(url: str) -> bool:
    host = urlsplit(url).hostname or ""
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"
