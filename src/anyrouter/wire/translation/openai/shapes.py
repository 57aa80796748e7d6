"""The members of chat completions as they stand on the wire: what clients send (strict), and what upstreams answer (lenient).

`Raw | UnsetType` is a value that is carried; null comes as its four bytes. Members that mean nothing in a request, because a client
sends back a whole message that it was given, are listed so that they are known.
"""

from typing import Any

import msgspec
from msgspec import UNSET, Raw

from anyrouter.wire.translation.carried import Carried


class CacheControlShape(msgspec.Struct, forbid_unknown_fields=True):
    """OpenRouter's and Anthropic's."""

    type: str = "ephemeral"
    ttl: str | None = None


class BreakpointShape(msgspec.Struct, forbid_unknown_fields=True):
    """OpenAI's `prompt_cache_breakpoint`."""

    mode: str = "explicit"
    ttl: str | None = None


class ImageUrlShape(msgspec.Struct, forbid_unknown_fields=True):
    """The object form of `image_url`, and `video_url`."""

    url: Raw
    detail: str | None = None


class AudioInShape(msgspec.Struct, forbid_unknown_fields=True):
    """`input_audio`."""

    data: Raw
    format: str | None = None


class FileShape(msgspec.Struct, forbid_unknown_fields=True):
    """`file`. `file_data` is a data: URL, base64 alone, or (OpenRouter) an address."""

    file_data: Carried = UNSET
    file_id: str | None = None
    filename: str | None = None
    format: str | None = None


class KindShape(msgspec.Struct):
    """Whatever has a type."""

    type: str


class PartShape(msgspec.Struct, forbid_unknown_fields=True):
    """A part of a message's content; which members it has depends on its type."""

    type: str
    text: Carried = UNSET
    refusal: Carried = UNSET
    image_url: Carried = UNSET
    input_audio: AudioInShape | None = None
    file: FileShape | None = None
    video_url: ImageUrlShape | None = None
    cache_control: CacheControlShape | None = None
    prompt_cache_breakpoint: BreakpointShape | None = None
    annotations: Carried = UNSET


class FunctionCallShape(msgspec.Struct, forbid_unknown_fields=True):
    """What of a call is the function's."""

    name: str
    arguments: str = ""


class CustomCallShape(msgspec.Struct, forbid_unknown_fields=True):
    """What of a call is the custom tool's."""

    name: str
    input: str = ""


class CallShape(msgspec.Struct, forbid_unknown_fields=True):
    """A tool call in a message that a client sends back. `index` is left over from a stream. `extra_content` is Google's."""

    id: str
    function: FunctionCallShape | None = None
    custom: CustomCallShape | None = None
    type: str = "function"
    index: int | None = None
    extra_content: Carried = UNSET


class DetailShape(msgspec.Struct):
    """An entry of OpenRouter's `reasoning_details`, sent or answered."""

    type: str = ""
    text: Carried = UNSET
    summary: Carried = UNSET
    data: str | None = None
    signature: str | None = None
    id: str | None = None
    format: str | None = None
    index: int | None = None


class AudioIdShape(msgspec.Struct):
    """A spoken answer that is referred to, or sent back whole."""

    id: str


class MessageShape(msgspec.Struct, forbid_unknown_fields=True, gc=False):
    """A message of a request."""

    role: str
    content: Carried = UNSET
    name: str | None = None
    tool_calls: list[CallShape] | None = None
    tool_call_id: str | None = None
    refusal: Carried = UNSET
    reasoning: Carried = UNSET
    reasoning_content: Carried = UNSET
    reasoning_details: list[DetailShape] | None = None
    audio: AudioIdShape | None = None
    function_call: FunctionCallShape | None = None
    images: Carried = UNSET
    cache_control: CacheControlShape | None = None
    annotations: Carried = UNSET  # an answer's, sent back: means nothing
    parsed: Carried = UNSET
    provider_specific_fields: Carried = UNSET
    thinking_blocks: Carried = UNSET


class FunctionShape(msgspec.Struct, forbid_unknown_fields=True):
    """A function that may be called."""

    name: str
    description: Carried = UNSET
    parameters: Carried = UNSET
    strict: bool | None = None


class CustomShape(msgspec.Struct, forbid_unknown_fields=True):
    """A custom tool."""

    name: str
    description: Carried = UNSET
    format: Carried = UNSET


class ToolShape(msgspec.Struct, forbid_unknown_fields=True):
    """A function or a custom tool; what is neither is carried as it is."""

    function: FunctionShape | None = None
    custom: CustomShape | None = None
    type: str = "function"
    cache_control: CacheControlShape | None = None


class SchemaShape(msgspec.Struct, forbid_unknown_fields=True):
    """`json_schema` of a response format."""

    name: str = "response"
    description: str | None = None
    schema: Carried = UNSET
    strict: bool | None = None


class ResponseFormatShape(msgspec.Struct, forbid_unknown_fields=True):
    """`response_format`."""

    type: str
    json_schema: SchemaShape | None = None


class ReasoningShape(msgspec.Struct, forbid_unknown_fields=True):
    """OpenRouter's `reasoning`."""

    effort: str | None = None
    max_tokens: int | None = None
    exclude: bool | None = None
    enabled: bool | None = None
    summary: str | None = None


class AudioOutShape(msgspec.Struct, forbid_unknown_fields=True):
    """`audio` of a request."""

    voice: Carried = UNSET
    format: str | None = None


class NameShape(msgspec.Struct):
    """Whatever has a name."""

    name: str


class NamedToolShape(msgspec.Struct):
    """A tool that is referred to."""

    type: str = "function"
    function: NameShape | None = None
    custom: NameShape | None = None


class AllowedToolsShape(msgspec.Struct):
    """`allowed_tools` of a tool choice."""

    mode: str
    tools: list[NamedToolShape]


class ToolChoiceShape(NamedToolShape):
    """A tool choice that is an object."""

    allowed_tools: AllowedToolsShape | None = None


# What upstreams answer. Nothing is refused for being unknown, and a server's freedom with types is borne where it is known.


class ToldFunctionShape(msgspec.Struct):
    """A function call, whole or a piece. Ollama and others write the arguments as an object."""

    name: str | None = None
    arguments: Carried = UNSET


class ToldCustomShape(msgspec.Struct):
    """A custom tool's call, whole or a piece."""

    name: str | None = None
    input: Carried = UNSET


class ToldCallShape(msgspec.Struct):
    """A tool call, whole or a piece."""

    index: int | None = None
    id: str | None = None
    type: str | None = None
    function: ToldFunctionShape | None = None
    custom: ToldCustomShape | None = None
    extra_content: Carried = UNSET


class ToldAudioShape(msgspec.Struct):
    """A spoken answer, whole or a piece."""

    id: str | None = None
    data: Carried = UNSET
    transcript: Carried = UNSET
    expires_at: int | None = None


class UrlCitationShape(msgspec.Struct):
    """What a `url_citation` is. `content` is OpenRouter's: the cited text."""

    url: str | None = None
    title: str | None = None
    start_index: int | None = None
    end_index: int | None = None
    content: str | None = None


class AnnotationShape(msgspec.Struct):
    """An annotation."""

    type: str = ""
    url_citation: UrlCitationShape | None = None


class ToldImageUrlShape(msgspec.Struct):
    """A generated picture's address or data."""

    url: Carried = UNSET


class ToldImageShape(msgspec.Struct):
    """A generated picture, as OpenRouter answers it."""

    image_url: ToldImageUrlShape | None = None


class ToldMessageShape(msgspec.Struct):
    """An answer's message, or the delta of one."""

    content: Carried = UNSET
    refusal: Carried = UNSET
    reasoning: Carried = UNSET
    reasoning_content: Carried = UNSET
    reasoning_details: list[DetailShape] | None = None
    tool_calls: list[ToldCallShape] | None = None
    function_call: ToldFunctionShape | None = None
    annotations: list[AnnotationShape] | None = None
    audio: ToldAudioShape | None = None
    images: list[ToldImageShape] | None = None


class TopLogprobShape(msgspec.Struct):
    """One of the likeliest tokens."""

    token: str
    logprob: float
    bytes: list[int] | None = None


class LogprobShape(msgspec.Struct):
    """A token."""

    token: str
    logprob: float
    bytes: list[int] | None = None
    top_logprobs: list[TopLogprobShape] | None = None


class LogprobsShape(msgspec.Struct):
    """`logprobs` of a choice."""

    content: list[LogprobShape] | None = None
    refusal: list[LogprobShape] | None = None


class ChoiceShape(msgspec.Struct):
    """A choice of a reply. `stop_reason` is what vLLM calls the stop sequence that was hit (or a token's number)."""

    message: ToldMessageShape | None = None
    index: int = 0
    finish_reason: str | None = None
    native_finish_reason: str | None = None
    stop_reason: Any = None
    logprobs: LogprobsShape | None = None


class ReplyShape(msgspec.Struct):
    """A whole reply."""

    choices: list[ChoiceShape] | None = None
    id: str | None = None
    model: str | None = None
    created: int | None = None
    usage: Carried = UNSET
    service_tier: str | None = None
    system_fingerprint: str | None = None
    error: Carried = UNSET


class DeltaChoiceShape(msgspec.Struct):
    """A choice of a chunk."""

    delta: ToldMessageShape | None = None
    index: int = 0
    finish_reason: str | None = None
    native_finish_reason: str | None = None
    stop_reason: Any = None
    logprobs: LogprobsShape | None = None


class ChunkShape(msgspec.Struct):
    """A chunk of a stream."""

    choices: list[DeltaChoiceShape] | None = None
    id: str | None = None
    model: str | None = None
    created: int | None = None
    usage: Carried = UNSET
    service_tier: str | None = None
    system_fingerprint: str | None = None
    error: Carried = UNSET
