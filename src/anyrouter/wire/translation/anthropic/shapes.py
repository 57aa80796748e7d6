"""The members of the Messages API as they stand on the wire: what clients send (strict), and what upstreams answer (lenient).

Source: platform.claude.com/docs/en/api/messages and the official SDK's types (API versions 2023-06-01 and 2026-10-21), read 2026-11-24.
`Carried` is a value that is carried; null comes as its four bytes.
"""

from typing import Any, TypeAlias

import msgspec
from msgspec import UNSET

from anyrouter.wire.form.parts import CacheControl
from anyrouter.wire.translation.carried import Carried

Wire: TypeAlias = dict[str, Any]


class CacheControlShape(msgspec.Struct, forbid_unknown_fields=True):
    """`cache_control`. `scope` is a host's own."""

    type: str = "ephemeral"
    ttl: str | None = None
    scope: str | None = None

    def control(self) -> CacheControl:
        """It in the form."""
        return CacheControl(self.ttl)


class CitationsConfigShape(msgspec.Struct, forbid_unknown_fields=True):
    """`citations` of a document or search result."""

    enabled: bool | None = None


class SourceShape(msgspec.Struct, forbid_unknown_fields=True):
    """`source` of an image or a document; which members it has depends on its type."""

    type: str
    media_type: str | None = None
    data: Carried = UNSET
    url: str | None = None
    file_id: str | None = None
    content: Carried = UNSET


class CallerShape(msgspec.Struct):
    """Who called a tool: the model (direct), or code that it runs."""

    type: str = "direct"


class BlockShape(msgspec.Struct, forbid_unknown_fields=True):
    """A block of a message's content; which members it has depends on its type. `source` of a search result is a string."""

    type: str
    text: Carried = UNSET
    cache_control: CacheControlShape | None = None
    citations: Carried = UNSET
    source: Carried = UNSET
    title: str | None = None
    context: str | None = None
    transformations: Carried = UNSET
    thinking: Carried = UNSET
    signature: str | None = None
    data: str | None = None
    id: str | None = None
    name: str | None = None
    input: Carried = UNSET
    caller: CallerShape | None = None
    toolset_name: str | None = None
    tool_use_id: str | None = None
    content: Carried = UNSET
    is_error: bool | None = None
    server_name: str | None = None
    file_id: str | None = None
    parsed_output: Carried = UNSET  # the SDK's own, in an answer that is sent back


class KindShape(msgspec.Struct):
    """Whatever has a type."""

    type: str | None = None


class MessageShape(msgspec.Struct, forbid_unknown_fields=True):
    """A message of a request."""

    role: str
    content: Carried = UNSET


class ToolShape(msgspec.Struct, forbid_unknown_fields=True):
    """A tool of the client's."""

    name: str
    description: Carried = UNSET
    input_schema: Carried = UNSET
    type: str | None = None
    strict: bool | None = None
    cache_control: CacheControlShape | None = None
    allowed_callers: list[str] | None = None
    input_examples: Carried = UNSET
    defer_loading: bool | None = None  # when it is read, and how its calls are cut: nothing that changes a call
    eager_input_streaming: bool | None = None


class ToolChoiceShape(msgspec.Struct, forbid_unknown_fields=True):
    """`tool_choice`."""

    type: str
    name: str | None = None
    disable_parallel_tool_use: bool | None = None


class ThinkingShape(msgspec.Struct, forbid_unknown_fields=True):
    """`thinking`."""

    type: str
    budget_tokens: int | None = None
    display: str | None = None


class FormatShape(msgspec.Struct, forbid_unknown_fields=True):
    """`output_config.format`. `name` is some clients' habit and means nothing."""

    type: str
    schema: Carried = UNSET
    name: str | None = None


class OutputConfigShape(msgspec.Struct, forbid_unknown_fields=True):
    """`output_config`."""

    effort: str | None = None
    format: FormatShape | None = None
    task_budget: Carried = UNSET


class MetadataShape(msgspec.Struct, forbid_unknown_fields=True):
    """`metadata`."""

    user_id: str | None = None


# What upstreams answer. Nothing is refused for being unknown.


class ToldBlockShape(msgspec.Struct):
    """A block of an answer, whole or as it begins."""

    type: str = ""
    text: Carried = UNSET
    citations: Carried = UNSET
    thinking: Carried = UNSET
    signature: str | None = None
    data: str | None = None
    id: str | None = None
    name: str | None = None
    input: Carried = UNSET


class ToldMessageShape(msgspec.Struct):
    """A whole answer, or how one begins."""

    type: str = ""
    id: str | None = None
    model: str | None = None
    content: Carried = UNSET
    stop_reason: str | None = None
    stop_sequence: str | None = None
    usage: Carried = UNSET
    error: Carried = UNSET


class ToldDeltaShape(msgspec.Struct):
    """`delta` of a block, or of the message."""

    type: str = ""
    text: Carried = UNSET
    partial_json: Carried = UNSET
    thinking: Carried = UNSET
    signature: str | None = None
    citation: Carried = UNSET
    stop_reason: str | None = None
    stop_sequence: str | None = None


class EventShape(msgspec.Struct):
    """An event of a stream."""

    type: str = ""
    index: int = 0
    delta: ToldDeltaShape | None = None
    content_block: Carried = UNSET
    message: ToldMessageShape | None = None
    usage: Carried = UNSET
