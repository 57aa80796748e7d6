"""What a dialect finds in an upstream's reply, whole or streamed."""

from collections.abc import Callable
from typing import Protocol

import msgspec

from anyrouter.core.usage import Usage


class ReplyFacts(msgspec.Struct, kw_only=True):
    """Read off a reply. `usage` is None when the upstream did not say; `output_bytes` then feeds the estimate."""

    usage: Usage | None = None
    upstream_id: str | None = None
    finish_reason: str | None = None
    native_finish_reason: str | None = None
    output_bytes: int = 0


class Naming(msgspec.Struct, frozen=True):
    """What a reply to the client is called, as JSON strings: the generation's id, the public model really used, the provider's name."""

    generation_id: bytes
    model: bytes
    provider: bytes


class CostFields(msgspec.Struct, frozen=True):
    """The cost block as the client sees it: JSON numbers in USD, already rendered."""

    cost: bytes
    upstream_inference_cost: bytes = b"0"
    is_byok: bool = False
    shadow_cost: bytes | None = None  # what a sandbox generation would have cost

    def render(self) -> bytes:
        """The members that are added to an OpenAI-dialect `usage` object, without braces."""
        shadow = b"" if self.shadow_cost is None else b',"shadow_cost":%s' % self.shadow_cost
        return (
            b'"cost":%s,"is_byok":%s,"cost_details":{"upstream_inference_cost":%s,'
            b'"upstream_inference_input_cost":0,"upstream_inference_output_cost":0}%s'
            % (self.cost, b"true" if self.is_byok else b"false", self.upstream_inference_cost, shadow)
        )


Pricer = Callable[[Usage], CostFields]
"""Told the usage of a reply, answers its cost block."""


class InvalidReply(ValueError):
    """The upstream answered 200 with something that is not a reply of its dialect."""


class StreamRewriter(Protocol):
    """Reads a stream as it passes and rewrites what the contract says. Gives the same bytes for every split of the input."""

    @property
    def facts(self) -> ReplyFacts:
        """What has been read off so far."""

    is_done: bool  # the dialect's own end was seen
    failure: bytes | None  # the upstream reported an error inside of the stream: its event's data
    is_begun: bool  # at least one whole event has come

    def feed(self, data: bytes) -> bytes:
        """Whole events, ready for the client; a cut one is kept until its rest comes."""

    def eof(self) -> bytes:
        """What is to be sent at the upstream's orderly end."""

    def usage(self) -> Usage:
        """What was used so far: the upstream's word, else an estimate from what has passed."""
