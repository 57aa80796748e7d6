"""Preferences, strategy, health and a conversation's place in one answer."""

import json

import pytest

from anyrouter.core.errors import Denied
from anyrouter.policy.candidate import Candidates, Selection, TargetFacts
from anyrouter.policy.circuit import ADMITTED
from anyrouter.policy.outcome import Outcome
from anyrouter.policy.preference import Strategy, read_preferences
from anyrouter.policy.rate_budget import Allowance, Quantity
from anyrouter.policy.selection import list_exclusions, select
from anyrouter.policy.strategy import Demand
from support.routing import CHEAP, DEAR, MODEL, health_of, make_group, make_sick, make_target


def choose(*groups: Candidates, provider: dict | None = None, **demand: object) -> Selection:
    preferences = None if provider is None else read_preferences(json.dumps(provider).encode())
    assert not isinstance(preferences, Denied)
    selection = select(groups, preferences, Demand(**{"now_s": 0.0, **demand}))  # type: ignore[arg-type]
    assert isinstance(selection, Selection)
    return selection


def ids(selection: Selection) -> list[str]:
    return [candidate.target.upstream.id for candidate in selection.candidates]


def pairs(selection: Selection) -> list[tuple[str, str]]:
    return [(candidate.target.model, candidate.target.upstream.id) for candidate in selection.candidates]


ABC = ("a", "b", "c")


def test_without_preferences_it_is_what_the_shortcut_says() -> None:
    group = make_group(*ABC)
    selection = choose(group)
    assert selection.candidates == group.settled.candidates
    assert selection.is_settled
    assert selection.excluded == ()


@pytest.mark.parametrize(
    ("provider", "expected"),
    [
        ({"order": ["c"]}, ["c", "a", "b"]),
        ({"order": ["c", "nobody", "B"]}, ["c", "b", "a"]),
        ({"order": ["c", "a"], "allow_fallbacks": False}, ["c", "a"]),
        ({"allow_fallbacks": False}, ["a"]),
        ({"only": ["b", "c"]}, ["b", "c"]),
        ({"ignore": ["a"]}, ["b", "c"]),
        ({"only": ["b", "c"], "ignore": ["b"], "order": ["c"]}, ["c"]),
        ({"order": ["acme"]}, ["a", "b", "c"]),
        ({"order": ["b", "acme"]}, ["b", "a", "c"]),
        ({"order": []}, ["a", "b", "c"]),
    ],
)
def test_lists_of_names_decide_who_and_in_which_order(provider: dict, expected: list[str]) -> None:
    assert ids(choose(make_group(*ABC), provider=provider)) == expected


def test_who_is_left_out_is_listed_with_the_reason() -> None:
    selection = choose(make_group(*ABC), provider={"ignore": ["a"], "allow_fallbacks": False})
    assert list_exclusions(selection.excluded) == [
        {"upstream": "a", "model": MODEL, "reason": "ignore"},
        {"upstream": "c", "model": MODEL, "reason": "allow_fallbacks: not the first"},
    ]


def test_when_nobody_is_left_the_refusal_names_every_filter() -> None:
    group = make_group(make_target("a", tariff=DEAR), make_target("b", tariff=CHEAP), "c")
    preferences = read_preferences(b'{"max_price":{"prompt":1},"ignore":["b"]}')
    assert not isinstance(preferences, Denied)
    denied = select((group,), preferences, Demand(now_s=0.0))
    assert isinstance(denied, Denied)
    assert (denied.code, denied.http_status, denied.param) == ("no_route", 404, "provider")
    assert denied.message == (
        "The request's provider preferences leave no upstream for vendor/model: "
        "a (max_price.prompt), b (ignore), c (max_price: price unknown)."
    )
    assert [row["reason"] for row in denied.metadata["excluded"]] == ["max_price.prompt", "ignore", "max_price: price unknown"]


def test_what_nobody_declared_is_said_to_be_the_operators_to_declare() -> None:
    denied = select((make_group("a"),), read_preferences(b'{"data_collection":"deny"}'), Demand(now_s=0.0))  # type: ignore[arg-type]
    assert isinstance(denied, Denied)
    assert denied.message.endswith("a (data_collection: unknown). An unknown property is one that the operator has not declared.")


def test_a_sort_goes_before_the_configured_strategy_and_after_the_order() -> None:
    group = make_group(make_target("a", tariff=DEAR), make_target("b", tariff=CHEAP), make_target("c", tariff=DEAR))
    assert ids(choose(group, provider={"sort": "price"})) == ["b", "a", "c"]
    assert ids(choose(group, provider={"sort": "price", "order": ["c"]})) == ["c", "b", "a"]
    assert not choose(group, provider={"sort": "price"}).is_settled


def test_the_configured_strategy_is_used_where_nothing_is_asked() -> None:
    group = make_group(make_target("a", tariff=DEAR), make_target("b", tariff=CHEAP), strategy=Strategy.PRICE)
    assert ids(choose(group)) == ["b", "a"]
    assert not choose(group).is_settled


def test_own_credentials_come_first_or_last_as_asked() -> None:
    group = make_group(*ABC, facts={"b": TargetFacts(is_byok=True)})
    assert ids(choose(group)) == ["a", "b", "c"]
    assert ids(choose(group, provider={"byok": "prefer"})) == ["b", "a", "c"]
    assert ids(choose(group, provider={"byok": "last"})) == ["a", "c", "b"]
    assert ids(choose(group, provider={"byok": "only"})) == ["b"]
    assert ids(choose(group, provider={"byok": "never", "order": ["c"]})) == ["c", "a"]


def test_the_sick_and_the_short_go_to_the_back_and_are_not_left_out() -> None:
    group = make_group("sick", "resting", "well")
    make_sick(health_of(group, "sick"))
    health_of(group, "resting").fail(ADMITTED, 0.0, Outcome.RATE_LIMITED, 60.0)
    selection = choose(group)
    assert ids(selection) == ["well", "resting", "sick"]
    assert not selection.is_settled
    assert ids(choose(group, provider={"order": ["sick", "resting"]})) == ["well", "resting", "sick"]
    assert ids(choose(group, provider={"only": ["sick"]})) == ["sick"]


def test_a_sick_target_is_in_its_place_again_when_a_probe_is_due() -> None:
    group = make_group("sick", "well")
    make_sick(health_of(group, "sick"))
    assert ids(choose(group, now_s=4.9)) == ["well", "sick"]
    assert ids(choose(group, now_s=5.0)) == ["sick", "well"]


def test_a_request_too_large_for_what_is_left_goes_elsewhere_and_a_small_one_does_not() -> None:
    group = make_group("a", "b")
    health_of(group, "a").learn(0.0, {Quantity.TOKENS: Allowance(remaining=500, limit=10_000, reset_s=60.0)})
    assert ids(choose(group, input_tokens=100)) == ["a", "b"]
    assert ids(choose(group, input_tokens=600)) == ["b", "a"]


def test_with_fallback_forbidden_the_first_is_the_first_however_it_is() -> None:
    group = make_group("sick", "well")
    make_sick(health_of(group, "sick"))
    assert ids(choose(group, provider={"allow_fallbacks": False})) == ["sick"]


def test_who_is_slower_than_asked_for_goes_behind_the_others_and_before_the_sick() -> None:
    group = make_group("sick", "slow", "quick")
    make_sick(health_of(group, "sick"))
    for identity, ttft_ms in (("slow", 5000.0), ("quick", 100.0)):
        health_of(group, identity).succeed(ADMITTED, 0.0, 9000.0, ttft_ms, 50.0)
    assert ids(choose(group, provider={"preferred_max_latency": 1})) == ["quick", "slow", "sick"]
    assert ids(choose(group, provider={"preferred_max_latency": {"p99": 10}})) == ["slow", "quick", "sick"]
    assert ids(choose(group, provider={"preferred_min_throughput": 1000})) == ["slow", "quick", "sick"]


def test_who_cannot_do_what_is_asked_goes_last_even_behind_the_sick() -> None:
    group = make_group(
        "unable",
        "able",
        "unknown",
        facts={"unable": TargetFacts(supported_parameters=frozenset()), "able": TargetFacts(supported_parameters=frozenset({"tools"}))},
    )
    make_sick(health_of(group, "able"))
    assert ids(choose(group, parameters=frozenset({"tools"}))) == ["unknown", "able", "unable"]
    assert ids(choose(group, parameters=frozenset({"reasoning"}))) == ["unable", "unknown", "able"]


def test_a_conversation_stays_where_it_is_also_with_an_order() -> None:
    group = make_group(*ABC)
    places = {MODEL: "b"}
    assert ids(choose(group, places=places)) == ["b", "a", "c"]
    assert ids(choose(group, places=places, provider={"order": ["c", "a"]})) == ["b", "c", "a"]
    assert ids(choose(group, places=places, provider={"sort": "price"})) == ["b", "a", "c"]
    assert not choose(group, places=places).is_settled
    assert ids(choose(group, places={"vendor/other": "b"})) == ["a", "b", "c"]


def test_a_conversation_leaves_who_is_ill_gone_or_forbidden() -> None:
    group = make_group(*ABC)
    assert ids(choose(group, places={MODEL: "gone"})) == ["a", "b", "c"]
    assert ids(choose(group, places={MODEL: "b"}, provider={"ignore": ["b"]})) == ["a", "c"]
    assert ids(choose(group, places={MODEL: "b"}, provider={"order": ["a"], "allow_fallbacks": False})) == ["a"]
    health_of(group, "b").fail(ADMITTED, 0.0, Outcome.RATE_LIMITED, 60.0)
    assert ids(choose(group, places={MODEL: "b"})) == ["a", "c", "b"]


def test_a_conversation_leaves_who_cannot_do_what_it_asks_now() -> None:
    group = make_group("a", "b", facts={"b": TargetFacts(supported_parameters=frozenset())})
    assert ids(choose(group, places={MODEL: "b"}, parameters=frozenset({"tools"}))) == ["a", "b"]


def two_models(**facts: TargetFacts) -> tuple[Candidates, Candidates]:
    first = make_group(make_target("a", tariff=DEAR), make_target("b", tariff=DEAR), facts=facts)
    second = make_group(
        make_target("b", tariff=CHEAP, model="vendor/second"), make_target("a", tariff=CHEAP, model="vendor/second"), facts=facts
    )
    return first, second


def test_the_second_model_comes_after_all_targets_of_the_first() -> None:
    first, second = two_models()
    expected = [(MODEL, "a"), (MODEL, "b"), ("vendor/second", "b"), ("vendor/second", "a")]
    assert pairs(choose(first, second)) == expected
    assert pairs(choose(first, second, provider={"sort": "price"})) == expected
    make_sick(health_of(first, "a"))
    assert pairs(choose(first, second)) == [(MODEL, "b"), (MODEL, "a"), *expected[2:]]


def test_sorted_across_models_the_cheaper_model_comes_first() -> None:
    sort = {"sort": {"by": "price", "partition": "none"}}
    assert [model for model, _ in pairs(choose(*two_models(), provider=sort))] == ["vendor/second"] * 2 + [MODEL] * 2
    assert [model for model, _ in pairs(choose(*two_models(), provider={"sort": {"partition": "none"}}))] == [MODEL] * 2 + [
        "vendor/second"
    ] * 2


def test_without_fallback_every_model_has_its_first() -> None:
    assert pairs(choose(*two_models(), provider={"allow_fallbacks": False})) == [(MODEL, "a"), ("vendor/second", "b")]
    sort = {"sort": {"by": "price", "partition": "none"}, "allow_fallbacks": False}
    assert pairs(choose(*two_models(), provider=sort)) == [("vendor/second", "b")]


def test_a_model_of_which_nothing_is_left_gives_way_to_the_next() -> None:
    selection = choose(*two_models(), provider={"max_price": {"prompt": 1}})
    assert pairs(selection) == [("vendor/second", "b"), ("vendor/second", "a")]
    assert [(row.model, row.reason) for row in selection.excluded] == [(MODEL, "max_price.prompt")] * 2
