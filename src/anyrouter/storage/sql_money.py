"""Budgets and credits in the database."""

from collections.abc import Callable
from datetime import date, timedelta

from sqlalchemy import ColumnElement, Connection, and_, case, delete, func, insert, or_, select, update

from anyrouter.control.stores import UsageDifference
from anyrouter.core.audit import AuditEvent
from anyrouter.core.budget import Budget
from anyrouter.core.credits import CreditTransaction
from anyrouter.core.errors import ClientError
from anyrouter.core.ledger import HEDGE_LOST
from anyrouter.storage.activity_rows import EPOCH_DAY
from anyrouter.storage.database import Database
from anyrouter.storage.money_rows import (
    CHANGED_BUDGET,
    FIXED_BUDGET_COLUMNS,
    NO_BUDGET,
    budget_to_row,
    row_to_budget,
    row_to_transaction,
    transaction_to_row,
)
from anyrouter.storage.schema import ledger, usage_daily
from anyrouter.storage.schema_money import budgets, credit_transactions
from anyrouter.storage.sql_audit import append_event
from anyrouter.storage.sql_keys import OnChange, bump_epoch
from anyrouter.storage.usage_rows import DAY_MS


class SqlBudgetStore:
    """`BudgetStore`. `on_change` is told the organisation as soon as a change of this process is committed."""

    def __init__(self, database: Database, *, on_change: OnChange) -> None:
        self._database, self._on_change = database, on_change

    async def list_budgets(self, organisation_id: str) -> list[Budget]:
        """All, oldest first."""
        query = select(budgets).where(budgets.c.organisation_id == organisation_id).order_by(budgets.c.created_at_ms, budgets.c.id)

        def work(connection: Connection) -> list[Budget]:
            return [row_to_budget(row) for row in connection.execute(query).mappings()]

        return await self._database.read(work)

    async def add_budget(self, budget: Budget, event: AuditEvent) -> None:
        """Store a new one."""
        await self._change(budget, event, lambda connection: connection.execute(insert(budgets), budget_to_row(budget)).rowcount)

    async def update_budget(self, budget: Budget, event: AuditEvent) -> None:
        """Replace limit, period, models and name; ClientError `not_found`, `etag_mismatch`."""
        values = {name: value for name, value in budget_to_row(budget).items() if name not in FIXED_BUDGET_COLUMNS}

        def work(connection: Connection) -> None:
            before = and_(_is(budget), budgets.c.version == budget.version - 1)
            if connection.execute(update(budgets).where(before).values(values)).rowcount == 0:
                is_there = connection.execute(select(budgets.c.id).where(_is(budget))).first() is not None
                raise ClientError(CHANGED_BUDGET if is_there else NO_BUDGET)

        await self._change(budget, event, work)

    async def delete_budget(self, budget: Budget, event: AuditEvent) -> None:
        """Forget it; ClientError `not_found`."""

        def work(connection: Connection) -> None:
            if connection.execute(delete(budgets).where(_is(budget))).rowcount == 0:
                raise ClientError(NO_BUDGET)

        await self._change(budget, event, work)

    async def _change(self, budget: Budget, event: AuditEvent, work: Callable[[Connection], object]) -> None:
        def whole(connection: Connection) -> None:
            work(connection)
            append_event(connection, event)
            bump_epoch(connection, budget.organisation_id)

        await self._database.write(whole)
        self._on_change(budget.organisation_id)


class SqlCreditStore:
    """`CreditStore`. `on_change` as in `SqlBudgetStore`."""

    def __init__(self, database: Database, *, on_change: OnChange) -> None:
        self._database, self._on_change = database, on_change

    async def add_transaction(self, transaction: CreditTransaction, event: AuditEvent) -> bool:
        """Store it; False when one with that id is there already: then nothing changes."""
        table = credit_transactions

        def work(connection: Connection) -> bool:
            bump_epoch(connection, transaction.organisation_id)  # first: its lock makes two of the same id wait for each other
            if connection.execute(select(table.c.id).where(table.c.id == transaction.id)).first() is not None:
                return False
            connection.execute(insert(table), transaction_to_row(transaction))
            append_event(connection, event)
            return True

        is_new = await self._database.write(work)
        self._on_change(transaction.organisation_id)
        return is_new

    async def list_transactions(self, organisation_id: str, *, limit: int = 100, before_id: str | None = None) -> list[CreditTransaction]:
        """The newest first, those before `before_id` (none if it is unknown)."""
        table = credit_transactions.c
        query = select(credit_transactions).where(table.organisation_id == organisation_id)
        query = query.order_by(table.at_ms.desc(), table.id.desc()).limit(limit)

        def work(connection: Connection) -> list[CreditTransaction]:
            page = query
            if before_id is not None:
                place = select(table.at_ms).where(table.organisation_id == organisation_id, table.id == before_id)
                at_ms = connection.execute(place).scalar()
                if at_ms is None:
                    return []
                page = query.where(or_(table.at_ms < at_ms, and_(table.at_ms == at_ms, table.id < before_id)))
            return [row_to_transaction(row) for row in connection.execute(page).mappings()]

        return await self._database.read(work)

    async def sum_transactions(self, organisation_id: str) -> int:
        """All that was given less what was taken back, in nano-USD."""
        table = credit_transactions.c
        query = select(func.sum(table.amount_nanousd)).where(table.organisation_id == organisation_id)
        return await self._database.read(lambda connection: int(connection.execute(query).scalar() or 0))

    async def sum_usage(self, organisation_id: str, *, date_from: date | None = None, date_to: date | None = None) -> int:
        """What the organisation was charged in these days (UTC, both included), in nano-USD."""
        table = usage_daily.c
        query = select(func.sum(table.cost_nanousd)).where(table.organisation_id == organisation_id)
        if date_from is not None:
            query = query.where(table.day >= (date_from - EPOCH_DAY).days)
        if date_to is not None:
            query = query.where(table.day <= (date_to - EPOCH_DAY).days)
        return await self._database.read(lambda connection: int(connection.execute(query).scalar() or 0))

    async def compare_usage(self, organisation_id: str) -> list[UsageDifference]:
        """The days on which the entries of the ledger and the sums by day do not say the same.

        Entries that retention deleted are in the sums alone: days before the oldest entry are not compared, its own only for too much.
        """
        day = ledger.c.created_at_ms // DAY_MS
        requests = func.sum(case((func.coalesce(ledger.c.error_code, "") != HEDGE_LOST, 1), else_=0))  # as the sums count them
        entries = select(day, func.sum(ledger.c.cost_nanousd), requests).where(ledger.c.organisation_id == organisation_id).group_by(day)
        sums = (
            select(usage_daily.c.day, func.sum(usage_daily.c.cost_nanousd), func.sum(usage_daily.c.requests))
            .where(usage_daily.c.organisation_id == organisation_id)
            .group_by(usage_daily.c.day)
        )

        def work(connection: Connection) -> list[UsageDifference]:
            in_ledger = {int(row[0]): (int(row[1]), int(row[2])) for row in connection.execute(entries)}
            in_sums = {int(row[0]): (int(row[1]), int(row[2])) for row in connection.execute(sums)}
            return compare(in_ledger, in_sums)

        return await self._database.read(work)


def compare(in_ledger: dict[int, tuple[int, int]], in_sums: dict[int, tuple[int, int]]) -> list[UsageDifference]:
    """The differing days, by their numbers since 1970-01-01; values are nano-USD and requests."""
    if not in_ledger:
        return []
    oldest = min(in_ledger)
    found = []
    for day in sorted(in_ledger.keys() | {day for day in in_sums if day > oldest}):
        entries, sums = in_ledger.get(day, (0, 0)), in_sums.get(day, (0, 0))
        is_partly_deleted = day == oldest and entries[0] <= sums[0] and entries[1] < sums[1]
        if entries != sums and not is_partly_deleted:
            found.append(
                UsageDifference(
                    date=EPOCH_DAY + timedelta(days=day),
                    ledger_nanousd=entries[0],
                    sums_nanousd=sums[0],
                    ledger_requests=entries[1],
                    sums_requests=sums[1],
                )
            )
    return found


def _is(budget: Budget) -> ColumnElement[bool]:
    return and_(budgets.c.organisation_id == budget.organisation_id, budgets.c.id == budget.id)
