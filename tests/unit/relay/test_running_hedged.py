"""Requests with two attempts under way whose key may not go on."""

import asyncio
import json

from tests.unit.relay.test_hedge import SILENT, ask, delta, entries_of, settle, stage, stream

from anyrouter.core.ledger import HEDGE_LOST, EntryState

__all__ = ["stage"]


def give_back_is_whole(world) -> bool:
    return world.relay.running.calls == {} and world.stats.running == 0 and world.relay.holds.open_count == 0 and world.errors == []


async def test_both_attempts_are_cancelled_and_billed_and_the_client_is_told_once(stage) -> None:
    world = stage(concurrency=1)
    world.client.acts = {"a": [[SILENT]], "b": [[SILENT]]}
    asking = ask(world)
    await world.client.asks("a", "b")
    world.use(is_disabled=True)
    await world.relay.running.judge_again()
    reply = await asyncio.wait_for(asking, 5)
    assert (reply.status, json.loads(reply.body)["error"]["code"]) == (401, "disabled_api_key")
    assert sorted(world.client.cancelled) == ["a", "b"]
    entries = entries_of(world)
    assert {(entry.state, entry.error_code) for entry in entries.values()} == {
        (EntryState.CANCELLED, "disabled_api_key"),
        (EntryState.CANCELLED, HEDGE_LOST),
    }
    assert give_back_is_whole(world)


async def test_the_stream_that_has_won_is_cut_by_what_its_own_target_is(stage) -> None:
    world = stage()
    go_on = asyncio.Event()
    exchange = stream(delta("Hi there"), go_on)
    world.client.acts = {"a": [[SILENT]], "b": [[exchange]]}
    asking = ask(world, stream=True)
    await world.client.asks("a", "b")
    await settle()
    world.use(providers=("anthropic",))
    await world.relay.running.judge_again()
    reply = await asyncio.wait_for(asking, 5)
    assert reply.status == 200
    assert b'"code":"provider_not_allowed"' in reply.body
    assert reply.is_finished
    assert exchange.is_cancelled
    entries = entries_of(world)
    assert (entries[2].state, entries[2].error_code, entries[2].status) == (EntryState.CANCELLED, "provider_not_allowed", 200)
    assert entries[2].usage.output_tokens > 0
    assert give_back_is_whole(world)
