"""/dashboard/settings/upstreams: how the providers do that requests of the organisation go to."""

from collections.abc import Sequence

from starlette.responses import Response

from anyrouter.core.scopes import ADMIN_BYOK, USAGE_READ
from anyrouter.policy.rights import has_environment, may
from anyrouter.policy.route import Upstream
from anyrouter.web.pages.gateway import Standing
from anyrouter.web.pages.ports import PagePorts
from anyrouter.web.pages.routes import Page, PageRoutes
from anyrouter.web.pages.upstream_lines import MAX_TARGETS, STATES, ModelNames, UpstreamLine, make_line, name_targets
from anyrouter.web.pages.visit import PageVisit

PATH = "/dashboard/settings/upstreams"
ROWS = 20


class UpstreamPages:
    """To be looked at: the operator's upstreams that any environment reaches, and the own credentials that the visitor manages."""

    def __init__(self, ports: PagePorts) -> None:
        self._api, self._gateway, self._names = ports.api, ports.gateway, ModelNames()

    def add_to(self, routes: PageRoutes) -> None:
        """Put the page on."""
        routes.get(PATH, self.show, needs=USAGE_READ)

    async def show(self, page: Page) -> Response:
        """GET."""
        upstreams = self._list_upstreams(page.visit)
        number = max(1, page.query.whole("page") or 1)
        return await page.render(
            "upstreams.html",
            lines=await self._describe(upstreams[(number - 1) * ROWS : number * ROWS]),
            total=len(upstreams),
            states=STATES,
            may_enter=may(page.visit.rights, ADMIN_BYOK),
            next_link=f"{PATH}?page={number + 1}" if number * ROWS < len(upstreams) else "",
            first_link=PATH if number > 1 else "",
        )

    def _list_upstreams(self, visit: PageVisit) -> list[Upstream]:
        """One of each id: one that speaks two dialects is two rows of the snapshot."""
        snapshot = self._api.snapshot()
        active = [row for row in visit.environments if row.is_active]
        shared = {row.id: row for row in snapshot.upstreams if any(row.serves(environment) for environment in active)}
        own: dict[str, Upstream] = {}
        if may(visit.rights, ADMIN_BYOK):
            for environment in active:
                if has_environment(visit.rights, environment.id):
                    own |= {row.id: row for row in snapshot.tenants.get(environment.id, ())}
        return [*shared.values(), *own.values()]

    async def _describe(self, upstreams: Sequence[Upstream]) -> list[UpstreamLine]:
        catalogue, gateway = self._api.catalogue(), self._gateway
        asked: dict[str, list[Standing]] = {}
        for standing in await gateway.list_standings([row.id for row in upstreams]):
            asked.setdefault(standing.key[0], []).append(standing)
        targets = [
            name_targets(row, asked.get(row.id, ()), self._names.find(row, catalogue) if row.byok is None and row.id in asked else {})
            for row in upstreams
        ]
        reports = await gateway.report([standing.key for named in targets for _, standing in named[:MAX_TARGETS]])
        records, lists = await gateway.read_records(), (await gateway.read_catalogue_state()).lists
        return [
            make_line(row, named, reports, record=records.get(row.id), models_read=lists.get(row.id))
            for row, named in zip(upstreams, targets, strict=True)
        ]
