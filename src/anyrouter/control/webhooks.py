"""What people do with webhooks: add, look at, change, try, delete. Knows no HTTP and no database.

A signing secret is made here, shown once and kept sealed. An address may lead wherever a tenant's credential may be sent, and nowhere else.
"""

import builtins
import os
import re
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import Any, Protocol

from anyrouter.control.audit import find_differences, make_event
from anyrouter.control.key_checks import check_name
from anyrouter.control.stores import AuditStore, WebhookStore
from anyrouter.control.webhook_messages import KINDS, make_test_message
from anyrouter.core.audit import Actor, AuditEvent
from anyrouter.core.byok import NOTHING_SEALED
from anyrouter.core.errors import ClientError, Denied
from anyrouter.core.ids import new_id
from anyrouter.core.scopes import ADMIN_ORG
from anyrouter.core.secret import Secret
from anyrouter.core.vault import Vault
from anyrouter.core.webhook import ALL_EVENTS, SECRET_BYTES, Webhook, WebhookDelivery, make_secret
from anyrouter.policy.addresses import judge_url
from anyrouter.policy.rights import Rights, may

MAX_WEBHOOKS = 20  # of one organisation
MAX_EVENTS = 50
MAX_DELIVERIES = 1000
_ATTEMPTS = 100  # of a change that names no version: each of many at once is made in its turn
_EVENT = re.compile(r"([a-z_]{1,32})\.(?:\*|[a-z_]{1,31})", re.ASCII)
_NO_WEBHOOK = Denied(code="not_found", message="There is no such webhook.")
_CHANGED = Denied(code="etag_mismatch", message="The webhook was changed meanwhile. Read it again, then repeat the change.")


@dataclass(frozen=True, slots=True, kw_only=True)
class Sent:
    """How a receiver took a message. `status` None: it did not answer. `message` says in a sentence what happened."""

    is_ok: bool
    status: int | None
    latency_ms: int
    message: str


class MessageSender(Protocol):
    """Sends messages to where webhooks are."""

    async def send(self, webhook: Webhook, secret: Secret, message_id: str, body: bytes) -> Sent:
        """What came of it; raises nothing for whatever the receiver does."""


class WebhookService:
    """Webhooks of one organisation at a time. All methods may raise StorageUnavailable (the vault's failures included).

    Refusals are ClientError. `allowed_hosts` are those that the operator lets tenants name although they are not public.
    """

    def __init__(
        self,
        *,
        store: WebhookStore,
        audit: AuditStore,
        vault: Vault,
        sender: MessageSender,
        clock: Callable[[], datetime],
        allowed_hosts: Collection[str] = (),
    ) -> None:
        self._store, self._audit, self._vault, self._sender, self._clock = store, audit, vault, sender, clock
        self._allowed_hosts = frozenset(allowed_hosts)

    async def list(self, rights: Rights, organisation_id: str) -> builtins.list[Webhook]:
        """All of them, oldest first."""
        _check_scope(rights)
        return await self._store.list_webhooks(organisation_id)

    async def show(self, rights: Rights, organisation_id: str, webhook_id: str) -> Webhook:
        """One of them; ClientError `not_found`."""
        _check_scope(rights)
        found = await self._store.find_webhook(webhook_id)
        if found is None or found.organisation_id != organisation_id:
            raise ClientError(_NO_WEBHOOK)
        return found

    async def create(
        self,
        actor: Actor,
        rights: Rights,
        organisation_id: str,
        *,
        url: str,
        events: Sequence[str],
        name: str | None = None,
        is_disabled: bool = False,
    ) -> tuple[Webhook, str]:
        """Add a webhook, and return it with its signing secret, which cannot be shown again."""
        if len(await self.list(rights, organisation_id)) >= MAX_WEBHOOKS:
            message = f"An organisation has at most {MAX_WEBHOOKS} webhooks; delete one first."
            raise ClientError(Denied(code="unprocessable", message=message))
        now = self._read_clock()
        place = self._check_url(url)
        webhook = Webhook(
            id=new_id("whk", int(now.timestamp() * 1000)),
            organisation_id=organisation_id,
            url=place["url"],
            host=place["host"],
            events=_check_events(events),
            name="" if name is None else check_name(name),
            is_disabled=is_disabled,
            sealed=NOTHING_SEALED,
            seal_version=1,
            created_at=now,
            updated_at=now,
        )
        secret = make_secret(os.urandom(SECRET_BYTES))
        webhook = replace(webhook, sealed=await self._vault.seal(webhook.place, secret))
        await self._store.add_webhook(webhook, self._event(actor, "webhook.create", None, webhook))
        await self._vault.settle(webhook.place, webhook.sealed, secret)
        return webhook, secret

    async def change(
        self,
        actor: Actor,
        rights: Rights,
        organisation_id: str,
        webhook_id: str,
        changes: Mapping[str, Any],
        *,
        version: int | None = None,
    ) -> Webhook:
        """Replace `url`, `events`, `name` or `is_disabled`. The signing secret stays.

        What waits is given up when a webhook is disabled. `version`: only if it is still that one, else ClientError `etag_mismatch`.
        """
        for attempt in range(_ATTEMPTS):
            before = await self.show(rights, organisation_id, webhook_id)
            if version is not None and before.version != version:
                raise ClientError(_CHANGED)
            after = replace(before, **self._check_fields(changes), version=before.version + 1, updated_at=self._read_clock())
            secret = None
            if after.host != before.host:  # what was sealed for one host does not open for another
                secret = await self._vault.open(before.place, before.sealed)
                after = replace(after, seal_version=after.version)
                after = replace(after, sealed=await self._vault.seal(after.place, secret.reveal()))
            try:
                await self._store.update_webhook(after, self._event(actor, "webhook.update", before, after))
            except ClientError as error:
                if error.code != "etag_mismatch" or version is not None or attempt == _ATTEMPTS - 1:
                    raise
            else:
                if secret is not None:
                    await self._vault.settle(after.place, after.sealed, secret.reveal())
                return after
        raise AssertionError  # the loop returns or raises

    async def delete(self, actor: Actor, rights: Rights, organisation_id: str, webhook_id: str, *, version: int | None = None) -> Webhook:
        """Forget a webhook, and what was to be sent to it."""
        webhook = await self.show(rights, organisation_id, webhook_id)
        if version is not None and webhook.version != version:
            raise ClientError(_CHANGED)
        await self._store.delete_webhook(webhook, self._event(actor, "webhook.delete", webhook, None))
        return webhook

    async def test(self, actor: Actor, rights: Rights, organisation_id: str, webhook_id: str) -> Sent:
        """Send it a message of the kind `webhook.test` now, once."""
        webhook = await self.show(rights, organisation_id, webhook_id)
        secret = await self._vault.open(webhook.place, webhook.sealed)
        event = self._event(actor, "webhook.test", None, webhook)
        message_id, body = make_test_message(webhook, event)
        sent = await self._sender.send(webhook, secret, message_id, body)
        await self._audit.add_event(replace(event, after={"ok": sent.is_ok, "status": sent.status}))
        return sent

    async def list_deliveries(
        self, rights: Rights, organisation_id: str, webhook_id: str, *, limit: int = 100
    ) -> builtins.list[WebhookDelivery]:
        """What was and is to be sent to it in the last 30 days, the newest first."""
        webhook = await self.show(rights, organisation_id, webhook_id)
        return await self._store.list_deliveries(webhook.id, limit=min(limit, MAX_DELIVERIES))

    def _check_fields(self, changes: Mapping[str, Any]) -> dict[str, Any]:
        checked: dict[str, Any] = {}
        if "url" in changes:
            checked |= self._check_url(changes["url"])
        if "events" in changes:
            checked["events"] = _check_events(changes["events"])
        if "name" in changes:
            checked["name"] = check_name(changes["name"]) if changes["name"] else ""
        if "is_disabled" in changes:
            checked["is_disabled"] = changes["is_disabled"]
        return checked

    def _check_url(self, url: str) -> dict[str, str]:
        judged = judge_url(url, param="url", allowed_hosts=self._allowed_hosts)
        if isinstance(judged, Denied):
            raise ClientError(judged)
        is_closed = url.endswith("/") and judged.url.count("/") > 2  # noqa: PLR2004 -- behind the host; some receivers redirect without it
        return {"url": judged.url + "/" if is_closed else judged.url, "host": judged.place}

    def _read_clock(self) -> datetime:
        """Now, as exactly as it is stored."""
        now = self._clock().astimezone(UTC)
        return now.replace(microsecond=now.microsecond // 1000 * 1000)

    def _event(self, actor: Actor, action: str, old: Webhook | None, new: Webhook | None) -> AuditEvent:
        webhook = new or old
        assert webhook is not None  # noqa: S101 -- there is no change of nothing into nothing
        facts = [{} if row is None else _facts(row) for row in (old, new)]
        before, after = (facts[0], {}) if new is None else find_differences(*facts)
        return make_event(
            actor,
            webhook.organisation_id,
            action,
            self._clock(),
            target_id=webhook.id,
            target_label=webhook.name or webhook.host,
            before=before,
            after=after,
        )


def _facts(webhook: Webhook) -> dict[str, Any]:
    """What is on record of it. Not its path: of some receivers whoever knows that may write there, and other webhooks hear of this."""
    return {"host": webhook.host, "events": list(webhook.events), "name": webhook.name, "disabled": webhook.is_disabled}


def _check_scope(rights: Rights) -> None:
    if not may(rights, ADMIN_ORG):
        message = f"Only who has the scope {ADMIN_ORG} can do this."
        raise ClientError(Denied(code="insufficient_scope", scope=ADMIN_ORG, message=message))


def _check_events(events: Sequence[str]) -> tuple[str, ...]:
    if not 1 <= len(events) <= MAX_EVENTS:
        raise _refusal("events", f"names 1 to {MAX_EVENTS} events")
    for index, name in enumerate(events):
        match = _EVENT.fullmatch(name)
        if name != ALL_EVENTS and (match is None or match[1] not in KINDS):
            kinds = ", ".join(sorted(KINDS))
            raise _refusal("events", f"is no event in entry {index + 1}; such are key.expiring, key.* and *, of the kinds {kinds}")
    return tuple(dict.fromkeys(events))


def _refusal(param: str, reason: str) -> ClientError:
    return ClientError(Denied(code="unprocessable", param=param, message=f"{param} {reason}."))
