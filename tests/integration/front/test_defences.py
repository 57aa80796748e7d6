"""What the front bears: slow, greedy, absent and malicious clients."""

import contextlib
import re
import socket
import threading
import time

import pytest
from tests.integration.front.conftest import LATE, UNKNOWN, Client, Site, chunked_request, get, request, running, wait_until

from anyrouter.web.front.limits import FrontLimits


def _reset_on_close(client: Client) -> None:
    client.socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")


# Slow clients.


def test_a_head_that_trickles_is_408_whatever_comes_of_it() -> None:
    with running(FrontLimits(head_timeout_s=0.4)) as site, site.connect() as client:
        started = time.monotonic()
        client.socket.settimeout(0.05)
        received = b""
        for byte in get(b"/health", b"X: " + b"x" * 500):
            try:
                client.send(bytes([byte]))
                received = client.socket.recv(4096)
                break
            except TimeoutError:
                continue
        assert 0.3 < time.monotonic() - started < 5
        assert received.startswith(b"HTTP/1.1 408 ")
        assert b'"request_timeout"' in received
        client.socket.settimeout(10)
        assert client.is_closed_by_server()


def test_blank_lines_do_not_keep_a_connection_open() -> None:
    with running(FrontLimits(keep_alive_s=0.4, head_timeout_s=0.4)) as site, site.connect() as client:
        started = time.monotonic()
        client.socket.settimeout(0.05)
        while time.monotonic() - started < 5:
            client.send(b"\r\n")
            try:
                assert client.socket.recv(1000) == b""
                break
            except TimeoutError:
                continue
        assert time.monotonic() - started < 3


@pytest.mark.parametrize("is_chunked", [False, True])
def test_a_body_that_trickles_is_408_in_the_endpoints_dialect(is_chunked: bool) -> None:
    with running(FrontLimits(body_window_s=0.3, body_bytes_per_s=100)) as site, site.connect() as client:
        client.send(chunked_request(b"abc", path=b"/v1/messages")[:-3] if is_chunked else request(b"abc", length=300, path=b"/v1/messages"))
        reply = client.read()
        assert (reply.status, reply.code, reply.headers["connection"]) == (408, "request_timeout", "close")
        assert reply.json["endpoint"] == "messages"
        assert client.is_closed_by_server()
    assert site.inference.bodies == []


def test_a_body_that_comes_fast_enough_may_take_its_time_and_no_more_than_that() -> None:
    with running(FrontLimits(body_timeout_s=1.5, body_window_s=0.5, body_bytes_per_s=40)) as site:
        for size, status in ((400, 200), (10_000, 408)):
            with site.connect() as client:
                client.socket.settimeout(0.04)
                client.send(request(b"", length=size))
                started = time.monotonic()
                for _ in range(size // 20):
                    client.send(bytes(20))
                    try:
                        client.trailing = client.socket.recv(4096)
                        break
                    except TimeoutError:
                        continue
                client.socket.settimeout(10)
                assert client.read().status == status
                assert time.monotonic() - started < 4


def test_an_idle_connection_is_closed_without_a_word() -> None:
    with running(FrontLimits(keep_alive_s=0.3)) as site:
        with site.connect() as client:
            assert client.is_closed_by_server()
        with site.connect() as client:
            client.send(request(), get())
            assert (client.read().status, client.read(b"GET").status) == (200, 200)
            assert client.is_closed_by_server()


def test_a_running_request_has_no_deadline_of_the_fronts() -> None:
    limits = FrontLimits(keep_alive_s=0.1, head_timeout_s=0.1, body_timeout_s=0.1, body_window_s=0.1, write_timeout_s=0.1)
    with running(limits) as site, site.connect() as first, site.connect() as second:
        first.send(request(do=b"wait"))
        second.send(get(b"/health?gate"))
        wait_until(lambda: site.inference.events and site.application.events)
        assert first.hears_nothing(for_s=0.6)
        site.inference.open_gate()
        site.application.gate.set()
        assert (first.read().status, second.read(b"GET").status) == (200, 200)


@pytest.mark.parametrize("raw", [request(b"{}", b"X-Chunks: 1000", do=b"pour"), get(b"/health?pour")], ids=["inference", "application"])
def test_a_client_that_takes_nothing_of_its_reply_is_cut_off(raw: bytes) -> None:
    with running(FrontLimits(write_timeout_s=0.4)) as site, site.connect(receive_buffer=4096) as client:
        client.send(raw)
        wait_until(lambda: site.inference.heads or site.application.scopes)
        wait_until(lambda: not site.server.server_state.connections)
        with pytest.raises(ConnectionResetError):
            client.read()


def test_a_client_that_takes_its_reply_slowly_is_not_cut_off() -> None:
    with running(FrontLimits(write_timeout_s=0.6)) as site, site.connect(receive_buffer=4096) as client:
        client.send(request(bytes(6_000_000), do=b"return"))
        received, started = bytearray(), time.monotonic()
        while time.monotonic() - started < 1.5:
            received += client.socket.recv(20_000)
            client.socket.settimeout(10)
            threading.Event().wait(0.02)
        client.trailing = bytes(received)
        assert len(client.read().body) == 6_000_000


def test_a_client_that_never_takes_the_end_of_its_reply_is_cut_off_too() -> None:
    with running(FrontLimits(write_timeout_s=0.4)) as site, site.connect(receive_buffer=4096) as client:
        client.send(request(bytes(20_000_000), b"Connection: close", do=b"return"))
        wait_until(lambda: site.inference.bodies)
        wait_until(lambda: not site.server.server_state.connections)


def test_the_relay_hears_when_the_client_is_slow_and_when_it_takes_bytes_again(site: Site) -> None:
    with site.connect(receive_buffer=4096) as client:
        client.send(request(b"{}", b"X-Chunks: 100", do=b"pour"))
        wait_until(lambda: "paused" in site.inference.events)
        assert len(client.read().body) == 10_000_000
    assert "resumed" in site.inference.events
    assert "closed" not in site.inference.events


# Clients that leave.


def test_the_relay_hears_once_that_the_client_has_left(site: Site) -> None:
    with site.connect() as client:
        client.send(request(do=b"wait"))
        wait_until(lambda: site.inference.events == ["waiting"])
        _reset_on_close(client)
    wait_until(lambda: site.inference.events == ["waiting", "closed"])
    (task,) = site.inference.tasks
    assert task is not None
    assert not task.done(), "the relay decides what becomes of its work"
    site.inference.open_gate()
    wait_until(task.done)
    assert site.inference.events == ["waiting", "closed"]
    assert not task.cancelled()


def test_the_relay_hears_that_a_client_has_closed_in_the_middle_of_a_stream(site: Site) -> None:
    with site.connect() as client:
        client.send(request(do=b"stream-until-closed"))
        client.socket.recv(1000)
    wait_until(lambda: site.inference.events == ["closed"])


def test_the_relay_hears_that_a_client_has_closed_while_it_waited_for_the_reply() -> None:
    with running(FrontLimits(presence_s=0.1)) as site:
        with site.connect() as client:
            client.send(request(do=b"wait"))
            wait_until(lambda: site.inference.events == ["waiting"])
        wait_until(lambda: site.inference.events == ["waiting", "closed"])


def test_a_half_closed_client_gets_its_reply(site: Site) -> None:
    with site.connect() as client:
        client.send(request()).half_close()
        assert client.read().status == 200
        assert client.is_closed_by_server()


@pytest.mark.parametrize("do", [b"wait", b"stream-at-gate"])
def test_a_half_closed_client_that_waits_is_asked_whether_it_is_there_and_gets_its_reply(do: bytes) -> None:
    with running(FrontLimits(presence_s=0.1)) as site, site.connect() as client:
        client.send(request(do=do)).half_close()
        wait_until(lambda: site.inference.events == ["waiting"])
        threading.Event().wait(0.6)
        site.inference.open_gate()
        reply = client.read()
        assert reply.status == 200
        assert set(reply.interim) == ({100} if do == b"wait" else set())
        assert client.is_closed_by_server()
    assert site.inference.events == ["waiting"]


def test_a_half_closed_client_gets_every_reply_of_its_pipeline(site: Site) -> None:
    with site.connect() as client:
        client.send(request(b"1") + get() + request(b"22", key=LATE) + request(b"333")).half_close()
        site.inference.open_gate()
        assert client.read().json["size"] == 1
        assert client.read(b"GET").json["method"] == "GET"
        assert client.read().json["size"] == 2
        assert client.read().json["size"] == 3
        assert client.is_closed_by_server()


@pytest.mark.parametrize("key", [b"Bearer allowed", LATE])
@pytest.mark.parametrize("is_chunked", [False, True])
def test_a_body_that_ends_early_is_a_400(site: Site, key: bytes, is_chunked: bool) -> None:
    site.inference.open_gate()
    with site.connect() as client:
        raw = chunked_request(b"abc", key=key)[:-3] if is_chunked else request(b"abc", length=10, key=key)
        client.send(raw).half_close()
        assert client.read().status == 400
        assert client.is_closed_by_server()
    assert site.inference.bodies == []


def test_a_head_that_ends_early_is_closed(site: Site) -> None:
    with site.connect() as client:
        client.send(b"POST /v1/messages HT").half_close()
        assert client.is_closed_by_server()


# Greedy clients.


@pytest.mark.parametrize("size", [65_536, 1_048_576])
@pytest.mark.parametrize("path", [b"/v1/chat/completions", b"/v1/models"])
def test_a_huge_header_is_431_and_is_not_collected(site: Site, size: int, path: bytes) -> None:
    with site.connect() as client:
        client.send(request(b"{}", b"X-Long: " + b"x" * size, path=path))
        reply = client.read()
        assert (reply.status, reply.code, reply.headers["connection"]) == (431, "headers_too_large", "close")
        assert client.is_closed_by_server()
    assert site.inference.heads == []


def test_a_head_without_end_is_431_as_soon_as_it_is_too_large(site: Site) -> None:
    with site.connect() as client:
        client.send(b"GET / HTTP/1.1\r\n", b"X: " + b"x" * 66_000)
        assert client.read(b"GET").status == 431


def test_a_head_of_just_the_allowed_size_is_served(site: Site) -> None:
    frame = len(request(b"", b"X: "))
    assert site.ask(request(b"", b"X: " + b"x" * (65_536 - frame))).status == 200
    assert site.ask(request(b"", b"X: " + b"x" * (65_537 - frame))).status == 431


@pytest.mark.parametrize("names", ["different", "same"])
def test_more_than_a_hundred_headers_are_431(site: Site, names: str) -> None:
    usual = len(request().split(b"\r\n")) - 3
    for count, status in ((100 - usual, 200), (101 - usual, 431), (5000, 431)):
        lines = [b"X-%d: 1" % (number if names == "different" else 0) for number in range(count)]
        assert site.ask(request(b"{}", *lines)).status == status


def test_a_body_that_announces_too_much_is_413_before_it_is_sent(site: Site) -> None:
    with site.connect() as client:
        reply = client.send(request(b"", length=33_554_433, path=b"/v1/messages")).read()
        assert (reply.status, reply.code, reply.json["endpoint"]) == (413, "body_too_large", "messages")
        assert reply.headers["connection"] == "close"


def test_a_chunked_body_without_end_is_413_at_the_limit() -> None:
    with running(FrontLimits(body_bytes=100_000)) as site, site.connect() as client:
        client.send(chunked_request(b"")[: -len(b"0\r\n\r\n")])
        sent = 0
        client.socket.settimeout(0.001)
        while True:
            sent += len(b"3e8\r\n" + bytes(1000) + b"\r\n")
            client.send(b"3e8\r\n" + bytes(1000) + b"\r\n")
            try:
                client.trailing = client.socket.recv(4096)
                break
            except TimeoutError:
                assert sent < 1_000_000
        client.socket.settimeout(10)
        reply = client.read()
        assert (reply.status, reply.code) == (413, "body_too_large")


def test_a_chunk_that_announces_too_much_is_413_at_once(site: Site) -> None:
    with site.connect() as client:
        client.send(chunked_request(b"")[: -len(b"0\r\n\r\n")], b"7fffffff\r\n")
        assert client.read().status == 413


def test_a_body_of_tiny_chunks_is_held_to_what_crosses_the_wire() -> None:
    with running(FrontLimits(body_bytes=5999)) as site:
        assert site.ask(chunked_request(*[b"x"] * 1000)).status == 413
        assert site.ask(chunked_request(*[b"x"] * 990)).json["size"] == 990


def test_a_refused_client_that_never_stops_sending_is_cut_off() -> None:
    with running(FrontLimits(linger_bytes=1_000_000)) as site, site.connect() as client:
        client.send(request(b"", length=10**12, key=UNKNOWN))
        assert client.fill(bytes(100_000), 5) < 50_000_000
        wait_until(lambda: not site.server.server_state.connections)


def test_a_refused_client_that_falls_silent_is_let_go() -> None:
    with running(FrontLimits(linger_s=0.2)) as site, site.connect() as client:
        client.send(request(b"", length=10**12, key=UNKNOWN))
        assert client.read().status == 401
        wait_until(lambda: not site.server.server_state.connections)


def test_a_refused_client_that_does_not_send_its_small_body_is_let_go() -> None:
    with running(FrontLimits(linger_s=0.2, body_window_s=0.2)) as site, site.connect() as client:
        client.send(request(b"", length=100, key=UNKNOWN))
        assert client.read().status == 401
        wait_until(lambda: not site.server.server_state.connections)


def test_a_pipeline_is_read_no_further_than_it_is_served(site: Site) -> None:
    with site.connect() as client:
        client.send(request(do=b"wait"))
        wait_until(lambda: site.inference.events == ["waiting"])
        raw = request(bytes(100_000))
        sent = client.fill(raw)
        (connection,) = site.server.server_state.connections
        assert len(connection.held) <= 262_144
        site.inference.open_gate()
        for _ in range(1 + sent // len(raw)):
            assert client.read().status == 200
        assert len(site.inference.bodies) == 1 + sent // len(raw)


@pytest.mark.parametrize("follower", [request(key=UNKNOWN), get(), request()], ids=["refused", "application", "served"])
def test_a_deep_pipeline_is_served_in_order_without_starving_others(site: Site, follower: bytes) -> None:
    count = 1500
    with site.connect() as client, site.connect() as other:
        sender = threading.Thread(target=client.send, args=(follower * count + request(b"last"),))
        sender.start()
        assert other.send(request()).read().status == 200
        for _ in range(count):
            client.read(follower[: follower.index(b" ")])
        assert client.read().json["size"] == 4
        sender.join()


def test_replies_that_are_not_read_hold_back_the_requests_that_follow() -> None:
    with running(FrontLimits(write_timeout_s=0.5)) as site, site.connect(receive_buffer=4096) as client:
        client.fill(request(bytes(100_000), do=b"return"), 0.1)
        served = len(site.inference.bodies)
        threading.Event().wait(0.2)
        assert len(site.inference.bodies) <= served + 1
        wait_until(lambda: not site.server.server_state.connections)


def test_connections_beyond_the_limit_get_503() -> None:
    with running(FrontLimits(max_connections=2)) as site, site.connect() as first, site.connect() as second:
        assert first.send(request()).read().status == 200
        assert second.send(request()).read().status == 200
        with site.connect() as third:
            reply = third.send(request()).read()
            assert (reply.status, reply.code, reply.headers["retry-after"]) == (503, "overloaded", "1")
            assert third.is_closed_by_server()
        wait_until(lambda: len(site.server.server_state.connections) == 2)
        first.socket.close()
        wait_until(lambda: len(site.server.server_state.connections) == 1)
        assert site.ask(request()).status == 200


def test_connections_far_beyond_the_limit_get_nothing() -> None:
    with running(FrontLimits(max_connections=1)) as site, site.connect() as first, site.connect() as second:
        assert first.send(request()).read().status == 200
        assert second.send(request()).socket.recv(12) == b"HTTP/1.1 503"
        with site.connect() as third, contextlib.suppress(ConnectionError):
            assert third.send(request()).is_closed_by_server()


# What is not HTTP, or not ours.


@pytest.mark.parametrize(
    "raw",
    [
        b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + bytes(200),
        b"\x00" * 10,
        b"{}",
        b"GET /\r\n\r\n",
        b"GET / HTTP/0.9\r\n\r\n",
        b"GET / HTTP/1.2\r\nHost: x\r\n\r\n",
        b"GET / HTTP/2.0\r\nHost: x\r\n\r\n",
        b"GET  / HTTP/1.1\r\nHost: x\r\n\r\n",
        b"GET / / HTTP/1.1\r\nHost: x\r\n\r\n",
        b"GET /\xc3\xa9 HTTP/1.1\r\nHost: x\r\n\r\n",
        b"GET relative HTTP/1.1\r\nHost: x\r\n\r\n",
        b"FETCH / HTTP/1.1\r\nHost: x\r\n\r\n",
        b"get / HTTP/1.1\r\nHost: x\r\n\r\n",
        b"DESCRIBE / RTSP/1.0\r\nHost: x\r\n\r\n",
        b"GET / HTTP/1.1\r\n\r\n",
        b"GET / HTTP/1.1\r\nHost: x\r\nHost: x\r\n\r\n",
        b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
    ],
)
def test_what_is_not_http_1_1_is_a_400_in_the_openai_envelope_and_the_end(site: Site, raw: bytes) -> None:
    with site.connect() as client:
        reply = client.send(raw).read()
        assert reply.status == 400
        assert reply.json["error"]["type"] == "invalid_request_error"
        assert reply.headers["connection"] == "close"
        assert re.fullmatch(r"req-[0-9a-f]{32}", reply.headers["x-request-id"])
        assert set(reply.headers) == {"content-type", "cache-control", "content-length", "connection", "date", "x-request-id"}
        assert "uvicorn" not in reply.json["error"]["message"].lower()
        assert client.is_closed_by_server()
    assert site.inference.heads == []
    assert site.application.scopes == []


def test_the_http_2_preface_is_told_what_to_speak(site: Site) -> None:
    assert "HTTP/1.1" in site.ask(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n").json["error"]["message"]


@pytest.mark.parametrize("line", [b"CONNECT example.com:443", b"TRACE /v1/models", b"TRACE /v1/chat/completions", b"CONNECT /v1/messages"])
def test_tunnels_and_traces_are_refused(site: Site, line: bytes) -> None:
    with site.connect() as client:
        reply = client.send(line + b" HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer allowed\r\n\r\n").read()
        assert reply.status in {400, 405}
        assert client.is_closed_by_server()
    assert site.inference.heads == []


@pytest.mark.parametrize("host", [b"x/v1/models?", b"a#", b"@", b"", b"evil.example", b"/v1/models"])
@pytest.mark.parametrize("key", [b"Bearer allowed", UNKNOWN])
def test_the_host_header_changes_no_decision(site: Site, host: bytes, key: bytes) -> None:
    raw = request(key=key).replace(b"Host: localhost", b"Host: " + host)
    assert site.ask(raw).status == (200 if key == b"Bearer allowed" else 401)
