"""The same odd input on every route: nothing answers with a 5xx, nothing hangs, nothing tells of what is inside."""

import re
from collections.abc import Iterator
from contextlib import closing

import pytest
from tests.security.conftest import BODIES, Exposed, body_of
from tests.security.test_scopes import path_of

from anyrouter.core.keys import generate
from anyrouter.policy.endpoints import ENDPOINTS, Endpoint
from support.raw_client import RawClient, Reply, raw_request

ROWS = list(ENDPOINTS.values())
every_route = pytest.mark.parametrize("row", ROWS, ids=lambda row: row.name)
METHODS = """
GET HEAD POST PUT PATCH DELETE OPTIONS PROPFIND MKCOL COPY LOCK SEARCH PURGE REPORT LINK M-SEARCH QUERY
"""
NO_METHODS = [b"FOO", b"get", b"GET2", b"G\xc9T", b"", b"GET\t", b"POST POST", b"X" * 10_000]
TELLING = re.compile(
    rb"traceback|\.py\b|uvicorn|starlette|fastapi|pydantic|sqlalchemy|sqlite|httptools|python/|/src/|api_keys|line \d+|0x[0-9a-f]{6}",
    re.IGNORECASE,
)


class Asking:
    """A connection that is renewed when the gateway closes it."""

    def __init__(self, exposed: Exposed) -> None:
        self._exposed, self._client = exposed, exposed.connect()

    def ask(self, raw: bytes, method: bytes) -> Reply:
        client: RawClient = self._client
        reply = client.send(raw).read(method)
        assert reply.status < 500, (raw[:300], reply)
        assert re.fullmatch(r"req-[0-9a-f]{32}", reply.headers["x-request-id"]), raw[:300]
        assert "server" not in reply.headers
        assert not [name for name in reply.headers if name.startswith(("access-control-", "x-powered"))]
        if reply.status >= 400:
            assert TELLING.search(reply.body) is None, reply.body
            assert reply.headers["content-type"].startswith("application/json")
        if reply.headers.get("connection") == "close":
            assert client.read_rest() == b""
            client.socket.close()
            self._client = self._exposed.connect()
        return reply

    def close(self) -> None:
        assert self._client.is_silent(0.005), "a reply that nobody asked for"
        self._client.socket.close()


def rows_at(row: Endpoint) -> dict[str, Endpoint]:
    """What the row's path takes, by method: a model's name may be anything, also what another row has at its end."""
    path = path_of(row).partition(b"?")[0].decode()
    patterns = {other: re.sub(r"\\\{\w+\\\}", "[^/]+", re.escape(other.public_path).replace(r"\{model\}", ".+")) for other in ROWS}
    return {other.method: other for other, pattern in patterns.items() if re.fullmatch(pattern, path)} | {row.method: row}


def answer_of(row: Endpoint, key: str | None) -> int:
    """The status of a request without a body to a row, with a key that has every scope but those of administrators."""
    if row.name == "POST leaks/github":
        return 404  # switched off, as it is unless the operator wants it
    if row.is_public:
        return 400 if row.changes_by else 200
    if key is None:
        return 401
    return 403 if row.changes_by or str(row.scope).startswith("admin:") else 200


def key_for(exposed: Exposed, row: Endpoint) -> str:
    """A key that gets as far as the row's own code."""
    return exposed.key("--scope", "admin:*") if row.changes_by else exposed.live_key


@pytest.fixture
def asking(exposed: Exposed) -> Iterator[Asking]:
    with closing(Asking(exposed)) as asking:
        yield asking


@every_route
def test_every_method_is_answered_in_order(exposed: Exposed, asking: Asking, row: Endpoint) -> None:
    own, served = row.method, rows_at(row)
    for method in METHODS.split():
        for key in (exposed.live_key, None):
            raw = raw_request(method.encode(), path_of(row), key=key, body=body_of(row) if row.is_inference else None)
            reply = asking.ask(raw, method.encode())
            if method in served or (method == "HEAD" and "GET" in served):
                expected = answer_of(served["GET" if method == "HEAD" and "HEAD" not in served else method], key)
                can_miss = "{id}" in row.path or "{slug}" in row.path or "generation" in row.path or method != own
                assert reply.status == expected or (reply.status == 404 and expected == 200 and can_miss)
            elif method == "OPTIONS":
                assert (reply.status, reply.body) == (204, b"")
                assert own in reply.headers["allow"]
            else:
                assert reply.status in {400, 405}
                assert reply.status == 400 or own in reply.headers["allow"]
    assert len(exposed.upstream.received) == (row.is_inference and not row.is_dry)


@every_route
def test_a_head_is_a_get_without_its_body(exposed: Exposed, asking: Asking, row: Endpoint) -> None:
    for key in (exposed.live_key, "nothing", None):
        seen, got = (asking.ask(raw_request(method, path_of(row), key=key), method) for method in (b"HEAD", b"GET"))
        assert (seen.status, seen.body) == (got.status, b"")
        assert seen.headers.keys() == got.headers.keys()


@every_route
def test_a_method_that_is_none_is_400(asking: Asking, row: Endpoint) -> None:
    for method in NO_METHODS:
        assert asking.ask(raw_request(method, path_of(row)), b"POST").status == 400, method


BODY_LIST = [
    b"",
    b" ",
    b"null",
    b"[]",
    b"{",
    b"{}",
    b'{"model":null}',
    b"\0" * 100,
    b"\xff\xfe",
    b'"' + b"x" * 70_000 + b'"',
    b"[" * 5000,
    b"<?xml version='1.0'?><!DOCTYPE x [<!ENTITY e SYSTEM 'file:///etc/passwd'>]><x>&e;</x>",
    b"--MARKER\r\nContent-Disposition: form-data; name=x; filename=../../x\r\n\r\n\0\r\n--MARKER--",
    b"a=b&c=%00&d[]=1",
    b'{"__proto__":{"admin":true},"constructor":{}}',
]
TYPES = [
    None,
    b"application/json; charset=utf-16",
    b"text/plain",
    b"multipart/form-data; boundary=MARKER",
    b"application/x-www-form-urlencoded",
    b"application/xml",
    b"application/json, text/html",
    b"\xff",
    b"application/json;" + b"x" * 3000,
    b"*/*",
]


@every_route
def test_an_odd_body_is_no_mistake_of_the_gateway_s(exposed: Exposed, asking: Asking, row: Endpoint) -> None:
    own, key = row.method.encode(), key_for(exposed, row)
    for body in BODY_LIST:
        for method in (own, b"POST", b"PUT"):
            asking.ask(raw_request(method, path_of(row), key=key, body=body), method)
    for media in TYPES:
        lines = [] if media is None else [b"Content-Type: " + media]
        for body in (b"{}", body_of(row) or b"{}"):
            lines_of_body = [*lines, b"Content-Length: %d" % len(body)]
            asking.ask(raw_request(own, path_of(row), *lines_of_body, key=key) + body, own)
    for coding in (b"gzip", b"br", b"identity", b"gzip, gzip", b"x" * 2000, b""):
        line = b"Content-Encoding: " + coding
        asking.ask(raw_request(own, path_of(row), line, key=key, body=b"\x1f\x8b\x08\0" + bytes(50)), own)


NAMES = """
limit from to date group_by format id provider category min_context capability cursor environment key_id org_id pageSize pageToken alt
key x
"""
VALUES = [
    "",
    "0",
    "-1",
    "1e999",
    "9" * 400,
    "NaN",
    "null",
    "true",
    "%00",
    "%0d%0aX-MARKER:%201",
    "%",
    "%zz",
    "%ff%fe",
    "%c0%ae%c0%ae%2f",
    "%2e%2e%2f%2e%2e%2fetc%2fpasswd",
    "..%2f..%2f",
    "%F0%9F%92%A9",
    "%E2%80%AE",
    "%ED%A0%80",
    "'%20OR%201=1--",
    "%22;DROP%20TABLE%20ledger;--",
    "*",
    "%25",
    "_",
    "{0.__class__}",
    "${jndi:ldap://x}",
    "{{7*7}}",
    "2026-02-30",
    "0000-00-00",
    "9999-99-99",
    "2026-01-01T00:00:00Z",
    "1893456000",
    "date,key,model,provider,environment,date,key",
    "date;key",
    "1;SELECT%20sleep(9)",
    "[]",
    "=",
    "x" * 10_000,
    "%41" * 3000,
    "," * 5000,
]


@every_route
def test_an_odd_query_is_no_mistake_of_the_gateway_s(exposed: Exposed, asking: Asking, row: Endpoint) -> None:
    own, path, own_key = row.method.encode(), path_of(row).partition(b"?")[0], key_for(exposed, row)
    body = body_of(row)
    queries = (
        [f"{name}={value}" for name in NAMES.split() for value in VALUES]
        if row.method == "GET" and {"activity", "models", "presets"} & set(row.path.split("/"))
        else []
    )
    queries += [f"{name}={value}" for name in (("id", "x") if row.method == "GET" else ("x",)) for value in VALUES]
    queries += [f"{name}[]=1&{name}=1&{name}=2&{name}[0]=3&{name}.x=4" for name in NAMES.split()]
    queries += ["", "?", "&", "&&&=", "=", "a", "&".join(f"x{number}=1" for number in range(3000)), "id=1&id=2", "#", ";"]
    for query in queries:
        for key in (own_key, None) if query == "" else (own_key,):
            few = "provider=nobody&pageSize=1&" if row.path == "models" else ""  # the whole list each time would take seconds
            reply = asking.ask(raw_request(own, f"{path.decode()}?{few}{query}".encode(), key=key, body=body), own)
            assert "x-marker" not in reply.headers


SEGMENTS = [value for value in VALUES if value and "#" not in value] + [
    ".",
    "..",
    "...",
    "../../keys",
    "%2e",
    "%2e%2e",
    "a/b/c/d",
    "//",
    "a//b",
    "%2f",
    "%2fendpoints",
    "a/endpoints/endpoints",
    "endpoints",
    "count",
    "gen-" + "0" * 32,
    "gen-%00",
    "GEN-0",
    "key_0",
    "~",
    "a b".replace(" ", "%20"),
    "a+b",
    "a;b",
    "a:b@c",
    "%5c..%5c",
    "%EF%BC%8E%EF%BC%8E",
    "CON",
    "favicon.ico",
    ".env",
]


@pytest.mark.parametrize(
    "path",
    ["models/{}", "models/{}/endpoints", "models/openai/{}", "generation/{}", "{}", "key/{}", "chat/completions/{}", "presets/{}"],
)
def test_an_odd_segment_of_a_path_is_not_found(exposed: Exposed, asking: Asking, path: str) -> None:
    for segment in SEGMENTS:
        target = f"/api/v1/{path.format(segment)}".encode()
        for method in (b"GET", b"POST"):
            reply = asking.ask(raw_request(method, target, key=exposed.live_key, body=b"{}" if method == b"POST" else None), method)
            assert reply.status in {400, 404, 405} or (segment in ("count", ".", "%2f", "//") and reply.status == 200), target
            if method == b"GET":
                assert asking.ask(raw_request(method, target), method).status in {400, 401, 404, 405}, target
    assert exposed.upstream.received == []


DEBUG_PATHS = """
/docs /redoc /api/docs /api/v1/docs /openapi.json /api/v1/openapi.yaml /debug /debug/pprof /console /_debug /__debug__ /admin
/proc/self/environ /.env /.git/config /server-status /actuator /actuator/env /metrics/x /favicon.ico /robots.txt
/api /api/ /v1 /v1/ /api/v1 /api/v1/ /api/v2/models /config /health/x /anyrouter.db /data/anyrouter.db /pepper /journal /../pepper
/%2e%2e/pepper /%2fetc%2fpasswd
"""


@pytest.mark.parametrize("path", DEBUG_PATHS.split())
def test_there_is_no_page_for_debugging_and_no_file(exposed: Exposed, asking: Asking, path: str) -> None:
    for key in (None, exposed.live_key):
        reply = asking.ask(raw_request(b"GET", path.encode(), key=key), b"GET")
        assert reply.status in {400, 401, 404}, reply
        assert b"version" not in reply.body


def test_what_is_public_says_nothing_of_keys_and_upstreams(exposed: Exposed, asking: Asking) -> None:
    exposed.chat()
    secrets = [exposed.live_key, exposed.live_key[8:], exposed.id_of(exposed.live_key), exposed.upstream.url, str(exposed.gateway.data_dir)]
    for row in ROWS:
        if row.is_public:
            body = asking.ask(raw_request(b"GET", path_of(row)), b"GET").body.decode()
            assert not [secret for secret in secrets if secret in body]


def test_what_a_client_says_of_the_server_is_not_said_back(exposed: Exposed, asking: Asking) -> None:
    lines = (b"X-Forwarded-Host: MARKER.example", b"X-Forwarded-Proto: MARKER", b"X-Request-Id: req-MARKER", b"X-Generation-Id: gen-MARKER")
    for row in ROWS:
        method, body = row.method.encode(), body_of(row) if row.is_inference else None
        for path in (path_of(row), b"/api", b"/nowhere"):
            raw = raw_request(method, path, *lines, host=b"MARKER.example", key=exposed.live_key, body=body)
            reply = asking.ask(raw, method)
            assert "MARKER" not in f"{reply.headers} {reply.body!r}".replace("MARKER-prompt", "")


def test_metrics_are_not_for_everybody_behind_a_proxy(exposed: Exposed, impatient: Exposed) -> None:
    for line in (b"X-Forwarded-For: 127.0.0.1", b"X-Forwarded-For: 203.0.113.1", b"Forwarded: for=127.0.0.1", b"X-Real-IP: 127.0.0.1"):
        for gateway in (exposed, impatient):
            assert gateway.ask(raw_request(b"GET", b"/metrics", line)).status in {401, 403}
    assert exposed.ask(raw_request(b"GET", b"/metrics")).status == 200


@pytest.mark.parametrize("key", ["good", "bad", "none", "unknown"])
def test_a_body_is_asked_for_only_of_those_who_may_send_it(exposed: Exposed, key: str) -> None:
    text = {"good": exposed.live_key, "bad": "nothing", "none": None, "unknown": generate("live")}[key]
    for path, body in ((b"/v1/chat/completions", BODIES["chat/completions"]), (b"/v1/messages", BODIES["messages"])):
        head = raw_request(b"POST", path, b"Expect: 100-continue", b"Content-Length: %d" % len(body), key=text)
        with exposed.connect() as client:
            client.send(head)
            if key == "good":
                assert client.socket.recv(100) == b"HTTP/1.1 100 Continue\r\n\r\n"
                assert client.send(body).read().status == 200
            else:
                reply = client.read()
                assert (reply.status, reply.interim) == (401, ())
                assert client.read_rest() == b"", "a client that goes on with its body would be misunderstood"


def test_an_expectation_that_is_unknown_is_not_waited_for(exposed: Exposed, asking: Asking) -> None:
    for line in (b"Expect: 200-ok", b"Expect: 100-continue, 100-continue", b"Expect:", b"Expect: " + b"x" * 3000):
        for path, method in ((b"/v1/chat/completions", b"POST"), (b"/v1/models/count", b"GET")):
            body = BODIES["chat/completions"] if method == b"POST" else None
            assert asking.ask(raw_request(method, path, line, key=exposed.live_key, body=body), method).status in {200, 400, 417}
