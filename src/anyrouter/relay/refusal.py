"""What an upstream says with a status that is no success."""

import time

from anyrouter.core.authorization import Authorization
from anyrouter.core.errors import UpstreamError, UpstreamStatus
from anyrouter.policy.attempt import read_retry_after
from anyrouter.relay.ports import Exchange

MAX_REFUSAL_BYTES = 64 * 1024
_UNAUTHORIZED = 401


async def read_refusal(exchange: Exchange, authorization: Authorization | None = None) -> UpstreamStatus:
    """The error that an upstream's status is. Its status counts also when its text is too long or broken."""
    if exchange.status == _UNAUTHORIZED and authorization is not None:
        authorization.reject()
    wait_s = _retry_after_s(exchange)
    try:
        body = await exchange.read(MAX_REFUSAL_BYTES)
    except UpstreamError:
        body = b""
    return UpstreamStatus("error status", status=exchange.status, body=body, retry_after_s=wait_s)


def _retry_after_s(exchange: Exchange) -> float | None:
    value = next((value for name, value in exchange.headers if name == b"retry-after"), None)
    return None if value is None else read_retry_after(value.decode("latin-1"), time.time())
