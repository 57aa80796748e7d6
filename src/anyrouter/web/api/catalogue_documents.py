"""What the OpenAPI document says of the routes over the catalogue."""

from typing import Any

from anyrouter.web.api.catalogue_replies import ModelCountReply, ModelEndpointsReply, ModelReply, ModelsReply, ProvidersReply
from anyrouter.web.api.routes import Documented

TAG = "Models"

_ARCHITECTURE: dict[str, Any] = {
    "modality": "text+image->text",
    "input_modalities": ["text", "image"],
    "output_modalities": ["text"],
    "tokenizer": None,
    "instruct_type": None,
}
_PRICING: dict[str, Any] = {
    "input_per_1k": 0.01,
    "output_per_1k": 0.03,
    "prompt": "0.00001",
    "completion": "0.00003",
    "request": "0",
}
_ROW: dict[str, Any] = {
    "id": "openai/gpt-4-turbo",
    "canonical_slug": "openai/gpt-4-turbo",
    "aliases": [],
    "object": "model",
    "created": 0,
    "owned_by": "openai",
    "name": "GPT-4 Turbo",
    "provider": "OpenAI",
    "category": "text",
    "description": None,
    "context_length": 128000,
    "capabilities": ["chat", "tool_use", "vision"],
    "pricing": _PRICING,
    "architecture": _ARCHITECTURE,
    "top_provider": {"context_length": 128000, "max_completion_tokens": 4096, "is_moderated": False},
    "supported_parameters": ["max_tokens", "temperature", "tools"],
    "default_parameters": None,
    "per_request_limits": None,
    "supported_voices": None,
    "links": {"details": "/api/v1/models/openai/gpt-4-turbo/endpoints"},
}

MODELS = Documented(
    summary="List models",
    text="The models that the key's environment and restrictions reach. Filters narrow the list; unknown values find nothing.",
    tag=TAG,
    reply=ModelsReply,
    example={"object": "list", "data": [_ROW]},
)
COUNT = Documented(
    summary="Count models",
    text="How many models GET /models lists with the same filters.",
    tag=TAG,
    reply=ModelCountReply,
    example={"count": 412, "data": {"count": 412}},
)
MODEL = Documented(
    summary="Show a model",
    text="One model, by any name that a request may use for it. The slash of its id may be written as %2F.",
    tag=TAG,
    reply=ModelReply,
    example={**_ROW, "data": _ROW},
    can_miss=True,
)
ENDPOINTS = Documented(
    summary="List who serves a model",
    text="The upstreams that serve the model to this key, in the order in which they are tried.",
    tag=TAG,
    reply=ModelEndpointsReply,
    example={
        "data": {
            "id": "openai/gpt-4-turbo",
            "name": "GPT-4 Turbo",
            "created": 0,
            "description": "",
            "architecture": _ARCHITECTURE,
            "endpoints": [
                {
                    "name": "OpenAI | openai/gpt-4-turbo",
                    "model_id": "openai/gpt-4-turbo",
                    "model_name": "GPT-4 Turbo",
                    "provider_name": "OpenAI",
                    "tag": "openai",
                    "upstream": "openai",
                    "endpoints": ["chat/completions", "completions", "embeddings"],
                    "context_length": 128000,
                    "max_completion_tokens": 4096,
                    "max_prompt_tokens": 128000,
                    "pricing": _PRICING,
                    "quantization": None,
                    "service_tier": None,
                    "native_tools": [],
                    "supported_parameters": ["max_tokens", "temperature", "tools"],
                    "supports_diarization": False,
                    "supports_implicit_caching": False,
                    "supports_tool_choice": {"auto": True, "function": True, "none": True, "required": True},
                    "latency_last_30m": None,
                    "throughput_last_30m": None,
                    "uptime_last_5m": None,
                    "uptime_last_30m": None,
                    "uptime_last_1d": None,
                    "status": 0,
                }
            ],
        }
    },
    can_miss=True,
)
PROVIDERS = Documented(
    summary="List providers",
    text="The providers behind the models that the key reaches.",
    tag=TAG,
    reply=ProvidersReply,
    example={
        "data": [
            {
                "id": "openai",
                "slug": "openai",
                "name": "OpenAI",
                "dialect": "openai",
                "endpoints": ["chat/completions", "completions", "embeddings"],
                "models": 58,
                "privacy_policy_url": None,
                "terms_of_service_url": None,
                "status_page_url": None,
                "headquarters": None,
                "datacenters": None,
            }
        ]
    },
)
