"""HashiCorp Vault's transit engine as far as it is used, over HTTP, with its envelope, ciphertexts and errors.

Source: developer.hashicorp.com/vault/api-docs/secret/transit and builtin/logical/transit in hashicorp/vault (read 2026-11-26).
"""

import base64
import os
from dataclasses import dataclass, field
from typing import Any, Self

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from support.upstream import Answer, Received, ScriptedUpstream, json_answer

TOKEN = "hvs.MARKER-vault-token"


@dataclass
class TransitKey:
    versions: list[bytes] = field(default_factory=lambda: [os.urandom(32)])
    min_decryption_version: int = 1


class RefusedError(Exception):
    def __init__(self, status: int, *errors: str) -> None:
        super().__init__(*errors)
        self.status, self.errors = status, errors


class VaultTransit:
    """One mount. A test changes the attributes while it runs."""

    def __init__(self, *, mount: str = "transit", namespace: str | None = None) -> None:
        self.mount, self.namespace, self.token = mount, namespace, TOKEN
        self.keys: dict[str, TransitKey] = {"anyrouter": TransitKey()}
        self.is_sealed = False
        self.allowed = {"encrypt", "decrypt", "rewrap"}  # update on these paths: the policy of the token
        self.instead: Answer | None = None
        self.asked: list[str] = []
        self._server = ScriptedUpstream(self._handle)

    @property
    def url(self) -> str:
        return self._server.url

    @property
    def received(self) -> list[Received]:
        return self._server.received

    def rotate(self, key: str = "anyrouter") -> None:
        self.keys[key].versions.append(os.urandom(32))

    def close(self) -> None:
        self._server.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _handle(self, received: Received) -> Answer:
        if self.instead is not None:
            return self.instead
        try:
            return json_answer(self._envelope(self._answer(received)))
        except RefusedError as refused:
            return json_answer({"errors": list(refused.errors)}, status=refused.status)

    def _answer(self, received: Received) -> dict[str, Any]:
        if self.is_sealed:
            raise RefusedError(503, "Vault is sealed")
        if "x-vault-token" not in received.headers:
            raise RefusedError(400, "missing client token")
        prefix = f"/v1/{self.mount}/"
        if received.headers.get("x-vault-namespace") != self.namespace or not received.path.startswith(prefix):
            raise RefusedError(404, f'no handler for route "{received.path.removeprefix("/v1/")}". route entry not found.')
        verb, _, name = received.path.removeprefix(prefix).partition("/")
        if received.headers["x-vault-token"] != self.token:
            raise RefusedError(403, "2 errors occurred:\n\t* permission denied\n\t* invalid token\n\n")
        if verb not in self.allowed or received.method not in {"POST", "PUT"}:
            raise RefusedError(403, "1 error occurred:\n\t* permission denied\n\n")
        self.asked.append(f"{verb}/{name}")
        key = self.keys.get(name)
        if key is None:
            raise RefusedError(400, "encryption key not found")
        said = received.json()
        if verb == "encrypt":
            return self._encrypt(key, self._read_base64(said["plaintext"]))
        if not said.get("ciphertext"):
            raise RefusedError(400, "missing ciphertext to decrypt")
        plaintext = self._decrypt(key, said["ciphertext"])
        return {"plaintext": base64.b64encode(plaintext).decode()} if verb == "decrypt" else self._encrypt(key, plaintext)

    def _encrypt(self, key: TransitKey, plaintext: bytes) -> dict[str, Any]:
        nonce, version = os.urandom(12), len(key.versions)
        text = base64.b64encode(nonce + AESGCM(key.versions[-1]).encrypt(nonce, plaintext, None)).decode()
        return {"ciphertext": f"vault:v{version}:{text}", "key_version": version}

    def _decrypt(self, key: TransitKey, ciphertext: str) -> bytes:
        if not ciphertext.startswith("vault:v"):
            raise RefusedError(400, "invalid ciphertext: no prefix")
        number, colon, text = ciphertext.removeprefix("vault:v").partition(":")
        if not colon:
            raise RefusedError(400, "invalid ciphertext: wrong number of fields")
        if not number.isdecimal():
            raise RefusedError(400, "invalid ciphertext: version number could not be decoded")
        version = int(number) or 1
        if version > len(key.versions):
            raise RefusedError(400, "invalid ciphertext: version is too new")
        if version < key.min_decryption_version:
            raise RefusedError(400, "ciphertext or signature version is disallowed by policy (too old)")
        try:
            data = base64.b64decode(text, validate=True)
        except ValueError:
            raise RefusedError(400, "invalid ciphertext: could not decode base64") from None
        if len(data) < 12:
            raise RefusedError(400, "invalid ciphertext length")
        try:
            return AESGCM(key.versions[version - 1]).decrypt(data[:12], data[12:], None)
        except InvalidTag:
            raise RefusedError(400, "cipher: message authentication failed") from None

    @staticmethod
    def _read_base64(text: str) -> bytes:
        try:
            return base64.b64decode(text, validate=True)
        except ValueError:
            raise RefusedError(400, "illegal base64 data at input byte 0") from None

    @staticmethod
    def _envelope(data: dict[str, Any]) -> dict[str, Any]:
        empty = {"lease_id": "", "renewable": False, "lease_duration": 0, "wrap_info": None, "warnings": None, "auth": None}
        return {"request_id": "5a5f6b54-3f5e-7d9a-52f1-2f3b2a8d6c5e", **empty, "data": data, "mount_type": "transit"}
