"""Messages that are not inference: uvicorn's protocol and the application serve them, and the front's limits hold."""

import itertools
import json
import socket

import h11
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from tests.integration.front.conftest import UNKNOWN, Client, Site, chunked_request, get, request, running, wait_until

from anyrouter.web.front.limits import FrontLimits

API = b"/api/v1/keys"


@pytest.mark.parametrize("method", [b"GET", b"PUT", b"PATCH", b"DELETE", b"OPTIONS"])
def test_other_methods_on_inference_paths_are_the_applications(site: Site, method: bytes) -> None:
    reply = site.ask(request(method=method, path=b"/v1/chat/completions"), method=method)
    assert reply.json == {"path": "/v1/chat/completions", "method": method.decode(), "size": 2}
    assert site.inference.heads == []


def test_replies_of_the_application_are_dated_and_do_not_name_a_server(site: Site) -> None:
    assert set(site.ask(get(), method=b"GET").headers) == {"date", "content-length"}


def test_head_requests_are_the_applications(site: Site) -> None:
    with site.connect() as client:
        assert client.send(request(b"", method=b"HEAD")).read(b"HEAD").body == b""
        assert client.send(request()).read().status == 200


@pytest.mark.parametrize("size", [0, 1, 100_000, 3_000_000])
@pytest.mark.parametrize("is_chunked", [False, True])
def test_a_body_is_passed_on_whole(site: Site, size: int, is_chunked: bool) -> None:
    body = bytes(size)
    chunks = [body[at : at + 60_000] for at in range(0, size, 60_000)]
    with site.connect() as client:
        client.send(chunked_request(*chunks, path=API) if is_chunked else request(body, path=API))
        assert client.read().json["size"] == size
        assert client.send(request()).read().status == 200


def _mixed(number: int, body: bytes) -> tuple[bytes, bytes]:
    """The message of that number, and its method."""
    kind = number % 5
    if kind == 0:
        return get(b"/v1/models?n=%d" % number), b"GET"
    if kind in (1, 3):
        return request(body, path=b"/v1/messages" if kind == 1 else API), b"POST"
    return chunked_request(body[:3], body[3:], path=API if kind == 2 else b"/v1/messages"), b"POST"


def _expect(client: Client, number: int, method: bytes, body: bytes) -> None:
    reply = client.read(method).json
    kind = number % 5
    expected_path = {0: "/v1/models", 2: API.decode(), 3: API.decode()}.get(kind)
    assert reply.get("path") == expected_path
    assert reply["size"] == (0 if kind == 0 else len(body))


def test_120_requests_of_both_kinds_cut_at_varying_bytes_share_a_connection(site: Site) -> None:
    with site.connect() as client:
        client.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        for number in range(120):
            body = b"b" * (number * 7 % 50)
            raw, method = _mixed(number, body)
            cut = number * 13 % len(raw)
            client.send(raw[:cut], raw[cut:])
            _expect(client, number, method, body)


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.data())
def test_no_pipeline_of_both_kinds_is_mixed_up_wherever_it_is_cut(site: Site, data: st.DataObject) -> None:
    numbers = data.draw(st.lists(st.integers(0, 4), min_size=1, max_size=8))
    bodies = [data.draw(st.binary(max_size=60)) for _ in numbers]
    messages = [_mixed(number, body) for number, body in zip(numbers, bodies, strict=True)]
    raw = b"".join(message for message, _ in messages)
    cuts = sorted(data.draw(st.sets(st.integers(1, len(raw) - 1), max_size=10)))
    with site.connect() as client:
        client.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        for start, end in itertools.pairwise([0, *cuts, len(raw)]):
            client.send(raw[start:end])
        for number, body, (_, method) in zip(numbers, bodies, messages, strict=True):
            _expect(client, number, method, body)


def test_the_application_sees_the_client_behind_trusted_proxies() -> None:
    with running(trusted_proxies=("127.0.0.0/8",)) as site:
        site.ask(get(b"/health", b"X-Forwarded-For: 6.6.6.6, 203.0.113.9", b"X-Forwarded-Proto: HTTPS"), method=b"GET")
        site.ask(get(b"/health"), method=b"GET")
        first, second = site.application.scopes
        assert (first["client"][0], first["scheme"]) == ("203.0.113.9", "https")
        assert (second["client"][0], second["scheme"]) == ("127.0.0.1", "http")
        assert site.ask(request(b"{}", b"X-Forwarded-For: 203.0.113.9, 127.0.0.7")).json["client"] == "203.0.113.9"


def test_nobody_is_believed_when_no_proxy_is_trusted(site: Site) -> None:
    headers = b"X-Forwarded-For: 203.0.113.9\r\nX-Forwarded-Proto: https"
    assert site.ask(request(b"{}", headers)).json["client"] == "127.0.0.1"
    site.ask(get(b"/health", headers), method=b"GET")
    assert site.application.scopes[0]["client"][0] == "127.0.0.1"
    assert site.application.scopes[0]["scheme"] == "http"


@pytest.mark.parametrize("upgrade", [b"h2c", b"websocket", b"x"])
@pytest.mark.parametrize("path", [API, b"/v1/messages"])
def test_a_wish_to_upgrade_is_ignored_and_the_body_is_served(site: Site, upgrade: bytes, path: bytes) -> None:
    with site.connect() as client:
        client.send(request(b"12345", b"Connection: Upgrade, HTTP2-Settings", b"upGRADE: " + upgrade, path=path))
        assert client.read().json["size"] == 5
        assert client.send(request()).read().status == 200


def test_a_websocket_handshake_is_an_ordinary_request(site: Site) -> None:
    headers = [b"Connection: Upgrade", b"Upgrade: websocket", b"Sec-WebSocket-Version: 13", b"Sec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA=="]
    assert site.ask(get(b"/v1/chat/completions", *headers), method=b"GET").json["method"] == "GET"


def test_a_target_without_a_path_is_a_400_in_our_envelope(site: Site) -> None:
    reply = site.ask(get(b"http://example.com"), method=b"GET")
    assert (reply.status, reply.code, reply.headers["connection"]) == (400, "invalid_parameter", "close")


def test_connection_close_and_http_1_0_are_honoured(site: Site) -> None:
    for raw in (get(b"/health", b"Connection: close"), get(b"/health").replace(b"HTTP/1.1", b"HTTP/1.0")):
        with site.connect() as client:
            assert client.send(raw).read(b"GET").headers["connection"] == "close"
            assert client.is_closed_by_server()


def test_continue_is_sent_when_the_application_reads(site: Site) -> None:
    with site.connect() as client:
        client.send(request(b"", b"Expect: 100-continue", length=3, path=API))
        assert client.socket.recv(100).startswith(b"HTTP/1.1 100")
        assert client.send(b"abc").read().json["size"] == 3


def test_a_reply_that_does_not_wait_for_the_body_arrives_and_small_bodies_keep_the_connection(site: Site) -> None:
    with site.connect() as client:
        assert client.send(request(b"", length=1000, path=API + b"?deaf")).read().body == b"did not listen"
        assert client.send(bytes(1000), request()).read().status == 200


@pytest.mark.parametrize("is_last", [False, True])
def test_a_reply_that_does_not_wait_for_a_large_body_arrives_and_ends_the_connection(site: Site, is_last: bool) -> None:
    with site.connect() as client:
        client.send(request(b"", *([b"Connection: close"] if is_last else []), length=5_000_000, path=API + b"?deaf"))
        client.send(bytes(5_000_000))
        assert client.read().body == b"did not listen"
        assert client.is_closed_by_server()


def test_an_application_that_does_not_read_holds_the_client_back(site: Site) -> None:
    with site.connect() as client:
        raw = request(bytes(20_000_000), path=API + b"?gate")
        sent = client.fill(raw)
        assert sent < len(raw)
        site.application.gate.set()
        assert client.send(raw[sent:]).read().json["size"] == 20_000_000


def test_the_application_hears_that_the_client_has_left(site: Site) -> None:
    with site.connect() as client:
        client.send(get(b"/health?wait"))
        wait_until(lambda: site.application.events == ["waiting"])
        client.socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")
    wait_until(lambda: site.application.events == ["waiting", "disconnect"])


def test_a_slow_client_holds_the_application_back_and_gets_everything(site: Site) -> None:
    with site.connect(receive_buffer=4096) as client:
        client.send(get(b"/health?pour"))
        client.socket.recv(10)
        assert "poured" not in site.application.events
        received = bytearray()
        while not received.endswith(b"0\r\n\r\n"):
            received += client.socket.recv(1_000_000)
        assert len(received) > 8_000_000


def test_a_crash_of_the_application_is_a_500(site: Site) -> None:
    reply = site.ask(get(b"/health?crash"), method=b"GET")
    assert reply.status == 500
    assert b"MARKER" not in reply.body


def test_a_crash_midway_is_seen_as_a_broken_reply(site: Site) -> None:
    with site.connect() as client, pytest.raises(h11.RemoteProtocolError):
        client.send(get(b"/health?crash-midway")).read(b"GET")


def test_a_half_closed_client_gets_the_applications_reply(site: Site) -> None:
    with site.connect() as client:
        client.send(get(b"/health?gate")).half_close()
        wait_until(lambda: site.application.events == ["waiting"])
        site.application.gate.set()
        assert client.read(b"GET").json["path"] == "/health"
        assert client.is_closed_by_server()


def test_a_body_that_ends_early_is_a_400(site: Site) -> None:
    with site.connect() as client:
        client.send(request(b"ab", length=10, path=API)).half_close()
        assert client.read().status == 400
    wait_until(lambda: site.application.events == ["disconnect"])


def test_limits_of_head_and_body_hold_for_the_application_too() -> None:
    limits = FrontLimits(head_bytes=2000, head_count=20, body_bytes=1000)
    with running(limits) as site:
        assert site.ask(get(b"/health", b"X: " + b"x" * 2000), method=b"GET").code == "headers_too_large"
        assert site.ask(get(b"/health", *[b"X: 1"] * 20), method=b"GET").code == "headers_too_large"
        assert site.ask(request(b"", length=1001, path=API)).code == "body_too_large"
        assert site.ask(chunked_request(bytes(1001), path=API)).code == "body_too_large"
        assert site.ask(request(bytes(1000), path=API)).status == 200
        wait_until(lambda: site.application.events == ["disconnect"])


@pytest.mark.parametrize("is_chunked", [False, True])
def test_a_slow_body_is_408_and_the_application_hears_of_it(is_chunked: bool) -> None:
    limits = FrontLimits(body_timeout_s=30, body_window_s=0.2, body_bytes_per_s=100)
    with running(limits) as site, site.connect() as client:
        raw = chunked_request(bytes(20), path=API)[:-10] if is_chunked else request(bytes(5), length=30, path=API)
        reply = client.send(raw).read()
        assert (reply.status, reply.code) == (408, "request_timeout")
        assert client.is_closed_by_server()
        wait_until(lambda: site.application.events == ["disconnect"])


def test_a_body_that_waits_for_the_application_is_not_late() -> None:
    limits = FrontLimits(body_timeout_s=0.4, body_window_s=0.2)
    with running(limits) as site, site.connect() as client:
        client.send(request(b"", length=300_000, path=API + b"?gate"), bytes(200_000))
        wait_until(lambda: site.application.scopes)
        assert client.hears_nothing(for_s=1.0)
        site.application.gate.set()
        assert client.send(bytes(100_000)).read().json["size"] == 300_000


@pytest.mark.parametrize("path", [API, b"/v1/messages"])
@pytest.mark.parametrize(
    "cut", [b"5\nabcde\r\n0\r\n\r\n", b"5\r\nabcdeX\r\n0\r\n\r\n", b"-1\r\n", b"0x5\r\nabcde\r\n", b"5 \r\nabcde\r\n", b"\r\n"]
)
def test_malformed_chunks_are_400(site: Site, path: bytes, cut: bytes) -> None:
    raw = chunked_request(path=path).removesuffix(b"0\r\n\r\n") + cut
    with site.connect() as client:
        reply = client.send(raw).read()
        assert (reply.status, reply.headers["connection"]) == (400, "close")


def test_a_pipeline_of_refusals_and_messages_of_the_application_keeps_its_order(site: Site) -> None:
    with site.connect() as client:
        client.send(b"".join([request(b"x", key=UNKNOWN), get(), request(b"", key=UNKNOWN), get()] * 20))
        for _ in range(20):
            assert client.read().status == 401
            assert json.loads(client.read(b"GET").body)["method"] == "GET"
            assert client.read().status == 401
            assert client.read(b"GET").status == 200
