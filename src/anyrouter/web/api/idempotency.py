"""Idempotency-Key around the routes that change something: the first reply is given again, without what may be shown only once.

Only a request that was let in is remembered, for the key that made it. A reply that says that nothing was judged or done (401, 403,
412, 429, 5xx) is not: the same request may go well later.
"""

import functools
import hashlib
import re
from collections.abc import Awaitable, Callable
from typing import Any

import msgspec
from starlette.requests import Request
from starlette.responses import Response

from anyrouter.control.idempotency import IdempotencyService
from anyrouter.core.errors import ClientError, Denied
from anyrouter.core.keys import hide
from anyrouter.web.api.bodies import read_bytes
from anyrouter.web.api.problems import reply_to
from anyrouter.web.api.visit import principal_of, visit_of

HEADER = "Idempotency-Key"
REPLAYED = "Idempotency-Replayed"
_KEY = re.compile(r"[ -~]{1,255}")
_UNDECIDED = frozenset({401, 403, 412, 429})
_SERVER_ERRORS = 500
_DROPPED_HEADERS = frozenset({"content-length"})
Handler = Callable[..., Awaitable[Response]]


class Once:
    """Makes handlers of handlers: what they reply to a key's first request is the reply to its repetitions."""

    def __init__(self, service: IdempotencyService) -> None:
        self._service = service

    def around(self, handler: Handler, shown_once: tuple[str, ...]) -> Handler:
        """The handler, called once for each Idempotency-Key. `shown_once` are members of its reply, dotted below others."""

        @functools.wraps(handler)
        async def handle(**values: Any) -> Response:
            request: Request = values["request"]
            idempotency_key = _read_key(request)
            if idempotency_key is None or visit_of(request.scope).principal is None:
                return await handler(**values)
            key = principal_of(request.scope).key
            digest = _digest(request, await read_bytes(request))
            begun = await self._service.begin(key.id, idempotency_key, key.organisation_id, digest)
            if begun.status is not None:
                return Response(begun.body, status_code=begun.status, headers={**dict(begun.headers), REPLAYED: "true"})
            try:
                reply = await handler(**values)
            except ClientError as error:
                reply = reply_to(request.scope, error.denied)
            except Exception:
                await self._service.free(key.id, idempotency_key)
                raise
            if reply.status_code in _UNDECIDED or reply.status_code >= _SERVER_ERRORS:
                await self._service.free(key.id, idempotency_key)
            else:
                kept = tuple(pair for pair in reply.headers.items() if pair[0] not in _DROPPED_HEADERS)
                body = _without_secrets(bytes(reply.body), shown_once)
                await self._service.keep(key.id, idempotency_key, begun, reply.status_code, kept, body)
            return reply

        return handle


def _read_key(request: Request) -> str | None:
    lines = request.headers.getlist(HEADER)
    if not lines:
        return None
    if len(lines) > 1 or not _KEY.fullmatch(lines[0]):
        message = f"{HEADER}: one key of 1 to 255 printable ASCII characters is needed."
        raise ClientError(Denied(code="invalid_parameter", param=HEADER, message=message))
    return lines[0]


def _digest(request: Request, body: bytes) -> bytes:
    """What two requests have in common that are the same: method, path, query and body."""
    parts = (request.method.encode(), request.scope["path"].encode(), request.scope["query_string"], body)
    return hashlib.sha256(b"".join(b"%d:%s" % (len(part), part) for part in parts)).digest()


def _without_secrets(body: bytes, shown_once: tuple[str, ...]) -> bytes:
    """The body as it may be kept: members that are shown once are null, and a key's text anywhere is no more than its label."""
    if shown_once and body:
        document = msgspec.json.decode(body)
        for path in shown_once:
            *above, name = path.split(".")
            place = document
            for step in above:
                place = place.get(step) if isinstance(place, dict) else None
            if isinstance(place, dict) and name in place:
                place[name] = None
        body = msgspec.json.encode(document)
    return hide(body.decode()).encode()
