"""The members of a Converse reply and of the events of its stream: lenient, since nothing is refused for being unknown."""

import msgspec
from msgspec import UNSET, Raw

from anyrouter.wire.translation.carried import Carried


class _Told(msgspec.Struct, rename="camel", gc=False):
    """What all of them have in common."""


class TextShape(_Told):
    """Whatever holds a text."""

    text: str | None = None


class S3Shape(_Told):
    """A place in S3."""

    uri: str | None = None


class BytesShape(_Told):
    """Where a picture's bytes are, as base64."""

    bytes: Carried = UNSET
    s3_location: S3Shape | None = None


class ImageShape(_Told):
    """A picture."""

    format: str = "png"
    source: BytesShape | None = None


class ToolUseShape(_Told):
    """A tool call. `type` is told of one that the service runs itself."""

    tool_use_id: str = ""
    name: str = ""
    input: Carried = UNSET
    type: str | None = None


class ReasoningTextShape(_Told):
    """A thought that can be read."""

    text: Carried = UNSET
    signature: str | None = None


class ReasoningShape(_Told):
    """A thought; of the redacted one, base64."""

    reasoning_text: ReasoningTextShape | None = None
    redacted_content: str | None = None


class PlaceShape(_Told):
    """A place within a document or a search result, or an address."""

    document_index: int | None = None
    search_result_index: int | None = None
    start: int | None = None
    end: int | None = None
    url: str | None = None


class LocationShape(_Told):
    """One of five kinds of place."""

    web: PlaceShape | None = None
    document_char: PlaceShape | None = None
    document_page: PlaceShape | None = None
    document_chunk: PlaceShape | None = None
    search_result_location: PlaceShape | None = None


class CitationShape(_Told):
    """What a text rests on."""

    title: str | None = None
    source: str | None = None
    source_content: list[TextShape] | None = None
    location: LocationShape | None = None


class CitedShape(_Told):
    """A text with its citations."""

    content: list[ReasoningTextShape] | None = None
    citations: list[CitationShape] | None = None


class BlockShape(_Told):
    """A content block: one of its members is told."""

    text: Carried = UNSET
    tool_use: ToolUseShape | None = None
    reasoning_content: ReasoningShape | None = None
    citations_content: CitedShape | None = None
    image: ImageShape | None = None


class MessageShape(_Told):
    """The answer."""

    content: list[BlockShape] | None = None


class RawMessageShape(_Told):
    """The answer, its blocks as they came."""

    content: list[Raw]


class RawOutputShape(_Told):
    """`output`."""

    message: RawMessageShape


class RawReplyShape(_Told):
    """A reply that holds what only its own service can express."""

    output: RawOutputShape


class OutputShape(_Told):
    """`output`."""

    message: MessageShape | None = None


class CacheDetailShape(_Told):
    """What was written to the cache for how long."""

    ttl: str = ""
    input_tokens: int = 0


class UsageShape(_Told):
    """`usage`; `inputTokens` leave out what was read from or written to the cache."""

    input_tokens: int | None = None
    output_tokens: int | None = None
    cache_read_input_tokens: int | None = None
    cache_write_input_tokens: int | None = None
    cache_details: list[CacheDetailShape] | None = None


class FieldsShape(msgspec.Struct, gc=False):
    """`additionalModelResponseFields`, of which the model's own name for the stop sequence is asked for."""

    stop_sequence: str | None = None


class TierShape(_Told):
    """`serviceTier`."""

    type: str | None = None


class RouterShape(_Told):
    """Which model a prompt router chose."""

    invoked_model_id: str | None = None


class TraceShape(_Told):
    """`trace`."""

    prompt_router: RouterShape | None = None


class ReplyShape(_Told):
    """A whole reply."""

    output: OutputShape | None = None
    stop_reason: str | None = None
    usage: UsageShape | None = None
    additional_model_response_fields: Carried = UNSET
    trace: TraceShape | None = None
    service_tier: TierShape | None = None


class ToolResultStartShape(_Told):
    """The answer of a tool that the service ran."""

    tool_use_id: str = ""
    type: str | None = None
    status: str | None = None


class StartShape(_Told):
    """What begins."""

    tool_use: ToolUseShape | None = None
    tool_result: ToolResultStartShape | None = None
    image: ImageShape | None = None


class BlockStartShape(_Told):
    """`contentBlockStart`."""

    content_block_index: int
    start: StartShape | None = None


class ToolInputShape(_Told):
    """More of a call's input: a piece of its JSON text."""

    input: Carried = UNSET


class ReasoningDeltaShape(_Told):
    """More of a thought."""

    text: Carried = UNSET
    signature: str | None = None
    redacted_content: str | None = None


class DeltaShape(_Told):
    """One of these."""

    text: Carried = UNSET
    tool_use: ToolInputShape | None = None
    reasoning_content: ReasoningDeltaShape | None = None
    citation: CitationShape | None = None
    tool_result: list[Raw] | None = None
    image: ImageShape | None = None


class BlockDeltaShape(_Told):
    """`contentBlockDelta`."""

    content_block_index: int
    delta: DeltaShape


class BlockStopShape(_Told):
    """`contentBlockStop`."""

    content_block_index: int


class StopShape(_Told):
    """`messageStop`."""

    stop_reason: str | None = None
    additional_model_response_fields: Carried = UNSET


class MetadataShape(_Told):
    """`metadata`."""

    usage: UsageShape | None = None
    trace: TraceShape | None = None
    service_tier: TierShape | None = None


class ErrorShape(_Told):
    """What an exception within a stream says."""

    message: str | None = None
    original_message: str | None = None
    original_status_code: int | None = None
