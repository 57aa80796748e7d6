"""Requests and replies about webhooks, as types: their schemas are what /openapi.json says. A secret is in one reply only."""

from typing import Annotated

import msgspec
from msgspec import UNSET, Meta, UnsetType

from anyrouter.web.api.replies import Moment

Url = Annotated[str, Meta(description="Where messages are posted: public and https, unless the operator allows the host")]
Events = Annotated[
    list[str],
    Meta(
        description="What it is told: events such as `key.expiring`, kinds such as `key.*`, or `*`", examples=[["key.*", "spend.anomaly"]]
    ),
]
Disabled = Annotated[bool, Meta(description="Nothing is sent; what happens meanwhile is not sent later either")]


class WebhookCreation(msgspec.Struct, kw_only=True, forbid_unknown_fields=True):
    """A webhook to be added."""

    url: Url
    events: Events
    name: str | None = None
    disabled: Disabled = False


class WebhookChange(msgspec.Struct, kw_only=True, forbid_unknown_fields=True):
    """What is to be different. The signing secret stays."""

    url: Url | UnsetType = UNSET
    events: Events | UnsetType = UNSET
    name: str | UnsetType | None = UNSET
    disabled: Disabled | UnsetType = UNSET


class WebhookItem(msgspec.Struct, kw_only=True):
    """A webhook, without its signing secret."""

    id: str
    name: str
    url: Url
    events: Events
    disabled: Disabled
    version: Annotated[int, Meta(ge=1, description="Rises by one with every change")]
    created_at: Moment
    updated_at: Moment


class WebhookReply(msgspec.Struct, kw_only=True):
    """One webhook."""

    data: WebhookItem


class NewWebhookReply(msgspec.Struct, kw_only=True):
    """A new webhook, and the secret that its messages are signed with."""

    data: WebhookItem
    secret: Annotated[str | None, Meta(description="Shown this once, `whsec_…`; null when the reply is given again")]


class WebhooksReply(msgspec.Struct, kw_only=True):
    """Webhooks, oldest first: all of them, at most 20. `next_cursor` is null."""

    data: list[WebhookItem]
    next_cursor: str | None


class SentItem(msgspec.Struct, kw_only=True):
    """How the receiver took a message."""

    ok: bool
    status: Annotated[int | None, Meta(description="The receiver's HTTP status; null: it did not answer")]
    latency_ms: int
    message: str


class SentReply(msgspec.Struct, kw_only=True):
    """What a test came to."""

    data: SentItem


class DeliveryItem(msgspec.Struct, kw_only=True):
    """A message, and how it fared."""

    id: Annotated[str, Meta(description="The header `webhook-id` of its message")]
    event: str
    state: Annotated[str, Meta(description="`waiting`, `delivered` or `given_up`", examples=["delivered"])]
    attempts: int
    status: Annotated[int | None, Meta(description="The receiver's last HTTP status; null: none yet, or it did not answer")]
    created_at: Moment
    next_at: Moment | None
    delivered_at: Moment | None


class DeliveriesReply(msgspec.Struct, kw_only=True):
    """Messages, the newest first, of the last 30 days."""

    data: list[DeliveryItem]
    next_cursor: str | None
