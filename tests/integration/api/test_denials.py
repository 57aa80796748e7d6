"""Section F of the attack cases: every denial on the control plane is on record, says no secret, and cannot fill the database."""

import asyncio
from datetime import UTC, datetime
from typing import Any

import pytest

from anyrouter.control.audit import make_event
from anyrouter.control.denials import DenialLog
from anyrouter.control.stores import AuditFilter
from anyrouter.core.audit import SYSTEM, Actor, ActorKind, ChainedEvent
from anyrouter.core.errors import StorageUnavailable
from anyrouter.core.tenancy import DEFAULT_ORGANISATION_ID
from anyrouter.policy.endpoints import ENDPOINTS
from anyrouter.storage.memory import MemoryStorage
from anyrouter.web.api.denials import name_action

BODY = {"slug": "writer"}
ACTIONS = {
    "POST presets": "preset.create",
    "PATCH presets/{slug}": "preset.update",
    "DELETE presets/{slug}": "preset.delete",
    "POST presets/{slug}/messages": "preset.create",
    "POST budgets": "budget.create",
    "budgets/{id}": "budget.read",
    "POST credits/grants": "credits.create",
}


async def denials(world: Any) -> list[ChainedEvent]:
    return await world.services.audit.list(AuditFilter(organisation_id=DEFAULT_ORGANISATION_ID, is_denied=True))


@pytest.mark.parametrize("name", ACTIONS)
def test_a_denial_is_called_what_was_wanted(name: str) -> None:
    assert name_action(ENDPOINTS[name]) == ACTIONS[name]


async def test_who_lacks_a_scope_is_on_record_with_what_was_wanted_and_from_where(world: Any) -> None:
    key, headers = await world.make_key()
    said = {"User-Agent": f"curl {headers['Authorization']}", "X-AnyRouter-Trace-Id": "trace-1"}
    reply = await world.client.post("/api/v1/presets", headers=headers | said, json=BODY | {"description": "MARKER-body"})
    assert reply.status_code == 403
    (link,) = await denials(world)
    event = link.event
    assert (event.action, event.code, event.is_denied, event.target_label) == ("preset.create", "insufficient_scope", True, "POST presets")
    assert (event.actor.id, event.actor.label, event.actor.address) == (key.id, key.label, "203.0.113.7")
    assert (event.actor.request_id, event.actor.trace_id) == (reply.headers["x-request-id"], "trace-1")
    secret = headers["Authorization"].removeprefix("Bearer ")
    assert secret not in repr(event)
    assert "MARKER" not in repr(event)
    assert key.label in (event.actor.user_agent or "")
    assert (await world.services.audit.verify()).is_whole


async def test_a_denial_of_the_handler_is_on_record_once_with_and_without_an_idempotency_key(world: Any) -> None:
    _, headers = await world.make_key(scopes=["admin:billing"])
    body = {"amount": 5}
    for more in ({}, {"Idempotency-Key": "K"}):
        reply = await world.client.post("/api/v1/credits/grants", headers=headers | more, json=body)
        assert reply.status_code == 403, reply.text
    assert [link.event.action for link in await denials(world)] == ["credits.create"] * 2


async def test_who_is_nobody_is_not_on_record(world: Any) -> None:
    _, reader = await world.make_key()
    for headers in ({}, {"Authorization": "Bearer ar-live-" + "x" * 45}, {"Authorization": "Basic MARKER"}):
        assert (await world.client.post("/api/v1/presets", headers=headers, json=BODY)).status_code == 401
    assert (await world.get("/presets/nothing", reader)).status_code == 404
    assert (await world.get("/activity", (await world.make_key(scopes=["models:read"]))[1])).status_code == 403  # not the control plane
    assert await denials(world) == []


async def test_a_path_s_secret_is_not_on_record_and_an_object_s_id_is(world: Any) -> None:
    _, headers = await world.make_key()
    secret = headers["Authorization"].removeprefix("Bearer ")
    known = "pre_" + "0" * 32
    for slug in (secret, "sk-marker-secret", known):
        assert (await world.client.delete(f"/api/v1/presets/{slug}", headers=headers)).status_code == 403
    events = [link.event for link in await denials(world)]
    assert [event.target_id for event in events] == [known, None, None]
    assert "marker" not in repr(events)
    assert secret not in repr(events)


async def test_a_key_from_a_wrong_address_is_on_record(world: Any) -> None:
    key, headers = await world.make_key(scopes=["admin:*"], allowed_ips=["192.0.2.1"])
    assert (await world.client.post("/api/v1/presets", headers=headers, json=BODY)).status_code == 403
    (link,) = await denials(world)
    assert (link.event.code, link.event.actor.id) == ("ip_not_allowed", key.id)


async def test_a_flood_of_denials_writes_no_more_than_its_share_and_is_counted(world: Any) -> None:
    _, headers = await world.make_key()
    log = DenialLog(store=world.storage.audit, monotonic=lambda: 1.0, per_minute=5)
    async with world.make_app(denials=log) as client:
        for _ in range(12):
            assert (await client.post("/api/v1/presets", headers=headers, json=BODY)).status_code == 403
        _, other = await world.make_key()
        assert (await client.post("/api/v1/presets", headers=other, json=BODY)).status_code == 403
    assert (len(await denials(world)), log.left_out, log.failed) == (6, 7, 0)


async def test_after_a_minute_denials_are_written_again() -> None:
    storage, now = MemoryStorage(), [0.0]
    log = DenialLog(store=storage.audit, monotonic=lambda: now[0], per_minute=2)
    event = make_event(SYSTEM, DEFAULT_ORGANISATION_ID, "key.create", datetime.now(UTC))
    for moment in (0.0, 1.0, 59.9, 60.1, 61.1, 61.2):
        now[0] = moment
        await log.note(event)
    assert log.left_out == 2
    assert (await storage.audit.read_head(DEFAULT_ORGANISATION_ID))[0] == 4


async def test_guesses_at_one_members_password_leave_room_for_those_at_anothers() -> None:
    storage = MemoryStorage()
    log = DenialLog(store=storage.audit, monotonic=lambda: 1.0, per_minute=2)
    guesser = Actor(kind=ActorKind.ANONYMOUS, label="anonymous")
    for member_id in ("mem_1", "mem_1", "mem_1", "mem_2"):
        await log.note(make_event(guesser, DEFAULT_ORGANISATION_ID, "session.denied", datetime.now(UTC), target_id=member_id))
    assert log.left_out == 1
    events = await storage.audit.list_events(AuditFilter(organisation_id=DEFAULT_ORGANISATION_ID))
    assert sorted(str(link.event.target_id) for link in events) == ["mem_1", "mem_1", "mem_2"]


class Broken:
    """An audit store that fails, or never answers."""

    def __init__(self, error: Exception | None) -> None:
        self._error = error

    async def add_event(self, _: Any) -> None:
        if self._error is not None:
            raise self._error
        await asyncio.Event().wait()


@pytest.mark.parametrize("error", [StorageUnavailable("down", internal="MARKER"), RuntimeError("ours"), None])
async def test_a_denial_that_cannot_be_recorded_is_a_denial_all_the_same(world: Any, error: Exception | None) -> None:
    _, headers = await world.make_key()
    log = DenialLog(store=Broken(error), monotonic=lambda: 1.0, patience_s=0.01)  # type: ignore[arg-type]
    expected = await world.client.post("/api/v1/presets", headers=headers, json=BODY)
    async with world.make_app(denials=log) as client:
        reply = await client.post("/api/v1/presets", headers=headers, json=BODY)
    assert (reply.status_code, reply.content) == (403, expected.content)
    assert log.failed == 1
