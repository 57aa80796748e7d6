from decimal import ROUND_HALF_UP, Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from anyrouter.core.money import NANO, divide_half_up, format_decimal, to_usd, to_usd_string

amounts = st.integers(0, 4_000_000 * NANO - 1)


@given(st.integers(0, 10**30), st.integers(1, 10**12))
def test_a_quotient_is_rounded_half_up(numerator: int, denominator: int) -> None:
    quotient = divide_half_up(numerator, denominator)
    assert (2 * quotient - 1) * denominator <= 2 * numerator < (2 * quotient + 1) * denominator


@pytest.mark.parametrize(("numerator", "denominator", "quotient"), [(0, 7, 0), (1, 2, 1), (3, 2, 2), (5, 2, 3), (4, 10, 0), (499, 1000, 0)])
def test_halves_go_up_and_not_to_the_even_neighbour(numerator: int, denominator: int, quotient: int) -> None:
    assert divide_half_up(numerator, denominator) == quotient


@given(amounts)
def test_the_json_number_tells_every_nanodollar(nanousd: int) -> None:
    told = Decimal(repr(to_usd(nanousd)))
    assert int((told * NANO).to_integral_value(ROUND_HALF_UP)) == nanousd


@given(st.integers(-(10**25), 10**25))
def test_the_string_is_exact_and_plain(nanousd: int) -> None:
    text = to_usd_string(nanousd)
    assert Decimal(text) * NANO == nanousd
    assert not set(text) - set("-0123456789.")
    assert "." not in text or text[-1] not in "0."


@pytest.mark.parametrize(
    ("nanousd", "text"),
    [(0, "0"), (10_000, "0.00001"), (NANO, "1"), (-1, "-0.000000001"), (100 * NANO, "100"), (10 * NANO + 5 * 10**8, "10.5")],
)
def test_how_amounts_look(nanousd: int, text: str) -> None:
    assert to_usd_string(nanousd) == text


@pytest.mark.parametrize(
    ("value", "text"),
    [("0", "0"), ("0.000", "0"), ("1E-8", "0.00000001"), ("1E+3", "1000"), ("100", "100"), ("2.50", "2.5"), ("0E-9", "0"), ("10.0", "10")],
)
def test_a_decimal_has_neither_exponent_nor_trailing_zeros(value: str, text: str) -> None:
    assert format_decimal(Decimal(value)) == text


@given(st.decimals(allow_nan=False, allow_infinity=False, min_value=0, max_value=10**12, places=12))
def test_a_decimal_keeps_its_value(value: Decimal) -> None:
    assert Decimal(format_decimal(value)) == value
