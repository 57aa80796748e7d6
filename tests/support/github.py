"""GitHub as far as its secret scanning partner program goes: its public keys over HTTP, and reports that it signs."""

import base64
import json
from typing import Any, Self

from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec

from support.upstream import Answer, Received, ScriptedUpstream, json_answer

KEY_ID = "bcb53661c06b4728e59d897fb6165d5c9cda0fd9cdf9d09ead458168deb7518c"
OTHER_ID = "90a421169f0a406205f1563a953312f0be898d3c7b6c06b681aa86a874555f4a"


class GitHub:
    """Answers for its keys with `instead`, if that is set."""

    def __init__(self) -> None:
        self.keys = {KEY_ID: ec.generate_private_key(ec.SECP256R1())}
        self.instead: Answer | None = None
        self._server = ScriptedUpstream(self._handle)

    @property
    def keys_url(self) -> str:
        return f"{self._server.url}/meta/public_keys/secret_scanning"

    @property
    def readings(self) -> int:
        return len(self._server.received)

    def report(self, *tokens: str, **fields: Any) -> bytes:
        """The body of a report."""
        place = {"type": "anyrouter_api_key", "url": "https://github.com/octo/cat/blob/main/.env", "source": "content", **fields}
        return json.dumps([{"token": token, **place} for token in tokens], separators=(",", ":")).encode()

    def sign(self, body: bytes, key_id: str = KEY_ID) -> dict[str, str]:
        """The headers of a report."""
        signature = self.keys[key_id].sign(body, ec.ECDSA(hashes.SHA256()))
        return {"Github-Public-Key-Identifier": key_id, "Github-Public-Key-Signature": base64.b64encode(signature).decode()}

    def publish(self) -> list[dict[str, Any]]:
        form = (serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo)
        return [
            {"key_identifier": key_id, "key": key.public_key().public_bytes(*form).decode(), "is_current": True}
            for key_id, key in self.keys.items()
        ]

    def close(self) -> None:
        self._server.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _handle(self, received: Received) -> Answer:
        assert (received.method, received.path) == ("GET", "/meta/public_keys/secret_scanning")
        return json_answer({"public_keys": self.publish()}) if self.instead is None else self.instead
