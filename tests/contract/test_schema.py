"""Opening: a new database, an old one, a newer one; and that both ways to the schema lead to the same one."""

import json
from pathlib import Path

import pytest
import sqlalchemy as sa
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory

from anyrouter.core.errors import InternalError, StorageUnavailable
from anyrouter.core.tenancy import DEFAULT_ORGANISATION_ID, EnvironmentKind
from anyrouter.storage.data_directory import DataDirectory
from anyrouter.storage.database import Database, locate
from anyrouter.storage.migration import configuration, upgrade
from anyrouter.storage.opening import open_storage
from anyrouter.storage.schema import HEAD_REVISION, metadata
from anyrouter.storage.schema_version import read_revision


def test_the_head_revision_is_the_newest_migration():
    assert ScriptDirectory.from_config(configuration()).get_current_head() == HEAD_REVISION


async def test_migrations_and_a_new_database_give_the_same_schema(tmp_path: Path, database_url: str | None):
    directory = DataDirectory(tmp_path / "migrated")
    database = Database(locate(directory.database, database_url))
    await database.write(upgrade)

    def differences(connection: sa.Connection) -> list[object]:
        found = compare_metadata(MigrationContext.configure(connection, opts={"compare_type": True}), metadata)
        return [change for change in found if getattr(change[1], "name", None) != "alembic_version"]

    assert await database.read(differences) == []
    migrated = await database.read(_describe)
    await database.write(metadata.drop_all)
    await database.write(metadata.create_all)
    assert migrated == await database.read(_describe)
    await database.aclose()


async def test_an_older_database_is_migrated_when_it_is_opened_and_keeps_what_it_has(tmp_path: Path, database_url: str | None):
    directory = DataDirectory(tmp_path / "data")
    directory.create_database_file()
    database = Database(locate(directory.database, database_url))
    await database.write(lambda connection: upgrade(connection, "0001"))
    await database.write(lambda connection: connection.execute(sa.text("INSERT INTO latest_epoch (id, epoch) VALUES (1, 7)")).rowcount)
    await database.aclose()
    storage = await open_storage(tmp_path / "data", database_url, environment={})
    assert await storage.database.read(read_revision) == HEAD_REVISION
    assert await storage.presets.list_presets(DEFAULT_ORGANISATION_ID) == []
    assert await storage.database.read(lambda connection: connection.execute(sa.text("SELECT epoch FROM latest_epoch")).scalar()) == 7
    await storage.aclose()


async def test_a_database_of_a_newer_program_is_refused(tmp_path: Path, database_url: str | None):
    storage = await open_storage(tmp_path / "data", database_url, environment={})
    await storage.database.write(lambda connection: connection.execute(sa.text("UPDATE alembic_version SET version_num = '9999'")).rowcount)
    await storage.aclose()
    with pytest.raises(InternalError, match="newer AnyRouter"):
        await open_storage(tmp_path / "data", database_url, environment={})


async def test_opening_twice_changes_nothing(tmp_path: Path, database_url: str | None):
    first = await open_storage(tmp_path / "data", database_url, environment={})
    before = await first.environments.list_environments(DEFAULT_ORGANISATION_ID)
    second = await open_storage(tmp_path / "data", database_url, environment={})
    assert await second.environments.list_environments(DEFAULT_ORGANISATION_ID) == before
    assert [(environment.slug, environment.kind) for environment in before] == [
        ("live", EnvironmentKind.LIVE),
        ("test", EnvironmentKind.SANDBOX),
    ]
    await first.aclose()
    await second.aclose()


async def test_a_database_that_is_not_there_is_named_without_its_password(tmp_path: Path):
    url = f"postgresql://gateway:MARKER-password@/nowhere?host={tmp_path}"
    with pytest.raises(StorageUnavailable) as caught:
        await open_storage(tmp_path / "data", url, environment={})
    assert "gateway:***@" in caught.value.public
    assert "MARKER" not in f"{caught.value!r} {caught.value.public} {caught.value.internal}"


async def test_a_file_that_is_no_database_is_named(tmp_path: Path):
    (tmp_path / "anyrouter.db").write_bytes(b"something else" * 100)
    with pytest.raises(StorageUnavailable) as caught:
        await open_storage(tmp_path, environment={})
    assert caught.value.public == f"The database sqlite:///{tmp_path}/anyrouter.db cannot be opened: DatabaseError: file is not a database"


@pytest.mark.parametrize("url", ["mysql://host/name", "not a url", "http://host/"])
async def test_only_postgresql_is_taken_as_database_url(tmp_path: Path, url: str):
    with pytest.raises(InternalError, match="postgresql://"):
        await open_storage(tmp_path, url, environment={})


def _describe(connection: sa.Connection) -> dict[str, str]:
    inspector = sa.inspect(connection)
    return {
        table: json.dumps(
            [
                inspector.get_columns(table),
                sorted(inspector.get_indexes(table), key=lambda index: str(index["name"])),
                inspector.get_pk_constraint(table),
                inspector.get_foreign_keys(table),
                inspector.get_unique_constraints(table),
                inspector.get_table_options(table),
            ],
            default=str,
        )
        for table in inspector.get_table_names()
    }


async def test_sums_by_model_are_made_of_those_by_hour(tmp_path: Path, database_url: str | None):
    directory = DataDirectory(tmp_path / "data")
    directory.create_database_file()
    database = Database(locate(directory.database, database_url))
    await database.write(lambda connection: upgrade(connection, "0004"))
    sums = (1, 10, 20, 30, 40, 50, 0)
    rows = [(1, "a", "key_1", "x"), (1, "a", "key_2", ""), (1, "b", "key_1", ""), (2, "a", "key_1", "")]

    def fill(connection: sa.Connection) -> None:
        table = sa.Table("usage_hourly", sa.MetaData(), autoload_with=connection)
        for number, (hour, model, api_key, app) in enumerate(rows, start=1):
            values = ("org_1", hour, model, "openai", "env_1", api_key, api_key, app, "live", number, *sums)
            connection.execute(table.insert().values(values))
        days = sa.Table("usage_daily", sa.MetaData(), autoload_with=connection)
        connection.execute(days.insert().values(("org_1", 7, "a", "openai", "env_1", "key_1", "key_1", "live", 5, *sums)))
        upgrade(connection)

    await database.write(fill)
    found = {}
    for table, time in (("usage_model_hourly", "hour"), ("usage_model_daily", "day")):
        query = f"SELECT {time}, model, environment, requests, errors, input_tokens, cost_nanousd, latency_00, ttft_49 FROM {table}"  # noqa: S608 -- constants
        found[table] = await database.read(
            lambda connection, query=query: [tuple(row) for row in connection.execute(sa.text(f"{query} ORDER BY 1, 2"))]
        )
    assert found == {
        "usage_model_hourly": [
            (1, "a", "live", 3, 2, 20, 100, 0, 0),
            (1, "b", "live", 3, 1, 10, 50, 0, 0),
            (2, "a", "live", 4, 1, 10, 50, 0, 0),
        ],
        "usage_model_daily": [(7, "a", "live", 5, 1, 10, 50, 0, 0)],
    }
    await database.aclose()


async def test_sums_by_app_are_made_of_those_by_hour(tmp_path: Path, database_url: str | None):
    directory = DataDirectory(tmp_path / "data")
    directory.create_database_file()
    database = Database(locate(directory.database, database_url))
    await database.write(lambda connection: upgrade(connection, "0005"))
    rows = [(23, "a", "key_1", "x"), (0, "a", "key_2", "x"), (24, "a", "key_1", "x"), (1, "b", "key_1", "x"), (2, "a", "key_1", "")]

    def fill(connection: sa.Connection) -> None:
        table = sa.Table("usage_hourly", sa.MetaData(), autoload_with=connection)
        for number, (hour, model, api_key, app) in enumerate(rows, start=1):
            values = ("org_1", hour, model, "openai", "env_1", api_key, api_key, app, "live", number, 1, 10, 20, 30, 40, 50, 60)
            connection.execute(table.insert().values(values))
        upgrade(connection)

    await database.write(fill)
    query = (
        "SELECT day, app, model, environment, requests, errors, input_tokens, upstream_cost_nanousd FROM usage_app_daily ORDER BY 1, 2, 3"
    )
    found = await database.read(lambda connection: [tuple(row) for row in connection.execute(sa.text(query))])
    assert found == [
        (0, "", "a", "live", 5, 1, 10, 60),
        (0, "x", "a", "live", 3, 2, 20, 120),
        (0, "x", "b", "live", 4, 1, 10, 60),
        (1, "x", "a", "live", 3, 1, 10, 60),
    ]
    await database.aclose()
