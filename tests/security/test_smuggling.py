"""Requests about whose end two readers could disagree, through the whole gateway: what is hidden in them reaches nobody.

A smuggled request would show as a second request at the provider, or as a reply that nobody has asked for.
"""

import pytest
from tests.security.conftest import BODIES, CHAT, Exposed

from support.raw_client import chunked, raw_request

CHUNKED = b"Transfer-Encoding: chunked"
PATHS = {
    "inference": b"/v1/chat/completions",
    "anthropic": b"/api/v1/messages",
    "reading": b"/v1/models",
    "managing": b"/v1/keys",  # which the key may not: 403
    "nowhere": b"/v1/nowhere",
}
INFERENCE = (PATHS["inference"], PATHS["anthropic"])
everywhere = pytest.mark.parametrize("path", PATHS.values(), ids=PATHS.keys())


def hidden(exposed: Exposed) -> bytes:
    """A request that would succeed, and be seen at the provider."""
    return raw_request(b"POST", b"/v1/chat/completions", key=exposed.live_key, body=CHAT)


AMBIGUOUS = {
    "length, then coding": [b"Content-Length: 4", CHUNKED],
    "coding, then length": [CHUNKED, b"Content-Length: 4"],
    "a length of nothing beside coding": [b"Content-Length: 0", CHUNKED],
    "two lengths": [b"Content-Length: 0", b"Content-Length: 5"],
    "the same length twice": [b"Content-Length: 0", b"Content-Length: 0"],
    "a list of lengths": [b"Content-Length: 0, 5"],
    "a signed length": [b"Content-Length: +0"],
    "a negative length": [b"Content-Length: -1"],
    "a length in hexadecimal": [b"Content-Length: 0x0"],
    "a length with a space in it": [b"Content-Length: 0 0"],
    "a length in exponents": [b"Content-Length: 0e1"],
    "a length beyond 64 bits": [b"Content-Length: 18446744073709551616"],
    "a space before the colon": [b"Content-Length : 0"],
    "a folded line": [b"Content-Length: 0\r\n 5"],
    "a bare line feed": [b"X: y\nContent-Length: 0"],
    "a bare line feed before the coding": [b"Content-Length: 5\nTransfer-Encoding: chunked"],
    "a bare carriage return": [b"X: y\rTransfer-Encoding: chunked"],
    "a null": [b"Content-Length: 0\x00"],
    "a null in a name": [b"Transfer\x00-Encoding: chunked"],
    "a coding that is none": [b"Transfer-Encoding: xchunked"],
    "a coding twice": [CHUNKED, CHUNKED],
    "chunked and identity": [b"Transfer-Encoding: chunked, identity"],
    "identity alone": [b"Transfer-Encoding: identity"],
    "gzip and chunked": [b"Transfer-Encoding: gzip, chunked"],
    "a vertical tab before chunked": [b"Transfer-Encoding: \x0bchunked"],
    "a quoted coding": [b'Transfer-Encoding: "chunked"'],
    "an empty coding": [b"Transfer-Encoding:"],
    "no colon": [b"Content-Length 0"],
    "no name": [b": 0"],
}


@everywhere
@pytest.mark.parametrize("lines", AMBIGUOUS.values(), ids=AMBIGUOUS.keys())
def test_an_ambiguous_head_is_400_and_the_end_of_the_connection(exposed: Exposed, path: bytes, lines: list[bytes]) -> None:
    for tail in (b"0\r\n\r\n", b"5\r\nabcde\r\n0\r\n\r\n", b""):
        with exposed.connect() as client:
            client.send(raw_request(b"POST", path, *lines, key=exposed.live_key) + tail + hidden(exposed))
            reply = client.read()
            assert (reply.status, reply.headers["connection"]) == (400, "close")
            assert client.read_rest() == b""
    assert exposed.upstream.received == []


BAD_CHUNKS = {
    "more data than announced": b"1\r\nabc\r\n0\r\n\r\n",
    "a size with a sign": b"+0\r\n\r\n",
    "a size with a prefix": b"0x0\r\n\r\n",
    "a size with an underscore": b"0_0\r\n\r\n",
    "spaces before a size": b" 0\r\n\r\n",
    "a size of seventeen digits": b"10000000000000000\r\n",
    "no size": b"\r\n0\r\n\r\n",
    "a line feed for a line's end": b"0\n\n",
    "a line feed inside of an extension": b"0;x\nGET / HTTP/1.1\r\n\r\n",
    "a carriage return inside of an extension": b"0;x\r0\r\n\r\n",
    "an oversized extension": b"0;" + b"x" * 100_000 + b"\r\n\r\n",
    "a trailer that is a request": b"0\r\nGET /v1/key HTTP/1.1\r\n\r\n",
    "a trailer with a null": b"0\r\nX: \0\r\n\r\n",
    "trailers without end": b"0\r\n" + b"X: y\r\n" * 30_000,
    "no line's end behind the data": b"5\r\nabcde0\r\n\r\n",
}


@everywhere
@pytest.mark.parametrize("body", BAD_CHUNKS.values(), ids=BAD_CHUNKS.keys())
def test_a_malformed_chunk_is_400_and_the_end_of_the_connection(exposed: Exposed, path: bytes, body: bytes) -> None:
    with exposed.connect() as client:
        client.send(raw_request(b"POST", path, CHUNKED, key=exposed.live_key), body, hidden(exposed))
        reply = client.read()
        assert reply.status in ({400, 413} if path in INFERENCE else {400, 403, 404, 405, 413})  # others may answer before they see it
        assert client.read_rest() == b""
    assert exposed.upstream.received == []


@everywhere
def test_a_request_inside_of_a_body_is_a_body(exposed: Exposed, path: bytes) -> None:
    inner = hidden(exposed)
    for raw in (
        raw_request(b"POST", path, key=exposed.live_key, body=inner),
        raw_request(b"GET", path, key=exposed.live_key, body=inner),
        raw_request(b"DELETE", path, body=inner),
        raw_request(b"POST", path, CHUNKED, key=exposed.live_key) + chunked(inner),
        raw_request(b"GET", path, CHUNKED, key=exposed.live_key) + chunked(inner[:20], inner[20:]),
        raw_request(b"HEAD", path, key=exposed.live_key, body=inner),
    ):
        with exposed.connect() as client:
            method = raw[: raw.index(b" ")]
            reply = client.send(raw).read(method)
            assert reply.status in {200, 400, 401, 403, 404, 405}
            assert client.is_silent(0.05)
    assert exposed.upstream.received == []


@everywhere
@pytest.mark.parametrize(
    "lines",
    [
        [b"Connection: Upgrade, HTTP2-Settings", b"Upgrade: h2c", b"HTTP2-Settings: AAMAAABkAARAAAAAAAIAAAAA"],
        [b"Connection: Upgrade", b"Upgrade: websocket", b"Sec-WebSocket-Version: 13", b"Sec-WebSocket-Key: MARKERMARKERMARKERMARKE=="],
        [b"Connection: upgrade", b"Upgrade: TLS/1.0"],
        [b"Upgrade: h2c"],
        [b"Connection: Upgrade"],
    ],
    ids=["h2c", "websocket", "tls", "no connection", "no protocol"],
)
def test_an_upgrade_hides_no_request_in_its_body(exposed: Exposed, path: bytes, lines: list[bytes]) -> None:
    inner, own = hidden(exposed), raw_request(b"GET", b"/v1/key", key=exposed.live_key)
    for method in (b"POST", b"GET"):
        for raw in (
            raw_request(method, path, *lines, key=exposed.live_key, body=inner),
            raw_request(method, path, *lines, CHUNKED, key=exposed.live_key) + chunked(inner),
        ):
            with exposed.connect() as client:
                reply = client.send(raw + own).read(method)
                assert reply.status in {200, 400, 403, 404, 405}
                if reply.headers.get("connection") != "close":
                    assert client.read(b"GET").json["data"]["label"] == exposed.live_key[:14]
                    assert client.is_silent(0.01)
                else:
                    assert client.read_rest() == b""
    assert exposed.upstream.received == []


@everywhere
def test_extensions_and_trailers_change_nothing(exposed: Exposed, path: bytes) -> None:
    body = BODIES["messages"] if path.endswith(b"messages") else CHAT
    trailers = b"Content-Length: 99\r\nTransfer-Encoding: identity\r\nAuthorization: Bearer MARKER\r\nHost: evil.example\r\n\r\n"
    raw = raw_request(b"POST", path, CHUNKED, key=exposed.live_key)
    raw += b'%x;a="b;c";d\r\n%b\r\n' % (len(body), body) + b"000;x=y\r\n" + trailers
    with exposed.connect() as client:
        client.send(raw + raw_request(b"GET", b"/v1/key", key=exposed.live_key))
        assert client.read().status in {200, 403, 404, 405}
        assert client.read(b"GET").json["data"]["label"] == exposed.live_key[:14]
    assert "MARKER-prompt" in f"{exposed.upstream.received}" or path not in INFERENCE
    assert "Bearer MARKER" not in f"{exposed.upstream.received}"


@everywhere
def test_what_follows_a_refused_request_is_served_as_itself_or_not_at_all(exposed: Exposed, path: bytes) -> None:
    own = raw_request(b"GET", b"/v1/key", key=exposed.live_key)
    for size in (0, 10, 60_000, 70_000):
        for key in (None, "nothing", exposed.live_key):
            refused = raw_request(b"POST", path, b"Content-Encoding: gzip", key=key, body=hidden(exposed).ljust(size))
            with exposed.connect() as client:
                reply = client.send(refused + own).read()
                assert reply.status in {401, 403, 404, 405, 415}
                rest = client.read_rest() if reply.headers.get("connection") == "close" else None
                assert rest in (None, b"")
                if rest is None:
                    assert client.read(b"GET").json["data"]["label"] == exposed.live_key[:14]
                    assert client.is_silent(0.02)
    assert exposed.upstream.received == []


def test_nothing_is_served_behind_connection_close_and_http_1_0(exposed: Exposed) -> None:
    for path in PATHS.values():
        for raw in (
            raw_request(b"POST", path, b"Connection: close", key=exposed.live_key, body=b"{}"),
            raw_request(b"POST", path, key=exposed.live_key, body=b"{}", version=b"HTTP/1.0"),
            raw_request(b"POST", path, b"Connection: keep-alive, close", key=exposed.live_key, body=b"{}"),
        ):
            with exposed.connect() as client:
                client.send(raw + hidden(exposed)).read()
                assert client.read_rest() == b""
    assert exposed.upstream.received == []


def test_bytes_that_are_no_request_are_one_400(exposed: Exposed) -> None:
    for raw in (
        b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + bytes(300),
        bytes(1000),
        b"\r\n" * 50 + b"\0",
        b"GET\r\n\r\n",
        b"GET /v1/key\r\n\r\n",
        b"GET /v1/key HTTP/1.1 \r\nHost: x\r\n\r\n",
        b"GET  /v1/key HTTP/1.1\r\nHost: x\r\n\r\n",
        b"GET /v1/key HTTP/1.1\nHost: x\n\n" + b"\r\n\r\n",
        b"GET /v1/key HTTP/9.9\r\nHost: x\r\n\r\n",
        b"get /v1/key HTTP/1.1\r\nHost: x\r\n\r\n",
        b"G\0T /v1/key HTTP/1.1\r\nHost: x\r\n\r\n",
        b"GET /v1/\0key HTTP/1.1\r\nHost: x\r\n\r\n",
        b"GET /v1/k\xe9y HTTP/1.1\r\nHost: x\r\n\r\n",
        b"EHLO localhost\r\n\r\n",
        b"*1\r\n$4\r\nPING\r\n\r\n",
        b"SSH-2.0-MARKER\r\n\r\n",
        b'{"model":"x"}\r\n\r\n',
    ):
        with exposed.connect() as client:
            reply = client.send(raw + hidden(exposed)).read(b"GET")
            assert reply.status == 400, raw
            assert client.read_rest() == b""
    assert exposed.upstream.received == []


@pytest.mark.parametrize("cut", [1, 2, 3, 7, 50])
def test_pieces_of_any_size_make_the_same_requests(exposed: Exposed, cut: int) -> None:
    """What a proxy sends in one packet and what a modem sends byte by byte is the same to the gateway."""
    body = chunked(CHAT[:30], CHAT[30:])
    raw = raw_request(b"POST", b"/v1/chat/completions", CHUNKED, key=exposed.live_key) + body
    raw += raw_request(b"GET", b"/v1/key", key=exposed.live_key) + raw_request(b"POST", b"/v1/messages", key="nothing", body=CHAT)
    raw += hidden(exposed)
    with exposed.connect() as client:
        for at in range(0, len(raw), cut):
            client.send(raw[at : at + cut])
        statuses = [client.read(method).status for method in (b"POST", b"GET", b"POST", b"POST")]
        assert client.is_silent()
    assert statuses == [200, 200, 401, 200]
    assert [received.json()["messages"] for received in exposed.upstream.received] == [[{"role": "user", "content": "MARKER-prompt"}]] * 2
