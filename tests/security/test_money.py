"""Section I of the attack cases, money and the limits beside requests per minute, against the real server."""

import asyncio
import json
import re
import threading
import time
from collections import Counter
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest
from tests.security.conftest import CHAT, Exposed, exposing
from tests.security.test_limits import at_once

from anyrouter.core.budget import BudgetPolicy
from support.raw_client import Reply, raw_request
from support.served import run_command
from support.upstream import COMPLETION, Answer, Received, chat_events, json_answer, stream_answer

ASK = b'{"model":"openai/gpt-4o","messages":[{"role":"user","content":"MARKER-prompt"}],"max_tokens":20}'
PATH = b"/v1/chat/completions"


def limited(exposed: Exposed, **changes: object) -> str:
    key = exposed.new_key()
    exposed.edit_key(exposed.id_of(key), **changes)
    wait_until_it_holds(exposed, key, changes)
    return key


def wait_until_it_holds(exposed: Exposed, key: str, changes: dict) -> None:
    """Another process has changed it: the gateway notices within a second."""
    time.sleep(0.5)
    assert exposed.find_key(exposed.id_of(key)).version > 1, changes


def most_of(exposed: Exposed, body: bytes = ASK) -> int:
    """What a request may cost at most, in nano-USD, as a refusal tells it."""
    key = limited(exposed, limit_nanousd=0, budget_policy=BudgetPolicy.STRICT)
    reply = exposed.chat(key=key, body=body)
    assert (reply.status, reply.code) == (402, "key_budget_exceeded"), reply.body
    return round(reply.json["error"]["metadata"]["needed"] * 1e9)


class Gate:
    """An upstream that answers when it is told to, with as many tokens as it was allowed."""

    def __init__(self, *, is_open: bool = False) -> None:
        self.opened = threading.Event()
        if is_open:
            self.opened.set()

    def __call__(self, received: Received) -> Answer:
        tokens = received.json()["max_tokens"]
        usage = {"prompt_tokens": 10, "completion_tokens": tokens, "total_tokens": 10 + tokens}
        body = json.dumps({**COMPLETION, "usage": usage}).encode()

        async def give() -> AsyncIterator[bytes]:
            while not self.opened.is_set():  # noqa: ASYNC110 -- it is opened by another thread
                await asyncio.sleep(0.01)
            yield body

        return Answer(body=give)


@pytest.fixture
def own(tmp_path: Path) -> Iterator[Exposed]:
    """A gateway that may be killed."""
    with exposing(tmp_path / "data") as exposed:
        yield exposed


@pytest.mark.parametrize("policy", [BudgetPolicy.CLAMP, BudgetPolicy.STRICT])
def test_of_two_hundred_at_once_on_a_budget_for_seventy_exactly_seventy_are_served(exposed: Exposed, policy: BudgetPolicy) -> None:
    most = most_of(exposed)
    key = limited(exposed, limit_nanousd=70 * most, budget_policy=policy)
    gate = Gate()
    exposed.upstream.handle = gate
    exposed.upstream.received.clear()
    request = raw_request(b"POST", PATH, key=key, body=ASK)

    def open_when_all_are_decided() -> None:
        deadline = time.monotonic() + 20
        while len(exposed.upstream.received) < 70 and time.monotonic() < deadline:
            time.sleep(0.02)
        time.sleep(0.5)
        gate.opened.set()

    opener = threading.Thread(target=open_when_all_are_decided)
    opener.start()
    replies = at_once(exposed, [request] * 200)
    opener.join()
    assert Counter((reply.status, reply.code if reply.status != 200 else None) for reply in replies) == {
        (200, None): 70,
        (402, "key_budget_exceeded"): 130,
    }
    assert len(exposed.upstream.received) == 70
    usage = exposed.ask(raw_request(b"GET", b"/api/v1/key", key=key)).json["data"]["usage"]
    assert usage <= 70 * most / 1e9


def test_many_on_the_last_cent_leave_none_over(exposed: Exposed) -> None:
    most = most_of(exposed)
    key = limited(exposed, limit_nanousd=most)
    exposed.upstream.handle = Gate(is_open=True)
    for _ in range(5):
        at_once(exposed, [raw_request(b"POST", PATH, key=key, body=ASK)] * 10)
    assert spent_on(exposed, key) <= most


def spent_on(exposed: Exposed, key: str) -> int:
    deadline, last = time.monotonic() + 5, -1
    while time.monotonic() < deadline:
        spent = round(exposed.ask(raw_request(b"GET", b"/api/v1/key", key=key)).json["data"]["usage"] * 1e9)
        if spent == last:
            return spent
        last = spent
        time.sleep(0.2)
    return last


@pytest.mark.parametrize(
    ("path", "body"),
    [
        (PATH, {"n": 128, "max_tokens": 20}),
        (PATH, {"max_tokens": 10**9}),
        (PATH, {"max_tokens": 1e9}),
        (PATH, {"max_tokens": -1}),
        (PATH, {"max_tokens": None}),
        (PATH, {"max_completion_tokens": 10**9, "max_tokens": 1}),
        (
            PATH,
            {
                "max_tokens": 20,
                "messages": [{"role": "user", "content": [{"type": "image_url", "image_url": {"url": "https://x.test/giant.png"}}]}],
            },
        ),
        (PATH, {"max_tokens": 20, "logit_bias": {str(token): 100 for token in range(50_000)}, "n": 128}),
        (b"/v1/completions", {"model": "openai/gpt-3.5-turbo-instruct", "prompt": "a", "max_tokens": 16, "best_of": 20_000}),
        (b"/v1/completions", {"model": "openai/gpt-3.5-turbo-instruct", "prompt": ["a"] * 900, "max_tokens": 100}),
        (b"/v1/responses", {"input": "a", "max_output_tokens": 10**9}),
        (b"/v1/messages", {"model": "anthropic/claude-sonnet-4-5", "max_tokens": 10**9}),
        (b"/v1/embeddings", {"model": "openai/text-embedding-3-small", "input": "x" * 200_000}),
        (b"/v1beta/models/openai%2Fgpt-4o:generateContent", {"contents": [], "generationConfig": {"candidateCount": 5000}}),
    ],
)
def test_what_could_cost_more_than_is_left_reaches_no_upstream(exposed: Exposed, path: bytes, body: dict) -> None:
    key = limited(exposed, limit_nanousd=400_000, budget_policy=BudgetPolicy.STRICT)
    exposed.upstream.received.clear()
    whole = {"model": "openai/gpt-4o", "messages": [{"role": "user", "content": "MARKER-prompt"}], **body}
    reply = exposed.ask(raw_request(b"POST", path, key=key, body=json.dumps(whole).encode()))
    assert (reply.status, exposed.upstream.received) == (402, [])


def test_clamp_lowers_the_answer_and_says_so(exposed: Exposed) -> None:
    key = limited(exposed, limit_nanousd=most_of(exposed))
    exposed.upstream.received.clear()
    reply = exposed.chat(key=key, body=ASK.replace(b'"max_tokens":20', b'"max_tokens":5000'))
    assert (reply.status, reply.headers["x-anyrouter-max-tokens"]) == (200, "20")
    (received,) = exposed.upstream.received
    assert received.json()["max_tokens"] == 20


def test_who_leaves_a_stream_has_paid_for_it_and_gives_its_place_back(exposed: Exposed) -> None:
    key = limited(exposed, limit_nanousd=10**10, concurrency=1)
    exposed.upstream.handle = lambda _: stream_answer(*chat_events("MARKER and many words more"), delay_s=0.3)
    body = CHAT.replace(b"{", b'{"stream":true,', 1)
    with exposed.connect() as client:
        client.send(raw_request(b"POST", PATH, key=key, body=body))
        assert not client.is_silent(5)
        refused = exposed.chat(key=key, body=body)
        assert (refused.status, refused.code) == (429, "concurrency_limited")
        assert int(refused.headers["retry-after"]) >= 1
    exposed.upstream.handle = lambda _: json_answer(COMPLETION)
    deadline = time.monotonic() + 5
    while (reply := exposed.chat(key=key)).status != 200:
        assert time.monotonic() < deadline, reply.body
        time.sleep(0.05)
    assert spent_on(exposed, key) > 0


def test_tokens_per_minute_hold_and_every_header_says_so(exposed: Exposed) -> None:
    key = limited(exposed, rate_limit_tpm=250)
    first = exposed.chat(key=key, body=ASK)
    assert first.status == 200
    assert first.headers["x-ratelimit-limit-tokens"] == "250"
    assert first.headers["ratelimit-policy"].endswith(', "tokens";q=250;qu="tokens";w=60')
    started = time.time()
    assert exposed.chat(key=key, body=ASK).status == 200
    reply = exposed.chat(key=key, body=ASK.replace(b"20}", b"200}"))
    assert (reply.status, reply.code) == (429, "token_rate_limited")
    metadata = reply.json["error"]["metadata"]
    assert (metadata["limited_by"], metadata["limit"], metadata["remaining"]) == ("key", 250, 30)
    assert int(reply.headers["retry-after"]) >= metadata["retry_after_s"] > 58 - (time.time() - started)


def test_a_burst_at_once_does_not_take_more_tokens_than_the_limit(exposed: Exposed) -> None:
    key = limited(exposed, rate_limit_tpm=1000)
    exposed.upstream.handle = Gate(is_open=True)
    replies = at_once(exposed, [raw_request(b"POST", PATH, key=key, body=ASK)] * 60)
    statuses = Counter(reply.status for reply in replies)
    # 31 tokens are set aside for each; when it has ended, 30 count.
    assert 32 <= statuses[200] <= 33
    assert statuses[200] + statuses[429] == 60


def test_requests_of_a_day_and_budgets_hold_over_a_kill(own: Exposed) -> None:
    most = most_of(own)
    key = limited(own, rate_limit_rpd=3, limit_nanousd=10**9)
    poor = limited(own, limit_nanousd=most + 100_000, budget_policy=BudgetPolicy.STRICT)
    for _ in range(2):
        assert own.chat(key=key, body=ASK).status == 200
    own.upstream.handle = gate = Gate()
    with own.connect() as client:
        client.send(raw_request(b"POST", PATH, key=poor, body=ASK))
        deadline = time.monotonic() + 5
        while len(own.upstream.received) < 3 and time.monotonic() < deadline:
            time.sleep(0.02)
        assert own.chat(key=poor, body=ASK).status == 402, "all of it is reserved"
        own.gateway.kill()
    gate.opened.set()
    own.gateway.start()
    replies: list[Reply] = [own.chat(key=key, body=ASK) for _ in range(2)]
    assert [reply.status for reply in replies] == [200, 429]
    assert replies[1].json["error"]["metadata"]["limit_kind"] == "requests_per_day"
    assert own.chat(key=poor, body=ASK).status == 200, "no reservation outlives the process"
    assert own.chat(key=poor, body=ASK).status == 402


def test_the_sandbox_costs_nothing_and_counts_against_no_budget(exposed: Exposed) -> None:
    key = exposed.new_key("--env", "test")
    exposed.edit_key(exposed.id_of(key), limit_nanousd=0, budget_policy=BudgetPolicy.STRICT)
    time.sleep(0.5)
    assert exposed.chat(key=key, body=ASK).status == 200
    assert spent_on(exposed, key) == 0


def test_a_key_is_told_what_is_left_what_is_reserved_counted(exposed: Exposed) -> None:
    most = most_of(exposed)
    key = limited(exposed, limit_nanousd=3 * most)
    exposed.upstream.handle = gate = Gate()
    with exposed.connect() as client:
        client.send(raw_request(b"POST", PATH, key=key, body=ASK))
        deadline = time.monotonic() + 5
        while not exposed.upstream.received and time.monotonic() < deadline:
            time.sleep(0.02)
        data = exposed.ask(raw_request(b"GET", b"/api/v1/key", key=key)).json["data"]
        metrics = exposed.ask(raw_request(b"GET", b"/api/v1/metrics")).body.decode()
        gate.opened.set()
        assert client.read().status == 200
    assert round(data["limit_remaining"] * 1e9) == 2 * most
    assert data["effective_budget"] == {
        "owner": "key",
        "limit": 3 * most / 1e9,
        "remaining": data["limit_remaining"],
        "reset": None,
        "resets_at": None,
    }
    assert "anyrouter_open_reservations 1.0" in metrics
    assert f"anyrouter_reserved_usd {most / 1e9}" in metrics
    assert "anyrouter_running_calls 1.0" in metrics


def test_a_dry_run_tells_the_refusal(exposed: Exposed) -> None:
    key = limited(exposed, limit_nanousd=0)
    data = exposed.ask(raw_request(b"POST", b"/v1/route", key=key, body=ASK)).json["data"]
    assert (data["allowed"], data["error"]["code"]) == (False, "key_budget_exceeded")


@pytest.mark.parametrize("path", [PATH, b"/v1/messages", b"/v1/embeddings"])
def test_what_is_refused_before_uses_nothing_of_any_limit(exposed: Exposed, path: bytes) -> None:
    key = limited(exposed, rate_limit_rpd=1, rate_limit_tpm=100, concurrency=1, limit_nanousd=most_of(exposed), models=("openai/gpt-4o",))
    wrong = [
        b"{",
        b'{"model":"openai/gpt-4o","api_key":"sk-MARKER","messages":[],"input":""}',
        b'{"model":"openai/gpt-4o-mini","messages":[],"input":"","max_tokens":5}',
        b'{"model":"openai/never-was","messages":[],"input":"","max_tokens":5}',
    ]
    with exposed.connect() as client:
        for body in wrong * 3:
            assert client.send(raw_request(b"POST", path, key=key, body=body)).read().status in {400, 403, 404}
    reply = exposed.chat(key=key, body=ASK)
    assert (reply.status, reply.headers.get("x-anyrouter-max-tokens")) == (200, None)
    assert exposed.chat(key=key, body=ASK).status in {402, 429}


def test_the_structured_fields_are_what_they_should_be(exposed: Exposed) -> None:
    """RFC 9651: a list of strings with parameters, whose values are integers or strings."""
    key = limited(exposed, rate_limit_rpm=5, rate_limit_rpd=50, rate_limit_tpm=5000, concurrency=2)
    member = r'"[a-z]+"(?:;[a-z]+=(?:-?\d{1,15}|"[a-z-]+"))+'
    for reply in (exposed.chat(key=key, body=ASK), exposed.chat(key=key, body=ASK.replace(b"20}", b"9000}"))):
        for name in ("ratelimit-policy", "ratelimit"):
            assert re.fullmatch(rf"{member}(?:, {member}){{3}}", reply.headers[name]), reply.headers[name]
        assert re.findall(r'"([a-z]+)";q=', reply.headers["ratelimit-policy"]) == ["requests", "tokens", "day", "concurrency"]


def test_prepaid_credits_are_used_down_to_zero_and_a_grant_is_noticed(own: Exposed) -> None:
    most = most_of(own)
    run_command(own.gateway.data_dir, "credits", "set", "--mode", "prepaid")
    time.sleep(0.5)
    reply = own.chat(body=ASK)
    assert (reply.status, reply.code) == (402, "insufficient_credits")
    assert "credits have $0 left" in reply.json["error"]["message"]
    own.upstream.handle = Gate(is_open=True)
    run_command(own.gateway.data_dir, "credits", "grant", f"{2 * most / 1e9:.9f}")
    time.sleep(0.5)
    statuses = Counter(reply.status for reply in at_once(own, [raw_request(b"POST", PATH, key=own.live_key, body=ASK)] * 20))
    assert statuses[200] >= 2
    assert statuses[200] + statuses[402] == 20
    test_key = own.new_key("--env", "test")
    assert own.chat(key=test_key, body=ASK).status == 200
    run_command(own.gateway.data_dir, "credits", "audit")  # its exit code says whether the books agree
