"""Damaged requests: whatever is sent, the answer is below 500 or the connection ends, and the server serves on."""

import contextlib
import re

import h11
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from tests.integration.front.conftest import Site, chunked_request, get, request

from anyrouter.web.front.target import read_target

PIECES = [
    b"\r\n",
    b"\n",
    b"\r",
    b"\0",
    b" ",
    b":",
    b"0",
    b"Content-Length: 1\r\n",
    b"Transfer-Encoding: chunked\r\n",
    b"Host: y\r\n",
    b"\r\n\r\n",
    b"\xff",
    b"HTTP/1.1",
]
SEEDS = [
    request(b'{"model":"x"}'),
    request(b"{}", b"Expect: 100-continue", b"Connection: close", path=b"/v1/messages"),
    chunked_request(b"abc", b"de"),
    chunked_request(b"abc", path=b"/api/v1/keys"),
    request(b'{"contents":[]}', path=b"/v1beta/models/google/x:streamGenerateContent?alt=sse"),
    chunked_request(b"abc", b"de", path=b"/v1/models/google%2Fx:generateContent"),
    get(b"/v1/models?x=y#z", b"Upgrade: h2c", b"Connection: upgrade"),
]


@st.composite
def damaged(draw: st.DrawFn) -> bytes:
    raw = b"".join(draw(st.lists(st.sampled_from(SEEDS), min_size=1, max_size=3)))
    for _ in range(draw(st.integers(1, 4))):
        at = draw(st.integers(0, len(raw)))
        cut = draw(st.integers(0, 3))
        raw = raw[:at] + draw(st.sampled_from(PIECES) | st.binary(max_size=3)) + raw[at + cut :]
    return raw


@settings(max_examples=100, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(raw=damaged())
def test_a_damaged_request_is_answered_below_500_and_harms_nobody(site: Site, raw: bytes) -> None:
    received = b""
    with site.connect() as client, contextlib.suppress(ConnectionError):
        received = client.send(raw).half_close().read_all()
    assert not re.search(rb"HTTP/1\.1 5", received), received
    assert site.ask(request()).status == 200


@settings(max_examples=100, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(raw=damaged())
def test_what_is_served_is_what_another_parser_reads(site: Site, raw: bytes) -> None:
    """h11 is laxer in places and stricter in others; where both take the first message, it has the same body."""
    site.inference.bodies.clear()
    reader = h11.Connection(h11.SERVER)
    reader.receive_data(raw)
    body = b""
    try:
        head = reader.next_event()
        while isinstance(event := reader.next_event(), h11.Data):
            body += event.data
    except h11.RemoteProtocolError:
        return
    is_inference = isinstance(head, h11.Request) and head.method == b"POST" and read_target(head.target) is not None
    if not is_inference or not isinstance(event, h11.EndOfMessage):
        return
    received = b""
    with site.connect() as client, contextlib.suppress(ConnectionError):
        received = client.send(raw).half_close().read_all()
    if received.removeprefix(b"HTTP/1.1 100 Continue\r\n\r\n").startswith(b"HTTP/1.1 200"):
        assert site.inference.bodies[0] == body
