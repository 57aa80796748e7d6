"""What was told once, and what is read to tell it: keys that expire, and what was charged."""

from collections.abc import Mapping
from datetime import datetime

from sqlalchemy import Connection, case, delete, func, select

from anyrouter.control.stores import ExpiryReader, HourlySpend, NoticeStore, SpendReader
from anyrouter.core.apikey import ApiKey
from anyrouter.core.audit import AuditEvent
from anyrouter.core.budget import Budget, BudgetOwner
from anyrouter.storage.activity_rows import EPOCH_DAY
from anyrouter.storage.database import Database
from anyrouter.storage.insertion import insert_new
from anyrouter.storage.records import row_to_key, to_ms
from anyrouter.storage.schema import api_keys, usage_daily
from anyrouter.storage.schema_money import usage_hourly, usage_model_daily
from anyrouter.storage.schema_people import notices
from anyrouter.storage.sql_audit import append_event

# Where an owner's sums are: those that know no keys are in a table with a row where the other has one for each key.
_OWNERS = {
    BudgetOwner.KEY: usage_daily.c.rotation_group,
    BudgetOwner.ENVIRONMENT: usage_model_daily.c.environment_id,
    BudgetOwner.ORGANISATION: usage_model_daily.c.organisation_id,
}


class SqlNoticeStore(NoticeStore):
    """`NoticeStore`."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def take_notice(self, organisation_id: str, subject_id: str, kind: str, now: datetime, event: AuditEvent | None = None) -> bool:
        """See the port."""
        row = {"organisation_id": organisation_id, "subject_id": subject_id, "kind": kind, "at_ms": to_ms(now)}
        columns = notices.c
        same = (columns.organisation_id == organisation_id, columns.subject_id == subject_id, columns.kind == kind)

        def look(connection: Connection) -> bool:
            return connection.execute(select(columns.at_ms).where(*same)).first() is not None

        def work(connection: Connection) -> bool:
            if not insert_new(connection, notices, row):
                return False
            if event is not None:
                append_event(connection, event)
            return True

        # Most were taken before: looking comes first, and occupies no writer.
        return not await self._database.read(look) and await self._database.write(work)

    async def delete_notices_before(self, moment: datetime) -> int:
        """Forget the old ones; how many there were."""
        old = delete(notices).where(notices.c.at_ms < to_ms(moment))
        return await self._database.write(lambda connection: int(connection.execute(old).rowcount))


class SqlExpiryReader(ExpiryReader):
    """`ExpiryReader`."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def list_expiring(self, after: datetime, until: datetime, *, limit: int, after_id: str = "") -> list[ApiKey]:
        """See the port."""
        table = api_keys.c
        is_live = (table.deleted_at_ms.is_(None), table.is_disabled.is_(False), table.id > after_id)
        query = select(api_keys).where(*is_live, table.expires_at_ms > to_ms(after), table.expires_at_ms <= to_ms(until))

        def work(connection: Connection) -> list[ApiKey]:
            return [row_to_key(row) for row in connection.execute(query.order_by(table.id).limit(limit)).mappings()]

        return await self._database.read(work)


class SqlSpendReader(SpendReader):
    """`SpendReader`, from the sums by day, by model and day, and by hour."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def sum_by_model(self, budget: Budget, since: datetime | None) -> Mapping[str, int]:
        """See the port."""
        owner = _OWNERS[budget.owner]
        table = owner.table.c
        mine = (table.organisation_id == budget.organisation_id, owner == budget.owner_id)
        query = select(table.model, func.sum(table.cost_nanousd)).where(*mine).group_by(table.model)
        if since is not None:
            query = query.where(table.day >= (since.date() - EPOCH_DAY).days)
        return await self._database.read(lambda connection: {model: int(cost) for model, cost in connection.execute(query)})

    async def list_hourly(self, organisation_id: str, hour: int, *, hours_before: int) -> list[HourlySpend]:
        """See the port."""
        table = usage_hourly.c
        last, before = (func.sum(case((is_in, table.cost_nanousd), else_=0)) for is_in in (table.hour == hour, table.hour < hour))
        times = (table.hour >= hour - hours_before, table.hour <= hour)
        query = select(table.rotation_group, last, before).where(table.organisation_id == organisation_id, *times)
        query = query.group_by(table.rotation_group).order_by(table.rotation_group)

        def work(connection: Connection) -> list[HourlySpend]:
            return [
                HourlySpend(rotation_group=group, last_nanousd=int(now), before_nanousd=int(then))
                for group, now, then in connection.execute(query)
            ]

        return await self._database.read(work)
