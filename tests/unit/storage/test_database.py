import asyncio
import subprocess
import sys
from pathlib import Path

import pytest
import sqlalchemy as sa

from anyrouter.core.errors import InternalError, StorageUnavailable
from anyrouter.storage import database as module
from anyrouter.storage.database import Database, locate
from anyrouter.storage.schema import api_keys, ledger


def test_urls_of_postgresql_get_the_driver(tmp_path: Path):
    for text in ("postgresql://u:MARKER@h/n", "postgres://u:MARKER@h/n", "postgresql+psycopg://u:MARKER@h/n"):
        url = locate(tmp_path, text)
        assert url.render_as_string(hide_password=False) == "postgresql+psycopg://u:MARKER@h/n"
        assert "MARKER" not in str(url)
    assert locate(tmp_path / "x.db", None).get_backend_name() == "sqlite"
    assert locate(tmp_path / "x.db", "").get_backend_name() == "sqlite"


async def test_sqlite_is_opened_with_what_makes_it_safe_and_fast(database: Database):
    def read(connection: sa.Connection) -> list[object]:
        names = ("journal_mode", "synchronous", "foreign_keys", "busy_timeout", "auto_vacuum")
        return [connection.exec_driver_sql(f"PRAGMA {name}").scalar() for name in names]

    assert await database.write(read) == ["wal", 1, 1, 5000, 2]


async def test_a_reader_cannot_write(database: Database):
    with pytest.raises(StorageUnavailable, match="readonly"):
        await database.read(lambda connection: connection.execute(sa.delete(ledger)).rowcount)


async def test_a_failed_statement_shows_neither_sql_nor_values(database: Database):
    def work(connection: sa.Connection) -> None:
        connection.execute(sa.text("INSERT INTO nowhere VALUES (:value)"), {"value": "MARKER"})

    with pytest.raises(StorageUnavailable) as caught:
        await database.write(work)
    assert caught.value.internal == "OperationalError: no such table: nowhere"
    assert "INSERT" not in f"{caught.value} {caught.value.public}"
    assert caught.value.__suppress_context__


async def test_a_violated_constraint_is_not_called_an_outage(database: Database):
    with pytest.raises(InternalError) as caught:
        await database.write(lambda connection: connection.execute(sa.insert(api_keys).values(id="key_1")).rowcount)
    assert not isinstance(caught.value, StorageUnavailable)


async def test_what_the_work_raises_is_passed_on_and_its_changes_are_rolled_back(database: Database):
    def work(connection: sa.Connection) -> None:
        connection.execute(sa.text("DELETE FROM environments"))
        raise KeyError("mine")

    with pytest.raises(KeyError, match="mine"):
        await database.write(work)
    count = sa.text("SELECT count(*) FROM environments")
    assert await database.read(lambda connection: connection.execute(count).scalar()) == 2


async def test_a_database_that_does_not_answer_is_given_up(database: Database, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(module, "DEADLINE_S", 0.01)
    release = asyncio.Event()
    loop = asyncio.get_running_loop()

    def hang(_: sa.Connection) -> None:
        asyncio.run_coroutine_threadsafe(release.wait(), loop).result()

    with pytest.raises(StorageUnavailable, match="no answer in time"):
        await database.write(hang)
    monkeypatch.undo()
    release.set()
    assert await database.write(lambda _: 1) == 1


def test_neither_a_new_nor_a_current_database_loads_alembic_or_a_driver_it_does_not_need(tmp_path: Path):
    code = """
import asyncio, sys
from pathlib import Path
from anyrouter.storage.opening import open_storage

async def main():
    for _ in range(2):
        await (await open_storage(Path(sys.argv[1]), environment={})).aclose()

asyncio.run(main())
print([name for name in ("alembic", "psycopg") if name in sys.modules])
"""
    done = subprocess.run([sys.executable, "-c", code, str(tmp_path / "data")], check=True, capture_output=True, text=True)
    assert done.stdout == "[]\n"
