"""`usage` of the Messages API, to and from the form. Its `input_tokens` leave out what was read from or written to the cache."""

import msgspec
from msgspec import Raw

from anyrouter.core.usage import Usage
from anyrouter.wire.anthropic import read_usage
from anyrouter.wire.form.reply import UsageDetails
from anyrouter.wire.translation.anthropic.shapes import Wire
from anyrouter.wire.translation.carried import Carried, is_told

# Service tiers that a reply tells, in the form's (OpenAI's) words, and the way back.
_TIERS = {"standard": "default"}
_OWN_TIERS = {"default": "standard", "standard": "standard", "priority": "priority", "batch": "batch"}


class _CacheCreation(msgspec.Struct):
    ephemeral_5m_input_tokens: int | None = None
    ephemeral_1h_input_tokens: int | None = None


class _ServerToolUse(msgspec.Struct):
    web_search_requests: int | None = None


class _Details(msgspec.Struct):
    cache_creation: _CacheCreation | None = None
    server_tool_use: _ServerToolUse | None = None
    service_tier: str | None = None


_DETAILS = msgspec.json.Decoder(_Details)
_NO_DETAILS = UsageDetails()
_NO_CREATION, _NO_SERVER_TOOLS = _CacheCreation(), _ServerToolUse()


def decode_usage(raw: Carried) -> tuple[Usage | None, UsageDetails | None, str | None]:
    """The usage, what is beside it, and the service tier, each None when it is not told."""
    if not is_told(raw):
        return None, None, None
    text = bytes(raw)
    usage = read_usage(text)
    try:
        told = _DETAILS.decode(text)
    except msgspec.DecodeError:
        return usage, None, None
    creation, server = told.cache_creation or _NO_CREATION, told.server_tool_use or _NO_SERVER_TOOLS
    details = UsageDetails(
        cache_write_5m_tokens=creation.ephemeral_5m_input_tokens or None,
        cache_write_1h_tokens=creation.ephemeral_1h_input_tokens or None,
        web_searches=server.web_search_requests or None,
    )
    tier = None if told.service_tier is None else _TIERS.get(told.service_tier, told.service_tier)
    return usage, None if details == _NO_DETAILS else details, tier


def merge_usage(earlier: bytes, later: Carried) -> bytes:
    """Counts of a stream: later ones are cumulative and replace earlier ones, member by member; null replaces nothing."""
    if not is_told(later):
        return earlier
    told = msgspec.json.decode(later, type=dict[str, Raw])
    merged = msgspec.json.decode(earlier, type=dict[str, Raw])
    merged.update({name: value for name, value in told.items() if is_told(value)})
    return msgspec.json.encode(merged)


def encode_usage(usage: Usage, details: UsageDetails | None, service_tier: str | None) -> Wire:
    """The `usage` object."""
    told = details or _NO_DETAILS
    written = usage.cache_write_tokens
    long = min(written, told.cache_write_1h_tokens or 0)
    wire: Wire = {
        "input_tokens": max(0, usage.input_tokens - usage.cache_read_tokens - written),
        "cache_creation_input_tokens": written,
        "cache_read_input_tokens": usage.cache_read_tokens,
        "cache_creation": {"ephemeral_5m_input_tokens": written - long, "ephemeral_1h_input_tokens": long},
        "output_tokens": usage.output_tokens,
        "service_tier": _OWN_TIERS.get(service_tier or ""),
    }
    if usage.reasoning_tokens:
        wire["output_tokens_details"] = {"thinking_tokens": usage.reasoning_tokens}
    if told.web_searches is not None:
        wire["server_tool_use"] = {"web_search_requests": told.web_searches, "web_fetch_requests": 0}
    return wire
