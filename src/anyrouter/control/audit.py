"""The audit log: how events are made, read, exported, and proved unchanged. Knows no HTTP and no database.

What a whole chain proves: no event was changed, taken out or put in between after it was written. Whoever may write the database could
write the whole chain anew; that is seen by whoever kept the head's number and hash elsewhere (`Head`).
"""

import builtins
import re
from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import Any

import msgspec

from anyrouter.control.stores import AuditFilter, AuditStore
from anyrouter.core.audit import GENESIS, Actor, AuditEvent, ChainedEvent, chain
from anyrouter.core.errors import ClientError, Denied
from anyrouter.core.ids import new_id
from anyrouter.core.tenancy import DEFAULT_ORGANISATION_ID

MAX_LIST = 1000
_PAGE = 1000
_CHECKED_AT_ONCE = 200  # few enough that hashing them keeps nobody waiting
_MAX_SEARCH = 100
_MAX_TEXT = 256  # of what comes from outside: labels and headers
_ACTION = re.compile(r"[a-z_]{1,32}\.(?:\*|[a-z_]{1,31})", re.ASCII)
_ID = re.compile(r"[A-Za-z0-9_.-]{1,64}", re.ASCII)


@dataclass(frozen=True, slots=True, kw_only=True)
class Head:
    """The last link of a chain. Whoever keeps it can tell later that nothing before it was changed."""

    number: int
    hash: bytes


@dataclass(frozen=True, slots=True, kw_only=True)
class Verdict:
    """What `verify` found. `head` is the last event that holds; `broken_at` the number of the first that does not, with the reason."""

    head: Head
    broken_at: int | None = None
    reason: str = ""

    @property
    def is_whole(self) -> bool:
        """Whether every event is as it was written."""
        return self.broken_at is None


def make_event(
    actor: Actor,
    organisation_id: str,
    action: str,
    now: datetime,
    *,
    target_id: str | None = None,
    target_label: str = "",
    environment: str | None = None,
    before: Mapping[str, Any] | None = None,
    after: Mapping[str, Any] | None = None,
) -> AuditEvent:
    """The event of something that `actor` does. `before` and `after` hold what changes and no secret; TypeError when they are not JSON."""
    moment = now.astimezone(UTC)
    return AuditEvent(
        id=new_id("aud", int(moment.timestamp() * 1000)),
        organisation_id=organisation_id,
        at=moment.replace(microsecond=moment.microsecond // 1000 * 1000),
        actor=_bounded(actor),
        action=action,
        target_id=target_id,
        target_label=target_label[:_MAX_TEXT],
        environment=environment,
        before=_plain(before),
        after=_plain(after),
    )


def find_differences(old: Mapping[str, Any], new: Mapping[str, Any]) -> tuple[dict[str, Any], dict[str, Any]]:
    """`before` and `after` of a change: the members that are not the same in both."""
    names = [name for name in new if name not in old or old[name] != new[name]]
    return {name: old.get(name) for name in names}, {name: new[name] for name in names}


class AuditService:
    """The log of one organisation at a time. All methods may raise StorageUnavailable; refusals are ClientError `invalid_parameter`."""

    def __init__(self, *, store: AuditStore) -> None:
        self._store = store

    async def list(self, query: AuditFilter) -> builtins.list[ChainedEvent]:
        """What matches, the newest first; `limit` is 1 to 1000."""
        _check(query)
        return await self._store.list_events(query)

    async def export(self, query: AuditFilter) -> AsyncIterator[builtins.list[ChainedEvent]]:
        """Everything that matches, the newest first, a page at a time; `limit` and `before_number` are not looked at."""
        page = replace(query, limit=_PAGE, before_number=None)
        _check(page)
        while events := await self._store.list_events(page):
            yield events
            page = replace(page, before_number=events[-1].number)

    async def verify(self, organisation_id: str = DEFAULT_ORGANISATION_ID, *, known: Head | None = None) -> Verdict:
        """Whether every event up to the head is as it was written; `known` is a former head, which must be a link of the chain still."""
        number, digest = await self._store.read_head(organisation_id)
        last = Head(number=0, hash=GENESIS)
        while last.number < number:
            links = await self._store.read_chain(organisation_id, after_number=last.number, limit=_CHECKED_AT_ONCE)
            for link in links:
                if reason := _judge_link(link, last):
                    return Verdict(head=last, broken_at=last.number + 1, reason=reason)
                last = Head(number=link.number, hash=link.hash)
                if known is not None and known.number == last.number and known != last:
                    return Verdict(head=last, broken_at=last.number, reason="this is not the event whose hash was kept")
                if last.number == number:
                    break
            if not links:
                return Verdict(head=last, broken_at=last.number + 1, reason="the last events are missing")
        if last.hash != digest:
            return Verdict(head=last, broken_at=last.number, reason="the head names another hash")
        if known is not None and known.number > last.number:
            return Verdict(head=last, broken_at=last.number + 1, reason="the event whose hash was kept is missing")
        return Verdict(head=last)


def _judge_link(link: ChainedEvent, last: Head) -> str:
    """Why the link does not follow the last one; empty when it does."""
    if link.number != last.number + 1:
        return "an event is missing"
    if link.previous != last.hash:
        return "it does not name the event before it"
    if chain(link.event, link.number, link.previous).hash != link.hash:
        return "it was changed"
    return ""


def _check(query: AuditFilter) -> None:
    if isinstance(query.limit, bool) or not 1 <= query.limit <= MAX_LIST:
        raise _refusal("limit", f"a number from 1 to {MAX_LIST} is needed")
    if query.action is not None and not _ACTION.fullmatch(query.action):
        raise _refusal("action", "an action such as key.rotate, or all of a kind such as key.*, is needed")
    for name, value in (("actor", query.actor_id), ("target", query.target_id), ("environment", query.environment)):
        if value is not None and not _ID.fullmatch(value):
            raise _refusal(name, "this is not an identifier")
    if query.text is not None and not (0 < len(query.text) <= _MAX_SEARCH and query.text.isprintable()):
        raise _refusal("text", f"1 to {_MAX_SEARCH} printable characters are needed")


def _bounded(actor: Actor) -> Actor:
    return replace(
        actor,
        label=actor.label[:_MAX_TEXT],
        user_agent=None if actor.user_agent is None else actor.user_agent[:_MAX_TEXT].replace("\x00", ""),
    )


def _plain(members: Mapping[str, Any] | None) -> dict[str, Any]:
    """The members as they come back from a store, so that an event is the same before and after."""
    plain: dict[str, Any] = msgspec.json.decode(msgspec.json.encode(dict(members or {})))
    return plain


def _refusal(param: str, reason: str) -> ClientError:
    return ClientError(Denied(code="invalid_parameter", message=f"{param}: {reason}", param=param))
