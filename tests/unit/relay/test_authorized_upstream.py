"""Requests to upstreams whose authorization is made for each of them, or has to be bought before."""

import asyncio
import json
from datetime import UTC, datetime, timedelta

import pytest

from anyrouter.core.authorization import OpenedHeader, OutgoingRequest
from anyrouter.core.errors import ConnectFailed
from anyrouter.core.ledger import EntryState
from anyrouter.core.usage import UsageSource
from anyrouter.core.vault import KekUnavailable
from anyrouter.policy.candidate import RoutingRules, TargetFacts
from anyrouter.policy.charge import Billing
from anyrouter.providers.service_account import read_key
from anyrouter.providers.sigv4 import make_credential
from anyrouter.relay.bought_token import TokenAuthorization
from anyrouter.relay.signature import SigV4Authorization
from support.service_account import key_file
from support.sigv4 import is_signed
from support.upstream import Received

CHAT = {"model": "openai/gpt-4o", "messages": [{"role": "user", "content": "hi"}]}
SECRET, SESSION = "MARKER/secret+key", "MARKER-session=="
COMPLETION = {
    "id": "chatcmpl-123",
    "object": "chat.completion",
    "created": 1700000000,
    "model": "gpt-4o-2024-08-06",
    "choices": [{"index": 0, "message": {"role": "assistant", "content": "Hello"}, "finish_reason": "stop"}],
    "usage": {"prompt_tokens": 100, "completion_tokens": 10, "total_tokens": 110},
}


class Seller:
    """A token endpoint: sells `MARKER-token-1`, `-2` and so on, unless it has other replies; waits for `gate`."""

    def __init__(self, json_reply) -> None:
        self.json_reply, self.gate, self.sold, self.replies = json_reply, asyncio.Event(), 0, []
        self.gate.set()

    async def send(self, *_):
        await self.gate.wait()
        if self.replies:
            reply = self.replies.pop(0)
            if isinstance(reply, Exception):
                raise reply
            return reply
        self.sold += 1
        return self.json_reply({"access_token": f"MARKER-token-{self.sold}", "expires_in": 3600})


@pytest.fixture
def seller(json_reply) -> Seller:
    return Seller(json_reply)


@pytest.fixture
def now() -> list[datetime]:
    return [datetime(2026, 11, 24, 12, tzinfo=UTC)]


@pytest.fixture
def tokens(seller: Seller, now: list[datetime]) -> TokenAuthorization:
    return TokenAuthorization(
        read_key(key_file("https://oauth2.example.com/token"), token_url="https://oauth2.example.com/token"),
        "scope",
        line="authorization: Bearer ",
        client=seller,
        clock=lambda: now[0],
        on_failure=lambda _: None,
    )


@pytest.fixture
def signing() -> SigV4Authorization:
    return SigV4Authorization(make_credential("AKIDEXAMPLE", SECRET, SESSION), region="us-east-1", service="bedrock")


def arrived(sent: tuple[bytes, bytes]) -> Received:
    lines = sent[0].decode("latin-1").split("\r\n")[:-1]
    method, target, _ = lines[0].split(" ")
    return Received(method, target, {name.lower(): value for name, value in (line.split(": ", 1) for line in lines[1:])}, sent[1])


def bearers(world) -> list[str]:
    return [arrived(sent).headers["authorization"] for sent in world.client.sent]


def error_of(reply) -> dict:
    return json.loads(reply.body)["error"]


async def test_each_request_is_signed_at_its_time_and_over_its_own_bytes(make_world, make_upstream, json_reply, stream_reply, signing):
    world = make_world([make_upstream("signed", "openai", credential="", authorization=signing)])
    world.client.replies = [json_reply(COMPLETION), json_reply(COMPLETION)]
    await world.ask(CHAT)
    await world.ask({**CHAT, "messages": [{"role": "user", "content": "x" * 200_000}]})
    first, second = (arrived(sent) for sent in world.client.sent)
    assert is_signed(first, SECRET)
    assert is_signed(second, SECRET)
    assert first.headers["authorization"] != second.headers["authorization"]
    assert first.headers["x-amz-security-token"] == SESSION
    made_at = datetime.strptime(first.headers["x-amz-date"], "%Y%m%dT%H%M%SZ").replace(tzinfo=UTC)
    assert abs(datetime.now(UTC) - made_at) < timedelta(seconds=10)
    assert "MARKER" not in first.headers["authorization"]


async def test_a_signature_is_of_the_time_of_its_attempt_though_the_request_began_long_before(
    make_world, make_upstream, json_reply, signing
):
    world = make_world([make_upstream("signed", "openai", credential="", authorization=signing)])
    world.client.replies = [json_reply(COMPLETION)]
    head, downstream = world.head(), world.new_downstream()
    head.started_s -= 600
    head.now_ms -= 600_000
    principal = world.relay.authorize(head) or await world.relay.find(head)
    await world.run(head, principal, json.dumps(CHAT).encode(), downstream)
    made_at = datetime.strptime(arrived(world.client.sent[0]).headers["x-amz-date"], "%Y%m%dT%H%M%SZ").replace(tzinfo=UTC)
    assert abs(datetime.now(UTC) - made_at) < timedelta(seconds=10)


async def test_requests_that_come_before_the_token_wait_for_one_purchase(make_world, make_upstream, json_reply, tokens, seller):
    world = make_world([make_upstream("bought", "openai", credential="", authorization=tokens)])
    world.client.replies = [json_reply(COMPLETION) for _ in range(20)]
    seller.gate.clear()
    asking = [asyncio.create_task(world.ask(CHAT)) for _ in range(20)]
    for _ in range(10):
        await asyncio.sleep(0)
    assert world.client.sent == []
    seller.gate.set()
    assert [reply.status for reply in await asyncio.gather(*asking)] == [200] * 20
    assert (seller.sold, set(bearers(world))) == (1, {"Bearer MARKER-token-1"})


async def test_a_refused_token_costs_one_request_and_the_next_one_buys_another(  # noqa: PLR0917 -- fixtures
    make_world, make_upstream, json_reply, tokens, seller, now
):
    world = make_world([make_upstream("bought", "openai", credential="", authorization=tokens)])
    await tokens.prepare(1)
    now[0] += timedelta(minutes=1)
    world.client.replies = [json_reply({"error": {"message": "MARKER-token-1 is revoked"}}, 401), json_reply(COMPLETION)]
    refused = await world.ask(CHAT)
    assert (refused.status, error_of(refused)["code"]) == (502, "upstream_error")
    assert "MARKER" not in refused.body.decode()
    assert (await world.ask(CHAT)).status == 200
    assert bearers(world) == ["Bearer MARKER-token-1", "Bearer MARKER-token-2"]
    assert seller.sold == 2


@pytest.mark.parametrize(
    ("answer", "status", "code"),
    [
        (400, 502, "upstream_error"),
        (401, 502, "upstream_error"),
        (403, 502, "upstream_error"),
        (429, 429, "upstream_rate_limited"),
        (500, 502, "upstream_error"),
        (503, 503, "no_healthy_upstream"),
        (200, 502, "upstream_invalid_response"),
        (ConnectFailed("refused"), 502, "upstream_error"),
    ],
)
async def test_without_a_token_the_next_target_is_asked_and_the_ledger_has_both_attempts(  # noqa: PLR0917 -- fixtures
    make_world, make_upstream, json_reply, tokens, seller, answer, status, code
):
    """The last of them alone answers as the contract says."""
    reply = answer if isinstance(answer, Exception) else json_reply({"error": "MARKER"}, answer)
    bought = make_upstream("bought", "openai", 1, credential="", authorization=tokens)
    seller.replies = [reply]
    world = make_world([bought, make_upstream("second", "openai", 2)])
    world.client.replies = [json_reply(COMPLETION)]
    served = await world.ask(CHAT)
    assert served.status == 200
    assert served.header("X-AnyRouter-Served-By") == "second; attempt=2"
    (entry,) = world.ledger.entries
    assert [attempt.upstream for attempt in entry.attempts] == ["bought", "second"]
    assert max(attempt.latency_ms for attempt in entry.attempts) < 5_000

    alone = make_world([bought])
    refused = await alone.ask(CHAT)
    assert (refused.status, error_of(refused)["code"]) == (status, code)
    assert "MARKER" not in refused.body.decode()
    assert alone.client.sent == []
    (entry,) = alone.ledger.entries
    assert (entry.state, entry.cost_nanousd, entry.error_code) == (EntryState.FAILED, 0, code)
    assert [attempt.upstream for attempt in entry.attempts] == ["bought"] * len(entry.attempts) != []


async def test_a_seller_that_hangs_costs_no_more_than_the_time_to_connect(make_world, make_upstream, json_reply, tokens, seller):
    seller.gate.clear()
    hanging = make_upstream("bought", "openai", 1, credential="", authorization=tokens, connect_s=0.01)
    world = make_world([hanging, make_upstream("second", "openai", 2)])
    world.client.replies = [json_reply(COMPLETION)]
    assert (await world.ask(CHAT)).status == 200
    alone = make_world([hanging])
    refused = await alone.ask(CHAT)
    assert (refused.status, error_of(refused)["code"]) == (504, "upstream_timeout")
    await tokens.aclose()


async def test_a_client_that_leaves_while_a_token_is_bought_has_used_nothing(make_world, make_upstream, tokens, seller):
    seller.gate.clear()
    world = make_world([make_upstream("bought", "openai", credential="", authorization=tokens)])
    head, downstream = world.head(), world.new_downstream()
    principal = world.relay.authorize(head) or await world.relay.find(head)
    task = asyncio.create_task(world.run(head, principal, json.dumps(CHAT).encode(), downstream))
    for _ in range(10):
        await asyncio.sleep(0)
    downstream.leave()
    await asyncio.gather(task, return_exceptions=True)
    (entry,) = world.ledger.entries
    assert (entry.state, entry.cost_nanousd, entry.usage.input_tokens) == (EntryState.CANCELLED, 0, 0)
    assert entry.usage.source is UsageSource.ESTIMATED
    assert len(world.ledger.intents) == 1
    await tokens.aclose()


@pytest.mark.parametrize("spell", [str, lambda text: json.dumps(text)[1:-1], lambda text: text.replace("/", "\\/")])
async def test_no_part_of_a_credential_is_told_whatever_an_upstream_quotes(  # noqa: PLR0917 -- fixtures
    make_world, make_upstream, json_reply, stream_reply, signing, tokens, spell
):
    await tokens.prepare(1)
    said = spell(f"AKIDEXAMPLE {SECRET} {SESSION} MARKER-token-1 {key_file('https://x.test')}")
    for authorization in (signing, tokens):
        own = [secret for secret in authorization.secrets if secret]
        world = make_world([make_upstream("one", "openai", credential="", authorization=authorization)])
        for status in (400, 403, 404, 429, 500):
            world.client.replies = [json_reply({"error": {"message": said, "param": said, "code": said}}, status)] * 3
            reply = await world.ask(CHAT)
            assert reply.status >= 400
            assert not [secret for secret in own if secret in reply.body.decode()]
            assert "PRIVATE KEY" not in reply.body.decode()
        event = b"data: " + json.dumps({"error": {"message": said}}).encode() + b"\n\n"
        begun = (
            b'data: {"id":"chatcmpl-9","object":"chat.completion.chunk","model":"m","choices":[{"index":0,"delta":{"content":"a"}}]}\n\n'
        )
        for parts in ([event], [begun, event]):
            world.client.replies = [stream_reply(*parts)] * 3
            reply = await world.ask({**CHAT, "stream": True})
            assert not [secret for secret in own if secret in reply.body.decode()]
            assert b"error" in reply.body
        assert "MARKER" not in repr(world.relay.snapshot)


class ClosedVault(OpenedHeader):
    """A tenant's credential that cannot be opened, or is not before `gate`."""

    def __init__(self, error: Exception | None = None) -> None:
        self.error = error

    @property
    def secrets(self) -> tuple[str, ...]:
        return ()

    def render(self, request: OutgoingRequest) -> bytes:  # noqa: ARG002 -- the port's
        return b""

    async def prepare(self, wait_s: float) -> None:  # noqa: ARG002 -- the port's
        if self.error is not None:
            raise self.error
        await asyncio.Event().wait()


def with_fee(world) -> None:
    world.relay.holds.billing = Billing(routing_fee_nanousd=500)
    world.relay._admission._rules = RoutingRules(facts_of=lambda _: TargetFacts(is_byok=True))


async def test_a_credential_that_cannot_be_opened_costs_nothing_and_nobody_stands_in(make_world, make_upstream):
    closed = make_upstream("own", "openai", credential="", authorization=ClosedVault(KekUnavailable("no answer", kek_id="kek_1")))
    world = make_world([closed, make_upstream("second", "openai", 2)])
    with_fee(world)
    reply = await world.ask(CHAT)
    assert (reply.status, world.client.sent) == (503, [])
    (entry,) = world.ledger.entries
    assert (entry.state, entry.cost_nanousd, entry.routing_fee_nanousd) == (EntryState.FAILED, 0, 0)


async def test_a_client_that_leaves_while_a_credential_is_opened_pays_no_fee(make_world, make_upstream):
    world = make_world([make_upstream("own", "openai", credential="", authorization=ClosedVault())])
    with_fee(world)
    head, downstream = world.head(), world.new_downstream()
    principal = world.relay.authorize(head) or await world.relay.find(head)
    task = asyncio.create_task(world.run(head, principal, json.dumps(CHAT).encode(), downstream))
    for _ in range(10):
        await asyncio.sleep(0)
    downstream.leave()
    await asyncio.gather(task, return_exceptions=True)
    (entry,) = world.ledger.entries
    assert (entry.state, entry.cost_nanousd, entry.routing_fee_nanousd) == (EntryState.CANCELLED, 0, 0)
