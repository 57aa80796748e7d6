"""Gemini's own paths are another door to the same house: what sections A, D and K of the attack cases say holds there too."""

import pytest
from tests.security.conftest import BODIES, CONTENTS, CREDENTIAL, Exposed
from tests.security.test_authorization_header import is_without_credentials, logged

from anyrouter.core.keys import generate
from support.raw_client import Reply, raw_request
from support.served import wait_for

PLACES = {
    "whole": (b"POST", b"/v1beta/models/openai/gpt-4o:generateContent", CONTENTS),
    "array": (b"POST", b"/v1/models/openai%2Fgpt-4o:streamGenerateContent", CONTENTS),
    "stream": (b"POST", b"/v1alpha/models/gpt-4o:streamGenerateContent?alt=sse", CONTENTS),
    "models": (b"GET", b"/v1beta/models?pageSize=2", None),
    "model": (b"GET", b"/v1alpha/models/openai/gpt-4o", None),
}
everywhere = pytest.mark.parametrize("place", PLACES)
BAD_TOKEN = 'Bearer realm="anyrouter", error="invalid_token"'
STATUSES = {400: "INVALID_ARGUMENT", 401: "UNAUTHENTICATED", 403: "PERMISSION_DENIED", 404: "NOT_FOUND", 413: "INVALID_ARGUMENT"}


def ask(exposed: Exposed, place: str, *lines: bytes, query: bytes = b"") -> Reply:
    method, path, body = PLACES[place]
    if query:
        path += (b"&" if b"?" in path else b"?") + query
    return exposed.ask(raw_request(method, path, *lines, body=body))


def google(key: str) -> bytes:
    return b"x-goog-api-key: " + key.encode()


def post(exposed: Exposed, model: bytes, key: str, body: bytes = CONTENTS, *lines: bytes, method: bytes = b"generateContent") -> Reply:
    return exposed.ask(raw_request(b"POST", b"/v1beta/models/%b:%b" % (model, method), google(key), *lines, body=body))


@everywhere
def test_gemini_s_header_is_a_credential_in_any_case_and_leaves_with_no_request(exposed: Exposed, place: str) -> None:
    for name in (b"x-goog-api-key: ", b"X-Goog-Api-Key:", b"X-GOOG-API-KEY: \t"):
        assert ask(exposed, place, name + exposed.live_key.encode()).status == 200
    for received in exposed.upstream.received:
        assert "x-goog-api-key" not in received.headers
        assert received.headers["authorization"] == f"Bearer {CREDENTIAL}"
        assert exposed.live_key not in f"{received}"


@everywhere
def test_without_a_key_it_is_401_in_google_s_envelope(exposed: Exposed, place: str) -> None:
    for line in (b"X: y", b"x-goog-api-key:", b"x-goog-api-key:  "):
        reply = ask(exposed, place, line)
        assert is_without_credentials(exposed, reply)
        assert (reply.error["code"], reply.error["status"]) == (401, "UNAUTHENTICATED")


@everywhere
def test_a_wrong_key_is_401_and_is_not_said_back(exposed: Exposed, place: str) -> None:
    for text in ("AIzaMARKER" + "g" * 29, "MARKER", exposed.live_key[:-1], exposed.live_key + "0", generate("live")):
        reply = ask(exposed, place, google(text))
        assert (reply.status, reply.error["status"], reply.headers["www-authenticate"]) == (401, "UNAUTHENTICATED", BAD_TOKEN)
        assert text.encode() not in reply.body
    assert exposed.upstream.received == []


@everywhere
@pytest.mark.parametrize("name", ["key", "api_key", "access_token", "x-goog-api-key", "$key"])
def test_a_key_in_the_query_is_ignored_and_not_logged(exposed: Exposed, place: str, name: str) -> None:
    query = f"{name}={exposed.live_key}".encode()
    assert is_without_credentials(exposed, ask(exposed, place, query=query))
    assert ask(exposed, place, google(exposed.live_key), query=query).status == 200
    assert ask(exposed, place, google(exposed.live_key), query=b"key=AIzaMARKER").status == 200
    assert exposed.live_key not in logged(exposed.gateway)
    assert all(exposed.live_key not in f"{request}" for request in exposed.upstream.received)


@everywhere
def test_headers_that_do_not_agree_are_400_and_looked_up_nowhere(exposed: Exposed, place: str) -> None:
    one, other = exposed.live_key, exposed.test_key
    bearer, plain = (b"Authorization: Bearer " + one.encode(), b"x-api-key: " + one.encode())
    for lines in ((bearer, google(one)), (google(one), plain), (plain, google(one), bearer)):
        assert ask(exposed, place, *lines).status == 200
    exposed.upstream.received.clear()
    with exposed.without_keys():
        for lines in (
            (bearer, google(other)),
            (google(other), bearer),
            (plain, google(other)),
            (bearer, plain, google(other)),
            (google(one), google(one)),
            (google(one), google(other)),
            (google(one), b"x-goog-api-key:"),
            (b"Authorization: Basic MARKER", google(one)),
        ):
            reply = ask(exposed, place, *lines)
            assert (reply.status, reply.code, reply.error["status"]) == (400, "conflicting_credentials", "INVALID_ARGUMENT")
    assert exposed.upstream.received == []


def test_elsewhere_gemini_s_header_is_nothing(exposed: Exposed) -> None:
    for method, path, sent in (
        (b"POST", b"/v1/responses", BODIES["responses"]),
        (b"POST", b"/api/v1/chat/completions", BODIES["chat/completions"]),
        (b"GET", b"/v1/key", None),
        (b"GET", b"/api/v1/models", None),
        (b"GET", b"/v1/providers", None),
        (b"GET", b"/v1/activity", None),
    ):
        assert is_without_credentials(exposed, exposed.ask(raw_request(method, path, google(exposed.live_key), body=sent)))
        assert exposed.ask(raw_request(method, path, google("MARKER"), key=exposed.live_key, body=sent)).status == 200
        exposed.upstream.received.clear()


def test_the_path_s_model_is_judged_and_no_other_is_asked(exposed: Exposed) -> None:
    key = exposed.key("--model", "openai/gpt-4o-mini")
    for spelling in (b"openai/gpt-4o", b"openai%2Fgpt-4o", b"gpt-4o", b"openai/gpt-4o:nitro", b"anthropic/claude-sonnet-4-5"):
        for method in (b"generateContent", b"streamGenerateContent"):
            for body in (CONTENTS, b'{"model":"openai/gpt-4o-mini",' + CONTENTS[1:], b'{"models":["openai/gpt-4o-mini"],' + CONTENTS[1:]):
                reply = post(exposed, spelling, key, body, method=method)
                assert reply.status in ({403} if b'"models"' not in body else {200, 403}), (spelling, body, reply)
    assert {received.json()["model"] for received in exposed.upstream.received} <= {"gpt-4o-mini"}
    exposed.upstream.received.clear()
    assert post(exposed, b"openai/gpt-4o-mini", key, b'{"model":"models/openai/gpt-4o",' + CONTENTS[1:]).status == 200
    assert post(exposed, b"openai/gpt-4o-mini?model=openai/gpt-4o", key).status == 405
    assert [received.json()["model"] for received in exposed.upstream.received] == ["gpt-4o-mini"]


def test_a_key_that_is_restricted_to_endpoints_may_use_these_by_their_names(exposed: Exposed) -> None:
    key = exposed.new_key()
    exposed.edit_key(exposed.id_of(key), endpoints=("generateContent",))
    wait_for(lambda: exposed.chat(key=key).status == 403)
    refused = post(exposed, b"openai/gpt-4o", key, method=b"streamGenerateContent")
    assert (refused.status, refused.code, refused.error["status"]) == (403, "endpoint_not_allowed", "PERMISSION_DENIED")
    assert post(exposed, b"openai/gpt-4o", key).status == 200
    assert exposed.ask(raw_request(b"GET", b"/v1beta/models", google(key))).status == 403


ODD_NAMES = [
    b"..",
    b"../models/openai/gpt-4o",
    b"%2e%2e%2f%2e%2e%2fchat/completions",
    b"openai/../anthropic/claude-sonnet-4-5",
    b"openai%2f..%2f..%2f..%2fadmin",
    b"openai/gpt-4o%00",
    b"openai/gpt-4o%0d%0aX-MARKER:%201",
    b"openai/gpt-4o%0a",
    b"openai/%ff",
    b"openai/%c0%ae%c0%ae",
    b"openai/%ED%A0%80",
    b"openai/%E2%80%AE",
    b"openai//gpt-4o",
    b"/openai/gpt-4o",
    b"openai/gpt-4o/",
    b"openai%252Fgpt-4o",
    b"openai/gpt-4o%23",
    b"openai/gpt-4o%3Fx",
    b"OPENAI/gpt-4o",
    b"openai/*",
    b"*",
    b":",
    b"%20",
    b"models/openai/gpt-4o",
    b"${jndi:ldap://MARKER}",
    b"x" * 300,
    b"x" * 20_000,
    b"%41" * 3000,
    b":generateContent" * 200,
]


@pytest.mark.parametrize("name", ODD_NAMES, ids=lambda name: repr(name[:30]))
def test_an_odd_name_reaches_nothing_but_a_model_of_that_name(exposed: Exposed, name: bytes) -> None:
    for key in (exposed.live_key, exposed.test_key):
        for method in (b"generateContent", b"streamGenerateContent"):
            reply = post(exposed, name, key, method=method)
            assert reply.status in {200, 400, 404}, reply
            assert "x-marker" not in reply.headers
            if reply.status != 200:
                assert reply.error["status"] == STATUSES[reply.status]
        assert exposed.ask(raw_request(b"GET", b"/v1beta/models/" + name, google(key))).status in {200, 400, 404}
    assert {received.path for received in exposed.upstream.received} <= {"/v1/chat/completions"}
    unkeyed = exposed.ask(raw_request(b"POST", b"/v1beta/models/%b:generateContent" % name, body=CONTENTS))
    assert unkeyed.status in {400, 401, 404}


ODD_PATHS = [
    b"//v1beta/models/openai/gpt-4o:generateContent",
    b"/v1beta//models/openai/gpt-4o:generateContent",
    b"/x/../v1beta/models/openai/gpt-4o:generateContent",
    b"/api/v1beta/models/openai/gpt-4o:generateContent",
    b"/api/v1/models/openai/gpt-4o:generateContent",
    b"/v1beta1/models/openai/gpt-4o:generateContent",
    b"/V1BETA/models/openai/gpt-4o:generateContent",
    b"/v1beta/Models/openai/gpt-4o:generateContent",
    b"/v1beta/models/openai/gpt-4o:GenerateContent",
    b"/v1beta/models/openai/gpt-4o:generateContent:",
    b"/v1beta/models/openai/gpt-4o:generateContent%00",
    b"/v1beta/models/openai/gpt-4o:generateContent;x",
    b"/v1beta/models/openai/gpt-4o:countTokens",
    b"/v1beta/models/openai/gpt-4o:embedContent",
    b"/v1beta/tunedModels/openai/gpt-4o:generateContent",
    b"/v1beta/projects/p/locations/l/publishers/google/models/x:generateContent",
    b"/v1beta/models:generateContent",
    b"/v1beta/models/openai/gpt-4o",
    b"/v1beta/files",
    b"/upload/v1beta/files",
]


@pytest.mark.parametrize("path", ODD_PATHS)
def test_what_is_not_one_of_gemini_s_paths_generates_nothing(exposed: Exposed, path: bytes) -> None:
    for key in (None, exposed.live_key):
        assert exposed.ask(raw_request(b"POST", path, key=key, body=CONTENTS)).status in {400, 401, 404, 405}
    assert exposed.upstream.received == []


def test_a_test_key_reaches_the_sandbox_alone(exposed: Exposed) -> None:
    for model in (b"openai/gpt-4o", b"google/gemini-2.5-flash", b"anthropic/claude-sonnet-4-5", b"sandbox/echo"):
        for pin in (b"openai", b"anthropic"):
            assert post(exposed, model, exposed.test_key, CONTENTS, b"X-AnyRouter-Provider: " + pin).status in {400, 404}
        assert post(exposed, model, exposed.test_key).status == 200
        assert post(exposed, model, exposed.test_key, method=b"streamGenerateContent").status == 200
    assert exposed.upstream.received == []


@pytest.mark.parametrize("name", ["api_base", "base_url", "api_key", "extra_headers", "organization"])
def test_members_that_would_redirect_a_request_are_refused(exposed: Exposed, name: str) -> None:
    body = b'{"%b":"http://127.0.0.1:9/MARKER",' % name.encode() + CONTENTS[1:]
    reply = post(exposed, b"openai/gpt-4o", exposed.live_key, body)
    assert (reply.status, reply.error["status"]) == (400, "INVALID_ARGUMENT")
    assert "MARKER" not in reply.body.decode()
    assert exposed.upstream.received == []
