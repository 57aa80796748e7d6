"""The operator's file of models and own servers' lists, in a gateway that runs."""

import json
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import pytest

from support.gateway import GatewayProcess
from support.served import run_command, wait_for
from support.upstream import COMPLETION, Answer, Received, ScriptedUpstream, json_answer

CONFIG = """
[catalogue]
overlay = "models.toml"
discovery_s = 0.2

[[upstreams]]
id = "box"
provider = "openai-compatible"
base_url = "{url}/v1"

[[upstreams]]
id = "main"
provider = "openai"
base_url = "{url}/main"
models = ["openai/*"]
"""
FIRST = """
hidden = ["openai/gpt-3.5*"]
[aliases]
"openai/gpt-4o-latest" = "openai/gpt-4o-2024-11-20"
[prices."openai/gpt-4o"]
input_per_million = "1"
output_per_million = "2"
"""
SOON_S = 2.5  # "within a second or two", on a machine that does other things too


@dataclass
class World:
    """A gateway with a file of models, and the server that is both of its upstreams."""

    gateway: GatewayProcess
    upstream: ScriptedUpstream
    key: str
    list: Any

    def answer(self, received: Received) -> Answer:
        if received.path == "/v1/models":
            return json_answer(self.list) if isinstance(self.list, dict) else json_answer({}, self.list)
        return json_answer({**COMPLETION, "usage": {"prompt_tokens": 1_000_000, "completion_tokens": 1_000_000, "total_tokens": 2_000_000}})

    def get(self, path: str) -> httpx.Response:
        headers = {"authorization": f"Bearer {self.key}"}
        return httpx.get(f"{self.gateway.base_url}{path}", headers=headers, trust_env=False, timeout=20)

    def ids(self) -> dict[str, dict[str, Any]]:
        return {row["id"]: row for row in self.get("/api/v1/models").json()["data"]}

    def complete(self, model: str) -> tuple[str, dict[str, Any]]:
        """The model that the upstream was asked for, and the reply."""
        body = {"model": model, "messages": [{"role": "user", "content": "Hello"}]}
        reply = httpx.post(
            f"{self.gateway.base_url}/api/v1/chat/completions",
            headers={"authorization": f"Bearer {self.key}"},
            json=body,
            trust_env=False,
            timeout=20,
        )
        assert reply.status_code == 200, reply.text
        asked = next(one for one in reversed(self.upstream.received) if one.method == "POST")
        return asked.json()["model"], reply.json()

    def say(self, text: str, *, by_rename: bool = False) -> None:
        """Change the file of models."""
        path = self.gateway.data_dir / "models.toml"
        if by_rename:
            (path.parent / "models.toml.new").write_text(text, encoding="utf-8")
            (path.parent / "models.toml.new").rename(path)
        else:
            path.write_text(text, encoding="utf-8")

    def health(self) -> dict[str, Any]:
        return self.get("/health").json()["catalogue"]


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    data_dir = tmp_path_factory.mktemp("models") / "data"
    data_dir.mkdir()
    with ScriptedUpstream() as upstream:
        (data_dir / "models.toml").write_text(FIRST, encoding="utf-8")
        gateway = GatewayProcess(data_dir, config=CONFIG.format(url=upstream.url))
        try:
            key = run_command(data_dir, "keys", "create", "--name", "live")["key"]
            world = World(gateway=gateway, upstream=upstream, key=key, list={"data": [{"id": "tiny", "max_model_len": 512}]})
            upstream.handle = world.answer
            yield world
        finally:
            gateway.stop()


def is_first(rows: dict[str, dict[str, Any]]) -> bool:
    return "openai/mine" not in rows and rows["openai/gpt-4o"]["pricing"]["prompt"] == "0.000001"


@pytest.fixture(autouse=True)
def _first(world: World) -> Iterator[None]:
    yield
    world.say(FIRST)
    wait_for(lambda: world.health()["models_file"]["status"] == "ok" and is_first(world.ids()))


def test_an_alias_is_listed_and_its_model_is_called_by_its_own_name_at_its_own_price(world: World) -> None:
    rows = world.ids()
    assert rows["openai/gpt-4o-latest"]["canonical_slug"] == "openai/gpt-4o-2024-11-20"
    assert world.get("/api/v1/models/openai/gpt-4o-latest").json()["id"] == "openai/gpt-4o-latest"
    assert world.get("/api/v1/models/openai/gpt-4o-latest/endpoints").json()["data"]["endpoints"][0]["upstream"] == "main"
    asked, reply = world.complete("openai/gpt-4o-latest")
    assert (asked, reply["model"], reply["usage"]["cost"]) == ("gpt-4o-2024-11-20", "openai/gpt-4o-2024-11-20", 3)


def test_hidden_models_are_not_listed_and_can_be_called(world: World) -> None:
    assert not [name for name in world.ids() if name.startswith("openai/gpt-3.5")]
    assert world.complete("openai/gpt-3.5-turbo")[0] == "gpt-3.5-turbo"


def test_a_variant_is_no_part_of_the_name_that_the_upstream_sees(world: World) -> None:
    asked, reply = world.complete("openai/gpt-4o:nitro")
    assert (asked, reply["model"]) == ("gpt-4o", "openai/gpt-4o")
    row = world.get("/api/v1/models/openai/gpt-4o:nitro").json()
    assert (row["id"], row["canonical_slug"]) == ("openai/gpt-4o:nitro", "openai/gpt-4o")


@pytest.mark.parametrize("by_rename", [False, True])
def test_a_change_of_the_file_takes_effect_within_two_seconds(world: World, by_rename: bool) -> None:
    changed = FIRST.replace('"1"', '"10"') + '[[models]]\nid = "openai/mine"\nupstream_name = "ft:mine"\ncontext_length = 99\n'
    world.say(changed, by_rename=by_rename)
    started_s = time.monotonic()
    row = wait_for(lambda: world.ids().get("openai/mine"), SOON_S)
    assert time.monotonic() - started_s < SOON_S
    assert (row["context_length"], row["pricing"]["prompt"], row["capabilities"]) == (99, None, None)
    assert world.complete("openai/mine")[0] == "ft:mine"
    assert world.complete("openai/gpt-4o")[1]["usage"]["cost"] == 12


def test_a_file_with_a_mistake_changes_nothing_and_is_told_everywhere(world: World) -> None:
    before = world.ids()
    world.say('[aliases]\nnew = "openai/gpt-4o"\n[prices."openai/gpt-4o"]\ninput_per_million = "5"\n')
    failing = wait_for(lambda: (file := world.health()["models_file"])["status"] == "failing" and file, SOON_S)
    assert failing["problems"] == ['prices."openai/gpt-4o".output_per_million: is missing']
    assert world.ids() == before
    assert world.complete("openai/gpt-4o")[1]["usage"]["cost"] == 3
    assert "anyrouter_models_file_problems 1.0" in world.get("/metrics").text
    assert "models_file_not_taken" in world.gateway.output
    world.say(FIRST)
    wait_for(lambda: world.health()["models_file"]["status"] == "ok", SOON_S)
    assert "anyrouter_models_file_problems 0.0" in world.get("/metrics").text


def test_a_file_that_goes_away_changes_nothing(world: World) -> None:
    before = world.ids()
    (world.gateway.data_dir / "models.toml").unlink()
    wait_for(lambda: world.health()["models_file"]["status"] == "failing", SOON_S)
    assert world.ids() == before


def test_what_an_own_server_has_is_listed_and_goes_there(world: World) -> None:
    row = wait_for(lambda: world.ids().get("box/tiny"))
    assert (row["context_length"], row["owned_by"], row["pricing"]["prompt"]) == (512, "box", None)
    assert world.complete("box/tiny")[0] == "tiny"
    assert world.complete("tiny")[1]["model"] == "box/tiny"
    world.list = {"data": [{"id": "tiny", "max_model_len": 512}, {"id": "later:8b"}]}
    wait_for(lambda: "box/later:8b" in world.ids())
    world.list = 500
    failing = wait_for(lambda: (state := world.health()["model_lists"][0])["status"] == "failing" and state)
    assert (failing["upstream"], failing["models"]) == ("box", 2)
    assert {"box/tiny", "box/later:8b"} <= world.ids().keys()
    world.list = {"data": [{"id": "tiny", "max_model_len": 512}]}
    wait_for(lambda: "box/later:8b" not in world.ids())


def test_an_own_servers_model_gets_its_price_from_the_file(world: World) -> None:
    wait_for(lambda: "box/tiny" in world.ids())
    world.say(FIRST + '[prices."box/tiny"]\ninput_per_million = "0.5"\noutput_per_million = "0.25"\n')
    wait_for(lambda: world.ids()["box/tiny"]["pricing"]["prompt"] == "0.0000005", SOON_S)
    assert world.complete("box/tiny")[1]["usage"]["cost"] == 0.75


def test_test_keys_reach_own_models_simulated(world: World) -> None:
    wait_for(lambda: "box/tiny" in world.ids())
    reply = httpx.post(
        f"{world.gateway.base_url}/api/v1/chat/completions",
        headers={"authorization": f"Bearer {world.gateway.first_key}"},
        content=json.dumps({"model": "box/tiny", "messages": [{"role": "user", "content": "Hello"}]}),
        trust_env=False,
        timeout=20,
    )
    assert (reply.status_code, reply.json()["provider"]) == (200, "Sandbox")


def test_an_alias_does_not_get_round_a_keys_restriction(world: World) -> None:
    key = run_command(Path(world.gateway.data_dir), "keys", "create", "--name", "narrow", "--model", "openai/gpt-4o-latest")["key"]
    narrow = World(gateway=world.gateway, upstream=world.upstream, key=key, list=world.list)
    assert "openai/gpt-4o-latest" not in narrow.ids()
    with pytest.raises(AssertionError, match="model_not_allowed"):
        narrow.complete("openai/gpt-4o-latest")
