"""Which models a page shows: what a link can say, and what it leaves out."""

import pytest

from anyrouter.core.catalogue import Model, Tariff
from anyrouter.core.errors import ClientError
from anyrouter.web.pages.forms import parse_fields
from anyrouter.web.pages.model_filter import ModelFilter, parse_filter
from anyrouter.web.pages.model_lines import ModelLine, price


def line(name: str, *, vendor: str = "acme", price_nanousd: int | None = None, context: int | None = None, **more: object) -> ModelLine:
    tariff = None if price_nanousd is None else Tariff(input_nanousd=price_nanousd, output_nanousd=2 * price_nanousd)
    model = Model(id=f"{vendor}/{name}", vendor=vendor, upstream_name=name, name=name, tariff=tariff, context_length=context, **more)  # type: ignore[arg-type]
    return ModelLine(model=model, vendor=vendor.title())


LINES = [
    line("small", price_nanousd=100_000_000, context=8_000, capabilities=("chat",), input_modalities=("text",)),
    line("large", price_nanousd=3_000_000_000, context=200_000, capabilities=("chat", "vision"), input_modalities=("text", "image")),
    line("mystery"),
    line("vectors", vendor="other", category="embedding", price_nanousd=0),
]


def names(query: str) -> list[str]:
    return [found.name for found in parse_filter(parse_fields(query)).select(LINES)]


@pytest.mark.parametrize(
    ("query", "expected"),
    [
        ("", ["large", "small", "mystery", "vectors"]),
        ("sort=name", ["large", "mystery", "small", "vectors"]),
        ("q=ACME+lar", ["large"]),
        ("q=other", ["vectors"]),
        ("provider=other", ["vectors"]),
        ("makes=embedding", ["vectors"]),
        ("takes=image", ["large"]),
        ("capability=chat&capability=vision", ["large"]),
        ("min_context=8k", ["large", "small"]),
        ("min_context=8001", ["large"]),
        ("max_price=0.1", ["small", "vectors"]),
        ("max_price=0.099999999", ["vectors"]),
        ("sort=input", ["vectors", "small", "large", "mystery"]),
        ("sort=-input", ["large", "small", "vectors", "mystery"]),
        ("sort=-context", ["large", "small", "mystery", "vectors"]),
        ("environment=nowhere", []),
    ],
)
def test_a_link_lets_through_what_it_says_and_unknown_facts_are_never_taken_for_good(query: str, expected: list[str]) -> None:
    assert names(query) == expected


@pytest.mark.parametrize(
    "query", ["min_context=many", "min_context=9m9", "max_price=cheap", "max_price=-1", "max_price=1e-99999999", "sort=id"]
)
def test_what_a_link_cannot_say_is_refused_with_its_field(query: str) -> None:
    with pytest.raises(ClientError) as refused:
        parse_filter(parse_fields(query))
    assert refused.value.denied.param == query.partition("=")[0]


def test_a_link_keeps_everything_but_what_is_changed() -> None:
    query = "q=a+b&provider=acme&takes=image&capability=chat&min_context=8000&max_price=2.5&environment=live&sort=-input"
    kept = parse_filter(parse_fields(query))
    assert parse_filter(parse_fields(kept.link().partition("?")[2])) == kept
    assert parse_filter(parse_fields(kept.link(page=3).partition("?")[2])).page == 3
    assert parse_filter(parse_fields(kept.sort_link("input").partition("?")[2])).sort == "input"
    assert ModelFilter().link() == "/dashboard/models"


@pytest.mark.parametrize(
    ("nanousd", "text"),
    [(0, "$0.00"), (75_000_000, "$0.075"), (1_250_000_000, "$1.25"), (1, "$0.000000001"), (1_234_000_000_000, "$1,234.00")],
)
def test_a_price_is_written_exactly(nanousd: int, text: str) -> None:
    assert price(nanousd) == text
