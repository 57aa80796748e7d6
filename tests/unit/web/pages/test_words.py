"""How amounts are written for people."""

import pytest

from anyrouter.web.pages.words import cost


@pytest.mark.parametrize(
    ("nanousd", "text"),
    [
        (None, "\N{EN DASH}"),
        (0, "$0.00"),
        (1, "< $0.000001"),
        (150_000, "$0.000150"),
        (9_999_500, "$0.010000"),
        (12_345_678, "$0.012346"),
        (1_500_000_000, "$1.500000"),
        (-1_234_000_000_000, "-$1,234.000000"),
    ],
)
def test_what_requests_cost_has_the_same_precision_at_every_size(nanousd: int | None, text: str) -> None:
    assert cost(nanousd) == text
