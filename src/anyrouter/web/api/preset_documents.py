"""What the OpenAPI document says of the routes over presets."""

from typing import Any

from anyrouter.web.api.preset_replies import DeletedReply, PresetChange, PresetCreation, PresetReply, PresetRequest, PresetsReply
from anyrouter.web.api.routes import Documented

TAG = "Presets"

_ROW: dict[str, Any] = {
    "id": "pre_0192f0c4a7e87a1b8c3d4e5f60718293",
    "slug": "writer",
    "name": "writer",
    "description": None,
    "environment": "live",
    "dialect": "openai",
    "version": 1,
    "status": "active",
    "designated_version_id": "pre_0192f0c4a7e87a1b8c3d4e5f60718293_v1",
    "created_at": "2026-11-24T12:00:00.000Z",
    "updated_at": "2026-11-24T12:00:00.000Z",
    "status_updated_at": None,
    "creator_user_id": None,
    "workspace_id": "org_default",
}
_CONFIG = {"model": "openai/gpt-4o", "temperature": 0.7, "provider": {"sort": "price"}}
_ONE = {
    "data": {
        **_ROW,
        "designated_version": {
            "id": "pre_0192f0c4a7e87a1b8c3d4e5f60718293_v1",
            "preset_id": "pre_0192f0c4a7e87a1b8c3d4e5f60718293",
            "version": 1,
            "system_prompt": "You are a helpful assistant.",
            "config": _CONFIG,
            "created_at": "2026-11-24T12:00:00.000Z",
            "updated_at": "2026-11-24T12:00:00.000Z",
            "creator_id": "org_default",
        },
    }
}

PRESETS = Documented(
    summary="List presets",
    text="The presets of the key's environment, by slug.",
    tag=TAG,
    reply=PresetsReply,
    example={"data": [_ROW], "total_count": 1, "next_cursor": None},
)
PRESET = Documented(summary="Show a preset", text="One preset, and what it says.", tag=TAG, reply=PresetReply, example=_ONE, can_miss=True)
CREATE = Documented(
    summary="Make a preset",
    text="Requests of its environment ask for it as `@preset/slug`; what they say themselves wins.",
    tag=TAG,
    reply=PresetReply,
    example=_ONE,
    request=PresetCreation,
    request_example={"slug": "writer", "system_prompt": "You are a helpful assistant.", "config": _CONFIG},
    status=201,
)
CHANGE = Documented(
    summary="Change a preset",
    text="Replaces what is named; its version rises by one.",
    tag=TAG,
    reply=PresetReply,
    example=_ONE,
    request=PresetChange,
    request_example={"config": _CONFIG},
    can_miss=True,
)
DELETE = Documented(
    summary="Delete a preset",
    text="Requests that ask for it are refused from now on.",
    tag=TAG,
    reply=DeletedReply,
    example={"deleted": True},
    can_miss=True,
)
FROM_REQUEST = {
    path: Documented(
        summary=f"Make a preset of a request to /{path}",
        text="The same body that the request has. What is of one request alone is not kept; a preset of that slug gets a new version.",
        tag=TAG,
        reply=PresetReply,
        example=_ONE,
        request=PresetRequest,
        can_miss=True,
        request_example={"model": "openai/gpt-4o", "temperature": 0.7, "messages": [{"role": "user", "content": "Hello!"}]},
    )
    for path in ("chat/completions", "messages", "responses")
}
