"""API keys in memory. They give the same answers as those in the database."""

import json
from collections import Counter
from collections.abc import Callable, Collection, Iterable, Sequence
from typing import Any

from anyrouter.control.key_search import KeyPage, KeySearch, select_keys
from anyrouter.core.apikey import ApiKey
from anyrouter.core.audit import AuditEvent
from anyrouter.core.errors import ClientError
from anyrouter.core.scopes import ADMIN_KEYS, grants
from anyrouter.storage.key_rules import CHANGED_KEY, LAST_ADMIN_KEY, NO_KEY, ROTATED_MEANWHILE, taken_name, too_many
from anyrouter.storage.memory_audit import MemoryAuditLog
from anyrouter.storage.records import FIXED_KEY_COLUMNS, key_to_row, row_to_key

Row = dict[str, Any]


class MemoryKeyStore:
    """`KeyStore`, `KeyLookup` and `KeyUse`. Keeps rows, not keys: what a database would round or reorder is so here too."""

    def __init__(self, log: MemoryAuditLog, *, on_change: Callable[[str], None]) -> None:
        self._rows: dict[str, Row] = {}
        self._log, self._on_change = log, on_change
        self._awaited: frozenset[str] = frozenset()
        self._tell: Callable[[str], None] = on_change  # of nothing, until somebody waits

    async def add_key(self, key: ApiKey, event: AuditEvent, *, most: int | None = None) -> None:
        """Store a new key; ClientError `duplicate_name` when a key of that name exists in its environment and is not deleted."""
        self._check_name(key)
        self._check_number(key.organisation_id, most)
        self._log.append(event)
        self._rows[key.id] = key_to_row(key)
        self._on_change(key.organisation_id)

    async def update_key(self, key: ApiKey, event: AuditEvent, *, keeps_admin: bool = False) -> None:
        """Replace the changeable fields of a key; ClientError `not_found` when it was never added or is deleted."""
        row = self._find(key.organisation_id, key.id)
        if row is None or row["version"] != key.version - 1:
            raise ClientError(NO_KEY if row is None else CHANGED_KEY)
        self._check_name(key)
        if keeps_admin and not any(_can_manage(other, key) for other in (*self._others(key), key)):
            raise ClientError(LAST_ADMIN_KEY)
        self._log.append(event)
        _replace(row, key)
        self._on_change(key.organisation_id)

    async def rotate_key(self, old: ApiKey, new: ApiKey, event: AuditEvent, *, most: int | None = None) -> None:
        """Store the old key's end and the new key; ClientError `rotation_in_progress` when the old one was changed meanwhile."""
        row = self._find(old.organisation_id, old.id)
        if row is None or row["version"] != old.version - 1:
            raise ClientError(NO_KEY if row is None else ROTATED_MEANWHILE)
        self._check_name(old)
        if old.name == new.name or row["name"] != new.name:
            self._check_name(new)
        self._check_number(new.organisation_id, most)
        self._log.append(event)
        _replace(row, old)
        self._rows[new.id] = key_to_row(new)
        self._on_change(old.organisation_id)

    async def find_key(self, organisation_id: str, key_id: str) -> ApiKey | None:
        """One key by its public id, deleted ones excluded."""
        row = self._find(organisation_id, key_id)
        return None if row is None else row_to_key(row)

    async def find_by_digests(self, digests: Sequence[bytes]) -> list[ApiKey]:
        """All keys stored under any of the digests, deleted ones excluded."""
        wanted = frozenset(digests)
        return [row_to_key(row) for row in self._rows.values() if row["digest"] in wanted and row["deleted_at_ms"] is None]

    async def list_keys(
        self,
        organisation_id: str,
        *,
        environment: str | None = None,
        environment_ids: Collection[str] | None = None,
        is_disabled: bool | None = None,
        limit: int = 100,
        after_id: str | None = None,
        offset: int = 0,
    ) -> list[ApiKey]:
        """Keys that are not deleted, oldest first, at most `limit`, those behind `after_id` (deleted or not; none if unknown)."""
        mine = [row for row in self._rows.values() if row["organisation_id"] == organisation_id]
        if after_id is not None:
            places = [_place(row) for row in mine if row["id"] == after_id]
            mine = [row for row in mine if places and _place(row) > places[0]]
        wanted = [row for row in mine if row["deleted_at_ms"] is None and environment in {None, row["environment"]}]
        if environment_ids is not None:
            wanted = [row for row in wanted if row["environment_id"] in environment_ids]
        if is_disabled is not None:
            wanted = [row for row in wanted if row["is_disabled"] == is_disabled]
        return [row_to_key(row) for row in sorted(wanted, key=_place)[offset : offset + limit]]

    async def search_keys(self, search: KeySearch) -> KeyPage:
        """The page of keys that is wanted, in the wanted order, and how many there are in all."""
        return select_keys([row_to_key(row) for row in self._rows.values()], search)

    async def count_keys(self, organisation_id: str) -> dict[str, int]:
        """How many keys there are that are not deleted, by environment's id."""
        rows = [row for row in self._rows.values() if row["organisation_id"] == organisation_id and row["deleted_at_ms"] is None]
        return dict(Counter(str(row["environment_id"]) for row in rows))

    async def list_group(self, organisation_id: str, rotation_group: str) -> list[ApiKey]:
        """Every key of a rotation group, deleted ones too, oldest first."""
        owner = (organisation_id, rotation_group)
        mine = [row for row in self._rows.values() if (row["organisation_id"], row["rotation_group"]) == owner]
        return [row_to_key(row) for row in sorted(mine, key=_place)]

    async def list_waiting(self) -> list[ApiKey]:
        """The keys whose grace is to begin with the first use of a later key of their group."""
        return [row_to_key(row) for row in self._rows.values() if row["grace_s"] is not None and row["deleted_at_ms"] is None]

    async def find_by_digest(self, digests: Sequence[bytes]) -> ApiKey | None:
        """The key stored under one of the digests, the first one's first, deleted ones too."""
        for digest in digests:
            for row in self._rows.values():
                if row["digest"] == digest:
                    return row_to_key(row)
        return None

    async def find_by_ids(self, ids: Sequence[str]) -> list[ApiKey]:
        """The keys of these ids that there are, deleted ones too."""
        return [row_to_key(self._rows[key_id]) for key_id in dict.fromkeys(ids) if key_id in self._rows]

    def note(self, key_id: str, at_ms: int, address: str, user_agent: str | None) -> None:
        """Remember the latest use of a key."""
        row = self._rows.get(key_id)
        if row is not None and (row["last_used_at_ms"] is None or row["last_used_at_ms"] < at_ms):
            row.update(last_used_at_ms=at_ms, last_used_ip=address, last_used_user_agent=user_agent)
        if key_id in self._awaited:
            self._tell(key_id)

    def await_use(self, ids: Collection[str], tell: Callable[[str], None]) -> None:
        """Tell from now on when one of these keys is used, in place of those of the last call."""
        self._awaited, self._tell = frozenset(ids), tell

    async def flush(self) -> None:
        """Nothing waits here."""

    def list_tags(self, organisation_id: str) -> dict[str, tuple[str, ...]]:
        """The tags of an organisation's keys, by their ids; deleted ones too."""
        mine = [row for row in self._rows.values() if row["organisation_id"] == organisation_id]
        return {row["id"]: tuple(json.loads(row["tags"])) for row in mine}

    def list_names(self, organisation_id: str) -> dict[str, str]:
        """The names of an organisation's keys, by their ids; deleted ones too."""
        return {row["id"]: row["name"] for row in self._rows.values() if row["organisation_id"] == organisation_id}

    def _find(self, organisation_id: str, key_id: str) -> Row | None:
        row = self._rows.get(key_id)
        return row if row is not None and row["organisation_id"] == organisation_id and row["deleted_at_ms"] is None else None

    def _others(self, key: ApiKey) -> Iterable[ApiKey]:
        mine = (row for row in self._rows.values() if row["organisation_id"] == key.organisation_id and row["id"] != key.id)
        return map(row_to_key, mine)

    def _check_name(self, key: ApiKey) -> None:
        for row in self._rows.values():
            is_same = (row["environment_id"], row["name"]) == (key.environment_id, key.name)
            if is_same and row["deleted_at_ms"] is None and row["id"] != key.id and key.deleted_at is None:
                raise ClientError(taken_name(key))

    def _check_number(self, organisation_id: str, most: int | None) -> None:
        mine = [row for row in self._rows.values() if row["organisation_id"] == organisation_id and row["deleted_at_ms"] is None]
        if most is not None and len(mine) >= most:
            raise ClientError(too_many(most))


def _replace(row: Row, key: ApiKey) -> None:
    row.update((name, value) for name, value in key_to_row(key).items() if name not in FIXED_KEY_COLUMNS)


def _can_manage(key: ApiKey, changed: ApiKey) -> bool:
    """Whether a key can manage keys at the moment of a change."""
    is_live = key.deleted_at is None and not key.is_disabled and key.superseded_by is None
    return is_live and grants(key.scopes, ADMIN_KEYS) and (key.expires_at is None or key.expires_at > changed.updated_at)


def _place(row: Row) -> tuple[int, str]:
    return (row["created_at_ms"], row["id"])
