"""uvicorn as the process's server, with the front as its protocol."""

import contextlib
import signal
import socket
from collections.abc import Callable, Iterator

import uvicorn
from starlette.types import ASGIApp

from anyrouter.relay.outbox import Outbox
from anyrouter.relay.relay import Relay
from anyrouter.settings import Settings
from anyrouter.web.front.front import make_front
from anyrouter.web.front.limits import FrontLimits


class GatewayServer(uvicorn.Server):
    """uvicorn's server, which says when it listens and leaves the end of the process to its caller."""

    def __init__(self, config: uvicorn.Config, on_started: Callable[[int], None]) -> None:
        super().__init__(config)
        self._on_started = on_started

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        """Listen, then tell the port."""
        await super().startup(sockets=sockets)
        if self.started:
            self._on_started(self.servers[0].sockets[0].getsockname()[1])

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        """Stop in order on SIGINT and SIGTERM. The signal is not raised again: what is open is still to be closed."""
        kept = {number: signal.signal(number, self.handle_exit) for number in (signal.SIGINT, signal.SIGTERM)}
        try:
            yield
        finally:
            for number, handler in kept.items():
                signal.signal(number, handler)


def configure_server(settings: Settings, relay: Relay, app: ASGIApp, outbox: Outbox) -> uvicorn.Config:
    """What uvicorn is told: the front serves `relay` and hands everything else to `app`; nothing is logged or signalled by uvicorn."""
    server = settings.server
    limits = FrontLimits(
        head_bytes=server.head_bytes,
        head_count=server.head_count,
        head_timeout_s=server.head_timeout_s,
        body_bytes=server.body_bytes,
        body_timeout_s=server.body_timeout_s,
        keep_alive_s=server.keep_alive_s,
        max_connections=server.max_connections,
    )
    return uvicorn.Config(
        app,
        host=server.host,
        port=server.port,
        http=make_front(relay, limits, trusted_proxies=server.trusted_proxies, outbox=outbox),
        loop="none",
        ws="none",
        lifespan="off",
        log_config=None,
        access_log=False,
        proxy_headers=False,
        server_header=False,
        date_header=False,
        timeout_graceful_shutdown=int(server.graceful_shutdown_s),
        ssl_certfile=settings.resolve_path(server.tls_certificate) if server.tls_certificate else None,
        ssl_keyfile=settings.resolve_path(server.tls_key) if server.tls_key else None,
    )
