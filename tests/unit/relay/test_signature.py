"""Requests that are signed one by one, judged by the cloud's own client library."""

from datetime import UTC, datetime

import pytest

from anyrouter.core.authorization import OutgoingRequest
from anyrouter.providers.sigv4 import make_credential
from anyrouter.relay.signature import SigV4Authorization
from support.sigv4 import compute_signature, is_signed, read_authorization
from support.upstream import Received

NOW = datetime(2026, 11, 24, 23, 59, 59, tzinfo=UTC)
SECRET = "MARKER/secret+key"
SESSION = "MARKER-session=="
TARGETS = [
    "/model/anthropic.claude-3-haiku-20240307-v1%3A0/converse",
    "/model/arn%3Aaws%3Abedrock%3Aus-east-1%3A123456789012%3Ainference-profile%2Fus.a.b-v1%3A0/converse-stream",
    "/model/a@b~c-d_e.f/converse",
    "/gateway//v1/model/x/converse?b=2&a=1%2F2&c=",
    "/",
]


def send(authorization: SigV4Authorization, target: str, body: list[bytes | memoryview], now: datetime = NOW) -> Received:
    """The request as it would arrive."""
    lines = authorization.render(OutgoingRequest("POST", target, "bedrock-runtime.us-east-1.amazonaws.com", "application/json", body, now))
    assert lines.endswith(b"\r\n")
    added = dict(line.split(": ", 1) for line in lines.decode("latin-1").split("\r\n")[:-1])
    headers = {"host": "bedrock-runtime.us-east-1.amazonaws.com", "content-type": "application/json", "accept": "*/*", **added}
    return Received("POST", target, headers, b"".join(body))


@pytest.mark.parametrize("target", TARGETS)
@pytest.mark.parametrize("session", [None, SESSION])
def test_a_signature_is_the_one_that_the_clouds_own_library_computes(target: str, session: str | None) -> None:
    authorization = SigV4Authorization(make_credential("AKIDEXAMPLE", SECRET, session), region="us-east-1", service="bedrock")
    arrived = send(authorization, target, [b'{"messages":', memoryview(b"[]}")])
    assert is_signed(arrived, SECRET)
    assert not is_signed(arrived, "another")
    assert arrived.headers.get("x-amz-security-token") == session
    assert read_authorization(arrived)["Credential"] == "AKIDEXAMPLE/20261124/us-east-1/bedrock/aws4_request"
    assert arrived.headers["x-amz-date"] == "20261124T235959Z"


def test_a_request_without_a_body_is_signed_without_a_content_type() -> None:
    authorization = SigV4Authorization(make_credential("AKIDEXAMPLE", SECRET), region="us-east-1", service="bedrock")
    lines = authorization.render(OutgoingRequest("GET", "/async-invoke?maxResults=1", "h.test", "", (), NOW)).decode()
    added = dict(line.split(": ", 1) for line in lines.split("\r\n")[:-1])
    arrived = Received("GET", "/async-invoke?maxResults=1", {"host": "h.test", **added}, b"")
    assert read_authorization(arrived)["SignedHeaders"] == "host;x-amz-date"
    assert read_authorization(arrived)["Signature"] == compute_signature(arrived, SECRET)


async def test_there_is_nothing_to_prepare_and_nothing_to_see() -> None:
    authorization = SigV4Authorization(make_credential("AKIDEXAMPLE", SECRET, SESSION), region="us-east-1", service="bedrock")
    await authorization.prepare(0.0)
    authorization.reject()
    assert set(authorization.secrets) == {"AKIDEXAMPLE", SECRET, SESSION}
    assert "MARKER" not in repr(authorization)
