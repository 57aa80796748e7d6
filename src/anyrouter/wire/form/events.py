"""A reply as it comes: the events that every stream decoder gives and every stream encoder takes.

The order that decoders keep, so that encoders need not check:

    Start  ( PartStart  delta*  PartEnd )*  Finish  UsageTold?  End

* `Start` is first and comes once. `UsageTold` may come at any time after it, more than once; a later one replaces an earlier one.
* Parts of one candidate never overlap: each ends before the next starts. `index` counts them from 0 within their candidate.
  Parts of different candidates may overlap. Every candidate has one `Finish`, after its last `PartEnd`.
* `End` is last and comes once, only for a generation that is whole. `Failure` may come at any time instead of all that follows.
* A part without deltas (`ToolCall` with its arguments, `Image`, `Opaque`) is whole in its `PartStart`; its `PartEnd` follows.
* Comments, pings and empty deltas are no events.

Texts of deltas are literals (`form.text`) and never empty.
"""

from typing import TypeAlias

import msgspec

from anyrouter.core.usage import Usage
from anyrouter.wire.form.parts import Citation, Part
from anyrouter.wire.form.reply import FinishReason, TokenLogprob, UsageDetails
from anyrouter.wire.form.text import JsonText


class Start(msgspec.Struct, frozen=True, kw_only=True):
    """The upstream has begun. Its own id and model; `usage` where it tells what the prompt took already now."""

    id: str | None = None
    model: str | None = None
    created_s: int | None = None
    usage: Usage | None = None
    service_tier: str | None = None
    system_fingerprint: str | None = None


class PartStart(msgspec.Struct, frozen=True):
    """A part begins. `part` has what is known of it: kind, ids, name; its text so far is empty or whole, as said above."""

    index: int
    part: Part
    candidate: int = 0


class TextDelta(msgspec.Struct, frozen=True, gc=False):
    """More of a `Text`."""

    index: int
    text: JsonText
    candidate: int = 0


class RefusalDelta(msgspec.Struct, frozen=True, gc=False):
    """More of a `Refusal`."""

    index: int
    text: JsonText
    candidate: int = 0


class ReasoningDelta(msgspec.Struct, frozen=True, gc=False):
    """More of a `Reasoning`'s text."""

    index: int
    text: JsonText
    candidate: int = 0


class SignatureDelta(msgspec.Struct, frozen=True, gc=False):
    """The proof of a `Reasoning` (or of a `Text` or `ToolCall`, which Gemini signs), whole, in place of what was known before."""

    index: int
    signature: str | None = None
    encrypted: str | None = None
    format: str | None = None
    id: str | None = None
    candidate: int = 0


class ArgumentsDelta(msgspec.Struct, frozen=True, gc=False):
    """More of a `ToolCall`'s arguments: a literal of a piece of their JSON text."""

    index: int
    text: JsonText
    candidate: int = 0


class AudioDelta(msgspec.Struct, frozen=True, gc=False):
    """More of an `Audio`: base64 of its own, or a piece of the transcript, or both."""

    index: int
    data: JsonText | None = None
    transcript: JsonText | None = None
    expires_at: int | None = None
    candidate: int = 0


class CitationAdded(msgspec.Struct, frozen=True):
    """A citation of the `Text` that is open."""

    index: int
    citation: Citation
    candidate: int = 0


class LogprobsTold(msgspec.Struct, frozen=True):
    """Log probabilities of the tokens of the text or refusal delta that comes next, or, when none comes, of what came before."""

    logprobs: list[TokenLogprob]
    is_refusal: bool = False
    candidate: int = 0


class PartEnd(msgspec.Struct, frozen=True, gc=False):
    """A part is whole."""

    index: int
    candidate: int = 0


class Finish(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """A candidate is whole."""

    reason: FinishReason
    native: str | None = None
    stop_sequence: str | None = None
    candidate: int = 0


class UsageTold(msgspec.Struct, frozen=True):
    """What was used so far. `is_final` false: the output is still growing, and an estimate may be nearer to it."""

    usage: Usage
    details: UsageDetails | None = None
    is_final: bool = True


class Failure(msgspec.Struct, frozen=True, kw_only=True):
    """The upstream gave up inside of the stream. `code` is its own word (overloaded_error, rate_limit_exceeded, …), not scrubbed yet."""

    message: str
    code: str | None = None
    status: int | None = None


class End(msgspec.Struct, frozen=True):
    """The dialect's own end was seen."""


Event: TypeAlias = (
    Start
    | PartStart
    | TextDelta
    | RefusalDelta
    | ReasoningDelta
    | SignatureDelta
    | ArgumentsDelta
    | AudioDelta
    | CitationAdded
    | LogprobsTold
    | PartEnd
    | Finish
    | UsageTold
    | Failure
    | End
)
