"""GET /keys/{id}/usage: what a key and those that it was rotated from and to were used for, and which of them is silent by now."""

from dataclasses import replace
from typing import Annotated, Literal

import msgspec
from fastapi import Query
from msgspec import Meta
from starlette.requests import Request
from starlette.responses import Response

from anyrouter.control.activity import parse_activity
from anyrouter.core.apikey import ApiKey
from anyrouter.core.money import to_usd
from anyrouter.web.api.activity_csv import render_csv
from anyrouter.web.api.changes import rights_of
from anyrouter.web.api.ports import ApiPorts
from anyrouter.web.api.replies import ActivityItem, Count, Moment, Usd
from anyrouter.web.api.routes import Documented, Routes, json_reply
from anyrouter.web.api.times import rfc3339
from anyrouter.web.api.usage import describe_activity
from anyrouter.web.api.visit import principal_of

Day = Annotated[str | None, Query(description="YYYY-MM-DD, UTC; 30 days up to `to` without it")]
Groups = Annotated[list[str] | None, Query(description="Any of date, hour, model, provider, app; repeated or separated by commas")]


class KeyGeneration(msgspec.Struct, kw_only=True):
    """One key of a rotation group, and its part of the traffic. The newest is the one to use."""

    id: str
    label: str
    name: str
    state: Annotated[Literal["active", "in_grace", "disabled", "expired", "deleted"], Meta(description="`in_grace`: it was rotated")]
    created_at: Moment
    expires_at: Moment | None
    last_used_at: Moment | None
    requests: Count
    usage: Usd


class KeyUsageReply(msgspec.Struct, kw_only=True):
    """The traffic of a rotation group in the days that were asked for, newest first, and by each of its keys, oldest first."""

    data: list[ActivityItem]
    generations: list[KeyGeneration]


_EXAMPLE_ROW = {
    "date": "2026-11-24",
    "hour": None,
    "environment": None,
    "api_key_id": "key_0192f0c4a7e87cc3a1f5d3b2c1a09f8e",
    "model": None,
    "model_permaslug": None,
    "provider_name": None,
    "endpoint_id": "",
    "requests": 5,
    "errors": 0,
    "prompt_tokens": 50,
    "completion_tokens": 125,
    "reasoning_tokens": 25,
    "cached_tokens": 10,
    "usage": 0.015,
    "byok_usage_inference": 0.0,
    "app": None,
    "tag": None,
    "trace_id": None,
}
USAGE = Documented(
    summary="Show a key's usage",
    text="By day or hour and by the generations of a key that was rotated: when the old one is silent it can be deleted.",
    tag="Keys",
    reply=KeyUsageReply,
    example={
        "data": [_EXAMPLE_ROW],
        "generations": [
            {
                "id": "key_0192f0c4a7e87cc3a1f5d3b2c1a09f8e",
                "label": "ar-live-Ab3dE6",
                "name": "backend",
                "state": "active",
                "created_at": "2026-11-01T09:30:00.000Z",
                "expires_at": None,
                "last_used_at": "2026-11-24T12:00:00.000Z",
                "requests": 5,
                "usage": 0.015,
            }
        ],
    },
    content={"text/csv": {"schema": {"type": "string"}, "example": "date,hour,environment,api_key_id,model\r\n"}},
    can_miss=True,
)


class KeyUsageRoutes:
    """The route over a key's usage."""

    def __init__(self, ports: ApiPorts) -> None:
        self._ports = ports

    def add_to(self, routes: Routes) -> None:
        """Put it on."""
        routes.get("keys/{id}/usage", self.show_usage, USAGE)

    async def show_usage(  # noqa: PLR0917 -- FastAPI's form of a handler
        self,
        request: Request,
        id: str,  # noqa: A002 -- the public name
        from_: Annotated[str | None, Query(alias="from", description="The first day, YYYY-MM-DD, UTC")] = None,
        to: Day = None,
        group_by: Groups = None,
        format: Annotated[Literal["json", "csv"], Query(description="JSON, or CSV for spreadsheets")] = "json",  # noqa: A002 -- the public name
    ) -> Response:
        """GET /keys/{id}/usage."""
        viewer = principal_of(request.scope).key
        key = await self._ports.key_service.show(id, rights=rights_of(request), organisation_id=viewer.organisation_id)
        now = self._ports.clock()
        asked = parse_activity(viewer, now.date(), date_from=from_, date_to=to, group_by=group_by or ("date", "key"))
        query = replace(asked, environment_id=key.environment_id, rotation_group=key.rotation_group)
        items = [describe_activity(row) for row in await self._ports.ledger.read_activity(query)]
        if format == "csv":
            headers = {"content-disposition": 'attachment; filename="usage.csv"'}
            return Response(render_csv(items), media_type="text/csv; charset=utf-8", headers=headers)
        shares = await self._ports.ledger.read_activity(replace(query, group_by=("key",)))
        by_key = {row.api_key_id: row for row in shares}
        group = await self._ports.keys.list_group(key.organisation_id, key.rotation_group)
        generations = []
        for one in group:
            share = by_key.get(one.id)
            generations.append(
                KeyGeneration(
                    id=one.id,
                    label=one.label,
                    name=one.name,
                    state=_state(one, now.timestamp()),
                    created_at=rfc3339(one.created_at),
                    expires_at=None if one.expires_at is None else rfc3339(one.expires_at),
                    last_used_at=None if one.last_used_at is None else rfc3339(one.last_used_at),
                    requests=0 if share is None else share.requests,
                    usage=0.0 if share is None else to_usd(share.cost_nanousd),
                )
            )
        return json_reply(KeyUsageReply(data=items, generations=generations))


def _state(key: ApiKey, now_s: float) -> Literal["active", "in_grace", "disabled", "expired", "deleted"]:
    if key.deleted_at is not None:
        return "deleted"
    if key.is_disabled:
        return "disabled"
    if key.expires_at is not None and key.expires_at.timestamp() <= now_s:
        return "expired"
    return "in_grace" if key.superseded_by is not None else "active"
