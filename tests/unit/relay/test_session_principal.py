"""The principal of a session: a member's own in an environment of the same organisation, ended with what it is of."""

import asyncio
import json
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

import pytest

from anyrouter.core.budget import Budget, BudgetOwner, BudgetPeriod
from anyrouter.core.errors import Denied
from anyrouter.core.playground import find_player, playground_key_id
from anyrouter.core.tenancy import Environment, EnvironmentKind, Member, Role
from anyrouter.core.tenants import Tenants
from anyrouter.policy.endpoints import ENDPOINTS
from anyrouter.policy.rights import rights_of_key
from anyrouter.relay.session_principal import SessionPrincipals, name_players
from support.tenants import ORGANISATION, tenants_of

NOW = datetime(2026, 1, 1, tzinfo=UTC)
LIVE = Environment(id="env_live", organisation_id=ORGANISATION.id, slug="live", name="live", kind=EnvironmentKind.LIVE)
THEIRS = Environment(id="env_theirs", organisation_id="org_other", slug="theirs", name="theirs", kind=EnvironmentKind.LIVE)
MEMBER = Member(id="mem_1", organisation_id=ORGANISATION.id, email="a@example.org", name="A", role=Role.DEVELOPER, created_at=NOW)
BUDGET = Budget(
    id="bud_1",
    organisation_id=ORGANISATION.id,
    owner=BudgetOwner.ENVIRONMENT,
    owner_id=LIVE.id,
    limit_nanousd=1,
    period=BudgetPeriod.TOTAL,
)
ASK = {"model": "openai/gpt-4o", "messages": [{"role": "user", "content": "Hello"}], "stream": True}
EVENT = b'data: {"id":"x","choices":[{"index":0,"delta":{"content":"Hi there"}}]}\n\n'


def tenants(*, member: Member = MEMBER, live: Environment = LIVE, **more: object) -> Tenants:
    return tenants_of(live, THEIRS, members={member.id: member}, **more)


async def find(known: Tenants, slug: str = "live", member: Member = MEMBER) -> Any:
    return await SessionPrincipals(lambda: known).find(member, slug, "203.0.113.7", NOW)


async def test_it_is_the_members_own_and_counts_against_the_budgets_of_environment_and_organisation() -> None:
    principal = await find(tenants(budgets={LIVE.id: (BUDGET,)}))
    assert principal.key.id == principal.key.rotation_group == playground_key_id(MEMBER.id)
    assert find_player(principal.key.id) == MEMBER.id
    assert (principal.environment, principal.organisation, principal.member) == (LIVE, ORGANISATION, MEMBER)
    assert principal.budgets == (BUDGET,)


async def test_it_asks_for_chats_and_gives_and_manages_nothing() -> None:
    key = (await find(tenants())).key
    assert {row.path for row in ENDPOINTS.values() if key.endpoints is None or row.path in key.endpoints} == {"chat/completions"}
    assert not any(scope.startswith("admin:") for scope in rights_of_key(key).scopes)


@pytest.mark.parametrize(
    ("known", "slug", "code"),
    [
        (tenants(), "nowhere", "not_found"),
        (tenants(), "theirs", "not_found"),
        (tenants(live=replace(LIVE, deleted_at=NOW)), "live", "not_found"),
        (tenants(live=replace(LIVE, is_active=False)), "live", "exceeds_rights"),
        (tenants(member=replace(MEMBER, is_active=False)), "live", "disabled_api_key"),
        (tenants(organisations=(replace(ORGANISATION, is_active=False),)), "live", "disabled_api_key"),
    ],
)
async def test_what_is_not_there_or_not_active_is_refused(known: Tenants, slug: str, code: str) -> None:
    denied = await find(known, slug)
    assert isinstance(denied, Denied)
    assert denied.code == code


def test_what_is_shown_of_the_playground_has_the_members_name_and_nothing_of_other_organisations() -> None:
    theirs = replace(MEMBER, id="mem_2", organisation_id="org_other")
    members = {row.id: row for row in (MEMBER, theirs)}
    ids = ["key_1", playground_key_id("mem_1"), playground_key_id("mem_2"), playground_key_id("mem_3"), playground_key_id("mem_1")]
    assert [key.name for key in name_players(ids, members, ORGANISATION.id)] == ["Playground: A"]
    assert [key.name for key in name_players(ids, {"mem_1": replace(MEMBER, name="")}, ORGANISATION.id)] == ["Playground: a@example.org"]


async def test_a_member_who_is_new_is_waited_for() -> None:
    known = [tenants_of(LIVE)]
    asking = asyncio.create_task(SessionPrincipals(lambda: known[0]).find(MEMBER, "live", "203.0.113.7", NOW))
    await asyncio.sleep(0)
    known[0] = tenants()
    assert (await asking).member == MEMBER


async def test_a_stream_goes_on_while_others_change_and_is_cut_with_the_membership(
    make_world: Callable[..., Any], stream_reply: Any
) -> None:
    world = make_world()
    known = [tenants()]
    world.relay.running._tenants = lambda: known[0]
    exchange = stream_reply(EVENT, 3600.0)
    world.client.replies = [exchange]
    head, downstream = world.head(), world.new_downstream()
    principal = await find(known[0])
    task = asyncio.create_task(world.run(head, principal, json.dumps(ASK).encode(), downstream))
    for _ in range(20):
        await asyncio.sleep(0)
    await world.relay.running.judge_again()
    assert not exchange.is_cancelled
    world.store.is_broken = True
    await world.relay.running.judge_again()
    assert not exchange.is_cancelled
    known[0] = tenants(member=replace(MEMBER, is_active=False))
    await world.relay.running.judge_again()
    async with asyncio.timeout(5):
        await task
    assert exchange.is_cancelled
    assert b"disabled_api_key" in downstream.body
    (entry,) = world.ledger.entries
    assert (entry.api_key_id, entry.state.value) == (playground_key_id(MEMBER.id), "cancelled")
