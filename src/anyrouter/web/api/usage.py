"""GET /generation and /activity: what was asked, what it took, what it cost."""

from datetime import UTC
from typing import Annotated, Any, Literal

from fastapi import Query
from starlette.requests import Request
from starlette.responses import Response

from anyrouter.control.activity import FILTERS, parse_activity
from anyrouter.control.generations import GenerationService
from anyrouter.control.ports import ActivityRow
from anyrouter.core.apikey import ApiKey
from anyrouter.core.errors import ClientError, Denied
from anyrouter.core.ledger import HEDGE_LOST, AttemptRecord, EntryState, LedgerEntry
from anyrouter.core.money import to_usd
from anyrouter.providers.registry import name_provider
from anyrouter.web.api import usage_documents as documents
from anyrouter.web.api.activity_csv import render_csv
from anyrouter.web.api.ports import ApiPorts
from anyrouter.web.api.replies import (
    ActivityItem,
    ActivityReply,
    AttemptReply,
    Generation,
    GenerationReply,
    ProviderResponse,
)
from anyrouter.web.api.routes import Routes, json_reply
from anyrouter.web.api.times import rfc3339, rfc3339_of_ms
from anyrouter.web.api.visit import principal_of

ACTIVITY_PARAMETERS = frozenset({"from", "to", "date", "group_by", "format", *FILTERS})
_NO_GENERATION = Denied(code="not_found", message="There is no such generation, or this key may not see it.")
# Members of the reply that stand for what this gateway does not do or count.
_NOT_COUNTED: dict[str, Any] = dict.fromkeys(
    (
        "moderation_latency",
        "native_tokens_completion_images",
        "cache_discount",
        "app_id",
        "external_user",
        "num_fetches",
        "num_input_audio_prompt",
        "num_media_completion",
        "num_media_prompt",
        "num_search_results",
        "preset_id",
        "router",
        "service_tier",
        "web_search_engine",
    )
)

Day = Annotated[str | None, Query(description="YYYY-MM-DD, UTC", examples=["2026-11-01"])]
Only = Annotated[str | None, Query(description="Only what has just this", max_length=200)]
Groups = Annotated[
    list[str] | None,
    Query(description="Any of date, hour, key, model, provider, environment, app, tag, trace; repeated or separated by commas"),
]


class UsageRoutes:
    """The routes over the ledger."""

    def __init__(self, ports: ApiPorts) -> None:
        self._ports = ports
        self._generations = GenerationService(ledger=ports.ledger, find_pending=ports.find_pending)

    def add_to(self, routes: Routes) -> None:
        """Put the routes on."""
        routes.get("generation", self.show_generation, documents.GENERATION)
        routes.get("generation/{id}", self.show_generation_at, documents.GENERATION)
        routes.get("activity", self.show_activity, documents.ACTIVITY)

    async def show_generation(
        self,
        request: Request,
        id: Annotated[str, Query(description="The gateway's id, or the upstream's own")],  # noqa: A002 -- the public name
    ) -> Response:
        """GET /generation?id=."""
        return await self._reply_generation(request, id)

    async def show_generation_at(self, request: Request, id: str) -> Response:  # noqa: A002 -- the public name
        """GET /generation/{id}."""
        return await self._reply_generation(request, id)

    async def show_activity(
        self,
        request: Request,
        *,
        from_: Annotated[
            str | None, Query(alias="from", description="The first day, YYYY-MM-DD, UTC; 30 days up to `to` without it")
        ] = None,
        to: Day = None,
        date: Day = None,
        group_by: Groups = None,
        key: Only = None,
        model: Only = None,
        provider: Only = None,
        environment: Only = None,
        app: Only = None,
        tag: Only = None,
        trace: Only = None,
        format: Annotated[Literal["json", "csv"], Query(description="JSON, or CSV for spreadsheets")] = "json",  # noqa: A002 -- the public name
    ) -> Response:
        """GET /activity. An unknown parameter is refused: a filter that is not understood must not look as if it had been."""
        unknown = next((name for name in request.query_params if name not in ACTIVITY_PARAMETERS), None)
        if unknown is not None:
            known = ", ".join(sorted(ACTIVITY_PARAMETERS))
            raise ClientError(
                Denied(code="invalid_parameter", message=f"There is no such parameter here; there are {known}.", param=unknown)
            )
        if date is not None and (from_ is not None or to is not None):
            raise ClientError(
                Denied(code="invalid_parameter", message="date: it stands for `from` and `to`; send one or the other.", param="date")
            )
        viewer = principal_of(request.scope).key
        today = self._ports.clock().astimezone(UTC).date()
        chosen = dict(zip(FILTERS, (key, model, provider, environment, app, tag, trace), strict=True))
        query = parse_activity(viewer, today, date_from=date or from_, date_to=date or to, group_by=group_by or (), filters=chosen)
        items = [describe_activity(row) for row in await self._ports.ledger.read_activity(query)]
        if format == "csv":
            headers = {"content-disposition": 'attachment; filename="activity.csv"'}
            return Response(render_csv(items), media_type="text/csv; charset=utf-8", headers=headers)
        return json_reply(ActivityReply(data=items))

    async def _reply_generation(self, request: Request, generation_id: str) -> Response:
        viewer = principal_of(request.scope).key
        entry = await self._generations.find(viewer, generation_id)
        if entry is None:
            raise ClientError(_NO_GENERATION)
        return json_reply(GenerationReply(data=describe_generation(entry, await self._find_key_name(viewer, entry))))

    async def _find_key_name(self, viewer: ApiKey, entry: LedgerEntry) -> str | None:
        if entry.api_key_id == viewer.id:
            return viewer.name
        key = await self._ports.keys.find_key(entry.organisation_id, entry.api_key_id)
        return None if key is None else key.name


def describe_generation(entry: LedgerEntry, key_name: str | None) -> Generation:
    """One entry of the ledger as its reader sees it. What this gateway does not count is null.

    Its costs are with those of an attempt that lost against it, as its client was told; the tokens are its own.
    """
    usage = entry.usage
    cost_nanousd = entry.cost_nanousd + sum(attempt.cost_nanousd for attempt in entry.attempts)
    upstream_cost_nanousd = entry.upstream_cost_nanousd + sum(attempt.upstream_cost_nanousd for attempt in entry.attempts)
    shadow_cost_nanousd = entry.shadow_cost_nanousd + sum(attempt.shadow_cost_nanousd for attempt in entry.attempts)
    return Generation(
        **_NOT_COUNTED,
        id=entry.generation_id,
        upstream_id=entry.upstream_id,
        request_id=entry.request_id,
        api_type="embeddings" if entry.endpoint == "embeddings" else "completions",
        endpoint=entry.endpoint,
        model=entry.model,
        provider_name=name_provider(entry.provider),
        environment=entry.environment,
        api_key_id=entry.api_key_id,
        api_key_name=key_name,
        created_at=rfc3339_of_ms(entry.created_at_ms),
        state=entry.state.value,
        status=entry.status,
        error_code=entry.error_code,
        streamed=entry.is_streamed,
        cancelled=entry.state is EntryState.CANCELLED,
        finish_reason=entry.finish_reason,
        native_finish_reason=entry.native_finish_reason,
        latency=entry.latency_ms,
        generation_time=entry.generation_ms,
        time_to_first_token=entry.ttft_ms,
        overhead=entry.overhead_us / 1000,
        tokens_prompt=usage.input_tokens,
        tokens_completion=usage.output_tokens,
        native_tokens_prompt=usage.input_tokens,
        native_tokens_completion=usage.output_tokens,
        native_tokens_reasoning=usage.reasoning_tokens,
        native_tokens_cached=usage.cache_read_tokens,
        native_tokens_cache_write=usage.cache_write_tokens,
        usage_source=usage.source.value,
        total_cost=to_usd(cost_nanousd),
        usage=to_usd(cost_nanousd),
        routing_fee=to_usd(entry.routing_fee_nanousd),
        upstream_inference_cost=to_usd(upstream_cost_nanousd),
        shadow_cost=to_usd(shadow_cost_nanousd),
        is_byok=entry.is_byok,
        price_unknown=entry.is_price_unknown,
        trace_id=entry.trace_id,
        attempts=[_describe_attempt(attempt) for attempt in entry.attempts],
        provider_responses=[_describe_response(attempt, is_byok=entry.is_byok) for attempt in entry.attempts],
        app_title=entry.app_title,
        http_referer=entry.http_referer,
        origin=entry.http_referer or "",
        user_agent=entry.user_agent,
        data_region="global",
        workspace_id=entry.organisation_id,
    )


def describe_activity(row: ActivityRow) -> ActivityItem:
    """One group of the roll-up. There are no endpoint ids here: the field is empty for clients that need one."""
    return ActivityItem(
        date=None if row.date is None else row.date.isoformat(),
        hour=None if row.hour is None else rfc3339(row.hour),
        environment=row.environment,
        api_key_id=row.api_key_id,
        model=row.model,
        model_permaslug=row.model,
        provider_name=None if row.provider is None else name_provider(row.provider),
        endpoint_id="",
        requests=row.requests,
        errors=row.errors,
        prompt_tokens=row.input_tokens,
        completion_tokens=row.output_tokens,
        reasoning_tokens=row.reasoning_tokens,
        cached_tokens=row.cache_read_tokens,
        usage=to_usd(row.cost_nanousd),
        byok_usage_inference=to_usd(row.upstream_cost_nanousd),
        app=row.app,
        tag=row.tag,
        trace_id=row.trace_id,
    )


def _describe_attempt(attempt: AttemptRecord) -> AttemptReply:
    return AttemptReply(
        upstream=attempt.upstream,
        provider_name=name_provider(attempt.provider),
        model=attempt.model,
        status=attempt.status or None,
        latency=attempt.latency_ms,
        error=attempt.error,
        cost=to_usd(attempt.cost_nanousd) if attempt.error == HEDGE_LOST else None,
    )


def _describe_response(attempt: AttemptRecord, *, is_byok: bool) -> ProviderResponse:
    return ProviderResponse(
        endpoint_id=attempt.upstream,
        model_permaslug=attempt.model,
        provider_name=name_provider(attempt.provider),
        status=attempt.status or None,
        latency=attempt.latency_ms,
        is_byok=is_byok,
    )
