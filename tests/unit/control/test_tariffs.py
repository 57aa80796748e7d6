"""Tables of decimals, dates and hours as integer tariffs."""

from datetime import UTC, date, datetime, time, timedelta, timezone
from decimal import Decimal
from typing import Any

import pytest

from anyrouter.control.tariffs import FREE, make_tariff, next_change, select_prices
from anyrouter.core.catalogue import PriceTier, Tariff

NOON = datetime(2026, 11, 24, 12, tzinfo=UTC)
OLD, NEW, PEAK = {"input_mtok": Decimal(1)}, {"input_mtok": Decimal(2)}, {"input_mtok": Decimal(3)}


def _from(day: date, prices: dict[str, Any] = NEW) -> dict[str, Any]:
    return {"constraint": {"start_date": day}, "prices": prices}


def _between(start: time, end: time) -> dict[str, Any]:
    return {"constraint": {"start_time": start, "end_time": end}, "prices": PEAK}


def test_dollars_per_million_become_whole_nanodollars() -> None:
    prices = {"input_mtok": Decimal("0.075"), "output_mtok": Decimal("0.3"), "cache_read_mtok": Decimal("0.0028")}
    assert make_tariff(prices) == Tariff(input_nanousd=75_000_000, output_nanousd=300_000_000, cache_read_nanousd=2_800_000)


def test_a_price_finer_than_a_nanodollar_is_rounded_half_up() -> None:
    tariff = make_tariff({"input_mtok": Decimal("0.0000000005"), "output_mtok": Decimal("0.0000000004")})
    assert tariff == Tariff(input_nanousd=1, output_nanousd=0)


def test_a_price_for_a_thousand_requests_becomes_one_for_each() -> None:
    assert make_tariff({"input_mtok": Decimal(1), "requests_kcount": Decimal(12)}) == Tariff(
        input_nanousd=10**9, output_nanousd=0, request_nanousd=12_000_000
    )


def test_an_empty_table_is_free_and_unknown_for_a_deprecated_model() -> None:
    assert make_tariff({}) == FREE
    assert make_tariff({}, is_deprecated=True) is None


@pytest.mark.parametrize("unit", ["audio_hours", "input_mchars", "input_document_kpages", "web_searches_kcount"])
def test_what_is_not_sold_by_the_token_has_no_tariff(unit: str) -> None:
    assert make_tariff({unit: Decimal(1)}) is None


def test_each_tier_repeats_the_prices_that_it_does_not_change() -> None:
    prices = {
        "input_mtok": {"base": Decimal(1), "tiers": [{"start": 200, "price": Decimal(2)}, {"start": 400, "price": Decimal(4)}]},
        "output_mtok": {"base": Decimal(5), "tiers": [{"start": 400, "price": Decimal(6)}]},
        "cache_read_mtok": Decimal("0.5"),
    }
    usd = 10**9
    half = usd // 2
    assert make_tariff(prices) == Tariff(
        input_nanousd=usd,
        output_nanousd=5 * usd,
        cache_read_nanousd=half,
        tiers=(
            PriceTier(above_tokens=200, input_nanousd=2 * usd, output_nanousd=5 * usd, cache_read_nanousd=half),
            PriceTier(above_tokens=400, input_nanousd=4 * usd, output_nanousd=6 * usd, cache_read_nanousd=half),
        ),
    )


def test_a_dated_price_holds_from_its_day_on_in_utc() -> None:
    table = [{"prices": OLD}, _from(date(2026, 11, 25))]
    eve = datetime(2026, 11, 24, 23, 59, 59, tzinfo=UTC)
    assert select_prices(table, eve) == OLD
    assert select_prices(table, eve + timedelta(seconds=1)) == NEW
    assert select_prices(table, datetime(2026, 11, 25, 0, 30, tzinfo=timezone(timedelta(hours=2)))) == OLD


def test_the_last_price_that_holds_is_the_one() -> None:
    table = [{"prices": OLD}, _from(date(2026, 1, 1)), _between(time(11), time(13))]
    assert select_prices(table, NOON) == PEAK
    assert select_prices(table, NOON + timedelta(hours=1)) == NEW


def test_the_first_price_holds_where_no_condition_is_met() -> None:
    assert select_prices([_from(date(2027, 1, 1)), _from(date(2028, 1, 1), PEAK)], NOON) == NEW


def test_an_hour_window_may_run_over_midnight() -> None:
    table = [{"prices": OLD}, _between(time(22), time(2))]
    assert [select_prices(table, NOON.replace(hour=hour)) == PEAK for hour in (21, 22, 23, 0, 1, 2)] == [
        False, True, True, True, True, False,
    ]  # fmt: skip


def test_an_hour_window_may_be_told_in_another_zone() -> None:
    zone = timezone(timedelta(hours=8))
    table = [{"prices": OLD}, _between(time(20, tzinfo=zone), time(21, tzinfo=zone))]
    assert select_prices(table, NOON) == PEAK
    assert next_change(table, NOON) == NOON + timedelta(hours=1)


def test_the_next_change_is_the_nearest_of_days_and_hours() -> None:
    assert next_change([{"prices": OLD}, _from(date(2027, 1, 1))], NOON) == datetime(2027, 1, 1, tzinfo=UTC)
    assert next_change([{"prices": OLD}, _from(date(2027, 1, 1)), _between(time(6), time(10))], NOON) == datetime(
        2026, 11, 25, 6, tzinfo=UTC
    )
    assert next_change([{"prices": OLD}, _between(time(6), time(12))], NOON) == datetime(2026, 11, 25, 6, tzinfo=UTC)


def test_no_change_is_announced_where_none_is_known() -> None:
    assert next_change(OLD, NOON) is None
    assert next_change([{"prices": OLD}, _from(date(2026, 1, 1))], NOON) is None
