"""/dashboard/keys: the keys that the visitor may see, with what they may do, cost and want looked at."""

from typing import Any

from starlette.responses import Response

from anyrouter.control.ports import KeyTotals
from anyrouter.core.scopes import ADMIN_KEYS, ALL_SCOPES
from anyrouter.web.pages.key_bulk import KeyBulk
from anyrouter.web.pages.key_filter import DEFAULT_SORT, PATH, ROWS, KeyFilter, parse_filter, shorten_keys
from anyrouter.web.pages.key_lines import HINTS, STATES, describe_key
from anyrouter.web.pages.ports import PagePorts
from anyrouter.web.pages.routes import Page, PageRoutes, redirect

DONE = {
    "deleted": "The key is deleted. It is refused everywhere within a second.",
    "disabled_all": "The keys are disabled. They are refused everywhere within a second.",
    "enabled_all": "The keys are enabled.",
    "deleted_all": "The keys are deleted. They are refused everywhere within a second.",
}
ORDERS = (
    (DEFAULT_SORT, "Newest first"),
    ("created", "Oldest first"),
    ("name", "Name"),
    ("environment", "Environment"),
    ("-last_used", "Used last"),
    ("last_used", "Longest unused"),
    ("expires", "Ends first"),
)


class KeyPages:
    """The list of keys, and everything below it."""

    def __init__(self, ports: PagePorts) -> None:
        self._list = KeyList(ports)
        self._areas = (KeyBulk(ports),)

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


class KeyList:
    """Reads a page of the list: two questions to the database, however many keys there are."""

    def __init__(self, ports: PagePorts) -> None:
        self._ports = ports

    async def read(self, page: Page, wanted: KeyFilter, *, rows: int = ROWS) -> dict[str, Any]:
        """What `keys.html` shows."""
        visit, api = page.visit, self._ports.api
        search = wanted.make_search(visit.organisation_id, visit.now, rows=rows)
        found = await api.key_service.search(search, rights=visit.rights)
        groups = tuple(dict.fromkeys(key.rotation_group for key in found.keys))
        totals = await api.ledger.read_totals(visit.organisation_id, groups, visit.now) if groups else {}
        members = self._ports.tenants().members
        first = (wanted.page - 1) * rows
        return {
            "lines": [describe_key(key, totals.get(key.rotation_group, KeyTotals()), members, visit.now) for key in found.keys],
            "total": found.total,
            "first": first + 1,
            "last": first + len(found.keys),
            "filter": wanted,
            "next_link": wanted.link(page=wanted.page + 1) if first + len(found.keys) < found.total else "",
            "first_link": wanted.link() if wanted.page > 1 else "",
            "states": [(state, word.text) for state, word in STATES.items()],
            "hints": [(hint, word.text) for hint, word in HINTS.items()],
            "scope_names": [(scope, scope) for scope in ALL_SCOPES],
            "slugs": [(row.slug, row.slug) for row in visit.environments],
            "orders": ORDERS,
        }
