"""The price of a generation, by numbers that one can check in one's head."""

from anyrouter.core.catalogue import PriceTier, Tariff
from anyrouter.core.usage import NO_USAGE, Usage
from anyrouter.policy.price import price

USD_PER_MTOK = 10**9
TARIFF = Tariff(
    input_nanousd=3 * USD_PER_MTOK,
    output_nanousd=15 * USD_PER_MTOK,
    cache_read_nanousd=300_000_000,
    cache_write_nanousd=3_750_000_000,
)


def test_input_and_output_are_priced_apart() -> None:
    assert price(TARIFF, Usage(input_tokens=1_000_000, output_tokens=1_000_000)) == 18 * USD_PER_MTOK


def test_cache_tokens_are_a_part_of_the_input_and_not_charged_twice() -> None:
    usage = Usage(input_tokens=1_000_000, cache_read_tokens=600_000, cache_write_tokens=100_000)
    assert price(TARIFF, usage) == 900_000_000 + 180_000_000 + 375_000_000


def test_reading_and_writing_a_cache_are_priced_apart_each_without_the_other() -> None:
    assert price(TARIFF, Usage(input_tokens=1000, cache_read_tokens=1000)) == 300_000
    assert price(TARIFF, Usage(input_tokens=1000, cache_write_tokens=1000)) == 3_750_000


def test_a_cache_without_a_price_of_its_own_costs_what_input_costs() -> None:
    tariff = Tariff(input_nanousd=2 * USD_PER_MTOK, output_nanousd=0)
    cached = Usage(input_tokens=1000, cache_read_tokens=500, cache_write_tokens=400)
    assert price(tariff, cached) == price(tariff, Usage(input_tokens=1000))


def test_a_free_cache_is_free() -> None:
    tariff = Tariff(input_nanousd=2 * USD_PER_MTOK, output_nanousd=0, cache_read_nanousd=0)
    assert price(tariff, Usage(input_tokens=1000, cache_read_tokens=1000)) == 0


def test_reasoning_is_a_part_of_the_output_and_not_charged_twice() -> None:
    assert price(TARIFF, Usage(output_tokens=100, reasoning_tokens=90)) == price(TARIFF, Usage(output_tokens=100))


def test_more_cache_tokens_than_input_charge_the_cache_and_nothing_else() -> None:
    assert price(TARIFF, Usage(input_tokens=10, cache_read_tokens=1_000_000)) == 300_000_000


def test_half_a_nanodollar_is_rounded_up() -> None:
    assert price(Tariff(input_nanousd=500_000, output_nanousd=0), Usage(input_tokens=1)) == 1
    assert price(Tariff(input_nanousd=499_999, output_nanousd=0), Usage(input_tokens=1)) == 0


def test_the_parts_are_summed_before_they_are_rounded() -> None:
    third = Tariff(input_nanousd=400_000, output_nanousd=400_000, cache_read_nanousd=400_000)
    assert price(third, Usage(input_tokens=2, cache_read_tokens=1, output_tokens=1)) == 1


def test_a_request_price_is_added_once() -> None:
    assert price(Tariff(input_nanousd=0, output_nanousd=0, request_nanousd=12_000_000), NO_USAGE) == 12_000_000
    tariff = Tariff(input_nanousd=USD_PER_MTOK, output_nanousd=0, request_nanousd=7)
    assert price(tariff, Usage(input_tokens=2, cache_read_tokens=1)) == 2007


def test_a_tier_holds_for_every_token_once_the_input_is_longer() -> None:
    tier = PriceTier(above_tokens=200_000, input_nanousd=6 * USD_PER_MTOK, output_nanousd=20 * USD_PER_MTOK)
    top = PriceTier(above_tokens=400_000, input_nanousd=9 * USD_PER_MTOK, output_nanousd=30 * USD_PER_MTOK)
    tariff = Tariff(input_nanousd=3 * USD_PER_MTOK, output_nanousd=10 * USD_PER_MTOK, tiers=(tier, top))
    assert price(tariff, Usage(input_tokens=200_000, output_tokens=1)) == 600_000_000 + 10_000
    assert price(tariff, Usage(input_tokens=200_001, output_tokens=1)) == 1_200_006_000 + 20_000
    assert price(tariff, Usage(input_tokens=400_001)) == 3_600_009_000


def test_a_billion_tokens_are_exact() -> None:
    assert price(TARIFF, Usage(input_tokens=10**15 + 1)) == 3 * 10**18 + 3000
