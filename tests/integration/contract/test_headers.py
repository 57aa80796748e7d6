"""The headers of the contract's section 3, on every kind of reply."""

import json
import re
import socket
import time
from collections.abc import Callable
from typing import Any

import httpx
import pytest

from support.served import ANTHROPIC_MODEL, OPENAI_MODEL, UPSTREAM_KEY, Served, message_events
from support.upstream import Answer, ScriptedUpstream, chat_events, json_answer, stream_answer

Ask = Callable[..., httpx.Response]

MESSAGES = [{"role": "user", "content": "Hello there"}]
CHAT = {"model": OPENAI_MODEL, "messages": MESSAGES}
MESSAGE = {"model": ANTHROPIC_MODEL, "max_tokens": 100, "messages": MESSAGES}
INFERENCE: dict[str, dict[str, Any]] = {
    "chat/completions": CHAT,
    "completions": {"model": "openai/gpt-3.5-turbo-instruct", "prompt": "Say it"},
    "embeddings": {"model": "openai/text-embedding-3-small", "input": "Say it"},
    "messages": MESSAGE,
    "messages/count_tokens": MESSAGE,
    "responses": {"model": OPENAI_MODEL, "input": "Say it"},
}
GENERATION_ID = re.compile(r"gen-[0-9a-f]{32}")
REQUEST_ID = re.compile(r"req-[0-9a-f]{32}")


@pytest.mark.parametrize("base", ["/api/v1", "/v1"])
@pytest.mark.parametrize("endpoint", INFERENCE)
def test_every_inference_reply_names_itself_its_limits_and_who_served_it(ask: Ask, base: str, endpoint: str) -> None:
    reply = ask(f"{base}/{endpoint}", INFERENCE[endpoint])
    assert reply.status_code == 200
    headers = reply.headers
    assert GENERATION_ID.fullmatch(headers["x-generation-id"])
    assert REQUEST_ID.fullmatch(headers["x-request-id"])
    assert headers["x-request-id"][4:] == headers["x-generation-id"][4:]
    assert headers["x-anyrouter-served-by"] == ("anthropic" if endpoint.startswith("messages") else "openai") + "; attempt=1"
    assert 0 <= float(headers["x-anyrouter-overhead-ms"]) < 5000
    assert headers["cache-control"] == "no-store"
    assert headers["content-type"] == "application/json"
    assert "server" not in headers
    assert_limits(headers, "anthropic" if endpoint.startswith("messages") else "openai", limit=6_000_000)
    if not endpoint.startswith(("messages", "responses")):  # those ids are the upstream's own
        assert reply.json()["id"] == headers["x-generation-id"]


def assert_limits(headers: httpx.Headers, dialect: str, *, limit: int) -> None:
    """All forms of the limit's headers say the same."""
    remaining, reset = int(headers["x-ratelimit-remaining"]), int(headers["x-ratelimit-reset"])
    assert int(headers["x-ratelimit-limit"]) == limit
    assert 0 <= remaining <= limit
    assert reset == pytest.approx(time.time(), abs=62)
    assert headers["ratelimit-policy"] == f'"requests";q={limit};w=60'
    assert re.fullmatch(rf'"requests";r={remaining};t=\d+', headers["ratelimit"])
    if dialect == "anthropic":
        assert (headers["anthropic-ratelimit-requests-limit"], headers["anthropic-ratelimit-requests-remaining"]) == (
            str(limit),
            str(remaining),
        )
        assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ", headers["anthropic-ratelimit-requests-reset"])
    else:
        assert (headers["x-ratelimit-limit-requests"], headers["x-ratelimit-remaining-requests"]) == (str(limit), str(remaining))


def test_a_stream_has_them_before_its_first_event(ask: Ask, upstream: ScriptedUpstream) -> None:
    for path, body, events in (("chat/completions", CHAT, chat_events), ("messages", MESSAGE, message_events)):
        upstream.handle = lambda _, events=events: stream_answer(*events("one two"))
        reply = ask(f"/v1/{path}", {**body, "stream": True})
        assert reply.status_code == 200
        assert reply.headers["content-type"].startswith("text/event-stream")
        assert reply.headers["cache-control"] == "no-store"
        assert GENERATION_ID.fullmatch(reply.headers["x-generation-id"])
        assert REQUEST_ID.fullmatch(reply.headers["x-request-id"])
        assert reply.headers["x-anyrouter-served-by"].endswith("; attempt=1")
        assert_limits(reply.headers, "anthropic" if path == "messages" else "openai", limit=6_000_000)


@pytest.mark.parametrize(
    "path", ["models", "models/count", f"models/{OPENAI_MODEL}", "key", "auth/key", "credits", "activity", "providers", "health"]
)
def test_every_reading_reply_has_its_share(get: Ask, path: str) -> None:
    reply = get(f"/api/v1/{path}")
    assert reply.status_code == 200
    assert REQUEST_ID.fullmatch(reply.headers["x-request-id"])
    assert reply.headers["cache-control"] == "no-store"
    if path != "health":
        assert_limits(reply.headers, "openai", limit=6_000_000)


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("GET", "/"),
        ("GET", "/nowhere"),
        ("GET", "/api/v1/nowhere"),
        ("POST", "/api/v1/nowhere"),
        ("GET", "/api/v1/generation/gen-0"),
        ("GET", "/api/v1/models/nobody/nothing"),
        ("GET", "/api/v1/chat/completions"),
        ("PUT", "/api/v1/models"),
        ("DELETE", "/api/v1/messages"),
        ("POST", "/api/v1/chat/completions"),
        ("POST", "/api/v1/messages"),
        ("HEAD", "/api/v1/nowhere"),
        ("OPTIONS", "/api/v1/models"),
        ("GET", "/livez"),
        ("GET", "/api/v1/openapi.json"),
    ],
)
def test_every_reply_has_a_request_id_of_its_own(http: httpx.Client, served: Served, method: str, path: str) -> None:
    seen = set()
    for key in (None, served.live_key, "not-a-key"):
        headers = {} if key is None else {"authorization": f"Bearer {key}"}
        reply = http.request(method, path, headers=headers)
        assert REQUEST_ID.fullmatch(reply.headers["x-request-id"]), (method, path)
        seen.add(reply.headers["x-request-id"])
    assert len(seen) == 3


def test_what_is_not_http_has_a_request_id_too(served: Served) -> None:
    host, _, port = served.base_url.removeprefix("http://").partition(":")
    with socket.create_connection((host, int(port)), timeout=10) as connection:
        connection.sendall(b"POST /v1/chat/completions HTTP/1.1\r\nhost: x\r\nbad header\r\n\r\n")
        reply = connection.recv(65536)
    assert reply.startswith(b"HTTP/1.1 400 ")
    assert re.search(rb"(?i)\r\nx-request-id: req-[0-9a-f]{32}\r\n", reply)


def test_a_trace_id_is_echoed_and_kept_and_a_bad_one_refused(ask: Ask, get: Ask, served: Served) -> None:
    trace = "trace/1 ~!" + "x" * 118
    reply = ask("/v1/chat/completions", CHAT, headers={"x-anyrouter-trace-id": trace})
    assert reply.headers["x-anyrouter-trace-id"] == trace
    assert served.generation(reply.json()["id"])["trace_id"] == trace
    assert get("/v1/key", headers={"x-anyrouter-trace-id": trace}).headers["x-anyrouter-trace-id"] == trace
    for bad in ("x" * 129, "tab\tbed", "ümlaut".encode("latin-1")):
        refused = ask("/v1/chat/completions", CHAT, headers={"x-anyrouter-trace-id": bad})
        assert (refused.status_code, refused.json()["error"]["code"]) == (400, "invalid_parameter")
        assert "x-anyrouter-trace-id" not in refused.headers


def test_where_an_application_says_who_it_is_that_is_kept(ask: Ask, served: Served) -> None:
    for name in ("x-title", "x-anyrouter-title", "x-anyrouter-app"):
        reply = ask("/v1/chat/completions", CHAT, headers={name: "Proof", "http-referer": "https://example.com/", "user-agent": "proof/1"})
        told = served.generation(reply.json()["id"])
        assert (told["app_title"], told["http_referer"], told["user_agent"]) == ("Proof", "https://example.com/", "proof/1")


def test_what_the_upstream_says_of_itself_is_not_passed_on(ask: Ask, upstream: ScriptedUpstream) -> None:
    own = {
        "set-cookie": "a=MARKER",
        "openai-organization": "org-MARKER",
        "openai-processing-ms": "1",
        "x-ratelimit-limit-requests": "7",
        "anthropic-ratelimit-requests-limit": "7",
        "anthropic-organization-id": "org-MARKER",
        "x-request-id": "MARKER",
        "request-id": "MARKER",
        "cf-ray": "MARKER",
        "server": "MARKER",
        "via": "MARKER",
        "access-control-allow-origin": "*",
    }
    body = json.dumps({"error": {"message": "no"}}).encode()
    for status in (200, 400, 429, 500):
        for path, request in (("chat/completions", CHAT), ("messages", MESSAGE)):
            upstream.handle = lambda _, status=status: Answer(status=status, headers={"content-type": "application/json", **own}, body=body)
            reply = ask(f"/v1/{path}", request)
            assert "MARKER" not in str(reply.headers)
            assert "access-control-allow-origin" not in reply.headers
            assert "openai-processing-ms" not in reply.headers
            assert "7" not in {reply.headers.get("x-ratelimit-limit-requests"), reply.headers.get("anthropic-ratelimit-requests-limit")}


def test_the_upstreams_credential_is_in_no_reply(ask: Ask, upstream: ScriptedUpstream) -> None:
    for status in (200, 400, 401, 403, 404, 429, 500):
        said = {"error": {"message": f"Incorrect API key provided: {UPSTREAM_KEY}", "code": UPSTREAM_KEY, "param": UPSTREAM_KEY}}
        for path, request in (("chat/completions", CHAT), ("messages", MESSAGE)):
            upstream.handle = lambda _, status=status, said=said: json_answer(said, status)
            reply = ask(f"/v1/{path}", request)
            assert UPSTREAM_KEY not in reply.text + str(reply.headers), (status, path)


def test_a_key_near_its_end_says_when(ask: Ask, get: Ask, served: Served) -> None:
    soon, late = served.key("--expires", "10d"), served.key("--expires", "30d")
    for reply in (ask("/v1/chat/completions", CHAT, key=soon), get("/v1/key", key=soon), ask("/v1/messages", MESSAGE, key=soon)):
        assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?Z", reply.headers["anyrouter-key-expires"])
    assert "anyrouter-key-expires" not in ask("/v1/chat/completions", CHAT, key=late).headers


def test_a_limit_counts_down_and_tells_when_it_frees(ask: Ask, get: Ask, served: Served) -> None:
    key = served.key("--rpm", "3", "--model", "openai/*")
    before = get("/v1/key", key=key)
    assert before.headers["x-ratelimit-remaining"] == "3"
    assert before.json()["data"]["rate_limit"]["requests"] == 3
    remaining = []
    for _ in range(3):
        reply = ask("/v1/chat/completions", CHAT, key=key)
        assert_limits(reply.headers, "openai", limit=3)
        remaining.append(reply.headers["x-ratelimit-remaining"])
    assert remaining == ["2", "1", "0"]
    refused = ask("/v1/chat/completions", CHAT, key=key)
    assert (refused.status_code, refused.json()["error"]["metadata"]["limited_by"]) == (429, "key")
    assert 50 <= int(refused.headers["retry-after"]) <= 60
    assert_limits(refused.headers, "openai", limit=3)
    assert get("/v1/key", key=key).status_code == 200


def test_refusals_on_messages_have_the_anthropic_envelope(ask: Ask, http: httpx.Client, served: Served) -> None:
    replies = [
        http.post("/v1/messages", json=MESSAGE),
        http.post("/api/v1/messages/count_tokens", json=MESSAGE),
        ask("/v1/messages", b"{"),
        ask("/v1/messages", {**MESSAGE, "model": "nobody/nothing"}),
        ask("/v1/messages", MESSAGE, key="ar-live-" + "0" * 45),
        ask("/v1/messages", method="GET"),
        ask("/v1/messages/nowhere", MESSAGE),
    ]
    for reply in replies:
        body = reply.json()
        assert (body["type"], set(body)) == ("error", {"type", "error", "request_id"})
        assert body["request_id"] == reply.headers["x-request-id"]
        assert body["error"]["message"]
    assert [reply.status_code for reply in replies] == [401, 401, 400, 404, 401, 405, 404]


def test_refusals_elsewhere_have_the_openai_envelope(ask: Ask, http: httpx.Client) -> None:
    replies = [
        http.post("/v1/chat/completions", json=CHAT),
        http.get("/v1/models"),
        ask("/v1/chat/completions", b"{"),
        ask("/v1/embeddings", {"model": "nobody/nothing", "input": "a"}),
        ask("/v1/nowhere", CHAT),
        ask("/v1/chat/completions", method="GET"),
    ]
    for reply in replies:
        error = reply.json()["error"]
        assert set(error) == {"message", "type", "code", "param", "metadata"}
    assert [reply.status_code for reply in replies] == [401, 401, 400, 404, 404, 405]
    assert [reply.headers.get("www-authenticate") for reply in replies[:2]] == ['Bearer realm="anyrouter"'] * 2
