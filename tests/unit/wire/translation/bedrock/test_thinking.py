"""How a model is asked to think, by what it is."""

import json
from typing import Any

import pytest

from anyrouter.wire.form.parts import Reasoning, Text, ToolCall, ToolResult
from anyrouter.wire.form.reasoning import ANTHROPIC_FORMAT, ReasoningOptions
from anyrouter.wire.form.request import Message, Request
from anyrouter.wire.form.text import quote
from anyrouter.wire.form.tools import ChoiceMode, Tool, ToolChoice
from anyrouter.wire.form.warnings import Warnings
from anyrouter.wire.translation.bedrock.request_encoder import encode_request
from anyrouter.wire.translation.codec import UpstreamModel

BUDGETED = "us.anthropic.claude-sonnet-4-5-20250929-v1:0"
ADAPTIVE = "anthropic.claude-opus-4-6-v1"
LATEST = "anthropic.claude-opus-4-7"
NOVA_2 = "us.amazon.nova-2-lite-v1:0"
GPT = "openai.gpt-oss-120b-1:0"
OTHER = "meta.llama3-3-70b-instruct-v1:0"
ASKED = [Message("user", [Text(quote("Hi"))])]


def think(
    name: str,
    *,
    messages: list[Message] | None = None,
    is_reasoning: bool | None = None,
    limit: int | None = None,
    fields: Any = None,
    **told: Any,
) -> tuple[Any, Any, Any, list[str]]:
    """The model's own fields, the output's effort, the limit, and the codes of the warnings."""
    request = Request(
        **{"dialect": "openai", "model": "m", "messages": messages or ASKED, **(fields or {})}, reasoning=ReasoningOptions(**told)
    )
    warnings = Warnings()
    model = UpstreamModel(name=name, is_reasoning=is_reasoning, max_output_tokens=limit)
    body = json.loads(encode_request(request, model, warnings).body)
    codes = [code for code, _ in warnings.found]
    return body.get("additionalModelRequestFields"), body.get("outputConfig"), body.get("inferenceConfig", {}).get("maxTokens"), codes


@pytest.mark.parametrize(
    ("name", "told", "own", "output"),
    [
        (BUDGETED, {"budget_tokens": 2000}, {"thinking": {"type": "enabled", "budget_tokens": 2000}}, None),
        (BUDGETED, {"effort": "low"}, {"thinking": {"type": "enabled", "budget_tokens": 3200}}, None),
        (BUDGETED, {"is_enabled": False}, None, None),
        (ADAPTIVE, {"budget_tokens": 2000}, {"thinking": {"type": "enabled", "budget_tokens": 2000}}, None),
        (ADAPTIVE, {"effort": "xhigh"}, {"thinking": {"type": "adaptive"}}, {"effort": "max"}),
        (ADAPTIVE, {"is_enabled": True, "is_hidden": True}, {"thinking": {"type": "adaptive", "display": "omitted"}}, None),
        (ADAPTIVE, {"effort": "none"}, {"thinking": {"type": "disabled"}}, None),
        (LATEST, {"budget_tokens": 2000}, {"thinking": {"type": "adaptive", "display": "summarized"}}, {"effort": "low"}),
        (LATEST, {"effort": "minimal"}, {"thinking": {"type": "adaptive", "display": "summarized"}}, {"effort": "low"}),
        (NOVA_2, {"effort": "minimal"}, {"reasoningConfig": {"type": "enabled", "maxReasoningEffort": "low"}}, None),
        (NOVA_2, {"budget_tokens": 12000}, {"reasoningConfig": {"type": "enabled", "maxReasoningEffort": "medium"}}, None),
        (NOVA_2, {"is_enabled": False}, None, None),
        (GPT, {"effort": "xhigh"}, {"reasoning_effort": "high"}, None),
        (OTHER, {"is_enabled": False}, None, None),
        (OTHER, {"is_hidden": True}, None, None),
    ],
)
def test_each_model_is_asked_in_its_own_words(name: str, told: Any, own: Any, output: Any) -> None:
    limit = None if name in {NOVA_2, GPT, OTHER} else 16_000
    found_own, found_output, _, codes = think(name, fields={"max_tokens": limit}, **told)
    assert (found_own, found_output, codes) == (own, output, [])


def test_what_cannot_be_asked_is_warned_of() -> None:
    unsupported = ["unsupported_parameter"]
    assert think(OTHER, effort="high") == (None, None, None, unsupported)
    assert think(ADAPTIVE, effort="high", is_reasoning=False) == (None, None, None, unsupported)
    assert think(ADAPTIVE, is_enabled=False, is_reasoning=False) == (None, None, None, [])
    assert think(BUDGETED, effort="high", fields={"max_tokens": 500}) == (None, None, 500, unsupported)
    forced = {"tools": [Tool("f")], "tool_choice": ToolChoice(ChoiceMode.REQUIRED)}
    assert think(BUDGETED, effort="high", fields=forced)[0] is None
    assert think(BUDGETED, effort="high", fields=forced)[3] == unsupported
    assert think(GPT, effort="none") == ({"reasoning_effort": "low"}, None, None, ["changed_value"])
    assert think("anthropic.claude-fable-5", effort="none") == (None, {"effort": "low"}, None, ["changed_value"])


def test_a_budget_leaves_room_for_the_answer() -> None:
    assert think(BUDGETED, budget_tokens=10_000) == ({"thinking": {"type": "enabled", "budget_tokens": 10_000}}, None, 11_024, [])
    assert think(BUDGETED, budget_tokens=10_000, limit=8000)[0] == {"thinking": {"type": "enabled", "budget_tokens": 7999}}
    found = think(BUDGETED, budget_tokens=10_000, fields={"max_tokens": 5000})
    assert found == ({"thinking": {"type": "enabled", "budget_tokens": 4999}}, None, 5000, ["changed_value"])


def test_the_greatest_effort_takes_no_limit_beside_it() -> None:
    high = {"reasoningConfig": {"type": "enabled", "maxReasoningEffort": "high"}}
    assert think(NOVA_2, effort="high") == (high, None, None, [])
    own, _, limit, codes = think(NOVA_2, effort="high", fields={"max_tokens": 100})
    assert (own["reasoningConfig"]["maxReasoningEffort"], limit, codes) == ("medium", 100, ["changed_value"])


def test_thinking_does_not_begin_between_a_call_and_its_answer() -> None:
    called = [*ASKED, Message("assistant", [ToolCall("1", "f")]), Message("tool", [ToolResult("1")])]
    assert think(BUDGETED, messages=called, effort="low")[0] is None
    thought = Message("assistant", [Reasoning(quote("t"), "c2ln", format=ANTHROPIC_FORMAT), ToolCall("1", "f")])
    assert think(BUDGETED, messages=[*ASKED, thought, called[2]], effort="low")[0] is not None


def test_sampling_stands_back_while_a_claude_thinks() -> None:
    codes = think(BUDGETED, effort="low", fields={"max_tokens": 9000, "temperature": 0.5, "top_p": 0.99, "top_k": 3})[3]
    assert codes == ["unsupported_parameter", "unsupported_parameter"]
