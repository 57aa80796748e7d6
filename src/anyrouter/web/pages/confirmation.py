"""/dashboard/settings/profile/confirm: prove once more that it is you, before how you sign in is changed, or power is given.

Asked for is the most that a member has: a code where there is a second factor, else the password; a passkey always does. A form that
was filled in asks for it beside its own fields (`FormProof`), so that nothing of it is lost.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from urllib.parse import quote

from starlette.responses import Response

from anyrouter.core.errors import ClientError, Denied
from anyrouter.policy.session import NOT_FRESH
from anyrouter.web.pages.appearance import own_path
from anyrouter.web.pages.entrance import browser_of, problems_of, retry_headers
from anyrouter.web.pages.passkey_place import find_place
from anyrouter.web.pages.ports import PagePorts
from anyrouter.web.pages.routes import MEMBER, Page, PageRoutes, redirect

PATH = "/dashboard/settings/profile"
CONFIRM_PATH = f"{PATH}/confirm"
DONE_PATH = f"{CONFIRM_PATH}/done"
_CODE, _PASSWORD = "confirm_code", "confirm_password"


class ConfirmationPages:
    """Who finds a screen that somebody has left finds no way to stay."""

    def __init__(self, ports: PagePorts) -> None:
        self._ports = ports

    def add_to(self, routes: PageRoutes) -> None:
        """Put the pages on."""
        routes.get(CONFIRM_PATH, self.show, needs=MEMBER)
        routes.post(CONFIRM_PATH, self.confirm, needs=MEMBER)
        routes.get(DONE_PATH, self.show_done, needs=MEMBER)

    async def show(self, page: Page) -> Response:
        """GET …/confirm?next=…."""
        next_path = own_path(page.query.text("next"), PATH)
        if self._ports.sessions.is_fresh(page.visit.member_visitor):
            return redirect(next_path)
        return await self._form(page, next_path)

    async def confirm(self, page: Page) -> Response:
        """POST …/confirm with a code or the password, whichever is asked for."""
        next_path = own_path(page.form.text("next"), PATH)
        try:
            await _confirm(page, self._ports, page.form.text("code"), page.form.raw("password"))
        except ClientError as error:
            return await self._form(page, next_path, error.denied)
        return redirect(next_path)

    async def show_done(self, page: Page) -> Response:
        """GET …/confirm/done: for who has confirmed beside a form that waits in another tab."""
        return await page.render("profile_confirmed.html", is_fresh=page.visit.is_fresh, confirm_link=confirm_link(DONE_PATH))

    async def _form(self, page: Page, next_path: str, denied: Denied | None = None) -> Response:
        member = page.visit.member_visitor.member
        problems = {"errors": {}, "problem": ""} if denied is None else problems_of(denied)
        errors = {{"old_password": "password"}.get(name, name): text for name, text in dict(problems["errors"]).items()}  # type: ignore[call-overload]
        return await page.render(
            "profile_confirm.html",
            status=200 if denied is None else denied.http_status,
            headers={} if denied is None else retry_headers(denied),
            next_path=next_path,
            has_factor=await self._ports.second_factors.find(member) is not None,
            ways=await self._ports.profiles.find_ways_in(member),
            sign_on_name=self._ports.sign_on_name,
            passkey_place=find_place(self._ports, page.visit),
            problem=problems["problem"],
            errors=errors,
        )


def confirm_link(next_path: str) -> str:
    """Where one confirms, and then goes on to a page."""
    return f"{CONFIRM_PATH}?next={quote(next_path, safe='')}"


@dataclass(frozen=True, slots=True, kw_only=True)
class AskedProof:
    """What a form asks for besides: a code, or a password, or neither where the member has another proof; and where that is given."""

    has_factor: bool
    has_password: bool
    has_other: bool
    errors: Mapping[str, str]
    message: str
    status: int
    headers: Mapping[str, str]
    link: str = confirm_link(DONE_PATH)


class FormProof:
    """The proof beside the fields of a form that gives power: taken before the form is, asked for when the service wants it."""

    def __init__(self, ports: PagePorts) -> None:
        self._ports = ports

    async def take(self, page: Page) -> None:
        """Have the session count as fresh, where a proof stands in the form. ClientError for a wrong one, which `ask` shows."""
        code, password = page.form.text(_CODE), page.form.raw(_PASSWORD)
        if page.visit.is_fresh or not (code or password):
            return
        try:
            await _confirm(page, self._ports, code, password)
        except ClientError as error:
            param = {"code": _CODE, "old_password": _PASSWORD}.get(error.denied.param or "", _CODE if code else _PASSWORD)
            raise ClientError(replace(error.denied, param=param)) from None
        page.visit.is_fresh = True

    async def ask(self, page: Page, error: ClientError) -> AskedProof | None:
        """What is asked for after a refusal; None where another thing is wrong."""
        denied = error.denied
        if denied != NOT_FRESH and denied.param not in {_CODE, _PASSWORD}:
            return None
        member = page.visit.member_visitor.member
        ways = await self._ports.profiles.find_ways_in(member)
        has_factor = await self._ports.second_factors.find(member) is not None
        has_own = has_factor or ways.has_password
        return AskedProof(
            has_factor=has_factor,
            has_password=ways.has_password,
            has_other=bool(ways.passkeys) or not has_own,
            errors={denied.param: denied.message} if denied.param and has_own else {},
            message=denied.message if not has_own and denied.param else "",
            status=denied.http_status,
            headers=retry_headers(denied),
        )


async def _confirm(page: Page, ports: PagePorts, code: str, password: str) -> None:
    """Have the session count as fresh by whichever of the two is asked of the member."""
    visitor = page.visit.member_visitor
    if await ports.second_factors.find(visitor.member) is not None:
        await ports.second_factors.verify(visitor.member, code, actor=page.visit.actor)
        await ports.sessions.confirm(visitor)
    else:
        await ports.sign_in.confirm(visitor, password, browser_of(page))


def ask_to_confirm(page: Page, ports: PagePorts, next_path: str) -> Response | None:
    """The way to the page that asks, with the way back; None where nothing has to be asked."""
    if ports.sessions.is_fresh(page.visit.member_visitor):
        return None
    return redirect(CONFIRM_PATH, next=next_path)
