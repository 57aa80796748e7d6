"""Budgets and credit transactions as rows and back: one meaning for every store, the one in memory included."""

import json
from collections.abc import Mapping
from typing import Any

from anyrouter.core.budget import Budget, BudgetOwner, BudgetPeriod
from anyrouter.core.credits import CreditTransaction, TransactionKind
from anyrouter.core.errors import Denied
from anyrouter.storage.records import from_ms, to_ms

NO_BUDGET = Denied(code="not_found", message="There is no such budget.")
CHANGED_BUDGET = Denied(code="etag_mismatch", message="The budget was changed meanwhile. Read it again, then repeat the change.")
# What `update_budget` never changes.
FIXED_BUDGET_COLUMNS = frozenset({"id", "organisation_id", "owner", "owner_id", "created_at_ms"})


def budget_to_row(budget: Budget) -> dict[str, Any]:
    """The row of `budgets`."""
    return {
        "id": budget.id,
        "organisation_id": budget.organisation_id,
        "owner": budget.owner.value,
        "owner_id": budget.owner_id,
        "limit_nanousd": budget.limit_nanousd,
        "period": budget.period.value,
        "models": None if budget.models is None else json.dumps(budget.models),
        "name": budget.name,
        "created_at_ms": 0 if budget.created_at is None else to_ms(budget.created_at),
        "version": budget.version,
    }


def row_to_budget(row: Mapping[Any, Any]) -> Budget:
    """The budget of a row of `budgets`."""
    return Budget(
        id=row["id"],
        organisation_id=row["organisation_id"],
        owner=BudgetOwner(row["owner"]),
        owner_id=row["owner_id"],
        limit_nanousd=row["limit_nanousd"],
        period=BudgetPeriod(row["period"]),
        models=None if row["models"] is None else tuple(json.loads(row["models"])),
        name=row["name"],
        created_at=from_ms(row["created_at_ms"]),
        version=row["version"],
    )


def transaction_to_row(transaction: CreditTransaction) -> dict[str, Any]:
    """The row of `credit_transactions`."""
    return {
        "id": transaction.id,
        "organisation_id": transaction.organisation_id,
        "kind": transaction.kind.value,
        "amount_nanousd": transaction.amount_nanousd,
        "at_ms": to_ms(transaction.at),
        "note": transaction.note,
        "actor_label": transaction.actor_label,
    }


def row_to_transaction(row: Mapping[Any, Any]) -> CreditTransaction:
    """The transaction of a row of `credit_transactions`."""
    return CreditTransaction(
        id=row["id"],
        organisation_id=row["organisation_id"],
        kind=TransactionKind(row["kind"]),
        amount_nanousd=row["amount_nanousd"],
        at=from_ms(row["at_ms"]),
        note=row["note"],
        actor_label=row["actor_label"],
    )
