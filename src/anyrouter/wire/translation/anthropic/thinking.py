"""How the model is to think, as an upstream of the Messages API takes it: `thinking` and `output_config.effort`.

What a model takes differs between generations (`claude_models`). A model of which nothing is known is asked in the oldest way, with a
budget.
"""

from anyrouter.wire.anthropic import NAME
from anyrouter.wire.form.reasoning import MIN_BUDGET, ReasoningOptions, budget_of, effort_of
from anyrouter.wire.form.request import Request
from anyrouter.wire.form.warnings import WarningCode, Warnings
from anyrouter.wire.translation import claude_models as c
from anyrouter.wire.translation.anthropic.shapes import Wire
from anyrouter.wire.translation.codec import UpstreamModel

_DEFAULT_EFFORT = "medium"
_THOUGHTS = frozenset({"thinking", "redacted_thinking"})
_ABOVE_HIGH = frozenset({"xhigh", "max"})


def encode_thinking(
    request: Request, wire: Wire, model: UpstreamModel, traits: frozenset[str], warnings: Warnings, *, is_forced: bool
) -> None:
    """Write `thinking` and the effort. `is_forced`: a tool must be called, which the API does not take together with thinking."""
    told = request.reasoning
    if told is None:
        return
    is_off = told.is_enabled is False or told.effort == "none"
    is_asked = not is_off and (told.is_enabled is True or told.effort is not None or told.budget_tokens is not None)
    if model.is_reasoning is False and c.ADAPTIVE_THINKING not in traits:  # the name tells of a model that is too new for a table
        if is_asked:
            warnings.unsupported("reasoning", "The model does not think before it answers; what was asked of its thinking was left out.")
        return
    is_own = request.dialect == NAME
    effort = _effort_for(told.effort, traits, is_own=is_own)
    if is_off:
        _switch_off(told, effort, wire, traits, warnings)
        return
    if not is_asked:
        return
    is_effort_alone = is_own and told.is_enabled is None and told.budget_tokens is None
    if is_forced and not is_effort_alone:
        message = "The model cannot think when it must call a tool; what was asked of its thinking was left out."
        warnings.unsupported("reasoning", message)
    elif not is_effort_alone:
        is_budgeted = told.budget_tokens is not None and c.NO_THINKING_BUDGET not in traits
        if not is_budgeted and (c.ADAPTIVE_THINKING in traits or (is_own and told.is_adaptive)):
            effort = _think_adaptively(request, told, effort, wire, traits)
        else:
            _think_within_budget(request, told, wire, model, warnings)
    if effort is not None and (c.EFFORT in traits or is_own):
        wire["output_config"] = {"effort": effort}


def _switch_off(told: ReasoningOptions, effort: str | None, wire: Wire, traits: frozenset[str], warnings: Warnings) -> None:
    if c.THINKS_ALWAYS in traits:
        wire["output_config"] = {"effort": effort or "low"}
        message = "The model always thinks; it was asked for the least effort instead of none."
        warnings.add(WarningCode.CHANGED_VALUE, "reasoning", message)
        return
    wire["thinking"] = {"type": "between_tools" if c.THINKS_BETWEEN_TOOLS in traits else "disabled"}
    if effort in _ABOVE_HIGH and c.THINKS_AT_HIGH_EFFORT in traits:
        effort = "high"
        message = f"Without thinking the model takes no more than the effort high, which it was asked for instead of {told.effort}."
        warnings.add(WarningCode.CHANGED_VALUE, "reasoning", message)
    if effort is not None:
        wire["output_config"] = {"effort": effort}


def _think_adaptively(request: Request, told: ReasoningOptions, effort: str | None, wire: Wire, traits: frozenset[str]) -> str | None:
    """Write `thinking`; the effort that a budget amounts to, where the model takes no budget, else the one that was told."""
    thinking: Wire = {"type": "adaptive"}
    if told.is_hidden:
        thinking["display"] = "omitted"
    elif c.HIDES_THINKING in traits or told.summary is not None:
        thinking["display"] = "summarized"
    wire["thinking"] = thinking
    if told.budget_tokens is not None and effort is None:
        return _effort_for(effort_of(told.budget_tokens, request.max_tokens), traits, is_own=False)
    return effort


def _think_within_budget(request: Request, told: ReasoningOptions, wire: Wire, model: UpstreamModel, warnings: Warnings) -> None:
    if _lacks_thought(wire["messages"]):
        message = "The model cannot begin to think in the middle of its tool calls; what was asked of its thinking was left out."
        warnings.unsupported("reasoning", message)
        return
    limit: int = wire["max_tokens"]
    budget = told.budget_tokens or budget_of(told.effort or _DEFAULT_EFFORT, limit)
    if request.max_tokens is None and model.max_output_tokens is None:  # nobody limits the answer, so that there is room for both
        limit = wire["max_tokens"] = max(limit, budget + MIN_BUDGET)
    if limit <= MIN_BUDGET:
        message = f"max_tokens leaves no room for thinking, which takes {MIN_BUDGET} tokens at least; it was left out."
        warnings.unsupported("reasoning", message)
        return
    fitting = max(MIN_BUDGET, min(budget, limit - 1))
    if told.budget_tokens is not None and fitting != budget:
        message = f"The budget for thinking was set to {fitting}: it must be {MIN_BUDGET} at least and less than max_tokens."
        warnings.add(WarningCode.CHANGED_VALUE, "reasoning", message)
    wire["thinking"] = {"type": "enabled", "budget_tokens": fitting}
    if told.is_hidden:
        wire["thinking"]["display"] = "omitted"
    elif told.summary is not None and request.dialect == NAME:
        wire["thinking"]["display"] = "summarized"


def _lacks_thought(turns: list[Wire]) -> bool:
    """Whether the model is answered by its tools and had not thought before it called them: it may not think from then on."""
    if len(turns) < 2 or not _has(turns[-1], "tool_result"):  # noqa: PLR2004 -- the call and the answer
        return False
    content = turns[-2]["content"]
    if not isinstance(content, list):
        return False
    kinds = [block["type"] if isinstance(block, dict) else "" for block in content]
    return "tool_use" in kinds and kinds[0] not in _THOUGHTS


def _has(turn: Wire, kind: str) -> bool:
    content = turn["content"]
    return isinstance(content, list) and isinstance(content[0], dict) and content[0]["type"] == kind


def _effort_for(effort: str | None, traits: frozenset[str], *, is_own: bool) -> str | None:
    """The nearest of the efforts that the model takes; those of a client of the same dialect are taken at their word."""
    if effort is None or effort == "none":
        return None
    if c.KNOWN not in traits:
        return effort if is_own else "low" if effort == "minimal" else effort
    if c.EFFORT not in traits:
        return None
    if effort == "max" and c.EFFORT_MAX not in traits:
        return "high"
    if effort == "xhigh" and c.EFFORT_XHIGH not in traits:
        return "max" if c.EFFORT_MAX in traits else "high"
    return "low" if effort == "minimal" else effort
