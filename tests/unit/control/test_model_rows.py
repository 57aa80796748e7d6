"""The rows of GET /models."""

import json
from datetime import UTC, datetime
from decimal import Decimal

import pytest

from anyrouter.control.catalogue import load_catalogue
from anyrouter.control.model_rows import describe_model, describe_pricing
from anyrouter.core.catalogue import Model, PriceTier, Tariff

MODELS = load_catalogue(datetime(2026, 11, 24, 12, tzinfo=UTC)).models
OPENROUTER = {
    "architecture": {"input_modalities", "modality", "output_modalities"},
    "pricing": {"completion", "prompt"},
    "top_provider": {"is_moderated"},
    "links": {"details"},
}
FIELDS = OPENROUTER.keys() | {
    "canonical_slug", "context_length", "created", "default_parameters", "id", "name", "per_request_limits", "supported_parameters",
    "supported_voices", "object", "owned_by", "provider", "category", "capabilities",
}  # fmt: skip


@pytest.mark.parametrize("model_id", ["openai/gpt-4o", "openai/whisper-1", "anthropic/claude-2", "sandbox/echo"])
def test_a_row_has_every_field_that_clients_require(model_id: str) -> None:
    row = describe_model(MODELS[model_id])
    assert row.keys() >= FIELDS
    for field, members in OPENROUTER.items():
        assert row[field].keys() >= members


def test_a_row_of_a_known_model_is_what_the_contract_shows() -> None:
    row = describe_model(MODELS["openai/gpt-4-turbo"])
    assert (row["object"], row["owned_by"], row["provider"], row["category"]) == ("model", "openai", "OpenAI", "text")
    assert row["context_length"] == row["top_provider"]["context_length"] == 128_000
    assert {"chat", "tool_use", "vision"} <= set(row["capabilities"])
    assert row["pricing"] == {
        "input_per_1k": 0.01,
        "output_per_1k": 0.03,
        "prompt": "0.00001",
        "completion": "0.00003",
        "request": "0",
    }
    assert row["architecture"]["modality"].endswith("->text")


def test_what_is_not_known_is_null_or_empty() -> None:
    row = describe_model(Model(id="local/llama", vendor="local", upstream_name="llama", name="llama"))
    assert (row["provider"], row["created"], row["capabilities"], row["context_length"]) == ("local", None, None, None)
    assert row["pricing"] == {"input_per_1k": None, "output_per_1k": None, "prompt": None, "completion": None, "request": None}
    assert (row["architecture"]["modality"], row["architecture"]["input_modalities"], row["supported_parameters"]) == (None, [], [])


def test_prices_are_exact_decimals_without_exponents() -> None:
    tariff = Tariff(input_nanousd=1, output_nanousd=150_000_000_000, cache_read_nanousd=2_800_000, request_nanousd=12_000_000)
    assert describe_pricing(tariff) == {
        "input_per_1k": 1e-12,
        "output_per_1k": 0.15,
        "prompt": "0.000000000000001",
        "completion": "0.00015",
        "input_cache_read": "0.0000000028",
        "request": "0.012",
    }


def test_tiers_are_shown() -> None:
    tier = PriceTier(above_tokens=200_000, input_nanousd=2_000_000_000, output_nanousd=0)
    pricing = describe_pricing(Tariff(input_nanousd=1_000_000_000, output_nanousd=0, tiers=(tier,)))
    assert pricing["tiers"] == [{"above_tokens": 200_000, "prompt": "0.000002", "completion": "0"}]


@pytest.mark.parametrize("model", MODELS.values(), ids=lambda model: model.id)
def test_every_row_is_json_and_its_prices_are_those_of_its_tariff(model: Model) -> None:
    row = json.loads(json.dumps(describe_model(model)))
    if model.tariff is None:
        assert row["pricing"]["prompt"] is None
    else:
        assert Decimal(row["pricing"]["prompt"]) * 10**15 == model.tariff.input_nanousd
        assert Decimal(str(row["pricing"]["output_per_1k"])) * 10**12 == model.tariff.output_nanousd
        assert "e" not in row["pricing"]["prompt"].lower()
