import asyncio
import shutil
import tempfile
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa

from anyrouter.core.errors import StorageUnavailable
from anyrouter.core.ledger import Intent, LedgerEntry
from anyrouter.storage import journal_ledger
from anyrouter.storage.database import Database
from anyrouter.storage.journal import Journal, list_segments
from anyrouter.storage.journal_ledger import QUEUE_BOUND, JournalLedger, record_group
from anyrouter.storage.recovery import Recovered, recover
from anyrouter.storage.rejected import RejectedEntries
from anyrouter.storage.schema import ledger as table
from anyrouter.storage.usage_rows import AppNames

MakeEntry = Callable[..., LedgerEntry]
IntentOf = Callable[..., Intent]


@pytest.fixture
def directory(database: Database, tmp_path: Path) -> Path:
    return tmp_path / "journal"


@pytest.fixture
async def ledger(database: Database, directory: Path) -> AsyncIterator[JournalLedger]:
    """Not started: a test says when something is delivered."""
    opened = JournalLedger(database, Journal(directory, segment_bytes=2_000), reject=RejectedEntries(directory).keep)
    yield opened
    await opened.aclose()


async def stored(database: Database) -> set[str]:
    return set(await database.read(lambda connection: connection.execute(sa.select(table.c.generation_id)).scalars().all()))


async def recover_copy(database: Database, ledger: JournalLedger) -> Recovered:
    """What a start would recover now, were the process killed."""

    def keep(entries: list[LedgerEntry]) -> None:
        assert record_group(database, [entry.split() for entry in entries], AppNames()) == []

    def work() -> Recovered:
        with tempfile.TemporaryDirectory() as name:
            for segment in ledger._journal.segments:
                shutil.copy(segment.path, name)
            return recover(Path(name), record=keep, price_interrupted=lambda _: 0)

    return await database.on_writer(work)


async def test_what_is_committed_leaves_the_journal(ledger: JournalLedger, directory: Path, make_entry: MakeEntry, intent_of: IntentOf):
    for _ in range(20):
        entry = make_entry()
        ledger.intend(intent_of(entry))
        ledger.settle(*entry.split())
    assert len(list_segments(directory)) > 3
    await ledger.flush()
    assert len(list_segments(directory)) == 1
    await ledger.aclose()
    assert list_segments(directory) == []


async def test_a_long_request_does_not_keep_the_journal_of_all_others(
    database: Database, ledger: JournalLedger, directory: Path, make_entry: MakeEntry, intent_of: IntentOf
):
    long = make_entry(attempt=2)
    ledger.intend(intent_of(long, attempt=1))
    ledger.intend(intent_of(long))
    for _ in range(50):
        ledger.settle(*make_entry().split())
        await ledger.flush()
    assert len(list_segments(directory)) <= journal_ledger._KEPT_SEGMENTS + 1
    recovered = await recover_copy(database, ledger)
    assert recovered == Recovered(settled=0, interrupted=1)
    ledger.settle(*long.split())
    await ledger.flush()
    assert (await recover_copy(database, ledger)).interrupted == 0


async def test_room_ends_at_the_bound_and_comes_back(ledger: JournalLedger, make_entry: MakeEntry):
    for _ in range(QUEUE_BOUND - 1):
        ledger.settle(*make_entry().split())
    assert ledger.has_room()
    await ledger.wait_for_room()
    ledger.settle(*make_entry().split())
    ledger.settle(*make_entry().split())
    assert not ledger.has_room()
    assert ledger.queue_length == QUEUE_BOUND + 1
    waiting = asyncio.create_task(ledger.wait_for_room())
    await asyncio.sleep(0)
    assert not waiting.done()
    ledger.start()
    await waiting
    assert ledger.has_room()


def use_up(ledger: JournalLedger) -> None:
    """Leave no room in the current segment: the next record needs another."""
    room = ledger._journal._room
    assert room is not None
    ledger._journal._size = len(room)


async def test_a_full_disk_refuses_the_intent_and_not_the_settlement(
    database: Database,
    ledger: JournalLedger,
    make_entry: MakeEntry,
    intent_of: IntentOf,
    full_disk: Callable[[int], Any],
):
    refused, lost, kept = make_entry(), make_entry(), make_entry()
    ledger.intend(intent_of(lost))
    ledger.intend(intent_of(kept))
    use_up(ledger)
    with full_disk(0):
        with pytest.raises(StorageUnavailable) as caught:
            ledger.intend(intent_of(refused))
        assert caught.value.public == "Usage cannot be recorded now."
        ledger.settle(*lost.split())
        assert ledger.find_pending(lost.generation_id) == lost
        assert ledger.journal_failures == 2
    ledger.settle(*kept.split())
    await ledger.flush()
    assert await stored(database) == {lost.generation_id, kept.generation_id}
    recovered = await recover_copy(database, ledger)
    assert recovered.interrupted == 0


async def test_settlements_that_reached_the_journal_late_are_not_taken_for_committed(
    database: Database,
    ledger: JournalLedger,
    make_entry: MakeEntry,
    full_disk: Callable[[int], Any],
    monkeypatch: pytest.MonkeyPatch,
):
    monkeypatch.setattr(journal_ledger, "GROUP_BOUND", 1)
    first, second = make_entry(), make_entry()
    use_up(ledger)
    with full_disk(0):
        ledger.settle(*first.split())
    ledger.settle(*second.split())
    ledger._write_unwritten()  # now the first stands behind the second
    await ledger._deliver()
    assert await stored(database) == {first.generation_id}
    await recover_copy(database, ledger)
    assert await stored(database) == {first.generation_id, second.generation_id}


async def test_a_value_that_cannot_be_written_down_is_refused_before_the_upstream_is_asked(
    ledger: JournalLedger, make_entry: MakeEntry, intent_of: IntentOf
):
    for value in ("\ud800", 2**70):
        with pytest.raises(StorageUnavailable):
            ledger.intend(intent_of(make_entry(), trace_id=value))


async def test_an_upstreams_id_that_two_generations_share_finds_the_newer_until_both_are_in(ledger: JournalLedger, make_entry: MakeEntry):
    older, newer = make_entry(upstream_id="same"), make_entry(upstream_id="same")
    ledger.settle(*older.split())
    ledger.settle(*newer.split())
    assert ledger.find_pending("same") == newer
    assert ledger.find_pending("unknown") is None
    await ledger.flush()
    assert ledger.find_pending("same") is None


async def test_closing_delivers_what_is_queued(database: Database, ledger: JournalLedger, directory: Path, make_entry: MakeEntry):
    ledger.start()
    entries = [make_entry() for _ in range(1_200)]
    for entry in entries:
        ledger.settle(*entry.split())
    await ledger.aclose()
    assert await stored(database) == {entry.generation_id for entry in entries}
    assert list_segments(directory) == []


async def test_closing_with_the_database_down_leaves_everything_to_the_next_start(
    database: Database, ledger: JournalLedger, make_entry: MakeEntry
):
    await database.write(lambda connection: connection.execute(sa.text("ALTER TABLE ledger RENAME TO gone")).rowcount)
    ledger.start()
    entries = [make_entry() for _ in range(3)]
    for entry in entries:
        ledger.settle(*entry.split())
    await ledger.aclose()
    await database.write(lambda connection: connection.execute(sa.text("ALTER TABLE gone RENAME TO ledger")).rowcount)
    assert (await recover_copy(database, ledger)).settled == 3
    assert await stored(database) == {entry.generation_id for entry in entries}
