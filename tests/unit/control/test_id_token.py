"""ID tokens of every algorithm that providers sign with, and what is refused whatever the signature. Signed by the library's other half."""

from typing import Any

import pytest
from joserfc import jwt
from joserfc.jwk import ECKey, OctKey, OKPKey, RSAKey
from joserfc.jws import JWSRegistry

from anyrouter.control.id_token import (
    LEEWAY_S,
    Claims,
    Expected,
    TokenRefusedError,
    UnknownKeyError,
    read_claims,
    read_id_token,
)

NOW_S = 1_800_000_000
ISSUER = "https://id.example.org"
RSA = RSAKey.generate_key(2048)
CURVES = {"ES256": "P-256", "ES384": "P-384", "ES512": "P-521"}
CLAIMS = {"iss": ISSUER, "sub": "ada", "aud": "anyrouter", "exp": NOW_S + 300, "iat": NOW_S, "nonce": "n"}
EVERY = JWSRegistry(algorithms=list(JWSRegistry.algorithms), strict_check_header=False)

pytestmark = pytest.mark.filterwarnings("ignore::joserfc.errors.SecurityWarning")  # of what these tests make on purpose


def expected(**changes: Any) -> Expected:
    return Expected(**{"issuer": ISSUER, "client_id": "anyrouter", "nonce": "n", "now_s": NOW_S, **changes})


def sign(key: Any, algorithm: str, header: dict[str, Any] | None = None, **claims: Any) -> str:
    return jwt.encode({"alg": algorithm, "kid": "k", **(header or {})}, {**CLAIMS, **claims}, key, registry=EVERY)


def publish(key: Any, **changes: Any) -> dict[str, Any]:
    return {**key.as_dict(private=False), "kid": "k", **changes}


@pytest.mark.parametrize("algorithm", ["RS256", "RS384", "RS512", "PS256", "PS384", "PS512", "ES256", "ES384", "ES512", "EdDSA"])
def test_what_a_published_key_has_signed_is_read(algorithm: str) -> None:
    if algorithm in CURVES:
        key: Any = ECKey.generate_key(CURVES[algorithm])
    else:
        key = OKPKey.generate_key("Ed25519") if algorithm == "EdDSA" else RSA
    assert read_id_token(sign(key, algorithm), [publish(key)], expected())["sub"] == "ada"


def test_a_shared_secret_signs_nothing_even_if_it_is_published() -> None:
    key = OctKey.generate_key(256)
    with pytest.raises(TokenRefusedError, match="not allowed"):
        read_id_token(sign(key, "HS256"), [{"kty": "oct", "kid": "k", "k": key.as_dict()["k"]}], expected())


def test_an_algorithm_that_the_provider_does_not_announce_is_refused() -> None:
    with pytest.raises(TokenRefusedError, match="not allowed"):
        read_id_token(sign(RSA, "RS512"), [publish(RSA)], expected(algorithms=["RS256"]))


def test_a_short_key_is_refused() -> None:
    weak = RSAKey.generate_key(1024)
    with pytest.raises(TokenRefusedError, match="shorter than 2048"):
        read_id_token(sign(weak, "RS256"), [publish(weak)], expected())


@pytest.mark.parametrize(
    "keys", [[], [{"kty": "RSA", "kid": "other"}], [publish(RSA, use="enc")], [publish(RSA, alg="RS512")], [publish(RSA, kty="EC")]]
)
def test_a_key_that_is_not_for_this_is_none(keys: list[dict[str, Any]]) -> None:
    with pytest.raises(UnknownKeyError):
        read_id_token(sign(RSA, "RS256"), keys, expected())


def test_without_a_key_id_there_must_be_no_choice() -> None:
    nameless = jwt.encode({"alg": "RS256"}, CLAIMS, RSA)
    assert read_id_token(nameless, [publish(RSA)], expected())["sub"] == "ada"
    with pytest.raises(UnknownKeyError):
        read_id_token(nameless, [publish(RSA), publish(RSA, kid="other")], expected())


def test_clocks_may_differ_by_a_minute_and_no_more() -> None:
    assert read_id_token(sign(RSA, "RS256"), [publish(RSA)], expected(now_s=NOW_S - LEEWAY_S))
    with pytest.raises(TokenRefusedError, match="iat"):
        read_id_token(sign(RSA, "RS256"), [publish(RSA)], expected(now_s=NOW_S - LEEWAY_S - 1))
    assert read_id_token(sign(RSA, "RS256"), [publish(RSA)], expected(now_s=NOW_S + 300 + LEEWAY_S - 1))
    with pytest.raises(TokenRefusedError, match="exp"):
        read_id_token(sign(RSA, "RS256"), [publish(RSA)], expected(now_s=NOW_S + 300 + LEEWAY_S))


@pytest.mark.parametrize("token", ["", ".", "..", "a.b.c", "e30.e30.", "bnVsbA.e30.x", "W10.e30.x", "\ud800", "[" * 30_000])
def test_what_is_no_token_is_refused_and_not_quoted(token: str) -> None:
    with pytest.raises(TokenRefusedError) as caught:
        read_id_token(token, [publish(RSA)], expected())
    assert len(str(caught.value)) < 100


def test_no_key_of_the_header_is_looked_at() -> None:
    own = RSAKey.generate_key(2048)
    with pytest.raises(TokenRefusedError, match="signature"):
        read_id_token(sign(own, "RS256", {"jwk": publish(own), "jku": "https://evil.example"}), [publish(RSA)], expected())


def test_an_address_counts_in_lower_case_and_only_when_verified() -> None:
    found = read_claims({"sub": "ada", "email": " Ada@Example.ORG ", "email_verified": True, "name": "Ada"}, ISSUER)
    assert found == Claims(issuer=ISSUER, subject="ada", email="ada@example.org", name="Ada")
    assert read_claims({"sub": "ada", "email": "ada@example.org", "email_verified": "true", "name": 7}, ISSUER).email == ""
    assert read_claims({"sub": "ada", "email": ["ada@example.org"], "email_verified": True}, ISSUER).email == ""


@pytest.mark.parametrize(
    ("told", "proved_s"), [(1000, 1000), (1000.5, 1000.5), (True, None), ("1000", None), (0, None), (-1, None), (2.0**60, None), ([], None)]
)
def test_when_somebody_proved_it_is_a_time_or_is_not_told(told: object, proved_s: float | None) -> None:
    assert read_claims({"sub": "ada", "auth_time": told}, ISSUER).proved_s == proved_s
