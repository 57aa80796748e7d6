"""What a route that changes something takes from its request: who acts, what that may give, and which version is meant."""

import re

from starlette.requests import Request

from anyrouter.core.apikey import ApiKey
from anyrouter.core.audit import Actor, ActorKind
from anyrouter.core.errors import ClientError, Denied
from anyrouter.policy.rights import Rights, rights_of_key
from anyrouter.web.api.visit import principal_of, visit_of

_ETAG = re.compile(r'"(0|[1-9][0-9]{0,8})"', re.ASCII)
_FOREIGN_ETAG = re.compile(r'(?:W/)?"[\x21\x23-\x7e]*"', re.ASCII)


def actor_of(request: Request) -> Actor:
    """Who acts: the key, from where; on a public route without a key somebody without credentials."""
    principal = visit_of(request.scope).principal
    return actor_with_key(request, None if principal is None else principal.key)


def actor_with_key(request: Request, key: ApiKey | None) -> Actor:
    """The holder of a key, let in or not, as the sender of a request."""
    visit = visit_of(request.scope)
    return Actor(
        kind=ActorKind.ANONYMOUS if key is None else ActorKind.KEY,
        id=None if key is None else key.id,
        label="anonymous" if key is None else key.label,
        address=visit.address,
        user_agent=visit.user_agent,
        request_id=visit.request_id,
        trace_id=visit.trace_id,
    )


def rights_of(request: Request) -> Rights:
    """What the caller's key may give, within its member's role. Only for routes that need a key."""
    principal = principal_of(request.scope)
    return rights_of_key(principal.key, principal.owner)


def etag(version: int) -> str:
    """The ETag of an object's version."""
    return f'"{version}"'


def if_match(request: Request) -> int | None:
    """The version that If-Match names; None without one, and for `*`.

    An ETag that no object here can have is never the right one: `etag_mismatch`. What is no ETag, or are several, is a mistake.
    """
    lines = request.headers.getlist("if-match")
    if not lines or (len(lines) == 1 and lines[0].strip() == "*"):
        return None
    wanted = lines[0].strip()
    if len(lines) == 1 and (match := _ETAG.fullmatch(wanted)):
        return int(match[1])
    if len(lines) == 1 and _FOREIGN_ETAG.fullmatch(wanted):
        message = "If-Match: no version of this object has that ETag. Read the object again and send the ETag of that reply."
        raise ClientError(Denied(code="etag_mismatch", param="If-Match", message=message))
    message = 'If-Match: one ETag is needed, as a reply said it, such as "3"; or *.'
    raise ClientError(Denied(code="invalid_parameter", param="If-Match", message=message))
