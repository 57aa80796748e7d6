"""What a model answered, whatever the dialect. The numbers are `core.usage.Usage`; `UsageDetails` is what that has no room for."""

from enum import StrEnum

import msgspec

from anyrouter.core.usage import Usage
from anyrouter.wire.form.parts import Part


class FinishReason(StrEnum):
    """Why a generation ended, in our words (OpenRouter's set). The upstream's own word stands beside it."""

    STOP = "stop"  # by itself, or at a stop sequence
    LENGTH = "length"
    TOOL_CALLS = "tool_calls"
    CONTENT_FILTER = "content_filter"  # refusals of a provider's safety system too
    ERROR = "error"


class TopLogprob(msgspec.Struct, frozen=True):
    """One of the likeliest tokens at a place."""

    token: str
    logprob: float
    bytes: list[int] | None = None


class TokenLogprob(msgspec.Struct, frozen=True):
    """A token of the answer."""

    token: str
    logprob: float
    bytes: list[int] | None = None
    top: list[TopLogprob] = []


class UsageDetails(msgspec.Struct, frozen=True, kw_only=True):
    """Counts beside the usage, each None when nobody said. They are parts of `Usage`'s totals, except for the number of searches."""

    audio_input_tokens: int | None = None
    audio_output_tokens: int | None = None
    image_output_tokens: int | None = None
    accepted_prediction_tokens: int | None = None
    rejected_prediction_tokens: int | None = None
    cache_write_5m_tokens: int | None = None
    cache_write_1h_tokens: int | None = None
    tool_input_tokens: int | None = None  # Gemini's toolUsePromptTokenCount
    web_searches: int | None = None


class Candidate(msgspec.Struct, frozen=True, kw_only=True):
    """One of the answers; nearly always the only one. `stop_sequence` is the one that was hit, where the upstream says."""

    parts: list[Part]
    finish: FinishReason | None
    index: int = 0
    native_finish: str | None = None
    stop_sequence: str | None = None
    logprobs: list[TokenLogprob] | None = None
    refusal_logprobs: list[TokenLogprob] | None = None


class Reply(msgspec.Struct, frozen=True, kw_only=True):
    """A whole reply as the upstream gave it; `id` and `model` are the upstream's."""

    candidates: list[Candidate]
    id: str | None = None
    model: str | None = None
    created_s: int | None = None  # Unix time
    usage: Usage | None = None  # None: nobody said
    details: UsageDetails | None = None
    service_tier: str | None = None
    system_fingerprint: str | None = None
