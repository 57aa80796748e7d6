"""Whether the gateway lives (the process answers), is ready (its storage too), and how its upstreams do."""

from collections.abc import Collection, Mapping

from starlette.requests import Request
from starlette.responses import Response

from anyrouter.control.catalogue_state import CatalogueState
from anyrouter.core.scopes import USAGE_READ, grants
from anyrouter.policy.route import Upstream
from anyrouter.relay.call import Principal
from anyrouter.web.api import health_documents as documents
from anyrouter.web.api.ports import ApiPorts
from anyrouter.web.api.reach import Reach
from anyrouter.web.api.replies import CatalogueHealth, HealthReply, ModelListHealth, ModelsFileHealth, ProbeReply, UpstreamHealth
from anyrouter.web.api.routes import Routes, json_reply
from anyrouter.web.api.target_health import describe_target, find_worst
from anyrouter.web.api.times import rfc3339
from anyrouter.web.api.visit import visit_of


class HealthRoutes:
    """The routes that probes and operators ask."""

    def __init__(self, ports: ApiPorts, reach: Reach) -> None:
        self._ports, self._reach = ports, reach

    def add_to(self, routes: Routes) -> None:
        """Put the routes on."""
        routes.get("health", self.show_health, documents.HEALTH, is_lenient=True)
        routes.get("livez", self.show_liveness, documents.LIVENESS)
        routes.get("readyz", self.show_readiness, documents.READINESS)

    async def show_health(self, request: Request) -> Response:
        """GET /health: public; a key with usage:read also sees the upstreams."""
        principal = visit_of(request.scope).principal
        reply = HealthReply(status="ok", version=self._ports.version)
        if principal is not None and grants(principal.key.scopes, USAGE_READ):
            # One that speaks two dialects is two rows of one id.
            serving = {row.id: row for row in self._ports.snapshot().upstreams if row.serves(principal.environment)}
            models = self._list_models(principal)
            reply.upstreams = [self._describe(row, models.get(row.id, {})) for row in serving.values()]
            reply.catalogue = _describe_catalogue(self._ports.catalogue_state(), serving)
        return json_reply(reply)

    async def show_liveness(self) -> Response:
        """GET /livez: the event loop turns. Looks at nothing else, so that a broken database does not restart the process."""
        return json_reply(ProbeReply(status="ok"))

    async def show_readiness(self) -> Response:
        """GET /readyz: database and journal can be used; 503 when not."""
        await self._ports.store.check()
        await self._ports.journal.check()
        return json_reply(ProbeReply(status="ok"))

    def _list_models(self, principal: Principal) -> dict[str, dict[str, str]]:
        """By upstream: its own names of the models that the key reaches there, and the public ones."""
        found: dict[str, dict[str, str]] = {}
        for row in self._reach.list(principal):
            for upstream in row.upstreams:
                name = upstream.upstream_name(row.model.canonical_id or row.model.id, row.model)
                if name is not None:
                    found.setdefault(upstream.id, {}).setdefault(name, row.model.canonical_id or row.model.id)
        return found

    def _describe(self, upstream: Upstream, models: Mapping[str, str]) -> UpstreamHealth:
        record, now_s = self._ports.stats.upstreams.get(upstream.id), self._ports.monotonic()
        failures = 0 if record is None else record.failures
        asked = {key[1]: health.report(now_s) for key, health in self._ports.health.items() if key[0] == upstream.id}
        return UpstreamHealth(
            id=upstream.id,
            provider=upstream.provider.name,
            status="failing" if failures else "ok",
            failures=failures,
            last_error=None if record is None or not failures else record.last_error,
            state=find_worst(report.state for report in asked.values()),
            targets=[describe_target(models[name], report) for name, report in sorted(asked.items()) if name in models],
        )


def _describe_catalogue(state: CatalogueState, serving: Collection[str]) -> CatalogueHealth:
    """The lists only of upstreams that serve the caller's environment."""
    lists = [(upstream, found) for upstream, found in sorted(state.lists.items()) if upstream in serving]
    problems, read_at = list(state.overlay_problems), state.overlay_read_at
    return CatalogueHealth(
        models_file=ModelsFileHealth(status="failing" if problems else "ok", read_at=rfc3339(read_at), problems=problems)
        if read_at
        else None,
        model_lists=[
            ModelListHealth(
                upstream=upstream,
                status="ok" if found.error is None else "failing",
                models=found.models,
                looked_at=rfc3339(found.looked_at),
                last_error=found.error,
            )
            for upstream, found in lists
        ],
    )
