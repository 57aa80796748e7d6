"""How much a Gemini model is to think: a budget in tokens up to 2.5, a level since 3, and never both.

Source: ai.google.dev/gemini-api/docs/thinking and …/thought-signatures (read 2026-11-24).
"""

import re
from typing import Any

from anyrouter.wire.form.reasoning import ReasoningOptions, budget_of, effort_of
from anyrouter.wire.form.request import Request
from anyrouter.wire.form.warnings import WarningCode, Warnings
from anyrouter.wire.translation.codec import UpstreamModel

Wire = dict[str, Any]
_NAME = re.compile(r"gemini-(\d+)(?:\.(\d+))?(-pro)?")
_FIRST_WITH_LEVELS = 3
_FIRST_THAT_THINKS = (2, 5)
_MAX_BUDGET, _MAX_BUDGET_OF_PRO, _MIN_BUDGET_OF_PRO = 24_576, 32_768, 128
_DYNAMIC = -1
_LEVELS = {"minimal": "MINIMAL", "low": "LOW", "medium": "MEDIUM", "high": "HIGH", "xhigh": "HIGH", "max": "HIGH"}


class Generation:
    """What a model's name tells of it. A name that tells nothing is taken for a recent model's."""

    __slots__ = ("has_levels", "is_pro", "is_thinking", "needs_signatures")

    def __init__(self, name: str) -> None:
        found = _NAME.search(name)
        number = (_FIRST_WITH_LEVELS, 0) if found is None else (int(found[1]), int(found[2] or 0))
        self.is_pro = found is not None and found[3] is not None
        self.has_levels = number[0] >= _FIRST_WITH_LEVELS
        self.is_thinking = number >= _FIRST_THAT_THINKS
        # A call in the current turn without its proof is refused (400), whoever made it.
        self.needs_signatures = found is not None and self.has_levels


def thinking_config(request: Request, model: UpstreamModel, generation: Generation, warnings: Warnings) -> Wire | None:
    """The `thinkingConfig`, None when there is nothing to say."""
    told = request.reasoning
    if told is None:
        return None
    is_off = told.is_enabled is False or told.effort == "none"
    is_asked = not is_off and bool(told.is_enabled or told.effort or told.budget_tokens is not None or told.is_adaptive)
    if model.is_reasoning is False or not generation.is_thinking:
        if is_asked:
            warnings.unsupported("reasoning", "The model does not think before it answers; what was asked of its thinking was left out.")
        return None
    if is_off:
        return _off(generation, warnings)
    wire = _level(told, request.max_tokens, generation) if generation.has_levels else _budget(told, request.max_tokens, generation)
    if not told.is_hidden:
        wire["includeThoughts"] = True
    return wire or None


def _off(generation: Generation, warnings: Warnings) -> Wire:
    if not generation.has_levels and not generation.is_pro:
        return {"thinkingBudget": 0}
    warnings.add(
        WarningCode.CHANGED_VALUE, "reasoning", "The model always thinks before it answers; it is asked for the least that it has."
    )
    if not generation.has_levels:
        return {"thinkingBudget": _MIN_BUDGET_OF_PRO}
    return {"thinkingLevel": "LOW" if generation.is_pro else "MINIMAL"}


def _level(told: ReasoningOptions, max_tokens: int | None, generation: Generation) -> Wire:
    effort = told.effort
    if effort is None and told.budget_tokens is not None:
        effort = effort_of(told.budget_tokens, max_tokens)
    if effort is None:
        return {}
    return {"thinkingLevel": "LOW" if generation.is_pro and effort == "minimal" else _LEVELS[effort]}


def _budget(told: ReasoningOptions, max_tokens: int | None, generation: Generation) -> Wire:
    budget = told.budget_tokens
    if budget is None and told.effort is not None:
        budget = budget_of(told.effort, max_tokens)
    if budget is None:
        return {"thinkingBudget": _DYNAMIC} if told.is_enabled or told.is_adaptive else {}
    return {"thinkingBudget": min(budget, _MAX_BUDGET_OF_PRO if generation.is_pro else _MAX_BUDGET)}
