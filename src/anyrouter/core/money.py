"""Money: integers in nano-dollars (10^-9 USD). No float takes part in any sum; floats appear only where a reply's JSON wants a number."""

from decimal import Decimal

NANO = 1_000_000_000


def divide_half_up(numerator: int, denominator: int) -> int:
    """The quotient of two non-negative integers, rounded half up."""
    return (2 * numerator + denominator) // (2 * denominator)


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
