"""Opens the store: the database alone for commands, with the ledger's journal and everything that runs for the server."""

import time
from collections.abc import Callable, Mapping
from pathlib import Path

from anyrouter.core.errors import InternalError, StorageUnavailable
from anyrouter.core.ledger import LedgerEntry, join
from anyrouter.storage.data_directory import DataDirectory, ServerLock
from anyrouter.storage.database import Database, locate
from anyrouter.storage.epoch_watch import EpochWatch
from anyrouter.storage.journal import Journal
from anyrouter.storage.journal_ledger import JournalLedger, record_group
from anyrouter.storage.key_use import BatchedKeyUse
from anyrouter.storage.pepper import Peppers, load_or_create_pepper
from anyrouter.storage.recovery import PriceInterrupted, Recovered, recover
from anyrouter.storage.rejected import RejectedEntries
from anyrouter.storage.retention import Retention
from anyrouter.storage.schema_version import prepare
from anyrouter.storage.sql_audit import SqlAuditStore
from anyrouter.storage.sql_credentials import SqlCredentialStore, SqlSealStore
from anyrouter.storage.sql_environments import SqlEnvironmentStore
from anyrouter.storage.sql_idempotency import SqlIdempotencyStore
from anyrouter.storage.sql_keys import SqlKeyStore
from anyrouter.storage.sql_ledger import SqlLedgerReader
from anyrouter.storage.sql_members import SqlMemberStore
from anyrouter.storage.sql_money import SqlBudgetStore, SqlCreditStore
from anyrouter.storage.sql_notices import SqlExpiryReader, SqlNoticeStore, SqlSpendReader
from anyrouter.storage.sql_organisations import SqlOrganisationStore
from anyrouter.storage.sql_presets import SqlPresetStore
from anyrouter.storage.sql_sessions import SqlSessionStore
from anyrouter.storage.sql_sign_in import SqlSignInStore
from anyrouter.storage.sql_webhooks import SqlWebhookStore
from anyrouter.storage.usage_rows import AppNames


class Storage:
    """What a command needs: the ports of `control`, and `peppers`. `keys` is a KeyStore and a KeyLookup, `reader` a LedgerReader.

    Any number of processes may have one on the same data directory.
    """

    def __init__(self, directory: DataDirectory, database: Database, peppers: Peppers) -> None:
        self.directory, self.database, self.peppers = directory, database, peppers
        self.watch = EpochWatch(database)
        self.keys = SqlKeyStore(database, pepper_version=peppers.current.version, on_change=self.watch.announce)
        self.organisations = SqlOrganisationStore(database, on_change=self.watch.announce)
        self.members = SqlMemberStore(database, on_change=self.watch.announce)
        self.sessions = SqlSessionStore(database)
        self.sign_in = SqlSignInStore(database, on_change=self.watch.announce)
        self.environments = SqlEnvironmentStore(database, on_change=self.watch.announce)
        self.presets = SqlPresetStore(database, on_change=self.watch.announce)
        self.audit = SqlAuditStore(database)
        self.idempotency = SqlIdempotencyStore(database)
        self.budgets = SqlBudgetStore(database, on_change=self.watch.announce)
        self.credits = SqlCreditStore(database, on_change=self.watch.announce)
        self.credentials = SqlCredentialStore(database, on_change=self.watch.announce)
        self.seals = SqlSealStore(database, on_change=self.watch.announce)
        self.webhooks = SqlWebhookStore(database, on_change=self.watch.announce)
        self.notices = SqlNoticeStore(database)
        self.expiries = SqlExpiryReader(database)
        self.spend = SqlSpendReader(database)
        self.reader = SqlLedgerReader(database)
        self.health = self.reader

    async def aclose(self) -> None:
        """Close the database."""
        await self.keys.aclose()
        await self.database.aclose()


class ServingStorage(Storage):
    """What the server needs besides: `ledger`, `key_use`, `watch` (subscribe to it), `retention`; one per data directory.

    `recovered` says what the journal held at the start.
    """

    def __init__(
        self, storage: Storage, lock: ServerLock, journal: Journal, recovered: Recovered, *, max_days: int | None, max_rows: int | None
    ) -> None:
        super().__init__(storage.directory, storage.database, storage.peppers)
        self.recovered = recovered
        self._lock = lock
        self.ledger = JournalLedger(self.database, journal, reject=RejectedEntries(self.directory.journal).keep)
        self.key_use = BatchedKeyUse(self.database)
        self.retention = Retention(self.database, max_days=max_days, max_rows=max_rows)

    async def start(self) -> None:
        """Begin to deliver, to look for changes, to flush and to sweep."""
        await self.watch.start()  # the only one that can fail
        self.ledger.start()
        self.key_use.start()
        self.retention.start()

    async def aclose(self) -> None:
        """Deliver and flush what can be, then let the next server in. Nothing may be settled any more when this is called."""
        await self.retention.aclose()
        await self.watch.aclose()
        await self.ledger.aclose()
        await self.key_use.aclose()
        await super().aclose()
        self._lock.release()


async def open_storage(
    data_dir: Path,
    database_url: str | None = None,
    *,
    environment: Mapping[str, str],
    clock_ms: Callable[[], int] = lambda: time.time_ns() // 1_000_000,
) -> Storage:
    """The store of `data_dir`, made and migrated as needed; `database_url` (PostgreSQL) replaces its SQLite file.

    `environment` is looked at for ANYROUTER_PEPPER. InternalError with a text for the operator when it cannot be opened.
    """
    directory = DataDirectory(data_dir)
    url = locate(directory.database, database_url)
    peppers = load_or_create_pepper(directory.pepper, environment)
    database = Database(url)
    try:
        if database.is_sqlite:
            directory.create_database_file()
        now_ms = clock_ms()
        # Not `write`: a migration may take longer than a request may wait.
        await database.on_writer(lambda: database.transact(lambda connection: prepare(connection, pepper=peppers.current, now_ms=now_ms)))
    except StorageUnavailable as error:
        await database.aclose()
        place = url.render_as_string(hide_password=True)
        raise StorageUnavailable(f"The database {place} cannot be opened: {error.internal}", internal=error.internal) from None
    except BaseException:
        await database.aclose()
        raise
    return Storage(directory, database, peppers)


async def open_serving_storage(
    data_dir: Path,
    database_url: str | None = None,
    *,
    environment: Mapping[str, str],
    price_interrupted: PriceInterrupted,
    max_days: int | None = None,
    max_rows: int | None = None,
) -> ServingStorage:
    """`open_storage` for the one server of a data directory: takes its lock, recovers the journal, starts what runs beside.

    `price_interrupted` gives the nano-USD of an interrupted generation. `max_days` and `max_rows` limit the ledger.
    """
    lock = ServerLock(DataDirectory(data_dir))
    storage = None
    try:
        storage = await open_storage(data_dir, database_url, environment=environment)
        opened = storage
        recovered = await opened.database.on_writer(lambda: _recover(opened, price_interrupted))
        try:
            journal = Journal(opened.directory.journal)
        except OSError as error:
            raise InternalError(f"The journal {opened.directory.journal} cannot be written: {error.strerror}.") from error
        serving = ServingStorage(opened, lock, journal, recovered, max_days=max_days, max_rows=max_rows)
        await serving.start()
    except BaseException:
        if storage is not None:
            await storage.aclose()
        lock.release()
        raise
    return serving


def _recover(storage: Storage, price_interrupted: PriceInterrupted) -> Recovered:
    rejected = RejectedEntries(storage.directory.journal)

    def record(entries: list[LedgerEntry]) -> None:
        for intent, outcome in record_group(storage.database, [entry.split() for entry in entries], AppNames()):
            rejected.keep(join(intent, outcome))

    return recover(storage.directory.journal, record=record, price_interrupted=price_interrupted)
