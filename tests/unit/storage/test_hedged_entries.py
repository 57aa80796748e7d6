"""Two attempts at one generation under way at once: what is on record whenever the process dies, and what is counted."""

from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa

from anyrouter.core.errors import StorageUnavailable
from anyrouter.core.ledger import HEDGE_LOST, EntryState, Intent, LedgerEntry, Outcome
from anyrouter.storage.database import Database
from anyrouter.storage.journal import Journal, list_segments
from anyrouter.storage.journal_ledger import JournalLedger
from anyrouter.storage.ledger_rows import sum_by_day
from anyrouter.storage.recovery import recover
from anyrouter.storage.rejected import RejectedEntries
from anyrouter.storage.schema import ledger as table
from anyrouter.storage.schema import usage_daily
from anyrouter.storage.sql_ledger import SqlLedgerReader

MakeIntents = Callable[[], dict[int, Intent]]
LOST = Outcome(EntryState.CANCELLED, 200, cost_nanousd=3, error_code=HEDGE_LOST)
WON = Outcome(EntryState.SETTLED, 200, cost_nanousd=5)
INTERRUPTED_NANOUSD = 7


@pytest.fixture
def directory(database: Database, tmp_path: Path) -> Path:
    return tmp_path / "journal"


@pytest.fixture
async def ledger(database: Database, directory: Path) -> AsyncIterator[JournalLedger]:
    opened = JournalLedger(database, Journal(directory, segment_bytes=2_000), reject=RejectedEntries(directory).keep)
    yield opened
    await opened.aclose()


@pytest.fixture
def make_intents(make_entry: Callable[..., LedgerEntry], intent_of: Callable[..., Intent]) -> MakeIntents:
    """Those of one generation by their attempt, each at an upstream of its own."""

    def make() -> dict[int, Intent]:
        entry = make_entry()
        return {attempt: intent_of(entry, attempt=attempt, upstream=f"u{attempt}") for attempt in (1, 2, 3)}

    return make


@pytest.fixture
def intents(make_intents: MakeIntents) -> dict[int, Intent]:
    return make_intents()


def die(directory: Path) -> dict[int, LedgerEntry]:
    """What a start after a kill -9 would record, by attempt."""
    found: list[LedgerEntry] = []
    recovered = recover(directory, record=found.extend, price_interrupted=lambda _: INTERRUPTED_NANOUSD)
    assert recovered.damaged_files == 0
    assert recovered.interrupted == sum(entry.state is EntryState.INTERRUPTED for entry in found)
    entries = {entry.attempt: entry for entry in found}
    assert len(entries) == len(found)
    return entries


def play(ledger: JournalLedger, intents: dict[int, Intent], acts: str) -> None:
    """Two letters an act: i1 intend, b2 intend beside, g2 go on, l1 lose, s2 settle."""
    for act in acts.split():
        intent = intents[int(act[1])]
        match act[0]:
            case "i":
                ledger.intend(intent)
            case "b":
                ledger.intend_beside(intent)
            case "g":
                ledger.go_on(intent)
            case "l":
                ledger.lose(intent, LOST)
            case "s":
                ledger.settle(intent, WON)


@pytest.mark.parametrize(
    ("acts", "states"),
    [
        ("i1 b2", {1: "interrupted", 2: "lost"}),
        ("i1 b2 l1", {1: "lost", 2: "interrupted"}),
        ("i1 b2 l2", {1: "interrupted", 2: "lost"}),
        ("i1 b2 g2", {2: "interrupted"}),
        ("i1 b2 g1", {1: "interrupted"}),
        ("i1 b2 g2 i3", {3: "interrupted"}),
        ("i1 b2 l1 i3", {1: "lost", 3: "interrupted"}),
        ("i1 b2 l1 s2", {1: "lost", 2: "settled"}),
        ("i1 b2 l2 s1", {1: "settled", 2: "lost"}),
        ("i1 b2 g2 s2", {2: "settled"}),
        ("i1 b2 g1 s1", {1: "settled"}),
        ("i1 b2 l1 i3 s3", {1: "lost", 3: "settled"}),
        ("i1 i2 b3", {2: "interrupted", 3: "lost"}),
    ],
)
async def test_whenever_the_process_dies_each_attempt_that_was_asked_has_its_entry(
    ledger: JournalLedger, directory: Path, intents: dict[int, Intent], acts: str, states: dict[int, str]
) -> None:
    play(ledger, intents, acts)
    entries = die(directory)
    assert {place: "lost" if entry.error_code == HEDGE_LOST else entry.state.value for place, entry in entries.items()} == states
    lost = [entry for entry in entries.values() if entry.error_code == HEDGE_LOST]
    assert all(entry.state is EntryState.CANCELLED for entry in lost)
    for entry in entries.values():
        if entry.state is EntryState.INTERRUPTED:
            assert [(told.upstream, told.error, told.cost_nanousd) for told in entry.attempts] == [
                (other.upstream, HEDGE_LOST, other.cost_nanousd) for other in lost
            ]
    (row,) = sum_by_day(entry.split() for entry in entries.values()).values()
    assert (row["requests"], row["errors"]) == (1, "interrupted" in states.values())
    assert row["cost_nanousd"] == sum(entry.cost_nanousd for entry in entries.values())


@pytest.mark.parametrize("acts", ["i1 b2 l1 s2", "i1 b2 l2 s1", "i1 b2 g2 s2", "i1 b2 g1 s1", "i1 b2 l1 i3 s3", "i1 b2 g2 i3 s3"])
async def test_what_is_over_leaves_the_journal_and_one_request_is_counted(
    ledger: JournalLedger, database: Database, directory: Path, make_intents: MakeIntents, acts: str
) -> None:
    for _ in range(20):
        intents = make_intents()
        play(ledger, intents, acts)
    await ledger.flush()
    assert len(list_segments(directory)) == 1
    counted = sa.select(sa.func.sum(usage_daily.c.requests), sa.func.sum(usage_daily.c.cost_nanousd))
    costs = sa.select(sa.func.sum(table.c.cost_nanousd))
    requests, cost_nanousd = await database.read(lambda connection: tuple(map(int, connection.execute(counted).one())))
    assert (requests, cost_nanousd) == (20, await database.read(lambda connection: int(connection.execute(costs).scalar_one())))
    assert ledger.find_pending(intents[1].generation_id) is None


@pytest.mark.parametrize("acts", ["i1 b2 l1 s2", "i1 b2 l2 s1"])
async def test_who_looks_for_the_generation_gets_its_own_entry(
    ledger: JournalLedger, database: Database, intents: dict[int, Intent], acts: str
) -> None:
    begun, _, end = acts.rpartition(" ")
    reader, first = SqlLedgerReader(database), intents[1]

    async def find() -> Any:
        pending = ledger.find_pending(first.generation_id)
        return pending or await reader.find_entry(first.organisation_id, first.environment_id, first.generation_id)

    play(ledger, intents, begun)
    assert await find() is None
    await ledger.flush()
    assert await find() is None
    play(ledger, intents, end)
    assert (await find()).attempt == int(end[1])
    await ledger.flush()
    assert (await find()).attempt == int(end[1])
    assert len(await reader.list_entries(first.organisation_id)) == 2


async def test_a_second_attempt_that_cannot_be_put_on_record_leaves_the_first_one_as_it_is(
    ledger: JournalLedger, database: Database, directory: Path, intents: dict[int, Intent], full_disk: Callable[[int], Any]
) -> None:
    play(ledger, intents, "i1")
    with full_disk(0):
        while True:
            try:
                ledger.intend_beside(intents[2])
            except StorageUnavailable:
                break
            play(ledger, intents, "g1")  # the segment has room: fill it
    play(ledger, intents, "s1")
    await ledger.flush()
    assert {entry.attempt for entry in await SqlLedgerReader(database).list_entries(intents[1].organisation_id)} == {1}
