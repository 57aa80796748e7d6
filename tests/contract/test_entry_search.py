"""The activity page's question: the same pages from every store, whatever is asked for, and never a long search."""

import time
from collections.abc import Callable
from dataclasses import replace
from itertools import count
from typing import Any

import pytest
from sqlalchemy import delete

from anyrouter.control.entry_search import EntryPlace, EntrySearch
from anyrouter.core.ledger import HEDGE_LOST, EntryState, LedgerEntry
from anyrouter.core.tenancy import DEFAULT_ORGANISATION_ID
from anyrouter.storage.memory import MemoryStorage
from anyrouter.storage.opening import ServingStorage
from anyrouter.storage.schema_money import usage_hourly, usage_model_hourly
from anyrouter.storage.usage_rows import HOUR_MS, MAX_APPS

AnyStorage = ServingStorage | MemoryStorage
MakeEntry = Callable[..., LedgerEntry]
ORG = DEFAULT_ORGANISATION_ID
MINE = EntrySearch(organisation_id=ORG)
START_MS = 1_772_600_000_000


async def settle(storage: AnyStorage, *entries: LedgerEntry) -> None:
    for entry in entries:
        storage.ledger.settle(*entry.split())
    await storage.ledger.flush()


async def read_ids(storage: AnyStorage, search: EntrySearch) -> list[str]:
    """Page after page, to the end."""
    found: list[str] = []
    for _ in range(1000):
        page = await storage.reader.search_entries(search)
        assert len(page.entries) <= search.limit
        assert page.is_cut or page.further is None or len(page.entries) == search.limit
        found += [entry.generation_id for entry in page.entries]
        if page.further is None:
            return found
        assert search.before is None or page.further < search.before, "it goes on from the same place"
        search = replace(search, before=page.further)
    raise AssertionError("the pages have no end")


async def test_entries_come_newest_first_in_pages_that_have_each_of_them_once(storage: AnyStorage, make_entry: MakeEntry):
    entries = [make_entry(created_at_ms=START_MS + moment) for moment in (5, 3, 4, 4, 4, 9, 1)]
    await settle(storage, *entries)
    expected = [entry.generation_id for entry in sorted(entries, key=lambda e: (e.created_at_ms, e.generation_id), reverse=True)]
    for limit in (1, 2, 3, 7, 50):
        assert await read_ids(storage, replace(MINE, limit=limit)) == expected
    assert [entry for entry in (await storage.reader.search_entries(MINE)).entries if entry not in entries] == []
    assert await read_ids(storage, replace(MINE, since_ms=START_MS + 3, until_ms=START_MS + 5)) == expected[2:6]
    assert await read_ids(storage, replace(MINE, before=EntryPlace(START_MS + 4))) == expected[5:]
    assert await read_ids(storage, replace(MINE, before=EntryPlace(0, "gen-0"))) == []


async def test_another_organisations_entries_are_not_there(storage: AnyStorage, make_entry: MakeEntry):
    entry = make_entry(upstream_id="msg_1", trace_id="trace")
    await settle(storage, entry)
    for search in (MINE, replace(MINE, id_text=entry.generation_id), replace(MINE, id_text="msg_1"), replace(MINE, trace_id="trace")):
        assert await read_ids(storage, search) == [entry.generation_id]
        assert await read_ids(storage, replace(search, organisation_id="org_other")) == []


async def test_an_attempt_that_lost_a_race_is_no_entry_of_its_own(storage: AnyStorage, make_entry: MakeEntry):
    won = make_entry(attempt=2)
    lost = make_entry(generation_id=won.generation_id, attempt=1, error_code=HEDGE_LOST, state=EntryState.CANCELLED)
    await settle(storage, lost, won)
    assert (await storage.reader.search_entries(MINE)).entries == [won]
    assert (await storage.reader.search_entries(replace(MINE, id_text=won.generation_id))).entries == [won]


async def test_a_generation_is_found_by_its_id_by_its_beginning_and_by_the_upstreams_id(storage: AnyStorage, make_entry: MakeEntry):
    one = make_entry(created_at_ms=START_MS, upstream_id="msg_1")
    other = make_entry(created_at_ms=START_MS + 1, upstream_id="msg_1", model="other")
    await settle(storage, one, other)
    cases = {
        one.generation_id: [one],
        one.generation_id[:16]: [one],
        "msg_1": [other, one],
        "msg_": [],
        "gen-ffffffffffff": [],
        "x'; -- %s": [],
    }
    for text, expected in cases.items():
        page = await storage.reader.search_entries(replace(MINE, id_text=text))
        assert (page.entries, page.further) == (expected, None), text
    assert await read_ids(storage, replace(MINE, id_text="msg_1", model="other")) == [other.generation_id]
    assert await read_ids(storage, replace(MINE, id_text="msg_1", limit=1)) == [other.generation_id, one.generation_id]
    assert await read_ids(storage, replace(MINE, id_text="msg_1", until_ms=START_MS + 1)) == [one.generation_id]


ODD: tuple[tuple[dict[str, Any], dict[str, Any]], ...] = (
    ({"environment_id": "env_test", "environment": "test"}, {"environment_id": "env_test"}),
    ({"rotation_group": "key_2"}, {"rotation_group": "key_2"}),
    ({"model": "a/'%s"}, {"model": "a/'%s"}),
    ({"provider": "rare"}, {"provider": "rare"}),
    ({"upstream": "rare"}, {"upstream": "rare"}),
    ({"app_title": "Ünïcode \N{PARROT}" + "x" * 99}, {"app": ("Ünïcode \N{PARROT}" + "x" * 99)[:64]}),
    ({"http_referer": "https://app.example/"}, {"app": "https://app.example/"}),
    ({"state": EntryState.FAILED, "status": 502}, {"states": frozenset({EntryState.FAILED, EntryState.INTERRUPTED})}),
    ({"state": EntryState.CANCELLED, "status": 499}, {"states": frozenset({EntryState.CANCELLED})}),
    ({"error_code": "client_closed_request"}, {"error": "client_closed_request"}),
    ({"status": 429}, {"http_status": 429}),
    ({"is_streamed": True}, {"is_streamed": True}),
    ({"cost_nanousd": 5_000, "upstream_cost_nanousd": 5_000}, {"min_cost_nanousd": 10_000}),
    ({"latency_ms": 900}, {"min_latency_ms": 900}),
    ({"trace_id": "trace '"}, {"trace_id": "trace '"}),
)


@pytest.mark.parametrize(("fields", "asked"), ODD, ids=lambda value: str(next(iter(value))))
async def test_what_is_rare_is_found_however_far_back_it_is(
    storage: AnyStorage, make_entry: MakeEntry, fields: dict[str, Any], asked: dict[str, Any]
):
    """Over hours with many others, hours without any, and in small pieces: the sums must never lead past one."""
    moments = [START_MS - hour * HOUR_MS - minute for hour in (0, 1, 2, 30, 31, 200, 201) for minute in range(6)]
    others = [make_entry(created_at_ms=moment, app_title=None) for moment in moments]
    wanted = [make_entry(created_at_ms=START_MS - ago, **fields) for ago in (2, HOUR_MS, 31 * HOUR_MS + 3, 201 * HOUR_MS + 1)]
    await settle(storage, *others, *wanted)
    expected = [entry.generation_id for entry in wanted]
    for patience_ms in (0, 1000):
        for more in ({}, {"limit": 1}, {"limit": 2}):
            search = replace(MINE, **asked, piece_rows=3, patience_ms=patience_ms, **more)
            assert await read_ids(storage, search) == expected
    assert await read_ids(storage, replace(MINE, **asked, piece_rows=3, since_ms=START_MS - 31 * HOUR_MS)) == expected[:2]
    assert await read_ids(storage, replace(MINE, **asked, piece_rows=3, until_ms=START_MS - HOUR_MS)) == expected[2:]


async def test_what_names_no_app_is_asked_for_by_an_empty_one(storage: AnyStorage, make_entry: MakeEntry):
    named, nameless = make_entry(app_title="App"), make_entry(app_title="")
    await settle(storage, named, nameless)
    assert await read_ids(storage, replace(MINE, app="")) == [nameless.generation_id]


async def test_an_app_that_the_sums_have_no_row_for_is_found_all_the_same(storage: AnyStorage, make_entry: MakeEntry):
    numbers = count()
    many = [make_entry(created_at_ms=START_MS + next(numbers), app_title=f"App {number}") for number in range(MAX_APPS + 5)]
    await settle(storage, *many)
    search = replace(MINE, app=f"App {MAX_APPS + 3}", piece_rows=1)
    assert await read_ids(storage, search) == [many[MAX_APPS + 3].generation_id]


async def test_without_patience_a_search_looks_at_one_piece_and_says_where_it_stopped(storage: AnyStorage, make_entry: MakeEntry):
    entries = [make_entry(created_at_ms=START_MS + number) for number in range(10)]
    await settle(storage, *entries)
    page = await storage.reader.search_entries(replace(MINE, min_latency_ms=1, piece_rows=4, patience_ms=0))
    assert (page.entries, page.is_cut) == ([], True)
    assert page.further is not None
    assert page.further.created_at_ms == START_MS + 6


@pytest.mark.parametrize("known_hours", [8, 0])
async def test_hours_whose_sums_are_forgotten_are_looked_at_entry_by_entry(
    serving: ServingStorage, make_entry: MakeEntry, known_hours: int
):
    rare = {"provider": "rare", "rotation_group": "key_rare"}
    old = [make_entry(created_at_ms=START_MS - hour * HOUR_MS, **(rare if hour % 5 == 0 else {})) for hour in range(20)]
    await settle(serving, *old)
    await serving.database.write(
        lambda connection: [
            connection.execute(delete(table).where(table.c.hour <= START_MS // HOUR_MS - known_hours))
            for table in (usage_hourly, usage_model_hourly)
        ]
    )
    for asked in ({"provider": "rare"}, {"rotation_group": "key_rare"}):
        found = await read_ids(serving, replace(MINE, **asked, piece_rows=1, patience_ms=1000))
        assert found == [entry.generation_id for entry in old[::5]]


async def test_many_entries_of_one_trace_or_one_upstreams_id_are_no_long_search(serving: ServingStorage, make_entry: MakeEntry):
    many = [make_entry(created_at_ms=START_MS + number, trace_id="same", upstream_id="same") for number in range(6000)]
    await settle(serving, *many)
    begun = time.monotonic()
    by_trace = await serving.reader.search_entries(replace(MINE, trace_id="same"))
    assert [entry.generation_id for entry in by_trace.entries] == [entry.generation_id for entry in many[:-51:-1]]
    assert (await serving.reader.search_entries(replace(MINE, id_text="same"))).entries == []
    assert time.monotonic() - begun < 1
