"""What a failed attempt means, and what the client hears in the end."""

import json

import pytest

from anyrouter.core.errors import CODES, ConnectFailed, Denied, UpstreamBroken, UpstreamError, UpstreamStatus, UpstreamTimeout
from anyrouter.policy.attempt import Attempts, judge
from anyrouter.policy.route import Target, Upstream
from anyrouter.providers.registry import PROVIDERS

CREDENTIAL = "MARKER-of/no+known-shape"


def target(identity: str = "one", provider: str = "openai") -> Target:
    upstream = Upstream(
        id=identity, provider=PROVIDERS[provider], scheme="https", host="upstream.test", port=443, base_path="/v1", credential=CREDENTIAL
    )
    return Target(upstream=upstream, model="openai/gpt-4o", upstream_model="gpt-4o", tariff=None)


TARGETS = [target("one"), target("two"), target("three")]


def status(code: int, body: bytes | dict[str, object] = b"", retry_after_s: float | None = None) -> UpstreamStatus:
    text = body if isinstance(body, bytes) else json.dumps(body).encode()
    return UpstreamStatus("it failed", status=code, body=text, retry_after_s=retry_after_s)


def fail_all(*errors: UpstreamError) -> Denied:
    attempts = Attempts()
    for tried, error in zip(TARGETS, errors, strict=False):
        attempts.fail(tried, error, 5)
    return attempts.refusal()


def test_what_became_of_each_attempt_is_kept_in_order() -> None:
    attempts = Attempts()
    for tried in TARGETS:
        assert attempts.number == TARGETS.index(tried) + 1
        attempts.fail(tried, ConnectFailed("refused"), 5)
    assert [(record.upstream, record.error) for record in attempts.records] == [
        (name, "upstream_error") for name in ("one", "two", "three")
    ]
    attempts.succeed(TARGETS[0], 200, 7)
    assert (attempts.records[-1].status, attempts.records[-1].latency_ms, attempts.records[-1].error) == (200, 7, None)
    attempts.abandon(TARGETS[0], "client_closed_request")
    assert attempts.records[-1].error == "client_closed_request"


def test_a_target_that_cannot_be_asked_leaves_no_record_and_is_the_refusal_when_nobody_could_be() -> None:
    attempts = Attempts()
    assert not attempts.is_any
    for text in ("first", "second"):
        attempts.skip(Denied(code="no_route", message=text))
    assert (attempts.records, attempts.is_any, attempts.refusal().message) == ([], True, "first")
    attempts.fail(TARGETS[0], status(500), 5)
    assert attempts.refusal().code == "upstream_error"


@pytest.mark.parametrize("error", [status(400), status(404), status(413), status(422), status(405), status(409), status(418), status(302)])
def test_what_another_target_would_refuse_too_is_not_tried_there(error: UpstreamError) -> None:
    assert not Attempts().fail(TARGETS[0], error, 5).is_fallback_allowed


@pytest.mark.parametrize(
    "error",
    [
        ConnectFailed("refused"),
        *(UpstreamTimeout("late", phase=phase) for phase in ("connect", "first_byte", "idle", "total")),
        UpstreamBroken("cut"),
        *(status(code) for code in (401, 402, 403, 408, 429, 500, 501, 502, 503, 504, 520, 529, 599)),
    ],
)
def test_what_is_the_targets_own_trouble_is_tried_at_the_next(error: UpstreamError) -> None:
    assert Attempts().fail(TARGETS[0], error, 5).is_fallback_allowed


@pytest.mark.parametrize(
    ("errors", "code"),
    [
        ((status(500),), "upstream_error"),
        ((status(503),), "no_healthy_upstream"),
        ((status(503), status(529)), "no_healthy_upstream"),
        ((status(500), status(503)), "upstream_error"),
        ((ConnectFailed("refused"), status(503)), "upstream_error"),
        ((status(429), status(429)), "upstream_rate_limited"),
        ((status(503), status(400)), "invalid_parameter"),
        ((status(401), status(403)), "upstream_error"),
        ((status(500), UpstreamTimeout("late", phase="idle")), "upstream_timeout"),
        ((status(504),), "upstream_timeout"),
        ((status(408),), "upstream_timeout"),
        ((UpstreamBroken("cut"),), "upstream_invalid_response"),
        ((ConnectFailed("refused"),), "upstream_error"),
        ((status(422),), "unprocessable"),
        ((status(413),), "body_too_large"),
        ((status(404),), "model_not_found"),
        ((status(418),), "upstream_error"),
    ],
)
def test_what_the_client_hears_in_the_end(errors: tuple[UpstreamError, ...], code: str) -> None:
    denied = fail_all(*errors)
    assert denied.code == code
    assert denied.http_status == CODES[code].status
    assert [(tried["upstream"], tried["latency_ms"]) for tried in denied.metadata["attempts"]] == [
        (chosen.upstream.id, 5) for chosen in TARGETS[: len(errors)]
    ]
    assert [tried["status"] for tried in denied.metadata["attempts"]] == [getattr(error, "status", None) for error in errors]


def test_who_is_to_wait_is_told_how_long() -> None:
    assert fail_all(status(429, retry_after_s=7.5)).retry_after_s == 7.5
    assert fail_all(status(429)).retry_after_s == 1.0
    assert fail_all(status(503)).retry_after_s == 1.0
    assert fail_all(status(503, retry_after_s=30.0)).retry_after_s == 30.0
    assert fail_all(status(500)).retry_after_s is None
    assert fail_all(status(429)).metadata["limited_by"] == "upstream"


@pytest.mark.parametrize(
    "body",
    [
        {"error": {"message": "This model's maximum context length is 8192 tokens.", "code": "context_length_exceeded"}},
        {"error": {"message": "too long", "code": "context_length_exceeded"}},
        {"type": "error", "error": {"type": "invalid_request_error", "message": "prompt is too long: 250000 tokens > 200000 maximum"}},
        {"error": "the request exceeds the available context size: context window"},
    ],
)
@pytest.mark.parametrize("code", [400, 413, 422])
def test_a_prompt_over_the_context_is_known_in_every_dialect(body: dict[str, object], code: int) -> None:
    denied = fail_all(status(code, body))
    assert (denied.code, denied.http_status) == ("context_length_exceeded", 413)
    assert "maximum context length" in denied.message


def test_what_the_upstream_said_reaches_the_client_with_its_parameter() -> None:
    denied = fail_all(status(400, {"error": {"message": "temperature is too high", "param": "temperature", "code": "x"}}))
    assert (denied.message, denied.param) == ("OpenAI refused the request: temperature is too high", "temperature")
    assert denied.metadata["provider_name"] == "OpenAI"
    assert denied.metadata["provider_status"] == 400
    assert json.loads(denied.metadata["raw"])["error"]["param"] == "temperature"


@pytest.mark.parametrize("code", [400, 404, 408, 413, 418, 422, 429, 500, 503, 529])
@pytest.mark.parametrize(
    "body",
    [
        {"error": {"message": f"you sent {CREDENTIAL} here", "param": CREDENTIAL, "code": CREDENTIAL, "type": CREDENTIAL}},
        {"error": f"Bearer {CREDENTIAL}"},
        {"detail": CREDENTIAL},
        {"error": {"message": "x" * 1990 + " " + CREDENTIAL}},
        f"<html>{CREDENTIAL}</html>".encode(),
        json.dumps({"error": {"message": CREDENTIAL}}).replace("/", "\\/").replace("+", "\\u002B").encode(),
        b"\xff" + CREDENTIAL.encode(),
        {"error": {"message": "Incorrect API key provided: sk-MARKER-MARKER***MARKER."}},
    ],
)
def test_no_part_of_a_credential_reaches_the_client(body: dict[str, object] | bytes, code: int) -> None:
    denied = judge(TARGETS[0], status(code, body)).denied
    assert "MARKER" not in repr(denied)


@pytest.mark.parametrize("code", [401, 402, 403])
def test_what_is_said_about_the_operators_account_is_not_for_the_client(code: int) -> None:
    denied = fail_all(status(code, {"error": {"message": "Your organization org-MARKER has no credit left"}}))
    assert (denied.code, denied.http_status) == ("upstream_error", 502)
    assert "MARKER" not in repr(denied)
    assert denied.metadata["provider_status"] == code
    assert "raw" not in denied.metadata


def test_a_long_body_is_cut() -> None:
    denied = judge(TARGETS[0], status(500, {"error": {"message": "word " * 20_000}})).denied
    assert len(denied.message) < 2100
    assert len(denied.metadata["raw"]) == 4096


@pytest.mark.parametrize("body", [b"", b"\x00", b"{", b"[" * 100_000, b'{"error":{"message":7}}', b"\xff\xfe" * 10_000])
def test_any_body_makes_a_sentence(body: bytes) -> None:
    for code in (302, 400, 401, 429, 500):
        denied = judge(TARGETS[0], status(code, body)).denied
        assert denied.message.startswith("OpenAI ")
        assert denied.code in CODES
