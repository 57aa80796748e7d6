"""What the reply said, what /generation says, what /activity, /key and /credits add up to: the same numbers everywhere."""

import csv
import io
import json
from collections.abc import Callable
from typing import Any

import httpx
import pytest

from support.served import (
    ANTHROPIC_MODEL,
    EMBEDDING,
    MESSAGE,
    OPENAI_MODEL,
    TEXT_COMPLETION,
    Served,
    answer_in_its_dialect,
    message_events,
    wait_for,
)
from support.upstream import COMPLETION, Answer, Received, chat_events, json_answer, stream_answer

Ask = Callable[..., httpx.Response]

MESSAGES = [{"role": "user", "content": "Hello there"}]
CHAT: dict[str, Any] = {"model": OPENAI_MODEL, "messages": MESSAGES}
ASKED: dict[str, dict[str, Any]] = {
    "chat/completions": CHAT,
    "completions": {"model": "openai/gpt-3.5-turbo-instruct", "prompt": "Say it"},
    "embeddings": {"model": "openai/text-embedding-3-small", "input": "Say it"},
    "messages": {"model": ANTHROPIC_MODEL, "max_tokens": 100, "messages": MESSAGES},
}
# The upstream's reply, tokens in and out, USD.
TOLD: dict[str, tuple[dict[str, Any], int, int, float]] = {
    "chat/completions": (COMPLETION, 100, 10, 100 * 2.5e-6 + 10 * 10e-6),
    "completions": (TEXT_COMPLETION, 4, 3, 4 * 1.5e-6 + 3 * 2e-6),
    "embeddings": (EMBEDDING, 4, 0, 4 * 0.02e-6),
    "messages": (MESSAGE, 100, 10, 100 * 2e-6 + 10 * 10e-6),
}
NEVER_NULL = [
    "id",
    "request_id",
    "api_type",
    "endpoint",
    "model",
    "provider_name",
    "environment",
    "api_key_id",
    "api_key_name",
    "created_at",
    "state",
    "status",
    "streamed",
    "cancelled",
    "latency",
    "generation_time",
    "tokens_prompt",
    "tokens_completion",
    "native_tokens_prompt",
    "native_tokens_completion",
    "native_tokens_reasoning",
    "native_tokens_cached",
    "usage_source",
    "total_cost",
    "usage",
    "routing_fee",
    "upstream_inference_cost",
    "is_byok",
    "attempts",
    "provider_responses",
    "workspace_id",
]


@pytest.mark.parametrize("endpoint", ASKED)
def test_a_generation_says_what_its_reply_said(ask: Ask, get: Ask, served: Served, endpoint: str) -> None:
    reply = ask(f"/v1/{endpoint}", ASKED[endpoint])
    upstream_reply, tokens_in, tokens_out, cost = TOLD[endpoint]
    identity = reply.headers["x-generation-id"]
    told = served.generation(identity)
    assert (told["tokens_prompt"], told["tokens_completion"], told["usage_source"]) == (tokens_in, tokens_out, "exact")
    assert told["total_cost"] == told["usage"] == pytest.approx(cost, abs=1e-12)
    assert (told["id"], told["endpoint"], told["model"]) == (identity, endpoint, ASKED[endpoint]["model"])
    assert told["request_id"] == reply.headers["x-request-id"]
    assert (told["state"], told["status"], told["cancelled"], told["streamed"]) == ("settled", 200, False, False)
    assert told["upstream_id"] == upstream_reply.get("id")
    assert [name for name in NEVER_NULL if told[name] is None] == []
    (attempt,) = told["attempts"]
    assert (attempt["upstream"], attempt["status"], attempt["error"]) == (
        reply.headers["x-anyrouter-served-by"].partition(";")[0],
        200,
        None,
    )
    assert 0 <= told["time_to_first_token"] <= told["latency"]
    if endpoint != "messages":
        usage = reply.json()["usage"]
        assert usage["cost"] == told["total_cost"]
        assert (usage["prompt_tokens"], usage["total_tokens"]) == (tokens_in, tokens_in + tokens_out)
    for path in (f"/v1/generation/{identity}", f"/api/v1/generation?id={identity}", f"/v1/generation/{identity}/"):
        assert get(path).json()["data"] == told


def test_the_upstreams_own_id_finds_the_generation(ask: Ask, served: Served) -> None:
    for endpoint, own in (("chat/completions", "chatcmpl-mine-1"), ("messages", "msg_mine_1")):
        served.upstream.handle = lambda _, endpoint=endpoint, own=own: json_answer({**TOLD[endpoint][0], "id": own})
        identity = ask(f"/v1/{endpoint}", ASKED[endpoint]).headers["x-generation-id"]
        assert served.generation(own)["id"] == identity


@pytest.mark.parametrize("is_usage_told", [True, False])
@pytest.mark.parametrize("endpoint", ["chat/completions", "messages"])
def test_a_streamed_generation_says_what_its_stream_said(ask: Ask, served: Served, endpoint: str, is_usage_told: bool) -> None:
    events = message_events("one two three") if endpoint == "messages" else chat_events("one two three", usage=is_usage_told)
    if endpoint == "messages" and not is_usage_told:
        events = [event.replace(b"usage", b"usage_of_old") for event in events]
    served.upstream.handle = lambda _: stream_answer(*events)
    reply = ask(f"/v1/{endpoint}", {**ASKED[endpoint], "stream": True, "stream_options": {"include_usage": True}})
    told = served.generation(reply.headers["x-generation-id"])
    assert (told["streamed"], told["state"], told["finish_reason"]) == (True, "settled", "stop")
    assert told["usage_source"] == ("exact" if is_usage_told else "estimated")
    assert told["total_cost"] > 0
    if is_usage_told:
        assert (told["tokens_prompt"], told["tokens_completion"]) == (100, 3)
    if endpoint == "chat/completions":
        usage = json.loads(reply.text.split("\n\n")[-3].removeprefix("data: "))["usage"]
        assert (usage["prompt_tokens"], usage["completion_tokens"], usage["cost"]) == (
            told["tokens_prompt"],
            told["tokens_completion"],
            told["total_cost"],
        )


@pytest.mark.parametrize("endpoint", ["chat/completions", "messages"])
def test_a_stream_that_its_client_leaves_says_what_was_delivered(http: httpx.Client, served: Served, endpoint: str) -> None:
    words = "word " * 500
    events = message_events(words) if endpoint == "messages" else chat_events(words)
    served.upstream.handle = lambda _: stream_answer(*events, delay_s=0.005)
    body = {**ASKED[endpoint], "stream": True}
    received = b""
    with http.stream("POST", f"/v1/{endpoint}", json=body, headers={"authorization": f"Bearer {served.live_key}"}) as reply:
        for part in reply.iter_bytes():
            received += part
            if received.count(b"word ") >= 20:
                break
    told = served.aborted_generation(reply.headers["x-generation-id"])
    assert (told["state"], told["cancelled"], told["status"]) == ("cancelled", True, 499)
    assert told["usage_source"] == "estimated"
    assert 20 <= told["tokens_completion"] < 400
    assert served.upstream.gone.wait(10)


def test_a_failed_attempt_costs_nothing(ask: Ask, served: Served) -> None:
    served.upstream.handle = lambda _: json_answer({"error": {"message": "no"}}, 500)
    for endpoint, body in ASKED.items():
        reply = ask(f"/v1/{endpoint}", body)
        told = served.generation(reply.headers["x-generation-id"])
        assert (told["state"], told["status"], told["error_code"]) == ("failed", 502, "upstream_error")
        assert (told["total_cost"], told["tokens_prompt"], told["tokens_completion"]) == (0, 0, 0)
        assert told["attempts"][0]["status"] == 500


def test_what_is_refused_before_the_upstream_is_asked_leaves_no_entry(ask: Ask, get: Ask, served: Served) -> None:
    for body in (b"{", {"model": "nobody/nothing", "messages": []}, {"model": OPENAI_MODEL}):
        reply = ask("/v1/chat/completions", body)
        assert reply.status_code in {400, 404}
        assert get(f"/v1/generation/{reply.headers['x-generation-id']}").status_code == 404


def test_another_key_does_not_see_it_not_even_that_it_is(ask: Ask, get: Ask, served: Served) -> None:
    identity = ask("/v1/chat/completions", CHAT).headers["x-generation-id"]
    other = served.key("--scope", "usage:read")
    never_was = f"gen-{'0' * 32}"
    for key in (other, served.test_key):
        refused, missing = get(f"/v1/generation/{identity}", key=key), get(f"/v1/generation/{never_was}", key=key)
        assert (refused.status_code, refused.content) == (404, missing.content)


def test_sums_are_the_sums_of_what_was_told(ask: Ask, get: Ask, served: Served) -> None:
    key = served.key("--rpm", "1000")
    served.upstream.handle = mixed
    bodies = [
        *[("chat/completions", CHAT)] * 3,
        ("chat/completions", {**CHAT, "stream": True}),
        ("chat/completions", {**CHAT, "messages": [{"role": "user", "content": "fail"}]}),
        ("messages", ASKED["messages"]),
        ("messages", {**ASKED["messages"], "stream": True}),
        ("embeddings", ASKED["embeddings"]),
        ("completions", ASKED["completions"]),
        ("messages/count_tokens", {"model": ANTHROPIC_MODEL, "messages": MESSAGES}),
    ]
    replies = [ask(f"/v1/{endpoint}", body, key=key) for endpoint, body in bodies]
    entries = [served.generation(reply.headers["x-generation-id"], key) for reply in replies]
    rows = wait_for(lambda: complete_rows(get, key, len(bodies)))

    assert sum(row["requests"] for row in rows) == len(bodies)
    assert sum(row["errors"] for row in rows) == 1
    for row in rows:
        own = [entry for entry in entries if entry["model"] == row["model"]]
        assert row["requests"] == len(own)
        assert row["prompt_tokens"] == sum(entry["tokens_prompt"] for entry in own)
        assert row["completion_tokens"] == sum(entry["tokens_completion"] for entry in own)
        assert row["usage"] == pytest.approx(sum(entry["total_cost"] for entry in own), abs=1e-12)
        assert row["provider_name"] == own[0]["provider_name"]

    total = pytest.approx(sum(entry["total_cost"] for entry in entries), abs=1e-12)
    told = get("/v1/key", key=key).json()["data"]
    assert [told[name] for name in ("usage", "usage_daily", "usage_weekly", "usage_monthly")] == [total] * 4
    credit = get("/v1/credits", key=key).json()
    assert credit["total_usage"] == credit["data"]["total_usage"]
    assert credit["total_usage"] == total
    assert credit["balance"] == pytest.approx(credit["total_credits"] - credit["total_usage"], abs=1e-12)

    table = list(csv.DictReader(io.StringIO(get("/v1/activity?format=csv", key=key).text)))
    assert [(row["model"], float(row["usage"]), int(row["requests"])) for row in table] == [
        (row["model"], row["usage"], row["requests"]) for row in rows
    ]
    (whole,) = get("/v1/activity?group_by=environment", key=key).json()["data"]
    assert (whole["environment"], whole["usage"], whole["requests"]) == ("live", total, len(bodies))


def complete_rows(get: Ask, key: str, requests: int) -> list[dict[str, Any]] | None:
    """The rows of /activity once the ledger's writer has put everything on record."""
    rows = get("/v1/activity", key=key).json()["data"]
    return rows if sum(row["requests"] for row in rows) >= requests else None


def mixed(received: Received) -> Answer:
    """Streams to who asks for one, a failure to who asks for that, else the usual."""
    asked = received.json()
    if asked.get("stream"):
        return stream_answer(*(message_events if "messages" in received.path else chat_events)("one two three"))
    if asked.get("messages", [{}])[0].get("content") == "fail":
        return json_answer({"error": {"message": "no"}}, 500)
    return answer_in_its_dialect(received)


def test_the_sandbox_bills_nothing_and_tells_what_it_would_have_been(ask: Ask, get: Ask, served: Served) -> None:
    key = served.key("--env", "test")
    for endpoint, body in ASKED.items():
        reply = ask(f"/v1/{endpoint}", body, key=key)
        told = served.generation(reply.headers["x-generation-id"], key)
        assert (told["total_cost"], told["environment"], told["provider_name"]) == (0, "test", "Sandbox")
        assert told["shadow_cost"] > 0
        if endpoint != "messages":
            assert (reply.json()["usage"]["cost"], reply.json()["usage"]["shadow_cost"]) == (0, told["shadow_cost"])
    wait_for(lambda: complete_rows(get, key, len(ASKED)))
    assert get("/v1/key", key=key).json()["data"]["usage"] == 0
    assert served.upstream.received == []


def test_no_number_of_a_usage_object_is_ever_null(ask: Ask, served: Served) -> None:
    usages: list[Any] = [
        None,
        {},
        {"prompt_tokens": None, "completion_tokens": None, "total_tokens": None},
        {"prompt_tokens": 5, "completion_tokens": None},
        {"prompt_tokens": 5, "total_tokens": 5, "prompt_tokens_details": None, "completion_tokens_details": None},
        {"prompt_tokens": 5, "completion_tokens": 2, "total_tokens": 7, "cost": 99.0, "is_byok": True, "cost_details": {"x": 1}},
        {"prompt_tokens": -5, "completion_tokens": "many"},
    ]
    for usage in usages:
        served.upstream.handle = lambda _, usage=usage: json_answer({**COMPLETION, "usage": usage})
        reply = ask("/v1/chat/completions", CHAT)
        shown = json.loads(reply.text, object_pairs_hook=once)["usage"]
        assert all(isinstance(shown[name], int) for name in ("prompt_tokens", "completion_tokens", "total_tokens")), usage
        assert isinstance(shown["prompt_tokens_details"]["cached_tokens"], int)
        assert isinstance(shown["completion_tokens_details"]["reasoning_tokens"], int)
        told = served.generation(reply.json()["id"])
        assert (shown["cost"], shown["is_byok"]) == (told["total_cost"], False)
        assert (shown["prompt_tokens"], shown["completion_tokens"]) == (told["tokens_prompt"], told["tokens_completion"])


def once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    """A JSON object in which no name occurs twice."""
    assert len(dict(pairs)) == len(pairs)
    return dict(pairs)
