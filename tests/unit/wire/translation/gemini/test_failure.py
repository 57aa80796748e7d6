"""Errors in the words of Google's API."""

import json

import pytest

from anyrouter.core.errors import CODES, Denied
from anyrouter.wire.translation.gemini.failure import render_error


@pytest.mark.parametrize(
    ("code", "status", "word"),
    [
        ("invalid_parameter", 400, "INVALID_ARGUMENT"),
        ("invalid_api_key", 401, "UNAUTHENTICATED"),
        ("insufficient_credits", 402, "FAILED_PRECONDITION"),
        ("model_not_allowed", 403, "PERMISSION_DENIED"),
        ("model_not_found", 404, "NOT_FOUND"),
        ("unprocessable", 422, "INVALID_ARGUMENT"),
        ("rate_limited", 429, "RESOURCE_EXHAUSTED"),
        ("internal_error", 500, "INTERNAL"),
        ("no_healthy_upstream", 503, "UNAVAILABLE"),
        ("upstream_timeout", 504, "DEADLINE_EXCEEDED"),
    ],
)
def test_a_status_has_its_word(code: str, status: int, word: str) -> None:
    error = json.loads(render_error(Denied(code=code, message="No."), "req-1"))["error"]
    assert (error["code"], error["status"], error["message"]) == (status, word, "No.")


def test_every_code_of_ours_has_one() -> None:
    for code in CODES:
        error = json.loads(render_error(Denied(code=code, message="No."), "req-1"))["error"]
        assert error["status"].isupper()
        assert error["details"][0]["metadata"]["code"] == code


def test_details_say_what_else_is_known() -> None:
    denied = Denied(code="rate_limited", message="Slow.", param="contents", retry_after_s=2.5, metadata={"limit": 5})
    details = {one["@type"].rpartition(".")[2]: one for one in json.loads(render_error(denied, "req-1"))["error"]["details"]}
    assert details["ErrorInfo"]["reason"] == "RATE_LIMITED"
    assert details["ErrorInfo"]["metadata"] == {
        "request_id": "req-1",
        "code": "rate_limited",
        "type": "rate_limit_error",
        "param": "contents",
    }
    assert details["BadRequest"]["fieldViolations"] == [{"field": "contents", "description": "Slow."}]
    assert details["RetryInfo"]["retryDelay"] == "2.5s"
    assert details["Struct"]["value"] == {"limit": 5}
