from collections.abc import Iterable

import pytest

from anyrouter.wire.translation import claude_models as c
from anyrouter.wire.translation.claude_models import claude_traits

SPELLINGS = {
    "claude-opus-4-5": [
        "claude-opus-4-5-20251101",
        "claude-opus-4-5@20251101",
        "us.anthropic.claude-opus-4-5-20251101-v1:0",
        "anthropic/claude-opus-4.5",
        "Claude-Opus-4-5",
    ],
    "claude-opus-4-0": ["claude-opus-4-20250514", "claude-4-opus-20250514", "claude-opus-4@20250514"],
    "claude-sonnet-3-7": ["claude-3-7-sonnet-20250219", "claude-3.7-sonnet", "anthropic.claude-3-7-sonnet-20250219-v1:0"],
    "claude-opus-5-5": ["anthropic.claude-opus-5-5-v1", "claude-opus-5-5[1m]"],
}


@pytest.mark.parametrize(("name", "other"), [(name, other) for name, others in SPELLINGS.items() for other in others])
def test_every_hosts_spelling_names_the_same_model(name: str, other: str) -> None:
    assert claude_traits(other) == claude_traits(name)


def test_of_other_models_nothing_is_known() -> None:
    assert {claude_traits(name) for name in ("gpt-5", "kimi-k2", "upstream-model", "claudette", "")} == {frozenset()}


# Source: the tables of platform.claude.com/docs for thinking, effort and structured outputs, and the models' migration guides.
MODELS = {
    "claude-3-5-haiku-20241022": {c.NO_OUTPUT_FORMAT},
    "claude-sonnet-4-5": {c.ONE_SAMPLING},
    "claude-opus-4-1": {c.ONE_SAMPLING},
    "claude-opus-4-0": {c.ONE_SAMPLING, c.NO_OUTPUT_FORMAT},
    "claude-opus-4-5": {c.ONE_SAMPLING, c.EFFORT},
    "claude-sonnet-4-6": {c.ONE_SAMPLING, c.ADAPTIVE_THINKING, c.EFFORT, c.EFFORT_MAX},
    "claude-opus-4-7": {c.NO_SAMPLING, c.NO_THINKING_BUDGET, c.HIDES_THINKING, c.EFFORT_XHIGH, c.ADAPTIVE_THINKING, c.EFFORT, c.EFFORT_MAX},
    "claude-haiku-5-5": {c.NO_SAMPLING, c.NO_THINKING_BUDGET, c.ADAPTIVE_THINKING},
    "claude-sonnet-5-5": {c.THINKS_BETWEEN_TOOLS, c.NO_FORCED_TOOLS},
    "claude-opus-5": {c.THINKS_AT_HIGH_EFFORT, c.SYSTEM_TURNS},
    "claude-opus-5-5": {c.THINKS_ALWAYS, c.NO_FORCED_TOOLS, c.SYSTEM_TURNS},
    "claude-fable-5": {c.THINKS_ALWAYS, c.SYSTEM_TURNS, c.NO_SAMPLING},
    "claude-mythos-5-1": {c.THINKS_ALWAYS, c.NO_FORCED_TOOLS},
    "claude-mythos-preview": {c.THINKS_ALWAYS, c.NO_SAMPLING},
}
LACKING = {
    "claude-sonnet-4-5": {c.EFFORT, c.ADAPTIVE_THINKING, c.NO_OUTPUT_FORMAT, c.NO_SAMPLING},
    "claude-opus-4-6": {c.NO_SAMPLING, c.NO_THINKING_BUDGET, c.EFFORT_XHIGH, c.SYSTEM_TURNS},
    "claude-opus-4-7": {c.SYSTEM_TURNS, c.THINKS_ALWAYS},
    "claude-sonnet-5": {c.SYSTEM_TURNS, c.THINKS_BETWEEN_TOOLS, c.NO_FORCED_TOOLS},
    "claude-opus-5": {c.THINKS_ALWAYS, c.NO_FORCED_TOOLS},
    "claude-haiku-5-5": {c.NO_FORCED_TOOLS, c.THINKS_ALWAYS},
    "claude-fable-5": {c.NO_FORCED_TOOLS},
}


@pytest.mark.parametrize(("name", "traits"), MODELS.items(), ids=MODELS)
def test_a_model_has_its_generations_traits(name: str, traits: Iterable[str]) -> None:
    assert claude_traits(name) >= {c.KNOWN, *traits}


@pytest.mark.parametrize(("name", "traits"), LACKING.items(), ids=LACKING)
def test_a_model_has_no_later_generations_traits(name: str, traits: Iterable[str]) -> None:
    assert not claude_traits(name) & set(traits)
