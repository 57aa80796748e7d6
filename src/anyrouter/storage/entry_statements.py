"""The statements behind the activity page: which entries are asked for, where a piece of them ends, and which hours have none."""

from collections.abc import Sequence
from typing import Any

from sqlalchemy import ColumnElement, Select, Table, func, or_, select

from anyrouter.control.entry_search import EntryPlace, EntrySearch
from anyrouter.core.ledger import HEDGE_LOST, EntryState
from anyrouter.storage.schema import ledger
from anyrouter.storage.schema_money import usage_hourly, usage_model_hourly
from anyrouter.storage.usage_rows import MAX_APP_LENGTH, OTHER_APPS

NEWEST_FIRST = (ledger.c.created_at_ms.desc(), ledger.c.generation_id.desc(), ledger.c.attempt.desc())
_ERRORS = frozenset({EntryState.FAILED, EntryState.INTERRUPTED})
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
_app_name = func.substr(func.coalesce(func.nullif(ledger.c.app_title, ""), ledger.c.http_referer, ""), 1, MAX_APP_LENGTH)
_SUMMED = ("environment_id", "model", "provider")


def list_conditions(search: EntrySearch) -> list[ColumnElement[bool]]:
    """What an entry must be like, wherever it is."""
    conditions: list[ColumnElement[bool]] = [func.coalesce(ledger.c.error_code, "") != HEDGE_LOST]
    conditions += [ledger.c[column] == value for name, column in _SAME if (value := getattr(search, name)) is not None]
    if search.app is not None:
        conditions.append(_app_name == search.app)
    if search.states is not None:
        conditions.append(ledger.c.state.in_([state.value for state in sorted(search.states)]))
    if search.min_cost_nanousd is not None:
        conditions.append(ledger.c.cost_nanousd + ledger.c.upstream_cost_nanousd >= search.min_cost_nanousd)
    if search.min_latency_ms is not None:
        conditions.append(ledger.c.latency_ms >= search.min_latency_ms)
    return conditions


def is_before(place: EntryPlace) -> ColumnElement[bool]:
    """Whether an entry comes after the place in the order that has the newest first. In the words of the index."""
    created, generation = ledger.c.created_at_ms, ledger.c.generation_id
    if not place.generation_id:
        return created < place.created_at_ms
    return (created <= place.created_at_ms) & or_(created < place.created_at_ms, generation < place.generation_id)


def select_piece(search: EntrySearch, before: EntryPlace, floor_ms: int, limit: int) -> Select[Any]:
    """The entries from `before` down to `floor_ms`, itself included."""
    mine = ledger.c.organisation_id == search.organisation_id
    within = (ledger.c.created_at_ms >= floor_ms, is_before(before))
    return select(ledger).where(mine, *within, *list_conditions(search)).order_by(*NEWEST_FIRST).limit(limit)


def select_floor(search: EntrySearch, before: EntryPlace, rows: int) -> Select[Any]:
    """When the last of so many entries began, read off the index alone; nothing when there are not that many."""
    mine = ledger.c.organisation_id == search.organisation_id
    times = select(ledger.c.created_at_ms).where(mine, ledger.c.created_at_ms >= search.since_ms, is_before(before))
    return times.order_by(ledger.c.created_at_ms.desc()).offset(rows - 1).limit(1)


def find_sums(search: EntrySearch) -> tuple[Table, list[ColumnElement[bool]]] | None:
    """The smallest table of sums that knows which hours have such entries, and which of its rows tell; None when none does."""
    if search.rotation_group is not None:  # alone: an index leads to it, which SQLite would not take if there were more
        return usage_hourly, [usage_hourly.c.rotation_group == search.rotation_group]
    table = usage_model_hourly if search.app is None else usage_hourly
    conditions = [table.c[name] == value for name in _SUMMED if (value := getattr(search, name)) is not None]
    if search.app is not None:
        conditions.append(table.c.app.in_([search.app, OTHER_APPS]))
    if search.states is not None and search.states <= _ERRORS:
        conditions.append(table.c.errors > 0)
    return (table, conditions) if conditions else None


def select_hour(table: Table, search: EntrySearch, conditions: Sequence[ColumnElement[bool]], first: int, last: int) -> Select[Any]:
    """The last of these hours whose sums have such entries."""
    mine = table.c.organisation_id == search.organisation_id
    within = (table.c.hour >= first, table.c.hour <= last)
    return select(table.c.hour).where(mine, *within, *conditions).order_by(table.c.hour.desc()).limit(1)


def select_known_hours(table: Table, organisation_id: str) -> Select[Any]:
    """The first hour that there are sums of, and the last: two questions, since an index answers each at once."""
    mine = table.c.organisation_id == organisation_id
    return select(*[select(which(table.c.hour)).where(mine).scalar_subquery() for which in (func.min, func.max)])
