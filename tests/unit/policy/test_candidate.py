"""Targets as routing sees them, and the answer that needs no thinking."""

from dataclasses import replace
from datetime import date

import pytest

from anyrouter.core.provider import Effect, Quirk, Source
from anyrouter.policy.candidate import NO_FACTS, TargetFacts, list_names, list_parameters, list_unsupported
from anyrouter.policy.health import HealthBook
from anyrouter.policy.outcome import Outcome
from anyrouter.policy.preference import Strategy
from anyrouter.wire.members import Members
from support.routing import MODEL, health_of, make_group, make_provider, make_sick, make_target

PAGE = Source(page="https://acme.test/docs", checked=date(2026, 11, 1))


def test_candidates_are_in_the_order_of_priority_and_equal_ones_as_configured() -> None:
    group = make_group(make_target("c", priority=1), make_target("b"), make_target("a"), make_target("d", priority=1))
    assert [candidate.target.upstream.id for candidate in group.all] == ["b", "a", "c", "d"]
    assert [candidate.position for candidate in group.all] == [0, 1, 2, 3]
    assert group.model == MODEL


def test_a_target_answers_to_all_its_names_with_and_without_its_region() -> None:
    target = make_target("Acme-EU", provider=make_provider("acme", "Acme AI Studio"))
    assert list_names(target, None) == {"acme-eu", "acme", "acme ai studio", "acme-ai-studio"}
    assert list_names(target, "EU-West-1") == list_names(target, None) | {f"{name}/eu-west-1" for name in list_names(target, None)}


def test_a_single_well_target_is_the_answer_at_once_and_so_is_a_single_sick_one() -> None:
    group = make_group("one", strategy=Strategy.WEIGHTED)
    assert group.shortcut(remembered=5) is group.settled
    make_sick(group.all[0].health)
    assert group.shortcut() is group.settled


def test_several_well_targets_by_priority_are_the_answer_at_once() -> None:
    group = make_group("one", "two")
    assert group.shortcut() is group.settled
    assert group.settled.candidates == group.all
    assert group.settled.is_settled


@pytest.mark.parametrize("strategy", [strategy for strategy in Strategy if strategy is not Strategy.PRIORITY])
def test_other_strategies_have_to_think(strategy: Strategy) -> None:
    assert make_group("one", "two", strategy=strategy).shortcut() is None


def test_a_remembered_conversation_or_an_ill_target_has_to_be_thought_about() -> None:
    group = make_group("one", "two")
    assert group.shortcut(remembered=1) is None
    health_of(group, "two").fail(1, 0.0, Outcome.RATE_LIMITED, 5.0)
    assert group.shortcut() is None


def test_targets_of_different_ability_have_to_be_thought_about() -> None:
    able = TargetFacts(supported_parameters=frozenset({"tools"}))
    assert make_group("one", "two", facts={"one": able}).shortcut() is None
    assert make_group("one", "two", facts={"one": able, "two": able}).shortcut() is not None
    assert make_group("one", "two", facts={"two": TargetFacts(unsupported_parameters=frozenset({"seed"}))}).shortcut() is None


def test_models_of_one_upstream_have_a_health_each_and_environments_share_it() -> None:
    book = HealthBook()
    one, again, other = (make_group(make_target("one", model=model), book=book) for model in (MODEL, MODEL, "vendor/other"))
    assert one.all[0].health is again.all[0].health
    assert one.all[0].health is not other.all[0].health


@pytest.mark.parametrize(
    ("facts", "lacking"),
    [
        (NO_FACTS, []),
        (TargetFacts(supported_parameters=frozenset()), ["reasoning_effort", "tools"]),
        (TargetFacts(supported_parameters=frozenset({"tools", "reasoning"})), []),
        (
            TargetFacts(supported_parameters=frozenset({"tools"}), unsupported_parameters=frozenset({"tools", "seed"})),
            ["reasoning_effort", "seed", "tools"],
        ),
        (TargetFacts(unsupported_parameters=frozenset({"logprobs"})), []),
    ],
)
def test_what_a_target_lacks_is_what_is_known_to_be_missing(facts: TargetFacts, lacking: list[str]) -> None:
    group = make_group("one", facts={"one": facts})
    assert sorted(group.all[0].lacks({"model", "messages", "temperature", "seed", "tools", "reasoning_effort"})) == lacking


def test_a_member_that_is_null_asks_for_nothing() -> None:
    members = Members(b'{"model":"m","tools":null,"seed":0,"stream":false}')
    assert list_parameters(members) == {"model", "seed", "stream"}


def test_what_a_providers_row_says_is_left_out_is_lacking() -> None:
    quirks = (
        Quirk(members=("logit_bias", "n"), effect=Effect.UNSUPPORTED, source=PAGE),
        Quirk(members=("seed",), effect=Effect.UNSUPPORTED, source=PAGE, models="small-"),
        Quirk(members=("user",), effect=Effect.RENAMED, to="account", source=PAGE),
        Quirk(members=("top_k",), effect=Effect.UNSUPPORTED, source=PAGE, dialect="anthropic"),
    )
    provider = replace(make_provider(), quirks=quirks)
    assert list_unsupported(provider, "large-1", "openai") == {"logit_bias", "n"}
    assert list_unsupported(provider, "small-1", "openai") == {"logit_bias", "n", "seed"}
    assert list_unsupported(provider, "small-1", "anthropic") == {"top_k"}
