"""Section E of the attack cases: two organisations whose things have the same names, in one gateway. Nothing of one reaches the other."""

import json
import os
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import pytest
from tests.security.conftest import Exposed
from tests.security.test_key_state import PROMPT_S

from anyrouter.core.tenancy import DEFAULT_ORGANISATION_ID
from support.raw_client import Reply, raw_request
from support.served import run_command

USE = b"X-AnyRouter-Cache: use"
EVERYTHING = tuple(
    argument
    for scope in ("admin:*", "completions:write", "embeddings:write", "models:read", "usage:read")
    for argument in ("--scope", scope)
)


def is_soon(holds: Callable[[], bool]) -> bool:
    """Whether it holds within a second."""
    end_s = time.monotonic() + PROMPT_S
    while not holds():
        if time.monotonic() > end_s:
            return False
        time.sleep(0.02)
    return True


@dataclass
class Side:
    """One of the two: the same environments, the same names."""

    exposed: Exposed
    organisation_id: str
    key: str

    def run(self, *arguments: str) -> Any:
        return run_command(self.exposed.gateway.data_dir, *arguments, "--org", self.organisation_id)

    def ask(self, method: str, path: str, body: Any = None, *lines: bytes) -> Reply:
        content = None if body is None else json.dumps(body).encode()
        return self.exposed.ask(raw_request(method.encode(), f"/api/v1/{path}".encode(), *lines, key=self.key, body=content))

    def chat(self, *lines: bytes, model: str = "openai/gpt-4o", text: str = "") -> Reply:
        body = json.dumps({"model": model, "messages": [{"role": "user", "content": text or os.urandom(8).hex()}]}).encode()
        return self.exposed.chat(*lines, key=self.key, body=body)


def make_side(exposed: Exposed, organisation_id: str) -> Side:
    made = run_command(
        exposed.gateway.data_dir, "keys", "create", "--name", f"twin {os.urandom(4).hex()}", "--org", organisation_id, *EVERYTHING
    )
    return Side(exposed, organisation_id, str(made["key"]))


@pytest.fixture(scope="module")
def twins(_exposed: Exposed) -> tuple[Side, Side]:
    other = run_command(_exposed.gateway.data_dir, "org", "create", "Default")["data"]
    sides = make_side(_exposed, DEFAULT_ORGANISATION_ID), make_side(_exposed, str(other["id"]))
    assert is_soon(lambda: sides[1].ask("GET", "key").status == 200)
    return sides


@pytest.fixture
def us(exposed: Exposed, twins: tuple[Side, Side]) -> Side:
    return twins[0]


@pytest.fixture
def them(exposed: Exposed, twins: tuple[Side, Side]) -> Side:
    return twins[1]


def test_a_live_environment_of_a_new_organisation_reaches_the_operator_s_upstreams(exposed: Exposed, them: Side) -> None:
    reply = them.chat()
    assert (reply.status, reply.json["provider"]) == (200, "OpenAI")
    assert len(exposed.upstream.received) == 1


def test_the_same_request_of_another_organisation_misses(exposed: Exposed, us: Side, them: Side) -> None:
    text = os.urandom(8).hex()
    told = [side.chat(USE, text=text).headers.get("x-anyrouter-cache") for side in (us, us, them, them)]
    assert told == ["miss", "hit", "miss", "hit"]
    assert len(exposed.upstream.received) == 2


def test_a_preset_s_slug_means_each_organisation_s_own(exposed: Exposed, us: Side, them: Side) -> None:
    slug = f"w{os.urandom(4).hex()}"
    for side, model in ((us, "openai/gpt-4o-mini"), (them, "openai/gpt-4.1")):
        assert side.ask("POST", "presets", {"slug": slug, "config": {"model": model}}).status == 201
    assert is_soon(lambda: us.chat(model=f"@preset/{slug}").status == them.chat(model=f"@preset/{slug}").status == 200)
    assert [side.chat(model=f"@preset/{slug}").json["model"] for side in (us, them)] == ["openai/gpt-4o-mini", "openai/gpt-4.1"]
    assert us.ask("DELETE", f"presets/{slug}").status == 200
    assert is_soon(lambda: us.chat(model=f"@preset/{slug}").status in {400, 404})
    assert them.chat(model=f"@preset/{slug}").status == 200


def test_an_idempotency_key_is_each_key_s_own(us: Side, them: Side) -> None:
    line = f"Idempotency-Key: {os.urandom(8).hex()}".encode()
    body = {"name": f"once {os.urandom(4).hex()}"}
    first, second = (side.ask("POST", "keys", body, line) for side in (us, them))
    assert (first.status, second.status) == (201, 201)
    assert first.json["data"]["id"] != second.json["data"]["id"]
    assert "idempotency-replayed" not in second.headers
    again = them.ask("POST", "keys", body, line)
    assert (again.headers["idempotency-replayed"], again.json["data"]["id"]) == ("true", second.json["data"]["id"])
    assert us.ask("POST", "keys", {"name": "another"}, line).json["error"]["code"] == "idempotency_key_reused"


@pytest.fixture
def blocked(us: Side) -> Iterator[None]:
    """Our live environment lets nothing through."""
    us.run("envs", "change", "live", "--rpm", "0")
    yield
    us.run("envs", "change", "live", "--rpm", "none")
    assert is_soon(lambda: us.chat().status == 200)


@pytest.mark.usefixtures("blocked")
def test_an_environment_s_limit_is_not_that_of_its_namesake(us: Side, them: Side) -> None:
    assert is_soon(lambda: us.chat().status == 429)
    assert them.chat().status == 200


def test_an_environment_that_is_switched_off_is_not_its_namesake(us: Side, them: Side) -> None:
    them.run("envs", "change", "live", "--inactive")
    try:
        assert is_soon(lambda: them.chat().status == 401)
        assert us.chat().status == 200
    finally:
        them.run("envs", "change", "live", "--active")
    assert is_soon(lambda: them.chat().status == 200)


def test_a_budget_is_one_organisation_s(us: Side, them: Side) -> None:
    budget = us.ask("POST", "budgets", {"owner": "environment", "owner_id": "live", "limit": 0, "models": ["openai/gpt-4.1-nano"]})
    assert budget.status == 201
    try:
        assert is_soon(lambda: us.chat(model="openai/gpt-4.1-nano").status == 402)
        assert them.chat(model="openai/gpt-4.1-nano").status == 200
    finally:
        us.ask("DELETE", f"budgets/{budget.json['data']['id']}")


def settled_usage(side: Side) -> float:
    """What the organisation has used, once what others asked before is counted."""
    seen: list[float] = []
    while len(seen) < 2 or seen[-1] != seen[-2]:
        seen.append(side.ask("GET", "credits").json["total_usage"])
        time.sleep(0.3)
    return seen[-1]


def test_usage_and_money_are_counted_apart(us: Side, them: Side) -> None:
    before = [settled_usage(side) for side in (us, them)]
    generation = them.chat().headers["x-generation-id"]
    assert them.ask("GET", f"generation/{generation}").status == 200
    hidden, absent = us.ask("GET", f"generation/{generation}"), us.ask("GET", f"generation/gen-{os.urandom(16).hex()}")
    assert (hidden.status, hidden.body) == (404, absent.body)
    assert is_soon(lambda: them.ask("GET", "credits").json["total_usage"] > before[1])
    assert settled_usage(us) == before[0]


def test_an_organisation_is_suspended_within_a_second_and_its_namesake_goes_on(us: Side, them: Side) -> None:
    run_command(us.exposed.gateway.data_dir, "org", "disable", them.organisation_id)
    try:
        assert is_soon(lambda: them.chat().status == 401)
        refused = them.ask("GET", "org")
        assert (refused.status, refused.json["error"]["code"]) == (401, "disabled_api_key")
        assert us.chat().status == 200
    finally:
        run_command(us.exposed.gateway.data_dir, "org", "enable", them.organisation_id)
    assert is_soon(lambda: them.chat().status == 200)


def test_a_deleted_environment_ends_its_keys_within_a_second_and_for_good(us: Side) -> None:
    slug = f"e{os.urandom(4).hex()}"
    us.run("envs", "create", slug)
    made = us.run("keys", "create", "--name", "gone", "--env", slug)
    key = Side(us.exposed, us.organisation_id, str(made["key"]))
    assert is_soon(lambda: key.chat().status == 200)
    started = time.monotonic()
    assert us.ask("DELETE", f"environments/{slug}").status == 200
    assert is_soon(lambda: key.chat().status == 401)
    assert time.monotonic() - started < 2 * PROMPT_S
    assert us.ask("POST", "environments", {"slug": slug, "kind": "live"}).status == 409
    assert us.ask("POST", "keys", {"name": "again", "environment": slug}).status in {400, 403, 404}
    assert key.chat().status == 401


def test_a_name_in_a_header_chooses_no_organisation(us: Side, them: Side) -> None:
    for name in ("X-Org-Id", "X-AnyRouter-Org", "OpenAI-Organization", "X-Organization-Id", "X-Workspace-Id"):
        line = f"{name}: {them.organisation_id}".encode()
        assert us.ask("GET", "org", None, line).json["data"]["id"] == us.organisation_id
        assert us.ask("GET", f"org?organisation_id={them.organisation_id}", None, line).json["data"]["id"] == us.organisation_id
