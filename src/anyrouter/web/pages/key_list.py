"""A page of the list of keys, read in two questions to the database however many keys there are."""

from typing import Any

from anyrouter.control.ports import KeyTotals
from anyrouter.core.apikey import KeyKind
from anyrouter.core.scopes import ALL_SCOPES
from anyrouter.web.pages.key_filter import DEFAULT_SORT, ROWS, KeyFilter
from anyrouter.web.pages.key_lines import HINTS, STATES, describe_key
from anyrouter.web.pages.ports import PagePorts
from anyrouter.web.pages.routes import Page

ORDERS = (
    (DEFAULT_SORT, "Newest first"),
    ("created", "Oldest first"),
    ("name", "Name"),
    ("environment", "Environment"),
    ("-last_used", "Used last"),
    ("last_used", "Longest unused"),
    ("expires", "Ends first"),
)
KINDS = ((KeyKind.SERVICE, "Programs'"), (KeyKind.PERSONAL, "Personal"))


class KeyList:
    """Reads it."""

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
            "kinds": KINDS,
            "scope_names": [(scope, scope) for scope in ALL_SCOPES],
            "slugs": [(row.slug, row.slug) for row in visit.environments],
            "words": (*STATES.values(), *HINTS.values()),
            "orders": ORDERS,
        }
