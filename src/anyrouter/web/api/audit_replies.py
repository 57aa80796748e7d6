"""Replies of the audit log, as types: their schemas are what /openapi.json says."""

from typing import Annotated, Any, Literal

import msgspec
from msgspec import Meta

from anyrouter.web.api.replies import Moment

Hash = Annotated[str, Meta(description="SHA-256, in hex", min_length=64, max_length=64)]


class AuditActor(msgspec.Struct, kw_only=True):
    """Who acted, from where. `label` is what people know it by, and never a secret."""

    kind: Literal["operator", "member", "key", "system", "anonymous"]
    id: str | None
    label: str
    address: str | None
    user_agent: str | None
    request_id: str | None
    trace_id: str | None


class AuditItem(msgspec.Struct, kw_only=True):
    """One thing that was done or refused. `before` and `after` hold what changed. `hash` covers all of it, and `previous`."""

    id: str
    number: Annotated[int, Meta(ge=1, description="Its place in the organisation's chain")]
    at: Moment
    action: Annotated[str, Meta(examples=["key.rotate"])]
    denied: bool
    code: Annotated[str | None, Meta(description="Of a denial: the error's code")]
    actor: AuditActor
    target_id: str | None
    target_label: str
    environment: str | None
    organisation_id: str
    before: dict[str, Any]
    after: dict[str, Any]
    previous: Hash
    hash: Hash


class AuditReply(msgspec.Struct, kw_only=True):
    """Events, the newest first. `next_cursor` is null on the last page."""

    data: list[AuditItem]
    next_cursor: str | None
