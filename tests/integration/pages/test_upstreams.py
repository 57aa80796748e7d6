"""The page of upstreams over a real gateway: what an upstream does to requests is on it, and who may look at which."""

import re
import time
from collections.abc import Callable, Iterator

import httpx
import pytest

from anyrouter.core.tenancy import Role
from support.gateway import GatewayProcess
from support.upstream import ScriptedUpstream, completion, json_answer

from .conftest import CONFIG, PROBE, said

PATH = "/dashboard/settings/upstreams"


@pytest.fixture(scope="module")
def upstream() -> Iterator[ScriptedUpstream]:
    with ScriptedUpstream(completion) as made:
        yield made


@pytest.fixture(scope="module")
def gateway(tmp_path_factory: pytest.TempPathFactory, upstream: ScriptedUpstream) -> Iterator[GatewayProcess]:
    box = f"""
[[upstreams]]
id = "box"
provider = "openai-compatible"
base_url = "{upstream.url}/v1"
region = "eu"
models = ["openai/gpt-4o", "openai/gpt-4o-mini"]
"""
    process = GatewayProcess(tmp_path_factory.mktemp("pages"), config=CONFIG + box)
    yield process
    process.stop()
    assert "page failed" not in process.output, process.output


@pytest.fixture(scope="module")
def ask(gateway: GatewayProcess) -> Callable[..., httpx.Response]:
    key = gateway.create_key()

    def send(model: str = "openai/gpt-4o") -> httpx.Response:
        body = {"model": model, "messages": [{"role": "user", "content": "Hi"}]}
        return httpx.post(f"{gateway.base_url}/api/v1/chat/completions", json=body, headers={"authorization": f"Bearer {key}"})

    return send


def card(reply: httpx.Response, name: str) -> str:
    """What the page says of one upstream."""
    found = re.search(rf'<section class="card" aria-labelledby="upstream-{name}">.*?</section>', reply.text, re.DOTALL)
    assert found is not None, said(reply)
    return " ".join(re.sub(r"<[^>]*>", " ", found[0]).split())


def test_what_an_upstream_does_is_shown(owner: httpx.Client, upstream: ScriptedUpstream, ask: Callable[..., httpx.Response]) -> None:
    assert "sandbox well" in card(owner.get(PATH), "sandbox")
    assert ask().status_code == 200
    shown = card(owner.get(PATH), "box")
    assert re.search(r"box well OpenAI-compatible[^·]*· eu · the operator's", shown)
    assert re.search(r"openai/gpt-4o well 1 0 % \d+ ms / \d+ ms", shown)
    assert "100 %" in shown
    upstream.handle = lambda _: json_answer({"error": {"message": "overloaded"}}, 503)
    for _ in range(8):
        ask("openai/gpt-4o-mini")
    upstream.handle = completion
    shown = card(owner.get(PATH), "box")
    assert "left alone" in shown
    assert re.search(r"openai/gpt-4o-mini left alone asked again in", shown)
    assert re.search(r"[1-9]\d* failures since the last success", shown)
    assert shown.index("gpt-4o-mini") < shown.index("gpt-4o well")


def test_what_is_left_of_a_rate_limit_is_shown(owner: httpx.Client, upstream: ScriptedUpstream, ask: Callable[..., httpx.Response]) -> None:
    limits = {"x_ratelimit_remaining_requests": "4321", "x_ratelimit_limit_requests": "5000", "x_ratelimit_reset_requests": "60s"}
    upstream.handle = lambda _: json_answer(
        {"id": "x", "object": "chat.completion", "choices": [{"index": 0, "message": {"role": "assistant", "content": "Hi"}}]}, **limits
    )
    pattern, end = re.compile(r"4,[34]\d\d requests"), time.monotonic() + 10
    try:
        while not pattern.search(card(owner.get(PATH), "box")) and time.monotonic() < end:  # headers are read once a second
            assert ask().status_code == 200
            time.sleep(0.2)
    finally:
        upstream.handle = completion
    assert pattern.search(card(owner.get(PATH), "box"))


def test_names_that_clients_invent_are_shown_to_nobody(owner: httpx.Client, ask: Callable[..., httpx.Response]) -> None:
    ask("openai/<script>")
    ask("openai/invented")
    page = owner.get(PATH).text
    assert "invented" not in page
    assert "<script>" not in page.replace('<script type="module"', "")


def test_own_credentials_are_shown_to_who_manages_them(
    owner: httpx.Client, stranger: httpx.Client, browse: Callable[..., httpx.Client]
) -> None:
    form = {"provider": "mistral", "environment": "live", "key": "sk-very-secret-0123456789", "name": PROBE}
    added = owner.post("/dashboard/settings/byok/new", data=form)
    id_ = added.headers["location"].partition("?")[0].rpartition("/")[2]
    end = time.monotonic() + 10
    while id_ not in (page := owner.get(PATH)).text and time.monotonic() < end:  # the data plane hears of it within a second
        time.sleep(0.05)
    assert PROBE not in page.text
    assert f"{PROBE} not asked yet" in said(page)
    for role in (Role.DEVELOPER, Role.BILLING, Role.VIEWER):
        looked = browse(role).get(PATH)
        assert looked.status_code == 200
        assert "upstream-box" in looked.text
        assert id_ not in looked.text
    assert id_ not in stranger.get(PATH).text


def test_a_page_that_is_not_there_is_empty_and_one_that_is_none_is_refused(owner: httpx.Client) -> None:
    assert owner.get(f"{PATH}?page=99").status_code == 200
    assert owner.get(f"{PATH}?page=x").status_code == 400
