"""Requests about whose end two readers could disagree. Each carries a second request, which must never be served."""

import pytest
from tests.integration.front.conftest import Site, get, request

SMUGGLED = get(b"/smuggled")
PATHS = [b"/v1/chat/completions", b"/v1/messages/", b"/api/v1/keys"]
CHUNKED = b"Transfer-Encoding: chunked"

AMBIGUOUS = {
    "length and coding": [b"Content-Length: 6", CHUNKED],
    "coding and length": [CHUNKED, b"Content-Length: 6"],
    "two lengths": [b"Content-Length: 0", b"Content-Length: 40"],
    "the same length twice": [b"Content-Length: 0", b"content-length: 0"],
    "a list of lengths": [b"Content-Length: 0, 0"],
    "a signed length": [b"Content-Length: +0"],
    "a negative length": [b"Content-Length: -1"],
    "a hexadecimal length": [b"Content-Length: 0x0"],
    "a length with an underscore": [b"Content-Length: 1_0"],
    "a length in other digits": ["Content-Length: \u0661".encode()],
    "an empty length": [b"Content-Length:"],
    "a length beyond 64 bits": [b"Content-Length: 18446744073709551616"],
    "a length of more digits than a body can have": [b"Content-Length: 0000000000000000"],
    "a space before the colon": [b"Content-Length : 0"],
    "a folded length": [b"Content-Length:\r\n 0"],
    "a tab before the name": [b"\tContent-Length: 0"],
    "a bare line feed": [b"X: y\nContent-Length: 0"],
    "a bare carriage return": [b"X: y\rContent-Length: 0"],
    "a null in a value": [b"X: a\x00b"],
    "a null in a name": [b"X\x00: a"],
    "a control character": [b"X: a\x01b"],
    "no name": [b": x"],
    "no colon": [b"Content-Length 0"],
    "coding twice": [CHUNKED, CHUNKED],
    "an unknown coding": [b"Transfer-Encoding: xchunked"],
    "identity": [b"Transfer-Encoding: identity"],
    "gzip before chunked": [b"Transfer-Encoding: gzip, chunked"],
    "chunked before identity": [b"Transfer-Encoding: chunked, identity"],
    "an empty coding": [b"Transfer-Encoding:"],
    "a coding behind a vertical tab": [b"Transfer-Encoding: \x0bchunked"],
    "a folded coding": [b"Transfer-Encoding:\r\n chunked"],
    "a quoted coding": [b'Transfer-Encoding: "chunked"'],
    "no host": [],
}


def _raw(path: bytes, lines: list[bytes], body: bytes, version: bytes = b"1.1") -> bytes:
    host = [b"Host: x"] if lines else []
    head = [b"POST %b HTTP/%b" % (path, version), *host, b"Authorization: Bearer allowed", *lines, b"", b""]
    return b"\r\n".join(head) + body


@pytest.mark.parametrize("path", PATHS)
@pytest.mark.parametrize("lines", AMBIGUOUS.values(), ids=AMBIGUOUS.keys())
def test_an_ambiguous_head_is_a_400_and_the_end(site: Site, path: bytes, lines: list[bytes]) -> None:
    with site.connect() as client:
        reply = client.send(_raw(path, lines, b"0\r\n\r\n" + SMUGGLED)).read()
        assert (reply.status, reply.headers["connection"]) == (400, "close")
        assert client.is_closed_by_server()
    assert site.inference.heads == []
    assert site.application.scopes == []


@pytest.mark.parametrize("path", PATHS)
def test_chunked_in_http_1_0_is_a_400(site: Site, path: bytes) -> None:
    with site.connect() as client:
        assert client.send(_raw(path, [CHUNKED, b"Connection: keep-alive"], b"0\r\n\r\n" + SMUGGLED, b"1.0")).read().status == 400
        assert client.is_closed_by_server()


BAD_CHUNKS = {
    "a size of two meanings": b"0x\r\n\r\n",
    "a size with a sign": b"+0\r\n\r\n",
    "a size beyond bounds": b"100000000\r\n",
    "spaces before the size": b" 0\r\n\r\n",
    "spaces behind the size": b"0 \r\n\r\n",
    "a line feed alone": b"0\n\n",
    "a line feed in an extension": b"0;a\nb\r\n\r\n",
    "a carriage return in an extension": b"0;a\rb\r\n\r\n",
    "an extension without end": b"0;" + b"a" * 300,
    "more data than the size says": b"1\r\nabc\r\n0\r\n\r\n",
    "a line feed behind the data": b"1\r\na\n0\r\n\r\n",
    "a trailer without a name": b"0\r\n: x\r\n\r\n",
    "a trailer without a colon": b"0\r\nGET /smuggled HTTP/1.1\r\n\r\n",
    "a folded trailer": b"0\r\nA: b\r\n c\r\n\r\n",
    "a null in a trailer": b"0\r\nA: \x00\r\n\r\n",
    "trailers without end": b"0\r\n" + b"A: b\r\n" * 3000,
}


@pytest.mark.parametrize("path", PATHS)
@pytest.mark.parametrize("body", BAD_CHUNKS.values(), ids=BAD_CHUNKS.keys())
def test_a_malformed_chunked_body_is_a_400_and_the_end(site: Site, path: bytes, body: bytes) -> None:
    with site.connect() as client:
        reply = client.send(_raw(path, [CHUNKED], body + SMUGGLED)).read()
        assert (reply.status, reply.headers["connection"]) in {(400, "close"), (413, "close")}
        assert client.is_closed_by_server()
    assert site.inference.bodies == []
    assert [scope["path"] for scope in site.application.scopes] in ([], ["/api/v1/keys"])


@pytest.mark.parametrize("path", PATHS)
def test_extensions_and_trailers_are_dropped_and_the_next_request_is_the_next_request(site: Site, path: bytes) -> None:
    body = b'3;name="va;lue"\r\nabc\r\n0003\r\ndef\r\n000;x\r\nContent-Length: 99\r\nAuthorization: Bearer other\r\n\r\n'
    with site.connect() as client:
        assert client.send(_raw(path, [b"transfer-encoding:CHUNKED"], body + get(b"/next"))).read().json["size"] == 6
        assert client.read(b"GET").json["path"] == "/next"


@pytest.mark.parametrize("path", PATHS)
def test_a_request_in_a_body_is_a_body(site: Site, path: bytes) -> None:
    with site.connect() as client:
        assert client.send(request(SMUGGLED, path=path) + get(b"/next")).read().json["size"] == len(SMUGGLED)
        assert client.read(b"GET").json["path"] == "/next"


def test_a_get_with_a_body_is_framed_by_its_length(site: Site) -> None:
    with site.connect() as client:
        assert client.send(request(SMUGGLED, method=b"GET", path=b"/v1/models") + get(b"/next")).read(b"GET").json["size"] == len(SMUGGLED)
        assert client.read(b"GET").json["path"] == "/next"


@pytest.mark.parametrize("lines", [[b"Connection: Upgrade", b"Upgrade: websocket"], [b"Connection: upgrade", b"Upgrade: h2c", CHUNKED]])
def test_an_upgrade_does_not_hide_where_the_message_ends(site: Site, lines: list[bytes]) -> None:
    body = b"5\r\nabcde\r\n0\r\n\r\n" if CHUNKED in lines else b"abcde"
    framing = [] if CHUNKED in lines else [b"Content-Length: 5"]
    for path in PATHS:
        with site.connect() as client:
            assert client.send(_raw(path, [*lines, *framing], body + get(b"/next"))).read().json["size"] == 5
            assert client.read(b"GET").json["path"] == "/next"


def test_what_follows_a_refused_body_is_a_request_only_where_the_body_ends(site: Site) -> None:
    with site.connect() as client:
        client.send(request(SMUGGLED, key=b"Bearer unknown") + get(b"/next"))
        assert client.read().status == 401
        assert client.read(b"GET").json["path"] == "/next"
    with site.connect() as client:
        client.send(request(b"", key=b"Bearer unknown", length=len(SMUGGLED)))
        assert client.read().status == 401
        client.send(SMUGGLED, get(b"/next"))
        assert client.read(b"GET").json["path"] == "/next"


def test_nothing_is_served_behind_a_request_that_closes(site: Site) -> None:
    for first in (
        request(b"{}", b"Connection: close"),
        request(b"{}", version=b"1.0"),
        request(b"{}", b"Connection: close", path=b"/api/v1/keys"),
    ):
        with site.connect() as client:
            assert client.send(first + SMUGGLED).read().status == 200
            assert client.is_closed_by_server()
    assert "/smuggled" not in [scope["path"] for scope in site.application.scopes]
