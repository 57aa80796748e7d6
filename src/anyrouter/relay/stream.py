"""A streamed reply: chunks go through as they come, inside of the event loop's read callback.

The client's head is sent with the first whole event, so that until then a failure is a real status and another target may be
tried. The entry is settled before the bytes that end the stream are written.
"""

from collections.abc import Callable

from anyrouter.core.errors import Denied, StreamFailed, UpstreamBroken, UpstreamError, UpstreamStatus
from anyrouter.relay.generation import Generation
from anyrouter.relay.ports import Exchange
from anyrouter.wire.failure import read_status, render_stream_failure, scrub
from anyrouter.wire.gemini_array import ARRAY_KEEP_ALIVE, ArrayStream
from anyrouter.wire.gemini_stream import GeminiStream
from anyrouter.wire.reply import InvalidReply, StreamRewriter
from anyrouter.wire.responses_stream import ResponsesStream
from anyrouter.wire.translation.stream import TranslatedStream

KEEP_ALIVE = b": keep-alive\n\n"


def open_rewriter(generation: Generation) -> StreamRewriter:
    """What reads the target's stream and writes the client's; the generation learns from it."""
    endpoint, request = generation.head.endpoint, generation.request
    rewriter: StreamRewriter = generation.dialect.open_stream(endpoint, request, generation.naming(), generation.cost_fields)
    if generation.head.is_array:
        rewriter = ArrayStream(rewriter)
    generation.facts, generation.rewriter = rewriter.facts, rewriter
    return rewriter


def render_break(generation: Generation, denied: Denied) -> bytes:
    """What tells the client that its stream cannot go on: some formats' depends on what has been sent."""
    rewriter, request_id = generation.rewriter, generation.head.request_id
    if isinstance(rewriter, TranslatedStream | ArrayStream | GeminiStream | ResponsesStream):
        return rewriter.fail(denied, request_id)
    return render_stream_failure(generation.lane.dialect.name, denied, request_id, generation.id, generation.target.model)


class StreamPump:
    """A `BodySink` that writes to the client. `begin` sends the client's head, `settle` puts the outcome on record."""

    __slots__ = ("_begin", "_exchange", "_settle", "_write", "error", "generation", "quiet_s", "rewriter")

    def __init__(
        self,
        generation: Generation,
        exchange: Exchange,
        rewriter: StreamRewriter,
        *,
        begin: Callable[[], None],
        settle: Callable[[], None],
    ) -> None:
        self.generation, self.rewriter, self._exchange = generation, rewriter, exchange
        self._begin, self._settle, self._write = begin, settle, generation.downstream.write
        self.error: UpstreamError | None = None
        self.quiet_s = 0

    def feed(self, data: bytes) -> None:
        """Pass a part of the upstream's body on."""
        rewriter = self.rewriter
        if self.error is not None:
            return
        try:
            out = rewriter.feed(data)
        except InvalidReply as error:
            self._fail(UpstreamBroken(scrub(str(error), self.generation.target.upstream.secrets)))
            return
        if out:
            if self.generation.is_begun and not rewriter.is_done and rewriter.failure is None:  # nearly every chunk
                self.quiet_s = 0
                self._write(out)
                return
            self._send(out)
        if rewriter.failure is not None:
            self._fail(_reported(rewriter.failure, self.generation))

    def finish(self) -> None:
        """The upstream's body has ended in order. UpstreamError when the generation had not."""
        if self.error is None:
            out = self.rewriter.eof()
            if out:
                self._send(out)
            if self.rewriter.failure is not None:
                self.error = _reported(self.rewriter.failure, self.generation)
            elif not self.rewriter.is_done:
                self.error = UpstreamBroken("the stream ended before the generation did")
        if self.error is not None:
            raise self.error

    def keep_alive(self, after_s: int) -> None:
        """Called every second: a comment to the client when nothing has come for `after_s` seconds (0: never), or when it may be gone."""
        self.quiet_s += 1
        is_due = self.quiet_s >= after_s > 0 or (self.generation.is_begun and self.generation.downstream.is_half_closed)
        if is_due and self.error is None and not self.rewriter.is_done:
            self._send(ARRAY_KEEP_ALIVE if self.generation.head.is_array else KEEP_ALIVE)

    def _send(self, out: bytes) -> None:
        self.quiet_s = 0
        generation = self.generation
        if not generation.is_begun:
            self._begin()
        if self.rewriter.is_done and not generation.is_settled:
            self._settle()
        self._write(out)

    def _fail(self, error: UpstreamError) -> None:
        self.error = error
        self._exchange.cancel()


def _reported(failure: bytes, generation: Generation) -> UpstreamError:
    """An error that the upstream sent as an event."""
    kind = StreamFailed if generation.is_begun else UpstreamStatus
    return kind("an error inside of the stream", status=read_status(failure), body=failure)
