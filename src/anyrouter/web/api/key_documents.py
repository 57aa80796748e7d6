"""What the OpenAPI document says of the routes over keys."""

from typing import Any

from anyrouter.web.api.key_replies import (
    KeyChange,
    KeyCreation,
    KeyRevocation,
    KeyRotation,
    KeyRowReply,
    KeysReply,
    NewKeyReply,
    RevokedReply,
)
from anyrouter.web.api.preset_replies import DeletedReply
from anyrouter.web.api.routes import Documented

TAG = "Keys"
_TEXT = "ar-live-abc123def456ghi789jkl012mno345pqr678stu901vwx"  # the documentation's example: it is no key anywhere
_ROW: dict[str, Any] = {
    "id": "key_0192f0c4a7e87cc3a1f5d3b2c1a09f8e",
    "hash": "key_0192f0c4a7e87cc3a1f5d3b2c1a09f8e",
    "label": "ar-live-abc123",
    "name": "backend",
    "environment": "live",
    "kind": "service",
    "member_id": None,
    "state": "active",
    "disabled": False,
    "scopes": ["completions:write", "embeddings:write", "models:read", "usage:read"],
    "models": ["openai/*"],
    "endpoints": None,
    "providers": None,
    "regions": None,
    "allowed_ips": ["203.0.113.0/24"],
    "rate_limit_rpm": 60,
    "rate_limit_tpm": None,
    "rate_limit_rpd": None,
    "concurrency": None,
    "limit": 25.0,
    "limit_remaining": 12.5,
    "limit_reset": "monthly",
    "include_byok_in_limit": False,
    "budget_policy": None,
    "tags": ["team-a"],
    "health": ["no_expiry"],
    "not_before": None,
    "expires_at": None,
    "created_at": "2026-11-01T09:30:00.000Z",
    "updated_at": "2026-11-01T09:30:00.000Z",
    "last_used_at": "2026-11-24T12:00:00.000Z",
    "last_used_ip": "203.0.113.7",
    "last_used_user_agent": "OpenAI/Python 2.8.0",
    "rotation_group": "key_0192f0c4a7e87cc3a1f5d3b2c1a09f8e",
    "rotated_from": None,
    "superseded_by": None,
    "grace_seconds": None,
    "usage": 12.5,
    "usage_daily": 0.75,
    "usage_weekly": 2.25,
    "usage_monthly": 12.5,
    "byok_usage": 0.0,
    "byok_usage_daily": 0.0,
    "byok_usage_weekly": 0.0,
    "byok_usage_monthly": 0.0,
    "can_reveal": False,
    "creator_user_id": None,
    "external_user": None,
    "workspace_id": "org_default",
}
_ONE = {"data": _ROW}
_NEW = {"data": _ROW, "key": _TEXT}

KEYS = Documented(
    summary="List keys",
    text="The keys of the asking key's environment that are not deleted, oldest first.",
    tag=TAG,
    reply=KeysReply,
    example={"data": [_ROW], "next_cursor": None},
)
CREATE = Documented(
    summary="Make a key",
    text="Its text is in this reply and nowhere else ever. Nothing is given that the asking key does not have: an admin scope grants "
    "every inference and reading scope and those admin scopes that its key has, and whatever restricts the key restricts what it makes.",
    tag=TAG,
    reply=NewKeyReply,
    example=_NEW,
    request=KeyCreation,
    request_example={"name": "backend", "models": ["openai/*"], "limit": "25.00", "limit_reset": "monthly", "rate_limit_rpm": 60},
    status=201,
    shown_once=("key",),
)
KEY = Documented(summary="Show a key", text="One key, by its id.", tag=TAG, reply=KeyRowReply, example=_ONE, can_miss=True)
CHANGE = Documented(
    summary="Change a key",
    text="Replaces what is named; null takes a restriction away. With If-Match only the version of that ETag is changed. It holds "
    "everywhere within a second.",
    tag=TAG,
    reply=KeyRowReply,
    example=_ONE,
    request=KeyChange,
    request_example={"rate_limit_rpm": 120, "disabled": False},
    can_miss=True,
)
DELETE = Documented(
    summary="Delete a key",
    text="It is refused for good, everywhere within a second. Its usage stays on record, its name becomes free.",
    tag=TAG,
    reply=DeletedReply,
    example={"deleted": True},
    can_miss=True,
)
ROTATE = Documented(
    summary="Rotate a key",
    text="Makes a key with exactly the same restrictions. The old one goes on to the end of its grace, and never past its own expiry; "
    "both share limits, budget and usage.",
    tag=TAG,
    reply=NewKeyReply,
    example={"data": {**_ROW, "rotated_from": "key_0192f0c4a7e87cc3a1f5d3b2c1a09f8e"}, "key": _TEXT},
    request=KeyRotation,
    request_example={"grace_seconds": 86_400, "start": "first_use"},
    status=201,
    can_miss=True,
    shown_once=("key",),
)
DISABLE = Documented(
    summary="Disable a key",
    text="It is refused everywhere within a second, until it is enabled again.",
    tag=TAG,
    reply=KeyRowReply,
    example={"data": {**_ROW, "state": "disabled", "disabled": True}},
    can_miss=True,
)
ENABLE = Documented(
    summary="Enable a key", text="It is accepted again within a second.", tag=TAG, reply=KeyRowReply, example=_ONE, can_miss=True
)
REVOKE = Documented(
    summary="Revoke keys by their texts",
    text="Whoever holds a key may end it: no key is needed to ask, and the reply does not tell whether there were such keys. At most 1,000 "
    "texts a call, and 60 calls an hour from an address.",
    tag=TAG,
    reply=RevokedReply,
    example={"accepted": True},
    request=KeyRevocation,
    request_example={"keys": [_TEXT]},
    status=202,
)
