"""What a generation is charged, given the tariff's price of what it used: integers only, halves are rounded up."""

from typing import NamedTuple

import msgspec

from anyrouter.core.money import divide_half_up

PPM = 1_000_000


class Billing(msgspec.Struct, frozen=True, kw_only=True):
    """The operator's terms: a factor on the tariff's price, in millionths, and the fee of a request with a tenant's credential."""

    markup_ppm: int = PPM
    routing_fee_nanousd: int = 0


PLAIN = Billing()


class Charge(NamedTuple):
    """Nano-USD. `cost` is what is charged in all, of which `routing_fee` is a part.

    `upstream_cost` is what the tenant pays the provider itself, `shadow_cost` what a sandbox generation would have cost.
    """

    cost: int = 0
    routing_fee: int = 0
    upstream_cost: int = 0
    shadow_cost: int = 0


def charge(billing: Billing, price_nanousd: int, *, is_byok: bool = False, is_sandboxed: bool = False, is_served: bool = True) -> Charge:
    """What is charged. `is_served`: an upstream was asked and something was used; a request that nobody was asked for costs no fee."""
    marked_up = price_nanousd if billing.markup_ppm == PPM else divide_half_up(price_nanousd * billing.markup_ppm, PPM)
    if is_sandboxed:
        return Charge(shadow_cost=marked_up)
    if is_byok:
        fee = billing.routing_fee_nanousd if is_served else 0
        return Charge(cost=fee, routing_fee=fee, upstream_cost=price_nanousd)
    return Charge(cost=marked_up)
