"""The check of `anyrouter doctor` on upstreams: one request to each for its list of models, through the gateway's own client."""

import asyncio
from collections.abc import Mapping, Sequence
from http import HTTPStatus

from anyrouter.cli.finding import Finding, found_doubtful, found_failing, found_well
from anyrouter.core.errors import GatewayError
from anyrouter.relay.ports import Timeouts
from anyrouter.settings import Upstream
from anyrouter.settings.model_request import make_model_request
from anyrouter.upstream.client import HttpUpstreamClient
from anyrouter.upstream.proxies import Proxies

_TIMEOUTS = Timeouts(connect_s=5.0, first_byte_s=10.0, idle_s=5.0, total_s=15.0)
_MAX_REPLY_BYTES = 16_000_000


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
    origin, head = make_model_request(upstream)
    try:
        exchange = await client.send(origin, head, (), _TIMEOUTS)
        await exchange.read(_MAX_REPLY_BYTES)
    except GatewayError as error:
        text = f"{upstream.base_url}: {error}"
        return found_failing(check, text, "check base_url, whether the server runs, and proxies and firewalls on the way")
    return _judge(check, upstream, exchange.status)


def _judge(check: str, upstream: Upstream, status: int) -> Finding:
    answer = f"{upstream.base_url} answers {status}"
    if status in {HTTPStatus.UNAUTHORIZED, HTTPStatus.FORBIDDEN}:
        if upstream.credential is None:
            return found_failing(check, f"{answer}: it wants a credential", "add credential_variable or credential_file to the upstream")
        return found_failing(check, f"{answer}: it refuses the credential", f"look at the {upstream.credential_source}")
    if status in {HTTPStatus.NOT_FOUND, HTTPStatus.METHOD_NOT_ALLOWED}:
        return found_well(check, f"{answer}: it has no list of models, so the credential could not be tried")
    if status >= HTTPStatus.MULTIPLE_CHOICES:
        return found_doubtful(check, f"{answer} to a request for its models", "if it stays so, look at the provider's status page")
    return found_well(check, f"{answer}, the credential is good" if upstream.credential is not None else answer)
