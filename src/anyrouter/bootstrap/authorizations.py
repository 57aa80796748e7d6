"""What upstreams are asked with, where that is more than a line of the head: built from their credentials, kept good while it runs."""

from collections.abc import Callable, Iterable
from datetime import UTC, datetime
from functools import partial
from typing import TYPE_CHECKING

import structlog

from anyrouter.core.authorization import Authorization
from anyrouter.core.provider import AuthKind
from anyrouter.providers.sigv4 import read_credential
from anyrouter.relay.ports import UpstreamClient
from anyrouter.relay.signature import SigV4Authorization
from anyrouter.settings import Upstream

if TYPE_CHECKING:
    from anyrouter.relay.bought_token import TokenAuthorization

_log = structlog.get_logger(__name__)


class Authorizations:
    """Those of all upstreams that need one, by the upstream's id. Belongs to the loop in which requests are served."""

    def __init__(self, upstreams: Iterable[Upstream], client: UpstreamClient) -> None:
        self.by_upstream: dict[str, Authorization] = {}
        self._tokens: list[TokenAuthorization] = []
        for upstream in upstreams:
            if upstream.credential_kind is AuthKind.SIGV4:
                self.by_upstream[upstream.id] = sign_with(upstream)
            elif upstream.credential_kind is AuthKind.SERVICE_ACCOUNT:
                tokens = buy_with(upstream, client, partial(_report, upstream.id))
                self.by_upstream[upstream.id] = tokens
                self._tokens.append(tokens)

    def tick(self) -> None:
        """Called once a second: tokens are bought before anybody waits for them."""
        for tokens in self._tokens:
            tokens.tick()

    async def aclose(self) -> None:
        """Buy no more."""
        for tokens in self._tokens:
            await tokens.aclose()


def sign_with(upstream: Upstream) -> SigV4Authorization:
    """The signatures of an upstream whose credential is an access key."""
    assert upstream.credential is not None  # noqa: S101 -- settings give such a kind with a credential only
    assert upstream.provider.signing_service is not None  # noqa: S101 -- as above
    credential = read_credential(upstream.credential.reveal())
    return SigV4Authorization(credential, region=upstream.variables["region"], service=upstream.provider.signing_service)


def buy_with(upstream: Upstream, client: UpstreamClient, on_failure: Callable[[str], None]) -> "TokenAuthorization":
    """The tokens of an upstream whose credential is a service account's key."""
    from anyrouter.providers.service_account import read_key  # noqa: PLC0415 -- 20 MB, 70 ms; most have no such upstream
    from anyrouter.relay.bought_token import TokenAuthorization  # noqa: PLC0415 -- as above

    assert upstream.credential is not None  # noqa: S101 -- settings give such a kind with a credential only
    provider = upstream.provider
    return TokenAuthorization(
        read_key(upstream.credential.reveal(), token_url=provider.token_url, is_operators=True),
        provider.token_scope,
        line=f"{provider.credential_header}: {provider.credential_prefix}",
        client=client,
        clock=lambda: datetime.now(UTC),
        on_failure=on_failure,
    )


def _report(upstream_id: str, text: str) -> None:
    _log.warning("token_not_bought", upstream=upstream_id, reason=text)
