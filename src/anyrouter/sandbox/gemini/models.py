"""GET /v1beta/models: what the sandbox lists, page by page, and any other model one by one, since it answers to every name."""

from collections.abc import Mapping
from typing import Any

from anyrouter.sandbox.answer import MAX_OUTPUT_BYTES, WINDOW_TOKENS
from anyrouter.sandbox.gemini.envelope import refusal, whole
from anyrouter.sandbox.gemini.request import read_model
from anyrouter.sandbox.listing import LISTED_MODELS
from anyrouter.sandbox.reply import Reply, Stamp
from anyrouter.sandbox.text import tokens_of

MAX_PAGE = 1_000
_DEFAULT_PAGE = 50
_METHODS = ("generateContent", "countTokens", "embedContent")


def answer_models(query: Mapping[str, str], stamp: Stamp) -> Reply:
    """One page of the list; the query's parameters are pageSize and pageToken."""
    size = min(_read_count(query, "pageSize", "page_size") or _DEFAULT_PAGE, MAX_PAGE)
    start = _read_count(query, "pageToken", "page_token")
    page = {"models": [_model(name) for name in LISTED_MODELS[start : start + size]]}
    return whole(page | ({"nextPageToken": str(start + size)} if start + size < len(LISTED_MODELS) else {}), stamp)


def answer_model(model: str, stamp: Stamp) -> Reply:
    """One model, whatever its name."""
    return whole(_model(read_model(model, "getModel")), stamp)


def _read_count(query: Mapping[str, str], *names: str) -> int:
    """A number of the query in either spelling; 0 for none."""
    value = next((query[name] for name in names if name in query), "0")
    if not (value.isascii() and value.isdigit() and len(value) <= 9):  # noqa: PLR2004 -- an int32
        raise refusal(f"Invalid value at '{names[-1]}' (TYPE_INT32), \"{value[:64]}\"")
    return int(value)


def _model(name: str) -> dict[str, Any]:
    return {
        "name": f"models/{name}",
        "version": "001",
        "displayName": f"Simulated {name}",
        "description": "Answered by the sandbox.",
        "inputTokenLimit": WINDOW_TOKENS,
        "outputTokenLimit": tokens_of(MAX_OUTPUT_BYTES),
        "supportedGenerationMethods": list(_METHODS),
        "temperature": 1,
        "topP": 0.95,
        "topK": 64,
        "maxTemperature": 2,
        "thinking": True,
    }
