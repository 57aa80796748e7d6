"""What the OpenAPI document says of the routes over provider credentials."""

from typing import Any

from anyrouter.web.api.byok_replies import CredentialChange, CredentialCreation, CredentialReply, CredentialsReply, TestReply
from anyrouter.web.api.preset_replies import DeletedReply
from anyrouter.web.api.routes import Documented

TAG = "Provider credentials (BYOK)"

_ROW: dict[str, Any] = {
    "id": "byok_0192f0c4a7e87a1b8c3d4e5f60718293",
    "provider": "openai",
    "name": "openai",
    "environment": "live",
    "label": "sk-…AbCd",
    "status": "active",
    "disabled": False,
    "base_url": None,
    "host": "llm.example.com",
    "variables": {},
    "region": None,
    "models": None,
    "allowed_keys": None,
    "is_fallback": False,
    "always_use": False,
    "sort_order": 0,
    "weight": 1,
    "zdr": None,
    "quarantined_until": None,
    "quarantine_reason": None,
    "version": 1,
    "created_at": "2026-11-24T12:00:00.000Z",
    "updated_at": "2026-11-24T12:00:00.000Z",
    "allowed_models": None,
    "allowed_api_key_hashes": None,
    "allowed_user_ids": None,
    "declared_region": None,
    "declared_zdr": None,
    "is_byok_only": False,
    "is_required": False,
    "workspace_id": "org_default",
}

CREDENTIALS = Documented(
    summary="List provider credentials",
    text="Those of the key's environment, in the order in which they are tried. Secrets are never shown.",
    tag=TAG,
    reply=CredentialsReply,
    example={"data": [_ROW], "total_count": 1, "next_cursor": None},
)
CREDENTIAL = Documented(
    summary="Show a provider credential",
    text="One credential, without its secret.",
    tag=TAG,
    reply=CredentialReply,
    example={"data": _ROW},
    can_miss=True,
)
CREATE = Documented(
    summary="Enter a provider credential",
    text="Requests of its environment go over it to its provider, and are billed there. The secret is sealed and never shown again.",
    tag=TAG,
    reply=CredentialReply,
    example={"data": _ROW},
    request=CredentialCreation,
    request_example={"provider": "openai", "key": "sk-proj-…", "models": ["openai/*"]},
    status=201,
    can_miss=True,
)
CHANGE = Documented(
    summary="Change a provider credential",
    text="Replaces what is named; `key` replaces the secret. When the host changes without a new `key`, the secret is dropped.",
    tag=TAG,
    reply=CredentialReply,
    example={"data": _ROW},
    request=CredentialChange,
    request_example={"disabled": True},
    can_miss=True,
)
DELETE = Documented(
    summary="Delete a provider credential",
    text="The secret is forgotten, and no request uses it from now on.",
    tag=TAG,
    reply=DeletedReply,
    example={"deleted": True},
    can_miss=True,
)
TEST = Documented(
    summary="Test a provider credential",
    text="Asks the provider for something that costs nothing, such as its list of models. One that was put aside is used again if it "
    "is taken.",
    tag=TAG,
    reply=TestReply,
    example={"data": {"ok": True, "status": 200, "latency_ms": 184, "message": "OpenAI takes the credential."}},
    can_miss=True,
)
