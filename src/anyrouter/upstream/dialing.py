"""From a host's name to a connected TCP socket: resolve, let the guard judge the addresses, race them (RFC 8305)."""

import asyncio
import socket
from collections import deque
from collections.abc import Callable, Sequence

from anyrouter.core.errors import ConnectFailed

UNREACHABLE = "The upstream could not be reached."
STAGGER_S = 0.25  # the head start of each address over the next (RFC 8305, section 5)
_KEEP_ALIVE_OPTIONS = (("TCP_KEEPIDLE", 60), ("TCP_KEEPINTVL", 30), ("TCP_KEEPCNT", 4))

_Resolved = tuple[socket.AddressFamily, tuple[str, int] | tuple[str, int, int, int] | tuple[int, bytes]]


async def dial(loop: asyncio.AbstractEventLoop, host: str, port: int, is_allowed: Callable[[str], bool] | None = None) -> socket.socket:
    """A connected, non-blocking socket, which the caller closes; ConnectFailed.

    `is_allowed` is asked about every address that the name resolves to, and what it was asked about is what is connected to: a
    name that changes its mind gains nothing. One refused address refuses the name.
    """
    try:
        found = await loop.getaddrinfo(host, port, type=socket.SOCK_STREAM, proto=socket.IPPROTO_TCP)
    except (OSError, UnicodeError, ValueError) as error:
        raise ConnectFailed(UNREACHABLE, internal=f"{host} does not resolve: {error}") from error
    if is_allowed is not None and not all(is_allowed(str(address[0])) for _, _, _, _, address in found):
        raise ConnectFailed("The upstream's address is not allowed.", internal=f"{host} resolves to a refused address")
    addresses = _alternate([(family, address) for family, _, _, _, address in found])
    try:
        return await (_race(loop, addresses) if len(addresses) > 1 else _connect(loop, addresses[0]))
    except OSError as error:
        raise ConnectFailed(UNREACHABLE, internal=f"{host}:{port}: {error.strerror or type(error).__name__}") from error


def _alternate(resolved: Sequence[_Resolved]) -> list[_Resolved]:
    """The addresses with families taking turns, the resolver's preference first."""
    first = [each for each in resolved if each[0] == resolved[0][0]]
    others = [each for each in resolved if each[0] != resolved[0][0]]
    ordered: list[_Resolved] = []
    for index in range(max(len(first), len(others))):
        ordered += first[index : index + 1] + others[index : index + 1]
    return ordered


async def _race(loop: asyncio.AbstractEventLoop, addresses: Sequence[_Resolved]) -> socket.socket:
    waiting, running = deque(addresses), set[asyncio.Task[socket.socket]]()
    error: BaseException | None = None
    try:
        while waiting or running:
            if waiting:
                running.add(loop.create_task(_connect(loop, waiting.popleft())))
            done, _ = await asyncio.wait(running, timeout=STAGGER_S if waiting else None, return_when=asyncio.FIRST_COMPLETED)
            for task in done:
                running.discard(task)
                error = task.exception()
                if error is None:
                    running |= done - {task}
                    return task.result()
    finally:
        await _abandon(running)
    raise error or OSError("no address")


async def _abandon(tasks: set[asyncio.Task[socket.socket]]) -> None:
    for task in tasks:
        task.cancel()
    for outcome in await asyncio.gather(*tasks, return_exceptions=True):
        if isinstance(outcome, socket.socket):
            outcome.close()


async def _connect(loop: asyncio.AbstractEventLoop, resolved: _Resolved) -> socket.socket:
    family, address = resolved
    connecting = socket.socket(family, socket.SOCK_STREAM, socket.IPPROTO_TCP)
    try:
        connecting.setblocking(False)  # noqa: FBT003 -- the standard library's signature
        connecting.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        # A completion may take minutes without a byte; routers on the way forget silent connections sooner.
        connecting.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
        for name, value in _KEEP_ALIVE_OPTIONS:
            if hasattr(socket, name):
                connecting.setsockopt(socket.IPPROTO_TCP, getattr(socket, name), value)
        await loop.sock_connect(connecting, address)
    except BaseException:
        connecting.close()
        raise
    return connecting
