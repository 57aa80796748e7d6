"""The ledger's records: the intent before an upstream is asked, the outcome after, and the entry that both make.

Compatibility law: all are written to the journal and read back after an upgrade: intents and entries as msgpack maps by field name,
outcomes as arrays. Fields are added with a default, at the end, never removed, renamed or given another meaning; a default is left out
of a map, so it never changes either. An entry's fields are an intent's and then an outcome's, in their order.
"""

from enum import StrEnum

import msgspec
from msgspec.structs import astuple

from anyrouter.core.usage import NO_USAGE, Usage

# The error code of an entry beside the generation's own: a second target was asked at the same time, and this attempt lost. It is
# billed and is no request: sums of requests leave it out, and who looks for the generation is shown the other entry.
HEDGE_LOST = "hedge_lost"


class EntryState(StrEnum):
    """How a generation ended."""

    SETTLED = "settled"  # the upstream's reply was delivered whole
    FAILED = "failed"  # the client got an error (nothing, or a part, was delivered)
    CANCELLED = "cancelled"  # the client went away, or the attempt lost a race
    INTERRUPTED = "interrupted"  # this process died: what was used is an estimate


class AttemptRecord(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """One try at one target. `status` is the upstream's, 0 when it never answered; `error` a stable code.

    The costs are those of a try that lost a race (`HEDGE_LOST`): it has an entry of its own, and they are not in the other's.
    """

    upstream: str
    provider: str
    model: str
    status: int = 0
    latency_ms: int = 0
    error: str | None = None
    cost_nanousd: int = 0
    upstream_cost_nanousd: int = 0
    shadow_cost_nanousd: int = 0


class Intent(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """What is on record before an upstream is asked: enough to make an interrupted entry of it. Times in Unix milliseconds."""

    generation_id: str
    attempt: int
    request_id: str
    organisation_id: str
    environment_id: str
    environment: str
    api_key_id: str
    rotation_group: str
    endpoint: str  # the public path below /api/v1, without its first slash: "chat/completions"
    model: str  # the public name: "openai/gpt-4o"
    upstream_model: str
    provider: str
    upstream: str
    created_at_ms: int
    is_streamed: bool = False
    estimated_input_tokens: int = 0
    trace_id: str | None = None
    app_title: str | None = None
    http_referer: str | None = None
    user_agent: str | None = None


class Outcome(msgspec.Struct, frozen=True, array_like=True):
    """How the attempt ended whose intent is on record. With the intent it makes the entry. In the journal: its values in this order."""

    state: EntryState
    status: int  # what the client saw; 499 when it was gone
    usage: Usage = NO_USAGE
    cost_nanousd: int = 0  # what this gateway charged
    routing_fee_nanousd: int = 0
    upstream_cost_nanousd: int = 0  # what the tenant's own provider account pays (BYOK)
    shadow_cost_nanousd: int = 0  # what a sandbox generation would have cost
    is_price_unknown: bool = False
    is_byok: bool = False
    error_code: str | None = None
    finish_reason: str | None = None
    native_finish_reason: str | None = None
    upstream_id: str | None = None  # the upstream's own id of the generation
    latency_ms: int = 0  # head received to last byte written
    ttft_ms: int | None = None
    generation_ms: int = 0  # upstream's first byte to its last
    overhead_us: int = 0  # time spent in the gateway itself
    attempts: tuple[AttemptRecord, ...] = ()


class LedgerEntry(Intent, frozen=True, kw_only=True, omit_defaults=True):
    """The immutable record of one generation: an intent's fields, then its outcome's. Its key is (`generation_id`, `attempt`)."""

    state: EntryState
    status: int
    usage: Usage = NO_USAGE
    cost_nanousd: int = 0
    routing_fee_nanousd: int = 0
    upstream_cost_nanousd: int = 0
    shadow_cost_nanousd: int = 0
    is_price_unknown: bool = False
    is_byok: bool = False
    error_code: str | None = None
    finish_reason: str | None = None
    native_finish_reason: str | None = None
    upstream_id: str | None = None
    latency_ms: int = 0
    ttft_ms: int | None = None
    generation_ms: int = 0
    overhead_us: int = 0
    attempts: tuple[AttemptRecord, ...] = ()

    def split(self) -> tuple[Intent, Outcome]:
        """The intent and the outcome that make this entry."""
        values = astuple(self)
        return Intent(**dict(zip(_INTENT_FIELDS, values, strict=False))), Outcome(*values[len(_INTENT_FIELDS) :])


_INTENT_FIELDS = Intent.__struct_fields__


def join(intent: Intent, outcome: Outcome) -> LedgerEntry:
    """The entry that an intent and its outcome make."""
    return LedgerEntry(**dict(zip(LedgerEntry.__struct_fields__, (*astuple(intent), *astuple(outcome)), strict=True)))
