"""/dashboard/settings/profile: who you are here, how you sign in, and where you are signed in."""

from starlette.responses import Response

from anyrouter.core.errors import ClientError, Denied
from anyrouter.web.pages.confirmation import PATH, ask_to_confirm
from anyrouter.web.pages.entrance import browser_of, problems_of, retry_headers
from anyrouter.web.pages.passkey_place import find_place
from anyrouter.web.pages.ports import PagePorts
from anyrouter.web.pages.routes import MEMBER, Page, PageRoutes, redirect
from anyrouter.web.pages.user_agents import short_client


class ProfilePages:
    """One's own, for every role."""

    def __init__(self, ports: PagePorts) -> None:
        self._ports = ports

    def add_to(self, routes: PageRoutes) -> None:
        """Put the pages on."""
        routes.get(PATH, self.show, needs=MEMBER)
        routes.post(f"{PATH}/name", self.rename, needs=MEMBER)
        routes.post(f"{PATH}/password", self.change_password, needs=MEMBER)
        routes.post(f"{PATH}/identity/unlink", self.unlink, needs=MEMBER)
        routes.post(f"{PATH}/sessions/end", self.end_session, needs=MEMBER)
        routes.post(f"{PATH}/sessions/end-others", self.end_others, needs=MEMBER)

    async def show(self, page: Page) -> Response:
        """GET …/profile."""
        return await self._show(page)

    async def rename(self, page: Page) -> Response:
        """POST …/name."""
        name = page.form.text("name")
        try:
            await self._ports.profiles.rename(page.visit.member_visitor, name, actor=page.visit.actor)
        except ClientError as error:
            return await self._show(page, error.denied, name=name)
        return redirect(PATH, done="renamed")

    async def change_password(self, page: Page) -> Response:
        """POST …/password. Who has one says it; who has none must have signed in a moment ago."""
        visitor, sign_in = page.visit.member_visitor, self._ports.sign_in
        has_password = await sign_in.has_password(visitor.member)
        if not has_password and (way := ask_to_confirm(page, self._ports, PATH)) is not None:
            return way
        old = page.form.raw("old_password") if has_password else None
        try:
            await sign_in.change_password(visitor, old=old, new=page.form.raw("new_password"), browser=browser_of(page))
        except ClientError as error:
            return await self._show(page, error.denied)
        return redirect(PATH, done="password")

    async def unlink(self, page: Page) -> Response:
        """POST …/identity/unlink: sign in no more with an account elsewhere."""
        if (way := ask_to_confirm(page, self._ports, PATH)) is not None:
            return way
        issuer, subject = page.form.text("issuer"), page.form.text("subject")
        try:
            await self._ports.profiles.unlink(page.visit.member_visitor, issuer, subject, actor=page.visit.actor)
        except ClientError as error:
            return await self._show(page, error.denied)
        return redirect(PATH, done="unlinked")

    async def end_session(self, page: Page) -> Response:
        """POST …/sessions/end: one of them."""
        visit = page.visit
        try:
            await self._ports.sessions.end(visit.actor, visit.organisation_id, visit.member_visitor.member.id, page.form.text("id"))
        except ClientError as error:
            return await self._show(page, error.denied)
        return redirect(PATH, done="ended")

    async def end_others(self, page: Page) -> Response:
        """POST …/sessions/end-others: all but this one."""
        visit, visitor = page.visit, page.visit.member_visitor
        await self._ports.sessions.end_all(visit.actor, visit.organisation_id, visitor.member.id, but=visitor.session.id)
        return redirect(PATH, done="ended-others")

    async def _show(self, page: Page, denied: Denied | None = None, *, name: str | None = None) -> Response:
        visitor, ports = page.visit.member_visitor, self._ports
        member = visitor.member
        sessions = await ports.sessions.list(member.organisation_id, member.id)
        organisation = ports.tenants().organisations.get(member.organisation_id)
        return await page.render(
            "profile.html",
            status=200 if denied is None else denied.http_status,
            headers={} if denied is None else retry_headers(denied),
            path=PATH,
            name=member.name if name is None else name,
            organisation="" if organisation is None else organisation.name,
            ways=await ports.profiles.find_ways_in(member),
            identities=await ports.profiles.list_identities(member),
            sign_on_name=ports.sign_on_name,
            passkeys=await ports.profiles.list_passkeys(member),
            passkey_place=find_place(ports, page.visit),
            passkey_name=_name_device(page.visit.user_agent),
            factor=await ports.second_factors.find(member),
            sessions=[(session, short_client(session.user_agent).replace("a browser", "A browser") or "Unknown") for session in sessions],
            current=visitor.session.id,
            **({"errors": {}, "problem": ""} if denied is None else problems_of(denied)),
        )


def _name_device(user_agent: str) -> str:
    """What a passkey made with that browser may be called."""
    name = short_client(user_agent)
    return "This device" if name in {"", "a browser"} else name
