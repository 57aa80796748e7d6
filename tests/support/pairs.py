"""Every client's dialect against every upstream's: the table, and a gateway in which all of it can be asked.

The sandbox's models are served in each of the upstreams' dialects (`openai/…-echo` in OpenAI's, `anthropic/…-echo` in Anthropic's): with
the test key by the gateway's own sandbox, with the live key by a sandbox in this process, which keeps what it was asked. Each client has
names of its own for them, so that one client's failures do not close another one's way.
"""

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx

from support.clients.chat import ChatClient
from support.clients.gemini import GeminiClient
from support.clients.messages import MessagesClient
from support.clients.responses import ResponsesClient
from support.clients.talk import Client, Question, Said
from support.gateway import GatewayProcess
from support.recording import RecordingSandbox
from support.served import run_command
from support.upstream import ScriptedUpstream

TIMEOUT_S = 10.0
WHOLE, STREAMED = "whole", "streamed"
HOW = [WHOLE, STREAMED]
CLIENTS: dict[str, Any] = {client.dialect: client for client in (ChatClient, ResponsesClient, MessagesClient, GeminiClient)}
VENDORS = {"openai": "openai", "responses": "perplexity", "anthropic": "anthropic", "gemini": "google", "bedrock": "amazon-bedrock"}
PAIRS = [(client, upstream) for client in CLIENTS for upstream in VENDORS]
# OpenAI's provider takes both of its dialects.
PASSED_THROUGH = {*((dialect, dialect) for dialect in CLIENTS), ("responses", "openai")}
# In its own words no client is asked for more than it said: whether a reply has the gateway's id, and the public model's name.
NAMES = {"openai": (True, True), "responses": (False, True), "anthropic": (False, False), "gemini": (False, False)}
TEST, LIVE, NOBODY = "test", "live", "nobody"
SCENARIOS = (
    "chat",
    "echo",
    "long",
    "tool-call",
    "rate-limited",
    "server-error",
    "cut-stream",
    "malformed",
    "no-usage",
    "content-filter",
    "refusal",
    "context-length",
    "stream-error",
)
# The upstreams' own names of a model that thinks and of one that thinks and calls: Bedrock has to be told whose model it is.
THINKERS: dict[str, tuple[str, dict[str, str]]] = {
    "thinker": ("chat", {"bedrock": "anthropic.claude-sonnet-4-5-20250929-v1:0"}),
    "thinking-caller": ("tool-call", {"bedrock": "anthropic.claude-haiku-4-5-20251001-v1:0"}),
}
INPUT_USD, OUTPUT_USD = 1e-6, 4e-6
_CONFIG = """
[catalogue]
overlay = "models.toml"

[[upstreams]]
id = "openai"
provider = "openai"
base_url = "{url}/v1"
credential_file = "credential"

[[upstreams]]
id = "perplexity"
provider = "perplexity"
base_url = "{url}/v1"
credential_file = "credential"

[[upstreams]]
id = "anthropic"
provider = "anthropic"
base_url = "{url}"
credential_file = "credential"

[[upstreams]]
id = "google"
provider = "google-vertex"
base_url = "{url}"
variables = {{ project = "p", location = "global" }}

[[upstreams]]
id = "aws"
provider = "aws"
base_url = "{url}"
credential_file = "credential"
variables = {{ region = "us-east-1" }}
"""
_MODEL = """
[[models]]
id = "{vendor}/{client}-{name}"
upstream_name = "{upstream_name}"
capabilities = ["chat", "tool_use", "vision", "json_schema", "reasoning"]
price = {{ input_per_million = "1", output_per_million = "4" }}
"""
UPSTREAM_KEY = "sk-MARKER-upstream-credential"


@dataclass
class Pair:
    """A client and an upstream. What `world` is asked goes to the model of that name in the upstream's dialect."""

    world: "World"
    client: Client
    upstream: str
    environment: str

    @property
    def is_passed_through(self) -> bool:
        """Whether nothing is translated."""
        return (self.client.dialect, self.upstream) in PASSED_THROUGH

    @property
    def names(self) -> tuple[bool, bool]:
        """Whether a reply has the gateway's id and the public model's name: one that is passed through may keep its upstream's."""
        return NAMES[self.client.dialect] if self.is_passed_through else (True, True)

    def model(self, name: str) -> str:
        """The public id of a model."""
        return f"{VENDORS[self.upstream]}/{self.client.dialect}-{name}"

    def generation(self, said: Said) -> dict[str, Any]:
        """What the ledger says of an answer."""
        return self.world.generation(said.generation_id, self.environment)

    def say(self, how: str, model: str, **members: Any) -> Said:
        """The answer to a question, `how` being whole or streamed."""
        ask = self.client.ask if how == WHOLE else self.client.stream
        return ask(self.model(model), Question(**members))

    @property
    def sent(self) -> Any:
        """What the upstream was last asked, its body read."""
        return self.world.upstream.received[-1].json()


@dataclass
class World:
    """The gateway, the upstream of its live environment, and a client of each dialect for each key."""

    gateway: GatewayProcess
    sandbox: RecordingSandbox
    upstream: ScriptedUpstream
    keys: dict[str, str]
    http: httpx.Client
    clients: dict[tuple[str, str], Client] = field(default_factory=dict)

    def pair(self, client: str, upstream: str, environment: str = TEST) -> Pair:
        """A pair, in one of the environments. The sandbox has nobody who speaks Responses alone: that one is always live."""
        if upstream == "responses" and environment == TEST:
            environment = LIVE
        return Pair(self, self.clients[client, environment], upstream, environment)

    def forget(self) -> None:
        """The live environment's upstream has seen nothing, and answers as the sandbox does."""
        self.upstream.handle = self.sandbox.handle
        self.upstream.received.clear()
        self.sandbox.said.clear()

    def generation(self, identity: str, environment: str) -> dict[str, Any]:
        """What the ledger says of a generation."""
        return self.get(f"generation/{identity}", environment)["data"]

    def get(self, path: str, environment: str) -> Any:
        """What the reading API answers."""
        headers = {"authorization": f"Bearer {self.keys[environment]}"}
        reply = self.http.get(f"{self.gateway.base_url}/api/v1/{path}", headers=headers)
        assert reply.status_code == 200, reply.text
        return reply.json()


def _rows() -> Iterator[dict[str, str]]:
    """Every name of every model, with the upstream's."""
    for client in CLIENTS:
        for dialect, vendor in VENDORS.items():
            for name in (*SCENARIOS, *THINKERS):
                plays, own = THINKERS.get(name, (name, {}))
                yield {"client": client, "vendor": vendor, "name": name, "upstream_name": own.get(dialect, plays)}


@contextmanager
def open_world(data_dir: Path) -> Iterator[World]:
    """A gateway of its own, with everything in it that the pairs need."""
    data_dir.mkdir(parents=True)
    (data_dir / "models.toml").write_text("".join(_MODEL.format(**row) for row in _rows()))
    (data_dir / "credential").write_text(UPSTREAM_KEY)
    with ExitStack() as stack:
        sandbox = RecordingSandbox({name: plays for plays, own in THINKERS.values() for name in own.values()})
        upstream = stack.enter_context(ScriptedUpstream(sandbox.handle))
        gateway = GatewayProcess(data_dir, config=_CONFIG.format(url=upstream.url))
        stack.callback(gateway.stop)
        live = run_command(data_dir, "keys", "create", "--name", "live")["key"]
        keys = {TEST: gateway.first_key, LIVE: live, NOBODY: live[:-1] + ("A" if live[-1] != "A" else "B")}
        http = stack.enter_context(httpx.Client(trust_env=False, timeout=TIMEOUT_S))
        world = World(gateway, sandbox, upstream, keys, http)
        for environment, key in world.keys.items():
            for dialect, make in CLIENTS.items():
                client = make(gateway.base_url, key, TIMEOUT_S)
                stack.callback(client.close)
                world.clients[dialect, environment] = client
        yield world
