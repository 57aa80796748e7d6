"""Webhooks over the store in memory and the real vault, and the messages that are made for them."""

import json
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from anyrouter.control.audit import make_event
from anyrouter.control.rekey import RekeyService
from anyrouter.control.stores import AuditFilter
from anyrouter.control.webhook_messages import MAX_AGE, MAX_PENDING, Dispatcher
from anyrouter.control.webhooks import MAX_WEBHOOKS, Sent, WebhookService
from anyrouter.core.audit import OPERATOR, SYSTEM, Actor, ActorKind
from anyrouter.core.errors import ClientError
from anyrouter.core.secret import Secret
from anyrouter.core.tenancy import DEFAULT_ORGANISATION_ID as ORG
from anyrouter.core.vault import SealBroken
from anyrouter.core.webhook import Webhook, delivery_id
from anyrouter.policy.rights import OPERATOR_RIGHTS, Rights
from anyrouter.storage.kek import LocalKeys
from anyrouter.storage.memory import MemoryStorage
from anyrouter.storage.vault import SealingVault

NOW = datetime(2026, 3, 4, 5, 6, 7, tzinfo=UTC)
ADMIN = Actor(kind=ActorKind.KEY, id="key_admin", label="ar-live-Ab3dE6", address="203.0.113.9", user_agent="curl", request_id="req-1")
ORG_RIGHTS = Rights(scopes=frozenset({"admin:org"}), organisation_id=ORG, environment_ids=frozenset({"env_live"}))
NOT_PUBLIC = """
http://hooks.example.com/in ftp://hooks.example.com file:///etc/passwd gopher://a.example https://user:pw@hooks.example.com
https://hooks.example.com/#a https://hooks.example.com/?a=b https://hooks.example.com\\@evil.org https://hooks.example.com:22/
https://hooks.example.com:6379/ https://localhost/ https://127.0.0.1/ https://127.1/ https://0x7f000001/ https://2130706433/
https://[::]/ https://[::1]/ https://[::ffff:169.254.169.254]/ https://169.254.169.254/latest https://100.100.100.200/
https://metadata.google.internal/ https://hooks.example.com./ https://xn--80ak6aa92e.com/ https://10.0.0.1/ https://[fd00::1]/
https://127.0.0.1:8443/ https:///in //hooks.example.com/in hooks.example.com https://hooks.example.com/../in
"""


@dataclass
class Received:
    """What was sent to receivers, and what they answer."""

    answer: Sent = field(default_factory=lambda: Sent(is_ok=True, status=204, latency_ms=1, message="taken"))
    seen: list[tuple[str, str, str, Any]] = field(default_factory=list)

    async def send(self, webhook: Webhook, secret: Secret, message_id: str, body: bytes) -> Sent:
        self.seen.append((webhook.url, secret.reveal(), message_id, json.loads(body)))
        return self.answer


@dataclass
class World:
    storage: MemoryStorage
    vault: SealingVault
    received: Received
    webhooks: WebhookService
    dispatcher: Dispatcher
    now: datetime = NOW

    async def create(self, **said: Any) -> tuple[Webhook, str]:
        fields = {"url": "https://hooks.example.com/in", "events": ["*"], **said}
        return await self.webhooks.create(ADMIN, fields.pop("rights", ORG_RIGHTS), ORG, **fields)

    async def log(self, action: str = "key.create", **fields: Any) -> None:
        event = make_event(OPERATOR, ORG, action, fields.pop("at", self.now), target_id="key_1", target_label="ar-live-x")
        await self.storage.audit.add_event(replace(event, **fields))

    async def waiting(self, webhook: Webhook) -> list[str]:
        return [row.event for row in await self.storage.webhooks.list_due(webhook.id, self.now, limit=5000)]


@pytest.fixture
def world(tmp_path: Path) -> World:
    storage, received = MemoryStorage(), Received()
    vault = SealingVault([LocalKeys(tmp_path / "kek", {})])
    webhooks = WebhookService(
        store=storage.webhooks,
        audit=storage.audit,
        vault=vault,
        sender=received,
        clock=lambda: world.now,
        allowed_hosts={"127.0.0.1:8000"},
    )
    dispatcher = Dispatcher(webhooks=storage.webhooks, audit=storage.audit, clock=lambda: world.now)
    world = World(storage, vault, received, webhooks, dispatcher)
    return world


async def refusal(awaited: Any) -> tuple[str, str | None]:
    with pytest.raises(ClientError) as caught:
        await awaited
    return caught.value.denied.code, caught.value.denied.param


async def test_a_webhook_is_kept_with_its_secret_sealed_and_its_path_in_no_log(world: World) -> None:
    webhook, secret = await world.create(url="https://hooks.example.com/services/MARKER-path/", name="on-call")
    assert (webhook.url, webhook.host) == ("https://hooks.example.com/services/MARKER-path/", "hooks.example.com")
    found = await world.webhooks.show(ORG_RIGHTS, ORG, webhook.id)
    assert (await world.vault.open(found.place, found.sealed)).reveal() == secret
    events = [link.event for link in await world.storage.audit.list_events(AuditFilter(organisation_id=ORG))]
    assert [(event.action, event.target_id, event.target_label) for event in events] == [("webhook.create", webhook.id, "on-call")]
    assert secret not in f"{webhook!r} {events!r}"
    assert "MARKER" not in f"{events!r}"


@pytest.mark.parametrize("url", NOT_PUBLIC.split())
async def test_an_address_that_is_not_public_is_refused_when_it_is_said_and_when_it_is_changed(world: World, url: str) -> None:
    assert await refusal(world.create(url=url)) == ("unprocessable", "url")
    webhook, _ = await world.create()
    assert await refusal(world.webhooks.change(ADMIN, ORG_RIGHTS, ORG, webhook.id, {"url": url})) == ("unprocessable", "url")


async def test_what_the_operator_allows_by_name_may_be_local(world: World) -> None:
    webhook, _ = await world.create(url="http://127.0.0.1:8000/in")
    assert (webhook.url, webhook.host) == ("http://127.0.0.1:8000/in", "http://127.0.0.1:8000")


@pytest.mark.parametrize("events", [[], ["key"], ["keys.*"], ["*.*"], ["key.*.a"], ["KEY.*"], ["key.*"] * 51, ["key.x y"], ["**"], [""]])
async def test_events_that_never_happen_are_refused(world: World, events: list[str]) -> None:
    assert await refusal(world.create(events=events)) == ("unprocessable", "events")


async def test_an_organisation_has_so_many_webhooks(world: World) -> None:
    for _ in range(MAX_WEBHOOKS):
        await world.create()
    assert await refusal(world.create()) == ("unprocessable", None)


async def test_webhooks_need_their_scope_and_are_their_organisations(world: World) -> None:
    webhook, _ = await world.create()
    keys_only = replace(ORG_RIGHTS, scopes=frozenset({"admin:keys", "admin:byok"}))
    assert await refusal(world.create(rights=keys_only)) == ("insufficient_scope", None)
    assert await refusal(world.webhooks.list(keys_only, ORG)) == ("insufficient_scope", None)
    for method in ("show", "list_deliveries"):
        for organisation_id, webhook_id in (("org_other", webhook.id), (ORG, "whk_none")):
            assert await refusal(getattr(world.webhooks, method)(ORG_RIGHTS, organisation_id, webhook_id)) == ("not_found", None)
    assert await world.webhooks.list(OPERATOR_RIGHTS, ORG) == [await world.webhooks.show(ORG_RIGHTS, ORG, webhook.id)]


async def test_a_secret_that_was_made_for_one_host_is_sealed_anew_for_another(world: World) -> None:
    webhook, secret = await world.create()
    moved = await world.webhooks.change(ADMIN, ORG_RIGHTS, ORG, webhook.id, {"url": "https://other.example.com/in"}, version=1)
    assert (moved.host, moved.version, moved.seal_version) == ("other.example.com", 2, 2)
    found = await world.webhooks.show(ORG_RIGHTS, ORG, webhook.id)
    assert (await world.vault.open(found.place, found.sealed)).reveal() == secret
    with pytest.raises(SealBroken):
        await world.vault.open(replace(found, host="hooks.example.com").place, found.sealed)
    assert await refusal(world.webhooks.change(ADMIN, ORG_RIGHTS, ORG, webhook.id, {"name": "x"}, version=1)) == ("etag_mismatch", None)


async def test_a_new_key_encryption_key_leaves_the_signing_secret_as_it_is(world: World) -> None:
    webhook, secret = await world.create()
    rekey = RekeyService(
        seals=world.storage.seals, audit=world.storage.audit, vault=world.vault, keys=world.vault.keys, clock=lambda: world.now
    )
    assert (await rekey.rekey(OPERATOR)).rewrapped == 1
    found = await world.webhooks.show(ORG_RIGHTS, ORG, webhook.id)
    assert found.sealed.kek_id != webhook.sealed.kek_id
    assert (await world.vault.open(found.place, found.sealed)).reveal() == secret


async def test_a_test_is_one_signed_message_and_an_event_that_nobody_is_told(world: World) -> None:
    webhook, secret = await world.create()
    assert (await world.webhooks.test(ADMIN, ORG_RIGHTS, ORG, webhook.id)).is_ok
    [(url, used, message_id, body)] = world.received.seen
    assert (url, used, body["type"]) == (webhook.url, secret, "webhook.test")
    assert message_id.startswith(f"{webhook.id}:test_")
    assert secret not in f"{body}"
    await world.dispatcher.dispatch()
    assert await world.waiting(webhook) == ["webhook.create"]


async def test_a_message_tells_who_did_what_to_what(world: World) -> None:
    webhook, _ = await world.create(name="on-call")
    assert await world.dispatcher.dispatch() == 1
    [delivery] = await world.webhooks.list_deliveries(ORG_RIGHTS, ORG, webhook.id)
    assert delivery.id == delivery_id(webhook.id, 1)
    body = json.loads(delivery.body)
    assert body.pop("type") == "webhook.create"
    assert body.pop("timestamp") == "2026-03-04T05:06:07.000Z"
    data = body.pop("data")
    assert body == {}
    assert data.pop("id").startswith("aud_")
    assert data == {
        "number": 1,
        "organisation_id": ORG,
        "environment": None,
        "actor": {"kind": "key", "id": "key_admin", "label": "ar-live-Ab3dE6", "address": "203.0.113.9", "request_id": "req-1"},
        "target": {"id": webhook.id, "label": "on-call"},
        "before": {"host": None, "events": None, "name": None, "disabled": None},
        "after": {"host": "hooks.example.com", "events": ["*"], "name": "on-call", "disabled": False},
    }


async def test_every_wanted_event_makes_one_message_and_no_other_does(world: World) -> None:
    await world.log("key.create")  # before there was a webhook
    webhook, _ = await world.create(events=["key.*", "spend.anomaly"])
    for action in ("key.create", "budget.create", "spend.anomaly", "key.delete"):
        await world.log(action)
    await world.log("key.create", is_denied=True, code="insufficient_scope")
    assert await world.dispatcher.dispatch() == 3
    assert await world.dispatcher.dispatch() == 0
    assert await world.waiting(webhook) == ["key.create", "spend.anomaly", "key.delete"]


async def test_a_log_that_is_read_again_makes_no_message_twice(world: World) -> None:
    """Somebody else, or the process before a crash, was at it: two of them read the same place."""
    webhook, _ = await world.create(events=["key.*"])
    for _ in range(5):
        await world.log()
    behind = await world.storage.webhooks.list_behind()
    await world.dispatcher.dispatch()
    [stale] = behind
    assert await world.dispatcher._catch_up(stale) == 5  # made again, and not stored again
    assert len(await world.waiting(webhook)) == 5


async def test_a_webhook_that_takes_nothing_has_the_log_wait(world: World) -> None:
    webhook, _ = await world.create(events=["key.*"])
    for _ in range(MAX_PENDING + 30):
        await world.log()
    assert await world.dispatcher.dispatch() == MAX_PENDING
    assert await world.dispatcher.dispatch() == 0
    for delivery in await world.storage.webhooks.list_due(webhook.id, world.now, limit=20):
        await world.storage.webhooks.update_delivery(replace(delivery, next_at=None, delivered_at=world.now))
    assert await world.dispatcher.dispatch() == 20
    numbers = [int(row.id.rpartition(":")[2]) for row in await world.webhooks.list_deliveries(ORG_RIGHTS, ORG, webhook.id, limit=1000)]
    assert numbers == list(range(MAX_PENDING + 21, 21, -1))


async def test_old_news_is_given_up_and_not_sent(world: World) -> None:
    webhook, _ = await world.create(events=["key.*"])
    await world.log(at=world.now - MAX_AGE)
    await world.log(at=world.now - MAX_AGE + timedelta(seconds=1))
    await world.dispatcher.dispatch()
    states = [row.state for row in await world.webhooks.list_deliveries(ORG_RIGHTS, ORG, webhook.id)]
    assert states == ["waiting", "given_up"]


async def test_a_disabled_webhook_hears_nothing_of_what_happens_meanwhile(world: World) -> None:
    webhook, _ = await world.create(events=["key.*"], is_disabled=True)
    await world.log()
    assert await world.dispatcher.dispatch() == 0
    await world.webhooks.change(ADMIN, ORG_RIGHTS, ORG, webhook.id, {"is_disabled": False})
    await world.log("key.delete", actor=SYSTEM)
    await world.dispatcher.dispatch()
    assert await world.waiting(webhook) == ["key.delete"]
