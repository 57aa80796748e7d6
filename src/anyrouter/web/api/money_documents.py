"""What the OpenAPI document says of the routes over budgets and credits."""

from typing import Any

from anyrouter.web.api.money_replies import (
    BudgetChange,
    BudgetCreation,
    BudgetReply,
    BudgetsReply,
    GrantCreation,
    TransactionReply,
    TransactionsReply,
)
from anyrouter.web.api.preset_replies import DeletedReply
from anyrouter.web.api.routes import Documented

_BUDGETS, _CREDITS = "Budgets", "Credits"

_BUDGET: dict[str, Any] = {
    "id": "bud_0192f0c4a7e87a1b8c3d4e5f60718293",
    "name": "GPT-4o in March",
    "owner": "environment",
    "owner_id": "env_0192f0c4a7e87a1b8c3d4e5f60718293",
    "limit": 250.0,
    "period": "monthly",
    "models": ["openai/gpt-4o"],
    "created_at": "2026-11-24T12:00:00.000Z",
    "workspace_id": "org_default",
}
_TRANSACTION: dict[str, Any] = {
    "id": "ctx_0192f0c4a7e87a1b8c3d4e5f60718293",
    "kind": "grant",
    "amount": 100.0,
    "created_at": "2026-11-24T12:00:00.000Z",
    "note": "invoice 17",
    "actor": "operator",
}

BUDGETS = Documented(
    summary="List budgets",
    text="The organisation's, its environments' and its keys', as far as the key works there; oldest first. What a key's own `limit` "
    "says is not among them.",
    tag=_BUDGETS,
    reply=BudgetsReply,
    example={"data": [_BUDGET], "next_cursor": None},
)
BUDGET = Documented(summary="Show a budget", text="One budget.", tag=_BUDGETS, reply=BudgetReply, example={"data": _BUDGET}, can_miss=True)
CREATE_BUDGET = Documented(
    summary="Make a budget",
    text="It holds from now on, and counts what was spent in its period before. Requests that it has no room for are refused with 402, "
    "or cut shorter where the policy of their key says so.",
    tag=_BUDGETS,
    reply=BudgetReply,
    example={"data": _BUDGET},
    request=BudgetCreation,
    request_example={"owner": "environment", "owner_id": "live", "limit": 250, "period": "monthly", "models": ["openai/gpt-4o"]},
    status=201,
    can_miss=True,
)
CHANGE_BUDGET = Documented(
    summary="Change a budget",
    text="Replaces what is named.",
    tag=_BUDGETS,
    reply=BudgetReply,
    example={"data": _BUDGET},
    request=BudgetChange,
    request_example={"limit": "300.00"},
    can_miss=True,
)
DELETE_BUDGET = Documented(
    summary="Delete a budget",
    text="Nothing is bounded by it any more.",
    tag=_BUDGETS,
    reply=DeletedReply,
    example={"deleted": True},
    can_miss=True,
)
GRANT = Documented(
    summary="Grant credits",
    text="The operator's alone, who has the data directory and says `anyrouter credits grant`: a key, whatever its scopes, is refused "
    "with 403, since nobody may give themselves what they are charged for.",
    tag=_CREDITS,
    reply=TransactionReply,
    example={"data": _TRANSACTION},
    request=GrantCreation,
    request_example={"amount": 100, "note": "invoice 17"},
    status=201,
)
TRANSACTIONS = Documented(
    summary="List credit transactions",
    text="What the organisation was given and what was taken back, the newest first. What it used is not here: that is in /activity.",
    tag=_CREDITS,
    reply=TransactionsReply,
    example={"data": [_TRANSACTION], "next_cursor": None},
)
