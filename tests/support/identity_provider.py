"""An OpenID provider that lies as a test wants it to: real HTTP, tokens of its own making."""

import base64
import hashlib
import hmac
import json
import time
from collections.abc import Callable, Mapping
from typing import Any, Self
from urllib.parse import parse_qs, parse_qsl, urlencode, urlsplit

from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import padding, rsa

from support.upstream import Answer, Received, ScriptedUpstream, json_answer

KEY_ID = "key-1"
CLIENT_ID = "anyrouter"
PEM = (serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo)


class LyingProvider:
    """Honest unless told otherwise.

    `claims` replace those of the ID token (None leaves one out), `sign` makes the token of the claims, `configuration` replaces what the
    provider says of itself, `instead` answers for the token endpoint. Who comes with a browser is `person`, and sent back at once. When
    somebody proved who it is (`auth_time`) is told where `max_age` asks for that, as the standard has it: the person has done so just now.
    """

    def __init__(self) -> None:
        self.key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
        self._server = ScriptedUpstream(self._handle)
        self.redeemed: list[dict[str, str]] = []
        self.authorizations: list[str] = []
        self.configuration: dict[str, Any] = {}
        self._begun: dict[str, dict[str, str]] = {}
        self.behave()

    def behave(self) -> None:
        """Be honest again."""
        self.claims: dict[str, Any] = {}
        self.header: dict[str, Any] = {}
        self.sign: Callable[[Mapping[str, Any]], str] = self.sign_rs256
        self.userinfo: dict[str, Any] | None = None
        self.instead: Answer | None = None
        self.person = "sub-1"

    @property
    def issuer(self) -> str:
        return self._server.url

    def visit(self, url: str, subject: str = "sub-1", **claims: Any) -> dict[str, str]:
        """What a person who is sent to `url` and signs in as `subject` is sent back with: the parameters of the callback."""
        assert url.startswith(f"{self.issuer}/authorize?"), url
        asked = {name: values[0] for name, values in parse_qs(urlsplit(url).query).items()}
        code = f"code-{len(self._begun)}"
        self._begun[code] = {**asked, "sub": subject}
        self.claims = {**self.claims, **claims}
        return {"code": code, "state": asked["state"]}

    def sign_rs256(self, claims: Mapping[str, Any], key: rsa.RSAPrivateKey | None = None, **header: Any) -> str:
        signed = _signed_part({"alg": "RS256", "kid": KEY_ID, **self.header, **header}, claims)
        return f"{signed}.{_encode((key or self.key).sign(signed.encode(), padding.PKCS1v15(), hashes.SHA256()))}"

    def sign_with_public_key(self, claims: Mapping[str, Any]) -> str:
        """HS256 with what everybody knows as the secret (RFC 8725, section 2.1)."""
        signed = _signed_part({"alg": "HS256", "kid": KEY_ID}, claims)
        return f"{signed}.{_encode(hmac.digest(self.key.public_key().public_bytes(*PEM), signed.encode(), 'sha256'))}"

    def publish(self, key: rsa.RSAPrivateKey | None = None) -> dict[str, str]:
        """A public key as a JWK."""
        numbers = (key or self.key).public_key().public_numbers()
        return {"kty": "RSA", "use": "sig", "kid": KEY_ID, "n": _encode(numbers.n.to_bytes(256)), "e": _encode(numbers.e.to_bytes(3))}

    def close(self) -> None:
        self._server.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _handle(self, received: Received) -> Answer:
        path = received.path.partition("?")[0]
        if path == "/.well-known/openid-configuration":
            places = {"authorization_endpoint": "/authorize", "token_endpoint": "/token", "jwks_uri": "/keys", "userinfo_endpoint": "/user"}
            urls = {name: self.issuer + place for name, place in places.items()}
            return json_answer({"issuer": self.issuer, **urls, "code_challenge_methods_supported": ["S256"], **self.configuration})
        if path == "/authorize":
            back = self.visit(self.issuer + received.path, self.person)
            target = self._begun[back["code"]]["redirect_uri"]
            return Answer(status=302, headers={"location": f"{target}?{urlencode(back)}"})
        if path == "/keys":
            return json_answer({"keys": [self.publish()]})
        if path == "/user":
            return json_answer(self.userinfo or {"sub": "nobody"})
        assert (received.method, path) == ("POST", "/token"), received
        return self._redeem(dict(parse_qsl(received.body.decode())), received.headers.get("authorization", ""))

    def _redeem(self, fields: dict[str, str], authorization: str) -> Answer:
        self.redeemed.append(fields)
        self.authorizations.append(authorization)
        if self.instead is not None:
            return self.instead
        asked = self._begun.pop(fields["code"], None)
        if asked is None:
            return json_answer({"error": "invalid_grant"}, 400)
        challenge = _encode(hashlib.sha256(fields["code_verifier"].encode()).digest())
        assert (challenge, fields["redirect_uri"]) == (asked["code_challenge"], asked["redirect_uri"])
        now_s = int(time.time())
        claims = {
            "iss": self.issuer,
            "sub": asked["sub"],
            "aud": CLIENT_ID,
            "exp": now_s + 300,
            "iat": now_s,
            "nonce": asked["nonce"],
            "email_verified": True,
            **({"auth_time": now_s} if "max_age" in asked else {}),
            **self.claims,
        }
        token = self.sign({name: value for name, value in claims.items() if value is not None})
        return json_answer({"id_token": token, "access_token": "access", "token_type": "Bearer"})


def sign_with_nothing(claims: Mapping[str, Any]) -> str:
    """The algorithm `none`."""
    return _signed_part({"alg": "none", "kid": KEY_ID}, claims) + "."


def _signed_part(header: Mapping[str, Any], claims: Mapping[str, Any]) -> str:
    return f"{_encode(json.dumps(header).encode())}.{_encode(json.dumps(claims).encode())}"


def _encode(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()
