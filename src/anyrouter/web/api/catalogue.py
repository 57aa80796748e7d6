"""GET /models and what hangs on it, GET /providers: the catalogue as far as the caller can reach it."""

from typing import Annotated, Any, Literal

from fastapi import Query
from msgspec.structs import replace
from pydantic import Field
from starlette.requests import Request
from starlette.responses import Response

from anyrouter.control.model_rows import describe_model, describe_pricing
from anyrouter.core.catalogue import Model
from anyrouter.core.errors import ClientError, Denied
from anyrouter.policy.route import Upstream
from anyrouter.web.api import catalogue_documents as documents
from anyrouter.web.api.catalogue_replies import (
    ModelCount,
    ModelCountReply,
    ModelEndpoint,
    ModelEndpoints,
    ModelEndpointsReply,
    ProviderItem,
    ProvidersReply,
    ToolChoices,
)
from anyrouter.web.api.ports import ApiPorts
from anyrouter.web.api.reach import Reach, ReachableModel
from anyrouter.web.api.routes import Routes, json_reply
from anyrouter.web.api.target_health import list_percentiles, percent, status_of
from anyrouter.web.api.visit import visit_of

Category = Literal["text", "image", "audio", "embedding"]
MAX_CONTEXT = 2**53 - 1

ByProvider = Annotated[str | None, Query(description="A vendor or provider, by id or name, in any case", max_length=100)]
ByCategory = Annotated[Category | None, Query(description="What the model makes")]
ByContext = Annotated[int | None, Query(description="At least so many tokens of context", ge=0, le=MAX_CONTEXT)]
ByCapability = Annotated[
    list[Annotated[str, Field(max_length=100)]] | None, Query(description="An ability; repeat it to ask for several", max_length=20)
]


class CatalogueRoutes:
    """The routes over the catalogue. Listed rows are kept in their final form as long as the catalogue has the same model."""

    def __init__(self, ports: ApiPorts, reach: Reach) -> None:
        self._ports, self._reach = ports, reach
        self._listed: dict[str, tuple[Model, dict[str, Any]]] = {}

    def add_to(self, routes: Routes) -> None:
        """Put the routes on, the ones with fixed words first: a model's name may hold slashes."""
        public = self._ports.is_catalogue_public
        routes.get("models", self.list_models, documents.MODELS, is_optional=public)
        routes.get("models/count", self.count_models, documents.COUNT, is_optional=public)
        routes.get("models/{model}/endpoints", self.list_model_endpoints, documents.ENDPOINTS, is_optional=public)
        routes.get("models/{model}", self.show_model, documents.MODEL, is_optional=public)
        routes.get("providers", self.list_providers, documents.PROVIDERS, is_optional=public)

    async def list_models(
        self,
        request: Request,
        *,
        provider: ByProvider = None,
        category: ByCategory = None,
        min_context: ByContext = None,
        capability: ByCapability = None,
    ) -> Response:
        """GET /models."""
        found = self._select(request, provider, category, min_context, capability)
        return json_reply({"object": "list", "data": [self._describe_listed(row.model) for row in found]})

    async def count_models(
        self,
        request: Request,
        *,
        provider: ByProvider = None,
        category: ByCategory = None,
        min_context: ByContext = None,
        capability: ByCapability = None,
    ) -> Response:
        """GET /models/count: how many GET /models lists for the same filters."""
        count = len(self._select(request, provider, category, min_context, capability))
        return json_reply(ModelCountReply(count=count, data=ModelCount(count=count)))

    async def show_model(self, request: Request, model: str) -> Response:
        """GET /models/{model}: the row, at the top level (OpenAI's form) and in `data` (the form of all other replies)."""
        row = describe_row(self._find(request, model).model)
        return json_reply({**row, "data": row})

    async def list_model_endpoints(self, request: Request, model: str) -> Response:
        """GET /models/{model}/endpoints: who serves the model to the caller, best first."""
        found = self._find(request, model)
        row = describe_row(found.model)
        data = ModelEndpoints(
            id=row["id"],
            name=found.model.name,
            created=row["created"],
            description=found.model.description or "",
            architecture=row["architecture"],
            endpoints=[self._measure(_describe_endpoint(found.model, upstream, row), found.model, upstream) for upstream in found.upstreams]
            if visit_of(request.scope).principal is not None
            else [_describe_endpoint(found.model, upstream, row) for upstream in found.upstreams],
        )
        return json_reply(ModelEndpointsReply(data=data))

    async def list_providers(self, request: Request) -> Response:
        """GET /providers: the providers behind the models that the caller can reach."""
        counts: dict[str, int] = {}
        names: dict[str, Upstream] = {}
        for row in self._reach.list(visit_of(request.scope).principal):
            for slug in {upstream.provider.id: upstream for upstream in row.upstreams}:
                counts[slug] = counts.get(slug, 0) + 1
            names |= {upstream.provider.id: upstream for upstream in row.upstreams}
        items = [
            ProviderItem(
                id=slug,
                slug=slug,
                name=upstream.provider.name,
                dialect=upstream.provider.dialect,
                endpoints=sorted(upstream.provider.paths),
                models=counts[slug],
                privacy_policy_url=None,
                terms_of_service_url=None,
                status_page_url=None,
                headquarters=None,
                datacenters=None,
            )
            for slug, upstream in sorted(names.items())
        ]
        return json_reply(ProvidersReply(data=items))

    def _select(
        self, request: Request, provider: str | None, category: str | None, min_context: int | None, capability: list[str] | None
    ) -> list[ReachableModel]:
        wanted, needed = provider.strip().lower() if provider else None, set(capability or ())
        return [
            row
            for row in self._reach.list(visit_of(request.scope).principal)
            if (wanted is None or _is_of(row, wanted))
            and (category is None or row.model.category == category)
            and (not min_context or (row.model.context_length or 0) >= min_context)
            and needed <= set(row.model.capabilities or ())
        ]

    def _measure(self, endpoint: ModelEndpoint, model: Model, upstream: Upstream) -> ModelEndpoint:
        """The row with what was measured of it."""
        name = upstream.upstream_name(model.canonical_id or model.id, model)
        health = None if name is None else self._ports.health.look((upstream.id, name))
        if health is None:
            return endpoint
        report = health.report(self._ports.monotonic())
        return replace(
            endpoint,
            latency_last_30m=list_percentiles(report.performance.ttft_ms),
            throughput_last_30m=list_percentiles(report.performance.throughput),
            uptime_last_5m=percent(report.uptime_5m),
            uptime_last_30m=percent(report.uptime_30m),
            uptime_last_1d=percent(report.uptime_1d),
            status=status_of(report.state),
        )

    def _find(self, request: Request, name: str) -> ReachableModel:
        found = self._reach.find(visit_of(request.scope).principal, name)
        if found is None:
            raise ClientError(no_model())
        return found

    def _describe_listed(self, model: Model) -> dict[str, Any]:
        kept = self._listed.get(model.id)  # only listed ids are kept: other names are as many as clients can think of
        if kept is None or kept[0] is not model:
            kept = self._listed[model.id] = (model, describe_row(model))
        return kept[1]


def no_model() -> Denied:
    """The refusal of a model that is not here, or not for this key: which of the two is not told."""
    return Denied(
        code="model_not_found",
        message="There is no such model here, or this key cannot reach it. GET /models lists those that it can.",
        param="model",
    )


def describe_row(model: Model) -> dict[str, Any]:
    """A row of GET /models. An unknown `created` is 0 here: OpenAI's typed clients take no null."""
    row = describe_model(model)
    return row if row["created"] is not None else {**row, "created": 0}


def _is_of(row: ReachableModel, wanted: str) -> bool:
    if row.model.vendor.lower() == wanted:
        return True
    return any(wanted in (upstream.provider.id.lower(), upstream.provider.name.lower()) for upstream in row.upstreams)


def _describe_endpoint(model: Model, upstream: Upstream, row: dict[str, Any]) -> ModelEndpoint:
    has_tools = "tool_use" in (model.capabilities or ())
    return ModelEndpoint(
        name=f"{upstream.provider.name} | {model.id}",
        model_id=model.id,
        model_name=model.name,
        provider_name=upstream.provider.name,
        tag=upstream.id,
        upstream=upstream.id,
        endpoints=sorted(upstream.provider.paths),
        context_length=model.context_length or 0,
        max_completion_tokens=model.max_output_tokens,
        max_prompt_tokens=model.context_length,
        pricing=describe_pricing(model.tariff),
        quantization=None,
        service_tier=None,
        native_tools=[],
        supported_parameters=row["supported_parameters"],
        supports_diarization=False,
        supports_implicit_caching=model.tariff is not None and model.tariff.cache_read_nanousd is not None,
        supports_tool_choice=ToolChoices(auto=has_tools, function=has_tools, none=has_tools, required=has_tools),
        latency_last_30m=None,
        throughput_last_30m=None,
        uptime_last_5m=None,
        uptime_last_30m=None,
        uptime_last_1d=None,
        status=0,
    )
