"""A stream on its way from an upstream's dialect to a client's: a `StreamRewriter` made of a decoder and an encoder."""

from collections.abc import Callable

import msgspec

from anyrouter.core.errors import ClientError, Denied
from anyrouter.core.usage import Usage, UsageSource, estimate_tokens
from anyrouter.wire.form.events import (
    ArgumentsDelta,
    End,
    Event,
    Failure,
    Finish,
    ReasoningDelta,
    RefusalDelta,
    Start,
    TextDelta,
    UsageTold,
)
from anyrouter.wire.form.text import size_of
from anyrouter.wire.reply import InvalidReply, Pricer, ReplyFacts
from anyrouter.wire.translation.codec import StreamDecoder, StreamEncoder

# A refusal is meant for clients; what an upstream's side shares with theirs may raise one.
_BROKEN = (ValueError, msgspec.DecodeError, RecursionError, ClientError)
_COUNTED = frozenset({TextDelta, ReasoningDelta, ArgumentsDelta, RefusalDelta})
_READ = frozenset({Start, Finish, UsageTold, Failure, End})


class TranslatedStream:
    """`pricer` is asked once, at the end; `estimate_input` when the upstream never says what was used."""

    def __init__(self, *, decoder: StreamDecoder, encoder: StreamEncoder, estimate_input: Callable[[], int], pricer: Pricer) -> None:
        self.is_done, self.is_begun = False, False
        self.failure: bytes | None = None
        self.facts = ReplyFacts()  # one object for the stream's life, filled as it goes
        self._decoder, self._encoder = decoder, encoder
        self._estimate_input, self._pricer = estimate_input, pricer
        self._told: Usage | None = None
        self._is_final = False

    def feed(self, data: bytes) -> bytes:
        """What the client gets for it; InvalidReply for what is not a stream of the upstream's dialect."""
        if self.is_done or self.failure is not None:
            return b""
        try:
            return self._pass(self._decoder.feed(data))
        except InvalidReply:
            raise
        except _BROKEN as error:
            raise InvalidReply(f"an event of the stream cannot be read: {str(error)[:120]}") from None

    def eof(self) -> bytes:
        """What is to be sent at the upstream's orderly end. `is_done` stays false when the stream ended before the generation did."""
        if self.is_done or self.failure is not None:
            return b""
        try:
            return self._pass(self._decoder.eof())
        except _BROKEN:
            return b""  # cut within an event: not done, and the relay says so

    def usage(self) -> Usage:
        """What was used so far: the upstream's word, else an estimate from what has passed."""
        told, size = self._told, self.facts.output_bytes
        if told is not None and self._is_final:
            return told
        estimated = estimate_tokens(size) if size else 0
        if told is None:
            return Usage(input_tokens=self._estimate_input(), output_tokens=estimated, source=UsageSource.ESTIMATED)
        return msgspec.structs.replace(told, output_tokens=max(told.output_tokens, estimated), source=UsageSource.ESTIMATED)

    def fail(self, denied: Denied, request_id: str) -> bytes:
        """The event that tells the client that the stream cannot go on."""
        return self._encoder.fail(denied, request_id)

    def _pass(self, events: list[Event]) -> bytes:
        for at, event in enumerate(events):
            kind = type(event)
            if kind in _COUNTED:
                self.facts.output_bytes += size_of(event.text)  # type: ignore[union-attr]
            elif kind in _READ:
                if kind is End:
                    self.is_done = self.is_begun = True
                    usage = self.usage()
                    return self._encoder.encode(events[:at]) + self._encoder.end(usage, self._pricer(usage))
                if isinstance(event, Failure):
                    self.failure = _render(event)
                    events = events[:at]
                    break
                self._read(event)
        out = self._encoder.encode(events) if events else b""
        if out:
            self.is_begun = True
        return out

    def _read(self, event: Event) -> None:
        facts = self.facts
        if isinstance(event, UsageTold):
            self._take_usage(event.usage, is_final=event.is_final)
        elif isinstance(event, Finish):
            if event.candidate == 0 or facts.finish_reason is None:
                facts.finish_reason, facts.native_finish_reason = event.reason.value, event.native
        elif isinstance(event, Start):
            facts.upstream_id = event.id
            if event.usage is not None:
                self._take_usage(event.usage, is_final=False)

    def _take_usage(self, usage: Usage, *, is_final: bool) -> None:
        self._told, self._is_final = usage, is_final
        self.facts.usage = usage if is_final else None


def _render(failure: Failure) -> bytes:
    """The failure as an event's data of the OpenAI dialect, which the relay reads."""
    told = {"message": failure.message, "code": failure.code, "status_code": failure.status}
    return msgspec.json.encode({"error": {name: value for name, value in told.items() if value is not None}})
