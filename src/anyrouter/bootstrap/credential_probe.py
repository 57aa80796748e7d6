"""Whether a provider takes a tenant's credential: asked by a request that costs nothing, with the client that connects where tenants say.

The credential goes to its own host and nowhere else: a redirect is not followed.
"""

import time
from datetime import UTC, datetime
from http import HTTPStatus

from anyrouter.bootstrap.authorizations import buy_with, sign_with
from anyrouter.control.credential_place import locate
from anyrouter.control.credentials import Probed
from anyrouter.core.authorization import OutgoingRequest
from anyrouter.core.byok import ProviderCredential
from anyrouter.core.errors import UpstreamError
from anyrouter.core.provider import AuthKind, Provider
from anyrouter.core.secret import Secret
from anyrouter.policy.addresses import name_place
from anyrouter.providers.credential import judge_credential
from anyrouter.relay.ports import Timeouts, UpstreamClient
from anyrouter.settings import Upstream
from anyrouter.settings.model_request import make_check_request
from anyrouter.wire.failure import read_failure, scrub

_TIMEOUTS = Timeouts(connect_s=5.0, first_byte_s=10.0, idle_s=5.0, total_s=15.0)
_MAX_REPLY_BYTES = 8_000_000
_MAX_SAID = 300
_ACCESS_DENIED = b"AccessDeniedException"  # of a credential that is known, and may not list what was asked for to try it
_NOTHING_THERE = {HTTPStatus.NOT_FOUND, HTTPStatus.METHOD_NOT_ALLOWED}
_LATER = {HTTPStatus.REQUEST_TIMEOUT, HTTPStatus.TOO_MANY_REQUESTS}


class HttpCredentialProbe:
    """`CredentialProbe`."""

    def __init__(self, client: UpstreamClient) -> None:
        self._client = client

    async def probe(self, provider: Provider, credential: ProviderCredential, secret: Secret) -> Probed:
        """See the port."""
        upstream = make_upstream(provider, credential, secret)
        if upstream is None:
            return Probed(is_ok=False, status=None, latency_ms=0, message="The provider's address has changed: enter the secret again.")
        started_s = time.monotonic()
        if upstream.credential_kind is AuthKind.SERVICE_ACCOUNT:
            is_ok, status, message = await self._buy(upstream)
        else:
            is_ok, status, message = await self._ask(upstream)
        latency_ms = round((time.monotonic() - started_s) * 1000)
        return Probed(is_ok=is_ok, status=status, latency_ms=latency_ms, message=message)

    async def _ask(self, upstream: Upstream) -> tuple[bool | None, int | None, str]:
        origin, head = make_check_request(upstream)
        if upstream.credential_kind is AuthKind.SIGV4:
            head += _sign(upstream, head)
        try:
            exchange = await self._client.send(origin, head, (), _TIMEOUTS)
            body = await exchange.read(_MAX_REPLY_BYTES)
        except UpstreamError as error:
            return None, None, error.public
        return _judge(upstream, exchange.status, dict(exchange.headers).get(b"x-amzn-errortype", b"").startswith(_ACCESS_DENIED), body)

    async def _buy(self, upstream: Upstream) -> tuple[bool | None, int | None, str]:
        """Whether a service account's key buys a token."""
        failures: list[str] = []
        authorization = buy_with(upstream, self._client, failures.append)
        try:
            await authorization.prepare(_TIMEOUTS.total_s or 0.0)
        except UpstreamError as error:
            status = getattr(error, "status", None)
            is_refused = status is not None and HTTPStatus.BAD_REQUEST <= status < HTTPStatus.INTERNAL_SERVER_ERROR
            return (False if is_refused else None), status, f"No token could be bought: {', '.join(failures) or error.public}"
        finally:
            await authorization.aclose()
        return True, HTTPStatus.OK, "A token was bought, the credential is good. The provider itself was not asked."


def make_upstream(provider: Provider, credential: ProviderCredential, secret: Secret) -> Upstream | None:
    """The credential as an upstream; None where its address is not the one any more that the secret was entered for."""
    base_url = locate(provider, credential.base_url, credential.variables)
    if name_place(base_url) != credential.host:
        return None
    return Upstream(
        id=credential.id,
        provider=provider,
        base_url=base_url,
        credential=secret,
        credential_source="byok",
        priority=0,
        models=(),
        timeouts=_TIMEOUTS,
        environments=(),
        credential_kind=judge_credential(provider, secret.reveal()) or AuthKind.HEADER,
        variables=credential.variables,
        has_own_address=credential.base_url is not None,
    )


def _sign(upstream: Upstream, head: bytes) -> bytes:
    lines = head.decode("latin-1").split("\r\n")
    method, target, _ = lines[0].split(" ")
    host = next(line.partition(": ")[2] for line in lines if line.startswith("Host: "))
    return sign_with(upstream).render(OutgoingRequest(method, target, host, "", (), datetime.now(UTC)))


def _judge(upstream: Upstream, status: int, is_known: bool, body: bytes) -> tuple[bool | None, int, str]:
    name = upstream.provider.name
    if HTTPStatus.OK <= status < HTTPStatus.MULTIPLE_CHOICES:
        return True, status, f"{name} takes the credential."
    if is_known:
        return True, status, f"{name} knows the credential, which may not list what was asked for to try it."
    if status in _NOTHING_THERE:
        return None, status, f"{name} has nothing at the path that is asked to try a credential: it could not be tried."
    if status < HTTPStatus.BAD_REQUEST:
        return False, status, f"{name} answers with a redirect, which is not followed. Give the address that it leads to."
    assert upstream.credential is not None  # noqa: S101 -- whatever is tried has one
    secrets = sign_with(upstream).secrets if upstream.credential_kind is AuthKind.SIGV4 else (upstream.credential.reveal(),)
    said = " ".join(scrub(read_failure(body)[0] or "", secrets).split())[:_MAX_SAID]
    told = f" It says: {said}" if said else ""
    if status in _LATER or status >= HTTPStatus.INTERNAL_SERVER_ERROR:
        return None, status, f"{name} answers {status}: try again later.{told}"
    return False, status, f"{name} answers {status}: it refuses the credential.{told}"
