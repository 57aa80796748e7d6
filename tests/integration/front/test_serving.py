"""Inference requests, from the first byte to the last of the reply."""

import hashlib
import http.client
import json
import re
import socket

import h11
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from structlog.testing import capture_logs
from tests.integration.front.conftest import LATE, LATE_DENIED, UNKNOWN, Site, chunked_request, get, request, wait_until

PATHS = ["chat/completions", "completions", "embeddings", "messages", "messages/count_tokens"]


@pytest.mark.parametrize("endpoint", PATHS)
@pytest.mark.parametrize("form", ["/api/v1/{}", "/v1/{}", "/v1/{}/", "/v1/{}?api_key=MARKER&a=/b", "http://example.com/api/v1/{}?x=1"])
def test_an_inference_post_reaches_the_relay_under_every_form_of_its_path(site: Site, endpoint: str, form: str) -> None:
    reply = site.ask(request(b'{"a":1}', path=form.format(endpoint).encode()))
    assert reply.status == 200
    assert reply.json == {"endpoint": endpoint, "size": 7, "client": "127.0.0.1"}
    assert site.application.scopes == []


def test_a_percent_encoded_path_is_the_same_path(site: Site) -> None:
    assert site.ask(request(path=b"/api/v1/chat%2fcomple%74ions")).json["endpoint"] == "chat/completions"


@pytest.mark.parametrize(
    "path", [b"/api/v1/chat/completions/x", b"//api/v1/chat/completions", b"/API/v1/chat/completions", b"/v2/messages"]
)
def test_a_path_that_is_nearly_an_inference_path_is_the_applications(site: Site, path: bytes) -> None:
    assert site.ask(request(path=path)).json["path"] == path.decode()
    assert site.inference.heads == []


def test_the_relay_gets_lower_case_names_joined_repetitions_and_trimmed_values(site: Site) -> None:
    site.ask(request(b"{}", b"X-One: 1", b"x-ONE:2  ", b"X-Two:\t two \t", b"X-Empty:"))
    (head,) = site.inference.heads
    assert head.headers[b"x-one"] == b"1, 2"
    assert head.headers[b"x-two"] == b"two"
    assert head.headers[b"x-empty"] == b""
    assert head.headers[b"host"] == b"localhost"
    assert head.repeated == {b"x-one"}
    assert re.fullmatch(r"req-[0-9a-f]{32}", head.request_id)


def test_request_ids_differ(site: Site) -> None:
    with site.connect() as client:
        seen = {client.send(request()).read().headers["x-request-id"] for _ in range(200)}
    assert len(seen) == 200


def test_a_reply_is_framed_dated_and_does_not_name_a_server(site: Site) -> None:
    reply = site.ask(request())
    assert set(reply.headers) == {"x-request-id", "date", "content-length"}
    assert re.fullmatch(r"\w{3}, \d\d \w{3} \d{4} \d\d:\d\d:\d\d GMT", reply.headers["date"])


@pytest.mark.parametrize("size", [0, 1, 27_000, 181_000, 262_144, 5_000_000])
@pytest.mark.parametrize("is_chunked", [False, True])
def test_a_body_of_any_size_arrives_as_it_was_sent(site: Site, size: int, is_chunked: bool) -> None:
    body = hashlib.shake_256(b"seed").digest(size)
    raw = chunked_request(*(body[at : at + 10_000] for at in range(0, size, 10_000))) if is_chunked else request(body)
    assert site.ask(raw).json["size"] == size
    assert site.inference.bodies == [body]


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.data())
def test_no_cut_of_the_bytes_changes_what_is_served(site: Site, data: st.DataObject) -> None:
    bodies = data.draw(st.lists(st.binary(max_size=300), min_size=1, max_size=4))
    raw = b""
    for body in bodies:
        if data.draw(st.booleans()):
            step = data.draw(st.integers(1, 100))
            raw += chunked_request(*(body[at : at + step] for at in range(0, len(body), step)))
        else:
            raw += request(body)
    cuts = sorted(data.draw(st.sets(st.integers(1, len(raw) - 1), max_size=8)))
    site.inference.bodies.clear()
    with site.connect() as client:
        client.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        for start, end in zip([0, *cuts], [*cuts, len(raw)], strict=True):
            client.send(raw[start:end])
        assert [client.read().json["size"] for _ in bodies] == [len(body) for body in bodies]
    assert site.inference.bodies == bodies


def test_blank_lines_before_a_request_are_ignored(site: Site) -> None:
    with site.connect() as client:
        assert client.send(b"\r\n\r\n", request()).read().status == 200
        assert client.send(b"\r\n" + request()).read().status == 200


def test_connections_are_kept_unless_the_client_wants_it_otherwise(site: Site) -> None:
    with site.connect() as client:
        for _ in range(3):
            assert "connection" not in client.send(request()).read().headers
        reply = client.send(request(b"{}", b"Connection: Close")).read()
        assert reply.headers["connection"] == "close"
        assert client.is_closed_by_server()


def test_http_1_0_gets_a_reply_and_then_the_end(site: Site) -> None:
    with site.connect() as client:
        reply = client.send(request(version=b"1.0")).read()
        assert (reply.status, reply.headers["connection"]) == (200, "close")
        assert client.is_closed_by_server()


def test_http_1_0_is_kept_alive_when_it_asks(site: Site) -> None:
    with site.connect() as client:
        for _ in range(2):
            assert client.send(request(b"{}", b"Connection: keep-alive", version=b"1.0")).read().headers["connection"] == "keep-alive"


def test_http_1_0_needs_no_host(site: Site) -> None:
    with site.connect() as client:
        reply = client.send(b"POST /v1/messages HTTP/1.0\r\nAuthorization: Bearer allowed\r\n\r\n").read()
        assert reply.json == {"endpoint": "messages", "size": 0, "client": "127.0.0.1"}


def test_a_stream_is_chunked_and_an_empty_write_does_not_end_it(site: Site) -> None:
    reply = site.ask(request(do=b"stream"))
    assert reply.headers["transfer-encoding"] == "chunked"
    assert "content-length" not in reply.headers
    assert reply.body == b"data: 0\n\ndata: 1\n\ndata: 2\n\n"


def test_each_write_of_a_stream_is_sent_at_once(site: Site) -> None:
    with site.connect() as client:
        client.send(request(do=b"stream-at-gate"))
        head = b""
        while b"first" not in head:
            head += client.socket.recv(1000)
        assert b"last" not in head
        site.inference.open_gate()
        assert b"last" in client.socket.recv(1000)


def test_a_stream_to_http_1_0_ends_with_the_connection(site: Site) -> None:
    with site.connect() as client:
        raw = client.send(request(b"{}", b"Connection: keep-alive", version=b"1.0", do=b"stream")).read_all()
    head, _, body = raw.partition(b"\r\n\r\n")
    assert b"chunked" not in head
    assert b"Connection: close" in head
    assert body == b"data: 0\n\ndata: 1\n\ndata: 2\n\n"


def test_a_large_reply_in_parts_arrives_whole(site: Site) -> None:
    with site.connect() as client:
        assert client.send(request(do=b"parts")).read().body == b"a" * 300_000 + b"b" * 300_000 + b"c"
        assert client.send(request()).read().status == 200


def test_only_the_first_reply_counts(site: Site) -> None:
    with site.connect() as client:
        assert client.send(request(do=b"reply-twice")).read().body == b"once"
        assert client.send(request()).read().status == 200


def test_the_next_request_is_served_while_the_last_one_is_still_being_settled(site: Site) -> None:
    with site.connect() as client:
        assert client.send(request(do=b"work-on")).read().body == b"early"
        assert client.send(request()).read().status == 200
        assert site.inference.events == []
        site.inference.open_gate()
        wait_until(lambda: site.inference.events == ["settled"])


@pytest.mark.parametrize("do", [b"raise", b"nothing", b"fail-authorize", b"fail-refuse"])
def test_a_failing_relay_is_a_500_that_tells_nothing_and_the_connection_lives(site: Site, do: bytes) -> None:
    key = UNKNOWN if do == b"fail-refuse" else b"Bearer allowed"
    with site.connect() as client:
        reply = client.send(request(do=do, key=key)).read()
        assert (reply.status, reply.code) == (500, "internal_error")
        assert re.fullmatch(r"req-[0-9a-f]{32}", reply.headers["x-request-id"])
        assert b"MARKER" not in reply.body
        assert client.send(request()).read().status == 200


def test_a_failing_lookup_is_a_500(site: Site) -> None:
    assert site.ask(request(do=b"fail-find", key=LATE)).code == "internal_error"


@pytest.mark.parametrize("do", [b"raise-midway", b"abort"])
def test_a_reply_that_cannot_be_completed_is_seen_as_broken(site: Site, do: bytes) -> None:
    with site.connect() as client, pytest.raises(h11.RemoteProtocolError):
        client.send(request(do=do)).read()


def test_a_reply_that_cannot_be_completed_is_seen_as_broken_over_http_1_0_too(site: Site) -> None:
    with site.connect() as client, pytest.raises(ConnectionResetError):
        client.send(request(do=b"abort", version=b"1.0")).read_all()


# The verdict on the head.


def test_a_refused_request_costs_its_small_body_and_not_the_connection(site: Site) -> None:
    with site.connect() as client:
        reply = client.send(request(b"x" * 50_000, key=UNKNOWN)).read()
        assert (reply.status, reply.code) == (401, "invalid_api_key")
        assert "connection" not in reply.headers
        assert client.send(request()).read().status == 200
    assert site.inference.bodies == [b"{}"]


def test_a_refusal_does_not_wait_for_the_body(site: Site) -> None:
    with site.connect() as client:
        reply = client.send(request(b"", length=60_000, key=UNKNOWN)).read()
        assert reply.status == 401
        client.send(b"x" * 60_000, request())
        assert client.read().status == 200


@pytest.mark.parametrize("sender", ["length", "chunked"])
def test_a_refusal_reaches_a_client_that_sends_ten_megabytes_before_it_reads(site: Site, sender: str) -> None:
    connection = http.client.HTTPConnection("127.0.0.1", site.port, timeout=10)
    body = bytes(10_000_000)
    try:
        connection.request(
            "POST",
            "/v1/chat/completions",
            body=iter([body]) if sender == "chunked" else body,
            headers={"Authorization": UNKNOWN.decode()},
            encode_chunked=sender == "chunked",
        )
        reply = connection.getresponse()
        assert (reply.status, reply.headers["Connection"]) == (401, "close")
        assert json.loads(reply.read())["code"] == "invalid_api_key"
    finally:
        connection.close()
    assert site.inference.bodies == []


def test_a_refusal_says_that_the_connection_ends_when_the_body_is_not_small(site: Site) -> None:
    with site.connect() as client:
        assert client.send(request(b"", length=70_000, key=UNKNOWN)).read().headers["connection"] == "close"
        client.send(b"x" * 70_000)
        assert client.is_closed_by_server()


@pytest.mark.parametrize("is_late", [False, True])
def test_continue_is_sent_to_the_allowed_alone(site: Site, is_late: bool) -> None:
    site.inference.open_gate()
    with site.connect() as client:
        client.send(request(b"", b"Expect: 100-Continue", length=5, key=LATE if is_late else b"Bearer allowed"))
        assert client.socket.recv(100) == b"HTTP/1.1 100 Continue\r\n\r\n"
        assert client.send(b"12345").read().json["size"] == 5
    with site.connect() as client:
        reply = client.send(request(b"", b"Expect: 100-continue", length=5, key=LATE_DENIED if is_late else UNKNOWN)).read()
        assert (reply.status, reply.interim, reply.headers["connection"]) == (401, (), "close")


def test_continue_is_not_sent_when_the_body_has_come_or_to_http_1_0(site: Site) -> None:
    with site.connect() as client:
        assert client.send(request(b"{}", b"Expect: 100-continue")).read().interim == ()
        client.send(request(b"", b"Expect: 100-continue", length=2, version=b"1.0"))
        assert client.send(b"{}").read().interim == ()


def test_a_key_is_looked_up_while_the_body_waits_in_the_socket(site: Site) -> None:
    body = bytes(20_000_000)
    with site.connect() as client:
        raw = request(body, key=LATE)
        client.send(raw[:1000])
        wait_until(lambda: site.inference.heads)
        sent = 1000 + client.fill(raw[1000:])
        assert sent < len(raw), "the front read a body that nobody has allowed"
        site.inference.open_gate()
        client.send(raw[sent:])
        assert client.read().json["size"] == 20_000_000


@pytest.mark.parametrize("key", [LATE, LATE_DENIED])
@pytest.mark.parametrize("is_chunked", [False, True])
def test_what_follows_a_request_whose_key_is_looked_up_keeps_its_turn(site: Site, key: bytes, is_chunked: bool) -> None:
    with site.connect() as client:
        first = chunked_request(b"abc", key=key) if is_chunked and key == LATE else request(b"abc", key=key)
        client.send(first + request(b"12") + get())
        wait_until(lambda: site.inference.heads)
        site.inference.open_gate()
        assert client.read().status == (200 if key == LATE else 401)
        assert client.read().json["size"] == 2
        assert client.read(b"GET").json["path"] == "/api/v1/models"


def test_a_client_that_leaves_during_the_lookup_does_no_harm(site: Site) -> None:
    with site.connect() as client:
        client.send(request(b"", key=LATE, length=100))
        wait_until(lambda: site.inference.heads)
        client.socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")
    site.inference.open_gate()
    assert site.ask(request()).status == 200


# What a body may be.


@pytest.mark.parametrize("media", [b"application/json", b"Application/JSON; charset=utf-8", b"application/vnd.api+json", b""])
def test_json_is_taken_under_its_names(site: Site, media: bytes) -> None:
    raw = request().replace(b"Content-Type: application/json", b"Content-Type: " + media)
    assert site.ask(raw).status == 200


def test_a_body_without_content_type_is_taken_as_json(site: Site) -> None:
    assert site.ask(request().replace(b"Content-Type: application/json\r\n", b"")).status == 200


@pytest.mark.parametrize(
    "media", [b"text/plain", b"multipart/form-data; boundary=x", b"application/jsonp", b"text/html+json", b"application/json, text/plain"]
)
def test_other_media_are_415(site: Site, media: bytes) -> None:
    with site.connect() as client:
        reply = client.send(request().replace(b"application/json", media)).read()
        assert (reply.status, reply.code) == (415, "unsupported_media_type")
        assert client.send(request()).read().status == 200


def test_what_curl_sends_by_default_is_explained(site: Site) -> None:
    raw = request(path=b"/v1/messages").replace(b"application/json", b"application/x-www-form-urlencoded")
    reply = site.ask(raw)
    assert "curl -d" in reply.json["message"]
    assert reply.json["endpoint"] == "messages"


def test_a_compressed_body_is_415_and_identity_is_none(site: Site) -> None:
    assert site.ask(request(b"{}", b"Content-Encoding: gzip")).code == "unsupported_media_type"
    assert site.ask(request(b"{}", b"Content-Encoding: Identity")).status == 200


def test_a_key_is_judged_before_the_body_is(site: Site) -> None:
    assert site.ask(request(b"", b"Content-Encoding: gzip", length=10**12, key=UNKNOWN)).status == 401


def test_what_fails_is_logged_by_kind_and_place_and_not_by_its_text(site: Site) -> None:
    with capture_logs() as logs:
        reply = site.ask(request(do=b"raise"))
        site.ask(request(do=b"fail-find", key=LATE))
    assert [(entry["event"], entry["error"]) for entry in logs] == [
        ("inference failed", "RuntimeError"),
        ("key lookup failed", "RuntimeError"),
    ]
    assert logs[0]["request_id"] == reply.headers["x-request-id"]
    assert any("do_raise" in frame for frame in logs[0]["where"])
    assert "MARKER" not in str(logs)
