"""GET /audit: the audit log of the key's organisation, for keys with `admin:org`."""

from collections.abc import AsyncIterator, Callable, Iterable
from typing import Annotated, Literal

import msgspec
from fastapi import Query
from starlette.requests import Request
from starlette.responses import Response, StreamingResponse

from anyrouter.control.audit_rows import describe_event, parse_audit
from anyrouter.control.stores import AuditFilter
from anyrouter.core.audit import ChainedEvent
from anyrouter.core.errors import ClientError, Denied
from anyrouter.web.api import audit_documents as documents
from anyrouter.web.api.audit_csv import render_csv_head, render_csv_rows, render_jsonl
from anyrouter.web.api.audit_replies import AuditItem, AuditReply
from anyrouter.web.api.ports import ApiPorts
from anyrouter.web.api.routes import Routes, json_reply
from anyrouter.web.api.visit import principal_of

PARAMETERS = frozenset({"action", "actor", "target", "environment", "denied", "since", "until", "limit", "cursor", "format"})
_FILES: dict[str, tuple[str, Callable[[], str], Callable[[Iterable[ChainedEvent]], str]]] = {
    "csv": ("text/csv", render_csv_head, render_csv_rows),
    "jsonl": ("application/jsonl", str, render_jsonl),
}

Action = Annotated[str | None, Query(description="An action such as `key.rotate`, or all of a kind: `key.*`", max_length=64)]
Time = Annotated[str | None, Query(description="RFC 3339, or a span such as `30d`: that long ago", examples=["2026-11-01T00:00:00Z"])]


class AuditRoutes:
    """The route over the audit log."""

    def __init__(self, ports: ApiPorts) -> None:
        self._audit, self._clock = ports.audit, ports.clock

    def add_to(self, routes: Routes) -> None:
        """Put the route on."""
        routes.get("audit", self.list_events, documents.AUDIT)

    async def list_events(
        self,
        request: Request,
        *,
        action: Action = None,
        actor: Annotated[str | None, Query(description="The id of the key or member that acted", max_length=64)] = None,
        target: Annotated[str | None, Query(description="The id of what was changed", max_length=64)] = None,
        environment: Annotated[str | None, Query(description="An environment's slug", max_length=16)] = None,
        denied: Annotated[bool | None, Query(description="Only what was refused, or only what was done")] = None,
        since: Time = None,
        until: Time = None,
        limit: Annotated[int, Query(description="Rows of a page", ge=1, le=1000)] = 100,
        cursor: Annotated[str | None, Query(description="`next_cursor` of the page before", max_length=64)] = None,
        format: Annotated[Literal["json", "csv", "jsonl"], Query(description="JSON, or all that match as a file")] = "json",  # noqa: A002 -- the public name
    ) -> Response:
        """GET /audit. An unknown parameter is refused: a filter that is not understood must not look as if it had been."""
        unknown = next((name for name in request.query_params if name not in PARAMETERS), None)
        if unknown is not None:
            message = f"There is no such parameter here; there are {', '.join(sorted(PARAMETERS))}."
            raise ClientError(Denied(code="invalid_parameter", message=message, param=unknown))
        query = parse_audit(
            principal_of(request.scope).organisation.id,
            self._clock(),
            action=action,
            actor=actor,
            target=target,
            environment=environment,
            denied=denied,
            since=since,
            until=until,
            limit=limit,
            cursor=cursor,
        )
        if format != "json":
            return await self._export(query, format)
        found = await self._audit.list(query)
        rows = [msgspec.convert(describe_event(link), AuditItem) for link in found]
        has_more = len(found) == limit and found[-1].number > 1
        return json_reply(AuditReply(data=rows, next_cursor=str(found[-1].number) if has_more else None))

    async def _export(self, query: AuditFilter, kind: str) -> Response:
        """Everything that matches. What can be refused is refused before the first line is sent."""
        media_type, render_head, render_rows = _FILES[kind]
        pages = self._audit.export(query)
        first: list[ChainedEvent] = await anext(pages, [])

        async def write() -> AsyncIterator[str]:
            yield render_head() + render_rows(first)
            async for page in pages:
                yield render_rows(page)

        headers = {"content-disposition": f'attachment; filename="audit.{kind}"'}
        return StreamingResponse(write(), media_type=media_type, headers=headers)
