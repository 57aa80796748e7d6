"""Messages over HTTP to a real receiver, with a clock that a test moves: signed, tried again, given up, and sent nowhere else."""

import asyncio
import threading
from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from anyrouter.bootstrap.messages import PAUSES, Courier, HttpMessageSender
from anyrouter.bootstrap.tenant_client import make_tenant_client
from anyrouter.control.audit import make_event
from anyrouter.control.webhook_messages import Dispatcher
from anyrouter.control.webhooks import WebhookService
from anyrouter.core.audit import OPERATOR
from anyrouter.core.tenancy import DEFAULT_ORGANISATION_ID as ORG
from anyrouter.core.webhook import Webhook, WebhookDelivery
from anyrouter.policy.rights import OPERATOR_RIGHTS
from anyrouter.storage.kek import LocalKeys
from anyrouter.storage.opening import Storage, open_storage
from anyrouter.storage.vault import SealingVault
from support.databases import lay_tables
from support.upstream import Answer
from support.webhook_receiver import WebhookReceiver, verify

NOW = datetime(2026, 3, 4, 5, 6, 7, tzinfo=UTC)


@dataclass
class World:
    storage: Storage
    webhooks: WebhookService
    dispatcher: Dispatcher
    courier: Courier
    receiver: WebhookReceiver
    now: datetime = NOW

    async def add(self, url: str | None = None) -> tuple[Webhook, str]:
        return await self.webhooks.create(OPERATOR, OPERATOR_RIGHTS, ORG, url=url or self.receiver.url, events=["key.*"])

    async def happen(self, webhook: Webhook, count: int = 1, action: str = "key.create") -> None:
        """Have something to tell, and send what is due."""
        for _ in range(count):
            await self.storage.audit.add_event(make_event(OPERATOR, ORG, action, self.now, target_id="key_1"))
        await self.dispatcher.dispatch()
        await self.courier.send_due(webhook.id)

    async def deliveries(self, webhook: Webhook) -> list[WebhookDelivery]:
        return await self.storage.webhooks.list_deliveries(webhook.id, limit=100)


@pytest.fixture
def receiver() -> Iterator[WebhookReceiver]:
    with WebhookReceiver() as server:
        yield server


@pytest.fixture
async def world(tmp_path: Path, receiver: WebhookReceiver) -> AsyncIterator[World]:
    storage = await open_storage(lay_tables(tmp_path / "data"), environment={})
    vault = SealingVault([LocalKeys(tmp_path / "kek", {})])
    client = make_tenant_client({receiver.authority, "127.0.0.1:1"}, {})

    def clock() -> datetime:
        return world.now

    sender = HttpMessageSender(client, clock=clock)
    webhooks = WebhookService(
        store=storage.webhooks,
        audit=storage.audit,
        vault=vault,
        sender=sender,
        clock=clock,
        allowed_hosts={receiver.authority, "127.0.0.1:1"},
    )
    dispatcher = Dispatcher(webhooks=storage.webhooks, audit=storage.audit, clock=clock)
    world = World(storage, webhooks, dispatcher, Courier(store=storage.webhooks, vault=vault, sender=sender, clock=clock), receiver)
    yield world
    await client.aclose()
    await storage.aclose()


async def test_a_message_is_signed_for_its_receiver_and_noted_as_delivered(world: World) -> None:
    webhook, secret = await world.add()
    await world.happen(webhook)
    [received] = world.receiver.received
    message = verify(secret, received, now_s=NOW.timestamp())
    assert (message["type"], message["data"]["target"]["id"]) == ("key.create", "key_1")
    assert (received.method, received.path, received.headers["content-type"]) == ("POST", "/in", "application/json")
    [delivery] = await world.deliveries(webhook)
    assert (delivery.id, delivery.state, delivery.status, delivery.attempts) == (received.headers["webhook-id"], "delivered", 204, 1)
    for tampered in (received.body + b" ", received.body.replace(b"key_1", b"key_2")):
        with pytest.raises(AssertionError):
            verify(secret, replace(received, body=tampered), now_s=NOW.timestamp())
    await world.courier.send_due(webhook.id)
    assert len(world.receiver.received) == 1


async def test_a_message_is_tried_again_with_growing_pauses_and_then_given_up(world: World) -> None:
    webhook, secret = await world.add()
    world.receiver.answer = Answer(status=500, body=b"MARKER")
    await world.happen(webhook)
    for number, pause in enumerate(PAUSES, 1):
        [delivery] = await world.deliveries(webhook)
        assert (delivery.attempts, delivery.state, delivery.next_at) == (number, "waiting", world.now + pause)
        world.now += pause - timedelta(milliseconds=1)
        await world.courier.send_due(webhook.id)
        assert len(world.receiver.received) == number
        world.now += timedelta(milliseconds=1)
        await world.courier.send_due(webhook.id)
        assert len(world.receiver.received) == number + 1
    [delivery] = await world.deliveries(webhook)
    assert (delivery.attempts, delivery.state, delivery.status) == (len(PAUSES) + 1, "given_up", 500)
    assert {received.headers["webhook-id"] for received in world.receiver.received} == {delivery.id}
    stamps = [int(received.headers["webhook-timestamp"]) for received in world.receiver.received]
    assert stamps == sorted(stamps)
    assert len(set(stamps)) == len(stamps)
    for received in world.receiver.received:
        verify(secret, received, now_s=int(received.headers["webhook-timestamp"]))


async def test_a_receiver_that_is_well_again_gets_what_it_missed(world: World) -> None:
    webhook, _ = await world.add()
    world.receiver.answer = Answer(status=503)
    await world.happen(webhook, 3)
    world.receiver.answer = Answer(status=200)
    world.now += PAUSES[0]
    await world.courier.send_due(webhook.id)
    assert {row.state for row in await world.deliveries(webhook)} == {"delivered"}


@pytest.mark.parametrize("status", [301, 302, 307, 308])
async def test_a_redirect_is_followed_nowhere(world: World, status: int) -> None:
    webhook, _ = await world.add()
    with WebhookReceiver() as elsewhere:
        world.receiver.answer = Answer(status=status, headers={"location": elsewhere.url})
        await world.happen(webhook)
        tried = await world.webhooks.test(OPERATOR, OPERATOR_RIGHTS, ORG, webhook.id)
        assert elsewhere.received == []
    assert (tried.is_ok, tried.status) == (False, status)
    assert "redirect" in tried.message
    [delivery] = await world.deliveries(webhook)
    assert (delivery.state, delivery.status) == ("waiting", status)


async def test_a_name_that_leads_to_this_machine_is_not_connected_to(world: World) -> None:
    """It was public when it was entered: what counts is the address at the time of sending."""
    webhook, _ = await world.add()
    port = world.receiver.authority.rpartition(":")[2]
    places = [f"http://localhost:{port}", f"http://127.0.0.2:{port}", f"http://[::1]:{port}", f"http://0.0.0.0:{port}"]
    for place in (*places, "http://169.254.169.254", "https://10.0.0.1", "http://[::ffff:127.0.0.1]"):
        found = await world.storage.webhooks.find_webhook(webhook.id)
        assert found is not None
        moved = replace(found, url=f"{place}/in", version=found.version + 1)
        await world.storage.webhooks.update_webhook(moved, make_event(OPERATOR, ORG, "webhook.update", NOW))
        sent = await world.webhooks.test(OPERATOR, OPERATOR_RIGHTS, ORG, webhook.id)
        assert (sent.is_ok, sent.status) == (False, None), place
    assert (world.receiver.received, world.receiver.server.connections) == ([], 0)


async def test_one_that_does_not_answer_is_tried_once_a_round(world: World) -> None:
    webhook, _ = await world.add("http://127.0.0.1:1/in")
    await world.happen(webhook, 5)
    assert sorted(row.attempts for row in await world.deliveries(webhook)) == [0, 0, 0, 0, 1]
    await world.courier.send_due(webhook.id)
    assert sorted(row.attempts for row in await world.deliveries(webhook)) == [0, 0, 0, 1, 1]


@pytest.mark.parametrize(
    "answer",
    [
        Answer(status=200, body=b"x" * 1_000_000),
        Answer(status=200, body=b"x", is_cut=True),
        Answer(status=200, headers={"content-type": "text/event-stream"}, body=b"data: x\n\n"),
    ],
    ids=["long", "cut", "a stream"],
)
async def test_what_a_receiver_says_beside_its_status_does_not_matter(world: World, answer: Answer) -> None:
    webhook, _ = await world.add()
    world.receiver.answer = answer
    await world.happen(webhook, 2)
    assert {row.state for row in await world.deliveries(webhook)} == {"delivered"}


async def test_what_waits_for_a_disabled_webhook_is_given_up(world: World) -> None:
    webhook, _ = await world.add()
    world.receiver.answer = Answer(status=500)
    await world.happen(webhook)
    await world.webhooks.change(OPERATOR, OPERATOR_RIGHTS, ORG, webhook.id, {"is_disabled": True})
    world.now += PAUSES[0]
    await world.courier.send_due(webhook.id)
    assert [row.state for row in await world.deliveries(webhook)] == ["given_up"]
    assert len(world.receiver.received) == 1


async def test_a_message_waits_for_no_longer_than_three_days(world: World) -> None:
    webhook, _ = await world.add()
    world.receiver.answer = Answer(status=500)
    await world.happen(webhook)
    world.now += timedelta(days=3, seconds=1)
    await world.courier.send_due(webhook.id)
    assert [row.state for row in await world.deliveries(webhook)] == ["given_up"]
    assert len(world.receiver.received) == 1


async def test_without_its_key_encryption_key_a_message_waits(world: World, tmp_path: Path) -> None:
    webhook, secret = await world.add()
    kek = tmp_path / "kek"
    kept = kek.read_bytes()
    kek.unlink()
    fresh = Courier(
        store=world.storage.webhooks,
        vault=SealingVault([LocalKeys(kek, {})]),
        sender=world.courier._sender,
        clock=lambda: world.now,
    )
    world.courier = fresh
    await world.happen(webhook)
    [delivery] = await world.deliveries(webhook)
    assert (delivery.state, delivery.status, world.receiver.received) == ("waiting", None, [])
    kek.write_bytes(kept)
    kek.chmod(0o600)
    world.now += PAUSES[0]
    await world.courier.send_due(webhook.id)
    verify(secret, world.receiver.received[0], now_s=world.now.timestamp())


async def test_webhooks_do_not_wait_for_each_other(world: World) -> None:
    stuck, _ = await world.add()
    gate = threading.Event()

    async def hold(_reader: Any, _writer: Any) -> None:
        await asyncio.to_thread(gate.wait, 20)

    world.receiver.answer = Answer(script=hold)
    with WebhookReceiver() as quick:
        client = make_tenant_client({world.receiver.authority, quick.authority}, {})
        found = await world.storage.webhooks.find_webhook((await world.add())[0].id)
        assert found is not None
        moved = replace(found, url=quick.url, version=2)
        await world.storage.webhooks.update_webhook(moved, make_event(OPERATOR, ORG, "webhook.update", NOW))
        sender = HttpMessageSender(client, clock=lambda: world.now)
        courier = Courier(store=world.storage.webhooks, vault=world.courier._vault, sender=sender, clock=lambda: world.now)
        await world.storage.audit.add_event(make_event(OPERATOR, ORG, "key.create", world.now))
        await world.dispatcher.dispatch()
        running = asyncio.create_task(courier.run())
        await asyncio.to_thread(quick.wait_for, bool)
        assert [row.state for row in await world.deliveries(stuck)] == ["waiting"]
        running.cancel()
        await asyncio.gather(running, return_exceptions=True)
        gate.set()
        await client.aclose()
