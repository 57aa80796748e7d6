"""What a change takes from its request, read off ASGI's scope."""

import pytest
from starlette.requests import Request

from anyrouter.core.audit import ActorKind
from anyrouter.core.errors import ClientError
from anyrouter.web.api.changes import actor_of, etag, if_match
from anyrouter.web.api.visit import Visit, begin


def make_request(*headers: tuple[bytes, bytes]) -> Request:
    scope = {"type": "http", "method": "PATCH", "path": "/", "headers": list(headers)}
    begin(
        scope,
        Visit(request_id="req-1", now_ms=1, started_s=0.0, dialect="openai", address="203.0.113.7", user_agent="curl", trace_id="t"),
    )
    return Request(scope)


@pytest.mark.parametrize("version", [0, 1, 7, 999_999_999])
def test_if_match_reads_what_etag_writes(version: int) -> None:
    assert if_match(make_request((b"if-match", etag(version).encode()))) == version


@pytest.mark.parametrize("headers", [(), ((b"if-match", b"*"),), ((b"if-match", b" * "),)])
def test_without_a_named_version_any_is_meant(headers: tuple[tuple[bytes, bytes], ...]) -> None:
    assert if_match(make_request(*headers)) is None


@pytest.mark.parametrize("value", [b'W/"3"', b'"03"', b'"-1"', b'"abc"', b'""', b'"9999999999"', b'"3.0"'])
def test_an_etag_that_is_not_ours_is_never_the_right_one(value: bytes) -> None:
    with pytest.raises(ClientError) as caught:
        if_match(make_request((b"if-match", value)))
    assert (caught.value.code, caught.value.denied.http_status) == ("etag_mismatch", 412)


@pytest.mark.parametrize("value", [b"3", b"", b'"1", "2"', b'"3', b'"3"x', b"'3'", b'"\xff"', b"*, *"])
def test_what_is_no_etag_or_several_is_a_mistake(value: bytes) -> None:
    with pytest.raises(ClientError) as caught:
        if_match(make_request((b"if-match", value)))
    assert (caught.value.code, caught.value.denied.param) == ("invalid_parameter", "If-Match")


def test_two_if_match_headers_are_a_mistake() -> None:
    with pytest.raises(ClientError):
        if_match(make_request((b"if-match", b'"1"'), (b"if-match", b"*")))


def test_who_acts_without_a_key_is_anonymous_and_has_an_address() -> None:
    actor = actor_of(make_request())
    assert (actor.kind, actor.id, actor.address, actor.user_agent) == (ActorKind.ANONYMOUS, None, "203.0.113.7", "curl")
    assert (actor.request_id, actor.trace_id) == ("req-1", "t")
