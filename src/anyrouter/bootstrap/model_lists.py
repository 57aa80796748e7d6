"""Upstreams' own lists of models, fetched with the gateway's client."""

from collections.abc import Iterable
from http import HTTPStatus

from anyrouter.control.discovery import MAX_BYTES
from anyrouter.core.errors import UpstreamStatus
from anyrouter.relay.ports import Timeouts, UpstreamClient
from anyrouter.settings import Upstream
from anyrouter.settings.model_request import make_model_request

_TIMEOUTS = Timeouts(connect_s=3.0, first_byte_s=5.0, idle_s=5.0, total_s=15.0)


class HttpModelLists:
    """`control.discovery.ModelLists` for the configured upstreams."""

    def __init__(self, client: UpstreamClient, upstreams: Iterable[Upstream]) -> None:
        self._client = client
        self._requests = {upstream.id: make_model_request(upstream) for upstream in upstreams}

    async def fetch(self, upstream_id: str) -> bytes:
        """The reply's body; UpstreamError when there is none, or when it is no success."""
        origin, head = self._requests[upstream_id]
        exchange = await self._client.send(origin, head, (), _TIMEOUTS)
        body = await exchange.read(MAX_BYTES)
        if exchange.status != HTTPStatus.OK:
            raise UpstreamStatus(f"it answered {exchange.status} to the request for its models", status=exchange.status, body=b"")
        return body
