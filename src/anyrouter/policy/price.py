"""What a generation costs: integers only, one division."""

from anyrouter.core.catalogue import PriceTier, Tariff
from anyrouter.core.money import divide_half_up
from anyrouter.core.usage import Usage

TOKENS_PER_PRICE = 1_000_000


def price(tariff: Tariff, usage: Usage) -> int:
    """The cost in nano-USD, never negative: the sum of the parts, divided once, rounded half up.

    Cache tokens are a part of the input tokens and are not charged twice; where an upstream reports more of them than input,
    its cache tokens are charged as reported and nothing else of the input. A tier holds for every token of a request whose
    input is longer than its `above_tokens`.
    """
    rate = _select_rate(tariff, usage.input_tokens) if tariff.tiers else tariff
    if not usage.cache_read_tokens and not usage.cache_write_tokens:
        total = usage.input_tokens * rate.input_nanousd + usage.output_tokens * rate.output_nanousd
        if tariff.request_nanousd:
            total += tariff.request_nanousd * TOKENS_PER_PRICE
        return divide_half_up(total, TOKENS_PER_PRICE)
    read, write = rate.cache_read_nanousd, rate.cache_write_nanousd
    uncached = max(0, usage.input_tokens - usage.cache_read_tokens - usage.cache_write_tokens)
    total = (
        uncached * rate.input_nanousd
        + usage.cache_read_tokens * (rate.input_nanousd if read is None else read)
        + usage.cache_write_tokens * (rate.input_nanousd if write is None else write)
        + usage.output_tokens * rate.output_nanousd
        + tariff.request_nanousd * TOKENS_PER_PRICE
    )
    return divide_half_up(total, TOKENS_PER_PRICE)


def _select_rate(tariff: Tariff, input_tokens: int) -> Tariff | PriceTier:
    rate: Tariff | PriceTier = tariff
    for tier in tariff.tiers:
        if input_tokens <= tier.above_tokens:
            break
        rate = tier
    return rate
