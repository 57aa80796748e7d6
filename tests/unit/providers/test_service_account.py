"""A service account's key and its tokens. The key is the one that RFC 7515 publishes in its appendix A.2."""

import base64
import json
from datetime import UTC, datetime, timedelta
from urllib.parse import parse_qs

import pytest
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.padding import PKCS1v15
from cryptography.hazmat.primitives.asymmetric.rsa import (
    RSAPrivateKey,
    RSAPrivateNumbers,
    RSAPublicNumbers,
    rsa_crt_dmp1,
    rsa_crt_dmq1,
    rsa_crt_iqmp,
    rsa_recover_prime_factors,
)
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

from anyrouter.core.secret import Secret
from anyrouter.providers.service_account import (
    GRANT,
    REFRESH_BEFORE,
    RETRY_AFTER,
    USELESS_BEFORE,
    ServiceAccountKey,
    TokenRefused,
    Tokens,
    UnreadableKeyError,
    make_assertion,
    read_key,
    sign_rs256,
)

NOW = datetime(2026, 11, 24, 12, tzinfo=UTC)
SCOPE = "https://example.com/auth/platform"
TOKEN_URL = "https://oauth2.example.com/token"
MODULUS = (
    "ofgWCuLjybRlzo0tZWJjNiuSfb4p4fAkd_wWJcyQoTbji9k0l8W26mPddxHmfHQp-Vaw-4qPCJrcS2mJPMEzP1Pt0Bm4d4QlL-yRT-SFd2lZS-pCgNMsD1W_YpRPEwOWvG6b"
    "32690r2jZ47soMZo9wGzjb_7OMg0LOL-bSf63kpaSHSXndS5z5rexMdbBYUsLA9e-KXBdQOS-UTo7WTBEMa2R2CapHg665xsmtdVMTBQY4uDZlxvb3qCo5ZwKh9kG4LT6_I5"
    "IhlJH7aGhyxXFvUK-DWNmoudF8NAco9_h9iaGNj8q2ethFkMLs91kzk2PAcDTW9gb54h4FRWyuXpoQ"
)
EXPONENT = (
    "Eq5xpGnNCivDflJsRQBXHx1hdR1k6Ulwe2JZD50LpXyWPEAeP88vLNO97IjlA7_GQ5sLKMgvfTeXZx9SE-7YwVol2NXOoAJe46sui395IW_GO-pWJ1O0BkTGoVEn2bKVRUCg"
    "u-GjBVaYLU6f3l9kJfFNS3E0QbVdxzubSu3Mkqzjkn439X0M_V51gfpRLI9JYanrC4D4qAdGcopV_0ZHHzQlBjudU2QvXt4ehNYTCBr6XCLQUShb1juUO1ZdiYoFaFQT5Tw8"
    "bGUl_x_jTj3ccPDVZFD9pIuhLhBOneufuBiB4cS98l2SR_RQyGWSeWjnczT0QU91p1DhOVRuOopznQ"
)
SIGNED_TEXT = b"eyJhbGciOiJSUzI1NiJ9.eyJpc3MiOiJqb2UiLA0KICJleHAiOjEzMDA4MTkzODAsDQogImh0dHA6Ly9leGFtcGxlLmNvbS9pc19yb290Ijp0cnVlfQ"
SIGNATURE = (
    "cC4hiUPoj9Eetdgtv3hF80EGrhuB__dzERat0XF9g2VtQgr9PJbu3XOiZj5RZmh7AAuHIm4Bh-0Qc_lF5YKt_O8W2Fp5jujGbds9uJdbF9CUAr7t1dnZcAcQjbKBYNX4BAyn"
    "RFdiuB--f_nZLgrnbyTyWzO75vRK5h6xBArLIARNPvkSjtQBMHlb1L07Qe7K0GarZRmB_eSN9383LcOLn6_dO--xi12jzDwusC-eOkHWEsqtFZESc6BfI7noOPqvhJ1phCnv"
    "Wh6IeYI2w9QOYEUipUTI8np6LbgGY9Fs98rqVt5AXLIhWkWywlVmtVrBp0igcN_IoypGlUPQGe77Rw"
)


def decode(text: str) -> bytes:
    return base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))


def to_pem(key: RSAPrivateKey | ec.EllipticCurvePrivateKey) -> str:
    return key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()).decode()


@pytest.fixture(scope="module")
def private_key() -> RSAPrivateKey:
    n, e, d = int.from_bytes(decode(MODULUS)), 65537, int.from_bytes(decode(EXPONENT))
    p, q = rsa_recover_prime_factors(n, e, d)
    numbers = RSAPrivateNumbers(p, q, d, rsa_crt_dmp1(d, p), rsa_crt_dmq1(d, q), rsa_crt_iqmp(p, q), RSAPublicNumbers(e, n))
    return numbers.private_key()


@pytest.fixture(scope="module")
def file(private_key: RSAPrivateKey) -> dict[str, str]:
    return {
        "type": "service_account",
        "project_id": "some-project",
        "private_key_id": "kid-1",
        "private_key": to_pem(private_key),
        "client_email": "gateway@some-project.example.com",
        "client_id": "1",
        "token_uri": TOKEN_URL,
    }


@pytest.fixture
def key(file: dict[str, str]) -> ServiceAccountKey:
    return read_key(json.dumps(file), token_url=TOKEN_URL)


def reply(token: str = "MARKER-token", expires_in: object = 3600) -> bytes:  # noqa: S107 -- a marked one
    return json.dumps({"access_token": token, "expires_in": expires_in, "token_type": "Bearer"}).encode()


def test_the_signature_is_the_one_that_the_rfc_publishes(private_key: RSAPrivateKey) -> None:
    assert sign_rs256(private_key, SIGNED_TEXT) == decode(SIGNATURE)


def test_a_key_is_read_from_its_file(key: ServiceAccountKey) -> None:
    assert (key.client_email, key.key_id, key.token_url, key.project_id) == (
        "gateway@some-project.example.com",
        "kid-1",
        TOKEN_URL,
        "some-project",
    )


def test_an_assertion_says_who_asks_for_what_until_when_and_is_signed(key: ServiceAccountKey, private_key: RSAPrivateKey) -> None:
    head, claims, signature = make_assertion(key, SCOPE, NOW).split(".")
    assert json.loads(decode(head)) == {"alg": "RS256", "typ": "JWT", "kid": "kid-1"}
    assert json.loads(decode(claims)) == {
        "iss": key.client_email,
        "sub": key.client_email,
        "scope": SCOPE,
        "aud": TOKEN_URL,
        "iat": int(NOW.timestamp()),
        "exp": int(NOW.timestamp()) + 3600,
    }
    public = private_key.public_key()
    public.verify(decode(signature), f"{head}.{claims}".encode(), PKCS1v15(), SHA256())
    with pytest.raises(InvalidSignature):
        public.verify(decode(signature), f"{head}.{claims}x".encode(), PKCS1v15(), SHA256())


def test_a_token_is_bought_used_and_bought_again_before_it_ends(key: ServiceAccountKey) -> None:
    tokens = Tokens(key, SCOPE)
    assert tokens.token(NOW) is None
    request = tokens.plan(NOW)
    assert request is not None
    form = parse_qs(request.body.decode(), strict_parsing=True)
    assert (request.url, form["grant_type"]) == (TOKEN_URL, [GRANT])
    assert form["assertion"] == [make_assertion(key, SCOPE, NOW)]
    assert tokens.take(200, reply(), NOW) == Secret("MARKER-token")
    token = tokens.token(NOW)
    assert token is not None
    assert token.reveal() == "MARKER-token"
    end = NOW + timedelta(hours=1)
    almost = timedelta(microseconds=1)
    assert tokens.plan(end - REFRESH_BEFORE - almost) is None
    assert tokens.plan(end - REFRESH_BEFORE) is not None
    assert tokens.token(end - USELESS_BEFORE - almost) is token
    assert tokens.token(end - USELESS_BEFORE) is None


def test_a_refused_fetch_is_told_and_not_made_again_at_once(key: ServiceAccountKey) -> None:
    tokens = Tokens(key, SCOPE)
    with pytest.raises(TokenRefused, match=r"answered 400 \(invalid_grant: Account not found\)") as caught:
        tokens.take(400, b'{"error":"invalid_grant","error_description":"Account not found"}', NOW)
    assert caught.value.status == 400
    assert tokens.plan(NOW) is None
    assert not tokens.is_due(NOW)
    assert tokens.plan(NOW + RETRY_AFTER) is not None
    tokens.fail(NOW + RETRY_AFTER)
    assert tokens.plan(NOW + RETRY_AFTER) is None


def test_a_fetch_that_fails_leaves_the_token_in_hand(key: ServiceAccountKey) -> None:
    tokens = Tokens(key, SCOPE)
    tokens.take(200, reply(), NOW)
    late = NOW + timedelta(minutes=56)
    assert tokens.plan(late) is not None
    with pytest.raises(TokenRefused, match="answered 503"):
        tokens.take(503, b"<html>busy</html>", late)
    assert tokens.token(late) is not None


def test_a_token_that_the_provider_refuses_is_replaced_once_and_not_with_every_request(key: ServiceAccountKey) -> None:
    tokens = Tokens(key, SCOPE)
    tokens.take(200, reply(), NOW)
    tokens.reject(NOW + timedelta(minutes=1))
    assert tokens.token(NOW + timedelta(minutes=1)) is None
    assert tokens.plan(NOW + timedelta(minutes=1)) is not None
    tokens.take(200, reply("second"), NOW + timedelta(minutes=1))
    tokens.reject(NOW + timedelta(minutes=1, seconds=1))
    assert tokens.token(NOW + timedelta(minutes=2)) is not None


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"MARKER",
        b"{}",
        b'{"id_token": "MARKER"}',
        b'{"access_token": ""}',
        b'{"access_token": "MARKER x"}',
        b'{"access_token": "MARKER\\r\\nx: y"}',
        reply(expires_in=0),
        reply(expires_in=-1),
        reply(expires_in="soon"),
        b"[" * 100_000,
        b"\xff",
    ],
)
def test_a_reply_without_a_usable_token_is_refused_without_being_repeated(key: ServiceAccountKey, body: bytes) -> None:
    tokens = Tokens(key, SCOPE)
    with pytest.raises(TokenRefused) as caught:
        tokens.take(200, body, NOW)
    assert "MARKER" not in str(caught.value)
    assert tokens.token(NOW) is None


def test_a_token_lives_an_hour_unless_its_reply_says_otherwise_and_never_for_days(key: ServiceAccountKey) -> None:
    tokens = Tokens(key, SCOPE)
    tokens.take(200, b'{"access_token": "a"}', NOW)
    assert tokens.token(NOW + timedelta(minutes=59)) is not None
    assert tokens.token(NOW + timedelta(hours=1)) is None
    tokens.take(200, reply(expires_in=1e18), NOW)
    assert tokens.token(NOW + timedelta(hours=13)) is None


def test_a_token_of_a_short_life_is_used_and_is_not_bought_again_with_every_request(key: ServiceAccountKey) -> None:
    tokens = Tokens(key, SCOPE)
    tokens.take(200, reply(expires_in=8), NOW)
    assert not tokens.is_due(NOW + timedelta(seconds=3))
    assert tokens.is_due(NOW + timedelta(seconds=4))
    assert tokens.token(NOW + timedelta(seconds=5)) is not None
    assert tokens.token(NOW + timedelta(seconds=6)) is None


@pytest.mark.parametrize(
    ("changes", "complaint"),
    [
        ({"type": "authorized_user"}, '"type"'),
        ({"private_key": ""}, "has no private_key"),
        ({"client_email": ""}, "has no client_email"),
        ({"private_key": "MARKER"}, "private_key that cannot be read"),
        ({"private_key": "-----BEGIN PRIVATE KEY-----\nTUFSS0VS\n-----END PRIVATE KEY-----\n"}, "private_key that cannot be read"),
        ({"private_key": to_pem(ec.generate_private_key(ec.SECP256R1()))}, "not RSA"),
        ({"client_email": 1}, "client_email"),
        ({"token_uri": "https://evil.example/MARKER"}, "token_uri"),
        ({"token_uri": "http://oauth2.example.com/token"}, "token_uri"),
        ({"token_uri": "https://MARKER@oauth2.example.com/token"}, "token_uri"),
        ({"token_uri": "https://oauth2.example.com:8443/token"}, "token_uri"),
        ({"token_uri": "https://[MARKER"}, "token_uri"),
    ],
)
def test_a_file_that_cannot_be_used_is_refused_without_being_repeated(
    file: dict[str, str], changes: dict[str, object], complaint: str
) -> None:
    with pytest.raises(UnreadableKeyError, match=complaint) as caught:
        read_key(json.dumps(file | changes), token_url=TOKEN_URL)
    assert "MARKER" not in str(caught.value)


@pytest.mark.parametrize("text", ["", "MARKER", "[]", "{}", "[" * 100_000, "\ud800"])
def test_a_text_that_is_no_key_file_is_refused_without_being_repeated(text: str) -> None:
    with pytest.raises(UnreadableKeyError) as caught:
        read_key(text, token_url=TOKEN_URL)
    assert "MARKER" not in str(caught.value)


def test_the_operators_own_file_may_name_any_token_address(file: dict[str, str]) -> None:
    text = json.dumps(file | {"token_uri": "http://127.0.0.1:8000/token"})
    assert read_key(text, token_url=TOKEN_URL, is_operators=True).token_url == "http://127.0.0.1:8000/token"
    with pytest.raises(UnreadableKeyError):
        read_key(json.dumps(file | {"token_uri": "file:///etc/passwd"}), token_url=TOKEN_URL, is_operators=True)


def test_a_file_without_a_token_address_gets_the_providers(file: dict[str, str]) -> None:
    rest = {name: value for name, value in file.items() if name != "token_uri"}
    assert read_key(json.dumps(rest), token_url=TOKEN_URL).token_url == TOKEN_URL


def test_neither_key_nor_token_is_shown(key: ServiceAccountKey) -> None:
    tokens = Tokens(key, SCOPE)
    tokens.take(200, reply(), NOW)
    shown = repr(key) + repr(tokens) + repr(tokens.token(NOW))
    assert "MARKER" not in shown
    assert "BEGIN" not in shown
