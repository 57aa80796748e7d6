"""/presets: looked at by keys that may read models, changed by keys of administrators.

A key works in its own environment; one with `admin:*` may name another of its organisation.
"""

from typing import Annotated, Any

import msgspec
from fastapi import Query
from starlette.requests import Request
from starlette.responses import Response

from anyrouter.control.preset_rows import describe_preset, describe_version
from anyrouter.core.errors import ClientError, Denied
from anyrouter.core.preset import Preset
from anyrouter.core.scopes import ADMIN_ALL, grants
from anyrouter.relay.call import Principal
from anyrouter.web.api import preset_documents as documents
from anyrouter.web.api.bodies import read_body
from anyrouter.web.api.ports import ApiPorts
from anyrouter.web.api.preset_replies import (
    DeletedReply,
    PresetChange,
    PresetCreation,
    PresetItem,
    PresetReply,
    PresetRow,
    PresetsReply,
    PresetVersion,
)
from anyrouter.web.api.routes import Routes, json_reply
from anyrouter.web.api.visit import principal_of

_FORMATS = {"chat/completions": "openai", "messages": "anthropic", "responses": "responses"}
_CREATED = 201

InEnvironment = Annotated[
    str | None, Query(description="Another environment's slug, for keys with `admin:*`; else the key's own", max_length=16)
]
Limit = Annotated[int, Query(description="Rows of a page", ge=1, le=1000)]
Cursor = Annotated[str | None, Query(description="`next_cursor` of the page before", max_length=64)]


class PresetRoutes:
    """The routes over the presets."""

    def __init__(self, ports: ApiPorts) -> None:
        self._presets = ports.presets

    def add_to(self, routes: Routes) -> None:
        """Put the routes on."""
        routes.get("presets", self.list_presets, documents.PRESETS)
        routes.get("presets/{slug}", self.show_preset, documents.PRESET)
        routes.change("POST presets", self.create_preset, documents.CREATE)
        routes.change("PATCH presets/{slug}", self.change_preset, documents.CHANGE)
        routes.change("DELETE presets/{slug}", self.delete_preset, documents.DELETE)
        for path in _FORMATS:
            routes.change(f"POST presets/{{slug}}/{path}", self.put_preset, documents.FROM_REQUEST[path])

    async def list_presets(
        self, request: Request, *, environment: InEnvironment = None, limit: Limit = 100, cursor: Cursor = None
    ) -> Response:
        """GET /presets."""
        place = _Place(request, environment)
        found = await self._presets.list(place.environment, organisation_id=place.organisation_id)
        behind = [preset for preset in found if cursor is None or preset.slug > cursor]
        page = behind[:limit]
        rows = [PresetRow(**describe_preset(preset, place.environment)) for preset in page]
        return json_reply(PresetsReply(data=rows, total_count=len(found), next_cursor=page[-1].slug if len(behind) > limit else None))

    async def show_preset(self, request: Request, slug: str, *, environment: InEnvironment = None) -> Response:
        """GET /presets/{slug}."""
        place = _Place(request, environment)
        return place.reply(await self._presets.show(place.environment, slug, organisation_id=place.organisation_id))

    async def create_preset(self, request: Request) -> Response:
        """POST /presets."""
        said = await read_body(request, PresetCreation)
        place = _Place(request, said.environment)
        preset = await self._presets.create(
            slug=said.slug,
            environment=place.environment,
            config=said.config,
            name=said.name,
            description=said.description,
            system_prompt=said.system_prompt,
            dialect=said.dialect,
            organisation_id=place.organisation_id,
        )
        return place.reply(preset, status=_CREATED)

    async def change_preset(self, request: Request, slug: str, *, environment: InEnvironment = None) -> Response:
        """PATCH /presets/{slug}."""
        place = _Place(request, environment)
        said = await read_body(request, PresetChange)
        changes = {name: value for name in said.__struct_fields__ if (value := getattr(said, name)) is not msgspec.UNSET}
        return place.reply(await self._presets.change(place.environment, slug, changes, organisation_id=place.organisation_id))

    async def put_preset(self, request: Request, slug: str, *, environment: InEnvironment = None) -> Response:
        """POST /presets/{slug}/chat/completions, /messages, /responses."""
        place = _Place(request, environment)
        body = await read_body(request, dict[str, Any])
        dialect = _FORMATS[request.scope["route"].name.partition("{slug}/")[2]]
        return place.reply(await self._presets.put_request(place.environment, slug, body, dialect, organisation_id=place.organisation_id))

    async def delete_preset(self, request: Request, slug: str, *, environment: InEnvironment = None) -> Response:
        """DELETE /presets/{slug}."""
        place = _Place(request, environment)
        await self._presets.delete(place.environment, slug, organisation_id=place.organisation_id)
        return json_reply(DeletedReply(deleted=True))


class _Place:
    """Whose presets of which environment a request is about; ClientError when its key may not say so."""

    def __init__(self, request: Request, named: str | None) -> None:
        principal: Principal = principal_of(request.scope)
        own = principal.environment.slug
        if named is not None and named != own and not grants(principal.key.scopes, ADMIN_ALL):
            message = "environment: only a key with admin:* may name another environment than its own."
            raise ClientError(Denied(code="invalid_parameter", param="environment", message=message))
        self.environment = own if named is None else named
        self.organisation_id = principal.environment.organisation_id

    def reply(self, preset: Preset, *, status: int = 200) -> Response:
        version = PresetVersion(**describe_version(preset))
        item = PresetItem(**describe_preset(preset, self.environment), designated_version=version)
        return json_reply(PresetReply(data=item), status=status)
