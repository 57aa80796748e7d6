"""What an owner's generations come to, by model: from the sums by day in the database, and from entries on their way there."""

from collections.abc import Iterable, Mapping, Sequence

from sqlalchemy import Connection, and_, func, select

from anyrouter.core.budget import BudgetOwner
from anyrouter.relay.ports import ModelUsage, UsageQuestion
from anyrouter.storage.ledger_rows import Told, sum_by_day
from anyrouter.storage.schema import usage_daily

_NAME_OF = {
    BudgetOwner.KEY: "rotation_group",
    BudgetOwner.ENVIRONMENT: "environment_id",
    BudgetOwner.ORGANISATION: "organisation_id",
}
_NOTHING = ModelUsage()


def read_sums(connection: Connection, questions: Sequence[UsageQuestion]) -> list[dict[str, ModelUsage]]:
    """The answers as far as the database knows, in the questions' order."""
    return [_read(connection, question) for question in questions]


def add_entries(usage: Mapping[str, ModelUsage], question: UsageQuestion, entries: Iterable[Told]) -> dict[str, ModelUsage]:
    """An answer with entries that are not in the database yet, counted by the rule of the sums there."""
    name, total = _NAME_OF[question.owner], dict(usage)
    rows = sum_by_day(
        (intent, outcome)
        for intent, outcome in entries
        if intent.organisation_id == question.organisation_id and getattr(intent, name) == question.owner_id
    )
    for row in rows.values():
        if row["day"] >= question.first_day:
            known = total.get(row["model"], _NOTHING)
            total[row["model"]] = ModelUsage(known.cost + row["cost_nanousd"], known.requests + row["requests"])
    return total


def _read(connection: Connection, question: UsageQuestion) -> dict[str, ModelUsage]:
    table = usage_daily.c
    is_mine = and_(table.organisation_id == question.organisation_id, table[_NAME_OF[question.owner]] == question.owner_id)
    sums = (func.sum(table.cost_nanousd), func.sum(table.requests))
    query = select(table.model, *sums).where(is_mine, table.day >= question.first_day).group_by(table.model)
    return {model: ModelUsage(int(cost), int(requests)) for model, cost, requests in connection.execute(query)}
