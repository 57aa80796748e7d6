"""AuditStore and `append_event`, the same over every store; and what the databases themselves guarantee."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa
from sqlalchemy import Connection

from anyrouter.control.audit import AuditService, Head, find_differences, make_event
from anyrouter.control.stores import AuditFilter
from anyrouter.core.apikey import ApiKey
from anyrouter.core.audit import GENESIS, OPERATOR, Actor, ActorKind, AuditEvent
from anyrouter.core.errors import ClientError, GatewayError
from anyrouter.core.tenancy import DEFAULT_ORGANISATION_ID
from anyrouter.storage.memory import MemoryStorage
from anyrouter.storage.opening import ServingStorage, Storage, open_storage
from anyrouter.storage.sql_audit import append_event

AnyStorage = ServingStorage | MemoryStorage
NOW = datetime(2026, 3, 4, 5, 6, 7, 89_123, tzinfo=UTC)
ALICE = Actor(
    kind=ActorKind.KEY,
    id="key_alice",
    label="ar-live-abc123",
    address="2001:db8::1",
    user_agent="curl/8 \x00 'x\"; DROP TABLE audit_events; --",
    request_id="req-1",
    trace_id="trace 1",
)
ALL = AuditFilter(organisation_id=DEFAULT_ORGANISATION_ID)


def event(action: str = "key.create", actor: Actor = ALICE, organisation_id: str = DEFAULT_ORGANISATION_ID, **fields: Any) -> AuditEvent:
    moment = fields.pop("now", NOW)
    is_denied, code = fields.pop("is_denied", False), fields.pop("code", None)
    return replace(make_event(actor, organisation_id, action, moment, **fields), is_denied=is_denied, code=code)


FULL = {
    "target_id": "key_1",
    "target_label": "Über=1+1 'x",
    "environment": "live",
    "before": {"name": "a\x00\ud7ff😀", "z": None, "limit": 9_007_199_254_740_993, "rate": 0.1, "scopes": ["b", "a"]},
    "after": {"b": {"nested": [1.5e300, True]}, "a": -0.0},
}


async def test_an_event_comes_back_as_it_was_written(storage: AnyStorage):
    written = event(**FULL)
    await storage.audit.add_event(written)
    (found,) = await storage.audit.list_events(ALL)
    assert found.event == written
    assert (found.number, found.previous, await storage.audit.read_head(DEFAULT_ORGANISATION_ID)) == (1, GENESIS, (1, found.hash))
    assert written.actor.user_agent == "curl/8  'x\"; DROP TABLE audit_events; --"


async def test_a_log_without_events_is_whole(storage: AnyStorage):
    assert await storage.audit.read_head(DEFAULT_ORGANISATION_ID) == (0, GENESIS)
    assert await AuditService(store=storage.audit).verify() == await AuditService(store=storage.audit).verify("org_nobody")
    assert (await AuditService(store=storage.audit).verify()).is_whole


async def test_events_of_concurrent_writers_are_one_chain(storage: AnyStorage):
    await asyncio.gather(*(storage.audit.add_event(event(target_id=f"key_{index}", after={"n": index})) for index in range(60)))
    await asyncio.gather(*(storage.audit.add_event(event(organisation_id="org_other")) for _ in range(5)))
    links = await storage.audit.read_chain(DEFAULT_ORGANISATION_ID, after_number=0, limit=1000)
    assert [link.number for link in links] == list(range(1, 61))
    assert {link.event.target_id for link in links} == {f"key_{index}" for index in range(60)}
    service = AuditService(store=storage.audit)
    assert await service.verify() == await service.verify(known=Head(number=17, hash=links[16].hash))
    assert ((await service.verify()).head.number, (await service.verify("org_other")).head.number) == (60, 5)


async def test_the_chain_is_read_on_from_a_number(storage: AnyStorage):
    for _ in range(5):
        await storage.audit.add_event(event())
    found = await storage.audit.read_chain(DEFAULT_ORGANISATION_ID, after_number=2, limit=2)
    assert [link.number for link in found] == [3, 4]


FILTERS: list[tuple[dict[str, Any], list[int]]] = [
    ({}, [5, 4, 3, 2, 1]),
    ({"action": "key.rotate"}, [2]),
    ({"action": "key.*"}, [5, 2, 1]),
    ({"action": "KEY.*"}, []),
    ({"action": "key%"}, []),
    ({"actor_id": "key_alice"}, [5, 3, 2, 1]),
    ({"target_id": "key_1"}, [2, 1]),
    ({"environment": "test"}, [3]),
    ({"is_denied": True}, [5]),
    ({"is_denied": False}, [4, 3, 2, 1]),
    ({"since": NOW + timedelta(seconds=1)}, [5, 4, 3, 2]),
    ({"until": NOW + timedelta(seconds=1)}, [1]),
    ({"before_number": 4, "limit": 2}, [3, 2]),
    ({"organisation_id": "org_other"}, [1]),
]


@pytest.fixture
async def filled(storage: AnyStorage) -> AnyStorage:
    for number, one in enumerate(
        (
            event("key.create", target_id="key_1", environment="live"),
            event("key.rotate", target_id="key_1", environment="live"),
            event("keyring.open", target_id="kek_1", environment="test"),
            event("preset.delete", OPERATOR, target_id="pre_1"),
            event("key.create", is_denied=True, code="insufficient_scope"),
            event("key.create", organisation_id="org_other"),
        )
    ):
        await storage.audit.add_event(replace(one, at=one.at + timedelta(seconds=number)))
    return storage


@pytest.mark.parametrize(("wanted", "numbers"), FILTERS)
async def test_filters_choose_what_they_say(filled: AnyStorage, wanted: dict[str, Any], numbers: list[int]):
    found = await filled.audit.list_events(replace(ALL, **wanted))
    assert [link.number for link in found] == numbers


async def test_an_event_that_cannot_be_written_leaves_the_chain_alone(storage: AnyStorage):
    await storage.audit.add_event(event())
    with pytest.raises(TypeError):
        await storage.audit.add_event(replace(event(), after={"x": object()}))
    await storage.audit.add_event(event())
    verdict = await AuditService(store=storage.audit).verify()
    assert (verdict.is_whole, verdict.head.number) == (True, 2)


# The databases


@pytest.fixture
async def opened(tmp_path: Path, database_url: str | None) -> AsyncIterator[tuple[Storage, Storage]]:
    """Two processes' stores over one database."""
    first, second = [await open_storage(tmp_path / "data", database_url, environment={}) for _ in range(2)]
    yield first, second
    await first.aclose()
    await second.aclose()


async def test_events_of_two_processes_are_one_chain(opened: tuple[Storage, Storage]):
    await asyncio.gather(*(storage.audit.add_event(event()) for _ in range(40) for storage in opened))
    verdict = await AuditService(store=opened[0].audit).verify()
    assert (verdict.is_whole, verdict.head.number) == (True, 80)


@pytest.mark.parametrize(
    "statement",
    [
        "UPDATE audit_events SET action = 'nothing.happened'",
        "UPDATE audit_events SET \"before\" = '{}' WHERE number = 1",
        "DELETE FROM audit_events",
        "DELETE FROM audit_events WHERE number = 2",
    ],
)
async def test_the_database_refuses_to_change_or_delete_events(opened: tuple[Storage, Storage], statement: str):
    storage = opened[0]
    await storage.audit.add_event(event())
    await storage.audit.add_event(event())
    with pytest.raises(GatewayError) as caught:
        await storage.database.write(lambda connection: connection.execute(sa.text(statement)).rowcount)
    assert "the audit log is only added to" in caught.value.internal
    assert (await AuditService(store=storage.audit).verify()).head.number == 2


def rename(connection: Connection) -> None:
    connection.execute(sa.text("UPDATE organisations SET name = 'changed'"))


async def read_name(storage: Storage) -> str:
    (organisation,) = await storage.organisations.list_organisations()
    return organisation.name


async def test_a_change_whose_event_cannot_be_written_is_not_made(opened: tuple[Storage, Storage]):
    storage = opened[0]
    name = await read_name(storage)

    def work(connection: Connection) -> None:
        rename(connection)
        append_event(connection, replace(event(), action=None))  # type: ignore[arg-type]

    with pytest.raises(GatewayError):
        await storage.database.write(work)
    assert (await read_name(storage), await storage.audit.list_events(ALL)) == (name, [])


async def test_an_event_whose_change_fails_is_not_written(opened: tuple[Storage, Storage]):
    storage = opened[0]

    def work(connection: Connection) -> None:
        append_event(connection, event())
        connection.execute(sa.text("INSERT INTO organisations (id) VALUES (NULL)"))

    with pytest.raises(GatewayError):
        await storage.database.write(work)
    assert await storage.audit.read_head(DEFAULT_ORGANISATION_ID) == (0, GENESIS)


async def disarm(storage: Storage) -> None:
    """What somebody does who may do everything in the database."""

    def work(connection: Connection) -> None:
        if connection.dialect.name == "sqlite":
            connection.execute(sa.text("DROP TRIGGER audit_events_no_update"))
            connection.execute(sa.text("DROP TRIGGER audit_events_no_delete"))
        else:
            connection.execute(sa.text("DROP TRIGGER audit_events_only_added ON audit_events"))

    await storage.database.write(work)


FORGERIES = {
    "UPDATE audit_events SET actor_label = 'somebody else' WHERE number = 3": (3, "it was changed"),
    'UPDATE audit_events SET "after" = \'{"n": 7}\' WHERE number = 2': (2, "it was changed"),
    "UPDATE audit_events SET at_ms = at_ms + 1 WHERE number = 1": (1, "it was changed"),
    "UPDATE audit_events SET address = NULL WHERE number = 5": (5, "it was changed"),
    "UPDATE audit_events SET organisation_id = 'org_other' WHERE number = 5": (5, "the last events are missing"),
    "DELETE FROM audit_events WHERE number = 2": (2, "an event is missing"),
    "DELETE FROM audit_events WHERE number > 3": (4, "the last events are missing"),
    "UPDATE audit_events SET number = number + 10 WHERE number = 4": (4, "an event is missing"),
    "UPDATE audit_events SET hash = previous WHERE number = 4": (4, "it was changed"),
    "UPDATE audit_heads SET number = 4": (4, "the head names another hash"),
}


@pytest.mark.parametrize("forgery", FORGERIES)
async def test_verification_names_the_event_where_the_chain_breaks(opened: tuple[Storage, Storage], forgery: str):
    storage = opened[0]
    for number in range(5):
        await storage.audit.add_event(event(after={"n": number}))
    await disarm(storage)
    await storage.database.write(lambda connection: connection.execute(sa.text(forgery)).rowcount)
    verdict = await AuditService(store=storage.audit).verify()
    assert (verdict.broken_at, verdict.reason) == FORGERIES[forgery]


async def test_a_chain_written_anew_is_seen_by_whoever_kept_a_former_head(opened: tuple[Storage, Storage]):
    storage = opened[0]
    service = AuditService(store=storage.audit)
    for number in range(5):
        await storage.audit.add_event(event(after={"n": number}))
    kept = (await service.verify()).head
    await disarm(storage)

    def rewrite(connection: Connection) -> None:
        connection.execute(sa.text("DELETE FROM audit_events"))
        connection.execute(sa.text("DELETE FROM audit_heads"))
        for _ in range(4):
            append_event(connection, event())

    await storage.database.write(rewrite)
    assert (await service.verify()).is_whole
    assert (await service.verify(known=kept)).reason == "the event whose hash was kept is missing"
    await storage.audit.add_event(event())
    verdict = await service.verify(known=kept)
    assert (verdict.broken_at, verdict.reason) == (5, "this is not the event whose hash was kept")


# The service


async def test_an_export_has_every_event_once(filled: AnyStorage):
    pages = [page async for page in AuditService(store=filled.audit).export(ALL)]
    assert [link.number for page in pages for link in page] == [5, 4, 3, 2, 1]


@pytest.mark.parametrize(
    ("wanted", "param"),
    [
        ({"limit": 0}, "limit"),
        ({"limit": 1001}, "limit"),
        ({"limit": True}, "limit"),
        ({"action": "*"}, "action"),
        ({"action": "key.%"}, "action"),
        ({"action": "key.rotate\n"}, "action"),
        ({"actor_id": "a b"}, "actor"),
        ({"target_id": "' OR 1=1"}, "target"),
        ({"environment": ""}, "environment"),
    ],
)
async def test_a_filter_that_can_match_nothing_is_refused_by_name(wanted: dict[str, Any], param: str):
    with pytest.raises(ClientError) as caught:
        await AuditService(store=MemoryStorage().audit).list(replace(ALL, **wanted))
    assert (caught.value.code, caught.value.denied.param) == ("invalid_parameter", param)


def test_differences_are_the_members_that_change():
    assert find_differences({"a": 1, "b": 2}, {"a": 1, "b": 3, "c": None}) == ({"b": 2, "c": None}, {"b": 3, "c": None})


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("AR-live-ABC", [1, 2, 3]),
        ("=1+1 '", [2]),
        ("key_2", [3]),
        ("ROTATE", [3]),
        ("2001:db8", [1, 2, 3]),
        ("req-1", [1, 2, 3]),
        ("%", []),
        ("_2", [3]),
        ("exceeds", [1]),
        ("no such thing", []),
    ],
)
async def test_a_text_is_found_in_who_did_what_to_what(storage: AnyStorage, text: str, found: list[int]):
    await storage.audit.add_event(event("page.denied", is_denied=True, code="exceeds_rights"))
    await storage.audit.add_event(event(target_label="a=1+1 'x"))
    await storage.audit.add_event(event("key.rotate", target_id="key_2"))
    await storage.audit.add_event(event("key.rotate", target_id="key_2", organisation_id="org_other"))
    rows = await AuditService(store=storage.audit).list(replace(ALL, text=text))
    assert sorted(row.number for row in rows) == found


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("Nightly", {"key.create", "key.change", "key.disable"}),  # as it is called now
        ("DRAFT", {"key.change"}),  # as it was called
        ('50%_/\\ "é"', {"key.create", "key.change", "key.disable"}),
        ("nightly 51", set()),
        ("weekly", {"key.create", "key.delete"}),  # deleted since
        ('{"name', set()),
    ],
)
async def test_a_key_is_found_by_the_names_that_it_had_and_has(
    storage: AnyStorage, make_key: Callable[..., Awaitable[ApiKey]], text: str, found: set[str]
):
    name = 'nightly 50%_/\\ "é"'
    key, gone = await make_key(name=name), await make_key(name="weekly")
    await storage.audit.add_event(event("key.change", target_id=key.id, before={"name": "draft", "tags": []}, after={"name": name}))
    await storage.audit.add_event(event("key.disable", target_id=key.id))
    await storage.keys.update_key(replace(gone, deleted_at=NOW, version=gone.version + 1), event("key.delete", target_id=gone.id))
    rows = await AuditService(store=storage.audit).list(replace(ALL, text=text))
    assert {row.event.action for row in rows} == found


@pytest.mark.parametrize("text", ["", "x" * 101, "a\x00b", "a\nb"])
async def test_a_text_that_cannot_be_looked_for_is_refused(storage: AnyStorage, text: str):
    with pytest.raises(ClientError) as refused:
        await AuditService(store=storage.audit).list(replace(ALL, text=text))
    assert refused.value.denied.param == "text"
