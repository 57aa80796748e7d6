"""Key-encryption keys that HashiCorp Vault's transit engine keeps: data keys go there to be wrapped and unwrapped.

A KEK's id is `transit:<key>:v<version>`, a wrapped data key is Vault's own text (`vault:v<version>:…`). The associated data is not sent:
`rewrap`, which keeps a data key inside of Vault, takes none. A data key is of use in its own row only, by the secret's own.

Source: developer.hashicorp.com/vault/api-docs/secret/transit and the engine's errors in builtin/logical/transit (read 2026-11-26).
The token needs `update` on `<mount>/encrypt/<key>`, `…/decrypt/<key>` and `…/rewrap/<key>`, and nothing else.
"""

import base64
import os
import re
from collections.abc import Callable
from typing import Any
from urllib.parse import urlsplit

import msgspec

from anyrouter.core.errors import ClientError, Denied, UpstreamError
from anyrouter.core.secret import Secret
from anyrouter.core.vault import KekUnavailable, KeyEncryption, SealBroken, Wrapped
from anyrouter.relay.ports import Origin, Timeouts, UpstreamClient
from anyrouter.relay.upstream_head import DEFAULT_PORTS, authority
from anyrouter.storage.vault import KEY_BYTES

TIMEOUTS = Timeouts(connect_s=3.0, first_byte_s=5.0, idle_s=5.0, total_s=10.0)
_MAX_REPLY_BYTES = 65_536
_ID = re.compile(r"transit:([A-Za-z0-9_.-]{1,40}):v([1-9][0-9]{0,8})", re.ASCII)
_CIPHERTEXT = re.compile(r"vault:v([1-9][0-9]{0,8}):[A-Za-z0-9+/=]+", re.ASCII)
_BROKEN = ("message authentication failed", "invalid ciphertext")  # of a ciphertext that it never made, or that was changed
_VERSION_GONE = ("too old", "too new")
_OK, _BAD_REQUEST, _FORBIDDEN, _UNAVAILABLE = 200, 400, 403, 503


class _Data(msgspec.Struct):
    ciphertext: str = ""
    plaintext: str = ""


class _Reply(msgspec.Struct):
    data: _Data | None = None
    errors: list[str] = []


class TransitKeys(KeyEncryption):
    """The versions of one transit key. `read_token` gives the token of the moment; it may raise KekUnavailable.

    Where Vault keeps the keys it also makes and retires them; here only data keys are put under the version that is newest there.
    """

    def __init__(
        self,
        client: UpstreamClient,
        *,
        address: str,
        key: str,
        read_token: Callable[[], Secret],
        mount: str = "transit",
        namespace: str | None = None,
    ) -> None:
        parts = urlsplit(address)
        self._origin = Origin(scheme=parts.scheme, host=parts.hostname or "", port=parts.port or DEFAULT_PORTS[parts.scheme])
        self._base = f"{parts.path.rstrip('/')}/v1/{mount}"
        self._client, self._key, self._read_token, self._namespace = client, key, read_token, namespace

    def owns(self, kek_id: str) -> bool:
        """See the port. Other keys of the same mount count: the one that is used may have been another."""
        return _ID.fullmatch(kek_id) is not None

    async def read_current_id(self) -> str:
        """See the port. It is learnt by wrapping something: to look at the key would take another right."""
        return (await self.wrap(os.urandom(KEY_BYTES), b"")).kek_id

    async def make_current(self) -> str | None:
        """See the port: a new version is made in Vault."""
        return None

    async def wrap(self, data_key: bytes, aad: bytes) -> Wrapped:  # noqa: ARG002 -- see the module
        """See the port."""
        data = await self._ask("encrypt", self._key, {"plaintext": base64.b64encode(data_key).decode()})
        return _name_version(self._key, data.ciphertext)

    async def unwrap(self, wrapped: Wrapped, aad: bytes) -> bytes:  # noqa: ARG002 -- as above
        """See the port."""
        key, ciphertext = _read_wrapped(wrapped)
        data = await self._ask("decrypt", key, {"ciphertext": ciphertext}, kek_id=wrapped.kek_id)
        try:
            data_key = base64.b64decode(data.plaintext, validate=True)
        except ValueError:
            raise SealBroken("what was wrapped is no data key") from None
        if len(data_key) != KEY_BYTES:
            raise SealBroken("what was wrapped is no data key")
        return data_key

    async def rewrap(self, wrapped: Wrapped, aad: bytes) -> Wrapped:
        """See the port. The data key stays in Vault, unless it goes from one key to another."""
        key, ciphertext = _read_wrapped(wrapped)
        if key != self._key:
            return await self.wrap(await self.unwrap(wrapped, aad), aad)
        data = await self._ask("rewrap", key, {"ciphertext": ciphertext}, kek_id=wrapped.kek_id)
        return _name_version(key, data.ciphertext)

    async def remove(self, kek_id: str) -> None:
        """See the port: versions are retired in Vault."""
        message = f"{kek_id} is kept by HashiCorp Vault: raise the key's min_decryption_version there."
        raise ClientError(Denied(code="unprocessable", message=message))

    async def _ask(self, verb: str, key: str, members: dict[str, str], *, kek_id: str | None = None) -> _Data:
        body, token = msgspec.json.encode(members), self._read_token()
        lines = [
            f"POST {self._base}/{verb}/{key} HTTP/1.1",
            f"Host: {authority(self._origin)}",
            "Content-Type: application/json",
            "Accept: application/json",
            "Accept-Encoding: identity",
            "User-Agent: AnyRouter",
            f"X-Vault-Token: {token.reveal()}",
            "X-Vault-Request: true",  # an agent may ask for it: what a page in a browser cannot send
            *([] if self._namespace is None else [f"X-Vault-Namespace: {self._namespace}"]),
            f"Content-Length: {len(body)}",
        ]
        head = "".join(f"{line}\r\n" for line in lines).encode("latin-1")
        try:
            exchange = await self._client.send(self._origin, head, (body,), TIMEOUTS)
            status, reply = exchange.status, await exchange.read(_MAX_REPLY_BYTES)
        except UpstreamError as error:
            raise KekUnavailable(f"HashiCorp Vault cannot be reached: {error.internal or error.public}", kek_id=kek_id) from None
        return _judge(status, reply, f"{verb}/{key}", kek_id, token)


def _judge(status: int, body: bytes, what: str, kek_id: str | None, token: Secret) -> _Data:
    """What a reply has to say. An error's text comes from Vault and names no secret; the token is taken out all the same."""
    try:
        reply = msgspec.json.decode(body, type=_Reply)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        reply = _Reply()
    if status == _OK and reply.data is not None:
        return reply.data
    said = " ".join("; ".join(reply.errors).replace(token.reveal(), "[redacted]").split())[:300]
    told = f": {said}" if said else ""
    if status == _BAD_REQUEST and any(words in said for words in _VERSION_GONE):
        raise KekUnavailable(f"HashiCorp Vault has retired the key-encryption key {kek_id}, or has an older state{told}", kek_id=kek_id)
    if status == _BAD_REQUEST and kek_id is not None and any(words in said for words in _BROKEN):
        raise SealBroken(f"HashiCorp Vault does not unwrap a data key{told}")
    reasons: dict[int, Any] = {
        _FORBIDDEN: f"refuses the token: it needs update on {what}, and must not have expired",
        _UNAVAILABLE: "is sealed or in maintenance",
    }
    reason = reasons.get(status, f"answered {status} to {what}")
    raise KekUnavailable(f"HashiCorp Vault {reason}{told}", kek_id=kek_id)


def _name_version(key: str, ciphertext: str) -> Wrapped:
    match = _CIPHERTEXT.fullmatch(ciphertext)
    if match is None:
        raise KekUnavailable("HashiCorp Vault's reply has no ciphertext: is the address that of Vault itself?")
    return Wrapped(f"transit:{key}:v{match[1]}", ciphertext.encode())


def _read_wrapped(wrapped: Wrapped) -> tuple[str, str]:
    """The key's name and the ciphertext; SealBroken when it is of another version than the id says."""
    named = _ID.fullmatch(wrapped.kek_id)
    ciphertext = wrapped.key.decode("latin-1")
    match = _CIPHERTEXT.fullmatch(ciphertext)
    if named is None or match is None or named[2] != match[1]:
        raise SealBroken("a wrapped data key is not of its key-encryption key")
    return named[1], ciphertext
