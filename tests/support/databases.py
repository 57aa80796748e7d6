"""Databases as a program makes them at its first start, copied: making thirty tables takes longer than most tests."""

import functools
from pathlib import Path
from tempfile import TemporaryDirectory

import psycopg
from sqlalchemy import Connection

from anyrouter.storage.data_directory import DataDirectory
from anyrouter.storage.database import Database, locate
from anyrouter.storage.pepper import Pepper
from anyrouter.storage.schema import alembic_version, environments, metadata, organisations, pepper_fingerprints
from anyrouter.storage.schema_version import prepare

_EMPTIED = [table.delete() for table in reversed(metadata.sorted_tables) if table is not alembic_version]


def lay_tables(data_dir: Path) -> Path:
    """The directory, made, with SQLite's tables in it and no rows but those of the schema: it is no longer new, and nobody's yet."""
    directory = DataDirectory(data_dir)
    directory.create_database_file()
    directory.database.write_bytes(_sqlite_tables())
    return data_dir


def lay_postgres_tables(url: str) -> None:
    """The same in an empty database."""
    database = Database(locate(Path(), url))
    database.transact(_make_tables)
    database._close()


def empty_postgres_tables(url: str) -> None:
    """A database with the tables, as it was before the first row. What refuses changes to the audit log does not hear of it."""
    statements = "; ".join(map(str, ("SET session_replication_role = replica", *_EMPTIED, "INSERT INTO latest_epoch VALUES (1, 0)")))
    with psycopg.connect(url, autocommit=True) as connection:
        connection.execute(statements)


@functools.cache
def _sqlite_tables() -> bytes:
    with TemporaryDirectory(prefix="anyrouter-") as directory:
        path = Path(directory, "anyrouter.db")
        database = Database(locate(path, None))
        database.transact(_make_tables)
        database._close()
        return path.read_bytes()


def _make_tables(connection: Connection) -> None:
    prepare(connection, pepper=Pepper(version=1, secret=bytes(32)), now_ms=0)
    for table in (environments, organisations, pepper_fingerprints):  # the first start makes its own
        connection.execute(table.delete())
