"""What an upstream says with a status that is no success."""

import time

from anyrouter.core.errors import UpstreamError, UpstreamStatus
from anyrouter.policy.rate_headers import LONGEST_S, read_wait
from anyrouter.relay.generation import Generation
from anyrouter.relay.ports import Exchange
from anyrouter.wire.key_refusal import refuses_key
from anyrouter.wire.retry_info import read_retry_delay

MAX_REFUSAL_BYTES = 64 * 1024
_BAD_REQUEST, _UNAUTHORIZED, _TOO_MANY = 400, 401, 429


async def read_refusal(generation: Generation, exchange: Exchange) -> UpstreamStatus:
    """The error that an upstream's status is. Its status counts also when its text is too long or broken.

    What it says of its rate limits is learned from it; the wait that it asks for is read from its headers, else from its text. A 400 that
    refuses the credential is the 401 that others answer.
    """
    status, authorization = exchange.status, generation.stop.head.authorization
    if status == _UNAUTHORIZED and authorization is not None:
        authorization.reject()
    if status == _TOO_MANY:
        generation.learn(exchange.headers, time.monotonic())
    wait_s = read_wait(exchange.headers, time.time())
    try:
        body = await exchange.read(MAX_REFUSAL_BYTES)
    except UpstreamError:
        body = b""
    if wait_s is None and (delay_s := read_retry_delay(body)) is not None:
        wait_s = min(delay_s, LONGEST_S)
    if status == _BAD_REQUEST and refuses_key(body):
        status = _UNAUTHORIZED
    return UpstreamStatus("error status", status=status, body=body, retry_after_s=wait_s)
