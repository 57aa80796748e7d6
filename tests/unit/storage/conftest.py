from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from resource import RLIM_INFINITY, RLIMIT_FSIZE, getrlimit, setrlimit
from typing import Any

import pytest

from anyrouter.core.ids import new_generation_id
from anyrouter.core.ledger import EntryState, Intent, LedgerEntry
from anyrouter.core.tenancy import DEFAULT_ORGANISATION_ID
from anyrouter.storage.data_directory import DataDirectory
from anyrouter.storage.database import Database, locate
from anyrouter.storage.pepper import Pepper
from anyrouter.storage.schema_version import prepare


@pytest.fixture
def make_entry() -> Callable[..., LedgerEntry]:
    def make(**fields: Any) -> LedgerEntry:
        names = ("request_id", "environment_id", "environment", "api_key_id", "rotation_group", "endpoint", "model", "upstream_model")
        texts = dict.fromkeys((*names, "provider", "upstream"), "text")
        values = {"generation_id": new_generation_id(1), "attempt": 1, "organisation_id": DEFAULT_ORGANISATION_ID, "created_at_ms": 1}
        return LedgerEntry(**{**texts, **values, "state": EntryState.SETTLED, "status": 200, "cost_nanousd": 5, **fields})

    return make


@pytest.fixture
def intent_of() -> Callable[..., Intent]:
    def make(entry: LedgerEntry, **fields: Any) -> Intent:
        return Intent(**{**{name: getattr(entry, name) for name in Intent.__struct_fields__}, **fields})

    return make


@pytest.fixture
async def database(tmp_path: Path) -> AsyncIterator[Database]:
    """SQLite with the schema."""
    opened = Database(locate(DataDirectory(tmp_path).database, None))
    await opened.write(lambda connection: prepare(connection, pepper=Pepper(version=1, secret=bytes(32)), now_ms=1))
    yield opened
    await opened.aclose()


@pytest.fixture
def full_disk() -> Callable[[int], Any]:
    """Within `with full_disk(n)` no file of this process grows beyond n bytes: writes are cut short, then refused."""

    @contextmanager
    def limit(size: int) -> Iterator[None]:
        _, hard = getrlimit(RLIMIT_FSIZE)
        setrlimit(RLIMIT_FSIZE, (size, hard))
        try:
            yield
        finally:
            setrlimit(RLIMIT_FSIZE, (RLIM_INFINITY if hard == RLIM_INFINITY else hard, hard))

    return limit
