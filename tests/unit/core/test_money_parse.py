"""Amounts that people write, as nano-dollars: exactly, or not at all."""

import time
from decimal import Decimal

import pytest

from anyrouter.core.money import MAX_USD, NANO, parse_usd


@pytest.mark.parametrize(
    ("value", "nanousd"),
    [
        ("0", 0),
        (Decimal("0.1"), 100_000_000),
        ("12.345678901", 12_345_678_901),
        (5, 5 * NANO),
        ("1e2", 100 * NANO),
        (MAX_USD, MAX_USD * NANO),
        ("0.10000000000000000", 100_000_000),
    ],
)
def test_an_amount_is_read_exactly(value: Decimal | int | str, nanousd: int) -> None:
    assert parse_usd(value) == nanousd


@pytest.mark.parametrize(
    "value",
    ["", "abc", "NaN", "Infinity", "-Infinity", "-1", "0.0000000001", "1e400", MAX_USD + 1, "1_0.0.0", Decimal("1E-30"), "1e9999999"],
)
def test_what_is_no_amount_is_refused(value: Decimal | int | str) -> None:
    with pytest.raises(ValueError, match=r"amount"):
        parse_usd(value)


def test_a_negative_amount_is_read_where_it_is_allowed() -> None:
    assert parse_usd("-1.5", is_negative_allowed=True) == -1_500_000_000


@pytest.mark.parametrize("text", ["1e-9999999", "0.1e-99999999", "0.00000000010"])
def test_what_is_finer_than_a_nanodollar_is_refused_without_being_computed(text: str) -> None:
    begun_s = time.process_time()
    with pytest.raises(ValueError, match="finer than a nano-dollar"):
        parse_usd(Decimal(text))
    assert time.process_time() - begun_s < 0.5


@pytest.mark.parametrize(
    ("text", "nanousd"),
    [
        ("0e99999999", 0),
        ("-0", 0),
        ("0e-99999999", 0),
        ("1." + "0" * 5000, 10**9),
        ("0.0000000010", 1),
        ("999999999.999999999", 10**18 - 1),
    ],
)
def test_an_amount_is_the_same_however_it_is_written(text: str, nanousd: int) -> None:
    assert parse_usd(Decimal(text)) == nanousd
