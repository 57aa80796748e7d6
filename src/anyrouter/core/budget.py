"""Budgets: what may be spent in a period of time, and what happens near the end.

Compatibility law: periods and policies are stored with keys and budgets, and are never given another meaning.
"""

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from enum import StrEnum


class BudgetPeriod(StrEnum):
    """After which time a budget is whole again: at midnight UTC, on Monday, on the first of the month, or never."""

    DAILY = "daily"
    WEEKLY = "weekly"
    MONTHLY = "monthly"
    TOTAL = "total"


class BudgetPolicy(StrEnum):
    """What becomes of a request that could cost more than is left.

    `clamp`: its output is bounded by what is left, and it is refused below 16 tokens. `strict`: it is refused. `optimistic`: it is
    admitted as long as a realistic estimate fits.
    """

    CLAMP = "clamp"
    STRICT = "strict"
    OPTIMISTIC = "optimistic"


class BudgetOwner(StrEnum):
    """Whose requests count. A key's are those of its rotation group."""

    KEY = "key"
    ENVIRONMENT = "environment"
    ORGANISATION = "organisation"


@dataclass(frozen=True, slots=True, kw_only=True)
class Budget:
    """A bound on cost. `owner_id` is a rotation group, an environment's or an organisation's id; `models` None counts all models."""

    id: str
    organisation_id: str
    owner: BudgetOwner
    owner_id: str
    limit_nanousd: int
    period: BudgetPeriod
    models: tuple[str, ...] | None = None
    name: str = ""
    created_at: datetime | None = None
    version: int = 1


def period_start(period: BudgetPeriod, now: datetime) -> datetime | None:
    """When the current period began (UTC), None for all time."""
    midnight = now.astimezone(UTC).replace(hour=0, minute=0, second=0, microsecond=0)
    if period is BudgetPeriod.DAILY:
        return midnight
    if period is BudgetPeriod.WEEKLY:
        return midnight - timedelta(days=midnight.weekday())
    return midnight.replace(day=1) if period is BudgetPeriod.MONTHLY else None


def period_end(period: BudgetPeriod, now: datetime) -> datetime | None:
    """When the next period begins (UTC), None when there is none."""
    start = period_start(period, now)
    if start is None:
        return None
    if period is BudgetPeriod.MONTHLY:
        return (start + timedelta(days=32)).replace(day=1)
    return start + timedelta(days=1 if period is BudgetPeriod.DAILY else 7)
