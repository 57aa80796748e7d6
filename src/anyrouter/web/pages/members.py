"""/dashboard/settings/members: who works in the organisation, as what, and who is invited to."""

from collections.abc import Sequence
from typing import Any
from urllib.parse import quote

from starlette.responses import Response

from anyrouter.core.errors import ClientError, Denied
from anyrouter.core.scopes import ADMIN_ORG
from anyrouter.core.tenancy import Invitation, Member, Role
from anyrouter.policy.session import NOT_FRESH
from anyrouter.web.pages.confirmation import CONFIRM_PATH, AskedProof, FormProof, ask_to_confirm
from anyrouter.web.pages.mistakes import NO_MISTAKE, Mistake, read_mistake
from anyrouter.web.pages.ports import PagePorts
from anyrouter.web.pages.routes import Page, PageRoutes, redirect

PATH = "/dashboard/settings/members"
ROWS = 50
ROLES: tuple[tuple[Role, str], ...] = (
    (Role.OWNER, "Everything, other owners included. An organisation always has one."),
    (Role.ADMIN, "Everything but what concerns owners: keys, people, credentials, money, webhooks."),
    (Role.DEVELOPER, "Keys and provider credentials of sandboxes, their own keys elsewhere, usage."),
    (Role.BILLING, "Credits, budgets and usage. No keys, no people."),
    (Role.VIEWER, "Looks at models and usage, and changes nothing."),
)


class MemberPages:
    """People and invitations. What a role may give or take is the service's to decide."""

    def __init__(self, ports: PagePorts) -> None:
        self._ports, self._members, self._proof = ports, ports.api.members, FormProof(ports)

    def add_to(self, routes: PageRoutes) -> None:
        """Put the pages on."""
        routes.get(PATH, self.list, needs=ADMIN_ORG)
        routes.get(f"{PATH}/invite", self.begin_invitation, needs=ADMIN_ORG)
        routes.post(f"{PATH}/invite", self.invite, needs=ADMIN_ORG)
        routes.post(f"{PATH}/invitations/{{id}}/renew", self.renew, needs=ADMIN_ORG)
        routes.post(f"{PATH}/invitations/{{id}}/revoke", self.revoke, needs=ADMIN_ORG)
        routes.get(f"{PATH}/{{id}}", self.show, needs=ADMIN_ORG)
        routes.post(f"{PATH}/{{id}}", self.change, needs=ADMIN_ORG)
        routes.post(f"{PATH}/{{id}}/link", self.make_link, needs=ADMIN_ORG)
        routes.post(f"{PATH}/{{id}}/remove", self.remove, needs=ADMIN_ORG)

    async def list(self, page: Page) -> Response:
        """GET: all, by a part of a name or an address where one is looked for."""
        place = (page.visit.rights, page.visit.organisation_id)
        wanted, role = page.query.text("q"), page.query.text("role")
        everybody = await self._members.list(*place)
        found = [row for row in everybody if _matches(row, wanted.casefold(), role)]
        invitations = await self._members.list_invitations(*place)
        number = max(1, page.query.whole("page") or 1)
        rows = found[(number - 1) * ROWS : number * ROWS]
        query = f"q={quote(wanted, safe='')}&role={quote(role, safe='')}"
        return await page.render(
            "members.html",
            rows=rows,
            proofs=await self._ports.settings.proofs.list_kinds(rows),
            found=len(found),
            total=len(everybody),
            invitations=invitations[:ROWS],
            more_invitations=max(0, len(invitations) - ROWS),
            words=wanted,
            role=role,
            roles=ROLES,
            next_link=f"{PATH}?{query}&page={number + 1}" if number * ROWS < len(found) else "",
            first_link=f"{PATH}?{query}" if number > 1 else "",
        )

    async def begin_invitation(self, page: Page) -> Response:
        """GET …/invite."""
        return await self._show_invitation_form(page)

    async def invite(self, page: Page) -> Response:
        """POST …/invite: the link is in this reply, and nowhere else ever."""
        visit, form = page.visit, page.form
        try:
            await self._proof.take(page)
            role = _read_role(form.text("role"))
            invitation, token = await self._members.invite(
                visit.actor, visit.rights, visit.organisation_id, email=form.text("email"), role=role
            )
        except ClientError as error:
            if (asked := await self._proof.ask(page, error)) is not None:
                return await self._show_invitation_form(page, asked=asked)
            return await self._show_invitation_form(page, read_mistake(error, ("email", "role")))
        return await self._show_invitation_link(page, invitation, token)

    async def renew(self, page: Page) -> Response:
        """POST …/invitations/{id}/renew: another link in the place of the one before."""
        visit = page.visit
        try:
            renewed = await self._members.renew_invitation(visit.actor, visit.rights, visit.organisation_id, page.param("id"))
        except ClientError as error:
            if error.denied != NOT_FRESH:
                raise
            return redirect(CONFIRM_PATH, next=PATH)
        return await self._show_invitation_link(page, *renewed)

    async def revoke(self, page: Page) -> Response:
        """POST …/invitations/{id}/revoke."""
        visit = page.visit
        await self._members.revoke_invitation(visit.actor, visit.rights, visit.organisation_id, page.param("id"))
        return redirect(PATH, done="revoked")

    async def show(self, page: Page) -> Response:
        """GET …/{id}."""
        return await self._show(page, await self._find(page))

    async def change(self, page: Page) -> Response:
        """POST …/{id}: name and role."""
        visit, form, member = page.visit, page.form, await self._find(page)
        try:
            await self._proof.take(page)
            changes: dict[str, Any] = {"name": form.text("name"), "role": _read_role(form.text("role"))}
            place = (visit.actor, visit.rights, visit.organisation_id, member.id)
            await self._members.change(*place, changes, version=form.whole("version"))
        except ClientError as error:
            values = {"name": form.text("name"), "role": form.text("role")}
            if (asked := await self._proof.ask(page, error)) is not None:
                return await self._show(page, member, values=values, asked=asked)
            return await self._show(page, member, read_mistake(error, ("name", "role")), values)
        return redirect(f"{PATH}/{member.id}" if member.id != visit.member_visitor.member.id else "/dashboard", done="changed")

    async def make_link(self, page: Page) -> Response:
        """POST …/{id}/link: the link is in this reply, and nowhere else ever."""
        visit, member = page.visit, await self._find(page)
        # Whoever has the link is that member: it is made by who is there, not by who finds a screen.
        if (way := ask_to_confirm(page, self._ports, f"{PATH}/{member.id}")) is not None:
            return way
        link, token = await self._ports.sign_in_links.make(visit.actor, visit.rights, visit.organisation_id, member.id)
        address = f"{self._ports.base_url()}/reset?token={token}"
        return await page.render("member_link.html", kind="reset", email=member.email, expires_at=link.expires_at, link=address)

    async def remove(self, page: Page) -> Response:
        """POST …/{id}/remove."""
        visit, member = page.visit, await self._find(page)
        try:
            await self._members.remove(visit.actor, visit.rights, visit.organisation_id, member.id)
        except ClientError as error:
            return await self._show(page, member, read_mistake(error, ()))
        return redirect("/login" if member.id == visit.member_visitor.member.id else PATH, done="removed")

    async def _show_invitation_link(self, page: Page, invitation: Invitation, token: str) -> Response:
        link = f"{self._ports.base_url()}/invite?token={token}"
        return await page.render("member_link.html", kind="invitation", email=invitation.email, expires_at=invitation.expires_at, link=link)

    async def _find(self, page: Page) -> Member:
        return await self._members.show(page.visit.rights, page.visit.organisation_id, page.param("id"))

    async def _show_invitation_form(self, page: Page, mistake: Mistake = NO_MISTAKE, *, asked: AskedProof | None = None) -> Response:
        return await page.render(
            "member_invite.html",
            status=mistake.status if asked is None else asked.status,
            headers={} if asked is None else asked.headers,
            asked=asked,
            mistake=mistake,
            email=page.form.text("email"),
            role=page.form.text("role") or Role.DEVELOPER.value,
            roles=self._list_roles(page),
        )

    async def _show(
        self,
        page: Page,
        member: Member,
        mistake: Mistake = NO_MISTAKE,
        values: dict[str, str] | None = None,
        *,
        asked: AskedProof | None = None,
    ) -> Response:
        proofs = await self._ports.settings.proofs.read(member)
        is_self = member.id == page.visit.member_visitor.member.id
        return await page.render(
            "member.html",
            status=mistake.status if asked is None else asked.status,
            headers={} if asked is None else asked.headers,
            asked=asked,
            person=member,
            values={"name": member.name, "role": member.role.value} if values is None else values,
            mistake=mistake,
            proofs=proofs,
            roles=self._list_roles(page),
            is_self=is_self,
            may_touch=member.role is not Role.OWNER or page.visit.role is Role.OWNER,
        )

    @staticmethod
    def _list_roles(page: Page) -> Sequence[tuple[Role, str]]:
        """Those that the visitor may give."""
        return ROLES if page.visit.role is Role.OWNER else ROLES[1:]


def _matches(member: Member, wanted: str, role: str) -> bool:
    return (not role or member.role.value == role) and (wanted in member.email or wanted in member.name.casefold())


def _read_role(text: str) -> Role:
    try:
        return Role(text)
    except ValueError:
        raise ClientError(Denied(code="invalid_parameter", param="role", message="role: choose one of the roles.")) from None
