"""The database behind threads (one that writes, two that read, one that watches): the event loop never waits for a disk or server.

Whatever goes wrong leaves here as StorageUnavailable or InternalError, without SQL text and without values.
"""

import asyncio
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path
from sqlite3 import Connection as SqliteConnection
from typing import Any, TypeVar

from sqlalchemy import URL, Connection, Engine, create_engine, event, make_url
from sqlalchemy.exc import ArgumentError, DataError, DBAPIError, IntegrityError, SQLAlchemyError

from anyrouter.core.errors import GatewayError, InternalError, StorageUnavailable
from anyrouter.storage.thread_priority import lower_priority

T = TypeVar("T")
Work = Callable[[Connection], T]

READERS = 2
BUSY_TIMEOUT_S = 5.0
DEADLINE_S = 10.0

_POSTGRES_SCHEMES = {"postgresql", "postgres", "postgresql+psycopg"}
_POSTGRES_ARGUMENTS = {"connect_timeout": 5, "application_name": "anyrouter", "tcp_user_timeout": 10_000}
# SQLSTATE classes that mean "these values can never be stored": bad data, violated constraint, a value beyond a limit.
_HOPELESS_CLASSES = ("22", "23", "54")


def locate(sqlite_file: Path, database_url: str | None) -> URL:
    """The address of the database: PostgreSQL when an URL is given, else SQLite in `sqlite_file`; InternalError for any other."""
    if not database_url:
        return URL.create("sqlite", database=str(sqlite_file))
    try:
        url = make_url(database_url)
    except ArgumentError:
        raise InternalError("The database_url is not a URL; it looks like postgresql://user:password@host/name.") from None
    if url.drivername not in _POSTGRES_SCHEMES:
        raise InternalError(f"The database_url must start with postgresql://, not with {url.drivername}://.")
    return url.set(drivername="postgresql+psycopg")


class Database:
    """Runs work on a connection, in a transaction, on a thread of its own kind.

    `read` and `write` raise StorageUnavailable when the database cannot be used or does not answer within `DEADLINE_S`, and let
    the work's own exceptions through. A write that ran out of time may still be committed.
    """

    def __init__(self, url: URL) -> None:
        self.url = url
        self.is_sqlite = url.get_backend_name() == "sqlite"
        self._write_engine = self._engine(pool_size=1)
        self._read_engine = self._engine(pool_size=READERS + 1, is_reader=True)
        self._writer = ThreadPoolExecutor(1, thread_name_prefix="anyrouter-writer")
        self._readers = ThreadPoolExecutor(READERS, thread_name_prefix="anyrouter-reader", initializer=lower_priority)
        self._watcher = ThreadPoolExecutor(1, thread_name_prefix="anyrouter-watcher")

    async def read(self, work: Work[T]) -> T:
        """What `work` returns, read on one of the readers' threads."""
        return await self._in_time(self._readers, self._read_engine, work)

    async def watch(self, work: Work[T]) -> T:
        """As `read`, on a thread that no slow query occupies."""
        return await self._in_time(self._watcher, self._read_engine, work)

    async def write(self, work: Work[T]) -> T:
        """What `work` returns, its changes committed; they are rolled back when it raises."""
        return await self._in_time(self._writer, self._write_engine, work)

    async def on_writer(self, job: Callable[[], T]) -> T:
        """Run a job of many transactions on the writer's thread, without a deadline."""
        return await asyncio.get_running_loop().run_in_executor(self._writer, job)

    def transact(self, work: Work[T]) -> T:
        """`write` for code that is on the writer's thread already."""
        return _run(self._write_engine, work)

    def __repr__(self) -> str:
        return f"Database({self.url.render_as_string(hide_password=True)})"

    async def aclose(self) -> None:
        """Finish what runs, close connections and threads; gives up waiting for a server that hangs after the deadline."""
        with suppress(TimeoutError):
            async with asyncio.timeout(DEADLINE_S):
                await asyncio.to_thread(self._close)

    def _close(self) -> None:
        for executor in (self._readers, self._watcher, self._writer):
            executor.shutdown(cancel_futures=True)  # waits: a connection in use would outlive its pool
        self._read_engine.dispose()
        self._write_engine.dispose()

    async def _in_time(self, executor: ThreadPoolExecutor, engine: Engine, work: Work[T]) -> T:
        try:
            async with asyncio.timeout(DEADLINE_S):
                return await asyncio.get_running_loop().run_in_executor(executor, _run, engine, work)
        except TimeoutError:
            raise _unavailable("no answer in time") from None

    def _engine(self, *, pool_size: int, is_reader: bool = False) -> Engine:
        arguments: dict[str, Any] = {"timeout": BUSY_TIMEOUT_S} if self.is_sqlite else _POSTGRES_ARGUMENTS
        try:
            engine = create_engine(
                self.url,
                pool_size=pool_size,
                max_overflow=0,
                pool_pre_ping=not self.is_sqlite,  # a server that was restarted left dead connections behind
                hide_parameters=True,
                connect_args=arguments,
            )
        except ModuleNotFoundError as error:
            raise InternalError("PostgreSQL needs its driver: install anyrouter[postgres].") from error
        if self.is_sqlite:
            event.listen(engine, "connect", _prepare_reader if is_reader else _prepare_writer)
            # Taking the write lock at once makes a writer wait for it; taking it later fails when somebody wrote in between.
            begin = "BEGIN" if is_reader else "BEGIN IMMEDIATE"
            event.listen(engine, "begin", lambda connection: connection.exec_driver_sql(begin))
        return engine


def _prepare_writer(connection: SqliteConnection, _record: object) -> None:
    connection.isolation_level = None  # transactions are begun by the engine's event, not guessed by the driver
    connection.execute("PRAGMA auto_vacuum = INCREMENTAL")  # takes effect in a new file only, before its first table
    connection.execute("PRAGMA journal_mode = WAL")
    connection.execute("PRAGMA synchronous = NORMAL")
    connection.execute("PRAGMA foreign_keys = ON")
    connection.execute("PRAGMA wal_autocheckpoint = 4000")  # 16 MB: index pages that change all the time are copied less often
    connection.execute("PRAGMA journal_size_limit = 67108864")
    connection.execute("PRAGMA temp_store = MEMORY")  # where an insert of many rows keeps what would undo it; not in a file


def _prepare_reader(connection: SqliteConnection, _record: object) -> None:
    connection.isolation_level = None
    connection.execute("PRAGMA query_only = ON")


def _run(engine: Engine, work: Work[T]) -> T:
    try:
        with engine.begin() as connection:
            return work(connection)
    except SQLAlchemyError as error:
        raise translate(error) from None


def translate(error: SQLAlchemyError) -> GatewayError:
    """Our error for SQLAlchemy's: its SQL text and values stay behind, the driver's own first line goes to the log."""
    if isinstance(error, DBAPIError):
        lines = str(error.orig).splitlines() or [""]
        reason = f"{type(error.orig).__name__}: {lines[0]}"
        state = getattr(error.orig, "sqlstate", None)
        if isinstance(error, IntegrityError | DataError) or (state is not None and state.startswith(_HOPELESS_CLASSES)):
            return InternalError("The database refused what it was given.", internal=reason)
        return _unavailable(reason)
    return _unavailable(type(error).__name__)


def _unavailable(reason: str) -> StorageUnavailable:
    return StorageUnavailable("The database cannot be used now.", internal=reason)
