"""What the forms about a budget say. No I/O."""

from typing import Any

from anyrouter.control.budgets import BudgetWish
from anyrouter.core.budget import Budget, BudgetOwner, BudgetPeriod
from anyrouter.core.errors import ClientError, Denied
from anyrouter.core.money import parse_usd, to_usd_string
from anyrouter.web.pages.forms import Fields

FIELDS = ("name", "limit", "period", "models", "owner", "environment", "key")
NAMES = {"limit_nanousd": "limit"}
PERIODS = (
    (BudgetPeriod.DAILY.value, "each day, from midnight UTC"),
    (BudgetPeriod.WEEKLY.value, "each week, from Monday"),
    (BudgetPeriod.MONTHLY.value, "each month, from the 1st"),
    (BudgetPeriod.TOTAL.value, "in all, for good"),
)


def read_wish(form: Fields) -> BudgetWish:
    """The budget that is asked for. ClientError."""
    try:
        owner = BudgetOwner(form.text("owner"))
    except ValueError:
        raise _refusal("owner", "choose whose requests count") from None
    changes = read_changes(form)
    return BudgetWish(owner=owner, owner_id=None if owner is BudgetOwner.ORGANISATION else form.optional(owner.value), **changes)


def read_changes(form: Fields) -> dict[str, Any]:
    """What can be changed later too, by the record's names. ClientError."""
    try:
        period = BudgetPeriod(form.text("period"))
    except ValueError:
        raise _refusal("period", "choose when it is whole again") from None
    return {
        "name": form.text("name"),
        "limit_nanousd": _read_amount(form.text("limit")),
        "period": period,
        "models": form.text("models").replace(",", " ").split() or None,
    }


def keep_values(form: Fields) -> dict[str, str]:
    """What was typed, to be shown again."""
    return {name: form.text(name) for name in FIELDS}


def show_values(budget: Budget) -> dict[str, str]:
    """A budget as its form shows it at first."""
    return {
        "name": budget.name,
        "limit": to_usd_string(budget.limit_nanousd),
        "period": budget.period.value,
        "models": "\n".join(budget.models or ()),
    }


def _read_amount(text: str) -> int:
    try:
        return parse_usd(text.removeprefix("$").strip())
    except ValueError as problem:
        raise _refusal("limit", str(problem)) from None


def _refusal(param: str, reason: str) -> ClientError:
    return ClientError(Denied(code="invalid_parameter", param=param, message=f"{param}: {reason}."))
