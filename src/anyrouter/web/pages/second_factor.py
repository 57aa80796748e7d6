"""/dashboard/settings/profile/second-factor: an authenticator app is set up, and turned off; recovery codes are shown once."""

import io

import segno
from markupsafe import Markup
from starlette.responses import Response

from anyrouter.core.errors import ClientError, Denied
from anyrouter.web.pages.confirmation import PATH, ask_to_confirm
from anyrouter.web.pages.entrance import problems_of, retry_headers
from anyrouter.web.pages.ports import PagePorts
from anyrouter.web.pages.routes import MEMBER, Page, PageRoutes, redirect

FACTOR_PATH = f"{PATH}/second-factor"
_GONE = frozenset({"not_found", "unprocessable"})  # what was asked for is done already, or undone, in another window


class SecondFactorPages:
    """One's own, for every role. Each page wants a proof of a moment ago."""

    def __init__(self, ports: PagePorts) -> None:
        self._ports, self._factors = ports, ports.second_factors

    def add_to(self, routes: PageRoutes) -> None:
        """Put the pages on."""
        routes.get(FACTOR_PATH, self.show, needs=MEMBER)
        routes.post(FACTOR_PATH, self.confirm, needs=MEMBER)
        routes.post(f"{FACTOR_PATH}/begin", self.begin, needs=MEMBER)
        routes.post(f"{FACTOR_PATH}/recovery", self.renew_recovery, needs=MEMBER)
        routes.post(f"{FACTOR_PATH}/disable", self.disable, needs=MEMBER)

    async def show(self, page: Page) -> Response:
        """GET …/second-factor: the secret that is being set up, or the button that makes one."""
        if (way := ask_to_confirm(page, self._ports, FACTOR_PATH)) is not None:
            return way
        if await self._factors.find(page.visit.member_visitor.member) is not None:
            return redirect(PATH)
        return await self._form(page)

    async def begin(self, page: Page) -> Response:
        """POST …/begin: make a secret."""
        if (way := ask_to_confirm(page, self._ports, FACTOR_PATH)) is not None:
            return way
        try:
            await self._factors.begin(page.visit.member_visitor)
        except ClientError as error:
            return _lead_back(error)
        return redirect(FACTOR_PATH)

    async def confirm(self, page: Page) -> Response:
        """POST …/second-factor with a first code. The reply has the recovery codes, which are shown nowhere else."""
        if (way := ask_to_confirm(page, self._ports, FACTOR_PATH)) is not None:
            return way
        try:
            codes = await self._factors.confirm(page.visit.member_visitor, page.form.text("code"), actor=page.visit.actor)
        except ClientError as error:
            if error.code in _GONE:
                return redirect(PATH)
            return await self._form(page, error.denied)
        return await page.render("profile_recovery.html", codes=codes, is_new=True)

    async def renew_recovery(self, page: Page) -> Response:
        """POST …/recovery: other codes instead of those before."""
        if (way := ask_to_confirm(page, self._ports, PATH)) is not None:
            return way
        try:
            codes = await self._factors.renew_recovery(page.visit.member_visitor, actor=page.visit.actor)
        except ClientError as error:
            return _lead_back(error)
        return await page.render("profile_recovery.html", codes=codes, is_new=False)

    async def disable(self, page: Page) -> Response:
        """POST …/disable: ask for no codes any more."""
        if (way := ask_to_confirm(page, self._ports, PATH)) is not None:
            return way
        await self._factors.disable(page.visit.member_visitor, actor=page.visit.actor)
        return redirect(PATH, done="factor-off")

    async def _form(self, page: Page, denied: Denied | None = None) -> Response:
        try:
            enrolment = await self._factors.show(page.visit.member_visitor)
        except ClientError as error:
            if error.code not in _GONE:
                raise
            return await page.render("profile_second_factor.html", qr=None)
        return await page.render(
            "profile_second_factor.html",
            status=200 if denied is None else denied.http_status,
            headers={} if denied is None else retry_headers(denied),
            qr=draw_qr(enrolment.uri),
            secret=" ".join(enrolment.secret[start : start + 4] for start in range(0, len(enrolment.secret), 4)),
            uri=enrolment.uri,
            **({"errors": {}, "problem": ""} if denied is None else problems_of(denied)),
        )


def draw_qr(text: str) -> Markup:
    """A QR code as SVG, dark on light in every theme, as cameras want it. No character of the text is in it."""
    drawing = io.BytesIO()
    segno.make(text, error="m", micro=False).save(
        drawing, kind="svg", xmldecl=False, svgns=True, omitsize=True, dark="#000", light="#fff", border=4, svgclass="qr", lineclass=None
    )
    return Markup(drawing.getvalue().decode("ascii"))  # noqa: S704 -- squares


def _lead_back(error: ClientError) -> Response:
    if error.code in _GONE:
        return redirect(PATH)
    raise error
