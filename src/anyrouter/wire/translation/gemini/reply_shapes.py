"""The members of a GenerateContentResponse, whole or a piece of a stream: lenient, since nothing is refused for being unknown."""

from typing import Any

import msgspec
from msgspec import UNSET

from anyrouter.wire.translation.carried import Carried


class _Told(msgspec.Struct, rename="camel", gc=False):
    """What all of them have in common."""


class ToldBlobShape(_Told):
    """`inlineData`."""

    data: Carried = UNSET
    mime_type: str | None = None


class ToldFileShape(_Told):
    """`fileData`."""

    file_uri: str | None = None
    mime_type: str | None = None


class ToldCallShape(_Told):
    """`functionCall`."""

    name: str | None = None
    id: str | None = None
    args: Carried = UNSET


class ToldPartShape(_Told, omit_defaults=True):
    """A part of an answer."""

    text: Carried = UNSET
    thought: bool | None = None
    thought_signature: str | None = None
    function_call: ToldCallShape | None = None
    inline_data: ToldBlobShape | None = None
    file_data: ToldFileShape | None = None
    executable_code: Carried = UNSET
    code_execution_result: Carried = UNSET
    tool_call: Carried = UNSET
    tool_response: Carried = UNSET
    audio_transcription: Carried = UNSET


class ToldContentShape(_Told):
    """An answer's content."""

    parts: list[ToldPartShape] | None = None


class CitationShape(_Told):
    """A source that is quoted. The indices count bytes of the answer."""

    start_index: int | None = None
    end_index: int | None = None
    uri: str | None = None
    title: str | None = None


class CitationMetadataShape(_Told):
    """`citationMetadata`; Vertex AI calls its member `citations`, the Gemini API `citationSources`."""

    citations: list[CitationShape] | None = None
    citation_sources: list[CitationShape] | None = None


class GroundShape(_Told):
    """What one grounding chunk is: a page, something retrieved, a place."""

    uri: str | None = None
    title: str | None = None
    text: str | None = None


class GroundingChunkShape(_Told):
    """A source that the answer rests on."""

    web: GroundShape | None = None
    retrieved_context: GroundShape | None = None
    maps: GroundShape | None = None


class SegmentShape(_Told):
    """A piece of the answer, in bytes of its part."""

    part_index: int | None = None
    start_index: int | None = None
    end_index: int | None = None
    text: str | None = None


class SupportShape(_Told):
    """Which sources a segment rests on."""

    segment: SegmentShape | None = None
    grounding_chunk_indices: list[int] | None = None


class GroundingShape(_Told):
    """`groundingMetadata`."""

    grounding_chunks: list[GroundingChunkShape] | None = None
    grounding_supports: list[SupportShape] | None = None
    web_search_queries: list[str] | None = None


class TokenShape(_Told):
    """A token with its probability."""

    token: str = ""
    log_probability: float = 0.0


class TopTokensShape(_Told):
    """The likeliest tokens at a place."""

    candidates: list[TokenShape] | None = None


class LogprobsShape(_Told):
    """`logprobsResult`."""

    chosen_candidates: list[TokenShape] | None = None
    top_candidates: list[TopTokensShape] | None = None


class CandidateShape(_Told):
    """A candidate."""

    content: ToldContentShape | None = None
    index: int = 0
    finish_reason: str | None = None
    citation_metadata: CitationMetadataShape | None = None
    grounding_metadata: GroundingShape | None = None
    logprobs_result: LogprobsShape | None = None


class FeedbackShape(_Told):
    """`promptFeedback`."""

    block_reason: str | None = None


class ModalityShape(_Told):
    """Tokens of one kind."""

    modality: str = ""
    token_count: int = 0


class UsageShape(_Told):
    """`usageMetadata`."""

    prompt_token_count: int | None = None
    candidates_token_count: int | None = None
    total_token_count: int | None = None
    cached_content_token_count: int | None = None
    thoughts_token_count: int | None = None
    tool_use_prompt_token_count: int | None = None
    prompt_tokens_details: list[ModalityShape] | None = None
    candidates_tokens_details: list[ModalityShape] | None = None
    traffic_type: str | None = None


class ReplyShape(_Told):
    """A whole reply."""

    candidates: list[CandidateShape] | None = None
    prompt_feedback: FeedbackShape | None = None
    usage_metadata: UsageShape | None = None
    model_version: str | None = None
    response_id: str | None = None
    create_time: Any = None
    error: Carried = UNSET


class ChunkShape(_Told):
    """A piece of a stream. Its usage is looked at only where it counts."""

    candidates: list[CandidateShape] | None = None
    prompt_feedback: FeedbackShape | None = None
    usage_metadata: Carried = UNSET
    model_version: str | None = None
    response_id: str | None = None
    create_time: Any = None
    error: Carried = UNSET
