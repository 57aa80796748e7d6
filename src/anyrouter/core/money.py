"""Money: integers in nano-dollars (10^-9 USD). No float takes part in any sum; floats appear only where a reply's JSON wants a number."""

from decimal import Context, Decimal, Inexact, InvalidOperation
from typing import Final

NANO = 1_000_000_000
MAX_USD: Final = 1_000_000_000  # in nano-dollars well inside of 64 bits
_NANODOLLAR = Decimal("1e-9")
_EXACT = Context(prec=28, traps=[Inexact, InvalidOperation])


def divide_half_up(numerator: int, denominator: int) -> int:
    """The quotient of two non-negative integers, rounded half up."""
    return (2 * numerator + denominator) // (2 * denominator)


def parse_usd(value: Decimal | int | str, *, is_negative_allowed: bool = False) -> int:
    """An amount in USD as nano-dollars, exactly. ValueError says why it is none: not a number, out of bounds, finer than a nano-dollar."""
    try:
        amount = Decimal(value)
    except ArithmeticError:
        raise ValueError("an amount in USD is needed, such as 12.50") from None
    if not amount.is_finite():
        raise ValueError("an amount in USD is needed, such as 12.50")
    if not (-MAX_USD if is_negative_allowed else 0) <= amount <= MAX_USD:
        raise ValueError(f"an amount from {-MAX_USD if is_negative_allowed else 0} to {MAX_USD} USD is needed")
    try:  # not as a ratio: that of 1e-99999999 would keep the process busy for minutes
        return int(amount.quantize(_NANODOLLAR, context=_EXACT).scaleb(9, context=_EXACT))
    except ArithmeticError:
        raise ValueError("an amount is not divided finer than a nano-dollar: at most nine digits after the point") from None


def to_usd(nanousd: int) -> float:
    """The amount as a JSON number in USD: exact to the nano-dollar for amounts below four million USD."""
    return nanousd / NANO


def to_usd_string(nanousd: int) -> str:
    """The amount as a plain decimal string in USD: no exponent, no trailing zeros ("0.00001")."""
    if 0 <= nanousd < NANO:
        return f"0.{nanousd:09d}".rstrip("0") if nanousd else "0"
    whole, part = divmod(abs(nanousd), NANO)
    sign = "-" if nanousd < 0 else ""
    return f"{sign}{whole}.{part:09d}".rstrip("0") if part else f"{sign}{whole}"


def format_decimal(value: Decimal) -> str:
    """A decimal as plain digits: no exponent, no trailing zeros, "0" for zero."""
    text = format(value, "f")
    return (text.rstrip("0").rstrip(".") if "." in text else text) or "0"
