"""What requests take of limits and budgets when they are admitted, and that every end gives it back."""

import asyncio
import json
from dataclasses import replace

import pytest

from anyrouter.core.budget import BudgetPeriod, BudgetPolicy
from anyrouter.core.errors import StorageUnavailable, UpstreamBroken
from anyrouter.core.ledger import EntryState
from anyrouter.policy.candidate import RoutingRules, TargetFacts
from anyrouter.policy.charge import Billing

ASK = {"model": "openai/gpt-4o", "messages": [{"role": "user", "content": "Hello"}], "max_tokens": 20}
USED = {"prompt_tokens": 100, "completion_tokens": 10, "total_tokens": 110}
COST = 350_000  # of 100 input and 10 output tokens at the tariff of the tests' models
# What ASK may cost at most: 36 bytes of messages are 18 tokens at 2,500, and 20 tokens at 10,000.
MOST = 18 * 2500 + 20 * 10_000


def completion(**usage: int) -> dict:
    choice = {"index": 0, "message": {"role": "assistant", "content": "Hello"}, "finish_reason": "stop"}
    return {"id": "x", "object": "chat.completion", "created": 1, "model": "m", "choices": [choice], "usage": {**USED, **usage}}


def error_of(downstream) -> dict:
    return json.loads(downstream.body)["error"]


def assert_nothing_is_held(world) -> None:
    holds = world.relay.holds
    assert holds.open_count == 0
    assert holds.purse.reserved_nanousd == 0
    assert holds.limiter._running == {}


async def test_a_principal_without_any_of_it_has_no_terms_and_nothing_is_held(make_world, json_reply) -> None:
    world = make_world(rate_limit_rpm=100)
    world.client.replies = [json_reply(completion())]
    assert (await world.ask(ASK)).status == 200
    (lane,) = world.relay._admission._lanes.values()
    assert lane.terms is None
    assert world.ledger._on_settled is None


async def test_the_accounts_first_sum_is_what_the_ledger_has(make_world, json_reply) -> None:
    world = make_world()
    world.client.replies = [json_reply(completion()) for _ in range(4)]
    for _ in range(3):
        await world.ask(ASK)
    world.use(limit_nanousd=3 * COST + MOST - 1)
    denied = await world.ask({**ASK, "max_tokens": 16})
    assert denied.status == 200  # 16 tokens are fewer
    assert_nothing_is_held(world)
    refused = await world.ask(ASK)
    assert (refused.status, error_of(refused)["code"]) == (402, "key_budget_exceeded")
    assert error_of(refused)["metadata"]["limited_by"] == "key"
    assert len(world.ledger.entries) == 4


async def test_clamp_lowers_max_tokens_and_says_so(make_world, json_reply) -> None:
    world = make_world(limit_nanousd=MOST - 1)
    world.client.replies = [json_reply(completion())]
    reply = await world.ask(ASK)
    assert (reply.status, reply.header("X-AnyRouter-Max-Tokens")) == (200, "19")
    assert world.client.bodies()[0]["max_tokens"] == 19


async def test_what_fits_is_sent_as_it_came(make_world, json_reply) -> None:
    world = make_world(limit_nanousd=MOST)
    world.client.replies = [json_reply(completion())]
    reply = await world.ask(ASK)
    assert (reply.status, reply.header("X-AnyRouter-Max-Tokens")) == (200, None)
    assert world.client.bodies()[0] == {**ASK, "model": "gpt-4o"}


async def test_a_translated_request_is_lowered_too(make_world, json_reply) -> None:
    world = make_world(limit_nanousd=MOST - 1)
    answer = {
        "id": "msg_1",
        "type": "message",
        "role": "assistant",
        "model": "claude-test",
        "content": [{"type": "text", "text": "Hi"}],
        "stop_reason": "end_turn",
        "usage": {"input_tokens": 10, "output_tokens": 2},
    }
    world.client.replies = [json_reply(answer)]
    reply = await world.ask({**ASK, "model": "anthropic/claude-test"})
    assert (reply.status, reply.header("X-AnyRouter-Max-Tokens")) == (200, "19")
    assert world.client.bodies()[0]["max_tokens"] == 19


async def test_a_newer_model_that_is_given_a_limit_gets_it_by_the_name_that_it_takes(make_world, json_reply, make_upstream) -> None:
    world = make_world(upstreams=[make_upstream("openai", "openai", models={"openai/gpt-4o": "gpt-5"})], limit_nanousd=MOST)
    world.client.replies = [json_reply(completion())]
    body = {name: value for name, value in ASK.items() if name != "max_tokens"}
    reply = await world.ask(body)
    assert reply.header("X-AnyRouter-Max-Tokens") == "20"
    assert world.client.bodies()[0]["max_completion_tokens"] == 20


async def test_strict_refuses_what_clamp_would_lower(make_world) -> None:
    world = make_world(limit_nanousd=MOST - 1, budget_policy=BudgetPolicy.STRICT)
    reply = await world.ask(ASK)
    error = error_of(reply)
    assert (reply.status, error["code"], error["type"]) == (402, "key_budget_exceeded", "payment_required")
    assert error["metadata"]["needed"] == MOST / 1e9
    assert world.ledger.intents == []
    assert_nothing_is_held(world)


async def test_a_refusal_of_a_budget_uses_up_no_limit(make_world) -> None:
    world = make_world(limit_nanousd=0, rate_limit_rpm=5, rate_limit_tpm=10_000, rate_limit_rpd=5, concurrency=5)
    for _ in range(20):
        reply = await world.ask(ASK)
        assert reply.status == 402
    assert reply.header("X-RateLimit-Remaining") == "5"
    assert reply.header("x-ratelimit-remaining-tokens") == "10000"
    assert '"day";r=5' in reply.header("RateLimit")
    assert '"concurrency";r=5' in reply.header("RateLimit")
    assert_nothing_is_held(world)


@pytest.mark.parametrize(
    ("limit", "code", "kind"),
    [
        ({"rate_limit_rpm": 0}, "rate_limited", "requests_per_minute"),
        ({"rate_limit_tpm": 0}, "token_rate_limited", "tokens_per_minute"),
        ({"rate_limit_rpd": 0}, "rate_limited", "requests_per_day"),
        ({"concurrency": 0}, "concurrency_limited", "concurrency"),
    ],
)
async def test_a_limit_of_zero_blocks_and_every_refusal_says_which_limit(make_world, limit: dict, code: str, kind: str) -> None:
    world = make_world(**limit)
    reply = await world.ask(ASK)
    error = error_of(reply)
    assert (reply.status, error["code"]) == (429, code)
    metadata = error["metadata"]
    assert {name: metadata[name] for name in ("limited_by", "limit_kind", "limit", "remaining")} == {
        "limited_by": "key",
        "limit_kind": kind,
        "limit": 0,
        "remaining": 0,
    }
    assert int(reply.header("Retry-After")) >= metadata["retry_after_s"] > 0
    assert "blocked" in error["message"]


async def test_tokens_are_set_aside_and_what_was_used_takes_their_place(make_world, json_reply) -> None:
    world = make_world(rate_limit_tpm=300)
    world.client.replies = [json_reply(completion()) for _ in range(3)]
    # 8 tokens of input by the estimate, 20 of the answer.
    first = await world.ask(ASK)
    assert (first.status, first.header("x-ratelimit-limit-tokens"), first.header("x-ratelimit-remaining-tokens")) == (200, "300", "272")
    second = await world.ask(ASK)
    assert second.header("x-ratelimit-remaining-tokens") == str(300 - 110 - 28)
    third = await world.ask({**ASK, "max_tokens": 100})
    error = error_of(third)
    assert (third.status, error["code"]) == (429, "token_rate_limited")
    assert (error["metadata"]["remaining"], error["metadata"]["needed"]) == (80, 108)
    assert int(third.header("Retry-After")) in (59, 60)
    assert (await world.ask(ASK)).status == 200


async def test_a_request_that_is_larger_than_the_limit_waits_for_nobody_but_others(make_world, json_reply) -> None:
    world = make_world(rate_limit_tpm=50)
    world.client.replies = [json_reply(completion())]
    assert (await world.ask({**ASK, "max_tokens": 1000})).status == 200
    assert (await world.ask(ASK)).status == 429


async def test_on_messages_tokens_are_told_in_anthropics_way(make_world, json_reply) -> None:
    world = make_world(rate_limit_tpm=300)
    reply = await world.ask({**ASK, "model": "openai/gpt-4o", "max_tokens": 500, "messages": []}, "messages")
    assert reply.header("anthropic-ratelimit-tokens-limit") == "300"
    assert reply.header("anthropic-ratelimit-tokens-reset").endswith("Z")
    assert reply.header("x-ratelimit-limit-tokens") is None


async def test_requests_of_a_day_count_from_what_the_ledger_has_of_it(make_world, json_reply) -> None:
    world = make_world()
    world.client.replies = [json_reply(completion()) for _ in range(4)]
    for _ in range(2):
        await world.ask(ASK)
    world.use(rate_limit_rpd=3)
    assert (await world.ask(ASK)).status == 200
    reply = await world.ask(ASK)
    assert (reply.status, error_of(reply)["metadata"]["limit_kind"]) == (429, "requests_per_day")
    assert 0 < error_of(reply)["metadata"]["retry_after_s"] <= 86_400


async def hold_open(world, count: int) -> list:
    """So many requests whose upstream has not answered yet."""
    tasks = [asyncio.create_task(world.ask({**ASK, "stream": True})) for _ in range(count)]
    for _ in range(20):
        await asyncio.sleep(0)
    return tasks


async def test_concurrency_counts_what_runs_and_every_end_gives_it_back(make_world, json_reply, stream_reply) -> None:
    world = make_world(concurrency=2, limit_nanousd=10**12)
    event = b'data: {"id":"x","choices":[{"index":0,"delta":{"content":"Hi"}}]}\n\n'
    world.client.replies = [stream_reply(event, 3600.0), stream_reply(event, 3600.0)]
    tasks = await hold_open(world, 2)
    assert world.relay.holds.open_count == 2
    assert world.relay.holds.purse.reserved_nanousd == 2 * MOST
    reply = await world.ask(ASK)
    error = error_of(reply)
    assert (reply.status, error["code"], error["metadata"]["limit"]) == (429, "concurrency_limited", 2)
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)
    assert_nothing_is_held(world)
    assert [entry.state for entry in world.ledger.entries] == [EntryState.CANCELLED] * 2
    world.client.replies = [json_reply(completion())]
    assert (await world.ask(ASK)).status == 200


async def test_every_kind_of_failure_gives_back_what_was_held(make_world, json_reply, stream_reply) -> None:
    world = make_world(concurrency=1, limit_nanousd=10**12, rate_limit_tpm=10**6)
    cut = stream_reply(b'data: {"id":"x","choices":[{"index":0,"delta":{"content":"Hi"}}]}\n\n', UpstreamBroken("cut"))
    failures = [json_reply({"error": {"message": "no"}}, 500), json_reply({}), UpstreamBroken("cut"), json_reply(b"no json"), cut]
    for failure in failures:
        world.client.replies = [failure]
        reply = await world.ask({**ASK, "stream": failure is cut})
        assert reply.is_finished or reply.is_aborted
        assert_nothing_is_held(world)
    world.client.replies = [RuntimeError("a mistake of ours")]
    assert (await world.ask(ASK)).status == 500
    assert_nothing_is_held(world)
    world.ledger.is_broken = True
    world.client.replies = [json_reply(completion())]
    assert (await world.ask(ASK)).status == 503
    assert_nothing_is_held(world)


async def test_a_request_that_is_dropped_without_an_end_gives_back_what_it_held(make_world) -> None:
    world = make_world(concurrency=1, limit_nanousd=10**12)
    head, downstream = world.head(), world.new_downstream()
    principal = await world.relay.find(head)
    work = world.relay.serve(head, principal, json.dumps(ASK).encode(), downstream)
    work.close()
    work = None
    assert_nothing_is_held(world)


async def test_a_kept_reply_costs_nothing_and_holds_nothing(make_world, json_reply) -> None:
    world = make_world(caches={"live": 60.0}, limit_nanousd=MOST + COST, concurrency=1, rate_limit_tpm=1000)
    world.client.replies = [json_reply(completion())]
    for _ in range(5):
        reply = await world.ask(ASK)
        assert reply.status == 200
    assert reply.header("X-AnyRouter-Cache") == "hit"
    assert [entry.cost_nanousd for entry in world.ledger.entries] == [COST, 0, 0, 0, 0]
    assert_nothing_is_held(world)


async def test_a_ledger_that_cannot_be_read_is_503_and_read_again(make_world, json_reply) -> None:
    world = make_world(limit_nanousd=10**12)
    world.ledger.is_broken = True
    reply = await world.ask(ASK)
    assert (reply.status, error_of(reply)["code"]) == (503, "storage_unavailable")
    assert reply.header("Retry-After") is not None
    world.ledger.is_broken = False
    world.client.replies = [json_reply(completion())]
    assert (await world.ask(ASK)).status == 200


async def test_many_who_wait_for_one_account_read_it_once(make_world, json_reply, monkeypatch) -> None:
    world = make_world(limit_nanousd=10**12)
    world.client.replies = [json_reply(completion()) for _ in range(50)]
    questions, read, gate = [], world.ledger.read_usage, asyncio.Event()

    async def slowly(asked):
        questions.extend(asked)
        await gate.wait()
        return await read(asked)

    world.ledger.read_usage = slowly
    tasks = [asyncio.create_task(world.ask(ASK)) for _ in range(50)]
    for _ in range(5):
        await asyncio.sleep(0)
    tasks[0].cancel()  # who leaves does not take it from the others
    await asyncio.sleep(0)
    gate.set()
    replies = await asyncio.gather(*tasks[1:])
    assert len(questions) == 1
    assert {reply.status for reply in replies} == {200}
    assert_nothing_is_held(world)


async def test_of_two_hundred_at_once_on_a_budget_for_seventy_three_exactly_as_many_succeed(make_world, json_reply) -> None:
    world = make_world(limit_nanousd=73 * MOST + 15 * 10_000)
    event = b'data: {"id":"x","choices":[{"index":0,"delta":{"content":"Hi"}}]}\n\n'
    gate = asyncio.Event()

    class Waiting(type(json_reply({}))):
        async def _parts(self):
            await gate.wait()
            for part in self.parts:
                yield part

    usage = {"prompt_tokens": 18, "completion_tokens": 20, "total_tokens": 38}
    end = (
        b'data: {"id":"x","choices":[{"index":0,"delta":{},"finish_reason":"stop"}],"usage":%s}\n\ndata: [DONE]\n\n'
        % json.dumps(usage).encode()
    )
    world.client.replies = [Waiting(200, [(b"content-type", b"text/event-stream")], [event, end]) for _ in range(200)]
    tasks = [asyncio.create_task(world.ask({**ASK, "stream": True})) for _ in range(200)]
    while sum(task.done() for task in tasks) < 127:  # noqa: ASYNC110 -- what is refused tells nobody
        await asyncio.sleep(0)
    gate.set()
    replies = await asyncio.gather(*tasks)
    assert sorted(reply.status for reply in replies) == [200] * 73 + [402] * 127
    assert sum(entry.cost_nanousd for entry in world.ledger.entries) == 73 * MOST
    assert_nothing_is_held(world)
    assert (await world.ask(ASK)).status == 402


async def test_a_model_without_a_price_is_refused_where_a_budget_has_to_bear_it(make_world, make_upstream, json_reply) -> None:
    open_upstream = make_upstream("openai", "openai", is_open=True)
    world = make_world(upstreams=[open_upstream], limit_nanousd=10**12)
    ask = {**ASK, "model": "openai/unheard-of"}
    reply = await world.ask(ask)
    assert (reply.status, error_of(reply)["code"]) == (402, "key_budget_exceeded")
    assert error_of(reply)["metadata"]["price_unknown"] is True
    world.client.replies = [json_reply(completion())]
    both = await world.ask({**ask, "models": ["openai/unheard-of", "openai/gpt-4o"]})
    assert both.status == 200
    assert world.client.bodies()[0]["model"] == "gpt-4o"
    world.use(limit_nanousd=None)
    world.client.replies = [json_reply(completion())]
    assert (await world.ask(ask)).status == 200


async def test_embeddings_are_bounded_by_their_input(make_world, json_reply) -> None:
    world = make_world(limit_nanousd=3 * 2500, budget_policy=BudgetPolicy.STRICT)
    reply = {"object": "list", "data": [], "model": "m", "usage": {"prompt_tokens": 3, "total_tokens": 3}}
    world.client.replies = [json_reply(reply)]
    four = await world.ask({"model": "openai/text-embedding-3-small", "input": [1, 2, 3, 4]}, "embeddings")
    assert four.status == 402
    three = await world.ask({"model": "openai/text-embedding-3-small", "input": [1, 2, 3]}, "embeddings")
    assert three.status == 200


@pytest.mark.parametrize(
    "more",
    [{"n": 128}, {"max_tokens": 10**9}, {"max_tokens": 1e9}, {"n": 10**6, "max_tokens": 16}, {"messages": "x" * 200_000}],
)
async def test_no_request_is_sent_that_could_cost_more_than_is_left(make_world, more: dict) -> None:
    world = make_world(limit_nanousd=MOST, budget_policy=BudgetPolicy.STRICT)
    reply = await world.ask({**ASK, **more})
    assert (reply.status, world.client.sent) == (402, [])


async def test_keys_of_one_rotation_group_share_budget_day_tokens_and_concurrency(make_world, json_reply) -> None:
    world = make_world(limit_nanousd=2 * MOST, rotation_group="key_0", rate_limit_rpd=2)
    world.client.replies = [json_reply(completion(prompt_tokens=18, completion_tokens=20))]
    assert (await world.ask(ASK)).status == 200
    world.use(id="key_2")
    world.client.replies = [json_reply(completion(prompt_tokens=18, completion_tokens=20))]
    assert (await world.ask(ASK)).status == 200
    assert (await world.ask(ASK)).status == 429
    world.use(id="key_3", rate_limit_rpd=None)
    assert (await world.ask(ASK)).status == 402


async def test_another_limit_for_the_same_period_keeps_what_was_spent_and_another_period_is_read(make_world, json_reply) -> None:
    world = make_world(limit_nanousd=COST)
    world.client.replies = [json_reply(completion())]
    assert (await world.ask(ASK)).status == 200
    assert (await world.ask(ASK)).status == 402
    world.use(limit_nanousd=COST + MOST)
    world.client.replies = [json_reply(completion(prompt_tokens=18, completion_tokens=20))]
    assert (await world.ask(ASK)).status == 200
    world.use(limit_reset=BudgetPeriod.MONTHLY)
    reply = await world.ask(ASK)
    assert (reply.status, error_of(reply)["metadata"]["remaining"]) == (402, 0.0)
    world.use(limit_nanousd=None)
    assert world.relay.holds.purse._books != {}


async def test_storage_errors_have_the_type_that_clients_know(make_world) -> None:
    world = make_world(rate_limit_rpd=5)
    world.ledger.is_broken = True
    head, downstream = world.head(), world.new_downstream()
    principal = await world.relay.find(head)
    await world.run(head, replace(principal), json.dumps(ASK).encode(), downstream)
    assert (downstream.status, error_of(downstream)["code"]) == (503, StorageUnavailable.code)


async def test_a_dry_run_says_what_a_budget_would_do_and_takes_nothing(make_world) -> None:
    world = make_world(limit_nanousd=MOST - 1, rate_limit_rpm=5)
    data = json.loads((await world.ask(ASK, "route")).body)["data"]
    assert data["allowed"] is True
    assert (data["price"]["reserved"], data["price"]["lowered_max_tokens"]) == ((MOST - 10_000) / 1e9, 19)
    world.use(budget_policy=BudgetPolicy.STRICT)
    data = json.loads((await world.ask(ASK, "route")).body)["data"]
    assert (data["allowed"], data["error"]["code"], data["error"]["status"]) == (False, "key_budget_exceeded", 402)
    assert "reserved" not in data["price"]
    world.use(limit_nanousd=None, concurrency=0)
    data = json.loads((await world.ask(ASK, "route")).body)["data"]
    assert (data["allowed"], data["error"]["code"]) == (False, "concurrency_limited")
    assert_nothing_is_held(world)
    assert world.relay.holds.limiter.peek(await world.relay.find(world.head()), 0.0).remaining == 5


def bill(world, *, is_byok: bool = False, **terms: int) -> None:
    """What the operator charges, and whose credential is used."""
    world.relay.holds.billing = Billing(**terms)
    world.relay._admission._rules = RoutingRules(facts_of=lambda _: TargetFacts(is_byok=is_byok))


def cost_of(reply) -> dict:
    return json.loads(reply.body)["usage"]


async def test_a_tenants_own_credential_costs_the_routing_fee_and_nothing_else(make_world, json_reply) -> None:
    world = make_world(limit_nanousd=1000)
    bill(world, is_byok=True, routing_fee_nanousd=500, markup_ppm=2_000_000)
    world.client.replies = [json_reply(completion()), json_reply(completion()), json_reply({"error": {"message": "no"}}, 500)]
    reply = await world.ask(ASK)
    assert reply.status == 200
    assert cost_of(reply)["cost"] == 500e-9
    assert cost_of(reply)["is_byok"] is True
    assert cost_of(reply)["cost_details"]["upstream_inference_cost"] == COST / 1e9
    (entry,) = world.ledger.entries
    assert (entry.cost_nanousd, entry.routing_fee_nanousd, entry.upstream_cost_nanousd, entry.is_byok) == (500, 500, COST, True)
    assert (await world.ask(ASK)).status == 200
    assert (await world.ask(ASK)).status == 402
    world.use(limit_nanousd=2000)
    assert (await world.ask(ASK)).status == 502
    assert world.ledger.entries[-1].cost_nanousd == 0, "nothing was served"
    assert_nothing_is_held(world)


async def test_a_model_without_a_price_may_be_asked_with_a_tenants_own_credential(make_world, make_upstream, json_reply) -> None:
    world = make_world(upstreams=[make_upstream("openai", "openai", is_open=True)], limit_nanousd=1000)
    bill(world, is_byok=True, routing_fee_nanousd=5)
    world.client.replies = [json_reply(completion())]
    reply = await world.ask({**ASK, "model": "openai/unheard-of"})
    assert (reply.status, world.ledger.entries[-1].cost_nanousd) == (200, 5)


async def test_a_markup_is_charged_shown_and_reserved(make_world, json_reply) -> None:
    world = make_world(limit_nanousd=MOST, budget_policy=BudgetPolicy.STRICT)
    bill(world, markup_ppm=1_100_000)
    assert round(error_of(await world.ask(ASK))["metadata"]["needed"] * 1e9) == MOST * 11 // 10
    world.use(limit_nanousd=2 * MOST)
    world.client.replies = [json_reply(completion())]
    reply = await world.ask(ASK)
    assert round(cost_of(reply)["cost"] * 1e9) == COST * 11 // 10
    assert cost_of(reply)["cost_details"]["upstream_inference_cost"] == 0
    assert world.ledger.entries[-1].cost_nanousd == COST * 11 // 10


async def test_a_kept_reply_costs_no_fee(make_world, json_reply) -> None:
    world = make_world(caches={"live": 60.0})
    bill(world, is_byok=True, routing_fee_nanousd=500)
    world.client.replies = [json_reply(completion())]
    for _ in range(2):
        reply = await world.ask(ASK)
    assert reply.header("X-AnyRouter-Cache") == "hit"
    assert [entry.cost_nanousd for entry in world.ledger.entries] == [500, 0]
    assert cost_of(reply)["cost"] == 0
