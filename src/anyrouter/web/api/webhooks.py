"""/webhooks: where an organisation hears of what happens, for keys with `admin:org`."""

from typing import Annotated, Any

import msgspec
from fastapi import Query
from starlette.requests import Request
from starlette.responses import Response

from anyrouter.core.webhook import Webhook, WebhookDelivery
from anyrouter.web.api import webhook_documents as documents
from anyrouter.web.api.bodies import read_body
from anyrouter.web.api.changes import actor_of, etag, if_match, rights_of
from anyrouter.web.api.ports import ApiPorts
from anyrouter.web.api.preset_replies import DeletedReply
from anyrouter.web.api.routes import Routes, json_reply
from anyrouter.web.api.times import rfc3339
from anyrouter.web.api.visit import principal_of
from anyrouter.web.api.webhook_replies import (
    DeliveriesReply,
    DeliveryItem,
    NewWebhookReply,
    SentItem,
    SentReply,
    WebhookChange,
    WebhookCreation,
    WebhookItem,
    WebhookReply,
    WebhooksReply,
)

_CREATED = 201
Limit = Annotated[int, Query(description="How many at most", ge=1, le=1000)]


class WebhookRoutes:
    """The routes over webhooks."""

    def __init__(self, ports: ApiPorts) -> None:
        self._webhooks = ports.webhooks

    def add_to(self, routes: Routes) -> None:
        """Put the routes on."""
        routes.get("webhooks", self.list_webhooks, documents.WEBHOOKS)
        routes.change("POST webhooks", self.create_webhook, documents.CREATE)
        routes.get("webhooks/{id}", self.show_webhook, documents.WEBHOOK)
        routes.change("PATCH webhooks/{id}", self.change_webhook, documents.CHANGE)
        routes.change("DELETE webhooks/{id}", self.delete_webhook, documents.DELETE)
        routes.change("POST webhooks/{id}/test", self.test_webhook, documents.TEST)
        routes.get("webhooks/{id}/deliveries", self.list_deliveries, documents.DELIVERIES)

    async def list_webhooks(self, request: Request) -> Response:
        """GET /webhooks."""
        found = await self._webhooks.list(rights_of(request), _organisation(request))
        return json_reply(WebhooksReply(data=[_describe(row) for row in found], next_cursor=None))

    async def show_webhook(self, request: Request, id: str) -> Response:  # noqa: A002 -- the public name
        """GET /webhooks/{id}."""
        return _reply(await self._webhooks.show(rights_of(request), _organisation(request), id))

    async def create_webhook(self, request: Request) -> Response:
        """POST /webhooks."""
        said = await read_body(request, WebhookCreation)
        webhook, secret = await self._webhooks.create(
            actor_of(request),
            rights_of(request),
            _organisation(request),
            url=said.url,
            events=said.events,
            name=said.name,
            is_disabled=said.disabled,
        )
        reply = NewWebhookReply(data=_describe(webhook), secret=secret)
        return json_reply(reply, status=_CREATED, headers={"etag": etag(webhook.version)})

    async def change_webhook(self, request: Request, id: str) -> Response:  # noqa: A002 -- the public name
        """PATCH /webhooks/{id}."""
        said = await read_body(request, WebhookChange)
        names = {"disabled": "is_disabled"}
        changes: dict[str, Any] = {
            names.get(name, name): value for name in said.__struct_fields__ if (value := getattr(said, name)) is not msgspec.UNSET
        }
        place = (actor_of(request), rights_of(request), _organisation(request), id)
        return _reply(await self._webhooks.change(*place, changes, version=if_match(request)))

    async def delete_webhook(self, request: Request, id: str) -> Response:  # noqa: A002 -- the public name
        """DELETE /webhooks/{id}."""
        await self._webhooks.delete(actor_of(request), rights_of(request), _organisation(request), id, version=if_match(request))
        return json_reply(DeletedReply(deleted=True))

    async def test_webhook(self, request: Request, id: str) -> Response:  # noqa: A002 -- the public name
        """POST /webhooks/{id}/test."""
        sent = await self._webhooks.test(actor_of(request), rights_of(request), _organisation(request), id)
        return json_reply(SentReply(data=SentItem(ok=sent.is_ok, status=sent.status, latency_ms=sent.latency_ms, message=sent.message)))

    async def list_deliveries(self, request: Request, id: str, *, limit: Limit = 100) -> Response:  # noqa: A002 -- the public name
        """GET /webhooks/{id}/deliveries."""
        found = await self._webhooks.list_deliveries(rights_of(request), _organisation(request), id, limit=limit)
        return json_reply(DeliveriesReply(data=[_describe_delivery(row) for row in found], next_cursor=None))


def _reply(webhook: Webhook) -> Response:
    return json_reply(WebhookReply(data=_describe(webhook)), headers={"etag": etag(webhook.version)})


def _describe(webhook: Webhook) -> WebhookItem:
    return WebhookItem(
        id=webhook.id,
        name=webhook.name,
        url=webhook.url,
        events=list(webhook.events),
        disabled=webhook.is_disabled,
        version=webhook.version,
        created_at=rfc3339(webhook.created_at),
        updated_at=rfc3339(webhook.updated_at),
    )


def _describe_delivery(delivery: WebhookDelivery) -> DeliveryItem:
    return DeliveryItem(
        id=delivery.id,
        event=delivery.event,
        state=delivery.state,
        attempts=delivery.attempts,
        status=delivery.status,
        created_at=rfc3339(delivery.created_at),
        next_at=None if delivery.next_at is None else rfc3339(delivery.next_at),
        delivered_at=None if delivery.delivered_at is None else rfc3339(delivery.delivered_at),
    )


def _organisation(request: Request) -> str:
    return principal_of(request.scope).key.organisation_id
