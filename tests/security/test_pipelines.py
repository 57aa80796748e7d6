"""Requests of several keys on one connection: nothing of one request, verdict, limit or identity, reaches the next."""

import random
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import pytest
from tests.security.conftest import BODIES, CHAT, Exposed

from anyrouter.core.keys import generate
from support.raw_client import Reply, chunked, raw_request

RPM = {"first": 2_000, "second": 3_000, "reader": 4_000}
COUNT = b"/v1/models/count"
TRACE = b"X-AnyRouter-Trace-Id: "
KEYED_HEADERS = ("ratelimit", "x-ratelimit-limit", "anyrouter-key-expires", "x-ratelimit-limit-requests")


@dataclass(frozen=True)
class Asked:
    """A request, and what its reply has to look like."""

    raw: bytes
    method: bytes
    status: int
    limit: str | None
    expires: bool = False
    trace: str | None = None
    is_challenged: bool = False


@pytest.fixture
def kinds(exposed: Exposed) -> list[Asked]:
    first = exposed.key("--rpm", str(RPM["first"]), "--expires", "3d")
    second = exposed.key("--rpm", str(RPM["second"]))
    reader = exposed.key("--rpm", str(RPM["reader"]), "--scope", "models:read")
    of = {name: str(limit) for name, limit in RPM.items()}

    def post(status: int, limit: str | None, *lines: bytes, body: bytes = CHAT, key: str | None = None, **expected: Any) -> Asked:
        return Asked(raw_request(b"POST", b"/v1/chat/completions", *lines, key=key, body=body), b"POST", status, limit, **expected)

    def get(
        status: int, limit: str | None, *lines: bytes, path: bytes = b"/v1/models/count", key: str | None = None, **expected: Any
    ) -> Asked:
        return Asked(raw_request(b"GET", path, *lines, key=key), b"GET", status, limit, **expected)

    in_chunks = raw_request(b"POST", b"/v1/chat/completions", b"Transfer-Encoding: chunked", key=first) + chunked(CHAT)
    in_anthropic = raw_request(b"POST", b"/v1/messages", b"x-api-key: " + second.encode(), body=BODIES["messages"])
    return [
        post(200, of["first"], TRACE + b"one", key=first, expires=True, trace="one"),
        post(200, of["second"], key=second),
        Asked(in_anthropic, b"POST", 200, of["second"]),
        Asked(in_chunks, b"POST", 200, of["first"], expires=True),
        post(403, None, key=reader, is_challenged=True),
        post(401, None, is_challenged=True),
        post(401, None, TRACE + b"two", key=generate("live"), trace="two", is_challenged=True),
        post(400, of["second"], key=second, body=b"{"),
        post(404, of["second"], key=second, body=CHAT.replace(b"openai/gpt-4o", b"sandbox/echo")),
        get(200, of["reader"], key=reader),
        get(200, of["first"], TRACE + b"three", key=first, expires=True, trace="three"),
        get(401, None, is_challenged=True),
        get(401, None, path=b"/v1/key", key="nothing", is_challenged=True),
        get(403, None, path=b"/v1/activity", key=reader, is_challenged=True),
        Asked(raw_request(b"HEAD", b"/v1/models", key=second), b"HEAD", 200, of["second"]),
        Asked(raw_request(b"OPTIONS", b"/v1/chat/completions", key=second), b"OPTIONS", 204, None),
        get(200, None, path=b"/health"),
        Asked(raw_request(b"DELETE", b"/v1/models", key=first, body=b"{}"), b"DELETE", 405, None),
        get(404, None, path=b"/v1/never/was", key=first),
    ]


def is_its_own(asked: Asked, reply: Reply) -> bool:
    assert reply.status == asked.status, (asked.raw[:200], reply)
    assert reply.headers.get("x-ratelimit-limit") == asked.limit, (asked.raw[:200], reply)
    assert ("anyrouter-key-expires" in reply.headers) == asked.expires
    assert reply.headers.get("x-anyrouter-trace-id") == asked.trace
    assert ("www-authenticate" in reply.headers) == asked.is_challenged
    if asked.limit is None:
        assert not set(KEYED_HEADERS) & reply.headers.keys()
    return True


def pieces(raw: bytes, chance: random.Random) -> Iterator[bytes]:
    while raw:
        size = chance.choice((1, 5, 100, 2_000, 100_000))
        yield raw[:size]
        raw = raw[size:]


@pytest.mark.parametrize("seed", range(4))
def test_every_reply_of_a_mixed_pipeline_is_its_own_requests(exposed: Exposed, kinds: list[Asked], seed: int) -> None:
    chance = random.Random(seed)
    asked = chance.choices(kinds, k=120)
    with exposed.connect() as client:
        client.send(*pieces(b"".join(one.raw for one in asked), chance))
        replies = [client.read(one.method) for one in asked]
        assert client.is_silent()
    assert all(is_its_own(*pair) for pair in zip(asked, replies, strict=True))
    assert len({reply.headers["x-request-id"] for reply in replies}) == len(replies)
    assert len(exposed.upstream.received) == sum(one.status == 200 and one.method == b"POST" for one in asked)


def test_replies_are_their_own_without_a_pipeline_too(exposed: Exposed, kinds: list[Asked]) -> None:
    with exposed.connect() as client:
        for before in kinds:
            for one in (before, *kinds[::5], before):
                assert is_its_own(one, client.send(one.raw).read(one.method))


def test_connections_at_once_do_not_mix(exposed: Exposed, kinds: list[Asked]) -> None:
    clients = [exposed.connect() for _ in kinds]
    for _ in range(3):
        for client, one in zip(clients, kinds, strict=True):
            client.send(one.raw[:40])
        for client, one in reversed(list(zip(clients, kinds, strict=True))):
            client.send(one.raw[40:])
        for client, one in zip(clients, kinds, strict=True):
            assert is_its_own(one, client.read(one.method))
        clients = clients[1:] + clients[:1]
    for client in clients:
        client.socket.close()


def test_a_reply_s_body_is_its_own_caller_s(exposed: Exposed) -> None:
    keys = [exposed.live_key, exposed.test_key, exposed.key("--rpm", str(RPM["second"]))] * 10
    with exposed.connect() as client:
        client.send(b"".join(raw_request(b"GET", b"/v1/key", key=key) for key in keys))
        labels = [client.read(b"GET").json["data"]["label"] for _ in keys]
    assert labels == [key[: key.rindex("-") + 7] for key in keys]


def test_a_key_of_one_environment_and_one_of_another_reach_their_own_on_one_connection(exposed: Exposed) -> None:
    with exposed.connect() as client:
        for key in [exposed.live_key, exposed.test_key] * 5:
            reply = client.send(raw_request(b"POST", b"/v1/chat/completions", key=key, body=CHAT)).read()
            assert reply.json["provider"] == ("OpenAI" if key is exposed.live_key else "Sandbox")
    assert len(exposed.upstream.received) == 5
