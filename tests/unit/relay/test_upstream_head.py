"""What leaves for an upstream: an allow-list."""

from dataclasses import replace

import pytest

from anyrouter.core.provider import Format
from anyrouter.policy.route import Target, Upstream, Way, find_way
from anyrouter.providers.registry import PROVIDERS
from anyrouter.relay.ports import Origin, Timeouts
from anyrouter.relay.upstream_head import UpstreamHead

_FORM = PROVIDERS["google"].formats["gemini"]
GEMINI = {"dialect": "gemini", "path": _FORM.path, "stream_path": _FORM.stream_path, "form": _FORM}
CLIENT = {
    name.encode(): b"MARKER"
    for name in (
        "authorization",
        "x-api-key",
        "api-key",
        "x-goog-api-key",
        "xi-api-key",
        "cookie",
        "host",
        "content-length",
        "transfer-encoding",
        "connection",
        "expect",
        "te",
        "upgrade",
        "accept-encoding",
        "user-agent",
        "referer",
        "http-referer",
        "x-title",
        "origin",
        "forwarded",
        "x-forwarded-for",
        "x-forwarded-host",
        "x-real-ip",
        "traceparent",
        "tracestate",
        "baggage",
        "openai-organization",
        "openai-project",
        "x-stainless-lang",
        "x-anyrouter-provider",
        "x-anyrouter-trace-id",
        "idempotency-key",
        "proxy-authorization",
    )
}


def upstream(provider: str = "openai", **changes: object) -> Upstream:
    values: dict[str, object] = {
        "id": "a",
        "provider": PROVIDERS[provider],
        "scheme": "https",
        "host": "upstream.test",
        "port": 443,
        "base_path": "/v1",
        "credential": "the-credential",
        **changes,
    }
    return Upstream(**values)  # type: ignore[arg-type]


def head_of(asked: Upstream, endpoint: str) -> UpstreamHead:
    way = find_way(asked, endpoint)
    assert way is not None
    return UpstreamHead(Target(upstream=asked, model="vendor/a b", upstream_model="a b", tariff=None, way=way))


def lines_of(head: bytes) -> list[str]:
    assert head.endswith(b"\r\n")
    assert b"\r\n\r\n" not in head
    return head.decode("latin-1").split("\r\n")[:-1]


@pytest.mark.parametrize(("provider", "endpoint"), [(name, path) for name, row in PROVIDERS.items() for path in row.paths])
def test_nothing_of_the_clients_reaches_any_provider_but_what_its_row_names(provider: str, endpoint: str) -> None:
    row = PROVIDERS[provider]
    head = head_of(upstream(provider), endpoint).render(CLIENT, 5)
    assert b"MARKER" not in head
    names = [line.split(": ")[0].lower() for line in lines_of(head)[1:]]
    assert len(names) == len(set(names))
    way = find_way(upstream(provider), endpoint)
    form = way.form if way is not None and way.form is not None else Format(path="")
    header = form.credential_header or row.credential_header
    prefix = row.credential_prefix if form.credential_prefix is None else form.credential_prefix
    assert names.count(header.lower()) == 1
    assert f"{header}: {prefix}the-credential" in lines_of(head)


def test_the_clients_own_headers_pass_where_the_row_says_so_and_have_defaults() -> None:
    head = head_of(upstream("anthropic", base_path=""), "messages")
    plain = lines_of(head.render({}, 5))
    assert "anthropic-version: 2023-06-01" in plain
    assert not any(line.startswith("anthropic-beta") for line in plain)
    named = lines_of(head.render({b"anthropic-version": b"2030-01-01", b"anthropic-beta": b"a, b"}, 5))
    assert {"anthropic-version: 2030-01-01", "anthropic-beta: a, b"} <= set(named)
    assert "anthropic-version: 2023-06-01" not in named
    assert "anthropic-version: 2023-06-01" in lines_of(head.render({b"anthropic-version": b""}, 5))


@pytest.mark.parametrize(
    ("changes", "host"),
    [
        ({}, "upstream.test"),
        ({"port": 8443}, "upstream.test:8443"),
        ({"scheme": "http", "port": 80}, "upstream.test"),
        ({"scheme": "http", "port": 443}, "upstream.test:443"),
        ({"port": 80}, "upstream.test:80"),
        ({"host": "2001:db8::1"}, "[2001:db8::1]"),
        ({"host": "::1", "scheme": "http", "port": 8080}, "[::1]:8080"),
    ],
)
def test_the_host_is_named_as_the_url_would(changes: dict[str, object], host: str) -> None:
    assert f"Host: {host}" in lines_of(head_of(upstream(**changes), "embeddings").render({}, 0))


def test_the_request_line_and_the_length() -> None:
    lines = lines_of(head_of(upstream(base_path="/gateway/v1"), "chat/completions").render({}, 12345))
    assert lines[0] == "POST /gateway/v1/chat/completions HTTP/1.1"
    assert lines[-1] == "Content-Length: 12345"
    assert "Accept-Encoding: identity" in lines


def test_an_upstream_without_credential_gets_none() -> None:
    assert "authorization" not in head_of(upstream(credential=""), "embeddings").render(CLIENT, 5).decode().lower()


def test_origin_and_deadlines_are_the_upstreams() -> None:
    head = head_of(upstream(host="::1", port=1, scheme="http", connect_s=1.0, first_byte_s=2.0, idle_s=3.0, total_s=None), "embeddings")
    assert head.origin == Origin(scheme="http", host="::1", port=1)
    assert head.timeouts == Timeouts(connect_s=1.0, first_byte_s=2.0, idle_s=3.0, total_s=None)


def test_a_format_at_an_address_of_its_own_is_asked_there_unless_the_operator_chose_the_address() -> None:
    row = PROVIDERS["deepseek"]
    theirs = UpstreamHead(_target(upstream("deepseek", base_path="/v1")))
    assert (theirs.origin.host, lines_of(theirs.render({}, 1))[0]) == ("api.deepseek.com", "POST /anthropic/v1/messages HTTP/1.1")
    assert row.formats["anthropic"].base_url is not None
    assert find_way(upstream("deepseek", has_own_address=True), "messages").is_translated


def test_streams_have_a_path_of_their_own_where_the_format_says_so_and_names_are_encoded() -> None:
    google = upstream("google", base_path="/v1beta")
    way = replace(find_way(google, "chat/completions"), **GEMINI)
    head = UpstreamHead(Target(upstream=google, model="google/a", upstream_model="a/../b c", tariff=None, way=way))
    assert lines_of(head.render({}, 1))[0] == "POST /v1beta/models/a%2F..%2Fb%20c:generateContent HTTP/1.1"
    assert lines_of(head.render({}, 1, is_streamed=True))[0] == "POST /v1beta/models/a%2F..%2Fb%20c:streamGenerateContent?alt=sse HTTP/1.1"


def _target(asked: Upstream) -> Target:
    return Target(
        upstream=asked, model="deepseek/x", upstream_model="x", tariff=None, way=find_way(asked, "messages") or Way(dialect="", path="")
    )
