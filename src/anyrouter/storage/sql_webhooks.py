"""Webhooks in the database, and the messages that wait to be sent to them."""

from collections.abc import Callable, Sequence
from datetime import datetime

from sqlalchemy import ColumnElement, Connection, Select, and_, delete, func, insert, select, update
from sqlalchemy.dialects import postgresql, sqlite

from anyrouter.control.stores import WebhookStore
from anyrouter.core.audit import AuditEvent
from anyrouter.core.errors import ClientError
from anyrouter.core.webhook import Webhook, WebhookDelivery
from anyrouter.storage.database import Database
from anyrouter.storage.records import to_ms
from anyrouter.storage.schema_people import audit_heads, webhook_deliveries, webhooks
from anyrouter.storage.sql_audit import append_event
from anyrouter.storage.sql_keys import OnChange, bump_epoch
from anyrouter.storage.webhook_rows import (
    CHANGED_WEBHOOK,
    NO_WEBHOOK,
    changed_columns,
    delivery_to_row,
    row_to_delivery,
    row_to_webhook,
    webhook_to_row,
)


class SqlWebhookStore(WebhookStore):
    """`WebhookStore`. `on_change` is told the organisation as soon as a change of this process is committed."""

    def __init__(self, database: Database, *, on_change: OnChange) -> None:
        self._database, self._on_change = database, on_change

    async def list_webhooks(self, organisation_id: str) -> list[Webhook]:
        """All, oldest first."""
        query = select(webhooks).where(webhooks.c.organisation_id == organisation_id).order_by(webhooks.c.created_at_ms, webhooks.c.id)

        def work(connection: Connection) -> list[Webhook]:
            return [row_to_webhook(row) for row in connection.execute(query).mappings()]

        return await self._database.read(work)

    async def find_webhook(self, webhook_id: str) -> Webhook | None:
        """One by its id, whoever's."""
        query = select(webhooks).where(webhooks.c.id == webhook_id)

        def work(connection: Connection) -> Webhook | None:
            row = connection.execute(query).mappings().first()
            return None if row is None else row_to_webhook(row)

        return await self._database.read(work)

    async def add_webhook(self, webhook: Webhook, event: AuditEvent) -> None:
        """Store a new one, at the place of the log where its own event is."""
        head = select(audit_heads.c.number).where(audit_heads.c.organisation_id == webhook.organisation_id)

        def work(connection: Connection) -> None:
            append_event(connection, event)  # first, against its own advice: a new row has no lock that somebody waits for
            row = {**webhook_to_row(webhook), "after_number": connection.execute(head).scalar_one() - 1}
            connection.execute(insert(webhooks), row)
            bump_epoch(connection, webhook.organisation_id)

        await self._database.write(work)
        self._on_change(webhook.organisation_id)

    async def update_webhook(self, webhook: Webhook, event: AuditEvent) -> None:
        """See the port."""
        same = _is(webhook)

        def work(connection: Connection) -> None:
            before = and_(same, webhooks.c.version == webhook.version - 1)
            if connection.execute(update(webhooks).where(before).values(changed_columns(webhook))).rowcount == 0:
                is_there = connection.execute(select(webhooks.c.id).where(same)).first() is not None
                raise ClientError(CHANGED_WEBHOOK if is_there else NO_WEBHOOK)

        await self._change(webhook, event, work)

    async def delete_webhook(self, webhook: Webhook, event: AuditEvent) -> None:
        """Forget it, and what was to be sent to it; ClientError `not_found`."""

        def work(connection: Connection) -> None:
            if connection.execute(delete(webhooks).where(_is(webhook))).rowcount == 0:
                raise ClientError(NO_WEBHOOK)
            connection.execute(delete(webhook_deliveries).where(webhook_deliveries.c.webhook_id == webhook.id))

        await self._change(webhook, event, work)

    async def list_behind(self) -> list[Webhook]:
        """Those for which the audit log has events that were not looked at."""
        heads = audit_heads.c
        query = select(webhooks).join(audit_heads, heads.organisation_id == webhooks.c.organisation_id)
        query = query.where(heads.number > webhooks.c.after_number).order_by(webhooks.c.id)

        def work(connection: Connection) -> list[Webhook]:
            return [row_to_webhook(row) for row in connection.execute(query).mappings()]

        return await self._database.read(work)

    async def add_deliveries(self, webhook: Webhook, after_number: int, deliveries: Sequence[WebhookDelivery]) -> None:
        """See the port."""
        is_behind = and_(webhooks.c.id == webhook.id, webhooks.c.after_number < after_number)
        rows = [delivery_to_row(delivery) for delivery in deliveries]

        def work(connection: Connection) -> None:
            if connection.execute(update(webhooks).where(is_behind).values(after_number=after_number)).rowcount and rows:
                dialect = sqlite if connection.dialect.name == "sqlite" else postgresql
                connection.execute(dialect.insert(webhook_deliveries).on_conflict_do_nothing(), rows)

        await self._database.write(work)

    async def count_pending(self, webhook_id: str) -> int:
        """How many wait for being sent."""
        table = webhook_deliveries.c
        query = select(func.count()).where(table.webhook_id == webhook_id, table.next_at_ms.is_not(None))
        return await self._database.read(lambda connection: int(connection.execute(query).scalar_one()))

    async def list_due_webhooks(self, now: datetime, *, limit: int) -> list[str]:
        """The ids of those for which something is due, the most overdue first."""
        table = webhook_deliveries.c
        due = select(table.webhook_id).where(table.next_at_ms <= to_ms(now)).group_by(table.webhook_id)
        query = due.order_by(func.min(table.next_at_ms), table.webhook_id).limit(limit)
        return await self._database.read(lambda connection: list(connection.execute(query).scalars()))

    async def list_due(self, webhook_id: str, now: datetime, *, limit: int) -> list[WebhookDelivery]:
        """What is to be sent to it now, the most overdue first."""
        table = webhook_deliveries.c
        query = select(webhook_deliveries).where(table.webhook_id == webhook_id, table.next_at_ms <= to_ms(now))
        return await self._list(query.order_by(table.next_at_ms, table.created_at_ms, func.length(table.id), table.id).limit(limit))

    async def update_delivery(self, delivery: WebhookDelivery) -> None:
        """Replace attempts, times and status."""
        names = ("next_at_ms", "attempts", "status", "delivered_at_ms")
        values = {name: value for name, value in delivery_to_row(delivery).items() if name in names}
        change = update(webhook_deliveries).where(webhook_deliveries.c.id == delivery.id).values(values)
        await self._database.write(lambda connection: connection.execute(change).rowcount)

    async def list_deliveries(self, webhook_id: str, *, limit: int) -> list[WebhookDelivery]:
        """The newest first."""
        table = webhook_deliveries.c
        query = select(webhook_deliveries).where(table.webhook_id == webhook_id)
        return await self._list(query.order_by(table.created_at_ms.desc(), func.length(table.id).desc(), table.id.desc()).limit(limit))

    async def delete_deliveries_before(self, moment: datetime) -> int:
        """Forget those that were made before and are not waiting; how many there were."""
        table = webhook_deliveries.c
        old = delete(webhook_deliveries).where(table.created_at_ms < to_ms(moment), table.next_at_ms.is_(None))
        return await self._database.write(lambda connection: int(connection.execute(old).rowcount))

    async def _list(self, query: Select[tuple[object, ...]]) -> list[WebhookDelivery]:
        def work(connection: Connection) -> list[WebhookDelivery]:
            return [row_to_delivery(row) for row in connection.execute(query).mappings()]

        return await self._database.read(work)

    async def _change(self, webhook: Webhook, event: AuditEvent, work: Callable[[Connection], None]) -> None:
        def whole(connection: Connection) -> None:
            work(connection)
            append_event(connection, event)
            bump_epoch(connection, webhook.organisation_id)

        await self._database.write(whole)
        self._on_change(webhook.organisation_id)


def _is(webhook: Webhook) -> ColumnElement[bool]:
    return and_(webhooks.c.organisation_id == webhook.organisation_id, webhooks.c.id == webhook.id)
