"""GET /v1/models in both dialects: what the sandbox lists, and any other model one by one, since it answers to every name."""

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

from anyrouter.sandbox.scenario import PREFIX, Scenario

ORDINARY_MODELS = ("sandbox/chat", "sandbox/embedding")
LISTED_MODELS = (*ORDINARY_MODELS, *(PREFIX + scenario for scenario in Scenario))
MAX_PAGE = 1_000
_DEFAULT_PAGE = 20
_CREATED_S = 1_767_225_600  # 2026-01-01
_CREATED_AT = datetime.fromtimestamp(_CREATED_S, UTC).isoformat().replace("+00:00", "Z")


def openai_list(models: Sequence[str] = LISTED_MODELS) -> dict[str, Any]:
    """The list of models in the OpenAI dialect."""
    return {"object": "list", "data": [openai_model(model) for model in models]}


def openai_model(model: str) -> dict[str, Any]:
    """One model in the OpenAI dialect, whatever its name."""
    return {"id": model, "object": "model", "created": _CREATED_S, "owned_by": "sandbox"}


def anthropic_list(parameters: Mapping[str, str], models: Sequence[str] = LISTED_MODELS) -> dict[str, Any]:
    """One page of the list in the Anthropic dialect. Parameters: limit, after_id, before_id. ValueError says what is wrong."""
    limit = parameters.get("limit", str(_DEFAULT_PAGE))
    if not (limit.isascii() and limit.isdigit() and len(limit) <= len(str(MAX_PAGE)) and 1 <= int(limit) <= MAX_PAGE):
        raise ValueError("limit: Input should be between 1 and 1000")
    size, start, end = int(limit), 0, len(models)
    if parameters.get("after_id") in models:
        start = models.index(parameters["after_id"]) + 1
    if parameters.get("before_id") in models:
        end = models.index(parameters["before_id"])
        start = max(start, end - size)
    page = models[start : min(end, start + size)]
    return {
        "data": [anthropic_model(model) for model in page],
        "has_more": start + size < len(models) if "before_id" not in parameters else start > 0,
        "first_id": page[0] if page else None,
        "last_id": page[-1] if page else None,
    }


def anthropic_model(model: str) -> dict[str, Any]:
    """One model in the Anthropic dialect, whatever its name."""
    return {
        "type": "model",
        "id": model,
        "display_name": f"Simulated {model}",
        "created_at": _CREATED_AT,
        "lifecycle": "active",
        "max_input_tokens": None,
        "max_tokens": None,
    }
