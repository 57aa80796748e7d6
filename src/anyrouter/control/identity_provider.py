"""What an OpenID provider says of itself, and how it is asked: its configuration, its keys, and what a code is worth.

Source: OpenID Connect Discovery 1.0, RFC 8414, RFC 6749 section 2.3.1 and 4.1.3. Nothing is believed before it has been looked at, and
every address must be of the kind that the issuer is of: https, but for a provider on this very machine.
"""

import base64
import time
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from http import HTTPStatus
from typing import Any, Protocol
from urllib.parse import quote, urlsplit

import msgspec

from anyrouter.core.errors import ClientError, Denied
from anyrouter.core.secret import Secret
from anyrouter.policy.sign_on import SignOnRules

KEPT_S = 3600.0
MOST_A_MINUTE = 4  # readings of the keys: whoever invents key ids has no more of them made
_MINUTE_S = 60.0
_WELL_KNOWN = "/.well-known/openid-configuration"
_MAX_KEYS = 100


class ProviderHttp(Protocol):
    """Asks the provider. ClientError `upstream_error` when it does not answer; no redirect is followed."""

    async def get(self, url: str, *, authorization: Secret | None = None) -> tuple[int, bytes]:
        """The status and the bounded body of a GET."""

    async def post(self, url: str, fields: Mapping[str, str], *, authorization: Secret | None = None) -> tuple[int, bytes]:
        """The status and the bounded body of a form."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ProviderConfiguration:
    """What of the discovery document is used. `is_naming_itself`: every answer says whose it is (RFC 9207)."""

    authorization_endpoint: str
    token_endpoint: str
    jwks_uri: str
    userinfo_endpoint: str | None = None
    algorithms: Sequence[str] | None = None
    token_auth_methods: Sequence[str] = ("client_secret_basic",)
    is_naming_itself: bool = False


class IdentityProvider:
    """One provider, with what it has told kept for an hour. All methods: ClientError `upstream_error` when it answers nothing of use."""

    def __init__(
        self, http: ProviderHttp, rules: SignOnRules, secret: Secret | None, *, monotonic: Callable[[], float] = time.monotonic
    ) -> None:
        self._http, self._rules, self._secret, self._monotonic = http, rules, secret, monotonic
        self._configuration: tuple[float, ProviderConfiguration] | None = None
        self._keys: tuple[float, Sequence[Mapping[str, Any]]] | None = None
        self._readings: deque[float] = deque(maxlen=MOST_A_MINUTE)

    async def find_configuration(self) -> ProviderConfiguration:
        """Its addresses and habits."""
        now_s = self._monotonic()
        if self._configuration is None or now_s - self._configuration[0] >= KEPT_S:
            status, body = await self._http.get(self._rules.issuer.rstrip("/") + _WELL_KNOWN)
            self._configuration = (now_s, read_configuration(status, body, self._rules.issuer))
        return self._configuration[1]

    async def find_keys(self, *, is_fresh: bool = False) -> Sequence[Mapping[str, Any]]:
        """Its public keys (JWK). `is_fresh`: read anew, if that was not done too often."""
        now_s, kept = self._monotonic(), self._keys
        may_read = len(self._readings) < MOST_A_MINUTE or now_s - self._readings[0] >= _MINUTE_S
        if kept is not None and (not may_read or (not is_fresh and now_s - kept[0] < KEPT_S)):
            return kept[1]
        if not may_read:
            raise _failure("its keys were asked for too often")
        self._readings.append(now_s)
        status, body = await self._http.get((await self.find_configuration()).jwks_uri)
        self._keys = (now_s, read_keys(status, body))
        return self._keys[1]

    async def redeem(self, code: str, verifier: str, redirect_uri: str) -> tuple[str, str]:
        """The ID token that a code is worth, and the access token. ClientError `invalid_parameter` for a code that is worth nothing."""
        configuration, rules = await self.find_configuration(), self._rules
        fields = {"grant_type": "authorization_code", "code": code, "redirect_uri": redirect_uri, "code_verifier": verifier}
        authorization = None
        if self._secret is None:
            fields["client_id"] = rules.client_id
        elif "client_secret_basic" in configuration.token_auth_methods or "client_secret_post" not in configuration.token_auth_methods:
            pair = f"{quote(rules.client_id, safe='')}:{quote(self._secret.reveal(), safe='')}"
            authorization = Secret(f"Basic {base64.b64encode(pair.encode()).decode()}")
        else:
            fields |= {"client_id": rules.client_id, "client_secret": self._secret.reveal()}
        return read_tokens(*await self._http.post(configuration.token_endpoint, fields, authorization=authorization))

    async def read_user(self, access_token: str, subject: str) -> Mapping[str, Any]:
        """What the provider says of that subject beside the ID token; nothing where it has no address for that."""
        address = (await self.find_configuration()).userinfo_endpoint
        if address is None or not access_token:
            return {}
        status, body = await self._http.get(address, authorization=Secret(f"Bearer {access_token}"))
        facts = _read_object(body) if status == HTTPStatus.OK else None
        if facts is None or facts.get("sub") != subject:
            raise _failure("what it says of the person is of no use")
        return facts


def read_configuration(status: int, body: bytes, issuer: str) -> ProviderConfiguration:
    """The discovery document, if it is that issuer's; ClientError `upstream_error`."""
    found = _read_object(body) if status == HTTPStatus.OK else None
    if found is None:
        raise _failure(f"there is no configuration below the issuer's address (status {status})")
    if found.get("issuer") != issuer:
        raise _failure("its configuration names another issuer; sso.issuer must be what stands there, to the letter")
    is_plain = urlsplit(issuer).scheme == "http"
    methods = found.get("code_challenge_methods_supported")
    if isinstance(methods, list) and "S256" not in methods:
        raise _failure("it does not do PKCE with S256")
    userinfo = found.get("userinfo_endpoint")
    return ProviderConfiguration(
        authorization_endpoint=_address(found, "authorization_endpoint", is_plain=is_plain),
        token_endpoint=_address(found, "token_endpoint", is_plain=is_plain),
        jwks_uri=_address(found, "jwks_uri", is_plain=is_plain),
        userinfo_endpoint=None if userinfo is None else _address(found, "userinfo_endpoint", is_plain=is_plain),
        algorithms=_texts(found.get("id_token_signing_alg_values_supported")),
        token_auth_methods=_texts(found.get("token_endpoint_auth_methods_supported")) or ("client_secret_basic",),
        is_naming_itself=found.get("authorization_response_iss_parameter_supported") is True,
    )


def read_keys(status: int, body: bytes) -> Sequence[Mapping[str, Any]]:
    """The keys of a JWK set; ClientError `upstream_error` when there are none."""
    found = _read_object(body) if status == HTTPStatus.OK else None
    keys = found.get("keys") if found is not None else None
    usable = [key for key in keys if isinstance(key, dict)] if isinstance(keys, list) else []
    if not usable:
        raise _failure(f"its keys cannot be read (status {status})")
    return usable[:_MAX_KEYS]


def read_tokens(status: int, body: bytes) -> tuple[str, str]:
    """The ID token and the access token of a token endpoint's reply."""
    found = _read_object(body)
    if status == HTTPStatus.BAD_REQUEST and found is not None and found.get("error") == "invalid_grant":
        message = "The sign-on provider does not know this sign-in any more. Begin again at the sign-in page."
        raise ClientError(Denied(code="invalid_parameter", param="code", message=message))
    if status != HTTPStatus.OK or found is None:
        raise _failure(f"it gives no token (status {status}); the client's id, secret or redirect address may be wrong there or here")
    id_token, access_token = found.get("id_token"), found.get("access_token")
    if not isinstance(id_token, str):
        raise _failure("its reply has no ID token: the scope openid is needed")
    is_sendable = isinstance(access_token, str) and all("!" <= letter <= "~" for letter in access_token)
    return id_token, str(access_token) if is_sendable else ""


def _address(found: Mapping[str, Any], name: str, *, is_plain: bool) -> str:
    url = found.get(name)
    if isinstance(url, str) and all("!" <= letter <= "~" for letter in url):
        try:
            parts = urlsplit(url)
            is_whole = bool(parts.hostname) and parts.port != 0 and "@" not in parts.netloc and not parts.fragment
        except ValueError:
            is_whole = False
        if is_whole and parts.scheme in ({"http", "https"} if is_plain else {"https"}):
            return url
    raise _failure(f"its configuration has no usable {name}")


def _texts(value: Any) -> tuple[str, ...] | None:
    return tuple(text for text in value if isinstance(text, str)) if isinstance(value, list) else None


def _read_object(body: bytes) -> dict[str, Any] | None:
    try:
        found = msgspec.json.decode(body)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
        return None
    return found if isinstance(found, dict) else None


def _failure(reason: str) -> ClientError:
    return ClientError(Denied(code="upstream_error", message=f"The sign-on provider is of no use now: {reason}. Tell the operator."))
