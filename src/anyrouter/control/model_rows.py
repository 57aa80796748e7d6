"""Rows of `GET /models`: this contract's fields beside all of those that clients made from OpenRouter's description require.

Unknown is null, or an empty list or false where those clients do not take null.
"""

from decimal import Decimal
from typing import Any

from anyrouter.core.catalogue import Model, PriceTier, Tariff
from anyrouter.core.money import format_decimal, to_usd_string
from anyrouter.providers.registry import find_provider

_TOKENS_PER_K = 1000
_PER_TOKEN = -15  # nano-dollars (9) per million tokens (6), as a power of ten


def describe_pricing(tariff: Tariff | None) -> dict[str, Any]:
    """`*_per_1k` as numbers in USD per 1,000 tokens; all else as exact decimal strings in USD per token, `request` per request.

    Every price of a model without a tariff is None. A cache price that is not set apart is absent: the input's holds.
    """
    if tariff is None:
        return dict.fromkeys(("input_per_1k", "output_per_1k", "prompt", "completion", "request"))
    pricing: dict[str, Any] = {
        "input_per_1k": _per_1k(tariff.input_nanousd),
        "output_per_1k": _per_1k(tariff.output_nanousd),
        **_describe_rates(tariff),
        "request": to_usd_string(tariff.request_nanousd),
    }
    if tariff.tiers:
        pricing["tiers"] = [{"above_tokens": tier.above_tokens, **_describe_rates(tier)} for tier in tariff.tiers]
    return pricing


def describe_model(model: Model) -> dict[str, Any]:
    """One model's row. `created` is None where unknown, though OpenAI's clients want a number there: the API's decision.

    `canonical_slug` is the id of what is really called, where `id` is an alias or has a variant.
    """
    provider = find_provider(model.vendor)
    inputs, outputs = model.input_modalities, model.output_modalities
    model_id = model.id if model.variant is None else f"{model.id}:{model.variant}"
    return {
        "id": model_id,
        "canonical_slug": model.canonical_id or model.id,
        "aliases": list(model.aliases),
        "object": "model",
        "created": model.created,
        "owned_by": model.vendor,
        "name": model.name,
        "provider": provider.name if provider else model.vendor,
        "category": model.category,
        "description": model.description,
        "context_length": model.context_length,
        "capabilities": None if model.capabilities is None else list(model.capabilities),
        "pricing": describe_pricing(model.tariff),
        "architecture": {
            "modality": f"{'+'.join(inputs)}->{'+'.join(outputs)}" if inputs and outputs else None,
            "input_modalities": list(inputs or ()),
            "output_modalities": list(outputs or ()),
            "tokenizer": None,
            "instruct_type": None,
        },
        "top_provider": {
            "context_length": model.context_length,
            "max_completion_tokens": model.max_output_tokens,
            "is_moderated": False,
        },
        "supported_parameters": list(model.supported_parameters or ()),
        "default_parameters": None,
        "per_request_limits": None,
        "supported_voices": None,
        "links": {"details": f"/api/v1/models/{model_id}/endpoints"},
    }


def _describe_rates(rates: Tariff | PriceTier) -> dict[str, str]:
    named = {
        "prompt": rates.input_nanousd,
        "completion": rates.output_nanousd,
        "input_cache_read": rates.cache_read_nanousd,
        "input_cache_write": rates.cache_write_nanousd,
    }
    return {name: format_decimal(Decimal(rate).scaleb(_PER_TOKEN)) for name, rate in named.items() if rate is not None}


def _per_1k(nanousd: int) -> float:
    return float(Decimal(nanousd * _TOKENS_PER_K).scaleb(_PER_TOKEN))
