"""A second attempt beside a slow first one: who serves, who is cancelled, what is billed and what the client is told."""

import asyncio
import json
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

import pytest

from anyrouter.core.authorization import OpenedHeader, OutgoingRequest
from anyrouter.core.errors import ConnectFailed, UpstreamBroken
from anyrouter.core.ledger import HEDGE_LOST, EntryState, LedgerEntry
from anyrouter.core.usage import UsageSource
from anyrouter.core.vault import KekUnavailable
from anyrouter.policy.candidate import RoutingRules
from anyrouter.policy.circuit import ADMITTED
from anyrouter.policy.hedge import HedgePolicy
from anyrouter.policy.retry_budget import RetrySettings

CHAT: dict[str, Any] = {"model": "openai/gpt-4o", "messages": [{"role": "user", "content": "hi"}], "provider": {"hedge": True}}
COMPLETION = {
    "id": "chatcmpl-123",
    "object": "chat.completion",
    "created": 1700000000,
    "model": "gpt-4o",
    "choices": [{"index": 0, "message": {"role": "assistant", "content": "Hello"}, "finish_reason": "stop"}],
    "usage": {"prompt_tokens": 100, "completion_tokens": 10, "total_tokens": 110},
}
PRICE_NANOUSD = 100 * 2500 + 10 * 10000  # of COMPLETION's usage under the tests' tariff
INPUT_PRICE_NANOUSD = 2500  # of a token
SILENT = object()
QUICK = HedgePolicy(floor_s=0.01, least_samples=1)
CHUNK = {"id": "c", "object": "chat.completion.chunk", "created": 1, "model": "gpt-4o"}


def event(value: object) -> bytes:
    return b"data: %s\n\n" % (value if isinstance(value, bytes) else json.dumps(value).encode())


def delta(text: str, finish_reason: str | None = None) -> bytes:
    return event({**CHUNK, "choices": [{"index": 0, "delta": {"content": text}, "finish_reason": finish_reason}]})


END = (
    delta("", "stop"),
    event({**CHUNK, "choices": [], "usage": {"prompt_tokens": 100, "completion_tokens": 10, "total_tokens": 110}}),
    event(b"[DONE]"),
)


class StagedExchange:
    """A reply whose parts come when the test says so: an event among them is waited for."""

    def __init__(self, parts: list[object], kind: bytes = b"application/json", status: int = 200) -> None:
        self.status, self.headers, self.parts = status, [(b"content-type", kind)], parts
        self.failure: Exception | None = None
        self.is_cancelled, self.is_stale, self.fed = False, False, 0

    def take(self, _max_bytes: int) -> bytes | None:
        return None

    async def read(self, _max_bytes: int) -> bytes:
        body = b""
        async for part in self._parts():
            body += part
        return body

    async def stream_to(self, sink: Any) -> None:
        async for part in self._parts():
            self.fed += 1
            sink.feed(part)

    async def _parts(self) -> Any:
        for part in self.parts:
            if isinstance(part, Exception):
                raise part
            if part is SILENT:
                await asyncio.Event().wait()
            elif isinstance(part, asyncio.Event):
                await part.wait()
            else:
                yield part

    def pause(self) -> None: ...

    def resume(self) -> None: ...

    def cancel(self) -> None:
        self.is_cancelled = True


@dataclass
class Stage:
    """Upstreams by their credential. What each does in turn: an event or SILENT before the head, then an exchange or an error."""

    has_idle: bool = False
    acts: dict[str, list[list[object]]] = field(default_factory=dict)
    asked: list[str] = field(default_factory=list)
    cancelled: list[str] = field(default_factory=list)
    arrived: asyncio.Event = field(default_factory=asyncio.Event)  # set by each request

    async def send(self, _origin: object, head: bytes, _body: object, _timeouts: object) -> StagedExchange:
        name = head.partition(b"sk-MARKER-")[2].partition(b"\r\n")[0].decode()
        self.asked.append(name)
        self.arrived.set()
        try:
            for act in self.acts[name].pop(0):
                if isinstance(act, Exception):
                    raise act
                if act is SILENT:
                    await asyncio.Event().wait()
                elif isinstance(act, asyncio.Event):
                    await act.wait()
                else:
                    assert isinstance(act, StagedExchange)
                    return act
        except asyncio.CancelledError:
            self.cancelled.append(name)
            raise
        raise AssertionError("the act has no end")

    def is_ready(self, _origin: object, _size: int) -> bool:
        return self.has_idle

    def begin(self, *_: object) -> StagedExchange:
        raise AssertionError("a hedged request waits in a task")

    async def asks(self, *names: str) -> None:
        """Return when just these have been asked, in this order."""
        while len(self.asked) < len(names):
            self.arrived.clear()
            await asyncio.wait_for(self.arrived.wait(), 5)
        assert self.asked == list(names)


def whole(*before: object, **changes: object) -> StagedExchange:
    return StagedExchange([*before, json.dumps({**COMPLETION, **changes}).encode()])


def stream(*parts: object) -> StagedExchange:
    return StagedExchange(list(parts), b"text/event-stream")


@pytest.fixture
def stage(make_world, make_upstream) -> Callable[..., Any]:
    """A world of upstreams `a`, `b` and `c`, in this order, whose first answers were measured to come at once."""

    def build(policy: HedgePolicy = QUICK, *, samples: int = 5, names: str = "abc", others: Sequence[Any] = (), **changes: Any) -> Any:
        upstreams = [make_upstream(name, "openai", place) for place, name in enumerate(names)]
        world = make_world([*upstreams, *others], client=Stage(), hedging=policy, **changes)
        now_s = time.monotonic()
        for _ in range(samples):
            health_of(world, "a").succeed(ADMITTED, now_s, 1.0, 1.0, 50.0)
        return world

    return build


def health_of(world: Any, name: str) -> Any:
    return world.relay.health.find((name, "gpt-4o"), time.monotonic())


def entries_of(world: Any) -> dict[int, LedgerEntry]:
    """The ledger's entries by their attempt."""
    entries = {entry.attempt: entry for entry in world.ledger.entries}
    assert len(entries) == len(world.ledger.entries)
    return entries


def cost_of(reply: Any) -> int:
    """What the client was told, in nano-USD."""
    if b"data: " in reply.body:
        told = [json.loads(line[6:]) for line in reply.body.split(b"\n") if line.startswith(b"data: {")]
        usage = next(chunk["usage"] for chunk in reversed(told) if chunk.get("usage"))
    else:
        usage = json.loads(reply.body)["usage"]
    return round(usage["cost"] * 1e9)


def total_of(world: Any) -> int:
    return sum(entry.cost_nanousd for entry in world.ledger.entries)


def ask(world: Any, **members: Any) -> "asyncio.Task[Any]":
    return asyncio.create_task(world.ask({**CHAT, **members}))


async def settle(turns: int = 10) -> None:
    """Let what was begun go on."""
    for _ in range(turns):
        await asyncio.sleep(0)


async def test_the_second_serves_when_the_first_is_silent_and_both_are_billed(stage):
    world = stage()
    world.client.acts = {"a": [[SILENT]], "b": [[whole()]]}
    reply = await ask(world)
    assert (reply.status, world.client.asked, world.client.cancelled) == (200, ["a", "b"], ["a"])
    assert reply.header("X-AnyRouter-Served-By") == "b; attempt=2"
    entries = entries_of(world)
    lost, won = entries[1], entries[2]
    assert (lost.upstream, lost.state, lost.error_code) == ("a", EntryState.CANCELLED, HEDGE_LOST)
    assert (lost.usage.input_tokens, lost.usage.output_tokens) == (lost.estimated_input_tokens, 0)
    assert (lost.usage.source, lost.cost_nanousd) == (UsageSource.ESTIMATED, lost.estimated_input_tokens * INPUT_PRICE_NANOUSD)
    assert lost.cost_nanousd > 0
    assert (won.upstream, won.state, won.status, won.cost_nanousd) == ("b", EntryState.SETTLED, 200, PRICE_NANOUSD)
    assert won.generation_id == lost.generation_id == reply.header("X-Generation-Id")
    assert [(record.upstream, record.error, record.cost_nanousd) for record in won.attempts] == [
        ("a", HEDGE_LOST, lost.cost_nanousd),
        ("b", None, 0),
    ]
    assert [(record.upstream, record.error, record.cost_nanousd) for record in lost.attempts] == [("a", HEDGE_LOST, 0)]
    assert cost_of(reply) == total_of(world) == lost.cost_nanousd + PRICE_NANOUSD
    assert (world.stats.hedges, world.stats.hedges_won, world.stats.running) == (1, 1, 0)
    assert sum(world.stats.requests.values()) == 1
    assert sum(world.stats.cost_nanousd.values()) == total_of(world)


async def test_the_first_serves_when_it_answers_before_the_second(stage):
    world = stage()
    answer = asyncio.Event()
    world.client.acts = {"a": [[answer, whole()]], "b": [[SILENT]]}
    asking = ask(world)
    await world.client.asks("a", "b")
    answer.set()
    reply = await asking
    assert (reply.header("X-AnyRouter-Served-By"), world.client.cancelled) == ("a; attempt=1", ["b"])
    entries = entries_of(world)
    assert (entries[1].state, entries[2].state, entries[2].error_code) == (EntryState.SETTLED, EntryState.CANCELLED, HEDGE_LOST)
    assert [(record.upstream, record.error) for record in entries[1].attempts] == [("a", None), ("b", HEDGE_LOST)]
    assert cost_of(reply) == total_of(world) > PRICE_NANOUSD
    assert (world.stats.hedges, world.stats.hedges_won) == (1, 0)


async def test_a_stream_is_won_by_the_first_event_not_by_the_head(stage):
    world = stage()
    heads = {"a": stream(SILENT), "b": stream(delta("Hel"), delta("lo"), *END)}
    world.client.acts = {name: [[exchange]] for name, exchange in heads.items()}
    reply = await ask(world, stream=True, stream_options={"include_usage": True})
    assert reply.header("X-AnyRouter-Served-By") == "b; attempt=2"
    assert (heads["a"].is_cancelled, heads["b"].is_cancelled) == (True, False)
    assert reply.body.count(b"Hel") == 1
    assert reply.body.endswith(b"data: [DONE]\n\n")
    entries = entries_of(world)
    assert (entries[1].error_code, entries[2].state) == (HEDGE_LOST, EntryState.SETTLED)
    assert entries[2].ttft_ms is not None
    assert entries[1].ttft_ms is None
    assert cost_of(reply) == total_of(world) > PRICE_NANOUSD


async def test_what_the_loser_sends_after_the_winner_began_reaches_nobody(stage):
    world = stage()
    late, going_on = asyncio.Event(), asyncio.Event()
    loser = stream(late, delta("LOSER"), *END)
    world.client.acts = {"a": [[loser]], "b": [[stream(delta("Hel"), going_on, delta("lo"), *END)]]}
    asking = ask(world, stream=True)
    await world.client.asks("a", "b")
    await settle()
    late.set()
    await settle()
    assert (loser.is_cancelled, loser.fed) == (True, 0)
    going_on.set()
    reply = await asking
    assert b"LOSER" not in reply.body
    assert reply.body.count(b"[DONE]") == 1
    assert sorted(entries_of(world)) == [1, 2]


async def test_heads_that_come_in_the_same_moment_make_one_reply(stage):
    world = stage()
    answer = asyncio.Event()
    world.client.acts = {"a": [[answer, whole()]], "b": [[answer, whole()]]}
    asking = ask(world)
    await world.client.asks("a", "b")
    answer.set()
    reply = await asking
    assert (reply.status, reply.is_finished) == (200, True)
    assert sorted(entry.state for entry in world.ledger.entries) == [EntryState.CANCELLED, EntryState.SETTLED]
    assert cost_of(reply) == total_of(world)


async def test_when_both_fail_the_next_candidate_is_asked_and_nobody_who_failed_is_billed(stage):
    world = stage()
    fail = asyncio.Event()
    world.client.acts = {"a": [[fail, ConnectFailed("no")]], "b": [[StagedExchange([b"{}"], status=500)]], "c": [[whole()]]}
    asking = ask(world)
    await world.client.asks("a", "b")
    await settle()
    assert world.client.asked == ["a", "b"]  # no third one while the first still runs
    fail.set()
    reply = await asking
    assert (world.client.asked, reply.header("X-AnyRouter-Served-By")) == (["a", "b", "c"], "c; attempt=3")
    (entry,) = world.ledger.entries
    assert (entry.attempt, entry.upstream, entry.cost_nanousd) == (3, "c", PRICE_NANOUSD)
    assert [(record.upstream, record.status, record.error) for record in entry.attempts] == [
        ("a", 0, "upstream_error"),
        ("b", 500, "upstream_error"),
        ("c", 200, None),
    ]
    assert cost_of(reply) == PRICE_NANOUSD


async def test_a_first_that_fails_while_the_second_runs_waits_for_it(stage):
    world = stage()
    answer = asyncio.Event()
    world.client.acts = {"a": [[answer, StagedExchange([b"{}"], status=503)]], "b": [[SILENT]], "c": []}
    fail, serve = answer, asyncio.Event()
    world.client.acts["b"] = [[serve, whole()]]
    asking = ask(world)
    await world.client.asks("a", "b")
    fail.set()
    await settle()
    assert world.client.asked == ["a", "b"]
    serve.set()
    reply = await asking
    assert reply.header("X-AnyRouter-Served-By") == "b; attempt=2"
    (entry,) = world.ledger.entries
    assert [(record.upstream, record.status) for record in entry.attempts] == [("a", 503), ("b", 200)]
    assert cost_of(reply) == PRICE_NANOUSD


async def test_when_all_fail_the_client_hears_of_all(stage):
    world = stage(names="ab")
    fail = asyncio.Event()
    world.client.acts = {"a": [[fail, ConnectFailed("no")]], "b": [[StagedExchange([b"{}"], status=500)]]}
    asking = ask(world)
    await world.client.asks("a", "b")
    fail.set()
    reply = await asking
    error = json.loads(reply.body)["error"]
    assert (reply.status, [row["upstream"] for row in error["metadata"]["attempts"]]) == (502, ["a", "b"])
    assert world.ledger.entries == []


async def test_a_failure_before_the_second_began_is_a_fallback_as_ever(stage):
    world = stage(HedgePolicy(floor_s=30.0, least_samples=1))
    world.client.acts = {"a": [[ConnectFailed("no")]], "b": [[whole()]]}
    reply = await ask(world)
    assert (reply.header("X-AnyRouter-Served-By"), world.stats.hedges) == ("b; attempt=2", 0)
    assert len(world.ledger.entries) == 1


async def test_a_winner_whose_body_breaks_is_replaced_and_the_loser_stays_billed(stage):
    world = stage()
    breaks = asyncio.Event()
    world.client.acts = {"a": [[SILENT]], "b": [[StagedExchange([breaks, UpstreamBroken("cut")])]], "c": [[whole()]]}
    asking = ask(world)
    await world.client.asks("a", "b")
    breaks.set()
    reply = await asking
    assert reply.header("X-AnyRouter-Served-By") == "c; attempt=3"
    entries = entries_of(world)
    assert {attempt: entry.error_code for attempt, entry in entries.items()} == {1: HEDGE_LOST, 3: None}
    assert [record.error for record in entries[3].attempts] == [HEDGE_LOST, "upstream_invalid_response", None]
    assert cost_of(reply) == total_of(world) > PRICE_NANOUSD


async def test_a_stream_that_breaks_after_it_won_is_broken_off_and_nobody_else_is_asked(stage):
    world = stage()
    breaks = asyncio.Event()
    world.client.acts = {"a": [[SILENT]], "b": [[stream(delta("Hel"), breaks, UpstreamBroken("cut"))]]}
    asking = ask(world, stream=True)
    await world.client.asks("a", "b")
    await settle()
    breaks.set()
    reply = await asking
    assert b'"error"' in reply.body
    entries = entries_of(world)
    assert [entries[place].state for place in (1, 2)] == [EntryState.CANCELLED, EntryState.FAILED]
    assert (world.client.asked, world.stats.running) == (["a", "b"], 0)


@pytest.mark.parametrize("is_streamed", [False, True])
async def test_a_client_that_leaves_cancels_both_and_one_of_them_is_its_request(stage, is_streamed):
    world = stage()
    world.client.acts = {"a": [[SILENT]], "b": [[SILENT]]}
    head, client = world.head(), world.new_downstream()
    principal = await world.relay.find(head)
    work = world.relay.serve(head, principal, json.dumps({**CHAT, "stream": is_streamed}).encode(), client)
    task = asyncio.create_task(work)
    await world.client.asks("a", "b")
    client.leave()
    await task
    assert sorted(world.client.cancelled) == ["a", "b"]
    entries = entries_of(world)
    assert [(entries[place].state, entries[place].error_code) for place in (1, 2)] == [
        (EntryState.CANCELLED, "client_closed_request"),
        (EntryState.CANCELLED, HEDGE_LOST),
    ]
    assert [record.cost_nanousd for record in entries[1].attempts] == [0, entries[2].cost_nanousd]
    assert all(entry.cost_nanousd > 0 for entry in entries.values())
    assert world.stats.running == 0


async def test_a_client_that_leaves_while_the_winner_streams_pays_for_what_it_got(stage):
    world = stage()
    going_on = stream(delta("Hello, world"), SILENT)
    world.client.acts = {"a": [[SILENT]], "b": [[going_on]]}
    head, client = world.head(), world.new_downstream()
    principal = await world.relay.find(head)
    task = asyncio.create_task(world.relay.serve(head, principal, json.dumps({**CHAT, "stream": True}).encode(), client))
    await world.client.asks("a", "b")
    await settle()
    assert b"Hello, world" in client.body
    client.leave()
    await task
    entries = entries_of(world)
    assert (entries[2].error_code, entries[2].usage.output_tokens > 0) == ("client_closed_request", True)
    assert (entries[1].error_code, going_on.is_cancelled) == (HEDGE_LOST, True)


async def test_the_budget_bounds_the_second_attempts(stage):
    world = stage(HedgePolicy(floor_s=0.01, least_samples=1, budget=RetrySettings(share=0.25, burst=1)))
    answer = asyncio.Event()
    world.client.acts = {"a": [[SILENT], [answer, whole()]], "b": [[whole()]]}
    assert (await ask(world)).header("X-AnyRouter-Served-By") == "b; attempt=2"
    asking = ask(world, messages=[{"role": "user", "content": "another"}])
    await world.client.asks("a", "b", "a")
    done, _ = await asyncio.wait([asking], timeout=0.1)  # ten times the delay
    assert (done, world.client.asked) == (set(), ["a", "b", "a"])
    answer.set()
    assert (await asking).header("X-AnyRouter-Served-By") == "a; attempt=1"
    assert world.stats.hedges == 1


@pytest.mark.parametrize(
    ("build", "wish"),
    [
        ({}, {"zdr": False}),
        ({}, {"hedge": False}),
        ({"rules": RoutingRules(is_hedged=lambda _: True)}, {"hedge": False}),
        ({"samples": 0}, {"hedge": True}),
        ({"names": "a"}, {"hedge": True}),
        ({}, {"hedge": True, "only": ["a"]}),
        ({}, {"hedge": True, "allow_fallbacks": False}),
    ],
    ids=["no word", "refused", "refused against the operator's rule", "nothing measured", "one target", "one is left", "no fallback"],
)
async def test_there_is_no_second_one_unless_it_is_wished_for_and_possible(stage, build, wish):
    world = stage(**build)
    world.client.has_idle = False
    answer = asyncio.Event()
    world.client.acts = {"a": [[answer, whole()]], "b": [[whole()]]}
    asking = ask(world, provider=wish)
    await world.client.asks("a")
    done, _ = await asyncio.wait([asking], timeout=0.1)
    assert (done, world.client.asked) == (set(), ["a"])
    answer.set()
    assert (await asking).header("X-AnyRouter-Served-By") == "a; attempt=1"
    assert (len(world.ledger.entries), world.stats.hedges) == (1, 0)


async def test_a_key_that_may_not_use_the_others_provider_gets_no_second_one(stage, make_upstream):
    other = make_upstream("b", "deepseek", 1, models={"openai/gpt-4o": "gpt-4o"})
    world = stage(names="a", others=[other], providers=("openai",))
    world.client.has_idle = False
    answer = asyncio.Event()
    world.client.acts = {"a": [[answer, whole()], [SILENT]], "b": [[whole()]]}
    asking = ask(world)
    await world.client.asks("a")
    done, _ = await asyncio.wait([asking], timeout=0.1)
    assert (done, world.client.asked) == (set(), ["a"])
    answer.set()
    assert (await asking).status == 200
    world.use(providers=None)
    assert (await ask(world)).header("X-AnyRouter-Served-By") == "b; attempt=2"


async def test_the_operator_wishes_for_all_requests_of_a_model(stage):
    world = stage(rules=RoutingRules(is_hedged=lambda model: model == "openai/gpt-4o"))
    world.client.acts = {"a": [[SILENT]], "b": [[whole()]]}
    reply = await ask(world, provider={})
    assert reply.header("X-AnyRouter-Served-By") == "b; attempt=2"


async def test_a_wish_that_is_neither_true_nor_false_is_refused(stage):
    world = stage()
    reply = await ask(world, provider={"hedge": "yes"})
    assert (reply.status, json.loads(reply.body)["error"]["param"]) == (400, "provider.hedge")


async def test_permits_come_back_and_nothing_is_learned_of_a_loser(stage):
    world = stage()
    world.client.acts = {"a": [[SILENT]], "b": [[whole()]]}
    before = health_of(world, "a").report(time.monotonic())
    await ask(world)
    after = health_of(world, "a").report(time.monotonic() + 2)
    assert (after.state, after.performance.requests, after.performance.failures) == ("well", before.performance.requests, 0)
    assert health_of(world, "b").report(time.monotonic() + 2).performance.requests == 1


async def test_a_second_one_that_cannot_be_put_on_record_is_not_asked(stage):
    world = stage()
    answer = asyncio.Event()
    world.client.acts = {"a": [[answer, whole()]], "b": [[whole()]]}
    asking = ask(world)
    await world.client.asks("a")
    world.ledger.is_broken = True
    done, _ = await asyncio.wait([asking], timeout=0.1)
    assert (done, world.client.asked) == (set(), ["a"])
    answer.set()
    assert (await asking).header("X-AnyRouter-Served-By") == "a; attempt=1"
    assert (len(world.ledger.entries), world.stats.hedges) == (1, 0)


async def test_silence_is_kept_alive_by_neither_of_two(stage):
    world = stage()
    begin = asyncio.Event()
    world.client.acts = {"a": [[stream(SILENT)]], "b": [[stream(begin, delta("Hel"), *END)]]}
    asking = ask(world, stream=True)
    await world.client.asks("a", "b")
    await settle()
    for _ in range(60):
        world.relay.tick()
    assert not asking.done()
    begin.set()
    reply = await asking
    assert reply.body.startswith(b"data: ")
    assert reply.header("X-AnyRouter-Served-By") == "b; attempt=2"


async def test_a_kept_reply_is_the_winners_and_costs_nothing_again(stage):
    world = stage(caches={"live": 60.0})
    world.client.acts = {"a": [[SILENT]], "b": [[whole()]]}
    first, again = await ask(world), await ask(world)
    assert (first.header("X-AnyRouter-Cache"), again.header("X-AnyRouter-Cache")) == ("miss", "hit")
    assert (cost_of(first) > PRICE_NANOUSD, cost_of(again)) == (True, 0)


async def test_a_mistake_of_ours_in_one_attempt_ends_both(stage):
    world = stage()
    world.client.acts = {"a": [[SILENT]], "b": [[RuntimeError("MARKER")]]}
    reply = await ask(world)
    assert (reply.status, len(world.errors), world.client.cancelled) == (500, 1, ["a"])
    assert b"MARKER" not in reply.body
    entries = entries_of(world)
    assert [entries[place].error_code for place in (1, 2)] == [HEDGE_LOST, "internal_error"]
    assert world.stats.running == 0


@pytest.mark.parametrize("late", ["a", "b"])
async def test_an_attempt_whose_credential_cannot_be_opened_does_not_end_the_one_beside_it(stage, make_upstream, late):
    world = stage(names="", others=[sealed(make_upstream, name, late) for name in "ab"])
    answer = asyncio.Event()
    world.client.acts = {name: [[answer, whole()]] for name in "ab" if name != late}
    asking = ask(world)
    vault = next(one.authorization for one in world.relay.snapshot.upstreams if one.id == late)
    await asyncio.wait_for(vault.asked.wait(), 5)
    if late == "a":
        await world.client.asks("b")
    vault.gate.set()
    await settle()
    answer.set()
    reply = await asking
    assert (reply.status, reply.header("X-AnyRouter-Served-By")) == (200, "b; attempt=2" if late == "a" else "a; attempt=1")
    assert (world.errors, total_of(world), cost_of(reply)) == ([], PRICE_NANOUSD, PRICE_NANOUSD)


def sealed(make_upstream: Any, name: str, late: str) -> Any:
    """An upstream; that of the name `late` has a credential that cannot be opened."""
    return make_upstream(name, "openai", "ab".index(name), **({"credential": "", "authorization": OutVault()} if name == late else {}))


class OutVault(OpenedHeader):
    """Says when `gate` opens that the credential cannot be opened."""

    def __init__(self) -> None:
        self.asked, self.gate = asyncio.Event(), asyncio.Event()

    @property
    def secrets(self) -> tuple[str, ...]:
        return ()

    def render(self, request: OutgoingRequest) -> bytes:  # noqa: ARG002 -- the port's
        return b""

    async def prepare(self, wait_s: float) -> None:  # noqa: ARG002 -- the port's
        self.asked.set()
        await self.gate.wait()
        raise KekUnavailable("no answer", kek_id="kek_1")
