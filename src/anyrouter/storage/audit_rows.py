"""Audit events as rows and back: one meaning for every store, the one in memory included."""

from collections.abc import Mapping
from typing import Any

import msgspec

from anyrouter.core.audit import Actor, ActorKind, AuditEvent, ChainedEvent
from anyrouter.storage.records import from_ms, to_ms

# What a search for a text looks at.
SEARCHED = ("actor_id", "address", "request_id", "action", "target_id", "environment", "code", "target_label", "actor_label")
# How `before` and `after` of a key begin where they have its name.
NAME_FIRST = '{"name":"'


def chained_to_row(chained: ChainedEvent) -> dict[str, Any]:
    """The row of `audit_events`. TypeError for a `before` or `after` that is not JSON."""
    event, actor = chained.event, chained.event.actor
    return {
        "organisation_id": event.organisation_id,
        "number": chained.number,
        "id": event.id,
        "at_ms": to_ms(event.at),
        "actor_kind": actor.kind.value,
        "actor_id": actor.id,
        "actor_label": actor.label,
        "address": actor.address,
        "user_agent": actor.user_agent,
        "request_id": actor.request_id,
        "trace_id": actor.trace_id,
        "action": event.action,
        "target_id": event.target_id,
        "target_label": event.target_label,
        "environment": event.environment,
        "is_denied": event.is_denied,
        "code": event.code,
        "before": msgspec.json.encode(dict(event.before)).decode(),
        "after": msgspec.json.encode(dict(event.after)).decode(),
        "previous": chained.previous,
        "hash": chained.hash,
    }


def write_as_json(text: str) -> str:
    """A part of a text as it stands in `before` and `after`."""
    return msgspec.json.encode(text).decode()[1:-1]


def row_to_chained(row: Mapping[Any, Any]) -> ChainedEvent:
    """The event of a row of `audit_events`, as it is there: whether its hash is right is for who asks."""
    actor = Actor(
        kind=ActorKind(row["actor_kind"]),
        id=row["actor_id"],
        label=row["actor_label"],
        address=row["address"],
        user_agent=row["user_agent"],
        request_id=row["request_id"],
        trace_id=row["trace_id"],
    )
    event = AuditEvent(
        id=row["id"],
        organisation_id=row["organisation_id"],
        at=from_ms(row["at_ms"]),
        actor=actor,
        action=row["action"],
        target_id=row["target_id"],
        target_label=row["target_label"],
        environment=row["environment"],
        is_denied=row["is_denied"],
        code=row["code"],
        before=msgspec.json.decode(row["before"]),
        after=msgspec.json.decode(row["after"]),
    )
    return ChainedEvent(event=event, number=row["number"], previous=bytes(row["previous"]), hash=bytes(row["hash"]))
