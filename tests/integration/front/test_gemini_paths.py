"""Gemini's own paths on the wire: the relay is told the model and the form of the stream, whatever was said on the connection before."""

import pytest
from tests.integration.front.conftest import ALLOWED, LATE, Site, chunked_request, request

PATH = b"/v1beta/models/google/gemini-2.5-flash"


def said(site: Site) -> list[tuple[str, str | None, bool]]:
    return [(head.endpoint, head.model, head.is_array) for head in site.inference.heads]


@pytest.mark.parametrize("version", [b"v1beta", b"v1", b"v1alpha"])
@pytest.mark.parametrize("model", [b"google/gemini-2.5-flash", b"google%2Fgemini-2.5-flash"])
def test_the_relay_is_told_the_model_that_the_path_names(site: Site, version: bytes, model: bytes) -> None:
    reply = site.ask(request(b'{"contents":[]}', path=b"/%b/models/%b:generateContent" % (version, model)))
    assert (reply.status, reply.json["endpoint"], reply.json["size"]) == (200, "generateContent", 15)
    assert said(site) == [("generateContent", "google/gemini-2.5-flash", False)]
    assert site.application.scopes == []


def test_requests_of_one_connection_are_each_told_apart(site: Site) -> None:
    targets = [
        (PATH + b":streamGenerateContent?alt=sse", ("streamGenerateContent", "google/gemini-2.5-flash", False)),
        (PATH + b":streamGenerateContent", ("streamGenerateContent", "google/gemini-2.5-flash", True)),
        (b"/v1/models/other:streamGenerateContent", ("streamGenerateContent", "other", True)),
        (b"/v1/chat/completions", ("chat/completions", None, False)),
        (b"/v1/responses", ("responses", None, False)),
    ]
    with site.connect() as client:
        for body in (b"{}", b'{"a":1}', b"{}"):
            client.send(b"".join(request(body, path=path) for path, _ in targets))
            for _ in targets:
                assert client.read().json["size"] == len(body)
    assert said(site) == [expected for _, expected in targets] * 3


def test_a_body_in_chunks_and_a_key_that_is_looked_up_change_nothing(site: Site) -> None:
    site.inference.open_gate()
    assert site.ask(chunked_request(b"ab", b"c", path=PATH + b":generateContent", key=LATE)).json["size"] == 3
    assert said(site) == [("generateContent", "google/gemini-2.5-flash", False)]


def test_a_key_in_the_query_is_not_what_is_judged(site: Site) -> None:
    raw = request(path=PATH + b":generateContent?key=" + ALLOWED.replace(b" ", b"%20"), key=b"")
    reply = site.ask(raw)
    assert (reply.status, reply.json["endpoint"]) == (401, "generateContent")
    assert site.inference.bodies == []


@pytest.mark.parametrize("method", [b"GET", b"PUT", b"HEAD", b"OPTIONS"])
def test_only_a_post_is_inference(site: Site, method: bytes) -> None:
    assert site.ask(request(path=PATH + b":generateContent", method=method), method=method).status == 200
    assert site.inference.heads == []


def test_other_methods_of_gemini_s_are_handed_over(site: Site) -> None:
    assert site.ask(request(path=PATH + b":countTokens")).json["path"] == PATH.decode() + ":countTokens"
    assert site.inference.heads == []
