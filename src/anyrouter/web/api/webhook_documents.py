"""What the OpenAPI document says of the routes over webhooks."""

from typing import Any

from anyrouter.web.api.preset_replies import DeletedReply
from anyrouter.web.api.routes import Documented
from anyrouter.web.api.webhook_replies import (
    DeliveriesReply,
    NewWebhookReply,
    SentReply,
    WebhookChange,
    WebhookCreation,
    WebhookReply,
    WebhooksReply,
)

TAG = "Webhooks"
_ID = "whk_0192f0c4a7e87a1b8c3d4e5f60718293"
_ROW: dict[str, Any] = {
    "id": _ID,
    "name": "on-call",
    "url": "https://hooks.example.com/anyrouter",
    "events": ["key.*", "spend.anomaly"],
    "disabled": False,
    "version": 1,
    "created_at": "2026-11-24T12:00:00.000Z",
    "updated_at": "2026-11-24T12:00:00.000Z",
}
_DELIVERY: dict[str, Any] = {
    "id": f"{_ID}:1042",
    "event": "key.expiring",
    "state": "delivered",
    "attempts": 1,
    "status": 204,
    "created_at": "2026-11-24T12:00:00.000Z",
    "next_at": None,
    "delivered_at": "2026-11-24T12:00:01.000Z",
}

WEBHOOKS = Documented(
    summary="List webhooks",
    text="Those of the organisation, without their secrets.",
    tag=TAG,
    reply=WebhooksReply,
    example={"data": [_ROW], "next_cursor": None},
)
WEBHOOK = Documented(
    summary="Show a webhook", text="Without its secret.", tag=TAG, reply=WebhookReply, example={"data": _ROW}, can_miss=True
)
CREATE = Documented(
    summary="Add a webhook",
    text="From now on the events that it names are posted to its address, signed as Standard Webhooks are. The signing secret is shown in "
    "this reply and never again.",
    tag=TAG,
    reply=NewWebhookReply,
    example={"data": _ROW, "secret": "whsec_…"},
    request=WebhookCreation,
    request_example={"url": _ROW["url"], "events": _ROW["events"], "name": "on-call"},
    status=201,
    shown_once=("secret",),
)
CHANGE = Documented(
    summary="Change a webhook",
    text="Replaces what is named. What waits to be sent is given up when the webhook is disabled.",
    tag=TAG,
    reply=WebhookReply,
    example={"data": _ROW},
    request=WebhookChange,
    request_example={"disabled": True},
    can_miss=True,
)
DELETE = Documented(
    summary="Delete a webhook",
    text="What waits to be sent to it is forgotten.",
    tag=TAG,
    reply=DeletedReply,
    example={"deleted": True},
    can_miss=True,
)
TEST = Documented(
    summary="Test a webhook",
    text="Posts a signed message of the type `webhook.test` to it now, once.",
    tag=TAG,
    reply=SentReply,
    example={"data": {"ok": True, "status": 204, "latency_ms": 31, "message": "The receiver took it: it answered 204."}},
    can_miss=True,
)
DELIVERIES = Documented(
    summary="List what was sent to a webhook",
    text="The messages of the last 30 days, the newest first, with how they fared.",
    tag=TAG,
    reply=DeliveriesReply,
    example={"data": [_DELIVERY], "next_cursor": None},
    can_miss=True,
)
