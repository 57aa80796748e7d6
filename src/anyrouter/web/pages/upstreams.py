"""/dashboard/settings/upstreams: how the providers do that requests of the organisation go to."""

from collections.abc import Iterable

from starlette.responses import Response

from anyrouter.core.scopes import ADMIN_BYOK, USAGE_READ
from anyrouter.policy.health import TargetHealth
from anyrouter.policy.rights import has_environment, may
from anyrouter.policy.route import Upstream
from anyrouter.web.pages.ports import PagePorts
from anyrouter.web.pages.routes import Page, PageRoutes
from anyrouter.web.pages.upstream_lines import STATES, ModelNames, UpstreamLine, make_line
from anyrouter.web.pages.visit import PageVisit

PATH = "/dashboard/settings/upstreams"
ROWS = 20


class UpstreamPages:
    """To be looked at: the operator's upstreams that any environment reaches, and the own credentials that the visitor manages."""

    def __init__(self, ports: PagePorts) -> None:
        self._api, self._names = ports.api, ModelNames()

    def add_to(self, routes: PageRoutes) -> None:
        """Put the page on."""
        routes.get(PATH, self.show, needs=USAGE_READ)

    async def show(self, page: Page) -> Response:
        """GET."""
        upstreams = self._list_upstreams(page.visit)
        number = max(1, page.query.whole("page") or 1)
        return await page.render(
            "upstreams.html",
            lines=self._describe(upstreams[(number - 1) * ROWS : number * ROWS]),
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

    def _describe(self, upstreams: Iterable[Upstream]) -> list[UpstreamLine]:
        api, now_s = self._api, self._api.monotonic()
        asked: dict[str, list[tuple[str, TargetHealth]]] = {}
        for key, health in api.health.items():
            asked.setdefault(key[0], []).append((key[1], health))
        catalogue, lists = api.catalogue(), api.catalogue_state().lists
        return [
            make_line(
                row,
                asked.get(row.id, ()),
                self._names.find(row, catalogue) if row.byok is None and row.id in asked else {},
                now_s,
                record=api.stats.upstreams.get(row.id),
                models_read=lists.get(row.id),
            )
            for row in upstreams
        ]
