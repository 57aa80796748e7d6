"""What a generation cost: what is on record, and what its tokens cost by the prices that hold now. Pure.

Amounts are what the ledger says and never change. Prices do: they are shown beside the tokens, and it is said when they would give
another amount today.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from anyrouter.core.catalogue import PriceTier, Tariff
from anyrouter.core.ledger import HEDGE_LOST, LedgerEntry
from anyrouter.policy.price import price
from anyrouter.web.pages.activity_lines import total_cost
from anyrouter.web.pages.model_lines import price as write_price
from anyrouter.web.pages.words import money


@dataclass(frozen=True, slots=True, kw_only=True)
class TokenLine:
    """A kind of token: how many, and what a million of them costs now; empty where nobody knows."""

    name: str
    count: int
    price: str


@dataclass(frozen=True, slots=True, kw_only=True)
class CostLine:
    """A part of what it cost."""

    name: str
    amount_nanousd: int
    hint: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Costs:
    """`note` says what has to be said of the amounts, empty for nothing."""

    tokens: Sequence[TokenLine]
    parts: Sequence[CostLine]
    total_nanousd: int
    note: str


def describe_costs(entry: LedgerEntry, tariff: Tariff | None) -> Costs:
    """The cost block of an entry. `tariff` is the model's now, None where its price is not known."""
    return Costs(
        tokens=_list_tokens(entry, tariff), parts=_list_parts(entry), total_nanousd=total_cost(entry), note=_note_difference(entry, tariff)
    )


def _list_tokens(entry: LedgerEntry, tariff: Tariff | None) -> list[TokenLine]:
    usage, rate = entry.usage, None if tariff is None else _choose_rate(tariff, entry.usage.input_tokens)
    uncached = max(0, usage.input_tokens - usage.cache_read_tokens - usage.cache_write_tokens)
    prices: dict[str, int | None] = dict.fromkeys(("input", "read", "write", "output"))
    if rate is not None:
        read, write = rate.cache_read_nanousd, rate.cache_write_nanousd
        prices = {
            "input": rate.input_nanousd,
            "read": rate.input_nanousd if read is None else read,
            "write": rate.input_nanousd if write is None else write,
            "output": rate.output_nanousd,
        }
    lines = [
        ("Input", uncached, "input"),
        ("Input, read from a cache", usage.cache_read_tokens, "read"),
        ("Input, written to a cache", usage.cache_write_tokens, "write"),
        ("Output" + (f", {usage.reasoning_tokens:,} of it reasoning" if usage.reasoning_tokens else ""), usage.output_tokens, "output"),
    ]
    return [
        TokenLine(name=name, count=count, price=write_price(prices[kind]) or "")
        for name, count, kind in lines
        if count or kind in {"input", "output"}
    ]


def _list_parts(entry: LedgerEntry) -> list[CostLine]:
    lost = [attempt for attempt in entry.attempts if attempt.error == HEDGE_LOST]
    parts = [
        CostLine(name="Charged for the model", amount_nanousd=entry.cost_nanousd - entry.routing_fee_nanousd),
        CostLine(name="Routing fee", amount_nanousd=entry.routing_fee_nanousd, hint="A fixed fee of requests over your own credential."),
        CostLine(
            name="Paid to the provider by your own account",
            amount_nanousd=entry.upstream_cost_nanousd,
            hint="The provider bills you; this is what its prices come to.",
        ),
        CostLine(
            name="The attempt that lost the race",
            amount_nanousd=sum(attempt.cost_nanousd + attempt.upstream_cost_nanousd for attempt in lost),
            hint="A second upstream was asked at the same time, which is billed, too.",
        ),
    ]
    shown = [part for part in parts if part.amount_nanousd]
    return shown or parts[:1]


def _note_difference(entry: LedgerEntry, tariff: Tariff | None) -> str:
    if entry.is_price_unknown:
        return "The price of this model was not known, so nothing was charged for it."
    if entry.shadow_cost_nanousd:
        return f"A request of the sandbox costs nothing. With a real provider it would have been {money(entry.shadow_cost_nanousd)}."
    charged = entry.upstream_cost_nanousd or entry.cost_nanousd - entry.routing_fee_nanousd
    if tariff is None or not charged:
        return ""
    now = price(tariff, entry.usage)
    return "" if now == charged else f"At the prices that hold now it would be {money(now)}: prices changed, or the operator adds to them."


def _choose_rate(tariff: Tariff, input_tokens: int) -> Tariff | PriceTier:
    """The prices of a request of that size."""
    reached = [tier for tier in tariff.tiers if input_tokens > tier.above_tokens]
    return reached[-1] if reached else tariff
