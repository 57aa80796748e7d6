"""The sandbox as a server on a loopback port, inside a running event loop."""

import asyncio
import itertools
import time
from types import TracebackType
from typing import Self

from anyrouter.sandbox.connection import Connection, Terms
from anyrouter.sandbox.reply import ApiError, Reply, Stamp
from anyrouter.sandbox.request import Request
from anyrouter.sandbox.routes import dialect_of
from anyrouter.sandbox.service import answer

MAX_BODY_BYTES = 32 * 1024 * 1024


class SandboxServer:
    """The simulated provider. Needs nothing but an event loop: no disk, no network beyond its port, no signals, no log.

    `port` 0 takes a free one. `delay_factor` stretches or shrinks what sandbox/slow and sandbox/timeout wait. A request body above
    `max_body_bytes` is refused with 413. May be started once.
    """

    def __init__(self, *, host: str = "127.0.0.1", port: int = 0, delay_factor: float = 1.0, max_body_bytes: int = MAX_BODY_BYTES) -> None:
        self.host, self.port = host, port
        self._serials = itertools.count(time.time_ns() // 1_000)
        self._terms = Terms(answer=self._answer, refuse=self._refuse, max_body_bytes=max_body_bytes, delay_factor=delay_factor)
        self._server: asyncio.Server | None = None

    @property
    def base_url(self) -> str:
        """The address without a path: `http://127.0.0.1:40000`."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        return f"http://{host}:{self.port}"

    async def start(self) -> int:
        """Listen, and return the port. OSError when the address cannot be had."""
        loop = asyncio.get_running_loop()
        self._server = await loop.create_server(lambda: Connection(self._terms), self.host, self.port, backlog=2048)
        self.port = self._server.sockets[0].getsockname()[1]
        return self.port

    async def aclose(self) -> None:
        """Stop listening, end every connection, and return when all is ended. Harmless when not started."""
        if self._server is None:
            return
        self._server.close()
        tasks = [task for connection in list(self._terms.connections) if (task := connection.shutdown()) is not None]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        await self._server.wait_closed()
        self._server = None

    async def __aenter__(self) -> Self:
        await self.start()
        return self

    async def __aexit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        await self.aclose()

    def _answer(self, request: Request) -> Reply:
        return answer(request, self._stamp())

    def _refuse(self, request: Request, status: int, message: str) -> Reply:
        dialect = dialect_of(request)
        error = ApiError(status, message) if message else dialect.too_large()
        return dialect.render_error(error, self._stamp())

    def _stamp(self) -> Stamp:
        return Stamp(serial=next(self._serials), now_s=int(time.time()))
