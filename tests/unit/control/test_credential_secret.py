"""Attack cases, J: what may be entered as a credential, and what is shown of it afterwards."""

import json
from typing import Any

import pytest

from anyrouter.control.credential_secret import MAX_LENGTH, make_label, read_secret
from anyrouter.core.errors import ClientError
from anyrouter.core.provider import AuthKind
from anyrouter.providers.registry import PROVIDERS
from support.service_account import KEY_ID, PROJECT, key_file

KEY = "sk-MARKER-credential-of-a-tenant-AbCd"
AWS = {"access_key_id": "AKIAMARKERMARKERWXYZ", "secret_access_key": "MARKER/secret+access/key"}


def test_an_api_key_is_taken_as_it_is() -> None:
    entered = read_secret(PROVIDERS["openai"], KEY)
    assert (entered.text, entered.kind, entered.label, entered.variables) == (KEY, AuthKind.HEADER, "sk-…AbCd", {})
    assert "MARKER" not in repr(entered)


@pytest.mark.parametrize("value", [AWS, json.dumps(AWS, indent=2), {f"aws_{name}": value for name, value in AWS.items()}])
def test_an_access_key_is_taken_as_an_object_or_as_its_text(value: Any) -> None:
    entered = read_secret(PROVIDERS["aws"], value)
    assert (json.loads(entered.text), entered.kind, entered.label) == (AWS, AuthKind.SIGV4, "…WXYZ")
    assert read_secret(PROVIDERS["aws"], "bedrock-MARKER-api-key-1234").kind is AuthKind.HEADER


def test_a_service_account_s_key_is_taken_and_tells_its_project() -> None:
    text = key_file("https://oauth2.googleapis.com/token")
    for value in (text, json.loads(text)):
        entered = read_secret(PROVIDERS["google-vertex"], value)
        assert json.loads(entered.text) == json.loads(text)
        assert (entered.kind, entered.variables) == (AuthKind.SERVICE_ACCOUNT, {"project": PROJECT})
        assert KEY_ID not in entered.label


def test_a_service_account_that_buys_its_tokens_elsewhere_is_refused() -> None:
    for address in (
        "https://tokens.example.org/token",
        "http://oauth2.googleapis.com/token",
        "https://oauth2.googleapis.com@evil.example/",
    ):
        with pytest.raises(ClientError, match="token_uri"):
            read_secret(PROVIDERS["google-vertex"], key_file(address))


@pytest.mark.parametrize(
    ("provider", "value"),
    [
        *(("openai", f"sk-MARKER{letter}x") for letter in ("\n", "\r\n", " ", "\t", "\0", "\x7f", "é", "\u200b", "\u00a0", "\ud800")),
        ("openai", "sk-MARKER-key\n"),
        ("openai", " sk-MARKER-key"),
        ("openai", "sk-MARKER\r\nHost: evil.example"),
        ("openai", ""),
        ("openai", "x" * 8193),
        ("openai", "x" * (MAX_LENGTH + 1)),
        ("openai", AWS),
        ("openai", {}),
        ("openai", {"key": "MARKER"}),
        ("openai", {"key": object()}),
        ("aws", {"access_key_id": "MARKER"}),
        ("aws", AWS | {"secret_access_key": "MARKER with space"}),
        ("aws", AWS | {"secret_access_key": ["MARKER"]}),
        ("aws", AWS | {"access_key_id": "ASIAMARKER"}),
        ("google-vertex", KEY),
        ("google-vertex", AWS),
        ("google-vertex", {"type": "service_account", "client_email": "MARKER", "private_key": "MARKER"}),
    ],
)
def test_what_is_no_credential_is_refused_without_being_repeated(provider: str, value: Any) -> None:
    with pytest.raises(ClientError) as caught:
        read_secret(PROVIDERS[provider], value)
    denied = caught.value.denied
    assert (denied.http_status, denied.param) == (422, "key")
    assert "MARKER" not in f"{denied}{caught.value.internal}"
    assert caught.value.__cause__ is None


@pytest.mark.parametrize(
    ("text", "label"),
    [
        ("sk-0123456789abcdefAbCd", "sk-…AbCd"),
        ("sk-ant-api03-0123456789AbCd", "sk-…AbCd"),
        ("gsk_0123456789abcdefAbCd", "gsk_…AbCd"),
        ("0123456789abcdef0123AbCd", "…AbCd"),
        ("0123456789abcdef012", "…"),
        ("sk-short", "…"),
        ("", "…"),
        ("abcdefgh-0123456789AbCd", "…AbCd"),
    ],
)
def test_a_label_shows_at_most_the_kind_and_the_last_four_letters_of_a_long_one(text: str, label: str) -> None:
    assert make_label(text) == label
