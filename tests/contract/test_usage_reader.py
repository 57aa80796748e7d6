"""Sums and latencies by time and one dimension: every store gives what adding up the entries one by one gives."""

import random
from collections import defaultdict
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from datetime import UTC, date, datetime
from typing import Any
from zoneinfo import ZoneInfo

import pytest
import sqlalchemy as sa

from anyrouter.control.ports import ActivityFilter
from anyrouter.control.usage_range import RangeName, make_days
from anyrouter.control.usage_reader import Span, Split, Unit, UsageFilter
from anyrouter.core.latency import count
from anyrouter.core.ledger import HEDGE_LOST, EntryState, LedgerEntry
from anyrouter.core.tenancy import DEFAULT_ORGANISATION_ID
from anyrouter.core.usage import Usage
from anyrouter.storage.memory import MemoryStorage
from anyrouter.storage.opening import ServingStorage
from anyrouter.storage.retention import Retention
from anyrouter.storage.usage_rows import DAY_MS, HOUR_MS

ORG = DEFAULT_ORGANISATION_ID
BEGIN = datetime(2026, 10, 23, tzinfo=UTC)  # three days before the clocks of Berlin are put back
BEGIN_MS = int(BEGIN.timestamp()) * 1000
FIRST_HOUR = BEGIN_MS // HOUR_MS
NOW = datetime(2026, 10, 28, tzinfo=UTC)
DAYS = Span(first=FIRST_HOUR, end=FIRST_HOUR + 6 * 24)
Settle = Callable[..., Any]


@pytest.fixture
async def entries(storage: ServingStorage | MemoryStorage, make_entry: Callable[..., LedgerEntry]) -> list[LedgerEntry]:
    """Some hundred over five days, and one of another organisation."""
    chance = random.Random(1)
    made = [
        make_entry(
            created_at_ms=BEGIN_MS + chance.randrange(5 * DAY_MS),
            model=chance.choice(("openai/a", "anthropic/b", "openai/c")),
            provider=chance.choice(("openai", "anthropic")),
            api_key_id=(key := chance.choice(("key_1", "key_2", "key_3"))),
            rotation_group="key_1" if key == "key_2" else key,
            environment=(slug := chance.choice(("live", "test"))),
            environment_id=f"env_{slug}",
            app_title=chance.choice((None, "editor", "=1+1")),
            state=chance.choice((EntryState.SETTLED, EntryState.SETTLED, EntryState.FAILED, EntryState.CANCELLED)),
            error_code=HEDGE_LOST if number % 50 == 0 else None,
            usage=Usage(input_tokens=chance.randrange(1000), output_tokens=chance.randrange(100), cache_read_tokens=chance.randrange(9)),
            cost_nanousd=chance.randrange(10**9),
            latency_ms=int(chance.lognormvariate(7, 1)),
            ttft_ms=chance.choice((None, chance.randrange(900))),
            is_streamed=number % 3 > 0,
        )
        for number in range(300)
    ]
    stranger = make_entry(organisation_id="org_other", created_at_ms=BEGIN_MS + DAY_MS)
    for entry in (*made, stranger):
        storage.ledger.settle(*entry.split())
    await storage.ledger.flush()
    return made


def ask(**fields: Any) -> UsageFilter:
    return UsageFilter(**{"organisation_id": ORG, "span": DAYS, **fields})


def value_of(entry: LedgerEntry, split: Split | None) -> str:
    names = {Split.KEY: "rotation_group", Split.APP: "app_title"}
    return "" if split is None else getattr(entry, names.get(split, split.value)) or ""


def add_up(
    entries: Sequence[LedgerEntry], split: Split | None, number: Callable[[LedgerEntry], int]
) -> dict[tuple[int, str], tuple[int, ...]]:
    sums: dict[tuple[int, str], list[int]] = defaultdict(lambda: [0] * 5)
    for entry in entries:
        row = sums[number(entry), value_of(entry, split)]
        is_own = entry.error_code != HEDGE_LOST
        row[0] += is_own
        row[1] += is_own and entry.state is EntryState.FAILED
        row[2] += entry.usage.input_tokens
        row[3] += entry.usage.cache_read_tokens
        row[4] += entry.cost_nanousd
    return {group: tuple(row) for group, row in sums.items()}


async def read(storage: ServingStorage | MemoryStorage, query: UsageFilter) -> dict[tuple[int, str], tuple[int, ...]]:
    rows = await storage.reader.read_usage(query)
    found = {
        (row.time, row.value): (
            row.sums.requests,
            row.sums.errors,
            row.sums.input_tokens,
            row.sums.cache_read_tokens,
            row.sums.cost_nanousd,
        )
        for row in rows
    }
    assert len(found) == len(rows)
    return found


def utc_day(entry: LedgerEntry) -> int:
    return entry.created_at_ms // DAY_MS


def utc_hour(entry: LedgerEntry) -> int:
    return entry.created_at_ms // HOUR_MS


def berlin_day(entry: LedgerEntry) -> int:
    begins = datetime.fromtimestamp(utc_hour(entry) * 3600, ZoneInfo("Europe/Berlin"))
    return (begins.date() - date(1970, 1, 1)).days


def spans() -> Iterator[Any]:
    berlin = make_days(RangeName.CUSTOM, NOW, (date(2026, 10, 20), date(2026, 10, 30)), "Europe/Berlin").span
    yield pytest.param(DAYS, utc_day, id="days")
    yield pytest.param(replace(DAYS, unit=Unit.HOUR), utc_hour, id="hours")
    yield pytest.param(berlin, berlin_day, id="days of Berlin")


@pytest.mark.parametrize(("span", "number"), list(spans()))
async def test_sums_are_those_of_the_entries(
    storage: ServingStorage | MemoryStorage, entries: list[LedgerEntry], span: Span, number: Callable[[LedgerEntry], int]
) -> None:
    of_model = [entry for entry in entries if (entry.model, entry.environment) == ("openai/c", "test")]
    wanted = ("key_1", "openai/a", "openai", "live", "editor")
    of_all = [e for e in entries if (e.rotation_group, e.model, e.provider, e.environment, e.app_title) == wanted]
    assert of_model
    assert of_all
    for split in (None, *Split):
        query = ask(span=span, split=split)
        assert await read(storage, query) == add_up(entries, split, number)
        assert await read(storage, replace(query, by_time=False)) == add_up(entries, split, lambda _: 0)
        assert await read(storage, replace(query, model="openai/c", environment="test")) == add_up(of_model, split, number)
        narrow = replace(query, rotation_group="key_1", model="openai/a", provider="openai", environment="live", app="editor")
        assert await read(storage, narrow) == add_up(of_all, split, number)


async def test_only_some_values_and_no_app_are_asked_for(storage: ServingStorage | MemoryStorage, entries: list[LedgerEntry]) -> None:
    some = [entry for entry in entries if entry.model in {"openai/a", "openai/c"} and entry.app_title is None]
    query = ask(split=Split.MODEL, only=("openai/a", "openai/c", "no/such"), app="")
    assert await read(storage, query) == add_up(some, Split.MODEL, utc_day)


async def test_a_span_has_its_first_hour_and_not_its_end(storage: ServingStorage | MemoryStorage, entries: list[LedgerEntry]) -> None:
    span = Span(first=FIRST_HOUR + 5, end=FIRST_HOUR + 30, unit=Unit.HOUR)
    some = [entry for entry in entries if span.first <= utc_hour(entry) < span.end]
    long = replace(span, end=FIRST_HOUR + 75)
    for split in (None, Split.APP, Split.MODEL, Split.KEY):
        assert await read(storage, ask(span=span, split=split)) == add_up(some, split, utc_hour)
        assert await read(storage, ask(span=span, split=split, by_time=False)) == add_up(some, split, lambda _: 0)
        wide = [entry for entry in entries if long.first <= utc_hour(entry) < long.end]
        assert await read(storage, ask(span=long, split=split, by_time=False)) == add_up(wide, split, lambda _: 0)


async def test_costs_alone_rank_keys_and_some_are_read_in_full(storage: ServingStorage | MemoryStorage, entries: list[LedgerEntry]) -> None:
    wanted = {value: sums[-1] for (_, value), sums in add_up(entries, Split.KEY, lambda _: 0).items()}
    rows = await storage.reader.read_usage(ask(split=Split.KEY, by_time=False, names=("cost_nanousd",)))
    assert {row.value: row.sums.cost_nanousd for row in rows} == wanted
    assert set(wanted) == {"key_1", "key_3"}
    one = [entry for entry in entries if entry.rotation_group == "key_3"]
    for span, number in ((DAYS, utc_day), (replace(DAYS, unit=Unit.HOUR), utc_hour)):
        assert await read(storage, ask(span=span, split=Split.KEY, only=("key_3",))) == add_up(one, Split.KEY, number)


async def test_what_cost_nothing_is_there_whatever_is_summed(
    storage: ServingStorage | MemoryStorage, make_entry: Callable[..., LedgerEntry]
) -> None:
    for key, hours in (("key_free", 50), ("key_before", 30), ("key_dear", 51)):
        entry = make_entry(created_at_ms=BEGIN_MS + hours * HOUR_MS, rotation_group=key, cost_nanousd=9 if key == "key_dear" else 0)
        storage.ledger.settle(*entry.split())
    await storage.ledger.flush()
    span = make_days(RangeName.CUSTOM, NOW, (date(2026, 10, 24), date(2026, 10, 25)), "America/Los_Angeles").span
    assert any(piece.is_taken_away for piece in span.cut())
    for names in (("cost_nanousd",), ("errors",), None):
        for by_time in (True, False):
            rows = await storage.reader.read_usage(ask(span=span, split=Split.KEY, names=names, by_time=by_time))
            assert {row.value for row in rows} == {"key_free", "key_dear"}


@pytest.mark.usefixtures("entries")
async def test_of_another_organisation_there_is_only_its_own(storage: ServingStorage | MemoryStorage) -> None:
    (row,) = await storage.reader.read_usage(ask(organisation_id="org_other"))
    assert row.sums.requests == 1
    for by_time in (True, False):
        for split in (None, Split.APP, Split.MODEL):
            assert await storage.reader.read_usage(ask(organisation_id="org_none", by_time=by_time, split=split)) == []
            assert await storage.reader.read_usage(ask(span=Span(first=0, end=24), by_time=by_time, split=split)) == []
    assert await storage.reader.read_latencies(ask(organisation_id="org_none")) == []


@pytest.mark.parametrize(("span", "number"), list(spans()))
async def test_latencies_are_those_of_settled_requests(
    storage: ServingStorage | MemoryStorage, entries: list[LedgerEntry], span: Span, number: Callable[[LedgerEntry], int]
) -> None:
    settled = [e for e in entries if e.state is EntryState.SETTLED and e.error_code != HEDGE_LOST]
    live, of_key = [e for e in settled if e.environment == "live"], [e for e in settled if e.rotation_group == "key_1"]
    of_app = [e for e in live if e.app_title is None]
    for query, some, by_time in (
        *((ask(span=span, split=split, environment="live"), live, by_time) for split in (None, *Split) for by_time in (True, False)),
        (ask(span=span, rotation_group="key_1"), of_key, True),
        (ask(span=span, rotation_group="key_1", split=Split.KEY), of_key, False),
        (ask(span=span, rotation_group="key_1", split=Split.ENVIRONMENT), of_key, True),
        (ask(span=span, app="", environment="live"), of_app, True),
        (ask(span=span, app="", environment="live", split=Split.APP), of_app, False),
        (ask(span=span, split=Split.KEY, only=("key_1", "no_such")), of_key, True),
        (ask(span=span, split=Split.APP, only=("",), environment="live"), of_app, True),
        (ask(span=span, split=Split.ENVIRONMENT, only=("live",), app=""), of_app, False),
    ):
        assert some
        latencies: dict[tuple[int, str], list[int]] = defaultdict(list)
        ttfts: dict[tuple[int, str], list[int]] = defaultdict(list)
        for entry in some:
            group = (number(entry) if by_time else 0, value_of(entry, query.split))
            latencies[group].append(entry.latency_ms)
            ttfts[group] += [entry.ttft_ms] if entry.ttft_ms is not None and entry.is_streamed else []
        rows = await storage.reader.read_latencies(replace(query, by_time=by_time))
        assert {(row.time, row.value): row.latency for row in rows} == {group: count(times) for group, times in latencies.items()}
        assert {(row.time, row.value): row.ttft for row in rows} == {group: count(ttfts[group]) for group in latencies}


async def test_latencies_of_some_hours_are_those_of_the_days_and_the_hours_around(
    storage: ServingStorage | MemoryStorage, entries: list[LedgerEntry]
) -> None:
    settled = [e for e in entries if e.state is EntryState.SETTLED and e.error_code != HEDGE_LOST]
    for first, end in ((5, 75), (15, 80), (3, 9), (0, 5)):
        span = Span(first=FIRST_HOUR + first, end=FIRST_HOUR + end, unit=Unit.HOUR)
        times = [e.latency_ms for e in settled if span.first <= utc_hour(e) < span.end and e.app_title == "editor"]
        rows = await storage.reader.read_latencies(ask(span=span, by_time=False, app="editor"))
        assert [row.latency for row in rows] == ([count(times)] if times else [])


async def test_latencies_of_clients_are_added_to(serving: ServingStorage, make_entry: Callable[..., LedgerEntry]) -> None:
    for number in range(20):
        for key in ("key_1", f"key_{number % 3}"):
            entry = make_entry(
                created_at_ms=BEGIN_MS, rotation_group=key, latency_ms=number * 50, ttft_ms=number * 20, is_streamed=number % 2 == 1
            )
            serving.ledger.settle(*entry.split())
        await serving.ledger.flush()
    rows = {row.value: row for row in await serving.reader.read_latencies(ask(split=Split.KEY))}
    assert {key: sum(row.latency) for key, row in rows.items()} == {"key_0": 7, "key_1": 27, "key_2": 6}
    assert rows["key_2"].latency == count(number * 50 for number in range(2, 20, 3))
    assert rows["key_2"].ttft == count(number * 20 for number in (5, 11, 17))


@pytest.mark.usefixtures("entries")
async def test_latencies_of_keys_apps_and_models_together_cannot_be_asked_for(storage: ServingStorage | MemoryStorage) -> None:
    for query in (
        ask(split=Split.KEY, app=""),
        ask(split=Split.APP, rotation_group="key_1"),
        ask(split=Split.MODEL, rotation_group="key_1"),
        ask(split=Split.PROVIDER, app="editor"),
        ask(split=Split.KEY, model="openai/a"),
        ask(rotation_group="key_1", provider="openai"),
    ):
        with pytest.raises(ValueError, match="not known by keys, apps and models"):
            await storage.reader.read_latencies(query)


async def test_old_hours_are_forgotten_in_both_tables_and_days_stay(
    serving: ServingStorage, make_entry: Callable[..., LedgerEntry]
) -> None:
    for day in (0, 1, 4):
        serving.ledger.settle(*make_entry(created_at_ms=BEGIN_MS + day * DAY_MS).split())
    await serving.ledger.flush()
    await Retention(serving.database, max_days=None, max_rows=None, hourly_days=3).sweep(BEGIN_MS + 4 * DAY_MS)
    hours = replace(DAYS, unit=Unit.HOUR)
    for split in (None, Split.APP):
        rows = await serving.reader.read_usage(ask(span=hours, split=split))
        assert sorted(row.time for row in rows) == [FIRST_HOUR + 24, FIRST_HOUR + 4 * 24]
    assert len(await serving.reader.read_latencies(ask(span=hours))) == 2
    assert len(await serving.reader.read_latencies(ask())) == 3
    for query in (ask(span=hours, split=Split.KEY), ask(split=Split.APP), ask(rotation_group="key_1")):
        assert len(await serving.reader.read_latencies(query)) == 2
    assert len(await serving.reader.read_usage(ask())) == 3
    assert [row.time for row in await serving.reader.read_usage(ask(split=Split.APP))] == [FIRST_HOUR // 24 + 1, FIRST_HOUR // 24 + 4]


async def test_sums_of_apps_are_those_of_the_ledger(serving: ServingStorage, make_entry: Callable[..., LedgerEntry]) -> None:
    for number in range(40):
        app = ("editor", None, "shell")[number % 3]
        entry = make_entry(
            created_at_ms=BEGIN_MS + number * 5 * HOUR_MS, app_title=app, model=f"m/{number % 2}", cost_nanousd=10**number % 997
        )
        serving.ledger.settle(*entry.split())
        await serving.ledger.flush()  # a row is added to, and not only made
    sums = "sum(cost_nanousd), sum(upstream_cost_nanousd), sum(input_tokens), sum(output_tokens)"
    by_app = sa.text(f"SELECT day, app, model, {sums}, sum(requests) FROM usage_app_daily GROUP BY 1, 2, 3 ORDER BY 1, 2, 3")  # noqa: S608 -- constants
    of_ledger = sa.text(
        f"SELECT created_at_ms / 86400000, coalesce(app_title, ''), model, {sums}, count(*) FROM ledger GROUP BY 1, 2, 3 ORDER BY 1, 2, 3"  # noqa: S608 -- constants
    )

    def read_both(connection: sa.Connection) -> list[list[tuple[Any, ...]]]:
        return [[tuple(row) for row in connection.execute(statement)] for statement in (by_app, of_ledger)]

    apps, entries = await serving.database.read(read_both)
    assert apps == entries
    assert len(apps) > 20


async def test_activity_by_day_and_app_is_the_same_with_and_without_keys(
    storage: ServingStorage | MemoryStorage, entries: list[LedgerEntry]
) -> None:
    wanted = {group: (sums[0], sums[4]) for group, sums in add_up(entries, Split.APP, utc_day).items()}
    first, last = date(2026, 10, 23), date(2026, 10, 28)
    for groups in (("date", "app"), ("date", "app", "key"), ("date", "app", "model")):
        found: dict[tuple[int, str], tuple[int, int]] = defaultdict(lambda: (0, 0))
        query = ActivityFilter(organisation_id=ORG, date_from=first, date_to=last, group_by=groups)
        for row in await storage.reader.read_activity(query):
            assert row.date is not None
            group = ((row.date - date(1970, 1, 1)).days, row.app or "")
            found[group] = (found[group][0] + row.requests, found[group][1] + row.cost_nanousd)
        assert found == wanted
