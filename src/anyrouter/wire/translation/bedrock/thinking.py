"""How the model is to think: what its makers call it stands among the model's own fields, and an effort in `outputConfig`.

Source: docs.aws.amazon.com/bedrock/latest/userguide (claude-messages-extended-thinking, claude-messages-adaptive-thinking) and
docs.aws.amazon.com/nova/latest/nova2-userguide/extended-thinking.html (read 2026-11-24); for what a Claude takes, `claude_models`.
"""

from typing import Any

from anyrouter.wire.form.reasoning import MIN_BUDGET, ReasoningOptions, budget_of, effort_of
from anyrouter.wire.form.request import Request
from anyrouter.wire.form.warnings import WarningCode, Warnings
from anyrouter.wire.translation import claude_models as c
from anyrouter.wire.translation.bedrock.model_facts import ModelFacts
from anyrouter.wire.translation.codec import UpstreamModel

Wire = dict[str, Any]
_DEFAULT_EFFORT = "medium"
_DEFAULT_MAX_TOKENS = 4096
_THREE_EFFORTS = {"minimal": "low", "low": "low", "medium": "medium", "high": "high", "xhigh": "high", "max": "high"}


class ThinkingWires:
    """Where thinking is written: the model's own fields, the output's and the inference's."""

    __slots__ = ("fields", "inference", "output", "turns")

    def __init__(self, turns: list[Wire], inference: Wire) -> None:
        self.turns, self.inference = turns, inference
        self.fields: Wire = {}
        self.output: Wire = {}


def encode_thinking(
    request: Request, wires: ThinkingWires, model: UpstreamModel, facts: ModelFacts, warnings: Warnings, *, is_forced: bool
) -> None:
    """Write what is asked of the thinking. `is_forced`: a tool must be called, which goes with thinking nowhere."""
    told = request.reasoning
    if told is None:
        return
    is_off = told.is_enabled is False or told.effort == "none"
    is_asked = not is_off and bool(told.is_enabled or told.effort or told.budget_tokens is not None or told.is_adaptive)
    if model.is_reasoning is False:
        if is_asked:
            warnings.unsupported("reasoning", "The model does not think before it answers; what was asked of its thinking was left out.")
    elif is_off:
        _switch_off(wires, facts, warnings)
    elif is_asked and is_forced and (facts.is_claude or facts.is_nova):
        warnings.unsupported("reasoning", "The model cannot think when it must call a tool; what was asked of its thinking was left out.")
    elif is_asked and facts.is_claude:
        _encode_claude(request, wires, model, facts, warnings)
    elif is_asked:
        _encode_other(request, told, wires, facts, warnings)


def _switch_off(wires: ThinkingWires, facts: ModelFacts, warnings: Warnings) -> None:
    traits = facts.claude
    if c.THINKS_ALWAYS in traits or facts.has_effort:
        if facts.has_effort:
            wires.fields["reasoning_effort"] = "low"
        else:
            wires.output["effort"] = "low"
        message = "The model always thinks; it was asked for the least effort instead of none."
        warnings.add(WarningCode.CHANGED_VALUE, "reasoning", message)
    elif c.ADAPTIVE_THINKING in traits:  # the others do not think unless they are asked to
        wires.fields["thinking"] = {"type": "between_tools" if c.THINKS_BETWEEN_TOOLS in traits else "disabled"}


def _encode_claude(request: Request, wires: ThinkingWires, model: UpstreamModel, facts: ModelFacts, warnings: Warnings) -> None:
    told, traits = request.reasoning, facts.claude
    assert told is not None  # noqa: S101 -- the caller has looked
    effort = _effort_for(told.effort, traits)
    is_budgeted = told.budget_tokens is not None and c.NO_THINKING_BUDGET not in traits
    if is_budgeted or c.ADAPTIVE_THINKING not in traits:
        _think_within_budget(request, wires, model, warnings)
    else:
        thinking: Wire = {"type": "adaptive"}
        if told.is_hidden:
            thinking["display"] = "omitted"
        elif c.HIDES_THINKING in traits or told.summary is not None:
            thinking["display"] = "summarized"
        wires.fields["thinking"] = thinking
        if told.budget_tokens is not None and effort is None:
            effort = _effort_for(effort_of(told.budget_tokens, request.max_tokens), traits)
    if effort is not None:
        wires.output["effort"] = effort


def _think_within_budget(request: Request, wires: ThinkingWires, model: UpstreamModel, warnings: Warnings) -> None:
    told = request.reasoning
    assert told is not None  # noqa: S101 -- the caller has looked
    if _lacks_thought(wires.turns):
        message = "The model cannot begin to think in the middle of its tool calls; what was asked of its thinking was left out."
        warnings.unsupported("reasoning", message)
        return
    limit = request.max_tokens if request.max_tokens is not None else model.max_output_tokens or _DEFAULT_MAX_TOKENS
    budget = told.budget_tokens or budget_of(told.effort or _DEFAULT_EFFORT, limit)
    if request.max_tokens is None:
        if model.max_output_tokens is None:  # nobody limits the answer, so that there is room for both
            limit = max(limit, budget + MIN_BUDGET)
        wires.inference["maxTokens"] = limit
    if limit <= MIN_BUDGET:
        message = f"max_tokens leaves no room for thinking, which takes {MIN_BUDGET} tokens at least; it was left out."
        warnings.unsupported("reasoning", message)
        return
    fitting = max(MIN_BUDGET, min(budget, limit - 1))
    if told.budget_tokens is not None and fitting != budget:
        message = f"The budget for thinking was set to {fitting}: it must be {MIN_BUDGET} at least and less than max_tokens."
        warnings.add(WarningCode.CHANGED_VALUE, "reasoning", message)
    wires.fields["thinking"] = {"type": "enabled", "budget_tokens": fitting}


def _encode_other(request: Request, told: ReasoningOptions, wires: ThinkingWires, facts: ModelFacts, warnings: Warnings) -> None:
    """Models whose thinking has three efforts, or none to choose from."""
    if told.effort is None and told.budget_tokens is not None:
        effort = _THREE_EFFORTS[effort_of(told.budget_tokens, request.max_tokens)]
    else:
        effort = _THREE_EFFORTS[told.effort or _DEFAULT_EFFORT]
    if facts.is_nova_2:
        if effort == "high" and (request.max_tokens is not None or request.temperature is not None or request.top_p is not None):
            effort = "medium"
            message = "The model takes no limit and no sampling beside the effort high; it was asked for medium."
            warnings.add(WarningCode.CHANGED_VALUE, "reasoning", message)
        wires.fields["reasoningConfig"] = {"type": "enabled", "maxReasoningEffort": effort}
    elif facts.has_effort:
        wires.fields["reasoning_effort"] = effort
    else:
        warnings.unsupported("reasoning", "The model thinks in its own way or not at all; what was asked of its thinking was left out.")


def _effort_for(effort: str | None, traits: frozenset[str]) -> str | None:
    """The nearest of the efforts that the model takes."""
    if effort is None or c.EFFORT not in traits:
        return None
    if effort == "max" and c.EFFORT_MAX not in traits:
        return "high"
    if effort == "xhigh" and c.EFFORT_XHIGH not in traits:
        return "max" if c.EFFORT_MAX in traits else "high"
    return "low" if effort == "minimal" else effort


def _lacks_thought(turns: list[Wire]) -> bool:
    """Whether the model is answered by its tools and had not thought before it called them: it may not think from then on."""
    if len(turns) < 2 or "toolResult" not in turns[-1]["content"][0]:  # noqa: PLR2004 -- the call and the answer
        return False
    blocks = [block for block in turns[-2]["content"] if isinstance(block, dict)]
    return any("toolUse" in block for block in blocks) and "reasoningContent" not in blocks[0]
