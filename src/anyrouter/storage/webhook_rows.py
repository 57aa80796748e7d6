"""Webhooks and what is sent to them as rows and back: one meaning for every store, the one in memory included."""

import json
from collections.abc import Mapping
from datetime import datetime
from typing import Any

from anyrouter.core.errors import Denied
from anyrouter.core.webhook import Webhook, WebhookDelivery
from anyrouter.storage.credential_rows import SEAL_COLUMNS, row_to_seal, seal_to_row
from anyrouter.storage.records import from_ms, to_ms

NO_WEBHOOK = Denied(code="not_found", message="There is no such webhook.")
CHANGED_WEBHOOK = Denied(code="etag_mismatch", message="The webhook was changed meanwhile. Read it again, then repeat the change.")
_FIXED = {"id", "organisation_id", "created_at_ms", "after_number"}


def changed_columns(webhook: Webhook) -> dict[str, Any]:
    """What `update_webhook` writes."""
    left = _FIXED if webhook.seal_version == webhook.version else _FIXED | SEAL_COLUMNS
    return {name: value for name, value in webhook_to_row(webhook).items() if name not in left}


def webhook_to_row(webhook: Webhook) -> dict[str, Any]:
    """The row of `webhooks`."""
    return {
        "id": webhook.id,
        "organisation_id": webhook.organisation_id,
        "name": webhook.name,
        "url": webhook.url,
        "host": webhook.host,
        "events": json.dumps(webhook.events),
        **seal_to_row(webhook.sealed),
        "seal_version": webhook.seal_version,
        "is_disabled": webhook.is_disabled,
        "after_number": webhook.after_number,
        "created_at_ms": to_ms(webhook.created_at),
        "updated_at_ms": to_ms(webhook.updated_at),
        "version": webhook.version,
    }


def row_to_webhook(row: Mapping[Any, Any]) -> Webhook:
    """The webhook of a row of `webhooks`."""
    return Webhook(
        id=row["id"],
        organisation_id=row["organisation_id"],
        name=row["name"],
        url=row["url"],
        host=row["host"],
        events=tuple(json.loads(row["events"])),
        sealed=row_to_seal(row),
        seal_version=row["seal_version"],
        is_disabled=row["is_disabled"],
        after_number=row["after_number"],
        created_at=from_ms(row["created_at_ms"]),
        updated_at=from_ms(row["updated_at_ms"]),
        version=row["version"],
    )


def delivery_to_row(delivery: WebhookDelivery) -> dict[str, Any]:
    """The row of `webhook_deliveries`."""
    return {
        "id": delivery.id,
        "webhook_id": delivery.webhook_id,
        "organisation_id": delivery.organisation_id,
        "event": delivery.event,
        "body": delivery.body,
        "created_at_ms": to_ms(delivery.created_at),
        "next_at_ms": _optional_ms(delivery.next_at),
        "attempts": delivery.attempts,
        "status": delivery.status,
        "delivered_at_ms": _optional_ms(delivery.delivered_at),
    }


def row_to_delivery(row: Mapping[Any, Any]) -> WebhookDelivery:
    """The delivery of a row of `webhook_deliveries`."""
    return WebhookDelivery(
        id=row["id"],
        webhook_id=row["webhook_id"],
        organisation_id=row["organisation_id"],
        event=row["event"],
        body=bytes(row["body"]),
        created_at=from_ms(row["created_at_ms"]),
        next_at=_optional_time(row["next_at_ms"]),
        attempts=row["attempts"],
        status=row["status"],
        delivered_at=_optional_time(row["delivered_at_ms"]),
    )


def _optional_ms(moment: datetime | None) -> int | None:
    return None if moment is None else to_ms(moment)


def _optional_time(milliseconds: int | None) -> datetime | None:
    return None if milliseconds is None else from_ms(milliseconds)
