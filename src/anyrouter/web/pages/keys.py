"""/dashboard/keys: the keys that the visitor may see, with what they may do, cost and want looked at."""

from starlette.responses import Response

from anyrouter.core.scopes import ADMIN_KEYS
from anyrouter.web.pages.key_bulk import KeyBulk
from anyrouter.web.pages.key_creation import KeyCreation
from anyrouter.web.pages.key_details import KeyDetails
from anyrouter.web.pages.key_editing import KeyEditing
from anyrouter.web.pages.key_fields import KeyFields
from anyrouter.web.pages.key_filter import PATH, parse_filter, shorten_keys
from anyrouter.web.pages.key_list import KeyList
from anyrouter.web.pages.key_rotation import KeyRotation
from anyrouter.web.pages.ports import PagePorts
from anyrouter.web.pages.routes import Page, PageRoutes, redirect

DONE = {
    "deleted": "The key is deleted. It is refused everywhere within a second.",
    "disabled_all": "The keys are disabled. They are refused everywhere within a second.",
    "enabled_all": "The keys are enabled.",
    "deleted_all": "The keys are deleted. They are refused everywhere within a second.",
}


class KeyPages:
    """The list of keys, and everything below it."""

    def __init__(self, ports: PagePorts) -> None:
        fields = KeyFields(ports)
        self._list = KeyList(ports)
        self._areas = (KeyBulk(ports), KeyCreation(ports, fields), KeyDetails(ports), KeyEditing(ports, fields), KeyRotation(ports, fields))

    def add_to(self, routes: PageRoutes) -> None:
        """Put the pages on, those with fixed words first."""
        routes.get(PATH, self.show, needs=ADMIN_KEYS)
        for area in self._areas:
            area.add_to(routes)

    async def show(self, page: Page) -> Response:
        """GET /dashboard/keys."""
        wanted = parse_filter(page.query)
        text = shorten_keys(wanted.q)
        if text != wanted.q:  # a whole key in an address is not left there
            return redirect(PATH, q=text)
        return await page.render("keys.html", **await self._list.read(page, wanted), notice=DONE.get(page.query.text("done"), ""))
