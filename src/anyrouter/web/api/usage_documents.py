"""What the OpenAPI document says of /generation and /activity."""

from anyrouter.web.api.replies import ActivityReply, GenerationReply
from anyrouter.web.api.routes import Documented

TAG = "Usage"

GENERATION = Documented(
    summary="Show a generation",
    text=(
        "Readable as soon as its reply has ended, also when it was aborted. Keys see the generations of their rotation group; "
        "everything else is a 404, the same as for an id that never was."
    ),
    tag=TAG,
    reply=GenerationReply,
    example={
        "data": {
            "id": "gen-0192f0c4a7e8b1d2c3e4f5a60718",
            "upstream_id": "chatcmpl-9xQ2",
            "request_id": "req-0192f0c4a7e8a1b2c3d4e5f60718",
            "api_type": "completions",
            "endpoint": "chat/completions",
            "model": "openai/gpt-4o",
            "provider_name": "OpenAI",
            "environment": "live",
            "api_key_id": "key_0192f0c4a7e87cc3a1f5d3b2c1a09f8e",
            "api_key_name": "backend",
            "created_at": "2026-11-24T12:00:00.000Z",
            "state": "settled",
            "status": 200,
            "error_code": None,
            "streamed": True,
            "cancelled": False,
            "finish_reason": "stop",
            "native_finish_reason": "stop",
            "latency": 1240,
            "generation_time": 900,
            "time_to_first_token": 340,
            "overhead": 0.41,
            "moderation_latency": None,
            "tokens_prompt": 12,
            "tokens_completion": 34,
            "native_tokens_prompt": 12,
            "native_tokens_completion": 34,
            "native_tokens_completion_images": None,
            "native_tokens_reasoning": 0,
            "native_tokens_cached": 0,
            "native_tokens_cache_write": 0,
            "usage_source": "exact",
            "total_cost": 0.00037,
            "usage": 0.00037,
            "routing_fee": 0.0,
            "upstream_inference_cost": 0.0,
            "shadow_cost": 0.0,
            "cache_discount": None,
            "is_byok": False,
            "price_unknown": False,
            "trace_id": None,
            "attempts": [
                {
                    "upstream": "openai",
                    "provider_name": "OpenAI",
                    "model": "openai/gpt-4o",
                    "status": 200,
                    "latency": 1238,
                    "error": None,
                    "cost": None,
                }
            ],
            "provider_responses": [
                {
                    "endpoint_id": "openai",
                    "model_permaslug": "openai/gpt-4o",
                    "provider_name": "OpenAI",
                    "status": 200,
                    "latency": 1238,
                    "is_byok": False,
                }
            ],
            "app_id": None,
            "app_title": None,
            "http_referer": None,
            "origin": "",
            "user_agent": "openai-python",
            "external_user": None,
            "data_region": "global",
            "num_fetches": None,
            "num_input_audio_prompt": None,
            "num_media_completion": None,
            "num_media_prompt": None,
            "num_search_results": None,
            "preset_id": None,
            "router": None,
            "service_tier": None,
            "web_search_engine": None,
            "workspace_id": "org_default",
        }
    },
    can_miss=True,
)
ACTIVITY = Documented(
    summary="Show usage by day or hour, key, model, provider, environment, app, tag or trace",
    text=(
        "Sums of the key's rotation group; an admin key's of its organisation. Both days are included. "
        "Unknown parameters are refused: a filter that is not understood must not look as if it had been."
    ),
    tag=TAG,
    reply=ActivityReply,
    example={
        "data": [
            {
                "date": "2026-11-24",
                "hour": None,
                "environment": None,
                "api_key_id": None,
                "model": "openai/gpt-4o",
                "model_permaslug": "openai/gpt-4o",
                "provider_name": "OpenAI",
                "endpoint_id": "",
                "requests": 5,
                "errors": 0,
                "prompt_tokens": 50,
                "completion_tokens": 125,
                "reasoning_tokens": 25,
                "cached_tokens": 10,
                "usage": 0.015,
                "byok_usage_inference": 0.0,
                "app": None,
                "tag": None,
                "trace_id": None,
            }
        ]
    },
    content={"text/csv": {"schema": {"type": "string"}, "example": "date,hour,environment,api_key_id,model\r\n"}},
)
