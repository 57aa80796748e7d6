"""Reports of the usage page, over the store in memory: their parts make the whole, whatever is split and sorted."""

import random
from collections import defaultdict
from datetime import UTC, datetime
from typing import Any

import pytest

from anyrouter.control.usage_range import before, parse_range
from anyrouter.control.usage_reader import Split
from anyrouter.control.usage_report import ROWS, UsageQuestion, UsageReport, UsageReporter
from anyrouter.control.usage_view import SORTS, TOP, Measure, add_up
from anyrouter.core.ledger import LedgerEntry
from anyrouter.core.tenancy import DEFAULT_ORGANISATION_ID
from anyrouter.storage.memory import MemoryStorage
from support.usage_entries import make_usage_entry

NOW = datetime(2026, 11, 24, 15, tzinfo=UTC)
NOW_MS = int(NOW.timestamp()) * 1000
DAY_MS = 86_400_000


def make_entries() -> list[LedgerEntry]:
    """Of 60 keys over 60 days; the last ten were used more than 31 days ago only."""
    chance = random.Random(3)
    made = []
    for _ in range(600):
        key = chance.randrange(60)
        days = chance.uniform(32, 55) if key >= 50 else chance.uniform(0, 55)
        made.append(
            make_usage_entry(
                NOW_MS - int(days * DAY_MS) - 1,
                api_key_id=f"key_{key:02}",
                model=f"vendor/model-{chance.randrange(12)}",
                app_title=chance.choice((None, "editor")),
                cost_nanousd=chance.randrange(1, 10**9),
                latency_ms=1000,
                ttft_ms=None,
            )
        )
    return made


ENTRIES = make_entries()


async def report(**fields: Any) -> UsageReport:
    storage = MemoryStorage()
    for entry in ENTRIES:
        storage.ledger.settle(*entry.split())
    shown = fields.pop("shown", None) or parse_range(NOW, name="30d", zone=fields.pop("zone", "UTC"))
    values = {
        "organisation_id": DEFAULT_ORGANISATION_ID,
        "shown": shown,
        "earlier": before(shown, NOW),
        "measure": Measure.COST,
        "split": Split.KEY,
        "sort": "-cost",
        **fields,
    }
    return await UsageReporter(storage.reader).report(UsageQuestion(**values))


def costs(first_day: int, end_day: int) -> dict[str, int]:
    """By key, of days of UTC counted back from today."""
    today = NOW_MS // DAY_MS
    found: dict[str, int] = defaultdict(int)
    for entry in ENTRIES:
        if first_day <= entry.created_at_ms // DAY_MS - today < end_day:
            found[entry.rotation_group] += entry.cost_nanousd
    return found


async def test_keys_are_ranked_paged_and_compared():
    now, earlier = costs(-29, 1), costs(-59, -29)
    ranked = sorted(now, key=lambda key: (-now[key], key))
    assert len(ranked) == ROWS
    found = await report()
    assert [part.value for part in found.parts] == ranked
    assert {part.value: part.sums.cost_nanousd for part in found.parts} == now
    assert {part.value: part.before.cost_nanousd for part in found.parts} == {key: earlier[key] for key in ranked}
    assert all(part.sums.requests > 0 for part in found.parts)
    assert list(found.series) == ranked[:TOP]
    assert (found.count, found.total.cost_nanousd) == (len(ranked), sum(now.values()))
    assert found.earlier_total is not None
    assert found.earlier_total.cost_nanousd == sum(earlier.values())
    assert (await report(page=2)).parts == []


async def test_sorted_by_what_changed_keys_that_fell_silent_are_there_too():
    now, earlier = costs(-29, 1), costs(-59, -29)
    ranked = sorted({*now, *earlier}, key=lambda key: (now.get(key, 0) - earlier.get(key, 0), key))
    first, second = await report(sort="change"), await report(sort="change", page=2)
    assert [part.value for part in (*first.parts, *second.parts)] == ranked
    assert first.count == len(ranked) == 60


@pytest.mark.parametrize("split", list(Split))
@pytest.mark.parametrize("zone", ["UTC", "Asia/Tokyo"])
async def test_series_and_the_rest_make_the_whole(split: Split, zone: str):
    for measure in (Measure.COST, Measure.REQUESTS):
        found = await report(split=split, measure=measure, zone=zone)
        assert add_up(found.slots) == found.total
        assert len(found.slots) == 30
        parts = [add_up(slots) for slots in (*found.series.values(), *([] if found.rest is None else [found.rest]))]
        assert add_up(parts) == found.total
        assert (found.rest is None) == (found.count <= TOP)


@pytest.mark.parametrize("sort", ["name", *SORTS, "-requests", "-tokens"])
@pytest.mark.parametrize("split", [Split.KEY, Split.MODEL])
async def test_every_sort_has_all_values(split: Split, sort: str):
    found = await report(split=split, sort=sort, earlier=None)
    assert found.count == len(found.parts) == (50 if split is Split.KEY else 12)
    assert add_up(part.sums for part in found.parts) == found.total
    assert (found.earlier_total, found.earlier_slots) == (None, None)


async def test_latencies_are_read_where_they_are_shown():
    found = await report(split=Split.MODEL)
    assert found.latencies is not None
    assert sum(found.latencies.total.latency) == found.total.requests
    assert sum(found.latencies.total.ttft) == 0
    assert (found.latencies.slots, found.latencies.values) == ((), {})
    shown = (await report(split=Split.MODEL, measure=Measure.LATENCY)).latencies
    assert shown is not None
    assert [sum(some.latency) for some in shown.slots] == [sums.requests for sums in found.slots]
    assert {value: sum(some.latency) for value, some in shown.values.items()} == {part.value: part.sums.requests for part in found.parts}


@pytest.mark.parametrize("split", list(Split))
@pytest.mark.parametrize("page", [1, 2])
async def test_latencies_are_those_of_the_values_that_are_shown(split: Split, page: int):
    found = await report(split=split, measure=Measure.LATENCY, page=page, earlier=None, shown=parse_range(NOW, name="90d"))
    assert found.latencies is not None
    assert found.latencies.values is not None
    assert {value: sum(some.latency) for value, some in found.latencies.values.items()} == {
        part.value: part.sums.requests for part in found.parts
    }


async def test_latencies_of_one_key_or_app_are_all_together_where_its_models_are_shown():
    for wish in ({"app": "editor"}, {"rotation_group": "key_01"}):
        found = await report(split=Split.MODEL, measure=Measure.TTFT, **wish)
        assert found.latencies is not None
        assert found.latencies.values is None
        assert sum(found.latencies.total.latency) == found.total.requests
        assert [sum(some.latency) for some in found.latencies.slots] == [sums.requests for sums in found.slots]
        assert (await report(split=Split.ENVIRONMENT, measure=Measure.TTFT, **wish)).latencies is not None


async def test_latencies_are_none_where_two_filters_are_too_many():
    for wish in (
        {"app": "editor", "rotation_group": "key_01"},
        {"app": "", "model": "m"},
        {"rotation_group": "key_01", "provider": "openai"},
    ):
        assert (await report(split=Split.MODEL, **wish)).latencies is None
