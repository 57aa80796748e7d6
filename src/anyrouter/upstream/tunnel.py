"""The CONNECT handshake with a forward proxy (RFC 9110, section 9.3.6), over a raw socket before TLS begins."""

import asyncio
import re
import socket

from anyrouter.core.errors import ConnectFailed
from anyrouter.upstream.proxies import Proxy

REFUSED = "The proxy did not open a connection to the upstream."
_HEAD_BYTES = 16 * 1024
_STATUS = re.compile(rb"HTTP/1\.[01] (\d{3})(?: [^\r\n]*)?\r\n")


async def open_tunnel(loop: asyncio.AbstractEventLoop, connected: socket.socket, proxy: Proxy, authority: bytes) -> None:
    """Return when the socket leads to `authority` (host:port); ConnectFailed, with the proxy's status in `internal`."""
    request = b"CONNECT %s HTTP/1.1\r\nHost: %s\r\n" % (authority, authority)
    if proxy.authorization is not None:
        request += b"Proxy-Authorization: %s\r\n" % proxy.authorization
    try:
        await loop.sock_sendall(connected, request + b"\r\n")
        head = await _read_head(loop, connected)
    except OSError as error:
        raise ConnectFailed(REFUSED, internal=f"proxy: {type(error).__name__}") from error
    match = _STATUS.match(head)
    if match is None:
        raise ConnectFailed(REFUSED, internal="the proxy did not answer in HTTP/1.1")
    status = int(match.group(1))
    if status // 100 != 2:  # noqa: PLR2004 -- any 2xx opens the tunnel
        raise ConnectFailed(REFUSED, internal=f"the proxy answered {status}")


async def _read_head(loop: asyncio.AbstractEventLoop, connected: socket.socket) -> bytes:
    received = b""
    while b"\r\n\r\n" not in received:
        if len(received) > _HEAD_BYTES:
            raise ConnectFailed(REFUSED, internal="the proxy's head is too large")
        data = await loop.sock_recv(connected, 4096)
        if not data:
            raise ConnectFailed(REFUSED, internal="the proxy closed the connection")
        received += data
    head, end, rest = received.partition(b"\r\n\r\n")
    if rest and _STATUS.match(head + end) and head.split(b" ", 2)[1].startswith(b"2"):
        raise ConnectFailed(REFUSED, internal="bytes follow the proxy's head")  # nobody may speak before the TLS client does
    return head + end
