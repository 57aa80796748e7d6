"""Audit events as people ask for them and as they are shown: the same for the API, for commands and for exports."""

import re
from datetime import UTC, datetime
from typing import Any

from anyrouter.control.expiry import parse_moment
from anyrouter.control.stores import AuditFilter
from anyrouter.core.audit import ChainedEvent
from anyrouter.core.errors import ClientError, Denied

_SPAN = re.compile(r"\s*[0-9]+[a-z]\s*", re.ASCII)
_NUMBER = re.compile(r"[1-9][0-9]{0,15}", re.ASCII)


def parse_audit(
    organisation_id: str,
    now: datetime,
    *,
    action: str | None = None,
    actor: str | None = None,
    target: str | None = None,
    environment: str | None = None,
    denied: bool | None = None,
    since: str | None = None,
    until: str | None = None,
    cursor: str | None = None,
    limit: int = 100,
    text: str | None = None,
) -> AuditFilter:
    """The filter of what was asked for; ClientError `invalid_parameter`. Spans such as `30d` are that long ago."""
    if cursor is not None and not _NUMBER.fullmatch(cursor):
        raise ClientError(Denied(code="invalid_parameter", message="cursor: this is not the next_cursor of a page.", param="cursor"))
    return AuditFilter(
        organisation_id=organisation_id,
        action=action,
        actor_id=actor,
        target_id=target,
        environment=environment,
        is_denied=denied,
        since=None if since is None else _parse_past("since", since, now),
        until=None if until is None else _parse_past("until", until, now),
        before_number=None if cursor is None else int(cursor),
        limit=limit,
        text=text,
    )


def describe_event(link: ChainedEvent) -> dict[str, Any]:
    """An event with everything that its hash is made of."""
    event, actor = link.event, link.event.actor
    return {
        "id": event.id,
        "number": link.number,
        "at": event.at.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z"),
        "action": event.action,
        "denied": event.is_denied,
        "code": event.code,
        "actor": {
            "kind": actor.kind.value,
            "id": actor.id,
            "label": actor.label,
            "address": actor.address,
            "user_agent": actor.user_agent,
            "request_id": actor.request_id,
            "trace_id": actor.trace_id,
        },
        "target_id": event.target_id,
        "target_label": event.target_label,
        "environment": event.environment,
        "organisation_id": event.organisation_id,
        "before": dict(event.before),
        "after": dict(event.after),
        "previous": link.previous.hex(),
        "hash": link.hash.hex(),
    }


def _parse_past(param: str, text: str, now: datetime) -> datetime:
    moment = parse_moment(param, text, now)
    if not _SPAN.fullmatch(text):
        return moment
    try:
        return now - (moment - now)
    except OverflowError:
        raise ClientError(Denied(code="invalid_parameter", message=f"{param}: this is too long ago.", param=param)) from None
