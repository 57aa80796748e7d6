"""Reads the ledger and its sums from the database."""

import json
from collections.abc import Sequence
from datetime import UTC, date, datetime, timedelta
from typing import Any

from sqlalchemy import Connection, and_, case, func, or_, select

from anyrouter.control.ports import ActivityFilter, ActivityRow, KeyTotals
from anyrouter.core.ledger import HEDGE_LOST, LedgerEntry
from anyrouter.storage.activity_rows import EPOCH_DAY, list_pieces, make_rows
from anyrouter.storage.activity_statement import make_activity_statement
from anyrouter.storage.ledger_rows import row_to_entry
from anyrouter.storage.schema import api_keys, latest_epoch, ledger, usage_daily
from anyrouter.storage.sql_entries import SqlEntryReader
from anyrouter.storage.sql_usage import SqlUsageReader
from anyrouter.storage.usage_rows import USAGE_SUMS

_GROUPS_AT_ONCE = 500  # bound parameters are limited


def to_day(moment: date) -> int:
    """Days since 1970-01-01."""
    return (moment - EPOCH_DAY).days


class SqlLedgerReader(SqlUsageReader, SqlEntryReader):
    """`LedgerReader` and `StoreHealth`."""

    async def find_entry(self, organisation_id: str, environment_id: str, generation_id: str) -> LedgerEntry | None:
        """A generation by our id or by the upstream's own; the last attempt, the newest generation."""
        is_own = func.coalesce(ledger.c.error_code, "") != HEDGE_LOST  # a generation has one entry that is its own
        is_mine = and_(ledger.c.organisation_id == organisation_id, ledger.c.environment_id == environment_id, is_own)
        by_id = select(ledger).where(is_mine, ledger.c.generation_id == generation_id).order_by(ledger.c.attempt.desc())
        # Without statistics SQLite prefers any index that starts with the organisation, and walks all of its entries.
        is_mine = and_(func.coalesce(ledger.c.organisation_id, "") == organisation_id, ledger.c.environment_id == environment_id, is_own)
        newest = (ledger.c.created_at_ms.desc(), ledger.c.generation_id.desc(), ledger.c.attempt.desc())
        by_upstream = select(ledger).where(is_mine, ledger.c.upstream_id == generation_id).order_by(*newest)

        def work(connection: Connection) -> LedgerEntry | None:
            for query in (by_id, by_upstream):
                row = connection.execute(query.limit(1)).mappings().first()
                if row is not None:
                    return row_to_entry(row)
            return None

        return await self._database.read(work)

    async def list_entries(self, organisation_id: str, *, limit: int = 100, before_id: str | None = None) -> list[LedgerEntry]:
        """The newest entries first, those older than `before_id` (none if it is unknown)."""
        mine = ledger.c.organisation_id == organisation_id
        created, generation = ledger.c.created_at_ms, ledger.c.generation_id
        query = select(ledger).where(mine).order_by(created.desc(), generation.desc(), ledger.c.attempt.desc()).limit(limit)

        def work(connection: Connection) -> list[LedgerEntry]:
            page = query
            if before_id is not None:
                before_ms = connection.execute(select(created).where(mine, generation == before_id).limit(1)).scalar()
                if before_ms is None:
                    return []
                page = query.where(created <= before_ms, or_(created < before_ms, generation < before_id))
            return [row_to_entry(row) for row in connection.execute(page).mappings()]

        return await self._database.read(work)

    async def read_activity(self, query: ActivityFilter) -> list[ActivityRow]:
        """Sums by the query's groups, newest day first, then by the other dimensions. `errors` are failed and interrupted ones."""
        names, statement = make_activity_statement(query)
        has_tags = "tag" in query.group_by or query.tag is not None
        tagged = select(api_keys.c.id, api_keys.c.tags).where(api_keys.c.organisation_id == query.organisation_id, api_keys.c.tags != "[]")

        def work(connection: Connection) -> list[ActivityRow]:
            columns = (*names, *USAGE_SUMS)
            groups: list[dict[str, Any]] = []
            for piece in list_pieces(query):
                if len(groups) <= query.max_groups:
                    groups += [dict(zip(columns, row, strict=True)) for row in connection.execute(statement, piece) if row[-1] is not None]
            tags = {row[0]: tuple(json.loads(row[1])) for row in connection.execute(tagged)} if has_tags else {}
            return make_rows(query, groups, tags)  # in order here, because collations differ between databases

        return await self._database.read(work)

    async def read_totals(self, organisation_id: str, rotation_groups: Sequence[str], now: datetime) -> dict[str, KeyTotals]:
        """Totals by rotation group; a group without entries has zeros."""
        table = usage_daily.c
        starts = list(period_starts(now).values())
        costs = (table.cost_nanousd, table.upstream_cost_nanousd)
        everything = [func.sum(cost) for cost in costs]
        recent = [func.sum(case((table.day >= start, cost), else_=0)) for cost in costs for start in starts[1:]]

        def work(connection: Connection) -> dict[str, KeyTotals]:
            totals = {name: key_totals([0] * 8) for name in rotation_groups}
            for first in range(0, len(rotation_groups), _GROUPS_AT_ONCE):
                some = rotation_groups[first : first + _GROUPS_AT_ONCE]
                mine = and_(table.organisation_id == organisation_id, table.rotation_group.in_(some))
                all_time = select(table.rotation_group, *everything).where(mine).group_by(table.rotation_group)
                # Apart, because few rows are recent and conditional sums over all of them would cost three times as much.
                lately = select(table.rotation_group, *recent).where(mine, table.day >= min(starts[1:])).group_by(table.rotation_group)
                late = {name: numbers for name, *numbers in connection.execute(lately)}
                for name, charged, upstream in connection.execute(all_time):
                    numbers = late.get(name, [0] * 6)
                    totals[name] = key_totals([charged, *numbers[:3], upstream, *numbers[3:]])
            return totals

        return await self._database.read(work)

    async def read_organisation_cost(self, organisation_id: str) -> int:
        """Everything that the organisation was charged, in nano-dollars."""
        statement = select(func.sum(usage_daily.c.cost_nanousd)).where(usage_daily.c.organisation_id == organisation_id)
        return await self._database.read(lambda connection: int(connection.execute(statement).scalar() or 0))

    async def check(self) -> None:
        """One cheap read; StorageUnavailable when it fails."""
        await self._database.read(lambda connection: connection.execute(select(latest_epoch.c.epoch)).scalar_one())


def period_starts(now: datetime) -> dict[str, int]:
    """The first days of all time, of the UTC day, of the ISO week and of the month."""
    today = now.astimezone(UTC).date()
    return {
        "total": 0,
        "daily": to_day(today),
        "weekly": to_day(today - timedelta(days=today.weekday())),
        "monthly": to_day(today.replace(day=1)),
    }


def key_totals(numbers: Sequence[Any]) -> KeyTotals:
    """Of eight sums in the order of `period_starts`: what was charged, then what upstreams cost."""
    total, daily, weekly, monthly, *byok = (int(number) for number in numbers)
    names = ("total", "daily", "weekly", "monthly")
    return KeyTotals(total=total, daily=daily, weekly=weekly, monthly=monthly, byok=dict(zip(names, byok, strict=True)))
