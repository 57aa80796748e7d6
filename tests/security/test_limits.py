"""Section I of the attack cases, as far as there are limits: rates that hold at once and over time, and addresses that are claimed."""

import itertools
import threading
import time
from collections import Counter

import pytest
from tests.security.conftest import CHAT, MESSAGES, Exposed

from anyrouter.cli import app
from anyrouter.core.keys import generate
from support.raw_client import RawClient, Reply, raw_request
from support.upstream import completion, json_answer

WINDOW_S = 60.0


def at_once(exposed: Exposed, requests: list[bytes]) -> list[Reply]:
    """The replies to requests that leave at the same moment, each on a connection of its own."""
    barrier, replies = threading.Barrier(len(requests)), []

    def ask(client: RawClient, request: bytes) -> None:
        with client:
            barrier.wait(20)
            replies.append(client.send(request).read())

    threads = [threading.Thread(target=ask, args=(exposed.connect(), request)) for request in requests]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(30)
    return replies


@pytest.mark.parametrize("limit", [1, 2, 20])
def test_of_many_at_once_just_the_limit_is_admitted(exposed: Exposed, limit: int) -> None:
    key = exposed.new_key("--rpm", str(limit))
    request = raw_request(b"POST", b"/v1/chat/completions", key=key, body=CHAT)
    assert Counter(reply.status for reply in at_once(exposed, [request] * (limit + 1))) == {200: limit, 429: 1}
    assert Counter(reply.status for reply in at_once(exposed, [request] * 10)) == {429: 10}
    assert len(exposed.upstream.received) == limit


def test_the_endpoints_and_spellings_share_one_limit(exposed: Exposed) -> None:
    key = exposed.new_key("--rpm", "3")
    paths = [b"/v1/chat/completions", b"/api/v1/chat/completions", b"/v1/chat/completions/", b"/v1/%63hat/completions?a=b"]
    requests = [raw_request(b"POST", path, key=key, body=CHAT) for path in paths]
    requests += [raw_request(b"POST", b"/v1/messages", b"x-api-key: " + key.encode(), body=MESSAGES)] * 2
    statuses = Counter(reply.status for reply in at_once(exposed, requests))
    assert statuses == {200: 3, 429: len(requests) - 3}


def test_a_pipeline_is_counted_request_by_request(exposed: Exposed) -> None:
    key = exposed.new_key("--rpm", "5")
    with exposed.connect() as client:
        client.send(raw_request(b"POST", b"/v1/chat/completions", key=key, body=CHAT) * 12)
        assert [client.read().status for _ in range(12)] == [200] * 5 + [429] * 7


def test_retry_after_is_not_too_early_and_all_headers_say_the_same(exposed: Exposed) -> None:
    key = exposed.new_key("--rpm", "2")
    started = time.time()
    assert exposed.chat(key=key).status == 200
    time.sleep(0.3)
    assert exposed.chat(key=key).status == 200
    for asked in (1, 2, 0):
        for path, body in ((b"/v1/chat/completions", CHAT), (b"/v1/messages", MESSAGES)):
            reply = exposed.ask(raw_request(b"POST", path, key=key, body=body))
            received = time.time()
            assert (reply.status, reply.code) == (429, "rate_limited")
            wait_s = int(reply.headers["retry-after"])
            assert received + wait_s >= started + WINDOW_S, "the first request has not left the window before"
            assert wait_s <= started + WINDOW_S - received + 1.5
            assert reply.headers["x-ratelimit-remaining"] == "0"
            assert int(reply.headers["x-ratelimit-reset"]) >= int(started + WINDOW_S)
            assert reply.headers["ratelimit"] == f'"requests";r=0;t={wait_s}'
            assert reply.headers["ratelimit-policy"] == '"requests";q=2;w=60'
        time.sleep(0.4 * asked)


def test_a_gcra_limit_s_retry_after_is_kept_to_the_second(exposed: Exposed) -> None:
    """Above 10,000 a minute a sixth of it may come at once; whoever waits as told is admitted."""
    key = exposed.new_key("--rpm", "10002")
    request = raw_request(b"POST", b"/v1/chat/completions", key=key, body=CHAT.replace(b"openai/gpt-4o", b"openai/gpt-4o-mini"))
    with exposed.connect() as client:
        started, statuses = time.monotonic(), []
        while 429 not in statuses:
            client.send(request * 100)
            statuses += [client.read().status for _ in range(100)]
            assert len(statuses) < 20_000
        elapsed_s = time.monotonic() - started
        assert statuses.count(200) <= 10_002 / 6 + 1 + elapsed_s * 10_002 / 60
        while (reply := client.send(request).read()).status == 200:
            pass
        time.sleep(int(reply.headers["retry-after"]))
        assert client.send(request).read().status == 200


@pytest.mark.parametrize("path", [b"/v1/chat/completions", b"/v1/messages", b"/v1/embeddings"])
def test_what_is_refused_uses_nothing_of_the_limit(exposed: Exposed, path: bytes) -> None:
    key = exposed.new_key("--rpm", "1", "--model", "openai/gpt-4o")
    wrong = [
        b"",
        b"{",
        b"[]",
        b'{"model":"openai/gpt-4o"}',
        b'{"messages":[]}',
        b'{"model":"openai/never-was","messages":[],"input":""}',
        b'{"model":"openai/gpt-4o-mini","messages":[],"input":""}',
        b'{"model":"openai/gpt-4o","messages":[],"input":"","api_key":"sk-MARKER"}',
        b'{"model":"openai/gpt-4o","messages":[],"input":"","stream":"MARKER"}' if path != b"/v1/embeddings" else b"1",
    ]
    with exposed.connect() as client:
        for body in wrong:
            assert client.send(raw_request(b"POST", path, key=key, body=body)).read().status in {400, 403, 404}
        client.send(raw_request(b"POST", path, b"Content-Encoding: gzip", key=key, body=CHAT))
        assert client.read().status == 415
        client.send(raw_request(b"POST", path, b"X-AnyRouter-Provider: nobody", key=key, body=CHAT))
        assert client.read().status in {400, 404}
    assert exposed.ask(raw_request(b"POST", path, b"Content-Length: 33554433", key=key)).status == 413
    assert exposed.chat(key=key).status == 200
    assert exposed.chat(key=key).status == 429


def test_failed_authentication_with_a_victim_s_label_uses_nothing_of_its_limit(exposed: Exposed) -> None:
    victim = exposed.new_key("--rpm", "1")
    with exposed.connect() as client:
        for _ in range(50):
            wrong = victim[:-1] + ("a" if victim[-1] != "a" else "b")
            assert client.send(raw_request(b"POST", b"/v1/chat/completions", key=wrong, body=CHAT)).read().status == 401
    assert exposed.chat(key=victim).status == 200


def test_reading_uses_nothing_of_the_limit_and_tells_of_it(exposed: Exposed) -> None:
    key = exposed.new_key("--rpm", "1")
    with exposed.connect() as client:
        for path in (b"/v1/models/count", b"/v1/key", b"/v1/credits", b"/v1/activity") * 3:
            reply = client.send(raw_request(b"GET", path, key=key)).read(b"GET")
            assert (reply.status, reply.headers["x-ratelimit-limit"], reply.headers["x-ratelimit-remaining"]) == (200, "1", "1")
    assert exposed.chat(key=key).status == 200


def test_a_failing_provider_is_no_way_to_more_requests(exposed: Exposed) -> None:
    exposed.upstream.handle = lambda _: json_answer({"error": {"message": "MARKER"}}, status=500)
    key = exposed.new_key("--rpm", "2")
    assert [exposed.chat(key=key).status for _ in range(3)] == [502, 502, 429]
    exposed.upstream.handle = completion
    assert exposed.chat(key=key).status == 429


def test_no_header_of_the_client_s_changes_its_limit(exposed: Exposed) -> None:
    key = exposed.new_key("--rpm", "1")
    assert exposed.chat(key=key).status == 200
    for line in (
        b"X-RateLimit-Limit: 1000000",
        b"X-AnyRouter-Rpm: 1000000",
        b"X-Forwarded-For: 203.0.113.9",
        b"X-AnyRouter-Max-Tokens: 1",
        b"Idempotency-Key: MARKER",
        b"X-AnyRouter-Cache: use",
        b"X-Request-Id: req-MARKER",
    ):
        assert exposed.chat(line, key=key).status == 429


def test_a_blocked_key_is_refused_without_a_promise_that_is_too_early(exposed: Exposed) -> None:
    reply = exposed.chat(key=exposed.new_key("--rpm", "0"))
    assert (reply.status, reply.code) == (429, "rate_limited")
    assert int(reply.headers["retry-after"]) >= WINDOW_S
    assert "blocked" in reply.error["message"]


NUMBERS = ["-1", "1.5", "1e3", "NaN", "inf", "1e308", str(2**31), str(2**63), "9" * 5000, "0x10", "null", "true", "", " "]


@pytest.mark.parametrize("rpm", NUMBERS, ids=lambda text: repr(text[:20]))
def test_a_number_that_is_no_limit_makes_no_key(exposed: Exposed, rpm: str, capsys: pytest.CaptureFixture[str]) -> None:
    code = app.run(["keys", "create", "--name", f"rpm {rpm[:9]}", f"--rpm={rpm}", "--data-dir", str(exposed.gateway.data_dir)])
    output = capsys.readouterr()
    assert code != 0
    assert "ar-live-" not in output.out
    assert "Traceback" not in output.out + output.err


# Who a request comes from: the gateway `impatient` trusts a proxy at 127.0.0.1.

CHAINS = {
    "a forged entry before the real one": (b"1.2.3.4, 203.0.113.50", "203.0.113.50"),
    "a hundred forged entries": (b"1.2.3.4, " * 100 + b"203.0.113.50", "203.0.113.50"),
    "a trusted address forged in front": (b"127.0.0.1, 203.0.113.50", "203.0.113.50"),
    "mapped into IPv6": (b"::ffff:203.0.113.50", "203.0.113.50"),
    "with a port": (b"203.0.113.50:1234", "203.0.113.50"),
    "IPv6 with brackets and port": (b"[2001:db8::1]:80", "2001:db8::1"),
    "spaces and tabs": (b" \t203.0.113.50\t ", "203.0.113.50"),
    "an entry that is none": (b"203.0.113.50, nonsense", "127.0.0.1"),
    "empty": (b"", "127.0.0.1"),
    "commas": (b",,,", "127.0.0.1"),
    "an unbalanced bracket": (b"[::1", "127.0.0.1"),
    "a zone": (b"fe80::1%eth0", "127.0.0.1"),
    "leading zeros": (b"0203.0.0113.050", "127.0.0.1"),
    "a number": (b"3405803826", "127.0.0.1"),
    "a name": (b"localhost", "127.0.0.1"),
    "another alphabet": (b"\xd9\xa3.0.0.1", "127.0.0.1"),
}


@pytest.mark.parametrize(("chain", "expected"), CHAINS.values(), ids=CHAINS.keys())
def test_only_what_the_trusted_proxy_has_seen_counts(impatient: Exposed, chain: bytes, expected: str) -> None:
    """A key that may be used from one address is the measure of which address a request is thought to come from."""
    lines, restricted = (b"X-Forwarded-For: " + chain,), impatient.address_key(expected)
    for request in (
        raw_request(b"GET", b"/v1/models", *lines, key=restricted),
        raw_request(b"POST", b"/v1/chat/completions", *lines, key=restricted, body=CHAT),
    ):
        assert impatient.ask(request).status == 200, "it was thought to come from elsewhere"


def test_an_address_that_is_claimed_without_a_proxy_is_not_believed(exposed: Exposed) -> None:
    key = exposed.address_key("203.0.113.50")
    for line in (
        b"X-Forwarded-For: 203.0.113.50",
        b"X-Real-IP: 203.0.113.50",
        b"Forwarded: for=203.0.113.50",
        b"X-Client-IP: 203.0.113.50",
    ):
        reply = exposed.chat(line, key=key)
        assert (reply.status, reply.code) == (403, "ip_not_allowed")
        assert exposed.ask(raw_request(b"GET", b"/v1/models", line, key=key)).code == "ip_not_allowed"
    assert exposed.upstream.received == []


def test_forged_entries_do_not_escape_the_bound_on_failed_authentication(impatient: Exposed) -> None:
    statuses: Counter[int] = Counter()
    with impatient.connect() as client:
        for number in itertools.count():
            line = b"X-Forwarded-For: 10.0.%d.%d, 203.0.113.77" % divmod(number, 250)
            statuses[client.send(raw_request(b"GET", b"/v1/key", line, key=generate("live"))).read(b"GET").status] += 1
            if number == 80:
                break
    assert statuses == {401: 60, 429: 21}
