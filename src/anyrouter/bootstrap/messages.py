"""Messages on their way to webhooks: signed, sent, tried again, given up; and everything else that is told by and by.

A message may come twice: when the process dies between its delivery and the note of it. Receivers know it by its id.
"""

import asyncio
import time
from collections.abc import Callable
from dataclasses import replace
from datetime import datetime, timedelta
from functools import partial
from http import HTTPStatus
from urllib.parse import urlsplit

import structlog

from anyrouter import __version__
from anyrouter.bootstrap.chores import Chore, keep_doing
from anyrouter.control.stores import WebhookStore
from anyrouter.control.webhook_messages import MAX_AGE
from anyrouter.control.webhooks import MessageSender, Sent
from anyrouter.core.errors import GatewayError, StorageUnavailable, UpstreamError
from anyrouter.core.secret import Secret
from anyrouter.core.vault import Vault
from anyrouter.core.webhook import Webhook, WebhookDelivery, sign
from anyrouter.relay.ports import Origin, Timeouts, UpstreamClient
from anyrouter.relay.upstream_head import DEFAULT_PORTS

PAUSES = (timedelta(seconds=5), timedelta(minutes=1), timedelta(minutes=10), timedelta(hours=1), timedelta(hours=6))
_TIMEOUTS = Timeouts(connect_s=5.0, first_byte_s=10.0, idle_s=5.0, total_s=10.0)
_MAX_REPLY_BYTES = 65_536
_LOOK_S = 1.0
_AT_ONCE = 64  # webhooks that are sent to at the same time
_IN_A_ROW = 50
_log = structlog.get_logger(__name__)


class HttpMessageSender(MessageSender):
    """`MessageSender`. `client` connects where tenants may have it connect, and follows no redirect."""

    def __init__(self, client: UpstreamClient, *, clock: Callable[[], datetime]) -> None:
        self._client, self._clock = client, clock

    async def send(self, webhook: Webhook, secret: Secret, message_id: str, body: bytes) -> Sent:
        """See the port."""
        address = urlsplit(webhook.url)
        origin = Origin(scheme=address.scheme, host=address.hostname or "", port=address.port or DEFAULT_PORTS[address.scheme])
        sent_at_s = int(self._clock().timestamp())
        lines = (
            f"POST {address.path or '/'} HTTP/1.1",
            f"Host: {address.netloc}",
            "Content-Type: application/json",
            f"Content-Length: {len(body)}",
            "Accept-Encoding: identity",
            f"User-Agent: AnyRouter/{__version__}",
            f"webhook-id: {message_id}",
            f"webhook-timestamp: {sent_at_s}",
            f"webhook-signature: {sign(secret.reveal(), message_id, sent_at_s, body)}",
        )
        head = "".join(f"{line}\r\n" for line in lines).encode("ascii")
        started_s = time.monotonic()
        try:
            exchange = await self._client.send(origin, head, (body,), _TIMEOUTS)
        except UpstreamError as error:
            return Sent(is_ok=False, status=None, latency_ms=_since_ms(started_s), message=f"No answer: {error.public}")
        status = exchange.status
        try:
            is_whole = exchange.take(_MAX_REPLY_BYTES) is not None
        except UpstreamError:
            is_whole = False
        if not is_whole:  # what it says beside the status is nobody's business
            exchange.cancel()
        is_ok = HTTPStatus.OK <= status < HTTPStatus.MULTIPLE_CHOICES
        return Sent(is_ok=is_ok, status=status, latency_ms=_since_ms(started_s), message=_explain(status, is_ok=is_ok))


class Courier:
    """Sends what is due while `run` does. Webhooks do not wait for each other, and one that does not answer is tried once a round."""

    def __init__(self, *, store: WebhookStore, vault: Vault, sender: MessageSender, clock: Callable[[], datetime]) -> None:
        self._store, self._vault, self._sender, self._clock = store, vault, sender, clock
        self._running: dict[str, asyncio.Task[None]] = {}

    async def run(self) -> None:
        """Look every second, until cancelled. What was interrupted is sent at the next start."""
        try:
            await keep_doing(Chore(name="messages", interval_s=_LOOK_S, work=self.begin_due))
        finally:
            tasks = list(self._running.values())
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)

    async def begin_due(self) -> None:
        """Begin to send to all webhooks for which something is due. StorageUnavailable."""
        for webhook_id in await self._store.list_due_webhooks(self._clock(), limit=2 * _AT_ONCE):
            if webhook_id not in self._running and len(self._running) < _AT_ONCE:
                task = self._running[webhook_id] = asyncio.create_task(self.send_due(webhook_id))
                task.add_done_callback(partial(self._end, webhook_id))

    async def send_due(self, webhook_id: str) -> None:
        """Send what is due to one webhook, until it does not answer. StorageUnavailable."""
        webhook = await self._store.find_webhook(webhook_id)
        if webhook is None:
            return
        for delivery in await self._store.list_due(webhook_id, self._clock(), limit=_IN_A_ROW):
            if webhook.is_disabled or self._clock() - delivery.created_at > MAX_AGE:
                await self._store.update_delivery(replace(delivery, next_at=None))
                continue
            sent = await self._send(webhook, delivery)
            await self._store.update_delivery(self._note(delivery, sent))
            if sent.status is None:
                return

    async def _send(self, webhook: Webhook, delivery: WebhookDelivery) -> Sent:
        try:
            secret = await self._vault.open(webhook.place, webhook.sealed)
        except StorageUnavailable as error:  # it may be there again when the next attempt is
            return Sent(is_ok=False, status=None, latency_ms=0, message=error.public)
        return await self._sender.send(webhook, secret, delivery.id, delivery.body)

    def _note(self, delivery: WebhookDelivery, sent: Sent) -> WebhookDelivery:
        now, attempts = self._clock(), delivery.attempts + 1
        if sent.is_ok:
            return replace(delivery, attempts=attempts, status=sent.status, next_at=None, delivered_at=now)
        next_at = now + PAUSES[attempts - 1] if attempts <= len(PAUSES) else None
        if next_at is None:
            _log.warning("webhook_message_given_up", webhook=delivery.webhook_id, message=delivery.id, status=sent.status)
        return replace(delivery, attempts=attempts, status=sent.status, next_at=next_at)

    def _end(self, webhook_id: str, task: asyncio.Task[None]) -> None:
        self._running.pop(webhook_id, None)
        error = None if task.cancelled() else task.exception()
        if error is not None:
            reason = error.internal if isinstance(error, GatewayError) and error.internal else type(error).__name__
            _log.warning("webhook_messages_not_sent", webhook=webhook_id, reason=reason)


def _explain(status: int, *, is_ok: bool) -> str:
    if is_ok:
        return f"The receiver took it: it answered {status}."
    if HTTPStatus.MULTIPLE_CHOICES <= status < HTTPStatus.BAD_REQUEST:
        return f"The receiver answered {status}, a redirect, which is not followed. Give the address that it leads to."
    return f"The receiver answered {status}. An answer from 200 to 299 is needed."


def _since_ms(started_s: float) -> int:
    return round((time.monotonic() - started_s) * 1000)
