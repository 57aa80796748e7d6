"""What only the databases have: the journal before them, other processes beside them, old entries in them."""

import asyncio
import secrets
import time
from collections.abc import Awaitable, Callable
from dataclasses import replace
from pathlib import Path

import msgspec
import pytest
import sqlalchemy as sa

from anyrouter.core.apikey import ApiKey
from anyrouter.core.errors import InternalError, StorageUnavailable
from anyrouter.core.ids import new_generation_id
from anyrouter.core.ledger import EntryState, Intent, LedgerEntry
from anyrouter.core.tenancy import DEFAULT_ORGANISATION_ID
from anyrouter.core.usage import Usage, UsageSource
from anyrouter.storage.opening import ServingStorage, open_serving_storage, open_storage
from anyrouter.storage.retention import BATCH, DAY_MS, Retention
from support.events import event_of

ORG = DEFAULT_ORGANISATION_ID
MakeEntry = Callable[..., LedgerEntry]


@pytest.fixture
async def storage(serving: ServingStorage) -> ServingStorage:
    return serving


def intent_of(entry: LedgerEntry, **fields: object) -> Intent:
    values = {name: getattr(entry, name) for name in Intent.__struct_fields__}
    return Intent(**{**values, "estimated_input_tokens": 10, **fields})


async def until(is_so: Callable[[], bool]) -> None:
    """Let the loop run until it is so."""
    async with asyncio.timeout(10):
        while not is_so():  # noqa: ASYNC110 -- what is waited for is a number of the ledger's, not an event
            await asyncio.sleep(0.01)


def price(intent: Intent) -> int:
    return 7 * intent.estimated_input_tokens


async def test_a_settled_entry_can_be_read_at_every_moment(serving: ServingStorage, make_entry: MakeEntry):
    entry = make_entry(upstream_id="msg_1")
    serving.ledger.settle(*entry.split())
    deadline = time.monotonic() + 10
    while pending := serving.ledger.find_pending(entry.generation_id):
        assert pending == entry
        assert serving.ledger.find_pending("msg_1") == entry
        assert time.monotonic() < deadline
        await asyncio.sleep(0)
    assert serving.ledger.find_pending("msg_1") is None
    assert await serving.reader.find_entry(ORG, "env_live", "msg_1") == entry


async def test_another_process_notices_a_change_within_a_second(serving: ServingStorage, database_url: str | None, make_key):
    heard: asyncio.Queue[frozenset[str]] = asyncio.Queue()
    command = await open_storage(serving.directory.path, database_url, environment={})
    serving.watch.subscribe(heard.put_nowait)
    key: ApiKey = await make_key()
    await asyncio.sleep(0.3)
    while not heard.empty():
        heard.get_nowait()
    await command.keys.update_key(replace(key, is_disabled=True, version=2), event_of(key))
    started = time.monotonic()
    assert await asyncio.wait_for(heard.get(), 5) == frozenset({ORG})
    assert time.monotonic() - started < 1
    assert serving.watch.confirmed_at > started - 1
    found = await serving.keys.find_key(ORG, key.id)
    assert found is not None
    assert found.is_disabled
    await command.aclose()


async def test_a_look_confirms_and_the_use_of_a_key_is_no_change(serving: ServingStorage, make_key: Callable[..., Awaitable[ApiKey]]):
    key = await make_key()
    await serving.watch.look()
    heard: list[frozenset[str]] = []
    serving.watch.subscribe(heard.append)
    serving.key_use.note(key.id, 1, "192.0.2.1", "nul \0 and \ud800")
    await serving.key_use.flush()
    before = time.monotonic()
    await serving.watch.look()
    assert heard == []
    assert serving.watch.confirmed_at >= before
    found = await serving.keys.find_key(ORG, key.id)
    assert found is not None
    assert found.last_used_user_agent == "nul  and ?"


async def test_a_database_that_was_replaced_by_an_older_copy_means_that_everything_changed(serving: ServingStorage, make_key):
    await make_key()
    await serving.watch.look()
    heard: list[frozenset[str]] = []
    serving.watch.subscribe(heard.append)
    await serving.database.write(lambda connection: connection.execute(sa.text("UPDATE latest_epoch SET epoch = 0")).rowcount)
    await serving.watch.look()
    assert heard == [frozenset({ORG})]


async def test_a_key_moves_to_the_current_pepper_when_it_is_used(tmp_path: Path, database_url: str | None, make_key):
    key = await make_key()
    peppers = f"2:{secrets.token_hex(32)},1:{secrets.token_hex(32)}"
    with pytest.raises(InternalError, match="another pepper"):
        await open_storage(tmp_path / "data", database_url, environment={"ANYROUTER_PEPPER": f"1:{secrets.token_hex(32)}"})
    storage = await open_storage(tmp_path / "data", database_url, environment={"ANYROUTER_PEPPER": peppers})
    new = secrets.token_bytes(32)
    assert await storage.keys.find_by_digest([new, key.digest]) == key
    await storage.keys.aclose()
    assert await storage.keys.find_by_digest([new]) == replace(key, digest=new, pepper_version=2)
    assert await storage.keys.find_by_digest([key.digest]) is None
    await storage.aclose()


async def test_an_entry_that_the_database_can_never_take_keeps_no_other(serving: ServingStorage, make_entry: MakeEntry):
    bad = make_entry(cost_nanousd=2**63, trace_id="never")
    good = [make_entry() for _ in range(3)]
    for entry in (good[0], bad, *good[1:]):
        serving.ledger.settle(*entry.split())
    await serving.ledger.flush()
    assert {entry.generation_id for entry in await serving.reader.list_entries(ORG)} == {entry.generation_id for entry in good}
    [line] = (serving.directory.journal / "rejected.jsonl").read_text().splitlines()
    assert msgspec.json.decode(line)["generation_id"] == bad.generation_id
    assert serving.ledger.find_pending(bad.generation_id) is None


async def test_retention_deletes_the_oldest_in_batches_and_keeps_the_sums(serving: ServingStorage, make_entry: MakeEntry):
    now_ms = 100 * DAY_MS
    ages = [40] * (BATCH + 10) + [31, 29, 2, 1, 0]
    for age in ages:
        created = now_ms - age * DAY_MS
        serving.ledger.settle(*make_entry(created_at_ms=created, generation_id=new_generation_id(created)).split())
    await serving.ledger.flush()
    assert await Retention(serving.database, max_days=30, max_rows=None).sweep(now_ms) == BATCH + 11
    assert len(await serving.reader.list_entries(ORG)) == 4
    if serving.database.is_sqlite:
        assert await serving.database.read(lambda connection: connection.exec_driver_sql("PRAGMA freelist_count").scalar()) == 0
    assert await Retention(serving.database, max_days=30, max_rows=3).sweep(now_ms) == 1
    assert await Retention(serving.database, max_days=None, max_rows=3).sweep(now_ms) == 0
    assert await Retention(serving.database, max_days=None, max_rows=None).sweep(now_ms) == 0
    assert [entry.created_at_ms for entry in await serving.reader.list_entries(ORG)] == [now_ms - age * DAY_MS for age in (0, 1, 2)]
    assert await serving.reader.read_organisation_cost(ORG) == 1_000 * len(ages)


async def test_what_a_dead_process_left_is_recovered_once(tmp_path: Path, database_url: str | None, make_entry: MakeEntry):
    directory = tmp_path / "crashed"
    dead = await open_serving_storage(directory, database_url, environment={}, price_interrupted=price)
    settled, retried, lost, committed = make_entry(), make_entry(attempt=2), make_entry(), make_entry()
    dead.ledger.settle(*committed.split())
    await dead.ledger.flush()
    dead.ledger.intend(intent_of(settled))
    dead.ledger.intend(intent_of(retried, attempt=1))
    dead.ledger.intend(intent_of(lost, attempt=1))
    dead.ledger.intend(intent_of(lost, attempt=2, model="openai/other", created_at_ms=lost.created_at_ms + 1))
    dead.ledger.intend(intent_of(retried, attempt=2))
    dead.ledger.settle(*settled.split())
    dead.ledger.settle(*retried.split())
    files = {path.name: path.read_bytes() for path in dead.directory.journal.iterdir()}
    await dead.aclose()

    for _ in range(2):  # the second time as if the first recovery had died before it deleted the files
        for name, data in files.items():
            (dead.directory.journal / name).write_bytes(data)
        alive = await open_serving_storage(directory, database_url, environment={}, price_interrupted=price)
        assert (alive.recovered.settled, alive.recovered.interrupted) == (2, 1)
        entries = {entry.generation_id: entry for entry in await alive.reader.list_entries(ORG)}
        interrupted = entries.pop(lost.generation_id)
        assert entries == {entry.generation_id: entry for entry in (settled, retried, committed)}
        assert (interrupted.state, interrupted.status, interrupted.attempt) == (EntryState.INTERRUPTED, 500, 2)
        assert interrupted.usage == Usage(input_tokens=10, source=UsageSource.ESTIMATED)
        assert (interrupted.cost_nanousd, interrupted.model) == (70, "openai/other")
        assert await alive.reader.read_organisation_cost(ORG) == 3_070
        await alive.aclose()
        assert list(alive.directory.journal.iterdir()) == []


async def test_what_retention_deleted_does_not_come_back_from_the_journal(tmp_path: Path, database_url: str | None, make_entry: MakeEntry):
    directory = tmp_path / "old"
    dead = await open_serving_storage(directory, database_url, environment={}, price_interrupted=price)
    dead.ledger.settle(*make_entry().split())
    await dead.ledger.flush()
    files = {path.name: path.read_bytes() for path in dead.directory.journal.iterdir()}
    await Retention(dead.database, max_days=0, max_rows=None).sweep(10**14)
    await dead.aclose()
    for name, data in files.items():
        (dead.directory.journal / name).write_bytes(data)
    alive = await open_serving_storage(directory, database_url, environment={}, price_interrupted=price)
    assert alive.recovered.settled == 0
    assert await alive.reader.list_entries(ORG) == []
    assert await alive.reader.read_organisation_cost(ORG) == 1_000
    await alive.aclose()


async def test_a_second_server_on_the_same_directory_is_refused(serving: ServingStorage, database_url: str | None):
    with pytest.raises(InternalError, match=r"Another AnyRouter server \(process \d+\) is using the data directory"):
        await open_serving_storage(serving.directory.path, database_url, environment={}, price_interrupted=price)
    await serving.health.check()


async def test_entries_wait_for_a_database_that_is_down_and_arrive_when_it_is_back(serving: ServingStorage, make_entry: MakeEntry):
    await serving.database.write(lambda connection: connection.execute(sa.text("ALTER TABLE ledger RENAME TO gone")).rowcount)
    entries = [make_entry() for _ in range(20)]
    for entry in entries:
        serving.ledger.settle(*entry.split())
    with pytest.raises(StorageUnavailable) as caught:
        await serving.ledger.flush()
    assert "INSERT" not in f"{caught.value!r} {caught.value.internal} {caught.value.__cause__}"
    await until(lambda: serving.ledger.database_failures > 0)
    assert serving.ledger.queue_length == 20
    assert serving.ledger.find_pending(entries[7].generation_id) == entries[7]
    await serving.database.write(lambda connection: connection.execute(sa.text("ALTER TABLE gone RENAME TO ledger")).rowcount)
    await until(lambda: serving.ledger.queue_length == 0)
    assert len(await serving.reader.list_entries(ORG)) == 20
