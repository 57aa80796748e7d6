"""Looks for entries in memory: the same pages as the database's."""

from collections.abc import Sequence

from anyrouter.control.entry_search import EntryPage, EntryPlace, EntrySearch
from anyrouter.core.ledger import HEDGE_LOST, LedgerEntry
from anyrouter.storage.ledger_rows import MAX_UPSTREAM_ID
from anyrouter.storage.sql_entries import make_page, start_of
from anyrouter.storage.usage_rows import name_app

_SAME = (
    ("environment_id", "environment_id"),
    ("rotation_group", "rotation_group"),
    ("model", "model"),
    ("provider", "provider"),
    ("upstream", "upstream"),
    ("error", "error_code"),
    ("http_status", "status"),
    ("is_streamed", "is_streamed"),
    ("trace_id", "trace_id"),
)


def search_newest(newest: Sequence[LedgerEntry], search: EntrySearch) -> EntryPage:
    """The page of an organisation's entries, which come newest first. All are looked at, unless there is no patience at all."""
    start = start_of(search)
    behind = [entry for entry in newest if _place(entry) < start and entry.created_at_ms >= search.since_ms]
    piece = behind if search.patience_ms else behind[: search.piece_rows]
    found = [entry for entry in piece if is_wanted(entry, search)]
    if search.id_text is not None:
        by_id = [entry for entry in found if entry.generation_id.startswith(search.id_text)]
        found = by_id or [entry for entry in found if (entry.upstream_id or "")[:MAX_UPSTREAM_ID] == search.id_text]
    if len(piece) < len(behind) and len(found) <= search.limit:
        return EntryPage(entries=found, further=_place(piece[-1]), is_cut=True)
    return make_page(search, found)


def is_wanted(entry: LedgerEntry, search: EntrySearch) -> bool:
    """Whether an entry is like what is asked for, wherever it is."""
    return (
        entry.error_code != HEDGE_LOST
        and all(getattr(search, name) in {None, getattr(entry, field)} for name, field in _SAME)
        and (search.app is None or name_app(entry.app_title, entry.http_referer) == search.app)
        and (search.states is None or entry.state in search.states)
        and entry.cost_nanousd + entry.upstream_cost_nanousd >= (search.min_cost_nanousd or 0)
        and entry.latency_ms >= (search.min_latency_ms or 0)
    )


def _place(entry: LedgerEntry) -> EntryPlace:
    return EntryPlace(entry.created_at_ms, entry.generation_id)
