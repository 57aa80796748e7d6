"""What uvicorn is given as its HTTP protocol."""

import asyncio
from collections.abc import Iterable
from typing import Any, cast

from uvicorn import Config
from uvicorn.server import ServerState

from anyrouter.relay.outbox import Outbox
from anyrouter.web.front.addresses import Network, TrustedProxies
from anyrouter.web.front.connection import Connection
from anyrouter.web.front.inference import Inference
from anyrouter.web.front.limits import FrontLimits
from anyrouter.web.front.state import FrontState


def make_front(
    inference: Inference,
    limits: FrontLimits | None = None,
    *,
    trusted_proxies: Iterable[str | Network] = (),
    outbox: Outbox | None = None,
) -> type[asyncio.Protocol]:
    """The `http=` of one `uvicorn.Config`: it serves inference by `inference` and everything else by the Config's application.

    The Config must say `proxy_headers=False`: the client's address is judged here, by `trusted_proxies`. Its `timeout_graceful_shutdown`
    is how long running requests get to end. `timeout_keep_alive`, `ws`, `date_header`, `server_header` and `access_log` have no effect.
    """
    state = FrontState(inference, limits or FrontLimits(), TrustedProxies(trusted_proxies), outbox or Outbox())

    def accept(
        config: Config, server_state: ServerState, app_state: dict[str, Any], _loop: asyncio.AbstractEventLoop | None = None
    ) -> Connection:
        if state.config is not config or state.server_state is not server_state:
            state.enter(config, server_state, app_state)
        return Connection(state)

    return cast("type[asyncio.Protocol]", accept)  # what uvicorn's annotation asks for; it only calls it
