"""A service account's key, and the tokens that it buys: what to fetch, what came back, when to fetch again. Nothing is fetched here.

Source: developers.google.com/identity/protocols/oauth2/service-account (the JWT bearer grant of RFC 7523, signed RS256) and
cloud.google.com/iam/docs/key-formats (read 2026-11-24).

    tokens = Tokens(read_key(text, token_url=…), scope)
    tokens.is_due(now)              → whether one is to be fetched
    tokens.plan(now)                → None: it is not; else a TokenRequest to send
    tokens.take(status, body, now)  ← its reply; TokenRefused says why there is none
    tokens.token(now)               → the token, or None
"""

import base64
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from urllib.parse import urlencode, urlsplit

import msgspec
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric.padding import PKCS1v15
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import load_pem_private_key

from anyrouter.core.secret import Secret

GRANT = "urn:ietf:params:oauth:grant-type:jwt-bearer"
ASSERTION_LIFE = timedelta(hours=1)  # the longest that is taken
REFRESH_BEFORE = timedelta(minutes=5)  # of a token's end a new one is fetched, while the old one is still good; at half its life
USELESS_BEFORE = timedelta(seconds=10)  # of its end a token is not sent any more: the request has a way to go; a quarter of its life
RETRY_AFTER = timedelta(seconds=10)  # of a failed fetch, so that a refusal is not asked for again with every request
_DEFAULT_LIFE_S = 3600
_MAX_LIFE_S = 43_200
_MIN_KEY_BITS = 2048
_MIN_LINE = 16  # letters of a private key's line that mean something by themselves
_PRINTABLE = range(0x21, 0x7F)
_NEVER = datetime(1970, 1, 1, tzinfo=UTC)


class UnreadableKeyError(ValueError):
    """The text is not a service account's key. The message never repeats it."""


class TokenRefused(Exception):
    """The token endpoint gave no token. The text is fit for the log: it holds neither the key nor the assertion.

    `status` is what it answered with.
    """

    def __init__(self, text: str, *, status: int) -> None:
        super().__init__(text)
        self.status = status


@dataclass(frozen=True, slots=True, kw_only=True)
class ServiceAccountKey:
    """A service account's key. `token_url` is where its tokens are bought, `project_id` the project that it belongs to.

    `secrets` are texts of it that must not be shown: the private key line by line, as whoever quotes it may fold it anew.
    """

    client_email: str
    key_id: str
    private_key: RSAPrivateKey
    token_url: str
    project_id: str | None
    secrets: tuple[str, ...] = field(default=(), repr=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class TokenRequest:
    """A POST to `url` with this form as its body."""

    url: str
    body: bytes
    content_type: str = "application/x-www-form-urlencoded"


class _KeyFile(msgspec.Struct):
    type: str = ""
    client_email: str = ""
    private_key: str = ""
    private_key_id: str = ""
    token_uri: str = ""
    project_id: str | None = None


class _TokenReply(msgspec.Struct):
    access_token: str
    expires_in: float = _DEFAULT_LIFE_S


class _TokenError(msgspec.Struct):
    error: str
    error_description: str = ""


def read_key(text: str, *, token_url: str, is_operators: bool = False) -> ServiceAccountKey:
    """The key from its file's text; `token_url` where the file names none. UnreadableKeyError.

    The operator's own file may name any token address. Anybody else's must name an https one of the host of `token_url`, or the gateway
    would send requests where a tenant wants.
    """
    try:
        file = msgspec.json.decode(text, type=_KeyFile)
    except (msgspec.DecodeError, UnicodeEncodeError, RecursionError):
        raise UnreadableKeyError("is not a service account's key: a JSON object with client_email and private_key") from None
    if file.type != "service_account":
        raise UnreadableKeyError('is not a service account\'s key: its "type" is not service_account')
    for name, value in (("client_email", file.client_email), ("private_key", file.private_key)):
        if not value:
            raise UnreadableKeyError(f"is not a service account's key: it has no {name}")
    try:
        key = load_pem_private_key(file.private_key.encode(), password=None)
    except (ValueError, TypeError, UnsupportedAlgorithm):
        raise UnreadableKeyError("has a private_key that cannot be read") from None
    if not isinstance(key, RSAPrivateKey) or key.key_size < _MIN_KEY_BITS:
        raise UnreadableKeyError(f"has a private_key that is not RSA with at least {_MIN_KEY_BITS} bits")
    address = file.token_uri or token_url
    if not (_is_address(address) if is_operators else _is_of_host(address, token_url)):
        raise UnreadableKeyError("has a token_uri that is not an address of its provider")
    lines = [line for line in file.private_key.splitlines() if len(line) >= _MIN_LINE and not line.startswith("-----")]
    return ServiceAccountKey(
        client_email=file.client_email,
        key_id=file.private_key_id,
        private_key=key,
        token_url=address,
        project_id=file.project_id,
        secrets=(file.private_key_id, *lines) if file.private_key_id else tuple(lines),
    )


def make_assertion(key: ServiceAccountKey, scope: str, now: datetime) -> str:
    """The signed claim that a token is bought with; `now` is aware."""
    issued = int(now.timestamp())
    header = {"alg": "RS256", "typ": "JWT", **({"kid": key.key_id} if key.key_id else {})}
    claims = {
        "iss": key.client_email,
        "sub": key.client_email,
        "scope": scope,
        "aud": key.token_url,
        "iat": issued,
        "exp": issued + int(ASSERTION_LIFE.total_seconds()),
    }
    text = f"{_encode(msgspec.json.encode(header))}.{_encode(msgspec.json.encode(claims))}"
    return f"{text}.{_encode(sign_rs256(key.private_key, text.encode()))}"


def sign_rs256(key: RSAPrivateKey, text: bytes) -> bytes:
    """RFC 7518, section 3.3."""
    return key.sign(text, PKCS1v15(), SHA256())


class Tokens:
    """The tokens of one key for one scope, one at a time. Whoever sends the requests asks `plan` before, and one at a time."""

    __slots__ = ("_due_at", "_key", "_retry_at", "_scope", "_taken_at", "_token", "_useless_at")

    def __init__(self, key: ServiceAccountKey, scope: str) -> None:
        self._key, self._scope = key, scope
        self._token: Secret | None = None
        self._due_at = self._useless_at = self._retry_at = self._taken_at = _NEVER

    @property
    def token_url(self) -> str:
        """Where they are bought."""
        return self._key.token_url

    def token(self, now: datetime) -> Secret | None:
        """The token, if one is in hand that is good for a request made at `now`."""
        return self._token if now < self._useless_at else None

    def is_due(self, now: datetime) -> bool:
        """Whether one is to be fetched: not while the token in hand is young, nor for a moment after a fetch that failed."""
        return now >= self._due_at and now >= self._retry_at

    def plan(self, now: datetime) -> TokenRequest | None:
        """What to fetch, if one is due at `now`."""
        if not self.is_due(now):
            return None
        form = {"grant_type": GRANT, "assertion": make_assertion(self._key, self._scope, now)}
        return TokenRequest(url=self._key.token_url, body=urlencode(form).encode())

    def take(self, status: int, body: bytes, now: datetime) -> Secret:
        """The token in the reply to the planned request, from now on the one in hand.

        TokenRefused, and then `plan` waits a little; a token in hand stays as long as it is good.
        """
        self._retry_at = now + RETRY_AFTER
        if not 200 <= status < 300:  # noqa: PLR2004 -- what HTTP calls a success
            raise TokenRefused(f"the token endpoint answered {status}{_explain(body)}", status=status)
        try:
            reply = msgspec.json.decode(body, type=_TokenReply)
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
            raise TokenRefused("the token endpoint's reply has no access_token", status=status) from None
        if not reply.access_token or not all(ord(character) in _PRINTABLE for character in reply.access_token):
            raise TokenRefused("the token endpoint's access_token cannot stand in a header", status=status)
        if not reply.expires_in > 0:
            raise TokenRefused("the token endpoint's access_token has expired already", status=status)
        life = timedelta(seconds=min(reply.expires_in, _MAX_LIFE_S))
        self._token, self._taken_at, self._retry_at = Secret(reply.access_token), now, now
        self._due_at = now + life - min(REFRESH_BEFORE, life / 2)
        self._useless_at = now + life - min(USELESS_BEFORE, life / 4)
        return self._token

    def fail(self, now: datetime) -> None:
        """No reply came to the planned request."""
        self._retry_at = now + RETRY_AFTER

    def reject(self, now: datetime) -> None:
        """The token in hand was refused by the provider: the next plan fetches another, unless this one is brand-new itself."""
        if now >= self._taken_at + RETRY_AFTER:
            self._token, self._due_at, self._useless_at = None, _NEVER, _NEVER


def _encode(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


def _explain(body: bytes) -> str:
    try:
        error = msgspec.json.decode(body, type=_TokenError)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return ""
    words = f"{error.error}: {error.error_description}" if error.error_description else error.error
    return f" ({''.join(character if character.isprintable() else ' ' for character in words)[:200]})"


def _split(address: str) -> tuple[str, str, int | None] | None:
    """Scheme, host and port; None for what is no address, or has a name or password in it."""
    try:
        parts = urlsplit(address)
        port = parts.port
    except ValueError:
        return None
    return (parts.scheme, parts.hostname, port) if parts.hostname and "@" not in parts.netloc else None


def _is_address(address: str) -> bool:
    parts = _split(address)
    return parts is not None and parts[0] in {"https", "http"}


def _is_of_host(address: str, known: str) -> bool:
    parts = _split(address)
    return parts is not None and parts[0] == "https" and parts == _split(known)
