"""Section A of the attack cases: the ways in which a credential is presented, or is not."""

import re
from pathlib import Path

import pytest
from tests.security.conftest import BODIES, CHAT, MESSAGES, Exposed

from support.gateway import GatewayProcess
from support.raw_client import Reply, raw_request

PLACES = {
    "chat": (b"POST", b"/api/v1/chat/completions", CHAT),
    "messages": (b"POST", b"/v1/messages/", MESSAGES),
    "responses": (b"POST", b"/v1/responses", BODIES["responses"]),
    "models": (b"GET", b"/api/v1/models", None),
    "key": (b"GET", b"/v1/key", None),
}
NO_CREDENTIALS = 'Bearer realm="anyrouter"'
BAD_TOKEN = 'Bearer realm="anyrouter", error="invalid_token"'
everywhere = pytest.mark.parametrize("place", PLACES)


def ask(exposed: Exposed, place: str, *lines: bytes, query: bytes = b"") -> Reply:
    method, path, body = PLACES[place]
    return exposed.ask(raw_request(method, path + query, *lines, body=body))


def bearer(key: str, scheme: bytes = b"Bearer") -> bytes:
    return b"Authorization: %b %b" % (scheme, key.encode())


def logged(gateway: GatewayProcess) -> str:
    """What the gateway has written since it told its first key."""
    return gateway.output.rpartition("curl ")[2].partition("\n")[2]


def is_without_credentials(exposed: Exposed, reply: Reply) -> bool:
    """401-N: no error in the challenge, and nobody behind the gateway was asked."""
    assert (reply.status, reply.code, reply.headers["www-authenticate"]) == (401, "missing_api_key", NO_CREDENTIALS)
    return not exposed.upstream.received


@everywhere
def test_without_a_header_it_is_401_without_an_error_code(exposed: Exposed, place: str) -> None:
    assert is_without_credentials(exposed, ask(exposed, place))


@everywhere
@pytest.mark.parametrize("line", [b"Authorization:", b"Authorization: ", b"Authorization:\t \t", b"x-api-key:", b"x-api-key:  "])
def test_an_empty_header_is_none(exposed: Exposed, place: str, line: bytes) -> None:
    assert is_without_credentials(exposed, ask(exposed, place, line))


@everywhere
@pytest.mark.parametrize("line", [b"Authorization: Bearer", b"Authorization: Bearer ", b"Authorization: Bearer" + b" " * 500])
def test_a_scheme_alone_is_refused_and_looked_up_nowhere(exposed: Exposed, place: str, line: bytes) -> None:
    with exposed.without_keys():
        assert ask(exposed, place, line).status in {400, 401}
    assert exposed.upstream.received == []


@everywhere
@pytest.mark.parametrize("scheme", [b"bearer", b"BEARER", b"BeArEr", b"Bearer   "])
def test_the_scheme_is_taken_in_any_case(exposed: Exposed, place: str, scheme: bytes) -> None:
    assert ask(exposed, place, bearer(exposed.live_key, scheme)).status == 200


@everywhere
@pytest.mark.parametrize("scheme", [b"Basic", b"Token", b"Digest", b"Negotiate", b"Bearer:", b"Bear", b"key", b"AWS4-HMAC-SHA256"])
def test_another_scheme_is_as_good_as_none(exposed: Exposed, place: str, scheme: bytes) -> None:
    assert is_without_credentials(exposed, ask(exposed, place, bearer(exposed.live_key, scheme)))


@everywhere
def test_a_key_without_scheme_is_told_which_scheme_and_looked_up_nowhere(exposed: Exposed, place: str) -> None:
    with exposed.without_keys():
        reply = ask(exposed, place, b"Authorization: " + exposed.live_key.encode())
    assert (reply.status, reply.headers["www-authenticate"]) == (401, BAD_TOKEN)
    assert "Bearer" in reply.error["message"]
    assert exposed.upstream.received == []


@everywhere
@pytest.mark.parametrize("name", [b"Authorization: Bearer ", b"X-Api-Key: "])
@pytest.mark.parametrize("others", ["same", "different", "empty"])
def test_two_headers_are_400_and_looked_up_nowhere(exposed: Exposed, place: str, name: bytes, others: str) -> None:
    key = exposed.live_key.encode()
    second = {"same": key, "different": exposed.test_key.encode(), "empty": b""}[others]
    with exposed.without_keys():
        for pair in ((key, second), (second, key)):
            reply = ask(exposed, place, *(name + one for one in pair))
            assert (reply.status, reply.code) == (400, "conflicting_credentials")
    assert exposed.upstream.received == []


@everywhere
def test_two_keys_in_one_header_are_400(exposed: Exposed, place: str) -> None:
    one, other = exposed.live_key, exposed.test_key
    for text in (f"{one}, Bearer {other}", f"{one},{one}", f"{one},", f",{one}"):
        assert ask(exposed, place, bearer(text)).code == "conflicting_credentials"
    for text in (f"{one} {other}", f"{one}\t{other}", f"{one};{other}"):
        assert ask(exposed, place, bearer(text)).status == 401
    assert exposed.upstream.received == []


@everywhere
def test_both_headers_must_agree(exposed: Exposed, place: str) -> None:
    one, other = exposed.live_key, exposed.test_key
    assert ask(exposed, place, bearer(one), b"x-api-key: " + one.encode()).status == 200
    exposed.upstream.received.clear()
    for lines in (
        (bearer(one), b"x-api-key: " + other.encode()),
        (b"x-api-key: " + other.encode(), bearer(one)),
        (bearer("nothing"), b"x-api-key: " + one.encode()),
        (bearer(one, b"Basic"), b"x-api-key: " + one.encode()),
        (bearer(one), b"x-api-key: " + one.encode() + b"0"),
    ):
        assert ask(exposed, place, *lines).code == "conflicting_credentials"
    assert exposed.upstream.received == []


@everywhere
@pytest.mark.parametrize("name", ["api_key", "key", "access_token", "Authorization", "x-api-key", "token"])
def test_a_key_in_the_query_is_ignored_and_not_logged(exposed: Exposed, place: str, name: str) -> None:
    query = f"?{name}={exposed.live_key}".encode()
    assert is_without_credentials(exposed, ask(exposed, place, query=query))
    ask(exposed, place, bearer(exposed.live_key), query=query)
    assert exposed.live_key not in logged(exposed.gateway)
    assert all(exposed.live_key not in f"{request}" for request in exposed.upstream.received)


@everywhere
def test_a_key_in_a_cookie_or_another_header_is_ignored_and_not_logged(exposed: Exposed, place: str) -> None:
    key = exposed.live_key.encode()
    for name in (
        b"Cookie: key=",
        b"Cookie: session=",
        b"X-Goog-Api-Key: ",
        b"Api-Key: ",
        b"Proxy-Authorization: Bearer ",
        b"X-Auth-Token: ",
    ):
        assert is_without_credentials(exposed, ask(exposed, place, name + key))
    assert exposed.live_key not in logged(exposed.gateway)


def test_a_key_in_a_form_is_ignored_and_not_logged(exposed: Exposed) -> None:
    form = b"api_key=%b&key=%b&access_token=%b" % ((exposed.live_key.encode(),) * 3)
    lines = (b"Content-Type: application/x-www-form-urlencoded", b"Content-Length: %d" % len(form))
    for path in (b"/api/v1/chat/completions", b"/v1/messages"):
        assert is_without_credentials(exposed, exposed.ask(raw_request(b"POST", path, *lines) + form))
    assert exposed.live_key not in logged(exposed.gateway)


@everywhere
@pytest.mark.parametrize(("size", "statuses"), [(8 << 10, {400, 401}), (64 << 10, {431}), (1 << 20, {431})], ids=["8K", "64K", "1M"])
def test_a_huge_header_is_refused_within_bounded_memory(exposed: Exposed, place: str, size: int, statuses: set[int]) -> None:
    before = resident_bytes(exposed.gateway.pid)
    for line in (b"Authorization: Bearer ar-live-", b"x-api-key: ", b"Authorization: "):
        for _ in range(5):
            assert ask(exposed, place, line + b"x" * size).status in statuses
    assert resident_bytes(exposed.gateway.pid) - before < 16 << 20
    assert exposed.upstream.received == []


def resident_bytes(pid: int) -> int:
    status = Path(f"/proc/{pid}/status")
    return int(re.findall(r"VmRSS:\s+(\d+) kB", status.read_text())[0]) << 10 if status.exists() else 0


@pytest.mark.parametrize("name", [b"X-Forwarded-User", b"X-User-Id", b"X-Org-Id", b"X-AnyRouter-Org", b"X-Remote-User", b"X-Key-Id"])
def test_a_client_cannot_say_who_it_is(exposed: Exposed, name: bytes) -> None:
    for value in (b"admin", b"org_default", exposed.id_of(exposed.live_key).encode()):
        for place in PLACES:
            assert is_without_credentials(exposed, ask(exposed, place, name + b": " + value))
        mine = ask(exposed, "key", bearer(exposed.test_key), name + b": " + value)
        assert mine.json["data"]["label"] == exposed.test_key[: len("ar-test-") + 6]


@everywhere
def test_http_1_0_and_whole_addresses_are_no_way_around(exposed: Exposed, place: str) -> None:
    method, path, body = PLACES[place]
    for version, target in (
        (b"HTTP/1.0", path),
        (b"HTTP/1.1", b"http://localhost" + path),
        (b"HTTP/1.1", b"https://evil.example" + path),
        (b"HTTP/1.1", b"http://localhost" + path + b"?a=b#c"),
    ):
        assert is_without_credentials(exposed, exposed.ask(raw_request(method, target, body=body, version=version)))
        assert exposed.ask(raw_request(method, target, key=exposed.live_key, body=body, version=version)).status in {200, 400}
        exposed.upstream.received.clear()


@pytest.mark.parametrize("target", [b"localhost:80", b"/api/v1/models", b"*", b"http://localhost/api/v1/key"])
@pytest.mark.parametrize("method", [b"CONNECT", b"TRACE"])
def test_tunnels_and_traces_are_refused_with_any_key(exposed: Exposed, method: bytes, target: bytes) -> None:
    for key in (None, exposed.live_key):
        reply = exposed.ask(raw_request(method, target, b"X-Mine: MARKER", key=key), b"POST")
        assert reply.status in {400, 405}
        assert b"MARKER" not in reply.body


def test_http_2_is_refused_in_words_of_http_1(exposed: Exposed) -> None:
    with exposed.connect() as client:
        reply = client.send(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" + bytes(50)).read()
        assert reply.status == 400
        assert "HTTP/1.1" in reply.error["message"]
        assert client.read_rest() == b""


@everywhere
def test_a_preflight_gets_no_data_and_no_origin_is_allowed(exposed: Exposed, place: str) -> None:
    method, path, _ = PLACES[place]
    wishes = (
        b"Origin: https://evil.example",
        b"Access-Control-Request-Method: " + method,
        b"Access-Control-Request-Headers: authorization",
    )
    for key in (None, exposed.live_key, "nothing"):
        reply = exposed.ask(raw_request(b"OPTIONS", path, *wishes, key=key))
        assert (reply.status, reply.body) == (204, b"")
        assert method.decode() in reply.headers["allow"]
        asked = exposed.ask(raw_request(method, path, *wishes[:1], key=key, body=PLACES[place][2]))
        assert asked.status == (200 if key == exposed.live_key else 401)
        assert not [name for headers in (reply.headers, asked.headers) for name in headers if name.startswith("access-control-")]
