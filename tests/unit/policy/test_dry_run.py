"""What would become of a request, without sending it."""

import json

import pytest

from anyrouter.core.errors import Denied
from anyrouter.policy.candidate import Selection, TargetFacts
from anyrouter.policy.circuit import ADMITTED
from anyrouter.policy.dry_run import PriceRange, bound_price, explain, render
from anyrouter.policy.outcome import Outcome
from anyrouter.policy.preference import read_preferences
from anyrouter.policy.selection import select
from anyrouter.policy.strategy import Demand
from support.routing import CHEAP, DEAR, MODEL, health_of, make_group, make_sick, make_target


def selected(provider: dict | None = None) -> Selection | Denied:
    group = make_group(
        make_target("dear", tariff=DEAR),
        make_target("cheap", tariff=CHEAP),
        make_target("free"),
        make_target("late", priority=1),
        facts={"dear": TargetFacts(region="eu", weight=3)},
    )
    make_sick(health_of(group, "cheap"))
    health_of(group, "free").fail(ADMITTED, 0.0, Outcome.RATE_LIMITED, 60.0)
    preferences = None if provider is None else read_preferences(json.dumps(provider).encode())
    assert not isinstance(preferences, Denied)
    return select((group,), preferences, Demand(now_s=0.0, input_tokens=1000))


def test_it_shows_the_targets_in_the_order_of_the_real_request_with_what_stands_against_them() -> None:
    data = render(explain(selected({"ignore": ["late"]}), 0.0, input_tokens=1000, output_tokens=500))
    assert [(row["upstream"], row["health"]) for row in data["targets"]] == [("dear", "well"), ("free", "short"), ("cheap", "sick")]
    assert data["targets"][0] == {
        "upstream": "dear",
        "provider": "Acme AI Studio",
        "model": MODEL,
        "upstream_model": "model",
        "priority": 0,
        "weight": 3,
        "region": "eu",
        "quantization": None,
        "is_byok": False,
        "health": "well",
        "pricing_per_million": {"prompt": 3.0, "completion": 9.0},
    }
    assert data["excluded"] == [{"upstream": "late", "model": MODEL, "reason": "ignore"}]
    assert data["allowed"] is True
    assert "error" not in data
    json.dumps(data)


def test_the_price_is_from_the_cheapest_without_an_answer_to_the_dearest_with_the_longest() -> None:
    data = render(explain(selected(), 0.0, input_tokens=1000, output_tokens=500))
    assert data["price"] == {
        "currency": "usd",
        "input_tokens": 1000,
        "max_output_tokens": 500,
        "min": 0.001,  # 1,000 tokens at 1 USD per million
        "max": 0.0125,  # 0.003 + 0.0045 + 0.005 for the request
        "price_unknown": True,
    }


def test_an_answer_without_a_bound_has_no_highest_price() -> None:
    data = render(explain(selected({"only": ["cheap"]}), 0.0, input_tokens=1000, output_tokens=None))
    assert (data["price"]["min"], data["price"]["max"], data["price"]["price_unknown"]) == (0.001, None, False)


def test_where_no_price_is_known_there_is_none() -> None:
    assert bound_price(make_group("free").all, 10, 10) is None
    data = render(explain(selected({"only": ["free"]}), 0.0, input_tokens=1000, output_tokens=10))
    assert (data["price"]["min"], data["price"]["max"], data["price"]["price_unknown"]) == (None, None, True)


def test_a_refusal_by_the_preferences_is_shown_with_its_exclusions() -> None:
    data = render(explain(selected({"only": ["nobody"]}), 0.0, input_tokens=1000, output_tokens=None))
    assert (data["targets"], data["allowed"]) == ([], False)
    assert [row["upstream"] for row in data["excluded"]] == ["dear", "cheap", "free", "late"]
    assert (data["error"]["code"], data["error"]["status"], data["error"]["param"]) == ("no_route", 404, "provider")


def test_a_refusal_of_the_keys_is_shown_beside_the_targets() -> None:
    denied = Denied(code="rate_limited", message="Too many requests.")
    data = render(explain(selected(), 0.0, input_tokens=1, output_tokens=1, denied=denied))
    assert (data["allowed"], data["error"]["code"], data["error"]["status"], len(data["targets"])) == (False, "rate_limited", 429, 4)


def test_what_the_bound_is_made_of() -> None:
    group = make_group(make_target("a", tariff=CHEAP), make_target("b", tariff=DEAR))
    assert bound_price(group.all, 10**6, 10**6) == PriceRange(
        least_nanousd=10**9, most_nanousd=12 * 10**9 + 5_000_000, is_price_unknown=False
    )


@pytest.mark.parametrize("output_tokens", [0, None])
def test_looking_takes_no_permit(output_tokens: int | None) -> None:
    group = make_group("sick")
    make_sick(health_of(group, "sick"))
    for _ in range(50):
        render(explain(select((group,), None, Demand(now_s=5.0)), 5.0, input_tokens=1, output_tokens=output_tokens))
    assert health_of(group, "sick").admit(5.0) > ADMITTED
