"""What is charged: the operator's credential, a tenant's own, the sandbox."""

import pytest

from anyrouter.policy.charge import PLAIN, Billing, Charge, charge


@pytest.mark.parametrize(
    ("price", "ppm", "cost"),
    [(1000, 1_000_000, 1000), (1000, 1_055_000, 1055), (10, 1_050_000, 11), (9, 1_050_000, 9), (1, 1_500_000, 2), (0, 2_000_000, 0)],
)
def test_the_operators_credential_costs_the_tariff_and_the_markup_with_halves_rounded_up(price: int, ppm: int, cost: int) -> None:
    assert charge(Billing(markup_ppm=ppm), price) == Charge(cost=cost)


def test_a_tenants_credential_costs_the_fee_and_nothing_else() -> None:
    billing = Billing(markup_ppm=2_000_000, routing_fee_nanousd=500)
    assert charge(billing, 123_456, is_byok=True) == Charge(cost=500, routing_fee=500, upstream_cost=123_456)
    assert charge(PLAIN, 123_456, is_byok=True) == Charge(upstream_cost=123_456)


def test_a_request_that_nobody_was_asked_for_costs_no_fee() -> None:
    assert charge(Billing(routing_fee_nanousd=500), 0, is_byok=True, is_served=False) == Charge()


def test_what_is_not_named_is_not_charged() -> None:
    assert Charge() == (0, 0, 0, 0)
    assert charge(PLAIN, 0) == (0, 0, 0, 0)


def test_the_sandbox_costs_nothing_and_tells_what_it_would_have_cost() -> None:
    assert charge(Billing(markup_ppm=1_100_000, routing_fee_nanousd=5), 1000, is_sandboxed=True) == Charge(shadow_cost=1100)
