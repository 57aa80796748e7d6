"""What the OpenAPI document says of every route that changes something, so that no route need say it itself."""

from typing import Any

from anyrouter.policy.endpoints import Endpoint
from anyrouter.web.api.idempotency import HEADER, REPLAYED

IDEMPOTENCY = {
    "name": HEADER,
    "in": "header",
    "required": False,
    "description": "Any text that is new for a new request. For 24 hours the same request with it is not made again, and has the first "
    "one's reply, without what is shown only once; another request with it is refused with 422.",
    "schema": {"type": "string", "minLength": 1, "maxLength": 255, "pattern": "^[ -~]+$", "examples": ["9e3b1d5a-rotate-billing"]},
}
IF_MATCH = {
    "name": "If-Match",
    "in": "header",
    "required": False,
    "description": "The ETag of the object that the change was made for: if it was changed meanwhile, this one is refused with 412.",
    "schema": {"type": "string", "examples": ['"3"']},
}
HEADERS: dict[str, Any] = {
    REPLAYED: {
        "description": "`true` when this is the reply to a former request with the same Idempotency-Key",
        "schema": {"type": "string"},
    },
    "ETag": {"description": "The object's version, for If-Match", "schema": {"type": "string", "examples": ['"3"']}},
}


def list_parameters(row: Endpoint) -> list[dict[str, Any]]:
    """The headers that a row takes because it changes something."""
    if row.changes_by is None or row.is_public:
        return []
    return [IDEMPOTENCY, IF_MATCH] if row.changes_by == "PATCH" else [IDEMPOTENCY]


def list_headers(row: Endpoint) -> list[str]:
    """The headers that a row's replies may have for the same reason."""
    if row.changes_by is None or row.is_public:
        return []
    return [REPLAYED] if row.changes_by == "DELETE" else [REPLAYED, "ETag"]


def list_statuses(row: Endpoint) -> tuple[int, ...]:
    """How a change may be refused whatever it is."""
    if row.is_public:
        return ()
    return (409, 412, 422) if row.changes_by == "PATCH" else (409, 422)
