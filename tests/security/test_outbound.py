"""Section K of the attack cases, as far as there are upstreams: what leaves, where it goes, and what comes back of it."""

import json
from collections.abc import Callable

import pytest
from tests.security.conftest import ASKED, BODIES, CREDENTIAL, Exposed
from tests.security.test_authorization_header import logged

from support.raw_client import Reply, chunked, raw_request
from support.upstream import Answer, Received, json_answer, stream_answer

TO_OPENAI = {"host", "content-type", "accept", "accept-encoding", "user-agent", "authorization", "content-length"}
TO_ANTHROPIC = TO_OPENAI - {"authorization"} | {"x-api-key", "anthropic-version"}
inference = pytest.mark.parametrize("endpoint", ASKED)

CLIENT_HEADERS = [
    b"Cookie: MARKER=1",
    b"Cookie2: MARKER",
    b"X-Goog-Api-Key: MARKER",
    b"Api-Key: MARKER",
    b"xi-api-key: MARKER",
    b"X-Forwarded-For: 203.0.113.1",
    b"X-Forwarded-Host: MARKER.example",
    b"X-Forwarded-Proto: MARKER",
    b"X-Real-IP: 203.0.113.1",
    b"Forwarded: for=MARKER",
    b"Via: 1.1 MARKER",
    b"traceparent: 00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01",
    b"tracestate: MARKER=1",
    b"baggage: MARKER=1",
    b"OpenAI-Organization: org-MARKER",
    b"OpenAI-Project: proj-MARKER",
    b"OpenAI-Beta: MARKER",
    b"HTTP-Referer: https://MARKER.example/",
    b"Referer: https://MARKER.example/",
    b"X-Title: MARKER",
    b"Origin: https://MARKER.example",
    b"User-Agent: MARKER",
    b"Accept: text/MARKER",
    b"Accept-Encoding: MARKER",
    b"Accept-Language: MARKER",
    b"If-None-Match: MARKER",
    b"Range: bytes=0-1",
    b"Proxy-Authorization: Basic MARKER",
    b"X-AnyRouter-Trace-Id: MARKER",
    b"X-AnyRouter-App: MARKER",
    b"X-Stainless-Lang: MARKER",
    b"X-Amz-Security-Token: MARKER",
    b"X-HTTP-Method-Override: DELETE",
    b"Idempotency-Key: MARKER",
    b"Prefer: MARKER",
    b"Expect: 100-continue",
    b"TE: trailers",
    b"Trailer: MARKER",
    b"Keep-Alive: timeout=MARKER",
    b"Connection: keep-alive, authorization, content-length, MARKER",
    b"Priority: u=1",
    b"Sec-Fetch-Site: same-origin",
    b"X-MARKER: MARKER",
]


@inference
def test_of_the_client_s_headers_none_leaves(exposed: Exposed, endpoint: str) -> None:
    path, is_anthropic = b"/v1/" + endpoint.encode(), endpoint.startswith("messages")
    plain = raw_request(b"POST", path, key=exposed.live_key, body=BODIES[endpoint])
    dressed = raw_request(b"POST", path, *CLIENT_HEADERS, key=exposed.live_key, body=BODIES[endpoint])
    assert exposed.ask(plain).status == exposed.ask(dressed).status == 200
    sent_plain, sent_dressed = exposed.upstream.received
    assert sent_plain == sent_dressed
    assert set(sent_plain.headers) == (TO_ANTHROPIC if is_anthropic else TO_OPENAI)
    assert sent_plain.headers["x-api-key" if is_anthropic else "authorization"] == ("" if is_anthropic else "Bearer ") + CREDENTIAL
    assert exposed.live_key not in f"{exposed.upstream.received}"


def test_of_anthropic_s_own_headers_two_pass_and_cannot_bring_others(exposed: Exposed) -> None:
    lines = (
        b"anthropic-version: 2023-01-01",
        b"anthropic-beta: one-2025",
        b"anthropic-beta: two-2025",
        b"anthropic-organization-id: MARKER",
    )
    request = raw_request(b"POST", b"/v1/messages", *lines, key=exposed.live_key, body=BODIES["messages"])
    assert exposed.ask(request).status == 200
    (received,) = exposed.upstream.received
    assert received.headers["anthropic-version"] == "2023-01-01"
    assert received.headers["anthropic-beta"] == "one-2025, two-2025"
    assert set(received.headers) == TO_ANTHROPIC | {"anthropic-beta"}
    for value in (b"a\rx-api-key: MARKER", b"a\0b", b"a\r\n x: y", b"a\nb: c"):
        reply = exposed.ask(
            raw_request(b"POST", b"/v1/messages", b"anthropic-beta: " + value, key=exposed.live_key, body=BODIES["messages"])
        )
        assert reply.status == 400
    assert len(exposed.upstream.received) == 1


@inference
@pytest.mark.parametrize("name", ["api_base", "base_url", "api_key", "extra_headers", "organization"])
def test_members_that_would_redirect_a_request_are_refused(exposed: Exposed, endpoint: str, name: str) -> None:
    escaped = "".join(f"\\u{ord(letter):04x}" for letter in name)
    for spelling in (name, escaped, name[:-1] + escaped[-6:]):
        for value in ('"http://127.0.0.1:9/MARKER"', "null", "{}", '""'):
            for body in (
                b'{"%b":%b,' % (spelling.encode(), value.encode()) + BODIES[endpoint][1:],
                BODIES[endpoint][:-1] + b',"%b":%b}' % (spelling.encode(), value.encode()),
            ):
                reply = exposed.ask(raw_request(b"POST", b"/v1/" + endpoint.encode(), key=exposed.live_key, body=body))
                assert reply.status == 400
                assert name in reply.error["message"]
                assert "MARKER" not in reply.body.decode()
    assert exposed.upstream.received == []


@inference
def test_a_path_leads_nowhere_but_to_its_endpoint(exposed: Exposed, endpoint: str) -> None:
    path = b"/v1/" + endpoint.encode()
    for target in (path + b"?x=/../..&key=MARKER", path + b"/?a#b", b"http://evil.example" + path, b"http://evil.example:1" + path + b"?a"):
        assert exposed.ask(raw_request(b"POST", target, key=exposed.live_key, body=BODIES[endpoint])).status == 200
    assert {received.path for received in exposed.upstream.received} == {path.decode()}
    assert {received.headers["host"] for received in exposed.upstream.received} == {exposed.upstream.url.removeprefix("http://")}


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
@inference
def test_a_redirect_is_not_followed(exposed: Exposed, endpoint: str, status: int) -> None:
    elsewhere = f"{exposed.upstream.url}/stolen"
    exposed.upstream.handle = lambda _: json_answer({}, status=status, location=elsewhere)
    reply = exposed.ask(raw_request(b"POST", b"/v1/" + endpoint.encode(), key=exposed.live_key, body=BODIES[endpoint]))
    assert reply.status == 502
    assert "location" not in reply.headers
    assert [received.path for received in exposed.upstream.received] == [f"/v1/{endpoint}"]


def test_of_the_provider_s_headers_none_comes_back(exposed: Exposed) -> None:
    def answer(received: Received) -> Answer:
        secret = {
            "set-cookie": "MARKER=1",
            "openai-organization": "org-MARKER",
            "x-ratelimit-remaining-tokens": "MARKER",
            "x-ratelimit-limit-requests": "7",
            "x-request-id": "MARKER",
            "server": "MARKER",
            "location": "http://MARKER.example",
            "access-control-allow-origin": "*",
            "strict-transport-security": "MARKER",
            "www-authenticate": "MARKER",
            "retry-after": "7",
            "cache-control": "public, max-age=99",
            "x-anyrouter-provider": "MARKER",
            "x-generation-id": "gen-MARKER",
        }
        usual = exposed.upstream_answer(received)
        return Answer(headers={**secret, **usual.headers}, body=usual.body)

    exposed.upstream.handle = answer
    for endpoint, body in ASKED.items():
        reply = exposed.ask(raw_request(b"POST", b"/v1/" + endpoint.encode(), key=exposed.live_key, body=body))
        assert reply.status == 200
        assert "MARKER" not in f"{reply.headers}"
        assert reply.headers["cache-control"] == "no-store"
        assert "access-control-allow-origin" not in reply.headers
        assert "retry-after" not in reply.headers


# Providers that say what they were sent.

ECHOES: dict[str, Callable[[Received], str]] = {
    "the credential": lambda _: f"Incorrect API key provided: {CREDENTIAL}. You can find it at …",
    "its header": lambda _: f"Invalid header Authorization: Bearer {CREDENTIAL}",
    "spelt by escapes": lambda _: "".join(f"\\u{ord(letter):04x}" for letter in CREDENTIAL),
    "in an address": lambda received: f"GET {received.path}?key={CREDENTIAL}&alt=json failed",
    "another one's key": lambda _: "project uses AIzaSyMARKERMARKERMARKERMARKERMARKER0123",
    "percent-encoded": lambda _: "".join(f"%{ord(letter):02X}" for letter in CREDENTIAL),
    "within JSON within JSON": lambda _: json.dumps(json.dumps({"key": CREDENTIAL})),
}


def quiet(exposed: Exposed, reply: Reply) -> None:
    """Neither the credential nor anything of it that would be enough is in the reply, the ledger, or the log."""
    seen = [reply.body.decode(), f"{reply.headers}", logged(exposed.gateway)]
    generation = exposed.ask(raw_request(b"GET", f"/v1/generation/{reply.headers['x-generation-id']}".encode(), key=exposed.live_key))
    assert generation.status == 200
    seen.append(generation.body.decode())
    for text in seen:
        for secret in (CREDENTIAL, CREDENTIAL[:20], "AIzaSyMARKER", ECHOES["percent-encoded"](exposed.upstream.received[0])[:60]):
            assert secret not in text
        assert "\\u0073\\u006b" not in text


@pytest.mark.parametrize("echo", ECHOES)
@pytest.mark.parametrize("status", [400, 401, 403, 404, 413, 422, 429, 500, 503, 529])
def test_a_provider_s_error_that_repeats_the_credential_is_redacted(exposed: Exposed, status: int, echo: str) -> None:
    def answer(received: Received) -> Answer:
        message = ECHOES[echo](received)
        if echo == "spelt by escapes":
            raw = b'{"error":{"message":"%b","code":"%b","param":"%b"}}' % ((message.encode(),) * 3)
            return Answer(status=status, body=raw)
        return json_answer({"error": {"message": message, "type": message, "code": message, "param": message}, "detail": message}, status)

    exposed.upstream.handle = answer
    for endpoint in ("chat/completions", "messages"):
        exposed.upstream.received.clear()
        for stream in (b"", b'"stream":true,'):
            body = b"{" + stream + BODIES[endpoint][1:]
            reply = exposed.ask(raw_request(b"POST", b"/v1/" + endpoint.encode(), key=exposed.live_key, body=body))
            assert reply.status >= 400
            quiet(exposed, reply)


@pytest.mark.parametrize("text", [b"%s", b"<html>%s</html>", b"\xff%s\xff", b'{"error":"%s"}', b'{"error":["%s"]}', b'{"message":"%s"}'])
def test_an_error_of_any_form_is_redacted(exposed: Exposed, text: bytes) -> None:
    exposed.upstream.handle = lambda _: Answer(status=400, body=text.replace(b"%s", CREDENTIAL.encode()))
    quiet(exposed, exposed.chat())


@pytest.mark.parametrize("padding", [0, 1000, 1990, 4080, 4090, 16_370, 65_520])
def test_a_credential_at_a_cut_is_redacted(exposed: Exposed, padding: int) -> None:
    """Long errors are shortened: what is left of a credential there must be nothing that helps."""
    for shift in range(0, 40, 3):
        text = "x" * (padding + shift) + " " + CREDENTIAL
        exposed.upstream.handle = lambda _, text=text: json_answer({"error": {"message": text}}, status=400)
        quiet(exposed, exposed.chat())


def test_an_error_inside_of_a_stream_is_redacted(exposed: Exposed) -> None:
    error = json.dumps({"error": {"message": f"Bearer {CREDENTIAL} expired", "code": CREDENTIAL, "type": CREDENTIAL}}).encode()
    start = b'data: {"id":"c","object":"chat.completion.chunk","created":1,"model":"m","choices":[{"index":0,"delta":{"content":"a"}}]}\n\n'
    for parts in ((b"data: %b\n\n" % error,), (start, b"data: %b\n\n" % error), (start, b"event: error\ndata: %b\n\n" % error)):
        exposed.upstream.handle = lambda _, parts=parts: stream_answer(*parts, delay_s=0.02)
        reply = exposed.chat(body=b'{"stream":true,' + BODIES["chat/completions"][1:])
        assert b"error" in reply.body
        quiet(exposed, reply)
    anthropic = json.dumps({"type": "error", "error": {"type": "api_error", "message": f"key {CREDENTIAL}"}}).encode()
    exposed.upstream.handle = lambda _: stream_answer(b"event: error\ndata: %b\n\n" % anthropic)
    body = b'{"stream":true,' + BODIES["messages"][1:]
    quiet(exposed, exposed.ask(raw_request(b"POST", b"/v1/messages", key=exposed.live_key, body=body)))


def test_what_a_provider_s_broken_reply_held_is_not_shown(exposed: Exposed) -> None:
    for body in (CREDENTIAL.encode(), b'{"choices":%b}' % CREDENTIAL.encode(), b"", b"[]", json.dumps({"key": CREDENTIAL}).encode()):
        for kind in ("application/json", f"text/{CREDENTIAL}"):
            exposed.upstream.handle = lambda _, body=body, kind=kind: Answer(headers={"content-type": kind}, body=body)
            for stream in (b"", b'"stream":true,'):
                reply = exposed.chat(body=b"{" + stream + BODIES["chat/completions"][1:])
                assert reply.status == 502
                quiet(exposed, reply)


def test_an_upstream_that_cannot_be_reached_is_not_described_with_its_credential(exposed: Exposed) -> None:
    def answer(_: Received) -> Answer:
        return Answer(body=CREDENTIAL.encode() * 10, is_cut=True)

    exposed.upstream.handle = answer
    reply = exposed.chat()
    assert reply.status == 502
    quiet(exposed, reply)


def test_a_chunked_body_leaves_with_one_length_and_no_trailers(exposed: Exposed) -> None:
    head = raw_request(b"POST", b"/v1/chat/completions", b"Transfer-Encoding: chunked", b"Trailer: X-MARKER", key=exposed.live_key)
    body = chunked(BODIES["chat/completions"])[:-2] + b"X-MARKER: 1\r\nAuthorization: Bearer MARKER\r\n\r\n"
    assert exposed.ask(head + body).status == 200
    (received,) = exposed.upstream.received
    assert set(received.headers) == TO_OPENAI
    assert int(received.headers["content-length"]) == len(received.body)
