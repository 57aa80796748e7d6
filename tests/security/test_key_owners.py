"""Section C of the attack cases: keys whose organisation, member or member's role is not what it was when they were made."""

import asyncio
import json
import os
import time
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

import pytest
from tests.security.conftest import Exposed
from tests.security.test_key_state import PROMPT_S, is_soon

from anyrouter.core.audit import OPERATOR, AuditEvent
from anyrouter.core.ids import new_id
from anyrouter.core.tenancy import DEFAULT_ORGANISATION_ID, Member, Role
from anyrouter.storage.opening import Storage
from support.raw_client import raw_request


def event(action: str) -> AuditEvent:
    now = datetime.now(UTC).replace(microsecond=0)
    return AuditEvent(id=new_id("aud", 1), organisation_id=DEFAULT_ORGANISATION_ID, at=now, actor=OPERATOR, action=action)


def in_storage(exposed: Exposed, work: Any) -> Any:
    return asyncio.run(exposed._with_storage(work))


def change_member(exposed: Exposed, member: Member, **changes: Any) -> Member:
    changed = replace(member, **changes, version=member.version + 1)
    in_storage(exposed, lambda storage: storage.members.update_member(changed, event("member.update")))
    return changed


@pytest.fixture
def member(exposed: Exposed) -> Member:
    """An admin."""
    row = Member(
        id=new_id("mem", 1),
        organisation_id=DEFAULT_ORGANISATION_ID,
        email=f"{os.urandom(6).hex()}@b.example",
        name="A",
        role=Role.ADMIN,
        created_at=datetime(2026, 1, 1, tzinfo=UTC),
    )
    in_storage(exposed, lambda storage: storage.members.add_member(row, event("member.create")))
    return row


@pytest.fixture
def suspended(exposed: Exposed) -> Iterator[None]:
    """The organisation, switched off for the length of a test."""

    async def switch(storage: Storage, *, is_active: bool) -> None:
        row = (await storage.organisations.list_organisations())[0]
        changed = replace(row, is_active=is_active, version=row.version + 1)
        await storage.organisations.update_organisation(changed, event("organisation.update"))

    in_storage(exposed, lambda storage: switch(storage, is_active=False))
    yield
    in_storage(exposed, lambda storage: switch(storage, is_active=True))
    assert is_soon(exposed, exposed.live_key, (200, None))


def test_a_personal_key_ends_with_the_membership_and_a_service_key_stays(exposed: Exposed, member: Member) -> None:
    personal = exposed.new_key("--member", member.id)
    assert is_soon(exposed, personal, (200, None))
    made = exposed.new_key("--scope", "admin:keys", "--member", member.id)
    reply = exposed.ask(raw_request(b"POST", b"/api/v1/keys", key=made, body=json.dumps({"name": f"of {member.id}"}).encode()))
    service = reply.json["key"]
    change_member(exposed, member, is_active=False)
    assert is_soon(exposed, personal, (401, "invalid_api_key"))
    assert is_soon(exposed, service, (200, None))


def test_a_personal_key_administers_no_more_than_its_persons_role_does_now(exposed: Exposed, member: Member) -> None:
    key = exposed.new_key("--scope", "admin:*", "--scope", "models:read", "--member", member.id)
    listing = raw_request(b"GET", b"/api/v1/keys", key=key)
    assert exposed.ask(listing).status == 200
    viewer = change_member(exposed, member, role=Role.VIEWER)
    end_s = time.monotonic() + PROMPT_S
    while (reply := exposed.ask(listing)).status == 200:
        assert time.monotonic() < end_s
    assert (reply.status, reply.code) == (403, "insufficient_scope")
    assert exposed.ask(raw_request(b"GET", b"/api/v1/models/count", key=key)).status == 200
    change_member(exposed, viewer, role=Role.ADMIN)


@pytest.mark.usefixtures("suspended")
def test_an_organisation_that_is_switched_off_takes_its_keys_with_it(exposed: Exposed) -> None:
    assert is_soon(exposed, exposed.live_key, (401, "disabled_api_key"))
