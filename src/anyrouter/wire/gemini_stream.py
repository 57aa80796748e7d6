"""Streams of the Gemini dialect (`alt=sse`): read as they pass, and not changed.

Each event is a GenerateContentResponse with more of the answer. Nothing marks the end, and a reason to finish may come on events that
others follow: the stream is done when the bytes end and every candidate has told its reason. What may have been the last event waits for
the next one or the end, so that the outcome is on record before the client has all of it.
"""

from collections.abc import Callable
from contextlib import suppress

import msgspec

from anyrouter.core.errors import Denied
from anyrouter.core.usage import Usage, UsageSource, estimate_tokens
from anyrouter.wire.failure import render_gemini_failure
from anyrouter.wire.gemini import ABSENT, Told, decode_told, read_usage, take_finish
from anyrouter.wire.measure import TextMeter
from anyrouter.wire.reply import InvalidReply, ReplyFacts
from anyrouter.wire.sse import EventSplitter, checked_comment, data_of, feed_checked, split_events
from anyrouter.wire.utf8 import check_utf8

_BORDER = b"\r\n\r\n"
_USAGE = b'"usageMetadata"'
_OPENERS = (b"{", b"[")
_BROKEN = (ValueError, msgspec.DecodeError, RecursionError)


class GeminiStream:
    """A `StreamRewriter` that changes nothing. `candidates` is how many answers were asked for."""

    def __init__(self, *, estimate_input: Callable[[], int], candidates: int = 1) -> None:
        self._facts, self._meter = ReplyFacts(), TextMeter()
        self.is_done, self.is_begun = False, False
        self.failure: bytes | None = None
        self._estimate_input, self._is_one = estimate_input, candidates <= 1
        self._splitter = EventSplitter()
        self._held: list[bytes] = []  # what waits for the begin, or for what follows the end
        self._seen: set[int] = set()  # candidates
        self._finished: set[int] = set()
        self._is_finished = self._has_calls = False
        self._telling = b""  # the last events that tell of usage

    @property
    def facts(self) -> ReplyFacts:
        """What has been read off so far."""
        self._facts.output_bytes = self._meter.size()
        return self._facts

    def feed(self, data: bytes) -> bytes:
        """Whole events as they came; InvalidReply for what is not a stream of this dialect."""
        is_one_piece = data.endswith(_BORDER) and data.isascii() and not self._splitter.is_holding  # as nearly every time
        whole = data if is_one_piece else feed_checked(self._splitter, data)
        if not whole or self.failure is not None:
            return b""
        if self.is_begun and not self._held and self._is_one and not _is_marked(whole):
            self._meter.add(whole)
            if _USAGE in whole:
                self._telling = whole
            return whole
        return self._read_all(split_events(whole))

    def eof(self) -> bytes:
        """The last event, if every candidate has finished. `is_done` stays false when one has not."""
        rest = self._splitter.rest()
        out = b""
        if rest.strip() and self.failure is None:
            with suppress(InvalidReply, UnicodeDecodeError):  # cut within an event: then the answer is as far as the others told
                check_utf8(rest)
                out = self._read_all([rest.rstrip(b"\r\n") + _BORDER], is_cut=True)
        if self.failure is None and self.is_begun and self._is_finished:
            self.is_done = True
            out += self._release()
        return out

    def usage(self) -> Usage:
        """What was used so far. Until every candidate has finished, output is an estimate from what has passed."""
        told = self._told_usage()
        if told is not None and self._is_finished:
            return told
        size = self._meter.size()
        estimated = estimate_tokens(size) if size else 0
        if told is None:
            return Usage(input_tokens=self._estimate_input(), output_tokens=estimated, source=UsageSource.ESTIMATED)
        return msgspec.structs.replace(told, output_tokens=max(told.output_tokens, estimated), source=UsageSource.ESTIMATED)

    def fail(self, denied: Denied, request_id: str) -> bytes:
        """What waits, and the event that tells the client that the stream cannot go on."""
        return (self._release() if self.is_begun else b"") + render_gemini_failure(denied, request_id)

    def _told_usage(self) -> Usage | None:
        """The last word on usage that can be used."""
        for event in reversed(split_events(self._telling)):
            if _USAGE in event:
                try:
                    return read_usage(decode_told(data_of(event)).usage_metadata)
                except _BROKEN:
                    return None
        return None

    def _release(self) -> bytes:
        held, self._held = b"".join(self._held), []
        return held

    def _read_all(self, events: list[bytes], *, is_cut: bool = False) -> bytes:
        """`is_cut`: they may not be whole, so all of them are parsed."""
        out: list[bytes] = []
        for event in events:
            was_begun = self.is_begun
            if not self._read(event, is_cut=is_cut):
                break
            self._meter.add(event)
            is_comment = self.is_begun == was_begun and not data_of(event)
            if self.is_begun and not is_comment:
                out.append(self._release())
            if not self.is_begun or self._is_finished:
                self._held.append(event)
            else:
                out.append(event)
        return b"".join(out)

    def _read(self, event: bytes, *, is_cut: bool) -> bool:
        """Take note of one event; False when it reports a failure, behind which nothing matters."""
        data = data_of(event)
        if not data:
            plain = event.strip()
            if not plain.startswith(_OPENERS):
                checked_comment(event)
                return True
            data = plain.removeprefix(b"[").removesuffix(b"]")  # an error may come without the framing of events
            if b'"error"' not in data:
                raise InvalidReply("the stream holds what is no event")
        if self.is_begun and self._is_one and not is_cut and not _is_marked(event):
            if _USAGE in event:
                self._telling = event
            return True
        try:
            told = decode_told(data)
        except _BROKEN:
            raise InvalidReply("an event of the stream cannot be read") from None
        if bytes(told.error) not in {b"", b"null"}:
            self.failure = data
            return False
        self._take(event, told)
        return True

    def _take(self, event: bytes, told: Told) -> None:
        if told.candidates is None and told.prompt_feedback is None and told.usage_metadata is ABSENT and not self.is_begun:
            raise InvalidReply("the stream does not begin with a reply")
        self.is_begun = True
        self._facts.upstream_id = told.response_id or self._facts.upstream_id
        if _USAGE in event:
            self._telling = event
        for candidate in told.candidates or ():
            self._seen.add(candidate.index)
            self._has_calls = self._has_calls or candidate.has_calls
            if candidate.finish_reason:
                self._finished.add(candidate.index)
                if candidate.index == min(self._seen):
                    take_finish(self._facts, candidate.finish_reason, has_calls=self._has_calls)
        if told.blocked is not None and not self._seen:
            self._facts.finish_reason, self._facts.native_finish_reason = "content_filter", told.blocked
        self._is_finished = self._facts.finish_reason is not None and self._seen <= self._finished
        if self._is_finished:
            self._facts.usage = self._told_usage()


def _is_marked(text: bytes) -> bool:
    """Whether there may be something to be read: a name in quotation marks cannot be part of a string, where they are escaped."""
    return b'"finishReason"' in text or b'"functionCall"' in text or b'"error"' in text or b'"blockReason"' in text
