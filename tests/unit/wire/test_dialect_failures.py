"""Failures in the words of Responses and Gemini, and what Google, Amazon and Responses say of theirs."""

import json

import pytest
from google.genai.errors import APIError

from anyrouter.core.errors import CODES, Denied
from anyrouter.wire.failure import error_object, read_failure, render_failure, render_stream_failure
from anyrouter.wire.translation.gemini.failure import error_object as gemini_error
from support.streams import read_events


def denied_of(code: str) -> Denied:
    return Denied(code=code, message='Because "x"\n\ndata: [DONE]', param="p", metadata={"provider_name": "X"}, retry_after_s=2.0)


@pytest.mark.parametrize("code", CODES)
def test_responses_has_the_envelope_of_openai_and_an_error_event(code: str) -> None:
    denied = denied_of(code)
    assert render_failure("responses", denied, "req-1") == render_failure("openai", denied, "req-1")
    text = render_stream_failure("responses", denied, "req-1", "gen-1", "m")
    assert text.startswith(b"event: error\ndata: {")
    (event,) = read_events(text)
    assert event["error"] == error_object(denied, "req-1")
    assert {name: event[name] for name in ("type", "code", "message", "param", "sequence_number")} == {
        "type": "error",
        "code": code,
        "message": denied.message,
        "param": "p",
        "sequence_number": 0,
    }


@pytest.mark.parametrize("code", CODES)
def test_gemini_has_googles_status_and_a_chunk_that_is_one(code: str) -> None:
    denied = denied_of(code)
    told = json.loads(render_failure("gemini", denied, "req-1"))
    assert told == {"error": json.loads(json.dumps(gemini_error(denied, "req-1")))}
    assert (told["error"]["code"], told["error"]["message"]) == (CODES[code].status, denied.message)
    assert told["error"]["details"][0]["metadata"]["code"] == code
    text = render_stream_failure("gemini", denied, "req-1", "gen-1", "m")
    assert text.startswith(b"data: {")
    assert read_events(text) == [told]
    error = APIError(CODES[code].status, told)
    assert (error.code, error.status, error.message) == (CODES[code].status, told["error"]["status"], denied.message)


@pytest.mark.parametrize("dialect", ["responses", "gemini"])
def test_a_message_cannot_break_out_of_its_event(dialect: str) -> None:
    text = render_stream_failure(dialect, denied_of("upstream_error"), "req-1", "gen-1", "m")
    assert len(read_events(text)) == 1


GOOGLE = {"code": 400, "message": "Bad.", "status": "INVALID_ARGUMENT"}
VIOLATIONS = {"@type": "type.googleapis.com/google.rpc.BadRequest", "fieldViolations": [{"field": "contents[0]", "description": "x"}]}


@pytest.mark.parametrize(
    ("body", "read"),
    [
        ({"error": GOOGLE}, ("Bad.", "INVALID_ARGUMENT", None)),
        ([{"error": GOOGLE}], ("Bad.", "INVALID_ARGUMENT", None)),
        ({"error": {**GOOGLE, "details": [{"@type": "x"}, VIOLATIONS]}}, ("Bad.", "INVALID_ARGUMENT", "contents[0]")),
        ({"error": {**GOOGLE, "details": [{"fieldViolations": [5]}, 5]}}, ("Bad.", "INVALID_ARGUMENT", None)),
        ({"error": {**GOOGLE, "details": "x"}}, ("Bad.", "INVALID_ARGUMENT", None)),
        ({"error": {**GOOGLE, "status": "RESOURCE_EXHAUSTED"}}, ("Bad.", "rate_limit_exceeded", None)),
        ({"error": {**GOOGLE, "status": "UNAVAILABLE"}}, ("Bad.", "overloaded_error", None)),
        (
            {"error": {**GOOGLE, "message": "The input token count (9) exceeds the maximum number of tokens allowed (8)."}},
            ("The input token count (9) exceeds the maximum number of tokens allowed (8).", "context_length_exceeded", None),
        ),
        ({"message": "Too many requests."}, ("Too many requests.", None, None)),
        ({"Message": "User is not authorized."}, ("User is not authorized.", None, None)),
        ({"__type": "ThrottlingException", "message": "x"}, ("x", "rate_limit_exceeded", None)),
        ({"__type": "com.amazon.coral#ServiceUnavailableException:http://x/", "message": "x"}, ("x", "overloaded_error", None)),
        ({"__type": "com.amazon.coral.service#UnknownOperationException"}, (None, "UnknownOperationException", None)),
        ({"__type": 5, "message": 5}, (None, None, None)),
        (
            {"message": "Input is too long for requested model."},
            ("Input is too long for requested model.", "context_length_exceeded", None),
        ),
        ({"type": "error", "code": "server_error", "message": "Oh.", "param": "x", "sequence_number": 3}, ("Oh.", "server_error", "x")),
        ({"type": "error", "error": {"type": "t", "code": "c", "message": "Oh."}}, ("Oh.", "c", None)),
        (
            {"type": "response.failed", "response": {"error": {"code": "rate_limit_exceeded", "message": "Oh."}}},
            ("Oh.", "rate_limit_exceeded", None),
        ),
        ({"type": "response.failed", "response": {"error": None}}, (None, None, None)),
        ({"type": "response.failed", "response": 5}, (None, None, None)),
        ({"type": "error", "error": {"type": "overloaded_error", "message": "Overloaded"}}, ("Overloaded", "overloaded_error", None)),
        ([], (None, None, None)),
        ([5], (None, None, None)),
    ],
)
def test_an_upstreams_words_are_read_whoever_it_is(body: object, read: tuple[str | None, ...]) -> None:
    assert read_failure(json.dumps(body).encode()) == read
