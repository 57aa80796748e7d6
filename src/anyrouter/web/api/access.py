"""Who may read: the shared decision, attached to each route through its row of the table of endpoints."""

from starlette.requests import Request
from starlette.types import Scope

from anyrouter.core.errors import ClientError, Denied
from anyrouter.policy.endpoints import Endpoint
from anyrouter.relay.call import RequestHead
from anyrouter.web.api.denials import note_denial
from anyrouter.web.api.ports import ApiPorts
from anyrouter.web.api.visit import Visit, visit_of

CREDENTIAL_HEADERS = (b"authorization", b"x-api-key")
GEMINI_CREDENTIAL_HEADERS = (*CREDENTIAL_HEADERS, b"x-goog-api-key")


def join_headers(scope: Scope) -> tuple[dict[bytes, bytes], set[bytes]]:
    """The request's headers by name, those of a repeated one joined; and the names of repeated ones."""
    headers: dict[bytes, bytes] = {}
    repeated: set[bytes] = set()
    for name, value in scope["headers"]:
        if name in headers:
            headers[name] += b", " + value
            repeated.add(name)
        else:
            headers[name] = value
    return headers, repeated


def read_head(scope: Scope, row: Endpoint, visit: Visit) -> RequestHead:
    """The head of a request as the decision wants it."""
    headers, repeated = join_headers(scope)
    return RequestHead(
        endpoint=row.name,
        headers=headers,
        client_host=visit.address,
        started_s=visit.started_s,
        now_ms=visit.now_ms,
        request_id=visit.request_id,
        repeated=repeated,
    )


class Guard:
    """A dependency of one route: runs before anything else of the request is judged, and lets only its principals through.

    `is_optional`: without credentials the route is anybody's, with credentials they are judged.
    `is_lenient`: credentials that do not pass are as good as none (probes must not fail because of a key).
    """

    def __init__(self, row: Endpoint, ports: ApiPorts, *, is_optional: bool = False, is_lenient: bool = False) -> None:
        self._row, self._ports = row, ports
        self._is_optional, self._is_lenient = is_optional or is_lenient, is_lenient
        self._credential_headers = GEMINI_CREDENTIAL_HEADERS if row.dialect == "gemini" else CREDENTIAL_HEADERS

    async def __call__(self, request: Request) -> None:
        """Set the visit's principal, or raise ClientError or StorageUnavailable."""
        visit = visit_of(request.scope)
        head = read_head(request.scope, self._row, visit)
        if self._is_optional and not any(name in head.headers for name in self._credential_headers):
            return
        outcome = self._ports.authenticator.authorize(head)
        if outcome is None:
            outcome = await self._ports.authenticator.find(head)
        if isinstance(outcome, Denied):
            if not self._is_lenient:
                await note_denial(self._ports, self._row, request, self._ports.authenticator.recognize(head), outcome)
                raise ClientError(outcome)
            return
        visit.principal = outcome
        self._ports.note_use(outcome.key.id, head.now_ms, visit.address, visit.user_agent)
