"""A tenant's own credential through the real gateway: opened for its own requests, charged the flat fee, replaced by nobody in silence."""

import sqlite3
import time
from collections.abc import Iterator
from typing import Any

import httpx
import pytest

from anyrouter.cli.store import with_services
from anyrouter.core.audit import OPERATOR
from anyrouter.core.byok import ProviderCredential
from anyrouter.core.tenancy import DEFAULT_ORGANISATION_ID
from anyrouter.policy.rights import OPERATOR_RIGHTS
from anyrouter.settings import load_settings
from support.gateway import GatewayProcess
from support.served import wait_for
from support.upstream import Answer, Received, ScriptedUpstream, chat_events, completion, json_answer, stream_answer

OPERATORS = "sk-operators-MARKER"
TENANTS = "sk-tenants-MARKER-0123456789"
CHAT: dict[str, Any] = {"model": "openai/gpt-4o", "messages": [{"role": "user", "content": "Hello"}]}


class World:
    """A gateway whose operator has OpenAI at `operators`; tenants' accounts are at `own`."""

    def __init__(self, directory: Any) -> None:
        self.operators, self.own = ScriptedUpstream(completion), ScriptedUpstream(completion)
        self.variables = {"OPERATORS_KEY": OPERATORS}
        config = f"""
[billing]
routing_fee_usd = "0.0005"
[byok]
allowed_hosts = ["{self.own.url.removeprefix("http://")}"]
[[environments]]
slug = "other"
kind = "live"
[[upstreams]]
id = "house"
provider = "openai"
base_url = "{self.operators.url}/v1"
credential_variable = "OPERATORS_KEY"
"""
        self.gateway = GatewayProcess(directory, config=config, **self.variables)
        self.http = httpx.Client(base_url=self.gateway.base_url, trust_env=False, timeout=20)
        self.key = self.gateway.create_key()

    def close(self) -> None:
        self.http.close()
        self.gateway.stop()
        self.operators.close()
        self.own.close()

    def change(self, work: Any) -> Any:
        settings = load_settings(data_dir=self.gateway.data_dir, environ=self.variables)
        return with_services(settings, lambda services: work(services.credentials))

    def enter(self, secret: str = TENANTS, environment: str = "live", **fields: Any) -> ProviderCredential:
        values = {"base_url": f"{self.own.url}/v1", **fields}
        entered = self.change(
            lambda service: service.create(
                OPERATOR, OPERATOR_RIGHTS, DEFAULT_ORGANISATION_ID, environment=environment, provider="openai", key=secret, fields=values
            )
        )
        time.sleep(0.5)  # a running server looks for changes five times a second
        return entered

    def delete(self, entered: ProviderCredential) -> None:
        self.change(lambda service: service.delete(OPERATOR, OPERATOR_RIGHTS, DEFAULT_ORGANISATION_ID, entered.id))
        time.sleep(0.5)

    def ask(self, key: str | None = None, **members: Any) -> httpx.Response:
        headers = {"authorization": f"Bearer {key or self.key}"}
        return self.http.post("/api/v1/chat/completions", json={**CHAT, **members}, headers=headers)

    def generation(self, reply: httpx.Response) -> Any:
        headers = {"authorization": f"Bearer {self.key}"}
        return self.http.get(f"/api/v1/generation/{reply.headers['x-generation-id']}", headers=headers).json()["data"]


@pytest.fixture(scope="module")
def shared(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    world = World(tmp_path_factory.mktemp("byok") / "data")
    yield world
    world.close()


@pytest.fixture
def world(shared: World) -> Iterator[World]:
    """The same gateway for all, without any credential."""
    shared.operators.handle = shared.own.handle = completion
    shared.operators.received.clear()
    shared.own.received.clear()
    yield shared
    for entered in shared.change(lambda service: service.list(OPERATOR_RIGHTS, DEFAULT_ORGANISATION_ID)):
        shared.delete(entered)


def rejected(_request: Received) -> Answer:
    return json_answer({"error": {"message": "Incorrect API key provided: sk-tenants-MARKER-0123456789", "code": "invalid_api_key"}}, 401)


def test_a_request_goes_over_the_tenants_own_account_and_costs_the_fee(world: World) -> None:
    entered = world.enter()
    reply = world.ask()
    assert reply.status_code == 200, reply.text
    assert reply.headers["x-anyrouter-served-by"] == f"{entered.id}; attempt=1"
    (received,) = world.own.received
    assert received.headers["authorization"] == "Bearer sk-tenants-MARKER-0123456789"
    assert world.operators.received == []
    usage = reply.json()["usage"]
    assert (usage["cost"], usage["is_byok"]) == (0.0005, True)
    assert usage["cost_details"]["upstream_inference_cost"] > 0
    told = world.generation(reply)
    assert (told["total_cost"], told["routing_fee"], told["is_byok"], told["provider_name"]) == (0.0005, 0.0005, True, "OpenAI")
    assert told["upstream_inference_cost"] == usage["cost_details"]["upstream_inference_cost"]
    assert "MARKER" not in reply.text + str(reply.headers) + str(told)


def test_a_stream_goes_over_it_too(world: World) -> None:
    world.enter()
    world.own.handle = lambda _: stream_answer(*chat_events("Hello"))
    reply = world.ask(stream=True)
    assert reply.text.rstrip().endswith("data: [DONE]")
    assert wait_for(lambda: world.generation(reply)["total_cost"] == 0.0005)


def test_another_environments_keys_do_not_use_it(world: World) -> None:
    world.enter(environment="other")
    reply = world.ask()
    assert reply.headers["x-anyrouter-served-by"] == "house; attempt=1"
    assert reply.json()["usage"]["is_byok"] is False
    assert world.own.received == []
    assert world.operators.received[0].headers["authorization"] == f"Bearer {OPERATORS}"


def test_a_rejected_credential_is_not_replaced_by_the_operators_in_silence(world: World) -> None:
    entered = world.enter()
    world.own.handle = rejected
    reply = world.ask()
    assert (reply.status_code, reply.json()["error"]["code"]) == (502, "byok_credential_rejected")
    assert world.operators.received == []
    assert "your organisation's own credential" in reply.json()["error"]["message"]
    assert "MARKER" not in reply.text
    assert reply.json()["error"]["metadata"]["attempts"][0]["upstream"] == entered.id
    for _ in range(3):  # nor later, while it is known to be rejected
        again = world.ask()
        assert (again.status_code, again.json()["error"]["code"]) == (502, "byok_credential_rejected")
    assert world.operators.received == []
    assert world.ask(provider={"byok": "never"}).status_code == 200  # who asks for it gets it


def test_a_fallback_row_lets_the_operators_stand_in_and_a_quarantined_one_is_left_alone(world: World) -> None:
    entered = world.enter(is_fallback=True)
    world.own.handle = rejected
    assert world.ask().headers["x-anyrouter-served-by"] == "house; attempt=2"
    asked = len(world.own.received)
    for _ in range(5):
        assert world.ask().headers["x-anyrouter-served-by"] == "house; attempt=1"
    assert len(world.own.received) == asked
    database = sqlite3.connect(world.gateway.data_dir / "anyrouter.db")
    reason = "SELECT quarantine_reason FROM provider_credentials WHERE id = ?"
    assert wait_for(lambda: database.execute(reason, (entered.id,)).fetchone()[0] is not None, 10)
    database.close()


def test_an_overloaded_account_is_helped_out_and_one_that_is_always_used_is_not(world: World) -> None:
    world.own.handle = lambda _: json_answer({"error": {"message": "overloaded"}}, 503)
    entered = world.enter()
    assert world.ask().headers["x-anyrouter-served-by"] == "house; attempt=2"
    world.delete(entered)
    world.enter(always_use=True)
    reply = world.ask()
    assert (reply.status_code, reply.json()["error"]["code"]) == (503, "no_healthy_upstream")
    assert world.ask(provider={"byok": "never"}).json()["error"]["code"] == "no_route"


@pytest.mark.parametrize("flags", [{}, {"always_use": True}, {"is_fallback": True}])
def test_a_credential_whose_secret_was_dropped_is_not_replaced_in_silence_either(world: World, flags: dict[str, bool]) -> None:
    entered = world.enter(**flags)
    elsewhere = {"base_url": "https://llm.example.org/v1"}
    world.change(lambda service: service.change(OPERATOR, OPERATOR_RIGHTS, DEFAULT_ORGANISATION_ID, entered.id, elsewhere))
    time.sleep(0.5)
    reply = world.ask()
    if "is_fallback" in flags:
        assert reply.headers["x-anyrouter-served-by"] == "house; attempt=2"
        return
    assert (reply.status_code, reply.json()["error"]["code"]) == (502, "byok_credential_rejected")
    assert "entered again" in reply.json()["error"]["message"]
    assert world.operators.received == world.own.received == []
    back = {"base_url": f"{world.own.url}/v1"}
    world.change(lambda service: service.change(OPERATOR, OPERATOR_RIGHTS, DEFAULT_ORGANISATION_ID, entered.id, back, key=TENANTS))
    time.sleep(0.5)
    assert world.ask().headers["x-anyrouter-served-by"] == f"{entered.id}; attempt=1"


def test_two_of_equal_order_take_turns(world: World) -> None:
    first, second = world.enter(name="first"), world.enter("sk-second-MARKER-0123456789", name="second")
    served = [
        world.ask(messages=[{"role": "user", "content": f"Hello {n}"}]).headers["x-anyrouter-served-by"].partition(";")[0] for n in range(6)
    ]
    assert served.count(first.id) == served.count(second.id) == 3
    tokens = [received.headers["authorization"] for received in world.own.received]
    assert tokens.count("Bearer sk-second-MARKER-0123456789") == 3


def test_a_region_that_is_demanded_is_the_only_one(world: World) -> None:
    world.enter(region="us")
    refused = world.ask(provider={"region": "eu"})
    assert (refused.status_code, refused.json()["error"]["code"]) == (403, "region_not_allowed")
    entered = world.enter(region="eu", name="Frankfurt")
    assert world.ask(provider={"region": "eu"}).headers["x-anyrouter-served-by"] == f"{entered.id}; attempt=1"
    dry = world.http.post(
        "/api/v1/route", json={**CHAT, "provider": {"region": "eu"}}, headers={"authorization": f"Bearer {world.key}"}
    ).json()["data"]
    assert [target["upstream"] for target in dry["targets"]] == [entered.id]
    assert {row["reason"] for row in dry["excluded"]} == {"region: us", "region: unknown"}


def test_a_disabled_or_deleted_credential_is_not_used_a_second_later(world: World) -> None:
    entered = world.enter()
    assert world.ask().headers["x-anyrouter-served-by"].startswith("byok_")
    world.change(lambda service: service.change(OPERATOR, OPERATOR_RIGHTS, DEFAULT_ORGANISATION_ID, entered.id, {"is_disabled": True}))
    assert wait_for(lambda: world.ask().headers["x-anyrouter-served-by"].startswith("house"), 1)


def test_a_ciphertext_of_another_row_is_not_opened_and_nobody_stands_in(world: World) -> None:
    first, second = world.enter(name="first"), world.enter("sk-second-MARKER-0123456789", name="second", models=["openai/gpt-4o-mini"])
    database = sqlite3.connect(world.gateway.data_dir / "anyrouter.db")
    columns = "kek_id = o.kek_id, wrapped_key = o.wrapped_key, nonce = o.nonce, ciphertext = o.ciphertext"
    database.execute(
        f"UPDATE provider_credentials AS p SET {columns} FROM (SELECT * FROM provider_credentials WHERE id = ?) o WHERE p.id = ?",  # noqa: S608
        (second.id, first.id),
    )
    database.execute("UPDATE latest_epoch SET epoch = epoch + 1")
    database.execute("UPDATE organisations SET epoch = (SELECT epoch FROM latest_epoch)")
    database.commit()
    database.close()
    time.sleep(0.5)
    reply = world.ask()
    assert reply.status_code == 503, reply.text
    assert reply.json()["error"]["message"] == "A stored secret cannot be used now. The operator's log says why."
    assert world.operators.received == []
    assert world.own.received == []
    assert wait_for(lambda: "seal_broken" in world.gateway.output, 5)
    assert "MARKER" not in world.gateway.output + reply.text
