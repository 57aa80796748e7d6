"""/dashboard/activity/{id}: one generation: how it went, what it took and cost, and what to do when it failed."""

import re
from collections.abc import Mapping

from starlette.responses import Response

from anyrouter.control.entry_search import MIN_PREFIX, EntrySearch
from anyrouter.control.generation_faults import explain_error
from anyrouter.core.apikey import ApiKey
from anyrouter.core.errors import ClientError, Denied
from anyrouter.core.ledger import HEDGE_LOST, LedgerEntry
from anyrouter.core.playground import find_player
from anyrouter.core.scopes import ADMIN_BYOK, ADMIN_KEYS, ADMIN_ORG, MODELS_READ, USAGE_READ
from anyrouter.policy.rights import may, may_touch
from anyrouter.providers.registry import name_provider
from anyrouter.relay.session_principal import name_players
from anyrouter.web.pages.activity_address import PATH
from anyrouter.web.pages.activity_lines import describe_entry
from anyrouter.web.pages.generation_costs import describe_costs
from anyrouter.web.pages.ports import PagePorts
from anyrouter.web.pages.routes import Page, PageRoutes
from anyrouter.web.pages.user_agents import short_client
from anyrouter.web.pages.visit import PageVisit
from anyrouter.web.pages.waterfall import describe_end, draw_waterfall, place_bars

_ID = re.compile(r"[!-~]{1,256}", re.ASCII)
_NONE = Denied(
    code="not_found",
    message="Your organisation has no generation of this id. The link may not be whole, or the record was deleted after the time that "
    "the operator keeps it.",
)


class GenerationPages:
    """The record of one request for a model."""

    def __init__(self, ports: PagePorts) -> None:
        self._ports = ports

    def add_to(self, routes: PageRoutes) -> None:
        """Put the page on, behind those with fixed words."""
        routes.get(f"{PATH}/{{id}}", self.show, needs=USAGE_READ)

    async def show(self, page: Page) -> Response:
        """GET /dashboard/activity/{id}."""
        visit, rights = page.visit, page.visit.rights
        entry = await self._find(visit, page.param("id"))
        keys = await self._find_keys(entry)
        key = keys.get(entry.api_key_id)
        bars = place_bars(entry)
        model = self._ports.api.snapshot().resolve(entry.model)
        return await page.render(
            "generation.html",
            line=describe_entry(entry, keys),
            entry=entry,
            fault=explain_error(entry),
            costs=describe_costs(entry, None if model is None else model.tariff),
            waterfall=draw_waterfall(bars) if entry.attempts else "",
            has_first_token=any(bar.first_ms is not None for bar in bars),
            attempts=[(number, attempt, describe_end(attempt)) for number, attempt in enumerate(entry.attempts, 1)],
            has_race=any(attempt.error == HEDGE_LOST for attempt in entry.attempts),
            provider=name_provider(entry.provider),
            client=short_client(entry.user_agent),
            key_link=f"/dashboard/keys/{key.id}" if key is not None and _may_see(visit, key) else "",
            may_see_models=may(rights, MODELS_READ),
            may_see_byok=may(rights, ADMIN_BYOK),
            may_see_environments=may(rights, ADMIN_ORG) and any(row.slug == entry.environment for row in visit.environments),
            activity=PATH,
        )

    async def _find(self, visit: PageVisit, text: str) -> LedgerEntry:
        """By our id, or the upstream's; what is settled and not yet in the database first."""
        if not _ID.fullmatch(text) or (text.startswith("gen-") and len(text) < MIN_PREFIX):
            raise ClientError(_NONE)
        pending = await self._ports.gateway.find_pending(text)
        if pending is not None and pending.organisation_id == visit.organisation_id:
            return pending
        found = await self._ports.api.ledger.search_entries(EntrySearch(organisation_id=visit.organisation_id, id_text=text, limit=1))
        entry = next(iter(found.entries), None)
        if entry is None or text not in {entry.generation_id, entry.upstream_id}:
            raise ClientError(_NONE)
        return entry

    async def _find_keys(self, entry: LedgerEntry) -> Mapping[str, ApiKey]:
        found = await self._ports.api.keys.find_by_ids([entry.api_key_id])
        players = name_players([entry.api_key_id], self._ports.tenants().members, entry.organisation_id)
        return {key.id: key for key in (*found, *players) if key.organisation_id == entry.organisation_id}


def _may_see(visit: PageVisit, key: ApiKey) -> bool:
    is_stored = find_player(key.id) is None and key.deleted_at is None
    return is_stored and may(visit.rights, ADMIN_KEYS) and may_touch(visit.rights, key)
