"""Opens connections to origins: straight or through a proxy, with TLS where the scheme asks for it."""

import asyncio
import re
import ssl
from collections.abc import Callable

from anyrouter.core.errors import ConnectFailed
from anyrouter.relay.ports import Origin
from anyrouter.upstream.connection import HttpConnection
from anyrouter.upstream.dialing import UNREACHABLE, dial
from anyrouter.upstream.proxies import Proxies, Proxy
from anyrouter.upstream.tunnel import open_tunnel

AddressGuard = Callable[[Origin, str], bool]
_HOST = re.compile(r"[A-Za-z0-9_.:%-]+")


class Forwarding:
    """Turns a request's head into the form that a forward proxy wants (RFC 9112, section 3.2.2)."""

    __slots__ = ("_line", "_prefix")

    def __init__(self, prefix: bytes, proxy: Proxy) -> None:
        self._prefix = prefix
        self._line = b"" if proxy.authorization is None else b"Proxy-Authorization: %s\r\n" % proxy.authorization

    def apply(self, head: bytes) -> bytes:
        """The head with an absolute target and the proxy's credentials."""
        method, _, rest = head.partition(b" ")
        return b"%s %s%s%s" % (method, self._prefix, rest, self._line)


class Connector:
    """`guard` is asked before connecting whether an origin's resolved address may be used; the operator's proxies are not its subject.

    `ssl_context` None makes one that verifies, on first use: certificates from `ca_file`, else from SSL_CERT_FILE or the system.
    """

    def __init__(
        self, *, proxies: Proxies, ssl_context: ssl.SSLContext | None = None, ca_file: str | None = None, guard: AddressGuard | None = None
    ) -> None:
        self._proxies, self._ssl_context, self._ca_file, self._guard = proxies, ssl_context, ca_file, guard

    def find_forwarding(self, origin: Origin) -> Forwarding | None:
        """How requests must look that go to a plain http origin by way of a proxy; None when they are as usual.

        They are forwarded whole, since many proxies refuse CONNECT to ports other than 443; https origins are tunnelled.
        """
        proxy = self._proxies.find(origin) if origin.scheme == "http" else None
        return None if proxy is None else Forwarding(b"http://" + format_authority(origin), proxy)

    async def connect(self, origin: Origin, connection: HttpConnection) -> None:
        """Connect `connection` to the origin; ConnectFailed. Cancelling leaves nothing open."""
        loop = asyncio.get_running_loop()
        proxy = self._proxies.find(origin)
        if proxy is None:
            guard = self._guard
            connected = await dial(loop, origin.host, origin.port, None if guard is None else lambda address: guard(origin, address))
        else:
            connected = await dial(loop, proxy.host, proxy.port)
        try:
            if proxy is not None and origin.scheme == "https":
                await open_tunnel(loop, connected, proxy, format_authority(origin))
            context = self._find_context() if origin.scheme == "https" else None
        except BaseException:
            connected.close()
            raise
        try:
            # From here on the socket is the transport's, which closes it when the handshake fails.
            await loop.create_connection(
                lambda: connection, sock=connected, ssl=context, server_hostname=origin.host.rstrip(".") if context else None
            )
        except ssl.SSLCertVerificationError as error:
            raise ConnectFailed(
                "The upstream's certificate cannot be verified.", internal=f"{origin.host}: {error.verify_message}"
            ) from error
        except (OSError, ValueError) as error:
            raise ConnectFailed(UNREACHABLE, internal=f"{origin.host}:{origin.port}: TLS: {type(error).__name__}") from error

    def _find_context(self) -> ssl.SSLContext:
        if self._ssl_context is None:
            self._ssl_context = ssl.create_default_context(cafile=self._ca_file)
            self._ssl_context.set_alpn_protocols(["http/1.1"])
        return self._ssl_context


def format_authority(origin: Origin) -> bytes:
    """`host:port`, an IPv6 address in brackets; ConnectFailed for a host that could break out of a request's line."""
    try:
        host = origin.host if origin.host.isascii() else origin.host.encode("idna").decode("ascii")
    except UnicodeError:
        host = ""
    if not _HOST.fullmatch(host):
        raise ConnectFailed(UNREACHABLE, internal="the host's name is malformed")
    return (f"[{host}]:{origin.port}" if ":" in host else f"{host}:{origin.port}").encode()
