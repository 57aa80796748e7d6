"""The sandbox as a process of its own: what `anyrouter sandbox` runs."""

import asyncio
import signal
from collections.abc import Callable

from anyrouter.sandbox.server import SandboxServer


def run(*, host: str, port: int, announce: Callable[[SandboxServer], None]) -> None:
    """Serve until SIGINT or SIGTERM. `announce` is called once, when requests are answered; OSError when the address cannot be had."""
    asyncio.run(_serve(host, port, announce))


async def _serve(host: str, port: int, announce: Callable[[SandboxServer], None]) -> None:
    stopped = asyncio.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        asyncio.get_running_loop().add_signal_handler(number, stopped.set)
    async with SandboxServer(host=host, port=port) as server:
        announce(server)
        await stopped.wait()
