"""Credentials by kind."""

import pytest

from anyrouter.core.provider import AuthKind
from anyrouter.providers.credential import find_credential, judge_credential
from anyrouter.providers.registry import PROVIDERS
from anyrouter.providers.sigv4 import read_credential

BEDROCK, VERTEX, OPENAI, LOCAL = (PROVIDERS[name] for name in ("aws", "google-vertex", "openai", "ollama"))
ACCESS_KEY = '{"access_key_id": "a", "secret_access_key": "b"}'


@pytest.mark.parametrize(
    ("provider", "text", "kind"),
    [
        (OPENAI, "sk-x", AuthKind.HEADER),
        (OPENAI, "", None),
        (OPENAI, ACCESS_KEY, None),
        (LOCAL, "", AuthKind.NONE),
        (LOCAL, "token", AuthKind.HEADER),
        (BEDROCK, "bedrock-api-key-x", AuthKind.HEADER),
        (BEDROCK, ACCESS_KEY, AuthKind.SIGV4),
        (BEDROCK, f"\n{ACCESS_KEY}", AuthKind.SIGV4),
        (BEDROCK, "", None),
        (VERTEX, '{"type": "service_account"}', AuthKind.SERVICE_ACCOUNT),
        (VERTEX, "AIza-x", None),
    ],
)
def test_a_credentials_text_says_how_the_provider_is_asked_with_it(provider, text: str, kind: AuthKind | None) -> None:
    assert judge_credential(provider, text) is kind


def test_an_access_key_is_found_where_the_clouds_own_tools_find_it() -> None:
    environ = {"AWS_ACCESS_KEY_ID": "id", "AWS_SECRET_ACCESS_KEY": "secret", "AWS_SESSION_TOKEN": "token"}
    text = find_credential(BEDROCK, environ)
    assert text is not None
    credential = read_credential(text)
    assert (credential.access_key_id, credential.secret_access_key.reveal()) == ("id", "secret")
    assert credential.session_token is not None
    assert find_credential(BEDROCK, environ | {"AWS_BEARER_TOKEN_BEDROCK": "key"}) == "key"


def test_a_lasting_access_key_has_no_session_token() -> None:
    text = find_credential(BEDROCK, {"AWS_ACCESS_KEY_ID": "id", "AWS_SECRET_ACCESS_KEY": "secret", "AWS_SESSION_TOKEN": ""})
    assert text is not None
    assert read_credential(text).session_token is None


@pytest.mark.parametrize("environ", [{}, {"AWS_ACCESS_KEY_ID": "id"}, {"AWS_SECRET_ACCESS_KEY": "s"}, {"OPENAI_API_KEY": "x"}])
def test_half_a_credential_is_none(environ: dict[str, str]) -> None:
    assert find_credential(BEDROCK, environ) is None


def test_a_provider_without_variables_finds_nothing() -> None:
    assert find_credential(LOCAL, {"": "x"}) is None
