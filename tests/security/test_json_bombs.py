"""Section O of the attack cases, bodies: JSON that is cheap to send and dear to read. Everybody else is served meanwhile."""

import gzip
import threading
import time
import zlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import pytest
from tests.security.conftest import BODIES, CHAT, MESSAGES, Exposed
from tests.security.test_authorization_header import resident_bytes

from support.raw_client import raw_request
from support.upstream import Answer

PROMPT_S = 2.5  # two cores, shared with other tests
DIGITS = b"1" * 100_000
DEEP = 100_000
MODEL = b'"model":"openai/gpt-4o",'


def with_member(body: bytes, member: bytes) -> bytes:
    return b"{" + member + b"," + body[1:]


def nested(depth: int, opening: bytes = b"[", closing: bytes = b"]") -> bytes:
    return opening * depth + closing * depth


# Made for their test: every process that collects it would have the bytes of all.
BOMBS = {
    "arrays": lambda: nested(DEEP),
    "arrays without end": lambda: b"[" * 1_000_000,
    "objects": lambda: nested(DEEP, b'{"a":', b"}").replace(b":}", b":0}"),
    "arrays in a member": lambda: b"{" + MODEL + b'"messages":' + nested(DEEP) + b"}",
    "objects in a member": lambda: b"{" + MODEL + b'"messages":' + b'{"a":' * DEEP + b"0" + b"}" * DEEP + b"}",
    "arrays in a member that is read": lambda: with_member(CHAT, b'"stream":true,"stream_options":{"x":%b}' % nested(DEEP)),
    "the same name": lambda: with_member(CHAT, b",".join([b'"a":1'] * 100_000)),
    "the same name in a value": lambda: with_member(CHAT, b'"x":{%b}' % b",".join([b'"a":1'] * 100_000)),
    "a hundred thousand names": lambda: with_member(CHAT, b",".join(b'"a%d":0' % number for number in range(100_000))),
    "a million names": lambda: with_member(CHAT, b",".join(b'"%x":0' % number for number in range(1_000_000))),
    "a million names in a value": lambda: with_member(
        CHAT, b'"metadata":{%b}' % b",".join(b'"%x":0' % number for number in range(1_000_000))
    ),
    "a million spaced names": lambda: with_member(CHAT, b" , ".join(b'"%x" : 0' % number for number in range(700_000))),
    "names that collide": lambda: with_member(CHAT, b",".join(b'"%s":0' % (b"\\u0000" * number) for number in range(900))),
    "a long name": lambda: with_member(CHAT, b'"%b":0' % (b"k" * 1_000_000)),
    "escapes": lambda: with_member(CHAT, b'"x":"%b"' % (b"\\u0041" * 200_000)),
    "a million elements": lambda: with_member(CHAT, b'"stop":[%b]' % b",".join([b"0"] * 1_000_000)),
    "a million models": lambda: b'{"models":["openai/gpt-4o",%b],"messages":[]}' % b",".join([b'""'] * 1_000_000),
    "spaces": lambda: b" " * 2_000_000 + CHAT + b" " * 2_000_000,
    "a long text": lambda: with_member(CHAT, b'"x":"%b"' % (b"x" * 4_000_000)),
    "quotes": lambda: b'"' * 1_000_000,
    "backslashes": lambda: b'{"x":"' + b"\\" * 1_000_001,
    "nothing but braces": lambda: b"{" * 1_000_000,
}


@contextmanager
def others_are_served(exposed: Exposed) -> Iterator[None]:
    """While the block runs, somebody else asks without pause; none of its questions waits for long."""
    stop, begun, waits, failures = threading.Event(), threading.Event(), [], []
    questions = ((b"GET", raw_request(b"GET", b"/livez")), (b"POST", raw_request(b"POST", b"/v1/messages", body=MESSAGES)))

    def ask() -> None:
        with exposed.connect() as client:
            while not stop.is_set():
                for method, raw in questions:
                    started = time.monotonic()
                    status = client.send(raw).read(method).status
                    waits.append(time.monotonic() - started)
                    begun.set()
                    if status not in (200, 401):
                        failures.append(status)
                stop.wait(0.005)

    thread = threading.Thread(target=ask)
    thread.start()
    try:
        assert begun.wait(30)
        yield
    finally:
        stop.set()
        thread.join(30)
    assert not failures
    assert max(waits) < PROMPT_S


@pytest.mark.parametrize("make_bomb", BOMBS.values(), ids=BOMBS.keys())
def test_a_bomb_is_refused_or_passed_on_and_holds_nobody_up(exposed: Exposed, make_bomb: Callable[[], bytes]) -> None:
    bomb = make_bomb()
    before = resident_bytes(exposed.gateway.pid)
    with others_are_served(exposed):
        for key in (exposed.live_key, exposed.test_key):
            reply = exposed.chat(key=key, body=bomb)
            assert reply.status in {200, 400, 413}, reply
        for path in (b"/v1/messages", b"/v1/embeddings"):
            assert exposed.ask(raw_request(b"POST", path, key=exposed.live_key, body=bomb)).status in {200, 400, 404, 413}
    assert resident_bytes(exposed.gateway.pid) - before < 200 << 20
    assert exposed.chat().status == 200


NUMBERS = {
    "an integer": DIGITS,
    "a negative integer": b"-" + DIGITS,
    "a fraction": b"0." + DIGITS,
    "an exponent": b"1e" + DIGITS,
    "a small exponent": b"1e-" + DIGITS,
    "beyond any float": b"1e999",
    "a hundred thousand zeros": b"1" + b"0" * 100_000 + b".0",
    "minus nothing": b"-0",
}
MEMBERS = "max_tokens n temperature seed stream model messages stop stream_options usage reasoning logit_bias"


@pytest.mark.parametrize("number", NUMBERS.values(), ids=NUMBERS.keys())
def test_a_number_of_any_length_in_any_member_is_no_mistake_of_the_gateway_s(exposed: Exposed, number: bytes) -> None:
    with exposed.connect() as client:
        for member in MEMBERS.split():
            for value in (number, b'{"include_usage":%b,"effort":%b,"x":[%b]}' % (number, number, number)):
                for endpoint, body in BODIES.items():
                    for key in (exposed.live_key, exposed.test_key):
                        text = body[:-1] + b',"%b":%b}' % (member.encode(), value)
                        reply = client.send(raw_request(b"POST", b"/v1/" + endpoint.encode(), key=key, body=text)).read()
                        assert reply.status in {200, 400, 404, 413}, (member, endpoint, reply)
                        assert reply.status == 200 or len(reply.body) < 10_000


GROWING = {
    "vectors": (b"/v1/embeddings", b'{"model":"openai/text-embedding-3-small","input":[%b]}' % b",".join([b'"a"'] * 2_048)),
    "choices": (b"/v1/chat/completions", b'{"n":128,"max_tokens":1000000000000,' + CHAT[1:]),
    "streamed choices": (b"/v1/chat/completions", b'{"n":128,"stream":true,' + CHAT[1:]),
    "items of a schema": (
        b"/v1/chat/completions",
        b'{"response_format":{"type":"json_schema","json_schema":{"name":"x","schema":%b0%b}},'
        % (b'{"type":"array","minItems":10,"items":' * 30, b"}" * 30)
        + CHAT[1:],
    ),
}


@pytest.mark.parametrize(("path", "body"), GROWING.values(), ids=GROWING.keys())
def test_a_small_request_for_much_of_the_sandbox_holds_nobody_up(exposed: Exposed, path: bytes, body: bytes) -> None:
    before = resident_bytes(exposed.gateway.pid)
    with others_are_served(exposed):
        assert exposed.ask(raw_request(b"POST", path, key=exposed.test_key, body=body)).status in {200, 400, 502}
    assert resident_bytes(exposed.gateway.pid) - before < 250 << 20


def test_a_compressed_bomb_is_not_unpacked(exposed: Exposed) -> None:
    packer = zlib.compressobj(9, zlib.DEFLATED, 31)
    bomb = packer.compress(bytes(50_000_000)) + packer.flush()
    for coding in (b"gzip", b"deflate", b"x-gzip", b"GZIP", b"br", b"zstd", b"identity, gzip"):
        for path in (b"/v1/chat/completions", b"/v1/messages"):
            reply = exposed.ask(raw_request(b"POST", path, b"Content-Encoding: " + coding, key=exposed.live_key, body=bomb))
            assert (reply.status, reply.code) == (415, "unsupported_media_type")


def test_a_compressed_bomb_from_the_provider_is_not_unpacked(exposed: Exposed) -> None:
    bomb = gzip.compress(bytes(200_000_000), 9)
    headers = {"content-type": "application/json", "content-encoding": "gzip"}
    exposed.upstream.handle = lambda _: Answer(headers=headers, body=bomb)
    before = resident_bytes(exposed.gateway.pid)
    with others_are_served(exposed):
        assert exposed.chat().status == 502
    assert resident_bytes(exposed.gateway.pid) - before < 150 << 20
