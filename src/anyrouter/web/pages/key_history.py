"""What happened to a key, as its page tells it. Pure."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from anyrouter.core.audit import Actor, ActorKind, AuditEvent
from anyrouter.web.pages.words import money

_WORDS: Mapping[str, str] = {
    "key.create": "created",
    "key.update": "changed",
    "key.disable": "disabled",
    "key.enable": "enabled",
    "key.delete": "deleted",
    "key.rotate": "rotated",
    "key.revoke": "revoked by somebody who held it",
}
_KINDS: Mapping[ActorKind, str] = {
    ActorKind.OPERATOR: "the operator",
    ActorKind.MEMBER: "a member",
    ActorKind.KEY: "a key",
    ActorKind.SYSTEM: "the gateway",
    ActorKind.ANONYMOUS: "somebody without an account",
}
_MONEY = "_nanousd"
_MAX_SHOWN = 200


@dataclass(frozen=True, slots=True, kw_only=True)
class Happening:
    """An event: when, who, what, and each field with what it was and became."""

    at: datetime
    who: str
    what: str
    changes: Sequence[tuple[str, str, str]]


def tell(event: AuditEvent, *, visitor_id: str, names_actors: bool) -> Happening:
    """The event for a visitor; who did it is named to those who may read the audit log, and else only by kind."""
    is_new = event.action == "key.create"
    names = () if is_new else tuple(dict.fromkeys((*event.before, *event.after)))
    what = _WORDS.get(event.action, event.action)
    return Happening(
        at=event.at,
        who=_name(event.actor, visitor_id, names_actors=names_actors),
        what=f"refused: {what}" if event.is_denied else what,
        changes=[(_label(name), _show(name, event.before.get(name)), _show(name, event.after.get(name))) for name in names],
    )


def _name(actor: Actor, visitor_id: str, *, names_actors: bool) -> str:
    if actor.kind is ActorKind.MEMBER and actor.id == visitor_id:
        return "you"
    if names_actors and actor.label and actor.kind in {ActorKind.MEMBER, ActorKind.KEY}:
        return f"the key {actor.label}…" if actor.kind is ActorKind.KEY else actor.label
    return _KINDS[actor.kind]


def _label(name: str) -> str:
    return name.removesuffix(_MONEY).replace("_", " ")


def _show(name: str, value: Any) -> str:
    if value is None:
        return "nothing"
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, int) and name.endswith(_MONEY):
        return money(value)
    text = ", ".join(map(str, value)) or "nothing" if isinstance(value, list) else str(value)
    return text if len(text) <= _MAX_SHOWN else text[:_MAX_SHOWN] + "…"
