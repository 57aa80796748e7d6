"""/dashboard/activity: the organisation's generations, newest first, and what the address asks for of them."""

from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

from starlette.responses import Response

from anyrouter.control.entry_search import EntryPage
from anyrouter.control.key_search import KeySearch
from anyrouter.core.errors import ClientError, Denied
from anyrouter.core.ledger import LedgerEntry
from anyrouter.core.scopes import ADMIN_KEYS, USAGE_READ
from anyrouter.policy.rights import may
from anyrouter.relay.session_principal import name_players
from anyrouter.web.pages.activity_address import (
    LABELS,
    PATH,
    RANGES,
    STATUS_TEXTS,
    STREAMED_TEXTS,
    ActivityAddress,
    is_key_id,
    make_search,
    read_address,
)
from anyrouter.web.pages.activity_lines import ActivityLine, describe_entry
from anyrouter.web.pages.generation import GenerationPages
from anyrouter.web.pages.mistakes import NO_MISTAKE, Mistake, read_mistake
from anyrouter.web.pages.ports import PagePorts
from anyrouter.web.pages.routes import Page, PageRoutes, redirect

_MORE = ("provider", "upstream", "app", "error", "streamed", "min_cost", "min_latency", "trace", "from", "to")
_SOME_KEYS = 5
_NEW_MS = 10 * 60 * 1000
_NOTHING = EntryPage(entries=())


class ActivityPages:
    """The list, what is new in it, and the pages of single generations."""

    def __init__(self, ports: PagePorts) -> None:
        self._ports, self._generations = ports, GenerationPages(ports)

    def add_to(self, routes: PageRoutes) -> None:
        """Put the pages on, those with fixed words first."""
        routes.get(PATH, self.show, needs=USAGE_READ)
        routes.get(f"{PATH}/new", self.show_new, needs=USAGE_READ)
        self._generations.add_to(routes)

    async def show(self, page: Page) -> Response:
        """GET /dashboard/activity. A form sends empty fields, too: those are not left in the address."""
        address = read_address(page.query)
        if any(name in LABELS and not text.strip() for name, text in page.query.pairs):
            return redirect(address.link())
        try:
            found, mistake = await self._find(page, address), NO_MISTAKE
        except ClientError as error:
            found, mistake = _NOTHING, read_mistake(error, tuple(LABELS))
        return await page.render(
            "activity.html", status=mistake.status, **await self._describe(page, address, found), **_describe_form(page, address, mistake)
        )

    async def show_new(self, page: Page) -> Response:
        """GET …/new: the newest lines alone, for the script that puts them on top. `after` is when the newest one that it has began.

        A request is listed when it has ended: what began some minutes before may be new, what began long before is not asked for.
        """
        address = read_address(page.query)
        after_ms = page.query.whole("after")
        found = await self._find(page, address, since_ms=0 if after_ms is None else after_ms - _NEW_MS)
        return await page.render("activity_new.html", **await self._describe(page, address, found))

    async def _find(self, page: Page, address: ActivityAddress, *, since_ms: int = 0) -> EntryPage:
        visit = page.visit
        search = make_search(address, visit.organisation_id, visit.now)
        search = replace(search, since_ms=max(search.since_ms, since_ms))
        if slug := address.text("environment"):
            environment = self._ports.tenants().find_environment(visit.organisation_id, slug)
            if environment is None:
                raise _refusal("environment", "your organisation has no such environment")
            search = replace(search, environment_id=environment.id)
        if text := address.text("key"):
            search = replace(search, rotation_group=await self._find_group(page, text))
        return await self._ports.api.ledger.search_entries(search)

    async def _find_group(self, page: Page, text: str) -> str:
        """The rotation group that a text names: by a key's id, also of one that is gone, or by a part of a name or label."""
        visit, keys = page.visit, self._ports.api.keys
        if is_key_id(text):
            known = [key for key in await keys.find_by_ids([text]) if key.organisation_id == visit.organisation_id]
            return known[0].rotation_group if known else text
        wanted = KeySearch(organisation_id=visit.organisation_id, now=visit.now, text=text.rstrip("…"), limit=_SOME_KEYS)
        found = (await keys.search_keys(wanted)).keys
        exact = [key for key in found if text in {key.name, key.label}]
        if len(exact) == 1 or len(found) == 1:
            return (exact or found)[0].rotation_group
        if not found:
            raise _refusal("key", "your organisation has no key of that name, label or id")
        names = ", ".join(f"{key.name} ({key.label}…)" for key in found)
        raise _refusal("key", f"several keys are like that: {names}. Enter the label of one of them")

    async def _describe(self, page: Page, address: ActivityAddress, found: EntryPage) -> dict[str, Any]:
        """The lines, and where the page ends."""
        last = found.further
        return {
            "address": address,
            "lines": await self._make_lines(page, found.entries),
            "is_cut": found.is_cut,
            "looked_back_to": None if last is None else datetime.fromtimestamp(last.created_at_ms / 1000, UTC),
            "further_link": "" if last is None else address.at(last),
            "may_see_keys": may(page.visit.rights, ADMIN_KEYS),
        }

    async def _make_lines(self, page: Page, entries: Sequence[LedgerEntry]) -> list[ActivityLine]:
        ids = tuple({entry.api_key_id for entry in entries})
        found = await self._ports.api.keys.find_by_ids(ids) if ids else []
        mine = page.visit.organisation_id
        players = name_players(ids, self._ports.tenants().members, mine)
        keys = {key.id: key for key in (*found, *players) if key.organisation_id == mine}
        return [describe_entry(entry, keys) for entry in entries]


def _describe_form(page: Page, address: ActivityAddress, mistake: Mistake) -> dict[str, Any]:
    given = address.given
    return {
        "errors": mistake.errors,
        "message": mistake.message or mistake.errors.get("before", ""),
        "chips": address.list_chips(),
        "ranges": [(name, text) for name, (text, _) in RANGES.items()],
        "statuses": [(status.value, text) for status, text in STATUS_TEXTS.items()],
        "answers": list(STREAMED_TEXTS.items()),
        "slugs": [(row.slug, row.slug) for row in page.visit.environments],
        "has_more": any(name in given or name in mistake.errors for name in _MORE),
        "is_first": "before" not in given,
        "is_live": mistake is NO_MISTAKE and not given.keys() & {"before", "to", "id"},
    }


def _refusal(name: str, reason: str) -> ClientError:
    return ClientError(Denied(code="invalid_parameter", param=name, message=f"{name}: {reason}."))
