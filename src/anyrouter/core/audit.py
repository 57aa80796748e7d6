"""The audit log's records, and the chain that makes a change of the past visible.

Compatibility law: hashes are computed over `canonical`, whose form never changes; fields are added with a default that is left out.
"""

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from enum import StrEnum
from typing import Any

import msgspec

GENESIS = bytes(32)
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MILLISECOND = timedelta(milliseconds=1)


class ActorKind(StrEnum):
    """Who acted: whoever has the data directory, a member, a key, the gateway itself, or somebody without credentials."""

    OPERATOR = "operator"
    MEMBER = "member"
    KEY = "key"
    SYSTEM = "system"
    ANONYMOUS = "anonymous"


@dataclass(frozen=True, slots=True, kw_only=True)
class Actor:
    """Who acts, from where. `label` is what people know it by: a key's label, a member's address; never a secret."""

    kind: ActorKind
    id: str | None = None
    label: str = ""
    address: str | None = None
    user_agent: str | None = None
    request_id: str | None = None
    trace_id: str | None = None


OPERATOR = Actor(kind=ActorKind.OPERATOR, label="operator")
SYSTEM = Actor(kind=ActorKind.SYSTEM, label="system")


@dataclass(frozen=True, slots=True, kw_only=True)
class AuditEvent:
    """One thing that was done or refused. `action` is `<kind>.<verb>` (`key.rotate`); `before` and `after` are what changed, no secrets."""

    id: str
    organisation_id: str
    at: datetime
    actor: Actor
    action: str
    target_id: str | None = None
    target_label: str = ""
    environment: str | None = None
    is_denied: bool = False
    code: str | None = None  # of a denial
    before: Mapping[str, Any] = field(default_factory=dict)
    after: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class ChainedEvent:
    """An event in its organisation's chain: `number` from 1, `previous` the hash before it (`GENESIS` for the first), `hash` its own."""

    event: AuditEvent
    number: int
    previous: bytes
    hash: bytes


def canonical(event: AuditEvent, number: int) -> bytes:
    """The bytes that are hashed: a JSON array in one fixed form."""
    actor = event.actor
    who = [actor.kind.value, actor.id, actor.label, actor.address, actor.user_agent, actor.request_id, actor.trace_id]
    return msgspec.json.encode(
        [
            1,
            number,
            event.id,
            event.organisation_id,
            (event.at - _EPOCH) // _MILLISECOND,  # never by way of a float
            who,
            event.action,
            event.target_id,
            event.target_label,
            event.environment,
            event.is_denied,
            event.code,
            dict(event.before),
            dict(event.after),
        ],
        order="sorted",
    )


def chain(event: AuditEvent, number: int, previous: bytes) -> ChainedEvent:
    """The event as the one after the event whose hash is `previous`."""
    return ChainedEvent(event=event, number=number, previous=previous, hash=hashlib.sha256(previous + canonical(event, number)).digest())
