"""The cost block: the ledger's amounts, the prices of now, and what is said when they differ."""

from anyrouter.core.catalogue import PriceTier, Tariff
from anyrouter.core.ledger import HEDGE_LOST, AttemptRecord
from anyrouter.core.usage import Usage
from anyrouter.web.pages.generation_costs import describe_costs
from support.generations import make_entry

TARIFF = Tariff(
    input_nanousd=2_000_000_000,
    output_nanousd=8_000_000_000,
    cache_read_nanousd=500_000_000,
    tiers=(PriceTier(above_tokens=10_000, input_nanousd=4_000_000_000, output_nanousd=9_000_000_000),),
)
USAGE = Usage(input_tokens=1000, output_tokens=100, cache_read_tokens=400, cache_write_tokens=100, reasoning_tokens=30)
PRICE = (500 * 2 + 400 * 0.5 + 100 * 2 + 100 * 8) * 1000


def test_tokens_have_the_price_of_their_kind():
    costs = describe_costs(make_entry(0, usage=USAGE, cost_nanousd=int(PRICE)), TARIFF)
    assert [(line.name, line.count, line.price) for line in costs.tokens] == [
        ("Input", 500, "$2.00"),
        ("Input, read from a cache", 400, "$0.50"),
        ("Input, written to a cache", 100, "$2.00"),
        ("Output, 30 of it reasoning", 100, "$8.00"),
    ]
    assert costs.note == ""


def test_a_long_request_has_the_prices_of_long_ones():
    costs = describe_costs(make_entry(0, usage=Usage(input_tokens=10_001, output_tokens=1)), TARIFF)
    assert [line.price for line in costs.tokens] == ["$4.00", "$9.00"]


def test_without_a_tariff_no_price_is_invented():
    costs = describe_costs(make_entry(0), None)
    assert [line.price for line in costs.tokens] == ["", ""]
    assert costs.note == ""


def test_the_parts_add_up_to_the_total():
    lost = AttemptRecord(upstream="a", provider="a", model="m", error=HEDGE_LOST, cost_nanousd=5, upstream_cost_nanousd=6)
    costs = describe_costs(
        make_entry(0, cost_nanousd=100, routing_fee_nanousd=100, upstream_cost_nanousd=1000, is_byok=True, attempts=(lost,)), None
    )
    assert [(part.name, part.amount_nanousd) for part in costs.parts] == [
        ("Routing fee", 100),
        ("Paid to the provider by your own account", 1000),
        ("The attempt that lost the race", 11),
    ]
    assert costs.total_nanousd == 1111 == sum(part.amount_nanousd for part in costs.parts)


def test_what_is_unknown_free_or_other_than_today_is_said():
    assert "not known" in describe_costs(make_entry(0, cost_nanousd=0, is_price_unknown=True), None).note
    assert "would have been $0.005" in describe_costs(make_entry(0, cost_nanousd=0, shadow_cost_nanousd=5_000_000), None).note
    assert "prices that hold now" in describe_costs(make_entry(0, usage=USAGE, cost_nanousd=7), TARIFF).note
    free = describe_costs(make_entry(0, cost_nanousd=0), TARIFF)
    assert [(part.name, part.amount_nanousd) for part in free.parts] == [("Charged for the model", 0)]
