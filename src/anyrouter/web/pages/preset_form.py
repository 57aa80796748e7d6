"""What the forms about a preset say. No I/O."""

import json
from typing import Any

import msgspec

from anyrouter.core.errors import ClientError, Denied
from anyrouter.core.preset import Preset
from anyrouter.web.pages.forms import Fields

FIELDS = ("slug", "environment", "name", "description", "model", "system_prompt", "config", "dialect")
DIALECTS = (
    ("openai", "OpenAI chat completions"),
    ("anthropic", "Anthropic messages"),
    ("responses", "OpenAI Responses"),
    ("gemini", "Gemini"),
)


def read_changes(form: Fields) -> dict[str, Any]:
    """Everything but slug and environment, as the service takes it. ClientError."""
    config = _read_object(form.text("config"))
    if model := form.text("model"):
        config["model"] = model
    return {
        "name": form.text("name"),
        "description": form.optional("description"),
        "system_prompt": form.raw("system_prompt").replace("\r\n", "\n").strip("\n"),
        "dialect": form.text("dialect", "openai"),
        "config": config,
    }


def keep_values(form: Fields) -> dict[str, str]:
    """What was typed, to be shown again."""
    return {name: form.text(name) for name in FIELDS}


def show_values(preset: Preset) -> dict[str, str]:
    """A preset as its form shows it at first: the model apart from what else it says."""
    members = {name: msgspec.json.decode(value) for name, value in preset.members.items()}
    model = members.pop("model", "")
    return {
        "name": preset.name,
        "description": preset.description or "",
        "model": str(model),
        "system_prompt": preset.system_prompt or "",
        "config": json.dumps(members, indent=2, ensure_ascii=False) if members else "",
        "dialect": preset.dialect,
    }


def _read_object(text: str) -> dict[str, Any]:
    if not text:
        return {}
    try:
        value = msgspec.json.decode(text)
    except (msgspec.DecodeError, RecursionError, ValueError):
        raise _refusal("this is not valid JSON") from None
    if not isinstance(value, dict):
        raise _refusal('a JSON object is needed, such as {"temperature": 0.2}')
    return value


def _refusal(reason: str) -> ClientError:
    return ClientError(Denied(code="invalid_parameter", param="config", message=f"config: {reason}."))
