"""Messages to webhooks, made of the audit log: what happened, who did it, to what. Nothing that the log does not have.

Compatibility law: receivers read these members. None is taken out or given another meaning; new ones may come.
"""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import msgspec

from anyrouter.control.stores import AuditStore, WebhookStore
from anyrouter.core.audit import AuditEvent, ChainedEvent
from anyrouter.core.ids import new_id
from anyrouter.core.webhook import Webhook, WebhookDelivery, delivery_id, is_wanted

TEST = "webhook.test"
KINDS = frozenset(
    {
        *("budget", "byok", "credential", "credits", "environment", "invitation", "key"),
        *("member", "org", "preset", "spend", "webhook"),
    }
)
MAX_PENDING = 1000  # of one webhook; beyond it the log waits
MAX_AGE = timedelta(days=3)  # older news is not sent any more
_PAGE = 100


def make_body(event: AuditEvent, number: int | None) -> bytes:
    """The message's body."""
    actor = event.actor
    data: dict[str, Any] = {
        "id": event.id,
        "number": number,
        "organisation_id": event.organisation_id,
        "environment": event.environment,
        "actor": {
            "kind": actor.kind.value,
            "id": actor.id,
            "label": actor.label,
            "address": actor.address,
            "request_id": actor.request_id,
        },
        "target": {"id": event.target_id, "label": event.target_label},
        "before": dict(event.before),
        "after": dict(event.after),
    }
    at = event.at.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
    return msgspec.json.encode({"type": event.action, "timestamp": at, "data": data})


def make_test_message(webhook: Webhook, event: AuditEvent) -> tuple[str, bytes]:
    """Id and body of a message that is about nothing."""
    return new_id(f"{webhook.id}:test", int(event.at.timestamp() * 1000)), make_body(event, None)


class Dispatcher:
    """Reads the log for each webhook from where it stands, and stores what is to be sent."""

    def __init__(self, *, webhooks: WebhookStore, audit: AuditStore, clock: Callable[[], datetime]) -> None:
        self._webhooks, self._audit, self._clock = webhooks, audit, clock

    async def dispatch(self) -> int:
        """Do it for all that are behind; how many messages were made. Whatever interrupts it: none is lost, and none is made twice."""
        return sum([await self._catch_up(webhook) for webhook in await self._webhooks.list_behind()])

    async def _catch_up(self, webhook: Webhook) -> int:
        made, after_number, room = 0, webhook.after_number, 0
        while True:
            if made >= room:
                room = made + MAX_PENDING - await self._webhooks.count_pending(webhook.id)
                if made >= room:
                    return made
            links = await self._audit.read_chain(webhook.organisation_id, after_number=after_number, limit=_PAGE)
            if not links:
                return made
            deliveries: list[WebhookDelivery] = []
            for link in links:
                if made + len(deliveries) >= room:
                    break
                after_number = link.number
                if _is_news(webhook, link):
                    deliveries.append(self._deliver(webhook, link))
            await self._webhooks.add_deliveries(webhook, after_number, deliveries)
            made += len(deliveries)

    def _deliver(self, webhook: Webhook, link: ChainedEvent) -> WebhookDelivery:
        now = self._clock()
        return WebhookDelivery(
            id=delivery_id(webhook.id, link.number),
            webhook_id=webhook.id,
            organisation_id=webhook.organisation_id,
            event=link.event.action,
            body=make_body(link.event, link.number),
            created_at=now,
            next_at=now if now - link.event.at < MAX_AGE else None,
        )


def _is_news(webhook: Webhook, link: ChainedEvent) -> bool:
    """Whether it is told: what was refused has not happened, and a test is its own message."""
    event = link.event
    return not webhook.is_disabled and not event.is_denied and event.action != TEST and is_wanted(webhook.events, event.action)
