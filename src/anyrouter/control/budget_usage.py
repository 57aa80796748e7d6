"""What of budgets is used now: sums of the ledger since their periods began."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from anyrouter.control.stores import SpendReader
from anyrouter.core.budget import Budget, period_end, period_start
from anyrouter.policy.budget import counts_model


@dataclass(frozen=True, slots=True, kw_only=True)
class BudgetUse:
    """How a budget stands. `ends_at` is when it is whole again, None: never."""

    budget: Budget
    spent_nanousd: int
    ends_at: datetime | None

    @property
    def left_nanousd(self) -> int:
        """What can be spent yet, not below 0."""
        return max(0, self.budget.limit_nanousd - self.spent_nanousd)

    @property
    def is_spent(self) -> bool:
        """Whether requests that cost something are refused."""
        return not self.left_nanousd

    @property
    def is_near(self) -> bool:
        """Whether four fifths or more are used."""
        return self.spent_nanousd * 5 >= self.budget.limit_nanousd * 4


class BudgetUsage:
    """Reads what was settled; requests that run are not in it. StorageUnavailable."""

    def __init__(self, *, spend: SpendReader, clock: Callable[[], datetime]) -> None:
        self._spend, self._clock = spend, clock

    async def read(self, budgets: Sequence[Budget]) -> list[BudgetUse]:
        """How they stand, in their order. Those of one owner and period are read once."""
        now = self._clock()
        known: dict[tuple[str, datetime | None], Mapping[str, int]] = {}
        found = []
        for budget in budgets:
            since = period_start(budget.period, now)
            place = (budget.owner_id, since)
            if place not in known:
                known[place] = await self._spend.sum_by_model(budget, since)
            spent = sum(cost for model, cost in known[place].items() if counts_model(budget, model))
            found.append(BudgetUse(budget=budget, spent_nanousd=spent, ends_at=period_end(budget.period, now)))
        return found
