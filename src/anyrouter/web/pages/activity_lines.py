"""Generations as lines of a table, in words that people read at a glance. Pure."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import NamedTuple

from anyrouter.core.apikey import ApiKey
from anyrouter.core.ledger import EntryState, LedgerEntry

_MAX_APP = 64  # what the filter compares


class Word(NamedTuple):
    """A short text, the kind of its badge, and what it means."""

    text: str
    kind: str
    meaning: str


OUTCOMES: Mapping[EntryState, Word] = {
    EntryState.SETTLED: Word("delivered", "good", "The upstream's reply was delivered whole."),
    EntryState.FAILED: Word("failed", "bad", "The client got an error: nothing of a reply, or a part of one."),
    EntryState.CANCELLED: Word("cancelled", "plain", "The client went away before the reply had ended."),
    EntryState.INTERRUPTED: Word(
        "interrupted", "warn", "The gateway stopped in the middle of it. What was used is an estimate from what was asked for."
    ),
}


@dataclass(frozen=True, slots=True, kw_only=True)
class ActivityLine:
    """A generation. `key` is None when nothing is known of it any more. Amounts are nano-USD; `total_nanousd` is what all of it cost."""

    entry: LedgerEntry
    created_at: datetime
    outcome: Word
    app: str
    key: ApiKey | None
    total_nanousd: int


def describe_entry(entry: LedgerEntry, keys: Mapping[str, ApiKey]) -> ActivityLine:
    """The line of an entry."""
    return ActivityLine(
        entry=entry,
        created_at=datetime.fromtimestamp(entry.created_at_ms / 1000, UTC),
        outcome=OUTCOMES[entry.state],
        app=(entry.app_title or entry.http_referer or "")[:_MAX_APP],
        key=keys.get(entry.api_key_id),
        total_nanousd=total_cost(entry),
    )


def total_cost(entry: LedgerEntry) -> int:
    """All that a generation cost, attempts that lost against its own included: what was charged, and what own accounts pay."""
    lost = sum(attempt.cost_nanousd + attempt.upstream_cost_nanousd for attempt in entry.attempts)
    return entry.cost_nanousd + entry.upstream_cost_nanousd + lost
