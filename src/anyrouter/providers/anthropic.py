"""Anthropic's API.

Source: platform.claude.com/docs/en/api, and the environment variables of Anthropic's own SDKs (`ANTHROPIC_BASE_URL` is without /v1).
"""

from datetime import date

from anyrouter.core.provider import Format, Provider, Source

DIALECT = "anthropic"
MESSAGES = Format(path="/v1/messages", count_tokens_path="/v1/messages/count_tokens")
PATHS = {"messages": "/v1/messages", "messages/count_tokens": "/v1/messages/count_tokens"}
HEADERS = {"anthropic-version": "2023-06-01"}

ANTHROPIC = Provider(
    id="anthropic",
    name="Anthropic",
    dialect=DIALECT,
    base_url="https://api.anthropic.com",
    vendors=("anthropic",),
    paths=PATHS,
    formats={DIALECT: MESSAGES},
    credential_header="x-api-key",
    credential_prefix="",
    credential_variable="ANTHROPIC_API_KEY",
    base_url_variable="ANTHROPIC_BASE_URL",
    headers=HEADERS,
    passed_headers=frozenset({"anthropic-version", "anthropic-beta"}),
    source=Source(page="https://platform.claude.com/docs/en/api/messages/create", checked=date(2026, 11, 24)),
)
