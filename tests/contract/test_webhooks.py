"""WebhookStore, and the seals of webhooks, the same over every store."""

from collections.abc import Awaitable, Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from anyrouter.control.audit import make_event
from anyrouter.control.stores import AuditFilter
from anyrouter.core.audit import OPERATOR, AuditEvent
from anyrouter.core.byok import Sealed
from anyrouter.core.errors import ClientError
from anyrouter.core.ids import new_id
from anyrouter.core.tenancy import DEFAULT_ORGANISATION_ID
from anyrouter.core.webhook import Webhook, WebhookDelivery, delivery_id
from anyrouter.storage.memory import MemoryStorage
from anyrouter.storage.opening import ServingStorage

AnyStorage = ServingStorage | MemoryStorage
MakeWebhook = Callable[..., Awaitable[Webhook]]
NOW = datetime(2026, 3, 4, 5, 6, 7, 89_000, tzinfo=UTC)
ORG = DEFAULT_ORGANISATION_ID
SEALED = Sealed(kek_id="kek_1", wrapped_key=b"\0wrapped\xff", nonce=bytes(12), ciphertext=b"\xffcipher\0")
NEW_SEAL = Sealed(kek_id="kek_2", wrapped_key=b"other", nonce=bytes(range(12)), ciphertext=b"\xffcipher\0")
FULL: dict[str, Any] = {
    "name": "Ürümqi 'x\"; DROP TABLE webhooks; --",
    "events": ("key.*", "budget.threshold", "*"),
    "is_disabled": True,
    "seal_version": 3,
    "version": 4,
}


def event(verb: str, webhook: Webhook) -> AuditEvent:
    return make_event(OPERATOR, webhook.organisation_id, f"webhook.{verb}", NOW, target_id=webhook.id)


def delivery_of(webhook: Webhook, number: int, **fields: Any) -> WebhookDelivery:
    values = {"event": "key.create", "body": b'{"n":%d}\xc3\xbc' % number, "created_at": NOW, "next_at": NOW, **fields}
    return WebhookDelivery(id=delivery_id(webhook.id, number), webhook_id=webhook.id, organisation_id=webhook.organisation_id, **values)


@pytest.fixture
def make_webhook(storage: AnyStorage) -> MakeWebhook:
    """Adds a webhook to the store under test; fields by name."""

    async def make(**fields: Any) -> Webhook:
        values = {"id": new_id("whk", 1), "url": "https://example.org/in", "host": "example.org", "events": ("key.*",), "sealed": SEALED}
        values |= {"seal_version": 1, "created_at": NOW, "updated_at": NOW, **fields}
        webhook = Webhook(organisation_id=ORG, **values)
        await storage.webhooks.add_webhook(webhook, event("create", webhook))
        found = await storage.webhooks.find_webhook(webhook.id)
        assert found is not None
        return found

    return make


async def log_something(storage: AnyStorage, count: int = 1) -> None:
    for _ in range(count):
        await storage.audit.add_event(make_event(OPERATOR, ORG, "key.create", NOW))


async def test_a_webhook_comes_back_as_it_was_stored_and_stands_before_its_own_event(
    storage: AnyStorage, make_webhook: MakeWebhook
) -> None:
    await log_something(storage, 3)
    first = await make_webhook()
    second = await make_webhook(**FULL)
    assert (first.after_number, second.after_number) == (3, 4)
    assert replace(second, after_number=0) == Webhook(
        id=second.id,
        organisation_id=ORG,
        url="https://example.org/in",
        host="example.org",
        sealed=SEALED,
        created_at=NOW,
        updated_at=NOW,
        **FULL,
    )
    assert await storage.webhooks.list_webhooks(ORG) == sorted([first, second], key=lambda row: row.id)
    assert await storage.webhooks.list_webhooks("org_other") == []
    assert await storage.webhooks.find_webhook("whk_unknown") is None


async def test_a_change_replaces_one_version_and_neither_the_place_in_the_log_nor_a_seal_that_was_not_made_anew(
    storage: AnyStorage, make_webhook: MakeWebhook
) -> None:
    webhook = await make_webhook()
    await storage.webhooks.add_deliveries(webhook, 7, [])
    assert await storage.seals.replace_seal((await storage.seals.list_seals(not_under="kek_2"))[0], NEW_SEAL)
    changed = replace(webhook, name="new", events=("*",), is_disabled=True, version=2, updated_at=NOW + timedelta(seconds=1))
    await storage.webhooks.update_webhook(changed, event("update", webhook))
    found = await storage.webhooks.find_webhook(webhook.id)
    assert found == replace(changed, after_number=7, sealed=NEW_SEAL)
    resealed = replace(changed, url="https://b.org/", host="b.org", sealed=SEALED, seal_version=3, version=3)
    await storage.webhooks.update_webhook(resealed, event("update", webhook))
    assert await storage.webhooks.find_webhook(webhook.id) == replace(resealed, after_number=7)
    for stale, code in ((replace(webhook, version=3), "etag_mismatch"), (replace(webhook, id="whk_none", version=2), "not_found")):
        with pytest.raises(ClientError) as caught:
            await storage.webhooks.update_webhook(stale, event("update", webhook))
        assert caught.value.code == code
    actions = [link.event.action for link in await storage.audit.list_events(AuditFilter(organisation_id=ORG, action="webhook.*"))]
    assert actions == ["webhook.update", "webhook.update", "webhook.create"]


async def test_a_deleted_webhook_takes_its_messages_along(storage: AnyStorage, make_webhook: MakeWebhook) -> None:
    webhook, other = await make_webhook(), await make_webhook()
    for row in (webhook, other):
        await storage.webhooks.add_deliveries(row, 9, [delivery_of(row, 9)])
    await storage.webhooks.delete_webhook(webhook, event("delete", webhook))
    assert await storage.webhooks.find_webhook(webhook.id) is None
    assert await storage.webhooks.list_deliveries(webhook.id, limit=10) == []
    assert await storage.webhooks.list_due_webhooks(NOW, limit=10) == [other.id]
    assert await storage.seals.count_seals() == {"kek_1": 1}
    with pytest.raises(ClientError) as caught:
        await storage.webhooks.delete_webhook(webhook, event("delete", webhook))
    assert caught.value.code == "not_found"


async def test_a_webhook_is_behind_until_the_log_was_looked_at_up_to_its_end(storage: AnyStorage, make_webhook: MakeWebhook) -> None:
    webhook = await make_webhook()
    [behind] = await storage.webhooks.list_behind()
    assert (behind, behind.after_number) == (webhook, 0)
    await storage.webhooks.add_deliveries(behind, 1, [delivery_of(behind, 1)])
    assert await storage.webhooks.list_behind() == []
    await log_something(storage)
    assert [row.after_number for row in await storage.webhooks.list_behind()] == [1]


async def test_messages_are_stored_once_however_often_they_are_made(storage: AnyStorage, make_webhook: MakeWebhook) -> None:
    webhook = await make_webhook()
    await storage.webhooks.add_deliveries(webhook, 2, [delivery_of(webhook, 1), delivery_of(webhook, 2)])
    await storage.webhooks.update_delivery(delivery_of(webhook, 1, next_at=None, delivered_at=NOW, attempts=1, status=204))
    await storage.webhooks.add_deliveries(webhook, 2, [delivery_of(webhook, 1), delivery_of(webhook, 2)])  # somebody was slower
    await storage.webhooks.add_deliveries(webhook, 3, [delivery_of(webhook, 1), delivery_of(webhook, 3)])
    found = await storage.webhooks.list_deliveries(webhook.id, limit=10)
    assert [row.id for row in found] == [delivery_id(webhook.id, number) for number in (3, 2, 1)]
    assert found[2] == delivery_of(webhook, 1, next_at=None, delivered_at=NOW, attempts=1, status=204)
    assert found[1] == delivery_of(webhook, 2)
    assert await storage.webhooks.count_pending(webhook.id) == 2
    gone = replace(webhook, id="whk_gone")
    await storage.webhooks.add_deliveries(gone, 3, [delivery_of(gone, 3)])
    assert await storage.webhooks.list_deliveries(gone.id, limit=10) == []


async def test_what_is_due_is_found_in_the_order_in_which_it_is_due(storage: AnyStorage, make_webhook: MakeWebhook) -> None:
    early, late = await make_webhook(), await make_webhook()
    minute = timedelta(minutes=1)
    await storage.webhooks.add_deliveries(late, 12, [delivery_of(late, number) for number in (9, 10, 11)])
    await storage.webhooks.add_deliveries(
        early,
        12,
        [
            delivery_of(early, 1, next_at=NOW - minute),
            delivery_of(early, 2, next_at=NOW + minute),
            delivery_of(early, 3, next_at=None),
        ],
    )
    assert await storage.webhooks.list_due_webhooks(NOW, limit=10) == [early.id, late.id]
    assert await storage.webhooks.list_due_webhooks(NOW, limit=1) == [early.id]
    assert await storage.webhooks.list_due_webhooks(NOW - 2 * minute, limit=10) == []
    assert [row.id for row in await storage.webhooks.list_due(early.id, NOW, limit=10)] == [delivery_id(early.id, 1)]
    assert [row.id for row in await storage.webhooks.list_due(late.id, NOW, limit=2)] == [delivery_id(late.id, 9), delivery_id(late.id, 10)]
    assert len(await storage.webhooks.list_due(early.id, NOW + minute, limit=10)) == 2


async def test_old_messages_are_forgotten_unless_they_wait(storage: AnyStorage, make_webhook: MakeWebhook) -> None:
    webhook = await make_webhook()
    old = NOW - timedelta(days=40)
    rows = [
        delivery_of(webhook, 1, created_at=old, next_at=None, delivered_at=old),
        delivery_of(webhook, 2, created_at=old),
        delivery_of(webhook, 3, next_at=None),
    ]
    await storage.webhooks.add_deliveries(webhook, 3, rows)
    assert await storage.webhooks.delete_deliveries_before(NOW - timedelta(days=30)) == 1
    assert [row.id for row in await storage.webhooks.list_deliveries(webhook.id, limit=10)] == [
        delivery_id(webhook.id, 3),
        delivery_id(webhook.id, 2),
    ]


async def test_seals_of_webhooks_are_found_with_those_of_credentials(storage: AnyStorage, make_webhook: MakeWebhook) -> None:
    webhook = await make_webhook()
    [row] = await storage.seals.list_seals(not_under="kek_2")
    assert (row.id, row.sealed) == (webhook.id, SEALED)
    assert await storage.seals.replace_seal(row, NEW_SEAL)
    assert await storage.seals.count_seals() == {"kek_2": 1}
    found = await storage.webhooks.find_webhook(webhook.id)
    assert found is not None
    assert found.sealed == NEW_SEAL
