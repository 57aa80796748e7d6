"""The Anthropic dialect: messages and count_tokens; requests, whole replies and streams.

Source: the Anthropic API reference as published in 2026 (API version 2023-06-01). A reply reaches the client as it came, but for
`provider` where that member is free; streams are read and not changed.
"""

from collections.abc import Callable
from typing import Annotated

import msgspec

from anyrouter.core.usage import Usage, UsageSource, estimate_tokens
from anyrouter.wire.measure import TextMeter, measure
from anyrouter.wire.members import Members, NotJson
from anyrouter.wire.proofs import ProvenRequest, clean_messages
from anyrouter.wire.reply import CostFields, InvalidReply, Naming, ReplyFacts
from anyrouter.wire.request import OWN_MEMBERS, InferenceRequest, estimate_input, need, read_flag, read_members, read_model
from anyrouter.wire.sse import EventSplitter, checked_comment, data_of, feed_checked, split_events

NAME = "anthropic"
_PROMPT_MEMBERS = ("messages", "system", "tools")
FINISH_REASONS = {
    "end_turn": "stop",
    "stop_sequence": "stop",
    "pause_turn": "stop",
    "max_tokens": "length",
    "model_context_window_exceeded": "length",
    "tool_use": "tool_calls",
    "refusal": "content_filter",
}
# Events that carry something to be read; all others pass unread.
_MARKS = (b"message_start", b"message_delta", b"message_stop", b"error")


# Counts beyond reason are none: the usage is then estimated. Negative ones are taken for nothing.
_Count = Annotated[int, msgspec.Meta(le=2**40)]


class _OutputDetails(msgspec.Struct):
    thinking_tokens: _Count | None = None


class UsageMember(msgspec.Struct):
    """The `usage` object of the Anthropic dialect: `input_tokens` leaves out what was read from or written to the cache."""

    input_tokens: _Count | None = None
    output_tokens: _Count | None = None
    cache_read_input_tokens: _Count | None = None
    cache_creation_input_tokens: _Count | None = None
    output_tokens_details: _OutputDetails | None = None


class _Message(msgspec.Struct):
    id: str | None = None
    usage: UsageMember | None = None


class _Delta(msgspec.Struct):
    stop_reason: str | None = None


class _Kind(msgspec.Struct):
    type: str = ""


class _Event(msgspec.Struct):
    type: str = ""
    message: _Message | None = None
    delta: _Delta | None = None
    usage: UsageMember | None = None


_decode_usage = msgspec.json.Decoder(UsageMember).decode
_decode_event = msgspec.json.Decoder(_Event).decode
_decode_kind = msgspec.json.Decoder(_Kind).decode


def read_request(endpoint: str, body: bytes) -> InferenceRequest:
    """Judge a request's body; nothing of it is changed yet. ClientError says what is wrong with it."""
    members = read_members(body)
    model = read_model(members)
    is_streamed = endpoint == "messages" and read_flag(members, "stream")
    need(members, "messages", endpoint)
    return ProvenRequest(
        members=members,
        model=model,
        is_streamed=is_streamed,
        is_usage_wanted=True,
        estimated_input_tokens=estimate_input(members, _PROMPT_MEMBERS),
        replace={},
        remove=frozenset(OWN_MEMBERS & members.values.keys()),
        append={} if "model" in members.values else {"model": msgspec.json.encode(model)},
        clean=clean_messages,
    )


def read_reply(endpoint: str, body: bytes) -> tuple[Members, ReplyFacts]:
    """The members and facts of a whole reply; InvalidReply when it is not one of this endpoint."""
    try:
        members = Members(body)
    except NotJson as error:
        raise InvalidReply(str(error)) from None
    if endpoint == "messages/count_tokens":
        if members.raw_is_missing("input_tokens"):
            raise InvalidReply("the reply has no input_tokens")
        return members, ReplyFacts(usage=Usage(source=UsageSource.NONE))
    if not members.starts_with("content", b"["):
        raise InvalidReply("the reply has no content")
    native = members.text_of("stop_reason")
    return members, ReplyFacts(
        usage=read_usage(members.raw("usage")),
        upstream_id=members.text_of("id"),
        finish_reason=FINISH_REASONS.get(native, native) if native else None,
        native_finish_reason=native,
        output_bytes=measure(body),
    )


def render_reply(endpoint: str, members: Members, naming: Naming, _usage: Usage, _cost: CostFields) -> list[bytes | memoryview]:
    """The reply for the client: as it came, with `provider` where that is free."""
    if endpoint == "messages/count_tokens" or "provider" in members.values:
        return [members.text]
    return members.edit({}, (), {"provider": naming.provider})


def read_usage(raw: bytes | None) -> Usage | None:
    """The usage that a `usage` member tells; None when it is absent, null or not usable."""
    if raw is None or raw == b"null":
        return None
    try:
        return _to_usage(_decode_usage(raw))
    except (ValueError, msgspec.DecodeError):
        return None


def _to_usage(told: UsageMember) -> Usage | None:
    if told.input_tokens is None and told.output_tokens is None:
        return None
    read, written = max(0, told.cache_read_input_tokens or 0), max(0, told.cache_creation_input_tokens or 0)
    return Usage(
        input_tokens=max(0, told.input_tokens or 0) + read + written,
        output_tokens=max(0, told.output_tokens or 0),
        cache_read_tokens=read,
        cache_write_tokens=written,
        reasoning_tokens=max(0, told.output_tokens_details.thinking_tokens or 0) if told.output_tokens_details else 0,
    )


class AnthropicStream:
    """A `StreamRewriter` that changes nothing: it reads usage, stop reason, errors and the end off the passing events."""

    def __init__(self, *, estimate_input: Callable[[], int]) -> None:
        self._facts, self._meter = ReplyFacts(), TextMeter()
        self.is_done, self.is_begun = False, False
        self.failure: bytes | None = None
        self._estimate_input = estimate_input
        self._splitter = EventSplitter()
        self._held: list[bytes] = []
        self._told = UsageMember()
        self._has_final_usage = False

    @property
    def facts(self) -> ReplyFacts:
        """What has been read off so far."""
        self._facts.output_bytes = self._meter.size()
        return self._facts

    def feed(self, data: bytes) -> bytes:
        """Whole events as they came; InvalidReply for what is not a stream of this dialect."""
        whole = feed_checked(self._splitter, data)
        if not whole or self.is_done or self.failure is not None:
            return b""
        if not self.is_begun or any(mark in whole for mark in _MARKS):
            return self._read_all(split_events(whole))
        self._meter.add(whole)
        return whole

    def eof(self) -> bytes:
        """Nothing is owed at the end; `is_done` stays false when `message_stop` never came."""
        rest = self._splitter.rest()
        if not data_of(rest) or self.is_done or self.failure is not None:
            return b""
        try:
            return self._read_all([rest.rstrip(b"\r\n") + b"\n\n"])
        except InvalidReply:
            return b""

    def usage(self) -> Usage:
        """What was used so far. Until the final count has come, output is an estimate from what has passed."""
        told = _to_usage(self._told)
        if told is not None and self._has_final_usage:
            return told
        size = self._meter.size()
        estimated = estimate_tokens(size) if size else 0
        if told is None:
            return Usage(input_tokens=self._estimate_input(), output_tokens=estimated, source=UsageSource.ESTIMATED)
        return msgspec.structs.replace(told, output_tokens=max(told.output_tokens, estimated), source=UsageSource.ESTIMATED)

    def _read_all(self, events: list[bytes]) -> bytes:
        """Up to the end or an error; what comes behind either does not matter."""
        out: list[bytes] = []
        for event in events:
            if self.is_done or self.failure is not None:
                break
            self._meter.add(event)
            if not self.is_begun and not data_of(event):
                self._held.append(checked_comment(event))
                continue
            was_begun = self.is_begun
            self._read(event)
            if not self.is_begun:
                self._held.append(event)
                continue
            if not was_begun:
                out += self._held  # what comes before message_start does not begin the client's reply: it waits for it
            if self.failure is None:
                out.append(event)
        return b"".join(out)

    def _read(self, event: bytes) -> None:
        """Take note of one event."""
        data = data_of(event)
        if not data:
            checked_comment(event)
            return
        decoded = _decode(data, is_begun=self.is_begun)
        if decoded.type == "error":
            self.failure = data
        elif not decoded.type or (not self.is_begun and decoded.type not in ("message_start", "ping")):
            raise InvalidReply("the stream does not begin with message_start")
        elif decoded.message is not None and decoded.type == "message_start":
            self.is_begun = True
            self._facts.upstream_id = decoded.message.id
            self._merge(decoded.message.usage)
        elif decoded.type == "message_delta":
            self._has_final_usage = self._has_final_usage or decoded.usage is not None
            self._merge(decoded.usage)
            native = decoded.delta.stop_reason if decoded.delta else None
            if native:
                self._facts.native_finish_reason, self._facts.finish_reason = native, FINISH_REASONS.get(native, native)
        elif decoded.type == "message_stop":
            self.is_done = True

    def _merge(self, told: UsageMember | None) -> None:
        """Later counts are cumulative and replace earlier ones, name by name."""
        for name in UsageMember.__struct_fields__:
            value = getattr(told, name, None)
            if value is not None:
                setattr(self._told, name, value)
        self._facts.usage = _to_usage(self._told) if self._has_final_usage else None


def _decode(data: bytes, *, is_begun: bool) -> _Event:
    """An event's data. Of a kind that is not known here, or told otherwise than today, nothing but the kind is read."""
    try:
        return _decode_event(data)
    except (ValueError, msgspec.DecodeError, RecursionError):
        if not is_begun:
            raise InvalidReply("the stream does not begin with message_start") from None
    try:
        return _Event(type=_decode_kind(data).type)
    except (ValueError, msgspec.DecodeError, RecursionError):
        raise InvalidReply("an event of the stream is not a JSON object") from None
