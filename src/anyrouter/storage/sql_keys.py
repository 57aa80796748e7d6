"""API keys and environments in the database. Only digests of keys get here; every value travels as a parameter."""

import asyncio
import hmac
from collections.abc import Callable, Sequence
from typing import Any

import structlog
from sqlalchemy import ColumnElement, Connection, and_, insert, or_, select, update

from anyrouter.core.apikey import ApiKey
from anyrouter.core.errors import ClientError, Denied, InternalError, StorageUnavailable
from anyrouter.core.tenancy import Environment
from anyrouter.storage.database import Database
from anyrouter.storage.records import FIXED_KEY_COLUMNS, environment_to_row, key_to_row, row_to_environment, row_to_key
from anyrouter.storage.schema import api_keys, environments, latest_epoch, organisations

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

    async def add_key(self, key: ApiKey) -> None:
        """Store a new key; ClientError `duplicate_name` when a key of that name exists in its environment and is not deleted."""

        def work(connection: Connection) -> None:
            connection.execute(insert(api_keys), key_to_row(key))
            bump_epoch(connection, key.organisation_id)

        await self._change(key, work)

    async def update_key(self, key: ApiKey) -> None:
        """Replace the changeable fields of a key; ClientError `not_found` when it was never added or is deleted."""
        values = {name: value for name, value in key_to_row(key).items() if name not in FIXED_KEY_COLUMNS}

        def work(connection: Connection) -> None:
            changed = connection.execute(update(api_keys).where(_is_live(key.organisation_id), api_keys.c.id == key.id).values(values))
            if changed.rowcount == 0:
                raise ClientError(Denied(code="not_found", message="no such key"))
            bump_epoch(connection, key.organisation_id)

        await self._change(key, work)

    async def find_key(self, organisation_id: str, key_id: str) -> ApiKey | None:
        """One key by its public id, deleted ones excluded."""
        query = select(api_keys).where(_is_live(organisation_id), api_keys.c.id == key_id)

        def work(connection: Connection) -> ApiKey | None:
            row = connection.execute(query).mappings().first()
            return None if row is None else row_to_key(row)

        return await self._database.read(work)

    async def list_keys(
        self, organisation_id: str, *, environment: str | None = None, limit: int = 100, after_id: str | None = None
    ) -> list[ApiKey]:
        """Keys that are not deleted, oldest first, at most `limit`, those behind `after_id` (deleted or not; none if unknown)."""
        table = api_keys.c
        query = select(api_keys).where(_is_live(organisation_id)).order_by(table.created_at_ms, table.id).limit(limit)
        if environment is not None:
            query = query.where(table.environment == environment)

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
        parts = [ids[start : start + _MAX_IDS] for start in range(0, len(ids), _MAX_IDS)]

        def work(connection: Connection) -> list[ApiKey]:
            queries = (select(api_keys).where(api_keys.c.id.in_(part)) for part in parts)
            return [row_to_key(row) for query in queries for row in connection.execute(query).mappings()]

        return await self._database.read(work) if parts else []

    async def aclose(self) -> None:
        """Wait for the re-hashing that is under way."""
        await asyncio.gather(*self._rehashing)

    async def _change(self, key: ApiKey, work: Callable[[Connection], None]) -> None:
        try:
            await self._database.write(work)
        except StorageUnavailable:
            raise
        except InternalError:
            if await self._is_name_taken(key):
                message = f"a key named {key.name!r} exists in the environment {key.environment}"
                raise ClientError(Denied(code="duplicate_name", message=message, param="name")) from None
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
_MAX_IDS = 5000  # of one statement: both databases bound its parameters


class SqlEnvironmentStore:
    """`EnvironmentStore`. `on_change` as in `SqlKeyStore`."""

    def __init__(self, database: Database, *, on_change: OnChange) -> None:
        self._database, self._on_change = database, on_change

    async def list_environments(self, organisation_id: str) -> list[Environment]:
        """All of an organisation's, active or not, by slug."""
        query = select(environments).where(environments.c.organisation_id == organisation_id).order_by(environments.c.slug)

        def work(connection: Connection) -> list[Environment]:
            return [row_to_environment(row) for row in connection.execute(query).mappings()]

        return await self._database.read(work)

    async def put_environment(self, environment: Environment) -> None:
        """Insert it, or change the name, kind, state and limit of the one with that organisation and slug."""
        row = environment_to_row(environment)
        same = and_(environments.c.organisation_id == environment.organisation_id, environments.c.slug == environment.slug)
        changeable: dict[str, Any] = {name: value for name, value in row.items() if name not in {"id", "organisation_id", "slug"}}

        def work(connection: Connection) -> None:
            if connection.execute(update(environments).where(same).values(changeable)).rowcount == 0:
                connection.execute(insert(environments), row)
            bump_epoch(connection, environment.organisation_id)

        await self._database.write(work)
        self._on_change(environment.organisation_id)


def _is_live(organisation_id: str) -> ColumnElement[bool]:
    return and_(api_keys.c.organisation_id == organisation_id, api_keys.c.deleted_at_ms.is_(None))
