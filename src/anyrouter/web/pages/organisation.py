"""/dashboard/settings: the visitor's organisation, and what of this installation its people may know."""

from datetime import timedelta

from starlette.responses import Response

from anyrouter.core.errors import ClientError
from anyrouter.core.scopes import ADMIN_ORG
from anyrouter.core.tenancy import DEFAULT_ORGANISATION_ID, Organisation
from anyrouter.policy.rights import may
from anyrouter.web.pages.mistakes import NO_MISTAKE, Mistake, read_mistake
from anyrouter.web.pages.ports import PagePorts
from anyrouter.web.pages.routes import MEMBER, Page, PageRoutes, redirect

PATH = "/dashboard/settings"
FIELDS = ("name", "max_key_lifetime_s")
_LIFETIMES = (("1 day", 1), ("7 days", 7), ("30 days", 30), ("90 days", 90), ("180 days", 180), ("a year", 365))
_DAY_S = int(timedelta(days=1).total_seconds())
_KIB = 1024


class OrganisationPages:
    """Everybody sees whose pages these are; who manages the organisation names it and bounds how long keys live."""

    def __init__(self, ports: PagePorts) -> None:
        self._ports = ports

    def add_to(self, routes: PageRoutes) -> None:
        """Put the pages on."""
        routes.get(PATH, self.show, needs=MEMBER)
        routes.post(PATH, self.change, needs=ADMIN_ORG)

    async def show(self, page: Page) -> Response:
        """GET."""
        return await self._show(page)

    async def change(self, page: Page) -> Response:
        """POST."""
        visit, form = page.visit, page.form
        try:
            changes = {"name": form.text("name"), "max_key_lifetime_s": form.whole("max_key_lifetime_s")}
            place = (visit.actor, visit.rights, visit.organisation_id)
            await self._ports.api.organisations.change(*place, changes, version=form.whole("version"))
        except ClientError as error:
            values = {name: form.text(name) for name in FIELDS}
            return await self._show(page, read_mistake(error, FIELDS), values)
        return redirect(PATH, done="changed")

    async def _show(self, page: Page, mistake: Mistake = NO_MISTAKE, values: dict[str, str] | None = None) -> Response:
        visit, api = page.visit, self._ports.api
        is_manager = may(visit.rights, ADMIN_ORG)
        if is_manager:
            organisation = await api.organisations.show(visit.rights, visit.organisation_id)
        else:
            organisation = self._ports.tenants().organisations[visit.organisation_id]
        # What the machine holds is the business of the organisation that runs it.
        is_host = is_manager and visit.organisation_id == DEFAULT_ORGANISATION_ID
        installation = await self._ports.settings.installation() if is_host else None
        return await page.render(
            "organisation.html",
            status=mistake.status,
            organisation=organisation,
            is_manager=is_manager,
            values=_values(organisation) if values is None else values,
            lifetimes=list_lifetimes(organisation.max_key_lifetime_s),
            mistake=mistake,
            address=f"{self._ports.base_url()}/api/v1",
            installation=installation,
            size="" if installation is None or installation.data_bytes is None else name_size(installation.data_bytes),
            models=len(api.catalogue()),
            catalogue=await self._ports.gateway.read_catalogue_state(),
        )


def _values(organisation: Organisation) -> dict[str, str]:
    lifetime_s = organisation.max_key_lifetime_s
    return {"name": organisation.name, "max_key_lifetime_s": "" if lifetime_s is None else str(lifetime_s)}


def list_lifetimes(current_s: int | None) -> list[tuple[str, str]]:
    """How long keys may live at most, as a form offers it; what is set by other means is among it."""
    known = [(str(days * _DAY_S), text) for text, days in _LIFETIMES]
    if current_s is not None and str(current_s) not in dict(known):
        known.append((str(current_s), f"{current_s:,} seconds"))
    return [("", "as long as they say"), *known]


def name_size(count: int) -> str:
    """Bytes for people: 812 B, 4.2 MiB."""
    size, unit = float(count), "B"
    for larger in ("KiB", "MiB", "GiB", "TiB"):
        if size < _KIB:
            break
        size, unit = size / _KIB, larger
    return f"{count} B" if unit == "B" else f"{size:.1f} {unit}"
