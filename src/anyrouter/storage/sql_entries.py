"""Looks for entries of the ledger in the database, without indexes of their own: a request must not pay for what is seldom looked for.

Entries are in the order of time, and are looked at in pieces from the newest on. Before each further piece the sums by hour tell where
the next such entry can be, which skips hours without any.
"""

import time
from collections.abc import Sequence

from sqlalchemy import ColumnElement, Connection, Table, func, select

from anyrouter.control.entry_search import EntryPage, EntryPlace, EntrySearch
from anyrouter.core.ledger import LedgerEntry
from anyrouter.storage.database import Database
from anyrouter.storage.entry_statements import (
    NEWEST_FIRST,
    find_sums,
    is_before,
    list_conditions,
    select_floor,
    select_hour,
    select_known_hours,
    select_piece,
)
from anyrouter.storage.ledger_rows import row_to_entry
from anyrouter.storage.schema import ledger
from anyrouter.storage.usage_rows import HOUR_MS

SKIPPED_HOURS = 72  # at once, so that patience is asked in between
FEW = 5000  # an index leads to these, and they are sorted; if there are more, the next one is near
EMPTY_FACTOR = 3
QUICK_S, LARGEST = 0.004, 16  # a piece that took less is followed by one of twice the size, up to so many times the first
_END_OF_TIME = EntryPlace(1 << 53)
_LAST_HOUR = _END_OF_TIME.created_at_ms // HOUR_MS


class SqlEntryReader:
    """`EntryReader`."""

    _database: Database

    async def search_entries(self, search: EntrySearch) -> EntryPage:
        """The page. StorageUnavailable."""
        return await self._database.read(lambda connection: _search(connection, search))


def _search(connection: Connection, search: EntrySearch) -> EntryPage:
    if search.id_text is not None:
        return _find_named(connection, search, search.id_text)
    if search.trace_id is not None and _is_few(connection, ledger.c.trace_id == search.trace_id):
        # Of two indexes SQLite would take the one that starts with the organisation.
        return _read_all(connection, search, ledger.c.trace_id == search.trace_id)
    return _Walk(connection, search).go()


def start_of(search: EntrySearch) -> EntryPlace:
    """Behind which place to look."""
    until = _END_OF_TIME if search.until_ms is None else EntryPlace(search.until_ms)
    return until if search.before is None else min(until, search.before)


def make_page(search: EntrySearch, found: Sequence[LedgerEntry]) -> EntryPage:
    """A page of the entries that were found, of which there is one too many when there are more."""
    entries = found[: search.limit]
    last = entries[-1] if len(found) > search.limit else None
    return EntryPage(entries=entries, further=None if last is None else EntryPlace(last.created_at_ms, last.generation_id))


def _find_named(connection: Connection, search: EntrySearch, text: str) -> EntryPage:
    generation, upstream = ledger.c.generation_id, ledger.c.upstream_id
    page = _read_all(connection, search, (generation >= text) & (generation < text + "~"))  # "~" sorts behind all that ids are made of
    if page.entries or not _is_few(connection, upstream == text):
        return page
    return _read_all(connection, search, upstream == text)


def _is_few(connection: Connection, condition: ColumnElement[bool]) -> bool:
    rows = select(ledger.c.attempt).where(condition).limit(FEW + 1).subquery()
    return bool(connection.execute(select(func.count()).select_from(rows)).scalar_one() <= FEW)


def _read_all(connection: Connection, search: EntrySearch, condition: ColumnElement[bool]) -> EntryPage:
    mine = func.coalesce(ledger.c.organisation_id, "") == search.organisation_id
    within = (ledger.c.created_at_ms + 0 >= search.since_ms, is_before(start_of(search)))
    statement = select(ledger).where(condition, mine, *within, *list_conditions(search)).order_by(*NEWEST_FIRST).limit(search.limit + 1)
    return make_page(search, [row_to_entry(row) for row in connection.execute(statement).mappings()])


class _Walk:
    """One search, from the newest entry on."""

    def __init__(self, connection: Connection, search: EntrySearch) -> None:
        self._connection, self._search = connection, search
        self._place = start_of(search)
        self._begun_at = time.monotonic()
        self._rows = search.piece_rows
        self._sums = find_sums(search)
        self._known: tuple[int, int] | None = None
        self._found: list[LedgerEntry] = []

    def go(self) -> EntryPage:
        """The page."""
        if self._search.rotation_group is not None:
            self._skip()
        while self._look():
            if self._is_late():
                return EntryPage(entries=self._found, further=self._place, is_cut=True)
            self._skip()
        return make_page(self._search, self._found)

    def _look(self) -> bool:
        """Look at one piece; whether the search goes on behind it."""
        search, begun_at = self._search, time.monotonic()
        floor_ms: int | None = self._connection.execute(select_floor(search, self._place, self._rows)).scalar()
        wanted = search.limit + 1 - len(self._found)
        piece = select_piece(search, self._place, search.since_ms if floor_ms is None else floor_ms, wanted)
        self._found += [row_to_entry(row) for row in self._connection.execute(piece).mappings()]
        if floor_ms is None or len(self._found) > search.limit:
            return False
        self._place = EntryPlace(floor_ms)
        if time.monotonic() - begun_at < QUICK_S:  # where entries lie together, a statement costs more than to look at them
            self._rows = min(2 * self._rows, LARGEST * search.piece_rows)
        return True

    def _skip(self) -> None:
        """Go where the next such entry can be. Hours before the first sums, and those themselves, are not known."""
        if self._sums is None:
            return
        table, conditions = self._sums
        first_known, last_known = self._read_known(table)
        self._place = min(self._place, EntryPlace((last_known + 1) * HOUR_MS))
        last = (self._place.created_at_ms - (not self._place.generation_id)) // HOUR_MS
        while last >= first_known and last * HOUR_MS >= self._search.since_ms:
            first = max(first_known, last - SKIPPED_HOURS + 1)
            statement = select_hour(table, self._search, conditions, first, last)
            hour: int | None = self._connection.execute(statement).scalar()
            if hour is not None:
                self._place = min(self._place, EntryPlace((hour + 1) * HOUR_MS))
                return
            last = first - 1
            self._place = EntryPlace(first * HOUR_MS)
            if self._is_late():
                return

    def _is_late(self) -> bool:
        """Whether the page is to end here. One that is empty so far is worth a longer search."""
        factor = 1 if self._found else EMPTY_FACTOR
        return (time.monotonic() - self._begun_at) * 1000 >= self._search.patience_ms * factor

    def _read_known(self, table: Table) -> tuple[int, int]:
        """The first hour whose sums are whole, and the last one that has any."""
        if self._known is None:
            first, last = self._connection.execute(select_known_hours(table, self._search.organisation_id)).one()
            self._known = (_LAST_HOUR + 1, _LAST_HOUR) if first is None else (first + 1, last)
        return self._known
