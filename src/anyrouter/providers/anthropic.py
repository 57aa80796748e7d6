"""Anthropic's API.

Source: docs.anthropic.com/en/api, and the environment variables of Anthropic's own SDKs (`ANTHROPIC_BASE_URL` is without /v1).
"""

from anyrouter.core.provider import Provider

DIALECT = "anthropic"

ANTHROPIC = Provider(
    id="anthropic",
    name="Anthropic",
    dialect=DIALECT,
    base_url="https://api.anthropic.com",
    vendors=("anthropic",),
    paths={"messages": "/v1/messages", "messages/count_tokens": "/v1/messages/count_tokens"},
    credential_header="x-api-key",
    credential_prefix="",
    credential_variable="ANTHROPIC_API_KEY",
    base_url_variable="ANTHROPIC_BASE_URL",
    headers={"anthropic-version": "2023-06-01"},
    passed_headers=frozenset({"anthropic-version", "anthropic-beta"}),
)
