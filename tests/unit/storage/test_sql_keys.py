from dataclasses import replace
from datetime import UTC, datetime

import pytest
import sqlalchemy as sa

from anyrouter.core.apikey import ApiKey
from anyrouter.core.errors import ClientError, InternalError
from anyrouter.core.tenancy import DEFAULT_ORGANISATION_ID
from anyrouter.storage.database import Database
from anyrouter.storage.schema import latest_epoch, organisations
from anyrouter.storage.sql_environments import SqlEnvironmentStore
from anyrouter.storage.sql_keys import SqlKeyStore
from support.events import event_of


async def epochs(database: Database) -> tuple[int, int]:
    query = sa.select(latest_epoch.c.epoch, organisations.c.epoch).join_from(latest_epoch, organisations, sa.true())
    return await database.read(lambda connection: tuple(connection.execute(query).one()))


async def test_a_change_is_numbered_and_announced_and_a_refused_one_is_neither(database: Database):
    heard: list[str] = []
    keys = SqlKeyStore(database, pepper_version=1, on_change=heard.append)
    [live, _] = await SqlEnvironmentStore(database, on_change=heard.append).list_environments(DEFAULT_ORGANISATION_ID)
    now = datetime(2026, 1, 1, tzinfo=UTC)
    key = ApiKey(
        id="key_1",
        organisation_id=DEFAULT_ORGANISATION_ID,
        environment_id=live.id,
        environment=live.slug,
        name="one",
        label="ar-live-abc123",
        digest=bytes(32),
        pepper_version=1,
        rotation_group="key_1",
        scopes=frozenset(),
        created_at=now,
        updated_at=now,
    )
    await keys.add_key(key, event_of(key))
    assert (await epochs(database), len(heard)) == ((1, 1), 1)
    await keys.update_key(replace(key, is_disabled=True, version=2), event_of(key))
    assert (await epochs(database), len(heard)) == ((2, 2), 2)
    with pytest.raises(ClientError):
        await keys.add_key(replace(key, id="key_2", digest=bytes(31)), event_of(key))
    with pytest.raises(ClientError):
        await keys.update_key(replace(key, id="key_2", version=3), event_of(key))
    with pytest.raises(InternalError):
        await keys.add_key(replace(key, id="key_2", name="the same digest"), event_of(key))
    with pytest.raises(InternalError):
        await keys.add_key(replace(key, id="key_2", name="no environment", digest=bytes(30), environment_id="env_none"), event_of(key))
    assert (await epochs(database), len(heard)) == ((2, 2), 2)
