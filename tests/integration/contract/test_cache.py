"""The response cache through a real gateway: what reaches the upstream, what the client gets, what the ledger says."""

import re
from collections.abc import Callable, Iterator
from typing import Any

import httpx
import pytest

from support.gateway import GatewayProcess
from support.served import OPENAI_MODEL, Served, answer_in_its_dialect, run_command, wait_for
from support.upstream import Answer, Received, ScriptedUpstream, chat_events, json_answer, stream_answer

Ask = Callable[..., httpx.Response]
USE = {"X-AnyRouter-Cache": "use"}
DIGITS = re.compile(rb"[0-9a-f]{32}")
COST = re.compile(rb'"cost":[0-9.e-]+')
OWN = """
[[environments]]
slug = "live"
cache_ttl_s = 60

[[environments]]
slug = "brief"
cache_ttl_s = 0.3

[[environments]]
slug = "plain"

[[upstreams]]
id = "box"
provider = "openai-compatible"
base_url = "{url}/v1"
environments = ["live", "brief", "plain"]
models = ["openai/text-embedding-3-small"]
"""


def chat(text: str, **members: object) -> dict[str, Any]:
    """A body that no other test sends."""
    return {"model": OPENAI_MODEL, "messages": [{"role": "user", "content": text}], **members}


def same(reply: httpx.Response) -> bytes:
    """A body without what is a generation's own."""
    return COST.sub(b"COST", DIGITS.sub(b"ID", reply.content))


def test_a_hit_does_not_reach_the_upstream_and_costs_nothing(served: Served, ask: Ask) -> None:
    first, second = (ask("/v1/chat/completions", chat("twice"), headers=USE) for _ in range(2))
    assert [reply.headers["x-anyrouter-cache"] for reply in (first, second)] == ["miss", "hit"]
    assert len(served.upstream.received) == 1
    assert same(first) == same(second)
    assert second.json()["id"] == second.headers["x-generation-id"] != first.json()["id"]
    assert (first.json()["usage"]["cost"] > 0, second.json()["usage"]["cost"]) == (True, 0)
    assert int(second.headers["age"]) >= 0
    assert second.headers["cache-control"] == "no-store"
    assert "Authorization" in second.headers["vary"]
    entry, paid = served.generation(second.json()["id"]), served.generation(first.json()["id"])
    assert (entry["total_cost"], entry["attempts"], entry["provider_name"]) == (0, [], paid["provider_name"])
    assert entry["native_tokens_prompt"] == paid["native_tokens_prompt"] == 100
    assert paid["total_cost"] > 0


@pytest.mark.parametrize(
    ("path", "body", "streams"),
    [
        ("/v1/chat/completions", chat("stream", stream=True), True),
        ("/v1/messages", {**chat("claude"), "model": "anthropic/claude-sonnet-5", "max_tokens": 9}, False),
        ("/v1/messages", {**chat("translated", stream=True), "max_tokens": 9}, True),
        ("/v1/responses", {"model": "openai/gpt-4o", "input": "respond"}, False),
        ("/v1/embeddings", {"model": "openai/text-embedding-3-small", "input": "embed"}, False),
        ("/v1beta/models/gpt-4o:generateContent", {"contents": [{"role": "user", "parts": [{"text": "gemini"}]}]}, False),
        ("/v1beta/models/gpt-4o:streamGenerateContent", {"contents": [{"role": "user", "parts": [{"text": "array"}]}]}, True),
        ("/v1beta/models/gpt-4o:streamGenerateContent?alt=sse", {"contents": [{"role": "user", "parts": [{"text": "array"}]}]}, True),
    ],
)
def test_every_format_is_given_again_as_it_was(served: Served, ask: Ask, path: str, body: dict[str, Any], *, streams: bool) -> None:
    if streams:
        served.upstream.handle = lambda _: stream_answer(*chat_events("Hello from upstream"))
    first, second = (ask(path, body, headers=USE) for _ in range(2))
    assert [reply.headers.get("x-anyrouter-cache") for reply in (first, second)] == ["miss", "hit"], second.text
    assert first.headers["content-type"] == second.headers["content-type"]
    assert same(first) == same(second)
    assert first.headers["x-generation-id"].encode()[4:] not in second.content
    assert len(served.upstream.received) == 1


def test_an_error_is_asked_for_again(served: Served, ask: Ask) -> None:
    served.upstream.handle = lambda _: json_answer({"error": {"message": "no"}}, 400)
    assert ask("/v1/chat/completions", chat("error"), headers=USE).status_code == 400
    served.upstream.handle = answer_in_its_dialect
    assert ask("/v1/chat/completions", chat("error"), headers=USE).headers["x-anyrouter-cache"] == "miss"


def test_a_stream_that_was_cut_is_asked_for_again(served: Served, ask: Ask) -> None:
    served.upstream.handle = lambda _: stream_answer(*chat_events("Hello")[:2], is_cut=True)
    cut = ask("/v1/chat/completions", chat("cut", stream=True), headers=USE)
    assert b"upstream_" in cut.content
    served.upstream.handle = answer_in_its_dialect
    assert ask("/v1/chat/completions", chat("cut", stream=True), headers=USE).headers["x-anyrouter-cache"] == "miss"


def test_a_wish_that_is_none_is_the_client_s_mistake(ask: Ask) -> None:
    reply = ask("/v1/chat/completions", chat("wish"), headers={"X-AnyRouter-Cache": "always"})
    assert (reply.status_code, reply.json()["error"]["param"]) == (400, "X-AnyRouter-Cache")


def test_what_is_looked_up_is_counted(served: Served, ask: Ask) -> None:
    def count(result: str) -> float:
        text = httpx.get(f"{served.base_url}/metrics", trust_env=False).text
        return float(re.findall(rf'^anyrouter_cache_requests_total{{result="{result}"}} (\S+)$', text, re.MULTILINE)[0])

    before = count("hit"), count("miss")
    for _ in range(3):
        ask("/v1/chat/completions", chat("counted"), headers=USE)
    assert (count("hit") - before[0], count("miss") - before[1]) == (2, 1)


@pytest.fixture(scope="module")
def own(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    """A gateway with environments that keep replies."""

    def numbered(_: Received) -> Answer:
        return json_answer({"object": "list", "data": [], "model": "m", "usage": {"prompt_tokens": len(upstream.received)}})

    with ScriptedUpstream(numbered) as upstream:
        gateway = GatewayProcess(tmp_path_factory.mktemp("cache") / "data", config=OWN.format(url=upstream.url))
        try:
            yield Served(gateway, upstream, run_command(gateway.data_dir, "keys", "create", "--name", "live")["key"])
        finally:
            gateway.stop()


def embed(own: Served, text: str, key: str | None = None, **headers: str) -> httpx.Response:
    sent = {"authorization": f"Bearer {key or own.live_key}", **{name.replace("_", "-"): value for name, value in headers.items()}}
    body = {"model": "openai/text-embedding-3-small", "input": text}
    return httpx.post(f"{own.base_url}/api/v1/embeddings", json=body, headers=sent, trust_env=False, timeout=20)


def told(reply: httpx.Response) -> str | None:
    assert reply.status_code == 200, reply.text
    return reply.headers.get("x-anyrouter-cache")


def test_an_environment_s_requests_need_no_header(own: Served) -> None:
    assert [told(embed(own, "all")) for _ in range(2)] == ["miss", "hit"]
    assert told(embed(own, "all", x_anyrouter_cache="bypass")) is None
    assert told(embed(own, "all")) == "hit"


def test_an_environment_without_it_keeps_nothing_unasked(own: Served) -> None:
    plain = own.key("--env", "plain")
    assert [told(embed(own, "plain", plain)) for _ in range(2)] == [None, None]


def test_a_reply_is_asked_for_anew_when_its_time_is_over(own: Served) -> None:
    brief = own.key("--env", "brief")
    assert told(embed(own, "brief", brief)) == "miss"
    first = len(own.upstream.received)
    assert wait_for(lambda: told(embed(own, "brief", brief)) == "miss")
    assert len(own.upstream.received) == first + 1


def test_another_environment_misses(own: Served) -> None:
    assert told(embed(own, "apart")) == "miss"
    assert told(embed(own, "apart", own.key("--env", "plain"), x_anyrouter_cache="use")) == "miss"
    assert told(embed(own, "apart")) == "hit"
