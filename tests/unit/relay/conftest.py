"""A relay in memory: real decisions and dialects, a scripted upstream, no sockets."""

import asyncio
import json
import time
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime

import pytest

from anyrouter.core import keys
from anyrouter.core.apikey import ApiKey
from anyrouter.core.catalogue import Model, Tariff
from anyrouter.core.errors import UpstreamBroken
from anyrouter.core.ids import new_request_id
from anyrouter.core.preset import PresetTable
from anyrouter.core.scopes import DEFAULT_SCOPES
from anyrouter.core.tenancy import Environment, EnvironmentKind
from anyrouter.policy.candidate import NO_RULES, RoutingRules
from anyrouter.policy.hedge import HedgePolicy
from anyrouter.policy.reply_cache import ReplyStore
from anyrouter.policy.route import Snapshot, Upstream
from anyrouter.policy.succession import RetryPolicy
from anyrouter.providers.registry import PROVIDERS
from anyrouter.relay.authenticate import Authenticator
from anyrouter.relay.call import Principal, RequestHead
from anyrouter.relay.limiter import RateLimiter
from anyrouter.relay.memory import MemoryDownstream, MemoryKeys, MemoryKeyUse, MemoryLedger
from anyrouter.relay.relay import Relay
from anyrouter.relay.replay import Replay
from anyrouter.relay.stats import RelayStats
from support.tenants import tenants_of

PEPPER = b"MARKER-pepper-of-thirty-two-byte"
TARIFF = Tariff(input_nanousd=2_500_000_000, output_nanousd=10_000_000_000, cache_read_nanousd=1_250_000_000)
LIVE = Environment(id="env_live", organisation_id="org_default", slug="live", name="live", kind=EnvironmentKind.LIVE)
COMPLETION = {
    "id": "chatcmpl-123",
    "object": "chat.completion",
    "created": 1700000000,
    "model": "gpt-4o-2024-08-06",
    "choices": [{"index": 0, "message": {"role": "assistant", "content": "Hello"}, "finish_reason": "stop"}],
    "usage": {"prompt_tokens": 100, "completion_tokens": 10, "total_tokens": 110},
}


class ScriptedExchange:
    """One upstream reply out of a list of parts; an exception among them is raised where it stands, a float waits."""

    def __init__(self, status: int, headers: list[tuple[bytes, bytes]], parts: list[bytes | Exception | float]) -> None:
        self.status, self.headers, self.parts = status, headers, parts
        self.is_cancelled, self.paused = False, 0
        self.failure: Exception | None = None
        self.is_stale = False

    def take(self, max_bytes: int) -> bytes | None:
        is_whole = (b"content-type", b"application/json") in self.headers and all(isinstance(part, bytes) for part in self.parts)
        body = b"".join(self.parts) if is_whole else None
        if body is not None and len(body) > max_bytes:
            raise UpstreamBroken("too large")
        return body

    async def read(self, max_bytes: int) -> bytes:
        body = b""
        async for part in self._parts():
            body += part
        if len(body) > max_bytes:
            raise UpstreamBroken("too large")
        return body

    async def stream_to(self, sink) -> None:
        async for part in self._parts():
            sink.feed(part)
            if self.is_cancelled:
                raise UpstreamBroken("cancelled")

    async def _parts(self):
        for part in self.parts:
            if isinstance(part, Exception):
                raise part
            if isinstance(part, float):
                await asyncio.sleep(part)
            else:
                yield part

    def pause(self) -> None:
        self.paused += 1

    def resume(self) -> None:
        self.paused -= 1

    def cancel(self) -> None:
        self.is_cancelled = True


@dataclass
class ScriptedClient:
    """Answers each request with the next of its replies; keeps what it was sent. `has_idle`: without waiting."""

    has_idle: bool = False
    replies: list[ScriptedExchange | Exception] = field(default_factory=list)
    sent: list[tuple[bytes, bytes]] = field(default_factory=list)

    async def send(self, _origin, head, body, _timeouts):
        self.sent.append((head, b"".join(body)))
        reply = self.replies.pop(0)
        if isinstance(reply, Exception):
            raise reply
        return reply

    def is_ready(self, _origin, _size) -> bool:
        return self.has_idle and bool(self.replies)

    def begin(self, _origin, head, body, _size, _timeouts, on_arrived):
        self.sent.append((head, b"".join(body)))
        reply = self.replies.pop(0)
        if isinstance(reply, Exception):
            failed = ScriptedExchange(0, [], [])
            failed.failure, reply = reply, failed
        asyncio.get_running_loop().call_soon(lambda: None if reply.is_cancelled else on_arrived())
        return reply

    def bodies(self) -> list[dict]:
        return [json.loads(body) for _, body in self.sent]


def json_reply(body: object, status: int = 200, **headers: str) -> ScriptedExchange:
    text = body if isinstance(body, bytes) else json.dumps(body).encode()
    lines = [
        (b"content-type", b"application/json"),
        *((name.replace("_", "-").encode(), value.encode()) for name, value in headers.items()),
    ]
    return ScriptedExchange(status, lines, [text])


def stream_reply(*parts: bytes | Exception | float) -> ScriptedExchange:
    return ScriptedExchange(200, [(b"content-type", b"text/event-stream; charset=utf-8")], list(parts))


@dataclass
class World:
    relay: Relay
    client: ScriptedClient
    ledger: MemoryLedger
    store: MemoryKeys
    stats: RelayStats
    key: ApiKey
    text: str
    errors: list[BaseException]
    confirmed_at_s: list[float]
    authenticator: Authenticator
    presets: list[PresetTable]

    def head(self, endpoint: str = "chat/completions", **headers: str) -> RequestHead:
        lines = {b"authorization": b"Bearer " + self.text.encode(), b"content-type": b"application/json"}
        lines |= {name.replace("_", "-").encode(): value.encode("latin-1") for name, value in headers.items()}
        now_ms = time.time_ns() // 1_000_000
        return RequestHead(
            endpoint=endpoint,
            headers=lines,
            client_host="203.0.113.7",
            started_s=time.monotonic(),
            now_ms=now_ms,
            request_id=new_request_id(now_ms),
        )

    async def ask(self, body: object, endpoint: str = "chat/completions", **headers: str) -> MemoryDownstream:
        head, downstream = self.head(endpoint, **headers), MemoryDownstream()
        verdict = self.relay.authorize(head) or await self.relay.find(head)
        if not hasattr(verdict, "environment"):
            self.relay.refuse(head, verdict, downstream)
            return downstream
        text = body if isinstance(body, bytes) else json.dumps(body, separators=(",", ":")).encode()
        await self.run(head, verdict, text, downstream)
        return downstream

    async def run(self, head: RequestHead, principal: Principal, body: bytes, downstream: MemoryDownstream) -> None:
        """Serve one request to its end."""
        work = self.relay.serve(head, principal, body, downstream)
        if work is not None:
            await work
        while not (downstream.is_finished or downstream.is_aborted or downstream.is_closed):
            if downstream.task is None:
                await asyncio.sleep(0)
            else:
                await downstream.task

    def new_downstream(self) -> MemoryDownstream:
        return MemoryDownstream()

    def use(self, **changes: object) -> None:
        """Change the key as another process would."""
        self.key = replace(self.key, **changes)
        self.store.keys = {self.key.digest: self.key}
        self.authenticator.forget()


MakeWorld = Callable[..., World]


def make_upstream(identity: str, provider: str, priority: int = 0, **changes: object) -> Upstream:
    row = PROVIDERS[provider]
    values = {
        "id": identity,
        "provider": row,
        "scheme": "https",
        "host": "upstream.test",
        "port": 443,
        "base_path": "/v1" if provider == "openai" else "",
        "credential": f"sk-MARKER-{identity}",
        "priority": priority,
        "models": {f"{vendor}/*": "" for vendor in row.vendors},
        **changes,
    }
    return Upstream(**values)


@pytest.fixture(params=[False, True], ids=["waiting", "at once"])
def make_world(request: pytest.FixtureRequest) -> MakeWorld:
    """Worlds in which a connection has to be opened for each request, or is idle."""

    def build(
        upstreams: list[Upstream] | None = None,
        retries: int = 0,
        caches: dict[str, float] | None = None,
        cache_bytes: int = 1 << 20,
        *,
        client: ScriptedClient | None = None,
        hedging: HedgePolicy | None = None,
        rules: RoutingRules = NO_RULES,
        **key_changes: object,
    ) -> World:
        text = keys.generate("live")
        now = datetime.now(UTC)
        key = ApiKey(
            **{
                "id": "key_1",
                "organisation_id": "org_default",
                "environment_id": LIVE.id,
                "environment": "live",
                "name": "test",
                "label": keys.label_of(text),
                "digest": keys.digest(PEPPER, text),
                "pepper_version": 1,
                "rotation_group": "key_1",
                "scopes": frozenset(DEFAULT_SCOPES),
                "created_at": now,
                "updated_at": now,
                **key_changes,
            }
        )
        models = {
            identity: Model(id=identity, vendor=identity.split("/")[0], upstream_name=identity.split("/")[1], name=identity, tariff=TARIFF)
            for identity in (
                "openai/gpt-4o",
                "openai/gpt-4o-mini",
                "anthropic/claude-test",
                "openai/text-embedding-3-small",
                "nowhere/model",
            )
        }
        bare = {identity.split("/")[1]: model for identity, model in models.items()}
        snapshot = Snapshot(
            upstreams=tuple(upstreams or (make_upstream("openai", "openai"), make_upstream("anthropic", "anthropic"))),
            resolve=lambda name: models.get(name) or bare.get(name),
            nearest=lambda name: [identity for identity in models if name[:8] in identity],
        )
        store, ledger, stats = MemoryKeys([key]), MemoryLedger(), RelayStats()
        client = client or ScriptedClient()
        client.has_idle = request.param
        errors: list[BaseException] = []
        presets = [PresetTable()]
        confirmed = [float("inf")]
        authenticator = Authenticator(
            lookup=store, peppers=[PEPPER], tenants=lambda: tenants_of(LIVE), confirmed_at_s=lambda: confirmed[0], failures_per_minute=5
        )
        store_of_replies = ReplyStore(max_bytes=cache_bytes)
        replay = Replay(ledger=ledger, stats=stats, store=store_of_replies, environments=caches or {}, ttl_s=300.0)
        relay = Relay(
            authenticator=authenticator,
            limiter=RateLimiter(),
            client=client,
            ledger=ledger,
            key_use=MemoryKeyUse(),
            snapshot=snapshot,
            stats=stats,
            on_internal_error=lambda _, error: errors.append(error),
            presets=lambda: presets[-1],
            replay=replay.answer,
            retries=RetryPolicy(retries=retries, first_pause_s=0.001),
            hedging=hedging,
            rules=rules,
        )
        return World(relay, client, ledger, store, stats, key, text, errors, confirmed, authenticator, presets)

    return build


@pytest.fixture(name="json_reply")
def _json_reply():
    return json_reply


@pytest.fixture(name="stream_reply")
def _stream_reply():
    return stream_reply


@pytest.fixture(name="make_upstream")
def _make_upstream():
    return make_upstream
