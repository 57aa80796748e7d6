"""Responses as upstreams tell them, whole or within the events of a stream, and as they reach the client.

A response keeps its id, which clients send back. What the gateway changes is the contract's section 5: `model`, `provider` and the cost
fields of `usage`; everything else reaches the client as it came.
"""

import msgspec

from anyrouter.core.usage import Usage
from anyrouter.wire.measure import measure
from anyrouter.wire.members import Members, NotJson
from anyrouter.wire.reply import CostFields, InvalidReply, Naming, ReplyFacts
from anyrouter.wire.responses_usage import read_told_usage, render_usage
from anyrouter.wire.utf8 import check_utf8

_SHORT = 32_768
_ABSENT = msgspec.Raw(b"")
_UNFINISHED = frozenset({"failed", "cancelled", "queued", "in_progress"})
_CALLS = frozenset({"function_call", "custom_tool_call"})


class _Item(msgspec.Struct):
    type: str | None = None


class _Incomplete(msgspec.Struct):
    reason: str | None = None


class Told(msgspec.Struct):
    """What a response tells; what may be replaced, as it stands in the text."""

    id: str | None = None
    status: str | None = None
    model: msgspec.Raw = _ABSENT
    provider: msgspec.Raw = _ABSENT
    usage: msgspec.Raw = _ABSENT
    output: list[_Item] | None = None
    incomplete_details: _Incomplete | None = None


class ResponsesReply(msgspec.Struct):
    """A reply that was read and found to be one."""

    text: bytes
    told: Told
    is_usage_whole: bool


class _Output(msgspec.Struct):
    output: msgspec.Raw = _ABSENT


decode_told = msgspec.json.Decoder(Told).decode
_decode_output = msgspec.json.Decoder(_Output).decode


def read_reply(_endpoint: str, body: bytes) -> tuple[ResponsesReply, ReplyFacts]:
    """The reply and its facts; InvalidReply when it is not a response that has come to its end."""
    try:
        check_utf8(body)
        told = decode_told(body)
    except (ValueError, msgspec.DecodeError, RecursionError) as error:
        raise InvalidReply(f"the body is not a reply: {str(error)[:120]}") from None
    if told.output is None:
        raise InvalidReply("the reply has no output")
    if told.status in _UNFINISHED:
        raise InvalidReply(f"the response has the status {told.status}")
    usage, is_whole = read_told_usage(bytes(told.usage))
    finish, native = finish_of(told)
    facts = ReplyFacts(
        usage=usage,
        upstream_id=told.id,
        finish_reason=finish,
        native_finish_reason=native,
        output_bytes=measure(bytes(_decode_output(body).output)) if usage is None else 0,
    )
    return ResponsesReply(body, told, is_whole), facts


def render_reply(_endpoint: str, reply: ResponsesReply, naming: Naming, usage: Usage, cost: CostFields) -> list[bytes | memoryview]:
    """The reply for the client: model, provider and cost spliced in."""
    block = render_usage(bytes(reply.told.usage), usage, cost, is_whole=reply.is_usage_whole)
    return rewrite(reply.text, reply.told, naming, block)


def finish_of(told: Told) -> tuple[str, str]:
    """Why a response ended, in the common words and in its own."""
    if told.status == "incomplete":
        native = told.incomplete_details.reason if told.incomplete_details is not None else None
        return "content_filter" if native == "content_filter" else "length", native or "incomplete"
    has_calls = any(item.type in _CALLS for item in told.output or ())
    return "tool_calls" if has_calls else "stop", told.status or "completed"


def rewrite(text: bytes, told: Told, naming: Naming, usage: bytes | None) -> list[bytes | memoryview]:
    """A response's text with the gateway's names; `usage` is what its usage becomes, None: it stays as it is."""
    if len(text) <= _SHORT and told.provider is _ABSENT:
        spliced = _splice(text.rstrip(), bytes(told.model), bytes(told.usage), naming, usage)
        if spliced is not None:
            return [spliced]
    try:
        members = Members(text)
    except NotJson:  # it is, but with members in the thousands
        return [text]
    values = {"model": naming.model, "provider": naming.provider} | ({} if usage is None else {"usage": usage})
    present = {name: value for name, value in values.items() if name in members.values}
    return members.edit(present, (), {name: value for name, value in values.items() if name not in present})


def _splice(text: bytes, old_model: bytes, old_usage: bytes, naming: Naming, usage: bytes | None) -> bytes | None:
    """The usual response, edited by looking for the values: one that stands in the text but once is the member's. None: not certain."""
    at = text.find(old_model)
    if not old_model or text.find(old_model, at + len(old_model)) >= 0:
        return None
    end = b',"provider":%s}' % naming.provider
    after = at + len(old_model)
    if usage is None:
        return b"".join((text[:at], naming.model, text[after:-1], end))
    usage_at = text.rfind(old_usage)
    if len(old_usage) < 5 or usage_at < after or text.find(old_usage) != usage_at:  # noqa: PLR2004 -- null, or less
        return None
    return b"".join((text[:at], naming.model, text[after:usage_at], usage, text[usage_at + len(old_usage) : -1], end))
