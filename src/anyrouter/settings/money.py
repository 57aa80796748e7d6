"""The section `[billing]`: what requests are charged beside, or in place of, the tariff's price."""

from decimal import Decimal
from typing import Annotated, Any

from pydantic import BeforeValidator, Field, WithJsonSchema

from anyrouter.core.money import parse_usd
from anyrouter.settings.fields import Section

_MOST_MARKUP = 1_000
_PPM = 1_000_000


def _amount(value: Any) -> Any:
    try:
        parse_usd(str(value))
    except ValueError as problem:
        raise ValueError(f"is no amount: {problem}") from None
    return Decimal(str(value))


def _percent(value: Any) -> Any:
    try:
        percent = Decimal(str(value))
    except ArithmeticError:
        raise ValueError("must be a number of percent such as 5 or 2.5") from None
    if not percent.is_finite() or not 0 <= percent <= _MOST_MARKUP or percent * 10_000 % 1:
        raise ValueError(f"must be from 0 to {_MOST_MARKUP} percent, with at most four digits after the point")
    return percent


Usd = Annotated[Decimal, BeforeValidator(_amount), WithJsonSchema({"type": "amount in USD"})]
Percent = Annotated[Decimal, BeforeValidator(_percent), WithJsonSchema({"type": "percent"})]


class BillingSettings(Section):
    """What requests are charged. All of it is a record of your own: nobody is asked for money by the gateway."""

    routing_fee_usd: Usd = Field(
        default=Decimal(0),
        description="What a request costs that goes over a tenant's own provider credential (BYOK): this and nothing else, whatever its "
        'size. An amount in USD, best as a text: `"0.0005"`.',
    )
    markup_percent: Percent = Field(
        default=Decimal(0), description="What is added to the tariff's price of a request that goes over your own credential, in percent."
    )

    @property
    def routing_fee_nanousd(self) -> int:
        """The fee in nano-USD."""
        return parse_usd(self.routing_fee_usd)

    @property
    def markup_ppm(self) -> int:
        """What a price is multiplied with, in millionths: 1,000,000 without a markup."""
        return _PPM + int(self.markup_percent * 10_000)
