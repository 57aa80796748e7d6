"""How much a model is to think, by its generation."""

from typing import Any

import pytest

from anyrouter.wire.form.reasoning import ReasoningOptions
from anyrouter.wire.form.request import Request
from anyrouter.wire.form.warnings import Warnings
from anyrouter.wire.translation.codec import UpstreamModel
from anyrouter.wire.translation.gemini.thinking import Generation, thinking_config

HIDDEN = {"is_hidden": True}


def config(name: str, *, is_reasoning: bool | None = None, max_tokens: int | None = None, **told: Any) -> tuple[Any, list[str]]:
    request = Request(dialect="openai", model="m", messages=[], max_tokens=max_tokens, reasoning=ReasoningOptions(**told) if told else None)
    warnings = Warnings()
    found = thinking_config(request, UpstreamModel(name=name, is_reasoning=is_reasoning), Generation(name), warnings)
    return found, [code for code, _ in warnings.found]


@pytest.mark.parametrize(
    ("name", "told", "expected"),
    [
        ("gemini-2.5-flash", {}, None),
        ("gemini-2.5-flash", {"effort": "low", **HIDDEN}, {"thinkingBudget": 6400}),
        ("gemini-2.5-flash", {"effort": "high", **HIDDEN}, {"thinkingBudget": 24576}),
        ("gemini-2.5-pro", {"effort": "xhigh", **HIDDEN}, {"thinkingBudget": 30400}),
        ("gemini-2.5-flash", {"budget_tokens": 100, "is_hidden": False}, {"thinkingBudget": 100, "includeThoughts": True}),
        ("gemini-2.5-flash", {"is_adaptive": True, **HIDDEN}, {"thinkingBudget": -1}),
        ("models/gemini-3-flash-preview", {"effort": "minimal", **HIDDEN}, {"thinkingLevel": "MINIMAL"}),
        ("gemini-3.1-pro-preview", {"effort": "minimal", **HIDDEN}, {"thinkingLevel": "LOW"}),
        ("gemini-3-flash-preview", {"effort": "max", **HIDDEN}, {"thinkingLevel": "HIGH"}),
        ("gemini-3-flash-preview", {"budget_tokens": 4000, **HIDDEN}, {"thinkingLevel": "LOW"}),
        ("gemini-flash-latest", {"effort": "medium", **HIDDEN}, {"thinkingLevel": "MEDIUM"}),
        ("gemini-3-flash-preview", {"is_enabled": True}, {"includeThoughts": True}),
        ("gemini-3-flash-preview", HIDDEN, None),
        ("gemini-2.5-flash", {"is_enabled": False}, {"thinkingBudget": 0}),
    ],
)
def test_an_effort_is_a_level_since_the_third_generation_and_a_budget_before(name: str, told: dict[str, Any], expected: Any) -> None:
    assert config(name, **told) == (expected, [])


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("gemini-2.5-pro", {"thinkingBudget": 128}),
        ("gemini-3-flash-preview", {"thinkingLevel": "MINIMAL"}),
        ("gemini-3-pro-preview", {"thinkingLevel": "LOW"}),
    ],
)
def test_a_model_that_cannot_stop_thinking_thinks_the_least_and_it_is_said(name: str, expected: Any) -> None:
    assert config(name, effort="none") == (expected, ["changed_value"])


def test_a_model_that_does_not_think_is_not_asked_to() -> None:
    assert config("gemini-2.0-flash", effort="high") == (None, ["unsupported_parameter"])
    assert config("gemini-2.0-flash", is_enabled=False) == (None, [])
    assert config("gemini-3-flash-preview", is_reasoning=False, budget_tokens=5000) == (None, ["unsupported_parameter"])
    assert config("gemini-2.0-flash", is_hidden=True) == (None, [])
