"""An authenticator in software (WebAuthn), which a test can have lie: about where it is, who it saw, how often it was used."""

import base64
import hashlib
import json
import secrets
from typing import Any

from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from fido2 import cbor
from fido2.cose import ES256

PRESENT, VERIFIED, HAS_CREDENTIAL = 0x01, 0x04, 0x40
SEEN = PRESENT | VERIFIED


class SoftAuthenticator:
    """One credential at a time. `origin` is that of the page that asks."""

    def __init__(self, origin: str, rp_id: str = "localhost") -> None:
        self.origin, self.rp_id, self.count = origin, rp_id, 0
        self.key = ec.generate_private_key(ec.SECP256R1())
        self.credential_id = secrets.token_bytes(32)
        self.user_handle = b""

    def make(self, options: dict[str, Any], **lies: Any) -> str:
        """The answer to what makes a passkey."""
        asked = options["publicKey"]
        self.user_handle = decode(asked["user"]["id"])
        public = cbor.encode(dict(ES256.from_cryptography_key(self.key.public_key())))
        attested = bytes(16) + len(self.credential_id).to_bytes(2) + self.credential_id + public
        data = self._data(lies, HAS_CREDENTIAL) + attested
        response = {
            "clientDataJSON": encode(self._client("webauthn.create", asked, lies)),
            "attestationObject": encode(cbor.encode({"fmt": "none", "attStmt": {}, "authData": data})),
        }
        return self._answer(response)

    def sign(self, options: dict[str, Any], **lies: Any) -> str:
        """The answer to what proves who somebody is."""
        client, data = self._client("webauthn.get", options["publicKey"], lies), self._data(lies, 0)
        key = lies.get("key", self.key)
        signature = key.sign(data + hashlib.sha256(client).digest(), ec.ECDSA(hashes.SHA256()))
        response = {
            "clientDataJSON": encode(client),
            "authenticatorData": encode(data),
            "signature": encode(signature),
            "userHandle": encode(lies.get("user_handle", self.user_handle)),
        }
        return self._answer(response)

    def _client(self, kind: str, asked: dict[str, Any], lies: dict[str, Any]) -> bytes:
        challenge, origin = lies.get("challenge", asked["challenge"]), lies.get("origin", self.origin)
        return json.dumps({"type": lies.get("type", kind), "challenge": challenge, "origin": origin, "crossOrigin": False}).encode()

    def _data(self, lies: dict[str, Any], flags: int) -> bytes:
        self.count = lies.get("count", self.count + 1)
        rp_id = lies.get("rp_id", self.rp_id)
        return hashlib.sha256(rp_id.encode()).digest() + bytes([lies.get("flags", SEEN) | flags]) + self.count.to_bytes(4)

    def _answer(self, response: dict[str, str]) -> str:
        return json.dumps(
            {"id": encode(self.credential_id), "rawId": encode(self.credential_id), "type": "public-key", "response": response}
        )


def encode(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


def decode(text: str) -> bytes:
    return base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))
