"""/environments: for keys with `admin:org`, whatever environment they are of."""

from typing import Annotated

import msgspec
from fastapi import Query
from starlette.requests import Request
from starlette.responses import Response

from anyrouter.core.tenancy import Environment, EnvironmentKind
from anyrouter.web.api import environment_documents as documents
from anyrouter.web.api.bodies import read_body
from anyrouter.web.api.changes import actor_of, etag, if_match, rights_of
from anyrouter.web.api.environment_replies import (
    EnvironmentChange,
    EnvironmentCreation,
    EnvironmentItem,
    EnvironmentReply,
    EnvironmentsReply,
)
from anyrouter.web.api.ports import ApiPorts
from anyrouter.web.api.preset_replies import DeletedReply
from anyrouter.web.api.routes import Routes, json_reply
from anyrouter.web.api.visit import principal_of

_CREATED = 201
_LIMITS = ("rate_limit_rpm", "rate_limit_tpm", "concurrency", "budget_policy")

Limit = Annotated[int, Query(description="Rows of a page", ge=1, le=1000)]
Cursor = Annotated[str | None, Query(description="`next_cursor` of the page before", max_length=64)]


class EnvironmentRoutes:
    """The routes over environments."""

    def __init__(self, ports: ApiPorts) -> None:
        self._environments = ports.environments

    def add_to(self, routes: Routes) -> None:
        """Put the routes on."""
        routes.get("environments", self.list_environments, documents.ENVIRONMENTS)
        routes.change("POST environments", self.create_environment, documents.CREATE)
        routes.get("environments/{slug}", self.show_environment, documents.ENVIRONMENT)
        routes.change("PATCH environments/{slug}", self.change_environment, documents.CHANGE)
        routes.change("DELETE environments/{slug}", self.delete_environment, documents.DELETE)

    async def list_environments(self, request: Request, *, limit: Limit = 100, cursor: Cursor = None) -> Response:
        """GET /environments."""
        found = await self._environments.list(rights_of(request), _organisation(request))
        rest = [row for row in found if cursor is None or row.slug > cursor]
        page = rest[:limit]
        next_cursor = page[-1].slug if len(rest) > limit else None
        return json_reply(EnvironmentsReply(data=[describe_environment(row) for row in page], next_cursor=next_cursor))

    async def show_environment(self, request: Request, slug: str) -> Response:
        """GET /environments/{slug}."""
        return _reply(await self._environments.show(rights_of(request), _organisation(request), slug))

    async def create_environment(self, request: Request) -> Response:
        """POST /environments."""
        said = await read_body(request, EnvironmentCreation)
        environment = await self._environments.create(
            actor_of(request),
            rights_of(request),
            _organisation(request),
            slug=said.slug,
            kind=EnvironmentKind(said.kind),
            name=said.name,
            **{name: getattr(said, name) for name in _LIMITS},
        )
        return _reply(environment, status=_CREATED)

    async def change_environment(self, request: Request, slug: str) -> Response:
        """PATCH /environments/{slug}."""
        said = await read_body(request, EnvironmentChange)
        changes = {name: value for name in said.__struct_fields__ if (value := getattr(said, name)) is not msgspec.UNSET}
        place = (actor_of(request), rights_of(request), _organisation(request), slug)
        return _reply(await self._environments.change(*place, changes, version=if_match(request)))

    async def delete_environment(self, request: Request, slug: str) -> Response:
        """DELETE /environments/{slug}."""
        place = (actor_of(request), rights_of(request), _organisation(request), slug)
        await self._environments.delete(*place, version=if_match(request))
        return json_reply(DeletedReply(deleted=True))


def describe_environment(environment: Environment) -> EnvironmentItem:
    """An environment as its reader sees it."""
    return EnvironmentItem(
        id=environment.id,
        slug=environment.slug,
        name=environment.name,
        kind=environment.kind.value,
        is_active=environment.is_active,
        rate_limit_rpm=environment.rate_limit_rpm,
        rate_limit_tpm=environment.rate_limit_tpm,
        concurrency=environment.concurrency,
        budget_policy=None if environment.budget_policy is None else environment.budget_policy.value,
        is_managed=environment.is_managed,
        workspace_id=environment.organisation_id,
    )


def _reply(environment: Environment, *, status: int = 200) -> Response:
    return json_reply(EnvironmentReply(data=describe_environment(environment)), status=status, headers={"etag": etag(environment.version)})


def _organisation(request: Request) -> str:
    return principal_of(request.scope).key.organisation_id
