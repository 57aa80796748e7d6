"""Any client to any provider, through the official SDKs: tools are called, and their results find their way back."""

import json
from typing import Any

import pytest

from support.clients.talk import CLOCK, WEATHER, Ending
from support.pairs import HOW, Pair
from support.two_calls import ARGUMENTS, CALLS, TEXT, two_calls

OSLO = {"city": "Oslo", "days": 3}
RESULTS = {"weather": 'sunny ☀ "quoted"', "clock": '{"hour": 12}'}


def results_of(upstream: str, sent: Any) -> list[tuple[str, str]]:
    """The results that an upstream was told, each with the call that it belongs to: its id, or its name where Gemini gave none."""
    if "input" in sent:
        return [(item["call_id"], item["output"]) for item in sent["input"] if item.get("type") == "function_call_output"]
    if upstream == "openai":
        return [(turn["tool_call_id"], turn["content"]) for turn in sent["messages"] if turn["role"] == "tool"]
    if upstream == "gemini":
        answers = [part["functionResponse"] for turn in sent["contents"] for part in turn["parts"] if "functionResponse" in part]
        return [(answer["name"], answer["response"]) for answer in answers]
    blocks = [block for turn in sent["messages"] if isinstance(turn["content"], list) for block in turn["content"]]
    if upstream == "anthropic":
        return [(block["tool_use_id"], _text(block["content"])) for block in blocks if block["type"] == "tool_result"]
    return [(block["toolResult"]["toolUseId"], _text(block["toolResult"]["content"])) for block in blocks if "toolResult" in block]


def _text(content: Any) -> str:
    if isinstance(content, str):
        return content
    (part,) = content
    return part["text"] if "text" in part else json.dumps(part["json"])


@pytest.mark.parametrize("how", HOW)
def test_a_tool_is_called_where_one_must_be(pair: Pair, how: str) -> None:
    said = pair.say(how, "chat", tools=(WEATHER, CLOCK), must_call="any")
    (call,) = said.calls
    assert (call.name, call.arguments) == ("weather", OSLO)
    assert call.id
    assert (said.text, said.ending) == ("", pair.client.words[Ending.TOOL])
    assert pair.generation(said)["finish_reason"] == "tool_calls"


@pytest.mark.parametrize("how", HOW)
def test_the_tool_that_is_named_is_called_and_needs_no_arguments(pair: Pair, how: str) -> None:
    (call,) = pair.say(how, "chat", tools=(WEATHER, CLOCK), must_call="clock").calls
    assert (call.name, call.arguments) == ("clock", {})


@pytest.mark.parametrize("how", HOW)
def test_a_model_calls_a_tool_and_answers_with_its_result(pair: Pair, how: str) -> None:
    first = pair.say(how, "tool-call", tools=(WEATHER,), system="Be kind.")
    (call,) = first.calls
    assert (call.name, call.arguments) == ("weather", OSLO)
    turns = (*first.turns, *pair.client.results(first, RESULTS))
    second = pair.say(how, "tool-call", text=None, before=turns, tools=(WEATHER,), system="Be kind.")
    assert second.text.startswith("Hello! This is a simulated answer")
    assert (second.calls, second.ending) == ((), pair.client.words[Ending.STOP])
    third = pair.say(how, "echo", text="Thank you", before=second.turns, tools=(WEATHER,), system="Be kind.")
    assert third.text == "Thank you"


@pytest.mark.parametrize("how", HOW)
def test_two_calls_at_once_and_both_results(live_pair: Pair, how: str) -> None:
    world, tools = live_pair.world, (WEATHER, CLOCK)
    world.upstream.handle = two_calls
    first = live_pair.say(how, "chat", tools=tools)
    assert (first.text, first.ending) == (TEXT, live_pair.client.words[Ending.TOOL])
    assert [(call.name, call.arguments) for call in first.calls] == [("weather", ARGUMENTS), ("clock", {})]
    if not (live_pair.is_passed_through and live_pair.upstream == "gemini"):  # which gave none
        assert len({call.id for call in first.calls}) == 2
    assert (first.input_tokens, first.output_tokens) == (30, 20)
    world.upstream.handle = world.sandbox.handle
    turns = (*first.turns, *live_pair.client.results(first, RESULTS))
    assert live_pair.say(how, "chat", text=None, before=turns, tools=tools).text
    calls = [name if live_pair.upstream == "gemini" else identity for identity, name, _ in CALLS]
    found = results_of(live_pair.upstream, live_pair.sent)
    assert [call for call, _ in found] == calls
    for (_, result), text in zip(found, RESULTS.values(), strict=True):
        assert is_said(text, result, live_pair.client.dialect), result


def is_said(text: str, result: Any, client: str) -> bool:
    """Whether a result is this text: as it is, as the JSON that it is, or in an object, where one of the two dialects has objects only."""
    decoded = json.loads(result) if client == "gemini" and isinstance(result, str) else result
    values = [decoded, *(decoded.values() if isinstance(decoded, dict) and len(decoded) == 1 else ())]
    return text in values or (text.startswith("{") and json.loads(text) in values)


def test_one_call_at_a_time_is_asked_for_or_warned_of(live_pair: Pair) -> None:
    if live_pair.client.dialect == "gemini":
        return  # it cannot say so
    said = live_pair.say(HOW[0], "chat", tools=(WEATHER, CLOCK), must_call="any", is_one_call=True)
    sent = live_pair.sent
    if live_pair.upstream in {"openai", "responses"}:
        assert sent["parallel_tool_calls"] is False
    elif live_pair.upstream == "anthropic":
        assert sent["tool_choice"] == {"type": "any", "disable_parallel_tool_use": True}
    else:
        assert "parallel_tool_calls" in [warning["param"] for warning in said.warnings]
