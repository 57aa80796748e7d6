"""The audit log in memory. It gives the same answers as the one in the database."""

from collections.abc import Callable, Mapping
from typing import Any

from anyrouter.control.stores import AuditFilter
from anyrouter.core.audit import GENESIS, AuditEvent, ChainedEvent, chain
from anyrouter.storage.audit_rows import NAME_FIRST, SEARCHED, chained_to_row, row_to_chained, write_as_json
from anyrouter.storage.records import to_ms

_SAME = ("actor_id", "target_id", "environment", "is_denied")


class MemoryAuditLog:
    """What the stores in memory share. A store appends its event when all else is checked, and before it changes anything."""

    def __init__(self) -> None:
        self._rows: dict[str, list[dict[str, Any]]] = {}

    def append(self, event: AuditEvent) -> None:
        """Chain the event. TypeError, and nothing is kept, when it cannot be written."""
        rows = self._rows.get(event.organisation_id, [])
        link = chain(event, len(rows) + 1, rows[-1]["hash"] if rows else GENESIS)
        self._rows.setdefault(event.organisation_id, []).append(chained_to_row(link))

    def rows(self, organisation_id: str) -> list[dict[str, Any]]:
        """An organisation's, in the order of the chain."""
        return self._rows.get(organisation_id, [])


class MemoryAuditStore:
    """`AuditStore`."""

    def __init__(self, log: MemoryAuditLog, key_names: Callable[[str], Mapping[str, str]]) -> None:
        self._log, self._key_names = log, key_names

    async def add_event(self, event: AuditEvent) -> None:
        """Chain an event that comes with no change."""
        self._log.append(event)

    async def list_events(self, query: AuditFilter) -> list[ChainedEvent]:
        """The newest first."""
        names = self._key_names(query.organisation_id)
        found = [row for row in reversed(self._log.rows(query.organisation_id)) if _matches(query, row, names)]
        return [row_to_chained(row) for row in found[: query.limit]]

    async def read_chain(self, organisation_id: str, *, after_number: int, limit: int) -> list[ChainedEvent]:
        """In the order of the chain."""
        found = [row for row in self._log.rows(organisation_id) if row["number"] > after_number]
        return [row_to_chained(row) for row in found[:limit]]

    async def read_head(self, organisation_id: str) -> tuple[int, bytes]:
        """Number and hash of the last event; (0, GENESIS) when there is none."""
        rows = self._log.rows(organisation_id)
        return (rows[-1]["number"], rows[-1]["hash"]) if rows else (0, GENESIS)


def _matches(query: AuditFilter, row: dict[str, Any], key_names: Mapping[str, str]) -> bool:
    action = query.action
    if action is not None and not (row["action"].startswith(action[:-1]) if action.endswith("*") else row["action"] == action):
        return False
    if any(getattr(query, name) is not None and getattr(query, name) != row[name] for name in _SAME):
        return False
    if query.text is not None and not _has_text(row, query.text.lower(), key_names.get(row["target_id"], "")):
        return False
    if query.before_number is not None and row["number"] >= query.before_number:
        return False
    return (query.since is None or row["at_ms"] >= to_ms(query.since)) and (query.until is None or row["at_ms"] < to_ms(query.until))


def _has_text(row: dict[str, Any], text: str, key_name: str) -> bool:
    members = (row[name].removeprefix(NAME_FIRST) for name in ("before", "after") if row[name].startswith(NAME_FIRST))
    if any(write_as_json(text) in member.lower() for member in members):
        return True
    return any(text in (value or "").lower() for value in (key_name, *(row[name] for name in SEARCHED)))
