"""What the `provider` member of a request means, and what is said of one that means nothing."""

import json
from decimal import Decimal

import pytest

from anyrouter.core.errors import Denied
from anyrouter.policy.preference import (
    MAX_NAME_LENGTH,
    MAX_NAMES,
    NO_PREFERENCES,
    Byok,
    Cutoff,
    Preferences,
    PriceBound,
    Strategy,
    read_preferences,
    sort_by_variant,
)


def read(value: object) -> Preferences | Denied | None:
    return read_preferences(json.dumps(value).encode())


def test_every_member_is_read() -> None:
    assert read(
        {
            "order": ["OpenAI", " azure-EU "],
            "only": ["openai", "Azure-eu"],
            "ignore": ["Bedrock/us-east-1"],
            "allow_fallbacks": False,
            "sort": "latency",
            "max_price": {"prompt": 1, "completion": "2.5", "request": 0.01, "image": 3},
            "require_parameters": True,
            "data_collection": "deny",
            "zdr": True,
            "enforce_distillable_text": True,
            "quantizations": ["FP8", "bf16"],
            "preferred_max_latency": 2,
            "preferred_min_throughput": {"p50": 100, "p90": 50.5},
            "byok": "prefer",
            "hedge": False,
        }
    ) == Preferences(
        order=("openai", "azure-eu"),
        only=("openai", "azure-eu"),
        ignore=("bedrock/us-east-1",),
        is_fallback_allowed=False,
        sort=Strategy.LATENCY,
        max_price=PriceBound(prompt_nanousd=10**9, completion_nanousd=2_500_000_000, request_nanousd=10_000_000),
        is_requiring_parameters=True,
        is_collection_denied=True,
        is_retention_denied=True,
        is_distillation_needed=True,
        quantizations=frozenset({"fp8", "bf16"}),
        latency=(Cutoff(50, 2.0),),
        throughput=(Cutoff(50, 100.0), Cutoff(90, 50.5)),
        byok=Byok.PREFER,
        is_hedged=False,
    )


@pytest.mark.parametrize(
    "raw",
    [
        None,
        b"null",
        b"{}",
        b"{ }",
        b'"openai"',
        b"[]",
        b"7",
        b"true",
        b'{"order":null,"only":[],"sort":null,"max_price":{},"byok":null}',
        b'{"allow_fallbacks":true,"require_parameters":false,"data_collection":"allow","zdr":false}',
        b'{"an_unknown_member":{"anything":[1]},"max_price":{"image":1,"audio":"2"}}',
        b'{"sort":{"by":null,"partition":"model"}}',
    ],
)
def test_what_asks_for_nothing_is_no_preference_and_no_error(raw: bytes | None) -> None:
    assert read_preferences(raw) is None


@pytest.mark.parametrize(
    ("value", "param"),
    [
        ({"order": "openai"}, "provider.order"),
        ({"order": ["a", 7]}, "provider.order"),
        ({"order": {"a": 1}}, "provider.order"),
        ({"only": ["x" * (MAX_NAME_LENGTH + 1)]}, "provider.only"),
        ({"ignore": ["x"] * (MAX_NAMES + 1)}, "provider.ignore"),
        ({"allow_fallbacks": "no"}, "provider.allow_fallbacks"),
        ({"allow_fallbacks": 0}, "provider.allow_fallbacks"),
        ({"require_parameters": 1}, "provider.require_parameters"),
        ({"zdr": "true"}, "provider.zdr"),
        ({"data_collection": "never"}, "provider.data_collection"),
        ({"data_collection": True}, "provider.data_collection"),
        ({"sort": "speed"}, "provider.sort"),
        ({"sort": "weighted"}, "provider.sort"),
        ({"sort": ["price"]}, "provider.sort"),
        ({"sort": {"by": "speed"}}, "provider.sort.by"),
        ({"sort": {"by": "price", "partition": "all"}}, "provider.sort.partition"),
        ({"max_price": 1}, "provider.max_price"),
        ({"max_price": {"prompt": -1}}, "provider.max_price.prompt"),
        ({"max_price": {"completion": "a lot"}}, "provider.max_price.completion"),
        ({"max_price": {"request": "NaN"}}, "provider.max_price.request"),
        ({"max_price": {"image": "Infinity"}}, "provider.max_price.image"),
        ({"max_price": {"audio": True}}, "provider.max_price.audio"),
        ({"max_price": {"prompt": [1]}}, "provider.max_price.prompt"),
        ({"quantizations": "fp8"}, "provider.quantizations"),
        ({"preferred_max_latency": "1"}, "provider.preferred_max_latency"),
        ({"preferred_max_latency": {"p90": -1}}, "provider.preferred_max_latency.p90"),
        ({"preferred_min_throughput": {"p99": "x"}}, "provider.preferred_min_throughput.p99"),
        ({"byok": "always"}, "provider.byok"),
    ],
)
def test_a_wrong_member_is_a_400_that_names_it(value: object, param: str) -> None:
    denied = read(value)
    assert isinstance(denied, Denied)
    assert (denied.code, denied.http_status, denied.param) == ("invalid_parameter", 400, param)
    assert denied.message.startswith(f"{param} ")


@pytest.mark.parametrize("number", ["1e999999999999", "1e400", "9" * 5000, "1e7", "1" * 400 + ".5", "-0.1"])
def test_a_number_that_no_price_can_be_is_refused_without_computing_it(number: str) -> None:
    for text in (number, f'"{number}"'):
        denied = read_preferences(f'{{"max_price":{{"prompt":{text}}}}}'.encode())
        assert isinstance(denied, Denied)
        assert denied.param in ("provider.max_price", "provider.max_price.prompt")


@pytest.mark.parametrize(
    ("text", "nanousd"),
    [
        ("0.1", 100_000_000),
        ("0.000000001", 1),
        ("0.0000000019", 1),
        ("0.00000000099999999999999999999999999999999999999999999999999999", 0),
        ("1.9999999999999999999999999999999999999999999999999999999999999", 1_999_999_999),
        ("1e-99999999999", 0),
        ("1000000", 10**15),
        ("0", 0),
        ("3", 3 * 10**9),
    ],
)
def test_a_price_is_taken_digit_by_digit_and_rounded_down(text: str, nanousd: int) -> None:
    for value in (text, f'"{text}"'):
        preferences = read_preferences(f'{{"max_price":{{"prompt":{value}}}}}'.encode())
        assert preferences == Preferences(max_price=PriceBound(prompt_nanousd=nanousd))
    assert nanousd <= Decimal(text) * 10**9


def test_of_a_repeated_member_the_last_counts() -> None:
    assert read_preferences(b'{"sort":"price","sort":"latency"}') == Preferences(sort=Strategy.LATENCY)


def test_names_are_kept_once_and_in_their_order() -> None:
    assert read({"order": ["b", "a", "B", "a"]}) == Preferences(order=("b", "a"))


@pytest.mark.parametrize("partition", ["model", "none"])
def test_sort_has_a_long_form(partition: str) -> None:
    assert read({"sort": {"by": "price", "partition": partition}}) == Preferences(
        sort=Strategy.PRICE, is_sorted_across_models=partition == "none"
    )


def test_a_large_object_is_read_as_a_small_one_is() -> None:
    value = {"sort": "price", "filler": "x" * 10_000}
    assert read(value) == read(value) == Preferences(sort=Strategy.PRICE)


def test_an_unknown_member_may_be_as_strange_as_it_likes() -> None:
    deep = b"[" * 500 + b"]" * 500
    assert read_preferences(b'{"zdr":true,"x":' + deep + b',"y":' + b"9" * 5000 + b"}") == Preferences(is_retention_denied=True)


@pytest.mark.parametrize(("variant", "sort"), [("floor", Strategy.PRICE), ("nitro", Strategy.THROUGHPUT), (None, None), ("free", None)])
def test_a_variant_is_an_order_unless_the_request_has_one(variant: str | None, sort: Strategy | None) -> None:
    assert sort_by_variant(None, variant) == (None if sort is None else Preferences(sort=sort))
    plain, sorted_ = Preferences(only=("a",)), Preferences(sort=Strategy.LATENCY)
    assert sort_by_variant(plain, variant) == Preferences(only=("a",), sort=sort)
    assert sort_by_variant(sorted_, variant) is sorted_


def test_no_preferences_are_the_defaults() -> None:
    assert NO_PREFERENCES.is_fallback_allowed
    assert NO_PREFERENCES.sort is NO_PREFERENCES.byok is NO_PREFERENCES.max_price is None
