"""The check of `anyrouter doctor` on upstreams: one request to each, through the gateway's own client.

It asks for the list of models, or for something else that costs nothing. Of a service account a token is bought instead. What is wrong
with a credential by itself is told with the configuration, before any request.
"""

import asyncio
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from http import HTTPStatus

from anyrouter.bootstrap.authorizations import buy_with, sign_with
from anyrouter.cli.finding import Finding, found_doubtful, found_failing, found_well
from anyrouter.core.authorization import OutgoingRequest
from anyrouter.core.errors import GatewayError
from anyrouter.core.provider import AuthKind
from anyrouter.relay.ports import Timeouts
from anyrouter.settings import Upstream
from anyrouter.settings.model_request import make_check_request
from anyrouter.upstream.client import HttpUpstreamClient
from anyrouter.upstream.proxies import Proxies
from anyrouter.wire.failure import read_failure, scrub

_TIMEOUTS = Timeouts(connect_s=5.0, first_byte_s=10.0, idle_s=5.0, total_s=15.0)
_MAX_REPLY_BYTES = 16_000_000
_ACCESS_DENIED = "AccessDeniedException"
_REFUSED = {
    "ExpiredTokenException",
    "IncompleteSignatureException",
    "InvalidSignatureException",
    "MissingAuthenticationTokenException",
    "UnrecognizedClientException",
}
_MAX_SAID = 300
_ABOUT_TIME = ("signature expired", "signature not yet current")


async def check_upstreams(upstreams: Sequence[Upstream], environ: Mapping[str, str]) -> list[Finding]:
    """What each upstream answers, asked all at once."""
    try:
        client = HttpUpstreamClient(proxies=Proxies.from_environment(environ))
    except ValueError as error:
        return [found_failing("proxy", str(error), "correct the variable")]
    try:
        return list(await asyncio.gather(*(_check(client, upstream) for upstream in upstreams)))
    finally:
        await client.aclose()


async def _check(client: HttpUpstreamClient, upstream: Upstream) -> Finding:
    check = f"upstream {upstream.id}"
    if upstream.credential_kind is AuthKind.SERVICE_ACCOUNT:
        return await _buy(check, client, upstream)
    origin, head = make_check_request(upstream)
    if upstream.credential_kind is AuthKind.SIGV4:
        head += _sign(upstream, head)
    try:
        exchange = await client.send(origin, head, (), _TIMEOUTS)
        body = await exchange.read(_MAX_REPLY_BYTES)
    except GatewayError as error:
        text = f"{upstream.base_url}: {error}"
        return found_failing(check, text, "check base_url, whether the server runs, and proxies and firewalls on the way")
    kind = next((value.decode("latin-1") for name, value in exchange.headers if name == b"x-amzn-errortype"), "").partition(":")[0]
    return _judge_kind(check, upstream, kind, body) or _judge(check, upstream, exchange.status)


async def _buy(check: str, client: HttpUpstreamClient, upstream: Upstream) -> Finding:
    """Whether a service account's key buys a token."""
    failures: list[str] = []
    authorization = buy_with(upstream, client, failures.append)
    try:
        await authorization.prepare(_TIMEOUTS.total_s or 0.0)
    except GatewayError as error:
        cure = f"look at the {upstream.credential_source}, at this machine's clock, and at proxies and firewalls on the way"
        return found_failing(check, f"no token could be bought: {', '.join(failures) or error.public}", cure)
    finally:
        await authorization.aclose()
    return found_well(check, f"a token was bought, the credential is good; {upstream.base_url} was not asked")


def _sign(upstream: Upstream, head: bytes) -> bytes:
    lines = head.decode("latin-1").split("\r\n")
    method, target, _ = lines[0].split(" ")
    host = next(line.partition(": ")[2] for line in lines if line.startswith("Host: "))
    return sign_with(upstream).render(OutgoingRequest(method, target, host, "", (), datetime.now(UTC)))


def _judge_kind(check: str, upstream: Upstream, kind: str, body: bytes) -> Finding | None:
    """What the kind of a refusal says of the credential, where the provider tells kinds in a header of its own; None: nothing.

    Source: docs.aws.amazon.com/bedrock/latest/APIReference/CommonErrors.html (read 2026-11-24).
    """
    if upstream.credential is None:
        return None
    if kind == _ACCESS_DENIED:
        return found_well(check, f"{upstream.base_url} knows the credential, which may not list what was asked for to try it")
    if kind in _REFUSED:
        is_signed = upstream.credential_kind is AuthKind.SIGV4
        secrets = sign_with(upstream).secrets if is_signed else (upstream.credential.reveal(),)
        said = " ".join(scrub(read_failure(body)[0] or "", secrets).split())[:_MAX_SAID]
        is_time = any(word in said.lower() for word in _ABOUT_TIME)
        cure = "set this machine's clock" if is_time else f"look at the {upstream.credential_source}, and at region in variables"
        return found_failing(check, f"{upstream.base_url} refuses the credential ({kind}{f': {said}' if said else ''})", cure)
    return None


def _judge(check: str, upstream: Upstream, status: int) -> Finding:
    answer = f"{upstream.base_url} answers {status}"
    if status in {HTTPStatus.UNAUTHORIZED, HTTPStatus.FORBIDDEN}:
        if upstream.credential is None:
            return found_failing(check, f"{answer}: it wants a credential", "add credential_variable or credential_file to the upstream")
        return found_failing(check, f"{answer}: it refuses the credential", f"look at the {upstream.credential_source}")
    if status in {HTTPStatus.NOT_FOUND, HTTPStatus.METHOD_NOT_ALLOWED}:
        missing = "no list of models" if upstream.provider.check_path is None else "nothing at the path that was asked"
        return found_well(check, f"{answer}: it has {missing}, so the credential could not be tried")
    if status >= HTTPStatus.MULTIPLE_CHOICES:
        return found_doubtful(check, f"{answer} to a request that tries it", "if it stays so, look at the provider's status page")
    return found_well(check, f"{answer}, the credential is good" if upstream.credential is not None else answer)
