"""What a provider says of itself: what is used, what is refused; and how often it is asked."""

import json
from collections.abc import Mapping
from typing import Any

import pytest

from anyrouter.control.identity_provider import (
    KEPT_S,
    MOST_A_MINUTE,
    IdentityProvider,
    ProviderHttp,
    read_configuration,
    read_keys,
    read_tokens,
)
from anyrouter.core.errors import ClientError
from anyrouter.core.secret import Secret
from anyrouter.policy.sign_on import SignOnRules

ISSUER = "https://id.example.org"
GOOD = {
    "issuer": ISSUER,
    "authorization_endpoint": f"{ISSUER}/authorize",
    "token_endpoint": f"{ISSUER}/token",
    "jwks_uri": f"{ISSUER}/keys",
}
RULES = SignOnRules(issuer=ISSUER, client_id="any router", name="ID")


def read(issuer: str = ISSUER, **changes: Any) -> Any:
    found = {name: value for name, value in {**GOOD, **changes}.items() if value is not None}
    return read_configuration(200, json.dumps(found).encode(), issuer)


def test_what_it_leaves_out_is_what_the_standard_says() -> None:
    found = read()
    assert (found.userinfo_endpoint, found.algorithms, found.token_auth_methods) == (None, None, ("client_secret_basic",))
    assert not found.is_naming_itself


@pytest.mark.parametrize(
    "changes",
    [
        {"issuer": f"{ISSUER}/"},
        {"issuer": None},
        {"token_endpoint": None},
        {"token_endpoint": "http://id.example.org/token"},
        {"token_endpoint": "https://user:password@id.example.org/token"},
        {"token_endpoint": "https:///token"},
        {"token_endpoint": "https://id.example.org:0/"},
        {"token_endpoint": "https://id.example.org:x/"},
        {"token_endpoint": "https://id.example.org/\r\nHost: evil"},
        {"authorization_endpoint": "javascript:alert(1)"},
        {"jwks_uri": "file:///etc/passwd"},
        {"jwks_uri": ["https://id.example.org/keys"]},
        {"userinfo_endpoint": "https://id.example.org/#x"},
        {"code_challenge_methods_supported": ["plain"]},
    ],
    ids=str,
)
def test_what_cannot_be_used_is_refused_as_the_providers_fault(changes: dict[str, Any]) -> None:
    with pytest.raises(ClientError) as caught:
        read(**changes)
    assert caught.value.code == "upstream_error"


@pytest.mark.parametrize(("status", "body"), [(404, b"{}"), (200, b""), (200, b"[]"), (200, b"\xff"), (200, b"[" * 100_000)])
def test_what_is_no_configuration_and_no_keys_is_refused(status: int, body: bytes) -> None:
    for reader in (lambda: read_configuration(status, body, ISSUER), lambda: read_keys(status, body), lambda: read_tokens(status, body)):
        with pytest.raises(ClientError) as caught:
            reader()
        assert caught.value.code == "upstream_error"


class Provider(ProviderHttp):
    """Counts what it is asked."""

    def __init__(self, **configuration: Any) -> None:
        self.configuration, self.asked = {**GOOD, **configuration}, list[str]()
        self.posted: list[tuple[Mapping[str, str], str]] = []

    async def get(self, url: str, *, authorization: Secret | None = None) -> tuple[int, bytes]:
        self.asked.append(url)
        assert authorization is None
        return 200, json.dumps({"keys": [{"kty": "RSA"}], **self.configuration}).encode()

    async def post(self, url: str, fields: Mapping[str, str], *, authorization: Secret | None = None) -> tuple[int, bytes]:
        self.asked.append(url)
        self.posted.append((fields, "" if authorization is None else authorization.reveal()))
        return 200, b'{"id_token": "t", "access_token": "a"}'


async def test_keys_are_kept_for_an_hour_and_read_anew_a_few_times_a_minute() -> None:
    now_s, http = 0.0, Provider()
    provider = IdentityProvider(http, RULES, None, monotonic=lambda: now_s)
    for _ in range(5):
        await provider.find_keys()
    assert http.asked.count(GOOD["jwks_uri"]) == 1
    for _ in range(50):
        await provider.find_keys(is_fresh=True)
    assert http.asked.count(GOOD["jwks_uri"]) == MOST_A_MINUTE, "whoever invents key ids has no more of them made"
    now_s = KEPT_S
    await provider.find_keys()
    assert http.asked.count(GOOD["jwks_uri"]) == MOST_A_MINUTE + 1
    assert len([url for url in http.asked if url.endswith("openid-configuration")]) == 2


@pytest.mark.parametrize(
    ("methods", "secret", "fields", "authorization"),
    [
        (None, "s:e", {}, "Basic YW55JTIwcm91dGVyOnMlM0Fl"),  # each encoded, then both together (RFC 6749, section 2.3.1)
        (["client_secret_post"], "s", {"client_id": "any router", "client_secret": "s"}, ""),
        (["client_secret_post", "client_secret_basic"], "s", {}, "Basic YW55JTIwcm91dGVyOnM="),
        (["private_key_jwt"], "s", {}, "Basic YW55JTIwcm91dGVyOnM="),
        (None, None, {"client_id": "any router"}, ""),
    ],
)
async def test_a_client_shows_itself_as_the_provider_wants_it(
    methods: list[str] | None, secret: str | None, fields: dict[str, str], authorization: str
) -> None:
    http = Provider(**({} if methods is None else {"token_endpoint_auth_methods_supported": methods}))
    provider = IdentityProvider(http, RULES, None if secret is None else Secret(secret))
    assert await provider.redeem("code", "verifier", "https://here/sso/callback") == ("t", "a")
    sent, header = http.posted[0]
    expected = {
        "grant_type": "authorization_code",
        "code": "code",
        "redirect_uri": "https://here/sso/callback",
        "code_verifier": "verifier",
    }
    assert (dict(sent), header) == ({**expected, **fields}, authorization)
