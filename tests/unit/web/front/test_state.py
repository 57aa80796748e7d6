"""What a server's connections share."""

import asyncio

import uvicorn
from uvicorn.server import ServerState

from anyrouter.relay.outbox import Outbox
from anyrouter.web.front.addresses import TrustedProxies
from anyrouter.web.front.connection import Connection
from anyrouter.web.front.head import Head
from anyrouter.web.front.limits import FrontLimits
from anyrouter.web.front.state import FrontState

RAW = b"POST /v1/messages HTTP/1.1\r\nHost: a\r\nAuthorization: Bearer MARKER\r\nContent-Length: 5\r\n\r\n"


async def test_the_sweep_forgets_remembered_heads_each_time() -> None:
    state = FrontState(None, FrontLimits(linger_s=0.04), TrustedProxies(()), Outbox())
    state.enter(uvicorn.Config(None), ServerState(), {})
    connection = Connection(state)
    connection.deadline_s = asyncio.get_running_loop().time() + 3600
    state.add(connection)
    for _ in range(2):
        first = state.reader.read(RAW)
        again = state.reader.read(RAW)
        assert isinstance(first, Head)
        assert isinstance(again, Head)
        assert again.facts is first.facts
        async with asyncio.timeout(5):
            while state.reader.read(RAW).facts is first.facts:  # noqa: ASYNC110 -- the sweep sets no event
                await asyncio.sleep(0)
    state.remove(connection)


def test_heads_are_kept_no_longer_than_a_second_by_default() -> None:
    assert FrontLimits().sweep_s <= 1.0
