"""The order of targets by each strategy."""

from collections import Counter

import pytest

from anyrouter.core.catalogue import PriceTier, Tariff
from anyrouter.policy.candidate import Candidate, Candidates, TargetFacts
from anyrouter.policy.circuit import ADMITTED
from anyrouter.policy.outcome import Outcome
from anyrouter.policy.preference import Cutoff, Strategy
from anyrouter.policy.strategy import Demand, arrange, misses
from support.routing import CHEAP, health_of, make_group, make_target


def ids(candidates: list[Candidate]) -> list[str]:
    return [candidate.target.upstream.id for candidate in candidates]


def order(group: Candidates, strategy: Strategy, **demand: object) -> list[str]:
    return ids(arrange(group.all, strategy, Demand(**{"now_s": 0.0, **demand})))  # type: ignore[arg-type]


def measure(group: Candidates, identity: str, *measured: float, times: int = 3) -> None:
    """`measured`: latency, time to first token, speed."""
    for _ in range(times):
        health_of(group, identity).succeed(ADMITTED, 0.0, *measured)


def test_priority_is_the_order_that_they_come_in() -> None:
    assert order(make_group(make_target("b", priority=1), "a", "c"), Strategy.PRIORITY, random=0.9) == ["a", "c", "b"]


def test_price_is_what_this_request_costs() -> None:
    for_input = Tariff(input_nanousd=10, output_nanousd=1000)
    for_output = Tariff(input_nanousd=1000, output_nanousd=10)
    group = make_group(make_target("unknown"), make_target("in", tariff=for_input), make_target("out", tariff=for_output))
    assert order(group, Strategy.PRICE, input_tokens=10**6, output_tokens=10) == ["in", "out", "unknown"]
    assert order(group, Strategy.PRICE, input_tokens=10, output_tokens=10**6) == ["out", "in", "unknown"]


def test_equal_prices_keep_their_order_and_tiers_count() -> None:
    tiered = Tariff(input_nanousd=10**6, output_nanousd=0, tiers=(PriceTier(above_tokens=1000, input_nanousd=10**9, output_nanousd=0),))
    plain = Tariff(input_nanousd=2 * 10**6, output_nanousd=0)
    group = make_group(make_target("plain", tariff=plain), make_target("same", tariff=plain), make_target("tiered", tariff=tiered))
    assert order(group, Strategy.PRICE, input_tokens=1000, output_tokens=0) == ["tiered", "plain", "same"]
    assert order(group, Strategy.PRICE, input_tokens=1001, output_tokens=0) == ["plain", "same", "tiered"]


def test_latency_is_the_time_to_the_first_token_where_that_is_known() -> None:
    group = make_group("slow", "quick", "middle")
    measure(group, "slow", 900.0, 800.0)
    measure(group, "quick", 2000.0, 100.0)
    measure(group, "middle", 300.0)
    assert order(group, Strategy.LATENCY) == ["quick", "middle", "slow"]


def test_the_unmeasured_are_tried_first_until_something_is_known() -> None:
    group = make_group("known", "new")
    measure(group, "known", 100.0)
    assert order(group, Strategy.LATENCY) == ["new", "known"]
    measure(group, "new", 500.0, times=2)
    assert order(group, Strategy.LATENCY, now_s=2.0) == ["new", "known"]
    health_of(group, "new").fail(ADMITTED, 0.0, Outcome.FAILED)
    measure(group, "new", 500.0, times=1)
    assert order(group, Strategy.LATENCY, now_s=4.0) == ["known", "new"]


def test_throughput_is_the_highest_first() -> None:
    group = make_group("slow", "quick", "new")
    measure(group, "slow", 100.0, 10.0, 20.0)
    measure(group, "quick", 100.0, 10.0, 200.0)
    assert order(group, Strategy.THROUGHPUT) == ["new", "quick", "slow"]


def weighted(*weights: int, priorities: tuple[int, ...] = ()) -> Candidates:
    names = [f"w{index}" for index in range(len(weights))]
    targets = [make_target(name, priority=priorities[index] if priorities else 0) for index, name in enumerate(names)]
    return make_group(*targets, facts={name: TargetFacts(weight=weight) for name, weight in zip(names, weights, strict=True)})


def test_weights_are_the_shares_of_first_places() -> None:
    group = weighted(5, 3, 2)
    first = Counter(order(group, Strategy.WEIGHTED, random=(step + 0.5) / 1000)[0] for step in range(1000))
    assert first == {"w0": 500, "w1": 300, "w2": 200}


def test_among_those_that_are_left_weights_are_the_shares_again() -> None:
    group = weighted(5, 3, 2)
    orders = [order(group, Strategy.WEIGHTED, random=(step + 0.5) / 10_000) for step in range(10_000)]
    second = Counter(drawn[1] for drawn in orders if drawn[0] == "w0")
    assert second["w1"] == pytest.approx(3000, abs=5)
    assert second["w2"] == pytest.approx(2000, abs=5)


def test_a_weight_of_zero_is_for_fallback_only() -> None:
    assert {order(weighted(0, 1, 0), Strategy.WEIGHTED, random=step / 100)[0] for step in range(100)} == {"w1"}
    assert order(weighted(0, 0), Strategy.WEIGHTED, random=0.7) == ["w0", "w1"]


def test_weights_hold_within_a_priority() -> None:
    group = weighted(1, 100, 1, 1, priorities=(0, 1, 0, 1))
    for step in range(100):
        assert set(order(group, Strategy.WEIGHTED, random=step / 100)[:2]) == {"w0", "w2"}


@pytest.mark.parametrize("random", [0.0, 0.999999999999999889, 1.0])
def test_the_ends_of_the_range_draw_somebody(random: float) -> None:
    assert sorted(order(weighted(1, 2, 0), Strategy.WEIGHTED, random=random)) == ["w0", "w1", "w2"]


@pytest.mark.parametrize("strategy", list(Strategy))
def test_one_target_is_in_order(strategy: Strategy) -> None:
    assert order(make_group(make_target("one", tariff=CHEAP)), strategy) == ["one"]


def test_a_threshold_is_missed_by_who_was_measured_and_is_slower() -> None:
    group = make_group("one", "new")
    measure(group, "one", 3000.0, 1000.0, 50.0, times=9)
    measure(group, "one", 9000.0, 5000.0, 5.0, times=1)
    one, new = group.all
    assert not misses(one, (Cutoff(50, 1.2), Cutoff(90, 1.2)), (Cutoff(50, 40.0), Cutoff(90, 40.0)), 0.0)
    assert misses(one, (Cutoff(50, 0.8),), (), 0.0)
    assert misses(one, (Cutoff(50, 1.2), Cutoff(99, 4.0)), (), 0.0)
    assert misses(one, (), (Cutoff(50, 60.0),), 0.0)
    assert misses(one, (), (Cutoff(99, 40.0),), 0.0)
    assert not misses(new, (Cutoff(50, 0.001),), (Cutoff(50, 10_000.0),), 0.0)


def test_without_streams_a_threshold_of_latency_is_for_the_whole_answer() -> None:
    group = make_group("one")
    measure(group, "one", 3000.0)
    assert misses(group.all[0], (Cutoff(50, 2.0),), (Cutoff(50, 1.0),), 0.0)
    assert not misses(group.all[0], (Cutoff(50, 4.0),), (Cutoff(50, 1.0),), 0.0)
