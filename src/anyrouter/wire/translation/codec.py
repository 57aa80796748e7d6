"""What a dialect offers for translation: seven functions behind one value, `Codec`."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Protocol

import msgspec

from anyrouter.core.errors import Denied
from anyrouter.core.usage import Usage
from anyrouter.wire.form.events import Event
from anyrouter.wire.form.reply import Reply
from anyrouter.wire.form.request import Request
from anyrouter.wire.form.warnings import TranslationWarning, Warnings
from anyrouter.wire.reply import CostFields, Naming


class ClientRequest(msgspec.Struct, frozen=True, kw_only=True):
    """A client's body, already cut into its members and judged (`wire.request`): `values` by name, each as it stands in the text.

    `model` and the two flags may come from elsewhere than the body (Gemini has them in the path), so decoders take them from here.
    """

    values: dict[str, msgspec.Raw]
    model: str
    is_streamed: bool
    is_usage_wanted: bool = False


class UpstreamModel(msgspec.Struct, frozen=True, kw_only=True):
    """Whom a request is encoded for. `name` is the upstream's name of the model.

    `max_output_tokens` and `is_reasoning` are what the catalogue knows, None where it does not: how long an answer may be, for dialects
    that must be told a limit, and whether the model thinks. `is_asking_usage` false: the upstream refuses to be asked for usage in
    streams. `traits` are the provider's own deviations, in words that its dialect's encoder defines.
    """

    name: str
    max_output_tokens: int | None = None
    is_reasoning: bool | None = None
    is_asking_usage: bool = True
    traits: frozenset[str] = frozenset()


class EncodedRequest(msgspec.Struct, frozen=True):
    """A body for the upstream. `method` is what the path ends in, where it depends on the request (generateContent, converse-stream)."""

    body: bytes
    method: str | None = None


class ReplyContext(msgspec.Struct, frozen=True, kw_only=True):
    """What an encoder of replies needs to know beside the reply. `request` is what the client asked, for dialects that echo it."""

    naming: Naming
    created_s: int  # Unix time, for dialects that tell one where the upstream did not
    request: Request
    warnings: tuple[TranslationWarning, ...] = ()


class StreamDecoder(Protocol):
    """Reads an upstream's stream. Gives the same events for every split of the bytes, in the order that `form.events` states."""

    def feed(self, data: bytes) -> list[Event]:
        """The events that are whole now; InvalidReply for what is no stream of this dialect. Nothing after `End` or `Failure`."""

    def eof(self) -> list[Event]:
        """What the orderly end of the bytes completes. No `End` among all events: the generation was cut."""


class StreamEncoder(Protocol):
    """Writes the client's stream. What it writes depends on the events alone, not on how they are grouped."""

    def encode(self, events: Sequence[Event]) -> bytes:
        """The events as the client sees them, whole SSE events only. `End` and `Failure` are not among them."""

    def end(self, usage: Usage, cost: CostFields) -> bytes:
        """All that is still owed, up to the dialect's own end. `usage` is final: the upstream's word, else an estimate."""

    def fail(self, denied: Denied, request_id: str) -> bytes:
        """The event that tells the client that the stream cannot go on, in place of `end`."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Codec:
    """A dialect. A function that it does not have (Bedrock has no clients) is None, and such a pair is refused."""

    name: str
    stream_type: bytes = b"text/event-stream"  # the content type of an upstream's stream
    # The client's side. Raises ClientError (through `known.refuse`) that names the param.
    decode_request: Callable[[ClientRequest, Warnings], Request] | None = None
    encode_response: Callable[[Reply, ReplyContext, Usage, CostFields], bytes] | None = None
    stream_encoder: Callable[[ReplyContext], StreamEncoder] | None = None
    render_error: Callable[[Denied, str], bytes] | None = None  # the body of an error reply; the second is the request's id
    # The upstream's side. `encode_request` raises ClientError for what cannot be said and must not be left out.
    encode_request: Callable[[Request, UpstreamModel, Warnings], EncodedRequest] | None = None
    decode_response: Callable[[bytes], Reply] | None = None  # raises InvalidReply
    stream_decoder: Callable[[], StreamDecoder] | None = None
