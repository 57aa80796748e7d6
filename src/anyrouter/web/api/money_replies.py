"""Requests and replies about budgets and credit transactions, as types: their schemas are what /openapi.json says."""

from decimal import Decimal
from typing import Annotated, Literal

import msgspec
from msgspec import UNSET, Meta, UnsetType

from anyrouter.web.api.replies import Moment, Usd

Owner = Annotated[Literal["key", "environment", "organisation"], Meta(description="Whose requests count; a key's whole rotation group")]
Period = Annotated[
    Literal["daily", "weekly", "monthly", "total"],
    Meta(description="When it is whole again: at midnight UTC, on Monday, on the 1st, never"),
]
Amount = Annotated[Decimal, Meta(description="US dollars, as a number or a text, with at most nine digits after the point")]
Patterns = Annotated[list[str], Meta(description="Ids and `vendor/*` patterns of the models that count; null: all")]


class BudgetCreation(msgspec.Struct, kw_only=True, forbid_unknown_fields=True):
    """A budget to be made. `owner_id` is a key's id or an environment's slug, and is left out for the organisation."""

    owner: Owner
    limit: Amount
    owner_id: str | None = None
    period: Period = "monthly"
    models: Patterns | None = None
    name: str = ""


class BudgetChange(msgspec.Struct, kw_only=True, forbid_unknown_fields=True):
    """What is to be different."""

    limit: Amount | UnsetType = UNSET
    period: Period | UnsetType = UNSET
    models: Patterns | UnsetType | None = UNSET
    name: str | UnsetType = UNSET


class BudgetItem(msgspec.Struct, kw_only=True):
    """A budget. `owner_id` is a rotation group, an environment's or the organisation's id."""

    id: str
    name: str
    owner: Owner
    owner_id: str
    limit: Usd
    period: Period
    models: list[str] | None
    created_at: Moment | None
    workspace_id: str


class BudgetReply(msgspec.Struct, kw_only=True):
    """One budget."""

    data: BudgetItem


class BudgetsReply(msgspec.Struct, kw_only=True):
    """Budgets, oldest first. `next_cursor` is null on the last page."""

    data: list[BudgetItem]
    next_cursor: str | None


class GrantCreation(msgspec.Struct, kw_only=True, forbid_unknown_fields=True):
    """Credits to be given."""

    amount: Amount
    note: str = ""


class TransactionItem(msgspec.Struct, kw_only=True):
    """A change of the organisation's credits; negative where they were taken."""

    id: str
    kind: Literal["grant", "monthly_grant", "monthly_expiry", "adjustment"]
    amount: Usd
    created_at: Moment
    note: str
    actor: str


class TransactionReply(msgspec.Struct, kw_only=True):
    """One transaction."""

    data: TransactionItem


class TransactionsReply(msgspec.Struct, kw_only=True):
    """Transactions, the newest first. `next_cursor` is null on the last page."""

    data: list[TransactionItem]
    next_cursor: str | None
