"""The `response` object, as it stands in whole replies and in the first and last events of a stream.

What the client asked is repeated as it came, but for the credentials of its MCP servers. Members follow in OpenAI's order (recorded
replies of 2025 and 2026); `provider` and the cost in `usage` are the gateway's own.
"""

from typing import Any

import msgspec
from msgspec import Raw

from anyrouter.core.usage import Usage
from anyrouter.wire.form.reply import FinishReason, UsageDetails
from anyrouter.wire.form.warnings import warnings_shown
from anyrouter.wire.members import append_to_object
from anyrouter.wire.reply import CostFields
from anyrouter.wire.translation.codec import ReplyContext
from anyrouter.wire.translation.known import is_null
from anyrouter.wire.translation.responses.request_decoder import ResponsesRequest
from anyrouter.wire.translation.responses.shapes import compact

_encode = msgspec.json.Encoder().encode
_decode_tools = msgspec.json.Decoder(list[dict[str, Any]]).decode
_TIERS = frozenset({"auto", "default", "flex", "scale", "priority", "ultrafast"})
_CREDENTIALS = ("authorization", "headers")
_AFTER_OUTPUT = (
    ("parallel_tool_calls", b"true"),
    ("presence_penalty", b"0.0"),
    ("previous_response_id", b"null"),
    ("prompt_cache_key", b"null"),
    ("prompt_cache_retention", b"null"),
    ("reasoning", b'{"effort":null,"summary":null}'),
    ("safety_identifier", b"null"),
)
_AFTER_TIER = (
    ("temperature", b"null"),
    ("text", b'{"format":{"type":"text"}}'),
    ("tool_choice", b'"auto"'),
    ("tools", b"[]"),
    ("top_logprobs", b"0"),
    ("top_p", b"null"),
)
_NO_USAGE = b'"usage":null'
_TOOL_USAGE = (
    b',"tool_usage":{"image_gen":{"input_tokens":0,"input_tokens_details":{"image_tokens":0,"text_tokens":0},"output_tokens":0,'
    b'"total_tokens":0},"web_search":{"num_requests":%d}}'
)
INCOMPLETE = {FinishReason.LENGTH: b"max_output_tokens", FinishReason.CONTENT_FILTER: b"content_filter"}


class ResponseObject:
    """Renders the object of one reply at any point of its life. What never changes of it is rendered once."""

    __slots__ = ("_after_output", "_after_tier", "_before_output", "_created", "_head", "_tail", "_tier")

    def __init__(self, context: ReplyContext) -> None:
        naming = context.naming
        told = context.request.told if isinstance(context.request, ResponsesRequest) else {}
        self._head = b'{"id":%s,"object":"response","created_at":' % naming.generation_id
        self._created = b"%d" % context.created_s
        # max_tool_calls and truncation are what is done, not what was asked for.
        self._before_output = b'"instructions":%s,"max_output_tokens":%s,"max_tool_calls":null,"model":%s' % (
            _repeat(told, "instructions", b"null"),
            _repeat(told, "max_output_tokens", b"null"),
            naming.model,
        )
        self._after_output = b",".join([b'"%s":%s' % (name.encode(), _repeat(told, name, default)) for name, default in _AFTER_OUTPUT])
        self._tier = b'"default"'
        echoed = b",".join([b'"%s":%s' % (name.encode(), _repeat(told, name, default)) for name, default in _AFTER_TIER])
        self._after_tier = b'"store":false,%s,"truncation":"disabled"' % echoed
        metadata = _repeat(told, "metadata", b"{}")
        if context.warnings:  # values of metadata are strings
            shown = _encode(_encode(warnings_shown(context.warnings)).decode())
            metadata = append_to_object(metadata, b'"warnings":%s' % shown)
        self._tail = b'"user":%s,"metadata":%s,"provider":%s}' % (_repeat(told, "user", b"null"), metadata, naming.provider)

    def take_start(self, created_s: int | None, service_tier: str | None) -> None:
        """What the upstream told of itself."""
        if created_s is not None:
            self._created = b"%d" % created_s
        if service_tier in _TIERS:
            self._tier = _encode(service_tier)

    def render(
        self, status: bytes, output: bytes = b"", usage: bytes = _NO_USAGE, error: bytes = b"null", incomplete: bytes = b"null"
    ) -> bytes:
        """The object. `output` is the items with commas between, `usage` is what `render_usage` gives; the others are JSON values."""
        return (
            b'%s%s,"status":"%s","background":false,"completed_at":null,"error":%s,"frequency_penalty":0.0,"incomplete_details":%s,'
            b'%s,"output":[%s],%s,"service_tier":%s,%s,%s,%s'
        ) % (
            self._head,
            self._created,
            status,
            error,
            incomplete,
            self._before_output,
            output,
            self._after_output,
            self._tier,
            self._after_tier,
            usage,
            self._tail,
        )

    def render_end(self, reason: FinishReason | None, output: bytes, usage: bytes) -> tuple[bytes, bytes]:
        """The status that a generation ends with, and the object that says so."""
        if reason is FinishReason.ERROR:
            return b"failed", self.render(b"failed", output, usage, render_fault("server_error", "The model's provider gave up."))
        cause = INCOMPLETE.get(reason) if reason is not None else None
        if cause is None:
            return b"completed", self.render(b"completed", output, usage)
        return b"incomplete", self.render(b"incomplete", output, usage, incomplete=b'{"reason":"%s"}' % cause)


def render_fault(code: str, message: str) -> bytes:
    """The `error` of a response that failed."""
    return _encode({"code": code, "message": message})


def render_usage(usage: Usage, details: UsageDetails | None, cost: CostFields) -> bytes:
    """The `usage` member, whose numbers are never null, behind it `tool_usage` if the upstream searched the web."""
    member = (
        b'"usage":{"input_tokens":%d,"input_tokens_details":{"cache_write_tokens":%d,"cached_tokens":%d},"output_tokens":%d,'
        b'"output_tokens_details":{"reasoning_tokens":%d},"total_tokens":%d,%s}'
    ) % (
        usage.input_tokens,
        usage.cache_write_tokens,
        usage.cache_read_tokens,
        usage.output_tokens,
        usage.reasoning_tokens,
        usage.input_tokens + usage.output_tokens,
        cost.render(),
    )
    searches = details.web_searches if details is not None else None
    return member if not searches else member + _TOOL_USAGE % searches


def _repeat(told: dict[str, Raw], name: str, default: bytes) -> bytes:
    raw = told.get(name)
    if raw is None or is_null(raw):
        return default
    text = compact(raw)
    if name == "tools" and any(b'"%s"' % word.encode() in text for word in _CREDENTIALS):
        tools = _decode_tools(text)
        return _encode([{member: value for member, value in tool.items() if member not in _CREDENTIALS} for tool in tools])
    return text
