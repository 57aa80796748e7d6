"""What the activity page asks of the store: the newest entries of the ledger that are like this, a page at a time."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple, Protocol

from anyrouter.core.ledger import EntryState, LedgerEntry

MIN_PREFIX = 16  # of a generation's id: all that began in one millisecond


class EntryPlace(NamedTuple):
    """A place in the order of entries, newest first: by the time of their beginning, then by generation. There need be no entry."""

    created_at_ms: int
    generation_id: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class EntrySearch:
    """Which entries. What is None is not asked for; texts must be the same. Attempts that lost a race are no entries of their own here.

    Times are from `since_ms` to before `until_ms`; `before` is where the page begins. `id_text` is a generation's id, or at least
    `MIN_PREFIX` characters of its beginning, or the upstream's own id. A key is its rotation group. `app` is empty for what names none.
    `error` is a code, `http_status` what the client saw.

    No search takes long: entries are looked at in pieces, the first of `piece_rows`, and after `patience_ms`, or thrice that while nothing
    is found, no further piece is begun.
    """

    organisation_id: str
    since_ms: int = 0
    until_ms: int | None = None
    before: EntryPlace | None = None
    environment_id: str | None = None
    rotation_group: str | None = None
    model: str | None = None
    provider: str | None = None
    upstream: str | None = None
    app: str | None = None
    states: frozenset[EntryState] | None = None
    error: str | None = None
    http_status: int | None = None
    is_streamed: bool | None = None
    min_cost_nanousd: int | None = None
    min_latency_ms: int | None = None
    trace_id: str | None = None
    id_text: str | None = None
    limit: int = 50
    piece_rows: int = 500
    patience_ms: int = 25


@dataclass(frozen=True, slots=True, kw_only=True)
class EntryPage:
    """Entries, newest first. `further` is where the next page begins, None when there is nothing behind it.

    `is_cut`: the page ends there because patience did, and not because it is full.
    """

    entries: Sequence[LedgerEntry]
    further: EntryPlace | None = None
    is_cut: bool = False


class EntryReader(Protocol):
    """Looks for entries."""

    async def search_entries(self, search: EntrySearch) -> EntryPage:
        """The page. StorageUnavailable."""
