"""A real gateway between two scripted upstreams that serve the same model."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any

import httpx
import pytest

from support.gateway import GatewayProcess
from support.upstream import ScriptedUpstream, completion

MODEL = "openai/gpt-4o"
CHAT: dict[str, Any] = {"model": MODEL, "messages": [{"role": "user", "content": "Hello"}]}


@dataclass
class Between:
    """The gateway and its upstreams `a` (priority 10) and `b` (priority 20). Every request is a conversation of its own."""

    gateway: GatewayProcess
    http: httpx.Client
    key: str
    upstreams: dict[str, ScriptedUpstream]
    asked: int = field(default=0)

    def ask(
        self, path: str = "/api/v1/chat/completions", *, key: str | None = None, text: str | None = None, **members: Any
    ) -> httpx.Response:
        self.asked += 1
        messages = [{"role": "user", "content": text or f"Hello {self.asked}"}]
        headers = {"authorization": f"Bearer {key or self.key}"}
        return self.http.post(path, json={**CHAT, "messages": messages, **members}, headers=headers)

    def serves(self, **members: Any) -> str:
        """The upstream that serves a request."""
        reply = self.ask(**members)
        assert reply.status_code == 200, reply.text
        return reply.headers["x-anyrouter-served-by"].partition(";")[0]

    def get(self, path: str, key: str | None = None) -> httpx.Response:
        return self.http.get(f"/api/v1/{path}", headers={"authorization": f"Bearer {key or self.key}"})


@pytest.fixture(scope="module")
def between(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Callable[..., Between]]:
    """Start one that lives as long as the module: `routing` is the file's text about it, `a` and `b` further lines of the tables."""
    started: list[Any] = []

    def start(routing: str = "", *, a: str = "", b: str = "", **environment: str) -> Between:
        upstreams, tables = {}, [routing]
        for priority, (name, lines) in enumerate({"a": a, "b": b}.items(), start=1):
            upstream = upstreams[name] = ScriptedUpstream(completion)
            started.append(upstream)
            served = "" if "models" in lines else f'models = ["{MODEL}"]\n'
            placed = "" if "priority" in lines else f"priority = {priority}0\n"
            tables.append(
                f'[[upstreams]]\nid = "{name}"\nprovider = "openai"\nbase_url = "{upstream.url}/v1"\n'
                f'credential_variable = "KEY_OF_{name.upper()}"\n{served}{placed}{lines}\n'
            )
        gateway = GatewayProcess(
            tmp_path_factory.mktemp("between"), config="\n".join(tables), KEY_OF_A="sk-a", KEY_OF_B="sk-b", **environment
        )
        http = httpx.Client(base_url=gateway.base_url, trust_env=False, timeout=20)
        started.extend((gateway, http))
        return Between(gateway=gateway, http=http, key=gateway.create_key(), upstreams=upstreams)

    yield start
    for thing in reversed(started):
        if isinstance(thing, GatewayProcess):
            thing.stop()
        else:
            thing.close()
