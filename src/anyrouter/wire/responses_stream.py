"""Streams of the Responses dialect: read as they pass, rewritten where they tell of the response itself.

Only few events hold the response: those that begin and end it. In them model, provider and, at the end, the cost are the gateway's; all
others pass as they came and are not parsed. A name of a member in quotation marks cannot be part of a string, where they are escaped, so
an event without `"response"` and `"error"` is none of those that matter. Some servers end with `[DONE]`, which is no end here: what
stands before it is.
"""

import re
from collections.abc import Callable

import msgspec

from anyrouter.core.errors import Denied
from anyrouter.core.usage import Usage, UsageSource, estimate_tokens
from anyrouter.wire.failure import render_responses_failure
from anyrouter.wire.measure import TextMeter, measure_deltas
from anyrouter.wire.members import Members
from anyrouter.wire.reply import InvalidReply, Naming, Pricer, ReplyFacts
from anyrouter.wire.responses_reply import decode_told, finish_of, rewrite
from anyrouter.wire.responses_usage import read_told_usage, render_usage
from anyrouter.wire.sse import EventSplitter, checked_comment, data_of, feed_checked, split_events

_ENDS = frozenset({"response.completed", "response.incomplete"})
_FAILURES = frozenset({"error", "response.failed", "response.cancelled"})
_REWRITTEN = _ENDS | {"response.created", "response.queued", "response.in_progress"}
_SEQUENCE = re.compile(rb'"sequence_number"[ \t]*:[ \t]*([0-9]{1,15})')
_ABSENT = msgspec.Raw(b"")
_BROKEN = (ValueError, msgspec.DecodeError, RecursionError)


class _Event(msgspec.Struct):
    type: str = ""
    response: msgspec.Raw = _ABSENT
    error: msgspec.Raw = _ABSENT


_decode_event = msgspec.json.Decoder(_Event).decode


class ResponsesStream:
    """A `StreamRewriter`. `pricer` is asked when the usage is known; `estimate_input` when the upstream never says."""

    def __init__(self, *, naming: Naming, estimate_input: Callable[[], int], pricer: Pricer) -> None:
        self._facts, self._meter = ReplyFacts(), TextMeter(measure_deltas)
        self.is_done, self.is_begun = False, False
        self.failure: bytes | None = None
        self._naming, self._pricer, self._estimate_input = naming, pricer, estimate_input
        self._splitter = EventSplitter()
        self._held: list[bytes] = []
        self._last = b""  # what was passed on last

    @property
    def facts(self) -> ReplyFacts:
        """What has been read off so far."""
        self._facts.output_bytes = self._meter.size()
        return self._facts

    def feed(self, data: bytes) -> bytes:
        """Whole events, rewritten; InvalidReply for what is not a stream of this dialect."""
        whole = feed_checked(self._splitter, data)
        if not whole or self.is_done or self.failure is not None:
            return b""
        if self.is_begun and not _is_marked(whole):
            self._meter.add(whole)
            self._last = whole
            return whole
        return self._read_all(split_events(whole))

    def eof(self) -> bytes:
        """What the last event completes when its end is missing. `is_done` stays false when the response did not come to its end."""
        rest = self._splitter.rest()
        if not data_of(rest) or self.is_done or self.failure is not None:
            return b""
        try:
            return self._read_all([rest.rstrip(b"\r\n") + b"\n\n"], is_cut=True)
        except InvalidReply:
            return b""

    def usage(self) -> Usage:
        """What was used so far: the upstream's word, else an estimate from what has passed."""
        if self._facts.usage is not None:
            return self._facts.usage
        size = self._meter.size()
        return Usage(input_tokens=self._estimate_input(), output_tokens=estimate_tokens(size) if size else 0, source=UsageSource.ESTIMATED)

    def fail(self, denied: Denied, request_id: str) -> bytes:
        """The event that tells the client that the stream cannot go on, with the number that is its turn."""
        numbers = _SEQUENCE.findall(self._last)
        return render_responses_failure(denied, request_id, int(numbers[-1]) + 1 if numbers else 0)

    def _read_all(self, events: list[bytes], *, is_cut: bool = False) -> bytes:
        """Up to the end or an error; what comes behind either does not matter. `is_cut`: they may not be whole, so all are parsed."""
        out: list[bytes] = []
        for event in events:
            if self.is_done or self.failure is not None:
                break
            self._meter.add(event)
            if self.is_begun and not is_cut and not _is_marked(event):
                out.append(event)
                continue
            was_begun = self.is_begun
            read = self._read(event)
            if not self.is_begun:
                self._held.append(read)  # what comes before the response does not begin the client's reply: it waits for it
                continue
            if not was_begun:
                out += self._held
            out.append(read)
        passed = b"".join(out)
        self._last = passed or self._last
        return passed

    def _read(self, event: bytes) -> bytes:
        """One event as the client gets it; nothing of one that reports a failure."""
        data = data_of(event)
        if not data:
            return checked_comment(event)
        if data.strip() == b"[DONE]" and self.is_begun:
            return b""
        try:
            told = _decode_event(data)
        except _BROKEN:
            raise InvalidReply("an event of the stream cannot be read") from None
        kind = told.type
        if kind in _FAILURES or (not kind and told.error is not _ABSENT):
            self.failure = data
            return b""
        if not kind:
            raise InvalidReply("an event of the stream has no type")
        if kind in _REWRITTEN:
            event = self._rewrite(event, data, bytes(told.response), is_last=kind in _ENDS)
        self.is_begun = self.is_begun or kind.startswith("response.")
        return event

    def _rewrite(self, event: bytes, data: bytes, response: bytes, *, is_last: bool) -> bytes:
        facts, usage = self._facts, None
        try:
            told, members = decode_told(response), Members(data)
        except _BROKEN:
            raise InvalidReply("an event of the stream has no response that can be read") from None
        facts.upstream_id = told.id or facts.upstream_id
        if is_last:
            facts.usage, is_whole = read_told_usage(bytes(told.usage))
            facts.finish_reason, facts.native_finish_reason = finish_of(told)
            used = self.usage()
            usage = render_usage(bytes(told.usage), used, self._pricer(used), is_whole=is_whole)
            self.is_done = True
        rewritten = b"".join(rewrite(response, told, self._naming, usage))
        return _with_data(event, data, b"".join(members.replace("response", rewritten)))


def _is_marked(text: bytes) -> bool:
    """Whether there may be something to be read."""
    find = text.find  # quicker than `in`, which tries an integer first
    return find(b'"response"') >= 0 or find(b'"error"') >= 0 or find(b"[DONE]") >= 0


def _with_data(event: bytes, data: bytes, new: bytes) -> bytes:
    """An event with other data."""
    at = event.find(data)
    if at >= 0 and b"\n" not in new:
        return event[:at] + new + event[at + len(data) :]
    others = [line for line in event.splitlines() if line and not line.startswith(b"data:")]
    return b"\n".join([*others, *(b"data: " + line for line in new.splitlines())]) + b"\n\n"
