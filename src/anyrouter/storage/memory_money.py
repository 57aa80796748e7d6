"""Budgets and credits in memory. Rows are kept, as in a database, so that nothing is kept which a row cannot say."""

from collections.abc import Callable
from datetime import date
from typing import Any

from anyrouter.control.ports import ActivityFilter, LedgerReader
from anyrouter.control.stores import UsageDifference
from anyrouter.core.audit import AuditEvent
from anyrouter.core.budget import Budget
from anyrouter.core.credits import CreditTransaction
from anyrouter.core.errors import ClientError
from anyrouter.storage.memory_audit import MemoryAuditLog
from anyrouter.storage.money_rows import (
    CHANGED_BUDGET,
    FIXED_BUDGET_COLUMNS,
    NO_BUDGET,
    budget_to_row,
    row_to_budget,
    row_to_transaction,
    transaction_to_row,
)

Row = dict[str, Any]


class MemoryBudgetStore:
    """`BudgetStore`."""

    def __init__(self, log: MemoryAuditLog, *, on_change: Callable[[str], None]) -> None:
        self._rows: dict[str, Row] = {}
        self._log, self._on_change = log, on_change

    async def list_budgets(self, organisation_id: str) -> list[Budget]:
        """All, oldest first."""
        mine = [row for row in self._rows.values() if row["organisation_id"] == organisation_id]
        return [row_to_budget(row) for row in sorted(mine, key=lambda row: (row["created_at_ms"], row["id"]))]

    async def add_budget(self, budget: Budget, event: AuditEvent) -> None:
        """Store a new one."""
        self._log.append(event)
        self._rows[budget.id] = budget_to_row(budget)
        self._on_change(budget.organisation_id)

    async def update_budget(self, budget: Budget, event: AuditEvent) -> None:
        """Replace limit, period, models and name; ClientError `not_found`, `etag_mismatch`."""
        row = self._find(budget)
        if row["version"] != budget.version - 1:
            raise ClientError(CHANGED_BUDGET)
        self._log.append(event)
        row.update((name, value) for name, value in budget_to_row(budget).items() if name not in FIXED_BUDGET_COLUMNS)
        self._on_change(budget.organisation_id)

    async def delete_budget(self, budget: Budget, event: AuditEvent) -> None:
        """Forget it; ClientError `not_found`."""
        row = self._find(budget)
        self._log.append(event)
        del self._rows[row["id"]]
        self._on_change(budget.organisation_id)

    def _find(self, budget: Budget) -> Row:
        row = self._rows.get(budget.id)
        if row is None or row["organisation_id"] != budget.organisation_id:
            raise ClientError(NO_BUDGET)
        return row


class MemoryCreditStore:
    """`CreditStore`."""

    def __init__(self, log: MemoryAuditLog, reader: LedgerReader, *, on_change: Callable[[str], None]) -> None:
        self._rows: dict[str, Row] = {}
        self._log, self._reader, self._on_change = log, reader, on_change

    async def add_transaction(self, transaction: CreditTransaction, event: AuditEvent) -> bool:
        """Store it; False when one with that id is there already: then nothing changes."""
        if transaction.id in self._rows:
            return False
        self._log.append(event)
        self._rows[transaction.id] = transaction_to_row(transaction)
        self._on_change(transaction.organisation_id)
        return True

    async def list_transactions(self, organisation_id: str, *, limit: int = 100, before_id: str | None = None) -> list[CreditTransaction]:
        """The newest first, those before `before_id` (none if it is unknown)."""
        mine = sorted(self._mine(organisation_id), key=_place, reverse=True)
        if before_id is not None:
            places = [_place(row) for row in mine if row["id"] == before_id]
            mine = [row for row in mine if places and _place(row) < places[0]]
        return [row_to_transaction(row) for row in mine[:limit]]

    async def sum_transactions(self, organisation_id: str) -> int:
        """All that was given less what was taken back, in nano-USD."""
        return sum(row["amount_nanousd"] for row in self._mine(organisation_id))

    async def sum_usage(self, organisation_id: str, *, date_from: date | None = None, date_to: date | None = None) -> int:
        """What the organisation was charged in these days (UTC, both included), in nano-USD."""
        query = ActivityFilter(organisation_id=organisation_id, date_from=date_from, date_to=date_to, group_by=())
        return sum(row.cost_nanousd for row in await self._reader.read_activity(query))

    async def compare_usage(self, organisation_id: str) -> list[UsageDifference]:  # noqa: ARG002 -- a port's signature
        """None: the sums are made of the entries whenever they are asked for."""
        return []

    def _mine(self, organisation_id: str) -> list[Row]:
        return [row for row in self._rows.values() if row["organisation_id"] == organisation_id]


def _place(row: Row) -> tuple[int, str]:
    return (row["at_ms"], row["id"])
