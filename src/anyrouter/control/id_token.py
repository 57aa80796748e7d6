"""The ID token of an OpenID provider: who signed in there, believed only when everything about it is as it must be. Pure.

Source: OpenID Connect Core 1.0 section 3.1.3.7, RFC 8725 (best current practice for JSON Web Tokens). The key is one that the provider
publishes. What a token's header says of keys (`jwk`, `jku`, `x5u`, `x5c`) is not looked at.
"""

import base64
import json
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from joserfc import jwt
from joserfc.errors import JoseError, UnsupportedAlgorithmError
from joserfc.jwk import ECKey, OKPKey, RSAKey
from joserfc.jws import JWSRegistry

LEEWAY_S = 60
MAX_TOKEN = 32_768
_MAX_TEXT = 255  # of a subject, as the specification bounds it
_MIN_RSA_BITS = 2048
_KIND_OF_KEY = {
    **dict.fromkeys(("RS256", "RS384", "RS512", "PS256", "PS384", "PS512"), "RSA"),
    **dict.fromkeys(("ES256", "ES384", "ES512"), "EC"),
    "EdDSA": "OKP",
}
ALGORITHMS = frozenset(_KIND_OF_KEY)  # with a public key alone: never `none`, never a shared secret
_KEYS: Mapping[str, type[RSAKey | ECKey | OKPKey]] = {"RSA": RSAKey, "EC": ECKey, "OKP": OKPKey}


class _Registry(JWSRegistry):
    """Ours and no others. `EdDSA` is kept, which the library warns of: it is the name that providers use (RFC 9864 has another)."""

    def get_alg(self, name: str) -> Any:
        if name not in ALGORITHMS:
            raise UnsupportedAlgorithmError(f"{name} is not allowed")
        return self.algorithms[name]


_REGISTRY = _Registry(strict_check_header=False)
_PUBLIC_MEMBERS = frozenset({"kty", "kid", "use", "alg", "n", "e", "crv", "x", "y"})


class TokenRefusedError(Exception):
    """The token proves nothing. The text says why and quotes nothing of it."""


class UnknownKeyError(TokenRefusedError):
    """It names a key that is not among those given: the provider may have a new one."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Expected:
    """What a token must be like. `algorithms` are those that the provider announces; None: any of ours."""

    issuer: str
    client_id: str
    nonce: str
    now_s: int
    algorithms: Collection[str] | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Claims:
    """Who it is, as the provider says. `email` is in lower case, and empty unless the provider has verified it.

    `proved_s` is when the person proved it to the provider (Unix seconds, the claim `auth_time`), None where that is not told: a provider
    may also have known the browser from before.
    """

    issuer: str
    subject: str
    email: str = ""
    name: str = ""
    proved_s: float | None = None


def read_id_token(token: str, keys: Sequence[Mapping[str, Any]], expected: Expected) -> Mapping[str, Any]:
    """The claims of a token that is the provider's, for us, for this sign-in, and of now. `keys` are its published ones (JWK)."""
    if len(token) > MAX_TOKEN:
        raise TokenRefusedError("the ID token is too long")
    allowed = ALGORITHMS if expected.algorithms is None else ALGORITHMS.intersection(expected.algorithms)
    try:
        header = _read_header(token)
        key = _find_key(header, keys, allowed)
        claims = jwt.decode(token, key, algorithms=[header["alg"]], registry=_REGISTRY).claims
    except (JoseError, ValueError, TypeError, KeyError, RecursionError):
        raise TokenRefusedError("the ID token's signature is not the provider's") from None
    _judge(claims, expected)
    return claims


def read_claims(claims: Mapping[str, Any], issuer: str) -> Claims:
    """Who the claims are about. An address counts only where `email_verified` is true."""
    email, is_verified = claims.get("email"), claims.get("email_verified")
    name = claims.get("name")
    return Claims(
        issuer=issuer,
        subject=_subject(claims),
        email=email.strip().lower() if isinstance(email, str) and is_verified is True else "",
        name=name if isinstance(name, str) else "",
        proved_s=_proved_s(claims.get("auth_time")),
    )


def _proved_s(value: Any) -> float | None:
    is_time = isinstance(value, int | float) and not isinstance(value, bool) and 0 < value <= 2**53
    return value if is_time else None


def _read_header(token: str) -> Mapping[str, Any]:
    header = json.loads(_decode(token.partition(".")[0]))
    if not isinstance(header, dict):
        raise TypeError("a header is an object")
    return header


def _decode(text: str) -> bytes:
    return base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))


def _find_key(header: Mapping[str, Any], keys: Sequence[Mapping[str, Any]], allowed: Collection[str]) -> Any:
    algorithm, key_id = header.get("alg"), header.get("kid")
    if not isinstance(algorithm, str) or algorithm not in allowed:
        raise TokenRefusedError("the ID token is signed with an algorithm that is not allowed")
    kind = _KIND_OF_KEY[algorithm]
    fitting = [
        key
        for key in keys
        if key.get("kty") == kind
        and key.get("use", "sig") == "sig"
        and key.get("alg", algorithm) == algorithm
        and (key_id is None or key.get("kid") == key_id)
    ]
    if not fitting or (key_id is None and len(fitting) > 1):
        raise UnknownKeyError("the ID token is signed with a key that the provider does not publish")
    members = {name: value for name, value in fitting[0].items() if name in _PUBLIC_MEMBERS}
    if kind == "RSA" and int.from_bytes(_decode(members["n"])).bit_length() < _MIN_RSA_BITS:
        raise TokenRefusedError(f"the provider's key is shorter than {_MIN_RSA_BITS} bits")
    return _KEYS[kind].import_key(members)


def _judge(claims: Mapping[str, Any], expected: Expected) -> None:
    audience, party = claims.get("aud"), claims.get("azp")
    audiences = audience if isinstance(audience, list) else [audience]
    if claims.get("iss") != expected.issuer:
        raise TokenRefusedError("the ID token is another provider's (iss)")
    if expected.client_id not in audiences:
        raise TokenRefusedError("the ID token is for another application (aud)")
    if (len(audiences) > 1 and party is None) or (party is not None and party != expected.client_id):
        raise TokenRefusedError("the ID token was issued to another application (azp)")
    if claims.get("nonce") != expected.nonce:
        raise TokenRefusedError("the ID token belongs to another sign-in (nonce)")
    expires_s, issued_s, begins_s = _time(claims, "exp"), _time(claims, "iat"), _time(claims, "nbf", default=0)
    if expected.now_s >= expires_s + LEEWAY_S:
        raise TokenRefusedError("the ID token has expired (exp)")
    if max(issued_s, begins_s) > expected.now_s + LEEWAY_S:
        raise TokenRefusedError("the ID token is of a time to come (iat): the clocks here and there differ")
    _subject(claims)


def _time(claims: Mapping[str, Any], name: str, default: int | None = None) -> int | float:
    value = claims.get(name, default)
    if isinstance(value, bool) or not isinstance(value, int | float) or not 0 <= value <= 2**53:
        raise TokenRefusedError(f"the ID token does not say its time ({name})")
    return value


def _subject(claims: Mapping[str, Any]) -> str:
    subject = claims.get("sub")
    if not isinstance(subject, str) or not 0 < len(subject) <= _MAX_TEXT or not subject.isprintable():
        raise TokenRefusedError("the ID token does not say who signed in (sub)")
    return subject
