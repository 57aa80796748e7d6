"""Decisions about money: what a request may cost, by every budget that it counts against."""

from anyrouter.core.apikey import ApiKey
from anyrouter.core.budget import Budget, BudgetOwner


def own_budgets(key: ApiKey) -> tuple[Budget, ...]:
    """The budget that a key brings itself, shared by its rotation group; none without a limit."""
    if key.limit_nanousd is None:
        return ()
    return (
        Budget(
            id=f"limit_{key.rotation_group}",
            organisation_id=key.organisation_id,
            owner=BudgetOwner.KEY,
            owner_id=key.rotation_group,
            limit_nanousd=key.limit_nanousd,
            period=key.limit_reset,
        ),
    )
