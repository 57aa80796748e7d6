"""Any client to any model, through the official SDKs with a test key: makers change from generation to generation what a model takes."""

from collections.abc import Callable
from typing import Any

import pytest
from google.genai import types

from anyrouter.wire.translation.claude_models import claude_traits
from anyrouter.wire.translation.gemini.thinking import Generation
from support.clients.talk import WEATHER, Question
from support.pairs import CLIENTS, TEST, World

# Thinking switched off, in each SDK's words.
OFF: dict[str, dict[str, Any]] = {
    "openai": {"reasoning_effort": "none"},
    "responses": {"reasoning": {"effort": "none"}},
    "anthropic": {"thinking": {"type": "disabled"}},
    "gemini": {"thinking_config": types.ThinkingConfig(thinking_budget=0)},
}


def kind_of_gemini(name: str) -> Any:
    known = Generation(name)
    return tuple(getattr(known, member) for member in Generation.__slots__)


KINDS: dict[str, Callable[[str], Any]] = {
    "anthropic": claude_traits,
    "amazon-bedrock": claude_traits,
    "google": kind_of_gemini,
    "openai": lambda name: name.startswith(("o", "gpt-5")),
}


@pytest.fixture(scope="session")
def models(world: World) -> list[str]:
    """One model of each kind that is asked in a way of its own."""
    listed = world.get("models", TEST)["data"]
    found: dict[Any, str] = {}
    for model in listed:
        vendor, _, name = model["id"].partition("/")
        if vendor in KINDS and "text" in (model["architecture"]["output_modalities"] or ["text"]):
            found.setdefault((vendor, KINDS[vendor](name)), model["id"])
    return list(found.values())


def test_there_are_models_of_many_kinds(models: list[str]) -> None:
    assert len(models) > 20
    assert {model.partition("/")[0] for model in models} == KINDS.keys()


@pytest.mark.parametrize("client", CLIENTS)
def test_every_kind_of_model_answers_with_and_without_thinking(world: World, models: list[str], client: str) -> None:
    sdk = world.clients[client, TEST]
    for model in models:
        assert sdk.ask(model, Question(thinks=True, max_tokens=4000)).text.startswith("Hello!"), model
        assert sdk.stream(model, Question(own=OFF[client])).text.startswith("Hello!"), model


@pytest.mark.parametrize("client", CLIENTS)
def test_every_kind_of_model_calls_a_tool_or_it_is_said_that_it_need_not(world: World, models: list[str], client: str) -> None:
    for model in models:
        said = world.clients[client, TEST].ask(model, Question(tools=(WEATHER,), must_call="any"))
        is_left_to_it = any(warning["param"] == "tool_choice" for warning in said.warnings)
        assert [call.name for call in said.calls] == ([] if is_left_to_it else ["weather"]), model
