"""LedgerReader and the way of entries into it, the same over every store."""

from collections.abc import Awaitable, Callable
from datetime import UTC, date, datetime

import pytest

from anyrouter.control.ports import ActivityFilter, ActivityRow, KeyTotals
from anyrouter.core.apikey import ApiKey
from anyrouter.core.errors import ClientError
from anyrouter.core.ledger import AttemptRecord, EntryState, LedgerEntry
from anyrouter.core.tenancy import DEFAULT_ORGANISATION_ID
from anyrouter.core.usage import Usage, UsageSource
from anyrouter.storage.memory import MemoryStorage
from anyrouter.storage.opening import ServingStorage
from anyrouter.storage.usage_rows import MAX_APPS, OTHER_APPS

AnyStorage = ServingStorage | MemoryStorage
MakeEntry = Callable[..., LedgerEntry]
ORG = DEFAULT_ORGANISATION_ID
DAY_MS = 86_400_000


def day_ms(year: int, month: int, day: int, hour: int = 12) -> int:
    return int(datetime(year, month, day, hour, tzinfo=UTC).timestamp() * 1000)


async def settle(storage: AnyStorage, *entries: LedgerEntry) -> None:
    for entry in entries:
        storage.ledger.settle(*entry.split())
    await storage.ledger.flush()


async def test_an_entry_comes_back_as_it_was_settled(storage: AnyStorage, make_entry: MakeEntry):
    full = make_entry(
        attempt=3,
        is_streamed=True,
        estimated_input_tokens=99,
        trace_id="trace '\"; -- %s ?",
        app_title="Ünïcode 🦜",
        http_referer="https://example.org/",
        user_agent="OpenAI/Python 2",
        state=EntryState.CANCELLED,
        status=499,
        usage=Usage(
            input_tokens=2**53,
            output_tokens=1,
            cache_read_tokens=2,
            cache_write_tokens=3,
            reasoning_tokens=4,
            source=UsageSource.ESTIMATED,
        ),
        cost_nanousd=2**62,
        routing_fee_nanousd=1,
        upstream_cost_nanousd=2,
        shadow_cost_nanousd=3,
        is_price_unknown=True,
        is_byok=True,
        error_code="client_closed_request",
        finish_reason="stop",
        native_finish_reason="end_turn",
        upstream_id="msg_1",
        latency_ms=5,
        ttft_ms=0,
        generation_ms=6,
        overhead_us=7,
        attempts=(AttemptRecord(upstream="a", provider="b", model="c", status=500, latency_ms=1, error="upstream_error"),),
    )
    plain = make_entry()
    await settle(storage, full, plain)
    for entry in (full, plain):
        assert await storage.reader.find_entry(ORG, "env_live", entry.generation_id) == entry


async def test_a_generation_is_found_by_the_upstreams_id_the_newest_first(storage: AnyStorage, make_entry: MakeEntry):
    old, new = make_entry(upstream_id="same", created_at_ms=1_000), make_entry(upstream_id="same", created_at_ms=2_000)
    foreign = make_entry(upstream_id="same", created_at_ms=3_000, organisation_id="org_other")
    long = make_entry(upstream_id="x" * 5_000)
    await settle(storage, new, old, foreign, long)
    assert await storage.reader.find_entry(ORG, "env_live", "same") == new
    found = await storage.reader.find_entry(ORG, "env_live", "x" * 256)
    assert found is not None
    assert found.generation_id == long.generation_id


async def test_another_organisation_or_environment_does_not_see_a_generation(storage: AnyStorage, make_entry: MakeEntry):
    entry = make_entry(upstream_id="msg_1")
    await settle(storage, entry)
    for organisation, environment in (("org_other", "env_live"), (ORG, "env_test")):
        for generation_id in (entry.generation_id, "msg_1", "gen-unknown"):
            assert await storage.reader.find_entry(organisation, environment, generation_id) is None
    assert await storage.reader.list_entries("org_other") == []
    assert await storage.reader.list_entries("org_other", before_id=entry.generation_id) == []
    assert await storage.reader.read_organisation_cost("org_other") == 0


async def test_settling_twice_counts_once(storage: AnyStorage, make_entry: MakeEntry):
    first, second = make_entry(), make_entry()
    await settle(storage, first)
    await settle(storage, first, second, first)
    assert len(await storage.reader.list_entries(ORG)) == 2
    assert await storage.reader.read_organisation_cost(ORG) == 2_000
    [row] = await storage.reader.read_activity(ActivityFilter(organisation_id=ORG))
    assert row.requests == 2


async def test_entries_are_listed_newest_first_in_pages(storage: AnyStorage, make_entry: MakeEntry):
    entries = [make_entry(created_at_ms=moment) for moment in (5, 3, 4, 4, 4, 9, 1)]
    await settle(storage, *entries)
    expected = sorted(entries, key=lambda entry: (entry.created_at_ms, entry.generation_id), reverse=True)
    assert await storage.reader.list_entries(ORG) == expected
    pages: list[LedgerEntry] = []
    while page := await storage.reader.list_entries(ORG, limit=2, before_id=pages[-1].generation_id if pages else None):
        pages += page
    assert pages == expected
    assert await storage.reader.list_entries(ORG, before_id="gen-unknown") == []


async def test_activity_sums_by_the_groups_that_are_asked_for(storage: AnyStorage, make_entry: MakeEntry):
    monday, tuesday = day_ms(2026, 3, 2), day_ms(2026, 3, 3)
    await settle(
        storage,
        make_entry(created_at_ms=monday),
        make_entry(created_at_ms=monday, state=EntryState.FAILED, status=502, upstream_cost_nanousd=5),
        make_entry(created_at_ms=monday, model="Zed/z", provider="zed", state=EntryState.CANCELLED),
        make_entry(created_at_ms=tuesday, api_key_id="key_2", environment="test", environment_id="env_test", state=EntryState.INTERRUPTED),
        make_entry(created_at_ms=tuesday, organisation_id="org_other"),
    )
    rows = await storage.reader.read_activity(ActivityFilter(organisation_id=ORG))
    assert [(row.date, row.model, row.provider, row.requests, row.errors) for row in rows] == [
        (date(2026, 3, 3), "openai/gpt-4o", "openai", 1, 1),
        (date(2026, 3, 2), "Zed/z", "zed", 1, 0),
        (date(2026, 3, 2), "openai/gpt-4o", "openai", 2, 1),
    ]
    assert rows[2] == ActivityRow(
        date=date(2026, 3, 2),
        model="openai/gpt-4o",
        provider="openai",
        requests=2,
        errors=1,
        input_tokens=22,
        output_tokens=14,
        reasoning_tokens=6,
        cache_read_tokens=4,
        cost_nanousd=2_000,
        upstream_cost_nanousd=5,
    )
    by_key = await storage.reader.read_activity(ActivityFilter(organisation_id=ORG, group_by=("environment", "key")))
    assert [(row.environment, row.api_key_id, row.date, row.requests) for row in by_key] == [
        ("live", "key_1", None, 3),
        ("test", "key_2", None, 1),
    ]
    [everything] = await storage.reader.read_activity(ActivityFilter(organisation_id=ORG, group_by=()))
    assert (everything.requests, everything.cost_nanousd) == (4, 4_000)


@pytest.mark.parametrize("group_by", [(), ("date",), ("date", "model", "provider", "environment", "key")])
async def test_activity_without_entries_is_empty(storage: AnyStorage, group_by: tuple[str, ...]):
    assert await storage.reader.read_activity(ActivityFilter(organisation_id=ORG, group_by=group_by)) == []


async def test_activity_is_filtered_by_day_environment_and_rotation_group(storage: AnyStorage, make_entry: MakeEntry):
    last_moment, first_moment = day_ms(2026, 3, 3, 0) - 1, day_ms(2026, 3, 2, 0)
    entries = [make_entry(created_at_ms=moment) for moment in (first_moment - 1, first_moment, last_moment, last_moment + 1)]
    await settle(storage, *entries, make_entry(created_at_ms=first_moment, rotation_group="other", environment_id="env_test"))

    async def count(**conditions: object) -> int:
        rows = await storage.reader.read_activity(ActivityFilter(organisation_id=ORG, group_by=(), **conditions))
        return sum(row.requests for row in rows)

    assert await count() == 5
    assert await count(date_from=date(2026, 3, 2), date_to=date(2026, 3, 2)) == 3
    assert await count(date_from=date(2026, 3, 3)) == 1
    assert await count(date_to=date(2026, 3, 1)) == 1
    assert await count(environment_id="env_test") == 1
    assert await count(rotation_group="key_1", date_from=date(2026, 3, 2)) == 3
    assert await count(rotation_group="unknown") == 0


async def test_totals_count_from_the_start_of_the_day_the_iso_week_and_the_month(storage: AnyStorage, make_entry: MakeEntry):
    now = datetime(2026, 3, 4, 1, tzinfo=UTC)  # a Wednesday
    for moment, cost in (
        (day_ms(2026, 3, 4, 0), 1),
        (day_ms(2026, 3, 4, 0) - 1, 10),
        (day_ms(2026, 3, 2, 0), 100),
        (day_ms(2026, 3, 2, 0) - 1, 1_000),
        (day_ms(2026, 3, 1, 0), 10_000),
        (day_ms(2026, 3, 1, 0) - 1, 100_000),
        (day_ms(2024, 2, 29), 1_000_000),
    ):
        await settle(storage, make_entry(created_at_ms=moment, cost_nanousd=cost, upstream_cost_nanousd=2 * cost))
    await settle(storage, make_entry(rotation_group="other", cost_nanousd=5))
    numbers = {"total": 1_111_111, "daily": 1, "weekly": 111, "monthly": 11_111}
    totals = await storage.reader.read_totals(ORG, ["key_1", "unused"], now)
    zeros = dict.fromkeys(numbers, 0)
    assert totals == {
        "key_1": KeyTotals(**numbers, byok={name: 2 * number for name, number in numbers.items()}),
        "unused": KeyTotals(**zeros, byok=zeros),
    }
    many = [f"group_{index}" for index in range(1_200)] + ["other"]
    assert (await storage.reader.read_totals(ORG, many, now))["other"].total == 5
    assert await storage.reader.read_totals(ORG, [], now) == {}
    assert await storage.reader.read_organisation_cost(ORG) == 1_111_116


async def test_the_store_says_that_it_is_well(storage: AnyStorage):
    await storage.health.check()


async def test_usage_is_summed_by_hour_and_app(storage: AnyStorage, make_entry: Callable[..., LedgerEntry]) -> None:
    start = int(datetime(2026, 3, 4, 10, 59, 59, tzinfo=UTC).timestamp() * 1000)
    for offset_ms, app in ((0, "Editor"), (0, "Editor"), (1000, "Editor"), (1000, None), (25 * 3_600_000, "Chat")):
        await settle(storage, make_entry(created_at_ms=start + offset_ms, app_title=app, cost_nanousd=10))
    await storage.ledger.flush()
    days = {"date_from": date(2026, 3, 4), "date_to": date(2026, 3, 4)}
    rows = await storage.reader.read_activity(ActivityFilter(organisation_id=ORG, group_by=("hour", "app"), **days))
    hours = [(row.hour and row.hour.hour, row.app, row.requests, row.cost_nanousd) for row in rows]
    assert hours == [(11, None, 1, 10), (11, "Editor", 1, 10), (10, "Editor", 2, 20)]
    [editor] = await storage.reader.read_activity(ActivityFilter(organisation_id=ORG, group_by=("date",), app="Editor"))
    assert (editor.date, editor.requests) == (date(2026, 3, 4), 3)
    by_day = await storage.reader.read_activity(ActivityFilter(organisation_id=ORG, group_by=("date",)))
    assert [row.requests for row in by_day] == [1, 4]


async def test_an_apps_name_is_its_title_or_where_it_is_and_is_cut(storage: AnyStorage, make_entry: Callable[..., LedgerEntry]) -> None:
    for title, referer in (("T" * 100, "https://a.example"), (None, "https://b.example/chat"), ("Über", None)):
        await settle(storage, make_entry(app_title=title, http_referer=referer))
    await storage.ledger.flush()
    rows = await storage.reader.read_activity(ActivityFilter(organisation_id=ORG, group_by=("app",)))
    assert {row.app for row in rows} == {"T" * 64, "https://b.example/chat", "Über"}


async def test_a_key_counts_for_each_of_its_tags(
    storage: AnyStorage, make_entry: Callable[..., LedgerEntry], make_key: Callable[..., Awaitable[ApiKey]]
) -> None:
    tagged, plain = await make_key(tags=("batch", "team-a")), await make_key()
    for key in (tagged, tagged, plain):
        await settle(storage, make_entry(api_key_id=key.id, cost_nanousd=5))
    await storage.ledger.flush()
    rows = await storage.reader.read_activity(ActivityFilter(organisation_id=ORG, group_by=("tag",)))
    assert {(row.tag, row.requests, row.cost_nanousd) for row in rows} == {("batch", 2, 10), ("team-a", 2, 10), (None, 1, 5)}
    [one] = await storage.reader.read_activity(ActivityFilter(organisation_id=ORG, group_by=(), tag="team-a"))
    assert one.requests == 2
    assert await storage.reader.read_activity(ActivityFilter(organisation_id=ORG, group_by=(), tag="team-b")) == []


async def test_a_trace_is_summed_over_its_entries(storage: AnyStorage, make_entry: Callable[..., LedgerEntry]) -> None:
    for trace, state in (("t-1", EntryState.SETTLED), ("t-1", EntryState.FAILED), ("t-2", EntryState.SETTLED), (None, EntryState.SETTLED)):
        await settle(storage, make_entry(trace_id=trace, state=state, cost_nanousd=7))
    await storage.ledger.flush()
    query = ActivityFilter(organisation_id=ORG, group_by=("model", "trace"), trace_id="t-1")
    [row] = await storage.reader.read_activity(query)
    assert (row.trace_id, row.requests, row.errors, row.cost_nanousd) == ("t-1", 2, 1, 14)
    assert await storage.reader.read_activity(ActivityFilter(organisation_id="org_other", group_by=(), trace_id="t-1")) == []


@pytest.mark.parametrize("name", ["api_key_id", "model", "provider", "environment", "app"])
async def test_activity_can_be_that_of_one_only(storage: AnyStorage, make_entry: Callable[..., LedgerEntry], name: str) -> None:
    field = "app_title" if name == "app" else name
    for value, cost in (("one", 1), ("two", 20), ("two", 300)):
        others = {"environment_id": f"env_{value}"} if name == "environment" else {}
        await settle(storage, make_entry(**{field: value}, **others, cost_nanousd=cost))
    await storage.ledger.flush()
    [row] = await storage.reader.read_activity(ActivityFilter(organisation_id=ORG, group_by=(), **{name: "two"}))
    assert (row.requests, row.cost_nanousd) == (2, 320)
    assert await storage.reader.read_activity(ActivityFilter(organisation_id=ORG, group_by=(), **{name: "tw%"})) == []


async def test_apps_beyond_the_bound_share_a_row(serving: ServingStorage, make_entry: Callable[..., LedgerEntry]) -> None:
    for number in range(MAX_APPS + 5):
        await settle(serving, make_entry(app_title=f"app {number}"))
    await serving.ledger.flush()
    rows = await serving.reader.read_activity(ActivityFilter(organisation_id=ORG, group_by=("app",)))
    assert len(rows) == MAX_APPS + 1
    assert {row.app: row.requests for row in rows}[OTHER_APPS] == 5


async def test_a_reply_that_nobody_could_read_is_refused(storage: AnyStorage, make_entry: MakeEntry):
    await settle(storage, *(make_entry(model=f"openai/model-{number}") for number in range(3)))
    with pytest.raises(ClientError, match="ask for fewer days"):
        await storage.reader.read_activity(ActivityFilter(organisation_id=ORG, group_by=("model",), max_groups=2))
    assert len(await storage.reader.read_activity(ActivityFilter(organisation_id=ORG, group_by=("model",), max_groups=3))) == 3
