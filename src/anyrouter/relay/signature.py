"""Requests that carry a signature of their own (Signature Version 4)."""

from anyrouter.core.authorization import Authorization, OutgoingRequest
from anyrouter.providers.sigv4 import SignableRequest, Signer, SigningCredential, hash_payload


class SigV4Authorization(Authorization):
    """Signs host, content type and body of each request, as it is asked for: there is nothing to prepare."""

    __slots__ = ("_credential", "_signer")

    def __init__(self, credential: SigningCredential, *, region: str, service: str) -> None:
        self._signer = Signer(credential, region=region, service=service)
        self._credential = credential

    @property
    def secrets(self) -> tuple[str, ...]:
        """See the port."""
        return self._credential.secrets

    def render(self, request: OutgoingRequest) -> bytes:
        """See the port. A signature is good for some minutes around `now`."""
        path, _, query = request.target.partition("?")
        headers = {"host": request.host}
        if request.content_type:
            headers["content-type"] = request.content_type
        signable = SignableRequest(method=request.method, path=path, query=query, headers=headers, payload_hash=hash_payload(request.body))
        added = self._signer.sign(signable, request.now)
        return "".join(f"{name}: {value}\r\n" for name, value in added.items()).encode("latin-1")

    async def prepare(self, wait_s: float) -> None:
        """Return at once."""

    def reject(self) -> None:
        """Nothing follows: the next signature has another time in it anyway."""
