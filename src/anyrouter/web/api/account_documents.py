"""What the OpenAPI document says of /key and /credits."""

from anyrouter.web.api.replies import Credits, KeyReply
from anyrouter.web.api.routes import Documented

TAG = "Key"

KEY = Documented(
    summary="Show the key that asks",
    text="What the key is, may do and has cost. Any valid key may ask about itself.",
    tag=TAG,
    reply=KeyReply,
    example={
        "data": {
            "id": "key_0192f0c4a7e87cc3a1f5d3b2c1a09f8e",
            "hash": "key_0192f0c4a7e87cc3a1f5d3b2c1a09f8e",
            "label": "ar-live-Ab3dE6",
            "name": "backend",
            "environment": "live",
            "scopes": ["completions:write", "embeddings:write", "models:read", "usage:read"],
            "models": ["openai/*"],
            "endpoints": None,
            "providers": None,
            "regions": None,
            "allowed_ips": None,
            "disabled": False,
            "tags": ["team-a"],
            "health": ["no_expiry"],
            "created_at": "2026-11-01T09:30:00.000Z",
            "last_used_at": "2026-11-24T12:00:00.000Z",
            "not_before": None,
            "expires_at": None,
            "rotated_from": None,
            "superseded_by": None,
            "rate_limit": {
                "requests": 60,
                "interval": "1m",
                "note": "Requests per minute of this key and those that it was rotated from.",
            },
            "rate_limit_tpm": None,
            "rate_limit_rpd": None,
            "concurrency": None,
            "budget_policy": None,
            "limit": 25.0,
            "limit_remaining": 12.5,
            "limit_reset": "monthly",
            "usage": 12.5,
            "usage_daily": 0.75,
            "usage_weekly": 2.25,
            "usage_monthly": 12.5,
            "byok_usage": 0.0,
            "byok_usage_daily": 0.0,
            "byok_usage_weekly": 0.0,
            "byok_usage_monthly": 0.0,
            "include_byok_in_limit": False,
            "is_free_tier": False,
            "is_management_key": False,
            "is_provisioning_key": False,
            "budgets": [],
            "effective_budget": None,
            "free_model_daily_requests": {"limit": 0, "remaining": 0, "used": 0},
            "allowed_data_regions": ["global"],
            "creator_user_id": None,
            "organization_id": "org_default",
            "workspace_id": "org_default",
        }
    },
)
CREDITS = Documented(
    summary="Show credits",
    text="What the organisation prepaid and used. While `enforced` is false, nothing is refused for want of credits.",
    tag=TAG,
    reply=Credits,
    example={
        "balance": -12.5,
        "currency": "usd",
        "total_credits": 0.0,
        "total_usage": 12.5,
        "enforced": False,
        "data": {"total_credits": 0.0, "total_usage": 12.5},
    },
)
