"""SIGTERM to the gateway while a request waits for its upstream, on a connection that was idle: no task of the gateway's serves it."""

import contextlib
import signal
import socket
import sqlite3
import threading
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

import httpx

from support.gateway import GatewayProcess
from support.served import OPENAI_MODEL, UPSTREAM_KEY, wait_for
from support.upstream import Answer, Received, ScriptedUpstream, completion

PATIENCE_S = 20.0


@dataclass
class Scene:
    """A gateway that was told to stop while `reply` waits for an upstream, which answers once `gate` is set."""

    gateway: GatewayProcess
    gate: threading.Event
    reply: Future[httpx.Response]

    def read_ledger(self) -> dict[str, tuple[str, int, int]]:
        """State, status and cost by generation, after the process has ended."""
        assert self.gateway.process.wait(PATIENCE_S) in (0, -signal.SIGTERM)
        with contextlib.closing(sqlite3.connect(self.gateway.data_dir / "anyrouter.db")) as database:
            rows = database.execute("select generation_id, state, status, cost_nanousd from ledger").fetchall()
        return {identity: (state, status, cost) for identity, state, status, cost in rows}


def accepts(base_url: str) -> bool:
    address = urlsplit(base_url)
    try:
        socket.create_connection((address.hostname or "", address.port or 0), 5).close()
    except OSError:
        return False
    return True


@contextlib.contextmanager
def stopping(data_dir: Path, grace_s: int) -> Iterator[Scene]:
    """Ask twice, so that the second request finds an idle connection, and stop the gateway when the upstream has that one."""
    gate = threading.Event()

    def handle(received: Received) -> Answer:
        if received.json()["user"] == "waits":
            gate.wait(PATIENCE_S)
        return completion(received)

    with ScriptedUpstream(handle) as upstream, ThreadPoolExecutor(1) as pool:
        gateway = GatewayProcess(
            data_dir,
            OPENAI_API_KEY=UPSTREAM_KEY,
            OPENAI_BASE_URL=f"{upstream.url}/v1",
            ANYROUTER_SERVER__GRACEFUL_SHUTDOWN_S=str(grace_s),
        )
        try:
            headers = {"authorization": f"Bearer {gateway.create_key()}"}

            def ask(user: str) -> httpx.Response:
                body = {"model": OPENAI_MODEL, "messages": [{"role": "user", "content": "Hello!"}], "user": user}
                url = f"{gateway.base_url}/api/v1/chat/completions"
                return httpx.post(url, json=body, headers=headers, trust_env=False, timeout=PATIENCE_S)

            assert ask("first").status_code == 200
            reply = pool.submit(ask, "waits")
            wait_for(lambda: len(upstream.received) == 2)
            assert upstream.connections == 1
            gateway.process.send_signal(signal.SIGTERM)
            wait_for(lambda: not accepts(gateway.base_url))
            yield Scene(gateway, gate, reply)
        finally:
            gate.set()
            gateway.stop()


def test_within_the_grace_it_gets_its_reply(tmp_path: Path) -> None:
    with stopping(tmp_path / "data", grace_s=20) as scene:
        assert not scene.reply.done()
        scene.gate.set()
        reply = scene.reply.result(PATIENCE_S)
        assert (reply.status_code, reply.headers["connection"]) == (200, "close")
        assert reply.json()["choices"][0]["message"]["content"] == "Hello from upstream"
        entry = scene.read_ledger()[reply.headers["x-generation-id"]]
        assert entry == ("settled", 200, 350_000)


def test_beyond_the_grace_it_is_told_so_and_what_it_used_is_on_record(tmp_path: Path) -> None:
    with stopping(tmp_path / "data", grace_s=1) as scene:
        reply = scene.reply.result(PATIENCE_S)
        assert (reply.status_code, reply.json()["error"]["code"]) == (503, "overloaded")
        assert (reply.headers["connection"], reply.headers["retry-after"]) == ("close", "1")
        state, status, cost_nanousd = scene.read_ledger()[reply.headers["x-generation-id"]]
        assert (state, status) == ("cancelled", 499)
        assert cost_nanousd > 0
        assert len(scene.read_ledger()) == 2
