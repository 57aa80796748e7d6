"""What the OpenAPI document says of the models in Gemini's shape."""

from typing import Any

from anyrouter.web.api.gemini_schemas import GeminiModel, GeminiModelsReply
from anyrouter.web.api.routes import Documented

TAG = "Models"

_ROW: dict[str, Any] = {
    "name": "models/google/gemini-2.5-flash",
    "displayName": "Gemini 2.5 Flash",
    "supportedGenerationMethods": ["generateContent", "streamGenerateContent"],
    "inputTokenLimit": 1048576,
    "outputTokenLimit": 65536,
    "thinking": True,
}
_WHERE = (
    "`/v1alpha` is the same, and `/v1` is where `x-goog-api-key` is sent. The key may be sent as `x-goog-api-key`; `?key=` is not read."
)

MODELS = Documented(
    summary="List models for Gemini's clients",
    text=f"The models of GET /models, in Gemini's shape and in pages. {_WHERE}",
    tag=TAG,
    reply=GeminiModelsReply,
    example={"models": [_ROW], "nextPageToken": "google/gemini-2.5-flash"},
)
MODEL = Documented(
    summary="Show a model to Gemini's clients",
    text=f"One model, by any name that a request may use for it. {_WHERE}",
    tag=TAG,
    reply=GeminiModel,
    example=_ROW,
    can_miss=True,
)
