"""How a route comes into being: with its row of the table of endpoints, its guard and its documentation, or not at all."""

import functools
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

import msgspec
from fastapi import APIRouter, Depends
from starlette.responses import Response

from anyrouter.core.errors import ClientError
from anyrouter.policy.endpoints import ENDPOINTS, Endpoint
from anyrouter.web.api.access import Guard
from anyrouter.web.api.denials import note_denial
from anyrouter.web.api.edge import ROOT
from anyrouter.web.api.idempotency import Once
from anyrouter.web.api.ports import ApiPorts
from anyrouter.web.api.visit import visit_of

SCHEMA_REF = "#/components/schemas/{name}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Documented:
    """What the OpenAPI document says of a route.

    `reply` is the type whose schema a 200 has as JSON, None when there is no JSON; `content` adds other media types.
    """

    summary: str
    text: str
    tag: str
    example: Any
    reply: type[msgspec.Struct] | None
    content: Mapping[str, Any] = field(default_factory=dict)
    request: type[msgspec.Struct] | None = None  # the type of the body, where a body is taken
    request_example: Any = None
    takes_many: bool = False  # whether the body is an array of such
    status: int = 200
    can_miss: bool = False  # whether 404 is an answer of the route
    shown_once: tuple[str, ...] = ()  # members of the reply that are null when it is given again; dotted below others


def json_reply(value: Any, *, status: int = 200, headers: Mapping[str, str] | None = None) -> Response:
    """A JSON reply. `value` is encoded as it is: what it says was checked by its type."""
    return Response(msgspec.json.encode(value), status_code=status, media_type="application/json", headers=headers)


class Routes:
    """The routes, below /api/v1 but for Gemini's own. Nothing is served that has no row in the table."""

    def __init__(self, router: APIRouter, ports: ApiPorts, *, table: Mapping[str, Endpoint] = ENDPOINTS) -> None:
        self.router = router
        self.documented: dict[str, Documented] = {}
        self._ports, self._table = ports, table
        self._once = Once(ports.idempotency)

    def get(
        self, path: str, handler: Callable[..., Any], documented: Documented, *, is_optional: bool = False, is_lenient: bool = False
    ) -> None:
        """Serve GET `path` (HEAD and OPTIONS come with it); LookupError when the table has no row for it.

        A public row has no guard, unless credentials are judged when they are there.
        """
        row = self._find(path)
        guard = Guard(row, self._ports, is_optional=is_optional, is_lenient=is_lenient)
        watched = self._watch(row, handler) if row.is_control else handler
        self._add(row, watched, documented, None if row.is_public and not is_optional and not is_lenient else guard)

    def change(self, name: str, handler: Callable[..., Any], documented: Documented) -> None:
        """Serve a row that changes something, by its name in the table; LookupError when the table has none.

        A public row has no guard. For all others a change with an Idempotency-Key is made once: `handler` takes a `request`.
        """
        row = self._find(name)
        once = self._once.around(self._watch(row, handler), documented.shown_once)
        self._add(row, once, documented, None if row.is_public else Guard(row, self._ports))

    def refuse_posts(self, path: str, handler: Callable[..., Any]) -> None:
        """Know an inference path, so that other methods on it get 405: the front serves its POST and hands over the rest."""
        self.router.add_api_route(_template(self._table[path]), handler, methods=["POST"], include_in_schema=False, name=path)

    def _find(self, name: str) -> Endpoint:
        row = self._table.get(name)
        if row is None:
            raise LookupError(f"{name} has no row in the table of endpoints: say first which scope it needs")
        return row

    def _add(self, row: Endpoint, handler: Callable[..., Any], documented: Documented, guard: Guard | None) -> None:
        self.router.add_api_route(
            _template(row),
            handler,
            methods=[row.method],
            dependencies=[] if guard is None else [Depends(guard)],
            summary=documented.summary,
            description=documented.text,
            tags=[documented.tag],
            operation_id=f"{row.method.lower()}_" + re.sub(r"\W+", "_", row.public_path.removeprefix(ROOT)).strip("_"),
            response_model=None,
            name=row.name,
        )
        self.documented[row.name] = documented

    def _watch(self, row: Endpoint, handler: Callable[..., Any]) -> Callable[..., Any]:
        """The handler, whose refusals on the control plane are put on record."""

        @functools.wraps(handler)
        async def handle(**values: Any) -> Response:
            try:
                reply: Response = await handler(**values)
            except ClientError as error:
                request = values["request"]
                principal = visit_of(request.scope).principal
                await note_denial(self._ports, row, request, None if principal is None else principal.key, error.denied)
                raise
            return reply

        return handle


def _template(row: Endpoint) -> str:
    """The row's path for the router: a model's name may hold slashes."""
    return row.public_path.replace("{model}", "{model:path}")
