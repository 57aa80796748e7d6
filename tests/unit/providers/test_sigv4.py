"""Signatures, against Amazon's published suite."""

import json
from datetime import UTC, datetime, timedelta, timezone
from pathlib import Path
from typing import Any

import pytest

from anyrouter.providers.sigv4 import SignableRequest, Signer, UnreadableCredentialError, hash_payload, make_credential, read_credential

SUITE = json.loads((Path(__file__).with_name("sigv4_vectors.json")).read_text(encoding="utf-8"))
NOW = datetime.fromisoformat(SUITE["date"])
CASES = SUITE["cases"]


def make_signer(session_token: str | None = None, region: str = SUITE["region"], service: str = SUITE["service"]) -> Signer:
    return Signer(make_credential(SUITE["access_key_id"], SUITE["secret_access_key"], session_token), region=region, service=service)


def make_request(case: dict[str, Any]) -> SignableRequest:
    return SignableRequest(
        method=case["method"],
        path=case["path"],
        query=case["query"],
        headers=case["headers"],
        payload_hash=hash_payload([case["body"].encode()]),
    )


@pytest.mark.parametrize("case", CASES, ids=[case["name"] for case in CASES])
def test_a_request_of_the_published_suite_gets_its_published_signature(case: dict[str, Any]) -> None:
    token = case.get("session_token")
    added = make_signer(token).sign(make_request(case), NOW)
    assert added["authorization"] == case["authorization"]
    assert added["x-amz-date"] == "20150830T123600Z"
    assert added.get("x-amz-security-token") == token


def test_the_suite_is_whole() -> None:
    assert len(CASES) == 34
    assert len({case["authorization"] for case in CASES}) > 20


def test_a_model_in_a_path_is_encoded_once_for_the_request_and_once_more_for_the_signature() -> None:
    """The signature is the one that the cloud's own client makes for this request, at this time."""
    body = b'{"messages":[]}'
    request = SignableRequest(
        method="POST",
        path="/model/anthropic.claude-3-haiku-20240307-v1%3A0/converse",
        headers={"Host": "bedrock-runtime.us-east-1.amazonaws.com", "Content-Type": "application/json"},
        payload_hash=hash_payload([body]),
    )
    added = make_signer(service="bedrock").sign(request, NOW)
    assert added["authorization"].rpartition("=")[2] == "dba7f2f77cc33808be655f27b8ebf1d1b1d77751fc96dad0bd71e020cb07c442"


def test_a_body_in_parts_has_the_hash_of_the_whole() -> None:
    assert hash_payload([b"one ", memoryview(b"two")]) == hash_payload([b"one two"])
    assert hash_payload([]) == "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"


def test_a_signer_changes_its_key_with_the_day_in_utc_wherever_it_is() -> None:
    request = make_request(CASES[0])
    signer = make_signer()
    today = signer.sign(request, NOW)
    tomorrow = signer.sign(request, NOW + timedelta(days=1))
    assert "/20150831/" in tomorrow["authorization"]
    assert tomorrow == make_signer().sign(request, NOW + timedelta(days=1))
    assert signer.sign(request, NOW.astimezone(timezone(timedelta(hours=-13)))) == today


def test_every_part_of_a_request_changes_its_signature() -> None:
    def signature(**changes: Any) -> str:
        parts = {"method": "POST", "path": "/a", "query": "b=1", "headers": {"host": "h", "c": "d"}, "payload_hash": hash_payload([b"x"])}
        return make_signer().sign(SignableRequest(**{**parts, **changes}), NOW)["authorization"].rpartition("=")[2]

    changed = [
        signature(),
        signature(method="GET"),
        signature(path="/A"),
        signature(query="b=2"),
        signature(headers={"host": "h", "c": "e"}),
        signature(headers={"host": "h"}),
        signature(payload_hash=hash_payload([b"y"])),
    ]
    assert len(set(changed)) == len(changed)


@pytest.mark.parametrize(
    "text",
    [
        '{"access_key_id": "AKIDEXAMPLE", "secret_access_key": "MARKER/+=", "session_token": "TOKEN=="}',
        '{"aws_access_key_id": "AKIDEXAMPLE", "aws_secret_access_key": "MARKER/+=", "aws_session_token": "TOKEN=="}',
        '{"AccessKeyId": "AKIDEXAMPLE", "SecretAccessKey": "MARKER/+=", "SessionToken": "TOKEN==", "Expiration": "2030", "Version": 1}',
    ],
)
def test_a_credential_is_read_in_the_spellings_of_the_usual_tools(text: str) -> None:
    credential = read_credential(text)
    assert credential.access_key_id == "AKIDEXAMPLE"
    assert credential.secret_access_key.reveal() == "MARKER/+="
    assert credential.session_token is not None
    assert credential.session_token.reveal() == "TOKEN=="
    assert "MARKER" not in repr(credential)
    assert "TOKEN" not in repr(credential)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "MARKER",
        "[]",
        '{"access_key_id": "MARKER"}',
        '{"access_key_id": "", "secret_access_key": "MARKER"}',
        '{"access_key_id": "a", "secret_access_key": "MARKER\\nx: y"}',
        '{"access_key_id": "a\\r\\nMARKER", "secret_access_key": "b"}',
        '{"access_key_id": "a", "secret_access_key": "b", "session_token": "MARKER \\u20ac"}',
        '{"access_key_id": 1, "secret_access_key": "MARKER"}',
        "[" * 100_000,
        "\ud800",
    ],
)
def test_what_is_no_credential_is_refused_without_being_repeated(text: str) -> None:
    with pytest.raises(UnreadableCredentialError) as caught:
        read_credential(text)
    assert "MARKER" not in str(caught.value)


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        ('{"access_key_id": "a"}', "has no secret_access_key"),
        ('{"aws_secret_access_key": "a"}', "has no access_key_id"),
        ('{"access_key_id": 1, "secret_access_key": "b"}', "has an access_key_id that is not a text"),
        ('{"access_key_id": "a", "secret_access_key": "b c"}', "has a secret_access_key that is empty or not printable"),
        ('{"access_key_id": "a", "secret_access_key": "b", "session_token": ""}', "has a session_token that is empty"),
        ('{"access_key_id": "ASIAEXAMPLE", "secret_access_key": "b"}', "temporary access key .* and has no session_token"),
    ],
)
def test_what_is_wrong_with_a_credential_is_named(text: str, complaint: str) -> None:
    with pytest.raises(UnreadableCredentialError, match=complaint):
        read_credential(text)


def test_a_credential_knows_its_secrets() -> None:
    assert make_credential("a", "b").secrets == ("a", "b")
    assert make_credential("ASIA", "b", "c").secrets == ("ASIA", "b", "c")


def test_a_time_is_written_in_utc() -> None:
    assert make_signer().sign(make_request(CASES[0]), datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC))["x-amz-date"] == "20260102T030405Z"
