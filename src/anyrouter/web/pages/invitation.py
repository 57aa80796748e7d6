"""/invite: become a member by an invitation's link."""

from starlette.responses import Response

from anyrouter.core.errors import ClientError, Denied
from anyrouter.web.pages.entrance import Entrance, browser_of, can_keep_cookie, explain_insecure, problems_of, retry_headers
from anyrouter.web.pages.ports import PagePorts
from anyrouter.web.pages.routes import PUBLIC, Page, PageRoutes


class InvitationPages:
    """Of who is invited. Role and organisation are the invitation's, whatever a form says."""

    def __init__(self, ports: PagePorts) -> None:
        self._ports, self._entrance = ports, Entrance(ports)

    def add_to(self, routes: PageRoutes) -> None:
        """Put the pages on."""
        routes.get("/invite", self.show, needs=PUBLIC)
        routes.post("/invite", self.accept, needs=PUBLIC)

    async def show(self, page: Page) -> Response:
        """GET /invite?token=…."""
        return await self._form(page, page.query.text("token"))

    async def accept(self, page: Page) -> Response:
        """POST /invite."""
        form, token = page.form, page.form.text("token")
        if not can_keep_cookie(page.visit):
            return await explain_insecure(page)
        try:
            signed_in = await self._ports.sign_in.accept(
                token, email=form.text("email"), name=form.optional("name"), password=form.raw("password"), browser=browser_of(page)
            )
        except ClientError as error:
            if error.code == "not_found":
                raise
            return await self._form(page, token, name=form.text("name"), denied=error.denied)
        return await self._entrance.enter(page, signed_in)

    async def _form(self, page: Page, token: str, *, name: str = "", denied: Denied | None = None) -> Response:
        invitation = await self._ports.api.members.find_open_invitation(token)
        if not can_keep_cookie(page.visit):
            return await explain_insecure(page)
        organisation = self._ports.tenants().organisations.get(invitation.organisation_id)
        return await page.render(
            "invitation.html",
            status=200 if denied is None else denied.http_status,
            headers={} if denied is None else retry_headers(denied),
            token=token,
            invitation=invitation,
            organisation="" if organisation is None else organisation.name,
            name=name,
            **({"errors": {}, "problem": ""} if denied is None else problems_of(denied)),
        )
