"""Clauses mean what they mean in genai-prices: its own matching is asked about the same names."""

from typing import Any

import pytest
from genai_prices import data

from anyrouter.control.name_match import compile_clause
from anyrouter.control.price_data import run_data_module
from anyrouter.providers.registry import PROVIDERS

NAMES = (
    "gpt-4o", "gpt-4o-2024-08-06", "gpt-4.1-mini", "o3", "o1-pro", "ft:gpt-4o-mini:acme::x", "text-embedding-3-large", "whisper-1",
    "claude-3-5-sonnet-latest", "claude-opus-4-6", "gemini-2.5-flash", "gemini-2.5-pro-preview-tts", "mistral-large-latest",
    "open-mixtral-8x7b", "grok-4", "deepseek-reasoner", "command-r-plus-08-2024", "kimi-k2-0905-preview", "MiniMax-M2", "GLM-4.6",
    "llama-3.1-8b-instant", "meta-llama/llama-4-scout-17b-16e-instruct", "", "nonsense",
)  # fmt: skip


@pytest.mark.parametrize("provider_id", sorted(PROVIDERS.keys() & {provider.id for provider in data.providers}))
def test_every_clause_agrees_with_the_packages_own_matching(provider_id: str) -> None:
    oracle = next(provider for provider in data.providers if provider.id == provider_id)
    rows = next(row for row in run_data_module() if row["id"] == provider_id)["models"]
    names = [name.lower() for name in (*NAMES, *(row["id"] for row in rows))]
    for info, row in zip(oracle.models, rows, strict=True):
        matches = compile_clause(row["match"])
        assert [matches(name) for name in names] == [info.is_match(name) for name in names], info.id


@pytest.mark.parametrize("clause", [{}, {"sounds_like": "gpt"}, {"or_": [{"sounds_like": "gpt"}]}])
def test_a_clause_of_an_unknown_kind_matches_nothing(clause: dict[str, Any]) -> None:
    assert not compile_clause(clause)("gpt")


def test_a_clause_is_written_in_any_case() -> None:
    assert compile_clause({"equals": "MiniMax-M2"})("minimax-m2")
