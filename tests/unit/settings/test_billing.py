"""What the operator charges: read exactly, and refused where it is no amount."""

import pytest
from pydantic import ValidationError

from anyrouter.settings.money import BillingSettings


def test_nothing_is_charged_beside_the_price_unless_the_operator_says_so() -> None:
    billing = BillingSettings()
    assert (billing.routing_fee_nanousd, billing.markup_ppm) == (0, 1_000_000)


@pytest.mark.parametrize(("fee", "nanousd"), [("0.0005", 500_000), (0.0005, 500_000), (0, 0), ("1", 1_000_000_000)])
def test_the_routing_fee_is_exact(fee: object, nanousd: int) -> None:
    assert BillingSettings(routing_fee_usd=fee).routing_fee_nanousd == nanousd


@pytest.mark.parametrize(("percent", "ppm"), [(5, 1_050_000), ("2.5", 1_025_000), (0.0001, 1_000_001), (1000, 11_000_000)])
def test_the_markup_is_exact(percent: object, ppm: int) -> None:
    assert BillingSettings(markup_percent=percent).markup_ppm == ppm


@pytest.mark.parametrize(
    "values",
    [
        {"routing_fee_usd": -1},
        {"routing_fee_usd": True},
        {"routing_fee_usd": "many"},
        {"routing_fee_usd": "0.0000000001"},
        {"markup_percent": -1},
        {"markup_percent": 1001},
        {"markup_percent": "0.00001"},
        {"markup_percent": "NaN"},
        {"markup_percent": False},
    ],
)
def test_what_is_no_amount_is_refused(values: dict[str, object]) -> None:
    with pytest.raises(ValidationError):
        BillingSettings(**values)
