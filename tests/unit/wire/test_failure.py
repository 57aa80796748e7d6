"""Failures as clients see them, and texts of others from which keys are taken out."""

import json
import secrets
import time
from collections.abc import Callable
from typing import Any
from urllib.parse import quote

import pytest

from anyrouter.core.errors import CODES, Denied
from anyrouter.wire.failure import (
    error_object,
    read_failure,
    read_status,
    read_status_told,
    render_failure,
    render_stream_failure,
    scrub,
)

ANTHROPIC_TYPES = {
    "authentication_error",
    "permission_error",
    "invalid_request_error",
    "not_found_error",
    "request_too_large",
    "rate_limit_error",
    "api_error",
    "overloaded_error",
    "timeout_error",
    "billing_error",
}
KEYS = {
    "OpenAI": "sk-MARKERabcdefghijklmnop",
    "OpenAI project": "sk-proj-MARKER_abc-defghijklmnop",
    "OpenAI, masked": "sk-MARKER***********************wxyz",
    "Anthropic": "sk-ant-api03-MARKER-abcdefghij_klmnop",
    "OpenRouter": "sk-or-v1-MARKER0123456789abcdef",
    "Stripe's style": "rk_MARKER0123456789abcdef",
    "Groq": "gsk_MARKER0123456789abcdef",
    "xAI": "xai-MARKER0123456789abcdef",
    "Hugging Face": "hf_MARKER0123456789abcdef",
    "GitHub": "ghp_MARKER0123456789abcdef",
    "GitHub, fine-grained": "github_pat_MARKER0123456789_abcdef",
    "GitHub, of an app": "ghs_MARKER0123456789abcdef",
    "GitLab": "glpat-MARKER0123456789abcdef",
    "Google": "AIzaMARKER-0123456789abcdefghijklmnopqr",
    "AWS": "AKIAMARKER0123456789",
    "AWS, of a session": "ASIAMARKER0123456789",
    "a web token": "eyJMARKER0123456789.MARKER0123.MARKER_-0123",
    "Perplexity": "pplx-MARKER0123456789abcdef",
    "NVIDIA": "nvapi-MARKER0123456789abcdef",
    "Cerebras": "csk-MARKER0123456789abcdef",
    "Replicate": "r8_MARKER0123456789abcdef",
    "Together": "tgp_v1_MARKER0123456789abcdef",
    "Fireworks": "fw_MARKER0123456789abcdef",
    "our own": "ar-live-MARKER0123456789abcdefghijklmnopqrstuvwxyz",
}
PRIVATE_KEYS = {
    "a file": "-----BEGIN PRIVATE KEY-----\nMIIEvQMARKER/MARKER+\nMARKER==\n-----END PRIVATE KEY-----",
    "an older file": "-----BEGIN RSA PRIVATE KEY-----\nMARKER\n-----END RSA PRIVATE KEY-----",
    "of another kind": "-----BEGIN EC PRIVATE KEY-----\nMARKER\n-----END EC PRIVATE KEY-----",
    "cut off": "-----BEGIN PRIVATE KEY-----\nMIIEvQMARKER/MARKER+\nMARK",
    "without its first line": "MIIEvQIBADANBgkqhkiG9w0BAQEFAASCBKcwMARKER/\nMARKER==\n",
    "without its first line, the older one": "MIIEpAIBAAKCAQEAMARKER/\nMARKER==\n",
}
PLACES = [
    "Incorrect API key provided: {}. You can find your key in the console.",
    "{}",
    "'{}'",
    '{{"error":{{"message":"key={}"}}}}',
    "https://api.test/v1?x=1&api_key={}&y=2",
    "Authorization: Bearer {}",
    "authorization=bearer   {}",
    "x-api-key:{}",
    "line\n{}\nline",
    '{{"message":"line\\n{}\\n"}}',
    "({},{})",
    "a%20{}",
]
HARMLESS = [
    "Unsupported parameter: 'max_tokens' is not supported with this model. Use 'max_completion_tokens' instead.",
    "'parallel_tool_calls' is only allowed when 'tools' are specified.",
    "Invalid value for 'search_context_size': expected one of low, medium, high.",
    "messages.parallel_tool_call_handling is not a characteristic-of-this-model",
    "This is a risk-assessment-and-mitigation task.",
    "The model `gpt-4o-search-preview-2025-03-11` does not exist",
    "Your request asks for hf.co/meta-llama/Llama-3.1-8B-Instruct",
    "max_output_tokens_per_request is too large: 128000",
    "maximum context length is 8192 tokens, however you requested 9000 tokens (8000 in the messages, 1000 in the completion)",
    "task-1234567890abcdef is over; disk_quota_exceeded_for_project; ask_for_permission_first",
]


def denied_of(code: str) -> Denied:
    return Denied(code=code, message="Because.", param="p", metadata={"provider_name": "X"})


@pytest.mark.parametrize("code", CODES)
def test_every_code_has_the_openai_envelope(code: str) -> None:
    body = json.loads(render_failure("openai", denied_of(code), "req-1"))
    assert body == {
        "error": {
            "message": "Because.",
            "type": CODES[code].type,
            "code": code,
            "param": "p",
            "metadata": {"provider_name": "X", "request_id": "req-1"},
        }
    }


@pytest.mark.parametrize("code", CODES)
def test_every_code_has_the_anthropic_envelope_with_a_type_that_its_clients_know(code: str) -> None:
    body = json.loads(render_failure("anthropic", denied_of(code), "req-1"))
    assert (body["type"], body["request_id"], body["error"]["message"]) == ("error", "req-1", "Because.")
    assert body["error"]["type"] in ANTHROPIC_TYPES


@pytest.mark.parametrize(
    ("code", "kind"),
    [
        ("invalid_api_key", "authentication_error"),
        ("insufficient_credits", "billing_error"),
        ("insufficient_scope", "permission_error"),
        ("model_not_found", "not_found_error"),
        ("body_too_large", "request_too_large"),
        ("rate_limited", "rate_limit_error"),
        ("internal_error", "api_error"),
        ("upstream_error", "api_error"),
        ("no_healthy_upstream", "overloaded_error"),
        ("upstream_timeout", "timeout_error"),
        ("invalid_json", "invalid_request_error"),
    ],
)
def test_what_the_codes_are_called_at_anthropic(code: str, kind: str) -> None:
    assert json.loads(render_failure("anthropic", denied_of(code), "req-1"))["error"]["type"] == kind


@pytest.mark.parametrize("code", CODES)
def test_a_streams_last_event_is_one_event_of_its_dialect(code: str) -> None:
    text = render_stream_failure("openai", denied_of(code), "req-1", "gen-1", "openai/gpt-4o")
    assert text.startswith(b"data: {")
    assert text.count(b"\n") == 2
    assert text.endswith(b"\n\n")
    event = json.loads(text[6:])
    assert event["error"] == error_object(denied_of(code), "req-1")
    assert event["choices"] == [{"index": 0, "delta": {}, "finish_reason": "error"}]
    assert (event["id"], event["model"]) == ("gen-1", "openai/gpt-4o")
    text = render_stream_failure("anthropic", denied_of(code), "req-1", "gen-1", "anthropic/x")
    assert text.startswith(b"event: error\ndata: {")
    assert json.loads(text.split(b"\ndata: ")[1]) == json.loads(render_failure("anthropic", denied_of(code), "req-1"))


def test_a_message_cannot_break_out_of_its_event() -> None:
    denied = Denied(code="upstream_error", message='x"}\n\ndata: [DONE]\r\n\r\n\u2028')
    for dialect in ("openai", "anthropic"):
        text = render_stream_failure(dialect, denied, "req-1", "gen-1", "m")
        assert b"\n" not in text.split(b"data: ", 1)[1][:-2]
        assert b"\r" not in text


@pytest.mark.parametrize("key", KEYS.values(), ids=KEYS)
@pytest.mark.parametrize("place", PLACES)
def test_keys_of_all_vendors_are_taken_out_wherever_they_stand(key: str, place: str) -> None:
    text = scrub(place.format(key, key))
    assert "MARKER" not in text
    assert "[redacted]" in text


@pytest.mark.parametrize("text", HARMLESS)
def test_a_message_without_a_key_stays_readable(text: str) -> None:
    assert scrub(text) == text


@pytest.mark.parametrize(
    "text",
    [
        "Authorization: Bearer MARKERwithoutanyshape",
        "bearer\tMARKER.without/any+shape==",
        "GET /v1/models?key=MARKERx HTTP/1.1",
        "wss://x.test/?a=1&access_token=MARKER%20x",
    ],
)
def test_a_credential_without_a_shape_is_known_by_what_stands_before_it(text: str) -> None:
    assert "MARKER" not in scrub(text)


def test_our_own_credential_is_taken_out_whatever_its_shape() -> None:
    assert scrub("you sent MARKER pass+word/=, I want another", ("MARKER pass+word/=",)) == "you sent [redacted], I want another"
    assert scrub("nothing", ("",)) == "nothing"


@pytest.mark.parametrize(
    "spelt",
    [
        "MARKER/pass+word=x",
        "MARKER\\/pass+word=x",
        "MARKER/pass\\u002Bword\\u003dx",
        "MARKER%2Fpass%2bword%3Dx",
        "".join(f"\\u{ord(letter):04x}" for letter in "MARKER/pass+word=x"),
    ],
)
def test_our_own_credential_is_known_in_every_spelling_of_json_and_urls(spelt: str) -> None:
    assert scrub(f'{{"message":"you sent {spelt}."}}', ("MARKER/pass+word=x",)) == '{"message":"you sent [redacted]."}'


@pytest.mark.parametrize(
    "text", ["\\" * 64_000, "bearer" + " " * 64_000, "sk-" * 20_000, "M" * 64_000, "MARKER/" * 9000, "?key=" * 12_000, "%4d" * 20_000]
)
def test_no_text_takes_long_to_clean(text: str) -> None:
    began = time.process_time()
    scrub(text, ("MARKER/pass+word=x",))
    assert time.process_time() - began < 0.5


def test_a_long_message_is_cut_between_words_so_that_no_half_of_a_key_is_left() -> None:
    for before in range(1950, 2010):
        body = json.dumps({"error": {"message": "w" * before + " key=MARKER-of-no-known-shape-whatever " + "w " * 5000}}).encode()
        message = read_failure(body)[0] or ""
        assert len(message) <= 2000
        assert "MARKER" not in scrub(message, ("MARKER-of-no-known-shape-whatever",))
        assert "key=M" not in message or "whatever" in message
    assert read_failure(json.dumps({"error": "x" * 3000}).encode())[0] is None
    assert read_failure(json.dumps({"error": "x" * 2000}).encode())[0] == "x" * 2000


@pytest.mark.parametrize(
    ("body", "read"),
    [
        (b'{"error":{"message":"m","code":"c","type":"t","param":"p"}}', ("m", "c", "p")),
        (b'{"error":{"message":"m","code":null,"type":"t","param":null}}', ("m", "t", None)),
        (b'{"error":{"message":"m","code":429}}', ("m", None, None)),
        (
            b'{"type":"error","error":{"type":"overloaded_error","message":"Overloaded"},"request_id":"r"}',
            ("Overloaded", "overloaded_error", None),
        ),
        (b'{"error":"plain"}', ("plain", None, None)),
        (b'{"message":"top"}', ("top", None, None)),
        (b'{"detail":"fastapi"}', ("fastapi", None, None)),
        (b'{"detail":[{"loc":["body"],"msg":"x"}]}', (None, None, None)),
        (b'{"error":{"message":{"a":1}}}', (None, None, None)),
        (b'{"error":[]}', (None, None, None)),
        (b'{"error":{}}', (None, None, None)),
        (b'{"error":null}', (None, None, None)),
        (b"{}", (None, None, None)),
        (b"[]", (None, None, None)),
        (b"null", (None, None, None)),
        (b"", (None, None, None)),
        (b"<html>502 Bad Gateway</html>", (None, None, None)),
        (b'{"error":{"message":"\xff"}}', (None, None, None)),
        (b'{"error":' + b"[" * 100_000, (None, None, None)),
        (b'{"error":{"message":"m","code":1e999}}', (None, None, None)),
    ],
)
def test_an_upstreams_error_is_read_in_any_shape_and_never_fails(body: bytes, read: tuple[str | None, ...]) -> None:
    assert read_failure(body) == read


@pytest.mark.parametrize("text", PRIVATE_KEYS.values(), ids=PRIVATE_KEYS)
@pytest.mark.parametrize(
    "spell",
    [str, lambda text: json.dumps({"private_key": text, "other": 1}), lambda text: json.dumps({"error": json.dumps({"key": text})}), quote],
    ids=["as it is", "JSON", "JSON in JSON", "percent"],
)
def test_a_private_key_is_taken_out_whoever_s_it_is(text: str, spell: Callable[[str], str]) -> None:
    assert "MARK" not in scrub(f"before: {spell(text)}")
    assert scrub(f"before: {spell(text)}").startswith("before: ")


def test_a_public_certificate_and_words_about_keys_stay() -> None:
    text = "Use -----BEGIN CERTIFICATE----- MIIDdzCCAl+gAwIBAgIEAgAAuTANBgkqhkiG9w0BAQUFADBa -----END CERTIFICATE-----, not a PRIVATE KEY."
    assert scrub(text) == text


def test_a_long_secret_is_looked_for_in_a_long_text_in_no_time() -> None:
    """Its pattern would take a tenth of a second to compile, and milliseconds to look for."""
    text, secret = '{"message": "\\u0041 %41"}' * 600, "".join(secrets.token_urlsafe(90) for _ in range(10))
    scrub(text, (secrets.token_urlsafe(1200),))
    started_s = time.perf_counter()
    scrub(text, (secret,))
    assert time.perf_counter() - started_s < 0.05
    spelt = "".join(f"\\u{ord(letter):04x}" for letter in secret)
    assert scrub(f"{text}{spelt}.", (secret,)) == f"{text}[redacted]."


def test_a_secret_that_ends_as_an_escape_begins_is_gone_to_its_last_letter() -> None:
    secret = "MARKER-menu"
    for spelt in ("".join(f"\\u{ord(letter):04x}" for letter in secret), secret, "".join(f"%{ord(letter):02x}" for letter in secret)):
        assert scrub(f"it said {spelt}.", (secret,)) == "it said [redacted]."


@pytest.mark.parametrize(
    ("event", "status"),
    [
        ({"error": {"message": "m", "type": "server_error"}}, 502),
        ({"error": {"message": "m", "type": "rate_limit_error"}}, 429),
        ({"error": {"message": "m", "code": 429}}, 429),
        ({"error": {"message": "m", "code": "503", "type": "server_error"}}, 503),
        ({"error": {"message": "m", "type": "invalid_request_error", "status_code": 400}}, 502),
        ({"error": {"message": "m", "type": "tokens", "code": "rate_limit_exceeded"}}, 429),
        ({"error": {"message": "m", "code": "insufficient_quota"}}, 429),
        ({"error": {"code": 503, "message": "m", "status": "UNAVAILABLE"}}, 503),
        ([{"error": {"message": "m", "status": "RESOURCE_EXHAUSTED"}}], 429),
        ({"error": {"message": "m", "status": "DEADLINE_EXCEEDED"}}, 504),
        ({"type": "error", "error": {"type": "overloaded_error", "message": "m"}}, 529),
        ({"type": "error", "error": {"type": "timeout_error", "message": "m"}}, 504),
        ({"type": "error", "error": {"type": "authentication_error", "message": "m"}}, 401),
        ({"type": "error", "error": {"type": "billing_error", "message": "m"}}, 402),
        ({"type": "error", "error": {"type": "permission_error", "message": "m"}}, 403),
        ({"type": "error", "code": "rate_limit_exceeded", "message": "m"}, 429),
        ({"type": "response.failed", "response": {"error": {"code": "server_error", "message": "m"}}}, 502),
        ({"error": {"message": "m", "code": "throttlingException", "status_code": 429}}, 429),
        ({"error": {"message": "m", "code": "modelTimeoutException"}}, 504),
        ({"error": {"message": "m", "code": 1e400}}, 502),
        ({"error": {"message": "m", "code": True}}, 502),
        ({"error": "text"}, 502),
        ({}, 502),
        (None, 502),
    ],
)
def test_an_error_in_a_stream_stands_for_a_status(event: Any, status: int) -> None:
    assert read_status(json.dumps(event).encode()) == status


def test_a_status_is_told_or_not() -> None:
    assert read_status_told(b'{"error":{"code":400}}') == 400
    assert read_status_told(b'{"error":{"code":"server_error"}}') is None
    assert read_status_told(b"nothing") is None
