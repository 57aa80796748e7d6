"""The members of Responses as they stand on the wire: what clients send (strict), and what upstreams answer (lenient).

`Raw | UnsetType` is a value that is carried; null comes as its four bytes. Members that mean nothing in a request, because a client
sends back whole items that it was given, are listed so that they are known.
"""

from typing import Any

import msgspec
from msgspec import UNSET, Raw

from anyrouter.wire.translation.carried import Carried

NAME = "responses"


def compact(raw: bytes | Raw) -> bytes:
    """A JSON value on one line, as an event's data has to be."""
    text = bytes(raw)
    return msgspec.json.format(text, indent=-1) if b"\n" in text or b"\r" in text else text


class BreakpointShape(msgspec.Struct, forbid_unknown_fields=True):
    """`prompt_cache_breakpoint`."""

    mode: str = "explicit"
    ttl: str | None = None


class CacheControlShape(msgspec.Struct, forbid_unknown_fields=True):
    """OpenRouter's and Anthropic's `cache_control`."""

    type: str = "ephemeral"
    ttl: str | None = None


class AudioInShape(msgspec.Struct, forbid_unknown_fields=True):
    """`input_audio`."""

    data: Raw
    format: str | None = None


class PartShape(msgspec.Struct, forbid_unknown_fields=True):
    """A part of a message's content or of a tool's output; which members it has depends on its type."""

    type: str
    text: Carried = UNSET
    refusal: Carried = UNSET
    image_url: Carried = UNSET
    detail: str | None = None
    file_id: str | None = None
    file_data: Carried = UNSET
    file_url: Carried = UNSET
    filename: str | None = None
    input_audio: AudioInShape | None = None
    prompt_cache_breakpoint: BreakpointShape | None = None
    cache_control: CacheControlShape | None = None
    annotations: Carried = UNSET  # an answer's, sent back
    logprobs: Carried = UNSET
    parsed: Carried = UNSET


class ThoughtShape(msgspec.Struct):
    """A text of a reasoning item: of its summary, or of its content."""

    text: Carried = UNSET
    type: str = ""


class ItemShape(msgspec.Struct, forbid_unknown_fields=True, rename={"is_async": "async"}):
    """An item of the input that is a message, a call of the client's tools, its output, or reasoning."""

    type: str | None = None
    role: str | None = None
    content: Carried = UNSET
    id: str | None = None
    call_id: str | None = None
    name: str | None = None
    arguments: str | None = None
    input: str | None = None
    output: Carried = UNSET
    summary: list[ThoughtShape] | None = None
    encrypted_content: str | None = None
    namespace: str | None = None
    status: str | None = None  # of an answer's item, sent back
    phase: str | None = None
    caller: Carried = UNSET
    is_async: bool | None = None
    parsed_arguments: Carried = UNSET
    created_by: Carried = UNSET


class KindShape(msgspec.Struct):
    """What tells an item's kind."""

    type: str | None = None
    role: str | None = None


class ToolShape(msgspec.Struct, forbid_unknown_fields=True, rename={"is_async": "async"}):
    """A function or a custom tool of the client's. The second half are hints that change nothing about what may be called."""

    type: str
    name: str | None = None
    description: Carried = UNSET
    parameters: Carried = UNSET
    strict: bool | None = None
    format: Carried = UNSET
    cache_control: CacheControlShape | None = None
    is_async: bool | None = None
    defer_loading: bool | None = None
    allowed_callers: list[str] | None = None
    output_schema: Carried = UNSET


class ReferredToolShape(msgspec.Struct):
    """A tool that is referred to; one of the upstream's own has no name."""

    type: str
    name: str | None = None


class ToolChoiceShape(ReferredToolShape):
    """A tool choice that is an object."""

    mode: str | None = None
    tools: list[ReferredToolShape] | None = None
    server_label: str | None = None


class FormatShape(msgspec.Struct, forbid_unknown_fields=True):
    """`text.format`."""

    type: str
    name: str | None = None
    description: str | None = None
    schema: Carried = UNSET
    strict: bool | None = None


class TextShape(msgspec.Struct, forbid_unknown_fields=True):
    """`text`."""

    format: FormatShape | None = None
    verbosity: str | None = None


class ReasoningShape(msgspec.Struct, forbid_unknown_fields=True):
    """`reasoning`. The last three are OpenRouter's."""

    effort: str | None = None
    summary: str | None = None
    generate_summary: str | None = None
    context: str | None = None
    mode: str | None = None
    max_tokens: int | None = None
    enabled: bool | None = None
    exclude: bool | None = None


class CacheOptionsShape(msgspec.Struct):
    """What of `prompt_cache_options` is more than a hint: no answer is wanted at all."""

    prewarm: bool | None = None


# What upstreams answer. Nothing is refused for being unknown.


class TopLogprobShape(msgspec.Struct):
    """One of the likeliest tokens."""

    token: str = ""
    logprob: float = 0.0
    bytes: list[int] | None = None


class LogprobShape(msgspec.Struct):
    """A token."""

    token: str
    logprob: float
    bytes: list[int] | None = None
    top_logprobs: list[TopLogprobShape] | None = None


class AnnotationShape(msgspec.Struct):
    """An annotation; which members it has depends on its type."""

    type: str = ""
    url: str | None = None
    title: str | None = None
    start_index: int | None = None
    end_index: int | None = None
    file_id: str | None = None
    filename: str | None = None
    index: int | None = None


class ToldPartShape(msgspec.Struct):
    """A part of an answer's message."""

    type: str = ""
    text: Carried = UNSET
    refusal: Carried = UNSET
    annotations: list[Raw] | None = None
    logprobs: list[LogprobShape] | None = None


class ToldItemShape(msgspec.Struct):
    """An item of the output. `content` is a list: of parts, or of thoughts."""

    type: str = ""
    id: str | None = None
    content: Carried = UNSET
    summary: list[ThoughtShape] | None = None
    encrypted_content: str | None = None
    call_id: str | None = None
    name: str | None = None
    arguments: Carried = UNSET
    input: Carried = UNSET
    result: Carried = UNSET
    output_format: str | None = None


class FaultShape(msgspec.Struct):
    """`error`."""

    message: str | None = None
    code: Any = None
    type: Any = None


class IncompleteShape(msgspec.Struct):
    """`incomplete_details`."""

    reason: str | None = None


class ReplyShape(msgspec.Struct):
    """A response, whole or at some point of its stream."""

    output: Carried = UNSET
    id: str | None = None
    model: str | None = None
    status: str | None = None
    created_at: float | None = None
    usage: Carried = UNSET
    error: FaultShape | None = None
    incomplete_details: IncompleteShape | None = None
    service_tier: str | None = None
    tool_usage: Carried = UNSET


class TextDeltaShape(msgspec.Struct):
    """What of an event is looked at where it is more of a text, which nearly every event is."""

    type: str = ""
    delta: Carried = UNSET
    output_index: int = 0
    content_index: int = 0
    logprobs: list[LogprobShape] | None = None


class EventShape(msgspec.Struct):
    """An event of a stream; which members it has depends on its type."""

    type: str = ""
    delta: Carried = UNSET
    output_index: int = 0
    content_index: int = 0
    summary_index: int = 0
    item_id: str | None = None
    logprobs: list[LogprobShape] | None = None
    text: Carried = UNSET
    refusal: Carried = UNSET
    arguments: Carried = UNSET
    input: Carried = UNSET
    part: Carried = UNSET
    item: Carried = UNSET
    annotation: Carried = UNSET
    response: Carried = UNSET
    error: Carried = UNSET
    message: str | None = None
    code: Any = None
