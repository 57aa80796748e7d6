"""/budgets and what is below /credits: for keys with `admin:billing`."""

from collections.abc import Mapping
from decimal import Decimal
from typing import Annotated, Any

import msgspec
from fastapi import Query
from starlette.requests import Request
from starlette.responses import Response

from anyrouter.control.budgets import BudgetWish
from anyrouter.core.budget import Budget, BudgetOwner, BudgetPeriod
from anyrouter.core.credits import CreditTransaction
from anyrouter.core.errors import ClientError, Denied
from anyrouter.core.money import parse_usd, to_usd
from anyrouter.core.scopes import ADMIN_BILLING
from anyrouter.web.api import money_documents as documents
from anyrouter.web.api.bodies import read_body
from anyrouter.web.api.changes import actor_of, etag, if_match, rights_of
from anyrouter.web.api.money_replies import (
    BudgetChange,
    BudgetCreation,
    BudgetItem,
    BudgetReply,
    BudgetsReply,
    GrantCreation,
    TransactionItem,
    TransactionsReply,
)
from anyrouter.web.api.ports import ApiPorts
from anyrouter.web.api.preset_replies import DeletedReply
from anyrouter.web.api.routes import Routes, json_reply
from anyrouter.web.api.times import rfc3339
from anyrouter.web.api.visit import principal_of

_CREATED = 201
_OPERATORS = Denied(
    code="insufficient_scope",
    scope=ADMIN_BILLING,
    message="Only the operator grants credits, with 'anyrouter credits grant' on the gateway's machine. No key can.",
)

Limit = Annotated[int, Query(description="Rows of a page", ge=1, le=1000)]
Cursor = Annotated[str | None, Query(description="`next_cursor` of the page before", max_length=64)]


class MoneyRoutes:
    """The routes over budgets and credit transactions."""

    def __init__(self, ports: ApiPorts) -> None:
        self._budgets, self._credits = ports.budgets, ports.credits

    def add_to(self, routes: Routes) -> None:
        """Put the routes on."""
        routes.get("budgets", self.list_budgets, documents.BUDGETS)
        routes.change("POST budgets", self.create_budget, documents.CREATE_BUDGET)
        routes.get("budgets/{id}", self.show_budget, documents.BUDGET)
        routes.change("PATCH budgets/{id}", self.change_budget, documents.CHANGE_BUDGET)
        routes.change("DELETE budgets/{id}", self.delete_budget, documents.DELETE_BUDGET)
        routes.change("POST credits/grants", self.grant, documents.GRANT)
        routes.get("credits/transactions", self.list_transactions, documents.TRANSACTIONS)

    async def list_budgets(self, request: Request, *, limit: Limit = 100, cursor: Cursor = None) -> Response:
        """GET /budgets."""
        found = await self._budgets.list(rights_of(request), _organisation(request))
        ids = [budget.id for budget in found]
        start = 0 if cursor is None else ids.index(cursor) + 1 if cursor in ids else len(ids)
        page = found[start : start + limit]
        has_more = start + limit < len(found)
        return json_reply(BudgetsReply(data=[describe_budget(row) for row in page], next_cursor=page[-1].id if has_more else None))

    async def show_budget(self, request: Request, id: str) -> Response:  # noqa: A002 -- the public name
        """GET /budgets/{id}."""
        return _reply(await self._budgets.show(rights_of(request), _organisation(request), id))

    async def create_budget(self, request: Request) -> Response:
        """POST /budgets."""
        said = await read_body(request, BudgetCreation)
        wish = BudgetWish(
            owner=BudgetOwner(said.owner),
            owner_id=said.owner_id,
            limit_nanousd=_read_amount("limit", said.limit),
            period=BudgetPeriod(said.period),
            models=said.models,
            name=said.name,
        )
        budget = await self._budgets.create(actor_of(request), rights_of(request), _organisation(request), wish)
        return _reply(budget, status=_CREATED)

    async def change_budget(self, request: Request, id: str) -> Response:  # noqa: A002 -- the public name
        """PATCH /budgets/{id}."""
        said = await read_body(request, BudgetChange)
        changes = _read_changes(said)
        place = (actor_of(request), rights_of(request), _organisation(request), id)
        return _reply(await self._budgets.change(*place, changes, version=if_match(request)))

    async def delete_budget(self, request: Request, id: str) -> Response:  # noqa: A002 -- the public name
        """DELETE /budgets/{id}."""
        await self._budgets.delete(actor_of(request), rights_of(request), _organisation(request), id)
        return json_reply(DeletedReply(deleted=True))

    async def grant(self, request: Request) -> Response:
        """POST /credits/grants: refused for every key, once the body is one that the operator could have meant."""
        _read_amount("amount", (await read_body(request, GrantCreation)).amount)
        raise ClientError(_OPERATORS)

    async def list_transactions(self, request: Request, *, limit: Limit = 100, cursor: Cursor = None) -> Response:
        """GET /credits/transactions."""
        found = await self._credits.list_transactions(_organisation(request), limit=limit + 1, before_id=cursor)
        page = found[:limit]
        items = [describe_transaction(row) for row in page]
        return json_reply(TransactionsReply(data=items, next_cursor=page[-1].id if len(found) > limit else None))


def describe_budget(budget: Budget) -> BudgetItem:
    """A budget as its reader sees it."""
    return BudgetItem(
        id=budget.id,
        name=budget.name,
        owner=budget.owner.value,
        owner_id=budget.owner_id,
        limit=to_usd(budget.limit_nanousd),
        period=budget.period.value,
        models=None if budget.models is None else list(budget.models),
        created_at=None if budget.created_at is None else rfc3339(budget.created_at),
        workspace_id=budget.organisation_id,
    )


def describe_transaction(transaction: CreditTransaction) -> TransactionItem:
    """A transaction as its reader sees it."""
    return TransactionItem(
        id=transaction.id,
        kind=transaction.kind.value,
        amount=to_usd(transaction.amount_nanousd),
        created_at=rfc3339(transaction.at),
        note=transaction.note,
        actor=transaction.actor_label,
    )


def _reply(budget: Budget, *, status: int = 200) -> Response:
    return json_reply(BudgetReply(data=describe_budget(budget)), status=status, headers={"etag": etag(budget.version)})


def _organisation(request: Request) -> str:
    return principal_of(request.scope).key.organisation_id


def _read_amount(param: str, amount: Decimal) -> int:
    try:
        return parse_usd(amount)
    except ValueError as problem:
        raise ClientError(Denied(code="invalid_parameter", param=param, message=f"{param}: {problem}.")) from None


def _read_changes(said: BudgetChange) -> Mapping[str, Any]:
    changes = {name: value for name in said.__struct_fields__ if (value := getattr(said, name)) is not msgspec.UNSET}
    if "limit" in changes:
        changes["limit_nanousd"] = _read_amount("limit", changes.pop("limit"))
    if "period" in changes:
        changes["period"] = BudgetPeriod(changes["period"])
    return changes
