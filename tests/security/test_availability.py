"""Section O of the attack cases, connections: clients that are slow, silent, greedy or many, and everybody else who is served."""

import contextlib
import resource
import socket
import struct
import threading
import time
from collections.abc import Iterator

import pytest
from tests.security.conftest import CHAT, MESSAGES, Exposed
from tests.security.test_authorization_header import resident_bytes
from tests.security.test_json_bombs import others_are_served

from anyrouter.core.keys import generate
from support.raw_client import RawClient, chunked, raw_request
from support.upstream import chat_events, stream_answer

IDLE = 2_000
EACH_BYTES = 8_192


@pytest.fixture(autouse=True)
def _many_files() -> Iterator[None]:
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = IDLE + 500
    if hard != resource.RLIM_INFINITY and hard < wanted:
        pytest.skip(f"the system allows {hard} open files only")
    resource.setrlimit(resource.RLIMIT_NOFILE, (max(soft, wanted), hard))
    yield
    resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))


@contextlib.contextmanager
def crowd(exposed: Exposed, count: int) -> Iterator[list[RawClient]]:
    with contextlib.ExitStack() as stack:
        yield [stack.enter_context(exposed.connect()) for _ in range(count)]


def trickle(clients: list[RawClient], texts: list[bytes], *, for_s: float, every_s: float = 0.1) -> None:
    """Send each client's text a byte at a time, as long as anybody listens."""
    end_s, at = time.monotonic() + for_s, 0
    while time.monotonic() < end_s:
        for client, text in zip(clients, texts, strict=True):
            with contextlib.suppress(OSError):
                client.send(text[at : at + 1])
        at += 1
        time.sleep(every_s)


def test_heads_that_trickle_end_in_time_and_others_are_served(impatient: Exposed) -> None:
    """The gateway gives a head one second."""
    heads = [raw_request(b"POST", path, b"X: " + b"x" * 5_000, key=impatient.live_key) for path in (b"/v1/messages", b"/v1/models")]
    with crowd(impatient, 150) as clients:
        with others_are_served(impatient):
            trickle(clients, heads * (len(clients) // 2), for_s=1.5)
        for client in clients:
            reply = client.read()
            assert (reply.status, reply.code, reply.headers["connection"]) == (408, "request_timeout", "close")
    assert impatient.upstream.received == []


def test_bodies_that_trickle_end_in_time_and_others_are_served(impatient: Exposed) -> None:
    """The gateway gives a body a second and a half. Whoever has no key does not get to send one."""
    kinds = [
        ([b"Content-Length: 5000"], b"x" * 100),
        ([b"Transfer-Encoding: chunked"], b"1\r\nx\r\n" * 100),
        ([b"Content-Length: 5000", b"Expect: 100-continue"], b"x" * 100),
    ]
    with crowd(impatient, 150) as clients:
        for number, client in enumerate(clients):
            client.send(raw_request(b"POST", b"/v1/messages", *kinds[number % 3][0], key=impatient.live_key))
        with others_are_served(impatient):
            trickle(clients, [kinds[number % 3][1] for number in range(len(clients))], for_s=2)
        for client in clients:
            reply = client.read()
            assert (reply.status, reply.code, reply.headers["connection"]) == (408, "request_timeout", "close")
    assert impatient.upstream.received == []


def test_heads_that_stop_in_the_middle_end_in_time(impatient: Exposed) -> None:
    with crowd(impatient, 20) as clients:
        for number, client in enumerate(clients):
            client.send(raw_request(b"GET", b"/v1/models", b"X: y")[: 10 + number])
        assert {client.read(b"GET").status for client in clients} == {408}


def test_two_thousand_idle_connections_cost_little_and_others_are_served(exposed: Exposed) -> None:
    assert exposed.chat().status == 200
    before = resident_bytes(exposed.gateway.pid)
    with crowd(exposed, IDLE) as clients:
        with others_are_served(exposed):
            for number, client in enumerate(clients):
                if number % 2:
                    client.send(raw_request(b"POST", b"/v1/messages", key="nothing", body=MESSAGES))
            for number, client in enumerate(clients):
                if number % 2:
                    assert client.read().status == 401
            time.sleep(0.3)
        assert exposed.chat().status == 200
        assert resident_bytes(exposed.gateway.pid) - before < IDLE * EACH_BYTES
        for client in clients[:: IDLE // 50]:
            assert client.send(raw_request(b"GET", b"/livez")).read(b"GET").status == 200


def test_a_body_without_end_is_413_at_the_limit(impatient: Exposed) -> None:
    """One mebibyte here. What is refused is not kept."""
    before = resident_bytes(impatient.gateway.pid)
    chunk = b"10000\r\n" + bytes(0x10000) + b"\r\n"
    with others_are_served(impatient):
        for path in (b"/v1/chat/completions", b"/v1/messages", b"/v1/models"):
            with impatient.connect() as client:
                client.send(raw_request(b"POST", path, b"Transfer-Encoding: chunked", key=impatient.live_key))
                sent = 0
                with contextlib.suppress(OSError):
                    while sent < 64 << 20:
                        client.send(chunk)
                        sent += len(chunk)
                assert sent < 64 << 20, "it takes everything"
        for length in (b"1048577", b"999999999999999"):
            reply = impatient.ask(raw_request(b"POST", b"/v1/chat/completions", b"Content-Length: " + length, key=impatient.live_key))
            assert (reply.status, reply.code) == (413, "body_too_large")
    assert resident_bytes(impatient.gateway.pid) - before < 32 << 20
    assert impatient.upstream.received == []


def test_bodies_that_are_only_announced_take_no_memory(exposed: Exposed) -> None:
    assert exposed.chat().status == 200
    before = resident_bytes(exposed.gateway.pid)
    head = raw_request(b"POST", b"/v1/chat/completions", b"Content-Length: 33000000", key=exposed.live_key)
    with crowd(exposed, 500) as clients, others_are_served(exposed):
        for client in clients:
            client.send(head)
        time.sleep(0.3)
        assert exposed.chat().status == 200
        assert resident_bytes(exposed.gateway.pid) - before < 500 * EACH_BYTES * 4


def test_a_body_of_tiny_chunks_buys_nothing(impatient: Exposed) -> None:
    tiny = chunked(*[b"x"] * 180_000)
    with impatient.connect() as client:
        reply = client.send(raw_request(b"POST", b"/v1/messages", b"Transfer-Encoding: chunked", key=impatient.live_key) + tiny).read()
        assert (reply.status, reply.code) == (413, "body_too_large")


@pytest.mark.parametrize("path", [b"/v1/chat/completions", b"/v1/models", b"/nowhere"])
def test_a_flood_of_headers_is_431(exposed: Exposed, impatient: Exposed, path: bytes) -> None:
    floods = [
        [b"X-%d: 1" % number for number in range(101)],
        [b"X: 1"] * 101,
        [b"Cookie: a"] * 5_000,
        [b"X-%d:" % number for number in range(8_000)],
        [b"X: " + b"y" * 60_000, b"Z: " + b"y" * 6_000],
        [b"X" * 70_000 + b": 1"],
    ]
    for flood in floods:
        for gateway in (exposed, impatient):
            reply = gateway.ask(raw_request(b"POST", path, *flood, key=gateway.live_key, body=CHAT))
            assert (reply.status, reply.code) == (431, "headers_too_large")
    assert exposed.ask(raw_request(b"POST", b"/" + b"x" * 70_000, key=exposed.live_key)).status in {414, 431}
    assert impatient.chat(*[b"X-%d: 1" % number for number in range(50)]).status == 431
    assert impatient.chat(*[b"X-%d: 1" % number for number in range(40)]).status == 200


def test_readers_that_do_not_read_hold_up_nobody_and_no_memory(exposed: Exposed) -> None:
    words = "MARKER" * 20
    exposed.upstream.handle = lambda _: stream_answer(*chat_events(" ".join([words] * 8_000)))
    before = resident_bytes(exposed.gateway.pid)
    request = raw_request(b"POST", b"/v1/chat/completions", key=exposed.live_key, body=b'{"stream":true,' + CHAT[1:])
    with contextlib.ExitStack() as stack:
        readers = [stack.enter_context(exposed.connect(receive_buffer=4_096)) for _ in range(20)]
        with others_are_served(exposed):
            for reader in readers:
                reader.send(request)
            time.sleep(1.0)
        assert resident_bytes(exposed.gateway.pid) - before < 20 * (2 << 20)
        assert readers[0].socket.recv(15) == b"HTTP/1.1 200 OK"


def test_clients_that_come_and_go_leave_nothing(exposed: Exposed) -> None:
    """Connections that are reset at every stage; their requests are not counted as running afterwards."""
    cut = raw_request(b"POST", b"/v1/messages", key=exposed.live_key, body=MESSAGES)[:-9]
    raws = [b"", b"G", cut, raw_request(b"GET", b"/v1/models", key=exposed.live_key)]
    with others_are_served(exposed):
        for number in range(400):
            client = exposed.connect()
            client.send(raws[number % len(raws)])
            client.socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            client.socket.close()
    end_s = time.monotonic() + 5
    while b"anyrouter_running_requests 0.0" not in exposed.ask(raw_request(b"GET", b"/metrics")).body:
        assert time.monotonic() < end_s
        time.sleep(0.05)


def test_a_flood_of_unknown_keys_slows_nobody_down(exposed: Exposed) -> None:
    """From several connections at once: lookups are bounded, and who has a key is served meanwhile."""

    def flood() -> None:
        with exposed.connect() as client:
            for _ in range(10):
                client.send(b"".join(raw_request(b"GET", b"/v1/key", key=generate("live")) for _ in range(20)))
                assert {client.read(b"GET").status for _ in range(20)} <= {401, 429}

    threads = [threading.Thread(target=flood) for _ in range(8)]
    waits = []
    for thread in threads:
        thread.start()
    while any(thread.is_alive() for thread in threads):
        started = time.monotonic()
        assert exposed.chat().status == 200
        waits.append(time.monotonic() - started)
    assert waits
    assert max(waits) < 1.5


def test_a_pipeline_of_thousands_starves_nobody(exposed: Exposed) -> None:
    one = raw_request(b"POST", b"/v1/messages", key="nothing", body=b"{}")
    with exposed.connect() as client, others_are_served(exposed):
        sender = threading.Thread(target=client.send, args=(one * 5_000,))
        sender.start()
        assert {client.read().status for _ in range(5_000)} == {401}
        sender.join(10)
