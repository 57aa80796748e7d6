"""/keys: for keys with `admin:keys`, each within its environment and its own rights; and the way to end a key that is in wrong hands."""

from collections import OrderedDict
from collections.abc import Sequence
from typing import Annotated, Any

import msgspec
from fastapi import Query
from starlette.requests import Request
from starlette.responses import Response

from anyrouter.control.ports import KeyTotals
from anyrouter.control.rotation import GraceStart
from anyrouter.core.apikey import ApiKey, KeyKind
from anyrouter.core.errors import ClientError, Denied
from anyrouter.policy.limit import WINDOW_S, SlidingLog
from anyrouter.policy.network import source_of
from anyrouter.web.api import key_documents as documents
from anyrouter.web.api.bodies import read_body, read_bytes
from anyrouter.web.api.changes import actor_of, etag, if_match, rights_of
from anyrouter.web.api.key_replies import (
    KeyChange,
    KeyCreation,
    KeyRestrictions,
    KeyRevocation,
    KeyRotation,
    KeyRow,
    KeyRowReply,
    KeysReply,
    NewKeyReply,
    RevokedReply,
)
from anyrouter.web.api.key_rows import describe_row
from anyrouter.web.api.ports import ApiPorts
from anyrouter.web.api.preset_replies import DeletedReply
from anyrouter.web.api.routes import Routes, json_reply
from anyrouter.web.api.visit import principal_of, visit_of

_CREATED, _ACCEPTED = 201, 202
_CALLS_PER_HOUR = 60
_HOUR_S = 3600.0
_MAX_SOURCES = 10_000

Environment = Annotated[str | None, Query(description="Only this environment's", max_length=16)]
IncludeDisabled = Annotated[bool, Query(description="`false` leaves out keys that are disabled")]
Limit = Annotated[int, Query(description="Rows of a page", ge=1, le=1000)]
Cursor = Annotated[str | None, Query(description="`next_cursor` of the page before", max_length=64)]
Offset = Annotated[int, Query(description="How many rows to leave out first", ge=0, le=1_000_000)]


class KeyRoutes:
    """The routes over keys."""

    def __init__(self, ports: ApiPorts) -> None:
        self._ports, self._keys = ports, ports.key_service
        self._calls = HourlyCalls(_CALLS_PER_HOUR)

    def add_to(self, routes: Routes) -> None:
        """Put the routes on."""
        routes.get("keys", self.list_keys, documents.KEYS)
        routes.change("POST keys", self.create_key, documents.CREATE)
        routes.get("keys/{id}", self.show_key, documents.KEY)
        routes.change("PATCH keys/{id}", self.change_key, documents.CHANGE)
        routes.change("DELETE keys/{id}", self.delete_key, documents.DELETE)
        routes.change("POST keys/{id}/rotate", self.rotate_key, documents.ROTATE)
        routes.change("POST keys/{id}/disable", self.disable_key, documents.DISABLE)
        routes.change("POST keys/{id}/enable", self.enable_key, documents.ENABLE)
        routes.change("POST keys/revoke", self.revoke_keys, documents.REVOKE)

    async def list_keys(  # noqa: PLR0917 -- FastAPI's form of a handler
        self,
        request: Request,
        environment: Environment = None,
        include_disabled: IncludeDisabled = True,
        limit: Limit = 100,
        cursor: Cursor = None,
        offset: Offset = 0,
    ) -> Response:
        """GET /keys."""
        wanted: dict[str, Any] = {
            "rights": rights_of(request),
            "environment": environment,
            "is_disabled": None if include_disabled else False,
            "organisation_id": _organisation(request),
        }
        page = await self._keys.list(limit=limit, after_id=cursor, offset=offset, **wanted)
        is_last = len(page) < limit or not await self._keys.list(limit=1, after_id=page[-1].id, **wanted)
        return json_reply(KeysReply(data=await self._describe(page), next_cursor=None if is_last else page[-1].id))

    async def create_key(self, request: Request) -> Response:
        """POST /keys."""
        said = await read_body(request, KeyCreation)
        key, text = await self._keys.create(
            name=said.name,
            environment=said.environment,
            kind=KeyKind(said.kind),
            member_id=said.member_id,
            **_read_fields(said, {"name", "environment", "kind", "member_id"}),
            **_who(request),
        )
        return await self._reply_new(key, text)

    async def show_key(self, request: Request, id: str) -> Response:  # noqa: A002 -- the public name
        """GET /keys/{id}."""
        return await self._reply(await self._keys.show(id, rights=rights_of(request), organisation_id=_organisation(request)))

    async def change_key(self, request: Request, id: str) -> Response:  # noqa: A002 -- the public name
        """PATCH /keys/{id}."""
        changes = _read_fields(await read_body(request, KeyChange), set())
        return await self._reply(await self._keys.change(id, changes, if_match=if_match(request), **_who(request)))

    async def delete_key(self, request: Request, id: str) -> Response:  # noqa: A002 -- the public name
        """DELETE /keys/{id}."""
        await self._keys.delete(id, if_match=if_match(request), **_who(request))
        return json_reply(DeletedReply(deleted=True))

    async def rotate_key(self, request: Request, id: str) -> Response:  # noqa: A002 -- the public name
        """POST /keys/{id}/rotate. Without a body: with the default grace, from now on."""
        said = await read_body(request, KeyRotation) if await read_bytes(request) else KeyRotation()
        grace_s: Any = said.grace_seconds  # a fraction is refused as every other wrong number is
        key, text = await self._keys.rotate(id, grace_s=grace_s, start=GraceStart(said.start), **_who(request))
        return await self._reply_new(key, text)

    async def disable_key(self, request: Request, id: str) -> Response:  # noqa: A002 -- the public name
        """POST /keys/{id}/disable."""
        return await self._reply(await self._keys.disable(id, **_who(request)))

    async def enable_key(self, request: Request, id: str) -> Response:  # noqa: A002 -- the public name
        """POST /keys/{id}/enable."""
        return await self._reply(await self._keys.enable(id, **_who(request)))

    async def revoke_keys(self, request: Request) -> Response:
        """POST /keys/revoke: the same reply whatever the texts are. When it is given the keys are ended."""
        self._calls.count(visit_of(request.scope).address, self._ports.monotonic())
        said = await read_body(request, KeyRevocation)
        await self._keys.revoke(said.keys, actor=actor_of(request))
        return json_reply(RevokedReply(accepted=True), status=_ACCEPTED)

    async def _reply(self, key: ApiKey) -> Response:
        [row] = await self._describe([key])
        return json_reply(KeyRowReply(data=row), headers={"etag": etag(key.version)})

    async def _reply_new(self, key: ApiKey, text: str) -> Response:
        [row] = await self._describe([key])
        return json_reply(NewKeyReply(data=row, key=text), status=_CREATED, headers={"etag": etag(key.version)})

    async def _describe(self, keys: Sequence[ApiKey]) -> list[KeyRow]:
        """The rows, with what their rotation groups have cost."""
        if not keys:
            return []
        now = self._ports.clock()
        groups = tuple(dict.fromkeys(key.rotation_group for key in keys))
        totals = await self._ports.ledger.read_totals(keys[0].organisation_id, groups, now)
        return [describe_row(key, totals.get(key.rotation_group, KeyTotals()), now) for key in keys]


class HourlyCalls:
    """How often each address asked in the last hour. The one that was silent for the longest is forgotten when there are too many."""

    def __init__(self, most: int) -> None:
        self._most = most
        self._logs: OrderedDict[str, SlidingLog] = OrderedDict()

    def count(self, address: str, now_s: float) -> None:
        """Count a call; ClientError `rate_limited` when there were too many."""
        source = source_of(address)
        log = self._logs.setdefault(source, SlidingLog(self._most))
        self._logs.move_to_end(source)
        if len(self._logs) > _MAX_SOURCES:
            self._logs.popitem(last=False)
        scale = _HOUR_S / WINDOW_S  # the log's minute is an hour here
        wait = log.peek(now_s / scale).retry_after_s
        if wait is not None:
            message = f"At most {self._most} calls an hour are taken from an address. Send more keys in one call: up to 1,000."
            metadata = {"limited_by": "address"}
            raise ClientError(Denied(code="rate_limited", message=message, retry_after_s=wait * scale, metadata=metadata))
        log.take(now_s / scale)


def _read_fields(said: KeyRestrictions, others: set[str]) -> dict[str, Any]:
    """What was said of a key's fields, by the API's names."""
    names = [name for name in said.__struct_fields__ if name not in others and name != "include_byok_in_limit"]
    return {name: value for name in names if (value := getattr(said, name)) is not msgspec.UNSET}


def _organisation(request: Request) -> str:
    return principal_of(request.scope).key.organisation_id


def _who(request: Request) -> dict[str, Any]:
    return {"actor": actor_of(request), "rights": rights_of(request), "organisation_id": _organisation(request)}
