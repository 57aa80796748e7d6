"""API keys in the database. Only digests of keys get here; every value travels as a parameter."""

import asyncio
import hmac
from collections.abc import Callable, Collection, Sequence
from typing import Any

import structlog
from sqlalchemy import Column, ColumnElement, Connection, Select, and_, func, insert, or_, select, true, update

from anyrouter.control.key_search import KeyPage, KeySearch
from anyrouter.core.apikey import ApiKey
from anyrouter.core.audit import AuditEvent
from anyrouter.core.errors import ClientError, InternalError, StorageUnavailable
from anyrouter.core.scopes import ADMIN_ALL, ADMIN_KEYS
from anyrouter.storage.database import Database
from anyrouter.storage.key_rules import CHANGED_KEY, LAST_ADMIN_KEY, NO_KEY, ROTATED_MEANWHILE, taken_name, too_many
from anyrouter.storage.key_search import make_count, make_page
from anyrouter.storage.records import FIXED_KEY_COLUMNS, key_to_row, row_to_key, to_ms
from anyrouter.storage.schema import api_keys, latest_epoch, organisations
from anyrouter.storage.sql_audit import append_event

_log = structlog.get_logger(__name__)

OnChange = Callable[[str], None]


def bump_epoch(connection: Connection, organisation_id: str) -> None:
    """Say, in this transaction, that the organisation's configuration changed."""
    connection.execute(update(latest_epoch).values(epoch=latest_epoch.c.epoch + 1))
    epoch = connection.execute(select(latest_epoch.c.epoch)).scalar_one()
    connection.execute(update(organisations).where(organisations.c.id == organisation_id).values(epoch=epoch))


class SqlKeyStore:
    """`KeyStore` and `KeyLookup`. `on_change` is told the organisation as soon as a change of this process is committed."""

    def __init__(self, database: Database, *, pepper_version: int, on_change: OnChange) -> None:
        self._database, self._pepper_version, self._on_change = database, pepper_version, on_change
        self._rehashing: set[asyncio.Task[None]] = set()

    async def add_key(self, key: ApiKey, event: AuditEvent, *, most: int | None = None) -> None:
        """Store a new key; ClientError `duplicate_name` when a key of that name exists in its environment and is not deleted."""

        def work(connection: Connection) -> None:
            connection.execute(insert(api_keys), key_to_row(key))
            append_event(connection, event)
            _check_number(connection, key.organisation_id, most)
            bump_epoch(connection, key.organisation_id)

        await self._change(key, work)

    async def update_key(self, key: ApiKey, event: AuditEvent, *, keeps_admin: bool = False) -> None:
        """Replace the changeable fields of a key; ClientError `not_found` when it was never added or is deleted."""

        def work(connection: Connection) -> None:
            if not _replace(connection, key):
                raise ClientError(CHANGED_KEY if _is_there(connection, key) else NO_KEY)
            append_event(connection, event)
            if keeps_admin and not _has_admin(connection, key):  # behind the event's lock: of two at once the later one sees the former
                raise ClientError(LAST_ADMIN_KEY)
            bump_epoch(connection, key.organisation_id)

        await self._change(key, work)

    async def rotate_key(self, old: ApiKey, new: ApiKey, event: AuditEvent, *, most: int | None = None) -> None:
        """Store the old key's end and the new key; ClientError `rotation_in_progress` when the old one was changed meanwhile."""

        def work(connection: Connection) -> None:
            if not _replace(connection, old):
                raise ClientError(ROTATED_MEANWHILE if _is_there(connection, old) else NO_KEY)
            connection.execute(insert(api_keys), key_to_row(new))
            append_event(connection, event)
            _check_number(connection, new.organisation_id, most)
            bump_epoch(connection, new.organisation_id)

        await self._change(new, work)

    async def find_key(self, organisation_id: str, key_id: str) -> ApiKey | None:
        """One key by its public id, deleted ones excluded."""
        query = select(api_keys).where(_is_live(organisation_id), api_keys.c.id == key_id)

        def work(connection: Connection) -> ApiKey | None:
            row = connection.execute(query).mappings().first()
            return None if row is None else row_to_key(row)

        return await self._database.read(work)

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
        table = api_keys.c
        query = select(api_keys).where(_is_live(organisation_id)).order_by(table.created_at_ms, table.id).limit(limit).offset(offset)
        if environment is not None:
            query = query.where(table.environment == environment)
        if environment_ids is not None:
            query = query.where(table.environment_id.in_(environment_ids))
        if is_disabled is not None:
            query = query.where(table.is_disabled == is_disabled)

        def work(connection: Connection) -> list[ApiKey]:
            page = query
            if after_id is not None:
                place = select(table.created_at_ms).where(table.organisation_id == organisation_id, table.id == after_id)
                after_ms = connection.execute(place).scalar()
                if after_ms is None:
                    return []
                page = query.where(or_(table.created_at_ms > after_ms, and_(table.created_at_ms == after_ms, table.id > after_id)))
            return [row_to_key(row) for row in connection.execute(page).mappings()]

        return await self._database.read(work)

    async def search_keys(self, search: KeySearch) -> KeyPage:
        """The page of keys that is wanted, in the wanted order, and how many there are in all."""
        page, count = make_page(search), make_count(search)

        def work(connection: Connection) -> KeyPage:
            rows = [row_to_key(row) for row in connection.execute(page).mappings()]
            return KeyPage(keys=rows, total=connection.execute(count).scalar_one())

        return await self._database.read(work)

    async def count_keys(self, organisation_id: str) -> dict[str, int]:
        """How many keys there are that are not deleted, by environment's id."""
        query = select(api_keys.c.environment_id, func.count()).where(_is_live(organisation_id)).group_by(api_keys.c.environment_id)
        return await self._database.read(lambda connection: {row[0]: row[1] for row in connection.execute(query)})

    async def list_group(self, organisation_id: str, rotation_group: str) -> list[ApiKey]:
        """Every key of a rotation group, deleted ones too, oldest first."""
        same = and_(api_keys.c.rotation_group == rotation_group, api_keys.c.organisation_id == organisation_id)
        return await self._read(select(api_keys).where(same).order_by(api_keys.c.created_at_ms, api_keys.c.id))

    async def list_waiting(self) -> list[ApiKey]:
        """The keys whose grace is to begin with the first use of a later key of their group."""
        return await self._read(select(api_keys).where(api_keys.c.grace_s.is_not(None), api_keys.c.deleted_at_ms.is_(None)))

    async def find_by_digests(self, digests: Sequence[bytes]) -> list[ApiKey]:
        """All keys stored under any of the digests, deleted ones excluded."""
        return await self._find(api_keys.c.digest, digests, api_keys.c.deleted_at_ms.is_(None))

    async def find_by_digest(self, digests: Sequence[bytes]) -> ApiKey | None:
        """The key stored under one of the digests (current pepper's first), deleted ones too.

        One that is found under an older pepper's digest is stored under the current one's, soon after.
        """
        query = select(api_keys).where(api_keys.c.digest.in_(digests))

        def work(connection: Connection) -> list[ApiKey]:
            return [row_to_key(row) for row in connection.execute(query).mappings()]

        found = await self._database.read(work)
        for digest in digests:
            for key in found:
                if hmac.compare_digest(key.digest, digest):
                    if digest is not digests[0]:
                        self._rehash_soon(key.id, digest, digests[0])
                    return key
        return None

    async def find_by_ids(self, ids: Sequence[str]) -> list[ApiKey]:
        """The keys of these ids that there are, deleted ones too."""
        return await self._find(api_keys.c.id, ids, true())

    async def aclose(self) -> None:
        """Wait for the re-hashing that is under way."""
        await asyncio.gather(*self._rehashing)

    async def _find(self, column: Column[Any], values: Sequence[Any], condition: ColumnElement[bool]) -> list[ApiKey]:
        parts = [values[start : start + _MAX_VALUES] for start in range(0, len(values), _MAX_VALUES)]
        return [key for part in parts for key in await self._read(select(api_keys).where(column.in_(part), condition))]

    async def _read(self, query: Select[Any]) -> list[ApiKey]:
        def work(connection: Connection) -> list[ApiKey]:
            return [row_to_key(row) for row in connection.execute(query).mappings()]

        return await self._database.read(work)

    async def _change(self, key: ApiKey, work: Callable[[Connection], None]) -> None:
        try:
            await self._database.write(work)
        except StorageUnavailable:
            raise
        except InternalError:
            if await self._is_name_taken(key):
                raise ClientError(taken_name(key)) from None
            raise
        self._on_change(key.organisation_id)

    async def _is_name_taken(self, key: ApiKey) -> bool:
        same_name = and_(api_keys.c.environment_id == key.environment_id, api_keys.c.name == key.name, api_keys.c.id != key.id)
        query = select(api_keys.c.id).where(_is_live(key.organisation_id), same_name)
        return await self._database.read(lambda connection: connection.execute(query).first() is not None)

    def _rehash_soon(self, key_id: str, old: bytes, new: bytes) -> None:
        if len(self._rehashing) < _MAX_REHASHING:
            task = asyncio.get_running_loop().create_task(self._rehash(key_id, old, new))
            self._rehashing.add(task)
            task.add_done_callback(self._rehashing.discard)

    async def _rehash(self, key_id: str, old: bytes, new: bytes) -> None:
        same = and_(api_keys.c.id == key_id, api_keys.c.digest == old)
        change = update(api_keys).where(same).values(digest=new, pepper_version=self._pepper_version)
        try:
            await self._database.write(lambda connection: connection.execute(change).rowcount)
        except InternalError as error:  # the key works as it is; its next use tries again
            _log.warning("key_not_rehashed", key_id=key_id, reason=error.internal)


_MAX_REHASHING = 100
_MAX_VALUES = 5000  # of one statement: both databases bound its parameters


def _is_live(organisation_id: str) -> ColumnElement[bool]:
    return and_(api_keys.c.organisation_id == organisation_id, api_keys.c.deleted_at_ms.is_(None))


def _replace(connection: Connection, key: ApiKey) -> bool:
    """Whether the key was there as the version before this one, and is now this one."""
    values = {name: value for name, value in key_to_row(key).items() if name not in FIXED_KEY_COLUMNS}
    former = and_(_is_live(key.organisation_id), api_keys.c.id == key.id, api_keys.c.version == key.version - 1)
    return connection.execute(update(api_keys).where(former).values(values)).rowcount == 1


def _is_there(connection: Connection, key: ApiKey) -> bool:
    return connection.execute(select(api_keys.c.id).where(_is_live(key.organisation_id), api_keys.c.id == key.id)).first() is not None


def _check_number(connection: Connection, organisation_id: str, most: int | None) -> None:
    """Behind the event's lock, so that many at once do not get past the bound together."""
    if most is None:
        return
    if connection.execute(select(func.count()).select_from(api_keys).where(_is_live(organisation_id))).scalar_one() > most:
        raise ClientError(too_many(most))


def _has_admin(connection: Connection, changed: ApiKey) -> bool:
    """Whether a key can manage keys at the moment of the change."""
    column = api_keys.c
    now_ms = to_ms(changed.updated_at)
    query = select(column.id).where(
        _is_live(changed.organisation_id),
        column.is_disabled.is_(False),
        column.superseded_by.is_(None),
        or_(column.expires_at_ms.is_(None), column.expires_at_ms > now_ms),
        or_(*(column.scopes.contains(f'"{scope}"', autoescape=True) for scope in (ADMIN_ALL, ADMIN_KEYS))),
    )
    return connection.execute(query.limit(1)).first() is not None
