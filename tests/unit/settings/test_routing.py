"""What the operator says of routing."""

from collections.abc import Callable

import pytest

from anyrouter.policy.preference import Strategy
from anyrouter.settings import Settings

Load = Callable[..., Settings]
Problems = Callable[..., list[str]]
UPSTREAM = '[[upstreams]]\nid = "one"\nprovider = "alpha"\nbase_url = "http://127.0.0.1:1"\n'


def test_the_order_is_that_of_priority_unless_the_operator_says_otherwise(load: Load) -> None:
    assert load().routing.find_strategy("openai/gpt-4o") is Strategy.PRIORITY
    assert load('[routing]\nstrategy = "price"').routing.find_strategy("openai/gpt-4o") is Strategy.PRICE
    assert load(environ={"ANYROUTER_ROUTING__STRATEGY": "latency"}).routing.strategy is Strategy.LATENCY


def test_the_more_exact_of_the_tables_that_fit_a_model_holds(load: Load) -> None:
    text = """
        [routing]
        strategy = "weighted"
        [[routing.models]]
        model = "openai/*"
        strategy = "latency"
        [[routing.models]]
        model = "openai/gpt-4o"
        strategy = "price"
    """
    find = load(text).routing.find_strategy
    assert [find(name) for name in ("openai/gpt-4o", "openai/o3", "anthropic/claude")] == ["price", "latency", "weighted"]
    everything = '[[{"model": "*", "strategy": "throughput"}]]'[1:-1]
    assert load(environ={"ANYROUTER_ROUTING__MODELS": everything}).routing.find_strategy("any/model") is Strategy.THROUGHPUT


def test_nothing_is_hedged_unless_the_operator_says_so_for_all_or_for_some_models(load: Load) -> None:
    assert not load().routing.is_hedged("openai/gpt-4o")
    assert load("[routing]\nhedge = true").routing.is_hedged("openai/gpt-4o")
    text = """
        [routing]
        hedge = true
        [[routing.models]]
        model = "openai/*"
        hedge = false
        [[routing.models]]
        model = "openai/gpt-4o"
        strategy = "price"
        [[routing.models]]
        model = "openai/o3"
        hedge = true
    """
    routing = load(text).routing
    assert [routing.is_hedged(name) for name in ("openai/gpt-4o", "openai/o3", "anthropic/claude")] == [False, True, True]
    assert [routing.find_strategy(name) for name in ("openai/gpt-4o", "openai/o3")] == ["price", "priority"]


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ('[routing]\nstrategy = "fast"', "routing.strategy: must be 'priority', 'weighted', 'price', 'latency' or 'throughput'"),
        ('[[routing.models]]\nmodel = "openai/*"', "routing.models[0]: says nothing: give it a strategy, hedge or both"),
        ("[routing]\nhedge_floor_s = 0", "routing.hedge_floor_s: must be greater than or equal to 0.01"),
        ('[[routing.models]]\nmodel = "gpt"\nstrategy = "price"', 'routing.models[0].model: must be "vendor/name", "vendor/*" or "*"'),
        ('[[routing.models]]\nmodel = "*/x"\nstrategy = "price"', 'routing.models[0].model: holds a pattern; the only one is "vendor/*"'),
        ('[[routing.models]]\nmodel = "*"\nstrategy = "price"\nweight = 1', "routing.models[0].weight: is not known"),
        ('[[routing.models]]\nmodel = "*"\nstrategy = "price"\n' * 2, "routing: has two tables in models with the same model: keep one"),
        (UPSTREAM + "weight = -1", 'upstreams["one"].weight: must be greater than or equal to 0'),
        (UPSTREAM + "weight = 1.5", 'upstreams["one"].weight: must be a whole number'),
        (UPSTREAM + 'quantization = "q4"', 'upstreams["one"].quantization: must be'),
        (UPSTREAM + 'data_collection = "no"', "upstreams[\"one\"].data_collection: must be 'allow' or 'deny'"),
        (UPSTREAM + 'zdr = "yes"', 'upstreams["one"].zdr: must be true or false'),
    ],
)
def test_what_means_nothing_is_told_at_its_place(problems: Problems, text: str, said: str) -> None:
    (line,) = problems(text)
    assert said in line


def test_what_an_upstream_is_chosen_by_is_unknown_until_the_operator_says_it(load: Load) -> None:
    (plain,) = load(UPSTREAM).upstreams
    assert (plain.weight, plain.region, plain.quantization) == (1, None, None)
    assert (plain.is_collecting, plain.is_retaining, plain.is_distillable) == (None, None, None)
    said = 'weight = 0\nregion = "eu"\nquantization = "fp8"\ndata_collection = "deny"\nzdr = true\ndistillable = true'
    (told,) = load(UPSTREAM + said).upstreams
    assert (told.weight, told.region, told.quantization) == (0, "eu", "fp8")
    assert (told.is_collecting, told.is_retaining, told.is_distillable) == (False, False, True)
    (other,) = load(UPSTREAM + 'data_collection = "allow"\nzdr = false').upstreams
    assert (other.is_collecting, other.is_retaining) == (True, True)
