"""One request on its way through the reading API: what the edge, the guard and the handlers tell each other."""

from dataclasses import dataclass

from starlette.types import Scope

from anyrouter.relay.call import Principal

_SCOPE_KEY = "anyrouter.visit"


@dataclass(slots=True, kw_only=True)
class Visit:
    """`dialect` is that of the path's errors. `principal` is set by the route's guard, and None on what is public.

    `address` is the client's, behind trusted proxies; `user_agent` and `trace_id` are what it says, without keys and bounded.
    """

    request_id: str
    now_ms: int
    started_s: float
    dialect: str
    address: str = ""
    user_agent: str | None = None
    trace_id: str | None = None
    principal: Principal | None = None
    body: bytes | None = None  # once it was read


def begin(scope: Scope, visit: Visit) -> None:
    """Put the visit where everything that sees this scope finds it."""
    scope[_SCOPE_KEY] = visit


def visit_of(scope: Scope) -> Visit:
    """The visit that the edge has begun."""
    visit = scope[_SCOPE_KEY]
    assert isinstance(visit, Visit)  # noqa: S101 -- narrows what ASGI types as Any
    return visit


def principal_of(scope: Scope) -> Principal:
    """The caller. Only for routes that need a key: their guard has let nobody else through."""
    principal = visit_of(scope).principal
    assert principal is not None  # noqa: S101 -- the guard's guarantee
    return principal
