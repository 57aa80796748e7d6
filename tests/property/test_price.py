"""The price of a generation, against genai-prices' own arithmetic in decimals, for every priced model of the catalogue."""

from datetime import UTC, datetime
from decimal import ROUND_HALF_UP, Decimal

import pytest
from genai_prices import Usage as PricedUsage
from genai_prices.data import providers as priced_providers
from genai_prices.types import ModelInfo
from genai_prices.types import Provider as PricedProvider
from hypothesis import given, settings
from hypothesis import strategies as st

from anyrouter.control.catalogue import load_catalogue
from anyrouter.core.catalogue import Model, PriceTier, Tariff
from anyrouter.core.usage import Usage
from anyrouter.policy.price import price
from anyrouter.providers.registry import PROVIDERS

NOW = datetime(2026, 11, 24, 12, 30, tzinfo=UTC)
COUNTED = {"input_mtok", "output_mtok", "cache_read_mtok", "cache_write_mtok", "requests_kcount"}
Row = tuple[Model, PricedProvider, ModelInfo]


def _list_rows(now: datetime) -> list[Row]:
    catalogue = load_catalogue(now)
    rows = []
    for provider in priced_providers:
        vendor = PROVIDERS[provider.id].vendors[0] if provider.id in PROVIDERS else None
        for info in provider.models:
            model = catalogue.models.get(f"{vendor}/{info.id.lower()}")
            if model is not None and model.tariff is not None:
                rows.append((model, provider, info))
    return rows


ROWS = _list_rows(NOW)
counts = st.one_of(st.integers(0, 300), st.integers(0, 5_000_000))


@st.composite
def usages(draw: st.DrawFn) -> Usage:
    read, write, rest = draw(counts), draw(counts), draw(counts)
    return Usage(input_tokens=read + write + rest, cache_read_tokens=read, cache_write_tokens=write, output_tokens=draw(counts))


def _ask_oracle(usage: Usage, row: Row, now: datetime = NOW) -> int:
    _, provider, info = row
    counted = PricedUsage(
        input_tokens=usage.input_tokens,
        cache_read_tokens=usage.cache_read_tokens,
        cache_write_tokens=usage.cache_write_tokens,
        output_tokens=usage.output_tokens,
    )
    total = info.calc_price(counted, provider, genai_request_timestamp=now).total_price
    return int((total * Decimal(10**9)).to_integral_value(ROUND_HALF_UP))


def test_most_of_the_catalogue_is_compared() -> None:
    assert len(ROWS) > 300
    assert {model.vendor for model, _, _ in ROWS} >= {"openai", "anthropic", "google", "mistralai", "deepseek", "x-ai", "groq"}


@settings(deadline=None)
@given(row=st.sampled_from(ROWS), usage=usages())
def test_a_price_is_the_oracles_to_the_nanodollar(row: Row, usage: Usage) -> None:
    tariff = row[0].tariff
    assert tariff is not None
    assert price(tariff, usage) == _ask_oracle(usage, row)


@pytest.mark.parametrize("total", [0, 1, 199_999, 200_000, 200_001, 272_000, 272_001, 1_000_001])
def test_every_model_agrees_with_the_oracle_around_the_tiers(total: int) -> None:
    usage = Usage(input_tokens=total, cache_read_tokens=total // 3, cache_write_tokens=total // 5, output_tokens=total // 7 + 1)
    for row in ROWS:
        tariff = row[0].tariff
        assert tariff is not None
        assert price(tariff, usage) == _ask_oracle(usage, row), row[0].id


@pytest.mark.parametrize("hour", [0, 1, 3, 4, 6, 10, 16])
def test_prices_by_the_hour_agree_with_the_oracle(hour: int) -> None:
    now = NOW.replace(hour=hour, minute=0)
    usage = Usage(input_tokens=1_000_003, cache_read_tokens=400_001, output_tokens=17)
    for row in _list_rows(now):
        if row[0].vendor == "deepseek":
            assert row[0].tariff is not None
            assert price(row[0].tariff, usage) == _ask_oracle(usage, row, now), row[0].id


rates = st.integers(0, 10**12)
cache_rates = st.none() | rates


@st.composite
def tariffs(draw: st.DrawFn) -> Tariff:
    starts = sorted(draw(st.sets(st.integers(0, 1_000_000), max_size=3)))
    tiers = tuple(
        PriceTier(
            above_tokens=start,
            input_nanousd=draw(rates),
            output_nanousd=draw(rates),
            cache_read_nanousd=draw(cache_rates),
            cache_write_nanousd=draw(cache_rates),
        )
        for start in starts
    )
    return Tariff(
        input_nanousd=draw(rates),
        output_nanousd=draw(rates),
        cache_read_nanousd=draw(cache_rates),
        cache_write_nanousd=draw(cache_rates),
        request_nanousd=draw(rates),
        tiers=tiers,
    )


@settings(deadline=None)
@given(tariff=tariffs(), input_tokens=counts, read=counts, write=counts, output_tokens=counts)
def test_a_price_is_never_negative_whatever_an_upstream_reports(
    tariff: Tariff, input_tokens: int, read: int, write: int, output_tokens: int
) -> None:
    usage = Usage(input_tokens=input_tokens, cache_read_tokens=read, cache_write_tokens=write, output_tokens=output_tokens)
    assert price(tariff, usage) >= tariff.request_nanousd


@settings(deadline=None)
@given(tariff=tariffs(), usage=usages(), more=counts)
def test_more_output_never_costs_less(tariff: Tariff, usage: Usage, more: int) -> None:
    longer = Usage(
        input_tokens=usage.input_tokens,
        cache_read_tokens=usage.cache_read_tokens,
        cache_write_tokens=usage.cache_write_tokens,
        output_tokens=usage.output_tokens + more,
    )
    assert price(tariff, longer) >= price(tariff, usage)


@settings(deadline=None)
@given(row=st.sampled_from(ROWS), usage=usages(), more=counts)
def test_a_longer_prompt_never_costs_less_on_a_real_tariff(row: Row, usage: Usage, more: int) -> None:
    tariff = row[0].tariff
    assert tariff is not None
    longer = Usage(
        input_tokens=usage.input_tokens + more,
        cache_read_tokens=usage.cache_read_tokens,
        cache_write_tokens=usage.cache_write_tokens,
        output_tokens=usage.output_tokens,
    )
    assert price(tariff, longer) >= price(tariff, usage)
