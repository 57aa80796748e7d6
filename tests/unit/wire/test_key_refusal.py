"""A refusal with status 400 that is about the API key."""

import json

import pytest

from anyrouter.wire.key_refusal import refuses_key

INFO = {"@type": "type.googleapis.com/google.rpc.ErrorInfo", "reason": "API_KEY_INVALID", "domain": "googleapis.com"}


def refusal(*details: object, message: str = "API key not valid. Please pass a valid API key.") -> dict:
    return {"error": {"code": 400, "status": "INVALID_ARGUMENT", "message": message, "details": list(details)}}


def test_it_is_said_by_an_object_and_by_a_streams_array() -> None:
    said = refusal({"@type": "type.googleapis.com/google.rpc.LocalizedMessage"}, INFO)
    assert refuses_key(json.dumps(said).encode())
    assert refuses_key(json.dumps([said]).encode())


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"API_KEY_INVALID",
        b'{"reason": "API_KEY_INVALID"}',
        b'["API_KEY_INVALID", null, {"error": "API_KEY_INVALID"}]',
        b'{"error": {"details": {"reason": "API_KEY_INVALID"}}}',
        json.dumps(refusal(message="Invalid value: API_KEY_INVALID")).encode(),
        json.dumps(refusal({**INFO, "reason": "OTHER"}, "API_KEY_INVALID")).encode(),
        json.dumps(refusal({**INFO, "@type": "type.googleapis.com/google.rpc.Help"})).encode(),
        b'{"error": "API_KEY_INVALID\xff"}',
        b'{"API_KEY_INVALID": ' + b"[" * 60_000,
    ],
)
def test_nothing_else_says_it_least_of_all_a_text_that_may_quote_the_request(body: bytes) -> None:
    assert not refuses_key(body)
