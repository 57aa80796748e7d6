"""/presets: looked at by keys that may read models, changed by keys of administrators.

A key works in its own environment, and in no other.
"""

from typing import Annotated, Any

import msgspec
from fastapi import Query
from starlette.requests import Request
from starlette.responses import Response

from anyrouter.control.preset_rows import describe_preset, describe_version
from anyrouter.core.preset import Preset
from anyrouter.web.api import preset_documents as documents
from anyrouter.web.api.bodies import read_body
from anyrouter.web.api.changes import actor_of, etag, if_match, rights_of
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

InEnvironment = Annotated[str | None, Query(description="The key's own environment's slug, which it is without", max_length=16)]
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
        found = await self._presets.list(place.environment, **place.seen)
        behind = [preset for preset in found if cursor is None or preset.slug > cursor]
        page = behind[:limit]
        rows = [PresetRow(**describe_preset(preset, place.environment)) for preset in page]
        return json_reply(PresetsReply(data=rows, total_count=len(found), next_cursor=page[-1].slug if len(behind) > limit else None))

    async def show_preset(self, request: Request, slug: str, *, environment: InEnvironment = None) -> Response:
        """GET /presets/{slug}."""
        place = _Place(request, environment)
        return place.reply(await self._presets.show(place.environment, slug, **place.seen))

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
            actor=actor_of(request),
            **place.seen,
        )
        return place.reply(preset, status=_CREATED)

    async def change_preset(self, request: Request, slug: str, *, environment: InEnvironment = None) -> Response:
        """PATCH /presets/{slug}."""
        place = _Place(request, environment)
        said = await read_body(request, PresetChange)
        changes = {name: value for name in said.__struct_fields__ if (value := getattr(said, name)) is not msgspec.UNSET}
        changed = await self._presets.change(
            place.environment, slug, changes, actor=actor_of(request), if_match=if_match(request), **place.seen
        )
        return place.reply(changed)

    async def put_preset(self, request: Request, slug: str, *, environment: InEnvironment = None) -> Response:
        """POST /presets/{slug}/chat/completions, /messages, /responses."""
        place = _Place(request, environment)
        body = await read_body(request, dict[str, Any])
        dialect = _FORMATS[request.scope["route"].name.partition("{slug}/")[2]]
        return place.reply(await self._presets.put_request(place.environment, slug, body, dialect, actor=actor_of(request), **place.seen))

    async def delete_preset(self, request: Request, slug: str, *, environment: InEnvironment = None) -> Response:
        """DELETE /presets/{slug}."""
        place = _Place(request, environment)
        await self._presets.delete(place.environment, slug, actor=actor_of(request), if_match=if_match(request), **place.seen)
        return json_reply(DeletedReply(deleted=True))


class _Place:
    """Whose presets of which environment a request is about, and what its key may see of them."""

    def __init__(self, request: Request, named: str | None) -> None:
        environment = principal_of(request.scope).environment
        self.environment = environment.slug if named is None else named
        self.seen: dict[str, Any] = {"rights": rights_of(request), "organisation_id": environment.organisation_id}

    def reply(self, preset: Preset, *, status: int = 200) -> Response:
        version = PresetVersion(**describe_version(preset))
        item = PresetItem(**describe_preset(preset, self.environment), designated_version=version)
        return json_reply(PresetReply(data=item), status=status, headers={"etag": etag(preset.version)})
