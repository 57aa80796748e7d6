"""Which targets a request's preferences leave out, and by what."""

import json

import pytest

from anyrouter.core.catalogue import PriceTier, Tariff
from anyrouter.policy.candidate import NO_FACTS, TargetFacts
from anyrouter.policy.exclusion import find_reason, select_rate
from anyrouter.policy.preference import Preferences, read_preferences
from support.routing import CHEAP, DEAR, make_group, make_provider, make_target


def reason(
    provider: dict, facts: TargetFacts = NO_FACTS, tariff: Tariff | None = CHEAP, parameters: tuple[str, ...] = (), input_tokens: int = 0
) -> str | None:
    preferences = read_preferences(json.dumps(provider).encode())
    assert isinstance(preferences, Preferences)
    group = make_group(make_target("acme-eu", tariff=tariff, provider=make_provider("acme", "Acme AI")), facts={"acme-eu": facts})
    return find_reason(group.all[0], preferences, parameters, input_tokens)


REGION = TargetFacts(region="eu-west-1")


@pytest.mark.parametrize(
    "name", ["acme-eu", "ACME-EU", "acme", "Acme AI", "acme-ai", "acme/eu-west-1", "Acme AI/EU-west-1", "acme-eu/eu-west-1"]
)
def test_a_target_is_meant_by_any_of_its_names(name: str) -> None:
    assert reason({"ignore": [name]}, REGION) == "ignore"
    assert reason({"only": ["other", name]}, REGION) is None
    assert reason({"order": [name], "allow_fallbacks": False}, REGION) is None


@pytest.mark.parametrize("name", ["acm", "acme/us-east-1", "eu-west-1", "", "acme-eu/"])
def test_a_target_is_not_meant_by_another_name(name: str) -> None:
    assert reason({"ignore": [name]}, REGION) is None
    assert reason({"only": [name]}, REGION) == "only"
    assert reason({"order": [name], "allow_fallbacks": False}, REGION) == "allow_fallbacks: not in order"
    assert reason({"order": [name]}, REGION) is None


@pytest.mark.parametrize(
    ("provider", "facts", "why"),
    [
        ({"data_collection": "deny"}, NO_FACTS, "data_collection: unknown"),
        ({"data_collection": "deny"}, TargetFacts(is_collecting=True), "data_collection: allow"),
        ({"data_collection": "deny"}, TargetFacts(is_collecting=False), None),
        ({"zdr": True}, NO_FACTS, "zdr: unknown"),
        ({"zdr": True}, TargetFacts(is_retaining=True), "zdr: retains"),
        ({"zdr": True}, TargetFacts(is_retaining=False), None),
        ({"enforce_distillable_text": True}, NO_FACTS, "enforce_distillable_text: unknown"),
        ({"enforce_distillable_text": True}, TargetFacts(is_distillable=False), "enforce_distillable_text: not allowed"),
        ({"enforce_distillable_text": True}, TargetFacts(is_distillable=True), None),
        ({"quantizations": ["fp8", "bf16"]}, TargetFacts(quantization="int4"), "quantizations: int4"),
        ({"quantizations": ["fp8", "bf16"]}, TargetFacts(quantization="bf16"), None),
        ({"quantizations": ["fp8"]}, NO_FACTS, "quantizations: unknown"),
        ({"quantizations": ["fp8", "unknown"]}, NO_FACTS, None),
        ({"byok": "only"}, NO_FACTS, "byok: only"),
        ({"byok": "only"}, TargetFacts(is_byok=True), None),
        ({"byok": "never"}, NO_FACTS, None),
        ({"byok": "never"}, TargetFacts(is_byok=True), "byok: never"),
        ({"byok": "prefer"}, NO_FACTS, None),
        ({"byok": "last"}, TargetFacts(is_byok=True), None),
    ],
)
def test_a_promise_is_kept_or_the_target_is_left_out(provider: dict, facts: TargetFacts, why: str | None) -> None:
    assert reason(provider, facts) == why


@pytest.mark.parametrize(
    ("bound", "tariff", "why"),
    [
        ({"prompt": 1, "completion": 2}, CHEAP, None),
        ({"prompt": "0.999999999"}, CHEAP, "max_price.prompt"),
        ({"completion": 1.999999999}, CHEAP, "max_price.completion"),
        ({"request": 0}, CHEAP, None),
        ({"request": "0.005"}, DEAR, None),
        ({"request": "0.004999999"}, DEAR, "max_price.request"),
        ({"prompt": 1000}, None, "max_price: price unknown"),
        ({"prompt": 0}, Tariff(input_nanousd=0, output_nanousd=10**12), None),
    ],
)
def test_a_price_over_the_bound_by_a_nano_dollar_is_over_it(bound: dict, tariff: Tariff | None, why: str | None) -> None:
    assert reason({"max_price": bound}, tariff=tariff) == why


def test_a_long_request_is_judged_by_the_price_that_it_would_pay() -> None:
    tiered = Tariff(
        input_nanousd=10**9, output_nanousd=10**9, tiers=(PriceTier(above_tokens=200_000, input_nanousd=2 * 10**9, output_nanousd=10**9),)
    )
    assert reason({"max_price": {"prompt": 1}}, tariff=tiered, input_tokens=200_000) is None
    assert reason({"max_price": {"prompt": 1}}, tariff=tiered, input_tokens=200_001) == "max_price.prompt"
    assert select_rate(tiered, 0) is tiered


def test_required_parameters_leave_out_only_who_is_known_to_lack_one() -> None:
    required = {"require_parameters": True}
    asked = ("model", "messages", "tools", "seed", "temperature")
    assert reason(required, NO_FACTS, parameters=asked) is None
    assert reason(required, TargetFacts(supported_parameters=frozenset({"tools"})), parameters=asked) is None
    assert reason(required, TargetFacts(supported_parameters=frozenset({"max_tokens"})), parameters=asked) == "require_parameters: tools"
    quirky = TargetFacts(supported_parameters=frozenset(), unsupported_parameters=frozenset({"seed", "logprobs"}))
    assert reason(required, quirky, parameters=asked) == "require_parameters: seed, tools"
    assert reason({"sort": "price"}, quirky, parameters=asked) is None
