"""What is publicly known of models beside their price: model_facts.json, written by scripts/model_facts.py.

The file's head names its source, version, licence and date. A model that is not in it, or a field that a model lacks, is unknown.
"""

from collections.abc import Iterable
from pathlib import Path

import msgspec

FACTS_FILE = Path(__file__).with_name("model_facts.json")

# What an ability implies of a request's members, in OpenRouter's spelling. Nothing is listed that the ability does not imply.
_PARAMETERS = {
    "chat": ("max_tokens",),
    "completion": ("max_tokens",),
    "tool_use": ("tools", "tool_choice"),
    "parallel_tool_use": ("parallel_tool_calls",),
    "json_schema": ("response_format", "structured_outputs"),
    "reasoning": ("reasoning", "include_reasoning"),
    "web_search": ("web_search_options",),
}


class ModelFacts(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """One model's facts. Abilities are those known to be there: an absent one may only be unrecorded."""

    category: str | None = None
    context_length: int | None = None
    max_output_tokens: int | None = None
    capabilities: tuple[str, ...] | None = None
    input_modalities: tuple[str, ...] | None = None
    output_modalities: tuple[str, ...] | None = None


class FactsFile(msgspec.Struct, frozen=True, kw_only=True):
    """The file. `models` is by public id."""

    source: str
    version: str
    licence: str
    retrieved: str
    models: dict[str, ModelFacts]


def read_facts(path: Path = FACTS_FILE) -> FactsFile:
    """The facts that come with this release."""
    return msgspec.json.decode(path.read_bytes(), type=FactsFile)


def list_parameters(capabilities: Iterable[str] | None) -> tuple[str, ...] | None:
    """The request members that a model with these abilities takes; None when its abilities are unknown."""
    if capabilities is None:
        return None
    return tuple(dict.fromkeys(name for ability in capabilities for name in _PARAMETERS.get(ability, ())))
