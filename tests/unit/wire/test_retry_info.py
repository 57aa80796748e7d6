"""The wait in a refusal's body."""

import json

import pytest

from anyrouter.wire.retry_info import read_retry_delay

KIND = "type.googleapis.com/google.rpc.RetryInfo"


def refusal(*details: object) -> dict:
    return {"error": {"code": 429, "status": "RESOURCE_EXHAUSTED", "message": "Quota exceeded.", "details": list(details)}}


@pytest.mark.parametrize(("text", "seconds"), [("12s", 12.0), ("0.847655010s", 0.84765501), ("0s", 0.0)])
def test_the_duration_is_read_from_an_object_and_from_a_streams_array(text: str, seconds: float) -> None:
    said = refusal({"@type": "type.googleapis.com/google.rpc.Help"}, {"@type": KIND, "retryDelay": text})
    assert read_retry_delay(json.dumps(said).encode()) == seconds
    assert read_retry_delay(json.dumps([said]).encode()) == seconds


@pytest.mark.parametrize("text", ["12", "-1s", "1e3s", "12s ", "", "\u0661s", 12, None, "9999999999s"])
def test_what_is_no_duration_asks_for_nothing(text: object) -> None:
    assert read_retry_delay(json.dumps(refusal({"@type": KIND, "retryDelay": text})).encode()) is None


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b'"retryDelay"',
        b'{"error": {"details": {"retryDelay": "1s"}}}',
        b'{"error": "retryDelay", "retryDelay": "1s"}',
        b'[["retryDelay"], null]',
        b'{"error": {"details": [{"@type": "other", "retryDelay": "1s"}, "retryDelay", 3]}}',
        b'{"retryDelay": ' + b"[" * 60_000,
    ],
)
def test_any_other_text_asks_for_nothing(body: bytes) -> None:
    assert read_retry_delay(body) is None
