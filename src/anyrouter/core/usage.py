"""Usage: how many tokens a generation took, in one meaning whatever the dialect."""

from enum import StrEnum

import msgspec


class UsageSource(StrEnum):
    """Where the numbers come from."""

    EXACT = "exact"  # the upstream said so
    ESTIMATED = "estimated"  # the upstream never said; counted from bytes
    NONE = "none"  # nothing was used


class Usage(msgspec.Struct, frozen=True, kw_only=True):
    """Token counts, never negative.

    `input_tokens` includes what was read from and written to a cache, `output_tokens` includes reasoning: the meaning of
    OpenTelemetry's GenAI conventions and of genai-prices. (OpenAI counts so; Anthropic's `input_tokens` leaves both out.)
    """

    input_tokens: int = 0
    output_tokens: int = 0
    cache_read_tokens: int = 0
    cache_write_tokens: int = 0
    reasoning_tokens: int = 0
    source: UsageSource = UsageSource.EXACT


NO_USAGE = Usage(source=UsageSource.NONE)
_EXACT, _ESTIMATED = UsageSource.EXACT, UsageSource.ESTIMATED  # read off the class, a member costs ten times as much
BYTES_PER_TOKEN = 4


def is_charged(usage: Usage) -> bool:
    """Whether anything was used. An estimate is one token at least: one of none is of what was asked for and never sent."""
    source = usage.source
    return source is _EXACT or (source is _ESTIMATED and usage.input_tokens + usage.output_tokens > 0)


def estimate_tokens(byte_count: int) -> int:
    """The documented rule where nobody counted: UTF-8 bytes / 4, rounded down, at least 1."""
    return byte_count // BYTES_PER_TOKEN or 1
