"""A gateway as an attacker meets it: the real process on a socket, a provider behind it that writes down all that reaches it."""

import asyncio
import contextlib
import os
import sqlite3
from collections.abc import Awaitable, Callable, Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import pytest

from anyrouter.core.apikey import ApiKey
from anyrouter.core.ids import new_id
from anyrouter.core.keys import digest, generate, label_of
from anyrouter.core.tenancy import DEFAULT_ORGANISATION_ID
from anyrouter.policy.endpoints import ENDPOINTS, Endpoint
from anyrouter.storage.opening import Storage, open_storage
from support.environments import environment_event
from support.events import event_of
from support.gateway import GatewayProcess
from support.raw_client import RawClient, Reply, raw_request
from support.served import Served, answer_in_its_dialect, run_command
from support.upstream import ScriptedUpstream

CREDENTIAL = "sk-MARKER0credential0of0the0upstream0"
CHAT = b'{"model":"openai/gpt-4o","messages":[{"role":"user","content":"MARKER-prompt"}]}'
MESSAGES = b'{"model":"anthropic/claude-sonnet-4-5","max_tokens":16,"messages":[{"role":"user","content":"MARKER-prompt"}]}'
BODIES = {
    "chat/completions": CHAT,
    "completions": b'{"model":"openai/gpt-3.5-turbo-instruct","prompt":"MARKER-prompt"}',
    "embeddings": b'{"model":"openai/text-embedding-3-small","input":"MARKER-prompt"}',
    "messages": MESSAGES,
    "messages/count_tokens": MESSAGES,
    "responses": b'{"model":"openai/gpt-4o","input":"MARKER-prompt"}',
    "route": b'{"model":"openai/gpt-4o","input":"MARKER-prompt"}',
}
ASKED = {endpoint: body for endpoint, body in BODIES.items() if not ENDPOINTS[endpoint].is_dry}  # an upstream is, at these
CONTENTS = b'{"contents":[{"role":"user","parts":[{"text":"MARKER-prompt"}]}]}'


def body_of(row: Endpoint) -> bytes | None:
    """A body that the row's endpoint takes; None where none is taken."""
    if not row.is_inference:
        return b"{}" if row.changes_by else None
    return CONTENTS if row.dialect == "gemini" else BODIES[row.path]


@dataclass
class Exposed(Served):
    """The gateway, and ways to send it anything."""

    _issued: set[str] = field(default_factory=set)

    def connect(self, **options: Any) -> RawClient:
        return RawClient(self.base_url, **options)

    def ask(self, raw: bytes, method: bytes | None = None, **options: Any) -> Reply:
        """The reply to one request on a connection of its own."""
        with self.connect(**options) as client:
            return client.send(raw).read(method or raw[: raw.index(b" ")])

    def chat(self, *lines: bytes, key: str | None = None, body: bytes = CHAT, **options: Any) -> Reply:
        """The reply to a chat completion with the live key, or another."""
        return self.ask(raw_request(b"POST", b"/api/v1/chat/completions", *lines, key=key or self.live_key, body=body), **options)

    upstream_answer = staticmethod(answer_in_its_dialect)

    def id_of(self, key: str) -> str:
        """A key's public id, which the key may read itself."""
        reply = self.ask(raw_request(b"GET", b"/api/v1/key", key=key))
        assert reply.status == 200, reply.body
        return str(reply.json["data"]["id"])

    def new_key(self, *arguments: str, name: str | None = None) -> str:
        """The text of a key that no other test has."""
        return str(run_command(self.gateway.data_dir, "keys", "create", "--name", name or f"key {os.urandom(6).hex()}", *arguments)["key"])

    def find_key(self, key_id: str) -> ApiKey:
        """What is kept of a key."""
        found = asyncio.run(self._with_storage(lambda storage: storage.keys.find_key(DEFAULT_ORGANISATION_ID, key_id)))
        assert isinstance(found, ApiKey)
        return found

    def edit_key(self, key_id: str, **changes: Any) -> None:
        """Change what no command changes yet, by the store that a command would use."""
        key = self.find_key(key_id)
        changed = replace(key, **changes, version=key.version + 1)
        asyncio.run(self._with_storage(lambda storage: storage.keys.update_key(changed, event_of(changed))))

    def address_key(self, address: str) -> str:
        """A key that may be used from one address; the same address gives the same key."""
        text = self.keys.setdefault(("address", address), generate("live"))
        if text not in self._issued:
            self._issued.add(text)
            self.add_key(text, like=self.id_of(self.live_key), allowed_ips=(address,))
        return text

    def add_key(self, text: str, *, like: str, **changes: Any) -> None:
        """Issue a text that somebody has thought of, with the rights of another key."""
        pattern = self.find_key(like)

        async def add(storage: Storage) -> None:
            identity = {"id": new_id("key", 0), "name": text[-6:], "label": label_of(text)}
            key = replace(pattern, **identity, **changes, digest=digest(storage.peppers.current.secret, text), version=1)
            await storage.keys.add_key(key, event_of(key, "key.create"))

        asyncio.run(self._with_storage(add))

    def edit_environment(self, slug: str, **changes: Any) -> None:
        """As above."""

        async def edit(storage: Storage) -> None:
            rows = await storage.environments.list_environments(DEFAULT_ORGANISATION_ID)
            found = next(row for row in rows if row.slug == slug)
            changed = replace(found, **changes, version=found.version + 1)
            await storage.environments.update_environment(changed, environment_event(changed))

        asyncio.run(self._with_storage(edit))

    async def _with_storage(self, work: Callable[[Storage], Awaitable[Any]]) -> Any:
        storage = await open_storage(self.gateway.data_dir, None, environment={})
        try:
            return await work(storage)
        finally:
            await storage.aclose()

    @contextlib.contextmanager
    def without_keys(self, *more: str) -> Iterator[None]:
        """A database that cannot look keys up (nor into more tables): whoever asks it now gets an error."""
        with contextlib.closing(sqlite3.connect(self.gateway.data_dir / "anyrouter.db", timeout=20, isolation_level=None)) as database:
            for table in ("api_keys", *more):
                database.execute(f"ALTER TABLE {table} RENAME TO {table}_away")
            try:
                yield
            finally:
                for table in ("api_keys", *more):
                    database.execute(f"ALTER TABLE {table}_away RENAME TO {table}")


@contextlib.contextmanager
def exposing(directory: Path, **environment: str) -> Iterator[Exposed]:
    with ScriptedUpstream(answer_in_its_dialect) as upstream:
        gateway = GatewayProcess(
            directory,
            OPENAI_API_KEY=CREDENTIAL,
            OPENAI_BASE_URL=f"{upstream.url}/v1",
            ANTHROPIC_API_KEY=CREDENTIAL,
            ANTHROPIC_BASE_URL=upstream.url,
            ANYROUTER_LOGGING__LEVEL="debug",
            **environment,
        )
        try:
            live_key = run_command(gateway.data_dir, "keys", "create", "--name", "live")["key"]
            yield Exposed(gateway, upstream, live_key)
        finally:
            gateway.stop()


@pytest.fixture(scope="session")
def _exposed(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Exposed]:
    with exposing(tmp_path_factory.mktemp("exposed") / "data", ANYROUTER_LIMITS__FAILED_AUTH_PER_MINUTE="1000000") as exposed:
        yield exposed


@pytest.fixture
def exposed(_exposed: Exposed) -> Exposed:
    """The gateway with its usual limits, its provider answering as usual and having received nothing."""
    _exposed.upstream.handle = answer_in_its_dialect
    _exposed.upstream.received.clear()
    return _exposed


@pytest.fixture(scope="session")
def _impatient(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Exposed]:
    deadlines = {"HEAD_TIMEOUT_S": "1", "BODY_TIMEOUT_S": "1.5", "KEEP_ALIVE_S": "20", "BODY_BYTES": "1048576", "HEAD_COUNT": "50"}
    environment = {f"ANYROUTER_SERVER__{name}": value for name, value in deadlines.items()}
    with exposing(tmp_path_factory.mktemp("impatient") / "data", ANYROUTER_SERVER__TRUSTED_PROXIES="127.0.0.1", **environment) as exposed:
        yield exposed


@pytest.fixture
def impatient(_impatient: Exposed) -> Exposed:
    """A gateway behind a proxy on this machine, with short deadlines, small limits and the usual bound on failed authentication."""
    _impatient.upstream.handle = answer_in_its_dialect
    _impatient.upstream.received.clear()
    return _impatient
