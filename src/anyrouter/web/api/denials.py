"""Refusals of the control plane as events of the audit log. Whoever is nobody's has no log to be written to."""

import re
from dataclasses import replace

from starlette.requests import Request

from anyrouter.control.audit import make_event
from anyrouter.core.apikey import ApiKey
from anyrouter.core.audit import AuditEvent
from anyrouter.core.errors import Denied
from anyrouter.policy.endpoints import Endpoint
from anyrouter.web.api.changes import actor_with_key
from anyrouter.web.api.ports import ApiPorts

_FORBIDDEN = frozenset({401, 403})
_VERBS = {"GET": "read", "POST": "create", "PUT": "update", "PATCH": "update", "DELETE": "delete"}
_KINDS = {"org": "organisation", "grants": "credits", "transactions": "credits", "credits": "credits"}
_DIALECT_PATHS = frozenset({"chat/completions", "messages", "responses"})
_OBJECT_ID = re.compile(r"[a-z]{2,8}_[0-9a-f]{32}", re.ASCII)


async def note_denial(ports: ApiPorts, row: Endpoint, request: Request, key: ApiKey | None, denied: Denied) -> None:
    """Have it written that this key was refused, where that is what happened on a row of the control plane. Nothing is raised."""
    if key is not None and row.is_control and denied.http_status in _FORBIDDEN:
        await ports.denials.note(_make_denial(ports, row, request, key, denied))


def name_action(row: Endpoint) -> str:
    """What is wanted of the row in the log's words: `key.create` of `POST keys`, `key.rotate` of `POST keys/{id}/rotate`."""
    things, _, rest = row.path.partition("/{")
    thing, step = things.rpartition("/")[2], rest.partition("}/")[2]
    is_verb = row.method == "POST" and step and step not in _DIALECT_PATHS
    return f"{_KINDS.get(thing, thing.removesuffix('s'))}.{step.replace('-', '_') if is_verb else _VERBS[row.method]}"


def _make_denial(ports: ApiPorts, row: Endpoint, request: Request, key: ApiKey, denied: Denied) -> AuditEvent:
    """What a path names is kept if it has the form of an object's id: it may be anything, a secret too."""
    named = [value for value in request.path_params.values() if isinstance(value, str) and _OBJECT_ID.fullmatch(value)]
    event = make_event(
        actor_with_key(request, key),
        key.organisation_id,
        name_action(row),
        ports.clock(),
        target_id=named[-1] if named else None,
        target_label=row.name,
        environment=key.environment,
    )
    return replace(event, is_denied=True, code=denied.code)
