"""Webhooks, messages, notices and what they are made of, in memory. They give the same answers as those in the database."""

from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

from anyrouter.control.ports import ActivityFilter, KeyStore, LedgerReader
from anyrouter.control.stores import ExpiryReader, HourlySpend, NoticeStore, OrganisationStore, SpendReader, WebhookStore
from anyrouter.core.apikey import ApiKey
from anyrouter.core.audit import AuditEvent
from anyrouter.core.budget import Budget, BudgetOwner
from anyrouter.core.errors import ClientError
from anyrouter.core.webhook import Webhook, WebhookDelivery
from anyrouter.storage.memory_audit import MemoryAuditLog
from anyrouter.storage.records import to_ms
from anyrouter.storage.webhook_rows import (
    CHANGED_WEBHOOK,
    NO_WEBHOOK,
    changed_columns,
    delivery_to_row,
    row_to_delivery,
    row_to_webhook,
    webhook_to_row,
)

Row = dict[str, Any]
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_ALL = 1_000_000


class MemoryWebhookStore(WebhookStore):
    """`WebhookStore`. `rows` are the webhooks' rows by id, which `MemorySealStore` sees too."""

    def __init__(self, log: MemoryAuditLog, *, on_change: Callable[[str], None]) -> None:
        self.rows: dict[str, Row] = {}
        self._deliveries: dict[str, Row] = {}
        self._log, self._on_change = log, on_change

    async def list_webhooks(self, organisation_id: str) -> list[Webhook]:
        """All, oldest first."""
        mine = [row for row in self.rows.values() if row["organisation_id"] == organisation_id]
        return [row_to_webhook(row) for row in sorted(mine, key=lambda row: (row["created_at_ms"], row["id"]))]

    async def find_webhook(self, webhook_id: str) -> Webhook | None:
        """One by its id, whoever's."""
        row = self.rows.get(webhook_id)
        return None if row is None else row_to_webhook(row)

    async def add_webhook(self, webhook: Webhook, event: AuditEvent) -> None:
        """Store a new one, at the place of the log where its own event is."""
        self._log.append(event)
        self.rows[webhook.id] = {**webhook_to_row(webhook), "after_number": len(self._log.rows(webhook.organisation_id)) - 1}
        self._on_change(webhook.organisation_id)

    async def update_webhook(self, webhook: Webhook, event: AuditEvent) -> None:
        """See the port."""
        row = self._find(webhook)
        if row["version"] != webhook.version - 1:
            raise ClientError(CHANGED_WEBHOOK)
        self._log.append(event)
        row.update(changed_columns(webhook))
        self._on_change(webhook.organisation_id)

    async def delete_webhook(self, webhook: Webhook, event: AuditEvent) -> None:
        """Forget it, and what was to be sent to it; ClientError `not_found`."""
        row = self._find(webhook)
        self._log.append(event)
        del self.rows[row["id"]]
        self._deliveries = {name: sent for name, sent in self._deliveries.items() if sent["webhook_id"] != webhook.id}
        self._on_change(webhook.organisation_id)

    async def list_behind(self) -> list[Webhook]:
        """Those for which the audit log has events that were not looked at."""
        behind = [row for row in self.rows.values() if len(self._log.rows(row["organisation_id"])) > row["after_number"]]
        return [row_to_webhook(row) for row in sorted(behind, key=lambda row: row["id"])]

    async def add_deliveries(self, webhook: Webhook, after_number: int, deliveries: Sequence[WebhookDelivery]) -> None:
        """See the port."""
        row = self.rows.get(webhook.id)
        if row is not None and row["after_number"] < after_number:
            row["after_number"] = after_number
            for delivery in deliveries:
                self._deliveries.setdefault(delivery.id, delivery_to_row(delivery))

    async def count_pending(self, webhook_id: str) -> int:
        """How many wait for being sent."""
        return sum(row["webhook_id"] == webhook_id and row["next_at_ms"] is not None for row in self._deliveries.values())

    async def list_due_webhooks(self, now: datetime, *, limit: int) -> list[str]:
        """The ids of those for which something is due, the most overdue first."""
        first: dict[str, int] = {}
        for row in self._deliveries.values():
            if row["next_at_ms"] is not None and row["next_at_ms"] <= to_ms(now):
                first[row["webhook_id"]] = min(row["next_at_ms"], first.get(row["webhook_id"], row["next_at_ms"]))
        return sorted(first, key=lambda webhook_id: (first[webhook_id], webhook_id))[:limit]

    async def list_due(self, webhook_id: str, now: datetime, *, limit: int) -> list[WebhookDelivery]:
        """What is to be sent to it now, the most overdue first."""
        due = [row for row in self._of(webhook_id) if row["next_at_ms"] is not None and row["next_at_ms"] <= to_ms(now)]
        return [row_to_delivery(row) for row in sorted(due, key=lambda row: (row["next_at_ms"], _place(row)))[:limit]]

    async def update_delivery(self, delivery: WebhookDelivery) -> None:
        """Replace attempts, times and status."""
        row, new = self._deliveries.get(delivery.id), delivery_to_row(delivery)
        if row is not None:
            row.update({name: new[name] for name in ("next_at_ms", "attempts", "status", "delivered_at_ms")})

    async def list_deliveries(self, webhook_id: str, *, limit: int) -> list[WebhookDelivery]:
        """The newest first."""
        return [row_to_delivery(row) for row in sorted(self._of(webhook_id), key=_place, reverse=True)[:limit]]

    async def delete_deliveries_before(self, moment: datetime) -> int:
        """Forget those that were made before and are not waiting; how many there were."""
        old = [name for name, row in self._deliveries.items() if row["created_at_ms"] < to_ms(moment) and row["next_at_ms"] is None]
        for name in old:
            del self._deliveries[name]
        return len(old)

    def _of(self, webhook_id: str) -> list[Row]:
        return [row for row in self._deliveries.values() if row["webhook_id"] == webhook_id]

    def _find(self, webhook: Webhook) -> Row:
        row = self.rows.get(webhook.id)
        if row is None or row["organisation_id"] != webhook.organisation_id:
            raise ClientError(NO_WEBHOOK)
        return row


class MemoryNoticeStore(NoticeStore):
    """`NoticeStore`."""

    def __init__(self, log: MemoryAuditLog) -> None:
        self._log = log
        self._taken: dict[tuple[str, str, str], int] = {}

    async def take_notice(self, organisation_id: str, subject_id: str, kind: str, now: datetime, event: AuditEvent | None = None) -> bool:
        """See the port."""
        name = (organisation_id, subject_id, kind)
        if name in self._taken:
            return False
        if event is not None:
            self._log.append(event)
        self._taken[name] = to_ms(now)
        return True

    async def delete_notices_before(self, moment: datetime) -> int:
        """Forget the old ones; how many there were."""
        old = [name for name, at_ms in self._taken.items() if at_ms < to_ms(moment)]
        for name in old:
            del self._taken[name]
        return len(old)


class MemoryExpiryReader(ExpiryReader):
    """`ExpiryReader`."""

    def __init__(self, keys: KeyStore, organisations: OrganisationStore) -> None:
        self._keys, self._organisations = keys, organisations

    async def list_expiring(self, after: datetime, until: datetime, *, limit: int, after_id: str = "") -> list[ApiKey]:
        """See the port."""
        found = []
        for organisation in await self._organisations.list_organisations():
            found += await self._keys.list_keys(organisation.id, is_disabled=False, limit=_ALL)
        wanted = [key for key in found if key.expires_at is not None and after < key.expires_at <= until and key.id > after_id]
        return sorted(wanted, key=lambda key: key.id)[:limit]


class MemorySpendReader(SpendReader):
    """`SpendReader`, over what people look at."""

    def __init__(self, ledger: LedgerReader, keys: KeyStore) -> None:
        self._ledger, self._keys = ledger, keys

    async def sum_by_model(self, budget: Budget, since: datetime | None) -> Mapping[str, int]:
        """See the port."""
        owner: dict[str, Any] = {
            BudgetOwner.KEY: {"rotation_group": budget.owner_id},
            BudgetOwner.ENVIRONMENT: {"environment_id": budget.owner_id},
            BudgetOwner.ORGANISATION: {},
        }[budget.owner]
        date_from = None if since is None else since.date()
        query = ActivityFilter(organisation_id=budget.organisation_id, date_from=date_from, group_by=("model",), **owner)
        return {str(row.model): row.cost_nanousd for row in await self._ledger.read_activity(query)}

    async def list_hourly(self, organisation_id: str, hour: int, *, hours_before: int) -> list[HourlySpend]:
        """See the port."""
        last = _EPOCH + timedelta(hours=hour)
        first = last - timedelta(hours=hours_before)
        rows = await self._ledger.read_activity(ActivityFilter(organisation_id=organisation_id, group_by=("hour", "key")))
        wanted = [row for row in rows if row.hour is not None and first <= row.hour <= last]
        keys = await self._keys.find_by_ids([row.api_key_id for row in wanted if row.api_key_id is not None])
        groups = {key.id: key.rotation_group for key in keys}
        sums: defaultdict[str, list[int]] = defaultdict(lambda: [0, 0])
        for row in wanted:
            sums[groups.get(row.api_key_id or "", row.api_key_id or "")][row.hour != last] += row.cost_nanousd
        return [HourlySpend(rotation_group=group, last_nanousd=now, before_nanousd=then) for group, (now, then) in sorted(sums.items())]


def _place(row: Row) -> tuple[int, int, str]:
    """Where a message stands in the order of the log."""
    return row["created_at_ms"], len(row["id"]), row["id"]
